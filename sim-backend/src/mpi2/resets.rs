//! Resets, faults and core dumps: what each forgets, how long it takes, and what the targets notice.

use core::time::Duration;

use super::Mpi2Controller;
use super::events::Events;
use super::interrupts::Interrupts;
use super::messages::PortEnable;
use super::registers::{FaultCode, IocState};
use super::replies::Replies;
use super::violation::Violation;
use crate::target::Target;

impl Mpi2Controller {
    /// Records a breach that is answered with a status, or not at all.
    pub(super) fn note(&mut self, violation: Violation) {
        self.violations.record(violation);
    }

    /// Records a breach and stops because of it.
    pub(super) fn fault(&mut self, violation: Violation) {
        self.note(violation);
        self.force_fault(violation.code());
    }

    /// Stops the controller with a fault code, unless it has stopped before. Nothing that was asked of it will be answered.
    pub fn force_fault(&mut self, code: FaultCode) {
        if self.state.has_stopped() {
            return;
        }
        let dumps = self.init.as_ref().is_some_and(|init| init.coredump);
        if dumps {
            self.state = IocState::CoreDump(code);
            self.until = self.now + self.personality.behaviour.coredump_time;
        } else {
            self.state = IocState::Fault(code);
        }
        self.interrupts.raise_doorbell();
    }

    /// The host writes the host diagnostic register.
    pub(super) fn write_diagnostic(&mut self, value: u32) {
        if self.diagnostic.write(value) {
            self.reset_adapter();
        }
    }

    /// A message unit reset leads to READY from every state but a fault. Source: bring-up order of the Linux driver.
    pub(super) fn reset_message_unit(&mut self) {
        if self.faults.ignore_message_unit_reset {
            return;
        }
        self.forget_messages();
        self.begin_reset(self.personality.behaviour.message_unit_reset_time);
    }

    fn reset_adapter(&mut self) {
        self.forget_messages();
        self.interrupts = Interrupts::new();
        self.diagnostic.note_reset();
        self.devices.forget_leaving();
        self.topology.targets_mut().for_each(Target::i_t_nexus_loss);
        self.begin_reset(self.personality.behaviour.diagnostic_reset_time);
    }

    /// Drops every message, reply and event. Commands in flight never answer.
    pub(super) fn forget_messages(&mut self) {
        self.requests.clear();
        self.interrupts.reset();
        self.replies = Replies::default();
        self.tasks.clear();
        self.events = Events::default();
        self.port_enable = PortEnable::default();
        self.diag_buffers = [false; 3];
        self.doorbell_word = None;
        self.init = None;
        self.who_init = 0;
        self.handshake.end();
    }

    fn begin_reset(&mut self, takes: Duration) {
        self.state = IocState::Reset;
        self.until = self.now + takes;
        self.finish_reset();
    }

    /// Ends a reset or a core dump whose time has come.
    pub(super) fn finish_reset(&mut self) {
        if self.until > self.now {
            return;
        }
        match self.state {
            IocState::Reset if !self.faults.stuck_in_reset && !self.diagnostic.is_held() => {
                self.state = IocState::Ready;
            }
            IocState::CoreDump(code) => self.state = IocState::Fault(code),
            _ => {}
        }
    }
}
