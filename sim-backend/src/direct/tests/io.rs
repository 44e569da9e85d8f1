//! Commands that nothing disturbs.

use hba_core::command::{Cookie, Failure, Nexus, Outcome, Refusal, Request, TargetId, Transfer};
use hba_core::dma::{RegionBuffer, ScatterError};
use hba_core::port::Unsendable;
use hba_core::queue::Batch;
use hba_core::time::Timeout;
use scsi_proto::{Lun, Opcode, Status};

use super::super::layout::INLINE_ELEMENTS;
use super::target::{
    BLOCK, BLOCKS, HELD, INQUIRY, INQUIRY_LEN, OUT_OF_RANGE, TEST_UNIT_READY, block_command,
};
use super::{DirectConfig, End, Facts, Rig, UNIT};
use crate::schedule::{CompletionOrder, Schedule, SplitMix64};

const GOOD: Outcome = Outcome::Status(Status::GOOD);

/// What a mixed command is to end with.
#[derive(Clone, Debug)]
enum Expected {
    Read(u32),
    Written,
    Nothing,
    Short,
    OutOfRange,
}

fn mixed(rig: &Rig, random: &mut SplitMix64, cookie: u64) -> (Request<RegionBuffer>, Expected) {
    let blocks = 1 + random.below(4) as u16;
    let bytes = usize::from(blocks) * BLOCK;
    // Every command has blocks of its own, so that their order does not matter.
    let lba = (cookie as u32 * 4) % (BLOCKS - 4);
    let mut data = rig.buffer(bytes + 64);
    data.scatter(&[7, 500, (bytes - 507) as u32], random.below(9) as u32);
    let transfer = bytes as u32;
    let (cdb, transfer, expected) = match random.below(8) {
        0 => (TEST_UNIT_READY, Transfer::NONE, Expected::Nothing),
        1 => (INQUIRY, Transfer::from_device(255), Expected::Short),
        2 => (
            block_command(Opcode::READ_10, BLOCKS - 1, blocks + 1),
            Transfer::from_device(transfer),
            Expected::OutOfRange,
        ),
        3 | 4 => {
            data.write(&vec![cookie as u8; bytes]);
            let cdb = block_command(Opcode::WRITE_10, lba, blocks);
            (cdb, Transfer::to_device(transfer), Expected::Written)
        }
        _ => {
            let cdb = block_command(Opcode::READ_10, lba, blocks);
            (cdb, Transfer::from_device(transfer), Expected::Read(lba))
        }
    };
    (Request::new(UNIT, cdb, transfer, data, Cookie(cookie)), expected)
}

#[track_caller]
fn check(rig: &Rig, end: &End, expected: &Expected) {
    let mut bytes = vec![0; end.data.len()];
    end.data.read(&mut bytes);
    let moved = (end.transferred, end.residual);
    match expected {
        Expected::Read(lba) => {
            assert_eq!((end.outcome, moved.1), (GOOD, 0));
            let target = rig.target.lock().unwrap();
            for (block, lba) in bytes.chunks_exact(BLOCK).zip(*lba..) {
                assert_eq!(*block, target.block(lba), "block {lba}");
            }
        }
        Expected::Written => assert_eq!((end.outcome, moved.1), (GOOD, 0)),
        Expected::Nothing => assert_eq!((end.outcome, moved), (GOOD, (0, 0))),
        Expected::Short => {
            assert_eq!((end.outcome, moved), (GOOD, (36, 219)));
            assert_eq!(bytes[..INQUIRY_LEN], [0x5a; INQUIRY_LEN]);
        }
        Expected::OutOfRange => {
            assert_eq!(end.outcome, Outcome::Status(Status::CHECK_CONDITION));
            assert_eq!((moved.0, &end.sense[..]), (0, &OUT_OF_RANGE[..]));
        }
    }
    assert!(end.sense.is_empty() || matches!(expected, Expected::OutOfRange));
}

fn ten_thousand_commands(vectors: u16) {
    const COUNT: u64 = 10_000;
    let mut rig = Rig::of_vectors(vectors);
    rig.machine.with_controller(|controller| {
        controller.set_schedule(Schedule::new(CompletionOrder::Seeded(vectors.into())));
    });
    let mut random = SplitMix64::new(vectors.into());
    let mut expected = Vec::new();
    let mut seen = vec![false; COUNT as usize];
    while seen.contains(&false) {
        for _ in 0..random.below(24) {
            let cookie = expected.len() as u64;
            let vector = random.below(vectors.into()) as u16;
            if cookie == COUNT || rig.adapter.queues()[usize::from(vector)].outstanding() == 16 {
                break;
            }
            let (request, ending) = mixed(&rig, &mut random, cookie);
            rig.send(vector, request).unwrap();
            expected.push(ending);
        }
        rig.machine.run(random.below(20) as u32);
        rig.poll();
        for end in core::mem::take(&mut rig.ends) {
            let at = end.cookie as usize;
            assert!(!core::mem::replace(&mut seen[at], true), "{at} completed twice");
            check(&rig, &end, &expected[at]);
        }
    }
    assert_eq!(rig.adapter.outstanding(), 0);
    for queue in 0..usize::from(vectors) {
        let counters = rig.counters(queue);
        assert_eq!(counters.submitted, counters.completed);
        assert!(counters.submitted > COUNT / u64::from(vectors) / 2, "every vector has its share");
        assert_eq!((counters.stale, counters.unknown, counters.malformed), (0, 0, 0));
    }
    assert_eq!(rig.machine.memory().faults().count(), 0);
    rig.adapter.close().unwrap();
}

#[test]
fn ten_thousand_commands_on_one_vector() {
    ten_thousand_commands(1);
}

#[test]
fn ten_thousand_commands_on_two_vectors() {
    ten_thousand_commands(2);
}

#[test]
fn ten_thousand_commands_on_five_vectors() {
    ten_thousand_commands(5);
}

#[test]
fn ten_thousand_commands_on_sixteen_vectors() {
    ten_thousand_commands(16);
}

/// A buffer of `count` elements of 16 bytes with gaps.
fn scattered(rig: &Rig, count: usize) -> RegionBuffer {
    let mut data = rig.buffer(count * 24);
    data.scatter(&vec![16; count], 8);
    data
}

#[test]
fn long_lists_go_where_the_slot_says() {
    let config = DirectConfig { vectors_max: 1, depth_max: 4, ..DirectConfig::default() };
    let mut rig = Rig::with(Facts::default(), config);
    for elements in [32, INLINE_ELEMENTS * 32, 1024] {
        let bytes = elements as u32 * 16;
        let data = scattered(&rig, elements);
        let cdb = block_command(Opcode::READ_10, 5, (bytes / BLOCK as u32) as u16);
        let request = Request::new(UNIT, cdb, Transfer::from_device(bytes), data, Cookie(0));
        rig.send(0, request).unwrap();
        rig.finish();
        let end = rig.ends.pop().unwrap();
        check(&rig, &end, &Expected::Read(5));
    }
    let data = scattered(&rig, 1026);
    let cdb = block_command(Opcode::READ_10, 5, 1);
    let request = Request::new(UNIT, cdb, Transfer::from_device(1026 * 16), data, Cookie(0));
    let too_many = ScatterError::TooManyElements { needed: 1026, permitted: 1025 };
    let refused = rig.send(0, request).unwrap_err();
    assert_eq!(refused, Refusal::Unsendable(Unsendable::Scatter(too_many)));
    assert_eq!(rig.machine.memory().faults().count(), 0);
}

/// With exactly as many elements as the slot holds there is no list, and its address, 0, is not read.
#[test]
fn a_slot_that_is_just_full_has_no_list() {
    let mut rig = Rig::new();
    for elements in INLINE_ELEMENTS - 1..=INLINE_ELEMENTS + 1 {
        let mut data = rig.buffer(2 * BLOCK);
        let mut lengths = vec![16; elements - 1];
        lengths.push((BLOCK - 16 * (elements - 1)) as u32);
        data.scatter(&lengths, 8);
        let cdb = block_command(Opcode::READ_10, 5, 1);
        let transfer = Transfer::from_device(BLOCK as u32);
        rig.send(0, Request::new(UNIT, cdb, transfer, data, Cookie(0))).unwrap();
        rig.finish();
        let end = rig.ends.pop().unwrap();
        check(&rig, &end, &Expected::Read(5));
    }
    assert_eq!(rig.machine.memory().faults().count(), 0);
}

#[test]
fn a_full_queue_refuses_and_recovers() {
    let mut rig = Rig::new();
    rig.target.lock().unwrap().holds = true;
    for cookie in 0..16 {
        rig.order(0, HELD, cookie);
    }
    let request = Request::new(UNIT, HELD, Transfer::NONE, rig.buffer(8), Cookie(99));
    assert_eq!(rig.send(0, request).unwrap_err(), Refusal::QueueFull);
    rig.order(1, HELD, 16);
    assert_eq!(rig.adapter.outstanding(), 17);
    rig.target.lock().unwrap().holds = false;
    rig.finish();
    rig.assert_all(17, GOOD);
}

#[test]
fn addresses_that_the_wire_or_the_controller_lacks() {
    let mut rig = Rig::new();
    for target in [TargetId::new(16), TargetId { channel: 1, id: 0 }] {
        let nexus = Nexus::new(target, Lun::ZERO);
        let request =
            Request::new(nexus, TEST_UNIT_READY, Transfer::NONE, rig.buffer(8), Cookie(0));
        let refused = rig.send(0, request).unwrap_err();
        assert_eq!(refused, Refusal::Unsendable(Unsendable::Target(target)));
    }
    let nexus = Nexus::new(TargetId::new(15), Lun::ZERO);
    let request = Request::new(nexus, TEST_UNIT_READY, Transfer::NONE, rig.buffer(8), Cookie(0));
    rig.send(0, request).unwrap();
    rig.finish();
    rig.assert_all(1, Outcome::Failed(Failure::DeviceNotPresent));
}

#[test]
fn a_device_that_moves_too_much_is_an_overrun() {
    let mut rig = Rig::new();
    let cdb = block_command(Opcode::READ_10, 0, 2);
    let data = rig.buffer(1024);
    rig.send(0, Request::new(UNIT, cdb, Transfer::from_device(512), data, Cookie(0))).unwrap();
    rig.finish();
    rig.assert_all(1, Outcome::Failed(Failure::Overrun));
    let mut bytes = [0; 1024];
    rig.ends[0].data.read(&mut bytes);
    assert_eq!(bytes[512..], [0xa5; 512], "nothing beyond the transfer was touched");
}

#[test]
fn statuses_pass_unchanged() {
    let mut rig = Rig::new();
    let statuses =
        [Status::BUSY, Status::TASK_SET_FULL, Status::RESERVATION_CONFLICT, Status(0x3e)];
    for status in statuses {
        rig.target.lock().unwrap().statuses.push(status);
        rig.order(1, TEST_UNIT_READY, 0);
        rig.finish();
        assert_eq!(rig.ends.pop().unwrap().outcome, Outcome::Status(status));
    }
}

#[test]
fn a_long_timeout_does_not_fire() {
    let mut rig = Rig::new();
    rig.target.lock().unwrap().holds = true;
    let data = rig.buffer(8);
    let request = Request::new(UNIT, HELD, Transfer::NONE, data, Cookie(0));
    rig.send(0, request.with_timeout(Timeout::from_secs(1000))).unwrap();
    let before = rig.machine.now();
    rig.until("ten minutes later", |rig| rig.machine.now().since(before).as_secs() > 600);
    rig.target.lock().unwrap().holds = false;
    rig.finish();
    rig.assert_all(1, GOOD);
}

#[test]
fn a_busy_vector_leaves_room_in_the_batch() {
    let mut rig = Rig::new();
    rig.batch = Batch::new(4);
    for cookie in 0..200 {
        for vector in 0..2 {
            while rig.adapter.queues()[usize::from(vector)].outstanding() < 16 {
                rig.order(vector, TEST_UNIT_READY, cookie);
            }
        }
        rig.machine.run(100);
        rig.poll();
    }
    let [first, second] = [0, 1].map(|vector| rig.counters(vector).completed);
    assert!(first.abs_diff(second) <= 8, "{first} on one vector, {second} on the other");
}
