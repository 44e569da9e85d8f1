//! A host whose caches do not snoop: the CPU and the device see different memory until somebody copies.
#![expect(unsafe_code, reason = "DMA regions are promises about memory")]

use alloc::sync::Arc;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hba_core::dma::{BusAddr, DmaRegion, DmaSync};
use hba_core::port::RegionPlan;
use sim_backend::memory::{DeviceMemory, OutOfMemory, SimMemory};

/// Which way a copy goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the CPU's view to memory: a write-back.
    ForDevice,
    /// From memory to the CPU's view: an invalidation.
    ForCpu,
}

/// One call of the synchronisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synced {
    /// Which way.
    pub way: Way,
    /// The name of the region in the memory plan.
    pub region: &'static str,
    /// The first byte.
    pub bus: BusAddr,
    /// Bytes.
    pub len: usize,
}

/// The CPU's view of one region, and the memory behind it.
struct Pair {
    name: &'static str,
    bus: BusAddr,
    cpu: Arc<[AtomicU64]>,
    /// Keeps the memory mapped for the device.
    _memory: DmaRegion,
}

struct Shared {
    pairs: Vec<Pair>,
    calls: Vec<Synced>,
    /// A direction and a region whose calls do nothing.
    broken: Option<(Way, &'static str)>,
}

/// The host's views of DMA memory, and the hook that keeps them in step. Clones share them.
///
/// The device reaches the memory of a [`SimMemory`]; the driver's regions have the same bus addresses and other bytes,
/// which move only when [`DmaSync`] says so, and in the range that it says.
#[derive(Clone)]
pub struct NonCoherent {
    memory: SimMemory,
    device: DeviceMemory,
    shared: Arc<Mutex<Shared>>,
}

impl NonCoherent {
    /// A host with `memory`, without any region.
    #[must_use]
    pub fn new(memory: SimMemory) -> Self {
        let shared = Shared { pairs: Vec::new(), calls: Vec::new(), broken: None };
        Self { device: memory.device(), memory, shared: Arc::new(Mutex::new(shared)) }
    }

    /// Makes the calls of one direction for one region do nothing, as if the driver did not make them.
    pub fn break_sync(&self, way: Way, region: &'static str) {
        self.lock().broken = Some((way, region));
    }

    /// The calls since the last time.
    #[must_use = "the record starts again empty"]
    pub fn take_calls(&self) -> Vec<Synced> {
        core::mem::take(&mut self.lock().calls)
    }

    /// A region for `plan`: the driver's view of it.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`].
    pub fn allocate(&self, plan: &RegionPlan) -> Result<DmaRegion, OutOfMemory> {
        let memory = self.memory.allocate(plan.len, plan.align)?;
        let bus = memory.bus();
        let cpu: Arc<[AtomicU64]> = (0..plan.len.div_ceil(8)).map(|_| AtomicU64::new(0)).collect();
        let base = NonNull::from(&*cpu).cast();
        // SAFETY: the words are atomic, so writes behind a shared reference are allowed; they are aligned to eight bytes
        // and live as long as the owner; all users are on one thread.
        let view = unsafe { DmaRegion::from_raw_parts(base, plan.len, bus) };
        let view = view.with_owner(Arc::new(Arc::clone(&cpu)));
        self.lock().pairs.push(Pair { name: plan.name, bus, cpu, _memory: memory });
        Ok(view)
    }

    fn sync(&self, way: Way, bus: BusAddr, len: usize) {
        let mut shared = self.lock();
        let pair = shared
            .pairs
            .iter()
            .find(|pair| (pair.bus..pair.bus.offset(8 * pair.cpu.len() as u64)).contains(&bus));
        let pair = pair.expect("only memory of the plan is kept in step");
        let region = pair.name;
        if shared.broken != Some((way, region)) {
            let start = (bus.raw() - pair.bus.raw()) as usize;
            for at in start..start + len {
                self.copy(way, pair, at);
            }
        }
        shared.calls.push(Synced { way, region, bus, len });
    }

    /// Moves one byte.
    fn copy(&self, way: Way, pair: &Pair, at: usize) {
        let (word, shift) = (&pair.cpu[at / 8], at % 8);
        let bus = pair.bus.offset(at as u64);
        let mut bytes = word.load(Ordering::Relaxed).to_ne_bytes();
        match way {
            Way::ForDevice => self.device.write(bus, &bytes[shift..=shift]).expect("mapped"),
            Way::ForCpu => {
                self.device.read(bus, &mut bytes[shift..=shift]).expect("mapped");
                word.store(u64::from_ne_bytes(bytes), Ordering::Relaxed);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DmaSync for NonCoherent {
    fn for_device(&mut self, bus: BusAddr, len: usize) {
        self.sync(Way::ForDevice, bus, len);
    }

    fn for_cpu(&mut self, bus: BusAddr, len: usize) {
        self.sync(Way::ForCpu, bus, len);
    }
}
