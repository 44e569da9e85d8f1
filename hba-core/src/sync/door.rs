//! Where those wait who found a [`SharedQueue`](super::SharedQueue) owned.

use core::fmt;

use super::permits::{LineFull, PermitTicket, Permits, Taken};
use super::planted::{Planted, is_planted};

/// A line before a [`SharedQueue`](super::SharedQueue): who is refused waits here until the owner has left.
///
/// A refused entry leaves a mark, and the owner's [`leave`](super::Entered::leave) tells of it. So it is enough to line up
/// first and to try again then: either the second try succeeds, or it has left its mark with an owner that is to
/// [`open`](Self::open) the door, for this waiter too. Nobody comes again and again, and nobody waits in here.
///
/// ```
/// use hba_core::sync::{AtDoor, Door, SharedQueue};
///
/// let (queue, door) = (SharedQueue::new(0), Door::new(8));
/// let owner = queue.enter((), |_, ()| ((), ())).unwrap();
/// let mut place = AtDoor::default();
/// let mut try_it = || Some(queue.enter((), |count, ()| ((), *count += 1)).ok()?.leave());
/// assert!(door.enter(&mut place, || "waker", &mut try_it).is_none(), "it waits");
/// assert!(owner.leave().again);
/// let mut woken = Vec::new();
/// door.open(|waiter| woken.push(waiter));
/// assert_eq!(woken, ["waker"]);
/// assert!(door.enter(&mut place, || "waker", &mut try_it).is_some(), "and it is in");
/// ```
pub struct Door<W> {
    /// Without any permit: each is made when the door opens, for one who waits.
    line: Permits<W>,
}

/// A place before a [`Door`], if one is taken.
#[derive(Debug, Default)]
pub struct AtDoor(Option<PermitTicket>);

impl<W> Door<W> {
    /// A door with room for so many, rounded up to a power of two. All memory is allocated here.
    ///
    /// # Panics
    ///
    /// As [`Permits::new`].
    pub fn new(places: u16) -> Self {
        Self { line: Permits::new(0, places) }
    }

    /// Tries to get in until `attempt` does, which gives `None` when it is refused. `None`: what `waiter` makes waits
    /// here, and comes out of [`Self::open`] when another try is worth while. Where there is no room the waiter is given to
    /// `full`, to be woken at once.
    pub fn enter_or<T>(
        &self,
        place: &mut AtDoor,
        waiter: impl Fn() -> W,
        mut attempt: impl FnMut() -> Option<T>,
        full: impl FnOnce(W),
    ) -> Option<T> {
        loop {
            let lined_up = place.0.is_some();
            if !(lined_up && is_planted(Planted::RefusedDoesNotTryAgain))
                && let Some(got) = attempt()
            {
                return Some(got);
            }
            let taken = match place.0.take() {
                // It stood in line when it was refused.
                Some(ticket) => self.line.poll(ticket, waiter()),
                None => match self.line.take(waiter()) {
                    Ok(taken) => taken,
                    Err(LineFull(waiter)) => {
                        full(waiter);
                        return None;
                    }
                },
            };
            match taken {
                // The door was opened meanwhile.
                Taken::Now(permit) => permit.leave_behind(),
                Taken::Later(ticket) => {
                    place.0 = Some(ticket);
                    if lined_up {
                        return None;
                    }
                }
            }
        }
    }

    /// [`Self::enter_or`] that drops the waiter where there is no room, for those who come again by themselves.
    pub fn enter<T>(
        &self,
        place: &mut AtDoor,
        waiter: impl Fn() -> W,
        attempt: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        self.enter_or(place, waiter, attempt, drop)
    }

    /// Lets all try who wait now. For the owner that has left and was told that somebody was refused.
    pub fn open(&self, mut wake: impl FnMut(W)) {
        for _ in 0..self.line.waiting() {
            match self.line.release_to_waiting() {
                Some(Some(waiter)) => wake(waiter),
                // It is just lining up, and finds that it may try.
                Some(None) => {}
                None => return,
            }
        }
    }

    /// Gives a place up. Wake the waiter that comes out: it takes this one's turn.
    pub fn leave(&self, place: &mut AtDoor) -> Option<W> {
        place.0.take().and_then(|ticket| self.line.cancel(ticket))
    }
}

impl<W> fmt::Debug for Door<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("waiting", &self.line.waiting()).finish_non_exhaustive()
    }
}
