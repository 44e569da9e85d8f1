//! A simulated machine as a platform for `hba-core`'s async facade.

use alloc::sync::Arc;
use core::task::{Context, Poll, Waker};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hba_core::dma::{DmaRegion, RegionBuffer};
use hba_core::fabric::HostMapping;
use hba_core::host::{self, OutOfMemory, Platform as _};
use hba_core::port::RegionPlan;
use hba_core::queue::Vector;
use hba_core::register::Registers;
use hba_core::runtime::{Clock, Interrupts, Platform};
use hba_core::time::Instant;

use crate::controller::ControllerModel;
use crate::machine::{SimMachine, SimRegisters};
use crate::memory::Placement;
use crate::platform::SimPlatform;

/// A [`SimPlatform`] with interrupts and a timer that tasks can await.
///
/// The machine works when the timer is polled, so the driver of Control keeps it going: at each poll the controller works,
/// and only if there was nothing to do the clock moves to its next event, or to the time that is waited for. The timer is
/// never ready; it asks to be polled again. So a runtime with a simulator in it is never idle, and on one thread the same
/// program gives the same run.
#[derive(Debug)]
pub struct AsyncSimPlatform<C, R = SimRegisters<C>> {
    platform: SimPlatform<C, R>,
    registers: R,
    machine: Arc<SimMachine<C>>,
    lines: Arc<Mutex<Vec<Line>>>,
}

/// The interrupt of one vector.
#[derive(Debug, Default)]
struct Line {
    raised: bool,
    waker: Option<Waker>,
}

/// The interrupt of one vector of a simulated controller. A level, or a message of any vector, raises all of them.
#[derive(Debug)]
pub struct SimInterrupts {
    lines: Arc<Mutex<Vec<Line>>>,
    vector: usize,
}

/// The clock of a simulated machine.
#[derive(Debug)]
pub struct SimClock<C>(Arc<SimMachine<C>>);

impl<C: ControllerModel> AsyncSimPlatform<C> {
    /// The machine as a driver finds it; see [`SimPlatform::new`].
    #[must_use]
    pub fn new(machine: Arc<SimMachine<C>>) -> Self {
        let platform = SimPlatform::new(Arc::clone(&machine));
        Self { platform, registers: machine.registers(), machine, lines: Arc::default() }
    }

    /// The platform of a host that reaches the registers through what `make` makes of them: every handle is a clone of that.
    #[must_use]
    pub fn with_registers<R: Clone>(
        self,
        make: impl FnOnce(SimRegisters<C>) -> R,
    ) -> AsyncSimPlatform<C, R> {
        let Self { platform, registers, machine, lines } = self;
        let registers = make(registers);
        let platform = platform.with_registers(|_| registers.clone());
        AsyncSimPlatform { platform, registers, machine, lines }
    }
}

impl<C: ControllerModel, R> AsyncSimPlatform<C, R> {
    /// See [`SimPlatform::with_placement`].
    #[must_use]
    pub fn with_placement(self, placement: Placement) -> Self {
        Self { platform: self.platform.with_placement(placement), ..self }
    }

    /// See [`SimPlatform::heedless`].
    #[must_use]
    pub fn heedless(self) -> Self {
        Self { platform: self.platform.heedless(), ..self }
    }

    /// Allocates data memory of a length in bytes, for tasks that have not the platform itself.
    pub fn buffers(&self) -> impl Fn(usize) -> Result<RegionBuffer, OutOfMemory> + Clone + use<C, R>
    where
        C: 'static,
    {
        let machine = Arc::clone(&self.machine);
        move |len| machine.memory().buffer(len).map_err(|_| OutOfMemory { len })
    }

    /// Whether there was an interrupt that some vector had not been told of; those that wait are woken.
    fn deliver(&self) -> bool {
        if self.machine.take_messages() == 0 && !self.machine.interrupt_level() {
            return false;
        }
        let (mut news, mut woken) = (false, Vec::new());
        for line in lock(&self.lines).iter_mut() {
            news |= !core::mem::replace(&mut line.raised, true);
            woken.extend(line.waker.take());
        }
        woken.into_iter().for_each(Waker::wake);
        news
    }
}

impl<C, R> Platform for AsyncSimPlatform<C, R>
where
    C: ControllerModel + 'static,
    R: Registers + Clone + Send + Sync + 'static,
{
    type Registers = R;
    type Clock = SimClock<C>;
    type Interrupts = SimInterrupts;

    fn shared_registers(&self) -> R {
        self.registers.clone()
    }

    fn clock(&self) -> SimClock<C> {
        SimClock(Arc::clone(&self.machine))
    }

    fn interrupts(&mut self, vector: Vector) -> SimInterrupts {
        let vector = usize::from(vector.0);
        let mut lines = lock(&self.lines);
        let len = lines.len().max(vector + 1);
        lines.resize_with(len, Line::default);
        SimInterrupts { lines: Arc::clone(&self.lines), vector }
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>, until: Instant) -> Poll<()> {
        cx.waker().wake_by_ref();
        if self.deliver() {
            return Poll::Pending;
        }
        if self.machine.now() >= until {
            return Poll::Ready(());
        }
        self.platform.wait(until);
        self.deliver();
        Poll::Pending
    }
}

impl<C: ControllerModel, R: Registers> host::Platform for AsyncSimPlatform<C, R> {
    fn registers(&mut self) -> &mut dyn Registers {
        self.platform.registers()
    }

    fn now(&mut self) -> Instant {
        self.machine.now()
    }

    fn wait(&mut self, until: Instant) {
        self.platform.wait(until);
    }

    fn allocate(&mut self, plan: &RegionPlan) -> Result<DmaRegion, OutOfMemory> {
        self.platform.allocate(plan)
    }

    fn buffer(&mut self, len: usize) -> Result<RegionBuffer, OutOfMemory> {
        self.platform.buffer(len)
    }

    fn isolate(&mut self) {
        self.platform.isolate();
    }

    fn mapping(&self) -> HostMapping {
        self.platform.mapping()
    }
}

impl Interrupts for SimInterrupts {
    fn poll_interrupt(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut lines = lock(&self.lines);
        let Some(line) = lines.get_mut(self.vector) else { return Poll::Pending };
        if core::mem::take(&mut line.raised) {
            return Poll::Ready(());
        }
        match &mut line.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl<C: ControllerModel + 'static> Clock for SimClock<C> {
    fn now(&self) -> Instant {
        self.0.now()
    }
}

fn lock(lines: &Mutex<Vec<Line>>) -> MutexGuard<'_, Vec<Line>> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}
