//! The flight recorder: the last words of every queue and of Control, with the time, for when something goes wrong.

use alloc::sync::Arc;
use core::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hba_core::control::{ControlEvent, ResetReason};
use hba_core::queue::Vector;
use hba_core::time::Instant;
use hba_core::tracer::{ControlRecord, QueueRecord, Record, Recorder, Recorders};

/// A clock of the platform's, or of the program's.
pub type ClockFn = Arc<dyn Fn() -> Instant + Send + Sync>;

/// Keeps the last records of one adapter. A handle: clones share the records.
///
/// A record costs a clock read and a lock that nobody else holds, except while the records are read.
#[derive(Clone)]
pub struct FlightRecorder(Arc<Shared>);

struct Shared {
    clock: ClockFn,
    control: Ring<ControlRecord>,
    queues: Mutex<Vec<Arc<Ring<QueueRecord>>>>,
    /// The records when the first fault was told.
    fault: Mutex<Option<Vec<String>>>,
}

type Ring<T> = Mutex<Record<(Instant, T)>>;

/// The recorder of one queue.
pub struct QueueRecorder {
    clock: ClockFn,
    ring: Arc<Ring<QueueRecord>>,
}

impl FlightRecorder {
    /// Nothing recorded yet; the times are those of `clock`.
    #[must_use]
    pub fn new(clock: ClockFn) -> Self {
        let control = Mutex::new(Record::new(CONTROL));
        let (queues, fault) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Shared { clock, control, queues, fault }))
    }

    /// Keeps what is recorded now, if this event is the first that tells of a fault.
    pub fn handle(&self, event: &ControlEvent) {
        let is_fault = match event {
            ControlEvent::ResetBegun(reason) => *reason != ResetReason::Requested,
            ControlEvent::Recovering(..)
            | ControlEvent::BringUpFailed(_)
            | ControlEvent::GivenUp
            | ControlEvent::Gone
            | ControlEvent::BadReply(_) => true,
            _ => false,
        };
        let mut fault = lock(&self.0.fault);
        if is_fault && fault.is_none() {
            *fault = Some(self.dump(&format!("when this was told: {event}")));
        }
    }

    /// The records, a line each: those of the first fault if there was one, else the last.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let fault = lock(&self.0.fault).clone();
        fault.unwrap_or_else(|| self.dump("so far"))
    }

    fn dump(&self, when: &str) -> Vec<String> {
        let mut lines = Vec::new();
        list(&mut lines, &format!("the last words of control {when}"), &self.0.control);
        for (vector, ring) in lock(&self.0.queues).iter().enumerate() {
            list(&mut lines, &format!("the last words of vector {vector} {when}"), ring);
        }
        lines
    }
}

fn list<T: Copy + Display>(lines: &mut Vec<String>, heading: &str, ring: &Ring<T>) {
    let ring = lock(ring);
    let mut records = ring.iter().peekable();
    if records.peek().is_some() {
        lines.push(heading.to_owned());
        lines.extend(records.map(|(at, record)| format!("  {at}  {record}")));
    }
}

impl Recorder<ControlRecord> for FlightRecorder {
    fn record(&mut self, record: ControlRecord) {
        let now = (self.0.clock)();
        lock(&self.0.control).push((now, record));
    }
}

impl Recorders for FlightRecorder {
    type Queue = QueueRecorder;

    /// The queue of a new driver goes on where that of the driver before it ended.
    fn queue(&mut self, vector: Vector) -> QueueRecorder {
        let mut queues = lock(&self.0.queues);
        let at = usize::from(vector.0);
        while queues.len() <= at {
            queues.push(Arc::new(Mutex::new(Record::new(QUEUE))));
        }
        QueueRecorder { clock: Arc::clone(&self.0.clock), ring: Arc::clone(&queues[at]) }
    }
}

impl Recorder<QueueRecord> for QueueRecorder {
    fn record(&mut self, record: QueueRecord) {
        let now = (self.clock)();
        lock(&self.ring).push((now, record));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records of control, and of each queue.
const CONTROL: usize = 16;
const QUEUE: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_records_of_the_first_fault_stay() {
        let mut recorder = FlightRecorder::new(Arc::new(|| Instant::from_millis(3)));
        let mut queue = recorder.queue(Vector(1));
        queue.record(QueueRecord::Restarted);
        recorder.handle(&ControlEvent::ResetBegun(ResetReason::Requested));
        recorder.handle(&ControlEvent::ResetBegun(ResetReason::Fault(7)));
        for _ in 0..2 * QUEUE {
            queue.record(QueueRecord::Restarted);
        }
        recorder.handle(&ControlEvent::GivenUp);
        let lines = recorder.lines();
        let event = ControlEvent::ResetBegun(ResetReason::Fault(7));
        let heading = format!("the last words of vector 1 when this was told: {event}");
        assert_eq!(lines, [heading, "  0.003000000 s  == restarted".to_owned()]);
    }

    #[test]
    fn without_a_fault_the_last_records_are_shown() {
        let mut recorder = FlightRecorder::new(Arc::new(|| Instant::ZERO));
        assert!(recorder.lines().is_empty());
        let mut queue = recorder.queue(Vector(0));
        for _ in 0..QUEUE + 1 {
            queue.record(QueueRecord::Restarted);
        }
        assert_eq!(recorder.lines().len(), 1 + QUEUE);
    }
}
