//! A backend around a backend that lets things go wrong between the device and the core.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};

use hba_core::command::{Command, Unsendable};
use hba_core::dma::{DmaRegion, Elements};
use hba_core::port::{
    ControlPort, MemoryFault, NoResources, QueuePort, Reply, TaskManagement, TaskManagementId,
    WireTag,
};
use hba_core::register::Registers;
use hba_core::time::Instant;
use hba_core::{forward_control, forward_queue};

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

    forward_queue!(inner: disown, deliver, detail, read_sense, message, acknowledge, restart);

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
}

impl<P: ControlPort> ControlPort for FaultInjector<P> {
    type Queue = FaultInjector<P::Queue>;

    forward_control!(inner: begin, bring_up, limits, memory_plan, poll, poll_event);
    forward_control!(inner: handle_message, set_interrupts, claims_interrupt);

    fn provide_memory(&mut self, regions: Vec<DmaRegion>) -> Result<Vec<Self::Queue>, MemoryFault> {
        let ports = self.inner.provide_memory(regions)?;
        let wrap = |port| FaultInjector::new(port, self.injections.clone());
        Ok(ports.into_iter().map(wrap).collect())
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
}
