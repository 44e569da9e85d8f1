//! Scatter lists of every shape, written and read back byte for byte on every controller.

extern crate alloc;

use alloc::sync::Arc;
use core::ops::Range;

use hba_core::command::{Cookie, Refusal, Request, Transfer};
use hba_core::dma::{
    AddressWidth, BusAddr, DataBuffer, DmaRegion, DmaWindow, RegionBuffer, ScatterError,
};
use hba_core::host::{OutOfMemory, Platform};
use hba_core::port::{ControlPort, RegionPlan, Unsendable};
use hba_core::register::Registers;
use hba_core::time::Instant;
use hba_qemu::{Config, Qemu, QemuPlatform, Zone};
use hba_tests::rig::Rig;
use hba_tests::scattered::Scattered;
use hba_tests::sim::nexus;
use mpt_backend::mpi1::{FifoRegister, Mpi1, Mpi1Config};
use scsi_proto::Cdb;
use sim_backend::direct::{DirectConfig, DirectControl, DirectController, Facts};
use sim_backend::disk::{BlockSize, DiskConfig, SharedDisk, SimDisk};
use sim_backend::machine::SimMachine;
use sim_backend::memory::SimMemory;
use sim_backend::mpi1::{Mpi1Controller, Personality};
use sim_backend::platform::SimPlatform;

/// Bytes around the data in every buffer, so that a transfer out of place is seen.
const MARGIN: usize = 64;

/// A way to lay `len` bytes out in memory, in at most `limit` elements.
type Layout = fn(len: usize, limit: usize) -> Vec<Range<usize>>;

/// One segment that begins on an odd address.
fn unaligned(len: usize, _: usize) -> Vec<Range<usize>> {
    core::iter::once(MARGIN + 1..MARGIN + 1 + len).collect()
}

/// Odd lengths with a gap of one byte behind each.
fn odd_lengths(len: usize, limit: usize) -> Vec<Range<usize>> {
    let lengths = [1, 3, 5, 7, 511, 13, 4097, 2, 1021].iter().copied().cycle();
    pieces(len, limit, lengths, 1)
}

/// Segments of one byte, and the rest in the last element that there may be.
fn single_bytes(len: usize, limit: usize) -> Vec<Range<usize>> {
    pieces(len, limit, core::iter::repeat(1), 3)
}

/// Neighbours, more of them than elements are permitted: they must be joined.
fn contiguous(len: usize, limit: usize) -> Vec<Range<usize>> {
    let step = len.div_ceil(2 * limit).max(1);
    let starts = (0..len).step_by(step);
    starts.map(|at| MARGIN + at..MARGIN + len.min(at + step)).collect()
}

/// The highest address first. No two are joined: none continues the one before it.
fn reversed(len: usize, limit: usize) -> Vec<Range<usize>> {
    let step = len.div_ceil(limit).max(1);
    let mut list: Vec<_> =
        (0..len).step_by(step).map(|at| MARGIN + at..MARGIN + len.min(at + step)).collect();
    list.reverse();
    list
}

/// Whole pages but for the first and the last, as a host hands over an unaligned buffer; every other page.
fn pages(len: usize, _: usize) -> Vec<Range<usize>> {
    let lengths = [1].into_iter().chain(core::iter::repeat(4096));
    pieces(len, usize::MAX, lengths, 4096)
}

/// Segments of the given lengths, `gap` bytes apart; the last that `limit` permits takes what is left.
fn pieces(
    len: usize,
    limit: usize,
    lengths: impl Iterator<Item = usize>,
    gap: usize,
) -> Vec<Range<usize>> {
    let (mut list, mut at, mut left) = (Vec::new(), MARGIN, len);
    for length in lengths {
        let now = if list.len() + 1 == limit { left } else { left.min(length) };
        list.push(at..at + now);
        at += now + gap;
        left -= now;
        if left == 0 {
            break;
        }
    }
    list
}

const LAYOUTS: [(&str, Layout); 6] = [
    ("unaligned", unaligned),
    ("odd lengths", odd_lengths),
    ("single bytes", single_bytes),
    ("contiguous", contiguous),
    ("reversed", reversed),
    ("pages", pages),
];

/// A controller with one disk and what a test needs to know of it.
struct Bench<P: ControlPort, L> {
    rig: Rig<P, L, Scattered>,
    block: usize,
    turn: u8,
}

impl<P: ControlPort, L: Platform> Bench<P, L> {
    fn new(port: P, platform: L, block: usize) -> Self {
        let mut bench = Self { rig: Rig::start(port, platform), block, turn: 0 };
        for _ in 0..4 {
            let ready = Cdb::new(&[0; 6]).expect("a cdb");
            let nothing = bench.memory(&[]);
            let request = Request::new(nexus(0), ready, Transfer::NONE, nothing, Cookie(0));
            if bench.rig.execute(request).expect("accepted").is_done() {
                return bench;
            }
        }
        panic!("the disk does not become ready");
    }

    /// Memory that holds `places` and the margins around them.
    fn memory(&mut self, places: &[Range<usize>]) -> Scattered {
        let end = places.iter().map(|place| place.end).max().unwrap_or(0);
        let buffer = self.rig.platform.buffer(end + MARGIN).expect("memory");
        Scattered::new(buffer.into_region(), places)
    }

    fn limits(&self) -> (usize, usize) {
        let limits = self.rig.adapter.limits().expect("operational");
        (limits.elements_max as usize, limits.transfer_max as usize)
    }

    /// READ(10) or WRITE(10) of `len` bytes from block 0.
    fn request(&self, write: bool, len: usize, data: Scattered) -> Request<Scattered> {
        let blocks = u16::try_from(len / self.block).expect("a short transfer").to_be_bytes();
        let opcode = if write { 0x2a } else { 0x28 };
        let cdb = [opcode, 0, 0, 0, 0, 0, 0, blocks[0], blocks[1], 0];
        let (cdb, len) = (Cdb::new(&cdb).expect("a cdb"), len as u32);
        let transfer = if write { Transfer::to_device(len) } else { Transfer::from_device(len) };
        Request::new(nexus(0), cdb, transfer, data, Cookie(len.into()))
    }

    fn execute(&mut self, request: Request<Scattered>, what: &str) -> Scattered {
        let done = self.rig.execute(request).unwrap_or_else(|r| panic!("{what}: {}", r.reason));
        assert!(done.is_done(), "{what}: {} after {} bytes", done.outcome, done.transferred);
        done.data
    }

    /// Writes through one list, reads through another; both must be the bytes in order, and nothing else may change.
    fn round_trip(&mut self, len: usize, out: (&str, Layout), back: (&str, Layout)) {
        let what = format!("{len} bytes, written {}, read {}", out.0, back.0);
        self.turn = self.turn.wrapping_add(1);
        let pattern: Vec<u8> =
            (0..len).map(|i| (i % 251) as u8 ^ (i / 251) as u8 ^ self.turn).collect();
        let (limit, _) = self.limits();
        let mut source = self.memory(&out.1(len, limit));
        source.write(&pattern);
        let source = self.execute(self.request(true, len, source), &what);
        assert!(source.read() == pattern, "{what}: the source of a write changed");
        assert_eq!(source.trespass(), None, "{what}");
        let sink = self.memory(&back.1(len, limit));
        let sink = self.execute(self.request(false, len, sink), &what);
        let found = sink.read();
        let wrong = found.iter().zip(&pattern).position(|(found, sent)| found != sent);
        assert_eq!((found.len(), wrong), (len, None), "{what}");
        assert_eq!(sink.trespass(), None, "{what}: a byte outside of the list");
    }

    /// Every layout against the next one, from one block to the longest transfer, for which each layout is used once.
    fn round_trips(&mut self) {
        let (_, max) = self.limits();
        let max = max / self.block * self.block;
        let short = [1, 2, 3, 8, 9, 64].map(|blocks| (blocks * self.block, 1));
        for (len, step) in short.into_iter().chain([(max, 2)]) {
            for i in (0..LAYOUTS.len()).step_by(step) {
                self.round_trip(len.min(max), LAYOUTS[i], LAYOUTS[(i + 1) % LAYOUTS.len()]);
            }
        }
    }

    fn refuse(&mut self, request: Request<Scattered>, numbers: [usize; 2]) -> Refusal {
        let bus: Vec<_> = request.data.segments().to_vec();
        let rejected = self.rig.execute(request).expect_err("above the limit");
        assert_eq!(rejected.request.data.segments(), bus, "the request comes home whole");
        let text = rejected.reason.to_string();
        let named = |number: &usize| text.split(' ').any(|word| word == number.to_string());
        assert!(numbers.iter().all(named), "{text}");
        assert_eq!(self.rig.adapter.outstanding(), 0);
        rejected.reason
    }

    fn refusals(&mut self) {
        let (elements, max) = self.limits();
        let len = max / self.block * self.block + self.block;
        let data = self.memory(&contiguous(len, elements));
        let reason = self.refuse(self.request(true, len, data), [len, max]);
        let too_long = Refusal::TransferTooLong { length: len as u32, permitted: max as u32 };
        assert_eq!(reason, too_long);

        let len = (elements + 1).next_multiple_of(self.block);
        let data = self.memory(&single_bytes(len, elements + 1));
        let reason = self.refuse(self.request(true, len, data), [elements + 1, elements]);
        let (needed, permitted) = (elements as u32 + 1, elements as u32);
        let too_many = ScatterError::TooManyElements { needed, permitted };
        assert_eq!(reason, Refusal::Unsendable(Unsendable::Scatter(too_many)));
        self.round_trip(len, ("single bytes", single_bytes), ("reversed", reversed));
    }
}

const BLOCKS: [usize; 2] = [512, 4096];
/// Below 4 GiB elements have 32 address bits, above 64.
const LOW: BusAddr = SimMemory::BASE;
const HIGH: BusAddr = BusAddr::new(0x12_0000_0000);

fn disk(block: usize) -> SharedDisk {
    let block_size = BlockSize::new(block as u32).expect("a block size");
    let config = DiskConfig { block_size, ..DiskConfig::nth(0, (16 << 20) / block as u64) };
    SharedDisk::new(SimDisk::new(&config).expect("a disk"))
}

/// The window that makes the backend write elements of 32 or 64 address bits.
fn window(base: BusAddr) -> DmaWindow {
    let width = if base == LOW { AddressWidth::BITS_32 } else { AddressWidth::BITS_64 };
    DmaWindow::of_width(width)
}

type SimPort = Mpi1<FifoRegister<sim_backend::machine::SimRegisters<Mpi1Controller>>>;

fn sas1068(
    personality: Personality,
    elements_max: u16,
    block: usize,
    base: BusAddr,
) -> Bench<SimPort, SimPlatform<Mpi1Controller>> {
    let memory = SimMemory::at(base, 2 << 30);
    let controller = Mpi1Controller::new(personality, memory.device());
    let machine = Arc::new(SimMachine::new(controller, memory));
    assert!(machine.attach(0, disk(block)).is_ok());
    let config = Mpi1Config { elements_max, window: window(base), ..Mpi1Config::default() };
    let port = Mpi1::new(config, FifoRegister(machine.registers()));
    Bench::new(port, SimPlatform::new(machine), block)
}

fn direct(
    elements: u32,
    block: usize,
    base: BusAddr,
) -> Bench<DirectControl, SimPlatform<DirectController>> {
    let memory = SimMemory::at(base, 2 << 30);
    let controller = DirectController::new(Facts { elements, ..Facts::default() }, memory.device());
    let machine = Arc::new(SimMachine::new(controller, memory));
    assert!(machine.attach(0, disk(block)).is_ok());
    let config = DirectConfig { window: window(base), depth_max: 8, ..DirectConfig::default() };
    Bench::new(DirectControl::new(config), SimPlatform::new(machine), block)
}

/// QEMU with all memory, the controller's own included, in one zone.
struct InZone(QemuPlatform, Zone);

impl InZone {
    fn region(&mut self, len: usize, align: usize) -> Result<DmaRegion, OutOfMemory> {
        let memory = self.0.qemu().memory();
        memory.allocate_in(self.1, len, align).map_err(|_| OutOfMemory { len })
    }
}

impl Platform for InZone {
    fn registers(&mut self) -> &mut dyn Registers {
        self.0.registers()
    }

    fn now(&mut self) -> Instant {
        self.0.now()
    }

    fn wait(&mut self, until: Instant) {
        self.0.wait(until);
    }

    fn allocate(&mut self, plan: &RegionPlan) -> Result<DmaRegion, OutOfMemory> {
        self.region(plan.len, plan.align)
    }

    fn buffer(&mut self, len: usize) -> Result<RegionBuffer, OutOfMemory> {
        self.region(len, 64).map(RegionBuffer::new)
    }

    fn isolate(&mut self) {
        self.0.isolate();
    }
}

type QemuBench = Bench<Mpi1<FifoRegister<hba_qemu::QemuRegisters>>, InZone>;

fn qemu(elements_max: u16, block: usize, zone: Zone) -> Option<QemuBench> {
    if !hba_qemu::available_for_tests() {
        return None;
    }
    let disk = hba_qemu::DiskConfig::memory(16 << 20);
    let disk = disk.with_block_sizes(block as u32, block as u32);
    let above = if zone == Zone::Above4G { 64 << 20 } else { 0 };
    let config = Config { disks: vec![disk], ram_above_4g: above, ..Config::default() };
    let mut platform = QemuPlatform::new(Qemu::start(config).expect("QEMU starts"));
    let window = platform.qemu().memory().window(AddressWidth::BITS_64);
    let config = Mpi1Config { elements_max, window, ..Mpi1Config::default() };
    let port = Mpi1::new(config, FifoRegister(platform.qemu().registers()));
    Some(Bench::new(port, InZone(platform, zone), block))
}

/// The default, and the most that can be asked for.
const ELEMENTS: [u16; 2] = [257, 1024];

#[test]
fn b09_every_list_reads_back_in_order_on_the_simulated_sas1068() {
    for (block, base, elements) in [(512, LOW, 257), (4096, HIGH, 1024)] {
        sas1068(Personality::hardware(), elements, block, base).round_trips();
    }
    for (block, base, elements) in [(512, HIGH, 257), (4096, LOW, 1024)] {
        sas1068(Personality::qemu(), elements, block, base).round_trips();
    }
}

#[test]
fn b09_every_list_reads_back_in_order_on_the_direct_controller() {
    for (elements, block, base) in [(129, 512, HIGH), (1025, 4096, LOW)] {
        direct(elements, block, base).round_trips();
    }
}

#[test]
fn b09_every_list_reads_back_in_order_on_qemu_below_4_gib() {
    for (block, elements) in BLOCKS.into_iter().zip(ELEMENTS) {
        let Some(mut bench) = qemu(elements, block, Zone::Below4G) else { return };
        bench.round_trips();
    }
}

#[test]
fn b09_every_list_reads_back_in_order_on_qemu_above_4_gib() {
    for (block, elements) in BLOCKS.into_iter().rev().zip(ELEMENTS) {
        let Some(mut bench) = qemu(elements, block, Zone::Above4G) else { return };
        bench.round_trips();
    }
}

#[test]
fn b10_one_block_or_one_element_above_the_limit_is_refused_with_both_numbers() {
    for block in BLOCKS {
        for (low, high) in [(1, 257), (16, 1024)] {
            sas1068(Personality::hardware(), low, block, LOW).refusals();
            sas1068(Personality::qemu(), high, block, HIGH).refusals();
        }
        direct(129, block, LOW).refusals();
        let Some(mut bench) = qemu(257, block, Zone::Below4G) else { return };
        bench.refusals();
    }
}
