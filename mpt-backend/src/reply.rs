//! Reply frames: where one is, a copy of what it says, and sets of them.

use alloc::vec;
use alloc::vec::Vec;

use hba_core::port::BadReply;
use zerocopy::FromBytes;

use crate::wire::message::Function;

/// Bytes of a reply frame. The longest reply that is used, IOC facts, has 80.
pub(crate) const REPLY_FRAME: usize = 128;
/// Words of a reply frame.
const REPLY_WORDS: usize = REPLY_FRAME / 4;
/// The shortest reply: the default reply's five words.
const WORDS_MIN: u8 = 5;

/// A reply frame, each word read once. The controller may rewrite the frame; this copy it cannot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReplyCopy {
    pub(crate) words: [u32; REPLY_WORDS],
    /// Words that count, at most the frame.
    pub(crate) len: usize,
}

impl ReplyCopy {
    /// A copy of a frame whose word at a byte offset `read` reads.
    pub(crate) fn read(read: impl Fn(usize) -> u32) -> Self {
        let mut copy = Self { words: [0; REPLY_WORDS], len: 0 };
        copy.words[0] = read(0);
        let stated = (copy.words[0] >> 16) as u8;
        copy.len = usize::from(stated).min(REPLY_WORDS);
        for (at, word) in copy.words.iter_mut().enumerate().take(copy.len).skip(1) {
            *word = read(4 * at);
        }
        copy
    }

    /// The reply whose words these are.
    pub(crate) fn of(words: &[u32]) -> Self {
        let mut copy = Self { words: [0; REPLY_WORDS], len: words.len().min(REPLY_WORDS) };
        copy.words.iter_mut().zip(words).for_each(|(word, given)| *word = *given);
        copy
    }

    /// Byte 3 of the first word.
    pub(crate) const fn function(&self) -> u8 {
        (self.words[0] >> 24) as u8
    }

    /// The bytes of the reply as they were on the wire.
    pub(crate) fn bytes(&self) -> [u8; REPLY_FRAME] {
        let mut bytes = [0; REPLY_FRAME];
        for (chunk, word) in bytes.chunks_exact_mut(4).zip(self.words) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Whether a reply has at least `words` words, and the five of the default reply.
    ///
    /// # Errors
    ///
    /// [`BadReply::MessageLength`].
    pub(crate) fn check_length(&self, words: u8) -> Result<(), BadReply> {
        if self.len < usize::from(words.max(WORDS_MIN)) {
            return Err(BadReply::MessageLength { words: self.len as u8 });
        }
        Ok(())
    }
}

/// Which frame of a pool of `count`, the first of which is at `first`, an address names (bits 31:0 of both).
///
/// # Errors
///
/// [`BadReply::FrameAddress`] for an address outside the pool or not on a frame.
pub(crate) fn frame_at(address: u32, first: u32, count: u16) -> Result<u16, BadReply> {
    let offset = address.wrapping_sub(first) as usize;
    let frame = offset / REPLY_FRAME;
    if frame >= usize::from(count) || !offset.is_multiple_of(REPLY_FRAME) {
        return Err(BadReply::FrameAddress { raw: address });
    }
    Ok(frame as u16)
}

/// A set of the frames of a pool. Frames are those of the pool: others panic.
#[derive(Debug)]
pub(crate) struct FrameSet(Vec<u64>);

impl FrameSet {
    /// None of `count` frames.
    pub(crate) fn new(count: u16) -> Self {
        Self(vec![0; usize::from(count).div_ceil(64)])
    }

    /// Whether the frame was not there before.
    pub(crate) fn insert(&mut self, frame: u16) -> bool {
        let (word, bit) = Self::place(frame);
        let new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        new
    }

    /// Whether the frame was there.
    pub(crate) fn remove(&mut self, frame: u16) -> bool {
        let (word, bit) = Self::place(frame);
        let there = self.0[word] & bit != 0;
        self.0[word] &= !bit;
        there
    }

    pub(crate) fn clear(&mut self) {
        self.0.fill(0);
    }

    const fn place(frame: u16) -> (usize, u64) {
        (frame as usize / 64, 1 << (frame % 64))
    }
}

/// A reply to `function` as a type of the wire, and what follows it.
///
/// # Errors
///
/// [`BadReply`] for a reply that is too short or to another function.
pub(crate) fn parse<T: FromBytes>(
    bytes: &[u8],
    function: Function,
) -> Result<(T, &[u8]), BadReply> {
    let words = (bytes.len() / 4) as u8;
    let short = BadReply::MessageLength { words };
    let (reply, rest) = T::read_from_prefix(bytes).map_err(|_| short)?;
    match bytes.get(3) {
        Some(found) if *found == function.0 => Ok((reply, rest)),
        Some(found) => Err(BadReply::Function { function: *found }),
        None => Err(short),
    }
}
