//! What two vectors of one adapter do on two cores, compared with what one does: for a person, on a quiet machine.
//!
//! ```text
//! cargo bench --package hba-tests --bench two_cores [-- COMMANDS]
//! ```
//!
//! Each vector has a thread, its own queue and its own end of a controller that is nothing but memory, so that nothing is
//! measured but the driver and what two of its queues share without wanting to. Time is the thread's own on the CPU, which a
//! busy machine disturbs less, and, in brackets, the wall's.

use core::hint::black_box;
use core::time::Duration;
use std::process::ExitCode;
use std::sync::Barrier;
use std::time::Instant as Wall;

use hba_core::queue::{Batch, IoQueue};
use hba_core::time::Instant;
use hba_tests::caller::Caller;
use hba_tests::register_bank::{DescriptorBank, Lane, Pages, facts};
use mpt_backend::mpi2::{Mpi2Config, Mpi2Queue};
use mpt_backend::wire::mpi2::IocCapabilities2;
use rustix::time::{ClockId, clock_gettime};

type Queue = IoQueue<Mpi2Queue, Pages>;

/// Commands submitted before replies are taken.
const DEPTH: usize = 32;
const VECTORS: u8 = 2;
/// One vector and two, in turn.
const TRIES: usize = 7;

/// What one thread took for its commands.
#[derive(Clone, Copy)]
struct Took {
    cpu: Duration,
    wall: Duration,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let Ok(commands) = arguments.first().map_or(Ok(4_000_000), |a| a.parse::<usize>()) else {
        eprintln!("the argument is the number of commands for each vector");
        return ExitCode::from(2);
    };
    println!("million commands/s of each vector by its CPU time (by the wall)");
    let mut best = [0.0f64; 4];
    for _ in 0..TRIES {
        let (alone, both) = (run(1, commands), run(usize::from(VECTORS), commands));
        let rates = [
            millions(&alone, commands, |took| took.cpu),
            millions(&both, commands, |took| took.cpu),
            millions(&alone, commands, |took| took.wall),
            millions(&both, commands, |took| took.wall),
        ];
        for (best, rate) in best.iter_mut().zip(rates) {
            *best = best.max(rate);
        }
        let each: Vec<_> = alone.iter().chain(&both).map(|took| shown(took, commands)).collect();
        println!("alone {}; together {}, {}; {}", each[0], each[1], each[2], ratios(rates));
    }
    println!("best of each: {}", ratios(best));
    ExitCode::SUCCESS
}

fn ratios(rates: [f64; 4]) -> String {
    format!("{:.2} times one ({:.2})", rates[1] / rates[0], rates[3] / rates[2])
}

fn shown(took: &Took, commands: usize) -> String {
    let [cpu, wall] = [took.cpu, took.wall].map(|time| commands as f64 / time.as_secs_f64() / 1e6);
    format!("{cpu:.1} ({wall:.1})")
}

fn millions(took: &[Took], commands: usize, time: impl Fn(&Took) -> Duration) -> f64 {
    took.iter().map(|took| commands as f64 / time(took).as_secs_f64() / 1e6).sum()
}

/// Runs the first `threads` of the adapter's vectors at the same time.
fn run(threads: usize, commands: usize) -> Vec<Took> {
    let config = Mpi2Config {
        queue_depth_max: 64,
        elements_max: 2,
        vectors: VECTORS,
        whole_descriptors: true,
        ..Mpi2Config::default()
    };
    let mut facts = facts(1_000);
    facts.max_msix_vectors = VECTORS;
    facts.ioc_capabilities =
        (IocCapabilities2::EVENT_REPLAY.0 | IocCapabilities2::MSI_X_INDEX.0).into();
    let (bank, mut adapter) = DescriptorBank::brought_up_with(&facts, config, 4 << 20);
    assert_eq!(adapter.queues().len(), usize::from(VECTORS), "as many as were asked for");
    let start = Barrier::new(threads);
    std::thread::scope(|scope| {
        let queues = adapter.queues_mut().iter_mut().take(threads).enumerate();
        let threads: Vec<_> = queues
            .map(|(vector, queue)| {
                let (mut lane, start) = (bank.lane(vector), &start);
                scope.spawn(move || {
                    drive(queue, &mut lane, commands / 10);
                    start.wait();
                    drive(queue, &mut lane, commands)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("it ends")).collect()
    })
}

fn drive(queue: &mut Queue, lane: &mut Lane, commands: usize) -> Took {
    let mut caller = Caller::new(Pages::scattered(1), 1);
    let mut batch = Batch::new(2 * DEPTH);
    let (mut doorbell, mut index, mut sum) = (0u64, 0u32, 0u64);
    let (cpu, wall) = (thread_time(), Wall::now());
    for round in 0..commands / DEPTH {
        let now = Instant::from_nanos(round as u64 * 10_000);
        for _ in 0..DEPTH {
            let submitted = queue.submit(caller.request(), now).expect("there is room");
            *black_box(&mut doorbell) = submitted.doorbell.value;
            lane.succeed((submitted.doorbell.value >> 16) as u16);
        }
        if let Some(write) = queue.service(&mut batch).ack.flatten() {
            *black_box(&mut index) = write.value;
        }
        for done in batch.drain() {
            sum += done.completion.cookie.0;
        }
    }
    let took = Took { cpu: thread_time().saturating_sub(cpu), wall: wall.elapsed() };
    black_box(sum);
    took
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
