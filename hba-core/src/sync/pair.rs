//! Register pairs on a host without 64-bit stores: two stores, and no other pair in between.

use alloc::sync::Arc;

use super::planted::{Planted, is_planted, unless};
use super::primitive::{AtomicU32, Ordering, yield_turn};
use crate::register::{RegOffset, Registers};

/// Nobody is between the two stores of a pair.
const FREE: u32 = 0;
/// Somebody is.
const TAKEN: u32 = 1;

/// The registers of a controller on a host that has no 64-bit store to device memory. A pair ([`Registers::write64`]) is
/// written in two stores of 32 bits, low then high, and its clones take turns at that: a controller that takes the pair as one
/// message (the request descriptors of MPI 2.x) sees no half of another in between, whichever threads they come from. Every
/// clone must be of the first one, and no handle of the registers may write pairs beside them.
///
/// This is the one thing in [`sync`](super) that waits for another thread: for two stores, as it might for the bus, and with
/// nothing of the caller's called in between. A thread that can be interrupted by one which posts too must hold that off for the
/// time of a `write64`, as kernels do with a lock that masks interrupts; such a platform has its own lock in its own `write64` and
/// does without this type. A release must order earlier stores to device memory, as it does on x86 and on Arm; where it does not
/// (Linux's `mmiowb`), `write32` of `R` sees to that.
///
/// ```
/// use hba_core::register::{RegOffset, Registers};
/// use hba_core::sync::PairedRegisters;
///
/// /// The registers, as this platform reaches them.
/// #[derive(Clone, Default)]
/// struct Bar(std::sync::Arc<std::sync::Mutex<Vec<(u32, u32)>>>);
///
/// impl Registers for Bar {
///     fn read32(&mut self, _: RegOffset) -> u32 {
///         0
///     }
///
///     fn write32(&mut self, offset: RegOffset, value: u32) {
///         self.0.lock().unwrap().push((offset.0, value));
///     }
/// }
///
/// let bar = Bar::default();
/// let mut first = PairedRegisters::new(bar.clone());
/// let mut second = first.clone(); // for another thread
/// first.write64(RegOffset(0xc0), 0x1_0000_0002);
/// second.write64(RegOffset(0xc0), 0x3_0000_0004);
/// assert_eq!(*bar.0.lock().unwrap(), [(0xc0, 2), (0xc4, 1), (0xc0, 4), (0xc4, 3)]);
/// ```
#[derive(Clone, Debug)]
pub struct PairedRegisters<R> {
    registers: R,
    turn: Arc<Turn>,
}

impl<R: Registers> PairedRegisters<R> {
    /// The first handle; the others are its clones.
    pub fn new(registers: R) -> Self {
        Self { registers, turn: Arc::new(Turn { state: AtomicU32::new(FREE) }) }
    }
}

impl<R: Registers> Registers for PairedRegisters<R> {
    fn read32(&mut self, offset: RegOffset) -> u32 {
        self.registers.read32(offset)
    }

    fn write32(&mut self, offset: RegOffset, value: u32) {
        self.registers.write32(offset, value);
    }

    fn write64(&mut self, offset: RegOffset, value: u64) {
        let _held = self.turn.take();
        self.registers.write32(offset, value as u32);
        self.registers.write32(RegOffset(offset.0 + 4), (value >> 32) as u32);
    }
}

/// Whose pair is written.
#[derive(Debug)]
struct Turn {
    state: AtomicU32,
}

impl Turn {
    /// Waits until nobody is between two stores.
    fn take(&self) -> Held<'_> {
        let taken = || {
            let taken =
                self.state.compare_exchange(FREE, TAKEN, Ordering::Acquire, Ordering::Relaxed);
            taken.is_ok() || is_planted(Planted::PairsDoNotWait)
        };
        while !taken() {
            yield_turn();
        }
        Held(self)
    }
}

/// The turn; given on when it is dropped.
struct Held<'a>(&'a Turn);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.state.store(FREE, unless(Planted::PairIsRelaxed, Ordering::Release));
    }
}
