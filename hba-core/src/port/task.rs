//! SAM task management functions and their answers. Source: SAM-5 clause 7.

use core::fmt;

use crate::name::{Nexus, TargetId, Vector, WireTag};

/// A SAM task management function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskManagement {
    /// ABORT TASK.
    AbortTask {
        /// The logical unit.
        nexus: Nexus,
        /// The queue that it is on: each counts its tags from 0.
        vector: Vector,
        /// The command.
        name: WireTag,
    },
    /// ABORT TASK SET.
    AbortTaskSet(Nexus),
    /// CLEAR TASK SET.
    ClearTaskSet(Nexus),
    /// LOGICAL UNIT RESET.
    LogicalUnitReset(Nexus),
    /// I_T NEXUS RESET, or the target reset of older standards.
    TargetReset(TargetId),
    /// QUERY TASK.
    QueryTask {
        /// The logical unit.
        nexus: Nexus,
        /// The queue that it is on: each counts its tags from 0.
        vector: Vector,
        /// The command.
        name: WireTag,
    },
}

/// Which task management function an answer belongs to. Unique for the life of a [`Control`](crate::control::Control).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskManagementId(pub u32);

/// The answer to a task management function. Source: SAM-5 7.1, service responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskManagementResult {
    /// FUNCTION COMPLETE.
    Complete,
    /// FUNCTION SUCCEEDED: a query found the task.
    Succeeded,
    /// FUNCTION REJECTED or not supported.
    Rejected,
    /// INCORRECT LOGICAL UNIT NUMBER.
    IncorrectLun,
    /// The device or the controller failed to perform it; the code is the controller's.
    Failed(u16),
    /// The device is not there any more.
    DeviceNotPresent,
}

/// Every frame reserved for a purpose is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoResources;

impl fmt::Display for NoResources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("every frame reserved for this purpose is in use")
    }
}

impl core::error::Error for NoResources {}
