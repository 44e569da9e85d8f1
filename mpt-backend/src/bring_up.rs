//! What the start-up sequences of both families are made of: steps that take more than one look at the controller.

use core::time::Duration;

use hba_core::port::{BringUp, BringUpError};
use hba_core::time::Instant;

/// Between looks at a register that is waited for.
pub(crate) const POLL: Duration = Duration::from_micros(200);

/// How far a step has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Look again at this time.
    Wait(Instant),
    Done,
    Gone,
    Failed(BringUpError),
}

/// What one turn of a sequence came to; `P` is what it calls its phases.
pub(crate) enum Turn<P> {
    /// Go on at once.
    Enter(P),
    Return(BringUp),
}

impl Progress {
    /// What a sequence does about a step that is not done, with the phase after a failure; `None` for one that is.
    pub(crate) fn unfinished<P>(self, failed: fn(BringUpError) -> P) -> Option<Turn<P>> {
        Some(match self {
            Self::Wait(at) => Turn::Return(BringUp::Wait(at)),
            Self::Done => return None,
            Self::Gone => Turn::Return(BringUp::Gone),
            Self::Failed(error) => Turn::Enter(failed(error)),
        })
    }
}
