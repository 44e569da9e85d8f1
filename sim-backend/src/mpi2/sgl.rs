//! The scatter list of a SCSI IO request, walked element by element.
//!
//! The list is the host's and may change or lie; the frame was fetched once, each chain segment is fetched once, and the
//! walk ends after the chain segments that the part follows, whatever the list says.

use hba_core::dma::{BusAddr, Segment};
use scsi_proto::Direction;

use super::violation::SglProblem;
use crate::memory::DeviceMemory;

/// MPI elements. Source: measured layouts, `MPI2_SGE_SIMPLE64`, `MPI2_SGE_CHAIN64`.
mod mpi {
    /// Bits 23:0 of the first word of a simple element.
    pub(super) const LENGTH_MASK: u32 = 0x00ff_ffff;
    pub(super) const LAST_ELEMENT: u32 = 1 << 31;
    pub(super) const END_OF_BUFFER: u32 = 1 << 30;
    pub(super) const TYPE_MASK: u32 = 3 << 28;
    pub(super) const TYPE_SIMPLE: u32 = 1 << 28;
    pub(super) const TYPE_CHAIN: u32 = 3 << 28;
    pub(super) const LOCAL_ADDRESS: u32 = 1 << 27;
    pub(super) const HOST_TO_IOC: u32 = 1 << 26;
    pub(super) const ADDRESS_64: u32 = 1 << 25;
    pub(super) const END_OF_LIST: u32 = 1 << 24;
    /// Bytes of the unit of ChainOffset and NextChainOffset.
    pub(super) const CHAIN_UNIT: usize = 4;
}

/// IEEE elements of 16 bytes. Source: measured layouts, `MPI2_IEEE_SGE_SIMPLE64`, `MPI25_IEEE_SGE_CHAIN64`.
mod ieee {
    pub(super) const CHAIN: u8 = 0x80;
    pub(super) const END_OF_LIST: u8 = 0x40;
    /// Bits 1:0: where the address leads; 0 is host memory.
    pub(super) const ADDRESS_SPACE: u8 = 0x03;
    pub(super) const RESERVED: u8 = 0x3c;
    pub(super) const SIZE: usize = 16;
}

/// The kind of elements in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Mpi,
    /// `ends`: the last element says so (MPI 2.5).
    Ieee {
        ends: bool,
    },
}

/// What a walk needs to know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk<'a> {
    pub(super) memory: &'a DeviceMemory,
    pub(super) format: Format,
    /// The bytes of the request frame.
    pub(super) frame: &'a [u8],
    /// Where in the frame the list begins, in bytes.
    pub(super) first: usize,
    /// Where in the frame the chain element is, in units of the format; 0: no chain.
    pub(super) chain_offset: u8,
    /// Bytes that the transfer needs.
    pub(super) len: u32,
    pub(super) direction: Direction,
    /// Chain segments that the part follows.
    pub(super) max_chain_depth: u8,
    /// Bytes of a chain segment.
    pub(super) max_chain_len: u32,
}

/// A chain element: where the next segment is, and where in it the next chain element.
#[derive(Clone, Copy, Debug)]
struct Chain {
    address: BusAddr,
    len: u32,
    next: u8,
}

/// A simple element.
#[derive(Clone, Copy, Debug)]
struct Simple {
    segment: Segment,
    /// The list ends here.
    ends_list: bool,
    /// Nothing follows in this frame or segment but the chain element.
    ends_segment: bool,
    size: usize,
}

impl Walk<'_> {
    /// The segments of the transfer, `len` bytes in all; `len` is not 0.
    pub(super) fn segments(&self) -> Result<Vec<Segment>, SglProblem> {
        let mut segments = Vec::new();
        let mut left = self.len;
        let mut chain_at = self.chain_at(self.chain_offset);
        let mut at = self.first;
        let mut fetched = Vec::new();
        for depth in 0..=self.max_chain_depth {
            let bytes = if depth == 0 { self.frame } else { &fetched };
            if self.take_simple(bytes, at, chain_at, &mut left, &mut segments)? {
                return if left == 0 { Ok(segments) } else { Err(SglProblem::TooShort) };
            }
            let place = chain_at.ok_or(SglProblem::TooShort)?;
            let chain = self.chain(bytes, place)?;
            fetched = self.fetch(chain)?;
            chain_at = self.chain_at(chain.next);
            at = 0;
        }
        Err(SglProblem::ChainDepth)
    }

    const fn unit(&self) -> usize {
        match self.format {
            Format::Mpi => mpi::CHAIN_UNIT,
            Format::Ieee { .. } => ieee::SIZE,
        }
    }

    fn chain_at(&self, offset: u8) -> Option<usize> {
        (offset != 0).then(|| usize::from(offset) * self.unit())
    }

    /// Takes the simple elements of one frame or segment. Returns whether the list ends in it.
    fn take_simple(
        &self,
        bytes: &[u8],
        mut at: usize,
        chain_at: Option<usize>,
        left: &mut u32,
        segments: &mut Vec<Segment>,
    ) -> Result<bool, SglProblem> {
        while chain_at != Some(at) {
            // Without an end mark the length of the data says where the list ends.
            if *left == 0 && self.format == (Format::Ieee { ends: false }) {
                return Ok(true);
            }
            let simple = self.simple(bytes, at)?;
            let used = simple.segment.len.min(*left);
            if used == 0 && !(simple.ends_list && *left == 0 && simple.segment.len == 0) {
                let spare = if *left == 0 { SglProblem::NoEnd } else { SglProblem::Empty };
                return Err(spare);
            }
            if used != 0 {
                segments.push(Segment::new(simple.segment.addr, used));
            }
            *left -= used;
            if simple.ends_list {
                return Ok(true);
            }
            if simple.ends_segment {
                return Ok(false);
            }
            at += simple.size;
        }
        // The data ended, and the list goes on in another segment.
        match self.format {
            _ if *left != 0 => Ok(false),
            Format::Ieee { ends: false } => Ok(true),
            _ => Err(SglProblem::NoEnd),
        }
    }

    fn simple(&self, bytes: &[u8], at: usize) -> Result<Simple, SglProblem> {
        match self.format {
            Format::Mpi => self.mpi_simple(bytes, at),
            Format::Ieee { ends } => ieee_simple(bytes, at, ends),
        }
    }

    fn mpi_simple(&self, bytes: &[u8], at: usize) -> Result<Simple, SglProblem> {
        let flags = u32_at(bytes, at)?;
        if flags & mpi::TYPE_MASK != mpi::TYPE_SIMPLE {
            return Err(SglProblem::ElementType);
        }
        if flags & mpi::LOCAL_ADDRESS != 0 {
            return Err(SglProblem::AddressSpace);
        }
        if (flags & mpi::HOST_TO_IOC != 0) != (self.direction == Direction::ToDevice) {
            return Err(SglProblem::Direction);
        }
        let wide = flags & mpi::ADDRESS_64 != 0;
        let address = if wide { u64_at(bytes, at + 4)? } else { u32_at(bytes, at + 4)?.into() };
        let ends_list = flags & mpi::END_OF_LIST != 0;
        // The end of the list is the end of its buffer and the last element too.
        let last = mpi::LAST_ELEMENT | mpi::END_OF_BUFFER;
        if ends_list && flags & last != last {
            return Err(SglProblem::NoEnd);
        }
        Ok(Simple {
            segment: Segment::new(BusAddr::new(address), flags & mpi::LENGTH_MASK),
            ends_list,
            ends_segment: flags & mpi::LAST_ELEMENT != 0,
            size: if wide { 12 } else { 8 },
        })
    }

    fn chain(&self, bytes: &[u8], at: usize) -> Result<Chain, SglProblem> {
        match self.format {
            Format::Mpi => mpi_chain(bytes, at),
            Format::Ieee { .. } => ieee_chain(bytes, at),
        }
    }

    fn fetch(&self, chain: Chain) -> Result<Vec<u8>, SglProblem> {
        let unit = if self.format == Format::Mpi { 4 } else { ieee::SIZE as u32 };
        if chain.len == 0 || chain.len > self.max_chain_len || !chain.len.is_multiple_of(unit) {
            return Err(SglProblem::ChainLength);
        }
        let mut bytes = vec![0; chain.len as usize];
        self.memory.read(chain.address, &mut bytes).map_err(|_| SglProblem::ChainMemory)?;
        Ok(bytes)
    }
}

fn ieee_simple(bytes: &[u8], at: usize, ends: bool) -> Result<Simple, SglProblem> {
    let address = u64_at(bytes, at)?;
    let len = u32_at(bytes, at + 8)?;
    let [reserved @ .., flags] = u32_at(bytes, at + 12)?.to_le_bytes();
    if flags & ieee::CHAIN != 0 {
        return Err(SglProblem::ElementType);
    }
    if flags & ieee::ADDRESS_SPACE != 0 {
        return Err(SglProblem::AddressSpace);
    }
    let last = flags & ieee::END_OF_LIST != 0;
    if flags & ieee::RESERVED != 0 || reserved != [0; 3] || (last && !ends) {
        return Err(SglProblem::Reserved);
    }
    if address >> 63 != 0 && len != 0 {
        return Err(SglProblem::Address);
    }
    let segment = Segment::new(BusAddr::new(address), len);
    Ok(Simple { segment, ends_list: last, ends_segment: false, size: ieee::SIZE })
}

fn mpi_chain(bytes: &[u8], at: usize) -> Result<Chain, SglProblem> {
    let flags = u32_at(bytes, at)?;
    if flags & mpi::TYPE_MASK != mpi::TYPE_CHAIN {
        return Err(SglProblem::ElementType);
    }
    if flags & mpi::LOCAL_ADDRESS != 0 {
        return Err(SglProblem::AddressSpace);
    }
    let wide = flags & mpi::ADDRESS_64 != 0;
    let address = if wide { u64_at(bytes, at + 4)? } else { u32_at(bytes, at + 4)?.into() };
    // Length in bits 15:0, offset of the next chain element in bits 23:16.
    let (len, next) = (flags & 0xffff, (flags >> 16) as u8);
    Ok(Chain { address: BusAddr::new(address), len, next })
}

fn ieee_chain(bytes: &[u8], at: usize) -> Result<Chain, SglProblem> {
    let address = u64_at(bytes, at)?;
    let len = u32_at(bytes, at + 8)?;
    let [reserved @ .., next, flags] = u32_at(bytes, at + 12)?.to_le_bytes();
    if flags & ieee::CHAIN == 0 {
        return Err(SglProblem::ElementType);
    }
    if flags & ieee::ADDRESS_SPACE != 0 {
        return Err(SglProblem::AddressSpace);
    }
    if flags & (ieee::RESERVED | ieee::END_OF_LIST) != 0 || reserved != [0; 2] {
        return Err(SglProblem::Reserved);
    }
    Ok(Chain { address: BusAddr::new(address), len, next })
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, SglProblem> {
    let word = at.checked_add(4).and_then(|end| bytes.get(at..end));
    let word = word.and_then(|word| word.try_into().ok()).ok_or(SglProblem::OutOfRoom)?;
    Ok(u32::from_le_bytes(word))
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64, SglProblem> {
    let (low, high) = (u32_at(bytes, at)?, u32_at(bytes, at + 4)?);
    Ok(u64::from(high) << 32 | u64::from(low))
}

#[cfg(test)]
mod tests {
    use hba_core::dma::DmaRegion;

    use super::*;
    use crate::memory::SimMemory;

    const END: u32 = 0xd100_0000;
    const IEEE: Format = Format::Ieee { ends: true };

    fn bytes(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// A chain segment in host memory.
    fn segment(memory: &SimMemory, words: &[u32]) -> DmaRegion {
        let mut region = memory.allocate(words.len() * 4, 16).unwrap();
        region.write_bytes(0, &bytes(words));
        region
    }

    /// A data-in list that begins with the frame: its pieces, or what is wrong with it.
    fn walk(
        memory: &SimMemory,
        format: Format,
        frame: &[u32],
        chain_offset: u8,
        len: u32,
    ) -> Result<Vec<(u64, u32)>, SglProblem> {
        let walk = Walk {
            memory: &memory.device(),
            format,
            frame: &bytes(frame),
            first: 0,
            chain_offset,
            len,
            direction: Direction::FromDevice,
            max_chain_depth: 3,
            max_chain_len: 128,
        };
        let segments = walk.segments()?;
        Ok(segments.iter().map(|s| (s.addr.raw(), s.len)).collect())
    }

    #[test]
    fn mpi_elements_of_both_widths() {
        let memory = SimMemory::new(1 << 16);
        let list = [0x1000_0010, 0x1000, END | 0x0200_0020, 0x2000, 0x5];
        let all = vec![(0x1000, 16), (0x5_0000_2000, 32)];
        assert_eq!(walk(&memory, Format::Mpi, &list, 0, 48), Ok(all));
        let cut = vec![(0x1000, 16), (0x5_0000_2000, 4)];
        assert_eq!(walk(&memory, Format::Mpi, &list, 0, 20), Ok(cut), "the last may be longer");
        assert_eq!(walk(&memory, Format::Mpi, &list, 0, 49), Err(SglProblem::TooShort));
        assert_eq!(walk(&memory, Format::Mpi, &list, 0, 16), Err(SglProblem::NoEnd));
    }

    #[test]
    fn mpi_flags_are_checked() {
        let memory = SimMemory::new(1 << 16);
        for (flags, problem) in [
            (END | 0x0400_0008, SglProblem::Direction),
            (END | 0x0800_0008, SglProblem::AddressSpace),
            (0x0000_0008, SglProblem::ElementType),
            (0x9100_0008, SglProblem::NoEnd),
            (0x1000_0000, SglProblem::Empty),
            (0x9000_0008, SglProblem::TooShort),
        ] {
            let list = [flags, 0x1000];
            let found = walk(&memory, Format::Mpi, &list, 0, 16);
            assert_eq!(found, Err(problem), "{flags:#x}");
        }
        let open = [0x1000_0008, 0x1000];
        assert_eq!(walk(&memory, Format::Mpi, &open, 0, 16), Err(SglProblem::OutOfRoom));
    }

    #[test]
    fn chains_have_their_rules() {
        let memory = SimMemory::new(1 << 16);
        let last = segment(&memory, &[0x2000, 0, 8, 0x4000_0000]);
        let frame = |len: u32, flags: u32| {
            [0x1000, 0, 8, 0, last.bus().low(), last.bus().high(), len, flags]
        };
        let chained = |len, flags| walk(&memory, IEEE, &frame(len, flags), 1, 16);
        assert_eq!(chained(16, 0x8000_0000), Ok(vec![(0x1000, 8), (0x2000, 8)]));
        assert_eq!(chained(0, 0x8000_0000), Err(SglProblem::ChainLength));
        assert_eq!(chained(12, 0x8000_0000), Err(SglProblem::ChainLength), "no whole element");
        assert_eq!(chained(144, 0x8000_0000), Err(SglProblem::ChainLength), "too long");
        assert_eq!(chained(128, 0x8000_0000), Err(SglProblem::ChainMemory), "past its end");
        assert_eq!(chained(16, 0), Err(SglProblem::ElementType));
        assert_eq!(chained(16, 0x8300_0000), Err(SglProblem::AddressSpace));
        assert_eq!(chained(16, 0xc000_0000), Err(SglProblem::Reserved));
        let unchained = walk(&memory, IEEE, &frame(16, 0x8000_0000), 0, 16);
        assert_eq!(unchained, Err(SglProblem::ElementType), "no chain offset, no chain");
    }

    #[test]
    fn a_chain_to_itself_ends() {
        let memory = SimMemory::new(1 << 16);
        let mut ring = memory.allocate(32, 16).unwrap();
        let (low, high) = (ring.bus().low(), ring.bus().high());
        let words = [0x1000, 0, 1, 0, low, high, 32, 0x8001_0000];
        ring.write_words(0, words);
        assert_eq!(walk(&memory, IEEE, &words, 1, 1000), Err(SglProblem::ChainDepth));
    }

    #[test]
    fn without_an_end_mark_the_data_ends_the_list() {
        let memory = SimMemory::new(1 << 16);
        let format = Format::Ieee { ends: false };
        let list = [0x1000, 0, 8, 0, 0x2000, 0, 8, 0];
        let all = vec![(0x1000, 8), (0x2000, 8)];
        assert_eq!(walk(&memory, format, &list, 0, 16), Ok(all));
        assert_eq!(walk(&memory, format, &list, 1, 8), Ok(vec![(0x1000, 8)]), "before a chain");
        assert_eq!(walk(&memory, format, &list, 0, 17), Err(SglProblem::OutOfRoom));
        let marked = [0x1000, 0, 8, 0x4000_0000];
        assert_eq!(walk(&memory, format, &marked, 0, 8), Err(SglProblem::Reserved));
    }
}
