//! The only place in this crate that names atomics, locks or memory barriers.
//!
//! Ordinary code calls [`publish`] and [`observe`], which say what they order rather than how. What threads and interrupt
//! handlers share is one of the types below; each is small, so that every interleaving of it can be tried (`docs/concurrency.md`).
//!
//! * [`Kick`]: an interrupt handler tells a worker that there is something to look at.
//! * [`PhaseRing`], [`ErasedRing`]: what a device posts and one reader takes; [`RingWord`] is an entry in ordinary memory.
//! * [`mailbox()`]: values from one thread to another.
//! * `Answers` and `Desk`: where completions wait for the tasks that asked for them. The async facade's own.
//! * [`Door`]: where those wait who found a [`SharedQueue`] owned.
//! * [`PairedRegisters`]: pairs of registers on hosts without 64-bit stores.
//! * [`Permits`]: back-pressure, and a line of those who wait.
//! * [`SharedQueue`]: a queue that several threads enter, one at a time, where a vector has no thread of its own.
//!
//! Nothing in here waits, with one exception: no call blocks or spins for another thread, but for the two stores of a
//! [`PairedRegisters`].

#[cfg(any(feature = "tokio", loom, shuttle))]
#[cfg_attr(not(any(loom, shuttle)), expect(unreachable_pub, reason = "reached by models only"))]
mod answers;
#[cfg(any(feature = "tokio", loom, shuttle))]
#[cfg_attr(not(any(loom, shuttle)), expect(unreachable_pub, reason = "reached by models only"))]
mod desk;
mod door;
mod kick;
mod mailbox;
mod pair;
mod permits;
mod planted;
mod primitive;
mod ring;
mod round_robin;
mod shared;

// A question belongs to the places that it is from, which no type says: not for everybody.
#[cfg(any(loom, shuttle))]
pub use answers::{Abandoned, Answered, Answers, Asked, Polled, Ready, answers};
#[cfg(all(feature = "tokio", not(any(loom, shuttle))))]
pub(crate) use answers::{Abandoned, Answered, Answers, Asked, Polled, Ready, answers};
#[cfg(any(loom, shuttle))]
pub use desk::{Claim, Desk, Waiters};
#[cfg(all(feature = "tokio", not(any(loom, shuttle))))]
pub(crate) use desk::{Claim, Desk, Waiters};
pub use door::{AtDoor, Door};
pub use kick::Kick;
pub use mailbox::{Inbox, Outbox, Unposted, mailbox};
pub use pair::PairedRegisters;
pub use permits::{LineFull, Permit, PermitTicket, Permits, Taken};
#[cfg(feature = "sabotage")]
pub(crate) use planted::Switch;
#[cfg(any(loom, shuttle))]
pub use planted::{Planted, plant};
pub use ring::{ErasedRing, PhaseRing, RING_WORD_LEN, RingMemory, RingWord};
pub use round_robin::RoundRobin;
pub use shared::{Busy, Entered, Epoch, Inert, Left, SharedQueue};

use primitive::{Ordering, fence};

/// Orders every earlier store to DMA memory before a later doorbell store.
///
/// Call after a request frame is written and before its doorbell word is handed out. The register write itself must be
/// an ordered device store (`writel` semantics: on Arm a barrier for the outer shareable domain stands in the platform's
/// accessor). Costs no instruction on x86-64.
#[inline]
pub fn publish() {
    fence(Ordering::Release);
}

/// Orders the load of a word that says "valid" before the loads of what it makes valid.
///
/// Call after a reply word was read and before the reply frame that it names. Costs no instruction on x86-64.
#[inline]
pub fn observe() {
    fence(Ordering::Acquire);
}
