//! Mode parameters: what MODE SENSE returns and MODE SELECT sends. Source: SPC-5 7.5.
//!
//! [`ModeParameters`] walks received data; [`ModeBuilder`] puts data together. The pages of
//! disks have types of their own, such as [`CachingPage`] and [`ControlPage`].

mod builder;
mod caching;
mod control;
mod descriptor;
mod geometry;
mod recovery;
mod transport;

use crate::wire::Truncated;

pub use builder::ModeBuilder;
pub use caching::{CachingPage, SyncProgress};
pub use control::ControlPage;
pub use descriptor::{BlockDescriptor, BlockDescriptors};
pub use geometry::{FormatDevicePage, RigidDiskGeometryPage};
pub use recovery::{ErrorRecoveryPage, InformationalExceptionsPage};
pub use transport::{
    DisconnectReconnectPage, PowerConditionPage, ProtocolSpecificPortPage, ProtocolSpecificUnitPage,
};

/// Page codes of MODE SENSE and MODE SELECT.
pub mod page_code {
    /// Read-Write Error Recovery.
    pub const READ_WRITE_ERROR_RECOVERY: u8 = 0x01;
    /// Disconnect-Reconnect.
    pub const DISCONNECT_RECONNECT: u8 = 0x02;
    /// Format Device.
    pub const FORMAT_DEVICE: u8 = 0x03;
    /// Rigid Disk Geometry.
    pub const RIGID_DISK_GEOMETRY: u8 = 0x04;
    /// Caching.
    pub const CACHING: u8 = 0x08;
    /// Control.
    pub const CONTROL: u8 = 0x0a;
    /// Protocol Specific Logical Unit.
    pub const PROTOCOL_SPECIFIC_LOGICAL_UNIT: u8 = 0x18;
    /// Protocol Specific Port.
    pub const PROTOCOL_SPECIFIC_PORT: u8 = 0x19;
    /// Power Condition.
    pub const POWER_CONDITION: u8 = 0x1a;
    /// Informational Exceptions Control.
    pub const INFORMATIONAL_EXCEPTIONS: u8 = 0x1c;
    /// All pages, in MODE SENSE.
    pub const ALL: u8 = 0x3f;
}

/// Which command the data belongs to; the two differ in their header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModeForm {
    /// MODE SENSE(6) and MODE SELECT(6): a header of 4 bytes.
    Six,
    /// MODE SENSE(10) and MODE SELECT(10): a header of 8 bytes.
    Ten,
}

impl ModeForm {
    /// Length of the header in bytes.
    #[must_use = "the length is the only result"]
    pub const fn header_len(self) -> usize {
        match self {
            Self::Six => 4,
            Self::Ten => 8,
        }
    }
}

/// The mode parameter header, less its length fields. Source: SPC-5 7.5, SBC-4 6.5.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModeHeader {
    /// MEDIUM TYPE; 0 for disks.
    pub medium_type: u8,
    /// DEVICE-SPECIFIC PARAMETER.
    pub device_specific: u8,
    /// LONGLBA: the block descriptors have 16 bytes. Never set in the 6-byte form.
    pub long_lba: bool,
}

impl ModeHeader {
    const WP: u8 = 0x80;
    const DPOFUA: u8 = 0x10;

    /// The header of a disk.
    #[must_use = "the header is the only result"]
    pub const fn disk(write_protected: bool, dpofua: bool) -> Self {
        let device_specific =
            if write_protected { Self::WP } else { 0 } | if dpofua { Self::DPOFUA } else { 0 };
        Self { medium_type: 0, device_specific, long_lba: false }
    }

    /// WP: the medium is write protected. Reserved in MODE SELECT.
    #[must_use = "the bit is the only result"]
    pub const fn write_protected(&self) -> bool {
        self.device_specific & Self::WP != 0
    }

    /// DPOFUA: the disk takes the DPO and FUA bits. Without it FUA promises nothing.
    #[must_use = "the bit is the only result"]
    pub const fn dpofua(&self) -> bool {
        self.device_specific & Self::DPOFUA != 0
    }
}

/// Mode parameter data, laid over received bytes. Source: SPC-5 7.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModeParameters<'a> {
    /// The header.
    pub header: ModeHeader,
    /// The length that MODE DATA LENGTH claims for the whole data, in bytes; for MODE SELECT,
    /// where that field is reserved, the number of bytes received.
    pub claimed_len: usize,
    block_descriptors: &'a [u8],
    pages: &'a [u8],
}

impl<'a> ModeParameters<'a> {
    /// Reads what MODE SENSE returned. Only bytes that are both claimed and present count.
    ///
    /// # Errors
    ///
    /// [`Truncated`] when the header is incomplete.
    pub fn parse_sense(bytes: &'a [u8], form: ModeForm) -> Result<Self, Truncated> {
        let claimed_len = match (form, bytes) {
            (ModeForm::Six, [length, ..]) => 1 + usize::from(*length),
            (ModeForm::Ten, [high, low, ..]) => 2 + usize::from(u16::from_be_bytes([*high, *low])),
            _ => 0,
        };
        // The header is read even where the device claims less than one.
        let end = claimed_len.max(form.header_len());
        let data = bytes.get(..end).unwrap_or(bytes);
        Ok(Self { claimed_len, ..Self::parse_select(data, form)? })
    }

    /// Reads a MODE SELECT parameter list, which fills `bytes` and claims no length.
    ///
    /// # Errors
    ///
    /// [`Truncated`] when the header is incomplete.
    pub fn parse_select(bytes: &'a [u8], form: ModeForm) -> Result<Self, Truncated> {
        let truncated = Truncated { needed: form.header_len(), available: bytes.len() };
        let (header, descriptors_len, rest) = match form {
            ModeForm::Six => {
                let (header, rest) = bytes.split_first_chunk().ok_or(truncated)?;
                let [_, medium_type, device_specific, length] = *header;
                let header = ModeHeader { medium_type, device_specific, long_lba: false };
                (header, u16::from(length), rest)
            }
            ModeForm::Ten => {
                let (header, rest) = bytes.split_first_chunk().ok_or(truncated)?;
                let [_, _, medium_type, device_specific, flags, _, high, low] = *header;
                let long_lba = flags & 1 != 0;
                let header = ModeHeader { medium_type, device_specific, long_lba };
                (header, u16::from_be_bytes([high, low]), rest)
            }
        };
        let middle = usize::from(descriptors_len).min(rest.len());
        let (block_descriptors, pages) = rest.split_at(middle);
        Ok(Self { header, claimed_len: bytes.len(), block_descriptors, pages })
    }

    /// The block descriptors, short or long as the header says.
    #[must_use = "an iterator does nothing until it is walked"]
    pub const fn block_descriptors(&self) -> BlockDescriptors<'a> {
        BlockDescriptors::new(self.block_descriptors, self.header.long_lba)
    }

    /// The pages in the order of the device.
    #[must_use = "an iterator does nothing until it is walked"]
    pub const fn pages(&self) -> ModePages<'a> {
        ModePages { rest: self.pages }
    }

    /// The first page with this code and subpage code, complete or not.
    #[must_use = "the page is the only result"]
    pub fn page(&self, code: u8, subpage: u8) -> Option<ModePage<'a>> {
        self.pages().find(|page| page.code == code && page.subpage == subpage)
    }
}

/// One mode page. Source: SPC-5 7.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModePage<'a> {
    /// PS: the device can save the page. Reserved in MODE SELECT.
    pub ps: bool,
    /// PAGE CODE, six bits.
    pub code: u8,
    /// SUBPAGE CODE; 0 for pages in page_0 format.
    pub subpage: u8,
    /// The whole page, header included.
    pub bytes: &'a [u8],
    /// PAGE LENGTH claims more bytes than there are.
    pub truncated: bool,
}

/// The pages of mode parameter data. Ends with the data, always. Source: SPC-5 7.5.
#[derive(Clone, Debug)]
pub struct ModePages<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for ModePages<'a> {
    type Item = ModePage<'a>;

    fn next(&mut self) -> Option<ModePage<'a>> {
        // A step takes the header at least, so that a zero length cannot stop the walk.
        let (flags, subpage, len) = match *self.rest {
            [flags, subpage, high, low, ..] if flags & 0x40 != 0 => {
                (flags, subpage, 4 + usize::from(u16::from_be_bytes([high, low])))
            }
            [flags, len, ..] if flags & 0x40 == 0 => (flags, 0, 2 + usize::from(len)),
            _ => return None,
        };
        let truncated = len > self.rest.len();
        let (bytes, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, &[]));
        self.rest = rest;
        Some(ModePage { ps: flags & 0x80 != 0, code: flags & 0x3f, subpage, bytes, truncated })
    }
}

#[cfg(test)]
mod tests;
