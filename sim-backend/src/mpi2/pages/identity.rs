//! Pages that say what the controller is. Source: measured layouts, `MPI2_CONFIG_PAGE_MAN_*`, `_IO_UNIT_*`, `_IOC_*`,
//! `_BIOS_*`; manufacturing pages 2 to 11 as drivers declare them.

use super::super::Mpi2Controller;
use crate::mpt::page::{Body, NoPage, Page};

/// EEDPTagMode of manufacturing page 11; Linux writes the page if it is 0.
const EEDP_TAG_MODE: u8 = 1;
/// IO unit page 1: integrated RAID is off.
const DISABLE_IR: u32 = 0x40;
/// Bytes of the vital product data in manufacturing page 1.
const VPD_LEN: usize = 256;
/// Pinout of manufacturing page 7: SFF-8643 with four lanes, in byte 0; the lane in byte 1.
const PINOUT_SFF_8643: u32 = 0x06;
/// Location of manufacturing page 7: internal.
const LOCATION_INTERNAL: u8 = 0x02;
/// ProductSpecific of IO unit page 7: 45 degrees Celsius.
const TEMPERATURE: u16 = 45;
const CELSIUS: u8 = 2;

impl Mpi2Controller {
    pub(super) fn manufacturing_page(&self, number: u8) -> Result<Page, NoPage> {
        let identity = &self.personality.identity;
        let mut body = Body::default();
        match number {
            0 => {
                body.text(identity.chip_name, 16).text(identity.chip_revision, 8);
                body.text(identity.board_name, 16).text(identity.board_assembly, 16);
                Ok(body.text(identity.board_tracer, 16).page(0))
            }
            1 => Ok(body.zeros(VPD_LEN).page(0)),
            // Chip id, then one word.
            2 | 3 => {
                body.u16(self.personality.pci.device).u8(self.personality.pci.revision).u8(0);
                Ok(body.u32(0).page(0))
            }
            4 => Ok(body.zeros(108).page(0x0a)),
            5 => {
                body.u8(self.personality.facts.phys).zeros(11);
                for _ in 0..self.personality.facts.phys {
                    body.u64(identity.sas_address).u64(identity.sas_address);
                }
                Ok(body.page(3))
            }
            7 => Ok(self.connectors(body)),
            6 | 8 | 9 => Ok(body.zeros(4).page(0)),
            10 => Ok(body.zeros(100).page(0)),
            11 => {
                body.zeros(5).u8(EEDP_TAG_MODE);
                Ok(body.zeros(82).page(0))
            }
            _ => Err(NoPage::Page),
        }
    }

    /// Manufacturing page 7: two connectors of four lanes.
    fn connectors(&self, mut body: Body) -> Page {
        let phys = self.personality.facts.phys;
        body.zeros(12).text("", 16).u8(phys).zeros(3);
        for phy in 0..phys {
            let (connector, lane) = (phy / 4, u32::from(phy % 4));
            body.u32(PINOUT_SFF_8643 | lane << 8)
                .text(if connector == 0 { "C0" } else { "C1" }, 16);
            body.u8(LOCATION_INTERNAL).u8(0).u16(phy.into()).zeros(4);
        }
        body.page(1)
    }

    pub(super) fn io_unit_page(&self, number: u8) -> Result<Page, NoPage> {
        let [major, minor, ..] = self.personality.facts.firmware;
        let mut body = Body::default();
        match number {
            0 => {
                body.u64(self.personality.identity.unique_value);
                let version = [0, 0, minor, major];
                Ok(body.bytes(&version).bytes(&version).page(2))
            }
            1 if self.personality.facts.max_volumes == 0 => Ok(body.u32(DISABLE_IR).page(4)),
            1 => Ok(body.u32(0).page(4)),
            3 => Ok(body.zeros(4).page(1)),
            5 => Ok(body.zeros(28).page(0)),
            6 => Ok(body.zeros(4).page(0)),
            7 => {
                // Power modes; PCIe width and speed; processor; power management.
                body.zeros(2).u8(8).u8(self.personality.pci.link_generation - 1).zeros(8);
                body.u16(TEMPERATURE).u8(CELSIUS).u8(1);
                Ok(body.u16(TEMPERATURE).u8(CELSIUS).zeros(17).page(5))
            }
            // No sensors.
            8 => Ok(body.zeros(36).page(0)),
            _ => Err(NoPage::Page),
        }
    }

    pub(super) fn ioc_page(&self, number: u8) -> Result<Page, NoPage> {
        let (pci, facts) = (&self.personality.pci, &self.personality.facts);
        let mut body = Body::default();
        match number {
            0 => {
                body.zeros(8).u16(pci.vendor).u16(pci.device).u8(pci.revision).zeros(3);
                Ok(body.u32(pci.class).u16(pci.subsystem_vendor).u16(pci.subsystem).page(2))
            }
            1 => Ok(body.zeros(20).page(5)),
            6 => {
                // Mirrors of two disks, where there are volumes at all.
                let volumes = facts.max_volumes;
                let disks = if volumes == 0 { 0 } else { 2 };
                body.zeros(4).u8(0).u8(disks).zeros(3).u8(disks).zeros(6).u8(0).u8(volumes * 2);
                Ok(body.u8(volumes).u8(u8::from(volumes != 0)).zeros(36).page(5))
            }
            7 => Ok(body.zeros(28).page(2)),
            8 => {
                body.u8(facts.phys).zeros(3).u16(facts.max_persistent_entries);
                Ok(body.u16(facts.max_targets).zeros(12).page(0))
            }
            _ => Err(NoPage::Page),
        }
    }

    pub(super) fn bios_page(&self, number: u8) -> Result<Page, NoPage> {
        let [major, minor, unit, dev] = self.personality.identity.bios_version;
        let mut body = Body::default();
        match number {
            2 => Ok(body.zeros(108).page(4)),
            3 => Ok(body.u32(0).bytes(&[dev, unit, minor, major]).zeros(84).page(1)),
            _ => Err(NoPage::Page),
        }
    }
}
