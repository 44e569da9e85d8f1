//! The options of `serve`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

/// The options of `serve`.
#[derive(Clone, Debug, ClapArgs)]
pub struct ServeArgs {
    /// The socket to make; it must not exist
    #[arg(long, value_name = "SOCKET")]
    pub vfio_user: PathBuf,
    /// Do what the lines of FILE say while the guest runs; - is standard input
    #[arg(long, value_name = "FILE")]
    pub script: Option<PathBuf>,
}

pub(super) const EXAMPLES: &str = "\
Examples:
  hba serve --vfio-user /tmp/hba.sock             a SAS1068 with two disks in memory
  hba serve --vfio-user /tmp/hba.sock --disk root.img --disks 4
  hba serve --vfio-user /tmp/hba.sock --script -  and commands on standard input

The commands of a script, one to a line, N is a disk from 0 on:
  unplug N       the disk is pulled out             plug N      it comes back
  hold N         it answers no command              release N   it does again
  fault CODE     the controller stops with a fault code, decimal or 0x
  sleep MS       wait, in milliseconds
Answers go to standard error: ok or error, and the command.

docs/real-drivers.md boots Linux against it.";
