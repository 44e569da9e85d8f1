//! From operation code and service action to a number in constant time.
//!
//! Every operation code has one slot, or [`ACTIONS`] where it has service actions. The slots of
//! an operation code are adjacent, so that no search is needed.

use super::Command;
use crate::cdb::Cdb;
use crate::opcode::{Opcode, ServiceActionAt};

/// Service actions with a slot: all that five bits hold. The variable length commands, with 16
/// bits, have types below this number only.
const ACTIONS: usize = 0x20;

/// The first slot of each operation code.
static FIRST: [u16; 256] = FIRST_AND_END.0;

/// The number of slots: a power of two, so that no slot number needs a comparison.
pub(super) const SLOTS: usize = FIRST_AND_END.1.next_power_of_two();

const FIRST_AND_END: ([u16; 256], usize) = {
    let mut first = [0; 256];
    let mut next = 0;
    let mut opcode = 0;
    while opcode < first.len() {
        first[opcode] = next as u16;
        next += match Opcode(opcode as u8).service_action_at() {
            ServiceActionAt::Nowhere => 1,
            ServiceActionAt::Byte1 => ACTIONS,
            // The last one is for all that are beyond, and has no command.
            ServiceActionAt::Bytes8And9 => ACTIONS + 1,
        };
        opcode += 1;
    }
    (first, next)
};

/// The slot of an operation code without service actions.
pub(super) const fn slot(opcode: Opcode) -> usize {
    FIRST_AND_END.0[opcode.0 as usize] as usize
}

/// The slot of a CDB that has its service action in byte 1. Beyond the end of the CDB it is 0.
#[inline(always)]
pub(super) fn slot_by_byte1(cdb: &Cdb) -> usize {
    let [opcode, byte1, ..] = *cdb.padded32();
    (usize::from(FIRST[usize::from(opcode)]) + usize::from(byte1) % ACTIONS) % SLOTS
}

/// The slot of a variable length CDB. Beyond the end of the CDB, its service action is 0.
#[inline(always)]
pub(super) fn slot_by_bytes8_and_9(cdb: &Cdb) -> usize {
    let [_, _, _, _, _, _, _, _, high, low, ..] = *cdb.padded32();
    let action = usize::from(u16::from_be_bytes([high, low]));
    slot(Opcode::VARIABLE_LENGTH) + action.min(ACTIONS)
}

/// What a typed command is found by.
pub(super) struct Key {
    opcode: Opcode,
    service_action: Option<u16>,
}

impl Key {
    pub(super) const fn of<C: Command>() -> Self {
        Self { opcode: C::OPCODE, service_action: C::SERVICE_ACTION }
    }

    /// The first slot of the command and the one after its last.
    pub(super) const fn slots(self) -> (usize, usize) {
        let first = slot(self.opcode);
        match (self.opcode.service_action_at(), self.service_action) {
            (ServiceActionAt::Nowhere, _) => (first, first + 1),
            (_, None) => (first, first + ACTIONS),
            (_, Some(action)) => {
                assert!((action as usize) < ACTIONS, "no slot for the service action");
                (first + action as usize, first + action as usize + 1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Read10, Read32, ReadAttribute, ReadCapacity16};

    fn slot_of(cdb: [u8; 32]) -> usize {
        match Opcode(cdb[0]).service_action_at() {
            ServiceActionAt::Nowhere => slot(Opcode(cdb[0])),
            ServiceActionAt::Byte1 => slot_by_byte1(&Cdb::from_array(cdb)),
            ServiceActionAt::Bytes8And9 => slot_by_bytes8_and_9(&Cdb::from_array(cdb)),
        }
    }

    #[test]
    fn slots_are_distinct() {
        let mut seen = [false; SLOTS];
        for opcode in 0..=255_u8 {
            let mut cdb = [0; 32];
            cdb[0] = opcode;
            let (at, actions) = match Opcode(opcode).service_action_at() {
                ServiceActionAt::Nowhere => (1, 0..1),
                ServiceActionAt::Byte1 => (1, 0..ACTIONS as u8),
                ServiceActionAt::Bytes8And9 => (9, 0..ACTIONS as u8 + 1),
            };
            for action in actions {
                cdb[at] = action;
                let slot = slot_of(cdb);
                assert!(!core::mem::replace(&mut seen[slot], true), "{opcode:02x} {action:02x}");
            }
        }
        assert!(seen[..FIRST_AND_END.1].iter().all(|seen| *seen));
    }

    #[test]
    fn commands_have_the_slots_of_their_cdbs() {
        let one = |key: Key, cdb: Cdb| {
            let slot = slot_of(*cdb.padded32());
            assert_eq!(key.slots(), (slot, slot + 1));
        };
        one(Key::of::<Read10>(), Read10::default().cdb());
        one(Key::of::<ReadCapacity16>(), ReadCapacity16::default().cdb());
        one(Key::of::<Read32>(), Read32::default().cdb());
        // Its service action is a field: it has the slots of all.
        let first = slot_of(*ReadAttribute::default().cdb().padded32());
        assert_eq!(Key::of::<ReadAttribute>().slots(), (first, first + ACTIONS));
    }

    #[test]
    fn far_service_actions_share_a_slot() {
        let slots = [0x0020, 0x0103, 0x1ff0, 0xffff_u16].map(|action| {
            let mut cdb = [0; 32];
            cdb[0] = 0x7f;
            [cdb[8], cdb[9]] = action.to_be_bytes();
            slot_of(cdb)
        });
        assert_eq!(slots, [slot(Opcode::VARIABLE_LENGTH) + ACTIONS; 4]);
    }
}
