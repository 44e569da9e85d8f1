//! One command while it is executed: its CDB and its data phase.

use scsi_proto::command::{Command, ParseError};
use scsi_proto::sense::{FieldPointer, Sense};
use scsi_proto::{Cdb, Direction};

use super::condition::Condition;
use super::failure::Failure;
use crate::target::{DataPhase, Task};

/// How a command ended: the bytes that it wanted to move, or sense data.
pub(super) type Outcome = Result<u32, Failure>;

pub(super) struct Exchange<'a> {
    pub(super) cdb: &'a Cdb,
    data: &'a mut dyn DataPhase,
    direction: Direction,
    /// Bytes that may move: what the initiator announced, less what a fault withholds.
    len: u32,
    /// The bound that a fault set on the data phase.
    limit: u32,
}

impl<'a> Exchange<'a> {
    #[inline]
    pub(super) fn new(task: &Task<'a>, data: &'a mut dyn DataPhase) -> Self {
        Self { cdb: task.cdb, data, direction: task.direction, len: task.data_len, limit: u32::MAX }
    }

    /// Makes the data phase end after `limit` bytes.
    pub(super) fn cut_short(&mut self, limit: u32) {
        self.limit = limit;
        self.len = self.len.min(limit);
    }

    /// The bytes that count as moved for a command that wanted `wanted`.
    #[inline]
    pub(super) fn moved(&self, wanted: u32) -> u32 {
        wanted.min(self.limit)
    }

    /// Reads the fields of the CDB.
    ///
    /// NACA is refused like a reserved bit: the device has no auto contingent allegiance.
    #[inline]
    pub(super) fn parse<C: Command>(&self) -> Result<C, Failure> {
        let last = const { C::USAGE.len() - 1 };
        match C::parse(self.cdb) {
            Ok(command) if self.cdb.padded32()[last] & NACA == 0 => Ok(command),
            Ok(_) => Err(invalid_field(last as u16)),
            Err(error) => Err(refused(error)),
        }
    }

    /// The bytes that the initiator takes or offers in `direction`: none against the direction
    /// that it announced.
    #[inline]
    pub(super) fn available(&self, direction: Direction) -> u32 {
        if self.direction == direction { self.len } else { 0 }
    }

    /// Data-in: sends `bytes` to `offset`, cut at the end of the initiator's buffer.
    #[inline]
    pub(super) fn send(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Failure> {
        let room = self.available(Direction::FromDevice).saturating_sub(offset);
        let len = bytes.len().min(room as usize);
        if len == 0 {
            return Ok(());
        }
        self.data.send(offset, &bytes[..len]).map_err(|_| data_phase_error())
    }

    /// Data-in: sends parameter data cut at the allocation length, which is never an error.
    #[inline]
    pub(super) fn reply(&mut self, bytes: &[u8], allocation_length: u32) -> Outcome {
        let cut = bytes.len().min(allocation_length as usize);
        self.send(0, &bytes[..cut])?;
        Ok(cut as u32)
    }

    /// Data-out: receives `into` from `offset`. The caller asks for no more than is available.
    #[inline]
    pub(super) fn receive(&mut self, offset: u32, into: &mut [u8]) -> Result<(), Failure> {
        self.data.receive(offset, into).map_err(|_| data_phase_error())
    }

    /// Data-out: receives a parameter list of `len` bytes, or what the initiator offers of it.
    pub(super) fn parameters<'b>(
        &mut self,
        len: u32,
        into: &'b mut [u8],
    ) -> Result<&'b [u8], Failure> {
        let len = into.len().min(len.min(self.available(Direction::ToDevice)) as usize);
        self.receive(0, &mut into[..len])?;
        Ok(&into[..len])
    }
}

/// CONTROL bit 2. Source: SAM-5 5.2.
const NACA: u8 = 0x04;

/// 5/24/00 with the byte of the CDB that is at fault.
#[cold]
pub(super) fn invalid_field(byte: u16) -> Failure {
    let pointer = FieldPointer { in_cdb: true, bit: None, byte };
    Sense { key_specific: Some(pointer.into()), ..Condition::INVALID_FIELD_IN_CDB.sense() }.into()
}

/// 5/26/00 with the byte of the parameter list that is at fault.
#[cold]
pub(super) fn invalid_parameter(byte: usize) -> Failure {
    let byte = u16::try_from(byte).unwrap_or(u16::MAX);
    let pointer = FieldPointer { in_cdb: false, bit: None, byte };
    Sense {
        key_specific: Some(pointer.into()),
        ..Condition::INVALID_FIELD_IN_PARAMETER_LIST.sense()
    }
    .into()
}

#[cold]
fn refused(error: ParseError) -> Failure {
    match error {
        ParseError::ReservedBits { byte, .. } => invalid_field(byte.into()),
        ParseError::WrongServiceAction { .. } => invalid_field(1),
        _ => Condition::INVALID_FIELD_IN_CDB.into(),
    }
}

#[cold]
pub(super) fn data_phase_error() -> Failure {
    Condition::DATA_PHASE_ERROR.into()
}
