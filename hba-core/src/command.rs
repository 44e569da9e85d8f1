//! What a caller submits, and what comes back.

use core::fmt;

use scsi_proto::{Cdb, Direction, Status, TaskAttribute};

use crate::dma::ScatterError;
use crate::name::CommandHandle;
pub use crate::name::{Cookie, Nexus, TargetId};
use crate::time::Timeout;

/// Direction and length of the data phase, as the caller states them.
///
/// The core never derives them from the CDB; see [`LengthCheck`] for how it can compare. A length of 0 means no data
/// phase whatever the direction says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Which way.
    pub direction: Direction,
    /// Bytes.
    pub length: u32,
}

impl Transfer {
    /// No data phase.
    pub const NONE: Self = Self { direction: Direction::None, length: 0 };

    /// Data-in: `length` bytes from the device.
    pub const fn from_device(length: u32) -> Self {
        Self { direction: Direction::FromDevice, length }
    }

    /// Data-out: `length` bytes to the device.
    pub const fn to_device(length: u32) -> Self {
        Self { direction: Direction::ToDevice, length }
    }

    /// The direction on the wire: none when no byte moves.
    #[inline]
    pub const fn wire_direction(self) -> Direction {
        if self.length == 0 { Direction::None } else { self.direction }
    }
}

/// The part of a request that goes on the wire.
#[derive(Clone, Copy, Debug)]
pub struct Command {
    /// The addressed logical unit.
    pub nexus: Nexus,
    /// The bytes of the command; never changed.
    pub cdb: Cdb,
    /// The data phase.
    pub transfer: Transfer,
    /// Where the command goes in the task set.
    pub attribute: TaskAttribute,
}

/// Bytes of one logical block, as READ CAPACITY reports them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockSize(pub u32);

/// The caller's transfer length against what the CDB implies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LengthMismatch {
    /// Bytes that the CDB implies; for allocation lengths the most that it permits.
    pub implied: u64,
    /// Bytes that the caller states.
    pub given: u32,
}

impl fmt::Display for LengthMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { implied, given } = self;
        write!(f, "the cdb implies a transfer of {implied} bytes, the request states {given}")
    }
}

/// Whether to compare the caller's transfer length with what the CDB implies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LengthCheck {
    /// No comparison; nothing is read from the CDB.
    #[default]
    Off,
    /// A disagreement is reported in [`Submitted::mismatch`](crate::queue::Submitted).
    Report(BlockSize),
    /// A disagreement is refused with [`Refusal::Length`].
    Refuse(BlockSize),
}

/// One command with its memory.
#[derive(Debug)]
pub struct Request<D> {
    /// What the device gets.
    pub command: Command,
    /// The data memory; it comes home with the completion or the refusal.
    pub data: D,
    /// The caller's name for it.
    pub cookie: Cookie,
    /// How long the device has; [`Timeout::BY_CLASS`] takes the command's class from the dispatch table.
    pub timeout: Timeout,
    /// Whether to compare lengths.
    pub check: LengthCheck,
}

impl<D> Request<D> {
    /// A SIMPLE command with the time-out of its class and no length check.
    pub const fn new(nexus: Nexus, cdb: Cdb, transfer: Transfer, data: D, cookie: Cookie) -> Self {
        let command = Command { nexus, cdb, transfer, attribute: TaskAttribute::Simple };
        Self { command, data, cookie, timeout: Timeout::BY_CLASS, check: LengthCheck::Off }
    }

    /// Gives the device `timeout` instead of the default of the command's class.
    #[must_use]
    pub fn with_timeout(self, timeout: Timeout) -> Self {
        Self { timeout, ..self }
    }

    /// Compares the transfer length with what the CDB implies.
    #[must_use]
    pub fn with_check(self, check: LengthCheck) -> Self {
        Self { check, ..self }
    }
}

/// The end of one command. There is exactly one for each accepted request.
#[derive(Debug)]
pub struct Completion<D> {
    /// The caller's name for the command.
    pub cookie: Cookie,
    /// Which submit this ends.
    pub handle: CommandHandle,
    /// The memory; the device can no longer touch it.
    pub data: D,
    /// How the command ended.
    pub outcome: Outcome,
    /// Bytes moved, never more than were asked for.
    pub transferred: u32,
    /// Bytes asked for and not moved.
    pub residual: u32,
}

impl<D> Completion<D> {
    /// What can be said about the command's effect on the medium and the buffer, whatever the command was and without
    /// its sense data. [`Judgement::of`](crate::durability::Judgement::of) says more.
    pub fn effect(&self) -> Effect {
        match self.outcome {
            Outcome::Status(Status::GOOD | Status::CONDITION_MET) if self.residual == 0 => {
                Effect::Done
            }
            Outcome::Status(Status::GOOD | Status::CONDITION_MET) => Effect::DoneShort,
            Outcome::Status(
                Status::BUSY
                | Status::TASK_SET_FULL
                | Status::RESERVATION_CONFLICT
                | Status::ACA_ACTIVE,
            ) => Effect::NotDone,
            Outcome::Failed(Failure::DeviceNotPresent | Failure::Refused | Failure::Offline) => {
                Effect::NotDone
            }
            _ => Effect::Indeterminate,
        }
    }

    /// Whether the device said GOOD and moved every byte.
    pub fn is_done(&self) -> bool {
        self.effect() == Effect::Done
    }
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The device server answered with a status (SAM service response TASK COMPLETE).
    Status(Status),
    /// No status came (SAM service response SERVICE DELIVERY OR TARGET FAILURE).
    Failed(Failure),
}

/// Why a command has no SCSI status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// Its deadline passed and recovery ended it.
    TimedOut,
    /// A task management function or the controller ended it.
    Aborted,
    /// A controller reset ended it.
    Reset,
    /// The controller knows no such device, before the command was sent to one.
    DeviceNotPresent,
    /// The controller left the bus while the command was out.
    ControllerGone,
    /// The controller was given up after too many resets.
    ControllerFailed,
    /// The device moved more than the transfer length.
    Overrun,
    /// The data did not pass: parity, CRC, integrity.
    DataError,
    /// The device broke the transport's protocol.
    Protocol,
    /// The controller did not accept the request: a malformed frame, an unsupported function.
    Refused,
    /// The controller had no resources; nothing was sent.
    Busy,
    /// The controller's answer contradicts itself or the request.
    BadReply,
    /// Its logical unit was taken offline before it was sent; see [`DeviceQueues`](crate::device_queue::DeviceQueues).
    Offline,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::Failed(failure) => write!(f, "{failure}"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimedOut => "timed out",
            Self::Aborted => "aborted",
            Self::Reset => "ended by a controller reset",
            Self::DeviceNotPresent => "no such device",
            Self::ControllerGone => "the controller left the bus",
            Self::ControllerFailed => "the controller failed and was given up",
            Self::Overrun => "the device moved more data than the transfer has",
            Self::DataError => "data error on the transport",
            Self::Protocol => "protocol error on the transport",
            Self::Refused => "refused by the controller",
            Self::Busy => "the controller was busy",
            Self::BadReply => "the controller's reply contradicts the request",
            Self::Offline => "the logical unit is offline",
        })
    }
}

/// What is known of a command's effect once it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// All of it happened.
    Done,
    /// The device says GOOD, and fewer bytes moved than were asked for.
    DoneShort,
    /// Nothing happened.
    NotDone,
    /// It may have happened, wholly or in part.
    Indeterminate,
}

/// A request that was not accepted. It had no effect, and all of it is here.
#[derive(Debug)]
#[must_use = "the request and its memory are in here"]
pub struct Rejected<D> {
    /// Why.
    pub reason: Refusal,
    /// The request as it was submitted.
    pub request: Request<D>,
}

impl<D> Rejected<D> {
    /// Answers the request with TASK SET FULL, for hosts that know back-pressure only as a status.
    ///
    /// # Errors
    ///
    /// The rejected request again when the reason is not that the queue is full.
    pub fn into_task_set_full(self) -> Result<Completion<D>, Self> {
        if self.reason != Refusal::QueueFull {
            return Err(self);
        }
        Ok(Completion {
            cookie: self.request.cookie,
            handle: CommandHandle::NEVER_SENT,
            data: self.request.data,
            outcome: Outcome::Status(Status::TASK_SET_FULL),
            transferred: 0,
            residual: self.request.command.transfer.length,
        })
    }
}

/// Why a request was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Every tag is out.
    QueueFull,
    /// The queue is stopped: the controller is being reset or is not up yet.
    Stopped,
    /// The controller left the bus or was given up.
    Gone,
    /// The transfer is longer than the controller permits.
    TransferTooLong {
        /// Bytes asked for.
        length: u32,
        /// Bytes permitted.
        permitted: u32,
    },
    /// Data is to move, and the request says no direction.
    NoDirection {
        /// Bytes asked for.
        length: u32,
    },
    /// The CDB implies another length, and the request asked to be refused then.
    Length(LengthMismatch),
    /// The backend cannot put the request on the wire.
    Unsendable(Unsendable),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QueueFull => f.write_str("every tag is in use"),
            Self::Stopped => f.write_str("the queue is stopped"),
            Self::Gone => f.write_str("the controller is gone"),
            Self::TransferTooLong { length, permitted } => write!(
                f,
                "the transfer of {length} bytes is longer than the {permitted} bytes permitted"
            ),
            Self::NoDirection { length } => {
                write!(f, "the transfer of {length} bytes has no direction")
            }
            Self::Length(mismatch) => mismatch.fmt(f),
            Self::Unsendable(reason) => reason.fmt(f),
        }
    }
}

impl core::error::Error for Refusal {}

/// Why a backend cannot put a request on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unsendable {
    /// The data memory does not make a scatter list.
    Scatter(ScatterError),
    /// The target cannot be expressed in the frame.
    Target(TargetId),
    /// The CDB is too long for the frame.
    Cdb {
        /// Bytes of the CDB.
        length: usize,
    },
}

impl From<ScatterError> for Unsendable {
    fn from(error: ScatterError) -> Self {
        Self::Scatter(error)
    }
}

impl fmt::Display for Unsendable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scatter(error) => error.fmt(f),
            Self::Target(target) => write!(f, "the controller cannot address target {target}"),
            Self::Cdb { length } => write!(f, "a cdb of {length} bytes does not fit the frame"),
        }
    }
}

impl core::error::Error for Unsendable {}
