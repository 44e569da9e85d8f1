//! Task IDs for hosts that number a controller's tasks themselves.
//!
//! Apple's SCSIControllerDriverKit maps the memory of every parallel task once and asks the driver for a unique ID of
//! each. Duplicate, zero and stale IDs end in commands that complete for one another, so that they are handed out in one
//! place, counted.

use core::fmt;
use core::num::NonZeroU32;

/// A host's name for one of its tasks: 1 to N. Neither a [`Tag`](crate::port::Tag) nor a frame index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(NonZeroU32);

impl TaskId {
    /// The number: never 0.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Gives out the task IDs 1 to N, each exactly once.
#[derive(Debug)]
pub struct TaskIds {
    /// IDs given out; the last one is this number.
    issued: u32,
    count: u32,
}

impl TaskIds {
    /// IDs for `count` tasks: the number that the host was told.
    pub const fn new(count: u32) -> Self {
        Self { issued: 0, count }
    }

    /// The next ID.
    ///
    /// # Errors
    ///
    /// [`NoTaskId`] when all were given out.
    pub const fn issue(&mut self) -> Result<TaskId, NoTaskId> {
        if self.issued == self.count {
            return Err(NoTaskId { count: self.count });
        }
        // Below the count, so that the sum cannot overflow.
        match NonZeroU32::new(self.issued + 1) {
            Some(id) => {
                self.issued = id.get();
                Ok(TaskId(id))
            }
            None => Err(NoTaskId { count: self.count }),
        }
    }

    /// The ID that a host hands back, or `None` for a number that was never given out. Counted from 0,
    /// `id.get() - 1` indexes a table of N.
    pub const fn check(&self, raw: u32) -> Option<TaskId> {
        match NonZeroU32::new(raw) {
            Some(id) if raw <= self.issued => Some(TaskId(id)),
            _ => None,
        }
    }

    /// How many IDs there are.
    pub const fn count(&self) -> u32 {
        self.count
    }
}

/// The host asked for more task IDs than it was told that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoTaskId {
    /// How many there are.
    pub count: u32,
}

impl fmt::Display for NoTaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "all {} task ids were given out", self.count)
    }
}

impl core::error::Error for NoTaskId {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b12_task_ids_are_1_to_n_unique() {
        for count in [0, 1, 2, 128, 65_535, 1 << 20] {
            let mut ids = TaskIds::new(count);
            for expected in 1..=count {
                assert_eq!(ids.check(expected), None, "not given out yet");
                let id = ids.issue().expect("at most the count");
                assert_eq!((id.get(), ids.check(expected)), (expected, Some(id)));
            }
            assert_eq!(ids.issue(), Err(NoTaskId { count }));
            assert_eq!(ids.issue(), Err(NoTaskId { count }), "and it stays so");
            assert_eq!((ids.check(0), ids.check(count.wrapping_add(1))), (None, None));
        }
    }

    /// The end of the range, reached without the four thousand million steps before it.
    #[test]
    fn b12_task_ids_end_with_the_largest_number() {
        let mut ids = TaskIds { issued: u32::MAX - 2, count: u32::MAX };
        assert_eq!(ids.issue().map(TaskId::get), Ok(u32::MAX - 1));
        assert_eq!(ids.issue().map(TaskId::get), Ok(u32::MAX));
        assert_eq!(ids.issue(), Err(NoTaskId { count: u32::MAX }));
        assert_eq!(ids.check(u32::MAX).map(TaskId::get), Some(u32::MAX));
    }
}
