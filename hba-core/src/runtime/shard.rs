//! What is owned by one entry into a vector at a time: its queue, and the desk where its commands' answers go.

use core::task::Waker;

use super::ExecuteError;
use super::harvest::{Counter, Ended, Harvest, Passed, Remains};
use super::letter::{Letter, Parcel, Rare, Rest, Sent, Urgency};
use crate::command::{Cookie, Refusal};
use crate::dma::DataBuffer;
use crate::port::QueuePort;
use crate::queue::{IoQueue, Serviced};
use crate::sync::{Asked, Desk, Inert, Waiters};
use crate::time::Instant;

/// What is owned by one entry at a time.
pub(super) struct Shard<Q: QueuePort, D: DataBuffer> {
    pub(super) queue: IoQueue<Q, D>,
    pub(super) desk: Desk<Ended<D>, Waker>,
    /// A shutdown has begun: only its own commands are accepted.
    pub(super) closing: bool,
    /// A new command cannot simply be submitted: somebody is in line, or a shutdown has begun.
    pub(super) guarded: bool,
}

/// A waker that moves out.
pub(super) struct Next<'a>(pub(super) &'a mut Option<Waker>);
impl Inert for Next<'_> {}

impl<Q: QueuePort, D: DataBuffer> Shard<Q, D> {
    /// Submits a command of somebody new. `None`: see the letter's rest.
    #[inline(always)]
    pub(super) fn submit(
        &mut self,
        letter: Letter<'_, Q::Doorbell, D>,
    ) -> Option<Sent<Q::Doorbell>> {
        let Letter { parcel, now, waiter, urgency, rest } = letter;
        if self.guarded {
            *rest = Some(self.submit_guarded(parcel, now, waiter, urgency));
            return None;
        }
        let asked = match self.desk.ask(waiter) {
            Ok(asked) => asked,
            Err(waiter) => {
                *rest = Some(Rest::new(Rare::NoPlace, waiter));
                return None;
            }
        };
        let (cookie, mut reason) = (Cookie(asked.name().into()), Refusal::QueueFull);
        match self.queue.submit_in_place(&mut parcel.request, cookie, now, &mut reason) {
            Some(doorbell) => Some(Sent(asked, doorbell)),
            None => {
                let waiter = self.desk.withdraw(asked);
                *rest = Some(self.refuse(reason, parcel, waiter));
                None
            }
        }
    }

    /// A new command is not accepted, for now or for good.
    #[cold]
    #[inline(never)]
    pub(super) fn refuse(
        &mut self,
        reason: Refusal,
        parcel: &mut Parcel<D>,
        waiter: Waker,
    ) -> Rest<Q::Doorbell> {
        if reason == Refusal::QueueFull {
            return self.line_up(waiter);
        }
        parcel.error = Some(ExecuteError::Refused(reason));
        Rest::new(Rare::Refused, waiter)
    }

    #[cold]
    #[inline(never)]
    pub(super) fn submit_guarded(
        &mut self,
        parcel: &mut Parcel<D>,
        now: Instant,
        waiter: Waker,
        urgency: Urgency,
    ) -> Rest<Q::Doorbell> {
        if self.closing && urgency == Urgency::Ordinary {
            return self.refuse(Refusal::Stopped, parcel, waiter);
        }
        if self.desk.is_crowded() {
            let rest = self.line_up(waiter);
            let next = self.grant_next();
            self.look_around();
            return Rest { next, ..rest };
        }
        // The shutdown's own.
        let asked = match self.desk.ask(waiter) {
            Ok(asked) => asked,
            Err(waiter) => return Rest::new(Rare::NoPlace, waiter),
        };
        let (cookie, mut reason) = (Cookie(asked.name().into()), Refusal::QueueFull);
        match self.queue.submit_in_place_seldom(&mut parcel.request, cookie, now, &mut reason) {
            Some(doorbell) => Rest::none(Rare::Out(asked, doorbell)),
            None => {
                let waiter = self.desk.withdraw(asked);
                self.refuse(reason, parcel, waiter)
            }
        }
    }

    pub(super) fn line_up(&mut self, waiter: Waker) -> Rest<Q::Doorbell> {
        let asked = match self.desk.ask(waiter) {
            Ok(asked) => asked,
            Err(waiter) => return Rest::new(Rare::NoPlace, waiter),
        };
        self.desk.line_up(&asked, false);
        self.guarded = true;
        Rest::none(Rare::Waits(asked))
    }

    /// Submits a command whose turn in line has come.
    pub(super) fn resume(
        &mut self,
        asked: Asked,
        letter: Letter<'_, Q::Doorbell, D>,
    ) -> Option<Sent<Q::Doorbell>> {
        let Letter { parcel, now, waiter, urgency, rest } = letter;
        let (cookie, mut reason) = (Cookie(asked.name().into()), Refusal::Stopped);
        let submitted = if self.closing && urgency == Urgency::Ordinary {
            None
        } else {
            self.queue.submit_in_place_seldom(&mut parcel.request, cookie, now, &mut reason)
        };
        let sent = match (submitted, reason) {
            (Some(doorbell), _) => {
                self.desk.resume(&asked, waiter);
                Some(Sent(asked, doorbell))
            }
            // Recovery holds the slots of commands that have ended: they come back when it is over.
            (None, Refusal::QueueFull) => {
                self.desk.resume(&asked, waiter);
                self.desk.line_up(&asked, true);
                *rest = Some(Rest::none(Rare::Waits(asked)));
                None
            }
            (None, reason) => {
                self.desk.dismiss(asked);
                let next = self.grant_next();
                *rest = Some(Rest { next, ..self.refuse(reason, parcel, waiter) });
                None
            }
        };
        self.look_around();
        sent
    }

    /// Lets the first in line come on if there is a slot for it.
    pub(super) fn grant_next(&mut self) -> Option<Waker> {
        self.desk.collect();
        while self.has_slot() {
            match self.desk.grant() {
                Some(Some(waiter)) => return Some(waiter),
                // It is just looking, and finds out.
                Some(None) => {}
                None => break,
            }
        }
        None
    }

    /// Lets as many come on as there are slots.
    #[cold]
    pub(super) fn grant_all(&mut self, woken: &mut Waiters<Waker>) {
        // The rest comes on when those have come.
        while woken.has_room()
            && let Some(waiter) = self.grant_next()
        {
            woken.push(waiter);
        }
        self.look_around();
    }

    /// Whether a slot is free for one more of those in line. Slots that recovery holds count as free: who comes in vain
    /// keeps its place.
    pub(super) fn has_slot(&self) -> bool {
        let taken = usize::from(self.queue.outstanding()) + usize::from(self.desk.granted());
        taken < usize::from(self.queue.depth())
    }

    /// A shutdown begins.
    pub(super) fn close(&mut self) {
        self.closing = true;
        self.look_around();
    }

    pub(super) fn look_around(&mut self) {
        self.guarded = self.closing || self.desk.is_crowded();
    }

    /// Takes what the device posted, and whether there is more to it than answers that are in their places.
    #[inline(always)]
    pub(super) fn pass(&mut self, harvest: &mut Harvest<D>) -> Passed<Q::Ack> {
        let Self { queue, desk, .. } = self;
        let Harvest { batch, claims, woken } = harvest;
        let Serviced { ack, more, drained, gone } =
            queue.service_into(&mut Counter { desk, batch, woken });
        let mut rest = gone | drained.is_some() | batch.has_messages() | ack.is_none();
        if !batch.is_empty() {
            claims.extend(batch.cookies().map(|cookie| desk.claim(cookie.0 as u16)));
            rest = true;
        }
        let rest = if rest { Some(Remains::of(queue, &ack)) } else { None };
        if self.guarded {
            self.grant_all(&mut harvest.woken);
        }
        Passed { ack, more, rest, drained, gone }
    }
}
