//! The MPI 1.x backend on the simulated SAS1068.

use alloc::sync::Arc;

use hba_core::command::{Completion, Cookie, Nexus, Outcome, Request, TargetId, Transfer};
use hba_core::control::{ControlEvent, RecoveryConfig};
use hba_core::dispatch::ClassTimeouts;
use hba_core::host::{Answer, Data, Host, Platform};
use hba_core::logical_unit::LogicalUnit;
use mpt_backend::mpi1::{FifoRegister, Mpi1, Mpi1Config};
use scsi_proto::{Cdb, Lun, Status};
use sim_backend::disk::{DiskConfig, SharedDisk, SimDisk};
use sim_backend::machine::{SimMachine, SimRegisters};
use sim_backend::memory::SimMemory;
use sim_backend::mpi1::{Mpi1Controller, Personality};
use sim_backend::platform::SimPlatform;

/// A host with the simulator underneath.
pub type SimHost =
    Host<Mpi1<FifoRegister<SimRegisters<Mpi1Controller>>>, SimPlatform<Mpi1Controller>>;

/// A host, and the world behind its controller.
pub struct World {
    /// The driver.
    pub host: SimHost,
    /// The controller and its memory.
    pub machine: Arc<SimMachine<Mpi1Controller>>,
    /// The disks, by target.
    pub disks: Vec<SharedDisk>,
}

/// How a world differs from the usual one.
pub struct Setup {
    /// Number of disks.
    pub disks: u32,
    /// Blocks of each, 512 bytes long.
    pub blocks: u64,
    /// What the controller is.
    pub personality: Personality,
    /// What the driver is told.
    pub config: Mpi1Config,
    /// How patient recovery is.
    pub recovery: RecoveryConfig,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            disks: 2,
            blocks: 1 << 16,
            personality: Personality::hardware(),
            config: Mpi1Config::default(),
            recovery: RecoveryConfig::default(),
        }
    }
}

impl Setup {
    /// The world, the controller not brought up yet.
    ///
    /// # Panics
    ///
    /// If the setup contradicts itself.
    pub fn build(self) -> World {
        let memory = SimMemory::new(64 << 20);
        let controller = Mpi1Controller::new(self.personality, memory.device());
        let machine = Arc::new(SimMachine::new(controller, memory));
        let disks: Vec<_> = (0..self.disks).map(|i| disk(i, self.blocks)).collect();
        for (slot, disk) in disks.iter().enumerate() {
            assert!(machine.attach(slot, disk.clone()).is_ok(), "slot {slot} is free");
        }
        let host = host(&machine, self.config, self.recovery);
        World { host, machine, disks }
    }

    /// The world, operational.
    ///
    /// # Panics
    ///
    /// If the controller does not come up.
    pub fn start(self) -> World {
        let mut world = self.build();
        world.host.bring_up().expect("the controller comes up");
        world
    }
}

/// A second driver for a machine that has one, or had.
pub fn host_on(machine: &Arc<SimMachine<Mpi1Controller>>) -> SimHost {
    host(machine, Mpi1Config::default(), RecoveryConfig::default())
}

fn host(
    machine: &Arc<SimMachine<Mpi1Controller>>,
    config: Mpi1Config,
    recovery: RecoveryConfig,
) -> SimHost {
    let platform = SimPlatform::new(Arc::clone(machine));
    let port = Mpi1::new(config, FifoRegister(machine.registers()));
    Host::new(port, platform, recovery, ClassTimeouts::default())
}

fn disk(index: u32, blocks: u64) -> SharedDisk {
    SharedDisk::new(SimDisk::new(&DiskConfig::nth(index, blocks)).expect("a disk"))
}

impl World {
    /// A request with a buffer of its own where data moves.
    ///
    /// # Panics
    ///
    /// If memory runs out or the CDB is malformed.
    pub fn request(&mut self, id: u16, cdb: &[u8], transfer: Transfer) -> Request<Data> {
        let len = transfer.length as usize;
        let data = (len > 0).then(|| self.host.platform().buffer(len).expect("memory"));
        let cdb = Cdb::new(cdb).expect("a cdb");
        Request::new(nexus(id), cdb, transfer, data, Cookie(u64::from(id)))
    }

    /// Sends one command and waits for its end.
    ///
    /// # Panics
    ///
    /// If the request is refused.
    pub fn send(&mut self, id: u16, cdb: &[u8], transfer: Transfer) -> Answer {
        let request = self.request(id, cdb, transfer);
        self.host.execute(request).expect("accepted")
    }

    /// Discovers the logical units, which clears their unit attentions.
    ///
    /// # Panics
    ///
    /// If a command of discovery is refused.
    pub fn units(&mut self) -> Vec<LogicalUnit> {
        self.host.discover().expect("discovery ends").units
    }

    /// Polls until `count` commands have completed.
    ///
    /// # Panics
    ///
    /// If they do not within 100,000 polls.
    pub fn collect(&mut self, count: usize) -> Vec<Completion<Data>> {
        let mut done = Vec::new();
        for _ in 0..100_000 {
            if done.len() >= count {
                return done;
            }
            self.host.poll(|d| done.push(d.completion)).expect("poll");
        }
        panic!("{} of {count} commands completed", done.len());
    }

    /// Polls some more: nothing may complete.
    ///
    /// # Panics
    ///
    /// If something does.
    pub fn expect_silence(&mut self) {
        for _ in 0..50 {
            self.host.poll(|done| panic!("completed twice: {done:?}")).expect("poll");
        }
    }

    /// Whether an event of this kind came since the events were last taken.
    pub fn saw(&mut self, wanted: impl Fn(&ControlEvent) -> bool) -> bool {
        self.host.take_events().iter().any(wanted)
    }
}

/// LUN 0 of target `id`.
pub const fn nexus(id: u16) -> Nexus {
    Nexus::new(TargetId::new(id), Lun::ZERO)
}

/// Whether the device said GOOD.
pub const fn is_good(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Status(Status::GOOD))
}
