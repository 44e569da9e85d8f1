//! Control's own requests: a fixed slot and SMID for each purpose, so that none ever waits for memory.

use hba_core::dma::{BusAddr, DmaRegion, DmaSync};
use hba_core::port::BadReply;
use hba_core::register::{HostWrite, Registers};

use super::post::Post;
use super::sgl::FRAME;
use crate::wire::mpi2::{DESCRIPTOR_DEFAULT, DESCRIPTOR_HIGH_PRIORITY, request_descriptor};

/// What a slot is for. The number is the slot's place after the queues' tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Event notification: the first request that the controller fetches from memory.
    Events,
    /// Port enable.
    PortEnable,
    /// Configuration pages.
    Config,
    /// Event acknowledgement.
    EventAck,
    /// The second step of a device's removal.
    RemoveDevice,
    /// Task management, number 0 to 3.
    TaskManagement(u8),
}

/// Requests that Control keeps for itself out of the controller's credits.
pub(super) const CONTROL_REQUESTS: u16 = 9;
/// Slots for task management.
pub(super) const TASK_MANAGEMENT: u8 = CONTROL_REQUESTS as u8 - FIXED as u8;
const FIXED: u16 = 5;

impl Purpose {
    const fn place(self) -> u16 {
        match self {
            Self::Events => 0,
            Self::PortEnable => 1,
            Self::Config => 2,
            Self::EventAck => 3,
            Self::RemoveDevice => 4,
            Self::TaskManagement(n) => FIXED + n as u16 % TASK_MANAGEMENT as u16,
        }
    }

    const fn at(place: u16) -> Option<Self> {
        Some(match place {
            0 => Self::Events,
            1 => Self::PortEnable,
            2 => Self::Config,
            3 => Self::EventAck,
            4 => Self::RemoveDevice,
            FIXED..CONTROL_REQUESTS => Self::TaskManagement((place - FIXED) as u8),
            _ => return None,
        })
    }
}

/// The frames of Control's requests and which of them are out.
#[derive(Debug)]
pub(super) struct Requests {
    frames: DmaRegion,
    /// The SMID of place 0.
    first: u16,
    post: Post,
    out: [bool; CONTROL_REQUESTS as usize],
}

impl Requests {
    pub(super) fn new(frames: DmaRegion, first: u16, post: Post) -> Self {
        debug_assert!(frames.len() >= usize::from(CONTROL_REQUESTS) * FRAME);
        Self { frames, first, post, out: [false; CONTROL_REQUESTS as usize] }
    }

    pub(super) fn is_out(&self, purpose: Purpose) -> bool {
        self.out[usize::from(purpose.place())]
    }

    pub(super) fn release(&mut self, purpose: Purpose) {
        self.out[usize::from(purpose.place())] = false;
    }

    /// After a reset nothing is out.
    pub(super) fn forget_all(&mut self) {
        self.out = [false; CONTROL_REQUESTS as usize];
    }

    /// Whether a SMID could be that of a request of ours, whenever.
    pub(super) fn is_name(&self, smid: u32) -> bool {
        let place = smid.checked_sub(u32::from(self.first));
        place.and_then(|place| u16::try_from(place).ok()).and_then(Purpose::at).is_some()
    }

    /// Which request a SMID names, if it is out.
    ///
    /// # Errors
    ///
    /// [`BadReply::UnknownTag`].
    pub(super) fn find(&self, smid: u32) -> Result<Purpose, BadReply> {
        let unknown = BadReply::UnknownTag { raw: smid };
        let place = smid.checked_sub(u32::from(self.first)).ok_or(unknown)?;
        let purpose = u16::try_from(place).ok().and_then(Purpose::at).ok_or(unknown)?;
        if self.is_out(purpose) { Ok(purpose) } else { Err(unknown) }
    }

    /// Where a slot's frame is.
    pub(super) fn frame(&self, purpose: Purpose) -> BusAddr {
        self.frames.bus().offset(self.offset(purpose) as u64)
    }

    fn offset(&self, purpose: Purpose) -> usize {
        usize::from(purpose.place()) * FRAME
    }

    /// Writes a message into a slot's frame and posts its descriptor, to be answered on queue 0. The slot is out from now on.
    pub(super) fn post(
        &mut self,
        purpose: Purpose,
        message: &[u8],
        sync: &mut impl DmaSync,
        registers: &mut dyn Registers,
    ) {
        let (at, len) = (self.offset(purpose), message.len().min(FRAME));
        self.out[usize::from(purpose.place())] = true;
        self.frames.write_bytes(at, &message[..len]);
        self.frames.fill(at + len, FRAME - len, 0);
        sync.for_device(self.frame(purpose), FRAME);
        hba_core::sync::publish();
        let kind = match purpose {
            Purpose::TaskManagement(_) => DESCRIPTOR_HIGH_PRIORITY,
            _ => DESCRIPTOR_DEFAULT,
        };
        let word = request_descriptor(kind, 0, self.first + purpose.place());
        self.post.of(word).write_to(registers);
    }
}
