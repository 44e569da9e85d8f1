//! A scripted port and a data buffer that knows whether it was dropped.
#![expect(
    unsafe_code,
    reason = "no device exists that could touch the made-up addresses of these buffers"
)]

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;

use scsi_proto::Status;

use crate::command::Command;
use crate::dma::{AddressWidth, BusAddr, DataBuffer, DmaWindow, Elements, Segment};
use crate::limits::Limits;
use crate::port::{BadReply, Delivery, Detail, Message, QueuePort, Reply, Tag, Transferred};
use crate::port::{Unsendable, WireTag};
use crate::register::{RegOffset, RegisterWrite};

pub(super) const DEPTH: u16 = 8;

pub(super) const LIMITS: Limits = Limits {
    transfer_max: 64 * 1024,
    elements_max: 17,
    element_max: 4096,
    boundary: 0,
    window: DmaWindow::of_width(AddressWidth::BITS_32),
    page_size: 4096,
    queue_depth: DEPTH,
    vectors: 1,
    cdb_max: 16,
    sense_max: 96,
    targets_max: 8,
};

/// Everything that a frame would have held.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) name: WireTag,
    pub(super) command: Command,
    pub(super) elements: Vec<Segment>,
}

/// Something that the device posts.
#[derive(Clone, Debug)]
pub(super) enum Posted {
    Good(WireTag),
    Detail(WireTag, Detail, Vec<u8>),
    Message(Message),
    Bad(BadReply),
    Gone,
}

/// A port whose replies are what the test posted. `BITS` is the width of the generation on its wire.
#[derive(Debug)]
pub(super) struct FakePort<const BITS: u32> {
    pub(super) sent: Vec<Sent>,
    pub(super) posted: VecDeque<Posted>,
    /// Posted over and over once `posted` is empty.
    pub(super) endless: Option<Posted>,
    /// Every call that would touch the device's memory or registers.
    pub(super) touches: u32,
    detail: Detail,
    sense: Vec<u8>,
    message: Message,
}

impl<const BITS: u32> FakePort<BITS> {
    pub(super) fn new() -> Self {
        Self {
            sent: Vec::new(),
            posted: VecDeque::new(),
            endless: None,
            touches: 0,
            detail: detail(Status::GOOD, Transferred::All),
            sense: Vec::new(),
            message: Message::EMPTY,
        }
    }
}

pub(super) fn detail(status: Status, transferred: Transferred) -> Detail {
    Detail { delivery: Delivery::TaskComplete, status, transferred, sense_len: 0, raw_status: 0 }
}

impl<const BITS: u32> QueuePort for FakePort<BITS> {
    type Doorbell = RegisterWrite;
    type Ack = RegisterWrite;
    const GENERATION_BITS: u32 = BITS;

    fn prepare(
        &mut self,
        name: WireTag,
        command: &Command,
        mut elements: Elements<'_>,
    ) -> Result<RegisterWrite, Unsendable> {
        self.touches += 1;
        let length = command.cdb.len();
        if length > usize::from(LIMITS.cdb_max) {
            return Err(Unsendable::Cdb { length });
        }
        let mut list = Vec::new();
        while let Some(element) = elements.take_next()? {
            list.push(element);
        }
        self.sent.push(Sent { name, command: *command, elements: list });
        Ok(RegisterWrite { offset: RegOffset(0x40), value: u32::from(name.tag.0) })
    }

    fn next_reply(&mut self) -> Reply {
        self.touches += 1;
        match self.posted.pop_front().or_else(|| self.endless.clone()) {
            None => Reply::Empty,
            Some(Posted::Good(name)) => Reply::Success(name),
            Some(Posted::Detail(name, detail, sense)) => {
                (self.detail, self.sense) = (detail, sense);
                Reply::Detail(name)
            }
            Some(Posted::Message(message)) => {
                self.message = message;
                Reply::Message
            }
            Some(Posted::Bad(bad)) => Reply::Bad(bad),
            Some(Posted::Gone) => Reply::Gone,
        }
    }

    fn detail(&self) -> &Detail {
        &self.detail
    }

    fn read_sense(&mut self, _: Tag, into: &mut [u8]) {
        self.touches += 1;
        into.iter_mut().zip(&self.sense).for_each(|(to, from)| *to = *from);
    }

    fn message(&self) -> &Message {
        &self.message
    }

    fn acknowledge(&mut self) -> RegisterWrite {
        self.touches += 1;
        RegisterWrite { offset: RegOffset(0x30), value: 0 }
    }

    fn restart(&mut self) {
        self.touches += 1;
        self.posted.clear();
    }
}

/// The names of the buffers that were dropped.
pub(super) type Dropped = Rc<RefCell<Vec<u64>>>;

/// A data buffer of one segment that tells when it is dropped.
#[derive(Debug)]
pub(super) struct Tracked {
    pub(super) id: u64,
    segments: [Segment; 1],
    dropped: Dropped,
}

impl Tracked {
    pub(super) fn new(id: u64, len: u32, dropped: &Dropped) -> Self {
        let segments = [Segment::new(BusAddr::new(0x10_0000), len)];
        Self { id, segments, dropped: Rc::clone(dropped) }
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.dropped.borrow_mut().push(self.id);
    }
}

// SAFETY: the addresses are never given to a device.
unsafe impl DataBuffer for Tracked {
    fn segments(&self) -> &[Segment] {
        &self.segments
    }
}
