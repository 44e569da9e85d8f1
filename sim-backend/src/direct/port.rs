//! The host's data path of one vector.

use hba_core::command::{Command, Failure};
use hba_core::dma::{BusAddr, DmaRegion, Elements, ScatterError};
use hba_core::port::{
    BadReply, Delivery, Detail, Message, QueuePort, Reply, Tag, Transferred, Unsendable, WireTag,
};
use hba_core::register::RegisterWrite;
use hba_core::sabotage::{Sabotage, is_planted};
use hba_core::sync::PhaseRing;
use scsi_proto::{Status, TaskAttribute};

use super::config::Shape;
use super::layout::{
    DETAIL_LEN, Descriptor, DetailHead, ELEMENT_LEN, Ending, HEAD_LEN, Head, INLINE_ELEMENTS, Kind,
    REQUEST_LEN, SENSE_AT, SENSE_MAX, element_words, name_of, name_word,
};
use super::registers::VectorRegister;

/// Request slots, reply ring and detail records of one vector.
///
/// The controller may write any word of the replies at any moment; each is read once, and a name counts only when it
/// is one of this vector.
#[derive(Debug)]
pub struct DirectQueue {
    /// Written by the host only.
    requests: DmaRegion,
    /// Written by the controller; the host only clears it.
    ring: PhaseRing<DmaRegion>,
    /// The detail records behind the ring, written by the controller.
    details: DmaRegion,
    shape: Shape,
    vector: u8,
    targets: u16,
    /// Descriptors taken since START that the controller was told of last, modulo 2^32.
    acknowledged: u32,
    detail: Detail,
    message: Message,
}

const NO_DETAIL: Detail = Detail {
    delivery: Delivery::Failed(Failure::BadReply),
    status: Status::GOOD,
    transferred: Transferred::Bytes(0),
    sense_len: 0,
    raw_status: 0,
};

impl DirectQueue {
    /// The regions were checked against the plan.
    pub(super) fn new(
        vector: u8,
        targets: u16,
        shape: Shape,
        requests: DmaRegion,
        replies: DmaRegion,
    ) -> Self {
        let message = Message::EMPTY;
        let detail = NO_DETAIL;
        let (ring, details) = replies.split_at(shape.details_at());
        let ring = PhaseRing::new(ring, shape.entries);
        Self { requests, ring, details, shape, vector, targets, acknowledged: 0, detail, message }
    }

    pub(super) const fn requests_bus(&self) -> BusAddr {
        self.requests.bus()
    }

    pub(super) const fn ring_bus(&self) -> BusAddr {
        self.ring.memory().bus()
    }

    /// Writes the elements and returns how many there are.
    #[inline]
    fn write_elements(
        &mut self,
        slot: usize,
        mut elements: Elements<'_>,
    ) -> Result<u32, ScatterError> {
        let permitted = self.shape.elements_max;
        let mut count = 0;
        while let Some(element) = elements.take_next()? {
            if count == 1 && is_planted(Sabotage::ListTruncated) {
                return Ok(count);
            }
            if count == permitted {
                let needed = count + 1 + elements.count()?;
                return Err(ScatterError::TooManyElements { needed, permitted });
            }
            let at = self.element_at(slot, count as usize);
            self.requests.write_words(at, element_words(element));
            count += 1;
        }
        Ok(count)
    }

    #[inline]
    const fn element_at(&self, slot: usize, index: usize) -> usize {
        match index.checked_sub(INLINE_ELEMENTS) {
            None => slot * REQUEST_LEN + HEAD_LEN + index * ELEMENT_LEN,
            Some(index) => self.list_at(slot) + index * ELEMENT_LEN,
        }
    }

    const fn list_at(&self, slot: usize) -> usize {
        self.shape.lists_at() + slot * self.shape.list_len()
    }

    /// Takes a message; only the ring of vector 0 carries them.
    #[cold]
    fn take_message(&mut self, words: [u32; 2]) -> Reply {
        if self.vector != 0 {
            return Reply::Bad(BadReply::Function { function: (words[1] >> 16) as u8 });
        }
        self.message = Message::new(words);
        Reply::Message
    }

    /// Copies the head of a detail record that is known to be one of this queue.
    #[cold]
    fn take_detail(&mut self, name: WireTag) -> Reply {
        let at = Self::detail_at(name.tag);
        let head = DetailHead::from_words([0, 4, 8, 12].map(|i| self.details.read_u32(at + i)));
        if head.name != name {
            return Reply::Bad(BadReply::FrameNotOwned { raw: name_word(head.name) });
        }
        let delivery = match head.ending {
            Ending::TASK_COMPLETE => Delivery::TaskComplete,
            Ending::NOT_PRESENT => Delivery::Failed(Failure::DeviceNotPresent),
            Ending::ABORTED => Delivery::Failed(Failure::Aborted),
            Ending::DATA_ERROR => Delivery::Failed(Failure::DataError),
            Ending::REFUSED => Delivery::Failed(Failure::Refused),
            Ending::BUSY => Delivery::Failed(Failure::Busy),
            _ => Delivery::Failed(Failure::BadReply),
        };
        self.detail = Detail {
            delivery,
            status: Status(head.status),
            transferred: Transferred::Bytes(head.transferred),
            sense_len: head.sense_len.min(SENSE_MAX),
            raw_status: head.ending.0.into(),
        };
        Reply::Detail(name)
    }

    /// From the beginning of the detail records.
    fn detail_at(tag: Tag) -> usize {
        usize::from(tag.0) * DETAIL_LEN
    }
}

impl QueuePort for DirectQueue {
    type Doorbell = RegisterWrite;
    type Ack = Option<RegisterWrite>;
    const GENERATION_BITS: u32 = 16;

    // Called from two places of the core, which is one too many for the compiler's own judgement.
    #[inline(always)]
    fn prepare(
        &mut self,
        name: WireTag,
        command: &Command,
        elements: Elements<'_>,
    ) -> Result<RegisterWrite, Unsendable> {
        let target = command.nexus.target;
        if target.channel != 0 || target.id >= self.targets {
            return Err(Unsendable::Target(target));
        }
        let slot = usize::from(name.tag.0);
        let elements = self.write_elements(slot, elements)?;
        let list = match elements as usize > INLINE_ELEMENTS {
            true => self.requests.bus().offset(self.list_at(slot) as u64),
            false => BusAddr::new(0),
        };
        let head = Head {
            name,
            target: target.id,
            direction: command.transfer.wire_direction(),
            attribute: match is_planted(Sabotage::AttributeDropped) {
                true => TaskAttribute::Simple,
                false => command.attribute,
            },
            lun: command.nexus.lun,
            cdb: command.cdb,
            length: command.transfer.length,
            elements,
            list,
        };
        self.requests.write_words(slot * REQUEST_LEN, head.to_words());
        let offset = VectorRegister::DOORBELL.of(self.vector);
        Ok(RegisterWrite { offset, value: name.tag.0.into() })
    }

    #[inline]
    fn next_reply(&mut self) -> Reply {
        let Some([first, second]) = self.ring.take() else { return Reply::Empty };
        let descriptor = Descriptor::from_words(first, second);
        let name = name_of(first);
        let ours = descriptor.vector == self.vector && name.tag.0 < self.shape.depth;
        match descriptor.kind {
            Kind::Success if ours => Reply::Success(name),
            Kind::Detail if ours => self.take_detail(name),
            Kind::Message => self.take_message([first, second]),
            Kind::Success | Kind::Detail => Reply::Bad(BadReply::UnknownTag { raw: first }),
            Kind::Unknown(function) => Reply::Bad(BadReply::Function { function }),
        }
    }

    fn detail(&self) -> &Detail {
        &self.detail
    }

    fn read_sense(&mut self, tag: Tag, into: &mut [u8]) {
        let len = into.len().min(SENSE_MAX.into());
        if tag.0 < self.shape.depth {
            self.details.read_bytes(Self::detail_at(tag) + SENSE_AT, &mut into[..len]);
        }
    }

    fn message(&self) -> &Message {
        &self.message
    }

    #[inline]
    fn acknowledge(&mut self) -> Option<RegisterWrite> {
        // A pass that found nothing has nothing to say: idle polling writes no register.
        if self.acknowledged == self.ring.taken() {
            return None;
        }
        self.acknowledged = self.ring.taken();
        let offset = VectorRegister::CONSUMER.of(self.vector);
        Some(RegisterWrite { offset, value: self.acknowledged })
    }

    fn restart(&mut self) {
        self.ring.restart();
        self.acknowledged = 0;
    }
}
