//! Memory that the controller changes while the driver looks at it.

use hba_core::port::{Delivery, QueuePort, Reply};
use hba_core::queue::Vector;
use hba_tests::{hostile, single_step};

use crate::{Ended, GOOD, PAGE, Rig, scsi_io};

const ADDRESS: u32 = 1;

/// The controller changes an entry while it is looked at, from one content to another. First, either is half an entry, and
/// whoever looks twice makes a whole one of them. Then one is whole, and the other only names another command.
#[test]
fn f040_changes_after_read_mpi2() {
    for whole in [false, true] {
        for schedule in single_step::schedules() {
            let mut rig = Rig::new();
            let [first, second] = [rig.read(), rig.read()].map(|smid| u32::from(smid) << 16);
            let contents = match whole {
                false => [[first, u32::MAX], [u32::MAX, 0]],
                true => [[first, 0], [second | 0xf, 0]],
            };
            let (memory, at) = (rig.bank.memory().clone(), rig.bank.entry_address(0));
            let change = |other| {
                let halves = contents[usize::from(other)];
                (at..).step_by(4).zip(halves).for_each(|(at, half)| memory.store(at, half));
            };
            let (ended, _) = schedule.run(change, || rig.pass());
            let allowed = if whole { [1].as_slice() } else { &[] };
            let good = |end: &Ended| allowed.contains(&end.0) && end.1 == GOOD;
            assert!(ended.iter().all(good) && ended.len() <= 1, "{schedule:?}: {ended:?}");
            assert_eq!(rig.counted(), (0, 0), "{schedule:?}");
        }
    }
}

/// The controller rewrites a frame while it is looked at. No content that the frame ever has is a success; each word is read
/// once, so none is made of two.
#[test]
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
