//! Places for answers, which are what tags are to the async facade: l11, l18, l19, and turns in line: l20.

use std::sync::Arc;

use hba_core::sync::{
    Abandoned, Answered, Answers, Asked, Claim, Desk, Inert, Planted, Polled, SharedQueue, answers,
};

use crate::checker::thread;
use crate::{Bug, Scenario, Twin};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "l11",
        sizes: &[(2, None), (3, Some(2))],
        run: one_name_answered_by_all,
        twins: &[Twin {
            name: "answers without a claim",
            bug: Bug::Shipped(Planted::ClaimDoesNotClaim),
            says: "Concurrent",
        }],
    },
    Scenario {
        name: "l18",
        sizes: &[(2, None)],
        run: taken_and_given_back,
        twins: &[Twin {
            name: "gives out without a look",
            bug: Bug::Shipped(Planted::PlaceIsGivenBlindly),
            says: "two have one place",
        }],
    },
    Scenario {
        name: "l19",
        sizes: &[(2, None)],
        run: freed_and_taken,
        twins: &[
            Twin {
                name: "freed before it is cleared",
                bug: Bug::Shipped(Planted::PlaceIsFreedFirst),
                says: "Concurrent",
            },
            Twin {
                name: "freed without release",
                bug: Bug::Shipped(Planted::FreeIsRelaxed),
                says: "Concurrent",
            },
        ],
    },
    Scenario {
        name: "l19 abandoned",
        sizes: &[(2, None)],
        run: abandoned_and_answered,
        twins: &[],
    },
    Scenario {
        name: "l20 granted",
        sizes: &[(2, None)],
        run: granted_and_abandoned,
        twins: &[Twin {
            name: "keeps the turn",
            bug: Bug::Shipped(Planted::TurnIsNotPassedOn),
            says: "the turn is lost",
        }],
    },
];

type Value = Box<u32>;

/// A waiter or an answer that moves through a turn.
#[derive(Debug)]
struct Moved<T>(T);
impl<T> Inert for Moved<T> {}

/// Both sides: the desk is owned by one at a time, as in the async facade.
struct Counter {
    answers: Answers<Value, Value>,
    desk: SharedQueue<Desk<Value, Value>>,
}

impl Counter {
    fn new(count: u16) -> Arc<Self> {
        let (answers, desk) = answers(count);
        Arc::new(Self { answers, desk: SharedQueue::new(desk) })
    }

    /// Asks, if nobody is in and there is a place.
    fn ask(&self, waiter: u32) -> Option<Asked> {
        let turn = |desk: &mut Desk<_, _>, waiter: Moved<Value>| ((), desk.ask(waiter.0).ok());
        self.desk.enter(Moved(Box::new(waiter)), turn).ok()?.leave().values
    }

    /// Answers at once if the asker waits, and through a claim otherwise, as the facade does.
    fn answer(&self, name: u16, answer: u32) -> Option<Answered<Value, Value>> {
        let turn = |desk: &mut Desk<Value, Value>, (name, answer): (u16, Moved<Value>)| {
            let outcome = match desk.answer(name, answer.0) {
                Ok(waiter) => Ok(waiter),
                Err(answer) => Err((desk.claim(name), answer)),
            };
            ((), outcome)
        };
        match self.desk.enter((name, Moved(Box::new(answer))), turn).ok()?.leave().values {
            Ok(waiter) => Some(Answered::Wake(waiter)),
            Err((Some(claim), answer)) => Some(self.answers.complete(claim, answer)),
            Err((None, answer)) => Some(Answered::Unclaimed(answer)),
        }
    }

    /// Claims, if nobody is in: then the name is that one's to answer.
    fn claim(&self, name: u16) -> Option<Claim<Value>> {
        let turn = |desk: &mut Desk<Value, Value>, name: u16| ((), desk.claim(name));
        self.desk.enter(name, turn).ok()?.leave().values
    }

    /// An answer that is there by now.
    fn take(&self, asked: Asked) -> u32 {
        match self.answers.ready(asked) {
            Ok(ready) => *ready.take(),
            Err(_) => panic!("the answer is lost"),
        }
    }
}

/// The same name comes on several vectors at once, while its asker looks.
fn one_name_answered_by_all(vectors: usize, _: &str) {
    let counter = Counter::new(1);
    let asked = counter.ask(0).unwrap();
    let name = asked.name();
    let vector = |at: usize| {
        let counter = Arc::clone(&counter);
        thread::spawn(move || {
            counter.claim(name).map(|claim| counter.answers.complete(claim, Box::new(at as u32)))
        })
    };
    let threads: Vec<_> = (0..vectors).map(vector).collect();
    let first = match counter.answers.poll(asked, || Box::new(1)) {
        Polled::Answer(answer) => Ok(*answer),
        Polled::Waiting(asked) | Polled::Soon(asked) | Polled::Granted(asked) => Err(asked),
    };
    let accepted: Vec<_> =
        threads.into_iter().map(|thread| thread.join().unwrap().is_some()).collect();
    let answer = first.unwrap_or_else(|asked| counter.take(asked));
    let winners = accepted.iter().filter(|accepted| **accepted).count();
    assert_eq!((winners, accepted[answer as usize]), (1, true), "one completion");
}

/// A slow taker against places that are taken and given back meanwhile.
fn taken_and_given_back(_: usize, _: &str) {
    let counter = Counter::new(2);
    let slow = {
        let counter = Arc::clone(&counter);
        thread::spawn(move || counter.ask(0).map(|asked| asked.name()))
    };
    let first = counter.ask(1);
    if let Some(first) = first {
        let answered = counter.answer(first.name(), 1);
        match answered {
            Some(Answered::Wake(_)) => assert_eq!(counter.take(first), 1),
            _ => drop(counter.answers.abandon(first)),
        }
    }
    let second = counter.ask(2).map(|asked| asked.name());
    let third = counter.ask(3).map(|asked| asked.name());
    let fourth = slow.join().unwrap();
    let mut names: Vec<_> = [second, third, fourth].into_iter().flatten().collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "two have one place");
}

/// One place: taken by the next as soon as it is free.
fn freed_and_taken(_: usize, _: &str) {
    let counter = Counter::new(1);
    let asked = counter.ask(1).unwrap();
    assert!(matches!(counter.answer(asked.name(), 1), Some(Answered::Wake(_))));
    let next = {
        let counter = Arc::clone(&counter);
        thread::spawn(move || {
            let Some(asked) = counter.ask(2) else { return };
            let Some(Answered::Wake(waiter)) = counter.answer(asked.name(), 2) else {
                panic!("a place of before");
            };
            assert_eq!((*waiter, counter.take(asked)), (2, 2), "a mixed place");
        })
    };
    assert_eq!(counter.take(asked), 1, "a mixed place");
    next.join().unwrap();
}

/// The asker leaves while the answer comes, and the place is taken again: the answer comes out once.
fn abandoned_and_answered(_: usize, _: &str) {
    let counter = Counter::new(1);
    let asked = counter.ask(1).unwrap();
    let name = asked.name();
    let answerer = {
        let counter = Arc::clone(&counter);
        thread::spawn(move || matches!(counter.answer(name, 1), Some(Answered::Unclaimed(_))))
    };
    // It changes its waiter first, so that it is met in every state.
    let asked = match counter.answers.poll(asked, || Box::new(2)) {
        Polled::Answer(answer) => {
            assert_eq!(*answer, 1);
            assert!(!answerer.join().unwrap());
            return;
        }
        Polled::Waiting(asked) | Polled::Soon(asked) | Polled::Granted(asked) => asked,
    };
    let mine = matches!(counter.answers.abandon(asked), Abandoned::Answer(_));
    let theirs = answerer.join().unwrap();
    assert_eq!(u32::from(mine) + u32::from(theirs), 1, "it comes out once");
    assert!(counter.ask(3).is_some(), "the place is free");
}

/// The first of two in line leaves as its turn comes: the second has it then.
fn granted_and_abandoned(_: usize, _: &str) {
    let counter = Counter::new(2);
    let (first, second) = (counter.ask(1).unwrap(), counter.ask(2).unwrap());
    for asked in [&first, &second] {
        let line_up = |desk: &mut Desk<Value, Value>, asked: Moved<&Asked>| {
            desk.line_up(asked.0, false);
            ((), ())
        };
        let _ = counter.desk.enter(Moved(asked), line_up).unwrap().leave();
    }
    // One slot: a turn that is out counts until it was used or passed on.
    let grant = |counter: &Counter| {
        let turn = |desk: &mut Desk<Value, Value>, ()| {
            desk.collect();
            ((), (desk.granted() == 0).then(|| desk.grant()).flatten())
        };
        counter.desk.enter((), turn).map(|entered| entered.leave().values)
    };
    let granter = {
        let counter = Arc::clone(&counter);
        thread::spawn(move || drop(grant(&counter)))
    };
    let passed = matches!(counter.answers.abandon(first), Abandoned::PassOn);
    if passed {
        drop(grant(&counter));
    }
    granter.join().unwrap();
    drop(grant(&counter));
    let granted = matches!(counter.answers.poll(second, || Box::new(3)), Polled::Granted(_));
    assert!(granted, "the turn is lost");
}
