//! From the caller's segments to the elements that a controller accepts.

use core::fmt;

use super::{AddressFault, DmaWindow, Segment};

/// What one element of a controller's scatter list may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentLimits {
    window: DmaWindow,
    element_max: u32,
    boundary: u64,
    /// The longest element that is never cut: 0 where a boundary may cut any.
    uncut_max: u32,
    /// Bytes from the window's first address to the last one at which any uncut element fits.
    uncut_span: u64,
}

impl SegmentLimits {
    /// Elements in `window`, of at most `element_max` bytes (0 counts as 1: an element of no bytes would be the first of
    /// an endless list), that cross no multiple of `boundary` bytes, a power of two or 0 for no such rule.
    pub const fn new(window: DmaWindow, element_max: u32, boundary: u64) -> Self {
        let element_max = if element_max == 0 { 1 } else { element_max };
        let (first, last) = (window.first().raw(), window.last().raw());
        let span = last.wrapping_sub(first).checked_sub(element_max as u64);
        let (uncut_max, uncut_span) = match span {
            Some(span) if boundary == 0 && !window.is_empty() => (element_max, span),
            _ => (0, 0),
        };
        Self { window, element_max, boundary, uncut_max, uncut_span }
    }

    /// The longest element that is never cut, 0 where that says nothing.
    #[inline]
    pub(super) const fn uncut_max(&self) -> u32 {
        self.uncut_max
    }

    /// Whether elements that are not too long can begin at every address that has no bit but those of `addresses`; `false`
    /// says nothing.
    #[inline]
    pub(super) const fn takes_uncut_at(&self, addresses: u64) -> bool {
        self.window.first().raw() == 0 && addresses <= self.uncut_span
    }

    /// Whether `element` is one as it is, in two comparisons; `false` says nothing.
    #[inline]
    pub(super) const fn takes_uncut(&self, element: Segment) -> bool {
        let at = element.addr.raw().wrapping_sub(self.window.first().raw());
        element.len <= self.uncut_max && at <= self.uncut_span
    }
}

/// The elements for one transfer: neighbours joined, pieces cut at the element length and the boundary, the bytes in
/// order and exactly as many as the transfer has.
///
/// Elements are made as they are written to the frame; nothing is stored. The list fuses after its end or an error.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    segments: core::slice::Iter<'a, Segment>,
    limits: &'a SegmentLimits,
    /// The run of adjacent bytes at hand.
    run: Segment,
    /// Bytes of the transfer that neither an element nor `run` holds yet.
    missing: u32,
    /// Whether the segments are known to be joined.
    joined: bool,
}

impl<'a> Elements<'a> {
    /// The elements for the first `length` bytes of `segments`.
    #[inline]
    pub fn new(segments: &'a [Segment], length: u32, limits: &'a SegmentLimits) -> Self {
        let run = Segment::new(super::BusAddr::new(0), 0);
        Self { segments: segments.iter(), limits, run, missing: length, joined: false }
    }

    /// The same, where `joined` says whether it is known that no segment is empty and none continues the one before; see
    /// [`DataBuffer::is_joined`](super::DataBuffer::is_joined).
    #[inline]
    #[must_use]
    pub fn known(self, joined: bool) -> Self {
        Self { joined, ..self }
    }

    #[inline]
    pub(super) fn is_joined(&self) -> bool {
        self.joined
    }

    /// The segments, the bytes of the transfer and the limits, before anything was taken.
    #[inline]
    pub(super) fn parts(&self) -> (&'a [Segment], u32, &'a SegmentLimits) {
        (self.segments.as_slice(), self.missing, self.limits)
    }

    /// The next element, or `None` after the last.
    ///
    /// # Errors
    ///
    /// [`ScatterError`] if a segment lies outside the window or the segments end before the transfer does.
    #[inline]
    pub fn take_next(&mut self) -> Result<Option<Segment>, ScatterError> {
        if self.run.len == 0 && !self.refill()? {
            return Ok(None);
        }
        self.join()?;
        let element_max = self.limits.element_max;
        let room = match self.limits.boundary {
            0 => element_max,
            boundary => {
                let to_boundary = boundary - (self.run.addr.raw() & (boundary - 1));
                element_max.min(u32::try_from(to_boundary).unwrap_or(u32::MAX))
            }
        };
        let element = Segment::new(self.run.addr, self.run.len.min(room));
        self.run =
            Segment::new(self.run.addr.offset(u64::from(element.len)), self.run.len - element.len);
        Ok(Some(element))
    }

    /// The only element, where the first segment makes the whole transfer as it is and does not lie near the end of the
    /// window: the usual case, decided at once.
    ///
    /// To be asked before anything was taken. `None` says nothing.
    #[inline]
    pub fn single(&self) -> Option<Segment> {
        let element = Segment::new(self.segments.as_slice().first()?.addr, self.missing);
        let held = self.missing.wrapping_sub(1) < self.segments.as_slice().first()?.len;
        if held && self.limits.takes_uncut(element) { Some(element) } else { None }
    }

    /// The segments themselves, where each makes one element as it is and together they make the whole transfer: the
    /// usual case for scattered pages, decided in one walk without making an element.
    ///
    /// To be asked before anything was taken. `None` says nothing.
    pub fn plain(&self) -> Option<&'a [Segment]> {
        let segments = self.segments.as_slice();
        let (mut total, mut end) = (0u64, None);
        for segment in segments {
            if segment.len == 0
                || end == Some(segment.addr.raw())
                || !self.limits.takes_uncut(*segment)
            {
                return None;
            }
            total += u64::from(segment.len);
            // Does not wrap: the segment lies in the window.
            end = Some(segment.addr.raw().wrapping_add(u64::from(segment.len)));
        }
        (total == u64::from(self.missing)).then_some(segments)
    }

    /// Whether [`Self::take_next`] has no more elements to give.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.run.len == 0 && self.missing == 0
    }

    /// How many elements are left, without consuming them.
    ///
    /// # Errors
    ///
    /// As [`Self::take_next`].
    pub fn count(&self) -> Result<u32, ScatterError> {
        let mut rest = self.clone();
        let mut count = 0;
        while rest.take_next()?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    #[inline]
    fn refill(&mut self) -> Result<bool, ScatterError> {
        while self.missing > 0 {
            let Some(segment) = self.take()? else {
                let missing = self.missing;
                return Err(self.fuse(ScatterError::TooShort { missing }));
            };
            if segment.len > 0 {
                self.run = segment;
                self.missing -= segment.len;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Adds following segments to the run as long as they continue it.
    #[inline]
    fn join(&mut self) -> Result<(), ScatterError> {
        while self.missing > 0 {
            let Some(next) = self.segments.as_slice().first() else { return Ok(()) };
            let end = self.run.addr.raw().checked_add(u64::from(self.run.len));
            let joined = self.run.len.checked_add(next.len.min(self.missing));
            let (Some(end), Some(joined)) = (end, joined) else { return Ok(()) };
            if next.len != 0 && next.addr.raw() != end {
                return Ok(());
            }
            if let Some(segment) = self.take()? {
                self.missing -= segment.len;
                self.run.len = joined;
            }
        }
        Ok(())
    }

    /// The next segment, checked, and cut to what the transfer still needs.
    #[inline]
    fn take(&mut self) -> Result<Option<Segment>, ScatterError> {
        let Some(&segment) = self.segments.next() else { return Ok(None) };
        let segment = Segment::new(segment.addr, segment.len.min(self.missing));
        if self.limits.window.contains(segment) {
            return Ok(Some(segment));
        }
        let len = u64::from(segment.len);
        match self.limits.window.check("data segment", segment.addr, len, 1) {
            Err(fault) => Err(self.fuse(ScatterError::Address(fault))),
            Ok(()) => Ok(Some(segment)),
        }
    }

    /// Leaves nothing to give: what follows a refused segment would be at the wrong offset.
    #[cold]
    fn fuse(&mut self, error: ScatterError) -> ScatterError {
        (self.missing, self.run.len) = (0, 0);
        error
    }
}

/// Why no scatter list can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScatterError {
    /// A segment lies where the device or the host does not reach.
    Address(AddressFault),
    /// The segments end before the transfer does.
    TooShort {
        /// Bytes of the transfer without memory.
        missing: u32,
    },
    /// More elements than one command may have.
    TooManyElements {
        /// What this buffer needs.
        needed: u32,
        /// What the controller permits.
        permitted: u32,
    },
}

impl fmt::Display for ScatterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(fault) => fault.fmt(f),
            Self::TooShort { missing } => {
                write!(f, "the buffer is {missing} bytes shorter than the transfer")
            }
            Self::TooManyElements { needed, permitted } => write!(
                f,
                "the buffer needs {needed} scatter elements, the controller permits {permitted}"
            ),
        }
    }
}

impl core::error::Error for ScatterError {}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::dma::{AddressWidth, BusAddr};

    const WINDOW: DmaWindow = DmaWindow::of_width(AddressWidth::BITS_32);

    fn limits(element_max: u32, boundary: u64) -> SegmentLimits {
        SegmentLimits::new(WINDOW, element_max, boundary)
    }

    fn segment(addr: u64, len: u32) -> Segment {
        Segment::new(BusAddr::new(addr), len)
    }

    fn collect(mut elements: Elements<'_>) -> Result<Vec<Segment>, ScatterError> {
        let mut list = Vec::new();
        while let Some(element) = elements.take_next()? {
            list.push(element);
        }
        Ok(list)
    }

    /// The address of every byte, in order.
    fn bytes(list: &[Segment]) -> impl Iterator<Item = u64> {
        list.iter().flat_map(|s| (0..u64::from(s.len)).map(|i| s.addr.raw() + i))
    }

    /// Lengths with many zeros and ones, and where each segment begins: behind the last one, in front of it, or anywhere.
    fn segments() -> impl Strategy<Value = Vec<Segment>> {
        let len = prop_oneof![2 => Just(0u32), 2 => Just(1u32), 6 => 2..600u32];
        let place = prop_oneof![5 => Just(0u8), 2 => Just(1u8), 3 => Just(2u8)];
        proptest::collection::vec((len, place, 0..1_000_000u64), 0..24).prop_map(|steps| {
            let (mut end, mut start) = (100_000, 100_000u64);
            let mut list = Vec::new();
            for (len, place, anywhere) in steps {
                let addr = match place {
                    0 => end,
                    1 => start.saturating_sub(u64::from(len)),
                    _ => anywhere,
                };
                list.push(segment(addr, len));
                (start, end) = (addr, addr + u64::from(len));
            }
            list
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

        #[test]
        fn b09_bytes_in_order_are_identical(
            list in segments(),
            element_max in prop_oneof![Just(1u32), 2..300u32, Just(u32::MAX)],
            boundary in prop_oneof![Just(0u64), (0..12u32).prop_map(|bit| 1 << bit)],
            part in 0..=100u64,
        ) {
            let total: u64 = list.iter().map(|s| u64::from(s.len)).sum();
            let length = (total * part / 100) as u32;
            let limits = limits(element_max, boundary);
            let elements = Elements::new(&list, length, &limits);
            let count = elements.count().unwrap();
            let made = collect(elements).unwrap();
            prop_assert_eq!(made.len(), count as usize);
            prop_assert!(bytes(&made).eq(bytes(&list).take(length as usize)));
            for element in &made {
                let (first, last) = (element.addr.raw(), element.addr.raw() + u64::from(element.len) - 1);
                prop_assert!(element.len <= element_max);
                prop_assert!(boundary == 0 || first / boundary == last / boundary);
            }
            for pair in made.windows(2) {
                let end = pair[0].addr.raw() + u64::from(pair[0].len);
                let full = pair[0].len == element_max || (boundary != 0 && end % boundary == 0);
                prop_assert!(full || pair[1].addr.raw() != end, "neighbours are joined");
            }
        }
    }

    #[test]
    fn b09_contiguous_reversed_and_single_bytes() {
        let contiguous: Vec<_> = (0..32).map(|i| segment(0x1000 + 512 * i, 512)).collect();
        let all = collect(Elements::new(&contiguous, 16384, &limits(u32::MAX, 0)));
        assert_eq!(all, Ok(alloc::vec![segment(0x1000, 16384)]));
        let reversed: Vec<_> = contiguous.iter().rev().copied().collect();
        let all = collect(Elements::new(&reversed, 16384, &limits(u32::MAX, 0)));
        assert_eq!(all, Ok(reversed), "descending neighbours are not joined");
        let single: Vec<_> = (0..5).map(|i| segment(0xffd + i, 1)).collect();
        let all = collect(Elements::new(&single, 5, &limits(u32::MAX, 4096)));
        assert_eq!(all, Ok(alloc::vec![segment(0xffd, 3), segment(0x1000, 2)]));
    }

    #[test]
    fn b22_a_list_that_fails_gives_nothing_more() {
        let beyond = [segment(0x1000, 16), segment(0xffff_fff0, 32), segment(0x2000, 16)];
        let limits = limits(u32::MAX, 0);
        let mut elements = Elements::new(&beyond, 64, &limits);
        assert_eq!(elements.take_next(), Ok(Some(segment(0x1000, 16))));
        assert!(
            matches!(elements.take_next(), Err(ScatterError::Address(fault)) if fault.len == 32)
        );
        assert_eq!(
            elements.take_next(),
            Ok(None),
            "the bytes behind the gap are not the next ones"
        );

        let mut short = Elements::new(&beyond[..1], 17, &limits);
        assert_eq!(short.count(), Err(ScatterError::TooShort { missing: 1 }));
        assert_eq!(short.take_next(), Ok(Some(segment(0x1000, 16))));
        assert_eq!(short.take_next(), Err(ScatterError::TooShort { missing: 1 }));
        assert_eq!(short.take_next(), Ok(None));
    }

    #[test]
    fn b09_only_the_bytes_of_the_transfer_are_checked() {
        let list = [segment(0xffff_ffff, 2)];
        let one = collect(Elements::new(&list, 1, &limits(u32::MAX, 0)));
        assert_eq!(one, Ok(alloc::vec![segment(0xffff_ffff, 1)]));
        assert!(collect(Elements::new(&list, 2, &limits(u32::MAX, 0))).is_err());
        assert_eq!(collect(Elements::new(&list, 0, &limits(u32::MAX, 0))), Ok(Vec::new()));
    }
}
