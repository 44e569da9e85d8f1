//! The thread of one vector.

use alloc::collections::VecDeque;
use core::time::Duration;
use std::thread;

use hba_core::control::Action;
use hba_core::sync::{Entered, Inbox};

use super::hand::Hand;
use super::world::{Note, Phase, VectorEnd, World};

struct Thread<'w> {
    hand: Hand<'w>,
    vector: usize,
    actions: Inbox<Action>,
    /// What could not be carried yet: somebody was in the queue.
    held: VecDeque<Action>,
    /// The queue is to stop.
    stopping: bool,
}

/// Sleeps until the vector's kick is raised, and works until it is not.
pub(super) fn run(world: &World, end: VectorEnd) {
    let hand = Hand::new(world, end.notes);
    let VectorEnd { vector, actions, .. } = end;
    let mut this = Thread { hand, vector, actions, held: VecDeque::new(), stopping: false };
    let kick = world.lanes[vector].kick();
    while world.phase() != Phase::Ended {
        kick.take();
        this.turn();
        if kick.leave() {
            // An interrupt that was lost costs this much.
            let wait = if this.is_idle() { 5_000 } else { 50 };
            thread::park_timeout(Duration::from_micros(wait));
        }
    }
}

impl Thread<'_> {
    fn turn(&mut self) {
        self.held.extend(core::iter::from_fn(|| self.actions.take()));
        while let Some(action) = self.held.pop_front() {
            if let Err(action) = self.carry(action) {
                self.held.push_front(action);
                break;
            }
        }
        self.hand.todo |= 1 << self.vector;
        self.hand.settle();
        self.hand.look_for_deadlines(self.vector);
        self.stop();
        self.hand.settle();
    }

    fn is_idle(&self) -> bool {
        self.held.is_empty() && !self.stopping && !self.hand.is_held_up()
    }

    fn carry(&mut self, action: Action) -> Result<(), Action> {
        match action {
            Action::Quiesce(_) => self.stopping = true,
            action => {
                let queue = &self.hand.world.lanes[self.vector].queue;
                let entered = queue.enter(action, |queue, action| (action.apply(queue), ()));
                entered.map(Entered::leave).map(drop).map_err(|busy| busy.input)?;
            }
        }
        Ok(())
    }

    /// Stops the queue, if it is to stop; [`Hand::settle`] has just found it empty.
    fn stop(&mut self) {
        if !self.stopping {
            return;
        }
        let queue = &self.hand.world.lanes[self.vector].queue;
        if let Ok(turn) = queue.enter((), |queue, ()| ((), queue.quiesce())) {
            let token = turn.leave().values;
            self.hand.tell(Note::Quiesced(token));
            self.stopping = false;
        }
    }
}
