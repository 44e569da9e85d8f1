//! What is known of a command's effect on the medium once it has ended.
//!
//! A status, or the lack of one, says how a command ended. What a caller needs to know is whether it happened: whether a
//! write may be sent again, whether old data can still be trusted. The answer errs on one side only. `NotDone` is said
//! where the standards rule out that anything was written; where they leave a doubt it is `Indeterminate`.

use core::fmt;

use scsi_proto::{AdditionalSense, Cdb, Lba, Sense, SenseKey, Status};

use crate::command::{Effect, Failure, Outcome};
use crate::dispatch::{self, CacheEffect};

/// How a command ended, with all that the device said of it.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    /// The status, or why there is none.
    pub outcome: Outcome,
    /// Bytes moved.
    pub transferred: u32,
    /// Bytes asked for and not moved.
    pub residual: u32,
    /// Sense data, empty when there is none.
    pub sense: &'a [u8],
}

/// What is known of a command's effect.
///
/// | how it ended | commands that change nothing | others |
/// |---|---|---|
/// | GOOD, CONDITION MET, RECOVERED ERROR | `Done`, or `DoneShort` if bytes are missing | the same |
/// | BUSY, TASK SET FULL, RESERVATION CONFLICT, ACA ACTIVE | `NotDone` | `NotDone` |
/// | unit attention, illegal request, write protected, miscompare | `NotDone` | `NotDone` |
/// | not ready, medium present (2/04) | `NotDone` | `NotDone` |
/// | deferred error (71h, 73h) | `NotDone` | `Indeterminate` |
/// | any other sense, no sense data, TASK ABORTED | `NotDone` | `Indeterminate` |
/// | no such device, unit offline, refused, controller busy | `NotDone` | `NotDone` |
/// | time-out, abort, reset, removal, overrun, protocol error | `NotDone` | `Indeterminate` |
///
/// Commands that change nothing are those which the [dispatch table](crate::dispatch) has as repeatable and without
/// effect on the cache: reads, INQUIRY, MODE SENSE. Their buffer is worth nothing unless they are `Done`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// All of it happened.
    Done,
    /// The device says that it is done, and fewer bytes moved than were asked for.
    DoneShort {
        /// Bytes moved.
        moved: u32,
    },
    /// Nothing happened on the medium, and nothing will.
    NotDone(Cause),
    /// It may have happened, wholly, in part, or not at all.
    Indeterminate(Cause),
}

/// Why a command is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A status other than GOOD, without sense data that could be read.
    Status(Status),
    /// CHECK CONDITION, for the command's own reason (response codes 70h and 72h).
    Sense(SenseCause),
    /// CHECK CONDITION that reports an error of an earlier command (71h and 73h).
    Deferred(SenseCause),
    /// No status came.
    Failure(Failure),
}

/// The codes of sense data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenseCause {
    /// SENSE KEY.
    pub key: SenseKey,
    /// ADDITIONAL SENSE CODE and its qualifier.
    pub additional: AdditionalSense,
    /// The block at fault: INFORMATION, where VALID is set.
    pub lba: Option<Lba>,
}

impl Judgement {
    /// Judges the end of the command `cdb`.
    pub fn of(cdb: &Cdb, ended: &Ended<'_>) -> Self {
        match ended.outcome {
            Outcome::Status(Status::GOOD | Status::CONDITION_MET) => Self::done(ended),
            Outcome::Status(Status::CHECK_CONDITION) => Self::of_sense(cdb, ended),
            Outcome::Status(status) => Self::doubted(
                cdb,
                Cause::Status(status),
                matches!(
                    status,
                    Status::BUSY
                        | Status::TASK_SET_FULL
                        | Status::RESERVATION_CONFLICT
                        | Status::ACA_ACTIVE
                ),
            ),
            Outcome::Failed(failure) => Self::doubted(
                cdb,
                Cause::Failure(failure),
                matches!(
                    failure,
                    Failure::DeviceNotPresent | Failure::Refused | Failure::Busy | Failure::Offline
                ),
            ),
        }
    }

    /// The same without its reason.
    pub const fn effect(self) -> Effect {
        match self {
            Self::Done => Effect::Done,
            Self::DoneShort { .. } => Effect::DoneShort,
            Self::NotDone(_) => Effect::NotDone,
            Self::Indeterminate(_) => Effect::Indeterminate,
        }
    }

    /// Why the command is not done; `None` when it is.
    pub const fn cause(self) -> Option<Cause> {
        match self {
            Self::Done | Self::DoneShort { .. } => None,
            Self::NotDone(cause) | Self::Indeterminate(cause) => Some(cause),
        }
    }

    const fn done(ended: &Ended<'_>) -> Self {
        match ended.residual {
            0 => Self::Done,
            _ => Self::DoneShort { moved: ended.transferred },
        }
    }

    fn of_sense(cdb: &Cdb, ended: &Ended<'_>) -> Self {
        let Ok(sense) = Sense::parse(ended.sense) else {
            return Self::doubted(cdb, Cause::Status(Status::CHECK_CONDITION), false);
        };
        let cause = SenseCause::of(&sense);
        if sense.deferred {
            return Self::doubted(cdb, Cause::Deferred(cause), false);
        }
        match sense.key {
            SenseKey::RECOVERED_ERROR | SenseKey::COMPLETED => Self::done(ended),
            _ => Self::doubted(cdb, Cause::Sense(cause), cause.ends_before_the_medium()),
        }
    }

    /// Not done: known to be so, or of a command that changes nothing; otherwise in doubt.
    fn doubted(cdb: &Cdb, cause: Cause, nothing_happened: bool) -> Self {
        let policy = dispatch::policy(cdb);
        let changes_nothing = policy.cache == CacheEffect::None && policy.repeatable;
        if nothing_happened || changes_nothing {
            Self::NotDone(cause)
        } else {
            Self::Indeterminate(cause)
        }
    }
}

impl SenseCause {
    /// The codes of `sense`.
    pub fn of(sense: &Sense) -> Self {
        let Sense { key, additional, information, .. } = *sense;
        Self { key, additional, lba: information.map(Lba) }
    }

    /// Whether a command ends so only before it has written anything. Source: SAM-5 5.14 (a unit attention ends the
    /// command unprocessed), SPC-5 4.4.7.
    const fn ends_before_the_medium(&self) -> bool {
        let AdditionalSense { asc, ascq } = self.additional;
        match self.key {
            SenseKey::UNIT_ATTENTION | SenseKey::ILLEGAL_REQUEST | SenseKey::MISCOMPARE => true,
            // A medium that is pulled out during a write (2/3A) takes a part of it along.
            SenseKey::NOT_READY => asc == 0x04,
            // A thin unit may run out of space in the middle of a write.
            SenseKey::DATA_PROTECT => !(asc == 0x27 && ascq == 0x07),
            _ => false,
        }
    }
}

impl fmt::Display for SenseCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, additional, lba } = self;
        write!(f, "{key} {additional}")?;
        lba.map_or(Ok(()), |lba| write!(f, " at block {lba}"))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => status.fmt(f),
            Self::Sense(cause) => cause.fmt(f),
            Self::Deferred(cause) => write!(f, "deferred error of an earlier command: {cause}"),
            Self::Failure(failure) => failure.fmt(f),
        }
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::DoneShort { moved } => write!(f, "done, but only {moved} bytes moved"),
            Self::NotDone(cause) => write!(f, "not done: {cause}"),
            Self::Indeterminate(cause) => write!(f, "done or not, nobody knows: {cause}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: Cdb = Cdb::from_array([0x28, 0, 0, 0, 0, 0, 0, 0, 8, 0]);
    const WRITE: Cdb = Cdb::from_array([0x2a, 0, 0, 0, 0, 0, 0, 0, 8, 0]);

    fn ended(outcome: Outcome, sense: &[u8]) -> Ended<'_> {
        Ended { outcome, transferred: 0, residual: 0, sense }
    }

    fn sensed(cdb: &Cdb, code: u8, key: u8, asc: u8, ascq: u8) -> Effect {
        let mut sense = [0; 18];
        (sense[0], sense[2], sense[7], sense[12], sense[13]) = (code, key, 10, asc, ascq);
        Judgement::of(cdb, &ended(Outcome::Status(Status::CHECK_CONDITION), &sense)).effect()
    }

    #[test]
    fn sense_data_tells_what_was_not_done() {
        use Effect::{Done, Indeterminate, NotDone};
        let table = [
            (0x70, 0x1, 0x17, 0x01, Done),
            (0x70, 0x6, 0x29, 0x01, NotDone),
            (0x70, 0x5, 0x21, 0x00, NotDone),
            (0x70, 0x2, 0x04, 0x01, NotDone),
            (0x70, 0x2, 0x3a, 0x00, Indeterminate),
            (0x70, 0x7, 0x27, 0x02, NotDone),
            (0x70, 0x7, 0x27, 0x07, Indeterminate),
            (0x70, 0xe, 0x1d, 0x00, NotDone),
            (0x70, 0x3, 0x0c, 0x00, Indeterminate),
            (0x70, 0x4, 0x44, 0x00, Indeterminate),
            (0x70, 0xb, 0x00, 0x06, Indeterminate),
            (0x70, 0x0, 0x00, 0x00, Indeterminate),
            (0x71, 0x6, 0x29, 0x01, Indeterminate),
            (0x71, 0x1, 0x17, 0x01, Indeterminate),
            (0x7f, 0x6, 0x29, 0x01, Indeterminate),
        ];
        for (code, key, asc, ascq, effect) in table {
            let case = (code, key, asc, ascq);
            assert_eq!(sensed(&WRITE, code, key, asc, ascq), effect, "{case:x?}");
            let of_read = if effect == Indeterminate { NotDone } else { effect };
            assert_eq!(sensed(&READ, code, key, asc, ascq), of_read, "{case:x?}");
        }
    }

    #[test]
    fn every_end_without_sense_is_judged() {
        use Effect::{Indeterminate, NotDone};
        let write = |outcome| Judgement::of(&WRITE, &ended(outcome, &[])).effect();
        for status in [Status::BUSY, Status::TASK_SET_FULL, Status::RESERVATION_CONFLICT] {
            assert_eq!(write(Outcome::Status(status)), NotDone, "{status}");
        }
        for status in [Status::CHECK_CONDITION, Status::TASK_ABORTED, Status(0x3e)] {
            assert_eq!(write(Outcome::Status(status)), Indeterminate, "{status}");
        }
        for failure in
            [Failure::DeviceNotPresent, Failure::Refused, Failure::Busy, Failure::Offline]
        {
            assert_eq!(write(Outcome::Failed(failure)), NotDone, "{failure}");
        }
        for failure in [
            Failure::TimedOut,
            Failure::Aborted,
            Failure::Reset,
            Failure::ControllerGone,
            Failure::ControllerFailed,
            Failure::Overrun,
            Failure::DataError,
            Failure::Protocol,
            Failure::BadReply,
        ] {
            assert_eq!(write(Outcome::Failed(failure)), Indeterminate, "{failure}");
            let read = Judgement::of(&READ, &ended(Outcome::Failed(failure), &[]));
            assert_eq!(read, Judgement::NotDone(Cause::Failure(failure)));
        }
    }

    #[test]
    fn missing_bytes_make_it_short() {
        let short =
            Ended { transferred: 512, residual: 3584, ..ended(Outcome::Status(Status::GOOD), &[]) };
        assert_eq!(Judgement::of(&READ, &short), Judgement::DoneShort { moved: 512 });
        let recovered = [0x70, 0, 1, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x17, 1, 0, 0, 0, 0];
        let short =
            Ended { sense: &recovered, outcome: Outcome::Status(Status::CHECK_CONDITION), ..short };
        assert_eq!(Judgement::of(&WRITE, &short).effect(), Effect::DoneShort);
    }

    #[test]
    fn the_block_at_fault_is_named() {
        let mut sense = [0; 18];
        (sense[0], sense[2], sense[6], sense[7], sense[12]) = (0xf0, 3, 77, 10, 0x11);
        let judged = Judgement::of(&READ, &ended(Outcome::Status(Status::CHECK_CONDITION), &sense));
        let text = judged.to_string();
        assert_eq!(text, "not done: MEDIUM ERROR UNRECOVERED READ ERROR at block 77");
    }
}
