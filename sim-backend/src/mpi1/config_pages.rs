//! The contents of the configuration pages. Source: measured layouts, `CONFIG_PAGE_*`.

use super::Mpi1Controller;
use crate::mpt::page::{Body, NoPage, Page};

/// PageType and, above 0Fh, ExtPageType.
pub(super) mod page_type {
    pub(in crate::mpi1) const IO_UNIT: u8 = 0x00;
    pub(in crate::mpi1) const IOC: u8 = 0x01;
    pub(in crate::mpi1) const MANUFACTURING: u8 = 0x09;
    pub(in crate::mpi1) const EXTENDED: u8 = 0x0f;
    pub(in crate::mpi1) const SAS_IO_UNIT: u8 = 0x10;
    pub(in crate::mpi1) const SAS_DEVICE: u8 = 0x12;
    pub(in crate::mpi1) const SAS_PHY: u8 = 0x13;
}

/// Link rates: hardware and programmed maximum 3.0, minimum 1.5 Gbit/s.
const RATES_15_TO_30: u8 = 0x98;
/// Negotiated link rate 3.0 Gbit/s.
pub(super) const RATE_30: u8 = 0x09;
/// Negotiated link rate: not known.
pub(super) const RATE_UNKNOWN: u8 = 0x00;
/// Negotiated link rate: nothing answers.
const RATE_FAILED: u8 = 0x02;
/// PCI ids of the SAS1068.
const VENDOR_LSI: u16 = 0x1000;
const DEVICE_SAS1068: u16 = 0x0054;

/// Page contents that the host has changed.
#[derive(Clone, Debug, Default)]
pub(super) struct Pages {
    /// The body of IOC page 1: flags, coalescing time-out, depth and slot number.
    pub(super) ioc_1: [u8; 12],
}

impl Mpi1Controller {
    /// DeviceInfo of an end device that is an SSP target.
    pub(super) const DEVICE_INFO: u32 = 0x0401;

    /// DeviceInfo of the controller: end device, SSP, STP and SMP initiator.
    const OWN_DEVICE_INFO: u32 = 0x0071;

    /// The handle of the controller's phy at `slot`.
    pub(super) const fn phy_handle(&self, slot: usize) -> u16 {
        slot as u16 + 1
    }

    /// The handle of the device in `slot`.
    pub(super) const fn device_handle(&self, slot: usize) -> u16 {
        slot as u16 + 1 + self.personality.facts.phys as u16
    }

    /// The page with this type, number and page address.
    pub(super) fn page(&self, kind: u8, number: u8, address: u32) -> Result<Page, NoPage> {
        match kind {
            page_type::MANUFACTURING => self.manufacturing_page(number),
            page_type::IO_UNIT => self.io_unit_page(number),
            page_type::IOC => self.ioc_page(number),
            page_type::SAS_IO_UNIT => self.sas_io_unit_page(number),
            page_type::SAS_PHY => self.sas_phy_page(number, address),
            page_type::SAS_DEVICE => self.sas_device_page(number, address),
            _ => Err(NoPage::Type),
        }
    }

    fn manufacturing_page(&self, number: u8) -> Result<Page, NoPage> {
        let identity = &self.personality.identity;
        let mut body = Body::default();
        match number {
            0 => {
                body.text(identity.chip_name, 16).text(identity.chip_revision, 8);
                body.text(identity.board_name, 16).text(identity.board_assembly, 16);
                Ok(body.text(identity.board_tracer, 16).page(0))
            }
            1..=10 if !self.personality.behaviour.qemu_pages => Err(NoPage::Page),
            2 | 3 => Ok(body.u16(DEVICE_SAS1068).zeros(6).page(0)),
            5 => Ok(body.u64(identity.sas_address).zeros(12).page(2)),
            1 => Ok(body.zeros(256).page(0)),
            4 => Ok(body.zeros(108).page(5)),
            7 => Ok(body.zeros(32).page(0)),
            6 | 8..=10 => Ok(body.zeros(4).page(0)),
            _ => Err(NoPage::Page),
        }
    }

    fn io_unit_page(&self, number: u8) -> Result<Page, NoPage> {
        let mut body = Body::default();
        match number {
            0 => Ok(body.u64(self.personality.identity.unique_value).page(0)),
            // Single function, RAID disabled.
            1 => Ok(body.u32(0x41).page(2)),
            2..=4 if !self.personality.behaviour.qemu_pages => Err(NoPage::Page),
            2 => {
                body.u32(0).u32(0x100).u8(0).u8(self.personality.identity.pci_devfn);
                Ok(body.zeros(18).page(2))
            }
            3 => Ok(body.zeros(8).page(1)),
            4 => Ok(body.zeros(16).page(0)),
            _ => Err(NoPage::Page),
        }
    }

    fn ioc_page(&self, number: u8) -> Result<Page, NoPage> {
        let mut body = Body::default();
        match number {
            0 => {
                body.zeros(8).u16(VENDOR_LSI).u16(DEVICE_SAS1068).zeros(4);
                // Class code 01_00_00 (SCSI), where QEMU puts its 16-bit class; then the subsystem ids.
                let class = if self.personality.behaviour.qemu_pages { 0x0100 } else { 0x01_0000 };
                Ok(body.u32(class).u16(VENDOR_LSI).u16(0x8000).page(1))
            }
            1 => Ok(body.bytes(&self.pages.ioc_1).page(3)),
            2 => Ok(body.zeros(8).page(4)),
            3..=6 if !self.personality.behaviour.qemu_pages => Err(NoPage::Page),
            3 | 4 => Ok(body.zeros(4).page(0)),
            5 => Ok(body.zeros(8).page(0)),
            6 => Ok(body.zeros(56).page(1)),
            _ => Err(NoPage::Page),
        }
    }

    fn sas_io_unit_page(&self, number: u8) -> Result<Page, NoPage> {
        let phys = self.personality.facts.phys;
        let mut body = Body::default();
        match number {
            0 => {
                body.zeros(4).u8(phys).zeros(3);
                (0..usize::from(phys)).for_each(|phy| self.sas_io_unit_0_phy(&mut body, phy));
                Ok(body.page(4))
            }
            1 => {
                body.zeros(8).u8(phys).zeros(3);
                for phy in 0..usize::from(phys) {
                    body.u8(phy as u8).zeros(2).u8(RATES_15_TO_30);
                    body.u32(self.attached_info(phy)).zeros(4);
                }
                Ok(body.page(7))
            }
            2..=3 if !self.personality.behaviour.qemu_pages => Err(NoPage::Page),
            2 => Ok(body.zeros(12).page(6)),
            3 => Ok(body.zeros(36).page(6)),
            _ => Err(NoPage::Page),
        }
    }

    fn sas_io_unit_0_phy(&self, body: &mut Body, phy: usize) {
        let rate = if self.topology.target(phy).is_some() { RATE_30 } else { RATE_FAILED };
        let handle = self.attached_handle(phy);
        body.u8(phy as u8).zeros(2).u8(rate).u32(self.attached_info(phy));
        body.u16(handle).u16(self.owner_handle(phy)).u32(0);
    }

    /// Who a phy belongs to: the controller. QEMU names the device behind the phy here.
    fn owner_handle(&self, phy: usize) -> u16 {
        if self.personality.behaviour.qemu_pages {
            self.attached_handle(phy)
        } else {
            self.phy_handle(phy)
        }
    }

    fn sas_phy_page(&self, number: u8, address: u32) -> Result<Page, NoPage> {
        // Form 0: phy number; form 1: index in the phy table.
        let phy = match address >> 28 {
            0 => address & 0xff,
            1 => address & 0xffff,
            _ => return Err(NoPage::Page),
        };
        let phy = self.slot_number(phy)?;
        let mut body = Body::default();
        match number {
            0 => {
                let handle = self.attached_handle(phy);
                let info = u32::from(self.topology.target(phy).is_some());
                let owner = self.owner_handle(phy);
                body.u16(owner).zeros(2).u64(self.personality.identity.sas_address);
                body.u16(handle).u8(phy as u8).zeros(1).u32(info);
                Ok(body.u8(RATES_15_TO_30).u8(RATES_15_TO_30).zeros(6).page(1))
            }
            1 => Ok(body.zeros(20).page(1)),
            _ => Err(NoPage::Page),
        }
    }

    /// The controller itself, by the handle of one of its phys.
    fn own_device_page(&self, phy: usize) -> Page {
        let mut body = Body::default();
        body.zeros(4).u64(self.personality.identity.sas_address).zeros(2).u8(phy as u8).u8(0);
        body.u16(self.phy_handle(phy)).u8(0).u8(0).u32(Self::OWN_DEVICE_INFO);
        // Flags: present.
        body.u16(0x0001).u8(phy as u8).zeros(1).page(5)
    }

    fn sas_device_page(&self, number: u8, address: u32) -> Result<Page, NoPage> {
        if let (0, Some(phy)) = (number, self.addressed_phy(address)) {
            return Ok(self.own_device_page(phy));
        }
        let slot = self.addressed_device(address)?;
        let target = self.topology.target(slot).ok_or(NoPage::Page)?;
        let (sas_address, handle) = (target.sas_address().0, self.device_handle(slot));
        let mut body = Body::default();
        match number {
            0 => {
                body.zeros(4).u64(sas_address).u16(self.phy_handle(slot)).u8(slot as u8).u8(0);
                body.u16(handle).u8(slot as u8).u8(0).u32(Self::DEVICE_INFO);
                // Flags: present, mapped, mapping persistent.
                Ok(body.u16(0x0007).u8(slot as u8).zeros(1).page(5))
            }
            1..=2 if !self.personality.behaviour.qemu_pages => Err(NoPage::Page),
            1 => {
                body.zeros(4).u64(sas_address).zeros(4);
                Ok(body.u16(handle).u8(slot as u8).u8(0).zeros(20).page(0))
            }
            2 => Ok(body.u64(sas_address).u32(0).page(1)),
            _ => Err(NoPage::Page),
        }
    }

    /// The phy whose handle the page address of a SAS device page is.
    fn addressed_phy(&self, address: u32) -> Option<usize> {
        let phy = (address & 0xffff).checked_sub(u32::from(self.phy_handle(0)))? as usize;
        let is_phy = address >> 28 == 2 && phy < self.topology.slots();
        (is_phy && !self.personality.behaviour.qemu_pages).then_some(phy)
    }

    /// The slot that the page address of a SAS device page means.
    fn addressed_device(&self, address: u32) -> Result<usize, NoPage> {
        let (form, handle) = (address >> 28, address & 0xffff);
        let first = u32::from(self.device_handle(0));
        match form {
            // Get next handle; FFFFh starts at the first.
            0 => {
                let from = if handle == 0xffff { 0 } else { (handle + 1).saturating_sub(first) };
                let mut slots = from as usize..self.topology.slots();
                slots.find(|slot| self.topology.target(*slot).is_some()).ok_or(NoPage::Page)
            }
            // Bus and target id.
            1 if address & 0xff00 == 0 => self.slot_number(address & 0xff),
            // Handle.
            2 => self.slot_number(handle.checked_sub(first).ok_or(NoPage::Page)?),
            _ => Err(NoPage::Page),
        }
    }

    fn slot_number(&self, number: u32) -> Result<usize, NoPage> {
        let slot = usize::try_from(number).ok();
        slot.filter(|slot| *slot < self.topology.slots()).ok_or(NoPage::Page)
    }

    fn attached_info(&self, phy: usize) -> u32 {
        self.topology.target(phy).map_or(0, |_| Self::DEVICE_INFO)
    }

    fn attached_handle(&self, phy: usize) -> u16 {
        self.topology.target(phy).map_or(0, |_| self.device_handle(phy))
    }
}
