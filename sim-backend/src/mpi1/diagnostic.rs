//! The diagnostic register and its lock.

use super::registers::{
    DIAG_DISABLE_ARM, DIAG_RESET_ADAPTER, DIAG_RESET_HISTORY, DIAG_WRITE_ENABLED, UNLOCK_KEYS,
};

/// WriteSequence and Diagnostic.
#[derive(Clone, Debug, Default)]
pub(crate) struct Diagnostic {
    /// Keys that came in the right order so far.
    keys: usize,
    unlocked: bool,
    reset_history: bool,
    arm_disabled: bool,
    /// No keys are needed and no history is kept.
    open: bool,
}

impl Diagnostic {
    /// `open`: takes writes without the keys, as QEMU does.
    pub(crate) fn new(open: bool) -> Self {
        Self { open, ..Self::default() }
    }

    /// A write to WriteSequence: the next key, or anything else to lock again.
    pub(crate) fn write_sequence(&mut self, value: u32) {
        let expected = UNLOCK_KEYS.get(self.keys).filter(|_| !self.unlocked);
        if expected.copied() != Some(value & 0xf) {
            self.keys = 0;
            self.unlocked = false;
            return;
        }
        self.keys += 1;
        self.unlocked = self.keys == UNLOCK_KEYS.len();
    }

    /// A read of Diagnostic; `resetting` while an adapter reset is under way.
    pub(crate) fn read(&self, resetting: bool) -> u32 {
        let bit = |set: bool, bit: u32| if set { bit } else { 0 };
        bit(self.unlocked, DIAG_WRITE_ENABLED)
            | bit(self.reset_history, DIAG_RESET_HISTORY)
            | bit(self.arm_disabled, DIAG_DISABLE_ARM)
            | bit(resetting && !self.open, DIAG_RESET_ADAPTER)
    }

    /// A write to Diagnostic. Returns whether it resets the adapter.
    #[must_use = "a reset has to be carried out"]
    pub(crate) fn write(&mut self, value: u32) -> bool {
        let reset = value & DIAG_RESET_ADAPTER != 0;
        if self.open {
            return reset;
        }
        if !self.unlocked {
            return false;
        }
        self.reset_history &= value & DIAG_RESET_HISTORY != 0;
        self.arm_disabled = value & DIAG_DISABLE_ARM != 0 && !reset;
        reset
    }

    /// An adapter reset began: it locks the register and leaves its mark.
    pub(crate) fn note_reset(&mut self) {
        if !self.open {
            *self = Self { reset_history: true, ..Self::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_unlock_and_a_reset_leaves_history() {
        let mut diagnostic = Diagnostic::new(false);
        assert!(!diagnostic.write(DIAG_RESET_ADAPTER), "locked");
        for key in [0xff, 0x4, 0xb, 0x2, 0x7, 0xd] {
            diagnostic.write_sequence(key);
        }
        assert_eq!(diagnostic.read(false), DIAG_WRITE_ENABLED);
        assert!(diagnostic.write(DIAG_RESET_ADAPTER));
        diagnostic.note_reset();
        assert_eq!(diagnostic.read(true), DIAG_RESET_HISTORY | DIAG_RESET_ADAPTER);
        for key in UNLOCK_KEYS {
            diagnostic.write_sequence(key);
        }
        assert!(!diagnostic.write(0));
        assert_eq!(diagnostic.read(false), DIAG_WRITE_ENABLED, "history is cleared");
        diagnostic.write_sequence(0xff);
        assert_eq!(diagnostic.read(false), 0, "locked again");
    }

    #[test]
    fn a_wrong_key_starts_over() {
        let mut diagnostic = Diagnostic::new(false);
        for key in [0x4, 0xb, 0x2, 0x7, 0x4, 0xd] {
            diagnostic.write_sequence(key);
        }
        assert_eq!(diagnostic.read(false), 0);
    }
}
