//! Interrupt status, mask, the level line and the messages.

use super::registers::{INT_DOORBELL, INT_REPLY};

/// IntStatus bits 3 and 0, IntMask, and what leaves the controller because of them.
#[derive(Clone, Debug)]
pub(crate) struct Interrupts {
    status: u32,
    mask: u32,
    /// Messages sent and not yet fetched by the machine.
    messages: u32,
    /// Every update while something is pending sends a message.
    message_per_update: bool,
}

impl Interrupts {
    /// Nothing pending, everything masked.
    pub(crate) const fn new(message_per_update: bool) -> Self {
        Self { status: 0, mask: INT_REPLY | INT_DOORBELL, messages: 0, message_per_update }
    }

    /// The causes, masked or not.
    pub(crate) const fn status(&self) -> u32 {
        self.status
    }

    /// The mask.
    pub(crate) const fn mask(&self) -> u32 {
        self.mask
    }

    /// Whether an unmasked cause is pending: the level line.
    pub(crate) const fn level(&self) -> bool {
        self.status & !self.mask != 0
    }

    /// Sets a cause.
    pub(crate) fn raise(&mut self, cause: u32) {
        self.update(self.status | cause, self.mask);
    }

    /// Clears a cause.
    pub(crate) fn clear(&mut self, cause: u32) {
        self.update(self.status & !cause, self.mask);
    }

    /// The host writes the mask.
    pub(crate) fn set_mask(&mut self, mask: u32) {
        self.update(self.status, mask & (INT_REPLY | INT_DOORBELL));
    }

    /// Forgets all causes without a trace.
    pub(crate) fn reset(&mut self) {
        self.status = 0;
    }

    /// Messages since the last call.
    pub(crate) fn take_messages(&mut self) -> u32 {
        core::mem::take(&mut self.messages)
    }

    fn update(&mut self, status: u32, mask: u32) {
        let before = self.status & !self.mask;
        (self.status, self.mask) = (status, mask);
        let new = if self.message_per_update { u32::MAX } else { !before };
        if status & !mask & new != 0 {
            self.messages = self.messages.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_sent_for_a_new_unmasked_cause() {
        let mut interrupts = Interrupts::new(false);
        interrupts.raise(INT_REPLY);
        assert_eq!((interrupts.level(), interrupts.take_messages()), (false, 0));
        interrupts.set_mask(INT_DOORBELL);
        assert_eq!((interrupts.level(), interrupts.take_messages()), (true, 1));
        interrupts.raise(INT_REPLY);
        assert_eq!(interrupts.take_messages(), 0, "it was pending before");
        interrupts.clear(INT_REPLY);
        interrupts.raise(INT_REPLY);
        assert_eq!(interrupts.take_messages(), 1);
    }
}
