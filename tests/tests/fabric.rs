//! Controllers behind bridges and IOMMUs: what the field reports met, on a desk.

extern crate alloc;

use alloc::sync::Arc;

use hba_core::command::{Cookie, Failure, Outcome, Request, Transfer};
use hba_core::control::RecoveryConfig;
use hba_core::dispatch::ClassTimeouts;
use hba_core::dma::{DataBuffer, DmaMapper, DmaWindow, MapDirection, Mapped, Unfit};
use hba_core::fabric::text::FabricText;
use hba_core::fabric::{FaultUnit, PreflightError, RequesterId};
use hba_core::host::{Host, HostError, Platform};
use hba_core::port::{BringUpError, ControlPort};
use hba_core::queue::Vector;
use hba_core::time::Timeout;
use hba_tests::rig::Rig;
use hba_tests::sim::nexus;
use mpt_backend::mpi1::{FifoRegister, Mpi1, Mpi1Config};
use scsi_proto::Cdb;
use sim_backend::controller::ControllerModel;
use sim_backend::direct::{DirectConfig, DirectControl, DirectController, Facts};
use sim_backend::disk::{DiskConfig, SharedDisk, SimDisk};
use sim_backend::fabric::{AppMemory, BouncePolicy, Fabric, FabricConfig, PageSize, SimMapper};
use sim_backend::machine::{SimMachine, SimRegisters};
use sim_backend::memory::{DeviceMemory, DmaDirection, DmaFaultCause};
use sim_backend::mpi1::{Mpi1Controller, Personality};
use sim_backend::platform::SimPlatform;

const CONTROLLER: &str = "02:04.0";
const BRIDGE_ALIAS: &str = "02:00.0";
const PLAIN: &str = "root 00\n00:01.0 root-port to 02\n02:04.0 endpoint\n";
const BRIDGED: &str = "root 00\n00:01.0 root-port to 01\n01:00.0 pcie-to-pci to 02\n02:04.0 pci\n";

fn id(text: &str) -> RequesterId {
    text.parse().expect("an id")
}

fn disk() -> SharedDisk {
    SharedDisk::new(SimDisk::new(&DiskConfig::nth(0, 1 << 14)).expect("a disk"))
}

/// A controller model and its driver.
trait Kind {
    type Model: ControllerModel;
    type Port: ControlPort;

    fn model(memory: DeviceMemory) -> Self::Model;
    fn port(window: DmaWindow, registers: SimRegisters<Self::Model>) -> Self::Port;
}

struct Sas1068;

impl Kind for Sas1068 {
    type Model = Mpi1Controller;
    type Port = Mpi1<FifoRegister<SimRegisters<Mpi1Controller>>>;

    fn model(memory: DeviceMemory) -> Mpi1Controller {
        Mpi1Controller::new(Personality::hardware(), memory)
    }

    fn port(window: DmaWindow, registers: SimRegisters<Mpi1Controller>) -> Self::Port {
        Mpi1::new(Mpi1Config { window, ..Mpi1Config::default() }, FifoRegister(registers))
    }
}

struct Direct;

impl Kind for Direct {
    type Model = DirectController;
    type Port = DirectControl;

    fn model(memory: DeviceMemory) -> DirectController {
        DirectController::new(Facts::default(), memory)
    }

    fn port(window: DmaWindow, _: SimRegisters<DirectController>) -> DirectControl {
        DirectControl::new(DirectConfig { window, ..DirectConfig::default() })
    }
}

/// A controller in a fabric, the driver not started.
fn platform<K: Kind>(fabric: &Fabric) -> (SimPlatform<K::Model>, K::Port) {
    let memory = fabric.memory(id(CONTROLLER)).expect("it is there");
    let machine = Arc::new(SimMachine::new(K::model(memory.device()), memory));
    assert!(machine.attach(0, disk()).is_ok(), "slot 0 is free");
    let port = K::port(fabric.window(), machine.registers());
    (SimPlatform::new(machine), port)
}

#[derive(Clone, Copy)]
struct Scene {
    fabric: &'static str,
    preflight: bool,
    alias: Option<&'static str>,
}

impl Scene {
    /// Brings the controller up and moves data both ways.
    fn run<K: Kind>(self) -> (Result<(), HostError>, Fabric) {
        let topology = self.fabric.parse::<FabricText>().expect("well formed").topology;
        let fabric = Fabric::new(topology, FabricConfig::translated());
        if let Some(alias) = self.alias {
            fabric.map_alias(id(CONTROLLER), id(alias)).expect("it is there");
        }
        let (mut platform, port) = platform::<K>(&fabric);
        if !self.preflight {
            platform = platform.without_preflight();
        }
        let recovery = RecoveryConfig::default();
        let mut host = Host::new(port, platform, recovery, ClassTimeouts::default());
        (host.bring_up().and_then(|()| workload(&mut host)), fabric)
    }
}

/// 64 KiB written and read back.
fn workload<P: ControlPort, L: Platform>(host: &mut Host<P, L>) -> Result<(), HostError> {
    let found = host.discover()?;
    assert_eq!(found.units.len(), 1, "the disk is found");
    let pattern: Vec<u8> = (0..65536u32).map(|i| (i % 251) as u8).collect();
    let mut buffer = host.platform().buffer(65536)?;
    buffer.write(&pattern);
    let mut send = |opcode, transfer, buffer| {
        let cdb = Cdb::new(&[opcode, 0, 0, 0, 0, 9, 0, 0, 128, 0]).expect("a cdb");
        let answer =
            host.execute(Request::new(nexus(0), cdb, transfer, Some(buffer), Cookie(1)))?;
        assert!(answer.completion.is_done(), "{}", answer.completion.outcome);
        Ok::<_, HostError>(answer.completion.data.expect("it comes home"))
    };
    let mut buffer = send(0x2a, Transfer::to_device(65536), buffer)?;
    buffer.write(&[0; 65536]);
    let buffer = send(0x28, Transfer::from_device(65536), buffer)?;
    let mut back = vec![0; 65536];
    buffer.read(&mut back);
    assert!(back == pattern, "what was written is read");
    Ok(())
}

fn b07<K: Kind>() -> (HostError, Fabric) {
    let plain = Scene { fabric: PLAIN, preflight: true, alias: None };
    let bridged = Scene { fabric: BRIDGED, ..plain };
    let careless = Scene { preflight: false, ..bridged };
    let mapped = Scene { alias: Some(BRIDGE_ALIAS), ..bridged };

    let (ended, fabric) = plain.run::<K>();
    assert_eq!((ended, fabric.verdict()), (Ok(()), Ok(())));

    let (ended, fabric) = bridged.run::<K>();
    let Err(HostError::BringUp(BringUpError::Preflight(error))) = ended else {
        panic!("{ended:?}")
    };
    let PreflightError::AliasNotMapped { missing } = error else { panic!("{error}") };
    assert_eq!(missing.ids(), [id(BRIDGE_ALIAS)]);
    assert_eq!(fabric.verdict(), Ok(()), "refused before any dma");

    let (ended, fabric) = mapped.run::<K>();
    assert_eq!((ended, fabric.verdict()), (Ok(()), Ok(())));

    let (ended, fabric) = careless.run::<K>();
    let fault = fabric.verdict().expect_err("the bridge's id is not mapped");
    assert_eq!(fault.requester, Some(id(BRIDGE_ALIAS)));
    assert_eq!(fault.cause, DmaFaultCause::NoTable);
    let record = fabric.record(&fault, FaultUnit::DartT8110).expect("a dart notices");
    assert_eq!(record.words()[0], 0x8000_0001, "the status of the report");
    (ended.expect_err("it cannot come up"), fabric)
}

#[test]
fn b07_the_report_of_the_bridge_on_the_simulated_sas1068() {
    let (error, fabric) = b07::<Sas1068>();
    let fault = fabric.verdict().expect_err("as above");
    let HostError::BringUp(BringUpError::FirstFetch { request, .. }) = error else {
        panic!("{error}")
    };
    assert_eq!((fault.address, fault.direction), (request, DmaDirection::DeviceReads));
}

#[test]
fn b07_the_report_of_the_bridge_on_the_direct_controller() {
    b07::<Direct>();
}

/// An adapter whose data is applications' memory, with its mapper.
struct Bench<K: Kind> {
    fabric: Fabric,
    rig: Rig<K::Port, SimPlatform<K::Model>, Mapped<AppMemory>>,
    mapper: SimMapper,
}

impl<K: Kind> Bench<K> {
    fn new(config: FabricConfig) -> Self {
        let topology = BRIDGED.parse::<FabricText>().expect("well formed").topology;
        let fabric = Fabric::new(topology, config);
        fabric.map_alias(id(CONTROLLER), id(BRIDGE_ALIAS)).expect("it is there");
        let policy = BouncePolicy::Copy { bytes_max: 1 << 20 };
        let mapper = fabric.mapper(id(CONTROLLER), policy).expect("it is there");
        let (platform, port) = platform::<K>(&fabric);
        let mut bench = Self { rig: Rig::start(port, platform), fabric, mapper };
        // The disk reports its power-on once.
        let _attention = bench.move_data(0x28, MapDirection::FromDevice, vec![0; 512], 0);
        bench
    }

    fn prepare(&mut self, bytes: &[u8], offset: usize, way: MapDirection) -> Mapped<AppMemory> {
        let mut memory = self.fabric.application(bytes.len(), offset).expect("room");
        memory.write(0, bytes);
        self.mapper.prepare(memory, way).expect("prepared")
    }

    /// READ(10) or WRITE(10) from block 9.
    fn request(opcode: u8, data: Mapped<AppMemory>) -> Request<Mapped<AppMemory>> {
        let blocks = (data.len() / 512) as u8;
        let cdb = Cdb::new(&[opcode, 0, 0, 0, 0, 9, 0, 0, blocks, 0]).expect("a cdb");
        let transfer = match opcode {
            0x2a => Transfer::to_device(data.len()),
            _ => Transfer::from_device(data.len()),
        };
        data.request(nexus(0), cdb, transfer, Cookie(7)).expect("it fits")
    }

    fn move_data(
        &mut self,
        opcode: u8,
        way: MapDirection,
        bytes: Vec<u8>,
        offset: usize,
    ) -> (Outcome, Vec<u8>) {
        let data = self.prepare(&bytes, offset, way);
        let done = self.rig.execute(Self::request(opcode, data)).expect("accepted");
        let memory = self.mapper.complete(done.data).expect("its own");
        (done.outcome, memory.to_vec())
    }
}

fn application_memory_reads_back<K: Kind>() {
    let large = FabricConfig { page: PageSize::Kib16, ..FabricConfig::identity() };
    let small = FabricConfig { page: PageSize::Kib4, ..FabricConfig::translated() };
    let hosts = [FabricConfig::identity(), large, FabricConfig::translated(), small];
    for (config, bounces) in
        hosts.map(|config| (config, false)).into_iter().chain([(FabricConfig::bouncing(), true)])
    {
        let mut bench = Bench::<K>::new(config);
        for (turn, (blocks, offset)) in
            [(1, 0), (1, 4095), (64, 0), (127, 1234)].into_iter().enumerate()
        {
            let pattern: Vec<u8> =
                (0..blocks * 512).map(|i| (i % 251) as u8 ^ turn as u8).collect();
            let out = bench.move_data(0x2a, MapDirection::ToDevice, pattern.clone(), offset);
            assert_eq!(out.0, Outcome::Status(scsi_proto::Status::GOOD), "{config:?}");
            let (_, back) =
                bench.move_data(0x28, MapDirection::FromDevice, vec![0; pattern.len()], 77);
            assert!(back == pattern, "{config:?}: {blocks} blocks");
        }
        let counters = bench.mapper.counters();
        let expected = if bounces { counters.prepared } else { 0 };
        assert_eq!((counters.bounced, counters.outstanding()), (expected, 0), "{config:?}");
        assert_eq!(bench.fabric.verdict(), Ok(()));
    }
}

#[test]
fn b09_application_memory_reads_back_on_the_simulated_sas1068() {
    application_memory_reads_back::<Sas1068>();
}

#[test]
fn b09_application_memory_reads_back_on_the_direct_controller() {
    application_memory_reads_back::<Direct>();
}

#[test]
fn b28_a_command_the_wrong_way_is_refused_or_faults() {
    let mut bench = Bench::<Sas1068>::new(FabricConfig::translated());
    let data = bench.prepare(&[3; 512], 0, MapDirection::ToDevice);
    let cdb = Cdb::new(&[0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0]).expect("a cdb");
    let transfer = Transfer::from_device(512);
    let refused = data.request(nexus(0), cdb, transfer, Cookie(1)).expect_err("read-only");
    assert!(matches!(refused.reason, Unfit::Direction { .. }));
    assert_eq!(bench.fabric.verdict(), Ok(()));
    // Around the check, the IOMMU is what remains.
    let request = Request::new(nexus(0), cdb, transfer, refused.mapped, Cookie(1));
    let done = bench.rig.execute(request).expect("accepted");
    assert!(!done.is_done(), "{}", done.outcome);
    let fault = bench.fabric.verdict().expect_err("the disk wrote to it");
    assert_eq!(fault.cause, DmaFaultCause::WrongDirection);
    let memory = bench.mapper.complete(done.data).expect("its own");
    assert_eq!(memory.to_vec(), [3; 512], "and nothing was written");
}

/// Submits a read whose answer the disk holds back, and looks at its mapping until it comes home.
fn b29<K: Kind>(end: impl Fn(&mut Bench<K>), expected: Failure, reaches_after: bool) {
    let mut bench = Bench::<K>::new(FabricConfig::translated());
    let bus = bench.fabric.memory(id(CONTROLLER)).expect("it is there").device();
    bench.rig.platform.machine().hold(0, true);
    let data = bench.prepare(&[0; 512], 0, MapDirection::FromDevice);
    let at = data.segments()[0].addr;
    let request = Bench::<K>::request(0x28, data).with_timeout(Timeout::from_secs(3600));
    let now = bench.rig.platform.now();
    let registers = bench.rig.platform.registers();
    bench.rig.adapter.submit(Vector(0), request, now, registers).expect("accepted");
    for _ in 0..100 {
        assert!(bench.rig.poll().is_empty(), "held");
    }
    assert_eq!(bus.write(at, &[1]), Ok(()), "the device may still write");
    assert_eq!(bench.mapper.counters().outstanding(), 1);
    end(&mut bench);
    let done = (0..200_000).find_map(|_| bench.rig.poll().pop()).expect("it comes home");
    assert_eq!(done.outcome, Outcome::Failed(expected));
    assert_eq!(bus.write(at, &[1]).is_ok(), reaches_after, "mapped until it is completed");
    let faults = bench.fabric.faults().count();
    let memory = bench.mapper.complete(done.data).expect("its own");
    assert!(!memory.is_wired());
    assert!(bus.write(at, &[2]).is_err(), "and not a moment longer");
    assert_eq!(bench.fabric.faults().count(), faults + 1);
    assert_ne!(memory.to_vec()[0], 2);
    // Had the queue let go of it too early, the disk's answer would come now, to memory that is no longer mapped.
    bench.rig.platform.machine().hold(0, false);
    for _ in 0..100 {
        assert!(bench.rig.poll().is_empty(), "once is enough");
    }
    assert_eq!(bench.fabric.faults().count(), faults + 1, "nothing comes late");
}

#[test]
fn b29_a_mapping_comes_home_with_a_confirmed_reset() {
    let reset = |bench: &mut Bench<Sas1068>| {
        let now = bench.rig.platform.now();
        bench.rig.adapter.request_reset(now);
    };
    b29::<Sas1068>(reset, Failure::Reset, true);
}

#[test]
fn b29_a_mapping_comes_home_when_the_controller_is_gone() {
    let remove = |bench: &mut Bench<Sas1068>| bench.rig.platform.machine().remove_after(0);
    b29::<Sas1068>(remove, Failure::ControllerGone, true);
    let remove = |bench: &mut Bench<Direct>| bench.rig.platform.machine().remove_after(0);
    b29::<Direct>(remove, Failure::ControllerGone, true);
}

#[test]
fn b29_a_queue_that_is_dropped_early_keeps_its_mappings() {
    let mut bench = Bench::<Sas1068>::new(FabricConfig::translated());
    bench.rig.platform.machine().hold(0, true);
    let data = bench.prepare(&[0; 512], 0, MapDirection::FromDevice);
    let at = data.segments()[0].addr;
    let now = bench.rig.platform.now();
    let request = Bench::<Sas1068>::request(0x28, data);
    let registers = bench.rig.platform.registers();
    bench.rig.adapter.submit(Vector(0), request, now, registers).expect("accepted");
    let Bench { fabric, rig, mapper } = bench;
    drop(rig.adapter);
    let bus = fabric.memory(id(CONTROLLER)).expect("it is there").device();
    assert_eq!(bus.write(at, &[1]), Ok(()), "the device was not stopped");
    assert_eq!(mapper.counters().outstanding(), 1, "and it is told");
}

/// Pulled out at every register access of a bring-up and a command in turn: everything comes home, nothing is touched after.
#[test]
fn b30_removal_at_every_register_access() {
    fn scene<K: Kind>(after: u64) -> bool {
        let topology = PLAIN.parse::<FabricText>().expect("well formed").topology;
        let fabric = Fabric::new(topology, FabricConfig::translated());
        let _watch = fabric.watch();
        let (platform, port) = platform::<K>(&fabric);
        platform.machine().remove_after(after);
        let recovery = RecoveryConfig::default();
        let mut host = Host::new(port, platform, recovery, ClassTimeouts::default());
        let mut ended = host.bring_up();
        if ended.is_ok() {
            let data = host.platform().buffer(512).expect("memory");
            let cdb = Cdb::new(&[0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0]).expect("a cdb");
            let transfer = Transfer::from_device(512);
            let request = Request::new(nexus(0), cdb, transfer, Some(data), Cookie(1));
            ended = host.execute(request).map(|answer| {
                assert!(answer.completion.data.is_some(), "the memory comes home");
            });
        }
        let removed = host.platform().machine().is_removed();
        assert!(removed || ended.is_ok(), "{ended:?} though the controller was there");
        removed
    }
    for after in 0.. {
        if !scene::<Sas1068>(after) {
            assert!(after > 100, "{after} accesses in all");
            break;
        }
    }
    for after in 0.. {
        if !scene::<Direct>(after) {
            assert!(after > 10, "{after} accesses in all");
            break;
        }
    }
}
