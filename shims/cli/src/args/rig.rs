//! Which controller and which disks: options that every subcommand has.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use crate::controller::{ControllerSpec, DiskPlan};
use crate::part::{Firmware, PartOptions};
use crate::session::{SessionConfig, SessionError, SimBehaviour};
use crate::size::Size;

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
    /// Size of a disk in memory, such as 64M, 1G, 66TB [default: 64M]
    #[arg(long, value_name = "SIZE", global = true)]
    pub disk_size: Option<Size>,
    /// Bytes of a logical block: 512, 1024, 2048 or 4096 [default: 512]
    #[arg(long, value_name = "N", global = true)]
    pub block_size: Option<u32>,
    /// What the firmware of sim:sas2008 or sim:sas3008 offers: rdpq (reply post queues apart), atomic (descriptors of 32
    /// bits), coredump, with commas between them, or none [default: rdpq on sim:sas3008, none on sim:sas2008]
    #[arg(long, value_name = "LIST", global = true)]
    pub firmware: Option<Firmware>,
    /// A host without 64-bit stores, for sim:sas2008 and sim:sas3008: descriptors are written in two
    #[arg(long = "no-64-bit-store", global = true)]
    pub no_64_bit_store: bool,
    /// How many of the disks are RAID volumes of sim:sas2008 or sim:sas3008, 0 to 2, each over two disks that do not show
    #[arg(long, value_name = "N", global = true, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub volumes: u8,
    /// An argument for QEMU, passed on unchanged; may be repeated. The controller's bus is hba.0
    #[arg(long = "qemu-arg", value_name = "ARG", global = true, allow_hyphen_values = true)]
    pub qemu_arg: Vec<String>,
    /// Answer in JSON
    #[arg(long, global = true)]
    pub json: bool,
}

impl RigArgs {
    /// What to start.
    ///
    /// # Errors
    ///
    /// [`SessionError`] when a disk cannot be.
    pub fn session(&self, behaviour: SimBehaviour) -> Result<SessionConfig, SessionError> {
        let bytes = self.disk_size.map_or(64 << 20, Size::bytes);
        let disks = DiskPlan::new(&self.disk, self.disks, bytes, self.block_size())?;
        let qemu_args = self.qemu_arg.clone();
        let controller = self.controller;
        let part = self.part();
        part.check(controller)?;
        if usize::from(part.volumes) > disks.sources().len() {
            return Err(SessionError::Volumes {
                volumes: part.volumes,
                disks: disks.sources().len(),
            });
        }
        let (queues, record) = (None, false);
        Ok(SessionConfig { controller, disks, part, qemu_args, behaviour, queues, record })
    }

    /// Bytes of a logical block.
    #[must_use]
    pub fn block_size(&self) -> u32 {
        self.block_size.unwrap_or(512)
    }

    /// An option about the machine that was given, if any was, other than the controller.
    #[must_use]
    pub fn machine_option(&self) -> Option<&'static str> {
        let given = [
            ("--disk", !self.disk.is_empty()),
            ("--disks", self.disks.is_some()),
            ("--disk-size", self.disk_size.is_some()),
            ("--block-size", self.block_size.is_some()),
            ("--qemu-arg", !self.qemu_arg.is_empty()),
        ];
        let of_disks = given.into_iter().find_map(|(name, is_given)| is_given.then_some(name));
        self.part().first().or(of_disks)
    }

    /// What is chosen of a SAS2008 or SAS3008.
    #[must_use]
    pub const fn part(&self) -> PartOptions {
        let Self { firmware, no_64_bit_store: halved_stores, volumes, .. } = *self;
        PartOptions { firmware, halved_stores, volumes }
    }
}
