//! Device Identification (83h). Source: SPC-5 7.7.

use core::fmt;

use super::{PageCode, VpdPage};
use crate::macros::open_code;

open_code! {
    /// DESIGNATOR TYPE, four bits. Source: SPC-5 7.7.
    pub struct DesignatorType(u8) {
        VENDOR_SPECIFIC = 0x0, "vendor specific";
        T10_VENDOR_ID = 0x1, "T10 vendor ID";
        EUI_64 = 0x2, "EUI-64";
        NAA = 0x3, "NAA";
        RELATIVE_TARGET_PORT = 0x4, "relative target port";
        TARGET_PORT_GROUP = 0x5, "target port group";
        LOGICAL_UNIT_GROUP = 0x6, "logical unit group";
        MD5 = 0x7, "MD5 logical unit identifier";
        SCSI_NAME = 0x8, "SCSI name string";
        PROTOCOL_SPECIFIC_PORT = 0x9, "protocol specific port";
        UUID = 0xa, "UUID";
    }
}

open_code! {
    /// ASSOCIATION, two bits: what the designator names. Source: SPC-5 7.7.
    pub struct Association(u8) {
        LOGICAL_UNIT = 0, "logical unit";
        TARGET_PORT = 1, "target port";
        TARGET_DEVICE = 2, "target device";
    }
}

open_code! {
    /// CODE SET, four bits. Source: SPC-5 7.7.
    pub struct CodeSet(u8) {
        BINARY = 1, "binary";
        ASCII = 2, "ASCII";
        UTF_8 = 3, "UTF-8";
    }
}

/// One designation descriptor. Source: SPC-5 7.7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Designator<'a> {
    /// PROTOCOL IDENTIFIER, where PIV is set: 6 is SAS, 5 is iSCSI, 0 is Fibre Channel.
    pub protocol: Option<u8>,
    /// CODE SET.
    pub code_set: CodeSet,
    /// ASSOCIATION.
    pub association: Association,
    /// DESIGNATOR TYPE.
    pub kind: DesignatorType,
    /// DESIGNATOR.
    pub id: &'a [u8],
}

/// A designator of more than 255 bytes, or a buffer that cannot hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DesignatorTooLong {
    /// Bytes needed, the four of the header included.
    pub needed: usize,
    /// Bytes possible.
    pub available: usize,
}

/// The descriptors of a Device Identification page. Ends with the page, always; a descriptor that
/// claims more than there is ends the walk. Source: SPC-5 7.7.
#[derive(Clone, Debug)]
pub struct Designators<'a> {
    rest: &'a [u8],
}

const HEADER: usize = 4;
const PIV: u8 = 0x80;

impl<'a> Designators<'a> {
    /// Walks `page`; empty for any other page than Device Identification.
    #[must_use = "an iterator does nothing until it is walked"]
    pub fn new(page: &VpdPage<'a>) -> Self {
        let is_identification = page.code == PageCode::DEVICE_IDENTIFICATION;
        Self { rest: if is_identification { page.body } else { &[] } }
    }

    /// Walks descriptors that are in another page.
    pub(super) const fn over(rest: &'a [u8]) -> Self {
        Self { rest }
    }
}

impl<'a> Iterator for Designators<'a> {
    type Item = Designator<'a>;

    fn next(&mut self) -> Option<Designator<'a>> {
        // The header goes with every step, so that a zero length cannot stop the walk.
        let [first, second, _, len, rest @ ..] = self.rest else {
            return None;
        };
        let step = rest.split_at_checked(usize::from(*len));
        self.rest = step.map_or(&[], |(_, rest)| rest);
        let (id, _) = step?;
        Some(Designator {
            protocol: (second & PIV != 0).then_some(first >> 4),
            code_set: CodeSet(first & 0x0f),
            association: Association(second >> 4 & 3),
            kind: DesignatorType(second & 0x0f),
            id,
        })
    }
}

impl Designator<'_> {
    /// Writes the descriptor and tells how many bytes. Fields are cut to their width.
    ///
    /// # Errors
    ///
    /// [`DesignatorTooLong`] when `out` is too short or `id` has more than 255 bytes.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, DesignatorTooLong> {
        let needed = HEADER + self.id.len();
        let available = out.len().min(HEADER + usize::from(u8::MAX));
        let too_long = DesignatorTooLong { needed, available };
        let len = u8::try_from(self.id.len()).map_err(|_| too_long)?;
        let (header, id) =
            out.get_mut(..needed).and_then(<[u8]>::split_first_chunk_mut).ok_or(too_long)?;
        *header = [
            self.protocol.unwrap_or(0) << 4 | self.code_set.0 & 0x0f,
            self.protocol.map_or(0, |_| PIV) | (self.association.0 & 3) << 4 | self.kind.0 & 0x0f,
            0,
            len,
        ];
        id.copy_from_slice(self.id);
        Ok(needed)
    }
}

impl fmt::Display for DesignatorTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "designator of {} bytes, at most {} fit", self.needed, self.available)
    }
}

impl core::error::Error for DesignatorTooLong {}
