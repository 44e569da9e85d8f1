//! The data path: request frames out through the request FIFO, replies in through the reply FIFO.

use hba_core::command::Command;
use hba_core::dma::{Coherent, DmaRegion, DmaSync, Elements};
use hba_core::port::{
    BadReply, Delivery, Detail, Message, QueuePort, Reply, Tag, Transferred, Unsendable, WireTag,
};
use hba_core::register::{RegOffset, RegisterWrite};
use scsi_proto::{Direction, Status, TaskAttribute};
use zerocopy::FromBytes;

use super::config::{Plan, SENSE};
use super::context::{Context, GENERATION_BITS};
use super::fifo::{EMPTY, ReplyFifo};
use super::replies::{ReplyCopy, ReplyPool, check_length};
use super::sgl::{Chains, ListMemory};
use super::status::judge;
use crate::wire::message::Function;
use crate::wire::registers::{REQUEST_FIFO, ReplyWord};
use crate::wire::scsi_io::{self, DataDirection, ScsiIoReply};

/// The data path of an MPI 1.x controller: one FIFO, one vector.
///
/// Owns the request frames of the queue's tags, their chain segments and sense buffers, the reply frames, and the reply
/// FIFO register. The port's answer to a reply frame is immediate: it is copied, and given back to the controller.
#[derive(Debug)]
pub struct Mpi1Queue<F, S = Coherent> {
    fifo: F,
    sync: S,
    frames: DmaRegion,
    chains: DmaRegion,
    sense: DmaRegion,
    replies: ReplyPool,
    layout: Chains,
    frame_size: usize,
    depth: u16,
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

/// Bytes from one sense buffer to the next.
pub(super) const SENSE_STRIDE: usize = SENSE as usize;

impl<F: ReplyFifo, S: DmaSync> Mpi1Queue<F, S> {
    pub(super) fn new(fifo: F, sync: S, plan: &Plan, memory: QueueMemory) -> Self {
        Self {
            fifo,
            sync,
            frames: memory.frames,
            chains: memory.chains,
            sense: memory.sense,
            replies: ReplyPool::new(memory.replies, plan.replies),
            layout: plan.chains,
            frame_size: plan.facts.frame_size,
            depth: plan.limits.queue_depth,
            detail: NO_DETAIL,
            message: Message::EMPTY,
        }
    }

    /// The reply FIFO, for platforms that feed it by hand.
    pub fn fifo_mut(&mut self) -> &mut F {
        &mut self.fifo
    }

    /// Sorts an address reply: an end of one of our commands, a message for Control, or nonsense.
    #[cold]
    fn address_reply(&mut self, address: u32) -> Reply {
        let (frame, copy) = match self.replies.take(address, &mut self.sync) {
            Ok(taken) => taken,
            Err(bad) => return Reply::Bad(bad),
        };
        let free = self.replies.post(frame);
        self.fifo.free(free);
        self.sort(&copy).unwrap_or_else(Reply::Bad)
    }

    fn sort(&mut self, copy: &ReplyCopy) -> Result<Reply, BadReply> {
        check_length(copy, 0)?;
        let context = Context::checked(copy.context());
        let context = context.ok_or(BadReply::UnknownTag { raw: copy.context() })?;
        if context.index() >= self.depth {
            self.message = Message::new(copy.words.into_iter().take(copy.len));
            return Ok(Reply::Message);
        }
        let function = copy.function();
        if !matches!(Function(function), Function::SCSI_IO_REQUEST) {
            return Err(BadReply::Function { function });
        }
        check_length(copy, (size_of::<ScsiIoReply>() / 4) as u8)?;
        let bytes = copy.bytes();
        let (reply, _) = ScsiIoReply::read_from_prefix(&bytes)
            .map_err(|_| BadReply::MessageLength { words: copy.len as u8 })?;
        self.detail = judge(&reply, SENSE);
        Ok(Reply::Detail(context.name()))
    }

    /// A context reply that does not name one of our commands.
    #[cold]
    fn other_context(&mut self, word: u32) -> Reply {
        match Context::checked(word) {
            // A request of Control that ended well and has nothing more to say.
            Some(context) if context.index() >= self.depth => {
                self.message = Message::new([0, 0, context.0]);
                Reply::Message
            }
            _ => Reply::Bad(BadReply::UnknownTag { raw: word }),
        }
    }
}

const NO_DETAIL: Detail = Detail {
    delivery: Delivery::TaskComplete,
    status: Status::GOOD,
    transferred: Transferred::All,
    sense_len: 0,
    raw_status: 0,
};

impl<F: ReplyFifo, S: DmaSync> QueuePort for Mpi1Queue<F, S> {
    type Doorbell = RegisterWrite;
    type Ack = ();
    const GENERATION_BITS: u32 = GENERATION_BITS;

    #[inline]
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
        let slot = usize::from(name.tag.0);
        let frame = slot * self.frame_size;
        let to_device = command.transfer.wire_direction() == Direction::ToDevice;
        let flags = self.layout.flags(to_device);
        let mut list = ListMemory {
            frames: &mut self.frames,
            frame,
            chains: &mut self.chains,
            chain: slot * self.layout.bytes(),
        };
        let chain_offset = list.write(&self.layout, flags, elements)?;
        let lun = command.nexus.lun.as_bytes();
        let word = |bytes: &[u8], at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let sense = self.sense.bus().offset((slot * SENSE_STRIDE) as u64);
        self.frames.write_words(
            frame,
            [
                u32::from_le_bytes([target_id, target.channel, chain_offset, 0]),
                u32::from_le_bytes([command.cdb.len() as u8, SENSE, 0, 0]),
                Context::of(name).0,
                word(lun, 0),
                word(lun, 4),
                control(command),
                word(cdb, 0),
                word(cdb, 4),
                word(cdb, 8),
                word(cdb, 12),
                command.transfer.length,
                sense.low(),
            ],
        );
        let bus = self.frames.bus().offset(frame as u64);
        self.sync.for_device(bus, self.frame_size);
        if chain_offset != 0 {
            let chain = self.chains.bus().offset((slot * self.layout.bytes()) as u64);
            self.sync.for_device(chain, self.layout.bytes());
        }
        // The size hint in bits 1:0 stays 0: the controller fetches the whole frame.
        Ok(RegisterWrite { offset: RegOffset(REQUEST_FIFO), value: bus.low() })
    }

    #[inline]
    fn next_reply(&mut self) -> Reply {
        let word = self.fifo.pop();
        if word & 0x8000_0000 == 0 {
            let context = Context(word);
            if context.index() < self.depth && Context::checked(word).is_some() {
                return Reply::Success(context.name());
            }
            return self.other_context(word);
        }
        if word == EMPTY {
            return Reply::Empty;
        }
        hba_core::sync::observe();
        match ReplyWord::decode(word) {
            ReplyWord::Address(address) => self.address_reply(address),
            _ => Reply::Bad(BadReply::UnknownTag { raw: word }),
        }
    }

    fn detail(&self) -> &Detail {
        &self.detail
    }

    fn read_sense(&mut self, tag: Tag, into: &mut [u8]) {
        let offset = usize::from(tag.0) * SENSE_STRIDE;
        let len = into.len().min(SENSE_STRIDE);
        if len == 0 || tag.0 >= self.depth {
            return;
        }
        self.sync.for_cpu(self.sense.bus().offset(offset as u64), len);
        self.sense.read_bytes(offset, &mut into[..len]);
    }

    fn message(&self) -> &Message {
        &self.message
    }

    #[inline]
    fn acknowledge(&mut self) {}

    fn restart(&mut self) {
        self.replies.post_all();
    }
}

/// The control word: direction and task attribute.
#[inline]
fn control(command: &Command) -> u32 {
    let direction = match command.transfer.wire_direction() {
        Direction::None => DataDirection::None,
        Direction::ToDevice => DataDirection::Write,
        Direction::FromDevice => DataDirection::Read,
    };
    let attribute = match command.attribute {
        TaskAttribute::Simple => scsi_io::TaskAttribute::Simple,
        TaskAttribute::HeadOfQueue => scsi_io::TaskAttribute::HeadOfQueue,
        TaskAttribute::Ordered => scsi_io::TaskAttribute::Ordered,
        TaskAttribute::Aca => scsi_io::TaskAttribute::Aca,
    };
    scsi_io::scsi_io_control(direction, attribute)
}
