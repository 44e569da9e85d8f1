//! LSI SAS2008 (MPI 2.0) and SAS3008 (MPI 2.5) at register level, with one to many vectors.
//!
//! The model knows only what a host can see: registers, frames and queues in host memory, replies, interrupts. It is what an
//! operating system's own driver meets, so it needs plain register and memory accesses only. No value from the host makes
//! it panic, loop or reach past what the host mapped.
//!
//! # What it enforces
//!
//! | rule | a breach |
//! |---|---|
//! | SMIDs from 1 to all credits, each once; credits, for high-priority requests apart | stops the controller |
//! | descriptor types, reserved bits, the device handle of descriptor and frame alike | stops the controller |
//! | both halves of a descriptor in turn; nothing before IOC_INIT | stops the controller |
//! | vectors of IOC_INIT; indices within their queue, and not beyond what was posted | stops the controller |
//! | frames, queues, sense buffers on one side of a 4 GiB line, aligned, and where the controller reaches memory | stops the controller |
//! | the numbers and addresses of IOC_INIT | INVALID_FIELD, and it stays READY |
//! | scatter lists: types, flags, ends, chain segments, bit 63 | INVALID_SGL |
//! | reserved and unknown fields of requests, device handles, page buffers | INVALID_FIELD and its like |
//! | data where the controller reaches no memory | SCSI_IO_DATA_ERROR |
//! | a reply frame given twice, a free index that goes back | borne: Linux does it |
//! | an entry of a reply post queue that is not all ones again | borne: hardware does not look |
//!
//! Every breach is kept, and says in one sentence what it was:
//!
//! ```
//! use hba_core::register::Registers;
//! use sim_backend::machine::SimMachine;
//! use sim_backend::memory::SimMemory;
//! use sim_backend::mpi2::registers::{DOORBELL, REPLY_POST_HOST_INDEX};
//! use sim_backend::mpi2::{Mpi2Controller, Personality};
//!
//! let memory = SimMemory::new(1 << 20);
//! let controller = Mpi2Controller::new(Personality::sas3008(), memory.device());
//! let machine = SimMachine::new(controller, memory);
//! let mut registers = machine.registers();
//! registers.write32(REPLY_POST_HOST_INDEX, 0);
//! assert_eq!(registers.read32(DOORBELL) >> 28, 4, "FAULT");
//! machine.with_controller(|c| {
//!     let said = c.violations().to_string();
//!     assert_eq!(said, "register 0x6c was written before ioc init\n");
//! });
//! ```
//!
//! # What it is and is not
//!
//! Direct-attached SAS disks, one for each phy, in the controller's own enclosure; with
//! [`Personality::with_integrated_raid`] volumes too. No expanders, no SATA or NVMe devices, no target mode, no protection
//! information, no firmware but the header of its image. The numbers are those of the parts (9211-8i, 9300-8i) as far as
//! drivers print them; times are a thousandth. Unmodified `mpt3sas` of Linux attaches to both.

mod codes;
mod config;
mod control;
mod devices;
mod diagnostic;
mod discovery;
mod doorbell;
mod events;
mod faults;
mod firmware;
mod init;
mod interrupts;
mod layout;
mod messages;
mod pages;
mod pci;
mod personality;
mod queues;
pub mod registers;
mod replies;
mod requests;
mod resets;
mod scsi_io;
mod sgl;
mod task_mgmt;
#[cfg(test)]
mod tests;
mod violation;
mod volumes;

use hba_core::register::{ALL_ONES, RegOffset};
use hba_core::time::Instant;

use crate::controller::{ControllerModel, Progress};
use crate::counted::take;
use crate::memory::DeviceMemory;
use crate::mpt::handshake::Handshake;
use crate::mpt::tasks::TaskSet;
use crate::schedule::Schedule;
use crate::target::Target;
use crate::topology::{AttachError, Topology};

pub use codes::IocStatus;
pub use faults::Faults;
pub use pci::PciIdentity;
pub use personality::{Behaviour, Facts, Identity, MpiVersion, Personality, capability};
pub use registers::{FaultCode, IocState};
pub use violation::{SglProblem, Violation, Violations};

use devices::Devices;
use diagnostic::Diagnostic;
use events::Events;
use init::Init;
use interrupts::Interrupts;
use messages::PortEnable;
use pages::Stored;
use registers::{
    ATOMIC_REQUEST_POST, DOORBELL, HCB_SIZE, HOST_DIAGNOSTIC, INT_MASK, INT_STATUS,
    POST_INDEX_MASK, POST_VECTOR_SHIFT, REPLY_FREE_HOST_INDEX, REPLY_POST_HOST_INDEX,
    REQUEST_POST_HIGH, REQUEST_POST_LOW, STATUS_DOORBELL_PENDING, SUPPLEMENTAL_COUNT,
    SUPPLEMENTAL_POST_INDEX, SUPPLEMENTAL_STRIDE, WRITE_SEQUENCE,
};
use replies::Replies;
use requests::Requests;
use scsi_io::Kept;

/// Where the reply to a request goes: its SMID, and the vector that its descriptor chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Route {
    smid: u16,
    vector: u8,
}

/// The way a message came and its reply goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Via {
    Doorbell,
    Queue(Route),
}

impl Via {
    /// The SMID, or 0 for the doorbell.
    const fn smid(self) -> u16 {
        match self {
            Self::Doorbell => 0,
            Self::Queue(route) => route.smid,
        }
    }
}

/// A simulated SAS2008 or SAS3008.
#[derive(Debug)]
pub struct Mpi2Controller {
    personality: Personality,
    memory: DeviceMemory,
    topology: Topology,
    schedule: Schedule,
    faults: Faults,
    violations: Violations,
    powered: bool,
    /// The latest time seen.
    now: Instant,
    state: IocState,
    /// When the reset or the core dump under way ends.
    until: Instant,
    /// A doorbell word that was not taken yet.
    doorbell_word: Option<u32>,
    handshake: Handshake,
    diagnostic: Diagnostic,
    hcb_size: u32,
    interrupts: Interrupts,
    who_init: u8,
    /// What the host said with IOC_INIT.
    init: Option<Init>,
    requests: Requests,
    replies: Replies,
    port_enable: PortEnable,
    devices: Devices,
    tasks: TaskSet<Kept>,
    events: Events,
    pages: Stored,
    /// Diagnostic buffers that the host has posted: trace, snapshot, extended.
    diag_buffers: [bool; 3],
}

impl Mpi2Controller {
    /// A controller at power-on, with empty slots.
    #[must_use]
    pub fn new(personality: Personality, memory: DeviceMemory) -> Self {
        let facts = &personality.facts;
        Self {
            topology: Topology::new(facts.slots()),
            schedule: Schedule::default(),
            faults: Faults::default(),
            violations: Violations::default(),
            powered: true,
            now: Instant::ZERO,
            state: IocState::Ready,
            until: Instant::ZERO,
            doorbell_word: None,
            handshake: Handshake::default(),
            diagnostic: Diagnostic::default(),
            hcb_size: 0,
            interrupts: Interrupts::new(),
            who_init: 0,
            init: None,
            requests: Requests::new(facts),
            replies: Replies::default(),
            port_enable: PortEnable::default(),
            devices: Devices::new(facts),
            tasks: TaskSet::default(),
            events: Events::default(),
            pages: Stored::default(),
            diag_buffers: [false; 3],
            personality,
            memory,
        }
    }

    /// What kind of controller this is.
    #[must_use]
    pub const fn personality(&self) -> &Personality {
        &self.personality
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

    /// What the host did against the rules since power-on.
    #[must_use]
    pub const fn violations(&self) -> &Violations {
        &self.violations
    }

    /// Whether the host said by an array where its reply post queues are; `None` before IOC_INIT.
    #[must_use]
    pub fn has_queues_apart(&self) -> Option<bool> {
        self.init.as_ref().map(|init| init.apart)
    }

    /// Requests that were posted and have no reply yet, commands or not.
    #[must_use]
    pub const fn outstanding(&self) -> usize {
        self.requests.outstanding()
    }

    /// Reads the register at `offset`. Unknown registers read 0.
    pub fn read(&mut self, offset: RegOffset) -> u32 {
        if self.is_gone() {
            return ALL_ONES;
        }
        if matches!(offset, DOORBELL | HOST_DIAGNOSTIC) && take(&mut self.faults.read_zero) {
            return 0;
        }
        match offset {
            DOORBELL => self.read_doorbell(),
            HOST_DIAGNOSTIC => self.diagnostic.read(self.state == IocState::Reset),
            INT_STATUS => {
                let pending = self.doorbell_word.map_or(0, |_| STATUS_DOORBELL_PENDING);
                self.interrupts.status() | pending
            }
            INT_MASK => self.interrupts.mask(),
            HCB_SIZE => self.hcb_size,
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
            HOST_DIAGNOSTIC => self.write_diagnostic(value),
            INT_STATUS => self.acknowledge_doorbell(),
            INT_MASK => self.interrupts.set_mask(value),
            HCB_SIZE => self.hcb_size = value,
            REPLY_FREE_HOST_INDEX => self.set_free_index(value),
            REPLY_POST_HOST_INDEX => {
                let vector = (value >> POST_VECTOR_SHIFT) as u8;
                self.set_post_index(vector, value & POST_INDEX_MASK);
            }
            REQUEST_POST_LOW => self.post_low(value),
            REQUEST_POST_HIGH => self.post_high(value),
            ATOMIC_REQUEST_POST => self.post_atomic(value),
            _ => self.write_supplemental(offset, value),
        }
    }

    /// A supplemental reply post host index, of eight vectors each, or a register that is not there.
    fn write_supplemental(&mut self, offset: RegOffset, value: u32) {
        let from = offset.0.checked_sub(SUPPLEMENTAL_POST_INDEX.0);
        let from = from.filter(|from| from.is_multiple_of(SUPPLEMENTAL_STRIDE));
        let bank = from.map(|from| from / SUPPLEMENTAL_STRIDE);
        let there = self.personality.facts.version >= MpiVersion::V2_5;
        match bank.filter(|bank| there && *bank < SUPPLEMENTAL_COUNT) {
            Some(bank) => {
                let in_bank = value >> POST_VECTOR_SHIFT;
                if in_bank > 7 {
                    let vectors = self.init.as_ref().map_or(1, Init::vectors);
                    return self.fault(Violation::Vector { vector: in_bank as u8, vectors });
                }
                self.set_post_index((bank * 8 + in_bank) as u8, value & POST_INDEX_MASK);
            }
            None => self.note(Violation::NoRegister { offset, value }),
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
        let waits = matches!(self.state, IocState::Reset | IocState::CoreDump(_));
        let until = waits.then_some(self.until);
        let all =
            [until, self.port_enable.due(), self.tasks.next_due(self.now), self.devices.next_due()];
        all.into_iter().flatten().min()
    }

    /// One unit of work, if there is one.
    fn step(&mut self) -> bool {
        self.consume_doorbell_word()
            || self.flush_reply()
            || self.finish_port_enable()
            || self.fetch_request()
            || self.execute_task()
            || self.report_overdue()
            || self.send_event()
    }

    const fn is_gone(&self) -> bool {
        self.faults.removed || !self.powered
    }
}

impl ControllerModel for Mpi2Controller {
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

    fn take_message_vectors(&mut self) -> u128 {
        self.interrupts.take_vectors()
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
        self.note_detached(slot);
        Some(target)
    }

    fn set_target_power(&mut self, slot: usize, on: bool) {
        if !self.topology.set_power(slot, on) {
            return;
        }
        if on {
            self.note_attached(slot);
        } else {
            self.note_detached(slot);
        }
    }

    fn power_cut(&mut self) {
        self.powered = false;
        self.forget_messages();
        self.devices = Devices::new(&self.personality.facts);
    }

    fn stop_with_fault(&mut self, code: u16) -> bool {
        self.force_fault(FaultCode(code));
        true
    }

    fn power_on(&mut self) {
        self.diagnostic = Diagnostic::default();
        self.interrupts = Interrupts::new();
        self.pages.forget_current();
        self.hcb_size = 0;
        self.state = IocState::Ready;
        self.powered = true;
    }
}
