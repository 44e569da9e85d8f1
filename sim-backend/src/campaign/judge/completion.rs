//! What one completion may say, whatever else happened.

use hba_core::command::{Completion, Outcome};

use super::Data;
use crate::campaign::flight::{self, Flight, State};
use crate::campaign::oracle::{Oracle, Verdict, Violation, require};

/// Bytes of sense data at the most. Source: SPC-5 4.4.1.
const SENSE_MAX: usize = 252;

/// What was accepted ends, and only once.
pub(super) fn once_only(flight: &Flight) -> Verdict {
    let op = flight.op;
    let oracle = if flight.jumped { Oracle::Time } else { Oracle::ExactlyOnce };
    require(flight.state != State::Ended, oracle, || format!("{op:?} completed twice"))?;
    require(flight.state == State::Outstanding, Oracle::Refused, || {
        format!("{op:?} was refused and completed")
    })
}

/// It carries the identity of the command that was submitted, and its memory.
pub(super) fn identity(flight: &Flight, completion: &Completion<Data>) -> Verdict {
    let op = flight.op;
    let sent = flight.handle.map(|handle| handle.command);
    require(sent == Some(completion.handle), Oracle::Identity, || {
        format!("{op:?} was {sent:?} and ends as {:?}", completion.handle)
    })?;
    let memory = flight::place(&completion.data);
    require(memory == flight.memory, Oracle::Identity, || {
        format!("{op:?} had memory at {:?} and gives {memory:?} back", flight.memory)
    })
}

/// A status is what the device said to this very command.
pub(super) fn early(flight: &Flight, completion: &Completion<Data>) -> Verdict {
    let Outcome::Status(status) = completion.outcome else { return Ok(()) };
    if flight.number == 0 {
        return Ok(());
    }
    let op = flight.op;
    let Some(answered) = flight.answered else {
        let what = format!("{op:?} ends with {status}, and the device has not executed it");
        return Err(Violation::new(Oracle::NoEarlySuccess, what));
    };
    require(status == answered.status, Oracle::NoEarlySuccess, || {
        format!("{op:?} ends with {status}, and the device said {}", answered.status)
    })?;
    let (told, moved) = (completion.transferred, answered.moved);
    require(told == moved, Oracle::Residual, || {
        format!("{op:?} ends with {told} bytes, and the device moved {moved}")
    })
}

/// What was moved and what was not are together what was asked for, and sense data stay in their bounds.
pub(super) fn bounds(flight: &Flight, completion: &Completion<Data>, sense: usize) -> Verdict {
    let (op, asked) = (flight.op, flight::transfer(flight.op).length);
    let sum = completion.transferred.checked_add(completion.residual);
    require(sense <= SENSE_MAX && sum == Some(asked), Oracle::Residual, || {
        let Completion { transferred, residual, .. } = completion;
        format!(
            "{op:?}: {transferred} and {residual} of {asked} bytes, {sense} bytes of sense data"
        )
    })
}
