//! Hosts whose caches do not snoop: every byte that driver and controller share is handed over by a call, in time.

extern crate alloc;

use alloc::rc::Rc;
use alloc::sync::Arc;
use core::cell::RefCell;
use core::time::Duration;

use hba_core::command::{Cookie, Outcome, Request, Transfer};
use hba_core::control::RecoveryConfig;
use hba_core::dispatch::ClassTimeouts;
use hba_core::dma::{DmaRegion, RegionBuffer};
use hba_core::host::{Answer, Data, Host, HostError, OutOfMemory, Platform};
use hba_core::port::RegionPlan;
use hba_core::register::{RegOffset, Registers};
use hba_core::time::{Instant, Timeout};
use hba_tests::non_coherent::{NonCoherent, Synced, Way};
use hba_tests::sim::nexus;
use mpt_backend::mpi1::{FifoRegister, Mpi1, Mpi1Config};
use scsi_proto::{Cdb, Status};
use sim_backend::disk::{DiskConfig, SharedDisk, SimDisk};
use sim_backend::machine::{SimMachine, SimRegisters};
use sim_backend::memory::SimMemory;
use sim_backend::mpi1::registers::{REPLY_FIFO, REQUEST_FIFO, REQUEST_HI_PRI_FIFO};
use sim_backend::mpi1::{Mpi1Controller, Personality};
use sim_backend::platform::SimPlatform;

const FRAMES: &str = "request frames";
const REPLIES: &str = "reply frames";
const SENSE: &str = "sense buffers";
const CHAINS: &str = "chain segments";
const PAGE: &str = "configuration page";

/// What happened, in order.
#[derive(Clone, Copy, Debug)]
enum Step {
    Synced(Synced),
    /// A request frame was posted: bits 31:0 of its address.
    Posted(u32),
    /// A reply frame came: bits 31:0 of its address.
    Replied(u32),
    /// A reply frame was given back.
    Freed(u32),
}

type Record = Rc<RefCell<Vec<Step>>>;

/// The registers, with a record of the words that hand memory over.
struct Watched {
    registers: SimRegisters<Mpi1Controller>,
    host: NonCoherent,
    record: Record,
}

impl Watched {
    /// Notes what was synchronised before this access, then the access.
    fn note(&mut self, step: Option<Step>) {
        let mut record = self.record.borrow_mut();
        record.extend(self.host.take_calls().into_iter().map(Step::Synced));
        record.extend(step);
    }
}

impl Registers for Watched {
    fn read32(&mut self, offset: RegOffset) -> u32 {
        let word = self.registers.read32(offset);
        let frame = offset == REPLY_FIFO && word >> 31 == 1 && word != u32::MAX;
        self.note(frame.then_some(Step::Replied(word << 1)));
        word
    }

    fn write32(&mut self, offset: RegOffset, word: u32) {
        let step = match offset {
            REQUEST_FIFO | REQUEST_HI_PRI_FIFO => Some(Step::Posted(word)),
            REPLY_FIFO => Some(Step::Freed(word)),
            _ => None,
        };
        self.note(step);
        self.registers.write32(offset, word);
    }
}

/// A simulated machine whose CPU has its own view of the driver's memory. Data buffers are coherent: their caches are
/// the platform's business.
struct Island {
    machine: SimPlatform<Mpi1Controller>,
    registers: Watched,
    host: NonCoherent,
}

impl Platform for Island {
    fn registers(&mut self) -> &mut dyn Registers {
        &mut self.registers
    }

    fn now(&mut self) -> Instant {
        self.machine.now()
    }

    fn wait(&mut self, until: Instant) {
        self.machine.wait(until);
    }

    fn allocate(&mut self, plan: &RegionPlan) -> Result<DmaRegion, OutOfMemory> {
        self.host.allocate(plan).map_err(|_| OutOfMemory { len: plan.len })
    }

    fn buffer(&mut self, len: usize) -> Result<RegionBuffer, OutOfMemory> {
        self.machine.buffer(len)
    }

    fn isolate(&mut self) {
        self.machine.isolate();
    }
}

type IslandHost = Host<Mpi1<FifoRegister<Watched>, NonCoherent>, Island>;

/// A host that is not up yet, its record, and its memory.
fn island() -> (IslandHost, Record, NonCoherent) {
    let memory = SimMemory::new(64 << 20);
    let controller = Mpi1Controller::new(Personality::hardware(), memory.device());
    let machine = Arc::new(SimMachine::new(controller, memory.clone()));
    let disk = SimDisk::new(&DiskConfig::nth(0, 1 << 16)).expect("a disk");
    assert!(machine.attach(0, SharedDisk::new(disk)).is_ok());
    let (host, record) = (NonCoherent::new(memory), Record::default());
    let registers = || Watched {
        registers: machine.registers(),
        host: host.clone(),
        record: Rc::clone(&record),
    };
    let config = Mpi1Config { queue_depth_max: 16, ..Mpi1Config::default() };
    let port = Mpi1::with_sync(config, FifoRegister(registers()), host.clone());
    let island =
        Island { registers: registers(), machine: SimPlatform::new(machine), host: host.clone() };
    let recovery = RecoveryConfig { abort: Duration::from_secs(1), ..RecoveryConfig::default() };
    (Host::new(port, island, recovery, ClassTimeouts::default()), record, host)
}

/// Sends a command with `pattern` scattered over pages that are no neighbours.
fn send(
    host: &mut IslandHost,
    cdb: &[u8],
    transfer: Transfer,
    pattern: &[u8],
) -> Result<Answer, HostError> {
    let pages = (transfer.length as usize).div_ceil(4096);
    let data: Data = (pages > 0).then(|| {
        let mut buffer = host.platform().buffer(8192 * pages).expect("memory");
        buffer.scatter(&vec![4096; pages], 4096);
        buffer.write(pattern);
        buffer
    });
    let cdb = Cdb::new(cdb).expect("a cdb");
    let request = Request::new(nexus(0), cdb, transfer, data, Cookie(0));
    host.execute(request.with_timeout(Timeout::from_secs(1)))
}

/// Bring-up, discovery, a command that fails with sense data, and data through a chain, out and back.
fn everything(host: &mut IslandHost) -> Result<(), String> {
    host.bring_up().map_err(|error| error.to_string())?;
    let expect = |right: bool, what: &str| if right { Ok(()) } else { Err(what.to_owned()) };
    let targets = host.adapter().control().targets();
    expect(targets.len() == 1 && targets[0].port_name != 0, "the configuration page was read")?;

    let first = send(host, &[0; 6], Transfer::NONE, &[]).map_err(|error| error.to_string())?;
    let check_condition = Outcome::Status(Status::CHECK_CONDITION);
    expect(first.completion.outcome == check_condition, "power on is reported")?;
    // 70h or 72h, then UNIT ATTENTION and 29h.
    expect(first.sense.first().is_some_and(|code| code & 0x7d == 0x70), "sense data came")?;

    let pattern: Vec<u8> = (0..64 * 4096).map(|i| (i / 4096 + i % 241) as u8).collect();
    let length = pattern.len() as u32;
    let (write, read) = ([0x2a, 0, 0, 0, 0, 0, 0, 2, 0, 0], [0x28, 0, 0, 0, 0, 0, 0, 2, 0, 0]);
    let wrote = send(host, &write, Transfer::to_device(length), &pattern);
    expect(wrote.map_err(|e| e.to_string())?.completion.is_done(), "the write was done")?;
    let back = send(host, &read, Transfer::from_device(length), &[]).map_err(|e| e.to_string())?;
    expect(back.completion.is_done(), "the read was done")?;
    let mut bytes = vec![0; pattern.len()];
    back.completion.data.as_ref().expect("it came home").read(&mut bytes);
    expect(bytes == pattern, "the bytes are those that were written")
}

#[test]
fn a_host_without_coherent_dma_works() {
    let (mut host, ..) = island();
    assert_eq!(everything(&mut host), Ok(()));
}

/// Proves each call necessary, and the fake able to tell: without the calls for one region nothing works.
#[test]
fn each_call_of_the_synchronisation_is_needed() {
    let needed = [
        (Way::ForDevice, FRAMES),
        (Way::ForDevice, CHAINS),
        (Way::ForCpu, REPLIES),
        (Way::ForCpu, SENSE),
        (Way::ForCpu, PAGE),
    ];
    for (way, region) in needed {
        let (mut host, _, memory) = island();
        memory.break_sync(way, region);
        let failed = everything(&mut host).expect_err("stale bytes do not serve");
        println!("{way:?} of {region}: {failed}");
    }
}

#[test]
fn nothing_is_handed_over_in_the_wrong_direction() {
    let (mut host, record, _) = island();
    assert_eq!(everything(&mut host), Ok(()));
    let mut emptied = 0;
    for step in record.borrow().iter() {
        let Step::Synced(call) = step else { continue };
        // A write-back of memory that the device owns could destroy what it wrote. It owns no sense buffer before the queue starts,
        // when all of them are emptied at once.
        let start = call.region == SENSE && call.way == Way::ForDevice && call.len > 1024;
        emptied += u32::from(start);
        let for_device = [FRAMES, CHAINS].contains(&call.region) || start;
        assert_eq!(call.way == Way::ForDevice, for_device, "{call:?}");
    }
    assert_eq!(emptied, 1, "the queue started once");
}

#[test]
fn frames_and_chains_are_visible_before_their_doorbell() {
    let (mut host, record, _) = island();
    assert_eq!(everything(&mut host), Ok(()));
    let (mut posted, mut chained) = (0, 0);
    let mut since = Vec::new();
    for step in record.borrow().iter() {
        match step {
            Step::Synced(call) if call.way == Way::ForDevice => since.push(*call),
            Step::Posted(frame) => {
                posted += 1;
                let last = since.pop().expect("something was made visible");
                let whole = last.region == FRAMES && last.bus.low() == *frame && last.len >= 64;
                assert!(whole, "{frame:#x} was posted after {last:?}");
                chained += since.iter().filter(|call| call.region == CHAINS).count();
                since.clear();
            }
            _ => {}
        }
    }
    assert!(posted > 5 && chained == 2, "{posted} frames, {chained} of them with a chain");
}

#[test]
fn a_reply_frame_is_read_after_its_word_and_before_it_is_given_back() {
    let (mut host, record, _) = island();
    assert_eq!(everything(&mut host), Ok(()));
    let steps = record.borrow();
    let mut replies = 0;
    for (at, step) in steps.iter().enumerate() {
        let Step::Replied(frame) = step else { continue };
        replies += 1;
        let Some(Step::Synced(call)) = steps.get(at + 1) else {
            panic!("{frame:#x}: {:?}", steps.get(at..));
        };
        assert_eq!((call.way, call.region, call.bus.low()), (Way::ForCpu, REPLIES, *frame));
        assert_eq!(call.len, 128);
        // It goes back once, at the end of the pass, and before the controller can use it again.
        let rest = &steps[at + 1..];
        let end = rest.iter().position(|s| matches!(s, Step::Replied(f) if f == frame));
        let freed = rest[..end.unwrap_or(rest.len())]
            .iter()
            .filter(|s| matches!(s, Step::Freed(f) if f == frame));
        assert_eq!(freed.count(), 1, "{frame:#x}");
    }
    assert!(replies > 3, "{replies} replies");
}
