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

    const HEAD_OF_QUEUE: u8 = 0;
    const SIMPLE: u8 = 1;
    const ORDERED: u8 = 2;

    const fn rank(&self) -> u8 {
        match self.head.attribute {
            TaskAttribute::HeadOfQueue => Self::HEAD_OF_QUEUE,
            TaskAttribute::Ordered => Self::ORDERED,
            TaskAttribute::Simple | TaskAttribute::Aca => Self::SIMPLE,
        }
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
        if self.tasks.any(|t| t.vector == vector && t.head.name.tag.0 == slot) {
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
        self.tasks.push(task);
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
        let task = self.tasks.take(index);
        let Some(target) = self.topology.target_mut(task.slot()) else {
            self.answer_without_status(&task, Ending::NOT_PRESENT);
            return true;
        };
        let mut data = Scattered::new(&self.memory, &task.elements, task.head.length);
        let execution = target.execute(self.now, &task.task(), &mut data);
        let faulted = data.faulted();
        match execution {
            Execution::Held => self.tasks.put_back(index, task),
            Execution::Done(_) if faulted => {
                self.answer_without_status(&task, Ending::DATA_ERROR);
            }
            Execution::Done(executed) => self.answer(&task, &executed),
        }
        true
    }

    /// Ends all tasks that satisfy `wanted` and answers each, in the order of arrival.
    pub(super) fn end_tasks(&mut self, ending: Ending, wanted: impl Fn(&Accepted) -> bool) {
        let ended = self.tasks.take_all(wanted);
        for task in ended {
            self.answer_without_status(&task, ending);
        }
    }
}

/// All accepted commands, in the order of arrival.
#[derive(Clone, Debug, Default)]
pub(super) struct TaskSet {
    tasks: Vec<Accepted>,
    /// Of them, those that are not SIMPLE: without any, none waits for another.
    attributed: usize,
    /// Of them, those that were offered in this pass and are held by their targets.
    offered: usize,
    /// Those that may be offered next; kept for its memory.
    candidates: Vec<usize>,
}

impl TaskSet {
    pub(super) const fn len(&self) -> usize {
        self.tasks.len()
    }

    pub(super) fn clear(&mut self) {
        self.tasks.clear();
        (self.attributed, self.offered) = (0, 0);
    }

    fn push(&mut self, task: Accepted) {
        self.attributed += usize::from(task.rank() != Accepted::SIMPLE);
        self.tasks.push(task);
    }

    fn take(&mut self, index: usize) -> Accepted {
        let task = self.tasks.remove(index);
        self.forget(&task);
        task
    }

    fn take_all(&mut self, wanted: impl Fn(&Accepted) -> bool) -> Vec<Accepted> {
        let taken: Vec<_> = self.tasks.extract_if(.., |task| wanted(task)).collect();
        taken.iter().for_each(|task| self.forget(task));
        taken
    }

    fn forget(&mut self, task: &Accepted) {
        self.attributed -= usize::from(task.rank() != Accepted::SIMPLE);
        self.offered -= usize::from(task.offered);
    }

    /// Its target holds a task that was taken.
    fn put_back(&mut self, index: usize, mut task: Accepted) {
        task.offered = true;
        self.offered += 1;
        self.attributed += usize::from(task.rank() != Accepted::SIMPLE);
        self.tasks.insert(index, task);
    }

    pub(super) fn any(&self, wanted: impl Fn(&Accepted) -> bool) -> bool {
        self.tasks.iter().any(wanted)
    }

    /// Tasks that were offered in this pass and are held by their targets.
    pub(super) const fn held(&self) -> u32 {
        self.offered as u32
    }

    /// Every held task may be offered again.
    pub(super) fn begin_pass(&mut self) {
        if core::mem::take(&mut self.offered) > 0 {
            self.tasks.iter_mut().for_each(|task| task.offered = false);
        }
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.tasks.iter().map(|task| task.due).min()
    }

    /// The index of the task to offer next.
    fn pick(
        &mut self,
        now: Instant,
        topology: &Topology,
        schedule: &mut Schedule,
    ) -> Option<usize> {
        let mut candidates = core::mem::take(&mut self.candidates);
        candidates.clear();
        let ready = self.tasks.iter().enumerate().filter(|(index, task)| {
            !task.offered
                && task.due <= now
                && !topology.is_held(task.slot())
                && (self.attributed == 0 || !self.is_blocked(*index))
        });
        let most = if schedule.is_fifo() { 1 } else { usize::MAX };
        candidates.extend(ready.take(most).map(|(index, _)| index));
        let picked = match candidates.len() {
            0 => None,
            1 if schedule.is_fifo() => candidates.first().copied(),
            several => candidates.get(schedule.pick(several)).copied(),
        };
        self.candidates = candidates;
        picked
    }

    /// Whether an older task of the same logical unit must end first. Source: SAM-5 8.9.
    fn is_blocked(&self, index: usize) -> bool {
        let Some(task) = self.tasks.get(index) else { return false };
        let older = |other: &Accepted| {
            task.rank() == Accepted::ORDERED || other.rank() == Accepted::ORDERED
        };
        task.rank() != Accepted::HEAD_OF_QUEUE
            && self.tasks.iter().enumerate().any(|(at, other)| {
                at != index
                    && task.shares_unit(other)
                    && (other.rank() == Accepted::HEAD_OF_QUEUE || at < index && older(other))
            })
    }
}
