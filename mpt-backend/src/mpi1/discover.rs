//! SAS discovery: the SAS device page 0 of one handle after the other.

use core::time::Duration;

use hba_core::command::TargetId;
use hba_core::dma::{DmaRegion, DmaSync};
use hba_core::port::{BringUpError, TargetInfo};
use zerocopy::{FromZeros, IntoBytes};

use super::context::Context;
use crate::pages::{self, Asked};
use crate::wire::config::{
    ConfigAction, ConfigPageHeader, ConfigRequest, ExtPageType, PageAddress, PageType,
};
use crate::wire::message::Function;
use crate::wire::sas::SasDeviceInfo;
use crate::wire::sas_pages::SasDevicePage0;
use crate::wire::sge::{SgeFlags, SgeSimple64};

/// What the step is called in errors.
pub(super) const NAME: &str = "reading SAS device page 0";
/// For the answer to one request.
pub(super) const REQUEST: Duration = Duration::from_secs(15);
/// Handles visited at most: a controller that never ends the list is not followed for ever.
const HANDLES_MAX: u16 = 1024;

/// The walk over the device handles.
#[derive(Debug)]
pub(super) struct Discover {
    step: Asked,
    /// The last handle seen.
    handle: u16,
    visited: u16,
    page_version: u8,
    page_words: u16,
}

/// What the answer to a request leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Send the next request.
    Request,
    /// A target was found; send the next request.
    Target(TargetInfo),
    /// The end of the list.
    Done,
}

impl Discover {
    pub(super) fn new() -> Self {
        Self {
            step: Asked::Header,
            handle: PageAddress::FIRST_HANDLE,
            visited: 0,
            page_version: 0,
            page_words: 0,
        }
    }

    /// The request of the current step, its data going to `page`.
    pub(super) fn request(&self, context: Context, page: &DmaRegion) -> ConfigRequest {
        let bytes = match self.step {
            Asked::Header => 0,
            Asked::Page => u32::from(self.page_words) * 4,
        };
        let empty = SgeSimple64::new_zeroed();
        let element = SgeSimple64::new(SgeFlags::FINAL, bytes, page.bus().raw()).unwrap_or(empty);
        ConfigRequest {
            action: match self.step {
                Asked::Header => ConfigAction::PAGE_HEADER,
                Asked::Page => ConfigAction::PAGE_READ_CURRENT,
            },
            function: Function::CONFIG,
            ext_page_length: self.page_words.into(),
            ext_page_type: ExtPageType::SAS_DEVICE,
            msg_context: context.0.into(),
            header: ConfigPageHeader {
                page_version: self.page_version,
                ..ConfigPageHeader::ask(PageType::EXTENDED, 0)
            },
            page_address: PageAddress::sas_device_after(self.handle).0.into(),
            page_buffer_sge: element,
            ..ConfigRequest::new_zeroed()
        }
    }

    /// Takes the reply, and with it the page.
    ///
    /// # Errors
    ///
    /// [`BringUpError`] when the reply is malformed or its status is not one of success and end of list.
    pub(super) fn handle_reply(
        &mut self,
        reply: &[u8],
        page: &DmaRegion,
        sync: &mut impl DmaSync,
    ) -> Result<Next, BringUpError> {
        let Some(reply) = pages::parse(NAME, reply, self.step)? else { return Ok(Next::Done) };
        match self.step {
            Asked::Header => {
                self.page_version = reply.header.page_version;
                self.page_words = reply.ext_page_length.get();
                let bytes = usize::from(self.page_words) * 4;
                if bytes < size_of::<SasDevicePage0>() || bytes > page.len() {
                    let value = u32::from(self.page_words);
                    return Err(BringUpError::Fact { name: "length of SAS device page 0", value });
                }
                self.step = Asked::Page;
                Ok(Next::Request)
            }
            Asked::Page => self.take_page(page, sync),
        }
    }

    fn take_page(
        &mut self,
        page: &DmaRegion,
        sync: &mut impl DmaSync,
    ) -> Result<Next, BringUpError> {
        let mut copy = SasDevicePage0::new_zeroed();
        sync.for_cpu(page.bus(), size_of::<SasDevicePage0>());
        page.read_bytes(0, copy.as_mut_bytes());
        self.visited += 1;
        let handle = copy.dev_handle.get();
        // The same handle again would be asked for again, for ever.
        let stuck = self.handle != PageAddress::FIRST_HANDLE && handle == self.handle;
        if stuck || self.visited > HANDLES_MAX {
            let value = u32::from(handle);
            return Err(BringUpError::Fact { name: "next SAS device handle", value });
        }
        self.handle = handle;
        Ok(target_of(&copy).map_or(Next::Request, Next::Target))
    }
}

/// The target that a device page describes: an end device with an SSP, STP or SATA target.
fn target_of(page: &SasDevicePage0) -> Option<TargetInfo> {
    if !pages::is_target(SasDeviceInfo(page.device_info.get())) {
        return None;
    }
    let id = TargetId { channel: page.bus, id: u16::from(page.target_id) };
    Some(TargetInfo::device(id, page.sas_address.get()))
}
