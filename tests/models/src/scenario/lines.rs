//! The line of those who wait for a slot: l20.

use std::sync::Arc;

use hba_core::sync::{Permits, Planted, Taken};

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
        sizes: &[(2, Some(3)), (3, Some(1))],
        run: one_gives_up,
        twins: &[Twin { name: "keeps what it gave up", bug: Bug::User, says: "deadlock" }],
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
