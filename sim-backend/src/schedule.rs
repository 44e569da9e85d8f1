//! When and in which order a controller works on the commands that it has.

use core::time::Duration;

use hba_core::time::Instant;

/// A small seeded generator (SplitMix64): the same seed gives the same run on every platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// Starts the sequence of `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    #[must_use = "drawing a number changes the sequence"]
    pub const fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 when `bound` is 0. The slight bias does not matter here.
    #[must_use = "drawing a number changes the sequence"]
    pub const fn below(&mut self, bound: u64) -> u64 {
        match self.draw().checked_rem(bound) {
            Some(number) => number,
            None => 0,
        }
    }
}

/// Which of several commands a controller works on first. Task attributes are kept in either case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CompletionOrder {
    /// In the order of arrival.
    #[default]
    Fifo,
    /// In an order drawn from this seed.
    Seeded(u64),
}

/// The timing of a controller: completion order and the time that a command takes at least.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// `None`: in the order of arrival.
    random: Option<SplitMix64>,
    jitter: SplitMix64,
    shortest: Duration,
    longest: Duration,
}

impl Default for Schedule {
    fn default() -> Self {
        Self::new(CompletionOrder::Fifo)
    }
}

impl Schedule {
    /// The given order, and commands that take no time.
    #[must_use]
    pub const fn new(order: CompletionOrder) -> Self {
        let (random, seed) = match order {
            CompletionOrder::Fifo => (None, 0),
            CompletionOrder::Seeded(seed) => (Some(SplitMix64::new(seed)), seed),
        };
        let jitter = SplitMix64::new(!seed);
        Self { random, jitter, shortest: Duration::ZERO, longest: Duration::ZERO }
    }

    /// Makes every command take between `shortest` and `longest`, drawn from the seed.
    #[must_use]
    pub fn with_delay(self, shortest: Duration, longest: Duration) -> Self {
        Self { shortest, longest: longest.max(shortest), ..self }
    }

    /// When a command that arrives at `now` may be executed.
    pub(crate) fn due(&mut self, now: Instant) -> Instant {
        let spread = (self.longest - self.shortest).as_nanos();
        let spread = u64::try_from(spread).unwrap_or(u64::MAX);
        let extra = if spread == 0 { 0 } else { self.jitter.below(spread) };
        now + self.shortest + Duration::from_nanos(extra)
    }

    /// The index of the next command among `candidates` (not 0) that are ready.
    pub(crate) fn pick(&mut self, candidates: usize) -> usize {
        let random = self.random.as_mut().map_or(0, |random| random.below(candidates as u64));
        usize::try_from(random).unwrap_or(0)
    }

    /// Whether commands are taken in the order of arrival.
    pub(crate) const fn is_fifo(&self) -> bool {
        self.random.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_sequence() {
        let mut first = SplitMix64::new(1);
        // The published first output for seed 0 is the reference of the algorithm.
        assert_eq!(SplitMix64::new(0).draw(), 0xe220_a839_7b1d_cdaf);
        let mut second = first;
        assert_eq!([first.draw(), first.draw()], [second.draw(), second.draw()]);
        assert_eq!(first.below(0), 0);
    }

    #[test]
    fn delays_stay_in_their_bounds() {
        let (low, high) = (Duration::from_micros(5), Duration::from_micros(9));
        let mut schedule = Schedule::new(CompletionOrder::Seeded(7)).with_delay(low, high);
        for _ in 0..100 {
            let due = schedule.due(Instant::ZERO);
            assert!(due >= Instant::ZERO + low && due < Instant::ZERO + high);
        }
        assert_eq!(Schedule::default().due(Instant::from_nanos(3)), Instant::from_nanos(3));
    }
}
