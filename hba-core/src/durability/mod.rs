//! What is durable, what may be lost, and what is known of the effect of a command.
//!
//! A disk acknowledges writes that are in its volatile cache. Three things are kept apart here, for each logical unit:
//!
//! * **which writes are durable**: the *epoch*. Every write belongs to the epoch in which it was submitted, and every
//!   typed flush begins a new one. When a flush has succeeded, all epochs before its own are durable.
//! * **which may be lost**: a flush that failed, a unit attention that says that power was gone while writes were cached,
//!   a deferred error, a unit that left. Such a [`Loss`] makes every flush of the unit fail until it is acknowledged.
//! * **what the cache is**: WCE and DPOFUA as the device last told them, and whether that can still be believed.
//!
//! # Who does what
//!
//! ```text
//!   IoQueue   notes which units were written to in which epoch, and what sense data said; reads cost it nothing
//!   Control   owns the Durability, which decides; knows of resets, departures and removal by itself
//!   owner     carries: begin_flush to every queue, signs from every queue, the flush itself to one of them
//! ```
//!
//! [`Adapter`](crate::adapter::Adapter) and the async facade are such owners. Control cannot send a command (it has no
//! doorbell and no data type) and a queue cannot know what the others saw, so a typed flush is an operation of the owner,
//! and its success is a value that only [`Durability::conclude`] makes.
//!
//! # A typed flush
//!
//! 1. [`Durability::begin_flush`] starts an epoch, which every queue is told. A write that has not ended yet moves to the
//!    new epoch: the flush may or may not cover it.
//! 2. SYNCHRONIZE CACHE(10) over the whole unit goes out on any queue, with the time-out of its own class. BUSY, TASK SET
//!    FULL, unit attentions and a unit that becomes ready are answered by sending it again, a bounded number of times.
//! 3. Whatever its end, every queue is serviced until it has no more to give. A unit attention is reported once, with
//!    whichever command comes first: its reply may wait in another queue than the flush's.
//! 4. [`Durability::conclude`] judges. No sign of a loss and GOOD: everything before the flush's epoch is durable.
//!
//! One flush of a unit is under way at a time, so that no success overtakes the failure of another: a disk drops a block
//! that it cannot write, and its next flush succeeds without it.

mod cache_mode;
mod flush;
mod judgement;
mod ledger;
mod loss;
mod record;
mod sign;
mod units;

pub use cache_mode::{CacheMode, CacheProbe};
pub use flush::{
    Flush, FlushBusy, FlushConfig, FlushEnd, FlushError, FlushStep, Flushed, FlushedBy,
};
pub use judgement::{Cause, Ended, Judgement, SenseCause};
pub use ledger::{Durability, UnitDurability};
pub use loss::{Loss, LossCause};
#[cfg(feature = "tokio")]
pub(crate) use record::WrittenTable;
pub(crate) use record::{Kind, Record};
pub use sign::{Meaning, Sign, Signs};

use core::fmt;

/// A stretch of time between two flushes, numbered by the adapter from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub(crate) u64);

impl Epoch {
    /// Before every epoch.
    pub(crate) const NONE: Self = Self(0);
    /// The epoch that an adapter begins with.
    pub(crate) const FIRST: Self = Self(1);

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    pub(crate) const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// In which epochs a logical unit was last written to, by one queue or by several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The last write without FUA; 0 when there was none.
    pub(crate) plain: Epoch,
    /// The last with it.
    pub(crate) fua: Epoch,
}

impl Written {
    /// Never.
    pub const NEVER: Self = Self { plain: Epoch::NONE, fua: Epoch::NONE };

    /// The later of both, for a unit that two queues wrote to.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        Self { plain: self.plain.max(other.plain), fua: self.fua.max(other.fua) }
    }

    pub(crate) fn note(&mut self, kind: Kind, epoch: Epoch) {
        match kind {
            Kind::Write => self.plain = self.plain.max(epoch),
            Kind::FuaWrite => self.fua = self.fua.max(epoch),
            Kind::Other | Kind::Flush => {}
        }
    }
}

impl Default for Written {
    fn default() -> Self {
        Self::NEVER
    }
}
