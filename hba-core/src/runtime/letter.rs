//! What a task hands to a queue, and what it gets back at once.

use core::task::Waker;

use super::ExecuteError;
use crate::command::{Command, LengthCheck, Nexus, TargetId, Transfer};
use crate::queue::Lying;
use crate::sync::{Asked, Inert};
use crate::time::{Instant, Timeout};
use scsi_proto::{Cdb, Lun, TaskAttribute};

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

/// What a turn that submits is handed.
pub(super) struct Letter<'a, B, D> {
    pub(super) parcel: &'a mut Parcel<D>,
    pub(super) now: Instant,
    pub(super) waiter: Waker,
    pub(super) urgency: Urgency,
    pub(super) rest: &'a mut Option<Rest<B>>,
}

/// What such a turn leaves when it was not as simple as that. All of it is the sender's to deal with.
pub(super) struct Rest<B> {
    pub(super) what: Rare<B>,
    /// Not needed: there is nothing to wait for.
    pub(super) waiter: Option<Waker>,
    /// Whose turn has come.
    pub(super) next: Option<Waker>,
}

/// What rarely becomes of a request.
pub(super) enum Rare<B> {
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

/// The place of a command that is out, and its doorbell.
pub(super) struct Sent<B>(pub(super) Asked, pub(super) B);
impl<B> Inert for Sent<B> {}
impl Inert for Asked {}

impl<B> Rest<B> {
    pub(super) const fn none(what: Rare<B>) -> Self {
        Self { what, waiter: None, next: None }
    }

    pub(super) const fn new(what: Rare<B>, waiter: Waker) -> Self {
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
