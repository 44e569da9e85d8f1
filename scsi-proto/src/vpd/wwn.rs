//! Worldwide unique names of logical units.

use core::fmt;

use super::{Association, Designator, DesignatorType, Designators, VpdPage};

/// The name space of a [`Wwn`]. Source: SPC-5 7.7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WwnKind {
    /// UUID of RFC 4122.
    Uuid,
    /// EUI-64 and its longer forms.
    Eui64,
    /// Network address authority (IEEE names of SAS and Fibre Channel).
    Naa,
}

/// A binary worldwide unique name of 8 to 16 bytes. Equal names mean the same logical unit.
/// Source: SPC-5 7.7.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wwn {
    kind: WwnKind,
    len: u8,
    /// Bytes from `len` on are zero.
    bytes: [u8; 16],
}

impl Wwn {
    /// The name in `designator`, or `None` where it holds no binary worldwide unique name or one
    /// of a length that its type does not have.
    #[must_use = "the name is the only result"]
    pub fn from_designator(designator: &Designator<'_>) -> Option<Self> {
        let id = designator.id;
        let (kind, name) = match (designator.kind, id.len()) {
            (DesignatorType::EUI_64, 8 | 12 | 16) => (WwnKind::Eui64, id),
            // NAA 6 has 16 bytes, NAA 2, 3 and 5 have 8.
            (DesignatorType::NAA, len @ (8 | 16)) => {
                let is_long = id.first().is_some_and(|byte| byte >> 4 == 6);
                (WwnKind::Naa, id.get(..if is_long { 16 } else { 8 }).filter(|id| id.len() == len)?)
            }
            (DesignatorType::UUID, 18) => (WwnKind::Uuid, id.get(2..)?),
            _ => return None,
        };
        let mut bytes = [0; 16];
        bytes.get_mut(..name.len())?.copy_from_slice(name);
        Some(Self { kind, len: name.len() as u8, bytes })
    }

    /// The name space.
    #[must_use = "the name space is the only result"]
    pub const fn kind(&self) -> WwnKind {
        self.kind
    }

    /// The name: 8, 12 or 16 bytes.
    #[must_use = "the bytes are the only result"]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&self.bytes)
    }
}

/// The name space and the name in hexadecimal, as in `naa.5000c500a1b2c3d4`.
impl fmt::Display for Wwn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            WwnKind::Uuid => "uuid.",
            WwnKind::Eui64 => "eui.",
            WwnKind::Naa => "naa.",
        })?;
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Wwn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wwn({self})")
    }
}

/// The name of the logical unit in a Device Identification page.
///
/// Of several, NAA goes before EUI-64 before UUID, then the longest one, then the first one; so
/// that every path to a unit, and every scan of it, gives the same name. `None` where the device
/// has none, or only T10 vendor or SCSI name strings.
#[must_use = "the name is the only result"]
pub fn logical_unit_wwn(page: &VpdPage<'_>) -> Option<Wwn> {
    let mut best: Option<Wwn> = None;
    let names = Designators::new(page)
        .filter(|designator| designator.association == Association::LOGICAL_UNIT)
        .filter_map(|designator| Wwn::from_designator(&designator));
    for name in names {
        if best.is_none_or(|best| (name.kind, name.len) > (best.kind, best.len)) {
            best = Some(name);
        }
    }
    best
}
