//! Where functions depart from what their kind says about requester IDs.
//!
//! The facts are those of Linux (`drivers/pci/quirks.c`, version 6.18, and the AST1150 of later ones).

use super::{DevFn, RequesterId};

/// What is known of one function beyond its kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quirks {
    /// IDs on its own bus under which a device's requests appear besides its own.
    pub devfns: DevFnSet,
    /// Another function makes all requests of this one, under its ID and from its place.
    pub requests_as: Option<RequesterId>,
    /// A bridge without PCI Express capability that takes ownership as a PCIe-to-PCI bridge does. Of effect only where PCI
    /// Express is right above it: some chips also serve as reverse bridges.
    pub acts_as_pcie_bridge: bool,
    /// A PCIe-to-PCI bridge that leaves requester IDs as they are.
    pub keeps_ids: bool,
    /// A bridge where translation takes place: what lies above it changes no ID that the IOMMU sees.
    pub translates: bool,
}

/// The IDs in a function's configuration header, by which known quirks are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PciId {
    /// Vendor ID, offset 00h.
    pub vendor: u16,
    /// Device ID, offset 02h.
    pub device: u16,
    /// Subsystem vendor ID, offset 2Ch of a type 0 header; 0 in bridges.
    pub subsystem_vendor: u16,
    /// Subsystem ID, offset 2Eh of a type 0 header; 0 in bridges.
    pub subsystem: u16,
}

impl PciId {
    /// IDs without those of a subsystem.
    pub const fn new(vendor: u16, device: u16) -> Self {
        Self { vendor, device, subsystem_vendor: 0, subsystem: 0 }
    }
}

impl Quirks {
    /// What is known of the function with these IDs at `devfn`.
    pub fn known(id: PciId, devfn: DevFn) -> Self {
        let rows = KNOWN.iter().filter(|row| row.matches(id));
        rows.fold(Self::default(), |quirks, row| quirks.with(row.quirk, devfn))
    }

    fn with(mut self, quirk: Known, devfn: DevFn) -> Self {
        match quirk {
            Known::Function(function) if devfn.function() != function => {
                self.devfns = self.devfns.with(DevFn(devfn.0 & !7 | function));
            }
            Known::Function(_) => {}
            Known::DevFns(devfns) => {
                let devfns = devfns.iter().copied().map(DevFn);
                self.devfns = devfns.fold(self.devfns, DevFnSet::with);
            }
            Known::FirstFunctions(count) => {
                let functions = (0..=u8::MAX).map(DevFn).filter(|devfn| devfn.function() < count);
                self.devfns = functions.fold(self.devfns, DevFnSet::with);
            }
            Known::WholeBus => self.devfns = DevFnSet::ALL,
            Known::ActsAsPcieBridge => self.acts_as_pcie_bridge = true,
            Known::KeepsIds => self.keeps_ids = true,
            Known::Translates => self.translates = true,
        }
        self
    }
}

/// What a row of the table says.
#[derive(Clone, Copy)]
enum Known {
    /// Requests appear under this function of the same device too, which need not exist.
    Function(u8),
    /// Requests appear under these devices and functions of the same bus too.
    DevFns(&'static [u8]),
    /// Requests appear under the first functions of every device number of the same bus.
    FirstFunctions(u8),
    /// Requests appear under any ID of the same bus: what lies beyond a non-transparent bridge uses its own.
    WholeBus,
    ActsAsPcieBridge,
    KeepsIds,
    Translates,
}

struct Row {
    vendor: u16,
    device: u16,
    /// Subsystem vendor and subsystem, where the quirk is that of one board.
    board: Option<(u16, u16)>,
    quirk: Known,
}

impl Row {
    fn matches(&self, id: PciId) -> bool {
        (self.vendor, self.device) == (id.vendor, id.device)
            && self.board.is_none_or(|board| board == (id.subsystem_vendor, id.subsystem))
    }
}

const fn chip(vendor: u16, device: u16, quirk: Known) -> Row {
    Row { vendor, device, board: None, quirk }
}

const fn board(vendor: u16, device: u16, board: (u16, u16), quirk: Known) -> Row {
    Row { vendor, device, board: Some(board), quirk }
}

const KNOWN: &[Row] = &[
    // Ricoh multifunction controllers and Glenfly graphics: everything under function 0.
    chip(0x1180, 0xe832, Known::Function(0)),
    chip(0x1180, 0xe476, Known::Function(0)),
    chip(0x6766, 0x3d40, Known::Function(0)),
    chip(0x6766, 0x3d41, Known::Function(0)),
    // Marvell SATA controllers and what is made of them (HighPoint, JMicron, Plextor): under function 1, there or not.
    chip(0x1b4b, 0x9120, Known::Function(1)),
    chip(0x1b4b, 0x9123, Known::Function(1)),
    chip(0x1b4b, 0x9125, Known::Function(1)),
    chip(0x1b4b, 0x9128, Known::Function(1)),
    chip(0x1b4b, 0x9130, Known::Function(1)),
    chip(0x1b4b, 0x9170, Known::Function(1)),
    chip(0x1b4b, 0x9172, Known::Function(1)),
    chip(0x1b4b, 0x917a, Known::Function(1)),
    chip(0x1b4b, 0x9182, Known::Function(1)),
    chip(0x1b4b, 0x9183, Known::Function(1)),
    chip(0x1b4b, 0x91a0, Known::Function(1)),
    chip(0x1b4b, 0x9215, Known::Function(1)),
    chip(0x1b4b, 0x9220, Known::Function(1)),
    chip(0x1b4b, 0x9230, Known::Function(1)),
    chip(0x1b4b, 0x9235, Known::Function(1)),
    chip(0x1103, 0x0642, Known::Function(1)),
    chip(0x1103, 0x0645, Known::Function(1)),
    chip(0x197b, 0x2392, Known::Function(1)),
    chip(0x1c28, 0x0122, Known::Function(1)),
    // Adaptec 3405 and 3805: a private device at 01.0 of the Intel 80333 moves the data.
    board(0x9005, 0x0285, (0x9005, 0x02bb), Known::DevFns(&[0x08])),
    board(0x9005, 0x0285, (0x9005, 0x02bc), Known::DevFns(&[0x08])),
    // Intel MIC x200: 10.0, 11.0 and 12.3 come through its non-transparent bridge.
    chip(0x8086, 0x2260, Known::DevFns(&[0x80, 0x88, 0x93])),
    chip(0x8086, 0x2264, Known::DevFns(&[0x80, 0x88, 0x93])),
    // Intel Visual Compute Accelerator: up to five functions of any device number.
    chip(0x8086, 0x2954, Known::FirstFunctions(5)),
    chip(0x8086, 0x2955, Known::FirstFunctions(5)),
    chip(0x8086, 0x2956, Known::FirstFunctions(5)),
    chip(0x8086, 0x2958, Known::FirstFunctions(5)),
    chip(0x8086, 0x2959, Known::FirstFunctions(5)),
    chip(0x8086, 0x295a, Known::FirstFunctions(5)),
    // PLX PEX 87xx non-transparent bridges.
    chip(0x10b5, 0x87b0, Known::WholeBus),
    chip(0x10b5, 0x87b1, Known::WholeBus),
    // PCIe-to-PCI bridges that show no PCI Express capability: ASM1083/1085, Tundra 8113, ITE 8892 and 8893, Intel
    // 82801.
    chip(0x1b21, 0x1080, Known::ActsAsPcieBridge),
    chip(0x10e3, 0x8113, Known::ActsAsPcieBridge),
    chip(0x1283, 0x8892, Known::ActsAsPcieBridge),
    chip(0x1283, 0x8893, Known::ActsAsPcieBridge),
    chip(0x8086, 0x244e, Known::ActsAsPcieBridge),
    // ASPEED AST1150: shows a PCIe-to-PCI bridge, and has no PCI bus behind it.
    chip(0x1a03, 0x1150, Known::KeepsIds),
    // Broadcom Vulcan, Cavium ThunderX2: the IOMMU sits at a bridge below the root bus.
    chip(0x14e4, 0x9000, Known::Translates),
    chip(0x14e4, 0x9084, Known::Translates),
];

/// A set of device/function numbers of one bus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DevFnSet([u64; 4]);

impl DevFnSet {
    /// None.
    pub const EMPTY: Self = Self([0; 4]);
    /// All 256.
    pub const ALL: Self = Self([u64::MAX; 4]);

    /// With `devfn` in it.
    #[must_use]
    pub const fn with(mut self, devfn: DevFn) -> Self {
        self.0[(devfn.0 >> 6) as usize] |= 1 << (devfn.0 & 63);
        self
    }

    /// Whether `devfn` is in it.
    pub const fn contains(&self, devfn: DevFn) -> bool {
        self.0[(devfn.0 >> 6) as usize] >> (devfn.0 & 63) & 1 == 1
    }

    /// Each member, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = DevFn> {
        let set = *self;
        (0..=u8::MAX).map(DevFn).filter(move |devfn| set.contains(*devfn))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::EMPTY
    }
}

impl FromIterator<DevFn> for DevFnSet {
    fn from_iter<I: IntoIterator<Item = DevFn>>(members: I) -> Self {
        members.into_iter().fold(Self::EMPTY, Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(id: PciId, devfn: u8) -> Vec<u8> {
        Quirks::known(id, DevFn(devfn)).devfns.iter().map(|devfn| devfn.0).collect()
    }

    #[test]
    fn known_chips_are_found_by_their_ids() {
        let marvell = PciId::new(0x1b4b, 0x9230);
        assert_eq!(known(marvell, 0x20), [0x21]);
        assert_eq!(known(marvell, 0x21), [0; 0], "function 1 is its own");
        assert_eq!(known(PciId::new(0x1180, 0xe832), 0x22), [0x20]);
        assert_eq!(known(PciId::new(0x8086, 0x2264), 0), [0x80, 0x88, 0x93]);
        let vca = known(PciId::new(0x8086, 0x2958), 0);
        assert_eq!((vca.len(), vca[5]), (160, 0x08), "five functions of 32 devices");
        assert_eq!(known(PciId::new(0x10b5, 0x87b0), 0).len(), 256);
        assert_eq!(known(PciId::new(0x1000, 0x0030), 0x20), [0; 0], "an LSI 53C1030 has none");
        assert!(Quirks::known(PciId::new(0x1b21, 0x1080), DevFn(0)).acts_as_pcie_bridge);
        assert!(Quirks::known(PciId::new(0x1a03, 0x1150), DevFn(0)).keeps_ids);
        assert!(Quirks::known(PciId::new(0x14e4, 0x9084), DevFn(0)).translates);
    }

    #[test]
    fn a_quirk_of_one_board_is_not_that_of_the_chip() {
        let chip = PciId::new(0x9005, 0x0285);
        let board = PciId { subsystem_vendor: 0x9005, subsystem: 0x02bb, ..chip };
        assert_eq!(known(board, 0x70), [0x08]);
        assert_eq!(known(chip, 0x70), [0; 0]);
    }
}
