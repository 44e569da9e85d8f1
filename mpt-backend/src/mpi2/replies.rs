//! Reply frames: read by whichever queue is told of them, given back by Control alone.

use alloc::vec;
use alloc::vec::Vec;

use hba_core::dma::{DmaRegion, DmaSync, DmaView};
use hba_core::port::{BadReply, Message};
use hba_core::register::{RegOffset, Registers};

use super::config::REPLY_FRAME;
use crate::status::JUDGED_WORDS;
use crate::wire::mpi2::REPLY_FREE_HOST_INDEX;

/// Words of a reply frame.
pub(super) const REPLY_WORDS: usize = REPLY_FRAME / 4;
/// The shortest reply: the default reply's five words.
const WORDS_MIN: u8 = 5;

/// A reply frame, each word read once. The controller may rewrite the frame; this copy it cannot.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReplyCopy {
    words: [u32; REPLY_WORDS],
    /// Words that count, at most the frame.
    pub(super) len: usize,
}

impl ReplyCopy {
    /// Byte 3 of the first word.
    pub(super) const fn function(&self) -> u8 {
        (self.words[0] >> 24) as u8
    }

    /// The bytes of the reply as they were on the wire.
    pub(super) fn bytes(&self) -> [u8; REPLY_FRAME] {
        let mut bytes = [0; REPLY_FRAME];
        for (chunk, word) in bytes.chunks_exact_mut(4).zip(self.words) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// The words that say how a command ended.
    pub(super) fn judged(&self) -> impl Iterator<Item = u32> {
        self.words.into_iter().take(self.len.min(usize::from(JUDGED_WORDS)))
    }

    /// The reply whose words these are.
    pub(super) fn of(words: &[u32]) -> Self {
        let mut copy = Self { words: [0; REPLY_WORDS], len: words.len().min(REPLY_WORDS) };
        copy.words.iter_mut().zip(words).for_each(|(word, given)| *word = *given);
        copy
    }

    /// The message for Control. Word 2 names nothing on this wire; there it says whose reply it is.
    pub(super) fn named(mut self, smid: u16) -> Message {
        self.words[2] = u32::from(smid);
        Message::new(self.words.into_iter().take(self.len))
    }

    /// Whether a reply has at least `words` words, and the five of the default reply.
    ///
    /// # Errors
    ///
    /// [`BadReply::MessageLength`].
    pub(super) fn check_length(&self, words: u8) -> Result<(), BadReply> {
        if self.len < usize::from(words.max(WORDS_MIN)) {
            return Err(BadReply::MessageLength { words: self.len as u8 });
        }
        Ok(())
    }
}

/// A queue's way to the reply frames: it reads them and nothing else.
#[derive(Debug)]
pub(super) struct ReplyWindow {
    frames: DmaView,
    count: u16,
    /// Bit n is set while this queue has copied frame n and not told Control.
    copied: Vec<u64>,
}

impl ReplyWindow {
    pub(super) fn new(frames: DmaView, count: u16) -> Self {
        Self { frames, count, copied: vec![0; usize::from(count).div_ceil(64)] }
    }

    /// The frame at `address` (bits 31:0), copied.
    ///
    /// # Errors
    ///
    /// [`BadReply`] for an address outside the pool or not on a frame, and for a frame that this queue was told of already.
    pub(super) fn take(
        &mut self,
        address: u32,
        sync: &mut impl DmaSync,
    ) -> Result<(u16, ReplyCopy), BadReply> {
        let offset = address.wrapping_sub(self.frames.bus().low()) as usize;
        let frame = offset / REPLY_FRAME;
        if frame >= usize::from(self.count) || !offset.is_multiple_of(REPLY_FRAME) {
            return Err(BadReply::FrameAddress { raw: address });
        }
        let (word, bit) = (frame / 64, 1 << (frame % 64));
        if self.copied[word] & bit != 0 {
            return Err(BadReply::FrameNotOwned { raw: address });
        }
        self.copied[word] |= bit;
        sync.for_cpu(self.frames.bus().offset(offset as u64), REPLY_FRAME);
        Ok((frame as u16, self.copy(offset)))
    }

    /// Control is told of the frame.
    pub(super) fn forget(&mut self, frame: u16) {
        self.copied[usize::from(frame) / 64] &= !(1 << (frame % 64));
    }

    pub(super) fn forget_all(&mut self) {
        self.copied.fill(0);
    }

    fn copy(&self, offset: usize) -> ReplyCopy {
        let mut copy = ReplyCopy { words: [0; REPLY_WORDS], len: 0 };
        copy.words[0] = self.frames.read_u32(offset);
        let stated = (copy.words[0] >> 16) as u8;
        copy.len = usize::from(stated).min(REPLY_WORDS);
        for (at, word) in copy.words.iter_mut().enumerate().take(copy.len).skip(1) {
            *word = self.frames.read_u32(offset + 4 * at);
        }
        copy
    }
}

/// The reply free queue: which frames are the controller's. Control's alone.
#[derive(Debug)]
pub(super) struct FreeQueue {
    memory: DmaRegion,
    depth: u16,
    /// The first slot that holds no frame for the controller.
    index: u16,
    /// Bits 31:0 of the first frame.
    first: u32,
    count: u16,
    /// The life of the queues that frames come from.
    epoch: u32,
    /// Frames that queues are done with and the controller has not got back; and the same, bit n for frame n.
    resting: Vec<u16>,
    rests: Vec<u64>,
}

impl FreeQueue {
    pub(super) fn new(memory: DmaRegion, depth: u16, first: u32, count: u16) -> Self {
        let resting = Vec::with_capacity(usize::from(count));
        let rests = vec![0; usize::from(count).div_ceil(64)];
        Self { memory, depth, index: 0, first, count, epoch: 0, resting, rests }
    }

    pub(super) fn memory(&self) -> &DmaRegion {
        &self.memory
    }

    /// Every frame becomes the controller's, before IOC init.
    pub(super) fn fill(&mut self, sync: &mut impl DmaSync) {
        for frame in 0..self.count {
            self.memory.write_u32(4 * usize::from(frame), self.address(frame));
        }
        self.memory.fill(4 * usize::from(self.count), 4 * usize::from(self.depth - self.count), 0);
        sync.for_device(self.memory.bus(), 4 * usize::from(self.depth));
        self.index = self.count;
    }

    /// The queues start over with the next restart.
    pub(super) fn begin_epoch(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
        self.resting.clear();
        self.rests.fill(0);
    }

    /// Whether a queue's life of this number is the present one.
    pub(super) const fn is_of(&self, epoch: u32) -> bool {
        self.epoch == epoch
    }

    /// Tells the controller how far its frames go.
    pub(super) fn write_index(&self, registers: &mut dyn Registers) {
        hba_core::sync::publish();
        registers.write32(RegOffset(REPLY_FREE_HOST_INDEX), u32::from(self.index));
    }

    /// Takes frames back that a queue copied in its life `epoch`; after a reset they are the controller's already. They rest
    /// until [`Self::give_back`]: so long each queue has had its pass, and a frame that two vectors were told of shows.
    ///
    /// # Errors
    ///
    /// [`BadReply::FrameNotOwned`] for the first frame that another vector was told of, too.
    pub(super) fn take_back(&mut self, epoch: u32, frames: &[u32]) -> Result<(), BadReply> {
        if epoch != self.epoch {
            return Ok(());
        }
        for frame in frames.iter().filter(|frame| **frame < u32::from(self.count)) {
            let frame = *frame as u16;
            let (word, bit) = (usize::from(frame) / 64, 1 << (frame % 64));
            if self.rests[word] & bit != 0 {
                return Err(BadReply::FrameNotOwned { raw: self.address(frame) });
            }
            self.rests[word] |= bit;
            self.resting.push(frame);
        }
        Ok(())
    }

    /// Whether so many frames rest that the controller may soon be out of them.
    pub(super) fn runs_low(&self) -> bool {
        self.resting.len() > usize::from(self.count) / 2
    }

    /// Gives the frames that rest to the controller.
    pub(super) fn give_back(&mut self, sync: &mut impl DmaSync, registers: &mut dyn Registers) {
        if self.resting.is_empty() {
            return;
        }
        for at in 0..self.resting.len() {
            let frame = self.resting[at];
            let slot = 4 * usize::from(self.index);
            self.memory.write_u32(slot, self.address(frame));
            sync.for_device(self.memory.bus().offset(slot as u64), 4);
            self.index = if self.index + 1 == self.depth { 0 } else { self.index + 1 };
        }
        self.resting.clear();
        self.rests.fill(0);
        self.write_index(registers);
    }

    fn address(&self, frame: u16) -> u32 {
        self.first.wrapping_add(u32::from(frame) * REPLY_FRAME as u32)
    }
}
