//! The types that threads share, under model checkers: every scenario in which threads meet, and its buggy twins.
//!
//! Built with `--cfg loom` (every interleaving) or `--cfg shuttle` (random ones, of more threads); `tests/run --only loom`
//! and `--only shuttle` do it. What runs is what ships: `hba_core::sync`, with `IoQueue` and `Control` inside where a scenario
//! is about them. `docs/concurrency.md` tells of each scenario.

#![cfg(any(loom, shuttle))]

pub mod checker;
pub mod dispatch;
#[cfg(shuttle)]
pub mod facade;
pub mod machine;
pub mod rig;
pub mod scenario;

#[cfg(loom)]
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// A scenario: a function that is run once for each order of events.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// As in the table, with what is different where one has several models.
    pub name: &'static str,
    /// Number of vectors (or of whatever meets), and most preemptions in one interleaving; `None`: as many as there are.
    pub sizes: &'static [(usize, Option<usize>)],
    pub run: fn(usize, &str),
    pub twins: &'static [Twin],
}

/// The same with a bug in it.
#[derive(Clone, Copy, Debug)]
pub struct Twin {
    pub name: &'static str,
    /// Whose bug it is.
    pub bug: Bug,
    /// What the checker says when it has found it.
    pub says: &'static str,
}

/// Where a twin's bug is.
#[derive(Clone, Copy, Debug)]
pub enum Bug {
    /// In the scenario, which is told the name of the twin.
    User,
    /// In a shipped type.
    Shipped(hba_core::sync::Planted),
}

impl Scenario {
    /// Explores one size under loom, and returns how many interleavings that were.
    #[cfg(loom)]
    pub fn explore(&self, vectors: usize, bound: Option<usize>, twin: &'static str) -> usize {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = bound;
        builder.max_branches = 20_000;
        let (count, run) = (Arc::new(AtomicUsize::new(0)), self.run);
        let counter = Arc::clone(&count);
        builder.check(move || {
            counter.fetch_add(1, Ordering::Relaxed);
            run(vectors, twin);
        });
        count.load(Ordering::Relaxed)
    }

    /// Plants a twin's bug; only a process of its own is good for that.
    pub fn plant(&self, name: &str) -> Option<&'static Twin> {
        let twin = self.twins.iter().find(|twin| twin.name == name)?;
        if let Bug::Shipped(planted) = twin.bug {
            hba_core::sync::plant(planted);
        }
        Some(twin)
    }
}

/// The scenario of a name.
pub fn find(name: &str) -> Option<&'static Scenario> {
    scenario::all().find(|scenario| scenario.name == name)
}
