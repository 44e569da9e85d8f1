//! Pages of integrated RAID: volumes and their members. Source: measured layouts, `MPI2_CONFIG_PAGE_RAID_VOL_*`,
//! `_RD_PDISK_0`, `_RAID_CONFIGURATION_0`.

use super::super::Mpi2Controller;
use super::super::volumes::Member;
use crate::mpt::page::{Body, NoPage, Page};

/// VolumeState and PhysDiskState: nothing is amiss.
const VOLUME_OPTIMAL: u8 = 0x05;
const DISK_OPTIMAL: u8 = 0x07;
/// VolumeType: mirrored.
const RAID_1: u8 = 0x02;
/// NumElements of a page for an iteration: the only configuration.
const CONFIGURATION: u8 = 0;
/// Page address: form in bits 31:28.
const FORM_SHIFT: u32 = 28;

impl Mpi2Controller {
    pub(super) fn raid_volume_page(&self, number: u8, address: u32) -> Result<Page, NoPage> {
        let handle = (address & 0xffff) as u16;
        let slot = match address >> FORM_SHIFT {
            0 if handle == 0xffff => self.next_volume(0),
            0 => self.next_volume(handle),
            1 => self.volume(handle),
            _ => None,
        };
        let slot = slot.ok_or(NoPage::Page)?;
        let handle = self.devices.handle(slot).ok_or(NoPage::Page)?;
        let mut body = Body::default();
        match number {
            0 => {
                let members = self.members(slot);
                // Status flags, settings, last LBA (not known here), stripe, block size.
                body.u16(handle).u8(VOLUME_OPTIMAL).u8(RAID_1).zeros(20).u16(512).zeros(2);
                body.zeros(4).u8(members.len() as u8).zeros(3);
                for member in members {
                    body.u8(0).u8(member.index).u8(member.number).u8(0);
                }
                Ok(body.page(0x0a))
            }
            1 => {
                body.u16(handle).zeros(2).text("SIM-VOLUME", 24).text("volume", 16);
                Ok(body.u64(self.volume_wwid(slot)).zeros(8).page(3))
            }
            _ => Err(NoPage::Page),
        }
    }

    pub(super) fn raid_disk_page(&self, number: u8, address: u32) -> Result<Page, NoPage> {
        let value = address & 0xffff;
        let wanted = |member: &Member| match address >> FORM_SHIFT {
            0 if value & 0xff == 0xff => true,
            0 => u32::from(member.number) > value & 0xff,
            1 => u32::from(member.number) == value & 0xff,
            2 => u32::from(self.devices.handle(member.slot).unwrap_or(0)) == value,
            _ => false,
        };
        let mut members = self.all_members().into_iter();
        let member = members.find(wanted).filter(|_| number == 0).ok_or(NoPage::Page)?;
        let mut body = Body::default();
        body.u16(self.devices.handle(member.slot).unwrap_or(0)).u8(0).u8(member.number).zeros(8);
        body.text("SIM", 8).text("MEMBER", 16).text("0001", 4).text("", 32).zeros(4);
        // State; then reasons, attributes, flags, sizes (not known here).
        body.u8(DISK_OPTIMAL).zeros(31).u16(512).zeros(6);
        Ok(body.page(5))
    }

    pub(super) fn raid_configuration_page(&self, number: u8, address: u32) -> Result<Page, NoPage> {
        let volumes = self.volumes();
        let found = match address >> FORM_SHIFT {
            0 => address & 0xff == 0xff,
            1 => address & 0xff == u32::from(CONFIGURATION),
            2 => true,
            _ => false,
        };
        if number != 0 || !found || volumes.is_empty() {
            return Err(NoPage::Page);
        }
        let (elements, bytes) = self.volume_elements(&volumes, 0, 0);
        let mut body = Body::default();
        body.u8(0).u8(self.all_members().len() as u8).u8(volumes.len() as u8).u8(CONFIGURATION);
        body.u32(0).text("SIM-CONFIGURATION", 24).u32(0).u8(elements).zeros(3);
        Ok(body.bytes(&bytes).page(0))
    }
}
