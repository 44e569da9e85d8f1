//! Deadlines of outstanding commands: one list for each step of the time-out scale.
//!
//! All commands of a list have the same duration and time does not go backwards, so each list is in order of expiry by
//! construction: arming appends, disarming unlinks, and the earliest deadline is at the head of one of the lists.

use super::slots::NO_SLOT;
use crate::time::{Instant, NANOS, Timeout};

/// The links of one slot. A slot that is not armed has `step == NOT_ARMED`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    expires: Instant,
    next: u16,
    prev: u16,
    step: u8,
}

const NOT_ARMED: u8 = u8::MAX;

impl Link {
    pub(super) const UNARMED: Self =
        Self { expires: Instant::ZERO, next: NO_SLOT, prev: NO_SLOT, step: NOT_ARMED };
}

/// Gives the deadline links of a slot; the slots themselves live in the queue.
pub(super) trait Links {
    fn link(&mut self, slot: u16) -> &mut Link;
}

#[derive(Debug)]
pub(super) struct Deadlines {
    heads: [u16; Timeout::STEPS],
    tails: [u16; Timeout::STEPS],
    /// Bit n is set while list n has members.
    in_use: [u64; 2],
    /// The latest time seen: earlier ones are lifted to it.
    now: Instant,
}

impl Deadlines {
    pub(super) const fn new() -> Self {
        let (heads, tails) = ([NO_SLOT; Timeout::STEPS], [NO_SLOT; Timeout::STEPS]);
        Self { heads, tails, in_use: [0; 2], now: Instant::ZERO }
    }

    #[inline]
    pub(super) fn arm(&mut self, links: &mut impl Links, slot: u16, step: u8, now: Instant) {
        self.now = self.now.max(now);
        let list = usize::from(step) % Timeout::STEPS;
        let expires = Instant::from_nanos(self.now.as_nanos().saturating_add(NANOS[list]));
        let prev = self.tails[list];
        *links.link(slot) = Link { expires, next: NO_SLOT, prev, step };
        self.tails[list] = slot;
        if prev == NO_SLOT {
            self.heads[list] = slot;
            self.in_use[list / 64] |= 1 << (list % 64);
        } else {
            links.link(prev).next = slot;
        }
    }

    /// Does nothing to a slot that is not armed.
    #[inline]
    pub(super) fn disarm(&mut self, links: &mut impl Links, slot: u16) {
        let Link { next, prev, step, .. } = *links.link(slot);
        if step == NOT_ARMED {
            return;
        }
        let list = usize::from(step) % Timeout::STEPS;
        links.link(slot).step = NOT_ARMED;
        if prev == NO_SLOT {
            self.heads[list] = next;
        } else {
            links.link(prev).next = next;
        }
        if next == NO_SLOT {
            self.tails[list] = prev;
        } else {
            links.link(next).prev = prev;
        }
        if prev == NO_SLOT && next == NO_SLOT {
            self.in_use[list / 64] &= !(1 << (list % 64));
        }
    }

    /// The earliest deadline and whose it is.
    pub(super) fn earliest(&self, links: &mut impl Links) -> Option<(Instant, u16)> {
        let mut best = None;
        for (word, mut bits) in self.in_use.into_iter().enumerate() {
            while bits != 0 {
                let list = word * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                let slot = self.heads[list];
                let expires = links.link(slot).expires;
                if best.is_none_or(|(at, _)| expires < at) {
                    best = Some((expires, slot));
                }
            }
        }
        best
    }

    /// Takes one command whose deadline is not after `now`, earliest first.
    pub(super) fn take_expired(&mut self, links: &mut impl Links, now: Instant) -> Option<u16> {
        self.now = self.now.max(now);
        let (expires, slot) = self.earliest(links)?;
        if expires > self.now {
            return None;
        }
        self.disarm(links, slot);
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    struct Table(Vec<Link>);

    impl Links for Table {
        fn link(&mut self, slot: u16) -> &mut Link {
            &mut self.0[usize::from(slot)]
        }
    }

    #[test]
    fn deadlines_fire_in_order_and_only_once() {
        let mut links = Table(vec![Link::UNARMED; 64]);
        let mut deadlines = Deadlines::new();
        let mut expected = Vec::new();
        for slot in 0..64u16 {
            let timeout = Timeout::from_millis(1 + u32::from(slot) * 37 % 23);
            let now = Instant::from_millis(u64::from(slot / 4));
            let step = timeout.step().expect("explicit");
            deadlines.arm(&mut links, slot, step, now);
            if slot % 3 == 0 {
                deadlines.disarm(&mut links, slot);
                deadlines.disarm(&mut links, slot);
            } else {
                expected.push(now + timeout.duration());
            }
        }
        expected.sort_unstable();
        // Time does not go backwards: only what lies after the latest time seen can be asked for.
        let mut seen = Instant::from_millis(15);
        for at in expected {
            let (earliest, _) = deadlines.earliest(&mut links).expect("one is left");
            assert_eq!(earliest, at);
            let before = Instant::from_nanos(at.as_nanos() - 1);
            if before >= seen {
                assert_eq!(deadlines.take_expired(&mut links, before), None);
            }
            assert!(deadlines.take_expired(&mut links, at).is_some());
            seen = seen.max(at);
        }
        assert_eq!(deadlines.earliest(&mut links), None);
        assert_eq!(deadlines.in_use, [0; 2]);
    }

    #[test]
    fn time_that_goes_backwards_keeps_the_order() {
        let mut links = Table(vec![Link::UNARMED; 2]);
        let mut deadlines = Deadlines::new();
        let step = Timeout::from_millis(8).step().expect("explicit");
        deadlines.arm(&mut links, 0, step, Instant::from_millis(100));
        deadlines.arm(&mut links, 1, step, Instant::from_millis(50));
        let at = Instant::from_millis(108);
        assert_eq!(deadlines.take_expired(&mut links, at), Some(0));
        assert_eq!(deadlines.take_expired(&mut links, at), Some(1));
    }
}
