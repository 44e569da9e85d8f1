//! The oracles at work: what the caller was told against what the world did.

mod causes;
mod completion;
mod counters;
mod flights;
mod unit;

use core::time::Duration;

use hba_core::adapter::{Adapter, AdapterHandle};
use hba_core::command::{Completion, Cookie, Effect, Outcome};
use hba_core::control::{ControlEvent, ResetReason, Rung};
use hba_core::dma::{BusAddr, RegionBuffer};
use hba_core::durability::{FlushError, Flushed};
use hba_core::port::ControlPort;
use hba_core::queue::Done;
use hba_core::time::Instant;
use scsi_proto::{Opcode, Status};

use super::flight::{self, Answered, Flight, State};
use super::flushes::{Concluding, FlushTruth};
use super::ledger::Moment;
use super::oracle::{Oracle, Verdict, Violation, require};
use super::plan::{Entry, Fault, Options, Plan};
use super::tally::{Sometimes, Tally, Trace};
use super::watched::Seen;
use causes::Causes;
use counters::Counters;
use flights::Flights;
use unit::Unit;

type Data = Option<RegionBuffer>;

/// Commands of an untroubled disk end within this.
const PATIENCE: Duration = Duration::from_secs(1);

/// Everything that the oracles know.
pub(super) struct Judge {
    pub(super) flights: Flights,
    pub(super) tally: Tally,
    pub(super) trace: Trace,
    options: Options,
    units: Vec<Unit>,
    causes: Causes,
    counters: Counters,
    moment: Moment,
}

impl Judge {
    pub(super) fn new(plan: &Plan) -> Self {
        let options = plan.options;
        Self {
            flights: Flights::new(plan.operations.len()),
            tally: Tally::default(),
            trace: Trace::new(plan.seed),
            options,
            units: vec![Unit::new(&options); options.all_units() as usize],
            causes: Causes::new(&options),
            counters: Counters::default(),
            moment: 1,
        }
    }

    /// Units of all disks.
    pub(super) const fn units(&self) -> u32 {
        self.options.all_units()
    }

    /// Each event has a moment of its own.
    pub(super) const fn tick(&mut self) -> Moment {
        self.moment += 1;
        self.moment
    }
}

/// What the caller submits, and what becomes of it.
impl Judge {
    /// The name of the next submit.
    pub(super) const fn next_cookie(&self) -> Cookie {
        Cookie(self.flights.len() as u64)
    }

    /// A number that no command outstanding has; 0 where there is none left.
    pub(super) fn number(&mut self) -> u8 {
        self.flights.number()
    }

    /// A submit was accepted.
    pub(super) fn submitted(&mut self, mut flight: Flight, handle: AdapterHandle) {
        flight.state = State::Outstanding;
        flight.handle = Some(handle);
        flight.issued = self.tick();
        self.causes.date(&mut flight);
        if flight.op.kind.is_write() {
            self.units[flight.op.unit as usize].issue(&flight);
        }
        self.trace.mix(self.flights.len() as u64);
        self.flights.add(flight);
    }

    /// A submit was refused: everything came back, and nothing happens.
    pub(super) fn refused(&mut self, flight: Flight, memory: Option<BusAddr>) -> Verdict {
        let (sent, back) = (flight.memory, memory);
        require(sent == back, Oracle::Refused, || {
            format!("memory at {sent:?} was offered, and {back:?} came back")
        })?;
        self.flights.add(flight);
        Ok(())
    }

    /// A completion arrived.
    pub(super) fn completed(&mut self, done: &Done<'_, Data>, now: Instant) -> Verdict {
        let completion = &done.completion;
        let index = completion.cookie.0 as usize;
        let Some(flight) = self.flights.get(index).cloned() else {
            return Err(Violation::new(Oracle::Identity, format!("cookie {index} was never sent")));
        };
        completion::once_only(&flight)?;
        completion::identity(&flight, completion)?;
        completion::bounds(&flight, completion, done.sense.len())?;
        let effect = completion.effect();
        self.trace.mix(index as u64 | (effect as u64) << 32);
        self.trace.mix(u64::from(completion.transferred) | now.as_nanos() << 16);
        self.units[flight.op.unit as usize].truth.take_in(done.sense);
        self.flights.end(index, effect == Effect::Done);
        self.tally.commands += 1;
        self.of_this_epoch(&flight, effect)?;
        completion::early(&flight, completion)?;
        if let Outcome::Failed(failure) = completion.outcome {
            self.causes.explain(&flight, failure, now)?;
        }
        if flight.aborted && effect == Effect::Done {
            self.tally.saw(Sometimes::AbortRacesCompletion);
        }
        self.agreed(&flight, completion)?;
        self.in_time(&flight, now)?;
        self.settle(&flight, completion, effect)
    }

    fn of_this_epoch(&self, flight: &Flight, effect: Effect) -> Verdict {
        let (sent, epoch) = (flight.epoch, self.causes.epoch);
        require(effect != Effect::Done || sent == epoch, Oracle::Epochs, || {
            format!("{:?} is done, {} resets after it was sent", flight.op, epoch - sent)
        })
    }

    /// Without faults everything works; only the news of the power-on come in between.
    fn agreed(&mut self, flight: &Flight, completion: &Completion<Data>) -> Verdict {
        let op = flight.op;
        let checked = completion.outcome == Outcome::Status(Status::CHECK_CONDITION);
        let greeting = checked && !self.units[op.unit as usize].greet();
        let calm = self.options.calm != 0 && !self.causes.healed;
        require(!calm || greeting || completion.is_done(), Oracle::Differential, || {
            format!("{op:?} ends with {} although nothing goes wrong", completion.outcome)
        })
    }

    fn in_time(&self, flight: &Flight, now: Instant) -> Verdict {
        let oracle = match self.causes.any_sick() {
            true => Oracle::Isolation,
            false => Oracle::Starvation,
        };
        let (op, took) = (flight.op, now.since(flight.at));
        require(took < PATIENCE || !self.causes.is_well(flight), oracle, || {
            format!("{op:?} took {} ms, and nothing is wrong with its disk", took.as_millis())
        })
    }

    /// What the blocks may be from now on, and whether they were what they had to be.
    fn settle(
        &mut self,
        flight: &Flight,
        completion: &Completion<Data>,
        effect: Effect,
    ) -> Verdict {
        let (kind, now) = (flight.op.kind, self.tick());
        let unit = &mut self.units[flight.op.unit as usize];
        let state = if kind.is_write() {
            unit.wrote(flight, effect, now)
        } else if kind.is_flush() {
            unit.flushed(flight, effect, now)
        } else if kind.is_read() && matches!(effect, Effect::Done | Effect::DoneShort) {
            if effect == Effect::DoneShort {
                self.tally.saw(Sometimes::Short);
            }
            return unit.read(flight, completion, &mut self.trace);
        } else {
            None
        };
        let attention = completion.outcome == Outcome::Status(Status::CHECK_CONDITION);
        let attention = self.causes.recovering && attention;
        let attention = attention.then_some(Sometimes::AttentionInRecovery);
        state.into_iter().chain(attention).for_each(|state| self.tally.saw(state));
        Ok(())
    }

    /// A typed flush has its verdict.
    pub(super) fn flush_concluded(
        &mut self,
        flush: Concluding,
        verdict: Result<Flushed, FlushError>,
    ) -> Verdict {
        let now = self.tick();
        self.trace.mix(u64::from(verdict.is_ok()) << 32 | u64::from(flush.unit));
        let unit = &mut self.units[flush.unit as usize];
        match verdict {
            Err(FlushError::Loss(_)) => {
                unit.truth.stick(Oracle::StickyFlush, "an earlier flush failed");
                self.tally.saw(Sometimes::FlushTold);
                Ok(())
            }
            Err(_) => Ok(()),
            Ok(_) => {
                self.tally.saw(Sometimes::FlushKept);
                unit.promised(&flush, self.causes.reports_kept, now)
            }
        }
    }

    /// The caller took note of what was lost on a unit.
    pub(super) fn acknowledged(&mut self, unit: u32) {
        self.units[unit as usize].truth = FlushTruth::default();
        self.tally.saw(Sometimes::Acknowledged);
    }

    /// The oracle that speaks when something outstanding never ends.
    pub(super) fn never_ends(&self, usual: Oracle) -> Oracle {
        let jumped = self.flights.outstanding().any(|flight| flight.jumped);
        if jumped { Oracle::Time } else { usual }
    }

    /// Nothing is outstanding any more.
    pub(super) fn all_ended(&self) -> Verdict {
        self.flights.outstanding().next().map_or(Ok(()), |flight| {
            let what = format!("{:?} was accepted and never completed", flight.op);
            Err(Violation::new(self.never_ends(Oracle::ExactlyOnce), what))
        })
    }

    /// Memory that belongs to nobody is as it was left.
    pub(super) fn idle_memory(&self, buffer: &RegionBuffer) -> Verdict {
        require(flight::is_poisoned(buffer), Oracle::NoLateAccess, || {
            "memory changed after its command had completed".into()
        })
    }
}

/// What the disks do, and what befalls them.
impl Judge {
    /// The device executed a command.
    pub(super) fn executed(&mut self, unit: u32, seen: &Seen) -> Verdict {
        if seen.loss {
            self.lost(unit);
            self.tally.saw(Sometimes::Deferred);
        }
        if seen.status == Status::GOOD && seen.opcode == Opcode::SYNCHRONIZE_CACHE_10 {
            self.units[unit as usize].executed_flush(self.moment);
        }
        let Some(index) = self.flights.executed(unit, seen) else { return Ok(()) };
        let flight = &mut self.flights[index];
        let (op, state) = (flight.op, flight.state);
        flight.answered = Some(Answered { status: seen.status, moved: seen.moved });
        if seen.status == Status::GOOD {
            flight.executed = Some(self.moment);
        }
        require(state != State::Refused, Oracle::Refused, || {
            format!("{op:?} was refused and is executed")
        })?;
        // A controller that was given up may go on without memory.
        let isolated = self.causes.given_up && seen.stamp == 0;
        require(state != State::Ended || isolated, Oracle::NoLateAccess, || {
            format!("{op:?} is executed after its completion")
        })?;
        self.in_order(index)
    }

    /// Ordered commands of one vector and unit: nothing earlier is left, nothing later was executed.
    fn in_order(&self, index: usize) -> Verdict {
        if self.causes.take_away() {
            return Ok(());
        }
        let this = &self.flights[index];
        let overtaken = self.flights.overtaken_by(this).find(|other| !self.causes.trouble(other));
        overtaken.map_or(Ok(()), |other| {
            let what = format!("{:?} is executed before {:?}", this.op, other.op);
            Err(Violation::new(Oracle::Order, what))
        })
    }

    /// A unit lost cached data, and no command will tell.
    pub(super) fn lost(&mut self, unit: u32) {
        let now = self.tick();
        self.units[unit as usize].lose(now);
    }

    /// A unit lost its power.
    pub(super) fn power_cut(&mut self, unit: u32) {
        let now = self.tick();
        self.flights.cut(unit, &mut self.tally);
        let unit = &mut self.units[unit as usize];
        if unit.is_dirty() {
            self.tally.saw(Sometimes::DirtyCut);
        }
        unit.cut(now);
    }

    /// A power cut met so many blocks in caches.
    pub(super) fn cut_met(&mut self, cached: u64) {
        if !self.causes.healed {
            self.tally.cached_at_cut = self.tally.cached_at_cut.max(cached);
        }
    }

    /// A disk came back under another address: for the core it is another one.
    pub(super) fn readdressed(&mut self, disk: usize) {
        let units = self.options.units as usize;
        self.units[disk * units..][..units].iter_mut().for_each(|unit| {
            unit.truth = FlushTruth::default();
        });
    }
}

/// What goes wrong, and how the core deals with it.
impl Judge {
    /// A fault strikes.
    pub(super) fn injected(&mut self, entry: &Entry, unit: u32) {
        let oldest = self.flights.outstanding().next();
        self.tally.injected(entry, oldest.map(|flight| flight.op.kind));
        self.trace.mix(entry.fault as u64 | u64::from(entry.nth) << 8);
        if entry.fault == Fault::CacheChange {
            let units = self.options.units as usize;
            let disk = self.units.chunks_mut(units).nth(unit as usize / units);
            disk.into_iter().flatten().for_each(Unit::may_cache);
        }
        self.causes.injected(entry.fault, unit);
    }

    /// Everything was healed.
    pub(super) const fn heal(&mut self) {
        self.causes.heal(self.tally.faults);
    }

    /// Whether a fault that is not one disk's own may still have an effect.
    pub(super) const fn is_troubled(&self) -> bool {
        self.causes.troubled
    }

    /// Nothing of what went wrong is left.
    pub(super) fn calm_down(&mut self) {
        let now = self.tick();
        self.causes.calm_down(now);
    }

    /// The end comes.
    pub(super) const fn end(&mut self) {
        self.causes.end();
    }

    /// A function is sent that ends the commands of a unit.
    pub(super) fn function(&mut self, unit: u32, now: Instant) {
        self.causes.function(unit, now);
    }

    /// The core was polled at `now`, and has seen whose deadline passed until then.
    pub(super) fn polled(&mut self, now: Instant) {
        // They all have the same time-out, and are in the order of their submits.
        self.flights.change_while(|flight| {
            let late = self.causes.is_late(flight, now);
            flight.expired |= late;
            late
        });
    }

    /// Tags and frames add up.
    pub(super) fn tags<P: ControlPort>(&mut self, adapter: &Adapter<P, Data>) -> Verdict {
        let caller = self.flights.outstanding().len();
        if self.counters.check(adapter, caller, self.causes.troubled)? {
            self.tally.saw(Sometimes::Stale);
        }
        Ok(())
    }

    /// Control told something.
    pub(super) fn event(&mut self, event: &ControlEvent) -> Verdict {
        match event {
            ControlEvent::Operational => self.causes.operational(),
            ControlEvent::Recovering(_, rung) => {
                self.causes.recovery_begun();
                self.tally.saw(match rung {
                    Rung::Abort => Sometimes::Aborted,
                    Rung::LogicalUnitReset => Sometimes::UnitReset,
                    Rung::TargetReset => Sometimes::TargetReset,
                    Rung::ControllerReset => Sometimes::ControllerReset,
                });
            }
            ControlEvent::ResetBegun(reason) => self.reset_begun(*reason)?,
            ControlEvent::GivenUp => {
                self.causes.given_up = true;
                self.tally.saw(Sometimes::GivenUp);
            }
            ControlEvent::BadReply(bad) => {
                require(self.is_troubled(), Oracle::ReplyFrames, || {
                    format!("{bad:?} of a sound controller")
                })?;
                self.tally.saw(Sometimes::Stale);
            }
            _ => {}
        }
        Ok(())
    }

    fn reset_begun(&mut self, reason: ResetReason) -> Verdict {
        let told = self.causes.recovering || self.causes.healed;
        require(reason != ResetReason::LadderExhausted || told, Oracle::FirstCause, || {
            format!("controller reset, {reason}, and no recovery was told of")
        })?;
        let caused = self.is_troubled() || self.tally.faults > 0;
        require(caused, Oracle::Differential, || {
            format!("controller reset, {reason}, although nothing goes wrong")
        })?;
        self.causes.reset_begun();
        self.tally.saw(Sometimes::ControllerReset);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
