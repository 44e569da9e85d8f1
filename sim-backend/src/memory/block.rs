//! The backing store of one allocation: host memory that the driver and the simulated device both touch.
#![expect(
    unsafe_code,
    reason = "memory that two sides change at any moment cannot be a Rust reference"
)]

use alloc::sync::Arc;
use core::cell::UnsafeCell;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use hba_core::dma::{BusAddr, DmaRegion};

/// Memory in units of eight bytes, so that it has the alignment of a [`DmaRegion`].
pub(crate) struct Block {
    units: Box<[UnsafeCell<u64>]>,
}

// SAFETY: the memory is reached through raw accesses only: volatile ones on the driver's side (`DmaRegion`), atomic ones
// below. No reference to its contents is ever made, and every bit pattern is a valid u64.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

impl Block {
    /// `len` bytes, rounded up to eight, each set to `fill`.
    pub(crate) fn new(len: usize, fill: u8) -> Self {
        let unit = u64::from_ne_bytes([fill; 8]);
        Self { units: (0..len.div_ceil(8)).map(|_| UnsafeCell::new(unit)).collect() }
    }

    /// The driver's view of the first `len` bytes, which the device reaches at `bus`.
    ///
    /// Called once per block: the region is the only access on the CPU side.
    pub(crate) fn region(self: &Arc<Self>, len: usize, bus: BusAddr) -> DmaRegion {
        assert!(len <= self.units.len() * 8, "{len} bytes of a block of {}", self.units.len() * 8);
        // SAFETY: the pointer covers `len` valid bytes aligned to eight; the owner keeps them alive as long as any part
        // of the region; the device side is this crate, which makes no references to the memory.
        let region = unsafe { DmaRegion::from_raw_parts(self.base(), len, bus) };
        region.with_owner(self.clone())
    }

    /// Device read. The caller has checked the range against the length of the mapping.
    pub(crate) fn read(&self, offset: usize, into: &mut [u8]) {
        self.check(offset, into.len());
        let [eights, fours] = word_bytes(offset, into.len());
        let (eights, rest) = into.split_at_mut(eights);
        let (fours, bytes) = rest.split_at_mut(fours);
        let mut at = offset;
        for word in eights.as_chunks_mut().0 {
            // SAFETY: `check` proved the range; `word_bytes` is not zero only for aligned offsets; the memory lives as
            // long as self and is accessed without references.
            let value = unsafe { AtomicU64::from_ptr(self.base().add(at).cast().as_ptr()) };
            *word = value.load(Ordering::Relaxed).to_ne_bytes();
            at += 8;
        }
        for word in fours.as_chunks_mut().0 {
            // SAFETY: as above.
            let value = unsafe { AtomicU32::from_ptr(self.base().add(at).cast().as_ptr()) };
            *word = value.load(Ordering::Relaxed).to_ne_bytes();
            at += 4;
        }
        for byte in bytes {
            // SAFETY: as above, one byte.
            let value = unsafe { AtomicU8::from_ptr(self.base().add(at).as_ptr()) };
            *byte = value.load(Ordering::Relaxed);
            at += 1;
        }
        core::sync::atomic::fence(Ordering::Acquire);
    }

    /// Device write. The caller has checked the range against the length of the mapping.
    pub(crate) fn write(&self, offset: usize, from: &[u8]) {
        self.check(offset, from.len());
        core::sync::atomic::fence(Ordering::Release);
        let [eights, fours] = word_bytes(offset, from.len());
        let (eights, rest) = from.split_at(eights);
        let (fours, bytes) = rest.split_at(fours);
        let mut at = offset;
        for word in eights.as_chunks().0 {
            // SAFETY: as in `read`.
            let value = unsafe { AtomicU64::from_ptr(self.base().add(at).cast().as_ptr()) };
            value.store(u64::from_ne_bytes(*word), Ordering::Relaxed);
            at += 8;
        }
        for word in fours.as_chunks().0 {
            // SAFETY: as in `read`.
            let value = unsafe { AtomicU32::from_ptr(self.base().add(at).cast().as_ptr()) };
            value.store(u32::from_ne_bytes(*word), Ordering::Relaxed);
            at += 4;
        }
        for byte in bytes {
            // SAFETY: as in `read`.
            let value = unsafe { AtomicU8::from_ptr(self.base().add(at).as_ptr()) };
            value.store(*byte, Ordering::Relaxed);
            at += 1;
        }
    }

    fn base(&self) -> NonNull<u8> {
        // A slice pointer is never null; the cast keeps the provenance of the whole slice.
        NonNull::from(&*self.units).cast()
    }

    #[track_caller]
    fn check(&self, offset: usize, len: usize) {
        let all = self.units.len() * 8;
        assert!(
            offset <= all && len <= all - offset,
            "{len} bytes at {offset} of a block of {all}"
        );
    }
}

/// How many of `len` bytes at `offset` can go as words of 64 bits, and how many after them as words of 32 bits: a word of the
/// device is never seen in parts.
const fn word_bytes(offset: usize, len: usize) -> [usize; 2] {
    match offset % 8 {
        0 => [len / 8 * 8, len % 8 / 4 * 4],
        4 => [0, len / 4 * 4],
        _ => [0, 0],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_go_as_the_longest_words_that_are_aligned() {
        let all =
            [(0, 4, [0, 4]), (4, 12, [0, 12]), (0, 23, [16, 4]), (8, 3, [0, 0]), (2, 8, [0, 0])];
        for (offset, len, words) in all {
            assert_eq!(word_bytes(offset, len), words, "{len} bytes at {offset}");
            let block = Block::new(32, 0xa5);
            let bytes: Vec<u8> = (1..).take(len).collect();
            block.write(offset, &bytes);
            let mut back = [0; 32];
            block.read(0, &mut back);
            assert_eq!(back[offset..offset + len], bytes);
            assert_eq!(back.iter().filter(|byte| **byte == 0xa5).count(), 32 - len);
            let mut piece = vec![0; len];
            block.read(offset, &mut piece);
            assert_eq!(piece, bytes);
        }
    }
}
