//! Where atomics and cells come from: `core`, or the model checker that this build is for.
//!
//! `--cfg loom` and `--cfg shuttle` replace the primitives under the shipped types, so that a model drives those and not
//! copies of them. Nothing else in the crate asks for either.

#[cfg(all(target_has_atomic = "64", not(any(loom, shuttle))))]
pub(super) use core::sync::atomic::AtomicU64;
/// Not one of the model's: what it holds stays for the whole process.
#[cfg(any(loom, shuttle, feature = "sabotage"))]
pub(super) use core::sync::atomic::{AtomicU32 as ProcessAtomicU32, Ordering as ProcessOrdering};
#[cfg(not(any(loom, shuttle)))]
pub(super) use core::sync::atomic::{AtomicU32, Ordering, fence};
#[cfg(loom)]
pub(super) use loom::sync::atomic::{AtomicU32, Ordering, fence};
#[cfg(shuttle)]
pub(super) use shuttle::sync::atomic::{AtomicU32, Ordering, fence};

/// Lets whoever is to be waited for have the processor: the thread's turn where there is an operating system, or a hint.
#[cfg(not(any(loom, shuttle)))]
pub(super) fn yield_turn() {
    #[cfg(feature = "tokio")]
    std::thread::yield_now();
    #[cfg(not(feature = "tokio"))]
    core::hint::spin_loop();
}
#[cfg(loom)]
pub(super) use loom::thread::yield_now as yield_turn;
#[cfg(shuttle)]
pub(super) use shuttle::thread::yield_now as yield_turn;

/// Makes a constructor `const`, so that a `static` can hold the value; loom's atomics belong to one execution of a model
/// and cannot be made before it.
macro_rules! const_unless_loom {
    ($(#[$attr:meta])* pub fn $name:ident($($arg:ident: $ty:ty),*) -> Self $body:block) => {
        #[cfg(not(loom))]
        $(#[$attr])*
        pub const fn $name($($arg: $ty),*) -> Self $body

        #[cfg(loom)]
        $(#[$attr])*
        pub fn $name($($arg: $ty),*) -> Self $body
    };
}
pub(super) use const_unless_loom;

/// Memory that one owner at a time reaches. Under loom every access is checked against every other.
#[derive(Debug)]
pub(super) struct Cell<T> {
    #[cfg(not(loom))]
    inner: core::cell::UnsafeCell<T>,
    #[cfg(loom)]
    inner: loom::cell::UnsafeCell<T>,
}

impl<T> Cell<T> {
    #[cfg(not(loom))]
    pub(super) const fn new(value: T) -> Self {
        Self { inner: core::cell::UnsafeCell::new(value) }
    }

    #[cfg(loom)]
    pub(super) fn new(value: T) -> Self {
        Self { inner: loom::cell::UnsafeCell::new(value) }
    }

    /// Calls `f` with the address of the value.
    #[inline]
    pub(super) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        #[cfg(not(loom))]
        return f(self.inner.get());
        #[cfg(loom)]
        return self.inner.with_mut(f);
    }

    pub(super) fn into_inner(self) -> T {
        self.inner.into_inner()
    }
}
