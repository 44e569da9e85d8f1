//! Who enters a queue, when, and while holding what: l01, l02, l03, l15, l22.

use std::sync::Arc;

use hba_core::sync::{Entered, Planted, SharedQueue};

use crate::checker::{AtomicU32, Checked, Mutex, Ordering, lock, thread};
use crate::{Bug, Scenario, Twin};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "l01",
        sizes: &[(2, None), (3, Some(2))],
        run: same_queue_again,
        twins: &[
            Twin { name: "waits for itself", bug: Bug::User, says: "deadlock" },
            Twin { name: "bare thread id", bug: Bug::User, says: "Concurrent" },
            Twin {
                name: "enters without atomicity",
                bug: Bug::Shipped(Planted::EnterLooksThenOwns),
                says: "Concurrent",
            },
        ],
    },
    Scenario {
        name: "l02",
        sizes: &[(2, None), (3, Some(2))],
        run: each_needs_the_other,
        twins: &[Twin { name: "locks both", bug: Bug::User, says: "deadlock" }],
    },
    Scenario {
        name: "l03",
        sizes: &[(2, None)],
        run: arming_a_timer,
        twins: &[Twin { name: "arms under its lock", bug: Bug::User, says: "deadlock" }],
    },
    Scenario {
        name: "l15",
        sizes: &[(2, None), (3, Some(2))],
        run: teardown,
        twins: &[Twin {
            name: "closes without a look",
            bug: Bug::Shipped(Planted::CloseDoesNotLook),
            says: "Concurrent",
        }],
    },
    Scenario {
        name: "l15 from within",
        sizes: &[(2, None), (3, Some(2))],
        run: teardown_from_within,
        twins: &[],
    },
    Scenario {
        name: "l22",
        sizes: &[(2, None), (3, Some(2))],
        run: migration,
        twins: &[Twin {
            name: "leaves without release",
            bug: Bug::Shipped(Planted::LeaveIsRelaxed),
            says: "Concurrent",
        }],
    },
];

/// Work that is asked for from outside and done by whoever is in.
struct Desk {
    asked: Arc<AtomicU32>,
    done: u32,
}

impl Desk {
    fn work(&mut self) {
        self.done = self.asked.load(Ordering::Acquire);
    }
}

fn desk() -> (Arc<AtomicU32>, Arc<SharedQueue<Desk>>) {
    let asked = Arc::new(AtomicU32::new(0));
    (Arc::clone(&asked), Arc::new(SharedQueue::new(Desk { asked, done: 0 })))
}

/// An interrupt: work until nobody was refused meanwhile.
fn interrupt(queue: &SharedQueue<Desk>) {
    while queue.enter((), |desk, ()| (desk.work(), ())).is_ok_and(|turn| turn.leave().again) {}
}

/// A handler's completion enters the queue that the handler is in, as every vector does at the same time.
fn same_queue_again(vectors: usize, twin: &str) {
    if twin == "waits for itself" {
        let queue = Mutex::new(0);
        let outer = lock(&queue);
        *lock(&queue) += 1;
        drop(outer);
        return;
    }
    if twin == "bare thread id" {
        return bare_thread_id(vectors);
    }
    let (asked, queue) = desk();
    let vector = |at: usize| {
        let (asked, queue) = (Arc::clone(&asked), Arc::clone(&queue));
        thread::spawn(move || {
            asked.fetch_add(1, Ordering::Release);
            if at > 0 {
                return interrupt(&queue);
            }
            let Ok(turn) = queue.enter((), |desk, ()| (desk.work(), ())) else {
                return;
            };
            // A completion that is handed out while the queue is still owned.
            asked.fetch_add(1, Ordering::Release);
            let inner = queue.enter((), |desk, ()| (desk.work(), ()));
            assert!(inner.is_err(), "it is in already");
            assert!(turn.leave().again, "somebody was refused: its own completion");
            interrupt(&queue);
        })
    };
    let threads: Vec<_> = (0..vectors).map(vector).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let queue = Arc::into_inner(queue).unwrap().into_inner();
    assert_eq!(queue.done, asked.load(Ordering::Acquire), "work was asked for and not done");
}

/// The owner is known by its thread's number, which the system has given out again.
fn bare_thread_id(vectors: usize) {
    const RECYCLED: u32 = 7;
    let shared = Arc::new((AtomicU32::new(0), Checked::new(0)));
    let vector = |_| {
        let shared = Arc::clone(&shared);
        thread::spawn(move || {
            let (owner, state) = &*shared;
            let free = owner.compare_exchange(0, RECYCLED, Ordering::AcqRel, Ordering::Acquire);
            if free.is_ok() || free == Err(RECYCLED) {
                state.write(|state| *state += 1);
                owner.store(0, Ordering::Release);
            }
        })
    };
    let threads: Vec<_> = (0..vectors).map(vector).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// Each vector's completions want to go on on the next vector's queue.
fn each_needs_the_other(vectors: usize, twin: &str) {
    if twin == "locks both" {
        let queues: Arc<Vec<_>> = Arc::new((0..vectors).map(|_| Mutex::new(0)).collect());
        let vector = |at: usize| {
            let queues = Arc::clone(&queues);
            thread::spawn(move || {
                let mut own = lock(&queues[at]);
                *lock(&queues[(at + 1) % queues.len()]) += 1;
                *own += 1;
            })
        };
        let threads: Vec<_> = (0..vectors).map(vector).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        return;
    }
    let queues: Arc<Vec<_>> = Arc::new((0..vectors).map(|_| SharedQueue::new(0_u32)).collect());
    let vector = |at: usize| {
        let queues = Arc::clone(&queues);
        thread::spawn(move || {
            let take = |count: &mut u32, ()| (*count, ());
            // Its own queue; if somebody is in, that one takes what there is.
            if let Ok(turn) = queues[at].enter((), take) {
                let _ = turn.leave();
            }
            // The other's, with something in hand that must get there.
            let put = |count: &mut u32, more: u32| (*count += more, ());
            while let Err(busy) = queues[(at + 1) % queues.len()].enter(1, put) {
                assert_eq!(busy.input, 1, "it comes back");
                thread::yield_now();
            }
        })
    };
    let threads: Vec<_> = (0..vectors).map(vector).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    for queue in Arc::into_inner(queues).unwrap() {
        assert_eq!(queue.into_inner(), 1);
    }
}

/// A vector arms a timer whose handler wants the vector's queue. The timer has a lock, which its handler runs under.
fn arming_a_timer(_: usize, twin: &str) {
    let timer = Arc::new(Mutex::new(0));
    if twin == "arms under its lock" {
        let queue = Arc::new(Mutex::new(0));
        let (timer2, queue2) = (Arc::clone(&timer), Arc::clone(&queue));
        let vector = thread::spawn(move || {
            let deadline = lock(&queue2);
            *lock(&timer2) = *deadline;
        });
        let fired = lock(&timer);
        *lock(&queue) += 1;
        drop(fired);
        vector.join().unwrap();
        return;
    }
    let queue = Arc::new(SharedQueue::new(0_u32));
    let (timer2, queue2) = (Arc::clone(&timer), Arc::clone(&queue));
    let vector = thread::spawn(move || {
        let deadline = |state: &mut u32, ()| (*state, ());
        // Out of the queue first; the timer is armed with a value.
        let left = queue2.enter((), deadline).map(|turn| turn.leave().words);
        *lock(&timer2) = left.unwrap_or_default();
    });
    let fired = lock(&timer);
    // Even under a foreign lock an entry does not wait.
    let turn = queue.enter((), |state, ()| (*state += 1, ()));
    let _ = turn.map(Entered::leave);
    drop(fired);
    vector.join().unwrap();
}

/// The queue is closed while handlers may be in it; what it worked on goes away when none is.
fn teardown(vectors: usize, _: &str) {
    let (memory, queue) = mapped();
    let threads: Vec<_> = (0..vectors).map(|_| handler(&memory, &queue, false)).collect();
    if queue.close() {
        memory.write(|mapped| *mapped = false);
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    memory.read(|mapped| assert!(!mapped, "nobody tore it down"));
}

/// The same, closed by a handler from within its own turn, which does not wait for itself.
fn teardown_from_within(vectors: usize, _: &str) {
    let (memory, queue) = mapped();
    let threads: Vec<_> = (0..vectors).map(|at| handler(&memory, &queue, at == 0)).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

struct Handler(Arc<Checked<bool>>);

fn mapped() -> (Arc<Checked<bool>>, Arc<SharedQueue<Handler>>) {
    let memory = Arc::new(Checked::new(true));
    (Arc::clone(&memory), Arc::new(SharedQueue::new(Handler(memory))))
}

/// One handler's run; the last one tears down.
fn handler(
    memory: &Arc<Checked<bool>>,
    queue: &Arc<SharedQueue<Handler>>,
    closes: bool,
) -> thread::JoinHandle<()> {
    let (memory, queue) = (Arc::clone(memory), Arc::clone(queue));
    let handle = |handler: &mut Handler, ()| {
        handler.0.read(|mapped| assert!(*mapped, "a handler runs after its queue was torn down"));
        ((), ())
    };
    thread::spawn(move || {
        let Ok(turn) = queue.enter((), handle) else {
            return;
        };
        if closes {
            assert!(!queue.close(), "this turn is in");
        }
        if turn.leave().last {
            memory.write(|mapped| *mapped = false);
        }
    })
}

/// The vector moves from thread to thread while entries wait.
fn migration(vectors: usize, _: &str) {
    struct Line {
        waiting: Vec<u32>,
        memory: Checked<u32>,
    }
    let line = Line { waiting: (0..2).rev().collect(), memory: Checked::new(0) };
    let queue = Arc::new(SharedQueue::new(line));
    let taken = Arc::new(std::sync::Mutex::new(Vec::new()));
    let vector = |_| {
        let (queue, taken) = (Arc::clone(&queue), Arc::clone(&taken));
        thread::spawn(move || {
            let take = |line: &mut Line, ()| {
                line.memory.write(|count| *count += 1);
                (line.waiting.pop(), ())
            };
            loop {
                let Ok(turn) = queue.enter((), take) else {
                    return;
                };
                let epoch = turn.epoch().0;
                let left = turn.leave();
                taken.lock().unwrap().extend(left.words.map(|entry| (epoch, entry)));
                if left.words.is_none() && !left.again {
                    return;
                }
            }
        })
    };
    let threads: Vec<_> = (0..vectors).map(vector).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let mut taken = taken.lock().unwrap().clone();
    taken.sort_unstable();
    let order: Vec<_> = taken.iter().map(|(_, entry)| *entry).collect();
    assert_eq!(order, [0, 1], "in order, each once");
}
