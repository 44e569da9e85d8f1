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

    /// `nanos` later. Wraps after 584 years.
    #[inline]
    pub(crate) const fn wrapping_after(self, nanos: u64) -> Self {
        Self(self.0.wrapping_add(nanos))
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

/// How long a command may take: 1 ms to 49 days.
///
/// A host that keeps time itself should pass less than its own limit, so that recovery is over before the host acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout(u32);

impl Timeout {
    /// The default of the command's class.
    pub const BY_CLASS: Self = Self(0);

    /// `millis` milliseconds; 0 counts as 1.
    pub const fn from_millis(millis: u32) -> Self {
        Self(if millis == 0 { 1 } else { millis })
    }

    /// `seconds` seconds, at most 49 days.
    pub const fn from_secs(seconds: u32) -> Self {
        Self::from_millis(seconds.saturating_mul(1000))
    }

    /// The duration; zero for [`Self::BY_CLASS`].
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0 as u64)
    }

    pub(crate) const fn nanos(self) -> u64 {
        self.0 as u64 * 1_000_000
    }

    /// When a command that begins at `now` is out of time. Wraps after 584 years.
    #[inline]
    pub(crate) const fn after(self, now: Instant) -> Instant {
        now.wrapping_after(self.nanos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_never_by_class_by_accident() {
        assert_eq!(Timeout::from_millis(0), Timeout::from_millis(1));
        let longest = Duration::from_millis(u64::from(u32::MAX));
        assert_eq!(Timeout::from_secs(u32::MAX).duration(), longest);
        let at = Instant::from_millis(5);
        assert_eq!(Timeout::from_millis(7).after(at), Instant::from_millis(12));
    }

    #[test]
    fn time_saturates() {
        assert_eq!(Instant::from_millis(u64::MAX) + Duration::MAX, Instant::from_nanos(u64::MAX));
        assert_eq!(Instant::ZERO.since(Instant::from_millis(1)), Duration::ZERO);
    }
}
