//! Typed flushes of the caller, and the truth that they have to tell: O11 and O12.

use core::time::Duration;

use hba_core::command::{Cookie, Nexus, Outcome, Refusal, Request};
use hba_core::durability::{Flush, FlushConfig, FlushStep};
use hba_core::queue::Done;
use hba_core::time::Instant;
use scsi_proto::Status;

use super::ledger::Moment;
use super::oracle::{Oracle, Verdict, Violation, require};
use super::plan::Operation;

/// The typed flushes of the caller that have no verdict yet.
#[derive(Debug, Default)]
pub(super) struct Flushes {
    under_way: Vec<Flushing>,
    /// Those that the core is to conclude.
    concluding: Vec<Concluding>,
}

impl Flushes {
    /// How patient they are: shorter than most faults last, so that some of them fail.
    pub(super) const PATIENCE: FlushConfig =
        FlushConfig { retries: 6, delay: Duration::from_millis(20) };

    pub(super) fn begin(&mut self, flush: Flush, op: Operation, begun: Moment, now: Instant) {
        self.under_way.push(Flushing { flush, op, begun, try_is: Try::Due(now), good: false });
    }

    /// Flushes under way.
    pub(super) const fn len(&self) -> usize {
        self.under_way.len()
    }

    pub(super) const fn have_ended(&self) -> bool {
        self.under_way.is_empty() && self.concluding.is_empty()
    }

    /// When commands are to be sent.
    pub(super) fn due(&self) -> impl Iterator<Item = Instant> {
        self.under_way.iter().filter_map(|flushing| match flushing.try_is {
            Try::Due(at) => Some(at),
            _ => None,
        })
    }

    /// The command of the flush at `at`, if it is due; it is to be the submit of number `index`.
    pub(super) fn send<D>(
        &mut self,
        at: usize,
        index: usize,
        now: Instant,
    ) -> Option<(Operation, Request<Option<D>>)> {
        let Flushing { flush, op, try_is, .. } = &mut self.under_way[at];
        if !matches!(try_is, Try::Due(due) if *due <= now) {
            return None;
        }
        *try_is = Try::Sent(index);
        Some((*op, flush.request(None, Cookie(index as u64))))
    }

    /// The core did not take it.
    pub(super) fn refused(&mut self, at: usize, refusal: Refusal, now: Instant) {
        let flushing = &mut self.under_way[at];
        let step = flushing.flush.handle_refusal(refusal, now);
        flushing.follow(step);
    }

    /// A command has ended, which may be one of theirs.
    pub(super) fn ended<D>(&mut self, done: &Done<'_, D>, now: Instant) {
        let sent = Try::Sent(done.completion.cookie.0 as usize);
        if let Some(flushing) = self.under_way.iter_mut().find(|f| f.try_is == sent) {
            flushing.good = done.completion.outcome == Outcome::Status(Status::GOOD);
            let step = flushing.flush.handle_end(&done.ended(), now);
            flushing.follow(step);
        }
    }

    /// Hands over those that are done.
    pub(super) fn hand_over(&mut self, mut settle: impl FnMut(Flush)) {
        for ended in self.under_way.extract_if(.., |flushing| flushing.try_is == Try::Ended) {
            self.concluding.push(ended.concluding());
            settle(ended.flush);
        }
    }

    /// The core has a verdict on the flush of a unit.
    pub(super) fn concluded(&mut self, nexus: Nexus) -> Option<Concluding> {
        let known = self.concluding.iter().position(|flush| flush.nexus == nexus)?;
        Some(self.concluding.remove(known))
    }
}

/// A typed flush of the caller.
#[derive(Debug)]
struct Flushing {
    flush: Flush,
    op: Operation,
    begun: Moment,
    try_is: Try,
    /// The device said GOOD.
    good: bool,
}

/// Where its command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Try {
    /// To be sent at this time.
    Due(Instant),
    /// On its way: the submit of this number.
    Sent(usize),
    /// Over.
    Ended,
}

impl Flushing {
    const fn follow(&mut self, step: FlushStep) {
        self.try_is = match step {
            FlushStep::Again(at) => Try::Due(at),
            FlushStep::Settle => Try::Ended,
        };
    }

    /// What is left of it while the core concludes it.
    const fn concluding(&self) -> Concluding {
        let Self { op, begun, good, .. } = self;
        Concluding { nexus: self.flush.nexus(), unit: op.unit, begun: *begun, good: *good }
    }
}

/// A flush without its verdict.
#[derive(Clone, Copy, Debug)]
pub(super) struct Concluding {
    pub(super) nexus: Nexus,
    pub(super) unit: u32,
    pub(super) begun: Moment,
    pub(super) good: bool,
}

/// What typed flushes of one unit have to tell of.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FlushTruth {
    /// Why none may succeed until the caller acknowledges it, and who says so.
    pending: Option<(Oracle, &'static str)>,
    /// Power was cut with data in the cache, and nobody was told yet.
    pub(super) dirty_cut: Option<Moment>,
}

impl FlushTruth {
    /// A command of the unit ended with these sense data. Read from the bytes, as [`Watched`](super::Watched) does.
    pub(super) fn take_in(&mut self, sense: &[u8]) {
        let Some(code) = sense.first().map(|code| code & 0x7f) else { return };
        let at = |index: usize| sense.get(index).copied().unwrap_or(0);
        let codes = match code {
            0x70 => (at(2) & 0x0f, at(12), at(13)),
            0x72 => (at(1) & 0x0f, at(2), at(3)),
            0x71 | 0x73 => {
                self.stick(Oracle::StickyFlush, "a deferred error was reported");
                return;
            }
            _ => return,
        };
        if codes == (6, 0x29, 1) && self.dirty_cut.take().is_some() {
            self.stick(Oracle::CacheLoss, "power was lost with data in the cache");
        }
    }

    /// No flush may succeed from now on.
    pub(super) fn stick(&mut self, oracle: Oracle, why: &'static str) {
        self.pending.get_or_insert((oracle, why));
    }

    /// Whether a flush may be successful. `kept`: what a disk reports reaches the caller.
    pub(super) fn permits(&self, flush: &Concluding, kept: bool) -> Verdict {
        let unit = flush.unit;
        require(flush.good, Oracle::StickyFlush, || {
            format!("a flush of unit {unit} is done, and the device did not say so")
        })?;
        if let Some((oracle, why)) = self.pending {
            let what = format!("a flush of unit {unit} is done, although {why}");
            return Err(Violation::new(oracle, what));
        }
        let untold = self.dirty_cut.is_some_and(|cut| cut < flush.begun) && kept;
        require(!untold, Oracle::CacheLoss, || {
            format!("a flush of unit {unit} is done, and power was cut since the writes")
        })
    }
}
