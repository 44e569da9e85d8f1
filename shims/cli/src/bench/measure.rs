//! The threads of a measurement.

use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::task::{Context, Poll, Waker};
use std::thread;
use std::time::Instant;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use hba_core::dma::RegionBuffer;
use hba_core::host::{Data, OutOfMemory};
use hba_core::port::{ControlPort, QueuePort};
use hba_core::queue::Vector;
use hba_core::register::Registers;
use hba_core::runtime::{Attached, Clock, Hba, HbaOf, Platform, VectorDriverOf};

use super::job::Job;
use super::tally::{Tally, Window};
use super::{BenchError, Measured, Plan, Watcher};
use crate::session::Executor;

/// Allocates data memory of a length in bytes.
type Buffers<'a> = &'a (dyn Fn(usize) -> Result<RegionBuffer, OutOfMemory> + Send + Sync);

/// What the threads share.
#[derive(Clone, Copy)]
struct Common<'a> {
    plan: &'a Plan,
    buffers: Buffers<'a>,
    window: Window,
    failed: &'a AtomicBool,
}

/// Measures on an adapter that has nothing else to do.
pub(crate) fn measure<P, L>(
    attached: &mut Attached<P, L, Data>,
    buffers: Buffers<'_>,
    plan: &Plan,
    watcher: &mut dyn Watcher,
) -> Result<Measured, BenchError>
where
    P: ControlPort<Queue: Send> + Send + 'static,
    L: Platform,
{
    let Attached { hba, vectors, control, .. } = attached;
    let begun = Instant::now();
    let window = Window::new(begun + plan.warm_up, plan.duration);
    let common = Common { plan, buffers, window, failed: &AtomicBool::new(false) };
    let mut control = Driver::new(control);
    // One vector is driven here; several have threads, and what is left of them is driven here.
    let threads = if plan.vectors > 1 { usize::from(plan.vectors) } else { 0 };
    let threads = threads.min(vectors.len());
    let (theirs, ours) = vectors.split_at_mut(threads);
    let mut ours: Vec<_> = ours.iter_mut().map(Driver::new).collect();
    let mut drive = |cx: &mut Context<'_>| {
        control.drive(cx);
        ours.iter_mut().for_each(|vector| vector.drive(cx));
        watcher.at(begun.elapsed());
    };
    let tally = match theirs {
        [] => lane(&Executor::new(), common, &hba.on(Vector(0)), drive)?,
        theirs => lanes::<P, L>(common, hba, theirs, &mut drive)?,
    };
    if tally.commands() == 0 {
        return Err(BenchError::Nothing { duration: plan.duration });
    }
    Ok(Measured { tally })
}

/// A thread for each vector, and on this one what `drive` does, until they have ended.
fn lanes<P, L>(
    common: Common<'_>,
    hba: &HbaOf<P, L, Data>,
    vectors: &mut [VectorDriverOf<P, L, Data>],
    drive: &mut dyn FnMut(&mut Context<'_>),
) -> Result<Tally, BenchError>
where
    P: ControlPort<Queue: Send> + Send + 'static,
    L: Platform,
{
    let (executor, running) = (Executor::new(), AtomicUsize::new(0));
    let dispatch = &tracing::dispatcher::get_default(Clone::clone);
    let tallies = thread::scope(|scope| {
        let (mut threads, mut started) = (Vec::new(), Ok(()));
        for (vector, driver) in (0..).map(Vector).zip(vectors) {
            let hba = hba.on(vector);
            running.fetch_add(1, Ordering::Relaxed);
            let leaving = Leaving { running: &running, waker: executor.waker().clone() };
            let lane = move || {
                let _leaving = leaving;
                let _traced = tracing::dispatcher::set_default(dispatch);
                let mut driver = Driver::new(driver);
                lane(&Executor::new(), common, &hba, |cx| driver.drive(cx))
            };
            let thread = thread::Builder::new().name(format!("vector {vector}"));
            match thread.spawn_scoped(scope, lane) {
                Ok(thread) => threads.push(thread),
                Err(error) => {
                    // Those that run need this thread until they see it.
                    common.failed.store(true, Ordering::Relaxed);
                    started = Err(BenchError::Thread(error));
                    break;
                }
            }
        }
        executor.run(|cx| {
            drive(cx);
            match running.load(Ordering::Acquire) {
                0 => Poll::Ready(()),
                _ => Poll::Pending,
            }
        });
        started?;
        let ends = threads.into_iter().map(thread::ScopedJoinHandle::join);
        ends.map(|end| end.unwrap_or(Err(BenchError::Gone))).collect::<Result<Vec<_>, _>>()
    })?;
    Ok(tallies.into_iter().fold(Tally::new(&common.window), |mut sum, tally| {
        sum.add(&tally);
        sum
    }))
}

/// Says that a thread has ended, however it ends.
struct Leaving<'a> {
    running: &'a AtomicUsize,
    waker: Waker,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.running.fetch_sub(1, Ordering::Release);
        self.waker.wake_by_ref();
    }
}

/// A driver that may end before the measurement does: the controller is gone then.
struct Driver<'a, F> {
    future: &'a mut F,
    over: bool,
}

impl<'a, F: Future<Output = ()> + Unpin> Driver<'a, F> {
    const fn new(future: &'a mut F) -> Self {
        Self { future, over: false }
    }

    fn drive(&mut self, cx: &mut Context<'_>) {
        if !self.over {
            self.over = Pin::new(&mut *self.future).poll(cx).is_ready();
        }
    }
}

/// The workers of one vector, and on the same thread what `drive` does.
fn lane<Q, R, C>(
    executor: &Executor,
    common: Common<'_>,
    hba: &Hba<Q, R, C, Data>,
    mut drive: impl FnMut(&mut Context<'_>),
) -> Result<Tally, BenchError>
where
    Q: QueuePort,
    R: Registers + Clone,
    C: Clock,
{
    let Common { plan, buffers, window, failed } = common;
    let job = Job::new(plan, window, hba.vector().0, failed);
    let mut first = Ok(());
    let mut workers = FuturesUnordered::new();
    for number in 0..usize::from(plan.depth) {
        match buffer(buffers, plan.bytes) {
            Ok(data) => workers.push(job.work(hba, number, Some(data))),
            Err(error) => {
                failed.store(true, Ordering::Relaxed);
                first = Err(BenchError::Memory(error));
                break;
            }
        }
    }
    executor.run(|cx| {
        drive(cx);
        loop {
            match workers.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(()))) => {}
                Poll::Ready(Some(Err(error))) => {
                    failed.store(true, Ordering::Relaxed);
                    first = core::mem::replace(&mut first, Ok(())).and(Err(error));
                }
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    });
    drop(workers);
    first.map(|()| job.into_tally())
}

/// Memory that holds something: what is never written may not be there at all.
fn buffer(buffers: Buffers<'_>, bytes: u32) -> Result<RegionBuffer, OutOfMemory> {
    let mut buffer = buffers(bytes as usize)?;
    buffer.write(&vec![0x5a; bytes as usize]);
    Ok(buffer)
}
