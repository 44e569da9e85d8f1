//! Who comes next, for several who ask at the same time.

use super::primitive::{AtomicU32, Ordering};

/// Deals out 0, 1, 2 ... below a number, over and over.
#[derive(Debug)]
pub struct RoundRobin {
    dealt: AtomicU32,
    count: u16,
}

impl RoundRobin {
    /// Deals out the numbers below `count`; 0 counts as 1.
    pub fn new(count: u16) -> Self {
        Self { dealt: AtomicU32::new(0), count: count.max(1) }
    }

    /// The next number.
    pub fn next(&self) -> u16 {
        // No more than the order of calls is promised, so nothing else is ordered by it.
        (self.dealt.fetch_add(1, Ordering::Relaxed) % u32::from(self.count)) as u16
    }
}
