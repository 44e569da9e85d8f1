//! One typed flush, from its beginning to its verdict.

use core::fmt;
use core::time::Duration;

use scsi_proto::{Sense, SenseKey, Status, command};

use super::Epoch;
use super::judgement::{Cause, Ended, Judgement, SenseCause};
use super::loss::Loss;
use crate::command::{Cookie, Failure, Outcome, Refusal, Request, Transfer};
use crate::name::Nexus;
use crate::sabotage::{Sabotage, is_planted};
use crate::time::Instant;

/// How patient a typed flush is with a unit that does not take it now. Its time-out is that of
/// [`Class::Flush`](crate::dispatch::Class::Flush).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlushConfig {
    /// Times that the command is sent again after BUSY, TASK SET FULL, a unit attention, a deferred error, or while the
    /// unit becomes ready.
    pub retries: u8,
    /// Time between two of them; none after a unit attention, which is cleared by its report.
    pub delay: Duration,
}

impl Default for FlushConfig {
    /// 30 times, a second apart.
    fn default() -> Self {
        Self { retries: 30, delay: Duration::from_secs(1) }
    }
}

/// A typed flush under way. Neither concluding nor [forgetting](super::Durability::forget) it leaves its unit without further flushes.
#[derive(Debug)]
#[must_use = "no other flush of the unit begins before this one is concluded"]
pub struct Flush {
    pub(super) nexus: Nexus,
    /// Writes of older epochs are covered.
    pub(super) epoch: Epoch,
    pub(super) config: FlushConfig,
    pub(super) tries: u8,
    /// What the last try ended with.
    pub(super) end: Option<FlushEnd>,
}

/// How the command of a flush ended, as far as the flush is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushEnd {
    /// The device says that everything is non-volatile.
    Good,
    /// The device has no such command (5/20/00).
    Unsupported,
    /// It failed, for good or once too often.
    Failed(Cause),
    /// It was never sent.
    NotSent(Refusal),
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the flush is not over"]
pub enum FlushStep {
    /// Send the command again, not before this time.
    Again(Instant),
    /// Service every queue until it has no more to give, then conclude.
    Settle,
}

/// Proof that a flush succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flushed {
    /// Every write that had ended before the flush began belongs to an older epoch and is durable.
    pub epoch: Epoch,
    /// Who says so.
    pub by: FlushedBy,
}

/// Who says that writes are durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FlushedBy {
    /// The device: SYNCHRONIZE CACHE ended with GOOD.
    Device,
    /// The controller, whose own cache was flushed.
    Controller,
    /// Nobody needs to: the device has no volatile cache in use (WCE is 0) and does not know the command.
    WriteThrough,
}

/// Why a flush did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FlushError {
    /// Writes that had been acknowledged may be lost. Every flush of the unit ends so until the loss is acknowledged.
    Loss(Loss),
    /// The command was not sent. Nothing has changed: try again.
    NotSent(Refusal),
    /// Another flush of the unit is under way.
    Busy,
    /// No time was left for it.
    OutOfTime,
}

/// Another flush of the unit is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlushBusy;

impl Flush {
    /// The unit that is flushed.
    pub const fn nexus(&self) -> Nexus {
        self.nexus
    }

    /// The epoch that the flush began.
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// SYNCHRONIZE CACHE(10) over the whole unit, to be sent on any vector. `data` is memory for a command without data.
    pub fn request<D>(&self, data: D, cookie: Cookie) -> Request<D> {
        Request::new(self.nexus, command::flush_all(), Transfer::NONE, data, cookie)
    }

    /// The queue did not accept the command. A full queue is a reason to come again.
    pub fn handle_refusal(&mut self, refusal: Refusal, now: Instant) -> FlushStep {
        match refusal {
            Refusal::QueueFull => FlushStep::Again(now),
            refusal => self.settle(FlushEnd::NotSent(refusal)),
        }
    }

    /// The command has ended.
    pub fn handle_end(&mut self, ended: &Ended<'_>, now: Instant) -> FlushStep {
        match Verdict::of(ended) {
            Verdict::End(end) => self.settle(end),
            Verdict::Wait(cause) => self.again(cause, now + self.config.delay),
            Verdict::Once(cause) => self.again(cause, now),
        }
    }

    /// Nobody waits for the command any longer: nobody knows how the flush ended.
    pub fn give_up(&mut self) -> FlushStep {
        self.settle(FlushEnd::Failed(Cause::Failure(Failure::TimedOut)))
    }

    fn again(&mut self, cause: Cause, at: Instant) -> FlushStep {
        if self.tries == self.config.retries {
            return self.settle(FlushEnd::Failed(cause));
        }
        self.tries += 1;
        FlushStep::Again(at)
    }

    const fn settle(&mut self, end: FlushEnd) -> FlushStep {
        self.end = Some(end);
        FlushStep::Settle
    }
}

/// What the end of one try means.
enum Verdict {
    End(FlushEnd),
    /// Not now.
    Wait(Cause),
    /// Something was reported instead, and is cleared by that.
    Once(Cause),
}

impl Verdict {
    fn of(ended: &Ended<'_>) -> Self {
        match ended.outcome {
            Outcome::Status(Status::GOOD | Status::CONDITION_MET) => Self::End(FlushEnd::Good),
            Outcome::Status(Status::CHECK_CONDITION) => Self::of_sense(ended.sense),
            Outcome::Status(status @ (Status::BUSY | Status::TASK_SET_FULL)) => {
                Self::Wait(Cause::Status(status))
            }
            Outcome::Failed(failure @ Failure::Busy) => Self::Wait(Cause::Failure(failure)),
            Outcome::Status(status) => Self::failed(Cause::Status(status)),
            Outcome::Failed(_) if is_planted(Sabotage::FlushTimeoutIsGood) => {
                Self::End(FlushEnd::Good)
            }
            Outcome::Failed(failure) => Self::failed(Cause::Failure(failure)),
        }
    }

    /// ABORTED COMMAND is no reason to try again: it may stand for data that could not be written, and the next flush
    /// would succeed without it.
    fn of_sense(bytes: &[u8]) -> Self {
        let Ok(sense) = Sense::parse(bytes) else {
            return Self::failed(Cause::Status(Status::CHECK_CONDITION));
        };
        let codes = SenseCause::of(&sense);
        let (asc, ascq) = (codes.additional.asc, codes.additional.ascq);
        match sense.key {
            _ if sense.deferred => Self::Once(Cause::Deferred(codes)),
            SenseKey::RECOVERED_ERROR | SenseKey::COMPLETED => Self::End(FlushEnd::Good),
            SenseKey::UNIT_ATTENTION => Self::Once(Cause::Sense(codes)),
            SenseKey::NOT_READY if asc == 0x04 && matches!(ascq, 0x01 | 0x07) => {
                Self::Wait(Cause::Sense(codes))
            }
            SenseKey::ILLEGAL_REQUEST if asc == 0x20 => Self::End(FlushEnd::Unsupported),
            _ => Self::failed(Cause::Sense(codes)),
        }
    }

    const fn failed(cause: Cause) -> Self {
        Self::End(FlushEnd::Failed(cause))
    }
}

impl FlushError {
    /// For callers that know a flush as a command with a status, what to tell them: NotDone where nothing happened.
    pub const fn judgement(&self) -> Judgement {
        match self {
            Self::Loss(loss) => Judgement::Indeterminate(loss.cause.as_cause()),
            Self::NotSent(_) | Self::Busy | Self::OutOfTime => {
                Judgement::NotDone(Cause::Status(Status::BUSY))
            }
        }
    }
}

impl fmt::Display for Flushed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { epoch, by } = self;
        write!(f, "everything before epoch {epoch} is durable, {by}")
    }
}

impl fmt::Display for FlushedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Device => "says the device",
            Self::Controller => "says the controller",
            Self::WriteThrough => "as the device has no write cache in use",
        })
    }
}

impl fmt::Display for FlushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loss(loss) => loss.fmt(f),
            Self::NotSent(refusal) => write!(f, "the flush was not sent: {refusal}"),
            Self::Busy => FlushBusy.fmt(f),
            Self::OutOfTime => f.write_str("no time was left for the flush"),
        }
    }
}

impl core::error::Error for FlushError {}

impl fmt::Display for FlushBusy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("another flush of the unit is under way")
    }
}

impl core::error::Error for FlushBusy {}
