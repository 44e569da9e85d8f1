//! The end devices behind a controller, by slot.

use core::fmt;

use crate::target::Target;

/// A fixed number of slots; each may contain one target. A controller model maps slots to its phys and target ids.
pub struct Topology {
    slots: Vec<Slot>,
}

#[derive(Default)]
struct Slot {
    target: Option<Box<dyn Target>>,
    /// While set the controller offers the target no task.
    held: bool,
    /// While set the target has no power and does not exist for the controller.
    off: bool,
}

/// A slot number that is too large, or a slot that is in use; the target comes back.
pub struct AttachError {
    /// What was to be attached.
    pub target: Box<dyn Target>,
    /// Where.
    pub slot: usize,
    /// How many slots there are.
    pub slots: usize,
}

impl Topology {
    /// `slots` empty slots.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        Self { slots: (0..slots).map(|_| Slot::default()).collect() }
    }

    /// How many slots there are, used or not.
    #[must_use]
    pub const fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Puts a target in an empty slot. The controller is not told: see
    /// [`ControllerModel::attach`](crate::controller::ControllerModel::attach).
    ///
    /// # Errors
    ///
    /// [`AttachError`] with the target when there is no such slot or it is in use.
    pub fn insert(&mut self, slot: usize, target: Box<dyn Target>) -> Result<(), AttachError> {
        let slots = self.slots.len();
        match self.slots.get_mut(slot) {
            Some(entry) if entry.target.is_none() => {
                *entry = Slot { target: Some(target), held: false, off: false };
                Ok(())
            }
            _ => Err(AttachError { target, slot, slots }),
        }
    }

    /// Takes the target out of a slot.
    pub fn remove(&mut self, slot: usize) -> Option<Box<dyn Target>> {
        self.slots.get_mut(slot).and_then(|entry| entry.target.take())
    }

    /// Whether there is a target in a slot, with power or without.
    #[must_use]
    pub fn is_used(&self, slot: usize) -> bool {
        self.slots.get(slot).is_some_and(|entry| entry.target.is_some())
    }

    /// The target in a slot, if it has power.
    #[must_use]
    pub fn target(&self, slot: usize) -> Option<&(dyn Target + 'static)> {
        self.slots.get(slot).filter(|entry| !entry.off)?.target.as_deref()
    }

    /// The target in a slot, if it has power.
    pub fn target_mut(&mut self, slot: usize) -> Option<&mut (dyn Target + 'static)> {
        self.slots.get_mut(slot).filter(|entry| !entry.off)?.target.as_deref_mut()
    }

    /// All targets that have power, in slot order.
    pub fn targets_mut(&mut self) -> impl Iterator<Item = &mut (dyn Target + 'static)> {
        let powered = self.slots.iter_mut().filter(|entry| !entry.off);
        powered.filter_map(|entry| entry.target.as_deref_mut())
    }

    /// Cuts or restores the power of the target in a slot. Returns whether that changed anything.
    pub fn set_power(&mut self, slot: usize, on: bool) -> bool {
        let Some(entry) = self.slots.get_mut(slot).filter(|entry| entry.off == on) else {
            return false;
        };
        let Some(target) = &mut entry.target else { return false };
        entry.off = !on;
        if on {
            target.power_on();
        } else {
            target.power_cut();
        }
        true
    }

    /// Stops (or resumes) offering tasks to the target in a slot: a disk that has gone quiet.
    pub fn hold(&mut self, slot: usize, held: bool) {
        if let Some(entry) = self.slots.get_mut(slot) {
            entry.held = held;
        }
    }

    /// Whether [`hold`](Self::hold) is in force for a slot.
    #[must_use]
    pub fn is_held(&self, slot: usize) -> bool {
        self.slots.get(slot).is_some_and(|entry| entry.held)
    }
}

impl fmt::Debug for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slots = self.slots.iter().enumerate();
        let used = slots.filter_map(|(i, s)| Some((i, s.target.as_deref()?.sas_address())));
        f.debug_map().entries(used).finish()
    }
}

impl fmt::Debug for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "slot {} of {} is not free", self.slot, self.slots)
    }
}

impl core::error::Error for AttachError {}
