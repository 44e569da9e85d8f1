use alloc::vec;
use core::time::Duration;

use proptest::prelude::*;
use scsi_proto::command::{Access, write};
use scsi_proto::{Cdb, Lba, Lun, Status};

use super::*;
use crate::command::Transfer;

const NEXUS: Nexus = Nexus::new(TargetId::new(3), Lun::ZERO);

fn policy(retry: Retry) -> QueuePolicy {
    QueuePolicy { retry, ..QueuePolicy::default() }
}

fn queues(policy: QueuePolicy) -> DeviceQueues<u32> {
    DeviceQueues::new(policy, 16, 2)
}

/// A write whose memory is its number.
fn push(queues: &mut DeviceQueues<u32>, number: u32, lba: u64, blocks: u32) {
    let cdb = write(Lba(lba), blocks, Access::default()).unwrap();
    let transfer = Transfer::to_device(blocks * 512);
    queues.push(Request::new(NEXUS, cdb, transfer, number, Cookie(number.into()))).unwrap();
}

fn end(request: Request<u32>, outcome: Outcome) -> Completion<u32> {
    let handle = CommandHandle::NEVER_SENT;
    let length = request.command.transfer.length;
    let good = outcome == Outcome::Status(Status::GOOD);
    let transferred = if good { length } else { 0 };
    let residual = length - transferred;
    Completion {
        cookie: request.cookie,
        handle,
        data: request.data,
        outcome,
        transferred,
        residual,
    }
}

const GOOD: Outcome = Outcome::Status(Status::GOOD);
const BUSY: Outcome = Outcome::Status(Status::BUSY);
const FULL: Outcome = Outcome::Status(Status::TASK_SET_FULL);
const TIMED_OUT: Outcome = Outcome::Failed(Failure::TimedOut);

fn at(millis: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(millis)
}

#[test]
fn by_default_nothing_is_sent_twice() {
    for outcome in [BUSY, FULL, TIMED_OUT] {
        let mut queues = queues(QueuePolicy::default());
        push(&mut queues, 7, 0, 1);
        let sent = queues.poll_request(at(0)).unwrap();
        let done = queues.handle_end(end(sent, outcome), &[], at(0)).expect("the caller's");
        assert_eq!((done.cookie, done.data, done.outcome), (Cookie(7), 7, outcome));
        assert!(queues.is_idle());
    }
}

#[test]
fn a_busy_unit_is_asked_again_a_bounded_number_of_times() {
    let mut queues = queues(policy(Retry::NotDone));
    push(&mut queues, 1, 0, 1);
    let mut sent = 0;
    for round in 0.. {
        let Some(request) = queues.poll_request(at(round * 100)) else { panic!("round {round}") };
        assert!(queues.poll_request(at(round * 100)).is_none());
        sent += 1;
        if let Some(done) = queues.handle_end(end(request, BUSY), &[], at(round * 100)) {
            assert_eq!((done.outcome, done.cookie), (BUSY, Cookie(1)));
            break;
        }
        assert_eq!(queues.next_due(), Some(at(round * 100 + 100)));
        assert!(queues.poll_request(at(round * 100 + 99)).is_none(), "not before the delay");
    }
    assert_eq!(sent, 6);
}

#[test]
fn what_may_have_happened_is_repeated_on_request_only() {
    let mut careful = queues(policy(Retry::NotDone));
    push(&mut careful, 1, 0, 1);
    let sent = careful.poll_request(at(0)).unwrap();
    assert!(careful.handle_end(end(sent, TIMED_OUT), &[], at(0)).is_some());
    let mut bold = queues(policy(Retry::Repeatable));
    push(&mut bold, 1, 0, 1);
    let sent = bold.poll_request(at(0)).unwrap();
    assert!(bold.handle_end(end(sent, TIMED_OUT), &[], at(0)).is_none());
    // A flush that failed stands for writes that may be lost; ORWRITE would change the blocks twice.
    for cdb in [Cdb::from_array([0x35; 10]), Cdb::from_array([0x8b; 16])] {
        let mut bold = queues(policy(Retry::Repeatable));
        bold.push(Request::new(NEXUS, cdb, Transfer::NONE, 0, Cookie(2))).unwrap();
        let sent = bold.poll_request(at(0)).unwrap();
        assert!(bold.handle_end(end(sent, TIMED_OUT), &[], at(0)).is_some(), "{cdb}");
    }
}

#[test]
fn a_deferred_error_is_not_the_commands_own() {
    let mut sense = vec![0; 18];
    (sense[0], sense[2], sense[7], sense[12]) = (0x71, 3, 10, 0x0c);
    let mut queues = queues(policy(Retry::NotDone));
    push(&mut queues, 1, 0, 1);
    let sent = queues.poll_request(at(0)).unwrap();
    let check = Outcome::Status(Status::CHECK_CONDITION);
    assert!(queues.handle_end(end(sent, check), &sense, at(0)).is_none());
    assert!(queues.poll_request(at(0)).is_some(), "at once");
}

#[test]
fn a_write_that_was_overtaken_is_not_sent_again() {
    let mut queues = queues(policy(Retry::NotDone));
    push(&mut queues, 1, 0, 4);
    push(&mut queues, 2, 3, 1);
    push(&mut queues, 3, 8, 1);
    let first = queues.poll_request(at(0));
    // The second overlaps one that waits no longer: out, for the first time.
    let second = queues.poll_request(at(0)).unwrap();
    let third = queues.poll_request(at(0)).unwrap();
    assert!(queues.handle_end(end(second, GOOD), &[], at(0)).is_some());
    let first = queues.handle_end(end(first.unwrap(), BUSY), &[], at(0));
    assert_eq!(first.expect("the younger one is there").outcome, BUSY);
    assert!(queues.handle_end(end(third, BUSY), &[], at(0)).is_none(), "nobody overlaps it");
}

#[test]
fn younger_overlapping_writes_wait_for_a_retry() {
    let mut queues = queues(policy(Retry::NotDone));
    push(&mut queues, 1, 0, 4);
    let first = queues.poll_request(at(0)).unwrap();
    assert!(queues.handle_end(end(first, BUSY), &[], at(0)).is_none());
    push(&mut queues, 2, 3, 1);
    push(&mut queues, 3, 8, 1);
    let other = queues.poll_request(at(0)).unwrap();
    assert_eq!(other.data, 3, "another place does not wait");
    let retry = queues.poll_request(at(100)).unwrap();
    assert_eq!(retry.data, 1);
    assert!(queues.poll_request(at(100)).is_none(), "the retry is out");
    assert!(queues.handle_end(end(retry, GOOD), &[], at(100)).is_some());
    assert_eq!(queues.poll_request(at(100)).unwrap().data, 2);
}

#[test]
fn a_full_task_set_lowers_the_depth_and_good_ends_raise_it() {
    let policy = QueuePolicy { depth: 8, raise_after: 2, tries: 0, ..policy(Retry::NotDone) };
    let mut queues = queues(policy);
    (0..8).for_each(|n| push(&mut queues, n, u64::from(n), 1));
    let mut out: Vec<_> = core::iter::from_fn(|| queues.poll_request(at(0))).collect();
    assert_eq!(out.len(), 8);
    let refused = out.pop().unwrap();
    assert!(queues.handle_end(end(refused, FULL), &[], at(0)).is_none(), "no try is used up");
    assert_eq!(queues.depth(NEXUS), Some(7));
    assert!(queues.poll_request(at(100)).is_none(), "seven are out");
    for request in out {
        assert!(queues.handle_end(end(request, GOOD), &[], at(100)).is_some());
    }
    assert_eq!(queues.depth(NEXUS), Some(8));
    let alone = queues.poll_request(at(200)).unwrap();
    assert!(queues.handle_end(end(alone, FULL), &[], at(200)).is_some(), "nothing else is out");
    assert_eq!(queues.depth(NEXUS), Some(1));
}

#[test]
fn cancelled_commands_come_back_and_are_not_repeated() {
    let mut queues = queues(policy(Retry::NotDone));
    push(&mut queues, 1, 0, 1);
    push(&mut queues, 2, 8, 1);
    let first = queues.poll_request(at(0)).unwrap();
    assert!(queues.cancel(Cookie(1)).is_none(), "it is out");
    assert_eq!(queues.cancel(Cookie(2)).unwrap().cookie, Cookie(2));
    assert!(queues.handle_end(end(first, BUSY), &[], at(0)).is_some());
    assert!(queues.is_idle());
}

#[test]
fn refusals_and_departures_bring_every_request_home() {
    let mut queues = queues(policy(Retry::NotDone));
    push(&mut queues, 1, 0, 1);
    let sent = queues.poll_request(at(0)).unwrap();
    assert!(queues.handle_refusal(Refusal::QueueFull, sent).is_none(), "it waits");
    let sent = queues.poll_request(at(0)).unwrap();
    let back = queues.handle_refusal(Refusal::Gone, sent).expect("for good");
    assert_eq!((back.cookie, back.data), (Cookie(1), 1));
    push(&mut queues, 2, 0, 1);
    queues.handle_departure(NEXUS.target);
    let ended = queues.poll_ended().expect("it waited");
    assert_eq!(ended.outcome, Outcome::Failed(Failure::DeviceNotPresent));
    assert!(queues.is_idle());
    assert_eq!(queues.depth(NEXUS), None);
    (0..16).for_each(|n| push(&mut queues, n, 0, 1));
    let cdb = Cdb::from_array([0; 6]);
    let full = queues.push(Request::new(NEXUS, cdb, Transfer::NONE, 99, Cookie(99))).unwrap_err();
    assert_eq!((full.reason, full.request.data), (Unqueueable::Full { capacity: 16 }, 99));
}

#[test]
fn time_outs_that_were_out_together_count_once() {
    let mut queues = queues(QueuePolicy { medium_timeouts: 2, ..policy(Retry::Never) });
    for cycle in 0..2 {
        (0..4).for_each(|n| push(&mut queues, n, 0, 1));
        let out: Vec<_> = core::iter::from_fn(|| queues.poll_request(at(0))).collect();
        push(&mut queues, 9, 0, 1);
        for request in out {
            assert!(queues.handle_end(end(request, TIMED_OUT), &[], at(0)).is_some());
        }
        assert_eq!(queues.is_offline(NEXUS), cycle == 1);
        if cycle == 0 {
            let last = queues.poll_request(at(0)).unwrap();
            assert!(queues.handle_end(end(last, BUSY), &[], at(0)).is_some());
        }
    }
    assert_eq!((queues.poll_offline(), queues.poll_offline()), (Some(NEXUS), None));
    assert_eq!(queues.poll_ended().unwrap().outcome, Outcome::Failed(Failure::Offline));
    let cdb = Cdb::from_array([0; 6]);
    let refused = queues.push(Request::new(NEXUS, cdb, Transfer::NONE, 0, Cookie(0))).unwrap_err();
    assert_eq!(refused.reason, Unqueueable::Offline(NEXUS));
    queues.bring_online(NEXUS);
    push(&mut queues, 1, 0, 1);
}

/// What happens in a run of the model.
#[derive(Clone, Copy, Debug)]
enum Step {
    Push {
        lba: u8,
        blocks: u8,
    },
    Send,
    /// The n-th of those that are out ends: well, busy, or nobody knows and it took effect or not.
    End {
        which: u8,
        how: u8,
    },
    Wait,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..6u8, 1..4u8).prop_map(|(lba, blocks)| Step::Push { lba, blocks }),
        4 => Just(Step::Send),
        4 => (any::<u8>(), 0..4u8).prop_map(|(which, how)| Step::End { which, how }),
        1 => Just(Step::Wait),
    ]
}

proptest! {
    /// Whatever comes in between: a write that lands a second time lands before every younger one that overlaps it.
    #[test]
    fn a_retry_never_lands_after_a_younger_overlapping_write(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut queues = queues(policy(Retry::Repeatable));
        // By age: the range, how often it was sent, and how often it came home.
        let mut writes: Vec<(u64, u64, u32, u32)> = Vec::new();
        let mut out: Vec<Request<u32>> = Vec::new();
        let mut now = 0;
        for step in steps {
            match step {
                Step::Push { lba, blocks } if queues.free.is_empty() => _ = (lba, blocks),
                Step::Push { lba, blocks } => {
                    push(&mut queues, writes.len() as u32, lba.into(), blocks.into());
                    writes.push((lba.into(), u64::from(lba + blocks), 0, 0));
                }
                Step::Send => {
                    if let Some(request) = queues.poll_request(at(now)) {
                        let index = request.data as usize;
                        let (from, to, sent, _) = writes[index];
                        if sent > 0 {
                            let younger = writes[index + 1..]
                                .iter()
                                .any(|(first, last, sent, _)| *sent > 0 && *first < to && from < *last);
                            prop_assert!(!younger, "write {index} is sent again after a younger one");
                        }
                        let retry_out = out.iter().any(|other| {
                            let (first, last, sent, _) = writes[other.data as usize];
                            (other.data as usize) < index && sent > 1 && first < to && from < last
                        });
                        prop_assert!(!retry_out, "write {index} is sent beside an older retry");
                        writes[index].2 += 1;
                        out.push(request);
                    }
                }
                Step::End { .. } if out.is_empty() => {}
                Step::End { which, how } => {
                    let request = out.remove(usize::from(which) % out.len());
                    let index = request.data as usize;
                    let outcome = [GOOD, BUSY, TIMED_OUT, FULL][usize::from(how)];
                    if queues.handle_end(end(request, outcome), &[], at(now)).is_some() {
                        writes[index].3 += 1;
                    }
                }
                Step::Wait => now += 100,
            }
        }
        // Everything comes home once.
        for _ in 0..2000 {
            now += 100;
            out.extend(core::iter::from_fn(|| queues.poll_request(at(now))));
            for request in out.drain(..) {
                let index = request.data as usize;
                writes[index].3 += u32::from(queues.handle_end(end(request, GOOD), &[], at(now)).is_some());
            }
            if queues.is_idle() {
                break;
            }
        }
        prop_assert!(queues.is_idle());
        prop_assert!(writes.iter().all(|(.., home)| *home == 1));
    }
}
