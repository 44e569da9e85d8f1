//! Configuration requests: headers, pages, and what the host may change.

use hba_core::dma::BusAddr;

use super::codes::IocStatus;
use super::config_pages::page_type;
use super::layout::{Config, ConfigReply, view};
use super::{Mpi1Controller, Via};
use crate::mpt::codes::action;
use crate::mpt::page::{NoPage, Page};

/// Bits of PageType that are the type; the others are attributes.
const TYPE_MASK: u8 = 0x0f;
/// Attributes of PageType: the page can be changed.
const ATTRIBUTE_CHANGEABLE: u8 = 0x10;
/// Length in bits 23:0 of the element.
const SGE_LENGTH: u32 = 0x00ff_ffff;
const SGE_ADDRESS_64: u32 = 1 << 25;

impl Mpi1Controller {
    pub(super) fn handle_config(&mut self, message: &[u8], via: Via) {
        let request: Config = view(message);
        let mut reply = ConfigReply {
            action: request.action,
            msg_length: (size_of::<ConfigReply>() / 4) as u8,
            function: request.function,
            msg_context: request.msg_context,
            header: request.header,
            ..ConfigReply::default()
        };
        if let Err(status) = self.configure(&request, &mut reply) {
            reply.ioc_status.set(status.0);
        }
        self.reply(via, &reply);
    }

    fn configure(&mut self, request: &Config, reply: &mut ConfigReply) -> Result<(), IocStatus> {
        let kind = page_kind(request)?;
        let extended = kind > TYPE_MASK;
        if extended {
            reply.ext_page_type = request.ext_page_type;
        }
        if request.action > action::READ_NVRAM {
            return Err(IocStatus::CONFIG_INVALID_ACTION);
        }
        let number = request.header.page_number;
        let page = self.page(kind, number, request.page_address.get()).map_err(|no| match no {
            NoPage::Type => IocStatus::CONFIG_INVALID_TYPE,
            NoPage::Page => IocStatus::CONFIG_INVALID_PAGE,
        })?;
        match request.action {
            action::HEADER | action::DEFAULT => {}
            action::WRITE_CURRENT | action::WRITE_NVRAM => self.write_page(request, kind)?,
            action::READ_CURRENT | action::READ_DEFAULT | action::READ_NVRAM => {
                self.read_page(request, kind, &page)?;
            }
            _ => return Err(IocStatus::CONFIG_INVALID_ACTION),
        }
        let dwords = (page.body.len() + header_len(extended)) / 4;
        if extended {
            reply.ext_page_length.set(dwords as u16);
        } else {
            reply.header.page_length = dwords as u8;
        }
        if !self.personality.behaviour.config_echoes_version {
            reply.header.page_version = page.version;
            reply.header.page_type =
                request.header.page_type & TYPE_MASK | self.attributes(kind, number);
        }
        Ok(())
    }

    /// Only IOC page 1 (coalescing) of hardware can be written.
    fn is_changeable(&self, kind: u8, number: u8) -> bool {
        !self.personality.behaviour.qemu_pages && kind == page_type::IOC && number == 1
    }

    fn attributes(&self, kind: u8, number: u8) -> u8 {
        if self.is_changeable(kind, number) { ATTRIBUTE_CHANGEABLE } else { 0 }
    }

    fn read_page(&self, request: &Config, kind: u8, page: &Page) -> Result<(), IocStatus> {
        let number = request.header.page_number;
        let extended = kind > TYPE_MASK;
        let dwords = (page.body.len() + header_len(extended)) / 4;
        let mut bytes = if extended {
            let [low, high] = (dwords as u16).to_le_bytes();
            vec![page.version, 0, number, page_type::EXTENDED, low, high, kind, 0]
        } else {
            vec![page.version, dwords as u8, number, kind | self.attributes(kind, number)]
        };
        bytes.extend(&page.body);
        let (bus, room) = page_buffer(request);
        bytes.truncate(room);
        let written = self.memory.write(bus, &bytes);
        if written.is_err() && room != 0 && !self.personality.behaviour.ignores_dma_faults {
            return Err(IocStatus::INVALID_SGL);
        }
        Ok(())
    }

    fn write_page(&mut self, request: &Config, kind: u8) -> Result<(), IocStatus> {
        if !self.is_changeable(kind, request.header.page_number) {
            return Err(IocStatus::CONFIG_CANT_COMMIT);
        }
        let (bus, room) = page_buffer(request);
        let mut bytes = [0; 16];
        if room < bytes.len() {
            return Err(IocStatus::INVALID_FIELD);
        }
        self.memory.read(bus, &mut bytes).map_err(|_| IocStatus::INVALID_SGL)?;
        self.pages.ioc_1.copy_from_slice(&bytes[4..]);
        Ok(())
    }
}

/// The page type, or the extended page type, which are disjoint ranges.
const fn page_kind(request: &Config) -> Result<u8, IocStatus> {
    let kind = request.header.page_type & TYPE_MASK;
    if kind != page_type::EXTENDED {
        return Ok(kind);
    }
    if request.ext_page_type <= TYPE_MASK {
        return Err(IocStatus::CONFIG_INVALID_TYPE);
    }
    Ok(request.ext_page_type)
}

const fn header_len(extended: bool) -> usize {
    if extended { 8 } else { 4 }
}

/// Address and length of the host's page buffer.
fn page_buffer(request: &Config) -> (BusAddr, usize) {
    let flags = request.sge_flags_length.get();
    let address = request.sge_address.get();
    let address = if flags & SGE_ADDRESS_64 != 0 { address } else { address & 0xffff_ffff };
    (BusAddr::new(address), (flags & SGE_LENGTH) as usize)
}
