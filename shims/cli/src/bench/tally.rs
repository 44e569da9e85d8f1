//! The commands that count.

use core::time::Duration;
use std::time::Instant;

use hdrhistogram::Histogram;

/// The time in which commands count, and its division into intervals.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) start: Instant,
    pub(super) end: Instant,
    interval: Duration,
}

impl Window {
    pub(super) fn new(start: Instant, duration: Duration) -> Self {
        let interval = (duration / INTERVALS).max(INTERVAL_MIN);
        Self { start, end: start + duration, interval }
    }

    /// Which interval a time is in; `None` where it does not count.
    fn interval_of(&self, at: Instant) -> Option<usize> {
        let since = at.checked_duration_since(self.start)?;
        let at = since.as_nanos() / self.interval.as_nanos();
        usize::try_from(at).ok()
    }

    /// How many intervals there are; the last may be shorter.
    fn intervals(&self) -> usize {
        let intervals = (self.end - self.start).as_nanos().div_ceil(self.interval.as_nanos());
        usize::try_from(intervals).unwrap_or(1)
    }
}

/// The commands that ended while it counted.
#[derive(Clone, Debug)]
pub struct Tally {
    /// How many were reads.
    pub reads: u64,
    /// How many were writes.
    pub writes: u64,
    /// How often a disk had no room and the command was sent again.
    pub busy: u64,
    /// Nanoseconds from submit to the end, with three digits.
    pub latency: Histogram<u64>,
    /// How many ended in each interval.
    pub timeline: Vec<u64>,
    /// The length of an interval.
    pub interval: Duration,
}

impl Tally {
    pub(super) fn new(window: &Window) -> Self {
        Self {
            reads: 0,
            writes: 0,
            busy: 0,
            latency: Histogram::new_with_bounds(1, LATENCY_MAX, 3).expect("constant bounds"),
            timeline: vec![0; window.intervals()],
            interval: window.interval,
        }
    }

    /// How many commands ended.
    #[must_use]
    pub const fn commands(&self) -> u64 {
        self.reads + self.writes
    }

    /// Counts a command that ended at `ended`, if that is within the window.
    pub(super) fn count(&mut self, window: &Window, write: bool, began: Instant, ended: Instant) {
        let Some(count) = window.interval_of(ended).and_then(|at| self.timeline.get_mut(at)) else {
            return;
        };
        *count += 1;
        *(if write { &mut self.writes } else { &mut self.reads }) += 1;
        let nanos = u64::try_from((ended - began).as_nanos()).unwrap_or(u64::MAX);
        self.latency.saturating_record(nanos.max(1));
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.reads += other.reads;
        self.writes += other.writes;
        self.busy += other.busy;
        // Both were made with the same bounds.
        let _ = self.latency.add(&other.latency);
        self.timeline.iter_mut().zip(&other.timeline).for_each(|(sum, count)| *sum += count);
    }
}

/// What a plot shows of the time.
const INTERVALS: u32 = 100;
const INTERVAL_MIN: Duration = Duration::from_millis(5);
/// More than recovery lets a command take: ten minutes.
const LATENCY_MAX: u64 = 600_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_ends_in_the_window_counts() {
        let start = Instant::now();
        let window = Window::new(start + Duration::from_millis(10), Duration::from_millis(12));
        let mut tally = Tally::new(&window);
        assert_eq!((tally.interval, tally.timeline.len()), (Duration::from_millis(5), 3));
        let at = |millis| start + Duration::from_millis(millis);
        for (write, began, ended) in
            [(false, 0, 9), (false, 0, 10), (true, 12, 14), (true, 12, 21), (false, 9, 31)]
        {
            tally.count(&window, write, at(began), at(ended));
        }
        assert_eq!((tally.reads, tally.writes, &tally.timeline[..]), (1, 2, &[2, 0, 1][..]));
        assert_eq!(tally.latency.len(), 3);
        let mut sum = Tally::new(&window);
        sum.add(&tally);
        sum.add(&tally);
        assert_eq!((sum.commands(), sum.latency.len(), sum.timeline[0]), (6, 6, 4));
    }
}
