//! The data path of one interrupt vector: tags, deadlines, submit, service.
//!
//! An [`IoQueue`] is owned by whoever runs its vector and shared with nobody: `submit` and `service` take `&mut self`,
//! so a re-entrant call does not compile. Nothing in here calls out, locks, allocates or reads a clock.

mod abort;
mod batch;
mod counters;
mod deadlines;
mod durable;
mod handout;
#[cfg(feature = "tokio")]
mod in_place;
mod lifecycle;
mod offer;
mod service;
mod shared;
mod slots;
mod submit;
mod ticket;

pub use crate::name::{CommandHandle, Vector};
pub(crate) use batch::Sink;
pub use batch::{Batch, Done, Drain, SENSE_MAX};
pub use counters::Counters;
pub(crate) use handout::TICKETS_MAX;
#[cfg(feature = "tokio")]
pub(crate) use in_place::Lying;
pub use lifecycle::Abandoned;
pub use service::Serviced;
pub use shared::{ServiceTurn, SubmitTurn};
pub use submit::Submitted;
pub use ticket::{
    AbortTicket, DrainMark, DrainRequest, OpenPermit, Quiesced, Redeemed, RestartPermit, Stopped,
    Verdict,
};

use crate::command::{Cookie, Failure};
use crate::dispatch::{Class, ClassTimeouts};
use crate::dma::{DataBuffer, SegmentLimits};
use crate::durability::Record;
use crate::limits::Limits;
use crate::port::QueuePort;
use deadlines::Deadlines;
use handout::Handout;
use slots::{Slots, generation_mask};

/// The queue of one vector.
///
/// Methods come in the four kinds that the crate uses everywhere: `submit` and the token methods are what the owner
/// asks for, [`Self::service`] takes what the device posted, `poll_*` give what is due, and the rest look.
///
/// Queues that lie side by side share no cache line: each may have a core of its own.
#[derive(Debug)]
#[repr(align(128))]
pub struct IoQueue<P: QueuePort, D: DataBuffer> {
    port: P,
    slots: Slots<D>,
    deadlines: Deadlines,
    segments: SegmentLimits,
    transfer_max: u32,
    /// Transfers shorter than this are accepted: none while the queue is not running.
    accepted: u64,
    phase: Phase,
    drain: Option<DrainRequest>,
    /// Nanoseconds, by [`Class`].
    timeouts: [u64; Class::COUNT],
    vector: Vector,
    counters: Counters,
    /// What was written, and what the device said of that.
    record: Record,
    handout: Handout,
}

/// What the queue may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Not started, or quiesced: the port is not touched.
    Stopped,
    /// Ends every outstanding command with this failure; then goes on as the second says.
    Ending(Failure, After),
    /// Takes replies, refuses requests.
    Serving,
    /// Takes both.
    Running,
    /// The controller is gone: nothing is touched ever again.
    Gone,
}

/// The phase that follows [`Phase::Ending`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Stopped,
    Serving,
    Running,
    Gone,
}

impl<P: QueuePort, D: DataBuffer> IoQueue<P, D> {
    /// The generation bits that the wire carries.
    const MASK: u32 = generation_mask(P::GENERATION_BITS);

    /// A stopped queue. Control starts it with a [`RestartPermit`] and opens it with an [`OpenPermit`].
    pub fn new(port: P, vector: Vector, limits: &Limits, timeouts: ClassTimeouts) -> Self {
        Self {
            port,
            slots: Slots::new(limits.queue_depth, Self::MASK),
            deadlines: Deadlines::new(),
            segments: limits.segments(),
            transfer_max: limits.transfer_max,
            accepted: 0,
            phase: Phase::Stopped,
            drain: None,
            timeouts: timeouts.nanos(),
            vector,
            counters: Counters::default(),
            record: Record::new(),
            handout: Handout::new(),
        }
    }

    /// Commands that the device has.
    pub fn outstanding(&self) -> u16 {
        // Both count every command once.
        (self.counters.submitted - self.counters.completed) as u16
    }

    /// The callers' names of the commands that the device has.
    pub fn outstanding_cookies(&self) -> impl Iterator<Item = Cookie> {
        self.slots.iter_outstanding().map(|record| record.cookie)
    }

    /// Most commands that can be outstanding.
    pub fn depth(&self) -> u16 {
        self.slots.depth()
    }

    /// Whether requests are accepted.
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Running
    }

    /// Whether the controller is gone or was stopped for good, and every command has ended.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Gone
    }

    /// The vector that this queue belongs to.
    pub fn vector(&self) -> Vector {
        self.vector
    }

    /// Replaces the default time-outs of the command classes.
    pub fn set_timeouts(&mut self, timeouts: ClassTimeouts) {
        self.timeouts = timeouts.nanos();
    }

    /// What was counted since the queue was made.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The backend's data path.
    pub fn port(&self) -> &P {
        &self.port
    }

    /// The backend's data path, for platforms that feed it by hand.
    pub fn port_mut(&mut self) -> &mut P {
        &mut self.port
    }
}

#[cfg(test)]
mod tests;
