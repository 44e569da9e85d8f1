//! The data path of one vector: request descriptors out, reply descriptors in through a queue in memory.
//!
//! ```text
//!   reply post queue    entry: flags | queue | SMID, then task tag or frame address
//!                       all ones: the controller's; anything else: ours until it is all ones again
//! ```

mod frame;
mod sort;

use alloc::vec::Vec;

use hba_core::command::Command;
use hba_core::dma::{Coherent, DmaRecords, DmaRegion, DmaSync, Elements, Segment};
use hba_core::port::{
    BadReply, Detail, Disowned, Generation, Glance, Message, QueuePort, Reply, Tag, Unclaimed,
    Unsendable, WireTag,
};
use hba_core::register::{RegOffset, RegisterWrite, WordWrite};

use super::config::Plan;
use super::post::index_register;
use super::replies::ReplyWindow;
use super::sgl::{Chains, ElementKind, FRAME, SGL_OFFSET};
use crate::sense::{SENSE, SenseBuffers};
use crate::status::SUCCESS;
use crate::wire::mpi2::{
    DESCRIPTOR_SCSI_IO, REPLY_SCSI_IO_SUCCESS, REPLY_UNUSED, request_descriptor,
};
use frame::{Header, IEEE_LAST, control_place, controls};
pub(super) use sort::end_of;
use sort::spent_max;

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
            first: plan.post.of(request_descriptor(DESCRIPTOR_SCSI_IO, vector as u8, base)),
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

#[cfg(test)]
impl Mpi2Queue {
    /// What the controller writes into an entry.
    pub(super) fn forge(&mut self, entry: usize, words: [u32; 2]) {
        self.post.pair_mut(entry).store(u64::from(words[1]) << 32 | u64::from(words[0]));
    }
}
