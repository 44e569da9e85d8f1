//! Aborts, resets, shutdown: every command ends once, every buffer comes home.

use hba_core::command::{Cookie, Failure, Nexus, Outcome, Request, TargetId, Transfer};
use hba_core::control::{ControlEvent, ResetReason, Rung};
use hba_core::port::{BringUpError, TaskManagement, TaskManagementResult};
use hba_core::queue::Abandoned;
use hba_core::time::Timeout;
use scsi_proto::{Lun, Status};

use super::super::{ControllerState, FaultCode};
use super::target::{HELD, TEST_UNIT_READY, TestTarget};
use super::{DirectConfig, Facts, Rig, UNIT};

const GOOD: Outcome = Outcome::Status(Status::GOOD);
const ABORTED: Outcome = Outcome::Failed(Failure::Aborted);

/// A rig with `count` held commands on each of two vectors, the first ones on vector 0.
pub(super) fn holding(count: u64) -> Rig {
    let mut rig = Rig::new();
    rig.target.lock().unwrap().holds = true;
    for vector in 0..2 {
        for cookie in 0..count {
            rig.order(vector, HELD, u64::from(vector) * count + cookie);
        }
    }
    rig.poll();
    rig
}

/// The rig still works.
#[track_caller]
fn assert_alive(rig: &mut Rig) {
    rig.until_open();
    rig.ends.clear();
    rig.order(0, TEST_UNIT_READY, 0);
    rig.order(1, TEST_UNIT_READY, 1);
    rig.finish();
    rig.assert_all(2, GOOD);
}

#[test]
fn an_abort_ends_its_command_and_no_other() {
    let mut rig = holding(3);
    let handle = rig.order(1, HELD, 6);
    rig.poll();
    rig.adapter.abort(handle);
    rig.adapter.abort(handle);
    rig.until("aborted", |rig| !rig.ends.is_empty() && !rig.adapter.control().is_recovering());
    assert_eq!((rig.cookies(), rig.ends[0].outcome), (vec![6], ABORTED));
    rig.target.lock().unwrap().holds = false;
    rig.finish();
    assert_eq!(rig.cookies(), (0..7).collect::<Vec<_>>());
    rig.adapter.abort(handle);
    assert_alive(&mut rig);
}

#[test]
fn slots_with_the_same_number_on_two_vectors_are_told_apart() {
    let mut rig = holding(1);
    let first = rig.order(0, HELD, 2);
    let second = rig.order(1, HELD, 3);
    assert_eq!(first.command, second.command, "the same slot, as often used");
    rig.poll();
    rig.adapter.abort(second);
    rig.until("aborted", |rig| !rig.ends.is_empty() && !rig.adapter.control().is_recovering());
    assert_eq!(rig.cookies(), [3]);
}

#[test]
fn an_abort_of_what_completed_meanwhile_changes_nothing() {
    let mut rig = Rig::new();
    let handle = rig.order(0, TEST_UNIT_READY, 0);
    rig.machine.run(100);
    rig.adapter.abort(handle);
    rig.until("recovered", |rig| !rig.adapter.control().is_recovering());
    rig.assert_all(1, GOOD);
    assert_alive(&mut rig);
}

#[test]
fn a_logical_unit_reset_ends_the_unit_s_commands() {
    let mut rig = holding(2);
    let other = Nexus::new(TargetId::new(0), Lun::from_number(1));
    let request = Request::new(other, HELD, Transfer::NONE, rig.buffer(8), Cookie(9));
    rig.send(0, request).unwrap();
    let id = rig.adapter.task_management(TaskManagement::LogicalUnitReset(UNIT)).unwrap();
    let complete = ControlEvent::TaskManagement(id, Some(TaskManagementResult::Complete));
    rig.until("answered", |rig| rig.events.contains(&complete));
    rig.assert_all(4, ABORTED);
    assert_eq!(rig.target.lock().unwrap().unit_resets, 1);
    rig.target.lock().unwrap().holds = false;
    rig.finish();
    assert_eq!(rig.ends[4].outcome, GOOD, "the other unit's command was left alone");
    let nobody = Nexus::new(TargetId::new(3), Lun::ZERO);
    let strange = Nexus::new(TargetId::new(0), Lun::from_number(7));
    for (nexus, result) in [
        (nobody, TaskManagementResult::DeviceNotPresent),
        (strange, TaskManagementResult::IncorrectLun),
    ] {
        let id = rig.adapter.task_management(TaskManagement::LogicalUnitReset(nexus)).unwrap();
        let answer = ControlEvent::TaskManagement(id, Some(result));
        rig.until("answered", |rig| rig.events.contains(&answer));
    }
}

#[test]
fn a_deadline_ends_a_command_through_an_abort() {
    let mut rig = holding(1);
    let data = rig.buffer(8);
    let request = Request::new(UNIT, HELD, Transfer::NONE, data, Cookie(2));
    rig.send(1, request.with_timeout(Timeout::from_secs(2))).unwrap();
    rig.until("one end", |rig| !rig.ends.is_empty() && !rig.adapter.control().is_recovering());
    assert_eq!(rig.cookies(), [2]);
    assert_eq!(rig.ends[0].outcome, Outcome::Failed(Failure::TimedOut));
    assert!(rig.events.contains(&ControlEvent::Recovering(UNIT, Rung::Abort)));
    assert_eq!(rig.counters(1).expired, 1);
}

#[test]
fn a_lost_reply_is_found_by_its_deadline() {
    let mut rig = Rig::new();
    rig.faults(|faults| faults.lose_replies = 1);
    rig.order(0, TEST_UNIT_READY, 0);
    rig.finish();
    rig.assert_all(1, Outcome::Failed(Failure::TimedOut));
    assert_alive(&mut rig);
}

#[test]
fn the_ladder_climbs_to_a_controller_reset() {
    let mut rig = holding(2);
    rig.faults(|faults| faults.swallow_task_management = u32::MAX);
    rig.until("operational again", |rig| {
        let operational = ControlEvent::Operational;
        rig.events.iter().filter(|event| **event == operational).count() == 2
    });
    for rung in [Rung::Abort, Rung::LogicalUnitReset, Rung::TargetReset] {
        assert!(rig.events.contains(&ControlEvent::Recovering(UNIT, rung)), "{rung}");
    }
    assert!(rig.events.contains(&ControlEvent::ResetBegun(ResetReason::LadderExhausted)));
    rig.finish();
    rig.assert_all(4, Outcome::Failed(Failure::TimedOut));
    assert_alive(&mut rig);
}

#[test]
fn a_reset_ends_everything_once() {
    let mut rig = holding(8);
    rig.adapter.request_reset(rig.machine.now());
    rig.adapter.request_reset(rig.machine.now());
    rig.finish();
    rig.assert_all(16, Outcome::Failed(Failure::Reset));
    rig.until_open();
    assert_eq!(rig.machine.with_controller(|controller| controller.outstanding()), 0);
    let before = rig.ends.len();
    assert_alive(&mut rig);
    assert_eq!((before, rig.events.iter().filter(|e| is_reset(e)).count()), (16, 1));
}

fn is_reset(event: &ControlEvent) -> bool {
    matches!(event, ControlEvent::ResetBegun(_))
}

#[test]
fn what_completed_before_a_reset_counts() {
    let mut rig = Rig::new();
    rig.order(0, TEST_UNIT_READY, 0);
    rig.machine.run(100);
    rig.adapter.request_reset(rig.machine.now());
    rig.finish();
    rig.assert_all(1, GOOD);
}

#[test]
fn replies_from_before_a_reset_are_forgotten() {
    let mut rig = holding(4);
    for _ in 0..3 {
        rig.adapter.request_reset(rig.machine.now());
        assert_alive(&mut rig);
    }
    let counters = rig.counters(0);
    assert_eq!((counters.stale, counters.unknown, counters.malformed), (0, 0, 0));
}

#[test]
fn a_fault_state_resets() {
    let mut rig = holding(2);
    rig.machine.with_controller(|controller| controller.fail(FaultCode(0x1234)));
    rig.finish();
    rig.assert_all(4, Outcome::Failed(Failure::Reset));
    assert!(rig.events.contains(&ControlEvent::ResetBegun(ResetReason::Fault(0x1234))));
    assert_alive(&mut rig);
}

#[test]
fn a_controller_that_lost_its_state_is_reset() {
    let mut rig = holding(1);
    rig.machine.with_controller(|controller| {
        crate::controller::ControllerModel::power_cut(controller);
        crate::controller::ControllerModel::power_on(controller);
    });
    rig.finish();
    rig.assert_all(2, Outcome::Failed(Failure::Reset));
    assert!(rig.events.iter().any(is_reset));
}

#[test]
fn shutdown_leaves_a_controller_without_memory() {
    let mut rig = holding(3);
    rig.adapter.shutdown();
    rig.until("stopped", |rig| rig.adapter.stopped().is_some());
    rig.finish();
    rig.assert_all(6, ABORTED);
    let state = rig.machine.with_controller(|controller| controller.state());
    assert_eq!(state, ControllerState::Ready);
    let accesses = rig.machine.memory().accesses();
    rig.machine.run(1000);
    assert_eq!(rig.machine.memory().accesses(), accesses);
    rig.adapter.close().unwrap();
}

#[test]
fn an_adapter_closed_too_early_names_what_is_out() {
    let abandoned = holding(2).adapter.close().unwrap_err();
    let cookies: Vec<_> = abandoned.iter().flat_map(Abandoned::cookies).collect();
    assert_eq!(cookies, [&Cookie(0), &Cookie(1), &Cookie(2), &Cookie(3)]);
}

#[test]
fn a_reset_that_does_not_end_isolates() {
    let mut rig = holding(1);
    rig.faults(|faults| faults.stuck_in_reset = true);
    rig.adapter.request_reset(rig.machine.now());
    rig.until("isolated", |rig| rig.isolated);
    rig.finish();
    rig.assert_all(2, Outcome::Failed(Failure::ControllerFailed));
    let deadline = |event: &ControlEvent| {
        matches!(event, ControlEvent::BringUpFailed(BringUpError::Deadline { step: "reset", .. }))
    };
    assert!(rig.events.iter().any(deadline));
}

#[test]
fn targets_come_and_go() {
    let mut rig = holding(2);
    drop(rig.machine.detach(0).unwrap());
    rig.finish();
    rig.assert_all(4, Outcome::Failed(Failure::DeviceNotPresent));
    let departed = ControlEvent::TargetDeparted(TargetId::new(0));
    rig.until("departed", |rig| rig.events.contains(&departed));
    assert!(rig.adapter.control().targets().is_empty());
    rig.machine.attach(3, TestTarget::default()).unwrap();
    rig.until("arrived", |rig| rig.adapter.control().targets().len() == 1);
    let target = rig.adapter.control().targets()[0];
    assert_eq!((target.id, target.port_name), (TargetId::new(3), TestTarget::NAME.0));
}

#[test]
fn a_target_that_went_during_a_reset_departs() {
    let mut rig = Rig::new();
    rig.adapter.request_reset(rig.machine.now());
    drop(rig.machine.detach(0).unwrap());
    let departed = ControlEvent::TargetDeparted(TargetId::new(0));
    rig.until("departed", |rig| rig.events.contains(&departed));
}

#[test]
fn functions_without_an_answer_do_not_stop_the_ladder() {
    let mut rig = holding(1);
    rig.faults(|faults| faults.swallow_task_management = u32::MAX);
    for _ in 0..16 {
        rig.adapter.task_management(TaskManagement::LogicalUnitReset(UNIT)).unwrap();
    }
    rig.finish();
    rig.assert_all(2, Outcome::Failed(Failure::TimedOut));
    assert!(rig.events.contains(&ControlEvent::ResetBegun(ResetReason::LadderExhausted)));
    assert_alive(&mut rig);
    rig.faults(|faults| faults.swallow_task_management = 0);
    let id = rig.adapter.task_management(TaskManagement::LogicalUnitReset(UNIT)).unwrap();
    let complete = ControlEvent::TaskManagement(id, Some(TaskManagementResult::Complete));
    rig.until("answered", |rig| rig.events.contains(&complete));
}

#[test]
fn a_shutdown_waits_for_what_is_under_way() {
    let mut resetting = holding(1);
    resetting.adapter.request_reset(resetting.machine.now());
    let mut starting = Rig::cold(Facts::default(), DirectConfig::default());
    starting.poll();
    for rig in [&mut resetting, &mut starting] {
        rig.adapter.shutdown();
        rig.until("stopped", |rig| rig.adapter.stopped().is_some());
        rig.finish();
        let state = rig.machine.with_controller(|controller| controller.state());
        assert_eq!(state, ControllerState::Ready);
    }
    resetting.assert_all(2, ABORTED);
}
