//! The device's thread: it works, moves the clock, interrupts, and misbehaves.

use core::time::Duration;
use std::thread;

use sim_backend::direct::{DirectController, Faults};
use sim_backend::schedule::SplitMix64;

use super::ledger::count;
use super::world::{DISKS, Phase, World};

/// How far the clock moves each time that the device worked.
const TICK: Duration = Duration::from_micros(50);

pub(super) fn run(world: &World) {
    let mut rng = SplitMix64::new(world.seed ^ 0xdef1_ce00);
    let mut quiet = None;
    while world.phase() != Phase::Ended {
        let load = world.phase() == Phase::Load;
        let done = world.machine.run(64).done;
        world.pass_time(TICK);
        interrupt(world, load.then_some(&mut rng));
        if load {
            misbehave(world, &mut rng, &mut quiet);
        } else if let Some(slot) = quiet.take() {
            world.machine.hold(slot, false);
        }
        if !load {
            world
                .machine
                .with_controller(|controller| *controller.faults_mut() = Faults::default());
        }
        if done == 0 {
            thread::sleep(Duration::from_micros(20));
        }
    }
}

/// Interrupts whom it has news for; sometimes not, sometimes somebody else, too.
fn interrupt(world: &World, rng: Option<&mut SplitMix64>) {
    let vectors = world.machine.with_controller(DirectController::take_vectors);
    let Some(rng) = rng else {
        return raise(world, vectors);
    };
    let mut bits = vectors;
    for at in 0..world.lanes.len() {
        match rng.below(32) {
            0 if bits >> at & 1 != 0 => {
                bits &= !(1 << at);
                count(&world.counts.lost_interrupts);
            }
            1 if bits >> at & 1 == 0 => {
                bits |= 1 << at;
                count(&world.counts.spurious);
            }
            _ => {}
        }
    }
    raise(world, bits);
}

fn raise(world: &World, bits: u16) {
    for (at, lane) in world.lanes.iter().enumerate() {
        if bits >> at & 1 != 0 {
            count(&world.counts.interrupts);
            lane.raise();
        }
    }
}

fn misbehave(world: &World, rng: &mut SplitMix64, quiet: &mut Option<usize>) {
    match rng.below(4096) {
        0..4 => {
            // A disk goes quiet; commands to it expire, and the ladder is climbed.
            if let Some(slot) = quiet.take() {
                world.machine.hold(slot, false);
            } else {
                let slot = rng.below(DISKS.into()) as usize;
                world.machine.hold(slot, true);
                *quiet = Some(slot);
            }
        }
        4 => fault(world, |faults| faults.lose_replies = 1),
        5 => fault(world, |faults| faults.duplicate_replies = 2),
        6 => fault(world, |faults| faults.foreign_vector = 1),
        7 => fault(world, |faults| faults.stale_generation = 2),
        8 => fault(world, |faults| faults.swallow_task_management = 1),
        _ => {}
    }
}

fn fault(world: &World, order: impl FnOnce(&mut Faults)) {
    world.machine.with_controller(|controller| order(controller.faults_mut()));
}
