//! Data memory whose scatter list is drawn by the test: any order, any alignment, any gaps.
#![expect(unsafe_code, reason = "only the owner of a buffer can promise that it stays mapped")]

use core::ops::Range;

use hba_core::dma::{DataBuffer, DmaRegion, Segment};

/// What every byte of the region holds before a test writes to it.
pub const FILL: u8 = 0xee;

/// A region and the places in it that make up the data, in transfer order.
#[derive(Debug)]
pub struct Scattered {
    region: DmaRegion,
    segments: Vec<Segment>,
}

impl Scattered {
    /// The data are the bytes at `places`, offsets in `region`, in that order. All bytes are [`FILL`] at first.
    ///
    /// # Panics
    ///
    /// If a place lies outside the region, or two places overlap.
    #[must_use]
    pub fn new(mut region: DmaRegion, places: &[Range<usize>]) -> Self {
        let mut sorted: Vec<_> = places.to_vec();
        sorted.sort_by_key(|place| place.start);
        assert!(sorted.windows(2).all(|pair| pair[0].end <= pair[1].start), "places overlap");
        assert!(sorted.iter().all(|place| place.end <= region.len()), "a place lies outside");
        region.write_bytes(0, &vec![FILL; region.len()]);
        let segment = |place: &Range<usize>| {
            Segment::new(region.bus().offset(place.start as u64), place.len() as u32)
        };
        let segments = places.iter().map(segment).collect();
        Self { region, segments }
    }

    /// Writes `data` to the places, in order.
    pub fn write(&mut self, mut data: &[u8]) {
        for segment in &self.segments {
            let (now, rest) = data.split_at(data.len().min(segment.len as usize));
            self.region.write_bytes(offset(&self.region, segment), now);
            data = rest;
        }
    }

    /// The bytes at the places, in order.
    #[must_use]
    pub fn read(&self) -> Vec<u8> {
        let mut data = Vec::new();
        for segment in &self.segments {
            let at = data.len();
            data.resize(at + segment.len as usize, 0);
            self.region.read_bytes(offset(&self.region, segment), &mut data[at..]);
        }
        data
    }

    /// The first byte outside of all places that is not [`FILL`] any more, as an offset in the region.
    #[must_use]
    pub fn trespass(&self) -> Option<usize> {
        let mut bytes = vec![0; self.region.len()];
        self.region.read_bytes(0, &mut bytes);
        for segment in &self.segments {
            let at = offset(&self.region, segment);
            bytes[at..at + segment.len as usize].fill(FILL);
        }
        // The comparison as a whole first: a fuzzer watches each comparison of single bytes.
        if bytes == vec![FILL; bytes.len()] {
            return None;
        }
        bytes.iter().position(|byte| *byte != FILL)
    }
}

fn offset(region: &DmaRegion, segment: &Segment) -> usize {
    (segment.addr.raw() - region.bus().raw()) as usize
}

// SAFETY: the region is owned, its promise (`DmaRegion::from_raw_parts`) covers its whole life, and the segments lie
// inside it by construction.
unsafe impl DataBuffer for Scattered {
    fn segments(&self) -> &[Segment] {
        &self.segments
    }
}
