//! The configuration pages: which there are, and what the host has changed.

mod identity;
mod raid;
mod sas;

use alloc::collections::BTreeMap;

use super::Mpi2Controller;
use crate::mpt::page::{NoPage, Page};

/// PageType and, above 0Fh, ExtPageType.
pub(super) mod page_type {
    pub(in crate::mpi2) const IO_UNIT: u8 = 0x00;
    pub(in crate::mpi2) const IOC: u8 = 0x01;
    pub(in crate::mpi2) const BIOS: u8 = 0x02;
    pub(in crate::mpi2) const RAID_VOLUME: u8 = 0x08;
    pub(in crate::mpi2) const MANUFACTURING: u8 = 0x09;
    pub(in crate::mpi2) const RAID_PHYSICAL_DISK: u8 = 0x0a;
    pub(in crate::mpi2) const EXTENDED: u8 = 0x0f;
    pub(in crate::mpi2) const SAS_IO_UNIT: u8 = 0x10;
    pub(in crate::mpi2) const SAS_EXPANDER: u8 = 0x11;
    pub(in crate::mpi2) const SAS_DEVICE: u8 = 0x12;
    pub(in crate::mpi2) const SAS_PHY: u8 = 0x13;
    pub(in crate::mpi2) const LOG: u8 = 0x14;
    pub(in crate::mpi2) const ENCLOSURE: u8 = 0x15;
    pub(in crate::mpi2) const RAID_CONFIGURATION: u8 = 0x16;
    pub(in crate::mpi2) const DRIVER_MAPPING: u8 = 0x17;
    pub(in crate::mpi2) const SAS_PORT: u8 = 0x18;
}

/// Which copy of a page is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PageCopy {
    Current,
    Default,
    Nvram,
}

/// Page bodies that the host has written, by type and number.
#[derive(Clone, Debug, Default)]
pub(super) struct Stored {
    current: BTreeMap<(u8, u8), Vec<u8>>,
    nvram: BTreeMap<(u8, u8), Vec<u8>>,
}

impl Stored {
    /// Keeps the body of a page, also for the next power-on if it goes to NVRAM.
    pub(super) fn store(&mut self, kind: u8, number: u8, nvram: bool, body: Vec<u8>) {
        if nvram {
            self.nvram.insert((kind, number), body.clone());
        }
        self.current.insert((kind, number), body);
    }

    /// The page is as it was made.
    pub(super) fn forget(&mut self, kind: u8, number: u8) {
        self.current.remove(&(kind, number));
        self.nvram.remove(&(kind, number));
    }

    /// What was not written to NVRAM is lost.
    pub(super) fn forget_current(&mut self) {
        self.current = self.nvram.clone();
    }

    fn body(&self, kind: u8, number: u8, copy: PageCopy) -> Option<&Vec<u8>> {
        match copy {
            PageCopy::Current => self.current.get(&(kind, number)),
            PageCopy::Nvram => self.nvram.get(&(kind, number)),
            PageCopy::Default => None,
        }
    }
}

impl Mpi2Controller {
    /// The page with this type, number and page address.
    pub(super) fn page(
        &self,
        kind: u8,
        number: u8,
        address: u32,
        copy: PageCopy,
    ) -> Result<Page, NoPage> {
        let mut page = self.page_as_made(kind, number, address)?;
        if let Some(body) = self.pages.body(kind, number, copy) {
            page.body.clone_from(body);
        }
        Ok(page)
    }

    fn page_as_made(&self, kind: u8, number: u8, address: u32) -> Result<Page, NoPage> {
        match kind {
            page_type::MANUFACTURING => self.manufacturing_page(number),
            page_type::IO_UNIT => self.io_unit_page(number),
            page_type::IOC => self.ioc_page(number),
            page_type::BIOS => self.bios_page(number),
            page_type::SAS_IO_UNIT => self.sas_io_unit_page(number),
            page_type::SAS_PHY => self.sas_phy_page(number, address),
            page_type::SAS_DEVICE => self.sas_device_page(number, address),
            page_type::SAS_PORT => self.sas_port_page(number, address),
            page_type::ENCLOSURE => self.enclosure_page(number, address),
            page_type::DRIVER_MAPPING => self.driver_mapping_page(number, address),
            page_type::RAID_VOLUME => self.raid_volume_page(number, address),
            page_type::RAID_PHYSICAL_DISK => self.raid_disk_page(number, address),
            page_type::RAID_CONFIGURATION => self.raid_configuration_page(number, address),
            // No expanders, no log: every iteration ends at once.
            page_type::SAS_EXPANDER | page_type::LOG => Err(NoPage::Page),
            _ => Err(NoPage::Type),
        }
    }

    /// The header of a page that the part knows, whether or not there is one at the page address: drivers ask for it with
    /// address 0.
    pub(super) fn page_header(&self, kind: u8, number: u8, address: u32) -> Result<Page, NoPage> {
        let missing = match self.page_as_made(kind, number, address) {
            Err(NoPage::Page) => NoPage::Page,
            found => return found,
        };
        let (_, _, version, len) = BY_ADDRESS
            .into_iter()
            .find(|(known, of, ..)| (*known, *of) == (kind, number))
            .ok_or(missing)?;
        Ok(Page { version, body: vec![0; len] })
    }
}

/// Pages that depend on the page address: type, number, version, and the bytes after the header.
const BY_ADDRESS: [(u8, u8, u8, usize); 14] = [
    (page_type::SAS_DEVICE, 0, 9, 60),
    (page_type::SAS_DEVICE, 1, 1, 40),
    (page_type::SAS_PHY, 0, 3, 24),
    (page_type::SAS_PHY, 1, 1, 20),
    (page_type::SAS_PORT, 0, 0, 28),
    (page_type::SAS_EXPANDER, 0, 6, 52),
    (page_type::SAS_EXPANDER, 1, 2, 36),
    (page_type::ENCLOSURE, 0, 4, 32),
    (page_type::DRIVER_MAPPING, 0, 0, 20),
    (page_type::RAID_VOLUME, 0, 0x0a, 48),
    (page_type::RAID_VOLUME, 1, 3, 60),
    (page_type::RAID_PHYSICAL_DISK, 0, 5, 116),
    (page_type::RAID_PHYSICAL_DISK, 1, 2, 32),
    (page_type::RAID_CONFIGURATION, 0, 0, 88),
];
