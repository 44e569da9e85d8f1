//! Why something was not done.

use core::fmt;

use crate::command::{Nexus, Refusal};
use crate::durability::FlushError;
use crate::host::OutOfMemory;
use crate::limits::LimitsReport;
use crate::logical_unit::AccessFault;
use crate::port::{BringUpError, MemoryFault};

/// Why a command was not sent. The memory comes beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExecuteError {
    /// The queue did not accept it. [`Refusal::Stopped`] too when a shutdown has begun.
    Refused(Refusal),
    /// The typed request cannot be made.
    Access(AccessFault),
}

impl fmt::Display for ExecuteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reason) => reason.fmt(f),
            Self::Access(fault) => fault.fmt(f),
        }
    }
}

impl core::error::Error for ExecuteError {}

/// Why an adapter cannot be attached.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttachError {
    /// The controller cannot be brought up.
    BringUp(BringUpError),
    /// The controller left the bus.
    Gone,
    /// The platform has too little memory.
    Memory(OutOfMemory),
    /// The platform's memory does not fit the controller.
    Placement(MemoryFault),
    /// Controller and configuration do not fit each other.
    Limits(LimitsReport),
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BringUp(error) => error.fmt(f),
            Self::Gone => f.write_str("the controller is gone"),
            Self::Memory(error) => error.fmt(f),
            Self::Placement(error) => error.fmt(f),
            Self::Limits(report) => report.fmt(f),
        }
    }
}

impl core::error::Error for AttachError {}

/// Why discovery did not come to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DiscoverError {
    /// The driver of Control has ended or was dropped.
    Stopped,
    /// There is no memory for an answer.
    Memory(OutOfMemory),
    /// A command was not sent.
    Execute(ExecuteError),
}

impl fmt::Display for DiscoverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("the adapter has stopped"),
            Self::Memory(error) => error.fmt(f),
            Self::Execute(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for DiscoverError {}

/// Why a shutdown was not graceful. The adapter is stopped nevertheless.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShutdownError {
    /// The driver of Control has ended or was dropped: the adapter had stopped before.
    Stopped,
    /// A unit was not flushed: what it holds in a volatile cache may be lost.
    Flush {
        /// Which unit.
        nexus: Nexus,
        /// What became of the flush.
        error: FlushError,
    },
}

impl fmt::Display for ShutdownError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("the adapter had stopped before"),
            Self::Flush { nexus, error } => write!(f, "{nexus} was not flushed: {error}"),
        }
    }
}

impl core::error::Error for ShutdownError {}
