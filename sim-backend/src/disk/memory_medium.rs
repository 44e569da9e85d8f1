//! A medium in memory that only holds what was written.

use scsi_proto::Lba;

use super::medium::{BlockSize, Medium, MediumError, check_blocks, check_range};
use super::sparse::SparseTable;

/// Bytes that are allocated together. A multiple of every block size.
const EXTENT_LEN: usize = 64 * 1024;

type Extents = SparseTable<u8, EXTENT_LEN>;

/// A sparse medium: an extent of 64 KiB is allocated by the first write of a non-zero byte to it.
///
/// The capacity costs nothing by itself, so a disk of 66 TB is as cheap as one of 66 MB.
#[derive(Debug)]
pub struct MemoryMedium {
    blocks: u64,
    block_size: BlockSize,
    /// Indexed by byte.
    extents: Extents,
}

impl MemoryMedium {
    /// The largest capacity in bytes. It bounds the directory that one write can allocate.
    pub const BYTES_MAX: u64 = 1 << 50;

    /// A medium of `blocks` zeroed blocks, cut down to [`BYTES_MAX`](Self::BYTES_MAX) bytes.
    #[must_use = "a medium does nothing until a disk uses it"]
    pub fn new(blocks: u64, block_size: BlockSize) -> Self {
        let blocks = blocks.min(Self::BYTES_MAX >> block_size.shift());
        Self { blocks, block_size, extents: Extents::new() }
    }

    /// Where `lba` begins, in bytes. In range once the range was checked.
    #[inline]
    const fn byte(&self, lba: Lba) -> u64 {
        lba.0 << self.block_size.shift()
    }
}

impl Medium for MemoryMedium {
    fn blocks(&self) -> u64 {
        self.blocks
    }

    fn block_size(&self) -> BlockSize {
        self.block_size
    }

    #[inline]
    fn read(&mut self, lba: Lba, data: &mut [u8]) -> Result<(), MediumError> {
        check_range(lba, data.len(), self.blocks, self.block_size)?;
        let mut at = self.byte(lba);
        let mut rest = data;
        while !rest.is_empty() {
            let offset = Extents::offset(at);
            let (part, next) = rest.split_at_mut(rest.len().min(EXTENT_LEN - offset));
            match self.extents.leaf(at) {
                Some(extent) => part.copy_from_slice(&extent[offset..offset + part.len()]),
                None => part.fill(0),
            }
            at += part.len() as u64;
            rest = next;
        }
        Ok(())
    }

    #[inline]
    fn write(&mut self, lba: Lba, data: &[u8]) -> Result<(), MediumError> {
        check_range(lba, data.len(), self.blocks, self.block_size)?;
        let mut at = self.byte(lba);
        let mut rest = data;
        while !rest.is_empty() {
            let offset = Extents::offset(at);
            let (part, next) = rest.split_at(rest.len().min(EXTENT_LEN - offset));
            let extent = match self.extents.leaf_mut(at) {
                Some(extent) => Some(extent),
                None if part.iter().all(|byte| *byte == 0) => None,
                None => Some(self.extents.leaf_or_insert(at)),
            };
            if let Some(extent) = extent {
                extent[offset..offset + part.len()].copy_from_slice(part);
            }
            at += part.len() as u64;
            rest = next;
        }
        Ok(())
    }

    fn deallocate(&mut self, lba: Lba, blocks: u64) -> Result<(), MediumError> {
        check_blocks(lba, blocks, self.blocks)?;
        let mut at = self.byte(lba);
        let end = self.byte(Lba(lba.0 + blocks));
        while at < end {
            let offset = Extents::offset(at);
            let len = (end - at).min((EXTENT_LEN - offset) as u64) as usize;
            if len == EXTENT_LEN {
                self.extents.remove_leaf(at);
            } else if let Some(extent) = self.extents.leaf_mut(at) {
                extent[offset..offset + len].fill(0);
            }
            at += len as u64;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), MediumError> {
        Ok(())
    }

    #[inline]
    fn borrow(&self, lba: Lba, len: usize) -> Option<&[u8]> {
        static ZEROS: [u8; EXTENT_LEN] = [0; EXTENT_LEN];
        check_range(lba, len, self.blocks, self.block_size).ok()?;
        let at = self.byte(lba);
        let offset = Extents::offset(at);
        self.extents.leaf(at).unwrap_or(&ZEROS).get(offset..offset + len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCKS_66_TB: u64 = 66_000_000_000_000 / 512;

    #[test]
    fn huge_capacity_is_sparse() {
        let mut medium = MemoryMedium::new(BLOCKS_66_TB, BlockSize::B512);
        assert_eq!(medium.blocks(), BLOCKS_66_TB);
        let last = Lba(BLOCKS_66_TB - 1);
        medium.write(last, &[0; 512]).unwrap();
        assert!(medium.extents.leaf(medium.byte(last)).is_none(), "zeros need no extent");
        medium.write(last, &[7; 512]).unwrap();
        let mut block = [0; 512];
        medium.read(last, &mut block).unwrap();
        assert_eq!(block, [7; 512]);
        medium.read(Lba(0), &mut block).unwrap();
        assert_eq!(block, [0; 512]);
    }

    #[test]
    fn runs_cross_extents() {
        let mut medium = MemoryMedium::new(1024, BlockSize::B512);
        let data: Vec<u8> = (0..512 * 300).map(|i| (i % 251) as u8).collect();
        medium.write(Lba(100), &data).unwrap();
        let mut back = vec![0; data.len()];
        medium.read(Lba(100), &mut back).unwrap();
        assert_eq!(back, data);
    }

    #[test]
    fn only_ranges_within_an_extent_are_borrowed() {
        let mut medium = MemoryMedium::new(1024, BlockSize::B512);
        medium.write(Lba(127), &[3; 1024]).unwrap();
        assert_eq!(medium.borrow(Lba(127), 512), Some(&[3; 512][..]));
        assert_eq!(medium.borrow(Lba(300), 1024), Some(&[0; 1024][..]));
        assert_eq!(medium.borrow(Lba(127), 1024), None);
        assert_eq!(medium.borrow(Lba(1024), 512), None);
    }

    #[test]
    fn deallocated_blocks_read_as_zeros_and_free_whole_extents() {
        let mut medium = MemoryMedium::new(1024, BlockSize::B512);
        medium.write(Lba(0), &[1; 512 * 512]).unwrap();
        medium.deallocate(Lba(100), 300).unwrap();
        assert!(medium.extents.leaf(medium.byte(Lba(128))).is_none());
        let mut back = vec![9; 512 * 512];
        medium.read(Lba(0), &mut back).unwrap();
        let expected = |block: usize| if (100..400).contains(&block) { 0 } else { 1 };
        assert!(back.chunks(512).enumerate().all(|(i, block)| block == [expected(i); 512]));
    }

    #[test]
    fn ends_are_checked() {
        let mut medium = MemoryMedium::new(10, BlockSize::B4096);
        assert!(medium.read(Lba(9), &mut [0; 8192]).is_err());
        assert!(medium.write(Lba(u64::MAX), &[0; 4096]).is_err());
        assert!(medium.deallocate(Lba(1), u64::MAX).is_err());
        assert!(medium.write(Lba(0), &[0; 100]).is_err());
    }
}
