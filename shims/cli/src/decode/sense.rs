//! `hba decode sense`.

use scsi_proto::sense::{SenseDescriptors, SenseFormat};
use scsi_proto::{AdditionalSense, Sense, SenseKey};

use super::layout::{Show, Spec, bit, bits, bytes, code};
use super::report::{Report, Section};

const KEY: Show = Show::Code(|key| SenseKey(key as u8).name().map(str::to_owned));
const PRESENT: Show = Show::Meaning(|bit| (bit == 0).then(|| "the field means nothing".to_owned()));

/// Bytes up to and including ADDITIONAL SENSE LENGTH, in both formats.
const HEADER: usize = 8;

const FIXED: &[Spec] = &[
    bit(0, 7, "VALID").shown(Show::Meaning(|valid| {
        Some(
            if valid == 1 { "INFORMATION is valid" } else { "INFORMATION is not valid" }.to_owned(),
        )
    })),
    RESPONSE_CODE,
    bit(2, 7, "FILEMARK"),
    bit(2, 6, "EOM"),
    bit(2, 5, "ILI"),
    bit(2, 4, "SDAT_OVFL"),
    bits(2, 3, 0, "SENSE KEY").shown(KEY),
    bytes(3, 4, "INFORMATION"),
    bytes(7, 1, "ADDITIONAL SENSE LENGTH"),
    bytes(8, 4, "COMMAND-SPECIFIC INFORMATION"),
    code(12, "ADDITIONAL SENSE CODE"),
    code(13, "ADDITIONAL SENSE CODE QUALIFIER"),
    code(14, "FIELD REPLACEABLE UNIT CODE"),
];
const DESCRIPTOR: &[Spec] = &[
    RESPONSE_CODE,
    bits(1, 3, 0, "SENSE KEY").shown(KEY),
    code(2, "ADDITIONAL SENSE CODE"),
    code(3, "ADDITIONAL SENSE CODE QUALIFIER"),
    bit(4, 7, "SDAT_OVFL"),
    bytes(7, 1, "ADDITIONAL SENSE LENGTH"),
];
const RESPONSE_CODE: Spec = bits(0, 6, 0, "RESPONSE CODE").shown(Show::Code(|code| {
    let meaning = match code {
        0x70 => "current error, fixed format",
        0x71 => "deferred error, fixed format",
        0x72 => "current error, descriptor format",
        0x73 => "deferred error, descriptor format",
        0x7f => "vendor specific",
        _ => return None,
    };
    Some(meaning.to_owned())
}));

/// Sense data of either format.
pub(super) fn decode(input: &[u8]) -> Report {
    let sense = match Sense::parse(input) {
        Ok(sense) => sense,
        Err(error) => return not_sense(input, &error.to_string()),
    };
    let mut report = Report::new(sense.to_string());
    let which = if sense.deferred { "an earlier command" } else { "this command" };
    report.fact("belongs to", which);
    report.fact("additional sense", additional(sense.additional));
    specific_facts(&mut report, &sense);
    let claimed = input.get(7).map_or(HEADER, |&length| HEADER + usize::from(length));
    let data = input.get(..claimed).unwrap_or(input);
    match sense.format {
        SenseFormat::Fixed => fixed(&mut report, data, sense.key),
        SenseFormat::Descriptor => descriptors(&mut report, data, sense.key),
    }
    report.note_length(claimed, input.len());
    report
}

fn not_sense(input: &[u8], why: &str) -> Report {
    let mut report = Report::new("no sense data that T10 defines");
    let mut section = Section::read("bytes", input, 0, &[RESPONSE_CODE]);
    section.push_rest(input, 0, 1, "bytes that are not known");
    report.section(section);
    report.note(why);
    report
}

fn additional(code: AdditionalSense) -> String {
    let AdditionalSense { asc, ascq } = code;
    format!("{asc:02X}h/{ascq:02X}h {}", code.name().unwrap_or("(no name known)"))
}

/// What SENSE KEY SPECIFIC says under this key.
fn specific_facts(report: &mut Report, sense: &Sense) {
    if let Some(information) = sense.information {
        report.fact("information", format!("{information} ({information:X}h)"));
    }
    if let Some(value) = sense.command_specific {
        report.fact("command-specific", format!("{value} ({value:X}h)"));
    }
    if let Some(pointer) = sense.field_pointer() {
        let place = if pointer.in_cdb { "CDB" } else { "parameter list" };
        let bit = pointer.bit.map(|bit| format!(" bit {bit}")).unwrap_or_default();
        report.fact("field at fault", format!("{place} byte {}{bit}", pointer.byte));
    }
    if let Some(pointer) = sense.segment_pointer() {
        let place =
            if pointer.in_segment_descriptor { "segment descriptor" } else { "parameter list" };
        let bit = pointer.bit.map(|bit| format!(" bit {bit}")).unwrap_or_default();
        report.fact("field at fault", format!("{place} byte {}{bit}", pointer.byte));
    }
    if let Some(overflow) = sense.unit_attention_overflow() {
        report.fact("unit attentions lost", if overflow { "yes" } else { "no" });
    }
    if let Some(progress) = sense.progress() {
        report.fact("progress", percent(progress));
    }
    if let Some(count) = sense.retry_count() {
        report.fact("retries", count.to_string());
    }
}

fn percent(progress: u16) -> String {
    let hundredths = u32::from(progress) * 10_000 / 65_536;
    format!("{}.{:02} %", hundredths / 100, hundredths % 100)
}

fn fixed(report: &mut Report, data: &[u8], key: SenseKey) {
    let mut section = Section::read("fixed format", data, 0, FIXED);
    for spec in key_specific(key, 15) {
        section.push(spec.read(data, 0));
    }
    section.push_rest(data, 0, 18, "additional sense bytes");
    report.section(section);
}

/// The fields of SENSE KEY SPECIFIC from byte `at` on, as `key` has them. Source: SPC-5 4.4.2.
fn key_specific(key: SenseKey, at: usize) -> Vec<Spec> {
    let mut fields = vec![bit(at, 7, "SKSV").shown(PRESENT)];
    match key {
        SenseKey::ILLEGAL_REQUEST => fields.extend([
            bit(at, 6, "C/D").shown(Show::Meaning(|bit| {
                Some(if bit == 1 { "in the CDB" } else { "in the parameter list" }.to_owned())
            })),
            bit(at, 3, "BPV"),
            bits(at, 2, 0, "BIT POINTER"),
            bytes(at + 1, 2, "FIELD POINTER"),
        ]),
        SenseKey::NO_SENSE | SenseKey::NOT_READY => {
            fields.push(bytes(at + 1, 2, "PROGRESS INDICATION"));
        }
        SenseKey::RECOVERED_ERROR | SenseKey::MEDIUM_ERROR | SenseKey::HARDWARE_ERROR => {
            fields.push(bytes(at + 1, 2, "ACTUAL RETRY COUNT"));
        }
        SenseKey::COPY_ABORTED => fields.extend([
            bit(at, 5, "SD"),
            bit(at, 3, "BPV"),
            bits(at, 2, 0, "BIT POINTER"),
            bytes(at + 1, 2, "FIELD POINTER"),
        ]),
        SenseKey::UNIT_ATTENTION => fields.push(bit(at, 0, "OVERFLOW")),
        _ => fields.push(bytes(at, 3, "SENSE KEY SPECIFIC").high_bit(6).shown(Show::Hex)),
    }
    fields
}

fn descriptors(report: &mut Report, data: &[u8], key: SenseKey) {
    report.section(Section::read("descriptor format", data, 0, DESCRIPTOR));
    let mut base = HEADER;
    for descriptor in SenseDescriptors::new(data) {
        let end = base + 2 + descriptor.body.len();
        let bytes = data.get(base..end).unwrap_or_default();
        report.section(self::descriptor(bytes, base, descriptor.kind, key));
        base = end;
    }
}

/// One descriptor. Source: SPC-5 4.4.2, SBC-4 and SAT-5 for the ATA registers.
fn descriptor(data: &[u8], base: usize, kind: u8, key: SenseKey) -> Section {
    let (name, fields, known) = match kind {
        0x00 => ("information", vec![bit(2, 7, "VALID"), bytes(4, 8, "INFORMATION")], 12),
        0x01 => {
            ("command specific information", vec![bytes(4, 8, "COMMAND-SPECIFIC INFORMATION")], 12)
        }
        0x02 => ("sense key specific", key_specific(key, 4), 8),
        0x03 => ("field replaceable unit", vec![code(3, "FIELD REPLACEABLE UNIT CODE")], 4),
        0x04 => {
            let fields = vec![bit(3, 7, "FILEMARK"), bit(3, 6, "EOM"), bit(3, 5, "ILI")];
            ("stream commands", fields, 4)
        }
        0x05 => ("block commands", vec![bit(3, 5, "ILI")], 4),
        0x09 => ("ATA status return", ATA_STATUS.to_vec(), 14),
        0x0a => ("another progress indication", ANOTHER_PROGRESS.to_vec(), 8),
        0x0d => ("direct access block device", direct_access(key), 24),
        0x80.. => ("vendor specific", Vec::new(), 2),
        _ => ("unknown", Vec::new(), 2),
    };
    let title = format!("descriptor at byte {base}: {name}");
    let header = [code(0, "DESCRIPTOR TYPE"), bytes(1, 1, "ADDITIONAL LENGTH")];
    let mut section = Section::read(title, data, base, &header);
    for spec in fields {
        section.push(spec.read(data, base));
    }
    section.push_rest(data, base, known, "bytes that are not known");
    section
}

const ATA_STATUS: &[Spec] = &[
    bit(2, 0, "EXTEND"),
    code(3, "ERROR"),
    code(4, "COUNT (15:8)"),
    code(5, "COUNT (7:0)"),
    code(6, "LBA (31:24)"),
    code(7, "LBA (7:0)"),
    code(8, "LBA (39:32)"),
    code(9, "LBA (15:8)"),
    code(10, "LBA (47:40)"),
    code(11, "LBA (23:16)"),
    code(12, "DEVICE"),
    code(13, "STATUS"),
];

const ANOTHER_PROGRESS: &[Spec] = &[
    code(2, "ANOTHER SENSE KEY").shown(KEY),
    code(3, "ANOTHER ADDITIONAL SENSE CODE"),
    code(4, "ANOTHER ADDITIONAL SENSE CODE QUALIFIER"),
    bytes(6, 2, "ANOTHER PROGRESS INDICATION"),
];

fn direct_access(key: SenseKey) -> Vec<Spec> {
    let mut fields = vec![bit(2, 7, "VALID"), bit(2, 5, "ILI")];
    fields.extend(key_specific(key, 4));
    fields.extend([
        code(7, "FIELD REPLACEABLE UNIT CODE"),
        bytes(8, 8, "INFORMATION"),
        bytes(16, 8, "COMMAND-SPECIFIC INFORMATION"),
    ]);
    fields
}
