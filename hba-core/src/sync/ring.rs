//! Reply rings in memory: the words that a device writes and one reader takes.

use alloc::boxed::Box;
use alloc::sync::Arc;

use super::planted::{Planted, is_planted};
#[cfg(not(all(target_has_atomic = "64", not(any(loom, shuttle)))))]
use super::primitive::AtomicU32;
#[cfg(all(target_has_atomic = "64", not(any(loom, shuttle))))]
use super::primitive::AtomicU64;
use super::primitive::Ordering;
use super::{observe, publish};
use crate::dma::DmaRegion;

/// Bytes of a ring's entry.
pub const RING_WORD_LEN: usize = 8;

/// One entry of a reply ring that lies in ordinary memory: what a device made of software posts to.
///
/// 64 bits that change at once, or two halves of which the second is stored last where the target has no 64-bit atomics.
/// Models use the halves: they are the weaker of the two, and what a reader in DMA memory has to cope with.
#[derive(Debug)]
pub struct RingWord {
    #[cfg(all(target_has_atomic = "64", not(any(loom, shuttle))))]
    whole: AtomicU64,
    #[cfg(not(all(target_has_atomic = "64", not(any(loom, shuttle)))))]
    halves: [AtomicU32; 2],
}

#[cfg(all(target_has_atomic = "64", not(any(loom, shuttle))))]
impl RingWord {
    /// An entry with these words.
    pub const fn new(words: [u32; 2]) -> Self {
        Self { whole: AtomicU64::new(join(words)) }
    }

    /// Posts an entry: whoever sees `words[1]` sees `words[0]`, and what was stored before.
    #[inline]
    pub fn post(&self, words: [u32; 2]) {
        self.whole.store(join(words), Ordering::Release);
    }

    fn half(&self, second: bool) -> u32 {
        let whole = self.whole.load(Ordering::Relaxed);
        if second { (whole >> 32) as u32 } else { whole as u32 }
    }

    fn erase(&self, words: [u32; 2]) {
        self.whole.store(join(words), Ordering::Relaxed);
    }
}

#[cfg(all(target_has_atomic = "64", not(any(loom, shuttle))))]
const fn join([first, second]: [u32; 2]) -> u64 {
    first as u64 | (second as u64) << 32
}

#[cfg(not(all(target_has_atomic = "64", not(any(loom, shuttle)))))]
impl RingWord {
    super::primitive::const_unless_loom! {
        /// An entry with these words.
        pub fn new(words: [u32; 2]) -> Self {
            Self { halves: [AtomicU32::new(words[0]), AtomicU32::new(words[1])] }
        }
    }

    /// Posts an entry: whoever sees `words[1]` sees `words[0]`, and what was stored before.
    #[inline]
    pub fn post(&self, words: [u32; 2]) {
        self.halves[0].store(words[0], Ordering::Relaxed);
        self.halves[1].store(words[1], Ordering::Release);
    }

    fn half(&self, second: bool) -> u32 {
        self.halves[usize::from(second)].load(Ordering::Relaxed)
    }

    fn erase(&self, words: [u32; 2]) {
        self.halves[0].store(words[0], Ordering::Relaxed);
        self.halves[1].store(words[1], Ordering::Relaxed);
    }
}

/// Memory that holds the entries of a ring. It loads and stores; the rings below say in which order.
pub trait RingMemory {
    /// Loads one half of an entry, once, without ordering anything.
    fn load(&self, entry: usize, second: bool) -> u32;
    /// Stores an entry, without ordering anything.
    fn store(&mut self, entry: usize, words: [u32; 2]);
}

/// A ring in DMA memory, from the region's first byte on.
impl RingMemory for DmaRegion {
    #[inline]
    fn load(&self, entry: usize, second: bool) -> u32 {
        self.read_u32(entry * RING_WORD_LEN + 4 * usize::from(second))
    }

    #[inline]
    fn store(&mut self, entry: usize, words: [u32; 2]) {
        self.write_words(entry * RING_WORD_LEN, words);
    }
}

/// A ring that a device made of software posts to.
impl RingMemory for Arc<Box<[RingWord]>> {
    fn load(&self, entry: usize, second: bool) -> u32 {
        self[entry].half(second)
    }

    fn store(&mut self, entry: usize, words: [u32; 2]) {
        self[entry].erase(words);
    }
}

/// The reader of a ring whose entries say by a phase bit, bit 31 of the second word, in which lap they were written.
///
/// The bit is one in the first lap and changes with each. The memory is all zeros at the start; the reader writes nothing.
#[derive(Debug)]
pub struct PhaseRing<M> {
    memory: M,
    mask: u32,
    /// Entries taken since the start, modulo 2^32.
    taken: u32,
}

impl<M: RingMemory> PhaseRing<M> {
    /// Reads `entries` entries, a power of two, of `memory`, and clears them.
    ///
    /// # Panics
    ///
    /// If `entries` is no power of two, or `memory` is shorter.
    pub fn new(memory: M, entries: u32) -> Self {
        assert!(entries.is_power_of_two(), "{entries} entries are no power of two");
        let mut ring = Self { memory, mask: entries - 1, taken: 0 };
        ring.restart();
        ring
    }

    /// Takes the next entry that was posted. Everything that the device wrote before it is visible from here on.
    #[inline]
    pub fn take(&mut self) -> Option<[u32; 2]> {
        let entry = (self.taken & self.mask) as usize;
        let second = self.memory.load(entry, true);
        let lap_is_odd = self.taken & (self.mask + 1) != 0;
        if (second >> 31 != 0) == lap_is_odd {
            return None;
        }
        if !is_planted(Planted::ReaderDoesNotObserve) {
            observe();
        }
        let first = self.memory.load(entry, false);
        self.taken = self.taken.wrapping_add(1);
        Some([first, second])
    }

    /// Entries taken since the start, modulo 2^32: what the device is told.
    #[inline]
    pub const fn taken(&self) -> u32 {
        self.taken
    }

    /// The memory.
    pub const fn memory(&self) -> &M {
        &self.memory
    }

    /// Clears every entry and starts at the first. The device must not post meanwhile.
    pub fn restart(&mut self) {
        (0..=self.mask).for_each(|entry| self.memory.store(entry as usize, [0; 2]));
        self.taken = 0;
    }
}

/// The reader of a ring whose free entries are all ones, as in MPI 2.x: it takes an entry and erases it, and the device
/// writes an entry again only once the reader's index has passed it.
///
/// So the erase must reach memory before the index reaches the device. [`Self::acknowledge`] orders them: an index that
/// came first would let the device post into an entry that the late erase then wipes out.
#[derive(Debug)]
pub struct ErasedRing<M> {
    memory: M,
    mask: u32,
    next: u32,
}

/// Both words of a free entry.
const FREE: u32 = u32::MAX;

impl<M: RingMemory> ErasedRing<M> {
    /// Reads `entries` entries, a power of two, of `memory`, and frees them.
    ///
    /// # Panics
    ///
    /// If `entries` is no power of two, or `memory` is shorter.
    pub fn new(memory: M, entries: u32) -> Self {
        assert!(entries.is_power_of_two(), "{entries} entries are no power of two");
        let mut ring = Self { memory, mask: entries - 1, next: 0 };
        ring.restart();
        ring
    }

    /// Takes the next entry that was posted, and erases it. An entry of which half has arrived is not there yet.
    #[inline]
    pub fn take(&mut self) -> Option<[u32; 2]> {
        let entry = self.next as usize;
        let second = self.memory.load(entry, true);
        if second == FREE {
            return None;
        }
        observe();
        let first = self.memory.load(entry, false);
        if first == FREE {
            return None;
        }
        self.memory.store(entry, [FREE; 2]);
        self.next = (self.next + 1) & self.mask;
        Some([first, second])
    }

    /// The index to write to the device, behind a barrier after every erase so far.
    #[inline]
    pub fn acknowledge(&self) -> u32 {
        if !is_planted(Planted::IndexDoesNotWait) {
            publish();
        }
        self.next
    }

    /// Frees every entry and starts at the first. The device must not post meanwhile.
    pub fn restart(&mut self) {
        (0..=self.mask).for_each(|entry| self.memory.store(entry as usize, [FREE; 2]));
        self.next = 0;
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn memory(entries: usize) -> Arc<Box<[RingWord]>> {
        Arc::new((0..entries).map(|_| RingWord::new([7, 7])).collect())
    }

    #[test]
    fn a_phase_ring_takes_each_entry_once_in_every_lap() {
        let memory = memory(4);
        let mut ring = PhaseRing::new(Arc::clone(&memory), 4);
        for count in 0..23_u32 {
            assert_eq!(ring.take(), None, "entry {count} was not posted yet");
            let phase = u32::from((count / 4).is_multiple_of(2)) << 31;
            memory[count as usize % 4].post([count, phase | 5]);
            assert_eq!(ring.take(), Some([count, phase | 5]));
            assert_eq!(ring.taken(), count + 1);
        }
        ring.restart();
        assert_eq!((ring.take(), ring.taken()), (None, 0));
    }

    #[test]
    fn an_erased_ring_frees_what_it_takes_and_waits_for_both_halves() {
        let memory = memory(2);
        let mut ring = ErasedRing::new(Arc::clone(&memory), 2);
        for count in 0..5_u32 {
            memory[count as usize % 2].post([FREE, count]);
            assert_eq!(ring.take(), None, "half an entry");
            memory[count as usize % 2].post([count, count]);
            assert_eq!(ring.take(), Some([count, count]));
            assert_eq!(ring.take(), None, "erased");
            assert_eq!(ring.acknowledge(), (count + 1) % 2);
        }
    }

    #[test]
    fn rings_in_dma_memory_are_the_same() {
        let region = DmaRegion::detached(32, crate::dma::BusAddr::new(0));
        let mut ring = PhaseRing::new(region, 4);
        assert_eq!(ring.take(), None);
        ring.memory.store(0, [9, 1 << 31]);
        let taken: Vec<_> = core::iter::from_fn(|| ring.take()).collect();
        assert_eq!(taken, [[9, 1 << 31]]);
    }
}
