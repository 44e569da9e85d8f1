//! What one queue notes of the commands that pass it: which units they wrote to, and what the device said of that.
//!
//! Reads cost nothing here. A command that sends data, or none, is looked up in the dispatch table; if it may leave data
//! in a cache, the row of its target is compared with what is noted there already, and in nearly every case that is all.

use alloc::boxed::Box;
use alloc::vec::Vec;

use scsi_proto::{Opcode, Status};

use super::judgement::{Cause, SenseCause};
use super::sign::{Meaning, Sign, Signs};
use super::{Epoch, Written};
use crate::command::{Command, Failure, TargetId};
use crate::dispatch::{self, CacheEffect, Class};
use crate::name::Nexus;
use scsi_proto::{Lun, Sense, SenseKey};

/// What a command in a slot is to the books.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Neither of the others.
    #[default]
    Other,
    /// May leave data in a cache.
    Write,
    /// The same with FUA set.
    FuaWrite,
    /// SYNCHRONIZE CACHE without IMMED.
    Flush,
}

/// The notes of one queue.
#[derive(Debug)]
pub(crate) struct Record {
    /// The epoch that writes belong to.
    epoch: Epoch,
    /// What was noted last for the targets of each row.
    rows: Box<[Row]>,
    /// Sorted by nexus; the memory is fixed.
    units: Vec<Unit>,
    /// Shared by the units that found no place.
    rest: Notes,
    /// Whether any notes have signs.
    signs: bool,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    nexus: Nexus,
    epoch: Epoch,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
struct Unit {
    nexus: Nexus,
    notes: Notes,
}

#[derive(Clone, Copy, Debug, Default)]
struct Notes {
    written: Written,
    signs: Signs,
    /// `written` when the last sign was seen.
    seen: Written,
}

/// Rows, a power of two: targets with neighbouring numbers have one each.
const ROWS: usize = 64;
/// Units that a queue tells apart.
const UNITS: usize = 256;

impl Record {
    pub(crate) fn new() -> Self {
        let nowhere = Nexus::new(TargetId { channel: u8::MAX, id: u16::MAX }, Lun([0xff; 8]));
        let row = Row { nexus: nowhere, epoch: Epoch::NONE, kind: Kind::Other };
        Self {
            epoch: Epoch::FIRST,
            rows: alloc::vec![row; ROWS].into_boxed_slice(),
            units: Vec::with_capacity(UNITS),
            rest: Notes::default(),
            signs: false,
        }
    }

    /// Notes a command that sends data, or moves none, once it is accepted.
    #[inline]
    pub(crate) fn note(&mut self, command: &Command) -> Kind {
        let policy = dispatch::policy(&command.cdb);
        let kind = match policy.cache {
            CacheEffect::Dirties => Kind::Write,
            CacheEffect::DirtiesUnlessFua if has_fua(command) => Kind::FuaWrite,
            CacheEffect::DirtiesUnlessFua => Kind::Write,
            CacheEffect::Cleans => return Kind::Flush,
            CacheEffect::None => {
                if policy.class == Class::Mode && !policy.repeatable {
                    self.sign(command.nexus, Meaning::ModeChanged);
                }
                return Kind::Other;
            }
        };
        let row = &self.rows[row_of(command.nexus)];
        if row.nexus != command.nexus || row.epoch != self.epoch || row.kind != kind {
            self.note_written(command.nexus, kind);
        }
        kind
    }

    #[cold]
    #[inline(never)]
    fn note_written(&mut self, nexus: Nexus, kind: Kind) {
        let epoch = self.epoch;
        self.notes(nexus).written.note(kind, epoch);
        self.rows[row_of(nexus)] = Row { nexus, epoch, kind };
    }

    /// Sense data came for a command of the unit.
    #[cold]
    pub(crate) fn note_sense(&mut self, nexus: Nexus, kind: Kind, status: Status, sense: &[u8]) {
        if let Some(meaning) = Meaning::of_bytes(sense) {
            self.sign(nexus, meaning);
        }
        if kind == Kind::Flush
            && let Some(cause) = lasting_failure(status, sense)
        {
            self.note_failed_flush(nexus, cause);
        }
    }

    /// A command of the unit ended without a status.
    #[cold]
    pub(crate) fn note_failure(&mut self, nexus: Nexus, kind: Kind, failure: Failure) {
        if kind == Kind::Flush && failure != Failure::Busy {
            self.note_failed_flush(nexus, Cause::Failure(failure));
        }
    }

    /// From here on writes belong to `epoch`.
    pub(crate) fn begin_epoch(&mut self, epoch: Epoch) {
        self.epoch = epoch;
    }

    /// A command of an older epoch has not ended: it counts for the present one.
    pub(crate) fn carry_over(&mut self, nexus: Nexus, kind: Kind) {
        if matches!(kind, Kind::Write | Kind::FuaWrite) {
            let epoch = self.epoch;
            self.notes(nexus).written.note(kind, epoch);
        }
    }

    /// When the unit was last written to.
    pub(crate) fn written(&self, nexus: Nexus) -> Written {
        match self.find(nexus) {
            Ok(at) => self.units[at].notes.written,
            Err(_) => self.rest.written,
        }
    }

    /// Copies when every unit was last written to.
    #[cfg(feature = "tokio")]
    pub(crate) fn copy_written(&self, table: &mut WrittenTable) {
        table.units.clear();
        table.units.extend(self.units.iter().map(|unit| (unit.nexus, unit.notes.written)));
        table.rest = self.rest.written;
    }

    /// The units that were written to and have a place of their own.
    pub(crate) fn units(&self) -> impl Iterator<Item = Nexus> {
        self.units.iter().map(|unit| unit.nexus)
    }

    pub(crate) const fn has_signs(&self) -> bool {
        self.signs
    }

    /// What was seen of one unit since it was last asked for.
    pub(crate) fn take_sign(&mut self) -> Option<Sign> {
        if !self.signs {
            return None;
        }
        for unit in &mut self.units {
            if !unit.notes.signs.is_empty() {
                let signs = core::mem::take(&mut unit.notes.signs);
                let (nexus, written) = (Some(unit.nexus), unit.notes.seen);
                return Some(Sign { nexus, signs, written });
            }
        }
        self.signs = false;
        let signs = core::mem::take(&mut self.rest.signs);
        let written = self.rest.seen;
        (!signs.is_empty()).then_some(Sign { nexus: None, signs, written })
    }

    #[cold]
    fn sign(&mut self, nexus: Nexus, meaning: Meaning) {
        let notes = self.notes(nexus);
        notes.signs.add(meaning);
        notes.seen = notes.written;
        self.signs = true;
    }

    fn note_failed_flush(&mut self, nexus: Nexus, cause: Cause) {
        let notes = self.notes(nexus);
        notes.signs.flush_failed.get_or_insert(cause);
        notes.seen = notes.written;
        self.signs = true;
    }

    fn find(&self, nexus: Nexus) -> Result<usize, usize> {
        self.units.binary_search_by_key(&nexus, |unit| unit.nexus)
    }

    fn notes(&mut self, nexus: Nexus) -> &mut Notes {
        let at = match self.find(nexus) {
            Ok(at) => at,
            Err(_) if self.units.len() == UNITS => return &mut self.rest,
            Err(at) => {
                // What it did before it had a place of its own is with the rest.
                let notes = Notes { written: self.rest.written, ..Notes::default() };
                self.units.insert(at, Unit { nexus, notes });
                at
            }
        };
        &mut self.units[at].notes
    }
}

/// A copy of when the units of one queue were last written to, for an owner that cannot hold all queues at once.
#[cfg(feature = "tokio")]
#[derive(Debug)]
pub(crate) struct WrittenTable {
    /// Sorted by nexus; the memory is fixed.
    units: Vec<(Nexus, Written)>,
    /// Of every other unit.
    rest: Written,
}

#[cfg(feature = "tokio")]
impl WrittenTable {
    /// A table for [`Record::copy_written`]. All its memory is allocated here.
    pub(crate) fn new() -> Self {
        Self { units: Vec::with_capacity(UNITS), rest: Written::NEVER }
    }

    /// When a unit was last written to.
    pub(crate) fn of(&self, nexus: Nexus) -> Written {
        let found = self.units.binary_search_by_key(&nexus, |(nexus, _)| *nexus);
        found.map_or(self.rest, |at| self.units[at].1)
    }

    /// The units that have a row of their own.
    pub(crate) fn units(&self) -> impl Iterator<Item = Nexus> {
        self.units.iter().map(|(nexus, _)| *nexus)
    }
}

/// Neighbouring targets, and neighbouring units of one target, have different rows.
#[inline]
fn row_of(nexus: Nexus) -> usize {
    (usize::from(nexus.target.id) + usize::from(nexus.lun.0[1])) % ROWS
}

/// FUA of a write that has the bit: byte 1 bit 3, in the variable length format byte 10 bit 3. Source: SBC-4 5.30 to 5.36.
#[inline]
fn has_fua(command: &Command) -> bool {
    let byte = if command.cdb.opcode() == Opcode::VARIABLE_LENGTH { 10 } else { 1 };
    command.cdb.padded32()[byte] & 0x08 != 0
}

/// Why a flush failed for good; `None` where sending it again is the same as having waited.
pub(super) fn lasting_failure(status: Status, sense: &[u8]) -> Option<Cause> {
    match status {
        Status::GOOD | Status::CONDITION_MET | Status::BUSY | Status::TASK_SET_FULL => None,
        Status::CHECK_CONDITION => {
            let Ok(sense) = Sense::parse(sense) else { return Some(Cause::Status(status)) };
            let cause = SenseCause::of(&sense);
            let (asc, ascq) = (cause.additional.asc, cause.additional.ascq);
            match sense.key {
                // Known as such already, and about other commands than this one.
                _ if sense.deferred => None,
                SenseKey::RECOVERED_ERROR | SenseKey::UNIT_ATTENTION | SenseKey::COMPLETED => None,
                SenseKey::NOT_READY if asc == 0x04 && matches!(ascq, 0x01 | 0x07) => None,
                // A command that was refused did not fail to flush: a typed flush knows what to make of it.
                SenseKey::ILLEGAL_REQUEST => None,
                _ => Some(Cause::Sense(cause)),
            }
        }
        status => Some(Cause::Status(status)),
    }
}
