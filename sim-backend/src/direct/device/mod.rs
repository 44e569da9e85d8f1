//! The device side: a direct controller at register level.
//!
//! No value from the host makes it panic, loop or reach past what the host mapped; the host's mistakes end in a fault
//! state with a [`FaultCode`] or in a refused command.

mod admin;
mod faults;
mod queues;
mod rings;
mod tasks;

use hba_core::register::{ALL_ONES, RegOffset};
use hba_core::time::Instant;

use super::VECTORS_MAX;
use super::layout::{Descriptor, Ending, Topic, address};
use super::registers::{
    ADMIN_ID, ADMIN_LUN_HIGH, ADMIN_LUN_LOW, ADMIN_SUBMIT, ADMIN_TARGET, ADMIN_TASK, CAPACITY,
    ControllerState, ELEMENTS, INTERRUPT_STATUS, INTERRUPTS, RESET, RESET_KEY, SIGNATURE,
    SIGNATURE_VALUE, START, STATE, TARGET_NAME_HIGH, TARGET_NAME_LOW, TARGET_PRESENT,
    TARGET_SELECT, TARGETS, TRANSFER, VectorRegister,
};
use crate::controller::{ControllerModel, Progress};
use crate::memory::DeviceMemory;
use crate::schedule::Schedule;
use crate::target::Target;
use crate::topology::{AttachError, Topology};
use admin::{Admin, Latch};
pub use faults::{FaultCode, Faults};
use queues::Queue;
use tasks::TaskSet;

/// What the controller can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Interrupt vectors, at most 16.
    pub vectors: u16,
    /// Request slots of each vector.
    pub slots: u16,
    /// Scatter elements of one command.
    pub elements: u32,
    /// Longest transfer in bytes.
    pub transfer: u32,
    /// Target addresses.
    pub targets: u16,
    /// How long a reset takes.
    pub reset: core::time::Duration,
}

impl Default for Facts {
    /// 16 vectors of 256 slots, 1,025 elements and 4 MiB for a command, 16 targets, 100 ms for a reset.
    fn default() -> Self {
        Self {
            vectors: VECTORS_MAX,
            slots: 256,
            elements: 1025,
            transfer: 4 << 20,
            targets: 16,
            reset: core::time::Duration::from_millis(100),
        }
    }
}

/// A simulated direct controller; see the [specification](super).
#[derive(Debug)]
pub struct DirectController {
    facts: Facts,
    memory: DeviceMemory,
    topology: Topology,
    schedule: Schedule,
    faults: Faults,
    powered: bool,
    /// The latest time seen.
    now: Instant,
    state: ControllerState,
    /// When the reset under way ends; `None` until the first run after RESET.
    reset_until: Option<Instant>,
    interrupts_enabled: bool,
    /// One for each vector that [`Facts`] has, used or not.
    queues: Vec<Queue>,
    admin: Admin,
    latch: Latch,
    tasks: TaskSet,
}

impl DirectController {
    /// A controller at power-on, with empty slots.
    #[must_use]
    pub fn new(facts: Facts, memory: DeviceMemory) -> Self {
        let facts = Facts { vectors: facts.vectors.clamp(1, VECTORS_MAX), ..facts };
        Self {
            topology: Topology::new(facts.targets.into()),
            schedule: Schedule::default(),
            faults: Faults::default(),
            powered: true,
            now: Instant::ZERO,
            state: ControllerState::Ready,
            reset_until: None,
            interrupts_enabled: false,
            queues: (0..facts.vectors).map(|_| Queue::default()).collect(),
            admin: Admin::default(),
            latch: Latch::default(),
            tasks: TaskSet::default(),
            facts,
            memory,
        }
    }

    /// What goes wrong.
    pub const fn faults_mut(&mut self) -> &mut Faults {
        &mut self.faults
    }

    /// Timing and completion order from now on.
    pub fn set_schedule(&mut self, schedule: Schedule) {
        self.schedule = schedule;
    }

    /// The state that the STATE register reports.
    #[must_use]
    pub const fn state(&self) -> ControllerState {
        self.state
    }

    /// Commands that were fetched and not answered.
    #[must_use]
    pub const fn outstanding(&self) -> usize {
        self.tasks.len()
    }

    /// Whether it works, no fault is left to strike, and the host has taken every reply.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        let quiet = self.queues.iter().all(Queue::is_quiet);
        self.state == ControllerState::Operational && self.faults.are_spent() && quiet
    }

    /// Stops in the fault state with a code of the caller's choice.
    pub fn fail(&mut self, code: FaultCode) {
        self.state = ControllerState::Fault(code.0);
        self.forget();
    }

    /// The vectors that sent a message signalled interrupt since the last call: bit n for vector n.
    pub fn take_vectors(&mut self) -> u16 {
        if !self.interrupts_enabled {
            return 0;
        }
        let queues = self.queues.iter_mut().zip(0..);
        queues.fold(0, |bits, (queue, n)| bits | u16::from(queue.take_interrupt()) << n)
    }

    fn interrupt_status(&self) -> u16 {
        if !self.interrupts_enabled {
            return 0;
        }
        let queues = self.queues.iter().zip(0..);
        queues.fold(0, |bits, (queue, n)| bits | u16::from(queue.has_news()) << n)
    }

    fn is_gone(&self) -> bool {
        !self.powered || self.faults.removed
    }

    /// Everything that came from the host.
    fn forget(&mut self) {
        self.queues.iter_mut().for_each(|queue| *queue = Queue::default());
        self.admin.clear();
        self.tasks.clear();
        self.interrupts_enabled = false;
    }

    fn begin_reset(&mut self) {
        self.forget();
        self.state = ControllerState::Resetting;
        self.reset_until = None;
    }

    /// Moves a reset on; the time of its beginning is that of the first run after it.
    fn step_reset(&mut self) {
        let until = *self.reset_until.get_or_insert(self.now + self.facts.reset);
        if self.now >= until && !self.faults.stuck_in_reset {
            self.state = ControllerState::Ready;
        }
    }

    fn start(&mut self, word: u32) {
        if self.state != ControllerState::Ready {
            return;
        }
        let (depth, vectors) = (word as u16, (word >> 16) as usize);
        let fits = (1..=self.facts.slots).contains(&depth)
            && self.queues.get_mut(..vectors).is_some_and(|used| {
                !used.is_empty() && used.iter_mut().all(|queue| queue.start(depth))
            });
        match fits {
            true => self.state = ControllerState::Operational,
            false => self.fail(FaultCode::CONFIGURATION),
        }
    }

    fn write_vector(&mut self, vector: usize, register: VectorRegister, value: u32) {
        let ready = self.state == ControllerState::Ready;
        let Some(queue) = self.queues.get_mut(vector) else { return };
        let (requests, ring) = (queue.requests, queue.ring);
        match register {
            VectorRegister::DOORBELL if self.state == ControllerState::Operational => {
                let accepted = queue.ring_doorbell(value);
                if !accepted {
                    self.fail(FaultCode::DOORBELL);
                }
            }
            VectorRegister::CONSUMER => queue.consume(value),
            VectorRegister::REQUESTS_LOW if ready => {
                queue.requests = address(value, requests.high());
            }
            VectorRegister::REQUESTS_HIGH if ready => {
                queue.requests = address(requests.low(), value);
            }
            VectorRegister::RING_LOW if ready => queue.ring = address(value, ring.high()),
            VectorRegister::RING_HIGH if ready => queue.ring = address(ring.low(), value),
            VectorRegister::ENTRIES if ready => queue.entries = value,
            _ => {}
        }
    }

    /// Tells the host that something changed at a target address.
    fn announce(&mut self, slot: usize) {
        if self.state == ControllerState::Operational && !self.is_gone() {
            let subject = u32::try_from(slot).unwrap_or(u32::MAX);
            self.post(0, Descriptor::message(subject, Topic::TARGET, 0));
        }
    }

    /// One unit of work; `false` when there is none.
    fn work(&mut self) -> bool {
        match self.state {
            ControllerState::Operational => {
                self.post_stray() || self.fetch() || self.manage() || self.execute() || self.drain()
            }
            _ => false,
        }
    }
}

impl ControllerModel for DirectController {
    fn read(&mut self, offset: RegOffset) -> u32 {
        if self.is_gone() {
            return ALL_ONES;
        }
        let facts = &self.facts;
        match offset {
            SIGNATURE => SIGNATURE_VALUE,
            STATE => self.state.word(),
            CAPACITY => u32::from(facts.slots) | u32::from(facts.vectors) << 16,
            ELEMENTS => facts.elements,
            TRANSFER => facts.transfer,
            TARGETS => facts.targets.into(),
            TARGET_NAME_LOW => self.latch.name as u32,
            TARGET_NAME_HIGH => (self.latch.name >> 32) as u32,
            TARGET_PRESENT => self.latch.present.into(),
            INTERRUPT_STATUS => self.interrupt_status().into(),
            _ => 0,
        }
    }

    fn write(&mut self, offset: RegOffset, value: u32) {
        if self.is_gone() {
            return;
        }
        match offset {
            RESET if value == RESET_KEY => self.begin_reset(),
            START => self.start(value),
            INTERRUPTS => self.interrupts_enabled = value & 1 != 0,
            TARGET_SELECT => self.latch = Latch::of(&self.topology, value),
            ADMIN_TARGET => self.admin.staged.target = value,
            ADMIN_LUN_LOW => self.admin.staged.lun[0] = value,
            ADMIN_LUN_HIGH => self.admin.staged.lun[1] = value,
            ADMIN_TASK => self.admin.staged.task = value,
            ADMIN_ID => self.admin.staged.id = value,
            ADMIN_SUBMIT if self.state == ControllerState::Operational => {
                if !self.admin.submit(value) {
                    self.fail(FaultCode::ADMIN);
                }
            }
            _ => {
                if let Some((vector, register)) = VectorRegister::at(offset) {
                    self.write_vector(vector, register, value);
                }
            }
        }
    }

    fn run(&mut self, now: Instant, budget: u32) -> Progress {
        self.now = self.now.max(now);
        if self.is_gone() || self.faults.frozen {
            return Progress::default();
        }
        if self.state == ControllerState::Resetting {
            self.step_reset();
        }
        self.tasks.begin_pass();
        let mut done = 0;
        while done < budget && self.work() {
            done += 1;
        }
        // What its target holds was offered, and nothing came of that.
        Progress { done: done.saturating_sub(self.tasks.held()), more: done == budget }
    }

    fn next_due(&self) -> Option<Instant> {
        match self.state {
            ControllerState::Resetting => Some(self.reset_until.unwrap_or(self.now)),
            _ => self.tasks.next_due(),
        }
    }

    fn interrupt_level(&self) -> bool {
        self.interrupt_status() != 0
    }

    fn take_messages(&mut self) -> u32 {
        self.take_vectors().count_ones()
    }

    fn topology(&self) -> &Topology {
        &self.topology
    }

    fn topology_mut(&mut self) -> &mut Topology {
        &mut self.topology
    }

    fn attach(&mut self, slot: usize, target: Box<dyn Target>) -> Result<(), AttachError> {
        self.topology.insert(slot, target)?;
        self.announce(slot);
        Ok(())
    }

    fn detach(&mut self, slot: usize) -> Option<Box<dyn Target>> {
        let target = self.topology.remove(slot)?;
        self.end_tasks(Ending::NOT_PRESENT, |task| task.slot() == slot);
        self.announce(slot);
        Some(target)
    }

    fn power_cut(&mut self) {
        self.powered = false;
        self.forget();
    }

    fn power_on(&mut self) {
        self.powered = true;
        self.state = ControllerState::Ready;
    }
}
