//! Bytes in hexadecimal: CDBs in, dumps out.

use core::fmt;
use core::fmt::Write as _;
use core::str::FromStr;

use scsi_proto::Cdb;

/// A CDB as typed: two digits for each byte, with spaces, colons, commas or nothing between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CdbText(pub Cdb);

/// What is wrong with the text of a CDB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HexError {
    /// A character is neither a digit nor a separator.
    Digit(char),
    /// The number of digits is odd.
    Odd {
        /// How many there are.
        digits: usize,
    },
    /// A CDB has 1 to 32 bytes.
    Length {
        /// How many there are.
        bytes: usize,
    },
}

impl FromStr for CdbText {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        let bytes = parse(text)?;
        let length = HexError::Length { bytes: bytes.len() };
        Cdb::new(&bytes).map(Self).map_err(|_| length)
    }
}

/// Reads bytes; separators may stand anywhere, `0x` before any pair of digits.
///
/// # Errors
///
/// [`HexError`] for the first thing that is wrong.
pub fn parse(text: &str) -> Result<Vec<u8>, HexError> {
    let mut digits = Vec::new();
    for word in text.split([' ', '\t', '\n', '\r', ':', ',', '_', '-']) {
        let word = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")).unwrap_or(word);
        for character in word.chars() {
            digits.push(character.to_digit(16).ok_or(HexError::Digit(character))? as u8);
        }
    }
    if !digits.len().is_multiple_of(2) {
        return Err(HexError::Odd { digits: digits.len() });
    }
    Ok(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// The bytes in hexadecimal without separators.
#[must_use]
pub fn plain(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A dump with offsets and characters, sixteen bytes to the line.
#[must_use]
pub fn dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (row, line) in bytes.chunks(16).enumerate() {
        let _ = write!(text, "{:08x} ", row * 16);
        for at in 0..16 {
            let gap = if at == 8 { " " } else { "" };
            let _ = match line.get(at) {
                Some(byte) => write!(text, "{gap} {byte:02x}"),
                None => write!(text, "{gap}   "),
            };
        }
        let shown = |byte: &u8| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' };
        let _ = writeln!(text, "  |{}|", line.iter().map(shown).collect::<String>());
    }
    text
}

impl fmt::Display for HexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digit(character) => {
                write!(f, "{} is not a hexadecimal digit", character.escape_debug())
            }
            Self::Odd { digits } => {
                write!(f, "{digits} hexadecimal digits do not make whole bytes")
            }
            Self::Length { bytes } => {
                write!(f, "a cdb has 1 to {} bytes, not {bytes}", Cdb::LEN_MAX)
            }
        }
    }
}

impl core::error::Error for HexError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_in_every_usual_form() {
        for text in
            ["12000000ff00", "12 00 00 00 ff 00", "12:00:00:00:FF:00", "0x12, 0x00 0000 0xff,00"]
        {
            assert_eq!(parse(text), Ok(vec![0x12, 0, 0, 0, 0xff, 0]), "{text}");
        }
        assert_eq!(plain(&[0, 0xfe]), "00fe");
    }

    #[test]
    fn nonsense_is_named() {
        for (text, error) in [
            ("", HexError::Length { bytes: 0 }),
            ("1", HexError::Odd { digits: 1 }),
            ("12zz", HexError::Digit('z')),
            (&"00".repeat(33), HexError::Length { bytes: 33 }),
        ] {
            assert_eq!(text.parse::<CdbText>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_dump_keeps_its_columns() {
        let text = dump(b"ABCDEFGHIJKLMNOPQ\0");
        let expected = "\
00000000  41 42 43 44 45 46 47 48  49 4a 4b 4c 4d 4e 4f 50  |ABCDEFGHIJKLMNOP|
00000010  51 00                                             |Q.|
";
        assert_eq!(text, expected);
        assert_eq!(dump(&[]), "");
    }
}
