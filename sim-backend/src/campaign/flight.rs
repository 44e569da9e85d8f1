//! The caller's commands: what was submitted, with which memory, and what came of it.

use hba_core::adapter::AdapterHandle;
use hba_core::command::Transfer;
use hba_core::dma::{BusAddr, DataBuffer, RegionBuffer};
use hba_core::time::Instant;
use scsi_proto::command::{
    Access, Command, Inquiry, SynchronizeCache10, TestUnitReady, read, write,
};
use scsi_proto::{Cdb, Status};

use super::ledger::{Moment, WriteId};
use super::plan::{Kind, Operation};

/// Bytes of a block.
pub(super) const BLOCK: usize = 512;
/// What memory holds that belongs to nobody.
const IDLE: u64 = 0xdead_dead_dead_dead;

/// Where a command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Outstanding,
    Ended,
    Refused,
}

/// One submit.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub(super) op: Operation,
    pub(super) id: WriteId,
    pub(super) state: State,
    pub(super) handle: Option<AdapterHandle>,
    pub(super) memory: Option<BusAddr>,
    pub(super) issued: Moment,
    pub(super) at: Instant,
    /// Resets of the controller before it.
    pub(super) epoch: u32,
    /// What the device's log knows it by; 0: by nothing.
    pub(super) number: u8,
    /// What the device said to it, and when.
    pub(super) answered: Option<Answered>,
    /// When the device executed it well.
    pub(super) executed: Option<Moment>,
    /// Its deadline passed, and the core had the time to see that.
    pub(super) expired: bool,
    /// Resets of the controller that had begun before it.
    pub(super) resets: u32,
    /// The caller asked for its end.
    pub(super) aborted: bool,
    /// The clock jumped meanwhile.
    pub(super) jumped: bool,
}

/// How a device ended a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) status: Status,
    pub(super) moved: u32,
}

impl Flight {
    pub(super) const fn new(op: Operation, id: WriteId) -> Self {
        Self {
            op,
            id,
            state: State::Refused,
            handle: None,
            memory: None,
            issued: 0,
            at: Instant::ZERO,
            epoch: 0,
            number: 0,
            answered: None,
            executed: None,
            expired: false,
            resets: 0,
            aborted: false,
            jumped: false,
        }
    }
}

/// What the first bytes of a block say: who wrote it, and where to.
pub(super) const fn stamp(unit: u32, lba: u32, id: WriteId) -> u64 {
    if id.0 == 0 { 0 } else { (unit as u64) << 52 | (lba as u64) << 32 | id.0 as u64 }
}

/// The write that a stamp names.
pub(super) const fn writer(stamp: u64) -> WriteId {
    WriteId(stamp as u32)
}

/// Fills the memory of a write.
pub(super) fn fill(buffer: &mut RegionBuffer, op: Operation, id: WriteId) {
    let mut bytes = [0; 8 * BLOCK];
    for (lba, block) in (op.lba..).zip(bytes.as_chunks_mut::<BLOCK>().0) {
        let word = stamp(op.unit, lba, id).to_le_bytes();
        block.as_chunks_mut().0.fill(word);
    }
    buffer.write(&bytes[..op.blocks as usize * BLOCK]);
}

/// Marks memory as nobody's, so that a late access of the device shows.
pub(super) fn poison(buffer: &mut RegionBuffer, blocks: usize) {
    let mut bytes = [0; 8 * BLOCK];
    bytes[..blocks * BLOCK].as_chunks_mut().0.fill(IDLE.to_le_bytes());
    buffer.scatter(&[(blocks * BLOCK) as u32], 0);
    buffer.write(&bytes[..blocks * BLOCK]);
}

/// Whether nobody touched the memory since it was [`poison`]ed.
pub(super) fn is_poisoned(buffer: &RegionBuffer) -> bool {
    let mut bytes = [0; 8 * BLOCK];
    let len = buffer.len().min(bytes.len());
    buffer.read(&mut bytes[..len]);
    bytes[..len].as_chunks().0.iter().all(|word| *word == IDLE.to_le_bytes())
}

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// One version, written for this place.
    Of(WriteId),
    /// Memory as it was before the command.
    Untouched,
    /// Anything else.
    Torn,
}

/// Reads one block of what a command brought.
pub(super) fn content(bytes: &[u8; BLOCK], unit: u32, lba: u32) -> Content {
    let words = bytes.as_chunks().0;
    let first = words[0];
    if words.iter().any(|word| *word != first) {
        return Content::Torn;
    }
    let word = u64::from_le_bytes(first);
    match word {
        IDLE => Content::Untouched,
        _ if word == stamp(unit, lba, writer(word)) => Content::Of(writer(word)),
        _ => Content::Torn,
    }
}

/// Bytes that move, and which way.
pub(super) fn transfer(op: Operation) -> Transfer {
    let len = op.blocks * BLOCK as u32;
    match op.kind {
        kind if kind.is_write() => Transfer::to_device(len),
        kind if kind.is_read() => Transfer::from_device(len),
        Kind::Inquiry => Transfer::from_device(36),
        _ => Transfer::NONE,
    }
}

/// The command block.
pub(super) fn cdb(op: Operation) -> Cdb {
    let lba = scsi_proto::Lba(op.lba.into());
    let access = |fua| Access { fua, dpo: false };
    let range = |lba, number_of_blocks, immed| {
        SynchronizeCache10 { lba, number_of_blocks, immed, ..Default::default() }.cdb()
    };
    let made = match op.kind {
        Kind::Write | Kind::WriteOrdered => write(lba, op.blocks, access(false)),
        Kind::WriteFua => write(lba, op.blocks, access(true)),
        Kind::Read => read(lba, op.blocks, access(false)),
        Kind::ReadFua => read(lba, op.blocks, access(true)),
        Kind::Flush | Kind::FlushTyped => Ok(range(0, 0, false)),
        Kind::FlushRange => Ok(range(op.lba, op.blocks as u16, false)),
        Kind::FlushImmed => Ok(range(0, 0, true)),
        Kind::Ready | Kind::Acknowledge => Ok(TestUnitReady::default().cdb()),
        Kind::Inquiry => Ok(Inquiry { allocation_length: 36, ..Default::default() }.cdb()),
    };
    // Block addresses of a plan have 32 bits.
    made.unwrap_or_else(|_| TestUnitReady::default().cdb())
}

/// Where the memory of a command begins.
pub(super) fn place(data: &Option<RegionBuffer>) -> Option<BusAddr> {
    data.segments().first().map(|segment| segment.addr)
}
