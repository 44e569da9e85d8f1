//! REPORT SUPPORTED OPERATION CODES.

use scsi_proto::command::{
    Command, Inquiry, ModeSelect6, ModeSelect10, ModeSense6, ModeSense10,
    PreventAllowMediumRemoval, Read6, Read10, Read12, Read16, ReadCapacity10, ReadCapacity16,
    ReportLuns, ReportSupportedOperationCodes, RequestSense, StartStopUnit, SynchronizeCache10,
    SynchronizeCache16, TestUnitReady, Unmap, Verify10, Verify16, Write6, Write10, Write12,
    Write16, WriteSame10, WriteSame16,
};
use scsi_proto::{Cdb, Opcode};

use super::echo::{VENDOR_ECHO_IN, VENDOR_ECHO_OUT};
use super::exchange::{Exchange, Outcome, invalid_field};
use super::failure::Failure;
use super::unit::LogicalUnit;

/// One command of the disk.
struct Supported {
    /// CDB USAGE DATA of a device that implements every field.
    usage: Cdb,
    service_action: Option<u16>,
    /// A byte of the CDB and the bits of it that are refused or ignored here.
    unused: (usize, u8),
    /// The command has DPO and perhaps FUA in byte 1.
    cache_bits: bool,
}

const fn supported<C: Command>(unused: (usize, u8), cache_bits: bool) -> Supported {
    Supported { usage: C::USAGE, service_action: C::SERVICE_ACTION, unused, cache_bits }
}

const fn untyped<const N: usize>(usage: [u8; N]) -> Supported {
    Supported {
        usage: Cdb::from_array(usage),
        service_action: None,
        unused: (0, 0),
        cache_bits: false,
    }
}

const ALL_USED: (usize, u8) = (0, 0);
/// Protection information, RARC and DLD2.
const READ_WRITE: (usize, u8) = (1, 0xe5);
/// Protection information and ANCHOR.
const WRITE_SAME: (usize, u8) = (1, 0xf0);
const PROTECTION: (usize, u8) = (1, 0xe0);
const ANCHOR: (usize, u8) = (1, 0x01);
/// RTD.
const SAVE_PAGES: (usize, u8) = (1, 0x02);

/// In ascending order.
const SUPPORTED: &[Supported] = &[
    supported::<TestUnitReady>(ALL_USED, false),
    supported::<RequestSense>(ALL_USED, false),
    supported::<Read6>(ALL_USED, false),
    supported::<Write6>(ALL_USED, false),
    supported::<Inquiry>(ALL_USED, false),
    supported::<ModeSelect6>(SAVE_PAGES, false),
    supported::<ModeSense6>(ALL_USED, false),
    supported::<StartStopUnit>(ALL_USED, false),
    supported::<PreventAllowMediumRemoval>(ALL_USED, false),
    supported::<ReadCapacity10>(ALL_USED, false),
    supported::<Read10>(READ_WRITE, true),
    supported::<Write10>(READ_WRITE, true),
    supported::<Verify10>(PROTECTION, true),
    supported::<SynchronizeCache10>(ALL_USED, false),
    untyped([Opcode::WRITE_BUFFER_10.0, 0x1f, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0]),
    untyped([Opcode::READ_BUFFER_10.0, 0x1f, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0]),
    supported::<WriteSame10>(WRITE_SAME, false),
    supported::<Unmap>(ANCHOR, false),
    supported::<ModeSelect10>(SAVE_PAGES, false),
    supported::<ModeSense10>(ALL_USED, false),
    supported::<Read16>(READ_WRITE, true),
    supported::<Write16>(READ_WRITE, true),
    supported::<Verify16>(PROTECTION, true),
    supported::<SynchronizeCache16>(ALL_USED, false),
    supported::<WriteSame16>(WRITE_SAME, false),
    supported::<ReadCapacity16>(ALL_USED, false),
    supported::<ReportLuns>(ALL_USED, false),
    supported::<ReportSupportedOperationCodes>(ALL_USED, false),
    supported::<Read12>(READ_WRITE, true),
    supported::<Write12>(READ_WRITE, true),
    untyped([VENDOR_ECHO_OUT.0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]),
    untyped([VENDOR_ECHO_IN.0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]),
];

impl LogicalUnit {
    /// Source: SPC-5 6.35.
    pub(super) fn report_supported_operation_codes(&self, x: &mut Exchange<'_>) -> Outcome {
        let command: ReportSupportedOperationCodes = x.parse()?;
        let (opcode, action) = (command.requested_operation_code, command.requested_service_action);
        let data = match command.reporting_options.get() {
            0 => all_commands(command.rctd),
            option @ 1..=3 => self.one_command(option, opcode, action, command.rctd)?,
            _ => return Err(invalid_field(2)),
        };
        x.reply(&data, command.allocation_length)
    }

    /// The form for one command. Options: 1 without service action, 2 with, 3 either.
    fn one_command(
        &self,
        option: u32,
        opcode: Opcode,
        action: u16,
        timeouts: bool,
    ) -> Result<Vec<u8>, Failure> {
        let mut of_opcode = SUPPORTED.iter().filter(|command| command.opcode() == opcode);
        let has_actions = of_opcode.clone().any(|command| command.service_action.is_some());
        match option {
            1 if has_actions => return Err(invalid_field(2)),
            2 if of_opcode.clone().next().is_some() && !has_actions => {
                return Err(invalid_field(2));
            }
            _ => {}
        }
        let Some(command) = of_opcode.find(|command| command.service_action.unwrap_or(0) == action)
        else {
            return Ok(vec![0, SUPPORT_NONE, 0, 0]);
        };
        let usage = command.usage(self.dpofua);
        let mut data = vec![0, SUPPORT_STANDARD, 0, usage.len() as u8];
        data.extend_from_slice(&usage);
        if timeouts {
            data[1] |= CTDP;
            data.extend_from_slice(&NO_TIMEOUTS);
        }
        Ok(data)
    }
}

impl Supported {
    const fn opcode(&self) -> Opcode {
        self.usage.opcode()
    }

    fn usage(&self, dpofua: bool) -> Vec<u8> {
        let mut usage = self.usage.as_bytes().to_vec();
        usage[self.unused.0] &= !self.unused.1;
        if self.cache_bits && !dpofua {
            usage[1] &= !DPO_FUA;
        }
        usage
    }
}

/// The form for all commands: eight bytes each, twenty with timeouts.
fn all_commands(timeouts: bool) -> Vec<u8> {
    let mut data = vec![0; 4];
    for command in SUPPORTED {
        let [high, low] = command.service_action.unwrap_or(0).to_be_bytes();
        let flags = if timeouts { 2 } else { 0 } | u8::from(command.service_action.is_some());
        let len = command.usage.len() as u8;
        data.extend_from_slice(&[command.opcode().0, 0, high, low, 0, flags, 0, len]);
        if timeouts {
            data.extend_from_slice(&NO_TIMEOUTS);
        }
    }
    let len = data.len() as u32 - 4;
    data[..4].copy_from_slice(&len.to_be_bytes());
    data
}

/// SUPPORT: the command is not supported.
const SUPPORT_NONE: u8 = 1;
/// SUPPORT: the command is supported as its standard has it.
const SUPPORT_STANDARD: u8 = 3;
/// CTDP: a command timeouts descriptor follows the usage data.
const CTDP: u8 = 0x80;
/// A command timeouts descriptor that recommends nothing.
const NO_TIMEOUTS: [u8; 12] = [0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// DPO and FUA in byte 1.
const DPO_FUA: u8 = 0x18;
