//! What has to be in a block, and what was.

use core::fmt;

use super::pattern::Found;

/// The generations that a block may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expectation {
    /// This one: its write is durable, or no power was lost.
    Exactly(u32),
    /// The old or the new one: the write of the new one was not flushed.
    Either {
        /// The last that was flushed.
        old: u32,
        /// The last that was written.
        new: u32,
    },
    /// As [`Self::Either`], and the device had not answered the write when the power failed: nothing was promised.
    InFlight {
        /// The last that was flushed.
        old: u32,
        /// The last that was sent.
        new: u32,
    },
}

impl Expectation {
    /// `claimed` if that is allowed, else the newest that is.
    pub(super) const fn nearest(self, claimed: u32) -> u32 {
        match self {
            Self::Either { old, .. } | Self::InFlight { old, .. } if claimed == old => old,
            Self::Exactly(new) | Self::Either { new, .. } | Self::InFlight { new, .. } => new,
        }
    }
}

/// A block that is not what it has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mismatch {
    /// The disk's place in the list.
    pub(super) disk: usize,
    /// Where.
    pub(super) lba: u64,
    /// What has to be there.
    pub(super) expected: Expectation,
    /// What is there.
    pub(super) found: Found,
}

/// Blocks of one disk, by what was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DiskCount {
    /// Exactly what had to be there.
    pub(super) exact: u64,
    /// Either would do, and the new one is there.
    pub(super) new: u64,
    /// Either would do, and the old one is there: the write is lost.
    pub(super) old: u64,
    /// Old or new, and nothing was promised: the write was in flight when the power failed.
    pub(super) in_flight: u64,
    /// None of these.
    pub(super) bad: u64,
}

/// Counts of one pass over all disks.
#[derive(Debug)]
pub(super) struct Tally {
    counts: Vec<DiskCount>,
    /// The lowest one of the lowest disk.
    first_bad: Option<Mismatch>,
}

impl Tally {
    pub(super) fn new(disks: usize) -> Self {
        Self { counts: vec![DiskCount::default(); disks], first_bad: None }
    }

    pub(super) fn count(&mut self, disk: usize, expected: Expectation, generation: u32) {
        let Some(count) = self.counts.get_mut(disk) else { return };
        match expected {
            Expectation::Exactly(_) => count.exact += 1,
            Expectation::Either { old, .. } if generation == old => count.old += 1,
            Expectation::Either { .. } => count.new += 1,
            Expectation::InFlight { .. } => count.in_flight += 1,
        }
    }

    /// `identify` is called only if this is the first bad block so far.
    pub(super) fn count_bad(
        &mut self,
        disk: usize,
        lba: u64,
        expected: Expectation,
        identify: impl FnOnce() -> Found,
    ) {
        let Some(count) = self.counts.get_mut(disk) else { return };
        count.bad += 1;
        if self.first_bad.is_none_or(|first| (disk, lba) < (first.disk, first.lba)) {
            self.first_bad = Some(Mismatch { disk, lba, expected, found: identify() });
        }
    }

    pub(super) fn counts(&self) -> &[DiskCount] {
        &self.counts
    }

    pub(super) fn total(&self) -> DiskCount {
        self.counts.iter().fold(DiskCount::default(), |sum, count| DiskCount {
            exact: sum.exact + count.exact,
            new: sum.new + count.new,
            old: sum.old + count.old,
            in_flight: sum.in_flight + count.in_flight,
            bad: sum.bad + count.bad,
        })
    }

    pub(super) const fn first_bad(&self) -> Option<Mismatch> {
        self.first_bad
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(generation) => write!(f, "generation {generation}"),
            Self::Either { old, new } | Self::InFlight { old, new } => {
                write!(f, "generation {old} or {new}, whole")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EITHER: Expectation = Expectation::Either { old: 1, new: 2 };

    #[test]
    fn the_first_bad_block_is_the_lowest_one() {
        let mut tally = Tally::new(2);
        let exactly = Expectation::Exactly(1);
        for (disk, lba) in [(1, 3), (0, 9), (0, 4), (0, 7)] {
            tally.count_bad(disk, lba, exactly, || Found::Zeros);
        }
        let first = tally.first_bad().map(|bad| (bad.disk, bad.lba));
        assert_eq!((first, tally.total().bad), (Some((0, 4)), 4));
    }

    #[test]
    fn old_and_new_are_told_apart() {
        let mut tally = Tally::new(1);
        tally.count(0, Expectation::Exactly(1), 1);
        tally.count(0, EITHER, 1);
        tally.count(0, EITHER, 2);
        tally.count(0, EITHER, 2);
        tally.count(0, Expectation::InFlight { old: 1, new: 2 }, 1);
        let count = DiskCount { exact: 1, old: 1, new: 2, in_flight: 1, bad: 0 };
        assert_eq!(tally.counts(), [count]);
        assert_eq!(EITHER.nearest(1), 1);
        assert_eq!((EITHER.nearest(7), Expectation::Exactly(1).nearest(2)), (2, 1));
    }
}
