//! Control and all queues under one owner: the embedding for hosts with one thread, or with none.
//!
//! Everything works by polling alone; an interrupt only says that polling is worth while. Hosts that give each vector a
//! thread take [`Control`] and the [`IoQueue`]s apart and carry the same values between them.

mod books;

use alloc::vec::Vec;

use crate::command::{Refusal, Rejected, Request};
use crate::control::{Action, Control, ControlEvent, Provided, RecoveryConfig};
use crate::dispatch::ClassTimeouts;
use crate::dma::{DataBuffer, DmaRegion};
use crate::fabric::HostMapping;
use crate::limits::Limits;
use crate::port::{ControlPort, MemoryFault, MemoryPlan, TaskManagement, TaskManagementId};
use crate::queue::{Abandoned, Batch, CommandHandle, IoQueue, Stopped, Vector};
use crate::register::{HostWrite, Registers};
use crate::time::Instant;
use books::Flushes;

/// One adapter, polled.
#[derive(Debug)]
pub struct Adapter<P: ControlPort, D: DataBuffer> {
    control: Control<P>,
    queues: Vec<IoQueue<P::Queue, D>>,
    timeouts: ClassTimeouts,
    /// Queues that are to stop as soon as they have no more to give.
    stopping: Vec<Vector>,
    /// Passes that a stopping queue still gets: a device that never stops posting does not hold up its own reset.
    passes: u32,
    /// The queue that the next pass begins with, so that a busy one does not keep the batch from the others.
    first: usize,
    flushes: Flushes,
}

/// Service passes that a queue gets before it is stopped with replies pending.
const PASSES_BEFORE_STOP: u32 = 64;

/// What a poll leaves to the host.
#[derive(Debug)]
#[must_use = "the adapter may wait for the host"]
pub struct Progress {
    /// Poll again at this time at the latest; `None` while only an interrupt can bring news.
    pub next: Option<Instant>,
    /// A budget ended the poll: poll again, once the batch has room.
    pub more: bool,
    /// What the host has to do first.
    pub need: Option<Need>,
}

/// Something that only the host can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// Allocate memory and call [`Adapter::provide_memory`].
    Memory(MemoryPlan),
    /// Clear the controller's bus master enable bit and call [`Adapter::handle_isolated`].
    Isolation,
}

/// A submitted command of an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AdapterHandle {
    /// The queue that it is on.
    pub vector: Vector,
    /// The command on that queue.
    pub command: CommandHandle,
}

impl<P: ControlPort, D: DataBuffer> Adapter<P, D> {
    /// An adapter that begins bring-up with its first [`Self::poll`].
    pub fn new(port: P, recovery: RecoveryConfig, timeouts: ClassTimeouts, now: Instant) -> Self {
        let control = Control::new(port, recovery, now);
        Self {
            control,
            queues: Vec::new(),
            timeouts,
            stopping: Vec::new(),
            passes: 0,
            first: 0,
            flushes: Flushes::default(),
        }
    }

    /// Services every queue into `batch`, lets deadlines fire, steps Control and carries its values.
    ///
    /// The batch's capacity bounds the work. Take the completions out before the next poll.
    pub fn poll(
        &mut self,
        now: Instant,
        registers: &mut dyn Registers,
        batch: &mut Batch<D>,
    ) -> Progress {
        let mut more = self.service(now, registers, batch);
        self.stop_queues(more, now);
        self.collect_expired(now);
        let mut next = self.control.step(now, registers).next;
        let mut need = None;
        while let Some(action) = self.control.poll_action() {
            match action {
                Action::ProvideMemory(plan) => need = Some(Need::Memory(plan)),
                Action::Isolate => need = Some(Need::Isolation),
                other => {
                    self.carry(other);
                    more = true;
                }
            }
        }
        self.keep_books();
        for queue in &mut self.queues {
            next = [next, queue.next_deadline()].into_iter().flatten().min();
        }
        more |= self.flushes.has_concluded();
        Progress { next, more, need }
    }

    /// Submits on the given vector and writes the doorbell.
    ///
    /// # Errors
    ///
    /// [`Rejected`] with the reason and the whole request.
    pub fn submit(
        &mut self,
        vector: Vector,
        request: Request<D>,
        now: Instant,
        registers: &mut dyn Registers,
    ) -> Result<AdapterHandle, Rejected<D>> {
        let Some(queue) = self.queues.get_mut(usize::from(vector.0)) else {
            return Err(Rejected { reason: Refusal::Stopped, request });
        };
        let submitted = queue.submit(request, now)?;
        submitted.doorbell.write_to(registers);
        Ok(AdapterHandle { vector, command: submitted.handle })
    }

    /// Aborts a command. It completes as every other does; nothing happens if it has completed already.
    pub fn abort(&mut self, handle: AdapterHandle) {
        let Some(queue) = self.queues.get_mut(usize::from(handle.vector.0)) else { return };
        if let Some(ticket) = queue.abort(handle.command) {
            self.control.handle_ticket(ticket);
        }
    }

    /// Asks for a task management function; see [`Control::task_management`].
    pub fn task_management(&mut self, task: TaskManagement) -> Option<TaskManagementId> {
        self.control.task_management(task)
    }

    /// Takes the memory that [`Need::Memory`] asks for, and makes the queues. Where it lies in the wrong 4 GiB it is dropped,
    /// and the next poll needs memory once more, from below 4 GiB: see [`Control::provide_memory`].
    ///
    /// # Errors
    ///
    /// [`MemoryFault`]; other memory may be provided.
    pub fn provide_memory(&mut self, regions: Vec<DmaRegion>) -> Result<(), MemoryFault> {
        let Provided::Queues(ports) = self.control.provide_memory(regions)? else { return Ok(()) };
        let Some(limits) = self.control.limits() else { return Ok(()) };
        let queue = |(port, vector)| IoQueue::new(port, Vector(vector), limits, self.timeouts);
        self.queues = ports.into_iter().zip(0..).map(queue).collect();
        self.flushes.set_queues(self.queues.len());
        Ok(())
    }

    /// See [`Control::none_below`].
    pub fn none_below(&self, len: usize) -> Option<MemoryFault> {
        self.control.none_below(len)
    }

    /// Puts the adapter to sleep; see [`Control::suspend`].
    #[must_use = "an adapter that is being brought up or reset is not put to sleep"]
    pub fn suspend(&mut self) -> bool {
        self.control.suspend()
    }

    /// Brings the adapter up again; see [`Control::resume`].
    #[must_use = "an adapter that does not sleep is not brought up"]
    pub fn resume(&mut self, now: Instant) -> bool {
        self.control.resume(now)
    }

    /// Whether the controller may interrupt once it is operational; see [`Control::set_interrupts`].
    pub fn set_interrupts(&mut self, enabled: bool) {
        self.control.set_interrupts(enabled);
    }

    /// What the host knows of the way from the controller to memory; see [`Control::set_mapping`].
    pub fn set_mapping(&mut self, mapping: HostMapping) {
        self.control.set_mapping(mapping);
    }

    /// Whether an interrupt on a shared line is this controller's; see [`Control::claims_interrupt`].
    pub fn claims_interrupt(&mut self, registers: &mut dyn Registers) -> bool {
        self.control.claims_interrupt(registers)
    }

    /// The controller can touch no memory any more: [`Need::Isolation`] is met.
    pub fn handle_isolated(&mut self) {
        self.control.handle_isolated();
        self.carry_all();
    }

    /// The controller left the bus.
    pub fn handle_gone(&mut self) {
        self.control.handle_gone();
        self.carry_all();
    }

    /// Before anything else, so that no queue touches the device again.
    fn carry_all(&mut self) {
        while let Some(action) = self.control.poll_action() {
            self.carry(action);
        }
    }

    /// Asks for a controller reset.
    pub fn request_reset(&mut self, now: Instant) {
        self.control.request_reset(now);
    }

    /// Stops the adapter for good; poll on until [`Self::stopped`] gives its proof.
    pub fn shutdown(&mut self) {
        self.control.shutdown();
    }

    /// Proof that the controller can touch no memory, once that is so.
    pub fn stopped(&self) -> Option<Stopped> {
        self.control.stopped()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<ControlEvent> {
        self.control.poll_event()
    }

    /// The limits, once the controller's facts are known.
    pub fn limits(&self) -> Option<&Limits> {
        self.control.limits()
    }

    /// The control machine.
    pub fn control(&self) -> &Control<P> {
        &self.control
    }

    /// The queues, by vector.
    pub fn queues(&self) -> &[IoQueue<P::Queue, D>] {
        &self.queues
    }

    /// The same, to be driven; each may be lent to a thread of its own between two polls.
    pub fn queues_mut(&mut self) -> &mut [IoQueue<P::Queue, D>] {
        &mut self.queues
    }

    /// The queue of one vector, for hosts that submit and service by hand.
    pub fn queue_mut(&mut self, vector: Vector) -> Option<&mut IoQueue<P::Queue, D>> {
        self.queues.get_mut(usize::from(vector.0))
    }

    /// Commands that the device has.
    pub fn outstanding(&self) -> usize {
        self.queues.iter().map(|queue| usize::from(queue.outstanding())).sum()
    }

    /// Ends the adapter.
    ///
    /// # Errors
    ///
    /// One [`Abandoned`] for each queue with commands outstanding.
    pub fn close(self) -> Result<(), Vec<Abandoned<D>>> {
        let abandoned: Vec<_> = self.queues.into_iter().filter_map(|q| q.close().err()).collect();
        if abandoned.is_empty() { Ok(()) } else { Err(abandoned) }
    }

    /// Whether a queue has more than the batch took.
    fn service(
        &mut self,
        now: Instant,
        registers: &mut dyn Registers,
        batch: &mut Batch<D>,
    ) -> bool {
        let mut more = false;
        let count = self.queues.len();
        self.first = if self.first + 1 < count { self.first + 1 } else { 0 };
        for at in (self.first..count).chain(0..self.first) {
            let serviced = self.queues[at].service(batch);
            let asked = serviced.ack.is_some() || self.queues[at].is_over();
            self.flushes.looked(at, asked && !serviced.more);
            if let Some(ack) = serviced.ack {
                ack.write_to(registers);
            }
            more |= serviced.more;
            if serviced.gone {
                self.handle_gone();
            }
            for message in batch.drain_messages() {
                self.control.handle_message(&message, now, registers);
            }
            if let Some(mark) = serviced.drained {
                self.control.handle_drained(mark, now);
            }
        }
        more
    }

    fn collect_expired(&mut self, now: Instant) {
        for queue in &mut self.queues {
            while let Some(ticket) = queue.poll_expired(now) {
                self.control.handle_ticket(ticket);
            }
        }
    }

    fn carry(&mut self, action: Action) {
        match action {
            Action::Gone(failure) => {
                self.stopping.clear();
                self.queues.iter_mut().for_each(|queue| queue.handle_gone(failure));
            }
            Action::Quiesce(vector) => {
                self.stopping.push(vector);
                self.passes = PASSES_BEFORE_STOP;
            }
            action => {
                let queue = action.vector().and_then(|v| self.queues.get_mut(usize::from(v.0)));
                if let Some(redeemed) = queue.and_then(|queue| action.apply(queue)) {
                    self.control.handle_redeemed(redeemed);
                }
            }
        }
    }

    /// Stops the queues that are to stop, once everything that the device did complete is taken.
    fn stop_queues(&mut self, pending: bool, now: Instant) {
        if self.stopping.is_empty() || pending && self.passes > 0 {
            self.passes = self.passes.saturating_sub(1);
            return;
        }
        for vector in self.stopping.drain(..) {
            if let Some(queue) = self.queues.get_mut(usize::from(vector.0)) {
                self.control.handle_quiesced(queue.quiesce(), now);
            }
        }
    }
}
