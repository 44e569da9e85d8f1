//! How many: a number from 1 on.

use core::fmt;
use core::num::NonZeroU32;

/// How many of something, at least one.
pub(super) fn parse_count(text: &str) -> Result<NonZeroU32, CountError> {
    text.parse().map_err(|_| CountError)
}

/// Not such a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CountError;

impl fmt::Display for CountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a number from 1 to {} is needed", u32::MAX)
    }
}

impl core::error::Error for CountError {}
