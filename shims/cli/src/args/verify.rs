//! The options of `verify`.

use core::fmt;
use core::num::NonZeroU32;
use core::str::FromStr;
use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

use super::count::parse_count;
use super::seed::parse_seed;
use crate::session::Fault;
use crate::size::{Size, SizeError};

/// The options of `verify`.
#[derive(Clone, Debug, ClapArgs)]
pub struct VerifyArgs {
    /// Interrupt vectors, each with a queue of its own, for sim:sas2008, sim:sas3008 and sim:direct: 1 to 16
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=16))]
    pub vectors: Option<u16>,
    /// Bytes to verify on each disk [default: 32M, or what the disk has]
    #[arg(long)]
    pub size: Option<Size>,
    /// The first block
    #[arg(long, value_name = "LBA", default_value_t = 0)]
    pub start: u64,
    /// Commands outstanding on each disk, as far as the controller and 128 MiB of buffers permit
    #[arg(long, value_name = "N", default_value = "32", value_parser = parse_count)]
    pub depth: NonZeroU32,
    /// Makes the run repeatable; decimal or 0x [default: from the clock, and shown]
    ///
    /// The same seed gives the same data, so on an image that it was used on before, old blocks pass for new ones.
    #[arg(long, value_name = "N", value_parser = parse_seed)]
    pub seed: Option<u64>,
    /// Shortest and longest transfer [default: one block to 256K]
    #[arg(long, value_name = "MIN-MAX")]
    pub io_size: Option<IoSizes>,
    /// Make the simulated disks misbehave: the end is FAIL then
    #[arg(long)]
    pub fault: Option<FaultArg>,
    /// Write a timeline of commands and recovery into FILE, for ui.perfetto.dev; times are the controller's
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
}

/// How simulated disks misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum FaultArg {
    /// A flush answers GOOD and writes nothing.
    LyingFlush,
    /// The power cut leaves a block half old and half new.
    Torn,
}

impl FaultArg {
    /// The fault of the disks.
    #[must_use]
    pub const fn fault(self) -> Fault {
        match self {
            Self::LyingFlush => Fault::LyingFlush,
            Self::Torn => Fault::TornBlock,
        }
    }
}

/// Shortest and longest transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoSizes {
    /// Shortest.
    pub min: Size,
    /// Longest, not shorter.
    pub max: Size,
}

/// What is wrong with a range of sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IoSizesError {
    /// One of the two sizes.
    Size(SizeError),
    /// The first is larger than the second.
    Order,
}

impl FromStr for IoSizes {
    type Err = IoSizesError;

    /// Reads `512-256K`; a single size means transfers of that size only.
    fn from_str(text: &str) -> Result<Self, IoSizesError> {
        let (min, max) = text.split_once('-').unwrap_or((text, text));
        let size = |text: &str| text.parse().map_err(IoSizesError::Size);
        let (min, max) = (size(min)?, size(max)?);
        if min > max { Err(IoSizesError::Order) } else { Ok(Self { min, max }) }
    }
}

impl fmt::Display for IoSizesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size(error) => error.fmt(f),
            Self::Order => f.write_str("the first size is larger than the second"),
        }
    }
}

impl core::error::Error for IoSizesError {}

pub(super) const EXAMPLES: &str = "\
Examples:
  hba verify                                      two disks in memory, about a second
  hba verify --fault lying-flush                  shows that the check can fail
  hba verify --fault torn
  hba verify --size 1G --disk-size 1G --depth 128 --io-size 4K-1M
  hba verify --controller sim:sas3008 --vectors 5 --firmware rdpq,atomic
  hba verify --controller qemu:mptsas1068 --disk big.qcow2 --start 4294967200 --size 1M";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn io_sizes() {
        let sizes: IoSizes = "512-256K".parse().expect("a range");
        assert_eq!((sizes.min.bytes(), sizes.max.bytes()), (512, 256 << 10));
        assert_eq!("4K".parse::<IoSizes>(), "4096-4096".parse());
        assert_eq!("8K-4K".parse::<IoSizes>(), Err(IoSizesError::Order));
        assert_eq!("0-4K".parse::<IoSizes>(), Err(IoSizesError::Size(SizeError::Zero)));
    }
}
