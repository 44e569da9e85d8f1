//! What kind of disk is simulated.

use core::fmt;

use super::device::SimDisk;
use super::medium::BlockSize;
use super::power::PowerCut;
use crate::target::SasAddress;

/// Who a disk says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskIdentity {
    /// T10 VENDOR IDENTIFICATION: printable ASCII, padded with spaces.
    pub vendor: [u8; 8],
    /// PRODUCT IDENTIFICATION: printable ASCII, padded with spaces.
    pub product: [u8; 16],
    /// PRODUCT REVISION LEVEL: printable ASCII, padded with spaces.
    pub revision: [u8; 4],
    /// PRODUCT SERIAL NUMBER, page 80h: printable ASCII, of which 32 bytes are reported.
    pub serial: String,
    /// The NAA name of the logical unit, page 83h. A disk of several units adds the unit number.
    pub wwn: u64,
    /// The address of the disk's SAS port.
    pub sas_address: SasAddress,
}

impl DiskIdentity {
    /// The identity of disk `index` of a machine, with every name derived from the number.
    ///
    /// Serial numbers are `HBASIM0000`, `HBASIM0001` and so on. The names are NAA 5 (IEEE
    /// registered) and 100h apart; the port's address is the name of unit 0 plus 1.
    #[must_use = "the identity is the only result"]
    pub fn nth(index: u32) -> Self {
        let wwn = WWN_BASE + (u64::from(index) + 1) * 0x100;
        Self {
            vendor: *b"HBA-SIM ",
            product: *b"DISK            ",
            revision: *b"0001",
            serial: format!("HBASIM{index:04}"),
            wwn,
            sas_address: SasAddress(wwn + 1),
        }
    }
}

/// NAA 5 with the company identifier 000C50h.
const WWN_BASE: u64 = 0x5000_c500_0000_0000;

/// One simulated disk. Every field has a default; see [`DiskConfig::nth`].
///
/// The defaults describe an honest disk of 2010s manufacture: volatile write cache on, FUA
/// supported, thin provisioned, 512-byte logical blocks on 4 KiB physical ones, SPC-4 and SBC-3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskConfig {
    /// Who the disk says it is.
    pub identity: DiskIdentity,
    /// Capacity of each logical unit in logical blocks. At least 1.
    pub blocks: u64,
    /// Size of a logical block.
    pub block_size: BlockSize,
    /// A physical block has 2^n logical blocks; 0 to 15. Source: SBC-4 5.19, LBPPBE.
    pub physical_block_exponent: u8,
    /// Logical units of the disk, with the numbers from 0 on. At least 1.
    pub logical_units: u16,
    /// WCE after power on and after a reset: whether writes are acknowledged from the cache.
    pub write_cache: bool,
    /// DPOFUA: whether DPO and FUA may be set. If not they are refused with 5/24/00.
    pub dpofua: bool,
    /// Whether the cache survives power loss (NV_SUP), as long as nobody sets NV_DIS and no battery fails.
    pub non_volatile_cache: bool,
    /// Whether it survives because of a battery, which can fail: the cache is volatile from then on (V_SUP, too).
    pub battery: bool,
    /// SYNC_PROG after power on: 0 to 2.
    pub sync_progress: u8,
    /// Whether mode pages can be saved: MODE SELECT with SP, and what is saved survives resets and power loss.
    pub saves_modes: bool,
    /// Ports, each with an initiator of its own: 1 to 4. Port n has the address of the first plus n.
    pub ports: u8,
    /// Blocks that the cache holds before it writes the oldest back. At least 1.
    pub cache_blocks: u32,
    /// Flushes answer GOOD and do nothing. For showing that a checker notices.
    pub lying_flush: bool,
    /// FUA is accepted and ignored. For showing that a checker notices.
    pub lying_fua: bool,
    /// What a power cut does to the cache where the caller does not say.
    pub power_cut: PowerCut,
    /// The seed of every random choice of this disk.
    pub seed: u64,
}

impl DiskConfig {
    /// The default cache: 32 MiB.
    const CACHE_LEN: u32 = 32 << 20;

    /// Disk `index` of a machine, with `blocks` blocks of 512 bytes.
    #[must_use = "the configuration is the only result"]
    pub fn nth(index: u32, blocks: u64) -> Self {
        Self {
            identity: DiskIdentity::nth(index),
            blocks,
            block_size: BlockSize::B512,
            physical_block_exponent: 3,
            logical_units: 1,
            write_cache: true,
            dpofua: true,
            non_volatile_cache: false,
            battery: false,
            sync_progress: 0,
            saves_modes: true,
            ports: 1,
            cache_blocks: Self::CACHE_LEN / BlockSize::B512.bytes(),
            lying_flush: false,
            lying_fua: false,
            power_cut: PowerCut::default(),
            seed: index.into(),
        }
    }
}

/// Disk 0 with 64 MiB.
impl Default for DiskConfig {
    fn default() -> Self {
        Self::nth(0, (64 << 20) / 512)
    }
}

/// A configuration that describes no disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DiskConfigError {
    /// A unit has no blocks.
    NoBlocks,
    /// The capacity is more than a medium in memory can have.
    TooManyBlocks {
        /// The blocks asked for.
        blocks: u64,
        /// The most blocks of this size.
        max: u64,
    },
    /// The disk has no logical units, or more than 256.
    LogicalUnits {
        /// The number asked for.
        count: usize,
    },
    /// The physical block exponent needs more than four bits.
    PhysicalBlockExponent {
        /// The exponent asked for.
        exponent: u8,
    },
    /// The disk has no ports, or more than four.
    Ports {
        /// The number asked for.
        count: u8,
    },
    /// SYNC_PROG 3 is reserved.
    SyncProgress {
        /// The value asked for.
        value: u8,
    },
    /// A medium has another block size than the configuration.
    BlockSize {
        /// The size of the medium's blocks.
        medium: BlockSize,
        /// The size in the configuration.
        config: BlockSize,
    },
}

impl fmt::Display for DiskConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBlocks => f.write_str("a logical unit has no blocks"),
            Self::TooManyBlocks { blocks, max } => {
                write!(f, "{blocks} blocks are more than the {max} of a medium in memory")
            }
            Self::LogicalUnits { count } => {
                write!(f, "a disk has 1 to {} logical units, not {count}", SimDisk::UNITS_MAX)
            }
            Self::PhysicalBlockExponent { exponent } => {
                write!(f, "physical block exponent {exponent} is above 15")
            }
            Self::Ports { count } => write!(f, "a disk has 1 to 4 ports, not {count}"),
            Self::SyncProgress { value } => write!(f, "sync_prog is 0 to 2, not {value}"),
            Self::BlockSize { medium, config } => {
                write!(f, "the medium has blocks of {medium}, the configuration of {config}")
            }
        }
    }
}

impl core::error::Error for DiskConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_of_a_machine_differ() {
        let (first, second) = (DiskIdentity::nth(0), DiskIdentity::nth(1));
        assert_eq!(first.serial, "HBASIM0000");
        assert_eq!(first.wwn, 0x5000_c500_0000_0100);
        assert_eq!(first.sas_address, SasAddress(0x5000_c500_0000_0101));
        assert_ne!(first.wwn, second.wwn);
        assert_ne!(first.sas_address, second.sas_address);
        assert_eq!(DiskIdentity::nth(u32::MAX).wwn >> 60, 5);
    }
}
