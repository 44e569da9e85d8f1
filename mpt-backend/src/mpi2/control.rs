//! The control path: what an MPI 2.x controller is asked outside the data path.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

use hba_core::dma::{Coherent, DmaRegion, DmaSync};
use hba_core::limits::Limits;
use hba_core::name::Vector;
use hba_core::port::{
    BadReply, BringUp, ControlPort, Detail, MemoryFault, MemoryPlan, Message, Misrouted,
    NoResources, Polled, PortEvent, RegionPlan, Start, Tag, TaskManagement, TaskManagementId,
    check_memory,
};
use hba_core::register::Registers;
use hba_core::time::Instant;
use zerocopy::IntoBytes;

use super::bring_up::BringUpMachine;
use super::config::{Mpi2Config, Plan};
use super::discover::{self, Arrivals, Discover, Next};
use super::events::Departures;
use super::note::Note;
use super::queue::{ENTRY, Mpi2Queue, QueueMemory, end_of};
use super::replies::{FreeQueue, ReplyCopy, ReplyWindow};
use super::requests::{CONTROL_REQUESTS, Purpose, Requests, TASK_MANAGEMENT};
use super::reset;
use super::sgl::FRAME;
use super::tasks::Sent;
use crate::bring_up::POLL;
use crate::events::Acknowledgements;
use crate::ioc::{Interrupt, Watch};
use crate::reply::REPLY_FRAME;
use crate::sense::SENSE_STRIDE;
use crate::status::{NONSENSE, SUCCESS};
use crate::wire::mpi2::{IocCapabilities2, RdpqEntry};

/// Reads of a state register that says RESET before that is believed.
const STATE_READS: u32 = 30;

/// An MPI 2.x controller: the backend for [`hba_core`].
#[derive(Debug)]
pub struct Mpi2<S = Coherent> {
    pub(super) config: Mpi2Config,
    pub(super) sync: S,
    pub(super) machine: BringUpMachine,
    pub(super) plan: Option<Plan>,
    pub(super) memory: Option<ControlMemory>,
    pub(super) events: VecDeque<PortEvent>,
    pub(super) acknowledgements: Acknowledgements,
    pub(super) departures: Departures,
    pub(super) arrivals: Arrivals,
    /// Disks that volumes are made of: not targets themselves.
    pub(super) members: Vec<u16>,
    /// What is being looked up, and until when.
    pub(super) discover: Option<(Discover, Instant)>,
    /// Volumes changed: look at everything again.
    pub(super) resurvey: bool,
    /// The task management function of each slot that is out.
    pub(super) functions: [Option<Sent>; TASK_MANAGEMENT as usize],
    watch: Watch,
    interrupt: Interrupt,
}

/// The memory that Control keeps, and where the rest lies.
#[derive(Debug)]
pub(super) struct ControlMemory {
    pub(super) requests: Requests,
    pub(super) page: DmaRegion,
    pub(super) free: FreeQueue,
    /// The frame of SMID 0.
    pub(super) frames: u64,
    /// Bits 63:32 of sense buffers and of reply frames.
    pub(super) sense_high: u32,
    pub(super) replies_high: u32,
    /// The post queues, or the array that says where they are.
    pub(super) post: u64,
    /// Nobody's: SMID 0's frame, and the array.
    _kept: [Option<DmaRegion>; 2],
}

impl Mpi2 {
    /// A backend for a controller on a host with coherent DMA.
    pub fn new(config: Mpi2Config) -> Self {
        Self::with_sync(config, Coherent)
    }
}

impl<S: DmaSync + Clone> Mpi2<S> {
    /// A backend for a host that keeps caches and devices in step with `sync`.
    pub fn with_sync(config: Mpi2Config, sync: S) -> Self {
        Self {
            config,
            sync,
            machine: BringUpMachine::new(),
            plan: None,
            memory: None,
            events: VecDeque::with_capacity(64),
            acknowledgements: Acknowledgements::new(),
            departures: Departures::new(),
            arrivals: Arrivals::default(),
            members: Vec::new(),
            discover: None,
            resurvey: false,
            functions: [None; TASK_MANAGEMENT as usize],
            watch: Watch::new(STATE_READS),
            interrupt: Interrupt::new([reset::REPLIES_OPEN, reset::MASKED]),
        }
    }

    /// The controller's product ID and firmware version, once its facts are known.
    pub fn identity(&self) -> Option<(u16, u32)> {
        self.plan.as_ref().map(|plan| (plan.facts.product_id, plan.facts.firmware))
    }

    /// Cuts the regions of the plan into what queues and Control own.
    fn split(
        &mut self,
        plan: &Plan,
        regions: Vec<DmaRegion>,
    ) -> Option<(Vec<QueueMemory>, ControlMemory)> {
        let mut regions = regions.into_iter();
        let [frames, replies, sense, free, chains, page] = core::array::from_fn(|_| regions.next());
        let (frames, replies, free) = (frames?, replies?, free?);
        let (mut sense, mut chains, page) = (sense?, chains?, page?);
        let (base, sense_high) = (frames.bus().raw(), sense.bus().high());
        let (replies_high, replies_low) = (replies.bus().high(), replies.bus().low());
        let (post, apart, array) = self.post_queues(plan, regions)?;
        let free = FreeQueue::new(free, plan.free_depth(), replies_low, plan.replies);
        let window = replies.into_view();
        let depth = usize::from(plan.limits.queue_depth);
        let (nobody, mut frames) = frames.split_at(FRAME);
        let mut queues = Vec::with_capacity(apart.len());
        for post in apart {
            let (own_frames, rest_frames) = frames.split_at(depth * FRAME);
            let (own_sense, rest_sense) = sense.split_at(depth * SENSE_STRIDE);
            let (own_chains, rest_chains) = chains.split_at(depth * plan.chains.bytes());
            (frames, sense, chains) = (rest_frames, rest_sense, rest_chains);
            let replies = ReplyWindow::new(window.clone(), plan.replies);
            let queue = QueueMemory {
                post,
                frames: own_frames,
                sense: own_sense,
                chains: own_chains,
                replies,
            };
            queues.push(queue);
        }
        let requests = Requests::new(frames, 1 + plan.commands(), plan.post);
        let control = ControlMemory {
            requests,
            page,
            free,
            frames: base,
            sense_high,
            replies_high,
            post,
            _kept: [Some(nobody), array],
        };
        Some((queues, control))
    }

    /// The address for IOC init, the queues, and the array of their addresses where they are regions of their own.
    fn post_queues(
        &mut self,
        plan: &Plan,
        mut regions: impl Iterator<Item = DmaRegion>,
    ) -> Option<(u64, Vec<DmaRegion>, Option<DmaRegion>)> {
        let len = usize::from(plan.post_depth) * ENTRY;
        let mut first = regions.next()?;
        if !plan.queues_apart() {
            let address = first.bus().raw();
            let mut queues = Vec::new();
            for _ in 0..plan.vectors() {
                let (queue, rest) = first.split_at(len);
                queues.push(queue);
                first = rest;
            }
            return Some((address, queues, None));
        }
        let (mut array, queues) = (first, regions.collect::<Vec<_>>());
        for (at, queue) in queues.iter().enumerate() {
            let base_address = queue.bus().raw().into();
            let entry = RdpqEntry { base_address, reserved: Default::default() };
            array.write_bytes(at * size_of::<RdpqEntry>(), entry.as_bytes());
        }
        self.sync.for_device(array.bus(), queues.len() * size_of::<RdpqEntry>());
        Some((array.bus().raw(), queues, Some(array)))
    }
}

impl<S: DmaSync + Clone> ControlPort for Mpi2<S> {
    type Queue = Mpi2Queue<S>;

    fn begin(&mut self, start: Start, now: Instant) {
        self.machine.begin(start);
        self.functions = [None; TASK_MANAGEMENT as usize];
        self.watch.next = now;
        self.interrupt.handle_reset();
        self.events.clear();
        self.acknowledgements.clear();
        self.departures.clear();
        self.arrivals.clear();
        (self.discover, self.resurvey) = (None, false);
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
        let commands = usize::from(plan.commands());
        let page = self.config.page_size as usize;
        let region = |name, bytes: usize, align, upper_half| {
            let len = bytes.next_multiple_of(page);
            RegionPlan { name, len, align, upper_half, window: plan.limits.window }
        };
        let queue = usize::from(plan.post_depth) * ENTRY;
        let mut regions = vec![
            region("request frames", plan.frames() * FRAME, 128, 0),
            region("reply frames", usize::from(plan.replies) * REPLY_FRAME, 64, 1),
            region("sense buffers", commands * SENSE_STRIDE, 16, 2),
            region("reply free queue", usize::from(plan.free_depth()) * 4, 16, 3),
            region("chain segments", commands * plan.chains.bytes(), 64, 4),
            region("configuration page", page, 16, 5),
        ];
        if plan.queues_apart() {
            regions.push(region("reply post queue array", page, 16, 6));
            let apart = |vector| region("reply post queue", queue, 16, 16 + plan.queue_set(vector));
            regions.extend((0..plan.vectors()).map(apart));
        } else {
            regions.push(region("reply post queues", queue * usize::from(plan.vectors()), 16, 6));
        }
        MemoryPlan { regions }
    }

    fn provide_memory(
        &mut self,
        regions: Vec<DmaRegion>,
    ) -> Result<Vec<Mpi2Queue<S>>, MemoryFault> {
        let planned = self.memory_plan();
        let count = MemoryFault::Count { given: regions.len(), planned: planned.regions.len() };
        let Some(plan) = self.plan else { return Err(count) };
        check_memory(&planned, &regions, &plan.limits)?;
        let Some((queues, control)) = self.split(&plan, regions) else { return Err(count) };
        debug_assert!(plan.frames() == 1 + usize::from(plan.commands() + CONTROL_REQUESTS));
        self.memory = Some(control);
        let queue =
            |(vector, memory)| Mpi2Queue::new(self.sync.clone(), vector as u16, &plan, memory);
        Ok(queues.into_iter().enumerate().map(queue).collect())
    }

    fn poll(&mut self, now: Instant, registers: &mut dyn Registers) -> Polled {
        if let Some(news) = self.watch.look(now, registers) {
            return news;
        }
        self.give_frames_back(registers);
        self.send_acknowledgement(registers);
        self.send_removal(registers);
        self.look_up(now, registers);
        let soon = !self.events.is_empty();
        Polled::Operational(if soon { now + POLL } else { self.watch.next })
    }

    fn handle_message(&mut self, message: &Message, now: Instant, registers: &mut dyn Registers) {
        if let Some(note) = Note::of(message) {
            return self.handle_note(&note, registers);
        }
        let (bytes, len) = message.bytes();
        let bytes = &bytes[..len];
        let Some(memory) = &self.memory else { return };
        let smid = message.words().get(2).copied().unwrap_or(u32::MAX);
        let invented = smid != 0 && !memory.requests.is_name(smid);
        let purpose = if smid == 0 { Ok(Purpose::Events) } else { memory.requests.find(smid) };
        let handled = match purpose {
            Ok(Purpose::Events) if smid == 0 => {
                let handled = self.handle_event(bytes);
                self.send_acknowledgement(registers);
                handled
            }
            Ok(Purpose::EventAck) => {
                self.release(Purpose::EventAck);
                self.send_acknowledgement(registers);
                Ok(())
            }
            Ok(Purpose::RemoveDevice) => {
                self.release(Purpose::RemoveDevice);
                self.send_removal(registers);
                Ok(())
            }
            Ok(Purpose::TaskManagement(slot)) => self.handle_task_reply(slot, bytes, registers),
            Ok(purpose @ Purpose::Config) => {
                self.release(purpose);
                self.handle_page(bytes, now);
                Ok(())
            }
            Ok(purpose @ (Purpose::Events | Purpose::PortEnable)) => {
                self.release(purpose);
                self.handle_bring_up_reply(purpose, bytes, now)
            }
            Err(bad) => Err(bad),
        };
        if let Err(bad) = handled {
            self.events.push_back(PortEvent::BadReply(bad));
            // A request that is not out any more may be answered once more; what is never sent, or answered with another
            // function, cannot be explained.
            if invented {
                self.events.push_back(PortEvent::Distrust("a reply to a request that cannot be"));
            } else if matches!(bad, BadReply::Function { .. }) {
                let why = "a reply of another function than its request";
                self.events.push_back(PortEvent::Distrust(why));
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

impl<S: DmaSync> Mpi2<S> {
    pub(super) fn release(&mut self, purpose: Purpose) {
        if let Some(memory) = &mut self.memory {
            memory.requests.release(purpose);
        }
    }

    fn handle_note(&mut self, note: &Note<'_>, registers: &mut dyn Registers) {
        let Some(memory) = &mut self.memory else { return };
        match *note {
            Note::Spent(epoch, frames) => {
                if let Err(bad) = memory.free.take_back(epoch, frames) {
                    self.events.push_back(PortEvent::BadReply(bad));
                    let why = "a reply frame was reported on two vectors";
                    self.events.push_back(PortEvent::Distrust(why));
                }
                if memory.free.runs_low() {
                    memory.free.give_back(&mut self.sync, registers);
                }
            }
            Note::Misrouted(epoch, smids) if memory.free.is_of(epoch) => {
                for smid in smids {
                    self.send_home(*smid as u16, SUCCESS);
                }
            }
            Note::MisroutedReply(epoch, smid, reply) if memory.free.is_of(epoch) => {
                let detail = end_of(&ReplyCopy::of(reply)).unwrap_or(NONSENSE);
                self.send_home(smid, detail);
            }
            // From before a reset, which has ended the commands.
            Note::Misrouted(..) | Note::MisroutedReply(..) => {}
            Note::Distrust => {
                self.events.push_back(PortEvent::Distrust("a reply that names nothing"));
            }
        }
    }

    /// The command of a SMID has ended, and not the queue that sent it was told.
    fn send_home(&mut self, smid: u16, detail: Detail) {
        let Some(plan) = &self.plan else { return };
        let Some(place) = smid.checked_sub(1).filter(|place| *place < plan.commands()) else {
            return;
        };
        let depth = plan.limits.queue_depth;
        let (vector, tag) = (Vector(place / depth), Tag(place % depth));
        self.events.push_back(PortEvent::Misrouted(Misrouted { vector, tag, detail }));
    }

    /// Every queue has had a pass since the frames that rest were reported, where one owner looks at all of them.
    pub(super) fn give_frames_back(&mut self, registers: &mut dyn Registers) {
        if let Some(memory) = &mut self.memory {
            memory.free.give_back(&mut self.sync, registers);
        }
    }

    /// Sends the next request for a page, if one is wanted.
    pub(super) fn look_up(&mut self, now: Instant, registers: &mut dyn Registers) {
        let Some(memory) = &mut self.memory else { return };
        if memory.requests.is_out(Purpose::Config) {
            if self.discover.as_ref().is_some_and(|(_, deadline)| *deadline <= now) {
                self.discover = None;
                self.events.push_back(PortEvent::Distrust("no answer to a config request"));
            }
            return;
        }
        if self.discover.is_none() {
            let raid =
                self.plan.as_ref().is_some_and(|p| p.facts.can(IocCapabilities2::INTEGRATED_RAID));
            let next = if core::mem::take(&mut self.resurvey) {
                Some(Discover::all(raid))
            } else {
                self.arrivals.pop().map(Discover::one)
            };
            self.discover = next.map(|next| (next, now));
        }
        let Some((discover, deadline)) = &mut self.discover else { return };
        *deadline = now + discover::REQUEST;
        let request = discover.request(&memory.page);
        memory.requests.post(Purpose::Config, request.as_bytes(), &mut self.sync, registers);
    }

    fn handle_page(&mut self, bytes: &[u8], now: Instant) {
        let (Some((discover, deadline)), Some(memory)) = (&mut self.discover, &self.memory) else {
            return;
        };
        *deadline = now + discover::REQUEST;
        let next = discover.handle_reply(bytes, &memory.page, &mut self.members, &mut self.sync);
        let goes_on = discover.goes_on();
        match next {
            Ok(Next::Request) => return,
            Ok(Next::Target(target)) => {
                self.events.push_back(PortEvent::TargetArrived(target));
                if goes_on {
                    return;
                }
            }
            Ok(Next::Done) => {}
            Err(error) => self.handle_lookup_error(error),
        }
        self.discover = None;
    }
}
