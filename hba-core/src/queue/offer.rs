//! The two ways in which a request comes to a queue: by value, or from where it lies.

#[cfg(feature = "tokio")]
use crate::command::LengthCheck;
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

/// A request that lies somewhere, of which nothing but the data moves.
#[cfg(feature = "tokio")]
#[derive(Debug)]
pub(crate) struct Lying<D> {
    pub(crate) command: Command,
    /// Until the queue has it.
    pub(crate) data: Option<D>,
    pub(crate) timeout: Timeout,
    pub(crate) check: LengthCheck,
}

/// Such a request under a name, with its memory in hand.
#[cfg(feature = "tokio")]
pub(super) struct InPlace<'a, D> {
    pub(super) request: &'a mut Lying<D>,
    pub(super) data: D,
    pub(super) cookie: Cookie,
    /// Where the reason goes if it is not accepted.
    pub(super) reason: &'a mut Refusal,
}

#[cfg(feature = "tokio")]
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
