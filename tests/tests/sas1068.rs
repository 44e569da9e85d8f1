//! The backend on the simulated SAS1068: discovery, data, recovery, removal, memory.

use core::time::Duration;

use hba_core::adapter::Need;
use hba_core::command::{Completion, Cookie, Effect, Failure, Outcome, Transfer};
use hba_core::control::{ControlEvent, RecoveryConfig, ResetReason, Rung};
use hba_core::dma::{AddressWidth, BusAddr, DmaWindow};
use hba_core::host::{HostError, Platform};
use hba_core::logical_unit::Fua;
use hba_core::port::BringUpError;
use hba_core::queue::Batch;
use hba_core::time::Timeout;
use hba_tests::sim::{Setup, World, is_good, nexus};
use mpt_backend::mpi1::Mpi1Config;
use mpt_backend::wire::message::Function;
use scsi_proto::Lba;
use sim_backend::memory::Placement;
use sim_backend::mpi1::{FaultCode, Personality};
use sim_backend::platform::SimPlatform;

const READ_8: [u8; 10] = [0x28, 0, 0, 0, 0, 0, 0, 0, 8, 0];

#[test]
fn disks_are_discovered_as_they_are() {
    for personality in [Personality::hardware(), Personality::qemu()] {
        let mut world = Setup { disks: 8, personality, ..Setup::default() }.start();
        let units = world.units();
        assert_eq!(units.len(), 8);
        for (i, unit) in units.iter().enumerate() {
            assert_eq!(unit.nexus, nexus(i as u16));
            assert_eq!((unit.blocks, unit.block_size.0), (1 << 16, 512));
        }
    }
}

#[test]
fn b08_the_first_dma_is_a_harmless_request_at_a_named_step() {
    let mut world = Setup::default().build();
    // The controller masters no bus: as behind an IOMMU that maps nothing for it.
    world.machine.memory().set_bus_master(false);
    let error = world.host.bring_up().expect_err("the first fetch faults");
    let HostError::BringUp(BringUpError::FirstFetch { request, .. }) = error else {
        panic!("{error}");
    };
    let named = format!("the first fetch from memory, of the request frame at {request}");
    assert!(error.to_string().contains(&named), "{error}");
    let faults = world.machine.memory().faults();
    assert!(faults.count() > 0, "the fetch did fault");
    let frame = faults.last().next().expect("kept").address;
    assert_eq!(frame, request, "the record of the fault names the address in the error");
    world.machine.memory().set_bus_master(true);
    let word = world.machine.memory().device().read_u32(frame).expect("it is mapped");
    assert_eq!(Function((word >> 24) as u8), Function::IOC_FACTS, "it asks, and changes nothing");
}

#[test]
fn b14_memory_is_planned_before_init_in_pages_and_nothing_is_allocated_per_task() {
    for page_size in [4096, 16384] {
        let config = Mpi1Config { page_size, ..Mpi1Config::default() };
        let mut world = Setup { config, ..Setup::default() }.build();
        let mut batch = Batch::new(8);
        let plan = loop {
            let now = world.host.platform().now();
            let mut registers = world.machine.registers();
            let progress = world.host.adapter().poll(now, &mut registers, &mut batch);
            match progress.need {
                Some(Need::Memory(plan)) => break plan,
                _ => world.host.platform().wait(progress.next.unwrap_or(now)),
            }
        };
        assert!(plan.regions.len() < 8, "a handful of regions, whatever the depth");
        assert!(plan.regions.iter().all(|r| r.len % page_size as usize == 0 && r.align >= 8));
        let accesses = world.machine.memory().accesses();
        assert_eq!((accesses.reads, accesses.writes), (0, 0), "no DMA before there is memory");
        world.host.bring_up().expect_err("the plan was taken by hand and not answered");
    }
}

#[test]
fn b01_memory_outside_the_window_is_refused_before_any_doorbell() {
    let config = Mpi1Config {
        window: DmaWindow::of_width(AddressWidth::BITS_32)
            .within(BusAddr::new(0), BusAddr::new(0x7fff_ffff)),
        ..Mpi1Config::default()
    };
    let mut world = Setup { config, ..Setup::default() }.build();
    let platform = SimPlatform::new(world.machine.clone());
    *world.host.platform() = platform.with_placement(Placement::GroupsApart).heedless();
    let error = world.host.bring_up().expect_err("the host does not heed the window");
    assert!(error.to_string().starts_with("request frames of"), "{error}");
    let accesses = world.machine.memory().accesses();
    assert_eq!((accesses.reads, accesses.writes), (0, 0));
}

#[test]
fn every_block_of_a_deep_queue_reads_back() {
    let mut world = Setup::default().start();
    let unit = world.units().remove(0);
    let depth = u64::from(world.host.limits().expect("operational").queue_depth);
    for lba in 0..depth {
        let mut data = world.host.platform().buffer(4096).expect("memory");
        data.write(&[lba as u8; 4096]);
        let write =
            unit.write(Lba(8 * lba), 8, Fua::Off, Some(data), Cookie(lba)).expect("in range");
        assert!(world.host.submit(write).is_ok(), "command {lba} of {depth}");
    }
    let extra = world.request(0, &READ_8, Transfer::from_device(4096));
    let refused = world.host.submit(extra).expect_err("every tag is out");
    assert!(refused.into_task_set_full().is_ok());
    assert!(world.collect(depth as usize).iter().all(Completion::is_done));
    for lba in 0..depth {
        let data = world.host.platform().buffer(4096).expect("memory");
        let read = unit.read(Lba(8 * lba), 8, Some(data), Cookie(lba)).expect("in range");
        assert!(world.host.submit(read).is_ok());
    }
    for done in world.collect(depth as usize) {
        let mut bytes = [0; 4096];
        done.data.as_ref().expect("it came home").read(&mut bytes);
        assert_eq!(bytes, [done.cookie.0 as u8; 4096]);
    }
}

/// Starts `count` reads with a deadline of half a second on a target that holds them.
fn start_held(world: &mut World, count: usize) {
    world.units();
    world.host.take_events();
    world.machine.hold(0, true);
    for _ in 0..count {
        let read = world.request(0, &READ_8, Transfer::from_device(4096));
        assert!(world.host.submit(read.with_timeout(Timeout::from_millis(500))).is_ok());
    }
}

#[test]
fn a_command_out_of_time_is_aborted_and_its_neighbour_goes_on() {
    let mut world = Setup::default().start();
    start_held(&mut world, 1);
    let neighbour = world.request(1, &READ_8, Transfer::from_device(4096));
    assert!(world.host.submit(neighbour).is_ok());
    let done = world.collect(2);
    assert!(is_good(done[0].outcome) && done[0].cookie == Cookie(1));
    assert_eq!(done[1].outcome, Outcome::Failed(Failure::TimedOut));
    assert_eq!(done[1].effect(), Effect::Indeterminate);
    world.expect_silence();
    assert!(world.saw(|e| matches!(e, ControlEvent::Recovered(_, Rung::Abort))));
}

#[test]
fn the_ladder_goes_up_to_the_controller_when_no_function_helps() {
    let mut world = Setup::default().start();
    start_held(&mut world, 3);
    world.machine.with_controller(|c| c.faults_mut().swallow_task_management = 100);
    let done = world.collect(3);
    assert!(done.iter().all(|c| c.outcome == Outcome::Failed(Failure::TimedOut)), "{done:?}");
    world.machine.with_controller(|c| c.faults_mut().swallow_task_management = 0);
    world.machine.hold(0, false);
    world.host.bring_up().expect("operational again");
    let events = world.host.take_events();
    let rungs: Vec<_> = events
        .iter()
        .filter_map(|e| match e {
            ControlEvent::Recovering(_, rung) => Some(*rung),
            _ => None,
        })
        .collect();
    assert_eq!(rungs, [Rung::Abort, Rung::LogicalUnitReset, Rung::TargetReset]);
    assert!(events.contains(&ControlEvent::ResetBegun(ResetReason::LadderExhausted)), "{events:?}");
    world.expect_silence();
    assert!(world.units().len() == 2);
}

#[test]
fn b30_a_controller_that_is_given_up_is_not_touched_and_everything_ends() {
    let recovery = RecoveryConfig { resets_max: 3, ..RecoveryConfig::default() };
    let mut world = Setup { recovery, ..Setup::default() }.start();
    start_held(&mut world, 5);
    let mut resets = 0;
    while world.host.adapter().stopped().is_none() {
        if world.host.adapter().control().is_operational() {
            resets += 1;
            world.machine.with_controller(|c| c.force_fault(FaultCode(0x5862)));
        }
        world.host.poll(|_| ()).expect("poll");
        assert!(resets < 100_000);
    }
    // There is the proof that it is over: no queue looks at its FIFO once more.
    world.machine.forbid_access();
    world.host.poll(|_| ()).expect("poll");
    assert_eq!(world.host.adapter().outstanding(), 0);
    let events = world.host.take_events();
    let begun = events.iter().filter(|e| matches!(e, ControlEvent::ResetBegun(_))).count();
    assert_eq!(begun, 4, "three resets, and one that was not permitted");
    assert!(events.contains(&ControlEvent::GivenUp));
    let read = world.request(0, &READ_8, Transfer::from_device(4096));
    assert!(world.host.submit(read).is_err());
    world.expect_silence();
    assert_eq!(world.machine.stray_accesses(), 0);
}

#[test]
fn b30_a_controller_that_left_the_bus_is_not_touched_and_everything_ends_once() {
    let mut world = Setup::default().start();
    start_held(&mut world, 40);
    world.machine.with_controller(|c| c.faults_mut().removed = true);
    let begun = world.host.platform().now();
    let done = world.collect(40);
    assert!(
        done.iter().all(|c| c.outcome == Outcome::Failed(Failure::ControllerGone)),
        "{:?}",
        done[0].outcome
    );
    assert!(done.iter().all(|c| c.data.is_some()), "every buffer came home");
    let took = world.host.platform().now().since(begun);
    assert!(took <= Duration::from_secs(2), "found by the watchdog after {took:?}");
    assert!(!world.saw(|e| matches!(e, ControlEvent::ResetBegun(_))), "nobody is there to reset");
    world.machine.forbid_access();
    world.expect_silence();
    let read = world.request(0, &READ_8, Transfer::from_device(4096));
    assert!(world.host.submit(read).is_err());
    world.host.adapter().shutdown();
    world.host.adapter().request_reset(begun);
    world.expect_silence();
    assert_eq!(world.machine.stray_accesses(), 0);
    assert!(world.host.adapter().stopped().is_some());
}

#[test]
fn b30_the_platform_may_say_so_first() {
    let mut world = Setup::default().start();
    start_held(&mut world, 4);
    world.host.adapter().handle_gone();
    world.machine.forbid_access();
    let done = world.collect(4);
    assert!(done.iter().all(|c| c.outcome == Outcome::Failed(Failure::ControllerGone)));
    world.expect_silence();
    assert_eq!(world.machine.stray_accesses(), 0);
}

#[test]
fn b25_no_stray_reply_completes_a_command() {
    let mut world = Setup::default().start();
    start_held(&mut world, 4);
    // Contexts of generations long past, and of a type that is not ours.
    let strays = [0, 0x0000_0400, 0x1fff_fc00, 0x1fff_fc01, 0x6000_0001, 0x2000_0000];
    world.machine.with_controller(|c| c.faults_mut().stray_replies.extend(strays));
    let before = world.host.platform().now();
    while world.host.platform().now().since(before) < Duration::from_millis(200) {
        world.host.poll(|done| panic!("completed by a stray: {done:?}")).expect("poll");
    }
    let counters = *world.host.adapter().queues()[0].counters();
    assert!(counters.stale + counters.unknown + counters.malformed >= 6, "{counters}");
    world.machine.hold(0, false);
    assert!(world.collect(4).iter().all(Completion::is_done));
}

/// Contexts that no request has or had, and addresses outside the pool: such a controller is reset, and is well afterwards.
#[test]
fn b25_a_reply_that_cannot_be_explained_ends_in_a_reset() {
    let contexts = [0x0000_03ff, 0x1fff_ffff, 0x000f_fc00, 0x0fff_fc01];
    for stray in contexts.into_iter().chain([0x8000_0000, 0xc000_0040, 0xfffe_0000]) {
        let mut world = Setup::default().start();
        start_held(&mut world, 4);
        world.machine.with_controller(|c| c.faults_mut().stray_replies.push(stray));
        let ended = world.collect(4);
        assert!(
            ended.iter().all(|end| end.outcome == Outcome::Failed(Failure::Reset)),
            "{ended:?}"
        );
        world.expect_silence();
        let distrust =
            |e: &ControlEvent| matches!(e, ControlEvent::ResetBegun(ResetReason::Distrust(_)));
        assert!(world.saw(distrust), "{stray:#x}");
        world.machine.hold(0, false);
        assert_eq!(world.units().len(), 2);
    }
}

#[test]
fn b33_duplicated_replies_complete_a_command_once() {
    let mut world = Setup::default().start();
    world.units();
    world.machine.with_controller(|c| c.faults_mut().duplicate_replies = 200);
    for _ in 0..200 {
        let read = world.send(0, &READ_8, Transfer::from_device(4096));
        assert!(read.completion.is_done(), "{:?} {:x?}", read.completion, read.sense);
    }
    world.expect_silence();
    let counters = *world.host.adapter().queues()[0].counters();
    assert_eq!(counters.submitted, counters.completed);
    assert!(counters.stale >= 200, "{counters}");
}

#[test]
fn b33_a_reply_frame_that_comes_twice_ends_its_command_once() {
    let mut world = Setup::default().start();
    world.units();
    world.machine.with_controller(|c| c.faults_mut().duplicate_replies = 1);
    let unknown = world.send(0, &[0xff, 0, 0, 0, 0, 0], Transfer::NONE);
    assert!(!is_good(unknown.completion.outcome));
    world.expect_silence();
    let counters = *world.host.adapter().queues()[0].counters();
    assert_eq!(
        counters.malformed, 1,
        "the second reply names a frame that is not the controller's: {counters}"
    );
    assert_eq!(counters.submitted, counters.completed);
    // A controller that uses a frame it does not have may write anywhere.
    assert!(world.saw(|e| matches!(e, ControlEvent::ResetBegun(_))));
    assert_eq!(world.units().len(), 2);
}

#[test]
fn a_controller_that_firmware_left_operational_is_taken_over() {
    let mut first = Setup::default().start();
    first.units();
    // The first driver vanishes without a word; another finds the machine as it is.
    let machine = first.machine.clone();
    core::mem::forget(first.host);
    let mut second = World { host: hba_tests::sim::host_on(&machine), machine, disks: first.disks };
    second.host.bring_up().expect("taken over");
    assert_eq!(second.units().len(), 2);
}

#[test]
fn shutdown_ends_everything_and_proves_that_the_controller_is_still() {
    let mut world = Setup::default().start();
    start_held(&mut world, 3);
    world.host.shutdown().expect("it stops");
    assert!(world.host.adapter().stopped().is_some());
    assert_eq!(world.host.adapter().outstanding(), 0);
}

#[test]
fn a_disk_that_is_pulled_departs_and_another_arrives() {
    let mut world = Setup::default().start();
    world.units();
    world.host.take_events();
    let disk = world.machine.detach(1).expect("it was there");
    let departed = |e: &ControlEvent| matches!(e, ControlEvent::TargetDeparted(id) if id.id == 1);
    let mut seen = false;
    for _ in 0..100 {
        world.host.poll(|_| ()).expect("poll");
        seen |= world.saw(departed);
    }
    assert!(seen);
    assert_eq!(world.units().len(), 1);
    drop(disk);
    assert!(world.machine.attach(1, world.disks[1].clone()).is_ok());
    for _ in 0..100 {
        world.host.poll(|_| ()).expect("poll");
    }
    assert_eq!(world.units().len(), 2);
}

#[test]
fn a_disk_that_vanished_during_a_reset_departs() {
    let mut world = Setup::default().start();
    world.units();
    // Nothing tells: the controller is in fault when the disk goes.
    world.machine.with_controller(|c| c.force_fault(FaultCode(0x1234)));
    assert!(world.machine.detach(1).is_some());
    world.host.take_events();
    while !world.saw(|e| matches!(e, ControlEvent::TargetDeparted(id) if id.id == 1)) {
        world.host.poll(|_| ()).expect("poll");
        assert!(world.host.platform().now().as_nanos() < 100_000_000_000, "it departs");
    }
    world.host.bring_up().expect("operational");
    assert_eq!(world.host.adapter().control().targets().len(), 1);
    assert_eq!(world.units().len(), 1);
}
