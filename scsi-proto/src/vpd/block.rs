//! The pages of block devices: B0h, B1h and B2h. Source: SBC-4 6.6.

use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{PageCode, VpdPage};
use crate::wire::{self, BufferTooSmall};

/// Block Limits (B0h). Lengths are in logical blocks; 0 means that no limit is told.
/// Source: SBC-4 6.6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockLimits {
    /// WSNZ: a NUMBER OF LOGICAL BLOCKS of zero in WRITE SAME is refused.
    pub wsnz: bool,
    /// MAXIMUM COMPARE AND WRITE LENGTH.
    pub compare_and_write_max: u8,
    /// OPTIMAL TRANSFER LENGTH GRANULARITY.
    pub transfer_granularity: u16,
    /// MAXIMUM TRANSFER LENGTH.
    pub transfer_max: u32,
    /// OPTIMAL TRANSFER LENGTH.
    pub transfer_optimal: u32,
    /// MAXIMUM PREFETCH LENGTH.
    pub prefetch_max: u32,
    /// MAXIMUM UNMAP LBA COUNT; FFFFFFFFh means no limit, 0 that UNMAP is absent.
    pub unmap_lba_max: u32,
    /// MAXIMUM UNMAP BLOCK DESCRIPTOR COUNT; FFFFFFFFh means no limit.
    pub unmap_descriptor_max: u32,
    /// OPTIMAL UNMAP GRANULARITY.
    pub unmap_granularity: u32,
    /// UNMAP GRANULARITY ALIGNMENT, where UGAVALID is set. 31 bits.
    pub unmap_alignment: Option<u32>,
    /// MAXIMUM WRITE SAME LENGTH.
    pub write_same_max: u64,
    /// MAXIMUM ATOMIC TRANSFER LENGTH.
    pub atomic_max: u32,
    /// ATOMIC ALIGNMENT.
    pub atomic_alignment: u32,
    /// ATOMIC TRANSFER LENGTH GRANULARITY.
    pub atomic_granularity: u32,
    /// MAXIMUM ATOMIC TRANSFER LENGTH WITH ATOMIC BOUNDARY.
    pub atomic_max_with_boundary: u32,
    /// MAXIMUM ATOMIC BOUNDARY SIZE.
    pub atomic_boundary_max: u32,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct LimitsWire {
    /// WSNZ (bit 0).
    flags: u8,
    compare_and_write_max: u8,
    transfer_granularity: U16,
    transfer_max: U32,
    transfer_optimal: U32,
    prefetch_max: U32,
    unmap_lba_max: U32,
    unmap_descriptor_max: U32,
    unmap_granularity: U32,
    /// UGAVALID (bit 31) and UNMAP GRANULARITY ALIGNMENT.
    unmap_alignment: U32,
    write_same_max: U64,
    atomic_max: U32,
    atomic_alignment: U32,
    atomic_granularity: U32,
    atomic_max_with_boundary: U32,
    atomic_boundary_max: U32,
}

const _: () = assert!(size_of::<LimitsWire>() + VpdPage::HEADER_LEN == BlockLimits::LEN);
const UGAVALID: u32 = 1 << 31;

impl BlockLimits {
    /// Length of the page in bytes, header included.
    pub const LEN: usize = 64;

    /// Reads the body of `page`; what is missing reads as zero, that is, as no limit.
    #[must_use = "the limits are the only result"]
    pub fn parse(page: &VpdPage<'_>) -> Self {
        let wire: LimitsWire = wire::read_padded(page.body);
        let alignment = wire.unmap_alignment.get();
        Self {
            wsnz: wire.flags & 1 != 0,
            compare_and_write_max: wire.compare_and_write_max,
            transfer_granularity: wire.transfer_granularity.get(),
            transfer_max: wire.transfer_max.get(),
            transfer_optimal: wire.transfer_optimal.get(),
            prefetch_max: wire.prefetch_max.get(),
            unmap_lba_max: wire.unmap_lba_max.get(),
            unmap_descriptor_max: wire.unmap_descriptor_max.get(),
            unmap_granularity: wire.unmap_granularity.get(),
            unmap_alignment: (alignment & UGAVALID != 0).then_some(alignment & !UGAVALID),
            write_same_max: wire.write_same_max.get(),
            atomic_max: wire.atomic_max.get(),
            atomic_alignment: wire.atomic_alignment.get(),
            atomic_granularity: wire.atomic_granularity.get(),
            atomic_max_with_boundary: wire.atomic_max_with_boundary.get(),
            atomic_boundary_max: wire.atomic_boundary_max.get(),
        }
    }

    /// Writes the page, 64 bytes.
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`] when `out` is shorter than that.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let wire = LimitsWire {
            flags: self.wsnz.into(),
            compare_and_write_max: self.compare_and_write_max,
            transfer_granularity: self.transfer_granularity.into(),
            transfer_max: self.transfer_max.into(),
            transfer_optimal: self.transfer_optimal.into(),
            prefetch_max: self.prefetch_max.into(),
            unmap_lba_max: self.unmap_lba_max.into(),
            unmap_descriptor_max: self.unmap_descriptor_max.into(),
            unmap_granularity: self.unmap_granularity.into(),
            unmap_alignment: self.unmap_alignment.map_or(0, |value| value | UGAVALID).into(),
            write_same_max: self.write_same_max.into(),
            atomic_max: self.atomic_max.into(),
            atomic_alignment: self.atomic_alignment.into(),
            atomic_granularity: self.atomic_granularity.into(),
            atomic_max_with_boundary: self.atomic_max_with_boundary.into(),
            atomic_boundary_max: self.atomic_boundary_max.into(),
        };
        super::emit(PageCode::BLOCK_LIMITS, wire.as_bytes(), out)
    }
}

/// Block Device Characteristics (B1h), the main fields. Source: SBC-4 6.6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockCharacteristics {
    /// MEDIUM ROTATION RATE per minute; 0 is not told, 1 is non-rotating.
    pub rotation_rate: u16,
    /// PRODUCT TYPE.
    pub product_type: u8,
    /// NOMINAL FORM FACTOR, four bits.
    pub form_factor: u8,
    /// FUAB: force unit access behaviour.
    pub fuab: bool,
    /// VBULS: VERIFY with BYTCHK is supported on unmapped blocks.
    pub vbuls: bool,
}

impl BlockCharacteristics {
    /// Length of the page in bytes, header included.
    pub const LEN: usize = 64;

    /// Reads the body of `page`; what is missing reads as zero.
    #[must_use = "the data is the only result"]
    pub fn parse(page: &VpdPage<'_>) -> Self {
        let byte = |index: usize| page.body.get(index).copied().unwrap_or(0);
        Self {
            rotation_rate: u16::from_be_bytes([byte(0), byte(1)]),
            product_type: byte(2),
            form_factor: byte(3) & 0x0f,
            fuab: byte(4) & 0x02 != 0,
            vbuls: byte(4) & 0x01 != 0,
        }
    }

    /// Writes the page, 64 bytes.
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`] when `out` is shorter than that.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let mut body = [0; Self::LEN - VpdPage::HEADER_LEN];
        [body[0], body[1]] = self.rotation_rate.to_be_bytes();
        body[2] = self.product_type;
        body[3] = self.form_factor & 0x0f;
        body[4] = u8::from(self.fuab) << 1 | u8::from(self.vbuls);
        super::emit(PageCode::BLOCK_CHARACTERISTICS, &body, out)
    }
}

/// Logical Block Provisioning (B2h), without the provisioning group descriptor. Source: SBC-4 6.6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogicalBlockProvisioning {
    /// THRESHOLD EXPONENT: 2^n blocks per threshold unit.
    pub threshold_exponent: u8,
    /// LBPU: UNMAP is supported.
    pub lbpu: bool,
    /// LBPWS: WRITE SAME(16) with UNMAP is supported.
    pub lbpws: bool,
    /// LBPWS10: WRITE SAME(10) with UNMAP is supported.
    pub lbpws10: bool,
    /// LBPRZ, three bits: 1 deallocated blocks read as zeros.
    pub lbprz: u8,
    /// ANC_SUP: anchored blocks are supported.
    pub anc_sup: bool,
    /// PROVISIONING TYPE, three bits: 0 not told, 1 resource, 2 thin.
    pub provisioning_type: u8,
    /// THRESHOLD PERCENTAGE.
    pub threshold_percentage: u8,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct ProvisioningWire {
    threshold_exponent: u8,
    /// LBPU (7), LBPWS (6), LBPWS10 (5), LBPRZ (4:2), ANC_SUP (1), DP (0).
    flags: u8,
    /// MINIMUM PERCENTAGE (7:3) and PROVISIONING TYPE (2:0).
    provisioning_type: u8,
    threshold_percentage: u8,
}

impl LogicalBlockProvisioning {
    /// Length of the page in bytes, header included.
    pub const LEN: usize = 8;

    /// Reads the body of `page`; what is missing reads as zero.
    #[must_use = "the data is the only result"]
    pub fn parse(page: &VpdPage<'_>) -> Self {
        let wire: ProvisioningWire = wire::read_padded(page.body);
        Self {
            threshold_exponent: wire.threshold_exponent,
            lbpu: wire.flags & 0x80 != 0,
            lbpws: wire.flags & 0x40 != 0,
            lbpws10: wire.flags & 0x20 != 0,
            lbprz: wire.flags >> 2 & 7,
            anc_sup: wire.flags & 0x02 != 0,
            provisioning_type: wire.provisioning_type & 7,
            threshold_percentage: wire.threshold_percentage,
        }
    }

    /// Writes the page, 8 bytes.
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`] when `out` is shorter than that.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let bit = |flag: bool, bit: u8| u8::from(flag) << bit;
        let wire = ProvisioningWire {
            flags: bit(self.lbpu, 7)
                | bit(self.lbpws, 6)
                | bit(self.lbpws10, 5)
                | (self.lbprz & 7) << 2
                | bit(self.anc_sup, 1),
            threshold_exponent: self.threshold_exponent,
            provisioning_type: self.provisioning_type & 7,
            threshold_percentage: self.threshold_percentage,
        };
        super::emit(PageCode::LOGICAL_BLOCK_PROVISIONING, wire.as_bytes(), out)
    }
}
