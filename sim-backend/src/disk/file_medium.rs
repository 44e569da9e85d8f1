//! A medium in a raw image file.

use core::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use scsi_proto::Lba;

use super::medium::{BlockSize, Medium, MediumError, MediumErrorKind, check_blocks, check_range};

/// A raw file whose byte `n` is byte `n` of the disk.
///
/// The capacity is fixed when the file is opened. An error of the file system ends the command with
/// MEDIUM ERROR; a file that was cut shorter meanwhile is such an error too.
#[derive(Debug)]
pub struct FileMedium {
    file: File,
    blocks: u64,
    block_size: BlockSize,
}

/// A file cannot be a medium.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenMediumError {
    /// The file could not be opened for reading and writing, or its size is not known.
    Io(io::Error),
    /// The file is not a whole number of blocks.
    OddSize {
        /// Length of the file in bytes.
        len: u64,
        /// The block size that was asked for.
        block_size: BlockSize,
    },
    /// The file has no bytes, so the disk would have no last block.
    Empty,
}

impl FileMedium {
    /// Opens an existing file for reading and writing.
    ///
    /// # Errors
    ///
    /// [`OpenMediumError`] if it cannot be opened, is empty, or is not a whole number of blocks.
    pub fn open(path: &Path, block_size: BlockSize) -> Result<Self, OpenMediumError> {
        Self::from_file(OpenOptions::new().read(true).write(true).open(path)?, block_size)
    }

    /// Takes a file that is open for reading and writing.
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open).
    pub fn from_file(mut file: File, block_size: BlockSize) -> Result<Self, OpenMediumError> {
        // Seeking also measures block devices, whose metadata has no length.
        let len = file.seek(SeekFrom::End(0))?;
        match len {
            0 => Err(OpenMediumError::Empty),
            _ if !len.is_multiple_of(u64::from(block_size.bytes())) => {
                Err(OpenMediumError::OddSize { len, block_size })
            }
            _ => Ok(Self { file, blocks: len >> block_size.shift(), block_size }),
        }
    }

    fn seek(&mut self, lba: Lba) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(lba.0 << self.block_size.shift())).map(drop)
    }
}

impl Medium for FileMedium {
    fn blocks(&self) -> u64 {
        self.blocks
    }

    fn block_size(&self) -> BlockSize {
        self.block_size
    }

    fn read(&mut self, lba: Lba, data: &mut [u8]) -> Result<(), MediumError> {
        check_range(lba, data.len(), self.blocks, self.block_size)?;
        self.seek(lba).and_then(|()| self.file.read_exact(data)).map_err(|error| failed(lba, error))
    }

    fn write(&mut self, lba: Lba, data: &[u8]) -> Result<(), MediumError> {
        check_range(lba, data.len(), self.blocks, self.block_size)?;
        self.seek(lba).and_then(|()| self.file.write_all(data)).map_err(|error| failed(lba, error))
    }

    /// Writes zeros; holes are left to the file system.
    fn deallocate(&mut self, lba: Lba, blocks: u64) -> Result<(), MediumError> {
        static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
        check_blocks(lba, blocks, self.blocks)?;
        let mut left = blocks << self.block_size.shift();
        self.seek(lba).map_err(|error| failed(lba, error))?;
        while left > 0 {
            let part = left.min(ZEROS.len() as u64) as usize;
            self.file.write_all(&ZEROS[..part]).map_err(|error| failed(lba, error))?;
            left -= part as u64;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), MediumError> {
        self.file.sync_data().map_err(|error| failed(Lba(0), error))
    }
}

fn failed(lba: Lba, error: io::Error) -> MediumError {
    MediumError { lba, kind: MediumErrorKind::Io(error) }
}

impl From<io::Error> for OpenMediumError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for OpenMediumError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "image file cannot be opened: {error}"),
            Self::OddSize { len, block_size } => {
                write!(
                    f,
                    "image file of {len} bytes is not a whole number of blocks of {block_size}"
                )
            }
            Self::Empty => f.write_str("image file is empty"),
        }
    }
}

impl core::error::Error for OpenMediumError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::fs;
    use std::path::PathBuf;
    use std::process;

    use super::*;

    /// An image in the temporary directory, removed at the end of the test.
    struct Image(PathBuf);

    impl Image {
        fn new(name: &str, len: u64) -> Self {
            let path = env::temp_dir().join(format!("hba-sim-{}-{name}.img", process::id()));
            File::create(&path).unwrap().set_len(len).unwrap();
            Self(path)
        }
    }

    impl Drop for Image {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    #[test]
    fn blocks_survive_reopening() {
        let image = Image::new("reopen", 64 * 4096);
        let mut medium = FileMedium::open(&image.0, BlockSize::B4096).unwrap();
        assert_eq!(medium.blocks(), 64);
        medium.write(Lba(63), &[5; 4096]).unwrap();
        medium.write(Lba(3), &[6; 4096]).unwrap();
        medium.deallocate(Lba(3), 1).unwrap();
        medium.sync().unwrap();
        let mut medium = FileMedium::open(&image.0, BlockSize::B4096).unwrap();
        let mut block = [1; 4096];
        medium.read(Lba(63), &mut block).unwrap();
        assert_eq!(block, [5; 4096]);
        medium.read(Lba(3), &mut block).unwrap();
        assert_eq!(block, [0; 4096]);
    }

    #[test]
    fn odd_sizes_are_refused_with_both_numbers() {
        let image = Image::new("odd", 4096 + 512);
        let error = FileMedium::open(&image.0, BlockSize::B4096).unwrap_err();
        assert_eq!(
            error.to_string(),
            "image file of 4608 bytes is not a whole number of blocks of 4096 bytes"
        );
        assert!(FileMedium::open(&image.0, BlockSize::B512).is_ok());
        let empty = Image::new("empty", 0);
        assert!(matches!(FileMedium::open(&empty.0, BlockSize::B512), Err(OpenMediumError::Empty)));
        let missing = FileMedium::open(Path::new("/nonexistent/image"), BlockSize::B512);
        assert!(matches!(missing, Err(OpenMediumError::Io(_))));
    }

    #[test]
    fn file_system_errors_name_the_block() {
        let image = Image::new("cut", 8 * 512);
        let mut medium = FileMedium::open(&image.0, BlockSize::B512).unwrap();
        File::options().write(true).open(&image.0).unwrap().set_len(512).unwrap();
        let error = medium.read(Lba(4), &mut [0; 512]).unwrap_err();
        assert_eq!(error.lba, Lba(4));
        assert!(matches!(error.kind, MediumErrorKind::Io(_)));
        assert!(medium.read(Lba(8), &mut [0; 512]).is_err());
    }
}
