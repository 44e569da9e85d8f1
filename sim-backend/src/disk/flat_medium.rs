//! A medium that is one piece of memory.

use scsi_proto::Lba;

use super::medium::{BlockSize, Medium, MediumError, check_blocks, check_range};

/// A medium in one piece of memory, allocated at once: small, and as fast as a copy.
///
/// For benchmarks, and for campaigns that want commands rather than capacity. Whatever is larger than memory is for
/// [`MemoryMedium`](super::MemoryMedium).
#[derive(Debug)]
pub struct FlatMedium {
    blocks: u64,
    block_size: BlockSize,
    bytes: Box<[u8]>,
}

impl FlatMedium {
    /// A medium of `blocks` zeroed blocks, all of them in memory.
    ///
    /// # Panics
    ///
    /// If the address space or memory does not hold it.
    #[must_use = "a medium does nothing until a disk uses it"]
    pub fn new(blocks: u32, block_size: BlockSize) -> Self {
        let bytes = vec![0; blocks as usize * block_size.bytes() as usize];
        Self { blocks: blocks.into(), block_size, bytes: bytes.into_boxed_slice() }
    }

    /// Where the `len` bytes from `lba` on lie; a range that was checked.
    #[inline]
    fn place(&self, lba: Lba, len: usize) -> core::ops::Range<usize> {
        let at = (lba.0 << self.block_size.shift()) as usize;
        at..at + len
    }

    /// The same for a range that was not checked, or `None` where it does not exist.
    #[inline]
    fn place_of(&self, lba: Lba, len: usize) -> Option<core::ops::Range<usize>> {
        (lba.0 < self.blocks).then(|| self.place(lba, len))
    }
}

impl Medium for FlatMedium {
    fn blocks(&self) -> u64 {
        self.blocks
    }

    fn block_size(&self) -> BlockSize {
        self.block_size
    }

    #[inline]
    fn read(&mut self, lba: Lba, data: &mut [u8]) -> Result<(), MediumError> {
        check_range(lba, data.len(), self.blocks, self.block_size)?;
        data.copy_from_slice(&self.bytes[self.place(lba, data.len())]);
        Ok(())
    }

    #[inline]
    fn write(&mut self, lba: Lba, data: &[u8]) -> Result<(), MediumError> {
        check_range(lba, data.len(), self.blocks, self.block_size)?;
        let place = self.place(lba, data.len());
        self.bytes[place].copy_from_slice(data);
        Ok(())
    }

    fn deallocate(&mut self, lba: Lba, blocks: u64) -> Result<(), MediumError> {
        check_blocks(lba, blocks, self.blocks)?;
        let place = self.place(lba, (blocks << self.block_size.shift()) as usize);
        self.bytes[place].fill(0);
        Ok(())
    }

    #[inline]
    fn sync(&mut self) -> Result<(), MediumError> {
        Ok(())
    }

    #[inline]
    fn borrow(&self, lba: Lba, len: usize) -> Option<&[u8]> {
        self.bytes.get(self.place_of(lba, len)?)
    }

    #[inline]
    fn borrow_mut(&mut self, lba: Lba, len: usize) -> Option<&mut [u8]> {
        let place = self.place_of(lba, len)?;
        self.bytes.get_mut(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_was_written_and_nothing_beyond_its_end() {
        let mut medium = FlatMedium::new(4, BlockSize::B512);
        medium.write(Lba(2), &[7; 1024]).unwrap();
        assert!(medium.write(Lba(3), &[7; 1024]).is_err());
        assert!(medium.write(Lba(0), &[7; 100]).is_err());
        let mut back = [1; 2048];
        medium.read(Lba(0), &mut back).unwrap();
        assert_eq!((back[1023], back[1024], back[2047]), (0, 7, 7));
        medium.deallocate(Lba(3), 1).unwrap();
        assert_eq!(medium.borrow(Lba(3), 512), Some(&[0; 512][..]));
        assert_eq!(medium.borrow(Lba(4), 512), None);
        assert!(medium.deallocate(Lba(3), u64::MAX).is_err());
    }
}
