//! The async facade allocates nothing for a command, and frees nothing.

use core::alloc::{GlobalAlloc, Layout};
use core::future::Future;
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::{Context, Poll, Waker};
use std::alloc::System;

use hba_core::command::{Command, Nexus, TargetId, Transfer};
use hba_core::queue::Vector;
use hba_tests::async_bank::AsyncBank;
use hba_tests::register_bank::Pages;
use scsi_proto::command::{self, Access};
use scsi_proto::{Lba, Lun, TaskAttribute};

struct Counting;

static CALLS: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is passed on to the system's allocator.
#[expect(unsafe_code, reason = "an allocator is unsafe to implement")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the promises of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the promises of `GlobalAlloc::dealloc`.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_command_allocates_nothing() {
    let (handle, mut adapter) = AsyncBank::start();
    let hba = adapter.hba.on(Vector(0));
    let cdb = command::read(Lba(7), 8, Access::default()).expect("in range");
    let nexus = Nexus::new(TargetId::new(1), Lun::ZERO);
    let (transfer, attribute) = (Transfer::from_device(4096), TaskAttribute::Simple);
    let data = Pages::scattered(1);
    let cx = &mut Context::from_waker(Waker::noop());
    let mut before = 0;
    for round in 0..10_000 {
        if round == 100 {
            before = CALLS.load(Ordering::Relaxed);
        }
        let mut sent = pin!(hba.execute(Command { nexus, cdb, transfer, attribute }, data));
        assert!(sent.as_mut().poll(cx).is_pending());
        handle.0.bank().succeed(handle.0.doorbell());
        handle.0.interrupt();
        assert!(Pin::new(&mut adapter.vectors[0]).poll(cx).is_pending());
        let Poll::Ready((Ok(answer), _)) = sent.as_mut().poll(cx) else { panic!("not answered") };
        assert!(answer.is_done());
    }
    assert_eq!(CALLS.load(Ordering::Relaxed), before);
}
