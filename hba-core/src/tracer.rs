//! A backend around another backend that records what passes: the last words in each direction.
//!
//! [`Tracer::new`] keeps the records with the ports, for whoever has the ports. [`Tracer::with`] gives them to recorders of
//! the platform's, which may add the time, and may be read while the ports run: a flight recorder. An adapter without a
//! tracer pays nothing, its code is not there.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use crate::command::Command;
use crate::dma::{DmaRegion, Elements};
use crate::name::{Nexus, Vector};
use crate::port::{
    BringUp, ControlPort, Delivery, MemoryFault, Message, NoResources, Polled, PortEvent,
    QueuePort, Reply, Start, TaskManagement, TaskManagementId, Unsendable, WireTag,
};
use crate::register::{HostWrite, RegOffset, RegisterWrite, Registers};
use crate::time::Instant;
use crate::{forward_control, forward_queue};
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

    /// Adds a record; the oldest makes room.
    pub fn push(&mut self, record: T) {
        self.ring[self.next] = Some(record);
        self.next = (self.next + 1) % self.ring.len();
    }

    /// The records, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        let (newer, older) = self.ring.split_at(self.next);
        older.iter().chain(newer).flatten()
    }
}

/// Takes the records of one path, in the order in which things happened. Called on the I/O path: it should be quick, and
/// must not call into the adapter.
pub trait Recorder<T> {
    /// Takes one.
    fn record(&mut self, record: T);
}

impl<T: Copy> Recorder<T> for Record<T> {
    fn record(&mut self, record: T) {
        self.push(record);
    }
}

/// Takes the records of a control path, and makes a recorder for each of its data paths.
pub trait Recorders: Recorder<ControlRecord> {
    /// Of one data path.
    type Queue: Recorder<QueueRecord>;

    /// For the data path of `vector`.
    fn queue(&mut self, vector: Vector) -> Self::Queue;
}

/// Rings of the last records that stay with the ports.
#[derive(Debug)]
pub struct Rings {
    control: Record<ControlRecord>,
    capacity: usize,
}

impl Recorder<ControlRecord> for Rings {
    fn record(&mut self, record: ControlRecord) {
        self.control.push(record);
    }
}

impl Recorders for Rings {
    type Queue = Record<QueueRecord>;

    fn queue(&mut self, _: Vector) -> Record<QueueRecord> {
        Record::new(self.capacity)
    }
}

/// What passed on a data path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueRecord {
    /// A frame was written.
    Prepared(WireTag, Nexus, Opcode),
    /// The word that starts the last command that was prepared, on its way to the device.
    Doorbell(RegisterWrite),
    /// The word that ends a service pass.
    Acknowledged(RegisterWrite),
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
            Self::Prepared(name, nexus, opcode) => {
                write!(f, "-> {:4}.{} {opcode} to {nexus}", name.tag.0, name.generation.0)
            }
            Self::Doorbell(word) => {
                write!(f, "->      doorbell {} = {:#010x}", word.offset, word.value)
            }
            Self::Acknowledged(word) => {
                write!(f, "->      acknowledge {} = {:#010x}", word.offset, word.value)
            }
            Self::Refused(name, why) => write!(f, "-- {:4} {why}", name.tag.0),
            Self::Reply(Reply::Success(name)) => {
                write!(f, "<- {:4}.{} GOOD", name.tag.0, name.generation.0)
            }
            Self::Reply(Reply::Detail(name)) => {
                write!(f, "<- {:4}.{} with particulars", name.tag.0, name.generation.0)
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

impl fmt::Display for ControlRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begun(start, _) => write!(f, "== bring-up begins: {start:?}"),
            Self::BroughtUp(progress) => write!(f, "== bring-up: {progress:?}"),
            Self::Polled(state) => write!(f, "<- state: {state:?}"),
            Self::Message(function, context) => {
                write!(f, "<- message {function:#010x}, context {context:#010x}")
            }
            Self::Sent(task, id) => write!(f, "-> {task:?}, {id:?}"),
            Self::Event(event) => write!(f, "<- {event:?}"),
        }
    }
}

/// Wraps the control path or the data path of a backend and tells a recorder what passes.
///
/// Transparent: the device, the core and the platform see the same words as without it.
#[derive(Debug)]
pub struct Tracer<B, R> {
    inner: B,
    recorder: R,
}

impl<B> Tracer<B, Rings> {
    /// Keeps the last `capacity` records of the control path, and of each data path that it makes.
    pub fn new(backend: B, capacity: usize) -> Self {
        Self::with(backend, Rings { control: Record::new(capacity), capacity })
    }

    /// What passed last on the control path.
    pub const fn record(&self) -> &Record<ControlRecord> {
        &self.recorder.control
    }
}

impl<B> Tracer<B, Record<QueueRecord>> {
    /// What passed last on this data path.
    pub const fn record(&self) -> &Record<QueueRecord> {
        &self.recorder
    }
}

impl<B, R> Tracer<B, R> {
    /// Tells `recorder` what passes: [`Recorders`] for a control path.
    pub const fn with(backend: B, recorder: R) -> Self {
        Self { inner: backend, recorder }
    }

    /// The wrapped backend.
    pub const fn inner(&self) -> &B {
        &self.inner
    }

    /// The wrapped backend.
    pub const fn inner_mut(&mut self) -> &mut B {
        &mut self.inner
    }
}

/// The word that the platform is about to write, if there is one.
fn word(write: impl HostWrite) -> Option<RegisterWrite> {
    struct Capture(Option<RegisterWrite>);
    impl Registers for Capture {
        fn read32(&mut self, _: RegOffset) -> u32 {
            0
        }

        fn write32(&mut self, offset: RegOffset, value: u32) {
            self.0 = Some(RegisterWrite { offset, value });
        }
    }
    let mut capture = Capture(None);
    write.write_to(&mut capture);
    capture.0
}

impl<Q: QueuePort, R: Recorder<QueueRecord>> QueuePort for Tracer<Q, R> {
    type Doorbell = Q::Doorbell;
    type Ack = Q::Ack;
    const GENERATION_BITS: u32 = Q::GENERATION_BITS;

    forward_queue!(inner: disown, deliver, detail, read_sense, message);

    fn prepare(
        &mut self,
        name: WireTag,
        command: &Command,
        elements: Elements<'_>,
    ) -> Result<Q::Doorbell, Unsendable> {
        let prepared = self.inner.prepare(name, command, elements);
        match &prepared {
            Ok(doorbell) => {
                let (nexus, opcode) = (command.nexus, command.cdb.opcode());
                self.recorder.record(QueueRecord::Prepared(name, nexus, opcode));
                if let Some(word) = word(*doorbell) {
                    self.recorder.record(QueueRecord::Doorbell(word));
                }
            }
            Err(why) => self.recorder.record(QueueRecord::Refused(name, *why)),
        }
        prepared
    }

    fn next_reply(&mut self) -> Reply {
        let reply = self.inner.next_reply();
        if reply != Reply::Empty {
            self.recorder.record(QueueRecord::Reply(reply));
        }
        if let Reply::Detail(_) = reply {
            let detail = self.inner.detail();
            self.recorder.record(QueueRecord::Detail(detail.delivery, detail.raw_status));
        }
        reply
    }

    fn acknowledge(&mut self) -> Q::Ack {
        let ack = self.inner.acknowledge();
        if let Some(word) = word(ack) {
            self.recorder.record(QueueRecord::Acknowledged(word));
        }
        ack
    }

    fn restart(&mut self) {
        self.recorder.record(QueueRecord::Restarted);
        self.inner.restart();
    }
}

impl<P: ControlPort, R: Recorders> ControlPort for Tracer<P, R> {
    type Queue = Tracer<P::Queue, R::Queue>;

    forward_control!(inner: limits, memory_plan, set_interrupts, claims_interrupt);

    fn begin(&mut self, start: Start, now: Instant) {
        self.recorder.record(ControlRecord::Begun(start, now));
        self.inner.begin(start, now);
    }

    fn bring_up(&mut self, now: Instant, registers: &mut dyn Registers) -> BringUp {
        let progress = self.inner.bring_up(now, registers);
        if !matches!(progress, BringUp::Wait(_) | BringUp::Serving(_)) {
            self.recorder.record(ControlRecord::BroughtUp(progress));
        }
        progress
    }

    fn provide_memory(&mut self, regions: Vec<DmaRegion>) -> Result<Vec<Self::Queue>, MemoryFault> {
        let ports = self.inner.provide_memory(regions)?;
        let wrap = |(inner, vector)| Tracer::with(inner, self.recorder.queue(Vector(vector)));
        Ok(ports.into_iter().zip(0..).map(wrap).collect())
    }

    fn poll(&mut self, now: Instant, registers: &mut dyn Registers) -> Polled {
        let polled = self.inner.poll(now, registers);
        if !matches!(polled, Polled::Operational(_)) {
            self.recorder.record(ControlRecord::Polled(polled));
        }
        polled
    }

    fn handle_message(&mut self, message: &Message, now: Instant, registers: &mut dyn Registers) {
        let word = |at: usize| message.words().get(at).copied().unwrap_or(0);
        self.recorder.record(ControlRecord::Message(word(0), word(2)));
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
        self.recorder.record(ControlRecord::Sent(task, id));
        Ok(())
    }

    fn poll_event(&mut self) -> Option<PortEvent> {
        let event = self.inner.poll_event()?;
        self.recorder.record(ControlRecord::Event(event));
        Some(event)
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
