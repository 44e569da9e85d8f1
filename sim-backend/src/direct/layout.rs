//! The words that host and controller exchange in memory.
//!
//! Both sides of the test double use these; each makes its own checks of what it reads.

use hba_core::dma::{BusAddr, Segment};
use hba_core::port::{Generation, Tag, WireTag};
use scsi_proto::{Cdb, Direction, Lun, TaskAttribute};

/// Bytes of a request slot.
pub(super) const REQUEST_LEN: usize = 256;
/// Bytes before the scatter elements of a request slot.
pub(super) const HEAD_LEN: usize = 64;
/// Bytes of a scatter element: address, length, a reserved word.
pub(super) const ELEMENT_LEN: usize = 16;
/// Scatter elements in a request slot; the others are in the list.
pub(super) const INLINE_ELEMENTS: usize = (REQUEST_LEN - HEAD_LEN) / ELEMENT_LEN;
/// Bytes of a descriptor.
pub(super) const DESCRIPTOR_LEN: usize = 8;
/// Bytes of a detail record.
pub(super) const DETAIL_LEN: usize = 272;
/// Where the sense data of a detail record is.
pub(super) const SENSE_AT: usize = 16;
/// Most sense bytes of a detail record. Source: SPC-5 4.4.1.
pub(super) const SENSE_MAX: u8 = 252;

const _: () = assert!(SENSE_AT + SENSE_MAX as usize <= DETAIL_LEN);
const _: () = assert!(INLINE_ELEMENTS == 12 && HEAD_LEN == 4 * HEAD_WORDS);

/// 32-bit words of a request's head.
pub(super) const HEAD_WORDS: usize = 16;

/// Bits 15:0 the slot, 31:16 its generation.
pub(super) const fn name_word(name: WireTag) -> u32 {
    name.tag.0 as u32 | name.generation.0 << 16
}

pub(super) const fn name_of(word: u32) -> WireTag {
    WireTag { tag: Tag(word as u16), generation: Generation(word >> 16) }
}

/// Everything in a request slot but the scatter elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Echoed in the reply.
    pub(super) name: WireTag,
    pub(super) target: u16,
    pub(super) direction: Direction,
    pub(super) attribute: TaskAttribute,
    pub(super) lun: Lun,
    pub(super) cdb: Cdb,
    /// Bytes to move.
    pub(super) length: u32,
    /// Scatter elements in all.
    pub(super) elements: u32,
    /// The elements that are not in the slot; 0 when there are none.
    pub(super) list: BusAddr,
}

impl Head {
    pub(super) fn to_words(self) -> [u32; HEAD_WORDS] {
        let direction = match self.direction {
            Direction::None => 0,
            Direction::ToDevice => 1,
            Direction::FromDevice => 2,
        };
        let attribute = match self.attribute {
            TaskAttribute::Simple => 0,
            TaskAttribute::HeadOfQueue => 1,
            TaskAttribute::Ordered => 2,
            TaskAttribute::Aca => 3,
        };
        let cdb_len = self.cdb.len() as u32;
        let mut words = [0; HEAD_WORDS];
        words[0] = name_word(self.name);
        words[1] = u32::from(self.target) | direction << 16 | attribute << 18 | cdb_len << 24;
        pack(&mut words[2..4], &self.lun.0);
        pack(&mut words[4..12], self.cdb.padded32());
        [words[12], words[13]] = [self.length, self.elements];
        [words[14], words[15]] = [self.list.low(), self.list.high()];
        words
    }

    /// `None` for a direction or a CDB length that does not exist.
    pub(super) fn from_words(words: &[u32; HEAD_WORDS]) -> Option<Self> {
        let direction = match words[1] >> 16 & 3 {
            0 => Direction::None,
            1 => Direction::ToDevice,
            2 => Direction::FromDevice,
            _ => return None,
        };
        let attribute = match words[1] >> 18 & 3 {
            0 => TaskAttribute::Simple,
            1 => TaskAttribute::HeadOfQueue,
            2 => TaskAttribute::Ordered,
            _ => TaskAttribute::Aca,
        };
        let (mut lun, mut cdb) = ([0; 8], [0; Cdb::LEN_MAX]);
        unpack(&words[2..4], &mut lun);
        unpack(&words[4..12], &mut cdb);
        let cdb_len = (words[1] >> 24) as usize;
        Some(Self {
            name: name_of(words[0]),
            target: words[1] as u16,
            direction,
            attribute,
            lun: Lun(lun),
            cdb: Cdb::new(cdb.get(..cdb_len)?).ok()?,
            length: words[12],
            elements: words[13],
            list: address(words[14], words[15]),
        })
    }
}

/// The words of a scatter element.
#[inline]
pub(super) const fn element_words(element: Segment) -> [u32; 4] {
    [element.addr.low(), element.addr.high(), element.len, 0]
}

/// The element in `bytes`.
pub(super) const fn element_of(bytes: &[u8; ELEMENT_LEN]) -> Segment {
    let [a0, a1, a2, a3, a4, a5, a6, a7, l0, l1, l2, l3, _, _, _, _] = *bytes;
    let addr = u64::from_le_bytes([a0, a1, a2, a3, a4, a5, a6, a7]);
    Segment::new(BusAddr::new(addr), u32::from_le_bytes([l0, l1, l2, l3]))
}

/// A bus address from its halves.
pub(super) const fn address(low: u32, high: u32) -> BusAddr {
    BusAddr::new(low as u64 | (high as u64) << 32)
}

/// What a descriptor says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// GOOD, every byte moved.
    Success,
    /// See the slot's detail record.
    Detail,
    /// Not for a command.
    Message,
    /// A code that does not exist.
    Unknown(u8),
}

/// One entry of a reply ring.
///
/// The first word is the name of the command, or what a message is about. The second: bit 31 phase, 30:28 kind, 27:24
/// the vector that the command was sent on, 23:16 a message's topic, 15:0 its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Descriptor {
    pub(super) subject: u32,
    pub(super) kind: Kind,
    pub(super) vector: u8,
    pub(super) topic: Topic,
    pub(super) code: u16,
}

impl Descriptor {
    pub(super) const fn reply(name: WireTag, vector: u8, kind: Kind) -> Self {
        Self { subject: name_word(name), kind, vector, topic: Topic(0), code: 0 }
    }

    pub(super) const fn message(subject: u32, topic: Topic, code: u16) -> Self {
        Self { subject, kind: Kind::Message, vector: 0, topic, code }
    }

    /// The phase of the lap that `count` descriptors came before.
    pub(super) const fn phase(count: u32, entries: u32) -> bool {
        (count / entries).is_multiple_of(2)
    }

    pub(super) fn to_words(self, phase: bool) -> [u32; 2] {
        let kind = match self.kind {
            Kind::Success => 1,
            Kind::Detail => 2,
            Kind::Message => 3,
            Kind::Unknown(kind) => kind & 7,
        };
        let second = u32::from(phase) << 31
            | u32::from(kind) << 28
            | u32::from(self.vector & 15) << 24
            | u32::from(self.topic.0) << 16
            | u32::from(self.code);
        [self.subject, second]
    }

    #[inline]
    pub(super) const fn from_words(subject: u32, second: u32) -> Self {
        let kind = match second >> 28 & 7 {
            1 => Kind::Success,
            2 => Kind::Detail,
            3 => Kind::Message,
            other => Kind::Unknown(other as u8),
        };
        let topic = Topic((second >> 16) as u8);
        Self { subject, kind, vector: (second >> 24 & 15) as u8, topic, code: second as u16 }
    }
}

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Topic(pub(super) u8);

impl Topic {
    /// The answer to the function with the subject as ADMIN_ID; the code is the result.
    pub(super) const TASK_MANAGEMENT: Self = Self(1);
    /// The target address in the subject came, went or changed.
    pub(super) const TARGET: Self = Self(2);
}

/// How a command ended, in bits 15:8 of a detail record's second word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ending(pub(super) u8);

impl Ending {
    /// The status byte came from the device server.
    pub(super) const TASK_COMPLETE: Self = Self(0);
    pub(super) const NOT_PRESENT: Self = Self(1);
    pub(super) const ABORTED: Self = Self(2);
    /// An access to the initiator's memory failed.
    pub(super) const DATA_ERROR: Self = Self(3);
    /// The request slot makes no sense.
    pub(super) const REFUSED: Self = Self(4);
    pub(super) const BUSY: Self = Self(5);
}

/// The first 16 bytes of a detail record; the sense data follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DetailHead {
    /// The command, as in the descriptor.
    pub(super) name: WireTag,
    pub(super) ending: Ending,
    pub(super) status: u8,
    pub(super) sense_len: u8,
    /// Bytes that the device server had to move; more than the request's length is an overrun.
    pub(super) transferred: u32,
}

impl DetailHead {
    pub(super) fn to_words(self) -> [u32; 4] {
        let [status, sense_len] = [self.status, self.sense_len].map(u32::from);
        let second = status | u32::from(self.ending.0) << 8 | sense_len << 16;
        [name_word(self.name), second, self.transferred, 0]
    }

    pub(super) const fn from_words(words: [u32; 4]) -> Self {
        let [name, second, transferred, _] = words;
        let [status, ending, sense_len, _] = second.to_le_bytes();
        Self { name: name_of(name), ending: Ending(ending), status, sense_len, transferred }
    }
}

fn pack(words: &mut [u32], bytes: &[u8]) {
    for (word, chunk) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u32::from_le_bytes(*chunk);
    }
}

fn unpack(words: &[u32], bytes: &mut [u8]) {
    for (word, chunk) in words.iter().zip(bytes.as_chunks_mut().0) {
        *chunk = word.to_le_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_survives_its_words() {
        let head = Head {
            name: WireTag { tag: Tag(0x1234), generation: Generation(0xfedc) },
            target: 0x8001,
            direction: Direction::FromDevice,
            attribute: TaskAttribute::Ordered,
            lun: Lun([1, 2, 3, 4, 5, 6, 7, 8]),
            cdb: Cdb::new(&core::array::from_fn::<_, 32, _>(|i| i as u8 + 1)).unwrap(),
            length: 0x1000,
            elements: 1025,
            list: BusAddr::new(0x12_3456_7890),
        };
        let words = head.to_words();
        assert_eq!(Head::from_words(&words), Some(head));
        assert_eq!(words[0], 0xfedc_1234);
        assert_eq!([words[2], words[4]], [0x0403_0201, 0x0403_0201]);
        let with = |index: usize, value| {
            let mut words = words;
            words[index] = value;
            Head::from_words(&words)
        };
        assert_eq!(with(1, words[1] | 3 << 16), None, "no such direction");
        assert_eq!(with(1, 33 << 24), None, "no such cdb length");
        assert_eq!(with(1, 0), None, "a cdb has at least one byte");
    }

    #[test]
    fn a_descriptor_survives_its_words() {
        let name = name_of(0xabcd_0102);
        let reply = Descriptor::reply(name, 15, Kind::Detail);
        let [subject, second] = reply.to_words(true);
        assert_eq!(Descriptor::from_words(subject, second), reply);
        assert_eq!(second >> 31, 1, "the phase of the first lap");
        assert!(
            !Descriptor::phase(8, 8)
                && Descriptor::phase(0u32.wrapping_sub(9), 8) == Descriptor::phase(7, 8)
        );
    }

    #[test]
    fn a_detail_survives_its_words() {
        let head = DetailHead {
            name: name_of(7),
            ending: Ending::ABORTED,
            status: 2,
            sense_len: 252,
            transferred: u32::MAX,
        };
        assert_eq!(DetailHead::from_words(head.to_words()), head);
    }
}
