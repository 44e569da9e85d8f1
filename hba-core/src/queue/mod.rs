//! The data path of one interrupt vector: tags, deadlines, submit, service.
//!
//! An [`IoQueue`] is owned by whoever runs its vector and shared with nobody: `submit` and `service` take `&mut self`,
//! so a re-entrant call does not compile. Nothing in here calls out, locks, allocates or reads a clock.

mod abort;
mod batch;
mod counters;
mod deadlines;
mod durable;
mod lifecycle;
mod offer;
mod shared;
mod slots;
mod ticket;

use alloc::vec::Vec;

pub use crate::name::{CommandHandle, Vector};
pub(crate) use batch::Sink;
pub use batch::{Batch, Done, Drain, SENSE_MAX};
pub use counters::Counters;
pub use lifecycle::Abandoned;
#[cfg(feature = "tokio")]
pub(crate) use offer::Lying;
pub use shared::{ServiceTurn, SubmitTurn};
pub(crate) use ticket::TICKETS_MAX;
pub use ticket::{
    AbortTicket, DrainMark, DrainRequest, OpenPermit, Quiesced, Redeemed, RestartPermit, Stopped,
    Verdict,
};

use crate::command::{
    Command, Completion, Cookie, Failure, LengthCheck, LengthMismatch, Outcome, Refusal, Rejected,
    Request, Transfer,
};
use crate::dispatch::{self, Class, ClassTimeouts};
use crate::dma::{DataBuffer, Elements, SegmentLimits};
use crate::durability::{Kind, Record};
use crate::limits::Limits;
use crate::port::{Delivery, Disowned, Glance, QueuePort, Reply, Tag, Transferred, WireTag};
use crate::sabotage::{Sabotage, is_planted};
use crate::sync;
use crate::time::{Instant, Timeout};
use deadlines::Deadlines;
use offer::Offer;
use scsi_proto::{Cdb, Direction, Status};
use slots::{Finished, NextFree, Slots, generation_mask};
use ticket::Handout;

/// The queue of one vector.
///
/// Methods come in the four kinds that the crate uses everywhere: `submit` and the token methods are what the owner
/// asks for, [`Self::service`] takes what the device posted, `poll_*` give what is due, and the rest look.
///
/// Queues that lie side by side share no cache line: each may have a core of its own.
#[derive(Debug)]
#[repr(align(128))]
pub struct IoQueue<P: QueuePort, D: DataBuffer> {
    port: P,
    slots: Slots<D>,
    deadlines: Deadlines,
    segments: SegmentLimits,
    transfer_max: u32,
    /// Transfers shorter than this are accepted: none while the queue is not running.
    accepted: u64,
    phase: Phase,
    drain: Option<DrainRequest>,
    /// Nanoseconds, by [`Class`].
    timeouts: [u64; Class::COUNT],
    vector: Vector,
    counters: Counters,
    /// What was written, and what the device said of that.
    record: Record,
    handout: Handout,
}

/// What the queue may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Not started, or quiesced: the port is not touched.
    Stopped,
    /// Ends every outstanding command with this failure; then goes on as the second says.
    Ending(Failure, After),
    /// Takes replies, refuses requests.
    Serving,
    /// Takes both.
    Running,
    /// The controller is gone: nothing is touched ever again.
    Gone,
}

/// The phase that follows [`Phase::Ending`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Stopped,
    Serving,
    Running,
    Gone,
}

/// How a pass goes on.
#[derive(Clone, Copy)]
enum Next {
    /// There may be more.
    Any,
    /// There is nothing.
    None,
    /// There may be more, for which the batch has no room.
    Full,
    /// The device left the bus.
    Gone,
}

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

/// What a service pass did.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the acknowledge must be written, and more may be pending"]
pub struct Serviced<A> {
    /// What to write, before the batch is handed out.
    pub ack: Option<A>,
    /// Whether the budget ended the pass, not the queue: call again.
    pub more: bool,
    /// The answer to a [`DrainRequest`].
    pub drained: Option<DrainMark>,
    /// The device reads all ones: tell Control.
    pub gone: bool,
}

impl<P: QueuePort, D: DataBuffer> IoQueue<P, D> {
    /// The generation bits that the wire carries.
    const MASK: u32 = generation_mask(P::GENERATION_BITS);

    /// A stopped queue. Control starts it with a [`RestartPermit`] and opens it with an [`OpenPermit`].
    pub fn new(port: P, vector: Vector, limits: &Limits, timeouts: ClassTimeouts) -> Self {
        Self {
            port,
            slots: Slots::new(limits.queue_depth, Self::MASK),
            deadlines: Deadlines::new(),
            segments: limits.segments(),
            transfer_max: limits.transfer_max,
            accepted: 0,
            phase: Phase::Stopped,
            drain: None,
            timeouts: timeouts.nanos(),
            vector,
            counters: Counters::default(),
            record: Record::new(),
            handout: Handout::new(),
        }
    }

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

    /// [`Self::submit`] of a request that is left in place if it is not accepted, for `reason`; `cookie` is its name.
    #[cfg(feature = "tokio")]
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
        let offer = offer::InPlace { request, data, cookie, reason };
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
    #[cfg(feature = "tokio")]
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

    /// The frame of a read of one segment, if that is all that there is to the command.
    #[inline(always)]
    fn prepare_usual(
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

    /// The device gets the command of the slot that [`Slot::take`](slots::Slot::take) filled.
    #[inline(always)]
    fn issued(&mut self, next: NextFree) {
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

    #[cfg(feature = "tokio")]
    #[cold]
    #[inline(never)]
    fn submit_compared_in_place(
        &mut self,
        offer: offer::InPlace<'_, D>,
        now: Instant,
    ) -> Option<P::Doorbell> {
        let offer::InPlace { request: lying, data, cookie, reason } = offer;
        let Lying { command, timeout, check, .. } = *lying;
        match self.submit_compared(Request { command, data, cookie, timeout, check }, now) {
            Ok(submitted) => Some(submitted.doorbell),
            Err(rejected) => {
                (lying.data, *reason) = (Some(rejected.request.data), rejected.reason);
                None
            }
        }
    }

    #[inline(always)]
    fn accept<O: Offer<D>>(
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

    /// Takes what the device posted, at most as much as `batch` has room for.
    pub fn service(&mut self, batch: &mut Batch<D>) -> Serviced<P::Ack> {
        self.service_into(batch)
    }

    /// The same for a caller that has another place for the common case.
    #[inline]
    pub(crate) fn service_into(&mut self, sink: &mut impl Sink<D>) -> Serviced<P::Ack> {
        // Running: the one comparison that the common path pays.
        if self.accepted != 0 {
            return self.harvest(sink);
        }
        self.service_closed(sink)
    }

    #[cold]
    #[inline(never)]
    fn service_closed(&mut self, sink: &mut impl Sink<D>) -> Serviced<P::Ack> {
        match self.phase {
            Phase::Running | Phase::Serving => self.harvest(sink),
            Phase::Ending(failure, after) => self.end_all(failure, after, sink.batch()),
            Phase::Stopped | Phase::Gone => {
                Serviced { ack: None, more: false, drained: None, gone: false }
            }
        }
    }

    /// Commands that the device has.
    pub fn outstanding(&self) -> u16 {
        // Both count every command once.
        (self.counters.submitted - self.counters.completed) as u16
    }

    /// The callers' names of the commands that the device has.
    pub fn outstanding_cookies(&self) -> impl Iterator<Item = Cookie> {
        self.slots.iter_outstanding().map(|record| record.cookie)
    }

    /// Most commands that can be outstanding.
    pub fn depth(&self) -> u16 {
        self.slots.depth()
    }

    /// Whether requests are accepted.
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Running
    }

    /// Whether the controller is gone or was stopped for good, and every command has ended.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Gone
    }

    /// The vector that this queue belongs to.
    pub fn vector(&self) -> Vector {
        self.vector
    }

    /// What was counted since the queue was made.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The backend's data path.
    pub fn port(&self) -> &P {
        &self.port
    }

    /// The backend's data path, for platforms that feed it by hand.
    pub fn port_mut(&mut self) -> &mut P {
        &mut self.port
    }

    /// Compares CDB and transfer length first, then submits as if that had not been asked for.
    #[cold]
    #[inline(never)]
    fn submit_compared(
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

    // Called from two places, of which one is rare.
    #[inline(always)]
    fn harvest(&mut self, sink: &mut impl Sink<D>) -> Serviced<P::Ack> {
        for _ in 0..sink.batch().room() {
            let next = match self.port.glance() {
                Glance::Success(name) => {
                    self.complete_good(name, sink);
                    continue;
                }
                Glance::Empty => return self.end_pass(false),
                Glance::Other if P::GLANCES => self.take_next(sink),
                Glance::Other if !sink.batch().has_message_room() => Next::Full,
                Glance::Other => match self.port.next_reply() {
                    Reply::Success(name) => {
                        self.complete_good(name, sink);
                        continue;
                    }
                    Reply::Empty => return self.end_pass(false),
                    other => self.take(&other, sink.batch()),
                },
            };
            match next {
                Next::Any => {}
                Next::None => return self.end_pass(false),
                Next::Full => break,
                // Neither is the reply path empty nor would anybody see an acknowledge.
                Next::Gone => {
                    return Serviced { ack: None, more: false, drained: None, gone: true };
                }
            }
        }
        self.end_pass(true)
    }

    #[inline]
    fn end_pass(&mut self, more: bool) -> Serviced<P::Ack> {
        let more = more || is_planted(Sabotage::MoreForEver);
        if self.drain.is_some() && !more {
            return self.end_drain();
        }
        Serviced { ack: Some(self.port.acknowledge()), more, drained: None, gone: false }
    }

    /// Nothing is left, and somebody asked for that. Apart, so that the usual end of a pass carries nothing of it.
    #[cold]
    #[inline(never)]
    fn end_drain(&mut self) -> Serviced<P::Ack> {
        let drained = self.answer_drain();
        Serviced { ack: Some(self.port.acknowledge()), more: false, drained, gone: false }
    }

    /// Takes the next reply of a port that glances, where a message would have room. Apart, so that the loop has few values
    /// to keep.
    #[cold]
    #[inline(never)]
    fn take_next(&mut self, sink: &mut impl Sink<D>) -> Next {
        if !sink.batch().has_message_room() {
            return Next::Full;
        }
        match self.port.next_reply() {
            Reply::Success(name) => {
                self.complete_good(name, sink);
                Next::Any
            }
            Reply::Empty => Next::None,
            other => self.take(&other, sink.batch()),
        }
    }

    /// Takes anything but the end of a command that went well.
    #[cold]
    #[inline(never)]
    fn take(&mut self, reply: &Reply, batch: &mut Batch<D>) -> Next {
        match *reply {
            Reply::Detail(name) => self.complete_detail(name, batch),
            Reply::Message => batch.push_message(*self.port.message()),
            Reply::Bad(bad) => self.counters.count_bad(bad),
            Reply::Gone => return Next::Gone,
            Reply::Success(_) | Reply::Empty => {}
        }
        Next::Any
    }

    // The usual call of two.
    #[inline(always)]
    fn complete_good(&mut self, name: WireTag, sink: &mut impl Sink<D>) {
        let Some(finished) = self.slots.take_named(name, Self::MASK) else {
            return self.complete_rare(name, sink);
        };
        self.push_good(name.tag, finished, sink);
        self.slots.recycle(name.tag, Self::MASK);
    }

    /// The command is being aborted, or there is none.
    #[cold]
    #[inline(never)]
    fn complete_rare(&mut self, name: WireTag, sink: &mut impl Sink<D>) {
        let found = self.slots.find(name).is_some();
        match if found { self.slots.finish(name.tag.0) } else { None } {
            Some(finished) => self.push_good(name.tag, finished, sink),
            None => self.stale(name),
        }
    }

    #[inline]
    fn push_good(&mut self, tag: Tag, finished: Finished<D>, sink: &mut impl Sink<D>) {
        self.counters.completed += 1;
        let Finished { data, cookie, length, generation } = finished;
        sink.push_good(Completion {
            cookie,
            handle: CommandHandle { slot: tag.0, generation },
            data,
            outcome: Outcome::Status(Status::GOOD),
            transferred: length,
            residual: 0,
        });
    }

    fn complete_detail(&mut self, name: WireTag, batch: &mut Batch<D>) {
        let Some(record) = self.slots.find(name) else { return self.stale(name) };
        let (length, notes, nexus) = (record.length, record.notes, record.nexus);
        let detail = *self.port.detail();
        let (transferred, overrun) = match detail.transferred {
            Transferred::All => (length, false),
            Transferred::Bytes(_) if is_planted(Sabotage::ShortIsWhole) => (length, false),
            Transferred::Bytes(count) => (count.min(length), count > length),
        };
        let outcome = match detail.delivery {
            Delivery::TaskComplete if overrun && detail.status == Status::GOOD => {
                Outcome::Failed(Failure::Overrun)
            }
            Delivery::TaskComplete => Outcome::Status(reported(detail.status)),
            Delivery::Failed(Failure::Aborted) if notes.expired() => {
                Outcome::Failed(Failure::TimedOut)
            }
            Delivery::Failed(failure) => Outcome::Failed(failure),
        };
        let sense_len = usize::from(detail.sense_len).min(SENSE_MAX);
        let sense = &mut batch.sense_buffer()[..sense_len];
        self.port.read_sense(name.tag, sense);
        match outcome {
            Outcome::Status(status) => {
                self.record.note_sense(nexus, notes.kind(), status, sense);
            }
            Outcome::Failed(failure) => self.record.note_failure(nexus, notes.kind(), failure),
        }
        let Some(finished) = self.slots.finish(name.tag.0) else { return self.stale(name) };
        self.counters.completed += 1;
        let Finished { data, cookie, generation, .. } = finished;
        let handle = CommandHandle { slot: name.tag.0, generation };
        let residual = length - transferred;
        if residual != 0 && outcome == Outcome::Status(Status::GOOD) {
            self.counters.short += 1;
        }
        let completion = Completion { cookie, handle, data, outcome, transferred, residual };
        batch.push_with_sense(completion, sense_len as u8);
    }

    #[cold]
    #[inline(never)]
    fn stale(&mut self, name: WireTag) {
        match self.port.disown(name, self.slots.why_unclaimed(name)) {
            Disowned::Stale => self.counters.stale += 1,
            Disowned::Elsewhere => {}
            Disowned::Bad(bad) => self.counters.count_bad(bad),
        }
    }

    /// Replaces the default time-outs of the command classes.
    pub fn set_timeouts(&mut self, timeouts: ClassTimeouts) {
        self.timeouts = timeouts.nanos();
    }
}

/// The status as the caller gets it: as the device gave it.
#[inline]
fn reported(status: Status) -> Status {
    match status {
        Status::CHECK_CONDITION if is_planted(Sabotage::CheckIsGood) => Status::GOOD,
        Status::BUSY | Status::TASK_SET_FULL if is_planted(Sabotage::BusyIsGood) => Status::GOOD,
        status => status,
    }
}

#[cfg(test)]
mod tests;
