//! Which tickets are out: how many may be, and whose turn is next.

use crate::name::Nexus;

/// Tickets of one queue that can be out at the same time, each for another logical unit. Control works on no more units at
/// once, so that more tickets would only wait there, each with memory of its own.
pub(crate) const TICKETS_MAX: usize = 4;

/// Which logical units of a queue have a ticket out, and whether slots wait for theirs.
#[derive(Debug)]
pub(super) struct Handout {
    out: [Option<Nexus>; TICKETS_MAX],
    /// Slots may wait for a ticket.
    waited_for: bool,
    /// A ticket came home since the slots that wait were looked at.
    due: bool,
    /// The slot that the next look begins with, so that each has its turn.
    at: u16,
}

impl Handout {
    pub(super) const fn new() -> Self {
        Self { out: [None; TICKETS_MAX], waited_for: false, due: false, at: 0 }
    }

    /// Whether a ticket for a command of `nexus` may go out.
    pub(super) fn admits(&self, nexus: Nexus) -> bool {
        !self.out.contains(&Some(nexus)) && self.out.contains(&None)
    }

    /// A ticket for a command of `nexus` goes out, unless it has to wait.
    pub(super) fn take(&mut self, nexus: Nexus) -> bool {
        let admitted = self.admits(nexus);
        match self.out.iter_mut().find(|place| place.is_none()) {
            Some(place) if admitted => *place = Some(nexus),
            _ => self.waited_for = true,
        }
        admitted
    }

    /// The ticket of `nexus` is home.
    pub(super) fn handle_home(&mut self, nexus: Nexus) {
        if let Some(place) = self.out.iter_mut().find(|place| **place == Some(nexus)) {
            *place = None;
        }
        self.due = self.waited_for;
    }

    /// Whether a slot that waits may get its ticket now.
    pub(super) const fn is_due(&self) -> bool {
        self.due
    }

    /// The slot to look at first.
    pub(super) const fn at(&self) -> u16 {
        self.at
    }

    /// Every slot was looked at from there on, and `found` is the first whose turn it is.
    pub(super) fn handle_look(&mut self, found: Option<u16>) {
        match found {
            Some(slot) => self.at = slot.wrapping_add(1),
            None => {
                self.due = false;
                // With no ticket out, any slot that waits would have been found.
                self.waited_for = self.out.iter().any(Option::is_some);
            }
        }
    }
}
