//! What firmware of MPI 2.x may offer, each with the whole driver on the model that enforces it: reply post queues that lie
//! apart, descriptors of 32 bits, a core dump before a fault, volumes, long CDBs. And the host that has no 64-bit store.

extern crate alloc;

use alloc::sync::Arc;
use core::time::Duration;

use hba_core::command::{Cookie, Nexus, Request, TargetId, Transfer};
use hba_core::control::{ControlEvent, RecoveryConfig, ResetReason};
use hba_core::dispatch::ClassTimeouts;
use hba_core::host::{Data, Host, Platform};
use hba_core::logical_unit::{Fua, LogicalUnit};
use hba_core::port::TargetKind;
use hba_core::queue::Vector;
use hba_core::register::{HostWrite, RegOffset, Registers};
use hba_tests::recorder::Recorder;
use mpt_backend::mpi2::{Mpi2, Mpi2Config};
use scsi_proto::{Cdb, Lba, Lun};
use sim_backend::controller::ControllerModel;
use sim_backend::disk::{DiskConfig, SimDisk};
use sim_backend::machine::SimMachine;
use sim_backend::memory::SimMemory;
use sim_backend::mpi2::{IocState, Mpi2Controller, Personality, capability};
use sim_backend::platform::SimPlatform;

type Driver = Host<Mpi2, SimPlatform<Mpi2Controller>>;
type Machine = Arc<SimMachine<Mpi2Controller>>;

const BLOCKS: u32 = 8;
const LEN: usize = BLOCKS as usize * 512;
/// Where descriptors are posted: the pair, and the one register.
const PAIR: RegOffset = RegOffset(0xc0);
const ATOMIC: RegOffset = RegOffset(0xc8);

fn start(part: Personality, vectors: u8, whole: bool, targets: &[usize]) -> (Machine, Driver) {
    let memory = SimMemory::new(1 << 30);
    let machine = Arc::new(SimMachine::new(Mpi2Controller::new(part, memory.device()), memory));
    for slot in targets {
        let disk = SimDisk::new(&DiskConfig::nth(*slot as u32, 2048)).expect("a disk");
        assert!(machine.attach(*slot, disk).is_ok());
    }
    let config = Mpi2Config { vectors, whole_descriptors: whole, ..Mpi2Config::default() };
    let (recovery, timeouts) = (RecoveryConfig::default(), ClassTimeouts::default());
    let platform = SimPlatform::new(machine.clone());
    let mut host = Host::new(Mpi2::new(config), platform, recovery, timeouts);
    host.bring_up().expect("the controller comes up");
    (machine, host)
}

/// Writes a pattern of its own through every vector and reads it back through every vector.
fn exercise(host: &mut Driver, unit: &LogicalUnit) {
    let vectors = host.limits().expect("it is up").vectors;
    let run = |host: &mut Driver, vector: u16, request: Request<Data>| {
        host.submit_on(Vector(vector), request).expect("accepted");
        let mut bytes = None;
        for _ in 0..10_000 {
            host.poll(|done| {
                assert!(done.completion.is_done(), "{}", done.completion.outcome);
                let mut read = vec![0; LEN];
                done.completion.data.as_ref().expect("home").read(&mut read);
                bytes = Some(read);
            })
            .expect("poll");
            if let Some(bytes) = bytes.take() {
                return bytes;
            }
        }
        panic!("no end on vector {vector}");
    };
    for vector in 0..vectors {
        let mut data = host.platform().buffer(LEN).expect("memory");
        data.write(&[vector as u8 + 1; LEN]);
        let at = Lba(u64::from(vector) * u64::from(BLOCKS));
        let write = unit.write(at, BLOCKS, Fua::Off, Some(data), Cookie(1)).expect("in range");
        let _ = run(host, vector, write);
    }
    for vector in 0..vectors {
        let written = (vector + 1) % vectors;
        let data = host.platform().buffer(LEN).expect("memory");
        let at = Lba(u64::from(written) * u64::from(BLOCKS));
        let read = unit.read(at, BLOCKS, Some(data), Cookie(2)).expect("in range");
        assert_eq!(run(host, vector, read), [written as u8 + 1; LEN], "vector {vector}");
    }
}

fn assert_no_complaints(machine: &Machine) {
    machine.with_controller(|c| assert_eq!(c.violations().to_string(), ""));
}

/// Where the first write of a submitted command goes.
fn doorbell_of(host: &mut Driver) -> RegOffset {
    struct First(Option<RegOffset>);
    impl Registers for First {
        fn read32(&mut self, _: RegOffset) -> u32 {
            0
        }
        fn write32(&mut self, offset: RegOffset, _: u32) {
            self.0.get_or_insert(offset);
        }
    }
    let nexus = Nexus::new(TargetId::new(9), Lun::ZERO);
    let cdb = Cdb::new(&[0; 6]).expect("six bytes");
    let data = host.platform().buffer(512).expect("memory");
    let request = Request::new(nexus, cdb, Transfer::NONE, data.into(), Cookie(7));
    let queue = host.adapter().queue_mut(Vector(0)).expect("there is one");
    let submitted = queue.submit(request, hba_core::time::Instant::ZERO).expect("there is room");
    let mut first = First(None);
    submitted.doorbell.write_to(&mut first);
    first.0.expect("a write")
}

#[test]
fn reply_post_queues_lie_apart_where_firmware_offers_it() {
    for (offered, vectors) in [(true, 1), (true, 5), (true, 16), (false, 5), (false, 16)] {
        let mut part = Personality::sas3008();
        if !offered {
            part.facts.capabilities &= !capability::RDPQ_ARRAY;
        }
        let (machine, mut host) = start(part, vectors, true, &[0, 1]);
        assert_eq!(host.limits().expect("it is up").vectors, u16::from(vectors));
        let unit = host.discover().expect("discovery ends").units.remove(0);
        exercise(&mut host, &unit);
        machine.with_controller(|c| assert_eq!(c.has_queues_apart(), Some(offered)));
        assert_no_complaints(&machine);
    }
}

#[test]
fn descriptors_of_32_bits_where_firmware_offers_them() {
    // Without a 64-bit store, too: these descriptors are whole by themselves.
    for (whole, vectors) in [(true, 5), (false, 5), (false, 16)] {
        let (machine, mut host) =
            start(Personality::sas3008().with_atomic_requests(), vectors, whole, &[0, 1]);
        assert_eq!(host.limits().expect("it is up").vectors, u16::from(vectors));
        let unit = host.discover().expect("discovery ends").units.remove(0);
        exercise(&mut host, &unit);
        assert_no_complaints(&machine);
        assert_eq!(doorbell_of(&mut host), ATOMIC);
    }
}

#[test]
fn a_host_without_a_whole_store_has_one_vector() {
    for part in [Personality::sas2008().with_vectors(5), Personality::sas3008()] {
        let (machine, mut host) = start(part, 5, false, &[0, 1]);
        assert_eq!(host.limits().expect("it is up").vectors, 1);
        let unit = host.discover().expect("discovery ends").units.remove(0);
        exercise(&mut host, &unit);
        assert_no_complaints(&machine);
        assert_eq!(doorbell_of(&mut host), PAIR);
    }
}

/// The firmware writes its memory out first; the driver sees the state, waits for the end of it, and resets the controller.
#[test]
fn a_core_dump_is_waited_for() {
    let mut part = Personality::sas3008().with_core_dump();
    part.behaviour.coredump_time = Duration::from_secs(4);
    let (machine, mut host) = start(part, 5, true, &[0, 1]);
    let _ = host.discover().expect("discovery ends");
    let _ = host.take_events();
    assert!(machine.with_controller(|c| c.stop_with_fault(0x5862)));
    let asked = matches!(machine.with_controller(|c| c.state()), IocState::CoreDump(_));
    assert!(asked, "the driver asked for it at IOC init");
    let mut events = Vec::new();
    let begun = host.platform().now();
    let mut left = None;
    for _ in 0..10_000 {
        host.poll(|_| {}).expect("poll");
        machine.advance(Duration::from_millis(10));
        events.extend(host.take_events());
        let state = machine.with_controller(|c| c.state());
        if !matches!(state, IocState::CoreDump(_)) && left.is_none() {
            left = Some(host.platform().now().since(begun));
        }
        if events.contains(&ControlEvent::Operational) {
            break;
        }
    }
    let reset = |e: &ControlEvent| matches!(e, ControlEvent::ResetBegun(ResetReason::Fault(_)));
    assert!(events.iter().any(reset), "{events:?}");
    assert!(events.contains(&ControlEvent::Operational), "{events:?}");
    let left = left.expect("the dump ended");
    assert!(left >= Duration::from_millis(3_900), "not cut short after {left:?}");
    assert_eq!(host.discover().expect("discovery ends").units.len(), 2);
    assert_no_complaints(&machine);
}

/// IR firmware: the volume is a target, its members are none, and it keeps what is written.
#[test]
fn a_volume_is_listed_and_used_and_its_members_are_not() {
    let (machine, mut host) =
        start(Personality::sas3008().with_integrated_raid(), 5, true, &[0, 1, 4, 8]);
    let targets = host.adapter().control().targets().to_vec();
    assert_eq!(targets.len(), 2, "the volume and the disk of phy 4: {targets:?}");
    let units = host.discover().expect("discovery ends").units;
    let kinds: Vec<_> = units.iter().map(|unit| unit.target_kind).collect();
    assert_eq!(kinds, [TargetKind::Device, TargetKind::Volume], "by handle: {units:?}");
    for unit in &units {
        exercise(&mut host, unit);
    }
    assert_no_complaints(&machine);
}

#[test]
fn cdbs_of_up_to_32_bytes_arrive_whole() {
    for part in [Personality::sas2008(), Personality::sas3008()] {
        let (machine, mut host) = start(part, 1, true, &[]);
        let recorder = Recorder::default();
        assert!(machine.attach(0, recorder.clone()).is_ok());
        for _ in 0..200 {
            host.poll(|_| {}).expect("poll");
            machine.advance(Duration::from_millis(10));
        }
        let target = host.adapter().control().targets().first().expect("it came").id;
        assert_eq!(host.limits().expect("it is up").cdb_max, 32);
        // Long and short in turn: what a long one leaves in the frame is not part of a short one.
        for len in [32, 16, 31, 6, 17, 20, 12, 32, 10] {
            let bytes: Vec<u8> =
                (0..len).map(|at| if at == 0 { 0x7f } else { 0x80 + at }).collect();
            let cdb = Cdb::new(&bytes).expect("up to 32 bytes");
            let data = host.platform().buffer(512).expect("memory");
            let transfer = Transfer::from_device(512);
            let nexus = Nexus::new(target, Lun::ZERO);
            let request = Request::new(nexus, cdb, transfer, data.into(), Cookie(1));
            let _ = recorder.take();
            let answer = host.execute(request).expect("accepted");
            assert!(answer.completion.is_done(), "{len}: {}", answer.completion.outcome);
            let arrived = recorder.take();
            assert_eq!(arrived.len(), 1);
            assert_eq!(arrived[0].cdb, bytes);
        }
        assert_no_complaints(&machine);
    }
}
