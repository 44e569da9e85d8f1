//! Guest RAM, shared with QEMU, as DMA memory.
#![expect(
    unsafe_code,
    reason = "a mapping that another process writes is reached through raw pointers"
)]

use alloc::sync::Arc;
use core::fmt;
use core::ops::Range;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU32, Ordering};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use hba_core::dma::{AddressWidth, BusAddr, DmaRegion, DmaWindow, RegionBuffer};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::arena::FreeRanges;

/// Which part of guest RAM a region comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// Bus addresses of 32 bits.
    Below4G,
    /// Bus addresses from 4 GiB on; exists only if `Config::ram_above_4g` is not 0.
    Above4G,
}

/// The RAM of the emulated machine, dealt out as DMA regions.
///
/// Bus address = guest physical address. The first MiB is left alone: parts of it are ROM and device memory on a PC.
/// A handle: clones deal from the same memory. Regions keep the mapping alive, also after QEMU has ended, and their
/// memory is dealt out again once a region and all regions split from it are dropped.
#[derive(Clone)]
pub struct QemuMemory {
    ram: Arc<Ram>,
}

struct Ram {
    mapping: Mapping,
    layout: RamLayout,
    below: Mutex<FreeRanges>,
    above: Mutex<FreeRanges>,
}

/// Bytes of RAM below and above 4 GiB; in the file the second part follows the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RamLayout {
    pub(crate) below_4g: u64,
    pub(crate) above_4g: u64,
}

impl RamLayout {
    pub(crate) const fn len(self) -> u64 {
        self.below_4g + self.above_4g
    }

    /// Where the byte at guest physical address `address` lies in the file. The address came from the arenas.
    const fn file_offset(self, address: u64) -> u64 {
        if address < FOUR_GIB { address } else { address - FOUR_GIB + self.below_4g }
    }
}

impl QemuMemory {
    /// Creates the memory; QEMU maps the same file.
    pub(crate) fn create(layout: RamLayout) -> io::Result<(Self, OwnedFd)> {
        let file = memfd_create("hba-qemu-ram", MemfdFlags::CLOEXEC)?;
        ftruncate(&file, layout.len())?;
        let mapping = Mapping::new(&file, layout.len())?;
        let above = FOUR_GIB..FOUR_GIB + layout.above_4g;
        let ram = Ram {
            mapping,
            layout,
            below: Mutex::new(FreeRanges::new(FIRST_FREE..layout.below_4g)),
            above: Mutex::new(FreeRanges::new(above)),
        };
        Ok((Self { ram: Arc::new(ram) }, file))
    }

    /// A zeroed region below 4 GiB, aligned to `align` bytes (a power of two; less than 64 means 64).
    ///
    /// # Errors
    ///
    /// [`AllocError`] if no free range is long enough, or `align` is not a power of two.
    pub fn allocate(&self, len: usize, align: usize) -> Result<DmaRegion, AllocError> {
        self.allocate_in(Zone::Below4G, len, align)
    }

    /// A zeroed region in `zone`, aligned to `align` bytes (a power of two; less than 64 means 64).
    ///
    /// # Errors
    ///
    /// As [`Self::allocate`].
    pub fn allocate_in(
        &self,
        zone: Zone,
        len: usize,
        align: usize,
    ) -> Result<DmaRegion, AllocError> {
        if !align.is_power_of_two() {
            return Err(AllocError::Alignment { align });
        }
        let range = {
            let mut free = self.ram.free(zone).lock().unwrap_or_else(PoisonError::into_inner);
            let reserve = (len as u64).max(1).checked_next_multiple_of(GRAIN);
            let taken = reserve.and_then(|bytes| free.take(bytes, GRAIN.max(align as u64)));
            taken.ok_or_else(|| AllocError::Exhausted {
                zone,
                len,
                align,
                largest: free.largest(),
            })?
        };
        let bus = BusAddr::new(range.start);
        let base = self.ram.at(range.start);
        // SAFETY: the arena dealt `range` to nobody else, and every range it deals lies in the mapping.
        unsafe { ptr::write_bytes(base.as_ptr(), 0, len) };
        let lease = Lease { ram: Arc::clone(&self.ram), zone, range };
        // SAFETY: the range is mapped (the lease keeps it so), aligned to at least GRAIN, and dealt to nobody else until the
        // lease is dropped. A device write that comes later still hits the mapping, or the file that QEMU keeps open.
        let region = unsafe { DmaRegion::from_raw_parts(base, len, bus) };
        Ok(region.with_owner(Arc::new(lease)))
    }

    /// A zeroed data buffer of `len` bytes below 4 GiB, aligned to 64 bytes.
    ///
    /// # Errors
    ///
    /// As [`Self::allocate`].
    pub fn buffer(&self, len: u32) -> Result<RegionBuffer, AllocError> {
        self.buffer_in(Zone::Below4G, len)
    }

    /// A zeroed data buffer of `len` bytes in `zone`, aligned to 64 bytes.
    ///
    /// # Errors
    ///
    /// As [`Self::allocate`].
    pub fn buffer_in(&self, zone: Zone, len: u32) -> Result<RegionBuffer, AllocError> {
        Ok(RegionBuffer::new(self.allocate_in(zone, len as usize, 1)?))
    }

    /// The addresses that a device with `width` address bits can be given: from 1 MiB to the end of RAM.
    ///
    /// With RAM above 4 GiB the hole below 4 GiB lies inside the window; this arena deals no address from it.
    #[must_use]
    pub fn window(&self, width: AddressWidth) -> DmaWindow {
        let RamLayout { below_4g, above_4g } = self.ram.layout;
        let end = if above_4g > 0 { FOUR_GIB + above_4g } else { below_4g };
        DmaWindow::of_width(width).within(BusAddr::new(FIRST_FREE), BusAddr::new(end - 1))
    }

    /// The word at [`MSI_ADDRESS`], which belongs to no arena.
    pub(crate) fn msi_word(&self) -> SharedWord {
        SharedWord { ram: Arc::clone(&self.ram) }
    }
}

impl fmt::Debug for QemuMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("QemuMemory").field(&self.ram.layout).finish()
    }
}

impl Ram {
    const fn free(&self, zone: Zone) -> &Mutex<FreeRanges> {
        match zone {
            Zone::Below4G => &self.below,
            Zone::Above4G => &self.above,
        }
    }

    fn at(&self, address: u64) -> NonNull<u8> {
        let offset = self.layout.file_offset(address);
        assert!(offset < self.layout.len(), "{address:#x} is not RAM");
        // SAFETY: the offset is inside the mapping, which is as long as the layout.
        unsafe { self.mapping.base.add(offset as usize) }
    }
}

/// Gives a range back to its arena when the last region cut from it is gone.
struct Lease {
    ram: Arc<Ram>,
    zone: Zone,
    range: Range<u64>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut free = self.ram.free(self.zone).lock().unwrap_or_else(PoisonError::into_inner);
        free.give(self.range.clone());
    }
}

impl fmt::Debug for SharedWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedWord({:#x})", self.load())
    }
}

/// The word that the device writes for each MSI.
#[derive(Clone)]
pub(crate) struct SharedWord {
    ram: Arc<Ram>,
}

impl SharedWord {
    /// Reads the word and stores 0 in one step, so that no write of the device is lost between the two.
    pub(crate) fn take(&self) -> u32 {
        self.atomic().swap(0, Ordering::SeqCst)
    }

    pub(crate) fn load(&self) -> u32 {
        self.atomic().load(Ordering::SeqCst)
    }

    fn atomic(&self) -> &AtomicU32 {
        // SAFETY: MSI_ADDRESS is page aligned, inside the mapping, outside every arena, and only reached by this function.
        unsafe { AtomicU32::from_ptr(self.ram.at(MSI_ADDRESS).as_ptr().cast()) }
    }
}

/// A shared mapping of a whole file.
struct Mapping {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping is plain memory that no thread is tied to; who may touch which part is the arenas' business.
unsafe impl Send for Mapping {}
// SAFETY: as above; the type itself offers no access.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(file: &impl AsFd, len: u64) -> io::Result<Self> {
        let len = usize::try_from(len).map_err(io::Error::other)?;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel chooses the address, so no existing mapping is replaced.
        let base = unsafe { mmap(ptr::null_mut(), len, access, MapFlags::SHARED, file, 0)? };
        let base =
            NonNull::new(base.cast()).ok_or_else(|| io::Error::other("mmap returned null"))?;
        Ok(Self { base, len })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: made by `mmap` with this length; regions and words hold the `Ram` that owns the mapping. An error leaves
        // the memory mapped, which is harmless.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
    }
}

/// Why no region was dealt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AllocError {
    /// No free range is long enough.
    Exhausted {
        /// Where.
        zone: Zone,
        /// Bytes asked for.
        len: usize,
        /// Alignment asked for, in bytes.
        align: usize,
        /// The longest free range in bytes.
        largest: u64,
    },
    /// The alignment is not a power of two.
    Alignment {
        /// What was asked for.
        align: usize,
    },
}

impl fmt::Display for AllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exhausted { zone, len, align, largest } => {
                let (place, field) = match zone {
                    Zone::Below4G => ("below", "ram_below_4g"),
                    Zone::Above4G => ("above", "ram_above_4g"),
                };
                write!(
                    f,
                    "no {len} bytes of guest RAM {place} 4 GiB aligned to {align}: \
                     the longest free range has {largest}; raise {field}"
                )
            }
            Self::Alignment { align } => write!(f, "alignment {align} is not a power of two"),
        }
    }
}

impl core::error::Error for AllocError {}

const FOUR_GIB: u64 = 1 << 32;

/// Where the device writes its MSI message: the first page above the first MiB.
pub(crate) const MSI_ADDRESS: u64 = 0x10_0000;

const FIRST_FREE: u64 = MSI_ADDRESS + 0x1000;

/// A cache line, so that regions of different threads do not share one.
const GRAIN: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: RamLayout = RamLayout { below_4g: 4 << 20, above_4g: 2 << 20 };

    fn memory() -> QemuMemory {
        QemuMemory::create(LAYOUT).expect("memfd").0
    }

    #[test]
    fn regions_are_zeroed_again_and_dealt_again_after_the_last_part_is_dropped() {
        let memory = memory();
        let mut first = memory.allocate(4096, 4096).expect("room");
        let bus = first.bus();
        first.fill(0, 4096, 0xee);
        let (low, high) = first.split_at(2048);
        drop(low);
        assert_ne!(memory.allocate(4096, 4096).expect("room").bus(), bus, "a part is still alive");
        drop(high);
        let again = memory.allocate(4096, 4096).expect("room");
        assert_eq!((again.bus(), again.read_u32(4092)), (bus, 0));
    }

    #[test]
    fn regions_reach_the_file_where_the_machine_expects_them() {
        let (memory, file) = QemuMemory::create(LAYOUT).expect("memfd");
        let mut high = memory.allocate_in(Zone::Above4G, 64, 64).expect("room");
        assert_eq!(high.bus(), BusAddr::new(1 << 32));
        high.write_u32(0, 0x1234_5678);
        let mut word = [0; 4];
        rustix::io::pread(&file, &mut word, LAYOUT.below_4g).expect("read");
        assert_eq!(u32::from_le_bytes(word), 0x1234_5678);
    }

    #[test]
    fn exhaustion_and_bad_alignment_are_errors() {
        let memory = memory();
        let error = memory.allocate(4 << 20, 8).expect_err("the first MiB is not dealt");
        assert_eq!(
            error.to_string(),
            "no 4194304 bytes of guest RAM below 4 GiB aligned to 8: \
             the longest free range has 3141632; raise ram_below_4g"
        );
        assert!(memory.allocate(usize::MAX, 8).is_err());
        assert_eq!(memory.allocate(8, 3).map(|_| ()), Err(AllocError::Alignment { align: 3 }));
    }

    #[test]
    fn a_region_outlives_the_handle() {
        let mut region = memory().allocate(8, 8).expect("room");
        region.write_u32(0, 7);
        assert_eq!(region.read_u32(0), 7);
    }
}
