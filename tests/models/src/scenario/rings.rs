//! Rings in memory against the device that writes them: l28.

use std::sync::Arc;

use hba_core::sync::{ErasedRing, PhaseRing, Planted, RingMemory};

use crate::checker::{AtomicU32, Checked, Ordering, thread};
use crate::{Bug, Scenario, Twin};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "l28",
        sizes: &[(1, None), (2, Some(3))],
        run: index_and_erase,
        twins: &[Twin {
            name: "index before erase",
            bug: Bug::Shipped(Planted::IndexDoesNotWait),
            says: "Concurrent",
        }],
    },
    Scenario {
        name: "l28 phase",
        sizes: &[(2, None)],
        run: second_word_before_first,
        twins: &[Twin {
            name: "does not observe",
            bug: Bug::Shipped(Planted::ReaderDoesNotObserve),
            says: "half an entry",
        }],
    },
];

/// A ring of which each entry may be written by one side at a time: the device until it posts, the reader from then until
/// the device has seen the index behind it.
#[derive(Clone)]
struct Ring(Arc<Vec<Entry>>);

struct Entry {
    halves: [AtomicU32; 2],
    right_to_write: Checked<()>,
}

const FREE: u32 = u32::MAX;

impl Ring {
    fn new(entries: usize) -> Self {
        let entry = |_| Entry {
            halves: [AtomicU32::new(FREE), AtomicU32::new(FREE)],
            right_to_write: Checked::new(()),
        };
        Self(Arc::new((0..entries).map(entry).collect()))
    }

    fn post(&self, at: usize, word: u32) {
        let entry = &self.0[at];
        entry.right_to_write.write(|()| ());
        entry.halves[0].store(word, Ordering::Relaxed);
        entry.halves[1].store(word, Ordering::Release);
    }
}

impl RingMemory for Ring {
    fn load(&self, entry: usize, second: bool) -> u32 {
        self.0[entry].halves[usize::from(second)].load(Ordering::Relaxed)
    }

    fn store(&mut self, entry: usize, words: [u32; 2]) {
        let entry = &self.0[entry];
        entry.right_to_write.write(|()| ());
        entry.halves.iter().zip(words).for_each(|(half, word)| half.store(word, Ordering::Relaxed));
    }
}

/// The device writes an entry again as soon as the reader's index has passed it; laps as asked for.
fn index_and_erase(laps: usize, _: &str) {
    const ENTRIES: usize = 2;
    let memory = Ring::new(ENTRIES);
    let mut ring = ErasedRing::new(memory.clone(), ENTRIES as u32);
    let index = Arc::new(AtomicU32::new(0));
    let count = ENTRIES + laps;
    let device = {
        let index = Arc::clone(&index);
        thread::spawn(move || {
            for n in 0..count {
                // Full until the reader has moved off the entry.
                while n >= ENTRIES && (index.load(Ordering::Acquire) as usize) <= n - ENTRIES {
                    thread::yield_now();
                }
                memory.post(n % ENTRIES, n as u32);
            }
        })
    };
    // What was `ring`'s to write before the device started is ordered by the start of the thread.
    for n in 0..count as u32 {
        let words = loop {
            match ring.take() {
                Some(words) => break words,
                None => thread::yield_now(),
            }
        };
        assert_eq!(words, [n; 2], "an entry was lost or came twice");
        let next = ring.acknowledge();
        assert_eq!(next, (n + 1) % ENTRIES as u32);
        // The register itself orders nothing; it counts laps, so that the model's device need not.
        index.store(n + 1, Ordering::Relaxed);
    }
    device.join().unwrap();
}

/// The second word says that the first is there.
fn second_word_before_first(_: usize, _: &str) {
    let words: Arc<Box<[_]>> =
        Arc::new([0, 1].map(|_| hba_core::sync::RingWord::new([0; 2])).into());
    let mut ring = PhaseRing::new(Arc::clone(&words), 2);
    let device = thread::spawn(move || {
        words[0].post([11, 1 << 31]);
        words[1].post([22, 1 << 31]);
    });
    let mut taken = Vec::new();
    for _ in 0..2 {
        taken.extend(ring.take().map(|[first, _]| first));
    }
    device.join().unwrap();
    taken.extend(core::iter::from_fn(|| ring.take()).map(|[first, _]| first));
    assert_eq!(taken, [11, 22], "half an entry was taken");
}
