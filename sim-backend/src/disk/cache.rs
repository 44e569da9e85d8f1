//! The blocks that a disk acknowledged but has not written to its medium.

use scsi_proto::Lba;

use super::medium::BlockSize;
use super::sparse::SparseTable;

/// Blocks whose data is allocated together.
const CHUNK_BLOCKS: usize = 64;

type Index = SparseTable<u32, 1024>;

/// A bounded map from block to data that remembers the order of the writes.
///
/// A block is found through a two-level table, never by hashing or searching. The entries form a
/// list from the oldest write to the newest; writing a block again makes it the newest. Memory
/// grows with use up to the bound and is reused from then on.
#[derive(Debug)]
pub(super) struct WriteCache {
    /// Block to slot number plus 1; 0 for a block that is not cached.
    index: Index,
    slots: Vec<Slot>,
    /// The data of slot `n` is block `n % CHUNK_BLOCKS` of chunk `n / CHUNK_BLOCKS`.
    chunks: Vec<Box<[u8]>>,
    /// Slots without a block, linked through `newer`.
    free: Link,
    oldest: Link,
    newest: Link,
    len: u32,
    capacity: u32,
    block_size: BlockSize,
}

/// A slot number, or nothing.
type Link = Option<SlotId>;

/// Names one slot of the cache while its block stays cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SlotId(u32);

/// What the cache knows of one block besides its data.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) lba: Lba,
    /// The command that wrote the block. Blocks of one command have equal numbers.
    pub(super) write: u64,
    /// The block was deallocated: its data is zeros, and the medium may free the space.
    pub(super) deallocated: bool,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    entry: Entry,
    older: Link,
    newer: Link,
}

impl WriteCache {
    /// An empty cache of at most `capacity` blocks, at least one.
    pub(super) const fn new(capacity: u32, block_size: BlockSize) -> Self {
        Self {
            index: Index::new(),
            slots: Vec::new(),
            chunks: Vec::new(),
            free: None,
            oldest: None,
            newest: None,
            len: 0,
            capacity: if capacity == 0 { 1 } else { capacity },
            block_size,
        }
    }

    #[inline]
    pub(super) const fn len(&self) -> u32 {
        self.len
    }

    #[inline]
    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether a block that is not cached yet has no room.
    #[inline]
    pub(super) const fn is_full(&self) -> bool {
        self.len >= self.capacity
    }

    #[inline]
    pub(super) fn find(&self, lba: Lba) -> Link {
        let slot = self.index.leaf(lba.0)?[Index::offset(lba.0)];
        slot.checked_sub(1).map(SlotId)
    }

    #[inline]
    pub(super) fn entry(&self, slot: SlotId) -> Entry {
        self.slots[slot.0 as usize].entry
    }

    #[inline]
    pub(super) fn data(&self, slot: SlotId) -> &[u8] {
        let (chunk, at) = self.place(slot);
        &self.chunks[chunk][at..at + self.block_size.bytes() as usize]
    }

    /// The longest-held block.
    pub(super) const fn oldest(&self) -> Link {
        self.oldest
    }

    /// The block that was written next after `slot`.
    pub(super) fn newer(&self, slot: SlotId) -> Link {
        self.slots[slot.0 as usize].newer
    }

    /// Stores one block as the newest. The caller made room for a block that is not cached.
    #[inline]
    pub(super) fn insert(&mut self, entry: Entry, data: &[u8]) {
        let slot = match self.find(entry.lba) {
            Some(slot) => {
                self.unlink(slot);
                slot
            }
            None => self.take_slot(entry),
        };
        self.slots[slot.0 as usize].entry = entry;
        self.link_newest(slot);
        let (chunk, at) = self.place(slot);
        self.chunks[chunk][at..at + data.len()].copy_from_slice(data);
    }

    /// Forgets a block.
    pub(super) fn remove(&mut self, slot: SlotId) {
        let lba = self.entry(slot).lba.0;
        if let Some(leaf) = self.index.leaf_mut(lba) {
            leaf[Index::offset(lba)] = 0;
        }
        self.unlink(slot);
        self.slots[slot.0 as usize].newer = self.free;
        self.free = Some(slot);
        self.len -= 1;
    }

    /// All blocks from the oldest to the newest.
    pub(super) fn iter(&self) -> impl Iterator<Item = SlotId> {
        core::iter::successors(self.oldest, |slot| self.newer(*slot))
    }

    /// A slot for a block that is not cached: a freed one, else a new one.
    #[inline]
    fn take_slot(&mut self, entry: Entry) -> SlotId {
        let slot = match self.free {
            Some(slot) => {
                self.free = self.slots[slot.0 as usize].newer;
                slot
            }
            None => self.grow(entry),
        };
        self.index.leaf_or_insert(entry.lba.0)[Index::offset(entry.lba.0)] = slot.0 + 1;
        self.len += 1;
        slot
    }

    #[cold]
    fn grow(&mut self, entry: Entry) -> SlotId {
        debug_assert!(self.slots.len() < self.capacity as usize, "the caller made room");
        let slot = SlotId(self.slots.len() as u32);
        self.slots.push(Slot { entry, older: None, newer: None });
        if self.slots.len() > self.chunks.len() * CHUNK_BLOCKS {
            let bytes = CHUNK_BLOCKS * self.block_size.bytes() as usize;
            self.chunks.push(vec![0; bytes].into_boxed_slice());
        }
        slot
    }

    #[inline]
    fn link_newest(&mut self, slot: SlotId) {
        let linked = &mut self.slots[slot.0 as usize];
        linked.older = self.newest;
        linked.newer = None;
        match self.newest {
            Some(newest) => self.slots[newest.0 as usize].newer = Some(slot),
            None => self.oldest = Some(slot),
        }
        self.newest = Some(slot);
    }

    #[inline]
    fn unlink(&mut self, slot: SlotId) {
        let Slot { older, newer, .. } = self.slots[slot.0 as usize];
        match older {
            Some(older) => self.slots[older.0 as usize].newer = newer,
            None => self.oldest = newer,
        }
        match newer {
            Some(newer) => self.slots[newer.0 as usize].older = older,
            None => self.newest = older,
        }
    }

    /// Chunk and byte offset of a slot's data.
    #[inline]
    const fn place(&self, slot: SlotId) -> (usize, usize) {
        let slot = slot.0 as usize;
        (slot / CHUNK_BLOCKS, slot % CHUNK_BLOCKS * self.block_size.bytes() as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(capacity: u32) -> WriteCache {
        WriteCache::new(capacity, BlockSize::B512)
    }

    fn put(cache: &mut WriteCache, lba: u64, write: u64) {
        let entry = Entry { lba: Lba(lba), write, deallocated: false };
        cache.insert(entry, &[write as u8; 512]);
    }

    fn order(cache: &WriteCache) -> Vec<u64> {
        cache.iter().map(|slot| cache.entry(slot).lba.0).collect()
    }

    #[test]
    fn rewriting_makes_a_block_the_newest_with_its_new_data() {
        let mut cache = cache(4);
        for (write, lba) in [10, 20, 30].into_iter().enumerate() {
            put(&mut cache, lba, write as u64);
        }
        put(&mut cache, 10, 7);
        assert_eq!(order(&cache), [20, 30, 10]);
        assert_eq!(cache.len(), 3);
        let slot = cache.find(Lba(10)).unwrap();
        assert_eq!(cache.data(slot), [7; 512]);
        assert_eq!(cache.entry(slot).write, 7);
    }

    #[test]
    fn removed_slots_are_reused_within_the_bound() {
        let mut cache = cache(2);
        for round in 0..100 {
            while cache.is_full() {
                cache.remove(cache.oldest().unwrap());
            }
            put(&mut cache, round * 1_000_000, round);
        }
        assert_eq!(order(&cache), [98_000_000, 99_000_000]);
        assert_eq!(cache.slots.len(), 2);
        assert_eq!(cache.find(Lba(97_000_000)), None);
    }

    #[test]
    fn removal_anywhere_keeps_the_order() {
        let mut cache = cache(8);
        (0..5).for_each(|lba| put(&mut cache, lba, lba));
        for lba in [2, 0, 4] {
            cache.remove(cache.find(Lba(lba)).unwrap());
        }
        assert_eq!(order(&cache), [1, 3]);
        put(&mut cache, 9, 9);
        assert_eq!(order(&cache), [1, 3, 9]);
    }
}
