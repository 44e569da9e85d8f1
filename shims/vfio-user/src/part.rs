//! What configuration space says about each part.

use sim_backend::mpi2::PciIdentity;

/// A controller as PCI sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Vendor ID.
    pub vendor: u16,
    /// Device ID.
    pub device: u16,
    /// Subsystem vendor ID.
    pub subsystem_vendor: u16,
    /// Subsystem ID.
    pub subsystem: u16,
    /// Revision ID.
    pub revision: u8,
    /// Class code: base class, subclass, programming interface.
    pub class: u32,
    /// Base address registers. The one after a [`Bar::Memory64`] is its upper half.
    pub bars: [Bar; 6],
    /// Capabilities in the order of the list.
    pub capabilities: Vec<Capability>,
}

/// What a base address register is for. Lengths are powers of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bar {
    /// Nothing, or the upper half of the one before.
    None,
    /// I/O ports, this many bytes: the registers again.
    Io(u32),
    /// 64-bit memory, not prefetchable, this many bytes.
    Memory64(u32),
}

/// A capability and its place in configuration space, byte offset `at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Power management. Source: PCI Bus Power Management Interface 1.2, 3.2.
    PowerManagement {
        /// Where.
        at: u8,
        /// Version of the interface: 2 or 3.
        version: u8,
        /// Returning from D3hot does not reset the function.
        keeps_state: bool,
    },
    /// PCI-X, not a bridge. Source: PCI-X 2.0a, 7.2.
    PciX {
        /// Where.
        at: u8,
    },
    /// PCI Express endpoint, eight lanes. Source: PCI Express Base 3.0, 7.8.
    Express {
        /// Where.
        at: u8,
        /// Generation of the link: 1: 2.5, 2: 5, 3: 8 GT/s.
        generation: u8,
    },
    /// MSI, 64-bit addresses, one vector. Source: PCI 3.0, 6.8.1.
    Msi {
        /// Where.
        at: u8,
    },
    /// MSI-X with table and pending bits in BAR 1. Source: PCI 3.0, 6.8.2.
    Msix {
        /// Where.
        at: u8,
        /// Entries of the table.
        vectors: u16,
        /// Offset of the table in BAR 1.
        table: u32,
        /// Offset of the pending bits in BAR 1.
        pending: u32,
    },
}

impl Part {
    /// A SAS1068 of revision B0: a PCI-X part. Source: configuration space of the part as lspci shows it.
    #[must_use]
    pub fn sas1068() -> Self {
        Self {
            vendor: 0x1000,
            device: 0x0054,
            subsystem_vendor: 0x1000,
            subsystem: 0x3080,
            revision: 0x01,
            class: 0x01_00_00,
            bars: [
                Bar::Io(0x100),
                Bar::Memory64(0x4000),
                Bar::None,
                Bar::Memory64(0x1_0000),
                Bar::None,
                Bar::None,
            ],
            capabilities: vec![
                Capability::PowerManagement { at: 0x50, version: 2, keeps_state: false },
                Capability::Msi { at: 0x98 },
                Capability::PciX { at: 0x68 },
                Capability::Msix { at: 0xb0, vectors: 1, table: 0x2000, pending: 0x3000 },
            ],
        }
    }

    /// A part of the MPI 2.x family: PCI Express, and the numbers that the model knows of itself.
    #[must_use]
    pub fn express(pci: &PciIdentity) -> Self {
        let bars = [
            Bar::Io(pci.io_len),
            Bar::Memory64(pci.registers_len),
            Bar::None,
            Bar::Memory64(pci.diagnostic_len),
            Bar::None,
            Bar::None,
        ];
        let (vectors, table, pending) = (pci.msix_vectors, pci.msix_table, pci.msix_pending);
        let capabilities = vec![
            Capability::PowerManagement { at: pci.power_management, version: 3, keeps_state: true },
            Capability::Express { at: pci.express, generation: pci.link_generation },
            Capability::Msi { at: pci.msi },
            Capability::Msix { at: pci.msix, vectors, table, pending },
        ];
        Self {
            vendor: pci.vendor,
            device: pci.device,
            subsystem_vendor: pci.subsystem_vendor,
            subsystem: pci.subsystem,
            revision: pci.revision,
            class: pci.class,
            bars,
            capabilities,
        }
    }

    /// Bytes of configuration space: 4,096 on PCI Express, 256 elsewhere.
    #[must_use]
    pub fn config_len(&self) -> usize {
        let express = |capability: &Capability| matches!(capability, Capability::Express { .. });
        if self.capabilities.iter().any(express) { 4096 } else { 256 }
    }

    /// Vectors, table and pending bits of MSI-X; no vectors where the part has none.
    pub(crate) fn msix(&self) -> (u16, u32, u32) {
        let found = self.capabilities.iter().find_map(|capability| match *capability {
            Capability::Msix { vectors, table, pending, .. } => Some((vectors, table, pending)),
            _ => None,
        });
        found.unwrap_or_default()
    }

    /// Bytes of BAR `index`.
    pub(crate) fn bar_len(&self, index: usize) -> u32 {
        match self.bars.get(index) {
            Some(Bar::Io(len) | Bar::Memory64(len)) => *len,
            Some(Bar::None) | None => 0,
        }
    }
}
