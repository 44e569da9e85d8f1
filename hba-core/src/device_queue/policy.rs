//! What the queue of a device may do on its own.

use core::time::Duration;

use scsi_proto::{SenseKey, Status};

use crate::command::Failure;
use crate::dispatch::{Class, Policy};
use crate::durability::{Cause, Judgement};

/// What [`DeviceQueues`](super::DeviceQueues) do for a caller. By default as good as nothing: no command is sent twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueuePolicy {
    /// Which commands are sent again.
    pub retry: Retry,
    /// Times that one command is sent again; a full task set does not count while other commands of the unit are out.
    pub tries: u8,
    /// Time before a command is sent again; none after a unit attention, which is cleared by its report.
    pub delay: Duration,
    /// Commands of one logical unit that are out at most.
    pub depth: u16,
    /// Commands that have to end well before a depth that TASK SET FULL lowered is raised by one.
    pub raise_after: u32,
    /// Time-outs of medium accesses in a row after which a unit is taken offline, 0: never. Accesses that were out
    /// together count as one.
    pub medium_timeouts: u8,
}

impl Default for QueuePolicy {
    /// Nothing is sent again, 64 commands for a unit, 5 tries 100 ms apart where retries are switched on, one more command
    /// after 64, and never offline.
    fn default() -> Self {
        Self {
            retry: Retry::Never,
            tries: 5,
            delay: Duration::from_millis(100),
            depth: 64,
            raise_after: 64,
            medium_timeouts: 0,
        }
    }
}

/// Which commands are sent again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Retry {
    /// None.
    #[default]
    Never,
    /// Those of which the device says that nothing happened, for a reason that passes: BUSY, TASK SET FULL, a unit attention,
    /// becoming ready; and those that came back with the error of an earlier write (71h, 73h), if they are repeatable.
    NotDone,
    /// Besides, those whose effect is not known and that may be repeated ([`Policy::repeatable`]): time-outs, aborts, resets,
    /// errors of the transport. Never a flush: its failure stands for data that may be lost.
    Repeatable,
}

/// When a command is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    Now,
    Later,
    /// When the task set has room: it is not the command's fault.
    WhenThereIsRoom,
}

impl Retry {
    pub(super) fn verdict(self, policy: Policy, judgement: Judgement) -> Option<Again> {
        let cause = judgement.cause()?;
        let known = matches!(judgement, Judgement::NotDone(_));
        match cause {
            _ if self == Self::Never => None,
            Cause::Status(Status::TASK_SET_FULL) => Some(Again::WhenThereIsRoom),
            Cause::Status(Status::BUSY) | Cause::Failure(Failure::Busy) => Some(Again::Later),
            Cause::Deferred(_) => policy.repeatable.then_some(Again::Now),
            Cause::Sense(codes) if codes.key == SenseKey::UNIT_ATTENTION => Some(Again::Now),
            Cause::Sense(codes) if known && codes.key == SenseKey::NOT_READY => {
                let passes =
                    matches!((codes.additional.asc, codes.additional.ascq), (4, 1 | 7 | 9 | 10));
                passes.then_some(Again::Later)
            }
            _ if self < Self::Repeatable || !policy.repeatable || policy.class == Class::Flush => {
                None
            }
            Cause::Status(Status::TASK_ABORTED) => Some(Again::Later),
            Cause::Sense(codes) if codes.key == SenseKey::ABORTED_COMMAND => Some(Again::Later),
            Cause::Failure(
                Failure::TimedOut
                | Failure::Aborted
                | Failure::Reset
                | Failure::DataError
                | Failure::Protocol
                | Failure::BadReply,
            ) => Some(Again::Later),
            _ => None,
        }
    }
}
