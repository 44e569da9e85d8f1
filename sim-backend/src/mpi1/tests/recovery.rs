//! Task management, resets, faults, and a device that does not play by the rules.

use super::*;
use crate::mpi1::FaultCode;
use crate::mpi1::registers::{DOORBELL, REQUEST_HI_PRI_FIFO};

const ABORT: u32 = 1;
const ABORT_SET: u32 = 2;
const TARGET_RESET: u32 = 3;
const LUN_RESET: u32 = 5;
const QUERY: u32 = 7;

/// Context, IOC status and (of task management replies) termination count.
fn summary(replies: &[Reply]) -> Vec<(u32, u32, u32)> {
    replies.iter().map(|r| (r.context(), r.ioc_status(), r.frame()[5])).collect()
}

#[test]
fn aborts_end_the_task_first() {
    let mut host = Host::started(Personality::hardware());
    host.machine.hold(0, true);
    (1..=3).for_each(|context| host.post_test(0, context));
    host.post_task_mgmt(0, QUERY, 90, 2);
    assert_eq!(host.drain_one().frame()[1] & 0xff, 8, "found");
    host.post_task_mgmt(0, ABORT, 91, 2);
    assert_eq!(summary(&host.drain()), [(2, 0x48, 0), (91, 0, 1)]);
    host.post_task_mgmt(0, QUERY, 92, 2);
    assert_eq!(host.drain_one().frame()[1] & 0xff, 0, "not found");
    host.post_task_mgmt(0, ABORT_SET, 93, 0);
    assert_eq!(summary(&host.drain()), [(1, 0x48, 0), (3, 0x48, 0), (93, 0, 2)]);
    host.post_task_mgmt(0, 99, 94, 0);
    assert_eq!(host.drain_one().frame()[1] & 0xff, 4, "not supported");
}

#[test]
fn an_abort_on_qemu_answers_after_the_hold() {
    let mut host = Host::started(Personality::qemu());
    host.machine.hold(0, true);
    host.post_test(0, 1);
    host.post_task_mgmt(0, ABORT, 91, 1);
    assert_eq!(host.drain(), []);
    host.machine.hold(0, false);
    assert_eq!(summary(&host.drain()), [(1, 0x48, 0), (91, 0, 1)]);
}

#[test]
fn resets_answer_with_unit_attention_afterwards() {
    for (personality, count) in [(Personality::hardware(), 1), (Personality::qemu(), 0)] {
        for kind in [LUN_RESET, TARGET_RESET] {
            let mut host = Host::started(personality.clone());
            host.machine.hold(0, true);
            host.post_test(0, 1);
            host.post_test(1, 2);
            assert_eq!(host.drain_one(), Reply::Context(2));
            host.post_task_mgmt(0, kind, 91, 0);
            assert_eq!(summary(&host.drain()), [(1, 0x48, 0), (91, 0, count)]);
            host.machine.hold(0, false);
            host.post_test(0, 3);
            host.post_test(0, 4);
            let replies = host.drain();
            assert_eq!(replies[0].scsi(), (2, 1), "unit attention");
            assert_eq!(replies[1], Reply::Context(4));
        }
    }
}

#[test]
fn task_management_may_answer_first() {
    let mut personality = Personality::hardware();
    personality.behaviour.task_management_answers_first = true;
    let mut host = Host::started(personality);
    host.machine.hold(0, true);
    host.post_test(0, 1);
    host.post_task_mgmt(0, TARGET_RESET, 91, 0);
    assert_eq!(summary(&host.drain()), [(91, 0, 1), (1, 0x48, 0)]);
}

#[test]
fn reset_ids_of_qemu_are_off_by_one() {
    let mut host = Host::started(Personality::qemu());
    for (id, status) in [(7, 0), (8, 0), (9, 0x42)] {
        host.post_task_mgmt(id, TARGET_RESET, 91, 0);
        assert_eq!(host.drain_one().ioc_status(), status, "id {id}");
    }
}

#[test]
fn task_management_by_doorbell_and_by_priority() {
    let mut host = Host::started(Personality::hardware());
    host.machine.hold(0, true);
    host.post_test(0, 1);
    let mut words = vec![0; 13];
    (words[0], words[1], words[2], words[12]) = (1 << 24, ABORT << 8, 91, 1);
    host.script(
        &Script::new()
            .then("abort", crate::mpi1::script::Action::HandshakeWithoutReply(words.clone())),
    );
    assert_eq!(summary(&host.drain()), [(1, 0x48, 0), (91, 0, 1)], "the reply uses the FIFO");
    assert_eq!(host.read(DOORBELL) >> 27 & 1, 0, "and the doorbell is free");
    words[1] = QUERY << 8;
    let bus = host.requests.bus().low();
    for (i, word) in words.iter().enumerate() {
        host.requests.write_u32(i * 4, *word);
    }
    host.write(REQUEST_HI_PRI_FIFO, bus);
    assert_eq!(host.drain_one().context(), 91);
}

#[test]
fn task_management_can_be_lost_or_fail() {
    let mut host = Host::started(Personality::hardware());
    host.machine.with_controller(|c| c.faults_mut().swallow_task_management = 1);
    host.post_task_mgmt(0, TARGET_RESET, 91, 0);
    assert_eq!(host.drain(), []);
    host.machine.with_controller(|c| c.faults_mut().fail_task_management = Some((1, 5)));
    host.post_task_mgmt(0, TARGET_RESET, 92, 0);
    let reply = host.drain_one();
    assert_eq!((reply.ioc_status(), reply.frame()[1] & 0xff), (0x4a, 5));
}

#[test]
fn the_fault_state_ends_by_the_right_reset() {
    let mut host = Host::started(Personality::hardware());
    host.machine.with_controller(|c| c.force_fault(FaultCode(0x2623)));
    assert_eq!(host.read(DOORBELL) & 0xf000_ffff, 0x4000_2623);
    host.post_test(0, 1);
    assert_eq!(host.drain(), [], "requests are ignored");
    host.write(DOORBELL, 0x40 << 24);
    assert_eq!(host.read(DOORBELL) >> 28, 4, "a message unit reset does not help");
    host.script(&Script::diagnostic_reset());
    host.start();
    host.post_test(0, 2);
    assert_eq!(host.drain_one().scsi(), (2, 1), "the reset was seen by the target");

    let mut host = Host::started(Personality::qemu());
    host.post(&[0x15 << 24, 0, 77]);
    assert_eq!(host.read(DOORBELL), 0x4400_0001);
    host.start();
    assert_eq!(host.read(DOORBELL) >> 28, 2, "a message unit reset leads out of it");
    host.script(&Script::unknown_function());
    host.write(DOORBELL, 0x40 << 24);
    assert_eq!(host.read(DOORBELL), 0x4c00_0001, "but not while the doorbell is in use");
    host.script(&Script::diagnostic_reset());
    host.start();
}

#[test]
fn hardware_answers_unknown_functions() {
    let mut host = Host::started(Personality::hardware());
    host.post(&[0x15 << 24, 0, 77]);
    let reply = host.drain_one();
    assert_eq!((reply.context(), reply.ioc_status()), (77, 0x0001));
    assert_eq!(host.read(DOORBELL) >> 28, 2);
}

#[test]
fn a_message_unit_reset_drops_commands_for_good() {
    let mut host = Host::started(Personality::hardware());
    host.machine.hold(0, true);
    host.post_test(0, 1);
    assert_eq!(host.drain(), []);
    host.start();
    host.machine.hold(0, false);
    assert_eq!(host.drain(), []);
    assert_eq!(host.machine.with_controller(|c| c.outstanding()), 0);
}

#[test]
fn qemu_faults_when_a_fifo_runs_over() {
    let mut host = Host::started(Personality::qemu());
    (0..128 - REPLIES as u32).for_each(|i| host.write(REPLY_FIFO, i * 128));
    assert_eq!(host.read(DOORBELL) >> 28, 2, "128 free frames");
    host.write(REPLY_FIFO, 0);
    assert_eq!(host.read(DOORBELL) & 0xf000_ffff, 0x4000_0006, "the 129th");

    let mut host = Host::started(Personality::qemu());
    (0..130).for_each(|context| {
        host.post_test(0, context);
        host.machine.run(100);
    });
    let answers = host.drain().len();
    assert_eq!((answers, host.read(DOORBELL) & 0xffff), (128, 6), "128 replies, then the fault");
}

#[test]
fn hardware_waits_for_frames_and_counts_credits() {
    let mut host = Host::started(Personality::hardware());
    (0..20).for_each(|context| host.post_test(7, context));
    let mut replies = host.drain();
    replies.extend(host.drain());
    let contexts = replies.iter().map(Reply::context).collect::<Vec<_>>();
    assert_eq!(contexts, (0..20).collect::<Vec<_>>(), "4 waited for a frame and kept their order");
    host.machine.hold(0, true);
    (0..480).for_each(|context| host.post_test(0, context));
    assert_eq!(host.read(DOORBELL) >> 28, 2);
    host.post_test(0, 481);
    assert_eq!(host.read(DOORBELL) & 0xf000_ffff, 0x4000_0006);
}

#[test]
fn replies_can_be_lost_doubled_made_up_and_bent() {
    let mut host = Host::started(Personality::hardware());
    let fault = |host: &Host, set: fn(&mut crate::mpi1::Faults)| {
        host.machine.with_controller(|c| set(c.faults_mut()));
    };
    fault(&host, |f| f.lose_replies = 1);
    host.post_test(0, 1);
    assert_eq!(host.drain(), []);
    fault(&host, |f| f.duplicate_replies = 1);
    host.post_test(0, 2);
    assert_eq!(host.drain(), [Reply::Context(2), Reply::Context(2)]);
    fault(&host, |f| f.stray_replies = vec![0x1abc_def0, 3]);
    assert_eq!(host.drain(), [Reply::Context(0x1abc_def0), Reply::Context(3)]);
    fault(&host, |f| f.patch_replies = Some((1, (2, 0xff))));
    host.post_test(7, 4);
    assert_eq!(host.drain_one().frame()[0] >> 16 & 0xff, 0xff, "MsgLength");
    fault(&host, |f| f.corrupt_address = Some((1, 0x4000_0000)));
    host.post_test(7, 5);
    let expected = host.replies.bus().low() ^ 0x4000_0000;
    let word = host.read(REPLY_FIFO) << 1;
    assert_eq!(word & 0x7000_0000, expected & 0x7000_0000);
}

#[test]
fn gone_and_stuck_devices() {
    let mut host = Host::started(Personality::hardware());
    host.machine.with_controller(|c| c.faults_mut().read_zero = 1);
    assert_eq!([host.read(DOORBELL), host.read(DOORBELL)], [0, 0x2400_0000]);
    host.machine.with_controller(|c| c.faults_mut().stuck_doorbell = true);
    host.write(DOORBELL, 0x4203 << 16);
    assert_eq!(host.read(RegOffset(0x30)) >> 31, 1);
    host.machine.with_controller(|c| c.faults_mut().frozen = true);
    host.post_test(0, 1);
    assert_eq!(host.drain(), []);
    host.machine.with_controller(|c| c.faults_mut().removed = true);
    assert_eq!(host.read(DOORBELL), ALL_ONES);
    assert_eq!(host.machine.stray_accesses(), 0);
    host.machine.forbid_access();
    host.write(DOORBELL, 0);
    assert_eq!(host.machine.stray_accesses(), 1);
}
