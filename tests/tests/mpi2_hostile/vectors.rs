//! What only a controller with several vectors can do wrong.

use hba_core::command::{Failure, Outcome, Transfer};
use hba_core::control::ControlEvent;
use hba_core::port::BadReply;
use hba_core::queue::IoQueue;

use crate::{GOOD, PAGE, Rig, scsi_io};

const ADDRESS: u32 = 1;

impl Rig {
    pub(crate) fn read_on(&mut self, vector: u16) -> u16 {
        self.submit_on(vector, Transfer::from_device(PAGE))
    }

    /// Stale replies of each queue, and those that came by way of another.
    fn detours(&self) -> Vec<(u64, u64)> {
        let counters = self.adapter.queues().iter().map(IoQueue::counters);
        counters.map(|c| (c.stale, c.misrouted)).collect()
    }

    /// Polls until nothing new comes; the cookies of what ended.
    pub(crate) fn settle(&mut self) -> Vec<u64> {
        (0..6).flat_map(|_| self.poll()).collect()
    }
}

#[test]
fn f031_double_two_vectors_mpi2() {
    let mut rig = Rig::with_vectors(3);
    let smid = rig.read_on(1);
    for vector in [1, 2] {
        rig.bank.forge_on(vector, u32::from(smid) << 16, 0);
    }
    rig.bank.succeed(smid);
    assert_eq!(rig.settle(), [1], "exactly one completion");
    // Two of three came by way of other vectors, and the two that were late are counted, whichever these were.
    assert_eq!(rig.detours(), [(0, 0), (2, 2), (0, 0)]);
    assert_eq!(rig.adapter.outstanding(), 0);
    rig.assert_well();
}

#[test]
fn f034_wrong_queue_success_mpi2() {
    let mut rig = Rig::with_vectors(3);
    let smids = [rig.read_on(0), rig.read_on(1), rig.read_on(2)];
    rig.bank.succeed(smids[1]);
    rig.bank.succeed(smids[2]);
    rig.bank.forge_on(1, u32::from(smids[0]) << 16, 0);
    let mut ended = rig.settle();
    ended.sort_unstable();
    assert_eq!(ended, [1, 2, 3], "accepted");
    assert_eq!(rig.detours(), [(0, 1), (0, 1), (0, 1)], "and counted");
    assert_eq!(rig.counted(), (0, 0));
    rig.assert_well();
}

#[test]
fn f034_wrong_queue_reply_mpi2() {
    let mut rig = Rig::with_vectors(2);
    assert!(rig.settle().is_empty(), "the frames of bring-up are back");
    let smid = rig.read_on(1);
    let free = rig.bank.frames_free();
    rig.bank.reply(smid, &scsi_io(0x0045_0000, 512, 0));
    let ended: Vec<_> = (0..6).flat_map(|_| rig.poll_ended()).collect();
    assert_eq!(ended, [(1, GOOD, 512, PAGE - 512, 0)], "with what the frame says");
    assert_eq!(rig.detours(), [(0, 0), (0, 1)]);
    assert_eq!(rig.bank.frames_free(), free, "the frame went back");
    rig.assert_well();
}

/// A frame that is nonsense ends the command all the same, as a failure, and the trust.
#[test]
fn f034_wrong_queue_bad_frame_mpi2() {
    let mut rig = Rig::with_vectors(2);
    let smid = rig.read_on(1);
    rig.bank.forge(ADDRESS | u32::from(smid) << 16, 0x80);
    let ended: Vec<_> = (0..3).flat_map(|_| rig.poll_ended()).collect();
    assert_eq!(ended, [(1, Outcome::Failed(Failure::BadReply), 0, PAGE, 0)]);
    assert!(rig.is_reset());
}

/// One frame in descriptors on two vectors: each queue by itself finds nothing wrong.
#[test]
fn f053_addr_twice_two_vectors_mpi2() {
    for (first, second) in [(0, 1), (1, 2), (2, 0)] {
        let mut rig = Rig::with_vectors(3);
        assert!(rig.settle().is_empty(), "the frames of bring-up are back");
        let smids = [rig.read_on(0), rig.read_on(1), rig.read_on(2)];
        let frame = rig.bank.fill_frame(&scsi_io(0x0045_0000, 512, 0));
        let free = rig.bank.frames_free();
        for vector in [first, second] {
            let low = ADDRESS | u32::from(smids[vector]) << 16;
            match vector {
                0 => rig.bank.forge(low, frame),
                _ => rig.bank.forge_on(vector, low, frame),
            }
        }
        let _ = rig.poll();
        assert!(rig.is_reset(), "{:?}", rig.events);
        let told = |event: &ControlEvent| matches!(event, ControlEvent::BadReply(BadReply::FrameNotOwned { raw }) if *raw == frame);
        assert!(rig.events.iter().any(told), "{:?}", rig.events);
        assert!(rig.bank.frames_free() <= free + 1, "given back once at most");
    }
}
