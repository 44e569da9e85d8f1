//! Addresses of logical units as Linux writes them: host:channel:target:lun.

use core::fmt;
use core::str::FromStr;

use hba_core::command::{Nexus, TargetId};
use scsi_proto::Lun;

/// host:channel:target:lun. There is one host, with number 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hctl(pub Nexus);

/// What is wrong with the text of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HctlError {
    /// There are not four parts.
    Parts,
    /// A part is not a number, or too large.
    Number {
        /// Which part.
        part: &'static str,
        /// The largest value.
        max: u16,
    },
    /// The host is not 0.
    Host,
}

impl FromStr for Hctl {
    type Err = HctlError;

    /// Reads `0:0:1:0`, also in the brackets that `lsscsi` sets. A LUN of another form than a single number is written
    /// as its eight bytes in hexadecimal with an `h`, as it is shown.
    fn from_str(text: &str) -> Result<Self, HctlError> {
        let text = text.trim();
        let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        let mut parts = inner.unwrap_or(text).split(':');
        let mut next = || parts.next().ok_or(HctlError::Parts);
        let [host, channel, target, lun] = [next()?, next()?, next()?, next()?];
        if parts.next().is_some() {
            return Err(HctlError::Parts);
        }
        if number("host", host, u16::MAX)? != 0 {
            return Err(HctlError::Host);
        }
        let channel = number("channel", channel, u8::MAX.into())? as u8;
        let id = number("target", target, u16::MAX)?;
        Ok(Self(Nexus::new(TargetId { channel, id }, lun_of(lun)?)))
    }
}

fn number(part: &'static str, text: &str, max: u16) -> Result<u16, HctlError> {
    let error = HctlError::Number { part, max };
    text.parse().ok().filter(|number| *number <= max).ok_or(error)
}

fn lun_of(text: &str) -> Result<Lun, HctlError> {
    match text.strip_suffix(['h', 'H']) {
        Some(hex) if hex.len() == 16 && !hex.starts_with('+') => {
            let bytes = u64::from_str_radix(hex, 16);
            let error = HctlError::Number { part: "lun", max: u16::MAX };
            bytes.map(|bytes| Lun(bytes.to_be_bytes())).map_err(|_| error)
        }
        _ => number("lun", text, u16::MAX).map(Lun::from_number),
    }
}

impl fmt::Display for Hctl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0:{}", self.0)
    }
}

impl fmt::Display for HctlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parts => f.write_str("an address has four parts, host:channel:target:lun"),
            Self::Number { part, max } => write!(f, "the {part} is not a number from 0 to {max}"),
            Self::Host => f.write_str("there is one host, 0"),
        }
    }
}

impl core::error::Error for HctlError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive() {
        for text in ["0:0:0:0", "0:1:255:7", "0:255:65535:16383", "0:0:3:C101000000000000h"] {
            assert_eq!(text.parse::<Hctl>().map(|hctl| hctl.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("[0:0:2:1]".parse::<Hctl>(), "0:0:2:1".parse());
    }

    #[test]
    fn nonsense_is_named() {
        for (text, error) in [
            ("", HctlError::Parts),
            ("0:0:0", HctlError::Parts),
            ("0:0:0:0:0", HctlError::Parts),
            ("1:0:0:0", HctlError::Host),
            ("0:256:0:0", HctlError::Number { part: "channel", max: 255 }),
            ("0:0:-1:0", HctlError::Number { part: "target", max: 65535 }),
            ("0:0:0:x", HctlError::Number { part: "lun", max: 65535 }),
            ("0:0:0:+01000000000000h", HctlError::Number { part: "lun", max: 65535 }),
        ] {
            assert_eq!(text.parse::<Hctl>(), Err(error), "{text}");
        }
    }
}
