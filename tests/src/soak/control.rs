//! Control's thread.

use alloc::collections::VecDeque;
use core::sync::atomic::Ordering;
use core::time::Duration;
use std::thread;

use hba_core::control::{Action, Control, ControlEvent};
use hba_core::register::Registers;
use hba_core::sync::{Entered, Inert};
use sim_backend::direct::DirectControl;

use super::ledger::count;
use super::world::{ControlEnd, Note, Phase, World};

struct Thread<'w> {
    world: &'w World,
    end: ControlEnd,
    registers: &'w mut dyn Registers,
    /// What could not be carried yet: somebody was in the queue, or the mailbox was full.
    held: VecDeque<(usize, Action)>,
}

pub(super) fn run(world: &World, end: ControlEnd) {
    let registers = &mut world.machine.registers();
    let mut this = Thread { world, end, registers, held: VecDeque::new() };
    let mut told = false;
    while world.phase() != Phase::Ended {
        let worked = this.turn();
        if world.phase() == Phase::Stopping {
            if !core::mem::replace(&mut told, true) {
                this.control().shutdown();
            }
            if this.control().stopped().is_some() && this.held.is_empty() {
                world.enter(Phase::Ended);
            }
        }
        let idle = !worked && !this.control().is_recovering();
        world.control_is_idle.store(idle, Ordering::Release);
        if !worked {
            thread::sleep(Duration::from_micros(50));
        }
    }
}

impl Thread<'_> {
    fn control(&mut self) -> &mut Control<DirectControl> {
        &mut self.end.control
    }

    /// Whether there was anything to do.
    fn turn(&mut self) -> bool {
        let mut worked = self.take_notes();
        worked |= self.carry_all();
        // Ports rely on it that restarts are carried before the next step.
        if !self.held.is_empty() {
            thread::yield_now();
            return true;
        }
        let now = self.world.now();
        let _ = self.end.control.step(now, &mut *self.registers);
        while let Some(action) = self.end.control.poll_action() {
            worked = true;
            self.sort(action);
        }
        while let Some(event) = self.end.control.poll_event() {
            match event {
                ControlEvent::ResetBegun(_) => count(&self.world.counts.resets),
                ControlEvent::BringUpFailed(_) | ControlEvent::GivenUp | ControlEvent::Gone => {
                    panic!("{event}")
                }
                _ => {}
            }
        }
        worked
    }

    fn take_notes(&mut self) -> bool {
        let (now, mut worked) = (self.world.now(), false);
        let ControlEnd { control, notes, .. } = &mut self.end;
        for inbox in notes {
            while let Some(note) = inbox.take() {
                worked = true;
                match note {
                    Note::Ticket(ticket) => control.handle_ticket(ticket),
                    Note::Message(message) => {
                        control.handle_message(&message, now, &mut *self.registers);
                    }
                    Note::Drained(mark) => control.handle_drained(mark, now),
                    Note::Quiesced(token) => control.handle_quiesced(token, now),
                    Note::Reset => control.request_reset(now),
                }
            }
        }
        worked
    }

    fn sort(&mut self, action: Action) {
        let vector = match &action {
            Action::Gone(failure) => {
                let ends = (0..self.world.lanes.len()).map(|at| (at, Action::Gone(*failure)));
                return self.held.extend(ends);
            }
            action => action.vector().unwrap_or_else(|| panic!("{action:?}")),
        };
        self.held.push_back((vector.0.into(), action));
    }

    /// Whether anything was carried.
    fn carry_all(&mut self) -> bool {
        let before = self.held.len();
        for _ in 0..before {
            let Some((at, action)) = self.held.pop_front() else { break };
            if let Err(action) = self.carry(at, action) {
                // The order of one vector is kept: those behind it wait, too.
                self.held.push_front((at, action));
                break;
            }
        }
        before != self.held.len()
    }

    fn carry(&mut self, at: usize, action: Action) -> Result<(), Action> {
        let lane = &self.world.lanes[at];
        match action {
            // The vector's own thread does these.
            Action::Quiesce(_) | Action::Drain(_) => {
                self.end.actions[at].post(action).map_err(|full| full.value)?;
            }
            action => {
                let entered = lane
                    .queue
                    .enter(Carried(action), |queue, Carried(action)| (action.apply(queue), ()));
                let left = entered.map(Entered::leave).map_err(|busy| busy.input.0)?;
                if let Some(redeemed) = left.words {
                    self.end.control.handle_redeemed(redeemed);
                }
            }
        }
        lane.raise();
        Ok(())
    }
}

/// Dropping an action runs nobody's code.
struct Carried(Action);

impl Inert for Carried {}
