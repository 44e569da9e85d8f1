//! Task management: through the high-priority FIFO where the controller has one, else through the doorbell.
//!
//! A controller may hold the doorbell "in use" until it has answered: QEMU's does while the task to abort is stuck. The
//! next function then goes through the ordinary request FIFO, which every controller takes it from.

use hba_core::command::{Nexus, TargetId};
use hba_core::dma::DmaSync;
use hba_core::port::{
    BadReply, NoResources, PortEvent, TaskManagement, TaskManagementId, TaskManagementResult,
};
use hba_core::register::{RegOffset, Registers};
use scsi_proto::Lun;
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use super::context::Context;
use super::control::Mpi1;
use super::requests::{Purpose, TASK_MANAGEMENT};
use crate::handshake::Handshake;
use crate::wire::message::{Function, IocStatus, IocStatusWord};
use crate::wire::registers::{DOORBELL, Doorbell, REQUEST_FIFO, REQUEST_HI_PRI_FIFO};
use crate::wire::task_mgmt::{ResponseCode, ScsiTaskMgmtReply, ScsiTaskMgmtRequest, TaskType};

impl<F, S: DmaSync> Mpi1<F, S> {
    /// Sends a task management function; its answer comes as a reply frame in either case.
    pub(super) fn send_task(
        &mut self,
        task: TaskManagement,
        id: TaskManagementId,
        registers: &mut dyn Registers,
    ) -> Result<(), NoResources> {
        let high_priority = self.plan.as_ref().ok_or(NoResources)?.facts.high_priority;
        if !high_priority && self.doorbell.is_some() {
            return Err(NoResources);
        }
        let memory = self.memory.as_mut().ok_or(NoResources)?;
        let free =
            (0..TASK_MANAGEMENT).find(|n| !memory.requests.is_out(Purpose::TaskManagement(*n)));
        let slot = free.ok_or(NoResources)?;
        let Some(request) = request_of(task) else {
            let result = TaskManagementResult::Rejected;
            self.events.push_back(PortEvent::TaskManagement(id, result));
            return Ok(());
        };
        let purpose = Purpose::TaskManagement(slot);
        let context = memory.requests.claim(purpose);
        let request = ScsiTaskMgmtRequest { msg_context: context.0.into(), ..request };
        self.functions[usize::from(slot)] = Some(id);
        let port = if high_priority {
            REQUEST_HI_PRI_FIFO
        } else if Doorbell(registers.read32(RegOffset(DOORBELL))).is_used() {
            REQUEST_FIFO
        } else {
            self.doorbell = Some(Handshake::send_only("task management", request.as_bytes()));
            return Ok(());
        };
        memory.requests.post(purpose, request.as_bytes(), port, &mut self.sync, registers);
        Ok(())
    }

    pub(super) fn handle_task_reply(&mut self, slot: u8, bytes: &[u8]) -> Result<(), BadReply> {
        let words = (bytes.len() / 4) as u8;
        let (reply, _) = ScsiTaskMgmtReply::read_from_prefix(bytes)
            .map_err(|_| BadReply::MessageLength { words })?;
        if reply.function != Function::SCSI_TASK_MGMT {
            return Err(BadReply::Function { function: reply.function.0 });
        }
        self.release(Purpose::TaskManagement(slot));
        let id = self.functions.get_mut(usize::from(slot)).and_then(Option::take);
        if let Some(id) = id {
            self.events.push_back(PortEvent::TaskManagement(id, result_of(&reply)));
        }
        Ok(())
    }
}

/// The message for a function, its context still to be filled in; `None` when the frame cannot express it.
fn request_of(task: TaskManagement) -> Option<ScsiTaskMgmtRequest> {
    let (kind, target, lun, name) = match task {
        TaskManagement::AbortTask { nexus, name, .. } => {
            addressed(TaskType::ABORT_TASK, nexus, Some(name))
        }
        TaskManagement::QueryTask { nexus, name, .. } => {
            addressed(TaskType::QUERY_TASK, nexus, Some(name))
        }
        TaskManagement::AbortTaskSet(nexus) => addressed(TaskType::ABORT_TASK_SET, nexus, None),
        TaskManagement::ClearTaskSet(nexus) => addressed(TaskType::CLEAR_TASK_SET, nexus, None),
        TaskManagement::LogicalUnitReset(nexus) => {
            addressed(TaskType::LOGICAL_UNIT_RESET, nexus, None)
        }
        TaskManagement::TargetReset(target) => (TaskType::TARGET_RESET, target, Lun::ZERO, None),
        _ => return None,
    };
    Some(ScsiTaskMgmtRequest {
        target_id: u8::try_from(target.id).ok()?,
        bus: target.channel,
        function: Function::SCSI_TASK_MGMT,
        task_type: kind,
        lun: *lun.as_bytes(),
        task_msg_context: name.map_or(0, |name| Context::of(name).0).into(),
        ..ScsiTaskMgmtRequest::new_zeroed()
    })
}

type Addressed = (TaskType, TargetId, Lun, Option<hba_core::port::WireTag>);

fn addressed(kind: TaskType, nexus: Nexus, name: Option<hba_core::port::WireTag>) -> Addressed {
    (kind, nexus.target, nexus.lun, name)
}

fn result_of(reply: &ScsiTaskMgmtReply) -> TaskManagementResult {
    let status = IocStatusWord(reply.ioc_status.get()).status();
    match status {
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
