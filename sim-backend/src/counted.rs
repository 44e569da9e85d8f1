//! Faults that happen a number of times.

/// Uses up one of `count`.
pub(crate) const fn take(count: &mut u32) -> bool {
    let some = *count > 0;
    *count = count.saturating_sub(1);
    some
}

/// Uses up one of a counted value.
pub(crate) fn take_value<T: Copy>(fault: &mut Option<(u32, T)>) -> Option<T> {
    let (count, value) = fault.as_mut()?;
    take(count).then_some(*value)
}

/// A counted value of which something is left.
pub(crate) const fn left<T: Copy>(fault: Option<(u32, T)>) -> Option<(u32, T)> {
    match fault {
        Some((0, _)) => None,
        some => some,
    }
}
