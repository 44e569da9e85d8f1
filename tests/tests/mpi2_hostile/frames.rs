//! Reply frames: whose they are, and that what they say is read once.

use hba_core::port::{BadReply, Delivery, QueuePort, Reply};
use hba_core::queue::Vector;
use hba_tests::{hostile, single_step};

use crate::{GOOD, PAGE, Rig, scsi_io};

const ADDRESS: u32 = 1;

/// The driver has read the frame and not given it back: it is not the controller's to report.
#[test]
fn f052_addr_not_owned_mpi2() {
    let mut rig = Rig::new();
    let (first, second) = (rig.read(), rig.read());
    let frame = rig.bank.fill_frame(&scsi_io(0x0045_0000, 512, 0));
    rig.bank.forge(ADDRESS | u32::from(first) << 16, frame);
    // A pass of the queue alone: Control has not seen it.
    let queue = rig.adapter.queue_mut(Vector(0)).expect("there is one");
    let _ = queue.service(&mut rig.batch);
    assert_eq!(rig.batch.drain().count(), 1);
    rig.bank.forge(ADDRESS | u32::from(second) << 16, frame);
    let _ = rig.poll();
    let _ = rig.poll();
    let told = rig.events.iter().any(|event| {
        matches!(
            event,
            hba_core::control::ControlEvent::BadReply(BadReply::FrameNotOwned { raw }) if *raw == frame
        )
    });
    assert!(told, "{:?}", rig.events);
    assert!(rig.is_reset());
}

/// The controller rewrites a frame while it is looked at. No content that the frame ever has is a success; each word is read
/// once, so none is made of two.
#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn f057_frame_rewritten_mpi2() {
    for (word, contents) in hostile::REWRITTEN {
        // A third of them: a frame is thousands of instructions.
        for schedule in single_step::schedules().step_by(3) {
            let mut rig = Rig::new();
            let smid = rig.read();
            let frame = rig.bank.fill_frame(&scsi_io(0, PAGE, 0));
            rig.bank.forge(ADDRESS | u32::from(smid) << 16, frame);
            let memory = rig.bank.memory().clone();
            let change = |second| memory.store(frame + 4 * word, contents[usize::from(second)]);
            let port = rig.adapter.queue_mut(Vector(0)).expect("there is one").port_mut();
            let reply = schedule.run(change, || port.next_reply());
            assert!(matches!(reply, Reply::Detail(_)), "{schedule:?}: {reply:?}");
            let delivery = port.detail().delivery;
            assert!(matches!(delivery, Delivery::Failed(_)), "{schedule:?}: {delivery:?}");
        }
    }
}

/// Once a frame is copied it may change as it likes, until it is given back.
#[test]
fn f057_a_frame_that_was_taken_is_left_alone_mpi2() {
    let mut rig = Rig::new();
    let (first, second) = (rig.read(), rig.read());
    let frame = rig.bank.fill_frame(&scsi_io(0x0045_0000, 512, 0));
    rig.bank.forge(ADDRESS | u32::from(first) << 16, frame);
    let (ended, _) = rig.pass();
    assert_eq!(ended, [(1, GOOD, 512, PAGE - 512, 0)]);
    rig.bank.rewrite_frame(frame, &scsi_io(0x0000_0002, 0, 18));
    rig.bank.succeed(second);
    assert_eq!(rig.cookies(), [2]);
    rig.assert_well();
}
