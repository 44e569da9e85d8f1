//! The host diagnostic register and its lock.

use super::registers::{
    DIAG_HOLD_IOC_RESET, DIAG_RESET_ADAPTER, DIAG_RESET_HISTORY, DIAG_WRITE_ENABLED, UNLOCK_KEYS,
};

/// WriteSequence and HostDiagnostic.
#[derive(Clone, Debug, Default)]
pub(crate) struct Diagnostic {
    /// Keys that came in the right order so far.
    keys: usize,
    unlocked: bool,
    reset_history: bool,
    held: bool,
}

impl Diagnostic {
    /// A write to WriteSequence: the next key, or anything else to lock again.
    pub(crate) fn write_sequence(&mut self, value: u32) {
        let key = value & 0xf;
        let expected = UNLOCK_KEYS.get(self.keys).filter(|_| !self.unlocked);
        if expected != Some(&key) {
            self.unlocked = false;
            self.keys = usize::from(key == UNLOCK_KEYS[0]);
            return;
        }
        self.keys += 1;
        self.unlocked = self.keys == UNLOCK_KEYS.len();
    }

    /// A read of HostDiagnostic; `resetting` while an adapter reset is under way.
    pub(crate) fn read(&self, resetting: bool) -> u32 {
        let bit = |set: bool, bit: u32| if set { bit } else { 0 };
        bit(self.unlocked, DIAG_WRITE_ENABLED)
            | bit(self.reset_history, DIAG_RESET_HISTORY)
            | bit(self.held, DIAG_HOLD_IOC_RESET)
            | bit(resetting, DIAG_RESET_ADAPTER)
    }

    /// A write to HostDiagnostic. Returns whether it resets the adapter.
    #[must_use = "a reset has to be carried out"]
    pub(crate) fn write(&mut self, value: u32) -> bool {
        if !self.unlocked {
            return false;
        }
        self.reset_history &= value & DIAG_RESET_HISTORY != 0;
        self.held = value & DIAG_HOLD_IOC_RESET != 0;
        value & DIAG_RESET_ADAPTER != 0
    }

    /// Whether the processor is kept from starting.
    pub(crate) const fn is_held(&self) -> bool {
        self.held
    }

    /// An adapter reset began: it leaves its mark. The register stays unlocked, so that the host can let the processor go.
    pub(crate) fn note_reset(&mut self) {
        self.reset_history = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_unlock_and_a_reset_leaves_history() {
        let mut diagnostic = Diagnostic::default();
        assert!(!diagnostic.write(DIAG_RESET_ADAPTER), "locked");
        for key in [0x0, 0xf, 0x4, 0xb, 0x2, 0x7, 0xd] {
            diagnostic.write_sequence(key);
        }
        assert_eq!(diagnostic.read(false), DIAG_WRITE_ENABLED);
        assert!(diagnostic.write(DIAG_RESET_ADAPTER));
        diagnostic.note_reset();
        let busy = DIAG_WRITE_ENABLED | DIAG_RESET_HISTORY | DIAG_RESET_ADAPTER;
        assert_eq!(diagnostic.read(true), busy);
        assert!(!diagnostic.write(0));
        assert_eq!(diagnostic.read(false), DIAG_WRITE_ENABLED, "history is cleared");
        diagnostic.write_sequence(0);
        assert_eq!(diagnostic.read(false), 0, "locked again");
    }

    #[test]
    fn a_wrong_key_starts_over() {
        let mut diagnostic = Diagnostic::default();
        for key in [0xf, 0x4, 0xb, 0x2, 0x4, 0x7, 0xd] {
            diagnostic.write_sequence(key);
        }
        assert_eq!(diagnostic.read(false), 0);
        for key in [0xf, 0xf, 0x4, 0xb, 0x2, 0x7, 0xd] {
            diagnostic.write_sequence(key);
        }
        assert_eq!(diagnostic.read(false), DIAG_WRITE_ENABLED, "the first key may come twice");
    }
}
