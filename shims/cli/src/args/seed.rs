//! Seeds: one, and a range of them.

use core::fmt;
use core::str::FromStr;

/// A seed, decimal or hexadecimal after `0x`.
pub(super) fn parse_seed(text: &str) -> Result<u64, SeedError> {
    let seed = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    seed.map_err(|_| SeedError)
}

/// Not a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SeedError;

impl fmt::Display for SeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a seed is a number of at most 64 bits, decimal or hexadecimal after 0x")
    }
}

impl core::error::Error for SeedError {}

/// Seeds from the first up to the end, which is not one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeedRange {
    /// The first.
    pub first: u64,
    /// One more than the last.
    pub end: u64,
}

impl FromStr for SeedRange {
    type Err = String;

    /// Reads `0..1000`; a single number means one seed.
    fn from_str(text: &str) -> Result<Self, String> {
        let seed = |text| parse_seed(text).map_err(|error| format!("{text}: {error}"));
        let (first, end) = match text.split_once("..") {
            Some((first, end)) => (seed(first)?, seed(end)?),
            None => (seed(text)?, seed(text)?.saturating_add(1)),
        };
        if first >= end {
            return Err(format!("no seed is in {first}..{end}"));
        }
        Ok(Self { first, end })
    }
}

impl fmt::Display for SeedRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.first, self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds() {
        assert_eq!(parse_seed("0xff"), Ok(255));
        assert_eq!(parse_seed("12"), Ok(12));
        assert!(parse_seed("0x").is_err());
    }
}
