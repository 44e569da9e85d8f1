//! Bugs on purpose, to see whether a campaign finds them.
//!
//! Each takes away a step that its scenario is about: the name begins with the scenario's number. One at a time is planted,
//! for the whole process. Without the feature `sabotage` there is none, and every place that asks for one compiles to nothing.

macro_rules! bugs {
    ($($variant:ident = $name:literal, $what:literal;)+) => {
        /// A bug of the core, a backend or a simulated disk.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Sabotage {
            $(#[doc = $what] $variant,)+
        }

        #[cfg(feature = "sabotage")]
        impl Sabotage {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name, which begins with the scenario.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// What is wrong.
            pub const fn what(self) -> &'static str {
                match self {
                    $(Self::$variant => $what,)+
                }
            }

            /// The bug of this name.
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|bug| bug.name() == name)
            }
        }
    };
}

bugs! {
    OldGenerationBelieved = "f032-old-generation", "a reply of an earlier use of a slot ends the command that has it now";
    GenerationStandsStill = "b25-generation-stands-still", "a slot keeps its generation: a second reply ends the next command";
    MixedSlot = "l19-mixed-slot", "the caller's name is read from the slot that is freed next, not from the one that ended";
    TagLost = "f082-tag-lost", "a slot whose command ended while its ticket was out is never freed";
    DeadlineForgotten = "f046-deadline-forgotten", "after one deadline passed no later one is armed";
    DeadlineEndsCommands = "f100-deadline-ends-commands", "memory goes home at the deadline, not when the device is done with it";
    ShortIsWhole = "f062-short-is-whole", "fewer bytes than asked for are reported as all of them";
    CheckIsGood = "f060-check-condition-is-good", "CHECK CONDITION is reported as GOOD";
    BusyIsGood = "f109-busy-is-good", "BUSY and TASK SET FULL are reported as GOOD";
    DeferredIgnored = "f113-deferred-error-ignored", "a deferred error is taken for the command's own";
    PowerLossIgnored = "p06-power-loss-ignored", "6/29/01 is taken for a reset that keeps the cache";
    FlushFailureForgotten = "p04-flush-failure-forgotten", "a failed flush is told once, and the next one succeeds";
    FlushTimeoutIsGood = "p05-flush-timeout-is-good", "a flush that ended without a status counts as done";
    EpochStandsStill = "p14-epoch-stands-still", "the queues are not told of the epoch that a flush begins";
    TouchesGone = "b30-register-after-removal", "registers are looked at after the controller left";
    MoreForEver = "b17-more-for-ever", "a pass always says that more is pending";
    LadderWaits = "f106-ladder-waits-forever", "a function that is not answered has no deadline";
    ResetForgets = "f108-reset-forgets-commands", "a reset ends no command";
    RingKept = "l12-ring-kept-over-reset", "the reply path is not set up again after a reset";
    CountIgnored = "f063-count-ignored", "the transfer count of a reply is not looked at (sim:sas1068)";
    TerminatedIsDone = "f067-terminated-is-done", "IOC status TERMINATED counts as done (sim:sas1068)";
    AttributeDropped = "b19-attribute-dropped", "ORDERED is sent as SIMPLE";
    ListTruncated = "b10-list-truncated", "the second segment of a list and those behind it are left out";
    FlushNotDone = "p10-flush-not-done", "a disk answers a flush without doing it, and does not count it";
    FuaIgnored = "p09-fua-ignored", "a disk caches a write with FUA, and does not count it";
    TornBlock = "p12-torn-block", "a power cut tears a block in two";
    Misdirected = "p13-misdirected-write", "now and then a block is written to the place of its neighbour";
    ResetDropsCache = "p07-reset-drops-cache", "a reset of the logical unit loses what it cached";
    StaleRead = "b26-stale-read", "reads come from the medium although the cache has newer data";
    OldOnTop = "p01-old-data-on-top", "older cached data is written back over a write with FUA";
    AttentionSwallowed = "f111-attention-swallowed", "a disk does not tell that power was lost";
    WriteErrorSwallowed = "f114-write-error-swallowed", "a write-back fails and nobody is told";
    CacheForgets = "p16-non-volatile-cache-forgets", "a cache that is said to survive power loss does not";
}

/// Plants a bug until another, or none, is planted.
#[cfg(feature = "sabotage")]
pub fn plant(bug: Option<Sabotage>) {
    PLANTED.set(bug.map(|bug| bug as u32));
}

/// Whether this bug is planted.
#[cfg(feature = "sabotage")]
#[inline]
pub fn is_planted(bug: Sabotage) -> bool {
    PLANTED.is(bug as u32)
}

/// Whether this bug is planted: never.
#[cfg(not(feature = "sabotage"))]
#[inline(always)]
pub const fn is_planted(_: Sabotage) -> bool {
    false
}

#[cfg(feature = "sabotage")]
static PLANTED: crate::sync::Switch = crate::sync::Switch::new();

#[cfg(all(test, feature = "sabotage"))]
mod tests {
    use super::*;

    #[test]
    fn one_bug_at_a_time_and_each_has_a_name() {
        for bug in Sabotage::ALL {
            assert_eq!(Sabotage::named(bug.name()), Some(*bug));
            assert!(!is_planted(*bug), "{}", bug.name());
        }
        assert!(Sabotage::ALL.len() >= 25);
        assert_eq!(Sabotage::named("f000-none"), None);
    }
}
