//! What firmware would do for the controller: find it, give it addresses, turn it on.
//!
//! Configuration mechanism #1 (PCI Local Bus Specification 3.0, 3.2.2.3.2): the address goes to port CF8h, the data
//! through port CFCh. Header and capability layouts: 6.1, 6.2.5 (BARs), 6.8.1 (MSI).

use core::fmt;

use crate::config::InterruptMode;
use crate::memory::MSI_ADDRESS;
use crate::qtest::{Qtest, QtestError};

/// What the configuration space of the controller says after set-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PciFunction {
    /// Device number on bus 0.
    pub slot: u8,
    /// Vendor id, offset 00h.
    pub vendor_id: u16,
    /// Device id, offset 02h.
    pub device_id: u16,
    /// Revision, offset 08h.
    pub revision: u8,
    /// Subsystem vendor id, offset 2Ch.
    pub subsystem_vendor_id: u16,
    /// Subsystem id, offset 2Eh.
    pub subsystem_id: u16,
    /// The implemented base address registers.
    pub bars: Vec<Bar>,
}

impl PciFunction {
    /// The lowest memory BAR: the register file on every model that this crate starts.
    #[must_use]
    pub fn memory_bar(&self) -> Option<Bar> {
        self.bars.iter().copied().find(|bar| bar.space == BarSpace::Memory)
    }
}

/// One base address register and the addresses that it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Number, 0 to 5; a 64-bit BAR uses this one and the next.
    pub index: u8,
    /// I/O ports or memory.
    pub space: BarSpace,
    /// First port or guest physical address.
    pub base: u64,
    /// Bytes.
    pub len: u64,
}

/// What a base address register decodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarSpace {
    /// I/O ports.
    Io,
    /// Memory.
    Memory,
}

/// Finds the function with these ids on bus 0, assigns its BARs and enables it with the wanted interrupt.
pub(crate) fn set_up(
    qtest: &mut Qtest,
    device_id: u16,
    interrupt: InterruptMode,
) -> Result<PciFunction, PciError> {
    let slot = find(qtest, device_id)?;
    let mut config = ConfigSpace { qtest, slot };
    config.write(COMMAND, 0)?;
    let bars = assign_bars(&mut config)?;
    let mut command = COMMAND_IO | COMMAND_MEMORY | COMMAND_BUS_MASTER;
    match interrupt {
        InterruptMode::Msi => {
            enable_msi(&mut config)?;
            // QEMU asserts the pin beside MSI unless it is disabled.
            command |= COMMAND_INTERRUPT_DISABLE;
        }
        InterruptMode::IntX => config.qtest.intercept_irqs_in("ioapic")?,
    }
    config.write(COMMAND, command)?;
    let [ids, revision, subsystem] = [config.read(0x00)?, config.read(0x08)?, config.read(0x2c)?];
    Ok(PciFunction {
        slot,
        vendor_id: ids as u16,
        device_id: (ids >> 16) as u16,
        revision: revision as u8,
        subsystem_vendor_id: subsystem as u16,
        subsystem_id: (subsystem >> 16) as u16,
        bars,
    })
}

fn find(qtest: &mut Qtest, device_id: u16) -> Result<u8, PciError> {
    for slot in 0..32 {
        let ids = ConfigSpace { qtest, slot }.read(0x00)?;
        if ids == u32::from(device_id) << 16 | u32::from(VENDOR_LSI) {
            return Ok(slot);
        }
    }
    Err(PciError::NotFound { vendor_id: VENDOR_LSI, device_id })
}

fn assign_bars(config: &mut ConfigSpace<'_>) -> Result<Vec<Bar>, PciError> {
    let (mut next_port, mut next_address) = (IO_WINDOW, MEMORY_WINDOW);
    let mut bars = Vec::new();
    let mut index = 0;
    while index < 6 {
        let offset = BAR_0 + 4 * index;
        config.write(offset, u32::MAX)?;
        let mask = config.read(offset)?;
        let is_64 = mask & 0x7 == 0x4;
        let (space, len, next) = if mask & 1 != 0 {
            (BarSpace::Io, length(mask & !0x3 | 0xffff_0000), &mut next_port)
        } else {
            (BarSpace::Memory, length(mask & !0xf), &mut next_address)
        };
        if mask != 0 {
            let base = next.next_multiple_of(len);
            *next = base + len;
            config.write(offset, base as u32)?;
            bars.push(Bar { index, space, base, len });
        }
        if is_64 {
            config.write(offset + 4, 0)?;
        }
        index += if is_64 { 2 } else { 1 };
    }
    match bars.iter().find(|bar| bar.space == BarSpace::Memory) {
        Some(_) if next_address <= MEMORY_WINDOW_END => Ok(bars),
        _ => Err(PciError::Bars { bars }),
    }
}

/// The size of a BAR whose writable bits are set in `mask`.
const fn length(mask: u32) -> u64 {
    mask.wrapping_neg() as u64
}

fn enable_msi(config: &mut ConfigSpace<'_>) -> Result<(), PciError> {
    let capability = find_capability(config, CAPABILITY_MSI)?;
    let control = config.read(capability)?;
    config.write(capability + 4, MSI_ADDRESS as u32)?;
    let data = if control & MSI_64 != 0 {
        config.write(capability + 8, (MSI_ADDRESS >> 32) as u32)?;
        capability + 12
    } else {
        capability + 8
    };
    config.write(data, MSI_DATA)?;
    config.write(capability, control & !MSI_VECTORS_ENABLED | MSI_ENABLE)
}

fn find_capability(config: &mut ConfigSpace<'_>, id: u8) -> Result<u8, PciError> {
    let mut offset = config.read(0x34)? as u8 & !3;
    // The list lies in 192 bytes and an entry has at least 4, so a longer walk is a loop.
    for _ in 0..48 {
        if offset < 0x40 {
            break;
        }
        let header = config.read(offset)?;
        if header as u8 == id {
            return Ok(offset);
        }
        offset = (header >> 8) as u8 & !3;
    }
    Err(PciError::NoCapability { id })
}

/// The configuration space of function 0 in one slot of bus 0.
struct ConfigSpace<'a> {
    qtest: &'a mut Qtest,
    slot: u8,
}

impl ConfigSpace<'_> {
    fn read(&mut self, offset: u8) -> Result<u32, PciError> {
        self.select(offset)?;
        Ok(self.qtest.inl(CONFIG_DATA)?)
    }

    fn write(&mut self, offset: u8, value: u32) -> Result<(), PciError> {
        self.select(offset)?;
        Ok(self.qtest.outl(CONFIG_DATA, value)?)
    }

    fn select(&mut self, offset: u8) -> Result<(), PciError> {
        let address = 1 << 31 | u32::from(self.slot) << 11 | u32::from(offset & !3);
        Ok(self.qtest.outl(CONFIG_ADDRESS, address)?)
    }
}

/// Why the controller could not be set up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PciError {
    /// No slot of bus 0 has a function with these ids.
    NotFound {
        /// Vendor id.
        vendor_id: u16,
        /// Device id.
        device_id: u16,
    },
    /// No memory BAR, or more than the window for BARs holds.
    Bars {
        /// What was found.
        bars: Vec<Bar>,
    },
    /// The capability is not in the list.
    NoCapability {
        /// Capability id; 05h is MSI.
        id: u8,
    },
    /// The configuration space could not be reached.
    Access(QtestError),
}

impl From<QtestError> for PciError {
    fn from(error: QtestError) -> Self {
        Self::Access(error)
    }
}

impl fmt::Display for PciError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { vendor_id, device_id } => {
                write!(f, "no PCI function {vendor_id:04x}:{device_id:04x} on bus 0")
            }
            Self::Bars { bars } => write!(f, "no usable memory BAR among {bars:?}"),
            Self::NoCapability { id: CAPABILITY_MSI } => {
                f.write_str("the controller has no MSI capability: use InterruptMode::IntX")
            }
            Self::NoCapability { id } => {
                write!(f, "the controller has no PCI capability {id:#04x}")
            }
            Self::Access(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for PciError {}

/// What the controller writes at [`MSI_ADDRESS`]; any value but 0 serves.
pub(crate) const MSI_DATA: u32 = 0x4d53;

const VENDOR_LSI: u16 = 0x1000;

const CONFIG_ADDRESS: u16 = 0xcf8;
const CONFIG_DATA: u16 = 0xcfc;

const COMMAND: u8 = 0x04;
const COMMAND_IO: u32 = 1 << 0;
const COMMAND_MEMORY: u32 = 1 << 1;
const COMMAND_BUS_MASTER: u32 = 1 << 2;
const COMMAND_INTERRUPT_DISABLE: u32 = 1 << 10;
const BAR_0: u8 = 0x10;

const CAPABILITY_MSI: u8 = 0x05;
/// Bits of the dword that holds id, next pointer and message control.
const MSI_ENABLE: u32 = 1 << 16;
const MSI_VECTORS_ENABLED: u32 = 0x7 << 20;
const MSI_64: u32 = 1 << 23;

/// Free on q35 without firmware: the chip set's own ports lie below.
const IO_WINDOW: u64 = 0xc000;
/// Above all RAM that a configuration may have below 4 GiB, below the I/O APIC.
const MEMORY_WINDOW: u64 = 0xe000_0000;
const MEMORY_WINDOW_END: u64 = 0xfec0_0000;
