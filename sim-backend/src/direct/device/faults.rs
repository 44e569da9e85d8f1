//! Faults that a test can order. All fields may be changed at any time; counts run down to 0.

use crate::counted::left;

/// The code of the fault state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultCode(pub u16);

impl FaultCode {
    /// START with numbers or addresses that make no sense.
    pub const CONFIGURATION: Self = Self(1);
    /// A doorbell for a slot that does not exist or whose command is not answered yet.
    pub const DOORBELL: Self = Self(2);
    /// An access to a request slot or a ring failed.
    pub const HOST_MEMORY: Self = Self(3);
    /// A request slot without a request of that slot in it.
    pub const REQUEST: Self = Self(5);
    /// More task management functions than the controller can hold.
    pub const ADMIN: Self = Self(4);
}

/// What goes wrong, and how often.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The controller has left the bus: all reads give all ones, writes vanish, nothing is done.
    pub removed: bool,
    /// A reset does not end while this is set.
    pub stuck_in_reset: bool,
    /// Nothing is fetched or executed: firmware that has stopped without a fault state.
    pub frozen: bool,
    /// This many of the next replies are lost.
    pub lose_replies: u32,
    /// This many of the next replies are posted twice.
    pub duplicate_replies: u32,
    /// This many of the next replies are posted on the ring of the next vector instead of their own.
    pub foreign_vector: u32,
    /// This many of the next replies are preceded by one that names the previous use of the slot.
    pub stale_generation: u32,
    /// This many of the next replies are preceded by one for this slot number: count, then slot.
    pub bad_slot: Option<(u32, u16)>,
    /// One 32-bit word of this many of the next detail records: count, then index of the word and value.
    pub patch_details: Option<(u32, (usize, u32))>,
    /// This many of the next task management functions get no answer and have no effect.
    pub swallow_task_management: u32,
    /// This many of the next task management functions fail with this result: count, then code.
    pub fail_task_management: Option<(u32, u16)>,
    /// Descriptors that nobody expects, as words without a phase, and the ring that they go to.
    pub stray: Vec<(u8, [u32; 2])>,
}

impl Faults {
    /// Whether none is left to strike.
    pub(super) fn are_spent(&self) -> bool {
        let Self { bad_slot, patch_details, fail_task_management, .. } = self;
        let uncounted = Self {
            bad_slot: left(*bad_slot),
            patch_details: left(*patch_details),
            fail_task_management: left(*fail_task_management),
            ..self.clone()
        };
        uncounted == Self::default()
    }
}
