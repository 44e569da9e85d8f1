//! Vital product data pages of INQUIRY with EVPD. Source: SPC-5 7.7, SBC-4 6.6.
//!
//! [`VpdPage`] reads the header that all pages share; the pages with fields have types of their
//! own that read its body.

mod block;
mod extended;
mod identification;
mod ports;
mod wwn;
mod zoned;

use crate::inquiry::{DeviceType, PeripheralQualifier};
use crate::macros::open_code;
use crate::wire::{BufferTooSmall, Truncated, Writer};

pub use block::{BlockCharacteristics, BlockLimits, LogicalBlockProvisioning};
pub use extended::ExtendedInquiry;
pub use identification::{
    Association, CodeSet, Designator, DesignatorTooLong, DesignatorType, Designators,
};
pub use ports::{ModePagePolicy, ScsiPort, ScsiPorts};
pub use wwn::{Wwn, WwnKind, logical_unit_wwn};
pub use zoned::ZonedCharacteristics;

open_code! {
    /// A VPD PAGE CODE. Source: SPC-5 7.7.
    pub struct PageCode(u8) {
        SUPPORTED_PAGES = 0x00, "Supported VPD Pages";
        UNIT_SERIAL_NUMBER = 0x80, "Unit Serial Number";
        DEVICE_IDENTIFICATION = 0x83, "Device Identification";
        MANAGEMENT_ADDRESSES = 0x85, "Management Network Addresses";
        EXTENDED_INQUIRY = 0x86, "Extended INQUIRY Data";
        MODE_PAGE_POLICY = 0x87, "Mode Page Policy";
        SCSI_PORTS = 0x88, "SCSI Ports";
        ATA_INFORMATION = 0x89, "ATA Information";
        BLOCK_LIMITS = 0xb0, "Block Limits";
        BLOCK_CHARACTERISTICS = 0xb1, "Block Device Characteristics";
        LOGICAL_BLOCK_PROVISIONING = 0xb2, "Logical Block Provisioning";
        ZONED_CHARACTERISTICS = 0xb6, "Zoned Block Device Characteristics";
    }
}

/// A vital product data page, laid over received bytes. Source: SPC-5 7.7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VpdPage<'a> {
    /// PERIPHERAL QUALIFIER.
    pub qualifier: PeripheralQualifier,
    /// PERIPHERAL DEVICE TYPE.
    pub device_type: DeviceType,
    /// PAGE CODE. A device that does not know the page may send another one.
    pub code: PageCode,
    /// PAGE LENGTH: bytes after byte 3, as the device claims them.
    pub page_length: u16,
    /// The bytes after the header that are both claimed and present.
    pub body: &'a [u8],
}

impl<'a> VpdPage<'a> {
    /// Length of the header in bytes.
    pub const HEADER_LEN: usize = 4;

    /// Reads the header.
    ///
    /// # Errors
    ///
    /// [`Truncated`] when `bytes` has less than 4 bytes.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Truncated> {
        let [peripheral, code, high, low, body @ ..] = bytes else {
            return Err(Truncated { needed: Self::HEADER_LEN, available: bytes.len() });
        };
        let page_length = u16::from_be_bytes([*high, *low]);
        Ok(Self {
            qualifier: PeripheralQualifier(peripheral >> 5),
            device_type: DeviceType(peripheral & 0x1f),
            code: PageCode(*code),
            page_length,
            body: body.get(..usize::from(page_length)).unwrap_or(body),
        })
    }

    /// Whether all claimed bytes are present.
    #[must_use = "the answer is the only result"]
    pub fn is_complete(&self) -> bool {
        self.body.len() == usize::from(self.page_length)
    }

    /// The page codes of Supported VPD Pages (00h).
    pub fn page_codes(&self) -> impl ExactSizeIterator<Item = PageCode> + use<'a> {
        self.body.iter().map(|&code| PageCode(code))
    }

    /// PRODUCT SERIAL NUMBER of Unit Serial Number (80h), without the padding on either side.
    #[must_use = "the serial number is the only result"]
    pub fn serial_number(&self) -> &'a [u8] {
        let start = self.body.iter().position(|byte| *byte != b' ').unwrap_or(0);
        crate::ascii::trimmed(self.body.get(start..).unwrap_or_default())
    }
}

/// Writes a whole page for a connected disk: the header and `body`. Tells how many bytes.
///
/// # Errors
///
/// [`BufferTooSmall`] when `out` is shorter than that, or `body` longer than 65535 bytes.
pub fn emit(code: PageCode, body: &[u8], out: &mut [u8]) -> Result<usize, BufferTooSmall> {
    let Ok(page_length) = u16::try_from(body.len()) else {
        return Err(BufferTooSmall { needed: body.len(), available: u16::MAX.into() });
    };
    let [high, low] = page_length.to_be_bytes();
    let mut writer = Writer::new(out);
    writer.put(&[DeviceType::DISK.0, code.0, high, low]);
    writer.put(body);
    writer.finish()
}

#[cfg(test)]
mod tests;
