//! The commands of discovery.

use scsi_proto::Cdb;
use scsi_proto::command::{
    Bits, Command, Inquiry, ModeSense6, ModeSense10, ReadCapacity10, ReadCapacity16, ReportLuns,
    TestUnitReady,
};
use scsi_proto::mode::{ModeForm, page_code};
use scsi_proto::vpd::PageCode;

/// The 36 bytes that every INQUIRY since SCSI-2 has; some devices fail when the first one asks for more.
pub(super) const INQUIRY_SHORT: u32 = 36;
/// Fits the one-byte allocation length of old devices.
pub(super) const ALLOCATION_BYTE: u32 = 252;
/// 63 logical units.
pub(super) const LUN_LIST_FIRST: u32 = 512;

/// Forms of asking for the caching page, best first: devices without MODE SENSE(6), and devices that know no single page.
pub(super) const MODE_QUESTIONS: [(ModeForm, u8); 4] = [
    (ModeForm::Six, page_code::CACHING),
    (ModeForm::Ten, page_code::CACHING),
    (ModeForm::Six, page_code::ALL),
    (ModeForm::Ten, page_code::ALL),
];

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Inquiry,
    ReportLuns,
    VpdPages,
    SerialNumber,
    Identification,
    TestUnitReady,
    Capacity10,
    Capacity16,
    /// Which of [`MODE_QUESTIONS`].
    Mode(u8),
    Done,
}

impl Step {
    /// The CDB that asks for `allocation` bytes, at most [`DATA_MAX`](super::DATA_MAX).
    pub(super) fn cdb(self, allocation: u32) -> Cdb {
        let allocation_length = u16::try_from(allocation).unwrap_or(u16::MAX);
        let vpd = |code: PageCode| Inquiry {
            evpd: true,
            page_code: code.0,
            allocation_length,
            ..Inquiry::default()
        };
        match self {
            Self::Inquiry => Inquiry { allocation_length, ..Inquiry::default() }.cdb(),
            Self::ReportLuns => {
                ReportLuns { allocation_length: allocation, ..ReportLuns::default() }.cdb()
            }
            Self::VpdPages => vpd(PageCode::SUPPORTED_PAGES).cdb(),
            Self::SerialNumber => vpd(PageCode::UNIT_SERIAL_NUMBER).cdb(),
            Self::Identification => vpd(PageCode::DEVICE_IDENTIFICATION).cdb(),
            Self::TestUnitReady | Self::Done => TestUnitReady::default().cdb(),
            Self::Capacity10 => ReadCapacity10::default().cdb(),
            Self::Capacity16 => {
                ReadCapacity16 { allocation_length: allocation, ..ReadCapacity16::default() }.cdb()
            }
            Self::Mode(question) => mode_sense(question, allocation),
        }
    }
}

/// DBD is set: the block descriptors are not wanted.
fn mode_sense(question: u8, allocation: u32) -> Cdb {
    let (form, page) = MODE_QUESTIONS[usize::from(question) % MODE_QUESTIONS.len()];
    let page_code = Bits::new(page.into()).unwrap_or_default();
    match form {
        ModeForm::Six => {
            let allocation_length = u8::try_from(allocation).unwrap_or(u8::MAX);
            ModeSense6 { dbd: true, page_code, allocation_length, ..ModeSense6::default() }.cdb()
        }
        ModeForm::Ten => {
            let allocation_length = u16::try_from(allocation).unwrap_or(u16::MAX);
            ModeSense10 { dbd: true, page_code, allocation_length, ..ModeSense10::default() }.cdb()
        }
    }
}
