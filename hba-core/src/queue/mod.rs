//! The data path of one interrupt vector: tags, deadlines, submit, service.
//!
//! An [`IoQueue`] is owned by whoever runs its vector and shared with nobody: `submit` and `service` take `&mut self`,
//! so a re-entrant call does not compile. Nothing in here calls out, locks, allocates or reads a clock.

mod batch;
mod counters;
mod deadlines;
mod slots;
mod ticket;

use alloc::vec::Vec;

pub use crate::name::{CommandHandle, Vector};
pub use batch::{Batch, Done, Drain, SENSE_MAX};
pub use counters::Counters;
pub use ticket::{
    AbortTicket, DrainMark, DrainRequest, OpenPermit, Quiesced, RestartPermit, Stopped, Verdict,
};

use crate::command::{
    Completion, Cookie, Failure, LengthCheck, LengthMismatch, Outcome, Refusal, Rejected, Request,
    Transfer,
};
use crate::dispatch::{self, ClassTimeouts};
use crate::dma::{DataBuffer, Elements, SegmentLimits};
use crate::limits::Limits;
use crate::port::{BadReply, Delivery, QueuePort, Reply, Transferred, WireTag};
use crate::sync;
use crate::time::{Instant, Timeout};
use deadlines::Deadlines;
use scsi_proto::{Direction, Status};
use slots::{Finished, Slots, State};

/// The queue of one vector.
///
/// Methods come in the four kinds that the crate uses everywhere: `submit` and the token methods are what the owner
/// asks for, [`Self::service`] takes what the device posted, `poll_*` give what is due, and the rest look.
#[derive(Debug)]
pub struct IoQueue<P: QueuePort, D: DataBuffer> {
    port: P,
    slots: Slots<D>,
    deadlines: Deadlines,
    segments: SegmentLimits,
    transfer_max: u32,
    /// Transfers shorter than this are accepted: none while the queue is not running.
    accepted: u64,
    phase: Phase,
    /// Slots that a verdict ended and the next pass completes.
    condemned: u16,
    drain: Option<DrainRequest>,
    timeouts: ClassTimeouts,
    vector: Vector,
    counters: Counters,
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
    Serving,
    Running,
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
    /// A stopped queue. Control starts it with a [`RestartPermit`] and opens it with an [`OpenPermit`].
    pub fn new(port: P, vector: Vector, limits: &Limits, timeouts: ClassTimeouts) -> Self {
        Self {
            port,
            slots: Slots::new(limits.queue_depth, P::GENERATION_BITS),
            deadlines: Deadlines::new(),
            segments: limits.segments(),
            transfer_max: limits.transfer_max,
            accepted: 0,
            phase: Phase::Stopped,
            condemned: 0,
            drain: None,
            timeouts,
            vector,
            counters: Counters::default(),
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
        if request.check != LengthCheck::Off {
            return self.submit_compared(request, now);
        }
        if let Err(reason) = self.admit(request.command.transfer) {
            return Err(self.reject(reason, request));
        }
        let Some((name, slot)) = self.slots.next() else {
            return Err(self.reject(Refusal::QueueFull, request));
        };
        let command = &request.command;
        let elements =
            Elements::new(request.data.segments(), command.transfer.length, &self.segments);
        let doorbell = match self.port.prepare(name, command, elements) {
            Ok(doorbell) => doorbell,
            Err(reason) => return Err(self.reject(Refusal::Unsendable(reason), request)),
        };
        let timeout = match request.timeout {
            Timeout::BY_CLASS => self.timeouts.of(dispatch::class(&command.cdb)),
            timeout => timeout,
        };
        slot.cookie = request.cookie;
        slot.nexus = command.nexus;
        slot.length = command.transfer.length;
        slot.expires = timeout.after(now);
        slot.data = Some(request.data);
        self.deadlines.arm(slot.expires);
        let handle = CommandHandle { slot: name.tag.0, generation: slot.generation };
        let next = slot.issue();
        self.slots.issue(next);
        self.counters.submitted += 1;
        sync::publish();
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
        match self.phase {
            Phase::Running | Phase::Serving => self.harvest(batch),
            Phase::Ending(failure, after) => self.end_all(failure, after, batch),
            Phase::Stopped | Phase::Gone => {
                Serviced { ack: None, more: false, drained: None, gone: false }
            }
        }
    }

    /// No deadline passes before this; `None` while none is set. [`Self::poll_expired`] may find nothing then, and this
    /// moves on.
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.outstanding() == 0 { None } else { self.deadlines.earliest() }
    }

    /// A command whose deadline passed. Hand the ticket to Control, and ask again until there is none.
    ///
    /// Looks at each slot once for each time that [`Self::next_deadline`] told, and at none in between.
    pub fn poll_expired(&mut self, now: Instant) -> Option<AbortTicket> {
        loop {
            let (slots, depth) = (&self.slots, self.slots.depth());
            let slot = self.deadlines.take_expired(depth, now, |slot| slots.deadline(slot))?;
            let Some(record) = self.slots.record_mut(slot) else { continue };
            record.expired = true;
            self.counters.expired += 1;
            // A pinned slot has its ticket out already: the caller's abort is under way.
            if record.state == State::Issued {
                return self.pin(slot);
            }
        }
    }

    /// A ticket for aborting the command of `handle`, or `None` when it has completed or is being aborted already.
    pub fn abort(&mut self, handle: CommandHandle) -> Option<AbortTicket> {
        let record = self.slots.record(handle.slot)?;
        let current = record.state == State::Issued && record.generation == handle.generation;
        if current { self.pin(handle.slot) } else { None }
    }

    /// Takes a ticket home.
    pub fn redeem(&mut self, ticket: AbortTicket, verdict: Verdict) {
        let slot = ticket.name.tag.0;
        let Some(record) = self.slots.record_mut(slot) else { return };
        match (record.state, verdict) {
            (State::Ended, _) => self.slots.release(slot),
            (State::Pinned, Verdict::Ended) => {
                record.state = State::Condemned;
                self.condemned += 1;
            }
            (State::Pinned, Verdict::Superseded) => record.state = State::Issued,
            _ => {}
        }
    }

    /// Whether a ticket's command has completed by itself meanwhile.
    pub fn has_ended(&self, ticket: &AbortTicket) -> bool {
        self.slots.record(ticket.name.tag.0).is_none_or(|record| record.state == State::Ended)
    }

    /// Remembers that Control wants to know when the reply path was empty.
    pub fn begin_drain(&mut self, request: DrainRequest) {
        self.drain = Some(request);
    }

    /// Stops the queue: from here on the device's memory and registers are not touched.
    ///
    /// Outstanding commands stay outstanding. Service the queue until nothing is pending first, so that what the device
    /// did complete counts.
    pub fn quiesce(&mut self) -> Quiesced {
        if !self.is_gone() {
            self.enter(Phase::Stopped);
        }
        self.drain = None;
        Quiesced { vector: self.vector }
    }

    /// Starts over after a reset: the next passes end every outstanding command, then take replies.
    pub fn restart(&mut self, permit: RestartPermit) {
        debug_assert_eq!(permit.vector, self.vector);
        if !self.is_gone() {
            self.port.restart();
            self.slots.end_doubt();
            self.condemned = 0;
            self.enter(Phase::Ending(Failure::Reset, After::Serving));
        }
    }

    /// Accepts requests from here on.
    pub fn open(&mut self, permit: OpenPermit) {
        debug_assert_eq!(permit.vector, self.vector);
        let phase = match self.phase {
            Phase::Ending(failure, After::Serving) => Phase::Ending(failure, After::Running),
            Phase::Serving => Phase::Running,
            other => other,
        };
        self.enter(phase);
    }

    /// The controller is gone or given up: the next passes end every command with `failure`, and nothing is touched.
    pub fn handle_gone(&mut self, failure: Failure) {
        if self.phase != Phase::Gone {
            self.enter(Phase::Ending(failure, After::Gone));
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

    /// Ends the queue.
    ///
    /// # Errors
    ///
    /// [`Abandoned`] when commands are outstanding: their memory must not be freed before the device is stopped.
    pub fn close(mut self) -> Result<(), Abandoned<D>> {
        let cookies: Vec<_> = self.outstanding_cookies().collect();
        if cookies.is_empty() {
            return Ok(());
        }
        Err(Abandoned { cookies, data: self.slots.take_data() })
    }

    /// Compares CDB and transfer length first, then submits as if that had not been asked for.
    #[cold]
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
        match self.submit(request.with_check(LengthCheck::Off), now) {
            Ok(submitted) => Ok(Submitted { mismatch, ..submitted }),
            Err(Rejected { reason, request }) => {
                Err(Rejected { reason, request: request.with_check(check) })
            }
        }
    }

    #[inline]
    fn admit(&self, transfer: Transfer) -> Result<(), Refusal> {
        let Transfer { direction, length } = transfer;
        if u64::from(length) >= self.accepted {
            return Err(self.unacceptable(length));
        }
        if direction == Direction::None {
            return without_direction(length);
        }
        Ok(())
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        let running = phase == Phase::Running;
        self.accepted = if running { u64::from(self.transfer_max) + 1 } else { 0 };
    }

    #[cold]
    fn unacceptable(&self, length: u32) -> Refusal {
        match self.phase {
            Phase::Running => Refusal::TransferTooLong { length, permitted: self.transfer_max },
            _ if self.is_gone() => Refusal::Gone,
            _ => Refusal::Stopped,
        }
    }

    /// Whether the port must not be touched ever again, even if values that were under way say otherwise.
    fn is_gone(&self) -> bool {
        matches!(self.phase, Phase::Gone | Phase::Ending(_, After::Gone))
    }

    #[cold]
    fn reject(&mut self, reason: Refusal, request: Request<D>) -> Rejected<D> {
        self.counters.rejected += 1;
        Rejected { reason, request }
    }

    #[inline]
    fn harvest(&mut self, batch: &mut Batch<D>) -> Serviced<P::Ack> {
        if self.condemned != 0 {
            self.complete_condemned(batch);
        }
        let mut budget = batch.room();
        let mut more = true;
        while budget > 0 {
            budget -= 1;
            match self.port.next_reply() {
                Reply::Success(name) => self.complete_good(name, batch),
                Reply::Empty => {
                    more = false;
                    break;
                }
                Reply::Detail(name) => self.complete_detail(name, batch),
                Reply::Message => {
                    batch.push_message(*self.port.message());
                    budget = budget.min(batch.message_room());
                }
                Reply::Bad(bad) => self.counters.count_bad(bad),
                // Neither is the reply path empty nor would anybody see an acknowledge.
                Reply::Gone => {
                    return Serviced { ack: None, more: false, drained: None, gone: true };
                }
            }
        }
        let drained = if self.drain.is_some() && !more { self.answer_drain() } else { None };
        Serviced { ack: Some(self.port.acknowledge()), more, drained, gone: false }
    }

    #[cold]
    fn answer_drain(&mut self) -> Option<DrainMark> {
        self.drain.take().map(|r| DrainMark { vector: r.vector, number: r.number })
    }

    #[inline]
    fn complete_good(&mut self, name: WireTag, batch: &mut Batch<D>) {
        let WireTag { tag, generation } = name;
        let Some(finished) = self.slots.finish_named(name) else {
            return self.stale(WireTag { tag, generation });
        };
        self.counters.completed += 1;
        let Finished { data, cookie, length, generation } = finished;
        batch.push(Completion {
            cookie,
            handle: CommandHandle { slot: name.tag.0, generation },
            data,
            outcome: Outcome::Status(Status::GOOD),
            transferred: length,
            residual: 0,
        });
    }

    #[cold]
    fn complete_detail(&mut self, name: WireTag, batch: &mut Batch<D>) {
        let Some(record) = self.slots.find(name) else { return self.stale(name) };
        let (length, expired) = (record.length, record.expired);
        let detail = *self.port.detail();
        let (transferred, overrun) = match detail.transferred {
            Transferred::All => (length, false),
            Transferred::Bytes(count) => (count.min(length), count > length),
        };
        let outcome = match detail.delivery {
            Delivery::TaskComplete if overrun && detail.status == Status::GOOD => {
                Outcome::Failed(Failure::Overrun)
            }
            Delivery::TaskComplete => Outcome::Status(detail.status),
            Delivery::Failed(Failure::Aborted) if expired => Outcome::Failed(Failure::TimedOut),
            Delivery::Failed(failure) => Outcome::Failed(failure),
        };
        let sense_len = usize::from(detail.sense_len).min(SENSE_MAX);
        self.port.read_sense(name.tag, &mut batch.sense_buffer()[..sense_len]);
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
    fn stale(&mut self, name: WireTag) {
        if name.tag.0 < self.slots.depth() {
            self.counters.stale += 1;
        } else {
            self.counters.count_bad(BadReply::UnknownTag { raw: u32::from(name.tag.0) });
        }
    }

    /// Completes what a verdict ended. A slot in doubt rests where the wire cannot tell a late reply.
    #[cold]
    fn complete_condemned(&mut self, batch: &mut Batch<D>) {
        for slot in 0..self.slots.depth() {
            if self.condemned == 0 || !batch.has_room() {
                return;
            }
            let record = self.slots.record(slot).filter(|r| r.state == State::Condemned);
            let Some(record) = record else { continue };
            let failure = if record.expired { Failure::TimedOut } else { Failure::Aborted };
            self.condemned -= 1;
            self.complete_failed(slot, failure, batch);
        }
    }

    #[cold]
    fn end_all(
        &mut self,
        failure: Failure,
        after: After,
        batch: &mut Batch<D>,
    ) -> Serviced<P::Ack> {
        let mut from = 0;
        while let Some(slot) = self.slots.next_outstanding(from) {
            if !batch.has_room() {
                return Serviced { ack: None, more: true, drained: None, gone: false };
            }
            from = slot + 1;
            let expired = self.slots.record(slot).is_some_and(|r| r.expired);
            let late = expired && failure == Failure::Reset;
            self.complete_failed(slot, if late { Failure::TimedOut } else { failure }, batch);
        }
        self.condemned = 0;
        let phase = match after {
            After::Serving => Phase::Serving,
            After::Running => Phase::Running,
            After::Gone => Phase::Gone,
        };
        self.enter(phase);
        let more = self.phase != Phase::Gone;
        Serviced { ack: None, more, drained: None, gone: false }
    }

    fn complete_failed(&mut self, slot: u16, failure: Failure, batch: &mut Batch<D>) {
        let Some(finished) = self.slots.finish(slot) else { return };
        let Finished { data, cookie, length: residual, generation } = finished;
        let handle = CommandHandle { slot, generation };
        self.counters.completed += 1;
        let outcome = Outcome::Failed(failure);
        batch.push(Completion { cookie, handle, data, outcome, transferred: 0, residual });
    }

    fn pin(&mut self, slot: u16) -> Option<AbortTicket> {
        let name = self.slots.name_of(slot)?;
        let record = self.slots.record_mut(slot)?;
        record.state = State::Pinned;
        Some(AbortTicket { vector: self.vector, name, nexus: record.nexus })
    }

    /// Replaces the default time-outs of the command classes.
    pub fn set_timeouts(&mut self, timeouts: ClassTimeouts) {
        self.timeouts = timeouts;
    }
}

/// Apart, so that commands with data pay one comparison.
#[cold]
fn without_direction(length: u32) -> Result<(), Refusal> {
    if length == 0 { Ok(()) } else { Err(Refusal::NoDirection { length }) }
}

/// A queue that is dropped without [`IoQueue::close`] leaks the memory of outstanding commands rather than free it under
/// the device's hands.
impl<P: QueuePort, D: DataBuffer> Drop for IoQueue<P, D> {
    fn drop(&mut self) {
        self.slots.take_data().into_iter().for_each(core::mem::forget);
    }
}

/// The memory of commands that were outstanding when their queue was closed.
///
/// Dropping it leaks the memory: only [`Self::release`] frees it, with proof that the device is stopped.
#[derive(Debug)]
#[must_use = "the memory in here is leaked unless it is released"]
pub struct Abandoned<D> {
    cookies: Vec<Cookie>,
    data: Vec<D>,
}

impl<D> Abandoned<D> {
    /// How many commands were outstanding.
    pub fn count(&self) -> usize {
        self.cookies.len()
    }

    /// The callers' names of the commands.
    pub fn cookies(&self) -> &[Cookie] {
        &self.cookies
    }

    /// Gives the memory back, now that the device cannot touch it.
    pub fn release(mut self, _proof: Stopped) -> Vec<D> {
        core::mem::take(&mut self.data)
    }
}

impl<D> Drop for Abandoned<D> {
    fn drop(&mut self) {
        self.data.drain(..).for_each(core::mem::forget);
    }
}

#[cfg(test)]
mod tests;
