//! How values go from one thread to another: tickets, tokens, marks and permits between queues and Control.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;

use super::planted::{Planted, unless};
use super::primitive::{AtomicU32, Cell, Ordering};

/// A mailbox with room for `capacity` values, rounded up to a power of two: one end to post, one to take.
///
/// All memory is allocated here. Neither end waits for the other. To wake a receiver that sleeps, post and then
/// [`raise`](super::Kick::raise) its kick.
///
/// ```
/// let (mut outbox, mut inbox) = hba_core::sync::mailbox(2);
/// outbox.post("a ticket").unwrap();
/// outbox.post("a mark").unwrap();
/// let refused = outbox.post("one more").unwrap_err();
/// assert_eq!(refused.value, "one more");
/// assert_eq!(inbox.take(), Some("a ticket"));
/// drop(inbox);
/// assert!(outbox.post("too late").unwrap_err().closed);
/// ```
///
/// # Panics
///
/// If `capacity` is 0 or above 2^31.
pub fn mailbox<T>(capacity: u32) -> (Outbox<T>, Inbox<T>) {
    assert!(capacity != 0 && capacity <= 1 << 31, "{capacity} values");
    let places = (0..capacity.next_power_of_two()).map(|_| Cell::new(None)).collect();
    let zero = || AtomicU32::new(0);
    let shared = Arc::new(Shared { places, posted: zero(), taken: zero(), closed: zero() });
    (Outbox { shared: Arc::clone(&shared), posted: 0, taken: 0 }, Inbox { shared, taken: 0 })
}

struct Shared<T> {
    places: Box<[Cell<Option<T>>]>,
    /// Values ever posted, modulo 2^32; written by the outbox only. Those below it are the inbox's to take.
    posted: AtomicU32,
    /// Values ever taken; written by the inbox only. Places below it are the outbox's to fill.
    taken: AtomicU32,
    /// Not 0 once the inbox is gone.
    closed: AtomicU32,
}

// SAFETY: a place is reached by the outbox while it is at or above `posted`, and by the inbox while it is between `taken`
// and `posted`; the counters are stored with release and loaded with acquire by the other side. Values only move.
#[expect(unsafe_code, reason = "the two counters say whose each place is")]
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    fn replace(&self, count: u32, value: Option<T>) -> Option<T> {
        let place = &self.places[count as usize & (self.places.len() - 1)];
        // SAFETY: the caller is the end that the counters give this place to, and each end is `&mut` while it acts.
        #[expect(unsafe_code, reason = "the two counters say whose each place is")]
        place.with_mut(|place| core::mem::replace(unsafe { &mut *place }, value))
    }
}

/// The end of a [`mailbox`] that posts.
pub struct Outbox<T> {
    shared: Arc<Shared<T>>,
    posted: u32,
    /// What `taken` was when it was last looked at.
    taken: u32,
}

/// The end of a [`mailbox`] that takes.
pub struct Inbox<T> {
    shared: Arc<Shared<T>>,
    taken: u32,
}

/// A mailbox did not take a value, which comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unposted<T> {
    /// The value.
    pub value: T,
    /// Nobody will ever take it. Otherwise the mailbox is full for now.
    pub closed: bool,
}

impl<T> fmt::Display for Unposted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.closed {
            "nobody takes from this mailbox"
        } else {
            "the mailbox is full"
        })
    }
}

impl<T: fmt::Debug> core::error::Error for Unposted<T> {}

impl<T> Outbox<T> {
    /// Posts a value. Whoever takes it sees everything that was done before.
    ///
    /// # Errors
    ///
    /// [`Unposted`], with the value, when there is no room or the inbox is gone.
    pub fn post(&mut self, value: T) -> Result<(), Unposted<T>> {
        let shared = &*self.shared;
        if shared.closed.load(Ordering::Acquire) != 0 {
            return Err(Unposted { value, closed: true });
        }
        let capacity = shared.places.len() as u32;
        if self.posted.wrapping_sub(self.taken) == capacity {
            self.taken = shared.taken.load(Ordering::Acquire);
            if self.posted.wrapping_sub(self.taken) == capacity {
                return Err(Unposted { value, closed: false });
            }
        }
        shared.replace(self.posted, Some(value));
        self.posted = self.posted.wrapping_add(1);
        shared.posted.store(self.posted, unless(Planted::PostIsRelaxed, Ordering::Release));
        Ok(())
    }
}

impl<T> Inbox<T> {
    /// Takes the oldest value.
    pub fn take(&mut self) -> Option<T> {
        let shared = &*self.shared;
        if shared.posted.load(Ordering::Acquire) == self.taken {
            return None;
        }
        let value = shared.replace(self.taken, None);
        self.taken = self.taken.wrapping_add(1);
        shared.taken.store(self.taken, unless(Planted::TakeIsRelaxed, Ordering::Release));
        value
    }
}

/// Values that are still in the mailbox, or on their way into it, are dropped with its last end.
impl<T> Drop for Inbox<T> {
    fn drop(&mut self) {
        self.shared.closed.store(1, Ordering::Release);
    }
}

impl<T> fmt::Debug for Outbox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("posted", &self.posted).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Inbox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("taken", &self.taken).finish_non_exhaustive()
    }
}
