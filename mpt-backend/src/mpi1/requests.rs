//! Control's own requests: a fixed slot for each purpose, so that none ever waits for memory.

use hba_core::dma::{BusAddr, DmaRegion, DmaSync};
use hba_core::port::BadReply;
use hba_core::register::{RegOffset, Registers};

use super::config::{CONTROL_REQUESTS, FRAME};
use super::context::Context;

/// What a slot is for. The number is the slot's place after the queue's tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The first request that the controller fetches from memory.
    FirstFetch,
    /// Configuration pages.
    Config,
    /// Event notification: its context is never freed, replies to it keep coming.
    Events,
    /// Event acknowledgement.
    EventAck,
    /// Task management, number 0 to 3.
    TaskManagement(u8),
}

/// Slots for task management.
pub(super) const TASK_MANAGEMENT: u8 = CONTROL_REQUESTS as u8 - 4;

impl Purpose {
    const fn place(self) -> u16 {
        match self {
            Self::FirstFetch => 0,
            Self::Config => 1,
            Self::Events => 2,
            Self::EventAck => 3,
            Self::TaskManagement(n) => 4 + n as u16 % TASK_MANAGEMENT as u16,
        }
    }

    const fn at(place: u16) -> Option<Self> {
        Some(match place {
            0 => Self::FirstFetch,
            1 => Self::Config,
            2 => Self::Events,
            3 => Self::EventAck,
            4..CONTROL_REQUESTS => Self::TaskManagement((place - 4) as u8),
            _ => return None,
        })
    }
}

/// The frames of Control's requests and which of them are out.
#[derive(Debug)]
pub(super) struct Requests {
    frames: DmaRegion,
    /// Bytes of a frame that the controller fetches.
    frame_size: usize,
    depth: u16,
    generations: [u32; CONTROL_REQUESTS as usize],
    out: [bool; CONTROL_REQUESTS as usize],
}

impl Requests {
    pub(super) fn new(frames: DmaRegion, frame_size: usize, depth: u16) -> Self {
        let slots = CONTROL_REQUESTS as usize;
        debug_assert!(frames.len() >= slots * FRAME);
        Self { frames, frame_size, depth, generations: [0; 8], out: [false; 8] }
    }

    pub(super) fn is_out(&self, purpose: Purpose) -> bool {
        self.out[usize::from(purpose.place())]
    }

    /// The context for the next use of a slot, which is out from now on.
    pub(super) fn claim(&mut self, purpose: Purpose) -> Context {
        let place = usize::from(purpose.place());
        self.generations[place] = self.generations[place].wrapping_add(1);
        self.out[place] = true;
        self.context(purpose)
    }

    pub(super) fn context(&self, purpose: Purpose) -> Context {
        let place = purpose.place();
        Context::new(self.depth + place, self.generations[usize::from(place)])
    }

    pub(super) fn release(&mut self, purpose: Purpose) {
        self.out[usize::from(purpose.place())] = false;
    }

    /// After a reset nothing is out, and nothing that was is believed.
    pub(super) fn forget_all(&mut self) {
        self.out = [false; CONTROL_REQUESTS as usize];
        for generation in &mut self.generations {
            *generation = generation.wrapping_add(1);
        }
    }

    /// Whether a context could be that of a request of ours, whenever.
    pub(super) fn is_name(&self, word: u32) -> bool {
        let place = Context::checked(word).and_then(|c| c.index().checked_sub(self.depth));
        place.and_then(Purpose::at).is_some()
    }

    /// Which request a context names, if it is out.
    ///
    /// # Errors
    ///
    /// [`BadReply::UnknownTag`].
    pub(super) fn find(&self, word: u32) -> Result<Purpose, BadReply> {
        let unknown = BadReply::UnknownTag { raw: word };
        let context = Context::checked(word).ok_or(unknown)?;
        let place = context.index().checked_sub(self.depth).ok_or(unknown)?;
        let purpose = Purpose::at(place).ok_or(unknown)?;
        if self.is_out(purpose) && self.context(purpose) == context {
            Ok(purpose)
        } else {
            Err(unknown)
        }
    }

    /// Where a slot's frame is.
    pub(super) fn frame(&self, purpose: Purpose) -> BusAddr {
        self.frames.bus().offset(self.offset(purpose) as u64)
    }

    fn offset(&self, purpose: Purpose) -> usize {
        usize::from(purpose.place()) * FRAME
    }

    /// Writes a message into a slot's frame and posts it to the FIFO register at `port`.
    pub(super) fn post(
        &mut self,
        purpose: Purpose,
        message: &[u8],
        port: u32,
        sync: &mut impl DmaSync,
        registers: &mut dyn Registers,
    ) {
        let len = message.len().min(self.frame_size);
        self.frames.write_bytes(self.offset(purpose), &message[..len]);
        let bus = self.frame(purpose);
        sync.for_device(bus, self.frame_size);
        hba_core::sync::publish();
        registers.write32(RegOffset(port), bus.low());
    }
}
