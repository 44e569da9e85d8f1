//! The field report: serial dispatch queues with synchronous dispatch, one for each of several interrupt vectors.

use std::sync::Arc;

use hba_core::sync::{Inbox, SharedQueue, mailbox};

use crate::checker::{Condvar, Mutex, lock, thread};
use crate::{Bug, Scenario, Twin};

pub(crate) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "report",
    sizes: &[(2, None), (3, Some(2))],
    run: completions_that_submit,
    twins: &[
        Twin {
            name: "dispatches onto its own queue",
            bug: Bug::User,
            says: "dispatch_sync called on queue already owned by current thread",
        },
        Twin { name: "dispatches onto the next queue", bug: Bug::User, says: "deadlock" },
    ],
}];

/// A serial queue as a dispatch framework has it: one piece of work at a time, and a caller that waits for its turn.
struct SerialQueue {
    owner: Mutex<Option<usize>>,
    free: Condvar,
}

impl SerialQueue {
    fn new() -> Self {
        Self { owner: Mutex::new(None), free: Condvar::new() }
    }

    /// Runs `work` on this queue, on the calling thread, once nobody else is on it.
    fn dispatch_sync(&self, thread: usize, work: impl FnOnce()) {
        let mut owner = lock(&self.owner);
        assert!(
            *owner != Some(thread),
            "dispatch_sync called on queue already owned by current thread"
        );
        while owner.is_some() {
            owner = self.free.wait(owner).unwrap();
        }
        *owner = Some(thread);
        drop(owner);
        work();
        *lock(&self.owner) = None;
        self.free.notify_one();
    }
}

/// Each vector's handler completes a command, and the completion sends the next one: to the queue of whatever vector it was
/// dealt, which is its own now and then.
fn completions_that_submit(vectors: usize, twin: &str) {
    match twin {
        "dispatches onto its own queue" => naive(vectors, |vector, _| vector),
        "dispatches onto the next queue" => naive(vectors, |vector, count| (vector + 1) % count),
        _ => ours(vectors),
    }
}

/// The handler runs on the vector's queue; the completion enters the other by a synchronous dispatch.
fn naive(vectors: usize, next: fn(usize, usize) -> usize) {
    let queues: Arc<Vec<_>> = Arc::new((0..vectors).map(|_| SerialQueue::new()).collect());
    let vector = |at: usize| {
        let queues = Arc::clone(&queues);
        thread::spawn(move || {
            let submit = || queues[next(at, queues.len())].dispatch_sync(at, || {});
            queues[at].dispatch_sync(at, submit);
        })
    };
    let threads: Vec<_> = (0..vectors).map(vector).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// The same work with entries that never wait. A completion posts its command and then interrupts, as it were: whoever is in
/// the queue takes it along.
fn ours(vectors: usize) {
    let (mut outboxes, mut inboxes): (Vec<_>, Vec<_>) = (Vec::new(), Vec::new());
    for _ in 0..2 * vectors {
        let (outbox, inbox) = mailbox(1);
        outboxes.push(Some(outbox));
        inboxes.push(inbox);
    }
    let mut inboxes = inboxes.into_iter();
    let queues: Arc<Vec<_>> = Arc::new(
        core::iter::from_fn(|| Some([inboxes.next()?, inboxes.next()?]))
            .map(|commands| SharedQueue::new(Vector { commands, submitted: 0 }))
            .collect(),
    );
    let mut vector = |at: usize| {
        let queues = Arc::clone(&queues);
        let next = (at + 1) % vectors;
        let outboxes = [(at, outboxes[2 * at].take()), (next, outboxes[2 * next + 1].take())];
        thread::spawn(move || {
            // The completion, with nobody's queue in hand: its own queue is as good as any other.
            for (to, outbox) in outboxes {
                assert!(outbox.is_some_and(|mut outbox| outbox.post(1).is_ok()));
                while queues[to].enter((), Vector::handle).is_ok_and(|turn| turn.leave().again) {}
            }
        })
    };
    let threads: Vec<_> = (0..vectors).map(&mut vector).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    for queue in Arc::into_inner(queues).unwrap() {
        assert_eq!(queue.into_inner().submitted, 2, "one from itself, one from its neighbour");
    }
}

struct Vector {
    commands: [Inbox<u32>; 2],
    submitted: u32,
}

impl Vector {
    fn handle(&mut self, (): ()) -> ((), ()) {
        self.submitted += self.commands.iter_mut().filter_map(Inbox::take).sum::<u32>();
        ((), ())
    }
}
