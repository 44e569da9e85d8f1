//! SYNCHRONIZE CACHE, START STOP UNIT and PREVENT ALLOW MEDIUM REMOVAL.

use scsi_proto::Lba;
use scsi_proto::command::{
    PreventAllowMediumRemoval, StartStopUnit, SynchronizeCache10, SynchronizeCache16,
};

use super::exchange::{Exchange, Outcome, invalid_field};
use super::faults::BlockError;
use super::store::BlockRange;
use super::unit::LogicalUnit;

/// A SYNCHRONIZE CACHE of either length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Synchronization {
    range: BlockRange,
    immed: bool,
}

impl From<SynchronizeCache10> for Synchronization {
    fn from(command: SynchronizeCache10) -> Self {
        let (lba, blocks) = (Lba(command.lba.into()), command.number_of_blocks.into());
        Self { range: BlockRange { lba, blocks }, immed: command.immed }
    }
}

impl From<SynchronizeCache16> for Synchronization {
    fn from(command: SynchronizeCache16) -> Self {
        let (lba, blocks) = (Lba(command.lba), command.number_of_blocks.into());
        Self { range: BlockRange { lba, blocks }, immed: command.immed }
    }
}

impl LogicalUnit {
    /// Source: SBC-4 5.22. With IMMED the flush is carried out when the next command arrives, so
    /// that a power cut before it shows that the status proved nothing.
    pub(super) fn synchronize_cache(&mut self, command: Synchronization) -> Outcome {
        let range = self.to_end_if_zero(command.range)?;
        if command.immed {
            self.carry_out_pending_flush();
            self.flush_pending = Some(range);
        } else {
            self.flush(range)?;
        }
        Ok(0)
    }

    /// Nobody waits for the result of a pending flush: its failure is a deferred error.
    pub(super) fn carry_out_pending_flush(&mut self) {
        if let Some(range) = self.flush_pending.take()
            && let Err(error) = self.flush(range)
        {
            self.store.defer(error);
        }
    }

    fn flush(&mut self, range: BlockRange) -> Result<(), BlockError> {
        match self.faults.flush_failure() {
            Some(condition) => Err(BlockError { lba: range.lba, condition }),
            None => self.store.flush(range),
        }
    }

    /// Source: SBC-4 5.20. Stopping writes the cache back first unless NO_FLUSH forbids it.
    pub(super) fn start_stop_unit(&mut self, x: &mut Exchange<'_>) -> Outcome {
        let command: StartStopUnit = x.parse()?;
        match command.power_condition.get() {
            POWER_CONDITION_START_VALID if command.loej => return Err(invalid_field(4)),
            POWER_CONDITION_START_VALID if !command.start => {
                if !command.no_flush {
                    self.flush(self.store.everything())?;
                }
                self.stopped = true;
            }
            POWER_CONDITION_START_VALID | POWER_CONDITION_ACTIVE => self.stopped = false,
            POWER_CONDITION_IDLE | POWER_CONDITION_LU_CONTROL => {}
            POWER_CONDITION_STANDBY => {
                if !command.no_flush {
                    self.flush(self.store.everything())?;
                }
            }
            _ => return Err(invalid_field(4)),
        }
        Ok(0)
    }

    /// The medium cannot be removed, so there is nothing to prevent.
    pub(super) fn prevent_allow(&self, x: &mut Exchange<'_>) -> Outcome {
        let command: PreventAllowMediumRemoval = x.parse()?;
        if command.prevent.get() > 1 {
            return Err(invalid_field(4));
        }
        self.check_ready().map(|()| 0)
    }
}

// POWER CONDITION. Source: SBC-4 5.20, table 73.
const POWER_CONDITION_START_VALID: u32 = 0x0;
const POWER_CONDITION_ACTIVE: u32 = 0x1;
const POWER_CONDITION_IDLE: u32 = 0x2;
const POWER_CONDITION_STANDBY: u32 = 0x3;
const POWER_CONDITION_LU_CONTROL: u32 = 0x7;
