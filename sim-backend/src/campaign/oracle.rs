//! The invariants, by number and name.

use core::fmt;

use super::plan::named;

named! {
    /// What has to hold in every run, at every moment.
    Oracle {
        /// Every accepted command completes exactly once.
        ExactlyOnce = "O1",
        /// A refused submit has no effect and never completes.
        Refused = "O2",
        /// A completion carries the identity of the command that was submitted, and its memory.
        Identity = "O3",
        /// No success before the device executed that very command.
        NoEarlySuccess = "O4",
        /// After its completion the device does not touch a command's memory.
        NoLateAccess = "O5",
        /// Free, outstanding and quarantined tags add up.
        Tags = "O6",
        /// A read gives an admissible version of each block.
        ReadData = "O7",
        /// A write that is done is seen by later reads.
        Visible = "O8",
        /// What a flush covered survives.
        DurableFloor = "O9",
        /// A durable block never reverts.
        NoRevert = "O10",
        /// After a failed flush no later one succeeds until the failure was acknowledged.
        StickyFlush = "O11",
        /// After a possible cache loss the first flush of the old epoch does not succeed.
        CacheLoss = "O12",
        /// A write with FUA that is done is durable.
        FuaDurable = "O13",
        /// Ordered commands are executed in order.
        Order = "O14",
        /// Data of a write that is not done never appears.
        NotDone = "O15",
        /// Residual and sense data stay in their bounds.
        Residual = "O16",
        /// With faults healed everything ends in time, and a new command works.
        BoundedRecovery = "O17",
        /// A call handles at most its budget, and time moves on.
        BoundedWork = "O18",
        /// Memory is bounded and comes home.
        BoundedMemory = "O19",
        /// A sick disk does not delay the others.
        Isolation = "O20",
        /// Nobody starves while others progress.
        Starvation = "O21",
        /// Nothing from before a reset is believed after it.
        Epochs = "O22",
        /// Reply frames are owned by exactly one side.
        ReplyFrames = "O23",
        /// Nothing is handed to the device after quiesce, no register is touched after the end.
        Silence = "O24",
        /// The first cause of a failure is kept.
        FirstCause = "O25",
        /// Equal plans give equal runs.
        Determinism = "O26",
        /// Without faults core and model agree on every completion.
        Differential = "O27",
        /// Every order of teardown ends in the same state.
        Teardown = "O28",
        /// A jump of the clock completes no command twice or never.
        Time = "O29",
        /// Without work the device is left alone.
        Quiet = "O30",
    }
}

/// An invariant did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub oracle: Oracle,
    /// How it was seen.
    pub what: String,
    /// On which unit, counted over all disks, where it is one's.
    pub unit: Option<u32>,
}

impl Violation {
    pub(super) fn new(oracle: Oracle, what: impl Into<String>) -> Self {
        Self { oracle, what: what.into(), unit: None }
    }

    pub(super) fn on(self, unit: u32) -> Self {
        Self { unit: Some(unit), ..self }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.oracle, self.what)
    }
}

/// What a check says.
pub type Verdict = Result<(), Violation>;

/// Fails with `oracle` unless `holds`.
pub(super) fn require(holds: bool, oracle: Oracle, what: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(Violation::new(oracle, what())) }
}
