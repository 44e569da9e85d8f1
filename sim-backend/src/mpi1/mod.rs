//! An LSI SAS1068 (MPI 1.x) at register level.
//!
//! The model knows only what a host can see: registers, frames in host memory, replies, interrupts. Its
//! [`Personality`] decides whether it behaves like the hardware that drivers describe or like QEMU's `mptsas1068`.
//! No value from the host makes it panic, loop or reach past what the host mapped.

mod codes;
mod config;
mod config_pages;
mod diagnostic;
mod doorbell;
mod events;
mod faults;
mod fifos;
mod interrupts;
mod layout;
mod messages;
mod personality;
pub mod registers;
mod replies;
mod resets;
pub mod script;
mod scsi_io;
mod sgl;
mod task_mgmt;
#[cfg(test)]
mod tests;

use hba_core::dma::BusAddr;
use hba_core::register::{ALL_ONES, RegOffset};
use hba_core::time::Instant;

use crate::controller::{ControllerModel, Progress};
use crate::counted;
use crate::memory::{DeviceMemory, DmaFault};
use crate::mpt::handshake::Handshake;
use crate::mpt::tasks::TaskSet;
use crate::schedule::Schedule;
use crate::target::Target;
use crate::topology::{AttachError, Topology};

pub use codes::IocStatus;
pub use faults::Faults;
pub use personality::{Behaviour, Facts, Identity, Personality};
pub use registers::{FaultCode, IocState};

use config_pages::Pages;
use diagnostic::Diagnostic;
use events::Events;
use fifos::Fifos;
use interrupts::Interrupts;
use messages::{Init, PortEnable};
use registers::{
    DIAGNOSTIC, DOORBELL, INT_MASK, INT_STATUS, REPLY_FIFO, REQUEST_FIFO, REQUEST_HI_PRI_FIFO,
    STATUS_DOORBELL_PENDING, WRITE_SEQUENCE,
};
use replies::Replies;
use task_mgmt::ParkedAbort;

/// The way a message came and its reply goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Via {
    Doorbell,
    Fifo,
}

/// A simulated SAS1068.
#[derive(Debug)]
pub struct Mpi1Controller {
    personality: Personality,
    memory: DeviceMemory,
    topology: Topology,
    schedule: Schedule,
    faults: Faults,
    powered: bool,
    /// The latest time seen.
    now: Instant,
    state: IocState,
    /// When the reset under way ends.
    reset_until: Instant,
    /// A doorbell word that was not taken yet.
    doorbell_word: Option<u32>,
    handshake: Handshake,
    diagnostic: Diagnostic,
    interrupts: Interrupts,
    fifos: Fifos,
    replies: Replies,
    /// What the host said with IOC_INIT.
    init: Init,
    port_enable: PortEnable,
    tasks: TaskSet<layout::ScsiIoRequest>,
    parked_aborts: Vec<ParkedAbort>,
    events: Events,
    pages: Pages,
}

impl Mpi1Controller {
    /// A controller at power-on, with empty slots.
    #[must_use]
    pub fn new(personality: Personality, memory: DeviceMemory) -> Self {
        let facts = &personality.facts;
        let behaviour = &personality.behaviour;
        Self {
            topology: Topology::new(facts.phys.into()),
            schedule: Schedule::default(),
            faults: Faults::default(),
            powered: true,
            now: Instant::ZERO,
            state: IocState::Ready,
            reset_until: Instant::ZERO,
            doorbell_word: None,
            handshake: Handshake::default(),
            diagnostic: Diagnostic::new(behaviour.diagnostic_is_unlocked),
            interrupts: Interrupts::new(behaviour.message_per_update),
            fifos: Fifos::new(
                facts.global_credits,
                facts.high_priority_queue_depth,
                facts.reply_queue_depth,
            ),
            replies: Replies::default(),
            init: Init::new(facts),
            port_enable: PortEnable::default(),
            tasks: TaskSet::default(),
            parked_aborts: Vec::new(),
            events: Events::default(),
            pages: Pages::default(),
            personality,
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

    /// The state that the Doorbell register reports.
    #[must_use]
    pub const fn state(&self) -> IocState {
        self.state
    }

    /// Whether it works, no fault is left to strike, and the host has taken every reply.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        let quiet = self.fifos.reply_post.is_empty() && self.replies.len() == 0;
        self.state == IocState::Operational && self.faults.are_spent() && quiet
    }

    /// Commands that were accepted and have not ended.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.tasks.len()
    }

    /// Stops the controller with a fault code, unless it has stopped before.
    pub fn force_fault(&mut self, code: FaultCode) {
        if !matches!(self.state, IocState::Fault(_)) {
            self.state = IocState::Fault(code);
        }
    }

    /// Reads the register at `offset`. Unknown registers read 0.
    pub fn read(&mut self, offset: RegOffset) -> u32 {
        if self.is_gone() {
            return ALL_ONES;
        }
        if matches!(offset, DOORBELL | DIAGNOSTIC) && counted::take(&mut self.faults.read_zero) {
            return 0;
        }
        match offset {
            DOORBELL => self.read_doorbell(),
            DIAGNOSTIC => self.diagnostic.read(self.state == IocState::Reset),
            INT_STATUS => {
                let pending = self.doorbell_word.map_or(0, |_| STATUS_DOORBELL_PENDING);
                self.interrupts.status() | pending
            }
            INT_MASK => self.interrupts.mask(),
            REPLY_FIFO => self.read_reply(),
            _ => 0,
        }
    }

    /// Writes the register at `offset`. Writes to unknown registers vanish.
    pub fn write(&mut self, offset: RegOffset, value: u32) {
        if self.is_gone() {
            return;
        }
        match offset {
            DOORBELL => self.write_doorbell(value),
            WRITE_SEQUENCE => self.diagnostic.write_sequence(value),
            DIAGNOSTIC => self.write_diagnostic(value),
            INT_STATUS => self.acknowledge_doorbell(),
            INT_MASK => self.interrupts.set_mask(value),
            REQUEST_FIFO => self.post_request(value, false),
            REQUEST_HI_PRI_FIFO => self.post_request(value, true),
            REPLY_FIFO => self.free_reply(value),
            _ => {}
        }
    }

    /// Works until there is nothing to do at `now` or `budget` is used up; see [`ControllerModel::run`].
    pub fn run(&mut self, now: Instant, budget: u32) -> Progress {
        self.now = self.now.max(now);
        if self.is_gone() || self.faults.frozen {
            return Progress::default();
        }
        self.finish_reset();
        self.tasks.begin_pass();
        let mut done = 0;
        while done < budget && self.step() {
            done += 1;
        }
        // What its target holds was offered, and nothing came of that.
        Progress { done: done.saturating_sub(self.tasks.held()), more: done == budget }
    }

    /// When time alone will give [`run`](Self::run) something to do.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        let reset = (self.state == IocState::Reset).then_some(self.reset_until);
        [reset, self.port_enable.due(), self.tasks.next_due(self.now)].into_iter().flatten().min()
    }

    /// One unit of work, if there is one.
    fn step(&mut self) -> bool {
        self.consume_doorbell_word()
            || self.flush_reply()
            || self.finish_port_enable()
            || self.finish_parked_abort()
            || self.fetch_request()
            || self.execute_task()
            || self.send_event()
    }

    const fn is_gone(&self) -> bool {
        self.faults.removed || !self.powered
    }

    /// Reads a frame. Where the personality ignores DMA faults, what is not mapped reads as zeros.
    fn fetch(&self, bus: BusAddr, into: &mut [u8]) -> Result<(), DmaFault> {
        match self.memory.read(bus, into) {
            Err(_) if self.personality.behaviour.ignores_dma_faults => Ok(()),
            result => result,
        }
    }
}

impl ControllerModel for Mpi1Controller {
    fn read(&mut self, offset: RegOffset) -> u32 {
        Self::read(self, offset)
    }

    fn write(&mut self, offset: RegOffset, value: u32) {
        Self::write(self, offset, value);
    }

    fn run(&mut self, now: Instant, budget: u32) -> Progress {
        Self::run(self, now, budget)
    }

    fn next_due(&self) -> Option<Instant> {
        Self::next_due(self)
    }

    fn interrupt_level(&self) -> bool {
        !self.is_gone() && self.interrupts.level()
    }

    fn take_messages(&mut self) -> u32 {
        self.interrupts.take_messages()
    }

    fn topology(&self) -> &Topology {
        &self.topology
    }

    fn topology_mut(&mut self) -> &mut Topology {
        &mut self.topology
    }

    fn attach(&mut self, slot: usize, target: Box<dyn Target>) -> Result<(), AttachError> {
        self.topology.insert(slot, target)?;
        self.note_attached(slot);
        Ok(())
    }

    fn detach(&mut self, slot: usize) -> Option<Box<dyn Target>> {
        let target = self.topology.remove(slot)?;
        self.note_detached(slot, target.sas_address());
        Some(target)
    }

    fn set_target_power(&mut self, slot: usize, on: bool) {
        let address = self.topology.target(slot).map(Target::sas_address);
        if !self.topology.set_power(slot, on) {
            return;
        }
        match address {
            Some(address) if !on => self.note_detached(slot, address),
            _ => self.note_attached(slot),
        }
    }

    fn power_cut(&mut self) {
        self.powered = false;
        self.forget_messages();
        self.handshake.end();
    }

    fn power_on(&mut self) {
        let behaviour = &self.personality.behaviour;
        self.diagnostic = Diagnostic::new(behaviour.diagnostic_is_unlocked);
        self.interrupts = Interrupts::new(behaviour.message_per_update);
        self.init = Init::new(&self.personality.facts);
        self.pages = Pages::default();
        self.state = IocState::Ready;
        self.powered = true;
    }

    fn stop_with_fault(&mut self, code: u16) -> bool {
        self.force_fault(FaultCode(code));
        true
    }
}
