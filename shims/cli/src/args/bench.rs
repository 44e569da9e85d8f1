//! The options of `bench`.

use core::fmt;
use core::num::NonZeroU32;
use core::str::FromStr;
use core::time::Duration;
use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::count::parse_count;
use crate::bench::Mode;
use crate::size::Size;

/// The options of `bench`.
#[derive(Clone, Debug, ClapArgs)]
pub struct BenchArgs {
    /// Which commands
    #[arg(long, value_name = "MODE", default_value = "randread")]
    pub rw: Mode,
    /// Bytes of a command
    #[arg(long, value_name = "SIZE", default_value = "4K")]
    pub bs: Size,
    /// Commands outstanding on each vector
    #[arg(long, value_name = "N", default_value = "32", value_parser = parse_count)]
    pub depth: NonZeroU32,
    /// Vectors in use, each with a thread
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..))]
    pub vectors: u16,
    /// How long to measure, after a warm-up of a tenth of that and at most half a second
    #[arg(long, value_name = "S", default_value = "5")]
    pub seconds: Seconds,
    /// Draw latency percentiles and throughput into FILE, as SVG
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
    /// Permit writes to the images of --disk and to what --qemu-arg attaches: what is on them is lost
    #[arg(long)]
    pub overwrite: bool,
    /// Keep the last words of every queue, and show them if something fails; costs time
    #[arg(long)]
    pub recorder: bool,
    /// Write a timeline of all commands into FILE, for ui.perfetto.dev; costs much time
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
}

/// A time on the command line, 10 ms to a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seconds(pub Duration);

/// Not such a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecondsError;

impl FromStr for Seconds {
    type Err = SecondsError;

    fn from_str(text: &str) -> Result<Self, SecondsError> {
        let seconds: f64 = text.parse().map_err(|_| SecondsError)?;
        let permitted = (0.01..=86_400.0).contains(&seconds);
        if permitted { Ok(Self(Duration::from_secs_f64(seconds))) } else { Err(SecondsError) }
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.as_secs_f64())
    }
}

impl fmt::Display for SecondsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("seconds are a number from 0.01 to 86400")
    }
}

impl core::error::Error for SecondsError {}

pub(super) const EXAMPLES: &str = "\
Examples:
  hba bench                                       4 KiB random reads on a simulated SAS1068
  hba bench --controller sim:direct --vectors 4 --depth 64 --seconds 2
  hba bench --rw randrw --bs 64K --plot bench.svg
  hba bench --controller qemu:mptsas1068 --json
  hba bench --rw write --disk scratch.raw --overwrite";
