//! Bugs that a model's twin plants, to see whether the model finds them. There are none outside of builds for a model checker.

#[cfg(any(loom, shuttle, feature = "sabotage"))]
use crate::sync::primitive::{ProcessAtomicU32, ProcessOrdering};

/// A bug in one of this module's types: each takes a step away that its scenario is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(any(loom, shuttle)), expect(unreachable_pub, reason = "planted by models only"))]
#[cfg_attr(
    not(any(feature = "tokio", loom, shuttle)),
    expect(dead_code, reason = "the async facade's types have bugs of their own")
)]
pub enum Planted {
    /// [`SharedQueue::enter`](super::SharedQueue::enter) looks whether somebody is in and then goes in, in two steps.
    EnterLooksThenOwns,
    /// The owner's leave does not tell that somebody was refused.
    LeaveForgetsTheRefused,
    /// The next owner does not see what the last one did.
    LeaveIsRelaxed,
    /// [`SharedQueue::close`](super::SharedQueue::close) says that nobody is in, whoever is.
    CloseDoesNotLook,
    /// [`Kick::leave`](super::Kick::leave) goes idle whether something was raised or not.
    KickLeavesBlindly,
    /// The worker does not see what a raiser did before.
    KickIsRelaxed,
    /// [`Desk::claim`](super::Desk::claim) gives out what it has not claimed.
    ClaimDoesNotClaim,
    /// A place is given out without a look whether it is free.
    PlaceIsGivenBlindly,
    /// A turn in line that is given up goes to nobody.
    TurnIsNotPassedOn,
    /// Who was refused lines up before the [`Door`](super::Door) and does not try again.
    RefusedDoesNotTryAgain,
    /// A place is free before the answer is out of it.
    PlaceIsFreedFirst,
    /// The next asker does not see that the place was cleared.
    FreeIsRelaxed,
    /// A waiter lies down in [`Permits`](super::Permits) without looking whether its permit has come.
    WaiterDoesNotLook,
    /// The next holder of a permit does not see what the last one did.
    PermitIsRelaxed,
    /// The receiver of a [`mailbox`](super::mailbox()) does not see what the sender did before.
    PostIsRelaxed,
    /// The sender does not see that the receiver has taken what was in a place.
    TakeIsRelaxed,
    /// [`ErasedRing::acknowledge`](super::ErasedRing::acknowledge) is not ordered behind the erase.
    IndexDoesNotWait,
    /// [`PairedRegisters`](super::PairedRegisters) writes its pair whoever is at his.
    PairsDoNotWait,
    /// The next pair is not ordered behind the last one.
    PairIsRelaxed,
    /// A reader of a ring takes the words of an entry in any order.
    ReaderDoesNotObserve,
}

/// One of several, or none, for the whole process.
#[cfg(any(loom, shuttle, feature = "sabotage"))]
#[derive(Debug)]
pub(crate) struct Switch(ProcessAtomicU32);

#[cfg(any(loom, shuttle, feature = "sabotage"))]
impl Switch {
    pub(crate) const fn new() -> Self {
        Self(ProcessAtomicU32::new(u32::MAX))
    }

    pub(crate) fn set(&self, one: Option<u32>) {
        self.0.store(one.unwrap_or(u32::MAX), ProcessOrdering::Relaxed);
    }

    pub(crate) fn is(&self, one: u32) -> bool {
        self.0.load(ProcessOrdering::Relaxed) == one
    }
}

#[cfg(any(loom, shuttle))]
mod planting {
    use super::{Planted, Switch};

    static PLANTED: Switch = Switch::new();

    /// Plants a bug for the rest of this process.
    pub fn plant(bug: Planted) {
        PLANTED.set(Some(bug as u32));
    }

    pub(in crate::sync) fn is_planted(bug: Planted) -> bool {
        PLANTED.is(bug as u32)
    }
}
#[cfg(any(loom, shuttle))]
pub(super) use planting::is_planted;
#[cfg(any(loom, shuttle))]
pub use planting::plant;

/// Whether a bug is planted: never.
#[cfg(not(any(loom, shuttle)))]
#[inline]
pub(super) const fn is_planted(_: Planted) -> bool {
    false
}

/// The ordering that a place asks for, unless a bug is planted there.
#[cfg(any(loom, shuttle))]
pub(super) fn unless(bug: Planted, ordering: super::Ordering) -> super::Ordering {
    if is_planted(bug) { super::Ordering::Relaxed } else { ordering }
}

/// The ordering that a place asks for.
#[cfg(not(any(loom, shuttle)))]
#[inline]
pub(super) const fn unless(_: Planted, ordering: super::Ordering) -> super::Ordering {
    ordering
}
