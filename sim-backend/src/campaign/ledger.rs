//! The version model: what each block may hold, from what the caller was told and from what the world did.
//!
//! A block is the set of its durable floor and every write issued since that is not proved undone. A read of a powered
//! disk gives the newest version that is done, or one that ran at the same time. A power cut picks any member of the
//! set, for each block by itself. A flush raises the floor.

use alloc::collections::VecDeque;

use super::oracle::{Oracle, Violation};

/// A write, numbered through the run from 1 on; 0 is the block as it was at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteId(pub u32);

/// A moment of a run: counts submits and completions.
pub type Moment = u64;

/// Not yet.
const NEVER: Moment = Moment::MAX;

#[derive(Clone, Copy, Debug)]
struct Version {
    id: WriteId,
    issued: Moment,
    /// When it ended; a version that may still take effect has not.
    ended: Moment,
    /// The caller was told that it is done, and nothing may have lost it since.
    done: bool,
    /// It cannot be lost: why not.
    floor: Option<Floor>,
    /// The caller was told that it is done, and then power was cut, at this moment.
    cut: Option<Moment>,
}

/// What made a version durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Floor {
    Flush,
    Fua,
    /// It was read after a power cut, so it lies on the medium.
    Survived,
}

#[derive(Clone, Debug)]
struct Block {
    versions: Vec<Version>,
    /// What was superseded for good, and when: a read that was on its way may still bring it.
    gone: VecDeque<(WriteId, Moment)>,
}

/// All blocks of one logical unit.
#[derive(Clone, Debug)]
pub struct Ledger {
    blocks: Vec<Block>,
    /// Writes that are proved undone: their data must never be seen.
    undone: Vec<WriteId>,
    /// Every write that is done goes to stable storage at once: no volatile cache.
    pub write_through: bool,
    /// What survived one loss of power may be lost by the next: it is in a cache whose battery can fail.
    pub survivors_may_go: bool,
}

impl Ledger {
    /// A unit of `blocks` blocks, as they are before the first write.
    #[must_use]
    pub fn new(blocks: u32, write_through: bool) -> Self {
        let start = Version {
            id: WriteId(0),
            issued: 0,
            ended: 0,
            done: true,
            floor: Some(Floor::Survived),
            cut: None,
        };
        let blocks =
            (0..blocks).map(|_| Block { versions: vec![start], gone: VecDeque::new() }).collect();
        Self { blocks, undone: Vec::new(), write_through, survivors_may_go: false }
    }

    /// A write was issued.
    pub fn issue(&mut self, id: WriteId, lba: u32, blocks: u32, now: Moment) {
        let version =
            Version { id, issued: now, ended: NEVER, done: false, floor: None, cut: None };
        self.range(lba, blocks).for_each(|block| block.versions.push(version));
    }

    /// A write is done: later reads see it. With FUA, or without a cache, it is durable.
    pub fn done(&mut self, id: WriteId, lba: u32, blocks: u32, fua: bool, now: Moment) {
        let floor = (fua || self.write_through).then_some(Floor::Fua);
        for block in self.range(lba, blocks) {
            if let Some(version) = block.versions.iter_mut().find(|v| v.id == id) {
                *version = Version { ended: now, done: true, floor, ..*version };
                if floor.is_some() {
                    block.prune(now);
                }
            }
        }
    }

    /// A write ended, and whether it took effect is not known. It takes none from now on.
    pub fn indeterminate(&mut self, id: WriteId, lba: u32, blocks: u32, now: Moment) {
        for block in self.range(lba, blocks) {
            if let Some(version) = block.versions.iter_mut().find(|v| v.id == id) {
                version.ended = now;
            }
        }
    }

    /// A write took no effect.
    pub fn not_done(&mut self, id: WriteId, lba: u32, blocks: u32) {
        self.range(lba, blocks).for_each(|block| block.versions.retain(|v| v.id != id));
        self.undone.push(id);
    }

    /// A flush that was issued at `issued` succeeded: what was done before is durable.
    ///
    /// That holds although power was cut since, if only the device executed the flush before: at `executed` or earlier.
    pub fn flushed(
        &mut self,
        lba: u32,
        blocks: u32,
        issued: Moment,
        executed: Moment,
        now: Moment,
    ) {
        for block in self.range(lba, blocks) {
            let mut raised = false;
            for version in &mut block.versions {
                let done = version.done || version.cut.is_some_and(|cut| cut > executed);
                if done && version.ended < issued && version.floor.is_none() {
                    version.done = true;
                    version.floor = Some(Floor::Flush);
                    raised = true;
                }
            }
            if raised {
                block.prune(now);
            }
        }
    }

    /// Power was cut: what is not durable may be gone. What is on its way may still take effect, once power is back.
    pub fn cut(&mut self, now: Moment) {
        for version in self.blocks.iter_mut().flat_map(|block| &mut block.versions) {
            if version.floor.is_none() {
                version.cut = version.done.then_some(now);
                version.done = false;
            }
        }
    }

    /// The device said that cached data could not be written: what is not durable may be gone.
    pub fn lose(&mut self) {
        for version in self.blocks.iter_mut().flat_map(|block| &mut block.versions) {
            if version.floor.is_none() {
                version.done = false;
                version.cut = None;
            }
        }
    }

    /// A read that was issued at `issued` gave this version of a block.
    ///
    /// # Errors
    ///
    /// [`Violation`] of the oracle whose promise is broken.
    pub fn read(
        &mut self,
        lba: u32,
        id: WriteId,
        issued: Moment,
        powered_since: Moment,
    ) -> Result<(), Violation> {
        let undone = self.undone.contains(&id);
        let Some(block) = self.blocks.get_mut(lba as usize) else { return Ok(()) };
        let what = |why: &str| format!("block {lba} reads as write {}: {why}", id.0);
        let Some(found) = block.versions.iter().find(|v| v.id == id).copied() else {
            if block.gone.iter().any(|(gone, at)| *gone == id && *at > issued) {
                return Ok(());
            }
            let oracle = if undone { Oracle::NotDone } else { block.lost_floor(id) };
            return Err(Violation::new(oracle, what("it cannot be there")));
        };
        let newer = |v: &&Version| v.done && v.ended < issued && found.ended < v.issued;
        if let Some(newer) = block.versions.iter().find(newer) {
            let why = format!("write {} is done since", newer.id.0);
            let oracle = newer.broken_by_loss().unwrap_or(Oracle::Visible);
            return Err(Violation::new(oracle, what(&why)));
        }
        let survivor = found.ended < powered_since && found.floor.is_none() && !found.done;
        if survivor && issued > powered_since {
            block.settle(id, powered_since, !self.survivors_may_go);
        }
        Ok(())
    }

    fn range(&mut self, lba: u32, blocks: u32) -> impl Iterator<Item = &mut Block> {
        self.blocks.iter_mut().skip(lba as usize).take(blocks as usize)
    }

    /// The unit's blocks.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Whether a block has versions that a power cut could lose.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.blocks.iter().flat_map(|block| &block.versions).any(|v| v.done && v.floor.is_none())
    }
}

impl Version {
    /// The oracle that a loss of this version would break.
    fn broken_by_loss(&self) -> Option<Oracle> {
        Some(match self.floor? {
            Floor::Flush => Oracle::DurableFloor,
            Floor::Fua => Oracle::FuaDurable,
            Floor::Survived => Oracle::NoRevert,
        })
    }
}

/// Superseded versions that are remembered: more than commands can be outstanding.
const GONE_MAX: usize = 128;

impl Block {
    /// Drops what a durable version superseded.
    fn prune(&mut self, now: Moment) {
        let bound = self.versions.iter().filter(|v| v.floor.is_some()).map(|v| v.issued).max();
        let bound = bound.unwrap_or(0);
        for version in self.versions.extract_if(.., |v| v.ended < bound) {
            if self.gone.len() == GONE_MAX {
                self.gone.pop_front();
            }
            self.gone.push_back((version.id, now));
        }
    }

    /// After a loss this version was found: it is what survived, and what had ended by then is gone.
    fn settle(&mut self, id: WriteId, since: Moment, durable: bool) {
        if durable {
            self.versions.retain(|v| v.id == id || v.ended > since);
        }
        for version in &mut self.versions {
            if version.id == id {
                version.done = true;
                version.floor = durable.then_some(Floor::Survived);
            }
        }
    }

    /// The oracle that speaks when an older version than all that are admissible is there.
    fn lost_floor(&self, id: WriteId) -> Oracle {
        let floor = self.versions.iter().filter(|v| v.floor.is_some()).max_by_key(|v| v.issued);
        match floor {
            Some(floor) if id < floor.id => floor.broken_by_loss().unwrap_or(Oracle::NoRevert),
            _ => Oracle::ReadData,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oracle(result: Result<(), Violation>) -> Option<Oracle> {
        result.err().map(|violation| violation.oracle)
    }

    /// Block 0 with write 1 done and flushed, and write 2 done since.
    fn flushed_and_cached() -> Ledger {
        let mut ledger = Ledger::new(2, false);
        ledger.issue(WriteId(1), 0, 1, 1);
        ledger.done(WriteId(1), 0, 1, false, 2);
        ledger.flushed(0, 2, 3, 4, 5);
        ledger.issue(WriteId(2), 0, 1, 6);
        ledger.done(WriteId(2), 0, 1, false, 7);
        ledger
    }

    #[test]
    fn a_write_that_is_done_is_seen_by_reads_that_begin_later() {
        let mut ledger = flushed_and_cached();
        assert_eq!(oracle(ledger.read(0, WriteId(1), 8, 0)), Some(Oracle::Visible));
        assert_eq!(oracle(ledger.read(0, WriteId(1), 6, 0)), None, "the read ran beside it");
        assert_eq!(oracle(ledger.read(0, WriteId(2), 8, 0)), None);
    }

    #[test]
    fn a_power_cut_picks_any_version_down_to_the_floor() {
        for (survivor, broken) in
            [(0, Some(Oracle::DurableFloor)), (1, None), (2, None), (9, Some(Oracle::ReadData))]
        {
            let mut ledger = flushed_and_cached();
            ledger.cut(9);
            assert_eq!(oracle(ledger.read(0, WriteId(survivor), 11, 10)), broken, "{survivor}");
        }
    }

    #[test]
    fn what_survived_a_cut_stays() {
        let mut ledger = flushed_and_cached();
        ledger.cut(9);
        ledger.read(0, WriteId(2), 11, 10).unwrap();
        ledger.cut(12);
        assert_eq!(oracle(ledger.read(0, WriteId(1), 14, 13)), Some(Oracle::NoRevert));
        assert_eq!(oracle(ledger.read(0, WriteId(2), 14, 13)), None);
    }

    #[test]
    fn what_a_battery_kept_may_go_with_it() {
        let mut ledger = flushed_and_cached();
        ledger.survivors_may_go = true;
        ledger.cut(9);
        ledger.read(0, WriteId(2), 11, 10).unwrap();
        assert_eq!(oracle(ledger.read(0, WriteId(1), 11, 10)), Some(Oracle::Visible));
        ledger.cut(12);
        assert_eq!(oracle(ledger.read(0, WriteId(1), 14, 13)), None);
        assert_eq!(oracle(ledger.read(0, WriteId(0), 14, 13)), Some(Oracle::DurableFloor));
    }

    #[test]
    fn fua_is_a_floor_and_undone_data_never_appears() {
        let mut ledger = Ledger::new(1, false);
        ledger.issue(WriteId(1), 0, 1, 1);
        ledger.done(WriteId(1), 0, 1, true, 2);
        ledger.issue(WriteId(2), 0, 1, 3);
        ledger.not_done(WriteId(2), 0, 1);
        ledger.cut(4);
        assert_eq!(oracle(ledger.read(0, WriteId(0), 6, 5)), Some(Oracle::FuaDurable));
        assert_eq!(oracle(ledger.read(0, WriteId(2), 6, 5)), Some(Oracle::NotDone));
        assert_eq!(oracle(ledger.read(0, WriteId(1), 6, 5)), None);
    }
}
