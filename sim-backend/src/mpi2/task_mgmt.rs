//! Task management: what ends, what the targets are told, and the answers.

use scsi_proto::Lun;
use zerocopy::IntoBytes;

use super::codes::IocStatus;
use super::devices::Found;
use super::layout::{ScsiTaskMgmt, ScsiTaskMgmtReply, view};
use super::scsi_io::Accepted;
use super::violation::Violation;
use super::{Mpi2Controller, Route};
use crate::counted::{take, take_value};

/// TaskType. Source: measured layouts, `MPI2_SCSI_TASK_MANAGE_REQUEST`.
mod task_type {
    pub(super) const ABORT_TASK: u8 = 0x01;
    pub(super) const ABORT_TASK_SET: u8 = 0x02;
    pub(super) const TARGET_RESET: u8 = 0x03;
    pub(super) const LOGICAL_UNIT_RESET: u8 = 0x05;
    pub(super) const CLEAR_TASK_SET: u8 = 0x06;
    pub(super) const QUERY_TASK: u8 = 0x07;
    pub(super) const CLEAR_ACA: u8 = 0x08;
    pub(super) const QUERY_TASK_SET: u8 = 0x09;
    pub(super) const QUERY_ASYNCHRONOUS_EVENT: u8 = 0x0a;
}

/// ResponseCode: done.
const RESPONSE_COMPLETE: u8 = 0x00;
/// ResponseCode: this function is not supported.
const RESPONSE_NOT_SUPPORTED: u8 = 0x04;
/// ResponseCode: yes, to a query.
const RESPONSE_SUCCEEDED: u8 = 0x08;
/// ResponseCode: no such logical unit.
const RESPONSE_INVALID_LUN: u8 = 0x09;

/// How a function ended.
struct Outcome {
    response: u8,
    ended: Vec<Accepted>,
}

impl Outcome {
    const fn response(response: u8) -> Self {
        Self { response, ended: Vec::new() }
    }

    const fn ended(ended: Vec<Accepted>) -> Self {
        Self { response: RESPONSE_COMPLETE, ended }
    }
}

impl Mpi2Controller {
    pub(super) fn handle_task_mgmt(&mut self, message: &[u8], route: Route) {
        let request: ScsiTaskMgmt = view(message);
        if take(&mut self.faults.swallow_task_management) {
            return self.requests.release(route.smid);
        }
        let mut reply = ScsiTaskMgmtReply {
            dev_handle: request.dev_handle,
            msg_length: (size_of::<ScsiTaskMgmtReply>() / 4) as u8,
            function: request.function,
            task_type: request.task_type,
            msg_flags: request.msg_flags,
            ..ScsiTaskMgmtReply::default()
        };
        if let Some(response) = take_value(&mut self.faults.fail_task_management) {
            reply.response_code = response;
            reply.ioc_status.set(IocStatus::SCSI_TASK_MGMT_FAILED.0);
            return self.post_frame(route, reply.as_bytes());
        }
        match self.manage(&request, route) {
            Ok(Outcome { response, ended }) => {
                reply.response_code = response;
                reply.termination_count.set(ended.len() as u32);
                for task in &ended {
                    self.terminate(task, IocStatus::SCSI_TASK_TERMINATED, 0);
                }
            }
            Err(status) => reply.ioc_status.set(status.0),
        }
        self.post_frame(route, reply.as_bytes());
    }

    fn manage(&mut self, request: &ScsiTaskMgmt, route: Route) -> Result<Outcome, IocStatus> {
        self.check_task_mgmt(request, route)?;
        let handle = request.dev_handle.get();
        let slot = match self.devices.find(handle) {
            Found::Present(slot) => slot,
            // The reset that begins a removal: there is nothing left to end.
            Found::Left => return Ok(Outcome::ended(Vec::new())),
            Found::Unknown => {
                let (smid, value) = (route.smid, handle.into());
                self.note(Violation::Field { smid, field: "the device handle", value });
                return Err(IocStatus::SCSI_INVALID_DEVHANDLE);
            }
        };
        let lun = Lun(request.lun);
        if request.task_type == task_type::TARGET_RESET {
            let ended = self.tasks.take(|task| task.slot == slot);
            if let Some(target) = self.topology.target_mut(slot) {
                target.target_reset();
            }
            return Ok(Outcome::ended(ended));
        }
        if self.topology.target(slot).is_none_or(|target| !target.has_lun(lun)) {
            return Ok(Outcome::response(RESPONSE_INVALID_LUN));
        }
        Ok(self.manage_unit(request, slot, lun))
    }

    /// Functions for one logical unit that exists.
    fn manage_unit(&mut self, request: &ScsiTaskMgmt, slot: usize, lun: Lun) -> Outcome {
        let mid = u32::from(request.task_mid.get());
        let this = move |task: &Accepted| task.slot == slot && task.lun == lun && task.id == mid;
        let all = move |task: &Accepted| task.slot == slot && task.lun == lun;
        match request.task_type {
            task_type::ABORT_TASK => Outcome::ended(self.tasks.take(this)),
            task_type::ABORT_TASK_SET | task_type::CLEAR_TASK_SET => {
                let ended = self.tasks.take(all);
                if let Some(target) = self.topology.target_mut(slot) {
                    target.abort_task_set(lun);
                }
                Outcome::ended(ended)
            }
            task_type::LOGICAL_UNIT_RESET => {
                let ended = self.tasks.take(all);
                if let Some(target) = self.topology.target_mut(slot) {
                    target.logical_unit_reset(lun);
                }
                Outcome::ended(ended)
            }
            task_type::QUERY_TASK => query(self.tasks.any(this)),
            task_type::QUERY_TASK_SET => query(self.tasks.any(all)),
            task_type::CLEAR_ACA | task_type::QUERY_ASYNCHRONOUS_EVENT => {
                Outcome::response(RESPONSE_COMPLETE)
            }
            _ => Outcome::response(RESPONSE_NOT_SUPPORTED),
        }
    }

    fn check_task_mgmt(&mut self, request: &ScsiTaskMgmt, route: Route) -> Result<(), IocStatus> {
        let reserved = [
            u64::from(request.chain_offset),
            request.reserved_1.into(),
            request.reserved_2.into(),
            request.vp_id.into(),
            request.vf_id.into(),
            request.reserved_3.get().into(),
            request.reserved_5.get().into(),
            u64::from(request.reserved_4.iter().any(|byte| *byte != 0)),
        ];
        match reserved.into_iter().find(|value| *value != 0) {
            None => Ok(()),
            Some(value) => {
                let (smid, field) = (route.smid, "a reserved field");
                self.note(Violation::Field { smid, field, value });
                Err(IocStatus::INVALID_FIELD)
            }
        }
    }
}

const fn query(found: bool) -> Outcome {
    Outcome::response(if found { RESPONSE_SUCCEEDED } else { RESPONSE_COMPLETE })
}
