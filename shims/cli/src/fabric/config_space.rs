//! What a function's configuration space says of it.

use core::fmt;

use hba_core::fabric::{BridgeKind, FunctionKind, PciId};

/// The parts of a configuration header that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its IDs.
    pub id: PciId,
    /// Base class and subclass, offset 0Ah.
    pub class: u16,
    /// What it is.
    pub kind: FunctionKind,
}

/// What is wrong with a configuration space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// There are not even the 64 bytes of the header.
    Short {
        /// Bytes that are there.
        len: usize,
    },
    /// A capability lies where the file does not reach.
    Hidden {
        /// Its offset.
        at: usize,
        /// Bytes that are there.
        len: usize,
    },
    /// All ones: nobody answers.
    Absent,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short { len } => write!(f, "its configuration space has {len} bytes, not 64"),
            Self::Hidden { at, len } => write!(
                f,
                "its capability at {at:#x} cannot be read, only {len} bytes of its configuration space: run this as root"
            ),
            Self::Absent => f.write_str("its configuration space reads all ones: is it gone?"),
        }
    }
}

impl core::error::Error for ConfigError {}

impl Header {
    /// Reads the bytes of a configuration space, 64 or more.
    ///
    /// # Errors
    ///
    /// [`ConfigError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        let len = bytes.len();
        let word = |at: usize| u16::from(bytes[at]) | u16::from(bytes[at + 1]) << 8;
        if len < HEADER {
            return Err(ConfigError::Short { len });
        }
        if word(VENDOR) == 0xffff {
            return Err(ConfigError::Absent);
        }
        let layout = bytes[HEADER_TYPE] & 0x7f;
        let express = express_type(bytes)?;
        let secondary = bytes[SECONDARY];
        let kind = match (layout, express) {
            // A bridge that firmware gave no bus leads nowhere.
            (BRIDGE | CARDBUS, _) if secondary != 0 => {
                FunctionKind::Bridge { kind: bridge_kind(express), secondary }
            }
            (_, Some(_)) => FunctionKind::Endpoint,
            (_, None) => FunctionKind::Conventional,
        };
        let board = layout == 0;
        let id = PciId {
            vendor: word(VENDOR),
            device: word(DEVICE),
            subsystem_vendor: if board { word(SUBSYSTEM_VENDOR) } else { 0 },
            subsystem: if board { word(SUBSYSTEM) } else { 0 },
        };
        Ok(Self { id, class: word(CLASS), kind })
    }
}

/// As PCI Express knows it. A port type that no bridge should have changes no ID, for Linux neither.
const fn bridge_kind(express: Option<u8>) -> BridgeKind {
    match express {
        None => BridgeKind::Conventional,
        Some(7) => BridgeKind::PcieToPci,
        Some(8) => BridgeKind::PciToPcie,
        Some(5) => BridgeKind::UpstreamPort,
        Some(6) => BridgeKind::DownstreamPort,
        Some(_) => BridgeKind::RootPort,
    }
}

/// The device/port type of the PCI Express capability, where there is one.
fn express_type(bytes: &[u8]) -> Result<Option<u8>, ConfigError> {
    if bytes[STATUS] & CAPABILITIES == 0 {
        return Ok(None);
    }
    let list = if bytes[HEADER_TYPE] & 0x7f == CARDBUS { CARDBUS_LIST } else { LIST };
    let mut at = usize::from(bytes[list] & !3);
    // The list may be damaged; it has no more entries than fit.
    for _ in 0..48 {
        if at < HEADER {
            return Ok(None);
        }
        let hidden = ConfigError::Hidden { at, len: bytes.len() };
        let capability = bytes.get(at..at + 4).ok_or(hidden)?;
        if capability[0] == EXPRESS {
            return Ok(Some(capability[2] >> 4));
        }
        at = usize::from(capability[1] & !3);
    }
    Ok(None)
}

/// Bytes of a header.
const HEADER: usize = 64;
const VENDOR: usize = 0x00;
const DEVICE: usize = 0x02;
const STATUS: usize = 0x06;
/// In the status register: there is a list of capabilities.
const CAPABILITIES: u8 = 1 << 4;
const CLASS: usize = 0x0a;
const HEADER_TYPE: usize = 0x0e;
const BRIDGE: u8 = 1;
const CARDBUS: u8 = 2;
const SECONDARY: usize = 0x19;
const SUBSYSTEM_VENDOR: usize = 0x2c;
const SUBSYSTEM: usize = 0x2e;
const LIST: usize = 0x34;
const CARDBUS_LIST: usize = 0x14;
/// The ID of the PCI Express capability.
const EXPRESS: u8 = 0x10;

#[cfg(test)]
mod tests {
    use super::*;

    fn space(header_type: u8, capability: Option<(usize, u8)>) -> Vec<u8> {
        let mut bytes = vec![0; 256];
        bytes[..4].copy_from_slice(&[0x00, 0x10, 0x30, 0x00]);
        bytes[CLASS + 1] = 1;
        bytes[HEADER_TYPE] = header_type;
        bytes[SECONDARY] = 5;
        if let Some((at, port_type)) = capability {
            bytes[STATUS] = CAPABILITIES;
            let list = if header_type & 0x7f == CARDBUS { CARDBUS_LIST } else { LIST };
            // Behind one of power management.
            bytes[list] = 0x40;
            bytes[0x40..0x44].copy_from_slice(&[0x01, at as u8, 3, 0]);
            bytes[at..at + 4].copy_from_slice(&[EXPRESS, 0, 0x02 | port_type << 4, 0]);
        }
        bytes
    }

    fn kind(bytes: &[u8]) -> FunctionKind {
        Header::parse(bytes).expect("a header").kind
    }

    #[test]
    fn every_port_type_is_told() {
        let bridge = |kind| FunctionKind::Bridge { kind, secondary: 5 };
        let cases = [
            (0, None, FunctionKind::Conventional),
            (0x80, Some(0), FunctionKind::Endpoint),
            (0, Some(9), FunctionKind::Endpoint),
            (1, None, bridge(BridgeKind::Conventional)),
            (2, None, bridge(BridgeKind::Conventional)),
            (1, Some(4), bridge(BridgeKind::RootPort)),
            (1, Some(5), bridge(BridgeKind::UpstreamPort)),
            (0x81, Some(6), bridge(BridgeKind::DownstreamPort)),
            (1, Some(7), bridge(BridgeKind::PcieToPci)),
            (1, Some(8), bridge(BridgeKind::PciToPcie)),
        ];
        for (header_type, express, expected) in cases {
            let bytes = space(header_type, express.map(|port_type| (0x70, port_type)));
            assert_eq!(kind(&bytes), expected, "{header_type:#x} {express:?}");
        }
        let mut unconfigured = space(1, Some((0x70, 4)));
        unconfigured[SECONDARY] = 0;
        assert_eq!(kind(&unconfigured), FunctionKind::Endpoint);
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        assert_eq!(Header::parse(&[0; 63]), Err(ConfigError::Short { len: 63 }));
        assert_eq!(Header::parse(&[0xff; 64]), Err(ConfigError::Absent));
        let bytes = space(1, Some((0x70, 7)));
        let hidden = ConfigError::Hidden { at: 0x40, len: 64 };
        assert_eq!(Header::parse(&bytes[..64]), Err(hidden));
        let mut endless = space(1, None);
        endless[STATUS] = CAPABILITIES;
        endless[LIST] = 0x40;
        endless[0x40..0x42].copy_from_slice(&[0x01, 0x40]);
        assert!(matches!(
            kind(&endless),
            FunctionKind::Bridge { kind: BridgeKind::Conventional, .. }
        ));
    }
}
