//! What an IOMMU or a root port recorded of a DMA that it refused, and what to make of it.
//!
//! A record is a few register words, as a panic, a log or a debugger shows them. [`decode_fault`] takes them apart, and
//! [`Fault::explain`] says in a sentence what happened, given what is known of the controller.

mod amd_vi;
mod apple_port;
mod dart;
mod explain;
mod record;
mod vtd;

use super::RequesterId;
use crate::dma::BusAddr;
use core::fmt;

pub use explain::{Explanation, FaultContext, MappedRange};
pub use record::{FaultField, FaultRecord, RecordError};

/// Takes the words of a record apart.
///
/// # Errors
///
/// [`NoFault`] when the record's valid bit is clear, or no bit that stands for an error is set.
pub fn decode_fault(record: &FaultRecord) -> Result<Fault, NoFault> {
    match record.unit() {
        FaultUnit::DartT8020 => dart::decode(record, &dart::T8020),
        FaultUnit::DartT8110 => dart::decode(record, &dart::T8110),
        FaultUnit::VtD => vtd::decode(record),
        FaultUnit::AmdVi => amd_vi::decode(record),
        FaultUnit::AppleRootPort => apple_port::decode(record),
    }
    .ok_or_else(|| NoFault { unit: record.unit() })
}

/// What recorded a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultUnit {
    /// Apple's DART of the T8020 generation, also in T8103 (M1) and T6000: status 40h, address 50h and 54h.
    DartT8020,
    /// Apple's DART of the T8110 generation, also in T8112 (M2) and T6020: status 100h, address 170h and 174h.
    DartT8110,
    /// A fault recording register of Intel VT-d: 128 bits.
    VtD,
    /// An entry of the event log of an AMD IOMMU: 128 bits.
    AmdVi,
    /// The interrupt status of an Apple PCI Express root port: port register 100h.
    AppleRootPort,
}

impl FaultUnit {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::DartT8020, Self::DartT8110, Self::VtD, Self::AmdVi, Self::AppleRootPort];

    /// The name that tools take.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DartT8020 => "dart-t8020",
            Self::DartT8110 => "dart-t8110",
            Self::VtD => "vtd",
            Self::AmdVi => "amd-vi",
            Self::AppleRootPort => "apple-root-port",
        }
    }
}

impl fmt::Display for FaultUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DartT8020 => "Apple DART (T8020 generation)",
            Self::DartT8110 => "Apple DART (T8110 generation)",
            Self::VtD => "Intel VT-d fault recording register",
            Self::AmdVi => "AMD IOMMU event log entry",
            Self::AppleRootPort => "Apple root port interrupt status",
        })
    }
}

/// A DMA that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What refused it.
    pub unit: FaultUnit,
    /// Under which name it came.
    pub source: FaultSource,
    /// Why it was refused.
    pub cause: FaultCause,
    /// Whether it read or wrote memory, where the record tells.
    pub access: Option<Access>,
    /// Where, where the record tells. VT-d keeps bits 63:12 only.
    pub address: Option<BusAddr>,
    /// What the unit calls it.
    pub reason: &'static str,
}

/// The name under which a request came to the unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultSource {
    /// The record does not tell.
    Unknown,
    /// A stream of a DART: the root port makes it of the requester ID, and 0 of those that it does not know.
    Stream(u8),
    /// A requester ID; in domain 0, as records do not name the domain.
    Requester(RequesterId),
}

/// What a request does to memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The device reads memory.
    Read,
    /// The device writes memory.
    Write,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultCause {
    /// There is no translation for its source at all: the address was not looked at.
    NoTable,
    /// The root port does not know its requester ID.
    UnknownRequester,
    /// Nothing is mapped at its address.
    NotMapped,
    /// Its address is mapped, but not for this access.
    Denied,
    /// Its address is not mapped for this access, or not at all: the unit does not tell these apart.
    NoAccess,
    /// Its address has more bits than the unit takes.
    AboveWidth,
    /// A translation table says something invalid.
    BadTable,
    /// A translation table could not be read.
    UnreadableTable,
    /// It was an interrupt message that is not allowed, not a data transfer.
    Interrupt,
    /// A kind of request that this source may not make.
    Forbidden,
    /// The other end refused it.
    Aborted,
    /// No answer came in time.
    TimedOut,
    /// An event that only the unit's manual explains.
    Other,
}

/// A record that reports no fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoFault {
    /// As what it was read.
    pub unit: FaultUnit,
}

impl fmt::Display for NoFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} reports no fault", self.unit)
    }
}

impl core::error::Error for NoFault {}

#[cfg(test)]
mod tests;
