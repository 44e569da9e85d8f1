//! One logical unit: its state, what precedes every command, and the dispatch of commands.

use hba_core::sabotage::{Sabotage, is_planted};
use scsi_proto::command::{
    Read6, Read10, Read12, Read16, SynchronizeCache10, SynchronizeCache16, TestUnitReady, Verify10,
    Verify16, Write6, Write10, Write12, Write16, WriteSame10, WriteSame16,
};
use scsi_proto::sense::SenseFormat;
use scsi_proto::{Opcode, Sense};

use super::attention::{PortIndex, UnitAttentions};
use super::condition::Condition;
use super::config::DiskConfig;
use super::data::SCRATCH_LEN;
use super::echo::{EchoBuffer, VENDOR_ECHO_IN, VENDOR_ECHO_OUT};
use super::exchange::{Exchange, Outcome};
use super::failure::Failure;
use super::faults::CommandFaults;
use super::identity::UnitIdentity;
use super::medium::Medium;
use super::modes::ModeValues;
use super::no_unit;
use super::power::{CutReport, PowerCut};
use super::store::{BlockRange, CacheRules, Store};
use crate::target::{DataPhase, Task};

/// A flush whose status was sent before it was carried out.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingFlush {
    pub(super) range: BlockRange,
    /// Commands that will find it under way.
    pub(super) steps: u16,
}

#[derive(Debug)]
pub(super) struct LogicalUnit {
    pub(super) identity: UnitIdentity,
    /// Logical units of the disk.
    units: u16,
    pub(super) store: Store,
    pub(super) faults: CommandFaults,
    pub(super) attentions: UnitAttentions,
    pub(super) dpofua: bool,
    /// Mode parameters as the manufacturer has them.
    pub(super) default_modes: ModeValues,
    /// Mode parameters as they are after a reset.
    pub(super) saved_modes: ModeValues,
    /// Whether they can be saved.
    pub(super) saves_modes: bool,
    /// The port that the command at hand came through.
    pub(super) port: PortIndex,
    /// SYNC_PROG.
    pub(super) sync_progress: u8,
    /// There is a non-volatile cache, in use or not.
    pub(super) has_non_volatile_cache: bool,
    /// NV_DIS.
    pub(super) cache_disabled: bool,
    /// The battery of the cache is empty.
    pub(super) battery_failed: bool,
    /// D_SENSE: sense data of failed commands is in descriptor format.
    pub(super) descriptor_sense: bool,
    /// SWP: writes are refused.
    pub(super) write_protected: bool,
    /// START STOP UNIT stopped the unit: its medium cannot be used.
    pub(super) stopped: bool,
    /// A SYNCHRONIZE CACHE with IMMED that ended with GOOD and was not carried out yet.
    pub(super) flush_pending: Option<PendingFlush>,
    pub(super) echo: EchoBuffer,
    pub(super) scratch: Box<[u8]>,
}

impl LogicalUnit {
    /// A unit that was just powered on.
    pub(super) fn new(
        config: &DiskConfig,
        number: u16,
        units: u16,
        medium: Box<dyn Medium>,
    ) -> Self {
        let rules = CacheRules {
            write_back: config.write_cache,
            non_volatile: config.non_volatile_cache,
            lying_flush: config.lying_flush,
            lying_fua: config.lying_fua,
        };
        let seed = config.seed ^ u64::from(number) << 32;
        let modes = ModeValues::new(config.write_cache, config.sync_progress);
        let mut unit = Self {
            identity: UnitIdentity::new(config, number),
            units,
            store: Store::new(medium, config.cache_blocks, rules, seed),
            faults: CommandFaults::default(),
            attentions: UnitAttentions::new(config.ports),
            dpofua: config.dpofua,
            default_modes: modes,
            saved_modes: modes,
            saves_modes: config.saves_modes,
            port: PortIndex::default(),
            sync_progress: config.sync_progress,
            has_non_volatile_cache: config.non_volatile_cache,
            cache_disabled: false,
            battery_failed: false,
            descriptor_sense: false,
            write_protected: false,
            stopped: false,
            flush_pending: None,
            echo: EchoBuffer::default(),
            scratch: vec![0; SCRATCH_LEN as usize].into_boxed_slice(),
        };
        unit.attentions.raise(Condition::POWER_ON_OCCURRED);
        unit
    }

    /// Executes one command: the bytes that it moved, or how else it ended.
    ///
    /// The large [`Executed`](crate::target::Executed) of a failure is made on the cold path only.
    #[inline]
    pub(super) fn execute(
        &mut self,
        task: &Task<'_>,
        data: &mut dyn DataPhase,
    ) -> Result<u32, Failure> {
        if !self.has_news()
            && let Some(result) = self.execute_plain(task, data)
        {
            return result;
        }
        self.execute_any(task, data)
    }

    #[inline(never)]
    fn execute_any(&mut self, task: &Task<'_>, data: &mut dyn DataPhase) -> Result<u32, Failure> {
        let mut exchange = Exchange::new(task, data);
        if self.has_news() {
            self.report_news(&mut exchange)?;
        }
        let wanted = self.dispatch(&mut exchange)?;
        Ok(exchange.moved(wanted))
    }

    /// Whether anything but the command itself has to be looked at.
    #[inline]
    fn has_news(&self) -> bool {
        // Without a branch for each: usually none of them is true.
        !self.attentions.is_empty()
            | self.faults.is_armed()
            | self.store.has_deferred()
            | self.flush_pending.is_some()
    }

    /// Does what comes before a command, and perhaps instead of it.
    ///
    /// INQUIRY and REPORT LUNS are executed in spite of a unit attention, which stays pending, and
    /// REQUEST SENSE reports it as its data. Source: SAM-5 5.14.
    #[cold]
    fn report_news(&mut self, x: &mut Exchange<'_>) -> Result<(), Failure> {
        if let Some(status) = self.faults.refusal() {
            return Err(Failure::status(status));
        }
        let opcode = x.cdb.opcode();
        self.continue_pending_flush(opcode)?;
        if !matches!(opcode, Opcode::INQUIRY | Opcode::REPORT_LUNS | Opcode::REQUEST_SENSE)
            && let Some(sense) = self.take_news()
        {
            return Err(sense.into());
        }
        if let Some(limit) = self.faults.data_limit() {
            x.cut_short(limit);
        }
        Ok(())
    }

    /// The unit attention or deferred error that is to be reported next.
    pub(super) fn take_news(&mut self) -> Option<Sense> {
        if let Some(attention) = self.attentions.take(self.port) {
            return Some(attention.sense());
        }
        let error = self.store.take_deferred()?;
        Some(Sense { deferred: true, ..error.into() })
    }

    /// The format of sense data that D_SENSE asks for.
    pub(super) const fn sense_format(&self) -> SenseFormat {
        if self.descriptor_sense { SenseFormat::Descriptor } else { SenseFormat::Fixed }
    }

    #[inline]
    fn dispatch(&mut self, x: &mut Exchange<'_>) -> Outcome {
        match x.cdb.opcode() {
            Opcode::READ_10 => self.read(x, x.parse::<Read10>()?.into()),
            Opcode::WRITE_10 => self.write(x, x.parse::<Write10>()?.into()),
            Opcode::READ_16 => self.read(x, x.parse::<Read16>()?.into()),
            Opcode::WRITE_16 => self.write(x, x.parse::<Write16>()?.into()),
            Opcode::TEST_UNIT_READY => {
                x.parse::<TestUnitReady>()?;
                self.check_ready().map(|()| 0)
            }
            Opcode::SYNCHRONIZE_CACHE_10 => {
                self.synchronize_cache(x.parse::<SynchronizeCache10>()?.into())
            }
            Opcode::SYNCHRONIZE_CACHE_16 => {
                self.synchronize_cache(x.parse::<SynchronizeCache16>()?.into())
            }
            Opcode::INQUIRY => self.inquiry(x),
            Opcode::READ_6 => self.read(x, x.parse::<Read6>()?.into()),
            Opcode::WRITE_6 => self.write(x, x.parse::<Write6>()?.into()),
            Opcode::READ_12 => self.read(x, x.parse::<Read12>()?.into()),
            Opcode::WRITE_12 => self.write(x, x.parse::<Write12>()?.into()),
            Opcode::VERIFY_10 => self.verify(x, x.parse::<Verify10>()?.into()),
            Opcode::VERIFY_16 => self.verify(x, x.parse::<Verify16>()?.into()),
            Opcode::WRITE_SAME_10 => self.write_same(x, x.parse::<WriteSame10>()?.into()),
            Opcode::WRITE_SAME_16 => self.write_same(x, x.parse::<WriteSame16>()?.into()),
            Opcode::UNMAP => self.unmap(x),
            Opcode::READ_CAPACITY_10 => self.read_capacity_10(x),
            // Its only service action here is READ CAPACITY(16).
            Opcode::SERVICE_ACTION_IN_16 => self.read_capacity_16(x),
            Opcode::MODE_SENSE_6 => self.mode_sense_6(x),
            Opcode::MODE_SENSE_10 => self.mode_sense_10(x),
            Opcode::MODE_SELECT_6 => self.mode_select_6(x),
            Opcode::MODE_SELECT_10 => self.mode_select_10(x),
            Opcode::REPORT_LUNS => no_unit::report_luns(x, self.units),
            Opcode::REQUEST_SENSE => self.request_sense(x),
            Opcode::START_STOP_UNIT => self.start_stop_unit(x),
            Opcode::PREVENT_ALLOW_MEDIUM_REMOVAL => self.prevent_allow(x),
            Opcode::MAINTENANCE_IN => self.report_supported_operation_codes(x),
            Opcode::WRITE_BUFFER_10 => self.echo.write_buffer(x),
            Opcode::READ_BUFFER_10 => self.echo.read_buffer(x),
            VENDOR_ECHO_OUT => self.echo.vendor_out(x),
            VENDOR_ECHO_IN => self.echo.vendor_in(x),
            _ => Err(Condition::INVALID_COMMAND_OPERATION_CODE.into()),
        }
    }

    /// Fails while the unit is stopped.
    #[inline]
    pub(super) fn check_ready(&self) -> Result<(), Failure> {
        if self.stopped { Err(Condition::INITIALIZING_COMMAND_REQUIRED.into()) } else { Ok(()) }
    }

    #[inline]
    pub(super) fn check_writable(&self) -> Result<(), Failure> {
        if self.write_protected { Err(Condition::WRITE_PROTECTED.into()) } else { Ok(()) }
    }

    /// Fails unless every block of `range` exists. No blocks at the capacity exist, no blocks past
    /// it do not.
    #[inline]
    pub(super) fn check_range(&self, range: BlockRange) -> Result<(), Failure> {
        self.check_ready()?;
        match range.lba.0.checked_add(range.blocks) {
            Some(end) if end <= self.store.blocks() => Ok(()),
            _ => Err(out_of_range(range)),
        }
    }

    /// The range, where zero blocks mean all blocks up to the last one.
    pub(super) fn to_end_if_zero(&self, range: BlockRange) -> Result<BlockRange, Failure> {
        self.check_range(range)?;
        let blocks = match range.blocks {
            0 => self.store.blocks() - range.lba.0,
            blocks => blocks,
        };
        Ok(BlockRange { blocks, ..range })
    }

    /// Whether the cache survives power loss now.
    pub(super) const fn is_cache_safe(&self) -> bool {
        self.has_non_volatile_cache && !self.cache_disabled && !self.battery_failed
    }

    /// Source: SAM-5 6.3.2 and 6.3.3. The cache keeps its content, mode parameters go back to what was saved.
    pub(super) fn reset(&mut self, attention: Condition) {
        self.carry_out_pending_flush();
        let saved = self.saved_modes;
        if is_planted(Sabotage::ResetDropsCache) {
            self.store.power_cut(PowerCut::LoseAll);
        }
        if let Err(error) = self.store.set_write_back(saved.write_cache) {
            self.store.defer(error);
        }
        self.sync_progress = saved.sync_progress;
        self.cache_disabled = saved.cache_volatile;
        self.store.set_non_volatile(self.is_cache_safe());
        self.descriptor_sense = saved.descriptor_sense;
        self.write_protected = saved.write_protected;
        self.attentions.raise(attention);
    }

    /// A flush that was pending is lost with the power.
    pub(super) fn power_cut(&mut self, policy: PowerCut) -> CutReport {
        self.flush_pending = None;
        self.store.power_cut(policy)
    }

    pub(super) fn power_on(&mut self) {
        self.stopped = false;
        self.echo = EchoBuffer::default();
        self.reset(Condition::POWER_ON_OCCURRED);
    }
}

/// 5/21/00 with the first address that does not exist, where the format has room for it.
#[cold]
fn out_of_range(range: BlockRange) -> Failure {
    Sense { information: Some(range.lba.0), ..Condition::LBA_OUT_OF_RANGE.sense() }.into()
}
