//! The system's allocator, counted.
#![expect(unsafe_code, reason = "a global allocator that counts")]

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use std::alloc::System;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static FREES: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<i64> = const { Cell::new(0) };
}

/// Allocations and frees of this thread so far.
pub(crate) fn so_far() -> (u64, u64) {
    (ALLOCATIONS.get(), FREES.get())
}

/// Bytes that this thread has allocated and not freed.
#[allow(dead_code, reason = "not every test that counts asks for it")]
pub(crate) fn held() -> i64 {
    BYTES.get()
}

// SAFETY: everything is done by the system's allocator; the counters are plain cells that need no allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        BYTES.set(BYTES.get() + layout.size() as i64);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        FREES.set(FREES.get() + 1);
        BYTES.set(BYTES.get() - layout.size() as i64);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }
}
