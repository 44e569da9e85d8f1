//! `hba verify`: proves that what a disk promised is there.
//!
//! Generation 1 is written to a range of every disk, read back and flushed. Generation 2 is written over the second half
//! of the range and not flushed. Then the power fails, with commands in flight, and a new driver looks: the first half
//! has to have generation 1; each block of the second half has to have 1 or 2, whole. A controller without a power switch
//! is reset instead, and nothing may be lost.
//!
//! At no time do two outstanding commands touch the same block. Sizes and order are mixed, and every second buffer is
//! scattered over pieces that lie on no boundary.

mod command;
mod engine;
mod error;
mod pattern;
mod pieces;
mod range;
mod report;
mod tally;

pub(crate) use command::run;
pub use error::VerifyError;
pub use report::{DiskReport, FirstBad, Report};

use hba_core::discovery::Discovered;
use hba_core::host::HostError;
use hba_core::logical_unit::{LogicalUnit, WriteCache};

use crate::args::IoSizes;
use crate::hctl::Hctl;
use crate::session::{Session, SessionError};
use engine::{End, Engine, Work};
use pattern::Pattern;
use pieces::{BlockCounts, Piece, Pieces};
use range::VerifyRange;
use tally::{Expectation, Tally};

/// What is verified, and how.
#[derive(Clone, Copy, Debug)]
pub struct VerifyOptions {
    /// Bytes on each disk; `None` for 32 MiB, or what there is.
    pub size: Option<u64>,
    /// The first block.
    pub start: u64,
    /// Commands outstanding on each disk, at least 1; the controller may permit fewer.
    pub depth: usize,
    /// Everything random follows from it. Blocks of an earlier run with the same seed pass for those of this one.
    pub seed: u64,
    /// Shortest and longest transfer; `None` for one block to 256 KiB.
    pub io_size: Option<IoSizes>,
}

impl VerifyOptions {
    /// The defaults, with this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { size: None, start: 0, depth: 32, seed, io_size: None }
    }
}

/// Who is told how far it is.
pub trait Monitor {
    /// It begins; `bytes` will move in all.
    fn begin(&mut self, bytes: u64);

    /// A step begins.
    fn step(&mut self, name: &'static str);

    /// So many more bytes have moved.
    fn advance(&mut self, bytes: u64);

    /// The step ended like this.
    fn done(&mut self, text: &str);
}

/// Nobody is told.
impl Monitor for () {
    fn begin(&mut self, _: u64) {}

    fn step(&mut self, _: &'static str) {}

    fn advance(&mut self, _: u64) {}

    fn done(&mut self, _: &str) {}
}

/// Verifies the disks among `found`. The session is attached.
///
/// A mismatch is a [`Report`] too: see [`Report::passed`].
///
/// # Errors
///
/// [`VerifyError`] when the request makes no sense or the controller or a device failed.
pub fn verify(
    session: &mut Session,
    found: &Discovered,
    options: &VerifyOptions,
    monitor: &mut dyn Monitor,
) -> Result<Report, VerifyError> {
    let run = Run::new(session, found, options)?;
    monitor.begin(run.bytes());
    let power_cut = session.has_power_switch();

    let mut engine = run.engine(session)?;
    monitor.step("write");
    let pieces = run.pieces(Half::Both, 1);
    let commands = engine.run(Work::Write { generation: OLD }, pieces, End::AllDone, monitor)?.done;
    monitor.done(&format!("generation 1 to every block, {commands} commands"));

    monitor.step("read");
    let expect = &|_, _| Expectation::Exactly(OLD);
    let (tally, commands) = run.read(&mut engine, expect, 2, monitor)?;
    if tally.first_bad().is_some() {
        return Ok(run.report(&tally, Interruption::None));
    }
    monitor.done(&format!("every block, {commands} commands"));

    monitor.step("flush");
    engine.flush_all()?;
    monitor.done(&report::disks(run.units.len()));

    monitor.step("write");
    let pieces = run.pieces(Half::Second, 3);
    let end = if power_cut { End::AllSent } else { End::AllDone };
    let write = engine.run(Work::Write { generation: NEW }, pieces, end, monitor)?;
    let commands = write.done + write.in_flight.len() as u64;
    monitor.done(&format!("generation 2 to the second half, {commands} commands, not flushed"));
    drop(engine);

    let interruption = run.interrupt(session, write.in_flight.len(), monitor)?;

    monitor.step("verify");
    let judge = Judge::new(&run, interruption, write.in_flight);
    let mut engine = run.engine(session)?;
    let expect = &|disk, lba| judge.expect(disk, lba);
    let (tally, commands) = run.read(&mut engine, expect, 4, monitor)?;
    monitor.done(&format!("every block, {commands} commands"));
    Ok(run.report(&tally, interruption))
}

/// Generation 1.
const OLD: u32 = 1;
/// Generation 2.
const NEW: u32 = 2;

/// What happens between writing and the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Interruption {
    /// Nothing: it did not come to that.
    None,
    /// The power of controller and disks was cut.
    PowerCut,
    /// The controller was reset.
    ControllerReset,
}

/// What does not change from one step to the next.
struct Run {
    units: Vec<LogicalUnit>,
    ranges: Vec<VerifyRange>,
    counts: Vec<BlockCounts>,
    /// Bytes of the longest transfer.
    buffer_len: usize,
    depth: usize,
    seed: u64,
}

/// Which part of the ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    Both,
    Second,
}

impl Run {
    fn new(
        session: &mut Session,
        found: &Discovered,
        options: &VerifyOptions,
    ) -> Result<Self, VerifyError> {
        let units = range::disks(found)?;
        let limits = session.driver().limits().ok_or(SessionError::Host(HostError::Gone))?;
        let range = |unit| VerifyRange::new(unit, options.start, options.size);
        let ranges = units.iter().map(range).collect::<Result<Vec<_>, _>>()?;
        let count = |unit: &LogicalUnit| {
            range::block_counts(options.io_size, unit.block_size.0, limits.transfer_max)
        };
        let counts = units.iter().map(count).collect::<Result<Vec<_>, _>>()?;
        let longest = units.iter().zip(&counts).map(|(unit, count)| unit.block_size.0 * count.max);
        let buffer_len = longest.max().unwrap_or(0) as usize;
        let VerifyOptions { depth, seed, .. } = *options;
        Ok(Self { units, ranges, counts, buffer_len, depth: depth.max(1), seed })
    }

    fn engine<'a>(&'a self, session: &'a mut Session) -> Result<Engine<'a>, VerifyError> {
        let pattern = Pattern::new(self.seed);
        Engine::new(session.driver(), &self.units, pattern, self.depth, self.buffer_len)
    }

    /// Bytes that move: everything is written once and read twice, the second half is written once more.
    fn bytes(&self) -> u64 {
        let bytes = |(unit, range): (&LogicalUnit, &VerifyRange)| {
            let blocks = range.blocks().saturating_mul(3).saturating_add(range.unflushed());
            blocks.saturating_mul(unit.block_size.0.into())
        };
        self.units.iter().zip(&self.ranges).map(bytes).fold(0, u64::saturating_add)
    }

    /// Each pass is cut into other commands than the one before.
    fn pieces(&self, half: Half, pass: u64) -> Vec<Pieces> {
        let ranges = self.ranges.iter().zip(&self.counts).enumerate();
        let pieces = |(disk, (range, counts)): (usize, (&VerifyRange, &BlockCounts))| {
            let first = if half == Half::Both { range.first } else { range.middle };
            let seed = self.seed.wrapping_add(pass.rotate_left(32));
            Pieces::new(disk, first..range.end, *counts, seed)
        };
        ranges.map(pieces).collect()
    }

    fn read(
        &self,
        engine: &mut Engine<'_>,
        expect: &dyn Fn(usize, u64) -> Expectation,
        pass: u64,
        monitor: &mut dyn Monitor,
    ) -> Result<(Tally, u64), VerifyError> {
        let mut tally = Tally::new(self.units.len());
        let work = Work::Read { expect, tally: &mut tally };
        let commands = engine.run(work, self.pieces(Half::Both, pass), End::AllDone, monitor)?.done;
        Ok((tally, commands))
    }

    /// Cuts the power, or resets the controller where there is no switch, and finds the same disks again.
    fn interrupt(
        &self,
        session: &mut Session,
        in_flight: usize,
        monitor: &mut dyn Monitor,
    ) -> Result<Interruption, VerifyError> {
        let (interruption, found) = if session.has_power_switch() {
            monitor.step("power");
            session.cycle_power();
            (Interruption::PowerCut, session.attach()?)
        } else {
            monitor.step("reset");
            session.driver().reset().map_err(SessionError::from)?;
            let found = session.driver().discover().map_err(SessionError::from)?;
            (Interruption::ControllerReset, found)
        };
        if let Some(unit) = self.units.iter().find(|unit| !found.units.contains(unit)) {
            return Err(VerifyError::Changed { hctl: Hctl(unit.nexus) });
        }
        monitor.done(&match interruption {
            Interruption::PowerCut => {
                format!("cut with {in_flight} commands in flight; everything brought up again")
            }
            _ => "no power switch here: the controller was reset instead, no power cut".to_owned(),
        });
        Ok(interruption)
    }

    fn report(&self, tally: &Tally, interruption: Interruption) -> Report {
        Report::new(&self.units, &self.ranges, tally, interruption)
    }
}

/// Knows what has to be in each block after the interruption.
struct Judge<'a> {
    run: &'a Run,
    interruption: Interruption,
    /// Writes in flight when the power failed, by disk and block.
    in_flight: Vec<Piece>,
}

impl<'a> Judge<'a> {
    fn new(run: &'a Run, interruption: Interruption, mut in_flight: Vec<Piece>) -> Self {
        in_flight.sort_by_key(|piece| (piece.disk, piece.lba));
        Self { run, interruption, in_flight }
    }

    fn expect(&self, disk: usize, lba: u64) -> Expectation {
        let (range, unit) = (&self.run.ranges[disk], &self.run.units[disk]);
        if lba < range.middle {
            return Expectation::Exactly(OLD);
        }
        let after = self.in_flight.partition_point(|piece| (piece.disk, piece.lba) <= (disk, lba));
        let piece = after.checked_sub(1).and_then(|at| self.in_flight.get(at));
        if piece.is_some_and(|piece| piece.disk == disk && piece.range().contains(&lba)) {
            return Expectation::InFlight { old: OLD, new: NEW };
        }
        // Without a volatile cache an answered write is durable, and a reset takes nothing from the cache.
        match (self.interruption, unit.write_cache) {
            (Interruption::PowerCut, WriteCache::On | WriteCache::Unknown) => {
                Expectation::Either { old: OLD, new: NEW }
            }
            _ => Expectation::Exactly(NEW),
        }
    }
}
