//! What comes back on the data path.

use core::fmt;

use scsi_proto::Status;

use crate::command::Failure;
use crate::name::{Tag, Vector, WireTag};

/// What [`QueuePort::next_reply`](super::QueuePort::next_reply) found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing; the queue is empty for now.
    Empty,
    /// GOOD, every byte moved.
    Success(WireTag),
    /// Anything else that names a command; see [`QueuePort::detail`](super::QueuePort::detail).
    Detail(WireTag),
    /// Not for a command of this queue: task management, events, configuration. Control gets it as a value.
    Message,
    /// Words that name nothing that the port could have sent.
    Bad(BadReply),
    /// The device reads all ones where it cannot: it left the bus.
    Gone,
}

/// What [`QueuePort::glance`](super::QueuePort::glance) found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glance {
    /// Nothing; the queue is empty for now.
    Empty,
    /// GOOD, every byte moved: taken.
    Success(WireTag),
    /// Not looked at, or anything else: still there for [`QueuePort::next_reply`](super::QueuePort::next_reply).
    Other,
}

/// Why a reply that names a slot ends no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unclaimed {
    /// There is no such slot.
    NoSlot,
    /// Nothing that the device was sent can be answered so: the slot was not issued since the reset, or, where the wire
    /// carries generations, this use of it is still to come.
    NeverIssued,
    /// A command had the slot and has ended: a reply that came late, or twice.
    Ended,
}

/// The end of a command that the device told another vector than the one that the command was sent on.
///
/// It goes to its own queue by way of Control: [`PortEvent::Misrouted`](super::PortEvent::Misrouted),
/// [`Action::Deliver`](crate::control::Action::Deliver), [`IoQueue::deliver`](crate::queue::IoQueue::deliver).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misrouted {
    /// The vector of the command.
    pub vector: Vector,
    /// The command's slot there.
    pub tag: Tag,
    /// How the command ended.
    pub detail: Detail,
}

/// What [`QueuePort::disown`](super::QueuePort::disown) makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disowned {
    /// The end of another vector's command, which the port sends on: that vector counts it.
    Elsewhere,
    /// A reply of an earlier use of its slot.
    Stale,
    /// A reply that breaks the protocol.
    Bad(BadReply),
}

/// A reply that breaks the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadReply {
    /// The context or tag was never issued.
    UnknownTag {
        /// As read.
        raw: u32,
    },
    /// The reply frame address lies outside the pool or not on a frame.
    FrameAddress {
        /// As read.
        raw: u32,
    },
    /// The reply frame is not the device's to use: it was not free.
    FrameNotOwned {
        /// As read.
        raw: u32,
    },
    /// The message length is shorter than the structure or longer than the frame.
    MessageLength {
        /// In 32-bit words, as read.
        words: u8,
    },
    /// The message's function does not belong to its context.
    Function {
        /// As read.
        function: u8,
    },
}

/// The particulars of a reply, checked and clamped by the port as far as it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detail {
    /// Whether a status came, and if not, why.
    pub delivery: Delivery,
    /// The SCSI status; meaningful with [`Delivery::TaskComplete`].
    pub status: Status,
    /// Bytes moved as the device counts them; the queue clamps it.
    pub transferred: Transferred,
    /// Sense bytes available from [`QueuePort::read_sense`](super::QueuePort::read_sense), 0 when there is none.
    pub sense_len: u8,
    /// The controller's own status word, for the flight recorder.
    pub raw_status: u32,
}

/// How many bytes a reply says were moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transferred {
    /// As many as were asked for.
    All,
    /// This many.
    Bytes(u32),
}

/// Whether the device server's status arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It did.
    TaskComplete,
    /// It did not.
    Failed(Failure),
}

/// A reply for Control, copied out of device memory.
#[derive(Clone, Copy)]
pub struct Message {
    words: [u32; Self::WORDS_MAX],
    len: u8,
}

impl Message {
    /// The longest message, in 32-bit words.
    pub const WORDS_MAX: usize = 32;
    /// Nothing.
    pub const EMPTY: Self = Self { words: [0; Self::WORDS_MAX], len: 0 };

    /// Copies `words`, cut at [`Self::WORDS_MAX`].
    pub fn new(words: impl IntoIterator<Item = u32>) -> Self {
        let mut message = Self::EMPTY;
        for (slot, word) in message.words.iter_mut().zip(words) {
            *slot = word;
            message.len += 1;
        }
        message
    }

    /// The words, in host byte order.
    pub fn words(&self) -> &[u32] {
        self.words.get(..usize::from(self.len)).unwrap_or(&self.words)
    }

    /// The bytes as they were on the wire, and how many of them count.
    pub fn bytes(&self) -> ([u8; 4 * Self::WORDS_MAX], usize) {
        let mut bytes = [0; 4 * Self::WORDS_MAX];
        for (chunk, word) in bytes.chunks_exact_mut(4).zip(self.words) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        (bytes, 4 * usize::from(self.len))
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.words()).finish()
    }
}
