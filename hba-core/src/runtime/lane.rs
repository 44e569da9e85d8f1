//! One vector: its queue, and the places where its commands' answers wait.

use core::task::{Context, Waker};

use alloc::vec::Vec;

use tokio::sync::mpsc;

use super::platform::Clock;
use super::sense::SenseData;
use super::{Answer, ExecuteError};
use crate::command::{
    Command, Completion, Cookie, LengthCheck, Nexus, Refusal, TargetId, Transfer,
};
use crate::dma::DataBuffer;
use crate::limits::Limits;
use crate::port::{Message, QueuePort};
use crate::queue::{AbortTicket, Batch, DrainMark, IoQueue, Lying, Serviced, Sink, Vector};
use crate::register::{HostWrite, Registers};
use crate::sync::{
    Abandoned, Answered, Answers, Asked, Claim, Desk, Door, Entered, Inert, Left, Polled, Ready,
    SharedQueue, Waiters, answers,
};
use crate::time::{Instant, Timeout};
use scsi_proto::{Cdb, Lun, TaskAttribute};

/// What waits in a place: how a command ended, and its memory.
type Ended<D> = (Answer, D);

/// What is owned by one entry at a time.
pub(super) struct Shard<Q: QueuePort, D: DataBuffer> {
    pub(super) queue: IoQueue<Q, D>,
    desk: Desk<Ended<D>, Waker>,
    /// A shutdown has begun: only its own commands are accepted.
    closing: bool,
    /// A new command cannot simply be submitted: somebody is in line, or a shutdown has begun.
    guarded: bool,
}

/// One vector, shared by the tasks that send on it and its driver.
pub(super) struct Lane<Q: QueuePort, R, C, D: DataBuffer> {
    pub(super) vector: Vector,
    shared: SharedQueue<Shard<Q, D>>,
    answers: Answers<Ended<D>, Waker>,
    /// Who found the queue in use waits here.
    pub(super) door: Door<Waker>,
    pub(super) registers: R,
    pub(super) clock: C,
    /// Memory of commands whose futures were dropped, for whoever wants it.
    reclaimed: mpsc::Sender<D>,
}

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
    batch: Batch<D>,
    /// For each completion in the batch, the place that it goes to.
    claims: Vec<Option<Claim<Waker>>>,
    woken: Waiters<Waker>,
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

/// A request until the queue has taken it. It stays where it is: moving it is a good part of what a command costs.
pub(super) struct Parcel<D> {
    /// With its memory, unless the queue has that or nobody any more.
    pub(super) request: Lying<D>,
    /// Why it cannot be made or was not accepted.
    pub(super) error: Option<ExecuteError>,
}

/// What became of a request.
#[derive(Debug)]
pub(super) enum Submission {
    /// The queue has it, or it is in line: what comes next comes to this place.
    Placed(Asked),
    /// The queue does not accept it: see [`Parcel::error`].
    Refused,
    /// There is no place, not even in line.
    NoPlace,
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

/// What a turn that submits is handed.
struct Letter<'a, B, D> {
    parcel: &'a mut Parcel<D>,
    now: Instant,
    waiter: Waker,
    urgency: Urgency,
    rest: &'a mut Option<Rest<B>>,
}

/// What such a turn leaves when it was not as simple as that. All of it is the sender's to deal with.
struct Rest<B> {
    what: Rare<B>,
    /// Not needed: there is nothing to wait for.
    waiter: Option<Waker>,
    /// Whose turn has come.
    next: Option<Waker>,
}

/// What rarely becomes of a request.
enum Rare<B> {
    /// It is out after all; its doorbell is to be written.
    Out(Asked, B),
    /// It is in line.
    Waits(Asked),
    /// See [`Parcel::error`].
    Refused,
    NoPlace,
}

/// A turn that submits moves the wakers in it and calls none.
impl<B, D> Inert for Letter<'_, B, D> {}
/// A pass moves wakers in and calls none.
impl<D> Inert for &mut Harvest<D> {}
/// A waker that moves out.
struct Next<'a>(&'a mut Option<Waker>);
impl Inert for Next<'_> {}

/// The place of a command that is out, and its doorbell.
struct Sent<B>(Asked, B);
impl<B> Inert for Sent<B> {}
impl Inert for Asked {}

impl<Q: QueuePort, D: DataBuffer> Shard<Q, D> {
    /// Submits a command of somebody new. `None`: see the letter's rest.
    #[inline(always)]
    fn submit(&mut self, letter: Letter<'_, Q::Doorbell, D>) -> Option<Sent<Q::Doorbell>> {
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
    fn refuse(
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
    fn submit_guarded(
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

    fn line_up(&mut self, waiter: Waker) -> Rest<Q::Doorbell> {
        let asked = match self.desk.ask(waiter) {
            Ok(asked) => asked,
            Err(waiter) => return Rest::new(Rare::NoPlace, waiter),
        };
        self.desk.line_up(&asked, false);
        self.guarded = true;
        Rest::none(Rare::Waits(asked))
    }

    /// Submits a command whose turn in line has come.
    fn resume(
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
    fn grant_next(&mut self) -> Option<Waker> {
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
    fn grant_all(&mut self, woken: &mut Waiters<Waker>) {
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
    fn has_slot(&self) -> bool {
        let taken = usize::from(self.queue.outstanding()) + usize::from(self.desk.granted());
        taken < usize::from(self.queue.depth())
    }

    /// A shutdown begins.
    pub(super) fn close(&mut self) {
        self.closing = true;
        self.look_around();
    }

    fn look_around(&mut self) {
        self.guarded = self.closing || self.desk.is_crowded();
    }

    /// Takes what the device posted, and whether there is more to it than answers that are in their places.
    #[inline(always)]
    fn pass(&mut self, harvest: &mut Harvest<D>) -> Passed<Q::Ack> {
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

/// What a pass leaves.
struct Passed<A> {
    ack: Option<A>,
    more: bool,
    /// There is something in the batch, or below, or nobody looked.
    rest: Option<Remains>,
    drained: Option<DrainMark>,
    gone: bool,
}

/// What there may be to a pass beside answers that are in their places.
#[derive(Clone, Copy)]
struct Remains {
    /// The queue is stopped, for now.
    stopped: bool,
    /// Something was seen that matters for cached writes.
    signs: bool,
}

impl Remains {
    #[cold]
    #[inline(never)]
    fn of<Q: QueuePort, D: DataBuffer>(queue: &IoQueue<Q, D>, ack: &Option<Q::Ack>) -> Self {
        Self { stopped: ack.is_none() && !queue.is_over(), signs: queue.has_signs() }
    }
}

impl<A> Inert for Passed<A> {}

/// Puts good answers into their places; everything else goes into the batch.
struct Counter<'a, D> {
    desk: &'a mut Desk<Ended<D>, Waker>,
    batch: &'a mut Batch<D>,
    woken: &'a mut Waiters<Waker>,
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

impl<Q: QueuePort, R: Registers + Clone, C: Clock, D: DataBuffer> Lane<Q, R, C, D> {
    pub(super) fn new(
        queue: IoQueue<Q, D>,
        limits: &Limits,
        registers: R,
        clock: C,
        reclaimed: mpsc::Sender<D>,
    ) -> Self {
        let vector = queue.vector();
        let (answers, desk) = answers(limits.queue_depth.min(1 << 14) + LINE);
        let shard = Shard { queue, desk, closing: false, guarded: false };
        let (shared, door) = (SharedQueue::new(shard), Door::new(LINE));
        Self { vector, shared, answers, door, registers, clock, reclaimed }
    }

    /// Runs a turn and lets those in who were refused meanwhile.
    ///
    /// # Errors
    ///
    /// The input, if somebody is in.
    #[inline]
    pub(super) fn enter<A: Inert, V>(
        &self,
        input: A,
        turn: impl FnOnce(&mut Shard<Q, D>, A) -> V,
    ) -> Result<V, A> {
        let entered = self.shared.enter(input, |shard, input| ((), turn(shard, input)));
        entered.map(|entered| self.leave(entered).values).map_err(|busy| busy.input)
    }

    /// Ends a turn; every one in this module ends here, or else somebody stands at the door for good.
    #[inline]
    fn leave<W, V>(&self, entered: Entered<'_, Shard<Q, D>, W, V>) -> Left<W, V> {
        let left = entered.leave();
        if left.again {
            self.attend();
        }
        left
    }

    /// Somebody was refused. Or a turn in line is to be passed on.
    #[cold]
    fn attend(&self) {
        loop {
            self.door.open(Waker::wake);
            if !self.answers.is_forfeited() {
                return;
            }
            let mut next = None;
            let turn = |shard: &mut Shard<Q, D>, next: Next<'_>| {
                *next.0 = shard.grant_next();
                shard.look_around();
                ((), ())
            };
            // If somebody is in, the duty is that one's, who was told.
            let Ok(entered) = self.shared.enter(Next(&mut next), turn) else { return };
            let again = entered.leave().again;
            if let Some(next) = next {
                next.wake();
            }
            if !again {
                return;
            }
        }
    }

    /// Submits and writes the doorbell. A request that was not sent is left in place.
    #[inline(never)]
    pub(super) fn submit(
        &self,
        parcel: &mut Parcel<D>,
        urgency: Urgency,
        cx: &Context<'_>,
    ) -> Submission {
        let (now, waiter, mut rest) = (self.clock.now(), cx.waker().clone(), None);
        let letter = Letter { parcel, now, waiter, urgency, rest: &mut rest };
        let turn = |shard: &mut Shard<Q, D>, letter: Letter<'_, _, D>| (shard.submit(letter), ());
        let Ok(entered) = self.shared.enter(letter, turn) else { return Submission::Busy };
        let Some(Sent(_, doorbell)) = entered.words() else { return self.end(entered, rest) };
        doorbell.write_to(&mut self.registers.clone());
        core::mem::forget(rest);
        match self.leave(entered).words {
            Some(Sent(asked, _)) => Submission::Placed(asked),
            None => Submission::NoPlace,
        }
    }

    /// The same for a command whose turn in line has come.
    ///
    /// # Errors
    ///
    /// Its place, if somebody else is in.
    #[cold]
    pub(super) fn resume(
        &self,
        asked: Asked,
        parcel: &mut Parcel<D>,
        urgency: Urgency,
        cx: &Context<'_>,
    ) -> Result<Submission, Asked> {
        let (now, waiter, mut rest) = (self.clock.now(), cx.waker().clone(), None);
        let letter = Letter { parcel, now, waiter, urgency, rest: &mut rest };
        let turn = |shard: &mut Shard<Q, D>, (asked, letter): (Asked, Letter<'_, _, D>)| {
            (shard.resume(asked, letter), ())
        };
        let entered = self.shared.enter((asked, letter), turn).map_err(|busy| busy.input.0)?;
        Ok(self.end(entered, rest))
    }

    /// Ends a turn that left a rest: writes the doorbell if there is one, leaves, and deals with what is left.
    #[cold]
    #[inline(never)]
    fn end(
        &self,
        entered: Entered<'_, Shard<Q, D>, Option<Sent<Q::Doorbell>>, ()>,
        rest: Option<Rest<Q::Doorbell>>,
    ) -> Submission {
        let (what, waiter, next) = match rest {
            Some(Rest { what, waiter, next }) => (what, waiter, next),
            None => (Rare::NoPlace, None, None),
        };
        let doorbell = match (entered.words(), &what) {
            (Some(Sent(_, doorbell)), _) | (None, Rare::Out(_, doorbell)) => Some(doorbell),
            _ => None,
        };
        if let Some(doorbell) = doorbell {
            doorbell.write_to(&mut self.registers.clone());
        }
        let sent = self.leave(entered).words;
        drop(waiter);
        if let Some(next) = next {
            next.wake();
        }
        match (sent, what) {
            (Some(Sent(asked, _)), _) | (None, Rare::Out(asked, _) | Rare::Waits(asked)) => {
                Submission::Placed(asked)
            }
            (None, Rare::Refused) => Submission::Refused,
            (None, Rare::NoPlace) => Submission::NoPlace,
        }
    }

    /// The place with the answer to a command, if it is there.
    #[inline]
    pub(super) fn ready(&self, asked: Asked) -> Result<Ready<'_, Ended<D>, Waker>, Asked> {
        self.answers.ready(asked)
    }

    /// The answer to a command; otherwise its waker waits for it.
    #[cold]
    pub(super) fn poll(&self, asked: Asked, cx: &Context<'_>) -> Polled<Ended<D>> {
        self.answers.poll(asked, || cx.waker().clone())
    }

    /// Nobody waits for a command any more. Its memory, where it is home, goes to whoever wants it.
    #[cold]
    pub(super) fn abandon(&self, asked: Asked) {
        match self.answers.abandon(asked) {
            Abandoned::Later => {}
            Abandoned::Answer((_, data)) => self.give(data),
            Abandoned::PassOn => self.attend(),
        }
    }

    /// Takes what the device posted, acknowledges it, leaves the queue, and only then wakes who waits. `None` if somebody
    /// else is in.
    #[inline(always)]
    pub(super) fn pass(
        &self,
        harvest: &mut Harvest<D>,
        tell: &mut impl FnMut(Note),
    ) -> Option<Pass> {
        let turn = |shard: &mut Shard<Q, D>, harvest: &mut Harvest<D>| (shard.pass(harvest), ());
        let entered = self.shared.enter(&mut *harvest, turn).ok()?;
        if let Some(ack) = entered.words().ack {
            ack.write_to(&mut self.registers.clone());
        }
        let passed = self.leave(entered).words;
        harvest.woken.take(Waker::wake);
        let pass = if passed.more { Pass::More } else { Pass::Empty };
        let Some(remains) = passed.rest else { return Some(pass) };
        self.pass_on(harvest, passed, remains, tell);
        Some(if remains.stopped { Pass::Stopped } else { pass })
    }

    /// Answers what is not simply done, and tells Control what is its business.
    #[cold]
    #[inline(never)]
    fn pass_on(
        &self,
        harvest: &mut Harvest<D>,
        passed: Passed<Q::Ack>,
        remains: Remains,
        tell: &mut impl FnMut(Note),
    ) {
        if passed.gone {
            tell(Note::Gone);
        }
        harvest.batch.drain_messages().for_each(|message| tell(Note::Message(message)));
        if let Some(mark) = passed.drained {
            tell(Note::Drained(mark));
        }
        if remains.signs {
            tell(Note::Signs);
        }
        self.answer_rest(harvest);
    }

    /// [`Self::pass`] where it is not worth a copy of its own.
    #[inline(never)]
    pub(super) fn pass_seldom(
        &self,
        harvest: &mut Harvest<D>,
        tell: &mut impl FnMut(Note),
    ) -> Option<Pass> {
        self.pass(harvest, tell)
    }

    fn answer_rest(&self, harvest: &mut Harvest<D>) {
        let Harvest { batch, claims, .. } = harvest;
        for (done, claim) in batch.drain().zip(claims.drain(..)) {
            let Completion { data, outcome, transferred, residual, .. } = done.completion;
            let Some(claim) = claim else {
                // Its future is gone.
                self.give(data);
                continue;
            };
            let sense = SenseData::copy(done.sense);
            let answer = Answer { outcome, transferred, residual, sense };
            match self.answers.complete(claim, (answer, data)) {
                Answered::Wake(waiter) => waiter.wake(),
                Answered::Seen => {}
                Answered::Unclaimed((_, data)) => self.give(data),
            }
        }
    }

    /// Memory that the device cannot touch any more, to whoever wants it; or dropped.
    #[cold]
    fn give(&self, data: D) {
        drop(self.reclaimed.try_send(data));
    }

    /// A command whose deadline passed. `None` if there is none, or somebody is in.
    pub(super) fn expired(&self, now: Instant) -> Option<AbortTicket> {
        self.enter(now, |shard, now| shard.queue.poll_expired(now)).ok()?
    }

    /// Carries something of Control's to the queue, after which slots may be free. Gives it back if somebody is in.
    pub(super) fn carry<A: Inert, V>(
        &self,
        input: A,
        turn: impl FnOnce(&mut IoQueue<Q, D>, A) -> V,
    ) -> Result<V, A> {
        let (value, next) = self.enter(input, |shard, input| {
            let value = turn(&mut shard.queue, input);
            let next = if shard.guarded { shard.grant_next() } else { None };
            shard.look_around();
            (value, next)
        })?;
        if let Some(next) = next {
            next.wake();
        }
        Ok(value)
    }

    pub(super) fn refused(&self) -> u32 {
        self.shared.refused()
    }
}

impl<B> Rest<B> {
    const fn none(what: Rare<B>) -> Self {
        Self { what, waiter: None, next: None }
    }

    const fn new(what: Rare<B>, waiter: Waker) -> Self {
        Self { what, waiter: Some(waiter), next: None }
    }
}

impl<D> Parcel<D> {
    #[inline(always)]
    pub(super) const fn new(
        command: Command,
        data: D,
        timeout: Timeout,
        check: LengthCheck,
    ) -> Self {
        Self { request: Lying { command, data: Some(data), timeout, check }, error: None }
    }

    /// A request that cannot be made; its memory goes back.
    #[cold]
    pub(super) fn unmade(error: ExecuteError, data: D) -> Self {
        let nexus = Nexus::new(TargetId::new(0), Lun::ZERO);
        let (cdb, transfer) = (Cdb::from_array([0; 6]), Transfer::NONE);
        let command = Command { nexus, cdb, transfer, attribute: TaskAttribute::Simple };
        let unmade = Self::new(command, data, Timeout::BY_CLASS, LengthCheck::Off);
        Self { error: Some(error), ..unmade }
    }
}
