//! The items of the contract that no scenario names: what the types forbid, what the sources do not contain, and that the
//! same inputs give the same outputs.

use std::fs;
use std::path::{Path, PathBuf};

use hba_core::command::Transfer;
use hba_core::control::RecoveryConfig;
use hba_core::dispatch::ClassTimeouts;
use hba_core::host::{Data, Host};
use hba_core::queue::IoQueue;
use hba_core::tracer::{QueueRecord, Tracer};
use hba_tests::sim::{Setup, is_good, nexus};
use mpt_backend::mpi1::{FifoRegister, Mpi1, Mpi1Config, Mpi1Queue};
use sim_backend::direct::DirectQueue;
use sim_backend::machine::{Access, SimRegisters};
use sim_backend::mpi1::Mpi1Controller;
use sim_backend::platform::SimPlatform;

const READ_8: [u8; 10] = [0x28, 0, 0, 0, 0, 0, 0, 0, 8, 0];

/// Contract 2: a queue may move to the thread of its vector. That two threads share it does not compile: see
/// `QueuesAreNotShared` in the library of this crate.
#[test]
fn a_queue_is_send() {
    fn send<T: Send>() {}
    send::<IoQueue<Mpi1Queue<FifoRegister<SimRegisters<Mpi1Controller>>>, Data>>();
    send::<IoQueue<DirectQueue, Data>>();
}

/// Contract 3, for what an instruction count does not show: outside `sync/` no source of the I/O path names an atomic, a
/// lock, a clock or a hash table, and `sync/` names atomics only where it takes them from. The async facade has `std`.
#[test]
fn no_lock_no_atomic_no_clock_no_hash_on_the_io_path() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let words = [
        "sync::atomic",
        "Mutex",
        "RwLock",
        "SystemTime",
        "Instant::now",
        "HashMap",
        "HashSet",
        "std::",
    ];
    let mut seen = 0;
    for source in ["hba-core/src", "mpt-backend/src", "scsi-proto/src"]
        .iter()
        .flat_map(|s| sources(&root.join(s)))
    {
        let text = fs::read_to_string(&source).expect("a source file");
        let product = text.split("#[cfg(test)]").next().unwrap_or("");
        let is_in = |folder| source.components().any(|c| c.as_os_str() == folder);
        let takes_primitives = is_in("sync") && source.ends_with("primitive.rs");
        if is_in("runtime") || takes_primitives {
            continue;
        }
        let is_sync = is_in("sync");
        for (number, line) in product.lines().enumerate() {
            let code = line.split("//").next().unwrap_or("");
            let found = words.iter().find(|word| code.contains(**word));
            let barrier = is_sync && code.contains("{Ordering, fence}");
            assert!(found.is_none() || barrier, "{}:{}: {line}", source.display(), number + 1);
        }
        seen += 1;
    }
    assert!(seen > 80, "only {seen} files were looked at");
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a source folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "tests") {
                found.extend(sources(&path));
            }
        } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
    found
}

/// Contract 11: every register access of two equal runs is equal, recovery included.
#[test]
fn the_same_inputs_give_the_same_register_accesses() {
    assert_eq!(accesses(1), accesses(1));
    assert_ne!(accesses(1), accesses(2), "another workload leaves other traces");
}

fn accesses(reads: usize) -> Vec<Access> {
    let mut world = Setup::default().build();
    world.machine.record(usize::MAX);
    world.host.bring_up().expect("operational");
    world.units();
    world.machine.hold(0, true);
    for _ in 0..reads {
        let read = world.request(0, &READ_8, Transfer::from_device(4096));
        assert!(world.host.submit(read).is_ok());
    }
    world.collect(reads);
    world.host.shutdown().expect("it stops");
    world.machine.take_record()
}

#[test]
fn a_tracer_changes_nothing_and_keeps_the_last_words() {
    let machine = Setup::default().build().machine;
    let port = Mpi1::new(Mpi1Config::default(), FifoRegister(machine.registers()));
    let platform = SimPlatform::new(machine);
    let traced = Tracer::new(port, 4);
    let (recovery, timeouts) = (RecoveryConfig::default(), ClassTimeouts::default());
    let mut host = Host::new(traced, platform, recovery, timeouts);
    host.bring_up().expect("operational");
    let units = host.discover().expect("discovery ends").units;
    assert_eq!(units[0].nexus, nexus(0));
    let ready = units[0].test_unit_ready(None, hba_core::command::Cookie(7));
    let answer = host.execute(ready).expect("accepted");
    assert!(is_good(answer.completion.outcome));
    let record: Vec<_> = host.adapter().queues()[0].port().record().iter().copied().collect();
    assert_eq!(record.len(), 4);
    let [
        ..,
        QueueRecord::Prepared(sent, to, opcode),
        QueueRecord::Doorbell(word),
        QueueRecord::Reply(reply),
    ] = record[..]
    else {
        panic!("{record:?}");
    };
    assert_eq!((to, opcode.0), (nexus(0), 0x00));
    // The request FIFO: MPI 1.5, system interface register 40h.
    assert_eq!(word.offset, hba_core::register::RegOffset(0x40));
    assert_eq!(reply, hba_core::port::Reply::Success(sent));
    assert!(host.adapter().control().port().record().iter().count() > 0);
}
