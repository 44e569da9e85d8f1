//! Time-outs, aborts and resets against what runs: l07, l12, l14, l21.

use std::sync::Arc;

use hba_core::control::{Action, Control};
use hba_core::dma::NoData;
use hba_core::queue::{AbortTicket, Batch, Quiesced, Verdict};
use hba_core::sync::{Entered, Inbox, Inert, Kick, Outbox, Planted, SharedQueue, mailbox};

use crate::checker::{Checked, thread};
use crate::rig::{LATE, ModelControl, NOW, NoRegisters, Queue, Rig, look, request, submit};
use crate::{Bug, Scenario, Twin};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "l07",
        sizes: &[(1, None), (2, Some(2))],
        run: timeout_meets_completion,
        twins: &[Twin { name: "ends it at the deadline", bug: Bug::User, says: "ended twice" }],
    },
    Scenario {
        name: "l12",
        sizes: &[(2, None), (3, Some(2))],
        run: reset_meets_handlers,
        twins: &[
            Twin { name: "does not wait for tokens", bug: Bug::User, says: "Concurrent" },
            Twin {
                name: "posts without release",
                bug: Bug::Shipped(Planted::PostIsRelaxed),
                says: "Concurrent",
            },
        ],
    },
    Scenario {
        name: "l12 mailbox",
        sizes: &[(2, None), (3, None)],
        run: values_go_over,
        twins: &[
            Twin {
                name: "posts without release",
                bug: Bug::Shipped(Planted::PostIsRelaxed),
                says: "Concurrent",
            },
            Twin {
                name: "takes without release",
                bug: Bug::Shipped(Planted::TakeIsRelaxed),
                says: "Concurrent",
            },
        ],
    },
    Scenario {
        name: "l14",
        sizes: &[(1, None), (2, Some(2))],
        run: reset_meets_submit,
        twins: &[Twin { name: "doorbell after it left", bug: Bug::User, says: "Concurrent" }],
    },
    Scenario {
        name: "l21",
        sizes: &[(1, None)],
        run: late_reply_meets_resting_slot,
        twins: &[Twin {
            name: "ends the rest without a reset",
            bug: Bug::User,
            says: "completed by another's reply",
        }],
    },
];

/// What a vector does when it is interrupted, or was told that somebody was refused: replies, then deadlines.
fn attend(queue: &SharedQueue<Queue<16>>) -> (Vec<AbortTicket>, Vec<u64>) {
    let (mut batch, mut tickets, mut ended) = (Batch::new(4), Vec::new(), Vec::new());
    loop {
        let Ok(turn) = queue.service(&mut batch) else {
            return (tickets, ended);
        };
        let left = turn.leave();
        ended.extend(left.values.drain().map(|done| done.completion.cookie.0));
        let mut again = left.again;
        if again {
            let (ticket, more) = expire(queue);
            tickets.extend(ticket);
            again |= more;
        }
        if !again {
            return (tickets, ended);
        }
    }
}

/// A look for deadlines, if nobody is in; and whether somebody was refused meanwhile.
fn expire(queue: &SharedQueue<Queue<16>>) -> (Option<AbortTicket>, bool) {
    let expire = |queue: &mut Queue<16>, now| ((), queue.poll_expired(now));
    let left = queue.enter(LATE, expire).map(Entered::leave);
    left.map_or((None, false), |left| (left.values, left.again))
}

/// The deadline passes while the reply comes in; and as many other threads look, too.
fn timeout_meets_completion(vectors: usize, twin: &str) {
    let Rig { mut queues, mut rings, .. } = Rig::<16>::new(1, 1);
    let mut queue = queues.remove(0);
    let word = submit(&mut queue, 0);
    let (queue, mut device) = (Arc::new(SharedQueue::new(queue)), Some(rings.remove(0)));
    let own = twin == "ends it at the deadline";
    let timer = {
        let queue = Arc::clone(&queue);
        thread::spawn(move || {
            let (ticket, again) = expire(&queue);
            let mut found = (Vec::new(), Vec::new());
            if again {
                found = attend(&queue);
            }
            if own && ticket.is_some() {
                found.1.push(0);
            }
            found.0.extend(ticket);
            found
        })
    };
    let threads: Vec<_> = (0..vectors)
        .map(|_| {
            let (queue, device) = (Arc::clone(&queue), device.take());
            thread::spawn(move || {
                if let Some(mut device) = device {
                    device.post(word);
                }
                attend(&queue)
            })
        })
        .collect();
    let (mut tickets, mut ended) = timer.join().unwrap();
    for thread in threads {
        let (more, also) = thread.join().unwrap();
        tickets.extend(more);
        ended.extend(also);
    }
    assert!(!ended.is_empty(), "it never ended");
    assert_eq!(ended, [0], "it ended twice");
    assert!(tickets.len() <= 1, "its deadline passed twice");
    // The ticket comes home, whoever won; and the slot is as good as new.
    let mut queue = Arc::into_inner(queue).unwrap().into_inner();
    if let Some(ticket) = tickets.pop() {
        assert!(queue.has_ended(&ticket), "the loser sees it");
        let _ = queue.redeem(ticket, Verdict::Superseded);
    }
    let _ = submit(&mut queue, 1);
}

/// A reset while every vector's handler may run. Tokens go through mailboxes; then the tables are rebuilt.
fn reset_meets_handlers(vectors: usize, twin: &str) {
    let Rig { mut control, mut queues, rings, tables } = Rig::<16>::new(vectors, 1);
    let hasty = twin == "does not wait for tokens";
    control.request_reset(NOW);
    let mut asked = 0;
    while let Some(action) = control.poll_action() {
        asked += u32::from(matches!(action, Action::Quiesce(_)));
    }
    assert_eq!(asked as usize, vectors);
    let (kick, main) = (Arc::new(Kick::new()), thread::current());
    let mut inboxes = Vec::new();
    let (mut threads, mut last) = (Vec::new(), Vec::new());
    for (mut queue, mut device) in queues.drain(..).zip(rings) {
        let (mut outbox, inbox) = mailbox(1);
        inboxes.push(inbox);
        let (kick, main) = (Arc::clone(&kick), main.clone());
        let word = submit(&mut queue, 0);
        device.post(word);
        let handler = move || {
            let ended = handle_then_stop(&mut queue, &mut outbox);
            if kick.raise() {
                main.unpark();
            }
            (queue, ended)
        };
        // Control has no thread of its own: one vector's does its work.
        if inboxes.len() == vectors {
            last.push(handler());
        } else {
            threads.push(thread::spawn(handler));
        }
    }
    if hasty {
        tables.write(|epoch| *epoch += 1);
    }
    let mut tokens = 0;
    while tokens < vectors {
        kick.take();
        for token in inboxes.iter_mut().filter_map(Inbox::take) {
            tokens += 1;
            // The last one begins the reset, which rebuilds the tables.
            control.handle_quiesced(token, NOW);
        }
        if tokens < vectors && kick.leave() {
            thread::park();
        }
    }
    tables.read(|epoch| assert_eq!(*epoch, 1 + u32::from(hasty)));
    let threads = threads.into_iter().map(|thread: thread::JoinHandle<_>| thread.join().unwrap());
    for (queue, ended) in threads.chain(last) {
        queues.push(queue);
        assert_eq!(ended, 1, "what the device did complete counts");
    }
    let _ = control.step(NOW, &mut NoRegisters);
    let mut batch = Batch::<NoData>::new(1);
    while let Some(action) = control.poll_action() {
        if let Some(vector) = action.vector() {
            assert!(action.apply(&mut queues[usize::from(vector.0)]).is_none(), "no ticket is out");
        }
    }
    for queue in &mut queues {
        let _ = queue.service(&mut batch);
        assert!(queue.is_open() && batch.is_empty(), "nothing of the old epoch is left");
    }
}

/// Values through a mailbox that is smaller than they are many, and whose receiver goes away at last.
fn values_go_over(count: usize, _: &str) {
    let (mut outbox, mut inbox) = mailbox(1);
    let sender = thread::spawn(move || {
        let mut posted = 0;
        while posted < count && outbox.post(Box::new(posted)).is_ok() {
            posted += 1;
        }
        (outbox, posted)
    });
    let mut taken = Vec::new();
    for _ in 0..count {
        taken.extend(inbox.take().map(|value| *value));
    }
    let (mut outbox, posted) = sender.join().unwrap();
    taken.extend(inbox.take().map(|value| *value));
    assert_eq!(taken, (0..posted).collect::<Vec<_>>(), "in order, each once");
    drop(inbox);
    let refused = outbox.post(Box::new(7)).expect_err("nobody takes it");
    assert_eq!((*refused.value, refused.closed), (7, true));
}

fn handle_then_stop(queue: &mut Queue<16>, outbox: &mut Outbox<Quiesced>) -> usize {
    let mut batch = Batch::new(2);
    while queue.service(&mut batch).more {}
    assert!(outbox.post(queue.quiesce()).is_ok(), "there is room");
    batch.len()
}

/// Control's way into a queue that others use: who is refused sleeps until the one who was in has left.
struct Door {
    queue: SharedQueue<Queue<16>>,
    kick: Kick,
    control: thread::Thread,
}

impl Door {
    fn carry<A: Inert, V>(
        &self,
        mut input: A,
        turn: impl Fn(&mut Queue<16>, A) -> ((), V) + Copy,
    ) -> V {
        loop {
            self.kick.take();
            match self.queue.enter(input, turn) {
                Ok(entered) => return entered.leave().values,
                Err(busy) => input = busy.input,
            }
            if self.kick.leave() {
                thread::park();
            }
        }
    }

    fn left(&self, again: bool) {
        if again && self.kick.raise() {
            self.control.unpark();
        }
    }
}

/// Commands come in while the queue is frozen, the controller reset, and everything started again.
fn reset_meets_submit(submitters: usize, twin: &str) {
    let Rig { mut control, mut queues, .. } = Rig::<16>::new(1, 4);
    let queue = SharedQueue::new(queues.remove(0));
    let door = Arc::new(Door { queue, kick: Kick::new(), control: thread::current() });
    // Doorbells read it; the reset writes it.
    let alive = Arc::new(Checked::new(true));
    let late = twin == "doorbell after it left";
    let threads: Vec<_> = (0..submitters)
        .map(|n| {
            let (door, alive) = (Arc::clone(&door), Arc::clone(&alive));
            thread::spawn(move || {
                let ring = || alive.read(|alive| assert!(*alive, "a doorbell to a dead ring"));
                // Somebody is in: the request comes back whole, to be submitted later.
                let Ok(turn) = door.queue.submit(request(n as u64), NOW) else {
                    return false;
                };
                let accepted = turn.words().is_ok();
                if accepted && !late {
                    ring();
                }
                let again = turn.leave().again;
                if accepted && late {
                    ring();
                }
                door.left(again);
                accepted
            })
        })
        .collect();
    control.request_reset(NOW);
    let _ = control.poll_action();
    let token = door.carry((), |queue, ()| ((), queue.quiesce()));
    alive.write(|alive| *alive = false);
    control.handle_quiesced(token, NOW);
    let _ = control.step(NOW, &mut NoRegisters);
    alive.write(|alive| *alive = true);
    while let Some(action) = control.poll_action() {
        door.carry(action, |queue, action| {
            assert!(action.apply(queue).is_none(), "no ticket is out");
            ((), ())
        });
    }
    let accepted = threads.into_iter().map(|thread| thread.join().unwrap());
    let accepted = accepted.filter(|accepted| *accepted).count();
    let mut ended = Vec::new();
    look(&door.queue, &mut ended);
    let queue = Arc::into_inner(door).unwrap().queue.into_inner();
    // The reset ended what came before it; what came after it is with the device.
    assert_eq!(ended.len() + usize::from(queue.outstanding()), accepted);
    assert!(queue.is_open());
}

/// A wire without generations: the reply of an aborted command comes while its slot rests for want of it.
fn late_reply_meets_resting_slot(_: usize, twin: &str) {
    let Rig { mut control, mut queues, mut rings, .. } = Rig::<0>::new(1, 1);
    let mut queue = queues.remove(0);
    let word = submit(&mut queue, 1);
    let mut device = rings.remove(0);
    let ticket = queue.poll_expired(LATE).expect("its deadline passed");
    let queue = Arc::new(SharedQueue::new(queue));
    let late = thread::spawn(move || device.post(word));
    let mut batch = Batch::new(1);
    let mut ended = take(&queue, &mut batch);
    // Either the reply was first, or the slot rests: the answer to the abort frees nothing.
    let mut rests = redeem(&queue, ticket, Verdict::Drained);
    assert_eq!(ended.is_empty(), rests.is_some());
    if twin == "ends the rest without a reset"
        && let Some(ticket) = rests.take()
    {
        believe(&mut control, &queue);
        ended.append(&mut take(&queue, &mut batch));
        assert_eq!(redeem(&queue, ticket, Verdict::Superseded), None);
    }
    let turn = queue.submit(request(2), NOW).expect("nobody is in");
    let accepted = turn.leave().words.is_ok();
    assert!(!(accepted && rests.is_some()), "the slot rests until the reply or a reset");
    late.join().unwrap();
    ended.append(&mut take(&queue, &mut batch));
    assert_eq!(ended, [1], "a command was completed by another's reply");
    if let Some(ticket) = rests {
        assert_eq!(redeem(&queue, ticket, Verdict::Drained), None);
    }
}

/// Starts over as after a reset, which the device knows nothing of.
fn believe(control: &mut Control<ModelControl<0>>, queue: &SharedQueue<Queue<0>>) {
    control.request_reset(NOW);
    let _ = control.poll_action();
    let stop = queue.enter((), |queue: &mut Queue<0>, ()| ((), queue.quiesce()));
    control.handle_quiesced(stop.ok().unwrap().leave().values, NOW);
    let _ = control.step(NOW, &mut NoRegisters);
    while let Some(action) = control.poll_action() {
        let restart = |queue: &mut Queue<0>, action: Action| (action.apply(queue), ());
        assert!(queue.enter(action, restart).map(Entered::leave).is_ok());
    }
}

/// The cookies of what has ended.
fn take(queue: &SharedQueue<Queue<0>>, batch: &mut Batch<NoData>) -> Vec<u64> {
    let left = queue.service(batch).expect("nobody is in").leave();
    left.values.drain().map(|done| done.completion.cookie.0).collect()
}

/// Takes a ticket home; it comes back if the command is out.
fn redeem(
    queue: &SharedQueue<Queue<0>>,
    ticket: AbortTicket,
    verdict: Verdict,
) -> Option<AbortTicket> {
    let redeem = |queue: &mut Queue<0>, (ticket, verdict)| {
        let before = queue.outstanding();
        let redeemed = queue.redeem(ticket, verdict);
        assert_eq!(before, queue.outstanding(), "no verdict ends a command");
        ((), redeemed)
    };
    queue.enter((ticket, verdict), redeem).expect("nobody is in").leave().values.into_unanswered()
}
