//! A driver's mistakes, planted between the queue and a backend: what the tests of data integrity have to find.

use alloc::collections::{BTreeMap, VecDeque};

use hba_core::command::{Command, Failure};
use hba_core::dma::{AddressWidth, DmaRegion, DmaWindow, Elements, Segment, SegmentLimits};
use hba_core::port::{
    ControlPort, Delivery, MemoryFault, QueuePort, Reply, Tag, Unsendable, WireTag,
};
use hba_core::register::{HostWrite, RegOffset, Registers};
use hba_core::{forward_control, forward_queue};

/// One of the mistakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// None of them.
    None,
    /// Two tags share a task ID and with it a request frame; a reply ends the older of the two commands.
    RepeatsTaskIds,
    /// Every 16th command has task ID 0.
    ZeroTaskIds,
    /// Lists longer than this many elements are cut off, and the command is sent; that data are left over is not told.
    CutsLists(usize),
    /// GOOD is taken for all bytes moved, whatever the reply says of them.
    HidesShortTransfers,
}

/// A control path whose queues make a mistake.
#[derive(Debug)]
pub struct NaivePort<P> {
    port: P,
    mistake: Mistake,
}

impl<P> NaivePort<P> {
    /// `port`, and what is done wrong with its queues.
    pub const fn new(port: P, mistake: Mistake) -> Self {
        Self { port, mistake }
    }
}

/// The data path that makes it.
#[derive(Debug)]
pub struct NaiveQueue<Q> {
    queue: Q,
    mistake: Mistake,
    commands: u32,
    /// By the task ID that was sent: the commands it was sent for.
    shared: BTreeMap<u16, VecDeque<WireTag>>,
}

/// The doorbell of a request descriptor of MPI 2.x, with its SMID or without.
#[derive(Clone, Copy, Debug)]
pub struct NaiveDoorbell<W> {
    word: W,
    zero: bool,
}

impl<W: HostWrite> HostWrite for NaiveDoorbell<W> {
    fn write_to(self, registers: &mut dyn Registers) {
        if self.zero {
            self.word.write_to(&mut WithoutSmid(registers));
        } else {
            self.word.write_to(registers);
        }
    }
}

/// Writes descriptors with SMID 0, bits 31:16 of the low word.
struct WithoutSmid<'a>(&'a mut dyn Registers);

impl Registers for WithoutSmid<'_> {
    fn read32(&mut self, offset: RegOffset) -> u32 {
        self.0.read32(offset)
    }

    fn write32(&mut self, offset: RegOffset, value: u32) {
        self.0.write32(offset, value);
    }

    fn write64(&mut self, offset: RegOffset, value: u64) {
        self.0.write64(offset, value & !0xffff_0000);
    }
}

impl<Q: QueuePort> NaiveQueue<Q> {
    fn send(
        &mut self,
        name: WireTag,
        command: &Command,
        elements: Elements<'_>,
    ) -> Result<Q::Doorbell, Unsendable> {
        match self.mistake {
            Mistake::RepeatsTaskIds => {
                let sent = WireTag { tag: Tag(name.tag.0 & !1), ..name };
                self.shared.entry(sent.tag.0).or_default().push_back(name);
                self.queue.prepare(sent, command, elements)
            }
            Mistake::CutsLists(max) => self.send_cut(name, command, elements, max),
            _ => self.queue.prepare(name, command, elements),
        }
    }

    fn send_cut(
        &mut self,
        name: WireTag,
        command: &Command,
        mut elements: Elements<'_>,
        max: usize,
    ) -> Result<Q::Doorbell, Unsendable> {
        let mut kept: Vec<Segment> = Vec::new();
        while kept.len() < max
            && let Ok(Some(element)) = elements.take_next()
        {
            kept.push(element);
        }
        let length = kept.iter().map(|element| element.len).sum();
        let mut cut = *command;
        cut.transfer.length = length;
        let limits = SegmentLimits::new(DmaWindow::of_width(AddressWidth::BITS_32), u32::MAX, 0);
        self.queue.prepare(name, &cut, Elements::new(&kept, length, &limits))
    }

    /// The command that a reply is taken for.
    fn owner(&mut self, name: WireTag) -> WireTag {
        let owner = self.shared.get_mut(&name.tag.0).and_then(VecDeque::pop_front);
        owner.unwrap_or(name)
    }
}

impl<Q: QueuePort> QueuePort for NaiveQueue<Q> {
    type Doorbell = NaiveDoorbell<Q::Doorbell>;
    type Ack = Q::Ack;
    const GENERATION_BITS: u32 = Q::GENERATION_BITS;

    forward_queue!(queue: disown, deliver, detail, read_sense, message, acknowledge);

    fn prepare(
        &mut self,
        name: WireTag,
        command: &Command,
        elements: Elements<'_>,
    ) -> Result<Self::Doorbell, Unsendable> {
        self.commands += 1;
        let zero = self.mistake == Mistake::ZeroTaskIds && self.commands.is_multiple_of(16);
        Ok(NaiveDoorbell { word: self.send(name, command, elements)?, zero })
    }

    fn next_reply(&mut self) -> Reply {
        match self.queue.next_reply() {
            Reply::Success(name) => Reply::Success(self.owner(name)),
            Reply::Detail(name) => {
                let owner = self.owner(name);
                let detail = self.queue.detail();
                let hidden = match (self.mistake, detail.delivery) {
                    (Mistake::HidesShortTransfers, Delivery::TaskComplete) => detail.sense_len == 0,
                    (Mistake::CutsLists(_), Delivery::Failed(Failure::Overrun)) => true,
                    _ => false,
                };
                if hidden { Reply::Success(owner) } else { Reply::Detail(owner) }
            }
            other => other,
        }
    }

    fn restart(&mut self) {
        self.shared.clear();
        self.queue.restart();
    }
}

impl<P: ControlPort> ControlPort for NaivePort<P> {
    type Queue = NaiveQueue<P::Queue>;

    forward_control!(port: begin, bring_up, limits, memory_plan, poll, poll_event, handle_message);
    forward_control!(port: send_task_management, set_interrupts, claims_interrupt);

    fn provide_memory(&mut self, regions: Vec<DmaRegion>) -> Result<Vec<Self::Queue>, MemoryFault> {
        let mistake = self.mistake;
        let queues = self.port.provide_memory(regions)?.into_iter();
        let naive = |queue| NaiveQueue { queue, mistake, commands: 0, shared: BTreeMap::new() };
        Ok(queues.map(naive).collect())
    }
}
