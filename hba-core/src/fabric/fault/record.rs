//! The words of a record and the fields in them.

use alloc::vec::Vec;
use core::fmt;

use super::{FaultUnit, amd_vi, apple_port, dart, vtd};

/// The words that a unit recorded, in the order of its registers, 32 bits each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultRecord {
    unit: FaultUnit,
    words: [u32; 4],
    len: usize,
}

impl FaultRecord {
    /// The words of a unit's record: for a DART the status and, where known, the low and the high half of the address; for
    /// VT-d and AMD-Vi all four words, lowest first; for a root port its one word.
    ///
    /// # Errors
    ///
    /// [`RecordError::Count`].
    pub fn new(unit: FaultUnit, words: &[u32]) -> Result<Self, RecordError> {
        let (least, most) = lengths(unit);
        let len = words.len();
        if !(least..=most).contains(&len) {
            return Err(RecordError::Count { unit, least, most, given: len });
        }
        let mut all = [0; 4];
        all[..len].copy_from_slice(words);
        Ok(Self { unit, words: all, len })
    }

    /// The status and the address of a DART.
    pub const fn dart(unit: FaultUnit, status: u32, address: u64) -> Self {
        Self { unit, words: [status, address as u32, (address >> 32) as u32, 0], len: 3 }
    }

    /// Words of which only the form is known.
    ///
    /// One word is a root port's, unless it looks like a DART's status; two and three are a DART's; four are VT-d's when their
    /// valid bit is set and what must be 0 is, and AMD's when they have a known event code. A DART's status that both
    /// generations read alike, or that only fits it, is T8110's.
    ///
    /// # Errors
    ///
    /// [`RecordError::Unrecognised`], and [`RecordError::Ambiguous`] when two units could have recorded it.
    pub fn recognise(words: &[u32]) -> Result<Self, RecordError> {
        let unit = match words {
            [status] | [status, _] | [status, _, _] if dart::plausible(*status) => {
                dart::generation(*status)
            }
            [_] => FaultUnit::AppleRootPort,
            [_, _, _, _] => match (vtd::plausible(words), amd_vi::plausible(words)) {
                (true, true) => {
                    return Err(RecordError::Ambiguous {
                        units: [FaultUnit::VtD, FaultUnit::AmdVi],
                    });
                }
                (true, false) => FaultUnit::VtD,
                (false, true) => FaultUnit::AmdVi,
                (false, false) => return Err(RecordError::Unrecognised),
            },
            _ => return Err(RecordError::Unrecognised),
        };
        Self::new(unit, words)
    }

    /// What recorded it.
    pub const fn unit(&self) -> FaultUnit {
        self.unit
    }

    /// Its words.
    pub fn words(&self) -> &[u32] {
        &self.words[..self.len]
    }

    /// Each field with its place and value.
    pub fn fields(&self) -> Vec<FaultField> {
        let all = match self.unit {
            FaultUnit::DartT8020 => dart::T8020.fields,
            FaultUnit::DartT8110 => dart::T8110.fields,
            FaultUnit::VtD => vtd::FIELDS,
            FaultUnit::AmdVi => amd_vi::FIELDS,
            FaultUnit::AppleRootPort => apple_port::FIELDS,
        };
        let known = all.iter().filter(|field| usize::from(field.high) < 32 * self.len);
        known.map(|field| FaultField { bits: *field, value: self.get(*field) }).collect()
    }

    pub(super) fn get(&self, bits: Bits) -> u64 {
        let all = self.words.iter().rev().fold(0u128, |all, word| all << 32 | u128::from(*word));
        (all >> bits.low) as u64 & u64::MAX >> (63 - (bits.high - bits.low))
    }

    pub(super) fn is_set(&self, bits: Bits) -> bool {
        self.get(bits) != 0
    }
}

const fn lengths(unit: FaultUnit) -> (usize, usize) {
    match unit {
        FaultUnit::DartT8020 | FaultUnit::DartT8110 => (1, 3),
        FaultUnit::VtD | FaultUnit::AmdVi => (4, 4),
        FaultUnit::AppleRootPort => (1, 1),
    }
}

/// Where a field is: bits `high` to `low` of the record's words taken as one number, the first word lowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bits {
    pub(super) name: &'static str,
    pub(super) high: u8,
    pub(super) low: u8,
}

pub(super) const fn bits(name: &'static str, high: u8, low: u8) -> Bits {
    Bits { name, high, low }
}

pub(super) const fn bit(name: &'static str, at: u8) -> Bits {
    bits(name, at, at)
}

/// A field of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultField {
    bits: Bits,
    /// Its value, shifted down to bit 0.
    pub value: u64,
}

impl FaultField {
    /// The field's name.
    pub const fn name(&self) -> &'static str {
        self.bits.name
    }

    /// The highest bit, counted from bit 0 of the first word.
    pub const fn high(&self) -> u8 {
        self.bits.high
    }

    /// The lowest bit, counted likewise.
    pub const fn low(&self) -> u8 {
        self.bits.low
    }
}

/// Why words are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordError {
    /// A unit's record has another number of words.
    Count {
        /// The unit.
        unit: FaultUnit,
        /// The fewest 32-bit words.
        least: usize,
        /// The most.
        most: usize,
        /// As given.
        given: usize,
    },
    /// The words do not look like a record of any known unit.
    Unrecognised,
    /// The words could be a record of either.
    Ambiguous {
        /// Which two.
        units: [FaultUnit; 2],
    },
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count { unit, least, most, given } if least == most => {
                write!(f, "a record of {unit} has {least} words of 32 bits, not {given}")
            }
            Self::Count { unit, least, most, given } => {
                write!(f, "a record of {unit} has {least} to {most} words of 32 bits, not {given}")
            }
            Self::Unrecognised => f.write_str("the words look like no record of a known unit"),
            Self::Ambiguous { units: [first, second] } => {
                write!(f, "the words could be a record of {first} or of {second}")
            }
        }
    }
}

impl core::error::Error for RecordError {}
