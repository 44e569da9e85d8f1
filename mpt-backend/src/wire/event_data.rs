//! Data of events, the bytes after [`EventNotifyReply`](super::event::EventNotifyReply).
//!
//! All of it is device-written. `event_data_length` of the reply says how much is there; it must be
//! checked against the frame and against the layout before the data is read.

use super::sas::{LinkRate, SasDeviceInfo};
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Data of [`EVENT_CHANGE`](super::event::Event::EVENT_CHANGE) (`EVENT_DATA_EVENT_CHANGE`), 4
/// bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct EventChange {
    /// 0x00: 1 when event notification is on.
    pub event_state: u8,
    /// 0x01: zero.
    pub reserved: u8,
    /// 0x02: zero.
    pub reserved1: U16,
}

const _: () = assert!(size_of::<EventChange>() == 4);

/// Data of the bus reset and rescan events (`EVENT_DATA_SCSI`), 4 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct EventScsi {
    /// 0x00.
    pub target_id: u8,
    /// 0x01.
    pub bus_port: u8,
    /// 0x02: zero.
    pub reserved: U16,
}

const _: () = assert!(size_of::<EventScsi>() == 4);

code! {
    /// `ReasonCode` of [`ScsiDeviceStatusChange`].
    #[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
    #[repr(transparent)]
    pub struct ScsiDeviceReason(u8) as "SCSI device reason" {
        ADDED = 0x03, "added";
        NOT_RESPONDING = 0x04, "not responding";
        SMART_DATA = 0x05, "SMART data";
    }
}

/// Data of [`SCSI_DEVICE_STATUS_CHANGE`](super::event::Event::SCSI_DEVICE_STATUS_CHANGE)
/// (`EVENT_DATA_SCSI_DEVICE_STATUS_CHANGE`), 8 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ScsiDeviceStatusChange {
    /// 0x00.
    pub target_id: u8,
    /// 0x01.
    pub bus: u8,
    /// 0x02.
    pub reason_code: ScsiDeviceReason,
    /// 0x03.
    pub lun: u8,
    /// 0x04: additional sense code, with SMART data.
    pub asc: u8,
    /// 0x05: additional sense code qualifier, with SMART data.
    pub ascq: u8,
    /// 0x06: zero.
    pub reserved: U16,
}

const _: () = assert!(size_of::<ScsiDeviceStatusChange>() == 8);

code! {
    /// `ReasonCode` of [`SasDeviceStatusChange`].
    #[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
    #[repr(transparent)]
    pub struct SasDeviceReason(u8) as "SAS device reason" {
        ADDED = 0x03, "added";
        NOT_RESPONDING = 0x04, "not responding";
        SMART_DATA = 0x05, "SMART data";
        NO_PERSIST_ADDED = 0x06, "added without persistent mapping";
        UNSUPPORTED = 0x07, "unsupported";
        INTERNAL_DEVICE_RESET = 0x08, "internal device reset";
        TASK_ABORT_INTERNAL = 0x09, "internal task abort";
        ABORT_TASK_SET_INTERNAL = 0x0a, "internal abort task set";
        CLEAR_TASK_SET_INTERNAL = 0x0b, "internal clear task set";
        QUERY_TASK_INTERNAL = 0x0c, "internal query task";
        ASYNC_NOTIFICATION = 0x0d, "asynchronous notification";
        CMPL_INTERNAL_DEV_RESET = 0x0e, "internal device reset complete";
        CMPL_TASK_ABORT_INTERNAL = 0x0f, "internal task abort complete";
    }
}

/// Data of [`SAS_DEVICE_STATUS_CHANGE`](super::event::Event::SAS_DEVICE_STATUS_CHANGE)
/// (`EVENT_DATA_SAS_DEVICE_STATUS_CHANGE`), 36 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct SasDeviceStatusChange {
    /// 0x00.
    pub target_id: u8,
    /// 0x01.
    pub bus: u8,
    /// 0x02.
    pub reason_code: SasDeviceReason,
    /// 0x03: zero.
    pub reserved: u8,
    /// 0x04: additional sense code, with SMART data.
    pub asc: u8,
    /// 0x05: additional sense code qualifier, with SMART data.
    pub ascq: u8,
    /// 0x06.
    pub dev_handle: U16,
    /// 0x08: decode with [`SasDeviceInfo`].
    pub device_info: U32,
    /// 0x0c.
    pub parent_dev_handle: U16,
    /// 0x0e: phy of the parent.
    pub phy_num: u8,
    /// 0x0f: zero.
    pub reserved1: u8,
    /// 0x10.
    pub sas_address: U64,
    /// 0x18: logical unit, with the internal task events.
    pub lun: [u8; 8],
    /// 0x20.
    pub task_tag: U16,
    /// 0x22: zero.
    pub reserved2: U16,
}

const _: () = assert!(size_of::<SasDeviceStatusChange>() == 36);

impl SasDeviceStatusChange {
    /// The decoded `DeviceInfo` field.
    #[must_use = "the value is only decoded, not kept"]
    pub const fn info(&self) -> SasDeviceInfo {
        SasDeviceInfo(self.device_info.get())
    }
}

/// Data of [`QUEUE_FULL`](super::event::Event::QUEUE_FULL) (`EVENT_DATA_QUEUE_FULL`), 4 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct QueueFull {
    /// 0x00.
    pub target_id: u8,
    /// 0x01.
    pub bus: u8,
    /// 0x02: commands that the device held when it reported TASK SET FULL.
    pub current_depth: U16,
}

const _: () = assert!(size_of::<QueueFull>() == 4);

code! {
    /// `ReasonCode` of [`IntegratedRaid`].
    #[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
    #[repr(transparent)]
    pub struct RaidReason(u8) as "RAID reason" {
        VOLUME_CREATED = 0x00, "volume created";
        VOLUME_DELETED = 0x01, "volume deleted";
        VOLUME_SETTINGS_CHANGED = 0x02, "volume settings changed";
        VOLUME_STATUS_CHANGED = 0x03, "volume status changed";
        VOLUME_PHYSDISK_CHANGED = 0x04, "volume physical disk changed";
        PHYSDISK_CREATED = 0x05, "physical disk created";
        PHYSDISK_DELETED = 0x06, "physical disk deleted";
        PHYSDISK_SETTINGS_CHANGED = 0x07, "physical disk settings changed";
        PHYSDISK_STATUS_CHANGED = 0x08, "physical disk status changed";
        DOMAIN_VAL_NEEDED = 0x09, "domain validation needed";
        SMART_DATA = 0x0a, "SMART data";
        REPLACE_ACTION_STARTED = 0x0b, "replace action started";
    }
}

/// Data of [`INTEGRATED_RAID`](super::event::Event::INTEGRATED_RAID) (`EVENT_DATA_RAID`), 12 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct IntegratedRaid {
    /// 0x00: target id of the volume.
    pub volume_id: u8,
    /// 0x01.
    pub volume_bus: u8,
    /// 0x02.
    pub reason_code: RaidReason,
    /// 0x03.
    pub phys_disk_num: u8,
    /// 0x04: additional sense code, with SMART data.
    pub asc: u8,
    /// 0x05: additional sense code qualifier, with SMART data.
    pub ascq: u8,
    /// 0x06: zero.
    pub reserved: U16,
    /// 0x08: settings or status, as the reason says.
    pub settings_status: U32,
}

const _: () = assert!(size_of::<IntegratedRaid>() == 12);

/// Data of [`SAS_PHY_LINK_STATUS`](super::event::Event::SAS_PHY_LINK_STATUS)
/// (`EVENT_DATA_SAS_PHY_LINK_STATUS`), 12 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct SasPhyLinkStatus {
    /// 0x00.
    pub phy_num: u8,
    /// 0x01: current rate in bits 7:4, previous rate in bits 3:0.
    pub link_rates: u8,
    /// 0x02.
    pub dev_handle: U16,
    /// 0x04.
    pub sas_address: U64,
}

const _: () = assert!(size_of::<SasPhyLinkStatus>() == 12);

impl SasPhyLinkStatus {
    /// The rate now.
    #[must_use = "the value is only decoded, not kept"]
    pub const fn current_rate(&self) -> LinkRate {
        LinkRate(self.link_rates >> 4)
    }

    /// The rate before the event.
    #[must_use = "the value is only decoded, not kept"]
    pub const fn previous_rate(&self) -> LinkRate {
        LinkRate(self.link_rates & 0xf)
    }
}

/// Data of [`SAS_DISCOVERY`](super::event::Event::SAS_DISCOVERY) (`EVENT_DATA_SAS_DISCOVERY`), 8
/// bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct SasDiscovery {
    /// 0x00: bit 0 in progress; bits 31:16 the phys that take part.
    pub discovery_status: U32,
    /// 0x04: zero.
    pub reserved1: U32,
}

const _: () = assert!(size_of::<SasDiscovery>() == 8);

impl SasDiscovery {
    /// Whether discovery is going on.
    #[must_use = "this only asks; it changes nothing"]
    pub const fn in_progress(&self) -> bool {
        self.discovery_status.get() & 1 != 0
    }
}

code! {
    /// `ReasonCode` of [`SasExpanderStatusChange`].
    #[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
    #[repr(transparent)]
    pub struct ExpanderReason(u8) as "expander reason" {
        ADDED = 0x00, "added";
        NOT_RESPONDING = 0x01, "not responding";
    }
}

/// Data of [`SAS_EXPANDER_STATUS_CHANGE`](super::event::Event::SAS_EXPANDER_STATUS_CHANGE)
/// (`EVENT_DATA_SAS_EXPANDER_STATUS_CHANGE`), 32 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct SasExpanderStatusChange {
    /// 0x00.
    pub reason_code: ExpanderReason,
    /// 0x01: zero.
    pub reserved1: u8,
    /// 0x02: zero.
    pub reserved2: U16,
    /// 0x04.
    pub physical_port: u8,
    /// 0x05: zero.
    pub reserved3: u8,
    /// 0x06.
    pub enclosure_handle: U16,
    /// 0x08.
    pub sas_address: U64,
    /// 0x10: decode with [`DiscoveryStatus`](super::sas::DiscoveryStatus).
    pub discovery_status: U32,
    /// 0x14.
    pub dev_handle: U16,
    /// 0x16.
    pub parent_dev_handle: U16,
    /// 0x18.
    pub expander_change_count: U16,
    /// 0x1a.
    pub expander_route_indexes: U16,
    /// 0x1c.
    pub num_phys: u8,
    /// 0x1d: depth in the topology.
    pub sas_level: u8,
    /// 0x1e: bit 0 configuration in progress, bit 1 route table configurable.
    pub flags: u8,
    /// 0x1f: zero.
    pub reserved4: u8,
}

const _: () = assert!(size_of::<SasExpanderStatusChange>() == 32);

/// One entry of the controller log (`EVENT_DATA_LOG_ENTRY`), 40 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct LogEntry {
    /// 0x00.
    pub time_stamp: U32,
    /// 0x04: zero.
    pub reserved1: U32,
    /// 0x08.
    pub log_sequence: U16,
    /// 0x0a.
    pub log_entry_qualifier: U16,
    /// 0x0c.
    pub log_data: [u8; 28],
}

const _: () = assert!(size_of::<LogEntry>() == 40);

/// Data of [`LOG_ENTRY_ADDED`](super::event::Event::LOG_ENTRY_ADDED)
/// (`EVENT_DATA_LOG_ENTRY_ADDED`), 48 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct LogEntryAdded {
    /// 0x00.
    pub log_sequence: U16,
    /// 0x02: zero.
    pub reserved1: U16,
    /// 0x04: zero.
    pub reserved2: U32,
    /// 0x08.
    pub log_entry: LogEntry,
}

const _: () = assert!(size_of::<LogEntryAdded>() == 48);
