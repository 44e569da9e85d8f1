//! The mode pages, and MODE SENSE.

use scsi_proto::command::{ModeSense6, ModeSense10, PageControl};

use super::condition::Condition;
use super::exchange::{Exchange, Outcome, invalid_field};
use super::failure::Failure;
use super::unit::LogicalUnit;

/// One mode page: code, length and values. Each is at most 20 bytes.
type Page = Vec<u8>;

pub(super) const READ_WRITE_ERROR_RECOVERY: u8 = 0x01;
pub(super) const CACHING: u8 = 0x08;
pub(super) const CONTROL: u8 = 0x0a;
pub(super) const INFORMATIONAL_EXCEPTIONS: u8 = 0x1c;

/// All pages of the disk in ascending order.
const PAGES: [u8; 4] = [READ_WRITE_ERROR_RECOVERY, CACHING, CONTROL, INFORMATIONAL_EXCEPTIONS];
const ALL_PAGES: u8 = 0x3f;
const ALL_SUBPAGES: u8 = 0xff;

/// Byte 2 of the Caching page.
pub(super) const WCE: u8 = 0x04;
/// SYNC_PROG in byte 12 of the Caching page: bits 2 and 1.
pub(super) const SYNC_PROG_SHIFT: u32 = 1;
pub(super) const SYNC_PROG: u8 = 0x06;
/// Byte 12 of the Caching page.
pub(super) const NV_DIS: u8 = 0x01;
/// PS, in byte 0 of a page: it can be saved.
const PS: u8 = 0x80;
/// Byte 2 of the Control page.
pub(super) const D_SENSE: u8 = 0x04;
/// Byte 4 of the Control page.
pub(super) const SWP: u8 = 0x08;

/// What MODE SENSE of either length asks for.
struct Request {
    /// Values to return.
    control: PageControl,
    page: u8,
    subpage: u8,
    descriptor: BlockDescriptor,
}

/// Which block descriptor precedes the pages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BlockDescriptor {
    None,
    /// Eight bytes with 32 bits for the number of blocks.
    Short,
    /// Sixteen bytes with 64 bits for it.
    Long,
}

impl BlockDescriptor {
    const fn new(disabled: bool, long: bool) -> Self {
        match (disabled, long) {
            (true, _) => Self::None,
            (false, false) => Self::Short,
            (false, true) => Self::Long,
        }
    }
}

/// The mode parameters that can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ModeValues {
    /// WCE.
    pub(super) write_cache: bool,
    /// SYNC_PROG, 0 to 2: what a flush that began with IMMED does to other commands. Source: SBC-4 6.5.5.
    pub(super) sync_progress: u8,
    /// NV_DIS: what could be non-volatile is not.
    pub(super) cache_volatile: bool,
    /// D_SENSE.
    pub(super) descriptor_sense: bool,
    /// SWP.
    pub(super) write_protected: bool,
}

impl ModeValues {
    pub(super) const fn new(write_cache: bool, sync_progress: u8) -> Self {
        Self {
            write_cache,
            sync_progress,
            cache_volatile: false,
            descriptor_sense: false,
            write_protected: false,
        }
    }

    const fn changeable(non_volatile: bool) -> Self {
        Self {
            write_cache: true,
            sync_progress: SYNC_PROG >> SYNC_PROG_SHIFT,
            cache_volatile: non_volatile,
            descriptor_sense: true,
            write_protected: true,
        }
    }
}

impl LogicalUnit {
    pub(super) const fn current_modes(&self) -> ModeValues {
        let rules = self.store.rules();
        ModeValues {
            write_cache: rules.write_back,
            sync_progress: self.sync_progress,
            cache_volatile: self.cache_disabled,
            descriptor_sense: self.descriptor_sense,
            write_protected: self.write_protected,
        }
    }

    /// Source: SPC-5 6.14.
    pub(super) fn mode_sense_6(&self, x: &mut Exchange<'_>) -> Outcome {
        let command: ModeSense6 = x.parse()?;
        let (descriptor, pages) = self.mode_parameters(&Request {
            control: command.pc,
            page: command.page_code.get() as u8,
            subpage: command.subpage_code,
            descriptor: BlockDescriptor::new(command.dbd, false),
        })?;
        let len = (3 + descriptor.len() + pages.len()) as u8;
        let header = [len, 0, self.device_specific(), descriptor.len() as u8];
        x.reply(&[&header[..], &descriptor, &pages].concat(), command.allocation_length.into())
    }

    /// Source: SPC-5 6.15.
    pub(super) fn mode_sense_10(&self, x: &mut Exchange<'_>) -> Outcome {
        let command: ModeSense10 = x.parse()?;
        let (descriptor, pages) = self.mode_parameters(&Request {
            control: command.pc,
            page: command.page_code.get() as u8,
            subpage: command.subpage_code,
            descriptor: BlockDescriptor::new(command.dbd, command.llbaa),
        })?;
        let [high, low] = ((6 + descriptor.len() + pages.len()) as u16).to_be_bytes();
        let long = u8::from(descriptor.len() == 16);
        let header = [high, low, 0, self.device_specific(), long, 0, 0, descriptor.len() as u8];
        x.reply(&[&header[..], &descriptor, &pages].concat(), command.allocation_length.into())
    }

    fn mode_parameters(&self, request: &Request) -> Result<(Vec<u8>, Vec<u8>), Failure> {
        if !matches!(request.subpage, 0 | ALL_SUBPAGES) {
            return Err(invalid_field(3));
        }
        if request.control == PageControl::Saved && !self.saves_modes {
            return Err(Condition::SAVING_PARAMETERS_NOT_SUPPORTED.into());
        }
        let wanted = |code: &&u8| matches!(request.page, ALL_PAGES) || request.page == **code;
        let pages: Vec<_> = PAGES
            .iter()
            .filter(wanted)
            .flat_map(|code| self.mode_page(*code, request.control))
            .collect();
        if pages.is_empty() {
            return Err(invalid_field(2));
        }
        Ok((self.block_descriptor(request.descriptor), pages))
    }

    /// DEVICE-SPECIFIC PARAMETER: WP and DPOFUA. Source: SBC-4 6.5.1.
    fn device_specific(&self) -> u8 {
        u8::from(self.write_protected) << 7 | u8::from(self.dpofua) << 4
    }

    fn block_descriptor(&self, form: BlockDescriptor) -> Vec<u8> {
        let blocks = self.store.blocks();
        let size = u64::from(self.store.block_size().bytes());
        match form {
            BlockDescriptor::None => Vec::new(),
            BlockDescriptor::Short => {
                let blocks = blocks.min(u32::MAX.into());
                (blocks << 32 | size).to_be_bytes().to_vec()
            }
            BlockDescriptor::Long => [blocks.to_be_bytes(), size.to_be_bytes()].concat(),
        }
    }

    pub(super) fn has_mode_page(&self, code: u8) -> bool {
        PAGES.contains(&code)
    }

    /// A page that the disk has, in one of its four forms.
    pub(super) fn mode_page(&self, code: u8, control: PageControl) -> Page {
        let values = match control {
            PageControl::Changeable => ModeValues::changeable(self.has_non_volatile_cache),
            PageControl::Default => self.default_modes,
            PageControl::Saved => self.saved_modes,
            PageControl::Current => self.current_modes(),
        };
        let bit = |bit: u8, set: bool| if set { bit } else { 0 };
        let mut page = match control {
            PageControl::Changeable => vec![0; fixed_page(code).len()],
            _ => fixed_page(code),
        };
        let savable = self.saves_modes && matches!(code, CACHING | CONTROL);
        page[0] = code | bit(PS, savable);
        page[1] = page.len() as u8 - 2;
        match code {
            CACHING => {
                page[2] |= bit(WCE, values.write_cache);
                page[12] |= values.sync_progress << SYNC_PROG_SHIFT;
                page[12] |= bit(NV_DIS, values.cache_volatile);
            }
            CONTROL => {
                page[2] |= bit(D_SENSE, values.descriptor_sense);
                page[4] |= bit(SWP, values.write_protected);
            }
            _ => {}
        }
        page
    }
}

/// The values of a page that never change. Source: SBC-4 6.5 and SPC-5 7.5.
fn fixed_page(code: u8) -> Page {
    match code {
        // AWRE and ARRE: bad blocks are reallocated.
        READ_WRITE_ERROR_RECOVERY => vec![0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        CACHING => vec![0; 20],
        // GLTSD, unrestricted reordering, unlimited busy timeout.
        CONTROL => vec![0, 0, 0x02, 0x10, 0, 0, 0, 0, 0xff, 0xff, 0, 0],
        // DEXCPT: no informational exceptions.
        _ => vec![0, 0, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    }
}
