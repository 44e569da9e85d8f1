//! Which targets are there, and what a bring-up changed.

use alloc::vec::Vec;

use super::ControlEvent;
use crate::name::TargetId;
use crate::port::TargetInfo;

/// The known targets, by address.
#[derive(Debug, Default)]
pub(super) struct Targets {
    known: Vec<TargetInfo>,
    /// Those that the bring-up at hand has reported, in order.
    seen: Vec<TargetId>,
}

impl Targets {
    pub(super) fn as_slice(&self) -> &[TargetInfo] {
        &self.known
    }

    /// The controller starts over: until it reports them again, it is open which targets are left.
    pub(super) fn begin_survey(&mut self) {
        self.seen.clear();
    }

    /// A target is there; what that changes.
    pub(super) fn arrive(&mut self, target: TargetInfo) -> Option<ControlEvent> {
        if let Err(at) = self.seen.binary_search(&target.id) {
            self.seen.insert(at, target.id);
        }
        match self.known.binary_search_by_key(&target.id, |known| known.id) {
            Ok(at) if self.known[at] == target => None,
            Ok(at) => {
                self.known[at] = target;
                Some(ControlEvent::TargetChanged(target))
            }
            Err(at) => {
                self.known.insert(at, target);
                Some(ControlEvent::TargetArrived(target))
            }
        }
    }

    /// A target is not there any more.
    pub(super) fn depart(&mut self, id: TargetId) {
        self.known.retain(|known| known.id != id);
    }

    /// The bring-up is over: one of the targets that it did not report again; call until there is none.
    pub(super) fn end_survey(&mut self) -> Option<TargetId> {
        let lost = |known: &&TargetInfo| self.seen.binary_search(&known.id).is_err();
        let id = self.known.iter().find(lost)?.id;
        self.depart(id);
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(id: u16, port_name: u64) -> TargetInfo {
        TargetInfo::device(TargetId::new(id), port_name)
    }

    #[test]
    fn a_survey_tells_what_came_what_changed_and_what_is_gone() {
        let mut targets = Targets::default();
        for id in [3, 1, 2] {
            let new = target(id, 10);
            assert_eq!(targets.arrive(new), Some(ControlEvent::TargetArrived(new)));
        }
        assert_eq!(targets.end_survey(), None);
        targets.begin_survey();
        assert_eq!(targets.arrive(target(1, 10)), None);
        let other = target(3, 11);
        assert_eq!(targets.arrive(other), Some(ControlEvent::TargetChanged(other)));
        assert_eq!(targets.end_survey(), Some(TargetId::new(2)));
        assert_eq!(targets.end_survey(), None);
        assert_eq!(targets.as_slice(), [target(1, 10), other]);
    }
}
