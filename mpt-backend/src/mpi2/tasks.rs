//! Task management through the high-priority descriptor, and the second step of a device's removal behind it.

use hba_core::dma::DmaSync;
use hba_core::port::{
    BadReply, NoResources, PortEvent, TaskManagement, TaskManagementId, TaskManagementResult,
};
use hba_core::register::Registers;
use zerocopy::{FromZeros, IntoBytes};

use super::config::Plan;
use super::control::Mpi2;
use super::requests::Purpose;
use crate::wire::message::Function;
use crate::wire::mpi2::{SasIoUnitControlRequest2, TaskManagementReply2, TaskManagementRequest2};
use crate::{reply, tasks};

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
        let (reply, _): (TaskManagementReply2, _) = reply::parse(bytes, Function::SCSI_TASK_MGMT)?;
        self.release(Purpose::TaskManagement(slot));
        let sent = self.functions.get_mut(usize::from(slot)).and_then(Option::take);
        if let Some(Sent { id, resets }) = sent {
            let result = tasks::result_of(reply.status(), reply.response_code);
            self.events.push_back(PortEvent::TaskManagement(id, result));
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

/// The message for a function; `None` when the frame cannot express it.
fn request_of(task: TaskManagement, plan: &Plan) -> Option<TaskManagementRequest2> {
    let tasks::Function { kind, target, lun, task } = tasks::Function::of(task)?;
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
