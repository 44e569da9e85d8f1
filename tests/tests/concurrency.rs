//! Scenarios of concurrency that need no second thread: what a handler does, what happens at the same instant, in every
//! order. The others are under model checkers, in `tests/models`.

extern crate alloc;

use alloc::sync::{Arc, Weak};
use core::cell::Cell;
use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::panic::catch_unwind;

use hba_core::command::{Completion, Cookie, Failure, Nexus, Outcome, Request, TargetId, Transfer};
use hba_core::control::ControlEvent;
use hba_core::dma::{DataBuffer, NoData, RegionBuffer, Segment};
use hba_core::queue::IoQueue;
use hba_core::sync::Busy;
use hba_core::time::Timeout;
use hba_tests::sim::{Setup, is_good};
use hba_tests::vectors::{Lane, Vectors, test_unit_ready};
use proptest::prelude::*;
use scsi_proto::command::{self, Access};
use scsi_proto::{Lba, Lun, Status};
use sim_backend::direct::{DirectController, DirectQueue};
use sim_backend::schedule::{CompletionOrder, Schedule};

const ABORTED: Outcome = Outcome::Failed(Failure::Aborted);
const GOOD: Outcome = Outcome::Status(Status::GOOD);

fn cookies<D>(ended: &[Completion<D>]) -> Vec<u64> {
    let mut cookies: Vec<_> = ended.iter().map(|completion| completion.cookie.0).collect();
    cookies.sort_unstable();
    cookies
}

#[test]
fn l04_a_completion_submits_and_is_told_when_the_queue_is_full() {
    let mut world = Vectors::<NoData>::start(1, 2);
    let depth = stack_pointer();
    for cookie in 0..2 {
        assert!(world.submit(0, test_unit_ready(0, cookie, NoData)).is_ok());
    }
    let (mut next, mut refused, mut ended) = (2, 0, 0_u64);
    while ended < 1000 {
        for _completion in world.turn() {
            ended += 1;
            // The handler sends two for each one that ended: one fits.
            for _ in 0..2 {
                assert_eq!(stack_pointer(), depth, "handlers do not nest");
                match world.submit(0, test_unit_ready(0, next, NoData)) {
                    Ok(_) => next += 1,
                    Err(request) => {
                        assert_eq!(request.cookie, Cookie(next), "it comes back whole");
                        refused += 1;
                    }
                }
            }
        }
    }
    assert!(refused > 900, "{refused} were refused");
    assert_eq!(ended + world.outstanding() as u64, next);
}

/// Where the stack of the caller's caller is: the address of a local, rounded.
#[inline(never)]
fn stack_pointer() -> usize {
    let local = Cell::new(0_u8);
    core::ptr::from_ref(&local).addr() >> 12
}

#[test]
fn l05_a_completion_that_aborts_its_sibling_ends_it_once() {
    // The sibling is outstanding, or ends in the same pass, before or after.
    for (held, order) in [(true, [0, 1]), (false, [0, 1]), (false, [1, 0])] {
        let mut world = Vectors::<NoData>::start(2, 4);
        clear_attentions(&mut world);
        let handles = order.map(|cookie| {
            let disk = u16::from(held && cookie == 1);
            (cookie, world.submit(0, test_unit_ready(disk, cookie, NoData)).expect("room"))
        });
        let sibling = handles.iter().find(|(cookie, _)| *cookie == 1).expect("it was sent").1;
        world.machine.hold(1, held);
        let mut ended = Vec::new();
        while !ended.iter().any(|done: &Completion<_>| done.cookie.0 == 0) {
            ended.extend(world.turn());
        }
        // The handler of command 0.
        assert_eq!(world.abort(0, sibling), held, "it has ended, or it has not");
        assert!(!world.abort(0, sibling), "one abort at a time");
        ended.extend(world.until(|world| world.outstanding() == 0));
        for _ in 0..50 {
            ended.extend(world.turn());
        }
        assert_eq!(cookies(&ended), [0, 1], "each once");
        let end = ended.iter().find(|done| done.cookie.0 == 1).expect("it ended").outcome;
        assert_eq!(end, if held { ABORTED } else { GOOD });
    }
}

/// The first commands to a disk meet its unit attention.
fn clear_attentions(world: &mut Vectors<NoData>) {
    for disk in 0..2 {
        while !(0..3).any(|cookie| {
            assert!(world.submit(0, test_unit_ready(disk, cookie, NoData)).is_ok());
            world.collect(1)[0].outcome == GOOD
        }) {}
    }
}

#[test]
fn l06_a_completion_that_takes_its_unit_away_keeps_what_it_has() {
    let mut world = Vectors::<Held>::start(2, 4);
    let dropped = Arc::new(AtomicU32::new(0));
    let held = |world: &Vectors<Held>| Held::new(world, 0, &dropped);
    for (at, cookie) in [(0, 0), (1, 1), (1, 2)] {
        let data = held(&world);
        assert!(world.submit(at, test_unit_ready(0, cookie, data)).is_ok());
    }
    let mut ended = Vec::new();
    while ended.is_empty() {
        ended.extend(world.turn());
    }
    // The handler of the first: the target goes, and with it the commands of the other vector.
    let target = world.machine.detach(0).expect("it was there");
    assert_eq!(dropped.load(Ordering::Relaxed), 0, "the handler still has its memory");
    ended.extend(world.until(|world| world.outstanding() == 0));
    assert_eq!(cookies(&ended), [0, 1, 2], "each once");
    let data = held(&world);
    assert!(world.submit(0, test_unit_ready(0, 3, data)).is_ok(), "the queue knows of no units");
    let late = world.collect(1).remove(0);
    assert_eq!(late.outcome, Outcome::Failed(Failure::DeviceNotPresent));
    drop((target, late, ended));
    assert_eq!(dropped.load(Ordering::Relaxed), 4);
}

#[test]
fn l13_a_reset_within_a_reset_is_the_one_that_is_under_way() {
    let mut world = Vectors::<NoData>::start(3, 4);
    world.machine.hold(0, true);
    for at in 0..3 {
        assert!(world.submit(at, test_unit_ready(0, at as u64, NoData)).is_ok());
    }
    let mut ended = Vec::new();
    let now = world.machine.now();
    world.control.request_reset(now);
    world.control.request_reset(now);
    // At every turn of the reset, and from every handler of a command that it ended.
    for _ in 0..TURNS {
        let (batch, now) = (world.turn(), world.machine.now());
        if !world.control.is_operational() {
            world.control.request_reset(now);
        }
        if ended.is_empty() && !batch.is_empty() {
            assert!(!world.control.is_operational(), "the handlers run within the reset");
        }
        ended.extend(batch);
        if world.is_open() {
            break;
        }
    }
    assert_eq!(cookies(&ended), [0, 1, 2]);
    assert!(ended.iter().all(|done| done.outcome == Outcome::Failed(Failure::Reset)));
    assert_eq!(resets(&world), 1);
}

fn resets<D: DataBuffer>(world: &Vectors<D>) -> usize {
    world.events.iter().filter(|event| matches!(event, ControlEvent::ResetBegun(_))).count()
}

/// Memory that looks at the queue it was lent to, when it is asked for its segments and when it is dropped.
struct Held {
    lane: Weak<Lane<Self>>,
    dropped: Arc<AtomicU32>,
    busy: Cell<u32>,
}

impl Held {
    fn new(world: &Vectors<Self>, at: usize, dropped: &Arc<AtomicU32>) -> Self {
        let lane = Arc::downgrade(&world.lanes[at]);
        Self { lane, dropped: Arc::clone(dropped), busy: Cell::new(0) }
    }

    /// Whether somebody is in.
    fn enters(&self) -> Option<bool> {
        let lane = self.lane.upgrade()?;
        let look = |queue: &mut IoQueue<DirectQueue, Self>, ()| (queue.is_open(), ());
        Some(match lane.enter((), look) {
            Ok(turn) => {
                let _ = turn.leave();
                true
            }
            Err(Busy { input: () }) => false,
        })
    }
}

// SAFETY: there is no memory.
#[expect(unsafe_code, reason = "no memory to promise anything of")]
unsafe impl DataBuffer for Held {
    fn segments(&self) -> &[Segment] {
        if self.enters() == Some(false) {
            self.busy.set(self.busy.get() + 1);
        }
        &[]
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        assert_ne!(self.enters(), Some(false), "dropped while somebody was in the queue");
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn l16_the_last_reference_is_dropped_outside_of_the_queue() {
    let mut world = Vectors::<Held>::start(1, 4);
    let dropped = Arc::new(AtomicU32::new(0));
    // Ended by the device, by a reset, and refused: the handler drops each.
    for step in 0..3 {
        let data = Held::new(&world, 0, &dropped);
        world.machine.hold(0, step > 0);
        let mut request = test_unit_ready(0, step, data);
        if step == 2 {
            request.command.transfer = Transfer::from_device(u32::MAX);
        }
        match world.submit(0, request) {
            Err(refused) => drop(refused),
            Ok(_) => {
                let now = world.machine.now();
                if step == 1 {
                    world.control.request_reset(now);
                }
                drop(world.collect(1));
                world.until(Vectors::is_open);
            }
        }
        assert_eq!(u64::from(dropped.load(Ordering::Relaxed)), step + 1);
    }
}

/// The one call that the core makes while a queue is owned is the one for a request's segments. Entering the queue from there is
/// refused and counted, and the owner is told: nobody waits, nothing panics.
#[test]
fn b15_entering_a_queue_from_within_is_refused_and_counted() {
    let mut world = Vectors::<Held>::start(1, 4);
    let dropped = Arc::new(AtomicU32::new(0));
    let data = Held::new(&world, 0, &dropped);
    let lane = Arc::clone(&world.lanes[0]);
    let before = lane.refused();
    let turn = lane.submit(test_unit_ready(0, 1, data), world.machine.now());
    let turn = turn.unwrap_or_else(|_| panic!("nobody is in"));
    let left = turn.leave();
    assert!(left.again, "the owner is told to look again");
    let submitted = left.words.unwrap_or_else(|_| panic!("it is accepted all the same"));
    let refused = lane.refused() - before;
    assert!(refused > 0);
    submitted.doorbell.write(&mut world.registers);
    let completion = world.collect(1).remove(0);
    assert_eq!(completion.data.busy.get(), refused, "each refusal is counted");
    assert_eq!(completion.data.enters(), Some(true), "nobody is in when it comes out");
}

#[test]
fn l25_a_controller_without_power_is_not_touched() {
    let mut world = Vectors::<NoData>::start(2, 4);
    world.machine.hold(0, true);
    let timed = |cookie| test_unit_ready(0, cookie, NoData).with_timeout(Timeout::from_millis(5));
    for at in 0..2 {
        assert!(world.submit(at, timed(at as u64)).is_ok());
    }
    world.control.shutdown();
    let mut ended = world.until(|world| world.control.stopped().is_some());
    ended.extend(world.until(|world| world.outstanding() == 0));
    assert_eq!(cookies(&ended), [0, 1]);
    // Off: handler, timer and submit come all the same.
    world.machine.forbid_access();
    for at in 0..2 {
        assert!(world.submit(at, timed(7)).is_err());
        assert!(world.service(at).is_empty() && world.expired(at).is_none());
    }
    let now = world.machine.now();
    world.control.request_reset(now);
    for _ in 0..100 {
        assert!(world.turn().is_empty());
    }
    assert_eq!(world.machine.stray_accesses(), 0);
    // On again: a driver of its own, on the same machine.
    world.machine.hold(0, false);
    let mut resumed = Vectors::<NoData>::attach(Arc::clone(&world.machine), 2, 4);
    assert!(resumed.submit(1, test_unit_ready(0, 9, NoData)).is_ok());
    assert_eq!(cookies(&resumed.collect(1)), [9]);
    assert!(world.turn().is_empty(), "what ended before ended once");
}

/// Pulled out at every register access of a reset, and of a shutdown, with commands on every vector.
#[test]
fn l26_removal_within_a_reset_ends_everything_once() {
    for shutdown in [false, true] {
        for after in 0.. {
            let mut world = Vectors::<NoData>::start(3, 4);
            world.machine.hold(0, true);
            for at in 0..3 {
                assert!(world.submit(at, test_unit_ready(0, at as u64, NoData)).is_ok());
            }
            world.machine.remove_after(after);
            let now = world.machine.now();
            if shutdown {
                world.control.shutdown();
            } else {
                world.control.request_reset(now);
            }
            let over = |world: &Vectors<NoData>| {
                world.outstanding() == 0 && (world.is_open() || world.control.stopped().is_some())
            };
            let ended = world.until(over);
            assert_eq!(cookies(&ended), [0, 1, 2], "removed after {after} accesses");
            let (gone, end) = (world.machine.is_removed(), if shutdown { ABORTED } else { RESET });
            let ends = [end, Outcome::Failed(Failure::ControllerGone)];
            assert!(ended.iter().all(|done| ends.contains(&done.outcome)), "{ended:?}");
            if !gone {
                assert!(after > 5, "{after} accesses in all");
                break;
            }
            let last = world.until(|world| world.control.stopped().is_some());
            assert!(last.is_empty());
            world.machine.forbid_access();
            for _ in 0..20 {
                assert!(world.turn().is_empty(), "each once");
            }
            assert_eq!(world.machine.stray_accesses(), 0, "nothing is touched");
        }
    }
}

const RESET: Outcome = Outcome::Failed(Failure::Reset);

/// Events that want an acknowledgement while every tag is out: it has a frame of its own, and those that wait for the frame
/// follow one after the other.
#[test]
fn l27_an_acknowledgement_needs_no_tag() {
    const LOG_ENTRY_ADDED: u32 = 0x21;
    let mut world = Setup::default().start();
    world.units();
    world.machine.hold(0, true);
    let mut sent = 0;
    loop {
        let request = world.request(0, &[0; 6], Transfer::NONE);
        let request = request.with_timeout(Timeout::from_millis(u32::MAX));
        if world.host.submit(request).is_err() {
            break;
        }
        sent += 1;
    }
    let unacknowledged = |world: &hba_tests::sim::World| {
        world.machine.with_controller(|controller| controller.unacknowledged_events())
    };
    world.machine.with_controller(|controller| {
        (0..4).for_each(|_| controller.raise_event(LOG_ENTRY_ADDED, &[0; 16]));
    });
    world.machine.run(4096);
    assert_eq!(unacknowledged(&world), 4, "each wants an acknowledgement");
    let mut told = 0;
    for _ in 0..200 {
        world.host.poll(|done| panic!("the disk is quiet: {done:?}")).expect("poll");
        told += world.host.take_events().len();
    }
    assert!(told >= 4, "{told} events were told");
    assert_eq!(unacknowledged(&world), 0, "every event was acknowledged");
    world.machine.hold(0, false);
    assert_eq!(world.collect(sent).len(), sent);
}

#[test]
fn l29_a_handler_that_panics_or_returns_early_leaves_the_queue() {
    let mut world = Vectors::<NoData>::start(1, 4);
    let lane = Arc::clone(&world.lanes[0]);
    // In the turn itself.
    let turn = |_: &mut IoQueue<DirectQueue, NoData>, (): ()| -> ((), ()) { panic!("in a turn") };
    let result = catch_unwind(AssertUnwindSafe(|| lane.enter((), turn).map(|_| ())));
    assert!(result.is_err());
    assert_eq!(lane.owner(), None);
    // Between turn and leave; somebody was refused meanwhile, and the next owner is told of it.
    let result = catch_unwind(AssertUnwindSafe(|| {
        let entered = lane.enter((), |_, ()| ((), ()));
        assert!(entered.is_ok() && lane.enter((), |_, ()| ((), ())).is_err());
        panic!("a handler");
    }));
    assert!(result.is_err());
    assert!(lane.enter((), |_, ()| ((), ())).is_ok_and(|turn| turn.leave().again));
    // An early return.
    let early = || -> Option<()> {
        let _turn = lane.enter((), |_, ()| ((), ())).ok()?;
        None
    };
    assert_eq!((early(), lane.owner()), (None, None));
    assert!(world.submit(0, test_unit_ready(0, 5, NoData)).is_ok(), "the queue is usable");
    assert_eq!(cookies(&world.collect(1)), [5]);
}

#[test]
fn l30_timers_that_fire_at_once_escalate_once() {
    // Deadlines of commands, a reset that is asked for, a fault that the watchdog sees: in every order.
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut world = Vectors::<NoData>::start(2, 4);
        world.machine.hold(0, true);
        for at in 0..2 {
            let request = test_unit_ready(0, at as u64, NoData);
            let request = request.with_timeout(Timeout::from_millis(50));
            assert!(world.submit(at, request).is_ok());
        }
        world.machine.run(4096);
        world.machine.advance(Duration::from_secs(5));
        let now = world.machine.now();
        for timer in order {
            match timer {
                0 => {
                    for at in 0..2 {
                        if let Some(ticket) = world.expired(at) {
                            world.control.handle_ticket(ticket);
                        }
                    }
                }
                1 => world.control.request_reset(now),
                _ => {
                    let code = sim_backend::direct::FaultCode(0x77);
                    world.machine.with_controller(|controller| controller.fail(code));
                    world.step();
                }
            }
        }
        let mut ended = world.until(|world| world.outstanding() == 0 && world.is_open());
        for _ in 0..500 {
            ended.extend(world.turn());
        }
        assert_eq!(cookies(&ended), [0, 1], "{order:?}");
        assert_eq!(resets(&world), 1, "one escalation: {order:?}, {:?}", world.events);
        let idle = !world.events.iter().any(|e| matches!(e, ControlEvent::Recovered(..)));
        assert!(idle, "the reset ended them, not the ladder: {order:?}");
    }
}

const TURNS: u32 = 20_000;

/// One command of a workload.
#[derive(Clone, Copy, Debug)]
struct Work {
    /// In units of eight blocks.
    place: u16,
    write: Option<u8>,
}

/// How the machine behaves while the workload runs.
#[derive(Clone, Copy, Debug)]
struct Weather {
    seed: u64,
    /// Percent of the interrupts that are lost, or that come for nothing.
    lost: u64,
    spurious: u64,
    duplicates: u32,
    stale: u32,
}

fn work() -> impl Strategy<Value = Work> {
    (0..16_u16, proptest::option::of(any::<u8>())).prop_map(|(place, write)| Work { place, write })
}

fn weather() -> impl Strategy<Value = Weather> {
    (any::<u64>(), 0..90_u64, 0..50_u64, 0..8_u32, 0..8_u32).prop_map(
        |(seed, lost, spurious, duplicates, stale)| Weather {
            seed,
            lost,
            spurious,
            duplicates,
            stale,
        },
    )
}

/// What the caller sees: how each command ended, and what each read found.
fn run(vectors: u16, works: &[Work], weather: Weather) -> Vec<(Outcome, u32, Vec<u8>)> {
    let mut world = Vectors::<RegionBuffer>::start(vectors, 16);
    let mut rng = sim_backend::schedule::SplitMix64::new(weather.seed);
    world.machine.with_controller(|controller| {
        controller.set_schedule(Schedule::new(CompletionOrder::Seeded(weather.seed)));
        controller.faults_mut().duplicate_replies = weather.duplicates;
        controller.faults_mut().stale_generation = weather.stale;
    });
    // The first commands meet a unit attention.
    loop {
        let data = world.machine.memory().buffer(8).expect("memory");
        assert!(world.submit(0, test_unit_ready(1, 0, data)).is_ok());
        if is_good(world.collect(1)[0].outcome) {
            break;
        }
    }
    let mut ends = vec![None; works.len()];
    let mut sent = 0;
    // Commands to one place wait for each other: their order is the caller's business. The others run side by side.
    while ends.iter().any(Option::is_none) {
        while sent < works.len() && !overlaps(works, &ends, sent) {
            let at = sent % usize::from(vectors);
            let request = access(&world, works[sent], sent as u64);
            if world.submit(at, request).is_err() {
                break;
            }
            sent += 1;
        }
        world.machine.run(1 + rng.below(64) as u32);
        let news = world.machine.with_controller(DirectController::take_vectors);
        let mut done = Vec::new();
        for at in 0..usize::from(vectors) {
            let interrupt = news >> at & 1 != 0 && rng.below(100) >= weather.lost;
            // One that is lost is made good by the sweep, which comes now and then.
            if interrupt || rng.below(100) < weather.spurious || rng.below(20) == 0 {
                done.extend(world.service(at));
            }
        }
        for completion in done {
            let mut bytes = vec![0; 8];
            completion.data.read(&mut bytes);
            let end = &mut ends[completion.cookie.0 as usize];
            assert!(end.is_none(), "{completion:?} ended twice");
            *end = Some((completion.outcome, completion.transferred, bytes));
        }
    }
    assert_eq!(world.outstanding(), 0);
    ends.into_iter().flatten().collect()
}

fn overlaps(works: &[Work], ends: &[Option<(Outcome, u32, Vec<u8>)>], at: usize) -> bool {
    let same =
        |(before, end): (&Work, &Option<_>)| end.is_none() && before.place == works[at].place;
    works[..at].iter().zip(ends).any(same)
}

fn access(world: &Vectors<RegionBuffer>, work: Work, cookie: u64) -> Request<RegionBuffer> {
    let mut data = world.machine.memory().buffer(4096).expect("memory");
    let lba = Lba(u64::from(work.place) * 8);
    let (cdb, transfer) = match work.write {
        None => (command::read(lba, 8, Access::default()), Transfer::from_device(4096)),
        Some(byte) => {
            data.write(&[byte; 4096]);
            (command::write(lba, 8, Access::default()), Transfer::to_device(4096))
        }
    };
    let nexus = Nexus::new(TargetId::new(1), Lun::ZERO);
    Request::new(nexus, cdb.expect("in range"), transfer, data, Cookie(cookie))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// One, two, five or sixteen vectors, any order of delivery, interrupts that are lost, merged or spurious, replies that
    /// come twice: the results are the same.
    #[test]
    fn b16_results_do_not_depend_on_vectors_or_delivery(
        works in proptest::collection::vec(work(), 1..40),
        weathers in [weather(), weather(), weather(), weather()],
    ) {
        let calm = Weather { seed: 0, lost: 0, spurious: 0, duplicates: 0, stale: 0 };
        let expected = run(1, &works, calm);
        for (vectors, weather) in [1, 2, 5, 16].into_iter().zip(weathers) {
            prop_assert_eq!(&run(vectors, &works, weather), &expected, "{} vectors", vectors);
        }
    }
}
