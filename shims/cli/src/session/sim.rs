//! Simulated controllers in this process.

use alloc::sync::Arc;
use core::time::Duration;

use hba_core::port::ControlPort;
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
    // A lock around the simulated registers keeps descriptors whole.
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
    match config.queues {
        None => part,
        Some(queues) => part.with_vectors(queues.vectors.min(16) as u8),
    }
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
        let port = (self.make_port)(&self.machine);
        let platform = AsyncSimPlatform::new(self.machine.clone());
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
    let machine = Machine { machine, make_port, recorder: recorder.clone() };
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
    let (disks, slots) = (config.disks.sources().len(), topology.slots());
    for (slot, source) in config.disks.sources().iter().enumerate() {
        let disk = disk(slot, source, config)?;
        let too_many = SessionError::Slots { controller: config.controller, slots, disks };
        topology.insert(slot, Box::new(disk)).map_err(|_| too_many)?;
    }
    Ok(())
}

fn disk(slot: usize, source: &DiskSource, config: &SessionConfig) -> Result<SimDisk, SessionError> {
    let (plan, behaviour) = (&config.disks, config.behaviour);
    let block_size = plan.block_size();
    let defaults = DiskConfig::nth(slot as u32, 1);
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
/// What the host may allocate in all, over every power cycle. Only what is in use takes space.
const MEMORY: usize = 64 << 30;
/// The write cache of a disk in bytes.
const CACHE: u32 = 32 << 20;
/// How long a command takes at least, and at most.
const SHORTEST: Duration = Duration::from_micros(20);
const LONGEST: Duration = Duration::from_micros(500);
