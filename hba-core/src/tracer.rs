//! A backend around another backend that records what passes: the last words in each direction.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use crate::command::Command;
use crate::dma::{DmaRegion, Elements};
use crate::limits::Limits;
use crate::port::{
    BringUp, ControlPort, Delivery, Detail, MemoryFault, MemoryPlan, Message, NoResources, Polled,
    PortEvent, QueuePort, Reply, Start, Tag, TaskManagement, TaskManagementId, Unsendable, WireTag,
};
use crate::register::Registers;
use crate::time::Instant;
use scsi_proto::Opcode;

/// A ring of the last records: a flight recorder. Recording costs one store and never allocates.
#[derive(Debug)]
pub struct Record<T> {
    ring: Box<[Option<T>]>,
    next: usize,
}

impl<T: Copy> Record<T> {
    /// Room for the last `capacity` records.
    pub fn new(capacity: usize) -> Self {
        Self { ring: vec![None; capacity.max(1)].into_boxed_slice(), next: 0 }
    }

    fn push(&mut self, record: T) {
        self.ring[self.next] = Some(record);
        self.next = (self.next + 1) % self.ring.len();
    }

    /// The records, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        let (newer, older) = self.ring.split_at(self.next);
        older.iter().chain(newer).flatten()
    }
}

/// What passed on a data path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueRecord {
    /// A frame was written.
    Prepared(WireTag, Opcode),
    /// A frame could not be written.
    Refused(WireTag, Unsendable),
    /// A reply was taken.
    Reply(Reply),
    /// The particulars of the reply before.
    Detail(Delivery, u32),
    /// The device was reset.
    Restarted,
}

impl fmt::Display for QueueRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prepared(name, opcode) => {
                write!(f, "-> {:4}.{} {opcode}", name.tag.0, name.generation.0)
            }
            Self::Refused(name, why) => write!(f, "-- {:4} {why}", name.tag.0),
            Self::Reply(Reply::Success(name)) => {
                write!(f, "<- {:4}.{} GOOD", name.tag.0, name.generation.0)
            }
            Self::Reply(reply) => write!(f, "<- {reply:?}"),
            Self::Detail(delivery, raw) => write!(f, "   {delivery:?}, controller status {raw:#x}"),
            Self::Restarted => f.write_str("== restarted"),
        }
    }
}

/// What passed on a control path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlRecord {
    /// A bring-up began.
    Begun(Start, Instant),
    /// A bring-up came this far.
    BroughtUp(BringUp),
    /// The state register said something other than operational.
    Polled(Polled),
    /// A message arrived; its first and third word (function, context).
    Message(u32, u32),
    /// A task management function was sent.
    Sent(TaskManagement, TaskManagementId),
    /// The port told something.
    Event(PortEvent),
}

/// Wraps the control path or the data path of a backend; what passes is in [`Self::record`].
///
/// Transparent: the device, the core and the platform see the same words as without it.
#[derive(Debug)]
pub struct Tracer<B, R> {
    inner: B,
    record: Record<R>,
    capacity: usize,
}

impl<B> Tracer<B, ControlRecord> {
    /// Records the last `capacity` events of the control path, and of each data path that it makes.
    pub fn new(backend: B, capacity: usize) -> Self {
        Self { inner: backend, record: Record::new(capacity), capacity }
    }
}

impl<B, R> Tracer<B, R> {
    /// The wrapped backend.
    pub const fn inner(&self) -> &B {
        &self.inner
    }

    /// The wrapped backend.
    pub const fn inner_mut(&mut self) -> &mut B {
        &mut self.inner
    }

    /// What passed last.
    pub const fn record(&self) -> &Record<R> {
        &self.record
    }
}

impl<Q: QueuePort> QueuePort for Tracer<Q, QueueRecord> {
    type Doorbell = Q::Doorbell;
    type Ack = Q::Ack;
    const GENERATION_BITS: u32 = Q::GENERATION_BITS;

    fn prepare(
        &mut self,
        name: WireTag,
        command: &Command,
        elements: Elements<'_>,
    ) -> Result<Q::Doorbell, Unsendable> {
        let prepared = self.inner.prepare(name, command, elements);
        self.record.push(match &prepared {
            Ok(_) => QueueRecord::Prepared(name, command.cdb.opcode()),
            Err(why) => QueueRecord::Refused(name, *why),
        });
        prepared
    }

    fn next_reply(&mut self) -> Reply {
        let reply = self.inner.next_reply();
        if reply != Reply::Empty {
            self.record.push(QueueRecord::Reply(reply));
        }
        if let Reply::Detail(_) = reply {
            let detail = self.inner.detail();
            self.record.push(QueueRecord::Detail(detail.delivery, detail.raw_status));
        }
        reply
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
        self.record.push(QueueRecord::Restarted);
        self.inner.restart();
    }
}

impl<P: ControlPort> ControlPort for Tracer<P, ControlRecord> {
    type Queue = Tracer<P::Queue, QueueRecord>;

    fn begin(&mut self, start: Start, now: Instant) {
        self.record.push(ControlRecord::Begun(start, now));
        self.inner.begin(start, now);
    }

    fn bring_up(&mut self, now: Instant, registers: &mut dyn Registers) -> BringUp {
        let progress = self.inner.bring_up(now, registers);
        if !matches!(progress, BringUp::Wait(_) | BringUp::Serving(_)) {
            self.record.push(ControlRecord::BroughtUp(progress));
        }
        progress
    }

    fn limits(&self) -> Option<&Limits> {
        self.inner.limits()
    }

    fn memory_plan(&self) -> MemoryPlan {
        self.inner.memory_plan()
    }

    fn provide_memory(&mut self, regions: Vec<DmaRegion>) -> Result<Vec<Self::Queue>, MemoryFault> {
        let (ports, capacity) = (self.inner.provide_memory(regions)?, self.capacity);
        let wrap = |inner| Tracer { inner, record: Record::new(capacity), capacity };
        Ok(ports.into_iter().map(wrap).collect())
    }

    fn poll(&mut self, now: Instant, registers: &mut dyn Registers) -> Polled {
        let polled = self.inner.poll(now, registers);
        if !matches!(polled, Polled::Operational(_)) {
            self.record.push(ControlRecord::Polled(polled));
        }
        polled
    }

    fn handle_message(&mut self, message: &Message, now: Instant, registers: &mut dyn Registers) {
        let word = |at: usize| message.words().get(at).copied().unwrap_or(0);
        self.record.push(ControlRecord::Message(word(0), word(2)));
        self.inner.handle_message(message, now, registers);
    }

    fn send_task_management(
        &mut self,
        task: TaskManagement,
        id: TaskManagementId,
        now: Instant,
        registers: &mut dyn Registers,
    ) -> Result<(), NoResources> {
        self.inner.send_task_management(task, id, now, registers)?;
        self.record.push(ControlRecord::Sent(task, id));
        Ok(())
    }

    fn poll_event(&mut self) -> Option<PortEvent> {
        let event = self.inner.poll_event()?;
        self.record.push(ControlRecord::Event(event));
        Some(event)
    }

    fn set_interrupts(&mut self, enabled: bool, registers: &mut dyn Registers) {
        self.inner.set_interrupts(enabled, registers);
    }

    fn claims_interrupt(&mut self, registers: &mut dyn Registers) -> bool {
        self.inner.claims_interrupt(registers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_records_make_room() {
        let mut record = Record::new(3);
        assert_eq!(record.iter().count(), 0);
        for n in 0..5 {
            record.push(n);
        }
        assert!(record.iter().eq(&[2, 3, 4]));
    }
}
