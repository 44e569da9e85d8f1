//! Host memory that the driver and the fake controller both reach, and the FIFOs between them.
#![expect(unsafe_code, reason = "DMA regions and data buffers are promises about memory")]

use alloc::sync::Arc;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use hba_core::dma::{BusAddr, DataBuffer, DmaRegion, Segment};
use mpt_backend::mpi1::{EMPTY, ReplyFifo};

/// Eight bytes, so that regions have the alignment that [`DmaRegion`] asks for.
#[derive(Debug, Default)]
#[repr(C, align(8))]
struct Pair([AtomicU32; 2]);

/// Words of memory from bus address [`Self::BASE`] on. Clones share them.
///
/// The driver reaches the words through the [`DmaRegion`]s, the controller through [`Self::load`] and [`Self::store`], on
/// the same thread or, as a device does, at the same time.
#[derive(Clone, Debug)]
pub struct Memory {
    pairs: Arc<[Pair]>,
}

impl Memory {
    /// The first bus address: not the address of a pointer.
    pub const BASE: u32 = 0x1000_0000;

    pub(super) fn new(bytes: usize) -> Self {
        Self { pairs: (0..bytes.div_ceil(8)).map(|_| Pair::default()).collect() }
    }

    /// The `len` bytes at `offset`, as the driver's own.
    ///
    /// # Panics
    ///
    /// If the range is not inside the memory.
    pub(super) fn region(&self, offset: usize, len: usize) -> DmaRegion {
        let pairs = &self.pairs[offset / 8..(offset + len) / 8];
        let base = NonNull::from(pairs).cast();
        let bus = BusAddr::new(u64::from(Self::BASE) + offset as u64);
        // SAFETY: the words are atomic, so writes behind a shared reference are allowed; they are aligned and live as long
        // as the owner below. The region's accesses are volatile, made for memory that changes under them.
        let region = unsafe { DmaRegion::from_raw_parts(base, pairs.len() * 8, bus) };
        region.with_owner(Arc::new(self.clone()))
    }

    /// The word at a bus address, as the controller reads it.
    ///
    /// # Panics
    ///
    /// If nothing is mapped there.
    #[inline]
    #[must_use]
    pub fn load(&self, address: u32) -> u32 {
        u32::from_le(self.word(address).load(Ordering::Relaxed))
    }

    /// Writes the word at a bus address, as the controller does.
    ///
    /// # Panics
    ///
    /// If nothing is mapped there.
    #[inline]
    pub fn store(&self, address: u32, value: u32) {
        self.word(address).store(value.to_le(), Ordering::Relaxed);
    }

    #[inline]
    fn word(&self, address: u32) -> &AtomicU32 {
        let offset = address.wrapping_sub(Self::BASE) as usize;
        &self.pairs[offset / 8].0[offset / 4 % 2]
    }
}

/// Words of a [`Ring`]: more than there are requests and reply frames.
pub(super) const RING: usize = 1024;

/// A FIFO of words in memory. A vacant place holds [`EMPTY`], which is what the register reads then.
#[derive(Debug)]
pub(super) struct Ring {
    words: [AtomicU32; RING],
    /// Where the next word goes.
    tail: AtomicUsize,
}

impl Ring {
    fn new() -> Self {
        Self { words: core::array::from_fn(|_| AtomicU32::new(EMPTY)), tail: AtomicUsize::new(0) }
    }

    #[inline]
    pub(super) fn push(&self, word: u32) {
        let tail = self.tail.load(Ordering::Relaxed);
        self.words[tail % RING].store(word, Ordering::Relaxed);
        self.tail.store(tail.wrapping_add(1), Ordering::Relaxed);
    }

    pub(super) fn waiting(&self) -> usize {
        self.words.iter().filter(|word| word.load(Ordering::Relaxed) != EMPTY).count()
    }

    /// The word at `head`, which moves on unless that is [`EMPTY`].
    #[inline]
    pub(super) fn pop(&self, head: &mut usize) -> u32 {
        let place = &self.words[*head % RING];
        let word = place.load(Ordering::Relaxed);
        if word != EMPTY {
            place.store(EMPTY, Ordering::Relaxed);
            *head += 1;
        }
        word
    }
}

/// The two directions of the register at 0x44.
#[derive(Debug)]
pub(super) struct Fifos {
    /// Posted by the controller, popped by a read.
    pub(super) posted: Ring,
    /// Freed by a write, taken by the controller.
    pub(super) freed: Ring,
}

impl Fifos {
    pub(super) fn new() -> Self {
        Self { posted: Ring::new(), freed: Ring::new() }
    }
}

/// The driver's handle of the reply FIFO register: a read is a load, a write is a store.
#[derive(Debug)]
pub struct BankFifo {
    fifos: Arc<Fifos>,
    head: usize,
}

impl BankFifo {
    pub(super) fn new(fifos: Arc<Fifos>) -> Self {
        Self { fifos, head: 0 }
    }
}

impl ReplyFifo for BankFifo {
    #[inline]
    fn pop(&mut self) -> u32 {
        self.fifos.posted.pop(&mut self.head)
    }

    #[inline]
    fn free(&mut self, frame: u32) {
        self.fifos.freed.push(frame);
    }
}

/// Data memory at made-up addresses, for commands whose data nobody looks at.
#[derive(Clone, Copy, Debug)]
pub struct Pages<const JOINED: bool = true>(&'static [Segment]);

impl Pages {
    /// No memory.
    pub const NONE: Self = Self(&[]);

    /// `count` pages of 4 KiB of which no two are neighbours. Never freed: make them once.
    #[must_use]
    pub fn scattered(count: u32) -> Self {
        Self(Vec::leak((0..count).map(page).collect()))
    }

    /// As many bytes as `pages` pages of 4 KiB hold, in one segment more: they begin in the middle of a page.
    #[must_use]
    pub fn straddling(pages: u32) -> Self {
        let mut segments: Vec<_> = (0..=pages).map(page).collect();
        segments[0] = Segment::new(segments[0].addr.offset(2048), 2048);
        segments[pages as usize].len = 2048;
        Self(segments.leak())
    }

    /// The same pages, but they do not say that none is another's neighbour.
    #[must_use]
    pub fn unknown(self) -> Pages<false> {
        Pages(self.0)
    }
}

/// Page `i` of those of which no two are neighbours.
fn page(i: u32) -> Segment {
    Segment::new(BusAddr::new(0x8000_0000 + 0x2000 * u64::from(i)), 4096)
}

// SAFETY: the fake controller moves no data, so no memory is needed.
unsafe impl<const JOINED: bool> DataBuffer for Pages<JOINED> {
    fn segments(&self) -> &[Segment] {
        self.0
    }

    fn is_joined(&self) -> bool {
        JOINED
    }
}
