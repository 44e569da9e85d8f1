//! Why a fabric is not known.

use core::fmt;
use std::io;
use std::path::PathBuf;

use hba_core::fabric::text::LineError;
use hba_core::fabric::{NoSuchFunction, RequesterId, TopologyError};

use super::ConfigError;

/// Why a fabric is not known.
#[derive(Debug)]
#[non_exhaustive]
pub enum FabricError {
    /// A file or directory cannot be read.
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A line of a file.
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, and what is wrong with it.
        error: LineError,
    },
    /// The configuration space of a function.
    Config {
        /// Which function.
        address: RequesterId,
        /// What is wrong with it.
        error: ConfigError,
    },
    /// The machine's functions do not hang together.
    Topology(TopologyError),
    /// The controller is not there.
    Controller(NoSuchFunction),
    /// No controller was named, and the machine has none, or several.
    WhichController {
        /// Storage controllers that are there.
        found: Vec<RequesterId>,
    },
}

impl fmt::Display for FabricError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Line { path, error } => write!(f, "{}: {error}", path.display()),
            Self::Config { address, error } => write!(f, "{address}: {error}"),
            Self::Topology(error) => error.fmt(f),
            Self::Controller(error) => error.fmt(f),
            Self::WhichController { found } if found.is_empty() => {
                f.write_str("no storage controller is here: name a device with --device")
            }
            Self::WhichController { found } => {
                f.write_str("several storage controllers are here; name one with --device:")?;
                found.iter().try_for_each(|address| write!(f, " {address}"))
            }
        }
    }
}

impl core::error::Error for FabricError {}
