//! A device that writes to memory between any two instructions of the driver: the processor traps after each of them.
//!
//! Threads cannot do that on purpose. Two looks at a word that a few instructions lie between meet a change once in a million.
#![expect(
    unsafe_code,
    reason = "the trap flag is set by instructions, its signal handled by a function"
)]

use core::arch::asm;
use core::cell::Cell;
use core::ptr;

/// When the memory changes, by instructions of the driver.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Instructions from one change to the next.
    every: u32,
    /// Instructions of that which have passed at the beginning.
    passed: u32,
}

/// Schedules so that any two instructions, up to 512 apart, have one change between them in one of these at least, and either
/// content before it.
pub fn schedules() -> impl Iterator<Item = Schedule> {
    // Of two instructions `d` apart the first power of two from `d` on has at most one change between them, and has it
    // over `d`, at least half of it, of its phases.
    let phases = |every: u32| (0..2 * every).step_by((every / 2).max(1) as usize);
    let all = (0..10).map(|power| 1 << power);
    all.flat_map(move |every| phases(every).map(move |passed| Schedule { every, passed }))
}

impl Schedule {
    /// Runs `look` while memory changes by the schedule from one of two contents to the other. `change` writes either, and
    /// has written one before `look` begins.
    ///
    /// `look` should return what it sees and not judge it: a panic is a great many instructions.
    pub fn run<T>(self, change: impl Fn(bool), look: impl FnOnce() -> T) -> T {
        let mut at = self.passed;
        change(at / self.every % 2 == 1);
        let mut step = || {
            at = at.wrapping_add(1);
            if at.is_multiple_of(self.every) {
                change(at / self.every % 2 == 1);
            }
        };
        let mut step: Step<'_> = &mut step;
        let _stepping = Stepping::begin(&mut step);
        look()
    }
}

type Step<'a> = &'a mut dyn FnMut();

thread_local! {
    /// What is done after each instruction of this thread; null while it does not trap.
    static STEP: Cell<*mut Step<'static>> = const { Cell::new(ptr::null_mut()) };
}

/// While it lives, this thread traps after each instruction.
struct Stepping;

impl Stepping {
    #[inline(never)]
    fn begin(step: &mut Step<'_>) -> Self {
        let handler = on_trap as *const () as libc::sighandler_t;
        // SAFETY: the handler calls what `STEP` points to and nothing else; no code here needs SIGTRAP's default.
        unsafe { libc::signal(libc::SIGTRAP, handler) };
        STEP.set(ptr::from_mut(step).cast());
        // SAFETY: sets the trap flag (bit 8); the stack is as it was, and no flag is relied on across `asm!`.
        unsafe { asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq") };
        Self
    }
}

impl Drop for Stepping {
    fn drop(&mut self) {
        // SAFETY: clears the trap flag; as above.
        unsafe { asm!("pushfq", "and qword ptr [rsp], -0x101", "popfq") };
        STEP.set(ptr::null_mut());
    }
}

extern "C" fn on_trap(_: libc::c_int) {
    let step = STEP.get();
    if !step.is_null() {
        // SAFETY: `begin` got a borrow that outlives `Stepping`, on this thread, which does nothing with it itself; the trap
        // flag is clear while a handler runs, so this is not entered twice.
        unsafe { (*step)() };
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Two loads with a few instructions between them see both contents in some schedule, one load never.
    #[test]
    fn a_second_look_sees_another_content() {
        let word = AtomicU32::new(0);
        let change = |second: bool| word.store(u32::from(second), Ordering::Relaxed);
        let twice = || (word.load(Ordering::Relaxed), word.load(Ordering::Relaxed));
        let seen: Vec<_> = schedules().map(|schedule| schedule.run(change, twice)).collect();
        for both in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            assert!(seen.contains(&both), "{both:?}");
        }
    }
}
