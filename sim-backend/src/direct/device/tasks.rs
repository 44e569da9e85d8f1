//! From a doorbell to an executed command.

use hba_core::dma::{BusAddr, Segment};
use hba_core::time::Instant;
use scsi_proto::{Direction, TaskAttribute};

use super::DirectController;
use super::faults::FaultCode;
use crate::direct::layout::{
    ELEMENT_LEN, Ending, HEAD_LEN, HEAD_WORDS, Head, INLINE_ELEMENTS, REQUEST_LEN, element_of,
};
use crate::memory::DmaFault;
use crate::scattered::Scattered;
use crate::schedule::Schedule;
use crate::target::{Execution, Task};
use crate::topology::Topology;

/// One command that was fetched and not answered.
#[derive(Clone, Debug)]
pub(super) struct Accepted {
    pub(super) vector: u8,
    pub(super) head: Head,
    elements: Vec<Segment>,
    /// Not executed before.
    due: Instant,
    /// Offered in this pass and held by the target.
    offered: bool,
}

impl Accepted {
    pub(super) const fn slot(&self) -> usize {
        self.head.target as usize
    }

    fn task(&self) -> Task<'_> {
        let Head { lun, direction, length, attribute, .. } = self.head;
        Task { cdb: &self.head.cdb, lun, direction, data_len: length, attribute }
    }

    fn shares_unit(&self, other: &Self) -> bool {
        self.head.target == other.head.target && self.head.lun == other.head.lun
    }
}

impl DirectController {
    /// Fetches one request; `false` when no doorbell waits.
    pub(super) fn fetch(&mut self) -> bool {
        let mut queues = self.queues.iter_mut().zip(0..);
        let Some((vector, slot, at)) = queues.find_map(|(queue, vector)| {
            let slot = queue.take_doorbell()?;
            Some((vector, slot, queue.request_at(slot)))
        }) else {
            return false;
        };
        if self.tasks.0.iter().any(|t| t.vector == vector && t.head.name.tag.0 == slot) {
            self.fail(FaultCode::DOORBELL);
            return true;
        }
        let fetched = self.read_request(vector, at);
        match fetched {
            Ok(Some(task)) if task.head.name.tag.0 == slot => self.accept(task),
            // Without a name there is nobody to answer.
            Ok(_) => self.fail(FaultCode::REQUEST),
            Err(_) => self.fail(FaultCode::HOST_MEMORY),
        }
        true
    }

    /// Refuses what cannot be executed; keeps the rest.
    fn accept(&mut self, mut task: Accepted) {
        let held: u64 = task.elements.iter().map(|element| u64::from(element.len)).sum();
        if task.head.direction == Direction::None {
            task.head.length = 0;
        }
        if held < task.head.length.into() {
            return self.answer_without_status(&task, Ending::REFUSED);
        }
        if self.topology.target(task.slot()).is_none() {
            return self.answer_without_status(&task, Ending::NOT_PRESENT);
        }
        task.due = self.schedule.due(self.now);
        self.tasks.0.push(task);
    }

    /// `None` when the slot contains nothing that could be a request.
    fn read_request(&self, vector: u8, at: BusAddr) -> Result<Option<Accepted>, DmaFault> {
        let mut bytes = [0; REQUEST_LEN];
        self.memory.read(at, &mut bytes)?;
        let mut words = [0; HEAD_WORDS];
        for (word, chunk) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u32::from_le_bytes(*chunk);
        }
        let Some(head) = Head::from_words(&words) else { return Ok(None) };
        if head.elements > self.facts.elements {
            return Ok(None);
        }
        let (inline, _) = bytes[HEAD_LEN..].as_chunks::<ELEMENT_LEN>();
        let count = head.elements as usize;
        let mut elements: Vec<_> = inline.iter().take(count).map(element_of).collect();
        let more = count.saturating_sub(INLINE_ELEMENTS);
        if more != 0 {
            let mut list = vec![0; more * ELEMENT_LEN];
            self.memory.read(head.list, &mut list)?;
            elements.extend(list.as_chunks().0.iter().map(element_of));
        }
        Ok(Some(Accepted { vector, head, elements, due: self.now, offered: false }))
    }

    /// Offers one command to its target; `false` when none is due.
    pub(super) fn execute(&mut self) -> bool {
        let Some(index) = self.tasks.pick(self.now, &self.topology, &mut self.schedule) else {
            return false;
        };
        let mut task = self.tasks.0.remove(index);
        let Some(target) = self.topology.target_mut(task.slot()) else {
            self.answer_without_status(&task, Ending::NOT_PRESENT);
            return true;
        };
        let mut data = Scattered::new(&self.memory, &task.elements, task.head.length);
        let execution = target.execute(self.now, &task.task(), &mut data);
        let faulted = data.faulted();
        match execution {
            Execution::Held => {
                task.offered = true;
                self.tasks.0.insert(index, task);
            }
            Execution::Done(_) if faulted => {
                self.answer_without_status(&task, Ending::DATA_ERROR);
            }
            Execution::Done(executed) => self.answer(&task, &executed),
        }
        true
    }

    /// Ends all tasks that satisfy `wanted` and answers each, in the order of arrival.
    pub(super) fn end_tasks(&mut self, ending: Ending, wanted: impl Fn(&Accepted) -> bool) {
        let ended: Vec<_> = self.tasks.0.extract_if(.., |task| wanted(task)).collect();
        for task in ended {
            self.answer_without_status(&task, ending);
        }
    }
}

/// All accepted commands, in the order of arrival.
#[derive(Clone, Debug, Default)]
pub(super) struct TaskSet(Vec<Accepted>);

impl TaskSet {
    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn any(&self, wanted: impl Fn(&Accepted) -> bool) -> bool {
        self.0.iter().any(wanted)
    }

    /// Tasks that were offered in this pass and are held by their targets.
    pub(super) fn held(&self) -> u32 {
        self.0.iter().filter(|task| task.offered).count() as u32
    }

    /// Every held task may be offered again.
    pub(super) fn begin_pass(&mut self) {
        self.0.iter_mut().for_each(|task| task.offered = false);
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.0.iter().map(|task| task.due).min()
    }

    /// The index of the task to offer next.
    fn pick(&self, now: Instant, topology: &Topology, schedule: &mut Schedule) -> Option<usize> {
        let ready =
            |task: &Accepted| !task.offered && task.due <= now && !topology.is_held(task.slot());
        let mut candidates = (0..self.0.len())
            .filter(|index| self.0.get(*index).is_some_and(&ready) && !self.is_blocked(*index));
        if schedule.is_fifo() {
            return candidates.next();
        }
        let candidates: Vec<_> = candidates.collect();
        if candidates.is_empty() {
            return None;
        }
        candidates.get(schedule.pick(candidates.len())).copied()
    }

    /// Whether an older task of the same logical unit must end first. Source: SAM-5 8.9.
    fn is_blocked(&self, index: usize) -> bool {
        let Some(task) = self.0.get(index) else { return false };
        let rank = |task: &Accepted| match task.head.attribute {
            TaskAttribute::HeadOfQueue => 0,
            TaskAttribute::Ordered => 2,
            TaskAttribute::Simple | TaskAttribute::Aca => 1,
        };
        let older = |other: &Accepted| rank(task) == 2 || rank(other) == 2;
        rank(task) != 0
            && self.0.iter().enumerate().any(|(at, other)| {
                at != index
                    && task.shares_unit(other)
                    && (rank(other) == 0 || at < index && older(other))
            })
    }
}
