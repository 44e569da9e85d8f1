//! Where answers wait for those who asked: one place for each, all made at the start.
#![expect(unsafe_code, reason = "a place's state says whose the answer and the waiter in it are")]

use alloc::boxed::Box;
use core::fmt;

use super::planted::{Planted, is_planted, unless};
use super::primitive::{AtomicU32, Cell, Ordering};

/// The asker has the waiter, or is just changing it.
const ASKED: u32 = 0;
/// The waiter is in the place.
const WAITING: u32 = 1;
/// The answerer takes the waiter out.
const ANSWERING: u32 = 2;
/// The answer is in the place.
const ANSWERED: u32 = 3;
/// The asker is gone: the answer goes to nobody.
const ABANDONED: u32 = 4;
/// Nobody has the place.
const FREE: u32 = 5;

/// No place, in the free list.
const NO_PLACE: u32 = (1 << INDEX_BITS) - 1;
const INDEX_BITS: u32 = 15;

/// Places for answers: a task asks, another answers, and either may come first.
///
/// A place belongs to one question from [`ask`](Self::ask) until its answer is taken, by the asker
/// ([`poll`](Self::poll), [`abandon`](Self::abandon)) or, if the asker has gone, by the answerer
/// ([`answer`](Self::answer)): exactly one of the three gets it. Nothing allocates, waits or calls a waiter; a waiter
/// that is to be woken is handed out.
///
/// Free places form a list whose head counts its changes, so that a slow taker never takes a place that was taken and
/// given back meanwhile (2^17 changes would have to happen in between).
///
/// ```
/// use hba_core::sync::{Answered, Answers, Polled};
///
/// let answers = Answers::new(1);
/// let place = answers.ask("waker").unwrap();
/// let name = place.name();
/// assert_eq!(answers.answer(name, 42), Answered::Wake("waker"));
/// let Polled::Answer(42) = answers.poll(place, || "other") else { panic!("it was answered") };
/// ```
pub struct Answers<T, W> {
    /// Low bits: the first free place; the others count changes.
    free: AtomicU32,
    places: Box<[Place<T, W>]>,
}

struct Place<T, W> {
    state: AtomicU32,
    /// The free place after this one.
    next: AtomicU32,
    answer: Cell<Option<T>>,
    waiter: Cell<Option<W>>,
}

// SAFETY: the answer is written by the one answerer that set ANSWERING, and taken by the asker that sees ANSWERED, or taken
// back by that answerer where the asker left meanwhile. The waiter is the asker's in ASKED and stays so if ANSWERING comes
// next; it is the answerer's if WAITING came before. Both only move, and each change of state is a release that the other
// side's look acquires.
unsafe impl<T: Send, W: Send> Sync for Answers<T, W> {}

/// A question that is out: the right to its answer.
#[derive(Debug)]
#[must_use = "a place that is neither answered nor abandoned is lost"]
pub struct Asked(u16);

impl Asked {
    /// The place's name, for the answerer.
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
    /// Nobody asked that.
    Unknown(T),
}

/// What an asker sees.
#[derive(Debug)]
#[must_use = "the answer may be in here"]
pub enum Polled<T> {
    /// The answer; the place is free again.
    Answer(T),
    /// Not yet. The waiter is in the place.
    Waiting(Asked),
    /// The answer is just being put in place, with a waiter of before: look again at once.
    Soon(Asked),
}

impl<T, W> Answers<T, W> {
    /// `count` places. All memory is allocated here.
    ///
    /// # Panics
    ///
    /// If `count` is above 2^14.
    pub fn new(count: u16) -> Self {
        assert!(count <= 1 << 14, "{count} places");
        let place = |index: u16| Place {
            state: AtomicU32::new(FREE),
            next: AtomicU32::new(if index + 1 < count { u32::from(index) + 1 } else { NO_PLACE }),
            answer: Cell::new(None),
            waiter: Cell::new(None),
        };
        let first = if count == 0 { NO_PLACE } else { 0 };
        Self { free: AtomicU32::new(first), places: (0..count).map(place).collect() }
    }

    /// Takes a place, with a waiter in it. `None`, and the waiter dropped, when every place is taken.
    #[inline]
    pub fn ask(&self, waiter: W) -> Option<Asked> {
        let mut head = self.free.load(Ordering::Acquire);
        loop {
            let index = head & NO_PLACE;
            let place = self.places.get(index as usize)?;
            let next = place.next.load(Ordering::Relaxed);
            let new = change(head, next);
            match self.free.compare_exchange_weak(head, new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    // Nobody knows of the place before the caller tells its name.
                    place.fill(&place.waiter, waiter);
                    place.state.store(WAITING, Ordering::Release);
                    return Some(Asked(index as u16));
                }
                Err(now) => head = now,
            }
        }
    }

    /// Puts an answer into its place. A name that the caller was not given, or that was answered, is a bug of the caller;
    /// it is told and has no effect.
    #[inline]
    pub fn answer(&self, name: u16, answer: T) -> Answered<T, W> {
        let Some(place) = self.places.get(usize::from(name)) else {
            return Answered::Unknown(answer);
        };
        if is_planted(Planted::AnswerDoesNotClaim) {
            place.put(&place.answer, Some(answer));
            place.state.store(ANSWERED, Ordering::Release);
            return Answered::Seen;
        }
        // Whoever changes the state has what it stands for to itself: of two answers under one name, one is unknown.
        let mut state = place.state.load(Ordering::Acquire);
        loop {
            let next = match state {
                WAITING | ASKED => ANSWERING,
                ABANDONED => FREE,
                _ => return Answered::Unknown(answer),
            };
            match place.change(state, next) {
                Ok(_) => break,
                Err(now) => state = now,
            }
        }
        match state {
            WAITING => {
                let waiter = place.put(&place.waiter, None);
                self.put_answer(name, place, answer, waiter)
            }
            ASKED => self.put_answer(name, place, answer, None),
            _ => {
                self.free(name);
                Answered::Unclaimed(answer)
            }
        }
    }

    /// Asks for the answer; if there is none, `waiter` waits in place of the one before.
    #[inline]
    pub fn poll(&self, asked: Asked, waiter: impl FnOnce() -> W) -> Polled<T> {
        let place = &self.places[usize::from(asked.0)];
        match place.state.load(Ordering::Acquire) {
            ANSWERED => return self.take(asked.0),
            ANSWERING => return Polled::Soon(asked),
            _ => {}
        }
        let waiter = waiter();
        match place.change(WAITING, ASKED) {
            Ok(_) => {}
            Err(ANSWERED) => return self.take(asked.0),
            Err(_) => return Polled::Soon(asked),
        }
        drop(place.put(&place.waiter, Some(waiter)));
        let Err(now) = place.change(ASKED, WAITING) else { return Polled::Waiting(asked) };
        // The answerer came while the waiter was the asker's, and does not touch it.
        drop(place.put(&place.waiter, None));
        if now == ANSWERED { self.take(asked.0) } else { Polled::Soon(asked) }
    }

    /// Gives the right to the answer up. The answer, if it is there already.
    pub fn abandon(&self, asked: Asked) -> Option<T> {
        let place = &self.places[usize::from(asked.0)];
        let mut waiter = None;
        if place.change(WAITING, ASKED).is_ok() {
            waiter = place.put(&place.waiter, None);
        }
        let mut state = place.state.load(Ordering::Acquire);
        while state != ANSWERED {
            match place.change(state, ABANDONED) {
                Ok(_) => return None,
                Err(now) => state = now,
            }
        }
        drop(waiter);
        match self.take(asked.0) {
            Polled::Answer(answer) => Some(answer),
            _ => None,
        }
    }

    /// Takes a question back whose name was told to nobody.
    pub fn withdraw(&self, asked: Asked) {
        let place = &self.places[usize::from(asked.0)];
        if place.change(WAITING, FREE).is_err() {
            // It was told to somebody after all.
            drop(self.abandon(asked));
            return;
        }
        let waiter = place.put(&place.waiter, None);
        self.free(asked.0);
        drop(waiter);
    }

    #[inline]
    fn put_answer(
        &self,
        name: u16,
        place: &Place<T, W>,
        answer: T,
        waiter: Option<W>,
    ) -> Answered<T, W> {
        place.fill(&place.answer, answer);
        match (place.change(ANSWERING, ANSWERED), waiter) {
            (Ok(_), Some(waiter)) => Answered::Wake(waiter),
            (Ok(_), None) => Answered::Seen,
            (Err(_), _) => match place.put(&place.answer, None) {
                Some(answer) => {
                    self.free(name);
                    Answered::Unclaimed(answer)
                }
                None => Answered::Seen,
            },
        }
    }

    #[inline]
    fn take(&self, name: u16) -> Polled<T> {
        let place = &self.places[usize::from(name)];
        if is_planted(Planted::PlaceIsFreedFirst) {
            self.free(name);
            let answer = place.put(&place.answer, None);
            return Polled::Answer(answer.expect("it is there still"));
        }
        let answer = place.put(&place.answer, None);
        self.free(name);
        match answer {
            Some(answer) => Polled::Answer(answer),
            None => unreachable!("the state says that the answer is there"),
        }
    }

    /// Puts a place that nobody can name any more into the free list.
    #[inline]
    fn free(&self, name: u16) {
        let place = &self.places[usize::from(name)];
        place.state.store(FREE, Ordering::Relaxed);
        let mut head = self.free.load(Ordering::Acquire);
        loop {
            place.next.store(head & NO_PLACE, Ordering::Relaxed);
            let new = change(head, name.into());
            let ordering = unless(Planted::FreeIsRelaxed, Ordering::AcqRel);
            match self.free.compare_exchange_weak(head, new, ordering, Ordering::Acquire) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }
}

/// The head of the free list after one change, with another place in front.
#[inline]
fn change(head: u32, first: u32) -> u32 {
    if is_planted(Planted::FreeListHasNoGeneration) {
        return first;
    }
    (head & !NO_PLACE).wrapping_add(1 << INDEX_BITS) | first
}

impl<T, W> Place<T, W> {
    #[inline]
    fn change(&self, from: u32, to: u32) -> Result<u32, u32> {
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
    }

    /// Puts something into a cell that is empty in this state; what was there nevertheless would leak.
    #[inline]
    fn fill<V>(&self, cell: &Cell<Option<V>>, value: V) {
        // SAFETY: as for `put`. The memory is valid, and an old value is forgotten, not dropped.
        cell.with_mut(|cell| unsafe { cell.write(Some(value)) });
    }

    #[inline]
    fn put<V>(&self, cell: &Cell<Option<V>>, value: Option<V>) -> Option<V> {
        // SAFETY: only called by the one to whom the state gives what is in the cell; see `Answers`.
        cell.with_mut(|cell| core::mem::replace(unsafe { &mut *cell }, value))
    }
}

impl<T, W> fmt::Debug for Answers<T, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers").field("places", &self.places.len()).finish_non_exhaustive()
    }
}
