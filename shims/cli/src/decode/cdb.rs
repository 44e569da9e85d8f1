//! `hba decode cdb`.

use scsi_proto::command::{AnyCommand, ParseError};
use scsi_proto::table::{self, BlockCount, CommandInfo, DataDirection, ImpliedTransfer};
use scsi_proto::{Cdb, Opcode};

use super::cdb_fields::{self, CdbField};
use super::layout::{Show, bytes, code};
use super::report::{Report, Section};

/// The CDB at the start of `input`, on a unit with blocks of `block_size` bytes.
pub(super) fn decode(input: &[u8], block_size: u32) -> Report {
    let held = input.get(..Cdb::LEN_MAX).unwrap_or(input);
    let Ok(cdb) = Cdb::new(held) else { return Report::new("no CDB") };
    let info = table::lookup(&cdb);
    let fields = info.and_then(cdb_fields::of);
    let mut report = Report::new(summary(&cdb, info));
    let expected = info.and_then(CommandInfo::cdb_len).or_else(|| cdb.opcode().group_length());
    report.fact("length", length(expected, input.len()));
    if let Some(info) = info {
        report.fact("direction", direction(info.direction()));
        report.fact("implied transfer", transfer(info.implied_transfer(&cdb, block_size)));
        if let Some(range) = range(info, &cdb) {
            report.fact("blocks", range);
        }
    }
    report.section(section(&cdb, expected.unwrap_or(held.len()), fields.as_deref()));
    if let Some(fields) = &fields {
        note_reserved(&mut report, &cdb, expected.unwrap_or(held.len()), fields);
    } else if info.is_some() {
        report.note("the layout of this command is not recorded");
    }
    if let Err(ParseError::ReservedBits { byte, .. }) = AnyCommand::parse(&cdb) {
        report.note(format!("a device that checks answers 5/24/00, field pointer byte {byte}"));
    }
    report.note_length(expected.unwrap_or(input.len()), input.len());
    report
}

fn summary(cdb: &Cdb, info: Option<&CommandInfo>) -> String {
    let opcode = cdb.opcode();
    let kind = if opcode.is_vendor_specific() { "vendor specific" } else { "unknown command" };
    match (info, cdb.service_action()) {
        (Some(info), _) => info.name().to_owned(),
        (None, Some(action)) => format!("{kind}, {opcode}, service action {action:02X}h"),
        (None, None) => format!("{kind}, operation code {:02X}h", opcode.0),
    }
}

fn length(expected: Option<usize>, present: usize) -> String {
    match expected {
        Some(expected) => format!("{expected} bytes"),
        None => format!("not known, {present} bytes are here"),
    }
}

fn direction(direction: DataDirection) -> &'static str {
    match direction {
        DataDirection::None => "no data",
        DataDirection::In => "data-in",
        DataDirection::Out => "data-out",
        DataDirection::OutOrNone => "data-out or no data, as a field says",
        DataDirection::Bidirectional => "data-out and data-in",
        DataDirection::Any => "data-in, data-out or no data, as a field says",
    }
}

fn transfer(implied: ImpliedTransfer) -> String {
    match implied {
        ImpliedTransfer::None => "no data".to_owned(),
        ImpliedTransfer::Exactly(bytes) => format!("{bytes} bytes"),
        ImpliedTransfer::AtMost(bytes) => format!("at most {bytes} bytes"),
        ImpliedTransfer::Unknown => "the CDB alone does not tell".to_owned(),
    }
}

fn range(info: &CommandInfo, cdb: &Cdb) -> Option<String> {
    let first = info.lba(cdb)?.0;
    Some(match info.blocks(cdb)? {
        BlockCount::ToEnd => format!("from {first} to the last one"),
        BlockCount::Blocks(0) => format!("none, at {first}"),
        BlockCount::Blocks(count) => match first.checked_add(count - 1) {
            Some(last) => format!("{count}, from {first} to {last}"),
            None => format!("{count}, from {first}, which is beyond any disk"),
        },
    })
}

/// The fields in the order of the bytes; a CDB without a recorded layout in three pieces.
fn section(cdb: &Cdb, len: usize, fields: Option<&[CdbField]>) -> Section {
    let data = cdb.as_bytes();
    let opcode = code(0, "OPERATION CODE")
        .shown(Show::Code(|code| Opcode(code as u8).name().map(str::to_owned)));
    let mut section = Section::read("bytes", data, 0, &[opcode]);
    let Some(fields) = fields else {
        section.push_rest(data, 0, 1, "bytes that are not known");
        return section;
    };
    let at = cdb_fields::control_at(cdb.opcode(), len);
    let control = bytes(at, 1, "CONTROL").shown(Show::Code(|control| {
        let vendor = (control >> 6 != 0).then_some("vendor specific bits");
        let naca = (control & 4 != 0).then_some("NACA");
        let words: Vec<_> = vendor.into_iter().chain(naca).collect();
        (!words.is_empty()).then(|| words.join(", "))
    }));
    let control = control.read(data, 0);
    // In a variable length CDB it comes first.
    let (before, after) = if at == 1 { (control, None) } else { (None, control) };
    section.push(before);
    fields.iter().for_each(|field| section.push(field.read(data)));
    section.push(after);
    section
}

/// Notes the bits that are set and belong to no field.
fn note_reserved(report: &mut Report, cdb: &Cdb, len: usize, fields: &[CdbField]) {
    let control = cdb_fields::control_at(cdb.opcode(), len);
    for (byte, &found) in cdb.as_bytes().iter().enumerate().take(len).skip(1) {
        let known = fields.iter().fold(0, |mask, field| mask | field.mask(byte));
        let reserved = found & !known;
        if byte != control && reserved != 0 {
            report.note(format!("reserved bits {reserved:02X}h are set in byte {byte}"));
        }
    }
}
