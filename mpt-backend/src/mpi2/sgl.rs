//! Scatter-gather lists: MPI elements for MPI 2.0, IEEE elements for MPI 2.5, chains behind either.

use hba_core::dma::{BusAddr, DmaRegion, Elements, ScatterError, Segment};

use super::config::FRAME;
use crate::wire::mpi2::{IEEE_CHAIN, IEEE_END_OF_LIST};
use crate::wire::sge::SgeFlags;

/// What elements look like; one kind for the whole adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ElementKind {
    /// MPI, 8 bytes.
    Bits32,
    /// MPI, 12 bytes.
    Bits64,
    /// IEEE 64, 16 bytes.
    Ieee,
}

impl ElementKind {
    const fn size(self) -> usize {
        match self {
            Self::Bits32 => 8,
            Self::Bits64 => 12,
            Self::Ieee => 16,
        }
    }

    /// Bytes in which chain offsets count.
    const fn unit(self) -> usize {
        if matches!(self, Self::Ieee) { 16 } else { 4 }
    }
}

/// Where the list begins in a SCSI IO request: the field `SGL`.
pub(super) const SGL_OFFSET: usize = 96;

/// How the elements of one command are spread: some in the frame, the rest in equal segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chains {
    kind: ElementKind,
    /// Bytes of a segment.
    segment: usize,
    /// Elements in a segment; a chain element follows when another segment does.
    in_segment: u16,
    segments: u16,
    /// What the platform asked for.
    wanted: u16,
}

impl Chains {
    /// Room for `wanted` elements, or for as many as `depth` segments of `segment` bytes hold (0: no limit).
    pub(super) fn new(kind: ElementKind, segment: usize, wanted: u16, depth: u8) -> Self {
        let size = kind.size();
        let in_segment = (segment / size - 1).min(255 * kind.unit() / size) as u16;
        let beyond = wanted.saturating_sub(Self::in_frame_of(kind));
        // With a chain, the frame's last place holds the chain element.
        let needed = if beyond == 0 { 0 } else { (beyond + 1).div_ceil(in_segment) };
        let segments = if depth == 0 { needed } else { needed.min(u16::from(depth)) };
        Self { kind, segment, in_segment, segments, wanted }
    }

    const fn in_frame_of(kind: ElementKind) -> u16 {
        ((FRAME - SGL_OFFSET) / kind.size()) as u16
    }

    /// Most elements of one command.
    pub(super) fn elements(&self) -> u16 {
        let in_frame = Self::in_frame_of(self.kind);
        let room = match self.segments {
            0 => in_frame,
            segments => in_frame - 1 + segments * self.in_segment,
        };
        room.min(self.wanted)
    }

    /// Bytes of chain memory for each tag.
    pub(super) const fn bytes(&self) -> usize {
        self.segments as usize * self.segment
    }

    pub(super) const fn kind(&self) -> ElementKind {
        self.kind
    }

    /// Flags of every MPI element, in bits 31:24.
    pub(super) const fn flags(&self, to_device: bool) -> u32 {
        let direction = if to_device { SgeFlags::HOST_TO_IOC.0 } else { 0 };
        let width = match self.kind {
            ElementKind::Bits64 => SgeFlags::ADDRESS_64.0,
            _ => 0,
        };
        match self.kind {
            ElementKind::Ieee => 0,
            _ => ((SgeFlags::SIMPLE_ELEMENT.0 | direction | width) as u32) << 24,
        }
    }

    /// Bits that end a list.
    pub(super) const fn last(&self) -> u32 {
        match self.kind {
            ElementKind::Ieee => (IEEE_END_OF_LIST as u32) << 24,
            _ => (SgeFlags::FINAL.0 as u32) << 24,
        }
    }

    /// Bits of the element before a chain element.
    const fn before_chain(&self) -> u32 {
        match self.kind {
            ElementKind::Ieee => 0,
            _ => (SgeFlags::LAST_ELEMENT.0 as u32) << 24,
        }
    }

    /// Writes a chain element that points to `length` bytes at `to`, whose own chain element is at `next` units.
    fn put_chain(
        &self,
        memory: &mut DmaRegion,
        at: usize,
        length: usize,
        next: usize,
        to: BusAddr,
    ) {
        let mpi = u32::from(SgeFlags::CHAIN_ELEMENT.0) << 24 | (next as u32) << 16 | length as u32;
        match self.kind {
            ElementKind::Bits32 => memory.write_words(at, [mpi, to.low()]),
            ElementKind::Bits64 => {
                let wide = u32::from(SgeFlags::ADDRESS_64.0) << 24;
                memory.write_words(at, [mpi | wide, to.low(), to.high()]);
            }
            ElementKind::Ieee => {
                let flags = u32::from(IEEE_CHAIN) << 24 | (next as u32) << 16;
                memory.write_words(at, [to.low(), to.high(), length as u32, flags]);
            }
        }
    }

    /// Bytes of the next segment when `left` elements are left, its own chain element included, and where that begins in
    /// units (0: it has none).
    fn segment_size(&self, left: usize) -> (usize, usize) {
        let (per, size) = (usize::from(self.in_segment), self.kind.size());
        if left > per {
            ((per + 1) * size, per * size / self.kind.unit())
        } else {
            (left * size, 0)
        }
    }
}

/// The memory of one command's list.
pub(super) struct ListMemory<'a> {
    /// The request frames, and where this command's begins.
    pub(super) frames: &'a mut DmaRegion,
    pub(super) frame: usize,
    /// The chain segments, and where this command's begin.
    pub(super) chains: &'a mut DmaRegion,
    pub(super) chain: usize,
}

impl ListMemory<'_> {
    /// Writes a list of at least one element and returns the frame's chain offset in its units, 0 when all elements are in
    /// the frame.
    ///
    /// # Errors
    ///
    /// [`ScatterError`]; what was written so far is in memory that the device does not read before the doorbell.
    pub(super) fn write(
        &mut self,
        layout: &Chains,
        flags: u32,
        mut elements: Elements<'_>,
    ) -> Result<u8, ScatterError> {
        if let Some(segments) = elements.plain().filter(|s| !s.is_empty()) {
            let count = segments.len() as u32;
            let mut segments = segments.iter().copied();
            return self.write_counted(layout, flags, count, || Ok(segments.next()));
        }
        let count = elements.count()?;
        self.write_counted(layout, flags, count, || elements.take_next())
    }

    // Once for segments as they are and once for elements that are made.
    #[inline(always)]
    fn write_counted(
        &mut self,
        layout: &Chains,
        flags: u32,
        needed: u32,
        mut next: impl FnMut() -> Result<Option<Segment>, ScatterError>,
    ) -> Result<u8, ScatterError> {
        let permitted = u32::from(layout.elements());
        if needed > permitted {
            return Err(ScatterError::TooManyElements { needed, permitted });
        }
        let (total, size) = (needed as usize, layout.kind.size());
        let in_frame = usize::from(Chains::in_frame_of(layout.kind));
        let here = if total <= in_frame { total } else { in_frame - 1 };
        let at = self.frame + SGL_OFFSET;
        put_run(self.frames, layout, at, here, flags, here == total, &mut next)?;
        if here == total {
            return Ok(0);
        }
        let chain_at = at + here * size;
        let (length, next_chain) = layout.segment_size(total - here);
        let to = self.chains.bus().offset(self.chain as u64);
        layout.put_chain(self.frames, chain_at, length, next_chain, to);
        self.write_segments(layout, flags, total - here, next)?;
        Ok(((chain_at - self.frame) / layout.kind.unit()) as u8)
    }

    /// Writes the `left` elements that the frame does not hold.
    #[inline(always)]
    fn write_segments(
        &mut self,
        layout: &Chains,
        flags: u32,
        mut left: usize,
        mut next: impl FnMut() -> Result<Option<Segment>, ScatterError>,
    ) -> Result<(), ScatterError> {
        let size = layout.kind.size();
        let mut at = self.chain;
        while left > 0 {
            let here = left.min(usize::from(layout.in_segment));
            put_run(self.chains, layout, at, here, flags, here == left, &mut next)?;
            left -= here;
            if left > 0 {
                let (length, next_chain) = layout.segment_size(left);
                let to = self.chains.bus().offset((at + layout.segment) as u64);
                layout.put_chain(self.chains, at + here * size, length, next_chain, to);
            }
            at += layout.segment;
        }
        Ok(())
    }
}

/// Writes `count` simple elements from `at` on; the last one ends the list or stands before a chain element.
#[inline(always)]
fn put_run(
    memory: &mut DmaRegion,
    layout: &Chains,
    at: usize,
    count: usize,
    flags: u32,
    ends: bool,
    next: &mut impl FnMut() -> Result<Option<Segment>, ScatterError>,
) -> Result<(), ScatterError> {
    let last = if ends { layout.last() } else { layout.before_chain() };
    match layout.kind {
        ElementKind::Ieee => put_each(at, 16, count, last, next, |at, last, e| {
            memory.write_words(at, [e.addr.low(), e.addr.high(), e.len, last]);
        }),
        ElementKind::Bits64 => put_each(at, 12, count, last, next, |at, last, e| {
            memory.write_words(at, [flags | last | e.len, e.addr.low(), e.addr.high()]);
        }),
        ElementKind::Bits32 => put_each(at, 8, count, last, next, |at, last, e| {
            memory.write_words(at, [flags | last | e.len, e.addr.low()]);
        }),
    }
}

#[inline(always)]
fn put_each(
    mut at: usize,
    size: usize,
    count: usize,
    last: u32,
    next: &mut impl FnMut() -> Result<Option<Segment>, ScatterError>,
    mut put: impl FnMut(usize, u32, Segment),
) -> Result<(), ScatterError> {
    for _ in 1..count {
        let Some(element) = next()? else { return Ok(()) };
        put(at, 0, element);
        at += size;
    }
    if let (true, Some(element)) = (count > 0, next()?) {
        put(at, last, element);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use hba_core::dma::{AddressWidth, DmaWindow, SegmentLimits};

    use super::*;

    const WINDOW: DmaWindow = DmaWindow::of_width(AddressWidth::BITS_64);
    const LIMITS: SegmentLimits = SegmentLimits::new(WINDOW, 0x00ff_f000, 0);

    fn region(bytes: usize, bus: u64) -> DmaRegion {
        DmaRegion::detached(bytes, BusAddr::new(bus))
    }

    /// Reads a list as the controller does: elements until end of list, following chains.
    fn walk(
        kind: ElementKind,
        frames: &DmaRegion,
        chains: &DmaRegion,
        chain_offset: u8,
    ) -> Vec<(u64, u32)> {
        let (size, unit) = (kind.size(), kind.unit());
        let mut found = Vec::new();
        let (mut memory, mut at, mut chain) =
            (frames, SGL_OFFSET, usize::from(chain_offset) * unit);
        loop {
            let word = |n: usize| memory.read_u32(at + 4 * n);
            let (flags, address, length, next) = match kind {
                ElementKind::Ieee => (
                    word(3) >> 24,
                    u64::from(word(1)) << 32 | u64::from(word(0)),
                    word(2),
                    word(3) >> 16 & 0xff,
                ),
                ElementKind::Bits64 => (
                    word(0) >> 24,
                    u64::from(word(2)) << 32 | u64::from(word(1)),
                    word(0) & 0x00ff_ffff,
                    word(0) >> 16 & 0xff,
                ),
                ElementKind::Bits32 => {
                    (word(0) >> 24, u64::from(word(1)), word(0) & 0x00ff_ffff, word(0) >> 16 & 0xff)
                }
            };
            if chain != 0 && at == chain {
                let is_chain =
                    if kind == ElementKind::Ieee { flags == 0x80 } else { flags & 0x30 == 0x30 };
                assert!(is_chain, "a chain element, flags {flags:#x}");
                let start = (address - chains.bus().raw()) as usize;
                assert_eq!(start % 16, 0);
                (memory, at, chain) =
                    (chains, start, if next == 0 { 0 } else { start + next as usize * unit });
                continue;
            }
            found.push((address, length));
            at += size;
            let end = if kind == ElementKind::Ieee {
                assert_eq!(flags & !0x40, 0, "a simple element");
                flags & 0x40 != 0
            } else {
                assert_eq!(flags & 0x30, 0x10, "a simple element");
                assert_eq!(flags & 0x80 != 0, flags & 0xc1 == 0xc1 || at == chain, "last element");
                flags & 0xc1 == 0xc1
            };
            if end {
                return found;
            }
        }
    }

    #[test]
    fn every_count_of_elements_reads_back_in_order() {
        for (kind, segment) in [
            (ElementKind::Bits32, 128),
            (ElementKind::Bits64, 128),
            (ElementKind::Ieee, 128),
            (ElementKind::Ieee, 1024),
        ] {
            let layout = Chains::new(kind, segment, 1024, 0);
            assert_eq!(layout.elements(), 1024);
            let mut frames = region(FRAME, 0x1000);
            let mut chains = region(layout.bytes(), 0x8_0000);
            for count in (1..300).chain([511, 512, 513, 1023, 1024]) {
                let at = |i: u64| Segment::new(BusAddr::new(0x10_0000 + 0x100 * i), 7);
                let segments: Vec<_> = (0..count).map(at).collect();
                let elements = Elements::new(&segments, 7 * count as u32, &LIMITS);
                let mut list =
                    ListMemory { frames: &mut frames, frame: 0, chains: &mut chains, chain: 0 };
                let offset = list.write(&layout, layout.flags(false), elements).expect("fits");
                let found = walk(kind, &frames, &chains, offset);
                let expected: Vec<_> = segments.iter().map(|s| (s.addr.raw(), s.len)).collect();
                assert_eq!(found, expected, "{count} elements of {kind:?}");
            }
        }
    }

    #[test]
    fn b10_one_element_too_many_is_refused_with_both_numbers_mpi2() {
        let layout = Chains::new(ElementKind::Ieee, 128, 257, 128);
        let mut frames = region(FRAME, 0x1000);
        let mut chains = region(layout.bytes(), 0x8_0000);
        let at = |i: u64| Segment::new(BusAddr::new(0x10_0000 + 0x100 * i), 1);
        let segments: Vec<_> = (0..258).map(at).collect();
        let elements = Elements::new(&segments, 258, &LIMITS);
        let mut list = ListMemory { frames: &mut frames, frame: 0, chains: &mut chains, chain: 0 };
        assert_eq!(
            list.write(&layout, 0, elements),
            Err(ScatterError::TooManyElements { needed: 258, permitted: 257 })
        );
    }

    #[test]
    fn a_shallow_controller_permits_fewer_elements() {
        let layout = Chains::new(ElementKind::Ieee, 128, 1024, 2);
        assert_eq!(layout.elements(), 1 + 2 * 7, "one in the frame and two segments");
    }
}
