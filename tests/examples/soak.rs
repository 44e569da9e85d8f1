//! Soaks the core in threads: `soak SECONDS [SEED]`. Exit 0 when every counter came back to zero, 101 when one did not.

use core::time::Duration;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Instant;

use hba_tests::soak::{Soak, Tally};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().and_then(|text| text.parse().ok());
    let seed = arguments.next().map_or(Some(1), |text| text.parse().ok());
    let (Some(seconds), Some(seed)) = (seconds, seed) else {
        eprintln!("usage: soak SECONDS [SEED]");
        return ExitCode::from(2);
    };
    end_with_the_first_panic();
    let (start, length) = (Instant::now(), Duration::from_secs(seconds));
    let mut total = Tally::default();
    while start.elapsed() < length {
        let left = length - start.elapsed();
        let round = Soak::default().round.min(left);
        let soak = Soak { seed: seed + total.rounds, round, ..Soak::default() };
        total += if total.rounds.is_multiple_of(2) { soak.round() } else { soak.facade_round() };
        if std::io::stderr().is_terminal() {
            let (done, ended) = (start.elapsed().as_secs(), total.good + total.failed);
            eprint!("\r{done} of {seconds} s, {ended} commands, {} resets ", total.resets);
        }
    }
    print!("after {} s\n{total}", start.elapsed().as_secs());
    ExitCode::SUCCESS
}

/// The other threads of a round would wait for one that panicked.
fn end_with_the_first_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        report(info);
        std::process::exit(101);
    }));
}
