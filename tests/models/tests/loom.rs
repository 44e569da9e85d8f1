//! Each scenario under loom, on the shipped types, and each of its twins.
#![cfg(loom)]

use std::process::Command;
use std::time::Instant;

use hba_models::{Scenario, scenario};

/// Every size of a scenario and of its variations, and every twin of them.
fn explored(id: &str) {
    let mut found = 0;
    for scenario in scenario::all().filter(|s| s.name.split(' ').next() == Some(id)) {
        found += 1;
        for (size, bound) in scenario.sizes {
            explore(scenario, *size, *bound);
        }
        scenario.twins.iter().for_each(|twin| caught(scenario, twin.name, twin.says));
    }
    assert!(found > 0, "no scenario {id}");
}

fn explore(scenario: &Scenario, size: usize, bound: Option<usize>) {
    let start = Instant::now();
    let count = scenario.explore(size, bound, "");
    let bound = bound.map_or_else(|| "all".to_owned(), |bound| format!("bound {bound}"));
    let spent = start.elapsed().as_millis();
    println!(
        "{:<18} {size} of them, {bound:<8} {count:>8} interleavings, {spent} ms",
        scenario.name
    );
}

/// A twin fails, and for its own reason.
fn caught(scenario: &Scenario, twin: &str, says: &str) {
    let child = Command::new(env!("CARGO_BIN_EXE_model")).args([scenario.name, twin]).output();
    let child = child.expect("it runs");
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(!child.status.success(), "{} was not caught: {twin}", scenario.name);
    assert!(said.contains(says), "{}, {twin}, was caught otherwise: {said}", scenario.name);
    println!("{:<18} twin {twin:?}: {}", scenario.name, child.status);
}

#[test]
fn a_register_pair_has_no_other_between_its_halves() {
    explored("pairs");
}

#[test]
fn l01_a_completion_that_enters_its_own_queue_is_refused_and_its_work_done() {
    explored("l01");
}

#[test]
fn l02_vectors_that_need_each_other_s_queue_make_progress() {
    explored("l02");
}

#[test]
fn l03_a_timer_is_armed_outside_of_the_queue() {
    explored("l03");
}

#[test]
fn l07_a_timeout_and_a_completion_end_the_command_once() {
    explored("l07");
}

#[test]
fn l08_what_is_posted_while_the_owner_leaves_is_taken() {
    explored("l08");
}

#[test]
fn l09_what_is_posted_between_the_last_look_and_sleep_wakes() {
    explored("l09");
}

#[test]
fn l10_polling_and_interrupts_take_each_entry_once() {
    explored("l10");
}

#[test]
fn l11_one_name_on_several_vectors_is_one_completion() {
    explored("l11");
}

#[test]
fn l12_tables_are_rebuilt_when_every_handler_is_out() {
    explored("l12");
}

#[test]
fn l14_no_doorbell_reaches_a_dead_ring() {
    explored("l14");
}

#[test]
fn l15_after_the_close_no_handler_runs() {
    explored("l15");
}

#[test]
fn l18_a_slow_taker_never_takes_a_place_that_was_given_back_meanwhile() {
    explored("l18");
}

#[test]
fn l19_a_place_is_cleared_before_it_is_free() {
    explored("l19");
}

#[test]
fn l20_each_release_lets_one_waiter_on() {
    explored("l20");
}

#[test]
fn l21_a_late_reply_meets_a_slot_that_rests() {
    explored("l21");
}

#[test]
fn l22_a_vector_that_moves_keeps_its_order() {
    explored("l22");
}

#[test]
fn l23_a_spurious_interrupt_touches_nothing_shared() {
    explored("l23");
}

#[test]
fn l24_one_handler_serves_every_queue_and_sleeps() {
    explored("l24");
}

#[test]
fn l28_the_index_waits_for_the_erase() {
    explored("l28");
}

/// The field report: synchronous dispatch between serial queues.
#[test]
fn the_reported_driver_traps_or_deadlocks_and_ours_does_not() {
    explored("report");
}

/// Everything that has a bound, with one preemption more. Minutes.
#[test]
#[ignore = "long: tests/run --long"]
fn every_bounded_scenario_with_one_preemption_more() {
    for scenario in scenario::all() {
        for (size, bound) in scenario.sizes {
            if let Some(bound) = bound {
                explore(scenario, *size, Some(bound + 1));
            }
        }
    }
}
