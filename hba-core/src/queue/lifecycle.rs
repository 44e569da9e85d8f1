//! How a queue starts, stops and ends: tokens, drains, endings without a reply.

use alloc::vec::Vec;

use super::slots::Finished;
use super::{
    After, Batch, DrainMark, DrainRequest, IoQueue, OpenPermit, Phase, Quiesced, RestartPermit,
    Serviced, Stopped,
};
use crate::command::{Completion, Failure, Outcome};
use crate::dma::DataBuffer;
use crate::name::{CommandHandle, Cookie};
use crate::port::{Misrouted, QueuePort};
use crate::sabotage::{Sabotage, is_planted};

impl<P: QueuePort, D: DataBuffer> IoQueue<P, D> {
    /// Remembers that Control wants to know when the reply path was empty.
    pub fn begin_drain(&mut self, request: DrainRequest) {
        self.drain = Some(request);
    }

    /// One of this queue's commands has ended, as another vector was told: the next pass that finds nothing else completes it,
    /// if the device still has it. Counted as [`misrouted`](super::Counters::misrouted).
    pub fn deliver(&mut self, reply: &Misrouted) {
        debug_assert_eq!(reply.vector, self.vector);
        if matches!(self.phase, Phase::Running | Phase::Serving) {
            self.counters.misrouted += 1;
            self.port.deliver(reply.tag, &reply.detail);
        }
    }

    /// Stops the queue: from here on the device's memory and registers are not touched.
    ///
    /// Outstanding commands stay outstanding. Service the queue until nothing is pending first, so that what the device
    /// did complete counts.
    pub fn quiesce(&mut self) -> Quiesced {
        if !self.is_gone() {
            self.enter(Phase::Stopped);
        }
        self.drain = None;
        Quiesced { vector: self.vector }
    }

    /// Starts over after a reset: the next passes end every outstanding command, then take replies. Before a sleep they end
    /// the commands, and nothing is touched until the next permit comes.
    pub fn restart(&mut self, permit: RestartPermit) {
        debug_assert_eq!(permit.vector, self.vector);
        if self.is_gone() {
            return;
        }
        let after = if permit.asleep {
            After::Stopped
        } else {
            if !is_planted(Sabotage::RingKept) {
                self.port.restart();
            }
            self.slots.forget_uses();
            After::Serving
        };
        if is_planted(Sabotage::ResetForgets) {
            return self.enter(Phase::Serving);
        }
        self.enter(Phase::Ending(Failure::Reset, after));
    }

    /// Accepts requests from here on.
    pub fn open(&mut self, permit: OpenPermit) {
        debug_assert_eq!(permit.vector, self.vector);
        let phase = match self.phase {
            Phase::Ending(failure, After::Serving) => Phase::Ending(failure, After::Running),
            Phase::Serving => Phase::Running,
            other => other,
        };
        self.enter(phase);
    }

    /// The controller is gone or given up: the next passes end every command with `failure`, and nothing is touched.
    pub fn handle_gone(&mut self, failure: Failure) {
        if self.phase != Phase::Gone {
            self.enter(Phase::Ending(failure, After::Gone));
        }
    }

    /// Ends the queue.
    ///
    /// # Errors
    ///
    /// [`Abandoned`] when commands are outstanding: their memory must not be freed before the device is stopped.
    pub fn close(mut self) -> Result<(), Abandoned<D>> {
        let cookies: Vec<_> = self.outstanding_cookies().collect();
        if cookies.is_empty() {
            return Ok(());
        }
        Err(Abandoned { cookies, data: self.slots.take_data() })
    }

    pub(super) fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        let running = phase == Phase::Running;
        self.accepted = if running { u64::from(self.transfer_max) + 1 } else { 0 };
    }

    /// Whether the port must not be touched ever again, even if values that were under way say otherwise.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self.phase, Phase::Gone | Phase::Ending(_, After::Gone))
    }

    #[cold]
    pub(super) fn answer_drain(&mut self) -> Option<DrainMark> {
        self.drain.take().map(|r| DrainMark { vector: r.vector, number: r.number })
    }

    #[cold]
    pub(super) fn end_all(
        &mut self,
        failure: Failure,
        after: After,
        batch: &mut Batch<D>,
    ) -> Serviced<P::Ack> {
        let mut from = 0;
        while let Some(slot) = self.slots.next_outstanding(from) {
            if !batch.has_room() {
                return Serviced { ack: None, more: true, drained: None, gone: false };
            }
            from = slot + 1;
            let expired = self.slots.record(slot).is_some_and(|r| r.notes.expired());
            let late = expired && failure == Failure::Reset;
            self.complete_failed(slot, if late { Failure::TimedOut } else { failure }, batch);
        }
        let phase = match after {
            After::Stopped => Phase::Stopped,
            After::Serving => Phase::Serving,
            After::Running => Phase::Running,
            After::Gone => Phase::Gone,
        };
        self.enter(phase);
        let more = !matches!(self.phase, Phase::Gone | Phase::Stopped);
        Serviced { ack: None, more, drained: None, gone: false }
    }

    pub(super) fn complete_failed(&mut self, slot: u16, failure: Failure, batch: &mut Batch<D>) {
        let Some(record) = self.slots.record(slot) else { return };
        self.record.note_failure(record.nexus, record.notes.kind(), failure);
        let Some(finished) = self.slots.finish(slot) else { return };
        let Finished { data, cookie, length: residual, generation } = finished;
        let handle = CommandHandle { slot, generation };
        self.counters.completed += 1;
        let outcome = Outcome::Failed(failure);
        batch.push(Completion { cookie, handle, data, outcome, transferred: 0, residual });
    }
}

/// A queue that is dropped without [`IoQueue::close`] leaks the memory of outstanding commands rather than free it under
/// the device's hands.
impl<P: QueuePort, D: DataBuffer> Drop for IoQueue<P, D> {
    fn drop(&mut self) {
        self.slots.take_data().into_iter().for_each(core::mem::forget);
    }
}

/// The memory of commands that were outstanding when their queue was closed.
///
/// Dropping it leaks the memory: only [`Self::release`] frees it, with proof that the device is stopped.
#[derive(Debug)]
#[must_use = "the memory in here is leaked unless it is released"]
pub struct Abandoned<D> {
    cookies: Vec<Cookie>,
    data: Vec<D>,
}

impl<D> Abandoned<D> {
    /// How many commands were outstanding.
    pub fn count(&self) -> usize {
        self.cookies.len()
    }

    /// The callers' names of the commands.
    pub fn cookies(&self) -> &[Cookie] {
        &self.cookies
    }

    /// Gives the memory back, now that the device cannot touch it.
    pub fn release(mut self, _proof: Stopped) -> Vec<D> {
        core::mem::take(&mut self.data)
    }
}

impl<D> Drop for Abandoned<D> {
    fn drop(&mut self) {
        self.data.drain(..).for_each(core::mem::forget);
    }
}
