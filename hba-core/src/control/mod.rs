//! The control path of one adapter: bring-up, recovery, removal, events.
//!
//! [`Control`] owns everything that vectors share and everything that takes long. It exchanges values with the queues: it
//! gives out [`Action`]s, the owner carries them to the queue that they name and brings the answers back. Nothing waits.

mod action;
mod events;
mod memory;
mod recovery;
mod resets;
mod start;
mod targets;

use alloc::collections::VecDeque;

pub use action::Action;
pub use events::{ControlEvent, ResetReason};
pub use memory::Provided;
pub use recovery::{RecoveryConfig, Rung};

use crate::command::Failure;
use crate::durability::Durability;
use crate::fabric::HostMapping;
use crate::limits::Limits;
use crate::port::{
    ControlPort, Message, Polled, PortEvent, Start, TargetInfo, TaskManagement, TaskManagementId,
};
use crate::queue::{
    AbortTicket, DrainMark, Quiesced, Redeemed, Stopped, TICKETS_MAX, Vector, Verdict,
};
use crate::register::Registers;
use crate::sabotage::{Sabotage, is_planted};
use crate::time::Instant;
use events::Events;
use memory::Asked;
use recovery::{JOBS_MAX, Recovery, RecoveryOutput};
use resets::ResetBudget;
use targets::Targets;

/// Actions that wait for the owner, for each queue: a verdict on each of its tickets, a request to drain for each job, its stop,
/// restart and opening, and five replies that were found on other vectors. A controller that misroutes more at once makes this
/// allocate.
const ACTIONS_PER_QUEUE: usize = TICKETS_MAX + JOBS_MAX + 3 + 5;

/// The control machine of one adapter.
#[derive(Debug)]
pub struct Control<P: ControlPort> {
    port: P,
    state: State,
    vectors: u16,
    recovery: Recovery,
    resets: ResetBudget,
    actions: VecDeque<Action>,
    events: Events,
    targets: Targets,
    /// What memory was asked for, until it is there.
    asked: Option<Asked>,
    /// What the host says of the way to memory.
    mapping: HostMapping,
    /// Whether the controller may interrupt while it is operational.
    interrupts: bool,
    /// What the port was told of that last.
    interrupts_set: bool,
    /// The mapping is to be checked before the port goes on: it is about to tell the controller of memory.
    preflight_due: bool,
    /// A shutdown waits for the end of a bring-up.
    closing: bool,
    /// The shutdown under way is for a while only.
    suspending: bool,
    durability: Durability,
}

/// Where the adapter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The port works towards operational; `serving` once queues may take replies.
    BringingUp { start: Start, serving: bool },
    /// The owner is asked for memory.
    AwaitingMemory,
    /// Requests flow.
    Operational,
    /// Waiting for the token of every queue; then `start` begins.
    Quiescing { start: Start, missing: u16 },
    /// The controller cannot be brought up; the owner is asked to cut it off from memory.
    Isolating,
    /// Reset, and not started again before [`Control::resume`].
    Suspended,
    /// Shut down: reset, and not started again.
    Down,
    /// Left the bus.
    Gone,
    /// Given up, and cut off from memory.
    Dead,
}

/// When Control wants to be stepped next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "Control does nothing between steps"]
pub struct Step {
    /// At this time at the latest; `None` while only the owner or an interrupt can bring news.
    pub next: Option<Instant>,
}

impl<P: ControlPort> Control<P> {
    /// A control machine that begins to bring the controller up with its first [`Self::step`].
    pub fn new(mut port: P, config: RecoveryConfig, now: Instant) -> Self {
        port.begin(Start::Attach, now);
        Self {
            port,
            state: State::BringingUp { start: Start::Attach, serving: false },
            vectors: 0,
            recovery: Recovery::new(config),
            resets: ResetBudget::new(config.resets_max, config.resets_window),
            actions: VecDeque::new(),
            events: Events::new(),
            targets: Targets::default(),
            asked: None,
            mapping: HostMapping::unknown(),
            interrupts: false,
            interrupts_set: false,
            preflight_due: false,
            closing: false,
            suspending: false,
            durability: Durability::new(),
        }
    }

    /// What the host knows of the way from the controller to memory, from the next bring-up or reset on. Nothing, by default.
    ///
    /// It is checked before the controller is told of memory: bring-up ends with
    /// [`BringUpError::Preflight`](crate::port::BringUpError::Preflight) where the controller's first fetch, or a later one, would fault.
    pub fn set_mapping(&mut self, mapping: HostMapping) {
        self.mapping = mapping;
    }

    /// What the host said of the way from the controller to memory.
    pub fn mapping(&self) -> &HostMapping {
        &self.mapping
    }

    /// Whether the controller may interrupt while it is operational, from the next step on. Off by default: everything
    /// works by polling alone.
    pub fn set_interrupts(&mut self, enabled: bool) {
        self.interrupts = enabled;
    }

    /// Whether an interrupt on a shared line is this controller's. Touches a register unless the controller is gone.
    pub fn claims_interrupt(&mut self, registers: &mut dyn Registers) -> bool {
        self.touches_device() && self.port.claims_interrupt(registers)
    }

    /// Does what can be done at `now`. Never waits.
    pub fn step(&mut self, now: Instant, registers: &mut dyn Registers) -> Step {
        let next = match self.state {
            State::BringingUp { start, serving } => {
                self.step_bring_up(start, serving, now, registers)
            }
            State::Operational => self.step_operational(now, registers),
            State::Gone if is_planted(Sabotage::TouchesGone) => {
                self.step_operational(now, registers)
            }
            _ => None,
        };
        self.take_port_events(now);
        let next = if self.actions.is_empty() { next } else { Some(now) };
        Step { next }
    }

    /// The next thing that the owner has to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The next thing that the owner may want to know. Events that nobody takes are counted and dropped, oldest first.
    pub fn poll_event(&mut self) -> Option<ControlEvent> {
        while let Some((nexus, loss)) = self.durability.poll_loss() {
            self.events.push(ControlEvent::LossPending(nexus, loss));
        }
        self.events.pop()
    }

    /// What is durable, and what may be lost.
    pub const fn durability(&self) -> &Durability {
        &self.durability
    }

    /// The same, for whoever carries epochs and signs between it and the queues.
    pub const fn durability_mut(&mut self) -> &mut Durability {
        &mut self.durability
    }

    /// A message that a queue's service pass took from the reply path.
    pub fn handle_message(
        &mut self,
        message: &Message,
        now: Instant,
        registers: &mut dyn Registers,
    ) {
        if self.touches_device() {
            self.port.handle_message(message, now, registers);
            self.take_port_events(now);
        }
    }

    /// A command whose deadline passed, or that the caller wants aborted: the ladder of recovery starts.
    pub fn handle_ticket(&mut self, ticket: AbortTicket) {
        match self.state {
            State::Operational => self.recovery.begin(ticket),
            _ => self.actions.push_back(Action::Redeem(ticket, Verdict::Superseded)),
        }
    }

    /// What a queue did with a ticket of [`Action::Redeem`]: the next step goes on with the ladder if the command has not ended.
    pub fn handle_redeemed(&mut self, redeemed: Redeemed) {
        if let Some(ticket) = self.recovery.handle_redeemed(redeemed) {
            self.handle_ticket(ticket);
        }
    }

    /// A queue's token: it has stopped.
    pub fn handle_quiesced(&mut self, token: Quiesced, now: Instant) {
        debug_assert!(token.vector.0 < self.vectors);
        let State::Quiescing { start, missing } = self.state else { return };
        let missing = missing.saturating_sub(1);
        self.state = State::Quiescing { start, missing };
        if missing == 0 {
            self.begin(start, now);
        }
    }

    /// A queue's mark: it has found its reply path empty.
    pub fn handle_drained(&mut self, mark: DrainMark, now: Instant) {
        if self.state == State::Operational {
            self.recovery.handle_drained(mark);
            self.take_recovery_output(now);
        }
    }

    /// The platform says that the controller left the bus, or a queue read all ones.
    ///
    /// No register is touched from here on; every queue is told to end its commands.
    pub fn handle_gone(&mut self) {
        if matches!(self.state, State::Gone | State::Dead) {
            return;
        }
        self.state = State::Gone;
        self.actions.retain(|action| matches!(action, Action::Redeem(..)));
        self.supersede_recovery();
        self.actions.push_back(Action::Gone(Failure::ControllerGone));
        self.durability.note_gone();
        self.events.push(ControlEvent::Gone);
    }

    /// The controller can touch no memory any more.
    pub fn handle_isolated(&mut self) {
        if self.state == State::Isolating {
            self.state = State::Dead;
            self.durability.note_gone();
            self.actions.push_back(Action::Gone(Failure::ControllerFailed));
        }
    }

    /// Asks for a task management function; the answer comes as [`ControlEvent::TaskManagement`].
    ///
    /// `None` when the adapter is not operational or too many functions wait already.
    pub fn task_management(&mut self, task: TaskManagement) -> Option<TaskManagementId> {
        if self.state != State::Operational {
            return None;
        }
        self.recovery.request(task)
    }

    /// Asks for a controller reset. Without effect while one is under way: there is one reset at a time.
    pub fn request_reset(&mut self, now: Instant) {
        self.begin_reset(ResetReason::Requested, now);
    }

    /// Stops the adapter for good: ends what is outstanding, leaves the controller without access to memory.
    ///
    /// Flush first: what a disk holds in a volatile cache is not the controller's to save.
    pub fn shutdown(&mut self) {
        match self.state {
            State::Operational => self.quiesce(Start::Shutdown),
            State::AwaitingMemory => self.state = State::Down,
            State::Quiescing { missing, .. } => {
                self.state = State::Quiescing { start: Start::Shutdown, missing };
            }
            State::BringingUp { .. } => self.closing = true,
            State::Suspended => {
                self.state = State::Down;
                self.durability.note_gone();
                self.actions.push_back(Action::Gone(Failure::Aborted));
            }
            State::Isolating | State::Down | State::Gone | State::Dead => {}
        }
        self.suspending = false;
    }

    /// Puts the adapter to sleep: ends what is outstanding (as [`Failure::Reset`]), leaves the controller without access to
    /// memory, and touches nothing until [`Self::resume`]. [`ControlEvent::Suspended`] says when it is done.
    ///
    /// Flush first, as for [`Self::shutdown`]. Whether it was accepted: only an operational adapter is.
    #[must_use = "an adapter that is being brought up or reset is not put to sleep"]
    pub fn suspend(&mut self) -> bool {
        if self.state != State::Operational {
            return false;
        }
        self.suspending = true;
        self.quiesce(Start::Shutdown);
        true
    }

    /// Brings the adapter up again, over the memory that it has. Targets that are as before keep their addresses and are not
    /// reported; what changed is told by events, before [`ControlEvent::Operational`].
    ///
    /// Whether power was gone meanwhile is for the platform to say: [`Durability::handle_power_event`].
    #[must_use = "an adapter that does not sleep is not brought up"]
    pub fn resume(&mut self, now: Instant) -> bool {
        if self.state != State::Suspended {
            return false;
        }
        self.durability.note_resume();
        self.begin(Start::Reset, now);
        true
    }

    /// Whether the adapter sleeps.
    pub fn is_suspended(&self) -> bool {
        self.state == State::Suspended
    }

    /// Proof that the device can touch no memory of this adapter, once that is so.
    pub fn stopped(&self) -> Option<Stopped> {
        matches!(self.state, State::Down | State::Gone | State::Dead).then_some(Stopped(()))
    }

    /// Whether requests flow.
    pub fn is_operational(&self) -> bool {
        self.state == State::Operational
    }

    /// The limits, once the controller's facts are known.
    pub fn limits(&self) -> Option<&Limits> {
        self.port.limits()
    }

    /// The targets that are there, by address.
    pub fn targets(&self) -> &[TargetInfo] {
        self.targets.as_slice()
    }

    /// The backend's control path.
    pub fn port(&self) -> &P {
        &self.port
    }

    /// Whether a task management function or a rung of the ladder is under way.
    pub fn is_recovering(&self) -> bool {
        self.state != State::Operational || self.recovery.is_busy()
    }

    fn step_operational(&mut self, now: Instant, registers: &mut dyn Registers) -> Option<Instant> {
        if self.interrupts_set != self.interrupts {
            self.apply_interrupts(registers);
        }
        match self.port.poll(now, registers) {
            Polled::Operational(at) => {
                self.take_port_events(now);
                self.recovery.step(now, &mut self.port, registers);
                self.take_recovery_output(now);
                let next = self.recovery.next_deadline();
                Some(next.map_or(at, |deadline| deadline.min(at)))
            }
            Polled::Fault(code) => {
                self.begin_reset(ResetReason::Fault(code), now);
                Some(now)
            }
            Polled::Gone => {
                self.handle_gone();
                None
            }
        }
    }

    fn apply_interrupts(&mut self, registers: &mut dyn Registers) {
        self.interrupts_set = self.interrupts;
        self.port.set_interrupts(self.interrupts, registers);
    }

    fn begin_reset(&mut self, reason: ResetReason, now: Instant) {
        if self.state != State::Operational {
            return;
        }
        self.events.push(ControlEvent::ResetBegun(reason));
        if !self.resets.admit(now) {
            self.supersede_recovery();
            self.events.push(ControlEvent::GivenUp);
            self.isolate();
            return;
        }
        self.durability.note_controller_reset();
        self.quiesce(Start::Reset);
    }

    fn quiesce(&mut self, start: Start) {
        self.supersede_recovery();
        self.state = State::Quiescing { start, missing: self.vectors };
        for vector in self.all_vectors() {
            self.actions.push_back(Action::Quiesce(vector));
        }
    }

    /// Sends every ticket home and answers every function: a reset or the end overtakes them.
    fn supersede_recovery(&mut self) {
        self.recovery.supersede();
        while let Some(output) = self.recovery.poll() {
            match output {
                RecoveryOutput::Redeem(ticket, verdict) => {
                    self.actions.push_back(Action::Redeem(ticket, verdict));
                }
                RecoveryOutput::Event(event) => self.events.push(event),
                RecoveryOutput::Sent(task) => self.durability.note_reset(task),
                RecoveryOutput::Drain(_) | RecoveryOutput::ResetController => {}
            }
        }
    }

    fn take_recovery_output(&mut self, now: Instant) {
        while let Some(output) = self.recovery.poll() {
            match output {
                RecoveryOutput::Redeem(ticket, verdict) => {
                    self.actions.push_back(Action::Redeem(ticket, verdict));
                }
                RecoveryOutput::Drain(request) => self.actions.push_back(Action::Drain(request)),
                RecoveryOutput::Event(event) => self.events.push(event),
                RecoveryOutput::Sent(task) => self.durability.note_reset(task),
                RecoveryOutput::ResetController => {
                    self.begin_reset(ResetReason::LadderExhausted, now);
                }
            }
        }
    }

    fn take_port_events(&mut self, now: Instant) {
        while let Some(event) = self.port.poll_event() {
            match event {
                PortEvent::TaskManagement(id, result) => {
                    self.recovery.handle_result(id, result, self.vectors);
                    self.take_recovery_output(now);
                }
                PortEvent::TargetArrived(target) => {
                    if let Some(event) = self.targets.arrive(target) {
                        if matches!(event, ControlEvent::TargetChanged(_)) {
                            self.durability.note_departure(target.id);
                        }
                        self.events.push(event);
                    }
                }
                PortEvent::TargetDeparted(id) => {
                    self.targets.depart(id);
                    self.durability.note_departure(id);
                    self.events.push(ControlEvent::TargetDeparted(id));
                    self.recovery.end_departed(id);
                }
                PortEvent::Vendor { code, data } => {
                    self.events.push(ControlEvent::Vendor { code, data });
                }
                // What is under way to a queue that stops ends with the reset.
                PortEvent::Misrouted(reply) if self.state == State::Operational => {
                    self.actions.push_back(Action::Deliver(reply));
                }
                PortEvent::Misrouted(_) => {}
                PortEvent::BadReply(bad) => self.events.push(ControlEvent::BadReply(bad)),
                PortEvent::Distrust(why) => self.begin_reset(ResetReason::Distrust(why), now),
            }
        }
    }

    fn touches_device(&self) -> bool {
        matches!(self.state, State::BringingUp { .. } | State::Operational)
    }

    fn all_vectors(&self) -> impl Iterator<Item = Vector> + use<P> {
        (0..self.vectors).map(Vector)
    }
}
