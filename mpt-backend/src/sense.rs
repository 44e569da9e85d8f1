//! Sense buffers: one for each tag of a queue, which the controller writes and a reply's count says how much of.

use hba_core::dma::{BusAddr, DmaRegion, DmaSync};
use hba_core::port::Tag;

/// Bytes of sense data kept for each command.
pub(crate) const SENSE: u8 = 96;
/// Bytes from one sense buffer to the next.
pub(crate) const SENSE_STRIDE: usize = SENSE as usize;

/// The sense buffers of a queue. Whatever a reply claims, it finds nothing in its buffer but what was written for its own
/// command, or zeros: a buffer is emptied once it was read, and all are when the queue starts. Where DMA is not coherent only the
/// latter holds: a write-back of one buffer could destroy what the controller has just written to the next.
#[derive(Debug)]
pub(crate) struct SenseBuffers {
    memory: DmaRegion,
    count: u16,
}

impl SenseBuffers {
    /// `memory` holds at least [`SENSE_STRIDE`] bytes for each of `count` tags.
    pub(crate) const fn new(memory: DmaRegion, count: u16) -> Self {
        Self { memory, count }
    }

    /// Where the buffer of a tag is, as the controller sees it.
    pub(crate) fn bus_of(&self, tag: u16) -> BusAddr {
        self.memory.bus().offset((usize::from(tag) * SENSE_STRIDE) as u64)
    }

    /// Copies the first bytes of a tag's buffer, at most [`SENSE_STRIDE`], and empties it. A tag that has none copies nothing.
    pub(crate) fn take<S: DmaSync>(&mut self, tag: Tag, into: &mut [u8], sync: &mut S) {
        let offset = usize::from(tag.0) * SENSE_STRIDE;
        let len = into.len().min(SENSE_STRIDE);
        if len == 0 || tag.0 >= self.count {
            return;
        }
        sync.for_cpu(self.bus_of(tag.0), len);
        self.memory.read_bytes(offset, &mut into[..len]);
        if S::COHERENT {
            self.memory.write_words(offset, [0; SENSE_STRIDE / 4]);
        }
    }

    /// Empties all of them. The controller was reset: what it wrote for commands that never ended is nobody's.
    pub(crate) fn clear(&mut self, sync: &mut impl DmaSync) {
        let len = usize::from(self.count) * SENSE_STRIDE;
        self.memory.fill(0, len, 0);
        sync.for_device(self.memory.bus(), len);
    }
}

#[cfg(test)]
mod tests {
    use hba_core::dma::Coherent;

    use super::*;

    /// Caches do not snoop.
    struct Apart;

    impl DmaSync for Apart {
        fn for_device(&mut self, _: BusAddr, _: usize) {}
        fn for_cpu(&mut self, _: BusAddr, _: usize) {}
    }

    /// Twice what one buffer holds, of which the controller wrote once.
    fn read_twice<S: DmaSync>(mut sync: S) -> [[u8; 4]; 2] {
        let mut memory = DmaRegion::detached(2 * SENSE_STRIDE, BusAddr::new(0x1000));
        memory.write_words(SENSE_STRIDE, [0xaaaa_aaaa]);
        let mut buffers = SenseBuffers::new(memory, 2);
        [(); 2].map(|()| {
            let mut sense = [0; 4];
            buffers.take(Tag(1), &mut sense, &mut sync);
            sense
        })
    }

    #[test]
    fn a_buffer_is_emptied_only_where_its_neighbours_cannot_suffer() {
        assert_eq!(read_twice(Coherent), [[0xaa; 4], [0; 4]]);
        assert_eq!(read_twice(Apart), [[0xaa; 4]; 2]);
    }
}
