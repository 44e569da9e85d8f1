//! An application's memory: pages all over physical memory, which move unless they are wired.

use alloc::sync::Arc;
use core::fmt;
use std::sync::Mutex;

use super::Fabric;
use super::port::lock;
use crate::memory::OutOfMemory;
use crate::memory::block::Block;

/// A physical address: what a CPU puts on its bus, and no device may be given.
///
/// There is no way from here to a [`BusAddr`](hba_core::dma::BusAddr) but [`DmaMapper::prepare`](hba_core::dma::DmaMapper::prepare), not even where
/// the numbers are equal:
///
/// ```compile_fail,E0308
/// use hba_core::dma::Segment;
/// fn segment(memory: &sim_backend::fabric::AppMemory) -> Segment {
///     Segment::new(memory.physical(0), 4096)
/// }
/// ```
///
/// ```compile_fail,E0277
/// use hba_core::dma::BusAddr;
/// fn bus(memory: &sim_backend::fabric::AppMemory) -> BusAddr {
///     memory.physical(0).into()
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PhysAddr(pub u64);

impl fmt::Display for PhysAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "physical {:#x}", self.0)
    }
}

/// Memory of an application, contiguous for the application only.
pub struct AppMemory {
    frames: Arc<Mutex<Frames>>,
    page: usize,
    /// Of the first byte in the first page.
    offset: usize,
    len: usize,
}

/// Where an application's pages are: the host's business, which may move them.
pub(super) struct Frames {
    pages: Vec<Page>,
    wired: bool,
}

impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} pages, {}", self.pages.len(), if self.wired { "wired" } else { "not wired" })
    }
}

struct Page {
    physical: u64,
    block: Arc<Block>,
}

impl fmt::Debug for AppMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AppMemory({} bytes in {:?})", self.len, lock(&self.frames))
    }
}

impl Fabric {
    /// Memory of `len` bytes for an application, `offset` bytes into its first page. No two of its pages follow each other
    /// in physical memory.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`].
    ///
    /// # Panics
    ///
    /// If `offset` is a page or more.
    pub fn application(&self, len: usize, offset: usize) -> Result<AppMemory, OutOfMemory> {
        self.application_pages(len, offset, scattered)
    }

    /// Memory as [`application`](Self::application) gives, whose pages all follow each other: what a test machine with much
    /// free memory has, and hides mistakes.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`].
    ///
    /// # Panics
    ///
    /// If `offset` is a page or more.
    pub fn contiguous(&self, len: usize, offset: usize) -> Result<AppMemory, OutOfMemory> {
        self.application_pages(len, offset, |nth| (1 << 15) + nth)
    }

    fn application_pages(
        &self,
        len: usize,
        offset: usize,
        place: impl Fn(u64) -> u64,
    ) -> Result<AppMemory, OutOfMemory> {
        let page = self.shared.config.page.bytes() as usize;
        assert!(offset < page, "{offset} bytes into a page of {page}");
        let count = (offset + len).div_ceil(page);
        let pages = (0..count).map(|_| self.page(&place));
        let pages = pages.collect::<Option<_>>().ok_or(OutOfMemory { len, left: 0 })?;
        let frames = Arc::new(Mutex::new(Frames { pages, wired: false }));
        let mut all = lock(&self.shared.applications);
        all.retain(|frames| frames.strong_count() > 0);
        all.push(Arc::downgrade(&frames));
        Ok(AppMemory { frames, page, offset, len })
    }

    /// The host needs its memory: the contents of all applications' pages that are not wired go elsewhere. How many pages did.
    ///
    /// # Panics
    ///
    /// If there is no other memory.
    pub fn reclaim(&self) -> usize {
        let all = lock(&self.shared.applications);
        all.iter()
            .filter_map(alloc::sync::Weak::upgrade)
            .map(|frames| self.move_pages(&frames))
            .sum()
    }

    fn move_pages(&self, frames: &Mutex<Frames>) -> usize {
        let mut frames = lock(frames);
        if frames.wired {
            return 0;
        }
        let mut bytes = vec![0; self.shared.config.page.bytes() as usize];
        for page in &mut frames.pages {
            let elsewhere = self.page(scattered).expect("there is other memory");
            page.block.read(0, &mut bytes);
            elsewhere.block.write(0, &bytes);
            *page = elsewhere;
        }
        frames.pages.len()
    }

    /// A page that no application had before.
    fn page(&self, place: impl Fn(u64) -> u64) -> Option<Page> {
        let nth = {
            let mut pages = lock(&self.shared.pages);
            *pages += 1;
            *pages
        };
        let size = self.shared.config.page.bytes();
        let physical = self.shared.config.application_base.raw() + place(nth) * size;
        let block = self.shared.memory.back_at(physical, size as usize)?;
        Some(Page { physical, block })
    }
}

/// Every other page, each eight of them from the highest down.
const fn scattered(nth: u64) -> u64 {
    nth / 8 * 16 + (7 - nth % 8) * 2
}

impl AppMemory {
    /// Bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the pages stay where they are.
    #[must_use]
    pub fn is_wired(&self) -> bool {
        lock(&self.frames).wired
    }

    /// Copies bytes out, from `offset` on.
    ///
    /// # Panics
    ///
    /// If they are not all there.
    pub fn read(&self, offset: usize, into: &mut [u8]) {
        let mut rest = into;
        for (block, at, len) in self.pieces(offset, rest.len()) {
            let (now, later) = rest.split_at_mut(len);
            block.read(at, now);
            rest = later;
        }
    }

    /// Copies bytes in, from `offset` on.
    ///
    /// # Panics
    ///
    /// If they have not all room.
    pub fn write(&mut self, offset: usize, from: &[u8]) {
        let mut rest = from;
        for (block, at, len) in self.pieces(offset, rest.len()) {
            let (now, later) = rest.split_at(len);
            block.write(at, now);
            rest = later;
        }
    }

    /// All bytes.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len];
        self.read(0, &mut bytes);
        bytes
    }

    /// Where the byte at `offset` is now.
    ///
    /// # Panics
    ///
    /// If there is no such byte.
    #[must_use]
    pub fn physical(&self, offset: usize) -> PhysAddr {
        assert!(offset < self.len, "byte {offset} of {}", self.len);
        let (at, page) = (self.offset + offset, self.page);
        PhysAddr(lock(&self.frames).pages[at / page].physical + (at % page) as u64)
    }

    pub(super) fn set_wired(&mut self, wired: bool) {
        lock(&self.frames).wired = wired;
    }

    pub(super) const fn offset(&self) -> usize {
        self.offset
    }

    pub(super) fn wired_bytes(&self) -> u64 {
        (lock(&self.frames).pages.len() * self.page) as u64
    }

    pub(super) fn physical_pages(&self) -> Vec<u64> {
        lock(&self.frames).pages.iter().map(|page| page.physical).collect()
    }

    /// The memory as runs of bytes that follow each other in physical memory.
    pub(super) fn runs(&self) -> Vec<(PhysAddr, u32)> {
        let mut runs: Vec<(PhysAddr, u32)> = Vec::new();
        let mut offset = 0;
        for (_, _, len) in self.pieces(0, self.len) {
            let at = self.physical(offset);
            match runs.last_mut() {
                Some((start, before)) if start.0 + u64::from(*before) == at.0 => {
                    *before += len as u32;
                }
                _ => runs.push((at, len as u32)),
            }
            offset += len;
        }
        runs
    }

    /// The parts of `len` bytes from `offset` on: page, offset in it, bytes.
    fn pieces(&self, offset: usize, len: usize) -> Vec<(Arc<Block>, usize, usize)> {
        let end = offset.checked_add(len).filter(|end| *end <= self.len);
        let end = end.unwrap_or_else(|| panic!("{len} bytes at {offset} of {}", self.len));
        let (mut at, end, page) = (self.offset + offset, self.offset + end, self.page);
        let frames = lock(&self.frames);
        let mut pieces = Vec::new();
        while at < end {
            let now = (page - at % page).min(end - at);
            pieces.push((frames.pages[at / page].block.clone(), at % page, now));
            at += now;
        }
        pieces
    }
}
