//! Many seeds on several threads. Each run is alone in its world, so their order does not matter.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use sim_backend::campaign::{Profile, Tally, Violation};

use super::{Ended, Listener, Log, Stop, execute, plan_of, reduce};
use crate::args::SimArgs;
use crate::controller::ControllerSpec;

/// What is run.
pub(super) struct Campaign<'a> {
    pub(super) controller: ControllerSpec,
    pub(super) profile: Profile,
    pub(super) args: &'a SimArgs,
    pub(super) log: Option<&'a Log>,
}

/// What the threads share.
#[derive(Default)]
struct Shared {
    /// Runs that a thread has taken.
    taken: AtomicU64,
    stop: AtomicBool,
    all: Mutex<Tally>,
    /// The failure with the lowest seed.
    failure: Mutex<Option<(u64, Violation)>>,
    broken: Mutex<Option<String>>,
}

impl Campaign<'_> {
    pub(super) fn run(&self) -> Result<Ended, Stop> {
        let shared = Shared::default();
        let limit = self.args.seconds.map(Duration::from_secs);
        let runs = if limit.is_some() { u64::MAX } else { self.runs() };
        let bar = progress(if limit.is_some() { 0 } else { runs }, "runs");
        let begun = Instant::now();
        thread::scope(|scope| {
            for _ in 0..self.args.jobs.get() {
                scope.spawn(|| self.work(&shared, runs, begun, limit, &bar));
            }
        });
        bar.finish_and_clear();
        if let Some(why) = take(&shared.broken) {
            return Err(Stop::Machine(why));
        }
        let failure = take(&shared.failure);
        let failure = failure.map(|(seed, violation)| {
            reduce(self.controller, &plan_of(self.controller, seed, self.profile), violation)
        });
        let tally = core::mem::take(&mut *lock(&shared.all));
        Ok(Ended { tally, exhausted: None, failure })
    }

    /// Runs of this shard.
    fn runs(&self) -> u64 {
        let (seeds, shard) = (self.args.seeds, self.args.shard);
        let count = seeds.end.saturating_sub(seeds.first);
        let (index, of) = (u64::from(shard.index), u64::from(shard.of));
        count.saturating_sub(index).div_ceil(of)
    }

    /// The seed of this shard's n-th run: a pure function of the shard.
    fn seed(&self, number: u64) -> u64 {
        let shard = self.args.shard;
        let step = number.wrapping_mul(shard.of.into());
        self.args.seeds.first.wrapping_add(shard.index.into()).wrapping_add(step)
    }

    fn work(
        &self,
        shared: &Shared,
        runs: u64,
        begun: Instant,
        limit: Option<Duration>,
        bar: &ProgressBar,
    ) {
        let mut tally = Tally::default();
        while !shared.stop.load(Ordering::Relaxed) && limit.is_none_or(|l| begun.elapsed() < l) {
            let number = shared.taken.fetch_add(1, Ordering::Relaxed);
            if number >= runs {
                break;
            }
            let seed = self.seed(number);
            match self.one(seed, &mut tally) {
                Ok(None) => bar.inc(1),
                Ok(Some(violation)) => {
                    shared.stop.store(true, Ordering::Relaxed);
                    let mut failure = lock(&shared.failure);
                    if failure.as_ref().is_none_or(|(known, _)| seed < *known) {
                        *failure = Some((seed, violation));
                    }
                }
                Err(why) => {
                    shared.stop.store(true, Ordering::Relaxed);
                    *lock(&shared.broken) = Some(format!("seed {seed}: {why}"));
                }
            }
        }
        lock(&shared.all).add(&tally);
    }

    /// One seed; twice where the hashes are to be compared, the second time with the log, or under a flight recorder.
    fn one(&self, seed: u64, tally: &mut Tally) -> Result<Option<Violation>, String> {
        let plan = plan_of(self.controller, seed, self.profile);
        let heard = Listener::of(self.log);
        let (first, second) = match (self.args.twice, self.log) {
            (false, _) => (heard, heard),
            (true, Some(_)) => (Listener::Nobody, heard),
            (true, None) => (Listener::Nobody, Listener::Recorder),
        };
        let outcome = execute(self.controller, &plan, first)?;
        tally.add(&outcome.tally);
        if outcome.violation.is_some() || !self.args.twice {
            return Ok(outcome.violation);
        }
        let again = execute(self.controller, &plan, second)?;
        Ok(outcome.agrees_with(&again).err())
    }
}

/// A bar that only a person sees.
pub(super) fn progress(total: u64, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(total);
    let style = ProgressStyle::with_template("{elapsed_precise} {wide_bar} {pos}/{len} {msg}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take<T>(mutex: &Mutex<Option<T>>) -> Option<T> {
    lock(mutex).take()
}
