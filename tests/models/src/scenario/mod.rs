//! The scenarios, by what they are about.

mod answers;
mod entry;
mod interrupts;
mod lines;
mod registers;
mod resets;
mod rings;

use crate::Scenario;

/// Every scenario.
pub fn all() -> impl Iterator<Item = &'static Scenario> {
    [
        entry::SCENARIOS,
        interrupts::SCENARIOS,
        answers::SCENARIOS,
        lines::SCENARIOS,
        registers::SCENARIOS,
        resets::SCENARIOS,
        rings::SCENARIOS,
        crate::dispatch::SCENARIOS,
    ]
    .into_iter()
    .flatten()
}
