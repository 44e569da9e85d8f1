//! Where the core knows each disk.

use hba_core::command::{Nexus, TargetId};
use hba_core::port::TargetInfo;
use scsi_proto::Lun;

use crate::target::SasAddress;

/// The disks by name, and the last address that the core had for each.
pub(super) struct Addresses {
    disks: Vec<(SasAddress, TargetId)>,
    units_per_disk: u32,
}

impl Addresses {
    /// Finds each disk among the targets of the core.
    ///
    /// # Errors
    ///
    /// Text, where one is not there.
    pub(super) fn new(
        names: impl Iterator<Item = SasAddress>,
        targets: &[TargetInfo],
        units_per_disk: u32,
    ) -> Result<Self, String> {
        let find = |(index, name): (usize, SasAddress)| {
            let known = targets.iter().find(|target| target.port_name == name.0);
            known
                .map(|target| (name, target.id))
                .ok_or_else(|| format!("disk {index} was not found"))
        };
        Ok(Self { disks: names.enumerate().map(find).collect::<Result<_, _>>()?, units_per_disk })
    }

    /// A disk has arrived or changed. Says which, when it is under another address than before.
    pub(super) fn learn(&mut self, target: &TargetInfo) -> Option<usize> {
        let named = |(name, _): &(SasAddress, _)| *name == SasAddress(target.port_name);
        let disk = self.disks.iter().position(named)?;
        let before = core::mem::replace(&mut self.disks[disk].1, target.id);
        (before != target.id).then_some(disk)
    }

    /// Where a unit is, counted over all disks.
    pub(super) fn nexus(&self, unit: u32) -> Nexus {
        let (_, target) = self.disks[(unit / self.units_per_disk) as usize];
        Nexus::new(target, Lun::from_number((unit % self.units_per_disk) as u16))
    }
}
