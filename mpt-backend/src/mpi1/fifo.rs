//! The reply FIFO register (offset 0x44): reading it pops a reply, writing it frees a reply frame.

use alloc::collections::VecDeque;

use hba_core::register::{RegOffset, Registers};

use crate::wire::registers::REPLY_FIFO;

/// What a pop gives when no reply is posted. All ones mean empty here, never that the controller is gone.
pub const EMPTY: u32 = 0xffff_ffff;

/// The one register that the data path of an MPI 1.x controller reads.
///
/// A pop has side effects, so whoever implements this owns the register: nobody else reads it.
pub trait ReplyFifo {
    /// Reads the register: one reply word, or [`EMPTY`].
    fn pop(&mut self) -> u32;
    /// Writes the register: gives the reply frame at this address (bits 31:0) back to the controller.
    fn free(&mut self, frame: u32);
}

/// The register, reached through a handle of the register file of its own.
#[derive(Debug)]
pub struct FifoRegister<R>(pub R);

impl<R: Registers> ReplyFifo for FifoRegister<R> {
    #[inline]
    fn pop(&mut self) -> u32 {
        self.0.read32(RegOffset(REPLY_FIFO))
    }

    #[inline]
    fn free(&mut self, frame: u32) {
        self.0.write32(RegOffset(REPLY_FIFO), frame);
    }
}

/// For platforms whose interrupt handler pops the register itself: words go in, addresses to free come out.
///
/// Reach it through [`IoQueue::port_mut`](hba_core::queue::IoQueue::port_mut) and
/// [`Mpi1Queue::fifo_mut`](super::Mpi1Queue::fifo_mut).
#[derive(Debug)]
pub struct WordFifo {
    words: VecDeque<u32>,
    freed: VecDeque<u32>,
}

impl WordFifo {
    /// Room for `capacity` words in each direction; the reply post queue depth is enough.
    pub fn new(capacity: usize) -> Self {
        Self { words: VecDeque::with_capacity(capacity), freed: VecDeque::with_capacity(capacity) }
    }

    /// A word that the platform popped from the register.
    pub fn push(&mut self, word: u32) {
        self.words.push_back(word);
    }

    /// The next word that the platform has to write to the register.
    pub fn poll_freed(&mut self) -> Option<u32> {
        self.freed.pop_front()
    }
}

impl ReplyFifo for WordFifo {
    fn pop(&mut self) -> u32 {
        self.words.pop_front().unwrap_or(EMPTY)
    }

    fn free(&mut self, frame: u32) {
        self.freed.push_back(frame);
    }
}
