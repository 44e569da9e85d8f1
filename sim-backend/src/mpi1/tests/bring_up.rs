//! From power-on to operational, and what happens when the handshake is not kept.

use super::*;
use crate::mpi1::registers::{DIAGNOSTIC, DOORBELL, INT_STATUS};

/// Facts as little-endian dwords, so that one word covers four fields.
fn check_facts(transcript: &Transcript, credits: u32, frame_dwords: u32, ports: u32) {
    let facts = transcript.values("ioc facts");
    assert_eq!(facts.len(), 20, "80 bytes");
    assert_eq!(facts[0], 0x0314_0105, "function, length, MPI 1.5");
    assert_eq!(facts[2], 0x1001, "context");
    assert_eq!(facts[3], 0, "status");
    assert_eq!(facts[6] >> 16, frame_dwords);
    assert_eq!(facts[7] >> 16, 0x2102, "product");
    assert_eq!(facts[9] & 0xffff, credits);
    assert_eq!(facts[9] >> 16 & 0xff, ports);
}

#[test]
fn hardware_comes_up() {
    let mut host = Host::new(Personality::hardware(), 0x8000_0000);
    let transcript = host.start();
    check_facts(&transcript, 480, 32, 1);
    assert_eq!(transcript.values("interrupt mask"), [9]);
    assert_eq!(transcript.values("doorbell at first"), [0x1000_0000]);
    assert_eq!(transcript.values("ioc facts")[13] & 1, 1, "there is a high-priority FIFO");
    assert_eq!(transcript.values("port facts")[5] >> 8 & 0xff, 0x30, "SAS");
    assert_eq!(transcript.values("ioc init"), [0x0205_0004, 0x0001_0800, 0x1003, 0, 0]);
    assert_eq!(transcript.values("state after init"), [0x2400_0000], "operational, who-init 4");
    assert_eq!(transcript.values("port enable"), [0x0605_0000, 0, 0x1004, 0, 0]);
    let event = [0x0708_0001, 0x8000_0000, 0x1005, 0, 0, 0x0a, 0, 1];
    assert_eq!(transcript.values("event notification"), event);
    assert_eq!(host.read(DOORBELL), 0x2400_0000);
}

#[test]
fn qemu_comes_up_with_its_facts() {
    let mut host = Host::new(Personality::qemu(), 0x8000_0000);
    let transcript = host.start();
    check_facts(&transcript, 128, 128, 8);
    let facts = transcript.values("ioc facts");
    assert_eq!((facts[5], facts[6] & 0xffff), (0x000d_0022, 128), "chain depth 34, block size 13");
    assert_eq!(facts[13], 0, "no capabilities");
    let port = transcript.values("port facts");
    assert_eq!(port[5..7], [0x0008_3000, 0x0009_0008], "SAS, 8 devices, id 8, protocols 9");
    assert_eq!(transcript.values("state after init"), [0x2400_0000]);
}

#[test]
fn two_runs_of_a_script_are_equal() {
    let run = || Host::new(Personality::hardware(), 0x8000_0000).start();
    assert_eq!(run(), run());
    let other = Host::new(Personality::qemu(), 0x8000_0000).start();
    let differences = run().differences(&other);
    assert!(differences.iter().all(|(ours, _)| {
        ours.is_some_and(|line| ["ioc facts", "port facts"].contains(&line.name))
    }));
}

#[test]
fn a_double_read_of_the_doorbell_shows_who_is_behind_it() {
    let halves = |personality| {
        let mut host = Host::new(personality, 0x8000_0000);
        host.write(DOORBELL, 0x4203 << 16);
        for word in [0x03 << 24, 0, 0x77] {
            assert_eq!(host.read(INT_STATUS) & 1 << 31, 0);
            host.write(DOORBELL, word);
        }
        let _ = host.read(INT_STATUS);
        [host.read(DOORBELL) & 0xffff, host.read(DOORBELL) & 0xffff]
    };
    assert_eq!(halves(Personality::hardware()), [0x0105, 0x0105], "the half waits for its ack");
    assert_eq!(halves(Personality::qemu()), [0x0105, 0x0314], "every read takes the next half");
}

#[test]
fn a_half_done_handshake_needs_the_right_reset() {
    let used = |host: &mut Host| host.read(DOORBELL) & 1 << 27 != 0;
    let mut host = Host::new(Personality::hardware(), 0x8000_0000);
    host.write(DOORBELL, 0x4203 << 16);
    assert!(used(&mut host));
    host.write(DOORBELL, 0x40 << 24);
    assert!(used(&mut host), "a message unit reset is taken for a word of the message");
    host.script(&Script::diagnostic_reset());
    assert!(!used(&mut host));
    check_facts(&host.script(&Script::identify()), 480, 32, 1);

    let mut sticky = Host::new(Personality::qemu_7_2(), 0x8000_0000);
    sticky.write(DOORBELL, 0x4200 << 16);
    sticky.write(DIAGNOSTIC, 4);
    assert!(used(&mut sticky), "0 dwords stick, and 7.2 does not clear them");
    let mut newer = Host::new(Personality::qemu(), 0x8000_0000);
    newer.write(DOORBELL, 0x4200 << 16);
    newer.write(DIAGNOSTIC, 4);
    assert!(!used(&mut newer));
}

#[test]
fn a_reset_with_a_reply_pending_ends_qemu_7_2() {
    let mut host = Host::new(Personality::qemu_7_2(), 0x8000_0000);
    host.write(DOORBELL, 0x4203 << 16);
    [0x03 << 24, 0, 0].into_iter().for_each(|word| host.write(DOORBELL, word));
    host.write(DOORBELL, 0x40 << 24);
    assert_eq!(host.read(DOORBELL), ALL_ONES);
}

#[test]
fn a_diagnostic_reset_takes_keys_time_and_leaves_history() {
    let mut host = Host::started(Personality::hardware());
    host.write(DIAGNOSTIC, 4);
    assert_eq!(host.read(DOORBELL) >> 28, 2, "locked");
    let transcript = host.script(&Script::diagnostic_reset());
    assert_eq!(transcript.values("diagnostic unlocked"), [0x80]);
    assert_eq!(transcript.values("diagnostic after reset"), [0x20]);
    assert_eq!(transcript.values("interrupt mask after reset"), [9]);
    let transcript = Host::started(Personality::qemu()).script(&Script::diagnostic_reset());
    assert_eq!(transcript.values("diagnostic after reset"), [0x80], "no history, still unlocked");
}

#[test]
fn start_up_rules() {
    let mut host = Host::started(Personality::hardware());
    let again = host.script(&Script::start(
        InitNumbers { max_devices: 8, reply_frame_size: 80, host_mfa_high: 0, sense_high: 0 },
        &[],
    ));
    assert_eq!(again.values("ioc init")[3] >> 16, 0x0008, "a second IOC_INIT is refused");

    let mut early = Host::new(Personality::hardware(), 0x8000_0000);
    early.post_test(0, 1);
    assert_eq!(early.read(DOORBELL), 0x4000_0008, "a request before IOC_INIT is a fault");
}

#[test]
fn interrupts_follow_the_mask() {
    let mut host = Host::started(Personality::hardware());
    let _ = host.machine.take_messages();
    host.write(INT_MASK, 9);
    host.post_test(0, 5);
    assert!(!host.machine.interrupt_level());
    assert_eq!(host.read(INT_STATUS) & 8, 8, "pending although masked");
    host.write(INT_MASK, 1);
    assert!(host.machine.interrupt_level());
    assert_eq!(host.machine.take_messages(), 1);
    assert_eq!(host.drain_one(), Reply::Context(5));
    assert!(!host.machine.interrupt_level());
}
