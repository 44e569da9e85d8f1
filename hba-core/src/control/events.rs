//! The one stream of events of an adapter.

use alloc::collections::VecDeque;
use core::fmt;

use crate::command::{Nexus, TargetId};
use crate::control::Rung;
use crate::durability::Loss;
use crate::port::{BadReply, BringUpError, TargetInfo, TaskManagementId, TaskManagementResult};

/// Something that happened to the adapter as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ControlEvent {
    /// Requests flow, after bring-up or after a reset.
    Operational,
    /// A bring-up or a reset ended in an error.
    BringUpFailed(BringUpError),
    /// A target is there.
    TargetArrived(TargetInfo),
    /// Another target answers at a known address.
    TargetChanged(TargetInfo),
    /// A target is not there any more.
    TargetDeparted(TargetId),
    /// The answer to a task management function that the caller asked for; `None` when a reset overtook it.
    TaskManagement(TaskManagementId, Option<TaskManagementResult>),
    /// A command did not end in time, or the caller aborted it: this rung of the ladder is tried.
    Recovering(Nexus, Rung),
    /// A rung ended the commands that it was tried for.
    Recovered(Nexus, Rung),
    /// The controller is being reset.
    ResetBegun(ResetReason),
    /// Too many resets in too short a time: the controller is given up.
    GivenUp,
    /// The controller left the bus.
    Gone,
    /// Acknowledged writes of a unit may be lost: its flushes fail until the loss is acknowledged. Comes again when the loss
    /// grows.
    LossPending(Nexus, Loss),
    /// The controller sleeps; see [`Control::suspend`](super::Control::suspend).
    Suspended,
    /// The device broke the protocol on the control path.
    BadReply(BadReply),
    /// An event that only the vendor's manual explains.
    Vendor {
        /// The backend's event code.
        code: u32,
        /// The first word of its data.
        data: u32,
    },
    /// This many events were dropped because nobody took them.
    Lost(u32),
}

/// Why a controller is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResetReason {
    /// The owner asked for it.
    Requested,
    /// The controller stopped with a fault code.
    Fault(u16),
    /// No task management function ended a command.
    LadderExhausted,
    /// The backend lost trust in the controller.
    Distrust(&'static str),
}

impl fmt::Display for ResetReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requested => f.write_str("requested"),
            Self::Fault(code) => write!(f, "fault {code:#06x}"),
            Self::LadderExhausted => f.write_str("no task management function ended a command"),
            Self::Distrust(why) => f.write_str(why),
        }
    }
}

impl fmt::Display for ControlEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operational => f.write_str("operational"),
            Self::BringUpFailed(error) => write!(f, "bring-up failed: {error}"),
            Self::TargetArrived(target) => write!(f, "target {} arrived", target.id),
            Self::TargetChanged(target) => write!(f, "target {} changed", target.id),
            Self::TargetDeparted(id) => write!(f, "target {id} departed"),
            Self::TaskManagement(_, Some(result)) => write!(f, "task management: {result:?}"),
            Self::TaskManagement(_, None) => f.write_str("task management overtaken by a reset"),
            Self::Recovering(nexus, rung) => write!(f, "{nexus}: {rung} begins"),
            Self::Recovered(nexus, rung) => write!(f, "{nexus}: {rung} helped"),
            Self::ResetBegun(reason) => write!(f, "controller reset: {reason}"),
            Self::GivenUp => f.write_str("too many resets, the controller is given up"),
            Self::Gone => f.write_str("the controller left the bus"),
            Self::LossPending(nexus, loss) => write!(f, "{nexus}: {loss}"),
            Self::Suspended => f.write_str("suspended"),
            Self::BadReply(bad) => write!(f, "bad reply: {bad:?}"),
            Self::Vendor { code, data } => write!(f, "vendor event {code:#x}, data {data:#010x}"),
            Self::Lost(count) => write!(f, "{count} events were lost"),
        }
    }
}

/// A bounded queue that drops the oldest and says how many.
#[derive(Debug)]
pub(super) struct Events {
    queue: VecDeque<ControlEvent>,
    lost: u32,
}

impl Events {
    const MAX: usize = 64;

    pub(super) fn new() -> Self {
        Self { queue: VecDeque::with_capacity(Self::MAX), lost: 0 }
    }

    pub(super) fn push(&mut self, event: ControlEvent) {
        if self.queue.len() == Self::MAX {
            self.queue.pop_front();
            self.lost = self.lost.saturating_add(1);
        }
        self.queue.push_back(event);
    }

    pub(super) fn pop(&mut self) -> Option<ControlEvent> {
        match core::mem::take(&mut self.lost) {
            0 => self.queue.pop_front(),
            lost => Some(ControlEvent::Lost(lost)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overflow_is_reported_before_what_is_left() {
        let mut events = Events::new();
        for _ in 0..Events::MAX + 3 {
            events.push(ControlEvent::Operational);
        }
        assert_eq!(events.pop(), Some(ControlEvent::Lost(3)));
        assert_eq!(core::iter::from_fn(|| events.pop()).count(), Events::MAX);
    }
}
