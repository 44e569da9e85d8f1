//! The async facade under the same load: tasks on several threads, futures that are dropped, interrupts that are lost.

use alloc::sync::{Arc, Weak};
use core::future::poll_fn;
use core::pin::pin;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::task::{Context, Poll};
use core::time::Duration;
use std::sync::Mutex;
use std::time::Instant as Real;

use hba_core::command::{Command, Cookie, Nexus, Outcome, Request, TargetId, Transfer};
use hba_core::control::RecoveryConfig;
use hba_core::dma::{DataBuffer, DmaRegion, RegionBuffer, Segment};
use hba_core::host::{self, OutOfMemory};
use hba_core::port::{RegionPlan, TaskManagement};
use hba_core::queue::Vector;
use hba_core::register::Registers;
use hba_core::runtime::{Answer, Config, ExecuteError, HbaOf, Interrupts, Platform, attach};
use hba_core::time::{Instant, Timeout};
use scsi_proto::command::{self, Access};
use scsi_proto::{Lba, Lun, Status, TaskAttribute};
use sim_backend::direct::{DirectConfig, DirectControl, DirectController, Facts, Faults};
use sim_backend::disk::{DiskConfig, SimDisk};
use sim_backend::machine::SimMachine;
use sim_backend::memory::SimMemory;
use sim_backend::pulse::{AsyncSimPlatform, SimClock, SimInterrupts};
use sim_backend::schedule::SplitMix64;

use super::hand::{holds_what_was_written, pattern};
use super::ledger::{Counts, Issued, Tally, count};
use super::world::{BLOCKS, BLOCKS_OF_A_TRANSFER, DISKS, LEN, lock};
use super::{PATIENCE, Soak};

/// Tasks for each slot of a vector, so that some wait in line.
const TASKS_OF_A_SLOT: usize = 2;

type Pool = Mutex<Vec<RegionBuffer>>;

/// Memory that goes back to its pool when it is dropped, poisoned: who drops it early gives it to another command.
#[derive(Debug)]
struct Memory(Option<RegionBuffer>, Weak<Pool>);

// SAFETY: the buffer inside keeps the promise.
#[expect(unsafe_code, reason = "the promise of the buffer inside")]
unsafe impl DataBuffer for Memory {
    fn segments(&self) -> &[Segment] {
        self.0.as_ref().map_or(&[], DataBuffer::segments)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let (Some(mut buffer), Some(pool)) = (self.0.take(), self.1.upgrade()) {
            buffer.write(&[0xdd; LEN]);
            lock(&pool).push(buffer);
        }
    }
}

/// The simulator's platform, with interrupts of which some are lost.
struct Lossy(AsyncSimPlatform<DirectController>, Arc<World>);

struct LossyInterrupts(SimInterrupts, SplitMix64, Arc<World>);

type Hba = HbaOf<DirectControl, Lossy, Memory>;

#[derive(Debug)]
struct World {
    machine: Arc<SimMachine<DirectController>>,
    pool: Arc<Pool>,
    counts: Counts,
    settling: AtomicBool,
    at_work: AtomicU64,
}

impl Soak {
    /// One round of the async facade.
    ///
    /// # Panics
    ///
    /// As [`round`](Self::round).
    pub fn facade_round(&self) -> Tally {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(4)
            .enable_time()
            .build()
            .expect("threads");
        runtime.block_on(self.facade())
    }

    async fn facade(&self) -> Tally {
        let (world, made) = self.facade_world();
        let config = DirectConfig {
            vectors_max: self.vectors,
            depth_max: self.depth,
            ..DirectConfig::default()
        };
        let recovery = RecoveryConfig {
            resets_max: u8::MAX,
            resets_window: Duration::from_millis(10),
            ..RecoveryConfig::default()
        };
        let platform = Lossy(AsyncSimPlatform::new(Arc::clone(&world.machine)), Arc::clone(&world));
        let config = (DirectControl::new(config), Config { recovery, ..Config::default() });
        let attached = attach::<_, _, Memory>(config.0, platform, config.1).await;
        let attached = attached.expect("the controller comes up");
        let hba = attached.hba;
        let mut drivers = vec![tokio::spawn(attached.control)];
        drivers.extend(attached.vectors.into_iter().map(tokio::spawn));
        let mut reclaimed = attached.reclaimed;
        let reclaimer = tokio::spawn(async move { while reclaimed.next().await.is_some() {} });

        let tasks = usize::from(self.vectors) * usize::from(self.depth) * TASKS_OF_A_SLOT;
        for seed in 0..tasks as u64 {
            world.at_work.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(task(
                hba.clone(),
                Arc::clone(&world),
                SplitMix64::new(self.seed ^ seed << 32),
            ));
        }
        self.misbehave(&world).await;
        world.settle();
        wait("every task to end", &world, || world.at_work.load(Ordering::Acquire) == 0).await;
        wait("memory of dropped futures", &world, || lock(&world.pool).len() == made).await;
        self.fill_every_vector(&hba, &world).await;
        hba.shutdown([]).await.expect("nothing to flush");
        world.counts.refused_entries.fetch_add(hba.refused().into(), Ordering::Relaxed);
        drop(hba);
        for driver in drivers {
            driver.await.expect("no driver panics");
        }
        reclaimer.await.expect("ends with the last driver");
        assert_eq!(lock(&world.pool).len(), made, "memory is missing");
        assert_eq!(
            world.machine.memory().faults().count(),
            0,
            "memory that the device was not given"
        );
        Tally { rounds: 1, ..world.counts.tally() }
    }

    fn facade_world(&self) -> (Arc<World>, usize) {
        let memory = SimMemory::new(64 << 20);
        let facts = Facts { vectors: self.vectors, ..Facts::default() };
        let machine = SimMachine::new(DirectController::new(facts, memory.device()), memory);
        for slot in 0..DISKS {
            let disk = SimDisk::new(&DiskConfig::nth(slot.into(), BLOCKS)).expect("a disk");
            assert!(machine.attach(slot.into(), disk).is_ok(), "slot {slot} is free");
        }
        let made = usize::from(self.vectors) * usize::from(self.depth) * TASKS_OF_A_SLOT;
        let buffer = |_| machine.memory().buffer(LEN).expect("memory");
        let pool = Arc::new(Mutex::new((0..made).map(buffer).collect()));
        let (counts, settling, at_work) = Default::default();
        (Arc::new(World { machine: Arc::new(machine), pool, counts, settling, at_work }), made)
    }

    /// For the length of the round.
    async fn misbehave(&self, world: &World) {
        let mut rng = SplitMix64::new(self.seed ^ 0xdef1_ce00);
        let start = Real::now();
        while start.elapsed() < self.round {
            tokio::time::sleep(Duration::from_millis(2)).await;
            let slot = rng.below(DISKS.into()) as usize;
            world.machine.hold(slot, rng.below(8) == 0);
            world.machine.with_controller(|controller| {
                let faults = controller.faults_mut();
                match rng.below(16) {
                    0 => faults.lose_replies = 1,
                    1 => faults.duplicate_replies = 2,
                    2 => faults.foreign_vector = 1,
                    3 => faults.stale_generation = 2,
                    4 => faults.swallow_task_management = 1,
                    _ => {}
                }
            });
        }
    }

    /// Every slot has its permit and its place still: with quiet disks the device gets as many commands as there are slots.
    async fn fill_every_vector(&self, hba: &Hba, world: &Arc<World>) {
        (0..DISKS).for_each(|slot| world.machine.hold(slot.into(), true));
        let all = usize::from(self.vectors) * usize::from(self.depth);
        let mut commands = Vec::new();
        for n in 0..all {
            let hba = hba.on(Vector((n % usize::from(self.vectors)) as u16));
            let (issued, data) = (Issued { disk: 0, lba: 0, write: false }, world.memory());
            let world = Arc::clone(world);
            commands.push(tokio::spawn(async move {
                let Command { nexus, cdb, transfer, .. } = command(&issued);
                let data = data.expect("all is home");
                let request = Request::new(nexus, cdb, transfer, data, Cookie(0));
                // The clock runs fast while nothing happens.
                let ended = hba.request(request.with_timeout(Timeout::from_millis(u32::MAX))).await;
                world.ended(&issued, ended);
            }));
        }
        let outstanding = || world.machine.with_controller(|controller| controller.outstanding());
        wait("every slot to be used", world, || outstanding() == all).await;
        world.settle();
        for command in commands {
            command.await.expect("it ends");
        }
    }
}

impl World {
    fn memory(&self) -> Option<Memory> {
        let buffer = lock(&self.pool).pop()?;
        Some(Memory(Some(buffer), Arc::downgrade(&self.pool)))
    }

    fn settle(&self) {
        self.settling.store(true, Ordering::Release);
        (0..DISKS).for_each(|slot| self.machine.hold(slot.into(), false));
        self.machine.with_controller(|controller| *controller.faults_mut() = Faults::default());
    }

    fn ended(&self, issued: &Issued, (answer, data): (Result<Answer, ExecuteError>, Memory)) {
        match answer {
            Ok(answer) if answer.outcome == Outcome::Status(Status::GOOD) => {
                let mut bytes = [0; LEN];
                data.0.as_ref().expect("it is home").read(&mut bytes);
                holds_what_was_written(issued, &bytes);
                count(&self.counts.good);
            }
            Ok(_) => count(&self.counts.failed),
            Err(_) => count(&self.counts.refused_requests),
        }
    }
}

/// Commands, one after the other; some are dropped on the way.
async fn task(hba: Hba, world: Arc<World>, mut rng: SplitMix64) {
    let vectors = u64::from(hba.vectors());
    while !world.settling.load(Ordering::Acquire) {
        tokio::task::yield_now().await;
        let Some(mut data) = world.memory() else { continue };
        let issued = Issued {
            disk: rng.below(DISKS.into()) as u16,
            lba: rng.below(BLOCKS / 8) * 8,
            write: rng.below(3) == 0,
        };
        if let (Some(buffer), true) = (&mut data.0, issued.write) {
            buffer.write(&pattern(&issued));
        }
        let hba = hba.on(Vector(rng.below(vectors) as u16));
        count(&world.counts.submitted);
        let mut command = pin!(hba.execute(command(&issued), data));
        if rng.below(8) == 0 {
            // Given up after a few looks, wherever it is by then.
            let mut ended = None;
            for _ in 0..=rng.below(4) {
                ended = poll_fn(|cx| match command.as_mut().poll(cx) {
                    Poll::Ready(ended) => Poll::Ready(Some(ended)),
                    Poll::Pending => Poll::Ready(None),
                })
                .await;
                if ended.is_some() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            match ended {
                Some(ended) => world.ended(&issued, ended),
                None => count(&world.counts.dropped_futures),
            }
            continue;
        }
        world.ended(&issued, command.await);
        match rng.below(4096) {
            0 => {
                count(&world.counts.resets);
                hba.reset().await;
            }
            1..4 => {
                count(&world.counts.aborts);
                let nexus = Nexus::new(TargetId::new(issued.disk), Lun::ZERO);
                let _ = hba.task_management(TaskManagement::AbortTaskSet(nexus)).await;
            }
            _ => {}
        }
    }
    world.at_work.fetch_sub(1, Ordering::Release);
}

fn command(issued: &Issued) -> Command {
    let nexus = Nexus::new(TargetId::new(issued.disk), Lun::ZERO);
    let (lba, blocks) = (Lba(issued.lba), BLOCKS_OF_A_TRANSFER);
    let (cdb, transfer) = if issued.write {
        (command::write(lba, blocks, Access::default()), Transfer::to_device(LEN as u32))
    } else {
        (command::read(lba, blocks, Access::default()), Transfer::from_device(LEN as u32))
    };
    let cdb = cdb.expect("in range");
    Command { nexus, cdb, transfer, attribute: TaskAttribute::Simple }
}

async fn wait(what: &str, world: &World, mut done: impl FnMut() -> bool) {
    let start = Real::now();
    while !done() {
        assert!(
            start.elapsed() < PATIENCE,
            "waited for {what}: {} tasks at work, {} buffers home, {} commands at the device, {:?}",
            world.at_work.load(Ordering::Acquire),
            lock(&world.pool).len(),
            world.machine.with_controller(|controller| controller.outstanding()),
            world.counts.tally(),
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

impl Platform for Lossy {
    type Registers = <AsyncSimPlatform<DirectController> as Platform>::Registers;
    type Clock = SimClock<DirectController>;
    type Interrupts = LossyInterrupts;

    fn shared_registers(&self) -> Self::Registers {
        self.0.shared_registers()
    }

    fn clock(&self) -> Self::Clock {
        self.0.clock()
    }

    fn interrupts(&mut self, vector: Vector) -> LossyInterrupts {
        let rng = SplitMix64::new(vector.0.into());
        LossyInterrupts(self.0.interrupts(vector), rng, Arc::clone(&self.1))
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>, until: Instant) -> Poll<()> {
        self.0.poll_timer(cx, until)
    }
}

impl host::Platform for Lossy {
    fn registers(&mut self) -> &mut dyn Registers {
        host::Platform::registers(&mut self.0)
    }

    fn now(&mut self) -> Instant {
        host::Platform::now(&mut self.0)
    }

    fn wait(&mut self, until: Instant) {
        self.0.wait(until);
    }

    fn allocate(&mut self, plan: &RegionPlan) -> Result<DmaRegion, OutOfMemory> {
        self.0.allocate(plan)
    }

    fn buffer(&mut self, len: usize) -> Result<RegionBuffer, OutOfMemory> {
        self.0.buffer(len)
    }

    fn isolate(&mut self) {
        self.0.isolate();
    }
}

impl Interrupts for LossyInterrupts {
    fn poll_interrupt(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self(line, rng, world) = self;
        if line.poll_interrupt(cx).is_pending() {
            return Poll::Pending;
        }
        if rng.below(32) == 0 && !world.settling.load(Ordering::Relaxed) {
            count(&world.counts.lost_interrupts);
            return line.poll_interrupt(cx);
        }
        count(&world.counts.interrupts);
        Poll::Ready(())
    }
}
