//! What is durable and what may be lost, for each logical unit.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use scsi_proto::{AdditionalSense, Sense, SenseKey};

use super::cache_mode::CacheMode;
use super::flush::{Flush, FlushBusy, FlushConfig, FlushEnd, FlushError, Flushed, FlushedBy};
use super::judgement::{Cause, SenseCause};
use super::loss::{Loss, LossCause};
use super::sign::{Sign, Signs};
use super::units::{NOWHERE, UNITS, Unit, Units};
use super::{Epoch, Written};
use crate::logical_unit::{LogicalUnit, WriteCache};
use crate::name::{Nexus, TargetId};
use crate::port::TaskManagement;
use crate::sabotage::{Sabotage, is_planted};

/// How durable the writes of one logical unit are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitDurability {
    /// Writes of older epochs are durable.
    pub durable_before: Epoch,
    /// Whether there are acknowledged writes, or some under way, that no flush covers.
    pub dirty: bool,
    /// A loss that nobody has acknowledged.
    pub loss: Option<Loss>,
    /// The write cache.
    pub mode: CacheMode,
}

/// The books of one adapter. [`Control`](crate::control::Control) has them.
#[derive(Debug)]
pub struct Durability {
    epoch: Epoch,
    units: Units,
    losses: u64,
    /// Targets that left, until their owner has looked what was cached.
    departed: VecDeque<TargetId>,
    gone: bool,
    found: VecDeque<(Nexus, Loss)>,
}

impl Durability {
    pub(crate) fn new() -> Self {
        Self {
            epoch: Epoch::FIRST,
            units: Units::new(),
            losses: 0,
            departed: VecDeque::with_capacity(UNITS),
            gone: false,
            found: VecDeque::with_capacity(UNITS),
        }
    }

    /// Begins a flush, and with it an epoch: tell every queue of it ([`IoQueue::begin_epoch`]) before the command is sent.
    ///
    /// # Errors
    ///
    /// [`FlushBusy`] while another flush of the unit is under way.
    ///
    /// [`IoQueue::begin_epoch`]: crate::queue::IoQueue::begin_epoch
    pub fn begin_flush(&mut self, nexus: Nexus, config: FlushConfig) -> Result<Flush, FlushBusy> {
        let busy =
            self.units.get_mut(nexus).flushing || self.units.paths(nexus).any(|unit| unit.flushing);
        if busy {
            return Err(FlushBusy);
        }
        self.units.get_mut(nexus).flushing = true;
        let epoch = self.begin_epoch();
        Ok(Flush { nexus, epoch, config, tries: 0, end: None })
    }

    /// The verdict. Every queue must have been serviced until it had no more to give after the command had ended, and its
    /// signs brought here; otherwise a loss may be overlooked.
    ///
    /// # Errors
    ///
    /// [`FlushError`]: of a loss every time until it is acknowledged.
    pub fn conclude(&mut self, flush: Flush) -> Result<Flushed, FlushError> {
        let Flush { nexus, epoch, end, .. } = flush;
        let unit = self.units.get_mut(nexus);
        unit.flushing = false;
        let by = match end {
            Some(FlushEnd::Good) => {
                // Had the reset been worth a unit attention, it would have come before this.
                unit.reset_by_us = false;
                FlushedBy::Device
            }
            Some(FlushEnd::Unsupported) if unit.mode.is_write_through() => FlushedBy::WriteThrough,
            Some(FlushEnd::Unsupported) => {
                let additional = AdditionalSense::INVALID_COMMAND_OPERATION_CODE;
                let key = SenseKey::ILLEGAL_REQUEST;
                let cause = Cause::Sense(SenseCause { key, additional, lba: None });
                return Err(FlushError::Loss(self.fail(nexus, epoch, cause)));
            }
            Some(FlushEnd::Failed(cause)) => {
                return Err(FlushError::Loss(self.fail(nexus, epoch, cause)));
            }
            Some(FlushEnd::NotSent(refusal)) => return Err(FlushError::NotSent(refusal)),
            // Begun and never sent.
            None => return Err(FlushError::Busy),
        };
        if let Some(loss) = unit.loss {
            return Err(FlushError::Loss(loss));
        }
        self.units.each_path(nexus, |unit| unit.durable_before = unit.durable_before.max(epoch));
        Ok(Flushed { epoch, by })
    }

    /// A flush that nobody concludes: its unit is free for the next one, and nothing is known of it.
    pub fn forget(&mut self, flush: Flush) {
        self.units.get_mut(flush.nexus).flushing = false;
    }

    /// Takes in what a queue saw; `written` tells when a unit was last written to, by any queue.
    ///
    /// Gives the epoch that begins if a loss was found: tell every queue of it, so that later writes are told from those
    /// that may be lost.
    pub fn handle_sign(&mut self, sign: Sign, written: impl Fn(Nexus) -> Written) -> Option<Epoch> {
        let Sign { nexus, signs, .. } = sign;
        let losses = self.losses;
        if let Some(nexus) = nexus {
            self.take_in(nexus, signs, self.units.written(nexus, &written));
        } else {
            for at in 0..self.units.len() {
                let nexus = self.units.nth(at).nexus;
                self.take_in(nexus, signs, self.units.written(nexus, &written));
            }
            if self.units.is_full() {
                self.take_in(NOWHERE, signs, written(NOWHERE));
            }
        }
        (self.losses != losses).then(|| self.begin_epoch())
    }

    /// How often the mode of a unit may have changed. Ask before the device is asked for its mode.
    pub fn mode_changes(&self, nexus: Nexus) -> u32 {
        self.units.get(nexus).changes
    }

    /// What the device says of its cache, if nothing changed since `changes` was told by [`Self::mode_changes`].
    pub fn handle_mode(
        &mut self,
        nexus: Nexus,
        changes: u32,
        write_cache: WriteCache,
        dpofua: bool,
    ) {
        let unit = self.units.get_mut(nexus);
        let fresh = unit.changes == changes;
        let mode = CacheMode { write_cache, dpofua, fresh };
        self.units.each_path(nexus, |unit| {
            if fresh || unit.nexus == nexus {
                unit.mode = mode;
            }
        });
    }

    /// A unit as discovery has just found it. Units with the same name are one from here on.
    pub fn handle_discovered(&mut self, unit: &LogicalUnit) {
        let LogicalUnit { nexus, wwn, blocks, .. } = *unit;
        let known = self.units.get_mut(nexus);
        known.gone = false;
        let name = wwn.map(|wwn| (wwn, blocks));
        if known.name != name {
            known.name = name;
            self.units.join(nexus);
        }
        let changes = self.mode_changes(nexus);
        self.handle_mode(nexus, changes, unit.write_cache, unit.dpofua);
    }

    /// The addresses of the unit at `nexus`: its own, and those of other paths that page 83h tells of.
    pub fn paths_of(&self, nexus: Nexus) -> impl Iterator<Item = Nexus> {
        self.units.paths_of(nexus)
    }

    /// Whether the unit at `nexus` left and was not found again.
    pub(crate) fn is_gone(&self, nexus: Nexus) -> bool {
        self.units.get(nexus).gone
    }

    /// What the device said of its cache, and whether that is still to be believed.
    pub fn mode(&self, nexus: Nexus) -> CacheMode {
        self.units.get(nexus).mode
    }

    /// How durable the writes of a unit are that was last written to as `written` says.
    pub fn of(&self, nexus: Nexus, written: Written) -> UnitDurability {
        let unit = self.units.get(nexus);
        let Unit { durable_before, loss, mode, .. } = *unit;
        UnitDurability { durable_before, dirty: unit.is_dirty(written), loss, mode }
    }

    /// The loss that nobody has acknowledged.
    pub fn loss(&self, nexus: Nexus) -> Option<Loss> {
        self.units.get(nexus).loss
    }

    /// The caller knows of this loss and has done about it what there is to do: flushes may succeed again.
    ///
    /// # Errors
    ///
    /// The loss that is pending, where it is not this one: more was lost since.
    pub fn acknowledge_loss(&mut self, nexus: Nexus, loss: Loss) -> Result<(), Option<Loss>> {
        let unit = self.units.get_mut(nexus);
        if unit.loss != Some(loss) {
            return Err(unit.loss);
        }
        // Whoever was told rewrites them: they are not lost a second time.
        self.units.each_path(nexus, |unit| {
            unit.loss = None;
            unit.durable_before = unit.durable_before.max(loss.until.next());
        });
        Ok(())
    }

    /// For callers that cannot acknowledge: a pending loss as a deferred error (response code 71h), once. Having been
    /// told counts as acknowledged. Answer the caller's next flush with it.
    pub fn report_loss(&mut self, nexus: Nexus) -> Option<Sense> {
        let loss = self.loss(nexus)?;
        self.acknowledge_loss(nexus, loss).ok()?;
        Some(loss.to_sense())
    }

    /// The units that are known, by address.
    pub fn units(&self) -> impl Iterator<Item = Nexus> {
        self.units.iter().map(|unit| unit.nexus)
    }

    /// The platform says that power was gone: the cache of every unit for which `written` tells of unflushed writes may be
    /// lost, whatever the device reports or does not. Gives an epoch as [`Self::handle_sign`] does.
    pub fn handle_power_event(&mut self, written: impl Fn(Nexus) -> Written) -> Option<Epoch> {
        self.units.iter_mut().for_each(Unit::note_power);
        self.lose_dirty(LossCause::PowerEvent, |_| true, written)
    }

    /// Whether targets or the controller left since their owner last looked, with [`Self::handle_removal`].
    pub fn has_removals(&self) -> bool {
        self.gone || !self.departed.is_empty()
    }

    /// Finds what was cached in units that left. Gives an epoch as [`Self::handle_sign`] does.
    pub fn handle_removal(&mut self, written: impl Fn(Nexus) -> Written) -> Option<Epoch> {
        let departed = core::mem::take(&mut self.departed);
        let all = core::mem::take(&mut self.gone);
        for unit in self.units.iter_mut() {
            if all || departed.contains(&unit.nexus.target) {
                unit.note_power();
                unit.gone = true;
            }
        }
        let left: Vec<Nexus> = self
            .units
            .iter()
            .filter(|unit| all || departed.contains(&unit.nexus.target))
            // As long as one path is left, so is the unit, and a flush on it covers what came on the others.
            .filter(|unit| self.units.paths(unit.nexus).all(|path| path.gone))
            .map(|unit| unit.nexus)
            .collect();
        let epoch = self.lose_dirty(LossCause::Removed, |unit| left.contains(&unit.nexus), written);
        self.departed = departed;
        self.departed.clear();
        epoch
    }

    /// A unit that the queues know and nobody has discovered: raw commands went there.
    pub fn note_unit(&mut self, nexus: Nexus) {
        self.units.get_mut(nexus);
    }

    pub(crate) fn note_departure(&mut self, target: TargetId) {
        if self.departed.len() < UNITS {
            self.departed.push_back(target);
        } else {
            self.gone = true;
        }
    }

    pub(crate) fn note_gone(&mut self) {
        self.gone = true;
    }

    /// A reset of ours is under way: a unit attention 29/00 that follows is about that.
    pub(crate) fn note_reset(&mut self, task: TaskManagement) {
        for at in 0..self.units.len() {
            let nexus = self.units.nth(at).nexus;
            let reset = match task {
                TaskManagement::LogicalUnitReset(reset) => nexus == reset,
                TaskManagement::TargetReset(target) => nexus.target == target,
                _ => false,
            };
            if reset {
                self.units.each_path(nexus, Unit::note_reset);
            }
        }
    }

    pub(crate) fn note_controller_reset(&mut self) {
        self.units.iter_mut().for_each(Unit::note_reset);
    }

    /// The adapter slept. What happened to its targets meanwhile is not our doing.
    pub(crate) fn note_resume(&mut self) {
        self.units.iter_mut().for_each(Unit::note_power);
    }

    pub(crate) fn poll_loss(&mut self) -> Option<(Nexus, Loss)> {
        self.found.pop_front()
    }

    fn begin_epoch(&mut self) -> Epoch {
        self.epoch = self.epoch.next();
        self.epoch
    }

    fn take_in(&mut self, nexus: Nexus, signs: Signs, written: Written) {
        if signs.mode_changed || signs.degraded.is_some() {
            self.units.each_path(nexus, Unit::doubt_mode);
        }
        let unit = self.units.get_mut(nexus);
        let dirty = unit.is_dirty(written);
        let told_of_reset =
            signs.power_on_or_reset > 0 || signs.reset || signs.power_lost.is_some();
        let excused = u8::from(unit.reset_by_us && signs.power_lost.is_none());
        if told_of_reset {
            // The excuse is good for one report, whichever it was.
            unit.note_power();
            self.units.each_path(nexus, Unit::doubt_mode);
        }
        let ambiguous = (signs.power_on_or_reset > excused)
            .then_some(AdditionalSense::POWER_ON_RESET_OR_BUS_DEVICE_RESET_OCCURRED);
        let power = signs.power_lost.or(ambiguous).filter(|_| dirty);
        let causes = [
            signs.deferred.map(LossCause::Deferred),
            signs
                .flush_failed
                .filter(|_| !is_planted(Sabotage::FlushFailureForgotten))
                .map(LossCause::FlushFailed),
            power.map(LossCause::PowerLost),
        ];
        if let Some(cause) = causes.into_iter().flatten().next() {
            self.lose(nexus, cause);
        }
    }

    fn fail(&mut self, nexus: Nexus, epoch: Epoch, cause: Cause) -> Loss {
        match self.units.get(nexus).loss {
            // The queue saw the end of that very flush, or something worse came before it.
            Some(loss) if loss.until.next() >= epoch => loss,
            _ if is_planted(Sabotage::FlushFailureForgotten) => {
                let loss = self.lose(nexus, LossCause::FlushFailed(cause));
                self.units.get_mut(nexus).loss = None;
                loss
            }
            _ => self.lose_until(nexus, LossCause::FlushFailed(cause), Epoch(epoch.0 - 1)),
        }
    }

    fn lose_dirty(
        &mut self,
        cause: LossCause,
        concerns: impl Fn(&Unit) -> bool,
        written: impl Fn(Nexus) -> Written,
    ) -> Option<Epoch> {
        let losses = self.losses;
        for at in 0..self.units.len() {
            let unit = self.units.nth(at);
            let told = unit.loss.is_some_and(|loss| loss.number >= losses);
            if concerns(&unit) && !told && unit.is_dirty(self.units.written(unit.nexus, &written)) {
                self.lose(unit.nexus, cause);
            }
        }
        (self.losses != losses).then(|| self.begin_epoch())
    }

    /// Everything up to now; an epoch begins after it.
    fn lose(&mut self, nexus: Nexus, cause: LossCause) -> Loss {
        self.lose_until(nexus, cause, self.epoch)
    }

    /// The first cause is kept; the loss grows.
    fn lose_until(&mut self, nexus: Nexus, cause: LossCause, until: Epoch) -> Loss {
        let number = self.losses;
        self.losses += 1;
        let unit = self.units.get_mut(nexus);
        let first = unit.loss.unwrap_or(Loss { number, since: unit.durable_before, until, cause });
        let loss = Loss { number, until: until.max(first.until), ..first };
        self.units.each_path(nexus, |unit| unit.loss = Some(loss));
        if self.found.len() < UNITS {
            self.found.push_back((nexus, loss));
        }
        loss
    }
}
