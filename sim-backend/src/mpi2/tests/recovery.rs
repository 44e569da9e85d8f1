//! Task management, faults, resets, and what can be made to go wrong.

use super::*;
use crate::machine::PowerDomain;
use crate::mpi2::registers::FaultCode;
use crate::mpi2::{Faults, IocState, IocStatus};

const ABORT_TASK: u32 = 1;
const ABORT_TASK_SET: u32 = 2;
const TARGET_RESET: u32 = 3;
const LOGICAL_UNIT_RESET: u32 = 5;
const QUERY_TASK: u32 = 7;
const QUERY_TASK_SET: u32 = 9;

/// A host with two commands that the disk in slot 0 holds, SMIDs 1 and 2, and one of the other disk, SMID 3.
fn holding() -> Host {
    let mut host = Host::started(Personality::sas3008());
    host.machine.hold(0, true);
    host.machine.hold(1, true);
    host.post_test(1, DISK);
    host.post_test(2, DISK);
    host.post_test(3, DISK + 1);
    assert_eq!(host.drain(), []);
    host
}

fn order(host: &Host, set: impl FnOnce(&mut Faults)) {
    host.machine.with_controller(|c| set(c.faults_mut()));
}

#[test]
fn an_abort_answers_after_the_command_that_it_ends() {
    let mut host = holding();
    host.post_task_mgmt(40, ABORT_TASK, DISK, 2);
    let replies = host.drain();
    assert_eq!(replies.len(), 2);
    assert_eq!((replies[0].smid, replies[0].ioc_status(), replies[0].scsi()), (2, 0x48, (0, 12)));
    let reply = &replies[1];
    assert_eq!((reply.smid, reply.ioc_status()), (40, 0));
    assert_eq!(reply.frame[0], 0x0107_0000 | u32::from(DISK));
    assert_eq!((reply.frame[1], reply.frame[5]), (0x100, 1), "complete, one command ended");
    host.post_task_mgmt(40, ABORT_TASK, DISK, 2);
    let reply = host.drain_one();
    assert_eq!((reply.frame[1], reply.frame[5]), (0x100, 0), "there is nothing to abort any more");
    assert_eq!(host.machine.with_controller(|c| c.outstanding()), 2);
}

#[test]
fn every_function_ends_what_it_says() {
    let cases: [(u32, &[u16], u32); 6] = [
        (ABORT_TASK_SET, &[1, 2], 0),
        (6, &[1, 2], 0),
        (LOGICAL_UNIT_RESET, &[1, 2], 0),
        (TARGET_RESET, &[1, 2], 0),
        (8, &[], 0),
        (4, &[], 4),
    ];
    for (kind, ended, response) in cases {
        let mut host = holding();
        host.post_task_mgmt(40, kind, DISK, 0);
        let replies = host.drain();
        let (last, others) = replies.split_last().expect("an answer");
        assert_eq!(others.iter().map(|r| r.smid).collect::<Vec<_>>(), ended, "function {kind}");
        assert_eq!((last.smid, last.frame[1] & 0xff), (40, response));
        host.machine.hold(0, false);
        if matches!(kind, LOGICAL_UNIT_RESET | TARGET_RESET) {
            host.post_test(9, DISK);
            assert_eq!(host.drain_one().scsi(), (2, 1), "unit attention after {kind}");
        }
    }
}

#[test]
fn queries_are_answered_and_end_nothing() {
    let mut host = holding();
    for (kind, task, found) in [(QUERY_TASK, 2, 8), (QUERY_TASK, 9, 0), (QUERY_TASK_SET, 0, 8)] {
        host.post_task_mgmt(40, kind, DISK, task);
        let reply = host.drain_one();
        assert_eq!(reply.frame[1], kind << 8 | found);
    }
    assert_eq!(host.machine.with_controller(|c| c.outstanding()), 3);
}

#[test]
fn task_management_for_nobody() {
    let mut host = holding();
    host.post_task_mgmt(40, ABORT_TASK, 77, 1);
    assert_eq!(host.drain_one().ioc_status(), 0x42);
    let mut words = [0; 13];
    (words[0], words[1], words[3]) =
        (0x01 << 24 | u32::from(DISK), LOGICAL_UNIT_RESET << 8, 7 << 8);
    host.frame(41, &words);
    host.post(request_type::HIGH_PRIORITY, 0, 41, 0);
    assert_eq!(host.drain_one().frame[1] & 0xff, 9, "no such logical unit");
    host.frame(42, &words);
    host.post(request_type::DEFAULT, 0, 42, 0);
    assert_eq!(host.drain_one().ioc_status(), 1, "it has to come with high priority");
}

#[test]
fn task_management_can_be_lost_or_fail() {
    let mut host = holding();
    order(&host, |f| f.swallow_task_management = 1);
    host.post_task_mgmt(40, ABORT_TASK, DISK, 2);
    assert_eq!(host.drain(), []);
    order(&host, |f| f.fail_task_management = Some((1, 5)));
    host.post_task_mgmt(40, ABORT_TASK, DISK, 2);
    let reply = host.drain_one();
    assert_eq!((reply.ioc_status(), reply.frame[1] & 0xff), (0x4a, 5));
}

#[test]
fn a_fault_ends_by_a_diagnostic_reset_only() {
    let mut host = Host::started(Personality::sas2008());
    host.machine.with_controller(|c| c.force_fault(FaultCode(0x5862)));
    assert_eq!(host.read(DOORBELL), 0x4400_5862);
    assert_eq!(host.read(INT_STATUS) & INT_DOORBELL, INT_DOORBELL, "the host is told");
    host.post_test(1, DISK);
    assert_eq!(host.drain(), []);
    host.write(DOORBELL, 0x40 << 24);
    host.machine.advance(Duration::from_secs(1));
    assert_eq!(host.read(DOORBELL) >> 28, 4, "a message unit reset does not help");
    host.diagnostic_reset();
    host.init(&Start::default());
    host.enable();
    host.post_test(1, DISK);
    assert_eq!(host.drain_one().scsi(), (2, 1));
}

#[test]
fn a_core_dump_comes_before_the_fault_where_the_host_wants_it() {
    let wants = Start { patches: vec![(5, 1 << 24 | 12 << 16 | 2)], ..Start::default() };
    let mut host = Host::started_with(Personality::sas3008().with_core_dump(), &wants);
    host.machine.with_controller(|c| c.force_fault(FaultCode(0x2623)));
    assert_eq!(host.read(DOORBELL), 0x5400_2623);
    host.machine.advance(Duration::from_millis(5));
    assert_eq!(host.read(DOORBELL), 0x4400_2623);
    let mut old = Host::started_with(Personality::sas2008(), &wants);
    old.machine.with_controller(|c| c.force_fault(FaultCode(0x2623)));
    assert_eq!(old.read(DOORBELL) >> 28, 4, "the part does not know it");
}

#[test]
fn replies_can_be_lost_doubled_made_up_and_bent() {
    let mut host = Host::started(Personality::sas3008());
    order(&host, |f| f.lose_replies = 1);
    host.post_test(1, DISK);
    assert_eq!(host.drain(), []);
    order(&host, |f| f.duplicate_replies = 1);
    host.post_test(2, DISK);
    assert_eq!(host.drain().iter().map(|r| r.smid).collect::<Vec<_>>(), [2, 2]);
    order(&host, |f| f.stray_replies = vec![(0, 0x0000_0000_0007_0000)]);
    let stray = host.drain_one();
    assert_eq!((stray.smid, stray.kind), (7, 0));
    order(&host, |f| f.corrupt_smid = Some((1, 0x1000)));
    host.post_test(3, DISK);
    assert_eq!(host.drain_one().smid, 0x1003);
    order(&host, |f| f.patch_replies = Some((1, (2, 0xff))));
    host.post_test(4, 77);
    assert_eq!(host.drain_one().frame[0] >> 16 & 0xff, 0xff, "MsgLength");
    order(&host, |f| f.corrupt_address = Some((1, 0x4000_0000)));
    host.post_test(5, 77);
    host.machine.run(1000);
    let queue = &host.posts[0];
    let high = queue.read_u32(usize::from(host.post_index[0]) * 8 + 4);
    assert!(high.wrapping_sub(host.replies.bus().low()) >= host.replies.len() as u32);
}

#[test]
fn commands_can_be_refused_and_cut_short() {
    let mut host = Host::started(Personality::sas3008());
    order(&host, |f| f.refuse_commands = Some((1, IocStatus::BUSY)));
    host.post_test(1, DISK);
    assert_eq!(host.drain_one().ioc_status(), 2);
    let mut data = host.buffer(512);
    data.fill(0, 512, 0xee);
    order(&host, |f| f.cut_transfers = 1);
    host.post_io(2, DISK, &READ, 512, &ieee_element(&data, 512));
    assert!(host.drain_one().is_success(), "nothing is said of it");
    assert_eq!([data.read_u32(252), data.read_u32(256)], [0, 0xeeee_eeee]);
}

#[test]
fn gone_and_stuck_devices() {
    let mut host = Host::started(Personality::sas2008());
    order(&host, |f| f.read_zero = 1);
    assert_eq!([host.read(DOORBELL), host.read(DOORBELL)], [0, 0x2400_0000]);
    order(&host, |f| f.frozen = true);
    host.post_test(1, DISK);
    assert_eq!(host.drain(), []);
    order(&host, |f| (f.frozen, f.stuck_doorbell) = (false, true));
    host.write(DOORBELL, 0x40 << 24);
    assert_eq!(host.read(INT_STATUS) >> 31, 1);
    order(&host, |f| f.removed = true);
    assert_eq!(host.read(DOORBELL), u32::MAX);
}

#[test]
fn power_failure_of_the_machine() {
    let mut host = holding();
    host.machine.cut_power(PowerDomain::Machine);
    assert_eq!(host.read(DOORBELL), u32::MAX);
    host.machine.restore_power(PowerDomain::Machine);
    assert_eq!(host.read(DOORBELL), 0x1000_0000, "ready, and all is forgotten");
    assert_eq!(
        host.machine.with_controller(|c| (c.outstanding(), c.state())),
        (0, IocState::Ready)
    );
    host.machine.hold(0, false);
    host.init(&Start::default());
    host.enable();
    host.post_test(2, DISK);
    assert_eq!(host.drain_one().scsi(), (2, 1), "power-on unit attention");
}
