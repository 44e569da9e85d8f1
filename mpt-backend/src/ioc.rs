//! The controller as a whole, by its state register and its interrupt: what is looked at beside all messages.

use core::time::Duration;

use hba_core::port::{BringUpError, Polled};
use hba_core::register::{ALL_ONES, RegOffset, Registers};
use hba_core::time::Instant;

use crate::bring_up::{POLL, Progress};
use crate::wire::registers::{DOORBELL, Doorbell, INT_MASK, INT_STATUS, IntStatus, IocState};

/// How often the state register is looked at while nothing else happens.
const WATCHDOG: Duration = Duration::from_secs(1);

/// The state register, looked at now and then.
#[derive(Debug)]
pub(crate) struct Watch {
    /// When the next look is due.
    pub(crate) next: Instant,
    /// Reads of a register that says RESET before that is believed: a management processor can make it read 0.
    reads: u32,
}

impl Watch {
    pub(crate) const fn new(reads: u32) -> Self {
        Self { next: Instant::ZERO, reads }
    }

    /// A look, if one is due: what is wrong with the controller.
    pub(crate) fn look(&mut self, now: Instant, registers: &mut dyn Registers) -> Option<Polled> {
        if now < self.next {
            return None;
        }
        self.next = now + WATCHDOG;
        let mut doorbell = Doorbell(0);
        for _ in 0..self.reads {
            doorbell = Doorbell(registers.read32(RegOffset(DOORBELL)));
            if doorbell.ioc_state() != IocState::RESET {
                break;
            }
        }
        if doorbell.is_all_ones() {
            return Some(Polled::Gone);
        }
        match doorbell.ioc_state() {
            IocState::OPERATIONAL => None,
            _ => Some(Polled::Fault(doorbell.data())),
        }
    }
}

/// Whether the controller is OPERATIONAL, which IOC init makes it until `deadline`.
pub(crate) fn await_operational(
    deadline: Instant,
    now: Instant,
    registers: &mut dyn Registers,
) -> Progress {
    let doorbell = Doorbell(registers.read32(RegOffset(DOORBELL)));
    if doorbell.is_all_ones() {
        return Progress::Gone;
    }
    if let Some(code) = doorbell.fault_code() {
        return Progress::Failed(BringUpError::Fault { code });
    }
    if doorbell.ioc_state() == IocState::OPERATIONAL {
        return Progress::Done;
    }
    if now < deadline {
        return Progress::Wait(now + POLL);
    }
    let step = "IOC init to operational";
    Progress::Failed(BringUpError::Deadline { step, state: doorbell.0 })
}

/// The interrupt of replies. That of the doorbell stays masked: handshakes are polled.
#[derive(Debug)]
pub(crate) struct Interrupt {
    /// The mask register with it enabled, and with everything masked.
    masks: [u32; 2],
    /// The status register shows causes whether masked or not.
    enabled: bool,
}

impl Interrupt {
    /// Masked; `masks` are the words of the mask register for enabled and for masked.
    pub(crate) const fn new(masks: [u32; 2]) -> Self {
        Self { masks, enabled: false }
    }

    /// A reset masked it.
    pub(crate) fn handle_reset(&mut self) {
        self.enabled = false;
    }

    pub(crate) fn set(&mut self, enabled: bool, registers: &mut dyn Registers) {
        self.enabled = enabled;
        let [open, closed] = self.masks;
        registers.write32(RegOffset(INT_MASK), if enabled { open } else { closed });
    }

    /// Whether an interrupt is this controller's.
    pub(crate) fn is_claimed(&self, registers: &mut dyn Registers) -> bool {
        if !self.enabled {
            return false;
        }
        let status = registers.read32(RegOffset(INT_STATUS));
        status != ALL_ONES && IntStatus(status).contains(IntStatus::REPLY_MESSAGE_INTERRUPT)
    }
}
