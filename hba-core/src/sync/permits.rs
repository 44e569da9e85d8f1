//! Back-pressure: so many may go on, the others wait in line, and each release wakes one of them.
#![expect(unsafe_code, reason = "a place's state says whose the waiter in it is")]

use alloc::boxed::Box;
use core::fmt;

use super::planted::{Planted, is_planted, unless};
use super::primitive::{AtomicU32, Cell, Ordering};

/// Nobody has come for this turn of the place, or its waiter is just changing it.
const EMPTY: u32 = 0;
/// The waiter is in the place.
const WAITING: u32 = 1;
/// The release came while the place was empty: the waiter finds its permit here.
const GRANTED: u32 = 2;
/// A release takes the waiter out.
const SERVED: u32 = 3;
/// The waiter went away: the release that comes here goes on to the next.
const CANCELLED: u32 = 4;
/// What a new turn adds: the bits below are one of the above.
const TURN: u32 = 8;

/// Permits, for example one for each slot of a queue, and a line of those who wait for one.
///
/// A waiter is a value of the caller's choice, such as a `Waker`. It comes out of the [`release`](Self::release) that ends
/// its wait, and the caller wakes it, outside of everything. Each release serves one waiter, in the order in which they came;
/// none is lost, none is woken in vain, and nobody spins or locks.
///
/// # How
///
/// One word tells how many permits are free, or how many wait, and at which place the line ends. Changing it decides who
/// serves whom: the taker that finds none gets the place at the end, the release that finds a line gets the place at its
/// head. The two meet there, and whoever comes second finds the other's trace. A place counts its turns, so that a slow
/// party of an earlier turn is never mistaken for one of this.
///
/// ```
/// use hba_core::sync::{Permits, Taken};
///
/// let permits = Permits::new(1, 4);
/// let Ok(Taken::Now(permit)) = permits.take("first") else { panic!("one is free") };
/// let Ok(Taken::Later(ticket)) = permits.take("second") else { panic!("none is left") };
/// assert_eq!(permits.release(permit), Some("second"), "wake it: the permit is its own now");
/// let Taken::Now(permit) = permits.poll(ticket, "second") else { panic!("it was woken") };
/// assert_eq!(permits.release(permit), None, "nobody waits");
/// ```
pub struct Permits<W> {
    /// Low half: the end of the line, modulo 2^16. High half: free permits, or, if negative, how many wait.
    line: AtomicU32,
    places: Box<[Place<W>]>,
}

struct Place<W> {
    state: AtomicU32,
    waiter: Cell<Option<W>>,
}

// SAFETY: a waiter is reached by the holder of its ticket while the place is EMPTY in its turn, and by the release that
// changed it from WAITING to SERVED. The state changes with release and is looked at with acquire. Waiters only move.
unsafe impl<W: Send> Sync for Permits<W> {}

/// What a taker gets.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a permit that is not released, or a place in line that is not cancelled, is lost"]
pub enum Taken {
    /// A permit; the waiter was not needed and is dropped.
    Now(Permit),
    /// A place in line.
    Later(PermitTicket),
}

/// Leave to go on. Give it back to the [`Permits`] that it is from.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a permit that is not released is lost"]
pub struct Permit(());

impl Permit {
    /// A permit that was only to wake its holder is not given back.
    pub(super) fn leave_behind(self) {}
}

/// A place in line. Not a permit yet.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a place in line that is not cancelled keeps its permit for good"]
pub struct PermitTicket {
    index: u16,
    turn: u32,
}

/// As many wait as there are places, or the one who had the next place is just being served; the waiter comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineFull<W>(pub W);

impl<W> fmt::Display for LineFull<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("every place in line is taken")
    }
}

impl<W: fmt::Debug> core::error::Error for LineFull<W> {}

impl<W> Permits<W> {
    /// `count` permits, and `places` for waiters, rounded up to a power of two. All memory is allocated here.
    ///
    /// # Panics
    ///
    /// If either is above 2^14, or there is no place.
    pub fn new(count: u16, places: u16) -> Self {
        assert!(
            count <= 1 << 14 && places <= 1 << 14 && places > 0,
            "{count} permits, {places} places"
        );
        let place = |_| Place { state: AtomicU32::new(EMPTY), waiter: Cell::new(None) };
        let places = (0..places.next_power_of_two()).map(place).collect();
        Self { line: AtomicU32::new(u32::from(count) << 16), places }
    }

    /// Takes a permit if one is free, which it is only while nobody waits.
    #[inline]
    pub fn take_free(&self) -> Option<Permit> {
        let mut word = self.line.load(Ordering::Acquire);
        loop {
            let (free, end) = split(word);
            if free <= 0 {
                return None;
            }
            let next = join(free - 1, end);
            match self.line.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(Permit(())),
                Err(now) => word = now,
            }
        }
    }

    /// Takes a permit, or a place in line.
    ///
    /// # Errors
    ///
    /// [`LineFull`] with the waiter.
    pub fn take(&self, waiter: W) -> Result<Taken, LineFull<W>> {
        let mut word = self.line.load(Ordering::Acquire);
        loop {
            let (free, end) = split(word);
            let place = self.place(end);
            let state = place.state.load(Ordering::Acquire);
            let next = if free > 0 {
                join(free - 1, end)
            } else if self.is_ready(end, state) {
                join(free - 1, end.wrapping_add(1))
            } else {
                // What was loaded may be old news: only the newest word says that the line is full.
                let now = self.line.fetch_add(0, Ordering::AcqRel);
                if now == word {
                    return Err(LineFull(waiter));
                }
                word = now;
                continue;
            };
            match self.line.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) if free > 0 => return Ok(Taken::Now(Permit(()))),
                Ok(_) => return Ok(self.wait(PermitTicket { index: end, turn: state }, waiter)),
                Err(now) => word = now,
            }
        }
    }

    /// Asks whether the wait has ended; if not, `waiter` waits in place of the one before.
    pub fn poll(&self, ticket: PermitTicket, waiter: W) -> Taken {
        if self.leave_place(&ticket).is_err() {
            return Taken::Now(Permit(()));
        }
        self.wait(ticket, waiter)
    }

    /// Gives a place in line up. If the permit had come already it goes on to the next; wake the waiter that comes out.
    pub fn cancel(&self, ticket: PermitTicket) -> Option<W> {
        if self.leave_place(&ticket).is_err() {
            return self.pass_on();
        }
        let (place, turn) = (self.place(ticket.index), ticket.turn);
        let cancelled = Ordering::AcqRel;
        match place.state.compare_exchange(turn, turn | CANCELLED, cancelled, Ordering::Acquire) {
            Ok(_) => None,
            Err(_) => {
                place.state.store(turn.wrapping_add(TURN), Ordering::Release);
                self.pass_on()
            }
        }
    }

    /// Gives a permit back. Wake the waiter that comes out: the permit is its own now.
    #[inline]
    pub fn release(&self, _permit: Permit) -> Option<W> {
        self.pass_on()
    }

    /// How many wait at this moment.
    pub fn waiting(&self) -> u16 {
        let (free, _) = split(self.line.load(Ordering::Acquire));
        free.min(0).unsigned_abs()
    }

    /// One permit more, if somebody waits for it: `None` if nobody does. Wake the waiter that comes out, if one does.
    pub(super) fn release_to_waiting(&self) -> Option<Option<W>> {
        let mut word = self.line.load(Ordering::Acquire);
        loop {
            let (free, end) = split(word);
            if free >= 0 {
                return None;
            }
            let next = join(free + 1, end);
            match self.line.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(self.serve(self.place(end.wrapping_add_signed(free)))),
                Err(now) => word = now,
            }
        }
    }

    #[inline]
    fn pass_on(&self) -> Option<W> {
        let place = self.give_back()?;
        self.serve(place)
    }

    /// Counts one permit more, and gives the place of the waiter that it is for.
    #[inline]
    fn give_back(&self) -> Option<&Place<W>> {
        let ordering = unless(Planted::PermitIsRelaxed, Ordering::AcqRel);
        let (free, end) = split(self.line.fetch_add(1 << 16, ordering));
        (free < 0).then(|| self.place(end.wrapping_add_signed(free)))
    }

    fn serve<'a>(&'a self, mut place: &'a Place<W>) -> Option<W> {
        loop {
            // Next: granted, being taken out, or the place's next turn.
            let served = |state: u32| match state % TURN {
                EMPTY => Some(state | GRANTED),
                WAITING => Some(state - WAITING + SERVED),
                _ => Some(state.wrapping_add(TURN) / TURN * TURN),
            };
            let Ok(state) = place.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, served)
            else {
                return None;
            };
            match state % TURN {
                EMPTY => return None,
                WAITING => {
                    let waiter = place.replace(None);
                    place.state.store((state / TURN + 1).wrapping_mul(TURN), Ordering::Release);
                    return waiter;
                }
                // Its waiter went away, and this permit is still to be given.
                _ => place = self.give_back()?,
            }
        }
    }

    /// Puts the waiter into the place, unless the permit is there already.
    fn wait(&self, ticket: PermitTicket, waiter: W) -> Taken {
        let (place, turn) = (self.place(ticket.index), ticket.turn);
        place.replace(Some(waiter));
        if is_planted(Planted::WaiterDoesNotLook) {
            place.state.store(turn | WAITING, Ordering::Release);
            return Taken::Later(ticket);
        }
        let waits = Ordering::AcqRel;
        if place.state.compare_exchange(turn, turn | WAITING, waits, Ordering::Acquire).is_ok() {
            return Taken::Later(ticket);
        }
        drop(place.replace(None));
        place.state.store(turn.wrapping_add(TURN), Ordering::Release);
        Taken::Now(Permit(()))
    }

    /// Takes the waiter out of its place, which the line still counts. Fails if a release was first.
    fn leave_place(&self, ticket: &PermitTicket) -> Result<(), u32> {
        let (place, turn) = (self.place(ticket.index), ticket.turn);
        let left = Ordering::AcqRel;
        place.state.compare_exchange(turn | WAITING, turn, left, Ordering::Acquire)?;
        drop(place.replace(None));
        Ok(())
    }

    /// Whether the place with this number has seen the last of its turn before.
    fn is_ready(&self, number: u16, state: u32) -> bool {
        let len = self.places.len() as u32;
        let turns = (1 << 16) / len;
        state % TURN == EMPTY && (state / TURN) % turns == u32::from(number) / len
    }

    fn place(&self, number: u16) -> &Place<W> {
        &self.places[usize::from(number) & (self.places.len() - 1)]
    }
}

impl<W> Place<W> {
    fn replace(&self, waiter: Option<W>) -> Option<W> {
        // SAFETY: only called by the one to whom the state gives the waiter; see `Permits`.
        self.waiter.with_mut(|place| core::mem::replace(unsafe { &mut *place }, waiter))
    }
}

/// Free permits, or how many wait as a negative number; and the end of the line.
const fn split(word: u32) -> (i16, u16) {
    ((word >> 16) as i16, word as u16)
}

const fn join(free: i16, end: u16) -> u32 {
    (free as u16 as u32) << 16 | end as u32
}

impl<W> fmt::Debug for Permits<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (free, end) = split(self.line.load(Ordering::Relaxed));
        f.debug_struct("Permits").field("free", &free).field("end", &end).finish_non_exhaustive()
    }
}
