//! One vector: its queue, and the places where its commands' answers wait.

use core::task::{Context, Waker};

use tokio::sync::mpsc;

use super::Answer;
use super::harvest::{Ended, Harvest, Note, Pass, Passed, Remains};
use super::letter::{Letter, Parcel, Rare, Rest, Sent, Submission, Urgency};
use super::platform::Clock;
use super::sense::SenseData;
use super::shard::{Next, Shard};
use crate::command::Completion;
use crate::dma::DataBuffer;
use crate::limits::Limits;
use crate::port::QueuePort;
use crate::queue::{AbortTicket, IoQueue, Vector};
use crate::register::{HostWrite, Registers};
use crate::sync::{
    Abandoned, Answered, Answers, Asked, Door, Entered, Inert, Left, Polled, Ready, SharedQueue,
    answers,
};
use crate::time::Instant;

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

/// Tasks of one vector that can wait in order; more are told to come again.
const LINE: u16 = 1024;

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
