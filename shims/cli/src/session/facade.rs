//! [`Driver`] over one backend on one platform.

use alloc::collections::VecDeque;
use core::future::Future;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};

use futures_util::Stream as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use hba_core::command::Request;
use hba_core::control::ControlEvent;
use hba_core::discovery::Discovered;
use hba_core::dma::RegionBuffer;
use hba_core::durability::{FlushError, Flushed};
use hba_core::host::{Data, HostError, OutOfMemory};
use hba_core::limits::Limits;
use hba_core::logical_unit::LogicalUnit;
use hba_core::port::ControlPort;
use hba_core::queue::Vector;
use hba_core::runtime::{
    Answer, AttachError, Attached, Config, DiscoverError, Event, Events, ExecuteError, Platform,
    ShutdownError, attach,
};

use super::executor::Executor;
use super::{Driver, Ended, FlightRecorder, SessionError};
use crate::bench::{self, BenchError, Measured, Plan, Watcher};

/// A function that allocates data memory of a length in bytes.
pub(super) type Buffers = Box<dyn Fn(usize) -> Result<RegionBuffer, OutOfMemory> + Send + Sync>;
/// What ends the platform.
pub(super) type End = Box<dyn FnOnce() -> Result<(), SessionError>>;

type Flight = Pin<Box<dyn Future<Output = Ended>>>;

/// An adapter and the executor that drives it: Control first, then the vectors in turn, then the commands in the order in
/// which they were woken.
pub(super) struct Facade<P: ControlPort, L: Platform> {
    // Dropped first: commands let go of their answers while the drivers are there.
    flights: FuturesUnordered<Flight>,
    ended: VecDeque<Ended>,
    state: State<P, L>,
    executor: Executor,
    buffers: Buffers,
    recorder: Option<FlightRecorder>,
    end: End,
}

enum State<P: ControlPort, L: Platform> {
    /// Not brought up yet.
    Down(P, L),
    Up(Box<Adapter<P, L>>),
    /// Bring-up failed.
    Failed,
}

struct Adapter<P: ControlPort, L: Platform> {
    attached: Attached<P, L, Data>,
    /// Who is told of faults, and where they are read.
    faults: Option<(FlightRecorder, Events)>,
    /// The driver of Control has ended, and with it those of the vectors.
    over: bool,
}

impl<P, L> Adapter<P, L>
where
    P: ControlPort,
    L: Platform,
{
    fn drive(&mut self, cx: &mut Context<'_>) {
        if !self.over {
            self.over = Pin::new(&mut self.attached.control).poll(cx).is_ready();
        }
        self.attached.vectors.retain_mut(|vector| Pin::new(vector).poll(cx).is_pending());
        let Some((recorder, events)) = &mut self.faults else { return };
        while let Poll::Ready(Some(event)) = Pin::new(&mut *events).poll_next(cx) {
            if let Event::Control(event) = event {
                recorder.handle(&event);
            }
        }
    }

    /// Polls `future` and drives until it is ready.
    fn run<F: Future>(&mut self, executor: &Executor, future: F) -> F::Output {
        let mut future = pin!(future);
        executor.run(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(output);
            }
            self.drive(cx);
            future.as_mut().poll(cx)
        })
    }
}

impl<P: ControlPort, L: Platform> Facade<P, L> {
    /// An adapter that is not brought up yet.
    pub(super) fn new(port: P, platform: L, buffers: Buffers, end: End) -> Self {
        Self {
            flights: FuturesUnordered::new(),
            ended: VecDeque::new(),
            state: State::Down(port, platform),
            executor: Executor::new(),
            buffers,
            recorder: None,
            end,
        }
    }

    /// Tells `recorder` of faults.
    pub(super) fn recorded(self, recorder: FlightRecorder) -> Self {
        Self { recorder: Some(recorder), ..self }
    }

    fn adapter(&mut self) -> Result<(&mut Adapter<P, L>, &Executor), HostError> {
        match &mut self.state {
            State::Up(adapter) => Ok((adapter, &self.executor)),
            _ => Err(HostError::Gone),
        }
    }
}

impl<P, L> Driver for Facade<P, L>
where
    P: ControlPort<Queue: Send> + Send + 'static,
    L: Platform,
{
    fn bring_up(&mut self) -> Result<(), HostError> {
        match core::mem::replace(&mut self.state, State::Failed) {
            State::Down(port, platform) => {
                let mut attaching = pin!(attach(port, platform, Config::default()));
                let attached = self.executor.run(|cx| attaching.as_mut().poll(cx));
                let attached = attached.map_err(attach_error)?;
                let recorder = self.recorder.clone();
                let faults = recorder.map(|recorder| (recorder, attached.hba.events()));
                self.state = State::Up(Box::new(Adapter { attached, faults, over: false }));
                Ok(())
            }
            State::Failed => Err(HostError::Gone),
            up => {
                self.state = up;
                Ok(())
            }
        }
    }

    fn reset(&mut self) -> Result<(), HostError> {
        let (adapter, executor) = self.adapter()?;
        let hba = adapter.attached.hba.on(Vector(0));
        adapter.run(executor, async move {
            let mut events = hba.events();
            hba.reset().await;
            let mut failure = None;
            loop {
                match events.next().await {
                    Some(Event::Control(ControlEvent::Operational)) => return Ok(()),
                    Some(Event::Control(ControlEvent::BringUpFailed(error))) => {
                        // A failed reset is tried again; only the last word counts.
                        failure = Some(error);
                    }
                    Some(Event::Control(ControlEvent::GivenUp | ControlEvent::Gone)) | None => {
                        return Err(failure.map_or(HostError::Gone, HostError::BringUp));
                    }
                    Some(_) => {}
                }
            }
        })
    }

    fn discover(&mut self) -> Result<Discovered, HostError> {
        let buffers = &self.buffers;
        let State::Up(adapter) = &mut self.state else { return Err(HostError::Gone) };
        let hba = adapter.attached.hba.on(Vector(0));
        adapter.run(&self.executor, hba.discover(buffers)).map_err(discover_error)
    }

    fn submit_on(&mut self, vector: Vector, request: Request<Data>) -> Result<(), HostError> {
        let (adapter, _) = self.adapter()?;
        let hba = adapter.attached.hba.on(vector);
        let cookie = request.cookie;
        self.flights.push(Box::pin(async move {
            let (result, data) = hba.request(request).await;
            Ended { cookie, result, data }
        }));
        // The first poll sends it.
        let sent = self.executor.once(|cx| self.flights.poll_next_unpin(cx));
        if let Poll::Ready(Some(ended)) = sent {
            self.ended.push_back(ended);
        }
        Ok(())
    }

    fn poll(&mut self, sink: &mut dyn FnMut(Ended)) {
        let Self { flights, ended, state, executor, .. } = self;
        let State::Up(adapter) = state else { return };
        ended.drain(..).for_each(&mut *sink);
        executor.run(|cx| {
            adapter.drive(cx);
            let mut some = false;
            while let Poll::Ready(Some(ended)) = flights.poll_next_unpin(cx) {
                sink(ended);
                some = true;
            }
            if some || flights.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        });
    }

    fn execute(&mut self, request: Request<Data>) -> Result<(Answer, Data), HostError> {
        let (adapter, executor) = self.adapter()?;
        let hba = adapter.attached.hba.on(Vector(0));
        let (result, data) = adapter.run(executor, hba.request(request));
        result.map(|answer| (answer, data)).map_err(execute_error)
    }

    fn flush(&mut self, unit: &LogicalUnit) -> Result<Result<Flushed, FlushError>, HostError> {
        let (adapter, executor) = self.adapter()?;
        let hba = adapter.attached.hba.on(Vector(0));
        Ok(adapter.run(executor, hba.flush(unit, None)).0)
    }

    fn measure(&mut self, plan: &Plan, watcher: &mut dyn Watcher) -> Result<Measured, BenchError> {
        let State::Up(adapter) = &mut self.state else { return Err(BenchError::Gone) };
        let measured = bench::measure(&mut adapter.attached, &*self.buffers, plan, watcher);
        self.executor.once(|cx| adapter.drive(cx));
        measured
    }

    fn limits(&self) -> Option<Limits> {
        match &self.state {
            State::Up(adapter) => Some(*adapter.attached.hba.limits()),
            _ => None,
        }
    }

    fn buffer(&mut self, len: usize) -> Result<RegionBuffer, OutOfMemory> {
        (self.buffers)(len)
    }

    fn take_events(&mut self) -> Vec<ControlEvent> {
        let Ok((adapter, executor)) = self.adapter() else { return Vec::new() };
        let mut taken = Vec::new();
        executor.once(|cx| {
            while let Poll::Ready(Some(event)) =
                Pin::new(&mut adapter.attached.events).poll_next(cx)
            {
                taken.push(match event {
                    Event::Control(event) => event,
                    Event::Lagged(count) => {
                        ControlEvent::Lost(u32::try_from(count).unwrap_or(u32::MAX))
                    }
                });
            }
        });
        taken
    }

    fn close(mut self: Box<Self>) -> Result<(), SessionError> {
        let stopped = self.adapter().map_or(Ok(()), |(adapter, executor)| {
            let hba = adapter.attached.hba.on(Vector(0));
            adapter.run(executor, hba.shutdown([]))
        });
        // One that had stopped before is gone, and whatever was asked of it has failed with that.
        let stopped = match stopped {
            Ok(()) | Err(ShutdownError::Stopped) => Ok(()),
            Err(_) => Err(SessionError::Host(HostError::Gone)),
        };
        // Whatever that gave, the platform ends.
        let ended = (self.end)();
        stopped.and(ended)
    }
}

fn attach_error(error: AttachError) -> HostError {
    match error {
        AttachError::BringUp(error) => HostError::BringUp(error),
        AttachError::Memory(error) => HostError::Memory(error),
        AttachError::Placement(error) => HostError::Placement(error),
        AttachError::Limits(report) => HostError::Limits(report),
        _ => HostError::Gone,
    }
}

fn discover_error(error: DiscoverError) -> HostError {
    match error {
        DiscoverError::Memory(error) => HostError::Memory(error),
        DiscoverError::Execute(error) => execute_error(error),
        _ => HostError::Gone,
    }
}

fn execute_error(error: ExecuteError) -> HostError {
    match error {
        ExecuteError::Refused(refusal) => HostError::Refused(refusal),
        _ => HostError::Gone,
    }
}
