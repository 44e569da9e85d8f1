//! ATA commands inside of SCSI commands (SAT).

use super::field::{Control, Field};
use super::layout::{Format, command, control_at, put, take};
use super::{Bits, Checked, Command, ParseError};
use crate::cdb::Cdb;
use crate::opcode::Opcode;

/// The LBA registers of a 24-bit ATA command: low, mid and high byte in this order.
///
/// The four bits above them are in DEVICE. Source: SAT-5 12.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AtaLba24(u32);

/// The LBA registers of a 48-bit ATA command: for low, mid and high the previous register
/// contents (bits 47:24) before the current ones (bits 23:0). Source: SAT-5 12.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AtaLba48(u64);

impl AtaLba24 {
    /// `lba` in logical blocks of the ATA device, or `None` when it needs more than 24 bits.
    #[must_use = "the address is the only result"]
    pub const fn new(lba: u32) -> Option<Self> {
        if lba >> 24 == 0 { Some(Self(lba)) } else { None }
    }

    /// The address in logical blocks of the ATA device.
    #[must_use = "the address is the only result"]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl AtaLba48 {
    /// `lba` in logical blocks of the ATA device, or `None` when it needs more than 48 bits.
    #[must_use = "the address is the only result"]
    pub const fn new(lba: u64) -> Option<Self> {
        if lba >> 48 == 0 { Some(Self(lba)) } else { None }
    }

    /// The address in logical blocks of the ATA device.
    #[must_use = "the address is the only result"]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl Field for AtaLba24 {
    const BITS: u32 = 24;
    #[inline]
    fn from_raw(raw: u64) -> Self {
        Self((raw as u32).swap_bytes() >> 8)
    }
    #[inline]
    fn into_raw(self) -> u64 {
        (self.0.swap_bytes() >> 8).into()
    }
}

impl Field for AtaLba48 {
    const BITS: u32 = 48;
    #[inline]
    fn from_raw(raw: u64) -> Self {
        let [_, _, b3, b0, b4, b1, b5, b2] = raw.to_be_bytes();
        Self(u64::from_be_bytes([0, 0, b5, b4, b3, b2, b1, b0]))
    }
    #[inline]
    fn into_raw(self) -> u64 {
        let [_, _, b5, b4, b3, b2, b1, b0] = self.0.to_be_bytes();
        u64::from_be_bytes([0, 0, b3, b0, b4, b1, b5, b2])
    }
}

command! {
    /// Source: SAT-5 12.
    AtaPassThrough16 = "ATA PASS-THROUGH(16)", ATA_PASS_THROUGH_16, 16 {
        /// MULTIPLE_COUNT: log2 of the blocks per DRQ data block.
        multiple_count: Bits<3> [1, 5],
        /// PROTOCOL of the ATA command.
        protocol: Bits<4> [1, 1],
        /// EXTEND: a 48-bit ATA command.
        extend: bool [1],
        /// OFF_LINE: how long the device may be unreadable, as a power of two.
        off_line: Bits<2> [2, 6],
        /// CK_COND: return the ATA registers as sense data.
        ck_cond: bool [2, 5],
        /// T_TYPE: transfer blocks have the logical block size instead of 512 bytes.
        t_type: bool [2, 4],
        /// T_DIR: data-in; clear for data-out.
        t_dir: bool [2, 3],
        /// BYT_BLOK: the length counts blocks instead of bytes.
        byt_blok: bool [2, 2],
        /// T_LENGTH: which ATA register has the transfer length.
        t_length: Bits<2> [2],
        /// FEATURES.
        features: u16 [3],
        /// COUNT.
        count: u16 [5],
        /// LBA (47:0).
        ata_lba: AtaLba48 [7],
        /// DEVICE.
        device: u8 [13],
        /// COMMAND.
        command: u8 [14],
    }
}

command! {
    /// Source: SAT-5 12.
    AtaPassThrough12 = "ATA PASS-THROUGH(12)", ATA_PASS_THROUGH_12, 12 {
        /// MULTIPLE_COUNT: log2 of the blocks per DRQ data block.
        multiple_count: Bits<3> [1, 5],
        /// PROTOCOL of the ATA command.
        protocol: Bits<4> [1, 1],
        /// OFF_LINE: how long the device may be unreadable, as a power of two.
        off_line: Bits<2> [2, 6],
        /// CK_COND: return the ATA registers as sense data.
        ck_cond: bool [2, 5],
        /// T_TYPE: transfer blocks have the logical block size instead of 512 bytes.
        t_type: bool [2, 4],
        /// T_DIR: data-in; clear for data-out.
        t_dir: bool [2, 3],
        /// BYT_BLOK: the length counts blocks instead of bytes.
        byt_blok: bool [2, 2],
        /// T_LENGTH: which ATA register has the transfer length.
        t_length: Bits<2> [2],
        /// FEATURES.
        features: u8 [3],
        /// COUNT.
        count: u8 [4],
        /// LBA (23:0).
        ata_lba: AtaLba24 [5],
        /// DEVICE.
        device: u8 [8],
        /// COMMAND.
        command: u8 [9],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn register_order() {
        let ata_lba = AtaLba48::new(0x4746_3938_2f20).unwrap();
        let read_dma_ext = AtaPassThrough16 { extend: true, ata_lba, ..Default::default() };
        let cdb = read_dma_ext.cdb();
        assert_eq!(cdb.as_bytes()[7..13], [0x39, 0x20, 0x46, 0x2f, 0x47, 0x38]);
        assert_eq!(AtaPassThrough16::parse(&cdb), Ok(read_dma_ext));
        let ata_lba = AtaLba24::new(0x01_0203).unwrap();
        let read_dma = AtaPassThrough12 { ata_lba, ..Default::default() };
        assert_eq!(read_dma.cdb().as_bytes()[5..8], [3, 2, 1]);
        assert_eq!(AtaPassThrough12::parse(&read_dma.cdb()), Ok(read_dma));
        assert_eq!((ata_lba.get(), read_dma_ext.ata_lba.get()), (0x01_0203, 0x4746_3938_2f20));
        assert_eq!(AtaLba24::new(1 << 24), None);
        assert_eq!(AtaLba48::new(1 << 48), None);
    }
}
