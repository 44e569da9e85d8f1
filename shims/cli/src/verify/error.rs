//! Why a verification did not come to an end.

use core::fmt;

use hba_core::command::Outcome;
use hba_core::durability::FlushError;
use hba_core::logical_unit::{AccessFault, Readiness};
use scsi_proto::Sense;

use crate::hctl::Hctl;
use crate::session::SessionError;

/// Why a verification did not come to an end. A mismatch is none of these.
#[derive(Debug)]
#[non_exhaustive]
pub enum VerifyError {
    /// The controller.
    Session(SessionError),
    /// No disk was found.
    NoDisk,
    /// A disk does not access its medium.
    NotReady {
        /// Which.
        hctl: Hctl,
        /// What it says.
        readiness: Readiness,
    },
    /// A disk refuses writes.
    WriteProtected {
        /// Which.
        hctl: Hctl,
    },
    /// The size is not a whole number of blocks.
    Size {
        /// In bytes.
        bytes: u64,
        /// Bytes of a block.
        block_size: u64,
    },
    /// The range passes the end of a disk.
    Beyond {
        /// Which.
        hctl: Hctl,
        /// The first block of the range.
        first: u64,
        /// Its number of blocks.
        blocks: u64,
        /// Blocks of the disk.
        capacity: u64,
    },
    /// The longest transfer is less than a block, or more than the controller takes.
    IoSize {
        /// In bytes.
        bytes: u64,
        /// Bytes of a block.
        block_size: u32,
        /// The most that the controller takes.
        transfer_max: u32,
    },
    /// After the interruption the disk is not there or not the same.
    Changed {
        /// Which.
        hctl: Hctl,
    },
    /// A request could not be made.
    Access {
        /// For which disk.
        hctl: Hctl,
        /// Why.
        fault: AccessFault,
    },
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
}

impl VerifyError {
    /// Whether another request would help.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        match self {
            Self::Session(error) => error.is_usage(),
            Self::Size { .. } | Self::Beyond { .. } | Self::IoSize { .. } => true,
            _ => false,
        }
    }
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(error) => error.fmt(f),
            Self::NoDisk => f.write_str("no disk was found"),
            Self::NotReady { hctl, readiness: Readiness::NotReady(why) } => {
                write!(f, "{hctl} is not ready: {why}")
            }
            Self::NotReady { hctl, .. } => write!(f, "{hctl} does not say that it is ready"),
            Self::WriteProtected { hctl } => write!(f, "{hctl} is write protected"),
            Self::Size { bytes, block_size } => {
                write!(f, "{bytes} bytes are not a whole number of {block_size}-byte blocks")
            }
            Self::Beyond { hctl, first, blocks, capacity } => write!(
                f,
                "{blocks} blocks from block {first} pass the end of {hctl}, which has {capacity} blocks"
            ),
            Self::IoSize { bytes, block_size, transfer_max } => write!(
                f,
                "transfers of {bytes} bytes: a block has {block_size} bytes, and the controller \
                 takes at most {transfer_max}"
            ),
            Self::Flush { hctl, error } => write!(f, "flush of {hctl}: {error}"),
            Self::Changed { hctl } => {
                write!(f, "{hctl} is not there or not the same after the interruption")
            }
            Self::Access { hctl, fault } => write!(f, "{hctl}: {fault}"),
            Self::Command { hctl, operation, outcome, sense } => {
                write!(f, "{hctl}: {operation}: {outcome}")?;
                sense.as_ref().map_or(Ok(()), |sense| write!(f, ", {sense}"))
            }
        }
    }
}

impl core::error::Error for VerifyError {}

impl From<SessionError> for VerifyError {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}
