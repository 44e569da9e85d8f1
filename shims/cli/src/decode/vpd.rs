//! `hba decode vpd`.

use scsi_proto::vpd::{PageCode, VpdPage, logical_unit_wwn};

use super::inquiry::PERIPHERAL;
use super::layout::{Show, Spec, bit, bits, bytes, code};
use super::report::{Report, Section};
use super::{designator, vpd_fields};

const HEADER: [Spec; 2] = [
    code(1, "PAGE CODE").shown(Show::Code(|code| PageCode(code as u8).name().map(str::to_owned))),
    bytes(2, 2, "PAGE LENGTH"),
];

/// A vital product data page.
pub(super) fn decode(input: &[u8]) -> Report {
    let claimed = match input {
        [_, _, high, low, ..] => {
            VpdPage::HEADER_LEN + usize::from(u16::from_be_bytes([*high, *low]))
        }
        _ => VpdPage::HEADER_LEN,
    };
    let data = input.get(..claimed).unwrap_or(input);
    let page = VpdPage::parse(input);
    let mut report = Report::new(match &page {
        Ok(page) => match page.code.name() {
            Some(name) => format!("VPD page {:02X}h, {name}", page.code.0),
            None => format!("VPD page {:02X}h", page.code.0),
        },
        Err(_) => "the start of a VPD page".to_owned(),
    });
    let mut header = Section::read("header", data, 0, &PERIPHERAL);
    HEADER.iter().for_each(|spec| header.push(spec.read(data, 0)));
    report.section(header);
    if let Ok(page) = page {
        if let Some(wwn) = logical_unit_wwn(&page) {
            report.fact("logical unit", wwn.to_string());
        }
        body(&mut report, page.code, data);
    }
    report.note_length(claimed, input.len());
    report
}

/// What follows the header, by page.
fn body(report: &mut Report, code: PageCode, data: &[u8]) {
    match code {
        PageCode::SUPPORTED_PAGES => report.section(supported(data)),
        PageCode::DEVICE_IDENTIFICATION => {
            designator::sections(report, data, VpdPage::HEADER_LEN, "designator");
        }
        PageCode::MODE_PAGE_POLICY => policies(report, data),
        PageCode::SCSI_PORTS => ports(report, data),
        _ => report.section(fixed(code, data)),
    }
}

/// A page with fields at fixed places.
fn fixed(code: PageCode, data: &[u8]) -> Section {
    let (fields, known) = vpd_fields::of(code);
    let mut section = Section::read("page", data, 0, fields);
    if code == PageCode::UNIT_SERIAL_NUMBER {
        let len = data.len().saturating_sub(VpdPage::HEADER_LEN);
        let serial = bytes(VpdPage::HEADER_LEN, len, "PRODUCT SERIAL NUMBER").shown(Show::Ascii);
        section.push(serial.read(data, 0).filter(|_| len > 0));
        return section;
    }
    section.push_rest(data, 0, known, "bytes that are not known");
    section
}

fn supported(data: &[u8]) -> Section {
    let name = Show::Code(|code| PageCode(code as u8).name().map(str::to_owned));
    let page = |at| code(at, "SUPPORTED PAGE").shown(name);
    let pages: Vec<_> = (VpdPage::HEADER_LEN..data.len()).map(page).collect();
    Section::read("page", data, 0, &pages)
}

/// Source: SPC-5 7.7, Mode Page Policy.
fn policies(report: &mut Report, data: &[u8]) {
    const POLICY: &[Spec] = &[
        bits(0, 5, 0, "POLICY PAGE CODE").shown(Show::Hex),
        code(1, "POLICY SUBPAGE CODE"),
        bit(2, 7, "MLUS"),
        bits(2, 1, 0, "MODE PAGE POLICY").shown(Show::Meaning(|policy| {
            let meaning = match policy {
                0 => "shared",
                1 => "per target port",
                3 => "per I_T nexus",
                _ => return None,
            };
            Some(meaning.to_owned())
        })),
    ];
    let body = data.get(VpdPage::HEADER_LEN..).unwrap_or_default();
    for (number, descriptor) in body.chunks(4).enumerate() {
        let base = VpdPage::HEADER_LEN + number * 4;
        let title = format!("descriptor at byte {base}: mode page policy");
        report.section(Section::read(title, descriptor, base, POLICY));
    }
}

/// Source: SPC-5 7.7, SCSI Ports.
fn ports(report: &mut Report, data: &[u8]) {
    let mut base = VpdPage::HEADER_LEN;
    while let Some(rest) = data.get(base..).filter(|rest| !rest.is_empty()) {
        let header = [
            bytes(2, 2, "RELATIVE PORT IDENTIFIER"),
            bytes(6, 2, "INITIATOR PORT TRANSPORTID LENGTH"),
        ];
        let title = format!("port at byte {base}");
        let mut section = Section::read(title, rest, base, &header);
        let id_len = be16(rest, 6);
        let id = bytes(8, id_len, "INITIATOR PORT TRANSPORTID").shown(Show::Bytes);
        section.push(id.read(rest, base).filter(|_| id_len > 0));
        let at = 8 + id_len + 2;
        section.push(bytes(at, 2, "TARGET PORT DESCRIPTORS LENGTH").read(rest, base));
        report.section(section);
        let start = base + at + 2;
        let end = (start + be16(rest, at)).min(data.len());
        if let Some(designators) = data.get(..end).filter(|_| start < end) {
            designator::sections(report, designators, start, "target port descriptor");
        }
        base = end.max(start);
    }
}

fn be16(data: &[u8], at: usize) -> usize {
    let found = data.get(at..).and_then(<[u8]>::first_chunk);
    found.map_or(0, |bytes| u16::from_be_bytes(*bytes).into())
}
