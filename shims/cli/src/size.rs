//! Sizes in bytes as people write and read them.

use core::fmt;
use core::str::FromStr;

/// A number of bytes that is not 0.
///
/// Written as a number with an optional suffix: K, M, G, T, P or KiB ... PiB are powers of 1024, kB, MB ... PB powers of
/// 1000. Shown in the largest binary unit that keeps it readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

/// What is wrong with the text of a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SizeError {
    /// It does not begin with a decimal number.
    Number,
    /// The suffix is not a unit.
    Unit,
    /// It is 0.
    Zero,
    /// It does not fit 64 bits.
    Overflow,
}

impl Size {
    /// A number of bytes, or `None` for 0.
    #[must_use]
    pub const fn new(bytes: u64) -> Option<Self> {
        if bytes == 0 { None } else { Some(Self(bytes)) }
    }

    /// In bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, suffix) = text.split_at(digits);
        if number.is_empty() {
            return Err(SizeError::Number);
        }
        let number: u64 = number.parse().map_err(|_| SizeError::Overflow)?;
        let unit = unit(suffix.trim_start()).ok_or(SizeError::Unit)?;
        let bytes = number.checked_mul(unit).ok_or(SizeError::Overflow)?;
        Self::new(bytes).ok_or(SizeError::Zero)
    }
}

/// Bytes of one unit.
fn unit(suffix: &str) -> Option<u64> {
    let lower = suffix.to_ascii_lowercase();
    let mut letters = lower.chars();
    let power = match letters.next() {
        None => return Some(1),
        Some('b') if lower.len() == 1 => return Some(1),
        Some(letter) => "kmgtp".find(letter)? as u32 + 1,
    };
    match letters.as_str() {
        "" | "ib" => Some(1024u64.pow(power)),
        "b" => Some(1000u64.pow(power)),
        _ => None,
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&human(self.0))
    }
}

/// `bytes` with three digits or so, as in `32.0MiB`; whole numbers of bytes below 1 KiB.
#[must_use]
pub fn human(bytes: u64) -> String {
    let mut power = 0;
    while power < UNITS.len() && bytes >> (10 * (power + 1)) != 0 {
        power += 1;
    }
    match power {
        0 => format!("{bytes}B"),
        _ => {
            // Tenths, rounded down: a disk is never shown larger than it is.
            let unit = 1u128 << (10 * power);
            let tenths = u128::from(bytes) * 10 / unit;
            format!("{}.{}{}", tenths / 10, tenths % 10, UNITS[power - 1])
        }
    }
}

const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

impl fmt::Display for SizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number => "a size begins with a number, as in 64M",
            Self::Unit => "the unit is none of K, M, G, T, P, KiB .. PiB, kB .. PB",
            Self::Zero => "a size is at least one byte",
            Self::Overflow => "the size does not fit 64 bits",
        })
    }
}

impl core::error::Error for SizeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in [
            ("1", 1),
            ("512B", 512),
            ("4KiB", 4096),
            ("4k", 4096),
            ("64M", 64 << 20),
            ("1G", 1 << 30),
            ("1 GiB", 1 << 30),
            ("66TB", 66_000_000_000_000),
            ("2T", 2 << 40),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
    }

    #[test]
    fn nonsense_is_named() {
        for (text, error) in [
            ("", SizeError::Number),
            ("-1", SizeError::Number),
            ("M", SizeError::Number),
            ("0", SizeError::Zero),
            ("0G", SizeError::Zero),
            ("1.5G", SizeError::Unit),
            ("1X", SizeError::Unit),
            ("1Mi", SizeError::Unit),
            ("1bB", SizeError::Unit),
            ("99999999999999999999", SizeError::Overflow),
            ("16777216P", SizeError::Overflow),
        ] {
            assert_eq!(text.parse::<Size>(), Err(error), "{text}");
        }
    }

    #[test]
    fn sizes_are_shown() {
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.0KiB"),
            (64 << 20, "64.0MiB"),
            (66_000_000_000_000, "60.0TiB"),
            ((1 << 30) - 1, "1023.9MiB"),
            (u64::MAX, "15.9EiB"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }
}
