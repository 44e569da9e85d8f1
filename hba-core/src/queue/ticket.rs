//! The values that a queue and Control exchange. None can be copied, so none can be used twice.

use crate::name::{Nexus, Vector, WireTag};

/// Names one outstanding command towards Control and pins its slot: the slot is not used again before the ticket comes
/// home through [`IoQueue::redeem`](super::IoQueue::redeem).
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the slot stays pinned until the ticket is redeemed"]
pub struct AbortTicket {
    pub(crate) vector: Vector,
    pub(crate) name: WireTag,
    pub(crate) nexus: Nexus,
}

impl AbortTicket {
    /// The queue that the command is on.
    pub const fn vector(&self) -> Vector {
        self.vector
    }

    /// The logical unit that the command went to.
    pub const fn nexus(&self) -> Nexus {
        self.nexus
    }
}

/// What Control found out about the command of a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A task management function was answered and every reply queue was drained since: the command's own reply is there, or
    /// the function did not reach it.
    Drained,
    /// The controller is being reset or is gone; the queue ends everything itself.
    Superseded,
}

/// What became of a ticket: for [`Control::handle_redeemed`](crate::control::Control::handle_redeemed).
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the ladder of recovery waits for it"]
pub struct Redeemed {
    pub(crate) vector: Vector,
    pub(crate) name: WireTag,
    /// The ticket again, of a command that has not ended.
    pub(crate) unanswered: Option<AbortTicket>,
}

impl Redeemed {
    /// The ticket again, if its command has not ended.
    pub fn into_unanswered(self) -> Option<AbortTicket> {
        self.unanswered
    }
}

/// A queue has stopped: it touches neither its port nor the device until it is restarted.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the reset waits for the token of every queue"]
pub struct Quiesced {
    pub(crate) vector: Vector,
}

/// The controller was reset and holds no command any more: the queue may end its own and start over.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the queue stays stopped until it gets the permit"]
pub struct RestartPermit {
    pub(crate) vector: Vector,
    /// The controller is not started again for now: the commands end, and nothing is touched.
    pub(crate) asleep: bool,
}

impl RestartPermit {
    /// The queue that it is for.
    pub const fn vector(&self) -> Vector {
        self.vector
    }
}

/// The adapter is operational: the queue may accept requests.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the queue refuses requests until it gets the permit"]
pub struct OpenPermit {
    pub(crate) vector: Vector,
}

impl OpenPermit {
    /// The queue that it is for.
    pub const fn vector(&self) -> Vector {
        self.vector
    }
}

/// Control asks a queue to find its reply path empty once.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "recovery waits for the mark"]
pub struct DrainRequest {
    pub(crate) vector: Vector,
    pub(crate) number: u32,
}

impl DrainRequest {
    /// The queue that it is for.
    pub const fn vector(&self) -> Vector {
        self.vector
    }
}

/// A queue has found its reply path empty since it got the [`DrainRequest`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "recovery waits for the mark"]
pub struct DrainMark {
    pub(crate) vector: Vector,
    pub(crate) number: u32,
}

/// The device can touch no memory of this adapter any more: it was reset and not restarted, or it is gone.
///
/// Given out by [`Control::stopped`](crate::control::Control::stopped).
#[derive(Clone, Copy, Debug)]
pub struct Stopped(pub(crate) ());
