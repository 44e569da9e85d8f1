//! Commands that the controller has accepted and not answered.

use alloc::collections::VecDeque;

use hba_core::dma::Segment;
use hba_core::time::Instant;
use scsi_proto::{Cdb, Direction, Lun, TaskAttribute};

use crate::schedule::Schedule;
use crate::target::Task;
use crate::topology::Topology;

/// One accepted SCSI IO.
#[derive(Clone, Debug)]
pub(crate) struct Accepted<R> {
    /// The request as it was fetched.
    pub(crate) request: R,
    /// How the host names it: the message context, or the SMID.
    pub(crate) id: u32,
    /// The length of the data phase as the host announced it.
    pub(crate) data_len: u32,
    pub(crate) slot: usize,
    pub(crate) lun: Lun,
    pub(crate) cdb: Cdb,
    pub(crate) direction: Direction,
    pub(crate) attribute: TaskAttribute,
    pub(crate) segments: Vec<Segment>,
    /// Not executed before.
    pub(crate) due: Instant,
    /// Offered in this pass and held by the target.
    pub(crate) offered: bool,
}

impl<R> Accepted<R> {
    /// What the target sees of the command.
    pub(crate) fn task(&self) -> Task<'_> {
        Task {
            cdb: &self.cdb,
            lun: self.lun,
            direction: self.direction,
            data_len: self.data_len,
            attribute: self.attribute,
        }
    }
}

/// All accepted commands, in the order of arrival.
#[derive(Clone, Debug)]
pub(crate) struct TaskSet<R> {
    tasks: VecDeque<Accepted<R>>,
    /// How many of them are not SIMPLE: most often none, and the ordering rules need no look.
    ordering: usize,
}

impl<R> Default for TaskSet<R> {
    fn default() -> Self {
        Self { tasks: VecDeque::new(), ordering: 0 }
    }
}

impl<R> TaskSet<R> {
    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn push(&mut self, task: Accepted<R>) {
        self.ordering += usize::from(task.attribute != TaskAttribute::Simple);
        self.tasks.push_back(task);
    }

    /// Takes the task at `index`.
    pub(crate) fn remove(&mut self, index: usize) -> Option<Accepted<R>> {
        let task = self.tasks.remove(index)?;
        self.ordering -= usize::from(task.attribute != TaskAttribute::Simple);
        Some(task)
    }

    /// Puts a task that its target holds back to its place.
    pub(crate) fn put_back(&mut self, index: usize, mut task: Accepted<R>) {
        task.offered = true;
        self.ordering += usize::from(task.attribute != TaskAttribute::Simple);
        self.tasks.insert(index, task);
    }

    /// Whether a task satisfies `wanted`.
    pub(crate) fn any(&self, wanted: impl Fn(&Accepted<R>) -> bool) -> bool {
        self.tasks.iter().any(wanted)
    }

    /// Takes all tasks that satisfy `wanted`, in order.
    pub(crate) fn take(&mut self, wanted: impl Fn(&Accepted<R>) -> bool) -> Vec<Accepted<R>> {
        let all = core::mem::take(&mut self.tasks).into_iter();
        let (taken, kept): (Vec<_>, Vec<_>) = all.partition(|task| wanted(task));
        self.tasks = kept.into();
        let ordering = taken.iter().filter(|task| task.attribute != TaskAttribute::Simple);
        self.ordering -= ordering.count();
        taken
    }

    /// Every task may be offered again.
    pub(crate) fn begin_pass(&mut self) {
        self.tasks.iter_mut().for_each(|task| task.offered = false);
    }

    /// Tasks that were offered in this pass and are held by their targets.
    pub(crate) fn held(&self) -> u32 {
        self.tasks.iter().filter(|task| task.offered).count() as u32
    }

    /// When the next task that is not due at `now` will be.
    pub(crate) fn next_due(&self, now: Instant) -> Option<Instant> {
        self.tasks.iter().map(|task| task.due).filter(|due| *due > now).min()
    }

    /// The index of the task to offer next.
    pub(crate) fn pick(
        &self,
        now: Instant,
        topology: &Topology,
        schedule: &mut Schedule,
    ) -> Option<usize> {
        let ready = |(index, task): &(usize, &Accepted<R>)| {
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

    fn accepted(id: u32, attribute: TaskAttribute) -> Accepted<()> {
        Accepted {
            request: (),
            id,
            data_len: 0,
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
        for (id, attribute) in attributes.iter().enumerate() {
            tasks.push(accepted(id as u32, *attribute));
        }
        let (topology, mut schedule) = (Topology::new(1), Schedule::new(order));
        let mut pick = |tasks: &mut TaskSet<()>| {
            let index = tasks.pick(Instant::ZERO, &topology, &mut schedule)?;
            tasks.remove(index).map(|task| task.id)
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
