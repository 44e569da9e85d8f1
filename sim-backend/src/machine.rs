//! A controller, its targets and host memory as one machine, and the registers as the platform reaches them.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::time::Duration;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hba_core::register::{ALL_ONES, RegOffset, Registers};
use hba_core::time::Instant;

use crate::controller::{ControllerModel, Progress};
use crate::memory::SimMemory;
use crate::target::Target;
use crate::topology::AttachError;

/// A simulated machine around one controller.
///
/// Nothing happens by itself. Time is what [`set_now`](Self::set_now) and [`advance`](Self::advance) say. The controller
/// works when [`run`](Self::run) is called, and, unless [`set_budget`](Self::set_budget) says 0, for a while before each
/// register read. The same calls give the same run.
#[derive(Debug)]
pub struct SimMachine<C> {
    shared: Arc<Mutex<Shared<C>>>,
    memory: SimMemory,
}

/// What loses power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerDomain {
    /// The targets; the controller stays up, ends their commands and reports that they are gone.
    Targets,
    /// Targets and controller. Host memory keeps its contents: it belongs to the test.
    Machine,
}

/// One register access, for a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A read and what it gave.
    Read(RegOffset, u32),
    /// A write.
    Write(RegOffset, u32),
}

/// How often registers were touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegisterCount {
    /// Reads.
    pub reads: u64,
    /// Writes.
    pub writes: u64,
}

#[derive(Debug)]
struct Shared<C> {
    controller: C,
    now: Instant,
    /// Units of work before each register read.
    budget: u32,
    /// How much time an access takes.
    access_time: Duration,
    count: RegisterCount,
    /// Accesses since the machine was declared off limits.
    stray: Option<u64>,
    record: VecDeque<Access>,
    record_max: usize,
    /// Register accesses until the controller is pulled out.
    removal: Option<u64>,
    /// It was.
    removed: bool,
}

impl<C: ControllerModel> SimMachine<C> {
    /// Work units before each register read, unless [`set_budget`](Self::set_budget) says otherwise.
    pub const BUDGET: u32 = 4096;

    /// Puts the machine together. `controller` must use the device side of `memory`.
    #[must_use]
    pub fn new(controller: C, memory: SimMemory) -> Self {
        let shared = Shared {
            controller,
            now: Instant::ZERO,
            budget: Self::BUDGET,
            access_time: Duration::ZERO,
            count: RegisterCount::default(),
            stray: None,
            record: VecDeque::new(),
            record_max: 0,
            removal: None,
            removed: false,
        };
        Self { shared: Arc::new(Mutex::new(shared)), memory }
    }

    /// A handle to the registers.
    #[must_use]
    pub fn registers(&self) -> SimRegisters<C> {
        SimRegisters { shared: self.shared.clone() }
    }

    /// Host memory.
    #[must_use]
    pub const fn memory(&self) -> &SimMemory {
        &self.memory
    }

    /// Calls `inspect` with the controller.
    pub fn with_controller<T>(&self, inspect: impl FnOnce(&mut C) -> T) -> T {
        inspect(&mut self.lock().controller)
    }

    /// Calls `inspect` with the target in a slot, if there is one.
    pub fn with_target<T>(
        &self,
        slot: usize,
        inspect: impl FnOnce(&mut (dyn Target + 'static)) -> T,
    ) -> Option<T> {
        self.lock().controller.topology_mut().target_mut(slot).map(inspect)
    }

    /// Hot plug, see [`ControllerModel::attach`].
    ///
    /// # Errors
    ///
    /// [`AttachError`] with the target when the slot does not exist or is in use.
    pub fn attach(&self, slot: usize, target: impl Target + 'static) -> Result<(), AttachError> {
        self.lock().controller.attach(slot, Box::new(target))
    }

    /// Hot removal, see [`ControllerModel::detach`].
    pub fn detach(&self, slot: usize) -> Option<Box<dyn Target>> {
        self.lock().controller.detach(slot)
    }

    /// Lets a target go quiet, or speak again: see [`Topology::hold`](crate::topology::Topology::hold).
    pub fn hold(&self, slot: usize, held: bool) {
        self.lock().controller.topology_mut().hold(slot, held);
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.lock().now
    }

    /// Moves the clock to `now`; an earlier time changes nothing.
    pub fn set_now(&self, now: Instant) {
        let mut shared = self.lock();
        shared.now = shared.now.max(now);
    }

    /// Moves the clock by `by`.
    pub fn advance(&self, by: Duration) {
        let mut shared = self.lock();
        shared.now = shared.now + by;
    }

    /// When the controller will next have something to do, if only time is missing.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.lock().controller.next_due()
    }

    /// Lets the controller work at the current time.
    pub fn run(&self, budget: u32) -> Progress {
        let mut shared = self.lock();
        let now = shared.now;
        if shared.removed { Progress::default() } else { shared.controller.run(now, budget) }
    }

    /// How many units of work the controller does before each register read; 0: only [`run`](Self::run) counts.
    pub fn set_budget(&self, budget: u32) {
        self.lock().budget = budget;
    }

    /// How far each register access moves the clock, so that a loop that polls a register ends.
    pub fn set_access_time(&self, time: Duration) {
        self.lock().access_time = time;
    }

    /// Whether the level interrupt is asserted, after the controller has had its chance to work.
    #[must_use]
    pub fn interrupt_level(&self) -> bool {
        let mut shared = self.lock();
        shared.work();
        shared.controller.interrupt_level()
    }

    /// Message signalled interrupts since the last call, after the controller has had its chance to work.
    #[must_use = "the count starts again at 0"]
    pub fn take_messages(&self) -> u32 {
        let mut shared = self.lock();
        shared.work();
        shared.controller.take_messages()
    }

    /// Vectors with message signalled interrupts since the last call, bit n for vector n, after the controller has had its
    /// chance to work.
    #[must_use = "the vectors start again at none"]
    pub fn take_message_vectors(&self) -> u128 {
        let mut shared = self.lock();
        shared.work();
        shared.controller.take_message_vectors()
    }

    /// Power fails, now: volatile caches are lost. With the controller's power, commands in flight never end.
    pub fn cut_power(&self, domain: PowerDomain) {
        let mut shared = self.lock();
        if domain == PowerDomain::Machine {
            shared.controller.power_cut();
        }
        shared.set_targets_power(false);
    }

    /// Power is back.
    pub fn restore_power(&self, domain: PowerDomain) {
        let mut shared = self.lock();
        shared.set_targets_power(true);
        if domain == PowerDomain::Machine {
            shared.controller.power_on();
        }
    }

    /// Power of one target: see [`ControllerModel::set_target_power`].
    pub fn set_target_power(&self, slot: usize, on: bool) {
        self.lock().controller.set_target_power(slot, on);
    }

    /// How often registers were touched so far.
    #[must_use]
    pub fn register_count(&self) -> RegisterCount {
        self.lock().count
    }

    /// Hot removal: `accesses` more register accesses reach the controller, at the next one it is gone. From then on every
    /// register reads all ones, writes are lost, and the controller touches no memory.
    pub fn remove_after(&self, accesses: u64) {
        self.lock().removal = Some(accesses);
    }

    /// Whether the controller was pulled out by [`remove_after`](Self::remove_after).
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.lock().removed
    }

    /// From now on no register may be touched: see [`stray_accesses`](Self::stray_accesses).
    pub fn forbid_access(&self) {
        self.lock().stray = Some(0);
    }

    /// Register accesses since [`forbid_access`](Self::forbid_access); 0 before it.
    #[must_use]
    pub fn stray_accesses(&self) -> u64 {
        self.lock().stray.unwrap_or(0)
    }

    /// Keeps the last `max` register accesses.
    pub fn record(&self, max: usize) {
        self.lock().record_max = max;
    }

    /// The accesses recorded since the last call, oldest first.
    #[must_use = "the record starts again empty"]
    pub fn take_record(&self) -> Vec<Access> {
        self.lock().record.drain(..).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Shared<C>> {
        lock(&self.shared)
    }
}

/// The registers of a simulated machine. Clones reach the same device.
#[derive(Debug)]
pub struct SimRegisters<C> {
    shared: Arc<Mutex<Shared<C>>>,
}

impl<C> Clone for SimRegisters<C> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<C: ControllerModel> Registers for SimRegisters<C> {
    fn read32(&mut self, offset: RegOffset) -> u32 {
        let mut shared = lock(&self.shared);
        shared.approach_removal();
        shared.work();
        let value = if shared.removed { ALL_ONES } else { shared.controller.read(offset) };
        shared.count.reads += 1;
        shared.note(Access::Read(offset, value));
        value
    }

    fn write32(&mut self, offset: RegOffset, value: u32) {
        let mut shared = lock(&self.shared);
        shared.approach_removal();
        if !shared.removed {
            shared.controller.write(offset, value);
        }
        shared.count.writes += 1;
        shared.note(Access::Write(offset, value));
    }

    /// One access of 64 bits, recorded as two.
    fn write64(&mut self, offset: RegOffset, value: u64) {
        let mut shared = lock(&self.shared);
        shared.approach_removal();
        if !shared.removed {
            shared.controller.write64(offset, value);
        }
        shared.count.writes += 1;
        shared.note(Access::Write(offset, value as u32));
        shared.note(Access::Write(RegOffset(offset.0 + 4), (value >> 32) as u32));
    }
}

impl<C: ControllerModel> Shared<C> {
    fn approach_removal(&mut self) {
        match &mut self.removal {
            Some(0) => {
                self.removal = None;
                self.removed = true;
                self.controller.power_cut();
            }
            Some(left) => *left -= 1,
            None => {}
        }
    }

    fn work(&mut self) {
        if self.budget != 0 && !self.removed {
            self.controller.run(self.now, self.budget);
        }
    }

    fn set_targets_power(&mut self, on: bool) {
        for slot in 0..self.controller.topology().slots() {
            self.controller.set_target_power(slot, on);
        }
    }

    fn note(&mut self, access: Access) {
        self.now = self.now + self.access_time;
        if let Some(stray) = &mut self.stray {
            *stray += 1;
        }
        self.record.push_back(access);
        while self.record.len() > self.record_max {
            self.record.pop_front();
        }
    }
}

fn lock<C>(shared: &Mutex<Shared<C>>) -> MutexGuard<'_, Shared<C>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
