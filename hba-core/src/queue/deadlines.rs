//! When to look for commands whose deadline passed.
//!
//! Each slot holds the deadline of its command. All that is kept beside is a time before which none of them passes, so
//! arming is one comparison and disarming is nothing. When that time comes the slots are looked at once, each in turn,
//! and the next such time is found on the way: one look at all slots for each shortest time-out that was asked for, not
//! for each command.

use crate::sabotage::{Sabotage, is_planted};
use crate::time::Instant;

#[derive(Debug)]
pub(super) struct Deadlines {
    /// No deadline that the current walk has passed, or that was armed since it began, is before this.
    earliest: Instant,
    /// The slot that the walk looks at next; 0 between walks.
    at: u16,
}

/// The end of time: no deadline.
pub(super) const NEVER: Instant = Instant::from_nanos(u64::MAX);

impl Deadlines {
    pub(super) const fn new() -> Self {
        Self { earliest: NEVER, at: 0 }
    }

    #[inline]
    pub(super) fn arm(&mut self, expires: Instant) {
        if expires < self.earliest {
            self.earliest = expires;
        }
    }

    /// A time before which no deadline passes; `None` when nothing is armed.
    pub(super) fn earliest(&self) -> Option<Instant> {
        (self.earliest != NEVER).then_some(self.earliest)
    }

    /// The next slot of `depth` whose deadline, as `of` tells it ([`NEVER`] if it has none), is not after `now`.
    pub(super) fn take_expired(
        &mut self,
        depth: u16,
        now: Instant,
        of: impl Fn(u16) -> Instant,
    ) -> Option<u16> {
        if self.at == 0 {
            if now < self.earliest {
                return None;
            }
            self.earliest = NEVER;
        }
        for slot in self.at..depth {
            let expires = of(slot);
            if expires <= now && expires != NEVER {
                self.at = slot + 1;
                // Until the walk has ended there may be more: the time to look is now.
                return Some(slot);
            }
            if !is_planted(Sabotage::DeadlineForgotten) {
                self.earliest = self.earliest.min(expires);
            }
        }
        self.at = 0;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    fn walk(deadlines: &mut Deadlines, slots: &mut [Instant], now: Instant) -> Vec<u16> {
        let mut expired = Vec::new();
        let depth = slots.len() as u16;
        while let Some(slot) = deadlines.take_expired(depth, now, |s| slots[usize::from(s)]) {
            slots[usize::from(slot)] = NEVER;
            expired.push(slot);
        }
        expired
    }

    #[test]
    fn every_deadline_fires_once_and_none_early() {
        let mut deadlines = Deadlines::new();
        let mut slots: Vec<_> = (0..64).map(|i| Instant::from_millis(1 + i * 37 % 23)).collect();
        slots.iter().for_each(|at| deadlines.arm(*at));
        let armed = slots.clone();
        let mut seen = vec![0; 64];
        for millis in 0..30 {
            let now = Instant::from_millis(millis);
            let next = deadlines.earliest();
            for slot in walk(&mut deadlines, &mut slots, now) {
                assert_eq!(armed[usize::from(slot)], now);
                assert!(next.is_some_and(|at| at <= now));
                seen[usize::from(slot)] += 1;
            }
        }
        assert_eq!(seen, [1; 64]);
        assert_eq!(deadlines.earliest(), None);
    }

    #[test]
    fn a_deadline_armed_during_a_walk_is_not_lost() {
        let mut deadlines = Deadlines::new();
        let mut slots = vec![NEVER, Instant::from_millis(1), Instant::from_millis(1)];
        deadlines.arm(slots[1]);
        let now = Instant::from_millis(1);
        let first = deadlines.take_expired(3, now, |s| slots[usize::from(s)]);
        assert_eq!(first, Some(1));
        (slots[0], slots[1]) = (Instant::from_millis(2), NEVER);
        deadlines.arm(slots[0]);
        assert_eq!(walk(&mut deadlines, &mut slots, now), [2]);
        assert_eq!(deadlines.earliest(), Some(Instant::from_millis(2)));
        assert_eq!(walk(&mut deadlines, &mut slots, Instant::from_millis(2)), [0]);
    }
}
