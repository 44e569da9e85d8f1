//! Bugs on purpose: which there are, and how long a campaign takes to find each.

use core::fmt::Write as _;
use std::time::Instant;

use hba_core::sabotage::{Sabotage, plant};
use serde::Serialize;
use sim_backend::campaign::{Profile, Tally};

use super::{Listener, campaign::progress, execute, plan_of};
use crate::args::{RigArgs, SimArgs};
use crate::controller::ControllerSpec;
use crate::output::{Output, note};
use crate::{CliError, Exit};

/// Runs after which a hunt gives up.
const RUNS_MAX: u64 = 4000;
/// The profiles of a hunt, in turn.
const ROTATION: [Profile; 4] = [Profile::Swarm, Profile::Power, Profile::Swarm, Profile::Calm];

/// Bugs that are found within seconds: for each build.
const FAST: &[Sabotage] = &[
    Sabotage::OldGenerationBelieved,
    Sabotage::MixedSlot,
    Sabotage::DeferredIgnored,
    Sabotage::FlushTimeoutIsGood,
    Sabotage::AttributeDropped,
    Sabotage::ListTruncated,
    Sabotage::FlushNotDone,
    Sabotage::ResetDropsCache,
];

/// What the option asks for.
pub(super) enum Plan {
    /// The campaign runs with this bug planted, or with none.
    Campaign,
    /// Everything is done.
    Ended(Exit),
}

/// Plants the bug that the options name, or does what else they ask for.
pub(super) fn prepare(
    rig: &RigArgs,
    args: &SimArgs,
    output: &mut Output,
) -> Result<Plan, CliError> {
    let Some(name) = &args.sabotage else { return Ok(Plan::Campaign) };
    match name.as_str() {
        "list" => {
            let mut text = String::new();
            for bug in Sabotage::ALL {
                _ = writeln!(text, "{:32}{}", bug.name(), bug.what());
            }
            output.bytes(text.as_bytes())?;
            Ok(Plan::Ended(Exit::Pass))
        }
        "all" => hunt_each(Sabotage::ALL, rig, args, output).map(Plan::Ended),
        "fast" => hunt_each(FAST, rig, args, output).map(Plan::Ended),
        name => match Sabotage::named(name) {
            Some(bug) => {
                plant(Some(bug));
                Ok(Plan::Campaign)
            }
            None => {
                note(&format!("no bug is called {name}: `--sabotage list` has the names"));
                Ok(Plan::Ended(Exit::Usage))
            }
        },
    }
}

/// How a hunt ended.
#[derive(Debug, Serialize)]
struct Hunt {
    bug: &'static str,
    what: &'static str,
    controller: &'static str,
    /// `None`: the bug was not found.
    oracle: Option<&'static str>,
    profile: &'static str,
    seed: u64,
    runs: u64,
    commands: u64,
    wall_seconds: f64,
}

fn hunt_each(
    bugs: &[Sabotage],
    rig: &RigArgs,
    args: &SimArgs,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let bar = progress(bugs.len() as u64, "bugs");
    let mut hunts = Vec::new();
    for bug in bugs.iter().filter(|bug| args.is_of_part(**bug as u64)) {
        match hunt(*bug) {
            Ok(hunt) => hunts.push(hunt),
            Err(why) => {
                note(&format!("{}: {why}", bug.name()));
                return Ok(Exit::Failure);
            }
        }
        bar.inc(1);
    }
    plant(None);
    bar.finish_and_clear();
    if rig.json {
        output.json(&hunts)?;
    } else {
        output.bytes(text(&hunts).as_bytes())?;
    }
    let missed = hunts.iter().any(|hunt| hunt.oracle.is_none());
    Ok(if missed { Exit::Mismatch } else { Exit::Pass })
}

fn hunt(bug: Sabotage) -> Result<Hunt, String> {
    let controller = match bug {
        Sabotage::CountIgnored | Sabotage::TerminatedIsDone => ControllerSpec::SimSas1068,
        _ => ControllerSpec::SimDirect,
    };
    plant(Some(bug));
    let begun = Instant::now();
    let mut tally = Tally::default();
    let mut found = None;
    for seed in 0..RUNS_MAX {
        let profile = ROTATION[(seed % ROTATION.len() as u64) as usize];
        let outcome = execute(controller, &plan_of(controller, seed, profile), Listener::Nobody)?;
        tally.add(&outcome.tally);
        if let Some(violation) = outcome.violation {
            found = Some((violation.oracle.name(), profile, seed));
            break;
        }
    }
    Ok(Hunt {
        bug: bug.name(),
        what: bug.what(),
        controller: controller.name(),
        oracle: found.map(|(oracle, ..)| oracle),
        profile: found.map_or("-", |(_, profile, _)| profile.name()),
        seed: found.map_or(0, |(.., seed)| seed),
        runs: tally.runs,
        commands: tally.commands,
        wall_seconds: begun.elapsed().as_secs_f64(),
    })
}

fn text(hunts: &[Hunt]) -> String {
    let mut out = format!(
        "{:32}{:14}{:8}{:8}{:>6}{:>7}{:>10}{:>9}\n",
        "bug", "controller", "oracle", "profile", "seed", "runs", "commands", "seconds"
    );
    for hunt in hunts {
        let Hunt { bug, controller, profile, seed, runs, commands, wall_seconds, .. } = hunt;
        let oracle = hunt.oracle.unwrap_or("MISSED");
        _ = writeln!(
            out,
            "{bug:32}{controller:14}{oracle:8}{profile:8}{seed:>6}{runs:>7}{commands:>10}{wall_seconds:>9.2}"
        );
    }
    let mut counts: Vec<_> = hunts.iter().map(|hunt| hunt.commands).collect();
    counts.sort_unstable();
    let found = hunts.iter().filter(|hunt| hunt.oracle.is_some()).count();
    let median = counts.get(counts.len() / 2).copied().unwrap_or(0);
    _ = writeln!(out, "\n{found} of {} found, median {median} commands", hunts.len());
    out
}
