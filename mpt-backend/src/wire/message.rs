//! What all messages share: the request header, the default reply, functions, and IOCStatus.

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

code! {
    /// Function of a request and of its reply, byte 3 of both.
    #[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
    #[repr(transparent)]
    pub struct Function(u8) as "function" {
        SCSI_IO_REQUEST = 0x00, "SCSI IO request";
        SCSI_TASK_MGMT = 0x01, "SCSI task management";
        IOC_INIT = 0x02, "IOC init";
        IOC_FACTS = 0x03, "IOC facts";
        CONFIG = 0x04, "config";
        PORT_FACTS = 0x05, "port facts";
        PORT_ENABLE = 0x06, "port enable";
        EVENT_NOTIFICATION = 0x07, "event notification";
        EVENT_ACK = 0x08, "event ack";
        FW_DOWNLOAD = 0x09, "firmware download";
        FW_UPLOAD = 0x12, "firmware upload";
        RAID_ACTION = 0x15, "RAID action";
        RAID_SCSI_IO_PASSTHROUGH = 0x16, "RAID SCSI IO passthrough";
        TOOLBOX = 0x17, "toolbox";
        SCSI_ENCLOSURE_PROCESSOR = 0x18, "SCSI enclosure processor";
        SMP_PASSTHROUGH = 0x1a, "SMP passthrough";
        SAS_IO_UNIT_CONTROL = 0x1b, "SAS IO unit control";
        SATA_PASSTHROUGH = 0x1c, "SATA passthrough";
        DIAG_BUFFER_POST = 0x1d, "diagnostic buffer post";
        DIAG_RELEASE = 0x1e, "diagnostic release";
        SCSI_IO_32 = 0x1f, "SCSI IO 32 request";
    }
}

flags! {
    /// `MsgFlags` of a reply.
    #[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
    #[repr(transparent)]
    pub struct ReplyMsgFlags(u8) {
        CONTINUATION_REPLY = 0x80, "continuation reply";
    }
}

/// Head of every request (`MSG_REQUEST_HEADER`), 12 bytes. Host-written.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct RequestHeader {
    /// 0x00: specific to the function.
    pub reserved: [u8; 2],
    /// 0x02: offset of the first chain element from the start of the frame, in 32-bit words; 0 is
    /// none.
    pub chain_offset: u8,
    /// 0x03.
    pub function: Function,
    /// 0x04: specific to the function.
    pub reserved1: [u8; 3],
    /// 0x07: bits are specific to the function.
    pub msg_flags: u8,
    /// 0x08: returned unchanged in the reply. Opaque to the controller, except that a context reply
    /// only carries bits 28:0.
    pub msg_context: U32,
}

const _: () = assert!(size_of::<RequestHeader>() == 12);

/// Head of every reply frame (`MSG_DEFAULT_REPLY`), 20 bytes. Device-written.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct DefaultReply {
    /// 0x00: specific to the function.
    pub reserved: [u8; 2],
    /// 0x02: length of the whole reply in 32-bit words.
    pub msg_length: u8,
    /// 0x03: function of the request that this answers.
    pub function: Function,
    /// 0x04: specific to the function.
    pub reserved1: [u8; 3],
    /// 0x07.
    pub msg_flags: ReplyMsgFlags,
    /// 0x08: context of the request that this answers.
    pub msg_context: U32,
    /// 0x0c: specific to the function.
    pub reserved2: [u8; 2],
    /// 0x0e: decode with [`IocStatusWord`].
    pub ioc_status: U16,
    /// 0x10: meaningful only when the status says so; see [`IocStatusWord::log_info_available`].
    pub ioc_log_info: U32,
}

const _: () = assert!(size_of::<DefaultReply>() == 20);

impl DefaultReply {
    /// The decoded `IOCStatus` field.
    #[must_use = "a status that is not looked at hides a failure"]
    pub const fn status(&self) -> IocStatusWord {
        IocStatusWord(self.ioc_status.get())
    }

    /// The `IOCLogInfo` field, `None` when the status says that it is not valid.
    #[must_use = "the log info is only decoded, not kept"]
    pub const fn log_info(&self) -> Option<LogInfo> {
        if self.status().log_info_available() {
            Some(LogInfo(self.ioc_log_info.get()))
        } else {
            None
        }
    }
}

/// The `IOCStatus` field of a reply: a status and a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IocStatusWord(pub u16);

impl IocStatusWord {
    /// Mask of the status in the field.
    pub const STATUS_MASK: u16 = 0x7fff;
    /// Flag in the field: `IOCLogInfo` is valid.
    pub const FLAG_LOG_INFO_AVAILABLE: u16 = 0x8000;

    /// The status without the flag.
    #[must_use = "a status that is not looked at hides a failure"]
    pub const fn status(self) -> IocStatus {
        IocStatus(self.0 & Self::STATUS_MASK)
    }

    /// Whether the `IOCLogInfo` field of the same reply is valid.
    #[must_use = "this only asks; it changes nothing"]
    pub const fn log_info_available(self) -> bool {
        self.0 & Self::FLAG_LOG_INFO_AVAILABLE != 0
    }
}

code! {
    /// Status of a request as the controller sees it, bits 14:0 of the `IOCStatus` field.
    pub struct IocStatus(u16) as "IOC status" {
        SUCCESS = 0x0000, "success";
        INVALID_FUNCTION = 0x0001, "invalid function";
        BUSY = 0x0002, "busy";
        INVALID_SGL = 0x0003, "invalid scatter-gather list";
        INTERNAL_ERROR = 0x0004, "internal error";
        INSUFFICIENT_RESOURCES = 0x0006, "insufficient resources";
        INVALID_FIELD = 0x0007, "invalid field";
        INVALID_STATE = 0x0008, "invalid state";
        OP_STATE_NOT_SUPPORTED = 0x0009, "operational state not supported";
        CONFIG_INVALID_ACTION = 0x0020, "invalid config action";
        CONFIG_INVALID_TYPE = 0x0021, "invalid config page type";
        CONFIG_INVALID_PAGE = 0x0022, "invalid config page";
        CONFIG_INVALID_DATA = 0x0023, "invalid config data";
        CONFIG_NO_DEFAULTS = 0x0024, "no config defaults";
        CONFIG_CANT_COMMIT = 0x0025, "config data cannot be committed";
        SCSI_RECOVERED_ERROR = 0x0040, "SCSI recovered error";
        SCSI_INVALID_BUS = 0x0041, "SCSI invalid bus";
        SCSI_INVALID_TARGETID = 0x0042, "SCSI invalid target id";
        SCSI_DEVICE_NOT_THERE = 0x0043, "SCSI device not there";
        SCSI_DATA_OVERRUN = 0x0044, "SCSI data overrun";
        SCSI_DATA_UNDERRUN = 0x0045, "SCSI data underrun";
        SCSI_IO_DATA_ERROR = 0x0046, "SCSI IO data error";
        SCSI_PROTOCOL_ERROR = 0x0047, "SCSI protocol error";
        SCSI_TASK_TERMINATED = 0x0048, "SCSI task terminated";
        SCSI_RESIDUAL_MISMATCH = 0x0049, "SCSI residual mismatch";
        SCSI_TASK_MGMT_FAILED = 0x004a, "SCSI task management failed";
        SCSI_IOC_TERMINATED = 0x004b, "SCSI task terminated by the IOC";
        SCSI_EXT_TERMINATED = 0x004c, "SCSI task terminated externally";
        EEDP_GUARD_ERROR = 0x004d, "protection guard error";
        EEDP_REF_TAG_ERROR = 0x004e, "protection reference tag error";
        EEDP_APP_TAG_ERROR = 0x004f, "protection application tag error";
        SAS_SMP_REQUEST_FAILED = 0x0090, "SMP request failed";
        SAS_SMP_DATA_OVERRUN = 0x0091, "SMP data overrun";
        DIAGNOSTIC_RELEASED = 0x00a0, "diagnostic buffer released";
    }
}

/// The `IOCLogInfo` field of a reply: a type in bits 31:28 and 28 bits that the firmware defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogInfo(pub u32);

impl LogInfo {
    /// The type, bits 31:28.
    #[must_use = "the type is only decoded, not kept"]
    pub const fn kind(self) -> LogInfoType {
        LogInfoType((self.0 >> 28) as u8)
    }

    /// The firmware's data, bits 27:0.
    #[must_use = "the data is only decoded, not kept"]
    pub const fn data(self) -> u32 {
        self.0 & 0x0fff_ffff
    }
}

code! {
    /// Type of a [`LogInfo`].
    pub struct LogInfoType(u8) as "log info type" {
        NONE = 0x0, "none";
        SCSI = 0x1, "SCSI";
        FC = 0x2, "FC";
        SAS = 0x3, "SAS";
        ISCSI = 0x4, "iSCSI";
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use zerocopy::FromZeros;

    #[test]
    fn status_and_log_info_flag_are_apart() {
        let mut reply = DefaultReply::new_zeroed();
        reply.ioc_log_info = U32::new(0x3111_0900);
        reply.ioc_status = U16::new(0x0045);
        assert_eq!(reply.status().status(), IocStatus::SCSI_DATA_UNDERRUN);
        assert_eq!(reply.log_info(), None);

        reply.ioc_status = U16::new(0x804b);
        assert_eq!(reply.status().status(), IocStatus::SCSI_IOC_TERMINATED);
        let log_info = reply.log_info().expect("the flag is set");
        assert_eq!((log_info.kind(), log_info.data()), (LogInfoType::SAS, 0x0111_0900));
    }

    #[test]
    fn codes_print_their_names() {
        assert_eq!(Function::IOC_FACTS.to_string(), "IOC facts (0x3)");
        assert_eq!(IocStatus(0x7ffe).to_string(), "unknown IOC status 0x7ffe");
    }
}
