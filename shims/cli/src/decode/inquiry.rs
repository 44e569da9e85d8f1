//! `hba decode inquiry`.

use scsi_proto::inquiry::{
    DeviceType, PeripheralQualifier, StandardInquiry, Version, VersionDescriptor,
};

use super::layout::{Show, Spec, bit, bits, bytes};
use super::report::{Report, Section};

/// PERIPHERAL QUALIFIER and PERIPHERAL DEVICE TYPE, byte 0 of all INQUIRY data.
pub(super) const PERIPHERAL: [Spec; 2] = [
    bits(0, 7, 5, "PERIPHERAL QUALIFIER")
        .shown(Show::Meaning(|code| PeripheralQualifier(code as u8).name().map(str::to_owned))),
    bits(0, 4, 0, "PERIPHERAL DEVICE TYPE")
        .shown(Show::Code(|code| DeviceType(code as u8).name().map(str::to_owned))),
];

/// Source: SPC-5 6, standard INQUIRY data, with the bits that older standards had.
const STANDARD: &[Spec] = &[
    bit(1, 7, "RMB").shown(Show::Meaning(|bit| {
        Some(if bit == 1 { "removable medium" } else { "medium is not removable" }.to_owned())
    })),
    bit(1, 6, "LU_CONG"),
    bits(2, 7, 0, "VERSION")
        .shown(Show::Code(|code| Version(code as u8).name().map(str::to_owned))),
    bit(3, 5, "NORMACA"),
    bit(3, 4, "HISUP"),
    bits(3, 3, 0, "RESPONSE DATA FORMAT"),
    bytes(4, 1, "ADDITIONAL LENGTH"),
    bit(5, 7, "SCCS"),
    bit(5, 6, "ACC").shown(OBSOLETE),
    bits(5, 5, 4, "TPGS").shown(Show::Meaning(tpgs)),
    bit(5, 3, "3PC"),
    bit(5, 0, "PROTECT"),
    bit(6, 7, "BQUE").shown(OBSOLETE),
    bit(6, 6, "ENCSERV"),
    bit(6, 5, "VS"),
    bit(6, 4, "MULTIP"),
    bit(6, 3, "MCHNGR").shown(OBSOLETE),
    bit(6, 0, "ADDR16").shown(PARALLEL),
    bit(7, 5, "WBUS16").shown(PARALLEL),
    bit(7, 4, "SYNC").shown(PARALLEL),
    bit(7, 3, "LINKED").shown(OBSOLETE),
    bit(7, 1, "CMDQUE"),
    bit(7, 0, "VS"),
    bytes(8, 8, "T10 VENDOR IDENTIFICATION").shown(Show::Ascii),
    bytes(16, 16, "PRODUCT IDENTIFICATION").shown(Show::Ascii),
    bytes(32, 4, "PRODUCT REVISION LEVEL").shown(Show::Ascii),
    bytes(36, 20, "VENDOR SPECIFIC").shown(Show::Bytes),
    bits(56, 3, 2, "CLOCKING").shown(PARALLEL),
    bit(56, 1, "QAS").shown(PARALLEL),
    bit(56, 0, "IUS").shown(PARALLEL),
    bytes(58, 2, "VERSION DESCRIPTOR 1").shown(DESCRIPTOR),
    bytes(60, 2, "VERSION DESCRIPTOR 2").shown(DESCRIPTOR),
    bytes(62, 2, "VERSION DESCRIPTOR 3").shown(DESCRIPTOR),
    bytes(64, 2, "VERSION DESCRIPTOR 4").shown(DESCRIPTOR),
    bytes(66, 2, "VERSION DESCRIPTOR 5").shown(DESCRIPTOR),
    bytes(68, 2, "VERSION DESCRIPTOR 6").shown(DESCRIPTOR),
    bytes(70, 2, "VERSION DESCRIPTOR 7").shown(DESCRIPTOR),
    bytes(72, 2, "VERSION DESCRIPTOR 8").shown(DESCRIPTOR),
];

const OBSOLETE: Show = Show::Meaning(|bit| (bit == 1).then(|| "obsolete".to_owned()));
const PARALLEL: Show = Show::Meaning(|bit| (bit != 0).then(|| "parallel SCSI".to_owned()));
const DESCRIPTOR: Show =
    Show::Code(|code| VersionDescriptor(code as u16).name().map(str::to_owned));

fn tpgs(code: u64) -> Option<String> {
    let meaning = match code {
        0 => "no asymmetric access",
        1 => "implicit asymmetric access",
        2 => "explicit asymmetric access",
        _ => "implicit and explicit asymmetric access",
    };
    Some(meaning.to_owned())
}

/// Standard INQUIRY data.
pub(super) fn decode(input: &[u8]) -> Report {
    let claimed = input.get(4).map_or(5, |&additional| 5 + usize::from(additional));
    let data = input.get(..claimed).unwrap_or(input);
    let mut report = Report::new(match StandardInquiry::parse(input) {
        Ok(inquiry) => format!(
            "standard INQUIRY data: {} {} {}, {}",
            inquiry.vendor, inquiry.product, inquiry.revision, inquiry.device_type
        ),
        Err(_) => "the start of standard INQUIRY data".to_owned(),
    });
    let mut section = Section::read("standard INQUIRY data", data, 0, &PERIPHERAL);
    for spec in STANDARD {
        section.push(spec.read(data, 0));
    }
    section.push_rest(data, 0, StandardInquiry::LEN, "vendor specific parameters");
    report.section(section);
    report.note_length(claimed, input.len());
    report
}
