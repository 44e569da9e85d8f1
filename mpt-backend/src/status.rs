//! From the controller's status words to how a command ended: one function.

use hba_core::command::Failure;
use hba_core::port::{Delivery, Detail, Transferred};
use hba_core::sabotage::{Sabotage, is_planted};
use scsi_proto::Status;

use crate::wire::message::{IocStatus, IocStatusWord};
use crate::wire::scsi_io::{ScsiIoReply, ScsiState};

/// Words that a SCSI IO reply needs for [`judge`]: what follows differs between MPI 1.x and 2.x, and is not looked at.
pub(crate) const JUDGED_WORDS: u8 = 7;

/// GOOD, every byte moved.
pub(crate) const SUCCESS: Detail = Detail {
    delivery: Delivery::TaskComplete,
    status: Status::GOOD,
    transferred: Transferred::All,
    sense_len: 0,
    raw_status: 0,
};
/// The command has ended, and nothing that the controller says of how is to be believed.
pub(crate) const NONSENSE: Detail = Detail {
    delivery: Delivery::Failed(Failure::BadReply),
    transferred: Transferred::Bytes(0),
    ..SUCCESS
};

/// Judges a SCSI IO reply; `sense_room` is the size of the sense buffer in bytes.
///
/// Where the words contradict each other the worst wins: success needs IOC status, SCSI state and SCSI status to agree.
pub(crate) fn judge(reply: &ScsiIoReply, sense_room: u8) -> Detail {
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
        transferred: match is_planted(Sabotage::CountIgnored) {
            true => Transferred::All,
            false => Transferred::Bytes(reply.transfer_count.get()),
        },
        sense_len,
        raw_status: u32::from(ioc.0) << 16 | u32::from(state.0) << 8 | u32::from(status.0),
    }
}

fn delivery(ioc: IocStatus, state: ScsiState, status: Status) -> Delivery {
    if is_planted(Sabotage::TerminatedIsDone) && ioc_failure(ioc) == Some(Failure::Aborted) {
        return Delivery::TaskComplete;
    }
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

#[cfg(test)]
mod reference;

#[cfg(test)]
mod tests {
    use zerocopy::FromZeros;

    use super::*;

    fn reply(ioc: u16, state: u8, status: u8, count: u32) -> ScsiIoReply {
        ScsiIoReply {
            scsi_status: status,
            scsi_state: ScsiState(state),
            ioc_status: ioc.into(),
            transfer_count: count.into(),
            sense_count: 0xffff_ffff.into(),
            ..ScsiIoReply::new_zeroed()
        }
    }

    #[test]
    fn success_needs_all_three_words_to_agree() {
        for ioc in 0..=0x7fff {
            for state in 0..64 {
                for status in [0x00, 0x02, 0x08, 0x18, 0x28, 0x01, 0x3f] {
                    let detail = judge(&reply(ioc, state, status, 0), 96);
                    let good =
                        detail.delivery == Delivery::TaskComplete && detail.status == Status::GOOD;
                    let may = matches!(ioc, 0x00 | 0x40 | 0x45 | 0x49)
                        && state & 0x0e == 0
                        && status == 0;
                    assert_eq!(good, may, "ioc {ioc:#x} state {state:#x} status {status:#x}");
                }
            }
        }
    }

    #[test]
    fn log_info_flag_is_not_part_of_the_status() {
        let detail = judge(&reply(0x8045, 0, 0, 512), 96);
        assert_eq!(detail.delivery, Delivery::TaskComplete);
        assert_eq!(detail.transferred, Transferred::Bytes(512));
    }

    #[test]
    fn sense_count_is_bounded_by_the_buffer() {
        assert_eq!(judge(&reply(0x45, 0x01, 0x02, 0), 96).sense_len, 96);
        assert_eq!(judge(&reply(0x45, 0x00, 0x02, 0), 96).sense_len, 0, "not valid, not read");
    }

    #[test]
    fn failures_keep_their_kind() {
        let failure = |ioc, state| judge(&reply(ioc, state, 0, 0), 96).delivery;
        let failed = Delivery::Failed;
        assert_eq!(failure(0x43, 0x04), failed(Failure::DeviceNotPresent));
        assert_eq!(failure(0x44, 0x00), failed(Failure::Overrun));
        assert_eq!(failure(0x48, 0x08), failed(Failure::Aborted));
        assert_eq!(failure(0x00, 0x08), failed(Failure::Aborted));
        assert_eq!(failure(0x00, 0x04), failed(Failure::Protocol));
        assert_eq!(failure(0x00, 0x02), failed(Failure::BadReply));
        assert_eq!(failure(0x03, 0x04), failed(Failure::Refused));
        assert_eq!(failure(0x02, 0x04), failed(Failure::Busy));
        assert_eq!(failure(0x7abc, 0x00), failed(Failure::BadReply));
        assert_eq!(failure(0x44, 0x04), failed(Failure::Overrun), "no status, and too much data");
        let unassigned = judge(&reply(0x00, 0, 0x3f, 0), 96).delivery;
        assert_eq!(unassigned, failed(Failure::BadReply), "no device server sends 3Fh");
    }

    #[test]
    fn every_ioc_status_that_is_a_failure_has_its_kind() {
        let kinds: [(Failure, &[u16]); 7] = [
            (Failure::Refused, &[0x01, 0x03, 0x04, 0x07, 0x08]),
            (Failure::Busy, &[0x02, 0x06]),
            (Failure::DeviceNotPresent, &[0x41, 0x42, 0x43]),
            (Failure::DataError, &[0x46, 0x4d, 0x4e, 0x4f]),
            (Failure::Protocol, &[0x47, 0x4a]),
            (Failure::Aborted, &[0x48, 0x4b, 0x4c]),
            (Failure::BadReply, &[0x05, 0x09, 0x20, 0x90, 0xa0, 0x7fff]),
        ];
        for (failure, codes) in kinds {
            for code in codes {
                let delivery = judge(&reply(*code, 0, 0, 0), 96).delivery;
                assert_eq!(delivery, Delivery::Failed(failure), "ioc {code:#x}");
            }
        }
    }
}
