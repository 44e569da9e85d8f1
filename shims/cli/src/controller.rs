//! Which controller, with which disks.

use core::fmt;
use core::str::FromStr;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use hba_qemu::ImageFormat;
use sim_backend::disk::BlockSize;

use crate::session::SessionError;

/// A controller that this program can drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ControllerSpec {
    /// A register-level simulation of an LSI SAS1068 in this process.
    SimSas1068,
    /// A register-level simulation of an LSI SAS2008.
    SimSas2008,
    /// A register-level simulation of an LSI SAS3008.
    SimSas3008,
    /// A simulated controller of our own design, with several vectors and reply rings in memory.
    SimDirect,
    /// The LSI SAS1068 that QEMU emulates.
    QemuMptsas1068,
}

/// Not the name of a controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownController;

impl ControllerSpec {
    /// All of them, the default first.
    pub const ALL: [Self; 5] = [
        Self::SimSas1068,
        Self::SimSas2008,
        Self::SimSas3008,
        Self::SimDirect,
        Self::QemuMptsas1068,
    ];

    /// As typed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SimSas1068 => "sim:sas1068",
            Self::SimSas2008 => "sim:sas2008",
            Self::SimSas3008 => "sim:sas3008",
            Self::SimDirect => "sim:direct",
            Self::QemuMptsas1068 => "qemu:mptsas1068",
        }
    }

    /// Whether controller and disks are simulated in this process, with a power switch and faults on demand.
    #[must_use]
    pub const fn is_simulated(self) -> bool {
        !matches!(self, Self::QemuMptsas1068)
    }
}

impl FromStr for ControllerSpec {
    type Err = UnknownController;

    fn from_str(text: &str) -> Result<Self, UnknownController> {
        Self::ALL.into_iter().find(|spec| spec.name() == text).ok_or(UnknownController)
    }
}

impl fmt::Display for ControllerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for UnknownController {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the controllers are")?;
        for (at, spec) in ControllerSpec::ALL.iter().enumerate() {
            write!(f, "{} {spec}", if at == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl core::error::Error for UnknownController {}

/// The disks of a controller, in the order of their targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskPlan {
    sources: Vec<DiskSource>,
    block_size: BlockSize,
}

/// Where the blocks of a disk are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskSource {
    /// In memory, gone with the session.
    Memory {
        /// Number of bytes, a whole number of blocks.
        bytes: u64,
    },
    /// In an image file.
    Image {
        /// The file.
        path: PathBuf,
        /// What it is.
        format: ImageFormat,
    },
}

impl DiskPlan {
    /// `count` empty disks of `bytes` bytes with blocks of `block_size` bytes.
    ///
    /// # Errors
    ///
    /// [`SessionError`] when there is no such disk.
    pub fn memory(count: usize, bytes: u64, block_size: u32) -> Result<Self, SessionError> {
        Self::new(&[], Some(count), bytes, block_size)
    }

    /// The image files of `paths`, then empty disks of `bytes` bytes up to `count` disks. Without `count` there are as
    /// many as paths, or two. Looks at the files.
    ///
    /// # Errors
    ///
    /// [`SessionError`] when a file or a number makes no disk.
    pub fn new(
        paths: &[PathBuf],
        count: Option<usize>,
        bytes: u64,
        block_size: u32,
    ) -> Result<Self, SessionError> {
        let size = BlockSize::new(block_size).ok_or(SessionError::BlockSize { block_size })?;
        let count = count.unwrap_or(if paths.is_empty() { 2 } else { paths.len() });
        if count == 0 {
            return Err(SessionError::NoDisks);
        }
        if count > DISKS_MAX {
            return Err(SessionError::TooManyDisks { disks: count });
        }
        if count < paths.len() {
            return Err(SessionError::MorePaths { paths: paths.len(), disks: count });
        }
        if count > paths.len() && (bytes == 0 || !bytes.is_multiple_of(block_size.into())) {
            return Err(SessionError::DiskSize { bytes, block_size });
        }
        let images = paths.iter().map(|path| image(path, block_size));
        let memory = core::iter::repeat_n(DiskSource::Memory { bytes }, count - paths.len());
        let sources = images.chain(memory.map(Ok)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { sources, block_size: size })
    }

    /// Where the blocks are, for each disk.
    #[must_use]
    pub fn sources(&self) -> &[DiskSource] {
        &self.sources
    }

    /// Bytes of a logical block.
    #[must_use]
    pub const fn block_size(&self) -> BlockSize {
        self.block_size
    }

    /// The exponent that makes physical blocks of 4 KiB.
    #[must_use]
    pub const fn physical_block_exponent(&self) -> u8 {
        12 - self.block_size.bytes().trailing_zeros() as u8
    }
}

/// More than the largest controller takes.
const DISKS_MAX: usize = 1024;

/// Checks that an image can be opened and has whole blocks.
fn image(path: &Path, block_size: u32) -> Result<DiskSource, SessionError> {
    let failed = |source| SessionError::Image { path: path.to_owned(), source };
    let format = ImageFormat::detect(path).map_err(failed)?;
    let mut file = File::open(path).map_err(failed)?;
    let bytes = match format {
        ImageFormat::Qcow2 => {
            // Byte 24: the virtual size, big endian. Source: QEMU, docs/interop/qcow2.txt.
            let mut size = [0; 8];
            file.seek(SeekFrom::Start(24))
                .and_then(|_| file.read_exact(&mut size))
                .map_err(failed)?;
            u64::from_be_bytes(size)
        }
        // Seeking also measures block devices.
        _ => file.seek(SeekFrom::End(0)).map_err(failed)?,
    };
    if bytes == 0 || !bytes.is_multiple_of(block_size.into()) {
        return Err(SessionError::ImageSize { path: path.to_owned(), bytes, block_size });
    }
    Ok(DiskSource::Image { path: path.to_owned(), format })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for spec in ControllerSpec::ALL {
            assert_eq!(spec.name().parse(), Ok(spec));
        }
        let error = "sim:nvme".parse::<ControllerSpec>().expect_err("no such controller");
        assert_eq!(
            error.to_string(),
            "the controllers are sim:sas1068, sim:sas2008, sim:sas3008, sim:direct, qemu:mptsas1068"
        );
    }

    #[test]
    fn plans_that_make_no_disks_are_refused() {
        let refused = |count, bytes, block_size| {
            DiskPlan::memory(count, bytes, block_size).expect_err("no disks").to_string()
        };
        assert_eq!(refused(0, 512, 512), "there is no disk");
        assert_eq!(
            refused(1, 0, 512),
            "a disk of 0 bytes is not a whole number of 512-byte blocks"
        );
        assert_eq!(
            refused(1, 4608, 4096),
            "a disk of 4608 bytes is not a whole number of 4096-byte blocks"
        );
        assert_eq!(refused(1, 512, 520), "blocks have 512, 1024, 2048 or 4096 bytes, not 520");
        let plan = DiskPlan::memory(3, 1 << 20, 1024).expect("three disks");
        assert_eq!((plan.sources().len(), plan.physical_block_exponent()), (3, 2));
    }
}
