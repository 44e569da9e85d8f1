//! What of a volatile cache reaches the medium when the power goes.

use scsi_proto::Lba;

use super::cache::{SlotId, WriteCache};
use super::medium::Medium;
use super::prng::Prng;

/// Which acknowledged but unflushed blocks a power cut leaves on the medium.
///
/// A disk may write its cache back at any time and in any order, so every subset is legal. Each
/// policy is one adversary; all choices come from the seed of the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PowerCut {
    /// None: the cache was never written back.
    #[default]
    LoseAll,
    /// Each block with probability one half.
    RandomSubset,
    /// A random number of the newest blocks: old writes are lost although younger ones are there.
    NewestFirst,
    /// Each block as in `RandomSubset`, but a write of several blocks is never there as a whole.
    TornWrites,
    /// Exactly these: bit n is the n-th block that was written, the oldest is bit 0. All from the 65th on are lost.
    Chosen(u64),
    /// As `RandomSubset`, and one block is half old and half new.
    ///
    /// This breaks the promise that a block is written whole or not at all. It is for showing that
    /// a checker notices.
    TornBlock,
}

/// What a power cut did to one logical unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CutReport {
    /// Unflushed blocks whose last write is gone.
    pub lost: u32,
    /// Unflushed blocks whose last write had reached the medium.
    pub survived: u32,
    /// The block that is neither old nor new.
    pub torn: Option<Lba>,
}

/// Writes the survivors to the medium and empties the cache.
///
/// Injected faults do not apply: what reached the medium reached it before the cut.
pub(super) fn cut(
    policy: PowerCut,
    cache: &mut WriteCache,
    medium: &mut dyn Medium,
    prng: &mut Prng,
) -> CutReport {
    let mut report = CutReport::default();
    let torn = match policy {
        PowerCut::TornBlock => tear(cache, medium, prng),
        _ => None,
    };
    report.torn = torn.map(|slot| cache.entry(slot).lba);
    for (slot, survives) in survivors(policy, cache, prng) {
        if Some(slot) == torn {
            continue;
        }
        let lba = cache.entry(slot).lba;
        if survives && medium.write(lba, cache.data(slot)).is_ok() {
            report.survived += 1;
        } else {
            report.lost += 1;
        }
    }
    while let Some(slot) = cache.oldest() {
        cache.remove(slot);
    }
    report
}

/// Decides for every cached block, oldest first.
fn survivors(policy: PowerCut, cache: &WriteCache, prng: &mut Prng) -> Vec<(SlotId, bool)> {
    let mut fates: Vec<_> = cache.iter().map(|slot| (slot, false)).collect();
    match policy {
        PowerCut::LoseAll => {}
        PowerCut::Chosen(mask) => {
            let bits = (0..u64::BITS).map(|bit| mask >> bit & 1 != 0);
            fates.iter_mut().zip(bits).for_each(|((_, survives), bit)| *survives = bit);
        }
        PowerCut::RandomSubset | PowerCut::TornBlock => {
            fates.iter_mut().for_each(|(_, survives)| *survives = prng.coin());
        }
        PowerCut::NewestFirst => {
            let lost = prng.below(cache.len()) as usize;
            fates.iter_mut().skip(lost).for_each(|(_, survives)| *survives = true);
        }
        PowerCut::TornWrites => {
            for write in
                fates.chunk_by_mut(|(a, _), (b, _)| cache.entry(*a).write == cache.entry(*b).write)
            {
                write.iter_mut().for_each(|(_, survives)| *survives = prng.coin());
                if write.len() > 1 && write.iter().all(|(_, survives)| *survives == write[0].1) {
                    let flipped = prng.below(write.len() as u32) as usize;
                    write[flipped].1 = !write[flipped].1;
                }
            }
        }
    }
    fates
}

/// Writes half of one block, chosen so that the result is neither the old nor the new content.
fn tear(cache: &WriteCache, medium: &mut dyn Medium, prng: &mut Prng) -> Option<SlotId> {
    let half = medium.block_size().bytes() as usize / 2;
    let mut old = vec![0; half * 2];
    let start = prng.below(cache.len()) as usize;
    for slot in cache.iter().skip(start).chain(cache.iter().take(start)) {
        let (lba, new) = (cache.entry(slot).lba, cache.data(slot));
        if medium.read(lba, &mut old).is_err()
            || old[..half] == new[..half]
            || old[half..] == new[half..]
        {
            continue;
        }
        old[..half].copy_from_slice(&new[..half]);
        return medium.write(lba, &old).is_ok().then_some(slot);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::cache::Entry;
    use super::super::medium::BlockSize;
    use super::super::memory_medium::MemoryMedium;
    use super::*;

    const BLOCKS: u64 = 64;

    /// Writes of four blocks each over a medium of zeros, and a cut.
    fn after(policy: PowerCut, seed: u64) -> (CutReport, Vec<u8>) {
        let mut cache = WriteCache::new(BLOCKS as u32, BlockSize::B512);
        let mut medium = MemoryMedium::new(BLOCKS, BlockSize::B512);
        for lba in 0..BLOCKS {
            let entry = Entry { lba: Lba(lba), write: lba / 4, deallocated: false };
            cache.insert(entry, &[1; 512]);
        }
        let report = cut(policy, &mut cache, &mut medium, &mut Prng::new(seed));
        assert!(cache.is_empty());
        let mut content = vec![0; 512 * BLOCKS as usize];
        medium.read(Lba(0), &mut content).unwrap();
        (report, content)
    }

    fn survived(content: &[u8]) -> Vec<bool> {
        content.chunks(512).map(|block| block == [1; 512]).collect()
    }

    #[test]
    fn lose_all_leaves_the_medium_untouched() {
        let (report, content) = after(PowerCut::LoseAll, 1);
        assert_eq!(report, CutReport { lost: 64, survived: 0, torn: None });
        assert!(content.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn equal_seeds_give_equal_subsets() {
        let (report, content) = after(PowerCut::RandomSubset, 7);
        assert_eq!((report, content.clone()), after(PowerCut::RandomSubset, 7));
        assert_ne!(content, after(PowerCut::RandomSubset, 8).1);
        assert!(report.lost > 0 && report.survived > 0);
        assert_eq!(report.survived as usize, survived(&content).iter().filter(|s| **s).count());
    }

    #[test]
    fn newest_first_loses_only_older_writes() {
        for seed in 0..50 {
            let fates = survived(&after(PowerCut::NewestFirst, seed).1);
            assert!(fates.is_sorted(), "an older block survived a newer one");
            assert!(fates[63]);
        }
    }

    #[test]
    fn torn_writes_are_never_whole_or_absent() {
        for seed in 0..50 {
            for write in survived(&after(PowerCut::TornWrites, seed).1).chunks(4) {
                assert!(write.iter().any(|s| *s) && write.iter().any(|s| !*s));
            }
        }
    }

    #[test]
    fn a_torn_block_is_neither_old_nor_new() {
        let (report, content) = after(PowerCut::TornBlock, 3);
        let torn = &content[report.torn.unwrap().0 as usize * 512..][..512];
        assert_eq!((&torn[..256], &torn[256..]), (&[1; 256][..], &[0; 256][..]));
        assert_eq!(report.lost + report.survived, 63);
    }
}
