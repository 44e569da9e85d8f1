//! The async facade: a handle to submit with, futures that drive.
//!
//! [`attach`] brings an adapter up and gives an [`Attached`]: a handle, one driver future for each vector, one for Control.
//! Spawn the drivers, or poll them by hand; no executor is needed or assumed. Handles are cheap to clone, and each clone
//! sends on the next vector.
//!
//! # One command
//!
//! ```text
//!   task                            queue of the vector                 driver of the vector
//!   enter, or sleep at the door
//!   take a place, waker in it
//!   submit, or line up; doorbell    ---- memory is the queue's ---->    interrupt
//!   leave                                                               enter, service: answers into their places
//!                                                                       ack; those in line whose turn has come
//!   look into the place             <--- memory is home -----------     leave; wake
//! ```
//!
//! Places, the line and queue entries are those of [`sync`](crate::sync): no lock, no wait, no allocation. A queue is
//! entered by one at a time; who finds it in use sleeps until that one has left. Wakers are called after the queue was
//! left, never inside: a turn of a [`SharedQueue`](crate::sync::SharedQueue) moves them, and calls none.
//!
//! # Dropping a future
//!
//! | state of the command | what happens to the memory |
//! |---|---|
//! | not polled yet | dropped: nobody else had it |
//! | waiting in line, or at the door | dropped; a turn that had come goes on to the next |
//! | the device has it | stays with the queue until the device is done; then reclaimed |
//! | timed out, being aborted, or under reset | the same: recovery ends it first |
//! | answered, not yet looked at | home already; reclaimed |
//! | ended | nothing is left |
//!
//! Reclaimed memory comes out of [`Attached::reclaimed`]; where nobody takes it, it is dropped. A command is not aborted
//! because its future is dropped: its effect on the medium is as unknown as that of any other that has not ended.
//!
//! # Which vector
//!
//! All commands of one handle go to one vector, so they reach the controller in the order in which their futures were
//! first polled (unless one of them had to wait). A handle's vector is dealt out when it is made: the first has vector 0,
//! each clone the next one in turn. [`Hba::on`] chooses.

mod books;
mod carriage;
mod control;
mod durable;
mod error;
mod events;
mod execute;
mod harvest;
mod lane;
mod letter;
mod observe;
mod platform;
mod sense;
mod shard;
mod unit;
mod vector;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::Poll;

use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_stream::wrappers::{BroadcastStream, ReceiverStream};

pub use control::ControlDriver;
pub use error::{AttachError, DiscoverError, ExecuteError, ShutdownError};
pub use events::{Event, Events, Reclaimed};
pub use execute::Execute;
pub use platform::{Clock, Interrupts, Platform};
pub use sense::SenseData;
pub use vector::VectorDriver;

use crate::command::{Command, LengthCheck, Outcome, Request};
use crate::control::{ControlEvent, RecoveryConfig};
use crate::dispatch::ClassTimeouts;
use crate::dma::DataBuffer;
use crate::durability::{Ended, FlushConfig, Judgement};
use crate::limits::Limits;
use crate::logical_unit::LogicalUnit;
use crate::port::{ControlPort, QueuePort, TaskManagement, TaskManagementId};
use crate::queue::Vector;
use crate::register::Registers;
use crate::sync::RoundRobin;
use crate::time::Timeout;
use control::Order;
use lane::Lane;
use letter::{Parcel, Urgency};
use scsi_proto::{Cdb, Status};

/// Completions that one pass takes.
const BATCH: usize = 32;

/// How an adapter is driven.
#[derive(Clone, Copy, Debug, Default)]
pub struct Config {
    /// How patient recovery is.
    pub recovery: RecoveryConfig,
    /// How long commands may take.
    pub timeouts: ClassTimeouts,
}

/// The handle of an adapter with the backend `P` on the platform `L`.
pub type HbaOf<P, L, D> =
    Hba<<P as ControlPort>::Queue, <L as Platform>::Registers, <L as Platform>::Clock, D>;

/// The driver of one of its vectors.
pub type VectorDriverOf<P, L, D> = VectorDriver<
    <P as ControlPort>::Queue,
    <L as Platform>::Registers,
    <L as Platform>::Clock,
    D,
    <L as Platform>::Interrupts,
>;

/// An adapter that is operational.
#[must_use = "commands end when the drivers are polled"]
pub struct Attached<P: ControlPort, L: Platform, D: DataBuffer> {
    /// The handle; its clones send on the vectors in turn.
    pub hba: HbaOf<P, L, D>,
    /// One driver for each vector.
    pub vectors: Vec<VectorDriverOf<P, L, D>>,
    /// The driver of what they share.
    pub control: ControlDriver<P, L, D>,
    /// Everything that happened since bring-up began.
    pub events: Events,
    /// Memory of commands whose futures were dropped, once the device is done with it; the latest 1,024 of it.
    pub reclaimed: Reclaimed<D>,
}

impl<P: ControlPort, L: Platform, D: DataBuffer + Send + 'static> Attached<P, L, D> {
    /// Handle, events, and one future that drives everything, for programs that have one task to spare. It ends when the
    /// adapter has stopped. Reclaimed memory is dropped.
    pub fn into_parts(self) -> (HbaOf<P, L, D>, Events, impl Future<Output = ()>) {
        let Self { hba, mut vectors, control, events, reclaimed } = self;
        drop(reclaimed);
        let mut control = Some(control);
        let drivers = poll_fn(move |cx| {
            if control.as_mut().is_some_and(|control| Pin::new(control).poll(cx).is_ready()) {
                control = None;
            }
            vectors.retain_mut(|vector| Pin::new(vector).poll(cx).is_pending());
            if control.is_none() && vectors.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        });
        (hba, events, drivers)
    }
}

/// What the handles share.
struct Inner<Q: QueuePort, R, C, D: DataBuffer> {
    lanes: Vec<Arc<Lane<Q, R, C, D>>>,
    limits: Limits,
    round_robin: RoundRobin,
    orders: mpsc::Sender<Order>,
    events: broadcast::Sender<ControlEvent>,
}

type InnerOf<P, L, D> =
    Inner<<P as ControlPort>::Queue, <L as Platform>::Registers, <L as Platform>::Clock, D>;

/// A handle to an adapter. Clone it for every task.
pub struct Hba<Q: QueuePort, R: Registers + Clone, C: Clock, D: DataBuffer> {
    inner: Arc<Inner<Q, R, C, D>>,
    /// The one that it sends on.
    lane: Arc<Lane<Q, R, C, D>>,
}

impl<Q: QueuePort, R, C, D: DataBuffer> Inner<Q, R, C, D> {
    fn lane(&self, vector: Vector) -> &Arc<Lane<Q, R, C, D>> {
        &self.lanes[usize::from(vector.0)]
    }
}

impl<Q: QueuePort, R: Registers + Clone, C: Clock, D: DataBuffer> Hba<Q, R, C, D> {
    fn new(inner: Arc<Inner<Q, R, C, D>>, vector: Vector) -> Self {
        let lane = Arc::clone(inner.lane(vector));
        Self { inner, lane }
    }
}

/// How a command ended; its memory comes beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status, or why there is none.
    pub outcome: Outcome,
    /// Bytes moved, never more than were asked for.
    pub transferred: u32,
    /// Bytes asked for and not moved.
    pub residual: u32,
    /// Sense data, a copy; empty when there is none.
    pub sense: SenseData,
}

impl Answer {
    /// Whether the device said GOOD and moved every byte.
    pub fn is_done(&self) -> bool {
        matches!(self.outcome, Outcome::Status(Status::GOOD | Status::CONDITION_MET))
            && self.residual == 0
    }

    /// What is known of the effect of the command, which was `cdb`.
    pub fn judge(&self, cdb: &Cdb) -> Judgement {
        Judgement::of(cdb, &self.ended())
    }

    /// How the command ended, with all that the device said of it.
    pub fn ended(&self) -> Ended<'_> {
        let Self { outcome, transferred, residual, sense } = self;
        let (outcome, transferred, residual) = (*outcome, *transferred, *residual);
        Ended { outcome, transferred, residual, sense }
    }
}

/// Brings an adapter up.
///
/// # Errors
///
/// [`AttachError`].
pub async fn attach<P, L, D>(
    port: P,
    platform: L,
    config: Config,
) -> Result<Attached<P, L, D>, AttachError>
where
    P: ControlPort,
    L: Platform,
    D: DataBuffer + Send + 'static,
{
    let mut control = ControlDriver::new(port, platform, config);
    let events = Events(BroadcastStream::new(control.subscribe()));
    let inner = poll_fn(|cx| control.poll_attached(cx)).await?;
    let vector = |at: u16| {
        let vector = Vector(at);
        let interrupts = control.platform_mut().interrupts(vector);
        let (notes, running) = (control.note_sender(), control.running());
        VectorDriver::new(&inner, vector, interrupts, notes, running)
    };
    let vectors = (0..inner.lanes.len() as u16).map(vector).collect();
    let reclaimed = Reclaimed(control.take_reclaimed().map(ReceiverStream::new));
    let vector = Vector(inner.round_robin.next());
    Ok(Attached { hba: Hba::new(inner, vector), vectors, control, events, reclaimed })
}

impl<Q: QueuePort, R: Registers + Clone, C: Clock, D: DataBuffer> Hba<Q, R, C, D> {
    /// Sends a command, with the time-out of its class, and gives answer and memory when it has ended.
    ///
    /// Waits in line while the queue is full. The memory comes back in every case.
    #[inline]
    pub fn execute(&self, command: Command, data: D) -> Execute<'_, Q, R, C, D> {
        self.execute_within(command, data, Timeout::BY_CLASS)
    }

    /// The same with a time-out of the caller's.
    #[inline]
    pub fn execute_within(
        &self,
        command: Command,
        data: D,
        timeout: Timeout,
    ) -> Execute<'_, Q, R, C, D> {
        let parcel = Parcel::new(command, data, timeout, LengthCheck::Off);
        Execute::new(&self.lane, Urgency::Ordinary, parcel)
    }

    /// Sends a request. Its cookie is not used.
    #[inline]
    pub fn request(&self, request: Request<D>) -> Execute<'_, Q, R, C, D> {
        let Request { command, data, timeout, check, .. } = request;
        let parcel = Parcel::new(command, data, timeout, check);
        Execute::new(&self.lane, Urgency::Ordinary, parcel)
    }

    /// The same adapter on a vector of choice; a number too large counts around.
    #[must_use]
    pub fn on(&self, vector: Vector) -> Self {
        let vector = Vector(vector.0 % self.vectors());
        Self::new(Arc::clone(&self.inner), vector)
    }

    /// The vector that this handle sends on.
    pub fn vector(&self) -> Vector {
        self.lane.vector
    }

    /// How many vectors there are, at least one.
    pub fn vectors(&self) -> u16 {
        self.inner.lanes.len() as u16
    }

    /// The controller's limits.
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// What happens from now on.
    pub fn events(&self) -> Events {
        Events(BroadcastStream::new(self.inner.events.subscribe()))
    }

    /// Entries into queues that were refused because somebody was in, over all vectors, modulo 2^32.
    pub fn refused(&self) -> u32 {
        self.inner.lanes.iter().fold(0, |sum, lane| sum.wrapping_add(lane.refused()))
    }

    /// Asks for a controller reset. Commands that are out end as [`Failure::Reset`](crate::command::Failure::Reset).
    pub async fn reset(&self) {
        let _ = self.inner.orders.send(Order::Reset).await;
    }

    /// Asks for a task management function; its result comes as an event. `None` as for
    /// [`Control::task_management`](crate::control::Control::task_management).
    pub async fn task_management(&self, task: TaskManagement) -> Option<TaskManagementId> {
        let (answer, answered) = oneshot::channel();
        self.inner.orders.send(Order::TaskManagement(task, answer)).await.ok()?;
        answered.await.ok()?
    }

    /// Stops the adapter in order: no new command is accepted, those that are out end, `units` are flushed, the controller
    /// is left without access to memory, and the drivers end. Each unit comes with memory for a command without data.
    ///
    /// # Errors
    ///
    /// [`ShutdownError`], the first one; everything is stopped nevertheless.
    pub async fn shutdown(
        &self,
        units: impl IntoIterator<Item = (&LogicalUnit, D)>,
    ) -> Result<(), ShutdownError> {
        let (done, drained) = oneshot::channel();
        self.order(Order::Drain(done), drained).await?;
        let mut result = Ok(());
        for (unit, data) in units {
            let config = FlushConfig::default();
            let (flushed, _) = self.flush_as(unit, data, config, Urgency::Closing).await;
            if let Err(error) = flushed
                && result.is_ok()
            {
                result = Err(ShutdownError::Flush { nexus: unit.nexus, error });
            }
        }
        let (done, stopped) = oneshot::channel();
        self.order(Order::Stop(done), stopped).await?;
        result
    }

    async fn order(
        &self,
        order: Order,
        answer: oneshot::Receiver<()>,
    ) -> Result<(), ShutdownError> {
        self.inner.orders.send(order).await.map_err(|_| ShutdownError::Stopped)?;
        answer.await.map_err(|_| ShutdownError::Stopped)
    }
}

impl<Q: QueuePort, R: Registers + Clone, C: Clock, D: DataBuffer> Clone for Hba<Q, R, C, D> {
    fn clone(&self) -> Self {
        let vector = Vector(self.inner.round_robin.next());
        Self::new(Arc::clone(&self.inner), vector)
    }
}

impl<Q: QueuePort, R: Registers + Clone, C: Clock, D: DataBuffer> fmt::Debug for Hba<Q, R, C, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hba").field("vector", &self.vector()).finish_non_exhaustive()
    }
}
