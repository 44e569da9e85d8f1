//! The options of `doctor`.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use hba_core::fabric::RequesterId;

/// The options of `doctor`.
#[derive(Clone, Debug, ClapArgs)]
pub struct DoctorArgs {
    /// A file with the PCI functions between controller and memory and with what the host maps
    #[arg(long, value_name = "FILE", conflicts_with = "sysfs")]
    pub topology: Option<PathBuf>,
    /// Take this machine's PCI functions, from DIR [default: /sys]
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = "/sys")]
    pub sysfs: Option<PathBuf>,
    /// The controller's address, such as 0000:02:04.0 [default: the file's, or the only one there]
    #[arg(long, value_name = "ADDRESS")]
    pub device: Option<RequesterId>,
}

pub(super) const EXAMPLES: &str = "\
Examples:
  hba doctor                                      the limits of the simulated SAS1068
  hba doctor --topology card.txt                  a controller in a file's topology
  hba doctor --sysfs --device 0000:02:04.0        a controller of this machine

A topology file has a fact on each line:
  root 00
  00:01.0  root-port    to 01
  01:00.0  pcie-to-pci  to 02
  02:04.0  pci          id 1000:0030
  controller 02:04.0
  mapped 02:04.0
docs/dma.md has all the words.";
