//! Every small workload, every moment of a power cut, every outcome that the cache admits.

use super::oracle::Violation;
use super::plan::{Entry, Fault, Kind, Operation, Options, Plan, Site};
use super::run::Outcome;

/// What was enumerated.
#[derive(Clone, Debug, Default)]
pub struct Exhausted {
    /// Workloads.
    pub workloads: u64,
    /// Workloads with a moment of the cut.
    pub cuts: u64,
    /// Runs: each outcome of each cut.
    pub runs: u64,
    /// Commands of all runs.
    pub commands: u64,
    /// The trace hashes of all runs, added.
    pub hash: u64,
    /// The first plan that failed, and how.
    pub failure: Option<(Plan, Violation)>,
}

/// Blocks of the unit.
const BLOCKS: u32 = 3;
/// What an operation of a workload can be, each on each block.
const KINDS: [Kind; 4] = [Kind::Write, Kind::WriteFua, Kind::FlushRange, Kind::Read];
/// When the cut comes, relative to one operation.
const MOMENTS: [Site; 3] = [Site::Submit, Site::Submitted, Site::Executed];
/// Operations of a workload: more would take years.
pub const OPERATIONS_MAX: u32 = 6;

/// Runs every workload of `operations` operations, from {write, FUA write, flush, read} on one-block ranges of three
/// blocks, with a power cut at every moment and with every subset of the cached blocks that may survive it.
///
/// `part` of `parts` takes every `parts`-th workload. `progress` is called after each workload, with the number so far.
///
/// # Errors
///
/// Text from `run`, where a machine cannot be brought up.
pub fn exhaustive(
    operations: u32,
    (part, parts): (u64, u64),
    mut run: impl FnMut(&Plan) -> Result<Outcome, String>,
    mut progress: impl FnMut(u64),
) -> Result<Exhausted, String> {
    let mut all = Exhausted::default();
    let alphabet = KINDS.len() as u64 * u64::from(BLOCKS);
    for number in (0..alphabet.pow(operations)).filter(|n| n % parts.max(1) == part) {
        let workload = workload(number, operations, alphabet);
        all.workloads += 1;
        for moment in moments(operations) {
            all.cuts += 1;
            // How many blocks the cache holds at the cut is known after the first run.
            let (mut mask, mut masks) = (0, 1);
            while mask < masks {
                let plan = plan(&workload, moment, mask);
                let outcome = run(&plan)?;
                masks = 1 << outcome.tally.cached_at_cut.min(BLOCKS.into());
                mask += 1;
                all.runs += 1;
                all.commands += outcome.tally.commands;
                all.hash = all.hash.wrapping_add(outcome.hash);
                if let Some(violation) = outcome.violation {
                    all.failure = Some((plan, violation));
                    return Ok(all);
                }
            }
        }
        progress(all.workloads);
    }
    Ok(all)
}

/// How many workloads there are.
#[must_use]
pub const fn workloads(operations: u32) -> u64 {
    (KINDS.len() as u64 * BLOCKS as u64).pow(operations)
}

/// Every moment: before, during and after the device's work on each operation, and after the last completion.
fn moments(operations: u32) -> impl Iterator<Item = (Site, u32)> {
    let each = (1..=operations).flat_map(|nth| MOMENTS.map(|site| (site, nth)));
    each.chain([(Site::Completed, operations)])
}

/// The workload of a number, read as digits of the alphabet.
fn workload(mut number: u64, operations: u32, alphabet: u64) -> Vec<Operation> {
    let digit = |_| {
        let digit = (number % alphabet) as u32;
        number /= alphabet;
        let kind = KINDS[(digit / BLOCKS) as usize];
        Operation { kind, unit: 0, lba: digit % BLOCKS, blocks: 1, vector: 0 }
    };
    (0..operations).map(digit).collect()
}

fn plan(operations: &[Operation], (site, nth): (Site, u32), mask: u32) -> Plan {
    let options = Options {
        depth: 1,
        blocks: BLOCKS,
        cache_blocks: 8,
        cut: Options::CHOSEN + mask,
        reorder: 0,
        latency_min: 5,
        latency_max: 5,
        batch: 1,
        ..Options::default()
    };
    let cut = Entry { site, nth, fault: Fault::PowerCut, unit: 0, count: 1 };
    Plan { seed: 0, options, operations: operations.to_vec(), schedule: vec![cut] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_comes_once() {
        let alphabet = 12;
        let mut seen = alloc::collections::BTreeSet::new();
        for number in 0..workloads(2) {
            let ops = workload(number, 2, alphabet);
            assert!(seen.insert(ops.iter().map(|op| (op.kind, op.lba)).collect::<Vec<_>>()));
        }
        assert_eq!(seen.len(), 144);
        assert_eq!(moments(3).count(), 10);
    }
}
