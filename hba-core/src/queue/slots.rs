//! The slots of one queue: which are free, what the others hold.

use alloc::vec::Vec;

use super::deadlines::{Link, Links};
use crate::command::{Cookie, Nexus};
use crate::port::{Generation, Tag, WireTag};

/// The end of a list of slots. Queues have at most this many slots.
pub(super) const NO_SLOT: u16 = u16::MAX;

/// Where a slot is in its life.
///
/// ```text
///            submit              reply
///   Free ------------> Issued ------------> Free
///                        | expired, abort
///                        v        reply            redeem
///                      Pinned ------------> Ended --------> Free
///                        | redeem: the device has it no more
///                        v        next service pass
///                    Condemned -----------------------------> Free (or Quarantined)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// In the free list.
    Free,
    /// The device has the command.
    Issued,
    /// The device has the command, and a ticket that names it is out.
    Pinned,
    /// The command completed while its ticket was out; the slot waits for the ticket.
    Ended,
    /// A verdict says that the device has it no more; the next service pass completes it.
    Condemned,
    /// In doubt: not used again before the device was reset.
    Quarantined,
}

/// The record of one slot. The data memory lives beside it, so that this stays small.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) cookie: Cookie,
    pub(super) nexus: Nexus,
    pub(super) length: u32,
    pub(super) generation: u32,
    pub(super) link: Link,
    pub(super) state: State,
    /// Whether the deadline passed.
    pub(super) expired: bool,
    next_free: u16,
}

impl Slot {
    /// Whether its memory is the device's.
    fn is_outstanding(&self) -> bool {
        matches!(self.state, State::Issued | State::Pinned | State::Condemned)
    }
}

const _: () = assert!(size_of::<Slot>() <= 64, "a slot record fits a cache line");

#[derive(Debug)]
pub(super) struct Slots<D> {
    records: Vec<Slot>,
    data: Vec<Option<D>>,
    free_head: u16,
    free_tail: u16,
    outstanding: u16,
    /// Ones where the wire carries generation bits.
    mask: u32,
}

impl<D> Slots<D> {
    /// `depth` free slots; at most 65,534.
    pub(super) fn new(depth: u16, generation_bits: u32) -> Self {
        let depth = depth.min(NO_SLOT - 1);
        let blank = |next_free| Slot {
            cookie: Cookie(0),
            nexus: Nexus::new(crate::command::TargetId::new(0), scsi_proto::Lun::ZERO),
            length: 0,
            generation: 0,
            link: Link::UNARMED,
            state: State::Free,
            expired: false,
            next_free,
        };
        let next = |slot| if slot + 1 < depth { slot + 1 } else { NO_SLOT };
        let records: Vec<_> = (0..depth).map(|slot| blank(next(slot))).collect();
        let data = records.iter().map(|_| None).collect();
        let ends = if depth == 0 { (NO_SLOT, NO_SLOT) } else { (0, depth - 1) };
        let mask = if generation_bits >= 32 { u32::MAX } else { (1 << generation_bits) - 1 };
        Self { records, data, free_head: ends.0, free_tail: ends.1, outstanding: 0, mask }
    }

    pub(super) fn depth(&self) -> u16 {
        self.records.len() as u16
    }

    /// Commands that the device has.
    pub(super) fn outstanding(&self) -> u16 {
        self.outstanding
    }

    /// The slot that the next [`Self::issue`] takes, and its name on the wire.
    #[inline]
    pub(super) fn peek(&self) -> Option<(u16, WireTag)> {
        let slot = self.free_head;
        let record = self.records.get(usize::from(slot))?;
        Some((slot, self.name(slot, record)))
    }

    /// Moves the slot that [`Self::peek`] showed out of the free list.
    #[inline]
    pub(super) fn issue(&mut self, slot: u16, data: D) -> &mut Slot {
        self.data[usize::from(slot)] = Some(data);
        let record = &mut self.records[usize::from(slot)];
        self.free_head = record.next_free;
        if self.free_head == NO_SLOT {
            self.free_tail = NO_SLOT;
        }
        self.outstanding += 1;
        record.state = State::Issued;
        record.expired = false;
        record
    }

    /// The slot that `name` names, if the device has that very command.
    #[inline]
    pub(super) fn find(&self, name: WireTag) -> Option<&Slot> {
        let record = self.records.get(usize::from(name.tag.0))?;
        let fresh = (record.generation ^ name.generation.0) & self.mask == 0;
        (fresh && matches!(record.state, State::Issued | State::Pinned)).then_some(record)
    }

    /// Takes the memory of an outstanding command out of its slot and moves the slot on.
    #[inline]
    pub(super) fn finish(&mut self, slot: u16) -> Option<D> {
        let data = self.data.get_mut(usize::from(slot))?.take()?;
        self.outstanding -= 1;
        let record = &mut self.records[usize::from(slot)];
        record.generation = record.generation.wrapping_add(1);
        match record.state {
            State::Pinned => record.state = State::Ended,
            State::Condemned => self.rest(slot),
            _ => self.release(slot),
        }
        Some(data)
    }

    /// Puts a slot back into the free list: last in, first out where the wire tells generations apart, so that warm
    /// memory is used again; first in, first out where it does not, so that a slot rests as long as possible.
    #[inline]
    pub(super) fn release(&mut self, slot: u16) {
        let lifo = self.mask != 0;
        let record = &mut self.records[usize::from(slot)];
        record.state = State::Free;
        if lifo {
            record.next_free = self.free_head;
            self.free_head = slot;
            return;
        }
        record.next_free = NO_SLOT;
        match self.records.get_mut(usize::from(self.free_tail)) {
            Some(tail) => tail.next_free = slot,
            None => self.free_head = slot,
        }
        self.free_tail = slot;
    }

    /// Puts a doubtful slot out of use, or back into use where its generation tells replies apart.
    fn rest(&mut self, slot: u16) {
        if self.mask == 0 {
            self.records[usize::from(slot)].state = State::Quarantined;
        } else {
            self.release(slot);
        }
    }

    /// Returns every quarantined slot, and takes the doubt off those that a verdict ended: the device forgot all of them.
    pub(super) fn end_doubt(&mut self) {
        for slot in 0..self.depth() {
            let record = &mut self.records[usize::from(slot)];
            match record.state {
                State::Quarantined => self.release(slot),
                State::Condemned => record.state = State::Issued,
                _ => {}
            }
        }
    }

    pub(super) fn record(&self, slot: u16) -> Option<&Slot> {
        self.records.get(usize::from(slot))
    }

    pub(super) fn record_mut(&mut self, slot: u16) -> Option<&mut Slot> {
        self.records.get_mut(usize::from(slot))
    }

    pub(super) fn name_of(&self, slot: u16) -> Option<WireTag> {
        self.record(slot).map(|record| self.name(slot, record))
    }

    /// The first outstanding slot at or after `from`.
    pub(super) fn next_outstanding(&self, from: u16) -> Option<u16> {
        let rest = self.records.get(usize::from(from)..)?;
        let at = rest.iter().position(Slot::is_outstanding)?;
        Some(from + at as u16)
    }

    /// Every outstanding command with its memory left in place.
    pub(super) fn iter_outstanding(&self) -> impl Iterator<Item = &Slot> {
        self.records.iter().filter(|r| r.is_outstanding())
    }

    /// Moves all memory out, outstanding or not.
    pub(super) fn take_data(&mut self) -> Vec<D> {
        self.outstanding = 0;
        self.data.iter_mut().filter_map(Option::take).collect()
    }

    #[inline]
    fn name(&self, slot: u16, record: &Slot) -> WireTag {
        let generation = Generation(record.generation & self.mask);
        WireTag { tag: Tag(slot), generation }
    }
}

impl<D> Links for Slots<D> {
    #[inline]
    fn link(&mut self, slot: u16) -> &mut Link {
        &mut self.records[usize::from(slot)].link
    }
}
