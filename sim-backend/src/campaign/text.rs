//! Plans as small text files: what a failed run leaves, and what replays it.

use core::fmt;

use super::oracle::Oracle;
use super::plan::{Entry, Fault, Kind, Operation, Options, Plan, Site};

/// The first line of every file.
const HEAD: &str = "hba-sim 1";

/// A plan with the oracle that it is expected to trip, if any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// The run.
    pub plan: Plan,
    /// Which oracle fired when the file was written.
    pub expect: Option<Oracle>,
}

/// A text that is no plan: the line, from 1 on, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayError {
    /// Number of the line.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl core::error::Error for ReplayError {}

impl fmt::Display for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan { seed, options, operations, schedule } = &self.plan;
        writeln!(f, "{HEAD}\nseed {seed}")?;
        if let Some(oracle) = self.expect {
            writeln!(f, "expect {oracle}")?;
        }
        for (name, value) in options.named() {
            writeln!(f, "option {name} {value}")?;
        }
        for Operation { kind, unit, lba, blocks, vector } in operations {
            writeln!(f, "op {kind} {unit} {lba} {blocks} {vector}")?;
        }
        for Entry { site, nth, fault, unit, count } in schedule {
            writeln!(f, "fault {site} {nth} {fault} {unit} {count}")?;
        }
        Ok(())
    }
}

impl Replay {
    /// Most operations of a file.
    const OPERATIONS_MAX: usize = 1 << 20;

    /// Reads a plan. Empty lines and lines that begin with `#` do not count.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] with the first line that means nothing.
    pub fn parse(text: &str) -> Result<Self, ReplayError> {
        let plan = Plan {
            seed: 0,
            options: Options::default(),
            operations: Vec::new(),
            schedule: Vec::new(),
        };
        let mut replay = Self { plan, expect: None };
        let lines = (1..).zip(text.lines().map(str::trim));
        let mut lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        match lines.next() {
            Some((_, HEAD)) => {}
            Some((line, _)) => {
                return Err(ReplayError { line, what: format!("the first line is not `{HEAD}`") });
            }
            None => return Err(ReplayError { line: 1, what: "the file is empty".into() }),
        }
        for (line, text) in lines {
            replay.take(text).map_err(|what| ReplayError { line, what })?;
        }
        replay.check().map_err(|what| ReplayError { line: text.lines().count(), what })?;
        Ok(replay)
    }

    fn take(&mut self, line: &str) -> Result<(), String> {
        let words: Vec<_> = line.split_whitespace().collect();
        let plan = &mut self.plan;
        match *words.as_slice() {
            ["seed", seed] => plan.seed = number(seed)?,
            ["expect", oracle] => {
                let known = Oracle::named(oracle);
                self.expect = Some(known.ok_or_else(|| format!("no oracle {oracle}"))?);
            }
            ["option", name, value] => {
                if !plan.options.set(name, number(value)?) {
                    return Err(format!("no option {name}"));
                }
            }
            ["op", kind, unit, lba, blocks, vector] => plan.operations.push(Operation {
                kind: Kind::named(kind).ok_or_else(|| format!("no operation {kind}"))?,
                unit: number(unit)?,
                lba: number(lba)?,
                blocks: number(blocks)?,
                vector: number(vector)?,
            }),
            ["fault", site, nth, fault, unit, count] => plan.schedule.push(Entry {
                site: Site::named(site).ok_or_else(|| format!("no site {site}"))?,
                nth: number(nth)?,
                fault: Fault::named(fault).ok_or_else(|| format!("no fault {fault}"))?,
                unit: number(unit)?,
                count: number(count)?,
            }),
            _ => return Err(format!("`{line}` means nothing")),
        }
        Ok(())
    }

    /// Numbers that no machine can be made of.
    fn check(&self) -> Result<(), String> {
        let Plan { options, operations, .. } = &self.plan;
        let bounds = [
            ("vectors", options.vectors, 16),
            ("depth", options.depth, 256),
            ("disks", options.disks, 8),
            ("units", options.units, 8),
            ("blocks", options.blocks, 4096),
            ("cache-blocks", options.cache_blocks, 1 << 16),
            ("batch", options.batch, 4096),
            ("timeout", options.timeout, 600_000),
            ("budget", options.budget, 1 << 20),
        ];
        for (name, value, max) in bounds {
            if !(1..=max).contains(&value) {
                return Err(format!("option {name} is 1 to {max}, not {value}"));
            }
        }
        if operations.len() > Self::OPERATIONS_MAX {
            return Err(format!("more than {} operations", Self::OPERATIONS_MAX));
        }
        let fits = |op: &&Operation| {
            op.unit < options.all_units()
                && op.vector < options.vectors
                && (1..=BLOCKS_MAX).contains(&op.blocks)
                && op.lba.checked_add(op.blocks).is_some_and(|end| end <= options.blocks)
        };
        match operations.iter().find(|op| !fits(op)) {
            Some(op) => Err(format!("no place for {op:?}")),
            None => Ok(()),
        }
    }
}

/// Most blocks of one operation.
pub(super) const BLOCKS_MAX: u32 = 8;

fn number<T: core::str::FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("`{word}` is no number that fits"))
}
