//! Sense data: how many bytes there are, and what they say.

use hba_core::command::{Effect, Outcome};
use hba_tests::hostile::{self, SENSE_ROOM};
use mpt_backend::wire::message::IocStatus;
use scsi_proto::Status;

use crate::scene::{End, LEN, Scene, scsi_io};

/// SCSIState: sense data are valid, or were to be fetched and could not.
const VALID: u8 = 0x01;
const FAILED: u8 = 0x02;
/// Offset of the sense buffer's address in a SCSI IO request.
const SENSE_ADDRESS: u32 = 0x2c;

/// A read, with these bytes in its sense buffer.
fn write_sense(scene: &mut Scene, bytes: &[u8]) -> u32 {
    let request = scene.read(1);
    let at = scene.bank.memory().load(request + SENSE_ADDRESS);
    let mut padded = bytes[..bytes.len().min(SENSE_ROOM)].to_vec();
    padded.resize(padded.len().next_multiple_of(4), 0);
    for (word, at) in padded.chunks_exact(4).zip((at..).step_by(4)) {
        let word = u32::from_le_bytes(word.try_into().expect("four bytes"));
        scene.bank.memory().store(at, word);
    }
    request
}

/// A read that ends with CHECK CONDITION, these bytes in its sense buffer and this count in the reply.
fn check_condition(scene: &mut Scene, bytes: &[u8], state: u8, count: u32) -> End {
    let request = write_sense(scene, bytes);
    scene
        .reply(request, &scsi_io(Status::CHECK_CONDITION, state, IocStatus::SUCCESS.0, LEN, count));
    let mut ends = scene.poll();
    assert_eq!(ends.len(), 1);
    ends.remove(0)
}

/// Medium error, unrecovered read error, fixed format.
fn medium_error() -> Vec<u8> {
    let mut sense = vec![0; 18];
    (sense[0], sense[2], sense[7], sense[12]) = (0x70, 0x03, 10, 0x11);
    sense
}

#[test]
fn f058_sense_count_huge_mpi1() {
    for count in [u32::MAX, 0x8000_0000, 0x0001_0000, 97] {
        let mut scene = Scene::new();
        // The same slot again, after a command with more sense data than it says.
        let end = check_condition(&mut scene, &[0xaa; SENSE_ROOM], VALID, 18);
        assert_eq!(end.sense, [0xaa; 18]);
        let end = check_condition(&mut scene, &medium_error(), VALID, count);
        assert_eq!(end.sense.len(), SENSE_ROOM, "{count:#x}");
        assert_eq!(end.sense[..18], medium_error());
        assert_eq!(end.sense[18..], [0; SENSE_ROOM - 18], "nothing of the other command");
        scene.assert_well();
    }
}

/// Sense data whose reply the reset overtook belong to no later command.
#[test]
fn f058_sense_count_huge_after_a_reset_mpi1() {
    let mut scene = Scene::new();
    let overtaken = write_sense(&mut scene, &[0xaa; SENSE_ROOM]);
    scene.reset();
    let end = check_condition(&mut scene, &medium_error(), VALID, 97);
    assert_eq!(end.sense[..18], medium_error());
    assert_eq!(end.sense[18..], [0; SENSE_ROOM - 18]);
    assert_eq!(overtaken, scene.read(1), "it has the same frame, and with it the same buffer");
}

#[test]
fn f059_sense_valid_zero_mpi1() {
    for count in 0..8 {
        let mut scene = Scene::new();
        let end = check_condition(&mut scene, &medium_error(), VALID, count);
        assert_eq!(end.outcome, Outcome::Status(Status::CHECK_CONDITION));
        assert_eq!(end.sense.len(), count as usize);
        assert_eq!(end.effect, Effect::Indeterminate, "never success");
        scene.assert_well();
    }
}

#[test]
fn f060_autosense_failed_mpi1() {
    let mut scene = Scene::new();
    let end = check_condition(&mut scene, &medium_error(), FAILED, 18);
    assert_eq!(end.outcome, Outcome::Status(Status::CHECK_CONDITION));
    assert!(end.sense.is_empty(), "what lies in the buffer is not this command's");
    assert_eq!(end.effect, Effect::Indeterminate);
    scene.assert_well();
}

/// What the sense data say of an address is told as it is and counts for nothing: bytes moved are the controller's word.
#[test]
fn f070_sense_lba_wild_mpi1() {
    for (first, information) in [(0xf0, u32::MAX), (0xf0, 0), (0x70, 7), (0xff, 1)] {
        let mut sense = medium_error();
        sense[0] = first;
        sense[3..7].copy_from_slice(&information.to_be_bytes());
        let mut scene = Scene::new();
        let end = check_condition(&mut scene, &sense, VALID, 18);
        assert_eq!((end.outcome, end.residual), (Outcome::Status(Status::CHECK_CONDITION), 0));
        assert_ne!(end.effect, Effect::Done);
        scene.assert_well();
    }
}

#[test]
fn f071_sense_descriptor_loop_mpi1() {
    for malformed in hostile::malformed_sense() {
        let mut scene = Scene::new();
        let bytes = &malformed.bytes;
        let end = check_condition(&mut scene, bytes, VALID, bytes.len() as u32);
        malformed.check(&end.sense);
        assert_eq!(end.effect, Effect::Indeterminate);
        scene.assert_well();
    }
}
