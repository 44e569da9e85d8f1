//! Accesses of the device that went wrong.

use alloc::collections::VecDeque;
use core::fmt;

use hba_core::dma::BusAddr;

/// Who wanted to move the bytes of a faulted access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DmaDirection {
    /// The device read host memory.
    DeviceReads,
    /// The device wrote host memory.
    DeviceWrites,
}

/// A device access to an address that nobody mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DmaFault {
    /// First byte of the access.
    pub address: BusAddr,
    /// Length of the access in bytes.
    pub len: u32,
    /// Read or write.
    pub direction: DmaDirection,
}

impl fmt::Display for DmaFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.direction {
            DmaDirection::DeviceReads => "read",
            DmaDirection::DeviceWrites => "wrote",
        };
        write!(
            f,
            "the device {verb} {} bytes at {}, where nothing is mapped",
            self.len, self.address
        )
    }
}

impl core::error::Error for DmaFault {}

/// The last faults of a device and how many there were.
#[derive(Clone, Debug, Default)]
pub struct FaultLog {
    count: u64,
    last: VecDeque<DmaFault>,
}

impl FaultLog {
    /// How many faults are kept; older ones are only counted.
    pub const KEPT: usize = 16;

    /// All faults so far.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The last [`KEPT`](Self::KEPT) faults, oldest first.
    pub fn last(&self) -> impl Iterator<Item = &DmaFault> {
        self.last.iter()
    }

    pub(super) fn record(&mut self, fault: DmaFault) {
        self.count += 1;
        if self.last.len() == Self::KEPT {
            self.last.pop_front();
        }
        self.last.push_back(fault);
    }
}
