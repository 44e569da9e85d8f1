//! The registers of the data path: where descriptors are posted, and where indices are written.

use hba_core::register::{RegOffset, WordWrite};

use crate::wire::mpi2::{
    ATOMIC_REQUEST_DESCRIPTOR_POST, COMBINED_REPLY_POST_HOST_INDEX, REPLY_POST_HOST_INDEX,
    REQUEST_DESCRIPTOR_POST,
};

/// How a request descriptor reaches the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Post {
    /// A register pair.
    Pair,
    /// One register, with firmware that offers it.
    Atomic,
}

impl Post {
    /// The write that posts a descriptor whose second word, where one is written, is 0.
    pub(super) const fn of(self, descriptor: u32) -> WordWrite {
        match self {
            Self::Pair => WordWrite::pair(RegOffset(REQUEST_DESCRIPTOR_POST), descriptor as u64),
            Self::Atomic => WordWrite::one(RegOffset(ATOMIC_REQUEST_DESCRIPTOR_POST), descriptor),
        }
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
