//! Scatter-gather lists: simple elements in the request frame, more of them in chain segments behind it.

use hba_core::dma::{BusAddr, DmaRegion, Elements, ScatterError, Segment};

use crate::wire::scsi_io::ScsiIoRequest;
use crate::wire::sge::SgeFlags;

/// Whether elements carry 32 or 64 address bits; one kind for the whole adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ElementKind {
    /// 8 bytes.
    Bits32,
    /// 12 bytes.
    Bits64,
}

impl ElementKind {
    const fn size(self) -> usize {
        match self {
            Self::Bits32 => 8,
            Self::Bits64 => 12,
        }
    }
}

/// Where the list begins in a SCSI IO request: offset 0x30.
pub(super) const SGL_OFFSET: usize = size_of::<ScsiIoRequest>();
/// Bytes of one chain segment. Its own chain element must begin within 255 dwords of its start.
const SEGMENT: usize = 1024;

/// How the elements of one command are spread: some in the frame, the rest in equal segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chains {
    kind: ElementKind,
    /// Elements in the frame when there is no chain.
    in_frame: u16,
    /// Elements in a segment; a chain element follows when another segment does.
    in_segment: u16,
    segments: u16,
    /// What the platform asked for.
    wanted: u16,
}

impl Chains {
    /// Room for `wanted` elements, or for as many as `depth` segments hold (0: the controller states no limit).
    pub(super) fn new(kind: ElementKind, frame_size: usize, wanted: u16, depth: u8) -> Self {
        let size = kind.size();
        let in_frame = ((frame_size.saturating_sub(SGL_OFFSET)) / size) as u16;
        // The chain element of a full segment begins at in_segment * size bytes: at most 1,020.
        let in_segment = ((SEGMENT - size) / size).min(255 * 4 / size) as u16;
        let beyond = wanted.saturating_sub(in_frame);
        // With a chain, the frame's last place holds the chain element.
        let needed = if beyond == 0 { 0 } else { (beyond + 1).div_ceil(in_segment) };
        let segments = if depth == 0 { needed } else { needed.min(u16::from(depth)) };
        Self { kind, in_frame, in_segment, segments, wanted }
    }

    /// Most elements of one command.
    pub(super) const fn elements(&self) -> u16 {
        let room = match self.segments {
            0 => self.in_frame,
            segments => self.in_frame - 1 + segments * self.in_segment,
        };
        if room < self.wanted { room } else { self.wanted }
    }

    /// Bytes of chain memory for each tag.
    pub(super) const fn bytes(&self) -> usize {
        self.segments as usize * SEGMENT
    }

    /// Writes one simple element at `at` of `memory`.
    #[inline]
    fn put(&self, memory: &mut DmaRegion, at: usize, flags: u32, element: Segment) {
        let word = flags | element.len;
        match self.kind {
            ElementKind::Bits32 => memory.write_words(at, [word, element.addr.low()]),
            ElementKind::Bits64 => {
                memory.write_words(at, [word, element.addr.low(), element.addr.high()]);
            }
        }
    }

    /// Writes a chain element that points to `length` bytes at `to`.
    fn put_chain(&self, memory: &mut DmaRegion, at: usize, length: usize, next: u8, to: BusAddr) {
        let flags = match self.kind {
            ElementKind::Bits32 => SgeFlags::CHAIN_ELEMENT,
            ElementKind::Bits64 => SgeFlags::CHAIN_ELEMENT.union(SgeFlags::ADDRESS_64),
        };
        let word = u32::from(flags.0) << 24 | u32::from(next) << 16 | length as u32;
        match self.kind {
            ElementKind::Bits32 => memory.write_words(at, [word, to.low()]),
            ElementKind::Bits64 => memory.write_words(at, [word, to.low(), to.high()]),
        }
    }

    /// Flags of every element, in bits 31:24.
    #[inline]
    pub(super) const fn flags(&self, to_device: bool) -> u32 {
        let direction = if to_device { SgeFlags::HOST_TO_IOC.0 } else { 0 };
        let width = match self.kind {
            ElementKind::Bits32 => 0,
            ElementKind::Bits64 => SgeFlags::ADDRESS_64.0,
        };
        ((SgeFlags::SIMPLE_ELEMENT.0 | direction | width) as u32) << 24
    }
}

/// End of list, end of buffer, last element, in bits 31:24.
pub(super) const FINAL: u32 = (SgeFlags::FINAL.0 as u32) << 24;
/// Last element before a chain element or at the end of a segment.
const LAST: u32 = (SgeFlags::LAST_ELEMENT.0 as u32) << 24;

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
    /// Writes the whole list and returns the frame's chain offset in dwords, 0 when all elements are in the frame.
    ///
    /// A transfer without data has one element all the same: zero-length, because MPI 1.x demands one.
    ///
    /// # Errors
    ///
    /// [`ScatterError`]; what was written so far is in memory that the device does not read before the doorbell.
    #[inline]
    pub(super) fn write(
        &mut self,
        layout: &Chains,
        flags: u32,
        mut elements: Elements<'_>,
    ) -> Result<u8, ScatterError> {
        if let Some(segments) = elements.plain().filter(|s| !s.is_empty()) {
            let mut segments = segments.iter().copied();
            let count = segments.len() as u32;
            return self.write_counted(layout, flags, count, || Ok(segments.next()));
        }
        match elements.count()? {
            0 => {
                let empty = Segment::new(BusAddr::new(0), 0);
                layout.put(self.frames, self.frame + SGL_OFFSET, flags | FINAL, empty);
                Ok(0)
            }
            count => self.write_counted(layout, flags, count, || elements.take_next()),
        }
    }

    /// Writes `needed` elements, which `next` gives.
    #[inline]
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
        let in_frame = usize::from(layout.in_frame);
        let here = if total <= in_frame { total } else { in_frame - 1 };
        let at = self.frame + SGL_OFFSET;
        for i in 0..here {
            let Some(element) = next()? else { break };
            layout.put(self.frames, at + i * size, flags | end_of(i, here, total), element);
        }
        if here == total {
            return Ok(0);
        }
        let (length, next_chain) = segment_size(layout, total - here);
        let chain_at = at + here * size;
        let to = self.chains.bus().offset(self.chain as u64);
        layout.put_chain(self.frames, chain_at, length, next_chain, to);
        self.write_segments(layout, flags, total - here, next)?;
        Ok(((chain_at - self.frame) / 4) as u8)
    }

    /// Writes the `left` elements that the frame does not hold.
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
            for i in 0..here {
                let Some(element) = next()? else { return Ok(()) };
                layout.put(self.chains, at + i * size, flags | end_of(i, here, left), element);
            }
            left -= here;
            if left > 0 {
                let (length, next_chain) = segment_size(layout, left);
                let to = self.chains.bus().offset((at + SEGMENT) as u64);
                layout.put_chain(self.chains, at + here * size, length, next_chain, to);
            }
            at += SEGMENT;
        }
        Ok(())
    }
}

/// The end flags of element `i` of `here` in this place, when `left` are left from this place on.
#[inline]
const fn end_of(i: usize, here: usize, left: usize) -> u32 {
    if i + 1 < here {
        0
    } else if here == left {
        FINAL
    } else {
        LAST
    }
}

/// Bytes of the next segment when `left` elements are left, its own chain element included, and where that begins in
/// dwords (0: it has none).
fn segment_size(layout: &Chains, left: usize) -> (usize, u8) {
    let (per, size) = (usize::from(layout.in_segment), layout.kind.size());
    if left > per { ((per + 1) * size, (per * size / 4) as u8) } else { (left * size, 0) }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use hba_core::dma::{AddressWidth, DmaWindow, SegmentLimits};

    use super::*;

    const FRAME: usize = 128;
    const WINDOW: DmaWindow = DmaWindow::of_width(AddressWidth::BITS_64);
    const LIMITS: SegmentLimits = SegmentLimits::new(WINDOW, 0x00ff_f000, 0);

    fn region(bytes: usize, bus: u64) -> DmaRegion {
        DmaRegion::detached(bytes, BusAddr::new(bus))
    }

    /// Reads a list as the controller does: elements until end of list, following chains.
    fn walk(frames: &DmaRegion, chains: &DmaRegion, chain_offset: u8) -> Vec<(u64, u32)> {
        let mut found = Vec::new();
        let (mut memory, mut at, mut chain) = (frames, SGL_OFFSET, usize::from(chain_offset) * 4);
        loop {
            if chain != 0 && at == chain {
                let word = memory.read_u32(at);
                assert_eq!(word >> 28, 0x3, "a chain element");
                let low = u64::from(memory.read_u32(at + 4));
                let wide = word >> 24 & u32::from(SgeFlags::ADDRESS_64.0) != 0;
                let high = if wide { u64::from(memory.read_u32(at + 8)) } else { 0 };
                let start = ((high << 32 | low) - chains.bus().raw()) as usize;
                let next = (word >> 16 & 0xff) as usize * 4;
                (memory, at, chain) = (chains, start, if next == 0 { 0 } else { start + next });
                continue;
            }
            let word = memory.read_u32(at);
            assert_eq!(word >> 28 & 0x3, 0x1, "a simple element");
            let wide = word >> 24 & u32::from(SgeFlags::ADDRESS_64.0) != 0;
            let high = if wide { u64::from(memory.read_u32(at + 8)) } else { 0 };
            found.push((high << 32 | u64::from(memory.read_u32(at + 4)), word & 0x00ff_ffff));
            at += if wide { 12 } else { 8 };
            let last = word & LAST != 0;
            assert_eq!(last, word & FINAL == FINAL || at == chain, "last element flag at {at}");
            if word & FINAL == FINAL {
                return found;
            }
        }
    }

    #[test]
    fn every_count_of_elements_reads_back_in_order() {
        for kind in [ElementKind::Bits32, ElementKind::Bits64] {
            let layout = Chains::new(kind, FRAME, 1024, 0);
            assert_eq!(layout.elements(), 1024);
            let (mut frames, mut chains) =
                (region(FRAME, 0x1000), region(layout.bytes(), 0x8_0000));
            for count in (1..300).chain([511, 512, 513, 1023, 1024]) {
                let segment = |i: u64| Segment::new(BusAddr::new(0x10_0000 + 0x100 * i), 7);
                let segments: Vec<_> = (0..count).map(segment).collect();
                let elements = Elements::new(&segments, 7 * count as u32, &LIMITS);
                let mut list =
                    ListMemory { frames: &mut frames, frame: 0, chains: &mut chains, chain: 0 };
                let offset = list.write(&layout, layout.flags(false), elements).expect("fits");
                let found = walk(&frames, &chains, offset);
                let expected: Vec<_> = segments.iter().map(|s| (s.addr.raw(), s.len)).collect();
                assert_eq!(found, expected, "{count} elements");
            }
        }
    }

    #[test]
    fn b10_one_element_too_many_is_refused_with_both_numbers() {
        let layout = Chains::new(ElementKind::Bits64, FRAME, 257, 34);
        let (mut frames, mut chains) = (region(FRAME, 0x1000), region(layout.bytes(), 0x8_0000));
        let segment = |i: u64| Segment::new(BusAddr::new(0x10_0000 + 0x100 * i), 1);
        let segments: Vec<_> = (0..258).map(segment).collect();
        let elements = Elements::new(&segments, 258, &LIMITS);
        let mut list = ListMemory { frames: &mut frames, frame: 0, chains: &mut chains, chain: 0 };
        assert_eq!(
            list.write(&layout, 0, elements),
            Err(ScatterError::TooManyElements { needed: 258, permitted: 257 })
        );
    }

    #[test]
    fn b09_empty_segments_vanish_and_long_ones_are_cut() {
        let layout = Chains::new(ElementKind::Bits64, FRAME, 16, 34);
        let (mut frames, mut chains) = (region(FRAME, 0x1000), region(layout.bytes(), 0x8_0000));
        let segment = |addr, len| Segment::new(BusAddr::new(addr), len);
        let segments = [segment(0x10_0000, 7), segment(0, 0), segment(0x20_0000, 0x0100_0000)];
        let elements = Elements::new(&segments, 0x0100_0007, &LIMITS);
        let mut list = ListMemory { frames: &mut frames, frame: 0, chains: &mut chains, chain: 0 };
        assert_eq!(list.write(&layout, layout.flags(false), elements), Ok(0));
        let expected = [(0x10_0000, 7), (0x20_0000, 0x00ff_f000), (0x11f_f000, 0x1000)];
        assert_eq!(walk(&frames, &chains, 0), expected);
    }

    #[test]
    fn a_shallow_controller_permits_fewer_elements() {
        let layout = Chains::new(ElementKind::Bits64, FRAME, 1024, 1);
        assert_eq!(layout.elements(), 5 + 84, "five in the frame and one segment");
    }

    #[test]
    fn no_data_is_one_empty_element() {
        let layout = Chains::new(ElementKind::Bits64, FRAME, 16, 34);
        let (mut frames, mut chains) = (region(FRAME, 0x1000), region(1024, 0x8_0000));
        let mut list = ListMemory { frames: &mut frames, frame: 0, chains: &mut chains, chain: 0 };
        let offset = list.write(&layout, layout.flags(false), Elements::new(&[], 0, &LIMITS));
        assert_eq!(offset, Ok(0));
        assert_eq!(walk(&frames, &chains, 0), [(0, 0)]);
    }
}
