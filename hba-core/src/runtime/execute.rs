//! The future of one command.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use super::lane::{Lane, Urgency};
use super::observe::CommandSpan;
use super::platform::Clock;
use super::{Answer, ExecuteError};
use crate::command::{Cookie, Rejected, Request};
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
    state: State<D>,
}

/// Where the command is in its life.
enum State<D> {
    /// Not polled yet; or with the reason for which it never will be sent.
    New(Request<D>),
    /// In line for a permit.
    Waiting(PermitTicket, Request<D>),
    /// Permitted; somebody was in the queue at every try so far.
    Permitted(Permit, Request<D>),
    /// The queue has the memory.
    Sent(Asked, Permit),
    Refused(ExecuteError, D),
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
        let state = match request {
            Ok(request) => State::New(request),
            Err((error, data)) => State::Refused(error, data),
        };
        Self { lane, clock, urgency, span, state }
    }

    #[inline]
    fn send(
        &mut self,
        permit: Permit,
        mut request: Request<D>,
        cx: &mut Context<'_>,
    ) -> Poll<<Self as Future>::Output> {
        let Some(asked) = self.lane.answers.ask(cx.waker().clone()) else {
            // There are as many places as permits.
            return self.again(permit, request, cx);
        };
        request.cookie = Cookie(asked.name().into());
        match self.lane.submit(request, self.clock.now(), self.urgency) {
            Ok(Ok(())) => {
                self.state = State::Sent(asked, permit);
                Poll::Pending
            }
            Ok(Err(rejected)) => {
                self.lane.answers.withdraw(asked);
                self.reject(permit, rejected, cx)
            }
            Err(request) => {
                self.lane.answers.withdraw(asked);
                self.again(permit, request, cx)
            }
        }
    }

    /// Somebody is in the queue, who is there for a few hundred instructions: come again.
    #[cold]
    fn again(
        &mut self,
        permit: Permit,
        request: Request<D>,
        cx: &mut Context<'_>,
    ) -> Poll<<Self as Future>::Output> {
        self.state = State::Permitted(permit, request);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    #[cold]
    fn reject(
        &mut self,
        permit: Permit,
        rejected: Rejected<D>,
        cx: &mut Context<'_>,
    ) -> Poll<<Self as Future>::Output> {
        let Rejected { reason, request } = rejected;
        // Recovery holds the slots of commands that have ended: they come back when it is over.
        if reason == crate::command::Refusal::QueueFull {
            return self.again(permit, request, cx);
        }
        self.release(permit);
        Poll::Ready((Err(ExecuteError::Refused(reason)), request.data))
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
            State::New(request) => match this.lane.permits.take(cx.waker().clone()) {
                Ok(Taken::Now(permit)) => this.send(permit, request, cx),
                Ok(Taken::Later(ticket)) => {
                    this.state = State::Waiting(ticket, request);
                    Poll::Pending
                }
                Err(_) => {
                    this.state = State::New(request);
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
            },
            State::Waiting(ticket, request) => {
                match this.lane.permits.poll(ticket, cx.waker().clone()) {
                    Taken::Now(permit) => this.send(permit, request, cx),
                    Taken::Later(ticket) => {
                        this.state = State::Waiting(ticket, request);
                        Poll::Pending
                    }
                }
            }
            State::Permitted(permit, request) => this.send(permit, request, cx),
            State::Refused(error, data) => Poll::Ready((Err(error), data)),
            State::Ended => panic!("a command was polled after it had ended"),
        }
    }
}

/// Nothing in it is pinned.
impl<Q: QueuePort, R: Registers + Clone, C: Clock, D: DataBuffer> Unpin
    for Execute<'_, Q, R, C, D>
{
}

/// Memory that the queue has stays with the queue; the rest is dropped here.
impl<Q: QueuePort, R: Registers + Clone, C: Clock, D: DataBuffer> Drop for Execute<'_, Q, R, C, D> {
    fn drop(&mut self) {
        match core::mem::replace(&mut self.state, State::Ended) {
            State::New(_) | State::Refused(..) | State::Ended => {}
            State::Waiting(ticket, request) => {
                let next = self.lane.permits.cancel(ticket);
                drop(request);
                if let Some(next) = next {
                    next.wake();
                }
            }
            State::Permitted(permit, request) => {
                drop(request);
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
