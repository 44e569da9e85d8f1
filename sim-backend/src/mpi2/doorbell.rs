//! The Doorbell register: state and fault code, doorbell functions, and the two ends of the handshake.

use super::registers::{
    DOORBELL_USED, FUNCTION_HANDSHAKE, FUNCTION_MESSAGE_UNIT_RESET, IocState, WHO_INIT_SHIFT,
};
use super::{Mpi2Controller, Via};
use crate::mpt::handshake::Taken;

impl Mpi2Controller {
    pub(super) fn read_doorbell(&mut self) -> u32 {
        let mut value = self.state.doorbell_bits();
        value |= u32::from(self.who_init & 7) << WHO_INIT_SHIFT;
        if self.handshake.is_reply() {
            value = value & !0xffff | u32::from(self.handshake.read(false));
        }
        if self.handshake.in_use() {
            value |= DOORBELL_USED;
        }
        value
    }

    /// A word that comes before the last one was taken replaces it.
    pub(super) const fn write_doorbell(&mut self, value: u32) {
        self.doorbell_word = Some(value);
    }

    pub(super) fn consume_doorbell_word(&mut self) -> bool {
        if self.faults.stuck_doorbell || self.state == IocState::Reset {
            return false;
        }
        let word = self.doorbell_word.take();
        word.map(|word| self.take_doorbell_word(word)).is_some()
    }

    fn take_doorbell_word(&mut self, word: u32) {
        // Firmware that has stopped answers nothing and obeys nothing.
        if self.state.has_stopped() {
            return;
        }
        match self.handshake.take(word) {
            Taken::Word => {}
            Taken::Message(message) => self.handle_message(&message, Via::Doorbell),
            Taken::Function(FUNCTION_HANDSHAKE) => {
                self.handshake.start((word >> 16) as u8);
                self.interrupts.raise_doorbell();
            }
            Taken::Function(FUNCTION_MESSAGE_UNIT_RESET) => self.reset_message_unit(),
            Taken::Function(_) => {}
        }
    }

    pub(super) fn acknowledge_doorbell(&mut self) {
        let again = self.handshake.acknowledge(false);
        self.interrupts.clear_doorbell();
        if again {
            self.interrupts.raise_doorbell();
        }
    }
}
