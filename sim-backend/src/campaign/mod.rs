//! Campaigns: many runs of a driver core against a world in which everything goes wrong, judged by oracles.
//!
//! A [`Plan`] is a run as plain data: the machine, the operations of the caller, and a schedule of faults, all drawn from
//! a seed before the run begins ([`draw()`]). [`run()`] executes it in virtual time, without a thread or a clock, with any
//! backend that implements [`ControlPort`](hba_core::port::ControlPort) and any controller model that is [`Troubled`].
//! After each event the oracles are asked ([`Oracle`]); the first that speaks ends the run. A plan that failed can be
//! made smaller ([`shrink()`]), stored as a small text file and replayed ([`Replay`]).
//!
//! Each run has two phases. While faults strike, nothing wrong may happen. Then everything is healed, and what was
//! accepted has to end within its bound, and every block has to hold what the version model ([`Ledger`]) admits: before
//! and after one more power cut.

mod draw;
mod exhaustive;
mod flight;
mod flushes;
mod injector;
mod judge;
mod ledger;
mod oracle;
mod plan;
mod run;
mod shrink;
mod tally;
#[cfg(test)]
mod tests;
mod text;
mod trouble;
mod watched;

pub use draw::{COMMON, Capacity, DIRECT, Profile, draw};
pub use exhaustive::{Exhausted, OPERATIONS_MAX, exhaustive, workloads};
pub use injector::{FaultInjector, Injections};
pub use ledger::{Ledger, Moment, WriteId};
pub use oracle::{Oracle, Verdict, Violation};
pub use plan::{Entry, Fault, Kind, Operation, Options, Plan, Site};
pub use run::{Outcome, run};
pub use shrink::shrink;
pub use tally::{Census, Sometimes, Tally, Trace};
pub use text::{Replay, ReplayError};
pub use trouble::Troubled;
pub use watched::{Seen, Watched};
