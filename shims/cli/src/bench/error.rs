//! What keeps a measurement from being made.

use core::fmt;
use core::time::Duration;
use std::io;
use std::path::PathBuf;

use hba_core::command::{Outcome, Refusal};
use hba_core::discovery::Discovered;
use hba_core::durability::FlushError;
use hba_core::host::OutOfMemory;
use hba_core::logical_unit::{LogicalUnit, Readiness};
use hba_core::runtime::{Answer, ExecuteError};
use scsi_proto::Sense;
use scsi_proto::inquiry::DeviceType;

use super::Mode;
use crate::controller::ControllerSpec;
use crate::hctl::Hctl;
use crate::session::SessionError;

/// Why a measurement was not made.
#[derive(Debug)]
#[non_exhaustive]
pub enum BenchError {
    /// Starting or stopping the controller.
    Session(SessionError),
    /// It would write to an image, or to what QEMU was told to attach, and nobody said that it may.
    Overwrite {
        /// What writes.
        mode: Mode,
        /// The image; `None` where QEMU's arguments attach something.
        path: Option<PathBuf>,
    },
    /// The controller has fewer vectors.
    Vectors {
        /// Which controller.
        controller: ControllerSpec,
        /// Asked for.
        vectors: u16,
        /// There.
        max: u16,
    },
    /// A vector of the controller takes fewer commands.
    Depth {
        /// Which controller.
        controller: ControllerSpec,
        /// Asked for.
        depth: u32,
        /// The most.
        max: u16,
    },
    /// A command of the controller moves fewer bytes.
    Transfer {
        /// Which controller.
        controller: ControllerSpec,
        /// Asked for.
        bytes: u64,
        /// The most.
        max: u32,
    },
    /// The bytes of a command are not whole blocks of a disk, or more than it has.
    Blocks {
        /// Which disk.
        hctl: Hctl,
        /// Bytes of a command.
        bytes: u64,
        /// Bytes of a block.
        block_size: u32,
        /// Bytes of the disk.
        capacity: u64,
    },
    /// No disk was found that is ready, and for writes not write protected.
    NoDisk,
    /// There is no memory for the data.
    Memory(OutOfMemory),
    /// The controller is gone.
    Gone,
    /// A thread could not be started.
    Thread(io::Error),
    /// Nothing ended while it counted.
    Nothing {
        /// How long that was.
        duration: Duration,
    },
    /// A command was not sent.
    Refused(Refusal),
    /// What was written to a disk is not durable.
    Flush {
        /// Which.
        hctl: Hctl,
        /// Why not.
        error: FlushError,
    },
    /// A command failed.
    Command {
        /// On which disk.
        hctl: Hctl,
        /// What was to be done.
        operation: String,
        /// How it ended.
        outcome: Outcome,
        /// What the disk says about it.
        sense: Option<Sense>,
    },
    /// The plot cannot be written.
    Plot {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl BenchError {
    /// Whether another request would help.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        match self {
            Self::Session(error) => error.is_usage(),
            Self::Overwrite { .. }
            | Self::Vectors { .. }
            | Self::Depth { .. }
            | Self::Transfer { .. }
            | Self::Blocks { .. }
            | Self::Plot { .. } => true,
            _ => false,
        }
    }

    pub(super) fn not_sent(error: ExecuteError) -> Self {
        match error {
            ExecuteError::Refused(refusal) => Self::Refused(refusal),
            _ => Self::Gone,
        }
    }

    pub(super) fn command(unit: &LogicalUnit, write: bool, lba: u64, answer: &Answer) -> Self {
        let verb = if write { "write" } else { "read" };
        Self::failed(unit, format!("{verb} at block {lba}"), answer)
    }

    fn failed(unit: &LogicalUnit, operation: String, answer: &Answer) -> Self {
        let (outcome, sense) = (answer.outcome, Sense::parse(&answer.sense).ok());
        Self::Command { hctl: Hctl(unit.nexus), operation, outcome, sense }
    }
}

/// The disks that can take commands of `bytes` bytes: all that are ready, or an error about the first that cannot.
pub(super) fn disks(
    found: &Discovered,
    mode: Mode,
    bytes: u64,
) -> Result<Vec<LogicalUnit>, BenchError> {
    let usable = |unit: &&LogicalUnit| {
        unit.device_type == DeviceType::DISK
            && unit.readiness == Readiness::Ready
            && !(mode.writes() && unit.write_protected)
    };
    let units: Vec<_> = found.units.iter().filter(usable).cloned().collect();
    if units.is_empty() {
        return Err(BenchError::NoDisk);
    }
    for unit in &units {
        let (block_size, capacity) = (unit.block_size.0, unit.bytes().unwrap_or(0));
        if block_size == 0 || !bytes.is_multiple_of(block_size.into()) || bytes > capacity {
            return Err(BenchError::Blocks { hctl: Hctl(unit.nexus), bytes, block_size, capacity });
        }
    }
    Ok(units)
}

impl fmt::Display for BenchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(error) => error.fmt(f),
            Self::Overwrite { mode, path: Some(path) } => write!(
                f,
                "{mode} would overwrite {}: add --overwrite if nothing on it is needed any more",
                path.display()
            ),
            Self::Overwrite { mode, path: None } => write!(
                f,
                "{mode} would overwrite what --qemu-arg may attach: add --overwrite if nothing on it is needed any more"
            ),
            Self::Vectors { controller, vectors, max: 1 } => write!(
                f,
                "{controller} has 1 vector, not {vectors}: sim:direct has 16, and sim:sas3008 too"
            ),
            Self::Vectors { controller, vectors, max } => {
                write!(f, "{controller} has {max} vectors, not {vectors}")
            }
            Self::Depth { controller, depth, max } => {
                write!(f, "a vector of {controller} takes at most {max} commands, not {depth}")
            }
            Self::Transfer { controller, bytes, max } => {
                write!(f, "a command of {controller} moves at most {max} bytes, not {bytes}")
            }
            Self::Blocks { hctl, bytes, block_size, capacity } => write!(
                f,
                "commands of {bytes} bytes do not fit {hctl}, which has {capacity} bytes in blocks of {block_size}"
            ),
            Self::NoDisk => f.write_str("no disk was found that is ready for this"),
            Self::Memory(error) => error.fmt(f),
            Self::Gone => f.write_str("the controller is gone"),
            Self::Thread(error) => write!(f, "no thread for a vector: {error}"),
            Self::Nothing { duration } => {
                write!(f, "no command ended within {} s: measure longer", duration.as_secs_f64())
            }
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Flush { hctl, error } => write!(f, "flush of {hctl}: {error}"),
            Self::Command { hctl, operation, outcome, sense } => {
                write!(f, "{hctl}: {operation}: {outcome}")?;
                sense.as_ref().map_or(Ok(()), |sense| write!(f, ", {sense}"))
            }
            Self::Plot { path, source } => write!(f, "{}: {source}", path.display()),
        }
    }
}

impl core::error::Error for BenchError {}

impl From<SessionError> for BenchError {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}
