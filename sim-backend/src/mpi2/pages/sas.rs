//! Pages of the SAS domain: phys, ports, devices, enclosure, mapping. Source: measured layouts,
//! `MPI2_CONFIG_PAGE_SASIOUNIT_*`, `_SAS_PHY_*`, `_SAS_DEV_*`, `_SAS_PORT_0`, `_SAS_ENCLOSURE_0`, `_DRIVER_MAPPING_0`.

use super::super::Mpi2Controller;
use super::super::devices::Found;
use super::super::discovery::ENCLOSURE_HANDLE;
use super::super::personality::capability;
use crate::mpt::page::{Body, NoPage, Page};

/// DeviceInfo of an end device that is an SSP target at one of our phys.
const TARGET_INFO: u32 = 0x0c01;
/// DeviceInfo of ourselves: an end device that is SSP, STP and SMP initiator.
const INITIATOR_INFO: u32 = 0x0071;
/// Flags of SAS device page 0: present, mapping may persist.
const FLAGS_PRESENT: u16 = 0x0005;
/// Flags of SAS device page 0 (MPI 2.5): the fast path is possible and enabled.
const FLAGS_FAST_PATH: u16 = 0x6000;
/// Flags of enclosure page 0: managed by our SGPIO.
const ENCLOSURE_SGPIO: u16 = 0x0002;
/// PortFlags of SAS IO unit page 1: ports are formed automatically.
const AUTO_PORT: u8 = 0x01;
/// The lowest link rate, 1.5 Gbit/s.
const RATE_MIN: u8 = 0x08;
/// SATAMaxQDepth of SAS IO unit page 1.
const SATA_QUEUE_DEPTH: u8 = 32;
/// Bytes of an entry of the driver mapping page.
const MAPPING_ENTRY: usize = 20;
/// Page address: get the next after this; the number that starts an iteration.
const FIRST: u32 = 0xffff;

/// Whose SAS device page is meant.
enum Device {
    /// One of our phys.
    Own(usize),
    /// The target in a slot.
    Target(usize),
}

impl Mpi2Controller {
    /// The handle of our phy `phy`: the parent of what is behind it.
    const fn phy_handle(phy: usize) -> u16 {
        phy as u16 + 1
    }

    fn phys(&self) -> usize {
        self.personality.facts.phys.into()
    }

    /// The handle of what is behind a phy, or 0.
    fn attached_handle(&self, phy: usize) -> u16 {
        let there = self.topology.target(phy).is_some();
        self.devices.handle(phy).filter(|_| there).unwrap_or(0)
    }

    /// NegotiatedLinkRate of a phy: logical in bits 7:4, physical in bits 3:0.
    fn negotiated_rate(&self, phy: usize) -> u8 {
        let rate = self.personality.identity.link_rate;
        if self.attached_handle(phy) == 0 { Self::RATE_NONE } else { rate << 4 | rate }
    }

    /// Maximum rate in bits 7:4, minimum rate in bits 3:0.
    const fn rate_range(&self) -> u8 {
        self.personality.identity.link_rate << 4 | RATE_MIN
    }

    pub(super) fn sas_io_unit_page(&self, number: u8) -> Result<Page, NoPage> {
        let mut body = Body::default();
        match number {
            0 => {
                body.u32(0).u8(self.phys() as u8).zeros(3);
                for phy in 0..self.phys() {
                    body.u8(phy as u8).zeros(2).u8(self.negotiated_rate(phy)).u32(INITIATOR_INFO);
                    body.u16(self.attached_handle(phy)).u16(Self::phy_handle(phy)).zeros(8);
                }
                Ok(body.page(5))
            }
            1 => {
                body.zeros(8).u8(self.phys() as u8).u8(SATA_QUEUE_DEPTH).zeros(2);
                for phy in 0..self.phys() {
                    body.u8(phy as u8).u8(AUTO_PORT).u8(0).u8(self.rate_range());
                    body.u32(INITIATOR_INFO).zeros(4);
                }
                Ok(body.page(9))
            }
            _ => Err(NoPage::Page),
        }
    }

    pub(super) fn sas_phy_page(&self, number: u8, address: u32) -> Result<Page, NoPage> {
        // Form 0: phy number; form 1: index in the phy table.
        let phy = match address >> 28 {
            0 => self.own(address & 0xff)?,
            1 => self.own(address & 0xffff)?,
            _ => return Err(NoPage::Page),
        };
        let mut body = Body::default();
        match number {
            0 => {
                body.u16(Self::phy_handle(phy)).zeros(2).u16(self.attached_handle(phy)).zeros(2);
                body.u32(0).u8(self.rate_range()).u8(self.rate_range()).zeros(2);
                Ok(body.u32(0).u8(self.negotiated_rate(phy)).zeros(3).page(3))
            }
            1 => Ok(body.zeros(20).page(1)),
            _ => Err(NoPage::Page),
        }
    }

    pub(super) fn sas_device_page(&self, number: u8, address: u32) -> Result<Page, NoPage> {
        let device = self.addressed_device(address)?;
        match (number, device) {
            (0, Device::Own(phy)) => Ok(self.own_device(phy)),
            (0, Device::Target(slot)) => self.target_device(slot),
            (1, Device::Target(slot)) => {
                let target = self.topology.target(slot).ok_or(NoPage::Page)?;
                let mut body = Body::default();
                body.u32(0).u64(target.sas_address().0).u32(0).u16(self.attached_handle(slot));
                Ok(body.zeros(22).page(1))
            }
            _ => Err(NoPage::Page),
        }
    }

    fn own_device(&self, phy: usize) -> Page {
        let address = self.personality.identity.sas_address;
        let mut body = Body::default();
        body.u16(phy as u16).u16(ENCLOSURE_HANDLE).u64(address).u16(0).u8(phy as u8).u8(0);
        body.u16(Self::phy_handle(phy)).zeros(2).u32(INITIATOR_INFO);
        // Flags, physical port, connections, name; then groups, enclosure level, connector.
        body.u16(FLAGS_PRESENT).u8(phy as u8).u8(1).u64(address);
        body.zeros(24).page(9)
    }

    fn target_device(&self, slot: usize) -> Result<Page, NoPage> {
        let target = self.topology.target(slot).ok_or(NoPage::Page)?;
        let address = target.sas_address().0;
        let fast = self.personality.facts.can(capability::FAST_PATH);
        let flags = FLAGS_PRESENT | if fast { FLAGS_FAST_PATH } else { 0 };
        let mut body = Body::default();
        body.u16(slot as u16).u16(ENCLOSURE_HANDLE).u64(address).u16(Self::phy_handle(slot));
        body.u8(slot as u8).u8(0).u16(self.attached_handle(slot)).zeros(2).u32(TARGET_INFO);
        body.u16(flags).u8(slot as u8).u8(1).u64(address);
        Ok(body.zeros(24).page(9))
    }

    /// The device that the page address of a SAS device page means.
    fn addressed_device(&self, address: u32) -> Result<Device, NoPage> {
        let handle = (address & 0xffff) as u16;
        match address >> 28 {
            // Get next handle; FFFFh starts at the first, which is our own.
            0 => {
                let after = if address & 0xffff == FIRST { 0 } else { handle };
                if usize::from(after) < self.phys() {
                    return Ok(Device::Own(after.into()));
                }
                self.devices.next_after(after).map(Device::Target).ok_or(NoPage::Page)
            }
            2 => match self.devices.find(handle) {
                Found::Present(slot) if slot < self.phys() => Ok(Device::Target(slot)),
                _ if handle != 0 => self.own(u32::from(handle) - 1).map(Device::Own),
                _ => Err(NoPage::Page),
            },
            _ => Err(NoPage::Page),
        }
    }

    pub(super) fn sas_port_page(&self, number: u8, address: u32) -> Result<Page, NoPage> {
        // Form 0: get the next port; form 1: port number.
        let port = match (number, address >> 28) {
            (0, 0) if address & 0xffff == FIRST || address & 0xff == 0xff => 0,
            (0, 0) => self.own((address & 0xff) + 1)?,
            (0, 1) => self.own(address & 0xff)?,
            _ => return Err(NoPage::Page),
        };
        let mut body = Body::default();
        body.u8(port as u8).u8(port as u8).u8(1).u8(1).zeros(4);
        let target = self.topology.target(port);
        body.u64(target.map_or(0, |target| target.sas_address().0));
        body.u32(if target.is_some() { TARGET_INFO } else { 0 });
        Ok(body.zeros(8).page(0))
    }

    pub(super) fn enclosure_page(&self, number: u8, address: u32) -> Result<Page, NoPage> {
        // Form 0: get the next handle; form 1: handle.
        let found = match address >> 28 {
            0 => address & 0xffff == FIRST || address & 0xffff < ENCLOSURE_HANDLE.into(),
            1 => address & 0xffff == ENCLOSURE_HANDLE.into(),
            _ => false,
        };
        if number != 0 || !found {
            return Err(NoPage::Page);
        }
        let mut body = Body::default();
        body.u32(0).u64(self.personality.identity.sas_address).u16(ENCLOSURE_SGPIO);
        body.u16(ENCLOSURE_HANDLE).u16(self.phys() as u16).u16(0);
        Ok(body.zeros(12).page(4))
    }

    /// Entries of the persistent mapping, none of which is used.
    pub(super) fn driver_mapping_page(&self, number: u8, address: u32) -> Result<Page, NoPage> {
        // Form 0: the number of entries in bits 27:16, the first in bits 15:0.
        let (form, count, first) = (address >> 28, address >> 16 & 0xfff, address & 0xffff);
        let max = u32::from(self.personality.facts.max_persistent_entries);
        if number != 0 || form != 0 || first + count > max {
            return Err(NoPage::Page);
        }
        let entries = usize::try_from(count.max(1)).unwrap_or(1);
        Ok(Body::default().zeros(entries * MAPPING_ENTRY).page(0))
    }

    /// One of our phys.
    fn own(&self, number: u32) -> Result<usize, NoPage> {
        let phy = usize::try_from(number).ok();
        phy.filter(|phy| *phy < self.phys()).ok_or(NoPage::Page)
    }
}
