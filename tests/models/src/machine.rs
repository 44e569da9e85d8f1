//! A whole driver: a thread for each vector, submitters, spurious interrupts, and Control with a reset in between.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex as Plain, OnceLock};

use hba_core::command::Refusal;
use hba_core::control::{Action, Control};
use hba_core::queue::Batch;
use hba_core::sync::{Inert, Kick, SharedQueue};

use crate::checker::{Mutex, lock, thread};
use crate::rig::{DeviceRing, ModelControl, NOW, NoRegisters, Queue, Rig, request};

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    pub vectors: usize,
    pub submitters: usize,
    /// Commands of one submitter; each is followed by another one on the next vector.
    pub commands: u64,
    pub depth: u16,
}

struct Lane {
    queue: SharedQueue<Queue<16>>,
    kick: Kick,
    thread: OnceLock<thread::Thread>,
    device: Mutex<DeviceRing>,
    /// Commands that were refused and are to be sent when the vector is looked at again.
    waiting: Plain<Vec<u64>>,
}

impl Lane {
    /// What an interrupt handler does.
    fn raise(&self) {
        if let Some(thread) = self.thread.get()
            && self.kick.raise()
        {
            thread.unpark();
        }
    }
}

struct World {
    lanes: Vec<Lane>,
    /// Cookies that have ended, and how many there will be.
    ended: Plain<BTreeSet<u64>>,
    total: usize,
    /// The highest cookie of a submitter's own; those above follow.
    own: u64,
}

impl Machine {
    /// Runs it to the end.
    ///
    /// # Panics
    ///
    /// If a command does not end, or twice, or a queue keeps one.
    pub fn run(self) {
        let Rig { control, queues, rings, .. } = Rig::<16>::new(self.vectors, self.depth);
        let own = self.submitters as u64 * self.commands;
        let lane = |(queue, device)| Lane {
            queue: SharedQueue::new(queue),
            kick: Kick::new(),
            thread: OnceLock::new(),
            device: Mutex::new(device),
            waiting: Plain::default(),
        };
        let lanes = queues.into_iter().zip(rings).map(lane).collect();
        let (ended, total) = (Plain::default(), 2 * own as usize);
        let world = Arc::new(World { lanes, ended, total, own });
        let spawn = |work: Box<dyn FnOnce(&World) + Send>| {
            let world = Arc::clone(&world);
            thread::spawn(move || work(&world))
        };
        let mut threads = Vec::new();
        for at in 0..self.vectors {
            let thread = spawn(Box::new(move |world| world.serve(at)));
            assert!(world.lanes[at].thread.set(thread.thread().clone()).is_ok());
            threads.push(thread);
        }
        for at in 0..self.submitters as u64 {
            threads.push(spawn(Box::new(move |world| {
                for n in 0..self.commands {
                    let cookie = at * self.commands + n;
                    world.submit(None, cookie as usize % world.lanes.len(), cookie);
                }
            })));
        }
        threads.push(spawn(Box::new(|world| world.lanes.iter().for_each(Lane::raise))));
        threads.push(spawn(Box::new(|world| world.reset(control))));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let world = Arc::into_inner(world).expect("every thread has ended");
        assert_eq!(world.ended.into_inner().unwrap().len(), world.total);
        for lane in world.lanes {
            let queue = lane.queue.into_inner();
            assert_eq!(queue.outstanding(), 0);
            assert_eq!(queue.counters().submitted, queue.counters().completed);
        }
    }
}

impl World {
    fn is_over(&self) -> bool {
        self.ended.lock().unwrap().len() == self.total
    }

    /// A vector's thread.
    fn serve(&self, at: usize) {
        let lane = &self.lanes[at];
        let mut batch = Batch::new(2);
        loop {
            lane.kick.take();
            loop {
                let Ok(turn) = lane.queue.service(&mut batch) else {
                    break;
                };
                let left = turn.leave();
                let cookies: Vec<_> = left.values.drain().map(|d| d.completion.cookie.0).collect();
                cookies.into_iter().for_each(|cookie| self.end(at, cookie));
                if !left.again && !left.words.more {
                    break;
                }
            }
            let waiting = core::mem::take(&mut *lane.waiting.lock().unwrap());
            waiting.into_iter().for_each(|cookie| self.submit(Some(at), at, cookie));
            if self.is_over() {
                return self.lanes.iter().for_each(Lane::raise);
            }
            if lane.kick.leave() {
                thread::park();
            }
        }
    }

    fn end(&self, at: usize, cookie: u64) {
        assert!(self.ended.lock().unwrap().insert(cookie), "command {cookie} ended twice");
        if cookie < self.own {
            // From the completion, outside of every queue: the next command, on the next vector.
            self.submit(Some(at), (at + 1) % self.lanes.len(), cookie + self.own);
        }
    }

    /// `by` is the vector whose thread this is.
    fn submit(&self, by: Option<usize>, at: usize, cookie: u64) {
        let lane = &self.lanes[at];
        let accepted = match lane.queue.submit(request(cookie), NOW) {
            Err(_) => false,
            Ok(turn) => {
                let word = turn.words().as_ref().map(|s| s.doorbell.value).ok();
                if let Some(word) = word {
                    // The device answers at once, and interrupts.
                    lock(&lane.device).post(word);
                    lane.raise();
                }
                let left = turn.leave();
                if left.again {
                    lane.raise();
                }
                if let Err(rejected) = left.words {
                    assert!(matches!(rejected.reason, Refusal::QueueFull | Refusal::Stopped));
                }
                word.is_some()
            }
        };
        if !accepted {
            lane.waiting.lock().unwrap().push(cookie);
            // A completion is coming, somebody is in, or a reset ends: each raises the vector's kick, after this refusal. The
            // vector's own thread finds that when it leaves; any other may be late with its note.
            if by != Some(at) {
                lane.raise();
            }
        }
    }

    /// Control's thread: one reset, from the freeze to the end.
    fn reset(&self, mut control: Control<ModelControl<16>>) {
        control.request_reset(NOW);
        while !control.is_operational() {
            while let Some(action) = control.poll_action() {
                match action {
                    Action::Quiesce(vector) => {
                        let lane = &self.lanes[usize::from(vector.0)];
                        let token = lane.carry((), |queue, ()| ((), queue.quiesce()));
                        control.handle_quiesced(token, NOW);
                    }
                    action => self.carry(action),
                }
            }
            if !control.is_operational() {
                // Every queue has stopped; the device forgets.
                self.lanes.iter().for_each(|lane| lock(&lane.device).restart());
                let _ = control.step(NOW, &mut NoRegisters);
            }
        }
        while let Some(action) = control.poll_action() {
            self.carry(action);
        }
        self.lanes.iter().for_each(Lane::raise);
    }

    fn carry(&self, action: Action) {
        let Some(vector) = action.vector() else { return };
        self.lanes[usize::from(vector.0)].carry(action, |queue, action| {
            assert!(action.apply(queue).is_none(), "no ticket is out");
            ((), ())
        });
    }
}

impl Lane {
    fn carry<A: Inert, V>(
        &self,
        mut input: A,
        turn: impl Fn(&mut Queue<16>, A) -> ((), V) + Copy,
    ) -> V {
        loop {
            match self.queue.enter(input, turn) {
                Ok(entered) => {
                    let left = entered.leave();
                    if left.again {
                        self.raise();
                    }
                    return left.values;
                }
                Err(busy) => {
                    input = busy.input;
                    thread::yield_now();
                }
            }
        }
    }
}
