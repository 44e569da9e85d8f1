//! Event notification and acknowledgement.

use super::message::{Function, ReplyMsgFlags};
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

code! {
    /// `Event` of an event notification reply. The value selects a layout of
    /// [`event_data`](super::event_data).
    pub struct Event(u32) as "event" {
        NONE = 0x00, "none";
        LOG_DATA = 0x01, "log data";
        STATE_CHANGE = 0x02, "state change";
        UNIT_ATTENTION = 0x03, "unit attention";
        IOC_BUS_RESET = 0x04, "bus reset by the IOC";
        EXT_BUS_RESET = 0x05, "bus reset by another initiator";
        RESCAN = 0x06, "rescan";
        LINK_STATUS_CHANGE = 0x07, "link status change";
        LOOP_STATE_CHANGE = 0x08, "loop state change";
        LOGOUT = 0x09, "logout";
        EVENT_CHANGE = 0x0a, "event change";
        INTEGRATED_RAID = 0x0b, "integrated RAID";
        SCSI_DEVICE_STATUS_CHANGE = 0x0c, "SCSI device status change";
        ON_BUS_TIMER_EXPIRED = 0x0d, "on-bus timer expired";
        QUEUE_FULL = 0x0e, "queue full";
        SAS_DEVICE_STATUS_CHANGE = 0x0f, "SAS device status change";
        SAS_SES = 0x10, "SAS enclosure services";
        PERSISTENT_TABLE_FULL = 0x11, "persistent table full";
        SAS_PHY_LINK_STATUS = 0x12, "SAS phy link status";
        SAS_DISCOVERY_ERROR = 0x13, "SAS discovery error";
        IR_RESYNC_UPDATE = 0x14, "integrated RAID resync update";
        IR2 = 0x15, "integrated RAID 2";
        SAS_DISCOVERY = 0x16, "SAS discovery";
        SAS_BROADCAST_PRIMITIVE = 0x17, "SAS broadcast primitive";
        SAS_INIT_DEVICE_STATUS_CHANGE = 0x18, "SAS initiator device status change";
        SAS_INIT_TABLE_OVERFLOW = 0x19, "SAS initiator table overflow";
        SAS_SMP_ERROR = 0x1a, "SMP error";
        SAS_EXPANDER_STATUS_CHANGE = 0x1b, "SAS expander status change";
        LOG_ENTRY_ADDED = 0x21, "log entry added";
    }
}

code! {
    /// `Switch` of the event notification request.
    #[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
    #[repr(transparent)]
    pub struct EventSwitch(u8) as "event switch" {
        OFF = 0x00, "off";
        ON = 0x01, "on";
    }
}

/// Event notification request (`MSG_EVENT_NOTIFY`), 12 bytes. Host-written.
///
/// Every event that follows carries the context of this request, for as long as the controller
/// runs.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct EventNotifyRequest {
    /// 0x00.
    pub switch: EventSwitch,
    /// 0x01: zero.
    pub reserved: u8,
    /// 0x02: 0.
    pub chain_offset: u8,
    /// 0x03: [`Function::EVENT_NOTIFICATION`].
    pub function: Function,
    /// 0x04: zero.
    pub reserved1: [u8; 3],
    /// 0x07: 0.
    pub msg_flags: u8,
    /// 0x08: returned in the reply and in every event.
    pub msg_context: U32,
}

const _: () = assert!(size_of::<EventNotifyRequest>() == 12);

code! {
    /// `AckRequired` of the event notification reply.
    #[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
    #[repr(transparent)]
    pub struct AckRequired(u8) as "acknowledgement" {
        NOT_REQUIRED = 0x00, "not required";
        REQUIRED = 0x01, "required";
    }
}

/// Event notification reply (`MSG_EVENT_NOTIFY_REPLY`), 28 bytes and then the event data.
/// Device-written.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct EventNotifyReply {
    /// 0x00: length of the data after this head, in 32-bit words.
    pub event_data_length: U16,
    /// 0x02: length of the reply in 32-bit words, data included.
    pub msg_length: u8,
    /// 0x03.
    pub function: Function,
    /// 0x04: zero.
    pub reserved1: [u8; 2],
    /// 0x06.
    pub ack_required: AckRequired,
    /// 0x07: [`ReplyMsgFlags::CONTINUATION_REPLY`]: more will follow, the request stays in use.
    pub msg_flags: ReplyMsgFlags,
    /// 0x08: context of the event notification request.
    pub msg_context: U32,
    /// 0x0c: zero.
    pub reserved2: [u8; 2],
    /// 0x0e.
    pub ioc_status: U16,
    /// 0x10.
    pub ioc_log_info: U32,
    /// 0x14: decode with [`Event`].
    pub event: U32,
    /// 0x18: returned unchanged in the acknowledgement.
    pub event_context: U32,
}

const _: () = assert!(size_of::<EventNotifyReply>() == 28);

impl EventNotifyReply {
    /// The decoded `Event` field.
    #[must_use = "an event that is not looked at is lost"]
    pub const fn event_code(&self) -> Event {
        Event(self.event.get())
    }
}

/// Event acknowledgement request (`MSG_EVENT_ACK`), 20 bytes. Host-written.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct EventAckRequest {
    /// 0x00: zero.
    pub reserved: [u8; 2],
    /// 0x02: 0.
    pub chain_offset: u8,
    /// 0x03: [`Function::EVENT_ACK`].
    pub function: Function,
    /// 0x04: zero.
    pub reserved1: [u8; 3],
    /// 0x07: 0.
    pub msg_flags: u8,
    /// 0x08: returned in the reply.
    pub msg_context: U32,
    /// 0x0c: from the event, unchanged.
    pub event: U32,
    /// 0x10: from the event, unchanged.
    pub event_context: U32,
}

const _: () = assert!(size_of::<EventAckRequest>() == 20);

/// Event acknowledgement reply (`MSG_EVENT_ACK_REPLY`), 20 bytes. Device-written.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct EventAckReply {
    /// 0x00: zero.
    pub reserved: [u8; 2],
    /// 0x02: length of the reply in 32-bit words.
    pub msg_length: u8,
    /// 0x03.
    pub function: Function,
    /// 0x04: zero.
    pub reserved1: [u8; 3],
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

const _: () = assert!(size_of::<EventAckReply>() == 20);
