//! Interrupts against the worker that they wake: l08, l09, l10, l23, l24.

use std::sync::Arc;

use hba_core::queue::{Batch, IoQueue};
use hba_core::sync::{Kick, PhaseRing, Planted, SharedQueue};

use crate::checker::{Checked, thread};
use crate::rig::{DeviceRing, ModelPort, Queue, Rig, look, submit};
use crate::{Bug, Scenario, Twin};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "l08",
        sizes: &[(2, None), (3, Some(2))],
        run: owner_is_leaving,
        twins: &[
            Twin {
                name: "forgets who was refused",
                bug: Bug::Shipped(Planted::LeaveForgetsTheRefused),
                says: "nobody took it",
            },
            Twin { name: "does not look again", bug: Bug::User, says: "nobody took it" },
        ],
    },
    Scenario {
        name: "l09",
        sizes: &[(1, None), (2, Some(3))],
        run: between_last_look_and_sleep,
        twins: &[
            Twin {
                name: "leaves without a look",
                bug: Bug::Shipped(Planted::KickLeavesBlindly),
                says: "deadlock",
            },
            Twin {
                name: "raises without release",
                bug: Bug::Shipped(Planted::KickIsRelaxed),
                // The worker was told to look, and does not see what it was told of.
                says: "deadlock",
            },
        ],
    },
    Scenario {
        name: "l10",
        sizes: &[(1, None), (2, Some(2))],
        run: polling_and_interrupts,
        twins: &[Twin {
            name: "enters without atomicity",
            bug: Bug::Shipped(Planted::EnterLooksThenOwns),
            says: "Concurrent",
        }],
    },
    Scenario {
        name: "l23",
        sizes: &[(2, None), (3, Some(2))],
        run: spurious,
        twins: &[Twin { name: "one table for all", bug: Bug::User, says: "Concurrent" }],
    },
    Scenario {
        name: "l24",
        sizes: &[(2, None), (3, Some(2))],
        run: one_vector_for_all,
        twins: &[Twin { name: "takes the kick after its look", bug: Bug::User, says: "deadlock" }],
    },
];

/// One shared queue with `commands` commands out, and the doorbell words.
fn one_queue(commands: u16) -> (Arc<SharedQueue<Queue<16>>>, DeviceRing, Vec<u32>) {
    let Rig { mut queues, mut rings, .. } = Rig::<16>::new(1, commands);
    let mut queue = queues.remove(0);
    let words = (0..commands).map(|n| submit(&mut queue, n.into())).collect();
    (Arc::new(SharedQueue::new(queue)), rings.remove(0), words)
}

/// Several vectors' interrupts for one queue; the device posts while the one who is in is about to leave.
fn owner_is_leaving(vectors: usize, twin: &str) {
    let (queue, mut device, words) = one_queue(2);
    device.post(words[0]);
    let careless = twin == "does not look again";
    let visit = move |queue: &SharedQueue<Queue<16>>| {
        let mut ended = Vec::new();
        if careless {
            // As a plain busy flag has it: who finds it set returns, who set it clears it and returns.
            let mut batch = Batch::new(4);
            if let Ok(turn) = queue.service(&mut batch) {
                ended.extend(turn.leave().values.drain().map(|done| done.completion.cookie.0));
            }
        } else {
            look(queue, &mut ended);
        }
        ended
    };
    let interrupts: Vec<_> = (1..vectors)
        .map(|_| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || visit(&queue))
        })
        .collect();
    let last = {
        let queue = Arc::clone(&queue);
        thread::spawn(move || {
            device.post(words[1]);
            visit(&queue)
        })
    };
    let mut ended = last.join().unwrap();
    interrupts.into_iter().for_each(|thread| ended.extend(thread.join().unwrap()));
    ended.sort_unstable();
    assert_eq!(ended, [0, 1], "a reply was posted and nobody took it, or twice");
}

/// The worker masks by being at work: what is posted between its last look and its sleep wakes it, or is found.
fn between_last_look_and_sleep(raisers: usize, _: &str) {
    let kick = Arc::new(Kick::new());
    let worker = thread::current();
    let mut rings = Vec::new();
    let mut letters = Vec::new();
    let mut threads = Vec::new();
    for _ in 0..raisers {
        let mut device = DeviceRing::new(2);
        let letter = Arc::new(Checked::new(0));
        rings.push(PhaseRing::new(device.ring(), 2));
        letters.push(Arc::clone(&letter));
        let (kick, worker) = (Arc::clone(&kick), worker.clone());
        threads.push(thread::spawn(move || {
            for n in 1..=2 {
                if n == 1 {
                    // Ordered by the kick alone.
                    letter.write(|letter| *letter = n);
                }
                device.post(n);
                if kick.raise() {
                    worker.unpark();
                }
            }
        }));
    }
    let (mut taken, mut raised) = (0, false);
    loop {
        raised |= kick.take();
        if raised && raisers == 1 {
            letters[0].read(|letter| assert_eq!(*letter, 1));
        }
        for ring in &mut rings {
            while ring.take().is_some() {
                taken += 1;
            }
        }
        if taken == 2 * raisers {
            break;
        }
        if kick.leave() {
            thread::park();
        }
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// A poller and the interrupts' worker on one queue, under load.
fn polling_and_interrupts(pollers: usize, _: &str) {
    let (queue, mut device, words) = one_queue(2);
    let kick = Arc::new(Kick::new());
    let polls: Vec<_> = (0..pollers)
        .map(|_| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                let mut ended = Vec::new();
                look(&queue, &mut ended);
                ended
            })
        })
        .collect();
    let post = {
        let kick = Arc::clone(&kick);
        move || {
            for word in words {
                device.post(word);
                let _ = kick.raise();
            }
        }
    };
    // With one poller every order is tried, and the device's thread is the worker's, too: its interrupt comes on top.
    let device = if pollers > 1 {
        Some(thread::spawn(post))
    } else {
        post();
        None
    };
    // Interrupt mode, until there is nothing; then it hands over to polling.
    let mut ended = Vec::new();
    for _ in 0..2 {
        kick.take();
        look(&queue, &mut ended);
        if kick.leave() {
            break;
        }
    }
    device.into_iter().for_each(|thread| thread.join().unwrap());
    polls.into_iter().for_each(|thread| ended.extend(thread.join().unwrap()));
    look(&queue, &mut ended);
    ended.sort_unstable();
    assert_eq!(ended, [0, 1], "each once");
}

/// Every vector is interrupted; one has something.
fn spurious(vectors: usize, twin: &str) {
    let Rig { queues, mut rings, .. } = Rig::<16>::new(vectors, 1);
    let table = Arc::new(Checked::new(0));
    let shared = twin == "one table for all";
    let mut queues: Vec<_> = queues;
    let word = submit(&mut queues[0], 7);
    rings[0].post(word);
    let vector = |mut queue: IoQueue<ModelPort<16>, _>| {
        let table = Arc::clone(&table);
        thread::spawn(move || {
            let mut batch = Batch::new(1);
            if shared {
                table.write(|busy| *busy += 1);
            }
            let _ = queue.service(&mut batch);
            batch.len()
        })
    };
    let threads: Vec<_> = queues.into_iter().map(vector).collect();
    let ended: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!((ended[0], ended.iter().sum::<usize>()), (1, 1), "who had nothing did nothing");
}

/// As many queues as were asked for, one vector: one handler serves all, and sleeps.
fn one_vector_for_all(count: usize, twin: &str) {
    let Rig { mut queues, rings, .. } = Rig::<16>::new(count, 1);
    let words: Vec<_> = queues.iter_mut().zip(0..).map(|(q, n)| submit(q, n)).collect();
    let kick = Arc::new(Kick::new());
    let worker = thread::current();
    let post = |(mut device, word): (DeviceRing, u32)| {
        let (kick, worker) = (Arc::clone(&kick), worker.clone());
        thread::spawn(move || {
            device.post(word);
            if kick.raise() {
                worker.unpark();
            }
        })
    };
    let threads: Vec<_> = rings.into_iter().zip(words).map(post).collect();
    let (mut batch, mut ended) = (Batch::new(1), 0);
    let late = twin == "takes the kick after its look";
    while ended < count {
        if !late {
            kick.take();
        }
        for queue in &mut queues {
            let _ = queue.service(&mut batch);
            ended += batch.drain().count();
        }
        if late {
            kick.take();
        }
        if ended < count && kick.leave() {
            thread::park();
        }
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}
