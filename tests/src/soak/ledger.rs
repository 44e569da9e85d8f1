//! Which commands are out, and what became of the others.

use core::fmt;
use core::ops::AddAssign;
use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// A command that is out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Issued {
    pub(super) disk: u16,
    pub(super) lba: u64,
    pub(super) write: bool,
}

/// Every command under its cookie, from before its submit to its completion.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    next: AtomicU64,
    /// Apart, so that threads rarely meet here.
    shards: [Mutex<HashMap<u64, Issued>>; 16],
}

impl Ledger {
    pub(super) fn enter(&self, issued: Issued) -> u64 {
        let cookie = self.next.fetch_add(1, Ordering::Relaxed);
        let before = self.shard(cookie, |shard| shard.insert(cookie, issued));
        assert!(before.is_none(), "cookie {cookie} is used twice");
        cookie
    }

    /// # Panics
    ///
    /// If it is not out: it ended twice.
    pub(super) fn end(&self, cookie: u64) -> Issued {
        let issued = self.shard(cookie, |shard| shard.remove(&cookie));
        issued.unwrap_or_else(|| panic!("command {cookie} ended a second time"))
    }

    pub(super) fn len(&self) -> usize {
        (0..16).map(|at| self.shard(at, |shard| shard.len())).sum()
    }

    fn shard<T>(&self, cookie: u64, f: impl FnOnce(&mut HashMap<u64, Issued>) -> T) -> T {
        let shard = &self.shards[cookie as usize % 16];
        f(&mut shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

macro_rules! tally {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// What happened, in numbers.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Tally {
            $($(#[$doc])* pub $name: u64,)*
        }

        /// The same, counted by several threads.
        #[derive(Debug, Default)]
        pub(super) struct Counts {
            $(pub(super) $name: AtomicU64,)*
        }

        impl Counts {
            pub(super) fn tally(&self) -> Tally {
                Tally { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }

        impl AddAssign for Tally {
            fn add_assign(&mut self, other: Self) {
                $(self.$name += other.$name;)*
            }
        }

        impl fmt::Display for Tally {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let rows = [$((stringify!($name), self.$name),)*];
                rows.iter().try_for_each(|(name, n)| writeln!(f, "{:<16} {n:>14}", name.replace('_', " ")))
            }
        }
    };
}

tally! {
    /// Controllers attached, put under load, emptied and shut down.
    rounds,
    /// Commands accepted.
    submitted,
    /// Commands that ended with GOOD.
    good,
    /// Commands that recovery, a reset or the shutdown ended, or that the device refused.
    failed,
    /// Futures that were dropped before their command had ended.
    dropped_futures,
    /// Deadlines that passed.
    expired,
    /// Aborts that found their command outstanding, and abort task sets.
    aborts,
    /// Controller resets.
    resets,
    /// Entries refused because somebody was in the queue.
    refused_entries,
    /// Requests refused because the queue was full, or stopped for a reset.
    refused_requests,
    /// Interrupts that reached their vector.
    interrupts,
    /// Interrupts that were lost.
    lost_interrupts,
    /// Interrupts of vectors that had nothing.
    spurious,
    /// Replies that named no outstanding command: doubled, misplaced, or late.
    stale_replies,
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
