//! Regions of DMA memory, touched by volatile words only.
#![expect(unsafe_code, reason = "memory that a device writes cannot be a Rust reference")]

use alloc::sync::Arc;
use core::any::Any;
use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;

use super::BusAddr;

/// A range of memory that the CPU and the device both reach.
///
/// The device may write any byte at any moment, also against the protocol, so the memory is never borrowed as a slice:
/// every access copies volatile words. A region is owned by one part of the driver; parts share memory by splitting it.
///
/// # Panics
///
/// Offsets are the driver's own numbers. An access outside the region is a bug in the driver and panics; values that
/// come from the device must be checked before they become an offset.
pub struct DmaRegion {
    base: NonNull<u8>,
    len: usize,
    bus: BusAddr,
    /// Keeps the mapping alive where the platform wants that tied to the regions cut from it.
    owner: Option<Arc<dyn Any + Send + Sync>>,
}

// SAFETY: the region is the only owner of its range on the CPU side (promised to `from_raw_parts`, kept by `split_at`
// and by not being Clone), and all accesses are volatile, so moving it to another thread adds no sharing.
unsafe impl Send for DmaRegion {}

impl DmaRegion {
    /// Required alignment of a region's CPU address and bus address, in bytes.
    pub const ALIGN: usize = 8;

    /// Takes over `len` bytes at `base`, which the device reaches at `bus`.
    ///
    /// # Safety
    ///
    /// `base..base + len` must be valid for volatile reads and writes, aligned to [`Self::ALIGN`], mapped for the device
    /// at `bus`, and used by nobody else on the CPU side, until the region and everything split from it are dropped
    /// *and* the device was reset or removed.
    pub const unsafe fn from_raw_parts(base: NonNull<u8>, len: usize, bus: BusAddr) -> Self {
        Self { base, len, bus, owner: None }
    }

    /// `len` zeroed bytes that claim to be at `bus` and that no device reaches: for tests, benchmarks and fuzzing.
    ///
    /// The memory is leaked.
    pub fn detached(len: usize, bus: BusAddr) -> Self {
        let memory = alloc::vec![0u64; len.div_ceil(size_of::<u64>())].leak();
        // SAFETY: the memory is leaked, aligned to 8, and known to nobody else; no device has it mapped.
        unsafe { Self::from_raw_parts(NonNull::from(memory).cast(), len, bus) }
    }

    /// Keeps `owner` alive as long as this region or anything split from it lives.
    #[must_use]
    pub fn with_owner(self, owner: Arc<dyn Any + Send + Sync>) -> Self {
        Self { owner: Some(owner), ..self }
    }

    /// Gives up writing the region, so that several owners can read it.
    #[expect(clippy::arc_with_non_send_sync, reason = "`DmaView` is both, because it only reads")]
    pub fn into_view(self) -> DmaView {
        DmaView(Arc::new(self))
    }

    /// The address of the first byte as the device sees it.
    pub const fn bus(&self) -> BusAddr {
        self.bus
    }

    /// Length in bytes.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether the region has no bytes.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Cuts the region in two at `offset` bytes.
    ///
    /// # Panics
    ///
    /// If `offset` is beyond the end or not a multiple of [`Self::ALIGN`].
    pub fn split_at(self, offset: usize) -> (Self, Self) {
        assert!(
            offset <= self.len && offset.is_multiple_of(Self::ALIGN),
            "split at {offset} of {}",
            self.len
        );
        let rest = Self {
            // SAFETY: offset <= len, so the result stays inside the range that `from_raw_parts` was promised.
            base: unsafe { self.base.add(offset) },
            len: self.len - offset,
            bus: self.bus.offset(offset as u64),
            owner: self.owner.clone(),
        };
        (Self { len: offset, ..self }, rest)
    }

    /// Reads the 32-bit word at byte `offset` once, in the byte order of the wire.
    #[inline]
    pub fn read_u32(&self, offset: usize) -> u32 {
        u32::from_le(self.load(offset))
    }

    /// Writes the 32-bit word at byte `offset`, in the byte order of the wire.
    #[inline]
    pub fn write_u32(&mut self, offset: usize, value: u32) {
        self.write_words(offset, [value]);
    }

    /// Writes consecutive 32-bit words from byte `offset`, with one bounds check.
    #[inline]
    pub fn write_words<const N: usize>(&mut self, offset: usize, words: [u32; N]) {
        self.check(offset, 4, N * 4);
        for (i, word) in words.into_iter().enumerate() {
            // SAFETY: i < N, and `check` proved offset + 4 * N <= len and the alignment.
            unsafe { self.base.add(offset + 4 * i).cast::<u32>().write_volatile(word.to_le()) };
        }
    }

    /// Copies bytes out of the region; each byte is read once.
    pub fn read_bytes(&self, offset: usize, into: &mut [u8]) {
        self.check(offset, 1, into.len());
        let words = into.len() / 4 * 4 * usize::from(offset.is_multiple_of(4));
        let (head, tail) = into.split_at_mut(words);
        for (i, chunk) in head.chunks_exact_mut(4).enumerate() {
            // SAFETY: inside the checked range; offset is a multiple of four when head is not empty.
            let word = unsafe { self.base.add(offset + 4 * i).cast::<u32>().read_volatile() };
            chunk.copy_from_slice(&word.to_ne_bytes());
        }
        for (i, byte) in tail.iter_mut().enumerate() {
            // SAFETY: inside the checked range.
            *byte = unsafe { self.base.add(offset + words + i).read_volatile() };
        }
    }

    /// Copies bytes into the region; each byte is written once.
    pub fn write_bytes(&mut self, offset: usize, from: &[u8]) {
        self.check(offset, 1, from.len());
        let words = from.len() / 4 * 4 * usize::from(offset.is_multiple_of(4));
        let (head, tail) = from.split_at(words);
        for (i, chunk) in head.chunks_exact(4).enumerate() {
            let word = u32::from_ne_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
            // SAFETY: inside the checked range; offset is a multiple of four when head is not empty.
            unsafe { self.base.add(offset + 4 * i).cast::<u32>().write_volatile(word) };
        }
        for (i, byte) in tail.iter().enumerate() {
            // SAFETY: inside the checked range.
            unsafe { self.base.add(offset + words + i).write_volatile(*byte) };
        }
    }

    /// Sets `len` bytes from `offset` to `value`.
    pub fn fill(&mut self, offset: usize, len: usize, value: u8) {
        self.check(offset, 1, len);
        for i in 0..len {
            // SAFETY: inside the checked range.
            unsafe { self.base.add(offset + i).write_volatile(value) };
        }
    }

    fn load(&self, offset: usize) -> u32 {
        self.check(offset, 4, 4);
        // SAFETY: `check` proved the range and the alignment.
        unsafe { self.base.add(offset).cast::<u32>().read_volatile() }
    }

    #[inline]
    #[track_caller]
    fn check(&self, offset: usize, align: usize, len: usize) {
        if offset > self.len || len > self.len - offset || !offset.is_multiple_of(align) {
            out_of_region(offset, len, self.len);
        }
    }
}

/// A region as records of `BYTES` bytes, a multiple of 8: an index is one comparison where an offset is three.
///
/// # Panics
///
/// An index beyond the last whole record is a bug in the driver and panics, as an offset outside a region does.
#[derive(Debug)]
pub struct DmaRecords<const BYTES: usize> {
    region: DmaRegion,
    count: usize,
}

impl<const BYTES: usize> DmaRecords<BYTES> {
    /// As many whole records as `region` holds.
    pub const fn new(region: DmaRegion) -> Self {
        const { assert!(BYTES > 0 && BYTES.is_multiple_of(DmaRegion::ALIGN), "records are aligned") };
        let count = region.len / BYTES;
        Self { region, count }
    }

    /// Records.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// The address of a record as the device sees it.
    #[inline]
    pub const fn bus_of(&self, index: usize) -> BusAddr {
        self.region.bus.offset((index * BYTES) as u64)
    }

    /// The region as a whole.
    pub const fn region_mut(&mut self) -> &mut DmaRegion {
        &mut self.region
    }

    /// The first `N` 32-bit words of a record.
    #[inline]
    #[track_caller]
    pub fn record_mut<const N: usize>(&mut self, index: usize) -> RecordMut<'_, N> {
        const { assert!(4 * N <= BYTES, "the words lie in the record") };
        RecordMut { at: self.at(index).cast(), region: PhantomData }
    }

    /// The same, or `None` beyond the last record.
    #[inline]
    pub fn get_record<const N: usize>(&mut self, index: usize) -> Option<RecordMut<'_, N>> {
        if index < self.count { Some(self.record_mut(index)) } else { None }
    }

    /// Consecutive records from `first` on, with one check for all of them; their first `N` words each.
    #[inline]
    #[track_caller]
    pub fn run_mut<const N: usize>(&mut self, first: usize, count: usize) -> RunMut<'_, BYTES, N> {
        const { assert!(4 * N <= BYTES, "the words lie in the record") };
        if first > self.count || count > self.count - first {
            let at = first.saturating_mul(BYTES);
            out_of_region(count.saturating_mul(BYTES), at, self.region.len);
        }
        // SAFETY: first <= count and first + count <= self.count, so that both ends lie in the region or at its end.
        let (at, end) = unsafe {
            let at = self.region.base.add(first * BYTES);
            (at, at.add(count * BYTES))
        };
        RunMut { at, end, region: PhantomData }
    }

    /// The first eight bytes of a record, to be read and written whole.
    #[inline]
    #[track_caller]
    pub fn pair_mut(&mut self, index: usize) -> PairMut<'_> {
        PairMut { at: self.at(index).cast(), region: PhantomData }
    }

    /// The same, or `None` beyond the last record.
    #[inline]
    pub fn get_pair(&mut self, index: usize) -> Option<PairMut<'_>> {
        if index < self.count { Some(self.pair_mut(index)) } else { None }
    }

    #[inline(always)]
    #[track_caller]
    fn at(&self, index: usize) -> NonNull<u8> {
        if index >= self.count {
            out_of_region(BYTES, index.saturating_mul(BYTES), self.region.len);
        }
        // SAFETY: index < count, so the record lies in the region, which is aligned as records are.
        unsafe { self.region.base.add(index * BYTES) }
    }
}

/// The first `N` words of a record, to be written one by one; see [`DmaRecords::record_mut`].
#[derive(Debug)]
pub struct RecordMut<'a, const N: usize> {
    at: NonNull<u32>,
    region: PhantomData<&'a mut DmaRegion>,
}

/// Consecutive records, one after the other; see [`DmaRecords::run_mut`].
#[derive(Debug)]
pub struct RunMut<'a, const BYTES: usize, const N: usize> {
    at: NonNull<u8>,
    end: NonNull<u8>,
    region: PhantomData<&'a mut DmaRegion>,
}

impl<'a, const BYTES: usize, const N: usize> Iterator for RunMut<'a, BYTES, N> {
    type Item = RecordMut<'a, N>;

    #[inline]
    fn next(&mut self) -> Option<RecordMut<'a, N>> {
        if self.at == self.end {
            return None;
        }
        let record = RecordMut { at: self.at.cast(), region: PhantomData };
        // SAFETY: at < end, and both are whole records apart: the next one, or the end, lies in the region or at its end.
        self.at = unsafe { self.at.add(BYTES) };
        Some(record)
    }
}

/// Eight bytes of a region that the device writes at once, or in two halves.
#[derive(Debug)]
pub struct PairMut<'a> {
    at: NonNull<u64>,
    region: PhantomData<&'a mut DmaRegion>,
}

impl PairMut<'_> {
    /// Reads both words once, the first one in bits 31:0. A machine without 64-bit loads reads them one by one.
    #[inline]
    pub fn load(&self) -> u64 {
        // SAFETY: made from a record in a region.
        u64::from_le(unsafe { self.at.read_volatile() })
    }

    /// Writes both words.
    #[inline]
    pub fn store(&mut self, value: u64) {
        // SAFETY: made from a record in a region, which is borrowed for this.
        unsafe { self.at.write_volatile(value.to_le()) };
    }
}

/// A range of memory that the device writes and any number of owners on the CPU side read: reply frames that a controller
/// may put before any of several vectors.
///
/// Nobody on the CPU side can write it, so that readers need no order among themselves.
#[derive(Clone)]
pub struct DmaView(Arc<DmaRegion>);

// SAFETY: a `DmaRegion` in a view is never written by the CPU again, because the view gives out no `&mut` and took it over
// whole; volatile loads from several threads do not race with one another.
unsafe impl Send for DmaView {}
// SAFETY: as above.
unsafe impl Sync for DmaView {}

impl DmaView {
    /// See [`DmaRegion::bus`].
    pub fn bus(&self) -> BusAddr {
        self.0.bus()
    }

    /// See [`DmaRegion::read_u32`].
    pub fn read_u32(&self, offset: usize) -> u32 {
        self.0.read_u32(offset)
    }
}

impl fmt::Debug for DmaView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Apart, and with numbers only, so that the check costs the I/O path no more than its comparisons.
#[cold]
#[inline(never)]
#[track_caller]
fn out_of_region(offset: usize, len: usize, region: usize) -> ! {
    panic!("{len} bytes at {offset} of a region of {region} bytes");
}

impl<const N: usize> RecordMut<'_, N> {
    /// Writes word `I`, in the byte order of the wire. That it lies in the record is checked when this is compiled.
    #[inline]
    pub fn put<const I: usize>(&mut self, word: u32) {
        const { assert!(I < N, "the word lies in the record") };
        // SAFETY: I < N, and the record has N words.
        unsafe { self.at.add(I).write_volatile(word.to_le()) };
    }

    /// Writes words `I` and `I + 1`, `I` even, with one store where the machine has one. `pair` has the first in bits 31:0.
    #[inline]
    pub fn put_pair<const I: usize>(&mut self, pair: u64) {
        const { assert!(I + 1 < N && I.is_multiple_of(2), "an aligned pair in the record") };
        // SAFETY: I + 1 < N; records are aligned to eight bytes and I is even.
        unsafe { self.at.add(I).cast::<u64>().write_volatile(pair.to_le()) };
    }

    /// Writes word `index`. The check is gone where the compiler knows the number.
    ///
    /// # Panics
    ///
    /// If the word does not lie in the record.
    #[inline]
    #[track_caller]
    pub fn put_at(&mut self, index: usize, word: u32) {
        if index >= N {
            out_of_region(4, index.saturating_mul(4), N * 4);
        }
        // SAFETY: index < N, and the record has N words.
        unsafe { self.at.add(index).write_volatile(word.to_le()) };
    }

    /// Writes words `index` and `index + 1` as [`Self::put_pair`] does.
    ///
    /// # Panics
    ///
    /// If they do not lie in the record, or `index` is odd.
    #[inline]
    #[track_caller]
    pub fn put_pair_at(&mut self, index: usize, pair: u64) {
        if index >= N || index + 1 >= N || !index.is_multiple_of(2) {
            out_of_region(8, index.saturating_mul(4), N * 4);
        }
        // SAFETY: index + 1 < N; records are aligned to eight bytes and index is even.
        unsafe { self.at.add(index).cast::<u64>().write_volatile(pair.to_le()) };
    }
}

impl fmt::Debug for DmaRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DmaRegion({} bytes at bus {})", self.len, self.bus)
    }
}

/// Cache maintenance for hosts whose DMA is not coherent with the CPU.
///
/// The core calls it around the memory that it shares with the device itself (frames, replies, sense). Data buffers are
/// the platform's: it synchronises them when it prepares and completes a mapping. It also hands regions over clean:
/// a line that is still dirty when the device gets its region may be written back over what the device put there.
pub trait DmaSync {
    /// Whether caches snoop. Without that nothing is written into a cache line that the device may be writing to: small pieces
    /// of memory, such as sense buffers, share lines with their neighbours.
    const COHERENT: bool = false;

    /// Makes CPU stores to `len` bytes at `bus` visible to the device.
    fn for_device(&mut self, bus: BusAddr, len: usize);
    /// Makes device stores to `len` bytes at `bus` visible to the CPU.
    fn for_cpu(&mut self, bus: BusAddr, len: usize);
}

/// The usual host: caches snoop, nothing to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Coherent;

impl DmaSync for Coherent {
    const COHERENT: bool = true;

    #[inline]
    fn for_device(&mut self, _: BusAddr, _: usize) {}

    #[inline]
    fn for_cpu(&mut self, _: BusAddr, _: usize) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(memory: &mut [u64]) -> DmaRegion {
        let len = size_of_val(memory);
        let base = NonNull::new(memory.as_mut_ptr().cast()).expect("a slice is not null");
        // SAFETY: the tests below use the memory through the region only, while the array lives.
        unsafe { DmaRegion::from_raw_parts(base, len, BusAddr::new(0x1000)) }
    }

    #[test]
    fn bytes_and_words_agree_at_every_alignment() {
        let mut memory = [0u64; 8];
        let mut region = region(&mut memory);
        let bytes: [u8; 23] = core::array::from_fn(|i| i as u8 + 1);
        for offset in 0..9 {
            region.fill(0, 64, 0xee);
            region.write_bytes(offset, &bytes);
            let mut back = [0; 25];
            region.read_bytes(offset, &mut back);
            assert_eq!(back[..23], bytes);
            assert_eq!(back[23..], [0xee; 2], "nothing beyond the end is written");
        }
        region.write_words(8, [0x0403_0201, 0x0807_0605]);
        let mut back = [0; 8];
        region.read_bytes(8, &mut back);
        assert_eq!(back, [1, 2, 3, 4, 5, 6, 7, 8], "words are little-endian on the wire");
        assert_eq!(region.read_u32(12), 0x0807_0605);
    }

    #[test]
    fn split_keeps_both_addresses_in_step() {
        let mut memory = [0u64; 8];
        let (mut low, mut high) = region(&mut memory).split_at(24);
        assert_eq!((low.len(), high.len()), (24, 40));
        assert_eq!(high.bus(), BusAddr::new(0x1018));
        low.write_u32(20, 1);
        high.write_u32(0, 2);
        assert_eq!((low.read_u32(20), high.read_u32(0)), (1, 2));
    }

    #[test]
    #[should_panic(expected = "4 bytes at 64")]
    fn access_beyond_the_end_panics() {
        let mut memory = [0u64; 8];
        region(&mut memory).write_u32(64, 0);
    }
}
