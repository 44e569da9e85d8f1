//! The async facade on simulated controllers, polled by hand: what wakes, what waits, and where memory is.

extern crate alloc;

use alloc::sync::Arc;
use alloc::task::Wake;
use core::future::Future;
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::{Context, Poll, Waker};
use std::sync::Mutex;

use hba_core::command::{Command, Nexus, Outcome, Request, TargetId, Transfer};
use hba_core::dma::{DataBuffer, RegionBuffer, Segment};
use hba_core::port::ControlPort;
use hba_core::queue::Vector;
use hba_core::runtime::{self, Answer, Attached, Config, Event, ExecuteError};
use mpt_backend::mpi1::{FifoRegister, Mpi1, Mpi1Config};
use scsi_proto::command::{self, Access};
use scsi_proto::{Cdb, Lba, Lun, Status, TaskAttribute};
use sim_backend::controller::ControllerModel;
use sim_backend::direct::{DirectConfig, DirectControl, DirectController, Facts};
use sim_backend::disk::{DiskConfig, SimDisk};
use sim_backend::machine::{SimMachine, SimRegisters};
use sim_backend::memory::SimMemory;
use sim_backend::mpi1::{Mpi1Controller, Personality};
use sim_backend::pulse::AsyncSimPlatform;

/// Data memory that is poisoned and counted when it goes back to the allocator.
#[derive(Debug)]
struct Tracked {
    buffer: Option<RegionBuffer>,
    freed: Arc<AtomicU64>,
}

// SAFETY: the region inside keeps the promise; it is given back only when this is dropped.
#[expect(unsafe_code, reason = "the promise of the buffer inside")]
unsafe impl DataBuffer for Tracked {
    fn segments(&self) -> &[Segment] {
        self.buffer.as_ref().map_or(&[], DataBuffer::segments)
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        if let Some(buffer) = &mut self.buffer {
            buffer.write(&[POISON; LEN]);
        }
        self.freed.fetch_add(1, Ordering::SeqCst);
    }
}

const POISON: u8 = 0xdd;
const LEN: usize = 4096;

/// Counts wakes, and calls something at each.
struct Bell {
    wakes: AtomicU64,
    on_wake: Mutex<Option<Box<dyn FnMut() + Send>>>,
}

impl Bell {
    fn new() -> Arc<Self> {
        Arc::new(Self { wakes: AtomicU64::new(0), on_wake: Mutex::new(None) })
    }

    fn count(&self) -> u64 {
        self.wakes.load(Ordering::SeqCst)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
        if let Some(call) = &mut *self.on_wake.lock().unwrap() {
            call();
        }
    }
}

struct World<C: ControllerModel + 'static, P: ControlPort> {
    machine: Arc<SimMachine<C>>,
    adapter: Attached<P, AsyncSimPlatform<C>, Tracked>,
    freed: Arc<AtomicU64>,
}

type Direct = World<DirectController, DirectControl>;
type Sas = World<Mpi1Controller, Mpi1<FifoRegister<SimRegisters<Mpi1Controller>>>>;

fn direct(vectors: u16, depth: u16) -> Direct {
    let memory = SimMemory::new(64 << 20);
    let controller = DirectController::new(Facts::default(), memory.device());
    let config = DirectConfig { vectors_max: vectors, depth_max: depth, ..DirectConfig::default() };
    World::new(SimMachine::new(controller, memory), |_| DirectControl::new(config))
}

fn sas1068() -> Sas {
    let memory = SimMemory::new(64 << 20);
    let controller = Mpi1Controller::new(Personality::hardware(), memory.device());
    World::new(SimMachine::new(controller, memory), |machine| {
        Mpi1::new(Mpi1Config::default(), FifoRegister(machine.registers()))
    })
}

impl<C: ControllerModel + 'static, P: ControlPort> World<C, P> {
    fn new(machine: SimMachine<C>, port: impl FnOnce(&SimMachine<C>) -> P) -> Self {
        let machine = Arc::new(machine);
        let disk = SimDisk::new(&DiskConfig::nth(0, 4096)).expect("a disk");
        assert!(machine.attach(0, disk).is_ok());
        let port = port(&machine);
        let platform = AsyncSimPlatform::new(Arc::clone(&machine));
        let attach = runtime::attach(port, platform, Config::default());
        let adapter = block_on(attach).expect("the controller comes up");
        let mut world = Self { machine, adapter, freed: Arc::default() };
        // The first commands meet unit attentions.
        for _ in 0..3 {
            let _ = world.run(TEST_UNIT_READY, Transfer::NONE);
        }
        world.freed.store(0, Ordering::SeqCst);
        world
    }

    fn buffer(&self) -> Tracked {
        let mut buffer = self.machine.memory().buffer(LEN).expect("memory");
        buffer.write(&[1; LEN]);
        Tracked { buffer: Some(buffer), freed: Arc::clone(&self.freed) }
    }

    fn freed(&self) -> u64 {
        self.freed.load(Ordering::SeqCst)
    }

    /// A reset, to its end, an hour after the one before.
    fn reset(&mut self) {
        self.machine.advance(core::time::Duration::from_secs(3600));
        block_on(self.adapter.hba.reset());
        let mut events = self.adapter.hba.events();
        for _ in 0..POLLS {
            self.drive();
            while let Poll::Ready(Some(event)) = poll(&mut pin!(events.next())) {
                if event == Event::Control(hba_core::control::ControlEvent::Operational) {
                    return;
                }
            }
        }
        panic!("the reset does not end");
    }

    /// One poll of each driver.
    fn drive(&mut self) {
        drive(&mut self.adapter);
    }

    fn run(&mut self, cdb: &[u8], transfer: Transfer) -> (Result<Answer, ExecuteError>, Tracked) {
        let hba = self.adapter.hba.clone();
        let mut future = pin!(hba.execute(command(cdb, transfer), self.buffer()));
        for _ in 0..POLLS {
            if let Poll::Ready(end) = poll(&mut future) {
                return end;
            }
            drive(&mut self.adapter);
        }
        panic!("the command does not end");
    }
}

fn drive<C, P>(adapter: &mut Attached<P, AsyncSimPlatform<C>, Tracked>)
where
    C: ControllerModel + 'static,
    P: ControlPort,
{
    let _ = poll(&mut Pin::new(&mut adapter.control));
    for vector in &mut adapter.vectors {
        let _ = poll(&mut Pin::new(vector));
    }
}

fn poll<F: Future>(future: &mut Pin<&mut F>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

fn poll_with<F: Future>(future: &mut Pin<&mut F>, bell: &Arc<Bell>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::clone(bell))))
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    for _ in 0..POLLS {
        if let Poll::Ready(output) = poll(&mut future) {
            return output;
        }
    }
    panic!("it does not end");
}

fn command(cdb: &[u8], transfer: Transfer) -> Command {
    let nexus = Nexus::new(TargetId::new(0), Lun::ZERO);
    let cdb = Cdb::new(cdb).expect("a cdb");
    Command { nexus, cdb, transfer, attribute: TaskAttribute::Simple }
}

fn read() -> Command {
    let cdb = command::read(Lba(0), 8, Access::default()).expect("in range");
    command(cdb.as_bytes(), Transfer::from_device(LEN as u32))
}

const TEST_UNIT_READY: &[u8] = &[0; 6];
const POLLS: u32 = 200_000;
const GOOD: Outcome = Outcome::Status(Status::GOOD);

/// Commands on every vector of a controller end with GOOD, and a shutdown ends the drivers.
fn every_vector_works<C: ControllerModel + 'static, P: ControlPort>(
    mut world: World<C, P>,
    vectors: u16,
) {
    assert_eq!(world.adapter.hba.vectors(), vectors);
    let hba = world.adapter.hba.on(Vector(0));
    let handles: Vec<_> = (0..2 * vectors).map(|n| hba.on(Vector(n))).collect();
    let mut futures: Vec<_> =
        handles.iter().map(|hba| Box::pin(hba.execute(read(), world.buffer()))).collect();
    for _ in 0..POLLS {
        futures.retain_mut(|future| match poll(&mut future.as_mut()) {
            Poll::Ready((answer, _)) => {
                assert_eq!(answer.map(|answer| answer.outcome), Ok(GOOD));
                false
            }
            Poll::Pending => true,
        });
        if futures.is_empty() {
            break;
        }
        drive(&mut world.adapter);
    }
    assert!(futures.is_empty(), "{} commands did not end", futures.len());
    let mut shutdown = pin!(hba.shutdown([]));
    let mut ended = 0;
    for _ in 0..POLLS {
        if poll(&mut shutdown).is_ready() {
            ended += 1;
            break;
        }
        drive(&mut world.adapter);
    }
    assert_eq!(ended, 1, "the shutdown ends");
    let (refused, _) = block_on(hba.execute(read(), world.buffer()));
    assert!(matches!(refused, Err(ExecuteError::Refused(_))), "{refused:?}");
    for vector in world.adapter.vectors {
        block_on(vector);
    }
}

#[test]
fn b16_one_two_five_and_sixteen_vectors_work() {
    for vectors in [1, 2, 5, 16] {
        every_vector_works(direct(vectors, 16), vectors);
    }
}

#[test]
fn the_register_level_controller_works() {
    every_vector_works(sas1068(), 1);
}

#[test]
fn clones_take_the_vectors_in_turn() {
    let world = direct(5, 4);
    let first = world.adapter.hba.clone().vector().0;
    let next: Vec<_> = (0..5).map(|_| world.adapter.hba.clone().vector().0).collect();
    assert_eq!(next, (1..=5).map(|n| (first + n) % 5).collect::<Vec<_>>());
}

/// The dropped command's memory is not freed before the device ended it, and then exactly once, poisoned after the device
/// wrote to it.
#[test]
fn f123_dropping_a_future_in_every_state_keeps_memory_from_the_device() {
    let mut world = direct(1, 1);
    let hba = world.adapter.hba.on(Vector(0));

    // Not polled.
    drop(hba.execute(read(), world.buffer()));
    assert_eq!(world.freed(), 1);

    // Sent, and in line behind it.
    world.machine.hold(0, true);
    let mut sent = Box::pin(hba.execute(read(), world.buffer()));
    assert!(poll(&mut sent.as_mut()).is_pending());
    let mut waiting = Box::pin(hba.execute(read(), world.buffer()));
    let mut last = Box::pin(hba.execute(read(), world.buffer()));
    let bell = Bell::new();
    assert!(poll(&mut waiting.as_mut()).is_pending());
    assert!(poll_with(&mut last.as_mut(), &bell).is_pending());
    drop(waiting);
    assert_eq!(world.freed(), 2, "the queue never had it");
    drop(sent);
    for _ in 0..5 {
        world.machine.run(1000);
        for vector in &mut world.adapter.vectors {
            let _ = poll(&mut Pin::new(vector));
        }
    }
    assert_eq!((world.freed(), bell.count()), (2, 0), "the device still has it");

    // The device ends it: the memory is reclaimed, and the next in line goes on, once.
    world.machine.hold(0, false);
    let mut home = None;
    for _ in 0..POLLS {
        world.drive();
        if let Poll::Ready(Some(data)) = {
            let mut next = pin!(world.adapter.reclaimed.next());
            poll(&mut next)
        } {
            home = Some(data);
            break;
        }
    }
    assert!(home.is_some(), "the memory comes home");
    assert_eq!((world.freed(), bell.count()), (2, 1));
    let mut bytes = [POISON; LEN];
    if let Some(data) = &home {
        data.buffer.as_ref().expect("not dropped").read(&mut bytes);
    }
    assert_eq!(bytes, [0; LEN], "the device wrote to memory that nobody had freed");
    drop(home);
    assert_eq!(world.freed(), 3);

    // Answered, not looked at.
    assert!(poll_with(&mut last.as_mut(), &bell).is_pending());
    for _ in 0..1000 {
        world.drive();
    }
    assert_eq!(bell.count(), 2, "one wake for the permit, one for the answer");
    drop(last);
    assert_eq!(world.freed(), 3, "reclaimed, not freed");

    // Ended: the slot is free again, nothing leaked.
    let (answer, data) = world.run(TEST_UNIT_READY, Transfer::NONE);
    assert_eq!(answer.map(|answer| answer.outcome), Ok(GOOD));
    drop(data);
    assert_eq!(
        world.machine.memory().faults().count(),
        0,
        "the device touched only what was mapped"
    );
}

/// While recovery ends it: a dropped command that times out.
#[test]
fn f123_a_dropped_command_that_times_out_is_reclaimed_by_recovery() {
    let mut world = direct(2, 4);
    let hba = world.adapter.hba.on(Vector(1));
    world.machine.hold(0, true);
    let mut sent = Box::pin(hba.execute(read(), world.buffer()));
    assert!(poll(&mut sent.as_mut()).is_pending());
    drop(sent);
    let mut events = hba.events();
    let (mut recovering, mut freed_at_recovery) = (false, 0);
    let mut home = None;
    for _ in 0..POLLS {
        world.drive();
        while let Poll::Ready(Some(event)) = poll(&mut pin!(events.next())) {
            if matches!(event, Event::Control(hba_core::control::ControlEvent::Recovering(..))) {
                (recovering, freed_at_recovery) = (true, world.freed());
            }
        }
        if let Poll::Ready(Some(data)) = poll(&mut pin!(world.adapter.reclaimed.next())) {
            home = Some(data);
            break;
        }
    }
    assert!(recovering, "the ladder was climbed");
    assert_eq!(freed_at_recovery, 0, "nothing was freed while the device had it");
    assert!(home.is_some() && world.freed() == 0);
}

#[test]
fn l20_waiters_go_on_in_order_one_for_each_slot() {
    let mut world = direct(1, 2);
    let hba = world.adapter.hba.on(Vector(0));
    let bells: Vec<_> = (0..6).map(|_| Bell::new()).collect();
    let mut futures: Vec<_> =
        (0..6).map(|_| Some(Box::pin(hba.execute(read(), world.buffer())))).collect();
    for (future, bell) in futures.iter_mut().zip(&bells) {
        assert!(poll_with(&mut future.as_mut().unwrap().as_mut(), bell).is_pending());
    }
    let mut order = Vec::new();
    for _ in 0..POLLS {
        world.drive();
        for at in 0..6 {
            let Some(future) = &mut futures[at] else { continue };
            // Polled only when woken: a wake that is lost hangs the test.
            if bells[at].wakes.swap(0, Ordering::SeqCst) == 0 {
                continue;
            }
            if let Poll::Ready((answer, _)) = poll_with(&mut future.as_mut(), &bells[at]) {
                assert_eq!(answer.map(|answer| answer.outcome), Ok(GOOD));
                order.push(at);
                futures[at] = None;
            }
        }
        if order.len() == 6 {
            break;
        }
    }
    assert_eq!(order, [0, 1, 2, 3, 4, 5]);
    assert_eq!(hba.refused(), 0, "one thread meets nobody in the queue");
}

/// The waker of the first command submits on its own queue, from within the driver's poll.
#[test]
fn l17_a_waker_that_enters_its_own_queue_is_served() {
    let mut world = direct(1, 8);
    let hba = Arc::new(world.adapter.hba.on(Vector(0)));
    let bell = Bell::new();
    let sent = Arc::new(AtomicU64::new(0));
    let (inner, buffer, count) = (Arc::clone(&hba), world.buffer(), Arc::clone(&sent));
    let mut buffer = Some(buffer);
    *bell.on_wake.lock().unwrap() = Some(Box::new(move || {
        if let Some(buffer) = buffer.take() {
            // Submitted, then dropped: it ends without a future.
            let mut again = Box::pin(inner.execute(read(), buffer));
            assert!(poll(&mut again.as_mut()).is_pending());
            assert_eq!(inner.refused(), 0, "nobody was in the queue when the waker ran");
            count.fetch_add(1, Ordering::SeqCst);
        }
    }));
    let mut first = Box::pin(hba.execute(read(), world.buffer()));
    assert!(poll_with(&mut first.as_mut(), &bell).is_pending());
    let mut reclaimed = false;
    for _ in 0..1000 {
        world.drive();
        reclaimed |= poll(&mut pin!(world.adapter.reclaimed.next())).is_ready();
    }
    assert!(poll(&mut first.as_mut()).is_ready());
    assert_eq!(sent.load(Ordering::SeqCst), 1);
    assert!(reclaimed, "the command that the waker sent has ended too");
}

#[test]
fn a_slow_reader_of_events_is_told_what_it_missed() {
    let mut world = direct(1, 2);
    let mut events = world.adapter.hba.events();
    for slot in (1..16).chain(1..16).chain(1..16) {
        // A disk comes and goes: two events.
        let disk = SimDisk::new(&DiskConfig::nth(slot, 8)).expect("a disk");
        assert!(world.machine.attach(slot as usize, disk).is_ok());
        world.reset();
        assert!(world.machine.detach(slot as usize).is_some());
    }
    let Poll::Ready(Some(first)) = poll(&mut pin!(events.next())) else { panic!("an event") };
    assert!(matches!(first, Event::Lagged(missed) if missed > 0), "{first:?}");
}

#[test]
fn a_request_is_refused_with_its_memory() {
    let world = direct(1, 2);
    let request = Request::new(
        Nexus::new(TargetId::new(0), Lun::ZERO),
        Cdb::new(TEST_UNIT_READY).unwrap(),
        Transfer::from_device(u32::MAX),
        world.buffer(),
        hba_core::command::Cookie(0),
    );
    let (refused, data) = block_on(world.adapter.hba.request(request));
    assert!(matches!(refused, Err(ExecuteError::Refused(_))));
    assert_eq!(world.freed(), 0);
    drop(data);
}

/// The README shows the example that is compiled and run.
#[test]
fn the_readme_shows_the_example() {
    let readme = include_str!("../../README.md");
    let example = include_str!("../examples/four_tasks.rs");
    assert!(example.lines().count() <= 40, "a new user reads it in a minute");
    assert!(
        readme.contains(example),
        "README.md has another version of tests/examples/four_tasks.rs"
    );
}

/// An interrupt that is a file descriptor, as an eventfd or a pipe gives it.
#[test]
fn a_file_descriptor_can_be_an_interrupt() {
    use std::os::unix::net::UnixStream;

    struct Readable(tokio::net::UnixStream);

    impl runtime::Interrupts for Readable {
        fn poll_interrupt(&mut self, cx: &mut Context<'_>) -> Poll<()> {
            let mut count = [0; 8];
            loop {
                match self.0.try_read(&mut count) {
                    Ok(n) if n > 0 => return Poll::Ready(()),
                    Ok(_) => return Poll::Pending,
                    Err(_) => {}
                }
                // Registers first; the loop looks once more when it was readable by then.
                if self.0.poll_read_ready(cx).is_pending() {
                    return Poll::Pending;
                }
            }
        }
    }

    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    runtime.block_on(async {
        let (raiser, taker) = UnixStream::pair().unwrap();
        taker.set_nonblocking(true).unwrap();
        let mut line = Readable(tokio::net::UnixStream::from_std(taker).unwrap());
        let bell = Bell::new();
        let waker = Waker::from(Arc::clone(&bell));
        let mut look =
            || runtime::Interrupts::poll_interrupt(&mut line, &mut Context::from_waker(&waker));
        assert!(look().is_pending());
        std::io::Write::write_all(&mut &raiser, &1_u64.to_le_bytes()).unwrap();
        while bell.count() == 0 {
            tokio::task::yield_now().await;
        }
        assert!(look().is_ready());
        assert!(look().is_pending(), "taken");
    });
}
