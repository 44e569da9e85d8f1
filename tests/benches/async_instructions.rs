//! One command through the async facade: the second program that `tests/instructions` counts.
//!
//! ```text
//! async_instructions async-32|async-1 core|harness COMMANDS
//! ```
//!
//! `core` sends each command as a future that is polled by hand, with a waker that only counts, and polls the vector's
//! driver once for each round. `harness` submits to and services a plain queue of the same backend on the same controller.
//! Their difference is the facade: place, entries into the queue, waker, wake, answer. No executor is in it.

use core::hint::black_box;
use std::process::ExitCode;

use hba_core::command::{Cookie, Rejected, Request};
use hba_core::queue::{Batch, IoQueue, Submitted, Vector};
use hba_core::register::{HostWrite, RegisterWrite};
use hba_core::time::Instant;
use hba_tests::async_bank::AsyncBank;
use hba_tests::hand_polled::{Caller, facade};
use hba_tests::register_bank::{BankFifo, Pages, RegisterBank};
use mpt_backend::mpi1::{Mpi1Config, Mpi1Queue};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let [scenario, program, commands] = arguments.as_slice() else {
        eprintln!("counted by tests/instructions; arguments: SCENARIO core|harness COMMANDS");
        return ExitCode::from(if arguments.is_empty() { 0 } else { 2 });
    };
    let depth = if scenario.ends_with("-1") { 1 } else { 32 };
    let Ok(commands) = commands.parse::<usize>() else { return ExitCode::from(2) };
    let rounds = commands / depth;
    let sum = match program.as_str() {
        "core" => facade(depth, rounds),
        _ => plain(depth, rounds),
    };
    println!("{sum}");
    ExitCode::SUCCESS
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
            let submitted = submit(queue, request).expect("there is room");
            submitted.doorbell.write_to(&mut handle);
            bank.succeed(handle.0.doorbell());
        }
        // The driver of a vector looks until a pass ends early.
        while service(queue, &mut batch) {
            sum += take(&mut batch);
        }
        sum += take(&mut batch);
    }
    sum
}

type Queue = IoQueue<Mpi1Queue<BankFifo>, Pages>;

// Entered by calls, as the other programs do: what an entry costs is then not hidden in the caller.
#[inline(never)]
fn submit(
    queue: &mut Queue,
    request: Request<Pages>,
) -> Result<Submitted<RegisterWrite>, Rejected<Pages>> {
    queue.submit(request, Instant::ZERO)
}

#[inline(never)]
fn service(queue: &mut Queue, batch: &mut Batch<Pages>) -> bool {
    queue.service(batch).more
}

fn take(batch: &mut Batch<Pages>) -> u64 {
    let mut sum = 0;
    for done in batch.drain() {
        sum += u64::from(done.completion.transferred);
        black_box(done.completion.data);
    }
    sum
}
