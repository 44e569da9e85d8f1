//! The async facade as it ships, under shuttle: drivers and tasks are the checker's, and so is every switch between them.

use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::sync::{Arc, Mutex as Plain, PoisonError};

use hba_core::command::{Command, Nexus, TargetId, Transfer};
use hba_core::dma::{DmaRegion, NoData, RegionBuffer};
use hba_core::host::{self, OutOfMemory};
use hba_core::port::RegionPlan;
use hba_core::queue::Vector;
use hba_core::register::{RegOffset, Registers};
use hba_core::runtime::{Attached, Clock, Config, Interrupts, Platform, attach};
use hba_core::time::Instant;
use scsi_proto::{Cdb, Lun, TaskAttribute};
use shuttle::future;

use crate::checker::{Mutex, lock, thread};
use crate::rig::{DeviceRing, ModelControl, NOW};

/// A device that answers when its doorbell is rung, and interrupts.
#[derive(Clone)]
pub struct Device(Arc<Inner>);

struct Inner {
    rings: Vec<Mutex<DeviceRing>>,
    lines: Vec<Mutex<Line>>,
    clock: Plain<Instant>,
}

#[derive(Default)]
struct Line {
    raised: bool,
    waker: Option<Waker>,
}

/// The interrupt of one vector.
pub struct Interrupt(Device, usize);

impl Registers for Device {
    fn read32(&mut self, _: RegOffset) -> u32 {
        0
    }

    fn write32(&mut self, offset: RegOffset, word: u32) {
        let vector = offset.0 as usize;
        lock(&self.0.rings[vector]).post(word);
        let waker = {
            let mut line = lock(&self.0.lines[vector]);
            line.raised = true;
            line.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Interrupts for Interrupt {
    fn poll_interrupt(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut line = lock(&self.0.0.lines[self.1]);
        if core::mem::take(&mut line.raised) {
            return Poll::Ready(());
        }
        line.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Clock for Device {
    fn now(&self) -> Instant {
        *self.0.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Platform for Device {
    type Registers = Self;
    type Clock = Self;
    type Interrupts = Interrupt;

    fn shared_registers(&self) -> Self {
        self.clone()
    }

    fn clock(&self) -> Self {
        self.clone()
    }

    fn interrupts(&mut self, vector: Vector) -> Interrupt {
        Interrupt(self.clone(), vector.0.into())
    }

    /// A millisecond passes, and the others have their turn.
    fn poll_timer(&mut self, cx: &mut Context<'_>, until: Instant) -> Poll<()> {
        let now = {
            let mut clock = self.0.clock.lock().unwrap_or_else(PoisonError::into_inner);
            *clock = *clock + Duration::from_millis(1);
            *clock
        };
        thread::yield_now();
        if now >= until {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl host::Platform for Device {
    fn registers(&mut self) -> &mut dyn Registers {
        self
    }

    fn now(&mut self) -> Instant {
        Clock::now(self)
    }

    fn wait(&mut self, _: Instant) {}

    fn allocate(&mut self, plan: &RegionPlan) -> Result<DmaRegion, OutOfMemory> {
        Err(OutOfMemory { len: plan.len })
    }

    fn buffer(&mut self, len: usize) -> Result<RegionBuffer, OutOfMemory> {
        Err(OutOfMemory { len })
    }

    fn isolate(&mut self) {}
}

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Facade {
    pub vectors: usize,
    pub depth: u16,
    /// Tasks of each vector: more than slots, so that some wait in line.
    pub tasks: usize,
    /// Whether the first task of each vector drops its commands' futures after one look.
    pub drops: bool,
}

impl Facade {
    /// Attaches, runs the tasks side by side with every driver on a task of its own, and shuts down.
    ///
    /// # Panics
    ///
    /// If a task, a driver or the shutdown does not end: the checker says that they are deadlocked.
    pub fn run(self) {
        future::block_on(self.story());
    }

    async fn story(self) {
        let (port, rings, _) = ModelControl::<16>::new(self.vectors, self.depth);
        let lines = rings.iter().map(|_| Mutex::default()).collect();
        let rings = rings.into_iter().map(Mutex::new).collect();
        let device = Device(Arc::new(Inner { rings, lines, clock: Plain::new(NOW) }));
        let attached = attach::<_, _, NoData>(port, device, Config::default()).await;
        let Attached { hba, vectors, control, .. } = attached.expect("it comes up");
        let mut drivers = vec![future::spawn(control)];
        drivers.extend(vectors.into_iter().map(future::spawn));
        let task = |n: usize| {
            let hba = hba.on(Vector((n % self.vectors) as u16));
            let drops = self.drops && n < self.vectors;
            future::spawn(async move {
                // The second meets those that wait and those that go on.
                for _ in 0..2 {
                    let mut sent = pin!(hba.execute(command(), NoData));
                    if drops {
                        let once = core::future::poll_fn(|cx| Poll::Ready(sent.as_mut().poll(cx)));
                        let _ = once.await;
                    } else {
                        assert!(sent.await.0.expect("accepted").is_done());
                    }
                }
            })
        };
        let tasks: Vec<_> = (0..self.tasks * self.vectors).map(task).collect();
        for task in tasks {
            task.await.expect("it ends");
        }
        hba.shutdown([]).await.expect("nothing is to be flushed");
        for driver in drivers {
            driver.await.expect("it ends");
        }
    }
}

fn command() -> Command {
    let nexus = Nexus::new(TargetId::new(0), Lun::ZERO);
    let cdb = Cdb::from_array([0; 6]);
    Command { nexus, cdb, transfer: Transfer::NONE, attribute: TaskAttribute::Simple }
}
