//! What a queue counts. Nothing here is read by the queue itself.

use core::fmt;

use crate::port::BadReply;

/// Counts since the queue was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Requests accepted.
    pub submitted: u64,
    /// Commands completed; equal to `submitted` when nothing is outstanding.
    pub completed: u64,
    /// Requests refused.
    pub rejected: u64,
    /// GOOD with fewer bytes than asked for.
    pub short: u64,
    /// Deadlines passed.
    pub expired: u64,
    /// Replies that named a slot whose command had ended already.
    pub stale: u64,
    /// Replies that named nothing that was ever sent.
    pub unknown: u64,
    /// Replies that came by way of another vector.
    pub misrouted: u64,
    /// Reply frames with a bad address, owner, length or function.
    pub malformed: u64,
}

impl Counters {
    #[cold]
    pub(super) fn count_bad(&mut self, bad: BadReply) {
        match bad {
            BadReply::UnknownTag { .. } => self.unknown += 1,
            _ => self.malformed += 1,
        }
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} submitted, {} completed, {} rejected, {} short, {} expired, {} stale, {} unknown, {} misrouted, {} malformed",
            self.submitted,
            self.completed,
            self.rejected,
            self.short,
            self.expired,
            self.stale,
            self.unknown,
            self.misrouted,
            self.malformed
        )
    }
}
