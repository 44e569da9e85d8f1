//! The diagnostic reset of MPI 2.x: the chip says itself when it is over, and may start from the host's copy of its code.

use core::time::Duration;

use hba_core::port::BringUpError;
use hba_core::register::{ALL_ONES, RegOffset, Registers};
use hba_core::time::Instant;

use crate::reset::{self, Diagnosis};
use crate::wire::mpi2::{
    HCB_SIZE, HostDiagnostic, HostInterruptMask, WRITE_SEQUENCE_FLUSH, WRITE_SEQUENCE_KEYS2,
};
use crate::wire::registers::{DIAGNOSTIC, INT_STATUS, IocState, WRITE_SEQUENCE};

/// From the end of a diagnostic reset to READY.
const READY: Duration = Duration::from_secs(20);
/// For the reset bit to clear.
const RESET: Duration = Duration::from_secs(300);
/// The register is left alone this long after the reset bit is set.
const SETTLE: Duration = Duration::from_millis(50);
/// Between looks at the reset bit.
const RESET_POLL: Duration = Duration::from_millis(256);
/// Enables the host code buffer in its size register.
const HCB_ENABLE: u32 = 1;

/// The interrupt mask register with everything masked, and with the interrupt of replies open.
pub(super) const MASKED: u32 = REPLIES_OPEN | HostInterruptMask::REPLY.0;
pub(super) const REPLIES_OPEN: u32 = HostInterruptMask::RESET.0 | HostInterruptMask::DOORBELL.0;

/// The way to READY.
pub(super) type Reset = reset::Reset<Chip>;

#[derive(Debug)]
pub(super) struct Chip {
    /// The host code buffer's size, which a reset forgets.
    hcb_size: u32,
    /// For the reset bit.
    deadline: Instant,
}

impl Chip {
    pub(super) const fn new() -> Self {
        Self { hcb_size: 0, deadline: Instant::ZERO }
    }
}

impl reset::Chip for Chip {
    const MASKED: u32 = MASKED;
    const KEYS: &'static [u32] = &WRITE_SEQUENCE_KEYS2;
    const DUMPS_CORE: Option<IocState> = Some(IocState(0x5));

    fn begin(&mut self, diagnostic: u32, now: Instant, registers: &mut dyn Registers) -> Instant {
        self.hcb_size = registers.read32(RegOffset(HCB_SIZE));
        registers.write32(RegOffset(DIAGNOSTIC), diagnostic | HostDiagnostic::RESET_ADAPTER.0);
        self.deadline = now + RESET;
        now + SETTLE
    }

    fn advance(&mut self, now: Instant, registers: &mut dyn Registers) -> Diagnosis {
        let word = registers.read32(RegOffset(DIAGNOSTIC));
        if word == ALL_ONES {
            return Diagnosis::Gone;
        }
        let mut diagnostic = HostDiagnostic(word);
        if diagnostic.contains(HostDiagnostic::RESET_ADAPTER) {
            if now < self.deadline {
                return Diagnosis::Wait(now + RESET_POLL);
            }
            let error = BringUpError::Deadline { step: "diagnostic reset", state: word };
            return Diagnosis::Failed(error);
        }
        if diagnostic.contains(HostDiagnostic::HCB_MODE) {
            diagnostic = diagnostic | HostDiagnostic::BOOT_DEVICE_HCDW;
            registers.write32(RegOffset(DIAGNOSTIC), diagnostic.0);
            registers.write32(RegOffset(HCB_SIZE), self.hcb_size | HCB_ENABLE);
        }
        registers.write32(RegOffset(DIAGNOSTIC), diagnostic.0 & !HostDiagnostic::HOLD_RESET.0);
        registers.write32(RegOffset(WRITE_SEQUENCE), WRITE_SEQUENCE_FLUSH);
        Diagnosis::Starts(READY)
    }

    fn tidy(&self, _: bool, registers: &mut dyn Registers) {
        registers.write32(RegOffset(INT_STATUS), 0);
    }
}
