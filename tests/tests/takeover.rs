//! What firmware or a dead driver left behind is taken over: running, faulted, in the middle of a handshake.

extern crate alloc;

use alloc::sync::Arc;

use hba_core::command::Transfer;
use hba_core::control::{ControlEvent, RecoveryConfig};
use hba_core::dma::DmaRegion;
use hba_core::host::HostError;
use hba_core::port::BringUpError;
use hba_qemu::{Config, DiskConfig, Qemu, QemuPlatform};
use hba_tests::qemu;
use hba_tests::sim::{Setup, World, is_good};
use mpt_backend::mpi1::Mpi1Config;
use sim_backend::machine::SimMachine;
use sim_backend::mpi1::registers::{DOORBELL, INT_STATUS, IocState, REQUEST_FIFO};
use sim_backend::mpi1::script::{Action, InitNumbers, Script};
use sim_backend::mpi1::{FaultCode, Mpi1Controller};

const FRAME: u32 = 128;

/// What a boot firmware's driver does: brings the controller up with memory of its own and unmasks its interrupt.
fn firmware_script(replies: &DmaRegion) -> Script {
    let numbers =
        InitNumbers { max_devices: 8, reply_frame_size: 128, host_mfa_high: 0, sense_high: 0 };
    let frames: Vec<_> = (0..4).map(|i| replies.bus().low() + i * FRAME).collect();
    Script::identify().append(Script::start(numbers, &frames))
}

/// TEST UNIT READY for target 0 as a request frame.
fn request(context: u32) -> [u32; 15] {
    let mut words = [0; 15];
    (words[1], words[2], words[12]) = (6, context, 0xd300_0000);
    words
}

type Machine = Arc<SimMachine<Mpi1Controller>>;

fn run(machine: &Machine, script: &Script) {
    script.run(&mut machine.registers(), |time| machine.advance(time)).expect("the script ends");
}

/// Memory that is the firmware's; the driver knows nothing of it.
fn memory(machine: &Machine, len: usize) -> DmaRegion {
    machine.memory().allocate(len, 64).expect("memory")
}

/// Brings the controller up and reads a block from each disk; the firmware's memory must stay as it is.
fn take_over(mut world: World, firmware: &[DmaRegion]) {
    let image = |regions: &[DmaRegion]| -> Vec<_> {
        regions.iter().flat_map(|r| (0..r.len() / 4).map(|i| r.read_u32(4 * i))).collect()
    };
    let before = image(firmware);
    world.host.bring_up().expect("taken over");
    world.machine.hold(0, false);
    assert_eq!(world.units().len(), 2);
    for id in 0..2 {
        let read = [0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0];
        let answer = world.send(id, &read, Transfer::from_device(512));
        assert!(is_good(answer.completion.outcome));
    }
    world.expect_silence();
    let bad = world.saw(|e| matches!(e, ControlEvent::BadReply(_) | ControlEvent::ResetBegun(_)));
    assert!(!bad, "nothing of the past comes up");
    assert!(image(firmware) == before, "the firmware's memory was written after the take-over");
}

/// A world whose controller firmware brought up, and the firmware's reply frames.
fn operational() -> (World, DmaRegion) {
    let world = Setup::default().build();
    let replies = memory(&world.machine, 4 * FRAME as usize);
    run(&world.machine, &firmware_script(&replies));
    let state = world.machine.with_controller(|c| c.state());
    assert_eq!(state, IocState::Operational);
    (world, replies)
}

#[test]
fn a_controller_that_firmware_left_operational() {
    let (world, replies) = operational();
    take_over(world, &[replies]);
}

#[test]
fn replies_that_nobody_fetched() {
    let (world, replies) = operational();
    let mut frame = memory(&world.machine, FRAME as usize);
    // One context reply or address reply each; contexts that a driver could use, too.
    for context in [0, 1, 0x1234, 0x1fff_ffff] {
        for (i, word) in request(context).into_iter().enumerate() {
            frame.write_u32(4 * i, word);
        }
        let post = Action::Write(REQUEST_FIFO, frame.bus().low());
        let wait = Action::Poll { offset: INT_STATUS, mask: 8, wanted: 8 };
        run(&world.machine, &Script::new().then("post", post).then("reply", wait));
    }
    take_over(world, &[replies, frame]);
}

/// A FIFO that a reset does not empty: the words are refused one by one, and name nothing of ours.
#[test]
fn reply_words_that_outlive_the_reset() {
    let (mut world, _replies) = operational();
    let mut contexts = vec![0, 1, 0x1234, 0x1fff_ffff, 0x2000_0000, 0x7fff_ffff];
    contexts.extend([0x8000_0000, 0xc000_0000, 0xffff_fffe]);
    let count = contexts.len();
    let mut waiting = Some(contexts);
    for _ in 0..10_000 {
        world.host.poll(|done| panic!("nothing was submitted: {done:?}")).expect("poll");
        // The plan is made, so the first reset is over.
        if world.host.limits().is_some()
            && let Some(words) = waiting.take()
        {
            world.machine.with_controller(|c| c.faults_mut().stray_replies = words);
        }
        if world.host.adapter().control().is_operational() {
            break;
        }
    }
    assert!(world.host.adapter().control().is_operational());
    assert!(waiting.is_none());
    for _ in 0..20 {
        world.host.poll(|done| panic!("nothing was submitted: {done:?}")).expect("poll");
    }
    let events = world.host.take_events();
    // Those that could name a request of Control are told as events, the others are counted by the queue.
    let bad = events.iter().filter(|e| matches!(e, ControlEvent::BadReply(_))).count() as u64;
    let counters = *world.host.adapter().queues()[0].counters();
    assert_eq!(bad + counters.stale + counters.unknown + counters.malformed, count as u64);
    assert_eq!(world.units().len(), 2);
}

#[test]
fn requests_that_are_still_out() {
    let (world, replies) = operational();
    let mut frame = memory(&world.machine, FRAME as usize);
    for (i, word) in request(5).into_iter().enumerate() {
        frame.write_u32(4 * i, word);
    }
    world.machine.hold(0, true);
    let post = Action::Write(REQUEST_FIFO, frame.bus().low());
    run(&world.machine, &Script::new().then("post", post));
    world.machine.run(64);
    assert_eq!(world.machine.with_controller(|c| c.outstanding()), 1);
    // The target answers as soon as a driver is there: too late.
    take_over(world, &[replies, frame]);
}

#[test]
fn firmware_that_died_and_whose_memory_is_gone() {
    let (world, replies) = operational();
    drop(replies);
    let machine = Arc::clone(&world.machine);
    let before = machine.memory().faults().count();
    take_over(world, &[]);
    assert_eq!(machine.memory().faults().count(), before, "no access to memory of the dead");
}

/// The accesses of a handshake for IOC facts, as far as the first `count` of them.
fn part_of_handshake(count: usize) -> Script {
    let ack = || Action::Write(INT_STATUS, 0);
    let wait = || Action::Poll { offset: INT_STATUS, mask: 1, wanted: 1 };
    let taken = || Action::Poll { offset: INT_STATUS, mask: 1 << 31, wanted: 0 };
    let mut all = vec![Action::Write(DOORBELL, 0x42 << 24 | 3 << 16), wait(), ack(), taken()];
    for word in [0x03 << 24, 0, 0x1001] {
        all.extend([Action::Write(DOORBELL, word), taken()]);
    }
    for _ in 0..4 {
        all.extend([wait(), Action::Read(DOORBELL), ack()]);
    }
    assert!(count <= all.len());
    let part = all.into_iter().take(count);
    part.fold(Script::new(), |script, action| script.then("handshake", action))
}

const HANDSHAKE_STEPS: usize = 22;

#[test]
fn a_doorbell_handshake_that_was_left_anywhere() {
    for count in 1..=HANDSHAKE_STEPS {
        for started in [false, true] {
            let world = Setup::default().build();
            let replies = memory(&world.machine, 4 * FRAME as usize);
            if started {
                run(&world.machine, &firmware_script(&replies));
            }
            run(&world.machine, &part_of_handshake(count));
            take_over(world, &[replies]);
        }
    }
}

#[test]
fn a_controller_in_fault() {
    for code in [0x0001, 0x5862, 0x8112, 0xffff] {
        let (world, replies) = operational();
        world.machine.with_controller(|c| c.force_fault(FaultCode(code)));
        take_over(world, &[replies]);
        // Or from power on.
        let world = Setup::default().build();
        world.machine.with_controller(|c| c.force_fault(FaultCode(code)));
        take_over(world, &[]);
    }
}

#[test]
fn a_management_processor_that_makes_registers_read_zero() {
    for zeros in [1, 2, 3, 8] {
        let (world, replies) = operational();
        world.machine.with_controller(|c| c.faults_mut().read_zero = zeros);
        take_over(world, &[replies]);
    }
}

/// MPI 1.5, IOC init: WhoInit 3 is another processor on the PCI bus; its controller is not ours to take.
#[test]
fn a_controller_that_a_peer_runs_is_left_alone() {
    let mut world = Setup::default().build();
    let script = Script::identify().then(
        "ioc init of a peer",
        Action::Handshake(vec![0x02 << 24 | 3, 1 << 16 | 8 << 8, 0x1003, 128, 0, 0]),
    );
    run(&world.machine, &script);
    world.machine.record(10_000);
    let error = world.host.bring_up().expect_err("somebody else's");
    assert_eq!(error, HostError::BringUp(BringUpError::OwnedByPeer));
    assert_eq!(world.machine.with_controller(|c| c.state()), IocState::Operational);
    let written = world.machine.take_record();
    let written = written.iter().any(|access| {
        matches!(access, sim_backend::machine::Access::Write(offset, _) if *offset == DOORBELL)
    });
    assert!(!written, "not even a reset");
}

/// QEMU with two disks, and firmware's reply frames in its memory.
fn qemu_machine() -> Option<(QemuPlatform, DmaRegion)> {
    if !hba_qemu::available_for_tests() {
        return None;
    }
    let disks = vec![DiskConfig::memory(16 << 20), DiskConfig::memory(16 << 20)];
    let qemu = Qemu::start(Config { disks, ..Config::default() }).expect("QEMU starts");
    let replies = qemu.memory().allocate(4 * FRAME as usize, 64).expect("memory");
    Some((QemuPlatform::new(qemu), replies))
}

fn run_on_qemu(platform: &mut QemuPlatform, script: &Script) {
    let mut registers = platform.qemu().registers();
    script.run(&mut registers, std::thread::sleep).expect("the script ends");
}

fn take_over_qemu(platform: QemuPlatform) {
    let mut host = qemu::unstarted(platform, Mpi1Config::default(), RecoveryConfig::default());
    host.bring_up().expect("taken over");
    let read = [0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0];
    for id in 0..2 {
        qemu::make_ready(&mut host, id);
        let answer = qemu::send(&mut host, id, &read, Transfer::from_device(512)).expect("read");
        assert!(answer.completion.is_done());
    }
    let events = host.take_events();
    assert!(!qemu::saw(&events, |e| matches!(e, ControlEvent::BadReply(_))), "{events:?}");
}

#[test]
fn qemu_that_firmware_left_operational_with_replies_that_nobody_fetched() {
    let Some((mut platform, replies)) = qemu_machine() else { return };
    run_on_qemu(&mut platform, &firmware_script(&replies));
    let mut frame = platform.qemu().memory().allocate(FRAME as usize, 64).expect("memory");
    for (i, word) in request(1).into_iter().enumerate() {
        frame.write_u32(4 * i, word);
    }
    let post = Action::Write(REQUEST_FIFO, frame.bus().low());
    let wait = Action::Poll { offset: INT_STATUS, mask: 8, wanted: 8 };
    run_on_qemu(&mut platform, &Script::new().then("post", post).then("reply", wait));
    take_over_qemu(platform);
}

#[test]
fn qemu_in_fault() {
    for operational in [false, true] {
        let Some((mut platform, replies)) = qemu_machine() else { return };
        if operational {
            run_on_qemu(&mut platform, &firmware_script(&replies));
        }
        // A function that QEMU does not have, or any request before IOC init, is a fault.
        let mut frame = platform.qemu().memory().allocate(FRAME as usize, 64).expect("memory");
        frame.write_words(0, [0x1500_0000, 0, 0x1007]);
        let post = Action::Write(REQUEST_FIFO, frame.bus().low());
        let fault = Action::Poll { offset: DOORBELL, mask: 0xf000_0000, wanted: 0x4000_0000 };
        run_on_qemu(&mut platform, &Script::new().then("post", post).then("fault", fault));
        take_over_qemu(platform);
    }
}
