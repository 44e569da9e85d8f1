//! The data phase of a command: its scatter elements seen as one buffer.

use hba_core::dma::Segment;

use crate::memory::{DeviceMemory, DmaFault};
use crate::target::DataPhase;

/// The elements of one command in host memory.
#[derive(Debug)]
pub(crate) struct Scattered<'a> {
    memory: &'a DeviceMemory,
    elements: &'a [Segment],
    len: u32,
    ignores_faults: bool,
    faulted: bool,
}

impl<'a> Scattered<'a> {
    /// The first `len` bytes of `elements`, which hold at least that many.
    pub(crate) const fn new(memory: &'a DeviceMemory, elements: &'a [Segment], len: u32) -> Self {
        Self { memory, elements, len, ignores_faults: false, faulted: false }
    }

    /// With `ignores`, accesses to unmapped memory vanish instead of failing.
    pub(crate) const fn ignoring_faults(self, ignores: bool) -> Self {
        Self { ignores_faults: ignores, ..self }
    }

    /// Whether an access failed.
    pub(crate) const fn faulted(&self) -> bool {
        self.faulted
    }

    /// The pieces of memory that hold at most `len` bytes from `offset` on.
    fn pieces(&self, offset: u32, len: usize) -> impl Iterator<Item = Segment> + use<'a> {
        let len = u32::try_from(len).unwrap_or(u32::MAX).min(self.len.saturating_sub(offset));
        self.elements.iter().scan((offset, len), |(skip, left), element| {
            let skipped = element.len.min(*skip);
            let now = (*left).min(element.len - skipped);
            *skip -= skipped;
            *left -= now;
            Some(Segment::new(element.addr.offset(skipped.into()), now))
        })
    }

    fn note(&mut self, result: Result<(), DmaFault>) -> Result<(), DmaFault> {
        if self.ignores_faults {
            return Ok(());
        }
        self.faulted |= result.is_err();
        result
    }
}

impl DataPhase for Scattered<'_> {
    fn len(&self) -> u32 {
        self.len
    }

    fn send(&mut self, offset: u32, mut bytes: &[u8]) -> Result<(), DmaFault> {
        for piece in self.pieces(offset, bytes.len()).filter(|piece| piece.len != 0) {
            let (now, rest) = bytes.split_at(bytes.len().min(piece.len as usize));
            let written = self.memory.write(piece.addr, now);
            self.note(written)?;
            bytes = rest;
        }
        Ok(())
    }

    fn receive(&mut self, offset: u32, mut into: &mut [u8]) -> Result<(), DmaFault> {
        for piece in self.pieces(offset, into.len()).filter(|piece| piece.len != 0) {
            let (now, rest) = into.split_at_mut(into.len().min(piece.len as usize));
            let read = self.memory.read(piece.addr, now);
            self.note(read)?;
            into = rest;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::SimMemory;

    #[test]
    fn bytes_go_to_the_right_elements() {
        let memory = SimMemory::new(4096);
        let (a, b) = (memory.allocate(8, 8).unwrap(), memory.allocate(8, 8).unwrap());
        let elements = [Segment::new(a.bus().offset(2), 3), Segment::new(b.bus(), 8)];
        let device = memory.device();
        let mut data = Scattered::new(&device, &elements, 7);
        data.send(1, &[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
        assert_eq!([a.read_u32(0), a.read_u32(4)], [0x01a5_a5a5, 0xa5a5_a502]);
        assert_eq!([b.read_u32(0), b.read_u32(4)], [0x0605_0403, 0xa5a5_a5a5], "cut at the length");
        let mut back = [0; 5];
        data.receive(2, &mut back).unwrap();
        assert_eq!(back, [2, 3, 4, 5, 6]);
        data.receive(7, &mut back).unwrap();
        assert_eq!((back, data.faulted()), ([2, 3, 4, 5, 6], false));
        drop(b);
        assert!(data.receive(2, &mut back).is_err() && data.faulted());
        let mut patient = Scattered::new(&device, &elements, 7).ignoring_faults(true);
        assert_eq!((patient.send(0, &[0; 7]), patient.faulted()), (Ok(()), false));
        assert_eq!(a.read_u32(4), 0xa5a5_a500, "what is mapped is written");
    }
}
