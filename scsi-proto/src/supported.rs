//! REPORT SUPPORTED OPERATION CODES and TASK MANAGEMENT FUNCTIONS. Source: SPC-5 6.

use crate::macros::open_code;
use crate::opcode::Opcode;
use crate::record::record;
use crate::wire::{self, BufferTooSmall, Truncated, Writer};

record! {
    /// A command descriptor of the list of all commands. Source: SPC-5 6.
    pub struct CommandDescriptor: 8 {} {
        /// OPERATION CODE.
        opcode: Opcode [0],
        /// SERVICE ACTION; only with `servactv`.
        service_action: u16 [2],
        /// CTDP: a timeouts descriptor follows.
        ctdp: bool [5, 1],
        /// SERVACTV: the operation code has service actions.
        servactv: bool [5, 0],
        /// CDB LENGTH in bytes.
        cdb_length: u16 [6],
    }
}

record! {
    /// A command timeouts descriptor. Source: SPC-5 6.
    pub struct CommandTimeouts: 12 { 1 = 0x0a } {
        /// COMMAND SPECIFIC.
        command_specific: u8 [3],
        /// NOMINAL COMMAND PROCESSING TIMEOUT in seconds; 0 is not told.
        nominal_s: u32 [4],
        /// RECOMMENDED COMMAND TIMEOUT in seconds; 0 is not told.
        recommended_s: u32 [8],
    }
}

/// The list of all commands, laid over received bytes. Ends with the data, always. Source: SPC-5 6.
#[derive(Clone, Debug)]
pub struct SupportedCommands<'a> {
    rest: &'a [u8],
}

impl<'a> SupportedCommands<'a> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// [`Truncated`] when `bytes` has less than the 4 bytes of COMMAND DATA LENGTH.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Truncated> {
        Ok(Self { rest: wire::claimed(bytes)?.1 })
    }
}

impl Iterator for SupportedCommands<'_> {
    /// With the timeouts where CTDP says that they follow and they are present.
    type Item = (CommandDescriptor, Option<CommandTimeouts>);

    fn next(&mut self) -> Option<Self::Item> {
        let (command, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        let command = CommandDescriptor::from_bytes(command);
        if !command.ctdp {
            return Some((command, None));
        }
        let timeouts = CommandTimeouts::parse(rest).ok();
        self.rest = rest.get(CommandTimeouts::LEN..).unwrap_or_default();
        Some((command, timeouts))
    }
}

/// Writes the list of all commands and tells its length. CTDP follows from the timeouts.
///
/// # Errors
///
/// [`BufferTooSmall`] when `out` is shorter than that.
pub fn emit_all(
    commands: impl IntoIterator<Item = (CommandDescriptor, Option<CommandTimeouts>)>,
    out: &mut [u8],
) -> Result<usize, BufferTooSmall> {
    let mut writer = Writer::new(out);
    writer.put(&[0; 4]);
    for (command, timeouts) in commands {
        let ctdp = timeouts.is_some();
        writer.put(&CommandDescriptor { ctdp, ..command }.to_bytes());
        if let Some(timeouts) = timeouts {
            writer.put(&timeouts.to_bytes());
        }
    }
    writer.patch_length(0);
    writer.finish()
}

open_code! {
    /// SUPPORT, three bits. Source: SPC-5 6.
    pub struct Support(u8) {
        NOT_AVAILABLE = 0, "data not available yet";
        NOT_SUPPORTED = 1, "not supported";
        STANDARD = 3, "supported as in a standard";
        VENDOR = 5, "supported in a vendor specific way";
    }
}

/// What is told of one command. Source: SPC-5 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OneCommand<'a> {
    /// SUPPORT.
    pub support: Support,
    /// CDB USAGE DATA: the operation code and service action, and ones for every bit that the
    /// device looks at. Its length is CDB SIZE, or what is present of it.
    pub usage: &'a [u8],
    /// The timeouts, where CTDP says that they follow and they are present.
    pub timeouts: Option<CommandTimeouts>,
}

const CTDP: u8 = 0x80;

impl<'a> OneCommand<'a> {
    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`Truncated`] when `bytes` has less than the 4 bytes of the header.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Truncated> {
        let [_, flags, s0, s1, rest @ ..] = bytes else {
            return Err(Truncated { needed: 4, available: bytes.len() });
        };
        let size = usize::from(u16::from_be_bytes([*s0, *s1]));
        let (usage, rest) = rest.split_at_checked(size).unwrap_or((rest, &[]));
        let timeouts = if flags & CTDP != 0 { CommandTimeouts::parse(rest).ok() } else { None };
        Ok(Self { support: Support(flags & 7), usage, timeouts })
    }

    /// Writes the data and tells its length. SUPPORT is cut to its width.
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`] when `out` is shorter than that, or `usage` longer than 65535 bytes.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let Ok(size) = u16::try_from(self.usage.len()) else {
            return Err(BufferTooSmall { needed: self.usage.len(), available: u16::MAX.into() });
        };
        let [s0, s1] = size.to_be_bytes();
        let mut writer = Writer::new(out);
        let flags = self.timeouts.map_or(0, |_| CTDP) | self.support.0 & 7;
        writer.put(&[0, flags, s0, s1]);
        writer.put(self.usage);
        if let Some(timeouts) = self.timeouts {
            writer.put(&timeouts.to_bytes());
        }
        writer.finish()
    }
}

record! {
    /// The task management functions of a device, in the short form. Source: SPC-5 6.
    pub struct TaskManagementFunctions: 4 {} {
        /// ATS: ABORT TASK.
        abort_task: bool [0, 7],
        /// ATSS: ABORT TASK SET.
        abort_task_set: bool [0, 6],
        /// CACAS: CLEAR ACA.
        clear_aca: bool [0, 5],
        /// CTSS: CLEAR TASK SET.
        clear_task_set: bool [0, 4],
        /// LURS: LOGICAL UNIT RESET.
        logical_unit_reset: bool [0, 3],
        /// QTS: QUERY TASK.
        query_task: bool [0, 2],
        /// TRS: TARGET RESET.
        target_reset: bool [0, 1],
        /// WAKES: WAKEUP.
        wakeup: bool [0, 0],
        /// QAES: QUERY ASYNCHRONOUS EVENT.
        query_asynchronous_event: bool [1, 2],
        /// QTSS: QUERY TASK SET.
        query_task_set: bool [1, 1],
        /// ITNRS: I_T NEXUS RESET.
        nexus_reset: bool [1, 0],
        /// ADDITIONAL DATA LENGTH: bytes after byte 3; 0 in the short form, 12 in the extended
        /// one (REPD), whose timeouts are not read here.
        additional_length: u8 [3],
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::command::{Command, Inquiry};

    #[test]
    fn inquiry_as_linux_asks() {
        // REPORT SUPPORTED OPERATION CODES for INQUIRY with an allocation length of 10.
        let inquiry = [0, 3, 0, 6, 0x12, 0x01, 0xff, 0xff, 0xff, 0xff];
        let one = OneCommand::parse(&inquiry).unwrap();
        assert_eq!((one.support, one.timeouts), (Support::STANDARD, None));
        assert_eq!(one.usage, Inquiry::USAGE.as_bytes());
        let mut out = [0xff; 10];
        assert_eq!(one.emit(&mut out), Ok(10));
        assert_eq!(out, inquiry);
        assert_eq!(OneCommand::parse(&[0, 1, 0]), Err(Truncated { needed: 4, available: 3 }));
        let cut = OneCommand::parse(&inquiry[..7]).unwrap();
        assert_eq!(cut.usage, [0x12, 1, 0xff]);
    }

    #[test]
    fn all_commands_with_and_without_timeouts() {
        let read =
            CommandDescriptor { opcode: Opcode::READ_10, cdb_length: 10, ..Default::default() };
        let capacity = CommandDescriptor {
            opcode: Opcode::SERVICE_ACTION_IN_16,
            service_action: 0x10,
            servactv: true,
            ctdp: true,
            cdb_length: 16,
        };
        let timeouts = CommandTimeouts { recommended_s: 30, ..Default::default() };
        let mut out = [0xff; 32];
        assert_eq!(emit_all([(read, None), (capacity, Some(timeouts))], &mut out), Ok(32));
        assert_eq!(out[..12], [0, 0, 0, 28, 0x28, 0, 0, 0, 0, 0, 0, 10]);
        assert_eq!(out[12..24], [0x9e, 0, 0, 0x10, 0, 3, 0, 16, 0, 10, 0, 0]);
        let all = SupportedCommands::parse(&out).unwrap();
        assert!(all.eq([(read, None), (capacity, Some(timeouts))]));
        let cut = SupportedCommands::parse(&out[..31]).unwrap();
        assert!(cut.eq([(read, None), (capacity, None)]));
    }

    #[test]
    fn one_command_with_timeouts() {
        let timeouts = CommandTimeouts { recommended_s: 30, ..Default::default() };
        let usage = Inquiry::USAGE;
        let usage = usage.as_bytes();
        let one = OneCommand { support: Support::STANDARD, usage, timeouts: Some(timeouts) };
        let mut out = [0xff; 22];
        assert_eq!(one.emit(&mut out), Ok(22));
        assert_eq!(out[..4], [0, 0x83, 0, 6]);
        assert_eq!(out[10..], [0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 30]);
        assert_eq!(OneCommand::parse(&out), Ok(one));
        let long = OneCommand { usage: &[0; 0x1_0000], ..one };
        let error = BufferTooSmall { needed: 0x1_0000, available: 0xffff };
        assert_eq!(long.emit(&mut out), Err(error));
    }

    #[test]
    fn functions() {
        let functions = TaskManagementFunctions::parse(&[0xca, 1, 0, 0]).unwrap();
        assert!(functions.abort_task && functions.abort_task_set && functions.target_reset);
        assert!(functions.logical_unit_reset && functions.nexus_reset && !functions.query_task);
        assert_eq!(functions.to_bytes(), [0xca, 1, 0, 0]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let mut out = [0; 160];
            if let Ok(all) = SupportedCommands::parse(&bytes) {
                let len = emit_all(all.clone(), &mut out).unwrap();
                let again = SupportedCommands::parse(&out[..len]).unwrap();
                let clear = |(command, timeouts): (CommandDescriptor, Option<_>)| {
                    (CommandDescriptor { ctdp: timeouts.is_some(), ..command }, timeouts)
                };
                prop_assert!(again.eq(all.map(clear)));
            }
            if let Ok(one) = OneCommand::parse(&bytes) {
                let len = one.emit(&mut out).unwrap();
                prop_assert_eq!(OneCommand::parse(&out[..len]), Ok(one));
            }
            if let Ok(functions) = TaskManagementFunctions::parse(&bytes) {
                prop_assert_eq!(TaskManagementFunctions::from_bytes(&functions.to_bytes()), functions);
            }
        }
    }
}
