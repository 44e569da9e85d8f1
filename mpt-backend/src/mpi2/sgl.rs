//! Scatter-gather lists: MPI elements for MPI 2.0, IEEE elements for MPI 2.5, chains behind either.

use hba_core::dma::{BusAddr, DmaRecords, Elements, PlainWalk, RecordMut, ScatterError, Segment};

use crate::wire::mpi2::{IEEE_CHAIN, IEEE_END_OF_LIST};
use crate::wire::sge::SgeFlags;

/// Bytes of a request frame: the SCSI IO request of 96 bytes and two elements. Chain segments have the same size, which
/// every controller takes, whatever more it may offer.
pub(super) const FRAME: usize = 128;

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
}

/// Where the list begins in a SCSI IO request: the field `SGL`.
pub(super) const SGL_OFFSET: usize = 96;

/// How the elements of one command are spread: some in the frame, the rest in equal segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chains {
    kind: ElementKind,
    segments: u16,
    elements: u16,
}

impl Chains {
    /// Room for `wanted` elements, or for as many as `depth` segments hold (0: no limit).
    pub(super) fn new(kind: ElementKind, wanted: u16, depth: u8) -> Self {
        let size = kind.size();
        let in_frame = ((FRAME - SGL_OFFSET) / size) as u16;
        // Where another segment follows, the last place holds the chain element; in the frame, too.
        let in_segment = (FRAME / size - 1) as u16;
        let needed = match wanted.saturating_sub(in_frame) {
            0 => 0,
            beyond => (beyond + 1).div_ceil(in_segment),
        };
        let segments = if depth == 0 { needed } else { needed.min(u16::from(depth)) };
        let room = match segments {
            0 => in_frame,
            segments => in_frame - 1 + segments * in_segment,
        };
        Self { kind, segments, elements: room.min(wanted) }
    }

    /// Most elements of one command.
    pub(super) const fn elements(&self) -> u16 {
        self.elements
    }

    /// Chain segments of each tag, each of the size of a frame.
    pub(super) const fn segments(&self) -> usize {
        self.segments as usize
    }

    /// Bytes of chain memory for each tag.
    pub(super) const fn bytes(&self) -> usize {
        self.segments() * FRAME
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
            ElementKind::Ieee => Ieee::LAST,
            _ => MPI_LAST,
        }
    }
}

/// What a chain element says of a segment.
#[derive(Clone, Copy)]
struct Next {
    /// Bytes of it, its own chain element included.
    length: u32,
    /// Where that begins, in units; 0: it has none.
    chain: u32,
}

impl Next {
    /// A segment that is followed by another.
    const fn full<E: Element, const PER: usize>() -> Self {
        let bytes = PER * E::WORDS * 4;
        Self { length: (bytes + E::WORDS * 4) as u32, chain: (bytes / E::UNIT) as u32 }
    }

    /// The next segment of a list that has `left` elements left.
    const fn of<E: Element, const PER: usize>(left: usize) -> Self {
        if left > PER {
            Self::full::<E, PER>()
        } else {
            Self { length: (left * E::WORDS * 4) as u32, chain: 0 }
        }
    }
}

/// The memory that lists are written to, in pieces of 128 bytes.
type Record<'a> = RecordMut<'a, { FRAME / 4 }>;

/// How elements of one kind are written.
trait Element {
    /// Words of one.
    const WORDS: usize;
    /// Bytes in which chain offsets count.
    const UNIT: usize;
    /// Places in the frame.
    const IN_FRAME: usize = (FRAME - SGL_OFFSET) / 4 / Self::WORDS;
    /// Bits of the last one of a list.
    const LAST: u32;
    /// Bits of one before a chain element.
    const BEFORE_CHAIN: u32;

    /// Writes a simple element from word `at` on, with the flags of all and those of an end.
    fn put(record: &mut Record<'_>, at: usize, flags: u32, end: u32, segment: Segment);
    /// Writes a chain element from word `at` on.
    fn put_chain(record: &mut Record<'_>, at: usize, to: BusAddr, next: Next);
}

struct Bits32;
struct Bits64;
struct Ieee;

const MPI_LAST: u32 = (SgeFlags::FINAL.0 as u32) << 24;
const MPI_BEFORE_CHAIN: u32 = (SgeFlags::LAST_ELEMENT.0 as u32) << 24;

/// The first word of an MPI chain element.
const fn mpi_chain(next: Next, width: SgeFlags) -> u32 {
    let flags = SgeFlags::CHAIN_ELEMENT.0 | width.0;
    (flags as u32) << 24 | next.chain << 16 | next.length
}

impl Element for Bits32 {
    const WORDS: usize = 2;
    const UNIT: usize = 4;
    const LAST: u32 = MPI_LAST;
    const BEFORE_CHAIN: u32 = MPI_BEFORE_CHAIN;

    #[inline]
    fn put(record: &mut Record<'_>, at: usize, flags: u32, end: u32, segment: Segment) {
        record.put_at(at, flags | end | segment.len);
        record.put_at(at + 1, segment.addr.low());
    }

    #[inline]
    fn put_chain(record: &mut Record<'_>, at: usize, to: BusAddr, next: Next) {
        record.put_at(at, mpi_chain(next, SgeFlags(0)));
        record.put_at(at + 1, to.low());
    }
}

impl Element for Bits64 {
    const WORDS: usize = 3;
    const UNIT: usize = 4;
    const LAST: u32 = MPI_LAST;
    const BEFORE_CHAIN: u32 = MPI_BEFORE_CHAIN;

    #[inline]
    fn put(record: &mut Record<'_>, at: usize, flags: u32, end: u32, segment: Segment) {
        record.put_at(at, flags | end | segment.len);
        record.put_at(at + 1, segment.addr.low());
        record.put_at(at + 2, segment.addr.high());
    }

    #[inline]
    fn put_chain(record: &mut Record<'_>, at: usize, to: BusAddr, next: Next) {
        record.put_at(at, mpi_chain(next, SgeFlags::ADDRESS_64));
        record.put_at(at + 1, to.low());
        record.put_at(at + 2, to.high());
    }
}

impl Element for Ieee {
    const WORDS: usize = 4;
    const UNIT: usize = 16;
    const LAST: u32 = (IEEE_END_OF_LIST as u32) << 24;
    const BEFORE_CHAIN: u32 = 0;

    #[inline]
    fn put(record: &mut Record<'_>, at: usize, _: u32, end: u32, segment: Segment) {
        record.put_pair_at(at, segment.addr.raw());
        record.put_pair_at(at + 2, u64::from(end) << 32 | u64::from(segment.len));
    }

    #[inline]
    fn put_chain(record: &mut Record<'_>, at: usize, to: BusAddr, next: Next) {
        let flags = u32::from(IEEE_CHAIN) << 24 | next.chain << 16;
        record.put_pair_at(at, to.raw());
        record.put_pair_at(at + 2, u64::from(flags) << 32 | u64::from(next.length));
    }
}

/// The memory of one command's list.
pub(super) struct ListMemory<'a> {
    /// The request frames, and which is this command's.
    pub(super) frames: &'a mut DmaRecords<FRAME>,
    pub(super) frame: usize,
    /// The chain segments, and this command's first.
    pub(super) chains: &'a mut DmaRecords<FRAME>,
    pub(super) chain: usize,
}

impl ListMemory<'_> {
    /// Writes a list of at least one element and returns the frame's chain offset in its units, 0 when all elements are in
    /// the frame.
    ///
    /// # Errors
    ///
    /// [`ScatterError`]; what was written so far is in memory that the device does not read before the doorbell.
    #[inline]
    pub(super) fn write(
        &mut self,
        layout: &Chains,
        flags: u32,
        elements: Elements<'_>,
    ) -> Result<u8, ScatterError> {
        match layout.kind {
            ElementKind::Ieee => self.write_kind::<Ieee, 7>(layout, flags, elements),
            ElementKind::Bits64 => self.write_kind::<Bits64, 9>(layout, flags, elements),
            ElementKind::Bits32 => self.write_kind::<Bits32, 15>(layout, flags, elements),
        }
    }

    /// `PER`: elements in a segment that is followed by another.
    fn write_kind<E: Element, const PER: usize>(
        &mut self,
        layout: &Chains,
        flags: u32,
        elements: Elements<'_>,
    ) -> Result<u8, ScatterError> {
        const { assert!((PER + 1) * E::WORDS <= FRAME / 4, "they fit a record") };
        let total = match self.write_plain::<E, PER>(layout, flags, &elements) {
            Some(total) => total,
            None => self.write_made::<E, PER>(layout, flags, elements)?,
        };
        let here = here::<E>(total);
        let chain_at = SGL_OFFSET + here * E::WORDS * 4;
        Ok(if here == total { 0 } else { (chain_at / E::UNIT) as u8 })
    }

    /// Writes the segments as they are and returns how many; `None` if that is not right, and then the list is not to be
    /// used.
    // Apart: the loop needs the registers.
    #[inline(never)]
    fn write_plain<E: Element, const PER: usize>(
        &mut self,
        layout: &Chains,
        flags: u32,
        elements: &Elements<'_>,
    ) -> Option<usize> {
        let mut walk = elements.plain_walk()?;
        let total = walk.segments().len();
        if total > usize::from(layout.elements()) {
            return None;
        }
        let mut frame = self.frames.record_mut(self.frame);
        if total <= E::IN_FRAME {
            write_end::<E>(&mut frame, SGL_OFFSET / 4, flags, walk.segments(), &mut walk);
            return walk.holds().then_some(total);
        }
        let (head, rest) = walk.segments().split_at(E::IN_FRAME - 1);
        for (i, &segment) in head.iter().enumerate() {
            if !walk.show_part(segment) {
                return None;
            }
            let end = if i + 2 == E::IN_FRAME { E::BEFORE_CHAIN } else { 0 };
            E::put(&mut frame, SGL_OFFSET / 4 + i * E::WORDS, flags, end, segment);
        }
        let (at, to) = (SGL_OFFSET / 4 + head.len() * E::WORDS, self.chains.bus_of(self.chain));
        E::put_chain(&mut frame, at, to, Next::of::<E, PER>(rest.len()));
        if walk.is_joined() {
            self.write_chains::<E, PER, true>(layout.segments(), flags, rest, &mut walk);
        } else {
            self.write_chains::<E, PER, false>(layout.segments(), flags, rest, &mut walk);
        }
        walk.holds().then_some(total)
    }

    /// Writes the segments that the frame does not hold, at least one, until the walk fails.
    #[inline(always)]
    fn write_chains<E: Element, const PER: usize, const JOINED: bool>(
        &mut self,
        segments: usize,
        flags: u32,
        mut rest: &[Segment],
        walk: &mut PlainWalk<'_>,
    ) {
        let mut to = self.chains.bus_of(self.chain);
        let mut records = self.chains.run_mut(self.chain, segments);
        let mut before: Option<Record<'_>> = None;
        while let Some((full, after)) = rest.split_first_chunk::<PER>()
            && !after.is_empty()
        {
            let Some(mut record) = records.next() else { return };
            for (i, &segment) in full.iter().enumerate() {
                if JOINED {
                    walk.show_joined(segment);
                } else if !walk.show(segment) {
                    return;
                }
                let end = if i + 1 == PER { E::BEFORE_CHAIN } else { 0 };
                E::put(&mut record, i * E::WORDS, flags, end, segment);
            }
            to = to.offset(FRAME as u64);
            E::put_chain(&mut record, PER * E::WORDS, to, Next::full::<E, PER>());
            (before, rest) = (Some(record), after);
        }
        // The last segment is shorter than what points to it says.
        if let Some(mut before) = before {
            E::put_chain(&mut before, PER * E::WORDS, to, Next::of::<E, PER>(rest.len()));
        }
        if let Some(mut record) = records.next() {
            write_end::<E>(&mut record, 0, flags, rest, walk);
        }
    }

    /// Writes elements that are made from the segments, and returns how many.
    #[inline(never)]
    fn write_made<E: Element, const PER: usize>(
        &mut self,
        layout: &Chains,
        flags: u32,
        mut elements: Elements<'_>,
    ) -> Result<usize, ScatterError> {
        let (needed, permitted) = (elements.count()?, u32::from(layout.elements()));
        if needed > permitted {
            return Err(ScatterError::TooManyElements { needed, permitted });
        }
        let total = needed as usize;
        let here = here::<E>(total);
        let mut frame = self.frames.record_mut(self.frame);
        for i in 0..here {
            let Some(element) = elements.take_next()? else { break };
            let end = end_of::<E>(i + 1 == here, here == total);
            E::put(&mut frame, SGL_OFFSET / 4 + i * E::WORDS, flags, end, element);
        }
        if here < total {
            let (at, to) = (SGL_OFFSET / 4 + here * E::WORDS, self.chains.bus_of(self.chain));
            E::put_chain(&mut frame, at, to, Next::of::<E, PER>(total - here));
        }
        for i in 0..total - here {
            let Some(element) = elements.take_next()? else { break };
            let (segment, place, left) = (self.chain + i / PER, i % PER, total - here - i - 1);
            let mut record = self.chains.record_mut(segment);
            let last_here = place + 1 == PER || left == 0;
            E::put(
                &mut record,
                place * E::WORDS,
                flags,
                end_of::<E>(last_here, left == 0),
                element,
            );
            if last_here && left > 0 {
                let next = Next::of::<E, PER>(left);
                let to = self.chains.bus_of(segment + 1);
                let mut record = self.chains.record_mut(segment);
                E::put_chain(&mut record, PER * E::WORDS, to, next);
            }
        }
        Ok(total)
    }
}

/// Elements in the frame of a command that has so many: with a chain, the frame's last place holds the chain element.
const fn here<E: Element>(total: usize) -> usize {
    if total <= E::IN_FRAME { total } else { E::IN_FRAME - 1 }
}

/// The end bits of an element that is, or is not, the last one at its place, where the list ends or goes on elsewhere.
const fn end_of<E: Element>(last_here: bool, list_ends: bool) -> u32 {
    match (last_here, list_ends) {
        (false, _) => 0,
        (true, true) => E::LAST,
        (true, false) => E::BEFORE_CHAIN,
    }
}

/// Writes the `segments` that end the list from word `at` on.
#[inline(always)]
fn write_end<E: Element>(
    record: &mut Record<'_>,
    at: usize,
    flags: u32,
    segments: &[Segment],
    walk: &mut PlainWalk<'_>,
) {
    for (i, &segment) in segments.iter().enumerate() {
        if !walk.show_part(segment) {
            return;
        }
        let end = if i + 1 == segments.len() { E::LAST } else { 0 };
        E::put(record, at + i * E::WORDS, flags, end, segment);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use hba_core::dma::{AddressWidth, DmaRegion, DmaWindow, SegmentLimits};

    use super::*;

    const WINDOW: DmaWindow = DmaWindow::of_width(AddressWidth::BITS_64);
    const LIMITS: SegmentLimits = SegmentLimits::new(WINDOW, 0x00ff_f000, 0);

    fn region(bytes: usize, bus: u64) -> DmaRecords<FRAME> {
        DmaRecords::new(DmaRegion::detached(bytes, BusAddr::new(bus)))
    }

    /// Reads a list as the controller does: elements until end of list, following chains.
    fn walk(
        kind: ElementKind,
        frames: &DmaRegion,
        chains: &DmaRegion,
        chain_offset: u8,
    ) -> Vec<(u64, u32)> {
        let (size, unit) = (kind.size(), if kind == ElementKind::Ieee { 16 } else { 4 });
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
        for kind in [ElementKind::Bits32, ElementKind::Bits64, ElementKind::Ieee] {
            let layout = Chains::new(kind, 1024, 0);
            assert_eq!(layout.elements(), 1024);
            let mut frames = region(FRAME, 0x1000);
            let mut chains = region(layout.bytes(), 0x8_0000);
            for count in (1..300).chain([511, 512, 513, 1023, 1024]) {
                let at = |i: u64| Segment::new(BusAddr::new(0x10_0000 + 0x100 * i), 7);
                let segments: Vec<_> = (0..count).map(at).collect();
                let expected: Vec<_> = segments.iter().map(|s| (s.addr.raw(), s.len)).collect();
                // Neighbours, to be joined: the list is made and not taken as it is.
                let mut cut = segments.clone();
                cut[0].len = 3;
                cut.insert(1, Segment::new(segments[0].addr.offset(3), 4));
                for segments in [segments, cut] {
                    let elements = Elements::new(&segments, 7 * count as u32, &LIMITS);
                    let mut list =
                        ListMemory { frames: &mut frames, frame: 0, chains: &mut chains, chain: 0 };
                    let offset = list.write(&layout, layout.flags(false), elements).expect("fits");
                    let found = walk(kind, frames.region_mut(), chains.region_mut(), offset);
                    assert_eq!(found, expected, "{count} elements of {kind:?}");
                }
            }
        }
    }

    #[test]
    fn b10_one_element_too_many_is_refused_with_both_numbers_mpi2() {
        let layout = Chains::new(ElementKind::Ieee, 257, 128);
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
        let layout = Chains::new(ElementKind::Ieee, 1024, 2);
        assert_eq!(layout.elements(), 1 + 2 * 7, "one in the frame and two segments");
    }
}
