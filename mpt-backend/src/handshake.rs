//! The doorbell handshake: a message pushed through one register, its reply pulled out of it 16 bits at a time.
//!
//! ```text
//!   host                                        IOC
//!   Doorbell = 0x42 << 24 | dwords << 16  --->
//!                                         <---  IntStatus bit 0, Doorbell bit 27
//!   Doorbell = dword (each)               --->
//!                                         <---  IntStatus bit 31 clears (each)
//!                                         <---  IntStatus bit 0, Doorbell 15:0 (each half word)
//!   IntStatus = 0 (each)                  --->
//!                                         <---  IntStatus bit 0 once more
//! ```

use core::time::Duration;

use hba_core::port::BringUpError;
use hba_core::register::{ALL_ONES, RegOffset, Registers};
use hba_core::time::Instant;
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use crate::bring_up::{POLL, Progress};
use crate::wire::ioc::IocFactsRequest;
use crate::wire::message::{DefaultReply, Function, IocStatus};
use crate::wire::port::PortFactsRequest;
use crate::wire::registers::{
    DOORBELL, Doorbell, DoorbellFunction, INT_STATUS, IntStatus, doorbell_function,
};

/// The longest message, in dwords: IOC init of MPI 2.x has 18.
pub(crate) const MESSAGE_MAX: usize = 18;
/// Half words kept of a reply; what is longer is read and dropped.
pub(crate) const REPLY_MAX: usize = 64;
/// For each wait of the handshake but the first of the reply.
const STEP: Duration = Duration::from_secs(5);
/// For facts.
const FACTS: Duration = Duration::from_secs(10);
/// Register accesses in one call.
const BUDGET: u32 = 512;

/// One handshake under way.
#[derive(Debug)]
pub(crate) struct Handshake {
    name: &'static str,
    message: [u32; MESSAGE_MAX],
    len: u8,
    /// How long the IOC may think before the first half word; `None` when no reply is read.
    reply_wait: Option<Duration>,
    reply: [u16; REPLY_MAX],
    /// Half words that the IOC announced, 0 while unknown.
    announced: usize,
    received: usize,
    phase: Phase,
    deadline: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Start,
    /// Wait for the IOC to take up the handshake.
    AwaitUse,
    /// Wait for the IOC to consume what was written before dword n.
    AwaitConsumed(u8),
    AwaitReply,
    AwaitEnd,
    Done,
}

impl Handshake {
    /// A handshake that sends `message` and reads a reply, which may take `reply_wait` to come.
    ///
    /// # Panics
    ///
    /// If the message has more than [`MESSAGE_MAX`] dwords: messages are the driver's own.
    pub(crate) fn new(name: &'static str, message: &[u8], reply_wait: Duration) -> Self {
        Self::with(name, message, Some(reply_wait))
    }

    /// A handshake whose reply comes another way.
    pub(crate) fn send_only(name: &'static str, message: &[u8]) -> Self {
        Self::with(name, message, None)
    }

    fn with(name: &'static str, bytes: &[u8], reply_wait: Option<Duration>) -> Self {
        let mut message = [0; MESSAGE_MAX];
        assert!(bytes.len() <= 4 * MESSAGE_MAX, "{name} has {} bytes", bytes.len());
        for (word, chunk) in message.iter_mut().zip(bytes.chunks_exact(4)) {
            *word = u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
        }
        Self {
            name,
            message,
            len: (bytes.len() / 4) as u8,
            reply_wait,
            reply: [0; REPLY_MAX],
            announced: 0,
            received: 0,
            phase: Phase::Start,
            deadline: Instant::ZERO,
        }
    }

    /// What is being sent.
    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// The reply's bytes, as many as were kept.
    pub(crate) fn reply(&self) -> ([u8; 2 * REPLY_MAX], usize) {
        let mut bytes = [0; 2 * REPLY_MAX];
        for (chunk, half) in bytes.chunks_exact_mut(2).zip(self.reply) {
            chunk.copy_from_slice(&half.to_le_bytes());
        }
        (bytes, 2 * self.received.min(REPLY_MAX))
    }

    /// The reply as a type of the wire: complete, to the right function, and without an error.
    ///
    /// # Errors
    ///
    /// [`BringUpError`] otherwise.
    pub(crate) fn answer<T: FromBytes>(&self, function: Function) -> Result<T, BringUpError> {
        let (bytes, len) = self.reply();
        check_answer(self.name, &bytes[..len], function)?;
        let malformed = BringUpError::BadReply { step: self.name };
        T::read_from_prefix(&bytes[..len]).map(|(reply, _)| reply).map_err(|_| malformed)
    }

    /// Goes on as far as the IOC lets it.
    pub(crate) fn poll(&mut self, now: Instant, registers: &mut dyn Registers) -> Progress {
        for _ in 0..BUDGET {
            if self.phase == Phase::Done {
                return Progress::Done;
            }
            if self.phase == Phase::Start {
                self.start(now, registers);
                continue;
            }
            let word = registers.read32(RegOffset(INT_STATUS));
            if word == ALL_ONES {
                return Progress::Gone;
            }
            match self.advance(IntStatus(word), now, registers) {
                Ok(true) => {}
                Ok(false) if now < self.deadline => return Progress::Wait(now + POLL),
                Ok(false) => {
                    let state = registers.read32(RegOffset(DOORBELL));
                    if state == ALL_ONES {
                        return Progress::Gone;
                    }
                    let step = self.name;
                    return Progress::Failed(BringUpError::Deadline { step, state });
                }
                Err(error) => return Progress::Failed(error),
            }
        }
        Progress::Wait(now + POLL)
    }

    fn start(&mut self, now: Instant, registers: &mut dyn Registers) {
        registers.write32(RegOffset(INT_STATUS), 0);
        let word = doorbell_function(DoorbellFunction::HANDSHAKE, self.len);
        registers.write32(RegOffset(DOORBELL), word);
        self.enter(Phase::AwaitUse, now + STEP);
    }

    /// Whether the phase ended.
    fn advance(
        &mut self,
        status: IntStatus,
        now: Instant,
        registers: &mut dyn Registers,
    ) -> Result<bool, BringUpError> {
        let ready = match self.phase {
            Phase::AwaitConsumed(_) => !status.contains(IntStatus::IOP_DOORBELL_STATUS),
            _ => status.contains(IntStatus::DOORBELL_INTERRUPT),
        };
        if !ready {
            return Ok(false);
        }
        match self.phase {
            Phase::AwaitUse => {
                let doorbell = Doorbell(registers.read32(RegOffset(DOORBELL)));
                registers.write32(RegOffset(INT_STATUS), 0);
                if !doorbell.is_used() {
                    return Err(BringUpError::BadReply { step: self.name });
                }
                self.enter(Phase::AwaitConsumed(0), now + STEP);
            }
            Phase::AwaitConsumed(at) => self.write_next(at, now, registers),
            Phase::AwaitReply => self.take_half(now, registers),
            Phase::AwaitEnd => {
                registers.write32(RegOffset(INT_STATUS), 0);
                self.phase = Phase::Done;
            }
            Phase::Start | Phase::Done => {}
        }
        Ok(true)
    }

    fn write_next(&mut self, at: u8, now: Instant, registers: &mut dyn Registers) {
        if at < self.len {
            registers.write32(RegOffset(DOORBELL), self.message[usize::from(at)]);
            self.enter(Phase::AwaitConsumed(at + 1), now + STEP);
            return;
        }
        match self.reply_wait {
            Some(wait) => self.enter(Phase::AwaitReply, now + wait),
            None => self.phase = Phase::Done,
        }
    }

    fn take_half(&mut self, now: Instant, registers: &mut dyn Registers) {
        let half = Doorbell(registers.read32(RegOffset(DOORBELL))).data();
        registers.write32(RegOffset(INT_STATUS), 0);
        if let Some(slot) = self.reply.get_mut(self.received) {
            *slot = half;
        }
        self.received += 1;
        if self.received == 2 {
            // Byte 2 of the first dword counts dwords. A reply without even a header ends here.
            self.announced = usize::from(half & 0xff).max(1) * 2;
        }
        let ended = self.received >= 2 && self.received >= self.announced;
        self.enter(if ended { Phase::AwaitEnd } else { Phase::AwaitReply }, now + STEP);
    }

    fn enter(&mut self, phase: Phase, deadline: Instant) {
        (self.phase, self.deadline) = (phase, deadline);
    }
}

/// Asks for IOC facts.
pub(crate) fn ask_facts() -> Handshake {
    let request = IocFactsRequest { function: Function::IOC_FACTS, ..FromZeros::new_zeroed() };
    Handshake::new("IOC facts", request.as_bytes(), FACTS)
}

/// Asks for the facts of port 0.
pub(crate) fn ask_port_facts() -> Handshake {
    let request = PortFactsRequest { function: Function::PORT_FACTS, ..FromZeros::new_zeroed() };
    Handshake::new("port facts", request.as_bytes(), FACTS)
}

/// Whether a reply, by handshake or through memory, answers `function` without an error.
///
/// # Errors
///
/// [`BringUpError`] otherwise, with the name of the `step`.
pub(crate) fn check_answer(
    step: &'static str,
    bytes: &[u8],
    function: Function,
) -> Result<(), BringUpError> {
    let (reply, _) =
        DefaultReply::read_from_prefix(bytes).map_err(|_| BringUpError::BadReply { step })?;
    if reply.function != function {
        return Err(BringUpError::BadReply { step });
    }
    match reply.status().status() {
        IocStatus::SUCCESS => Ok(()),
        status => Err(BringUpError::Status { step, status: u32::from(status.0) }),
    }
}
