//! The diagnostic reset of MPI 1.x: the processor is held, then the adapter reset.

use core::time::Duration;

use hba_core::register::{ALL_ONES, RegOffset, Registers};
use hba_core::time::Instant;

use crate::reset::{self, Diagnosis};
use crate::wire::registers::{
    DIAGNOSTIC, Diagnostic, IntMask, IocState, WRITE_SEQUENCE, WRITE_SEQUENCE_KEYS,
    WRITE_SEQUENCE_LOCK,
};

/// From a diagnostic reset to READY.
const READY: Duration = Duration::from_secs(60);
/// The processor is held this long before the adapter is reset.
const HOLD: Duration = Duration::from_millis(1);

/// The interrupt mask register with everything masked, and with the interrupt of replies open.
pub(super) const MASKED: u32 = REPLIES_OPEN | IntMask::REPLY.0;
pub(super) const REPLIES_OPEN: u32 = IntMask::DOORBELL.0;

/// The way to READY.
pub(super) type Reset = reset::Reset<Chip>;

#[derive(Debug)]
pub(super) struct Chip;

impl reset::Chip for Chip {
    const MASKED: u32 = MASKED;
    const KEYS: &'static [u32] = {
        let [a, b, c, d, e] = WRITE_SEQUENCE_KEYS;
        &[WRITE_SEQUENCE_LOCK, a, b, c, d, e]
    };
    const DUMPS_CORE: Option<IocState> = None;

    fn begin(&mut self, diagnostic: u32, now: Instant, registers: &mut dyn Registers) -> Instant {
        let held = diagnostic | Diagnostic::DISABLE_ARM.0;
        registers.write32(RegOffset(DIAGNOSTIC), held);
        now + HOLD
    }

    fn advance(&mut self, _: Instant, registers: &mut dyn Registers) -> Diagnosis {
        let diagnostic = registers.read32(RegOffset(DIAGNOSTIC));
        if diagnostic == ALL_ONES {
            return Diagnosis::Gone;
        }
        let reset = (diagnostic | Diagnostic::RESET_ADAPTER.0) & !Diagnostic::DISABLE_ARM.0;
        registers.write32(RegOffset(DIAGNOSTIC), reset);
        Diagnosis::Starts(READY)
    }

    /// The key closes the diagnostic register again.
    fn tidy(&self, diagnosed: bool, registers: &mut dyn Registers) {
        if diagnosed {
            registers.write32(RegOffset(WRITE_SEQUENCE), WRITE_SEQUENCE_LOCK);
        }
    }
}
