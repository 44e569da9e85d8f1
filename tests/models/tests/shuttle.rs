//! Five vectors literally, and more threads than loom can hold: random schedules, and schedules with few preemptions.
#![cfg(shuttle)]

use std::time::Instant;

use hba_models::facade::Facade;
use hba_models::machine::Machine;
use hba_models::{find, scenario};

/// Schedules of each kind.
const SCHEDULES: usize = 100_000;
/// Of each scenario that loom explores with fewer vectors.
const SCHEDULES_OF_A_SCENARIO: usize = 5_000;
/// Points at which a schedule of the other kind may change its priorities.
const DEPTH: usize = 3;

const FIVE: Machine = Machine { vectors: 5, submitters: 2, commands: 2, depth: 2 };

fn told(what: &str, schedules: usize, run: impl FnOnce()) {
    let start = Instant::now();
    run();
    println!("{what:<30} {schedules:>8} schedules, {} ms", start.elapsed().as_millis());
}

#[test]
fn five_vectors_at_random() {
    told("five vectors, random", SCHEDULES, || shuttle::check_random(|| FIVE.run(), SCHEDULES));
}

#[test]
fn five_vectors_with_few_preemptions() {
    told("five vectors, PCT", SCHEDULES, || shuttle::check_pct(|| FIVE.run(), SCHEDULES, DEPTH));
}

/// Of the async facade, whose runs are long.
const SCHEDULES_OF_THE_FACADE: usize = 5_000;

/// More tasks than slots: some wait in line, and each is woken by the one before.
#[test]
fn l20_the_async_facade_with_five_vectors() {
    facade(Facade { vectors: 5, depth: 1, tasks: 3, drops: false });
}

/// Futures that are dropped while their command is in any state: their permits go on.
#[test]
fn f123_futures_of_the_async_facade_are_dropped_at_any_time() {
    facade(Facade { vectors: 2, depth: 1, tasks: 3, drops: true });
}

/// At random only: who is refused asks the executor to come again, which takes an executor that is fair.
fn facade(facade: Facade) {
    let schedules = SCHEDULES_OF_THE_FACADE;
    told("async facade, random", schedules, || {
        shuttle::check_random(move || facade.run(), schedules);
    });
}

/// The scenarios that take any number of vectors.
#[test]
fn every_scenario_with_five_vectors() {
    for scenario in scenario::all().filter(|s| s.sizes.len() > 1) {
        told(scenario.name, SCHEDULES_OF_A_SCENARIO, || {
            let run = scenario.run;
            shuttle::check_random(move || run(5, ""), SCHEDULES_OF_A_SCENARIO);
        });
    }
}

/// Under loom there are two.
#[test]
fn register_pairs_of_five_threads() {
    let run = find("pairs").expect("it is there").run;
    told("pairs", SCHEDULES, || shuttle::check_random(move || run(5, ""), SCHEDULES));
}

fn report(twin: &'static str) {
    let run = find("report").expect("it is there").run;
    shuttle::check_random(move || run(5, twin), SCHEDULES_OF_A_SCENARIO);
}

#[test]
#[should_panic(expected = "dispatch_sync called on queue already owned by current thread")]
fn the_reported_driver_traps_with_five_vectors() {
    report("dispatches onto its own queue");
}

#[test]
#[should_panic(expected = "deadlock")]
fn the_reported_driver_deadlocks_with_five_vectors() {
    report("dispatches onto the next queue");
}
