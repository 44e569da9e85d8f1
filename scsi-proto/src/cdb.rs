//! Command descriptor blocks as bytes.

use core::fmt;

use crate::opcode::{Opcode, ServiceActionAt};

/// A command descriptor block: 1 to 32 bytes, held in place and padded with zeros.
///
/// The bytes are never changed or judged; any length and any content within the bound is a valid
/// `Cdb`. Source: SPC-5 4.2.5.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cdb {
    /// Bytes from `len` on are zero.
    bytes: [u8; Self::LEN_MAX],
    len: u8,
}

/// A byte count that no [`Cdb`] can have: 0, or more than 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CdbLengthError {
    /// The count that was offered, in bytes.
    pub len: usize,
}

impl Cdb {
    /// The longest CDB that is carried, in bytes.
    pub const LEN_MAX: usize = 32;

    /// Copies `bytes`.
    ///
    /// # Errors
    ///
    /// [`CdbLengthError`] unless `bytes` has 1 to 32 bytes.
    pub const fn new(bytes: &[u8]) -> Result<Self, CdbLengthError> {
        let len = bytes.len();
        if len == 0 || len > Self::LEN_MAX {
            return Err(CdbLengthError { len });
        }
        let mut padded = [0; Self::LEN_MAX];
        padded.split_at_mut(len).0.copy_from_slice(bytes);
        Ok(Self { bytes: padded, len: len as u8 })
    }

    /// Copies an array whose length the compiler checks to be 1 to 32.
    #[must_use = "the CDB is the only result"]
    pub const fn from_array<const N: usize>(bytes: [u8; N]) -> Self {
        const { assert!(N >= 1 && N <= Self::LEN_MAX, "a CDB has 1 to 32 bytes") };
        let mut padded = [0; Self::LEN_MAX];
        padded.split_at_mut(N).0.copy_from_slice(&bytes);
        Self { bytes: padded, len: N as u8 }
    }

    /// Takes padded bytes from this crate's builders. `N` is the length.
    #[inline]
    pub(crate) const fn from_padded<const N: usize>(bytes: [u8; Self::LEN_MAX]) -> Self {
        const { assert!(N >= 1 && N <= Self::LEN_MAX, "a CDB has 1 to 32 bytes") };
        Self { bytes, len: N as u8 }
    }

    /// The bytes, without padding.
    #[inline]
    #[must_use = "the bytes are the only result"]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len()).unwrap_or(&self.bytes)
    }

    /// The length in bytes: 1 to 32.
    #[inline]
    #[expect(clippy::len_without_is_empty, reason = "a CDB is never empty")]
    #[must_use = "the length is the only result"]
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// The operation code, byte 0.
    #[inline]
    #[must_use = "the operation code is the only result"]
    pub const fn opcode(&self) -> Opcode {
        Opcode(self.bytes[0])
    }

    /// The service action, or `None` where the operation code has none.
    ///
    /// Byte 1 bits 4:0 for the operation codes that SPC-5 defines so, bytes 8 and 9 for 7Fh
    /// (variable length). `None` also where the CDB is too short to contain it.
    #[inline]
    #[must_use = "the service action is the only result"]
    pub const fn service_action(&self) -> Option<u16> {
        match self.opcode().service_action_at() {
            ServiceActionAt::Byte1 if self.len >= 2 => Some((self.bytes[1] & 0x1f) as u16),
            ServiceActionAt::Bytes8And9 if self.len >= 10 => {
                Some(u16::from_be_bytes([self.bytes[8], self.bytes[9]]))
            }
            _ => None,
        }
    }

    /// The first 16 bytes, zero padded, or `None` for a CDB of more than 16 bytes.
    ///
    /// Controllers of the MPI family have room for 16 bytes in the frame.
    #[inline]
    #[must_use = "the bytes are the only result"]
    pub const fn padded16(&self) -> Option<&[u8; 16]> {
        if self.len > 16 { None } else { self.bytes.first_chunk() }
    }

    /// All 32 bytes, zero padded.
    #[inline]
    #[must_use = "the bytes are the only result"]
    pub const fn padded32(&self) -> &[u8; Self::LEN_MAX] {
        &self.bytes
    }
}

impl fmt::Debug for Cdb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cdb({self})")
    }
}

/// The bytes in hexadecimal without separators, as in `28000000000000000100`.
impl fmt::Display for Cdb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl TryFrom<&[u8]> for Cdb {
    type Error = CdbLengthError;

    fn try_from(bytes: &[u8]) -> Result<Self, CdbLengthError> {
        Self::new(bytes)
    }
}

impl fmt::Display for CdbLengthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a cdb has 1 to {} bytes, not {}", Cdb::LEN_MAX, self.len)
    }
}

impl core::error::Error for CdbLengthError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_bounded() {
        assert_eq!(Cdb::new(&[]), Err(CdbLengthError { len: 0 }));
        assert_eq!(Cdb::new(&[0; 33]), Err(CdbLengthError { len: 33 }));
        let longest = Cdb::new(&[0x7f; 32]).unwrap();
        assert_eq!(longest.as_bytes(), [0x7f; 32]);
        assert_eq!(longest.padded16(), None);
        assert_eq!(Cdb::try_from(&[0x7f; 32][..]), Ok(longest));
        let error = Cdb::try_from(&[0; 33][..]).unwrap_err();
        assert_eq!(error.to_string(), "a cdb has 1 to 32 bytes, not 33");
    }

    #[test]
    fn padding_is_zero() {
        let cdb = Cdb::from_array([0x28, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(cdb.padded16(), Some(&[0x28, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0, 0, 0, 0, 0]));
        assert_eq!(cdb.len(), 10);
        assert_eq!(cdb.to_string(), "28010203040506070809");
        assert_eq!(format!("{cdb:?}"), "Cdb(28010203040506070809)");
    }

    #[test]
    fn service_action_follows_the_opcode() {
        assert_eq!(Cdb::from_array([0x28, 0xff]).service_action(), None);
        assert_eq!(Cdb::from_array([0x9e, 0xf0]).service_action(), Some(0x10));
        assert_eq!(Cdb::from_array([0x9e]).service_action(), None);
        let mut variable = [0; 32];
        variable[0] = 0x7f;
        variable[9] = 0x0b;
        assert_eq!(Cdb::from_array(variable).service_action(), Some(0x0b));
        assert_eq!(Cdb::new(&variable[..9]).unwrap().service_action(), None);
    }
}
