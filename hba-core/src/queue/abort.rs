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
        match self.outstanding() {
            0 => None,
            _ if self.handout.is_due() => Some(Instant::ZERO),
            _ => self.deadlines.earliest(),
        }
    }

    /// A command whose deadline passed, or whose turn it is to be aborted. Hand the ticket to Control, and ask again until
    /// there is none.
    ///
    /// Of one logical unit one ticket is out at a time, and of a queue four: those that wait follow when one comes home.
    ///
    /// Looks at each slot once for each time that [`Self::next_deadline`] told, and at none in between.
    pub fn poll_expired(&mut self, now: Instant) -> Option<AbortTicket> {
        loop {
            if self.handout.is_due() {
                let handout = &self.handout;
                let found = self.slots.next_waiting(handout.at(), |nexus| handout.admits(nexus));
                self.handout.handle_look(found);
                if let Some(slot) = found {
                    return self.pin(slot);
                }
            }
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
            if record.state == State::Issued
                && let Some(ticket) = self.pin(slot)
            {
                return Some(ticket);
            }
        }
    }

    /// A ticket for aborting the command of `handle`; `None` when it has completed, is being aborted already, or has to wait for
    /// another ticket to come home: [`Self::poll_expired`] gives it then.
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
        let AbortTicket { vector, name, nexus } = ticket;
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
        if unanswered.is_none() {
            self.handout.handle_home(nexus);
        }
        Redeemed { vector, name, unanswered }
    }

    /// Whether a ticket's command has completed by itself meanwhile.
    pub fn has_ended(&self, ticket: &AbortTicket) -> bool {
        self.slots.record(ticket.name.tag.0).is_none_or(|record| record.state == State::Ended)
    }

    /// The ticket of a slot that is issued, unless it has to wait.
    fn pin(&mut self, slot: u16) -> Option<AbortTicket> {
        let name = self.slots.name_of(slot)?;
        let record = self.slots.record_mut(slot)?;
        let admitted = self.handout.take(record.nexus);
        record.notes.set_waits(!admitted);
        if !admitted {
            return None;
        }
        record.state = State::Pinned;
        Some(AbortTicket { vector: self.vector, name, nexus: record.nexus })
    }
}
