//! Requests that a queue takes from where they lie: the async facade's, whose futures they lie in.

use super::IoQueue;
use super::offer::Offer;
use crate::command::{Command, Cookie, LengthCheck, Refusal, Request};
use crate::dma::{DataBuffer, Segment};
use crate::port::QueuePort;
use crate::time::{Instant, Timeout};

/// A request that lies somewhere, of which nothing but the data moves.
#[derive(Debug)]
pub(crate) struct Lying<D> {
    pub(crate) command: Command,
    /// Until the queue has it.
    pub(crate) data: Option<D>,
    pub(crate) timeout: Timeout,
    pub(crate) check: LengthCheck,
}

/// Such a request under a name, with its memory in hand.
pub(super) struct InPlace<'a, D> {
    pub(super) request: &'a mut Lying<D>,
    pub(super) data: D,
    pub(super) cookie: Cookie,
    /// Where the reason goes if it is not accepted.
    pub(super) reason: &'a mut Refusal,
}

impl<D: DataBuffer> Offer<D> for InPlace<'_, D> {
    type Refused = ();

    #[inline(always)]
    fn command(&self) -> &Command {
        &self.request.command
    }

    #[inline(always)]
    fn segments(&self) -> &[Segment] {
        self.data.segments()
    }

    #[inline(always)]
    fn is_joined(&self) -> bool {
        self.data.is_joined()
    }

    #[inline(always)]
    fn cookie(&self) -> Cookie {
        self.cookie
    }

    #[inline(always)]
    fn timeout(&self) -> Timeout {
        self.request.timeout
    }

    #[inline(always)]
    fn take(self) -> Option<D> {
        Some(self.data)
    }

    #[cold]
    fn refuse(self, reason: Refusal) {
        self.request.data = Some(self.data);
        *self.reason = reason;
    }
}

impl<P: QueuePort, D: DataBuffer> IoQueue<P, D> {
    /// [`Self::submit`] of a request that is left in place if it is not accepted, for `reason`; `cookie` is its name.
    #[inline(always)]
    pub(crate) fn submit_in_place(
        &mut self,
        request: &mut Lying<D>,
        cookie: Cookie,
        now: Instant,
        reason: &mut Refusal,
    ) -> Option<P::Doorbell> {
        let data = request.data.take()?;
        let plain = request.check == LengthCheck::Off;
        let offer = InPlace { request, data, cookie, reason };
        if plain
            && let Some((name, expires, doorbell)) = self.prepare_usual(&offer, now)
            && let Some(slot) = self.slots.record_mut(name.tag.0)
        {
            let (_, next) = slot.take(name, offer, expires);
            self.issued(next);
            self.deadlines.arm(expires);
            return Some(doorbell);
        }
        if plain {
            return self.accept(offer, now).ok().map(|submitted| submitted.doorbell);
        }
        self.submit_compared_in_place(offer, now)
    }

    /// The same where it is not worth a copy of its own.
    #[cold]
    pub(crate) fn submit_in_place_seldom(
        &mut self,
        request: &mut Lying<D>,
        cookie: Cookie,
        now: Instant,
        reason: &mut Refusal,
    ) -> Option<P::Doorbell> {
        self.submit_in_place(request, cookie, now, reason)
    }

    #[cold]
    #[inline(never)]
    fn submit_compared_in_place(
        &mut self,
        offer: InPlace<'_, D>,
        now: Instant,
    ) -> Option<P::Doorbell> {
        let InPlace { request: lying, data, cookie, reason } = offer;
        let Lying { command, timeout, check, .. } = *lying;
        match self.submit_compared(Request { command, data, cookie, timeout, check }, now) {
            Ok(submitted) => Some(submitted.doorbell),
            Err(rejected) => {
                (lying.data, *reason) = (Some(rejected.request.data), rejected.reason);
                None
            }
        }
    }
}
