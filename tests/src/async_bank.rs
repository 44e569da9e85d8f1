//! The async facade on a [`RegisterBank`]: what is measured over it is the facade.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use core::task::{Context, Poll};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hba_core::dma::{DmaRegion, RegionBuffer};
use hba_core::host::{self, OutOfMemory};
use hba_core::port::RegionPlan;
use hba_core::queue::Vector;
use hba_core::register::{RegOffset, Registers};
use hba_core::runtime::{Attached, Clock, Config, Interrupts, Platform, attach};
use hba_core::time::Instant;
use mpt_backend::mpi1::{Mpi1, Mpi1Config};

use crate::register_bank::{BankFifo, Pages, RegisterBank};

/// What tasks and drivers share of the controller.
#[derive(Debug)]
pub struct AsyncBank {
    bank: Mutex<RegisterBank>,
    /// Doorbells only store their word.
    running: AtomicBool,
    doorbell: AtomicU32,
    interrupt: AtomicBool,
}

/// A handle that costs nothing to clone.
#[derive(Clone, Copy, Debug)]
pub struct BankHandle(pub &'static AsyncBank);

/// The adapter of [`AsyncBank::start`].
pub type AsyncAdapter = Attached<Mpi1<BankFifo>, BankHandle, Pages>;

impl AsyncBank {
    /// A controller that is never freed, and its adapter, operational.
    ///
    /// # Panics
    ///
    /// If it does not become so.
    pub fn start() -> (BankHandle, AsyncAdapter) {
        let (bank, fifo) = RegisterBank::new();
        let (running, doorbell, interrupt) = Default::default();
        let shared = Self { bank: Mutex::new(bank), running, doorbell, interrupt };
        let handle = BankHandle(Box::leak(Box::new(shared)));
        let mut attach =
            Box::pin(attach(Mpi1::new(Mpi1Config::default(), fifo), handle, Config::default()));
        let mut cx = Context::from_waker(core::task::Waker::noop());
        for _ in 0..1000 {
            if let Poll::Ready(adapter) = attach.as_mut().poll(&mut cx) {
                handle.0.running.store(true, Ordering::Relaxed);
                return (handle, adapter.expect("the controller comes up"));
            }
        }
        panic!("not operational after a thousand polls");
    }

    /// The controller.
    pub fn bank(&self) -> MutexGuard<'_, RegisterBank> {
        self.bank.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on doorbells only store their word.
    pub fn set_running(&self) {
        self.running.store(true, Ordering::Relaxed);
    }

    /// The last doorbell.
    pub fn doorbell(&self) -> u32 {
        self.doorbell.load(Ordering::Relaxed)
    }

    /// Raises the interrupt.
    pub fn interrupt(&self) {
        self.interrupt.store(true, Ordering::Relaxed);
    }
}

impl Registers for BankHandle {
    fn read32(&mut self, offset: RegOffset) -> u32 {
        self.0.bank().read32(offset)
    }

    #[inline]
    fn write32(&mut self, offset: RegOffset, value: u32) {
        if self.0.running.load(Ordering::Relaxed) {
            self.0.doorbell.store(value, Ordering::Relaxed);
        } else {
            self.0.bank().write32(offset, value);
        }
    }
}

impl Interrupts for BankHandle {
    fn poll_interrupt(&mut self, _: &mut Context<'_>) -> Poll<()> {
        if self.0.interrupt.load(Ordering::Relaxed) {
            self.0.interrupt.store(false, Ordering::Relaxed);
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

/// Time stands still.
impl Clock for BankHandle {
    fn now(&self) -> Instant {
        Instant::ZERO
    }
}

impl host::Platform for BankHandle {
    fn registers(&mut self) -> &mut dyn Registers {
        self
    }

    fn now(&mut self) -> Instant {
        Instant::ZERO
    }

    fn wait(&mut self, _: Instant) {}

    fn allocate(&mut self, plan: &RegionPlan) -> Result<DmaRegion, OutOfMemory> {
        Ok(self.0.bank().allocate(plan))
    }

    fn buffer(&mut self, len: usize) -> Result<RegionBuffer, OutOfMemory> {
        Err(OutOfMemory { len })
    }

    fn isolate(&mut self) {}
}

impl Platform for BankHandle {
    type Registers = Self;
    type Clock = Self;
    type Interrupts = Self;

    fn shared_registers(&self) -> Self {
        *self
    }

    fn clock(&self) -> Self {
        *self
    }

    fn interrupts(&mut self, _: Vector) -> Self {
        *self
    }

    fn poll_timer(&mut self, _: &mut Context<'_>, _: Instant) -> Poll<()> {
        Poll::Pending
    }
}
