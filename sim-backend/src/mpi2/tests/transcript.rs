//! What the registers answer from power-on to the first message, pinned: a change of the model shows here.

use super::*;
use crate::mpi1::script::{Action, Script};

/// The doorbell and its handshake are where they are on MPI 1.x, so the same script language serves.
fn identify() -> Script {
    let mut script = Script::new()
        .then("interrupt mask", Action::Read(INT_MASK))
        .then("interrupt status", Action::Read(INT_STATUS))
        .then("doorbell", Action::Read(DOORBELL))
        .then("host diagnostic", Action::Read(HOST_DIAGNOSTIC))
        .then("ioc facts", Action::Handshake(vec![0x03 << 24, 0, 0]))
        .then("port facts", Action::Handshake(vec![0x05 << 24, 0, 0]))
        .then("config", Action::Handshake(vec![0x04 << 24, 0, 0]));
    for key in [0x0, 0xf, 0x4, 0xb, 0x2, 0x7, 0xd] {
        script = script.then("key", Action::Write(WRITE_SEQUENCE, key));
    }
    let ended = Action::Poll { offset: HOST_DIAGNOSTIC, mask: 4, wanted: 0 };
    script
        .then("unlocked", Action::Read(HOST_DIAGNOSTIC))
        .then("reset adapter", Action::Write(HOST_DIAGNOSTIC, 0x84))
        .then("resetting", Action::Read(HOST_DIAGNOSTIC))
        .then("doorbell in reset", Action::Read(DOORBELL))
        .then("reset ended", ended)
        .then("doorbell after reset", Action::Read(DOORBELL))
        .then("diagnostic after reset", Action::Read(HOST_DIAGNOSTIC))
        .then("interrupt mask after reset", Action::Read(INT_MASK))
}

fn transcript(personality: Personality) -> String {
    let mut host = Host::new(personality);
    let machine = &host.machine;
    let transcript = identify().run(&mut host.registers, |time| machine.advance(time));
    transcript.expect("every wait ends").to_string()
}

#[test]
fn the_registers_answer_as_they_always_did() {
    assert_eq!(transcript(Personality::sas2008()), include_str!("sas2008.txt"));
    assert_eq!(transcript(Personality::sas3008()), include_str!("sas3008.txt"));
}

#[test]
fn two_runs_are_equal() {
    let run = || {
        let mut host = Host::started(Personality::sas3008());
        host.machine.record(10_000);
        for smid in 1..20 {
            host.post_test(smid, DISK);
        }
        let replies = host.drain();
        (replies, host.machine.take_record())
    };
    assert_eq!(run(), run());
}
