//! Completions as values, in memory that the caller owns.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use crate::command::{Completion, Outcome};
use crate::durability::{Ended, Judgement};
use crate::port::Message;
use scsi_proto::{Cdb, Status};

/// The longest sense data that SPC allows, in bytes. Source: SPC-5 4.4.1.
pub const SENSE_MAX: usize = 252;

/// Messages for Control that one pass can hold.
const MESSAGES: usize = 4;

/// What one service pass produces: completions, and messages for [`Control`](crate::control::Control).
///
/// The capacity is the budget of a pass. Memory is allocated once, here; passes and [`Self::drain`] allocate nothing.
#[derive(Debug)]
pub struct Batch<D> {
    completions: Vec<Completion<D>>,
    senses: Senses,
    /// The first completion that has sense data; [`NONE`] while none has.
    first_sense: usize,
    messages: Vec<Message>,
    capacity: usize,
}

/// No completion.
const NONE: usize = usize::MAX;

/// The sense data of a batch.
#[derive(Debug)]
struct Senses {
    /// One buffer for each completion, written for those that have sense data only.
    buffers: Box<[[u8; SENSE_MAX]]>,
    /// Bytes in each, meaningful from the first that has any on.
    lengths: Box<[u8]>,
}

impl Senses {
    /// The sense data of completion `at`, where `first` is the first that has any.
    // By values: what a completion is taken from stays in registers.
    #[cold]
    #[inline(never)]
    fn of(&self, at: usize, first: usize) -> &[u8] {
        if at < first {
            return &[];
        }
        let length = self.lengths.get(at).copied().unwrap_or(0);
        let sense = self.buffers.get(at).and_then(|sense| sense.get(..usize::from(length)));
        sense.unwrap_or(&[])
    }
}

/// Where a pass puts what it takes: a batch, or something around one that has another place for the common case.
pub(crate) trait Sink<D> {
    /// The batch, for everything else.
    fn batch(&mut self) -> &mut Batch<D>;

    /// A command that ended with GOOD and moved every byte.
    fn push_good(&mut self, completion: Completion<D>);
}

impl<D> Sink<D> for Batch<D> {
    #[inline]
    fn batch(&mut self) -> &mut Self {
        self
    }

    #[inline]
    fn push_good(&mut self, completion: Completion<D>) {
        self.push(completion);
    }
}

impl<D> Batch<D> {
    /// Room for `capacity` completions, at least one.
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self {
            completions: Vec::with_capacity(capacity),
            senses: Senses {
                buffers: vec![[0; SENSE_MAX]; capacity].into_boxed_slice(),
                lengths: vec![0; capacity].into_boxed_slice(),
            },
            first_sense: NONE,
            messages: Vec::with_capacity(MESSAGES),
            capacity,
        }
    }

    /// Completions that a pass can add at most.
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Completions held.
    pub fn len(&self) -> usize {
        self.completions.len()
    }

    /// Whether no completion is held.
    pub fn is_empty(&self) -> bool {
        self.completions.is_empty()
    }

    /// Takes the completions out, in the order in which the device posted them.
    ///
    /// What the iterator has not yielded when it is dropped is dropped too, its data memory included.
    pub fn drain(&mut self) -> Drain<'_, D> {
        let first_sense = core::mem::replace(&mut self.first_sense, NONE);
        let Self { completions, senses, .. } = self;
        let count = completions.len();
        Drain { completions: completions.drain(..), senses, count, first_sense }
    }

    /// Takes the messages out. They must reach [`Control::handle_message`](crate::control::Control::handle_message).
    pub fn drain_messages(&mut self) -> impl Iterator<Item = Message> {
        self.messages.drain(..)
    }

    #[inline]
    pub(super) fn has_room(&self) -> bool {
        self.completions.len() < self.capacity
    }

    /// Replies that a pass may take: each adds one completion or one message at most.
    #[inline]
    pub(super) fn room(&self) -> usize {
        self.capacity - self.completions.len()
    }

    #[inline]
    pub(super) fn has_message_room(&self) -> bool {
        self.messages.len() < MESSAGES
    }

    /// The callers' names of the completions.
    #[cfg(feature = "tokio")]
    pub(crate) fn cookies(&self) -> impl Iterator<Item = crate::command::Cookie> {
        self.completions.iter().map(|completion| completion.cookie)
    }

    /// Whether there are messages.
    #[cfg(feature = "tokio")]
    #[inline]
    pub(crate) fn has_messages(&self) -> bool {
        !self.messages.is_empty()
    }

    #[inline]
    pub(crate) fn push(&mut self, completion: Completion<D>) {
        // Always so: it is the budget of a pass. Said aloud, it leaves the common path without a call that allocates.
        assert!(self.completions.len() < self.completions.capacity(), "a pass has a budget");
        self.completions.push(completion);
    }

    /// The sense buffer of the completion that [`Self::push_with_sense`] adds next.
    pub(super) fn sense_buffer(&mut self) -> &mut [u8; SENSE_MAX] {
        let next = self.completions.len().min(self.capacity - 1);
        &mut self.senses.buffers[next]
    }

    pub(super) fn push_with_sense(&mut self, completion: Completion<D>, sense_len: u8) {
        debug_assert!(self.completions.len() < self.capacity);
        if sense_len > 0 {
            let at = self.completions.len();
            if self.first_sense == NONE {
                self.first_sense = at;
                self.senses.lengths.fill(0);
            }
            if let Some(length) = self.senses.lengths.get_mut(at) {
                *length = sense_len;
            }
        }
        self.completions.push(completion);
    }

    pub(super) fn push_message(&mut self, message: Message) {
        self.messages.push(message);
    }
}

/// The completions of a batch; see [`Batch::drain`].
#[derive(Debug)]
pub struct Drain<'a, D> {
    completions: vec::Drain<'a, Completion<D>>,
    senses: &'a Senses,
    /// Completions at first.
    count: usize,
    /// The first that has sense data, or [`NONE`].
    first_sense: usize,
}

/// One completion with its sense data.
#[derive(Debug)]
pub struct Done<'a, D> {
    /// The completion.
    pub completion: Completion<D>,
    /// The sense data, empty when there is none.
    pub sense: &'a [u8],
}

impl<D> Done<'_, D> {
    /// What is known of the effect of the command, which was `cdb`.
    pub fn judge(&self, cdb: &Cdb) -> Judgement {
        Judgement::of(cdb, &self.ended())
    }

    /// How the command ended, with all that the device said of it.
    pub const fn ended(&self) -> Ended<'_> {
        let Completion { outcome, transferred, residual, .. } = self.completion;
        Ended { outcome, transferred, residual, sense: self.sense }
    }
}

impl<'a, D> Iterator for Drain<'a, D> {
    type Item = Done<'a, D>;

    #[inline]
    fn next(&mut self) -> Option<Done<'a, D>> {
        let outcome = self.completions.as_slice().first()?.outcome;
        if outcome == Outcome::Status(Status::GOOD) && self.first_sense == NONE {
            return self.completions.next().map(|completion| Done { completion, sense: &[] });
        }
        let sense = self.senses.of(self.count - self.completions.len(), self.first_sense);
        self.completions.next().map(|completion| Done { completion, sense })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.completions.size_hint()
    }
}

impl<D> ExactSizeIterator for Drain<'_, D> {}
