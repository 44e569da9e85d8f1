//! Ends of commands: status, counts, and what contradicts them.

use hba_core::command::{Failure, Outcome, Transfer};
use scsi_proto::Status;

use crate::{GOOD, PAGE, Rig, read_reply, scsi_io};

#[test]
fn f059_sense_valid_zero_mpi2() {
    for sense in 0..8 {
        let (_, outcome, _, _, bytes) = read_reply(0x0000_0102, 0, sense);
        assert_eq!(outcome, Outcome::Status(Status::CHECK_CONDITION), "never success");
        assert_eq!(bytes, sense as usize);
    }
}

#[test]
fn f060_autosense_failed_mpi2() {
    let (_, outcome, _, _, bytes) = read_reply(0x0000_0202, PAGE, 18);
    assert_eq!((outcome, bytes), (Outcome::Status(Status::CHECK_CONDITION), 0));
    let (_, outcome, ..) = read_reply(0x0000_0200, PAGE, 0);
    assert_eq!(outcome, Outcome::Failed(Failure::BadReply), "autosense failed with status good");
}

#[test]
fn f061_count_above_request_mpi2() {
    let (_, outcome, moved, residual, _) = read_reply(0x0045_0000, PAGE + 1, 0);
    assert_eq!(outcome, Outcome::Failed(Failure::Overrun));
    assert_eq!((moved, residual), (PAGE, 0), "clamped");
}

#[test]
fn f062_count_short_read_mpi2() {
    let ended = read_reply(0x0045_0000, 512, 0);
    assert_eq!(ended, (1, GOOD, 512, PAGE - 512, 0), "short, with the exact residual");
}

#[test]
fn f063_count_short_write_mpi2() {
    let ended = Rig::new().reply(Transfer::to_device(PAGE), 0x0045_0000, 512, 0);
    assert_eq!(ended, (1, GOOD, 512, PAGE - 512, 0), "short, and never without its residual");
}

#[test]
fn f064_overrun_good_mpi2() {
    let (_, outcome, ..) = read_reply(0x0044_0000, PAGE, 0);
    assert_eq!(outcome, Outcome::Failed(Failure::Overrun));
}

#[test]
fn f065_residual_mismatch_mpi2() {
    let (_, whole, _, residual, _) = read_reply(0x0049_0000, PAGE, 0);
    assert_eq!((whole, residual), (GOOD, 0), "enough moved: the status decides");
    let (_, outcome, moved, residual, _) = read_reply(0x0049_0000, 512, 0);
    assert_eq!((outcome, moved, residual), (GOOD, 512, PAGE - 512), "never silent");
    let (_, outcome, ..) = read_reply(0x0049_0002, PAGE, 0);
    assert_eq!(outcome, Outcome::Status(Status::CHECK_CONDITION), "never better than its status");
}

#[test]
fn f066_status_reserved_mpi2() {
    for (status, failure) in [
        (0x0000_0055, Failure::BadReply),
        (0x7777_0000, Failure::BadReply),
        (0x0050_0000, Failure::BadReply),
        (0x0043_0055, Failure::DeviceNotPresent),
    ] {
        let (_, outcome, ..) = read_reply(status, PAGE, 0);
        assert_eq!(outcome, Outcome::Failed(failure), "{status:#x}");
    }
}

#[test]
fn f068_loginfo_only_mpi2() {
    let mut rig = Rig::new();
    for cookie in 1..=200 {
        let smid = rig.read();
        let mut reply = scsi_io(0x8000_0000, PAGE, 0);
        reply[4] = 0x3111_0500;
        rig.bank.reply(smid, &reply);
        assert_eq!(rig.poll_ended(), [(cookie, GOOD, PAGE, 0, 0)], "it is not a failure");
        assert!(rig.poll().is_empty(), "the frame goes back");
    }
    assert!(rig.events.is_empty(), "a controller that chatters fills no queue: {:?}", rig.events);
    rig.assert_well();
}

#[test]
fn f069_protection_error_mpi2() {
    for status in [0x004d_0000, 0x004e_0000, 0x004f_0000] {
        let (_, outcome, ..) = read_reply(status, PAGE, 0);
        assert_eq!(outcome, Outcome::Failed(Failure::DataError), "{status:#x}");
    }
}
