//! The disk as a whole: its port, its logical units and its power.

use hba_core::time::Instant;
use scsi_proto::sense::SenseFormat;
use scsi_proto::{Lun, Opcode};

use super::attention::PortIndex;
use super::condition::Condition;
use super::config::{DiskConfig, DiskConfigError};
use super::control::UnitControl;
use super::medium::Medium;
use super::memory_medium::MemoryMedium;
use super::no_unit;
use super::power::{CutReport, PowerCut};
use super::unit::LogicalUnit;
use crate::target::{DataPhase, Executed, Execution, SasAddress, Target, Task};

/// A simulated disk with one port and one or more logical units.
///
/// It starts powered, with the unit attention 29/01 pending on every unit. All content and every
/// random choice follow from the configuration, the commands and the calls made here.
///
/// Its vendor specific commands are [`VENDOR_ECHO_OUT`](super::VENDOR_ECHO_OUT) and
/// [`VENDOR_ECHO_IN`](super::VENDOR_ECHO_IN).
#[derive(Debug)]
pub struct SimDisk {
    sas_address: SasAddress,
    /// Unit `n` has LUN `n`. Never empty.
    units: Vec<LogicalUnit>,
    /// What a power cut does to the caches where the caller does not say.
    cut_policy: PowerCut,
    powered: bool,
    hold: Hold,
}

/// Which commands a disk leaves unanswered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hold {
    /// None.
    #[default]
    Nothing,
    /// SYNCHRONIZE CACHE.
    Flushes,
    /// READ, WRITE and VERIFY: the medium does not answer, and the electronics do as if nothing were.
    MediumAccess,
    /// All.
    Everything,
}

impl SimDisk {
    /// Most logical units of a disk.
    pub const UNITS_MAX: usize = 256;

    /// A disk whose units have sparse media in memory.
    ///
    /// # Errors
    ///
    /// [`DiskConfigError`] when the configuration describes no disk.
    pub fn new(config: &DiskConfig) -> Result<Self, DiskConfigError> {
        let max = MemoryMedium::BYTES_MAX / u64::from(config.block_size.bytes());
        if config.blocks > max {
            return Err(DiskConfigError::TooManyBlocks { blocks: config.blocks, max });
        }
        let medium = || MemoryMedium::new(config.blocks, config.block_size);
        Self::with_media(
            config,
            (0..config.logical_units).map(|_| Box::new(medium()) as _).collect(),
        )
    }

    /// A disk with one unit for each medium, in the order of the LUNs.
    ///
    /// The capacity is that of the medium: `blocks` and `logical_units` of the configuration do
    /// not count.
    ///
    /// # Errors
    ///
    /// [`DiskConfigError`] when configuration and media do not describe a disk.
    pub fn with_media(
        config: &DiskConfig,
        media: Vec<Box<dyn Medium>>,
    ) -> Result<Self, DiskConfigError> {
        if media.is_empty() || media.len() > Self::UNITS_MAX {
            return Err(DiskConfigError::LogicalUnits { count: media.len() });
        }
        if config.physical_block_exponent > 15 {
            return Err(DiskConfigError::PhysicalBlockExponent {
                exponent: config.physical_block_exponent,
            });
        }
        if !matches!(config.ports, 1..=4) {
            return Err(DiskConfigError::Ports { count: config.ports });
        }
        if config.sync_progress > 2 {
            return Err(DiskConfigError::SyncProgress { value: config.sync_progress });
        }
        for medium in &media {
            let (medium, config) = ((medium.block_size(), medium.blocks()), config.block_size);
            match medium {
                (_, 0) => return Err(DiskConfigError::NoBlocks),
                (medium, _) if medium != config => {
                    return Err(DiskConfigError::BlockSize { medium, config });
                }
                _ => {}
            }
        }
        let count = media.len() as u16;
        let unit = |(number, medium)| LogicalUnit::new(config, number, count, medium);
        Ok(Self {
            sas_address: config.identity.sas_address,
            units: (0..).zip(media).map(unit).collect(),
            cut_policy: config.power_cut,
            powered: true,
            hold: Hold::default(),
        })
    }

    /// Number of logical units.
    #[must_use = "the number is the only result"]
    pub fn units(&self) -> usize {
        self.units.len()
    }

    /// Leaves matching commands unanswered from now on; a held command can be offered again.
    pub fn hold(&mut self, hold: Hold) {
        self.hold = hold;
    }

    /// Cuts the power as [`Target::power_cut`] does, with a policy of the caller's choice.
    ///
    /// Returns what happened to the cache of each unit, in the order of the LUNs; nothing if the
    /// power was already off.
    pub fn power_cut_with(&mut self, policy: PowerCut) -> Vec<CutReport> {
        if !self.powered {
            return vec![CutReport::default(); self.units.len()];
        }
        self.powered = false;
        self.units.iter_mut().map(|unit| unit.power_cut(policy)).collect()
    }

    /// Whether the power is on.
    #[must_use = "the answer is the only result"]
    pub const fn is_powered(&self) -> bool {
        self.powered
    }

    /// Access to one logical unit for a test, or `None` where there is no such unit.
    #[must_use = "the access is the only result"]
    pub fn unit(&mut self, number: usize) -> Option<UnitControl<'_>> {
        self.units.get_mut(number).map(UnitControl)
    }

    /// The address of one port.
    #[must_use = "the address is the only result"]
    pub const fn port_address(&self, port: PortIndex) -> SasAddress {
        SasAddress(self.sas_address.0.wrapping_add(port.0 as u64))
    }

    /// Executes a command that came through `port`.
    pub fn execute_on(
        &mut self,
        port: PortIndex,
        now: Instant,
        task: &Task<'_>,
        data: &mut dyn DataPhase,
    ) -> Execution {
        self.units.iter_mut().for_each(|unit| unit.port = port);
        let execution = self.execute(now, task, data);
        self.units.iter_mut().for_each(|unit| unit.port = PortIndex::default());
        execution
    }

    /// The initiator behind `port` lost its way to the disk, and has it back.
    pub fn nexus_loss_on(&mut self, port: PortIndex) {
        for unit in &mut self.units {
            unit.attentions.raise_for(port, Condition::I_T_NEXUS_LOSS_OCCURRED);
        }
    }

    #[inline]
    fn unit_at(&mut self, lun: Lun) -> Option<&mut LogicalUnit> {
        if lun == Lun::ZERO {
            return self.units.first_mut();
        }
        self.units.get_mut(usize::try_from(lun.number()?).ok()?)
    }

    /// Whether the disk does not answer `opcode` now.
    #[inline]
    fn holds(&self, opcode: Opcode) -> bool {
        match self.hold {
            Hold::Nothing => !self.powered,
            Hold::Flushes => {
                !self.powered
                    || matches!(opcode, Opcode::SYNCHRONIZE_CACHE_10 | Opcode::SYNCHRONIZE_CACHE_16)
            }
            Hold::MediumAccess => !self.powered || accesses_medium(opcode),
            Hold::Everything => true,
        }
    }
}

/// READ, WRITE and VERIFY of every length.
const fn accesses_medium(opcode: Opcode) -> bool {
    matches!(
        opcode,
        Opcode::READ_6
            | Opcode::READ_10
            | Opcode::READ_12
            | Opcode::READ_16
            | Opcode::WRITE_6
            | Opcode::WRITE_10
            | Opcode::WRITE_12
            | Opcode::WRITE_16
            | Opcode::VERIFY_10
            | Opcode::VERIFY_16
    )
}

/// While the power is off every command is held: the disk does not answer.
impl Target for SimDisk {
    fn sas_address(&self) -> SasAddress {
        self.sas_address
    }

    #[inline]
    fn execute(&mut self, _now: Instant, task: &Task<'_>, data: &mut dyn DataPhase) -> Execution {
        let opcode = task.cdb.opcode();
        if self.holds(opcode) {
            return Execution::Held;
        }
        let units = self.units.len() as u16;
        Execution::Done(match self.unit_at(task.lun) {
            Some(unit) => match unit.execute(task, data) {
                Ok(moved) => Executed::good(moved),
                Err(failure) => failure.executed(unit.sense_format()),
            },
            None => match no_unit::execute(units, task, data) {
                Ok(moved) => Executed::good(moved),
                Err(failure) => failure.executed(SenseFormat::Fixed),
            },
        })
    }

    fn logical_unit_reset(&mut self, lun: Lun) {
        if let Some(unit) = self.unit_at(lun) {
            unit.reset(Condition::BUS_DEVICE_RESET_FUNCTION_OCCURRED);
        }
    }

    fn target_reset(&mut self) {
        for unit in &mut self.units {
            unit.reset(Condition::BUS_DEVICE_RESET_FUNCTION_OCCURRED);
        }
    }

    fn i_t_nexus_loss(&mut self) {
        self.nexus_loss_on(PortIndex::default());
    }

    fn power_cut(&mut self) {
        self.power_cut_with(self.cut_policy);
    }

    fn power_on(&mut self) {
        if !self.powered {
            self.powered = true;
            self.units.iter_mut().for_each(LogicalUnit::power_on);
        }
    }

    fn has_lun(&self, lun: Lun) -> bool {
        lun.number().is_some_and(|number| (number as usize) < self.units.len())
    }
}
