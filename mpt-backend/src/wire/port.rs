//! Port messages: port facts and port enable.

use super::message::{Function, ReplyMsgFlags};
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Port facts request (`MSG_PORT_FACTS`), 12 bytes. Host-written.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct PortFactsRequest {
    /// 0x00: zero.
    pub reserved: [u8; 2],
    /// 0x02: 0.
    pub chain_offset: u8,
    /// 0x03: [`Function::PORT_FACTS`].
    pub function: Function,
    /// 0x04: zero.
    pub reserved1: [u8; 2],
    /// 0x06: below `number_of_ports` of IOC facts.
    pub port_number: u8,
    /// 0x07: 0.
    pub msg_flags: u8,
    /// 0x08: returned in the reply.
    pub msg_context: U32,
}

const _: () = assert!(size_of::<PortFactsRequest>() == 12);

code! {
    /// `PortType` of the port facts reply.
    #[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
    #[repr(transparent)]
    pub struct PortType(u8) as "port type" {
        INACTIVE = 0x00, "inactive";
        SCSI = 0x01, "SCSI";
        FC = 0x10, "FC";
        ISCSI = 0x20, "iSCSI";
        SAS = 0x30, "SAS";
    }
}

flags! {
    /// `ProtocolFlags` of the port facts reply.
    pub struct ProtocolFlags(u16) {
        LOGBUSADDR = 0x0001, "logical bus address";
        LAN = 0x0002, "LAN";
        TARGET = 0x0004, "target";
        INITIATOR = 0x0008, "initiator";
    }
}

/// Port facts reply (`MSG_PORT_FACTS_REPLY`), 40 bytes. Device-written.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct PortFactsReply {
    /// 0x00: zero.
    pub reserved: U16,
    /// 0x02: length of the reply in 32-bit words.
    pub msg_length: u8,
    /// 0x03.
    pub function: Function,
    /// 0x04: zero.
    pub reserved1: U16,
    /// 0x06.
    pub port_number: u8,
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
    /// 0x14: zero.
    pub reserved3: u8,
    /// 0x15.
    pub port_type: PortType,
    /// 0x16: most devices on this port; early firmware reports wrong numbers.
    pub max_devices: U16,
    /// 0x18: the controller's own id on the bus.
    pub port_scsi_id: U16,
    /// 0x1a: decode with [`ProtocolFlags`].
    pub protocol_flags: U16,
    /// 0x1c: target mode.
    pub max_posted_cmd_buffers: U16,
    /// 0x1e: entries of the persistent mapping table.
    pub max_persistent_ids: U16,
    /// 0x20.
    pub max_lan_buckets: U16,
    /// 0x22.
    pub max_initiators: u8,
    /// 0x23: zero.
    pub reserved4: u8,
    /// 0x24: zero.
    pub reserved5: U32,
}

const _: () = assert!(size_of::<PortFactsReply>() == 40);

impl PortFactsReply {
    /// The decoded `ProtocolFlags` field.
    #[must_use = "the flags are only decoded, not kept"]
    pub const fn protocols(&self) -> ProtocolFlags {
        ProtocolFlags(self.protocol_flags.get())
    }
}

/// Port enable request (`MSG_PORT_ENABLE`), 12 bytes. Host-written.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct PortEnableRequest {
    /// 0x00: zero.
    pub reserved: [u8; 2],
    /// 0x02: 0.
    pub chain_offset: u8,
    /// 0x03: [`Function::PORT_ENABLE`].
    pub function: Function,
    /// 0x04: zero.
    pub reserved1: [u8; 2],
    /// 0x06.
    pub port_number: u8,
    /// 0x07: 0.
    pub msg_flags: u8,
    /// 0x08: returned in the reply.
    pub msg_context: U32,
}

const _: () = assert!(size_of::<PortEnableRequest>() == 12);

/// Port enable reply (`MSG_PORT_ENABLE_REPLY`), 20 bytes. Device-written.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct PortEnableReply {
    /// 0x00: zero.
    pub reserved: [u8; 2],
    /// 0x02: length of the reply in 32-bit words.
    pub msg_length: u8,
    /// 0x03.
    pub function: Function,
    /// 0x04: zero.
    pub reserved1: [u8; 2],
    /// 0x06.
    pub port_number: u8,
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

const _: () = assert!(size_of::<PortEnableReply>() == 20);
