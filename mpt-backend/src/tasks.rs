//! Task management: what a function is addressed to, and what its answer means.

use hba_core::command::{Nexus, TargetId};
use hba_core::port::{TaskManagement, TaskManagementResult, WireTag};
use hba_core::queue::Vector;
use scsi_proto::Lun;

use crate::wire::message::{IocStatus, IocStatusWord};
use crate::wire::task_mgmt::{ResponseCode, TaskType};

/// A task management function as both families of MPI know it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Function {
    pub(crate) kind: TaskType,
    pub(crate) target: TargetId,
    pub(crate) lun: Lun,
    /// The command, where it is about one.
    pub(crate) task: Option<(Vector, WireTag)>,
}

impl Function {
    /// `None` for a function that MPI does not have.
    pub(crate) const fn of(task: TaskManagement) -> Option<Self> {
        Some(match task {
            TaskManagement::AbortTask { nexus, vector, name } => {
                Self::at(TaskType::ABORT_TASK, nexus).about(vector, name)
            }
            TaskManagement::QueryTask { nexus, vector, name } => {
                Self::at(TaskType::QUERY_TASK, nexus).about(vector, name)
            }
            TaskManagement::AbortTaskSet(nexus) => Self::at(TaskType::ABORT_TASK_SET, nexus),
            TaskManagement::ClearTaskSet(nexus) => Self::at(TaskType::CLEAR_TASK_SET, nexus),
            TaskManagement::LogicalUnitReset(nexus) => {
                Self::at(TaskType::LOGICAL_UNIT_RESET, nexus)
            }
            TaskManagement::TargetReset(target) => {
                Self { kind: TaskType::TARGET_RESET, target, lun: Lun::ZERO, task: None }
            }
            _ => return None,
        })
    }

    const fn at(kind: TaskType, nexus: Nexus) -> Self {
        Self { kind, target: nexus.target, lun: nexus.lun, task: None }
    }

    const fn about(self, vector: Vector, name: WireTag) -> Self {
        Self { task: Some((vector, name)), ..self }
    }
}

/// What an answer means.
pub(crate) const fn result_of(
    status: IocStatusWord,
    response: ResponseCode,
) -> TaskManagementResult {
    match status.status() {
        IocStatus::SUCCESS => {}
        IocStatus::SCSI_INVALID_BUS
        | IocStatus::SCSI_INVALID_TARGETID
        | IocStatus::SCSI_DEVICE_NOT_THERE => return TaskManagementResult::DeviceNotPresent,
        other => return TaskManagementResult::Failed(other.0),
    }
    match response {
        ResponseCode::TM_COMPLETE => TaskManagementResult::Complete,
        ResponseCode::TM_SUCCEEDED => TaskManagementResult::Succeeded,
        ResponseCode::TM_NOT_SUPPORTED => TaskManagementResult::Rejected,
        ResponseCode::TM_INVALID_LUN => TaskManagementResult::IncorrectLun,
        code => TaskManagementResult::Failed(code.0 as u16),
    }
}
