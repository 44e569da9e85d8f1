//! Unit attention conditions that wait for a command to report them.

use hba_core::sabotage::{Sabotage, is_planted};
use scsi_proto::AdditionalSense;

use super::condition::Condition;

/// The pending unit attentions of one logical unit, in the order of their reports.
///
/// There is one I_T nexus, because a simulated disk has one initiator. Source: SAM-5 5.14.
#[derive(Debug, Default)]
pub(super) struct UnitAttentions {
    pending: Vec<Condition>,
}

impl UnitAttentions {
    #[inline]
    pub(super) const fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Adds a condition.
    ///
    /// A reset condition (29h) replaces everything that it makes obsolete, except that power on is
    /// never hidden by a lesser reset: it is the only trace of a lost cache. Source: SAM-5 5.14.
    pub(super) fn raise(&mut self, condition: Condition) {
        if condition == Condition::POWER_ON_OCCURRED && is_planted(Sabotage::AttentionSwallowed) {
            return;
        }
        if condition.additional.asc == RESET_ASC {
            let power_on = self.pending.contains(&Condition::POWER_ON_OCCURRED);
            self.pending.clear();
            self.pending.push(if power_on { Condition::POWER_ON_OCCURRED } else { condition });
        } else if !self.pending.contains(&condition) {
            self.pending.push(condition);
        }
    }

    /// Removes the condition that is reported next.
    pub(super) fn take(&mut self) -> Option<Condition> {
        if self.pending.is_empty() { None } else { Some(self.pending.remove(0)) }
    }
}

/// ASC 29h: power on, reset, or bus device reset occurred, in all its forms.
const RESET_ASC: u8 = AdditionalSense::POWER_ON_RESET_OR_BUS_DEVICE_RESET_OCCURRED.asc;

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(mut attentions: UnitAttentions) -> Vec<Condition> {
        core::iter::from_fn(|| attentions.take()).collect()
    }

    #[test]
    fn a_reset_replaces_what_came_before() {
        let mut attentions = UnitAttentions::default();
        attentions.raise(Condition::MODE_PARAMETERS_CHANGED);
        attentions.raise(Condition::BUS_DEVICE_RESET_FUNCTION_OCCURRED);
        attentions.raise(Condition::MODE_PARAMETERS_CHANGED);
        attentions.raise(Condition::MODE_PARAMETERS_CHANGED);
        let expected =
            [Condition::BUS_DEVICE_RESET_FUNCTION_OCCURRED, Condition::MODE_PARAMETERS_CHANGED];
        assert_eq!(drain(attentions), expected);
    }

    #[test]
    fn a_reset_never_hides_power_on() {
        let mut attentions = UnitAttentions::default();
        attentions.raise(Condition::POWER_ON_OCCURRED);
        attentions.raise(Condition::BUS_DEVICE_RESET_FUNCTION_OCCURRED);
        attentions.raise(Condition::I_T_NEXUS_LOSS_OCCURRED);
        assert_eq!(drain(attentions), [Condition::POWER_ON_OCCURRED]);
    }
}
