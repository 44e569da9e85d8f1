//! Sense data: what CHECK CONDITION, REQUEST SENSE and deferred errors carry.
//!
//! [`Sense::parse`] reads both formats from any bytes; [`Sense::emit`] writes them, for device
//! servers. Source: SPC-5 4.4.

mod additional;
mod codes;
mod descriptor;
mod fixed;
mod specific;

use core::fmt;

use crate::macros::open_code;
use crate::wire::BufferTooSmall;

pub use additional::AdditionalSense;
pub use descriptor::{SenseDescriptor, SenseDescriptors};
pub use specific::{FieldPointer, SegmentPointer, SenseKeySpecific};

open_code! {
    /// A SENSE KEY, four bits. Source: SPC-5 4.4.2.
    pub struct SenseKey(u8) {
        NO_SENSE = 0x0, "NO SENSE";
        RECOVERED_ERROR = 0x1, "RECOVERED ERROR";
        NOT_READY = 0x2, "NOT READY";
        MEDIUM_ERROR = 0x3, "MEDIUM ERROR";
        HARDWARE_ERROR = 0x4, "HARDWARE ERROR";
        ILLEGAL_REQUEST = 0x5, "ILLEGAL REQUEST";
        UNIT_ATTENTION = 0x6, "UNIT ATTENTION";
        DATA_PROTECT = 0x7, "DATA PROTECT";
        BLANK_CHECK = 0x8, "BLANK CHECK";
        VENDOR_SPECIFIC = 0x9, "VENDOR SPECIFIC";
        COPY_ABORTED = 0xa, "COPY ABORTED";
        ABORTED_COMMAND = 0xb, "ABORTED COMMAND";
        EQUAL = 0xc, "EQUAL";
        VOLUME_OVERFLOW = 0xd, "VOLUME OVERFLOW";
        MISCOMPARE = 0xe, "MISCOMPARE";
        COMPLETED = 0xf, "COMPLETED";
    }
}

/// The two layouts of sense data. Source: SPC-5 4.4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SenseFormat {
    /// Response codes 70h and 71h.
    #[default]
    Fixed,
    /// Response codes 72h and 73h.
    Descriptor,
}

/// Sense data of either format. Source: SPC-5 4.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sense {
    /// The layout it came in, or is to be emitted in.
    pub format: SenseFormat,
    /// Response code 71h or 73h: the error belongs to an earlier command, and the current
    /// command may not have been executed.
    pub deferred: bool,
    /// SENSE KEY.
    pub key: SenseKey,
    /// ADDITIONAL SENSE CODE and its qualifier.
    pub additional: AdditionalSense,
    /// INFORMATION, where VALID is set. For medium errors the address of the block.
    pub information: Option<u64>,
    /// COMMAND-SPECIFIC INFORMATION. The fixed format cannot tell 0 from absent: 0 reads as `None`.
    pub command_specific: Option<u64>,
    /// FILEMARK.
    pub filemark: bool,
    /// EOM, end of medium.
    pub eom: bool,
    /// ILI, incorrect length indicator.
    pub ili: bool,
    /// SDAT_OVFL: sense data was lost for lack of space.
    pub overflow: bool,
    /// FIELD REPLACEABLE UNIT CODE; 0 is none.
    pub field_replaceable_unit: u8,
    /// SENSE KEY SPECIFIC, where SKSV is set.
    pub key_specific: Option<SenseKeySpecific>,
}

/// Why bytes are not sense data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SenseError {
    /// The sense key is beyond the last byte.
    TooShort {
        /// Bytes present.
        len: usize,
    },
    /// RESPONSE CODE is none of 70h to 73h.
    ResponseCode {
        /// The seven-bit code found.
        found: u8,
    },
}

impl Sense {
    /// The longest sense data that SPC-5 allows, in bytes.
    pub const LEN_MAX: usize = 252;

    /// A current error in fixed format with nothing but its codes.
    #[must_use = "the sense data is the only result"]
    pub const fn new(key: SenseKey, additional: AdditionalSense) -> Self {
        Self {
            format: SenseFormat::Fixed,
            deferred: false,
            key,
            additional,
            information: None,
            command_specific: None,
            filemark: false,
            eom: false,
            ili: false,
            overflow: false,
            field_replaceable_unit: 0,
            key_specific: None,
        }
    }

    /// Reads sense data of either format.
    ///
    /// Data may end early or claim any length: fields beyond the bytes present, or beyond the
    /// ADDITIONAL SENSE LENGTH, are absent. Where a descriptor is repeated the first one counts.
    ///
    /// # Errors
    ///
    /// [`SenseError`] when the response code is unknown or the sense key is missing.
    pub fn parse(bytes: &[u8]) -> Result<Self, SenseError> {
        let too_short = SenseError::TooShort { len: bytes.len() };
        let code = bytes.first().ok_or(too_short)? & 0x7f;
        match code {
            0x70 | 0x71 => fixed::parse(bytes, code == 0x71).ok_or(too_short),
            0x72 | 0x73 => descriptor::parse(bytes, code == 0x73).ok_or(too_short),
            found => Err(SenseError::ResponseCode { found }),
        }
    }

    /// Writes the sense data in its [`format`](Self::format) and tells the length: 18 bytes in
    /// fixed format, 8 to 48 in descriptor format.
    ///
    /// In fixed format INFORMATION above 2^32 - 1 is left out (VALID is 0), and
    /// COMMAND-SPECIFIC INFORMATION above it is 0, as SPC-5 has it.
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`] when `out` is shorter than that.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, BufferTooSmall> {
        match self.format {
            SenseFormat::Fixed => fixed::emit(self, out),
            SenseFormat::Descriptor => descriptor::emit(self, out),
        }
    }

    /// The field at fault, where the key is ILLEGAL REQUEST and the device named one.
    #[must_use = "the pointer is the only result"]
    pub fn field_pointer(&self) -> Option<FieldPointer> {
        match self.key {
            SenseKey::ILLEGAL_REQUEST => self.key_specific.map(SenseKeySpecific::field_pointer),
            _ => None,
        }
    }

    /// The part of a copy parameter list at fault, where the key is COPY ABORTED.
    #[must_use = "the pointer is the only result"]
    pub fn segment_pointer(&self) -> Option<SegmentPointer> {
        match self.key {
            SenseKey::COPY_ABORTED => self.key_specific.map(SenseKeySpecific::segment_pointer),
            _ => None,
        }
    }

    /// Whether unit attentions were lost for lack of space, where the key is UNIT ATTENTION.
    #[must_use = "the answer is the only result"]
    pub fn unit_attention_overflow(&self) -> Option<bool> {
        match self.key {
            SenseKey::UNIT_ATTENTION => self.key_specific.map(SenseKeySpecific::overflow),
            _ => None,
        }
    }

    /// PROGRESS INDICATION in 65536ths, where the key is NO SENSE or NOT READY.
    #[must_use = "the progress is the only result"]
    pub fn progress(&self) -> Option<u16> {
        match self.key {
            SenseKey::NO_SENSE | SenseKey::NOT_READY => {
                self.key_specific.map(SenseKeySpecific::count)
            }
            _ => None,
        }
    }

    /// ACTUAL RETRY COUNT, where the key is RECOVERED, MEDIUM or HARDWARE ERROR.
    #[must_use = "the count is the only result"]
    pub fn retry_count(&self) -> Option<u16> {
        match self.key {
            SenseKey::RECOVERED_ERROR | SenseKey::MEDIUM_ERROR | SenseKey::HARDWARE_ERROR => {
                self.key_specific.map(SenseKeySpecific::count)
            }
            _ => None,
        }
    }
}

/// One line for a log, as in `deferred MEDIUM ERROR, WRITE ERROR (3/0C/00), information 1234`.
impl fmt::Display for Sense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.deferred {
            f.write_str("deferred ")?;
        }
        let AdditionalSense { asc, ascq } = self.additional;
        write!(f, "{}, {} ({:X}/{asc:02X}/{ascq:02X})", self.key, self.additional, self.key.0)?;
        if let Some(information) = self.information {
            write!(f, ", information {information}")?;
        }
        Ok(())
    }
}

impl fmt::Display for SenseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { len } => write!(f, "sense data of {len} bytes has no sense key"),
            Self::ResponseCode { found } => write!(f, "sense response code is {found:02X}h"),
        }
    }
}

impl core::error::Error for SenseError {}

#[cfg(test)]
mod tests;
