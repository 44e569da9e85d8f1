//! One command through the async facade: the second program that `tests/instructions` counts.
//!
//! ```text
//! async_instructions async-32|async-1 core|harness COMMANDS
//! ```
//!
//! `core` sends each command as a future that is polled by hand, with a waker that only counts, and polls the vector's
//! driver once for each round. `harness` submits to and services a plain queue of the same backend on the same controller.
//! Their difference is the facade: permit, place, entries into the queue, waker, wake, answer. No executor is in it.

use core::future::Future;
use core::hint::black_box;
use core::pin::Pin;
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};
use std::process::ExitCode;

use hba_core::command::{Command, Cookie, Nexus, Request, TargetId, Transfer};
use hba_core::queue::{Batch, Vector};
use hba_core::register::HostWrite;
use hba_core::time::Instant;
use hba_tests::async_bank::AsyncBank;
use hba_tests::register_bank::{Pages, RegisterBank};
use mpt_backend::mpi1::Mpi1Config;
use scsi_proto::command::{self, Access};
use scsi_proto::{Lba, Lun, TaskAttribute};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let [scenario, program, commands] = arguments.as_slice() else {
        eprintln!("counted by tests/instructions; arguments: SCENARIO core|harness COMMANDS");
        return ExitCode::from(if arguments.is_empty() { 0 } else { 2 });
    };
    let depth = if scenario == "async-1" { 1 } else { 32 };
    let Ok(commands) = commands.parse::<usize>() else { return ExitCode::from(2) };
    let sum = match program.as_str() {
        "core" => facade(depth, commands / depth),
        _ => plain(depth, commands / depth),
    };
    println!("{sum}");
    ExitCode::SUCCESS
}

fn facade(depth: usize, rounds: usize) -> u64 {
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

fn plain(depth: usize, rounds: usize) -> u64 {
    let (mut handle, _facade) = AsyncBank::start();
    let (bank, mut adapter) = RegisterBank::brought_up::<Pages>(Mpi1Config::default());
    let queue = adapter.queue_mut(Vector(0)).expect("there is one");
    let mut batch = Batch::new(32);
    let (mut caller, mut sum) = (Caller::new(), 0);
    for _ in 0..rounds {
        for _ in 0..depth {
            let (command, data) = caller.command();
            let nexus = command.nexus;
            let request = Request::new(nexus, command.cdb, command.transfer, data, Cookie(0));
            let submitted = queue.submit(request, Instant::ZERO).expect("there is room");
            submitted.doorbell.write_to(&mut handle);
            bank.succeed(handle.0.doorbell());
        }
        // The driver of a vector looks until a pass ends early.
        while queue.service(&mut batch).more {
            sum += take(&mut batch);
        }
        sum += take(&mut batch);
    }
    sum
}

fn take(batch: &mut Batch<Pages>) -> u64 {
    let mut sum = 0;
    for done in batch.drain() {
        sum += u64::from(done.completion.transferred);
        black_box(done.completion.data);
    }
    sum
}

/// Makes commands for blocks all over the disk.
struct Caller {
    lba: u32,
    data: Pages,
}

impl Caller {
    fn new() -> Self {
        Self { lba: 1, data: Pages::scattered(1) }
    }

    #[inline(never)]
    fn command(&mut self) -> (Command, Pages) {
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
