//! The door for tests into a logical unit.

use scsi_proto::{Lba, Status};

use super::condition::Condition;
use super::faults::{BlockError, CommandFaults, MediumAccess, Miswrite, Times};
use super::store::{BlockRange, Lies};
use super::unit::LogicalUnit;

/// Faults and observations of one logical unit, past its device server.
#[derive(Debug)]
pub struct UnitControl<'a>(pub(super) &'a mut LogicalUnit);

impl UnitControl<'_> {
    /// Blocks that are acknowledged but not on the medium.
    #[must_use = "the number is the only result"]
    pub const fn cached_blocks(&self) -> u32 {
        self.0.store.cached_blocks()
    }

    /// Whether a write-back failed and no command has reported it yet.
    #[must_use = "the answer is the only result"]
    pub const fn has_deferred_error(&self) -> bool {
        self.0.store.has_deferred()
    }

    /// Untrue promises so far.
    #[must_use = "the counts are the only result"]
    pub const fn lies(&self) -> Lies {
        self.0.store.lies()
    }

    /// Makes accesses of the medium to a range of blocks fail with `condition`.
    ///
    /// A write that fails when the cache is written back in the background becomes a deferred
    /// error, and its block is dropped from the cache.
    pub fn fail_medium(
        &mut self,
        access: MediumAccess,
        lba: Lba,
        blocks: u64,
        condition: Condition,
        times: Times,
    ) {
        self.0.store.plant(access, BlockRange { lba, blocks }, condition, times);
    }

    /// Lets writes to the medium store something else, and say that all is well. With a write cache that is when it is written
    /// back.
    pub fn miswrite(&mut self, how: Miswrite, times: Times) {
        self.0.store.plant_miswrite(how, times);
    }

    /// Makes flushes fail with `condition`. They write nothing, and the cache keeps its blocks.
    pub fn fail_flushes(&mut self, condition: Condition, times: Times) {
        self.0.faults.fail_flush(condition, times);
    }

    /// Answers commands with `status` (BUSY, TASK SET FULL) without executing them.
    pub fn refuse_commands(&mut self, status: Status, times: Times) {
        self.0.faults.refuse(status, times);
    }

    /// Ends data phases after `limit` bytes; the status stays GOOD.
    pub fn limit_data(&mut self, limit: u32, times: Times) {
        self.0.faults.limit_data(limit, times);
    }

    /// Reports `condition` at block `lba` as a deferred error with the next command.
    pub fn defer_error(&mut self, lba: Lba, condition: Condition) {
        self.0.store.defer(BlockError { lba, condition });
    }

    /// Reports `condition` as a unit attention with the next command.
    pub fn raise_attention(&mut self, condition: Condition) {
        self.0.attentions.raise(condition);
    }

    /// The battery of the cache fails, where it has one: what is in the cache is volatile now (6/0B/06), and the disk either
    /// goes on caching or writes everything back and through from here on (6/2A/01, too).
    pub fn fail_battery(&mut self, write_through: bool) {
        let unit = &mut *self.0;
        unit.battery_failed = unit.has_non_volatile_cache;
        unit.store.set_non_volatile(unit.is_cache_safe());
        unit.attentions.raise(Condition::CACHE_NOW_VOLATILE);
        if write_through {
            self.change_write_cache(false);
        }
    }

    /// The battery is charged again; the disk says nothing.
    pub fn restore_battery(&mut self) {
        let unit = &mut *self.0;
        unit.battery_failed = false;
        unit.store.set_non_volatile(unit.is_cache_safe());
    }

    /// Switches the write cache as another initiator would: with the unit attention 2A/01.
    pub fn change_write_cache(&mut self, on: bool) {
        if let Err(error) = self.0.store.set_write_back(on) {
            self.0.store.defer(error);
        }
        self.0.attentions.raise(Condition::MODE_PARAMETERS_CHANGED);
    }

    /// Removes every injected fault and every deferred error.
    pub fn clear_faults(&mut self) {
        self.0.store.clear_faults();
        self.0.faults = CommandFaults::default();
    }
}
