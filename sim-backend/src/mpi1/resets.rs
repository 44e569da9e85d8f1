//! Resets: what each forgets, how long it takes, and what the targets notice.

use core::time::Duration;

use super::Mpi1Controller;
use super::events::Events;
use super::messages::{Init, PortEnable};
use super::registers::{INT_DOORBELL, INT_REPLY, IocState};
use super::replies::Replies;
use crate::target::Target;

impl Mpi1Controller {
    /// The host writes the diagnostic register.
    pub(super) fn write_diagnostic(&mut self, value: u32) {
        if self.diagnostic.write(value) {
            self.reset_adapter();
        }
    }

    /// Source of the states in which it is obeyed: bring-up order of the Linux driver; QEMU measured.
    pub(super) fn reset_message_unit(&mut self) {
        let faulted = matches!(self.state, IocState::Fault(_));
        let behaviour = &self.personality.behaviour;
        let refused = faulted && !behaviour.message_unit_reset_clears_fault;
        if refused || self.faults.ignore_message_unit_reset {
            return;
        }
        let takes = behaviour.message_unit_reset_time;
        let bus_reset = behaviour.reset_counts_nothing;
        self.forget_messages();
        if bus_reset {
            self.topology.targets_mut().for_each(Target::target_reset);
        } else {
            self.init = Init::new(&self.personality.facts);
        }
        self.begin_reset(takes);
    }

    fn reset_adapter(&mut self) {
        let behaviour = &self.personality.behaviour;
        let takes = behaviour.diagnostic_reset_time;
        let bus_reset = behaviour.reset_counts_nothing;
        let who_init = self.init.who_init;
        self.forget_messages();
        self.diagnostic.note_reset();
        self.interrupts.set_mask(INT_REPLY | INT_DOORBELL);
        self.init = Init::new(&self.personality.facts);
        if bus_reset {
            self.init.who_init = who_init;
            self.topology.targets_mut().for_each(Target::target_reset);
        } else {
            self.topology.targets_mut().for_each(Target::i_t_nexus_loss);
        }
        self.begin_reset(takes);
    }

    /// Drops every message, reply and event. Commands in flight never answer.
    pub(super) fn forget_messages(&mut self) {
        self.fifos.clear();
        self.interrupts.reset();
        self.replies = Replies::default();
        self.tasks.clear();
        self.parked_aborts.clear();
        self.events = Events::default();
        self.port_enable = PortEnable::default();
        self.doorbell_word = None;
        if !self.personality.behaviour.handshake_survives_reset {
            self.handshake.end();
        }
    }

    fn begin_reset(&mut self, takes: Duration) {
        self.state = IocState::Reset;
        self.reset_until = self.now + takes;
        self.finish_reset();
    }

    pub(super) fn finish_reset(&mut self) {
        let due = self.reset_until <= self.now && !self.faults.stuck_in_reset;
        if self.state == IocState::Reset && due {
            self.state = IocState::Ready;
        }
    }
}
