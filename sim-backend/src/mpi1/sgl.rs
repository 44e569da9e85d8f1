//! The scatter list of a SCSI IO request, walked element by element in host memory.
//!
//! The list is the host's and may change or lie; each word is read once, and the walk ends after a fixed number of
//! elements whatever it says.

use hba_core::dma::{BusAddr, Segment};
use scsi_proto::Direction;

use super::codes::IocStatus;
use crate::memory::DeviceMemory;

/// Bits 23:0 of the first word of a simple element.
const LENGTH_MASK: u32 = 0x00ff_ffff;
const LAST_ELEMENT: u32 = 1 << 31;
const END_OF_BUFFER: u32 = 1 << 30;
const TYPE_MASK: u32 = 3 << 28;
const TYPE_SIMPLE: u32 = 1 << 28;
const TYPE_CHAIN: u32 = 3 << 28;
const LOCAL_ADDRESS: u32 = 1 << 27;
const HOST_TO_IOC: u32 = 1 << 26;
const ADDRESS_64: u32 = 1 << 25;
const END_OF_LIST: u32 = 1 << 24;

/// The longest list that is walked, in elements: more than any real request has.
const ELEMENTS_MAX: usize = 65_536;

/// What a walk needs to know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk<'a> {
    pub(super) memory: &'a DeviceMemory,
    /// The request frame.
    pub(super) frame: BusAddr,
    /// Bytes of the frame that the controller has.
    pub(super) frame_len: u32,
    /// Where in the frame the list begins, in bytes.
    pub(super) first: u32,
    /// Where in the frame the first chain element is, in dwords; 0: no chain.
    pub(super) chain_offset: u8,
    /// Bytes that the transfer needs.
    pub(super) len: u32,
    pub(super) direction: Direction,
    /// Check every rule and every bound.
    pub(super) strict: bool,
    pub(super) max_chain_depth: u8,
    /// Unmapped elements read as zeros.
    pub(super) ignores_dma_faults: bool,
}

/// A place in the list: an address and the bytes that belong to the list there.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    at: BusAddr,
    room: u32,
}

struct Element {
    flags: u32,
    address: BusAddr,
    size: u32,
}

impl Walk<'_> {
    /// The segments of the transfer, `len` bytes in all.
    ///
    /// # Errors
    ///
    /// [`IocStatus::INVALID_SGL`] when the list is malformed, too short or too long to walk.
    pub(super) fn segments(&self) -> Result<Vec<Segment>, IocStatus> {
        let mut segments = Vec::new();
        let mut left = self.len;
        let mut cursor = self.in_frame(self.first);
        let mut chain = self.chain_in(self.in_frame(0), self.chain_offset);
        let mut chains = 0;
        for _ in 0..ELEMENTS_MAX {
            let element = self.read(cursor)?;
            let len = (element.flags & LENGTH_MASK).min(left);
            self.check_simple(&element, len)?;
            if len == 0 {
                break;
            }
            segments.push(Segment::new(element.address, len));
            left -= len;
            if element.flags & END_OF_LIST != 0 {
                break;
            }
            if self.strict && left == 0 {
                return Err(IocStatus::INVALID_SGL);
            }
            if element.flags & LAST_ELEMENT == 0 {
                cursor = cursor.after(element.size);
                continue;
            }
            let Some(place) = chain else { break };
            chains += 1;
            (cursor, chain) = self.follow(place, chains)?;
        }
        if left == 0 { Ok(segments) } else { Err(IocStatus::INVALID_SGL) }
    }

    /// A place in the request frame.
    fn in_frame(&self, offset: u32) -> Cursor {
        Cursor { at: self.frame, room: self.frame_len }.after(offset)
    }

    /// Where the chain element of the buffer that starts at `start` is.
    fn chain_in(&self, start: Cursor, dwords: u8) -> Option<Cursor> {
        (dwords != 0).then(|| start.after(u32::from(dwords) * 4))
    }

    /// Reads the chain element at `place`: the start of the next buffer and the chain element in it.
    fn follow(&self, place: Cursor, chains: u32) -> Result<(Cursor, Option<Cursor>), IocStatus> {
        let element = self.read(place)?;
        let too_deep = self.strict && chains > self.max_chain_depth.into();
        if element.flags & TYPE_MASK != TYPE_CHAIN || too_deep {
            return Err(IocStatus::INVALID_SGL);
        }
        // Chain elements: length in bits 15:0, offset of the next chain element in bits 23:16.
        let start = Cursor { at: element.address, room: element.flags & 0xffff };
        Ok((start, self.chain_in(start, (element.flags >> 16) as u8)))
    }

    fn read(&self, cursor: Cursor) -> Result<Element, IocStatus> {
        let flags = self.read_u32(cursor.at)?;
        let low = self.read_u32(cursor.at.offset(4))?;
        let wide = flags & ADDRESS_64 != 0;
        let high = if wide { self.read_u32(cursor.at.offset(8))? } else { 0 };
        let size = if wide { 12 } else { 8 };
        if self.strict && cursor.room < size {
            return Err(IocStatus::INVALID_SGL);
        }
        let address = BusAddr::new(u64::from(high) << 32 | u64::from(low));
        Ok(Element { flags, address, size })
    }

    fn read_u32(&self, at: BusAddr) -> Result<u32, IocStatus> {
        match self.memory.read_u32(at) {
            Ok(word) => Ok(word),
            Err(_) if self.ignores_dma_faults => Ok(0),
            Err(_) => Err(IocStatus::INVALID_SGL),
        }
    }

    /// `used`: bytes of the element that the transfer takes.
    fn check_simple(&self, element: &Element, used: u32) -> Result<(), IocStatus> {
        let flags = element.flags;
        let ends = flags & (END_OF_LIST | END_OF_BUFFER) != 0;
        let empty = flags & LENGTH_MASK == 0;
        let mut good = flags & TYPE_MASK == TYPE_SIMPLE && (!empty || ends);
        if self.strict && used != 0 {
            let outward = flags & HOST_TO_IOC != 0;
            good &= outward == (self.direction == Direction::ToDevice);
            good &= flags & LOCAL_ADDRESS == 0;
        }
        if good { Ok(()) } else { Err(IocStatus::INVALID_SGL) }
    }
}

impl Cursor {
    const fn after(self, bytes: u32) -> Self {
        Self { at: self.at.offset(bytes as u64), room: self.room.saturating_sub(bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::SimMemory;
    use hba_core::dma::DmaRegion;

    const END: u32 = LAST_ELEMENT | END_OF_BUFFER | END_OF_LIST | TYPE_SIMPLE;

    fn list(memory: &SimMemory, words: &[u32]) -> DmaRegion {
        let mut region = memory.allocate(words.len() * 4, 8).unwrap();
        for (i, word) in words.iter().enumerate() {
            region.write_u32(i * 4, *word);
        }
        region
    }

    fn walk(
        memory: &SimMemory,
        words: &[u32],
        chain_offset: u8,
        len: u32,
    ) -> Option<Vec<(u64, u32)>> {
        let region = list(memory, words);
        let walk = Walk {
            memory: &memory.device(),
            frame: region.bus(),
            frame_len: region.len() as u32,
            first: 0,
            chain_offset,
            len,
            direction: Direction::FromDevice,
            strict: true,
            max_chain_depth: 2,
            ignores_dma_faults: false,
        };
        let segments = walk.segments().ok()?;
        Some(segments.iter().map(|s| (s.addr.raw(), s.len)).collect())
    }

    #[test]
    fn simple_elements_of_both_widths() {
        let memory = SimMemory::new(1 << 16);
        let words = [TYPE_SIMPLE | 16, 0x1000, END | ADDRESS_64 | 32, 0x2000, 0x5];
        let expected = vec![(0x1000, 16), (0x5_0000_2000, 32)];
        assert_eq!(walk(&memory, &words, 0, 48), Some(expected));
        let shorter = vec![(0x1000, 16), (0x5_0000_2000, 4)];
        assert_eq!(walk(&memory, &words, 0, 20), Some(shorter), "the list may be longer");
        assert_eq!(walk(&memory, &words, 0, 49), None, "but not shorter");
    }

    #[test]
    fn chains_are_followed_within_their_bounds() {
        let memory = SimMemory::new(1 << 16);
        let inner = list(&memory, &[TYPE_SIMPLE | 8, 0x3000, END | 8, 0x4000]);
        let chain = |len: u32| {
            [LAST_ELEMENT | TYPE_SIMPLE | 8, 0x1000, TYPE_CHAIN | len, inner.bus().low()]
        };
        let expected = vec![(0x1000, 8), (0x3000, 8), (0x4000, 8)];
        assert_eq!(walk(&memory, &chain(16), 2, 24), Some(expected));
        assert_eq!(walk(&memory, &chain(8), 2, 24), None, "the chain is said to end earlier");
        assert_eq!(walk(&memory, &chain(16), 0, 24), None, "no chain offset, no chain");
        assert_eq!(walk(&memory, &chain(16), 1, 24), None, "not a chain element");
    }

    #[test]
    fn a_chain_to_itself_ends() {
        let memory = SimMemory::new(1 << 16);
        let mut ring = list(&memory, &[LAST_ELEMENT | TYPE_SIMPLE | 1, 0x1000, 0, 0]);
        ring.write_words(8, [TYPE_CHAIN | 2 << 16 | 16, ring.bus().low()]);
        let mut walk = Walk {
            memory: &memory.device(),
            frame: ring.bus(),
            frame_len: 16,
            first: 0,
            chain_offset: 2,
            len: u32::MAX,
            direction: Direction::FromDevice,
            strict: true,
            max_chain_depth: 34,
            ignores_dma_faults: false,
        };
        assert_eq!(walk.segments(), Err(IocStatus::INVALID_SGL), "chain depth");
        walk.strict = false;
        assert_eq!(walk.segments(), Err(IocStatus::INVALID_SGL), "element budget");
    }

    #[test]
    fn flags_are_checked() {
        let memory = SimMemory::new(1 << 16);
        assert_eq!(walk(&memory, &[END | LOCAL_ADDRESS | 8, 0x1000], 0, 8), None);
        assert_eq!(walk(&memory, &[END | HOST_TO_IOC | 8, 0x1000], 0, 8), None, "direction");
        assert_eq!(walk(&memory, &[0, 0], 0, 0), None, "not a simple element");
        assert_eq!(walk(&memory, &[END, 0], 0, 0), Some(vec![]), "an empty list that ends");
        let no_end = [LAST_ELEMENT | TYPE_SIMPLE | 8, 0x1000];
        assert_eq!(walk(&memory, &no_end, 0, 8), None, "the list must end");
        assert_eq!(walk(&memory, &[TYPE_SIMPLE | 8, 0x1000], 0, 16), None, "runs out of the frame");
    }
}
