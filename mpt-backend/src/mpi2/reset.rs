//! From any state to READY: message unit reset where that will do, diagnostic reset where it will not.

use core::time::Duration;

use hba_core::port::BringUpError;
use hba_core::register::{RegOffset, Registers};
use hba_core::time::Instant;

use crate::wire::ioc::WhoInit;
use crate::wire::mpi2::{
    HCB_SIZE, HostDiagnostic, HostInterruptMask, WRITE_SEQUENCE_FLUSH, WRITE_SEQUENCE_KEYS2,
};
use crate::wire::registers::{
    DIAGNOSTIC, DOORBELL, Doorbell, DoorbellFunction, INT_MASK, INT_STATUS, IntStatus, IocState,
    WRITE_SEQUENCE, doorbell_function,
};

/// For the IOC to take note of a message unit reset.
const ACKNOWLEDGE: Duration = Duration::from_secs(5);
/// From a message unit reset to READY.
const READY_AFTER_MESSAGE_UNIT_RESET: Duration = Duration::from_secs(15);
/// From the end of a diagnostic reset to READY.
const READY_AFTER_DIAGNOSTIC_RESET: Duration = Duration::from_secs(20);
/// For the reset bit to clear.
const DIAGNOSTIC_RESET: Duration = Duration::from_secs(300);
/// Between tries to unlock the diagnostic register.
const UNLOCK_PAUSE: Duration = Duration::from_millis(100);
/// How often unlocking is tried.
const UNLOCK_TRIES: u8 = 20;
/// The register is left alone this long after the reset bit is set.
const SETTLE: Duration = Duration::from_millis(50);
/// Between looks at the reset bit.
const RESET_POLL: Duration = Duration::from_millis(256);
/// For firmware that writes its core dump: the state ends in FAULT.
const CORE_DUMP: Duration = Duration::from_secs(15);
/// Between looks at a register that is waited for.
pub(super) const POLL: Duration = Duration::from_micros(200);
/// Enables the host code buffer in its size register.
const HCB_ENABLE: u32 = 1;

/// The state of firmware that writes its memory out before it is reset.
pub(super) const CORE_DUMP_STATE: IocState = IocState(0x5);

/// The way to READY.
#[derive(Debug)]
pub(super) struct Reset {
    phase: Phase,
    /// Whether a diagnostic reset was made already: one is all there is.
    diagnosed: bool,
    /// The host code buffer's size, which a reset forgets.
    hcb_size: u32,
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
    /// Diagnostic reset: the bit is set.
    Resetting {
        next: Instant,
        deadline: Instant,
    },
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
        Self { phase: Phase::Examine, diagnosed: false, hcb_size: 0 }
    }

    pub(super) fn poll(&mut self, now: Instant, registers: &mut dyn Registers) -> Progress {
        // Every turn either changes the phase or returns; phases form no cycle but the one through `diagnose`, once.
        for _ in 0..16 {
            if let Phase::Resetting { next, .. } | Phase::Unlock { next, .. } = self.phase
                && now < next
            {
                return Progress::Wait(next);
            }
            let turn = match self.phase {
                // The register file is not to be trusted while the chip resets, but for the bit itself.
                Phase::Resetting { deadline, .. } => self.await_reset(deadline, now, registers),
                Phase::Done => Some(Progress::Ready),
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
                if doorbell.ioc_state() == CORE_DUMP_STATE && now < deadline {
                    return Some(Progress::Wait(now + RESET_POLL));
                }
                self.diagnose(now, None)
            }
            Phase::Acknowledge(deadline) => self.acknowledge(deadline, now, registers),
            Phase::Ready(deadline) => self.await_ready(doorbell, deadline, now, registers),
            Phase::Unlock { tries, .. } => self.unlock(tries, now, registers),
            Phase::Resetting { .. } | Phase::Done => None,
        }
    }

    fn examine(
        &mut self,
        doorbell: Doorbell,
        now: Instant,
        registers: &mut dyn Registers,
    ) -> Option<Progress> {
        let all = HostInterruptMask::RESET | HostInterruptMask::REPLY | HostInterruptMask::DOORBELL;
        registers.write32(RegOffset(INT_MASK), all.0);
        match doorbell.ioc_state() {
            CORE_DUMP_STATE => {
                self.phase = Phase::Dumping(now + CORE_DUMP);
                None
            }
            _ if doorbell.is_used() => self.diagnose(now, None),
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
            registers.write32(RegOffset(INT_STATUS), 0);
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
        let diagnostic = HostDiagnostic(registers.read32(RegOffset(DIAGNOSTIC)));
        if diagnostic.contains(HostDiagnostic::DRWE) {
            self.hcb_size = registers.read32(RegOffset(HCB_SIZE));
            let reset = diagnostic | HostDiagnostic::RESET_ADAPTER;
            registers.write32(RegOffset(DIAGNOSTIC), reset.0);
            self.phase = Phase::Resetting { next: now + SETTLE, deadline: now + DIAGNOSTIC_RESET };
            return None;
        }
        if tries == UNLOCK_TRIES {
            let step = "unlocking the diagnostic register";
            let error = BringUpError::Deadline { step, state: diagnostic.0 };
            return Some(Progress::Failed(error));
        }
        for key in WRITE_SEQUENCE_KEYS2 {
            registers.write32(RegOffset(WRITE_SEQUENCE), key);
        }
        // The first look comes at once, later ones after a pause.
        let pause = if tries == 0 { Duration::ZERO } else { UNLOCK_PAUSE };
        self.phase = Phase::Unlock { tries: tries + 1, next: now + pause };
        None
    }

    fn await_reset(
        &mut self,
        deadline: Instant,
        now: Instant,
        registers: &mut dyn Registers,
    ) -> Option<Progress> {
        let word = registers.read32(RegOffset(DIAGNOSTIC));
        if word == u32::MAX {
            return Some(Progress::Gone);
        }
        let mut diagnostic = HostDiagnostic(word);
        if diagnostic.contains(HostDiagnostic::RESET_ADAPTER) {
            if now < deadline {
                self.phase = Phase::Resetting { next: now + RESET_POLL, deadline };
                return Some(Progress::Wait(now + RESET_POLL));
            }
            let error = BringUpError::Deadline { step: "diagnostic reset", state: word };
            return Some(Progress::Failed(error));
        }
        if diagnostic.contains(HostDiagnostic::HCB_MODE) {
            diagnostic = diagnostic | HostDiagnostic::BOOT_DEVICE_HCDW;
            registers.write32(RegOffset(DIAGNOSTIC), diagnostic.0);
            registers.write32(RegOffset(HCB_SIZE), self.hcb_size | HCB_ENABLE);
        }
        registers.write32(RegOffset(DIAGNOSTIC), diagnostic.0 & !HostDiagnostic::HOLD_RESET.0);
        registers.write32(RegOffset(WRITE_SEQUENCE), WRITE_SEQUENCE_FLUSH);
        self.phase = Phase::Ready(now + READY_AFTER_DIAGNOSTIC_RESET);
        Some(Progress::Wait(now + POLL))
    }
}
