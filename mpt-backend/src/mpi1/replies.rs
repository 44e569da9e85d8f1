//! The pool of reply frames: which address is a frame, and whose the frame is.

use hba_core::dma::{DmaRegion, DmaSync};
use hba_core::port::BadReply;

use super::config::REPLY_FRAME;
use super::context::INDICES;

/// Words of a reply frame.
pub(super) const REPLY_WORDS: usize = REPLY_FRAME / 4;
/// The shortest reply: the default reply's five words.
const WORDS_MIN: u8 = 5;

/// A reply frame, each word read once. The controller may rewrite the frame; this copy it cannot.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReplyCopy {
    pub(super) words: [u32; REPLY_WORDS],
    /// Words that count, between the shortest reply and the frame.
    pub(super) len: usize,
}

impl ReplyCopy {
    pub(super) const EMPTY: Self = Self { words: [0; REPLY_WORDS], len: 0 };

    /// Byte 3 of the first word.
    pub(super) const fn function(&self) -> u8 {
        (self.words[0] >> 24) as u8
    }

    /// The message context, word 2.
    pub(super) const fn context(&self) -> u32 {
        self.words[2]
    }

    /// The bytes of the reply as they were on the wire.
    pub(super) fn bytes(&self) -> [u8; REPLY_FRAME] {
        let mut bytes = [0; REPLY_FRAME];
        for (chunk, word) in bytes.chunks_exact_mut(4).zip(self.words) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}

/// Reply frames: posted to the reply free FIFO they are the controller's, from an address reply on they are ours.
#[derive(Debug)]
pub(super) struct ReplyPool {
    frames: DmaRegion,
    count: u16,
    /// Bit n is set while frame n is the controller's.
    posted: [u64; INDICES as usize / 64],
}

impl ReplyPool {
    pub(super) fn new(frames: DmaRegion, count: u16) -> Self {
        Self { frames, count: count.min(INDICES), posted: [0; INDICES as usize / 64] }
    }

    /// Every frame's address (bits 31:0), as the controller is given it at bring-up; all frames become its own.
    pub(super) fn post_all(&mut self) {
        for frame in 0..self.count {
            self.set_posted(frame, true);
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
        let offset = address.wrapping_sub(self.frames.bus().low()) as usize;
        let frame = offset / REPLY_FRAME;
        if frame >= usize::from(self.count) || !offset.is_multiple_of(REPLY_FRAME) {
            return Err(BadReply::FrameAddress { raw: address });
        }
        let frame = frame as u16;
        if self.posted[usize::from(frame) / 64] & 1 << (frame % 64) == 0 {
            return Err(BadReply::FrameNotOwned { raw: address });
        }
        self.set_posted(frame, false);
        sync.for_cpu(self.frames.bus().offset(offset as u64), REPLY_FRAME);
        Ok((frame, self.copy(offset)))
    }

    /// Makes the frame the controller's again; write the address to the reply free FIFO.
    pub(super) fn post(&mut self, frame: u16) -> u32 {
        self.set_posted(frame, true);
        self.address(frame)
    }

    /// Bits 31:0 of a frame's address.
    pub(super) fn address(&self, frame: u16) -> u32 {
        self.frames.bus().offset(u64::from(frame) * REPLY_FRAME as u64).low()
    }

    fn copy(&self, offset: usize) -> ReplyCopy {
        let mut copy = ReplyCopy::EMPTY;
        copy.words[0] = self.frames.read_u32(offset);
        let stated = (copy.words[0] >> 16) as u8;
        copy.len = usize::from(stated).min(REPLY_WORDS);
        for (at, word) in copy.words.iter_mut().enumerate().take(copy.len).skip(1) {
            *word = self.frames.read_u32(offset + 4 * at);
        }
        copy
    }

    fn set_posted(&mut self, frame: u16, posted: bool) {
        let bit = 1u64 << (frame % 64);
        let word = &mut self.posted[usize::from(frame) / 64];
        *word = if posted { *word | bit } else { *word & !bit };
    }
}

/// Whether a reply has at least `words` words, and the five of the default reply.
///
/// # Errors
///
/// [`BadReply::MessageLength`].
pub(super) fn check_length(copy: &ReplyCopy, words: u8) -> Result<(), BadReply> {
    if copy.len < usize::from(words.max(WORDS_MIN)) {
        return Err(BadReply::MessageLength { words: copy.len as u8 });
    }
    Ok(())
}
