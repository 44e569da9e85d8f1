//! Stories of the driver on the register-level SAS2008 and SAS3008: a disk that leaves and comes, a controller that stops.

extern crate alloc;

use alloc::sync::Arc;
use core::time::Duration;

use hba_core::control::{ControlEvent, RecoveryConfig};
use hba_core::dispatch::ClassTimeouts;
use hba_core::host::{Host, Platform};
use mpt_backend::mpi2::{Mpi2, Mpi2Config};
use sim_backend::controller::ControllerModel;
use sim_backend::disk::{DiskConfig, SimDisk};
use sim_backend::machine::SimMachine;
use sim_backend::memory::SimMemory;
use sim_backend::mpi2::{Mpi2Controller, Personality};
use sim_backend::platform::SimPlatform;

type World = (Arc<SimMachine<Mpi2Controller>>, Host<Mpi2, SimPlatform<Mpi2Controller>>);

const PARTS: [fn() -> Personality; 2] = [Personality::sas2008, Personality::sas3008];

fn disk(slot: u32) -> SimDisk {
    SimDisk::new(&DiskConfig::nth(slot, 2048)).expect("a disk")
}

/// Two disks, five vectors, operational.
fn world(part: Personality) -> World {
    let memory = SimMemory::new(1 << 30);
    let model = Mpi2Controller::new(part.with_vectors(5), memory.device());
    let machine = Arc::new(SimMachine::new(model, memory));
    for slot in 0..2 {
        assert!(machine.attach(slot as usize, disk(slot)).is_ok());
    }
    let config = Mpi2Config { vectors: 5, whole_descriptors: true, ..Mpi2Config::default() };
    let (recovery, timeouts) = (RecoveryConfig::default(), ClassTimeouts::default());
    let platform = SimPlatform::new(machine.clone());
    let mut host = Host::new(Mpi2::new(config), platform, recovery, timeouts);
    host.bring_up().expect("the controller comes up");
    assert_eq!(host.discover().expect("discovery ends").units.len(), 2);
    let _ = host.take_events();
    (machine, host)
}

/// Polls until an event is there that `wanted` takes.
fn await_event(world: &mut World, wanted: impl Fn(&ControlEvent) -> bool) -> Vec<ControlEvent> {
    let mut events = Vec::new();
    for _ in 0..10_000 {
        world.1.poll(|_| {}).expect("poll");
        world.0.advance(Duration::from_millis(10));
        events.extend(world.1.take_events());
        if events.iter().any(&wanted) {
            return events;
        }
    }
    panic!("not in {events:?} at {:?}", world.1.platform().now());
}

#[test]
fn a_disk_leaves_and_comes_back_on_mpi2() {
    for part in PARTS {
        let mut world = world(part());
        let handle = world.1.adapter().control().targets()[1].id;
        for _ in 0..3 {
            assert!(world.0.detach(1).is_some());
            let left = |event: &ControlEvent| *event == ControlEvent::TargetDeparted(handle);
            let _ = await_event(&mut world, left);
            // The handle is free again only when the second step of the removal was taken.
            for _ in 0..200 {
                world.1.poll(|_| {}).expect("poll");
                world.0.advance(Duration::from_millis(10));
            }
            assert!(world.0.attach(1, disk(1)).is_ok());
            let came = |event: &ControlEvent| matches!(event, ControlEvent::TargetArrived(_));
            let events = await_event(&mut world, came);
            assert!(!events.iter().any(|e| matches!(e, ControlEvent::ResetBegun(_))), "{events:?}");
            assert_eq!(world.1.discover().expect("discovery ends").units.len(), 2);
        }
    }
}

#[test]
fn a_fault_is_recovered_from_on_mpi2() {
    for part in PARTS {
        let mut world = world(part());
        assert!(world.0.with_controller(|c| c.stop_with_fault(0x5862)));
        let events = await_event(&mut world, |event| matches!(event, ControlEvent::Operational));
        assert!(events.iter().any(|e| matches!(e, ControlEvent::ResetBegun(_))), "{events:?}");
        assert_eq!(world.1.discover().expect("discovery ends").units.len(), 2);
    }
}
