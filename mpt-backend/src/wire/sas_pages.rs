//! Configuration pages for SAS discovery: SAS IO unit, SAS phy, SAS device. Device-written.

use super::config::ConfigExtendedPageHeader;
use super::sas::{LinkRate, SasDeviceInfo};
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// SAS IO unit page 0 (`CONFIG_PAGE_SAS_IO_UNIT_0`), 16 bytes and then `num_phys` entries of
/// [`SasIoUnit0PhyData`].
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct SasIoUnitPage0 {
    /// 0x00.
    pub header: ConfigExtendedPageHeader,
    /// 0x08.
    pub nvdata_version_default: U16,
    /// 0x0a.
    pub nvdata_version_persistent: U16,
    /// 0x0c: entries that follow.
    pub num_phys: u8,
    /// 0x0d: zero.
    pub reserved2: u8,
    /// 0x0e: zero.
    pub reserved3: U16,
}

const _: () = assert!(size_of::<SasIoUnitPage0>() == 16);

flags! {
    /// `PortFlags` of [`SasIoUnit0PhyData`].
    #[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
    #[repr(transparent)]
    pub struct PortFlags(u8) {
        DISCOVERY_IN_PROGRESS = 0x08, "discovery in progress";
        TARGET_IOC_NUM_1 = 0x04, "target mode on IOC 1";
        AUTO_PORT_CONFIG = 0x01, "automatic port configuration";
    }
}

flags! {
    /// `PhyFlags` of [`SasIoUnit0PhyData`].
    #[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
    #[repr(transparent)]
    pub struct PhyFlags(u8) {
        PHY_DISABLED = 0x04, "phy disabled";
        TX_INVERT = 0x02, "transmitter inverted";
        RX_INVERT = 0x01, "receiver inverted";
    }
}

/// One phy of the controller (`MPI_SAS_IO_UNIT0_PHY_DATA`), 16 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct SasIoUnit0PhyData {
    /// 0x00: SAS port that the phy belongs to.
    pub port: u8,
    /// 0x01.
    pub port_flags: PortFlags,
    /// 0x02.
    pub phy_flags: PhyFlags,
    /// 0x03.
    pub negotiated_link_rate: LinkRate,
    /// 0x04: decode with [`SasDeviceInfo`].
    pub controller_phy_device_info: U32,
    /// 0x08: handle of the device at the other end; 0 when there is none.
    pub attached_device_handle: U16,
    /// 0x0a: handle of the controller on this phy.
    pub controller_dev_handle: U16,
    /// 0x0c: decode with [`DiscoveryStatus`](super::sas::DiscoveryStatus).
    pub discovery_status: U32,
}

const _: () = assert!(size_of::<SasIoUnit0PhyData>() == 16);

/// SAS phy page 0 (`CONFIG_PAGE_SAS_PHY_0`), 36 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct SasPhyPage0 {
    /// 0x00.
    pub header: ConfigExtendedPageHeader,
    /// 0x08: handle of the device that the phy belongs to.
    pub owner_dev_handle: U16,
    /// 0x0a: zero.
    pub reserved1: U16,
    /// 0x0c.
    pub sas_address: U64,
    /// 0x14: handle of the device at the other end; 0 when there is none.
    pub attached_dev_handle: U16,
    /// 0x16.
    pub attached_phy_identifier: u8,
    /// 0x17: zero.
    pub reserved2: u8,
    /// 0x18: decode with [`SasDeviceInfo`].
    pub attached_device_info: U32,
    /// 0x1c: highest rate in bits 7:4, lowest in bits 3:0.
    pub programmed_link_rate: u8,
    /// 0x1d: highest rate in bits 7:4, lowest in bits 3:0.
    pub hw_link_rate: u8,
    /// 0x1e: broadcast changes seen; wraps.
    pub change_count: u8,
    /// 0x1f.
    pub flags: u8,
    /// 0x20: routing in bits 7:4, [`LinkRate`] in bits 3:0.
    pub phy_info: U32,
}

const _: () = assert!(size_of::<SasPhyPage0>() == 36);

code! {
    /// `AccessStatus` of [`SasDevicePage0`]. Codes 0x10 to 0x1f tell why a SATA device failed to
    /// start.
    #[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
    #[repr(transparent)]
    pub struct AccessStatus(u8) as "access status" {
        NO_ERRORS = 0x00, "no errors";
        SATA_INIT_FAILED = 0x01, "SATA init failed";
        SATA_CAPABILITY_FAILED = 0x02, "SATA capability failed";
        SATA_AFFILIATION_CONFLICT = 0x03, "SATA affiliation conflict";
        SIF_UNKNOWN = 0x10, "SATA init failed: unknown";
        SIF_AFFILIATION_CONFLICT = 0x11, "SATA init failed: affiliation conflict";
        SIF_DIAG = 0x12, "SATA init failed: diagnostics";
        SIF_IDENTIFICATION = 0x13, "SATA init failed: identification";
        SIF_CHECK_POWER = 0x14, "SATA init failed: check power";
        SIF_PIO_SN = 0x15, "SATA init failed: PIO serial number";
        SIF_MDMA_SN = 0x16, "SATA init failed: MDMA serial number";
        SIF_UDMA_SN = 0x17, "SATA init failed: UDMA serial number";
        SIF_ZONING_VIOLATION = 0x18, "SATA init failed: zoning violation";
        SIF_NOT_ADDRESSABLE = 0x19, "SATA init failed: not addressable";
    }
}

flags! {
    /// `Flags` of [`SasDevicePage0`].
    pub struct SasDeviceFlags(u16) {
        SATA_ASYNCHRONOUS_NOTIFY = 0x0400, "SATA asynchronous notification";
        SATA_SW_PRESERVE = 0x0200, "SATA software settings preserved";
        UNSUPPORTED_DEVICE = 0x0100, "unsupported device";
        SATA_48BIT_LBA_SUPPORTED = 0x0080, "SATA 48-bit addresses";
        SATA_SMART_SUPPORTED = 0x0040, "SATA SMART";
        SATA_NCQ_SUPPORTED = 0x0020, "SATA NCQ";
        SATA_FUA_SUPPORTED = 0x0010, "SATA FUA";
        PORT_SELECTOR_ATTACH = 0x0008, "behind a port selector";
        MAPPING_PERSISTENT = 0x0004, "mapping persistent";
        DEVICE_MAPPED = 0x0002, "device mapped";
        DEVICE_PRESENT = 0x0001, "device present";
    }
}

/// SAS device page 0 (`CONFIG_PAGE_SAS_DEVICE_0`), 36 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct SasDevicePage0 {
    /// 0x00.
    pub header: ConfigExtendedPageHeader,
    /// 0x08: slot in the enclosure.
    pub slot: U16,
    /// 0x0a.
    pub enclosure_handle: U16,
    /// 0x0c.
    pub sas_address: U64,
    /// 0x14.
    pub parent_dev_handle: U16,
    /// 0x16: phy of the parent.
    pub phy_num: u8,
    /// 0x17.
    pub access_status: AccessStatus,
    /// 0x18.
    pub dev_handle: U16,
    /// 0x1a: valid with [`SasDeviceFlags::DEVICE_MAPPED`].
    pub target_id: u8,
    /// 0x1b: valid with [`SasDeviceFlags::DEVICE_MAPPED`].
    pub bus: u8,
    /// 0x1c: decode with [`SasDeviceInfo`].
    pub device_info: U32,
    /// 0x20: decode with [`SasDeviceFlags`].
    pub flags: U16,
    /// 0x22: SAS port of the controller.
    pub physical_port: u8,
    /// 0x23: zero.
    pub reserved2: u8,
}

const _: () = assert!(size_of::<SasDevicePage0>() == 36);

impl SasDevicePage0 {
    /// The decoded `DeviceInfo` field.
    #[must_use = "the value is only decoded, not kept"]
    pub const fn info(&self) -> SasDeviceInfo {
        SasDeviceInfo(self.device_info.get())
    }

    /// The decoded `Flags` field.
    #[must_use = "the value is only decoded, not kept"]
    pub const fn device_flags(&self) -> SasDeviceFlags {
        SasDeviceFlags(self.flags.get())
    }
}
