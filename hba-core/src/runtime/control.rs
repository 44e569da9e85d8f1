//! The driver of what vectors share: bring-up, recovery, deadlines, shutdown.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use tokio::sync::{broadcast, mpsc, oneshot};

use super::books::{BookOrder, Books, Kept};
use super::carriage::Carriage;
use super::harvest::{Harvest, Note, Pass};
use super::lane::Lane;
use super::observe::ControlSpans;
use super::platform::{Clock, Platform};
use super::{AttachError, Inner, InnerOf};
use crate::control::{Action, Control, ControlEvent, Provided};
use crate::dispatch::ClassTimeouts;
use crate::dma::DataBuffer;
use crate::port::{
    BringUpError, ControlPort, MemoryPlan, TargetInfo, TaskManagement, TaskManagementId,
};
use crate::queue::{IoQueue, Vector};
use crate::sync::RoundRobin;
use crate::time::Instant;

type LaneOf<P, L, D> =
    Lane<<P as ControlPort>::Queue, <L as Platform>::Registers, <L as Platform>::Clock, D>;

/// The lanes, or why there will be none.
type AttachResult<P, L, D> = Result<Arc<InnerOf<P, L, D>>, AttachError>;

/// What a handle asks of Control.
#[derive(Debug)]
pub(super) enum Order {
    /// Accept no ordinary command any more, and answer when none is outstanding.
    Drain(oneshot::Sender<()>),
    /// Stop the adapter, and answer when it is.
    Stop(oneshot::Sender<()>),
    Reset,
    /// Tell the targets.
    Targets(oneshot::Sender<Vec<TargetInfo>>),
    /// Answer at this time.
    Sleep(Instant, oneshot::Sender<()>),
    TaskManagement(TaskManagement, oneshot::Sender<Option<TaskManagementId>>),
    Books(BookOrder),
}

/// Runs [`Control`] and carries its values between the vectors. Looks at every vector's deadlines.
///
/// Ends when the adapter was shut down, left the bus or was given up, and every command came home.
#[must_use = "deadlines, recovery and shutdown happen when this is polled"]
pub struct ControlDriver<P: ControlPort, L: Platform, D: DataBuffer> {
    control: Control<P>,
    platform: L,
    timeouts: ClassTimeouts,
    registers: L::Registers,
    inner: Option<Arc<InnerOf<P, L, D>>>,
    harvest: Harvest<D>,
    notes: (mpsc::Sender<Note>, mpsc::Receiver<Note>),
    orders: (mpsc::Sender<Order>, mpsc::Receiver<Order>),
    events: broadcast::Sender<ControlEvent>,
    reclaimed: (mpsc::Sender<D>, Option<mpsc::Receiver<D>>),
    carriage: Carriage,
    /// When every vector is looked at, interrupt or not.
    sweep: Instant,
    draining: Option<oneshot::Sender<()>>,
    stop: Option<oneshot::Sender<()>>,
    failure: Option<BringUpError>,
    books: Books,
    spans: ControlSpans,
    sleeping: Vec<(Instant, oneshot::Sender<()>)>,
    /// Vector drivers run as long as these live.
    running: Vec<mpsc::Sender<()>>,
}

/// What a turn leaves.
enum Turn {
    Again,
    /// Somebody was in a queue.
    Busy,
    Wait(Instant),
    Ended,
}

/// An interrupt that is lost costs no more than this.
const SWEEP: Duration = Duration::from_millis(100);
/// Turns before other tasks get theirs.
const TURNS: u32 = 64;
/// Events that wait for the slowest reader.
const EVENTS: usize = 64;
/// Notes that wait for Control.
const NOTES: usize = 512;
const ORDERS: usize = 32;
/// Memory of dropped futures that waits to be taken.
const RECLAIMED: usize = 1024;

impl<P: ControlPort, L: Platform, D: DataBuffer + Send + 'static> ControlDriver<P, L, D> {
    pub(super) fn new(port: P, platform: L, config: super::Config) -> Self {
        let clock = platform.clock();
        let mut control = Control::new(port, config.recovery, clock.now());
        control.set_interrupts(true);
        control.set_mapping(platform.mapping());
        let (reclaimed, receiver) = mpsc::channel(RECLAIMED);
        Self {
            control,
            registers: platform.shared_registers(),
            platform,
            timeouts: config.timeouts,
            inner: None,
            harvest: Harvest::new(),
            notes: mpsc::channel(NOTES),
            orders: mpsc::channel(ORDERS),
            events: broadcast::channel(EVENTS).0,
            reclaimed: (reclaimed, Some(receiver)),
            carriage: Carriage::default(),
            sweep: clock.now(),
            draining: None,
            stop: None,
            failure: None,
            books: Books::default(),
            spans: ControlSpans::begin(),
            sleeping: Vec::new(),
            running: Vec::new(),
        }
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<ControlEvent> {
        self.events.subscribe()
    }

    pub(super) fn note_sender(&self) -> mpsc::Sender<Note> {
        self.notes.0.clone()
    }

    pub(super) fn take_reclaimed(&mut self) -> Option<mpsc::Receiver<D>> {
        self.reclaimed.1.take()
    }

    pub(super) fn platform_mut(&mut self) -> &mut L {
        &mut self.platform
    }

    /// Ends when this driver does.
    pub(super) fn running(&mut self) -> mpsc::Receiver<()> {
        let (sender, receiver) = mpsc::channel(1);
        self.running.push(sender);
        receiver
    }

    /// The lanes, once requests flow; an error if they never will.
    pub(super) fn poll_attached(&mut self, cx: &mut Context<'_>) -> Poll<AttachResult<P, L, D>> {
        for _ in 0..TURNS {
            let turn = self.turn(cx)?;
            if let Some(inner) = self.inner.as_ref().filter(|_| self.flows()) {
                return Poll::Ready(Ok(Arc::clone(inner)));
            }
            if matches!(turn, Turn::Ended) {
                let failed = self.failure.take().map_or(AttachError::Gone, AttachError::BringUp);
                return Poll::Ready(Err(failed));
            }
            if self.wait(turn, cx).is_pending() {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether every queue accepts requests: it has had its pass since it was opened.
    fn flows(&self) -> bool {
        let carried = self.control.is_operational() && self.carriage.is_empty();
        let open = |lane: &Arc<LaneOf<P, L, D>>| lane.enter((), |shard, ()| shard.queue.is_open());
        carried && self.lanes().iter().all(|lane| open(lane) == Ok(true))
    }

    fn wait(&mut self, turn: Turn, cx: &mut Context<'_>) -> Poll<()> {
        match turn {
            Turn::Again | Turn::Ended => Poll::Ready(()),
            Turn::Wait(until) => self.platform.poll_timer(cx, until),
            Turn::Busy => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn turn(&mut self, cx: &mut Context<'_>) -> Result<Turn, AttachError> {
        let now = self.platform.now();
        let mut again = false;
        while let Poll::Ready(Some(note)) = self.notes.1.poll_recv(cx) {
            self.handle(note, now);
            again = true;
        }
        while let Poll::Ready(Some(order)) = self.orders.1.poll_recv(cx) {
            self.obey(order, now);
            again = true;
        }
        for (_, woken) in self.sleeping.extract_if(.., |(until, _)| *until <= now) {
            let _ = woken.send(());
        }
        let (busy, more) = self.look_at_vectors(now);
        self.stop_queues(more, now);
        if busy || !self.carry_all() {
            return Ok(Turn::Busy);
        }
        match self.keep_books(cx) {
            Kept::Done => {}
            Kept::Again => again = true,
            Kept::Busy => return Ok(Turn::Busy),
        }
        let next = self.control.step(now, &mut self.registers).next;
        while let Some(action) = self.control.poll_action() {
            match action {
                Action::ProvideMemory(plan) => self.provide_memory(&plan)?,
                Action::Isolate => {
                    crate::host::Platform::isolate(&mut self.platform);
                    self.control.handle_isolated();
                }
                action => self.carriage.load(action),
            }
            again = true;
        }
        self.publish_events();
        if !self.carry_all() {
            return Ok(Turn::Busy);
        }
        if again {
            self.sweep = now;
        }
        Ok(self.rest(again || more, next, now))
    }

    fn keep_books(&mut self, cx: &mut Context<'_>) -> Kept {
        let Some(inner) = &self.inner else { return Kept::Done };
        self.books.keep(self.control.durability_mut(), &inner.lanes, cx)
    }

    /// What is left to do once nothing is due now.
    fn rest(&mut self, again: bool, next: Option<Instant>, now: Instant) -> Turn {
        if again {
            return Turn::Again;
        }
        let Some((outstanding, deadline)) = self.outstanding() else { return Turn::Busy };
        if outstanding == 0
            && let Some(draining) = self.draining.take()
        {
            // Nobody waits any more if this fails.
            let _ = draining.send(());
        }
        if outstanding == 0 && self.control.stopped().is_some() {
            if let Some(stop) = self.stop.take() {
                let _ = stop.send(());
            }
            self.running.clear();
            return Turn::Ended;
        }
        let sleeping = self.sleeping.iter().map(|(until, _)| *until);
        let until = [next, deadline].into_iter().flatten().chain(sleeping);
        let until = until.fold(now + SWEEP, Instant::min);
        Turn::Wait(until)
    }

    /// Commands that the device has, and the first deadline; `None` if somebody is in a queue.
    fn outstanding(&self) -> Option<(usize, Option<Instant>)> {
        let (mut outstanding, mut first) = (0, None);
        for lane in self.lanes() {
            let turn = lane.enter((), |shard, ()| {
                (usize::from(shard.queue.outstanding()), shard.queue.next_deadline())
            });
            let (more, deadline) = turn.ok()?;
            outstanding += more;
            first = [first, deadline].into_iter().flatten().min();
        }
        Some((outstanding, first))
    }

    fn lanes(&self) -> &[Arc<LaneOf<P, L, D>>] {
        self.inner.as_ref().map_or(&[], |inner| &inner.lanes)
    }

    fn handle(&mut self, note: Note, now: Instant) {
        match note {
            Note::Message(message) => {
                self.control.handle_message(&message, now, &mut self.registers);
            }
            Note::Drained(mark) => self.control.handle_drained(mark, now),
            Note::Signs => self.books.handle_signs(),
            Note::Gone => self.control.handle_gone(),
        }
    }

    fn obey(&mut self, order: Order, now: Instant) {
        match order {
            Order::Drain(done) => {
                self.draining = Some(done);
                if let Some(inner) = &self.inner {
                    self.carriage.close_all(&inner.lanes);
                }
            }
            Order::Stop(done) => {
                self.stop = Some(done);
                self.control.shutdown();
            }
            Order::Targets(answer) => {
                let _ = answer.send(self.control.targets().to_vec());
            }
            Order::Sleep(until, answer) => self.sleeping.push((until, answer)),
            Order::Reset => self.control.request_reset(now),
            Order::TaskManagement(task, answer) => {
                let _ = answer.send(self.control.task_management(task));
            }
            Order::Books(order) => self.books.handle_order(order),
        }
    }

    /// Passes over every vector whose interrupt may be lost or is not on, and lets deadlines fire.
    fn look_at_vectors(&mut self, now: Instant) -> (bool, bool) {
        let Some(inner) = self.inner.clone() else { return (false, false) };
        let (mut busy, mut more) = (false, false);
        let all = now >= self.sweep
            || self.carriage.is_stopping()
            || !self.control.is_operational()
            || self.books.is_settling();
        if now >= self.sweep {
            self.sweep = now + SWEEP;
        }
        for (at, lane) in inner.lanes.iter().enumerate() {
            while let Some(ticket) = lane.expired(now) {
                self.control.handle_ticket(ticket);
            }
            if !all {
                continue;
            }
            let mut notes = Vec::new();
            let pass = lane.pass_seldom(&mut self.harvest, &mut |note| notes.push(note));
            match pass {
                None => busy = true,
                Some(Pass::More) => more = true,
                Some(Pass::Empty | Pass::Stopped) => {}
            }
            self.books.handle_pass(at, pass);
            for note in notes {
                self.handle(note, now);
            }
        }
        (busy, more)
    }

    fn stop_queues(&mut self, pending: bool, now: Instant) {
        if let Some(inner) = &self.inner {
            self.carriage.stop_queues(pending, &inner.lanes, &mut self.control, now);
        }
    }

    /// Whether everything that Control asked for is where it belongs.
    fn carry_all(&mut self) -> bool {
        let Some(inner) = &self.inner else { return self.carriage.is_empty() };
        let round = self.carriage.carry_all(&inner.lanes, &mut self.control);
        if round.carried {
            self.sweep = Instant::ZERO;
        }
        round.complete
    }

    fn publish_events(&mut self) {
        while let Some(event) = self.control.poll_event() {
            self.spans.handle(&event);
            if let ControlEvent::BringUpFailed(error) = event {
                self.failure = Some(error);
            }
            // Nobody listens if this fails.
            let _ = self.events.send(event);
        }
    }

    fn provide_memory(&mut self, plan: &MemoryPlan) -> Result<(), AttachError> {
        let Some(limits) = self.control.limits().copied() else { return Err(AttachError::Gone) };
        limits.validate().map_err(AttachError::Limits)?;
        let regions = plan.regions.iter().map(|region| self.platform.allocate(region));
        let regions = regions.collect::<Result<Vec<_>, _>>().map_err(|out| {
            self.control
                .none_below(out.len)
                .map_or(AttachError::Memory(out), AttachError::Placement)
        })?;
        // A platform may map IDs along with the memory.
        self.control.set_mapping(self.platform.mapping());
        let provided = self.control.provide_memory(regions).map_err(AttachError::Placement)?;
        let Provided::Queues(ports) = provided else { return Ok(()) };
        let lane = |(port, vector)| {
            let queue = IoQueue::new(port, Vector(vector), &limits, self.timeouts);
            let (registers, clock) = (self.registers.clone(), self.platform.clock());
            Arc::new(Lane::new(queue, &limits, registers, clock, self.reclaimed.0.clone()))
        };
        let lanes: Vec<_> = ports.into_iter().zip(0..).map(lane).collect();
        let round_robin = RoundRobin::new(lanes.len() as u16);
        let (orders, events) = (self.orders.0.clone(), self.events.clone());
        let inner = Inner { lanes, limits, round_robin, orders, events };
        self.inner = Some(Arc::new(inner));
        Ok(())
    }
}

/// Nothing in it is pinned.
impl<P: ControlPort, L: Platform, D: DataBuffer> Unpin for ControlDriver<P, L, D> {}

impl<P, L, D> Future for ControlDriver<P, L, D>
where
    P: ControlPort,
    L: Platform,
    D: DataBuffer + Send + 'static,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        for _ in 0..TURNS {
            let turn = match this.turn(cx) {
                Ok(Turn::Ended) | Err(_) => return Poll::Ready(()),
                Ok(turn) => turn,
            };
            if this.wait(turn, cx).is_pending() {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
