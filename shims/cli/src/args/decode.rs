//! The options of `decode`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use hba_core::fabric::FaultUnit;
use scsi_proto::mode::ModeForm;

/// The options of `decode`.
#[derive(Clone, Debug, ClapArgs)]
pub struct DecodeArgs {
    /// What the bytes are
    pub subject: DecodeSubject,
    /// The bytes in hexadecimal; none, or -, is standard input
    #[arg(value_name = "HEX")]
    pub hex: Vec<String>,
    /// Mode parameters are of MODE SENSE(6) or of MODE SENSE(10) [default: what their length fits]
    #[arg(long, value_name = "6|10")]
    pub form: Option<ModeFormArg>,
    /// What recorded the fault [default: what the form of the words fits]
    #[arg(long)]
    pub kind: Option<FaultKind>,
    /// A file that says what is known of the controller, as for doctor: the fault is explained with it
    #[arg(long, value_name = "FILE")]
    pub topology: Option<PathBuf>,
}

/// What bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum DecodeSubject {
    /// A command descriptor block.
    Cdb,
    /// Sense data, in fixed or descriptor format.
    Sense,
    /// A status byte.
    Status,
    /// Standard INQUIRY data.
    Inquiry,
    /// A vital product data page.
    Vpd,
    /// Mode parameters: header, block descriptors, pages.
    Mode,
    /// Words that an IOMMU or a root port recorded of a DMA that it refused.
    Fault,
}

/// What recorded a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum FaultKind {
    /// Apple's DART of the T8020 generation (M1): status, address.
    DartT8020,
    /// Apple's DART of the T8110 generation (M2): status, address.
    DartT8110,
    /// An Intel VT-d fault recording register: four words, or two of 64 bits, lowest first.
    Vtd,
    /// An entry of an AMD IOMMU's event log: four words, or two of 64 bits, lowest first.
    AmdVi,
    /// The interrupt status of an Apple root port: one word.
    AppleRootPort,
}

impl From<FaultKind> for FaultUnit {
    fn from(kind: FaultKind) -> Self {
        match kind {
            FaultKind::DartT8020 => Self::DartT8020,
            FaultKind::DartT8110 => Self::DartT8110,
            FaultKind::Vtd => Self::VtD,
            FaultKind::AmdVi => Self::AmdVi,
            FaultKind::AppleRootPort => Self::AppleRootPort,
        }
    }
}

/// The two forms of mode parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ModeFormArg {
    /// A header of 4 bytes.
    #[value(name = "6")]
    Six,
    /// A header of 8 bytes.
    #[value(name = "10")]
    Ten,
}

impl From<ModeFormArg> for ModeForm {
    fn from(form: ModeFormArg) -> Self {
        match form {
            ModeFormArg::Six => Self::Six,
            ModeFormArg::Ten => Self::Ten,
        }
    }
}

pub(super) const EXAMPLES: &str = "\
Examples:
  hba decode cdb 2a 08 00 00 00 08 00 00 08 00 --block-size 4096
  hba decode sense '70 00 05 00 00 00 00 0a 00 00 00 00 20 00 00 c0 00 00'
  hba decode vpd --json <page83.hex
  hba decode status 28
  hba decode fault 0x80000001 0x80000000
  hba decode fault --kind vtd 0x80000000 0 0x0200 0xc0000002
  hba decode fault 0x02220060";
