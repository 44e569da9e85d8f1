//! What PCI configuration space of the parts says, for a platform that shows a model as a PCI device.

/// Identity, base address registers and capabilities. Source: the configuration spaces of a 9211-8i and a 9300-8i.
///
/// BAR 0 is I/O ports, BARs 1 and 3 are 64-bit memory (so they take the registers of BAR 2 and BAR 4 too). The register
/// file is at the start of BAR 1, the MSI-X table and pending bits further up in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PciIdentity {
    /// Vendor.
    pub vendor: u16,
    /// Device.
    pub device: u16,
    /// Subsystem vendor.
    pub subsystem_vendor: u16,
    /// Subsystem device.
    pub subsystem: u16,
    /// Revision. Linux uses the supplemental index registers of a SAS3008 from revision 02h on, and no MSI-X on a SAS2008
    /// of revision 01h.
    pub revision: u8,
    /// Class code: base class, subclass, programming interface. 01_07_00h is SAS.
    pub class: u32,
    /// Bytes of BAR 0, I/O ports.
    pub io_len: u32,
    /// Bytes of BAR 1, which has the registers: 64-bit memory, not prefetchable.
    pub registers_len: u32,
    /// Bytes of BAR 3: 64-bit memory, not prefetchable. Drivers do not use it.
    pub diagnostic_len: u32,
    /// Bytes of the expansion ROM's address space; no ROM answers there.
    pub rom_len: u32,
    /// Entries of the MSI-X table.
    pub msix_vectors: u16,
    /// Where in BAR 1 the MSI-X table is.
    pub msix_table: u32,
    /// Where in BAR 1 the MSI-X pending bits are.
    pub msix_pending: u32,
    /// Where in configuration space the power management capability is.
    pub power_management: u8,
    /// Where in configuration space the PCI Express capability is.
    pub express: u8,
    /// Where in configuration space the MSI capability (64-bit, one vector) is.
    pub msi: u8,
    /// Where in configuration space the MSI-X capability is.
    pub msix: u8,
    /// PCI Express link: generation (2: 5 GT/s, 3: 8 GT/s), of eight lanes.
    pub link_generation: u8,
}

impl PciIdentity {
    /// A SAS2008 of revision B2 on a 9211-8i.
    #[must_use]
    pub const fn sas2008() -> Self {
        Self {
            vendor: 0x1000,
            device: 0x0072,
            subsystem_vendor: 0x1000,
            subsystem: 0x3020,
            revision: 0x03,
            class: 0x01_07_00,
            io_len: 0x100,
            registers_len: 0x4000,
            diagnostic_len: 0x4_0000,
            rom_len: 0x8_0000,
            msix_vectors: 15,
            msix_table: 0x2000,
            msix_pending: 0x3800,
            power_management: 0x50,
            express: 0x68,
            msi: 0xa8,
            msix: 0xc0,
            link_generation: 2,
        }
    }

    /// A SAS3008 of revision C0 on a 9300-8i, with 16 of its 96 vectors.
    #[must_use]
    pub const fn sas3008() -> Self {
        Self {
            vendor: 0x1000,
            device: 0x0097,
            subsystem_vendor: 0x1000,
            subsystem: 0x30e0,
            revision: 0x02,
            class: 0x01_07_00,
            io_len: 0x100,
            registers_len: 0x1_0000,
            diagnostic_len: 0x1_0000,
            rom_len: 0x10_0000,
            msix_vectors: 16,
            msix_table: 0xe000,
            msix_pending: 0xf000,
            power_management: 0x50,
            express: 0x68,
            msi: 0xa8,
            msix: 0xc0,
            link_generation: 3,
        }
    }
}
