//! One command through the core and the MPI 1.x backend: the program that `tests/instructions` counts.
//!
//! ```text
//! instructions SCENARIO core|harness COMMANDS
//! ```
//!
//! Both programs do the work around a command: the caller makes a request, the controller reads the message context out
//! of a request frame and posts a reply. `core` has the driver in between, `harness` has not, so their difference is the
//! driver: submit with dispatch, scatter list and deadline, the doorbell store, every read of the reply FIFO (the empty
//! one at the end of a pass too), and the completions taken out of the batch.

use core::hint::black_box;
use std::process::ExitCode;

use hba_core::command::{Rejected, Request};
use hba_core::queue::{Batch, CommandHandle, IoQueue, Serviced, Submitted, Vector};
use hba_core::register::RegisterWrite;
use hba_core::time::Instant;
use hba_tests::caller::Caller;
use hba_tests::register_bank::{BankAdapter, BankFifo, Pages, RegisterBank, message_words};
use mpt_backend::mpi1::{Mpi1Config, Mpi1Queue};
use mpt_backend::wire::message::Function;
use mpt_backend::wire::scsi_io::{ScsiIoReply, ScsiState};
use scsi_proto::Status;
use zerocopy::FromZeros;

/// What is repeated.
#[derive(Clone, Copy)]
struct Scenario {
    name: &'static str,
    /// Commands submitted before replies are taken.
    depth: usize,
    /// Segments of 4 KiB; 0 for a command without data.
    segments: u32,
    /// Whether each ends with CHECK CONDITION and sense data.
    fails: bool,
}

const SCENARIOS: [Scenario; 5] = [
    Scenario { name: "read-32", depth: 32, segments: 1, fails: false },
    Scenario { name: "read-1", depth: 1, segments: 1, fails: false },
    Scenario { name: "scattered-32", depth: 32, segments: 16, fails: false },
    Scenario { name: "no-data-32", depth: 32, segments: 0, fails: false },
    Scenario { name: "sense-32", depth: 32, segments: 1, fails: true },
];

impl Scenario {
    fn caller(self) -> Caller {
        Caller::new(Pages::scattered(self.segments), 1)
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
    // Larger than the depth, so that each pass ends with an empty read.
    let mut batch = Batch::new(2 * scenario.depth);
    let mut sum = 0;
    for round in 0..rounds {
        let now = Instant::from_nanos(round as u64 * 10_000);
        for _ in 0..scenario.depth {
            let submitted = submit(queue, caller.request(), now).expect("there is room");
            black_box(submitted.handle);
            device.ring(submitted.doorbell.value);
            device.answer(submitted.doorbell.value);
        }
        black_box(service(queue, &mut batch).ack);
        for done in batch.drain() {
            sum += done.completion.cookie.0 + u64::from(done.completion.transferred);
            sum += done.sense.len() as u64;
            black_box(done.completion.data);
        }
    }
    sum
}

/// The same without the driver: the controller answers one and the same frame, and the caller takes completions that were
/// there before.
fn harness(scenario: Scenario, rounds: usize) -> u64 {
    let (mut device, _adapter) = Device::new(scenario);
    let mut caller = scenario.caller();
    let sense: &[u8] = &[0; 18][..if scenario.fails { 18 } else { 0 }];
    let done: Vec<_> =
        (0..scenario.depth as u64).map(|n| (n, 4096u32, sense, caller.data)).collect();
    let mut sum = 0;
    for round in 0..rounds {
        black_box(Instant::from_nanos(round as u64 * 10_000));
        for _ in 0..scenario.depth {
            let request = caller.request();
            black_box(&request);
            black_box(CommandHandle::NEVER_SENT);
            device.ring(device.frame);
            device.answer_into(device.frame, device.reply_frame);
        }
        for &(cookie, transferred, sense, data) in black_box(&done) {
            sum += cookie + u64::from(transferred);
            sum += sense.len() as u64;
            black_box(data);
        }
    }
    sum
}

type Queue = IoQueue<Mpi1Queue<BankFifo>, Pages>;

#[inline(never)]
fn submit(
    queue: &mut Queue,
    request: Request<Pages>,
    now: Instant,
) -> Result<Submitted<RegisterWrite>, Rejected<Pages>> {
    queue.submit(request, now)
}

#[inline(never)]
fn service(queue: &mut Queue, batch: &mut Batch<Pages>) -> Serviced<()> {
    queue.service(batch)
}

/// The controller, and how it ends commands.
struct Device {
    bank: RegisterBank,
    reply: Vec<u32>,
    /// The request FIFO register.
    doorbell: u32,
    /// A request frame and a reply frame, for the harness.
    frame: u32,
    reply_frame: u32,
}

impl Device {
    fn new(scenario: Scenario) -> (Self, BankAdapter<Pages>) {
        let (mut bank, mut adapter) = RegisterBank::brought_up(Mpi1Config::default());
        let reply = if scenario.fails { check_condition() } else { Vec::new() };
        let reply_frame = bank.take_free_frame();
        let mut caller = scenario.caller();
        let queue = adapter.queue_mut(Vector(0)).expect("there is one");
        let warm_up = submit(queue, caller.request(), Instant::ZERO).expect("there is room");
        let frame = warm_up.doorbell.value;
        bank.succeed(frame);
        let _ = service(queue, &mut Batch::new(2));
        (Self { bank, reply, doorbell: 0, frame, reply_frame }, adapter)
    }

    /// The doorbell: one store.
    fn ring(&mut self, word: u32) {
        *black_box(&mut self.doorbell) = word;
    }

    fn answer(&mut self, frame: u32) {
        let free = if self.reply.is_empty() { 0 } else { self.bank.take_free_frame() };
        self.answer_into(frame, free);
    }

    #[inline(never)]
    fn answer_into(&mut self, frame: u32, free: u32) {
        if self.reply.is_empty() {
            self.bank.succeed(frame);
        } else {
            self.bank.reply(frame, free, &self.reply);
        }
    }
}

/// CHECK CONDITION with 18 bytes of sense data; which bytes does not matter here.
fn check_condition() -> Vec<u32> {
    message_words(|msg_length| ScsiIoReply {
        msg_length,
        function: Function::SCSI_IO_REQUEST,
        scsi_status: Status::CHECK_CONDITION.0,
        scsi_state: ScsiState::AUTOSENSE_VALID,
        sense_count: 18.into(),
        ..ScsiIoReply::new_zeroed()
    })
}
