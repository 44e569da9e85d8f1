//! The device's side of host memory.

use alloc::sync::Arc;
use std::sync::Mutex;

use hba_core::dma::BusAddr;

use super::block::Block;
use super::{Arena, DmaDirection, DmaFault, DmaFaultCause, FaultLog, HostMemory, lock};
use crate::fabric::Port;

/// Access to host memory by bus address, as a bus master has it.
///
/// Clones share the memory, the counters and the fault log. Multi-byte values are little-endian.
#[derive(Clone, Debug)]
pub struct DeviceMemory {
    arena: Arc<Mutex<Arena>>,
    way: Way,
}

/// What is between the device and memory.
#[derive(Clone, Debug)]
enum Way {
    /// A wire.
    Wire,
    /// A fabric.
    Fabric(Arc<Port>),
    /// Memory that is not the simulator's.
    Outside(Arc<dyn HostMemory>),
}

/// A piece of an access that lies in one block.
type Piece = (Arc<Block>, usize, usize);

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
    pub(super) fn new(arena: Arc<Mutex<Arena>>, port: Option<Arc<Port>>) -> Self {
        Self { arena, way: port.map_or(Way::Wire, Way::Fabric) }
    }

    /// Access to memory that is not the simulator's own, such as a guest's.
    #[must_use]
    pub fn outside(memory: Arc<dyn HostMemory>) -> Self {
        let arena = Arc::new(Mutex::new(Arena::new(0, 0)));
        Self { arena, way: Way::Outside(memory) }
    }

    /// Reads bytes at `bus`.
    ///
    /// # Errors
    ///
    /// [`DmaFault`] unless the device reaches them all, each piece within one live allocation; then `into` is unchanged.
    pub fn read(&self, bus: BusAddr, into: &mut [u8]) -> Result<(), DmaFault> {
        if let Way::Outside(memory) = &self.way {
            let (done, len) = (memory.read(bus, into), into.len());
            return self.outcome(done, bus, len, DmaDirection::DeviceReads);
        }
        let mut arena = lock(&self.arena);
        let pieces = self.pieces(&mut arena, bus, into.len(), DmaDirection::DeviceReads)?;
        arena.accesses.reads += 1;
        arena.accesses.bytes += into.len() as u64;
        let mut rest = into;
        for (block, offset, len) in pieces {
            let (now, later) = rest.split_at_mut(len);
            block.read(offset, now);
            rest = later;
        }
        Ok(())
    }

    /// Writes bytes at `bus`.
    ///
    /// # Errors
    ///
    /// [`DmaFault`] unless the device reaches them all, each piece within one live allocation; then nothing is written.
    pub fn write(&self, bus: BusAddr, from: &[u8]) -> Result<(), DmaFault> {
        if let Way::Outside(memory) = &self.way {
            return self.outcome(
                memory.write(bus, from),
                bus,
                from.len(),
                DmaDirection::DeviceWrites,
            );
        }
        let mut arena = lock(&self.arena);
        let pieces = self.pieces(&mut arena, bus, from.len(), DmaDirection::DeviceWrites)?;
        arena.accesses.writes += 1;
        arena.accesses.bytes += from.len() as u64;
        let mut rest = from;
        for (block, offset, len) in pieces {
            let (now, later) = rest.split_at(len);
            block.write(offset, now);
            rest = later;
        }
        Ok(())
    }

    /// Where the bytes of an access are, all of them; or the fault, recorded.
    fn pieces(
        &self,
        arena: &mut Arena,
        bus: BusAddr,
        len: usize,
        direction: DmaDirection,
    ) -> Result<Pieces, DmaFault> {
        let found = match &self.way {
            Way::Fabric(port) => {
                port.route(bus, len, direction).and_then(|ways| translated(arena, ways))
            }
            Way::Wire | Way::Outside(_) => match arena.find(bus, len) {
                Some((block, offset)) => Ok(Pieces::One(Some((block, offset, len)))),
                None => Err(DmaFaultCause::NoMemory),
            },
        };
        found.map_err(|cause| self.record(arena, cause, bus, len, direction))
    }

    /// Counts an access to memory outside, or records its fault.
    fn outcome(
        &self,
        done: Result<(), DmaFaultCause>,
        bus: BusAddr,
        len: usize,
        direction: DmaDirection,
    ) -> Result<(), DmaFault> {
        let mut arena = lock(&self.arena);
        done.map_err(|cause| self.record(&mut arena, cause, bus, len, direction))?;
        arena.accesses.reads += u64::from(direction == DmaDirection::DeviceReads);
        arena.accesses.writes += u64::from(direction == DmaDirection::DeviceWrites);
        arena.accesses.bytes += len as u64;
        Ok(())
    }

    fn record(
        &self,
        arena: &mut Arena,
        cause: DmaFaultCause,
        bus: BusAddr,
        len: usize,
        direction: DmaDirection,
    ) -> DmaFault {
        let requester = match &self.way {
            Way::Fabric(port) => Some(port.requester()),
            Way::Wire | Way::Outside(_) => None,
        };
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        let fault = DmaFault { address: bus, len, direction, requester, cause };
        arena.faults.record(fault);
        fault
    }

    /// The accesses that were refused so far.
    #[must_use]
    pub fn faults(&self) -> FaultLog {
        lock(&self.arena).faults.clone()
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

/// The pieces of one access; without a fabric there is one, which needs no list.
enum Pieces {
    One(Option<Piece>),
    Many(alloc::vec::IntoIter<Piece>),
}

impl Iterator for Pieces {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        match self {
            Self::One(piece) => piece.take(),
            Self::Many(pieces) => pieces.next(),
        }
    }
}

fn translated(arena: &Arena, ways: Vec<(u64, usize)>) -> Result<Pieces, DmaFaultCause> {
    let piece = |(physical, len)| {
        let (block, offset) =
            arena.find(BusAddr::new(physical), len).ok_or(DmaFaultCause::NoMemory)?;
        Ok((block, offset, len))
    };
    let pieces = ways.into_iter().map(piece).collect::<Result<Vec<_>, _>>()?;
    Ok(Pieces::Many(pieces.into_iter()))
}
