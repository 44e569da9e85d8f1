//! The faults that are to come, and the events that each of them waits for.

use hba_core::time::Instant;

use crate::campaign::plan::{Entry, Plan, Site};

/// The schedule of a plan as it runs down.
pub(super) struct Schedule {
    /// What has not struck; of each site what comes next is last.
    pub(super) entries: Vec<Entry>,
    /// Events so far at each site.
    counts: [u32; Site::ALL.len()],
    /// What times are counted from: the first operation.
    pub(super) start: Instant,
}

impl Schedule {
    pub(super) fn new(plan: &Plan, start: Instant) -> Self {
        let mut entries = plan.schedule.clone();
        entries.sort_by_key(|entry| (entry.site, entry.nth));
        entries.reverse();
        Self { entries, counts: [0; Site::ALL.len()], start }
    }

    /// Takes all entries away: nothing strikes until they [`begin`](Self::begin).
    pub(super) fn set_aside(&mut self) -> Vec<Entry> {
        core::mem::take(&mut self.entries)
    }

    /// Counts events and time from now on.
    pub(super) fn begin(&mut self, entries: Vec<Entry>, now: Instant) {
        (self.entries, self.counts, self.start) = (entries, [0; Site::ALL.len()], now);
    }

    /// Nothing is to come any more.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    /// One more event at a site.
    pub(super) const fn count(&mut self, site: Site) {
        self.counts[site as usize] += 1;
    }

    /// How far a site is: milliseconds since the start, or its count.
    pub(super) fn reached(&self, site: Site, now: Instant) -> u32 {
        match site {
            Site::Time => now.since(self.start).as_millis() as u32,
            site => self.counts[site as usize],
        }
    }

    /// Takes the next fault that waits for what was `reached` at a site.
    pub(super) fn take_due(&mut self, site: Site, reached: u32) -> Option<Entry> {
        let due = |entry: &Entry| entry.site == site && entry.nth <= reached;
        let at = self.entries.iter().rposition(due)?;
        Some(self.entries.remove(at))
    }
}
