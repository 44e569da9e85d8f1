//! Additional sense codes.

use core::fmt;

use super::codes::NAMES;

/// ADDITIONAL SENSE CODE and ADDITIONAL SENSE CODE QUALIFIER. Source: SPC-5 4.4.2 and annex F.
///
/// Any pair is representable; those that the T10 list names have a constant here, whatever type of
/// device uses them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AdditionalSense {
    /// ADDITIONAL SENSE CODE (ASC).
    pub asc: u8,
    /// ADDITIONAL SENSE CODE QUALIFIER (ASCQ).
    pub ascq: u8,
}

impl AdditionalSense {
    /// The pair `asc`, `ascq`.
    #[must_use = "the pair is the only result"]
    pub const fn new(asc: u8, ascq: u8) -> Self {
        Self { asc, ascq }
    }

    /// The T10 name, or `None` for a pair that has no name here.
    #[must_use = "the name is the only result"]
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self { asc: 0x40, ascq: 0x80.. } => Some("DIAGNOSTIC FAILURE ON COMPONENT NN"),
            Self { asc: 0x4d, .. } => Some("TAGGED OVERLAPPED COMMANDS"),
            Self { asc: 0x70, .. } => Some("DECOMPRESSION EXCEPTION SHORT ALGORITHM ID OF NN"),
            _ => {
                let index = NAMES.binary_search_by_key(&self, |&(code, _)| code).ok()?;
                NAMES.get(index).map(|&(_, name)| name)
            }
        }
    }
}

/// The name where there is one, else the two codes, as in `ASC 80h ASCQ 01h`.
impl fmt::Display for AdditionalSense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "ASC {:02X}h ASCQ {:02X}h", self.asc, self.ascq),
        }
    }
}

impl fmt::Debug for AdditionalSense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02X}h/{:02X}h", self.asc, self.ascq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_strictly_ascending() {
        assert!(NAMES.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn names() {
        assert_eq!(AdditionalSense::POWER_ON_OCCURRED, AdditionalSense::new(0x29, 0x01));
        assert_eq!(AdditionalSense::new(0x24, 0).to_string(), "INVALID FIELD IN CDB");
        assert_eq!(AdditionalSense::new(0x40, 0x81).name().unwrap().len(), 34);
        assert_eq!(AdditionalSense::new(0x80, 0x01).to_string(), "ASC 80h ASCQ 01h");
    }
}
