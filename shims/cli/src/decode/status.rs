//! `hba decode status`.

use scsi_proto::Status;

use super::layout::{Show, bits};
use super::report::{Report, Section};

/// The first byte as a SAM status.
pub(super) fn decode(bytes: &[u8]) -> Report {
    let status = Status(bytes.first().copied().unwrap_or(0));
    let name = status.name();
    let mut report = Report::new(name.unwrap_or("unknown status"));
    let spec = bits(0, 7, 0, "STATUS")
        .shown(Show::Code(|code| Status(code as u8).name().map(str::to_owned)));
    report.section(Section::read("status byte", bytes, 0, &[spec]));
    if name.is_none() && Status(status.0 & 0x3e).name().is_some() {
        report.note("bits 7:6 and 0 of the status byte are reserved");
    }
    report.note_length(1, bytes.len());
    report
}
