//! One command through the core and the MPI 2.x backend: a program that `tests/instructions` counts.
//!
//! ```text
//! mpi2_instructions SCENARIO core|harness COMMANDS
//! ```
//!
//! As `instructions.rs` does for MPI 1.x, `core` has the driver in between and `harness` has not: submit with dispatch,
//! scatter list and deadline, the descriptor's store, every look at the reply post queue (the empty one at the end of a
//! pass too), the store of its index, and the completions taken out of the batch.

use core::hint::black_box;
use std::process::ExitCode;

use hba_core::command::{Rejected, Request};
use hba_core::queue::{Batch, CommandHandle, IoQueue, Serviced, Submitted, Vector};
use hba_core::register::{RegisterWrite, WordWrite};
use hba_core::time::Instant;
use hba_tests::caller::Caller;
use hba_tests::register_bank::{DescriptorAdapter, DescriptorBank, Pages};
use mpt_backend::mpi2::{Mpi2Config, Mpi2Queue};

/// What is repeated.
#[derive(Clone, Copy)]
struct Scenario {
    name: &'static str,
    /// Commands submitted before replies are taken.
    depth: usize,
    /// What a command moves.
    data: Data,
    tags: u16,
    targets: u16,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Data {
    /// One page of 4 KiB.
    Page,
    /// 512 KiB of which no two pages are neighbours, from the middle of a page on: 129 segments.
    Scattered,
}

const PLAIN: Scenario =
    Scenario { name: "mpi2-32", depth: 32, data: Data::Page, tags: 32, targets: 1 };

const SCENARIOS: [Scenario; 5] = [
    PLAIN,
    Scenario { name: "mpi2-1", depth: 1, ..PLAIN },
    Scenario { name: "mpi2-scattered", data: Data::Scattered, ..PLAIN },
    Scenario { name: "mpi2-tags", tags: 10_000, ..PLAIN },
    Scenario { name: "mpi2-targets", targets: 1024, ..PLAIN },
];

impl Scenario {
    fn caller(self) -> Caller {
        let data = match self.data {
            Data::Page => Pages::scattered(1),
            Data::Scattered => Pages::straddling(128),
        };
        Caller::new(data, self.targets)
    }

    fn bring_up(self) -> (DescriptorBank, DescriptorAdapter<Pages>) {
        let elements_max = if self.data == Data::Page { 2 } else { 129 };
        let config = Mpi2Config { queue_depth_max: self.tags, elements_max, ..Default::default() };
        DescriptorBank::brought_up(config, self.tags + 100, 4 << 20)
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let [scenario, program, commands] = arguments.as_slice() else {
        eprintln!("counted by tests/instructions; arguments: SCENARIO core|harness COMMANDS");
        return ExitCode::from(if arguments.is_empty() { 0 } else { 2 });
    };
    let scenario = SCENARIOS.iter().find(|s| s.name == scenario);
    let (Some(&scenario), Ok(commands)) = (scenario, commands.parse::<usize>()) else {
        eprintln!("no such scenario, or no number of commands");
        return ExitCode::from(2);
    };
    let rounds = commands / scenario.depth;
    let sum = match program.as_str() {
        "core" => core(scenario, rounds),
        _ => harness(scenario, rounds),
    };
    println!("{sum}");
    ExitCode::SUCCESS
}

/// Caller, driver, controller.
fn core(scenario: Scenario, rounds: usize) -> u64 {
    let (mut device, mut adapter) = Device::new(scenario);
    let queue = adapter.queue_mut(Vector(0)).expect("there is one");
    let mut caller = scenario.caller();
    // Larger than the depth, so that each pass ends with an empty entry.
    let mut batch = Batch::new(2 * scenario.depth);
    let mut sum = 0;
    for round in 0..rounds {
        let now = Instant::from_nanos(round as u64 * 10_000);
        for _ in 0..scenario.depth {
            let submitted = submit(queue, caller.request(), now).expect("there is room");
            black_box(submitted.handle);
            let descriptor = device.ring(submitted.doorbell);
            device.answer((descriptor >> 16) as u16);
        }
        if let Some(index) = service(queue, &mut batch).ack.flatten() {
            device.acknowledge(index);
        }
        for done in batch.drain() {
            sum += done.completion.cookie.0 + u64::from(done.completion.transferred);
            sum += done.sense.len() as u64;
            black_box(done.completion.data);
        }
    }
    sum
}

/// The same without the driver: the controller answers one and the same request, and the caller takes completions that
/// were there before.
fn harness(scenario: Scenario, rounds: usize) -> u64 {
    let (mut device, _adapter) = Device::new(scenario);
    let mut caller = scenario.caller();
    let sense: &[u8] = &[];
    let done: Vec<_> =
        (0..scenario.depth as u64).map(|n| (n, 4096u32, sense, caller.data)).collect();
    let mut sum = 0;
    for round in 0..rounds {
        black_box(Instant::from_nanos(round as u64 * 10_000));
        for _ in 0..scenario.depth {
            let request = caller.request();
            black_box(&request);
            black_box(CommandHandle::NEVER_SENT);
            let descriptor = device.ring(device.warm_up);
            device.answer((descriptor >> 16) as u16);
        }
        for &(cookie, transferred, sense, data) in black_box(&done) {
            sum += cookie + u64::from(transferred);
            sum += sense.len() as u64;
            black_box(data);
        }
    }
    sum
}

type Queue = IoQueue<Mpi2Queue, Pages>;

#[inline(never)]
fn submit(
    queue: &mut Queue,
    request: Request<Pages>,
    now: Instant,
) -> Result<Submitted<WordWrite>, Rejected<Pages>> {
    queue.submit(request, now)
}

#[inline(never)]
fn service(queue: &mut Queue, batch: &mut Batch<Pages>) -> Serviced<Option<RegisterWrite>> {
    queue.service(batch)
}

/// The controller, and how it ends commands.
struct Device {
    bank: DescriptorBank,
    /// The request descriptor post register, and the reply post host index register.
    doorbell: u64,
    index: u32,
    /// A descriptor, for the harness.
    warm_up: WordWrite,
}

impl Device {
    fn new(scenario: Scenario) -> (Self, DescriptorAdapter<Pages>) {
        let (bank, mut adapter) = scenario.bring_up();
        let queue = adapter.queue_mut(Vector(0)).expect("there is one");
        let submitted = submit(queue, scenario.caller().request(), Instant::ZERO);
        let warm_up = submitted.expect("there is room").doorbell;
        let mut device = Self { bank, doorbell: 0, index: 0, warm_up };
        let descriptor = device.ring(warm_up);
        device.answer((descriptor >> 16) as u16);
        let _ = service(queue, &mut Batch::new(2));
        (device, adapter)
    }

    /// The descriptor's store.
    fn ring(&mut self, word: WordWrite) -> u64 {
        *black_box(&mut self.doorbell) = word.value;
        word.value
    }

    /// The index's store.
    fn acknowledge(&mut self, write: RegisterWrite) {
        *black_box(&mut self.index) = write.value;
    }

    #[inline(never)]
    fn answer(&mut self, smid: u16) {
        self.bank.succeed(smid);
    }
}
