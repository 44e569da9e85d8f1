//! f047: a controller reports success for a read and has not moved the data. No driver can see that in the reply; who wants
//! to know fills the memory first, as campaigns do (their oracle O7) and as is done here.

extern crate alloc;

use hba_core::command::{Cookie, Outcome};
use hba_core::host::Platform;
use hba_core::port::ControlPort;
use hba_tests::scene::{Scene, sas1068, sas3008, usual_disk};
use scsi_proto::{Lba, Status};
use sim_backend::controller::ControllerModel;

const BLOCKS: u32 = 8;
const LEN: usize = BLOCKS as usize * 512;
/// What no block of the disk holds.
const POISON: u8 = 0xee;

/// Reads eight blocks of `0x11` into memory full of poison; how the command ended, and what the memory holds then.
fn read<P: ControlPort, C: ControllerModel>(scene: &mut Scene<P, C>) -> (Outcome, u32, Vec<u8>) {
    let mut data = scene.host.platform().buffer(LEN).expect("memory");
    data.write(&[POISON; LEN]);
    let read = scene.unit.read(Lba(0), BLOCKS, Some(data), Cookie(0)).expect("in range");
    let completion = scene.host.execute(read).expect("accepted").completion;
    let mut bytes = vec![0; LEN];
    completion.data.as_ref().expect("home").read(&mut bytes);
    (completion.outcome, completion.residual, bytes)
}

fn success_without_data<P: ControlPort, C: ControllerModel>(
    mut scene: Scene<P, C>,
    cut: impl FnOnce(&mut C),
) {
    let write = scene.write_request(0, BLOCKS, 0x11, hba_core::logical_unit::Fua::Off);
    let _ = scene.judged(write);
    assert_eq!(read(&mut scene), (Outcome::Status(Status::GOOD), 0, vec![0x11; LEN]));
    scene.machine.with_controller(cut);
    let (outcome, residual, bytes) = read(&mut scene);
    assert_eq!((outcome, residual), (Outcome::Status(Status::GOOD), 0), "nothing tells");
    assert_eq!(bytes[..LEN / 2], [0x11; LEN / 2]);
    assert_eq!(bytes[LEN / 2..], [POISON; LEN / 2], "nobody else wrote there: the poison tells");
}

#[test]
fn f047_success_without_data_mpi1() {
    success_without_data(sas1068(&usual_disk()), |c| c.faults_mut().cut_transfers = 1);
}

#[test]
fn f047_success_without_data_mpi2() {
    success_without_data(sas3008(&usual_disk()), |c| c.faults_mut().cut_transfers = 1);
}
