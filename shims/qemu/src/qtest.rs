//! The qtest protocol: port and memory accesses as lines on a socket, and the register file on top of it.
//!
//! Protocol: QEMU `softmmu/qtest.c`, head comment. Every command is answered by one line `OK [value]`; lines
//! `IRQ raise n` and `IRQ lower n` may come before it, after an intercept was asked for.

use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hba_core::register::{ALL_ONES, RegOffset, Registers};

use crate::line::{LineSocket, timed_out};

/// The connection. One command at a time; the answer is awaited.
#[derive(Debug)]
pub(crate) struct Qtest {
    socket: LineSocket,
    command: Vec<u8>,
    /// Bit n: input n of the intercepted interrupt controller is high.
    irq_levels: u64,
}

impl Qtest {
    pub(crate) fn new(stream: UnixStream, timeout: Duration) -> io::Result<Self> {
        let socket = LineSocket::new(stream, timeout)?;
        Ok(Self { socket, command: Vec::new(), irq_levels: 0 })
    }

    /// Writes 32 bits to an I/O port.
    pub(crate) fn outl(&mut self, port: u16, value: u32) -> Result<(), QtestError> {
        self.execute(format_args!("outl {port:#x} {value:#x}")).map(drop)
    }

    /// Reads 32 bits from an I/O port.
    pub(crate) fn inl(&mut self, port: u16) -> Result<u32, QtestError> {
        self.execute(format_args!("inl {port:#x}"))
    }

    /// Reads 32 bits at a guest physical address.
    pub(crate) fn readl(&mut self, address: u64) -> Result<u32, QtestError> {
        self.execute(format_args!("readl {address:#x}"))
    }

    /// Writes 32 bits at a guest physical address.
    pub(crate) fn writel(&mut self, address: u64, value: u32) -> Result<(), QtestError> {
        self.execute(format_args!("writel {address:#x} {value:#x}")).map(drop)
    }

    /// Reports from now on the inputs of the interrupt controller at QOM path `device`.
    pub(crate) fn intercept_irqs_in(&mut self, device: &str) -> Result<(), QtestError> {
        self.execute(format_args!("irq_intercept_in {device}")).map(drop)
    }

    /// The levels of the intercepted inputs, as they are after one round trip.
    pub(crate) fn irq_levels(&mut self) -> Result<u64, QtestError> {
        self.execute(format_args!("endianness"))?;
        Ok(self.irq_levels)
    }

    /// Whether a command failed for good.
    pub(crate) const fn is_gone(&self) -> bool {
        self.socket.is_gone()
    }

    fn execute(&mut self, command: fmt::Arguments<'_>) -> Result<u32, QtestError> {
        self.command.clear();
        // Writing to a vector cannot fail.
        let _ = writeln!(self.command, "{command}");
        self.socket.send(&self.command).map_err(|e| QtestError::new(command, &e))?;
        loop {
            let line = self.socket.receive().map_err(|e| QtestError::new(command, &e))?;
            if let Some((level, line)) = irq_line(line) {
                let bit = 1u64.checked_shl(line).unwrap_or(0);
                self.irq_levels =
                    if level { self.irq_levels | bit } else { self.irq_levels & !bit };
                continue;
            }
            return value_of(line).ok_or_else(|| QtestError::Refused {
                command: command.to_string(),
                answer: line.to_owned(),
            });
        }
    }
}

/// Level and number from `IRQ raise n` or `IRQ lower n`.
fn irq_line(line: &str) -> Option<(bool, u32)> {
    let (event, number) = line.strip_prefix("IRQ ")?.split_once(' ')?;
    Some((event == "raise", number.parse().ok()?))
}

/// The value from `OK 0x...`; 0 where there is none.
fn value_of(line: &str) -> Option<u32> {
    let value = line.strip_prefix("OK")?.trim();
    let Some(hex) = value.strip_prefix("0x") else { return Some(0) };
    u64::from_str_radix(hex, 16).ok().map(|value| value as u32)
}

/// The connection, shared by the register handles.
#[derive(Clone, Debug)]
pub(crate) struct SharedQtest(Arc<Mutex<Qtest>>);

impl SharedQtest {
    pub(crate) fn new(qtest: Qtest) -> Self {
        Self(Arc::new(Mutex::new(qtest)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Qtest> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The controller's memory BAR over the qtest socket.
///
/// A handle: clones reach the same registers, one access at a time. When QEMU is gone, or has not answered within
/// `Config::access_timeout`, reads return all ones and writes do nothing, from then on at once. So does an access
/// outside the BAR.
#[derive(Clone, Debug)]
pub struct QemuRegisters {
    qtest: SharedQtest,
    base: u64,
    len: u64,
}

impl QemuRegisters {
    pub(crate) const fn new(qtest: SharedQtest, base: u64, len: u64) -> Self {
        Self { qtest, base, len }
    }

    /// Whether QEMU has ended or stopped answering.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.qtest.lock().is_gone()
    }

    fn address(&self, offset: RegOffset) -> Option<u64> {
        let offset = u64::from(offset.0);
        (offset + 4 <= self.len).then_some(self.base + offset)
    }
}

impl Registers for QemuRegisters {
    fn read32(&mut self, offset: RegOffset) -> u32 {
        let value = self.address(offset).and_then(|address| self.qtest.lock().readl(address).ok());
        value.unwrap_or(ALL_ONES)
    }

    fn write32(&mut self, offset: RegOffset, value: u32) {
        if let Some(address) = self.address(offset) {
            // The trait has no error: whoever writes next reads a state register, which then shows all ones.
            let _ = self.qtest.lock().writel(address, value);
        }
    }
}

/// Why a qtest command had no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QtestError {
    /// QEMU closed the socket.
    Gone {
        /// What was sent.
        command: String,
    },
    /// No answer within `Config::access_timeout`; the connection is given up.
    Timeout {
        /// What was sent.
        command: String,
    },
    /// QEMU did not accept the command.
    Refused {
        /// What was sent.
        command: String,
        /// What came back.
        answer: String,
    },
}

impl QtestError {
    fn new(command: fmt::Arguments<'_>, error: &io::Error) -> Self {
        let command = command.to_string();
        if timed_out(error) { Self::Timeout { command } } else { Self::Gone { command } }
    }
}

impl fmt::Display for QtestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone { command } => write!(f, "QEMU ended before it answered qtest '{command}'"),
            Self::Timeout { command } => {
                write!(f, "QEMU gave no answer to qtest '{command}' in time")
            }
            Self::Refused { command, answer } => {
                write!(f, "QEMU answered qtest '{command}' with '{answer}'")
            }
        }
    }
}

impl core::error::Error for QtestError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};

    /// Answers each command with the next line group, then closes the socket.
    fn scripted(answers: &'static [&str]) -> Qtest {
        let (ours, theirs) = UnixStream::pair().expect("socket pair");
        std::thread::spawn(move || {
            let mut commands = BufReader::new(theirs.try_clone().expect("clone"));
            for answer in answers {
                commands.read_line(&mut String::new()).expect("command");
                (&theirs).write_all(answer.as_bytes()).expect("answer");
            }
        });
        Qtest::new(ours, Duration::from_secs(30)).expect("timeout set")
    }

    #[test]
    fn interrupt_lines_are_kept_and_do_not_answer_a_command() {
        let mut qtest = scripted(&[
            "OK\n",
            "IRQ raise 20\nIRQ raise 99\nIRQ raise 3\nOK 0x00000000ffff0001\n",
            "IRQ lower 3\nOK little\n",
        ]);
        qtest.intercept_irqs_in("ioapic").expect("accepted");
        assert_eq!(qtest.readl(0xe000_0000), Ok(0xffff_0001));
        assert_eq!(qtest.irq_levels(), Ok(1 << 20));
    }

    #[test]
    fn registers_read_all_ones_once_qemu_is_gone() {
        let qtest = SharedQtest::new(scripted(&["OK 0x10000000\n"]));
        let mut registers = QemuRegisters::new(qtest, 0xe000_0000, 0x4000);
        assert_eq!(registers.read32(RegOffset(0x4000)), ALL_ONES, "outside the BAR: not sent");
        assert_eq!(registers.read32(RegOffset(0)), 0x1000_0000);
        assert!(!registers.is_gone());
        assert_eq!(registers.read32(RegOffset(0)), ALL_ONES);
        registers.write32(RegOffset(0), 1);
        assert!(registers.is_gone());
    }

    #[test]
    fn silence_is_bounded_and_final() {
        let (ours, _theirs) = UnixStream::pair().expect("socket pair");
        let mut qtest = Qtest::new(ours, Duration::from_millis(5)).expect("timeout set");
        let error = qtest.inl(0xcfc).expect_err("nobody answers");
        assert_eq!(error.to_string(), "QEMU gave no answer to qtest 'inl 0xcfc' in time");
        assert!(qtest.is_gone());
    }

    #[test]
    fn a_refusal_names_command_and_answer() {
        let mut qtest = scripted(&["FAIL Unknown command 'outl'\n"]);
        let error = qtest.outl(0xcf8, 1).expect_err("refused");
        assert!(error.to_string().ends_with("'outl 0xcf8 0x1' with 'FAIL Unknown command 'outl''"));
        assert!(!qtest.is_gone(), "the stream is still in step");
    }
}
