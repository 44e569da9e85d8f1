//! Keeps commands outstanding on all disks and looks at every answer.

use alloc::collections::VecDeque;

use hba_core::command::{Cookie, Outcome, Request};
use hba_core::dma::RegionBuffer;
use hba_core::host::{Data, HostError, OutOfMemory};
use hba_core::logical_unit::{Fua, LogicalUnit};
use hba_core::queue::Vector;
use hba_core::runtime::{Answer, ExecuteError};
use scsi_proto::{Lba, Sense, Status};

use super::pattern::{BlockName, Pattern};
use super::pieces::{Piece, Pieces};
use super::tally::{Expectation, Tally};
use super::{Monitor, VerifyError};
use crate::hctl::Hctl;
use crate::session::{Driver, Ended, SessionError};

/// What is done with every piece.
pub(super) enum Work<'a> {
    /// Writes this generation.
    Write { generation: u32 },
    /// Reads, and compares with what has to be there.
    Read { expect: &'a dyn Fn(usize, u64) -> Expectation, tally: &'a mut Tally },
}

/// When a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// When every command has ended.
    AllDone,
    /// When every command is out and half of them have ended: the power fails before the others do.
    AllSent,
}

/// What became of the pieces of a run.
pub(super) struct Outcomes {
    /// Commands that ended well.
    pub(super) done: u64,
    /// Commands that have not ended; none unless the run was to end with [`End::AllSent`].
    pub(super) in_flight: Vec<Piece>,
}

/// The driver with buffers for its commands.
pub(super) struct Engine<'a> {
    driver: &'a mut dyn Driver,
    units: &'a [LogicalUnit],
    pattern: Pattern,
    /// Commands outstanding on one disk.
    depth: usize,
    vectors: usize,
    /// Buffers that no command has.
    pool: Vec<RegionBuffer>,
    /// By cookie.
    flights: Vec<Option<Piece>>,
    /// Commands outstanding, by disk.
    outstanding: Vec<usize>,
    /// Pieces that no buffer was free for, or that the device had no room for.
    again: VecDeque<Piece>,
    scratch: Vec<u8>,
    whole: Vec<u8>,
}

impl<'a> Engine<'a> {
    /// Allocates buffers for `buffer_len` bytes, as many as the commands that can be outstanding, up to 128 MiB.
    pub(super) fn new(
        driver: &'a mut dyn Driver,
        units: &'a [LogicalUnit],
        pattern: Pattern,
        depth: usize,
        buffer_len: usize,
    ) -> Result<Self, VerifyError> {
        let limits = driver.limits().ok_or(SessionError::Host(HostError::Gone))?;
        let vectors = usize::from(limits.vectors).max(1);
        let tags = usize::from(limits.queue_depth) * vectors;
        let fitting = (POOL_MAX / buffer_len.max(1)).max(1);
        let buffers = depth.saturating_mul(units.len()).min(tags).min(fitting);
        let pieces = buffer_len.div_ceil(PIECE as usize);
        let scatters = pieces <= limits.elements_max as usize;
        let buffer = |index: usize| match index % 2 {
            1 if scatters => {
                let mut buffer = driver.buffer(pieces * (PIECE + SKIP) as usize)?;
                buffer.scatter(&vec![PIECE; pieces], SKIP);
                Ok(buffer)
            }
            _ => driver.buffer(buffer_len),
        };
        let pool = (0..buffers).map(buffer).collect::<Result<Vec<_>, OutOfMemory>>();
        Ok(Self {
            pool: pool.map_err(SessionError::from)?,
            driver,
            units,
            pattern,
            depth,
            vectors,
            flights: vec![None; buffers],
            outstanding: vec![0; units.len()],
            again: VecDeque::new(),
            scratch: vec![0; buffer_len],
            whole: vec![0; buffer_len],
        })
    }

    /// Does `work` with every piece. After [`End::AllSent`] the engine is of no further use.
    pub(super) fn run(
        &mut self,
        mut work: Work<'_>,
        mut pieces: Vec<Pieces>,
        end: End,
        monitor: &mut dyn Monitor,
    ) -> Result<Outcomes, VerifyError> {
        let mut done = 0;
        let mut answers = Vec::new();
        loop {
            let all_sent = self.submit_all(&work, &mut pieces)?;
            let outstanding = self.outstanding.iter().sum::<usize>() as u64;
            if all_sent && (outstanding == 0 || end == End::AllSent && done >= outstanding) {
                let in_flight = self.flights.iter().flatten().copied().collect();
                return Ok(Outcomes { done, in_flight });
            }
            self.driver.poll(&mut |ended| answers.push(ended));
            for ended in answers.drain(..) {
                if let Some(piece) = self.finish(ended, &mut work)? {
                    done += 1;
                    let block_size = self.units[piece.disk].block_size.0;
                    monitor.advance(u64::from(piece.blocks) * u64::from(block_size));
                }
            }
        }
    }

    /// Flushes the whole cache of every disk.
    pub(super) fn flush_all(&mut self) -> Result<(), VerifyError> {
        for unit in self.units {
            let flushed = self.driver.flush(unit).map_err(SessionError::from)?;
            flushed.map_err(|error| VerifyError::Flush { hctl: Hctl(unit.nexus), error })?;
        }
        Ok(())
    }

    /// Whether there is nothing left to send.
    fn submit_all(&mut self, work: &Work<'_>, pieces: &mut [Pieces]) -> Result<bool, VerifyError> {
        while let Some(piece) = self.again.pop_front() {
            if !self.submit(piece, work)? {
                return Ok(false);
            }
        }
        // One piece of each disk in turn, so that all are kept busy.
        loop {
            let mut sent = false;
            for (disk, pieces) in pieces.iter_mut().enumerate() {
                if self.pool.is_empty() || self.outstanding[disk] >= self.depth {
                    continue;
                }
                let Some(piece) = pieces.next() else { continue };
                if !self.submit(piece, work)? {
                    return Ok(false);
                }
                sent = true;
            }
            if !sent {
                return Ok(pieces.iter().all(Pieces::is_exhausted));
            }
        }
    }

    /// False when there is no room; the piece is sent again later.
    fn submit(&mut self, piece: Piece, work: &Work<'_>) -> Result<bool, VerifyError> {
        let free = self.flights.iter().position(Option::is_none);
        let (Some(cookie), Some(buffer)) = (free, self.pool.pop()) else {
            self.again.push_front(piece);
            return Ok(false);
        };
        let request = self.request(piece, work, buffer, Cookie(cookie as u64))?;
        let vector = Vector((cookie % self.vectors) as u16);
        self.driver.submit_on(vector, request).map_err(SessionError::from)?;
        self.flights[cookie] = Some(piece);
        self.outstanding[piece.disk] += 1;
        Ok(true)
    }

    fn request(
        &mut self,
        piece: Piece,
        work: &Work<'_>,
        mut buffer: RegionBuffer,
        cookie: Cookie,
    ) -> Result<Request<Data>, VerifyError> {
        let unit = &self.units[piece.disk];
        let block_size = unit.block_size.0 as usize;
        let data = &mut self.scratch[..piece.blocks as usize * block_size];
        let (lba, blocks) = (Lba(piece.lba), piece.blocks);
        let made = match work {
            Work::Write { generation } => {
                for (lba, block) in piece.range().zip(data.chunks_exact_mut(block_size)) {
                    let disk = piece.disk as u32;
                    self.pattern.fill(BlockName { disk, lba, generation: *generation }, block);
                }
                buffer.write(data);
                unit.write(lba, blocks, Fua::Off, Some(buffer), cookie)
            }
            Work::Read { .. } => {
                // What an earlier command left in the buffer must not pass for an answer.
                data.fill(UNREAD);
                buffer.write(data);
                unit.read(lba, blocks, Some(buffer), cookie)
            }
        };
        made.map_err(|error| VerifyError::Access { hctl: Hctl(unit.nexus), fault: error.fault })
    }

    /// The piece, if it is done.
    fn finish(&mut self, ended: Ended, work: &mut Work<'_>) -> Result<Option<Piece>, VerifyError> {
        let flight = usize::try_from(ended.cookie.0).ok();
        let flight = flight.and_then(|cookie| self.flights.get_mut(cookie)?.take());
        let Some(piece) = flight else { return Ok(None) };
        self.outstanding[piece.disk] -= 1;
        let answer = ended.result.map_err(|error| match error {
            ExecuteError::Access(fault) => {
                VerifyError::Access { hctl: Hctl(self.units[piece.disk].nexus), fault }
            }
            ExecuteError::Refused(refusal) => {
                SessionError::Host(HostError::Refused(refusal)).into()
            }
            _ => SessionError::Host(HostError::Gone).into(),
        })?;
        let Some(buffer) = ended.data else { return Ok(None) };
        let no_room =
            matches!(answer.outcome, Outcome::Status(Status::BUSY | Status::TASK_SET_FULL));
        if no_room && piece.tries < TRIES {
            self.again.push_back(Piece { tries: piece.tries + 1, ..piece });
            self.pool.push(buffer);
            return Ok(None);
        }
        if !answer.is_done() {
            let verb = if matches!(work, Work::Write { .. }) { "write" } else { "read" };
            let operation = format!("{verb} of {} blocks at block {}", piece.blocks, piece.lba);
            return Err(failed(&self.units[piece.disk], &operation, &answer));
        }
        if let Work::Read { expect, tally } = work {
            self.compare(piece, &buffer, *expect, tally);
        }
        self.pool.push(buffer);
        Ok(Some(piece))
    }

    fn compare(
        &mut self,
        piece: Piece,
        buffer: &RegionBuffer,
        expect: &dyn Fn(usize, u64) -> Expectation,
        tally: &mut Tally,
    ) {
        let block_size = self.units[piece.disk].block_size.0 as usize;
        let data = &mut self.scratch[..piece.blocks as usize * block_size];
        let whole = &mut self.whole[..block_size];
        let pattern = self.pattern;
        buffer.read(data);
        for (lba, block) in piece.range().zip(data.chunks_exact(block_size)) {
            let expected = expect(piece.disk, lba);
            let generation = expected.nearest(Pattern::claimed_generation(block));
            pattern.fill(BlockName { disk: piece.disk as u32, lba, generation }, whole);
            if whole == block {
                tally.count(piece.disk, expected, generation);
            } else {
                tally.count_bad(piece.disk, lba, expected, || pattern.identify(block));
            }
        }
    }
}

fn failed(unit: &LogicalUnit, operation: &str, answer: &Answer) -> VerifyError {
    let (sense, outcome) = (Sense::parse(&answer.sense).ok(), answer.outcome);
    VerifyError::Command { hctl: Hctl(unit.nexus), operation: operation.to_owned(), outcome, sense }
}

/// Bytes of each piece of a scattered buffer: odd, so that the pieces lie on no boundary. With the bytes that are skipped
/// between two pieces it makes a page, so that a transfer takes as many pieces as one of scattered pages.
const PIECE: u32 = 4093;
const SKIP: u32 = 3;
/// Bytes of buffers in all.
const POOL_MAX: usize = 128 << 20;
/// How often a device may have no room for a command.
const TRIES: u32 = 10_000;
/// What a buffer holds before it is read into.
const UNREAD: u8 = 0xd5;
