//! From any state to READY: message unit reset where that will do, diagnostic reset where it will not.

use core::time::Duration;

use hba_core::port::BringUpError;
use hba_core::register::{RegOffset, Registers};
use hba_core::time::Instant;

use crate::wire::ioc::WhoInit;
use crate::wire::registers::{
    DIAGNOSTIC, DOORBELL, Diagnostic, Doorbell, DoorbellFunction, INT_MASK, INT_STATUS, IntMask,
    IntStatus, IocState, WRITE_SEQUENCE, WRITE_SEQUENCE_KEYS, WRITE_SEQUENCE_LOCK,
    doorbell_function,
};

/// For the IOC to take note of a message unit reset.
const ACKNOWLEDGE: Duration = Duration::from_secs(5);
/// From a message unit reset to READY.
const READY_AFTER_MESSAGE_UNIT_RESET: Duration = Duration::from_secs(15);
/// From a diagnostic reset to READY.
const READY_AFTER_DIAGNOSTIC_RESET: Duration = Duration::from_secs(60);
/// Between tries to unlock the diagnostic register.
const UNLOCK_PAUSE: Duration = Duration::from_millis(100);
/// How often unlocking is tried.
const UNLOCK_TRIES: u8 = 20;
/// The processor is held this long before the adapter is reset.
const HOLD: Duration = Duration::from_millis(1);
/// Between looks at a register that is waited for.
pub(super) const POLL: Duration = Duration::from_micros(200);

/// The way to READY.
#[derive(Debug)]
pub(super) struct Reset {
    phase: Phase,
    /// Whether a diagnostic reset was made already: one is all there is.
    diagnosed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Examine,
    /// Message unit reset written.
    Acknowledge(Instant),
    /// Waiting for READY.
    Ready(Instant),
    /// Diagnostic reset: unlocking.
    Unlock {
        tries: u8,
        next: Instant,
    },
    /// Diagnostic reset: the processor is held.
    Hold(Instant),
    Done,
}

/// How far a reset has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Wait(Instant),
    Ready,
    Gone,
    Failed(BringUpError),
}

impl Reset {
    /// Begins with a look at the state register. A controller that a PCI peer runs is left alone.
    pub(super) fn new() -> Self {
        Self { phase: Phase::Examine, diagnosed: false }
    }

    pub(super) fn poll(&mut self, now: Instant, registers: &mut dyn Registers) -> Progress {
        // Every turn either changes the phase or returns; phases form no cycle but the one through `diagnose`, once.
        for _ in 0..16 {
            let doorbell = Doorbell(registers.read32(RegOffset(DOORBELL)));
            if doorbell.is_all_ones() {
                return Progress::Gone;
            }
            let turn = match self.phase {
                Phase::Examine => self.examine(doorbell, now, registers),
                Phase::Acknowledge(deadline) => self.acknowledge(deadline, now, registers),
                Phase::Ready(deadline) => self.await_ready(doorbell, deadline, now, registers),
                Phase::Unlock { tries, next } => self.unlock(tries, next, now, registers),
                Phase::Hold(until) => self.reset_adapter(until, now, registers),
                Phase::Done => Some(Progress::Ready),
            };
            if let Some(progress) = turn {
                return progress;
            }
        }
        Progress::Wait(now + POLL)
    }

    fn examine(
        &mut self,
        doorbell: Doorbell,
        now: Instant,
        registers: &mut dyn Registers,
    ) -> Option<Progress> {
        registers.write32(RegOffset(INT_MASK), (IntMask::REPLY | IntMask::DOORBELL).0);
        let state = doorbell.ioc_state();
        if doorbell.is_used() || state == IocState::FAULT {
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
            if self.diagnosed {
                registers.write32(RegOffset(WRITE_SEQUENCE), WRITE_SEQUENCE_LOCK);
            }
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
        next: Instant,
        now: Instant,
        registers: &mut dyn Registers,
    ) -> Option<Progress> {
        if now < next {
            return Some(Progress::Wait(next));
        }
        let diagnostic = Diagnostic(registers.read32(RegOffset(DIAGNOSTIC)));
        if diagnostic.contains(Diagnostic::DRWE) {
            let held = diagnostic | Diagnostic::DISABLE_ARM;
            registers.write32(RegOffset(DIAGNOSTIC), held.0);
            self.phase = Phase::Hold(now + HOLD);
            return None;
        }
        if tries == UNLOCK_TRIES {
            let state = diagnostic.0;
            let error = BringUpError::Deadline { step: "unlocking the diagnostic register", state };
            return Some(Progress::Failed(error));
        }
        registers.write32(RegOffset(WRITE_SEQUENCE), WRITE_SEQUENCE_LOCK);
        for key in WRITE_SEQUENCE_KEYS {
            registers.write32(RegOffset(WRITE_SEQUENCE), key);
        }
        // The first look comes at once, later ones after a pause.
        let pause = if tries == 0 { Duration::ZERO } else { UNLOCK_PAUSE };
        self.phase = Phase::Unlock { tries: tries + 1, next: now + pause };
        None
    }

    fn reset_adapter(
        &mut self,
        until: Instant,
        now: Instant,
        registers: &mut dyn Registers,
    ) -> Option<Progress> {
        if now < until {
            return Some(Progress::Wait(until));
        }
        let diagnostic = Diagnostic(registers.read32(RegOffset(DIAGNOSTIC)));
        let reset = (diagnostic | Diagnostic::RESET_ADAPTER).0 & !Diagnostic::DISABLE_ARM.0;
        registers.write32(RegOffset(DIAGNOSTIC), reset);
        self.phase = Phase::Ready(now + READY_AFTER_DIAGNOSTIC_RESET);
        Some(Progress::Wait(now + POLL))
    }
}
