//! The options of `send`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use crate::hctl::Hctl;
use crate::hex::CdbText;
use crate::size::Size;

/// The options of `send`.
#[derive(Clone, Debug, ClapArgs)]
pub struct SendArgs {
    /// The logical unit, as list shows it
    #[arg(long, value_name = "H:C:T:L")]
    pub lun: Hctl,
    /// The command, 1 to 32 bytes in hexadecimal
    #[arg(long, value_name = "HEX", allow_hyphen_values = true)]
    pub cdb: CdbText,
    /// Read up to N bytes from the device
    #[arg(long = "in", value_name = "N", conflicts_with = "data_out_file")]
    pub data_in: Option<Size>,
    /// Write the bytes of FILE to the device; - is standard input
    #[arg(long = "out", value_name = "FILE", id = "data_out_file")]
    pub out: Option<PathBuf>,
    /// Put what the device sends into FILE instead of showing it
    #[arg(long, value_name = "FILE", requires = "data_in")]
    pub data_out: Option<PathBuf>,
    /// Send it first thing after power-on, without the discovery that clears unit attentions
    #[arg(long)]
    pub no_scan: bool,
    /// Write a timeline, from bring-up on, into FILE, for ui.perfetto.dev
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
}

pub(super) const EXAMPLES: &str = "\
Examples:
  hba send --lun 0:0:0:0 --cdb '12 01 83 00 ff 00' --in 255
                                                  VPD page 83h
  hba send --lun 0:0:1:0 --cdb 25000000000000000000 --in 8
                                                  READ CAPACITY(10)
  hba send --lun 0:0:0:0 --cdb 2a000000000000000100 --out block.bin
                                                  WRITE(10), one block
  hba send --lun 0:0:0:0 --cdb 28000000000000000800 --in 4K --data-out first.bin";
