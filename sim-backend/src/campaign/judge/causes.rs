//! O25: the first cause of a failure is the one that the caller is told.

use core::time::Duration;

use hba_core::command::{Completion, Failure, Outcome};
use hba_core::time::Instant;

use super::{Data, Judge};
use crate::campaign::flight::Flight;
use crate::campaign::oracle::{Oracle, Verdict, require};

/// What ends commands, as far as the caller knows of it.
pub(super) struct Causes {
    /// When a function was last sent that ends commands of each unit.
    functions: Vec<Option<Instant>>,
    pub(super) given_up: bool,
    /// The adapter is shut down or removed.
    pub(super) ending: bool,
}

/// For how long a function may wait in the controller: longer than it can stand still.
const FUNCTION: Duration = Duration::from_secs(10);

impl Causes {
    pub(super) fn new(units: usize) -> Self {
        Self { functions: vec![None; units], given_up: false, ending: false }
    }
}

impl Judge {
    /// A function is sent that ends the commands of a unit.
    pub(in super::super) fn function(&mut self, unit: u32, now: Instant) {
        self.causes.functions[unit as usize] = Some(now);
    }

    /// The core was polled at `now`, and has seen whose deadline passed until then.
    pub(in super::super) fn polled(&mut self, now: Instant) {
        // They all have the same time-out, and are in the order of their submits.
        let timeout = Duration::from_millis(self.options.timeout.into());
        for at in &self.outstanding {
            let flight = &mut self.flights[*at];
            if now <= flight.at + timeout {
                break;
            }
            flight.expired = true;
        }
    }

    /// Whether what the caller is told is what happened, and happened first.
    pub(super) fn caused(
        &self,
        flight: &Flight,
        completion: &Completion<Data>,
        now: Instant,
    ) -> Verdict {
        let Outcome::Failed(failure) = completion.outcome else { return Ok(()) };
        let timeout = Duration::from_millis(self.options.timeout.into());
        let why = match failure {
            Failure::TimedOut if now < flight.at + timeout => "its deadline had not passed",
            Failure::Reset if flight.expired => "its deadline had passed before",
            Failure::Reset if flight.resets == self.resets => "the controller was not reset",
            Failure::Aborted if flight.expired && !flight.aborted && !self.causes.ending => {
                "its deadline had passed before"
            }
            Failure::Aborted if !self.aborts(flight) => "nobody aborted it",
            Failure::ControllerGone if !self.causes.ending => "the controller is there",
            Failure::ControllerFailed if !self.causes.given_up => "nobody gave the controller up",
            Failure::Overrun
            | Failure::DataError
            | Failure::Protocol
            | Failure::Refused
            | Failure::Busy
            | Failure::BadReply
            | Failure::Offline
            | Failure::DeviceNotPresent
                if !self.is_troubled(flight) =>
            {
                "nothing was wrong but its disk"
            }
            _ => return Ok(()),
        };
        require(false, Oracle::FirstCause, || {
            format!("{:?} ends as {failure}, and {why}", flight.op)
        })
    }

    fn is_troubled(&self, flight: &Flight) -> bool {
        self.troubled || flight.issued < self.calm_since
    }

    /// Whether somebody may have aborted it.
    fn aborts(&self, flight: &Flight) -> bool {
        let function = self.causes.functions[flight.op.unit as usize];
        let function = function.is_some_and(|at| at + FUNCTION > flight.at);
        flight.aborted || function || self.causes.ending || self.is_troubled(flight)
    }
}
