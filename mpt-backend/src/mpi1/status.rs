//! From the controller's status words to how a command ended: one function.

use hba_core::command::Failure;
use hba_core::port::{Delivery, Detail, Transferred};
use scsi_proto::Status;

use crate::wire::message::{IocStatus, IocStatusWord};
use crate::wire::scsi_io::{ScsiIoReply, ScsiState};

/// Judges a SCSI IO reply; `sense_room` is the size of the sense buffer in bytes.
///
/// Where the words contradict each other the worst wins: success needs IOC status, SCSI state and SCSI status to agree.
pub(super) fn judge(reply: &ScsiIoReply, sense_room: u8) -> Detail {
    let state = reply.scsi_state;
    let status = Status(reply.scsi_status);
    let ioc = IocStatusWord(reply.ioc_status.get()).status();
    let sense_len = if state.contains(ScsiState::AUTOSENSE_VALID) {
        reply.sense_count.get().min(u32::from(sense_room)) as u8
    } else {
        0
    };
    Detail {
        delivery: delivery(ioc, state, status),
        status,
        transferred: Transferred::Bytes(reply.transfer_count.get()),
        sense_len,
        raw_status: u32::from(ioc.0) << 16 | u32::from(state.0) << 8 | u32::from(status.0),
    }
}

fn delivery(ioc: IocStatus, state: ScsiState, status: Status) -> Delivery {
    if let Some(failure) = ioc_failure(ioc) {
        return Delivery::Failed(failure);
    }
    if state.contains(ScsiState::TERMINATED) {
        return Delivery::Failed(Failure::Aborted);
    }
    if state.contains(ScsiState::NO_SCSI_STATUS) {
        let overrun = ioc == IocStatus::SCSI_DATA_OVERRUN;
        return Delivery::Failed(if overrun { Failure::Overrun } else { Failure::Protocol });
    }
    if ioc == IocStatus::SCSI_DATA_OVERRUN && status == Status::GOOD {
        return Delivery::Failed(Failure::Overrun);
    }
    let lost_sense = state.contains(ScsiState::AUTOSENSE_FAILED);
    if !is_assigned(status) || lost_sense && status == Status::GOOD {
        return Delivery::Failed(Failure::BadReply);
    }
    Delivery::TaskComplete
}

/// Whether SAM-5 table 41 assigns a meaning to the status.
fn is_assigned(status: Status) -> bool {
    matches!(
        status,
        Status::GOOD
            | Status::CHECK_CONDITION
            | Status::CONDITION_MET
            | Status::BUSY
            | Status::RESERVATION_CONFLICT
            | Status::TASK_SET_FULL
            | Status::ACA_ACTIVE
            | Status::TASK_ABORTED
    )
}

/// The failure that an IOC status means by itself, `None` where the SCSI status decides.
fn ioc_failure(ioc: IocStatus) -> Option<Failure> {
    Some(match ioc {
        IocStatus::SUCCESS
        | IocStatus::SCSI_RECOVERED_ERROR
        | IocStatus::SCSI_DATA_OVERRUN
        | IocStatus::SCSI_DATA_UNDERRUN
        | IocStatus::SCSI_RESIDUAL_MISMATCH => return None,
        IocStatus::SCSI_INVALID_BUS
        | IocStatus::SCSI_INVALID_TARGETID
        | IocStatus::SCSI_DEVICE_NOT_THERE => Failure::DeviceNotPresent,
        IocStatus::SCSI_IO_DATA_ERROR
        | IocStatus::EEDP_GUARD_ERROR
        | IocStatus::EEDP_REF_TAG_ERROR
        | IocStatus::EEDP_APP_TAG_ERROR => Failure::DataError,
        IocStatus::SCSI_PROTOCOL_ERROR | IocStatus::SCSI_TASK_MGMT_FAILED => Failure::Protocol,
        IocStatus::SCSI_TASK_TERMINATED
        | IocStatus::SCSI_IOC_TERMINATED
        | IocStatus::SCSI_EXT_TERMINATED => Failure::Aborted,
        IocStatus::BUSY | IocStatus::INSUFFICIENT_RESOURCES => Failure::Busy,
        IocStatus::INVALID_FUNCTION
        | IocStatus::INVALID_SGL
        | IocStatus::INTERNAL_ERROR
        | IocStatus::INVALID_FIELD
        | IocStatus::INVALID_STATE => Failure::Refused,
        _ => Failure::BadReply,
    })
}
