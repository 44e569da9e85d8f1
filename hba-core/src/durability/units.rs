//! The units of one adapter: by address, and which of them are paths to one.

use alloc::vec::Vec;

use scsi_proto::Lun;
use scsi_proto::vpd::Wwn;

use super::cache_mode::CacheMode;
use super::loss::Loss;
use super::{Epoch, Written};
use crate::name::{Nexus, TargetId};

/// Units that an adapter tells apart.
pub(super) const UNITS: usize = 512;
/// The address of no unit.
pub(super) const NOWHERE: Nexus =
    Nexus::new(TargetId { channel: u8::MAX, id: u16::MAX }, Lun([0xff; 8]));

/// One path to a logical unit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    pub(super) nexus: Nexus,
    pub(super) durable_before: Epoch,
    pub(super) loss: Option<Loss>,
    pub(super) mode: CacheMode,
    /// How often the mode may have changed.
    pub(super) changes: u32,
    /// A reset of ours may still be reported as 29/00.
    pub(super) reset_by_us: bool,
    pub(super) flushing: bool,
    /// Which unit it is, where page 83h says so: its name, and its capacity, so that a name which is given twice does not do.
    /// Two with equal names are two paths to one device server, and have one state.
    pub(super) name: Option<(Wwn, u64)>,
    /// It left, and was not found again.
    pub(super) gone: bool,
}

impl Unit {
    const fn new(nexus: Nexus) -> Self {
        Self {
            nexus,
            durable_before: Epoch::FIRST,
            loss: None,
            mode: CacheMode::UNKNOWN,
            changes: 0,
            reset_by_us: false,
            flushing: false,
            name: None,
            gone: false,
        }
    }

    /// Whether both are paths to one unit.
    fn is_path_of(&self, other: &Self) -> bool {
        self.nexus == other.nexus || self.name.is_some() && self.name == other.name
    }

    /// What is known of the cache may be true no longer.
    pub(super) fn doubt_mode(&mut self) {
        self.mode.fresh = false;
        self.changes = self.changes.wrapping_add(1);
    }

    /// A reset of ours is under way.
    pub(super) fn note_reset(&mut self) {
        self.reset_by_us = true;
        self.doubt_mode();
    }

    /// Something happened that no reset of ours explains.
    pub(super) fn note_power(&mut self) {
        self.reset_by_us = false;
        self.doubt_mode();
    }

    pub(super) fn is_dirty(&self, written: Written) -> bool {
        let since = self.durable_before;
        !self.mode.is_write_through()
            && (written.plain >= since || written.fua >= since && !self.mode.trusts_fua())
    }
}

/// All of them. The memory is fixed.
#[derive(Debug)]
pub(super) struct Units {
    /// Sorted by nexus.
    known: Vec<Unit>,
    /// Stands for every unit that found no place: what is true of one of them is taken to be true of all.
    rest: Unit,
}

impl Units {
    pub(super) fn new() -> Self {
        Self { known: Vec::with_capacity(UNITS), rest: Unit::new(NOWHERE) }
    }

    /// Whether further ones find no place.
    pub(super) const fn is_full(&self) -> bool {
        self.known.len() == UNITS
    }

    pub(super) const fn len(&self) -> usize {
        self.known.len()
    }

    /// The one at `at`, by address.
    pub(super) fn nth(&self, at: usize) -> Unit {
        self.known[at]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Unit> {
        self.known.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Unit> {
        self.known.iter_mut()
    }

    /// What is known of the unit at `nexus`.
    pub(super) fn get(&self, nexus: Nexus) -> &Unit {
        self.find(nexus).map_or(&self.rest, |at| &self.known[at])
    }

    /// The same, with a place from now on.
    pub(super) fn get_mut(&mut self, nexus: Nexus) -> &mut Unit {
        match self.find(nexus) {
            Ok(at) => &mut self.known[at],
            Err(_) if self.is_full() => &mut self.rest,
            Err(at) => {
                self.known.insert(at, Unit::new(nexus));
                &mut self.known[at]
            }
        }
    }

    /// The paths that are known of the unit at `nexus`, its own among them.
    pub(super) fn paths(&self, nexus: Nexus) -> impl Iterator<Item = &Unit> {
        let own = self.find(nexus).ok().map(|at| self.known[at]);
        self.known.iter().filter(move |unit| own.is_some_and(|own| unit.is_path_of(&own)))
    }

    /// Their addresses, and `nexus` in any case.
    pub(super) fn paths_of(&self, nexus: Nexus) -> impl Iterator<Item = Nexus> {
        let own = self.find(nexus).is_err().then_some(nexus);
        own.into_iter().chain(self.paths(nexus).map(|unit| unit.nexus))
    }

    /// Every path of the unit, its own first; also of one that found no place.
    pub(super) fn each_path(&mut self, nexus: Nexus, mut change: impl FnMut(&mut Unit)) {
        let own = *self.get_mut(nexus);
        change(self.get_mut(nexus));
        let others = |unit: &&mut Unit| unit.nexus != nexus && unit.is_path_of(&own);
        if own.name.is_some() {
            self.known.iter_mut().filter(others).for_each(change);
        }
    }

    /// Another path to a unit: what is durable is what both know to be, and a loss is a loss of both.
    pub(super) fn join(&mut self, nexus: Nexus) {
        let durable_before = self.paths(nexus).map(|unit| unit.durable_before).min();
        let loss = self.paths(nexus).find_map(|unit| unit.loss);
        self.each_path(nexus, |unit| {
            unit.durable_before = durable_before.unwrap_or(unit.durable_before);
            unit.loss = unit.loss.or(loss);
        });
    }

    /// When the unit was last written to, on any path.
    pub(super) fn written(&self, nexus: Nexus, of: impl Fn(Nexus) -> Written) -> Written {
        self.paths_of(nexus).map(of).fold(Written::NEVER, Written::merge)
    }

    fn find(&self, nexus: Nexus) -> Result<usize, usize> {
        self.known.binary_search_by_key(&nexus, |unit| unit.nexus)
    }
}
