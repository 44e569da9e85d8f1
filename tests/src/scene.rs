//! One disk behind one controller of either kind, for stories of what is durable.

use alloc::sync::Arc;

use hba_core::command::{Cookie, Nexus, Request, Transfer};
use hba_core::control::{ControlEvent, RecoveryConfig};
use hba_core::dispatch::ClassTimeouts;
use hba_core::durability::{FlushError, Flushed, Judgement, Loss, UnitDurability};
use hba_core::host::{Answer, Data, Host, Platform};
use hba_core::logical_unit::{Fua, LogicalUnit};
use hba_core::port::ControlPort;
use mpt_backend::mpi1::{FifoRegister, Mpi1, Mpi1Config};
use mpt_backend::mpi2::{Mpi2, Mpi2Config};
use scsi_proto::{AdditionalSense, Cdb, Lba, SenseKey};
use sim_backend::controller::ControllerModel;
use sim_backend::direct::{DirectConfig, DirectControl, DirectController, Facts};
use sim_backend::disk::{Condition, DiskConfig, PortIndex, SharedDisk, SimDisk};
use sim_backend::machine::{SimMachine, SimRegisters};
use sim_backend::memory::SimMemory;
use sim_backend::mpi1::{Mpi1Controller, Personality};
use sim_backend::mpi2::{self, Mpi2Controller};
use sim_backend::platform::SimPlatform;
use sim_backend::target::Target as _;

use crate::forged::{Forged, Forgery};

/// One disk, and the host that drives it.
pub struct Scene<P: ControlPort, C: ControllerModel> {
    /// The driver.
    pub host: Host<P, SimPlatform<C>>,
    /// The controller and its memory.
    pub machine: Arc<SimMachine<C>>,
    /// The disk, past its controller.
    pub disk: SharedDisk,
    /// The disk, as discovery found it.
    pub unit: LogicalUnit,
    /// What the disk says instead of the truth.
    pub forgery: Forgery,
    /// Other disks, in the slots after the first.
    pub others: Vec<LogicalUnit>,
    /// Events that a question about others took out.
    events: Vec<ControlEvent>,
}

/// On [`sim:direct`](sim_backend::direct), four vectors.
pub type DirectScene = Scene<DirectControl, DirectController>;
/// On the simulated SAS1068.
pub type Sas1068Scene = Scene<Mpi1<FifoRegister<SimRegisters<Mpi1Controller>>>, Mpi1Controller>;

/// On the simulated SAS3008.
pub type Sas3008Scene = Scene<Mpi2, Mpi2Controller>;

/// The slot of the second port of a disk that has two.
pub const SECOND_PORT: usize = 5;

/// The disk that most stories are told of.
pub fn usual_disk() -> DiskConfig {
    DiskConfig::nth(0, 1 << 12)
}

/// A scene on `sim:direct`.
pub fn direct(config: &DiskConfig) -> DirectScene {
    direct_beside(config, &[])
}

/// The same with more disks beside it.
pub fn direct_beside(config: &DiskConfig, others: &[DiskConfig]) -> DirectScene {
    let memory = SimMemory::new(64 << 20);
    let controller =
        DirectController::new(Facts { vectors: 4, ..Facts::default() }, memory.device());
    let port = |_: &SimMachine<DirectController>| DirectControl::new(DirectConfig::default());
    Scene::start(SimMachine::new(controller, memory), config, others, port)
}

/// A scene on the SAS1068.
pub fn sas1068(config: &DiskConfig) -> Sas1068Scene {
    sas1068_beside(config, &[])
}

/// The same with more disks beside it.
pub fn sas1068_beside(config: &DiskConfig, others: &[DiskConfig]) -> Sas1068Scene {
    let memory = SimMemory::new(64 << 20);
    let controller = Mpi1Controller::new(Personality::hardware(), memory.device());
    let port = |machine: &SimMachine<Mpi1Controller>| {
        Mpi1::new(Mpi1Config::default(), FifoRegister(machine.registers()))
    };
    Scene::start(SimMachine::new(controller, memory), config, others, port)
}

/// A scene on the simulated SAS3008, two vectors.
pub fn sas3008(config: &DiskConfig) -> Sas3008Scene {
    let memory = SimMemory::new(1 << 30);
    let part = mpi2::Personality::sas3008().with_vectors(2);
    let controller = Mpi2Controller::new(part, memory.device());
    let port = |_: &SimMachine<Mpi2Controller>| {
        Mpi2::new(Mpi2Config { vectors: 2, whole_descriptors: true, ..Mpi2Config::default() })
    };
    Scene::start(SimMachine::new(controller, memory), config, &[], port)
}

/// A unit attention.
pub const fn attention(asc: u8, ascq: u8) -> Condition {
    Condition { key: SenseKey::UNIT_ATTENTION, additional: AdditionalSense::new(asc, ascq) }
}

impl<P: ControlPort, C: ControllerModel> Scene<P, C> {
    fn start(
        machine: SimMachine<C>,
        config: &DiskConfig,
        others: &[DiskConfig],
        port: impl FnOnce(&SimMachine<C>) -> P,
    ) -> Self {
        let machine = Arc::new(machine);
        let disk = SharedDisk::new(SimDisk::new(config).expect("a disk"));
        let forgery = Forgery::default();
        let forged = Forged::new(disk.clone(), forgery.clone());
        assert!(machine.attach(0, forged).is_ok(), "the slot is free");
        // A second port of the disk, as another target.
        for port in 1..config.ports {
            let port = disk.port(PortIndex(port));
            assert!(machine.attach(SECOND_PORT, port).is_ok(), "the slot is free");
        }
        for (slot, other) in (1..).zip(others) {
            let other = SimDisk::new(other).expect("a disk");
            assert!(machine.attach(slot, other).is_ok(), "the slot is free");
        }
        let platform = SimPlatform::new(Arc::clone(&machine));
        let (recovery, timeouts) = (RecoveryConfig::default(), ClassTimeouts::default());
        let mut host = Host::new(port(&machine), platform, recovery, timeouts);
        host.bring_up().expect("the controller comes up");
        let mut others = host.discover().expect("discovery ends").units;
        let unit = others.remove(0);
        host.take_events();
        Self { host, machine, disk, unit, forgery, others, events: Vec::new() }
    }

    /// Where the disk is.
    pub const fn nexus(&self) -> Nexus {
        self.unit.nexus
    }

    /// A write of `blocks` blocks full of `byte`.
    ///
    /// # Panics
    ///
    /// If memory runs out or the range is not on the disk.
    pub fn write_request(&mut self, lba: u64, blocks: u32, byte: u8, fua: Fua) -> Request<Data> {
        let mut data = self.host.platform().buffer(blocks as usize * 512).expect("memory");
        data.write(&vec![byte; blocks as usize * 512]);
        self.unit.write(Lba(lba), blocks, fua, Some(data), Cookie(lba)).expect("in range")
    }

    /// Writes, and judges; unit attentions are the caller's to see.
    pub fn try_write(&mut self, lba: u64, blocks: u32, byte: u8, fua: Fua) -> Judgement {
        let request = self.write_request(lba, blocks, byte, fua);
        self.judged(request)
    }

    /// Writes one block that has to be done.
    ///
    /// # Panics
    ///
    /// If it is not.
    pub fn write(&mut self, lba: u64, byte: u8) {
        assert_eq!(self.try_write(lba, 1, byte, Fua::Off), Judgement::Done);
    }

    /// Executes a request and judges its end.
    ///
    /// # Panics
    ///
    /// If it is refused.
    pub fn judged(&mut self, request: Request<Data>) -> Judgement {
        let cdb = request.command.cdb;
        self.host.execute(request).expect("accepted").judge(&cdb)
    }

    /// Reads one block, asking again after a unit attention.
    ///
    /// # Panics
    ///
    /// If it cannot be read.
    pub fn read(&mut self, lba: u64) -> Vec<u8> {
        for _ in 0..4 {
            let data = self.host.platform().buffer(512).expect("memory");
            let read = self.unit.read(Lba(lba), 1, Some(data), Cookie(0)).expect("in range");
            let answer = self.host.execute(read).expect("accepted");
            if answer.completion.is_done() {
                let mut bytes = vec![0; 512];
                answer.completion.data.as_ref().expect("home").read(&mut bytes);
                return bytes;
            }
        }
        panic!("block {lba} cannot be read");
    }

    /// The byte that a block is full of, if it is full of one.
    pub fn byte(&mut self, lba: u64) -> Option<u8> {
        let bytes = self.read(lba);
        bytes.iter().all(|byte| *byte == bytes[0]).then_some(bytes[0])
    }

    /// TEST UNIT READY.
    ///
    /// # Panics
    ///
    /// If it is refused.
    pub fn test_unit_ready(&mut self) -> Answer {
        let ready = self.unit.test_unit_ready(None, Cookie(0));
        self.host.execute(ready).expect("accepted")
    }

    /// A typed flush.
    ///
    /// # Panics
    ///
    /// If the adapter is not there.
    pub fn flush(&mut self) -> Result<Flushed, FlushError> {
        let unit = self.unit.clone();
        self.host.flush(&unit).expect("the adapter is there")
    }

    /// The loss that a flush names.
    ///
    /// # Panics
    ///
    /// If it succeeds, or fails for another reason.
    pub fn lost(&mut self) -> Loss {
        match self.flush() {
            Err(FlushError::Loss(loss)) => loss,
            other => panic!("no loss: {other:?}"),
        }
    }

    /// Acknowledges a loss.
    ///
    /// # Panics
    ///
    /// If it is not the one that is pending.
    pub fn acknowledge(&mut self, loss: Loss) {
        let nexus = self.nexus();
        assert_eq!(self.host.adapter().acknowledge_loss(nexus, loss), Ok(()));
    }

    /// What the books say.
    pub fn books(&mut self) -> UnitDurability {
        let nexus = self.nexus();
        self.host.adapter().durability(nexus)
    }

    /// The disk loses its power and has it back, between two commands; the controller sees nothing of it.
    pub fn blink(&mut self) {
        let mut disk = self.disk.lock();
        disk.power_cut();
        disk.power_on();
    }

    /// Whether such an event came.
    pub fn saw(&mut self, wanted: impl Fn(&ControlEvent) -> bool) -> bool {
        self.events.extend(self.host.take_events());
        self.events.iter().any(wanted)
    }

    /// MODE SELECT(6) or (10) that sets or clears WCE, not saved.
    ///
    /// # Panics
    ///
    /// If memory runs out.
    pub fn mode_select(&mut self, opcode: u8, write_cache: bool) -> Request<Data> {
        let header = if opcode == 0x15 { 4 } else { 8 };
        let mut list = vec![0; header + 20];
        (list[header], list[header + 1]) = (0x08, 18);
        list[header + 2] = u8::from(write_cache) << 2;
        let len = list.len() as u8;
        let cdb = match opcode {
            0x15 => Cdb::from_array([0x15, 0x10, 0, 0, len, 0]),
            _ => Cdb::from_array([0x55, 0x10, 0, 0, 0, 0, 0, 0, len, 0]),
        };
        let mut data = self.host.platform().buffer(list.len()).expect("memory");
        data.write(&list);
        let transfer = Transfer::to_device(len.into());
        Request::new(self.nexus(), cdb, transfer, Some(data), Cookie(0))
    }

    /// A command of the caller's bytes, without data.
    ///
    /// # Panics
    ///
    /// If the CDB is malformed.
    pub fn raw(&mut self, cdb: &[u8]) -> Request<Data> {
        let cdb = Cdb::new(cdb).expect("a cdb");
        Request::new(self.nexus(), cdb, Transfer::NONE, None, Cookie(0))
    }
}
