//! A soak: real threads on `sim:direct`, five vectors, everything at once, and counters that must be zero at the end.
//!
//! Each vector has a thread that sleeps until its [`Kick`](hba_core::sync::Kick) is raised; queues are
//! [`SharedQueue`](hba_core::sync::SharedQueue)s, because the other threads come in too: they submit, abort, look for
//! deadlines and service, on any vector. Control has a thread; values reach it through a mailbox from each of the others. The
//! device has one, which loses interrupts, invents some, lets disks go quiet, loses, doubles and misplaces replies.
//!
//! A soak is a sequence of rounds. Each attaches a controller, puts it under load for a while, lets everything end, fills
//! every queue to its last slot, shuts down, and counts. `facade` does the same to the async facade, with tasks.

mod control;
mod device;
mod facade;
mod hand;
mod ledger;
mod vector;
mod world;

use core::time::Duration;
use std::thread;
use std::time::Instant;

pub use ledger::Tally;
use world::{Phase, World};

/// How hard a soak is.
#[derive(Clone, Copy, Debug)]
pub struct Soak {
    /// Vectors.
    pub vectors: u16,
    /// Slots of each.
    pub depth: u16,
    /// Threads that submit, beside those of the vectors.
    pub submitters: u64,
    /// How long the load of one round lasts.
    pub round: Duration,
    /// Where the random choices start. The threads' timing is not in it: a seed does not repeat a run.
    pub seed: u64,
}

impl Default for Soak {
    /// Five vectors of 16 slots, two submitters, rounds of 5 s.
    fn default() -> Self {
        Self { vectors: 5, depth: 16, submitters: 2, round: Duration::from_secs(5), seed: 1 }
    }
}

/// What a thread waits for before it gives up on the others.
const PATIENCE: Duration = Duration::from_secs(60);

impl Soak {
    /// One round.
    ///
    /// # Panics
    ///
    /// If a command does not end, ends twice, or with another's data; if a slot, a buffer or a ticket is missing at the end;
    /// if the device touched memory that it was not given. A panic ends the process's other threads only with it.
    pub fn round(&self) -> Tally {
        let (world, mut ends) = World::attach(self);
        thread::scope(|scope| {
            let world = &world;
            for (lane, end) in world.lanes.iter().zip(ends.vectors) {
                let thread = scope.spawn(move || vector::run(world, end));
                lane.wakes(thread.thread().clone());
            }
            for outbox in ends.submitters.drain(1..) {
                scope.spawn(move || hand::submit_until_settled(world, outbox));
            }
            scope.spawn(move || device::run(world));
            scope.spawn(move || control::run(world, ends.control));
            let mut hand = hand::Hand::new(world, ends.submitters.remove(0));
            thread::sleep(self.round);
            world.enter(Phase::Settling);
            wait_until("every command to end", world, || world.is_idle());
            hand.fill_every_queue();
            wait_until("the last commands to end", world, || world.is_idle());
            world.enter(Phase::Stopping);
            wait_until("the end", world, || world.phase() == Phase::Ended);
        });
        world.audit()
    }
}

fn wait_until(what: &str, world: &World, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "waited for {what}: {}", world.describe());
        thread::sleep(Duration::from_millis(1));
    }
}
