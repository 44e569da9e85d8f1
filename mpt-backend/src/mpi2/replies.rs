//! Reply frames: read by whichever queue is told of them, given back by Control alone.

use alloc::vec::Vec;

use hba_core::dma::{DmaRegion, DmaSync, DmaView};
use hba_core::port::{BadReply, Message};
use hba_core::register::{RegOffset, Registers};

pub(super) use crate::reply::ReplyCopy;
use crate::reply::{FrameSet, REPLY_FRAME, frame_at};
use crate::status::JUDGED_WORDS;
use crate::wire::mpi2::REPLY_FREE_HOST_INDEX;

impl ReplyCopy {
    /// The words that say how a command ended.
    pub(super) fn judged(&self) -> impl Iterator<Item = u32> {
        self.words.into_iter().take(self.len.min(usize::from(JUDGED_WORDS)))
    }

    /// The message for Control. Word 2 names nothing on this wire; there it says whose reply it is.
    pub(super) fn named(mut self, smid: u16) -> Message {
        self.words[2] = u32::from(smid);
        Message::new(self.words.into_iter().take(self.len))
    }
}

/// A queue's way to the reply frames: it reads them and nothing else.
#[derive(Debug)]
pub(super) struct ReplyWindow {
    frames: DmaView,
    count: u16,
    /// Those which this queue has copied, and not told Control.
    copied: FrameSet,
}

impl ReplyWindow {
    pub(super) fn new(frames: DmaView, count: u16) -> Self {
        Self { frames, count, copied: FrameSet::new(count) }
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
        let frame = frame_at(address, self.frames.bus().low(), self.count)?;
        if !self.copied.insert(frame) {
            return Err(BadReply::FrameNotOwned { raw: address });
        }
        let offset = usize::from(frame) * REPLY_FRAME;
        sync.for_cpu(self.frames.bus().offset(offset as u64), REPLY_FRAME);
        Ok((frame, ReplyCopy::read(|at| self.frames.read_u32(offset + at))))
    }

    /// Control is told of the frame.
    pub(super) fn forget(&mut self, frame: u16) {
        self.copied.remove(frame);
    }

    pub(super) fn forget_all(&mut self) {
        self.copied.clear();
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
    /// Frames that queues are done with and the controller has not got back; and the same as a set.
    resting: Vec<u16>,
    rests: FrameSet,
}

impl FreeQueue {
    pub(super) fn new(memory: DmaRegion, depth: u16, first: u32, count: u16) -> Self {
        let resting = Vec::with_capacity(usize::from(count));
        let rests = FrameSet::new(count);
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
        self.rests.clear();
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
            if !self.rests.insert(frame) {
                return Err(BadReply::FrameNotOwned { raw: self.address(frame) });
            }
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
        self.rests.clear();
        self.write_index(registers);
    }

    fn address(&self, frame: u16) -> u32 {
        self.first.wrapping_add(u32::from(frame) * REPLY_FRAME as u32)
    }
}
