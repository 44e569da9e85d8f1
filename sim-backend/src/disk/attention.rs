//! Unit attention conditions that wait for a command to report them.

use hba_core::sabotage::{Sabotage, is_planted};
use scsi_proto::AdditionalSense;

use super::condition::Condition;

/// One port of a disk, and with one initiator on each: the I_T nexus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortIndex(pub u8);

/// The pending unit attentions of one logical unit, in the order of their reports; those of each I_T nexus are its own.
/// Source: SAM-5 5.14.
#[derive(Debug)]
pub(super) struct UnitAttentions {
    pending: Vec<(PortIndex, Condition)>,
    ports: u8,
}

impl UnitAttentions {
    /// For a disk with so many ports.
    pub(super) const fn new(ports: u8) -> Self {
        Self { pending: Vec::new(), ports }
    }

    /// Whether there is none for any nexus.
    #[inline]
    pub(super) const fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Adds a condition for every nexus.
    pub(super) fn raise(&mut self, condition: Condition) {
        (0..self.ports).for_each(|port| self.raise_for(PortIndex(port), condition));
    }

    /// Adds a condition for every nexus but the one whose command it came from.
    pub(super) fn raise_for_others(&mut self, own: PortIndex, condition: Condition) {
        let others = (0..self.ports).map(PortIndex).filter(|port| *port != own);
        others.for_each(|port| self.raise_for(port, condition));
    }

    /// Adds a condition for one nexus.
    ///
    /// A reset condition (29h) replaces everything that it makes obsolete, except that power on is
    /// never hidden by a lesser reset: it is the only trace of a lost cache. Source: SAM-5 5.14.
    pub(super) fn raise_for(&mut self, port: PortIndex, condition: Condition) {
        if condition == Condition::POWER_ON_OCCURRED && is_planted(Sabotage::AttentionSwallowed) {
            return;
        }
        let has = |wanted| self.pending.contains(&(port, wanted));
        if condition.additional.asc == RESET_ASC {
            let power_on = has(Condition::POWER_ON_OCCURRED);
            self.pending.retain(|(of, _)| *of != port);
            let condition = if power_on { Condition::POWER_ON_OCCURRED } else { condition };
            self.pending.push((port, condition));
        } else if !has(condition) {
            self.pending.push((port, condition));
        }
    }

    /// Removes the condition that is reported next on `port`.
    pub(super) fn take(&mut self, port: PortIndex) -> Option<Condition> {
        let at = self.pending.iter().position(|(of, _)| *of == port)?;
        Some(self.pending.remove(at).1)
    }
}

/// ASC 29h: power on, reset, or bus device reset occurred, in all its forms.
const RESET_ASC: u8 = AdditionalSense::POWER_ON_RESET_OR_BUS_DEVICE_RESET_OCCURRED.asc;

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(mut attentions: UnitAttentions) -> Vec<Condition> {
        core::iter::from_fn(|| attentions.take(PortIndex(0))).collect()
    }

    #[test]
    fn a_reset_replaces_what_came_before() {
        let mut attentions = UnitAttentions::new(1);
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
        let mut attentions = UnitAttentions::new(1);
        attentions.raise(Condition::POWER_ON_OCCURRED);
        attentions.raise(Condition::BUS_DEVICE_RESET_FUNCTION_OCCURRED);
        attentions.raise(Condition::I_T_NEXUS_LOSS_OCCURRED);
        assert_eq!(drain(attentions), [Condition::POWER_ON_OCCURRED]);
    }
}
