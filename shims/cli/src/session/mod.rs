//! A controller with its disks, brought to life: started, driven, and power cycled where it has a switch.

mod driver;
mod error;
mod executor;
mod facade;
mod qemu;
mod recorder;
mod sim;
mod trouble;

use core::fmt;

pub use driver::{Driver, Ended};
pub use error::SessionError;
pub(crate) use executor::Executor;
use hba_core::discovery::Discovered;
pub use recorder::{ClockFn, FlightRecorder, QueueRecorder};
pub(crate) use sim::model;
pub(crate) use trouble::tell_trouble;

use crate::controller::{ControllerSpec, DiskPlan};
use crate::part::PartOptions;

/// What to start.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Which controller.
    pub controller: ControllerSpec,
    /// Its disks.
    pub disks: DiskPlan,
    /// What is chosen of a SAS2008 or SAS3008.
    pub part: PartOptions,
    /// Arguments for QEMU, passed on unchanged. A simulated controller takes none.
    pub qemu_args: Vec<String>,
    /// How a simulation behaves.
    pub behaviour: SimBehaviour,
    /// How many vectors and commands a driver asks for, where the controller leaves that to it.
    pub queues: Option<Queues>,
    /// Whether the last words of every queue are kept, see [`Session::recorder`].
    pub record: bool,
}

/// Queues to ask a controller for; it may have fewer and permit less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queues {
    /// Vectors.
    pub vectors: u16,
    /// Commands outstanding on each.
    pub depth: u16,
}

/// How simulated controllers and disks behave. QEMU has its own ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SimBehaviour {
    /// Seed of completion order, timing and what a power cut leaves. `None`: in order, at once.
    pub seed: Option<u64>,
    /// What is wrong with the disks.
    pub fault: Option<Fault>,
}

/// A fault of simulated disks that a check has to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// SYNCHRONIZE CACHE answers GOOD and writes nothing back.
    LyingFlush,
    /// A power cut leaves a block half old and half new.
    TornBlock,
}

impl SessionConfig {
    /// A controller that behaves, with these disks.
    #[must_use]
    pub fn new(controller: ControllerSpec, disks: DiskPlan) -> Self {
        let behaviour = SimBehaviour::default();
        Self {
            controller,
            disks,
            part: PartOptions::default(),
            qemu_args: Vec::new(),
            behaviour,
            queues: None,
            record: false,
        }
    }
}

/// A started controller and the driver on it.
pub struct Session {
    driver: Box<dyn Driver>,
    power: Option<Box<dyn PowerSwitch>>,
    recorder: Option<FlightRecorder>,
    clock: ClockFn,
}

/// The power of controller and disks.
pub(crate) trait PowerSwitch {
    /// Power fails, now.
    fn cut(&self);

    /// Power is back; a driver that knows nothing of what was before.
    fn restore(&self) -> Box<dyn Driver>;
}

impl Session {
    /// Starts the controller. The driver has not touched it yet: see [`Self::attach`].
    ///
    /// # Errors
    ///
    /// [`SessionError`].
    pub fn open(config: SessionConfig) -> Result<Self, SessionError> {
        config.part.check(config.controller)?;
        match config.controller {
            ControllerSpec::SimSas1068 => sim::sas1068(&config),
            ControllerSpec::SimSas2008 | ControllerSpec::SimSas3008 => sim::mpi2(&config),
            ControllerSpec::SimDirect => sim::direct(&config),
            ControllerSpec::QemuMptsas1068 => qemu::mptsas1068(config),
        }
    }

    /// Brings the controller up and finds its logical units.
    ///
    /// # Errors
    ///
    /// [`SessionError::Host`].
    pub fn attach(&mut self) -> Result<Discovered, SessionError> {
        self.driver.bring_up()?;
        Ok(self.driver.discover()?)
    }

    /// The driver.
    pub fn driver(&mut self) -> &mut dyn Driver {
        &mut *self.driver
    }

    /// What was recorded, if that was asked for.
    #[must_use]
    pub const fn recorder(&self) -> Option<&FlightRecorder> {
        self.recorder.as_ref()
    }

    /// The platform's clock: virtual time where the controller is simulated.
    #[must_use]
    pub fn clock(&self) -> ClockFn {
        ClockFn::clone(&self.clock)
    }

    /// Whether [`Self::cycle_power`] can do what it says.
    #[must_use]
    pub fn has_power_switch(&self) -> bool {
        self.power.is_some()
    }

    /// Cuts the power of controller and disks, whatever is in flight, and restores it. Nothing is left of the old
    /// driver; [`Self::attach`] comes next. Without a switch nothing happens, and the answer is false.
    pub fn cycle_power(&mut self) -> bool {
        let Some(power) = &self.power else { return false };
        power.cut();
        self.driver = power.restore();
        true
    }

    /// Stops controller and driver in order.
    ///
    /// # Errors
    ///
    /// [`SessionError`]; everything is stopped nevertheless.
    pub fn close(self) -> Result<(), SessionError> {
        self.driver.close()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("power_switch", &self.has_power_switch()).finish()
    }
}
