//! Completions as values, in memory that the caller owns.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use crate::command::Completion;
use crate::durability::{Ended, Judgement};
use crate::port::Message;
use scsi_proto::Cdb;

/// The longest sense data that SPC allows, in bytes. Source: SPC-5 4.4.1.
pub const SENSE_MAX: usize = 252;

/// Messages for Control that one pass can hold.
const MESSAGES: usize = 4;

/// What one service pass produces: completions, and messages for [`Control`](crate::control::Control).
///
/// The capacity is the budget of a pass. Memory is allocated once, here; passes and [`Self::drain`] allocate nothing.
#[derive(Debug)]
pub struct Batch<D> {
    completions: Vec<(Completion<D>, u8)>,
    /// One buffer for each completion, written for those that have sense data only.
    sense: Box<[[u8; SENSE_MAX]]>,
    messages: Vec<Message>,
    capacity: usize,
}

impl<D> Batch<D> {
    /// Room for `capacity` completions, at least one.
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self {
            completions: Vec::with_capacity(capacity),
            sense: vec![[0; SENSE_MAX]; capacity].into_boxed_slice(),
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
        Drain { completions: self.completions.drain(..), sense: &self.sense, at: 0 }
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
        if self.messages.len() < MESSAGES { self.capacity - self.completions.len() } else { 0 }
    }

    /// Messages that still fit; unlimited replies of other kinds may come between them.
    pub(super) fn message_room(&self) -> usize {
        if self.messages.len() < MESSAGES { usize::MAX } else { 0 }
    }

    #[inline]
    pub(super) fn push(&mut self, completion: Completion<D>) {
        debug_assert!(self.completions.len() < self.capacity);
        self.completions.push((completion, 0));
    }

    /// The sense buffer of the completion that [`Self::push_with_sense`] adds next.
    pub(super) fn sense_buffer(&mut self) -> &mut [u8; SENSE_MAX] {
        let next = self.completions.len().min(self.capacity - 1);
        &mut self.sense[next]
    }

    pub(super) fn push_with_sense(&mut self, completion: Completion<D>, sense_len: u8) {
        debug_assert!(self.completions.len() < self.capacity);
        self.completions.push((completion, sense_len));
    }

    pub(super) fn push_message(&mut self, message: Message) {
        self.messages.push(message);
    }
}

/// The completions of a batch; see [`Batch::drain`].
#[derive(Debug)]
pub struct Drain<'a, D> {
    completions: vec::Drain<'a, (Completion<D>, u8)>,
    sense: &'a [[u8; SENSE_MAX]],
    at: usize,
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

impl<'a, D> Drain<'a, D> {
    #[cold]
    fn sense_of(&self, at: usize, len: u8) -> &'a [u8] {
        self.sense.get(at).and_then(|s| s.get(..usize::from(len))).unwrap_or(&[])
    }
}

impl<'a, D> Iterator for Drain<'a, D> {
    type Item = Done<'a, D>;

    #[inline]
    fn next(&mut self) -> Option<Done<'a, D>> {
        let (completion, len) = self.completions.next()?;
        let at = self.at;
        self.at += 1;
        let sense = if len == 0 { &[][..] } else { self.sense_of(at, len) };
        Some(Done { completion, sense })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.completions.size_hint()
    }
}

impl<D> ExactSizeIterator for Drain<'_, D> {}
