//! The data path: request frames out through the request FIFO, replies in through the reply FIFO.

use alloc::vec::Vec;

use hba_core::command::Command;
use hba_core::dma::{Coherent, DmaRecords, DmaRegion, DmaSync, Elements, RecordMut, Segment};
use hba_core::port::{
    BadReply, Detail, Disowned, Glance, Message, QueuePort, Reply, Tag, Unclaimed, Unsendable,
    WireTag,
};
use hba_core::register::{RegOffset, RegisterWrite};
use hba_core::sabotage::{Sabotage, is_planted};
use scsi_proto::{Direction, TaskAttribute};
use zerocopy::FromBytes;

use super::config::{FRAME, Plan};
use super::context::{Context, GENERATION_BITS};
use super::fifo::{EMPTY, ReplyFifo};
use super::replies::{ReplyCopy, ReplyPool};
use super::sgl::{Chains, FINAL, ListMemory};
use crate::sense::{SENSE, SenseBuffers};
use crate::status::{NONSENSE, SUCCESS, judge};
use crate::wire::message::Function;
use crate::wire::registers::{REQUEST_FIFO, ReplyWord};
use crate::wire::scsi_io::{self, DataDirection, ScsiIoReply, ScsiIoRequest, halves};

/// The data path of an MPI 1.x controller: one FIFO, one vector.
///
/// Owns the request frames of the queue's tags, their chain segments and sense buffers, the reply frames, and the reply
/// FIFO register. A reply frame is copied at once and given back to the controller at the end of the pass.
#[derive(Debug)]
pub struct Mpi1Queue<F, S = Coherent> {
    fifo: F,
    sync: S,
    frames: DmaRecords<FRAME>,
    chains: DmaRegion,
    sense: SenseBuffers,
    replies: ReplyPool,
    /// Reply frames of this pass, ours until its end: a second reply in the same frame is told from the first. Never more
    /// than there are frames.
    spent: Vec<u16>,
    layout: Chains,
    /// Element flags and control word of a command, by its direction.
    by_direction: [(u32, u32); 3],
    /// Bytes of a frame that the controller fetches.
    frame_size: usize,
    depth: u16,
    /// A reply word that was popped and is not sorted yet; [`EMPTY`] for none.
    held: u32,
    /// Something is to be said at the end of the pass: the fields below.
    uneasy: bool,
    /// A reply frame of one of our commands was nonsense: said after the command's end.
    nonsense: Option<BadReply>,
    distrust: bool,
    /// Replies of unknown types.
    unknown: u32,
    detail: Detail,
    message: Message,
}

/// The memory that belongs to the data path.
pub(super) struct QueueMemory {
    pub(super) frames: DmaRegion,
    pub(super) chains: DmaRegion,
    pub(super) sense: DmaRegion,
    pub(super) replies: DmaRegion,
}

/// Offset of the sense buffer's address in a SCSI IO request, in bytes.
const SENSE_ADDRESS: usize = core::mem::offset_of!(ScsiIoRequest, sense_buffer_low_addr);

impl<F: ReplyFifo, S: DmaSync> Mpi1Queue<F, S> {
    pub(super) fn new(fifo: F, sync: S, plan: &Plan, memory: QueueMemory) -> Self {
        let mut queue = Self {
            fifo,
            sync,
            frames: DmaRecords::new(memory.frames),
            chains: memory.chains,
            sense: SenseBuffers::new(memory.sense, plan.limits.queue_depth),
            replies: ReplyPool::new(memory.replies, plan.replies),
            spent: Vec::with_capacity(usize::from(plan.replies)),
            layout: plan.chains,
            by_direction: [Direction::None, Direction::ToDevice, Direction::FromDevice]
                .map(|d| (plan.chains.flags(d == Direction::ToDevice), control(d))),
            frame_size: plan.facts.frame_size,
            depth: plan.limits.queue_depth,
            held: EMPTY,
            uneasy: false,
            nonsense: None,
            distrust: false,
            unknown: 0,
            detail: SUCCESS,
            message: Message::EMPTY,
        };
        queue.write_constants();
        queue
    }

    /// The reply FIFO, for platforms that feed it by hand.
    pub fn fifo_mut(&mut self) -> &mut F {
        &mut self.fifo
    }

    /// Writes a frame with any list: no data, one element or several, chains.
    #[inline(never)]
    fn prepare_list(
        &mut self,
        name: WireTag,
        command: &Command,
        cdb: &[u8; 16],
        target_id: u8,
        elements: Elements<'_>,
    ) -> Result<(), Unsendable> {
        let slot = usize::from(name.tag.0);
        let chain = slot * self.layout.bytes();
        let (flags, direction) = self.by_direction[command.transfer.wire_direction() as usize];
        if command.transfer.length == 0 {
            let mut words = self.frames.record_mut::<15>(slot);
            Header { name, command, cdb, target_id, chain_offset: 0, direction }.write(&mut words);
            // MPI 1.x demands an element for no data, too: an empty one.
            words.put::<12>(flags | FINAL);
            words.put::<13>(0);
            words.put::<14>(0);
            return Ok(());
        }
        let mut list = ListMemory {
            frames: self.frames.region_mut(),
            frame: slot * FRAME,
            chains: &mut self.chains,
            chain,
        };
        let chain_offset = list.write(&self.layout, flags, elements)?;
        if chain_offset != 0 {
            let bus = self.chains.bus().offset(chain as u64);
            self.sync.for_device(bus, self.layout.bytes());
        }
        let mut words = self.frames.record_mut::<12>(slot);
        Header { name, command, cdb, target_id, chain_offset, direction }.write(&mut words);
        Ok(())
    }

    /// Writes the one word of each frame that never changes: where its sense data go.
    ///
    /// A controller that changes it harms nobody but itself: sense data are read from our own record of the place.
    fn write_constants(&mut self) {
        for tag in 0..self.depth {
            let at = usize::from(tag) * FRAME + SENSE_ADDRESS;
            self.frames.region_mut().write_u32(at, self.sense.bus_of(tag).low());
        }
    }

    /// Gives the reply frames of a pass back to the controller.
    #[cold]
    fn give_back(&mut self) {
        while let Some(frame) = self.spent.pop() {
            let address = self.replies.post(frame);
            self.fifo.free(address);
        }
    }

    /// Sorts an address reply: an end of one of our commands, a message for Control, or nonsense.
    #[cold]
    fn address_reply(&mut self, address: u32) -> Reply {
        let (frame, copy) = match self.replies.take(address, &mut self.sync) {
            Ok(taken) => taken,
            Err(bad) => return self.breach(bad),
        };
        self.spent.push(frame);
        match self.sort(&copy) {
            Ok(reply) => reply,
            Err(bad) => self.breach(bad),
        }
    }

    /// Counts a breach that no working controller commits; Control hears of it at the end of the pass.
    #[cold]
    fn breach(&mut self, bad: BadReply) -> Reply {
        (self.uneasy, self.distrust) = (true, true);
        Reply::Bad(bad)
    }

    /// A reply of a type that an initiator does not get; a few are borne.
    fn unknown_type(&mut self, word: u32) -> Reply {
        self.unknown += 1;
        let bad = BadReply::UnknownTag { raw: word };
        if self.unknown.is_multiple_of(UNKNOWN_MAX) { self.breach(bad) } else { Reply::Bad(bad) }
    }

    /// The FIFO is empty: what Control is to know goes out now.
    #[cold]
    #[inline(never)]
    fn report(&mut self) -> Reply {
        if let Some(bad) = self.nonsense.take() {
            return Reply::Bad(bad);
        }
        self.uneasy = false;
        if core::mem::take(&mut self.distrust) {
            self.message = DISTRUST;
            return Reply::Message;
        }
        Reply::Empty
    }

    fn sort(&mut self, copy: &ReplyCopy) -> Result<Reply, BadReply> {
        copy.check_length(0)?;
        let context = Context::checked(copy.context());
        let context = context.ok_or_else(|| BadReply::UnknownTag { raw: copy.context() })?;
        if context.index() >= self.depth {
            self.message = Message::new(copy.words.into_iter().take(copy.len));
            return Ok(Reply::Message);
        }
        // The context is one of ours: its command has ended, whatever else the frame holds.
        self.detail = end_of(copy).unwrap_or_else(|bad| {
            (self.uneasy, self.distrust, self.nonsense) = (true, true, Some(bad));
            NONSENSE
        });
        Ok(Reply::Detail(context.name()))
    }

    /// A context reply: of one of our commands, of Control's requests, or of nobody's.
    fn context_reply(&mut self, word: u32) -> Reply {
        match Context::checked(word) {
            Some(context) if context.index() < self.depth => Reply::Success(context.name()),
            // A request of Control that ended well and has nothing more to say.
            Some(context) => {
                self.message = Message::new([0, 0, context.0]);
                Reply::Message
            }
            None => self.unknown_type(word),
        }
    }

    /// The post of a frame that is written.
    #[inline]
    fn post_of(&mut self, tag: Tag) -> RegisterWrite {
        let bus = self.frames.bus_of(tag.0.into());
        self.sync.for_device(bus, self.frame_size);
        // The size hint in bits 1:0 stays 0: the controller fetches the whole frame.
        RegisterWrite { offset: RegOffset(REQUEST_FIFO), value: bus.low() }
    }
}

/// What the frame says of how a command ended.
fn end_of(copy: &ReplyCopy) -> Result<Detail, BadReply> {
    let function = copy.function();
    if !matches!(Function(function), Function::SCSI_IO_REQUEST) {
        return Err(BadReply::Function { function });
    }
    copy.check_length((size_of::<ScsiIoReply>() / 4) as u8)?;
    let bytes = copy.bytes();
    let (reply, _) = ScsiIoReply::read_from_prefix(&bytes)
        .map_err(|_| BadReply::MessageLength { words: copy.len as u8 })?;
    Ok(judge(&reply, SENSE))
}

/// What a queue tells Control of its own: that it saw words which a controller in its right mind does not write. Shorter
/// than any reply.
pub(super) const DISTRUST: Message = Message::EMPTY;
/// Replies of unknown types that are borne.
const UNKNOWN_MAX: u32 = 16;

impl<F: ReplyFifo, S: DmaSync> QueuePort for Mpi1Queue<F, S> {
    type Doorbell = RegisterWrite;
    type Ack = ();
    const GENERATION_BITS: u32 = GENERATION_BITS;

    const GLANCES: bool = true;

    fn prepare(
        &mut self,
        name: WireTag,
        command: &Command,
        elements: Elements<'_>,
    ) -> Result<RegisterWrite, Unsendable> {
        let Some(cdb) = command.cdb.padded16() else {
            return Err(Unsendable::Cdb { length: command.cdb.len() });
        };
        let target = command.nexus.target;
        let Ok(target_id) = u8::try_from(target.id) else {
            return Err(Unsendable::Target(target));
        };
        if let Some(element) = elements.single()
            && let Some(post) = self.prepare_single(name, command, element)
        {
            return Ok(post);
        }
        self.prepare_list(name, command, cdb, target_id, elements)?;
        Ok(self.post_of(name.tag))
    }

    // Called from few places, but from more than the compiler would copy it to.
    #[inline(always)]
    fn prepare_single(
        &mut self,
        name: WireTag,
        command: &Command,
        element: Segment,
    ) -> Option<RegisterWrite> {
        let cdb = command.cdb.padded16()?;
        let target_id = u8::try_from(command.nexus.target.id).ok()?;
        let (flags, direction) = self.by_direction[command.transfer.direction as usize];
        let mut words = self.frames.get_record::<15>(name.tag.0.into())?;
        Header { name, command, cdb, target_id, chain_offset: 0, direction }.write(&mut words);
        // A 32-bit element leaves a word behind it that nobody reads.
        words.put::<12>(flags | FINAL | element.len);
        words.put::<13>(element.addr.low());
        words.put::<14>(element.addr.high());
        Some(self.post_of(name.tag))
    }

    #[inline]
    fn glance(&mut self) -> Glance {
        if self.held != EMPTY {
            return Glance::Other;
        }
        let word = self.fifo.pop();
        // Bits 31:29 are clear in the context of every command: one comparison sorts out all other words.
        let context = Context(word);
        if word < Context::END && context.index() < self.depth {
            hba_core::sync::observe();
            return Glance::Success(context.name());
        }
        if word == EMPTY && !self.uneasy {
            return Glance::Empty;
        }
        self.held = word;
        Glance::Other
    }

    #[cold]
    #[inline(never)]
    fn next_reply(&mut self) -> Reply {
        let word = match core::mem::replace(&mut self.held, EMPTY) {
            EMPTY => self.fifo.pop(),
            held => held,
        };
        if word == EMPTY {
            return if self.uneasy { self.report() } else { Reply::Empty };
        }
        hba_core::sync::observe();
        if word & 0x8000_0000 == 0 {
            return self.context_reply(word);
        }
        match ReplyWord::decode(word) {
            ReplyWord::Address(address) => self.address_reply(address),
            _ => self.unknown_type(word),
        }
    }

    /// A use of a slot that was never sent is invented. A use that has ended is not: the generation tells a late reply, also
    /// one from before a reset.
    #[cold]
    fn disown(&mut self, name: WireTag, why: Unclaimed) -> Disowned {
        if why == Unclaimed::Ended {
            return Disowned::Stale;
        }
        (self.uneasy, self.distrust) = (true, true);
        Disowned::Bad(BadReply::UnknownTag { raw: Context::of(name).0 })
    }

    fn detail(&self) -> &Detail {
        &self.detail
    }

    fn read_sense(&mut self, tag: Tag, into: &mut [u8]) {
        self.sense.take(tag, into, &mut self.sync);
    }

    fn message(&self) -> &Message {
        &self.message
    }

    #[inline]
    fn acknowledge(&mut self) {
        if !self.spent.is_empty() {
            self.give_back();
        }
    }

    fn restart(&mut self) {
        self.spent.clear();
        self.held = EMPTY;
        (self.uneasy, self.nonsense, self.distrust, self.unknown) = (false, None, false, 0);
        self.write_constants();
        self.sense.clear(&mut self.sync);
        self.replies.post_all();
    }
}

/// The SCSI IO request without its list and without the sense address, which never changes. Source: MPI 1.5, SCSI IO request;
/// offsets in `wire::scsi_io`.
struct Header<'a> {
    name: WireTag,
    command: &'a Command,
    cdb: &'a [u8; 16],
    target_id: u8,
    chain_offset: u8,
    direction: u32,
}

impl Header<'_> {
    /// Writes each word as soon as it is made, so that few are alive at a time.
    #[inline(always)]
    fn write<const N: usize>(&self, frame: &mut RecordMut<'_, N>) {
        let Self { command, cdb, .. } = self;
        let lun = command.nexus.lun.as_bytes();
        let word = |bytes: &[u8], at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let channel = command.nexus.target.channel;
        frame.put::<0>(u32::from_le_bytes([self.target_id, channel, self.chain_offset, 0]));
        frame.put::<1>(command.cdb.len() as u32 | u32::from(SENSE) << 8);
        frame.put::<2>(Context::of(self.name).0);
        frame.put::<3>(word(lun, 0));
        frame.put::<4>(word(lun, 4));
        frame.put::<5>(self.direction | attribute(command.attribute));
        let (head, tail) = halves(cdb);
        frame.put_pair::<6>(head);
        frame.put_pair::<8>(tail);
        frame.put::<10>(command.transfer.length);
    }
}

/// The direction in the control word.
const fn control(direction: Direction) -> u32 {
    let direction = match direction {
        Direction::None => DataDirection::None,
        Direction::ToDevice => DataDirection::Write,
        Direction::FromDevice => DataDirection::Read,
    };
    scsi_io::scsi_io_control(direction, scsi_io::TaskAttribute::Simple)
}

/// The task attribute in the control word; SIMPLE is 0.
#[inline]
fn attribute(attribute: TaskAttribute) -> u32 {
    let attribute = match attribute {
        TaskAttribute::Simple => scsi_io::TaskAttribute::Simple,
        TaskAttribute::HeadOfQueue => scsi_io::TaskAttribute::HeadOfQueue,
        TaskAttribute::Ordered if is_planted(Sabotage::AttributeDropped) => {
            scsi_io::TaskAttribute::Simple
        }
        TaskAttribute::Ordered => scsi_io::TaskAttribute::Ordered,
        TaskAttribute::Aca => scsi_io::TaskAttribute::Aca,
    };
    scsi_io::scsi_io_control(DataDirection::None, attribute)
}
