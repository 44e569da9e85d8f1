//! Host memory with bus addresses of its own, and the device's access to it.
//!
//! A bus address is never the value of a pointer here, so a driver that mixes the two up fails at once. What the driver
//! did not allocate, or has freed, is not mapped: a device access there is a [`DmaFault`].

pub(crate) mod block;
mod device;
mod fault;
mod outside;
mod placement;

use alloc::sync::{Arc, Weak};
use core::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hba_core::dma::{BusAddr, DmaRegion, RegionBuffer};

use block::Block;
use hba_core::fabric::HostMapping;

use crate::fabric::Port;
pub use device::{AccessCount, DeviceMemory};
pub use fault::{DmaDirection, DmaFault, DmaFaultCause, FaultLog};
pub use outside::HostMemory;
pub use placement::Placement;

/// The host's DMA memory: a bump allocator over bus addresses.
///
/// Bus addresses are not reused unless [`seek`](Self::seek) goes back. Allocations are at least [`GUARD`](Self::GUARD) bytes apart, so that a device that runs
/// over the end of one does not reach the next unseen. Clones share the memory.
#[derive(Clone, Debug)]
pub struct SimMemory {
    arena: Arc<Mutex<Arena>>,
    /// The controller's place in a fabric, where there is one: allocations are mapped for it, accesses go through it.
    port: Option<Arc<Port>>,
}

impl SimMemory {
    /// The default first bus address: above any small integer, below 4 GiB, and not the address of a pointer.
    pub const BASE: BusAddr = BusAddr::new(0x8000_0000);
    /// Unmapped bytes after each allocation.
    pub const GUARD: u64 = 256;
    /// What new memory is filled with unless [`set_poison`](Self::set_poison) says otherwise.
    pub const POISON: u8 = 0xa5;

    /// Up to `capacity` bytes from bus address [`BASE`](Self::BASE) on.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self::at(Self::BASE, capacity)
    }

    /// Up to `capacity` bytes from bus address `base` on, which may lie above 4 GiB.
    #[must_use]
    pub fn at(base: BusAddr, capacity: usize) -> Self {
        let arena = Arena::new(base.raw(), capacity);
        Self { arena: Arc::new(Mutex::new(arena)), port: None }
    }

    /// Chooses what new memory is filled with.
    pub fn set_poison(&self, fill: u8) {
        self.lock().poison = fill;
    }

    /// Continues at bus address `next`: later allocations lie at or after it, past what is still mapped there. Going back
    /// reuses the addresses of freed memory.
    pub fn seek(&self, next: BusAddr) {
        let mut arena = self.lock();
        arena.next = next.raw();
        arena.mappings.retain(|mapping| mapping.block.strong_count() > 0);
    }

    /// Allocates `len` bytes at a multiple of `align` (at least eight). The region does not cross a 4 GiB line.
    ///
    /// The memory stays mapped for the device until the region and all parts split from it are dropped.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] when the capacity or the address space is used up, or `len` is 4 GiB or more.
    pub fn allocate(&self, len: usize, align: usize) -> Result<DmaRegion, OutOfMemory> {
        match &self.port {
            Some(port) if port.translates() => self.allocate_mapped(port, len, align),
            _ => {
                let mut arena = self.lock();
                let bus = arena.place(len, align as u64);
                let bus = bus.ok_or(OutOfMemory { len, left: arena.left })?;
                Ok(arena.map(bus, len)?.region(len, BusAddr::new(bus)))
            }
        }
    }

    /// Whole pages of memory, mapped for the controller in both directions as long as the region lives.
    fn allocate_mapped(
        &self,
        port: &Arc<Port>,
        len: usize,
        align: usize,
    ) -> Result<DmaRegion, OutOfMemory> {
        let (block, physical) = self.back(len, port.page().max(align as u64))?;
        let out = OutOfMemory { len, left: self.lock().left };
        let lease = port.lease(block.clone(), physical, len, align as u64).ok_or(out)?;
        let bus = lease.bus();
        Ok(block.region(len, bus).with_owner(Arc::new(lease)))
    }

    /// Memory of `len` bytes at a multiple of `align`, and its physical address.
    pub(crate) fn back(&self, len: usize, align: u64) -> Result<(Arc<Block>, u64), OutOfMemory> {
        let mut arena = self.lock();
        let physical = arena.place(len, align).ok_or(OutOfMemory { len, left: arena.left })?;
        Ok((arena.map(physical, len)?, physical))
    }

    /// Memory of `len` bytes at `physical`, unless something is there. Where the next allocation goes is not changed.
    pub(crate) fn back_at(&self, physical: u64, len: usize) -> Option<Arc<Block>> {
        let mut arena = self.lock();
        let next = arena.next;
        let block = arena.map(physical, len).ok();
        arena.next = next;
        block
    }

    /// The same memory as a device at `port` and its driver have it.
    pub(crate) fn through(&self, port: Arc<Port>) -> Self {
        Self { arena: self.arena.clone(), port: Some(port) }
    }

    /// What the platform knows of the way from the controller to this memory: nothing where there is no fabric.
    #[must_use]
    pub fn mapping(&self) -> HostMapping {
        self.port.as_ref().map_or_else(HostMapping::unknown, |port| port.mapping())
    }

    /// Allocates `len` bytes with the middle on the next 4 GiB line: what an allocator may do and a pool must not.
    ///
    /// # Errors
    ///
    /// As [`allocate`](Self::allocate); always behind an IOMMU, whose addresses are one window.
    pub fn allocate_across_4g(&self, len: usize) -> Result<DmaRegion, OutOfMemory> {
        let mut arena = self.lock();
        let line = (arena.next | 0xffff_ffff).checked_add(1);
        let before = (len as u64 / 2).next_multiple_of(8);
        let bus = line.and_then(|line| line.checked_sub(before)).filter(|bus| *bus >= arena.next);
        let translated = self.port.as_ref().is_some_and(|port| port.translates());
        let bus = bus.filter(|_| !translated).ok_or(OutOfMemory { len, left: arena.left })?;
        Ok(arena.map(bus, len)?.region(len, BusAddr::new(bus)))
    }

    /// Allocates a data buffer of one segment, aligned to eight bytes.
    ///
    /// # Errors
    ///
    /// As [`allocate`](Self::allocate).
    pub fn buffer(&self, len: usize) -> Result<RegionBuffer, OutOfMemory> {
        self.allocate(len, DmaRegion::ALIGN).map(RegionBuffer::new)
    }

    /// Lets the device reach the memory, or makes every access of it a fault: the bus master enable bit of its PCI
    /// command register.
    pub fn set_bus_master(&self, enabled: bool) {
        match &self.port {
            Some(port) => port.set_bus_master(enabled),
            None => self.lock().bus_master = enabled,
        }
    }

    /// What the device uses to reach the memory.
    #[must_use]
    pub fn device(&self) -> DeviceMemory {
        DeviceMemory::new(self.arena.clone(), self.port.clone())
    }

    /// What is mapped for the device now, by address: the first byte and the length in bytes. Behind a fabric, what is there.
    #[must_use]
    pub fn mapped(&self) -> Vec<(BusAddr, usize)> {
        let arena = self.lock();
        let live = arena.mappings.iter().filter(|mapping| mapping.block.strong_count() > 0);
        live.map(|mapping| (BusAddr::new(mapping.first), mapping.len as usize)).collect()
    }

    /// The device's accesses that were refused so far.
    #[must_use]
    pub fn faults(&self) -> FaultLog {
        self.lock().faults.clone()
    }

    /// How often the device touched the memory so far.
    #[must_use]
    pub fn accesses(&self) -> AccessCount {
        self.lock().accesses
    }

    fn lock(&self) -> MutexGuard<'_, Arena> {
        lock(&self.arena)
    }
}

/// No room for an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory {
    /// Bytes asked for.
    pub len: usize,
    /// Bytes left of the capacity.
    pub left: usize,
}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no room for {} bytes, {} bytes are left", self.len, self.left)
    }
}

impl core::error::Error for OutOfMemory {}

/// What both sides share, behind one lock.
#[derive(Debug)]
struct Arena {
    /// Where the search for the next allocation starts.
    next: u64,
    /// Bytes of the capacity that were never handed out.
    left: usize,
    poison: u8,
    /// Sorted by first address, not overlapping.
    mappings: Vec<Mapping>,
    faults: FaultLog,
    accesses: AccessCount,
    /// Whether the device may reach the memory at all.
    bus_master: bool,
}

struct Mapping {
    first: u64,
    len: u64,
    /// Dead once the driver has dropped all regions.
    block: Weak<Block>,
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes at {:#x}", self.len, self.first)
    }
}

impl Arena {
    fn new(next: u64, left: usize) -> Self {
        Self {
            next,
            left,
            poison: SimMemory::POISON,
            mappings: Vec::new(),
            faults: FaultLog::default(),
            accesses: AccessCount::default(),
            bus_master: true,
        }
    }

    /// The first free address at or after `next` that suits.
    fn place(&self, len: usize, align: u64) -> Option<u64> {
        let len = u32::try_from(len).ok().map(u64::from)?;
        let align = align.max(DmaRegion::ALIGN as u64);
        let mut at = self.next.checked_next_multiple_of(align)?;
        loop {
            let end = at.checked_add(len.max(1) - 1)?;
            let blocker = self.mappings.iter().find(|m| m.first <= end && at < m.first + m.len);
            at = match blocker {
                Some(mapping) => (mapping.first + mapping.len).checked_add(SimMemory::GUARD)?,
                None if at >> 32 != end >> 32 => end & !0xffff_ffff,
                None => return Some(at),
            }
            .checked_next_multiple_of(align)?;
        }
    }

    fn map(&mut self, bus: u64, len: usize) -> Result<Arc<Block>, OutOfMemory> {
        let out = OutOfMemory { len, left: self.left };
        self.left = self.left.checked_sub(len).ok_or(out)?;
        let end = bus.checked_add(len as u64).ok_or(out)?;
        self.mappings.retain(|m| m.block.strong_count() > 0);
        let free = self.mappings.iter().all(|m| end <= m.first || m.first + m.len <= bus);
        self.next = end.checked_add(SimMemory::GUARD).filter(|_| free).ok_or(out)?;
        let block = Arc::new(Block::new(len, self.poison));
        let index = self.mappings.partition_point(|m| m.first < bus);
        let mapping = Mapping { first: bus, len: len as u64, block: Arc::downgrade(&block) };
        self.mappings.insert(index, mapping);
        Ok(block)
    }

    /// The live block that holds all of `len` bytes at `bus`, and the offset in it.
    fn find(&self, bus: BusAddr, len: usize) -> Option<(Arc<Block>, usize)> {
        let index = self.mappings.partition_point(|m| m.first <= bus.raw()).checked_sub(1)?;
        let mapping = self.mappings.get(index)?;
        let offset = bus.raw() - mapping.first;
        let inside = offset < mapping.len && len as u64 <= mapping.len - offset;
        let block = mapping.block.upgrade().filter(|_| inside && self.bus_master)?;
        Some((block, usize::try_from(offset).ok()?))
    }
}

fn lock(arena: &Mutex<Arena>) -> MutexGuard<'_, Arena> {
    arena.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_see_the_same_bytes_under_different_addresses() {
        let memory = SimMemory::new(4096);
        let mut region = memory.allocate(100, 64).unwrap();
        assert_eq!(region.bus(), SimMemory::BASE);
        let mut poison = [0; 100];
        region.read_bytes(0, &mut poison);
        assert_eq!(poison, [SimMemory::POISON; 100]);
        region.write_u32(8, 0x0403_0201);
        let device = memory.device();
        let mut bytes = [0; 6];
        device.read(region.bus().offset(7), &mut bytes).unwrap();
        assert_eq!(bytes, [0xa5, 1, 2, 3, 4, 0xa5]);
        device.write_u32(region.bus().offset(12), 0xdead_beef).unwrap();
        assert_eq!(region.read_u32(12), 0xdead_beef);
        assert_eq!(memory.accesses(), AccessCount { reads: 1, writes: 1, bytes: 10 });
    }

    #[test]
    fn what_is_not_allocated_faults() {
        let memory = SimMemory::at(BusAddr::new(0x12_0000_0000), 4096);
        let region = memory.allocate(64, 8).unwrap();
        let device = memory.device();
        let bus = region.bus();
        assert!(device.write(bus.offset(60), &[0; 5]).is_err(), "one byte past the end");
        assert!(device.read_u32(BusAddr::new(0)).is_err());
        drop(region);
        let fault = device.write_u32(bus, 1).expect_err("the driver has freed the memory");
        assert_eq!(
            fault.to_string(),
            "the device wrote 4 bytes at 0x1200000000, where nothing is mapped"
        );
        let faults = memory.faults();
        assert_eq!((faults.count(), faults.last().count()), (3, 3));
    }

    #[test]
    fn allocations_respect_lines_unless_asked_not_to() {
        let memory = SimMemory::at(BusAddr::new(0xffff_ff00), 1 << 20);
        let above = memory.allocate(0x200, 16).unwrap();
        assert_eq!(above.bus(), BusAddr::new(0x1_0000_0000), "moved past the 4 GiB line");
        let across = memory.allocate_across_4g(0x1000).unwrap();
        assert_eq!(across.bus(), BusAddr::new(0x1_ffff_f800));
        memory.seek(above.bus());
        let next = memory.allocate(16, 8).unwrap();
        assert!(next.bus() >= above.bus().offset(0x200), "what is mapped is stepped over");
        drop(above);
        memory.seek(BusAddr::new(0x1_0000_0000));
        let again = memory.allocate(16, 8).unwrap();
        assert_eq!(again.bus(), BusAddr::new(0x1_0000_0000), "freed addresses can be used again");
        assert!(memory.allocate(1 << 20, 8).is_err(), "the capacity is a limit");
    }
}
