//! Controllers with nothing in common but the disks behind them end the same commands in the same way.

extern crate alloc;

use alloc::sync::Arc;
use core::time::Duration;

use hba_core::command::{Cookie, Nexus, Outcome, Request, TargetId, Transfer};
use hba_core::control::RecoveryConfig;
use hba_core::dispatch::ClassTimeouts;
use hba_core::host::{Data, Host, Platform};
use hba_core::port::ControlPort;
use hba_core::queue::Vector;
use mpt_backend::mpi1::{FifoRegister, Mpi1, Mpi1Config};
use mpt_backend::mpi2::{Mpi2, Mpi2Config};
use scsi_proto::{Cdb, Lun, Sense};
use sim_backend::controller::ControllerModel;
use sim_backend::direct::{DirectConfig, DirectControl, DirectController, Facts};
use sim_backend::disk::{DiskConfig, SharedDisk, SimDisk};
use sim_backend::machine::SimMachine;
use sim_backend::memory::SimMemory;
use sim_backend::mpi1::{Mpi1Controller, Personality};
use sim_backend::mpi2::{self, Mpi2Controller};
use sim_backend::platform::SimPlatform;
use sim_backend::schedule::{CompletionOrder, Schedule, SplitMix64};

const DISKS: u32 = 3;
const BLOCKS: u32 = 2048;
const BLOCK: u32 = 512;

/// One command, before there is memory for it.
#[derive(Clone, Debug)]
struct Op {
    target: u16,
    lun: u8,
    cdb: Vec<u8>,
    transfer: Transfer,
    /// What data-out consists of.
    fill: u8,
}

/// How it ended, as far as a host can see.
#[derive(Clone, Debug, PartialEq, Eq)]
struct End {
    outcome: Outcome,
    transferred: u32,
    residual: u32,
    /// Data-in as far as it moved.
    data: Vec<u8>,
    /// The sense key and the additional sense code.
    sense: Option<(u8, u8, u8)>,
}

/// A workload: batches of commands of which the order within a batch does not matter.
fn workload(seed: u64) -> Vec<Vec<Op>> {
    let mut random = SplitMix64::new(seed);
    (0..60).map(|_| batch(&mut random)).collect()
}

/// Commands on areas that are no neighbours, so that their order cannot matter.
fn batch(random: &mut SplitMix64) -> Vec<Op> {
    let count = 1 + random.below(16) as u32;
    let area = BLOCKS / count;
    (0..count).map(|i| op(random, i * area, area.min(40))).collect()
}

fn op(random: &mut SplitMix64, first: u32, area: u32) -> Op {
    let lba = first + random.below(area.into()) as u32;
    let blocks = 1 + random.below((first + area - lba).into()) as u32;
    let bytes = blocks * BLOCK;
    let fill = random.draw() as u8;
    let target = random.below(DISKS.into()) as u16;
    let (read, write) = (rw10(0x28, lba, blocks), rw10(0x2a, lba, blocks));
    let (into, out) = (Transfer::from_device(bytes), Transfer::to_device(bytes));
    let op = |cdb: Vec<u8>, transfer| Op { target, lun: 0, cdb, transfer, fill };
    let allocation = random.below(300) as u8;
    match random.below(16) {
        0..=3 => op(write, out),
        4..=6 => op(read, into),
        // READ(16), VERIFY(10) without data, SYNCHRONIZE CACHE(10).
        7 => op(rw16(0x88, lba, blocks), into),
        8 => op(rw10(0x2f, lba, blocks), Transfer::NONE),
        9 => op(rw10(0x35, lba, blocks), Transfer::NONE),
        // INQUIRY with any allocation length: short data, or none.
        10 => op(vec![0x12, 0, 0, 0, allocation, 0], Transfer::from_device(allocation.into())),
        // The buffer has more room than the device has to say, or the data phase is shorter than the command asks.
        11 => op(read, Transfer::from_device(bytes + 512)),
        // Beyond the end: 5/21/00.
        12 => op(rw10(0x28, BLOCKS - 1, 2 + blocks), Transfer::from_device((2 + blocks) * BLOCK)),
        // No such operation code: 5/20/00.
        13 => op(vec![0xff, 0, 0, 0, 0, 0], Transfer::NONE),
        // No such logical unit, no such target.
        14 => Op { lun: 1 + random.below(3) as u8, ..op(read, into) },
        _ => Op { target: DISKS as u16 + random.below(3) as u16, ..op(read, into) },
    }
}

fn rw10(opcode: u8, lba: u32, blocks: u32) -> Vec<u8> {
    let (l, b) = (lba.to_be_bytes(), blocks.to_be_bytes());
    vec![opcode, 0, l[0], l[1], l[2], l[3], 0, b[2], b[3], 0]
}

fn rw16(opcode: u8, lba: u32, blocks: u32) -> Vec<u8> {
    let (l, b) = (lba.to_be_bytes(), blocks.to_be_bytes());
    vec![opcode, 0, 0, 0, 0, 0, l[0], l[1], l[2], l[3], b[0], b[1], b[2], b[3], 0, 0]
}

/// The ends of all commands, in the order of the workload. The first disk is target `first`.
fn run<P: ControlPort, C: ControllerModel>(
    mut host: Host<P, SimPlatform<C>>,
    first: u16,
    workload: &[Vec<Op>],
) -> Vec<End> {
    host.bring_up().expect("the controller comes up");
    assert_eq!(host.discover().expect("discovery ends").units.len(), DISKS as usize);
    let vectors = host.limits().expect("operational").vectors;
    let mut ends = Vec::new();
    for batch in workload {
        ends.extend(run_batch(&mut host, first, batch, vectors));
    }
    assert_eq!(host.adapter().outstanding(), 0);
    ends
}

fn run_batch<P: ControlPort, C: ControllerModel>(
    host: &mut Host<P, SimPlatform<C>>,
    first: u16,
    batch: &[Op],
    vectors: u16,
) -> Vec<End> {
    for (i, op) in batch.iter().enumerate() {
        let len = op.transfer.length as usize;
        let data: Data = (len > 0).then(|| {
            let mut data = host.platform().buffer(len).expect("memory");
            data.write(&vec![op.fill; len]);
            data
        });
        let nexus =
            Nexus::new(TargetId::new(first + op.target), Lun([0, op.lun, 0, 0, 0, 0, 0, 0]));
        let cdb = Cdb::new(&op.cdb).expect("a cdb");
        let request = Request::new(nexus, cdb, op.transfer, data, Cookie(i as u64));
        let vector = Vector(i as u16 % vectors);
        assert!(host.submit_on(vector, request).is_ok(), "{op:?}");
    }
    let mut ends = vec![None; batch.len()];
    for _ in 0..10_000 {
        host.poll(|done| {
            let completion = done.completion;
            let mut data = vec![0; completion.transferred as usize];
            if let Some(buffer) = &completion.data {
                buffer.read(&mut data);
            }
            let sense = Sense::parse(done.sense).ok();
            let sense = sense.map(|s| (s.key.0, s.additional.asc, s.additional.ascq));
            let (transferred, residual) = (completion.transferred, completion.residual);
            let end = End { outcome: completion.outcome, transferred, residual, data, sense };
            let twice = ends[completion.cookie.0 as usize].replace(end);
            assert!(twice.is_none(), "completed twice");
        })
        .expect("poll");
        if ends.iter().all(Option::is_some) {
            return ends.into_iter().flatten().collect();
        }
    }
    panic!("{} of {} completed", ends.iter().flatten().count(), ends.len());
}

/// A machine with fresh disks, the same on every one.
fn machine<C: ControllerModel>(make: impl FnOnce(&SimMemory) -> C) -> Arc<SimMachine<C>> {
    let memory = SimMemory::new(1 << 30);
    let machine = SimMachine::new(make(&memory), memory);
    for slot in 0..DISKS {
        let disk = SimDisk::new(&DiskConfig::nth(slot, BLOCKS.into())).expect("a disk");
        assert!(machine.attach(slot as usize, SharedDisk::new(disk)).is_ok());
    }
    Arc::new(machine)
}

fn host_of<P: ControlPort, C: ControllerModel>(
    port: P,
    machine: Arc<SimMachine<C>>,
) -> Host<P, SimPlatform<C>> {
    let (recovery, timeouts) = (RecoveryConfig::default(), ClassTimeouts::default());
    Host::new(port, SimPlatform::new(machine), recovery, timeouts)
}

fn on_direct(vectors: u16, workload: &[Vec<Op>]) -> Vec<End> {
    let machine = machine(|memory| DirectController::new(Facts::default(), memory.device()));
    let config = DirectConfig { vectors_max: vectors, ..DirectConfig::default() };
    let host = host_of(DirectControl::new(config), machine);
    run(host, 0, workload)
}

fn on_sas1068(workload: &[Vec<Op>]) -> Vec<End> {
    let machine = machine(|memory| Mpi1Controller::new(Personality::hardware(), memory.device()));
    let port = Mpi1::new(Mpi1Config::default(), FifoRegister(machine.registers()));
    run(host_of(port, machine), 0, workload)
}

fn on_mpi2(part: mpi2::Personality, vectors: u8, seed: u64, workload: &[Vec<Op>]) -> Vec<End> {
    let machine = machine(|memory| {
        let mut model = Mpi2Controller::new(part.with_vectors(vectors), memory.device());
        let (shortest, longest) = (Duration::from_micros(20), Duration::from_micros(500));
        let order = CompletionOrder::Seeded(seed);
        model.set_schedule(Schedule::new(order).with_delay(shortest, longest));
        model
    });
    let config = Mpi2Config { vectors, whole_descriptors: true, ..Mpi2Config::default() };
    let mut host = host_of(Mpi2::new(config), machine);
    host.bring_up().expect("the controller comes up");
    assert_eq!(host.limits().expect("operational").vectors, u16::from(vectors));
    // Targets are device handles here.
    let first = host.adapter().control().targets().first().expect("disks").id.id;
    run(host, first, workload)
}

fn compare(name: &str, seed: u64, workload: &[Vec<Op>], expected: &[End], found: &[End]) {
    let ops = workload.iter().flatten();
    for (i, ((op, expected), found)) in ops.zip(expected).zip(found).enumerate() {
        assert!(
            expected == found,
            "seed {seed}, command {i}: {op:?}\nsas1068 {}\n{name} {}",
            brief(expected),
            brief(found)
        );
    }
    assert_eq!(expected.len(), found.len());
}

fn brief(end: &End) -> String {
    let End { outcome, transferred, residual, data, sense } = end;
    let sum = data.iter().fold(0u32, |sum, byte| sum.wrapping_mul(31).wrapping_add((*byte).into()));
    format!("{outcome}, {transferred} moved, {residual} left, sense {sense:x?}, data {sum:08x}")
}

#[test]
fn the_same_workload_ends_the_same_on_every_controller_and_any_number_of_vectors() {
    for seed in 0..12 {
        let workload = workload(seed);
        let expected = on_sas1068(&workload);
        for vectors in [1, 2, 5, 16] {
            let found = on_direct(vectors, &workload);
            compare(&format!("{vectors} vectors"), seed, &workload, &expected, &found);
        }
    }
}

#[test]
fn b16_any_number_of_vectors_ends_the_same_on_mpi2() {
    for seed in 0..3 {
        let workload = workload(seed);
        let expected = on_sas1068(&workload);
        for part in [mpi2::Personality::sas2008, mpi2::Personality::sas3008] {
            for vectors in [1, 2, 5, 16] {
                let found = on_mpi2(part(), vectors, seed, &workload);
                compare(&format!("mpi2, {vectors} vectors"), seed, &workload, &expected, &found);
            }
        }
    }
}

/// The workload is worth something: it has every kind of end, and data that was written before.
#[test]
fn the_workload_has_every_kind_of_end() {
    let workload = workload(0);
    let ends = on_sas1068(&workload);
    let count = |wanted: &dyn Fn(&End) -> bool| ends.iter().filter(|end| wanted(end)).count();
    assert!(ends.len() > 300, "{}", ends.len());
    assert!(count(&|end| matches!(end.outcome, Outcome::Failed(_))) > 5);
    for sense in [(5, 0x20, 0), (5, 0x21, 0), (5, 0x25, 0)] {
        assert!(count(&|end| end.sense == Some(sense)) > 5, "{sense:x?}");
    }
    assert!(count(&|end| end.residual > 0 && end.transferred > 0) > 5, "short transfers");
    assert!(count(&|end| end.data.iter().any(|byte| *byte != 0)) > 50, "data that was written");
}
