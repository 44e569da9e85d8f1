//! A device's place in the fabric: what its requests pass on the way to memory.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hba_core::dma::{AddressWidth, BusAddr, DmaWindow, MapDirection};
use hba_core::fabric::{Aliases, HostMapping, MappedIds, RequesterId};

use super::iommu::{Iommu, TableId};
use crate::memory::block::Block;
use crate::memory::{DmaDirection, DmaFaultCause};

/// Root port, IOMMU and bus master bit as one device meets them.
#[derive(Debug)]
pub(crate) struct Port {
    /// As the request arrives at the root.
    pub(super) requester: RequesterId,
    pub(super) aliases: Aliases,
    pub(super) width: AddressWidth,
    pub(super) window: DmaWindow,
    pub(super) page: u64,
    pub(super) iommu: Option<(Arc<Mutex<Iommu>>, TableId)>,
    pub(super) bus_master: AtomicBool,
}

impl Port {
    pub(crate) const fn requester(&self) -> RequesterId {
        self.requester
    }

    pub(crate) const fn page(&self) -> u64 {
        self.page
    }

    pub(crate) const fn translates(&self) -> bool {
        self.iommu.is_some()
    }

    pub(crate) fn set_bus_master(&self, enabled: bool) {
        self.bus_master.store(enabled, Ordering::Relaxed);
    }

    pub(crate) fn mapping(&self) -> HostMapping {
        let mapped = match &self.iommu {
            Some((iommu, table)) => MappedIds::Only(lock(iommu).sources_of(*table)),
            None => MappedIds::All,
        };
        let host = HostMapping::unknown().with_aliases(self.aliases.clone());
        host.with_mapped(mapped).with_window(self.window)
    }

    /// Takes a request of the device up to memory: where its bytes are there, as physical addresses and lengths.
    pub(crate) fn route(
        &self,
        bus: BusAddr,
        len: usize,
        direction: DmaDirection,
    ) -> Result<Vec<(u64, usize)>, DmaFaultCause> {
        if !self.bus_master.load(Ordering::Relaxed) {
            return Err(DmaFaultCause::NoMemory);
        }
        let last = bus.raw().checked_add((len as u64).saturating_sub(1));
        if last.is_none_or(|last| last > self.width.last()) {
            return Err(DmaFaultCause::AboveWidth { bits: self.width.bits() });
        }
        match &self.iommu {
            None => Ok(self.pages_of(bus.raw(), len)),
            Some((iommu, _)) => lock(iommu).translate(self.requester, bus.raw(), len, direction),
        }
    }

    /// Physical memory as it is: applications' pages have memory each of their own.
    fn pages_of(&self, at: u64, len: usize) -> Vec<(u64, usize)> {
        let (mut at, mut left, mut pieces) = (at, len as u64, Vec::new());
        while left > 0 {
            let now = left.min(self.page - at % self.page);
            pieces.push((at, now as usize));
            at += now;
            left -= now;
        }
        pieces
    }

    /// Maps `len` bytes that begin `offset` bytes into the first of `pages`; `None` without an IOMMU, and without room.
    pub(super) fn map(
        &self,
        pages: Vec<u64>,
        offset: u64,
        len: u64,
        direction: MapDirection,
        align: u64,
    ) -> Option<BusAddr> {
        let (iommu, table) = self.iommu.as_ref()?;
        lock(iommu).map(*table, pages, offset, len, direction, align).map(BusAddr::new)
    }

    pub(super) fn unmap(&self, bus: BusAddr) {
        if let Some((iommu, table)) = &self.iommu {
            lock(iommu).unmap(*table, bus.raw());
        }
    }

    /// Maps a block of memory for as long as the lease lives.
    pub(crate) fn lease(
        self: &Arc<Self>,
        block: Arc<Block>,
        physical: u64,
        len: usize,
        align: u64,
    ) -> Option<Lease> {
        let len = (len as u64).max(1);
        let pages = (0..len.div_ceil(self.page)).map(|i| physical + i * self.page).collect();
        let bus = self.map(pages, 0, len, MapDirection::Both, align)?;
        Some(Lease { port: self.clone(), bus, _block: block })
    }
}

/// A block of memory while it is mapped.
pub(crate) struct Lease {
    port: Arc<Port>,
    bus: BusAddr,
    _block: Arc<Block>,
}

impl Lease {
    pub(crate) const fn bus(&self) -> BusAddr {
        self.bus
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.port.unmap(self.bus);
    }
}

pub(super) fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
