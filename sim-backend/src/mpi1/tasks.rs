//! Commands that the controller has accepted and not answered.

use hba_core::dma::Segment;
use hba_core::time::Instant;
use scsi_proto::{Cdb, Direction, Lun, TaskAttribute};

use super::layout::ScsiIoRequest;
use crate::schedule::Schedule;
use crate::target::Task;
use crate::topology::Topology;

/// One accepted SCSI IO.
#[derive(Clone, Debug)]
pub(super) struct Accepted {
    /// The request as it was fetched.
    pub(super) request: ScsiIoRequest,
    pub(super) slot: usize,
    pub(super) lun: Lun,
    pub(super) cdb: Cdb,
    pub(super) direction: Direction,
    pub(super) attribute: TaskAttribute,
    pub(super) segments: Vec<Segment>,
    /// Not executed before.
    pub(super) due: Instant,
    /// Offered in this pass and held by the target.
    pub(super) offered: bool,
}

impl Accepted {
    /// What the target sees of the command.
    pub(super) fn task(&self) -> Task<'_> {
        Task {
            cdb: &self.cdb,
            lun: self.lun,
            direction: self.direction,
            data_len: self.request.data_length.get(),
            attribute: self.attribute,
        }
    }

    pub(super) const fn context(&self) -> u32 {
        self.request.msg_context.get()
    }
}

/// All accepted commands, in the order of arrival.
#[derive(Clone, Debug, Default)]
pub(super) struct TaskSet {
    tasks: Vec<Accepted>,
    /// How many of them are not SIMPLE: most often none, and the ordering rules need no look.
    ordering: usize,
}

impl TaskSet {
    pub(super) const fn len(&self) -> usize {
        self.tasks.len()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn push(&mut self, task: Accepted) {
        self.ordering += usize::from(task.attribute != TaskAttribute::Simple);
        self.tasks.push(task);
    }

    /// Takes the task at `index`, which must exist.
    pub(super) fn remove(&mut self, index: usize) -> Accepted {
        let task = self.tasks.remove(index);
        self.ordering -= usize::from(task.attribute != TaskAttribute::Simple);
        task
    }

    /// Puts a task that its target holds back to its place.
    pub(super) fn put_back(&mut self, index: usize, mut task: Accepted) {
        task.offered = true;
        self.ordering += usize::from(task.attribute != TaskAttribute::Simple);
        self.tasks.insert(index, task);
    }

    /// Whether a task satisfies `wanted`.
    pub(super) fn any(&self, wanted: impl Fn(&Accepted) -> bool) -> bool {
        self.tasks.iter().any(wanted)
    }

    /// Takes all tasks that satisfy `wanted`, in order.
    pub(super) fn take(&mut self, wanted: impl Fn(&Accepted) -> bool) -> Vec<Accepted> {
        let taken = self.tasks.extract_if(.., |task| wanted(task)).collect::<Vec<_>>();
        let ordering = taken.iter().filter(|task| task.attribute != TaskAttribute::Simple);
        self.ordering -= ordering.count();
        taken
    }

    /// Every task may be offered again.
    pub(super) fn begin_pass(&mut self) {
        self.tasks.iter_mut().for_each(|task| task.offered = false);
    }

    /// When the next task that is not due at `now` will be.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        self.tasks.iter().map(|task| task.due).filter(|due| *due > now).min()
    }

    /// The index of the task to offer next.
    pub(super) fn pick(
        &self,
        now: Instant,
        topology: &Topology,
        schedule: &mut Schedule,
    ) -> Option<usize> {
        let ready = |(index, task): &(usize, &Accepted)| {
            let free = !task.offered && task.due <= now && !topology.is_held(task.slot);
            free && !self.is_blocked(*index)
        };
        let mut candidates = self.tasks.iter().enumerate().filter(ready);
        if schedule.is_fifo() {
            return candidates.next().map(|(index, _)| index);
        }
        let candidates = candidates.map(|(index, _)| index).collect::<Vec<_>>();
        if candidates.is_empty() {
            return None;
        }
        candidates.get(schedule.pick(candidates.len())).copied()
    }

    /// Whether an older task of the same logical unit must end first. Source: SAM-5 8.9.
    fn is_blocked(&self, index: usize) -> bool {
        let Some(task) = self.tasks.get(index).filter(|_| self.ordering != 0) else {
            return false;
        };
        if task.attribute == TaskAttribute::HeadOfQueue {
            return false;
        }
        let all = task.attribute == TaskAttribute::Ordered;
        let peers =
            self.tasks.iter().enumerate().filter(|(i, other)| {
                *i != index && other.slot == task.slot && other.lun == task.lun
            });
        peers.into_iter().any(|(i, other)| {
            other.attribute == TaskAttribute::HeadOfQueue
                || i < index && (all || other.attribute == TaskAttribute::Ordered)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::CompletionOrder;
    use zerocopy::FromZeros;

    fn accepted(context: u32, attribute: TaskAttribute) -> Accepted {
        let mut request = ScsiIoRequest::new_zeroed();
        request.msg_context.set(context);
        Accepted {
            request,
            slot: 0,
            lun: Lun::ZERO,
            cdb: Cdb::from_array([0; 6]),
            direction: Direction::None,
            attribute,
            segments: Vec::new(),
            due: Instant::ZERO,
            offered: false,
        }
    }

    fn order(attributes: &[TaskAttribute], order: CompletionOrder) -> Vec<u32> {
        let mut tasks = TaskSet::default();
        for (context, attribute) in attributes.iter().enumerate() {
            tasks.push(accepted(context as u32, *attribute));
        }
        let (topology, mut schedule) = (Topology::new(1), Schedule::new(order));
        let mut pick = |tasks: &mut TaskSet| {
            let index = tasks.pick(Instant::ZERO, &topology, &mut schedule)?;
            Some(tasks.remove(index).context())
        };
        core::iter::from_fn(|| pick(&mut tasks)).collect()
    }

    #[test]
    fn attributes_hold_in_every_order() {
        use TaskAttribute::{HeadOfQueue, Ordered, Simple};
        assert_eq!(order(&[Simple; 4], CompletionOrder::Fifo), [0, 1, 2, 3]);
        let attributes = [Simple, Simple, Ordered, Simple, Simple, HeadOfQueue];
        let mut seen_reordered = false;
        for seed in 0..20 {
            let order = order(&attributes, CompletionOrder::Seeded(seed));
            assert_eq!(order[0], 5, "head of queue goes first: {order:?}");
            assert_eq!(order[3], 2, "nothing overtakes an ordered command: {order:?}");
            seen_reordered |= order[1] == 1;
        }
        assert!(seen_reordered);
    }
}
