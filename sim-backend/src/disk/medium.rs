//! What a simulated disk stores its blocks on.

use core::fmt;
use std::io;

use scsi_proto::Lba;

/// The size of a logical block in bytes: 512, 1024, 2048 or 4096.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockSize(u32);

/// Storage that keeps its content without power, in whole blocks.
///
/// The write cache lies above it: whatever reached [`write`](Self::write) survives a simulated
/// power cut. A range that does not fit, or a buffer that is not a whole number of blocks, is an
/// error of the medium and never a panic.
pub trait Medium: fmt::Debug + Send {
    /// The number of blocks.
    fn blocks(&self) -> u64;

    /// The size of each block.
    fn block_size(&self) -> BlockSize;

    /// Fills `data` from `lba` on. Blocks that were never written read as zeros.
    ///
    /// # Errors
    ///
    /// [`MediumError`] with the first block that could not be read. The content of `data` is
    /// then unspecified.
    fn read(&mut self, lba: Lba, data: &mut [u8]) -> Result<(), MediumError>;

    /// Stores `data` from `lba` on.
    ///
    /// # Errors
    ///
    /// [`MediumError`] with the first block that could not be written. Blocks before it were
    /// written.
    fn write(&mut self, lba: Lba, data: &[u8]) -> Result<(), MediumError>;

    /// Makes `blocks` blocks from `lba` on read as zeros, and frees their space where it can.
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write).
    fn deallocate(&mut self, lba: Lba, blocks: u64) -> Result<(), MediumError>;

    /// Returns when everything that was written would survive the end of the host.
    ///
    /// # Errors
    ///
    /// [`MediumError`] if that is not known. A later success does not prove that the earlier
    /// writes survived.
    fn sync(&mut self) -> Result<(), MediumError>;

    /// The `len` bytes from `lba` on, where they lie in one piece of memory.
    ///
    /// `None` is always a right answer; it makes the disk copy through [`read`](Self::read).
    fn borrow(&self, lba: Lba, len: usize) -> Option<&[u8]> {
        let _ = (lba, len);
        None
    }

    /// The same memory, to write to. What is written there needs no [`sync`](Self::sync).
    ///
    /// `None` is always a right answer, too. A data phase that fails half way leaves these blocks half written: a
    /// medium that must not show that answers `None`.
    fn borrow_mut(&mut self, lba: Lba, len: usize) -> Option<&mut [u8]> {
        let _ = (lba, len);
        None
    }
}

/// A block of a medium could not be read or written.
#[derive(Debug)]
pub struct MediumError {
    /// The first block that failed, or 0 where the failure has no block.
    pub lba: Lba,
    /// What failed.
    pub kind: MediumErrorKind,
}

/// Why a medium failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum MediumErrorKind {
    /// The range ends past the last block.
    OutOfRange {
        /// Blocks that the medium has.
        blocks: u64,
    },
    /// The buffer is not a whole number of blocks.
    PartialBlock {
        /// Length of the buffer in bytes.
        len: usize,
    },
    /// The host's storage failed.
    Io(io::Error),
}

impl BlockSize {
    /// 512 bytes.
    pub const B512: Self = Self(512);
    /// 4096 bytes.
    pub const B4096: Self = Self(4096);

    /// Takes a size in bytes, or `None` unless it is 512, 1024, 2048 or 4096.
    #[must_use = "the size is the only result"]
    pub const fn new(bytes: u32) -> Option<Self> {
        if bytes.is_power_of_two() && bytes >= 512 && bytes <= 4096 {
            Some(Self(bytes))
        } else {
            None
        }
    }

    /// The size in bytes.
    #[inline]
    #[must_use = "the size is the only result"]
    pub const fn bytes(self) -> u32 {
        self.0
    }

    /// The power of two that the size is.
    #[inline]
    pub(super) const fn shift(self) -> u32 {
        self.0.trailing_zeros()
    }
}

impl fmt::Display for BlockSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0)
    }
}

/// Checks that `len` bytes from `lba` on are whole blocks of the medium.
#[inline]
pub(super) fn check_range(
    lba: Lba,
    len: usize,
    blocks: u64,
    block_size: BlockSize,
) -> Result<(), MediumError> {
    if len as u64 & u64::from(block_size.0 - 1) != 0 {
        return Err(MediumError { lba, kind: MediumErrorKind::PartialBlock { len } });
    }
    check_blocks(lba, len as u64 >> block_size.shift(), blocks)
}

/// Checks that `count` blocks from `lba` on exist.
#[inline]
pub(super) fn check_blocks(lba: Lba, count: u64, blocks: u64) -> Result<(), MediumError> {
    match lba.0.checked_add(count) {
        Some(end) if end <= blocks => Ok(()),
        _ => Err(MediumError { lba, kind: MediumErrorKind::OutOfRange { blocks } }),
    }
}

impl fmt::Display for MediumError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            MediumErrorKind::OutOfRange { blocks } => {
                write!(
                    f,
                    "range from block {} passes the end of a medium of {blocks} blocks",
                    self.lba
                )
            }
            MediumErrorKind::PartialBlock { len } => {
                write!(f, "{len} bytes at block {} are not whole blocks", self.lba)
            }
            MediumErrorKind::Io(error) => write!(f, "block {}: {error}", self.lba),
        }
    }
}

impl core::error::Error for MediumError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match &self.kind {
            MediumErrorKind::Io(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_sizes() {
        assert_eq!(BlockSize::new(2048).map(BlockSize::bytes), Some(2048));
        for refused in [0, 256, 520, 8192] {
            assert_eq!(BlockSize::new(refused), None);
        }
    }

    #[test]
    fn ranges_are_checked_without_wrapping() {
        let check = |lba, count| check_blocks(Lba(lba), count, 100).is_ok();
        assert!(check(99, 1));
        assert!(check(100, 0));
        assert!(!check(99, 2));
        assert!(!check(u64::MAX, 2));
        assert!(!check(u64::MAX, u64::MAX));
        assert!(check_range(Lba(0), 513, 100, BlockSize::B512).is_err());
    }
}
