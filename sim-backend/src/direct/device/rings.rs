//! Posting: detail records and descriptors into host memory, with the faults that tests order.

use scsi_proto::Status;

use super::faults::FaultCode;
use super::tasks::Accepted;
use super::{DirectController, Facts};
use crate::counted;
use crate::direct::layout::{Descriptor, DetailHead, Ending, Kind, SENSE_AT, name_word};
use crate::memory::DmaFault;
use crate::target::{Executed, SenseBytes};

impl DirectController {
    /// Answers a task that the device server completed.
    pub(super) fn answer(&mut self, task: &Accepted, executed: &Executed) {
        let moved_all = executed.moved == task.head.length;
        if executed.status == Status::GOOD && moved_all {
            return self.post_reply(task, Kind::Success);
        }
        self.answer_in_detail(task, Ending::TASK_COMPLETE, executed);
    }

    /// Answers a task for which no status came.
    pub(super) fn answer_without_status(&mut self, task: &Accepted, ending: Ending) {
        self.answer_in_detail(task, ending, &Executed::status(Status::GOOD));
    }

    fn answer_in_detail(&mut self, task: &Accepted, ending: Ending, executed: &Executed) {
        let head = DetailHead {
            name: task.head.name,
            ending,
            status: executed.status.0,
            sense_len: executed.sense.as_bytes().len() as u8,
            transferred: executed.moved,
        };
        match self.write_detail(task, head, &executed.sense) {
            Ok(()) => self.post_reply(task, Kind::Detail),
            Err(_) => self.fail(FaultCode::HOST_MEMORY),
        }
    }

    fn write_detail(
        &mut self,
        task: &Accepted,
        head: DetailHead,
        sense: &SenseBytes,
    ) -> Result<(), DmaFault> {
        let Some(queue) = self.queues.get(usize::from(task.vector)) else { return Ok(()) };
        let at = queue.detail_at(task.head.name.tag.0);
        let mut words = head.to_words();
        if let Some((index, value)) = counted::take_value(&mut self.faults.patch_details)
            && let Some(word) = words.get_mut(index)
        {
            *word = value;
        }
        for (word, offset) in words.into_iter().zip((0..).step_by(4)) {
            self.memory.write_u32(at.offset(offset), word)?;
        }
        self.memory.write(at.offset(SENSE_AT as u64), sense.as_bytes())
    }

    /// Posts the reply of a task, or what the faults make of it.
    fn post_reply(&mut self, task: &Accepted, kind: Kind) {
        let reply = Descriptor::reply(task.head.name, task.vector, kind);
        let faults = &mut self.faults;
        let lost = counted::take(&mut faults.lose_replies);
        let twice = counted::take(&mut faults.duplicate_replies);
        let foreign = counted::take(&mut faults.foreign_vector);
        let stale = counted::take(&mut faults.stale_generation);
        let bad_slot = counted::take_value(&mut faults.bad_slot);
        if stale {
            let subject = name_word(task.head.name).wrapping_sub(1 << 16);
            self.post(task.vector, Descriptor { subject, ..reply });
        }
        if let Some(slot) = bad_slot {
            let subject = name_word(task.head.name) & 0xffff_0000 | u32::from(slot);
            self.post(task.vector, Descriptor { subject, ..reply });
        }
        let ring = if foreign { self.next_vector(task.vector) } else { task.vector };
        for _ in 0..2 - usize::from(!twice) - usize::from(lost) {
            self.post(ring, reply);
        }
    }

    fn next_vector(&self, vector: u8) -> u8 {
        let Facts { vectors, .. } = self.facts;
        ((u16::from(vector) + 1) % vectors.max(1)) as u8
    }

    /// Posts on the ring of `vector` as soon as it has room.
    pub(super) fn post(&mut self, vector: u8, descriptor: Descriptor) {
        if let Some(queue) = self.queues.get_mut(usize::from(vector)) {
            queue.push(descriptor);
        }
        self.drain();
    }

    /// Writes one descriptor that waits for room; `false` when none can be written.
    pub(super) fn drain(&mut self) -> bool {
        if self.is_gone() {
            return false;
        }
        let post = self.queues.iter_mut().find_map(super::Queue::next_post);
        let Some((at, phase, descriptor)) = post else { return false };
        let [first, second] = descriptor.to_words(phase);
        // The second word makes the entry valid, so it goes last.
        let written = self
            .memory
            .write_u32(at, first)
            .and_then(|()| self.memory.write_u32(at.offset(4), second));
        if written.is_err() {
            self.fail(FaultCode::HOST_MEMORY);
        }
        true
    }

    /// Posts one descriptor that a test ordered.
    pub(super) fn post_stray(&mut self) -> bool {
        let Some((vector, [first, second])) = self.faults.stray.pop() else { return false };
        self.post(vector, Descriptor::from_words(first, second));
        true
    }
}
