//! Which blocks of which disks, in commands of which sizes.

use hba_core::discovery::Discovered;
use hba_core::logical_unit::{LogicalUnit, Readiness};
use scsi_proto::inquiry::DeviceType;

use super::VerifyError;
use super::pieces::BlockCounts;
use crate::args::IoSizes;
use crate::hctl::Hctl;

/// The blocks of one disk that are verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct VerifyRange {
    pub(super) first: u64,
    /// From here on blocks are written twice, the second time without a flush.
    pub(super) middle: u64,
    /// The first block that is not in the range.
    pub(super) end: u64,
}

impl VerifyRange {
    /// `size` bytes from block `first` on, or what there is up to 32 MiB.
    pub(super) fn new(
        unit: &LogicalUnit,
        first: u64,
        size: Option<u64>,
    ) -> Result<Self, VerifyError> {
        let (block_size, capacity) = (u64::from(unit.block_size.0), unit.blocks);
        let hctl = Hctl(unit.nexus);
        let room = capacity.saturating_sub(first);
        let blocks = match size {
            Some(bytes) if bytes == 0 || !bytes.is_multiple_of(block_size) => {
                return Err(VerifyError::Size { bytes, block_size });
            }
            Some(bytes) => bytes / block_size,
            None => room.min(SIZE / block_size).max(1),
        };
        if blocks > room {
            return Err(VerifyError::Beyond { hctl, first, blocks, capacity });
        }
        Ok(Self { first, middle: first + blocks.div_ceil(2), end: first + blocks })
    }

    pub(super) const fn blocks(&self) -> u64 {
        self.end - self.first
    }

    /// Blocks that are written twice.
    pub(super) const fn unflushed(&self) -> u64 {
        self.end - self.middle
    }
}

/// The disks that can be verified: all of them.
pub(super) fn disks(found: &Discovered) -> Result<Vec<LogicalUnit>, VerifyError> {
    let is_disk = |unit: &&LogicalUnit| unit.device_type == DeviceType::DISK;
    let disks: Vec<_> = found.units.iter().filter(is_disk).cloned().collect();
    if disks.is_empty() {
        return Err(VerifyError::NoDisk);
    }
    for disk in &disks {
        let hctl = Hctl(disk.nexus);
        match disk.readiness {
            Readiness::Ready if disk.write_protected => {
                return Err(VerifyError::WriteProtected { hctl });
            }
            Readiness::Ready if disk.bytes().is_some() => {}
            readiness => return Err(VerifyError::NotReady { hctl, readiness }),
        }
    }
    Ok(disks)
}

/// `sizes` in blocks of `block_size` bytes, at most `transfer_max` bytes.
pub(super) fn block_counts(
    sizes: Option<IoSizes>,
    block_size: u32,
    transfer_max: u32,
) -> Result<BlockCounts, VerifyError> {
    let Some(IoSizes { min, max }) = sizes else {
        let max = (IO_SIZE.min(transfer_max) / block_size).max(1);
        return Ok(BlockCounts { min: 1, max });
    };
    let (min, max) = (min.bytes(), max.bytes());
    if max > u64::from(transfer_max) || max < u64::from(block_size) {
        return Err(VerifyError::IoSize { bytes: max, block_size, transfer_max });
    }
    let blocks = |bytes: u64| (bytes / u64::from(block_size)).max(1) as u32;
    Ok(BlockCounts { min: blocks(min), max: blocks(max) })
}

/// Bytes that are verified on each disk by default.
const SIZE: u64 = 32 << 20;
/// The longest transfer by default, in bytes.
const IO_SIZE: u32 = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(text: &str) -> Option<IoSizes> {
        Some(text.parse().expect("sizes"))
    }

    #[test]
    fn transfers_are_whole_blocks_that_the_controller_takes() {
        let counts = |text, block_size| block_counts(sizes(text), block_size, 1 << 20);
        assert_eq!(counts("1-5000", 512).expect("counts"), BlockCounts { min: 1, max: 9 });
        assert_eq!(counts("4K-1M", 4096).expect("counts"), BlockCounts { min: 1, max: 256 });
        assert!(counts("512-2048", 4096).is_err(), "less than a block");
        assert!(counts("512-1025K", 512).is_err(), "more than the controller moves");
        let defaults = block_counts(None, 4096, 64 << 10).expect("counts");
        assert_eq!(defaults, BlockCounts { min: 1, max: 16 });
    }
}
