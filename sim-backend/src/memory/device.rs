//! The device's side of host memory.

use alloc::sync::Arc;
use std::sync::Mutex;

use hba_core::dma::BusAddr;

use super::{Arena, DmaDirection, DmaFault, lock};

/// Access to host memory by bus address, as a bus master has it.
///
/// Clones share the memory, the counters and the fault log. Multi-byte values are little-endian.
#[derive(Clone, Debug)]
pub struct DeviceMemory {
    arena: Arc<Mutex<Arena>>,
}

/// How often the device touched memory, faults not included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccessCount {
    /// Device reads of host memory.
    pub reads: u64,
    /// Device writes to host memory.
    pub writes: u64,
    /// Bytes moved in both directions.
    pub bytes: u64,
}

impl DeviceMemory {
    pub(super) const fn new(arena: Arc<Mutex<Arena>>) -> Self {
        Self { arena }
    }

    /// Reads bytes at `bus`.
    ///
    /// # Errors
    ///
    /// [`DmaFault`] unless one live allocation holds them all; then `into` is unchanged.
    pub fn read(&self, bus: BusAddr, into: &mut [u8]) -> Result<(), DmaFault> {
        let mut arena = lock(&self.arena);
        let Some((block, offset)) = arena.find(bus, into.len()) else {
            return Err(fail(&mut arena, bus, into.len(), DmaDirection::DeviceReads));
        };
        arena.accesses.reads += 1;
        arena.accesses.bytes += into.len() as u64;
        block.read(offset, into);
        Ok(())
    }

    /// Writes bytes at `bus`.
    ///
    /// # Errors
    ///
    /// [`DmaFault`] unless one live allocation holds them all; then nothing is written.
    pub fn write(&self, bus: BusAddr, from: &[u8]) -> Result<(), DmaFault> {
        let mut arena = lock(&self.arena);
        let Some((block, offset)) = arena.find(bus, from.len()) else {
            return Err(fail(&mut arena, bus, from.len(), DmaDirection::DeviceWrites));
        };
        arena.accesses.writes += 1;
        arena.accesses.bytes += from.len() as u64;
        block.write(offset, from);
        Ok(())
    }

    /// Reads a 32-bit word.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn read_u32(&self, bus: BusAddr) -> Result<u32, DmaFault> {
        let mut bytes = [0; 4];
        self.read(bus, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    /// Reads a 64-bit word.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn read_u64(&self, bus: BusAddr) -> Result<u64, DmaFault> {
        let mut bytes = [0; 8];
        self.read(bus, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Writes a 32-bit word.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn write_u32(&self, bus: BusAddr, value: u32) -> Result<(), DmaFault> {
        self.write(bus, &value.to_le_bytes())
    }

    /// Writes a 64-bit word.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn write_u64(&self, bus: BusAddr, value: u64) -> Result<(), DmaFault> {
        self.write(bus, &value.to_le_bytes())
    }
}

fn fail(arena: &mut Arena, address: BusAddr, len: usize, direction: DmaDirection) -> DmaFault {
    let len = u32::try_from(len).unwrap_or(u32::MAX);
    let fault = DmaFault { address, len, direction };
    arena.faults.record(fault);
    fault
}
