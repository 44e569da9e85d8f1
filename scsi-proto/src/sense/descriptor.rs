//! Descriptor format sense data. Source: SPC-5 4.4.2.

use super::{AdditionalSense, Sense, SenseFormat, SenseKey, SenseKeySpecific};
use crate::wire::{BufferTooSmall, Writer};

/// Bytes up to and including ADDITIONAL SENSE LENGTH.
const HEADER: usize = 8;

const INFORMATION: u8 = 0x00;
const COMMAND_SPECIFIC: u8 = 0x01;
const KEY_SPECIFIC: u8 = 0x02;
const FIELD_REPLACEABLE_UNIT: u8 = 0x03;
const STREAM_COMMANDS: u8 = 0x04;
const BLOCK_COMMANDS: u8 = 0x05;
/// All of the above in one. Source: SBC-4 4.18.
const DIRECT_ACCESS: u8 = 0x0d;

/// One sense data descriptor. Source: SPC-5 4.4.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenseDescriptor<'a> {
    /// DESCRIPTOR TYPE.
    pub kind: u8,
    /// What follows the ADDITIONAL LENGTH byte; shorter than claimed where the data ends early.
    pub body: &'a [u8],
}

/// The descriptors of sense data in descriptor format. Ends with the data, always.
/// Source: SPC-5 4.4.2.
#[derive(Clone, Debug)]
pub struct SenseDescriptors<'a> {
    rest: &'a [u8],
}

impl<'a> SenseDescriptors<'a> {
    /// Walks the descriptors of whole sense data. Empty unless the response code is 72h or 73h.
    #[must_use = "an iterator does nothing until it is walked"]
    pub fn new(bytes: &'a [u8]) -> Self {
        let is_descriptor = bytes.first().is_some_and(|code| matches!(code & 0x7f, 0x72 | 0x73));
        let end = bytes.get(7).map_or(0, |&additional| HEADER + usize::from(additional));
        let bytes = bytes.get(..end).unwrap_or(bytes);
        Self { rest: bytes.get(HEADER..).filter(|_| is_descriptor).unwrap_or_default() }
    }
}

impl<'a> Iterator for SenseDescriptors<'a> {
    type Item = SenseDescriptor<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        // Two bytes go with every step, so that a zero length cannot stop the walk.
        let [kind, additional, rest @ ..] = self.rest else {
            return None;
        };
        let len = usize::from(*additional).min(rest.len());
        let (body, rest) = rest.split_at_checked(len)?;
        self.rest = rest;
        Some(SenseDescriptor { kind: *kind, body })
    }
}

pub(super) fn parse(bytes: &[u8], deferred: bool) -> Option<Sense> {
    let [_, key, header @ ..] = bytes else {
        return None;
    };
    let byte = |index: usize| header.get(index).copied().unwrap_or(0);
    let additional = AdditionalSense::new(byte(0), byte(1));
    let mut sense = Sense {
        format: SenseFormat::Descriptor,
        deferred,
        overflow: byte(2) & 0x80 != 0,
        ..Sense::new(SenseKey(key & 0x0f), additional)
    };
    for descriptor in SenseDescriptors::new(bytes) {
        apply(&mut sense, descriptor);
    }
    Some(sense)
}

/// Takes over what the descriptor says, unless an earlier one has said it.
fn apply(sense: &mut Sense, SenseDescriptor { kind, body }: SenseDescriptor<'_>) {
    match (kind, body) {
        (INFORMATION, [flags, _, value @ ..]) if flags & 0x80 != 0 => {
            sense.information = sense.information.or_else(|| be64(value));
        }
        (COMMAND_SPECIFIC, [_, _, value @ ..]) => {
            sense.command_specific = sense.command_specific.or_else(|| be64(value));
        }
        (KEY_SPECIFIC, [_, _, a, b, c, ..]) => {
            let field = SenseKeySpecific::from_wire([*a, *b, *c]);
            sense.key_specific = sense.key_specific.or(field);
        }
        (FIELD_REPLACEABLE_UNIT, [_, code, ..]) if sense.field_replaceable_unit == 0 => {
            sense.field_replaceable_unit = *code;
        }
        (STREAM_COMMANDS, [_, flags, ..]) => {
            sense.filemark |= flags & 0x80 != 0;
            sense.eom |= flags & 0x40 != 0;
            sense.ili |= flags & 0x20 != 0;
        }
        (BLOCK_COMMANDS, [_, flags, ..]) => sense.ili |= flags & 0x20 != 0,
        (DIRECT_ACCESS, [flags, _, a, b, c, code, values @ ..]) => {
            if flags & 0x80 != 0 {
                sense.information = sense.information.or_else(|| be64(values));
            }
            sense.ili |= flags & 0x20 != 0;
            let field = SenseKeySpecific::from_wire([*a, *b, *c]);
            sense.key_specific = sense.key_specific.or(field);
            if sense.field_replaceable_unit == 0 {
                sense.field_replaceable_unit = *code;
            }
            let specific = || values.get(8..).and_then(be64);
            sense.command_specific = sense.command_specific.or_else(specific);
        }
        _ => {}
    }
}

fn be64(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}

pub(super) fn emit(sense: &Sense, out: &mut [u8]) -> Result<usize, BufferTooSmall> {
    let mut writer = Writer::new(out);
    let AdditionalSense { asc, ascq } = sense.additional;
    let code = 0x72 | u8::from(sense.deferred);
    writer.put(&[code, sense.key.0 & 0x0f, asc, ascq, u8::from(sense.overflow) << 7, 0, 0, 0]);
    if let Some(information) = sense.information {
        writer.put(&[INFORMATION, 10, 0x80, 0]);
        writer.put(&information.to_be_bytes());
    }
    if let Some(value) = sense.command_specific {
        writer.put(&[COMMAND_SPECIFIC, 10, 0, 0]);
        writer.put(&value.to_be_bytes());
    }
    if sense.key_specific.is_some() {
        let [a, b, c] = SenseKeySpecific::to_wire(sense.key_specific);
        writer.put(&[KEY_SPECIFIC, 6, 0, 0, a, b, c, 0]);
    }
    if sense.field_replaceable_unit != 0 {
        writer.put(&[FIELD_REPLACEABLE_UNIT, 2, 0, sense.field_replaceable_unit]);
    }
    let ili = u8::from(sense.ili) << 5;
    if sense.filemark || sense.eom {
        let marks = u8::from(sense.filemark) << 7 | u8::from(sense.eom) << 6;
        writer.put(&[STREAM_COMMANDS, 2, 0, marks | ili]);
    } else if sense.ili {
        writer.put(&[BLOCK_COMMANDS, 2, 0, ili]);
    }
    let additional_length = (writer.len() - HEADER) as u8;
    writer.patch(7, &[additional_length]);
    writer.finish()
}
