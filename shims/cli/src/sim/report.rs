//! What a campaign tells: figures that mean something together.

use core::fmt::Write as _;
use core::time::Duration;

use serde::Serialize;
use sim_backend::campaign::{Fault, Kind, Site, Sometimes};

use super::Ended;
use crate::args::SimArgs;
use crate::controller::ControllerSpec;

/// The report of `hba sim`, as JSON has it.
#[derive(Debug, Serialize)]
pub struct SimReport {
    controller: &'static str,
    profile: String,
    seeds: String,
    shard: String,
    runs: u64,
    virtual_seconds: f64,
    commands: u64,
    faults: u64,
    power_cuts: u64,
    /// Logical units that the audit names.
    liars: u64,
    hash: String,
    wall_seconds: f64,
    sites: Vec<(&'static str, u64)>,
    census: Vec<CensusRow>,
    sometimes: Vec<(&'static str, u64)>,
    exhaustive: Option<ExhaustiveReport>,
    failure: Option<FailureReport>,
}

#[derive(Debug, Serialize)]
struct CensusRow {
    fault: &'static str,
    /// By kind of the oldest command outstanding, and last where there was none.
    counts: Vec<u64>,
}

#[derive(Debug, Serialize)]
struct ExhaustiveReport {
    workloads: u64,
    cuts: u64,
    runs: u64,
}

#[derive(Debug, Serialize)]
struct FailureReport {
    seed: u64,
    oracle: &'static str,
    what: String,
    faults: usize,
    operations: usize,
    schedule: Vec<String>,
    replay: Option<String>,
}

impl SimReport {
    pub(super) fn new(
        controller: ControllerSpec,
        args: &SimArgs,
        ended: &Ended,
        wall: Duration,
    ) -> Self {
        let tally = &ended.tally;
        let rows = Fault::ALL.iter().zip(tally.census);
        Self {
            controller: controller.name(),
            profile: args.profile_name().into(),
            seeds: args.seeds.to_string(),
            shard: args.shard.to_string(),
            runs: tally.runs,
            virtual_seconds: tally.virtual_time.as_secs_f64(),
            commands: tally.commands,
            faults: tally.faults,
            power_cuts: tally.power_cuts,
            liars: tally.liars,
            hash: format!("{:016x}", tally.hash),
            wall_seconds: wall.as_secs_f64(),
            sites: Site::ALL.iter().map(|site| site.name()).zip(tally.sites).collect(),
            census: rows
                .map(|(fault, counts)| CensusRow { fault: fault.name(), counts: counts.to_vec() })
                .collect(),
            sometimes: Sometimes::ALL.iter().map(|s| s.name()).zip(tally.sometimes).collect(),
            exhaustive: ended.exhausted.as_ref().map(|all| ExhaustiveReport {
                workloads: all.workloads,
                cuts: all.cuts,
                runs: all.runs,
            }),
            failure: ended.failure.as_ref().map(|failed| FailureReport {
                seed: failed.seed,
                oracle: failed.violation.oracle.name(),
                what: failed.violation.what.clone(),
                faults: failed.small.schedule.len(),
                operations: failed.small.operations.len(),
                schedule: failed
                    .small
                    .schedule
                    .iter()
                    .map(|e| format!("{} {} {} {} {}", e.site, e.nth, e.fault, e.unit, e.count))
                    .collect(),
                replay: failed.file.as_ref().map(|file| {
                    format!(
                        "hba sim --controller {} --replay {}{}",
                        controller.name(),
                        file.display(),
                        args.planted()
                    )
                }),
            }),
        }
    }

    /// The report for people.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> core::fmt::Result {
        match &self.exhaustive {
            Some(all) => writeln!(
                out,
                "{}, every cut: {} workloads, {} moments of a cut, {} runs",
                self.controller, all.workloads, all.cuts, all.runs
            )?,
            None => writeln!(
                out,
                "{}, {}, seeds {}, shard {}: {} runs",
                self.controller, self.profile, self.seeds, self.shard, self.runs
            )?,
        }
        writeln!(
            out,
            "{:.0} s of virtual time, {} commands, {} faults, {} of them power cuts, in {:.1} s",
            self.virtual_seconds, self.commands, self.faults, self.power_cuts, self.wall_seconds
        )?;
        writeln!(out, "trace hash {}", self.hash)?;
        if self.liars > 0 {
            let liars = self.liars;
            writeln!(out, "audit: {liars} logical units answered a flush or FUA without doing it")?;
        }
        self.write_census(out)?;
        self.write_sometimes(out)?;
        self.write_end(out)
    }

    fn write_census(&self, out: &mut String) -> core::fmt::Result {
        if self.faults == 0 {
            return Ok(());
        }
        write!(out, "\nfaults by the oldest command outstanding\n{:24}", "")?;
        let kinds = Kind::ALL.iter().map(|kind| kind.name()).chain(["none"]);
        kinds.clone().try_for_each(|kind| write!(out, "{kind:>14}"))?;
        writeln!(out)?;
        for row in &self.census {
            write!(out, "{:24}", row.fault)?;
            for count in &row.counts {
                write!(out, "{:>14}", if *count == 0 { "-".into() } else { count.to_string() })?;
            }
            writeln!(out)?;
        }
        write!(out, "\nfaults by site\n")?;
        self.sites.iter().try_for_each(|(site, count)| writeln!(out, "{site:44}{count:>12}"))
    }

    fn write_sometimes(&self, out: &mut String) -> core::fmt::Result {
        write!(out, "\nreached sometimes\n")?;
        self.sometimes.iter().try_for_each(|(state, count)| writeln!(out, "{state:44}{count:>12}"))
    }

    fn write_end(&self, out: &mut String) -> core::fmt::Result {
        let Some(failure) = &self.failure else { return writeln!(out, "\nPASS") };
        let FailureReport { seed, oracle, what, faults, operations, .. } = failure;
        writeln!(out, "\nFAIL  seed {seed}, {oracle}: {what}")?;
        writeln!(
            out,
            "the smallest run that fails so has {operations} operations, {faults} faults"
        )?;
        failure.schedule.iter().try_for_each(|entry| writeln!(out, "  fault {entry}"))?;
        match &failure.replay {
            Some(command) => writeln!(out, "again:  {command}"),
            None => writeln!(out, "the run could not be stored in this folder"),
        }
    }
}
