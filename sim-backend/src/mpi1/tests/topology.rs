//! Devices that come and go, events, and power.

use super::*;
use crate::machine::PowerDomain;
use crate::mpi1::registers::DOORBELL;

#[test]
fn hot_plug_is_told_by_events_that_want_an_answer() {
    let mut host = Host::started(Personality::hardware());
    host.machine.attach(3, Scratch { address: 0x77, ..Scratch::default() }).unwrap();
    let events = host.drain();
    assert_eq!(events.len(), 2, "{events:x?}");
    let link = events[0].frame();
    assert_eq!(link[0], 0x070a_0003, "3 dwords of data");
    assert_eq!((link[5], link[7]), (0x12, 0x0004_9003), "phy 3, 3 Gbit/s, its handle");
    assert_eq!(link[8..10], [0x0000_1068, 0x5006_05b0], "of the controller");
    let words = events[1].frame();
    assert_eq!(words[0], 0x0710_0009, "9 dwords of data, 16 dwords in all");
    assert_eq!(words[1], 0x8001_0000, "continuation, acknowledgement required");
    assert_eq!((words[2], words[5]), (0x1005, 0x0f), "the context of the notification");
    assert_eq!(words[7], 0x0003_0003, "id 3, added");
    assert_eq!(words[8] >> 16, 12, "handle");
    assert_eq!(words[11..13], [0x77, 0], "SAS address");

    assert_eq!(host.machine.with_controller(|c| c.unacknowledged_events()), 2);
    host.post(&[0x08 << 24, 0, 6, link[5], link[6]]);
    assert_eq!(host.drain_one().ioc_status(), 0);
    host.post(&[0x08 << 24, 0, 6, words[5], words[6]]);
    assert_eq!(host.drain_one().ioc_status(), 0);
    assert_eq!(host.machine.with_controller(|c| c.unacknowledged_events()), 0);
    host.post(&[0x08 << 24, 0, 7, words[5], words[6]]);
    assert_eq!(host.drain_one().ioc_status(), 0x0007, "there is nothing to acknowledge");
}

#[test]
fn a_removed_device_ends_its_commands() {
    let mut host = Host::started(Personality::hardware());
    host.machine.hold(1, true);
    host.post_test(1, 1);
    assert_eq!(host.drain(), []);
    assert!(host.machine.detach(1).is_some());
    let replies = host.drain();
    assert_eq!((replies[0].context(), replies[0].ioc_status()), (1, 0x804b));
    assert_eq!(replies[0].frame()[4], 0x3117_0000, "nexus loss");
    assert_eq!(replies[1].frame()[7], 0x0002_0901, "the link of phy 1 is down");
    assert_eq!(replies[2].frame()[7], 0x0004_0001, "id 1, not responding");
    host.post_test(1, 2);
    assert_eq!(host.drain_one().ioc_status(), 0x0043);

    let mut host = Host::started(Personality::qemu());
    assert!(host.machine.detach(1).is_some());
    assert_eq!(host.drain(), [], "QEMU tells nothing");
}

#[test]
fn power_failure_of_the_machine() {
    let mut host = Host::started(Personality::hardware());
    host.machine.hold(0, true);
    host.post_test(0, 1);
    let _ = host.drain();
    host.machine.cut_power(PowerDomain::Machine);
    assert_eq!(host.read(DOORBELL), ALL_ONES);
    host.machine.restore_power(PowerDomain::Machine);
    assert_eq!(host.read(DOORBELL), 0x1000_0000, "ready, and all is forgotten");
    host.machine.hold(0, false);
    host.start();
    assert_eq!(host.drain(), []);
    host.post_test(0, 2);
    assert_eq!(host.drain_one().scsi(), (2, 1), "power-on unit attention");
}

#[test]
fn power_failure_of_a_target() {
    let mut host = Host::started(Personality::hardware());
    host.machine.hold(0, true);
    host.post_test(0, 1);
    assert_eq!(host.drain(), []);
    host.machine.cut_power(PowerDomain::Targets);
    let replies = host.drain();
    assert_eq!((replies[0].context(), replies[0].ioc_status()), (1, 0x804b));
    let reasons = |replies: &[Reply]| {
        let devices = replies.iter().map(Reply::frame).filter(|words| words[5] == 0x0f);
        devices.map(|words| words[7]).collect::<Vec<_>>()
    };
    assert_eq!(reasons(&replies[1..]), [0x0004_0000, 0x0004_0001], "both not responding");
    host.post_test(0, 2);
    assert_eq!(host.drain_one().ioc_status(), 0x0043);
    host.machine.restore_power(PowerDomain::Targets);
    assert_eq!(reasons(&host.drain()), [0x0003_0000, 0x0003_0001], "both added");
    host.machine.hold(0, false);
    host.post_test(0, 3);
    assert_eq!(host.drain_one().scsi(), (2, 1), "power-on unit attention");
}

#[test]
fn accesses_are_counted_and_recorded() {
    use crate::machine::{Access, RegisterCount};
    let mut host = Host::new(Personality::hardware(), 0x8000_0000);
    host.machine.record(2);
    host.write(INT_MASK, 9);
    host.write(INT_MASK, 1);
    assert_eq!(host.read(INT_MASK), 1);
    assert_eq!(host.machine.register_count(), RegisterCount { reads: 1, writes: 2 });
    let expected = [Access::Write(INT_MASK, 1), Access::Read(INT_MASK, 1)];
    assert_eq!(host.machine.take_record(), expected);
}
