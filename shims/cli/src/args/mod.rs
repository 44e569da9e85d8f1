//! The command line as types: the subcommands, and a file for the options of each.

mod bench;
mod count;
mod decode;
mod doctor;
mod rig;
mod seed;
mod send;
mod serve;
mod sim;
mod verify;

use clap::{Parser, Subcommand};

pub use bench::{BenchArgs, Seconds, SecondsError};
pub use decode::{DecodeArgs, DecodeSubject, FaultKind, ModeFormArg};
pub use doctor::DoctorArgs;
pub use rig::RigArgs;
pub use seed::SeedRange;
pub use send::SendArgs;
pub use serve::ServeArgs;
pub use sim::{Shard, SimArgs};
pub use verify::{FaultArg, IoSizes, IoSizesError, VerifyArgs};

/// Drives a SCSI host bus adapter and the disks behind it, without an operating system's driver.
///
/// The default controller is a register-level simulation of an LSI SAS1068 with two disks in memory: nothing on this
/// machine is touched.
#[derive(Debug, Parser)]
#[command(name = "hba", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Args {
    /// Which controller, which disks.
    #[command(flatten)]
    pub rig: RigArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum Command {
    /// List the logical units, one to a row
    ///
    /// The columns: address (host:channel:target:lun), device type, vendor, model, revision, serial number, world wide
    /// name, capacity, block size, state of the write cache.
    #[command(after_help = LIST_EXAMPLES)]
    List,
    /// Prove that what the disks promise is there; overwrites them
    ///
    /// Writes a pattern to every disk at queue depth, reads it back, flushes, overwrites the second half without a
    /// flush, cuts the power, brings everything up again, and checks every block: what was flushed is there, and what
    /// was not is old or new, but whole. A controller without a power switch is reset instead. Ends with PASS or FAIL.
    #[command(after_help = verify::EXAMPLES)]
    Verify(VerifyArgs),
    /// Measure how many commands end in a second, and how long each takes
    ///
    /// Keeps commands outstanding on every vector in use and counts those that end. Wall time is what is measured, on
    /// simulated controllers too: they work on this machine's processors, and their own clock is not looked at. A vector
    /// has a thread of its own when there are several; MPI 1.x controllers have one.
    #[command(after_help = bench::EXAMPLES)]
    Bench(BenchArgs),
    /// Send one command and show what comes back
    ///
    /// The bytes of the CDB are sent as they are. Direction and length of the data are what is said here and nothing
    /// else.
    #[command(after_help = send::EXAMPLES)]
    Send(SendArgs),
    /// Say what bytes mean, field by field; sends nothing
    ///
    /// Each field with its place: byte, or byte.bit and byte.high:low. What is cut off is shown as far as it goes, what
    /// is not known as it is. --block-size says how long the blocks are that a CDB counts.
    #[command(after_help = decode::EXAMPLES)]
    Decode(DecodeArgs),
    /// Say whether the controller's DMA can reach memory, and what to do where not
    ///
    /// Shows the controller's limits, the requester IDs under which its DMA may appear with the rule that gives each, which of
    /// them are mapped, and everything that does not fit together. Without --topology or --sysfs it knows the limits only.
    #[command(after_help = doctor::EXAMPLES)]
    Doctor(DoctorArgs),
    /// Show the simulated controller to a virtual machine, whose own driver meets it
    ///
    /// Waits on a socket for one client that speaks vfio-user, such as QEMU from 10.1 on, and ends when it leaves. Costs
    /// nothing while the guest is idle.
    #[command(after_help = serve::EXAMPLES)]
    Serve(ServeArgs),
    /// Run campaigns against faults and power cuts in virtual time, judged after every event
    ///
    /// Each seed is a run of its own: machine, operations and faults are drawn from it before it begins. A run that
    /// fails is made smaller, stored, and the command that replays it is shown. Ends with PASS or FAIL.
    ///
    /// The controller is sim:direct or sim:sas1068. Options about disks, firmware and volumes are refused.
    #[command(after_help = sim::EXAMPLES)]
    Sim(SimArgs),
}

const EXAMPLES: &str = "\
Examples:
  hba verify                                      the main job, on a simulated SAS1068
  hba bench --plot bench.svg                      how fast, with a picture
  hba list --disks 8                              eight disks, one to a row
  hba list --controller qemu:mptsas1068           the SAS1068 that QEMU emulates
  hba send --lun 0:0:0:0 --cdb 120000006000 --in 96
                                                  INQUIRY, 96 bytes
  hba decode cdb 28 00 00 00 08 00 00 00 08 00    what these bytes mean
  hba decode fault 0x80000001 0x80000000          what an IOMMU recorded
  hba doctor --topology card.txt                  whether DMA will reach memory

Exit codes:
  0  done, and nothing is wrong                   2  the request makes no sense
  1  verify or sim found what must not be,        3  the controller or a device failed
     or doctor what would fail";

const LIST_EXAMPLES: &str = "\
Examples:
  hba list
  hba list --json --controller sim:direct --disks 8 --block-size 4096
  hba list --controller qemu:mptsas1068 --disk big.qcow2 --disk small.raw";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::ControllerSpec;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn common_options_stand_on_either_side() {
        for line in [
            ["hba", "--controller", "sim:direct", "--json", "list"],
            ["hba", "list", "--json", "--controller", "sim:direct"],
        ] {
            let args = Args::try_parse_from(line).expect("valid");
            assert_eq!((args.rig.controller, args.rig.json), (ControllerSpec::SimDirect, true));
        }
    }
}
