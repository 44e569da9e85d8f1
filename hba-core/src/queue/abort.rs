//! Commands that are to end before they do by themselves: deadlines, aborts, and the tickets that name them.

use super::slots::State;
use super::{AbortTicket, IoQueue, Verdict};
use crate::dma::DataBuffer;
use crate::name::CommandHandle;
use crate::port::QueuePort;
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

    /// Takes a ticket home.
    pub fn redeem(&mut self, ticket: AbortTicket, verdict: Verdict) {
        let slot = ticket.name.tag.0;
        let Some(record) = self.slots.record_mut(slot) else { return };
        match (record.state, verdict) {
            (State::Ended, _) => self.slots.release(slot),
            (State::Pinned, Verdict::Ended) => {
                record.state = State::Condemned;
                self.condemned += 1;
            }
            (State::Pinned, Verdict::Superseded) => record.state = State::Issued,
            _ => {}
        }
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
