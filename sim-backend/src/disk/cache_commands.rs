//! SYNCHRONIZE CACHE, START STOP UNIT and PREVENT ALLOW MEDIUM REMOVAL.

use scsi_proto::command::{
    PreventAllowMediumRemoval, StartStopUnit, SynchronizeCache10, SynchronizeCache16,
};

use scsi_proto::sense::SenseKeySpecific;
use scsi_proto::{Lba, Opcode, Sense};

use super::condition::Condition;
use super::exchange::{Exchange, Outcome, invalid_field};
use super::failure::Failure;
use super::faults::BlockError;
use super::store::BlockRange;
use super::unit::{LogicalUnit, PendingFlush};

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
    /// Source: SBC-4 5.22. With IMMED the flush is carried out when the next command arrives, or some commands later where
    /// SYNC_PROG lets them see it, so that a power cut before it shows that the status proved nothing.
    pub(super) fn synchronize_cache(&mut self, command: Synchronization) -> Outcome {
        let range = self.to_end_if_zero(command.range)?;
        if command.immed {
            self.carry_out_pending_flush();
            let steps = if self.sync_progress == 0 { 0 } else { FLUSH_STEPS };
            self.flush_pending = Some(PendingFlush { range, steps });
        } else {
            self.flush(range)?;
        }
        Ok(0)
    }

    /// Each command finds a pending flush further on. SYNC_PROG 10b: those that access the medium end with NOT READY as long
    /// as it is not done. Source: SBC-4 6.5.5.
    pub(super) fn continue_pending_flush(&mut self, opcode: Opcode) -> Result<(), Failure> {
        let Some(pending) = &mut self.flush_pending else { return Ok(()) };
        if pending.steps == 0 {
            self.carry_out_pending_flush();
            return Ok(());
        }
        pending.steps -= 1;
        let harmless = matches!(
            opcode,
            Opcode::INQUIRY | Opcode::REPORT_LUNS | Opcode::REQUEST_SENSE | Opcode::TEST_UNIT_READY
        );
        match self.flush_progress(Condition::OPERATION_IN_PROGRESS) {
            Some(sense) if self.sync_progress == 2 && !harmless => Err(sense.into()),
            _ => Ok(()),
        }
    }

    /// What REQUEST SENSE tells of a flush under way, where SYNC_PROG lets it.
    pub(super) fn pollable_progress(&self) -> Option<Sense> {
        self.flush_progress(Condition::FLUSH_IN_PROGRESS)
    }

    fn flush_progress(&self, condition: Condition) -> Option<Sense> {
        let pending = self.flush_pending.filter(|_| self.sync_progress != 0)?;
        let done = u32::from(FLUSH_STEPS - pending.steps) * 0x1_0000 / (u32::from(FLUSH_STEPS) + 1);
        let key_specific = Some(SenseKeySpecific::from_count(done as u16));
        Some(Sense { key_specific, ..condition.sense() })
    }

    /// Nobody waits for the result of a pending flush: its failure is a deferred error.
    pub(super) fn carry_out_pending_flush(&mut self) {
        if let Some(PendingFlush { range, .. }) = self.flush_pending.take()
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

/// Commands that find a flush under way which SYNC_PROG lets them see.
const FLUSH_STEPS: u16 = 4;

// POWER CONDITION. Source: SBC-4 5.20, table 73.
const POWER_CONDITION_START_VALID: u32 = 0x0;
const POWER_CONDITION_ACTIVE: u32 = 0x1;
const POWER_CONDITION_IDLE: u32 = 0x2;
const POWER_CONDITION_STANDBY: u32 = 0x3;
const POWER_CONDITION_LU_CONTROL: u32 = 0x7;
