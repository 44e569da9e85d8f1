//! What every simulated controller offers to the machine around it.

use hba_core::register::RegOffset;
use hba_core::time::Instant;

use crate::target::Target;
use crate::topology::{AttachError, Topology};

/// How far one call of [`ControllerModel::run`] came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Units of work done: words consumed, requests fetched, commands offered, replies posted.
    pub done: u32,
    /// Whether the budget ended before the work did.
    pub more: bool,
}

/// A controller at register level, with the targets behind it.
///
/// A model does nothing by itself: registers are read and written, and [`run`](Self::run) lets it work for a while.
pub trait ControllerModel: Send {
    /// The host reads the register at `offset`; reads have side effects.
    fn read(&mut self, offset: RegOffset) -> u32;

    /// The host writes the register at `offset`.
    fn write(&mut self, offset: RegOffset, value: u32);

    /// The host writes 64 bits at `offset` in one store: the low half, then the high half, with nothing in between.
    fn write64(&mut self, offset: RegOffset, value: u64) {
        self.write(offset, value as u32);
        self.write(RegOffset(offset.0.wrapping_add(4)), (value >> 32) as u32);
    }

    /// Works until there is nothing to do at `now` or `budget` units are used up. Time does not go backwards: an older
    /// `now` counts as the latest one seen.
    fn run(&mut self, now: Instant, budget: u32) -> Progress;

    /// When [`run`](Self::run) will next have something to do, if time alone decides.
    fn next_due(&self) -> Option<Instant>;

    /// Whether the level interrupt (INTx) is asserted.
    fn interrupt_level(&self) -> bool;

    /// How many message signalled interrupts were sent since the last call.
    fn take_messages(&mut self) -> u32;

    /// Which vectors sent message signalled interrupts since the last call of this or of
    /// [`take_messages`](Self::take_messages): bit n for vector n. A model with one vector need not say more.
    fn take_message_vectors(&mut self) -> u128 {
        u128::from(self.take_messages() != 0)
    }

    /// The targets.
    fn topology(&self) -> &Topology;

    /// The targets.
    fn topology_mut(&mut self) -> &mut Topology;

    /// Hot plug: puts a target in an empty slot and lets the controller discover it.
    ///
    /// # Errors
    ///
    /// [`AttachError`] with the target when there is no such slot or it is in use.
    fn attach(&mut self, slot: usize, target: Box<dyn Target>) -> Result<(), AttachError>;

    /// Hot removal: takes the target out of a slot; its commands end as the controller reports them.
    fn detach(&mut self, slot: usize) -> Option<Box<dyn Target>>;

    /// The target in a slot loses power or gets it back; without power it does not exist for the controller.
    ///
    /// A model that reports topology, or that has commands to end, does more than this default.
    fn set_target_power(&mut self, slot: usize, on: bool) {
        self.topology_mut().set_power(slot, on);
    }

    /// The controller loses power: it forgets everything and its registers read all ones.
    fn power_cut(&mut self);

    /// The controller has power again and is in its power-on state.
    fn power_on(&mut self);

    /// The controller stops with a fault code, if it has a state for that and is not in it. Returns whether it has one.
    fn stop_with_fault(&mut self, code: u16) -> bool {
        let _ = code;
        false
    }
}
