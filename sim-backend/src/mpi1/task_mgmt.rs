//! Task management: aborts, resets and queries, and the order of the replies around them.

use zerocopy::IntoBytes;

use super::codes::IocStatus;
use super::layout::{ScsiTaskMgmt, ScsiTaskMgmtReply, view};
use super::registers::INT_DOORBELL;
use super::scsi_io::Accepted;
use super::{Mpi1Controller, Via};
use crate::counted::{take, take_value};

/// TaskType. Source: measured layouts, `MSG_SCSI_TASK_MGMT`.
mod task_type {
    pub(super) const ABORT_TASK: u8 = 1;
    pub(super) const ABORT_TASK_SET: u8 = 2;
    pub(super) const TARGET_RESET: u8 = 3;
    pub(super) const RESET_BUS: u8 = 4;
    pub(super) const LOGICAL_UNIT_RESET: u8 = 5;
    pub(super) const CLEAR_TASK_SET: u8 = 6;
    pub(super) const QUERY_TASK: u8 = 7;
}

/// ResponseCode: the function is not known.
const RESPONSE_NOT_SUPPORTED: u8 = 0x04;
/// ResponseCode: the task of a query was found.
const RESPONSE_SUCCEEDED: u8 = 0x08;
/// ResponseCode: no such logical unit.
const RESPONSE_INVALID_LUN: u8 = 0x09;

/// An abort that waits until the hold of its target is lifted.
#[derive(Clone, Copy, Debug)]
pub(super) struct ParkedAbort {
    request: ScsiTaskMgmt,
    slot: usize,
}

/// How a request is answered when nothing has to be done.
enum Refusal {
    Status(IocStatus),
    Response(u8),
}

impl Mpi1Controller {
    /// Carries out a task management request. The reply goes through the FIFO even if the request came by doorbell.
    pub(super) fn handle_task_mgmt(&mut self, message: &[u8], via: Via) {
        let request: ScsiTaskMgmt = view(message);
        let disturbs = self.personality.behaviour.replies_disturb_handshake;
        if via == Via::Doorbell && !disturbs {
            self.handshake.end();
            self.interrupts.raise(INT_DOORBELL);
        }
        if take(&mut self.faults.swallow_task_management) {
            return;
        }
        if let Some(response) = take_value(&mut self.faults.fail_task_management) {
            let mut reply = task_mgmt_reply(&request, response);
            reply.ioc_status.set(IocStatus::SCSI_TASK_MGMT_FAILED.0);
            self.post_frame(reply.as_bytes());
            return;
        }
        if let Err(refusal) = self.carry_out(&request) {
            let (response, status) = match refusal {
                Refusal::Response(response) => (response, IocStatus::SUCCESS),
                Refusal::Status(status) => (0, status),
            };
            let mut reply = task_mgmt_reply(&request, response);
            reply.ioc_status.set(status.0);
            self.post_frame(reply.as_bytes());
        }
    }

    fn carry_out(&mut self, request: &ScsiTaskMgmt) -> Result<(), Refusal> {
        let lun = self.lun(request.lun);
        match request.task_type {
            task_type::ABORT_TASK => {
                let slot = self.find_unit(request)?;
                self.abort(request, slot);
            }
            task_type::QUERY_TASK => {
                let slot = self.find_unit(request)?;
                let context = request.task_msg_context.get();
                if self.tasks.any(|task| task.slot == slot && task.id == context) {
                    return Err(Refusal::Response(RESPONSE_SUCCEEDED));
                }
                self.answer(request, Vec::new(), false);
            }
            task_type::ABORT_TASK_SET | task_type::CLEAR_TASK_SET => {
                let slot = self.find_unit(request)?;
                let ended = self.tasks.take(|task| task.slot == slot && task.lun == lun);
                if let Some(target) = self.topology.target_mut(slot) {
                    target.abort_task_set(lun);
                }
                self.answer(request, ended, true);
            }
            task_type::LOGICAL_UNIT_RESET => {
                let slot = self.find_unit(request)?;
                let ended = self.tasks.take(|task| task.slot == slot && task.lun == lun);
                if let Some(target) = self.topology.target_mut(slot) {
                    target.logical_unit_reset(lun);
                }
                self.answer_reset(request, ended);
            }
            task_type::TARGET_RESET => {
                let slot = self.find_reset_target(request)?;
                let ended = self.tasks.take(|task| task.slot == slot);
                if let Some(target) = self.topology.target_mut(slot) {
                    target.target_reset();
                }
                self.answer_reset(request, ended);
            }
            task_type::RESET_BUS => {
                let ended = self.tasks.take(|_| true);
                self.topology.targets_mut().for_each(crate::target::Target::target_reset);
                self.answer_reset(request, ended);
            }
            _ => return Err(Refusal::Response(RESPONSE_NOT_SUPPORTED)),
        }
        Ok(())
    }

    fn abort(&mut self, request: &ScsiTaskMgmt, slot: usize) {
        let context = request.task_msg_context.get();
        let wanted = |task: &Accepted| task.slot == slot && task.id == context;
        let waits = self.personality.behaviour.abort_waits_for_backend;
        if waits && self.topology.is_held(slot) && self.tasks.any(wanted) {
            self.parked_aborts.push(ParkedAbort { request: *request, slot });
            return;
        }
        let ended = self.tasks.take(wanted);
        self.answer(request, ended, true);
    }

    /// Carries out one abort whose target is free again.
    pub(super) fn finish_parked_abort(&mut self) -> bool {
        let topology = &self.topology;
        let Some(index) = self.parked_aborts.iter().position(|p| !topology.is_held(p.slot)) else {
            return false;
        };
        let parked = self.parked_aborts.remove(index);
        self.abort(&parked.request, parked.slot);
        true
    }

    fn answer_reset(&mut self, request: &ScsiTaskMgmt, ended: Vec<Accepted>) {
        let counts = !self.personality.behaviour.reset_counts_nothing;
        self.answer(request, ended, counts);
    }

    /// Replies to the tasks that ended and to the request, in the order of the personality.
    fn answer(&mut self, request: &ScsiTaskMgmt, ended: Vec<Accepted>, counts: bool) {
        let mut reply = task_mgmt_reply(request, 0);
        reply.termination_count.set(if counts { ended.len() as u32 } else { 0 });
        let first = self.personality.behaviour.task_management_answers_first;
        if first {
            self.post_frame(reply.as_bytes());
        }
        for task in &ended {
            self.terminate(task, IocStatus::SCSI_TASK_TERMINATED, 0);
        }
        if !first {
            self.post_frame(reply.as_bytes());
        }
    }

    /// The slot of a target that has the addressed logical unit.
    fn find_unit(&self, request: &ScsiTaskMgmt) -> Result<usize, Refusal> {
        let slot = self.find_slot(request.bus, request.target_id).map_err(Refusal::Status)?;
        let lun = self.lun(request.lun);
        let target = self.topology.target(slot);
        if target.is_some_and(|target| target.has_lun(lun)) {
            Ok(slot)
        } else {
            Err(Refusal::Response(RESPONSE_INVALID_LUN))
        }
    }

    fn find_reset_target(&self, request: &ScsiTaskMgmt) -> Result<usize, Refusal> {
        let id = request.target_id;
        let found = self.find_slot(request.bus, id);
        if !self.personality.behaviour.reset_counts_nothing {
            return found.map_err(Refusal::Status);
        }
        // QEMU: an id equal to the limit passes, and so does an id with nothing behind it.
        match found {
            Err(IocStatus::SCSI_INVALID_TARGETID) if u16::from(id) <= self.init.max_devices => {
                Ok(id.into())
            }
            Err(IocStatus::SCSI_DEVICE_NOT_THERE) => Ok(id.into()),
            found => found.map_err(Refusal::Status),
        }
    }
}

fn task_mgmt_reply(request: &ScsiTaskMgmt, response: u8) -> ScsiTaskMgmtReply {
    ScsiTaskMgmtReply {
        target_id: request.target_id,
        bus: request.bus,
        msg_length: (size_of::<ScsiTaskMgmtReply>() / 4) as u8,
        function: request.function,
        response_code: response,
        task_type: request.task_type,
        msg_context: request.msg_context,
        ..ScsiTaskMgmtReply::default()
    }
}
