//! How a command ends.

use core::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use hba_vfio_user::ServeError;

use crate::bench::BenchError;
use crate::decode::DecodeError;
use crate::fabric::FabricError;
use crate::send::SendError;
use crate::session::SessionError;
use crate::trace::TraceError;
use crate::verify::VerifyError;

/// The exit code of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, and nothing is wrong.
    Pass = 0,
    /// Verify or sim found what must not be, or doctor what would fail.
    Mismatch = 1,
    /// The request makes no sense.
    Usage = 2,
    /// The controller or a device failed.
    Failure = 3,
}

/// Why a command ended early.
#[derive(Debug)]
#[non_exhaustive]
pub enum CliError {
    /// The session.
    Session(SessionError),
    /// `verify`.
    Verify(VerifyError),
    /// `bench`.
    Bench(BenchError),
    /// A trace.
    Trace(TraceError),
    /// `send`.
    Send(SendError),
    /// `decode`.
    Decode(DecodeError),
    /// A topology.
    Fabric(FabricError),
    /// `serve`.
    Serve(ServeError),
    /// A script cannot be opened.
    Script {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Standard output took no more.
    Output(io::Error),
}

impl CliError {
    /// The exit code that says it.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        let usage = match self {
            Self::Session(error) => error.is_usage(),
            Self::Verify(error) => error.is_usage(),
            Self::Bench(error) => error.is_usage(),
            Self::Send(_) | Self::Decode(_) | Self::Fabric(_) => true,
            Self::Trace(_) | Self::Script { .. } => true,
            Self::Serve(error) => {
                matches!(error, ServeError::Exists { .. } | ServeError::Bind { .. })
            }
            Self::Output(_) => false,
        };
        if usage { Exit::Usage } else { Exit::Failure }
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(error) => error.fmt(f),
            Self::Verify(error) => error.fmt(f),
            Self::Bench(error) => error.fmt(f),
            Self::Trace(error) => error.fmt(f),
            Self::Send(error) => error.fmt(f),
            Self::Decode(error) => error.fmt(f),
            Self::Fabric(error) => error.fmt(f),
            Self::Serve(error) => error.fmt(f),
            Self::Script { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Output(error) => write!(f, "standard output: {error}"),
        }
    }
}

impl core::error::Error for CliError {}

impl From<SessionError> for CliError {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}

impl From<VerifyError> for CliError {
    fn from(error: VerifyError) -> Self {
        Self::Verify(error)
    }
}

impl From<BenchError> for CliError {
    fn from(error: BenchError) -> Self {
        Self::Bench(error)
    }
}

impl From<TraceError> for CliError {
    fn from(error: TraceError) -> Self {
        Self::Trace(error)
    }
}

impl From<SendError> for CliError {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

impl From<DecodeError> for CliError {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

impl From<FabricError> for CliError {
    fn from(error: FabricError) -> Self {
        Self::Fabric(error)
    }
}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
