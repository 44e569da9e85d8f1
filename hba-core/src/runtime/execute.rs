//! The future of one command.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use super::lane::Lane;
use super::letter::{Parcel, Submission, Urgency};
use super::observe::CommandSpan;
use super::platform::Clock;
use super::{Answer, ExecuteError};
use crate::dma::DataBuffer;
use crate::port::QueuePort;
use crate::register::Registers;
use crate::sync::{Asked, AtDoor, Polled};

/// One command; made by [`Hba::execute`](super::Hba::execute) and its like.
///
/// Nothing happens before it is polled. See the [module's documentation](super) for what dropping it does in each state.
#[must_use = "the command is sent when this is awaited"]
pub struct Execute<'a, Q: QueuePort, R: Registers + Clone, C: Clock, D: DataBuffer> {
    lane: &'a Lane<Q, R, C, D>,
    state: State,
    urgency: Urgency,
    span: CommandSpan,
    /// Its place at the door of the queue, if it has one.
    door: AtDoor,
    parcel: Parcel<D>,
}

/// Where the command is in its life.
enum State {
    /// Not sent yet.
    New,
    /// At the door of the queue: somebody was in.
    AtDoor,
    /// In line, or with the device: what comes next comes to its place.
    Placed(Asked),
    /// Its turn in line has come, and somebody was in the queue.
    Granted(Asked),
    /// It never will be sent.
    Unmade,
    Ended,
}

impl<'a, Q: QueuePort, R: Registers + Clone, C: Clock, D: DataBuffer> Execute<'a, Q, R, C, D> {
    #[inline]
    pub(super) fn new(lane: &'a Lane<Q, R, C, D>, urgency: Urgency, parcel: Parcel<D>) -> Self {
        let span = CommandSpan::begin(lane.vector, &parcel.request.command);
        let door = AtDoor::default();
        Self { lane, state: State::New, urgency, span, door, parcel }
    }

    /// A command that cannot be made.
    #[cold]
    pub(super) fn unmade(lane: &'a Lane<Q, R, C, D>, error: ExecuteError, data: D) -> Self {
        let (door, parcel) = (AtDoor::default(), Parcel::unmade(error, data));
        let (state, urgency, span) = (State::Unmade, Urgency::Ordinary, CommandSpan::none());
        Self { lane, state, urgency, span, door, parcel }
    }

    #[cold]
    fn poll_rest(&mut self, state: State, cx: &mut Context<'_>) -> Poll<<Self as Future>::Output> {
        match state {
            State::New | State::AtDoor => self.knock(cx),
            State::Granted(asked) => self.resume(asked, cx),
            State::Unmade => self.reject(),
            State::Placed(_) | State::Ended => panic!("a command was polled after it had ended"),
        }
    }

    /// Submits as soon as nobody is in the queue.
    fn knock(&mut self, cx: &mut Context<'_>) -> Poll<<Self as Future>::Output> {
        let Self { lane, door, parcel, urgency, .. } = self;
        let waiter = || cx.waker().clone();
        let attempt = || match lane.submit(parcel, *urgency, cx) {
            Submission::Busy => None,
            submission => Some(submission),
        };
        match lane.door.enter_or(door, waiter, attempt, Waker::wake) {
            Some(submission) => self.enter(submission, cx),
            None => self.stay(State::AtDoor),
        }
    }

    /// Its turn in line has come.
    fn resume(&mut self, asked: Asked, cx: &mut Context<'_>) -> Poll<<Self as Future>::Output> {
        let Self { lane, door, parcel, urgency, .. } = self;
        let mut place = Some(asked);
        let waiter = || cx.waker().clone();
        let attempt = || match lane.resume(place.take()?, parcel, *urgency, cx) {
            Ok(submission) => Some(submission),
            Err(asked) => {
                place = Some(asked);
                None
            }
        };
        match (lane.door.enter_or(door, waiter, attempt, Waker::wake), place) {
            (Some(submission), _) => self.enter(submission, cx),
            (None, Some(asked)) => self.stay(State::Granted(asked)),
            (None, None) => unreachable!("a refused entry gives the place back"),
        }
    }

    /// It was not sent at first.
    #[cold]
    fn look_again(
        &mut self,
        submission: Submission,
        cx: &mut Context<'_>,
    ) -> Poll<<Self as Future>::Output> {
        match submission {
            Submission::Busy => self.knock(cx),
            other => self.enter(other, cx),
        }
    }

    /// It was in the queue.
    fn enter(
        &mut self,
        submission: Submission,
        cx: &mut Context<'_>,
    ) -> Poll<<Self as Future>::Output> {
        self.leave_door();
        match submission {
            Submission::Placed(asked) => self.stay(State::Placed(asked)),
            Submission::NoPlace | Submission::Busy => {
                cx.waker().wake_by_ref();
                self.stay(State::New)
            }
            Submission::Refused => {
                self.state = State::Ended;
                self.reject()
            }
        }
    }

    fn reject(&mut self) -> Poll<<Self as Future>::Output> {
        let (error, data) = (self.parcel.error.take(), self.parcel.request.data.take());
        let refused = error.zip(data).expect("a refusal is told once, with the memory");
        Poll::Ready((Err(refused.0), refused.1))
    }

    /// There was no answer at first sight.
    #[cold]
    fn wait(&mut self, asked: Asked, cx: &mut Context<'_>) -> Poll<<Self as Future>::Output> {
        match self.lane.poll(asked, cx) {
            Polled::Answer((answer, data)) => {
                self.span.end(&answer);
                Poll::Ready((Ok(answer), data))
            }
            Polled::Granted(asked) => self.resume(asked, cx),
            Polled::Waiting(asked) => self.stay(State::Placed(asked)),
            Polled::Soon(asked) => {
                cx.waker().wake_by_ref();
                self.stay(State::Placed(asked))
            }
        }
    }

    #[inline]
    fn stay(&mut self, state: State) -> Poll<<Self as Future>::Output> {
        self.state = state;
        Poll::Pending
    }

    fn leave_door(&mut self) {
        if let Some(next) = self.lane.door.leave(&mut self.door) {
            next.wake();
        }
    }
}

impl<Q: QueuePort, R: Registers + Clone, C: Clock, D: DataBuffer> Future
    for Execute<'_, Q, R, C, D>
{
    type Output = (Result<Answer, ExecuteError>, D);

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if matches!(this.state, State::New) {
            return match this.lane.submit(&mut this.parcel, this.urgency, cx) {
                Submission::Placed(asked) => this.stay(State::Placed(asked)),
                rest => this.look_again(rest, cx),
            };
        }
        match core::mem::replace(&mut this.state, State::Ended) {
            State::Placed(asked) => match this.lane.ready(asked) {
                Ok(ready) => {
                    let (answer, data) = ready.take();
                    this.span.end(&answer);
                    Poll::Ready((Ok(answer), data))
                }
                Err(asked) => this.wait(asked, cx),
            },
            rest => this.poll_rest(rest, cx),
        }
    }
}

/// Nothing in it is pinned.
impl<Q: QueuePort, R: Registers + Clone, C: Clock, D: DataBuffer> Unpin
    for Execute<'_, Q, R, C, D>
{
}

/// Memory that the queue has stays with the queue; the rest is dropped with the fields, before anybody is woken.
impl<Q: QueuePort, R: Registers + Clone, C: Clock, D: DataBuffer> Drop for Execute<'_, Q, R, C, D> {
    #[inline]
    fn drop(&mut self) {
        if !matches!(self.state, State::Ended) {
            self.leave();
        }
    }
}

impl<Q: QueuePort, R: Registers + Clone, C: Clock, D: DataBuffer> Execute<'_, Q, R, C, D> {
    #[cold]
    fn leave(&mut self) {
        drop(self.parcel.request.data.take());
        if let State::Placed(asked) | State::Granted(asked) =
            core::mem::replace(&mut self.state, State::Ended)
        {
            self.lane.abandon(asked);
        }
        self.leave_door();
    }
}
