//! Register scripts: the same accesses against any MPI 1.x controller, so that models can be compared line by line.
//!
//! A script knows nothing of memory: frame addresses are given to it. Running one yields a [`Transcript`] of what the
//! controller answered at each step; two controllers behave alike when the transcripts are equal.

use core::fmt;
use core::time::Duration;

use hba_core::register::{ALL_ONES, RegOffset, Registers};

use super::registers::{
    DIAG_RESET_ADAPTER, DIAGNOSTIC, DOORBELL, INT_DOORBELL, INT_MASK, INT_STATUS, REPLY_FIFO,
    REQUEST_FIFO, STATUS_DOORBELL_PENDING, UNLOCK_KEYS, WRITE_SEQUENCE,
};

/// Looks at one register before a wait counts as failed.
const POLLS_MAX: u32 = 10_000;
/// Time between two looks.
const POLL_INTERVAL: Duration = Duration::from_micros(100);
/// The longest reply that a handshake fetches, in dwords.
const REPLY_DWORDS_MAX: u32 = 64;

/// One access, or a group that belongs together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Writes a register.
    Write(RegOffset, u32),
    /// Reads a register; the value goes to the transcript.
    Read(RegOffset),
    /// Reads a register until the masked value is as wanted; the masked value goes to the transcript.
    Poll {
        /// Where.
        offset: RegOffset,
        /// Which bits count.
        mask: u32,
        /// What they must be.
        wanted: u32,
    },
    /// Sends a message by doorbell handshake; each dword of the reply goes to the transcript.
    Handshake(Vec<u32>),
    /// Sends a message by doorbell handshake and does not wait for a reply.
    HandshakeWithoutReply(Vec<u32>),
    /// Reads the reply FIFO until it is empty; each word goes to the transcript.
    DrainReplies,
    /// Lets time pass.
    Elapse(Duration),
}

/// An action with a name for the transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What the step is for.
    pub name: &'static str,
    /// What to do.
    pub action: Action,
}

/// A list of steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    steps: Vec<Step>,
}

/// One answer of the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The name of the step.
    pub name: &'static str,
    /// Which answer of the step this is, from 0.
    pub index: u32,
    /// What was read.
    pub value: u32,
}

/// All answers, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    /// The answers.
    pub lines: Vec<Line>,
}

/// A wait that did not end; the transcript so far is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptError {
    /// The step.
    pub name: &'static str,
    /// The register that was read.
    pub offset: RegOffset,
    /// Its last value.
    pub value: u32,
    /// What happened before.
    pub transcript: Transcript,
}

/// The numbers of IOC_INIT that depend on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InitNumbers {
    /// Target ids; 0 means 256.
    pub max_devices: u8,
    /// Bytes of a reply frame.
    pub reply_frame_size: u16,
    /// High half of all frame addresses.
    pub host_mfa_high: u32,
    /// High half of all sense addresses.
    pub sense_high: u32,
}

impl Script {
    /// A script without steps.
    #[must_use]
    pub const fn new() -> Self {
        Self { steps: Vec::new() }
    }

    /// Adds a step.
    #[must_use]
    pub fn then(mut self, name: &'static str, action: Action) -> Self {
        self.steps.push(Step { name, action });
        self
    }

    /// Adds the steps of another script.
    #[must_use]
    pub fn append(mut self, other: Self) -> Self {
        self.steps.extend(other.steps);
        self
    }

    /// Message unit reset, then IOC facts and the facts of port 0.
    #[must_use]
    pub fn identify() -> Self {
        let ready = Action::Poll { offset: DOORBELL, mask: 0xf000_0000, wanted: 0x1000_0000 };
        Self::new()
            .then("mask all interrupts", Action::Write(INT_MASK, ALL_ONES))
            .then("interrupt mask", Action::Read(INT_MASK))
            .then("doorbell at first", Action::Read(DOORBELL))
            .then("message unit reset", Action::Write(DOORBELL, 0x40 << 24))
            .then("reset was taken", wait_taken())
            .then("ready after reset", ready)
            .then("ioc facts", Action::Handshake(vec![0x03 << 24, 0, 0x1001]))
            .then("port facts", Action::Handshake(vec![0x05 << 24, 0, 0x1002]))
    }

    /// IOC_INIT, reply frames at `frames` (low halves), port enable and event notification, by doorbell.
    #[must_use]
    pub fn start(numbers: InitNumbers, frames: &[u32]) -> Self {
        let InitNumbers { max_devices, reply_frame_size, host_mfa_high, sense_high } = numbers;
        let init = vec![
            0x02 << 24 | 4,
            1 << 16 | u32::from(max_devices) << 8,
            0x1003,
            reply_frame_size.into(),
            host_mfa_high,
            sense_high,
        ];
        let mut script = Self::new()
            .then("ioc init", Action::Handshake(init))
            .then("state after init", Action::Read(DOORBELL));
        for frame in frames {
            script = script.then("free frame", Action::Write(REPLY_FIFO, *frame));
        }
        script
            .then("port enable", Action::Handshake(vec![0x06 << 24, 0, 0x1004]))
            .then("event notification", Action::Handshake(vec![0x07 << 24 | 1, 0, 0x1005]))
            .then("unmask replies", Action::Write(INT_MASK, INT_DOORBELL))
            .then("interrupt status", Action::Read(INT_STATUS))
    }

    /// The header of a configuration page, by doorbell: page type, page number and page address.
    #[must_use]
    pub fn config_header(page_type: u8, number: u8, address: u32) -> Self {
        let (plain, extended) = if page_type > 0xf { (0xf, page_type) } else { (page_type, 0) };
        let message = vec![
            0x04 << 24,
            u32::from(extended) << 16,
            0x1006,
            0,
            0,
            u32::from(plain) << 24 | u32::from(number) << 16,
            address,
            0,
            0,
            0,
        ];
        Self::new().then("config header", Action::Handshake(message))
    }

    /// Posts a request frame (low half of its address) and reads what comes back.
    #[must_use]
    pub fn post(frame: u32) -> Self {
        let reply = Action::Poll { offset: INT_STATUS, mask: 8, wanted: 8 };
        Self::new()
            .then("post request", Action::Write(REQUEST_FIFO, frame))
            .then("reply interrupt", reply)
            .then("replies", Action::DrainReplies)
            .then("interrupt status after", Action::Read(INT_STATUS))
    }

    /// The unlock keys, a diagnostic reset, and the wait for its end.
    #[must_use]
    pub fn diagnostic_reset() -> Self {
        let mut script = Self::new().then("lock", Action::Write(WRITE_SEQUENCE, 0xff));
        for key in UNLOCK_KEYS {
            script = script.then("key", Action::Write(WRITE_SEQUENCE, key));
        }
        let ready = Action::Poll { offset: DOORBELL, mask: 0xf000_0000, wanted: 0x1000_0000 };
        script
            .then("diagnostic unlocked", Action::Read(DIAGNOSTIC))
            .then("reset adapter", Action::Write(DIAGNOSTIC, DIAG_RESET_ADAPTER))
            .then("ready after diagnostic reset", ready)
            .then("diagnostic after reset", Action::Read(DIAGNOSTIC))
            .then("interrupt mask after reset", Action::Read(INT_MASK))
    }

    /// A function that emulators do not know, without waiting for an answer, and the state after it.
    #[must_use]
    pub fn unknown_function() -> Self {
        Self::new()
            .then("raid action", Action::HandshakeWithoutReply(vec![0x15 << 24, 0, 0x1007]))
            .then("state after unknown function", Action::Read(DOORBELL))
    }

    /// Carries out the steps. `elapse` lets time pass: it sleeps, or moves a virtual clock.
    ///
    /// # Errors
    ///
    /// [`ScriptError`] when a wait does not end after 10,000 looks of 100 µs each.
    pub fn run(
        &self,
        registers: &mut impl Registers,
        mut elapse: impl FnMut(Duration),
    ) -> Result<Transcript, ScriptError> {
        let mut run = Run { registers, elapse: &mut elapse, name: "", lines: Vec::new() };
        for step in &self.steps {
            run.name = step.name;
            run.step(&step.action)?;
        }
        Ok(Transcript { lines: run.lines })
    }
}

/// The wait for the controller to take a doorbell word.
const fn wait_taken() -> Action {
    Action::Poll { offset: INT_STATUS, mask: STATUS_DOORBELL_PENDING, wanted: 0 }
}

struct Run<'a, R> {
    registers: &'a mut R,
    elapse: &'a mut dyn FnMut(Duration),
    name: &'static str,
    lines: Vec<Line>,
}

impl<R: Registers> Run<'_, R> {
    fn step(&mut self, action: &Action) -> Result<(), ScriptError> {
        match action {
            Action::Write(offset, value) => self.registers.write32(*offset, *value),
            Action::Read(offset) => {
                let value = self.registers.read32(*offset);
                self.note(value);
            }
            Action::Poll { offset, mask, wanted } => {
                self.wait(*offset, *mask, *wanted)?;
                self.note(*wanted);
            }
            Action::Handshake(message) => {
                self.send(message)?;
                self.receive()?;
            }
            Action::HandshakeWithoutReply(message) => self.send(message)?,
            Action::DrainReplies => self.drain(),
            Action::Elapse(time) => (self.elapse)(*time),
        }
        Ok(())
    }

    fn note(&mut self, value: u32) {
        let before = self.lines.iter().rev().take_while(|line| line.name == self.name);
        let index = before.count() as u32;
        self.lines.push(Line { name: self.name, index, value });
    }

    fn wait(&mut self, offset: RegOffset, mask: u32, wanted: u32) -> Result<(), ScriptError> {
        let mut value = self.registers.read32(offset);
        for _ in 0..POLLS_MAX {
            if value & mask == wanted {
                return Ok(());
            }
            (self.elapse)(POLL_INTERVAL);
            value = self.registers.read32(offset);
        }
        let transcript = Transcript { lines: core::mem::take(&mut self.lines) };
        Err(ScriptError { name: self.name, offset, value, transcript })
    }

    fn acknowledge(&mut self) {
        self.registers.write32(INT_STATUS, 0);
    }

    fn send(&mut self, message: &[u32]) -> Result<(), ScriptError> {
        self.acknowledge();
        self.registers.write32(DOORBELL, 0x42 << 24 | (message.len() as u32) << 16);
        self.wait(INT_STATUS, INT_DOORBELL, INT_DOORBELL)?;
        self.acknowledge();
        self.wait(INT_STATUS, STATUS_DOORBELL_PENDING, 0)?;
        for word in message {
            self.registers.write32(DOORBELL, *word);
            self.wait(INT_STATUS, STATUS_DOORBELL_PENDING, 0)?;
        }
        Ok(())
    }

    /// The third byte of a reply is its length in dwords.
    fn receive(&mut self) -> Result<(), ScriptError> {
        let first = self.receive_dword()?;
        self.note(first);
        let dwords = (first >> 16 & 0xff).min(REPLY_DWORDS_MAX);
        for _ in 1..dwords {
            let word = self.receive_dword()?;
            self.note(word);
        }
        self.wait(INT_STATUS, INT_DOORBELL, INT_DOORBELL)?;
        self.acknowledge();
        Ok(())
    }

    fn receive_dword(&mut self) -> Result<u32, ScriptError> {
        let low = self.receive_half()?;
        let high = self.receive_half()?;
        Ok(high << 16 | low)
    }

    fn receive_half(&mut self) -> Result<u32, ScriptError> {
        self.wait(INT_STATUS, INT_DOORBELL, INT_DOORBELL)?;
        let half = self.registers.read32(DOORBELL) & 0xffff;
        self.acknowledge();
        Ok(half)
    }

    fn drain(&mut self) {
        for _ in 0..POLLS_MAX {
            let word = self.registers.read32(REPLY_FIFO);
            if word == ALL_ONES {
                break;
            }
            self.note(word);
        }
    }
}

impl Transcript {
    /// The answers of the step with this name, in order.
    #[must_use]
    pub fn values(&self, name: &str) -> Vec<u32> {
        self.lines.iter().filter(|line| line.name == name).map(|line| line.value).collect()
    }

    /// The lines in which two transcripts differ, at equal positions.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<(Option<Line>, Option<Line>)> {
        let count = self.lines.len().max(other.lines.len());
        let pairs = (0..count).map(|i| (self.lines.get(i).copied(), other.lines.get(i).copied()));
        pairs.filter(|(ours, theirs)| ours != theirs).collect()
    }
}

/// One line per answer: name, index and value.
impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Line { name, index, value } in &self.lines {
            writeln!(f, "{name} [{index}] {value:#010x}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: register {} stays at {:#010x}", self.name, self.offset, self.value)
    }
}

impl core::error::Error for ScriptError {}
