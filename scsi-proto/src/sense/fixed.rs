//! Fixed format sense data. Source: SPC-5 4.4.3.

use zerocopy::byteorder::big_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{AdditionalSense, Sense, SenseFormat, SenseKey, SenseKeySpecific};
use crate::wire::{self, BufferTooSmall};

#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct FixedSense {
    /// VALID (bit 7) and RESPONSE CODE.
    response: u8,
    obsolete: u8,
    /// FILEMARK, EOM, ILI, SDAT_OVFL and SENSE KEY.
    flags: u8,
    information: U32,
    /// ADDITIONAL SENSE LENGTH: bytes that follow byte 7.
    additional_length: u8,
    command_specific: U32,
    asc: u8,
    ascq: u8,
    field_replaceable_unit: u8,
    key_specific: [u8; 3],
}

const LEN: usize = 18;
const _: () = assert!(size_of::<FixedSense>() == LEN);

/// Bytes up to and including ADDITIONAL SENSE LENGTH.
const HEADER: usize = 8;
const VALID: u8 = 0x80;

pub(super) fn parse(bytes: &[u8], deferred: bool) -> Option<Sense> {
    wire::require(bytes, 3).ok()?;
    let end = bytes.get(7).map_or(bytes.len(), |&additional| HEADER + usize::from(additional));
    let present = bytes.get(..end).unwrap_or(bytes);
    let wire: FixedSense = wire::read_padded(present);
    // Part of a field pointer or a count would be a wrong one.
    let key_specific = if present.len() < LEN { [0; 3] } else { wire.key_specific };
    let information_present = wire.response & VALID != 0 && bytes.len() >= 7;
    Some(Sense {
        format: SenseFormat::Fixed,
        deferred,
        key: SenseKey(wire.flags & 0x0f),
        additional: AdditionalSense::new(wire.asc, wire.ascq),
        information: information_present.then(|| wire.information.get().into()),
        command_specific: Some(wire.command_specific.get().into()).filter(|&value| value != 0),
        filemark: wire.flags & 0x80 != 0,
        eom: wire.flags & 0x40 != 0,
        ili: wire.flags & 0x20 != 0,
        overflow: wire.flags & 0x10 != 0,
        field_replaceable_unit: wire.field_replaceable_unit,
        key_specific: SenseKeySpecific::from_wire(key_specific),
    })
}

pub(super) fn emit(sense: &Sense, out: &mut [u8]) -> Result<usize, BufferTooSmall> {
    let narrow = |value: Option<u64>| value.and_then(|value| u32::try_from(value).ok());
    let information = narrow(sense.information);
    let flags = [sense.filemark, sense.eom, sense.ili, sense.overflow];
    let flags = flags.iter().fold(0, |bits, &flag| bits << 1 | u8::from(flag));
    let wire = FixedSense {
        response: 0x70 | u8::from(sense.deferred) | if information.is_some() { VALID } else { 0 },
        obsolete: 0,
        flags: flags << 4 | sense.key.0 & 0x0f,
        information: information.unwrap_or(0).into(),
        additional_length: (LEN - HEADER) as u8,
        command_specific: narrow(sense.command_specific).unwrap_or(0).into(),
        asc: sense.additional.asc,
        ascq: sense.additional.ascq,
        field_replaceable_unit: sense.field_replaceable_unit,
        key_specific: SenseKeySpecific::to_wire(sense.key_specific),
    };
    wire::write(&wire, out)
}
