//! The two ways in which a request comes to a queue: by value, or from where it lies.

use crate::command::{Command, Cookie, Refusal, Rejected, Request};
use crate::dma::{DataBuffer, Segment};
use crate::time::Timeout;

/// A request that the queue takes or gives back.
pub(super) trait Offer<D> {
    /// What it is when it is not accepted.
    type Refused;

    fn command(&self) -> &Command;
    fn segments(&self) -> &[Segment];
    fn is_joined(&self) -> bool;
    fn cookie(&self) -> Cookie;
    fn timeout(&self) -> Timeout;
    /// It is accepted.
    fn take(self) -> Option<D>;
    /// It is not.
    fn refuse(self, reason: Refusal) -> Self::Refused;
}

impl<D: DataBuffer> Offer<D> for Request<D> {
    type Refused = Rejected<D>;

    #[inline(always)]
    fn command(&self) -> &Command {
        &self.command
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
        self.timeout
    }

    #[inline(always)]
    fn take(self) -> Option<D> {
        Some(self.data)
    }

    #[cold]
    fn refuse(self, reason: Refusal) -> Rejected<D> {
        Rejected { reason, request: self }
    }
}
