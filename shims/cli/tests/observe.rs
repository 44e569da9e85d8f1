//! What is seen of commands and of recovery: traces and the flight recorder.

mod common;

extern crate alloc;

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::path::Path;

use common::{TestFile, hba};
use hba_cli::session::{ClockFn, FlightRecorder};
use hba_cli::trace::TraceFile;
use hba_core::host::Data;
use hba_core::runtime::{self, Attached, Config, Event};
use hba_core::tracer::Tracer;
use mpt_backend::mpi1::{FifoRegister, Mpi1, Mpi1Config};
use serde_json::Value;
use sim_backend::disk::{DiskConfig, SimDisk};
use sim_backend::machine::SimMachine;
use sim_backend::memory::SimMemory;
use sim_backend::mpi1::{Mpi1Controller, Personality};
use sim_backend::pulse::AsyncSimPlatform;

/// A row of a timeline: group and row.
type Row = (u64, u64);

/// What is in a trace.
struct Seen {
    /// Name, begin and end in microseconds, what was told at the end.
    spans: Vec<(Row, String, f64, f64, Value)>,
    instants: Vec<String>,
    groups: BTreeMap<u64, String>,
}

impl Seen {
    /// Reads a trace. On every row, begin and end have to alternate.
    fn read(file: &TestFile) -> Self {
        let trace: Value = serde_json::from_slice(&file.content()).expect("JSON");
        let mut open: BTreeMap<Row, (String, f64)> = BTreeMap::new();
        let (mut spans, mut instants) = (Vec::new(), Vec::new());
        let (mut groups, mut last) = (BTreeMap::new(), 0.0);
        for event in trace["traceEvents"].as_array().expect("events") {
            let number = |name: &str| event[name].as_f64().expect("a number");
            let row = (number("pid") as u64, number("tid") as u64);
            let name = event["name"].as_str().unwrap_or_default().to_owned();
            let ts = number("ts");
            match event["ph"].as_str().expect("a phase") {
                "M" if name == "process_name" => {
                    groups
                        .insert(row.0, event["args"]["name"].as_str().expect("a name").to_owned());
                }
                "M" => {}
                phase => {
                    assert!(ts >= last, "time goes on: {event}");
                    last = ts;
                    match phase {
                        "B" => {
                            let other = open.insert(row, (name, ts));
                            assert!(other.is_none(), "two spans on one row: {other:?}, {event}");
                        }
                        "E" => {
                            let (name, begin) = open.remove(&row).expect("an end has a begin");
                            spans.push((row, name, begin, ts, event["args"].clone()));
                        }
                        "i" => instants.push(name),
                        _ => panic!("{event}"),
                    }
                }
            }
        }
        assert!(open.is_empty(), "what began has ended: {open:?}");
        Self { spans, instants, groups }
    }

    fn named<'a>(
        &'a self,
        name: &'a str,
    ) -> impl Iterator<Item = &'a (Row, String, f64, f64, Value)> {
        self.spans.iter().filter(move |span| span.1.starts_with(name))
    }
}

#[test]
fn a_trace_of_verify_has_each_command_once_on_a_row_of_its_vector() {
    let trace = TestFile::new("verify.json");
    let arguments = ["verify", "--size", "1M", "--seed", "7", "--depth", "8"];
    let stdout = hba(&[&arguments[..], &["--trace", trace.path()]].concat()).passed();
    let seen = Seen::read(&trace);
    assert_eq!(
        seen.groups,
        BTreeMap::from([(0, "control".to_owned()), (1, "vector 0".to_owned())])
    );
    // The commands that verify says it sent, and nothing else with their names.
    let said = |step: &str| {
        let lines = stdout.lines().filter(|line| line.starts_with(step));
        let counts = lines.map(|line| {
            let (before, _) = line.split_once(" commands").expect("a count");
            before
                .rsplit(' ')
                .next()
                .and_then(|count| count.parse::<usize>().ok())
                .expect("a number")
        });
        counts.sum::<usize>()
    };
    assert_eq!(seen.named("WRITE(10) ").count(), said("write "));
    let reads = said("read ") + said("verify  every");
    assert_eq!(seen.named("READ(10) ").count(), reads);
    assert_eq!(seen.named("SYNCHRONIZE CACHE(10) ").count(), 2);
    for (row, name, ..) in seen.named("READ(10) ") {
        assert!(row.0 == 1 && row.1 < 16, "8 for each of 2 disks: {row:?}");
        assert!(name == "READ(10) 0:0:0" || name == "READ(10) 0:1:0", "{name}");
    }
    // Every command has an outcome, but those that the power cut found in flight.
    let without =
        seen.spans.iter().filter(|(row, .., args)| row.0 == 1 && args["outcome"].is_null());
    assert_eq!(without.count(), in_flight(&stdout));
    assert_eq!(seen.named("bring-up").count(), 2, "and again after the power cut");
    assert_eq!(seen.instants.iter().filter(|name| *name == "operational").count(), 2);
}

fn in_flight(stdout: &str) -> usize {
    let line = stdout.lines().find(|line| line.starts_with("power ")).expect("a power cut");
    line.split(' ').find_map(|word| word.parse().ok()).expect("a number")
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let traces = ["first.json", "second.json"].map(|name| {
        let trace = TestFile::new(name);
        hba(&["verify", "--size", "512K", "--seed", "7", "--trace", trace.path()]).passed();
        trace.content()
    });
    assert_eq!(traces[0], traces[1], "times are the simulated controller's");
}

#[test]
fn a_trace_of_send_has_the_command() {
    let trace = TestFile::new("send.json");
    let arguments = ["send", "--lun", "0:0:1:0", "--cdb", "ff0000000000", "--trace", trace.path()];
    assert_eq!(hba(&arguments).code, Some(3));
    let seen = Seen::read(&trace);
    let (row, _, begin, end, args) = seen.spans.last().expect("the command");
    assert_eq!((row.0, &args["outcome"]), (1, &"CHECK CONDITION".into()));
    assert!(begin < end, "wall time");
}

#[test]
fn a_trace_of_bench_has_a_group_for_each_vector() {
    let trace = TestFile::new("bench.json");
    let arguments = ["bench", "--controller", "sim:direct", "--vectors", "3", "--depth", "4"];
    let more = ["--seconds", "1", "--json", "--trace", trace.path()];
    let report = hba(&[&arguments[..], &more].concat()).json();
    let seen = Seen::read(&trace);
    for vector in 0..3 {
        assert_eq!(seen.groups[&(1 + vector)], format!("vector {vector}"));
        let reads = seen.named("READ(10) ").filter(|(row, ..)| row.0 == 1 + vector);
        let rows = reads.map(|(row, ..)| row.1).max();
        assert!(rows < Some(4), "no more rows than commands at a time: {rows:?}");
    }
    let traced = seen.named("READ(10) ").count() as u64;
    assert!(traced >= report["commands"].as_u64().expect("a count"), "those of the warm-up, too");
}

#[test]
fn a_path_that_takes_no_trace_is_told_before_anything_is_written() {
    for command in [&["verify"][..], &["bench"], &["send", "--lun", "0:0:0:0", "--cdb", "00"]] {
        let line = hba(&[command, &["--trace", "/no/such/folder/t.json"]].concat()).failed(2);
        assert_eq!(line, "/no/such/folder/t.json: No such file or directory (os error 2)");
    }
}

/// Polls until ready; a simulated machine always wakes itself.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}

/// A disk that falls silent: the command is aborted, and both the trace and the flight recorder tell of it.
#[test]
fn recovery_is_in_the_trace_and_freezes_the_flight_recorder() {
    let memory = SimMemory::new(16 << 20);
    let model = Mpi1Controller::new(Personality::hardware(), memory.device());
    let machine = Arc::new(SimMachine::new(model, memory));
    assert!(machine.attach(0, SimDisk::new(&DiskConfig::nth(0, 4096)).expect("a disk")).is_ok());
    let clock: ClockFn = {
        let machine = Arc::clone(&machine);
        Arc::new(move || machine.now())
    };
    let file = TestFile::new("recovery.json");
    let trace =
        TraceFile::create(Path::new(file.path())).expect("a file").start(Arc::clone(&clock));
    let recorder = FlightRecorder::new(clock);

    let port = Mpi1::new(Mpi1Config::default(), FifoRegister(machine.registers()));
    let port = Tracer::with(port, recorder.clone());
    let platform = AsyncSimPlatform::new(Arc::clone(&machine));
    let buffers = platform.buffers();
    let attached = block_on(runtime::attach::<_, _, Data>(port, platform, Config::default()));
    let (hba, mut events, drivers) = Attached::into_parts(attached.expect("operational"));
    let mut drivers = Box::pin(drivers);
    let mut until = |future: &mut dyn FnMut(&mut Context<'_>) -> bool| {
        let mut cx = Context::from_waker(Waker::noop());
        while !future(&mut cx) {
            let _ = drivers.as_mut().poll(&mut cx);
        }
    };
    let mut units = Vec::new();
    let mut discover = pin!(hba.discover(&buffers));
    until(&mut |cx| match discover.as_mut().poll(cx) {
        Poll::Ready(found) => {
            units = found.expect("discovered").units;
            true
        }
        Poll::Pending => false,
    });
    machine.hold(0, true);
    let mut silent = pin!(hba.test_unit_ready(&units[0], None));
    let mut outcome = None;
    until(&mut |cx| match silent.as_mut().poll(cx) {
        Poll::Ready((answer, _)) => {
            outcome = answer.ok().map(|answer| answer.outcome);
            true
        }
        Poll::Pending => false,
    });
    let outcome = outcome.expect("it was sent").to_string();
    for _ in 0..64 {
        let mut next = pin!(events.next());
        let event = next.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(Some(Event::Control(event))) = event {
            recorder.handle(&event);
        }
    }
    trace.finish().expect("written");

    let seen = Seen::read(&file);
    let command = seen.named("TEST UNIT READY 0:0:0").last().expect("the command");
    assert_eq!(command.4["outcome"], outcome.as_str());
    let rung = seen.named("recovery ").next().expect("a rung");
    assert_eq!((rung.0.0, rung.1.as_str()), (0, "recovery abort task"));
    assert!(command.2 < rung.2 && rung.3 <= command.3, "{command:?} {rung:?}");
    let lines = recorder.lines();
    assert!(lines[0].starts_with("the last words of control when this was told: "), "{lines:?}");
    let sent = lines.iter().rposition(|line| line.ends_with("TEST UNIT READY to 0:0:0"));
    assert!(lines[sent.expect("the command")].contains("  -> "), "{lines:?}");
}
