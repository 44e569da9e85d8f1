//! Commands that need no logical unit, and the answers for units that do not exist.

use scsi_proto::command::{Inquiry, ReportLuns, RequestSense};
use scsi_proto::inquiry::{DeviceType, PeripheralQualifier, StandardInquiry};
use scsi_proto::sense::SenseFormat;
use scsi_proto::{Lun, Opcode, Sense, report_luns};

use super::condition::Condition;
use super::exchange::{Exchange, Outcome, invalid_field};
use super::failure::Failure;
use super::unit::LogicalUnit;
use crate::target::{DataPhase, Task};

/// Answers for a logical unit number that the disk does not have. Source: SPC-5 5.12 and 6.6.1.
#[cold]
pub(super) fn execute(
    units: u16,
    task: &Task<'_>,
    data: &mut dyn DataPhase,
) -> Result<u32, Failure> {
    let mut x = Exchange::new(task, data);
    let not_supported = Condition::LOGICAL_UNIT_NOT_SUPPORTED.sense();
    Ok(match task.cdb.opcode() {
        Opcode::INQUIRY => inquiry(&mut x)?,
        Opcode::REPORT_LUNS => report_luns(&mut x, units)?,
        Opcode::REQUEST_SENSE => request_sense(&mut x, not_supported)?,
        _ => return Err(not_supported.into()),
    })
}

fn inquiry(x: &mut Exchange<'_>) -> Outcome {
    let command: Inquiry = x.parse()?;
    if command.evpd || command.page_code != 0 {
        return Err(invalid_field(1));
    }
    let nothing = StandardInquiry {
        qualifier: PeripheralQualifier::NOT_SUPPORTED,
        device_type: DeviceType::UNKNOWN,
        ..StandardInquiry::disk()
    };
    let mut bytes = [0; StandardInquiry::LEN];
    let _ = nothing.emit(&mut bytes);
    x.reply(&bytes, command.allocation_length.into())
}

/// Source: SPC-5 6.33. The disk has units 0 to `units` - 1 and no well-known ones.
pub(super) fn report_luns(x: &mut Exchange<'_>, units: u16) -> Outcome {
    let command: ReportLuns = x.parse()?;
    let listed = match command.select_report {
        SELECT_ADDRESSABLE | SELECT_ALL => units,
        SELECT_WELL_KNOWN => 0,
        _ => return Err(invalid_field(2)),
    };
    let mut bytes = vec![0; 8 + 8 * usize::from(listed)];
    let _ = report_luns::emit((0..listed).map(Lun::from_number), &mut bytes);
    x.reply(&bytes, command.allocation_length)
}

fn request_sense(x: &mut Exchange<'_>, sense: Sense) -> Outcome {
    let command: RequestSense = x.parse()?;
    let format = if command.desc { SenseFormat::Descriptor } else { SenseFormat::Fixed };
    let mut bytes = [0; Sense::LEN_MAX];
    let len = Sense { format, ..sense }.emit(&mut bytes).unwrap_or_default();
    x.reply(&bytes[..len], command.allocation_length.into())
}

impl LogicalUnit {
    /// Returns the pending unit attention or deferred error, which is then no longer pending.
    /// Source: SPC-5 6.39.
    pub(super) fn request_sense(&mut self, x: &mut Exchange<'_>) -> Outcome {
        x.parse::<RequestSense>()?;
        let idle = match self.check_ready() {
            Ok(()) => Condition::NO_SENSE.sense(),
            Err(failure) => failure.sense().unwrap_or(Condition::NO_SENSE.sense()),
        };
        let idle = self.pollable_progress().unwrap_or(idle);
        let sense = self.take_news().unwrap_or(idle);
        request_sense(x, sense)
    }
}

// SELECT REPORT. Source: SPC-5 table 267.
const SELECT_ADDRESSABLE: u8 = 0;
const SELECT_WELL_KNOWN: u8 = 1;
const SELECT_ALL: u8 = 2;
