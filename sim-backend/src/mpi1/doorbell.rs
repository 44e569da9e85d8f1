//! The Doorbell register: state and fault code, doorbell functions, and the two ends of the handshake.

use hba_core::register::ALL_ONES;

use super::registers::{
    DOORBELL_USED, FUNCTION_HANDSHAKE, FUNCTION_IO_UNIT_RESET, FUNCTION_MESSAGE_UNIT_RESET,
    INT_DOORBELL, IocState, WHO_INIT_SHIFT,
};
use super::{Mpi1Controller, Via};
use crate::mpt::handshake::Taken;

impl Mpi1Controller {
    pub(super) fn read_doorbell(&mut self) -> u32 {
        let mut value = self.state.doorbell_bits();
        value |= u32::from(self.init.who_init & 7) << WHO_INIT_SHIFT;
        if self.handshake.is_reply() {
            let survived = self.interrupts.status() & INT_DOORBELL == 0;
            if survived && self.personality.behaviour.handshake_survives_reset {
                // QEMU 7.2 checks an invariant here that a reset breaks, and the emulator ends.
                self.faults.removed = true;
                return ALL_ONES;
            }
            let half = self.handshake.read(self.personality.behaviour.doorbell_read_advances);
            value = value & !0xffff | u32::from(half);
        }
        if self.handshake.in_use() {
            value |= DOORBELL_USED;
        }
        value
    }

    pub(super) fn write_doorbell(&mut self, value: u32) {
        if self.personality.behaviour.doorbell_is_immediate && !self.faults.stuck_doorbell {
            self.take_doorbell_word(value);
        } else {
            // A word that comes before the last one was taken replaces it.
            self.doorbell_word = Some(value);
        }
    }

    pub(super) fn consume_doorbell_word(&mut self) -> bool {
        if self.faults.stuck_doorbell || self.state == IocState::Reset {
            return false;
        }
        let word = self.doorbell_word.take();
        word.map(|word| self.take_doorbell_word(word)).is_some()
    }

    fn take_doorbell_word(&mut self, word: u32) {
        match self.handshake.take(word) {
            Taken::Word => {}
            Taken::Message(message) => self.handle_message(&message, None, Via::Doorbell),
            Taken::Function(FUNCTION_HANDSHAKE) => {
                self.handshake.start((word >> 16) as u8);
                self.interrupts.raise(INT_DOORBELL);
            }
            Taken::Function(FUNCTION_MESSAGE_UNIT_RESET) => self.reset_message_unit(),
            Taken::Function(FUNCTION_IO_UNIT_RESET) => {
                if !self.personality.behaviour.diagnostic_is_unlocked {
                    self.reset_message_unit();
                }
            }
            Taken::Function(_) => {}
        }
    }

    pub(super) fn acknowledge_doorbell(&mut self) {
        let advances = self.personality.behaviour.doorbell_read_advances;
        let again = self.handshake.acknowledge(advances);
        self.interrupts.clear(INT_DOORBELL);
        if again {
            self.interrupts.raise(INT_DOORBELL);
        }
    }
}
