//! How an interrupt handler tells a worker that there is something to look at.

use super::planted::{Planted, is_planted, unless};
use super::primitive::{AtomicU32, Ordering, const_unless_loom};

/// Somebody asked, and nobody has looked since.
const RAISED: u32 = 1;
/// The worker is looking.
const AT_WORK: u32 = 2;

/// A flag that an interrupt handler raises and one worker takes.
///
/// ```text
///            raise (wake!)             take
///   idle  ------------------> raised --------> at work ----+
///     ^                                          |  ^      | raise
///     +------------------------------------------+  |      v
///                        leave                      +-- at work, raised again
///                                                  take
/// ```
///
/// [`Self::raise`] is one atomic operation without a loop on the caller's side, so it may be called in interrupt context,
/// at any level, from any number of places. A raise is never lost: either the worker was idle, and then the raiser is told
/// to wake it, or the worker's [`Self::leave`] fails. That is the re-check that a plain busy flag lacks: a handler that
/// finds the flag set and returns is right only if the worker looks again after it cleared the flag.
///
/// The worker sees everything that a raiser did before its raise.
///
/// ```
/// use hba_core::sync::Kick;
///
/// static KICK: Kick = Kick::new();
///
/// // The interrupt handler. `true` the first time: the worker sleeps and has to be woken.
/// assert!(KICK.raise());
/// assert!(!KICK.raise(), "it has been told already");
///
/// // The worker.
/// let mut passes = 0;
/// KICK.take();
/// loop {
///     passes += 1; // service the queue until it is empty
///     if passes == 1 {
///         KICK.raise(); // an interrupt comes in between the last look and the end
///     }
///     if KICK.leave() {
///         break;
///     }
///     KICK.take();
/// }
/// assert_eq!(passes, 2);
/// assert!(KICK.raise(), "the worker has left: it has to be woken again");
/// ```
#[derive(Debug)]
pub struct Kick {
    state: AtomicU32,
}

impl Kick {
    const_unless_loom! {
        /// A kick that nobody has raised, and a worker that is idle.
        pub fn new() -> Self {
            Self { state: AtomicU32::new(0) }
        }
    }

    /// Asks the worker to look. Returns whether the caller has to wake it: it is idle, and nobody was told to wake it
    /// since it left.
    #[inline]
    #[must_use = "an idle worker sleeps until somebody wakes it"]
    pub fn raise(&self) -> bool {
        self.state.fetch_or(RAISED, unless(Planted::KickIsRelaxed, Ordering::AcqRel)) == 0
    }

    /// The worker begins to look, and takes every raise so far. Returns whether there was one.
    ///
    /// Service the queue whatever it returns; a wake-up without a raise is only a wasted look.
    #[inline]
    pub fn take(&self) -> bool {
        self.state.swap(AT_WORK, Ordering::AcqRel) & RAISED != 0
    }

    /// The worker wants to go idle. `false` if something was raised since it took: it stays at work, and has to take and
    /// look again.
    ///
    /// Whatever a raiser uses to wake the worker must be in place before this call.
    #[inline]
    #[must_use = "a worker that was raised meanwhile has to look again"]
    pub fn leave(&self) -> bool {
        if is_planted(Planted::KickLeavesBlindly) {
            return self.state.swap(0, Ordering::AcqRel) != 0;
        }
        let left = self.state.compare_exchange(AT_WORK, 0, Ordering::AcqRel, Ordering::Acquire);
        left.is_ok()
    }

    /// Whether somebody asked since the last [`Self::take`]. For a worker that polls: no promise lies in a `false`.
    #[inline]
    pub fn is_raised(&self) -> bool {
        self.state.load(Ordering::Acquire) & RAISED != 0
    }
}

impl Default for Kick {
    fn default() -> Self {
        Self::new()
    }
}
