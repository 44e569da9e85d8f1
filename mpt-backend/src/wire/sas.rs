//! Values that SAS pages and SAS events share.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

flags! {
    /// `DeviceInfo` of SAS pages and events. Bits 2:0 are the [`SasDeviceType`].
    pub struct SasDeviceInfo(u32) {
        ATAPI_DEVICE = 0x2000, "ATAPI device";
        LSI_DEVICE = 0x1000, "LSI device";
        DIRECT_ATTACH = 0x0800, "direct attach";
        SSP_TARGET = 0x0400, "SSP target";
        STP_TARGET = 0x0200, "STP target";
        SMP_TARGET = 0x0100, "SMP target";
        SATA_DEVICE = 0x0080, "SATA device";
        SSP_INITIATOR = 0x0040, "SSP initiator";
        STP_INITIATOR = 0x0020, "STP initiator";
        SMP_INITIATOR = 0x0010, "SMP initiator";
        SATA_HOST = 0x0008, "SATA host";
    }
}

impl SasDeviceInfo {
    /// The device type, bits 2:0.
    #[must_use = "the value is only decoded, not kept"]
    pub const fn device_type(self) -> SasDeviceType {
        SasDeviceType((self.0 & 0x7) as u8)
    }
}

code! {
    /// Type of a SAS device, bits 2:0 of [`SasDeviceInfo`].
    pub struct SasDeviceType(u8) as "SAS device type" {
        NO_DEVICE = 0x0, "no device";
        END_DEVICE = 0x1, "end device";
        EDGE_EXPANDER = 0x2, "edge expander";
        FANOUT_EXPANDER = 0x3, "fanout expander";
    }
}

code! {
    /// Negotiated link rate of a SAS phy.
    #[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
    #[repr(transparent)]
    pub struct LinkRate(u8) as "link rate" {
        UNKNOWN = 0x00, "unknown";
        PHY_DISABLED = 0x01, "phy disabled";
        FAILED_SPEED_NEGOTIATION = 0x02, "speed negotiation failed";
        SATA_OOB_COMPLETE = 0x03, "SATA OOB complete";
        GBPS_1_5 = 0x08, "1.5 Gb/s";
        GBPS_3_0 = 0x09, "3.0 Gb/s";
        GBPS_6_0 = 0x0a, "6.0 Gb/s";
    }
}

flags! {
    /// Errors of a discovery: `DiscoveryStatus` of SAS IO unit page 0 and of the expander event.
    pub struct DiscoveryStatus(u32) {
        LOOP_DETECTED = 0x0001, "loop detected";
        UNADDRESSABLE_DEVICE = 0x0002, "unaddressable device";
        MULTIPLE_PORTS = 0x0004, "multiple ports";
        EXPANDER_ERR = 0x0008, "expander error";
        SMP_TIMEOUT = 0x0010, "SMP timeout";
        OUT_ROUTE_ENTRIES = 0x0020, "out of route entries";
        INDEX_NOT_EXIST = 0x0040, "route index does not exist";
        SMP_FUNCTION_FAILED = 0x0080, "SMP function failed";
        SMP_CRC_ERROR = 0x0100, "SMP CRC error";
        SUBTRACTIVE_LINK = 0x0200, "subtractive link";
        TABLE_LINK = 0x0400, "table link";
        UNSUPPORTED_DEVICE = 0x0800, "unsupported device";
        MAX_SATA_TARGETS = 0x1000, "too many SATA targets";
        MULTI_PORT_DOMAIN = 0x2000, "multi-port domain";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_type_is_not_part_of_the_flags() {
        let info = SasDeviceInfo(0x0401);
        assert_eq!(info.device_type(), SasDeviceType::END_DEVICE);
        assert!(info.contains(SasDeviceInfo::SSP_TARGET));
        assert!(!info.contains(SasDeviceInfo::SATA_DEVICE));
    }
}
