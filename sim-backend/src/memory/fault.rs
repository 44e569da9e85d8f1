//! Accesses of the device that went wrong.

use alloc::collections::VecDeque;
use core::fmt;

use hba_core::dma::BusAddr;
use hba_core::fabric::RequesterId;

/// Who wanted to move the bytes of a faulted access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DmaDirection {
    /// The device read host memory.
    DeviceReads,
    /// The device wrote host memory.
    DeviceWrites,
}

/// A device access that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DmaFault {
    /// First byte of the access.
    pub address: BusAddr,
    /// Length of the access in bytes.
    pub len: u32,
    /// Read or write.
    pub direction: DmaDirection,
    /// Under which ID the request came out of the fabric; `None` where the device has no fabric above it.
    pub requester: Option<RequesterId>,
    /// What refused it, and why.
    pub cause: DmaFaultCause,
}

/// Why an access was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DmaFaultCause {
    /// Memory has no such address, or has it no more: not allocated, freed, moved, or the device may not master the bus.
    NoMemory,
    /// The root port takes fewer address bits.
    AboveWidth {
        /// How many it takes.
        bits: u8,
    },
    /// The IOMMU has no translation for the requester ID at all.
    NoTable,
    /// The IOMMU has never mapped the address: use before map, or beyond the end of a mapping.
    NotMapped,
    /// The IOMMU had the address mapped, and has no more: use after unmap.
    Unmapped,
    /// The address is mapped for the other direction.
    WrongDirection,
}

impl fmt::Display for DmaFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.direction {
            DmaDirection::DeviceReads => "read",
            DmaDirection::DeviceWrites => "wrote",
        };
        write!(f, "the device {verb} {} bytes at {}", self.len, self.address)?;
        if let Some(requester) = self.requester {
            write!(f, " as {requester}")?;
        }
        match self.cause {
            DmaFaultCause::NoMemory => f.write_str(", where nothing is mapped"),
            DmaFaultCause::AboveWidth { bits } => {
                write!(f, ", and the root port takes {bits} address bits")
            }
            DmaFaultCause::NoTable => f.write_str(", for which the iommu has no translation"),
            DmaFaultCause::NotMapped => f.write_str(", which the iommu has not mapped"),
            DmaFaultCause::Unmapped => f.write_str(", which the iommu has mapped no more"),
            DmaFaultCause::WrongDirection => {
                f.write_str(", which the iommu has mapped for the other direction")
            }
        }
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
