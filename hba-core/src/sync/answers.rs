//! Where answers wait for those who asked: one place for each, all made at the start.
#![expect(unsafe_code, reason = "a place's state says whose the answer and the waiter in it are")]

use alloc::sync::Arc;
use core::fmt;
use core::mem::MaybeUninit;

use super::desk::{Claim, Desk};
use super::planted::{Planted, is_planted, unless};
use super::primitive::{AtomicU32, Cell, Ordering};

/// Nobody has the place: the desk may give it out.
pub(super) const FREE: u32 = 0;
/// The waiter is in the place.
pub(super) const WAITING: u32 = 1;
/// The asker is just changing the waiter, which it has.
pub(super) const CHANGING: u32 = 2;
/// The desk has taken the waiter out; the answer follows.
pub(super) const CLAIMED: u32 = 3;
/// The answer is in the place.
pub(super) const ANSWERED: u32 = 4;
/// The asker is gone: the answer goes to nobody.
pub(super) const ABANDONED: u32 = 5;
/// The asker may come on. The waiter was taken out.
pub(super) const GRANTED: u32 = 6;
/// The asker is gone that might have come on: somebody else may.
pub(super) const FORFEITED: u32 = 7;

/// The end of a list of places.
pub(super) const NO_PLACE: u32 = u32::MAX;

/// Places for answers, at least `count`: the side of those who ask, which is shared, and the side of the one who owns the
/// desk.
///
/// All memory is allocated here. See [`Answers`].
///
/// # Panics
///
/// If `count` is above 2^15.
pub fn answers<T, W>(count: u16) -> (Answers<T, W>, Desk<T, W>) {
    assert!(count <= 1 << 15, "{count} places");
    let place = |_| Place {
        state: AtomicU32::new(FREE),
        next: AtomicU32::new(NO_PLACE),
        waiter: Cell::new(MaybeUninit::uninit()),
        answer: Cell::new(MaybeUninit::uninit()),
    };
    // The desk goes around by a mask.
    let count = u32::from(count.max(1)).next_power_of_two();
    let places = Places((0..count).map(place).collect());
    let forfeited = Arc::new(AtomicU32::new(0));
    let desk = Desk::new(places.clone(), Arc::clone(&forfeited));
    (Answers { places, forfeited }, desk)
}

/// Places for answers, as those see them who ask: each has one place, and looks there.
///
/// The other side is a [`Desk`]. It is owned by one at a time, as part of what a [`SharedQueue`](super::SharedQueue) holds:
/// it gives places out and puts answers in. So of the free places, the line and the answers none is fought for. What is left
/// to agree on is one word in each place: whether the waiter in it is the asker's or the desk's, and whether the answer is
/// there. An answer comes out exactly once: to the asker ([`poll`](Self::poll), [`abandon`](Self::abandon)) or, if that is
/// gone, back to the desk. Nothing allocates, waits or calls a waiter; those that are to be woken are handed out.
///
/// ```text
///             ask                    answer
///   free ------------> waiting ---------------> answered --> free
///     ^                 |   ^ \ claim           ^
///     |           grant v   |  +---> claimed ---+ complete
///     |                granted
///     +----- abandoned, once the desk comes by
/// ```
///
/// A place that has served its turn is marked free, and the desk, which alone gives places out, comes by: there is no list
/// of free places that several change.
pub struct Answers<T, W> {
    places: Places<T, W>,
    /// Turns in line that came to somebody who is gone, as the places tell; the desk does not know yet.
    forfeited: Arc<AtomicU32>,
}

/// The places that both sides reach.
pub(super) struct Places<T, W>(Arc<[Place<T, W>]>);

/// Two askers do not share a cache line.
#[repr(align(64))]
pub(super) struct Place<T, W> {
    state: AtomicU32,
    /// The next one in line.
    next: AtomicU32,
    /// Something in WAITING.
    waiter: Cell<MaybeUninit<W>>,
    /// Something in ANSWERED.
    answer: Cell<MaybeUninit<T>>,
}

// SAFETY: the answer is the desk's, of which there is one that is `&mut` while it acts, until ANSWERED, and the asker's from
// there to FREE. The waiter is the asker's in CHANGING, and the desk's after it has changed WAITING to something else; the
// place is not given out again before the desk's call has ended, as only the desk gives places out. Where the desk leaves a
// place to a claim, CLAIMED is what ends that. Each change of state is a release that the other side's look acquires. Both
// values only move.
unsafe impl<T: Send, W: Send> Sync for Place<T, W> {}

/// A question that is out: the right to its answer.
#[derive(Debug)]
#[must_use = "a place that is neither answered nor abandoned is lost"]
pub struct Asked(pub(super) u16);

impl Asked {
    /// The place's name, for whoever answers.
    pub const fn name(&self) -> u16 {
        self.0
    }
}

/// What became of an answer.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a waiter in here waits to be woken"]
pub enum Answered<T, W> {
    /// It is in its place; wake the asker.
    Wake(W),
    /// It is in its place, and the asker is just looking.
    Seen,
    /// The asker is gone: it comes back, and the place is free.
    Unclaimed(T),
}

/// What an asker sees.
#[derive(Debug)]
#[must_use = "the answer may be in here"]
pub enum Polled<T> {
    /// The answer; the place is free again.
    Answer(T),
    /// Its turn in line has come: see [`Desk::resume`].
    Granted(Asked),
    /// Not yet. The waiter is in the place.
    Waiting(Asked),
    /// The answer is just being put in place, with a waiter of before: look again at once.
    Soon(Asked),
}

/// What there was for an asker who left.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the answer may be in here"]
pub enum Abandoned<T> {
    /// Nothing yet: the desk finds out when it comes by.
    Later,
    /// The answer.
    Answer(T),
    /// Its turn in line had come, which is somebody else's now: make the desk [`collect`](Desk::collect) and
    /// [`grant`](Desk::grant).
    PassOn,
}

impl<T, W> Answers<T, W> {
    /// The place of a question that was answered.
    ///
    /// # Errors
    ///
    /// The question, if there is no answer yet.
    #[inline]
    pub fn ready(&self, asked: Asked) -> Result<Ready<'_, T, W>, Asked> {
        let place = self.place(&asked);
        if place.state.load(Ordering::Acquire) == ANSWERED { Ok(Ready(place)) } else { Err(asked) }
    }

    /// Asks for the answer; if there is none, what `waiter` makes waits in place of the one before.
    pub fn poll(&self, asked: Asked, waiter: impl FnOnce() -> W) -> Polled<T> {
        let place = self.place(&asked);
        match place.state.load(Ordering::Acquire) {
            ANSWERED => return self.found(asked, ANSWERED),
            GRANTED => return Polled::Granted(asked),
            CLAIMED => return Polled::Soon(asked),
            _ => {}
        }
        let waiter = waiter();
        if let Err(now) = place.change(WAITING, CHANGING) {
            return self.found(asked, now);
        }
        drop(place.take_waiter());
        place.put_waiter(waiter);
        let Err(now) = place.change(CHANGING, WAITING) else { return Polled::Waiting(asked) };
        // The desk came by while the waiter was the asker's, and does not touch it.
        drop(place.take_waiter());
        self.found(asked, now)
    }

    fn found(&self, asked: Asked, state: u32) -> Polled<T> {
        match state {
            GRANTED => Polled::Granted(asked),
            _ => self.ready(asked).map_or_else(Polled::Soon, |ready| Polled::Answer(ready.take())),
        }
    }

    /// Gives the right to the answer, or the place in line, up.
    pub fn abandon(&self, asked: Asked) -> Abandoned<T> {
        let place = self.place(&asked);
        let mut waiter = None;
        if place.change(WAITING, CHANGING).is_ok() {
            waiter = Some(place.take_waiter());
        }
        let mut state = place.state.load(Ordering::Acquire);
        let left = loop {
            let next = match state {
                ANSWERED => {
                    let ready = self.ready(asked);
                    break ready.map_or(Abandoned::Later, |ready| Abandoned::Answer(ready.take()));
                }
                GRANTED => FORFEITED,
                _ => ABANDONED,
            };
            match place.change(state, next) {
                Ok(_) if next == ABANDONED => break Abandoned::Later,
                Ok(_) if is_planted(Planted::TurnIsNotPassedOn) => break Abandoned::Later,
                Ok(_) => {
                    self.forfeited.fetch_add(1, Ordering::Release);
                    break Abandoned::PassOn;
                }
                Err(now) => state = now,
            }
        };
        drop(waiter);
        left
    }

    /// Puts an answer into a place that the desk has claimed for it.
    pub fn complete(&self, claim: Claim<W>, answer: T) -> Answered<T, W> {
        let Claim { name, waiter } = claim;
        let place = self.place(&Asked(name));
        place.put_answer(answer);
        match (place.change(CLAIMED, ANSWERED), waiter) {
            (Ok(_), Some(waiter)) => Answered::Wake(waiter),
            (Ok(_), None) => Answered::Seen,
            (Err(_), _) => {
                let answer = place.take_answer();
                place.set_free();
                Answered::Unclaimed(answer)
            }
        }
    }

    /// Whether somebody left whose turn in line had come, and the desk does not know yet.
    pub fn is_forfeited(&self) -> bool {
        self.forfeited.load(Ordering::Relaxed) != 0
    }

    #[inline]
    fn place(&self, asked: &Asked) -> &Place<T, W> {
        &self.places.0[usize::from(asked.0)]
    }
}

/// A place with an answer in it. It stays there if this is dropped.
#[must_use = "the answer is in here"]
pub struct Ready<'a, T, W>(&'a Place<T, W>);

impl<T, W> Ready<'_, T, W> {
    /// The answer; then the place is free again.
    #[inline]
    pub fn take(self) -> T {
        if is_planted(Planted::PlaceIsFreedFirst) {
            self.0.set_free();
        }
        let answer = self.0.take_answer();
        if !is_planted(Planted::PlaceIsFreedFirst) {
            self.0.set_free();
        }
        answer
    }
}

impl<T, W> fmt::Debug for Answers<T, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers").field("places", &self.places.0.len()).finish_non_exhaustive()
    }
}

impl<T, W> Clone for Places<T, W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T, W> Places<T, W> {
    #[inline]
    pub(super) fn get(&self, index: u32) -> Option<&Place<T, W>> {
        self.0.get(index as usize)
    }

    #[inline]
    pub(super) fn at(&self, index: u32) -> &Place<T, W> {
        &self.0[index as usize]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Place<T, W>> {
        self.0.iter()
    }

    #[inline]
    pub(super) fn len(&self) -> u32 {
        self.0.len() as u32
    }
}

/// What each side calls only for what the state gives it; see the reason for `Sync`.
impl<T, W> Place<T, W> {
    #[inline]
    pub(super) fn state(&self) -> u32 {
        self.state.load(Ordering::Acquire)
    }

    #[inline]
    pub(super) fn set_state(&self, state: u32) {
        self.state.store(state, Ordering::Release);
    }

    /// The place is the desk's from here on.
    #[inline]
    pub(super) fn set_free(&self) {
        self.state.store(FREE, unless(Planted::FreeIsRelaxed, Ordering::Release));
    }

    #[inline]
    pub(super) fn change(&self, from: u32, to: u32) -> Result<u32, u32> {
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
    }

    #[inline]
    pub(super) fn next(&self) -> u32 {
        self.next.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn set_next(&self, next: u32) {
        self.next.store(next, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn put_waiter(&self, waiter: W) {
        // SAFETY: the cell is this side's, and empty.
        self.waiter.with_mut(|cell| unsafe { (*cell).write(waiter) });
    }

    #[inline]
    pub(super) fn take_waiter(&self) -> W {
        // SAFETY: the cell is this side's, and the state of before says that it is full; from here on it is empty.
        self.waiter.with_mut(|cell| unsafe { (*cell).assume_init_read() })
    }

    #[inline]
    pub(super) fn put_answer(&self, answer: T) {
        // SAFETY: the cell is this side's, and empty.
        self.answer.with_mut(|cell| unsafe { (*cell).write(answer) });
    }

    #[inline]
    pub(super) fn take_answer(&self) -> T {
        // SAFETY: the cell is this side's, and full; from here on it is empty.
        self.answer.with_mut(|cell| unsafe { (*cell).assume_init_read() })
    }
}

/// Nobody acts any more; what still lies in a place goes with it.
impl<T, W> Drop for Place<T, W> {
    fn drop(&mut self) {
        match self.state.load(Ordering::Acquire) {
            WAITING => drop(self.take_waiter()),
            ANSWERED => drop(self.take_answer()),
            _ => {}
        }
    }
}
