//! The commands that hosts send most, in the form in which they send them.
//!
//! A READ(10) without DPO, FUA, protection, group and control is told by one comparison of eight bytes, and needs no
//! structure of fields. Whatever is not plain, or meets a unit in any special state, takes the long way; the results
//! are the same.

use scsi_proto::{Cdb, Direction, Lba, Opcode};

use super::exchange::data_phase_error;
use super::failure::Failure;
use super::unit::LogicalUnit;
use crate::target::{DataPhase, Task};

/// The bytes that have to be zero in a plain READ(10) or WRITE(10), and the operation code: bytes 0, 1 and 6.
const PLAIN_10: u64 = u64::from_le_bytes([0xff, 0xff, 0, 0, 0, 0, 0xff, 0]);
/// The same for INQUIRY: bytes 0 to 2, and 5 (CONTROL) with what pads the CDB.
const PLAIN_INQUIRY: u64 = u64::from_le_bytes([0xff, 0xff, 0xff, 0, 0, 0xff, 0xff, 0xff]);

impl LogicalUnit {
    /// Executes a plain command for a unit that has no news, or `None` where the long way has to be taken.
    #[inline]
    pub(super) fn execute_plain(
        &mut self,
        task: &Task<'_>,
        data: &mut dyn DataPhase,
    ) -> Option<Result<u32, Failure>> {
        if self.stopped | self.write_protected {
            return None;
        }
        let bytes = task.cdb.padded32();
        let word = u64::from_le_bytes(bytes.as_chunks().0[0]);
        match Opcode(bytes[0]) {
            Opcode::READ_10 => {
                let (lba, len) = self.plain_range(task, word, Direction::FromDevice)?;
                let block = self.store.borrow(lba, len as usize)?;
                Some(finished(data.send(0, block), len))
            }
            Opcode::WRITE_10 => {
                let (lba, len) = self.plain_range(task, word, Direction::ToDevice)?;
                let block = self.store.borrow_mut(lba, len as usize)?;
                Some(finished(data.receive(0, block), len))
            }
            Opcode::TEST_UNIT_READY => (word == 0 && task.cdb.len() == 6).then_some(Ok(0)),
            Opcode::INQUIRY => self.plain_inquiry(task, word, data),
            _ => None,
        }
    }

    /// The blocks of a plain READ(10) or WRITE(10) whose data phase is as long as its blocks.
    #[inline]
    fn plain_range(&self, task: &Task<'_>, word: u64, direction: Direction) -> Option<(Lba, u32)> {
        let bytes = task.cdb.padded32();
        if word & PLAIN_10 != u64::from(bytes[0]) || bytes[9] != 0 || task.cdb.len() != 10 {
            return None;
        }
        let lba = u64::from((word >> 16) as u32).swap_bytes() >> 32;
        let blocks = u32::from(u16::from_be_bytes([bytes[7], bytes[8]]));
        // At most FFFFh blocks of 4 KiB.
        let len = blocks << self.store.block_size().shift();
        (task.direction == direction && task.data_len >= len).then_some((Lba(lba), len))
    }

    #[inline]
    fn plain_inquiry(
        &self,
        task: &Task<'_>,
        word: u64,
        data: &mut dyn DataPhase,
    ) -> Option<Result<u32, Failure>> {
        let cdb: &Cdb = task.cdb;
        let wanted = u32::from(((word >> 24) as u16).swap_bytes());
        if word & PLAIN_INQUIRY != u64::from(Opcode::INQUIRY.0)
            || cdb.len() != 6
            || task.direction != Direction::FromDevice
            || task.data_len < wanted
        {
            return None;
        }
        let bytes = self.identity.standard(wanted as usize);
        Some(finished(data.send(0, bytes), bytes.len() as u32))
    }
}

#[inline]
fn finished<E>(phase: Result<(), E>, len: u32) -> Result<u32, Failure> {
    match phase {
        Ok(()) => Ok(len),
        Err(_) => Err(data_phase_error()),
    }
}
