//! A simulated machine as a platform for `hba-core`'s polling host.

use alloc::sync::Arc;

use hba_core::dma::{DmaRegion, RegionBuffer};
use hba_core::fabric::HostMapping;
use hba_core::host::{OutOfMemory, Platform};
use hba_core::port::RegionPlan;
use hba_core::register::Registers;
use hba_core::time::Instant;

use crate::controller::ControllerModel;
use crate::machine::{SimMachine, SimRegisters};
use crate::memory::Placement;

/// A [`SimMachine`] with what `hba-core` asks of a platform: registers, memory, the machine's clock, a way to wait.
///
/// Time passes in [`wait`](Platform::wait) only, and no more of it than the controller needs for its next step: hours of
/// the machine take as long as the work in them.
#[derive(Debug)]
pub struct SimPlatform<C, R = SimRegisters<C>> {
    machine: Arc<SimMachine<C>>,
    registers: R,
    preflight: bool,
    placement: Placement,
    /// Whether that is so where addresses below 4 GiB are asked for, too.
    heedless: bool,
}

impl<C: ControllerModel> SimPlatform<C> {
    /// The machine as a driver finds it: the controller may master the bus, whatever an earlier platform did.
    #[must_use]
    pub fn new(machine: Arc<SimMachine<C>>) -> Self {
        machine.memory().set_bus_master(true);
        Self {
            registers: machine.registers(),
            machine,
            preflight: true,
            placement: Placement::Window,
            heedless: false,
        }
    }

    /// The platform of a host that reaches the registers through what `make` makes of them.
    #[must_use]
    pub fn with_registers<R>(self, make: impl FnOnce(SimRegisters<C>) -> R) -> SimPlatform<C, R> {
        let Self { machine, registers, preflight, placement, heedless } = self;
        SimPlatform { machine, registers: make(registers), preflight, placement, heedless }
    }
}

impl<C: ControllerModel, R> SimPlatform<C, R> {
    /// The platform of a host that knows nothing of its fabric: nothing is checked before the controller touches memory.
    #[must_use]
    pub fn without_preflight(self) -> Self {
        Self { preflight: false, ..self }
    }

    /// The platform of a host that puts the controller's memory so, unless it is asked for addresses below 4 GiB.
    #[must_use]
    pub fn with_placement(self, placement: Placement) -> Self {
        Self { placement, ..self }
    }

    /// The platform of a host that does not heed what window it is asked for, either.
    #[must_use]
    pub fn heedless(self) -> Self {
        Self { heedless: true, ..self }
    }

    /// The machine underneath.
    #[must_use]
    pub fn machine(&self) -> &SimMachine<C> {
        &self.machine
    }

    fn out_of_memory(len: usize) -> OutOfMemory {
        OutOfMemory { len }
    }
}

impl<C: ControllerModel, R: Registers> Platform for SimPlatform<C, R> {
    fn registers(&mut self) -> &mut dyn Registers {
        &mut self.registers
    }

    fn now(&mut self) -> Instant {
        self.machine.now()
    }

    /// Lets the controller work. Where there is nothing to do now, the clock moves to its next event or to `until`.
    fn wait(&mut self, until: Instant) {
        if self.machine.run(SimMachine::<C>::BUDGET).done > 0 {
            return;
        }
        let now = self.machine.now();
        let due = self.machine.next_due().filter(|due| *due > now);
        self.machine.set_now(due.map_or(until, |due| due.min(until)));
        self.machine.run(SimMachine::<C>::BUDGET);
    }

    fn allocate(&mut self, plan: &RegionPlan) -> Result<DmaRegion, OutOfMemory> {
        let wide = self.heedless || plan.window.last().high() != 0;
        let placement = if wide { self.placement } else { Placement::Window };
        let region = self.machine.memory().place(plan, placement);
        region.map_err(|_| Self::out_of_memory(plan.len))
    }

    fn buffer(&mut self, len: usize) -> Result<RegionBuffer, OutOfMemory> {
        self.machine.memory().buffer(len).map_err(|_| Self::out_of_memory(len))
    }

    fn isolate(&mut self) {
        self.machine.memory().set_bus_master(false);
    }

    fn mapping(&self) -> HostMapping {
        let known = self.preflight.then(|| self.machine.memory().mapping());
        known.unwrap_or_else(HostMapping::unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::SimMemory;
    use crate::mpi1::{Mpi1Controller, Personality};

    fn platform() -> SimPlatform<Mpi1Controller> {
        let memory = SimMemory::new(1 << 20);
        let controller = Mpi1Controller::new(Personality::hardware(), memory.device());
        SimPlatform::new(Arc::new(SimMachine::new(controller, memory)))
    }

    #[test]
    fn an_idle_machine_waits_to_the_end_and_no_longer() {
        let mut platform = platform();
        platform.wait(Instant::from_millis(70));
        assert_eq!(platform.now(), Instant::from_millis(70));
        platform.wait(Instant::from_millis(3));
        assert_eq!(platform.now(), Instant::from_millis(70), "time does not go back");
    }

    #[test]
    fn an_isolated_controller_reaches_no_memory_until_a_driver_attaches() {
        let mut platform = platform();
        let region = platform.machine().memory().allocate(64, 8).expect("room");
        let device = platform.machine().memory().device();
        assert!(device.read_u32(region.bus()).is_ok());
        platform.isolate();
        assert!(device.read_u32(region.bus()).is_err());
        assert!(device.write_u32(region.bus(), 1).is_err());
        let _again = SimPlatform::new(platform.machine.clone());
        assert!(device.read_u32(region.bus()).is_ok());
    }

    #[test]
    fn memory_has_an_end() {
        let error = platform().buffer(2 << 20).map(drop).expect_err("more than there is");
        assert_eq!(error, OutOfMemory { len: 2 << 20 });
    }
}
