//! Threads, atomics and locks of the model checker that this build is for.

#[cfg(loom)]
pub use loom::{
    sync::atomic::{AtomicU32, Ordering},
    sync::{Condvar, Mutex, MutexGuard},
    thread,
};
#[cfg(shuttle)]
pub use shuttle::{
    sync::atomic::{AtomicU32, Ordering},
    sync::{Condvar, Mutex, MutexGuard},
    thread,
};

/// Memory that one at a time may write, or many read. An access while another is under way, or that nothing orders behind
/// an earlier one, ends the model with the word "Concurrent".
#[derive(Debug)]
pub struct Checked<T> {
    #[cfg(loom)]
    inner: loom::cell::UnsafeCell<T>,
    #[cfg(shuttle)]
    inner: core::cell::UnsafeCell<T>,
    #[cfg(shuttle)]
    inside: core::sync::atomic::AtomicI32,
}

#[expect(unsafe_code, reason = "the checker is what makes sure of it")]
// SAFETY: loom orders every access or ends the model. Under shuttle one thread runs at a time, and `inside` ends the model
// where two accesses overlap.
unsafe impl<T: Send> Sync for Checked<T> {}

impl<T> Checked<T> {
    pub fn new(value: T) -> Self {
        Self {
            inner: From::from(value),
            #[cfg(shuttle)]
            inside: 0.into(),
        }
    }

    #[cfg(loom)]
    #[expect(unsafe_code, reason = "loom has checked the access")]
    pub fn read<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        // SAFETY: loom ends the model where a write is under way.
        self.inner.with(|value| f(unsafe { &*value }))
    }

    #[cfg(loom)]
    #[expect(unsafe_code, reason = "loom has checked the access")]
    pub fn write<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: loom ends the model where another access is under way.
        self.inner.with_mut(|value| f(unsafe { &mut *value }))
    }

    #[cfg(shuttle)]
    #[expect(unsafe_code, reason = "counted")]
    pub fn read<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        use core::sync::atomic::Ordering::Relaxed;
        assert!(self.inside.fetch_add(1, Relaxed) >= 0, "Concurrent read and write");
        thread::sleep(core::time::Duration::ZERO);
        // SAFETY: no writer is inside.
        let result = f(unsafe { &*self.inner.get() });
        self.inside.fetch_sub(1, Relaxed);
        result
    }

    #[cfg(shuttle)]
    #[expect(unsafe_code, reason = "counted")]
    pub fn write<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        use core::sync::atomic::Ordering::Relaxed;
        assert!(self.inside.swap(-1, Relaxed) == 0, "Concurrent write");
        thread::sleep(core::time::Duration::ZERO);
        // SAFETY: nobody else is inside.
        let result = f(unsafe { &mut *self.inner.get() });
        self.inside.store(0, Relaxed);
        result
    }
}

/// A lock of the model.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
