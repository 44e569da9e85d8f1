//! The ladder of recovery: abort, logical unit reset, target reset, controller reset, each with a deadline.
//!
//! One job works on one logical unit at a time. A rung counts as having helped when its function was answered, every reply
//! queue was found empty since, *and* the command's own reply was among what they held. Without it the next rung follows: an
//! answer alone may come from a device that has not fetched the command yet.

mod rung;

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

pub use rung::{RecoveryConfig, Rung};

use super::ControlEvent;
use crate::command::{Nexus, TargetId};
use crate::port::{ControlPort, TaskManagement, TaskManagementId, TaskManagementResult, WireTag};
use crate::queue::{AbortTicket, DrainMark, DrainRequest, Redeemed, TICKETS_MAX, Vector, Verdict};
use crate::register::Registers;
use crate::sabotage::{Sabotage, is_planted};
use crate::time::Instant;

/// What recovery wants done.
#[derive(Debug)]
pub(super) enum RecoveryOutput {
    Redeem(AbortTicket, Verdict),
    Drain(DrainRequest),
    Event(ControlEvent),
    /// This function is out.
    Sent(TaskManagement),
    ResetController,
}

/// Jobs at work at the same time, each on another logical unit.
pub(super) const JOBS_MAX: usize = TICKETS_MAX;
/// Task management functions of the caller that may wait.
const REQUESTS_MAX: usize = 16;

#[derive(Debug)]
pub(super) struct Recovery {
    config: RecoveryConfig,
    /// Tickets without a job, oldest first. Never more than the queues have out at the same time.
    waiting: VecDeque<Waiting>,
    /// The number of the next ticket.
    next_arrival: u64,
    /// The caller's functions without a job.
    requests: VecDeque<(TaskManagementId, TaskManagement)>,
    /// Departed targets whose remaining commands are still to be ended; each is in here once.
    departed: VecDeque<TargetId>,
    jobs: Vec<Job>,
    output: VecDeque<RecoveryOutput>,
    next_id: u32,
    next_drain: u32,
    /// The number of the last mark of each vector.
    marks: Vec<u32>,
}

#[derive(Debug)]
struct Waiting {
    ticket: AbortTicket,
    arrival: u64,
}

#[derive(Debug)]
struct Job {
    /// `None` once the job is over; the next sweep removes it.
    purpose: Option<Purpose>,
    phase: Phase,
    /// The first ticket that arrived after the function was sent. Its command may have been submitted after the device performed
    /// the function, which says nothing of it then: the device may be at work on it.
    first_not_covered: u64,
}

#[derive(Debug)]
enum Purpose {
    /// End the command of this ticket; the rung says how.
    End(AbortTicket, Rung),
    /// The rung's function was performed, and the ticket is with its queue, which knows whether the command has ended.
    Ask(Asked, Rung),
    /// Perform a function, the caller's where it has an ID to answer to.
    Perform(Option<TaskManagementId>, TaskManagement),
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    vector: Vector,
    name: WireTag,
    nexus: Nexus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The function is to be sent; the port has had no frame for it, and at this time the job gives up.
    Unsent { deadline: Option<Instant> },
    /// The function is out.
    Sent { id: TaskManagementId, deadline: Instant },
    /// The function was answered; queues are being drained.
    Draining { number: u32, missing: u16, result: TaskManagementResult },
    /// What is next is not the job's to do: the queue is asked for the command, or the reset of the controller that ends it
    /// has been asked for.
    Spent,
}

impl Recovery {
    pub(super) fn new(config: RecoveryConfig) -> Self {
        Self {
            config,
            waiting: VecDeque::new(),
            next_arrival: 0,
            requests: VecDeque::with_capacity(REQUESTS_MAX),
            departed: VecDeque::with_capacity(REQUESTS_MAX),
            jobs: Vec::with_capacity(JOBS_MAX),
            output: VecDeque::with_capacity(REQUESTS_MAX),
            next_id: 0,
            next_drain: 0,
            marks: Vec::new(),
        }
    }

    /// Makes room for the tickets of all queues, so that nothing is allocated while it is needed.
    pub(super) fn reserve(&mut self, vectors: usize) {
        // As if before the first request.
        self.marks = alloc::vec![u32::MAX; vectors];
        self.waiting.reserve(TICKETS_MAX * vectors);
        // A verdict on each ticket, a request to drain of each job, and what the jobs have to tell.
        self.output.reserve((TICKETS_MAX + JOBS_MAX) * vectors + REQUESTS_MAX + 2 * JOBS_MAX);
    }

    pub(super) fn begin(&mut self, ticket: AbortTicket) {
        let arrival = self.next_arrival;
        self.next_arrival += 1;
        self.waiting.push_back(Waiting { ticket, arrival });
    }

    pub(super) fn request(&mut self, task: TaskManagement) -> Option<TaskManagementId> {
        if self.requests.len() == REQUESTS_MAX {
            return None;
        }
        let id = self.new_id();
        self.requests.push_back((id, task));
        Some(id)
    }

    /// Ends what is left of a target that is not there any more.
    pub(super) fn end_departed(&mut self, target: TargetId) {
        if !self.departed.contains(&target) {
            self.departed.push_back(target);
        }
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.departed.is_empty()
            || !self.jobs.is_empty()
            || !self.waiting.is_empty()
            || !self.requests.is_empty()
            || !self.output.is_empty()
    }

    pub(super) fn poll(&mut self) -> Option<RecoveryOutput> {
        self.output.pop_front()
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let deadline = |job: &Job| match job.phase {
            Phase::Sent { deadline, .. } => Some(deadline),
            Phase::Unsent { deadline } => Some(deadline.unwrap_or(Instant::ZERO)),
            Phase::Draining { .. } | Phase::Spent => None,
        };
        self.jobs.iter().filter_map(deadline).min()
    }

    /// Starts jobs, sends their functions, and gives up on those that were not answered in time.
    pub(super) fn step<P: ControlPort>(
        &mut self,
        now: Instant,
        port: &mut P,
        registers: &mut dyn Registers,
    ) {
        self.start_jobs();
        for at in 0..self.jobs.len() {
            let deadline = match self.jobs[at].phase {
                Phase::Sent { .. } if is_planted(Sabotage::LadderWaits) => None,
                Phase::Sent { deadline, .. } => Some(deadline),
                Phase::Unsent { deadline } => deadline,
                Phase::Draining { .. } | Phase::Spent => None,
            };
            if deadline.is_some_and(|deadline| deadline <= now) {
                self.escalate(at, None);
            }
        }
        self.sweep();
        for at in 0..self.jobs.len() {
            let unsent = matches!(self.jobs[at].phase, Phase::Unsent { .. });
            if unsent && !self.send(at, now, port, registers) {
                return;
            }
        }
    }

    pub(super) fn handle_result(
        &mut self,
        id: TaskManagementId,
        result: TaskManagementResult,
        vectors: u16,
    ) {
        let sent = |job: &Job| matches!(job.phase, Phase::Sent { id: sent, .. } if sent == id);
        // An answer that comes after its deadline belongs to no job any more.
        let Some(at) = self.jobs.iter().position(sent) else { return };
        let number = self.next_drain;
        self.next_drain = number.wrapping_add(1);
        self.jobs[at].phase = Phase::Draining { number, missing: vectors, result };
        for vector in (0..vectors).map(Vector) {
            self.output.push_back(RecoveryOutput::Drain(DrainRequest { vector, number }));
        }
    }

    pub(super) fn handle_drained(&mut self, mark: DrainMark) {
        let Some(last) = self.marks.get_mut(usize::from(mark.vector.0)) else { return };
        let last = core::mem::replace(last, mark.number);
        for at in 0..self.jobs.len() {
            let Phase::Draining { number, missing, result } = self.jobs[at].phase else { continue };
            // Emptiness seen for a younger request was seen after this one's, too, and counts once.
            if is_before(mark.number, number) || !is_before(last, number) {
                continue;
            }
            let missing = missing.saturating_sub(1);
            self.jobs[at].phase = Phase::Draining { number, missing, result };
            if missing == 0 {
                self.conclude(at, result);
            }
        }
        self.sweep();
    }

    /// A reset ends everything: tickets go home, the caller's functions are answered.
    pub(super) fn supersede(&mut self) {
        while let Some(Waiting { ticket, .. }) = self.waiting.pop_front() {
            self.output.push_back(RecoveryOutput::Redeem(ticket, Verdict::Superseded));
        }
        for purpose in self.jobs.drain(..).filter_map(|job| job.purpose) {
            self.output.extend(match purpose {
                Purpose::End(ticket, _) => {
                    Some(RecoveryOutput::Redeem(ticket, Verdict::Superseded))
                }
                Purpose::Ask(..) => None,
                Purpose::Perform(id, _) => id.map(overtaken),
            });
        }
        self.departed.clear();
        for (id, _) in self.requests.drain(..) {
            self.output.push_back(overtaken(id));
        }
    }

    fn start_jobs(&mut self) {
        while self.jobs.len() < JOBS_MAX {
            let Some((id, task)) = self.requests.pop_front() else { break };
            self.jobs.push(Job::new(Purpose::Perform(Some(id), task)));
        }
        while self.jobs.len() < JOBS_MAX {
            let Some(target) = self.departed.pop_front() else { break };
            let task = TaskManagement::TargetReset(target);
            self.jobs.push(Job::new(Purpose::Perform(None, task)));
        }
        let mut at = 0;
        while self.jobs.len() < JOBS_MAX && at < self.waiting.len() {
            let nexus = self.waiting[at].ticket.nexus();
            let busy = self.jobs.iter().any(|job| job.works_on(nexus));
            if busy {
                at += 1;
                continue;
            }
            let Some(Waiting { ticket, .. }) = self.waiting.remove(at) else { break };
            self.jobs.push(Job::new(Purpose::End(ticket, Rung::Abort)));
        }
    }

    /// Whether the port had a frame for it.
    fn send<P: ControlPort>(
        &mut self,
        at: usize,
        now: Instant,
        port: &mut P,
        registers: &mut dyn Registers,
    ) -> bool {
        let (task, id, event) = match &self.jobs[at].purpose {
            None | Some(Purpose::Ask(..)) => return true,
            Some(Purpose::Perform(id, task)) => (*task, *id, None),
            Some(Purpose::End(ticket, rung)) => {
                let event = ControlEvent::Recovering(ticket.nexus(), *rung);
                (rung.function(ticket), None, Some(event))
            }
        };
        let id = id.unwrap_or_else(|| self.new_id());
        let deadline = now + self.wait_of(task);
        if port.send_task_management(task, id, now, registers).is_err() {
            if let Phase::Unsent { deadline: give_up } = &mut self.jobs[at].phase {
                give_up.get_or_insert(deadline);
            }
            return false;
        }
        self.jobs[at].phase = Phase::Sent { id, deadline };
        self.jobs[at].first_not_covered = self.next_arrival;
        self.output.push_back(RecoveryOutput::Sent(task));
        self.output.extend(event.map(RecoveryOutput::Event));
        true
    }

    /// The function of a job was answered and the queues are empty.
    fn conclude(&mut self, at: usize, result: TaskManagementResult) {
        let helped =
            matches!(result, TaskManagementResult::Complete | TaskManagementResult::Succeeded);
        if helped { self.finish(at, result) } else { self.escalate(at, Some(result)) }
    }

    fn finish(&mut self, at: usize, result: TaskManagementResult) {
        let job = &mut self.jobs[at];
        let first_not_covered = job.first_not_covered;
        let task = match job.purpose.take() {
            Some(Purpose::Perform(id, task)) => {
                let event = id.map(|id| ControlEvent::TaskManagement(id, Some(result)));
                self.output.extend(event.map(RecoveryOutput::Event));
                task
            }
            Some(Purpose::End(ticket, rung)) => {
                let task = rung.function(&ticket);
                let AbortTicket { vector, name, nexus } = ticket;
                job.purpose = Some(Purpose::Ask(Asked { vector, name, nexus }, rung));
                job.phase = Phase::Spent;
                self.output.push_back(RecoveryOutput::Redeem(ticket, Verdict::Drained));
                task
            }
            Some(Purpose::Ask(..)) | None => return,
        };
        self.redeem_covered(task, first_not_covered);
    }

    /// What the queue says of a command for which a rung's function was performed. A ticket that no job asked for comes back.
    pub(super) fn handle_redeemed(&mut self, redeemed: Redeemed) -> Option<AbortTicket> {
        let Redeemed { vector, name, unanswered } = redeemed;
        let asked = |job: &Job| match job.purpose {
            Some(Purpose::Ask(asked, rung)) if (asked.vector, asked.name) == (vector, name) => {
                Some((asked.nexus, rung))
            }
            _ => None,
        };
        let found = self.jobs.iter().enumerate().find_map(|(at, job)| Some((at, asked(job)?)));
        let Some((at, (nexus, rung))) = found else { return unanswered };
        self.jobs[at].purpose = unanswered.map(|ticket| Purpose::End(ticket, rung));
        if self.jobs[at].purpose.is_some() {
            self.escalate(at, None);
        } else {
            self.output.push_back(RecoveryOutput::Event(ControlEvent::Recovered(nexus, rung)));
            self.sweep();
        }
        None
    }

    /// A reset of a logical unit or target ended the commands of other tickets, too, if they were there when it was sent.
    /// Those that the device had not fetched come back.
    fn redeem_covered(&mut self, task: TaskManagement, first_not_covered: u64) {
        for _ in 0..self.waiting.len() {
            let Some(Waiting { ticket, arrival }) = self.waiting.pop_front() else { return };
            let reached = match task {
                TaskManagement::LogicalUnitReset(nexus) => ticket.nexus() == nexus,
                TaskManagement::TargetReset(target) => ticket.nexus().target == target,
                _ => false,
            };
            if reached && arrival < first_not_covered {
                self.output.push_back(RecoveryOutput::Redeem(ticket, Verdict::Drained));
            } else {
                self.waiting.push_back(Waiting { ticket, arrival });
            }
        }
    }

    /// The next rung; a caller's function has none and is answered.
    fn escalate(&mut self, at: usize, result: Option<TaskManagementResult>) {
        let job = &mut self.jobs[at];
        match &mut job.purpose {
            Some(Purpose::End(ticket, rung)) => {
                if matches!(job.phase, Phase::Unsent { .. }) {
                    // The port had no frame for it in all that time. It is told as the others are, or the reset comes from nowhere.
                    let event = ControlEvent::Recovering(ticket.nexus(), *rung);
                    self.output.push_back(RecoveryOutput::Event(event));
                }
                *rung = rung.next();
                job.phase = match rung {
                    Rung::ControllerReset => Phase::Spent,
                    _ => Phase::Unsent { deadline: None },
                };
                if job.phase == Phase::Spent {
                    self.output.push_back(RecoveryOutput::ResetController);
                }
            }
            Some(Purpose::Perform(id, _)) => {
                let event = id.map(|id| ControlEvent::TaskManagement(id, result));
                self.output.extend(event.map(RecoveryOutput::Event));
                job.purpose = None;
            }
            Some(Purpose::Ask(..)) | None => {}
        }
    }

    fn sweep(&mut self) {
        self.jobs.retain(|job| job.purpose.is_some());
    }

    fn wait_of(&self, task: TaskManagement) -> Duration {
        match task {
            TaskManagement::AbortTask { .. } | TaskManagement::QueryTask { .. } => {
                self.config.abort
            }
            TaskManagement::TargetReset(_) => self.config.target_reset,
            _ => self.config.logical_unit_reset,
        }
    }

    fn new_id(&mut self) -> TaskManagementId {
        let id = TaskManagementId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        id
    }
}

impl Job {
    fn new(purpose: Purpose) -> Self {
        let phase = Phase::Unsent { deadline: None };
        Self { purpose: Some(purpose), phase, first_not_covered: 0 }
    }

    fn works_on(&self, nexus: Nexus) -> bool {
        match &self.purpose {
            Some(Purpose::End(ticket, _)) => ticket.nexus() == nexus,
            Some(Purpose::Ask(asked, _)) => asked.nexus == nexus,
            _ => false,
        }
    }
}

/// Whether drain request `a` is older than `b`; the numbers wrap.
const fn is_before(a: u32, b: u32) -> bool {
    a.wrapping_sub(b) > u32::MAX / 2
}

fn overtaken(id: TaskManagementId) -> RecoveryOutput {
    RecoveryOutput::Event(ControlEvent::TaskManagement(id, None))
}

#[cfg(test)]
mod tests;
