//! What a run did: figures that only mean something together.

use core::time::Duration;

use super::plan::{Entry, Fault, Kind, Site};

/// How often each fault struck while each kind of command was outstanding.
pub type Census = [[u64; Kind::ALL.len() + 1]; Fault::ALL.len()];

/// Counts of one run, or of many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Runs.
    pub runs: u64,
    /// Virtual time.
    pub virtual_time: Duration,
    /// Commands that completed.
    pub commands: u64,
    /// Faults that were injected.
    pub faults: u64,
    /// Of them, power cuts.
    pub power_cuts: u64,
    /// Most blocks that a power cut found in the caches of all units.
    pub cached_at_cut: u64,
    /// Disks that the audit names: they broke their promise about flushes or FUA.
    pub liars: u64,
    /// The trace hashes of all runs, in a way that their order does not matter.
    pub hash: u64,
    /// Faults by kind of the oldest command outstanding; the last column: none was.
    pub census: Census,
    /// Faults by site.
    pub sites: [u64; Site::ALL.len()],
    /// How often each interesting state was reached.
    pub sometimes: [u64; Sometimes::ALL.len()],
}

super::plan::named! {
    /// States that a campaign has to reach now and then.
    Sometimes {
        /// An abort was under way and the command completed.
        AbortRacesCompletion = "abort races a completion",
        /// A command was aborted by a task management function.
        Aborted = "a command ends as aborted",
        /// A logical unit reset was needed.
        UnitReset = "logical unit reset",
        /// A target reset was needed.
        TargetReset = "target reset",
        /// The controller was reset.
        ControllerReset = "controller reset",
        /// The controller was given up.
        GivenUp = "controller given up",
        /// A power cut met data that were not flushed.
        DirtyCut = "power cut with dirty cache",
        /// A power cut met a flush under way.
        CutDuringFlush = "power cut during a flush",
        /// A power cut came after a flush was executed and before its completion was taken.
        CutAfterFlush = "power cut between a flush and its completion",
        /// A flush covered nothing.
        EmptyFlush = "flush covers nothing",
        /// A flush failed.
        FailedFlush = "flush fails",
        /// A flush told the truth: it may not succeed.
        FlushTold = "typed flush tells of a loss",
        /// A typed flush succeeded.
        FlushKept = "typed flush succeeds",
        /// The caller acknowledged a loss.
        Acknowledged = "loss acknowledged",
        /// A unit attention arrived while recovery was at work.
        AttentionInRecovery = "unit attention during recovery",
        /// A deferred error was reported.
        Deferred = "deferred error",
        /// Two writes of the same block were outstanding at a power cut.
        OverlapAtCut = "overlapping writes at a cut",
        /// Every tag was out.
        QueueFull = "queue full",
        /// A stale or foreign reply was dropped.
        Stale = "stale reply dropped",
        /// A write ended and nobody knows whether it took effect.
        Indeterminate = "indeterminate write",
        /// A write was proved undone.
        NotDone = "write not done",
        /// A read gave fewer blocks than asked for.
        Short = "short transfer",
        /// The adapter was shut down or removed with commands outstanding.
        BusyEnd = "end with commands outstanding",
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            runs: 0,
            virtual_time: Duration::ZERO,
            commands: 0,
            faults: 0,
            power_cuts: 0,
            cached_at_cut: 0,
            liars: 0,
            hash: 0,
            census: [[0; Kind::ALL.len() + 1]; Fault::ALL.len()],
            sites: [0; Site::ALL.len()],
            sometimes: [0; Sometimes::ALL.len()],
        }
    }
}

impl Tally {
    /// Adds what another run did.
    pub fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.virtual_time += other.virtual_time;
        self.commands += other.commands;
        self.faults += other.faults;
        self.power_cuts += other.power_cuts;
        self.cached_at_cut = self.cached_at_cut.max(other.cached_at_cut);
        self.liars += other.liars;
        self.hash = self.hash.wrapping_add(other.hash);
        let rows = self.census.iter_mut().flatten().zip(other.census.iter().flatten());
        let sites = self.sites.iter_mut().zip(&other.sites);
        let states = self.sometimes.iter_mut().zip(&other.sometimes);
        rows.chain(sites).chain(states).for_each(|(to, from)| *to += from);
    }

    /// A fault strikes while a command of this kind is the oldest outstanding.
    pub(super) fn injected(&mut self, entry: &Entry, oldest: Option<Kind>) {
        self.faults += 1;
        self.power_cuts += u64::from(entry.fault.is_power_cut());
        self.sites[entry.site as usize] += 1;
        let column = oldest.map_or(Kind::ALL.len(), |kind| kind as usize);
        self.census[entry.fault as usize][column] += 1;
    }

    /// Notes an interesting state.
    pub(super) fn saw(&mut self, state: Sometimes) {
        self.sometimes[state as usize] += 1;
    }

    /// How often a state was reached.
    #[must_use]
    pub const fn reached(&self, state: Sometimes) -> u64 {
        self.sometimes[state as usize]
    }
}

/// A hash of everything that happened, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace(u64);

impl Trace {
    /// Of a run with this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    /// Adds a number.
    #[inline]
    pub const fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0xd6e8_feb8_6659_fd93);
        self.0 ^= self.0 >> 32;
    }

    /// The hash.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }
}
