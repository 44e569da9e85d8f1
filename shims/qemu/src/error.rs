//! Why an instance could not be started or stopped.

use core::fmt;
use core::time::Duration;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use crate::pci::PciError;
use crate::qmp::QmpError;
use crate::qtest::QtestError;

/// Why [`crate::Qemu::start`] failed. Nothing is left running.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The QEMU program was not found.
    Missing {
        /// What was looked for.
        binary: PathBuf,
    },
    /// `ram_below_4g` or `ram_above_4g` does not fit the address space.
    Ram {
        /// The value of `ram_below_4g` in bytes.
        below_4g: u64,
        /// The value of `ram_above_4g` in bytes.
        above_4g: u64,
    },
    /// A disk's image file cannot be used.
    Image {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The host refused something that an instance is made of.
    Host {
        /// What: `"guest RAM"`, `"qtest socket"` ...
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// QEMU ended before it answered; its own words say why.
    Exited {
        /// How it ended.
        status: ExitStatus,
        /// What it printed, in one line.
        stderr: String,
    },
    /// QEMU did not answer before `Config::start_deadline`.
    Deadline {
        /// The deadline.
        after: Duration,
        /// What it printed, in one line.
        stderr: String,
    },
    /// The monitor answered with an error.
    Qmp(QmpError),
    /// The controller's PCI function could not be set up.
    Pci(PciError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { binary } => write!(
                f,
                "{} not found: install the Debian package qemu-system-x86 or set HBA_QEMU",
                binary.display()
            ),
            Self::Ram { below_4g, above_4g } => write!(
                f,
                "RAM of {below_4g} bytes below and {above_4g} bytes above 4 GiB: \
                 use whole MiB, 2 MiB to 2 GiB below and at most 1 TiB above"
            ),
            Self::Image { path, source } => write!(f, "disk image {}: {source}", path.display()),
            Self::Host { what, source } => write!(f, "no {what} from the host: {source}"),
            Self::Exited { status, stderr } => write!(f, "QEMU ended with {status}: {stderr}"),
            Self::Deadline { after, stderr } => {
                write!(f, "QEMU did not answer within {after:?}; it printed: {stderr}")
            }
            Self::Qmp(error) => error.fmt(f),
            Self::Pci(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for StartError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Image { source, .. } | Self::Host { source, .. } => Some(source),
            Self::Qmp(error) => error.source(),
            Self::Pci(error) => error.source(),
            _ => None,
        }
    }
}

impl From<QmpError> for StartError {
    fn from(error: QmpError) -> Self {
        Self::Qmp(error)
    }
}

impl From<PciError> for StartError {
    fn from(error: PciError) -> Self {
        Self::Pci(error)
    }
}

impl From<QtestError> for StartError {
    fn from(error: QtestError) -> Self {
        Self::Pci(PciError::Access(error))
    }
}

/// Why [`crate::Qemu::quit`] did not see an orderly end. QEMU was killed.
#[derive(Debug)]
#[non_exhaustive]
pub enum QuitError {
    /// The monitor did not take the command.
    Qmp(QmpError),
    /// QEMU took the command and did not end in time.
    Deadline {
        /// How long it was waited for.
        after: Duration,
    },
    /// QEMU ended with an error.
    Status {
        /// How it ended.
        status: ExitStatus,
        /// What it printed, in one line.
        stderr: String,
    },
    /// The host could not say how QEMU ended.
    Wait(io::Error),
}

impl fmt::Display for QuitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Qmp(error) => error.fmt(f),
            Self::Deadline { after } => {
                write!(f, "QEMU took quit and did not end within {after:?}")
            }
            Self::Status { status, stderr } => write!(f, "QEMU ended with {status}: {stderr}"),
            Self::Wait(error) => write!(f, "cannot wait for QEMU: {error}"),
        }
    }
}

impl core::error::Error for QuitError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Wait(error) => Some(error),
            _ => None,
        }
    }
}
