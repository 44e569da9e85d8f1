//! The ladder by itself.

use scsi_proto::Lun;

use super::*;
use crate::port::{Generation, Tag, WireTag};

fn draining(number: u32) -> Job {
    let purpose = Purpose::Perform(
        Some(TaskManagementId(number)),
        TaskManagement::TargetReset(TargetId::new(0)),
    );
    let result = TaskManagementResult::Complete;
    let phase = Phase::Draining { number, missing: 2, result };
    Job { purpose: Some(purpose), phase, first_not_covered: 0 }
}

#[test]
fn two_marks_of_one_vector_do_not_stand_for_another_s() {
    let mut recovery = Recovery::new(RecoveryConfig::default());
    recovery.reserve(2);
    recovery.jobs = alloc::vec![draining(0), draining(1)];
    let mut mark = |vector, number| {
        recovery.handle_drained(DrainMark { vector: Vector(vector), number });
        recovery.jobs.len()
    };
    assert_eq!(mark(0, 0), 2);
    assert_eq!(mark(0, 1), 2, "vector 1 has not been seen empty");
    assert_eq!(mark(1, 1), 0, "a younger mark answers both requests");
}

/// A command that was submitted after the device had reset its unit is the device's: its memory must not come home.
#[test]
fn b29_a_reset_covers_no_command_that_came_after_it_was_sent() {
    let nexus = Nexus::new(TargetId::new(0), Lun::ZERO);
    let ticket = |tag| {
        let name = WireTag { tag: Tag(tag), generation: Generation(0) };
        AbortTicket { vector: Vector(0), name, nexus }
    };
    let mut recovery = Recovery::new(RecoveryConfig::default());
    recovery.reserve(1);
    recovery.begin(ticket(1));
    let mut job = draining(0);
    job.first_not_covered = recovery.next_arrival;
    job.phase = Phase::Draining { number: 0, missing: 1, result: TaskManagementResult::Complete };
    recovery.jobs.push(job);
    recovery.begin(ticket(2));
    recovery.handle_drained(DrainMark { vector: Vector(0), number: 0 });
    let redeemed = core::iter::from_fn(|| recovery.poll()).filter_map(|output| match output {
        RecoveryOutput::Redeem(ticket, Verdict::Drained) => Some(ticket.name.tag),
        _ => None,
    });
    assert_eq!(redeemed.collect::<Vec<_>>(), [Tag(1)]);
    assert_eq!(recovery.waiting.len(), 1, "the younger one gets a function of its own");
}

/// The port never has a frame for a function, because it lost the one it had: each rung is told nevertheless.
#[test]
fn a_rung_that_cannot_be_sent_is_told_before_the_reset() {
    let nexus = Nexus::new(TargetId::new(0), Lun::ZERO);
    let name = WireTag { tag: Tag(1), generation: Generation(0) };
    let ticket = AbortTicket { vector: Vector(0), name, nexus };
    let mut recovery = Recovery::new(RecoveryConfig::default());
    recovery.reserve(1);
    recovery.jobs = alloc::vec![Job::new(Purpose::End(ticket, Rung::Abort))];
    for rung in [Rung::Abort, Rung::LogicalUnitReset, Rung::TargetReset] {
        recovery.escalate(0, None);
        let told = recovery.poll();
        let expected = ControlEvent::Recovering(nexus, rung);
        assert!(matches!(told, Some(RecoveryOutput::Event(event)) if event == expected));
    }
    assert!(matches!(recovery.poll(), Some(RecoveryOutput::ResetController)));
}

/// A controller that stood still performs the abort before it fetches the command, and knows of no such task.
#[test]
fn f105_an_abort_without_the_command_s_own_reply_ends_nothing() {
    let nexus = Nexus::new(TargetId::new(0), Lun::ZERO);
    let name = WireTag { tag: Tag(1), generation: Generation(0) };
    let ticket = || AbortTicket { vector: Vector(0), name, nexus };
    let mut recovery = Recovery::new(RecoveryConfig::default());
    recovery.reserve(1);
    let performed = |recovery: &mut Recovery, rung| {
        let phase =
            Phase::Draining { number: 0, missing: 1, result: TaskManagementResult::Complete };
        let purpose = Some(Purpose::End(ticket(), rung));
        recovery.jobs = alloc::vec![Job { purpose, phase, first_not_covered: 0 }];
        recovery.conclude(0, TaskManagementResult::Complete);
        let Some(RecoveryOutput::Redeem(asked, Verdict::Drained)) = recovery.poll() else {
            panic!("the queue is asked first");
        };
        assert!(recovery.is_busy() && recovery.poll().is_none());
        asked
    };
    let answer = |unanswered| Redeemed { vector: Vector(0), name, unanswered };

    let asked = performed(&mut recovery, Rung::Abort);
    assert_eq!(recovery.handle_redeemed(answer(Some(asked))), None);
    let next = matches!(recovery.jobs[0].purpose, Some(Purpose::End(_, Rung::LogicalUnitReset)));
    assert!(next && matches!(recovery.jobs[0].phase, Phase::Unsent { .. }));

    let asked = performed(&mut recovery, Rung::TargetReset);
    assert_eq!(recovery.handle_redeemed(answer(Some(asked))), None);
    assert!(matches!(recovery.poll(), Some(RecoveryOutput::ResetController)));
    recovery.supersede();
    let home = recovery.poll();
    assert!(matches!(home, Some(RecoveryOutput::Redeem(_, Verdict::Superseded))), "{home:?}");

    let asked = performed(&mut recovery, Rung::Abort);
    recovery.supersede();
    assert_eq!(recovery.handle_redeemed(answer(Some(asked))), Some(ticket()), "overtaken");

    drop(performed(&mut recovery, Rung::Abort));
    assert_eq!(recovery.handle_redeemed(answer(None)), None);
    assert!(recovery.is_busy(), "somebody has to be told");
    let helped = recovery.poll();
    let told = ControlEvent::Recovered(nexus, Rung::Abort);
    assert!(matches!(helped, Some(RecoveryOutput::Event(event)) if event == told));
    assert!(!recovery.is_busy());
}
