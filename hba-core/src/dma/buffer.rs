//! Data memory that moves into a command and comes home with its completion.
#![expect(unsafe_code, reason = "only the owner of a buffer can promise that it stays mapped")]

use alloc::vec::Vec;

use super::{DmaRegion, Segment};

/// Memory for the data of one command.
///
/// The queue owns the value from submit to completion and gives it back only when the device can no longer touch the
/// memory.
///
/// # Safety
///
/// Every byte of every segment must stay mapped for the device, and unused by the CPU for anything whose validity the
/// device could break, until the value is dropped or given back. `segments` returns the same list each time.
pub unsafe trait DataBuffer {
    /// The memory in transfer order.
    fn segments(&self) -> &[Segment];

    /// Whether no segment is empty and none continues the one before, as platforms that map memory give them anyway.
    ///
    /// It is looked at for each command where this says `false`, which is always right. Where it says `true` and that is not
    /// so, the controller gets the segments as they are.
    #[inline]
    fn is_joined(&self) -> bool {
        false
    }
}

/// A command without data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoData;

// SAFETY: there is no memory.
unsafe impl DataBuffer for NoData {
    fn segments(&self) -> &[Segment] {
        &[]
    }
}

// SAFETY: the inner buffer keeps the promise; without one there is no memory.
unsafe impl<D: DataBuffer> DataBuffer for Option<D> {
    fn segments(&self) -> &[Segment] {
        self.as_ref().map_or(&[], DataBuffer::segments)
    }

    #[inline]
    fn is_joined(&self) -> bool {
        self.as_ref().is_some_and(DataBuffer::is_joined)
    }
}

/// A region of DMA memory used for data.
#[derive(Debug)]
pub struct RegionBuffer {
    region: DmaRegion,
    segments: Vec<Segment>,
}

impl RegionBuffer {
    /// The whole region as one segment.
    ///
    /// # Panics
    ///
    /// If the region is 4 GiB or longer.
    pub fn new(region: DmaRegion) -> Self {
        let len = u32::try_from(region.len()).expect("a data buffer is shorter than 4 GiB");
        let segments = alloc::vec![Segment::new(region.bus(), len)];
        Self { region, segments }
    }

    /// Presents the region as segments of the given lengths.
    ///
    /// The memory stays contiguous, so a coalescing controller sees one element: pass a `skip` to leave that many unused
    /// bytes between neighbours. The lengths that the region cannot hold are left out.
    pub fn scatter(&mut self, lengths: &[u32], skip: u32) {
        self.segments.clear();
        let mut offset = 0usize;
        for &len in lengths {
            if offset + len as usize > self.region.len() {
                break;
            }
            self.segments.push(Segment::new(self.region.bus().offset(offset as u64), len));
            offset += len as usize + skip as usize;
        }
    }

    /// Bytes that the segments hold together.
    pub fn len(&self) -> usize {
        self.segments.iter().map(|s| s.len as usize).sum()
    }

    /// Whether no segment holds a byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies bytes in, from the first byte of the first segment on; stops at the end of the shorter.
    pub fn write(&mut self, mut from: &[u8]) {
        for segment in &self.segments {
            let (now, rest) = from.split_at(from.len().min(segment.len as usize));
            let offset = segment.addr.raw() - self.region.bus().raw();
            self.region.write_bytes(offset as usize, now);
            from = rest;
        }
    }

    /// Copies bytes out, from the first byte of the first segment on; stops at the end of the shorter.
    pub fn read(&self, mut into: &mut [u8]) {
        for segment in &self.segments {
            let (now, rest) = into.split_at_mut(into.len().min(segment.len as usize));
            let offset = segment.addr.raw() - self.region.bus().raw();
            self.region.read_bytes(offset as usize, now);
            into = rest;
        }
    }

    /// Gives the region back.
    pub fn into_region(self) -> DmaRegion {
        self.region
    }
}

// SAFETY: the region is owned, its promise (`DmaRegion::from_raw_parts`) covers its whole life, and the segments lie
// inside it by construction.
unsafe impl DataBuffer for RegionBuffer {
    fn segments(&self) -> &[Segment] {
        &self.segments
    }
}
