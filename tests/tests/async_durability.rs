//! Typed flushes of the async facade: what they cover, what they remember, and what becomes of one that is dropped.

extern crate alloc;

use alloc::sync::Arc;
use core::future::Future;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};

use hba_core::command::Refusal;
use hba_core::control::ControlEvent;
use hba_core::durability::{FlushConfig, FlushError, FlushedBy, Loss, LossCause};
use hba_core::host::Data;
use hba_core::logical_unit::{Fua, LogicalUnit};
use hba_core::queue::Vector;
use hba_core::runtime::{self, Config, Event, Events, HbaOf, ShutdownError};
use scsi_proto::{AdditionalSense, Lba, SenseKey};
use sim_backend::direct::{DirectConfig, DirectControl, DirectController, Facts};
use sim_backend::disk::{Condition, DiskConfig, SharedDisk, SimDisk, Times};
use sim_backend::machine::SimMachine;
use sim_backend::memory::SimMemory;
use sim_backend::pulse::AsyncSimPlatform;
use sim_backend::target::Target as _;

type Hba = HbaOf<DirectControl, AsyncSimPlatform<DirectController>, Data>;

/// One disk behind two vectors, and everything that drives them as one future.
struct World {
    machine: Arc<SimMachine<DirectController>>,
    disk: SharedDisk,
    hba: Hba,
    events: Events,
    drivers: Pin<Box<dyn Future<Output = ()>>>,
    over: bool,
    unit: LogicalUnit,
}

const POLLS: u32 = 200_000;
const LEN: usize = 512;
/// Never asked again.
const ONCE: FlushConfig = FlushConfig { retries: 0, delay: core::time::Duration::ZERO };

impl World {
    fn new() -> Self {
        let memory = SimMemory::new(16 << 20);
        let controller = DirectController::new(Facts::default(), memory.device());
        let machine = Arc::new(SimMachine::new(controller, memory));
        let disk = SharedDisk::new(SimDisk::new(&DiskConfig::nth(0, 4096)).expect("a disk"));
        assert!(machine.attach(0, disk.clone()).is_ok(), "the slot is free");
        let config = DirectConfig { vectors_max: 2, ..DirectConfig::default() };
        let platform = AsyncSimPlatform::new(Arc::clone(&machine));
        let buffers = platform.buffers();
        let attach = runtime::attach(DirectControl::new(config), platform, Config::default());
        let attached = drive(attach, || ()).expect("the controller comes up");
        let (hba, events, drivers) = attached.into_parts();
        let mut drivers: Pin<Box<dyn Future<Output = ()>>> = Box::pin(drivers);
        let found = drive(hba.discover(buffers), || {
            assert!(poll(drivers.as_mut()).is_pending());
        });
        let unit = found.expect("discovery ends").units.remove(0);
        Self { machine, disk, hba, events, drivers, over: false, unit }
    }

    /// Polls a future and the drivers in turn until it ends.
    fn run<F: Future>(&mut self, future: F) -> F::Output {
        let Self { drivers, over, .. } = self;
        drive(future, || {
            *over = *over || poll(drivers.as_mut()).is_ready();
        })
    }

    /// The same a few times only.
    fn some(&mut self, times: u32) {
        for _ in 0..times {
            assert!(poll(self.drivers.as_mut()).is_pending());
        }
    }

    fn write(&mut self, vector: u16, lba: u64, byte: u8) {
        let mut data = self.machine.memory().buffer(LEN).expect("memory");
        data.write(&[byte; LEN]);
        let (hba, unit) = (self.hba.on(Vector(vector)), self.unit.clone());
        let (answer, _) = self.run(hba.write(&unit, Lba(lba), 1, Fua::Off, Some(data)));
        assert!(answer.expect("accepted").is_done());
    }

    fn flush(&mut self) -> Result<FlushedBy, FlushError> {
        let (hba, unit) = (self.hba.on(Vector(1)), self.unit.clone());
        self.run(hba.flush(&unit, None)).0.map(|flushed| flushed.by)
    }

    fn lost(&mut self) -> Loss {
        match self.flush() {
            Err(FlushError::Loss(loss)) => loss,
            other => panic!("no loss: {other:?}"),
        }
    }

    fn is_dirty(&mut self) -> bool {
        let (hba, nexus) = (self.hba.clone(), self.unit.nexus);
        self.run(hba.durability(nexus)).expect("the books are there").dirty
    }

    fn acknowledge(&mut self, loss: Loss) -> Result<(), Option<Loss>> {
        let (hba, nexus) = (self.hba.clone(), self.unit.nexus);
        self.run(hba.acknowledge_loss(nexus, loss))
    }

    fn blink(&self) {
        let mut disk = self.disk.lock();
        disk.power_cut();
        disk.power_on();
    }

    fn saw(&mut self, wanted: impl Fn(&ControlEvent) -> bool) -> bool {
        while let Poll::Ready(Some(event)) = poll(pin!(self.events.next())) {
            if matches!(event, Event::Control(event) if wanted(&event)) {
                return true;
            }
        }
        false
    }
}

fn drive<F: Future>(future: F, mut others: impl FnMut()) -> F::Output {
    let mut future = pin!(future);
    for _ in 0..POLLS {
        if let Poll::Ready(output) = poll(future.as_mut()) {
            return output;
        }
        others();
    }
    panic!("it does not end");
}

fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_flush_covers_the_writes_of_every_vector() {
    let mut world = World::new();
    world.write(0, 0, 1);
    world.write(1, 1, 2);
    assert!(world.is_dirty());
    assert_eq!(world.flush(), Ok(FlushedBy::Device));
    assert!(!world.is_dirty(), "whichever vector they came on");
    world.write(0, 0, 3);
    assert!(world.is_dirty(), "and not those that came after it");
}

/// Power goes with a write of the other vector in the cache. The unit attention comes in the flush's own way, or in that of
/// whatever command is first; either way the flush tells of the loss, and goes on telling.
#[test]
fn p01_cut_with_a_dirty_cache_is_told_on_every_vector() {
    let mut world = World::new();
    world.write(0, 0, 1);
    assert_eq!(world.flush(), Ok(FlushedBy::Device));
    world.write(0, 0, 2);
    world.blink();
    // Another vector's command takes the unit attention.
    let (hba, unit) = (world.hba.on(Vector(0)), world.unit.clone());
    let (answer, _) = world.run(hba.test_unit_ready(&unit, None));
    assert!(!answer.expect("accepted").is_done(), "the report of the power-on");
    let loss = world.lost();
    assert_eq!(loss.cause, LossCause::PowerLost(AdditionalSense::POWER_ON_OCCURRED));
    assert!(world.saw(|event| matches!(event, ControlEvent::LossPending(..))));
    assert_eq!(world.lost(), loss, "it stays");
    assert_eq!(world.acknowledge(loss), Ok(()));
    assert_eq!(world.flush(), Ok(FlushedBy::Device));
    assert_eq!(world.acknowledge(loss), Err(None), "once is enough");
}

#[test]
fn p04_a_failed_flush_is_not_forgotten_by_a_good_one_of_the_facade() {
    let mut world = World::new();
    world.write(0, 0, 1);
    world.disk.lock().unit(0).expect("unit").fail_flushes(Condition::WRITE_ERROR, Times::Next(1));
    let loss = world.lost();
    assert!(matches!(loss.cause, LossCause::FlushFailed(_)), "{loss}");
    assert_eq!(world.lost(), loss, "the second succeeds on the disk, and says nothing of it");
    let (hba, nexus) = (world.hba.clone(), world.unit.nexus);
    let told = world.run(hba.report_loss(nexus)).expect("a loss is pending");
    assert!(told.deferred && told.key == SenseKey::MEDIUM_ERROR, "{told:?}");
    assert_eq!(world.flush(), Ok(FlushedBy::Device), "having been told counts as acknowledged");
}

/// The task that gets the unit attention writes at once, before Control has had a turn. Nothing was cached when power went.
#[test]
fn a_write_after_the_report_of_lost_power_is_none_of_the_lost() {
    let mut world = World::new();
    world.write(0, 0, 1);
    assert_eq!(world.flush(), Ok(FlushedBy::Device));
    world.blink();
    let (hba, unit) = (world.hba.on(Vector(0)), world.unit.clone());
    let (answer, _) = world.run(hba.test_unit_ready(&unit, None));
    assert!(!answer.expect("accepted").is_done(), "the report of the power-on");
    world.write(0, 0, 2);
    assert!(world.is_dirty());
    assert_eq!(world.flush(), Ok(FlushedBy::Device));
}

#[test]
fn a_power_event_makes_what_was_cached_a_loss() {
    let mut world = World::new();
    world.write(1, 0, 1);
    let hba = world.hba.clone();
    world.run(hba.handle_power_event());
    world.write(1, 1, 2);
    let loss = world.lost();
    assert_eq!(loss.cause, LossCause::PowerEvent);
    assert_eq!(world.acknowledge(loss), Ok(()));
    assert!(world.is_dirty(), "what came after it is none of the loss");
}

/// Two at a time are one too many, as the success of one could hide the failure of the other.
#[test]
fn one_flush_of_a_unit_is_under_way_and_a_dropped_one_is_none() {
    let mut world = World::new();
    world.write(0, 0, 1);
    world.machine.hold(0, true);
    let (hba, unit) = (world.hba.clone(), world.unit.clone());
    let mut first = Box::pin(hba.flush(&unit, None));
    for _ in 0..64 {
        assert!(poll(first.as_mut()).is_pending());
        world.some(1);
    }
    assert_eq!(world.flush(), Err(FlushError::Busy));
    drop(first);
    world.machine.hold(0, false);
    assert_eq!(world.flush(), Ok(FlushedBy::Device));
    // One that fails after its future is gone fails for good, as any other.
    world.write(0, 0, 2);
    world.disk.lock().unit(0).expect("unit").fail_flushes(Condition::WRITE_ERROR, Times::Next(1));
    world.machine.hold(0, true);
    let mut second = Box::pin(hba.flush(&unit, None));
    for _ in 0..64 {
        assert!(poll(second.as_mut()).is_pending());
        world.some(1);
    }
    drop(second);
    world.machine.hold(0, false);
    let loss = world.lost();
    assert!(matches!(loss.cause, LossCause::FlushFailed(_)), "{loss}");
}

/// A disk that is busy is asked again as often as the caller has it.
#[test]
fn a_busy_unit_is_asked_again() {
    let mut world = World::new();
    world.write(0, 0, 1);
    let attention =
        Condition { key: SenseKey::UNIT_ATTENTION, additional: AdditionalSense::new(0x3f, 0x01) };
    world.disk.lock().unit(0).expect("unit").raise_attention(attention);
    assert_eq!(world.flush(), Ok(FlushedBy::Device));
    world.disk.lock().unit(0).expect("unit").raise_attention(attention);
    let (hba, unit) = (world.hba.clone(), world.unit.clone());
    let (flushed, _) = world.run(hba.flush_with(&unit, None, ONCE));
    assert!(matches!(flushed, Err(FlushError::Loss(_))), "{flushed:?}");
}

#[test]
fn a_reset_makes_the_mode_old_and_asking_makes_it_fresh() {
    let mut world = World::new();
    let (hba, nexus) = (world.hba.clone(), world.unit.nexus);
    assert!(world.run(hba.durability(nexus)).expect("there").mode.fresh, "discovery asked");
    world.blink();
    let unit = world.unit.clone();
    let (answer, _) = world.run(hba.test_unit_ready(&unit, None));
    assert!(!answer.expect("accepted").is_done());
    assert!(!world.run(hba.durability(nexus)).expect("there").mode.fresh);
    let memory = world.machine.memory().buffer(255).expect("memory");
    let mode = world.run(hba.refresh_cache_mode(nexus, memory)).expect("answered");
    assert!(mode.fresh && mode.trusts_fua(), "{mode:?}");
}

#[test]
fn b21_a_shutdown_tells_what_was_not_flushed() {
    let mut world = World::new();
    world.write(0, 0, 1);
    world.disk.lock().unit(0).expect("unit").fail_flushes(Condition::WRITE_ERROR, Times::Next(1));
    let (hba, unit) = (world.hba.clone(), world.unit.clone());
    let stopped = world.run(hba.shutdown([(&unit, None)]));
    let Err(ShutdownError::Flush { nexus, error: FlushError::Loss(_) }) = stopped else {
        panic!("{stopped:?}")
    };
    assert_eq!(nexus, unit.nexus);
    for _ in 0..64 {
        world.over = world.over || poll(world.drivers.as_mut()).is_ready();
    }
    assert!(world.over, "everything is stopped nevertheless");
    let (flushed, _) = drive(hba.flush(&unit, None), || ());
    assert_eq!(flushed.map(|_| ()), Err(FlushError::NotSent(Refusal::Stopped)));
}
