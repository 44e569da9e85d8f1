//! `hba decode mode`.

use scsi_proto::mode::{ModeForm, ModeParameters};

use super::layout::{Show, Spec, bit, bits, bytes, code};
use super::mode_fields;
use super::report::{Report, Section};

const HEADER_6: &[Spec] = &[
    bytes(0, 1, "MODE DATA LENGTH"),
    code(1, "MEDIUM TYPE"),
    bit(2, 7, "WP"),
    bit(2, 4, "DPOFUA"),
    bytes(3, 1, "BLOCK DESCRIPTOR LENGTH"),
];
const HEADER_10: &[Spec] = &[
    bytes(0, 2, "MODE DATA LENGTH"),
    code(2, "MEDIUM TYPE"),
    bit(3, 7, "WP"),
    bit(3, 4, "DPOFUA"),
    bit(4, 0, "LONGLBA"),
    bytes(6, 2, "BLOCK DESCRIPTOR LENGTH"),
];

const SHORT: &[Spec] = &[
    bytes(0, 4, "NUMBER OF LOGICAL BLOCKS"),
    code(4, "DENSITY CODE"),
    bytes(5, 3, "LOGICAL BLOCK LENGTH"),
];
const LONG: &[Spec] =
    &[bytes(0, 8, "NUMBER OF LOGICAL BLOCKS"), bytes(12, 4, "LOGICAL BLOCK LENGTH")];

/// Mode parameter data; without `form` of the form that its MODE DATA LENGTH fits.
pub(super) fn decode(input: &[u8], form: Option<ModeForm>) -> Report {
    let form = form.unwrap_or_else(|| guess(input));
    let (number, header) = match form {
        ModeForm::Six => (6, HEADER_6),
        ModeForm::Ten => (10, HEADER_10),
    };
    let mut report = Report::new(format!("mode parameters, as of MODE SENSE({number})"));
    report.section(Section::read("header", input, 0, header));
    let Ok(parameters) = ModeParameters::parse_sense(input, form) else {
        report.note_length(form.header_len(), input.len());
        return report;
    };
    // MODE DATA LENGTH is reserved in MODE SELECT: zero then, and all bytes count.
    let is_select = input.iter().take(form.header_len() / 4).all(|byte| *byte == 0);
    let claimed = if is_select { input.len() } else { parameters.claimed_len };
    let data = input.get(..claimed.max(form.header_len())).unwrap_or(input);
    let pages = block_descriptors(&mut report, data, form, parameters.header.long_lba);
    walk_pages(&mut report, data, pages);
    report.note_length(claimed, input.len());
    report
}

/// MODE DATA LENGTH of MODE SENSE(6) is never zero, and of MODE SENSE(10) rarely above 255. In MODE SELECT it is zero,
/// and MODE SELECT(6) is the usual one.
fn guess(input: &[u8]) -> ModeForm {
    match input {
        [0, low, ..] if *low != 0 => ModeForm::Ten,
        [high, low, ..] if usize::from(u16::from_be_bytes([*high, *low])) + 2 == input.len() => {
            ModeForm::Ten
        }
        _ => ModeForm::Six,
    }
}

/// Adds the block descriptors and tells where the pages start.
fn block_descriptors(report: &mut Report, data: &[u8], form: ModeForm, long: bool) -> usize {
    let start = form.header_len();
    let len = match (form, data) {
        (ModeForm::Six, [_, _, _, len, ..]) => usize::from(*len),
        (ModeForm::Ten, [_, _, _, _, _, _, high, low, ..]) => {
            u16::from_be_bytes([*high, *low]).into()
        }
        _ => 0,
    };
    let end = (start + len).min(data.len());
    let (step, fields) = if long { (16, LONG) } else { (8, SHORT) };
    let descriptors = data.get(start..end).unwrap_or_default();
    for (number, descriptor) in descriptors.chunks(step).enumerate() {
        let base = start + number * step;
        let title = format!("block descriptor at byte {base}");
        report.section(Section::read(title, descriptor, base, fields));
    }
    end
}

fn walk_pages(report: &mut Report, data: &[u8], start: usize) {
    let mut base = start;
    while let Some(rest) = data.get(base..).filter(|rest| !rest.is_empty()) {
        let long = rest.first().is_some_and(|first| first & 0x40 != 0);
        let len = match *rest {
            [_, _, high, low, ..] if long => 4 + usize::from(u16::from_be_bytes([high, low])),
            [_, len, ..] if !long => 2 + usize::from(len),
            _ => rest.len(),
        };
        let page = rest.get(..len).unwrap_or(rest);
        report.section(section(page, base, long));
        if len > rest.len() {
            report.note(format!("the page at byte {base} ends {} bytes early", len - rest.len()));
        }
        base += len;
    }
}

fn section(page: &[u8], base: usize, long: bool) -> Section {
    let id = page.first().copied().unwrap_or(0) & 0x3f;
    let subpage = if long { page.get(1).copied().unwrap_or(0) } else { 0 };
    let layout = mode_fields::of(id, subpage);
    let title = match (layout.name, subpage) {
        (Some(name), _) => format!("page {id:02X}h at byte {base}: {name}"),
        (None, 0) => format!("page {id:02X}h at byte {base}"),
        (None, subpage) => format!("page {id:02X}h subpage {subpage:02X}h at byte {base}"),
    };
    let start = [bit(0, 7, "PS"), bit(0, 6, "SPF"), bits(0, 5, 0, "PAGE CODE").shown(Show::Hex)];
    let mut section = Section::read(title, page, base, &start);
    let lengths: &[Spec] = if long {
        &[code(1, "SUBPAGE CODE"), bytes(2, 2, "PAGE LENGTH")]
    } else {
        &[bytes(1, 1, "PAGE LENGTH")]
    };
    for spec in lengths.iter().chain(layout.fields) {
        section.push(spec.read(page, base));
    }
    let known = layout.len.max(if long { 4 } else { 2 });
    section.push_rest(page, base, known, "bytes that are not known");
    section
}
