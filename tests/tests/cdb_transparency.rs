//! What is submitted is what reaches the device: bytes, direction, length, data.

use hba_core::command::{Outcome, Transfer};
use hba_tests::recorder::{Answers, Recorder};
use hba_tests::sim::{Setup, World, is_good};
use scsi_proto::{Direction, Status};

/// A controller with one target that records.
fn recorded() -> (World, Recorder) {
    let world = Setup { disks: 0, ..Setup::default() }.build();
    let recorder = Recorder::default();
    assert!(world.machine.attach(0, recorder.clone()).is_ok());
    let mut world = world;
    world.host.bring_up().expect("the controller comes up");
    (world, recorder)
}

/// A CDB of `len` bytes with every byte different, except that the opcode is given.
fn cdb(opcode: u8, len: usize) -> Vec<u8> {
    (0..len)
        .map(|i| if i == 0 { opcode } else { opcode.wrapping_mul(7).wrapping_add(i as u8) })
        .collect()
}

#[test]
fn b19_every_opcode_reaches_the_wire_as_submitted() {
    let (mut world, recorder) = recorded();
    for opcode in 0..=255 {
        for len in [6, 10, 12, 16] {
            for transfer in [Transfer::NONE, Transfer::from_device(37), Transfer::to_device(512)] {
                let sent = cdb(opcode, len);
                let answer = world.send(0, &sent, transfer);
                assert!(is_good(answer.completion.outcome), "{opcode:#x}: {:?}", answer.completion);
                let arrived = recorder.take();
                let [arrived] = &arrived[..] else { panic!("{opcode:#x} arrived {arrived:?}") };
                assert_eq!(arrived.cdb, sent);
                assert_eq!(
                    (arrived.direction, arrived.length),
                    (transfer.direction, transfer.length)
                );
            }
        }
    }
}

#[test]
fn b19_success_is_reported_only_on_device_status() {
    let mut world = Setup::default().start();
    world.units();
    // SYNCHRONIZE CACHE with an address beyond the end: the device refuses, and so do we.
    let beyond = [0x35, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 1, 0];
    let answer = world.send(0, &beyond, Transfer::NONE);
    assert_eq!(answer.completion.outcome, Outcome::Status(Status::CHECK_CONDITION));
    assert!(!answer.sense.is_empty());
    let answer = world.send(0, &[0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0], Transfer::NONE);
    assert!(answer.completion.is_done());
}

#[test]
fn b20_a_command_without_data_has_no_direction_and_sizes_arrive_exactly() {
    let (mut world, recorder) = recorded();
    let max = world.host.limits().expect("operational").transfer_max;
    for length in [0, 1, 511, 4096, 16384, 128 << 10, max] {
        for transfer in [Transfer::from_device(length), Transfer::to_device(length)] {
            let mut request = world.request(0, &cdb(0xc7, 10), transfer);
            let pattern: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            if let Some(data) = &mut request.data {
                data.write(&pattern);
            }
            let answer = world.host.execute(request).expect("accepted");
            assert!(answer.completion.is_done(), "{length}: {:?}", answer.completion);
            let arrived = recorder.take().pop().expect("one arrived");
            assert_eq!(arrived.length, length);
            let none = length == 0;
            assert_eq!(arrived.direction, if none { Direction::None } else { transfer.direction });
            if transfer.direction == Direction::ToDevice {
                assert_eq!(arrived.data, pattern);
            } else if let Some(data) = answer.completion.data {
                let mut bytes = vec![0; length as usize];
                data.read(&mut bytes);
                assert!(bytes.iter().all(|b| *b == 0x5a));
            }
        }
    }
    let one_more = world.request(0, &cdb(0xc7, 10), Transfer::to_device(max + 512));
    assert!(world.host.submit(one_more).is_err(), "one block above the limit is refused");
    assert!(recorder.take().is_empty());
}

#[test]
fn b27_vendor_commands_move_data_both_ways_and_nothing_moved_is_flagged() {
    let (mut world, recorder) = recorded();
    let inward = world.send(0, &cdb(0xd5, 12), Transfer::from_device(64));
    assert_eq!((inward.completion.transferred, inward.completion.residual), (64, 0));
    let outward = world.send(0, &cdb(0xd6, 12), Transfer::to_device(64));
    assert!(outward.completion.is_done());
    assert_eq!(recorder.take().len(), 2);
    // A READ(10) opcode with a direction and length that no READ(10) has: they are the caller's.
    let odd = world.send(0, &[0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0], Transfer::to_device(24));
    assert!(odd.completion.is_done());
    let arrived = recorder.take().pop().expect("it arrived");
    assert_eq!((arrived.direction, arrived.length), (Direction::ToDevice, 24));

    recorder.answer(Answers { short_by: 64, fill: 0 });
    let nothing = world.send(0, &cdb(0xd5, 12), Transfer::from_device(64));
    assert!(is_good(nothing.completion.outcome));
    assert!(!nothing.completion.is_done(), "GOOD with no byte moved is not done");
    assert_eq!((nothing.completion.transferred, nothing.completion.residual), (0, 64));
}

#[test]
fn b24_reported_bytes_are_the_bytes_moved() {
    let (mut world, recorder) = recorded();
    for short_by in [0, 1, 7, 511, 512] {
        for transfer in [Transfer::from_device(512), Transfer::to_device(512)] {
            recorder.answer(Answers { short_by, fill: 0x11 });
            let answer = world.send(0, &cdb(0xe0, 10), transfer);
            assert!(is_good(answer.completion.outcome));
            assert_eq!(answer.completion.transferred, 512 - short_by);
            assert_eq!(answer.completion.residual, short_by);
            assert_eq!(answer.completion.is_done(), short_by == 0);
        }
    }
}
