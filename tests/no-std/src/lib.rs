//! A static library over the portable crates without std: it links only if none of them brings std in, because std
//! has a panic handler of its own.

#![no_std]

extern crate alloc;

use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicUsize, Ordering};

use hba_core::adapter::Adapter;
use hba_core::control::{ControlEvent, RecoveryConfig};
use hba_core::dispatch::ClassTimeouts;
use hba_core::dma::NoData;
use hba_core::queue::Batch;
use hba_core::register::{ALL_ONES, RegOffset, Registers};
use hba_core::time::Instant;
use mpt_backend::mpi1::{Mpi1, Mpi1Config, WordFifo};
use scsi_proto::command::flush_all;

/// Attaches an adapter to a slot without a card. 0 if it says so, 1 if it does not.
#[unsafe(no_mangle)]
pub extern "C" fn hba_no_std() -> i32 {
    let port = Mpi1::new(Mpi1Config::default(), WordFifo::new(8));
    let (recovery, timeouts) = (RecoveryConfig::default(), ClassTimeouts::default());
    let mut adapter = Adapter::<_, NoData>::new(port, recovery, timeouts, Instant::ZERO);
    let mut batch = Batch::new(1);
    let _ = adapter.poll(Instant::ZERO, &mut EmptySlot, &mut batch);
    let gone = adapter.poll_event() == Some(ControlEvent::Gone);
    let flush = flush_all().as_bytes() == [0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    i32::from(!(gone && flush))
}

/// A bus address where no device answers.
struct EmptySlot;

impl Registers for EmptySlot {
    fn read32(&mut self, _: RegOffset) -> u32 {
        ALL_ONES
    }

    fn write32(&mut self, _: RegOffset, _: u32) {}
}

/// Gives out a fixed piece of memory once and takes nothing back.
struct Bump {
    next: AtomicUsize,
}

const HEAP: usize = 1 << 20;

#[repr(align(64))]
struct Heap(core::cell::UnsafeCell<[u8; HEAP]>);

// SAFETY: the allocator gives out each byte once.
unsafe impl Sync for Heap {}

static MEMORY: Heap = Heap(core::cell::UnsafeCell::new([0; HEAP]));

#[global_allocator]
static ALLOCATOR: Bump = Bump { next: AtomicUsize::new(0) };

// SAFETY: ranges are aligned as asked, inside the heap, and disjoint, because `next` only grows past each of them.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > align_of::<Heap>() {
            return null_mut();
        }
        let place = |next: usize| {
            let start = next.checked_next_multiple_of(layout.align())?;
            start.checked_add(layout.size()).filter(|end| *end <= HEAP)
        };
        match self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, place) {
            // SAFETY: `place` found the end of the range inside the heap.
            Ok(next) => unsafe {
                MEMORY.0.get().cast::<u8>().add(next.next_multiple_of(layout.align()))
            },
            Err(_) => null_mut(),
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
