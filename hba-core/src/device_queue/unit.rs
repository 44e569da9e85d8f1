//! What the queues know of one logical unit.

use super::policy::QueuePolicy;
use crate::name::Nexus;

#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    pub(super) nexus: Nexus,
    /// Commands that are out.
    pub(super) out: u16,
    /// Commands that may be.
    pub(super) depth: u16,
    /// Commands that ended well since the depth changed.
    good: u32,
    /// Counts the time-outs of medium accesses; accesses that are out together see the same number.
    pub(super) cycle: u32,
    /// Time-outs in a row.
    timeouts: u8,
    pub(super) offline: bool,
}

impl Unit {
    pub(super) const fn new(nexus: Nexus, policy: &QueuePolicy) -> Self {
        let depth = if policy.depth == 0 { 1 } else { policy.depth };
        Self { nexus, out: 0, depth, good: 0, cycle: 0, timeouts: 0, offline: false }
    }

    pub(super) const fn has_room(&self) -> bool {
        self.out < self.depth
    }

    /// TASK SET FULL: what is out now is one too many. Whether other commands are out, whose end makes room.
    pub(super) fn handle_full(&mut self) -> bool {
        self.good = 0;
        let others = self.out;
        self.depth = self.depth.min(others.max(1));
        others > 0
    }

    pub(super) fn handle_good(&mut self, policy: &QueuePolicy) {
        if self.depth >= policy.depth {
            return;
        }
        self.good += 1;
        if self.good >= policy.raise_after {
            self.good = 0;
            self.depth += 1;
        }
    }

    /// A medium access that was sent in `cycle` timed out. True when that takes the unit offline.
    pub(super) fn handle_timeout(&mut self, cycle: u32, policy: &QueuePolicy) -> bool {
        if cycle != self.cycle || self.offline {
            return false;
        }
        self.cycle = self.cycle.wrapping_add(1);
        self.timeouts = self.timeouts.saturating_add(1);
        self.offline = policy.medium_timeouts != 0 && self.timeouts >= policy.medium_timeouts;
        self.offline
    }

    /// A medium access was answered.
    pub(super) const fn handle_access(&mut self) {
        self.timeouts = 0;
    }

    pub(super) const fn bring_online(&mut self) {
        self.offline = false;
        self.timeouts = 0;
    }
}
