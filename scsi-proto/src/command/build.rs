//! Builders that choose the CDB format.

use core::fmt;

use super::{Command, Read10, Read16, SynchronizeCache10, Write10, Write16};
use crate::cdb::Cdb;
use crate::task::Lba;

/// Caching bits of a media access.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Access {
    /// DPO. Only valid on a device whose mode parameter header says DPOFUA.
    pub dpo: bool,
    /// FUA. Only valid on a device whose mode parameter header says DPOFUA.
    pub fua: bool,
}

/// A range of blocks that passes the last possible address, 2^64 - 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeError {
    /// The first block.
    pub lba: Lba,
    /// The number of blocks.
    pub blocks: u32,
}

/// READ(10), or READ(16) where the range or the count needs it.
///
/// `blocks` may be 0: nothing is transferred and the device checks the address only.
///
/// # Errors
///
/// [`RangeError`] when the range passes block 2^64 - 1.
#[inline]
pub fn read(lba: Lba, blocks: u32, access: Access) -> Result<Cdb, RangeError> {
    let Access { dpo, fua } = access;
    Ok(match narrow(lba, blocks)? {
        Some((lba, transfer_length)) => {
            Read10 { dpo, fua, lba, transfer_length, ..Default::default() }.cdb()
        }
        None => {
            let (lba, transfer_length) = (lba.0, blocks);
            Read16 { dpo, fua, lba, transfer_length, ..Default::default() }.cdb()
        }
    })
}

/// WRITE(10), or WRITE(16) where the range or the count needs it.
///
/// `blocks` may be 0: nothing is transferred and the device checks the address only.
///
/// # Errors
///
/// [`RangeError`] when the range passes block 2^64 - 1.
#[inline]
pub fn write(lba: Lba, blocks: u32, access: Access) -> Result<Cdb, RangeError> {
    let Access { dpo, fua } = access;
    Ok(match narrow(lba, blocks)? {
        Some((lba, transfer_length)) => {
            Write10 { dpo, fua, lba, transfer_length, ..Default::default() }.cdb()
        }
        None => {
            let (lba, transfer_length) = (lba.0, blocks);
            Write16 { dpo, fua, lba, transfer_length, ..Default::default() }.cdb()
        }
    })
}

/// SYNCHRONIZE CACHE(10) with all other bytes zero: the whole unit, status when it is durable.
///
/// Right for any capacity, and more widely implemented than the 16-byte form.
#[must_use = "the CDB does nothing until it is sent"]
pub fn flush_all() -> Cdb {
    SynchronizeCache10::default().cdb()
}

/// The fields of a 10-byte CDB, or `None` where a block address needs 33 bits or the count 17.
///
/// The last block decides, not the first: devices exist that wrap at 2^32 in 10-byte commands.
#[inline]
fn narrow(lba: Lba, blocks: u32) -> Result<Option<(u32, u16)>, RangeError> {
    let last = lba.checked_add(blocks.saturating_sub(1).into());
    let last = last.ok_or(RangeError { lba, blocks })?;
    Ok(match (u32::try_from(lba.0), u32::try_from(last.0), u16::try_from(blocks)) {
        (Ok(lba), Ok(_), Ok(blocks)) => Some((lba, blocks)),
        _ => None,
    })
}

impl fmt::Display for RangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} blocks from block {} pass block 2^64 - 1", self.blocks, self.lba)
    }
}

impl core::error::Error for RangeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortest_form() {
        let plain = Access::default();
        let fua = Access { fua: true, ..plain };
        assert_eq!(write(Lba(8), 1, fua).unwrap().to_string(), "2a080000000800000100");
        let last32 = u64::from(u32::MAX);
        let opcode = |lba, blocks| read(Lba(lba), blocks, plain).unwrap().opcode().0;
        assert_eq!(opcode(last32, 1), 0x28);
        assert_eq!(opcode(last32, 0), 0x28);
        assert_eq!(opcode(last32, 2), 0x88);
        assert_eq!(opcode(last32 + 1, 0), 0x88);
        assert_eq!(opcode(0, 0xffff), 0x28);
        assert_eq!(opcode(0, 0x1_0000), 0x88);
        let far = write(Lba(0x1_0000_0000), 0x2_0000, fua).unwrap();
        assert_eq!(far.to_string(), "8a080000000100000000000200000000");
    }

    #[test]
    fn address_space_ends() {
        let plain = Access::default();
        assert!(read(Lba(u64::MAX), 1, plain).is_ok());
        let error = RangeError { lba: Lba(u64::MAX), blocks: 2 };
        assert_eq!(read(Lba(u64::MAX), 2, plain), Err(error));
        assert_eq!(write(Lba(u64::MAX), 2, plain), Err(error));
        let text = "2 blocks from block 18446744073709551615 pass block 2^64 - 1";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn flush_is_all_zero() {
        assert_eq!(flush_all(), Cdb::from_array([0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    }
}
