//! Whole runs on `sim:direct`.

use super::*;
use crate::direct::{DirectConfig, DirectControl, DirectController};

const CAPACITY: Capacity = Capacity { vectors: 4, faults: DIRECT };

fn direct(plan: &Plan) -> Result<Outcome, String> {
    run::<_, DirectController>(plan, |_, plan| {
        let config = DirectConfig {
            vectors_max: plan.options.vectors as u16,
            depth_max: plan.options.depth as u16,
            ..DirectConfig::default()
        };
        DirectControl::new(config)
    })
}

fn passes(plan: &Plan) -> Outcome {
    let outcome = direct(plan).expect("a machine");
    if let Some(violation) = &outcome.violation {
        let replay = Replay { plan: plan.clone(), expect: Some(violation.oracle) };
        panic!("{violation}\n{replay}");
    }
    outcome
}

#[test]
fn every_profile_passes_and_runs_again_the_same() {
    for (name, profile) in Profile::ALL {
        let mut all = Tally::default();
        for seed in 0..12 {
            let plan = draw(seed, profile, CAPACITY);
            let outcome = passes(&plan);
            assert_eq!(outcome.hash, passes(&plan).hash, "{name} {seed}");
            all.add(&outcome.tally);
        }
        assert!(all.commands > 500, "{name}: {all:?}");
        assert_eq!(all.liars > 0, profile == Profile::Liars, "{name}: {} liars", all.liars);
    }
}

/// One disk, a write that goes wrong in the medium, a flush, and a read of everything at the end.
fn miswritten(fault: Fault) -> Plan {
    // One command at a time, so that the disk is at work before everything is healed.
    let options = Options { write_cache: 0, blocks: 16, depth: 1, ..Options::default() };
    let write = Operation { kind: Kind::Write, unit: 0, lba: 3, blocks: 2, vector: 0 };
    let entry = Entry { site: Site::Submit, nth: 2, fault, unit: 0, count: 4 };
    Plan { seed: 13, options, operations: vec![write; 3], schedule: vec![entry] }
}

#[test]
fn disks_that_write_elsewhere_or_by_half_are_named_and_no_driver_is_blamed() {
    for fault in [Fault::MisdirectedWrite, Fault::ShornWrite] {
        let plan = miswritten(fault);
        let text = Replay { plan: plan.clone(), expect: None }.to_string();
        let replayed = Replay::parse(&text).unwrap();
        assert_eq!(replayed.plan, plan, "it is plain text");
        let outcome = passes(&plan);
        assert_eq!(outcome.tally.liars, 1, "{fault}");
        assert_eq!(passes(&Plan { schedule: Vec::new(), ..plan }).tally.liars, 0);
    }
    let liars = (0..40).map(|seed| passes(&draw(seed, Profile::Liars, CAPACITY)).tally.liars);
    assert!(liars.sum::<u64>() > 10, "liars are drawn");
}

/// Writes that stay in the cache, and a power cut that tears one of their blocks.
fn torn() -> Plan {
    let options = Options { cut: 4, depth: 1, ..Options::default() };
    let write = Operation { kind: Kind::Write, unit: 0, lba: 3, blocks: 2, vector: 0 };
    let fault = Fault::PowerCut;
    let entry = Entry { site: Site::Submit, nth: 3, fault, unit: 0, count: 4 };
    Plan { seed: 13, options, operations: vec![write; 3], schedule: vec![entry] }
}

#[test]
fn disks_that_tear_a_block_are_named() {
    assert_eq!(passes(&torn()).tally.liars, 1);
    let drawn = (0..60).map(|seed| draw(seed, Profile::Liars, CAPACITY));
    assert!(drawn.filter(|plan| plan.options.cut == 4).count() > 5, "they are drawn");
    let others = [Profile::Swarm, Profile::Power, Profile::Soak];
    let drawn = others.into_iter().flat_map(|p| (0..60).map(move |s| draw(s, p, CAPACITY)));
    assert!(drawn.clone().all(|plan| plan.is_honest()), "and only there");
}

#[test]
fn runs_end_with_commands_outstanding() {
    for end in [2, 3] {
        let write = Operation { kind: Kind::Write, unit: 0, lba: 3, blocks: 2, vector: 0 };
        let options = Options { end, ..Options::default() };
        let plan = Plan { seed: 1, options, operations: vec![write; 40], schedule: Vec::new() };
        let tally = passes(&plan).tally;
        assert_eq!(tally.reached(Sometimes::BusyEnd), 1, "end {end}");
        let indeterminate = tally.reached(Sometimes::Indeterminate);
        assert!(indeterminate > 8, "{indeterminate} writes ended without an answer");
    }
}

#[test]
fn a_disk_that_is_pulled_out_comes_back() {
    let write = Operation { kind: Kind::Write, unit: 0, lba: 3, blocks: 2, vector: 0 };
    let entry = Entry { site: Site::Submitted, nth: 9, fault: Fault::PullDisk, unit: 0, count: 50 };
    let operations = vec![write; 40];
    let plan = Plan { seed: 1, options: Options::default(), operations, schedule: vec![entry] };
    let tally = passes(&plan).tally;
    assert_eq!((tally.faults, tally.power_cuts), (1, 1));
    assert!(tally.reached(Sometimes::NotDone) > 0, "commands ended without the disk");
}

#[test]
fn a_controller_that_is_reset_too_often_is_given_up() {
    let write = Operation { kind: Kind::Write, unit: 0, lba: 3, blocks: 2, vector: 0 };
    let options = Options { resets: 1, ..Options::default() };
    let reset = |nth| Entry { site: Site::Submit, nth, fault: Fault::Reset, unit: 0, count: 1 };
    let schedule = vec![reset(5), reset(30)];
    let plan = Plan { seed: 1, options, operations: vec![write; 60], schedule };
    assert_eq!(passes(&plan).tally.reached(Sometimes::GivenUp), 1);
}

#[test]
fn a_controller_whose_last_reset_fails_is_given_up() {
    let write = Operation { kind: Kind::Write, unit: 0, lba: 3, blocks: 2, vector: 0 };
    let options = Options { resets: 1, ..Options::default() };
    let at = |fault, count| Entry { site: Site::Submit, nth: 5, fault, unit: 0, count };
    let schedule = vec![at(Fault::Reset, 1), at(Fault::Freeze, 60_000)];
    let plan = Plan { seed: 1, options, operations: vec![write; 60], schedule };
    assert_eq!(passes(&plan).tally.reached(Sometimes::GivenUp), 1);
}

#[test]
fn batteries_fail_and_what_was_flushed_is_there() {
    let mut failed = 0;
    for seed in 0..60 {
        let mut plan = draw(seed, Profile::Power, CAPACITY);
        (plan.options.write_cache, plan.options.non_volatile, plan.options.battery) = (1, 1, 1);
        let fault = Fault::BatteryFailure;
        let nth = 5 + seed as u32;
        plan.schedule.push(Entry { site: Site::Submit, nth, fault, unit: 0, count: 1 });
        let outcome = passes(&plan);
        failed += outcome.tally.census[fault as usize].iter().sum::<u64>();
    }
    assert!(failed >= 60, "{failed}");
}
