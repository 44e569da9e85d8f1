//! Sense buffers: one for each tag of a queue, which the controller writes and a reply's count says how much of.

use hba_core::dma::{BusAddr, DmaRegion, DmaSync};
use hba_core::port::Tag;

/// Bytes of sense data kept for each command.
pub(crate) const SENSE: u8 = 96;
/// Bytes from one sense buffer to the next.
pub(crate) const SENSE_STRIDE: usize = SENSE as usize;

/// The sense buffers of a queue. Whatever a reply claims, it finds nothing in its buffer but what was written for its own
/// command, or zeros: a buffer is emptied once it was read, and all are when the queue starts.
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
    pub(crate) fn take(&mut self, tag: Tag, into: &mut [u8], sync: &mut impl DmaSync) {
        let offset = usize::from(tag.0) * SENSE_STRIDE;
        let len = into.len().min(SENSE_STRIDE);
        if len == 0 || tag.0 >= self.count {
            return;
        }
        let bus = self.bus_of(tag.0);
        sync.for_cpu(bus, len);
        self.memory.read_bytes(offset, &mut into[..len]);
        self.memory.write_words(offset, [0; SENSE_STRIDE / 4]);
        sync.for_device(bus, SENSE_STRIDE);
    }

    /// Empties all of them. The controller was reset: what it wrote for commands that never ended is nobody's.
    pub(crate) fn clear(&mut self, sync: &mut impl DmaSync) {
        let len = usize::from(self.count) * SENSE_STRIDE;
        self.memory.fill(0, len, 0);
        sync.for_device(self.memory.bus(), len);
    }
}
