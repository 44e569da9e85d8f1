//! Simulated controllers in this process.

use alloc::sync::Arc;
use core::time::Duration;

use hba_core::port::ControlPort;
use hba_core::register::Registers;
use hba_core::sync::PairedRegisters;
use hba_core::tracer::Tracer;
use mpt_backend::mpi1::{FifoRegister, Mpi1, Mpi1Config};
use mpt_backend::mpi2::{Mpi2, Mpi2Config};
use sim_backend::controller::ControllerModel;
use sim_backend::direct::{DirectConfig, DirectControl, DirectController, Facts};
use sim_backend::disk::{DiskConfig, FileMedium, PowerCut, SimDisk};
use sim_backend::machine::{PowerDomain, SimMachine};
use sim_backend::memory::{DeviceMemory, SimMemory};
use sim_backend::mpi1::{Mpi1Controller, Personality};
use sim_backend::mpi2::{self, Mpi2Controller};
use sim_backend::pulse::AsyncSimPlatform;
use sim_backend::schedule::{CompletionOrder, Schedule};
use sim_backend::topology::Topology;

use super::facade::Facade;
use super::{
    ClockFn, Driver, Fault, FlightRecorder, PowerSwitch, Queues, Session, SessionConfig,
    SessionError,
};
use crate::controller::{ControllerSpec, DiskSource};
use crate::part::PartOptions;

/// A register-level model with its disks, that reaches the host through `memory`.
///
/// # Errors
///
/// [`SessionError`] for a controller that has no such model, or when a disk cannot be.
pub(crate) fn model(
    config: &SessionConfig,
    memory: DeviceMemory,
) -> Result<Box<dyn ControllerModel>, SessionError> {
    let controller = config.controller;
    let mut model: Box<dyn ControllerModel> = match controller {
        ControllerSpec::SimSas1068 => {
            let mut personality = Personality::hardware();
            // SeaBIOS writes its IOC_INIT right behind the reset, and waits for ever for what was lost in it.
            personality.behaviour.message_unit_reset_time = Duration::ZERO;
            Box::new(Mpi1Controller::new(personality, memory))
        }
        ControllerSpec::SimSas2008 | ControllerSpec::SimSas3008 => {
            Box::new(Mpi2Controller::new(personality(config), memory))
        }
        ControllerSpec::SimDirect | ControllerSpec::QemuMptsas1068 => {
            return Err(SessionError::NotPci { controller });
        }
    };
    insert_disks(config, model.topology_mut())?;
    Ok(model)
}

/// `mpt-backend` on a register-level SAS1068.
pub(super) fn sas1068(config: &SessionConfig) -> Result<Session, SessionError> {
    let memory = SimMemory::new(MEMORY);
    let mut model = Mpi1Controller::new(Personality::hardware(), memory.device());
    insert_disks(config, model.topology_mut())?;
    model.set_schedule(schedule(config));
    session(config, model, memory, |machine| {
        Mpi1::new(Mpi1Config::default(), FifoRegister(machine.registers()))
    })
}

/// `mpt-backend` on a register-level SAS2008 or SAS3008.
pub(super) fn mpi2(config: &SessionConfig) -> Result<Session, SessionError> {
    let memory = SimMemory::new(MEMORY);
    let mut model = Mpi2Controller::new(personality(config), memory.device());
    insert_disks(config, model.topology_mut())?;
    model.set_schedule(schedule(config));
    // A lock around the simulated registers keeps descriptors whole, or the halves take turns.
    let Queues { vectors, depth } = config.queues.unwrap_or(QUEUES);
    let driver = Mpi2Config {
        vectors: vectors.min(16) as u8,
        queue_depth_max: depth,
        whole_descriptors: true,
        ..Mpi2Config::default()
    };
    session(config, model, memory, move |_| Mpi2::new(driver))
}

/// The part, with the vectors that were asked for.
fn personality(config: &SessionConfig) -> mpi2::Personality {
    let part = match config.controller {
        ControllerSpec::SimSas3008 => mpi2::Personality::sas3008(),
        _ => mpi2::Personality::sas2008(),
    };
    let part = match config.queues {
        None => part,
        Some(queues) => part.with_vectors(queues.vectors.min(16) as u8),
    };
    config.part.applied(part)
}

/// The backend of `sim-backend`'s own controller.
pub(super) fn direct(config: &SessionConfig) -> Result<Session, SessionError> {
    let memory = SimMemory::new(MEMORY);
    let mut model = DirectController::new(Facts::default(), memory.device());
    insert_disks(config, model.topology_mut())?;
    model.set_schedule(schedule(config));
    let mut port = DirectConfig::default();
    if let Some(Queues { vectors, depth }) = config.queues {
        port = DirectConfig { vectors_max: vectors, depth_max: depth, ..port };
    }
    session(config, model, memory, move |_| DirectControl::new(port))
}

/// A machine and what makes a driver's port for it.
struct Machine<C, F> {
    machine: Arc<SimMachine<C>>,
    halved_stores: bool,
    make_port: F,
    recorder: Option<FlightRecorder>,
}

impl<C, F, P> PowerSwitch for Machine<C, F>
where
    C: ControllerModel + 'static,
    F: Fn(&SimMachine<C>) -> P,
    P: ControlPort<Queue: Send> + Send + 'static,
{
    fn cut(&self) {
        self.machine.cut_power(PowerDomain::Machine);
    }

    fn restore(&self) -> Box<dyn Driver> {
        self.machine.restore_power(PowerDomain::Machine);
        self.driver()
    }
}

impl<C, F, P> Machine<C, F>
where
    C: ControllerModel + 'static,
    F: Fn(&SimMachine<C>) -> P,
    P: ControlPort<Queue: Send> + Send + 'static,
{
    fn driver(&self) -> Box<dyn Driver> {
        let platform = AsyncSimPlatform::new(self.machine.clone());
        if self.halved_stores {
            self.driver_on(platform.with_registers(PairedRegisters::new))
        } else {
            self.driver_on(platform)
        }
    }

    fn driver_on<R>(&self, platform: AsyncSimPlatform<C, R>) -> Box<dyn Driver>
    where
        R: Registers + Clone + Send + Sync + 'static,
    {
        let port = (self.make_port)(&self.machine);
        let buffers = Box::new(platform.buffers());
        let end = Box::new(|| Ok(()));
        match self.recorder.clone() {
            None => Box::new(Facade::new(port, platform, buffers, end)),
            Some(recorder) => {
                let port = Tracer::with(port, recorder.clone());
                Box::new(Facade::new(port, platform, buffers, end).recorded(recorder))
            }
        }
    }
}

fn session<C, F, P>(
    config: &SessionConfig,
    model: C,
    memory: SimMemory,
    make_port: F,
) -> Result<Session, SessionError>
where
    C: ControllerModel + 'static,
    F: Fn(&SimMachine<C>) -> P + 'static,
    P: ControlPort<Queue: Send> + Send + 'static,
{
    let machine = Arc::new(SimMachine::new(model, memory));
    let clock: ClockFn = {
        let machine = Arc::clone(&machine);
        Arc::new(move || machine.now())
    };
    let recorder = config.record.then(|| FlightRecorder::new(Arc::clone(&clock)));
    let halved_stores = config.part.halved_stores;
    let machine = Machine { machine, halved_stores, make_port, recorder: recorder.clone() };
    let driver = machine.driver();
    Ok(Session { driver, power: Some(Box::new(machine)), recorder, clock })
}

fn schedule(config: &SessionConfig) -> Schedule {
    match config.behaviour.seed {
        None => Schedule::default(),
        Some(seed) => Schedule::new(CompletionOrder::Seeded(seed)).with_delay(SHORTEST, LONGEST),
    }
}

fn insert_disks(config: &SessionConfig, topology: &mut Topology) -> Result<(), SessionError> {
    if !config.qemu_args.is_empty() {
        return Err(SessionError::QemuArguments { controller: config.controller });
    }
    let volumes = usize::from(config.part.volumes);
    // Slots of volumes are behind those of disks, whose first are the members.
    let phys = topology.slots() - if volumes > 0 { VOLUME_SLOTS } else { 0 };
    let members = volumes * PartOptions::MEMBERS;
    let (disks, slots) = (config.disks.sources().len(), phys - members + volumes);
    if disks > slots {
        return Err(SessionError::Slots { controller: config.controller, slots, disks });
    }
    let slot_of = |at| if at < volumes { phys + at } else { members + at - volumes };
    let sources = config.disks.sources().iter().enumerate();
    let shown = sources.map(|(at, source)| (slot_of(at), disk(at, source, config)));
    let hidden = (0..members).map(|at| (at, member(at)));
    for (slot, disk) in hidden.chain(shown) {
        let disk = disk?;
        let taken = SessionError::Slots { controller: config.controller, slots, disks };
        topology.insert(slot, Box::new(disk)).map_err(|_| taken)?;
    }
    Ok(())
}

/// A disk that a volume is made of: the controller keeps what is written to the volume, so it holds nothing that is looked at.
fn member(at: usize) -> Result<SimDisk, SessionError> {
    let index = (MEMBERS_FROM + at) as u32;
    SimDisk::new(&DiskConfig::nth(index, 2048)).map_err(SessionError::Disk)
}

fn disk(at: usize, source: &DiskSource, config: &SessionConfig) -> Result<SimDisk, SessionError> {
    let (plan, behaviour) = (&config.disks, config.behaviour);
    let block_size = plan.block_size();
    let mut defaults = DiskConfig::nth(at as u32, 1);
    if at < usize::from(config.part.volumes) {
        // As integrated RAID says it of volumes.
        (defaults.identity.vendor, defaults.identity.product) =
            (*b"LSI     ", *b"Logical Volume  ");
    }
    let seed = behaviour.seed.unwrap_or(0).wrapping_add(defaults.seed);
    let fault = behaviour.fault;
    let torn = fault == Some(Fault::TornBlock);
    let mut disk = DiskConfig {
        block_size,
        physical_block_exponent: plan.physical_block_exponent(),
        lying_flush: fault == Some(Fault::LyingFlush),
        power_cut: if torn { PowerCut::TornBlock } else { PowerCut::RandomSubset },
        cache_blocks: CACHE / block_size.bytes(),
        seed,
        ..defaults
    };
    let made = match source {
        DiskSource::Memory { bytes } => {
            disk.blocks = bytes / u64::from(block_size.bytes());
            SimDisk::new(&disk)
        }
        DiskSource::Image { path, format: hba_qemu::ImageFormat::Raw } => {
            let medium = FileMedium::open(path, block_size);
            let failed = |source| SessionError::Medium { path: path.clone(), source };
            SimDisk::with_media(&disk, vec![Box::new(medium.map_err(failed)?)])
        }
        DiskSource::Image { path, format } => {
            return Err(SessionError::ImageFormat { path: path.clone(), format: *format });
        }
    };
    made.map_err(SessionError::Disk)
}

/// What the host asks a controller for, unless told otherwise.
const QUEUES: Queues = Queues { vectors: 4, depth: u16::MAX };
/// Slots that integrated RAID has for volumes.
const VOLUME_SLOTS: usize = 2;
/// The number that member disks are named from, beyond those that are seen.
const MEMBERS_FROM: usize = 1000;
/// What the host may allocate in all, over every power cycle. Only what is in use takes space.
const MEMORY: usize = 64 << 30;
/// The write cache of a disk in bytes.
const CACHE: u32 = 32 << 20;
/// How long a command takes at least, and at most.
const SHORTEST: Duration = Duration::from_micros(20);
const LONGEST: Duration = Duration::from_micros(500);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::DiskPlan;

    /// Register writes of a bring-up.
    fn writes(halved_stores: bool) -> u64 {
        let disks = DiskPlan::memory(1, 1 << 20, 512).expect("a disk");
        let config = SessionConfig::new(ControllerSpec::SimSas3008, disks);
        let memory = SimMemory::new(1 << 30);
        let mut model = Mpi2Controller::new(personality(&config), memory.device());
        insert_disks(&config, model.topology_mut()).expect("room");
        let machine = Arc::new(SimMachine::new(model, memory));
        let driver = Mpi2Config { whole_descriptors: true, ..Mpi2Config::default() };
        let make_port = |_: &SimMachine<_>| Mpi2::new(driver);
        let machine = Machine { machine, halved_stores, make_port, recorder: None };
        machine.driver().bring_up().expect("it comes up");
        machine.machine.with_controller(|c| assert_eq!(c.violations().to_string(), ""));
        machine.machine.register_count().writes
    }

    #[test]
    fn a_host_without_64_bit_stores_writes_each_descriptor_in_two() {
        let (whole, halved) = (writes(false), writes(true));
        assert!(halved > whole, "{halved} for {whole}");
    }
}
