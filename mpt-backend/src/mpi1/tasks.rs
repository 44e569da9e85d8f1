//! Task management: through the high-priority FIFO where the controller has one, else through the doorbell.
//!
//! A controller may hold the doorbell "in use" until it has answered: QEMU's does while the task to abort is stuck. The
//! next function then goes through the ordinary request FIFO, which every controller takes it from.

use hba_core::dma::DmaSync;
use hba_core::port::{
    BadReply, NoResources, PortEvent, TaskManagement, TaskManagementId, TaskManagementResult,
};
use hba_core::register::{RegOffset, Registers};
use zerocopy::{FromZeros, IntoBytes};

use super::context::Context;
use super::control::Mpi1;
use super::requests::{Purpose, TASK_MANAGEMENT};
use crate::handshake::Handshake;
use crate::wire::message::{Function, IocStatusWord};
use crate::wire::registers::{DOORBELL, Doorbell, REQUEST_FIFO, REQUEST_HI_PRI_FIFO};
use crate::wire::task_mgmt::{ScsiTaskMgmtReply, ScsiTaskMgmtRequest};
use crate::{reply, tasks};

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
        let (reply, _): (ScsiTaskMgmtReply, _) = reply::parse(bytes, Function::SCSI_TASK_MGMT)?;
        self.release(Purpose::TaskManagement(slot));
        let id = self.functions.get_mut(usize::from(slot)).and_then(Option::take);
        if let Some(id) = id {
            let status = IocStatusWord(reply.ioc_status.get());
            let result = tasks::result_of(status, reply.response_code);
            self.events.push_back(PortEvent::TaskManagement(id, result));
        }
        Ok(())
    }
}

/// The message for a function, its context still to be filled in; `None` when the frame cannot express it.
fn request_of(task: TaskManagement) -> Option<ScsiTaskMgmtRequest> {
    let tasks::Function { kind, target, lun, task } = tasks::Function::of(task)?;
    Some(ScsiTaskMgmtRequest {
        target_id: u8::try_from(target.id).ok()?,
        bus: target.channel,
        function: Function::SCSI_TASK_MGMT,
        task_type: kind,
        lun: *lun.as_bytes(),
        task_msg_context: task.map_or(0, |(_, name)| Context::of(name).0).into(),
        ..ScsiTaskMgmtRequest::new_zeroed()
    })
}
