//! Reply frames: whose they are, and that what they say is read once.

use hba_core::port::BadReply;
use hba_core::queue::Vector;

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
