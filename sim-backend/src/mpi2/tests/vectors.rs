//! One reply post queue for each vector, and their messages.

use super::*;
use crate::mpi2::registers::{ATOMIC_REQUEST_POST, DOORBELL, SUPPLEMENTAL_POST_INDEX};

#[test]
fn every_reply_goes_to_the_vector_of_its_request() {
    for (vectors, rdpq) in [(1, false), (2, false), (5, true), (16, false), (16, true)] {
        let start = Start { vectors, rdpq, ..Start::default() };
        let mut host = Host::started_with(Personality::sas3008(), &start);
        let _ = host.machine.take_message_vectors();
        for vector in 0..vectors {
            host.post_io_on(vector, 20 + u16::from(vector), DISK, &TEST_UNIT_READY, 0, &[]);
        }
        let told = host.machine.take_message_vectors();
        assert_eq!(told, (1u128 << vectors) - 1, "one message for each of {vectors}");
        for reply in host.drain() {
            assert_eq!(reply.smid, 20 + u16::from(reply.vector));
        }
        assert_eq!(host.complaints(), [""; 0]);
        assert!(!host.machine.interrupt_level());
    }
}

#[test]
fn sets_of_eight_queues_lie_apart_and_their_queues_do_not() {
    let start = |halves: [u64; 16]| Start {
        vectors: 16,
        rdpq: true,
        halves: halves.to_vec(),
        ..Start::default()
    };
    let sets = |vector| 0x15 + vector as u64 / 8;
    let mut host = Host::started_with(Personality::sas3008(), &start(core::array::from_fn(sets)));
    for vector in 0..16 {
        host.post_io_on(vector, 20 + u16::from(vector), DISK, &TEST_UNIT_READY, 0, &[]);
    }
    assert_eq!(host.drain().len(), 16);
    assert_eq!(host.complaints(), [""; 0]);
    // One of a set elsewhere, whichever.
    for alone in [1, 7, 9, 15] {
        let mut host = Host::new(Personality::sas3008());
        let halves = core::array::from_fn(|at| if at == alone { 0x33 } else { sets(at) });
        host.init(&start(halves));
        assert_eq!(host.read(DOORBELL) >> 28, 1, "READY still");
        let first = 0x15 + alone / 8;
        let complaint = format!(
            "the reply post queue of vector {alone} at 0x3300000000 is in another 4 GiB than the first of its set of 8, \
             at 0x{first:x}00000000"
        );
        assert_eq!(host.complaints(), [complaint]);
    }
}

#[test]
fn supplemental_indices_are_for_eight_vectors_each() {
    let start = Start { vectors: 16, rdpq: true, ..Start::default() };
    let mut host = Host::started_with(Personality::sas3008(), &start);
    host.post_io_on(11, 20, DISK, &TEST_UNIT_READY, 0, &[]);
    host.machine.run(100);
    assert!(host.next_reply(11).is_some());
    assert!(host.machine.interrupt_level());
    host.write(RegOffset(SUPPLEMENTAL_POST_INDEX.0 + 0x10), 3 << 24 | 1);
    assert!(!host.machine.interrupt_level());
    host.write(RegOffset(SUPPLEMENTAL_POST_INDEX.0 + 0x10), 8 << 24);
    assert_eq!(host.complaints(), ["vector 8 is not one of the 16 of ioc init"]);
    let mut old = Host::started(Personality::sas2008());
    old.write(SUPPLEMENTAL_POST_INDEX, 0);
    assert_eq!(old.complaints(), ["0x0 was written to 0x30c, where the part has no register"]);
    assert_eq!(old.read(DOORBELL) >> 28, 2, "which stops nothing");
}

#[test]
fn a_part_without_the_capability_uses_vector_0() {
    let mut host = Host::started(Personality::sas2008());
    host.post_io_on(3, 20, DISK, &TEST_UNIT_READY, 0, &[]);
    assert_eq!(host.drain_one().vector, 0);
    let start = Start { vectors: 4, ..Start::default() };
    let mut host = Host::started_with(Personality::sas2008().with_vectors(4), &start);
    host.post_io_on(3, 20, DISK, &TEST_UNIT_READY, 0, &[]);
    assert_eq!(host.drain_one().vector, 3);
}

#[test]
fn a_message_comes_again_when_the_index_stops_short() {
    let mut host = Host::started(Personality::sas3008());
    let _ = host.machine.take_messages();
    host.post_test(1, DISK);
    host.post_test(2, DISK);
    assert_eq!(host.machine.take_messages(), 1);
    let index = host.post_index[0];
    host.acknowledge(0, (index + 1) % DEPTH);
    assert_eq!(host.machine.take_messages(), 1, "one is left");
    host.acknowledge(0, (index + 2) % DEPTH);
    assert_eq!(host.machine.take_messages(), 0);
}

#[test]
fn the_mask_holds_messages_back() {
    let mut host = Host::started(Personality::sas3008());
    host.write(INT_MASK, 0x9);
    let _ = host.machine.take_messages();
    host.post_test(1, DISK);
    assert_eq!((host.machine.take_messages(), host.machine.interrupt_level()), (0, false));
    assert_eq!(host.read(INT_STATUS) & 8, 8, "pending although masked");
    host.write(INT_MASK, 0x1);
    assert_eq!(host.machine.take_messages(), 1);
}

#[test]
fn atomic_descriptors_where_they_are_offered() {
    let mut host = Host::started(Personality::sas3008().with_atomic_requests());
    let words = host.io(5, DISK, &TEST_UNIT_READY, 0, &[]);
    host.frame(5, &words);
    host.write(ATOMIC_REQUEST_POST, 5 << 16);
    assert!(host.drain_one().is_success());
    let mut without = Host::started(Personality::sas3008());
    without.frame(5, &words);
    without.write(ATOMIC_REQUEST_POST, 5 << 16);
    assert_eq!(without.drain(), []);
    assert_eq!(
        without.complaints(),
        ["0x50000 was written to 0xc8, where the part has no register"]
    );
}

#[test]
fn a_64_bit_store_is_a_whole_descriptor() {
    use crate::controller::ControllerModel;
    let mut host = Host::started(Personality::sas3008());
    let words = host.io(5, DISK, &TEST_UNIT_READY, 0, &[]);
    host.frame(5, &words);
    let descriptor = u64::from(DISK) << 48 | 5 << 16;
    host.machine.with_controller(|c| c.write64(REQUEST_POST_LOW, descriptor));
    assert!(host.drain_one().is_success());
}
