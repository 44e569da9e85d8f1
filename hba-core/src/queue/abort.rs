//! Commands that are to end before they do by themselves: deadlines, aborts, and the tickets that name them.

use super::slots::State;
use super::{AbortTicket, After, IoQueue, Phase, Redeemed, Verdict};
use crate::command::Failure;
use crate::dma::DataBuffer;
use crate::name::CommandHandle;
use crate::port::QueuePort;
use crate::sabotage::{Sabotage, is_planted};
use crate::time::Instant;

impl<P: QueuePort, D: DataBuffer> IoQueue<P, D> {
    /// No deadline passes before this; `None` while none is set. [`Self::poll_expired`] may find nothing then, and this
    /// moves on.
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.outstanding() == 0 { None } else { self.deadlines.earliest() }
    }

    /// A command whose deadline passed. Hand the ticket to Control, and ask again until there is none.
    ///
    /// Looks at each slot once for each time that [`Self::next_deadline`] told, and at none in between.
    pub fn poll_expired(&mut self, now: Instant) -> Option<AbortTicket> {
        loop {
            let (slots, depth) = (&self.slots, self.slots.depth());
            let slot = self.deadlines.take_expired(depth, now, |slot| slots.deadline(slot))?;
            let Some(record) = self.slots.record_mut(slot) else { continue };
            record.notes.expire();
            self.counters.expired += 1;
            if is_planted(Sabotage::DeadlineEndsCommands) {
                self.enter(Phase::Ending(Failure::TimedOut, After::Running));
                return None;
            }
            // A pinned slot has its ticket out already: the caller's abort is under way.
            if record.state == State::Issued {
                return self.pin(slot);
            }
        }
    }

    /// A ticket for aborting the command of `handle`, or `None` when it has completed or is being aborted already.
    pub fn abort(&mut self, handle: CommandHandle) -> Option<AbortTicket> {
        let record = self.slots.record(handle.slot)?;
        let current = record.state == State::Issued && record.generation == handle.generation;
        if current { self.pin(handle.slot) } else { None }
    }

    /// Takes a ticket home. It goes back to Control if the command should have ended and has not.
    ///
    /// No function's answer ends a command here: while the command waits in a request FIFO behind the function, the device knows
    /// of none, says that all is done, and fetches it afterwards. Its own reply ends it, or the reset of the controller.
    pub fn redeem(&mut self, ticket: AbortTicket, verdict: Verdict) -> Redeemed {
        let AbortTicket { vector, name, .. } = ticket;
        let slot = name.tag.0;
        let mut unanswered = None;
        if let Some(record) = self.slots.record_mut(slot) {
            match (record.state, verdict) {
                (State::Ended, _) if is_planted(Sabotage::TagLost) => {}
                (State::Ended, _) => self.slots.release(slot),
                (State::Pinned, Verdict::Drained) => unanswered = Some(ticket),
                (State::Pinned, Verdict::Superseded) => record.state = State::Issued,
                _ => {}
            }
        }
        Redeemed { vector, name, unanswered }
    }

    /// Whether a ticket's command has completed by itself meanwhile.
    pub fn has_ended(&self, ticket: &AbortTicket) -> bool {
        self.slots.record(ticket.name.tag.0).is_none_or(|record| record.state == State::Ended)
    }

    fn pin(&mut self, slot: u16) -> Option<AbortTicket> {
        let name = self.slots.name_of(slot)?;
        let record = self.slots.record_mut(slot)?;
        record.state = State::Pinned;
        Some(AbortTicket { vector: self.vector, name, nexus: record.nexus })
    }
}
