//! The queues in host memory: replies posted, one queue for each vector, and reply frames that the controller may fill.

use alloc::collections::{BTreeSet, VecDeque};

use hba_core::dma::BusAddr;

/// The reply descriptor post queue of one vector.
#[derive(Clone, Debug)]
pub(super) struct PostQueue {
    base: BusAddr,
    depth: u16,
    /// Where the controller posts next.
    next: u16,
    /// How far the host has come.
    host: u16,
}

/// A host index that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadIndex;

impl PostQueue {
    /// Bytes of a reply descriptor.
    pub(super) const ENTRY: u64 = 8;

    /// An empty queue of `depth` entries, at least 1.
    pub(super) const fn new(base: BusAddr, depth: u16) -> Self {
        Self { base, depth, next: 0, host: 0 }
    }

    pub(super) const fn depth(&self) -> u16 {
        self.depth
    }

    pub(super) const fn next(&self) -> u16 {
        self.next
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.next == self.host
    }

    /// How many more descriptors it takes: one entry always stays unused, or a full queue would look like an empty one.
    pub(super) const fn room(&self) -> usize {
        (self.depth - 1 - self.distance(self.host, self.next)) as usize
    }

    /// The place of the next descriptor, which is taken; `None` when the host has not emptied enough.
    pub(super) fn advance(&mut self) -> Option<BusAddr> {
        if self.room() == 0 {
            return None;
        }
        let at = self.base.offset(u64::from(self.next) * Self::ENTRY);
        self.next = self.after(self.next);
        Some(at)
    }

    /// The host says how far it has come.
    pub(super) fn set_host(&mut self, index: u32) -> Result<(), BadIndex> {
        let index = u16::try_from(index).ok().filter(|index| *index < self.depth);
        let index = index.ok_or(BadIndex)?;
        if self.distance(self.host, index) > self.distance(self.host, self.next) {
            return Err(BadIndex);
        }
        self.host = index;
        Ok(())
    }

    const fn after(&self, index: u16) -> u16 {
        if index + 1 == self.depth { 0 } else { index + 1 }
    }

    const fn distance(&self, from: u16, to: u16) -> u16 {
        if to >= from { to - from } else { self.depth - from + to }
    }
}

/// The reply free queue: a ring of low halves of frame addresses, written by the host.
///
/// The index that the host writes is the first entry that is not the controller's. Drivers that write the index of the
/// entry they have just filled give each frame one step later than they think, which is harmless.
#[derive(Clone, Debug)]
pub(super) struct FreeQueue {
    base: BusAddr,
    depth: u16,
    host: u16,
    /// The host has written an index.
    started: bool,
    /// Frames that were given and not used yet, oldest first.
    frames: VecDeque<u32>,
    /// The same frames.
    held: BTreeSet<u32>,
}

/// A frame that the controller has already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GivenTwice;

impl FreeQueue {
    /// Bytes of an entry.
    pub(super) const ENTRY: u64 = 4;

    /// A queue of which the host has given nothing.
    pub(super) const fn new(base: BusAddr, depth: u16) -> Self {
        Self {
            base,
            depth,
            host: 0,
            started: false,
            frames: VecDeque::new(),
            held: BTreeSet::new(),
        }
    }

    pub(super) const fn depth(&self) -> u16 {
        self.depth
    }

    /// The places of the entries that the host gives with this index, which is taken. None for an index that goes back,
    /// which is not taken: nobody gives more than half a queue at once, but after the first time.
    pub(super) fn set_host(&mut self, index: u32) -> Result<Option<Vec<BusAddr>>, BadIndex> {
        let index = u16::try_from(index).ok().filter(|index| *index < self.depth);
        let index = index.ok_or(BadIndex)?;
        let ahead = (u32::from(index) + u32::from(self.depth) - u32::from(self.host))
            % u32::from(self.depth);
        if self.started && ahead > u32::from(self.depth / 2) {
            return Ok(None);
        }
        self.started = true;
        let mut places = Vec::new();
        while self.host != index {
            places.push(self.base.offset(u64::from(self.host) * Self::ENTRY));
            self.host = if self.host + 1 == self.depth { 0 } else { self.host + 1 };
        }
        Ok(Some(places))
    }

    /// A frame that was found in an entry.
    pub(super) fn give(&mut self, low: u32) -> Result<(), GivenTwice> {
        if !self.held.insert(low) {
            return Err(GivenTwice);
        }
        self.frames.push_back(low);
        Ok(())
    }

    pub(super) fn take(&mut self) -> Option<u32> {
        let low = self.frames.pop_front()?;
        self.held.remove(&low);
        Some(low)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_queue_never_fills_its_last_entry() {
        let mut queue = PostQueue::new(BusAddr::new(0x1000), 4);
        let places = core::iter::from_fn(|| queue.advance()).map(BusAddr::raw).collect::<Vec<_>>();
        assert_eq!(places, [0x1000, 0x1008, 0x1010]);
        assert_eq!(queue.set_host(4), Err(BadIndex), "beyond the queue");
        assert_eq!(queue.set_host(2), Ok(()));
        assert_eq!(queue.set_host(1), Err(BadIndex), "back");
        assert_eq!(queue.advance().map(BusAddr::raw), Some(0x1018));
        assert_eq!(queue.set_host(1), Err(BadIndex), "beyond what was posted");
        assert_eq!((queue.set_host(0), queue.is_empty()), (Ok(()), true));
    }

    #[test]
    fn frames_are_given_by_moving_the_index() {
        let mut queue = FreeQueue::new(BusAddr::new(0x1000), 4);
        let places = queue.set_host(3).expect("an index of the queue");
        assert_eq!(places.map(|places| places.len()), Some(3));
        assert_eq!(
            [queue.give(1), queue.give(2), queue.give(1)],
            [Ok(()), Ok(()), Err(GivenTwice)]
        );
        assert_eq!([queue.take(), queue.take(), queue.take()], [Some(1), Some(2), None]);
        assert_eq!(queue.give(1), Ok(()), "after it was used");
        assert_eq!(queue.set_host(0), Ok(Some(vec![BusAddr::new(0x100c)])), "one more entry");
        assert_eq!(queue.set_host(3), Ok(None), "back: two handlers have overtaken each other");
        assert_eq!(queue.set_host(1), Ok(Some(vec![BusAddr::new(0x1000)])), "and nothing is lost");
        assert_eq!(queue.set_host(4), Err(BadIndex));
    }
}
