//! Why a [`Host`](super::Host) could not do something.

use core::fmt;
use core::time::Duration;

use super::OutOfMemory;
use crate::command::Refusal;
use crate::limits::LimitsReport;
use crate::port::{BringUpError, MemoryFault};

/// Why a [`Host`](super::Host) could not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostError {
    /// The controller cannot be brought up.
    BringUp(BringUpError),
    /// The controller did not become operational in time.
    NotOperational {
        /// How long was waited.
        waited: Duration,
    },
    /// The controller left the bus or was given up.
    Gone,
    /// The platform has too little memory.
    Memory(OutOfMemory),
    /// The platform's memory does not fit the controller.
    Placement(MemoryFault),
    /// Controller and configuration do not fit each other.
    Limits(LimitsReport),
    /// A request was not accepted.
    Refused(Refusal),
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BringUp(error) => error.fmt(f),
            Self::NotOperational { waited } => {
                write!(f, "the controller was not operational within {} s", waited.as_secs())
            }
            Self::Gone => f.write_str("the controller is gone"),
            Self::Memory(error) => error.fmt(f),
            Self::Placement(error) => error.fmt(f),
            Self::Limits(report) => report.fmt(f),
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

impl core::error::Error for HostError {}

impl From<OutOfMemory> for HostError {
    fn from(error: OutOfMemory) -> Self {
        Self::Memory(error)
    }
}
