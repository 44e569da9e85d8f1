//! Configuration requests: headers, pages, and what the host may change.

use hba_core::dma::BusAddr;

use super::codes::IocStatus;
use super::layout::{Config, ConfigReply, view};
use super::pages::{PageCopy, page_type};
use super::violation::Violation;
use super::{Mpi2Controller, Via};
use crate::memory::DmaFault;
use crate::mpt::codes::action;
use crate::mpt::page::{NoPage, Page};

/// Action of MPI 2.x alone.
const GET_CHANGEABLE: u8 = 7;
/// Bits of PageType that are the type; the others are attributes.
const TYPE_MASK: u8 = 0x0f;
/// Attributes of PageType: the page can be changed, and the change outlives a reset.
const ATTRIBUTE_CHANGEABLE_PERSISTENT: u8 = 0x30;
/// SGLFlags: the element is an IEEE element of 16 bytes.
const SGL_TYPE_IEEE64: u8 = 0x02;
/// MPI element: length in bits 23:0.
const SGE_LENGTH: u32 = 0x00ff_ffff;
const SGE_ADDRESS_64: u32 = 1 << 25;

impl Mpi2Controller {
    pub(super) fn handle_config(&mut self, message: &[u8], via: Via) {
        let request: Config = view(message);
        let mut reply = ConfigReply {
            action: request.action,
            sgl_flags: request.sgl_flags,
            msg_length: (size_of::<ConfigReply>() / 4) as u8,
            function: request.function,
            ext_page_length: request.ext_page_length,
            ext_page_type: request.ext_page_type,
            msg_flags: request.msg_flags,
            header: request.header,
            ..ConfigReply::default()
        };
        if let Err(status) = self.configure(&request, &mut reply, via) {
            reply.ioc_status.set(status.0);
        }
        self.reply(via, &reply);
    }

    fn configure(
        &mut self,
        request: &Config,
        reply: &mut ConfigReply,
        via: Via,
    ) -> Result<(), IocStatus> {
        let kind = page_kind(request)?;
        if request.action > GET_CHANGEABLE {
            return Err(IocStatus::CONFIG_INVALID_ACTION);
        }
        let number = request.header.page_number;
        let copy = match request.action {
            action::READ_DEFAULT => PageCopy::Default,
            action::READ_NVRAM => PageCopy::Nvram,
            _ => PageCopy::Current,
        };
        let address = request.page_address.get();
        let page = if request.action == action::HEADER {
            self.page_header(kind, number, address)
        } else {
            self.page(kind, number, address, copy)
        };
        let page = page.map_err(|no| match no {
            NoPage::Type => IocStatus::CONFIG_INVALID_TYPE,
            NoPage::Page => IocStatus::CONFIG_INVALID_PAGE,
        })?;
        match request.action {
            action::WRITE_CURRENT | action::WRITE_NVRAM => {
                self.write_page(request, kind, &page, via)?;
            }
            action::READ_CURRENT | action::READ_DEFAULT | action::READ_NVRAM => {
                self.read_page(request, kind, &page)?;
            }
            action::DEFAULT => self.pages.forget(kind, number),
            action::HEADER => {}
            _ => return Err(IocStatus::CONFIG_INVALID_ACTION),
        }
        let dwords = (page.body.len() + header_len(kind)) / 4;
        if kind > TYPE_MASK {
            reply.ext_page_length.set(dwords as u16);
            reply.header.page_length = 0;
        } else {
            reply.header.page_length = dwords as u8;
        }
        reply.header.page_version = page.version;
        reply.header.page_type = request.header.page_type & TYPE_MASK | attributes(kind, number);
        Ok(())
    }

    fn read_page(&mut self, request: &Config, kind: u8, page: &Page) -> Result<(), IocStatus> {
        let number = request.header.page_number;
        let attributes = attributes(kind, number);
        let dwords = (page.body.len() + header_len(kind)) / 4;
        let mut bytes = if kind > TYPE_MASK {
            let [low, high] = (dwords as u16).to_le_bytes();
            vec![page.version, 0, number, page_type::EXTENDED | attributes, low, high, kind, 0]
        } else {
            vec![page.version, dwords as u8, number, kind | attributes]
        };
        bytes.extend(&page.body);
        let (bus, room) = page_buffer(request);
        bytes.truncate(room);
        if bytes.is_empty() {
            return Ok(());
        }
        let written = self.memory.write(bus, &bytes);
        written.map_err(|fault| self.unreachable(fault))
    }

    fn write_page(
        &mut self,
        request: &Config,
        kind: u8,
        page: &Page,
        via: Via,
    ) -> Result<(), IocStatus> {
        let number = request.header.page_number;
        if !is_changeable(kind, number) {
            return Err(IocStatus::CONFIG_CANT_COMMIT);
        }
        let (bus, room) = page_buffer(request);
        let header = header_len(kind);
        if room < header + page.body.len() {
            let (smid, field) = (via.smid(), "the length of the page buffer");
            self.note(Violation::Field { smid, field, value: room as u64 });
            return Err(IocStatus::INVALID_FIELD);
        }
        let mut bytes = vec![0; page.body.len()];
        let read = self.memory.read(bus.offset(header as u64), &mut bytes);
        read.map_err(|fault| self.unreachable(fault))?;
        self.pages.store(kind, number, request.action == action::WRITE_NVRAM, bytes);
        Ok(())
    }

    fn unreachable(&mut self, fault: DmaFault) -> IocStatus {
        self.note(Violation::Memory { what: "a configuration page buffer", fault });
        IocStatus::INVALID_SGL
    }
}

/// Pages that drivers change: coalescing, task set full, protection information, missing delays.
const fn is_changeable(kind: u8, number: u8) -> bool {
    matches!(
        (kind, number),
        (page_type::IOC | page_type::IO_UNIT | page_type::SAS_IO_UNIT, 1)
            | (page_type::MANUFACTURING, 11)
            | (page_type::BIOS, 2)
    )
}

const fn attributes(kind: u8, number: u8) -> u8 {
    if is_changeable(kind, number) { ATTRIBUTE_CHANGEABLE_PERSISTENT } else { 0 }
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

const fn header_len(kind: u8) -> usize {
    if kind > TYPE_MASK { 8 } else { 4 }
}

/// Address and length of the host's page buffer.
fn page_buffer(request: &Config) -> (BusAddr, usize) {
    let word = |at: usize| {
        let bytes = request.sge.get(at..at + 4).and_then(|word| word.try_into().ok());
        bytes.map_or(0, u32::from_le_bytes)
    };
    let wide = |at: usize| u64::from(word(at + 4)) << 32 | u64::from(word(at));
    if request.sgl_flags & 3 == SGL_TYPE_IEEE64 {
        return (BusAddr::new(wide(0)), word(8) as usize);
    }
    let flags = word(0);
    let address = if flags & SGE_ADDRESS_64 != 0 { wide(4) } else { word(4).into() };
    (BusAddr::new(address), (flags & SGE_LENGTH) as usize)
}
