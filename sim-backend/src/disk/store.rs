//! A medium behind a write cache: what is volatile, what is durable, and when it changes.

use hba_core::sabotage::{Sabotage, is_planted};
use scsi_proto::Lba;

use super::cache::{Entry, SlotId, WriteCache};
use super::condition::Condition;
use super::faults::{BlockError, FaultyMedium, MediumAccess, Miswrite, Times};
use super::medium::{BlockSize, Medium};
use super::power::{self, CutReport, PowerCut};
use super::prng::Prng;

/// The promises of a disk about its cache, and which of them it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CacheRules {
    /// WCE: writes are acknowledged from the cache.
    pub(super) write_back: bool,
    /// The cache survives power loss.
    pub(super) non_volatile: bool,
    /// Flushes answer GOOD without writing back.
    pub(super) lying_flush: bool,
    /// FUA is accepted and ignored.
    pub(super) lying_fua: bool,
}

/// Untrue promises that a disk made, counted so that a checker can name them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lies {
    /// Flushes that ended with GOOD while addressed blocks stayed volatile.
    pub flushes: u64,
    /// Writes with FUA that ended with GOOD while their blocks stayed volatile.
    pub fua_writes: u64,
    /// Blocks that were written at another address.
    pub misdirected: u64,
    /// Blocks of which only a part was written.
    pub shorn: u64,
    /// Blocks that a loss of power left half old and half new.
    pub torn: u64,
}

impl Lies {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.flushes + self.fua_writes + self.misdirected + self.shorn + self.torn
    }
}

/// Which blocks a flush has to write back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockRange {
    pub(super) lba: Lba,
    pub(super) blocks: u64,
}

impl BlockRange {
    const fn contains(self, lba: Lba) -> bool {
        lba.0 >= self.lba.0 && lba.0 - self.lba.0 < self.blocks
    }
}

/// The blocks of one logical unit. Ranges were checked by the caller.
#[derive(Debug)]
pub(super) struct Store {
    medium: FaultyMedium,
    cache: WriteCache,
    rules: CacheRules,
    prng: Prng,
    blocks: u64,
    block_size: BlockSize,
    /// Number of the last write command, so that a torn write can be told from two writes.
    write: u64,
    /// Write-backs that failed after their command had ended with GOOD.
    deferred: Vec<BlockError>,
    lies: Lies,
}

impl Store {
    pub(super) fn new(
        medium: Box<dyn Medium>,
        cache_blocks: u32,
        rules: CacheRules,
        seed: u64,
    ) -> Self {
        let (blocks, block_size) = (medium.blocks(), medium.block_size());
        Self {
            medium: FaultyMedium::new(medium),
            cache: WriteCache::new(cache_blocks, block_size),
            rules,
            prng: Prng::new(seed),
            blocks,
            block_size,
            write: 0,
            deferred: Vec::new(),
            lies: Lies::default(),
        }
    }

    #[inline]
    pub(super) const fn blocks(&self) -> u64 {
        self.blocks
    }

    #[inline]
    pub(super) const fn block_size(&self) -> BlockSize {
        self.block_size
    }

    pub(super) const fn rules(&self) -> CacheRules {
        self.rules
    }

    pub(super) const fn lies(&self) -> Lies {
        let (misdirected, shorn) = self.medium.miswritten();
        Lies { misdirected, shorn, ..self.lies }
    }

    pub(super) fn plant_miswrite(&mut self, how: Miswrite, times: Times) {
        self.medium.plant_miswrite(how, times);
    }

    /// Blocks that a flush would have to write back.
    pub(super) const fn cached_blocks(&self) -> u32 {
        self.cache.len()
    }

    #[inline]
    pub(super) const fn has_deferred(&self) -> bool {
        !self.deferred.is_empty()
    }

    /// The oldest failure of a write-back that no command reported yet.
    pub(super) fn take_deferred(&mut self) -> Option<BlockError> {
        if self.deferred.is_empty() { None } else { Some(self.deferred.remove(0)) }
    }

    pub(super) fn defer(&mut self, error: BlockError) {
        self.deferred.push(error);
    }

    pub(super) fn plant(
        &mut self,
        access: MediumAccess,
        range: BlockRange,
        condition: Condition,
        times: Times,
    ) {
        self.medium.plant(access, range.lba, range.blocks, condition, times);
    }

    pub(super) fn clear_faults(&mut self) {
        self.medium.clear();
        self.deferred.clear();
    }

    /// The newest content of a range, where it can be had without copying.
    #[inline]
    pub(super) fn borrow(&self, lba: Lba, len: usize) -> Option<&[u8]> {
        if !self.cache.is_empty() && !is_planted(Sabotage::StaleRead) {
            if len != self.block_size.bytes() as usize {
                return None;
            }
            if let Some(slot) = self.cache.find(lba) {
                return Some(self.cache.data(slot));
            }
        }
        self.medium.borrow(lba, len)
    }

    /// The blocks of a range in the medium, where a write may go straight to them.
    #[inline]
    pub(super) fn borrow_mut(&mut self, lba: Lba, len: usize) -> Option<&mut [u8]> {
        if self.rules.write_back || !self.cache.is_empty() {
            return None;
        }
        self.medium.borrow_mut(lba, len)
    }

    /// Reads the newest content: from the cache where it is, else from the medium.
    pub(super) fn read(&mut self, lba: Lba, data: &mut [u8]) -> Result<(), BlockError> {
        if self.cache.is_empty() || is_planted(Sabotage::StaleRead) {
            return self.medium.read(lba, data);
        }
        let size = self.block_size.bytes() as usize;
        let mut next = lba.0;
        let mut rest = data;
        while !rest.is_empty() {
            // The longest run that lies in the medium, else one block of the cache.
            let run = (0..(rest.len() / size) as u64)
                .take_while(|ahead| self.cache.find(Lba(next + ahead)).is_none())
                .count();
            let (part, tail) = rest.split_at_mut(run.max(1) * size);
            match self.cache.find(Lba(next)) {
                Some(slot) => part.copy_from_slice(self.cache.data(slot)),
                None => self.medium.read(Lba(next), part)?,
            }
            next += run.max(1) as u64;
            rest = tail;
        }
        Ok(())
    }

    /// Begins a write command. The data follows in one or more calls of [`write`](Self::write).
    #[inline]
    pub(super) const fn begin_write(&mut self) {
        self.write += 1;
    }

    /// Stores whole blocks for the write command that was begun.
    #[inline]
    pub(super) fn write(&mut self, lba: Lba, data: &[u8], fua: bool) -> Result<(), BlockError> {
        self.store(lba, data, fua, false)
    }

    /// Ends a write command whose status is to be GOOD: what was promised durable is durable.
    #[inline]
    pub(super) fn finish_write(&mut self, fua: bool) -> Result<(), BlockError> {
        if self.through(fua) {
            return self.medium.sync();
        }
        if fua && !self.rules.non_volatile && !is_planted(Sabotage::FuaIgnored) {
            self.lies.fua_writes += 1;
        }
        Ok(())
    }

    /// Makes blocks read as zeros. Like a write, this is volatile until it is flushed.
    pub(super) fn deallocate(&mut self, range: BlockRange) -> Result<(), BlockError> {
        static ZEROS: [u8; 4096] = [0; 4096];
        if self.through(false) {
            return self.medium.deallocate(range.lba, range.blocks);
        }
        let zeros = &ZEROS[..self.block_size.bytes() as usize];
        (0..range.blocks)
            .try_for_each(|ahead| self.store(Lba(range.lba.0 + ahead), zeros, false, true))
    }

    /// Writes the addressed cached blocks to the medium, oldest first.
    ///
    /// A block that cannot be written is dropped from the cache, as disks do, and the flush carries
    /// on: a second flush may succeed although the data is lost. The first failure is the result.
    pub(super) fn flush(&mut self, range: BlockRange) -> Result<(), BlockError> {
        if is_planted(Sabotage::FlushNotDone) {
            return Ok(());
        }
        if self.rules.lying_flush {
            let lied = self.cache.iter().any(|slot| range.contains(self.cache.entry(slot).lba));
            self.lies.flushes += u64::from(lied && !self.rules.non_volatile);
            return Ok(());
        }
        self.write_back(range)
    }

    /// As [`flush`](Self::flush), but never lies: reads with FUA and mode changes need the truth.
    pub(super) fn write_back(&mut self, range: BlockRange) -> Result<(), BlockError> {
        let mut first_error = None;
        let mut evict = |store: &mut Self, slot| {
            if let Err(error) = store.evict(slot) {
                first_error.get_or_insert(error);
            }
        };
        if range.blocks < u64::from(self.cache.len()) {
            for lba in range.lba.0..range.lba.0 + range.blocks {
                if let Some(slot) = self.cache.find(Lba(lba)) {
                    evict(self, slot);
                }
            }
        } else {
            let mut next = self.cache.oldest();
            while let Some(slot) = next {
                next = self.cache.newer(slot);
                if range.contains(self.cache.entry(slot).lba) {
                    evict(self, slot);
                }
            }
        }
        let synced = self.medium.sync();
        first_error.map_or(synced, Err)
    }

    /// Switches WCE. Switching it off writes everything back first.
    pub(super) fn set_write_back(&mut self, on: bool) -> Result<(), BlockError> {
        if self.rules.write_back && !on {
            self.write_back(self.everything())?;
        }
        self.rules.write_back = on;
        Ok(())
    }

    /// Whether the cache survives power loss from now on, with what it holds.
    pub(super) const fn set_non_volatile(&mut self, on: bool) {
        self.rules.non_volatile = on;
    }

    pub(super) const fn everything(&self) -> BlockRange {
        BlockRange { lba: Lba(0), blocks: self.blocks }
    }

    /// Loses power: what the cache held is gone, except what `policy` wrote back before.
    pub(super) fn power_cut(&mut self, policy: PowerCut) -> CutReport {
        self.deferred.clear();
        if self.rules.non_volatile && !is_planted(Sabotage::CacheForgets) {
            return CutReport::default();
        }
        let planted = is_planted(Sabotage::TornBlock);
        let policy = if planted { PowerCut::TornBlock } else { policy };
        let report = power::cut(policy, &mut self.cache, self.medium.medium(), &mut self.prng);
        self.lies.torn += u64::from(report.torn.is_some() && !planted);
        report
    }

    /// Whether a write goes to the medium before its status.
    #[inline]
    fn through(&self, fua: bool) -> bool {
        let lies = self.rules.lying_fua || is_planted(Sabotage::FuaIgnored);
        !self.rules.write_back || fua && !lies && !self.rules.non_volatile
    }

    #[inline]
    fn store(
        &mut self,
        lba: Lba,
        data: &[u8],
        fua: bool,
        deallocated: bool,
    ) -> Result<(), BlockError> {
        if self.through(fua) {
            return self.write_through(lba, data);
        }
        let size = self.block_size.bytes() as usize;
        for (lba, block) in (lba.0..).zip(data.chunks_exact(size)) {
            let astray = is_planted(Sabotage::Misdirected) && self.write % 64 == 63;
            let lba = if astray { (lba + 1) % self.blocks } else { lba };
            self.make_room(Lba(lba));
            self.cache.insert(Entry { lba: Lba(lba), write: self.write, deallocated }, block);
        }
        Ok(())
    }

    /// Writes to the medium; cached older data of these blocks must not land on top later.
    fn write_through(&mut self, lba: Lba, data: &[u8]) -> Result<(), BlockError> {
        self.medium.write(lba, data)?;
        if !self.cache.is_empty() && !is_planted(Sabotage::OldOnTop) {
            let blocks = data.len() as u64 >> self.block_size.shift();
            for lba in lba.0..lba.0 + blocks {
                if let Some(slot) = self.cache.find(Lba(lba)) {
                    self.cache.remove(slot);
                }
            }
        }
        Ok(())
    }

    /// Writes the oldest block back if `lba` needs a slot and none is left.
    #[inline]
    fn make_room(&mut self, lba: Lba) {
        if self.cache.is_full() && self.cache.find(lba).is_none() {
            self.evict_oldest();
        }
    }

    #[cold]
    fn evict_oldest(&mut self) {
        if let Some(slot) = self.cache.oldest()
            && let Err(error) = self.evict(slot)
            && !is_planted(Sabotage::WriteErrorSwallowed)
        {
            self.deferred.push(error);
        }
    }

    /// Moves a block from the cache to the medium. It leaves the cache even if that fails.
    fn evict(&mut self, slot: SlotId) -> Result<(), BlockError> {
        let entry = self.cache.entry(slot);
        let result = if entry.deallocated {
            self.medium.deallocate(entry.lba, 1)
        } else {
            self.medium.write(entry.lba, self.cache.data(slot))
        };
        self.cache.remove(slot);
        result
    }
}
