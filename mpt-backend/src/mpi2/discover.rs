//! What is attached, from configuration pages: members of volumes (hidden), volumes, SAS devices.

use alloc::vec::Vec;
use core::time::Duration;

use hba_core::command::TargetId;
use hba_core::dma::{DmaRegion, DmaSync};
use hba_core::port::{BringUpError, TargetInfo, TargetKind};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use crate::pages::{self, Asked};
use crate::wire::config::{
    ConfigAction, ConfigPageHeader, ConfigRequest, ExtPageType, PageAddress, PageType,
};
use crate::wire::message::Function;
use crate::wire::mpi2::{RaidPhysDiskPage0, RaidVolumePage0, SasDevicePage2};
use crate::wire::sas::SasDeviceInfo;
use crate::wire::sge::{SgeFlags, SgeSimple64};

/// For the answer to one request.
pub(super) const REQUEST: Duration = Duration::from_secs(15);
/// Pages of one kind visited at most: a controller that never ends the list is not followed for ever.
const PAGES_MAX: u16 = 2048;
/// Handles that wait to be looked at, at most.
const ARRIVALS_MAX: usize = 1024;

/// Handles of devices that came, still to be looked at.
#[derive(Debug, Default)]
pub(super) struct Arrivals(Vec<u16>);

impl Arrivals {
    /// Remembers a handle, or says that there is no room: then all devices are to be looked at again.
    #[must_use = "a device that is not remembered is found by a look at all of them only"]
    pub(super) fn push(&mut self, handle: u16) -> bool {
        if self.0.contains(&handle) {
            return true;
        }
        let fits = self.0.len() < ARRIVALS_MAX;
        if fits {
            self.0.push(handle);
        }
        fits
    }

    pub(super) fn pop(&mut self) -> Option<u16> {
        self.0.pop()
    }

    pub(super) fn retain(&mut self, keep: impl FnMut(&u16) -> bool) {
        self.0.retain(keep);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// The kinds of page, in the order in which they are walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Member,
    Volume,
    Device,
    /// One device, by its handle.
    OneDevice,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Member => "reading RAID physical disk page 0",
            Self::Volume => "reading RAID volume page 0",
            Self::Device | Self::OneDevice => "reading SAS device page 0",
        }
    }

    const fn size(self) -> usize {
        match self {
            Self::Member => size_of::<RaidPhysDiskPage0>(),
            Self::Volume => size_of::<RaidVolumePage0>(),
            Self::Device | Self::OneDevice => size_of::<SasDevicePage2>(),
        }
    }

    const fn page_type(self) -> PageType {
        match self {
            Self::Member => PageType::RAID_PHYSDISK,
            Self::Volume => PageType::RAID_VOLUME,
            Self::Device | Self::OneDevice => PageType::EXTENDED,
        }
    }

    const fn is_extended(self) -> bool {
        matches!(self, Self::Device | Self::OneDevice)
    }

    /// The cursor before the first page: no handle, or no disk number.
    const fn before_first(self) -> u16 {
        if matches!(self, Self::Member) { 0xff } else { PageAddress::FIRST_HANDLE }
    }
}

/// A walk over pages, or a look at one.
#[derive(Debug)]
pub(super) struct Discover {
    kind: Kind,
    /// Length in words and version of the kind's page, once its header is known.
    page: Option<(u16, u8)>,
    cursor: u16,
    visited: u16,
}

/// What the answer to a request leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Send the next request.
    Request,
    /// A target was found; send the next request unless it was asked for alone.
    Target(TargetInfo),
    /// The end.
    Done,
}

impl Discover {
    /// A walk over everything; volumes exist with integrated RAID firmware only.
    pub(super) fn all(raid: bool) -> Self {
        Self::of(if raid { Kind::Member } else { Kind::Device })
    }

    /// A look at one device.
    pub(super) fn one(handle: u16) -> Self {
        Self { cursor: handle, ..Self::of(Kind::OneDevice) }
    }

    const fn of(kind: Kind) -> Self {
        Self { kind, page: None, cursor: kind.before_first(), visited: 0 }
    }

    /// What the step is called in errors.
    pub(super) const fn name(&self) -> &'static str {
        self.kind.name()
    }

    /// The request of the current step, its data going to `page`.
    pub(super) fn request(&self, page: &DmaRegion) -> ConfigRequest {
        let (words, version) = self.page.unwrap_or((0, 0));
        let empty = SgeSimple64::new_zeroed();
        let bytes = u32::from(words) * 4;
        let element = SgeSimple64::new(SgeFlags::FINAL, bytes, page.bus().raw()).unwrap_or(empty);
        let extended = self.kind.is_extended();
        let address = match self.kind {
            Kind::OneDevice => PageAddress::sas_device_handle(self.cursor).0,
            // Form 0 of all three: the next after.
            _ => u32::from(self.cursor),
        };
        ConfigRequest {
            action: match self.page {
                None => ConfigAction::PAGE_HEADER,
                Some(_) => ConfigAction::PAGE_READ_CURRENT,
            },
            function: Function::CONFIG,
            ext_page_length: if extended { words } else { 0 }.into(),
            ext_page_type: if extended { ExtPageType::SAS_DEVICE } else { ExtPageType(0) },
            header: ConfigPageHeader {
                page_version: version,
                page_length: if extended { 0 } else { words as u8 },
                ..ConfigPageHeader::ask(self.kind.page_type(), 0)
            },
            page_address: address.into(),
            page_buffer_sge: element,
            ..ConfigRequest::new_zeroed()
        }
    }

    /// Takes the reply, and with it the page. `members` collects the disks that volumes are made of.
    ///
    /// # Errors
    ///
    /// [`BringUpError`] when the reply is malformed or its status is not one of success and end of list.
    pub(super) fn handle_reply(
        &mut self,
        reply: &[u8],
        page: &DmaRegion,
        members: &mut Vec<u16>,
        sync: &mut impl DmaSync,
    ) -> Result<Next, BringUpError> {
        let asked = if self.page.is_some() { Asked::Page } else { Asked::Header };
        let Some(reply) = pages::parse(self.kind.name(), reply, asked)? else {
            return Ok(self.next_kind());
        };
        if self.page.is_some() {
            return self.take_page(page, members, sync);
        }
        let words = match self.kind.is_extended() {
            true => reply.ext_page_length.get(),
            false => u16::from(reply.header.page_length),
        };
        let bytes = usize::from(words) * 4;
        if bytes < self.kind.size() || bytes > page.len() {
            return Err(BringUpError::Fact { name: "length of a page", value: u32::from(words) });
        }
        self.page = Some((words, reply.header.page_version));
        Ok(Next::Request)
    }

    fn next_kind(&mut self) -> Next {
        *self = match self.kind {
            Kind::Member => Self::of(Kind::Volume),
            Kind::Volume => Self::of(Kind::Device),
            Kind::Device | Kind::OneDevice => return Next::Done,
        };
        Next::Request
    }

    fn take_page(
        &mut self,
        page: &DmaRegion,
        members: &mut Vec<u16>,
        sync: &mut impl DmaSync,
    ) -> Result<Next, BringUpError> {
        sync.for_cpu(page.bus(), self.kind.size());
        match self.kind {
            Kind::Member => {
                let copy: RaidPhysDiskPage0 = copy_of(page);
                self.advance(u16::from(copy.phys_disk_num))?;
                let handle = copy.dev_handle.get();
                if handle != 0 && !members.contains(&handle) {
                    members.push(handle);
                }
                Ok(Next::Request)
            }
            Kind::Volume => {
                let copy: RaidVolumePage0 = copy_of(page);
                self.advance(copy.dev_handle.get())?;
                Ok(match copy.volume_state {
                    // Missing, failed, initialising.
                    0..=2 => Next::Request,
                    _ => Next::Target(TargetInfo {
                        id: TargetId::new(copy.dev_handle.get()),
                        port_name: 0,
                        kind: TargetKind::Volume,
                    }),
                })
            }
            Kind::Device => {
                let copy: SasDevicePage2 = copy_of(page);
                self.advance(copy.dev_handle.get())?;
                Ok(target_of(&copy, members).map_or(Next::Request, Next::Target))
            }
            Kind::OneDevice => {
                let copy: SasDevicePage2 = copy_of(page);
                let found = target_of(&copy, members).filter(|t| t.id.id == self.cursor);
                Ok(found.map_or(Next::Done, Next::Target))
            }
        }
    }

    /// Whether a walk goes on after a target.
    pub(super) const fn goes_on(&self) -> bool {
        !matches!(self.kind, Kind::OneDevice)
    }

    /// The next page is asked for by what this one says. The same again would be asked for again, for ever.
    fn advance(&mut self, to: u16) -> Result<(), BringUpError> {
        self.visited += 1;
        if to == self.cursor || to == self.kind.before_first() || self.visited > PAGES_MAX {
            return Err(BringUpError::Fact { name: "next page", value: u32::from(to) });
        }
        self.cursor = to;
        Ok(())
    }
}

fn copy_of<T: FromBytes + FromZeros + IntoBytes>(page: &DmaRegion) -> T {
    let mut copy = T::new_zeroed();
    page.read_bytes(0, copy.as_mut_bytes());
    copy
}

/// The target that a device page describes: an end device with an SSP, STP or SATA target that no volume is made of.
fn target_of(page: &SasDevicePage2, members: &[u16]) -> Option<TargetInfo> {
    let (info, handle) = (SasDeviceInfo(page.device_info.get()), page.dev_handle.get());
    if !pages::is_target(info) || members.contains(&handle) || handle == 0 {
        return None;
    }
    Some(TargetInfo::device(TargetId::new(handle), page.sas_address.get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrival_too_many_is_told_and_not_dropped() {
        let mut arrivals = Arrivals::default();
        assert!((1..=ARRIVALS_MAX as u16).all(|handle| arrivals.push(handle)));
        assert!(arrivals.push(7), "known already");
        assert!(!arrivals.push(u16::MAX));
    }
}
