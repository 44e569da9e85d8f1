//! How a queue takes a request: the usual read in one go, everything else the long way.

use alloc::vec::Vec;

use super::offer::Offer;
use super::slots::NextFree;
use super::{CommandHandle, IoQueue, Phase};
use crate::command::{Command, LengthCheck, LengthMismatch, Refusal, Rejected, Request, Transfer};
use crate::dispatch;
use crate::dma::{DataBuffer, Elements};
use crate::durability::Kind;
use crate::port::{QueuePort, WireTag};
use crate::sync;
use crate::time::{Instant, Timeout};
use scsi_proto::{Cdb, Direction};

/// A command that the device sees once the doorbell is written.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the device does not see the command until the doorbell is written"]
pub struct Submitted<B> {
    /// What to write. Writing it orders the frame before it; see [`Registers`](crate::register::Registers).
    pub doorbell: B,
    /// For aborting the command.
    pub handle: CommandHandle,
    /// The disagreement of CDB and transfer length that [`LengthCheck::Report`] asked for.
    pub mismatch: Option<LengthMismatch>,
}

impl<P: QueuePort, D: DataBuffer> IoQueue<P, D> {
    /// Accepts `request`, writes its frame, and returns the doorbell that starts it.
    ///
    /// The command then completes exactly once through [`Self::service`]. The frame is complete in memory when this
    /// returns, behind a release barrier; the doorbell write must not be moved before it.
    ///
    /// # Errors
    ///
    /// [`Rejected`] with the reason and the whole request; nothing else has happened.
    #[inline]
    pub fn submit(
        &mut self,
        request: Request<D>,
        now: Instant,
    ) -> Result<Submitted<P::Doorbell>, Rejected<D>> {
        // A read that needs nothing special is written in here, and calls nothing: everything else goes the long way.
        if request.check == LengthCheck::Off
            && let Some((name, expires, doorbell)) = self.prepare_usual(&request, now)
            && let Some(slot) = self.slots.record_mut(name.tag.0)
        {
            let (handle, next) = slot.take(name, request, expires);
            self.issued(next);
            self.deadlines.arm(expires);
            return Ok(Submitted { doorbell, handle, mismatch: None });
        }
        self.submit_any(request, now)
    }

    /// Submits requests in order until one is refused, and returns their doorbells in `doorbells`.
    ///
    /// Exactly the requests before the refused one are accepted; the iterator keeps those after it.
    ///
    /// # Errors
    ///
    /// The first [`Rejected`].
    pub fn submit_batch(
        &mut self,
        requests: &mut impl Iterator<Item = Request<D>>,
        now: Instant,
        doorbells: &mut Vec<Submitted<P::Doorbell>>,
    ) -> Result<(), Rejected<D>> {
        for request in requests {
            doorbells.push(self.submit(request, now)?);
        }
        Ok(())
    }

    /// The frame of a read of one segment, if that is all that there is to the command.
    #[inline(always)]
    pub(super) fn prepare_usual(
        &mut self,
        offer: &impl Offer<D>,
        now: Instant,
    ) -> Option<(WireTag, Instant, P::Doorbell)> {
        let command = offer.command();
        let Transfer { direction, length } = command.transfer;
        if direction != Direction::FromDevice || u64::from(length) >= self.accepted {
            return None;
        }
        let name = self.slots.next_name(Self::MASK)?;
        let element = Elements::new(offer.segments(), length, &self.segments).single()?;
        let expires = self.expiry(&command.cdb, offer.timeout(), now);
        let doorbell = self.port.prepare_single(name, command, element)?;
        Some((name, expires, doorbell))
    }

    /// The device gets the command of the slot that [`Slot::take`](super::slots::Slot::take) filled.
    #[inline(always)]
    pub(super) fn issued(&mut self, next: NextFree) {
        self.slots.issue(next);
        self.counters.submitted += 1;
        sync::publish();
    }

    /// When a command that begins now is out of time; of a CDB that [`QueuePort::prepare_single`] takes.
    #[inline]
    fn expiry(&self, cdb: &Cdb, timeout: Timeout, now: Instant) -> Instant {
        if timeout == Timeout::BY_CLASS {
            let class = dispatch::short_class(cdb);
            return now.wrapping_after(self.timeouts[class as usize]);
        }
        timeout.after(now)
    }

    /// [`Self::submit`], whatever the request is.
    #[inline(never)]
    fn submit_any(
        &mut self,
        request: Request<D>,
        now: Instant,
    ) -> Result<Submitted<P::Doorbell>, Rejected<D>> {
        if request.check != LengthCheck::Off {
            return self.submit_compared(request, now);
        }
        self.accept(request, now)
    }

    /// Compares CDB and transfer length first, then submits as if that had not been asked for.
    #[cold]
    #[inline(never)]
    pub(super) fn submit_compared(
        &mut self,
        request: Request<D>,
        now: Instant,
    ) -> Result<Submitted<P::Doorbell>, Rejected<D>> {
        let (check, command) = (request.check, &request.command);
        let mismatch = match check {
            LengthCheck::Off => None,
            LengthCheck::Report(block) | LengthCheck::Refuse(block) => {
                dispatch::length_mismatch(&command.cdb, command.transfer, block)
            }
        };
        if let (Some(mismatch), LengthCheck::Refuse(_)) = (mismatch, check) {
            return Err(self.reject(Refusal::Length(mismatch), request));
        }
        match self.submit_any(request.with_check(LengthCheck::Off), now) {
            Ok(submitted) => Ok(Submitted { mismatch, ..submitted }),
            Err(Rejected { reason, request }) => {
                Err(Rejected { reason, request: request.with_check(check) })
            }
        }
    }

    #[inline(always)]
    pub(super) fn accept<O: Offer<D>>(
        &mut self,
        offer: O,
        now: Instant,
    ) -> Result<Submitted<P::Doorbell>, O::Refused> {
        let length = offer.command().transfer.length;
        if u64::from(length) >= self.accepted {
            let reason = self.unacceptable(length);
            return Err(self.reject(reason, offer));
        }
        // The one look at the direction: a read pays for nothing that is noted of other commands.
        if offer.command().transfer.direction != Direction::FromDevice
            && let Err(reason) = self.note(offer.command())
        {
            return Err(self.reject(reason, offer));
        }
        let Some((name, slot)) = self.slots.next(Self::MASK) else {
            return Err(self.reject(Refusal::QueueFull, offer));
        };
        let command = offer.command();
        let elements = Elements::new(offer.segments(), command.transfer.length, &self.segments)
            .known(offer.is_joined());
        let doorbell = match self.port.prepare(name, command, elements) {
            Ok(doorbell) => doorbell,
            Err(reason) => {
                // The unit counts as written to, which errs on the safe side; the slot goes to another command.
                slot.note(Kind::Other);
                return Err(self.reject(Refusal::Unsendable(reason), offer));
            }
        };
        let expires = match offer.timeout() {
            Timeout::BY_CLASS => {
                now.wrapping_after(self.timeouts[dispatch::class(&command.cdb) as usize])
            }
            timeout => timeout.after(now),
        };
        self.deadlines.arm(expires);
        let (handle, next) = slot.take(name, offer, expires);
        self.issued(next);
        Ok(Submitted { doorbell, handle, mismatch: None })
    }

    /// Notes a command that sends data, or moves none, in the books and in the slot that it is about to get.
    #[inline(never)]
    fn note(&mut self, command: &Command) -> Result<(), Refusal> {
        let Transfer { direction, length } = command.transfer;
        if direction == Direction::None && length != 0 {
            return Err(Refusal::NoDirection { length });
        }
        if let Some((_, slot)) = self.slots.next(Self::MASK) {
            slot.note(self.record.note(command));
        }
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn unacceptable(&self, length: u32) -> Refusal {
        match self.phase {
            Phase::Running => Refusal::TransferTooLong { length, permitted: self.transfer_max },
            _ if self.is_gone() => Refusal::Gone,
            _ => Refusal::Stopped,
        }
    }

    #[cold]
    #[inline(never)]
    fn reject<O: Offer<D>>(&mut self, reason: Refusal, offer: O) -> O::Refused {
        self.counters.rejected += 1;
        offer.refuse(reason)
    }
}
