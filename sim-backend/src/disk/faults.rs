//! Faults that a test injects into a logical unit.

use scsi_proto::{Lba, Status};

use super::condition::Condition;
use super::medium::{Medium, MediumError};

/// How often an injected fault strikes before it is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Times {
    /// The next so many matching operations.
    Next(u32),
    /// Until the faults are cleared.
    Always,
}

impl Times {
    /// Counts one strike; false where none is left.
    const fn strike(&mut self) -> bool {
        match self {
            Self::Next(0) => false,
            Self::Next(left) => {
                *left -= 1;
                true
            }
            Self::Always => true,
        }
    }
}

/// Whether a medium fault concerns reading or writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediumAccess {
    /// Blocks that are read from the medium. Blocks in the write cache are not.
    Read,
    /// Blocks that are written to the medium, at once or when the cache is written back.
    Write,
}

/// How the medium stores something else than what it was given, and says that all is well.
///
/// Each breaks the promise of a disk and is counted in [`Lies`](super::Lies): for showing that a checker notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Miswrite {
    /// The blocks land so many blocks further on, past the end at the beginning; where they belong nothing changes.
    Misdirected {
        /// The distance in blocks.
        by: u64,
    },
    /// Only the first half of each block is written.
    Shorn,
}

/// A block that could not be moved to or from the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockError {
    pub(super) lba: Lba,
    pub(super) condition: Condition,
}

/// A medium whose accesses fail where faults were planted.
#[derive(Debug)]
pub(super) struct FaultyMedium {
    medium: Box<dyn Medium>,
    faults: Vec<RangeFault>,
    /// Blocks that landed elsewhere, and blocks that were written in part.
    miswritten: (u64, u64),
}

/// A fault in the blocks from `first` to `last`, both included.
#[derive(Clone, Copy, Debug)]
struct RangeFault {
    access: MediumAccess,
    first: u64,
    last: u64,
    effect: Effect,
    times: Times,
}

/// What a fault does.
#[derive(Clone, Copy, Debug)]
enum Effect {
    Fail(Condition),
    Miswrite(Miswrite),
}

impl FaultyMedium {
    pub(super) const fn new(medium: Box<dyn Medium>) -> Self {
        Self { medium, faults: Vec::new(), miswritten: (0, 0) }
    }

    /// Blocks that were misdirected and blocks that were shorn so far.
    pub(super) const fn miswritten(&self) -> (u64, u64) {
        self.miswritten
    }

    /// Lets writes to the medium go wrong without a word, wherever they go.
    pub(super) fn plant_miswrite(&mut self, how: Miswrite, times: Times) {
        let (access, effect) = (MediumAccess::Write, Effect::Miswrite(how));
        self.faults.push(RangeFault { access, first: 0, last: u64::MAX, effect, times });
    }

    pub(super) fn plant(
        &mut self,
        access: MediumAccess,
        lba: Lba,
        blocks: u64,
        condition: Condition,
        times: Times,
    ) {
        if let Some(more) = blocks.checked_sub(1) {
            let (first, last) = (lba.0, lba.0.saturating_add(more));
            let effect = Effect::Fail(condition);
            self.faults.push(RangeFault { access, first, last, effect, times });
        }
    }

    pub(super) fn clear(&mut self) {
        self.faults.clear();
    }

    /// The medium without faults.
    pub(super) fn medium(&mut self) -> &mut dyn Medium {
        &mut *self.medium
    }

    /// The content of a range where it lies in one piece of memory and no fault is planted.
    #[inline]
    pub(super) fn borrow(&self, lba: Lba, len: usize) -> Option<&[u8]> {
        if self.faults.is_empty() { self.medium.borrow(lba, len) } else { None }
    }

    /// The blocks of a range, likewise, to write to.
    #[inline]
    pub(super) fn borrow_mut(&mut self, lba: Lba, len: usize) -> Option<&mut [u8]> {
        if self.faults.is_empty() { self.medium.borrow_mut(lba, len) } else { None }
    }

    #[inline]
    pub(super) fn read(&mut self, lba: Lba, data: &mut [u8]) -> Result<(), BlockError> {
        self.check(MediumAccess::Read, lba, data.len())?;
        self.medium
            .read(lba, data)
            .map_err(|error| BlockError::of(error, Condition::UNRECOVERED_READ_ERROR))
    }

    /// Writes nothing where a planted error strikes, and something else where a miswrite does.
    #[inline]
    pub(super) fn write(&mut self, lba: Lba, data: &[u8]) -> Result<(), BlockError> {
        if !self.faults.is_empty() {
            return self.write_faulty(lba, data);
        }
        self.medium.write(lba, data).map_err(|error| BlockError::of(error, Condition::WRITE_ERROR))
    }

    #[cold]
    fn write_faulty(&mut self, lba: Lba, data: &[u8]) -> Result<(), BlockError> {
        let size = self.medium.block_size().bytes() as usize;
        let written = match self.strike(MediumAccess::Write, lba, (data.len() / size) as u64) {
            Some((lba, Effect::Fail(condition))) => return Err(BlockError { lba, condition }),
            Some((_, Effect::Miswrite(how))) => self.miswrite(how, lba, data, size),
            None => self.medium.write(lba, data),
        };
        written.map_err(|error| BlockError::of(error, Condition::WRITE_ERROR))
    }

    fn miswrite(
        &mut self,
        how: Miswrite,
        lba: Lba,
        data: &[u8],
        size: usize,
    ) -> Result<(), MediumError> {
        let capacity = self.medium.blocks();
        let mut old = vec![0; size];
        for (lba, block) in (lba.0..).zip(data.chunks_exact(size)) {
            match how {
                Miswrite::Misdirected { by } => {
                    let there = (u128::from(lba) + u128::from(by)) % u128::from(capacity);
                    self.medium.write(Lba(there as u64), block)?;
                    self.miswritten.0 += u64::from(there as u64 != lba);
                }
                Miswrite::Shorn => {
                    self.medium.read(Lba(lba), &mut old)?;
                    self.miswritten.1 += u64::from(old[size / 2..] != block[size / 2..]);
                    old[..size / 2].copy_from_slice(&block[..size / 2]);
                    self.medium.write(Lba(lba), &old)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn deallocate(&mut self, lba: Lba, blocks: u64) -> Result<(), BlockError> {
        self.check_blocks(MediumAccess::Write, lba, blocks)?;
        self.medium
            .deallocate(lba, blocks)
            .map_err(|error| BlockError::of(error, Condition::WRITE_ERROR))
    }

    pub(super) fn sync(&mut self) -> Result<(), BlockError> {
        self.medium.sync().map_err(|error| BlockError::of(error, Condition::WRITE_ERROR))
    }

    #[inline]
    fn check(&mut self, access: MediumAccess, lba: Lba, len: usize) -> Result<(), BlockError> {
        if self.faults.is_empty() {
            return Ok(());
        }
        self.check_blocks(access, lba, len as u64 >> self.medium.block_size().shift())
    }

    #[cold]
    fn check_blocks(
        &mut self,
        access: MediumAccess,
        lba: Lba,
        blocks: u64,
    ) -> Result<(), BlockError> {
        match self.strike(access, lba, blocks) {
            Some((lba, Effect::Fail(condition))) => Err(BlockError { lba, condition }),
            _ => Ok(()),
        }
    }

    /// The first fault that concerns an access, and the first block of the access that it concerns.
    fn strike(&mut self, access: MediumAccess, lba: Lba, blocks: u64) -> Option<(Lba, Effect)> {
        let last = blocks.checked_sub(1).map(|more| lba.0.saturating_add(more))?;
        let concerns = |fault: &RangeFault| {
            fault.access == access && fault.first <= last && lba.0 <= fault.last
        };
        self.faults.iter_mut().find_map(|fault| {
            let lba = Lba(fault.first.max(lba.0));
            let strikes = concerns(fault) && fault.times.strike();
            strikes.then_some((lba, fault.effect))
        })
    }
}

impl BlockError {
    fn of(error: MediumError, condition: Condition) -> Self {
        Self { lba: error.lba, condition }
    }
}

/// Faults that strike whole commands, before or after they are executed.
#[derive(Debug, Default)]
pub(super) struct CommandFaults {
    /// False as long as nothing was injected: the hot path looks at nothing else.
    armed: bool,
    refusal: Option<(Status, Times)>,
    flush: Option<(Condition, Times)>,
    data_limit: Option<(u32, Times)>,
}

impl CommandFaults {
    pub(super) fn refuse(&mut self, status: Status, times: Times) {
        self.refusal = Some((status, times));
        self.armed = true;
    }

    pub(super) fn fail_flush(&mut self, condition: Condition, times: Times) {
        self.flush = Some((condition, times));
        self.armed = true;
    }

    pub(super) fn limit_data(&mut self, limit: u32, times: Times) {
        self.data_limit = Some((limit, times));
        self.armed = true;
    }

    #[inline]
    pub(super) const fn is_armed(&self) -> bool {
        self.armed
    }

    /// The status that ends the next command unexecuted.
    pub(super) fn refusal(&mut self) -> Option<Status> {
        strike(&mut self.refusal)
    }

    /// The error of the next flush.
    pub(super) fn flush_failure(&mut self) -> Option<Condition> {
        strike(&mut self.flush)
    }

    /// The bytes after which the next data phase ends.
    pub(super) fn data_limit(&mut self) -> Option<u32> {
        strike(&mut self.data_limit)
    }
}

fn strike<T: Copy>(fault: &mut Option<(T, Times)>) -> Option<T> {
    let (what, times) = fault.as_mut()?;
    times.strike().then_some(*what)
}

#[cfg(test)]
mod tests {
    use super::super::medium::BlockSize;
    use super::super::memory_medium::MemoryMedium;
    use super::*;

    fn medium() -> FaultyMedium {
        FaultyMedium::new(Box::new(MemoryMedium::new(100, BlockSize::B512)))
    }

    #[test]
    fn the_first_bad_block_of_an_access_is_named() {
        let mut medium = medium();
        medium.plant(
            MediumAccess::Read,
            Lba(10),
            3,
            Condition::UNRECOVERED_READ_ERROR,
            Times::Always,
        );
        let mut data = [0; 512 * 8];
        let mut read = |lba| medium.read(Lba(lba), &mut data).map_err(|error| error.lba.0);
        assert_eq!(read(0), Ok(()));
        assert_eq!(read(4), Err(10));
        assert_eq!(read(11), Err(11));
        assert_eq!(read(13), Ok(()));
        medium.clear();
        assert_eq!(medium.read(Lba(10), &mut data), Ok(()));
    }

    #[test]
    fn counted_faults_are_used_up_and_reads_do_not_count_for_writes() {
        let mut medium = medium();
        medium.plant(MediumAccess::Write, Lba(0), u64::MAX, Condition::WRITE_ERROR, Times::Next(2));
        medium.read(Lba(0), &mut [0; 512]).unwrap();
        assert!(medium.write(Lba(0), &[1; 512]).is_err());
        assert!(medium.deallocate(Lba(9), 1).is_err());
        assert!(medium.write(Lba(0), &[2; 512]).is_ok());
    }

    #[test]
    fn command_faults_strike_as_often_as_asked() {
        let mut faults = CommandFaults::default();
        assert!(!faults.is_armed());
        faults.refuse(Status::BUSY, Times::Next(1));
        assert!(faults.is_armed());
        assert_eq!(faults.refusal(), Some(Status::BUSY));
        assert_eq!(faults.refusal(), None);
        assert_eq!(faults.data_limit(), None);
    }
}
