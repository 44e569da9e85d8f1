//! SCSI IO request and reply.

use super::message::{Function, ReplyMsgFlags};
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

flags! {
    /// `MsgFlags` of the SCSI IO request.
    #[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
    #[repr(transparent)]
    pub struct ScsiIoMsgFlags(u8) {
        SENSE_WIDTH_64 = 0x01, "64-bit sense address";
        SENSE_LOC_IOC = 0x02, "sense buffer in IOC memory";
        CMD_DETERMINES_DATA_DIR = 0x04, "direction from the CDB";
    }
}

/// SCSI IO request (`MSG_SCSI_IO_REQUEST`), 48 bytes and then the scatter-gather list.
/// Host-written.
///
/// The list starts at 0x30 and has at least one element, also for a command without data. With
/// [`Function::RAID_SCSI_IO_PASSTHROUGH`] the request goes to a member disk of a volume:
/// `target_id` is then the physical disk number, and `bus` is 0.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ScsiIoRequest {
    /// 0x00.
    pub target_id: u8,
    /// 0x01.
    pub bus: u8,
    /// 0x02: offset of the first chain element from the start of the frame, in 32-bit words; 0 is
    /// none.
    pub chain_offset: u8,
    /// 0x03: [`Function::SCSI_IO_REQUEST`].
    pub function: Function,
    /// 0x04: in bytes.
    pub cdb_length: u8,
    /// 0x05: in bytes.
    pub sense_buffer_length: u8,
    /// 0x06: zero.
    pub reserved: u8,
    /// 0x07.
    pub msg_flags: ScsiIoMsgFlags,
    /// 0x08: returned in the reply.
    pub msg_context: U32,
    /// 0x0c: SAM logical unit number, big-endian levels.
    pub lun: [u8; 8],
    /// 0x14: build with [`scsi_io_control`].
    pub control: U32,
    /// 0x18.
    pub cdb: [u8; 16],
    /// 0x28: bytes to transfer.
    pub data_length: U32,
    /// 0x2c: bits 31:0 of the sense buffer's bus address; bits 63:32 are set by IOC init.
    pub sense_buffer_low_addr: U32,
}

const _: () = assert!(size_of::<ScsiIoRequest>() == 48);

/// Direction of the data in bits 25:24 of `Control`, seen from the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum DataDirection {
    /// No data.
    None = 0,
    /// Host to device.
    Write = 1,
    /// Device to host.
    Read = 2,
}

/// Task attribute in bits 10:8 of `Control`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u8)]
pub enum TaskAttribute {
    /// Simple queue.
    Simple = 0,
    /// Head of queue.
    HeadOfQueue = 1,
    /// Ordered queue.
    Ordered = 2,
    /// ACA.
    Aca = 4,
    /// No tag. Parallel SCSI only.
    Untagged = 5,
    /// No tag, and the device may not disconnect. Parallel SCSI only.
    NoDisconnect = 7,
}

/// The sixteen bytes of a CDB as two little-endian words.
#[inline]
pub(crate) fn halves(cdb: &[u8; 16]) -> (u64, u64) {
    let all = u128::from_le_bytes(*cdb);
    (all as u64, (all >> 64) as u64)
}

/// The `Control` field of a SCSI IO request whose CDB fits into the 16 bytes of the frame.
#[must_use = "the value has no effect until it is stored in the request"]
pub const fn scsi_io_control(direction: DataDirection, attribute: TaskAttribute) -> u32 {
    (direction as u32) << 24 | (attribute as u32) << 8
}

flags! {
    /// `SCSIState` of the SCSI IO reply.
    #[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
    #[repr(transparent)]
    pub struct ScsiState(u8) {
        AUTOSENSE_VALID = 0x01, "autosense valid";
        AUTOSENSE_FAILED = 0x02, "autosense failed";
        NO_SCSI_STATUS = 0x04, "no SCSI status";
        TERMINATED = 0x08, "terminated";
        RESPONSE_INFO_VALID = 0x10, "response info valid";
        QUEUE_TAG_REJECTED = 0x20, "queue tag rejected";
    }
}

/// SCSI IO reply (`MSG_SCSI_IO_REPLY`), 36 bytes. Device-written.
///
/// Firmware older than MPI 1.5 ends it before `task_tag`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ScsiIoReply {
    /// 0x00.
    pub target_id: u8,
    /// 0x01.
    pub bus: u8,
    /// 0x02: length of the reply in 32-bit words.
    pub msg_length: u8,
    /// 0x03.
    pub function: Function,
    /// 0x04.
    pub cdb_length: u8,
    /// 0x05.
    pub sense_buffer_length: u8,
    /// 0x06: zero.
    pub reserved: u8,
    /// 0x07.
    pub msg_flags: ReplyMsgFlags,
    /// 0x08.
    pub msg_context: U32,
    /// 0x0c: SAM status, unless the state says that there is none.
    pub scsi_status: u8,
    /// 0x0d.
    pub scsi_state: ScsiState,
    /// 0x0e.
    pub ioc_status: U16,
    /// 0x10.
    pub ioc_log_info: U32,
    /// 0x14: bytes moved; may claim more than was asked for.
    pub transfer_count: U32,
    /// 0x18: bytes of sense data; may claim more than the sense buffer holds.
    pub sense_count: U32,
    /// 0x1c: valid only with [`ScsiState::RESPONSE_INFO_VALID`].
    pub response_info: U32,
    /// 0x20: [`TASK_TAG_UNKNOWN`] when not known.
    pub task_tag: U16,
    /// 0x22: zero.
    pub reserved1: U16,
}

const _: () = assert!(size_of::<ScsiIoReply>() == 36);

/// `TaskTag` of a command whose tag the controller does not know.
pub const TASK_TAG_UNKNOWN: u16 = 0xffff;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_has_direction_and_attribute_in_their_bits() {
        let write = scsi_io_control(DataDirection::Write, TaskAttribute::Simple);
        assert_eq!(write, 0x0100_0000);
        let read = scsi_io_control(DataDirection::Read, TaskAttribute::NoDisconnect);
        assert_eq!(read, 0x0200_0700);
        assert_eq!(scsi_io_control(DataDirection::None, TaskAttribute::Ordered), 0x0000_0200);
    }
}
