//! QEMU's controller and disks misbehave; each case ends in the right error or recovery, once.

use core::time::Duration;
use std::time::Instant;

use hba_core::command::{Effect, Failure, Outcome, Transfer};
use hba_core::control::{ControlEvent, RecoveryConfig, ResetReason, Rung};
use hba_core::host::Platform;
use hba_core::register::RegOffset;
use hba_core::time::Timeout;
use hba_qemu::{BlockFilter, DiskConfig, Throttle};
use hba_tests::qemu::{self, QemuHost};
use scsi_proto::{Sense, Status};

const READ_8: [u8; 10] = [0x28, 0, 0, 0, 0, 0, 0, 0, 8, 0];
const WRITE_8: [u8; 10] = [0x2a, 0, 0, 0, 0, 0, 0, 0, 8, 0];
const FLUSH: [u8; 10] = [0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const HELD: Throttle = Throttle { bytes_per_s: 0, requests_per_s: 1 };

fn failing(io_type: &str) -> DiskConfig {
    let mut disk = DiskConfig::memory(16 << 20);
    disk.filters.push(BlockFilter::fail_io(io_type, 5, false));
    disk
}

/// A failing disk is an error of that disk, not of the controller, and not of its neighbour.
fn ends_in_check_condition(io_type: &str, cdb: &[u8], transfer: Transfer) {
    let disks = vec![failing(io_type), DiskConfig::memory(16 << 20)];
    let Some(mut host) = qemu::host(disks, RecoveryConfig::default()) else { return };
    qemu::make_ready(&mut host, 0);
    qemu::make_ready(&mut host, 1);
    if io_type == "flush" {
        // QEMU flushes a disk only if something was written to it.
        let wrote = qemu::send(&mut host, 0, &WRITE_8, Transfer::to_device(4096));
        assert!(wrote.expect("write").completion.is_done());
    }
    let answer = qemu::send(&mut host, 0, cdb, transfer).expect("it completes");
    assert_eq!(answer.completion.outcome, Outcome::Status(Status::CHECK_CONDITION));
    assert_eq!(answer.completion.effect(), Effect::Indeterminate);
    let sense = Sense::parse(&answer.sense).expect("sense data came with the status");
    assert_eq!(
        (sense.additional.asc, sense.additional.ascq),
        (0x00, 0x06),
        "I/O process terminated"
    );
    let other = qemu::send(&mut host, 1, cdb, transfer).expect("the other disk works");
    assert!(other.completion.is_done());
    assert!(!qemu::saw(&host.take_events(), |e| matches!(e, ControlEvent::ResetBegun(_))));
}

#[test]
fn eio_on_read_is_a_check_condition() {
    ends_in_check_condition("read", &READ_8, Transfer::from_device(4096));
}

#[test]
fn eio_on_write_is_a_check_condition() {
    ends_in_check_condition("write", &WRITE_8, Transfer::to_device(4096));
}

#[test]
fn eio_on_flush_is_a_check_condition() {
    ends_in_check_condition("flush", &FLUSH, Transfer::NONE);
}

/// Starts reads on a disk that holds them, each with a deadline of half a second; returns how many.
fn start_held_reads(host: &mut QemuHost, count: u64) {
    qemu::make_ready(host, 0);
    let qmp = host.platform().qemu().qmp();
    qmp.set_io_throttle(0, HELD).expect("the throttle is set");
    // The first I/O passes the throttle; the next ones wait behind it.
    for _ in 0..count {
        let request = qemu::request(host, 0, &READ_8, Transfer::from_device(4096))
            .with_timeout(Timeout::from_millis(500));
        assert!(host.submit(request).is_ok());
    }
}

/// Polls until every command has completed; returns the outcomes in order.
fn collect(
    host: &mut QemuHost,
    count: usize,
    mut each: impl FnMut(&mut QemuHost, Duration),
) -> Vec<Outcome> {
    let begun = Instant::now();
    let mut outcomes = Vec::new();
    while outcomes.len() < count {
        assert!(begun.elapsed() < Duration::from_secs(30), "only {outcomes:?}");
        host.poll(|done| outcomes.push(done.completion.outcome)).expect("poll");
        each(host, begun.elapsed());
    }
    outcomes
}

#[test]
fn a_held_command_is_aborted_and_completes_once_when_the_hold_is_lifted() {
    let patient = RecoveryConfig { abort: Duration::from_secs(20), ..RecoveryConfig::default() };
    let Some(mut host) = qemu::host(vec![DiskConfig::memory(16 << 20)], patient) else { return };
    start_held_reads(&mut host, 2);
    let mut lifted = false;
    let outcomes = collect(&mut host, 2, |host, elapsed| {
        if !lifted && elapsed > Duration::from_millis(900) {
            lifted = true;
            let qmp = host.platform().qemu().qmp();
            qmp.set_io_throttle(0, Throttle::default()).expect("the hold is lifted");
        }
    });
    assert!(lifted, "nothing completed by itself: {outcomes:?}");
    assert!(outcomes.contains(&Outcome::Failed(Failure::TimedOut)), "{outcomes:?}");
    let recovery_ends = Instant::now();
    while host.adapter().control().is_recovering() {
        host.poll(|done| panic!("completed twice: {done:?}")).expect("poll");
        assert!(recovery_ends.elapsed() < Duration::from_secs(10), "the abort is answered");
    }
    let events = host.take_events();
    assert!(
        qemu::saw(&events, |e| matches!(e, ControlEvent::Recovered(_, Rung::Abort))),
        "{events:?}"
    );
    assert!(!qemu::saw(&events, |e| matches!(
        e,
        ControlEvent::Recovering(_, Rung::LogicalUnitReset)
    )));
    host.poll(|done| panic!("completed twice: {done:?}")).expect("poll");
    assert_eq!(host.adapter().outstanding(), 0);
    qemu::make_ready(&mut host, 0);
}

#[test]
fn a_command_that_stays_held_is_ended_by_a_logical_unit_reset() {
    let disks = vec![DiskConfig::memory(16 << 20)];
    let Some(mut host) = qemu::host(disks, qemu::impatient()) else { return };
    start_held_reads(&mut host, 3);
    let outcomes = collect(&mut host, 3, |_, _| ());
    let timed_out = Outcome::Failed(Failure::TimedOut);
    assert!(outcomes.iter().filter(|o| **o == timed_out).count() >= 2, "{outcomes:?}");
    let events = host.take_events();
    assert!(
        qemu::saw(&events, |e| matches!(e, ControlEvent::Recovering(_, Rung::LogicalUnitReset))),
        "{events:?}"
    );
    assert!(!qemu::saw(&events, |e| matches!(e, ControlEvent::ResetBegun(_))), "{events:?}");
    let qmp = host.platform().qemu().qmp();
    qmp.set_io_throttle(0, Throttle::default()).expect("the hold is lifted");
    for _ in 0..20 {
        host.poll(|done| panic!("completed twice: {done:?}")).expect("poll");
    }
    assert_eq!(host.adapter().outstanding(), 0);
    qemu::make_ready(&mut host, 0);
}

#[test]
fn a_controller_in_fault_is_reset_and_nothing_is_lost() {
    let disks = vec![DiskConfig::memory(16 << 20)];
    let Some(mut host) = qemu::host(disks, RecoveryConfig::default()) else { return };
    start_held_reads(&mut host, 4);
    // RAID action: a function that this controller does not have and answers with a fault.
    let mut frame = host.platform().qemu().memory().allocate(128, 64).expect("memory");
    frame.write_words(0, [0x1500_0000, 0, 0x0000_03ff]);
    let address = frame.bus().low();
    host.platform().registers().write32(RegOffset(0x40), address);
    let outcomes = collect(&mut host, 4, |_, _| ());
    let ended = |o: &Outcome| {
        matches!(
            o,
            Outcome::Failed(Failure::Reset | Failure::TimedOut) | Outcome::Status(Status::GOOD)
        )
    };
    assert!(outcomes.iter().all(ended), "{outcomes:?}");
    let qmp = host.platform().qemu().qmp();
    qmp.set_io_throttle(0, Throttle::default()).expect("the hold is lifted");
    while !host.adapter().control().is_operational() {
        host.poll(|done| panic!("completed twice: {done:?}")).expect("poll");
    }
    let events = host.take_events();
    let fault = |e: &ControlEvent| matches!(e, ControlEvent::ResetBegun(ResetReason::Fault(_)));
    assert!(qemu::saw(&events, fault), "{events:?}");
    host.bring_up().expect("operational again");
    qemu::make_ready(&mut host, 0);
    let read = qemu::send(&mut host, 0, &READ_8, Transfer::from_device(4096)).expect("read");
    assert!(read.completion.is_done());
}
