//! Sense data: what they say of addresses and of their own length.

use hba_core::command::{Completion, Outcome};
use hba_core::durability::{Ended, Judgement};
use hba_tests::hostile::{self, SENSE_ROOM};
use scsi_proto::command::{self, Access};
use scsi_proto::{Lba, Status};

use crate::{DEPTH, PAGE, Rig, scsi_io};

/// CHECK CONDITION, autosense valid.
const CHECK: u32 = 0x0000_0102;

/// How a command ended, what is known of its effect, and the sense data that came home.
struct End {
    outcome: Outcome,
    residual: u32,
    judgement: Judgement,
    sense: Vec<u8>,
}

/// Ends a read with these sense data, this many bytes of them as the reply says, and `count` bytes of data.
fn check_condition(rig: &mut Rig, sense: &[u8], stated: u32, count: u32) -> End {
    let smid = rig.read();
    rig.bank.write_sense(smid, &sense[..sense.len().min(SENSE_ROOM)]);
    rig.bank.reply(smid, &scsi_io(CHECK, count, stated));
    let _ = rig.adapter.poll(rig.now, &mut rig.bank, &mut rig.batch);
    let mut ends = rig.batch.drain().map(|done| {
        let Completion { outcome, transferred, residual, .. } = done.completion;
        let cdb = command::read(Lba(0), 8, Access::default()).expect("in range");
        let ended = Ended { outcome, transferred, residual, sense: done.sense };
        let judgement = Judgement::of(&cdb, &ended);
        End { outcome, residual, judgement, sense: done.sense.to_vec() }
    });
    let end = ends.next().expect("it ended");
    assert!(ends.next().is_none());
    drop(ends);
    assert!(rig.poll().is_empty(), "the frame goes back");
    end
}

/// MEDIUM ERROR, UNRECOVERED READ ERROR, fixed format.
fn medium_error() -> [u8; 18] {
    let mut sense = [0; 18];
    (sense[0], sense[2], sense[7], sense[12]) = (0x70, 0x03, 10, 0x11);
    sense
}

/// What the device wrote, and behind it nothing of an earlier command's sense data.
#[test]
fn f058_sense_count_is_clamped_mpi2() {
    let mut rig = Rig::new();
    for _ in 0..DEPTH {
        let end = check_condition(&mut rig, &[0xaa; SENSE_ROOM], 18, PAGE);
        assert_eq!(end.sense, [0xaa; 18]);
    }
    for count in [u32::MAX, 0x8000_0000, 0x0001_0000, 97] {
        let end = check_condition(&mut rig, &medium_error(), count, PAGE);
        assert_eq!(end.sense.len(), SENSE_ROOM, "{count:#x}");
        assert_eq!(end.sense[..18], medium_error());
        assert_eq!(end.sense[18..], [0; SENSE_ROOM - 18]);
    }
    rig.assert_well();
}

/// What the sense data say of an address is told as it is and counts for nothing: bytes moved are the controller's word.
#[test]
fn f070_sense_lba_wild_mpi2() {
    for (first, information) in [(0xf0, u32::MAX), (0xf0, 0), (0x70, 7), (0xff, 1)] {
        for (count, moved) in [(PAGE, PAGE), (512, 512), (u32::MAX, PAGE)] {
            let mut sense = medium_error();
            sense[0] = first;
            sense[3..7].copy_from_slice(&information.to_be_bytes());
            let mut rig = Rig::new();
            let end = check_condition(&mut rig, &sense, 18, count);
            assert_eq!(end.outcome, Outcome::Status(Status::CHECK_CONDITION));
            assert_eq!((end.residual, end.sense.as_slice()), (PAGE - moved, sense.as_slice()));
            assert!(matches!(end.judgement, Judgement::NotDone(_)), "{:?}", end.judgement);
            rig.assert_well();
        }
        // RECOVERED ERROR: done, as far as the controller says.
        let mut sense = medium_error();
        (sense[0], sense[2]) = (0xf0, 0x01);
        sense[3..7].copy_from_slice(&information.to_be_bytes());
        let end = check_condition(&mut Rig::new(), &sense, 18, 512);
        assert_eq!(end.judgement, Judgement::DoneShort { moved: 512 });
    }
}

#[test]
fn f071_sense_descriptor_loop_mpi2() {
    for malformed in hostile::malformed_sense() {
        let mut rig = Rig::new();
        let bytes = &malformed.bytes;
        let end = check_condition(&mut rig, bytes, bytes.len() as u32, PAGE);
        malformed.check(&end.sense);
        assert!(matches!(end.judgement, Judgement::NotDone(_)), "{:?}", end.judgement);
        rig.assert_well();
    }
}
