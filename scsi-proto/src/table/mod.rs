//! Every command of the T10 operation code list that a disk or its enclosure may see: name, CDB
//! length, direction, where addresses and lengths are, and how much data a CDB implies.
//!
//! [`lookup`] never judges a CDB: reserved bits, wrong lengths and absurd addresses are the
//! device's business. What the table does not know, it says to be unknown. Sources: SPC-5, SBC-4,
//! ZBC-2, SAT-5 and, for obsolete commands, the last standard that had them.

mod rows;
mod rule;

use crate::cdb::Cdb;
use crate::opcode::Opcode;
use crate::task::Lba;
use rows::ROWS;
use rule::TransferRule;

/// Which way data moves for a command, as far as its name decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DataDirection {
    /// No data.
    None,
    /// Data-in: the device writes host memory.
    In,
    /// Data-out: the device reads host memory.
    Out,
    /// Data-out or no data, as a field of the CDB says.
    OutOrNone,
    /// Data-out and data-in in the same command.
    Bidirectional,
    /// Any of in, out and none, as a field of the CDB says.
    Any,
}

/// What a CDB implies about the length of its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ImpliedTransfer {
    /// No data moves.
    None,
    /// This many bytes move when all goes well. For a bidirectional command: each way.
    Exactly(u64),
    /// At most this many bytes: an allocation length, of which the device uses what it needs.
    AtMost(u64),
    /// The CDB alone does not tell: an unknown command, a CDB that is too short, protection
    /// information in the data, or a length that is inside the parameter data.
    Unknown,
}

/// How many blocks a CDB addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlockCount {
    /// This many; 0 addresses none.
    Blocks(u64),
    /// All blocks from the address to the last one.
    ToEnd,
}

/// What is known of one command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandInfo {
    opcode: Opcode,
    service_action: Option<u16>,
    name: &'static str,
    /// 0 where none is recorded.
    cdb_len: u8,
    direction: DataDirection,
    lba_at: Option<FieldAt>,
    length_at: Option<(LengthUnit, FieldAt)>,
    rule: TransferRule,
}

/// A big-endian field of 1 to 8 bytes, as the shifts that take it out of an eight-byte window.
///
/// Submission asks for the implied length of every command, hence no loop over the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FieldAt {
    window: u8,
    left: u8,
    right: u8,
    /// The byte after the field.
    end: u8,
}

/// What a length field counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LengthUnit {
    Bytes,
    Blocks,
    BlocksZeroIs256,
    BlocksZeroIsToEnd,
}

/// The row for `cdb`, by operation code and service action.
///
/// `None` for operation codes and service actions that T10 has not assigned, for vendor specific
/// ones, and for CDBs too short to contain their service action.
#[must_use = "the row is the only result"]
pub fn lookup(cdb: &Cdb) -> Option<&'static CommandInfo> {
    let opcode = cdb.opcode();
    let first = usize::from(FIRST_ROW[usize::from(opcode.0)]);
    let service_action = cdb.service_action();
    let mut rows = ROWS.get(first..)?.iter().take_while(|row| row.opcode == opcode);
    rows.find(|row| row.service_action.is_none() || row.service_action == service_action)
}

/// How much data `cdb` moves on a unit with blocks of `block_length` bytes.
///
/// The address is not looked at. `block_length` 0 stands for an unknown length.
#[must_use = "the length is the only result"]
pub fn implied_transfer(cdb: &Cdb, block_length: u32) -> ImpliedTransfer {
    match lookup(cdb) {
        Some(info) => info.implied_transfer(cdb, block_length),
        None => ImpliedTransfer::Unknown,
    }
}

/// All rows, ascending by operation code and service action.
#[must_use = "the rows are the only result"]
pub fn rows() -> &'static [CommandInfo] {
    ROWS
}

impl CommandInfo {
    /// The operation code.
    #[must_use = "the operation code is the only result"]
    pub const fn opcode(&self) -> Opcode {
        self.opcode
    }

    /// The service action, where the operation code has them.
    #[must_use = "the service action is the only result"]
    pub const fn service_action(&self) -> Option<u16> {
        self.service_action
    }

    /// The T10 name; with the service action after a colon where T10 names both.
    #[must_use = "the name is the only result"]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The length of the CDB in bytes, where it is recorded.
    #[must_use = "the length is the only result"]
    pub const fn cdb_len(&self) -> Option<usize> {
        if self.cdb_len == 0 { None } else { Some(self.cdb_len as usize) }
    }

    /// Which way data moves.
    #[must_use = "the direction is the only result"]
    pub const fn direction(&self) -> DataDirection {
        self.direction
    }

    /// The LOGICAL BLOCK ADDRESS of `cdb`, where the command has one and the CDB contains it.
    #[must_use = "the address is the only result"]
    pub fn lba(&self, cdb: &Cdb) -> Option<Lba> {
        let address = self.lba_at?.read(cdb)?;
        // READ(6), WRITE(6) and SEEK(6) have 21 bits; bits 7:5 of byte 1 were once the LUN.
        let mask = if self.cdb_len == 6 { 0x1f_ffff } else { u64::MAX };
        Some(Lba(address & mask))
    }

    /// How many blocks from [`lba`](Self::lba) on `cdb` addresses, for commands that say so.
    #[must_use = "the count is the only result"]
    pub fn blocks(&self, cdb: &Cdb) -> Option<BlockCount> {
        self.lba_at?;
        let (unit, at) = self.length_at?;
        let value = at.read(cdb)?;
        match (unit, value) {
            (LengthUnit::Bytes, _) => None,
            (LengthUnit::BlocksZeroIs256, 0) => Some(BlockCount::Blocks(256)),
            (LengthUnit::BlocksZeroIsToEnd, 0) => Some(BlockCount::ToEnd),
            (_, blocks) => Some(BlockCount::Blocks(blocks)),
        }
    }

    /// How much data `cdb`, which must be of this row, moves. See [`implied_transfer`].
    #[must_use = "the length is the only result"]
    pub fn implied_transfer(&self, cdb: &Cdb, block_length: u32) -> ImpliedTransfer {
        if self.direction == DataDirection::None {
            return ImpliedTransfer::None;
        }
        if cdb.len() < usize::from(self.cdb_len) {
            return ImpliedTransfer::Unknown;
        }
        let length = self.length_at.and_then(|(unit, at)| match (unit, at.read(cdb)?) {
            (LengthUnit::BlocksZeroIs256, 0) => Some(256),
            (_, length) => Some(length),
        });
        match self.rule.apply(cdb, length.unwrap_or(0), block_length) {
            Some(ImpliedTransfer::Exactly(0) | ImpliedTransfer::AtMost(0)) => ImpliedTransfer::None,
            Some(implied) => implied,
            None => ImpliedTransfer::Unknown,
        }
    }
}

impl FieldAt {
    /// `len` bytes from `byte`.
    const fn new(byte: u8, len: u8) -> Self {
        assert!(len >= 1 && len <= 8 && (byte + len) as usize <= Cdb::LEN_MAX, "no such field");
        let last = Cdb::LEN_MAX as u8 - 8;
        let window = if byte < last { byte } else { last };
        Self { window, left: (byte - window) * 8, right: 64 - len * 8, end: byte + len }
    }

    /// The value of the field, or `None` where the CDB ends before it does.
    fn read(self, cdb: &Cdb) -> Option<u64> {
        let window = cdb.padded32().get(usize::from(self.window)..)?.first_chunk()?;
        let value = u64::from_be_bytes(*window) << (self.left & 63) >> (self.right & 63);
        (cdb.len() >= usize::from(self.end)).then_some(value)
    }
}

/// The index of the first row of each operation code; past the end where there is none.
static FIRST_ROW: [u8; 256] = {
    let mut first = [u8::MAX; 256];
    let mut row = ROWS.len();
    assert!(row <= u8::MAX as usize, "row numbers need more than a byte");
    while row > 0 {
        row -= 1;
        first[ROWS[row].opcode.0 as usize] = row as u8;
    }
    first
};

#[cfg(test)]
mod tests;
