//! What to start.

use core::time::Duration;
use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::disk::DiskConfig;
use crate::error::StartError;
use crate::memory::RamLayout;

/// What to start; `Config::default()` is an `mptsas1068` without disks.
#[derive(Clone, Debug)]
pub struct Config {
    /// The controller's model.
    pub controller: Controller,
    /// More properties of the controller's `-device`, such as `{"sas_address": 1}` or `{"addr": "5"}`.
    pub controller_options: Map<String, Value>,
    /// The disks on the controller's bus.
    pub disks: Vec<DiskConfig>,
    /// Bytes of RAM from address 0, whole MiB, from 2 MiB to 2 GiB. Only used pages take space.
    pub ram_below_4g: u64,
    /// Bytes of RAM from address 4 GiB, whole MiB; 0 for none.
    pub ram_above_4g: u64,
    /// How the controller interrupts.
    pub interrupt: InterruptMode,
    /// The QEMU program; `None` takes the variable `HBA_QEMU`, then `qemu-system-x86_64` in `PATH`.
    pub binary: Option<PathBuf>,
    /// Further arguments, passed unchanged after all others.
    pub qemu_args: Vec<String>,
    /// How long QEMU may take until it answers.
    pub start_deadline: Duration,
    /// How long one register access or QMP command may take. After that the instance counts as gone.
    pub access_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            controller: Controller::Mptsas1068,
            controller_options: Map::new(),
            disks: Vec::new(),
            ram_below_4g: 256 << 20,
            ram_above_4g: 0,
            interrupt: InterruptMode::Msi,
            binary: None,
            qemu_args: Vec::new(),
            start_deadline: Duration::from_secs(30),
            access_timeout: Duration::from_secs(10),
        }
    }
}

impl Config {
    pub(crate) fn ram_layout(&self) -> Result<RamLayout, StartError> {
        let (below_4g, above_4g) = (self.ram_below_4g, self.ram_above_4g);
        let whole = below_4g.is_multiple_of(MIB) && above_4g.is_multiple_of(MIB);
        if whole && (2 * MIB..=2048 * MIB).contains(&below_4g) && above_4g <= MAX_ABOVE {
            return Ok(RamLayout { below_4g, above_4g });
        }
        Err(StartError::Ram { below_4g, above_4g })
    }
}

/// The controllers that QEMU emulates and that this crate can set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Controller {
    /// LSI SAS1068, MPI 1.5, 1000:0054.
    Mptsas1068,
    /// LSI MegaRAID SAS 1078, MFI, 1000:0060.
    Megasas,
    /// LSI MegaRAID SAS 2108, MFI, 1000:0079.
    MegasasGen2,
}

impl Controller {
    /// QEMU's name for the device.
    #[must_use]
    pub const fn device_name(self) -> &'static str {
        match self {
            Self::Mptsas1068 => "mptsas1068",
            Self::Megasas => "megasas",
            Self::MegasasGen2 => "megasas-gen2",
        }
    }

    /// PCI device id; the vendor is 1000h.
    #[must_use]
    pub const fn device_id(self) -> u16 {
        match self {
            Self::Mptsas1068 => 0x0054,
            Self::Megasas => 0x0060,
            Self::MegasasGen2 => 0x0079,
        }
    }
}

/// How the controller interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterruptMode {
    /// One message signalled interrupt; INTx is disabled in the command register.
    Msi,
    /// The level of the INTx pin, watched at the I/O APIC.
    IntX,
}

const MIB: u64 = 1 << 20;

/// 1 TiB: more than a test machine maps, and far from any overflow.
const MAX_ABOVE: u64 = 1 << 40;
