//! A limit on resets: a controller that faults after each of them is given up, not reset for ever.

use alloc::collections::VecDeque;
use core::time::Duration;

use crate::time::Instant;

#[derive(Debug)]
pub(super) struct ResetBudget {
    recent: VecDeque<Instant>,
    max: usize,
    window: Duration,
}

impl ResetBudget {
    pub(super) fn new(max: u8, window: Duration) -> Self {
        let max = usize::from(max);
        Self { recent: VecDeque::with_capacity(max), max, window }
    }

    /// Whether one more reset is permitted at `now`; counts it if so.
    pub(super) fn admit(&mut self, now: Instant) -> bool {
        while self.recent.front().is_some_and(|&at| now.since(at) > self.window) {
            self.recent.pop_front();
        }
        let admitted = self.recent.len() < self.max;
        if admitted {
            self.recent.push_back(now);
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resets_are_limited_in_a_window() {
        let mut budget = ResetBudget::new(2, Duration::from_secs(10));
        let at = Instant::from_millis;
        assert!(budget.admit(at(0)));
        assert!(budget.admit(at(1_000)));
        assert!(!budget.admit(at(10_000)), "the third within ten seconds");
        assert!(budget.admit(at(10_001)), "the first has left the window");
    }
}
