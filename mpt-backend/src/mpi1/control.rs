//! The control path: what an MPI 1.x controller is asked outside the data path.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

use hba_core::dma::{Coherent, DmaRegion, DmaSync};
use hba_core::limits::Limits;
use hba_core::port::{
    BadReply, BringUp, ControlPort, MemoryFault, MemoryPlan, Message, NoResources, Polled,
    PortEvent, RegionPlan, Start, TaskManagement, TaskManagementId, check_memory,
};
use hba_core::register::Registers;
use hba_core::time::Instant;

use super::bring_up::BringUpMachine;
use super::config::{CONTROL_REQUESTS, FRAME, Mpi1Config, Plan};
use super::fifo::ReplyFifo;
use super::queue::{Mpi1Queue, QueueMemory};
use super::requests::{Purpose, Requests, TASK_MANAGEMENT};
use super::reset;
use crate::bring_up::{POLL, Progress};
use crate::events::Acknowledgements;
use crate::handshake::Handshake;
use crate::ioc::{Interrupt, Watch};
use crate::reply::REPLY_FRAME;
use crate::sense::SENSE_STRIDE;

/// Reads of a state register that says RESET before that is believed.
const STATE_READS: u32 = 4;

/// An MPI 1.x controller: the backend for [`hba_core`].
///
/// `F` is the handle of the reply FIFO register; it moves into the data path when that is made.
#[derive(Debug)]
pub struct Mpi1<F, S = Coherent> {
    pub(super) config: Mpi1Config,
    pub(super) fifo: Option<F>,
    pub(super) sync: S,
    pub(super) machine: BringUpMachine,
    pub(super) plan: Option<Plan>,
    pub(super) memory: Option<ControlMemory>,
    pub(super) events: VecDeque<PortEvent>,
    pub(super) acknowledgements: Acknowledgements,
    /// The task management function of each slot that is out.
    pub(super) functions: [Option<TaskManagementId>; TASK_MANAGEMENT as usize],
    /// A task management message on its way through the doorbell.
    pub(super) doorbell: Option<Handshake>,
    watch: Watch,
    interrupt: Interrupt,
}

/// The memory that Control keeps, and where the rest lies.
#[derive(Debug)]
pub(super) struct ControlMemory {
    pub(super) requests: Requests,
    pub(super) page: DmaRegion,
    /// Bits 63:32 of request frames and reply frames.
    pub(super) frames_high: u32,
    /// Bits 63:32 of sense buffers.
    pub(super) sense_high: u32,
    /// Bits 31:0 of the first reply frame.
    pub(super) replies_low: u32,
}

impl<F: ReplyFifo> Mpi1<F> {
    /// A backend for the controller whose reply FIFO register is `fifo`, on a host with coherent DMA.
    pub fn new(config: Mpi1Config, fifo: F) -> Self {
        Self::with_sync(config, fifo, Coherent)
    }
}

impl<F: ReplyFifo, S: DmaSync + Clone> Mpi1<F, S> {
    /// A backend for a host that keeps caches and devices in step with `sync`.
    pub fn with_sync(config: Mpi1Config, fifo: F, sync: S) -> Self {
        Self {
            config,
            fifo: Some(fifo),
            sync,
            machine: BringUpMachine::new(),
            plan: None,
            memory: None,
            events: VecDeque::with_capacity(64),
            acknowledgements: Acknowledgements::new(),
            functions: [None; TASK_MANAGEMENT as usize],
            doorbell: None,
            watch: Watch::new(STATE_READS),
            interrupt: Interrupt::new([reset::REPLIES_OPEN, reset::MASKED]),
        }
    }

    /// The controller's product ID and firmware version, once its facts are known.
    pub fn identity(&self) -> Option<(u16, u32)> {
        self.plan.as_ref().map(|plan| (plan.facts.product_id, plan.facts.firmware))
    }

    fn advance_doorbell(&mut self, now: Instant, registers: &mut dyn Registers) -> Option<Polled> {
        let progress = self.doorbell.as_mut()?.poll(now, registers);
        match progress {
            Progress::Wait(_) => return None,
            Progress::Done => {}
            Progress::Gone => return Some(Polled::Gone),
            Progress::Failed(_) => {
                let why = "the doorbell took no task management message";
                self.events.push_back(PortEvent::Distrust(why));
            }
        }
        self.doorbell = None;
        None
    }

    fn split(
        &mut self,
        plan: &Plan,
        regions: Vec<DmaRegion>,
    ) -> Option<(QueueMemory, ControlMemory)> {
        let [frames, replies, sense, chains, page] = <[DmaRegion; 5]>::try_from(regions).ok()?;
        let (frames_high, sense_high) = (frames.bus().high(), sense.bus().high());
        let replies_low = replies.bus().low();
        let cut = usize::from(plan.limits.queue_depth) * FRAME;
        let (frames, own) = frames.split_at(cut);
        let requests = Requests::new(own, plan.facts.frame_size, plan.limits.queue_depth);
        let control = ControlMemory { requests, page, frames_high, sense_high, replies_low };
        Some((QueueMemory { frames, chains, sense, replies }, control))
    }
}

impl<F: ReplyFifo, S: DmaSync + Clone> ControlPort for Mpi1<F, S> {
    type Queue = Mpi1Queue<F, S>;

    fn begin(&mut self, start: Start, now: Instant) {
        self.machine.begin(start);
        self.functions = [None; TASK_MANAGEMENT as usize];
        self.doorbell = None;
        self.watch.next = now;
        self.interrupt.handle_reset();
        self.events.clear();
        self.acknowledgements.clear();
        if let Some(memory) = &mut self.memory {
            memory.requests.forget_all();
        }
    }

    fn bring_up(&mut self, now: Instant, registers: &mut dyn Registers) -> BringUp {
        self.step_bring_up(now, registers)
    }

    fn limits(&self) -> Option<&Limits> {
        self.plan.as_ref().map(|plan| &plan.limits)
    }

    fn memory_plan(&self) -> MemoryPlan {
        let Some(plan) = &self.plan else { return MemoryPlan { regions: Vec::new() } };
        let depth = usize::from(plan.limits.queue_depth);
        let page = self.config.page_size as usize;
        let region = |name, bytes: usize, align, upper_half| {
            let len = bytes.next_multiple_of(page);
            RegionPlan { name, len, align, upper_half, window: plan.limits.window }
        };
        MemoryPlan {
            regions: vec![
                region("request frames", usize::from(plan.frames()) * FRAME, 64, 0),
                region("reply frames", usize::from(plan.replies) * REPLY_FRAME, 64, 0),
                region("sense buffers", depth * SENSE_STRIDE, 8, 1),
                region("chain segments", depth * plan.chains.bytes(), 64, 2),
                region("configuration page", page, 8, 3),
            ],
        }
    }

    fn provide_memory(
        &mut self,
        regions: Vec<DmaRegion>,
    ) -> Result<Vec<Mpi1Queue<F, S>>, MemoryFault> {
        let planned = self.memory_plan();
        let count = MemoryFault::Count { given: regions.len(), planned: planned.regions.len() };
        let Some(plan) = self.plan else { return Err(count) };
        check_memory(&planned, &regions, &plan.limits)?;
        let (Some((queue, control)), Some(fifo)) = (self.split(&plan, regions), self.fifo.take())
        else {
            return Err(count);
        };
        debug_assert!(plan.frames() == plan.limits.queue_depth + CONTROL_REQUESTS);
        self.memory = Some(control);
        Ok(vec![Mpi1Queue::new(fifo, self.sync.clone(), &plan, queue)])
    }

    fn poll(&mut self, now: Instant, registers: &mut dyn Registers) -> Polled {
        if let Some(news) = self.watch.look(now, registers) {
            return news;
        }
        if let Some(news) = self.advance_doorbell(now, registers) {
            return news;
        }
        self.send_acknowledgement(registers);
        let soon = self.doorbell.is_some() || !self.events.is_empty();
        Polled::Operational(if soon { now + POLL } else { self.watch.next })
    }

    fn handle_message(&mut self, message: &Message, now: Instant, registers: &mut dyn Registers) {
        let (bytes, len) = message.bytes();
        let Some(memory) = &self.memory else { return };
        let Some(context) = message.words().get(2).copied() else {
            return self.distrust("a reply that names nothing");
        };
        let invented = !memory.requests.is_name(context);
        let handled = match memory.requests.find(context) {
            Ok(Purpose::Events) => self.handle_event(&bytes[..len]),
            Ok(Purpose::EventAck) => {
                self.release(Purpose::EventAck);
                self.send_acknowledgement(registers);
                Ok(())
            }
            Ok(Purpose::TaskManagement(slot)) => self.handle_task_reply(slot, &bytes[..len]),
            Ok(purpose @ (Purpose::FirstFetch | Purpose::Config)) => {
                self.release(purpose);
                self.handle_bring_up_reply(purpose, &bytes[..len], now)
            }
            Err(bad) => Err(bad),
        };
        if let Err(bad) = handled {
            self.events.push_back(PortEvent::BadReply(bad));
            // A request that is not out any more may be answered once more; what is never sent, or answered with another
            // function, cannot be explained.
            if invented {
                self.distrust("a reply to a request that cannot be");
            } else if !matches!(bad, BadReply::UnknownTag { .. }) {
                self.distrust("a reply of another function than its request");
            }
        }
    }

    fn send_task_management(
        &mut self,
        task: TaskManagement,
        id: TaskManagementId,
        _now: Instant,
        registers: &mut dyn Registers,
    ) -> Result<(), NoResources> {
        self.send_task(task, id, registers)
    }

    fn poll_event(&mut self) -> Option<PortEvent> {
        self.events.pop_front()
    }

    fn set_interrupts(&mut self, enabled: bool, registers: &mut dyn Registers) {
        self.interrupt.set(enabled, registers);
    }

    fn claims_interrupt(&mut self, registers: &mut dyn Registers) -> bool {
        self.interrupt.is_claimed(registers)
    }
}

impl<F, S> Mpi1<F, S> {
    /// While the controller comes up, words that an earlier driver left behind are only counted.
    fn distrust(&mut self, why: &'static str) {
        if self.machine.is_ready() {
            self.events.push_back(PortEvent::Distrust(why));
        }
    }

    pub(super) fn release(&mut self, purpose: Purpose) {
        if let Some(memory) = &mut self.memory {
            memory.requests.release(purpose);
        }
    }
}
