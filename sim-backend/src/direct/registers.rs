//! Register offsets and codes; the table is in the [module's documentation](super).

use hba_core::port::{TaskManagement, TaskManagementResult};
use hba_core::register::{ALL_ONES, RegOffset};

pub(super) const SIGNATURE: RegOffset = RegOffset(0x000);
pub(super) const STATE: RegOffset = RegOffset(0x004);
pub(super) const RESET: RegOffset = RegOffset(0x008);
pub(super) const CAPACITY: RegOffset = RegOffset(0x00c);
pub(super) const ELEMENTS: RegOffset = RegOffset(0x010);
pub(super) const TRANSFER: RegOffset = RegOffset(0x014);
pub(super) const TARGETS: RegOffset = RegOffset(0x018);
pub(super) const START: RegOffset = RegOffset(0x01c);
pub(super) const INTERRUPTS: RegOffset = RegOffset(0x020);
pub(super) const TARGET_SELECT: RegOffset = RegOffset(0x024);
pub(super) const TARGET_NAME_LOW: RegOffset = RegOffset(0x028);
pub(super) const TARGET_NAME_HIGH: RegOffset = RegOffset(0x02c);
pub(super) const TARGET_PRESENT: RegOffset = RegOffset(0x030);
pub(super) const INTERRUPT_STATUS: RegOffset = RegOffset(0x034);
pub(super) const ADMIN_TARGET: RegOffset = RegOffset(0x040);
pub(super) const ADMIN_LUN_LOW: RegOffset = RegOffset(0x044);
pub(super) const ADMIN_LUN_HIGH: RegOffset = RegOffset(0x048);
pub(super) const ADMIN_TASK: RegOffset = RegOffset(0x04c);
pub(super) const ADMIN_ID: RegOffset = RegOffset(0x050);
pub(super) const ADMIN_SUBMIT: RegOffset = RegOffset(0x054);

pub(super) const SIGNATURE_VALUE: u32 = u32::from_le_bytes(*b"DSC1");
pub(super) const RESET_KEY: u32 = u32::from_le_bytes(*b"REST");

const VECTOR_BASE: u32 = 0x100;
const VECTOR_STRIDE: u32 = 0x20;

/// One register of a vector's block, as an offset in the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct VectorRegister(pub(super) u32);

impl VectorRegister {
    pub(super) const DOORBELL: Self = Self(0x00);
    pub(super) const CONSUMER: Self = Self(0x04);
    pub(super) const REQUESTS_LOW: Self = Self(0x08);
    pub(super) const REQUESTS_HIGH: Self = Self(0x0c);
    pub(super) const RING_LOW: Self = Self(0x10);
    pub(super) const RING_HIGH: Self = Self(0x14);
    pub(super) const ENTRIES: Self = Self(0x18);

    /// Where it is for `vector`.
    pub(super) const fn of(self, vector: u8) -> RegOffset {
        RegOffset(VECTOR_BASE + VECTOR_STRIDE * vector as u32 + self.0)
    }

    /// The vector and the register at `offset`.
    pub(super) fn at(offset: RegOffset) -> Option<(usize, Self)> {
        let offset = offset.0.checked_sub(VECTOR_BASE)?;
        let vector = usize::try_from(offset / VECTOR_STRIDE).ok()?;
        Some((vector, Self(offset % VECTOR_STRIDE)))
    }
}

/// What the STATE register says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControllerState {
    /// A reset is under way.
    Resetting,
    /// Reset, without access to host memory; waits for START.
    Ready,
    /// Requests are taken.
    Operational,
    /// Stopped with a code; only a reset helps.
    Fault(u16),
    /// All ones: the controller has left the bus.
    Gone,
    /// A word that no controller state has.
    Unknown(u32),
}

impl ControllerState {
    pub(super) const fn from_word(word: u32) -> Self {
        match (word, word >> 28) {
            (ALL_ONES, _) => Self::Gone,
            (_, 0) => Self::Resetting,
            (_, 1) => Self::Ready,
            (_, 2) => Self::Operational,
            (_, 4) => Self::Fault(word as u16),
            _ => Self::Unknown(word),
        }
    }

    pub(super) const fn word(self) -> u32 {
        match self {
            Self::Resetting => 0,
            Self::Ready => 1 << 28,
            Self::Operational => 2 << 28,
            Self::Fault(code) => 4 << 28 | code as u32,
            Self::Gone => ALL_ONES,
            Self::Unknown(word) => word,
        }
    }
}

/// A task management function as ADMIN_SUBMIT names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AdminFunction(pub(super) u8);

impl AdminFunction {
    pub(super) const ABORT_TASK: Self = Self(1);
    pub(super) const ABORT_TASK_SET: Self = Self(2);
    pub(super) const CLEAR_TASK_SET: Self = Self(3);
    pub(super) const LOGICAL_UNIT_RESET: Self = Self(4);
    pub(super) const TARGET_RESET: Self = Self(5);
    pub(super) const QUERY_TASK: Self = Self(6);

    /// `None` for a function that this controller does not have.
    pub(super) fn of(task: &TaskManagement) -> Option<Self> {
        Some(match task {
            TaskManagement::AbortTask { .. } => Self::ABORT_TASK,
            TaskManagement::AbortTaskSet(_) => Self::ABORT_TASK_SET,
            TaskManagement::ClearTaskSet(_) => Self::CLEAR_TASK_SET,
            TaskManagement::LogicalUnitReset(_) => Self::LOGICAL_UNIT_RESET,
            TaskManagement::TargetReset(_) => Self::TARGET_RESET,
            TaskManagement::QueryTask { .. } => Self::QUERY_TASK,
            _ => return None,
        })
    }
}

/// The result of a task management function: SAM's response codes as SAS has them, and 100h for a target that is not
/// there. Source: SPL-4 9.2.2.5.4, RESPONSE CODE field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AdminResult(pub(super) u16);

impl AdminResult {
    pub(super) const COMPLETE: Self = Self(0);
    pub(super) const REJECTED: Self = Self(4);
    pub(super) const SUCCEEDED: Self = Self(8);
    pub(super) const INCORRECT_LUN: Self = Self(9);
    pub(super) const NOT_PRESENT: Self = Self(0x100);

    /// What the core calls it.
    pub(super) const fn meaning(self) -> TaskManagementResult {
        match self {
            Self::COMPLETE => TaskManagementResult::Complete,
            Self::SUCCEEDED => TaskManagementResult::Succeeded,
            Self::REJECTED => TaskManagementResult::Rejected,
            Self::INCORRECT_LUN => TaskManagementResult::IncorrectLun,
            Self::NOT_PRESENT => TaskManagementResult::DeviceNotPresent,
            Self(code) => TaskManagementResult::Failed(code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vector_blocks_do_not_overlap_anything() {
        const { assert!(ADMIN_SUBMIT.0 < VECTOR_BASE) };
        assert_eq!(VectorRegister::at(RegOffset(0xfc)), None);
        for vector in 0..16u8 {
            let offset = VectorRegister::ENTRIES.of(vector);
            assert_eq!(
                VectorRegister::at(offset),
                Some((usize::from(vector), VectorRegister::ENTRIES))
            );
        }
    }

    #[test]
    fn states_survive_their_word() {
        use ControllerState::{Fault, Gone, Operational, Ready, Resetting, Unknown};
        for state in [Resetting, Ready, Operational, Fault(0xffff), Gone, Unknown(0x3000_0000)] {
            assert_eq!(ControllerState::from_word(state.word()), state);
        }
    }
}
