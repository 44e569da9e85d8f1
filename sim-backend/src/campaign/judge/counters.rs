//! What the queues count, against what the caller counts.

use hba_core::adapter::Adapter;
use hba_core::port::ControlPort;

use super::Data;
use crate::campaign::oracle::{Oracle, Violation, require};

/// Replies so far that ended no command, on all vectors.
#[derive(Default)]
pub(super) struct Counters {
    malformed: u64,
    /// Dropped because their command had ended.
    stale: u64,
}

impl Counters {
    /// Tags and frames add up. `true` where a stale reply was dropped since the last time.
    pub(super) fn check<P: ControlPort>(
        &mut self,
        adapter: &Adapter<P, Data>,
        caller: usize,
        troubled: bool,
    ) -> Result<bool, Violation> {
        let core = adapter.outstanding();
        require(core == caller, Oracle::Tags, || {
            format!("{core} commands are outstanding for the core, {caller} for the caller")
        })?;
        let mut now = Self::default();
        for queue in adapter.queues() {
            let counters = queue.counters();
            let ended = counters.completed + u64::from(queue.outstanding());
            require(counters.submitted == ended, Oracle::Tags, || format!("{counters}"))?;
            now.malformed += counters.malformed;
            now.stale += counters.stale;
        }
        let before = core::mem::replace(self, now);
        let malformed = self.malformed - before.malformed;
        require(malformed == 0 || troubled, Oracle::ReplyFrames, || {
            format!("{malformed} malformed replies of a sound controller")
        })?;
        Ok(before.stale < self.stale)
    }
}
