//! Designation descriptors of the pages that have them. Source: SPC-5 7.7.

use scsi_proto::vpd::{Association, CodeSet, DesignatorType};

use super::layout::{Show, Spec, bit, bits, bytes};
use super::report::{Report, Section};

const HEADER_LEN: usize = 4;

const HEADER: &[Spec] = &[
    bits(0, 7, 4, "PROTOCOL IDENTIFIER").shown(Show::Code(protocol)),
    bits(0, 3, 0, "CODE SET")
        .shown(Show::Code(|code| CodeSet(code as u8).name().map(str::to_owned))),
    bit(1, 7, "PIV").shown(Show::Meaning(|valid| {
        (valid == 0).then(|| "PROTOCOL IDENTIFIER means nothing".to_owned())
    })),
    bits(1, 5, 4, "ASSOCIATION")
        .shown(Show::Code(|code| Association(code as u8).name().map(str::to_owned))),
    bits(1, 3, 0, "DESIGNATOR TYPE")
        .shown(Show::Code(|code| DesignatorType(code as u8).name().map(str::to_owned))),
    bytes(3, 1, "DESIGNATOR LENGTH"),
];

/// One section for each descriptor in `data` from byte `start` to its end.
pub(super) fn sections(report: &mut Report, data: &[u8], start: usize, what: &str) {
    let mut base = start;
    while let Some(rest) = data.get(base..).filter(|rest| !rest.is_empty()) {
        let len = HEADER_LEN + rest.get(3).map_or(0, |&len| usize::from(len));
        let descriptor = rest.get(..len).unwrap_or(rest);
        report.section(section(descriptor, base, what));
        base += len;
    }
    if base > data.len() {
        report.note(format!("the last {what} ends {} bytes early", base - data.len()));
    }
}

fn section(data: &[u8], base: usize, what: &str) -> Section {
    let mut section = Section::read(format!("{what} at byte {base}"), data, base, HEADER);
    let [first, second, ..] = *data else { return section };
    let id = data.get(HEADER_LEN..).unwrap_or_default();
    match (DesignatorType(second & 0x0f), CodeSet(first & 0x0f)) {
        _ if id.is_empty() => {}
        (DesignatorType::T10_VENDOR_ID, CodeSet::ASCII | CodeSet::UTF_8) if id.len() > 8 => {
            let vendor = bytes(4, 8, "T10 VENDOR IDENTIFICATION").shown(Show::Ascii);
            section.push(vendor.read(data, base));
            let own = bytes(12, id.len() - 8, "VENDOR SPECIFIC IDENTIFIER").shown(Show::Ascii);
            section.push(own.read(data, base));
        }
        (_, CodeSet::ASCII | CodeSet::UTF_8) => {
            let text = bytes(4, id.len(), "DESIGNATOR").shown(Show::Ascii);
            section.push(text.read(data, base));
        }
        (
            kind @ (DesignatorType::RELATIVE_TARGET_PORT
            | DesignatorType::TARGET_PORT_GROUP
            | DesignatorType::LOGICAL_UNIT_GROUP),
            _,
        ) if id.len() == 4 => {
            let name = match kind {
                DesignatorType::RELATIVE_TARGET_PORT => "RELATIVE TARGET PORT IDENTIFIER",
                DesignatorType::TARGET_PORT_GROUP => "TARGET PORT GROUP",
                _ => "LOGICAL UNIT GROUP",
            };
            section.push(bytes(6, 2, name).read(data, base));
        }
        (kind, _) => {
            if kind == DesignatorType::NAA {
                section.push(bits(4, 7, 4, "NAA").shown(Show::Code(naa)).read(data, base));
            }
            section.push_rest(data, base, HEADER_LEN, "DESIGNATOR");
        }
    }
    section
}

/// Source: SPC-5 7.6, PROTOCOL IDENTIFIER.
fn protocol(code: u64) -> Option<String> {
    let name = match code {
        0 => "Fibre Channel",
        1 => "parallel SCSI",
        2 => "SSA",
        3 => "IEEE 1394",
        4 => "RDMA",
        5 => "iSCSI",
        6 => "SAS",
        7 => "ADT",
        8 => "ATA/ATAPI",
        9 => "UAS",
        10 => "SCSI over PCI Express",
        11 => "PCI Express",
        _ => return None,
    };
    Some(name.to_owned())
}

/// Source: SPC-5 7.7, NAA designator.
fn naa(code: u64) -> Option<String> {
    let name = match code {
        2 => "IEEE Extended",
        3 => "Locally Assigned",
        5 => "IEEE Registered",
        6 => "IEEE Registered Extended",
        _ => return None,
    };
    Some(name.to_owned())
}
