//! Standard INQUIRY data. Source: SPC-5 6.

use zerocopy::byteorder::big_endian::U16;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::ascii::Ascii;
use crate::macros::open_code;
use crate::wire::{self, BufferTooSmall, Truncated};

open_code! {
    /// PERIPHERAL QUALIFIER, three bits. Source: SPC-5 6, standard INQUIRY data.
    pub struct PeripheralQualifier(u8) {
        CONNECTED = 0, "connected";
        NOT_CONNECTED = 1, "not connected";
        NOT_SUPPORTED = 3, "no logical unit supported";
    }
}

open_code! {
    /// PERIPHERAL DEVICE TYPE, five bits. Source: SPC-5 6, standard INQUIRY data.
    pub struct DeviceType(u8) {
        DISK = 0x00, "direct access block device";
        TAPE = 0x01, "sequential access device";
        PROCESSOR = 0x03, "processor device";
        CD_DVD = 0x05, "CD/DVD device";
        OPTICAL = 0x07, "optical memory device";
        MEDIA_CHANGER = 0x08, "media changer";
        STORAGE_ARRAY = 0x0c, "storage array controller";
        ENCLOSURE = 0x0d, "enclosure services device";
        REDUCED_BLOCK = 0x0e, "simplified direct access device";
        OBJECT_STORAGE = 0x11, "object based storage device";
        AUTOMATION = 0x12, "automation/drive interface";
        HOST_MANAGED_ZONED = 0x14, "host managed zoned block device";
        WELL_KNOWN = 0x1e, "well known logical unit";
        UNKNOWN = 0x1f, "unknown or no device type";
    }
}

open_code! {
    /// VERSION: the SPC level that the device claims. Source: SPC-5 6, standard INQUIRY data.
    pub struct Version(u8) {
        NONE = 0x00, "none";
        SCSI_1 = 0x01, "SCSI-1";
        SCSI_2 = 0x02, "SCSI-2";
        SPC = 0x03, "SPC";
        SPC_2 = 0x04, "SPC-2";
        SPC_3 = 0x05, "SPC-3";
        SPC_4 = 0x06, "SPC-4";
        SPC_5 = 0x07, "SPC-5";
    }
}

open_code! {
    /// A VERSION DESCRIPTOR, without a claim to a revision. Source: SPC-5 6, standard INQUIRY data.
    pub struct VersionDescriptor(u16) {
        NONE = 0x0000, "none";
        SAM_3 = 0x0060, "SAM-3";
        SAM_4 = 0x0080, "SAM-4";
        SAM_5 = 0x00a0, "SAM-5";
        SPC_3 = 0x0300, "SPC-3";
        SBC_2 = 0x0320, "SBC-2";
        SPC_4 = 0x0460, "SPC-4";
        SBC_3 = 0x04c0, "SBC-3";
        SPC_5 = 0x05c0, "SPC-5";
        SBC_4 = 0x0600, "SBC-4";
        SAS_2 = 0x0c20, "SAS-2";
        SAS_3 = 0x0c60, "SAS-3";
    }
}

/// Standard INQUIRY data. Obsolete and vendor specific fields are not carried. Source: SPC-5 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StandardInquiry {
    /// PERIPHERAL QUALIFIER.
    pub qualifier: PeripheralQualifier,
    /// PERIPHERAL DEVICE TYPE.
    pub device_type: DeviceType,
    /// RMB: the medium is removable.
    pub removable: bool,
    /// LU_CONG: the unit is part of a logical unit conglomerate.
    pub lu_cong: bool,
    /// HOT_PLUGGABLE, two bits: 0 not told, 1 it is not, 2 it is.
    pub hot_pluggable: u8,
    /// VERSION.
    pub version: Version,
    /// NORMACA: NACA in the CONTROL byte is supported.
    pub normaca: bool,
    /// HISUP: REPORT LUNS uses the hierarchical addressing model.
    pub hisup: bool,
    /// RESPONSE DATA FORMAT, four bits; 2 for everything since SCSI-2.
    pub response_data_format: u8,
    /// ADDITIONAL LENGTH: bytes after byte 4, as the device claims them.
    pub additional_length: u8,
    /// SCCS: an embedded storage array controller.
    pub sccs: bool,
    /// ACC: an access controls coordinator; obsolete.
    pub acc: bool,
    /// TPGS, two bits: asymmetric access, bit 0 implicit, bit 1 explicit.
    pub tpgs: u8,
    /// 3PC: third-party copy commands.
    pub third_party_copy: bool,
    /// PROTECT: protection information.
    pub protect: bool,
    /// ENCSERV: an embedded enclosure services component.
    pub enclosure_services: bool,
    /// MULTIP: more than one target port.
    pub multi_port: bool,
    /// CMDQUE: the full task management model.
    pub command_queuing: bool,
    /// T10 VENDOR IDENTIFICATION.
    pub vendor: Ascii<8>,
    /// PRODUCT IDENTIFICATION.
    pub product: Ascii<16>,
    /// PRODUCT REVISION LEVEL.
    pub revision: Ascii<4>,
    /// VERSION DESCRIPTOR 1 to 8.
    pub version_descriptors: [VersionDescriptor; 8],
}

#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Wire {
    /// PERIPHERAL QUALIFIER (bits 7:5) and PERIPHERAL DEVICE TYPE.
    peripheral: u8,
    removable: u8,
    version: u8,
    format: u8,
    additional_length: u8,
    flags: [u8; 3],
    vendor: [u8; 8],
    product: [u8; 16],
    revision: [u8; 4],
    vendor_specific: [u8; 20],
    clocking: u8,
    reserved_57: u8,
    version_descriptors: [U16; 8],
    reserved_74: [u8; 22],
}

const _: () = assert!(size_of::<Wire>() == StandardInquiry::LEN);

impl StandardInquiry {
    /// Length of the data up to the last field that SPC-5 defines, in bytes.
    pub const LEN: usize = 96;

    /// A connected disk with command queuing, SPC-4 and SBC-3, and blank identification.
    #[must_use = "the data is the only result"]
    pub fn disk() -> Self {
        let mut version_descriptors = [VersionDescriptor::NONE; 8];
        version_descriptors[..3].copy_from_slice(&[
            VersionDescriptor::SAM_5,
            VersionDescriptor::SPC_4,
            VersionDescriptor::SBC_3,
        ]);
        Self {
            version: Version::SPC_4,
            response_data_format: 2,
            additional_length: (Self::LEN - 5) as u8,
            command_queuing: true,
            vendor: Ascii::default(),
            product: Ascii::default(),
            revision: Ascii::default(),
            version_descriptors,
            ..Self::from_wire(&Wire::new_zeroed())
        }
    }

    /// Reads standard INQUIRY data that may end early; what is missing reads as zero.
    ///
    /// Bytes beyond the ADDITIONAL LENGTH do not count.
    ///
    /// # Errors
    ///
    /// [`Truncated`] when ADDITIONAL LENGTH (byte 4) is missing.
    pub fn parse(bytes: &[u8]) -> Result<Self, Truncated> {
        wire::require(bytes, 5)?;
        let end = bytes.get(4).map_or(5, |&additional| 5 + usize::from(additional));
        Ok(Self::from_wire(&wire::read_padded(bytes.get(..end).unwrap_or(bytes))))
    }

    /// Writes 5 + `additional_length` bytes, zeros beyond byte 95, and tells how many.
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`] when `out` is shorter than that.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, BufferTooSmall> {
        wire::write_sized(&self.to_wire(), 5 + usize::from(self.additional_length), out)
    }

    /// Whether a device of this kind answers at the addressed LUN.
    #[must_use = "the answer is the only result"]
    pub fn is_connected(&self) -> bool {
        self.qualifier == PeripheralQualifier::CONNECTED && self.device_type != DeviceType::UNKNOWN
    }

    fn from_wire(wire: &Wire) -> Self {
        let [flags5, flags6, flags7] = wire.flags;
        Self {
            qualifier: PeripheralQualifier(wire.peripheral >> 5),
            device_type: DeviceType(wire.peripheral & 0x1f),
            removable: wire.removable & 0x80 != 0,
            lu_cong: wire.removable & 0x40 != 0,
            hot_pluggable: wire.removable >> 4 & 3,
            version: Version(wire.version),
            normaca: wire.format & 0x20 != 0,
            hisup: wire.format & 0x10 != 0,
            response_data_format: wire.format & 0x0f,
            additional_length: wire.additional_length,
            sccs: flags5 & 0x80 != 0,
            acc: flags5 & 0x40 != 0,
            tpgs: flags5 >> 4 & 3,
            third_party_copy: flags5 & 0x08 != 0,
            protect: flags5 & 0x01 != 0,
            enclosure_services: flags6 & 0x40 != 0,
            multi_port: flags6 & 0x10 != 0,
            command_queuing: flags7 & 0x02 != 0,
            vendor: Ascii(wire.vendor),
            product: Ascii(wire.product),
            revision: Ascii(wire.revision),
            version_descriptors: wire.version_descriptors.map(|code| VersionDescriptor(code.get())),
        }
    }

    fn to_wire(self) -> Wire {
        let bit = |flag: bool, bit: u8| u8::from(flag) << bit;
        Wire {
            peripheral: self.qualifier.0 << 5 | self.device_type.0 & 0x1f,
            removable: bit(self.removable, 7)
                | bit(self.lu_cong, 6)
                | (self.hot_pluggable & 3) << 4,
            version: self.version.0,
            format: bit(self.normaca, 5) | bit(self.hisup, 4) | self.response_data_format & 0x0f,
            additional_length: self.additional_length,
            flags: [
                bit(self.sccs, 7)
                    | bit(self.acc, 6)
                    | (self.tpgs & 3) << 4
                    | bit(self.third_party_copy, 3)
                    | bit(self.protect, 0),
                bit(self.enclosure_services, 6) | bit(self.multi_port, 4),
                bit(self.command_queuing, 1),
            ],
            vendor: self.vendor.0,
            product: self.product.0,
            revision: self.revision.0,
            version_descriptors: self.version_descriptors.map(|code| code.0.into()),
            ..Wire::new_zeroed()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn disk_known_answer() {
        let disk = StandardInquiry {
            vendor: Ascii::new("QEMU"),
            product: Ascii::new("QEMU HARDDISK"),
            revision: Ascii::new("2.5+"),
            additional_length: 31,
            ..StandardInquiry::disk()
        };
        let mut out = [0; 36];
        assert_eq!(disk.emit(&mut out), Ok(36));
        assert_eq!(&out, b"\0\0\x06\x02\x1f\0\0\x02QEMU    QEMU HARDDISK   2.5+");
        let parsed = StandardInquiry::parse(&out).unwrap();
        assert!(parsed.is_connected());
        assert_eq!(parsed.product.to_string(), "QEMU HARDDISK");
    }

    #[test]
    fn missing_lun_and_short_data() {
        let absent = StandardInquiry::parse(&[0x7f, 0, 6, 2, 31]).unwrap();
        assert_eq!(absent.qualifier, PeripheralQualifier::NOT_SUPPORTED);
        assert!(!absent.is_connected());
        let truncated = Truncated { needed: 5, available: 4 };
        assert_eq!(StandardInquiry::parse(&[0; 4]), Err(truncated));
    }

    proptest! {
        #[test]
        fn parse_emit_parse(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(parsed) = StandardInquiry::parse(&bytes) {
                let mut out = [0xff; 260];
                let len = parsed.emit(&mut out).unwrap();
                prop_assert_eq!(StandardInquiry::parse(&out[..len]), Ok(parsed));
            }
        }
    }
}
