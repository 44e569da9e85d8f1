//! The world of a run, and how it turns: device, host, clock, and after each event the judge.

use core::time::Duration;

use hba_core::command::{Nexus, Refusal, Request};
use hba_core::control::{ControlEvent, Rung};
use hba_core::port::{ControlPort, TaskManagement};
use hba_core::queue::{Batch, Done};
use hba_core::time::Instant;
use scsi_proto::Opcode;

use super::addresses::Addresses;
use super::caller::Caller;
use super::driver::Driver;
use super::rig::Rig;
use super::schedule::Schedule;
use super::{Data, RECOVERY};
use crate::campaign::flight::{self, Flight};
use crate::campaign::flushes::Flushes;
use crate::campaign::judge::Judge;
use crate::campaign::ledger::WriteId;
use crate::campaign::oracle::{Oracle, Verdict, Violation, require};
use crate::campaign::plan::{Entry, Fault, Kind, Operation, Plan, Site};
use crate::campaign::tally::Sometimes;
use crate::campaign::trouble::Troubled;
use crate::machine::SimRegisters;

/// Polls without progress at one moment.
pub(super) const POLLS_MAX: u32 = 10_000;
/// Tries of one operation when nothing goes wrong any more: a disk has several things to tell.
const TRIES: u32 = 12;

/// A machine and its driver, the caller, what is to go wrong, and who looks.
pub(super) struct World<P: ControlPort, C> {
    pub(super) driver: Driver<P, C>,
    pub(super) rig: Rig<C>,
    pub(super) caller: Caller,
    pub(super) judge: Judge,
    pub(super) schedule: Schedule,
    addresses: Addresses,
    flushes: Flushes,
    /// Polls since something happened.
    pub(super) idle: u32,
    /// When a submit was accepted last.
    accepted: Instant,
}

impl<P: ControlPort, C: Troubled> World<P, C> {
    /// A machine that is up.
    ///
    /// # Errors
    ///
    /// Text, where it cannot be brought up.
    pub(super) fn new(
        plan: &Plan,
        port: impl FnOnce(SimRegisters<C>, &Plan) -> P,
    ) -> Result<Self, String> {
        let options = &plan.options;
        let rig = Rig::new(plan)?;
        let mut driver = Driver::new(port(rig.machine.registers(), plan), options, &rig);
        let caller = Caller::new(options, rig.machine.memory())?;
        driver.bring_up(&rig)?;
        let targets = driver.adapter.control().targets();
        let addresses = Addresses::new(rig.names(), targets, options.units)?;
        while driver.adapter.poll_event().is_some() {}
        let (judge, schedule) = (Judge::new(plan), Schedule::new(plan, rig.now()));
        let (flushes, accepted) = (Flushes::default(), rig.now());
        Ok(Self { driver, rig, caller, judge, schedule, addresses, flushes, idle: 0, accepted })
    }

    /// Device, then host, then the clock.
    pub(super) fn turn(&mut self) -> Verdict {
        let done = self.rig.work();
        self.witness()?;
        self.send_flushes()?;
        let now = self.rig.now();
        let progress = self.driver.poll(now);
        if C::BETWEEN_READS > 0 {
            self.witness()?;
        }
        let taken = self.driver.taken()?;
        self.driver
            .provide(progress.need.as_ref(), self.rig.machine.memory())
            .map_err(|error| Violation::new(Oracle::BoundedMemory, error))?;
        self.complete_all()?;
        self.take_flushed()?;
        let events = self.events()?;
        self.judge.tags(&self.driver.adapter)?;
        self.judge.polled(now);
        if self.judge.is_troubled() && !progress.more && self.is_sound() {
            self.judge.calm_down();
        }
        if done > 0 || taken > 0 || events || progress.more || progress.need.is_some() {
            self.idle += 1;
            require(self.idle < POLLS_MAX, Oracle::BoundedWork, || {
                format!("{POLLS_MAX} polls at {now} and no end")
            })
        } else {
            self.sleep(progress.next)
        }
    }

    /// Moves the clock, and ends what has lasted long enough.
    fn sleep(&mut self, next: Option<Instant>) -> Verdict {
        self.idle = 0;
        self.rig.sleep(next.into_iter().chain(self.flushes.due()));
        self.rig.recover();
        self.witness()?;
        self.fire(Site::Time)
    }

    /// Whether nothing of what went wrong is left anywhere.
    pub(super) fn is_sound(&self) -> bool {
        self.driver.is_working() && self.rig.is_sound()
    }

    /// Whether something of the caller's has not ended.
    pub(super) fn is_waiting(&self) -> bool {
        self.driver.adapter.outstanding() > 0 || !self.flushes.have_ended()
    }

    /// Everything is well from now on.
    pub(super) fn heal(&mut self) -> Verdict {
        self.schedule.clear();
        self.rig.heal(&mut self.judge);
        self.judge.heal();
        self.witness()
    }

    /// Runs until nothing is outstanding.
    pub(super) fn settle(&mut self, oracle: Oracle) -> Verdict {
        let begun = self.rig.now();
        while self.is_waiting() || !self.driver.has_stopped() && !self.driver.is_working() {
            self.turn()?;
            let waited = self.rig.now().since(begun);
            let left = self.driver.adapter.outstanding();
            require(waited < RECOVERY, self.judge.never_ends(oracle), || {
                let waited = waited.as_secs();
                format!("{left} commands are outstanding {waited} s after the last fault")
            })?;
        }
        self.judge.all_ended()
    }
}

/// The caller's commands.
impl<P: ControlPort, C: Troubled> World<P, C> {
    /// The first operation is about to be submitted.
    pub(super) fn begin(&mut self) {
        self.accepted = self.rig.now();
    }

    /// One try of an operation of the plan; `false` when it was refused for now. `fresh` on the first try.
    pub(super) fn attempt(&mut self, op: Operation, fresh: bool) -> Result<bool, Violation> {
        self.fire(Site::Time)?;
        if fresh {
            self.count(Site::Submit)?;
        }
        let accepted = self.submit(op)?;
        if accepted {
            self.accepted = self.rig.now();
        } else {
            self.not_for_ever(op, self.accepted)?;
            self.judge.tally.saw(Sometimes::QueueFull);
        }
        Ok(accepted)
    }

    /// Repeats an operation until it is done, or the controller is given up because it was reset too often: unit attentions and
    /// deferred errors are told once each.
    pub(super) fn insist(&mut self, op: Operation) -> Verdict {
        for _ in 0..TRIES {
            let begun = self.rig.now();
            while !self.submit(op)? {
                if self.driver.has_stopped() {
                    return Ok(());
                }
                self.not_for_ever(op, begun)?;
            }
            let at = self.judge.flights.len() - 1;
            self.settle(Oracle::BoundedRecovery)?;
            if self.judge.flights.was_done(at) || self.driver.has_stopped() {
                return Ok(());
            }
        }
        let what = format!("{op:?} fails {TRIES} times although nothing goes wrong any more");
        Err(Violation::new(Oracle::BoundedRecovery, what))
    }

    fn not_for_ever(&self, op: Operation, since: Instant) -> Verdict {
        let refused = self.rig.now().since(since);
        require(refused < RECOVERY, Oracle::BoundedRecovery, || {
            format!("{op:?} is refused for {} s", refused.as_secs())
        })
    }

    /// Submits one operation; `false` when it was refused for now.
    pub(super) fn submit(&mut self, op: Operation) -> Result<bool, Violation> {
        match op.kind {
            Kind::FlushTyped => self.begin_flush(op).map(|()| true),
            Kind::Acknowledge => {
                self.acknowledge(op);
                Ok(true)
            }
            _ if self.caller.lacks_memory(op) => self.turn().map(|()| false),
            _ => self.command(op),
        }
    }

    fn command(&mut self, op: Operation) -> Result<bool, Violation> {
        let (nexus, now) = (self.addresses.nexus(op.unit), self.rig.now());
        let (made, request) = self.caller.command(op, nexus, now, &mut self.judge)?;
        match self.hand_in(made, request)? {
            None => Ok(true),
            Some(Refusal::QueueFull | Refusal::Stopped | Refusal::Gone) => {
                self.turn().map(|()| false)
            }
            Some(other) => Err(Violation::new(Oracle::Differential, format!("{op:?}: {other}"))),
        }
    }

    /// Hands a command to the core; says why where it is refused.
    fn hand_in(
        &mut self,
        made: Flight,
        request: Request<Data>,
    ) -> Result<Option<Refusal>, Violation> {
        let op = made.op;
        match self.driver.submit(op.vector, request, made.at) {
            Ok(handle) => {
                self.judge.submitted(made, handle);
                self.count(Site::Submitted)?;
                if op.kind.is_write() {
                    self.caller.name_next();
                    self.count(Site::Write)?;
                } else if op.kind.is_flush() {
                    self.count(Site::Flush)?;
                }
                Ok(None)
            }
            Err(rejected) => {
                let data = rejected.request.data;
                self.judge.refused(made, flight::place(&data))?;
                self.caller.take_home(data);
                self.full_by_right(op, rejected.reason)?;
                Ok(Some(rejected.reason))
            }
        }
    }

    /// A vector is full only when its tags are out.
    pub(super) fn full_by_right(&self, op: Operation, refusal: Refusal) -> Verdict {
        let depth = self.driver.depth(op.vector);
        let out = self.judge.flights.outstanding_on(op.vector);
        let recovering = self.driver.adapter.control().is_recovering();
        let by_right = refusal != Refusal::QueueFull || out >= depth || recovering;
        require(by_right, Oracle::Tags, || {
            format!("vector {} is full with {out} of {depth} commands outstanding", op.vector)
        })
    }

    /// Begins a typed flush, unless one of the unit is under way.
    fn begin_flush(&mut self, op: Operation) -> Verdict {
        let nexus = self.addresses.nexus(op.unit);
        if let Ok(flush) = self.driver.adapter.begin_flush(nexus, Flushes::PATIENCE) {
            self.flushes.begin(flush, op, self.judge.tick(), self.rig.now());
            self.send_flushes()?;
        }
        Ok(())
    }

    fn acknowledge(&mut self, op: Operation) {
        let (nexus, adapter) = (self.addresses.nexus(op.unit), &mut self.driver.adapter);
        if let Some(loss) = adapter.durability(nexus).loss
            && adapter.acknowledge_loss(nexus, loss).is_ok()
        {
            self.judge.acknowledged(op.unit);
        }
    }

    /// Sends the commands of typed flushes that are due, and hands over those that are done.
    fn send_flushes(&mut self) -> Verdict {
        let now = self.rig.now();
        for at in 0..self.flushes.len() {
            let index = self.judge.flights.len();
            let Some((op, request)) = self.flushes.send(at, index, now) else { continue };
            let made = Flight::new(op, WriteId(0));
            let (made, request) = self.caller.dispatch(made, request, now, &mut self.judge);
            if let Some(refusal) = self.hand_in(made, request)? {
                self.flushes.refused(at, refusal, now);
            }
        }
        let adapter = &mut self.driver.adapter;
        self.flushes.hand_over(|flush| adapter.settle_flush(flush));
        Ok(())
    }

    /// Takes the verdicts of typed flushes.
    fn take_flushed(&mut self) -> Verdict {
        while let Some((nexus, verdict)) = self.driver.adapter.poll_flushed() {
            let Some(flush) = self.flushes.concluded(nexus) else { continue };
            self.judge.flush_concluded(flush, verdict)?;
        }
        Ok(())
    }
}

/// What happens, and who hears of it.
impl<P: ControlPort, C: Troubled> World<P, C> {
    /// What the disks did since. All of it is noted before a fault strikes: the disks are further already.
    fn witness(&mut self) -> Verdict {
        let (mut executed, mut flushed) = (0, 0);
        self.rig.show_executed(|unit, seen| {
            executed += 1;
            flushed += u32::from(seen.opcode == Opcode::SYNCHRONIZE_CACHE_10);
            self.judge.executed(unit, seen)
        })?;
        for (site, count) in [(Site::Executed, executed), (Site::Flushed, flushed)] {
            (0..count).try_for_each(|_| self.count(site))?;
        }
        Ok(())
    }

    fn complete_all(&mut self) -> Verdict {
        let mut batch = core::mem::replace(&mut self.driver.batch, Batch::new(1));
        let verdict = batch.drain().try_for_each(|done| self.complete(done));
        self.driver.batch = batch;
        verdict
    }

    fn complete(&mut self, done: Done<'_, Data>) -> Verdict {
        let now = self.rig.now();
        self.judge.completed(&done, now)?;
        self.flushes.ended(&done, now);
        self.caller.take_home(done.completion.data);
        self.count(Site::Completed)
    }

    fn events(&mut self) -> Result<bool, Violation> {
        let mut any = false;
        while let Some(event) = self.driver.adapter.poll_event() {
            any = true;
            self.judge.event(&event)?;
            match event {
                ControlEvent::TargetArrived(target) | ControlEvent::TargetChanged(target) => {
                    if let Some(disk) = self.addresses.learn(&target) {
                        self.judge.readdressed(disk);
                    }
                }
                ControlEvent::Recovering(nexus, rung) => {
                    self.note_function(nexus, rung);
                    self.count(Site::Recovering)?;
                }
                _ => {}
            }
        }
        Ok(any)
    }

    /// A function was sent that ends commands of these units.
    fn note_function(&mut self, nexus: Nexus, rung: Rung) {
        let now = self.rig.now();
        for unit in 0..self.judge.units() {
            let here = self.addresses.nexus(unit);
            let all = rung == Rung::TargetReset && here.target == nexus.target;
            if all || rung == Rung::LogicalUnitReset && here == nexus {
                self.judge.function(unit, now);
            }
        }
    }

    /// One more event at a site, and the faults that wait for it.
    fn count(&mut self, site: Site) -> Verdict {
        self.schedule.count(site);
        self.fire(site)
    }

    fn fire(&mut self, site: Site) -> Verdict {
        let reached = self.schedule.reached(site, self.rig.now());
        while let Some(entry) = self.schedule.take_due(site, reached) {
            self.inject(entry);
        }
        Ok(())
    }

    /// A fault strikes: the caller's own, the clock's, or one below the core.
    pub(super) fn inject(&mut self, entry: Entry) {
        let unit = entry.unit % self.judge.units();
        self.judge.injected(&entry, unit);
        match entry.fault {
            Fault::Abort => {
                if let Some(handle) = self.judge.flights.abort_oldest() {
                    self.driver.adapter.abort(handle);
                }
            }
            Fault::UnitReset => {
                self.judge.function(unit, self.rig.now());
                let reset = TaskManagement::LogicalUnitReset(self.addresses.nexus(unit));
                let _ = self.driver.adapter.task_management(reset);
            }
            Fault::Reset => self.driver.adapter.request_reset(self.rig.now()),
            Fault::ClockJump => {
                self.judge.flights.jump();
                self.rig.machine.advance(Duration::from_millis(entry.count.into()));
                self.accepted = self.rig.now();
            }
            _ => self.rig.strike(entry, unit, &mut self.judge),
        }
    }
}
