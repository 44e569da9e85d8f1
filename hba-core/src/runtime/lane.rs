//! One vector: its queue, and the places where its commands' answers wait.

use core::task::Waker;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::Answer;
use crate::command::{Refusal, Rejected, Request};
use crate::dma::DataBuffer;
use crate::limits::Limits;
use crate::port::{Message, QueuePort};
use crate::queue::{AbortTicket, Batch, DrainMark, IoQueue, Vector};
use crate::register::{HostWrite, Registers};
use crate::sync::{Answered, Answers, Permits, SharedQueue};
use crate::time::Instant;

/// What is owned by one entry at a time.
pub(super) struct Shard<Q: QueuePort, D: DataBuffer> {
    pub(super) queue: IoQueue<Q, D>,
    /// A shutdown has begun: only its own commands are accepted.
    pub(super) closing: bool,
}

/// One vector, shared by the tasks that send on it and its driver.
pub(super) struct Lane<Q: QueuePort, R, D: DataBuffer> {
    pub(super) vector: Vector,
    pub(super) shared: SharedQueue<Shard<Q, D>>,
    /// One place for each slot of the queue.
    pub(super) answers: Answers<(Answer, D), Waker>,
    /// One permit for each place: who has a permit finds a place.
    pub(super) permits: Permits<Waker>,
    pub(super) registers: R,
    /// Memory of commands whose futures were dropped, for whoever wants it.
    reclaimed: mpsc::Sender<D>,
}

/// What a pass took from a queue for Control.
#[derive(Debug)]
pub(super) enum Note {
    Message(Message),
    Drained(DrainMark),
    Gone,
}

/// A pass over one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// Somebody else is in.
    Busy,
    /// A budget ended it.
    More,
    /// Everything was taken.
    Empty,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Submission {
    /// The queue has it.
    Sent,
    /// The queue does not accept it.
    Refused(Refusal),
    /// Somebody else is in.
    Busy,
}

/// Who may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Not once a shutdown has begun.
    Ordinary,
    /// The shutdown itself.
    Closing,
}

/// Tasks of one vector that can wait in order; more are told to come again.
const LINE: u16 = 1024;

impl<Q: QueuePort, R: Registers + Clone, D: DataBuffer> Lane<Q, R, D> {
    pub(super) fn new(
        queue: IoQueue<Q, D>,
        limits: &Limits,
        registers: R,
        reclaimed: mpsc::Sender<D>,
    ) -> Self {
        let vector = queue.vector();
        let shared = SharedQueue::new(Shard { queue, closing: false });
        let depth = limits.queue_depth.min(1 << 14);
        let (answers, permits) = (Answers::new(depth), Permits::new(depth, LINE));
        Self { vector, shared, answers, permits, registers, reclaimed }
    }

    /// Submits and writes the doorbell, if nobody else is in. A request that was not sent is left in place.
    #[inline]
    pub(super) fn submit(
        &self,
        request: &mut Option<Request<D>>,
        now: Instant,
        urgency: Urgency,
    ) -> Submission {
        let input = (request, now, urgency == Urgency::Closing);
        let entered = self.shared.enter(input, |shard, (place, now, closing)| {
            if shard.closing && !closing {
                return (None, Some(Refusal::Stopped));
            }
            let Some(request) = place.take() else { return (None, None) };
            match shard.queue.submit(request, now) {
                Ok(submitted) => (Some(submitted), None),
                Err(Rejected { reason, request }) => {
                    *place = Some(request);
                    (None, Some(reason))
                }
            }
        });
        let Ok(entered) = entered else { return Submission::Busy };
        if let Some(submitted) = entered.words() {
            submitted.doorbell.write_to(&mut self.registers.clone());
        }
        // Who was refused meanwhile comes again by itself: every caller of `enter` in this module does.
        entered.leave().values.map_or(Submission::Sent, Submission::Refused)
    }

    /// Takes what the device posted, acknowledges it, leaves the queue, and only then wakes who waits.
    pub(super) fn pass(&self, batch: &mut Batch<D>, mut tell: impl FnMut(Note)) -> Pass {
        let Ok(entered) = self.shared.enter(&mut *batch, |shard, batch| {
            let serviced = shard.queue.service(batch);
            (serviced, ())
        }) else {
            return Pass::Busy;
        };
        if let Some(ack) = entered.words().ack {
            ack.write_to(&mut self.registers.clone());
        }
        let serviced = entered.leave().words;
        if serviced.gone {
            tell(Note::Gone);
        }
        batch.drain_messages().for_each(|message| tell(Note::Message(message)));
        if let Some(mark) = serviced.drained {
            tell(Note::Drained(mark));
        }
        for done in batch.drain() {
            let (completion, sense) = (done.completion, done.sense);
            let sense = if sense.is_empty() { Bytes::new() } else { Bytes::copy_from_slice(sense) };
            let answer = Answer {
                outcome: completion.outcome,
                transferred: completion.transferred,
                residual: completion.residual,
                sense,
            };
            // Cookies are the names of places: see `Execute`.
            self.answer(completion.cookie.0 as u16, answer, completion.data);
        }
        if serviced.more { Pass::More } else { Pass::Empty }
    }

    #[inline]
    fn answer(&self, place: u16, answer: Answer, data: D) {
        match self.answers.answer(place, (answer, data)) {
            Answered::Wake(waker) => waker.wake(),
            Answered::Seen => {}
            Answered::Unclaimed((_, data)) => self.reclaim(data),
            Answered::Unknown((_, data)) => {
                debug_assert!(false, "place {place} was not asked");
                drop(data);
            }
        }
    }

    /// A command ended whose future is gone: its memory is home, and its permit is the next one's.
    #[cold]
    fn reclaim(&self, data: D) {
        self.give(data);
        if let Some(next) = self.permits.release_left_behind() {
            next.wake();
        }
    }

    /// Memory that the device cannot touch any more, to whoever wants it; or dropped.
    #[cold]
    pub(super) fn give(&self, data: D) {
        drop(self.reclaimed.try_send(data));
    }

    /// A command whose deadline passed, and when to ask again.
    pub(super) fn expired(&self, now: Instant) -> Option<(Option<AbortTicket>, Option<Instant>)> {
        let entered = self.shared.enter(now, |shard, now| {
            let ticket = shard.queue.poll_expired(now);
            ((), (ticket, shard.queue.next_deadline()))
        });
        entered.ok().map(|entered| entered.leave().values)
    }
}
