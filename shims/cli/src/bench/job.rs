//! What one worker does: send, wait, send again.

use core::cell::{Cell, RefCell};
use core::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use hba_core::command::Outcome;
use hba_core::host::Data;
use hba_core::logical_unit::{Fua, LogicalUnit};
use hba_core::port::QueuePort;
use hba_core::register::Registers;
use hba_core::runtime::{Clock, Hba};
use scsi_proto::{Lba, Status};
use sim_backend::schedule::SplitMix64;

use super::tally::{Tally, Window};
use super::{BenchError, Mode, Plan};

/// What the workers of one vector share.
pub(super) struct Job<'a> {
    plan: &'a Plan,
    window: Window,
    /// A command failed, on this vector or another.
    failed: &'a AtomicBool,
    tally: RefCell<Tally>,
    places: Vec<Places>,
    random: Cell<SplitMix64>,
}

/// Where on one disk the commands of one vector go: places of the commands' size.
struct Places {
    first: u64,
    count: u64,
    /// Of sequential commands.
    next: Cell<u64>,
}

impl Places {
    /// The vector's part of the disk. A disk with fewer places than vectors is everybody's.
    fn new(unit: &LogicalUnit, plan: &Plan, vector: u16) -> Self {
        let all = unit.blocks / u64::from(plan.bytes / unit.block_size.0);
        let part = all / u64::from(plan.vectors);
        let (first, count) = if part == 0 { (0, all) } else { (part * u64::from(vector), part) };
        Self { first, count, next: Cell::new(0) }
    }

    fn advance(&self) -> u64 {
        let next = self.next.get();
        self.next.set((next + 1) % self.count);
        self.first + next
    }
}

impl<'a> Job<'a> {
    pub(super) fn new(plan: &'a Plan, window: Window, vector: u16, failed: &'a AtomicBool) -> Self {
        let places = plan.units.iter().map(|unit| Places::new(unit, plan, vector)).collect();
        let random = Cell::new(SplitMix64::new(u64::from(vector)));
        Self { plan, window, failed, tally: RefCell::new(Tally::new(&window)), places, random }
    }

    pub(super) fn into_tally(self) -> Tally {
        self.tally.into_inner()
    }

    fn draw(&self) -> u64 {
        let mut random = self.random.get();
        let drawn = random.draw();
        self.random.set(random);
        drawn
    }

    /// Whether to write, and which block is the first.
    fn next(&self, disk: usize) -> (bool, u64) {
        let (places, plan) = (&self.places[disk], self.plan);
        let blocks = u64::from(plan.bytes / plan.units[disk].block_size.0);
        let write = match plan.mode {
            Mode::RandRw => self.draw() & 1 == 1,
            mode => mode.writes(),
        };
        let place = if plan.mode.is_random() {
            places.first + self.draw() % places.count
        } else {
            places.advance()
        };
        (write, place * blocks)
    }

    /// Worker number `number` of the vector that `hba` sends on.
    pub(super) async fn work<Q, R, C>(
        &self,
        hba: &Hba<Q, R, C, Data>,
        number: usize,
        mut data: Data,
    ) -> Result<(), BenchError>
    where
        Q: QueuePort,
        R: Registers + Clone,
        C: Clock,
    {
        let disk = number % self.plan.units.len();
        let unit = &self.plan.units[disk];
        let blocks = self.plan.bytes / unit.block_size.0;
        let mut began = Instant::now();
        while began < self.window.end && !self.failed.load(Ordering::Relaxed) {
            let (write, lba) = self.next(disk);
            let sent = match write {
                true => hba.write(unit, Lba(lba), blocks, Fua::Off, data),
                false => hba.read(unit, Lba(lba), blocks, data),
            };
            let (result, memory) = sent.await;
            data = memory;
            let ended = Instant::now();
            match result {
                Ok(answer) if answer.is_done() => {
                    self.tally.borrow_mut().count(&self.window, write, began, ended);
                }
                Ok(answer) if is_busy(answer.outcome) => self.tally.borrow_mut().busy += 1,
                Ok(answer) => return Err(BenchError::command(unit, write, lba, &answer)),
                Err(error) => return Err(BenchError::not_sent(error)),
            }
            began = ended;
        }
        Ok(())
    }
}

const fn is_busy(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Status(Status::BUSY | Status::TASK_SET_FULL))
}
