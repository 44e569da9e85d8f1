//! Typed flushes of the caller, and the truth that they have to tell: O11 and O12.

use core::time::Duration;

use hba_core::command::{Nexus, Outcome};
use hba_core::durability::{Flush, FlushConfig, FlushError, FlushStep, Flushed};
use hba_core::queue::Done;
use hba_core::time::Instant;
use scsi_proto::Status;

use super::judge::Judge;
use super::ledger::Moment;
use super::oracle::{Oracle, Verdict, Violation, require};
use super::plan::Operation;
use super::tally::Sometimes;

/// How patient the caller's flushes are: shorter than most faults last, so that some of them fail.
pub(super) const PATIENCE: FlushConfig =
    FlushConfig { retries: 6, delay: Duration::from_millis(20) };

/// A typed flush of the caller.
#[derive(Debug)]
pub(super) struct Flushing {
    pub(super) flush: Flush,
    pub(super) op: Operation,
    pub(super) begun: Moment,
    pub(super) try_is: Try,
    /// The device said GOOD.
    good: bool,
}

/// Where its command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Try {
    /// To be sent at this time.
    Due(Instant),
    /// On its way: the submit of this number.
    Sent(usize),
    /// Over.
    Ended,
}

impl Flushing {
    pub(super) const fn new(flush: Flush, op: Operation, begun: Moment, now: Instant) -> Self {
        Self { flush, op, begun, try_is: Try::Due(now), good: false }
    }

    /// The command of a try has ended.
    pub(super) fn ended<D>(&mut self, done: &Done<'_, D>, now: Instant) {
        self.good = done.completion.outcome == Outcome::Status(Status::GOOD);
        let step = self.flush.handle_end(&done.ended(), now);
        self.follow(step);
    }

    pub(super) const fn follow(&mut self, step: FlushStep) {
        self.try_is = match step {
            FlushStep::Again(at) => Try::Due(at),
            FlushStep::Settle => Try::Ended,
        };
    }

    /// What is left of it while the core concludes it.
    pub(super) const fn concluding(&self) -> Concluding {
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

    fn stick(&mut self, oracle: Oracle, why: &'static str) {
        self.pending.get_or_insert((oracle, why));
    }
}

impl Judge {
    /// A typed flush has its verdict.
    pub(super) fn flush_concluded(
        &mut self,
        flush: Concluding,
        verdict: Result<Flushed, FlushError>,
    ) -> Verdict {
        let (unit, now) = (flush.unit as usize, self.tick());
        self.trace.mix(u64::from(verdict.is_ok()) << 32 | u64::from(flush.unit));
        match verdict {
            Err(FlushError::Loss(_)) => {
                self.flush_truth[unit].stick(Oracle::StickyFlush, "an earlier flush failed");
                self.tally.saw(Sometimes::FlushTold);
                return Ok(());
            }
            Err(_) => return Ok(()),
            Ok(_) => self.tally.saw(Sometimes::FlushKept),
        }
        require(flush.good, Oracle::StickyFlush, || {
            format!("a flush of unit {unit} is done, and the device did not say so")
        })?;
        let truth = self.flush_truth[unit];
        if let Some((oracle, why)) = truth.pending {
            let what = format!("a flush of unit {unit} is done, although {why}");
            return Err(Violation::new(oracle, what));
        }
        let untold = truth.dirty_cut.is_some_and(|cut| cut < flush.begun) && self.reports_kept;
        require(!untold, Oracle::CacheLoss, || {
            format!("a flush of unit {unit} is done, and power was cut since the writes")
        })?;
        let (blocks, executed) = (self.options.blocks, self.flushes[unit]);
        self.ledgers[unit].flushed(0, blocks, flush.begun, executed, now);
        Ok(())
    }

    /// The caller took note of what was lost on a unit.
    pub(super) fn acknowledged(&mut self, unit: u32) {
        self.flush_truth[unit as usize] = FlushTruth::default();
        self.tally.saw(Sometimes::Acknowledged);
    }

    /// A disk came back under another address: for the core it is another one.
    pub(super) fn readdressed(&mut self, disk: usize) {
        let units = self.options.units as usize;
        self.flush_truth[disk * units..][..units].fill(FlushTruth::default());
    }
}
