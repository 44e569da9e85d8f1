//! Task management, and what the target registers show.

use alloc::collections::VecDeque;

use hba_core::port::WireTag;
use scsi_proto::Lun;

use super::DirectController;
use crate::counted;
use crate::direct::layout::{Descriptor, Ending, Topic, name_of};
use crate::direct::registers::{AdminFunction, AdminResult};
use crate::topology::Topology;

/// Task management functions that the controller can hold.
const FUNCTIONS_MAX: usize = 64;

/// The ADMIN registers and the functions that were submitted with them.
#[derive(Debug, Default)]
pub(super) struct Admin {
    pub(super) staged: Staged,
    submitted: VecDeque<Submitted>,
}

/// The ADMIN registers as the host last wrote them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Staged {
    pub(super) target: u32,
    pub(super) lun: [u32; 2],
    pub(super) task: u32,
    pub(super) id: u32,
}

#[derive(Clone, Copy, Debug)]
struct Submitted {
    function: AdminFunction,
    vector: u8,
    slot: usize,
    lun: Lun,
    task: WireTag,
    id: u32,
}

impl Admin {
    /// Whether there was room.
    pub(super) fn submit(&mut self, word: u32) -> bool {
        if self.submitted.len() == FUNCTIONS_MAX {
            return false;
        }
        let Staged { target, lun: [low, high], task, id } = self.staged;
        let lun = u64::from(low) | u64::from(high) << 32;
        self.submitted.push_back(Submitted {
            function: AdminFunction(word as u8),
            vector: (word >> 8) as u8,
            slot: usize::try_from(target).unwrap_or(usize::MAX),
            lun: Lun(lun.to_le_bytes()),
            task: name_of(task),
            id,
        });
        true
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// What TARGET_SELECT latched.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Latch {
    pub(super) name: u64,
    pub(super) present: bool,
}

impl Latch {
    pub(super) fn of(topology: &Topology, address: u32) -> Self {
        let slot = usize::try_from(address).unwrap_or(usize::MAX);
        let target = topology.target(slot);
        target.map_or_else(Self::default, |t| Self { name: t.sas_address().0, present: true })
    }
}

impl DirectController {
    /// Performs one task management function; `false` when none waits.
    pub(super) fn manage(&mut self) -> bool {
        let Some(submitted) = self.admin.submitted.pop_front() else { return false };
        if counted::take(&mut self.faults.swallow_task_management) {
            return true;
        }
        let AdminResult(code) = match counted::take_value(&mut self.faults.fail_task_management) {
            Some(code) => AdminResult(code),
            None => self.perform(&submitted),
        };
        self.post(0, Descriptor::message(submitted.id, Topic::TASK_MANAGEMENT, code));
        true
    }

    fn perform(&mut self, submitted: &Submitted) -> AdminResult {
        let Submitted { function, vector, slot, lun, task, .. } = *submitted;
        let Some(target) = self.topology.target_mut(slot) else {
            return AdminResult::NOT_PRESENT;
        };
        if function != AdminFunction::TARGET_RESET && !target.has_lun(lun) {
            return AdminResult::INCORRECT_LUN;
        }
        let of_unit = |t: &super::tasks::Accepted| t.slot() == slot && t.head.lun == lun;
        let is_task =
            |t: &super::tasks::Accepted| of_unit(t) && t.vector == vector && t.head.name == task;
        match function {
            AdminFunction::ABORT_TASK => self.end_tasks(Ending::ABORTED, is_task),
            AdminFunction::ABORT_TASK_SET | AdminFunction::CLEAR_TASK_SET => {
                target.abort_task_set(lun);
                self.end_tasks(Ending::ABORTED, of_unit);
            }
            AdminFunction::LOGICAL_UNIT_RESET => {
                target.logical_unit_reset(lun);
                self.end_tasks(Ending::ABORTED, of_unit);
            }
            AdminFunction::TARGET_RESET => {
                target.target_reset();
                self.end_tasks(Ending::ABORTED, |t| t.slot() == slot);
            }
            AdminFunction::QUERY_TASK if self.tasks.any(is_task) => {
                return AdminResult::SUCCEEDED;
            }
            AdminFunction::QUERY_TASK => {}
            _ => return AdminResult::REJECTED,
        }
        AdminResult::COMPLETE
    }
}
