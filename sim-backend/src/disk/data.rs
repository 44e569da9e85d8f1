//! READ, WRITE and VERIFY.

use scsi_proto::command::{
    Read6, Read10, Read12, Read16, Verify10, Verify16, Write6, Write10, Write12, Write16,
};
use scsi_proto::{Direction, Lba, Sense};

use super::condition::Condition;
use super::exchange::{Exchange, Outcome, invalid_field};
use super::failure::Failure;
use super::store::BlockRange;
use super::unit::LogicalUnit;

/// The blocks that a command addresses, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access {
    pub(super) range: BlockRange,
    pub(super) fua: bool,
    /// DPO or FUA is set.
    hinted: bool,
    /// RDPROTECT, WRPROTECT or VRPROTECT is set.
    protected: bool,
}

impl Access {
    #[inline]
    pub(super) fn plain(lba: u64, blocks: u64) -> Self {
        Self {
            range: BlockRange { lba: Lba(lba), blocks },
            fua: false,
            hinted: false,
            protected: false,
        }
    }
}

macro_rules! six_byte_access {
    ($($ty:ident)+) => {$(
        impl From<$ty> for Access {
            fn from(command: $ty) -> Self {
                let blocks = match command.transfer_length {
                    0 => 256,
                    blocks => blocks.into(),
                };
                Self::plain(command.lba.get().into(), blocks)
            }
        }
    )+};
}
six_byte_access!(Read6 Write6);

macro_rules! access {
    ($($ty:ident $protect:ident,)+) => {$(
        impl From<$ty> for Access {
            #[inline]
            fn from(command: $ty) -> Self {
                Self {
                    fua: command.fua,
                    hinted: command.fua || command.dpo,
                    protected: command.$protect.get() != 0,
                    ..Self::plain(command.lba.into(), command.transfer_length.into())
                }
            }
        }
    )+};
}
access! {
    Read10 rdprotect, Read12 rdprotect, Read16 rdprotect,
    Write10 wrprotect, Write12 wrprotect, Write16 wrprotect,
}

/// What VERIFY compares.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verification {
    access: Access,
    bytchk: u32,
}

macro_rules! verification {
    ($($ty:ident)+) => {$(
        impl From<$ty> for Verification {
            fn from(command: $ty) -> Self {
                let access = Access {
                    hinted: command.dpo,
                    protected: command.vrprotect.get() != 0,
                    ..Access::plain(command.lba.into(), command.verification_length.into())
                };
                Self { access, bytchk: command.bytchk.get() }
            }
        }
    )+};
}
verification!(Verify10 Verify16);

/// BYTCHK 00b: check the medium only. 01b: compare all blocks. 11b: compare each with one block.
const BYTCHK_NONE: u32 = 0;
const BYTCHK_ALL: u32 = 1;
const BYTCHK_ONE: u32 = 3;

impl LogicalUnit {
    #[inline]
    pub(super) fn read(&mut self, x: &mut Exchange<'_>, access: Access) -> Outcome {
        let len = self.check_access(&access)?;
        if access.fua && self.store.cached_blocks() != 0 {
            self.store.write_back(access.range)?;
        }
        match self.store.borrow(access.range.lba, len as usize) {
            Some(bytes) => x.send(0, bytes)?,
            None => self.read_in_pieces(x, access.range.lba, len)?,
        }
        Ok(len)
    }

    /// Reads everything, also what the initiator has no room for: a bad block is an error there too.
    fn read_in_pieces(&mut self, x: &mut Exchange<'_>, lba: Lba, len: u32) -> Result<(), Failure> {
        let mut done = 0;
        while done < len {
            let part = &mut self.scratch[..(len - done).min(SCRATCH_LEN) as usize];
            let ahead = u64::from(done >> self.store.block_size().shift());
            self.store.read(Lba(lba.0 + ahead), part)?;
            x.send(done, part)?;
            done += part.len() as u32;
        }
        Ok(())
    }

    /// Writes the whole blocks that the initiator offers of the transfer length.
    #[inline]
    pub(super) fn write(&mut self, x: &mut Exchange<'_>, access: Access) -> Outcome {
        let len = self.check_access(&access)?;
        self.check_writable()?;
        let offered = len.min(x.available(Direction::ToDevice));
        let end = offered & !(self.store.block_size().bytes() - 1);
        self.store.begin_write();
        let mut done = 0;
        while done < end {
            let part = &mut self.scratch[..(end - done).min(SCRATCH_LEN) as usize];
            x.receive(done, part)?;
            let ahead = u64::from(done >> self.store.block_size().shift());
            self.store.write(Lba(access.range.lba.0 + ahead), part, access.fua)?;
            done += part.len() as u32;
        }
        self.store.finish_write(access.fua)?;
        Ok(len)
    }

    /// Source: SBC-4 5.35. Cached blocks are written to the medium before they are verified.
    pub(super) fn verify(&mut self, x: &mut Exchange<'_>, verification: Verification) -> Outcome {
        let Verification { access, bytchk } = verification;
        let len = self.check_access(&access)?;
        let offered = x.available(Direction::ToDevice);
        let wanted = match bytchk {
            BYTCHK_NONE => 0,
            BYTCHK_ALL => len,
            BYTCHK_ONE => self.store.block_size().bytes().min(len),
            _ => return Err(invalid_field(1)),
        };
        self.store.flush(access.range)?;
        let size = self.store.block_size().bytes();
        let (block, offer) = self.scratch.split_at_mut(size as usize);
        let offer = &mut offer[..size as usize];
        for ahead in 0..access.range.blocks {
            self.store.read(Lba(access.range.lba.0 + ahead), block)?;
            let offset = if bytchk == BYTCHK_ALL { ahead as u32 * size } else { 0 };
            if bytchk == BYTCHK_NONE || offered.saturating_sub(offset) < size {
                continue;
            }
            x.receive(offset, offer)?;
            if let Some(differs) = block.iter().zip(&*offer).position(|(a, b)| a != b) {
                let information = Some(u64::from(offset) + differs as u64);
                return Err(Sense { information, ..Condition::MISCOMPARE.sense() }.into());
            }
        }
        Ok(wanted)
    }

    /// Checks an access in the order that SBC demands and tells its length in bytes.
    #[inline]
    fn check_access(&self, access: &Access) -> Result<u32, Failure> {
        if access.protected || access.hinted && !self.dpofua {
            return Err(invalid_field(1));
        }
        self.check_range(access.range)?;
        // READ and WRITE announce this bound in Block Limits, MAXIMUM TRANSFER LENGTH.
        if access.range.blocks > u64::from(TRANSFER_BLOCKS_MAX) {
            return Err(Condition::INVALID_FIELD_IN_CDB.into());
        }
        Ok((access.range.blocks as u32) << self.store.block_size().shift())
    }
}

/// MAXIMUM TRANSFER LENGTH of READ, WRITE and VERIFY in blocks.
pub(super) const TRANSFER_BLOCKS_MAX: u32 = 0x1_0000;

/// Bytes that are moved at once where the medium does not lend its memory. It also holds the
/// longest parameter list.
pub(super) const SCRATCH_LEN: u32 = 64 * 1024;
