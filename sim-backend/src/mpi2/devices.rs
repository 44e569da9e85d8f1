//! Device handles: who has which, and which the host has not let go of.

use hba_core::time::Instant;

use super::personality::Facts;

/// What a handle leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The device in a slot.
    Present(usize),
    /// A device that has left, and whose handle the host has not given back.
    Left,
    /// Nothing, and never was or no more.
    Unknown,
}

/// The handle of the device in each slot, and handles of devices that have left.
///
/// A handle rests until the host removes the device, or until a diagnostic reset.
#[derive(Clone, Debug)]
pub(super) struct Devices {
    slots: Vec<Option<u16>>,
    /// The slots of phys, before those of volumes.
    phys: usize,
    leaving: Vec<u16>,
    /// Slots whose device does not respond, and when that is reported.
    missing: Vec<(usize, Instant)>,
    min: u16,
    max: u16,
}

impl Devices {
    pub(super) fn new(facts: &Facts) -> Self {
        Self {
            slots: vec![None; facts.slots()],
            phys: facts.phys.into(),
            leaving: Vec::new(),
            missing: Vec::new(),
            min: facts.min_dev_handle(),
            max: facts.max_dev_handle,
        }
    }

    /// The handle of the device in a slot.
    pub(super) fn handle(&self, slot: usize) -> Option<u16> {
        self.slots.get(slot).copied().flatten()
    }

    /// Gives the device in a slot the lowest handle that nobody has; `None` when all are in use.
    pub(super) fn assign(&mut self, slot: usize) -> Option<u16> {
        if let Some(handle) = self.handle(slot) {
            return Some(handle);
        }
        let handle = (self.min..=self.max).find(|handle| self.find(*handle) == Found::Unknown)?;
        *self.slots.get_mut(slot)? = Some(handle);
        Some(handle)
    }

    /// The device in a slot has left; its handle rests. Returns the handle.
    pub(super) fn retire(&mut self, slot: usize) -> Option<u16> {
        let handle = self.slots.get_mut(slot)?.take()?;
        self.leaving.push(handle);
        Some(handle)
    }

    /// The host gives the handle of a device that has left back. Returns whether there was one.
    pub(super) fn release(&mut self, handle: u16) -> bool {
        let before = self.leaving.len();
        self.leaving.retain(|leaving| *leaving != handle);
        self.leaving.len() != before
    }

    pub(super) fn forget_leaving(&mut self) {
        self.leaving.clear();
    }

    pub(super) fn find(&self, handle: u16) -> Found {
        let slot = self.slots.iter().position(|entry| *entry == Some(handle));
        match slot {
            Some(slot) => Found::Present(slot),
            None if self.leaving.contains(&handle) => Found::Left,
            None => Found::Unknown,
        }
    }

    /// The slot of a phy with the lowest handle above `handle`.
    pub(super) fn next_after(&self, handle: u16) -> Option<usize> {
        let slots = self.slots.iter().take(self.phys).enumerate();
        let later = slots.filter_map(|(slot, entry)| Some((entry.filter(|h| *h > handle)?, slot)));
        later.min().map(|(_, slot)| slot)
    }

    /// The device in a slot does not respond; if that stays so until `due` it has left.
    pub(super) fn miss(&mut self, slot: usize, due: Instant) {
        self.missing.push((slot, due));
    }

    /// The device in a slot responds again. Returns whether it was missed.
    pub(super) fn meet(&mut self, slot: usize) -> bool {
        let before = self.missing.len();
        self.missing.retain(|(missing, _)| *missing != slot);
        self.missing.len() != before
    }

    /// A slot whose device was missed for too long.
    pub(super) fn take_overdue(&mut self, now: Instant) -> Option<usize> {
        let index = self.missing.iter().position(|(_, due)| *due <= now)?;
        Some(self.missing.remove(index).0)
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.missing.iter().map(|(_, due)| *due).min()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Personality;
    use super::*;

    #[test]
    fn a_handle_rests_until_the_host_lets_go() {
        let mut devices = Devices::new(&Personality::sas2008().facts);
        assert_eq!((devices.assign(2), devices.assign(0)), (Some(9), Some(10)));
        assert_eq!(devices.assign(2), Some(9), "it has one");
        assert_eq!(devices.next_after(0), Some(2), "handles order, not slots");
        assert_eq!(devices.retire(2), Some(9));
        assert_eq!((devices.find(9), devices.find(10)), (Found::Left, Found::Present(0)));
        assert_eq!(devices.assign(2), Some(11), "9 rests");
        assert!(devices.release(9) && !devices.release(9));
        assert_eq!(devices.find(9), Found::Unknown);
        assert_eq!(devices.assign(5), Some(9));
    }
}
