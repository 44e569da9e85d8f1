//! From the first register to operational, and what happens where that fails.

use super::{Action, Control, ControlEvent, State};
use crate::command::Failure;
use crate::port::{BringUp, BringUpError, ControlPort, Start};
use crate::queue::{OpenPermit, RestartPermit};
use crate::register::Registers;
use crate::time::Instant;

impl<P: ControlPort> Control<P> {
    pub(super) fn begin(&mut self, start: Start, now: Instant) {
        self.port.begin(start, now);
        self.targets.begin_survey();
        self.state = State::BringingUp { start, serving: false };
        self.preflight_due = start == Start::Reset;
    }

    pub(super) fn step_bring_up(
        &mut self,
        start: Start,
        serving: bool,
        now: Instant,
        registers: &mut dyn Registers,
    ) -> Option<Instant> {
        if core::mem::take(&mut self.preflight_due) && !self.passes_preflight() {
            return None;
        }
        match self.port.bring_up(now, registers) {
            BringUp::Wait(at) => Some(at),
            // Reset, and never told of any memory.
            BringUp::NeedMemory if self.closing => {
                self.state = State::Down;
                None
            }
            // Now rather than with memory in hand; once more then, as a mapping may be made along with the memory.
            BringUp::NeedMemory if !self.passes_preflight() => None,
            BringUp::NeedMemory => {
                self.ask_for_memory();
                None
            }
            BringUp::Serving(at) => {
                if !serving {
                    self.state = State::BringingUp { start, serving: true };
                    self.restart_queues(false);
                }
                Some(at)
            }
            BringUp::Ready if start == Start::Shutdown && self.suspending => {
                self.suspending = false;
                self.state = State::Suspended;
                self.restart_queues(true);
                self.events.push(ControlEvent::Suspended);
                None
            }
            BringUp::Ready if start == Start::Shutdown => {
                self.state = State::Down;
                self.durability.note_gone();
                self.actions.push_back(Action::Gone(Failure::Aborted));
                None
            }
            BringUp::Ready => {
                if !serving {
                    self.restart_queues(false);
                }
                for vector in self.all_vectors() {
                    self.actions.push_back(Action::Open(OpenPermit { vector }));
                }
                self.take_port_events(now);
                while let Some(id) = self.targets.end_survey() {
                    self.durability.note_departure(id);
                    self.events.push(ControlEvent::TargetDeparted(id));
                }
                self.apply_interrupts(registers);
                self.state = State::Operational;
                self.events.push(ControlEvent::Operational);
                if self.closing {
                    self.quiesce(Start::Shutdown);
                }
                Some(now)
            }
            BringUp::Gone => {
                self.handle_gone();
                None
            }
            BringUp::Failed(error) => self.handle_bring_up_failure(start, error, now),
        }
    }

    fn handle_bring_up_failure(
        &mut self,
        start: Start,
        error: BringUpError,
        now: Instant,
    ) -> Option<Instant> {
        self.events.push(ControlEvent::BringUpFailed(error));
        let retry = match start {
            Start::Attach => false,
            Start::Shutdown => true,
            Start::Reset => self.resets.admit(now),
        };
        if retry && start == Start::Reset {
            self.port.begin(Start::Reset, now);
            self.state = State::BringingUp { start, serving: false };
            return Some(now);
        }
        if start == Start::Reset {
            self.events.push(ControlEvent::GivenUp);
        }
        self.isolate();
        None
    }

    /// Whether the controller can reach memory by what the host says. Another try would find the same, so there is none.
    fn passes_preflight(&mut self) -> bool {
        let Err(error) = self.mapping.check(self.port.limits()) else { return true };
        self.events.push(ControlEvent::BringUpFailed(BringUpError::Preflight(error)));
        self.isolate();
        false
    }

    pub(super) fn isolate(&mut self) {
        self.state = State::Isolating;
        self.actions.push_back(Action::Isolate);
    }

    pub(super) fn restart_queues(&mut self, asleep: bool) {
        for vector in self.all_vectors() {
            self.actions.push_back(Action::Restart(RestartPermit { vector, asleep }));
        }
    }
}
