//! The mapping once more, as a list of rules to be read from the top, and every combination of the words against it.
//!
//! Written from the tables of the specification alone: codes are numbers here on purpose.

use core::ops::RangeInclusive;

use hba_core::command::Failure::{self, *};
use hba_core::port::{Delivery, Transferred};
use zerocopy::FromZeros;

use super::judge;
use crate::wire::scsi_io::{ScsiIoReply, ScsiState};

/// Bit 15 of IOCStatus: IOCLogInfo is valid. Says nothing of the command.
const LOG_INFO: u16 = 0x8000;
/// SCSIState.
const SENSE_VALID: u8 = 0x01;
const SENSE_FAILED: u8 = 0x02;
const NO_STATUS: u8 = 0x04;
const TERMINATED: u8 = 0x08;

/// SAM-5 table 41; all others are reserved or obsolete.
const ASSIGNED: [u8; 8] = [0x00, 0x02, 0x04, 0x08, 0x18, 0x28, 0x30, 0x40];

struct Rule {
    ioc: RangeInclusive<u16>,
    /// Bits of SCSIState that must be set.
    state: u8,
    /// Whether the rule is for this SCSI status.
    status: fn(u8) -> bool,
    /// `None`: the device server's status counts.
    means: Option<Failure>,
}

const fn rule(ioc: RangeInclusive<u16>, state: u8, means: Failure) -> Rule {
    Rule { ioc, state, status: |_| true, means: Some(means) }
}

const fn with_status(
    ioc: RangeInclusive<u16>,
    state: u8,
    status: fn(u8) -> bool,
    means: Failure,
) -> Rule {
    Rule { ioc, state, status, means: Some(means) }
}

/// The first that fits decides.
const RULES: [Rule; 30] = [
    // What the controller says by itself, whatever the other words are.
    rule(0x01..=0x01, 0, Refused),
    rule(0x02..=0x02, 0, Busy),
    rule(0x03..=0x03, 0, Refused),
    rule(0x04..=0x04, 0, Refused),
    rule(0x06..=0x06, 0, Busy),
    rule(0x07..=0x07, 0, Refused),
    rule(0x08..=0x08, 0, Refused),
    rule(0x41..=0x41, 0, DeviceNotPresent),
    rule(0x42..=0x42, 0, DeviceNotPresent),
    rule(0x43..=0x43, 0, DeviceNotPresent),
    rule(0x46..=0x46, 0, DataError),
    rule(0x47..=0x47, 0, Protocol),
    rule(0x48..=0x48, 0, Aborted),
    rule(0x4a..=0x4a, 0, Protocol),
    rule(0x4b..=0x4b, 0, Aborted),
    rule(0x4c..=0x4c, 0, Aborted),
    rule(0x4d..=0x4d, 0, DataError),
    rule(0x4e..=0x4e, 0, DataError),
    rule(0x4f..=0x4f, 0, DataError),
    // Not a code for a SCSI command: all but success, recovered, overrun, underrun, residual mismatch.
    rule(0x05..=0x05, 0, BadReply),
    rule(0x09..=0x3f, 0, BadReply),
    rule(0x50..=0x7fff, 0, BadReply),
    // The device server had no chance to say how it went.
    rule(0x00..=0x49, TERMINATED, Aborted),
    rule(0x44..=0x44, NO_STATUS, Overrun),
    rule(0x00..=0x49, NO_STATUS, Protocol),
    // It did, and says that all is well; the controller knows better.
    with_status(0x44..=0x44, 0, |status| status == 0x00, Overrun),
    with_status(0x00..=0x49, SENSE_FAILED, |status| status == 0x00, BadReply),
    // No device server sends that.
    with_status(0x00..=0x49, 0, |status| !ASSIGNED.contains(&status), BadReply),
    Rule { ioc: 0x00..=0x00, state: 0, status: |_| true, means: None },
    Rule { ioc: 0x40..=0x49, state: 0, status: |_| true, means: None },
];

fn expected(ioc: u16, state: u8, status: u8) -> Delivery {
    let ioc = ioc & !LOG_INFO;
    let fits = |rule: &&Rule| {
        rule.ioc.contains(&ioc) && state & rule.state == rule.state && (rule.status)(status)
    };
    let rule = RULES.iter().find(fits).expect("the list is complete");
    rule.means.map_or(Delivery::TaskComplete, Delivery::Failed)
}

fn compare(reply: &mut ScsiIoReply, ioc: u16, state: u8, status: u8) {
    reply.ioc_status.set(ioc);
    reply.scsi_state = ScsiState(state);
    reply.scsi_status = status;
    let detail = judge(reply, 96);
    let words = (ioc, state, status);
    assert_eq!(detail.delivery, expected(ioc, state, status), "{words:#x?}");
    assert_eq!(detail.status.0, status, "{words:#x?}");
    assert_eq!(detail.sense_len, if state & SENSE_VALID != 0 { 96 } else { 0 }, "{words:#x?}");
    assert_eq!(detail.transferred, Transferred::Bytes(0x1234), "{words:#x?}");
}

/// Every IOCStatus with every SCSIState and every SCSI status, as far as the words differ in what they can mean: codes above
/// FFh are all unknown, so one of them stands for the rest here, and the next test has each of those.
#[test]
fn every_combination_means_what_the_reference_says() {
    let mut reply = ScsiIoReply::new_zeroed();
    reply.sense_count.set(u32::MAX);
    reply.transfer_count.set(0x1234);
    for ioc in (0..=0x5f).chain([0x60, 0x80, 0x90, 0xa0, 0xff, 0x100, 0x7fff]) {
        for (state, status) in (0..=0xff).flat_map(|state| (0..=0xff).map(move |s| (state, s))) {
            compare(&mut reply, ioc, state, status);
        }
    }
}

#[test]
fn every_ioc_status_means_what_the_reference_says() {
    let mut reply = ScsiIoReply::new_zeroed();
    reply.sense_count.set(u32::MAX);
    reply.transfer_count.set(0x1234);
    for ioc in 0..=u16::MAX {
        for state in [0, SENSE_VALID, SENSE_FAILED, NO_STATUS, TERMINATED, 0x10, 0x20, 0xff] {
            for status in ASSIGNED.into_iter().chain([0x01, 0x10, 0xff]) {
                compare(&mut reply, ioc, state, status);
            }
        }
    }
}
