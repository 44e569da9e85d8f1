//! The pool of reply frames: which address is a frame, and whose the frame is.

use hba_core::dma::{DmaRegion, DmaSync};
use hba_core::port::BadReply;

use super::context::INDICES;
pub(super) use crate::reply::ReplyCopy;
use crate::reply::{FrameSet, REPLY_FRAME, frame_at};

impl ReplyCopy {
    /// The message context, word 2.
    pub(super) const fn context(&self) -> u32 {
        self.words[2]
    }
}

/// Reply frames: posted to the reply free FIFO they are the controller's, from an address reply on they are ours.
#[derive(Debug)]
pub(super) struct ReplyPool {
    frames: DmaRegion,
    count: u16,
    /// The controller's.
    posted: FrameSet,
}

impl ReplyPool {
    pub(super) fn new(frames: DmaRegion, count: u16) -> Self {
        let count = count.min(INDICES);
        Self { frames, count, posted: FrameSet::new(count) }
    }

    /// All frames become the controller's: it is given their addresses when it is brought up.
    pub(super) fn post_all(&mut self) {
        for frame in 0..self.count {
            self.posted.insert(frame);
        }
    }

    /// The frame at `address` (bits 31:0), copied; the frame is ours until [`Self::post`].
    ///
    /// # Errors
    ///
    /// [`BadReply`] for an address outside the pool or not on a frame, and for a frame that is not the controller's. Such
    /// an address is never given back.
    pub(super) fn take(
        &mut self,
        address: u32,
        sync: &mut impl DmaSync,
    ) -> Result<(u16, ReplyCopy), BadReply> {
        let frame = frame_at(address, self.frames.bus().low(), self.count)?;
        if !self.posted.remove(frame) {
            return Err(BadReply::FrameNotOwned { raw: address });
        }
        let offset = usize::from(frame) * REPLY_FRAME;
        sync.for_cpu(self.frames.bus().offset(offset as u64), REPLY_FRAME);
        Ok((frame, ReplyCopy::read(|at| self.frames.read_u32(offset + at))))
    }

    /// Makes the frame the controller's again; write the address to the reply free FIFO.
    pub(super) fn post(&mut self, frame: u16) -> u32 {
        self.posted.insert(frame);
        self.address(frame)
    }

    /// Bits 31:0 of a frame's address.
    pub(super) fn address(&self, frame: u16) -> u32 {
        self.frames.bus().offset(u64::from(frame) * REPLY_FRAME as u64).low()
    }
}
