//! The async facade of `hba-core` as one type, whatever controller and platform it runs on.

use hba_core::command::{Cookie, Outcome, Request};
use hba_core::control::ControlEvent;
use hba_core::discovery::Discovered;
use hba_core::dma::RegionBuffer;
use hba_core::durability::{FlushError, Flushed};
use hba_core::host::{Data, HostError, OutOfMemory};
use hba_core::limits::Limits;
use hba_core::logical_unit::LogicalUnit;
use hba_core::queue::Vector;
use hba_core::runtime::{Answer, ExecuteError};
use scsi_proto::Status;

use super::SessionError;
use crate::bench::{BenchError, Measured, Plan, Watcher};

/// The end of one command.
#[derive(Debug)]
pub struct Ended {
    /// The caller's name for it.
    pub cookie: Cookie,
    /// How it ended, or why it was not sent.
    pub result: Result<Answer, ExecuteError>,
    /// The memory.
    pub data: Data,
}

impl Ended {
    /// Whether the device said that it did what it was told, however many bytes moved.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let good = |answer: &Answer| {
            matches!(answer.outcome, Outcome::Status(Status::GOOD | Status::CONDITION_MET))
        };
        self.result.as_ref().is_ok_and(good)
    }
}

/// An adapter behind the async facade, its futures polled on the caller's thread in a fixed order.
pub trait Driver {
    /// Brings the controller up.
    ///
    /// # Errors
    ///
    /// [`HostError`].
    fn bring_up(&mut self) -> Result<(), HostError>;

    /// Resets the controller and waits until it is up again; it forgets whatever is outstanding.
    ///
    /// # Errors
    ///
    /// [`HostError`].
    fn reset(&mut self) -> Result<(), HostError>;

    /// Finds the logical units.
    ///
    /// # Errors
    ///
    /// [`HostError`].
    fn discover(&mut self) -> Result<Discovered, HostError>;

    /// Sends a command on a vector of choice. It waits in line while the vector is full.
    ///
    /// # Errors
    ///
    /// [`HostError::Gone`] before bring-up.
    fn submit_on(&mut self, vector: Vector, request: Request<Data>) -> Result<(), HostError>;

    /// Waits for the end of a command, and gives every one that there is. Returns at once when none is outstanding.
    fn poll(&mut self, sink: &mut dyn FnMut(Ended));

    /// Sends one command and waits for its end. What else ends meanwhile is kept for [`Self::poll`].
    ///
    /// # Errors
    ///
    /// [`HostError`].
    fn execute(&mut self, request: Request<Data>) -> Result<(Answer, Data), HostError>;

    /// Makes every write of a unit durable that has ended before.
    ///
    /// # Errors
    ///
    /// [`HostError::Gone`] before bring-up; otherwise what became of the flush.
    fn flush(&mut self, unit: &LogicalUnit) -> Result<Result<Flushed, FlushError>, HostError>;

    /// Measures, with as many threads as vectors; see [`bench`](crate::bench).
    ///
    /// # Errors
    ///
    /// [`BenchError`].
    fn measure(&mut self, plan: &Plan, watcher: &mut dyn Watcher) -> Result<Measured, BenchError>;

    /// The limits; `None` before bring-up.
    fn limits(&self) -> Option<Limits>;

    /// Memory for data, `len` bytes.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`].
    fn buffer(&mut self, len: usize) -> Result<RegionBuffer, OutOfMemory>;

    /// The events since the last call, the last 64 of them.
    fn take_events(&mut self) -> Vec<ControlEvent>;

    /// Stops controller, driver and platform in order.
    ///
    /// # Errors
    ///
    /// [`SessionError`].
    fn close(self: Box<Self>) -> Result<(), SessionError>;
}
