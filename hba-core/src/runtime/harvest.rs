//! What a pass over a queue fills and leaves.

use alloc::vec::Vec;
use core::task::Waker;

use super::Answer;
use super::sense::SenseData;
use crate::command::Completion;
use crate::dma::DataBuffer;
use crate::port::{Message, QueuePort};
use crate::queue::{Batch, DrainMark, IoQueue, Sink};
use crate::sync::{Claim, Desk, Inert, Waiters};

/// What waits in a place: how a command ended, and its memory.
pub(super) type Ended<D> = (Answer, D);

/// What a pass took from a queue for Control.
#[derive(Debug)]
pub(super) enum Note {
    Message(Message),
    Drained(DrainMark),
    /// Something was seen that matters for cached writes.
    Signs,
    Gone,
}

/// What a pass fills, made once for each driver.
pub(super) struct Harvest<D> {
    /// What has no place of its own: failures, sense data, memory that nobody waits for.
    pub(super) batch: Batch<D>,
    /// For each completion in the batch, the place that it goes to.
    pub(super) claims: Vec<Option<Claim<Waker>>>,
    pub(super) woken: Waiters<Waker>,
}

/// A pass over one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// A budget ended it.
    More,
    /// Everything was taken.
    Empty,
    /// The queue is stopped: nobody looked.
    Stopped,
}

/// A pass moves wakers in and calls none.
impl<D> Inert for &mut Harvest<D> {}

/// What a pass leaves.
pub(super) struct Passed<A> {
    pub(super) ack: Option<A>,
    pub(super) more: bool,
    /// There is something in the batch, or below, or nobody looked.
    pub(super) rest: Option<Remains>,
    pub(super) drained: Option<DrainMark>,
    pub(super) gone: bool,
}

/// What there may be to a pass beside answers that are in their places.
#[derive(Clone, Copy)]
pub(super) struct Remains {
    /// The queue is stopped, for now.
    pub(super) stopped: bool,
    /// Something was seen that matters for cached writes.
    pub(super) signs: bool,
}

impl Remains {
    #[cold]
    #[inline(never)]
    pub(super) fn of<Q: QueuePort, D: DataBuffer>(
        queue: &IoQueue<Q, D>,
        ack: &Option<Q::Ack>,
    ) -> Self {
        Self { stopped: ack.is_none() && !queue.is_over(), signs: queue.has_signs() }
    }
}

impl<A> Inert for Passed<A> {}

/// Puts good answers into their places; everything else goes into the batch.
pub(super) struct Counter<'a, D> {
    pub(super) desk: &'a mut Desk<Ended<D>, Waker>,
    pub(super) batch: &'a mut Batch<D>,
    pub(super) woken: &'a mut Waiters<Waker>,
}

impl<D> Sink<D> for Counter<'_, D> {
    #[inline]
    fn batch(&mut self) -> &mut Batch<D> {
        self.batch
    }

    // Called from the loop of a pass, and from one rare place.
    #[inline(always)]
    fn push_good(&mut self, completion: Completion<D>) {
        let Completion { cookie, handle, data, outcome, transferred, residual } = completion;
        let answer = Answer { outcome, transferred, residual, sense: SenseData::NONE };
        // Cookies are the names of places.
        match self.desk.answer(cookie.0 as u16, (answer, data)) {
            Ok(waiter) => self.woken.push(waiter),
            Err((_, data)) => {
                let completion =
                    Completion { cookie, handle, data, outcome, transferred, residual };
                self.batch.push(completion);
            }
        }
    }
}

impl<D> Harvest<D> {
    pub(super) fn new() -> Self {
        let woken = Waiters::with_capacity(2 * super::BATCH);
        let claims = Vec::with_capacity(super::BATCH);
        Self { batch: Batch::new(super::BATCH), claims, woken }
    }
}
