//! IOC messages: IOC facts and IOC init.

use super::message::{Function, ReplyMsgFlags};
use super::sge::SgeSimple64;
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

code! {
    /// Who initialised the controller: IOC init, IOC facts, and bits 26:24 of the Doorbell
    /// register.
    #[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
    #[repr(transparent)]
    pub struct WhoInit(u8) as "initialiser" {
        NO_ONE = 0x00, "no one";
        SYSTEM_BIOS = 0x01, "system BIOS";
        ROM_BIOS = 0x02, "ROM BIOS";
        PCI_PEER = 0x03, "PCI peer";
        HOST_DRIVER = 0x04, "host driver";
        MANUFACTURER = 0x05, "manufacturer";
    }
}

/// A message version: major in bits 15:8, minor in bits 7:0. Ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MsgVersion(pub u16);

impl MsgVersion {
    /// MPI 1.2, the first with a 32-bit firmware version in IOC facts.
    pub const MPI_1_2: Self = Self(0x0102);
    /// MPI 1.5, the first with a host page buffer and the `MsgVersion` field in IOC init.
    pub const MPI_1_5: Self = Self(0x0105);

    /// Major version.
    #[must_use = "the value is only decoded, not kept"]
    pub const fn major(self) -> u8 {
        (self.0 >> 8) as u8
    }

    /// Minor version.
    #[must_use = "the value is only decoded, not kept"]
    pub const fn minor(self) -> u8 {
        (self.0 & 0xff) as u8
    }
}

/// IOC facts request (`MSG_IOC_FACTS`), 12 bytes. Host-written.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct IocFactsRequest {
    /// 0x00: zero.
    pub reserved: [u8; 2],
    /// 0x02: 0.
    pub chain_offset: u8,
    /// 0x03: [`Function::IOC_FACTS`].
    pub function: Function,
    /// 0x04: zero.
    pub reserved1: [u8; 3],
    /// 0x07: 0.
    pub msg_flags: u8,
    /// 0x08: returned in the reply.
    pub msg_context: U32,
}

const _: () = assert!(size_of::<IocFactsRequest>() == 12);

flags! {
    /// `Flags` of the IOC facts reply.
    #[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
    #[repr(transparent)]
    pub struct IocFactsFlags(u8) {
        FW_DOWNLOAD_BOOT = 0x01, "firmware must be downloaded by the host";
        REPLY_FIFO_HOST_SIGNAL = 0x02, "reply FIFO host signal";
        HOST_PAGE_BUFFER_PERSISTENT = 0x04, "host page buffer persistent";
    }
}

flags! {
    /// `IOCExceptions` of the IOC facts reply.
    pub struct IocExceptions(u16) {
        CONFIG_CHECKSUM_FAIL = 0x0001, "config checksum failed";
        RAID_CONFIG_INVALID = 0x0002, "RAID configuration invalid";
        FW_CHECKSUM_FAIL = 0x0004, "firmware checksum failed";
        PERSISTENT_TABLE_FULL = 0x0008, "persistent table full";
        METADATA_UNSUPPORTED = 0x0010, "metadata unsupported";
    }
}

flags! {
    /// `IOCCapabilities` of the IOC facts reply.
    pub struct IocCapabilities(u32) {
        HIGH_PRI_Q = 0x0000_0001, "high-priority queue";
        REPLY_HOST_SIGNAL = 0x0000_0002, "reply host signal";
        QUEUE_FULL_HANDLING = 0x0000_0004, "queue full handling";
        DIAG_TRACE_BUFFER = 0x0000_0008, "diagnostic trace buffer";
        SNAPSHOT_BUFFER = 0x0000_0010, "snapshot buffer";
        EXTENDED_BUFFER = 0x0000_0020, "extended buffer";
        EEDP = 0x0000_0040, "end-to-end data protection";
        BIDIRECTIONAL = 0x0000_0080, "bidirectional commands";
        MULTICAST = 0x0000_0100, "multicast";
        SCSIIO32 = 0x0000_0200, "SCSI IO 32";
        NO_SCSIIO16 = 0x0000_0400, "no SCSI IO 16";
        TLR = 0x0000_0800, "transport layer retries";
    }
}

/// Firmware version (`MPI_FW_VERSION_STRUCT`), 4 bytes: a little-endian 32-bit number taken apart.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct FwVersion {
    /// 0x00: development build.
    pub dev: u8,
    /// 0x01.
    pub unit: u8,
    /// 0x02.
    pub minor: u8,
    /// 0x03.
    pub major: u8,
}

const _: () = assert!(size_of::<FwVersion>() == 4);

/// IOC facts reply (`MSG_IOC_FACTS_REPLY`), 80 bytes. Device-written.
///
/// Older firmware returns a shorter reply: `msg_length` says how much of it is valid.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct IocFactsReply {
    /// 0x00: decode with [`MsgVersion`].
    pub msg_version: U16,
    /// 0x02: length of the reply in 32-bit words.
    pub msg_length: u8,
    /// 0x03.
    pub function: Function,
    /// 0x04.
    pub header_version: U16,
    /// 0x06: number of this IOC on a multi-function part.
    pub ioc_number: u8,
    /// 0x07.
    pub msg_flags: ReplyMsgFlags,
    /// 0x08.
    pub msg_context: U32,
    /// 0x0c: decode with [`IocExceptions`].
    pub ioc_exceptions: U16,
    /// 0x0e.
    pub ioc_status: U16,
    /// 0x10.
    pub ioc_log_info: U32,
    /// 0x14: most chain buffers in one request.
    pub max_chain_depth: u8,
    /// 0x15.
    pub who_init: WhoInit,
    /// 0x16: unit of the size hint in the request FIFO word, in 32-bit words.
    pub block_size: u8,
    /// 0x17.
    pub flags: IocFactsFlags,
    /// 0x18: entries of the reply FIFO.
    pub reply_queue_depth: U16,
    /// 0x1a: in 32-bit words.
    pub request_frame_size: U16,
    /// 0x1c: 16-bit firmware version up to MPI 1.1, later reserved.
    pub reserved_0101_fw_version: U16,
    /// 0x1e.
    pub product_id: U16,
    /// 0x20: upper half of the frame addresses in force.
    pub current_host_mfa_high_addr: U32,
    /// 0x24: most requests outstanding at a time.
    pub global_credits: U16,
    /// 0x26.
    pub number_of_ports: u8,
    /// 0x27: 1 when event notification is on.
    pub event_state: u8,
    /// 0x28: upper half of the sense addresses in force.
    pub current_sense_buffer_high_addr: U32,
    /// 0x2c: in bytes.
    pub cur_reply_frame_size: U16,
    /// 0x2e: most devices per bus; 0 means 256.
    pub max_devices: u8,
    /// 0x2f: most buses.
    pub max_buses: u8,
    /// 0x30: in bytes.
    pub fw_image_size: U32,
    /// 0x34: decode with [`IocCapabilities`].
    pub ioc_capabilities: U32,
    /// 0x38.
    pub fw_version: FwVersion,
    /// 0x3c: entries of the high-priority request FIFO.
    pub high_priority_queue_depth: U16,
    /// 0x3e: zero.
    pub reserved2: U16,
    /// 0x40: host page buffer in force.
    pub host_page_buffer_sge: SgeSimple64,
    /// 0x4c.
    pub reply_fifo_host_signaling_addr: U32,
}

const _: () = assert!(size_of::<IocFactsReply>() == 80);

impl IocFactsReply {
    /// The decoded `MsgVersion` field.
    #[must_use = "the version is only decoded, not kept"]
    pub const fn version(&self) -> MsgVersion {
        MsgVersion(self.msg_version.get())
    }

    /// The decoded `IOCExceptions` field.
    #[must_use = "an exception that is not looked at hides a fault"]
    pub const fn exceptions(&self) -> IocExceptions {
        IocExceptions(self.ioc_exceptions.get())
    }

    /// The decoded `IOCCapabilities` field.
    #[must_use = "the capabilities are only decoded, not kept"]
    pub const fn capabilities(&self) -> IocCapabilities {
        IocCapabilities(self.ioc_capabilities.get())
    }
}

flags! {
    /// `Flags` of IOC init.
    #[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
    #[repr(transparent)]
    pub struct IocInitFlags(u8) {
        DISCARD_FW_IMAGE = 0x01, "discard firmware image";
        REPLY_FIFO_HOST_SIGNAL = 0x02, "reply FIFO host signal";
        HOST_PAGE_BUFFER_PERSISTENT = 0x04, "host page buffer persistent";
    }
}

/// IOC init request (`MSG_IOC_INIT`), 44 bytes. Host-written.
///
/// The fields from `host_page_buffer_sge` on are for firmware of MPI 1.5 and later, else zero.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct IocInitRequest {
    /// 0x00: [`WhoInit::HOST_DRIVER`].
    pub who_init: WhoInit,
    /// 0x01: zero.
    pub reserved: u8,
    /// 0x02: 0.
    pub chain_offset: u8,
    /// 0x03: [`Function::IOC_INIT`].
    pub function: Function,
    /// 0x04.
    pub flags: IocInitFlags,
    /// 0x05: devices per bus that the host will use; 0 means 256.
    pub max_devices: u8,
    /// 0x06: buses that the host will use.
    pub max_buses: u8,
    /// 0x07: 0.
    pub msg_flags: u8,
    /// 0x08: returned in the reply.
    pub msg_context: U32,
    /// 0x0c: in bytes.
    pub reply_frame_size: U16,
    /// 0x0e: zero.
    pub reserved1: [u8; 2],
    /// 0x10: bits 63:32 of the bus address of every request and reply frame.
    pub host_mfa_high_addr: U32,
    /// 0x14: bits 63:32 of the bus address of every sense buffer.
    pub sense_buffer_high_addr: U32,
    /// 0x18: 0 unless the flag is set.
    pub reply_fifo_host_signaling_addr: U32,
    /// 0x1c: host page buffer, MPI 1.5 and later.
    pub host_page_buffer_sge: SgeSimple64,
    /// 0x28: [`MsgVersion`] that the host speaks, MPI 1.5 and later.
    pub msg_version: U16,
    /// 0x2a: unit and development version of the host's definitions.
    pub header_version: U16,
}

const _: () = assert!(size_of::<IocInitRequest>() == 44);

/// IOC init reply (`MSG_IOC_INIT_REPLY`), 20 bytes. Device-written.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct IocInitReply {
    /// 0x00.
    pub who_init: WhoInit,
    /// 0x01: zero.
    pub reserved: u8,
    /// 0x02: length of the reply in 32-bit words.
    pub msg_length: u8,
    /// 0x03.
    pub function: Function,
    /// 0x04.
    pub flags: IocInitFlags,
    /// 0x05.
    pub max_devices: u8,
    /// 0x06.
    pub max_buses: u8,
    /// 0x07.
    pub msg_flags: ReplyMsgFlags,
    /// 0x08.
    pub msg_context: U32,
    /// 0x0c: zero.
    pub reserved2: U16,
    /// 0x0e.
    pub ioc_status: U16,
    /// 0x10.
    pub ioc_log_info: U32,
}

const _: () = assert!(size_of::<IocInitReply>() == 20);
