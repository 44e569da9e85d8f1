//! Segments that are written as elements while it is found out whether they are elements as they are.

use super::scatter::SegmentLimits;
use super::{Elements, Segment};

/// A walk over the segments of a transfer, each of which is expected to make one element as it is: the usual case for
/// scattered pages.
///
/// Whoever writes the list shows each segment that it writes, in order, and asks at the end whether that was right. If it
/// was not, the list is written again from [`Elements`], which joins, cuts and says what is wrong. What was written meanwhile
/// must be in memory that nobody reads before that. So a page is looked at once, and with little more than two sums: what
/// they leave open is looked at once more.
#[derive(Debug)]
pub struct PlainWalk<'a> {
    segments: &'a [Segment],
    limits: &'a SegmentLimits,
    /// Bytes of the transfer, no more than one element may have: then no segment of it is too long either.
    length: u32,
    /// Bytes of the segments that were shown.
    shown: u64,
    /// Where the last of them ends.
    end: u64,
    /// Bits that any of their addresses has.
    addresses: u64,
    /// Bits that each of their lengths has.
    lengths: u32,
    /// Whether there are neither empty segments nor neighbours.
    joined: bool,
}

impl<'a> Elements<'a> {
    /// A walk over the segments, to be asked for before anything was taken; `None` where they cannot be plain.
    #[inline]
    pub fn plain_walk(&self) -> Option<PlainWalk<'a>> {
        let (segments, length, limits) = self.parts();
        let first = segments.first()?;
        let possible = length != 0 && length <= limits.uncut_max();
        possible.then_some(PlainWalk {
            segments,
            limits,
            length,
            shown: 0,
            end: !first.addr.raw(),
            addresses: 0,
            lengths: u32::MAX,
            joined: self.is_joined(),
        })
    }
}

impl<'a> PlainWalk<'a> {
    /// Makes a sum that no transfer has.
    // A flag, or a way out of its own, would do; this keeps the sums alive on every way out, without which the compiler
    // puts them off and runs out of registers.
    const FAILED: u64 = 1 << 62;

    /// All segments.
    #[inline]
    pub const fn segments(&self) -> &'a [Segment] {
        self.segments
    }

    /// Whether it is known that no segment is empty and none continues the one before: then [`Self::show_joined`] will do.
    #[inline]
    pub const fn is_joined(&self) -> bool {
        self.joined
    }

    /// Shows the next segment where [`Self::is_joined`].
    #[inline]
    pub fn show_joined(&mut self, segment: Segment) {
        self.addresses |= segment.addr.raw();
        self.shown += u64::from(segment.len);
    }

    /// Shows the next segment. `false`: it continues the one before, the walk has failed and need not go on.
    ///
    /// For all but the first and the last one, which may be parts of pages: those have [`Self::show_part`].
    #[inline]
    pub fn show(&mut self, segment: Segment) -> bool {
        self.lengths &= segment.len;
        self.add(segment)
    }

    /// The same for a segment of any length, which fails if it has no bytes.
    #[inline]
    pub fn show_part(&mut self, segment: Segment) -> bool {
        if segment.len == 0 {
            self.shown += Self::FAILED;
            return false;
        }
        self.add(segment)
    }

    #[inline]
    fn add(&mut self, segment: Segment) -> bool {
        let at = segment.addr.raw();
        if at == self.end {
            self.shown += Self::FAILED;
            return false;
        }
        // That it does not wrap is known at the end.
        self.end = at.wrapping_add(u64::from(segment.len));
        self.addresses |= at;
        self.shown += u64::from(segment.len);
        true
    }

    /// Whether every segment, all of them shown, is one element as it is, and together they make the whole transfer.
    #[inline]
    pub fn holds(self) -> bool {
        let whole = self.shown == u64::from(self.length);
        // A bit in each length: none is 0. No bit in any address that an address near the window's end must have: all in.
        let obvious = self.lengths != 0 && self.limits.takes_uncut_at(self.addresses);
        whole && (obvious || each_is_uncut(self.segments, self.limits))
    }
}

#[cold]
#[inline(never)]
fn each_is_uncut(segments: &[Segment], limits: &SegmentLimits) -> bool {
    segments.iter().all(|segment| segment.len != 0 && limits.takes_uncut(*segment))
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::dma::{AddressWidth, BusAddr, DmaWindow};

    fn limits() -> SegmentLimits {
        let low = DmaWindow::of_width(AddressWidth::BITS_32);
        SegmentLimits::new(low, 0x10_0000, 0)
    }

    fn shown(limits: &SegmentLimits, segments: &[Segment], length: u32) -> bool {
        let Some(mut walk) = Elements::new(segments, length, limits).plain_walk() else {
            return false;
        };
        let last = segments.len() - 1;
        let accepted = walk.segments().iter().enumerate().all(|(i, segment)| {
            let edge = i == 0 || i == last;
            if edge { walk.show_part(*segment) } else { walk.show(*segment) }
        });
        accepted && walk.holds()
    }

    /// What the walk stands for: the elements are the segments.
    fn elements_are(limits: &SegmentLimits, segments: &[Segment], length: u32) -> bool {
        let mut elements = Elements::new(segments, length, limits);
        let mut made = Vec::new();
        while let Ok(Some(element)) = elements.take_next() {
            made.push(element);
        }
        length != 0 && made == segments
    }

    fn segment(addr: u64, len: u32) -> Segment {
        Segment::new(BusAddr::new(addr), len)
    }

    #[test]
    fn scattered_pages_hold_and_anything_odd_does_not() {
        let limits = limits();
        let pages =
            |n: u64| -> Vec<_> { (0..n).map(|i| segment(0x2000 * (i + 1), 4096)).collect() };
        assert!(shown(&limits, &pages(9), 9 * 4096));
        let mut parts = pages(9);
        (parts[0].len, parts[8].len) = (512, 1024);
        assert!(shown(&limits, &parts, 7 * 4096 + 1536), "an unaligned buffer");
        assert!(!shown(&limits, &pages(9), 9 * 4096 - 1), "more memory than transfer");
        assert!(!shown(&limits, &pages(9), 9 * 4096 + 1), "less");
        let mut odd = pages(9);
        odd[4].len = 0;
        assert!(!shown(&limits, &odd, 8 * 4096), "a segment of no bytes");
        odd[4] = segment(odd[3].addr.raw() + 4096, 4096);
        assert!(!shown(&limits, &odd, 9 * 4096), "neighbours");
        odd[4] = segment(0x1_0000_0000 - 2048, 4096);
        assert!(!shown(&limits, &odd, 9 * 4096), "beyond the window");
        odd[4] = segment(u64::MAX - 2048, 4096);
        assert!(!shown(&limits, &odd, 9 * 4096), "wraps");
        assert!(!shown(&limits, &[segment(0, 0x20_0000)], 0x20_0000), "longer than an element");
    }

    #[test]
    fn what_the_sums_leave_open_is_looked_at_again() {
        let limits = limits();
        // No bit is in all lengths; some address has each bit.
        let lengths = [512, 1024, 2048, 512, 512];
        let segments: Vec<_> =
            (0..5).map(|i| segment(0x1000_0000 * (i + 7), lengths[i as usize])).collect();
        assert!(shown(&limits, &segments, 4608));
    }

    proptest! {
        #[test]
        fn holds_only_where_the_elements_are_the_segments(
            segments in prop::collection::vec(
                (0u64..6, prop_oneof![Just(0u32), Just(512), Just(4096), Just(0x10_0000), 1u32..9000]),
                1..12,
            ),
            high in prop_oneof![Just(0u64), Just(0xfff0_0000), Just(0xffff_0000), Just(u64::MAX - 0x2fff)],
            short in prop_oneof![3 => Just(0u32), 1 => 1u32..5000],
        ) {
            let limits = limits();
            let segments: Vec<_> =
                segments.iter().map(|(n, len)| segment(high.wrapping_add(n * 4096), *len)).collect();
            let total: u32 = segments.iter().map(|s| s.len).sum();
            let length = total.saturating_sub(short);
            if shown(&limits, &segments, length) {
                prop_assert!(elements_are(&limits, &segments, length));
            }
        }
    }
}
