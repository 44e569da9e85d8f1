//! What Control gives out, on its way to the queues: nobody waits at a queue that somebody is in.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::lane::Lane;
use super::platform::Clock;
use crate::command::Failure;
use crate::control::{Action, Control};
use crate::dma::DataBuffer;
use crate::port::{ControlPort, QueuePort};
use crate::queue::{IoQueue, Vector};
use crate::register::Registers;
use crate::time::Instant;

/// The lanes, by vector.
type Lanes<Q, R, C, D> = [Arc<Lane<Q, R, C, D>>];

/// What could not be carried yet.
#[derive(Debug, Default)]
pub(super) struct Carriage {
    actions: VecDeque<Action>,
    /// Queues that are to stop as soon as they have no more to give, and passes that they still get.
    stopping: Vec<Vector>,
    passes: u32,
    /// Lanes that are to accept no ordinary command, and those whose commands are to end.
    closing: Vec<usize>,
    gone: Vec<(usize, Failure)>,
}

/// How a round ended.
pub(super) struct Round {
    /// Everything is where it belongs.
    pub(super) complete: bool,
    /// Something went to a queue, which is worth a look then.
    pub(super) carried: bool,
}

/// Passes that a queue gets before it is stopped with replies pending.
const PASSES_BEFORE_STOP: u32 = 64;

impl Carriage {
    /// Takes what Control gave out for a queue.
    pub(super) fn load(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    /// Whether no action waits.
    pub(super) fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    /// Whether a queue waits for its stop.
    pub(super) fn is_stopping(&self) -> bool {
        !self.stopping.is_empty()
    }

    /// No lane is to accept an ordinary command any more.
    pub(super) fn close_all<Q: QueuePort, R: Registers + Clone, C: Clock, D: DataBuffer>(
        &mut self,
        lanes: &Lanes<Q, R, C, D>,
    ) {
        self.closing = (0..lanes.len()).collect();
        self.close(lanes);
    }

    fn close<Q: QueuePort, R: Registers + Clone, C: Clock, D: DataBuffer>(
        &mut self,
        lanes: &Lanes<Q, R, C, D>,
    ) {
        self.closing.retain(|at| lanes[*at].enter((), |shard, ()| shard.close()).is_err());
    }

    /// Carries what can be carried now.
    pub(super) fn carry_all<P: ControlPort, R: Registers + Clone, C: Clock, D: DataBuffer>(
        &mut self,
        lanes: &Lanes<P::Queue, R, C, D>,
        control: &mut Control<P>,
    ) -> Round {
        self.close(lanes);
        let mut carried = false;
        while let Some(action) = self.actions.pop_front() {
            let Some(vector) = self.address(&action, lanes.len()) else { continue };
            let Some(lane) = lanes.get(usize::from(vector.0)) else { continue };
            match lane.carry(action, |queue, action| action.apply(queue)) {
                Ok(Some(redeemed)) => control.handle_redeemed(redeemed),
                Ok(None) => {}
                Err(action) => {
                    self.actions.push_front(action);
                    return Round { complete: false, carried };
                }
            }
            carried = true;
        }
        while let Some((at, failure)) = self.gone.pop() {
            let end = |queue: &mut IoQueue<_, _>, action: Action| action.apply(queue);
            if lanes[at].carry(Action::Gone(failure), end).is_err() {
                self.gone.push((at, failure));
                return Round { complete: false, carried };
            }
            carried = true;
        }
        Round { complete: self.closing.is_empty(), carried }
    }

    /// The vector that an action is for. What is for all of them, or is not due yet, is noted here.
    fn address(&mut self, action: &Action, lanes: usize) -> Option<Vector> {
        match action {
            Action::Quiesce(vector) => {
                self.stopping.push(*vector);
                self.passes = PASSES_BEFORE_STOP;
                None
            }
            Action::Gone(failure) => {
                self.stopping.clear();
                self.gone.extend((0..lanes).map(|at| (at, *failure)));
                None
            }
            action => action.vector(),
        }
    }

    /// Stops the queues that are to stop, once everything that the device did complete is taken: unless replies are `pending`.
    pub(super) fn stop_queues<P: ControlPort, R: Registers + Clone, C: Clock, D: DataBuffer>(
        &mut self,
        pending: bool,
        lanes: &Lanes<P::Queue, R, C, D>,
        control: &mut Control<P>,
        now: Instant,
    ) {
        if self.stopping.is_empty() || pending && self.passes > 0 {
            self.passes = self.passes.saturating_sub(1);
            return;
        }
        self.stopping.retain(|vector| {
            let Some(lane) = lanes.get(usize::from(vector.0)) else { return false };
            let quiesced = lane.enter((), |shard, ()| shard.queue.quiesce());
            quiesced.map(|quiesced| control.handle_quiesced(quiesced, now)).is_err()
        });
    }
}
