//! The SENSE KEY SPECIFIC field, whose meaning depends on the sense key.

/// SENSE KEY SPECIFIC: three bytes without the SKSV bit. Source: SPC-5 4.4.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenseKeySpecific([u8; 3]);

/// Where the field at fault starts. Source: SPC-5 4.4.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldPointer {
    /// C/D: the field is in the CDB, not in the parameter list.
    pub in_cdb: bool,
    /// BIT POINTER: the leftmost bit at fault (0 to 7), where BPV is set.
    pub bit: Option<u8>,
    /// FIELD POINTER: the first byte at fault.
    pub byte: u16,
}

/// Where the field at fault of a copy starts. Source: SPC-5 4.4.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentPointer {
    /// SD: the pointer counts from the start of the segment descriptor, not of the parameter list.
    pub in_segment_descriptor: bool,
    /// BIT POINTER: the leftmost bit at fault (0 to 7), where BPV is set.
    pub bit: Option<u8>,
    /// FIELD POINTER: the first byte at fault.
    pub byte: u16,
}

const SKSV: u8 = 0x80;

impl SenseKeySpecific {
    /// Takes the field from the wire, or `None` where SKSV is clear.
    pub(super) const fn from_wire([first, second, third]: [u8; 3]) -> Option<Self> {
        match first & SKSV {
            0 => None,
            _ => Some(Self([first & !SKSV, second, third])),
        }
    }

    /// The field as it travels.
    pub(super) const fn to_wire(field: Option<Self>) -> [u8; 3] {
        match field {
            Some(Self([first, second, third])) => [first | SKSV, second, third],
            None => [0; 3],
        }
    }

    /// A progress indication in 65536ths, or a retry count.
    #[must_use = "the field is the only result"]
    pub const fn from_count(count: u16) -> Self {
        let [high, low] = count.to_be_bytes();
        Self([0, high, low])
    }

    /// Bytes 1 and 2, read as PROGRESS INDICATION or ACTUAL RETRY COUNT.
    #[must_use = "the count is the only result"]
    pub const fn count(self) -> u16 {
        u16::from_be_bytes([self.0[1], self.0[2]])
    }

    /// Read as a field pointer.
    #[must_use = "the pointer is the only result"]
    pub const fn field_pointer(self) -> FieldPointer {
        FieldPointer { in_cdb: self.0[0] & 0x40 != 0, bit: self.bit(), byte: self.count() }
    }

    /// Read as the pointer of COPY ABORTED.
    #[must_use = "the pointer is the only result"]
    pub const fn segment_pointer(self) -> SegmentPointer {
        let in_segment_descriptor = self.0[0] & 0x20 != 0;
        SegmentPointer { in_segment_descriptor, bit: self.bit(), byte: self.count() }
    }

    /// Read as OVERFLOW of the unit attention condition queue.
    #[must_use = "the flag is the only result"]
    pub const fn overflow(self) -> bool {
        self.0[0] & 0x01 != 0
    }

    /// BIT POINTER, where BPV is set.
    const fn bit(self) -> Option<u8> {
        let first = self.0[0];
        if first & 0x08 != 0 { Some(first & 0x07) } else { None }
    }
}

impl From<FieldPointer> for SenseKeySpecific {
    /// Only the lowest three bits of `bit` are used.
    fn from(pointer: FieldPointer) -> Self {
        let bit = pointer.bit.map_or(0, |bit| 0x08 | bit & 0x07);
        let [high, low] = pointer.byte.to_be_bytes();
        Self([u8::from(pointer.in_cdb) << 6 | bit, high, low])
    }
}
