//! Time as the platform tells it: the core never reads a clock.

use core::fmt;
use core::ops::Add;
use core::time::Duration;

/// Nanoseconds since an arbitrary origin that the platform chose and never changes.
///
/// Every call that depends on time takes one. It must not go backwards; where it does, the core uses the latest value
/// that it has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The origin.
    pub const ZERO: Self = Self(0);

    /// `nanos` nanoseconds after the origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// `millis` milliseconds after the origin, saturating after 584 years.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero when it is not after.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates at the end of time, 584 years after the origin.
    fn add(self, rhs: Duration) -> Self {
        let nanos = u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09} s", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}

/// How long a command may take: a step of a fixed scale, four steps to an octave, from 1 ms to 49 days.
///
/// A duration is rounded down to its step, so a deadline fires after 80 % to 100 % of what was asked: earlier than a host
/// that keeps time itself, never later. Equal steps make equal lists, which is why arming and disarming cost the same
/// whatever is outstanding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout(u8);

impl Timeout {
    /// The default of the command's class.
    pub const BY_CLASS: Self = Self(u8::MAX);
    /// Number of steps.
    pub(crate) const STEPS: usize = 128;

    /// At most `millis` milliseconds; 0 counts as 1.
    pub const fn from_millis(millis: u32) -> Self {
        let millis = if millis == 0 { 1 } else { millis };
        let octave = 31 - millis.leading_zeros();
        let quarter = ((millis as u64) << 2 >> octave) as u32 & 3;
        Self((octave * 4 + quarter) as u8)
    }

    /// At most `seconds` seconds.
    pub const fn from_secs(seconds: u32) -> Self {
        Self::from_millis(seconds.saturating_mul(1000))
    }

    /// The duration of this step; zero for [`Self::BY_CLASS`].
    pub const fn duration(self) -> Duration {
        Duration::from_nanos(if (self.0 as usize) < Self::STEPS { NANOS[self.0 as usize] } else { 0 })
    }

    /// The step, or `None` for [`Self::BY_CLASS`].
    #[inline]
    pub(crate) const fn step(self) -> Option<u8> {
        if (self.0 as usize) < Self::STEPS { Some(self.0) } else { None }
    }
}

/// Nanoseconds of each step, rounded up to a millisecond.
pub(crate) const NANOS: [u64; Timeout::STEPS] = {
    let mut table = [0; Timeout::STEPS];
    let mut step = 0;
    while step < Timeout::STEPS {
        let (octave, quarter) = (step as u64 / 4, step as u64 % 4);
        let millis = ((4 + quarter) << octave).div_ceil(4);
        table[step] = millis * 1_000_000;
        step += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_fires_after_80_to_100_percent() {
        let mut millis = 1u64;
        while millis <= u64::from(u32::MAX) {
            let step = Timeout::from_millis(millis as u32).duration().as_millis() as u64;
            assert!(step <= millis && step * 5 >= millis * 4, "{millis} ms became {step} ms");
            millis += 1 + millis / 97;
        }
        assert_eq!(Timeout::from_millis(0), Timeout::from_millis(1));
        assert_eq!(Timeout::from_secs(u32::MAX).duration(), Timeout::from_millis(u32::MAX).duration());
    }

    #[test]
    fn time_saturates() {
        assert_eq!(Instant::from_millis(u64::MAX) + Duration::MAX, Instant::from_nanos(u64::MAX));
        assert_eq!(Instant::ZERO.since(Instant::from_millis(1)), Duration::ZERO);
    }
}
