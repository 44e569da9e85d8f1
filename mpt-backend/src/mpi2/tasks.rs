//! Task management through the high-priority descriptor, and the second step of a device's removal behind it.

use hba_core::command::{Nexus, TargetId};
use hba_core::dma::DmaSync;
use hba_core::port::{
    BadReply, NoResources, PortEvent, TaskManagement, TaskManagementId, TaskManagementResult,
    WireTag,
};
use hba_core::queue::Vector;
use hba_core::register::Registers;
use scsi_proto::Lun;
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use super::config::Plan;
use super::control::Mpi2;
use super::requests::Purpose;
use crate::wire::message::{Function, IocStatus};
use crate::wire::mpi2::{SasIoUnitControlRequest2, TaskManagementReply2, TaskManagementRequest2};
use crate::wire::task_mgmt::{ResponseCode, TaskType};

/// A function that is out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    id: TaskManagementId,
    /// The device that it resets as a whole.
    resets: Option<u16>,
}

impl<S: DmaSync> Mpi2<S> {
    pub(super) fn send_task(
        &mut self,
        task: TaskManagement,
        id: TaskManagementId,
        registers: &mut dyn Registers,
    ) -> Result<(), NoResources> {
        let plan = self.plan.as_ref().ok_or(NoResources)?;
        let memory = self.memory.as_mut().ok_or(NoResources)?;
        let free = (0..plan.tasks).find(|n| !memory.requests.is_out(Purpose::TaskManagement(*n)));
        let slot = free.ok_or(NoResources)?;
        let Some(request) = request_of(task, plan) else {
            let result = TaskManagementResult::Rejected;
            self.events.push_back(PortEvent::TaskManagement(id, result));
            return Ok(());
        };
        let resets =
            matches!(task, TaskManagement::TargetReset(_)).then(|| request.dev_handle.get());
        self.functions[usize::from(slot)] = Some(Sent { id, resets });
        let purpose = Purpose::TaskManagement(slot);
        memory.requests.post(purpose, request.as_bytes(), &mut self.sync, registers);
        Ok(())
    }

    pub(super) fn handle_task_reply(
        &mut self,
        slot: u8,
        bytes: &[u8],
        registers: &mut dyn Registers,
    ) -> Result<(), BadReply> {
        let words = (bytes.len() / 4) as u8;
        let (reply, _) = TaskManagementReply2::read_from_prefix(bytes)
            .map_err(|_| BadReply::MessageLength { words })?;
        if reply.function != Function::SCSI_TASK_MGMT {
            return Err(BadReply::Function { function: reply.function.0 });
        }
        self.release(Purpose::TaskManagement(slot));
        let sent = self.functions.get_mut(usize::from(slot)).and_then(Option::take);
        if let Some(Sent { id, resets }) = sent {
            self.events.push_back(PortEvent::TaskManagement(id, result_of(&reply)));
            if let Some(handle) = resets {
                self.departures.handle_reset(handle);
            }
        }
        self.send_removal(registers);
        Ok(())
    }

    /// Tells the controller that the host is done with a device that left: only then is the handle used again.
    pub(super) fn send_removal(&mut self, registers: &mut dyn Registers) {
        let Some(memory) = &mut self.memory else { return };
        if memory.requests.is_out(Purpose::RemoveDevice) {
            return;
        }
        let Some(handle) = self.departures.next_removal() else { return };
        let request = SasIoUnitControlRequest2 {
            operation: SasIoUnitControlRequest2::REMOVE_DEVICE,
            function: Function::SAS_IO_UNIT_CONTROL,
            dev_handle: handle.into(),
            ..SasIoUnitControlRequest2::new_zeroed()
        };
        memory.requests.post(Purpose::RemoveDevice, request.as_bytes(), &mut self.sync, registers);
    }
}

type Addressed = (TaskType, TargetId, Lun, Option<(Vector, WireTag)>);

fn addressed(kind: TaskType, nexus: Nexus, task: Option<(Vector, WireTag)>) -> Addressed {
    (kind, nexus.target, nexus.lun, task)
}

/// The message for a function; `None` when the frame cannot express it.
fn request_of(task: TaskManagement, plan: &Plan) -> Option<TaskManagementRequest2> {
    let (kind, target, lun, task) = match task {
        TaskManagement::AbortTask { nexus, vector, name } => {
            addressed(TaskType::ABORT_TASK, nexus, Some((vector, name)))
        }
        TaskManagement::QueryTask { nexus, vector, name } => {
            addressed(TaskType::QUERY_TASK, nexus, Some((vector, name)))
        }
        TaskManagement::AbortTaskSet(nexus) => addressed(TaskType::ABORT_TASK_SET, nexus, None),
        TaskManagement::ClearTaskSet(nexus) => addressed(TaskType::CLEAR_TASK_SET, nexus, None),
        TaskManagement::LogicalUnitReset(nexus) => {
            addressed(TaskType::LOGICAL_UNIT_RESET, nexus, None)
        }
        TaskManagement::TargetReset(target) => (TaskType::TARGET_RESET, target, Lun::ZERO, None),
        _ => return None,
    };
    if target.channel != 0 {
        return None;
    }
    let task_mid = match task {
        None => 0,
        Some((vector, name)) => {
            if vector.0 >= plan.limits.vectors || name.tag.0 >= plan.limits.queue_depth {
                return None;
            }
            plan.base(vector.0) + name.tag.0
        }
    };
    Some(TaskManagementRequest2 {
        dev_handle: target.id.into(),
        function: Function::SCSI_TASK_MGMT,
        task_type: kind,
        lun: *lun.as_bytes(),
        task_mid: task_mid.into(),
        ..TaskManagementRequest2::new_zeroed()
    })
}

fn result_of(reply: &TaskManagementReply2) -> TaskManagementResult {
    match reply.status().status() {
        IocStatus::SUCCESS => {}
        IocStatus::SCSI_INVALID_BUS
        | IocStatus::SCSI_INVALID_TARGETID
        | IocStatus::SCSI_DEVICE_NOT_THERE => return TaskManagementResult::DeviceNotPresent,
        other => return TaskManagementResult::Failed(other.0),
    }
    match reply.response_code {
        ResponseCode::TM_COMPLETE => TaskManagementResult::Complete,
        ResponseCode::TM_SUCCEEDED => TaskManagementResult::Succeeded,
        ResponseCode::TM_NOT_SUPPORTED => TaskManagementResult::Rejected,
        ResponseCode::TM_INVALID_LUN => TaskManagementResult::IncorrectLun,
        code => TaskManagementResult::Failed(u16::from(code.0)),
    }
}
