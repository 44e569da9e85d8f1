//! SCSI task management request and reply.

use super::message::{Function, ReplyMsgFlags};
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

code! {
    /// `TaskType` of a task management request.
    #[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
    #[repr(transparent)]
    pub struct TaskType(u8) as "task type" {
        ABORT_TASK = 0x01, "abort task";
        ABORT_TASK_SET = 0x02, "abort task set";
        TARGET_RESET = 0x03, "target reset";
        RESET_BUS = 0x04, "bus reset";
        LOGICAL_UNIT_RESET = 0x05, "logical unit reset";
        CLEAR_TASK_SET = 0x06, "clear task set";
        QUERY_TASK = 0x07, "query task";
        CLEAR_ACA = 0x08, "clear ACA";
    }
}

flags! {
    /// `MsgFlags` of a task management request.
    #[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
    #[repr(transparent)]
    pub struct TaskMgmtMsgFlags(u8) {
        DO_NOT_SEND_TASK_IU = 0x01, "no task information unit";
        LIP_RESET_OPTION = 0x02, "LIP reset";
        LIPRESET_RESET_OPTION = 0x04, "LIP and target reset";
        SOFT_RESET_OPTION = 0x08, "soft reset";
    }
}

/// Task management request (`MSG_SCSI_TASK_MGMT`), 52 bytes. Host-written.
///
/// Posted to the high-priority FIFO where there is one, else sent by doorbell handshake.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ScsiTaskMgmtRequest {
    /// 0x00.
    pub target_id: u8,
    /// 0x01.
    pub bus: u8,
    /// 0x02: 0.
    pub chain_offset: u8,
    /// 0x03: [`Function::SCSI_TASK_MGMT`].
    pub function: Function,
    /// 0x04: zero.
    pub reserved: u8,
    /// 0x05.
    pub task_type: TaskType,
    /// 0x06: zero.
    pub reserved1: u8,
    /// 0x07.
    pub msg_flags: TaskMgmtMsgFlags,
    /// 0x08: returned in the reply.
    pub msg_context: U32,
    /// 0x0c: SAM logical unit number, for the task types that name one.
    pub lun: [u8; 8],
    /// 0x14: zero.
    pub reserved2: [U32; 7],
    /// 0x30: context of the request to abort or query.
    pub task_msg_context: U32,
}

const _: () = assert!(size_of::<ScsiTaskMgmtRequest>() == 52);

code! {
    /// `ResponseCode` of a task management reply.
    #[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
    #[repr(transparent)]
    pub struct ResponseCode(u8) as "response code" {
        TM_COMPLETE = 0x00, "complete";
        INVALID_FRAME = 0x02, "invalid frame";
        TM_NOT_SUPPORTED = 0x04, "not supported";
        TM_FAILED = 0x05, "failed";
        TM_SUCCEEDED = 0x08, "succeeded";
        TM_INVALID_LUN = 0x09, "invalid logical unit";
        TM_OVERLAPPED_TAG = 0x0a, "overlapped tag";
        IO_QUEUED_ON_IOC = 0x80, "IO queued on the IOC";
    }
}

/// Task management reply (`MSG_SCSI_TASK_MGMT_REPLY`), 24 bytes. Device-written.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ScsiTaskMgmtReply {
    /// 0x00.
    pub target_id: u8,
    /// 0x01.
    pub bus: u8,
    /// 0x02: length of the reply in 32-bit words.
    pub msg_length: u8,
    /// 0x03.
    pub function: Function,
    /// 0x04.
    pub response_code: ResponseCode,
    /// 0x05.
    pub task_type: TaskType,
    /// 0x06: zero.
    pub reserved1: u8,
    /// 0x07.
    pub msg_flags: ReplyMsgFlags,
    /// 0x08.
    pub msg_context: U32,
    /// 0x0c: zero.
    pub reserved2: [u8; 2],
    /// 0x0e.
    pub ioc_status: U16,
    /// 0x10.
    pub ioc_log_info: U32,
    /// 0x14: requests that ended because of this one.
    pub termination_count: U32,
}

const _: () = assert!(size_of::<ScsiTaskMgmtReply>() == 24);
