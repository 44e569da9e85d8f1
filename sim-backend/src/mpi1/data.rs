//! The data phase of a SCSI IO: a scatter list seen as one buffer.

use hba_core::dma::Segment;

use crate::memory::{DeviceMemory, DmaFault};
use crate::target::DataPhase;

/// The segments of one command in host memory.
pub(super) struct SglData<'a> {
    memory: &'a DeviceMemory,
    segments: &'a [Segment],
    len: u32,
    /// Accesses to unmapped memory vanish instead of failing.
    ignores_faults: bool,
    faulted: bool,
}

impl<'a> SglData<'a> {
    pub(super) fn new(
        memory: &'a DeviceMemory,
        segments: &'a [Segment],
        ignores_faults: bool,
    ) -> Self {
        let len = segments.iter().fold(0, |sum: u32, s| sum.saturating_add(s.len));
        Self { memory, segments, len, ignores_faults, faulted: false }
    }

    /// Whether an access failed.
    pub(super) const fn faulted(&self) -> bool {
        self.faulted
    }

    /// Calls `access` for each piece of `len` bytes at `offset`: the piece in memory and its range in the buffer.
    fn pieces(
        &mut self,
        offset: u32,
        len: usize,
        mut access: impl FnMut(&DeviceMemory, Segment, usize) -> Result<(), DmaFault>,
    ) -> Result<(), DmaFault> {
        let mut skip = offset;
        let mut done = 0;
        for segment in self.segments {
            if skip >= segment.len {
                skip -= segment.len;
                continue;
            }
            let left = u32::try_from(len - done).unwrap_or(u32::MAX);
            let now = left.min(segment.len - skip);
            if now == 0 {
                break;
            }
            let piece = Segment::new(segment.addr.offset(skip.into()), now);
            let result = access(self.memory, piece, done);
            if result.is_err() && !self.ignores_faults {
                self.faulted = true;
                return result;
            }
            done += now as usize;
            skip = 0;
        }
        Ok(())
    }
}

impl DataPhase for SglData<'_> {
    fn len(&self) -> u32 {
        self.len
    }

    fn send(&mut self, offset: u32, bytes: &[u8]) -> Result<(), DmaFault> {
        self.pieces(offset, bytes.len(), |memory, piece, at| {
            let from = bytes.get(at..at + piece.len as usize).unwrap_or_default();
            memory.write(piece.addr, from)
        })
    }

    fn receive(&mut self, offset: u32, into: &mut [u8]) -> Result<(), DmaFault> {
        self.pieces(offset, into.len(), |memory, piece, at| {
            let into = into.get_mut(at..at + piece.len as usize).unwrap_or_default();
            memory.read(piece.addr, into)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::SimMemory;

    #[test]
    fn bytes_go_to_the_right_segments() {
        let memory = SimMemory::new(4096);
        let (a, b) = (memory.allocate(8, 8).unwrap(), memory.allocate(8, 8).unwrap());
        let segments = [Segment::new(a.bus().offset(2), 3), Segment::new(b.bus(), 4)];
        let device = memory.device();
        let mut data = SglData::new(&device, &segments, false);
        assert_eq!(data.len(), 7);
        data.send(1, &[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
        assert_eq!([a.read_u32(0), a.read_u32(4)], [0x01a5_a5a5, 0xa5a5_a502]);
        assert_eq!([b.read_u32(0), b.read_u32(4)], [0x0605_0403, 0xa5a5_a5a5], "cut at the end");
        let mut back = [0; 5];
        data.receive(2, &mut back).unwrap();
        assert_eq!(back, [2, 3, 4, 5, 6]);
        drop(b);
        assert!(data.receive(2, &mut back).is_err());
        assert!(data.faulted());
        let mut patient = SglData::new(&device, &segments, true);
        assert_eq!((patient.send(0, &[0; 7]), patient.faulted()), (Ok(()), false));
    }
}
