//! One service pass: what the device posted becomes completions, messages and counts.

use super::slots::Finished;
use super::{Batch, CommandHandle, DrainMark, IoQueue, Phase, SENSE_MAX, Sink};
use crate::command::{Completion, Failure, Outcome};
use crate::dma::DataBuffer;
use crate::port::{Delivery, Disowned, Glance, QueuePort, Reply, Tag, Transferred, WireTag};
use crate::sabotage::{Sabotage, is_planted};
use scsi_proto::Status;

/// What a service pass did.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the acknowledge must be written, and more may be pending"]
pub struct Serviced<A> {
    /// What to write, before the batch is handed out.
    pub ack: Option<A>,
    /// Whether the budget ended the pass, not the queue: call again.
    pub more: bool,
    /// The answer to a [`DrainRequest`](super::DrainRequest).
    pub drained: Option<DrainMark>,
    /// The device reads all ones: tell Control.
    pub gone: bool,
}

/// How a pass goes on.
#[derive(Clone, Copy)]
enum Next {
    /// There may be more.
    Any,
    /// There is nothing.
    None,
    /// There may be more, for which the batch has no room.
    Full,
    /// The device left the bus.
    Gone,
}

impl<P: QueuePort, D: DataBuffer> IoQueue<P, D> {
    /// Takes what the device posted, at most as much as `batch` has room for.
    pub fn service(&mut self, batch: &mut Batch<D>) -> Serviced<P::Ack> {
        self.service_into(batch)
    }

    /// The same for a caller that has another place for the common case.
    #[inline]
    pub(crate) fn service_into(&mut self, sink: &mut impl Sink<D>) -> Serviced<P::Ack> {
        // Running: the one comparison that the common path pays.
        if self.accepted != 0 {
            return self.harvest(sink);
        }
        self.service_closed(sink)
    }

    #[cold]
    #[inline(never)]
    fn service_closed(&mut self, sink: &mut impl Sink<D>) -> Serviced<P::Ack> {
        match self.phase {
            Phase::Running | Phase::Serving => self.harvest(sink),
            Phase::Ending(failure, after) => self.end_all(failure, after, sink.batch()),
            Phase::Stopped | Phase::Gone => {
                Serviced { ack: None, more: false, drained: None, gone: false }
            }
        }
    }

    // Called from two places, of which one is rare.
    #[inline(always)]
    fn harvest(&mut self, sink: &mut impl Sink<D>) -> Serviced<P::Ack> {
        for _ in 0..sink.batch().room() {
            let next = match self.port.glance() {
                Glance::Success(name) => {
                    self.complete_good(name, sink);
                    continue;
                }
                Glance::Empty => return self.end_pass(false),
                Glance::Other if P::GLANCES => self.take_next(sink),
                Glance::Other if !sink.batch().has_message_room() => Next::Full,
                Glance::Other => match self.port.next_reply() {
                    Reply::Success(name) => {
                        self.complete_good(name, sink);
                        continue;
                    }
                    Reply::Empty => return self.end_pass(false),
                    other => self.take(&other, sink.batch()),
                },
            };
            match next {
                Next::Any => {}
                Next::None => return self.end_pass(false),
                Next::Full => break,
                // Neither is the reply path empty nor would anybody see an acknowledge.
                Next::Gone => {
                    return Serviced { ack: None, more: false, drained: None, gone: true };
                }
            }
        }
        self.end_pass(true)
    }

    #[inline]
    fn end_pass(&mut self, more: bool) -> Serviced<P::Ack> {
        let more = more || is_planted(Sabotage::MoreForEver);
        if self.drain.is_some() && !more {
            return self.end_drain();
        }
        Serviced { ack: Some(self.port.acknowledge()), more, drained: None, gone: false }
    }

    /// Nothing is left, and somebody asked for that. Apart, so that the usual end of a pass carries nothing of it.
    #[cold]
    #[inline(never)]
    fn end_drain(&mut self) -> Serviced<P::Ack> {
        let drained = self.answer_drain();
        Serviced { ack: Some(self.port.acknowledge()), more: false, drained, gone: false }
    }

    /// Takes the next reply of a port that glances, where a message would have room. Apart, so that the loop has few values
    /// to keep.
    #[cold]
    #[inline(never)]
    fn take_next(&mut self, sink: &mut impl Sink<D>) -> Next {
        if !sink.batch().has_message_room() {
            return Next::Full;
        }
        match self.port.next_reply() {
            Reply::Success(name) => {
                self.complete_good(name, sink);
                Next::Any
            }
            Reply::Empty => Next::None,
            other => self.take(&other, sink.batch()),
        }
    }

    /// Takes anything but the end of a command that went well.
    #[cold]
    #[inline(never)]
    fn take(&mut self, reply: &Reply, batch: &mut Batch<D>) -> Next {
        match *reply {
            Reply::Detail(name) => self.complete_detail(name, batch),
            Reply::Message => batch.push_message(*self.port.message()),
            Reply::Bad(bad) => self.counters.count_bad(bad),
            Reply::Gone => return Next::Gone,
            Reply::Success(_) | Reply::Empty => {}
        }
        Next::Any
    }

    // The usual call of two.
    #[inline(always)]
    fn complete_good(&mut self, name: WireTag, sink: &mut impl Sink<D>) {
        let Some(finished) = self.slots.take_named(name, Self::MASK) else {
            return self.complete_rare(name, sink);
        };
        self.push_good(name.tag, finished, sink);
        self.slots.recycle(name.tag, Self::MASK);
    }

    /// The command is being aborted, or there is none.
    #[cold]
    #[inline(never)]
    fn complete_rare(&mut self, name: WireTag, sink: &mut impl Sink<D>) {
        let found = self.slots.find(name).is_some();
        match if found { self.slots.finish(name.tag.0) } else { None } {
            Some(finished) => self.push_good(name.tag, finished, sink),
            None => self.stale(name),
        }
    }

    #[inline]
    fn push_good(&mut self, tag: Tag, finished: Finished<D>, sink: &mut impl Sink<D>) {
        self.counters.completed += 1;
        let Finished { data, cookie, length, generation } = finished;
        sink.push_good(Completion {
            cookie,
            handle: CommandHandle { slot: tag.0, generation },
            data,
            outcome: Outcome::Status(Status::GOOD),
            transferred: length,
            residual: 0,
        });
    }

    fn complete_detail(&mut self, name: WireTag, batch: &mut Batch<D>) {
        let Some(record) = self.slots.find(name) else { return self.stale(name) };
        let (length, notes, nexus) = (record.length, record.notes, record.nexus);
        let detail = *self.port.detail();
        let (transferred, overrun) = match detail.transferred {
            Transferred::All => (length, false),
            Transferred::Bytes(_) if is_planted(Sabotage::ShortIsWhole) => (length, false),
            Transferred::Bytes(count) => (count.min(length), count > length),
        };
        let outcome = match detail.delivery {
            Delivery::TaskComplete if overrun && detail.status == Status::GOOD => {
                Outcome::Failed(Failure::Overrun)
            }
            Delivery::TaskComplete => Outcome::Status(reported(detail.status)),
            Delivery::Failed(Failure::Aborted) if notes.expired() => {
                Outcome::Failed(Failure::TimedOut)
            }
            Delivery::Failed(failure) => Outcome::Failed(failure),
        };
        let sense_len = usize::from(detail.sense_len).min(SENSE_MAX);
        let sense = &mut batch.sense_buffer()[..sense_len];
        self.port.read_sense(name.tag, sense);
        match outcome {
            Outcome::Status(status) => {
                self.record.note_sense(nexus, notes.kind(), status, sense);
            }
            Outcome::Failed(failure) => self.record.note_failure(nexus, notes.kind(), failure),
        }
        let Some(finished) = self.slots.finish(name.tag.0) else { return self.stale(name) };
        self.counters.completed += 1;
        let Finished { data, cookie, generation, .. } = finished;
        let handle = CommandHandle { slot: name.tag.0, generation };
        let residual = length - transferred;
        if residual != 0 && outcome == Outcome::Status(Status::GOOD) {
            self.counters.short += 1;
        }
        let completion = Completion { cookie, handle, data, outcome, transferred, residual };
        batch.push_with_sense(completion, sense_len as u8);
    }

    #[cold]
    #[inline(never)]
    fn stale(&mut self, name: WireTag) {
        match self.port.disown(name, self.slots.why_unclaimed(name)) {
            Disowned::Stale => self.counters.stale += 1,
            Disowned::Elsewhere => {}
            Disowned::Bad(bad) => self.counters.count_bad(bad),
        }
    }
}

/// The status as the caller gets it: as the device gave it.
#[inline]
fn reported(status: Status) -> Status {
    match status {
        Status::CHECK_CONDITION if is_planted(Sabotage::CheckIsGood) => Status::GOOD,
        Status::BUSY | Status::TASK_SET_FULL if is_planted(Sabotage::BusyIsGood) => Status::GOOD,
        status => status,
    }
}
