//! Register pairs of several threads, on a host that writes them in two stores.

use std::sync::Arc;

use hba_core::register::{RegOffset, Registers};
use hba_core::sync::{PairedRegisters, Planted};

use crate::checker::{AtomicU32, Checked, Ordering, thread};
use crate::{Bug, Scenario, Twin};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "pairs",
    // Of three under loom the two that wait may yield to each other for ever; shuttle has five.
    sizes: &[(2, None)],
    run: pairs_of_several,
    twins: &[
        Twin {
            name: "does not wait",
            bug: Bug::Shipped(Planted::PairsDoNotWait),
            says: "Concurrent",
        },
        Twin { name: "no release", bug: Bug::Shipped(Planted::PairIsRelaxed), says: "Concurrent" },
    ],
}];

/// A device that takes a pair as one message.
#[derive(Clone)]
struct Bar(Arc<Device>);

struct Device {
    /// The low half that has come; 0 for none.
    low: AtomicU32,
    /// Messages, as whoever writes the second half of one adds them: nobody else may be at it.
    taken: Checked<Vec<u64>>,
}

const LOW: RegOffset = RegOffset(0xc0);

impl Registers for Bar {
    fn read32(&mut self, _: RegOffset) -> u32 {
        0
    }

    // The device sees stores in some order; nothing else of them orders memory.
    fn write32(&mut self, offset: RegOffset, value: u32) {
        if offset == LOW {
            let before = self.0.low.swap(value, Ordering::Relaxed);
            assert_eq!(before, 0, "two low halves in a row");
        } else {
            let low = self.0.low.swap(0, Ordering::Relaxed);
            assert_eq!(low, value, "halves of two pairs");
            self.0.taken.write(|taken| taken.push(u64::from(low)));
        }
    }
}

/// Each posts two pairs.
fn pairs_of_several(threads: usize, _: &str) {
    let device = Device { low: AtomicU32::new(0), taken: Checked::new(Vec::new()) };
    let bar = Bar(Arc::new(device));
    let registers = PairedRegisters::new(bar.clone());
    let post = |mut registers: PairedRegisters<Bar>, at: usize| {
        move || {
            for name in [2 * at as u32 + 1, 2 * at as u32 + 2] {
                registers.write64(LOW, u64::from(name) << 32 | u64::from(name));
            }
        }
    };
    let others: Vec<_> =
        (1..threads).map(|at| thread::spawn(post(registers.clone(), at))).collect();
    post(registers, 0)();
    others.into_iter().for_each(|other| other.join().unwrap());
    bar.0.taken.read(|taken| {
        let mut taken = taken.clone();
        taken.sort_unstable();
        assert_eq!(taken, (1..=2 * threads as u64).collect::<Vec<_>>(), "a pair was lost");
    });
}
