//! Sense data: what they say of addresses and of their own length.

use hba_core::command::Outcome;
use hba_core::queue::Vector;
use scsi_proto::Status;
use scsi_proto::sense::{Sense, SenseDescriptors, SenseKey};

use crate::{PAGE, Rig, scsi_io};

/// CHECK CONDITION, autosense valid.
const CHECK: u32 = 0x0000_0102;

/// Ends a read with these sense data; its outcome, bytes moved and not moved, and the sense data that came home.
fn check_condition(rig: &mut Rig, sense: &[u8]) -> (Outcome, u32, u32, Vec<u8>) {
    let smid = rig.read();
    rig.bank.write_sense(smid, sense);
    rig.bank.reply(smid, &scsi_io(CHECK, PAGE, sense.len() as u32));
    let queue = rig.adapter.queue_mut(Vector(0)).expect("there is one");
    let _ = queue.service(&mut rig.batch);
    let mut ends = rig.batch.drain().map(|done| {
        let c = done.completion;
        (c.outcome, c.transferred, c.residual, done.sense.to_vec())
    });
    let end = ends.next().expect("it ended");
    assert!(ends.next().is_none());
    end
}

/// What the sense data say of an address is told as it is and counts for nothing: bytes moved are the controller's word.
#[test]
fn f070_sense_lba_wild_mpi2() {
    for (first, information) in [(0xf0, u32::MAX), (0xf0, 0), (0x70, 7), (0xff, 1)] {
        let mut sense = [0; 18];
        (sense[0], sense[2], sense[7], sense[12]) = (first, 3, 10, 0x11);
        sense[3..7].copy_from_slice(&information.to_be_bytes());
        let mut rig = Rig::new();
        let (outcome, moved, residual, told) = check_condition(&mut rig, &sense);
        assert_eq!(outcome, Outcome::Status(Status::CHECK_CONDITION));
        assert_eq!((moved, residual), (PAGE, 0));
        assert_eq!(told, sense);
        rig.assert_well();
    }
}

#[test]
fn f071_sense_descriptor_loop_mpi2() {
    // Descriptors of length 0, one that claims more than there is, one that repeats.
    let mut shortest = vec![0x72, 0x03, 0x11, 0x00, 0, 0, 0, 88];
    shortest.resize(96, 0);
    let huge =
        vec![0x72, 0x03, 0x11, 0x00, 0, 0, 0, 12, 0x00, 0xff, 0x80, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    let mut twice = vec![0x72, 0x03, 0x11, 0x00, 0, 0, 0, 24];
    (0..2).for_each(|_| twice.extend([0x00, 0x0a, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 9]));
    for sense in [shortest, huge, twice] {
        let mut rig = Rig::new();
        let (.., told) = check_condition(&mut rig, &sense);
        assert_eq!(told, sense);
        let parsed = Sense::parse(&told).expect("the head is whole");
        assert_eq!((parsed.key, parsed.additional.asc), (SenseKey::MEDIUM_ERROR, 0x11));
        let entries = SenseDescriptors::new(&told).take(1000).count();
        assert!(entries <= sense.len() / 2, "{entries} entries");
        rig.assert_well();
    }
}
