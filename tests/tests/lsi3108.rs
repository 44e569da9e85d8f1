//! The workload of the report about an LSI 3108 whose files were corrupt beyond 128 MB, and what may have been behind it:
//! 512 KiB at a time in 129 segments, 32-bit data addresses, 4 and 16 KiB pages, many commands at once whose completions
//! come in any order, spread over 20 GiB. Every block says where it belongs and which write it is from.

extern crate alloc;

use alloc::sync::Arc;
use core::ops::Range;

use hba_core::command::{Completion, Cookie, Effect, Nexus, Request, Transfer};
use hba_core::dma::{AddressWidth, DmaWindow};
use hba_core::host::Platform;
use hba_core::queue::Vector;
use hba_tests::naive::{Mistake, NaivePort};
use hba_tests::rig::Rig;
use hba_tests::scattered::Scattered;
use mpt_backend::mpi2::{Mpi2, Mpi2Config};
use scsi_proto::command::{self, Access, Command as _, TestUnitReady};
use scsi_proto::{Lba, Lun};
use sim_backend::disk::{DiskConfig, SharedDisk, SimDisk, Times};
use sim_backend::machine::SimMachine;
use sim_backend::memory::SimMemory;
use sim_backend::mpi2::{Mpi2Controller, Personality};
use sim_backend::platform::SimPlatform;
use sim_backend::schedule::{CompletionOrder, Schedule};

const BLOCK: usize = 512;
/// Bytes of each command.
const LEN: usize = 512 << 10;
const BLOCKS: u32 = (LEN / BLOCK) as u32;
/// Bytes of the disk that the commands are spread over.
const SPAN: u64 = 20 << 30;
const EXTENTS: u64 = SPAN / LEN as u64;
/// Lists are made per page of this size, however long the pages of the host are.
const LIST_PAGE: usize = 4096;
/// Commands at once, and how many in all. Optimised code, which `tests/run` runs, writes 320 MiB on each shape.
const LOADS: &[(usize, u64)] = if cfg!(debug_assertions) {
    &[(1, 4), (2, 4), (32, 40)]
} else {
    &[(1, 32), (2, 32), (8, 64), (32, 96), (128, 160), (256, 256)]
};

const _: () = {
    let (mut at, mut commands) = (0, 0);
    while at < LOADS.len() {
        commands += LOADS[at].1;
        at += 1;
    }
    assert!(cfg!(debug_assertions) || commands * LEN as u64 >= 256 << 20, "256 MiB at least");
};

/// How the host's memory lies.
#[derive(Clone, Copy, Debug)]
struct Shape {
    /// Bytes of a page.
    page: usize,
    /// Where in a page the data begin.
    skew: usize,
}

const SHAPES: [Shape; 4] = [
    Shape { page: 4 << 10, skew: 0 },
    Shape { page: 4 << 10, skew: 1536 },
    Shape { page: 16 << 10, skew: 0 },
    Shape { page: 16 << 10, skew: 1536 },
];

impl Shape {
    /// The list of one buffer: no two of its pages are neighbours, and they come in no order.
    fn places(self, seed: usize) -> Vec<Range<usize>> {
        let pages = (self.skew + LEN).div_ceil(self.page);
        // Prime to every count of pages here, so each page has a place of its own.
        let at = |page: usize| (page * 67 + seed) % pages * 2 * self.page;
        let mut places = Vec::new();
        let mut from = self.skew;
        while from < self.skew + LEN {
            let to = ((from / LIST_PAGE + 1) * LIST_PAGE).min(self.skew + LEN);
            let start = at(from / self.page) + from % self.page;
            places.push(start..start + to - from);
            from = to;
        }
        places
    }

    fn region(self) -> usize {
        (self.skew + LEN).div_ceil(self.page) * 2 * self.page
    }
}

type Port = NaivePort<Mpi2>;

struct World {
    rig: Rig<Port, SimPlatform<Mpi2Controller>, Scattered>,
    disk: SharedDisk,
    nexus: Nexus,
    free: Vec<Scattered>,
    /// Commands that said themselves that not all of their data were moved, and were sent again.
    flagged: u64,
    next_extent: u64,
}

impl World {
    fn new(part: Personality, shape: Shape, depth: usize, mistake: Mistake) -> Self {
        let memory = SimMemory::new(2 << 30);
        let mut model = Mpi2Controller::new(part.with_vectors(2), memory.device());
        model.set_schedule(Schedule::new(CompletionOrder::Seeded(depth as u64)));
        let machine = Arc::new(SimMachine::new(model, memory));
        let config = DiskConfig { write_cache: false, ..DiskConfig::nth(0, SPAN / BLOCK as u64) };
        let disk = SharedDisk::new(SimDisk::new(&config).expect("a disk"));
        assert!(machine.attach(0, disk.clone()).is_ok());
        let config = Mpi2Config {
            window: DmaWindow::of_width(AddressWidth::BITS_32),
            page_size: LIST_PAGE as u32,
            elements_max: 129,
            queue_depth_max: 256,
            vectors: 2,
            whole_descriptors: true,
        };
        let port = NaivePort::new(Mpi2::new(config), mistake);
        let rig = Rig::start(port, SimPlatform::new(machine.clone()));
        let free = (0..depth)
            .map(|seed| {
                let region = machine.memory().allocate(shape.region(), shape.page).expect("memory");
                let places = shape.places(seed);
                assert_eq!(places.len(), 128 + usize::from(shape.skew != 0));
                Scattered::new(region, &places)
            })
            .collect();
        let nexus = Nexus::new(rig.adapter.control().targets()[0].id, Lun::ZERO);
        let mut world = Self { rig, disk, nexus, free, flagged: 0, next_extent: 0 };
        world.clear_attention();
        world
    }

    /// The first command of a unit reports that power came on.
    fn clear_attention(&mut self) {
        for _ in 0..2 {
            let data = self.free.pop().expect("a buffer");
            let cdb = TestUnitReady::default().cdb();
            let request = Request::new(self.nexus, cdb, Transfer::NONE, data, Cookie(0));
            let done = self.rig.execute(request).expect("accepted");
            self.free.push(done.data);
        }
    }

    /// Writes `count` extents that were never written, `depth` at a time, and reads them back.
    fn load(&mut self, depth: usize, count: u64) -> Result<(), String> {
        let first = self.next_extent;
        self.next_extent += count;
        self.perform(depth, first..self.next_extent, Direction::Write)?;
        self.perform(depth, first..self.next_extent, Direction::Read)
    }

    fn perform(
        &mut self,
        depth: usize,
        numbers: Range<u64>,
        direction: Direction,
    ) -> Result<(), String> {
        let mut waiting: Vec<u64> = numbers.rev().collect();
        let (mut out, mut attempts) = (0, waiting.len() as u64 + 64);
        while !waiting.is_empty() || out > 0 {
            while out < depth
                && let Some(number) = waiting.pop()
            {
                attempts = attempts.checked_sub(1).ok_or("commands fail again and again")?;
                self.submit(number, direction);
                out += 1;
            }
            for done in self.rig.poll() {
                out -= 1;
                let number = done.cookie.0;
                match done.effect() {
                    Effect::Done if direction == Direction::Read => check(number, &done)?,
                    Effect::Done => {}
                    Effect::DoneShort => {
                        self.flagged += 1;
                        waiting.push(number);
                    }
                    effect => return Err(format!("{}: {effect:?}", done.outcome)),
                }
                self.free.push(done.data);
            }
        }
        Ok(())
    }

    fn submit(&mut self, number: u64, direction: Direction) {
        let mut data = self.free.pop().expect("as many buffers as commands");
        let (lba, access) = (Lba(lba(number)), Access::default());
        let (cdb, transfer) = match direction {
            Direction::Write => {
                data.write(&content(number));
                (command::write(lba, BLOCKS, access), Transfer::to_device(LEN as u32))
            }
            Direction::Read => {
                data.write(&[0xaa; LEN]);
                (command::read(lba, BLOCKS, access), Transfer::from_device(LEN as u32))
            }
        };
        let cdb = cdb.expect("in range");
        let request = Request::new(self.nexus, cdb, transfer, data, Cookie(number));
        let (now, vector) = (self.rig.platform.now(), Vector((number % 2) as u16));
        let submitted =
            self.rig.adapter.submit(vector, request, now, self.rig.platform.registers());
        assert!(submitted.is_ok(), "command {number}: {:?}", submitted.err());
    }

    /// Nothing was written beside the data of any buffer.
    fn finish(self) -> u64 {
        assert_eq!(self.rig.adapter.outstanding(), 0);
        assert!(self.free.iter().all(|data| data.trespass().is_none()));
        self.flagged
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Write,
    Read,
}

/// Where the extent with this number lies: all over the disk, each at a place of its own.
const fn lba(number: u64) -> u64 {
    (number * 26_267) % EXTENTS * BLOCKS as u64
}

/// Each block begins with its address and the number of its write; the rest repeats a byte of both.
fn content(number: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(LEN);
    for lba in lba(number)..lba(number) + u64::from(BLOCKS) {
        let from = bytes.len();
        bytes.extend_from_slice(&lba.to_le_bytes());
        bytes.extend_from_slice(&number.to_le_bytes());
        bytes.resize(from + BLOCK, (lba ^ number) as u8);
    }
    bytes
}

fn check(number: u64, done: &Completion<Scattered>) -> Result<(), String> {
    let (found, expected) = (done.data.read(), content(number));
    if found == expected {
        return Ok(());
    }
    let differs = found.chunks(BLOCK).zip(expected.chunks(BLOCK)).position(|(a, b)| a != b);
    let at = differs.unwrap_or(0);
    let says = u64::from_le_bytes(found[at * BLOCK..][..8].try_into().unwrap_or_default());
    let lba = lba(number) + at as u64;
    Err(format!("block {lba}, {at} blocks into its command, holds what says it is block {says}"))
}

/// All loads on one part and shape.
fn run(part: Personality, shape: Shape, mistake: Mistake, short: u32) -> Result<u64, String> {
    let depth_max = LOADS.iter().map(|(depth, _)| *depth).max().unwrap_or(1);
    let mut world = World::new(part, shape, depth_max, mistake);
    for &(depth, count) in LOADS {
        if short != 0 {
            let mut disk = world.disk.lock();
            let mut unit = disk.unit(0).expect("a unit");
            unit.limit_data(LEN as u32 / 2, Times::Next(short));
        }
        world.load(depth, count)?;
    }
    Ok(world.finish())
}

#[test]
fn b26_lsi3108_the_report_s_workload_is_whole() {
    for (part, shapes) in
        [(Personality::sas3008(), &SHAPES[..]), (Personality::sas2008(), &SHAPES[3..])]
    {
        for shape in shapes {
            assert_eq!(run(part.clone(), *shape, Mistake::None, 0), Ok(0), "{shape:?}");
        }
    }
}

#[test]
fn b24_lsi3108_a_short_transfer_is_told_and_made_good() {
    let flagged = run(Personality::sas3008(), SHAPES[1], Mistake::None, 5);
    assert_eq!(flagged, Ok(5 * LOADS.len() as u64));
}

/// The mistakes show with many commands at once, and not with one: a direct job keeps one out, a buffered one many.
#[test]
fn b25_lsi3108_repeated_task_ids_are_found() {
    let load = |depth| {
        let mut world =
            World::new(Personality::sas3008(), SHAPES[1], depth, Mistake::RepeatsTaskIds);
        world.load(depth, 32)
    };
    assert_eq!(load(1), Ok(()));
    let found = load(32);
    assert!(found.is_err(), "two commands share a frame: {found:?}");
}

#[test]
fn b25_lsi3108_task_id_zero_is_found() {
    let found = run(Personality::sas3008(), SHAPES[1], Mistake::ZeroTaskIds, 0);
    assert!(found.is_err(), "{found:?}");
}

#[test]
fn b22_lsi3108_lists_that_are_cut_off_are_found() {
    let found = run(Personality::sas3008(), SHAPES[1], Mistake::CutsLists(128), 0);
    let found = found.expect_err("the last element is missing");
    assert!(found.contains("1021 blocks into its command"), "{found}");
    // Aligned data need one element less.
    assert_eq!(run(Personality::sas3008(), SHAPES[0], Mistake::CutsLists(128), 0), Ok(0));
}

#[test]
fn b24_lsi3108_short_transfers_that_are_not_told_are_found() {
    let found = run(Personality::sas3008(), SHAPES[1], Mistake::HidesShortTransfers, 1);
    let found = found.expect_err("half of a command was not moved");
    assert!(found.contains("512 blocks into its command"), "{found}");
}
