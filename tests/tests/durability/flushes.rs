//! What a flush promises, and what a failed one means.

use core::time::Duration;

use hba_core::adapter::AdapterHandle;
use hba_core::command::{Cookie, Effect, Failure, Outcome};
use hba_core::durability::{
    Cause, Flush, FlushConfig, FlushError, FlushStep, Flushed, Judgement, LossCause,
};
use hba_core::host::Platform;
use hba_core::logical_unit::Fua;
use hba_core::port::ControlPort;
use hba_core::queue::{Batch, Vector};
use hba_core::time::Instant;
use hba_tests::scene::{Scene, attention, direct, usual_disk};
use scsi_proto::{AdditionalSense, Lba, SenseKey, Status};
use sim_backend::controller::ControllerModel;
use sim_backend::disk::{Condition, Times};

told_on_both! {
    p02_cut_while_a_flush_is_running: usual_disk();
    p03_cut_after_the_reply_of_a_flush_was_posted: usual_disk();
    p04_a_failed_flush_is_not_forgotten_by_a_good_one: usual_disk();
    p05_a_flush_that_timed_out_stays_failed: usual_disk();
    f109_busy_forever: usual_disk();
    f112_a_chain_of_attentions_is_bounded: usual_disk();
    f115_a_unit_that_is_not_ready_is_waited_for_or_not: usual_disk();
    a_loss_is_told_once_to_those_who_cannot_acknowledge: usual_disk();
    a_raw_flush_that_failed_counts: usual_disk();
}

/// A flush that begins and whose command is out.
fn begin<P: ControlPort, C: ControllerModel>(scene: &mut Scene<P, C>) -> (Flush, AdapterHandle) {
    let nexus = scene.nexus();
    let flush = scene.host.adapter().begin_flush(nexus, FlushConfig::default()).expect("the first");
    let handle = scene.host.submit(flush.request(None, Cookie(99))).expect("accepted");
    (flush, handle)
}

/// Drives a flush from where its command is out to its verdict.
fn end<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
    (mut flush, mut handle): (Flush, AdapterHandle),
) -> Result<Flushed, FlushError> {
    loop {
        let mut step = None;
        while step.is_none() {
            let now = scene.host.platform().now();
            let poll = scene.host.poll(|done| {
                if done.completion.handle == handle.command {
                    step = Some(flush.handle_end(&done.ended(), now));
                }
            });
            poll.expect("it is there");
        }
        match step {
            Some(FlushStep::Again(_)) => {
                handle = scene.host.submit(flush.request(None, Cookie(99))).expect("accepted");
            }
            _ => break,
        }
    }
    scene.host.adapter().settle_flush(flush);
    loop {
        scene.host.poll(|_| ()).expect("it is there");
        if let Some((_, verdict)) = scene.host.adapter().poll_flushed() {
            return verdict;
        }
    }
}

fn p02_cut_while_a_flush_is_running<P: ControlPort, C: ControllerModel>(scene: &mut Scene<P, C>) {
    scene.write(0, 1);
    scene.machine.hold(0, true);
    let flush = begin(scene);
    scene.host.poll(|_| ()).expect("poll");
    scene.blink();
    scene.machine.hold(0, false);
    // The disk reports its power-on instead, is asked again, and says GOOD to an empty cache.
    let Err(FlushError::Loss(loss)) = end(scene, flush) else { panic!("the write is gone") };
    assert!(matches!(loss.cause, LossCause::PowerLost(_)), "{loss}");
    assert_eq!(scene.byte(0), Some(0));
}

fn p03_cut_after_the_reply_of_a_flush_was_posted<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    scene.write(0, 1);
    let flush = begin(scene);
    for _ in 0..8 {
        scene.machine.run(64);
    }
    scene.blink();
    end(scene, flush).expect("the flush had been done before the power went");
    assert_eq!(scene.byte(0), Some(1));
    scene.flush().expect("power went while nothing was cached");
}

fn p04_a_failed_flush_is_not_forgotten_by_a_good_one<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    scene.write(0, 1);
    let error = Condition::WRITE_ERROR;
    scene.disk.lock().unit(0).expect("unit").fail_flushes(error, Times::Next(1));
    let loss = scene.lost();
    let LossCause::FlushFailed(Cause::Sense(codes)) = loss.cause else { panic!("{loss}") };
    assert_eq!((codes.key, codes.additional), (error.key, error.additional));
    assert_eq!(scene.lost(), loss, "the second flush succeeds on the disk, and says nothing of it");
    scene.acknowledge(loss);
    scene.flush().expect("acknowledged");
}

fn p05_a_flush_that_timed_out_stays_failed<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    scene.write(0, 1);
    scene.machine.hold(0, true);
    let begun = scene.machine.now();
    let loss = scene.lost();
    assert_eq!(loss.cause, LossCause::FlushFailed(Cause::Failure(Failure::TimedOut)));
    let waited = scene.machine.now().since(begun);
    assert!(waited >= Duration::from_secs(60), "a flush has a time-out of its own: {waited:?}");
    scene.machine.hold(0, false);
    assert_eq!(scene.lost(), loss);
    scene.acknowledge(loss);
    scene.flush().expect("acknowledged");
}

fn f109_busy_forever<P: ControlPort, C: ControllerModel>(scene: &mut Scene<P, C>) {
    scene.write(0, 1);
    scene.disk.lock().unit(0).expect("unit").refuse_commands(Status::BUSY, Times::Next(3));
    scene.flush().expect("busy for a while");
    scene.write(0, 2);
    scene.disk.lock().unit(0).expect("unit").refuse_commands(Status::BUSY, Times::Always);
    let begun = scene.machine.now();
    let loss = scene.lost();
    assert_eq!(loss.cause, LossCause::FlushFailed(Cause::Status(Status::BUSY)));
    assert!(scene.machine.now().since(begun) < Duration::from_secs(120), "it is bounded");
    let refused = scene.try_write(0, 1, 3, Fua::Off);
    assert_eq!(refused, Judgement::NotDone(Cause::Status(Status::BUSY)));
}

fn f112_a_chain_of_attentions_is_bounded<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    scene.write(0, 1);
    let chain = [(0x2a, 0x01), (0x3f, 0x0e), (0x28, 0x00), (0x2a, 0x09)];
    for (asc, ascq) in chain {
        scene.disk.lock().unit(0).expect("unit").raise_attention(attention(asc, ascq));
    }
    scene.flush().expect("none of them says that something is lost");
    assert!(!scene.books().mode.fresh, "the mode has to be asked for again");
    scene.write(0, 2);
    for (asc, ascq) in [(0x29, 0x01)].into_iter().chain(chain) {
        scene.disk.lock().unit(0).expect("unit").raise_attention(attention(asc, ascq));
    }
    assert!(matches!(scene.lost().cause, LossCause::PowerLost(_)));
}

fn f115_a_unit_that_is_not_ready_is_waited_for_or_not<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    let not_ready =
        |ascq| Condition { key: SenseKey::NOT_READY, additional: AdditionalSense::new(0x04, ascq) };
    for ascq in [0x01, 0x07] {
        scene.write(0, ascq);
        let mut disk = scene.disk.lock();
        disk.unit(0).expect("unit").fail_flushes(not_ready(ascq), Times::Next(2));
        drop(disk);
        scene.flush().expect("it becomes ready");
    }
    for ascq in [0x02, 0x03, 0x04, 0x1b] {
        scene.write(0, ascq);
        let mut disk = scene.disk.lock();
        disk.unit(0).expect("unit").fail_flushes(not_ready(ascq), Times::Next(1));
        drop(disk);
        let loss = scene.lost();
        assert!(matches!(loss.cause, LossCause::FlushFailed(Cause::Sense(_))), "{loss}");
        scene.acknowledge(loss);
    }
}

fn a_loss_is_told_once_to_those_who_cannot_acknowledge<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    scene.write(0, 1);
    scene.disk.lock().unit(0).expect("unit").fail_flushes(Condition::WRITE_ERROR, Times::Next(1));
    scene.lost();
    let nexus = scene.nexus();
    let sense = scene.host.adapter().report_loss(nexus).expect("pending");
    let mut bytes = [0; 18];
    assert_eq!(sense.emit(&mut bytes), Ok(18));
    assert_eq!((bytes[0] & 0x7f, bytes[2], bytes[12]), (0x71, 3, 0x0c));
    assert_eq!(scene.host.adapter().report_loss(nexus), None, "once");
    scene.flush().expect("having been told counts as acknowledged");
}

fn a_raw_flush_that_failed_counts<P: ControlPort, C: ControllerModel>(scene: &mut Scene<P, C>) {
    scene.write(0, 1);
    scene.disk.lock().unit(0).expect("unit").fail_flushes(Condition::WRITE_ERROR, Times::Next(1));
    let raw = scene.raw(&[0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(scene.judged(raw).effect(), Effect::Indeterminate);
    assert!(matches!(scene.lost().cause, LossCause::FlushFailed(_)));
}

/// A unit attention is reported once. It may come with a reply that waits in another queue than the flush's.
#[test]
fn a_flush_waits_for_the_replies_of_every_vector() {
    let scene = &mut direct(&usual_disk());
    scene.write(0, 1);
    scene.machine.set_budget(0);
    scene.blink();
    let ready = scene.unit.test_unit_ready(None, Cookie(1));
    assert!(scene.host.submit_on(Vector(3), ready).is_ok());
    let nexus = scene.nexus();
    let begun = scene.host.adapter().begin_flush(nexus, FlushConfig::default());
    let mut flush = begun.expect("the first");
    // Vector 3's reply is in its ring and not taken; the flush finds the disk without a unit attention.
    for _ in 0..8 {
        scene.machine.run(64);
    }
    let request = flush.request(None, Cookie(2));
    assert!(scene.host.submit_on(Vector(1), request).is_ok());
    for _ in 0..8 {
        scene.machine.run(64);
    }
    let mut batch = Batch::new(4);
    let queue = scene.host.adapter().queue_mut(Vector(1)).expect("there are four");
    let _ = queue.service(&mut batch);
    let done = batch.drain().next().expect("the flush has ended");
    assert_eq!(done.completion.outcome, Outcome::Status(Status::GOOD), "says the disk");
    assert_eq!(flush.handle_end(&done.ended(), Instant::ZERO), FlushStep::Settle);
    scene.host.adapter().settle_flush(flush);
    // More than one poll takes, in front of vector 3.
    for at in 0..80 {
        let data = scene.host.platform().buffer(512).expect("memory");
        let read = scene.unit.read(Lba(0), 1, Some(data), Cookie(3)).expect("in range");
        assert!(scene.host.submit_on(Vector(2 * (at % 2)), read).is_ok());
    }
    for _ in 0..64 {
        scene.machine.run(64);
    }
    let verdict = loop {
        scene.host.poll(|_| ()).expect("poll");
        if let Some((_, verdict)) = scene.host.adapter().poll_flushed() {
            break verdict;
        }
    };
    assert!(matches!(verdict, Err(FlushError::Loss(_))), "{verdict:?}");
}
