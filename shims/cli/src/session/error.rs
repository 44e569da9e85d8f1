//! What keeps a controller from running.

use core::fmt;
use std::io;
use std::path::PathBuf;

use hba_core::host::{HostError, OutOfMemory};
use hba_qemu::{ImageFormat, QuitError, StartError};
use sim_backend::disk::{DiskConfigError, OpenMediumError};

use crate::controller::ControllerSpec;
use crate::size::human;

/// Why a session could not be opened, attached or closed.
#[derive(Debug)]
#[non_exhaustive]
pub enum SessionError {
    /// No disk was asked for.
    NoDisks,
    /// More image files than disks.
    MorePaths {
        /// Image files given.
        paths: usize,
        /// Disks asked for.
        disks: usize,
    },
    /// More disks than any controller takes.
    TooManyDisks {
        /// Disks asked for.
        disks: usize,
    },
    /// More disks than the controller takes.
    Slots {
        /// Which controller.
        controller: ControllerSpec,
        /// How many it takes.
        slots: usize,
        /// How many were asked for.
        disks: usize,
    },
    /// The number of vectors of this controller cannot be chosen.
    Vectors {
        /// Which controller.
        controller: ControllerSpec,
    },
    /// More volumes than disks.
    Volumes {
        /// Volumes asked for.
        volumes: u8,
        /// Disks asked for.
        disks: usize,
    },
    /// An option that only the parts of MPI 2.x have.
    NotMpi2 {
        /// Which controller.
        controller: ControllerSpec,
        /// Which option.
        option: &'static str,
    },
    /// An option that says what a host does, where the host is somebody else's.
    NotTheHost {
        /// Which option.
        option: &'static str,
    },
    /// The controller has no PCI device to show.
    NotPci {
        /// Which controller.
        controller: ControllerSpec,
    },
    /// No disk has blocks of this size.
    BlockSize {
        /// In bytes.
        block_size: u32,
    },
    /// A disk is not a whole number of blocks, or empty.
    DiskSize {
        /// Its size in bytes.
        bytes: u64,
        /// Bytes of a block.
        block_size: u32,
    },
    /// An image is not a whole number of blocks, or empty.
    ImageSize {
        /// The file.
        path: PathBuf,
        /// Its size in bytes, that of the disk in it for qcow2.
        bytes: u64,
        /// Bytes of a block.
        block_size: u32,
    },
    /// An image cannot be read.
    Image {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The simulator does not take images of this format.
    ImageFormat {
        /// The file.
        path: PathBuf,
        /// What it is.
        format: ImageFormat,
    },
    /// An image cannot be the medium of a simulated disk.
    Medium {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: OpenMediumError,
    },
    /// A simulated disk cannot be made.
    Disk(DiskConfigError),
    /// QEMU's arguments were given for a controller without QEMU.
    QemuArguments {
        /// Which controller.
        controller: ControllerSpec,
    },
    /// A fault was asked of disks that are not simulated.
    FaultNeedsSimulation {
        /// Which controller.
        controller: ControllerSpec,
    },
    /// QEMU did not start.
    Qemu(StartError),
    /// QEMU did not end in order.
    Quit(QuitError),
    /// The controller failed.
    Host(HostError),
}

impl SessionError {
    /// Whether another request would help: nothing failed, it was asked for what does not exist.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        match self {
            Self::Qemu(error) => matches!(error, StartError::Image { .. } | StartError::Ram { .. }),
            Self::Quit(_) | Self::Host(_) => false,
            _ => true,
        }
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDisks => f.write_str("there is no disk"),
            Self::MorePaths { paths, disks } => {
                write!(f, "{paths} disk images were given for {disks} disks")
            }
            Self::TooManyDisks { disks } => write!(f, "no controller takes {disks} disks"),
            Self::Slots { controller, slots, disks } => {
                write!(f, "{controller} takes {slots} disks, not {disks}")
            }
            Self::Vectors { controller } => write!(
                f,
                "{controller} has one vector: --vectors is for sim:sas2008, sim:sas3008 and sim:direct"
            ),
            Self::Volumes { volumes, disks } => {
                write!(f, "--volumes {volumes} needs as many --disks, and there is {disks}")
            }
            Self::NotMpi2 { controller, option } => write!(
                f,
                "{controller} has no choice of {option}: that is for sim:sas2008 and sim:sas3008"
            ),
            Self::NotTheHost { option } => {
                write!(f, "{option} says what the host does, and here the guest is the host")
            }
            Self::NotPci { controller } => {
                write!(
                    f,
                    "{controller} is no simulated PCI device: take sim:sas1068, sim:sas2008 or sim:sas3008"
                )
            }
            Self::BlockSize { block_size } => {
                write!(f, "blocks have 512, 1024, 2048 or 4096 bytes, not {block_size}")
            }
            Self::DiskSize { bytes, block_size } => {
                write!(
                    f,
                    "a disk of {bytes} bytes is not a whole number of {block_size}-byte blocks"
                )
            }
            Self::ImageSize { path, bytes: 0, .. } => {
                write!(f, "disk image {} is empty", path.display())
            }
            Self::ImageSize { path, bytes, block_size } => write!(
                f,
                "disk image {} of {bytes} bytes is not a whole number of {block_size}-byte blocks",
                path.display()
            ),
            Self::Image { path, source } => write!(f, "disk image {}: {source}", path.display()),
            Self::ImageFormat { path, format } => write!(
                f,
                "disk image {} is {format}, and a simulated disk takes raw images only",
                path.display()
            ),
            Self::Medium { path, source } => write!(f, "disk image {}: {source}", path.display()),
            Self::Disk(DiskConfigError::TooManyBlocks { max, .. }) => {
                write!(f, "a simulated disk in memory has at most {max} blocks")
            }
            Self::Disk(error) => error.fmt(f),
            Self::QemuArguments { controller } => {
                write!(f, "{controller} does not run in qemu and takes no --qemu-arg")
            }
            Self::FaultNeedsSimulation { controller } => {
                write!(f, "{controller} has real disks behind it: --fault needs a sim: controller")
            }
            Self::Qemu(error) => error.fmt(f),
            Self::Quit(error) => error.fmt(f),
            Self::Host(HostError::Memory(OutOfMemory { len })) => {
                write!(f, "no memory left for {} of data", human(*len as u64))
            }
            Self::Host(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for SessionError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Image { source, .. } => Some(source),
            Self::Medium { source, .. } => source.source(),
            Self::Qemu(error) => error.source(),
            Self::Quit(error) => error.source(),
            _ => None,
        }
    }
}

impl From<HostError> for SessionError {
    fn from(error: HostError) -> Self {
        Self::Host(error)
    }
}

impl From<OutOfMemory> for SessionError {
    fn from(error: OutOfMemory) -> Self {
        Self::Host(HostError::Memory(error))
    }
}
