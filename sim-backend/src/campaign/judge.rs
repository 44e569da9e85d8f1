//! The oracles at work: what the caller was told against what the world did.

mod causes;

use hba_core::adapter::{Adapter, AdapterHandle};
use hba_core::command::{Completion, Effect, Outcome};
use hba_core::control::{ControlEvent, ResetReason};
use hba_core::dma::{BusAddr, RegionBuffer};
use hba_core::port::ControlPort;
use hba_core::queue::Done;
use hba_core::time::Instant;
use scsi_proto::{Opcode, Status};

use super::flight::{self, Answered, BLOCK, Content, Flight, State};
use super::flushes::FlushTruth;
use super::ledger::{Ledger, Moment, WriteId};
use super::oracle::{Oracle, Verdict, Violation, require};
use super::plan::{Entry, Fault, Kind, Options, Plan};
use super::tally::{Sometimes, Tally, Trace};
use super::text::BLOCKS_MAX;
use super::watched::Seen;
use super::world::patience;
use causes::Causes;

type Data = Option<RegionBuffer>;

/// Everything that the oracles know.
pub(super) struct Judge {
    pub(super) flights: Vec<Flight>,
    pub(super) tally: Tally,
    pub(super) trace: Trace,
    /// Nothing goes wrong any more.
    pub(super) healed: bool,
    pub(super) options: Options,
    /// Submits without an end, oldest first.
    outstanding: Vec<usize>,
    /// The submit of each write, from write 1 on.
    writes: Vec<usize>,
    pub(super) ledgers: Vec<Ledger>,
    /// The moment since when each unit has power.
    powered: Vec<Moment>,
    /// The submit that each number was given to last.
    numbers: Vec<usize>,
    last_number: u8,
    /// When each unit last lost cached data for another reason.
    losses: Vec<Moment>,
    /// When each unit last executed a flush.
    pub(super) flushes: Vec<Moment>,
    /// What typed flushes of each unit have to tell of.
    pub(super) flush_truth: Vec<FlushTruth>,
    /// What a disk reports reaches the caller: nothing but power and disks went wrong yet.
    pub(super) reports_kept: bool,
    /// The unit told of its power-on.
    greeted: Vec<bool>,
    /// A fault that is not one disk's own struck, or everything was healed, and it may still have an effect.
    pub(super) troubled: bool,
    /// The moment since when it may not: what was submitted before it is not judged by its time.
    calm_since: Moment,
    /// Disks with faults of their own.
    sick: Vec<bool>,
    /// A disk said nothing, so that commands were ended by their deadlines.
    silent: bool,
    /// Malformed replies so far, on all vectors.
    malformed: u64,
    /// Replies so far that were dropped because their command had ended.
    stale: u64,
    /// Resets of the controller that have begun, and those that have ended.
    resets: u32,
    resetting: bool,
    epoch: u32,
    causes: Causes,
    recovering: bool,
    last_done: usize,
    moment: Moment,
}

impl Judge {
    pub(super) fn new(plan: &Plan) -> Self {
        let options = plan.options;
        let units = options.all_units() as usize;
        let safe = options.non_volatile != 0 && !options.may_degrade();
        let durable = options.write_cache == 0 || safe;
        let mut ledger = Ledger::new(options.blocks, durable);
        ledger.survivors_may_go = options.may_degrade();
        Self {
            flights: Vec::with_capacity(plan.operations.len() + 64),
            tally: Tally::default(),
            trace: Trace::new(plan.seed),
            healed: false,
            options,
            outstanding: Vec::new(),
            writes: Vec::with_capacity(plan.operations.len()),
            ledgers: vec![ledger; units],
            powered: vec![0; units],
            numbers: vec![usize::MAX; 1 << u8::BITS],
            last_number: 0,
            losses: vec![0; units],
            flushes: vec![0; units],
            flush_truth: vec![FlushTruth::default(); units],
            reports_kept: true,
            greeted: vec![false; units],
            troubled: false,
            calm_since: 0,
            sick: vec![false; options.disks as usize],
            silent: false,
            malformed: 0,
            stale: 0,
            resets: 0,
            resetting: false,
            epoch: 0,
            causes: Causes::new(units),
            recovering: false,
            last_done: usize::MAX,
            moment: 1,
        }
    }

    pub(super) const fn units(&self) -> usize {
        self.ledgers.len()
    }

    /// Each event has a moment of its own.
    pub(super) const fn tick(&mut self) -> Moment {
        self.moment += 1;
        self.moment
    }

    /// A submit was accepted.
    pub(super) fn submitted(&mut self, mut flight: Flight, handle: AdapterHandle) {
        let index = self.flights.len();
        flight.state = State::Outstanding;
        flight.handle = Some(handle);
        flight.issued = self.tick();
        // A queue that is about to stop for a reset still takes commands.
        (flight.epoch, flight.resets) = (self.epoch, self.resets - u32::from(self.resetting));
        self.numbers[usize::from(flight.number)] = index;
        let op = flight.op;
        if op.kind.is_write() {
            self.name(flight.id, index);
            self.ledgers[op.unit as usize].issue(flight.id, op.lba, op.blocks, flight.issued);
        }
        self.trace.mix(index as u64);
        self.outstanding.push(index);
        self.flights.push(flight);
    }

    /// A submit was refused: everything came back, and nothing happens.
    pub(super) fn refused(&mut self, flight: Flight, memory: Option<BusAddr>) -> Verdict {
        let (sent, back) = (flight.memory, memory);
        require(sent == back, Oracle::Refused, || {
            format!("memory at {sent:?} was offered, and {back:?} came back")
        })?;
        let index = self.flights.len();
        if flight.op.kind.is_write() {
            self.name(flight.id, index);
        }
        self.numbers[usize::from(flight.number)] = index;
        self.flights.push(flight);
        Ok(())
    }

    /// A number that no command outstanding has; 0 where there is none left.
    pub(super) fn number(&mut self) -> u8 {
        for _ in 0..u8::MAX {
            self.last_number = self.last_number % u8::MAX + 1;
            let last = self.flights.get(self.numbers[usize::from(self.last_number)]);
            if last.is_none_or(|flight| flight.state != State::Outstanding) {
                return self.last_number;
            }
        }
        0
    }

    fn name(&mut self, id: WriteId, index: usize) {
        self.writes.resize(id.0 as usize + 1, usize::MAX);
        self.writes[id.0 as usize] = index;
    }

    /// The device executed a command.
    pub(super) fn executed(&mut self, unit: u32, seen: &Seen) -> Verdict {
        if seen.loss {
            self.lost(unit);
            self.tally.saw(Sometimes::Deferred);
        }
        if seen.status == Status::GOOD && seen.opcode == Opcode::SYNCHRONIZE_CACHE_10 {
            self.flushes[unit as usize] = self.moment;
        }
        let Some(index) = self.executed_submit(unit, seen) else { return Ok(()) };
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

    /// Which submit the device executed: a write says so by its data, everything else by its number.
    fn executed_submit(&self, unit: u32, seen: &Seen) -> Option<usize> {
        let id = flight::writer(seen.stamp);
        let index = match id.0 {
            0 if seen.number == 0 => return None,
            0 => *self.numbers.get(usize::from(seen.number))?,
            id => *self.writes.get(id as usize)?,
        };
        let op = self.flights.get(index)?.op;
        (op.unit == unit && flight::cdb(op).opcode() == seen.opcode).then_some(index)
    }

    /// Ordered commands of one vector and unit: nothing earlier is left, nothing later was executed.
    fn in_order(&self, index: usize) -> Verdict {
        // A command that was taken from the device is not executed any more.
        if self.troubled || self.silent {
            return Ok(());
        }
        let this = &self.flights[index];
        let overtaken = self.outstanding.iter().map(|at| &self.flights[*at]).find(|other| {
            let ordered = this.op.kind == Kind::WriteOrdered || other.op.kind == Kind::WriteOrdered;
            ordered
                && other.op.kind.is_write()
                && other.answered.is_none()
                && other.issued > self.calm_since
                && other.issued < this.issued
                && (other.op.unit, other.op.vector) == (this.op.unit, this.op.vector)
        });
        overtaken.map_or(Ok(()), |other| {
            let what = format!("{:?} is executed before {:?}", this.op, other.op);
            Err(Violation::new(Oracle::Order, what))
        })
    }

    /// A completion arrived.
    pub(super) fn completed(&mut self, done: &Done<'_, Data>, now: Instant) -> Verdict {
        let completion = &done.completion;
        let index = completion.cookie.0 as usize;
        let Some(flight) = self.flights.get(index) else {
            return Err(Violation::new(Oracle::Identity, format!("cookie {index} was never sent")));
        };
        let flight = flight.clone();
        let op = flight.op;
        let oracle = if flight.jumped { Oracle::Time } else { Oracle::ExactlyOnce };
        require(flight.state != State::Ended, oracle, || format!("{op:?} completed twice"))?;
        require(flight.state == State::Outstanding, Oracle::Refused, || {
            format!("{op:?} was refused and completed")
        })?;
        self.identity(&flight, completion)?;
        bounds(&flight, completion, done.sense.len())?;
        let effect = completion.effect();
        self.trace.mix(index as u64 | (effect as u64) << 32);
        self.trace.mix(u64::from(completion.transferred) | now.as_nanos() << 16);
        self.flush_truth[op.unit as usize].take_in(done.sense);
        self.flights[index].state = State::Ended;
        self.outstanding.retain(|at| *at != index);
        self.tally.commands += 1;
        self.last_done = if effect == Effect::Done { index } else { usize::MAX };
        if effect == Effect::Done {
            require(flight.epoch == self.epoch, Oracle::Epochs, || {
                format!("{op:?} is done, {} resets after it was sent", self.epoch - flight.epoch)
            })?;
        }
        self.early(&flight, completion)?;
        self.caused(&flight, completion, now)?;
        if flight.aborted && effect == Effect::Done {
            self.tally.saw(Sometimes::AbortRacesCompletion);
        }
        self.agreed(&flight, completion)?;
        self.in_time(&flight, now)?;
        self.settle(&flight, completion, effect)
    }

    fn identity(&self, flight: &Flight, completion: &Completion<Data>) -> Verdict {
        let op = flight.op;
        let sent = flight.handle.map(|handle| handle.command);
        require(sent == Some(completion.handle), Oracle::Identity, || {
            format!("{op:?} was {sent:?} and ends as {:?}", completion.handle)
        })?;
        let memory = flight::place(&completion.data);
        require(memory == flight.memory, Oracle::Identity, || {
            format!("{op:?} had memory at {:?} and gives {memory:?} back", flight.memory)
        })
    }

    /// A status is what the device said to this very command.
    fn early(&self, flight: &Flight, completion: &Completion<Data>) -> Verdict {
        let Outcome::Status(status) = completion.outcome else { return Ok(()) };
        if flight.number == 0 {
            return Ok(());
        }
        let op = flight.op;
        let Some(answered) = flight.answered else {
            let what = format!("{op:?} ends with {status}, and the device has not executed it");
            return Err(Violation::new(Oracle::NoEarlySuccess, what));
        };
        require(status == answered.status, Oracle::NoEarlySuccess, || {
            format!("{op:?} ends with {status}, and the device said {}", answered.status)
        })?;
        let (told, moved) = (completion.transferred, answered.moved);
        require(told == moved, Oracle::Residual, || {
            format!("{op:?} ends with {told} bytes, and the device moved {moved}")
        })
    }

    /// Without faults everything works; only the news of the power-on come in between.
    fn agreed(&mut self, flight: &Flight, completion: &Completion<Data>) -> Verdict {
        let op = flight.op;
        let checked = completion.outcome == Outcome::Status(Status::CHECK_CONDITION);
        let greeting = checked && !core::mem::replace(&mut self.greeted[op.unit as usize], true);
        let calm = self.options.calm != 0 && !self.healed;
        require(!calm || greeting || completion.is_done(), Oracle::Differential, || {
            format!("{op:?} ends with {} although nothing goes wrong", completion.outcome)
        })
    }

    fn in_time(&self, flight: &Flight, now: Instant) -> Verdict {
        let disk = flight.op.unit / self.options.units;
        if self.troubled || flight.issued < self.calm_since || self.sick[disk as usize] {
            return Ok(());
        }
        let oracle = match self.sick.contains(&true) {
            true => Oracle::Isolation,
            false => Oracle::Starvation,
        };
        let took = now.since(flight.at);
        require(took < patience(), oracle, || {
            format!(
                "{:?} took {} ms, and nothing is wrong with its disk",
                flight.op,
                took.as_millis()
            )
        })
    }

    /// Everything was healed: what went wrong before may have an effect for a while.
    pub(super) fn heal(&mut self) {
        self.healed = true;
        self.troubled |= self.tally.faults > 0;
    }

    /// The end comes: from now on nothing is in time.
    pub(super) const fn end(&mut self) {
        self.troubled = true;
        self.causes.ending = true;
    }

    /// Nothing of what went wrong is left.
    pub(super) fn calm_down(&mut self) {
        self.troubled = false;
        self.calm_since = self.tick();
        if self.healed {
            self.sick.fill(false);
            self.silent = false;
        }
    }

    /// What the blocks may be from now on, and whether they were what they had to be.
    fn settle(
        &mut self,
        flight: &Flight,
        completion: &Completion<Data>,
        effect: Effect,
    ) -> Verdict {
        let (op, now) = (flight.op, self.tick());
        let unit = op.unit as usize;
        let lost = self.powered[unit].max(self.losses[unit]);
        let cut = flight.executed.is_none_or(|at| lost > at);
        let flush = self.flushes[op.unit as usize];
        let ledger = &mut self.ledgers[op.unit as usize];
        match effect {
            Effect::Done if op.kind.is_write() => {
                // FUA may put data into a non-volatile cache, which is one as long as its battery holds.
                let fua = op.kind == Kind::WriteFua && !self.options.may_degrade();
                if cut && !fua && !ledger.write_through {
                    ledger.indeterminate(flight.id, op.lba, op.blocks, now);
                } else {
                    ledger.done(flight.id, op.lba, op.blocks, fua, now);
                }
            }
            Effect::NotDone if op.kind.is_write() => {
                ledger.not_done(flight.id, op.lba, op.blocks);
                self.tally.saw(Sometimes::NotDone);
            }
            _ if op.kind.is_write() => {
                ledger.indeterminate(flight.id, op.lba, op.blocks, now);
                self.tally.saw(Sometimes::Indeterminate);
            }
            Effect::Done if op.kind.is_flush() => {
                if !ledger.is_dirty() {
                    self.tally.saw(Sometimes::EmptyFlush);
                }
                let (lba, blocks) = match op.kind {
                    Kind::FlushRange => (op.lba, op.blocks),
                    _ => (0, self.options.blocks),
                };
                ledger.flushed(lba, blocks, flight.issued, flush, now);
            }
            _ if op.kind.is_flush() => self.tally.saw(Sometimes::FailedFlush),
            Effect::Done | Effect::DoneShort if op.kind.is_read() => {
                if effect == Effect::DoneShort {
                    self.tally.saw(Sometimes::Short);
                }
                return self.read(flight, completion);
            }
            _ => {}
        }
        if self.recovering && completion.outcome == Outcome::Status(Status::CHECK_CONDITION) {
            self.tally.saw(Sometimes::AttentionInRecovery);
        }
        Ok(())
    }

    fn read(&mut self, flight: &Flight, completion: &Completion<Data>) -> Verdict {
        let op = flight.op;
        let Some(buffer) = &completion.data else { return Ok(()) };
        let mut bytes = [0; BLOCKS_MAX as usize * BLOCK];
        let len = (completion.transferred as usize).min(bytes.len());
        buffer.read(&mut bytes[..len]);
        let powered = self.powered[op.unit as usize];
        let ledger = &mut self.ledgers[op.unit as usize];
        for (lba, block) in (op.lba..).zip(bytes[..len].as_chunks().0) {
            match flight::content(block, op.unit, lba) {
                Content::Of(id) => {
                    self.trace.mix(id.0.into());
                    let read = ledger.read(lba, id, flight.issued, powered);
                    read.map_err(|violation| violation.on(op.unit))?;
                }
                Content::Untouched => {
                    let what =
                        format!("{op:?} is done, and block {lba} was never written to memory");
                    return Err(Violation::new(Oracle::NoEarlySuccess, what));
                }
                Content::Torn => {
                    let first = block.first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
                    let what = format!("block {lba} of unit {} is nobody's: {first:016x}", op.unit);
                    return Err(Violation::new(Oracle::ReadData, what).on(op.unit));
                }
            }
        }
        Ok(())
    }

    /// Memory that belongs to nobody is as it was left.
    pub(super) fn idle_memory(&self, buffer: &RegionBuffer) -> Verdict {
        require(flight::is_poisoned(buffer), Oracle::NoLateAccess, || {
            "memory changed after its command had completed".into()
        })
    }

    /// Tags and frames add up.
    pub(super) fn tags<P: ControlPort>(&mut self, adapter: &Adapter<P, Data>) -> Verdict {
        let (core, caller) = (adapter.outstanding(), self.outstanding.len());
        require(core == caller, Oracle::Tags, || {
            format!("{core} commands are outstanding for the core, {caller} for the caller")
        })?;
        let (mut malformed, mut stale) = (0, 0);
        for queue in adapter.queues() {
            let counters = queue.counters();
            let ended = counters.completed + u64::from(queue.outstanding());
            require(counters.submitted == ended, Oracle::Tags, || format!("{counters}"))?;
            malformed += counters.malformed;
            stale += counters.stale;
        }
        if core::mem::replace(&mut self.stale, stale) < stale {
            self.tally.saw(Sometimes::Stale);
        }
        let before = core::mem::replace(&mut self.malformed, malformed);
        require(malformed == before || self.troubled, Oracle::ReplyFrames, || {
            format!("{} malformed replies of a sound controller", malformed - before)
        })
    }

    /// Control told something.
    pub(super) fn event(&mut self, event: &ControlEvent) -> Verdict {
        match event {
            ControlEvent::Operational => {
                self.epoch += 1;
                (self.recovering, self.resetting) = (false, false);
            }
            ControlEvent::Recovering(..) => {
                self.recovering = true;
                self.reports_kept = false;
            }
            ControlEvent::ResetBegun(reason) => {
                self.reports_kept = false;
                let explained =
                    *reason != ResetReason::LadderExhausted || self.recovering || self.healed;
                require(explained, Oracle::FirstCause, || {
                    format!("controller reset, {reason}, and no recovery was told of")
                })?;
                require(self.troubled || self.tally.faults > 0, Oracle::Differential, || {
                    format!("controller reset, {reason}, although nothing goes wrong")
                })?;
                self.troubled = true;
                self.resets += 1;
                self.resetting = true;
                self.tally.saw(Sometimes::ControllerReset);
            }
            ControlEvent::GivenUp => {
                self.causes.given_up = true;
                self.tally.saw(Sometimes::GivenUp);
            }
            ControlEvent::BadReply(bad) => {
                require(self.troubled, Oracle::ReplyFrames, || {
                    format!("{bad:?} of a sound controller")
                })?;
                self.tally.saw(Sometimes::Stale);
            }
            _ => {}
        }
        Ok(())
    }

    /// A fault strikes.
    pub(super) fn injected(&mut self, entry: &Entry, disk: u32, units: u32) {
        let tally = &mut self.tally;
        tally.faults += 1;
        tally.power_cuts += u64::from(entry.fault.is_power_cut());
        tally.sites[entry.site as usize] += 1;
        let oldest = self.outstanding.first().map(|at| self.flights[*at].op.kind as usize);
        let column = oldest.unwrap_or(Kind::ALL.len());
        tally.census[entry.fault as usize][column] += 1;
        self.trace.mix(entry.fault as u64 | u64::from(entry.nth) << 8);
        if entry.fault == Fault::CacheChange {
            let first = (disk * units) as usize;
            let here = self.ledgers.iter_mut().skip(first).take(units as usize);
            here.for_each(|ledger| ledger.write_through = false);
        }
        let silent = entry.fault == Fault::HoldDisk;
        self.silent |= silent;
        self.reports_kept &=
            !silent && (entry.fault.is_power_cut() || entry.fault.is_of_one_disk());
        match entry.fault.is_of_one_disk() {
            true => self.sick[disk as usize] = true,
            false => self.troubled = true,
        }
    }

    /// A unit lost cached data, and no command will tell.
    pub(super) fn lost(&mut self, unit: u32) {
        self.losses[unit as usize] = self.tick();
        self.ledgers[unit as usize].lose();
    }

    /// A unit lost its power.
    pub(super) fn power_cut(&mut self, unit: u32) {
        let now = self.tick();
        let flights = self.outstanding.iter().map(|at| &self.flights[*at]);
        let mut here = flights.filter(|flight| flight.op.unit == unit).peekable();
        let mut blocks = Vec::new();
        let mut states = Vec::new();
        if self.ledgers[unit as usize].is_dirty() {
            states.push(Sometimes::DirtyCut);
        }
        for flight in &mut here {
            if flight.op.kind.is_flush() {
                states.push(match flight.executed {
                    Some(_) => Sometimes::CutAfterFlush,
                    None => Sometimes::CutDuringFlush,
                });
            } else if flight.op.kind.is_write() {
                let range = flight.op.lba..flight.op.lba + flight.op.blocks;
                if range.clone().any(|lba| blocks.contains(&lba)) {
                    states.push(Sometimes::OverlapAtCut);
                }
                blocks.extend(range);
            }
        }
        states.into_iter().for_each(|state| self.tally.saw(state));
        self.powered[unit as usize] = now;
        if self.options.non_volatile == 0 && self.ledgers[unit as usize].is_dirty() {
            self.flush_truth[unit as usize].dirty_cut.get_or_insert(now);
        }
        if self.options.non_volatile == 0 || self.options.may_degrade() {
            self.ledgers[unit as usize].cut(now);
        }
    }

    /// The clock jumps.
    pub(super) fn jump(&mut self) {
        for at in &self.outstanding {
            self.flights[*at].jumped = true;
        }
    }

    /// The oracle that speaks when something outstanding never ends.
    pub(super) fn never_ends(&self, usual: Oracle) -> Oracle {
        let jumped = self.outstanding.iter().any(|at| self.flights[*at].jumped);
        if jumped { Oracle::Time } else { usual }
    }

    /// Nothing is outstanding any more.
    pub(super) fn all_ended(&self) -> Verdict {
        match self.outstanding.first() {
            None => Ok(()),
            Some(at) => {
                let what = format!("{:?} was accepted and never completed", self.flights[*at].op);
                Err(Violation::new(self.never_ends(Oracle::ExactlyOnce), what))
            }
        }
    }

    /// Commands of one vector without an end.
    pub(super) fn outstanding_on(&self, vector: u32) -> usize {
        self.outstanding.iter().filter(|at| self.flights[**at].op.vector == vector).count()
    }

    /// The oldest or the youngest command outstanding.
    pub(super) fn oldest(&self, oldest: bool) -> Option<AdapterHandle> {
        let at = if oldest { self.outstanding.first() } else { self.outstanding.last() };
        self.flights[*at?].handle
    }

    /// The caller aborts a command.
    pub(super) fn abort_of(&mut self, handle: AdapterHandle) {
        let ours = |flight: &&mut Flight| {
            flight.handle == Some(handle) && flight.state == State::Outstanding
        };
        if let Some(flight) = self.flights.iter_mut().rev().find(ours) {
            flight.aborted = true;
        }
    }

    /// Whether a submit ended as done, and was the last to end.
    pub(super) const fn was_done(&self, index: usize) -> bool {
        self.last_done == index
    }
}

/// What was moved and what was not are together what was asked for, and sense data stay in their bounds.
fn bounds(flight: &Flight, completion: &Completion<Data>, sense: usize) -> Verdict {
    let (op, asked) = (flight.op, flight::transfer(flight.op).length);
    let sum = completion.transferred.checked_add(completion.residual);
    require(sense <= 252 && sum == Some(asked), Oracle::Residual, || {
        let Completion { transferred, residual, .. } = completion;
        format!(
            "{op:?}: {transferred} and {residual} of {asked} bytes, {sense} bytes of sense data"
        )
    })
}

#[cfg(test)]
mod tests;
