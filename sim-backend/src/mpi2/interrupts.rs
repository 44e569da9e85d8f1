//! Interrupt status, mask, the level line and the messages of each vector.

use super::registers::{INT_DOORBELL, INT_REPLY, INT_RESET};

/// IntStatus bits 3 and 0, IntMask, and what leaves the controller because of them.
///
/// A reply post queue that is not empty sends one message; the next comes when the host has moved the index of the queue
/// and it is still, or again, not empty.
#[derive(Clone, Debug)]
pub(crate) struct Interrupts {
    doorbell: bool,
    /// Queues that are not empty, one bit each.
    waiting: u128,
    /// Those among them that the host was told of.
    told: u128,
    mask: u32,
    /// Messages sent and not yet fetched by the machine: how many, and by which vectors.
    messages: u32,
    vectors: u128,
}

impl Interrupts {
    /// Nothing pending, everything masked.
    pub(crate) const fn new() -> Self {
        let mask = INT_RESET | INT_REPLY | INT_DOORBELL;
        Self { doorbell: false, waiting: 0, told: 0, mask, messages: 0, vectors: 0 }
    }

    /// The causes, masked or not.
    pub(crate) const fn status(&self) -> u32 {
        let reply = if self.waiting != 0 { INT_REPLY } else { 0 };
        reply | if self.doorbell { INT_DOORBELL } else { 0 }
    }

    /// The mask.
    pub(crate) const fn mask(&self) -> u32 {
        self.mask
    }

    /// Whether an unmasked cause is pending: the level line.
    pub(crate) const fn level(&self) -> bool {
        self.status() & !self.mask != 0
    }

    /// The doorbell has something for the host.
    pub(crate) fn raise_doorbell(&mut self) {
        let new = !core::mem::replace(&mut self.doorbell, true);
        if new && self.mask & INT_DOORBELL == 0 {
            self.send(1);
        }
    }

    /// The host has acknowledged the doorbell.
    pub(crate) const fn clear_doorbell(&mut self) {
        self.doorbell = false;
    }

    /// A reply was posted to the queue of a vector.
    pub(crate) fn posted(&mut self, vector: u8) {
        self.waiting |= bit(vector);
        self.tell();
    }

    /// The host has moved the index of a queue, after which there is or is not something in it.
    pub(crate) fn acknowledged(&mut self, vector: u8, empty: bool) {
        self.told &= !bit(vector);
        if empty {
            self.waiting &= !bit(vector);
        }
        self.tell();
    }

    /// The host writes the mask.
    pub(crate) fn set_mask(&mut self, mask: u32) {
        let before = self.mask;
        self.mask = mask & (INT_RESET | INT_REPLY | INT_DOORBELL);
        if self.doorbell && before & INT_DOORBELL != 0 && self.mask & INT_DOORBELL == 0 {
            self.send(1);
        }
        self.tell();
    }

    /// Forgets all causes without a trace.
    pub(crate) const fn reset(&mut self) {
        self.doorbell = false;
        self.waiting = 0;
        self.told = 0;
    }

    /// Messages since the last call, of whichever vectors.
    pub(crate) const fn take_messages(&mut self) -> u32 {
        self.vectors = 0;
        core::mem::replace(&mut self.messages, 0)
    }

    /// Vectors that sent messages since the last call.
    pub(crate) const fn take_vectors(&mut self) -> u128 {
        self.messages = 0;
        core::mem::replace(&mut self.vectors, 0)
    }

    fn tell(&mut self) {
        if self.mask & INT_REPLY == 0 {
            let new = self.waiting & !self.told;
            self.told |= new;
            self.send(new);
        }
    }

    fn send(&mut self, vectors: u128) {
        self.vectors |= vectors;
        self.messages = self.messages.saturating_add(vectors.count_ones());
    }
}

/// The bit of a vector; vectors beyond 127 do not exist.
const fn bit(vector: u8) -> u128 {
    1 << (vector & 127)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_sends_one_message_until_its_index_moves() {
        let mut interrupts = Interrupts::new();
        interrupts.posted(3);
        assert_eq!((interrupts.status(), interrupts.take_vectors()), (INT_REPLY, 0), "masked");
        interrupts.set_mask(INT_DOORBELL);
        interrupts.posted(3);
        assert_eq!((interrupts.level(), interrupts.take_messages()), (true, 1));
        interrupts.posted(5);
        assert_eq!(interrupts.take_vectors(), 1 << 5);
        interrupts.acknowledged(3, false);
        assert_eq!(interrupts.take_vectors(), 1 << 3, "there is more in it");
        interrupts.acknowledged(3, true);
        interrupts.acknowledged(5, true);
        assert_eq!((interrupts.level(), interrupts.take_messages()), (false, 0));
    }

    #[test]
    fn the_doorbell_speaks_by_vector_0_if_it_may() {
        let mut interrupts = Interrupts::new();
        interrupts.raise_doorbell();
        assert_eq!((interrupts.status(), interrupts.take_vectors()), (INT_DOORBELL, 0));
        interrupts.set_mask(INT_REPLY);
        assert_eq!((interrupts.level(), interrupts.take_vectors()), (true, 1));
        interrupts.clear_doorbell();
        assert!(!interrupts.level());
    }
}
