//! What the end of a probe means, whatever the probe was.

use scsi_proto::{AdditionalSense, Sense, SenseKey, Status};

use super::{DiscoveryConfig, ProbeOutcome, SkipReason};
use crate::command::{Failure, Outcome};
use crate::time::Instant;

/// What an outcome says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The data counts.
    Good,
    /// A condition was reported instead of doing the work, and is cleared by that: ask again at once.
    Attention,
    /// The device has no room now: ask again later.
    Busy,
    /// The unit becomes ready: ask again later.
    BecomingReady(AdditionalSense),
    /// No status came; once more may help.
    NoStatus,
    /// It will not get better.
    Final,
    /// Nothing behind this controller will answer any more.
    Gone,
}

impl Answer {
    pub(super) fn of(outcome: &ProbeOutcome<'_>) -> Self {
        match outcome.outcome {
            Outcome::Status(Status::GOOD | Status::CONDITION_MET) => Self::Good,
            Outcome::Status(Status::CHECK_CONDITION) => Self::of_sense(outcome.sense),
            Outcome::Status(Status::TASK_ABORTED) => Self::Attention,
            Outcome::Status(Status::BUSY | Status::TASK_SET_FULL | Status::ACA_ACTIVE)
            | Outcome::Failed(Failure::Busy) => Self::Busy,
            Outcome::Failed(Failure::ControllerGone | Failure::ControllerFailed) => Self::Gone,
            Outcome::Failed(Failure::DeviceNotPresent) | Outcome::Status(_) => Self::Final,
            Outcome::Failed(_) => Self::NoStatus,
        }
    }

    fn of_sense(sense: &[u8]) -> Self {
        // Sense data that got lost: the condition is gone with it.
        let Ok(sense) = Sense::parse(sense) else { return Self::Attention };
        match sense.key {
            // A deferred error ends the command at hand before it did anything.
            _ if sense.deferred => Self::Attention,
            SenseKey::NO_SENSE | SenseKey::RECOVERED_ERROR | SenseKey::COMPLETED => Self::Good,
            SenseKey::UNIT_ATTENTION | SenseKey::ABORTED_COMMAND => Self::Attention,
            SenseKey::NOT_READY if will_be_ready(sense.additional) => {
                Self::BecomingReady(sense.additional)
            }
            _ => Self::Final,
        }
    }
}

/// Becoming ready, operation or self-test in progress, asymmetric access transition. A format or a rebuild takes hours:
/// nobody waits for it here.
fn will_be_ready(additional: AdditionalSense) -> bool {
    matches!((additional.asc, additional.ascq), (0x04, 0x01 | 0x07 | 0x09 | 0x0a))
}

/// Why INQUIRY gave nothing.
pub(super) fn skip_reason(outcome: &ProbeOutcome<'_>) -> SkipReason {
    match Sense::parse(outcome.sense) {
        Ok(sense) if outcome.outcome == Outcome::Status(Status::CHECK_CONDITION) => {
            SkipReason::Check(sense.key, sense.additional)
        }
        _ => SkipReason::Failed(outcome.outcome),
    }
}

/// How often the command at hand was answered with something that is no answer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tries {
    attentions: u8,
    busy: u8,
    becoming_ready: u8,
    failures: u8,
}

impl Tries {
    /// When to ask again, or `None` when the answer counts or patience is exhausted.
    pub(super) fn retry_at(
        &mut self,
        answer: Answer,
        now: Instant,
        config: &DiscoveryConfig,
    ) -> Option<Instant> {
        let (count, max, at) = match answer {
            Answer::Good | Answer::Final | Answer::Gone => return None,
            Answer::Attention => (&mut self.attentions, config.attentions_max, now),
            Answer::Busy => (&mut self.busy, config.busy_tries, now + config.busy_delay),
            Answer::BecomingReady(_) => {
                (&mut self.becoming_ready, config.ready_tries, now + config.ready_delay)
            }
            Answer::NoStatus => {
                (&mut self.failures, config.failure_retries, now + config.busy_delay)
            }
        };
        if *count == max {
            return None;
        }
        *count += 1;
        Some(at)
    }
}
