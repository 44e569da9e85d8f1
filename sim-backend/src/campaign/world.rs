//! One run: caller, core, device and disks in virtual time, judged after every event.

use alloc::sync::Arc;
use core::time::Duration;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hba_core::adapter::{Adapter, Need};
use hba_core::command::{Cookie, Nexus, Refusal, Request, TargetId};
use hba_core::control::{ControlEvent, RecoveryConfig, Rung};
use hba_core::dispatch::ClassTimeouts;
use hba_core::dma::RegionBuffer;
use hba_core::port::{ControlPort, TaskManagement};
use hba_core::queue::{Batch, Done, Vector};
use hba_core::time::{Instant, Timeout};
use scsi_proto::{Lun, Opcode, TaskAttribute};

use super::flight::{self, BLOCK, Flight};
use super::flushes::{self, Concluding, Flushing, Try};
use super::injector::{FaultInjector, Injections};
use super::judge::Judge;
use super::ledger::WriteId;
use super::oracle::{Oracle, Verdict, Violation, require};
use super::plan::{Entry, Fault, Kind, Operation, Plan, Site};
use super::tally::{Sometimes, Tally};
use super::text::BLOCKS_MAX;
use super::trouble::Troubled;
use super::watched::{Watched, numbered};
use crate::disk::{Condition, DiskConfig, MediumAccess, Miswrite, SimDisk, Times};
use crate::machine::{SimMachine, SimRegisters};
use crate::memory::{Placement, SimMemory};
use crate::target::SasAddress;

type Data = Option<RegionBuffer>;

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What it did.
    pub tally: Tally,
    /// The trace hash.
    pub hash: u64,
    /// The first oracle that spoke.
    pub violation: Option<Violation>,
}

impl Outcome {
    /// Compares two runs of one plan.
    ///
    /// # Errors
    ///
    /// [`Oracle::Determinism`] where they differ.
    pub fn agrees_with(&self, again: &Self) -> Verdict {
        let (first, second) = (self.hash, again.hash);
        require(first == second, Oracle::Determinism, || {
            format!("hash {first:016x}, then {second:016x}")
        })
    }
}

/// Runs a plan. `port` makes the backend for the machine's registers.
///
/// # Errors
///
/// Text, where the machine cannot be brought up at all.
pub fn run<P: ControlPort, C: Troubled>(
    plan: &Plan,
    port: impl FnOnce(SimRegisters<C>, &Plan) -> P,
) -> Result<Outcome, String> {
    let mut world = World::new(plan, port)?;
    let violation = world.live(plan).err().filter(|violation| !world.is_named(plan, violation));
    let hash = world.judge.trace.value();
    let mut tally = core::mem::take(&mut world.judge.tally);
    tally.runs = 1;
    tally.hash = hash;
    tally.virtual_time = world.machine.now().since(Instant::ZERO);
    Ok(Outcome { tally, hash, violation })
}

/// How long everything may take once nothing goes wrong any more: the ladder of recovery with its resets, twice.
const RECOVERY: Duration = Duration::from_secs(400);
/// Polls without progress at one moment.
const POLLS_MAX: u32 = 10_000;
/// The longest sleep: a lost interrupt costs no more.
const SLEEP: Duration = Duration::from_millis(100);
/// Commands of an untroubled disk end within this.
const PATIENCE: Duration = Duration::from_secs(1);

struct World<P: ControlPort, C> {
    adapter: Adapter<FaultInjector<P>, Data>,
    machine: SimMachine<C>,
    registers: SimRegisters<C>,
    disks: Vec<Arc<Mutex<Watched>>>,
    /// Where the core knows each disk; the last address that it had.
    targets: Vec<TargetId>,
    injections: Injections,
    batch: Batch<Data>,
    buffers: Vec<RegionBuffer>,
    buffers_total: usize,
    judge: Judge,
    schedule: Vec<Entry>,
    counts: [u32; Site::ALL.len()],
    /// What ends by itself, and when.
    healings: Vec<(Instant, Fault, u32)>,
    /// Disks that were pulled out.
    pulled: Vec<bool>,
    /// The time of the first operation.
    start: Instant,
    /// The next write.
    next_id: u32,
    timeout: Timeout,
    units_per_disk: u32,
    budget: u32,
    /// Polls since something happened.
    idle: u32,
    /// Typed flushes under way, and those that the core is to conclude.
    flushing: Vec<Flushing>,
    concluding: Vec<Concluding>,
    /// When a submit was accepted last.
    accepted: Instant,
}

impl<P: ControlPort, C: Troubled> World<P, C> {
    fn new(plan: &Plan, port: impl FnOnce(SimRegisters<C>, &Plan) -> P) -> Result<Self, String> {
        let options = &plan.options;
        let memory = SimMemory::new(64 << 20);
        let controller = C::assemble(options, plan.seed, memory.device());
        let machine = SimMachine::new(controller, memory);
        let mut disks = Vec::new();
        for index in 0..options.disks {
            let config = DiskConfig {
                logical_units: options.units as u16,
                write_cache: options.write_cache != 0,
                non_volatile_cache: options.non_volatile != 0,
                battery: options.battery != 0,
                sync_progress: options.sync_progress.min(2) as u8,
                cache_blocks: options.cache_blocks,
                lying_flush: options.lying_flush != 0,
                lying_fua: options.lying_fua != 0,
                power_cut: options.power_cut(),
                seed: plan.seed ^ u64::from(index) << 40,
                ..DiskConfig::nth(index, options.blocks.into())
            };
            let disk = SimDisk::new(&config).map_err(|error| error.to_string())?;
            let disk = Arc::new(Mutex::new(Watched::new(disk)));
            machine
                .attach(index as usize, disk.clone())
                .map_err(|error| format!("disk {index}: {error}"))?;
            disks.push(disk);
        }
        let injections = Injections::default();
        let port = FaultInjector::new(port(machine.registers(), plan), injections.clone());
        let recovery = RecoveryConfig {
            abort: Duration::from_secs(1),
            logical_unit_reset: Duration::from_secs(2),
            target_reset: Duration::from_secs(3),
            resets_max: options.resets.min(255) as u8,
            resets_window: Duration::from_secs(600),
        };
        let adapter = Adapter::new(port, recovery, ClassTimeouts::default(), machine.now());
        let total = (options.vectors * options.depth + options.depth) as usize;
        let len = BLOCKS_MAX as usize * BLOCK + 64;
        let mut buffers = Vec::with_capacity(total);
        for _ in 0..total {
            let mut buffer = machine.memory().buffer(len).map_err(|error| error.to_string())?;
            flight::poison(&mut buffer, 1);
            buffers.push(buffer);
        }
        let mut schedule = plan.schedule.clone();
        schedule.sort_by_key(|entry| (entry.site, entry.nth));
        schedule.reverse();
        let mut world = Self {
            registers: machine.registers(),
            adapter,
            machine,
            targets: vec![TargetId::new(0); disks.len()],
            pulled: vec![false; disks.len()],
            disks,
            injections,
            batch: Batch::new(options.batch as usize),
            buffers_total: buffers.len(),
            buffers,
            judge: Judge::new(plan),
            schedule,
            counts: [0; Site::ALL.len()],
            healings: Vec::new(),
            start: Instant::ZERO,
            next_id: 1,
            timeout: Timeout::from_millis(options.timeout),
            units_per_disk: options.units,
            budget: options.budget,
            idle: 0,
            flushing: Vec::new(),
            concluding: Vec::new(),
            accepted: Instant::ZERO,
        };
        world.bring_up()?;
        Ok(world)
    }

    fn bring_up(&mut self) -> Result<(), String> {
        for _ in 0..200_000 {
            let open = self.adapter.queues().iter().all(hba_core::queue::IoQueue::is_open);
            if self.adapter.control().is_operational() && open {
                self.machine.set_budget(C::BETWEEN_READS);
                for (index, disk) in (0..).zip(&self.disks) {
                    let name = locked(disk).disk_name();
                    let known = self.adapter.control().targets().iter();
                    let known = known.copied().find(|target| target.port_name == name.0);
                    let known = known.ok_or_else(|| format!("disk {index} was not found"))?;
                    self.targets[index] = known.id;
                }
                while self.adapter.poll_event().is_some() {}
                self.start = self.machine.now();
                return Ok(());
            }
            if self.adapter.stopped().is_some() {
                return Err(format!("bring-up failed: {:?}", self.adapter.poll_event()));
            }
            let now = self.machine.now();
            let progress = self.adapter.poll(now, &mut self.registers, &mut self.batch);
            self.provide(&progress.need)?;
            if !progress.more && progress.need.is_none() {
                self.sleep(progress.next);
            }
        }
        Err("the controller does not become operational".into())
    }

    fn provide(&mut self, need: &Option<Need>) -> Result<(), String> {
        match need {
            Some(Need::Memory(plan)) => {
                let regions = plan
                    .regions
                    .iter()
                    .map(|region| self.machine.memory().place(region, Placement::Window));
                let regions = regions.collect::<Result<_, _>>().map_err(|e| e.to_string())?;
                self.adapter.provide_memory(regions).map_err(|error| error.to_string())?;
            }
            Some(Need::Isolation) => {
                self.machine.memory().set_bus_master(false);
                self.adapter.handle_isolated();
            }
            None => {}
        }
        Ok(())
    }

    /// The whole life of a run.
    fn live(&mut self, plan: &Plan) -> Verdict {
        if plan.options.greet != 0 {
            let schedule = core::mem::take(&mut self.schedule);
            (0..plan.options.all_units()).try_for_each(|unit| {
                self.insist(Operation { kind: Kind::Ready, unit, lba: 0, blocks: 1, vector: 0 })
            })?;
            self.schedule = schedule;
            self.counts = [0; Site::ALL.len()];
            self.start = self.machine.now();
        }
        self.accepted = self.machine.now();
        let mut next = plan.operations.iter();
        let (mut waiting, mut fresh) = (next.next(), true);
        while let Some(op) = waiting {
            self.fire(Site::Time)?;
            if fresh {
                self.count(Site::Submit)?;
            }
            fresh = true;
            match self.submit(*op)? {
                true => {
                    self.accepted = self.machine.now();
                    waiting = next.next();
                }
                false => {
                    let refused = self.machine.now().since(self.accepted);
                    require(refused < RECOVERY, Oracle::BoundedRecovery, || {
                        format!("{op:?} is refused for {} s", refused.as_secs())
                    })?;
                    fresh = false;
                    self.judge.tally.saw(Sometimes::QueueFull);
                }
            }
            if waiting.is_none() || self.is_full(waiting) {
                self.turn()?;
            }
            if self.adapter.stopped().is_some() {
                return self.finish(plan, true);
            }
        }
        self.heal()?;
        self.settle(Oracle::BoundedRecovery)?;
        if self.adapter.stopped().is_some() {
            return self.finish(plan, true);
        }
        self.examine(plan)?;
        let dead = self.adapter.stopped().is_some();
        self.finish(plan, dead)
    }

    /// Whether the vector of the next operation takes no more.
    fn is_full(&self, next: Option<&Operation>) -> bool {
        let Some(op) = next else { return false };
        let queue = self.adapter.queues().get(op.vector as usize);
        queue.is_none_or(|queue| !queue.is_open() || queue.outstanding() >= queue.depth())
    }

    /// Submits one operation; `false` when it was refused for now.
    fn submit(&mut self, op: Operation) -> Result<bool, Violation> {
        match op.kind {
            Kind::FlushTyped => return self.begin_flush(op).map(|()| true),
            Kind::Acknowledge => {
                self.acknowledge(op);
                return Ok(true);
            }
            _ => {}
        }
        let data = match flight::transfer(op).length {
            0 => None,
            _ => {
                let Some(mut buffer) = self.buffers.pop() else {
                    self.turn()?;
                    return Ok(false);
                };
                self.judge.idle_memory(&buffer)?;
                let blocks = op.blocks.max(1) as usize;
                flight::poison(&mut buffer, blocks);
                let len = flight::transfer(op).length;
                match op.lba % 2 {
                    1 if len >= 1024 => buffer.scatter(&[512, len - 512], 8),
                    _ => buffer.scatter(&[len], 0),
                }
                Some(buffer)
            }
        };
        let id = WriteId(if op.kind.is_write() { self.next_id } else { 0 });
        let mut data = data;
        if let (true, Some(buffer)) = (op.kind.is_write(), &mut data) {
            flight::fill(buffer, op, id);
        }
        let mut made = Flight::new(op, id);
        made.memory = flight::place(&data);
        made.at = self.machine.now();
        made.number = self.judge.number();
        let cookie = Cookie(self.judge.flights.len() as u64);
        let nexus = self.nexus(op.unit);
        let cdb = numbered::give(&flight::cdb(op), made.number);
        let mut request =
            Request::new(nexus, cdb, flight::transfer(op), data, cookie).with_timeout(self.timeout);
        if op.kind == Kind::WriteOrdered {
            request.command.attribute = TaskAttribute::Ordered;
        }
        let (vector, now) = (Vector(op.vector as u16), made.at);
        match self.adapter.submit(vector, request, now, &mut self.registers) {
            Ok(handle) => {
                self.next_id += u32::from(op.kind.is_write());
                self.judge.submitted(made, handle);
                self.count(Site::Submitted)?;
                if op.kind.is_write() {
                    self.count(Site::Write)?;
                } else if op.kind.is_flush() {
                    self.count(Site::Flush)?;
                }
                Ok(true)
            }
            Err(rejected) => {
                let data = rejected.request.data;
                self.judge.refused(made, flight::place(&data))?;
                self.take_home(data);
                self.full_by_right(op, rejected.reason)?;
                match rejected.reason {
                    Refusal::QueueFull | Refusal::Stopped | Refusal::Gone => {
                        self.turn()?;
                        Ok(false)
                    }
                    other => Err(Violation::new(Oracle::Differential, format!("{op:?}: {other}"))),
                }
            }
        }
    }

    /// A vector is full only when its tags are out.
    fn full_by_right(&self, op: Operation, refusal: Refusal) -> Verdict {
        let queue = self.adapter.queues().get(op.vector as usize);
        let depth = queue.map_or(0, |queue| usize::from(queue.depth()));
        let out = self.judge.outstanding_on(op.vector);
        let by_right =
            refusal != Refusal::QueueFull || out >= depth || self.adapter.control().is_recovering();
        require(by_right, Oracle::Tags, || {
            format!("vector {} is full with {out} of {depth} commands outstanding", op.vector)
        })
    }

    fn nexus(&self, unit: u32) -> Nexus {
        let target = self.targets[(unit / self.units_per_disk) as usize];
        Nexus::new(target, Lun::from_number((unit % self.units_per_disk) as u16))
    }

    /// Begins a typed flush, unless one of the unit is under way.
    fn begin_flush(&mut self, op: Operation) -> Verdict {
        let nexus = self.nexus(op.unit);
        if let Ok(flush) = self.adapter.begin_flush(nexus, flushes::PATIENCE) {
            let (begun, now) = (self.judge.tick(), self.machine.now());
            self.flushing.push(Flushing::new(flush, op, begun, now));
            self.send_flushes()?;
        }
        Ok(())
    }

    fn acknowledge(&mut self, op: Operation) {
        let nexus = self.nexus(op.unit);
        if let Some(loss) = self.adapter.durability(nexus).loss
            && self.adapter.acknowledge_loss(nexus, loss).is_ok()
        {
            self.judge.acknowledged(op.unit);
        }
    }

    /// Sends the commands of typed flushes that are due, and hands over those that are done.
    fn send_flushes(&mut self) -> Verdict {
        let now = self.machine.now();
        for at in 0..self.flushing.len() {
            let Flushing { flush, op, try_is, .. } = &mut self.flushing[at];
            if !matches!(try_is, Try::Due(due) if *due <= now) {
                continue;
            }
            let index = self.judge.flights.len();
            let mut made = Flight::new(*op, WriteId(0));
            made.at = now;
            made.number = self.judge.number();
            let cookie = Cookie(index as u64);
            let mut request = flush.request(None, cookie).with_timeout(self.timeout);
            request.command.cdb = numbered::give(&request.command.cdb, made.number);
            let (vector, op) = (Vector(op.vector as u16), *op);
            match self.adapter.submit(vector, request, now, &mut self.registers) {
                Ok(handle) => {
                    *try_is = Try::Sent(index);
                    self.judge.submitted(made, handle);
                    self.count(Site::Submitted)?;
                    self.count(Site::Flush)?;
                }
                Err(rejected) => {
                    let step = flush.handle_refusal(rejected.reason, now);
                    self.flushing[at].follow(step);
                    self.judge.refused(made, None)?;
                    self.full_by_right(op, rejected.reason)?;
                }
            }
        }
        for ended in self.flushing.extract_if(.., |flushing| flushing.try_is == Try::Ended) {
            self.concluding.push(ended.concluding());
            self.adapter.settle_flush(ended.flush);
        }
        Ok(())
    }

    /// Takes the verdicts of typed flushes.
    fn take_flushed(&mut self) -> Verdict {
        while let Some((nexus, verdict)) = self.adapter.poll_flushed() {
            let known = self.concluding.iter().position(|flush| flush.nexus == nexus);
            let Some(known) = known else { continue };
            let flush = self.concluding.remove(known);
            self.judge.flush_concluded(flush, verdict)?;
        }
        Ok(())
    }

    /// Data memory is the caller's again.
    fn take_home(&mut self, data: Data) {
        if let Some(mut buffer) = data {
            flight::poison(&mut buffer, 1);
            self.buffers.push(buffer);
        }
    }

    /// Device, then host, then the clock.
    fn turn(&mut self) -> Verdict {
        let done = self.machine.run(self.budget).done;
        self.witness()?;
        self.send_flushes()?;
        let now = self.machine.now();
        let progress = self.adapter.poll(now, &mut self.registers, &mut self.batch);
        if C::BETWEEN_READS > 0 {
            self.witness()?;
        }
        let taken = self.batch.len();
        require(taken <= self.batch.capacity(), Oracle::BoundedWork, || {
            format!("{taken} completions in a batch of {}", self.batch.capacity())
        })?;
        self.provide(&progress.need)
            .map_err(|error| Violation::new(Oracle::BoundedMemory, error))?;
        let mut batch = core::mem::replace(&mut self.batch, Batch::new(1));
        let verdict = batch.drain().try_for_each(|done| self.complete(done));
        self.batch = batch;
        verdict?;
        self.take_flushed()?;
        let events = self.events()?;
        self.judge.tags(&self.adapter)?;
        self.judge.polled(now);
        if self.judge.troubled && !progress.more && self.is_sound() {
            self.judge.calm_down();
        }
        if done > 0 || taken > 0 || events || progress.more || progress.need.is_some() {
            self.idle += 1;
            require(self.idle < POLLS_MAX, Oracle::BoundedWork, || {
                format!("{POLLS_MAX} polls at {now} and no end")
            })?;
        } else {
            self.sleep(progress.next);
            self.wake()?;
        }
        Ok(())
    }

    /// Whether the core takes commands, and has nothing else to do.
    fn is_working(&self) -> bool {
        !self.adapter.control().is_recovering()
            && self.adapter.queues().iter().all(hba_core::queue::IoQueue::is_open)
    }

    /// Whether nothing of what went wrong is left anywhere.
    fn is_sound(&self) -> bool {
        self.healings.is_empty()
            && self.injections.are_spent()
            && self.is_working()
            && self.machine.with_controller(|controller| controller.is_sound())
    }

    /// Moves the clock to the next thing that happens.
    fn sleep(&mut self, next: Option<Instant>) {
        self.idle = 0;
        let now = self.machine.now();
        let events = [next, self.machine.next_due()].into_iter().flatten();
        let due = self.flushing.iter().filter_map(|flushing| match flushing.try_is {
            Try::Due(at) => Some(at),
            _ => None,
        });
        let events = events.chain(due).chain(self.healings.iter().map(|(at, ..)| *at));
        let until = events.filter(|at| *at > now).min().unwrap_or(now + SLEEP);
        self.machine.set_now(until.min(now + SLEEP));
        self.machine.run(self.budget);
    }

    /// Ends what has lasted long enough.
    fn wake(&mut self) -> Verdict {
        let now = self.machine.now();
        while let Some(at) = self.healings.iter().position(|(at, ..)| *at <= now) {
            let (_, fault, disk) = self.healings.swap_remove(at);
            self.end(fault, disk);
        }
        self.witness()?;
        self.fire(Site::Time)
    }

    fn end(&mut self, fault: Fault, disk: u32) {
        match fault {
            Fault::PowerCut => {
                for slot in 0..self.disks.len() {
                    self.machine.set_target_power(slot, true);
                }
            }
            Fault::DiskPowerCut => self.machine.set_target_power(disk as usize, true),
            Fault::PullDisk => self.plug(disk as usize),
            Fault::HoldDisk => self.machine.hold(disk as usize, false),
            _ => self.machine.with_controller(Troubled::heal),
        }
    }

    /// Everything is well from now on.
    fn heal(&mut self) -> Verdict {
        self.schedule.clear();
        self.injections.heal();
        self.machine.with_controller(Troubled::heal);
        for slot in 0..self.disks.len() {
            self.machine.hold(slot, false);
            let mut watched = locked(&self.disks[slot]);
            for unit in 0..watched.disk.units() {
                let at = slot as u32 * self.units_per_disk + unit as u32;
                if let Some(mut unit) = watched.disk.unit(unit) {
                    if unit.has_deferred_error() {
                        self.judge.lost(at);
                    }
                    unit.clear_faults();
                }
            }
            drop(watched);
            self.machine.set_target_power(slot, true);
            self.plug(slot);
        }
        self.healings.clear();
        self.judge.heal();
        self.witness()
    }

    /// Runs until nothing is outstanding.
    fn settle(&mut self, oracle: Oracle) -> Verdict {
        let begun = self.machine.now();
        while self.adapter.outstanding() > 0
            || !self.flushing.is_empty()
            || !self.concluding.is_empty()
            || self.adapter.stopped().is_none() && !self.is_working()
        {
            self.turn()?;
            let waited = self.machine.now().since(begun);
            let left = self.adapter.outstanding();
            require(waited < RECOVERY, self.judge.never_ends(oracle), || {
                format!(
                    "{left} commands are outstanding {} s after the last fault",
                    waited.as_secs()
                )
            })?;
        }
        self.judge.all_ended()
    }

    /// After the faults: everything is read, flushed, and read again after a power cut.
    fn examine(&mut self, plan: &Plan) -> Verdict {
        for _ in 0..2 {
            self.read_all(plan)?;
            self.everywhere(plan, Kind::Flush)?;
            self.cut_power(None, 10);
            self.settle_power()?;
        }
        self.read_all(plan)
    }

    fn settle_power(&mut self) -> Verdict {
        let until = self.machine.now() + Duration::from_millis(50);
        while self.machine.now() < until || !self.healings.is_empty() {
            self.turn()?;
        }
        self.settle(Oracle::BoundedRecovery)
    }

    fn read_all(&mut self, plan: &Plan) -> Verdict {
        let options = plan.options;
        for unit in 0..options.all_units() {
            for lba in (0..options.blocks).step_by(BLOCKS_MAX as usize) {
                let blocks = BLOCKS_MAX.min(options.blocks - lba);
                self.insist(Operation { kind: Kind::Read, unit, lba, blocks, vector: 0 })?;
            }
        }
        Ok(())
    }

    fn everywhere(&mut self, plan: &Plan, kind: Kind) -> Verdict {
        let blocks = BLOCKS_MAX.min(plan.options.blocks);
        (0..plan.options.all_units())
            .try_for_each(|unit| self.insist(Operation { kind, unit, lba: 0, blocks, vector: 0 }))
    }

    /// Repeats an operation until it is done, or the controller is given up because it was reset too often: unit attentions and
    /// deferred errors are told once each.
    fn insist(&mut self, op: Operation) -> Verdict {
        for _ in 0..TRIES {
            let begun = self.machine.now();
            while !self.submit(op)? {
                if self.adapter.stopped().is_some() {
                    return Ok(());
                }
                let refused = self.machine.now().since(begun);
                require(refused < RECOVERY, Oracle::BoundedRecovery, || {
                    format!("{op:?} is refused for {} s", refused.as_secs())
                })?;
            }
            let at = self.judge.flights.len() - 1;
            self.settle(Oracle::BoundedRecovery)?;
            if self.judge.was_done(at) || self.adapter.stopped().is_some() {
                return Ok(());
            }
        }
        let what = format!("{op:?} fails {TRIES} times although nothing goes wrong any more");
        Err(Violation::new(Oracle::BoundedRecovery, what))
    }

    /// Ends the adapter in one of several ways, and looks at what is left.
    fn finish(&mut self, plan: &Plan, dead: bool) -> Verdict {
        if !dead {
            self.quiet()?;
            if plan.options.end > 1 {
                self.be_busy(plan)?;
            }
            self.judge.end();
            match plan.options.end % 2 {
                0 => self.adapter.shutdown(),
                _ => {
                    self.machine.with_controller(Troubled::remove);
                    self.adapter.handle_gone();
                }
            }
        }
        let begun = self.machine.now();
        while self.adapter.stopped().is_none()
            || self.adapter.outstanding() > 0
            || !self.flushing.is_empty()
            || !self.concluding.is_empty()
        {
            self.turn()?;
            require(self.machine.now().since(begun) < RECOVERY, Oracle::Teardown, || {
                "the adapter does not stop".into()
            })?;
        }
        self.judge.all_ended()?;
        self.machine.forbid_access();
        self.silence()?;
        let home = self.buffers.len();
        require(home == self.buffers_total, Oracle::BoundedMemory, || {
            format!("{home} of {} buffers came home", self.buffers_total)
        })?;
        for buffer in &self.buffers {
            self.judge.idle_memory(buffer)?;
        }
        self.audit(plan)
    }

    /// As many commands as go in, none of which has ended yet.
    fn be_busy(&mut self, plan: &Plan) -> Verdict {
        let most = (plan.options.vectors * plan.options.depth) as usize;
        for op in plan.operations.iter().take(most) {
            if self.is_full(Some(op)) || !self.submit(*op)? {
                break;
            }
        }
        if self.adapter.outstanding() > 0 {
            self.judge.tally.saw(Sometimes::BusyEnd);
        }
        Ok(())
    }

    /// After the end no register is touched.
    fn silence(&mut self) -> Verdict {
        for _ in 0..4 {
            self.turn()?;
        }
        let strays = self.machine.stray_accesses();
        require(strays == 0, Oracle::Silence, || format!("{strays} register accesses at the end"))
    }

    /// With no work, nothing is written and nobody wakes up all the time.
    fn quiet(&mut self) -> Verdict {
        for _ in 0..4 {
            self.turn()?;
        }
        let (before, begun) = (self.machine.register_count(), self.machine.now());
        let mut polls = 0;
        while self.machine.now().since(begun) < Duration::from_secs(5) {
            self.turn()?;
            polls += 1;
        }
        let writes = self.machine.register_count().writes - before.writes;
        require(writes == 0 && polls <= 200, Oracle::Quiet, || {
            format!("{writes} register writes and {polls} polls in 5 s without work")
        })
    }

    /// Whether the audit names a disk that is behind the violation: it broke its promise, not the driver.
    fn is_named(&mut self, plan: &Plan, violation: &Violation) -> bool {
        let of_disks = [
            Oracle::DurableFloor,
            Oracle::NoRevert,
            Oracle::FuaDurable,
            Oracle::ReadData,
            Oracle::Visible,
        ];
        let unit = violation.unit.filter(|_| !plan.is_honest());
        unit.is_some_and(|unit| of_disks.contains(&violation.oracle) && self.lies(unit) > 0)
            && self.audit(plan).is_ok()
    }

    /// How often a unit did not keep its promise.
    fn lies(&self, unit: u32) -> u64 {
        let (disk, unit) = (unit / self.units_per_disk, unit % self.units_per_disk);
        let mut watched = locked(&self.disks[disk as usize]);
        watched.disk.unit(unit as usize).map_or(0, |unit| unit.lies().total())
    }

    /// Names the disks that broke their promise.
    fn audit(&mut self, plan: &Plan) -> Verdict {
        let lied = (0..plan.options.all_units()).filter(|unit| self.lies(*unit) > 0).count();
        self.judge.tally.liars += lied as u64;
        require(!plan.is_honest() || self.judge.tally.liars == 0, Oracle::FuaDurable, || {
            "an honest disk is named by the audit".into()
        })
    }

    /// What the disks did since. All of it is noted before a fault strikes: the disks are further already.
    fn witness(&mut self) -> Verdict {
        let (mut executed, mut flushed) = (0, 0);
        for index in 0..self.disks.len() {
            let mut watched = locked(&self.disks[index]);
            for seen in watched.log.drain(..) {
                let unit = index as u32 * self.units_per_disk + u32::from(seen.lun);
                self.judge.executed(unit, &seen)?;
                executed += 1;
                flushed += u32::from(seen.opcode == Opcode::SYNCHRONIZE_CACHE_10);
            }
        }
        for (site, count) in [(Site::Executed, executed), (Site::Flushed, flushed)] {
            (0..count).try_for_each(|_| self.count(site))?;
        }
        Ok(())
    }

    fn complete(&mut self, done: Done<'_, Data>) -> Verdict {
        let (now, index) = (self.machine.now(), done.completion.cookie.0 as usize);
        self.judge.completed(&done, now)?;
        if let Some(flush) = self.flushing.iter_mut().find(|f| f.try_is == Try::Sent(index)) {
            flush.ended(&done, now);
        }
        self.take_home(done.completion.data);
        self.count(Site::Completed)
    }

    fn events(&mut self) -> Result<bool, Violation> {
        let mut any = false;
        while let Some(event) = self.adapter.poll_event() {
            any = true;
            self.judge.event(&event)?;
            match event {
                ControlEvent::TargetArrived(target) | ControlEvent::TargetChanged(target) => {
                    let known = self
                        .disks
                        .iter()
                        .position(|disk| locked(disk).disk_name() == SasAddress(target.port_name));
                    if let Some(index) = known {
                        if self.targets[index] != target.id {
                            self.judge.readdressed(index);
                        }
                        self.targets[index] = target.id;
                    }
                }
                ControlEvent::Recovering(nexus, rung) => {
                    self.note_function(nexus, rung);
                    self.judge.tally.saw(match rung {
                        Rung::Abort => Sometimes::Aborted,
                        Rung::LogicalUnitReset => Sometimes::UnitReset,
                        Rung::TargetReset => Sometimes::TargetReset,
                        Rung::ControllerReset => Sometimes::ControllerReset,
                    });
                    self.count(Site::Recovering)?;
                }
                _ => {}
            }
        }
        Ok(any)
    }

    /// A function was sent that ends commands of these units.
    fn note_function(&mut self, nexus: Nexus, rung: Rung) {
        let now = self.machine.now();
        for unit in 0..self.judge.units() as u32 {
            let here = self.nexus(unit);
            let all = rung == Rung::TargetReset && here.target == nexus.target;
            if all || rung == Rung::LogicalUnitReset && here == nexus {
                self.judge.function(unit, now);
            }
        }
    }

    /// One more event at a site, and the faults that wait for it.
    fn count(&mut self, site: Site) -> Verdict {
        self.counts[site as usize] += 1;
        self.fire(site)
    }

    fn fire(&mut self, site: Site) -> Verdict {
        let reached = match site {
            Site::Time => self.machine.now().since(self.start).as_millis() as u32,
            site => self.counts[site as usize],
        };
        let due = |entry: &Entry| entry.site == site && entry.nth <= reached;
        while let Some(at) = self.schedule.iter().rposition(due) {
            let entry = self.schedule.remove(at);
            self.inject(entry)?;
        }
        Ok(())
    }

    fn inject(&mut self, entry: Entry) -> Verdict {
        let Entry { fault, unit, count, .. } = entry;
        let unit = unit % self.judge.units() as u32;
        let disk = unit / self.units_per_disk;
        self.judge.injected(&entry, disk, self.units_per_disk);
        match fault {
            Fault::PowerCut => self.cut_power(None, count),
            Fault::DiskPowerCut => self.cut_power(Some(disk), count),
            Fault::PullDisk => self.pull(disk, count),
            Fault::HoldDisk => {
                self.machine.hold(disk as usize, true);
                self.later(fault, disk, count);
            }
            Fault::Freeze => {
                self.machine.with_controller(|c| c.trouble(fault, count));
                self.later(fault, disk, count);
            }
            Fault::Abort => {
                if let Some(handle) = self.judge.oldest(true) {
                    self.adapter.abort(handle);
                    self.judge.abort_of(handle);
                }
            }
            Fault::UnitReset => {
                let nexus = self.nexus(unit);
                self.judge.function(unit, self.machine.now());
                let _ = self.adapter.task_management(TaskManagement::LogicalUnitReset(nexus));
            }
            Fault::Reset => self.adapter.request_reset(self.machine.now()),
            Fault::ClockJump => {
                self.judge.jump();
                self.machine.advance(Duration::from_millis(count.into()));
                self.accepted = self.machine.now();
            }
            Fault::Blind => self.injections.blind(count),
            Fault::Swallow => self.injections.swallow(count),
            Fault::NoFrames => self.injections.no_frames(count),
            _ => self.trouble(entry, unit, disk),
        }
        Ok(())
    }

    /// Faults of one disk, and those of the controller.
    fn trouble(&mut self, entry: Entry, unit: u32, disk: u32) {
        let Entry { fault, nth, count, .. } = entry;
        self.machine.with_controller(|c| c.trouble(fault, count));
        let mut watched = locked(&self.disks[disk as usize]);
        let Some(mut control) = watched.disk.unit((unit % self.units_per_disk) as usize) else {
            return;
        };
        let times = Times::Next(count);
        let lba = scsi_proto::Lba(u64::from(nth % 8));
        match fault {
            Fault::Busy => control.refuse_commands(scsi_proto::Status::BUSY, times),
            Fault::TaskSetFull => {
                control.refuse_commands(scsi_proto::Status::TASK_SET_FULL, times);
            }
            Fault::ShortData => control.limit_data(BLOCK as u32, times),
            Fault::ReadError => control.fail_medium(
                MediumAccess::Read,
                lba,
                2,
                Condition::UNRECOVERED_READ_ERROR,
                times,
            ),
            Fault::WriteError => {
                control.fail_medium(MediumAccess::Write, lba, 2, Condition::WRITE_ERROR, times);
            }
            Fault::FlushError => control.fail_flushes(Condition::WRITE_ERROR, times),
            Fault::Deferred => control.defer_error(lba, Condition::WRITE_ERROR),
            Fault::Attention => control.raise_attention(match nth % 3 {
                0 => Condition::MODE_PARAMETERS_CHANGED,
                1 => Condition::BUS_DEVICE_RESET_FUNCTION_OCCURRED,
                _ => Condition::I_T_NEXUS_LOSS_OCCURRED,
            }),
            Fault::CacheChange => control.change_write_cache(nth % 2 == 0),
            Fault::BatteryFailure => control.fail_battery(nth % 2 == 0),
            Fault::MisdirectedWrite => {
                control.miswrite(Miswrite::Misdirected { by: 1 + u64::from(nth % 7) }, times);
            }
            Fault::ShornWrite => control.miswrite(Miswrite::Shorn, times),
            _ => {}
        }
    }

    fn cut_power(&mut self, disk: Option<u32>, millis: u32) {
        let fault = if disk.is_some() { Fault::DiskPowerCut } else { Fault::PowerCut };
        let slots = match disk {
            Some(disk) => disk as usize..disk as usize + 1,
            None => 0..self.disks.len(),
        };
        let mut cached = 0;
        for slot in slots {
            let mut watched = locked(&self.disks[slot]);
            let units = watched.disk.units();
            let blocks = (0..units).filter_map(|u| watched.disk.unit(u).map(|u| u.cached_blocks()));
            cached += blocks.map(u64::from).sum::<u64>();
            drop(watched);
            self.machine.set_target_power(slot, false);
            for unit in 0..self.units_per_disk {
                self.judge.power_cut(slot as u32 * self.units_per_disk + unit);
            }
        }
        if !self.judge.healed {
            let most = &mut self.judge.tally.cached_at_cut;
            *most = (*most).max(cached);
        }
        self.later(fault, disk.unwrap_or(0), millis);
    }

    /// A disk is pulled out: its commands end as the controller has it, and its cache is lost.
    fn pull(&mut self, disk: u32, millis: u32) {
        let slot = disk as usize;
        if self.pulled[slot] {
            return;
        }
        self.cut_power(Some(disk), millis);
        drop(self.machine.detach(slot));
        self.pulled[slot] = true;
        self.later(Fault::PullDisk, disk, millis);
    }

    /// And is put back.
    fn plug(&mut self, slot: usize) {
        if core::mem::take(&mut self.pulled[slot]) {
            crate::target::Target::power_on(&mut locked(&self.disks[slot]).disk);
            // The slot is its own.
            let _ = self.machine.attach(slot, self.disks[slot].clone());
        }
    }

    fn later(&mut self, fault: Fault, disk: u32, millis: u32) {
        let at = self.machine.now() + Duration::from_millis(millis.max(1).into());
        self.healings.push((at, fault, disk));
    }
}

/// Tries of one operation when nothing goes wrong any more: a disk has several things to tell.
const TRIES: u32 = 12;

fn locked(disk: &Mutex<Watched>) -> MutexGuard<'_, Watched> {
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watched {
    fn disk_name(&self) -> SasAddress {
        crate::target::Target::sas_address(&self.disk)
    }
}

/// For how long a command of an untroubled disk may be on its way.
pub(super) const fn patience() -> Duration {
    PATIENCE
}

#[cfg(test)]
mod tests;
