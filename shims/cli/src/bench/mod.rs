//! `hba bench`: how many commands a controller ends in a second, and how long each takes.
//!
//! Each vector has a thread that drives it and so many workers as the depth says. A worker sends a command, waits for its
//! end and sends the next, over the async facade of `hba-core`. With one vector everything runs on one thread, Control and
//! a simulated controller too; with several, Control and the simulated controller have a thread of their own.
//!
//! What is measured is wall time, on simulated controllers too: the simulator's work is in the figures, and its own clock
//! is not looked at.

mod axis;
mod command;
mod error;
mod job;
mod measure;
mod plot;
mod report;
mod tally;

pub(crate) use command::run;
pub use error::BenchError;
pub(crate) use measure::measure;
pub use tally::Tally;

use core::fmt;
use core::time::Duration;

use hba_core::discovery::Discovered;
use hba_core::limits::Limits;
use hba_core::logical_unit::LogicalUnit;

use crate::controller::ControllerSpec;

/// Which commands, to which blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "lower")]
#[non_exhaustive]
pub enum Mode {
    /// Reads, one block after the other.
    Read,
    /// Writes, one block after the other.
    Write,
    /// Reads of random blocks.
    RandRead,
    /// Writes to random blocks.
    RandWrite,
    /// Reads and writes, half of each, of random blocks.
    RandRw,
}

impl Mode {
    /// Whether it changes the medium.
    #[must_use]
    pub const fn writes(self) -> bool {
        matches!(self, Self::Write | Self::RandWrite | Self::RandRw)
    }

    const fn is_random(self) -> bool {
        matches!(self, Self::RandRead | Self::RandWrite | Self::RandRw)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::RandRead => "randread",
            Self::RandWrite => "randwrite",
            Self::RandRw => "randrw",
        })
    }
}

/// What is measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Which commands.
    pub mode: Mode,
    /// Bytes of each.
    pub bytes: u32,
    /// Commands outstanding on each vector.
    pub depth: u16,
    /// Vectors in use.
    pub vectors: u16,
    /// Time before the first command that counts.
    pub warm_up: Duration,
    /// Time in which commands count.
    pub duration: Duration,
    /// The disks; worker after worker takes the next.
    pub units: Vec<LogicalUnit>,
}

/// What was measured: the commands that ended while it counted.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Of all vectors.
    pub tally: Tally,
}

/// Who is told how far it is.
pub trait Watcher {
    /// So much time has passed since the warm-up began.
    fn at(&mut self, elapsed: Duration);
}

/// Nobody is told.
impl Watcher for () {
    fn at(&mut self, _: Duration) {}
}

impl Plan {
    /// All disks among `found`, if the controller and they permit what is asked for.
    ///
    /// # Errors
    ///
    /// [`BenchError`] with the number that does not fit.
    pub fn new(
        request: &Request,
        controller: ControllerSpec,
        limits: &Limits,
        found: &Discovered,
    ) -> Result<Self, BenchError> {
        let Request { mode, bytes, depth, vectors, duration } = *request;
        if vectors > limits.vectors {
            return Err(BenchError::Vectors { controller, vectors, max: limits.vectors });
        }
        let depth = match u16::try_from(depth) {
            Ok(depth) if depth <= limits.queue_depth => depth,
            _ => return Err(BenchError::Depth { controller, depth, max: limits.queue_depth }),
        };
        if bytes > limits.transfer_max.into() {
            return Err(BenchError::Transfer { controller, bytes, max: limits.transfer_max });
        }
        let units = error::disks(found, mode, bytes)?;
        let warm_up = (duration / 10).min(WARM_UP_MAX);
        Ok(Self { mode, bytes: bytes as u32, depth, vectors, warm_up, duration, units })
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Which commands.
    pub mode: Mode,
    /// Bytes of each.
    pub bytes: u64,
    /// Commands outstanding on each vector.
    pub depth: u32,
    /// Vectors in use.
    pub vectors: u16,
    /// Time in which commands count.
    pub duration: Duration,
}

/// Caches are warm long before.
const WARM_UP_MAX: Duration = Duration::from_millis(500);
