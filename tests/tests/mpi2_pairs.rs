//! A host without 64-bit stores, and firmware without descriptors of 32 bits: request descriptors are two stores, and the vectors
//! of several threads, and Control, take turns at them. The model stops at a half without its other half.

extern crate alloc;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::Barrier;

use hba_core::command::{Cookie, Nexus};
use hba_core::control::{ControlEvent, RecoveryConfig};
use hba_core::dispatch::ClassTimeouts;
use hba_core::dma::RegionBuffer;
use hba_core::host::{Data, Host};
use hba_core::logical_unit::{Fua, LogicalUnit};
use hba_core::port::TaskManagement;
use hba_core::queue::{Batch, IoQueue, Vector};
use hba_core::register::{HostWrite, RegOffset, Registers};
use hba_core::runtime::{self, Event};
use hba_core::sync::PairedRegisters;
use mpt_backend::mpi2::{Mpi2, Mpi2Config, Mpi2Queue};
use scsi_proto::{Lba, Lun};
use sim_backend::disk::{DiskConfig, SimDisk};
use sim_backend::machine::{SimMachine, SimRegisters};
use sim_backend::memory::SimMemory;
use sim_backend::mpi2::{Mpi2Controller, Personality};
use sim_backend::platform::SimPlatform;
use sim_backend::pulse::AsyncSimPlatform;

type Machine = Arc<SimMachine<Mpi2Controller>>;

/// Where a descriptor's low half goes.
const LOW: RegOffset = RegOffset(0xc0);
const BLOCKS: u32 = 8;
const LEN: usize = BLOCKS as usize * 512;
/// Commands of each vector.
const COMMANDS: u64 = 50;
/// Looks at a queue before a command counts as lost.
const LOOKS: u32 = 200_000;

/// Registers of a bus on which another thread is quick: between the halves of a pair the others get their chance.
#[derive(Clone)]
struct Slow {
    inner: SimRegisters<Mpi2Controller>,
    halves: Arc<AtomicU32>,
}

impl Slow {
    fn new(inner: SimRegisters<Mpi2Controller>) -> Self {
        Self { inner, halves: Arc::default() }
    }
}

impl Registers for Slow {
    fn read32(&mut self, offset: RegOffset) -> u32 {
        self.inner.read32(offset)
    }

    fn write32(&mut self, offset: RegOffset, value: u32) {
        self.inner.write32(offset, value);
        if offset == LOW {
            let mine = self.halves.fetch_add(1, Ordering::Relaxed) + 1;
            let alone = || self.halves.load(Ordering::Relaxed) == mine;
            (0..20).take_while(|_| alone()).for_each(|_| std::thread::yield_now());
        }
    }
}

fn machine(part: Personality) -> Machine {
    let memory = SimMemory::new(1 << 30);
    let machine = Arc::new(SimMachine::new(Mpi2Controller::new(part, memory.device()), memory));
    let disk = SimDisk::new(&DiskConfig::nth(0, 1 << 16)).expect("a disk");
    assert!(machine.attach(0, disk).is_ok());
    machine
}

fn config(vectors: u8) -> Mpi2Config {
    // The registers see to it that pairs are whole.
    Mpi2Config { vectors, whole_descriptors: true, queue_depth_max: 32, ..Mpi2Config::default() }
}

fn violations(machine: &Machine) -> String {
    machine.with_controller(|c| c.violations().to_string())
}

type Driver<R> = Host<Mpi2, SimPlatform<Mpi2Controller, R>>;

fn start<R: Registers>(machine: &Machine, vectors: u8, registers: R) -> (Driver<R>, LogicalUnit) {
    let platform = SimPlatform::new(Arc::clone(machine)).with_registers(|_| registers);
    let (recovery, timeouts) = (RecoveryConfig::default(), ClassTimeouts::default());
    let mut host = Host::new(Mpi2::new(config(vectors)), platform, recovery, timeouts);
    host.bring_up().expect("the controller comes up");
    let unit = host.discover().expect("discovery ends").units.remove(0);
    assert_eq!(host.limits().expect("it is up").vectors, u16::from(vectors));
    (host, unit)
}

/// One command on a vector's own queue and thread; what its memory holds at the end, or `None` if it has none.
fn run(
    queue: &mut IoQueue<Mpi2Queue, Data>,
    machine: &Machine,
    registers: &mut impl Registers,
    request: hba_core::command::Request<Data>,
) -> Option<Vec<u8>> {
    let submitted = queue.submit(request, machine.now()).ok()?;
    submitted.doorbell.write_to(registers);
    let mut batch = Batch::new(4);
    for _ in 0..LOOKS {
        machine.run(64);
        if let Some(ack) = queue.service(&mut batch).ack {
            ack.write_to(registers);
        }
        if let Some(done) = batch.drain().next() {
            assert!(done.completion.is_done(), "{}", done.completion.outcome);
            let mut bytes = vec![0; LEN];
            done.completion.data.as_ref().expect("home").read(&mut bytes);
            return Some(bytes);
        }
        if !violations(machine).is_empty() {
            return None;
        }
        std::thread::yield_now();
    }
    None
}

/// A thread for each vector writes and reads its own blocks; whether every command ended, with the right data.
fn work<R: Registers + Clone + Send>(machine: &Machine, vectors: u8, registers: R) -> bool {
    let (mut host, unit) = start(machine, vectors, registers.clone());
    let begin = Barrier::new(usize::from(vectors));
    let whole = AtomicBool::new(true);
    std::thread::scope(|scope| {
        for (vector, queue) in (0u64..).zip(host.adapter().queues_mut()) {
            let (mut registers, unit, begin, whole) = (registers.clone(), &unit, &begin, &whole);
            scope.spawn(move || {
                begin.wait();
                for turn in 0..COMMANDS {
                    let at = Lba((vector * COMMANDS + turn) * u64::from(BLOCKS));
                    let bytes = [(vector * 31 + turn) as u8; LEN];
                    let mut data = machine.memory().buffer(LEN).expect("memory");
                    data.write(&bytes);
                    let write = unit.write(at, BLOCKS, Fua::Off, Some(data), Cookie(1));
                    let written = run(queue, machine, &mut registers, write.expect("in range"));
                    let data = machine.memory().buffer(LEN).expect("memory");
                    let read = unit.read(at, BLOCKS, Some(data), Cookie(2)).expect("in range");
                    let read = written.and_then(|_| run(queue, machine, &mut registers, read));
                    if read.as_deref() != Some(&bytes) {
                        return whole.store(false, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    whole.into_inner()
}

#[test]
fn a_thread_for_each_vector_posts_whole_pairs() {
    for part in [Personality::sas2008().with_vectors(16), Personality::sas3008()] {
        for vectors in [1, 2, 5, 16] {
            let machine = machine(part.clone());
            let registers = PairedRegisters::new(Slow::new(machine.registers()));
            assert!(work(&machine, vectors, registers), "{}", violations(&machine));
            assert_eq!(violations(&machine), "", "{vectors} vectors");
        }
    }
}

/// The same without turns: what the test before would show.
#[test]
fn without_turns_the_controller_stops_at_a_torn_pair() {
    let machine = machine(Personality::sas3008());
    let registers = Slow::new(machine.registers());
    assert!(!work(&machine, 5, registers), "no command can end after that");
    let said = violations(&machine);
    assert!(said.contains("a half of a request descriptor was written to 0xc"), "{said}");
}

/// The facade on four threads: commands of many tasks, and Control's own requests in between.
#[test]
fn control_and_vectors_take_turns() {
    let machine = machine(Personality::sas3008());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build();
    runtime.expect("a runtime").block_on(async {
        let platform = AsyncSimPlatform::new(Arc::clone(&machine))
            .with_registers(|registers| PairedRegisters::new(Slow::new(registers)));
        let buffers = platform.buffers();
        let attached =
            runtime::attach::<_, _, Data>(Mpi2::new(config(5)), platform, <_>::default());
        let (hba, mut events, drivers) = attached.await.expect("it comes up").into_parts();
        let drivers = tokio::spawn(drivers);
        let unit = hba.discover(&buffers).await.expect("discovery ends").units.remove(0);
        let tasks = (0..40u64).map(|task| {
            let (hba, buffers) = (hba.on(Vector((task % 5) as u16)), buffers.clone());
            let unit = unit.clone();
            tokio::spawn(async move {
                for turn in 0..20 {
                    let at = Lba((task * 20 + turn) * u64::from(BLOCKS));
                    let bytes = [(task * 7 + turn) as u8; LEN];
                    let mut data: RegionBuffer = buffers(LEN).expect("memory");
                    data.write(&bytes);
                    let (written, data) = hba.write(&unit, at, BLOCKS, Fua::Off, Some(data)).await;
                    assert!(written.expect("sent").is_done());
                    let (read, data) = hba.read(&unit, at, BLOCKS, data).await;
                    assert!(read.expect("sent").is_done());
                    let mut back = vec![0; LEN];
                    data.expect("home").read(&mut back);
                    assert_eq!(back, bytes);
                }
            })
        });
        let tasks: Vec<_> = tasks.collect();
        // Nothing is there to abort: a function that every command survives.
        let elsewhere = Nexus::new(unit.nexus.target, Lun::from_number(7));
        let mut sent = 0;
        while !tasks.iter().all(tokio::task::JoinHandle::is_finished) {
            let task = TaskManagement::AbortTaskSet(elsewhere);
            sent += u32::from(hba.task_management(task).await.is_some());
            tokio::task::yield_now().await;
        }
        for task in tasks {
            task.await.expect("its data was right");
        }
        assert!(sent > 0, "Control posted, too");
        hba.shutdown([(&unit, None)]).await.expect("it stops");
        drop(hba);
        drivers.await.expect("the drivers end");
        while let Some(event) = events.next().await {
            assert!(!matches!(event, Event::Control(ControlEvent::ResetBegun(_))), "{event}");
        }
    });
    assert_eq!(violations(&machine), "");
}
