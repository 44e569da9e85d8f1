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

/// Where the slots of an operation code are.
#[derive(Clone, Copy)]
struct Group {
    first: u16,
    /// The bits of CDB byte 1 that add to `first`.
    byte1: u8,
}

static GROUPS: [Group; 256] = GROUPS_AND_SLOTS.0;

/// The number of slots.
pub(super) const SLOTS: usize = GROUPS_AND_SLOTS.1;

const GROUPS_AND_SLOTS: ([Group; 256], usize) = {
    let mut groups = [Group { first: 0, byte1: 0 }; 256];
    let mut next = 0;
    let mut opcode = 0;
    while opcode < groups.len() {
        let at = Opcode(opcode as u8).service_action_at();
        groups[opcode].first = next as u16;
        next += if matches!(at, ServiceActionAt::Nowhere) { 1 } else { ACTIONS };
        if matches!(at, ServiceActionAt::Byte1) {
            groups[opcode].byte1 = ACTIONS as u8 - 1;
        }
        opcode += 1;
    }
    (groups, next)
};

/// The slot of `cdb`, or `None` where no typed command can be meant.
///
/// A service action beyond the end of the CDB counts as 0.
#[inline]
pub(super) fn slot(cdb: &Cdb) -> Option<usize> {
    let [opcode, byte1, _, _, _, _, _, _, action @ ..] = cdb.padded32();
    let group = GROUPS[usize::from(*opcode)];
    let first = usize::from(group.first);
    if *opcode != Opcode::VARIABLE_LENGTH.0 {
        return Some(first + usize::from(byte1 & group.byte1));
    }
    let action = usize::from(u16::from_be_bytes([action[0], action[1]]));
    (action < ACTIONS).then_some(first + action)
}

/// The slot of an operation code without service actions.
pub(super) const fn only_slot(opcode: Opcode) -> Option<usize> {
    match opcode.service_action_at() {
        ServiceActionAt::Nowhere => Some(GROUPS_AND_SLOTS.0[opcode.0 as usize].first as usize),
        ServiceActionAt::Byte1 | ServiceActionAt::Bytes8And9 => None,
    }
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
        let first = GROUPS_AND_SLOTS.0[self.opcode.0 as usize].first as usize;
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

    #[test]
    fn slots_are_distinct() {
        let mut seen = [false; SLOTS];
        for opcode in 0..=255_u8 {
            let mut cdb = [0; 32];
            cdb[0] = opcode;
            let actions = match Opcode(opcode).service_action_at() {
                ServiceActionAt::Nowhere => 0..1,
                _ => 0..ACTIONS as u8,
            };
            for action in actions {
                let at = if opcode == 0x7f { 9 } else { 1 };
                cdb[at] = action;
                let slot = slot(&Cdb::from_array(cdb)).unwrap();
                assert!(!core::mem::replace(&mut seen[slot], true), "{opcode:02x} {action:02x}");
            }
        }
        assert!(seen.iter().all(|seen| *seen));
    }

    #[test]
    fn far_service_actions_have_none() {
        let mut cdb = [0; 32];
        cdb[0] = 0x7f;
        [cdb[8], cdb[9]] = 0x1ff0_u16.to_be_bytes();
        assert_eq!(slot(&Cdb::from_array(cdb)), None);
    }
}
