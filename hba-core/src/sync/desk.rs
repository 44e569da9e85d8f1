//! The other side of [`Answers`](super::Answers): places are given out here, and answers put in.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::answers::{
    ABANDONED, ANSWERED, Asked, CHANGING, CLAIMED, FORFEITED, FREE, GRANTED, NO_PLACE, Place,
    Places, WAITING,
};
use super::planted::{Planted, is_planted};
use super::primitive::{AtomicU32, Ordering};

/// Gives places out, keeps the line of those who have to wait before their question is put, and answers.
///
/// It is owned by one at a time and sees to it that nothing but the state of a place is fought for; see
/// [`Answers`](super::Answers).
pub struct Desk<T, W> {
    places: Places<T, W>,
    forfeited: Arc<AtomicU32>,
    /// The place that is looked at next.
    at: u32,
    /// The line: its first and its last place.
    first: u32,
    last: u32,
    /// Places in line.
    waiting: u16,
    /// Those whose turn has come and who have not come yet.
    granted: u16,
}

/// A place whose answer follows, and its waiter. See [`Answers::complete`](super::Answers::complete).
#[derive(Debug)]
#[must_use = "the asker waits for the answer"]
pub struct Claim<W> {
    pub(super) name: u16,
    pub(super) waiter: Option<W>,
}

impl<T, W> Desk<T, W> {
    pub(super) fn new(places: Places<T, W>, forfeited: Arc<AtomicU32>) -> Self {
        let (first, last) = (NO_PLACE, NO_PLACE);
        Self { places, forfeited, at: 0, first, last, waiting: 0, granted: 0 }
    }

    /// Takes a place, with a waiter in it.
    ///
    /// # Errors
    ///
    /// The waiter, if every place is taken.
    #[inline]
    pub fn ask(&mut self, waiter: W) -> Result<Asked, W> {
        let mut index = self.at;
        let is_free = |place: &&Place<T, W>| {
            place.state() == FREE || is_planted(Planted::PlaceIsGivenBlindly)
        };
        let place = match self.places.get(index).filter(is_free) {
            Some(place) => place,
            None => match self.search() {
                Some(found) => {
                    index = found;
                    self.places.at(found)
                }
                None => return Err(waiter),
            },
        };
        self.at = (index + 1) & (self.places.len() - 1);
        place.put_waiter(waiter);
        place.set_state(WAITING);
        Ok(Asked(index as u16))
    }

    /// Takes back what was just asked, of which nobody knows, and gives the waiter.
    pub fn withdraw(&mut self, asked: Asked) -> W {
        let place = self.places.at(asked.0.into());
        debug_assert_eq!(place.state(), WAITING);
        self.at = asked.0.into();
        let waiter = place.take_waiter();
        place.set_free();
        waiter
    }

    /// Looks at every place once. There are twice as many as commands can be out, so that few are looked at.
    #[cold]
    fn search(&self) -> Option<u32> {
        let mask = self.places.len() - 1;
        let mut all = (0..=mask).map(|n| self.at.wrapping_add(n) & mask);
        all.find(|index| self.places.at(*index).state() == FREE)
    }

    /// Answers a question whose asker waits, and gives the waiter to wake.
    ///
    /// # Errors
    ///
    /// The answer, if the asker is just looking or gone, or nobody asked that: see [`Self::claim`].
    #[inline]
    pub fn answer(&mut self, name: u16, answer: T) -> Result<W, T> {
        let Some(place) = self.places.get(name.into()) else { return Err(answer) };
        if place.state() != WAITING {
            return Err(answer);
        }
        place.put_answer(answer);
        match place.change(WAITING, ANSWERED) {
            Ok(_) => {
                // The next question finds it free and its memory near.
                self.at = name.into();
                Ok(place.take_waiter())
            }
            Err(_) => Err(place.take_answer()),
        }
    }

    /// Claims the place of a question that will be answered by [`Answers::complete`](super::Answers::complete). `None` if
    /// nobody waits for the answer: the asker is gone, and the place is free, or nobody asked that.
    pub fn claim(&mut self, name: u16) -> Option<Claim<W>> {
        let place = self.places.get(name.into())?;
        let mut state = place.state();
        if is_planted(Planted::ClaimDoesNotClaim) {
            return Some(Claim { name, waiter: None });
        }
        loop {
            let next = match state {
                WAITING | CHANGING => CLAIMED,
                ABANDONED => FREE,
                _ => return None,
            };
            match place.change(state, next) {
                Ok(_) => break,
                Err(now) => state = now,
            }
        }
        match state {
            WAITING => Some(Claim { name, waiter: Some(place.take_waiter()) }),
            CHANGING => Some(Claim { name, waiter: None }),
            _ => None,
        }
    }

    /// Whether somebody is in line, or on the way in from there: who comes new has to line up.
    pub const fn is_crowded(&self) -> bool {
        self.waiting != 0 || self.granted != 0
    }

    /// Those whose turn has come and who have not come yet.
    pub const fn granted(&self) -> u16 {
        self.granted
    }

    /// Puts a place that was just asked for at the end of the line, or, if its turn had come in vain, at the head.
    pub fn line_up(&mut self, asked: &Asked, again: bool) {
        let index = u32::from(asked.0);
        let Some(place) = self.places.get(index) else { return };
        self.waiting += 1;
        if again {
            place.set_next(self.first);
            self.first = index;
            if self.last == NO_PLACE {
                self.last = index;
            }
            return;
        }
        place.set_next(NO_PLACE);
        match self.places.get(self.last) {
            Some(last) => last.set_next(index),
            None => self.first = index,
        }
        self.last = index;
    }

    /// Lets the first in line come on. `None` if nobody is in line; the waiter is missing if the asker is just looking.
    pub fn grant(&mut self) -> Option<Option<W>> {
        while let Some(place) = self.places.get(self.first) {
            self.first = place.next();
            self.waiting -= 1;
            if self.first == NO_PLACE {
                self.last = NO_PLACE;
            }
            let mut state = place.state();
            while let WAITING | CHANGING = state {
                match place.change(state, GRANTED) {
                    Ok(_) => {
                        self.granted += 1;
                        return Some((state == WAITING).then(|| place.take_waiter()));
                    }
                    Err(now) => state = now,
                }
            }
            // Its asker went away.
            place.set_free();
        }
        None
    }

    /// The asker whose turn has come is here: its place waits for the answer from here on, with this waiter.
    pub fn resume(&mut self, asked: &Asked, waiter: W) {
        let Some(place) = self.places.get(asked.0.into()) else { return };
        debug_assert_eq!(place.state(), GRANTED);
        self.granted -= 1;
        place.put_waiter(waiter);
        place.set_state(WAITING);
    }

    /// The asker whose turn has come is here, and asks nothing: its place is free.
    pub fn dismiss(&mut self, asked: Asked) {
        let Some(place) = self.places.get(asked.0.into()) else { return };
        debug_assert_eq!(place.state(), GRANTED);
        self.granted -= 1;
        place.set_free();
    }

    /// Finds out whose turn came when they had gone.
    pub fn collect(&mut self) {
        if self.forfeited.load(Ordering::Acquire) == 0 {
            return;
        }
        for place in self.places.iter().filter(|place| place.state() == FORFEITED) {
            place.set_free();
            self.granted -= 1;
            self.forfeited.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl<T, W> fmt::Debug for Desk<T, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { waiting, granted, .. } = self;
        f.debug_struct("Desk")
            .field("waiting", waiting)
            .field("granted", granted)
            .finish_non_exhaustive()
    }
}

/// Waiters that are to be woken once the queue was left. In a turn they only come in.
#[derive(Debug)]
pub struct Waiters<W>(Vec<W>);

impl<W> Waiters<W> {
    /// Room for so many; more allocate.
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// Adds one.
    #[inline]
    pub fn push(&mut self, waiter: W) {
        self.0.push(waiter);
    }

    /// Gives all of them out, in order.
    #[inline]
    pub fn take(&mut self, mut wake: impl FnMut(W)) {
        // With one command at a time there is one, and no use in a loop.
        if self.0.len() == 1
            && let Some(only) = self.0.pop()
        {
            return wake(only);
        }
        self.0.drain(..).for_each(wake);
    }

    /// Whether one more allocates nothing.
    pub fn has_room(&self) -> bool {
        self.0.len() < self.0.capacity()
    }
}
