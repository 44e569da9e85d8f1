//! How a CDB implies the length of its data.

use super::ImpliedTransfer;
use crate::cdb::Cdb;

/// Bits of one byte of a CDB: byte number and mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bits(pub(super) u8, pub(super) u8);

/// One rule per way in which T10 commands say how much data they move.
///
/// "The length" is the length field of the row. Where the last argument of a block rule has bits
/// set in the CDB, protection information goes with the data and the CDB alone does not tell how
/// much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TransferRule {
    /// No data.
    None,
    /// The CDB does not tell, or its layout is not recorded.
    Unknown,
    /// Unknown if any of the bits is set, else none.
    UnknownIf(Bits),
    /// At most the length.
    AllocationLength,
    /// At most the length, in units of 512 bytes if the bit is set.
    AllocationLength512(Bits),
    /// The length.
    Bytes,
    /// The length, in units of 512 bytes if the bit is set.
    Bytes512(Bits),
    /// The length, or none if the bit is set.
    BytesUnless(Bits),
    /// Always so many bytes.
    Fixed(u32),
    /// As many blocks as the length says.
    Blocks(Bits),
    /// Twice as many: data to compare and data to write.
    BlocksTwice(Bits),
    /// One block whatever the length, or none if the first bit is set.
    OneBlockUnless(Bits, Bits),
    /// VERIFY: as BYTCHK, bits 2:1 of the byte, says. VRPROTECT is in the same byte.
    Verify { bytchk_at: u8 },
}

impl Bits {
    /// Never set.
    pub(super) const NONE: Self = Self(0, 0);

    fn is_set(self, cdb: &Cdb) -> bool {
        self.value(cdb) != 0
    }

    fn value(self, cdb: &Cdb) -> u8 {
        cdb.padded32().get(usize::from(self.0)).map_or(0, |byte| byte & self.1)
    }
}

impl TransferRule {
    /// The implied transfer, or `None` where the CDB does not tell.
    pub(super) fn apply(
        self,
        cdb: &Cdb,
        length: u64,
        block_length: u32,
    ) -> Option<ImpliedTransfer> {
        let unit = |bits: Bits| if bits.is_set(cdb) { 512 } else { 1 };
        let blocks = |count: u64, protect: Bits| {
            if protect.is_set(cdb) || block_length == 0 {
                return None;
            }
            Some(ImpliedTransfer::Exactly(count.checked_mul(block_length.into())?))
        };
        match self {
            Self::None => Some(ImpliedTransfer::None),
            Self::Unknown => None,
            Self::UnknownIf(bits) => (!bits.is_set(cdb)).then_some(ImpliedTransfer::None),
            Self::AllocationLength => Some(ImpliedTransfer::AtMost(length)),
            Self::AllocationLength512(bits) => {
                Some(ImpliedTransfer::AtMost(length.checked_mul(unit(bits))?))
            }
            Self::Bytes => Some(ImpliedTransfer::Exactly(length)),
            Self::Bytes512(bits) => Some(ImpliedTransfer::Exactly(length.checked_mul(unit(bits))?)),
            Self::BytesUnless(bits) if bits.is_set(cdb) => Some(ImpliedTransfer::None),
            Self::BytesUnless(_) => Some(ImpliedTransfer::Exactly(length)),
            Self::Fixed(bytes) => Some(ImpliedTransfer::Exactly(bytes.into())),
            Self::Blocks(protect) => blocks(length, protect),
            Self::BlocksTwice(protect) => blocks(length.checked_mul(2)?, protect),
            Self::OneBlockUnless(none, _) if none.is_set(cdb) => Some(ImpliedTransfer::None),
            Self::OneBlockUnless(_, protect) => blocks(1, protect),
            Self::Verify { bytchk_at } => {
                let protect = Bits(bytchk_at, 0xe0);
                match Bits(bytchk_at, 0x06).value(cdb) {
                    0b000 => Some(ImpliedTransfer::None),
                    0b010 => blocks(length, protect),
                    0b110 if length != 0 => blocks(1, protect),
                    _ => None,
                }
            }
        }
    }
}
