//! Logical unit numbers in their eight-byte form.

use core::fmt;

/// A logical unit number as it travels: eight bytes. Source: SAM-5 4.7.
///
/// Any eight bytes are kept as they are. [`number`](Self::number) understands the single-level
/// address methods; multi-level and well-known numbers are carried but not interpreted.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Lun(pub [u8; 8]);

/// How the first level of a LUN addresses the unit: bits 7:6 of byte 0. Source: SAM-5 4.7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressMethod {
    /// 00b: bus identifier and an 8-bit number.
    Peripheral,
    /// 01b: a 14-bit number.
    FlatSpace,
    /// 10b: bus, target and 5-bit LUN.
    LogicalUnit,
    /// 11b: extended forms, among them well-known units.
    Extended,
}

/// Byte 0 of the extended flat space format: method 11b, length 01b, extended method 2h.
const EXTENDED_FLAT: u8 = 0xd2;

impl Lun {
    /// LUN 0, which every target answers.
    pub const ZERO: Self = Self([0; 8]);

    /// The REPORT LUNS well-known logical unit. Source: SPC-5 8.
    pub const REPORT_LUNS: Self = Self([0xc1, 0x01, 0, 0, 0, 0, 0, 0]);

    /// The shortest single-level form of `number`.
    ///
    /// 0 to 255 use peripheral device addressing, 256 to 16383 flat space addressing and the
    /// rest the 24-bit extended flat space format.
    #[must_use = "the LUN is the only result"]
    pub const fn from_number(number: u16) -> Self {
        let [high, low] = number.to_be_bytes();
        match number {
            0..=0xff => Self([0, low, 0, 0, 0, 0, 0, 0]),
            0x100..=0x3fff => Self([0x40 | high, low, 0, 0, 0, 0, 0, 0]),
            _ => Self([EXTENDED_FLAT, 0, high, low, 0, 0, 0, 0]),
        }
    }

    /// The number of a single-level LUN on bus 0, or `None` for any other form.
    ///
    /// Peripheral and flat space forms of the same number are different LUNs on the wire but give
    /// the same number here; compare `Lun` values where identity matters.
    #[must_use = "the number is the only result"]
    pub const fn number(self) -> Option<u32> {
        let [first, b1, b2, b3, 0, 0, 0, 0] = self.0 else {
            return None;
        };
        match (self.method(), first, b2, b3) {
            (AddressMethod::Peripheral, 0, 0, 0) => Some(b1 as u32),
            (AddressMethod::FlatSpace, _, 0, 0) => {
                Some(u16::from_be_bytes([first & 0x3f, b1]) as u32)
            }
            (AddressMethod::Extended, EXTENDED_FLAT, _, _) => {
                Some(u32::from_be_bytes([0, b1, b2, b3]))
            }
            _ => None,
        }
    }

    /// The address method of the first level.
    #[must_use = "the method is the only result"]
    pub const fn method(self) -> AddressMethod {
        match self.0[0] >> 6 {
            0 => AddressMethod::Peripheral,
            1 => AddressMethod::FlatSpace,
            2 => AddressMethod::LogicalUnit,
            _ => AddressMethod::Extended,
        }
    }

    /// Whether this is a well-known logical unit (extended address method 1h).
    #[must_use = "the answer is the only result"]
    pub const fn is_well_known(self) -> bool {
        self.0[0] == 0xc1
    }

    /// The eight bytes as they travel.
    #[must_use = "the bytes are the only result"]
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

/// The number in decimal where there is one, else the eight bytes in hexadecimal.
impl fmt::Display for Lun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number() {
            Some(number) => number.fmt(f),
            None => write!(f, "{:016X}h", u64::from_be_bytes(self.0)),
        }
    }
}

impl fmt::Debug for Lun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lun({:016X}h)", u64::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_survives() {
        for number in 0..=u16::MAX {
            assert_eq!(Lun::from_number(number).number(), Some(u32::from(number)));
        }
    }

    #[test]
    fn known_forms() {
        assert_eq!(Lun::from_number(7).0, [0, 7, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Lun::from_number(256).0, [0x41, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Lun::from_number(0x4000).0, [0xd2, 0, 0x40, 0, 0, 0, 0, 0]);
        assert_eq!(Lun::from_number(300).to_string(), "300");
        assert_eq!(format!("{:?}", Lun::from_number(300)), "Lun(412C000000000000h)");
    }

    #[test]
    fn logical_unit_addressing() {
        // Method 10b: target 5 on bus 1, logical unit 3.
        let lun = Lun([0x85, 0x23, 0, 0, 0, 0, 0, 0]);
        assert_eq!((lun.method(), lun.number()), (AddressMethod::LogicalUnit, None));
        assert_eq!(lun.to_string(), "8523000000000000h");
    }

    #[test]
    fn multi_level_and_well_known_have_no_number() {
        assert_eq!(Lun([0, 1, 0, 1, 0, 0, 0, 0]).number(), None);
        assert_eq!(Lun([1, 1, 0, 0, 0, 0, 0, 0]).number(), None);
        assert_eq!(Lun([0, 1, 0, 0, 0, 1, 0, 0]).number(), None);
        assert_eq!(Lun::REPORT_LUNS.number(), None);
        assert!(Lun::REPORT_LUNS.is_well_known());
        assert_eq!(Lun::REPORT_LUNS.to_string(), "C101000000000000h");
    }
}
