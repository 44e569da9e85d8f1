//! The rungs of the ladder, and how long each may take.

use core::fmt;
use core::time::Duration;

use crate::port::TaskManagement;
use crate::queue::AbortTicket;

/// How long recovery waits, and when it gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecoveryConfig {
    /// For the answer to ABORT TASK.
    pub abort: Duration,
    /// For the answer to LOGICAL UNIT RESET.
    pub logical_unit_reset: Duration,
    /// For the answer to a target reset.
    pub target_reset: Duration,
    /// Controller resets permitted within [`Self::resets_window`].
    pub resets_max: u8,
    /// See [`Self::resets_max`].
    pub resets_window: Duration,
}

impl Default for RecoveryConfig {
    /// 10 s for an abort, 20 s and 30 s for the resets, four controller resets in ten minutes.
    fn default() -> Self {
        Self {
            abort: Duration::from_secs(10),
            logical_unit_reset: Duration::from_secs(20),
            target_reset: Duration::from_secs(30),
            resets_max: 4,
            resets_window: Duration::from_secs(600),
        }
    }
}

/// A step of the ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    /// ABORT TASK.
    Abort,
    /// LOGICAL UNIT RESET.
    LogicalUnitReset,
    /// Target reset.
    TargetReset,
    /// Controller reset.
    ControllerReset,
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Abort => "abort task",
            Self::LogicalUnitReset => "logical unit reset",
            Self::TargetReset => "target reset",
            Self::ControllerReset => "controller reset",
        })
    }
}

impl Rung {
    pub(super) fn next(self) -> Self {
        match self {
            Self::Abort => Self::LogicalUnitReset,
            Self::LogicalUnitReset => Self::TargetReset,
            Self::TargetReset | Self::ControllerReset => Self::ControllerReset,
        }
    }

    pub(super) fn function(self, ticket: &AbortTicket) -> TaskManagement {
        match self {
            Self::Abort => {
                let AbortTicket { vector, name, nexus } = *ticket;
                TaskManagement::AbortTask { nexus, vector, name }
            }
            Self::LogicalUnitReset => TaskManagement::LogicalUnitReset(ticket.nexus),
            Self::TargetReset | Self::ControllerReset => {
                TaskManagement::TargetReset(ticket.nexus.target)
            }
        }
    }
}
