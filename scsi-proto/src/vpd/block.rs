//! The pages of block devices: B0h, B1h and B2h. Source: SBC-4 6.6.

use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{PageCode, VpdPage};
use crate::command::Bits;
use crate::record::vpd_page;
use crate::wire::{self, BufferTooSmall};

/// Block Limits (B0h). Lengths are in logical blocks; 0 means that no limit is told. Source: SBC-4
/// 6.6.
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

vpd_page! {
    /// Block Device Characteristics (B1h). Source: SBC-4 6.6.2.
    pub struct BlockCharacteristics: 64, BLOCK_CHARACTERISTICS {
        /// MEDIUM ROTATION RATE per minute; 0 is not told, 1 is non-rotating.
        rotation_rate: u16 [4],
        /// PRODUCT TYPE.
        product_type: u8 [6],
        /// WABEREQ: what a read of an unwritten block after a background erase returns.
        wabereq: Bits<2> [7, 6],
        /// WACEREQ: what a read of an unwritten block after a cryptographic erase returns.
        wacereq: Bits<2> [7, 4],
        /// NOMINAL FORM FACTOR.
        form_factor: Bits<4> [7],
        /// ZONED: 1 host aware, 2 device managed.
        zoned: Bits<2> [8, 4],
        /// RBWZ: reassigned blocks are written with zeros.
        rbwz: bool [8, 3],
        /// BOCS: background operation control.
        bocs: bool [8, 2],
        /// FUAB: force unit access behaviour.
        fuab: bool [8, 1],
        /// VBULS: VERIFY with BYTCHK is supported on unmapped blocks.
        vbuls: bool [8, 0],
        /// DEPOPULATION TIME in seconds; 0 is not told.
        depopulation_time: u32 [12],
    }
}

vpd_page! {
    /// Logical Block Provisioning (B2h), without the provisioning group descriptor. Source: SBC-4
    /// 6.6.7.
    pub struct LogicalBlockProvisioning: 8, LOGICAL_BLOCK_PROVISIONING {
        /// THRESHOLD EXPONENT: 2^n blocks per threshold unit.
        threshold_exponent: u8 [4],
        /// LBPU: UNMAP is supported.
        lbpu: bool [5, 7],
        /// LBPWS: WRITE SAME(16) with UNMAP is supported.
        lbpws: bool [5, 6],
        /// LBPWS10: WRITE SAME(10) with UNMAP is supported.
        lbpws10: bool [5, 5],
        /// LBPRZ: 1 deallocated blocks read as zeros.
        lbprz: Bits<3> [5, 2],
        /// ANC_SUP: anchored blocks are supported.
        anc_sup: bool [5, 1],
        /// DP: a provisioning group descriptor follows.
        dp: bool [5, 0],
        /// MINIMUM PERCENTAGE; 0 is not told.
        minimum_percentage: Bits<5> [6, 3],
        /// PROVISIONING TYPE: 0 not told, 1 resource, 2 thin.
        provisioning_type: Bits<3> [6],
        /// THRESHOLD PERCENTAGE.
        threshold_percentage: u8 [7],
    }
}
