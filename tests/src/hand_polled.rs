//! Futures of the async facade, polled by hand, with a waker that only counts.

use core::future::Future as _;
use core::hint::black_box;
use core::pin::Pin;
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use hba_core::command::{Command, Nexus, TargetId, Transfer};
use hba_core::queue::Vector;
use scsi_proto::command::{self, Access};
use scsi_proto::{Lba, Lun, TaskAttribute};

use crate::async_bank::AsyncBank;
use crate::register_bank::Pages;

/// As many commands at a time through the facade, so many times; gives the bytes moved.
///
/// # Panics
///
/// If not every command ends, or one has another count of wakes than one.
pub fn facade(depth: usize, rounds: usize) -> u64 {
    let (handle, mut adapter) = AsyncBank::start();
    let hba = adapter.hba.on(Vector(0));
    let driver = &mut adapter.vectors[0];
    let waker = counting_waker();
    let cx = &mut Context::from_waker(&waker);
    let (mut caller, mut sum) = (Caller::new(), 0);
    let mut futures: Vec<_> = (0..depth).map(|_| None).collect();
    let bank = handle.0.bank();
    for _ in 0..rounds {
        for future in &mut futures {
            let (command, data) = caller.command();
            let sent = future.insert(hba.execute(command, data));
            assert!(Pin::new(sent).poll(cx).is_pending());
            bank.succeed(handle.0.doorbell());
        }
        handle.0.interrupt();
        assert!(Pin::new(&mut *driver).poll(cx).is_pending());
        for future in &mut futures {
            let Some(sent) = future else { continue };
            if let Poll::Ready((Ok(answer), data)) = Pin::new(sent).poll(cx) {
                sum += u64::from(answer.transferred);
                black_box(data);
            }
        }
    }
    assert_eq!(WAKES.load(Ordering::Relaxed), (rounds * depth) as u64, "one wake for each command");
    sum
}

/// Makes commands for blocks all over the disk.
#[derive(Debug)]
pub struct Caller {
    lba: u32,
    data: Pages,
}

impl Caller {
    /// The same commands each time.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it is no empty thing")]
    pub fn new() -> Self {
        Self { lba: 1, data: Pages::scattered(1) }
    }

    #[inline(never)]
    /// The next one, 4 KiB.
    ///
    /// # Panics
    ///
    /// Never: a 32-bit address is in range.
    pub fn command(&mut self) -> (Command, Pages) {
        self.lba = self.lba.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let cdb = command::read(Lba(u64::from(self.lba >> 3)), 8, Access::default());
        let nexus = Nexus::new(TargetId::new(1), Lun::ZERO);
        let (transfer, attribute) = (Transfer::from_device(4096), TaskAttribute::Simple);
        let cdb = cdb.expect("a 32-bit address is in range");
        black_box((Command { nexus, cdb, transfer, attribute }, self.data))
    }
}

static WAKES: AtomicU64 = AtomicU64::new(0);

/// A waker that counts and has nothing to free.
fn counting_waker() -> Waker {
    fn clone(data: *const ()) -> RawWaker {
        RawWaker::new(data, &TABLE)
    }
    fn wake(_: *const ()) {
        WAKES.store(WAKES.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
    fn drop(_: *const ()) {}
    static TABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake, drop);
    // SAFETY: the functions never look at the data.
    #[expect(unsafe_code, reason = "a waker without memory behind it")]
    unsafe {
        Waker::from_raw(clone(core::ptr::null()))
    }
}
