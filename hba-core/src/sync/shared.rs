//! A queue that several threads enter, one at a time, and none waits for.
#![expect(unsafe_code, reason = "the owner word is what makes a reference to the state exclusive")]

use alloc::vec::Vec;
use core::fmt;

use super::planted::{Planted, is_planted, unless};
use super::primitive::{AtomicU32, Cell, Ordering, const_unless_loom};
use crate::command::{Refusal, Rejected, Request};
use crate::control::Action;
use crate::durability::{Epoch as DurabilityEpoch, Sign};
use crate::name::{CommandHandle, Cookie, Nexus, Vector};
use crate::queue::{
    AbortTicket, Batch, DrainMark, DrainRequest, OpenPermit, Quiesced, Redeemed, RestartPermit,
    Serviced, Submitted, Verdict,
};
use crate::register::RegisterWrite;
use crate::time::Instant;

/// Somebody is in.
const OWNED: u32 = 1;
/// Somebody was refused since the owner came in.
const KICKED: u32 = 2;
/// Nobody comes in any more.
const CLOSED: u32 = 4;
/// What an entry adds: the bits above count entries.
const EPOCH: u32 = 8;

/// State that several threads enter, one at a time: for platforms that cannot give a vector a thread of its own.
///
/// Entering never waits. Who comes second gets [`Busy`] with everything that it brought, is counted, and leaves a mark for
/// the owner, who is told so by [`Left::again`] and looks again: an entry is refused, never lost. That holds for two
/// threads, for an interrupt that arrives on top of its own thread, and for code that runs inside a turn and tries to
/// enter the same queue: it is refused as well, and nobody waits for itself.
///
/// # A turn
///
/// 1. [`Self::enter`] takes ownership and runs one function on the state. The function brings out *words* (register writes)
///    and *values* (everything else).
/// 2. The caller writes the words. It still owns the queue: acknowledges reach the device in the order of the passes, and
///    no doorbell comes after the queue was quiesced for a reset.
/// 3. [`Entered::leave`] gives ownership up and hands out the values. Completions are given to their callers, wakers are
///    woken, memory is dropped: nobody owns anything here.
///
/// The function cannot capture anything (a closure that does is refused when it is compiled), and what is handed to it or
/// comes out before the end of ownership is [`Inert`]. So no waker, callback or channel is at hand while the queue is owned.
///
/// ```
/// use hba_core::sync::{Busy, SharedQueue};
///
/// let shared = SharedQueue::new(vec!["first"]);
///
/// let entered = shared.enter((), |state, ()| (state.len(), std::mem::take(state))).unwrap();
/// assert_eq!(*entered.words(), 1);
/// // Somebody else, while it is owned: refused, with the input, at once.
/// let Err(Busy { input }) = shared.enter(7_u32, |_, _| ((), ())) else { panic!("it is owned") };
/// assert_eq!((input, shared.refused()), (7, 1));
///
/// let left = entered.leave();
/// assert_eq!(left.values, ["first"]);
/// assert!(left.again, "somebody was refused: what it came for is the owner's to do");
/// ```
///
/// Nothing foreign is called in a turn. A closure that captures does not compile:
///
/// ```compile_fail,E0080
/// let shared = hba_core::sync::SharedQueue::new(0);
/// let mut log = Vec::new();
/// let _ = shared.enter((), |state, ()| (log.push(*state), ()));
/// ```
///
/// nor does one that is handed a waker:
///
/// ```compile_fail,E0277
/// fn wake_inside(waker: std::task::Waker) {
///     let shared = hba_core::sync::SharedQueue::new(0);
///     let _ = shared.enter(waker, |_, waker| (waker.wake(), ()));
/// }
/// ```
#[derive(Debug)]
pub struct SharedQueue<T> {
    /// Bit 0 [`OWNED`], bit 1 [`KICKED`], the others which entry this is or was last. Never a thread: a thread's name says
    /// nothing about whether its turn has ended, and is used again.
    owner: AtomicU32,
    /// Entries refused, modulo 2^32.
    refused: AtomicU32,
    state: Cell<T>,
}

// SAFETY: `state` is reached by the one who set `OWNED` only, and setting and clearing it are an acquire and a release. So
// the state moves from thread to thread, which is what `Send` allows.
unsafe impl<T: Send> Sync for SharedQueue<T> {}

/// Which entry of a [`SharedQueue`], modulo 2^29.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(pub u32);

/// The queue is owned: nothing was done, and the owner was told to look again. Or it was closed.
///
/// Not an error to be waited out: go on with other work. The owner does what an interrupt asked for; a request is in here,
/// whole, to be submitted later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy<A> {
    /// What was to be brought in.
    pub input: A,
}

impl<A> fmt::Display for Busy<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the queue is in use, and its user was told to look again")
    }
}

impl<A: fmt::Debug> core::error::Error for Busy<A> {}

/// What a turn left when ownership ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "somebody may have been refused meanwhile: the queue must be entered again then"]
pub struct Left<W, V> {
    /// What the turn brought out to be seen while the queue was owned.
    pub words: W,
    /// What it brought out for now.
    pub values: V,
    /// Somebody was refused since this owner came in: enter again, as if that somebody's interrupt had been this caller's.
    /// If that is refused in turn, the duty is the new owner's.
    pub again: bool,
    /// The queue was closed while this turn was taken: it was the last.
    pub last: bool,
}

/// The state is owned, and its turn has been taken. Write the words, then [`leave`](Self::leave).
///
/// Dropping this releases the queue too, on every path; then the values are dropped, after the release.
#[derive(Debug)]
#[must_use = "the queue stays owned as long as this lives"]
pub struct Entered<'a, T, W, V> {
    /// First, because fields are dropped in this order: values are dropped when nobody owns anything.
    owned: Owned<'a, T>,
    words: W,
    values: V,
}

impl<T> SharedQueue<T> {
    const_unless_loom! {
        /// Nobody is in.
        pub fn new(state: T) -> Self {
            Self { owner: AtomicU32::new(0), refused: AtomicU32::new(0), state: Cell::new(state) }
        }
    }

    /// Takes ownership and runs `turn` on the state with `input`; `turn` returns words and values.
    ///
    /// Never waits. If `turn` panics the queue is released while the panic unwinds.
    ///
    /// # Errors
    ///
    /// [`Busy`], with the input, when somebody is in. The owner was told.
    #[inline]
    pub fn enter<A, W, V, F>(&self, input: A, turn: F) -> Result<Entered<'_, T, W, V>, Busy<A>>
    where
        A: Inert,
        W: Inert,
        F: FnOnce(&mut T, A) -> (W, V),
    {
        const { assert!(size_of::<F>() == 0, "a turn captures nothing") };
        let Some(word) = self.acquire() else { return Err(Busy { input }) };
        let owned = Owned { queue: self, word };
        // SAFETY: `OWNED` was clear and this call set it, so no other reference to the state exists until `owned` is
        // dropped; the reference ends before that, at the end of this call or of the unwinding.
        let (words, values) = self.state.with_mut(|state| turn(unsafe { &mut *state }, input));
        Ok(Entered { owned, words, values })
    }

    /// Entries that were refused, modulo 2^32.
    pub fn refused(&self) -> u32 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Lets nobody in any more. Returns whether nobody is in: no turn runs from here on. Otherwise the one who is in takes
    /// the last turn, and [`Left::last`] says so to it.
    ///
    /// Never waits, so a turn's own caller may close the queue that it is in.
    #[must_use = "a last turn may still be running"]
    pub fn close(&self) -> bool {
        self.owner.fetch_or(CLOSED, Ordering::AcqRel) & OWNED == 0
            || is_planted(Planted::CloseDoesNotLook)
    }

    /// Whether the queue was closed: every entry is refused.
    pub fn is_closed(&self) -> bool {
        self.owner.load(Ordering::Relaxed) & CLOSED != 0
    }

    /// Which entry owns the queue now. Stands still where an owner never left: a watchdog that sees the same epoch twice, a
    /// long time apart, has found it.
    pub fn owner(&self) -> Option<Epoch> {
        let word = self.owner.load(Ordering::Relaxed);
        (word & OWNED != 0).then_some(Epoch(word / EPOCH))
    }

    /// The state, which nobody can be in.
    pub fn into_inner(self) -> T {
        self.state.into_inner()
    }

    /// The owner word as it is from here on. `None` if somebody else is in, whom this tells.
    #[inline]
    fn acquire(&self) -> Option<u32> {
        let mut word = self.owner.load(Ordering::Relaxed);
        if word & (CLOSED | OWNED) == 0 && !is_planted(Planted::EnterLooksThenOwns) {
            let next = word.wrapping_add(EPOCH) | OWNED;
            match self.owner.compare_exchange(word, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return Some(next),
                Err(now) => word = now,
            }
        }
        self.acquire_or_tell(word)
    }

    #[cold]
    fn acquire_or_tell(&self, mut word: u32) -> Option<u32> {
        // Each round that fails is one in which somebody else came in or went out.
        loop {
            if word & CLOSED != 0 {
                break;
            }
            let owned = word & OWNED != 0;
            // A mark that an owner left behind who never left in order becomes this one's.
            let next = if owned { word | KICKED } else { word.wrapping_add(EPOCH) | OWNED };
            if is_planted(Planted::EnterLooksThenOwns) && !owned {
                self.owner.store(next, Ordering::Release);
                return Some(next);
            }
            // The owner's leave must see what a refused one did before, as the next owner must see what the last one did.
            match self.owner.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) if owned => break,
                Ok(_) => return Some(next),
                Err(now) => word = now,
            }
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        None
    }
}

impl<T, W, V> Entered<'_, T, W, V> {
    /// The words of the turn: register writes are to be made before ownership ends.
    pub fn words(&self) -> &W {
        &self.words
    }

    /// Which entry this is.
    pub fn epoch(&self) -> Epoch {
        Epoch(self.owned.word / EPOCH)
    }

    /// Ends ownership and brings out the values.
    #[inline]
    pub fn leave(self) -> Left<W, V> {
        let Self { owned, words, values } = self;
        let word = owned.release();
        Left { words, values, again: word & KICKED != 0, last: word & CLOSED != 0 }
    }
}

/// Ownership, released on every path.
#[derive(Debug)]
struct Owned<'a, T> {
    queue: &'a SharedQueue<T>,
    /// The owner word as this owner set it.
    word: u32,
}

impl<T> Owned<'_, T> {
    /// The owner word as it was at the end.
    #[inline]
    fn release(self) -> u32 {
        let ordering = unless(Planted::LeaveIsRelaxed, Ordering::AcqRel);
        // The common case: nobody came, and no mark was left behind.
        let (word, left) = (self.word & !KICKED, self.word & !(KICKED | OWNED));
        match self.queue.owner.compare_exchange(word, left, ordering, Ordering::Relaxed) {
            Ok(_) => {
                core::mem::forget(self);
                word
            }
            Err(_) => self.release_to_others(ordering),
        }
    }

    #[cold]
    fn release_to_others(self, ordering: Ordering) -> u32 {
        let mut word = self.queue.owner.fetch_and(!(OWNED | KICKED), ordering);
        if is_planted(Planted::LeaveForgetsTheRefused) {
            word &= !KICKED;
        }
        debug_assert!(
            (word ^ self.word) & !(KICKED | CLOSED) == 0 || is_planted(Planted::EnterLooksThenOwns),
            "this entry owned the queue"
        );
        core::mem::forget(self);
        word
    }
}

/// The way out of an early return or a panic. Who was refused meanwhile is not forgotten: the mark stays for the next owner
/// to come, who looks anyway.
impl<T> Drop for Owned<'_, T> {
    fn drop(&mut self) {
        self.queue.owner.fetch_and(!OWNED, Ordering::AcqRel);
    }
}

/// What may be at hand while a [`SharedQueue`] is owned: plain values that run nobody's code.
///
/// Implemented for what the core exchanges. Implementing it for a type of your own says that neither using nor dropping it
/// wakes, calls back, locks, logs or waits.
pub trait Inert {}

macro_rules! inert {
    ($($ty:ty),* $(,)?) => { $(impl Inert for $ty {})* };
}

inert!(
    (),
    bool,
    u8,
    u16,
    u32,
    u64,
    usize,
    Instant,
    Vector,
    Nexus,
    Cookie,
    CommandHandle,
    RegisterWrite,
    AbortTicket,
    Verdict,
    Redeemed,
    DrainRequest,
    DrainMark,
    Quiesced,
    RestartPermit,
    OpenPermit,
    Action,
    Refusal,
    DurabilityEpoch,
    Sign
);
impl<D> Inert for Request<D> {}
impl<D> Inert for &mut Option<Request<D>> {}
impl<D> Inert for Rejected<D> {}
impl<D> Inert for &mut Batch<D> {}
impl<B> Inert for Submitted<B> {}
impl<A> Inert for Serviced<A> {}
impl<T: Inert> Inert for Option<T> {}
impl<T: Inert> Inert for Vec<T> {}
impl<T: Inert> Inert for &mut Vec<T> {}
impl<T: Inert, E: Inert> Inert for Result<T, E> {}
impl<T: Inert, const N: usize> Inert for [T; N] {}
impl<T: Inert, U: Inert> Inert for (T, U) {}
impl<T: Inert, U: Inert, V: Inert> Inert for (T, U, V) {}
