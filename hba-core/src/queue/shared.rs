//! The queue of a vector that has no thread of its own.

use super::{Batch, IoQueue, Serviced, Submitted};
use crate::command::{Rejected, Request};
use crate::dma::DataBuffer;
use crate::port::QueuePort;
use crate::sync::{Busy, Entered, SharedQueue};
use crate::time::Instant;

/// A turn that submitted: the words have the doorbell, or the request that the queue refused.
pub type SubmitTurn<'a, P, D> =
    Entered<'a, IoQueue<P, D>, Result<Submitted<<P as QueuePort>::Doorbell>, Rejected<D>>, ()>;

/// A turn that serviced: the words have the acknowledge. The batch is out of reach until the turn has ended, because a
/// completion names somebody who may be called.
pub type ServiceTurn<'a, 'b, P, D> =
    Entered<'a, IoQueue<P, D>, Serviced<<P as QueuePort>::Ack>, &'b mut Batch<D>>;

/// The two calls of the data path; anything else goes through [`SharedQueue::enter`].
impl<P: QueuePort, D: DataBuffer> SharedQueue<IoQueue<P, D>> {
    /// [`IoQueue::submit`]. Write the doorbell, then leave.
    ///
    /// # Errors
    ///
    /// [`Busy`] with the whole request when somebody is in. Nothing was counted or written; submit it again later, at the
    /// latest when the owner has left.
    #[inline]
    pub fn submit(
        &self,
        request: Request<D>,
        now: Instant,
    ) -> Result<SubmitTurn<'_, P, D>, Busy<Request<D>>> {
        let submit = |queue: &mut IoQueue<P, D>, (request, now)| (queue.submit(request, now), ());
        self.enter((request, now), submit).map_err(|busy| Busy { input: busy.input.0 })
    }

    /// [`IoQueue::service`]. Write the acknowledge, then leave, then hand out the batch.
    ///
    /// # Errors
    ///
    /// [`Busy`] when somebody is in, who was told to look again: there is nothing left to do here.
    #[inline]
    pub fn service<'b>(
        &self,
        batch: &'b mut Batch<D>,
    ) -> Result<ServiceTurn<'_, 'b, P, D>, Busy<&'b mut Batch<D>>> {
        self.enter(batch, |queue: &mut IoQueue<P, D>, batch: &'b mut Batch<D>| {
            (queue.service(batch), batch)
        })
    }
}
