//! The slots of one queue: which are free, what the others hold.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::deadlines::NEVER;
use super::offer::Offer;
use crate::command::{Cookie, Nexus, TargetId};
use crate::durability::Kind;
use crate::name::CommandHandle;
use crate::port::{Generation, Tag, Unclaimed, WireTag};
use crate::sabotage::{Sabotage, is_planted};
use crate::time::Instant;
use scsi_proto::Lun;

/// The end of the free list.
const NO_SLOT: u16 = u16::MAX;

/// Where a slot is in its life.
///
/// ```text
///            submit              reply
///   Free ------------> Issued ------------> Free
///                        | expired, abort
///                        v        reply            redeem
///                      Pinned ------------> Ended --------> Free
/// ```
///
/// A slot in doubt rests as `Pinned`, with its memory: until its own reply, or until the device was reset.
///
/// The states from `Issued` on are those in which a reply ends the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    /// In the free list, and not issued since the device was reset.
    Unused,
    /// In the free list.
    Free,
    /// The command completed while its ticket was out; the slot waits for the ticket.
    Ended,
    /// The device has the command.
    Issued,
    /// The device has the command, and a ticket that names it is out.
    Pinned,
}

/// The slot behind the one that is being issued.
#[derive(Debug)]
#[must_use = "the slot is still in the free list"]
pub(super) struct NextFree(u16);

/// One slot.
#[derive(Debug)]
pub(super) struct Slot<D> {
    /// The memory, while it is the device's.
    pub(super) data: Option<D>,
    pub(super) cookie: Cookie,
    pub(super) expires: Instant,
    pub(super) nexus: Nexus,
    pub(super) length: u32,
    /// How often the slot was used; the wire carries the lowest bits.
    pub(super) generation: u32,
    next_free: u16,
    pub(super) state: State,
    /// Whether the deadline passed, whether a ticket is due, and what the command is to the books.
    pub(super) notes: Notes,
}

/// One byte: the slot has no room for more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Notes(u8);

impl Notes {
    const EXPIRED: u8 = 0x80;
    const WAITS: u8 = 0x40;

    const fn new(kind: Kind) -> Self {
        Self(kind as u8)
    }

    pub(super) const fn expired(self) -> bool {
        self.0 & Self::EXPIRED != 0
    }

    pub(super) fn expire(&mut self) {
        self.0 |= Self::EXPIRED;
    }

    /// Whether the command is to end, and has no ticket yet.
    const fn waits(self) -> bool {
        self.0 & Self::WAITS != 0
    }

    pub(super) fn set_waits(&mut self, waits: bool) {
        self.0 = self.0 & !Self::WAITS | if waits { Self::WAITS } else { 0 };
    }

    pub(super) const fn kind(self) -> Kind {
        match self.0 & !(Self::EXPIRED | Self::WAITS) {
            1 => Kind::Write,
            2 => Kind::FuaWrite,
            3 => Kind::Flush,
            _ => Kind::Other,
        }
    }
}

const _: () = assert!(size_of::<Slot<&()>>() <= 48, "40 bytes for each tag, and its data");

impl<D> Slot<D> {
    const fn new(next_free: u16) -> Self {
        Self {
            data: None,
            cookie: Cookie(0),
            expires: Instant::ZERO,
            nexus: Nexus::new(TargetId::new(0), Lun::ZERO),
            length: 0,
            generation: 0,
            next_free,
            state: State::Unused,
            notes: Notes::new(Kind::Other),
        }
    }

    /// The device gets the command of `offer`, which has until `expires`.
    #[inline]
    pub(super) fn take(
        &mut self,
        name: WireTag,
        offer: impl Offer<D>,
        expires: Instant,
    ) -> (CommandHandle, NextFree) {
        let command = offer.command();
        self.nexus = command.nexus;
        self.length = command.transfer.length;
        self.cookie = offer.cookie();
        self.expires = expires;
        self.data = offer.take();
        self.state = State::Issued;
        let handle = CommandHandle { slot: name.tag.0, generation: self.generation };
        (handle, NextFree(self.next_free))
    }

    /// What the command that gets the slot is to the books. A free slot is of none.
    #[inline]
    pub(super) fn note(&mut self, kind: Kind) {
        self.notes = Notes::new(kind);
    }

    /// Whether its memory is the device's.
    fn is_outstanding(&self) -> bool {
        self.state >= State::Issued
    }
}

/// What a slot held when its command ended.
#[derive(Debug)]
pub(super) struct Finished<D> {
    pub(super) data: D,
    pub(super) cookie: Cookie,
    pub(super) length: u32,
    pub(super) generation: u32,
}

#[derive(Debug)]
pub(super) struct Slots<D> {
    records: Box<[Slot<D>]>,
    free_head: u16,
    /// Meaningless while the list is empty.
    free_tail: u16,
    /// Ones where the wire carries generation bits. The hot calls get it as the constant that it is.
    mask: u32,
}

/// The mask of a port's generation bits.
pub(super) const fn generation_mask(bits: u32) -> u32 {
    if bits >= 32 { u32::MAX } else { (1 << bits) - 1 }
}

impl<D> Slots<D> {
    /// `depth` free slots, at most 65,535.
    pub(super) fn new(depth: u16, mask: u32) -> Self {
        let next = |slot: u16| slot.checked_add(1).filter(|next| *next < depth).unwrap_or(NO_SLOT);
        let records: Box<[_]> = (0..depth).map(|slot| Slot::new(next(slot))).collect();
        let free_head = if depth == 0 { NO_SLOT } else { 0 };
        let free_tail = depth.saturating_sub(1);
        Self { records, free_head, free_tail, mask }
    }

    pub(super) fn depth(&self) -> u16 {
        self.records.len() as u16
    }

    /// The next free slot and its name on the wire. It stays free until [`Self::issue`].
    #[inline]
    pub(super) fn next(&mut self, mask: u32) -> Option<(WireTag, &mut Slot<D>)> {
        let slot = self.free_head;
        let record = self.records.get_mut(usize::from(slot))?;
        let generation = Generation(record.generation & mask);
        Some((WireTag { tag: Tag(slot), generation }, record))
    }

    /// The name of the next free slot alone.
    #[inline]
    pub(super) fn next_name(&self, mask: u32) -> Option<WireTag> {
        let slot = self.free_head;
        let record = self.records.get(usize::from(slot))?;
        Some(WireTag { tag: Tag(slot), generation: Generation(record.generation & mask) })
    }

    /// Moves the slot that [`Self::next`] gave, of which `next_free` is left to tell, out of the free list.
    #[inline]
    pub(super) fn issue(&mut self, next_free: NextFree) {
        self.free_head = next_free.0;
    }

    /// Whether the device has the very command that `name` names.
    pub(super) fn find(&self, name: WireTag) -> Option<&Slot<D>> {
        let record = self.records.get(usize::from(name.tag.0))?;
        let fresh = (record.generation ^ name.generation.0) & self.mask == 0;
        (fresh && record.state >= State::Issued).then_some(record)
    }

    /// Why a reply with this name ends no command.
    ///
    /// Where the wire carries generations, names ahead of the slot's count were never sent; those behind it were, before
    /// the last reset or after it. Where it carries none, a reset is all that tells.
    #[cold]
    pub(super) fn why_unclaimed(&self, name: WireTag) -> Unclaimed {
        let Some(record) = self.record(name.tag.0) else { return Unclaimed::NoSlot };
        let ahead = name.generation.0.wrapping_sub(record.generation) & self.mask;
        let never = match self.mask {
            0 => record.state == State::Unused,
            // The use that `ahead` = 0 names is sent already while the slot is out.
            mask => ahead <= mask / 2 && (ahead > 0 || record.state < State::Issued),
        };
        if never { Unclaimed::NeverIssued } else { Unclaimed::Ended }
    }

    /// Ends the command that `name` names, if the device has that very command and nobody else has a hand on it.
    ///
    /// The slot is free after [`Self::recycle`], which is a call of its own so that the values are out of the way before it.
    #[inline]
    pub(super) fn take_named(&mut self, name: WireTag, mask: u32) -> Option<Finished<D>> {
        let record = self.records.get_mut(usize::from(name.tag.0))?;
        let mut stale = (record.generation ^ name.generation.0) & mask != 0;
        stale &= !is_planted(Sabotage::OldGenerationBelieved);
        if stale || record.state != State::Issued {
            return None;
        }
        let data = record.data.take()?;
        let Slot { mut cookie, length, generation, .. } = *record;
        record.generation = generation.wrapping_add(1);
        if is_planted(Sabotage::GenerationStandsStill) {
            record.generation = generation;
        }
        record.state = State::Free;
        record.notes = Notes::new(Kind::Other);
        record.next_free = NO_SLOT;
        if mask != 0 {
            record.next_free = self.free_head;
            self.free_head = name.tag.0;
        }
        if is_planted(Sabotage::MixedSlot) {
            let next = self.record(name.tag.0).and_then(|ended| self.record(ended.next_free));
            cookie = next.map_or(cookie, |next| next.cookie);
        }
        Some(Finished { data, cookie, length, generation })
    }

    /// Puts the slot that [`Self::take_named`] emptied into the free list.
    #[inline]
    pub(super) fn recycle(&mut self, tag: Tag, mask: u32) {
        if mask == 0 {
            self.append(tag.0);
        }
    }

    /// Puts a slot, whose `next_free` says so, at the end of the free list.
    #[inline]
    fn append(&mut self, slot: u16) {
        let before = core::mem::replace(&mut self.free_tail, slot);
        if self.free_head == NO_SLOT {
            self.free_head = slot;
        } else if let Some(before) = self.records.get_mut(usize::from(before)) {
            before.next_free = slot;
        }
    }

    /// Takes the memory of an outstanding command out of its slot and moves the slot on.
    pub(super) fn finish(&mut self, slot: u16) -> Option<Finished<D>> {
        let record = self.records.get_mut(usize::from(slot))?;
        let data = record.data.take()?;
        let Slot { cookie, length, generation, .. } = *record;
        record.generation = generation.wrapping_add(1);
        self.settle(slot);
        Some(Finished { data, cookie, length, generation })
    }

    /// Where a slot goes after its command ended.
    fn settle(&mut self, slot: u16) {
        let record = &mut self.records[usize::from(slot)];
        match record.state {
            State::Pinned => record.state = State::Ended,
            _ => self.release(slot),
        }
    }

    /// Puts a slot back into the free list: last in, first out where the wire tells generations apart, so that warm
    /// memory is used again; first in, first out where it does not, so that a slot rests as long as possible.
    pub(super) fn release(&mut self, slot: u16) {
        let lifo = self.mask != 0;
        let record = &mut self.records[usize::from(slot)];
        record.state = State::Free;
        record.notes = Notes::new(Kind::Other);
        if lifo {
            record.next_free = self.free_head;
            self.free_head = slot;
            return;
        }
        record.next_free = NO_SLOT;
        self.append(slot);
    }

    /// The device was reset: nothing that was sent to a free slot can be answered any more.
    pub(super) fn forget_uses(&mut self) {
        for record in self.records.iter_mut().filter(|record| record.state == State::Free) {
            record.state = State::Unused;
        }
    }

    pub(super) fn record(&self, slot: u16) -> Option<&Slot<D>> {
        self.records.get(usize::from(slot))
    }

    #[inline]
    pub(super) fn record_mut(&mut self, slot: u16) -> Option<&mut Slot<D>> {
        self.records.get_mut(usize::from(slot))
    }

    pub(super) fn name_of(&self, slot: u16) -> Option<WireTag> {
        self.record(slot).map(|record| self.name(slot, record))
    }

    /// The deadline that still matters for a slot.
    pub(super) fn deadline(&self, slot: u16) -> Instant {
        let waits = |r: &&Slot<D>| r.state >= State::Issued && !r.notes.expired();
        self.record(slot).filter(waits).map_or(NEVER, |record| record.expires)
    }

    /// The first slot, from `from` on and around, that waits for a ticket of a logical unit that `admits` one.
    #[cold]
    pub(super) fn next_waiting(&self, from: u16, admits: impl Fn(Nexus) -> bool) -> Option<u16> {
        let waits = |slot: &u16| {
            let record = self.record(*slot).filter(|r| r.is_outstanding() && r.notes.waits());
            record.is_some_and(|record| admits(record.nexus))
        };
        (from..self.depth()).chain(0..from.min(self.depth())).find(waits)
    }

    /// The first outstanding slot at or after `from`.
    pub(super) fn next_outstanding(&self, from: u16) -> Option<u16> {
        let rest = self.records.get(usize::from(from)..)?;
        let at = rest.iter().position(Slot::is_outstanding)?;
        Some(from + at as u16)
    }

    /// Every outstanding command with its memory left in place.
    pub(super) fn iter_outstanding(&self) -> impl Iterator<Item = &Slot<D>> {
        self.records.iter().filter(|r| r.is_outstanding())
    }

    /// Moves all memory out, outstanding or not.
    pub(super) fn take_data(&mut self) -> Vec<D> {
        self.records.iter_mut().filter_map(|r| r.data.take()).collect()
    }

    #[inline]
    fn name(&self, slot: u16, record: &Slot<D>) -> WireTag {
        let generation = Generation(record.generation & self.mask);
        WireTag { tag: Tag(slot), generation }
    }
}
