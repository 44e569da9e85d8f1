//! The future of one command.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use super::lane::{Lane, Submission, Urgency};
use super::observe::CommandSpan;
use super::platform::Clock;
use super::{Answer, ExecuteError};
use crate::command::{Cookie, Refusal, Request};
use crate::dma::DataBuffer;
use crate::port::QueuePort;
use crate::register::Registers;
use crate::sync::{Asked, Permit, PermitTicket, Polled, Taken};

/// One command; made by [`Hba::execute`](super::Hba::execute) and its like.
///
/// Nothing happens before it is polled. See the [module's documentation](super) for what dropping it does in each state.
#[must_use = "the command is sent when this is awaited"]
pub struct Execute<'a, Q: QueuePort, R: Registers + Clone, C: Clock, D: DataBuffer> {
    lane: &'a Lane<Q, R, D>,
    clock: &'a C,
    urgency: Urgency,
    span: CommandSpan,
    state: State,
    /// Stays in place until the queue takes it: a request is large, and moving it is a good part of what a command costs.
    request: Option<Request<D>>,
    /// The memory of a request that cannot be made.
    refused: Option<D>,
}

/// Where the command is in its life.
enum State {
    /// Not polled yet.
    New,
    /// In line for a permit.
    Waiting(PermitTicket),
    /// Permitted; somebody was in the queue at every try so far.
    Permitted(Permit),
    /// The queue has the memory.
    Sent(Asked, Permit),
    /// It never will be sent.
    Refused(ExecuteError),
    Ended,
}

impl<'a, Q: QueuePort, R: Registers + Clone, C: Clock, D: DataBuffer> Execute<'a, Q, R, C, D> {
    #[inline]
    pub(super) fn new(
        lane: &'a Lane<Q, R, D>,
        clock: &'a C,
        urgency: Urgency,
        request: Result<Request<D>, (ExecuteError, D)>,
    ) -> Self {
        let span = CommandSpan::begin(lane.vector, &request);
        let (state, request, refused) = match request {
            Ok(request) => (State::New, Some(request), None),
            Err((error, data)) => (State::Refused(error), None, Some(data)),
        };
        Self { lane, clock, urgency, span, state, request, refused }
    }

    #[inline]
    fn send(&mut self, permit: Permit, cx: &mut Context<'_>) -> Poll<<Self as Future>::Output> {
        let Some(asked) = self.lane.answers.ask(cx.waker().clone()) else {
            // There are as many places as permits.
            return self.again(permit, cx);
        };
        if let Some(request) = &mut self.request {
            request.cookie = Cookie(asked.name().into());
        }
        match self.lane.submit(&mut self.request, self.clock.now(), self.urgency) {
            Submission::Sent => {
                self.state = State::Sent(asked, permit);
                Poll::Pending
            }
            Submission::Refused(reason) => {
                self.lane.answers.withdraw(asked);
                self.reject(permit, reason, cx)
            }
            Submission::Busy => {
                self.lane.answers.withdraw(asked);
                self.again(permit, cx)
            }
        }
    }

    /// Somebody is in the queue, who is there for a few hundred instructions: come again.
    #[cold]
    fn again(&mut self, permit: Permit, cx: &mut Context<'_>) -> Poll<<Self as Future>::Output> {
        self.state = State::Permitted(permit);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    #[cold]
    fn reject(
        &mut self,
        permit: Permit,
        reason: Refusal,
        cx: &mut Context<'_>,
    ) -> Poll<<Self as Future>::Output> {
        // Recovery holds the slots of commands that have ended: they come back when it is over.
        if reason == Refusal::QueueFull {
            return self.again(permit, cx);
        }
        self.release(permit);
        let request = self.request.take().expect("a refused request comes back");
        Poll::Ready((Err(ExecuteError::Refused(reason)), request.data))
    }

    /// Takes a permit, or a place in line for one.
    #[cold]
    fn line_up(&mut self, cx: &mut Context<'_>) -> Poll<<Self as Future>::Output> {
        match self.lane.permits.take(cx.waker().clone()) {
            Ok(Taken::Now(permit)) => return self.send(permit, cx),
            Ok(Taken::Later(ticket)) => self.state = State::Waiting(ticket),
            Err(_) => {
                self.state = State::New;
                cx.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }

    #[inline]
    fn release(&self, permit: Permit) {
        if let Some(next) = self.lane.permits.release(permit) {
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
        match core::mem::replace(&mut this.state, State::Ended) {
            State::Sent(asked, permit) => {
                match this.lane.answers.poll(asked, || cx.waker().clone()) {
                    Polled::Answer((answer, data)) => {
                        this.span.end(&answer);
                        this.release(permit);
                        return Poll::Ready((Ok(answer), data));
                    }
                    Polled::Waiting(asked) => this.state = State::Sent(asked, permit),
                    Polled::Soon(asked) => {
                        this.state = State::Sent(asked, permit);
                        cx.waker().wake_by_ref();
                    }
                }
                Poll::Pending
            }
            State::New => match this.lane.permits.take_free() {
                Some(permit) => this.send(permit, cx),
                None => this.line_up(cx),
            },
            State::Waiting(ticket) => match this.lane.permits.poll(ticket, cx.waker().clone()) {
                Taken::Now(permit) => this.send(permit, cx),
                Taken::Later(ticket) => {
                    this.state = State::Waiting(ticket);
                    Poll::Pending
                }
            },
            State::Permitted(permit) => this.send(permit, cx),
            State::Refused(error) => {
                let data = this.refused.take().expect("it is handed out once");
                Poll::Ready((Err(error), data))
            }
            State::Ended => panic!("a command was polled after it had ended"),
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
        match core::mem::replace(&mut self.state, State::Ended) {
            State::New | State::Refused(..) | State::Ended => {}
            State::Waiting(ticket) => {
                let next = self.lane.permits.cancel(ticket);
                drop(self.request.take());
                if let Some(next) = next {
                    next.wake();
                }
            }
            State::Permitted(permit) => {
                drop(self.request.take());
                self.release(permit);
            }
            State::Sent(asked, permit) => match self.lane.answers.abandon(asked) {
                // The device has answered: the memory is home.
                Some((_, data)) => {
                    self.lane.give(data);
                    self.release(permit);
                }
                // Whoever takes the answer gives the permit back.
                None => permit.leave_behind(),
            },
        }
    }
}
