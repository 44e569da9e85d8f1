//! Reply frames: where they are, whose, and what they say.

use hba_core::command::{Effect, Failure, Outcome};
use hba_core::control::ControlEvent;
use hba_core::port::BadReply;
use mpt_backend::wire::message::IocStatus;
use scsi_proto::Status;

use crate::scene::{CONTEXT, DEPTH, LEN, Scene, address_word, done, scsi_io, underrun};

fn bad_reply() -> Outcome {
    Outcome::Failed(Failure::BadReply)
}

/// The word names no command, so none ends by it: the reset ends all.
#[test]
fn f050_addr_outside_pool_mpi1() {
    let pool = Scene::new().bank.take_free_frame();
    for address in [0, 0x80, pool - 0x1000, 0xffff_fe00] {
        let mut scene = Scene::new();
        let _ = scene.read(1);
        scene.bank.post_word(address_word(address));
        assert_eq!(scene.poll(), [], "{address:#x}");
        assert_eq!(scene.counters().malformed, 1);
        assert!(scene.is_distrusted(), "{address:#x}");
    }
}

#[test]
fn f051_addr_misaligned_mpi1() {
    let mut scene = Scene::new();
    let frame = scene.bank.take_free_frame();
    let free = scene.bank.frames_free();
    scene.bank.post_word(address_word(frame + 4));
    let _ = scene.pass();
    assert_eq!(scene.counters().malformed, 1);
    assert_eq!(scene.bank.frames_free(), free, "such an address is never given back");
    assert_eq!(scene.poll(), []);
    assert!(scene.is_distrusted());
}

/// The frame is on the free queue: the controller has not taken it.
#[test]
fn f052_addr_not_owned_mpi1() {
    let mut scene = Scene::new();
    let request = scene.read(1);
    let frame = scene.reply(request, &underrun(512));
    scene.bank.post_word(address_word(frame));
    let ends = scene.poll();
    assert_eq!(ends.len(), 1, "{ends:?}");
    assert_eq!(scene.counters().malformed, 1);
    assert!(scene.is_distrusted());
}

#[test]
fn f053_addr_twice_mpi1() {
    let mut scene = Scene::new();
    let (first, second) = (scene.read(1), scene.read(2));
    let frame = scene.reply(first, &underrun(512));
    // The second command's end is said to be in the same frame.
    scene.bank.memory().store(frame + CONTEXT, scene.context(second));
    scene.bank.post_word(address_word(frame));
    let free = scene.bank.frames_free();
    let ends = scene.pass();
    assert_eq!(ends.len(), 1, "{ends:?}");
    assert_eq!(scene.bank.frames_free() - free, 1, "one frame, given back once");
    let _ = scene.poll();
    assert!(scene.is_distrusted());
}

#[test]
fn f054_msglen_huge_mpi1() {
    let mut scene = Scene::new();
    let request = scene.read(1);
    let mut reply = underrun(512);
    reply[0] = reply[0] & !0x00ff_0000 | 0x00ff_0000;
    scene.reply(request, &reply);
    let ends = scene.poll();
    assert_eq!((ends[0].effect, ends[0].residual), (Effect::DoneShort, LEN - 512));
    scene.assert_well();
}

/// Too short to hold a context: the command that it may have been for is not named.
#[test]
fn f055_msglen_zero_mpi1() {
    for words in [0, 1, 4] {
        let mut scene = Scene::new();
        let request = scene.read(1);
        let mut reply = underrun(512);
        reply[0] = reply[0] & !0x00ff_0000 | words << 16;
        scene.reply(request, &reply);
        assert_eq!(scene.poll(), []);
        assert_eq!(scene.counters().malformed, 1);
        assert!(scene.is_distrusted());
    }
    // Long enough for the context, too short for the rest.
    let mut scene = Scene::new();
    let request = scene.read(1);
    let mut reply = underrun(512);
    reply[0] = reply[0] & !0x00ff_0000 | 5 << 16;
    scene.reply(request, &reply);
    let ends = scene.poll();
    assert_eq!((ends[0].outcome, ends[0].residual), (bad_reply(), LEN));
    assert!(scene.is_distrusted());
}

#[test]
fn f056_function_mismatch_mpi1() {
    for function in [0x01, 0x04, 0x07, 0xff] {
        let mut scene = Scene::new();
        let request = scene.write(1);
        let mut reply = underrun(LEN);
        reply[0] = reply[0] & 0x00ff_ffff | function << 24;
        scene.reply(request, &reply);
        let ends = scene.poll();
        assert_eq!((ends[0].outcome, ends[0].effect), (bad_reply(), Effect::Indeterminate));
        assert_eq!(scene.counters().malformed, 1);
        assert!(scene.is_distrusted(), "function {function:#x}");
    }
}

/// Once a frame is copied it may change as it likes, until it is given back.
#[test]
fn f057_a_frame_that_was_taken_is_left_alone_mpi1() {
    let mut scene = Scene::new();
    let (first, second) = (scene.read(1), scene.read(2));
    let frame = scene.reply(first, &underrun(512));
    let ends = scene.pass();
    assert_eq!((ends[0].cookie, ends[0].residual), (1, LEN - 512));
    let other = scsi_io(Status::GOOD, 0, 0, 0, 0);
    other
        .iter()
        .zip((frame..).step_by(4))
        .for_each(|(word, at)| scene.bank.memory().store(at, *word));
    scene.bank.succeed(second);
    assert_eq!(scene.poll(), [done(2)]);
    scene.assert_well();
}

#[test]
fn f061_count_above_request_mpi1() {
    for (status, ioc) in
        [(Status::GOOD, IocStatus::SUCCESS), (Status::GOOD, IocStatus::SCSI_DATA_UNDERRUN)]
    {
        let mut scene = Scene::new();
        let request = scene.read(1);
        scene.reply(request, &scsi_io(status, 0, ioc.0, LEN + 1, 0));
        let ends = scene.poll();
        assert_eq!((ends[0].outcome, ends[0].residual), (Outcome::Failed(Failure::Overrun), 0));
        scene.assert_well();
    }
}

#[test]
fn f062_count_short_read_mpi1() {
    let mut scene = Scene::new();
    let request = scene.read(1);
    scene.reply(request, &underrun(512));
    let ends = scene.poll();
    assert_eq!((ends[0].effect, ends[0].residual), (Effect::DoneShort, LEN - 512));
    assert_eq!(scene.counters().short, 1);
    scene.assert_well();
}

#[test]
fn f063_count_short_write_mpi1() {
    let mut scene = Scene::new();
    let request = scene.write(1);
    scene.reply(request, &underrun(512));
    let ends = scene.poll();
    assert_eq!((ends[0].effect, ends[0].residual), (Effect::DoneShort, LEN - 512), "never done");
    scene.assert_well();
}

#[test]
fn f064_overrun_good_mpi1() {
    let mut scene = Scene::new();
    let request = scene.read(1);
    scene.reply(request, &scsi_io(Status::GOOD, 0, IocStatus::SCSI_DATA_OVERRUN.0, LEN, 0));
    assert_eq!(scene.poll()[0].outcome, Outcome::Failed(Failure::Overrun));
    scene.assert_well();
}

#[test]
fn f065_residual_mismatch_mpi1() {
    let mismatch = IocStatus::SCSI_RESIDUAL_MISMATCH.0;
    for (status, count, effect) in [
        (Status::GOOD, LEN, Effect::Done),
        (Status::GOOD, LEN - 1, Effect::DoneShort),
        (Status::CHECK_CONDITION, LEN, Effect::Indeterminate),
    ] {
        let mut scene = Scene::new();
        let request = scene.read(1);
        scene.reply(request, &scsi_io(status, 0, mismatch, count, 0));
        let ends = scene.poll();
        assert_eq!((ends[0].effect, ends[0].residual), (effect, LEN - count));
        scene.assert_well();
    }
}

#[test]
fn f066_status_reserved_mpi1() {
    for (status, ioc) in [(0x3f, 0), (0x01, 0), (0xff, 0x45), (0, 0x7abc), (0, 0x0050)] {
        let mut scene = Scene::new();
        let request = scene.write(1);
        scene.reply(request, &scsi_io(Status(status), 0, ioc, LEN, 0));
        let ends = scene.poll();
        assert_eq!((ends[0].outcome, ends[0].effect), (bad_reply(), Effect::Indeterminate));
        scene.assert_well();
    }
}

#[test]
fn f067_status_contradiction_mpi1() {
    let mut scene = Scene::new();
    let request = scene.read(1);
    scene.reply(request, &scsi_io(Status::GOOD, 0x0c, IocStatus::SUCCESS.0, LEN, 0));
    assert_eq!(scene.poll()[0].outcome, Outcome::Failed(Failure::Aborted), "the worst wins");
    scene.assert_well();
}

#[test]
fn f068_loginfo_only_mpi1() {
    let mut scene = Scene::new();
    for cookie in 0..200 {
        let request = scene.read(cookie);
        let mut reply = scsi_io(Status::GOOD, 0, 0x8000, LEN, 0);
        reply[4] = 0x3111_0500;
        scene.reply(request, &reply);
        assert_eq!(scene.poll(), [done(cookie)]);
    }
    let told = |event: &ControlEvent| !matches!(event, ControlEvent::Operational);
    let events = scene.events();
    assert!(!events.iter().any(told), "a controller that chatters fills no queue: {events:?}");
    scene.assert_well();
}

#[test]
fn f069_protection_error_mpi1() {
    for ioc in [0x4d, 0x4e, 0x4f] {
        let mut scene = Scene::new();
        let request = scene.read(1);
        scene.reply(request, &scsi_io(Status::GOOD, 0, ioc, LEN, 0));
        assert_eq!(scene.poll()[0].outcome, Outcome::Failed(Failure::DataError));
        scene.assert_well();
    }
}

/// The events say what was wrong with a reply to Control.
#[test]
fn a_reply_to_control_that_is_late_is_told_and_no_more() {
    let mut scene = Scene::new();
    // The first fetch was answered long ago.
    let fetch = u32::from(DEPTH) | 1 << 10;
    scene.bank.post_word(fetch);
    assert_eq!(scene.poll(), []);
    let bad = ControlEvent::BadReply(BadReply::UnknownTag { raw: fetch });
    assert_eq!(scene.events(), [bad]);
    scene.assert_well();
}
