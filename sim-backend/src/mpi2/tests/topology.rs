//! Devices that come and go, and the duties of the host when they do.

use super::*;

/// A SAS IO unit control request: operation, handle, phy.
fn control(host: &mut Host, operation: u32, handle: u16, phy: u32) -> u32 {
    host.post_message(50, &[0x1b << 24 | operation, handle.into(), 0, phy << 16]);
    host.drain_one().ioc_status()
}

/// Topology entries among some replies: handle, PhyStatus.
fn entries(replies: &[Reply]) -> Vec<(u32, u32)> {
    let events = replies.iter().filter(|reply| reply.smid == 0).map(Reply::event);
    let lists = events.filter(|(code, _)| *code == 0x1c);
    lists.map(|(_, data)| (data[3] & 0xffff, data[3] >> 24)).collect()
}

fn disk(index: u32) -> SimDisk {
    SimDisk::new(&DiskConfig::nth(index, 1 << 12)).unwrap()
}

#[test]
fn hot_plug_is_told_by_events_that_want_an_answer() {
    let mut host = Host::started(Personality::sas3008());
    let before = host.machine.with_controller(|c| c.unacknowledged_events());
    host.machine.attach(3, disk(3)).unwrap();
    let replies = host.drain();
    assert_eq!(replies.iter().map(|r| r.event().0).collect::<Vec<_>>(), [0x16, 0x1c, 0x16]);
    assert_eq!(entries(&replies), [(11, 1)]);
    let (_, data) = replies[1].event();
    assert_eq!(data[2] >> 8 & 0xff, 3, "phy 3");
    assert_eq!(data[3] >> 16 & 0xff, 0xb0, "12 Gbit/s now, nothing before");
    assert_eq!(replies[1].frame[1] >> 16 & 0xff, 1, "acknowledgement required");
    assert_eq!(host.machine.with_controller(|c| c.unacknowledged_events()), before + 1);
    let (event, context) = (replies[1].frame[5], replies[1].frame[6]);
    host.post_message(50, &[0x08 << 24, 0, 0, event, context]);
    assert_eq!(host.drain_one().ioc_status(), 0);
    assert_eq!(host.machine.with_controller(|c| c.unacknowledged_events()), before);
    host.post_message(50, &[0x08 << 24, 0, 0, event, context]);
    assert_eq!(host.drain_one().ioc_status(), 7, "there is nothing to acknowledge");
    host.post_test(1, 11);
    assert_eq!(host.drain_one().scsi(), (2, 1), "power-on unit attention");
}

#[test]
fn a_removal_has_two_steps_and_the_handle_rests_until_then() {
    let mut host = Host::started(Personality::sas3008());
    host.machine.hold(1, true);
    host.post_test(1, DISK + 1);
    assert_eq!(host.drain(), []);
    assert!(host.machine.detach(1).is_some());
    let replies = host.drain();
    assert_eq!((replies[0].smid, replies[0].ioc_status()), (1, 0x804b));
    assert_eq!(replies[0].log_info(), 0x3117_0000, "nexus loss");
    assert_eq!(entries(&replies), [(10, 2)], "not responding");
    host.post_test(2, DISK + 1);
    assert_eq!(host.drain_one().ioc_status(), 0x43);

    host.machine.attach(1, disk(7)).unwrap();
    assert_eq!(entries(&host.drain()), [(11, 1)], "handle 10 rests");
    host.post_task_mgmt(40, 3, DISK + 1, 0);
    assert_eq!(host.drain_one().ioc_status(), 0, "the reset that begins the removal");
    assert_eq!(control(&mut host, 0x0d, DISK + 1, 0), 0);
    assert_eq!(control(&mut host, 0x0d, DISK + 1, 0), 7, "once");
    assert_eq!(control(&mut host, 0x0d, DISK, 0), 7, "not while the device is there");
    host.post_test(3, DISK + 1);
    assert_eq!(host.drain_one().ioc_status(), 0x42);
    host.machine.attach(5, disk(5)).unwrap();
    assert_eq!(entries(&host.drain()), [(10, 1)], "handle 10 again");
}

#[test]
fn a_device_that_comes_back_in_time_is_not_missed() {
    let mut personality = Personality::sas3008();
    personality.behaviour.missing_delay = Duration::from_millis(10);
    let mut host = Host::started(personality);
    host.machine.set_target_power(0, false);
    assert_eq!(entries(&host.drain()), [(9, 5)], "late");
    host.machine.set_target_power(0, true);
    assert_eq!(entries(&host.drain()), [(9, 3)], "changed");
    host.machine.set_target_power(0, false);
    let _ = host.drain();
    host.machine.advance(Duration::from_millis(10));
    assert_eq!(entries(&host.drain()), [(9, 2)], "gone");
}

#[test]
fn phys_can_be_reset() {
    let mut host = Host::started(Personality::sas2008());
    assert_eq!(control(&mut host, 0x07, 0, 0), 0, "hard reset");
    host.post_test(1, DISK);
    assert_eq!(host.drain_one().scsi(), (2, 1));
    assert_eq!(control(&mut host, 0x06, 0, 8), 7, "no phy 8");
    assert_eq!(control(&mut host, 0x33, 0, 0), 7, "no such operation");
}

#[test]
fn masked_events_do_not_come() {
    let mut host = Host::started(Personality::sas2008());
    let all_but_topology = !(1 << 0x1c);
    let words = [0x07 << 24, 0, 0, 0, 0, all_but_topology, u32::MAX, u32::MAX, u32::MAX, 0, 0];
    host.post_message(50, &words);
    assert_eq!(host.drain_one().frame[5], 0x0a);
    host.machine.attach(3, disk(3)).unwrap();
    let replies = host.drain();
    assert_eq!((replies.len(), entries(&replies)), (1, vec![(11, 1)]));
}

#[test]
fn events_wait_for_reply_frames() {
    let mut host = Host::started(Personality::sas2008());
    for turn in 0..40 {
        host.machine.with_controller(|c| c.raise_event(0x21, &[turn; 4]));
    }
    host.machine.run(10_000);
    let first = host.drain_vector(0);
    assert_eq!(first.len(), usize::from(REPLIES) - 1, "one for each frame");
    let rest = host.drain();
    assert_eq!(first.len() + rest.len(), 40);
    let last = rest.last().map(|reply| reply.event().1[0]);
    assert_eq!(last, Some(0x2727_2727), "in order");
}
