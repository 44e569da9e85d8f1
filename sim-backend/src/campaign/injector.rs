//! A backend around a backend that lets things go wrong between the device and the core.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};

use hba_core::command::{Command, Unsendable};
use hba_core::dma::{DmaRegion, Elements};
use hba_core::limits::Limits;
use hba_core::port::{
    BringUp, ControlPort, Detail, Disowned, MemoryFault, MemoryPlan, Message, NoResources, Polled,
    PortEvent, QueuePort, Reply, Start, Tag, TaskManagement, TaskManagementId, Unclaimed, WireTag,
};
use hba_core::register::Registers;
use hba_core::time::Instant;

/// What is to go wrong next; counts run down to 0. Clones share the counts.
#[derive(Clone, Debug, Default)]
pub struct Injections(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    blind: AtomicU32,
    swallow: AtomicU32,
    no_frames: AtomicU32,
}

impl Injections {
    /// This many looks at a reply path find nothing, whatever is there.
    pub fn blind(&self, count: u32) {
        self.0.blind.store(count, Ordering::Relaxed);
    }

    /// This many replies vanish between the device and the core.
    pub fn swallow(&self, count: u32) {
        self.0.swallow.store(count, Ordering::Relaxed);
    }

    /// This many task management functions find no frame.
    pub fn no_frames(&self, count: u32) {
        self.0.no_frames.store(count, Ordering::Relaxed);
    }

    /// Whether nothing is left to go wrong.
    #[must_use]
    pub fn are_spent(&self) -> bool {
        let Counts { blind, swallow, no_frames } = &*self.0;
        [blind, swallow, no_frames].iter().all(|count| count.load(Ordering::Relaxed) == 0)
    }

    /// Nothing goes wrong any more.
    pub fn heal(&self) {
        self.blind(0);
        self.swallow(0);
        self.no_frames(0);
    }
}

fn strike(count: &AtomicU32) -> bool {
    match count.load(Ordering::Relaxed) {
        0 => false,
        left => {
            count.store(left - 1, Ordering::Relaxed);
            true
        }
    }
}

/// Wraps the control path or the data path of any backend, as [`Tracer`](hba_core::tracer::Tracer) does.
///
/// Nothing of the core knows of it: without the wrapper there is nothing to pay for.
#[derive(Debug)]
pub struct FaultInjector<B> {
    inner: B,
    injections: Injections,
}

impl<B> FaultInjector<B> {
    /// A backend that misbehaves as `injections` say.
    pub const fn new(backend: B, injections: Injections) -> Self {
        Self { inner: backend, injections }
    }

    /// The wrapped backend.
    pub const fn inner(&self) -> &B {
        &self.inner
    }
}

impl<Q: QueuePort> QueuePort for FaultInjector<Q> {
    type Doorbell = Q::Doorbell;
    type Ack = Q::Ack;
    const GENERATION_BITS: u32 = Q::GENERATION_BITS;

    fn prepare(
        &mut self,
        name: WireTag,
        command: &Command,
        elements: Elements<'_>,
    ) -> Result<Q::Doorbell, Unsendable> {
        self.inner.prepare(name, command, elements)
    }

    fn next_reply(&mut self) -> Reply {
        if strike(&self.injections.0.blind) {
            return Reply::Empty;
        }
        let reply = self.inner.next_reply();
        let is_a_command_s = matches!(reply, Reply::Success(_) | Reply::Detail(_));
        if is_a_command_s && strike(&self.injections.0.swallow) {
            return self.inner.next_reply();
        }
        reply
    }

    fn disown(&mut self, name: WireTag, why: Unclaimed) -> Disowned {
        self.inner.disown(name, why)
    }

    fn deliver(&mut self, tag: Tag, detail: &Detail) {
        self.inner.deliver(tag, detail);
    }

    fn detail(&self) -> &Detail {
        self.inner.detail()
    }

    fn read_sense(&mut self, tag: Tag, into: &mut [u8]) {
        self.inner.read_sense(tag, into);
    }

    fn message(&self) -> &Message {
        self.inner.message()
    }

    fn acknowledge(&mut self) -> Q::Ack {
        self.inner.acknowledge()
    }

    fn restart(&mut self) {
        self.inner.restart();
    }
}

impl<P: ControlPort> ControlPort for FaultInjector<P> {
    type Queue = FaultInjector<P::Queue>;

    fn begin(&mut self, start: Start, now: Instant) {
        self.inner.begin(start, now);
    }

    fn bring_up(&mut self, now: Instant, registers: &mut dyn Registers) -> BringUp {
        self.inner.bring_up(now, registers)
    }

    fn limits(&self) -> Option<&Limits> {
        self.inner.limits()
    }

    fn memory_plan(&self) -> MemoryPlan {
        self.inner.memory_plan()
    }

    fn provide_memory(&mut self, regions: Vec<DmaRegion>) -> Result<Vec<Self::Queue>, MemoryFault> {
        let ports = self.inner.provide_memory(regions)?;
        let wrap = |port| FaultInjector::new(port, self.injections.clone());
        Ok(ports.into_iter().map(wrap).collect())
    }

    fn poll(&mut self, now: Instant, registers: &mut dyn Registers) -> Polled {
        self.inner.poll(now, registers)
    }

    fn handle_message(&mut self, message: &Message, now: Instant, registers: &mut dyn Registers) {
        self.inner.handle_message(message, now, registers);
    }

    fn send_task_management(
        &mut self,
        task: TaskManagement,
        id: TaskManagementId,
        now: Instant,
        registers: &mut dyn Registers,
    ) -> Result<(), NoResources> {
        if strike(&self.injections.0.no_frames) {
            return Err(NoResources);
        }
        self.inner.send_task_management(task, id, now, registers)
    }

    fn poll_event(&mut self) -> Option<PortEvent> {
        self.inner.poll_event()
    }

    fn set_interrupts(&mut self, enabled: bool, registers: &mut dyn Registers) {
        self.inner.set_interrupts(enabled, registers);
    }

    fn claims_interrupt(&mut self, registers: &mut dyn Registers) -> bool {
        self.inner.claims_interrupt(registers)
    }
}
