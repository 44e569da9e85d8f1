//! The result, for people and for programs.

use core::fmt;

use hba_core::logical_unit::LogicalUnit;
use serde::Serialize;

use super::Interruption;
use super::range::VerifyRange;
use super::tally::{DiskCount, Mismatch, Tally};
use crate::hctl::Hctl;

/// What a verification found. Its `Display` is the last line: `PASS ...` or `FAIL ...`.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whether every block is what it has to be.
    pub passed: bool,
    /// What happened between writing and the last look.
    pub interruption: Interruption,
    /// Each disk.
    pub disks: Vec<DiskReport>,
    /// Blocks that are not what they have to be, on all disks.
    pub bad: u64,
    /// Unflushed blocks that were lost, on all disks.
    pub lost: u64,
    /// The first bad block of the first disk that has one.
    pub first_bad: Option<FirstBad>,
}

/// What was found on one disk, in blocks.
#[derive(Clone, Debug, Serialize)]
pub struct DiskReport {
    /// host:channel:target:lun.
    pub address: String,
    /// The first block verified.
    pub first: u64,
    /// How many were.
    pub blocks: u64,
    /// Had to be there, and are.
    pub there: u64,
    /// Not flushed, and the new content is there.
    pub survived: u64,
    /// Not flushed, and the old content is there.
    pub lost: u64,
    /// Old or new, their write in flight when the power failed.
    pub in_flight: u64,
    /// Not what they have to be.
    pub bad: u64,
}

/// A block that is not what it has to be.
#[derive(Clone, Debug, Serialize)]
pub struct FirstBad {
    /// host:channel:target:lun.
    pub address: String,
    /// Where.
    pub lba: u64,
    /// What has to be there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

/// A number of disks in words.
pub(super) fn disks(count: usize) -> String {
    format!("{count} disk{}", if count == 1 { "" } else { "s" })
}

impl Report {
    pub(super) fn new(
        units: &[LogicalUnit],
        ranges: &[VerifyRange],
        tally: &Tally,
        interruption: Interruption,
    ) -> Self {
        let disks = units.iter().zip(ranges).zip(tally.counts());
        let total = tally.total();
        let first_bad = |bad: Mismatch| FirstBad {
            address: units
                .get(bad.disk)
                .map(|unit| Hctl(unit.nexus).to_string())
                .unwrap_or_default(),
            lba: bad.lba,
            expected: bad.expected.to_string(),
            found: bad.found.to_string(),
        };
        Self {
            passed: total.bad == 0,
            interruption,
            disks: disks
                .map(|((unit, range), count)| DiskReport::new(unit, range, count))
                .collect(),
            bad: total.bad,
            lost: total.old,
            first_bad: tally.first_bad().map(first_bad),
        }
    }

    fn sum(&self, of: impl Fn(&DiskReport) -> u64) -> u64 {
        self.disks.iter().map(of).sum()
    }
}

impl DiskReport {
    fn new(unit: &LogicalUnit, range: &VerifyRange, count: &DiskCount) -> Self {
        Self {
            address: Hctl(unit.nexus).to_string(),
            first: range.first,
            blocks: range.blocks(),
            there: count.exact,
            survived: count.new,
            lost: count.old,
            in_flight: count.in_flight,
            bad: count.bad,
        }
    }
}

/// One disk in one line.
impl fmt::Display for DiskReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "[{}] {} blocks from block {}: {} there",
            self.address, self.blocks, self.first, self.there
        )?;
        for (count, what) in [
            (self.survived, "unflushed and there"),
            (self.lost, "unflushed and lost"),
            (self.in_flight, "in flight"),
            (self.bad, "bad"),
        ] {
            if count != 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bad, lost, disks, .. } = self;
        if let Some(FirstBad { address, lba, expected, found }) = &self.first_bad {
            return write!(
                f,
                "FAIL first bad LBA {lba} of [{address}]: expected {expected}, found {found}; bad blocks in all: {bad}"
            );
        }
        let (disks, there) = (self::disks(disks.len()), self.sum(|disk| disk.there));
        match self.interruption {
            Interruption::PowerCut => write!(
                f,
                "PASS {disks}: all {there} durable blocks are there; of the unflushed ones \
                 {lost} were lost, {} survived, {} were in flight, none is damaged",
                self.sum(|disk| disk.survived),
                self.sum(|disk| disk.in_flight)
            ),
            _ => write!(f, "PASS {disks}: all {there} blocks are there; the power was not cut"),
        }
    }
}
