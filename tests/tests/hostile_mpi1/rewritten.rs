//! Memory that the controller changes while the driver looks at it.

use hba_core::port::{BadReply, Delivery, QueuePort, Reply};
use hba_core::queue::Vector;
use hba_tests::{hostile, single_step};
use scsi_proto::Status;

use crate::scene::{LEN, Scene, scsi_io};

/// The controller rewrites a frame while it is looked at. No content that the frame ever has is a success; each word is read
/// once, so none is made of two.
#[test]
fn f057_frame_rewritten_mpi1() {
    for (word, contents) in hostile::REWRITTEN {
        // A third of them: a frame is thousands of instructions.
        for schedule in single_step::schedules().step_by(3) {
            let mut scene = Scene::new();
            let request = scene.read(1);
            let frame = scene.reply(request, &scsi_io(Status::GOOD, 0, 0, LEN, 0));
            let memory = scene.bank.memory().clone();
            let change = |second| memory.store(frame + 4 * word, contents[usize::from(second)]);
            let port = scene.adapter.queue_mut(Vector(0)).expect("there is one").port_mut();
            let reply = schedule.run(change, || port.next_reply());
            let failed = match reply {
                Reply::Detail(_) => matches!(port.detail().delivery, Delivery::Failed(_)),
                // Too short to say whose it is.
                _ => matches!(reply, Reply::Bad(BadReply::MessageLength { .. })),
            };
            assert!(failed, "{schedule:?}: {reply:?}, {:?}", port.detail());
        }
    }
}
