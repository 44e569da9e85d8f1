//! The VPD pages with fields at fixed places.

use scsi_proto::vpd::PageCode;

use super::layout::{Show, Spec, bit, bits, bytes, code};

/// The fields of a page after its header, and the byte from which on nothing is known.
pub(super) const fn of(page: PageCode) -> (&'static [Spec], usize) {
    match page {
        PageCode::UNIT_SERIAL_NUMBER => (&[], 4),
        PageCode::EXTENDED_INQUIRY => (EXTENDED_INQUIRY, 14),
        PageCode::BLOCK_LIMITS => (BLOCK_LIMITS, 64),
        PageCode::BLOCK_CHARACTERISTICS => (BLOCK_CHARACTERISTICS, 16),
        PageCode::LOGICAL_BLOCK_PROVISIONING => (PROVISIONING, 8),
        PageCode(ZONED) => (ZONED_CHARACTERISTICS, 20),
        _ => (&[], 4),
    }
}

/// Zoned Block Device Characteristics.
const ZONED: u8 = 0xb6;

/// Source: SPC-5 7.7, Extended INQUIRY Data.
const EXTENDED_INQUIRY: &[Spec] = &[
    bits(4, 7, 6, "ACTIVATE MICROCODE"),
    bits(4, 5, 3, "SPT"),
    bit(4, 2, "GRD_CHK"),
    bit(4, 1, "APP_CHK"),
    bit(4, 0, "REF_CHK"),
    bit(5, 5, "UASK_SUP"),
    bit(5, 4, "GROUP_SUP"),
    bit(5, 3, "PRIOR_SUP"),
    bit(5, 2, "HEADSUP"),
    bit(5, 1, "ORDSUP"),
    bit(5, 0, "SIMPSUP"),
    bit(6, 3, "WU_SUP"),
    bit(6, 2, "CRD_SUP"),
    bit(6, 1, "NV_SUP"),
    bit(6, 0, "V_SUP"),
    bit(7, 4, "P_I_I_SUP"),
    bit(7, 0, "LUICLR"),
    bit(8, 4, "R_SUP"),
    bit(8, 0, "CBCS"),
    bits(9, 3, 0, "MULTI I_T NEXUS MICROCODE DOWNLOAD"),
    bytes(10, 2, "EXTENDED SELF-TEST COMPLETION MINUTES"),
    bit(12, 7, "POA_SUP"),
    bit(12, 6, "HRA_SUP"),
    bit(12, 5, "VSA_SUP"),
    bytes(13, 1, "MAXIMUM SUPPORTED SENSE DATA LENGTH"),
];

/// Source: SBC-4 6.6, Block Limits.
const BLOCK_LIMITS: &[Spec] = &[
    bit(4, 0, "WSNZ"),
    bytes(5, 1, "MAXIMUM COMPARE AND WRITE LENGTH"),
    bytes(6, 2, "OPTIMAL TRANSFER LENGTH GRANULARITY"),
    bytes(8, 4, "MAXIMUM TRANSFER LENGTH").shown(NO_LIMIT),
    bytes(12, 4, "OPTIMAL TRANSFER LENGTH"),
    bytes(16, 4, "MAXIMUM PREFETCH LENGTH"),
    bytes(20, 4, "MAXIMUM UNMAP LBA COUNT").shown(UNBOUNDED),
    bytes(24, 4, "MAXIMUM UNMAP BLOCK DESCRIPTOR COUNT").shown(UNBOUNDED),
    bytes(28, 4, "OPTIMAL UNMAP GRANULARITY"),
    bit(32, 7, "UGAVALID"),
    bytes(32, 4, "UNMAP GRANULARITY ALIGNMENT").high_bit(6),
    bytes(36, 8, "MAXIMUM WRITE SAME LENGTH").shown(NO_LIMIT),
    bytes(44, 4, "MAXIMUM ATOMIC TRANSFER LENGTH"),
    bytes(48, 4, "ATOMIC ALIGNMENT"),
    bytes(52, 4, "ATOMIC TRANSFER LENGTH GRANULARITY"),
    bytes(56, 4, "MAXIMUM ATOMIC TRANSFER LENGTH WITH ATOMIC BOUNDARY"),
    bytes(60, 4, "MAXIMUM ATOMIC BOUNDARY SIZE"),
];

const NO_LIMIT: Show = Show::Meaning(|limit| (limit == 0).then(|| "no limit is told".to_owned()));
const UNBOUNDED: Show =
    Show::Meaning(|limit| (limit == u64::from(u32::MAX)).then(|| "no limit".to_owned()));

/// Source: SBC-4 6.6, Block Device Characteristics.
const BLOCK_CHARACTERISTICS: &[Spec] = &[
    bytes(4, 2, "MEDIUM ROTATION RATE").shown(Show::Meaning(|rate| {
        let meaning = match rate {
            0 => "not told".to_owned(),
            1 => "does not rotate".to_owned(),
            0x401..=0xfffe => format!("{rate} per minute"),
            _ => return None,
        };
        Some(meaning)
    })),
    code(6, "PRODUCT TYPE"),
    bits(7, 7, 6, "WABEREQ"),
    bits(7, 5, 4, "WACEREQ"),
    bits(7, 3, 0, "NOMINAL FORM FACTOR").shown(Show::Meaning(|factor| {
        let meaning = match factor {
            0 => "not told",
            1 => "5.25 inch",
            2 => "3.5 inch",
            3 => "2.5 inch",
            4 => "1.8 inch",
            5 => "less than 1.8 inch",
            _ => return None,
        };
        Some(meaning.to_owned())
    })),
    bits(8, 5, 4, "ZONED"),
    bit(8, 2, "BOCS"),
    bit(8, 1, "FUAB"),
    bit(8, 0, "VBULS"),
    bytes(12, 4, "DEPOPULATION TIME"),
];

/// Source: SBC-4 6.6, Logical Block Provisioning.
const PROVISIONING: &[Spec] = &[
    bytes(4, 1, "THRESHOLD EXPONENT"),
    bit(5, 7, "LBPU"),
    bit(5, 6, "LBPWS"),
    bit(5, 5, "LBPWS10"),
    bits(5, 4, 2, "LBPRZ"),
    bit(5, 1, "ANC_SUP"),
    bit(5, 0, "DP"),
    bits(6, 7, 3, "MINIMUM PERCENTAGE"),
    bits(6, 2, 0, "PROVISIONING TYPE").shown(Show::Meaning(|kind| {
        let meaning = match kind {
            0 => "fully provisioned, or not told",
            1 => "resource provisioned",
            2 => "thin provisioned",
            _ => return None,
        };
        Some(meaning.to_owned())
    })),
    bytes(7, 1, "THRESHOLD PERCENTAGE"),
];

/// Source: ZBC-2 6, Zoned Block Device Characteristics.
const ZONED_CHARACTERISTICS: &[Spec] = &[
    bit(4, 0, "URSWRZ"),
    bytes(8, 4, "OPTIMAL NUMBER OF OPEN SEQUENTIAL WRITE PREFERRED ZONES"),
    bytes(12, 4, "OPTIMAL NUMBER OF NON-SEQUENTIALLY WRITTEN SEQUENTIAL WRITE PREFERRED ZONES"),
    bytes(16, 4, "MAXIMUM NUMBER OF OPEN SEQUENTIAL WRITE REQUIRED ZONES"),
];
