//! The line of those who wait for a slot: l20.

use std::sync::Arc;

use hba_core::sync::{AtDoor, Door, Permits, Planted, SharedQueue, Taken};

use crate::checker::{Checked, thread};
use crate::{Bug, Scenario, Twin};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "l20",
        sizes: &[(2, None), (3, Some(2))],
        run: all_out,
        twins: &[
            Twin {
                name: "waits without a look",
                bug: Bug::Shipped(Planted::WaiterDoesNotLook),
                says: "deadlock",
            },
            Twin {
                name: "releases without release",
                bug: Bug::Shipped(Planted::PermitIsRelaxed),
                says: "Concurrent",
            },
        ],
    },
    Scenario {
        name: "l20 cancelled",
        sizes: &[(2, Some(3)), (3, Some(2))],
        run: one_gives_up,
        twins: &[Twin { name: "keeps what it gave up", bug: Bug::User, says: "deadlock" }],
    },
    Scenario {
        name: "l20 at the door",
        sizes: &[(2, None), (3, Some(2))],
        run: at_the_door,
        twins: &[Twin {
            name: "does not try again",
            bug: Bug::Shipped(Planted::RefusedDoesNotTryAgain),
            says: "deadlock",
        }],
    },
];

type Line = Permits<thread::Thread>;

/// Takes the only permit, sleeping where it has to, uses what it permits, and gives it back.
fn use_slot(line: &Line, slot: &Checked<u32>) {
    let permit = match line.take(thread::current()).expect("the line has room") {
        Taken::Now(permit) => permit,
        Taken::Later(ticket) => {
            let mut ticket = ticket;
            loop {
                thread::park();
                match line.poll(ticket, thread::current()) {
                    Taken::Now(permit) => break permit,
                    // Nobody is woken in vain; the checker's park may return for no reason.
                    Taken::Later(again) => ticket = again,
                }
            }
        }
    };
    slot.write(|uses| *uses += 1);
    wake(line.release(permit));
}

fn wake(next: Option<thread::Thread>) {
    if let Some(next) = next {
        next.unpark();
    }
}

/// One slot, and everybody wants it.
fn all_out(waiters: usize, _: &str) {
    let line = Arc::new((Line::new(1, 8), Checked::new(0)));
    let threads: Vec<_> = (0..waiters)
        .map(|_| {
            let line = Arc::clone(&line);
            thread::spawn(move || use_slot(&line.0, &line.1))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    line.1.read(|uses| assert_eq!(*uses as usize, waiters));
}

/// One of those in line gives up, at any moment.
fn one_gives_up(waiters: usize, twin: &str) {
    let line = Arc::new((Line::new(1, 8), Checked::new(0)));
    let Ok(Taken::Now(permit)) = line.0.take(thread::current()) else { panic!("one is free") };
    let keeps = twin == "keeps what it gave up";
    let quitter = {
        let line = Arc::clone(&line);
        thread::spawn(move || match line.0.take(thread::current()).expect("room") {
            Taken::Now(permit) => wake(line.0.release(permit)),
            Taken::Later(ticket) => {
                let next = line.0.cancel(ticket);
                if !keeps {
                    wake(next);
                }
            }
        })
    };
    let threads: Vec<_> = (1..waiters)
        .map(|_| {
            let line = Arc::clone(&line);
            thread::spawn(move || use_slot(&line.0, &line.1))
        })
        .collect();
    wake(line.0.release(permit));
    quitter.join().unwrap();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// Everybody enters one queue, and sleeps at its door when somebody is in.
fn at_the_door(visitors: usize, _: &str) {
    let shared = Arc::new((SharedQueue::new(0_u32), Door::<thread::Thread>::new(4)));
    let visit = |shared: &(SharedQueue<u32>, Door<thread::Thread>)| {
        let mut place = AtDoor::default();
        let attempt = || {
            let turn = |count: &mut u32, ()| {
                *count += 1;
                ((), ())
            };
            Some(shared.0.enter((), turn).ok()?.leave().again)
        };
        let again = loop {
            match shared.1.enter(&mut place, thread::current, attempt) {
                Some(again) => break again,
                None => thread::park(),
            }
        };
        wake(shared.1.leave(&mut place));
        if again {
            shared.1.open(|waiter| waiter.unpark());
        }
    };
    // This one only joins, of which the checker allows no wake that comes late.
    let threads: Vec<_> = (0..visitors)
        .map(|_| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || visit(&shared))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let count = shared.0.enter((), |count, ()| ((), *count)).unwrap().leave().values;
    assert_eq!(count as usize, visitors, "everybody was in once");
}
