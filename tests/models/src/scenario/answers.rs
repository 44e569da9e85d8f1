//! Places for answers, which are what tags are to the async facade: l11, l18, l19.

use std::sync::Arc;

use hba_core::sync::{Answered, Answers, Asked, Planted, Polled};

use crate::checker::thread;
use crate::{Bug, Scenario, Twin};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "l11",
        sizes: &[(2, None), (3, Some(2))],
        run: one_name_answered_by_all,
        twins: &[Twin {
            name: "answers without a claim",
            bug: Bug::Shipped(Planted::AnswerDoesNotClaim),
            says: "Concurrent",
        }],
    },
    Scenario {
        name: "l18",
        sizes: &[(2, None)],
        run: taken_and_given_back,
        twins: &[Twin {
            name: "no generation",
            bug: Bug::Shipped(Planted::FreeListHasNoGeneration),
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
                says: "a place of before",
            },
        ],
    },
    Scenario {
        name: "l19 abandoned",
        sizes: &[(2, None)],
        run: abandoned_and_answered,
        twins: &[],
    },
];

/// The same name comes on several vectors at once, while its asker looks.
fn one_name_answered_by_all(vectors: usize, _: &str) {
    let answers = Arc::new(Answers::new(1));
    let asked = answers.ask(()).unwrap();
    let name = asked.name();
    let vector = |at: usize| {
        let answers = Arc::clone(&answers);
        thread::spawn(move || !matches!(answers.answer(name, at), Answered::Unknown(_)))
    };
    let threads: Vec<_> = (0..vectors).map(vector).collect();
    let first = match answers.poll(asked, || ()) {
        Polled::Answer(answer) => Ok(answer),
        Polled::Waiting(asked) | Polled::Soon(asked) => Err(asked),
    };
    let accepted: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let answer = first.unwrap_or_else(|asked| take(&answers, asked));
    let winners = accepted.iter().filter(|accepted| **accepted).count();
    assert_eq!((winners, accepted[answer]), (1, true), "one completion");
}

/// An answer that is there by now.
fn take<T, W: Default>(answers: &Answers<T, W>, asked: Asked) -> T {
    match answers.poll(asked, W::default) {
        Polled::Answer(answer) => answer,
        Polled::Waiting(_) | Polled::Soon(_) => panic!("the answer is lost"),
    }
}

/// A slow taker against places that are taken and given back meanwhile.
fn taken_and_given_back(_: usize, _: &str) {
    let answers = Arc::new(Answers::<(), ()>::new(3));
    let slow = {
        let answers = Arc::clone(&answers);
        thread::spawn(move || answers.ask(()).map(|asked| asked.name()))
    };
    let first = answers.ask(());
    let second = answers.ask(()).map(|asked| asked.name());
    if let Some(first) = first {
        answers.withdraw(first);
    }
    let third = answers.ask(()).map(|asked| asked.name());
    let fourth = slow.join().unwrap();
    let mut names = [second, third, fourth, answers.ask(()).map(|asked| asked.name())];
    names.sort_unstable();
    let mut taken: Vec<_> = names.iter().flatten().collect();
    let all = taken.len();
    taken.dedup();
    assert_eq!(taken.len(), all, "two have one place: {names:?}");
}

/// One place: taken by the next as soon as it is free.
fn freed_and_taken(_: usize, _: &str) {
    let answers = Arc::new(Answers::<Box<u32>, Box<u32>>::new(1));
    let asked = answers.ask(Box::new(1)).unwrap();
    assert!(matches!(answers.answer(asked.name(), Box::new(1)), Answered::Wake(_)));
    let next = {
        let answers = Arc::clone(&answers);
        thread::spawn(move || {
            let Some(asked) = answers.ask(Box::new(2)) else {
                return;
            };
            let Answered::Wake(waiter) = answers.answer(asked.name(), Box::new(2)) else {
                panic!("a place of before");
            };
            assert_eq!((*waiter, *take(&answers, asked)), (2, 2), "a mixed place");
        })
    };
    assert_eq!(*take(&answers, asked), 1, "a mixed place");
    next.join().unwrap();
}

/// The asker leaves while the answer comes, and the place is taken again: the answer comes out once.
fn abandoned_and_answered(_: usize, _: &str) {
    let answers = Arc::new(Answers::<Box<u32>, Box<u32>>::new(1));
    let asked = answers.ask(Box::new(1)).unwrap();
    let name = asked.name();
    let answerer = {
        let answers = Arc::clone(&answers);
        thread::spawn(move || matches!(answers.answer(name, Box::new(1)), Answered::Unclaimed(_)))
    };
    // It changes its waiter first, so that it is met in every state.
    let asked = match answers.poll(asked, || Box::new(2)) {
        Polled::Answer(answer) => {
            assert_eq!(*answer, 1);
            assert!(!answerer.join().unwrap());
            return;
        }
        Polled::Waiting(asked) | Polled::Soon(asked) => asked,
    };
    let mine = answers.abandon(asked);
    let theirs = answerer.join().unwrap();
    assert_eq!(u32::from(mine.is_some()) + u32::from(theirs), 1, "it comes out once");
    assert!(answers.ask(Box::new(3)).is_some(), "the place is free");
}
