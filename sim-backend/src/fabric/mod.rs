//! The fabric between a controller and memory: bridges, a root port, an IOMMU, and what a host makes of them.
//!
//! A [`Fabric`] gives each device its own view of host memory. Any controller model takes it: what the driver allocates is
//! mapped for that device, what the device accesses goes up hop by hop, through the root port and the IOMMU, and every
//! request that is refused is a [`DmaFault`] with requester ID, address, direction and cause.
//!
//! ```
//! use hba_core::fabric::text::FabricText;
//! use sim_backend::fabric::{Fabric, FabricConfig};
//! use sim_backend::machine::SimMachine;
//! use sim_backend::mpi1::{Mpi1Controller, Personality};
//!
//! // A PCI-X controller behind a PCIe-to-PCI-X bridge, on a host that maps the controller's own ID only.
//! let text = "root 00\n00:01.0 root-port to 01\n01:00.0 pcie-to-pci to 02\n02:04.0 pci\n";
//! let topology = text.parse::<FabricText>()?.topology;
//! let fabric = Fabric::new(topology, FabricConfig::translated());
//! let memory = fabric.memory("02:04.0".parse()?)?;
//!
//! let frames = memory.allocate(4096, 64)?;
//! let fault = memory.device().read_u32(frames.bus()).expect_err("the bridge's ID is not mapped");
//! assert_eq!(fault.requester, Some("02:00.0".parse()?));
//!
//! fabric.map_alias("02:04.0".parse()?, "02:00.0".parse()?)?;
//! assert!(memory.device().read_u32(frames.bus()).is_ok());
//! let machine = SimMachine::new(Mpi1Controller::new(Personality::hardware(), memory.device()), memory);
//! assert!(fabric.verdict().is_err(), "one fault fails the run");
//! # drop((frames, machine));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod application;
mod iommu;
mod mapper;
mod path;
mod port;
mod record;

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use core::sync::atomic::AtomicBool;
use std::sync::Mutex;

use hba_core::dma::{AddressWidth, BusAddr, DmaWindow};
use hba_core::fabric::{
    FaultRecord, FaultUnit, NoSuchFunction, RequesterId, Topology, dma_aliases,
};

use application::Frames;
pub use application::{AppMemory, PhysAddr};
use iommu::Iommu;
pub use mapper::{BouncePolicy, SimMapper};
pub use path::Ownership;
pub(crate) use port::Port;
use port::lock;

use crate::memory::{DmaFault, FaultLog, SimMemory};

/// Bytes of a page of the host and its IOMMU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageSize {
    /// 4 KiB.
    Kib4,
    /// 16 KiB.
    Kib16,
}

impl PageSize {
    /// The number.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Kib4 => 4096,
            Self::Kib16 => 16384,
        }
    }
}

/// What a host is.
#[derive(Clone, Copy, Debug)]
pub struct FabricConfig {
    /// The addresses that its IOMMU gives; `None` without an IOMMU, where bus addresses are physical ones.
    pub translation: Option<(BusAddr, BusAddr)>,
    /// The address bits that the root port takes.
    pub root_port: AddressWidth,
    /// Its pages.
    pub page: PageSize,
    /// The physical address from which a driver's own memory is taken.
    pub driver_base: BusAddr,
    /// The physical address from which applications' memory is taken.
    pub application_base: BusAddr,
    /// Bytes of memory in all.
    pub capacity: usize,
    /// What PCI-X bridges do with requester IDs.
    pub ownership: Ownership,
}

impl FabricConfig {
    /// A PC without an IOMMU: every bus address is physical, all of them below 4 GiB.
    #[must_use]
    pub const fn identity() -> Self {
        Self {
            translation: None,
            root_port: AddressWidth::BITS_64,
            page: PageSize::Kib4,
            driver_base: SimMemory::BASE,
            application_base: BusAddr::new(0xc000_0000),
            capacity: 256 << 20,
            ownership: Ownership::Takes,
        }
    }

    /// As Apple's first ARM machines: memory above 32 GiB, a root port of 32 bits, an IOMMU that gives addresses from
    /// 8000_0000h on, pages of 16 KiB.
    #[must_use]
    pub const fn translated() -> Self {
        Self {
            translation: Some((SimMemory::BASE, BusAddr::new(0xbfff_ffff))),
            root_port: AddressWidth::BITS_32,
            page: PageSize::Kib16,
            driver_base: BusAddr::new(0x8_0000_0000),
            application_base: BusAddr::new(0x9_0000_0000),
            ..Self::identity()
        }
    }

    /// A host without an IOMMU whose applications' memory lies above what the root port takes: it has to be copied.
    #[must_use]
    pub const fn bouncing() -> Self {
        Self {
            root_port: AddressWidth::BITS_32,
            application_base: BusAddr::new(0x9_0000_0000),
            ..Self::identity()
        }
    }
}

/// A host's fabric. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Fabric {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    topology: Topology,
    config: FabricConfig,
    /// All of it, by physical address.
    memory: SimMemory,
    iommu: Option<Arc<Mutex<Iommu>>>,
    ports: Mutex<BTreeMap<RequesterId, Arc<Port>>>,
    /// Pages handed to applications so far.
    pages: Mutex<u64>,
    applications: Mutex<Vec<Weak<Mutex<Frames>>>>,
}

impl Fabric {
    /// The fabric of a host whose PCI functions are `topology`.
    #[must_use]
    pub fn new(topology: Topology, config: FabricConfig) -> Self {
        let iommu = config.translation.map(|(first, last)| {
            Arc::new(Mutex::new(Iommu::new(config.page.bytes(), first.raw()..=last.raw())))
        });
        let memory = SimMemory::at(config.driver_base, config.capacity);
        let (ports, pages, applications) = (Mutex::default(), Mutex::new(0), Mutex::default());
        Self {
            shared: Arc::new(Shared {
                topology,
                config,
                memory,
                iommu,
                ports,
                pages,
                applications,
            }),
        }
    }

    /// Memory as the device at `device` and its driver have it.
    ///
    /// Behind an IOMMU the host maps it for the device's own ID and no other, as macOS does.
    ///
    /// # Errors
    ///
    /// [`NoSuchFunction`] when the topology has nothing there.
    pub fn memory(&self, device: RequesterId) -> Result<SimMemory, NoSuchFunction> {
        Ok(self.shared.memory.through(self.port(device)?))
    }

    /// Maps the memory of `device` for requests that appear under `alias` too.
    ///
    /// # Errors
    ///
    /// As [`memory`](Self::memory).
    pub fn map_alias(&self, device: RequesterId, alias: RequesterId) -> Result<(), NoSuchFunction> {
        if let Some((iommu, table)) = &self.port(device)?.iommu {
            lock(iommu).attach(alias, *table);
        }
        Ok(())
    }

    /// Lends applications' memory to the device at `device`.
    ///
    /// # Errors
    ///
    /// As [`memory`](Self::memory).
    pub fn mapper(
        &self,
        device: RequesterId,
        policy: BouncePolicy,
    ) -> Result<SimMapper, NoSuchFunction> {
        Ok(SimMapper::new(self.memory(device)?, self.port(device)?, policy))
    }

    /// The addresses that lead to memory: what a driver's limits must stay within.
    #[must_use]
    pub fn window(&self) -> DmaWindow {
        let window = DmaWindow::of_width(self.shared.config.root_port);
        self.shared.config.translation.map_or(window, |(first, last)| window.within(first, last))
    }

    /// What went wrong so far, of all devices.
    #[must_use]
    pub fn faults(&self) -> FaultLog {
        self.shared.memory.faults()
    }

    /// Whether the run so far is one that real hardware would have survived.
    ///
    /// # Errors
    ///
    /// The first fault that the log still has.
    pub fn verdict(&self) -> Result<(), DmaFault> {
        self.faults().last().next().map_or(Ok(()), |fault| Err(*fault))
    }

    /// A value that panics when it is dropped, if there were faults since: no test passes over one by oversight.
    #[must_use = "it watches as long as it lives"]
    pub fn watch(&self) -> FaultWatch {
        FaultWatch { fabric: self.clone(), before: self.faults().count() }
    }

    /// The words that `unit` would have recorded of `fault`; `None` where it would not have noticed.
    #[must_use]
    pub fn record(&self, fault: &DmaFault, unit: FaultUnit) -> Option<FaultRecord> {
        let iommu = self.shared.iommu.as_ref();
        let stream = iommu.zip(fault.requester).map_or(0, |(iommu, id)| lock(iommu).stream(id));
        record::words(fault, unit, stream)
    }

    fn port(&self, device: RequesterId) -> Result<Arc<Port>, NoSuchFunction> {
        let Shared { topology, config, iommu, ports, .. } = &*self.shared;
        let aliases = dma_aliases(topology, device)?;
        let mut ports = lock(ports);
        let port = ports.entry(device).or_insert_with(|| {
            let iommu = iommu.as_ref().map(|iommu| {
                let mut tables = lock(iommu);
                let table = tables.add_table();
                tables.attach(device, table);
                (iommu.clone(), table)
            });
            Arc::new(Port {
                requester: path::requester(topology, device, config.ownership),
                aliases,
                width: config.root_port,
                window: self.window(),
                page: config.page.bytes(),
                iommu,
                bus_master: AtomicBool::new(true),
            })
        });
        Ok(port.clone())
    }
}

/// Panics when dropped after a fault; see [`Fabric::watch`].
#[derive(Debug)]
pub struct FaultWatch {
    fabric: Fabric,
    before: u64,
}

impl Drop for FaultWatch {
    fn drop(&mut self) {
        let log = self.fabric.faults();
        if log.count() > self.before && !std::thread::panicking() {
            let last = log.last().last().map(ToString::to_string).unwrap_or_default();
            panic!("{} dma faults, the last: {last}", log.count() - self.before);
        }
    }
}

#[cfg(test)]
mod tests;
