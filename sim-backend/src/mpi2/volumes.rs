//! Integrated RAID, as far as a driver sees it: volumes that are there from the start, listed and usable.
//!
//! The slots above the phys are for volumes. A volume is a target of its own; the disks at two phys are its members, which
//! stay hidden and see none of its I/O: volume 0 has those of phys 0 and 1, volume 1 those of phys 2 and 3.

use super::Mpi2Controller;

/// Event: volumes and their members.
const EVENT_IR_CONFIGURATION_CHANGE_LIST: u16 = 0x20;
/// ElementFlags: a volume.
const ELEMENT_VOLUME: u16 = 0;
/// ElementFlags: a member of a volume.
const ELEMENT_MEMBER: u16 = 1;

/// ReasonCode of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Change {
    Added = 1,
    Removed = 2,
    Hide = 4,
    Unhide = 5,
}

/// A disk that is part of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) slot: usize,
    /// Its place in the volume.
    pub(super) index: u8,
    /// Its physical disk number.
    pub(super) number: u8,
}

impl Mpi2Controller {
    fn first_volume_slot(&self) -> usize {
        self.personality.facts.phys.into()
    }

    /// Whether a slot is for a volume.
    pub(super) fn is_volume_slot(&self, slot: usize) -> bool {
        slot >= self.first_volume_slot()
    }

    /// The slots of all volumes that are there.
    pub(super) fn volumes(&self) -> Vec<usize> {
        let slots = self.first_volume_slot()..self.topology.slots();
        slots.filter(|slot| self.topology.target(*slot).is_some()).collect()
    }

    /// The slot of the volume with this handle.
    pub(super) fn volume(&self, handle: u16) -> Option<usize> {
        let mut volumes = self.volumes().into_iter();
        volumes.find(|slot| self.devices.handle(*slot) == Some(handle))
    }

    /// The slot of the volume with the lowest handle above `handle`.
    pub(super) fn next_volume(&self, handle: u16) -> Option<usize> {
        let volumes = self.volumes().into_iter();
        let later = volumes.filter_map(|slot| Some((self.devices.handle(slot)?, slot)));
        later.filter(|(other, _)| *other > handle).min().map(|(_, slot)| slot)
    }

    /// The disks of a volume.
    pub(super) fn members(&self, volume: usize) -> Vec<Member> {
        let first = volume.saturating_sub(self.first_volume_slot()) * 2;
        let slots = [first, first + 1].into_iter().zip(0u8..);
        let there = slots.filter(|(slot, _)| {
            *slot < self.first_volume_slot() && self.topology.target(*slot).is_some()
        });
        there.map(|(slot, index)| Member { slot, index, number: slot as u8 }).collect()
    }

    /// The disks of all volumes.
    pub(super) fn all_members(&self) -> Vec<Member> {
        self.volumes().into_iter().flat_map(|volume| self.members(volume)).collect()
    }

    /// Whether the disk in a slot is hidden because it belongs to a volume.
    pub(super) fn is_member(&self, slot: usize) -> bool {
        self.all_members().iter().any(|member| member.slot == slot)
    }

    /// The WWID of a volume: its target's address.
    pub(super) fn volume_wwid(&self, slot: usize) -> u64 {
        self.topology.target(slot).map_or(0, |target| target.sas_address().0)
    }

    /// Elements for volumes and their members, of 8 bytes each: how many, and the bytes. Byte 4 is the reason in an event,
    /// the hot spare pool in a page.
    pub(super) fn volume_elements(
        &self,
        volumes: &[usize],
        volume: u8,
        member: u8,
    ) -> (u8, Vec<u8>) {
        let mut bytes = Vec::new();
        for slot in volumes {
            let handle = self.devices.handle(*slot).unwrap_or(0);
            bytes.extend(element(ELEMENT_VOLUME, handle, volume, 0, 0));
            for disk in self.members(*slot) {
                let at = self.devices.handle(disk.slot).unwrap_or(0);
                bytes.extend(element(ELEMENT_MEMBER, handle, member, disk.number, at));
            }
        }
        ((bytes.len() / 8) as u8, bytes)
    }

    /// Tells the host of volumes that are there, or no more.
    pub(super) fn raise_volumes(&mut self, volumes: &[usize], volume: Change, member: Change) {
        if volumes.is_empty() {
            return;
        }
        let (count, elements) = self.volume_elements(volumes, volume as u8, member as u8);
        let mut data = vec![count, 0, 0, 0, 0, 0, 0, 0];
        data.extend(elements);
        self.raise_acknowledged(EVENT_IR_CONFIGURATION_CHANGE_LIST, &data);
    }
}

/// Source: measured layouts, `MPI2_EVENT_IR_CONFIG_ELEMENT`, `MPI2_RAIDCONFIG0_CONFIG_ELEMENT`.
const fn element(kind: u16, volume: u16, reason: u8, number: u8, disk: u16) -> [u8; 8] {
    let ([k0, k1], [v0, v1], [d0, d1]) =
        (kind.to_le_bytes(), volume.to_le_bytes(), disk.to_le_bytes());
    [k0, k1, v0, v1, reason, number, d0, d1]
}
