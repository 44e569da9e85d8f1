//! A device that breaks the protocol: errors and counts, never a wrong or a second completion.

use hba_core::command::{Failure, Outcome};
use hba_core::control::{ControlEvent, ResetReason};
use hba_core::port::{BadReply, BringUpError};
use scsi_proto::Status;

use super::super::FaultCode;
use super::super::layout::{Descriptor, Kind, Topic, name_of};
use super::target::{HELD, TEST_UNIT_READY};
use super::{DirectConfig, Facts, Rig};
use crate::schedule::SplitMix64;

const GOOD: Outcome = Outcome::Status(Status::GOOD);

#[test]
fn a_second_reply_is_stale() {
    let mut rig = Rig::new();
    rig.faults(|faults| faults.duplicate_replies = 5);
    for cookie in 0..5 {
        rig.order(0, TEST_UNIT_READY, cookie);
    }
    rig.finish();
    for _ in 0..5 {
        rig.poll();
    }
    rig.assert_all(5, GOOD);
    assert_eq!(rig.counters(0).stale, 5);
}

#[test]
fn a_reply_of_an_earlier_use_is_stale() {
    let mut rig = Rig::new();
    rig.target.lock().unwrap().holds = true;
    rig.faults(|faults| faults.stale_generation = 1);
    rig.order(0, TEST_UNIT_READY, 0);
    rig.order(0, HELD, 1);
    rig.until("one end", |rig| rig.ends.len() == 1);
    assert_eq!((rig.cookies(), rig.counters(0).stale), (vec![0], 1));
}

#[test]
fn a_slot_that_does_not_exist_is_unknown() {
    let mut rig = Rig::new();
    rig.faults(|faults| faults.bad_slot = Some((1, 16)));
    rig.order(0, TEST_UNIT_READY, 0);
    rig.finish();
    rig.faults(|faults| faults.bad_slot = Some((1, u16::MAX)));
    rig.order(0, TEST_UNIT_READY, 1);
    rig.finish();
    rig.assert_all(2, GOOD);
    assert_eq!(rig.counters(0).unknown, 2);
}

#[test]
fn a_reply_on_a_foreign_ring_completes_nothing() {
    let mut rig = Rig::new();
    rig.target.lock().unwrap().holds = true;
    rig.order(1, HELD, 0);
    rig.faults(|faults| faults.foreign_vector = 1);
    rig.order(0, TEST_UNIT_READY, 1);
    rig.until("ended by its deadline", |rig| rig.ends.len() == 2);
    assert_eq!(rig.cookies(), [0, 1], "the held command has the same slot and generation");
    assert_eq!(rig.ends[1].outcome, Outcome::Failed(Failure::TimedOut));
    assert_ne!(rig.ends[0].outcome, GOOD, "not by the other's reply");
    assert_eq!((rig.counters(0).unknown, rig.counters(1).unknown), (0, 1));
}

#[test]
fn a_detail_record_of_another_command_is_refused() {
    let mut rig = Rig::new();
    rig.target.lock().unwrap().statuses.push(Status::BUSY);
    rig.faults(|faults| faults.patch_details = Some((1, (0, 7))));
    rig.order(0, TEST_UNIT_READY, 0);
    rig.finish();
    rig.assert_all(1, Outcome::Failed(Failure::TimedOut));
    assert_eq!(rig.counters(0).malformed, 1);
}

#[test]
fn detail_words_are_clamped() {
    let mut rig = Rig::new();
    let mut ended = |patch| {
        rig.target.lock().unwrap().statuses.push(Status::BUSY);
        rig.faults(|faults| faults.patch_details = Some((1, patch)));
        rig.order(0, TEST_UNIT_READY, 0);
        rig.finish();
        rig.ends.pop().unwrap()
    };
    let check_with_255_sense_bytes = 0x00ff_0002;
    let end = ended((1, check_with_255_sense_bytes));
    assert_eq!((end.outcome, end.sense.len()), (Outcome::Status(Status::CHECK_CONDITION), 252));
    let unknown_ending = 0x0000_7700;
    assert_eq!(ended((1, unknown_ending)).outcome, Outcome::Failed(Failure::BadReply));
    let end = ended((2, u32::MAX));
    assert_eq!((end.outcome, end.transferred), (Outcome::Status(Status::BUSY), 0));
}

#[test]
fn messages_that_mean_nothing_are_reported() {
    let mut rig = Rig::new();
    let words = |subject, topic| Descriptor::message(subject, topic, 0).to_words(false);
    rig.faults(|faults| {
        faults.stray.push((0, words(77, Topic::TASK_MANAGEMENT)));
        faults.stray.push((0, words(16, Topic::TARGET)));
        faults.stray.push((0, words(0xffff_ffff, Topic::TARGET)));
        faults.stray.push((0, words(0, Topic::TARGET)));
        faults.stray.push((0, words(5, Topic(0x80))));
        faults.stray.push((1, words(0, Topic::TARGET)));
    });
    let targets = rig.adapter.control().targets().to_vec();
    rig.until("told", |rig| rig.events.contains(&ControlEvent::Vendor { code: 0x80, data: 5 }));
    for _ in 0..4 {
        rig.poll();
    }
    for raw in [77, 16, 0xffff_ffff] {
        let bad = ControlEvent::BadReply(BadReply::UnknownTag { raw });
        assert!(rig.events.contains(&bad), "{raw}");
    }
    assert_eq!(rig.counters(1).malformed, 1, "messages belong on the ring of vector 0");
    assert_eq!(rig.adapter.control().targets(), targets);
}

#[test]
fn random_descriptors_complete_nothing_wrong() {
    for seed in 0..20 {
        let mut rig = Rig::new();
        let mut random = SplitMix64::new(seed);
        rig.target.lock().unwrap().holds = true;
        for cookie in 0..16 {
            rig.order((cookie % 2) as u16, HELD, cookie);
        }
        rig.poll();
        for _ in 0..200 {
            // Kind 1 or 2 with a right name would be a lie that nobody can see; the generation is never right.
            let words = [random.draw() as u32 | 1 << 31, random.draw() as u32];
            rig.faults(|faults| faults.stray.push((random.below(2) as u8, words)));
            rig.poll();
        }
        let ended = rig.ends.len();
        rig.target.lock().unwrap().holds = false;
        rig.finish();
        assert_eq!(ended, 0);
        rig.assert_all(16, GOOD);
        let [a, b] = [rig.counters(0), rig.counters(1)];
        assert!(a.stale + a.unknown + a.malformed + b.stale + b.unknown + b.malformed > 100);
    }
}

#[test]
fn an_endless_ring_does_not_hold_a_poll() {
    let mut rig = Rig::new();
    let stray = Descriptor::reply(name_of(0xffff_0000), 0, Kind::Success).to_words(false);
    rig.faults(|faults| faults.stray = vec![(0, stray); 5000]);
    for _ in 0..5000 {
        rig.poll();
    }
    assert_eq!(rig.counters(0).stale, 5000);
    rig.order(0, TEST_UNIT_READY, 0);
    rig.finish();
    rig.assert_all(1, GOOD);
}

#[test]
fn facts_that_nobody_can_work_with_fail_the_bring_up() {
    let facts = Facts { slots: 5000, ..Facts::default() };
    let mut rig = Rig::cold(facts, DirectConfig::default());
    rig.until("isolated", |rig| rig.isolated);
    let error = BringUpError::Fact { name: "slots", value: 5000 };
    assert!(rig.events.contains(&ControlEvent::BringUpFailed(error)), "{:?}", rig.events);
}

#[test]
fn a_request_slot_that_makes_no_sense_stops_the_controller() {
    use super::super::registers::VectorRegister;
    use hba_core::register::Registers;
    let mut rig = Rig::new();
    rig.registers.write32(VectorRegister::DOORBELL.of(0), 3);
    let fault = ControlEvent::ResetBegun(ResetReason::Fault(FaultCode::REQUEST.0));
    rig.until("reset", |rig| rig.events.contains(&fault));
    rig.until_open();
    rig.registers.write32(VectorRegister::DOORBELL.of(0), 16);
    let fault = ControlEvent::ResetBegun(ResetReason::Fault(FaultCode::DOORBELL.0));
    rig.until("reset", |rig| rig.events.contains(&fault));
}
