//! One command on a controller of several vectors: a program that `tests/instructions` counts.
//!
//! ```text
//! vector_instructions vectors-1|vectors-2|vectors-5|vectors-16 core|harness COMMANDS
//! ```
//!
//! As `mpi2_instructions` with 32 commands for each pass, and the passes go over all vectors in turn. What a command costs
//! must not depend on how many there are.

use core::hint::black_box;
use std::process::ExitCode;

use hba_core::queue::{Batch, CommandHandle, IoQueue};
use hba_core::time::Instant;
use hba_tests::caller::Caller;
use hba_tests::register_bank::{DescriptorAdapter, DescriptorBank, Lane, Pages, facts};
use mpt_backend::mpi2::{Mpi2Config, Mpi2Queue};
use mpt_backend::wire::mpi2::IocCapabilities2;

type Queue = IoQueue<Mpi2Queue, Pages>;

/// Commands submitted before replies are taken.
const DEPTH: usize = 32;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let [scenario, program, commands] = arguments.as_slice() else {
        eprintln!("counted by tests/instructions; arguments: SCENARIO core|harness COMMANDS");
        return ExitCode::from(if arguments.is_empty() { 0 } else { 2 });
    };
    let vectors = scenario.strip_prefix("vectors-").and_then(|vectors| vectors.parse().ok());
    let (Some(vectors), Ok(commands)) = (vectors, commands.parse::<usize>()) else {
        eprintln!("no such scenario, or no number of commands");
        return ExitCode::from(2);
    };
    let (bank, mut adapter) = bring_up(vectors);
    let mut lanes: Vec<_> = (0..usize::from(vectors)).map(|vector| bank.lane(vector)).collect();
    let queues = adapter.queues_mut();
    assert_eq!(queues.len(), lanes.len(), "as many vectors as were asked for");
    let sum = match program.as_str() {
        "core" => core(queues, &mut lanes, commands / DEPTH),
        _ => harness(&mut lanes, commands / DEPTH),
    };
    println!("{sum}");
    ExitCode::SUCCESS
}

fn bring_up(vectors: u8) -> (DescriptorBank, DescriptorAdapter<Pages>) {
    let config = Mpi2Config {
        queue_depth_max: 64,
        elements_max: 2,
        vectors,
        whole_descriptors: true,
        ..Mpi2Config::default()
    };
    let mut facts = facts(2_000);
    facts.max_msix_vectors = vectors;
    facts.ioc_capabilities =
        (IocCapabilities2::EVENT_REPLAY.0 | IocCapabilities2::MSI_X_INDEX.0).into();
    DescriptorBank::brought_up_with(&facts, config, 8 << 20)
}

/// Caller, driver, controller.
fn core(queues: &mut [Queue], lanes: &mut [Lane], passes: usize) -> u64 {
    let mut caller = Caller::new(Pages::scattered(1), 1);
    let mut batch = Batch::new(2 * DEPTH);
    let (mut doorbell, mut index, mut sum, mut vector) = (0u64, 0u32, 0u64, 0);
    for pass in 0..passes {
        let (queue, lane) = (&mut queues[vector], &mut lanes[vector]);
        let now = Instant::from_nanos(pass as u64 * 10_000);
        for _ in 0..DEPTH {
            let submitted = queue.submit(caller.request(), now).expect("there is room");
            black_box(submitted.handle);
            *black_box(&mut doorbell) = submitted.doorbell.value;
            lane.succeed((submitted.doorbell.value >> 16) as u16);
        }
        if let Some(write) = queue.service(&mut batch).ack.flatten() {
            *black_box(&mut index) = write.value;
        }
        for done in batch.drain() {
            sum += done.completion.cookie.0 + u64::from(done.completion.transferred);
            sum += done.sense.len() as u64;
            black_box(done.completion.data);
        }
        vector = if vector + 1 == queues.len() { 0 } else { vector + 1 };
    }
    black_box((doorbell, index));
    sum
}

/// The same without the driver.
fn harness(lanes: &mut [Lane], passes: usize) -> u64 {
    let mut caller = Caller::new(Pages::scattered(1), 1);
    let sense: &[u8] = &[];
    let done: Vec<_> = (0..DEPTH as u64).map(|n| (n, 4096u32, sense, caller.data)).collect();
    let (mut doorbell, mut sum, mut vector) = (0u64, 0, 0);
    for pass in 0..passes {
        black_box(Instant::from_nanos(pass as u64 * 10_000));
        for smid in 1..=DEPTH as u64 {
            black_box(&caller.request());
            black_box(CommandHandle::NEVER_SENT);
            *black_box(&mut doorbell) = smid << 16;
            lanes[vector].succeed(smid as u16);
        }
        for &(cookie, transferred, sense, data) in black_box(&done) {
            sum += cookie + u64::from(transferred) + sense.len() as u64;
            black_box(data);
        }
        vector = if vector + 1 == lanes.len() { 0 } else { vector + 1 };
    }
    black_box(doorbell);
    sum
}
