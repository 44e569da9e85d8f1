//! The command line as types.

use core::fmt;
use core::num::{NonZeroU16, NonZeroU32};
use core::str::FromStr;
use core::time::Duration;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use hba_core::fabric::{FaultUnit, RequesterId};
use scsi_proto::mode::ModeForm;
use sim_backend::campaign::Profile;

use crate::bench::Mode;
use crate::controller::{ControllerSpec, DiskPlan};
use crate::hctl::Hctl;
use crate::hex::CdbText;
use crate::session::{Fault, SessionConfig, SessionError, SimBehaviour};
use crate::size::{Size, SizeError};

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
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(VerifyArgs),
    /// Measure how many commands end in a second, and how long each takes
    ///
    /// Keeps commands outstanding on every vector in use and counts those that end. Wall time is what is measured, on
    /// simulated controllers too: they work on this machine's processors, and their own clock is not looked at. A vector
    /// has a thread of its own when there are several; MPI 1.x controllers have one.
    #[command(after_help = BENCH_EXAMPLES)]
    Bench(BenchArgs),
    /// Send one command and show what comes back
    ///
    /// The bytes of the CDB are sent as they are. Direction and length of the data are what is said here and nothing
    /// else.
    #[command(after_help = SEND_EXAMPLES)]
    Send(SendArgs),
    /// Say what bytes mean, field by field; sends nothing
    ///
    /// Each field with its place: byte, or byte.bit and byte.high:low. What is cut off is shown as far as it goes, what
    /// is not known as it is. --block-size says how long the blocks are that a CDB counts.
    #[command(after_help = DECODE_EXAMPLES)]
    Decode(DecodeArgs),
    /// Say whether the controller's DMA can reach memory, and what to do where not
    ///
    /// Shows the controller's limits, the requester IDs under which its DMA may appear with the rule that gives each, which of
    /// them are mapped, and everything that does not fit together. Without --topology or --sysfs it knows the limits only.
    #[command(after_help = DOCTOR_EXAMPLES)]
    Doctor(DoctorArgs),
    /// Show the simulated controller to a virtual machine, whose own driver meets it
    ///
    /// Waits on a socket for one client that speaks vfio-user, such as QEMU from 10.1 on, and ends when it leaves. Costs
    /// nothing while the guest is idle.
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(ServeArgs),
    /// Run campaigns against faults and power cuts in virtual time, judged after every event
    ///
    /// Each seed is a run of its own: machine, operations and faults are drawn from it before it begins. A run that
    /// fails is made smaller, stored, and the command that replays it is shown. Ends with PASS or FAIL.
    #[command(after_help = SIM_EXAMPLES)]
    Sim(SimArgs),
}

/// Which controller, which disks.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "Controller and disks")]
pub struct RigArgs {
    /// The controller: sim:sas1068, sim:sas2008, sim:sas3008, sim:direct or qemu:mptsas1068
    #[arg(long, value_name = "SPEC", global = true, default_value = "sim:sas1068")]
    pub controller: ControllerSpec,
    /// A disk image; may be given for each disk. Raw, on QEMU also qcow2
    #[arg(long = "disk", value_name = "PATH", global = true)]
    pub disk: Vec<PathBuf>,
    /// Number of disks; those without an image are in memory [default: one for each image, or 2]
    #[arg(long, value_name = "N", global = true)]
    pub disks: Option<usize>,
    /// Size of a disk in memory, such as 64M, 1G, 66TB
    #[arg(long, value_name = "SIZE", global = true, default_value = "64M")]
    pub disk_size: Size,
    /// Bytes of a logical block: 512, 1024, 2048 or 4096
    #[arg(long, value_name = "N", global = true, default_value_t = 512)]
    pub block_size: u32,
    /// An argument for QEMU, passed on unchanged; may be repeated. The controller's bus is hba.0
    #[arg(long = "qemu-arg", value_name = "ARG", global = true, allow_hyphen_values = true)]
    pub qemu_arg: Vec<String>,
    /// Answer in JSON
    #[arg(long, global = true)]
    pub json: bool,
}

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
    #[arg(long, value_name = "N", default_value = "32")]
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

/// The options of `sim`.
#[derive(Clone, Debug, ClapArgs)]
pub struct SimArgs {
    /// The seeds, the last one not included
    #[arg(long, value_name = "A..B", default_value = "0..100")]
    pub seeds: SeedRange,
    /// Run for so long, with seeds from A on and no end
    #[arg(long, value_name = "S")]
    pub seconds: Option<u64>,
    /// What goes wrong: swarm, calm, sick, power, liars or soak
    #[arg(long, value_name = "NAME", default_value = "swarm")]
    pub profile: Profile,
    /// Runs at the same time
    #[arg(long, value_name = "N", default_value = "1")]
    pub jobs: NonZeroU32,
    /// Only the I-th of N parts of the seeds, I from 0 on
    #[arg(long, value_name = "I/N", default_value = "0/1")]
    pub shard: Shard,
    /// Run each seed a second time, with the log or under a flight recorder, and compare the trace hashes
    #[arg(long)]
    pub twice: bool,
    /// Write every word between the core and its backend to a file, a line each
    #[arg(long, value_name = "FILE", conflicts_with = "exhaustive")]
    pub log: Option<PathBuf>,
    /// Run what a failure left
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seeds", "seconds", "exhaustive"])]
    pub replay: Option<PathBuf>,
    /// Instead of seeds: every workload of N operations, every moment of a power cut, every outcome
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=6), conflicts_with_all = ["seeds", "seconds"])]
    pub exhaustive: Option<u32>,
    /// Plant a bug for the campaign to find: its name, `list` for the names, `fast` or `all` to hunt for eight or each
    #[cfg(feature = "sabotage")]
    #[arg(long, value_name = "NAME")]
    pub sabotage: Option<String>,
}

impl SimArgs {
    /// The profile's name.
    pub(crate) fn profile_name(&self) -> &'static str {
        self.profile.name()
    }

    /// The option that plants a bug, as it was given.
    pub(crate) fn planted(&self) -> String {
        #[cfg(feature = "sabotage")]
        if let Some(name) = &self.sabotage {
            return format!(" --sabotage {name}");
        }
        String::new()
    }

    /// Whether the `number`-th of many things belongs to this shard.
    #[cfg(feature = "sabotage")]
    pub(crate) fn is_of_part(&self, number: u64) -> bool {
        number % u64::from(self.shard.of) == u64::from(self.shard.index)
    }
}

/// Seeds from the first up to the end, which is not one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeedRange {
    /// The first.
    pub first: u64,
    /// One more than the last.
    pub end: u64,
}

impl FromStr for SeedRange {
    type Err = String;

    /// Reads `0..1000`; a single number means one seed.
    fn from_str(text: &str) -> Result<Self, String> {
        let seed = |text| parse_seed(text).map_err(|error| format!("{text}: {error}"));
        let (first, end) = match text.split_once("..") {
            Some((first, end)) => (seed(first)?, seed(end)?),
            None => (seed(text)?, seed(text)?.saturating_add(1)),
        };
        if first >= end {
            return Err(format!("no seed is in {first}..{end}"));
        }
        Ok(Self { first, end })
    }
}

impl fmt::Display for SeedRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.first, self.end)
    }
}

/// One of several equal parts of a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which, from 0 on.
    pub index: u32,
    /// Of how many; at least 1.
    pub of: u32,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts =
            text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match parts {
            Some((index, of)) if index < of => Ok(Self { index, of }),
            _ => Err("a shard is I/N with I below N, as in 0/16".into()),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

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
    #[arg(long, value_name = "N", default_value = "32")]
    pub depth: NonZeroU32,
    /// Vectors in use, each with a thread
    #[arg(long, value_name = "N", default_value = "1")]
    pub vectors: NonZeroU16,
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

/// How simulated disks misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum FaultArg {
    /// A flush answers GOOD and writes nothing.
    LyingFlush,
    /// The power cut leaves a block half old and half new.
    Torn,
}

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

fn parse_seed(text: &str) -> Result<u64, core::num::ParseIntError> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    }
}

impl RigArgs {
    /// What to start.
    ///
    /// # Errors
    ///
    /// [`SessionError`] when a disk cannot be.
    pub fn session(&self, behaviour: SimBehaviour) -> Result<SessionConfig, SessionError> {
        let bytes = self.disk_size.bytes();
        let disks = DiskPlan::new(&self.disk, self.disks, bytes, self.block_size)?;
        let qemu_args = self.qemu_arg.clone();
        let controller = self.controller;
        Ok(SessionConfig { controller, disks, qemu_args, behaviour, queues: None, record: false })
    }
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
  1  verify found a block that must not be,       3  the controller or a device failed
     or doctor what would fail";

const LIST_EXAMPLES: &str = "\
Examples:
  hba list
  hba list --json --controller sim:direct --disks 8 --block-size 4096
  hba list --controller qemu:mptsas1068 --disk big.qcow2 --disk small.raw";

const VERIFY_EXAMPLES: &str = "\
Examples:
  hba verify                                      two disks in memory, about a second
  hba verify --fault lying-flush                  shows that the check can fail
  hba verify --fault torn
  hba verify --size 1G --disk-size 1G --depth 128 --io-size 4K-1M
  hba verify --controller qemu:mptsas1068 --disk big.qcow2 --start 4294967200 --size 1M";

const BENCH_EXAMPLES: &str = "\
Examples:
  hba bench                                       4 KiB random reads on a simulated SAS1068
  hba bench --controller sim:direct --vectors 4 --depth 64 --seconds 2
  hba bench --rw randrw --bs 64K --plot bench.svg
  hba bench --controller qemu:mptsas1068 --json
  hba bench --rw write --disk scratch.raw --overwrite";

const SEND_EXAMPLES: &str = "\
Examples:
  hba send --lun 0:0:0:0 --cdb '12 01 83 00 ff 00' --in 255
                                                  VPD page 83h
  hba send --lun 0:0:1:0 --cdb 25000000000000000000 --in 8
                                                  READ CAPACITY(10)
  hba send --lun 0:0:0:0 --cdb 2a000000000000000100 --out block.bin
                                                  WRITE(10), one block
  hba send --lun 0:0:0:0 --cdb 28000000000000000800 --in 4K --data-out first.bin";

const SERVE_EXAMPLES: &str = "\
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

const DECODE_EXAMPLES: &str = "\
Examples:
  hba decode cdb 2a 08 00 00 00 08 00 00 08 00 --block-size 4096
  hba decode sense '70 00 05 00 00 00 00 0a 00 00 00 00 20 00 00 c0 00 00'
  hba decode vpd --json <page83.hex
  hba decode status 28
  hba decode fault 0x80000001 0x80000000
  hba decode fault --kind vtd 0x80000000 0 0x0200 0xc0000002
  hba decode fault 0x02220060";

const SIM_EXAMPLES: &str = "\
Examples:
  hba sim --controller sim:direct                 100 seeds, a second or two
  hba sim --controller sim:direct --seeds 0..100000 --jobs 8
  hba sim --seconds 600 --profile power           ten minutes on the SAS1068
  hba sim --exhaustive 3 --controller sim:direct  every power cut of every small workload
  hba sim --replay hba-sim-42-O9.txt              what a failure left

docs/campaigns.md has the oracles, the profiles and how to run a campaign on a cluster.";

const DOCTOR_EXAMPLES: &str = "\
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn io_sizes() {
        let sizes: IoSizes = "512-256K".parse().expect("a range");
        assert_eq!((sizes.min.bytes(), sizes.max.bytes()), (512, 256 << 10));
        assert_eq!("4K".parse::<IoSizes>(), "4096-4096".parse());
        assert_eq!("8K-4K".parse::<IoSizes>(), Err(IoSizesError::Order));
        assert_eq!("0-4K".parse::<IoSizes>(), Err(IoSizesError::Size(SizeError::Zero)));
    }

    #[test]
    fn seeds() {
        assert_eq!(parse_seed("0xff"), Ok(255));
        assert_eq!(parse_seed("12"), Ok(12));
        assert!(parse_seed("0x").is_err());
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
