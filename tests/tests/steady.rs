//! A soak on one thread in virtual time, with everything that goes wrong now and then: nothing is left behind (b18).
//!
//! `HBA_COMMANDS` says how many commands; `tests/run --commands N` sets it.

extern crate alloc;

mod counting;

use core::time::Duration;
use std::time::Instant as WallClock;

use hba_core::command::{Cookie, Nexus, Outcome, Request, Transfer};
use hba_core::control::ControlEvent;
use hba_core::dma::RegionBuffer;
use hba_core::durability::FlushError;
use hba_core::host::{Data, Platform};
use hba_core::queue::Vector;
use hba_tests::scene::{DirectScene, attention, direct, usual_disk};
use scsi_proto::command::{self, Access, Command as _, Inquiry};
use scsi_proto::{Lba, Status};
use sim_backend::disk::{Condition, DiskConfig, Times};
use sim_backend::schedule::{CompletionOrder, Schedule, SplitMix64};

/// Unoptimised code takes fewer, and `tests/run` runs the optimised.
const COMMANDS: u64 = if cfg!(debug_assertions) { 5_000 } else { 1_000_000 };
/// Rounds; everything is counted after each.
const ROUNDS: u64 = 10;
/// Commands between two faults.
const QUIET: u64 = if cfg!(debug_assertions) { 500 } else { 2_000 };
const DEPTH: usize = 32;
const VECTORS: u64 = 4;
/// Blocks of memory that come and go; it is the same after ten rounds as after a thousand.
const BLOCKS_SLACK: i128 = 8;
/// Blocks of a transfer at most.
const BLOCKS: u64 = 8;

struct Steady {
    scene: DirectScene,
    pool: Vec<RegionBuffer>,
    prng: SplitMix64,
    /// Commands that have ended.
    ended: u64,
    good: u64,
    next_fault: u64,
    faults: u64,
    resets: u64,
}

impl Steady {
    fn new() -> Self {
        let mut scene = direct(&DiskConfig { cache_blocks: 256, ..usual_disk() });
        let schedule = Schedule::new(CompletionOrder::Seeded(18))
            .with_delay(Duration::from_micros(5), Duration::from_micros(60));
        scene.machine.with_controller(|controller| controller.set_schedule(schedule));
        let len = BLOCKS as usize * 512;
        let pool = (0..DEPTH).map(|_| scene.host.platform().buffer(len).expect("memory")).collect();
        let prng = SplitMix64::new(18);
        Self { scene, pool, prng, ended: 0, good: 0, next_fault: QUIET, faults: 0, resets: 0 }
    }

    /// So many commands more, and then quiet: everything has ended, and the disk is flushed.
    fn round(&mut self, commands: u64) {
        let until = self.ended + commands;
        while self.ended < until {
            self.submit();
            self.poll();
            if self.ended >= self.next_fault {
                self.next_fault = self.ended + QUIET;
                self.fault();
            }
        }
        self.scene.machine.hold(0, false);
        self.scene.disk.lock().unit(0).expect("unit").clear_faults();
        while self.scene.host.adapter().outstanding() > 0 || !self.is_up() {
            self.poll();
        }
        loop {
            match self.scene.flush() {
                Ok(_) => break,
                Err(FlushError::Loss(loss)) => self.scene.acknowledge(loss),
                Err(error) => panic!("{error}"),
            }
        }
        self.events();
    }

    fn is_up(&mut self) -> bool {
        let adapter = self.scene.host.adapter();
        adapter.control().is_operational()
            && adapter.queues().iter().all(hba_core::queue::IoQueue::is_open)
    }

    fn submit(&mut self) {
        while let Some(buffer) = self.pool.pop() {
            let vector = Vector(self.prng.below(VECTORS) as u16);
            let request = self.request(buffer);
            if let Err(rejected) = self.scene.host.submit_on(vector, request) {
                self.pool.extend(rejected.request.data);
                return;
            }
        }
    }

    fn request(&mut self, mut buffer: RegionBuffer) -> Request<Data> {
        let nexus: Nexus = self.scene.nexus();
        let blocks = 1 + self.prng.below(BLOCKS) as u32;
        let lba = Lba(self.prng.below(4096 - BLOCKS));
        let fua = Access { fua: true, ..Access::default() };
        let (cdb, transfer) = match self.prng.below(16) {
            0..=6 => {
                (command::read(lba, blocks, Access::default()), Transfer::from_device(blocks * 512))
            }
            7..=12 => {
                (command::write(lba, blocks, Access::default()), Transfer::to_device(blocks * 512))
            }
            13 => (command::write(lba, blocks, fua), Transfer::to_device(blocks * 512)),
            14 => (Ok(command::flush_all()), Transfer::NONE),
            _ => {
                let inquiry = Inquiry { allocation_length: 36, ..Inquiry::default() };
                (Ok(inquiry.cdb()), Transfer::from_device(36))
            }
        };
        buffer.scatter(&[transfer.length.max(4)], 0);
        Request::new(nexus, cdb.expect("in range"), transfer, Some(buffer), Cookie(self.ended))
    }

    fn poll(&mut self) {
        let (pool, ended, good) = (&mut self.pool, &mut self.ended, &mut self.good);
        let polled = self.scene.host.poll(|done| {
            *ended += 1;
            *good += u64::from(done.completion.outcome == Outcome::Status(Status::GOOD));
            pool.extend(done.completion.data);
        });
        polled.expect("it is there");
        assert!(self.scene.host.adapter().stopped().is_none(), "the controller was given up");
    }

    fn fault(&mut self) {
        self.faults += 1;
        self.events();
        let mut disk = self.scene.disk.lock();
        let mut unit = disk.unit(0).expect("unit");
        unit.clear_faults();
        let held = match self.faults % 9 {
            0 => {
                unit.refuse_commands(Status::BUSY, Times::Next(5));
                false
            }
            1 => {
                unit.refuse_commands(Status::TASK_SET_FULL, Times::Next(5));
                false
            }
            2 => {
                unit.raise_attention(attention(0x2a, 0x01));
                false
            }
            3 => {
                unit.defer_error(Lba(5), Condition::WRITE_ERROR);
                false
            }
            4 => {
                unit.fail_flushes(Condition::WRITE_ERROR, Times::Next(2));
                false
            }
            5 => {
                unit.limit_data(512, Times::Next(3));
                false
            }
            _ => true,
        };
        drop(disk);
        match self.faults % 9 {
            6 => self.scene.blink(),
            7 => self.reset(),
            _ => {}
        }
        // The disk says nothing, until the ladder has ended what it had.
        self.scene.machine.hold(0, held && self.faults.is_multiple_of(9));
        if held && self.faults % 9 == 8 {
            self.scene.machine.hold(0, true);
            let all = self.scene.host.adapter().outstanding() as u64;
            let until = self.ended + all;
            while self.ended < until && self.scene.host.adapter().outstanding() > 0 {
                self.poll();
            }
            self.scene.machine.hold(0, false);
        }
    }

    /// The controller is reset with commands outstanding, long enough after the last time: one that is reset again and again
    /// would be given up.
    fn reset(&mut self) {
        while self.scene.host.adapter().outstanding() > 0 {
            self.poll();
        }
        self.scene.machine.advance(Duration::from_secs(300));
        self.submit();
        let now = self.scene.machine.now();
        self.scene.host.adapter().request_reset(now);
    }

    fn events(&mut self) {
        let events = self.scene.host.take_events();
        let resets = events.iter().filter(|event| matches!(event, ControlEvent::ResetBegun(_)));
        self.resets += resets.count() as u64;
    }

    /// What has to be as it was: counters of the core, memory of the caller, and everything that was ever allocated.
    fn at_rest(&mut self) -> i128 {
        assert_eq!(self.pool.len(), DEPTH, "every buffer is home");
        assert!(!self.scene.books().dirty, "nothing is dirty after a flush");
        assert_eq!(self.scene.books().loss, None);
        let adapter = self.scene.host.adapter();
        assert!(adapter.dirty_units().is_empty());
        assert!(!adapter.control().is_recovering());
        for queue in adapter.queues() {
            let counters = queue.counters();
            assert_eq!(
                (counters.submitted, queue.outstanding()),
                (counters.completed, 0),
                "{counters}"
            );
            assert_eq!((counters.unknown, counters.malformed), (0, 0), "{counters}");
            assert_eq!(queue.next_deadline(), None, "no deadline without a command");
        }
        assert_eq!(self.scene.disk.lock().unit(0).expect("unit").cached_blocks(), 0);
        let (allocated, freed) = counting::so_far();
        i128::from(allocated) - i128::from(freed)
    }
}

#[test]
fn b18_soak_leaves_every_counter_where_it_was() {
    let wanted = std::env::var("HBA_COMMANDS").ok().and_then(|text| text.parse().ok());
    let commands = wanted.unwrap_or(COMMANDS).max(ROUNDS * QUIET);
    let mut steady = Steady::new();
    // Memory grows to its bound at first.
    steady.round(20 * QUIET);
    let before = steady.at_rest();
    let (begun, first) = (WallClock::now(), steady.ended);
    for round in 0..ROUNDS {
        steady.round(commands / ROUNDS);
        let after = steady.at_rest();
        // A queue that is empty may have given its block back, or not.
        let grown = after - before;
        assert!(grown <= BLOCKS_SLACK, "{grown} blocks of memory more after round {round}");
    }
    let (took, ended) = (begun.elapsed(), steady.ended - first);
    println!(
        "{ended} commands, {} of them good, {} faults, {} resets, in {:.1} s: {:.0} ns each",
        steady.good,
        steady.faults,
        steady.resets,
        took.as_secs_f64(),
        took.as_nanos() as f64 / ended as f64
    );
    assert!(steady.good > ended / 2 && steady.resets > 0, "{} good", steady.good);
}
