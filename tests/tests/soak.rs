//! A short soak with every check that the long one has; `tests/run --soak SECONDS` runs the long one.

use core::time::Duration;

use hba_tests::soak::Soak;

#[test]
fn counters_that_must_return_to_zero_do() {
    let tally = Soak { round: Duration::from_millis(400), ..Soak::default() }.round();
    assert!(tally.good > 0 && tally.interrupts > 0, "{tally}");
}

#[test]
fn one_vector_and_many_hands_are_enough() {
    let soak =
        Soak { vectors: 1, submitters: 4, round: Duration::from_millis(200), ..Soak::default() };
    assert!(soak.round().good > 0);
}

#[test]
fn so_does_everything_behind_the_async_facade() {
    let tally = Soak { round: Duration::from_millis(400), ..Soak::default() }.facade_round();
    assert!(tally.good > 0 && tally.dropped_futures > 0, "{tally}");
}
