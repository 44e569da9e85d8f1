//! Faults that a test can order. All fields may be changed at any time; counts run down to 0.

use super::codes::IocStatus;
use crate::counted::left;

/// What goes wrong, and how often.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The device has left the bus: all reads give all ones, writes vanish, nothing is done.
    pub removed: bool,
    /// This many reads of Doorbell or Diagnostic give 0, as under the load of a BMC.
    pub read_zero: u32,
    /// Doorbell writes are never taken: IntStatus bit 31 stays.
    pub stuck_doorbell: bool,
    /// Message unit resets are ignored.
    pub ignore_message_unit_reset: bool,
    /// A diagnostic reset does not end while this is set.
    pub stuck_in_reset: bool,
    /// Nothing is fetched or executed: firmware that has stopped without a fault state.
    pub frozen: bool,
    /// This many of the next replies are lost.
    pub lose_replies: u32,
    /// This many of the next replies are posted twice.
    pub duplicate_replies: u32,
    /// This many of the next address replies are posted with their frame address xor this value.
    pub corrupt_address: Option<(u32, u32)>,
    /// One byte of this many of the next address replies: count, then offset in the reply and value.
    pub patch_replies: Option<(u32, (usize, u8))>,
    /// This many of the next SCSI IO requests are answered with this status and not executed.
    pub refuse_commands: Option<(u32, IocStatus)>,
    /// This many of the next task management requests get no reply and have no effect.
    pub swallow_task_management: u32,
    /// This many of the next task management requests fail: response code.
    pub fail_task_management: Option<(u32, u8)>,
    /// This many of the next commands move only the first half of their data and say nothing of it.
    pub cut_transfers: u32,
    /// Stray words for the reply post FIFO: context replies that nobody expects, or bad addresses.
    pub stray_replies: Vec<u32>,
}

impl Faults {
    /// Whether none is left to strike.
    pub(super) fn are_spent(&self) -> bool {
        let Self { corrupt_address, patch_replies, refuse_commands, .. } = self;
        let uncounted = Self {
            corrupt_address: left(*corrupt_address),
            patch_replies: left(*patch_replies),
            refuse_commands: left(*refuse_commands),
            fail_task_management: left(self.fail_task_management),
            ..self.clone()
        };
        uncounted == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counted::{take, take_value};

    #[test]
    fn counts_run_down() {
        let mut faults = Faults { lose_replies: 1, ..Faults::default() };
        faults.refuse_commands = Some((1, IocStatus::BUSY));
        assert_eq!([take(&mut faults.lose_replies), take(&mut faults.lose_replies)], [true, false]);
        assert_eq!(take_value(&mut faults.refuse_commands), Some(IocStatus::BUSY));
        assert_eq!(take_value(&mut faults.refuse_commands), None);
    }
}
