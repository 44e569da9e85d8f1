//! Descriptors: SMIDs, entries of the queue, and what the controller writes where it should not.

use core::time::Duration;

use hba_core::control::{ControlEvent, Rung};
use hba_core::port::QueuePort;
use hba_core::queue::Vector;
use mpt_backend::mpi2::Mpi2Queue;

use crate::{BATCH, DEPTH, PAGE, Rig, scsi_io};

#[test]
fn f026_tag_zero_resets_mpi2() {
    let mut rig = Rig::new();
    rig.read();
    rig.bank.succeed(0);
    assert!(rig.cookies().is_empty());
    assert_eq!(rig.counted(), (0, 1));
    assert!(rig.is_reset());
}

#[test]
fn f028_tag_never_used_mpi2() {
    let mut rig = Rig::new();
    let smid = rig.read();
    rig.bank.succeed(smid + 2);
    assert!(rig.cookies().is_empty());
    assert_eq!(rig.counted(), (0, 1));
    assert!(rig.is_reset(), "nothing that was sent can be answered so");
}

#[test]
fn f029_tag_free_now_mpi2() {
    let mut rig = Rig::new();
    let smid = rig.read();
    rig.bank.succeed(smid);
    assert_eq!(rig.cookies(), [1]);
    rig.bank.succeed(smid);
    assert!(rig.cookies().is_empty());
    assert_eq!(rig.counted(), (1, 0));
    assert!(!rig.is_reset(), "one use back: dropped");
}

#[test]
fn f030_double_same_batch_mpi2() {
    let mut rig = Rig::new();
    let smid = rig.read();
    rig.read();
    rig.bank.succeed(smid);
    rig.bank.succeed(smid);
    assert_eq!(rig.cookies(), [1]);
    assert_eq!(rig.counted(), (1, 0), "the second is counted");
}

#[test]
fn f032_double_after_reuse_mpi2() {
    let mut rig = Rig::new();
    let late = rig.read();
    rig.bank.succeed(late);
    assert_eq!(rig.cookies(), [1]);
    // All other slots come first: the slot rests.
    let others: Vec<u16> = (1..DEPTH).map(|_| rig.read()).collect();
    assert!(!others.contains(&late));
    rig.bank.succeed(late);
    assert!(rig.cookies().is_empty(), "inside the rest it is dropped");
    assert_eq!(rig.counted(), (1, 0));
    // Beyond the rest there is nothing on the wire that tells the uses apart: the window that is documented.
    assert_eq!(rig.read(), late);
    rig.bank.succeed(late);
    assert_eq!(rig.cookies(), [5]);
}

/// Zeroed memory is a queue full of success descriptors of SMID 0: the driver erases it before the controller is told.
#[test]
fn f041_all_zero_queue_mpi2() {
    let mut rig = Rig::new();
    for back in 0..rig.bank.post_entries() {
        assert_eq!(rig.bank.entry(back), (u32::MAX, u32::MAX), "armed");
    }
    assert!(rig.cookies().is_empty());
    assert_eq!(rig.counted(), (0, 0));
    // Zeros that come afterwards are the controller's words.
    rig.read();
    rig.bank.rewrite(0, 0, 0);
    assert!(rig.cookies().is_empty());
    assert_eq!(rig.counted(), (0, 1));
    assert!(rig.is_reset());
}

/// A controller that posts as fast as the driver takes: a pass has an end and says that there is more, the other vector and
/// Control have their turn all the same, and what lies behind the feed is found. When it pauses the controller is reset.
#[test]
fn f043_endless_feed_mpi2() {
    let mut rig = Rig::with_vectors(2);
    let stale = rig.read();
    rig.bank.succeed(stale);
    assert_eq!(rig.poll(), [1]);
    let (_lost, behind) = (rig.read(), rig.read());
    let feed = |rig: &mut Rig, words| (0..words).for_each(|_| rig.bank.succeed(stale));
    feed(&mut rig, 2 * BATCH);
    rig.bank.succeed(behind);
    for others in [[4].as_slice(), &[5], &[3, 6]] {
        let other = rig.read_on(1);
        rig.bank.forge_on(1, u32::from(other) << 16, 0);
        let before = rig.counted().0;
        let mut ended = rig.poll();
        ended.sort_unstable();
        assert_eq!(ended, others);
        assert!(rig.more, "{:?}", rig.events);
        let taken = rig.counted().0 - before;
        assert!(taken <= BATCH as u64, "a pass has an end: {taken}");
        feed(&mut rig, BATCH);
        rig.now = rig.now + Duration::from_millis(300);
    }
    let abort = rig.bank.take_request().expect("the deadline was seen");
    assert_eq!(rig.bank.function(abort), 1);
    for _ in 0..rig.bank.post_entries() as usize / BATCH {
        feed(&mut rig, BATCH);
        assert!(rig.poll().is_empty());
    }
    assert!(rig.settle().is_empty());
    assert!(rig.is_reset(), "half a lap that nobody waited for");
}

/// The whole frame is the controller's to scribble on, the place of the sense data included: the driver goes by its own
/// record, and writes the frame anew for the next command.
#[test]
fn f048_f049_the_request_frame_is_never_read_back_mpi2() {
    let mut rig = Rig::new();
    let (first, second) = (rig.read(), rig.read());
    rig.bank.write_sense(first, &[0x70, 0, 3, 0]);
    for word in 0..32 {
        rig.bank.overwrite(first, word, 0xff00_0000 | u32::from(second) << 8);
    }
    rig.bank.reply(first, &scsi_io(0x0000_0102, PAGE, 4));
    let queue = rig.adapter.queue_mut(Vector(0)).expect("there is one");
    let _ = queue.service(&mut rig.batch);
    let told = rig.batch.drain().map(|done| (done.completion.cookie.0, done.sense.to_vec()));
    assert_eq!(told.collect::<Vec<_>>(), [(1, vec![0x70, 0, 3, 0])]);
    for _ in 0..DEPTH - 2 {
        assert_ne!(rig.read(), first);
    }
    assert_eq!(rig.read(), first, "the slot again");
    assert_eq!(rig.bank.function(first), 0, "SCSI IO");
}

/// The wire has no room for a generation, so none is asked for; a command in doubt keeps its slot instead.
#[test]
fn f033_generation_not_echoed_mpi2() {
    assert_eq!(<Mpi2Queue as QueuePort>::GENERATION_BITS, 0);
    let mut rig = Rig::new();
    let doubtful = rig.read();
    assert!(rig.wait(Duration::from_secs(1)).is_empty(), "its deadline passes");
    let abort = rig.bank.take_request().expect("the abort");
    assert_eq!(rig.bank.function(abort), 1);
    // The abort is answered as done, and the command with nothing.
    rig.bank.reply(abort, &[0x010d_0000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for _ in 0..8 {
        assert!(rig.poll().is_empty());
    }
    for _ in 0..5 * DEPTH {
        let smid = rig.read();
        assert_ne!(smid, doubtful, "quarantined");
        rig.bank.succeed(smid);
        assert_eq!(rig.poll().len(), 1);
    }
    rig.bank.succeed(doubtful);
    assert_eq!(rig.poll(), [1], "its own reply ends it");
    assert_eq!(rig.adapter.outstanding(), 0);
}

/// An entry is looked at as one word of 64 bits: until both halves are there it is not there.
#[test]
fn f039_unused_then_filled_mpi2() {
    let mut rig = Rig::new();
    let smid = u32::from(rig.read());
    for (low, high) in [(u32::MAX, 0), (smid << 16, u32::MAX), (u32::MAX, u32::MAX)] {
        rig.bank.rewrite(0, low, high);
        assert!(rig.cookies().is_empty(), "{low:#x} {high:#x}");
    }
    rig.bank.forge(smid << 16, 0);
    assert_eq!(rig.cookies(), [1]);
    assert_eq!(
        rig.bank.entry(1),
        (u32::MAX, u32::MAX),
        "erased, so that the next lap is told apart"
    );
    assert_eq!(rig.counted(), (0, 0));
    rig.assert_well();
}

/// An entry that was taken is not looked at again before the next lap, whatever is written there.
#[test]
fn f040_an_entry_that_was_taken_is_left_alone_mpi2() {
    let mut rig = Rig::new();
    let smids = [rig.read(), rig.read()].map(u32::from);
    rig.bank.forge(smids[0] << 16, 0);
    assert_eq!(rig.cookies(), [1]);
    rig.bank.rewrite(1, smids[1] << 16, 0);
    assert!(rig.cookies().is_empty());
    assert_eq!(rig.counted(), (0, 0));
    rig.bank.forge(smids[1] << 16, 0);
    assert_eq!(rig.cookies(), [2]);
}

/// Two laps by the rules leave nothing behind. Then the controller posts the last lap once more: no command ends by it, and a
/// controller that posts so much that nobody waits for is not trusted any more.
#[test]
fn f042_stale_wrap_resets_mpi2() {
    let mut rig = Rig::new();
    let entries = rig.bank.post_entries();
    let mut words = Vec::new();
    for count in 0..2 * entries {
        assert_eq!(rig.bank.entry(0), (u32::MAX, u32::MAX), "erased since the last lap");
        let smid = rig.read();
        rig.bank.succeed(smid);
        assert_eq!(rig.poll(), [u64::from(count) + 1]);
        words.push(smid);
    }
    assert_eq!(rig.counted(), (0, 0));
    let outstanding = rig.read();
    let lap = words.into_iter().filter(|smid| *smid != outstanding);
    for (count, smid) in (1..=u64::from(entries / 2)).zip(lap) {
        assert!(rig.adapter.queues()[0].is_open(), "{count} entries are borne");
        rig.bank.succeed(smid);
        assert!(rig.cookies().is_empty());
        assert_eq!(rig.counted(), (count, 0));
    }
    assert!(rig.is_reset(), "{:?}", rig.events);
}

/// More entries than the ring holds, over those that the driver has not read: what is left of them ends each command once,
/// no slot is lost, and the controller is not trusted any more.
#[test]
fn f044_overrun_ring_mpi2() {
    let mut rig = Rig::new();
    let (first, second) = (rig.read(), rig.read());
    rig.bank.succeed(first);
    let entries = rig.bank.post_entries();
    (0..entries + 2).for_each(|_| rig.bank.succeed(second));
    let ended: Vec<_> = (0..entries).flat_map(|_| rig.cookies()).collect();
    assert_eq!(ended, [2], "the first one's entry was overwritten");
    assert_eq!(rig.counted(), (u64::from(entries) - 1, 0));
    assert_eq!(rig.adapter.outstanding(), 1, "it waits for the reset");
    assert!(rig.is_reset(), "{:?}", rig.events);
}

/// A hole in the queue blocks what is behind it; the deadline of a command finds it.
#[test]
fn f045_skip_entry_is_found_by_a_deadline_mpi2() {
    let mut rig = Rig::new();
    let (lost, behind) = (rig.read(), rig.read());
    rig.bank.succeed(lost);
    rig.bank.rewrite(1, u32::MAX, u32::MAX);
    rig.bank.succeed(behind);
    assert!(rig.wait(Duration::from_millis(400)).is_empty());
    assert!(!rig.more && rig.events.is_empty(), "{:?}", rig.events);
    assert!(rig.wait(Duration::from_millis(200)).is_empty());
    let recovering = |e: &ControlEvent| matches!(e, ControlEvent::Recovering(_, Rung::Abort));
    assert!(rig.events.iter().any(recovering), "{:?}", rig.events);
    // What fills the hole after all ends both.
    rig.bank.rewrite(2, u32::from(lost) << 16, 0);
    assert_eq!(rig.poll(), [1, 2]);
}

#[test]
fn f046_never_replies_mpi2() {
    let mut rig = Rig::new();
    rig.read();
    // 0.5 s for the command, 10 s for the abort, 20 s and 30 s for the resets.
    assert!(rig.wait(Duration::from_secs(62)).is_empty(), "its memory is the device's");
    let rungs = rig.events.iter().filter_map(|event| match event {
        ControlEvent::Recovering(_, rung) => Some(*rung),
        ControlEvent::ResetBegun(_) => Some(Rung::ControllerReset),
        _ => None,
    });
    assert_eq!(
        rungs.collect::<Vec<_>>(),
        [Rung::Abort, Rung::LogicalUnitReset, Rung::TargetReset, Rung::ControllerReset]
    );
}
