//! What Control asks of its owner.

use crate::command::Failure;
use crate::dma::DataBuffer;
use crate::port::{MemoryPlan, Misrouted, QueuePort};
use crate::queue::{
    AbortTicket, DrainRequest, IoQueue, OpenPermit, Redeemed, RestartPermit, Vector, Verdict,
};

/// Something that the owner of Control has to do, in the order given.
#[derive(Debug)]
#[must_use = "the adapter waits for it"]
pub enum Action {
    /// Allocate the memory of this plan and call [`Control::provide_memory`](super::Control::provide_memory).
    ProvideMemory(MemoryPlan),
    /// Service this queue until nothing is pending, [`quiesce`](crate::queue::IoQueue::quiesce) it, and bring the token
    /// to [`Control::handle_quiesced`](super::Control::handle_quiesced).
    Quiesce(Vector),
    /// Carry the permit to its queue.
    Restart(RestartPermit),
    /// Carry the permit to its queue.
    Open(OpenPermit),
    /// Carry the request to its queue; the mark goes to [`Control::handle_drained`](super::Control::handle_drained).
    Drain(DrainRequest),
    /// Carry the ticket home to its queue, and what it says to [`Control::handle_redeemed`](super::Control::handle_redeemed).
    Redeem(AbortTicket, Verdict),
    /// Carry it to its queue's [`deliver`](crate::queue::IoQueue::deliver), and service that queue.
    Deliver(Misrouted),
    /// Tell every queue [`handle_gone`](crate::queue::IoQueue::handle_gone) with this failure.
    Gone(Failure),
    /// The controller is beyond control: clear its bus master enable bit (PCI command register, bit 2), so that it can
    /// touch no memory, then call [`Control::handle_isolated`](super::Control::handle_isolated).
    Isolate,
}

impl Action {
    /// The queue that it is for. `None` for what is the owner's to do, or goes to every queue ([`Self::Gone`]).
    pub const fn vector(&self) -> Option<Vector> {
        match self {
            Self::Quiesce(vector) => Some(*vector),
            Self::Restart(permit) => Some(permit.vector()),
            Self::Open(permit) => Some(permit.vector()),
            Self::Drain(request) => Some(request.vector()),
            Self::Redeem(ticket, _) => Some(ticket.vector()),
            Self::Deliver(reply) => Some(reply.vector),
            Self::ProvideMemory(_) | Self::Gone(_) | Self::Isolate => None,
        }
    }

    /// Hands it to its queue. What comes back goes to [`Control::handle_redeemed`](super::Control::handle_redeemed).
    ///
    /// Nothing happens to a queue that is to be quiesced: the owner services it first.
    pub fn apply<P: QueuePort, D: DataBuffer>(self, queue: &mut IoQueue<P, D>) -> Option<Redeemed> {
        match self {
            Self::Restart(permit) => queue.restart(permit),
            Self::Open(permit) => queue.open(permit),
            Self::Drain(request) => queue.begin_drain(request),
            Self::Deliver(reply) => queue.deliver(&reply),
            Self::Gone(failure) => queue.handle_gone(failure),
            Self::Redeem(ticket, verdict) => return Some(queue.redeem(ticket, verdict)),
            Self::Quiesce(_) | Self::ProvideMemory(_) | Self::Isolate => {}
        }
        None
    }
}
