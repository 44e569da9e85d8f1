//! Configuration pages of the unit, the board, the IOC and RAID volumes.
//!
//! Pages are device-written, except for the pages that the host writes back. A page may be longer
//! than the layout here (newer firmware) or shorter (older firmware): its header has the length.

use super::config::ConfigPageHeader;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// IO unit page 0 (`CONFIG_PAGE_IO_UNIT_0`), 12 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct IoUnitPage0 {
    /// 0x00.
    pub header: ConfigPageHeader,
    /// 0x04: number that names this controller.
    pub unique_value: U64,
}

const _: () = assert!(size_of::<IoUnitPage0>() == 12);

flags! {
    /// `Flags` of [`IoUnitPage1`].
    pub struct IoUnitPage1Flags(u32) {
        SINGLE_FUNCTION = 0x0000_0001, "single function";
        MULTI_PATHING = 0x0000_0002, "multi-pathing";
        IR_USE_STATIC_VOLUME_ID = 0x0000_0004, "static volume ids";
        DISABLE_QUEUE_FULL_HANDLING = 0x0000_0020, "queue full handling disabled";
        DISABLE_IR = 0x0000_0040, "integrated RAID disabled";
        FORCE_32 = 0x0000_0080, "32-bit PCI forced";
        NATIVE_COMMAND_Q_DISABLE = 0x0000_0100, "NCQ disabled";
        SATA_WRITE_CACHE_DISABLE = 0x0000_0200, "SATA write cache disabled";
    }
}

/// IO unit page 1 (`CONFIG_PAGE_IO_UNIT_1`), 8 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct IoUnitPage1 {
    /// 0x00.
    pub header: ConfigPageHeader,
    /// 0x04: decode with [`IoUnitPage1Flags`].
    pub flags: U32,
}

const _: () = assert!(size_of::<IoUnitPage1>() == 8);

/// Manufacturing page 0 (`CONFIG_PAGE_MANUFACTURING_0`), 76 bytes. Texts are padded with NUL or
/// blanks.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ManufacturingPage0 {
    /// 0x00.
    pub header: ConfigPageHeader,
    /// 0x04.
    pub chip_name: [u8; 16],
    /// 0x14.
    pub chip_revision: [u8; 8],
    /// 0x1c.
    pub board_name: [u8; 16],
    /// 0x2c.
    pub board_assembly: [u8; 16],
    /// 0x3c.
    pub board_tracer_number: [u8; 16],
}

const _: () = assert!(size_of::<ManufacturingPage0>() == 76);

/// IOC page 0 (`CONFIG_PAGE_IOC_0`), 28 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct IocPage0 {
    /// 0x00.
    pub header: ConfigPageHeader,
    /// 0x04: bytes of non-volatile store.
    pub total_nv_store: U32,
    /// 0x08: bytes of it that are free.
    pub free_nv_store: U32,
    /// 0x0c: PCI vendor id.
    pub vendor_id: U16,
    /// 0x0e: PCI device id.
    pub device_id: U16,
    /// 0x10: PCI revision.
    pub revision_id: u8,
    /// 0x11: zero.
    pub reserved: [u8; 3],
    /// 0x14: PCI class code.
    pub class_code: U32,
    /// 0x18.
    pub subsystem_vendor_id: U16,
    /// 0x1a.
    pub subsystem_id: U16,
}

const _: () = assert!(size_of::<IocPage0>() == 28);

flags! {
    /// `Flags` of [`IocPage1`]. Bits 26:24 are the data protection mode.
    pub struct IocPage1Flags(u32) {
        INITIATOR_CONTEXT_REPLY_DISABLE = 0x0000_0010, "no context replies to the initiator";
        REPLY_COALESCING = 0x0000_0001, "reply coalescing";
    }
}

/// IOC page 1 (`CONFIG_PAGE_IOC_1`), 16 bytes. The host writes it back to tune coalescing.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct IocPage1 {
    /// 0x00.
    pub header: ConfigPageHeader,
    /// 0x04: decode with [`IocPage1Flags`].
    pub flags: U32,
    /// 0x08: how long a reply interrupt may be held back; the unit is the firmware's.
    pub coalescing_timeout: U32,
    /// 0x0c: most replies that one interrupt stands for.
    pub coalescing_depth: u8,
    /// 0x0d: 0xff when unknown.
    pub pci_slot_num: u8,
    /// 0x0e: zero.
    pub reserved: [u8; 2],
}

const _: () = assert!(size_of::<IocPage1>() == 16);

flags! {
    /// `CapabilitiesFlags` of [`IocPage2`].
    pub struct IocPage2Capabilities(u32) {
        IS_SUPPORT = 0x0000_0001, "striping";
        IME_SUPPORT = 0x0000_0002, "enhanced mirroring";
        IM_SUPPORT = 0x0000_0004, "mirroring";
        RAID_5_SUPPORT = 0x0000_0008, "RAID 5";
        RAID_6_SUPPORT = 0x0000_0010, "RAID 6";
        RAID_10_SUPPORT = 0x0000_0020, "RAID 10";
        RAID_50_SUPPORT = 0x0000_0040, "RAID 50";
        RAID_64_BIT_ADDRESSING = 0x1000_0000, "64-bit volume addressing";
        SES_SUPPORT = 0x2000_0000, "SES";
        SAFTE_SUPPORT = 0x4000_0000, "SAF-TE";
        CROSS_CHANNEL_SUPPORT = 0x8000_0000, "cross channel";
    }
}

/// IOC page 2 (`CONFIG_PAGE_IOC_2`), 12 bytes and then `max_volumes` entries of
/// [`IocPage2RaidVol`].
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct IocPage2 {
    /// 0x00.
    pub header: ConfigPageHeader,
    /// 0x04: decode with [`IocPage2Capabilities`].
    pub capabilities_flags: U32,
    /// 0x08: entries that are in use.
    pub num_active_volumes: u8,
    /// 0x09: entries that the controller supports.
    pub max_volumes: u8,
    /// 0x0a.
    pub num_active_phys_disks: u8,
    /// 0x0b.
    pub max_phys_disks: u8,
}

const _: () = assert!(size_of::<IocPage2>() == 12);

code! {
    /// Type of a RAID volume.
    #[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
    #[repr(transparent)]
    pub struct RaidVolumeType(u8) as "RAID volume type" {
        IS = 0x00, "striping";
        IME = 0x01, "enhanced mirroring";
        IM = 0x02, "mirroring";
        RAID_5 = 0x03, "RAID 5";
        RAID_6 = 0x04, "RAID 6";
        RAID_10 = 0x05, "RAID 10";
        RAID_50 = 0x06, "RAID 50";
        UNKNOWN = 0xff, "unknown";
    }
}

flags! {
    /// `Flags` of [`IocPage2RaidVol`].
    #[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
    #[repr(transparent)]
    pub struct RaidVolumeFlags(u8) {
        VOLUME_INACTIVE = 0x08, "volume inactive";
    }
}

/// One volume in IOC page 2 (`CONFIG_PAGE_IOC_2_RAID_VOL`), 8 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct IocPage2RaidVol {
    /// 0x00: target id of the volume.
    pub volume_id: u8,
    /// 0x01.
    pub volume_bus: u8,
    /// 0x02: IOC that owns the volume.
    pub volume_ioc: u8,
    /// 0x03: number of the volume's RAID volume pages.
    pub volume_page_number: u8,
    /// 0x04.
    pub volume_type: RaidVolumeType,
    /// 0x05.
    pub flags: RaidVolumeFlags,
    /// 0x06: zero.
    pub reserved3: U16,
}

const _: () = assert!(size_of::<IocPage2RaidVol>() == 8);

flags! {
    /// `Flags` of [`RaidVol0Status`].
    #[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
    #[repr(transparent)]
    pub struct RaidVolumeStatusFlags(u8) {
        ENABLED = 0x01, "enabled";
        QUIESCED = 0x02, "quiesced";
        RESYNC_IN_PROGRESS = 0x04, "resync in progress";
        VOLUME_INACTIVE = 0x08, "inactive";
        BAD_BLOCK_TABLE_FULL = 0x10, "bad block table full";
    }
}

code! {
    /// `State` of [`RaidVol0Status`].
    #[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
    #[repr(transparent)]
    pub struct RaidVolumeState(u8) as "RAID volume state" {
        OPTIMAL = 0x00, "optimal";
        DEGRADED = 0x01, "degraded";
        FAILED = 0x02, "failed";
        MISSING = 0x03, "missing";
    }
}

/// Status of a RAID volume (`RAID_VOL0_STATUS`), 4 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct RaidVol0Status {
    /// 0x00.
    pub flags: RaidVolumeStatusFlags,
    /// 0x01.
    pub state: RaidVolumeState,
    /// 0x02: zero.
    pub reserved: U16,
}

const _: () = assert!(size_of::<RaidVol0Status>() == 4);

/// Settings of a RAID volume (`RAID_VOL0_SETTINGS`), 4 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct RaidVol0Settings {
    /// 0x00: bit 0 is [`RaidVol0Settings::WRITE_CACHING_ENABLE`].
    pub settings: U16,
    /// 0x02: one bit per pool.
    pub hot_spare_pool: u8,
    /// 0x03: zero.
    pub reserved: u8,
}

const _: () = assert!(size_of::<RaidVol0Settings>() == 4);

impl RaidVol0Settings {
    /// Bit in `settings`: write caching is on.
    pub const WRITE_CACHING_ENABLE: u16 = 0x0001;
}

/// RAID volume page 0 (`CONFIG_PAGE_RAID_VOL_0`), 40 bytes and then `num_phys_disks` entries of
/// [`RaidVol0PhysDisk`].
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct RaidVolPage0 {
    /// 0x00.
    pub header: ConfigPageHeader,
    /// 0x04: target id of the volume.
    pub volume_id: u8,
    /// 0x05.
    pub volume_bus: u8,
    /// 0x06.
    pub volume_ioc: u8,
    /// 0x07.
    pub volume_type: RaidVolumeType,
    /// 0x08.
    pub volume_status: RaidVol0Status,
    /// 0x0c.
    pub volume_settings: RaidVol0Settings,
    /// 0x10: bits 31:0 of the last logical block address.
    pub max_lba: U32,
    /// 0x14: bits 63:32 of it.
    pub max_lba_high: U32,
    /// 0x18: in logical blocks.
    pub stripe_size: U32,
    /// 0x1c: zero.
    pub reserved2: U32,
    /// 0x20: zero.
    pub reserved3: U32,
    /// 0x24: entries that follow.
    pub num_phys_disks: u8,
    /// 0x25.
    pub data_scrub_rate: u8,
    /// 0x26.
    pub resync_rate: u8,
    /// 0x27: why the volume is inactive.
    pub inactive_status: u8,
}

const _: () = assert!(size_of::<RaidVolPage0>() == 40);

/// One member of a RAID volume (`RAID_VOL0_PHYS_DISK`), 4 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct RaidVol0PhysDisk {
    /// 0x00: zero.
    pub reserved: U16,
    /// 0x02: bit 0 primary, bit 1 secondary copy.
    pub phys_disk_map: u8,
    /// 0x03: number of the disk in the RAID physical disk pages.
    pub phys_disk_num: u8,
}

const _: () = assert!(size_of::<RaidVol0PhysDisk>() == 4);
