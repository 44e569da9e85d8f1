//! What an executor adds to the async facade: a program that `tests/instructions` counts.
//!
//! ```text
//! executor_instructions executor-32|executor-1 core|harness COMMANDS
//! ```
//!
//! `harness` is the facade with futures polled by hand, the core of `async_instructions`. `core` is the same in as many tasks of
//! tokio's executor for one thread, and one more for the vector's driver.

extern crate alloc;

use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use core::future::{Future as _, poll_fn};
use core::hint::black_box;
use core::pin::Pin;
use core::task::Waker;
use std::process::ExitCode;
use std::sync::MutexGuard;

use hba_core::queue::Vector;
use hba_core::runtime::Attached;
use hba_tests::async_bank::{AsyncBank, BankHandle};
use hba_tests::hand_polled::{Caller, facade};
use hba_tests::register_bank::RegisterBank;
use tokio::task::LocalSet;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let [scenario, program, commands] = arguments.as_slice() else {
        eprintln!("counted by tests/instructions; arguments: SCENARIO core|harness COMMANDS");
        return ExitCode::from(if arguments.is_empty() { 0 } else { 2 });
    };
    let depth = if scenario == "executor-1" { 1 } else { 32 };
    let Ok(commands) = commands.parse::<usize>() else { return ExitCode::from(2) };
    let rounds = commands / depth;
    let sum = match program.as_str() {
        "core" => executor(depth, rounds),
        _ => facade(depth, rounds),
    };
    println!("{sum}");
    ExitCode::SUCCESS
}

/// The controller, and who waits for its interrupt.
struct Device {
    handle: BankHandle,
    bank: MutexGuard<'static, RegisterBank>,
    /// Commands of this round.
    sent: Cell<usize>,
    depth: usize,
    driver: RefCell<Option<Waker>>,
}

impl Device {
    /// Ends the command that was just sent, and interrupts once for all of a round.
    fn succeed(&self) {
        self.bank.succeed(self.handle.0.doorbell());
        self.sent.set(self.sent.get() + 1);
        if self.sent.get() == self.depth {
            self.sent.set(0);
            self.handle.0.interrupt();
            self.driver.borrow().as_ref().expect("it was polled").wake_by_ref();
        }
    }
}

fn executor(depth: usize, rounds: usize) -> u64 {
    let (handle, adapter) = AsyncBank::start();
    let Attached { hba, mut vectors, control, events, reclaimed } = adapter;
    let (sent, bank, waiter) = (Cell::new(0), handle.0.bank(), RefCell::new(None));
    let device = Rc::new(Device { handle, bank, sent, depth, driver: waiter });
    let mut driver = vectors.remove(0);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let local = LocalSet::new();
    let told = Rc::clone(&device);
    drop(local.spawn_local(poll_fn(move |cx| {
        let mut waker = told.driver.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Pin::new(&mut driver).poll(cx)
    })));
    let tasks: Vec<_> = (0..depth)
        .map(|_| {
            let (device, hba) = (Rc::clone(&device), hba.on(Vector(0)));
            local.spawn_local(async move {
                let (mut caller, mut sum) = (Caller::new(), 0);
                for _ in 0..rounds {
                    let (command, data) = caller.command();
                    let (mut sent, mut future) = (false, hba.execute(command, data));
                    let ended = poll_fn(|cx| {
                        let polled = Pin::new(&mut future).poll(cx);
                        if !core::mem::replace(&mut sent, true) {
                            device.succeed();
                        }
                        polled
                    });
                    if let (Ok(answer), data) = ended.await {
                        sum += u64::from(answer.transferred);
                        black_box(data);
                    }
                }
                sum
            })
        })
        .collect();
    let sum = runtime.block_on(local.run_until(async {
        let mut sum = 0;
        for task in tasks {
            sum += task.await.expect("it ends");
        }
        sum
    }));
    drop((control, events, reclaimed));
    sum
}
