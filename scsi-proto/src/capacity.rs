//! READ CAPACITY parameter data. Source: SBC-4 5.

use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::task::Lba;
use crate::wire::{self, BufferTooSmall, Truncated};

/// What READ CAPACITY(10) returns. Source: SBC-4 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity10 {
    /// RETURNED LOGICAL BLOCK ADDRESS: the last block, or FFFFFFFFh when it needs more than 32
    /// bits.
    pub last_lba: u32,
    /// LOGICAL BLOCK LENGTH in bytes.
    pub block_length: u32,
}

/// What READ CAPACITY(16) returns. Source: SBC-4 5.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capacity16 {
    /// RETURNED LOGICAL BLOCK ADDRESS: the last block.
    pub last_lba: Lba,
    /// LOGICAL BLOCK LENGTH in bytes.
    pub block_length: u32,
    /// RC BASIS, two bits: how zoned devices count. 0 for others.
    pub rc_basis: u8,
    /// P_TYPE, three bits: protection type less one. Meaningless while `prot_en` is clear.
    pub p_type: u8,
    /// PROT_EN: formatted with protection information.
    pub prot_en: bool,
    /// P_I_EXPONENT, four bits: 2^n protection information intervals per block.
    pub p_i_exponent: u8,
    /// LOGICAL BLOCKS PER PHYSICAL BLOCK EXPONENT, four bits: 2^n blocks per physical block.
    pub lbppbe: u8,
    /// LBPME: logical block provisioning management (UNMAP) is enabled.
    pub lbpme: bool,
    /// LBPRZ: deallocated blocks read as zeros.
    pub lbprz: bool,
    /// LOWEST ALIGNED LOGICAL BLOCK ADDRESS, 14 bits.
    pub lowest_aligned: u16,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Wire10 {
    last_lba: U32,
    block_length: U32,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Wire16 {
    last_lba: U64,
    block_length: U32,
    /// RC BASIS (5:4), P_TYPE (3:1), PROT_EN (0).
    protection: u8,
    /// P_I_EXPONENT (7:4), LOGICAL BLOCKS PER PHYSICAL BLOCK EXPONENT (3:0).
    exponents: u8,
    /// LBPME (15), LBPRZ (14), LOWEST ALIGNED LOGICAL BLOCK ADDRESS (13:0).
    provisioning: U16,
    reserved: [u8; 16],
}

const _: () = assert!(size_of::<Wire10>() == Capacity10::LEN);
const _: () = assert!(size_of::<Wire16>() == Capacity16::LEN);

impl Capacity10 {
    /// Length in bytes.
    pub const LEN: usize = 8;

    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`Truncated`] when `bytes` has less than 8 bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Truncated> {
        wire::require(bytes, Self::LEN)?;
        let wire: Wire10 = wire::read_padded(bytes);
        Ok(Self { last_lba: wire.last_lba.get(), block_length: wire.block_length.get() })
    }

    /// Writes 8 bytes.
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`] when `out` is shorter than that.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let (last_lba, block_length) = (self.last_lba.into(), self.block_length.into());
        wire::write(&Wire10 { last_lba, block_length }, out)
    }

    /// Whether only READ CAPACITY(16) can tell the capacity.
    #[must_use = "the answer is the only result"]
    pub const fn needs_capacity16(&self) -> bool {
        self.last_lba == u32::MAX
    }
}

impl From<Capacity16> for Capacity10 {
    /// The short form of the same capacity.
    fn from(capacity: Capacity16) -> Self {
        Self {
            last_lba: u32::try_from(capacity.last_lba.0).unwrap_or(u32::MAX),
            block_length: capacity.block_length,
        }
    }
}

impl Capacity16 {
    /// Length in bytes.
    pub const LEN: usize = 32;

    /// Reads the data; what is missing after the block length reads as zero.
    ///
    /// # Errors
    ///
    /// [`Truncated`] when `bytes` has less than 12 bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Truncated> {
        wire::require(bytes, 12)?;
        let wire: Wire16 = wire::read_padded(bytes);
        let provisioning = wire.provisioning.get();
        Ok(Self {
            last_lba: Lba(wire.last_lba.get()),
            block_length: wire.block_length.get(),
            rc_basis: wire.protection >> 4 & 3,
            p_type: wire.protection >> 1 & 7,
            prot_en: wire.protection & 1 != 0,
            p_i_exponent: wire.exponents >> 4,
            lbppbe: wire.exponents & 0x0f,
            lbpme: provisioning & 0x8000 != 0,
            lbprz: provisioning & 0x4000 != 0,
            lowest_aligned: provisioning & 0x3fff,
        })
    }

    /// Writes 32 bytes. Fields are cut to their width.
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`] when `out` is shorter than that.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let provisioning = u16::from(self.lbpme) << 15
            | u16::from(self.lbprz) << 14
            | self.lowest_aligned & 0x3fff;
        let wire = Wire16 {
            last_lba: self.last_lba.0.into(),
            block_length: self.block_length.into(),
            protection: (self.rc_basis & 3) << 4 | (self.p_type & 7) << 1 | u8::from(self.prot_en),
            exponents: self.p_i_exponent << 4 | self.lbppbe & 0x0f,
            provisioning: provisioning.into(),
            ..Wire16::new_zeroed()
        };
        wire::write(&wire, out)
    }

    /// The number of blocks, or `None` for the one value that needs 65 bits.
    #[must_use = "the number is the only result"]
    pub const fn blocks(&self) -> Option<u64> {
        self.last_lba.0.checked_add(1)
    }
}

impl From<Capacity10> for Capacity16 {
    /// The same capacity with nothing known of protection, alignment and provisioning.
    fn from(capacity: Capacity10) -> Self {
        Self {
            last_lba: Lba(capacity.last_lba.into()),
            block_length: capacity.block_length,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_answers() {
        let short = Capacity10::parse(&[0, 7, 0xff, 0xff, 0, 0, 2, 0]).unwrap();
        assert_eq!(Capacity16::from(short).blocks(), Some(0x8_0000));
        assert!(Capacity10 { last_lba: u32::MAX, ..short }.needs_capacity16());
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&[0, 0, 0, 1, 0x80, 0, 0, 0, 0, 0, 2, 0, 3, 0x13, 0xc0, 5]);
        let long = Capacity16::parse(&bytes).unwrap();
        let expected = Capacity16 {
            last_lba: Lba(0x1_8000_0000),
            block_length: 512,
            rc_basis: 0,
            p_type: 1,
            prot_en: true,
            p_i_exponent: 1,
            lbppbe: 3,
            lbpme: true,
            lbprz: true,
            lowest_aligned: 5,
        };
        assert_eq!(long, expected);
        assert_eq!(Capacity10::from(long).last_lba, u32::MAX);
        assert_eq!(Capacity16 { last_lba: Lba(u64::MAX), ..long }.blocks(), None);
    }

    proptest! {
        #[test]
        fn parse_emit_parse(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut out = [0xff; 32];
            if let Ok(parsed) = Capacity16::parse(&bytes) {
                prop_assert_eq!(parsed.emit(&mut out), Ok(32));
                prop_assert_eq!(Capacity16::parse(&out), Ok(parsed));
            }
            if let Ok(parsed) = Capacity10::parse(&bytes) {
                prop_assert_eq!(parsed.emit(&mut out), Ok(8));
                prop_assert_eq!(&out[..8], &bytes[..8]);
            }
        }
    }
}
