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
    /// The same half as long: 65 segments.
    Half,
    /// As [`Self::Scattered`], from a buffer that does not say that no two are neighbours.
    Unknown,
}

const PLAIN: Scenario =
    Scenario { name: "mpi2-32", depth: 32, data: Data::Page, tags: 32, targets: 1 };

const SCENARIOS: [Scenario; 7] = [
    PLAIN,
    Scenario { name: "mpi2-1", depth: 1, ..PLAIN },
    Scenario { name: "mpi2-scattered", data: Data::Scattered, ..PLAIN },
    Scenario { name: "mpi2-half", data: Data::Half, ..PLAIN },
    Scenario { name: "mpi2-unknown", data: Data::Unknown, ..PLAIN },
    Scenario { name: "mpi2-tags", tags: 10_000, ..PLAIN },
    Scenario { name: "mpi2-targets", targets: 1024, ..PLAIN },
];

impl Scenario {
    fn pages(self) -> Pages {
        match self.data {
            Data::Page => Pages::scattered(1),
            Data::Half => Pages::straddling(64),
            Data::Scattered | Data::Unknown => Pages::straddling(128),
        }
    }

    fn bring_up<const JOINED: bool>(self) -> (DescriptorBank, DescriptorAdapter<Pages<JOINED>>) {
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
    let (pages, with_core) = (scenario.pages(), program == "core");
    let sum = match (with_core, scenario.data) {
        (true, Data::Unknown) => core(scenario, pages.unknown(), rounds),
        (true, _) => core(scenario, pages, rounds),
        (false, _) => harness(scenario, pages, rounds),
    };
    println!("{sum}");
    ExitCode::SUCCESS
}

/// Caller, driver, controller.
fn core<const JOINED: bool>(scenario: Scenario, pages: Pages<JOINED>, rounds: usize) -> u64 {
    let (mut device, mut adapter) = Device::new(scenario, pages);
    let queue = adapter.queue_mut(Vector(0)).expect("there is one");
    let mut caller = Caller::new(pages, scenario.targets);
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
fn harness(scenario: Scenario, pages: Pages, rounds: usize) -> u64 {
    let (mut device, _adapter) = Device::new(scenario, pages);
    let mut caller = Caller::new(pages, scenario.targets);
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

type Queue<const JOINED: bool> = IoQueue<Mpi2Queue, Pages<JOINED>>;

#[inline(never)]
fn submit<const JOINED: bool>(
    queue: &mut Queue<JOINED>,
    request: Request<Pages<JOINED>>,
    now: Instant,
) -> Result<Submitted<WordWrite>, Rejected<Pages<JOINED>>> {
    queue.submit(request, now)
}

#[inline(never)]
fn service<const JOINED: bool>(
    queue: &mut Queue<JOINED>,
    batch: &mut Batch<Pages<JOINED>>,
) -> Serviced<Option<RegisterWrite>> {
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
    fn new<const JOINED: bool>(
        scenario: Scenario,
        pages: Pages<JOINED>,
    ) -> (Self, DescriptorAdapter<Pages<JOINED>>) {
        let (bank, mut adapter) = scenario.bring_up();
        let queue = adapter.queue_mut(Vector(0)).expect("there is one");
        let submitted =
            submit(queue, Caller::new(pages, scenario.targets).request(), Instant::ZERO);
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
