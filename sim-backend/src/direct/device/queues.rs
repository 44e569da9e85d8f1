//! The device's view of one vector: doorbells, the ring's indices, the interrupt.

use alloc::collections::VecDeque;

use hba_core::dma::BusAddr;

use crate::direct::layout::{DESCRIPTOR_LEN, DETAIL_LEN, Descriptor, REQUEST_LEN};

/// Most descriptors of a ring.
const ENTRIES_MAX: u32 = 1 << 16;

#[derive(Debug)]
pub(super) struct Queue {
    pub(super) requests: BusAddr,
    pub(super) ring: BusAddr,
    pub(super) entries: u32,
    depth: u16,
    /// Slots with a request that was not fetched yet.
    doorbells: VecDeque<u16>,
    /// Descriptors posted since START, and those that the host says it took; both modulo 2^32.
    produced: u32,
    consumed: u32,
    /// What the ring had no room for.
    backlog: VecDeque<Descriptor>,
    /// Something was posted since the interrupt was last taken.
    interrupt: bool,
}

impl Default for Queue {
    fn default() -> Self {
        let nowhere = BusAddr::new(0);
        Self {
            requests: nowhere,
            ring: nowhere,
            entries: 0,
            depth: 0,
            doorbells: VecDeque::new(),
            produced: 0,
            consumed: 0,
            backlog: VecDeque::new(),
            interrupt: false,
        }
    }
}

impl Queue {
    /// Whether what the host wrote can be worked with.
    pub(super) fn start(&mut self, depth: u16) -> bool {
        self.depth = depth;
        let aligned = self.ring.raw().is_multiple_of(8) && self.requests.raw().is_multiple_of(8);
        let mapped = self.ring.raw() != 0 && self.requests.raw() != 0;
        aligned && mapped && self.entries.is_power_of_two() && self.entries <= ENTRIES_MAX
    }

    /// Whether the slot exists and there are not more doorbells than slots.
    pub(super) fn ring_doorbell(&mut self, slot: u32) -> bool {
        let slot = u16::try_from(slot).ok().filter(|slot| *slot < self.depth);
        let room = self.doorbells.len() < usize::from(self.depth);
        self.doorbells.extend(slot.filter(|_| room));
        room && slot.is_some()
    }

    pub(super) fn take_doorbell(&mut self) -> Option<u16> {
        self.doorbells.pop_front()
    }

    /// The host took descriptors; a count that it cannot have taken is ignored.
    pub(super) const fn consume(&mut self, count: u32) {
        if self.produced.wrapping_sub(count) <= self.produced.wrapping_sub(self.consumed) {
            self.consumed = count;
        }
    }

    /// Whether a descriptor waits for the host.
    pub(super) const fn has_news(&self) -> bool {
        self.produced != self.consumed
    }

    /// Whether nothing waits for the host.
    pub(super) fn is_quiet(&self) -> bool {
        self.backlog.is_empty() && !self.has_news()
    }

    pub(super) const fn take_interrupt(&mut self) -> bool {
        core::mem::replace(&mut self.interrupt, false)
    }

    pub(super) fn push(&mut self, descriptor: Descriptor) {
        self.backlog.push_back(descriptor);
    }

    /// The next descriptor that the ring has room for: where it goes, and its phase.
    pub(super) fn next_post(&mut self) -> Option<(BusAddr, bool, Descriptor)> {
        if self.produced.wrapping_sub(self.consumed) >= self.entries {
            return None;
        }
        let descriptor = self.backlog.pop_front()?;
        let at = u64::from(self.produced % self.entries) * DESCRIPTOR_LEN as u64;
        let phase = Descriptor::phase(self.produced, self.entries);
        self.produced = self.produced.wrapping_add(1);
        self.interrupt = true;
        Some((self.ring.offset(at), phase, descriptor))
    }

    pub(super) const fn request_at(&self, slot: u16) -> BusAddr {
        self.requests.offset(slot as u64 * REQUEST_LEN as u64)
    }

    pub(super) const fn detail_at(&self, slot: u16) -> BusAddr {
        let details = self.entries as u64 * DESCRIPTOR_LEN as u64;
        self.ring.offset(details + slot as u64 * DETAIL_LEN as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::direct::layout::{Kind, Topic, name_of};

    #[test]
    fn a_full_ring_waits_for_the_consumer() {
        let mut queue = Queue { ring: BusAddr::new(64), entries: 2, ..Queue::default() };
        for slot in 0..3 {
            queue.push(Descriptor::reply(name_of(slot), 0, Kind::Success));
        }
        let first = queue.next_post().map(|(at, phase, _)| (at.raw(), phase));
        assert_eq!(first, Some((64, true)));
        assert!(queue.next_post().is_some());
        assert_eq!(queue.next_post(), None);
        queue.consume(7);
        assert_eq!(queue.next_post(), None, "seven were never posted");
        queue.consume(1);
        let third = queue.next_post().map(|(at, phase, d)| (at.raw(), phase, d.topic, d.subject));
        assert_eq!(third, Some((64, false, Topic(0), 2)), "the phase changes with the lap");
    }

    #[test]
    fn doorbells_are_bounded() {
        let mut queue = Queue { depth: 2, ..Queue::default() };
        assert!(!queue.ring_doorbell(2) && !queue.ring_doorbell(0x1_0000));
        assert!(queue.ring_doorbell(1) && queue.ring_doorbell(0));
        assert!(!queue.ring_doorbell(0));
        assert_eq!([queue.take_doorbell(), queue.take_doorbell()], [Some(1), Some(0)]);
    }
}
