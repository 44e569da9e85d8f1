//! From any state to READY: message unit reset where that will do, diagnostic reset where it will not.
//!
//! The way is the same in MPI 1.x and 2.x. What a diagnostic reset is made of is the family's, a [`Chip`].

use core::time::Duration;

use hba_core::port::BringUpError;
use hba_core::register::{RegOffset, Registers};
use hba_core::time::Instant;

use crate::bring_up::{POLL, Progress};
use crate::wire::ioc::WhoInit;
use crate::wire::registers::{
    DIAGNOSTIC, DOORBELL, Diagnostic, Doorbell, DoorbellFunction, INT_MASK, INT_STATUS, IntStatus,
    IocState, WRITE_SEQUENCE, doorbell_function,
};

/// For the IOC to take note of a message unit reset.
const ACKNOWLEDGE: Duration = Duration::from_secs(5);
/// From a message unit reset to READY.
const READY_AFTER_MESSAGE_UNIT_RESET: Duration = Duration::from_secs(15);
/// Between tries to unlock the diagnostic register.
const UNLOCK_PAUSE: Duration = Duration::from_millis(100);
/// How often unlocking is tried.
const UNLOCK_TRIES: u8 = 20;
/// For firmware that writes its core dump: the state ends in FAULT.
const CORE_DUMP: Duration = Duration::from_secs(15);
/// Between looks at the state of such firmware.
const CORE_DUMP_POLL: Duration = Duration::from_millis(256);

/// What is done to a family's chips in its own way.
pub(crate) trait Chip {
    /// All interrupts masked.
    const MASKED: u32;
    /// Written to the write sequence register one after the other, these open the diagnostic register.
    const KEYS: &'static [u32];
    /// The state of firmware that writes its memory out, where there is such firmware. It is not to be disturbed.
    const DUMPS_CORE: Option<IocState>;

    /// Begins a diagnostic reset. `diagnostic` is what its register reads, which is open. Returns when to go on.
    fn begin(&mut self, diagnostic: u32, now: Instant, registers: &mut dyn Registers) -> Instant;

    /// Goes on with it.
    fn advance(&mut self, now: Instant, registers: &mut dyn Registers) -> Diagnosis;

    /// The controller is READY; `diagnosed` says whether by way of a diagnostic reset.
    fn tidy(&self, diagnosed: bool, registers: &mut dyn Registers);
}

/// How far a diagnostic reset has come.
#[derive(Debug)]
pub(crate) enum Diagnosis {
    Wait(Instant),
    /// The chip starts, and is to be READY within this time.
    Starts(Duration),
    Gone,
    Failed(BringUpError),
}

/// The way to READY.
#[derive(Debug)]
pub(crate) struct Reset<C> {
    chip: C,
    phase: Phase,
    /// Whether a diagnostic reset was made already: one is all there is.
    diagnosed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Examine,
    /// The firmware writes its core dump.
    Dumping(Instant),
    /// Message unit reset written.
    Acknowledge(Instant),
    /// Waiting for READY.
    Ready(Instant),
    /// Diagnostic reset: unlocking.
    Unlock {
        tries: u8,
        next: Instant,
    },
    /// Diagnostic reset: the chip's own steps.
    Resetting(Instant),
    Done,
}

impl<C: Chip> Reset<C> {
    /// Begins with a look at the state register. A controller that a PCI peer runs is left alone.
    pub(crate) const fn new(chip: C) -> Self {
        Self { chip, phase: Phase::Examine, diagnosed: false }
    }

    pub(crate) fn poll(&mut self, now: Instant, registers: &mut dyn Registers) -> Progress {
        // Every turn either changes the phase or returns; phases form no cycle but the one through `diagnose`, once.
        for _ in 0..16 {
            if let Phase::Resetting(next) | Phase::Unlock { next, .. } = self.phase
                && now < next
            {
                return Progress::Wait(next);
            }
            let turn = match self.phase {
                // The register file is not to be trusted while the chip resets: what of it is, the chip's part knows.
                Phase::Resetting(_) => self.advance(now, registers),
                Phase::Done => Some(Progress::Done),
                phase => {
                    let doorbell = Doorbell(registers.read32(RegOffset(DOORBELL)));
                    if doorbell.is_all_ones() {
                        return Progress::Gone;
                    }
                    self.turn(phase, doorbell, now, registers)
                }
            };
            if let Some(progress) = turn {
                return progress;
            }
        }
        Progress::Wait(now + POLL)
    }

    fn turn(
        &mut self,
        phase: Phase,
        doorbell: Doorbell,
        now: Instant,
        registers: &mut dyn Registers,
    ) -> Option<Progress> {
        match phase {
            Phase::Examine => self.examine(doorbell, now, registers),
            Phase::Dumping(deadline) => {
                if C::DUMPS_CORE == Some(doorbell.ioc_state()) && now < deadline {
                    return Some(Progress::Wait(now + CORE_DUMP_POLL));
                }
                self.diagnose(now, None)
            }
            Phase::Acknowledge(deadline) => self.acknowledge(deadline, now, registers),
            Phase::Ready(deadline) => self.await_ready(doorbell, deadline, now, registers),
            Phase::Unlock { tries, .. } => self.unlock(tries, now, registers),
            Phase::Resetting(_) | Phase::Done => None,
        }
    }

    fn examine(
        &mut self,
        doorbell: Doorbell,
        now: Instant,
        registers: &mut dyn Registers,
    ) -> Option<Progress> {
        registers.write32(RegOffset(INT_MASK), C::MASKED);
        let state = doorbell.ioc_state();
        if C::DUMPS_CORE == Some(state) {
            self.phase = Phase::Dumping(now + CORE_DUMP);
            return None;
        }
        if doorbell.is_used() {
            return self.diagnose(now, None);
        }
        match state {
            IocState::READY => {
                self.phase = Phase::Done;
                None
            }
            IocState::OPERATIONAL if doorbell.who_init() == WhoInit::PCI_PEER => {
                Some(Progress::Failed(BringUpError::OwnedByPeer))
            }
            IocState::OPERATIONAL => {
                let word = doorbell_function(DoorbellFunction::MESSAGE_UNIT_RESET, 0);
                registers.write32(RegOffset(DOORBELL), word);
                self.phase = Phase::Acknowledge(now + ACKNOWLEDGE);
                None
            }
            // Coming out of reset, or a zero that a busy management processor made: it becomes READY or stays.
            IocState::RESET => {
                self.phase = Phase::Ready(now + READY_AFTER_MESSAGE_UNIT_RESET);
                None
            }
            _ => self.diagnose(now, None),
        }
    }

    fn acknowledge(
        &mut self,
        deadline: Instant,
        now: Instant,
        registers: &mut dyn Registers,
    ) -> Option<Progress> {
        let status = IntStatus(registers.read32(RegOffset(INT_STATUS)));
        if !status.contains(IntStatus::IOP_DOORBELL_STATUS) {
            self.phase = Phase::Ready(now + READY_AFTER_MESSAGE_UNIT_RESET);
            return None;
        }
        if now < deadline { Some(Progress::Wait(now + POLL)) } else { self.diagnose(now, None) }
    }

    fn await_ready(
        &mut self,
        doorbell: Doorbell,
        deadline: Instant,
        now: Instant,
        registers: &mut dyn Registers,
    ) -> Option<Progress> {
        let fault = doorbell.fault_code();
        if doorbell.ioc_state() == IocState::READY && !doorbell.is_used() {
            self.chip.tidy(self.diagnosed, registers);
            self.phase = Phase::Done;
            return None;
        }
        if now < deadline && fault.is_none() {
            return Some(Progress::Wait(now + POLL));
        }
        let error = match fault {
            Some(code) => BringUpError::Fault { code },
            None => BringUpError::Deadline { step: "reset to ready", state: doorbell.0 },
        };
        self.diagnose(now, Some(error))
    }

    /// Goes on with a diagnostic reset, unless that was tried: then `error` stands.
    fn diagnose(&mut self, now: Instant, error: Option<BringUpError>) -> Option<Progress> {
        if self.diagnosed {
            let none = BringUpError::Deadline { step: "diagnostic reset", state: 0 };
            return Some(Progress::Failed(error.unwrap_or(none)));
        }
        self.diagnosed = true;
        self.phase = Phase::Unlock { tries: 0, next: now };
        None
    }

    fn unlock(
        &mut self,
        tries: u8,
        now: Instant,
        registers: &mut dyn Registers,
    ) -> Option<Progress> {
        let diagnostic = Diagnostic(registers.read32(RegOffset(DIAGNOSTIC)));
        if diagnostic.contains(Diagnostic::DRWE) {
            self.phase = Phase::Resetting(self.chip.begin(diagnostic.0, now, registers));
            return None;
        }
        if tries == UNLOCK_TRIES {
            let step = "unlocking the diagnostic register";
            let error = BringUpError::Deadline { step, state: diagnostic.0 };
            return Some(Progress::Failed(error));
        }
        for key in C::KEYS {
            registers.write32(RegOffset(WRITE_SEQUENCE), *key);
        }
        // The first look comes at once, later ones after a pause.
        let pause = if tries == 0 { Duration::ZERO } else { UNLOCK_PAUSE };
        self.phase = Phase::Unlock { tries: tries + 1, next: now + pause };
        None
    }

    fn advance(&mut self, now: Instant, registers: &mut dyn Registers) -> Option<Progress> {
        Some(match self.chip.advance(now, registers) {
            Diagnosis::Wait(next) => {
                self.phase = Phase::Resetting(next);
                Progress::Wait(next)
            }
            Diagnosis::Starts(within) => {
                self.phase = Phase::Ready(now + within);
                Progress::Wait(now + POLL)
            }
            Diagnosis::Gone => Progress::Gone,
            Diagnosis::Failed(error) => Progress::Failed(error),
        })
    }
}
