//! `hba sim`: campaigns of the driver core against a world in which everything goes wrong.

mod campaign;
mod log;
mod report;
#[cfg(feature = "sabotage")]
mod sabotage;

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use hba_core::port::ControlPort;
use hba_core::tracer::Tracer;
use mpt_backend::mpi1::{FifoRegister, Mpi1, Mpi1Config};
use sim_backend::campaign::{
    COMMON, Capacity, DIRECT, Exhausted, Outcome, Plan, Profile, Replay, Tally, Troubled,
    Violation, draw, exhaustive, run as run_world, shrink,
};
use sim_backend::direct::{DirectConfig, DirectControl, DirectController};
use sim_backend::machine::SimRegisters;
use sim_backend::mpi1::Mpi1Controller;

use crate::args::{RigArgs, SimArgs};
use crate::controller::ControllerSpec;
use crate::output::{Output, note};
use crate::{CliError, Exit};
use campaign::Campaign;
use log::{Log, RunLog};
pub use report::SimReport;

/// Runs of one shrinking.
const SHRINK_TRIES: u32 = 4000;

/// Runs a campaign, one replay, or an enumeration.
pub(crate) fn run(rig: &RigArgs, args: &SimArgs, output: &mut Output) -> Result<Exit, CliError> {
    let controller = rig.controller;
    if let Some(why) = unfit(rig) {
        note(&why);
        return Ok(Exit::Usage);
    }
    #[cfg(feature = "sabotage")]
    if let sabotage::Plan::Ended(exit) = sabotage::prepare(rig, args, output)? {
        return Ok(exit);
    }
    let log = match &args.log {
        None => None,
        Some(path) => match Log::create(path) {
            Ok(log) => Some(log),
            Err(error) => {
                note(&format!("{}: {error}", path.display()));
                return Ok(Exit::Usage);
            }
        },
    };
    let begun = Instant::now();
    let ended = match (&args.replay, args.exhaustive) {
        (Some(path), _) => replay(controller, path, log.as_ref()),
        (None, Some(operations)) => enumerate(controller, operations, args),
        (None, None) => {
            let profile = args.profile;
            Campaign { controller, profile, args, log: log.as_ref() }.run()
        }
    };
    if let Some(log) = log {
        log.finish()?;
    }
    let ended = match ended {
        Ok(ended) => ended,
        Err(Stop::Usage(why)) => {
            note(&why);
            return Ok(Exit::Usage);
        }
        Err(Stop::Machine(why)) => {
            note(&why);
            return Ok(Exit::Failure);
        }
    };
    let report = SimReport::new(controller, args, &ended, begun.elapsed());
    if rig.json {
        output.json(&report)?;
    } else {
        output.bytes(report.text().as_bytes())?;
    }
    Ok(if ended.failure.is_some() { Exit::Mismatch } else { Exit::Pass })
}

/// Why no campaign runs on what the options ask for.
fn unfit(rig: &RigArgs) -> Option<String> {
    if let Some(option) = rig.machine_option() {
        return Some(format!("a campaign draws its own machine, and takes no {option}"));
    }
    let why = match rig.controller {
        ControllerSpec::SimDirect | ControllerSpec::SimSas1068 => return None,
        ControllerSpec::SimSas2008 | ControllerSpec::SimSas3008 => {
            "its model takes no faults of a campaign yet"
        }
        ControllerSpec::QemuMptsas1068 => "QEMU has a clock of its own",
    };
    Some(format!("a campaign runs on sim:direct or sim:sas1068, not on {}: {why}", rig.controller))
}

/// What a campaign came to.
#[derive(Debug, Default)]
pub struct Ended {
    /// What all runs did.
    pub tally: Tally,
    /// The enumeration, where it was one.
    pub exhausted: Option<Exhausted>,
    /// The first failure, made small.
    pub failure: Option<Failed>,
}

/// A run that failed.
#[derive(Debug)]
pub struct Failed {
    /// Its seed.
    pub seed: u64,
    /// How.
    pub violation: Violation,
    /// The smallest plan that was found to fail the same way.
    pub small: Plan,
    /// Where that is stored.
    pub file: Option<PathBuf>,
}

/// Why there is no result.
pub(crate) enum Stop {
    /// The request makes no sense.
    Usage(String),
    /// A simulated machine does not come up.
    Machine(String),
}

/// Who listens to a run, which must change nothing.
#[derive(Clone, Copy)]
enum Listener<'a> {
    Nobody,
    /// A flight recorder.
    Recorder,
    Log(&'a Log),
}

impl<'a> Listener<'a> {
    fn of(log: Option<&'a Log>) -> Self {
        log.map_or(Self::Nobody, Self::Log)
    }
}

/// One run on a controller.
fn execute(
    controller: ControllerSpec,
    plan: &Plan,
    listener: Listener<'_>,
) -> Result<Outcome, String> {
    match controller {
        ControllerSpec::SimDirect => heard::<_, DirectController>(plan, listener, |_, plan| {
            DirectControl::new(DirectConfig {
                vectors_max: plan.options.vectors as u16,
                depth_max: plan.options.depth as u16,
                ..DirectConfig::default()
            })
        }),
        ControllerSpec::SimSas1068 => heard::<_, Mpi1Controller>(plan, listener, |registers, _| {
            Mpi1::new(Mpi1Config::default(), FifoRegister(registers))
        }),
        ControllerSpec::SimSas2008
        | ControllerSpec::SimSas3008
        | ControllerSpec::QemuMptsas1068 => Err(format!("no campaign runs on {controller}")),
    }
}

fn heard<P: ControlPort, C: Troubled>(
    plan: &Plan,
    listener: Listener<'_>,
    port: impl FnOnce(SimRegisters<C>, &Plan) -> P,
) -> Result<Outcome, String> {
    /// Records kept.
    const RECORDS: usize = 64;
    match listener {
        Listener::Nobody => run_world(plan, port),
        Listener::Recorder => {
            run_world(plan, |registers, plan| Tracer::new(port(registers, plan), RECORDS))
        }
        Listener::Log(log) => {
            let run = RunLog::default();
            let traced = |registers, plan: &Plan| Tracer::with(port(registers, plan), run.clone());
            let outcome = run_world(plan, traced)?;
            log.add(plan.seed, &run).map_err(|error| format!("the log: {error}"))?;
            Ok(outcome)
        }
    }
}

/// The plan of a seed on a controller.
pub(crate) fn plan_of(controller: ControllerSpec, seed: u64, profile: Profile) -> Plan {
    let capacity = match controller {
        ControllerSpec::SimDirect => Capacity { vectors: 4, faults: DIRECT },
        _ => Capacity { vectors: 1, faults: COMMON },
    };
    draw(seed, profile, capacity)
}

/// Makes a failing plan small and stores it.
pub(crate) fn reduce(controller: ControllerSpec, plan: &Plan, violation: Violation) -> Failed {
    let fails = |plan: &Plan| {
        let outcome = execute(controller, plan, Listener::Nobody).ok()?;
        outcome.violation.map(|violation| violation.oracle)
    };
    let small = shrink(plan, violation.oracle, SHRINK_TRIES, fails);
    let text = Replay { plan: small.clone(), expect: Some(violation.oracle) }.to_string();
    let file = PathBuf::from(format!("hba-sim-{}-{}.txt", plan.seed, violation.oracle));
    let file = fs::write(&file, text).is_ok().then_some(file);
    Failed { seed: plan.seed, violation, small, file }
}

fn replay(
    controller: ControllerSpec,
    path: &std::path::Path,
    log: Option<&Log>,
) -> Result<Ended, Stop> {
    let named =
        |error: &dyn core::fmt::Display| Stop::Usage(format!("{}: {error}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| named(&error))?;
    let replay = Replay::parse(&text).map_err(|error| named(&error))?;
    let outcome = execute(controller, &replay.plan, Listener::of(log)).map_err(Stop::Machine)?;
    let failure = outcome.violation.map(|violation| Failed {
        seed: replay.plan.seed,
        violation,
        small: replay.plan,
        file: Some(path.to_owned()),
    });
    Ok(Ended { tally: outcome.tally, exhausted: None, failure })
}

fn enumerate(controller: ControllerSpec, operations: u32, args: &SimArgs) -> Result<Ended, Stop> {
    let total = sim_backend::campaign::workloads(operations) / u64::from(args.shard.of);
    let bar = campaign::progress(total, "workloads");
    let part = (u64::from(args.shard.index), u64::from(args.shard.of));
    let mut tally = Tally::default();
    let one = |plan: &Plan| {
        let outcome = execute(controller, plan, Listener::Nobody)?;
        tally.add(&outcome.tally);
        Ok(outcome)
    };
    let all = exhaustive(operations, part, one, |done| bar.set_position(done));
    bar.finish_and_clear();
    let mut all = all.map_err(Stop::Machine)?;
    let failure = all.failure.take();
    let failure = failure.map(|(plan, violation)| reduce(controller, &plan, violation));
    Ok(Ended { tally, exhausted: Some(all), failure })
}
