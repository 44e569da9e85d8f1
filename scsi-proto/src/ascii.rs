//! Fixed-width ASCII fields.

use core::fmt;

/// A left-aligned ASCII field of `N` bytes, padded with spaces. Source: SPC-5 4.3.1.
///
/// Devices put other bytes here too; those are kept, and shown as `.`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ascii<const N: usize>(pub [u8; N]);

impl<const N: usize> Ascii<N> {
    /// `text` padded with spaces; what is longer than `N` bytes is cut off.
    #[must_use = "the field is the only result"]
    pub fn new(text: &str) -> Self {
        let mut field = [b' '; N];
        field.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
        Self(field)
    }

    /// The bytes without trailing spaces and NULs.
    #[must_use = "the bytes are the only result"]
    pub fn trimmed(&self) -> &[u8] {
        trimmed(&self.0)
    }
}

/// `bytes` without trailing spaces and NULs.
pub(crate) fn trimmed(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| !matches!(byte, b' ' | 0)).map_or(0, |last| last + 1);
    bytes.get(..end).unwrap_or(bytes)
}

impl<const N: usize> Default for Ascii<N> {
    fn default() -> Self {
        Self([b' '; N])
    }
}

impl<const N: usize> fmt::Display for Ascii<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |byte: &u8| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' };
        self.trimmed().iter().try_for_each(|byte| write!(f, "{}", shown(byte)))
    }
}

impl<const N: usize> fmt::Debug for Ascii<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pads_cuts_and_trims() {
        assert_eq!(Ascii::<4>::new("ab").0, *b"ab  ");
        assert_eq!(Ascii::<4>::new("abcdef").0, *b"abcd");
        assert_eq!(Ascii(*b"a\x01 \0").to_string(), "a.");
        assert_eq!(Ascii::<4>::default().trimmed(), b"");
        assert_eq!(format!("{:?}", Ascii::<4>::new("ab")), "\"ab\"");
    }
}
