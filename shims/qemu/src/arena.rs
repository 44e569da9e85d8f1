//! Which parts of a range of guest RAM are free.

use core::ops::Range;

/// Free address ranges, sorted, never adjacent; first fit.
///
/// Allocation is for set-up and for buffers of tests, so a list is enough: there are as many ranges as there are holes.
#[derive(Debug)]
pub(crate) struct FreeRanges(Vec<Range<u64>>);

impl FreeRanges {
    /// All of `range` is free.
    pub(crate) fn new(range: Range<u64>) -> Self {
        Self(if range.is_empty() { Vec::new() } else { vec![range] })
    }

    /// Takes `len` bytes at a multiple of `align` (a power of two) at the lowest address that has room.
    pub(crate) fn take(&mut self, len: u64, align: u64) -> Option<Range<u64>> {
        let (index, taken) = self.0.iter().enumerate().find_map(|(index, free)| {
            let start = free.start.checked_next_multiple_of(align)?;
            let end = start.checked_add(len)?;
            (end <= free.end).then_some((index, start..end))
        })?;
        let free = self.0[index].clone();
        let rest = [free.start..taken.start, taken.end..free.end];
        self.0.splice(index..=index, rest.into_iter().filter(|r| !r.is_empty()));
        Some(taken)
    }

    /// Gives back what [`Self::take`] returned, joined with its free neighbours.
    pub(crate) fn give(&mut self, mut range: Range<u64>) {
        let index = self.0.partition_point(|free| free.end < range.start);
        let mut joined = index;
        while let Some(free) = self.0.get(joined).filter(|free| free.start <= range.end) {
            range = range.start.min(free.start)..range.end.max(free.end);
            joined += 1;
        }
        self.0.splice(index..joined, [range]);
    }

    /// Length of the longest free range in bytes.
    pub(crate) fn largest(&self) -> u64 {
        self.0.iter().map(|free| free.end - free.start).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_aligned_disjoint_and_come_back_whole() {
        let mut free = FreeRanges::new(0x1010..0x4000);
        let a = free.take(0x100, 0x1000).expect("room");
        let b = free.take(0x10, 0x10).expect("room before a");
        let c = free.take(0x1f00, 0x10).expect("room after a");
        assert_eq!(
            (a.clone(), b.clone(), c.clone()),
            (0x2000..0x2100, 0x1010..0x1020, 0x2100..0x4000)
        );
        assert_eq!(free.take(0x1000, 0x10), None, "only the gap between b and a is left");
        assert_eq!(free.largest(), 0xfe0);
        for range in [a, c, b] {
            free.give(range);
        }
        assert_eq!((free.0.len(), free.largest()), (1, 0x4000 - 0x1010));
    }

    #[test]
    fn lengths_that_overflow_are_refused() {
        let mut free = FreeRanges::new(0x1000..u64::MAX);
        assert_eq!(free.take(u64::MAX, 8), None);
        assert_eq!(free.take(8, 1 << 63), Some(1 << 63..(1 << 63) + 8));
        assert_eq!(FreeRanges::new(0..0).take(8, 8), None);
    }
}
