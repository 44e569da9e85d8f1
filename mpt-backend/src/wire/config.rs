//! Config request and reply, page headers, page types and page addresses.
//!
//! A page is read in two rounds: [`ConfigAction::PAGE_HEADER`] returns version and length, then a
//! second action moves the page. Extended pages use [`PageType::EXTENDED`] with an [`ExtPageType`]
//! and carry their length in [`ConfigExtendedPageHeader`].

use super::message::{Function, ReplyMsgFlags};
use super::sge::SgeSimple64;
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

code! {
    /// `Action` of a config request.
    #[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
    #[repr(transparent)]
    pub struct ConfigAction(u8) as "config action" {
        PAGE_HEADER = 0x00, "page header";
        PAGE_READ_CURRENT = 0x01, "read current";
        PAGE_WRITE_CURRENT = 0x02, "write current";
        PAGE_DEFAULT = 0x03, "set defaults";
        PAGE_WRITE_NVRAM = 0x04, "write NVRAM";
        PAGE_READ_DEFAULT = 0x05, "read default";
        PAGE_READ_NVRAM = 0x06, "read NVRAM";
    }
}

code! {
    /// Page type, bits 3:0 of the `PageType` field. Bits 7:4 are the [`PageAttribute`].
    pub struct PageType(u8) as "page type" {
        IO_UNIT = 0x00, "IO unit";
        IOC = 0x01, "IOC";
        BIOS = 0x02, "BIOS";
        SCSI_PORT = 0x03, "SCSI port";
        SCSI_DEVICE = 0x04, "SCSI device";
        FC_PORT = 0x05, "FC port";
        FC_DEVICE = 0x06, "FC device";
        LAN = 0x07, "LAN";
        RAID_VOLUME = 0x08, "RAID volume";
        MANUFACTURING = 0x09, "manufacturing";
        RAID_PHYSDISK = 0x0a, "RAID physical disk";
        INBAND = 0x0b, "inband";
        EXTENDED = 0x0f, "extended";
    }
}

code! {
    /// Page attribute, bits 7:4 of the `PageType` field.
    pub struct PageAttribute(u8) as "page attribute" {
        READ_ONLY = 0x00, "read only";
        CHANGEABLE = 0x10, "changeable";
        PERSISTENT = 0x20, "persistent";
        RO_PERSISTENT = 0x30, "read only, persistent";
    }
}

code! {
    /// `ExtPageType` of an extended page.
    #[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
    #[repr(transparent)]
    pub struct ExtPageType(u8) as "extended page type" {
        SAS_IO_UNIT = 0x10, "SAS IO unit";
        SAS_EXPANDER = 0x11, "SAS expander";
        SAS_DEVICE = 0x12, "SAS device";
        SAS_PHY = 0x13, "SAS phy";
        LOG = 0x14, "log";
        ENCLOSURE = 0x15, "enclosure";
    }
}

/// Header of a page (`CONFIG_PAGE_HEADER`), 4 bytes.
///
/// Host-written in a request, device-written in a reply and in a page.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ConfigPageHeader {
    /// 0x00.
    pub page_version: u8,
    /// 0x01: length of the page in 32-bit words, header included; 0 for an extended page.
    pub page_length: u8,
    /// 0x02.
    pub page_number: u8,
    /// 0x03: type and attribute; see [`ConfigPageHeader::kind`] and
    /// [`ConfigPageHeader::attribute`].
    pub page_type: u8,
}

const _: () = assert!(size_of::<ConfigPageHeader>() == 4);

impl ConfigPageHeader {
    /// A header that asks for the header of a page.
    #[must_use = "the header has no effect until it is stored in a request"]
    pub const fn ask(kind: PageType, page_number: u8) -> Self {
        Self { page_version: 0, page_length: 0, page_number, page_type: kind.0 }
    }

    /// The page type without the attribute.
    #[must_use = "the value is only decoded, not kept"]
    pub const fn kind(&self) -> PageType {
        PageType(self.page_type & 0x0f)
    }

    /// The page attribute.
    #[must_use = "the value is only decoded, not kept"]
    pub const fn attribute(&self) -> PageAttribute {
        PageAttribute(self.page_type & 0xf0)
    }
}

/// Header of an extended page (`CONFIG_EXTENDED_PAGE_HEADER`), 8 bytes. Device-written.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ConfigExtendedPageHeader {
    /// 0x00.
    pub page_version: u8,
    /// 0x01: zero.
    pub reserved1: u8,
    /// 0x02.
    pub page_number: u8,
    /// 0x03: [`PageType::EXTENDED`] and attribute.
    pub page_type: u8,
    /// 0x04: length of the page in 32-bit words, header included.
    pub ext_page_length: U16,
    /// 0x06.
    pub ext_page_type: ExtPageType,
    /// 0x07: zero.
    pub reserved2: u8,
}

const _: () = assert!(size_of::<ConfigExtendedPageHeader>() == 8);

/// Config request (`MSG_CONFIG`), 40 bytes. Host-written.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ConfigRequest {
    /// 0x00.
    pub action: ConfigAction,
    /// 0x01: zero.
    pub reserved: u8,
    /// 0x02: 0.
    pub chain_offset: u8,
    /// 0x03: [`Function::CONFIG`].
    pub function: Function,
    /// 0x04: length of an extended page in 32-bit words; 0 for the header action.
    pub ext_page_length: U16,
    /// 0x06: 0 unless the page is extended.
    pub ext_page_type: ExtPageType,
    /// 0x07: 0.
    pub msg_flags: u8,
    /// 0x08: returned in the reply.
    pub msg_context: U32,
    /// 0x0c: zero.
    pub reserved2: [u8; 8],
    /// 0x14.
    pub header: ConfigPageHeader,
    /// 0x18: a [`PageAddress`].
    pub page_address: U32,
    /// 0x1c: one simple element that describes the page buffer.
    pub page_buffer_sge: SgeSimple64,
}

const _: () = assert!(size_of::<ConfigRequest>() == 40);

/// Config reply (`MSG_CONFIG_REPLY`), 24 bytes. Device-written.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ConfigReply {
    /// 0x00.
    pub action: ConfigAction,
    /// 0x01: zero.
    pub reserved: u8,
    /// 0x02: length of the reply in 32-bit words.
    pub msg_length: u8,
    /// 0x03.
    pub function: Function,
    /// 0x04: length of an extended page in 32-bit words.
    pub ext_page_length: U16,
    /// 0x06.
    pub ext_page_type: ExtPageType,
    /// 0x07.
    pub msg_flags: ReplyMsgFlags,
    /// 0x08.
    pub msg_context: U32,
    /// 0x0c: zero.
    pub reserved2: [u8; 2],
    /// 0x0e.
    pub ioc_status: U16,
    /// 0x10.
    pub ioc_log_info: U32,
    /// 0x14: version and length of the page.
    pub header: ConfigPageHeader,
}

const _: () = assert!(size_of::<ConfigReply>() == 24);

/// `PageAddress` of a config request: which instance of a page is meant.
///
/// Bits 31:28 are the form for the SAS pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageAddress(pub u32);

impl PageAddress {
    /// For pages with one instance.
    pub const NONE: Self = Self(0);
    /// Handle that starts an iteration with [`sas_device_after`](Self::sas_device_after).
    pub const FIRST_HANDLE: u16 = 0xffff;

    /// SAS device: the first device whose handle is greater than `dev_handle` (get next handle,
    /// form 0).
    ///
    /// The end is IOCStatus
    /// [`CONFIG_INVALID_PAGE`](super::message::IocStatus::CONFIG_INVALID_PAGE).
    #[must_use = "the address has no effect until it is stored in a request"]
    pub const fn sas_device_after(dev_handle: u16) -> Self {
        Self(dev_handle as u32)
    }

    /// SAS device by bus and target id (form 1).
    #[must_use = "the address has no effect until it is stored in a request"]
    pub const fn sas_device_bus_target(bus: u8, target_id: u8) -> Self {
        Self(1 << 28 | (bus as u32) << 8 | target_id as u32)
    }

    /// SAS device by handle (form 2).
    #[must_use = "the address has no effect until it is stored in a request"]
    pub const fn sas_device_handle(dev_handle: u16) -> Self {
        Self(2 << 28 | dev_handle as u32)
    }

    /// SAS phy by phy number (form 0).
    #[must_use = "the address has no effect until it is stored in a request"]
    pub const fn sas_phy(phy_number: u8) -> Self {
        Self(phy_number as u32)
    }

    /// SAS phy by index into the phy table (form 1).
    #[must_use = "the address has no effect until it is stored in a request"]
    pub const fn sas_phy_table_index(index: u16) -> Self {
        Self(1 << 28 | index as u32)
    }

    /// RAID volume by bus and target id.
    #[must_use = "the address has no effect until it is stored in a request"]
    pub const fn raid_volume(bus: u8, target_id: u8) -> Self {
        Self((bus as u32) << 8 | target_id as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_type_and_attribute_are_apart() {
        let mut header = ConfigPageHeader::ask(PageType::EXTENDED, 0);
        header.page_type = 0x2f;
        assert_eq!(header.kind(), PageType::EXTENDED);
        assert_eq!(header.attribute(), PageAttribute::PERSISTENT);
    }

    #[test]
    fn address_forms() {
        assert_eq!(PageAddress::sas_device_after(PageAddress::FIRST_HANDLE).0, 0x0000_ffff);
        assert_eq!(PageAddress::sas_device_bus_target(1, 7).0, 0x1000_0107);
        assert_eq!(PageAddress::sas_device_handle(9).0, 0x2000_0009);
        assert_eq!(PageAddress::sas_phy(3).0, 3);
        assert_eq!(PageAddress::sas_phy_table_index(3).0, 0x1000_0003);
        assert_eq!(PageAddress::raid_volume(2, 5).0, 0x0205);
    }
}
