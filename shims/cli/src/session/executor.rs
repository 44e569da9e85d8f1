//! Polls futures by hand on one thread. Where nothing depends on other threads, the same calls give the same run.

use alloc::sync::Arc;
use alloc::task::Wake;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};
use std::thread::{self, Thread};

/// Polls on the thread that made it, and sleeps while nobody asks for a poll.
#[derive(Debug)]
pub(crate) struct Executor {
    bell: Arc<Bell>,
    waker: Waker,
}

/// Rung by whoever wants a poll.
#[derive(Debug)]
struct Bell {
    rung: AtomicBool,
    thread: Thread,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.rung.swap(true, Ordering::AcqRel) && thread::current().id() != self.thread.id() {
            self.thread.unpark();
        }
    }
}

impl Executor {
    pub(crate) fn new() -> Self {
        let bell = Arc::new(Bell { rung: AtomicBool::new(true), thread: thread::current() });
        Self { waker: Waker::from(Arc::clone(&bell)), bell }
    }

    /// Calls `turn` until it is ready: at once, and then whenever its context was woken.
    pub(crate) fn run<T>(&self, mut turn: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
        debug_assert_eq!(thread::current().id(), self.bell.thread.id(), "who parks is unparked");
        let mut cx = Context::from_waker(&self.waker);
        loop {
            self.bell.rung.store(false, Ordering::Release);
            if let Poll::Ready(value) = turn(&mut cx) {
                return value;
            }
            while !self.bell.rung.load(Ordering::Acquire) {
                thread::park();
            }
        }
    }

    /// What asks for a poll.
    pub(crate) const fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Calls `turn` once.
    pub(crate) fn once<T>(&self, turn: impl FnOnce(&mut Context<'_>) -> T) -> T {
        turn(&mut Context::from_waker(&self.waker))
    }
}
