//! What accompanies a CDB: data direction, task attribute and block address.

use core::fmt;

/// The way data moves, seen from the initiator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// No data phase.
    #[default]
    None,
    /// Data-out: the device reads host memory.
    ToDevice,
    /// Data-in: the device writes host memory.
    FromDevice,
}

/// The task attribute of a command. Source: SAM-5 8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TaskAttribute {
    /// SIMPLE: the device may reorder the command.
    #[default]
    Simple,
    /// HEAD OF QUEUE: the command goes before all others that wait.
    HeadOfQueue,
    /// ORDERED: all older commands end first and no younger one overtakes.
    Ordered,
    /// ACA: a command that clears an auto contingent allegiance.
    Aca,
}

/// A logical block address, counted in logical blocks of the addressed unit. Source: SBC-4 4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lba(pub u64);

impl Lba {
    /// The address `blocks` logical blocks further on, or `None` past 2^64 - 1.
    #[must_use = "the sum is the only result"]
    pub const fn checked_add(self, blocks: u64) -> Option<Self> {
        match self.0.checked_add(blocks) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }
}

impl fmt::Display for Lba {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lba_addition_is_checked() {
        assert_eq!(Lba(u64::MAX - 1).checked_add(1), Some(Lba(u64::MAX)));
        assert_eq!(Lba(u64::MAX).checked_add(1), None);
        assert_eq!(Lba(2048).to_string(), "2048");
    }
}
