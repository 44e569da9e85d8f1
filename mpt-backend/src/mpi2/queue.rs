//! The data path of one vector: request descriptors out, reply descriptors in through a queue in memory.
//!
//! ```text
//!   reply post queue    entry: flags | queue | SMID, then task tag or frame address
//!                       all ones: the controller's; anything else: ours until it is all ones again
//! ```

use alloc::vec::Vec;

use hba_core::command::Command;
use hba_core::dma::{Coherent, DmaRecords, DmaRegion, DmaSync, Elements, RecordMut, Segment};
use hba_core::port::{
    BadReply, Detail, Disowned, Generation, Glance, Message, QueuePort, Reply, Tag, Unclaimed,
    Unsendable, WireTag,
};
use hba_core::register::{RegOffset, RegisterWrite, WordWrite};
use scsi_proto::{Direction, TaskAttribute};
use zerocopy::FromBytes;

use super::config::{FRAME, Plan, Post};
use super::note;
use super::replies::{ReplyCopy, ReplyWindow};
use super::sgl::{Chains, ElementKind, ListMemory, SGL_OFFSET};
use crate::sense::{SENSE, SenseBuffers};
use crate::status::{JUDGED_WORDS, NONSENSE, SUCCESS, judge};
use crate::wire::message::Function;
use crate::wire::mpi2::{
    ATOMIC_REQUEST_DESCRIPTOR_POST, COMBINED_REPLY_POST_HOST_INDEX, DESCRIPTOR_SCSI_IO,
    REPLY_ADDRESS, REPLY_FAST_PATH_SUCCESS, REPLY_POST_HOST_INDEX, REPLY_SCSI_IO_SUCCESS,
    REPLY_UNUSED, REQUEST_DESCRIPTOR_POST, request_descriptor,
};
use crate::wire::scsi_io::{self, DataDirection, ScsiIoReply, halves};

/// The data path of one vector of an MPI 2.x controller.
///
/// Owns the request frames of the queue's tags, their chain segments and sense buffers, and its reply post queue. Reply
/// frames it only reads: see the module's "What vectors share".
#[derive(Debug)]
pub struct Mpi2Queue<S = Coherent> {
    sync: S,
    post: DmaRecords<ENTRY>,
    frames: DmaRecords<FRAME>,
    chains: DmaRecords<FRAME>,
    sense: SenseBuffers,
    replies: ReplyWindow,
    /// Copied reply frames that Control has not been told of.
    spent: Vec<u16>,
    /// So many are told before anything else is taken: a queue that never runs dry must not keep the controller's frames.
    spent_max: usize,
    /// SMIDs of other queues' commands that ended well, as this queue was told; Control has not been told.
    misrouted: Vec<u16>,
    /// Ends of our commands that other queues were told of.
    delivered: Vec<(Tag, Detail)>,
    /// SMIDs of all queues' commands: 1 to this.
    commands: u16,
    layout: Chains,
    /// The control word of a command, by [`control_place`].
    controls: [u32; 16],
    /// Flags of MPI elements, from the device and to it.
    flags: [u32; 2],
    /// The next entry of `post`; beyond the last one for the first.
    at: usize,
    /// The same at the last acknowledge, as it was written.
    acknowledged: usize,
    /// The post of tag 0 to target 0.
    first: WordWrite,
    /// Its SMID.
    base: u16,
    depth: u16,
    /// Where the index register of this queue is, and its number there.
    index: (RegOffset, u32),
    /// Counts [`QueuePort::restart`].
    epoch: u32,
    /// A frame of one of our commands was nonsense: said after the command's end.
    nonsense: Option<BadReply>,
    distrust: bool,
    /// What the next entry reads when there is nothing to do: unused; while any of these is to be said, what none reads.
    idle: u64,
    unknown: u32,
    /// Replies to commands that had ended.
    stale: usize,
    detail: Detail,
    message: Message,
}

/// The memory of one queue.
pub(super) struct QueueMemory {
    pub(super) post: DmaRegion,
    pub(super) frames: DmaRegion,
    pub(super) chains: DmaRegion,
    pub(super) sense: DmaRegion,
    pub(super) replies: ReplyWindow,
}

/// Bytes of an entry of the reply post queue.
pub(super) const ENTRY: usize = 8;
/// What an entry reads while it is the controller's.
const UNUSED: u32 = u32::MAX;
/// Replies on the wrong vector that are borne at a time.
const MISROUTED_MAX: usize = 256;
/// Both words of an unused entry.
const QUIET: u64 = u64::MAX;
/// What no unused entry reads: the type is that of a success.
const NEWS: u64 = 0;
/// Unknown descriptors that are borne.
const UNKNOWN_MAX: u32 = 16;

impl<S: DmaSync> Mpi2Queue<S> {
    pub(super) fn new(sync: S, vector: u16, plan: &Plan, memory: QueueMemory) -> Self {
        let base = plan.base(vector);
        let mut queue = Self {
            sync,
            post: DmaRecords::new(memory.post.split_at(usize::from(plan.post_depth) * ENTRY).0),
            frames: DmaRecords::new(memory.frames),
            chains: DmaRecords::new(memory.chains),
            sense: SenseBuffers::new(memory.sense, plan.limits.queue_depth),
            spent: Vec::with_capacity(spent_max(plan)),
            spent_max: spent_max(plan),
            misrouted: Vec::with_capacity(MISROUTED_MAX),
            delivered: Vec::with_capacity(MISROUTED_MAX),
            commands: plan.commands(),
            replies: memory.replies,
            layout: plan.chains,
            controls: controls(),
            flags: [false, true].map(|to_device| plan.chains.flags(to_device)),
            at: 0,
            acknowledged: 0,
            first: first_post(
                plan.post,
                request_descriptor(DESCRIPTOR_SCSI_IO, vector as u8, base),
            ),
            base,
            depth: plan.limits.queue_depth,
            index: index_register(vector as u8, plan.facts.combines_indices()),
            epoch: 0,
            nonsense: None,
            distrust: false,
            idle: QUIET,
            unknown: 0,
            stale: 0,
            detail: SUCCESS,
            message: Message::EMPTY,
        };
        queue.arm();
        queue
    }

    /// Gives every entry to the controller, and writes the words of each frame that never change.
    ///
    /// A controller that changes them harms nobody but itself: sense data are read from our own record of the place.
    fn arm(&mut self) {
        let bytes = self.post.count() * ENTRY;
        self.post.region_mut().fill(0, bytes, 0xff);
        self.sync.for_device(self.post.bus_of(0), bytes);
        (self.at, self.acknowledged) = (0, 0);
        self.frames.region_mut().fill(0, usize::from(self.depth) * FRAME, 0);
        for tag in 0..self.depth {
            let mut words = self.frames.record_mut::<24>(tag.into());
            words.put::<3>(self.sense.bus_of(tag).low());
            words.put::<4>(u32::from(SENSE) << 16);
            words.put::<5>((SGL_OFFSET / 4) as u32);
        }
    }

    /// Writes a frame with any list: no data, one element or several, chains.
    fn prepare_list(
        &mut self,
        slot: usize,
        command: &Command,
        cdb: &[u8; 16],
        elements: Elements<'_>,
    ) -> Result<(), Unsendable> {
        let direction = command.transfer.wire_direction();
        let flags = self.flags[usize::from(direction == Direction::ToDevice)];
        let chain_offset = if command.transfer.length == 0 {
            self.write_empty_list(slot, flags);
            0
        } else {
            self.write_list(slot, flags, elements)?
        };
        let mut words = self.frames.record_mut::<24>(slot);
        Header { command, cdb, dev_handle: command.nexus.target.id, chain_offset }
            .write(&mut words);
        words.put::<15>(self.controls[control_place(direction, command.attribute)]);
        Ok(())
    }

    /// The same for a CDB of more than 16 bytes. What it leaves in the frame no shorter one shows: that has its length.
    #[cold]
    #[inline(never)]
    fn prepare_long(
        &mut self,
        slot: usize,
        command: &Command,
        elements: Elements<'_>,
    ) -> Result<(), Unsendable> {
        let bytes = command.cdb.as_bytes();
        let mut padded = [[0; 16]; 2];
        padded.as_flattened_mut()[..bytes.len()].copy_from_slice(bytes);
        self.prepare_list(slot, command, &padded[0], elements)?;
        let (head, tail) = halves(&padded[1]);
        let direction = command.transfer.wire_direction();
        let control = self.controls[control_place(direction, command.attribute)];
        // Bits 31:26: dwords of the CDB beyond its first 16 bytes.
        let additional = (bytes.len() - 16).div_ceil(4) as u32;
        let mut words = self.frames.record_mut::<24>(slot);
        words.put::<15>(control | additional << 26);
        words.put_pair::<20>(head);
        words.put_pair::<22>(tail);
        Ok(())
    }

    /// Control bits say that there is no data; the list is one empty element.
    fn write_empty_list(&mut self, slot: usize, flags: u32) {
        let at = slot * FRAME + SGL_OFFSET;
        let last = self.layout.last();
        match self.layout.kind() {
            ElementKind::Ieee => self.frames.region_mut().write_words(at, [0, 0, 0, last]),
            _ => self.frames.region_mut().write_words(at, [flags | last, 0, 0]),
        }
    }

    /// Writes a list and returns its chain offset.
    fn write_list(
        &mut self,
        slot: usize,
        flags: u32,
        elements: Elements<'_>,
    ) -> Result<u8, Unsendable> {
        let chain = slot * self.layout.segments();
        let (frames, chains) = (&mut self.frames, &mut self.chains);
        let mut list = ListMemory { frames, frame: slot, chains, chain };
        let chain_offset = list.write(&self.layout, flags, elements)?;
        if chain_offset != 0 {
            self.sync.for_device(self.chains.bus_of(chain), self.layout.bytes());
        }
        Ok(chain_offset)
    }

    /// The post of a frame that is written.
    #[inline]
    fn descriptor(&mut self, tag: Tag, target: u16) -> WordWrite {
        self.sync.for_device(self.frames.bus_of(tag.0.into()), FRAME);
        // The second word of a SCSI IO descriptor holds the device handle in its upper half; the short form has no such
        // word.
        let value = self.first.value + (u64::from(tag.0) << 16 | u64::from(target) << 48);
        self.first.with_value(value)
    }

    /// Which of our tags a SMID is.
    #[inline]
    fn name(&self, smid: u16) -> Option<WireTag> {
        let tag = smid.wrapping_sub(self.base);
        (tag < self.depth).then_some(WireTag { tag: Tag(tag), generation: Generation(0) })
    }

    /// The name of a SMID that is none of our tags: [`Self::name`] backwards, and no slot that there is.
    const fn foreign_name(&self, smid: u16) -> WireTag {
        WireTag { tag: Tag(smid.wrapping_sub(self.base)), generation: Generation(0) }
    }

    /// Whether a SMID is that of a command of some queue.
    const fn is_command(&self, smid: u16) -> bool {
        smid != 0 && smid <= self.commands
    }

    /// The next entry as the controller counts.
    #[inline]
    fn index_at(&self) -> usize {
        if self.at == self.post.count() { 0 } else { self.at }
    }

    /// Counts a breach that no working controller commits; Control hears of it at the end of the pass.
    #[cold]
    fn breach(&mut self, bad: BadReply) -> Reply {
        (self.distrust, self.idle) = (true, NEWS);
        Reply::Bad(bad)
    }

    /// Nothing is posted: what Control is to know goes out now.
    #[cold]
    #[inline(never)]
    fn report(&mut self) -> Reply {
        if let Some(bad) = self.nonsense.take() {
            return self.breach(bad);
        }
        if !self.spent.is_empty() {
            return self.report_spent();
        }
        if !self.misrouted.is_empty() {
            let from = self.misrouted.len().saturating_sub(note::NUMBERS_MAX);
            self.message = note::misrouted(self.epoch, self.misrouted.drain(from..));
            return Reply::Message;
        }
        if let Some((tag, detail)) = self.delivered.pop() {
            self.detail = detail;
            return Reply::Detail(WireTag { tag, generation: Generation(0) });
        }
        self.idle = QUIET;
        if core::mem::take(&mut self.distrust) {
            self.message = note::distrust();
            return Reply::Message;
        }
        Reply::Empty
    }

    #[cold]
    fn report_spent(&mut self) -> Reply {
        for frame in &self.spent {
            self.replies.forget(*frame);
        }
        self.message = note::spent(self.epoch, self.spent.drain(..));
        Reply::Message
    }

    /// What a whole descriptor says.
    fn sort(&mut self, low: u32, high: u32) -> Reply {
        let (kind, smid) = ((low & 0xf) as u8, (low >> 16) as u16);
        match kind {
            REPLY_ADDRESS => self.address_reply(smid, high),
            REPLY_SCSI_IO_SUCCESS | REPLY_FAST_PATH_SUCCESS => match self.name(smid) {
                Some(name) => Reply::Success(name),
                // What the queue finds no slot for comes back as disowned.
                None => Reply::Success(self.foreign_name(smid)),
            },
            _ => {
                self.unknown += 1;
                self.distrust |= self.unknown.is_multiple_of(UNKNOWN_MAX);
                if self.distrust {
                    self.idle = NEWS;
                }
                Reply::Bad(BadReply::Function { function: kind })
            }
        }
    }

    fn address_reply(&mut self, smid: u16, address: u32) -> Reply {
        let taken = self.replies.take(address, &mut self.sync);
        if let Ok((frame, _)) = taken {
            self.spent.push(frame);
            self.idle = NEWS;
        }
        let Some(name) = self.name(smid) else {
            if self.is_command(smid) {
                return self.misrouted_reply(smid, taken.map(|(_, copy)| copy));
            }
            return match taken.and_then(|(_, copy)| check_message(smid, &copy)) {
                Ok(copy) => {
                    self.message = copy.named(smid);
                    Reply::Message
                }
                Err(bad) => self.breach(bad),
            };
        };
        // The SMID is one of ours: its command has ended, whatever the frame holds.
        match taken.and_then(|(_, copy)| end_of(&copy)) {
            Ok(detail) => self.detail = detail,
            Err(bad) => {
                (self.nonsense, self.idle) = (Some(bad), NEWS);
                self.detail = NONSENSE;
            }
        }
        Reply::Detail(name)
    }

    /// The end of another queue's command goes there by way of Control.
    fn misrouted_reply(&mut self, smid: u16, taken: Result<ReplyCopy, BadReply>) -> Reply {
        let checked = taken.and_then(|copy| end_of(&copy).map(|_| copy));
        let copy = checked.unwrap_or_else(|bad| {
            (self.nonsense, self.idle) = (Some(bad), NEWS);
            ReplyCopy::of(&[])
        });
        self.message = note::misrouted_reply(self.epoch, smid, &copy);
        Reply::Message
    }
}

/// Half of the reply frames, if all queues keep so many; no more than one note tells.
fn spent_max(plan: &Plan) -> usize {
    let share = usize::from(plan.replies) / (2 * usize::from(plan.vectors()));
    share.clamp(1, note::NUMBERS_MAX)
}

/// A message for Control: not one that looks like a note, nor too short.
fn check_message(smid: u16, copy: &ReplyCopy) -> Result<ReplyCopy, BadReply> {
    copy.check_length(0)?;
    let function = copy.function();
    let io = matches!(Function(function), Function::SCSI_IO_REQUEST);
    let event = matches!(Function(function), Function::EVENT_NOTIFICATION);
    if function == note::NOTE || io || smid == 0 && !event {
        return Err(BadReply::Function { function });
    }
    Ok(*copy)
}

/// What the frame says of how a command ended.
pub(super) fn end_of(copy: &ReplyCopy) -> Result<Detail, BadReply> {
    let function = copy.function();
    if !matches!(Function(function), Function::SCSI_IO_REQUEST | Function::RAID_SCSI_IO_PASSTHROUGH)
    {
        return Err(BadReply::Function { function });
    }
    copy.check_length(JUDGED_WORDS)?;
    let bytes = copy.bytes();
    let (reply, _) = ScsiIoReply::read_from_prefix(&bytes)
        .map_err(|_| BadReply::MessageLength { words: copy.len as u8 })?;
    Ok(judge(&reply, SENSE))
}

impl<S: DmaSync> QueuePort for Mpi2Queue<S> {
    type Doorbell = WordWrite;
    type Ack = Option<RegisterWrite>;
    /// A SMID has no bits to spare.
    const GENERATION_BITS: u32 = 0;
    const GLANCES: bool = true;

    fn prepare(
        &mut self,
        name: WireTag,
        command: &Command,
        elements: Elements<'_>,
    ) -> Result<WordWrite, Unsendable> {
        let target = command.nexus.target;
        if target.channel != 0 {
            return Err(Unsendable::Target(target));
        }
        let slot = usize::from(name.tag.0);
        match command.cdb.padded16() {
            Some(cdb) => self.prepare_list(slot, command, cdb, elements)?,
            None => self.prepare_long(slot, command, elements)?,
        }
        Ok(self.descriptor(name.tag, target.id))
    }

    #[inline]
    fn prepare_single(
        &mut self,
        name: WireTag,
        command: &Command,
        element: Segment,
    ) -> Option<WordWrite> {
        let (cdb, target) = (command.cdb.padded16()?, command.nexus.target);
        // One branch for both: neither is ever so where this is used.
        if (self.layout.kind() != ElementKind::Ieee) | (target.channel != 0) {
            return None;
        }
        let mut words = self.frames.get_record::<28>(name.tag.0.into())?;
        Header { command, cdb, dev_handle: target.id, chain_offset: 0 }.write(&mut words);
        words
            .put::<15>(self.controls[control_place(command.transfer.direction, command.attribute)]);
        words.put_pair::<24>(element.addr.raw());
        words.put::<26>(element.len);
        words.put::<27>(IEEE_LAST);
        Some(self.descriptor(name.tag, target.id))
    }

    #[inline]
    fn glance(&mut self) -> Glance {
        let Some(mut entry) = self.post.get_pair(self.at) else { return Glance::Other };
        let words = entry.load();
        if words as u32 & 0xf != u32::from(REPLY_SCSI_IO_SUCCESS) {
            return if words == self.idle { Glance::Empty } else { Glance::Other };
        }
        // An entry whose second word is not written yet is not whole.
        if words >> 32 == UNUSED.into() {
            return Glance::Other;
        }
        hba_core::sync::observe();
        // Without this the next lap would take old entries for new ones.
        entry.store(u64::MAX);
        self.at += 1;
        // Whether that is one of our tags the queue checks anyway; if not, it says so.
        let tag = ((words >> 16) as u16).wrapping_sub(self.base);
        Glance::Success(WireTag { tag: Tag(tag), generation: Generation(0) })
    }

    #[cold]
    #[inline(never)]
    fn next_reply(&mut self) -> Reply {
        if self.spent.len() >= self.spent_max {
            return self.report_spent();
        }
        self.at = self.index_at();
        let mut entry = self.post.pair_mut(self.at);
        let words = entry.load();
        let (low, high) = (words as u32, (words >> 32) as u32);
        // The controller may write the halves one by one: an entry is whole when neither is all ones.
        if low & 0xf == u32::from(REPLY_UNUSED) || high == UNUSED {
            return if self.idle == NEWS { self.report() } else { Reply::Empty };
        }
        hba_core::sync::observe();
        entry.store(u64::MAX);
        self.at += 1;
        self.sort(low, high)
    }

    #[cold]
    fn disown(&mut self, name: WireTag, why: Unclaimed) -> Disowned {
        if why == Unclaimed::Ended {
            self.stale += 1;
            // Half as many as the queue has entries: the controller posts what nobody waits for, and may have overrun it.
            let overrun = self.stale.is_multiple_of((self.post.count() / 2).max(1));
            self.distrust |= overrun;
            if overrun {
                self.idle = NEWS;
            }
            return Disowned::Stale;
        }
        self.idle = NEWS;
        let smid = name.tag.0.wrapping_add(self.base);
        let elsewhere = why == Unclaimed::NoSlot && self.is_command(smid);
        if elsewhere && self.misrouted.len() < MISROUTED_MAX {
            self.misrouted.push(smid);
            return Disowned::Elsewhere;
        }
        self.distrust = true;
        Disowned::Bad(BadReply::UnknownTag { raw: u32::from(smid) })
    }

    #[cold]
    fn deliver(&mut self, tag: Tag, detail: &Detail) {
        self.idle = NEWS;
        if self.delivered.len() < MISROUTED_MAX {
            self.delivered.push((tag, *detail));
        } else {
            // More at once than anybody who means well; the commands end with the reset.
            self.distrust = true;
        }
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
    fn acknowledge(&mut self) -> Option<RegisterWrite> {
        let at = self.index_at();
        if at == self.acknowledged {
            return None;
        }
        self.acknowledged = at;
        let (offset, queue) = self.index;
        Some(RegisterWrite { offset, value: queue | at as u32 })
    }

    fn restart(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
        self.spent.clear();
        self.misrouted.clear();
        self.delivered.clear();
        self.replies.forget_all();
        (self.nonsense, self.distrust, self.idle) = (None, false, QUIET);
        (self.unknown, self.stale) = (0, 0);
        self.sense.clear(&mut self.sync);
        self.arm();
    }
}

/// The post of `descriptor`, by the register pair or by the one register that firmware offers instead.
const fn first_post(method: Post, descriptor: u32) -> WordWrite {
    match method {
        Post::Pair => WordWrite::pair(RegOffset(REQUEST_DESCRIPTOR_POST), descriptor as u64),
        Post::Atomic => WordWrite::one(RegOffset(ATOMIC_REQUEST_DESCRIPTOR_POST), descriptor),
    }
}

/// Where the index of a queue is written, and the bits that name the queue there.
pub(super) fn index_register(queue: u8, combined: bool) -> (RegOffset, u32) {
    if !combined {
        return (RegOffset(REPLY_POST_HOST_INDEX), u32::from(queue) << 24);
    }
    let register = COMBINED_REPLY_POST_HOST_INDEX + u32::from(queue / 8) * 0x10;
    (RegOffset(register), u32::from(queue % 8) << 24)
}

/// The fourth word of the last IEEE element.
const IEEE_LAST: u32 = (crate::wire::mpi2::IEEE_END_OF_LIST as u32) << 24;

/// The words of a SCSI IO request that differ from command to command. Source: `MPI2_SCSI_IO_REQUEST`.
struct Header<'a> {
    command: &'a Command,
    cdb: &'a [u8; 16],
    dev_handle: u16,
    chain_offset: u8,
}

impl Header<'_> {
    /// Writes each word as soon as it is made, so that few are alive at a time.
    #[inline]
    fn write<const N: usize>(&self, frame: &mut RecordMut<'_, N>) {
        let Self { command, cdb, .. } = self;
        let lun = u64::from_le_bytes(*command.nexus.lun.as_bytes());
        frame.put::<0>(u32::from(self.dev_handle) | u32::from(self.chain_offset) << 16);
        frame.put::<7>(command.transfer.length);
        frame.put::<9>(command.cdb.len() as u32);
        frame.put::<13>(lun as u32);
        frame.put::<14>((lun >> 32) as u32);
        let (head, tail) = halves(cdb);
        frame.put_pair::<16>(head);
        frame.put_pair::<18>(tail);
    }
}

const DIRECTIONS: [Direction; 3] = [Direction::None, Direction::ToDevice, Direction::FromDevice];
const ATTRIBUTES: [TaskAttribute; 4] =
    [TaskAttribute::Simple, TaskAttribute::HeadOfQueue, TaskAttribute::Ordered, TaskAttribute::Aca];

#[inline]
const fn control_place(direction: Direction, attribute: TaskAttribute) -> usize {
    (direction as usize * 4 + attribute as usize) % 16
}

fn controls() -> [u32; 16] {
    let mut words = [0; 16];
    for direction in DIRECTIONS {
        for attribute in ATTRIBUTES {
            words[control_place(direction, attribute)] = control(direction, attribute);
        }
    }
    words
}

/// The control word.
const fn control(direction: Direction, attribute: TaskAttribute) -> u32 {
    let direction = match direction {
        Direction::None => DataDirection::None,
        Direction::ToDevice => DataDirection::Write,
        Direction::FromDevice => DataDirection::Read,
    };
    let attribute = match attribute {
        TaskAttribute::Simple => scsi_io::TaskAttribute::Simple,
        TaskAttribute::HeadOfQueue => scsi_io::TaskAttribute::HeadOfQueue,
        TaskAttribute::Ordered => scsi_io::TaskAttribute::Ordered,
        TaskAttribute::Aca => scsi_io::TaskAttribute::Aca,
    };
    scsi_io::scsi_io_control(direction, attribute)
}

#[cfg(test)]
impl Mpi2Queue {
    /// What the controller writes into an entry.
    pub(super) fn forge(&mut self, entry: usize, words: [u32; 2]) {
        self.post.pair_mut(entry).store(u64::from(words[1]) << 32 | u64::from(words[0]));
    }
}
