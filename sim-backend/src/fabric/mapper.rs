//! The simulated host's [`DmaMapper`].
#![expect(unsafe_code, reason = "the platform promises that memory is wired and mapped")]

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use hba_core::dma::{
    BusAddr, DmaMapper, DmaRegion, DmaWindow, MapDirection, Mapped, MapperCounters, MappingId,
    PrepareError, PrepareRefused, Route, Segment,
};

use super::{AppMemory, Port};
use crate::memory::SimMemory;

/// What to do with memory that the device does not reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BouncePolicy {
    /// Refuse it.
    Refuse,
    /// Copy it, as long as no more than so many bytes of copies live.
    Copy {
        /// Bytes.
        bytes_max: usize,
    },
}

/// Lends applications' memory to one device; see [`Fabric::mapper`](super::Fabric::mapper).
///
/// With an IOMMU every mapping is one segment at addresses of its own. Without one it is a segment for each run of physical
/// pages, at their own addresses, or a copy where the device does not reach them.
#[derive(Debug)]
pub struct SimMapper {
    id: u64,
    memory: SimMemory,
    port: Arc<Port>,
    policy: BouncePolicy,
    window: DmaWindow,
    live: BTreeMap<u64, Live>,
    serial: u64,
    bounce_left: usize,
    wire_left: u64,
    counters: MapperCounters,
}

/// What a mapping took and its end gives back.
#[derive(Debug)]
struct Live {
    /// With an IOMMU.
    mapped: Option<BusAddr>,
    /// By way of a copy.
    copy: Option<DmaRegion>,
}

static MAPPERS: AtomicU64 = AtomicU64::new(0);

impl SimMapper {
    pub(super) fn new(memory: SimMemory, port: Arc<Port>, policy: BouncePolicy) -> Self {
        let bounce_left = match policy {
            BouncePolicy::Refuse => 0,
            BouncePolicy::Copy { bytes_max } => bytes_max,
        };
        Self {
            id: MAPPERS.fetch_add(1, Ordering::Relaxed),
            window: port.window,
            memory,
            port,
            policy,
            live: BTreeMap::new(),
            serial: 0,
            bounce_left,
            wire_left: u64::MAX,
            counters: MapperCounters::default(),
        }
    }

    /// Narrows what the device reaches to `window`: its own address bits.
    #[must_use]
    pub fn with_window(mut self, window: DmaWindow) -> Self {
        self.window = window.within(self.window.first(), self.window.last());
        self
    }

    /// Lets no more than `bytes` be wired from now on: whole pages count.
    pub const fn set_wire_limit(&mut self, bytes: u64) {
        self.wire_left = bytes;
    }

    fn try_prepare(
        &mut self,
        memory: &mut AppMemory,
        direction: MapDirection,
    ) -> Result<(Live, Vec<Segment>, Route), PrepareError> {
        let len = memory.len() as u64;
        let short = u32::try_from(len).ok().filter(|len| *len > 0);
        let short = short.ok_or(PrepareError::Length { len })?;
        let pages = memory.wired_bytes();
        let left = self.wire_left;
        self.wire_left = left.checked_sub(pages).ok_or(PrepareError::Wire { len: pages, left })?;
        memory.set_wired(true);
        let made = if self.port.translates() {
            self.translate(memory, short, direction)
        } else {
            self.address(memory, short)
        };
        if made.is_err() {
            self.unwire(memory);
        }
        made
    }

    /// The IOMMU makes one run of the pages.
    fn translate(
        &self,
        memory: &AppMemory,
        len: u32,
        direction: MapDirection,
    ) -> Result<(Live, Vec<Segment>, Route), PrepareError> {
        let (pages, offset) = (memory.physical_pages(), memory.offset() as u64);
        let bus = self.port.map(pages, offset, len.into(), direction, 1);
        let bus = bus.ok_or_else(|| PrepareError::NoAddresses { len: len.into() })?;
        if let Err(fault) = self.window.check("application memory", bus, len.into(), 1) {
            self.port.unmap(bus);
            return Err(PrepareError::OutOfReach(fault));
        }
        let live = Live { mapped: Some(bus), copy: None };
        Ok((live, vec![Segment::new(bus, len)], Route::ZeroCopy))
    }

    /// Bus addresses are physical ones on this host: here, and only here, one is made of the other.
    fn address(
        &mut self,
        memory: &AppMemory,
        len: u32,
    ) -> Result<(Live, Vec<Segment>, Route), PrepareError> {
        let runs = memory.runs();
        let segments: Vec<_> =
            runs.iter().map(|(at, len)| Segment::new(BusAddr::new(at.0), *len)).collect();
        let check =
            |s: &Segment| self.window.check("application memory", s.addr, s.len.into(), 1).err();
        let Some(fault) = segments.iter().find_map(check) else {
            return Ok((Live { mapped: None, copy: None }, segments, Route::ZeroCopy));
        };
        let fault = fault.with_hint(&segments);
        if self.policy == BouncePolicy::Refuse {
            return Err(PrepareError::OutOfReach(fault));
        }
        let no_room = PrepareError::NoBounceMemory { fault, len };
        let left = self.bounce_left.checked_sub(len as usize).ok_or(no_room)?;
        let copy = self.memory.allocate(len as usize, DmaRegion::ALIGN).map_err(|_| no_room)?;
        let segment = Segment::new(copy.bus(), len);
        if !self.window.contains(segment) {
            return Err(no_room);
        }
        self.bounce_left = left;
        self.counters.bounced += 1;
        let mut live = Live { mapped: None, copy: Some(copy) };
        // For data-in too: what a short transfer leaves unwritten must come back as it was.
        self.copy_in(&mut live, memory, 0, len as usize);
        Ok((live, vec![segment], Route::Bounced { reason: fault }))
    }

    fn copy_in(&mut self, live: &mut Live, memory: &AppMemory, offset: usize, len: usize) {
        let Some(copy) = &mut live.copy else { return };
        let mut bytes = vec![0; len];
        memory.read(offset, &mut bytes);
        copy.write_bytes(offset, &bytes);
        self.counters.bounced_bytes += len as u64;
    }

    fn copy_out(&mut self, live: &Live, memory: &mut AppMemory, offset: usize, len: usize) {
        let Some(copy) = &live.copy else { return };
        let mut bytes = vec![0; len];
        copy.read_bytes(offset, &mut bytes);
        memory.write(offset, &bytes);
        self.counters.bounced_bytes += len as u64;
    }

    fn unwire(&mut self, memory: &mut AppMemory) {
        memory.set_wired(false);
        self.wire_left = self.wire_left.saturating_add(memory.wired_bytes());
    }

    /// Takes the record of a mapping; it is this mapper's.
    #[track_caller]
    fn take(&mut self, id: MappingId) -> Live {
        let own = (id.mapper == self.id).then(|| self.live.remove(&id.serial)).flatten();
        own.expect("the mapping is this mapper's")
    }
}

impl DmaMapper for SimMapper {
    type Memory = AppMemory;

    fn prepare(
        &mut self,
        mut memory: AppMemory,
        direction: MapDirection,
    ) -> Result<Mapped<AppMemory>, PrepareRefused<AppMemory>> {
        let (live, segments, route) = match self.try_prepare(&mut memory, direction) {
            Ok(made) => made,
            Err(reason) => {
                self.counters.refused += 1;
                return Err(PrepareRefused { memory, reason });
            }
        };
        self.serial += 1;
        self.counters.prepared += 1;
        self.live.insert(self.serial, live);
        let (len, id) = (memory.len() as u32, MappingId { mapper: self.id, serial: self.serial });
        // SAFETY: the memory is wired and cannot be reached while it is in there; its pages are mapped, or are where the
        // segments say, or a copy in `live` is, until `complete`.
        unsafe { Mapped::new(memory, len, segments, direction, route, id) }
    }

    fn complete(&mut self, mut mapped: Mapped<AppMemory>) -> Result<AppMemory, Mapped<AppMemory>> {
        let id = mapped.id();
        if id.mapper != self.id || !self.live.contains_key(&id.serial) {
            return Err(mapped);
        }
        let live = self.take(id);
        if let Some(bus) = live.mapped {
            self.port.unmap(bus);
        }
        if mapped.direction().device_writes() {
            // SAFETY: nothing is freed here.
            let memory = unsafe { mapped.memory_mut() };
            let len = memory.len();
            self.copy_out(&live, memory, 0, len);
        }
        self.bounce_left += live.copy.as_ref().map_or(0, DmaRegion::len);
        drop(live);
        self.counters.completed += 1;
        // SAFETY: the IOMMU has the mapping no more, the copy is freed; without either the device's word that the command
        // ended is all there is, and the queue had it.
        let mut memory = unsafe { mapped.into_memory() };
        self.unwire(&mut memory);
        Ok(memory)
    }

    fn read(&mut self, mapped: &mut Mapped<AppMemory>, offset: usize, into: &mut [u8]) {
        let live = self.take(mapped.id());
        let writes = mapped.direction().device_writes();
        // SAFETY: nothing is freed here.
        let memory = unsafe { mapped.memory_mut() };
        if writes {
            self.copy_out(&live, memory, offset, into.len());
        }
        memory.read(offset, into);
        self.live.insert(mapped.id().serial, live);
    }

    fn write(&mut self, mapped: &mut Mapped<AppMemory>, offset: usize, from: &[u8]) {
        let mut live = self.take(mapped.id());
        // SAFETY: nothing is freed here.
        let memory = unsafe { mapped.memory_mut() };
        memory.write(offset, from);
        self.copy_in(&mut live, memory, offset, from.len());
        self.live.insert(mapped.id().serial, live);
    }

    fn counters(&self) -> MapperCounters {
        self.counters
    }
}

/// Copies that a device may still use outlive the mapper: they are leaked.
impl Drop for SimMapper {
    fn drop(&mut self) {
        core::mem::take(&mut self.live).into_values().for_each(core::mem::forget);
    }
}
