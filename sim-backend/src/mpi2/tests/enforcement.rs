//! What hardware enforces: each breach stops the controller and is said in words.

use super::*;
use crate::mpi2::{IocState, Personality};

/// A breach, the way it is made and the words for it.
type Case = (&'static str, fn(&mut Host));

const CASES: [Case; 15] = [
    ("smid 0 is not from 1 to 9756", |host| host.post(request_type::DEFAULT, 0, 0, 0)),
    ("smid 9757 is not from 1 to 9756", |host| host.post(request_type::DEFAULT, 0, 9757, 0)),
    ("smid 5 was posted again before its reply", |host| {
        host.machine.hold(0, true);
        host.post_test(5, DISK);
        host.post(request_type::SCSI_IO, 0, 5, DISK);
    }),
    ("0x0000000000050003 is no request descriptor of this part", |host| {
        host.post(0x03, 0, 5, 0);
    }),
    ("0x0009000000050008 is no request descriptor of this part", |host| {
        host.post(request_type::DEFAULT, 0, 5, DISK);
    }),
    ("vector 1 is not one of the 1 of ioc init", |host| {
        host.post(request_type::SCSI_IO, 1, 5, DISK);
    }),
    ("smid 5: function 0x04 came with descriptor 0x00", |host| {
        host.frame(5, &[0x04 << 24]);
        host.post(request_type::SCSI_IO, 0, 5, 0);
    }),
    ("smid 5: the descriptor names device 0x000a, the frame 0x0009", |host| {
        let words = host.io(5, DISK, &TEST_UNIT_READY, 0, &[]);
        host.frame(5, &words);
        host.post(request_type::SCSI_IO, 0, 5, DISK + 1);
    }),
    ("a half of a request descriptor was written to 0xc4 out of turn", |host| {
        host.write(REQUEST_POST_HIGH, 0);
    }),
    ("a half of a request descriptor was written to 0xc0 out of turn", |host| {
        host.write(REQUEST_POST_LOW, 0);
        host.write(REQUEST_POST_LOW, 0);
    }),
    ("reply free index 32 is beyond the 32 entries of the queue", |host| {
        host.write(REPLY_FREE_HOST_INDEX, 32);
    }),
    ("reply post index 96 of vector 0 is beyond 9, the next to be posted of 96", |host| {
        host.acknowledge(0, 96);
    }),
    ("reply post index 12 of vector 0 is beyond 9, the next to be posted of 96", |host| {
        host.acknowledge(0, 12);
    }),
    ("vector 1 is not one of the 1 of ioc init", |host| host.acknowledge(1, 0)),
    (
        "a request frame: the device read 128 bytes at 0x1280002000, where nothing is mapped",
        |host| host.post(request_type::DEFAULT, 0, SMIDS as u16, 0),
    ),
];

#[test]
fn each_breach_stops_the_controller_with_a_sentence() {
    for (sentence, breach) in CASES {
        let mut host = Host::started(Personality::sas3008());
        breach(&mut host);
        assert_eq!(host.drain(), []);
        assert_eq!(host.complaints(), [sentence]);
        let (state, code) = host
            .machine
            .with_controller(|c| (c.state(), c.violations().last().next().map(Violation::code)));
        assert_eq!(Some(state), code.map(IocState::Fault), "{sentence}");
    }
}

#[test]
fn nothing_may_come_before_ioc_init() {
    for (offset, name) in [
        (REQUEST_POST_HIGH, "0xc4"),
        (REPLY_FREE_HOST_INDEX, "0x48"),
        (REPLY_POST_HOST_INDEX, "0x6c"),
    ] {
        let mut host = Host::new(Personality::sas2008());
        if offset == REQUEST_POST_HIGH {
            host.write(REQUEST_POST_LOW, 1 << 16);
        }
        host.write(offset, 0);
        assert_eq!(host.complaints(), [format!("register {name} was written before ioc init")]);
        assert_eq!(host.read(DOORBELL) >> 28, 4);
    }
}

#[test]
fn entries_go_back_as_all_ones() {
    let mut host = Host::started(Personality::sas2008());
    let index = usize::from(host.post_index[0]);
    host.posts[0].write_u32(index * 8 + 4, 0x1234);
    host.post_test(1, DISK);
    assert!(host.drain_one().is_success());
    let complaint = format!("entry {index} of the reply post queue of vector 0 is not all ones");
    assert_eq!(host.complaints(), [complaint]);
}

/// Linux has one index for all vectors and no lock around it, so its handlers may overtake each other; parts bear it.
#[test]
fn a_reply_frame_is_given_once_and_in_order() {
    let mut host = Host::started(Personality::sas2008());
    let before = host.free_index;
    let again = host.replies.bus().low() + 128 * 20;
    host.free_index = (before + 1) % REPLIES;
    host.free.write_u32(usize::from(host.free_index) * 4, again);
    let next = (host.free_index + 1) % REPLIES;
    host.write(REPLY_FREE_HOST_INDEX, next.into());
    host.write(REPLY_FREE_HOST_INDEX, before.into());
    let twice = format!("the reply frame at {again:#010x} was given twice");
    assert_eq!(host.complaints(), [twice, format!("reply free index {before} goes back")]);
    host.post_test(1, 77);
    assert_eq!(host.drain_one().ioc_status(), 0x42, "it goes on");
}

#[test]
fn credits_are_limits() {
    let mut personality = Personality::sas2008();
    (personality.facts.request_credit, personality.facts.high_priority_credit) = (8, 2);
    let started = || {
        let mut host = Host::new(personality.clone());
        host.init(&Start::default());
        host.post_message(10, &[0x07 << 24]);
        host.post_message(9, &[0x06 << 24]);
        let _ = host.drain();
        host.machine.advance(Duration::from_millis(1));
        let _ = host.drain();
        host.machine.hold(0, true);
        host
    };
    let mut host = started();
    (1..=8).for_each(|smid| host.post_test(smid, DISK));
    assert_eq!((host.read(DOORBELL) >> 28, host.complaints()), (2, vec![]));
    host.post_task_mgmt(9, 7, DISK, 1);
    assert_eq!(host.drain_one().smid, 9, "high priority has credits of its own");
    host.post_test(10, DISK);
    assert_eq!(host.complaints(), ["more requests are outstanding than the 8 credits"]);
    let mut host = started();
    host.machine.with_controller(|c| c.faults_mut().frozen = true);
    (1..=3).for_each(|smid| host.post_task_mgmt(smid, 7, DISK, 1));
    let complaints = host.complaints();
    assert_eq!(complaints, ["more high-priority requests are outstanding than the 2 credits"]);
}

#[test]
fn pools_have_one_upper_half() {
    // Request frames: the 64th lies beyond the line.
    let mut host = Host::new(Personality::sas2008());
    let patches = vec![(10, 0xffff_ff00)];
    host.init(&Start { patches, ..Start::default() });
    host.post(request_type::DEFAULT, 0, 2, 0);
    host.machine.run(100);
    let complaint = "the request frame pool, 384 bytes at 0x12ffffff00, crosses a 4 GiB line";
    assert_eq!(host.complaints(), [complaint]);
    // Sense: the low half is near the end.
    let mut host = Host::started(Personality::sas2008());
    let mut words = host.io(5, DISK, &[0x55; 10], 0, &[]);
    words[3] = 0xffff_fff0;
    host.frame(5, &words);
    host.post(request_type::SCSI_IO, 0, 5, DISK);
    host.machine.run(100);
    let complaint = "a sense buffer, 96 bytes at 0x12fffffff0, crosses a 4 GiB line";
    assert_eq!(host.complaints(), [complaint]);
}

#[test]
fn full_queues_wait_for_the_host() {
    let mut host = Host::started(Personality::sas3008());
    for turn in 0..4 {
        for smid in 1..=40 {
            host.post_test(smid, DISK);
            host.machine.run(100);
        }
        // The first queue takes all but one of its entries; the others wait for the index.
        if turn == 1 {
            assert_eq!(host.machine.with_controller(|c| c.outstanding()), 0);
        }
        let replies = host.drain();
        assert_eq!(replies.len(), 40);
    }
    let mut host = Host::started(Personality::sas3008());
    let mut smids = (1..=60).collect::<Vec<u16>>();
    smids.iter().for_each(|smid| host.post_test(*smid, DISK));
    host.machine.run(1000);
    // Not acknowledged: the next ones fill the queue.
    let first = core::iter::from_fn(|| {
        let reply = host.next_reply(0)?;
        host.post_index[0] = (host.post_index[0] + 1) % DEPTH;
        Some(reply.smid)
    });
    assert_eq!(first.count(), 60);
    smids.iter().for_each(|smid| host.post_test(*smid, DISK));
    host.machine.run(1000);
    let waiting = host.machine.with_controller(|c| c.outstanding());
    assert_eq!(waiting, 60 - (usize::from(DEPTH) - 1 - 60));
    smids.reverse();
    let index = host.post_index[0];
    host.acknowledge(0, index);
    assert_eq!(host.drain().len(), 60);
}
