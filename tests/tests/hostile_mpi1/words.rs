//! Words in the reply FIFO: contexts, generations, types.

use core::time::Duration;

use hba_core::command::{Failure, Outcome};
use hba_core::control::{ControlEvent, Rung};
use hba_tests::register_bank::RegisterBank;
use mpt_backend::mpi1::EMPTY;
use mpt_backend::wire::message::IocStatus;
use scsi_proto::Status;

use crate::scene::{BATCH, CONTEXT, DEPTH, LEN, Scene, done, scsi_io, underrun};

/// Control's requests by context: first fetch, config, events, event acknowledge, task management.
const EVENTS: u32 = DEPTH as u32 + 2;
const TASK_MANAGEMENT: u32 = DEPTH as u32 + 4;

/// Context 0 is the first slot's first use: an ordinary name, and an invented one unless that very use is out.
#[test]
fn f026_tag_zero_mpi1() {
    let mut scene = Scene::new();
    let frame = scene.read(1);
    assert_eq!(scene.context(frame), 0, "the first command has it");
    scene.bank.post_word(0);
    assert_eq!(scene.poll(), [done(1)]);
    scene.bank.post_word(0);
    assert_eq!(scene.poll(), [], "it has ended: dropped");
    scene.assert_well();

    let mut scene = Scene::new();
    scene.bank.post_word(0);
    assert_eq!(scene.poll(), [], "nothing was sent");
    assert_eq!(scene.counters().unknown, 1);
    assert!(scene.is_distrusted());
}

#[test]
fn f027_tag_above_max_mpi1() {
    for context in [u32::from(DEPTH) + 8, 0x3ff, 0x1fff_ffff] {
        let mut scene = Scene::new();
        let _ = scene.read(1);
        scene.bank.post_word(context);
        assert_eq!(scene.poll(), [], "{context:#x}");
        assert!(scene.is_distrusted(), "{context:#x}");
    }
}

/// A slot in range with a use that is still to come: of a slot that had no use yet, of one that is free, of one that is out.
#[test]
fn f028_tag_never_used_mpi1() {
    const USE: u32 = 1 << 10;
    for invented in [DEPTH as u32 - 1, USE, 5 * USE, 2 * USE + 1] {
        let mut scene = Scene::new();
        let frame = scene.read(1);
        scene.bank.succeed(frame);
        assert_eq!(scene.poll(), [done(1)]);
        let _ = scene.read(2);
        // Slot 0 is in its second use.
        let invented = if invented == USE { 2 * USE } else { invented };
        scene.bank.post_word(invented);
        assert_eq!(scene.poll(), [], "{invented:#x}");
        assert_eq!((scene.counters().unknown, scene.counters().stale), (1, 0), "{invented:#x}");
        assert!(scene.is_distrusted(), "{invented:#x}");
    }
}

/// What was sent before a reset may still be answered after it: such words are dropped, and cost no second reset.
#[test]
fn f028_words_from_before_a_reset_are_dropped_mpi1() {
    let mut scene = Scene::new();
    let frames: Vec<_> = (0..10).map(|cookie| scene.read(cookie)).collect();
    let words: Vec<_> = frames.iter().map(|frame| scene.context(*frame)).collect();
    frames[..5].iter().for_each(|frame| scene.bank.succeed(*frame));
    assert_eq!(scene.poll().len(), 5);
    scene.reset();
    words.iter().for_each(|word| scene.bank.post_word(*word));
    assert_eq!(scene.poll(), []);
    assert_eq!(scene.counters().stale, 10);
    scene.assert_well();
}

#[test]
fn f029_tag_free_now_mpi1() {
    let mut scene = Scene::new();
    let frame = scene.read(1);
    let context = scene.context(frame);
    scene.bank.succeed(frame);
    assert_eq!(scene.poll(), [done(1)]);
    scene.bank.post_word(context);
    assert_eq!(scene.poll(), []);
    assert_eq!(scene.counters().stale, 1);
    scene.assert_well();
}

#[test]
fn f030_double_same_batch_mpi1() {
    let mut scene = Scene::new();
    let frame = scene.read(1);
    (0..2).for_each(|_| scene.bank.succeed(frame));
    assert_eq!(scene.pass(), [done(1)]);
    assert_eq!(scene.counters().stale, 1);
    scene.assert_well();
}

/// There is one reply FIFO, with two kinds of words: a context and the address of a frame that has the same context.
#[test]
fn f031_double_two_vectors_mpi1() {
    let mut scene = Scene::new();
    let frame = scene.read(1);
    scene.bank.succeed(frame);
    scene.reply(frame, &underrun(512));
    assert_eq!(scene.poll(), [done(1)], "the first counts");
    assert_eq!(scene.counters().stale, 1);
    scene.assert_well();
}

#[test]
fn f032_double_after_reuse_mpi1() {
    let mut scene = Scene::new();
    let frame = scene.read(1);
    let late = scene.context(frame);
    scene.bank.succeed(frame);
    assert_eq!(scene.poll(), [done(1)]);
    let reused = scene.read(2);
    assert_eq!(reused, frame, "the same slot");
    assert_ne!(scene.context(reused), late);
    scene.bank.post_word(late);
    assert_eq!(scene.poll(), [], "the new command is unharmed");
    scene.bank.succeed(reused);
    assert_eq!(scene.poll(), [done(2)]);
    scene.assert_well();
}

/// The first request through memory comes back with its context, or the controller is not used at all.
#[test]
fn f033_generation_not_echoed_mpi1() {
    use hba_core::adapter::{Adapter, Need};
    use hba_core::dma::NoData;
    use hba_core::queue::Batch;
    use hba_core::time::Instant;
    use mpt_backend::mpi1::{Mpi1, Mpi1Config};

    let start = |strips: bool| {
        let (mut bank, fifo) = RegisterBank::new();
        if strips {
            bank.strip_generations();
        }
        let port = Mpi1::new(Mpi1Config::default(), fifo);
        let mut now = Instant::ZERO;
        let mut adapter: Adapter<_, NoData> =
            Adapter::new(port, Default::default(), Default::default(), now);
        let mut events = Vec::new();
        let mut batch = Batch::new(8);
        for _ in 0..2_000 {
            let progress = adapter.poll(now, &mut bank, &mut batch);
            if let Some(Need::Memory(plan)) = progress.need {
                let regions = plan.regions.iter().map(|region| bank.allocate(region)).collect();
                adapter.provide_memory(regions).expect("as planned");
            }
            now = now + Duration::from_millis(50);
            events.extend(core::iter::from_fn(|| adapter.poll_event()));
        }
        events
    };
    let operational = |events: &[ControlEvent]| events.contains(&ControlEvent::Operational);
    assert!(operational(&start(false)));
    let events = start(true);
    assert!(!operational(&events), "{events:?}");
    let failed = |event: &ControlEvent| matches!(event, ControlEvent::BringUpFailed(_));
    assert!(events.iter().any(failed), "{events:?}");
}

/// There is one queue, whatever interrupt a word came with, or with none: it takes the word, and nothing is lost to another.
#[test]
fn f034_wrong_queue_mpi1() {
    let mut scene = Scene::new();
    assert_eq!(scene.adapter.queues().len(), 1);
    assert_eq!(scene.adapter.limits().map(|limits| limits.vectors), Some(1));
    let frame = scene.read(1);
    // The status register says that no interrupt is this controller's; the word counts all the same.
    assert!(!scene.adapter.claims_interrupt(&mut scene.bank));
    scene.bank.succeed(frame);
    assert_eq!(scene.poll(), [done(1)]);
    scene.assert_well();
}

#[test]
fn f035_internal_tag_as_io_mpi1() {
    for reply in [true, false] {
        let mut scene = Scene::new();
        let frame = scene.read(1);
        // The event request is out for good; it is answered as if it were a read.
        let events = 1 << 10 | EVENTS;
        if reply {
            scene.bank.memory().store(frame + CONTEXT, events);
            scene.reply(frame, &scsi_io(Status::GOOD, 0, 0, LEN, 0));
        } else {
            scene.bank.post_word(events);
        }
        assert_eq!(scene.poll(), [], "no command ends by it");
        assert!(scene.is_distrusted(), "{:?}", scene.events());
    }
}

#[test]
fn f036_hipri_tag_as_io_mpi1() {
    for reply in [true, false] {
        let mut scene = Scene::new();
        let frame = scene.read(1);
        assert_eq!(scene.wait(Duration::from_secs(1)), [], "its deadline passes");
        let task = scene.bank.take_request().expect("the abort");
        let context = scene.context(task);
        assert_eq!(context & 0x3ff, TASK_MANAGEMENT);
        if reply {
            scene.bank.memory().store(frame + CONTEXT, context);
            scene.reply(frame, &scsi_io(Status::GOOD, 0, 0, LEN, 0));
        } else {
            scene.bank.post_word(context);
        }
        assert_eq!(scene.poll(), [], "the abort has not ended anything");
        assert!(scene.is_distrusted(), "{:?}", scene.events());
    }
}

#[test]
fn f037_unknown_type_mpi1() {
    let mut scene = Scene::new();
    // Bits 30:29: SCSI target and LAN.
    for word in [0x2000_0001, 0x4000_0001, 0x6000_0001].into_iter().cycle().take(15) {
        scene.bank.post_word(word);
    }
    assert_eq!(scene.poll(), []);
    assert_eq!(scene.counters().unknown, 15);
    scene.assert_well();
    scene.bank.post_word(0x6000_0001);
    assert_eq!(scene.poll(), []);
    assert!(scene.is_distrusted());
}

/// A word of the FIFO register comes whole or not at all; all ones is not at all.
#[test]
fn f038_half_written_mpi1() {
    let mut scene = Scene::new();
    let frame = scene.read(1);
    assert_eq!((EMPTY, scene.poll()), (u32::MAX, Vec::new()));
    scene.bank.succeed(frame);
    assert_eq!(scene.poll(), [done(1)]);
    scene.assert_well();
}

/// Reading the register takes the word: there is no second look at it.
#[test]
fn f039_unused_then_filled_mpi1() {
    let mut scene = Scene::new();
    let frames = [scene.read(1), scene.read(2)];
    assert_eq!(scene.pass(), []);
    scene.bank.succeed(frames[0]);
    assert_eq!(scene.pass(), [done(1)]);
    scene.bank.succeed(frames[1]);
    assert_eq!(scene.pass(), [done(2)]);
    scene.assert_well();
}

#[test]
fn f040_changes_after_read_mpi1() {
    let mut scene = Scene::new();
    let frames: Vec<_> = (0..10).map(|cookie| scene.read(cookie)).collect();
    frames.iter().for_each(|frame| scene.bank.succeed(*frame));
    // A read takes the word out of the FIFO, so a second one could only find another.
    assert_eq!((scene.bank.words_waiting(), scene.pass().len()), (10, 10));
    assert_eq!(scene.bank.words_waiting(), 0);
    scene.assert_well();
}

/// A FIFO that reads 0 from the start: nothing is read before the queue is armed, and nothing ends by it afterwards.
#[test]
fn f041_all_zero_queue_mpi1() {
    let mut scene = Scene::new();
    let frame = scene.read(1);
    scene.bank.succeed(frame);
    assert_eq!(scene.poll(), [done(1)]);
    (0..10).for_each(|_| scene.bank.post_word(0));
    assert_eq!(scene.poll(), [], "the use that 0 names has ended");
    assert_eq!(scene.counters().stale, 10);
    scene.assert_well();

    let (words, ended) = zeros_during_bring_up();
    assert_eq!(words, 10, "the register is not read before the queue is armed");
    assert_eq!(ended, 0);
}

/// Bring-up with ten zeros in the FIFO: how many are left when the driver asks for memory and has it, and what ended.
fn zeros_during_bring_up() -> (usize, usize) {
    use hba_core::adapter::{Adapter, Need};
    use hba_core::dma::NoData;
    use hba_core::queue::Batch;
    use hba_core::time::Instant;
    use mpt_backend::mpi1::{Mpi1, Mpi1Config};

    let (mut bank, fifo) = RegisterBank::new();
    (0..10).for_each(|_| bank.post_word(0));
    let port = Mpi1::new(Mpi1Config::default(), fifo);
    let now = Instant::ZERO;
    let mut adapter: Adapter<_, NoData> =
        Adapter::new(port, Default::default(), Default::default(), now);
    let (mut batch, mut ended) = (Batch::new(8), 0);
    for _ in 0..2_000 {
        let progress = adapter.poll(now, &mut bank, &mut batch);
        ended += batch.drain().count();
        if let Some(Need::Memory(plan)) = progress.need {
            let regions = plan.regions.iter().map(|region| bank.allocate(region)).collect();
            adapter.provide_memory(regions).expect("as planned");
            // Stopped queues are looked at and touch nothing.
            let mut queue_batch = Batch::new(8);
            let queue = adapter.queue_mut(hba_core::queue::Vector(0)).expect("there is one");
            let _ = queue.service(&mut queue_batch);
            return (bank.words_waiting(), ended + queue_batch.drain().count());
        }
    }
    panic!("memory was never asked for");
}

/// A FIFO has no laps. Words that come again are of an earlier generation.
#[test]
fn f042_stale_wrap_mpi1() {
    let mut scene = Scene::new();
    let mut words = Vec::new();
    for cookie in 0..100 {
        let frame = scene.read(cookie);
        words.push(scene.context(frame));
        scene.bank.succeed(frame);
        assert_eq!(scene.poll(), [done(cookie)]);
    }
    let _ = scene.read(100);
    words.iter().for_each(|word| scene.bank.post_word(*word));
    assert_eq!((0..4).flat_map(|_| scene.poll()).collect::<Vec<_>>(), []);
    assert_eq!(scene.counters().stale, 100);
}

/// A controller that posts as fast as the driver takes: a pass has an end and says that there is more, Control has its turn all
/// the same, and what lies behind the feed is found.
#[test]
fn f043_endless_feed_mpi1() {
    let mut scene = Scene::new();
    let frame = scene.read(1);
    let stale = scene.context(frame);
    scene.bank.succeed(frame);
    assert_eq!(scene.poll(), [done(1)]);
    let (_lost, behind) = (scene.read(2), scene.read(3));
    let feed = |scene: &Scene, words| (0..words).for_each(|_| scene.bank.post_word(stale));
    feed(&scene, 10 * BATCH);
    scene.bank.succeed(behind);
    for pass in 0..20 {
        let before = scene.bank.words_waiting();
        assert_eq!(scene.pass(), if pass == 10 { vec![done(3)] } else { vec![] });
        assert_eq!(before - scene.bank.words_waiting(), BATCH, "a pass has an end");
        assert!(scene.more, "and says that there is more");
        feed(&scene, BATCH);
        scene.now = scene.now + Duration::from_millis(100);
    }
    let abort = scene.bank.take_request().expect("the deadline was seen");
    assert_eq!(scene.context(abort) & 0x3ff, TASK_MANAGEMENT);
    assert!(!scene.is_distrusted(), "{:?}", scene.events());
}

/// The FIFO is the controller's own memory: what it posts too much of overruns nothing of ours, and the generation tells it.
#[test]
fn f044_overrun_ring_mpi1() {
    let mut scene = Scene::new();
    let frame = scene.read(1);
    (0..900).for_each(|_| scene.bank.succeed(frame));
    let ends: Vec<_> = (0..20).flat_map(|_| scene.pass()).collect();
    assert_eq!(ends, [done(1)]);
    assert_eq!(scene.counters().stale, 899);
    scene.assert_well();
}

/// A FIFO leaves no holes; a reply that is left out is missed by its deadline, and the others go on.
#[test]
fn f045_skip_entry_mpi1() {
    let mut scene = Scene::new();
    let (lost, other) = (scene.read(1), scene.read(2));
    scene.bank.succeed(other);
    assert_eq!(scene.poll(), [done(2)]);
    assert_eq!(scene.wait(Duration::from_secs(1)), []);
    let recovering = |e: &ControlEvent| matches!(e, ControlEvent::Recovering(_, Rung::Abort));
    assert!(scene.events().iter().any(recovering));
    let terminated = scsi_io(Status::GOOD, 0x08, IocStatus::SCSI_TASK_TERMINATED.0, 0, 0);
    scene.reply(lost, &terminated);
    assert_eq!(scene.poll()[0].outcome, Outcome::Failed(Failure::TimedOut));
}

#[test]
fn f046_never_replies_mpi1() {
    let mut scene = Scene::new();
    let _ = scene.read(1);
    // 0.5 s for the command, 10 s for the abort, 20 s and 30 s for the resets.
    assert_eq!(scene.wait(Duration::from_secs(62)), [], "its memory is the device's");
    let events = scene.events();
    let rungs = events.iter().filter_map(|event| match event {
        ControlEvent::Recovering(_, rung) => Some(*rung),
        ControlEvent::ResetBegun(_) => Some(Rung::ControllerReset),
        _ => None,
    });
    assert_eq!(
        rungs.collect::<Vec<_>>(),
        [Rung::Abort, Rung::LogicalUnitReset, Rung::TargetReset, Rung::ControllerReset]
    );
}

#[test]
fn f048_peer_tag_forged_mpi1() {
    let mut scene = Scene::new();
    let frames = [scene.read(1), scene.read(2)];
    let contexts = frames.map(|frame| scene.context(frame));
    // The frames name each other now; nobody looks.
    scene.bank.memory().store(frames[0] + CONTEXT, contexts[1]);
    scene.bank.memory().store(frames[1] + CONTEXT, contexts[0]);
    scene.bank.post_word(contexts[0]);
    assert_eq!(scene.poll(), [done(1)]);
    scene.bank.post_word(contexts[1]);
    assert_eq!(scene.poll(), [done(2)]);
    scene.assert_well();
}

#[test]
fn f049_function_forged_mpi1() {
    let mut scene = Scene::new();
    let frame = scene.read(1);
    let context = scene.context(frame);
    // The whole frame is the device's to scribble on: it is written anew for the next command.
    (0..0x30).step_by(4).for_each(|at| scene.bank.memory().store(frame + at, 0x0707_0707));
    scene.bank.post_word(context);
    assert_eq!(scene.poll(), [done(1)]);
    let again = scene.read(2);
    assert_eq!(again, frame);
    assert_eq!(scene.bank.memory().load(again) >> 24, 0, "SCSI IO");
    scene.bank.succeed(again);
    assert_eq!(scene.poll(), [done(2)]);
    scene.assert_well();
}
