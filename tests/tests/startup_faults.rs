//! A controller that starts up with nonsense is refused, in bounded time and before it sees any memory.

use core::time::Duration;
use std::sync::Arc;

use hba_core::control::RecoveryConfig;
use hba_core::dispatch::ClassTimeouts;
use hba_core::dma::{DmaRegion, RegionBuffer};
use hba_core::host::{Host, HostError, OutOfMemory, Platform};
use hba_core::port::{BringUpError, RegionPlan};
use hba_core::register::{RegOffset, Registers};
use hba_core::time::Instant;
use hba_tests::register_bank::{BankFifo, RegisterBank, answer};
use mpt_backend::mpi1::{FifoRegister, Mpi1, Mpi1Config};
use mpt_backend::wire::message::Function;
use sim_backend::disk::{DiskConfig, SharedDisk, SimDisk};
use sim_backend::machine::{SimMachine, SimRegisters};
use sim_backend::memory::SimMemory;
use sim_backend::mpi1::registers::DOORBELL;
use sim_backend::mpi1::{FaultCode, Faults, Mpi1Controller, Personality};
use sim_backend::platform::SimPlatform;
use sim_backend::schedule::SplitMix64;

/// How late a waiting host wakes up where something is wrong: minutes of waiting take few polls then.
const LATE: Duration = Duration::from_millis(50);

/// A register bank as a platform; time passes in waits only.
struct BankPlatform {
    bank: RegisterBank,
    now: Instant,
    isolated: bool,
}

impl Platform for BankPlatform {
    fn registers(&mut self) -> &mut dyn Registers {
        &mut self.bank
    }

    fn now(&mut self) -> Instant {
        self.now
    }

    /// The bank answers at once, so whoever waits for it waits in vain: late, as a host under load.
    fn wait(&mut self, until: Instant) {
        self.now = until.max(self.now + LATE);
    }

    fn allocate(&mut self, plan: &RegionPlan) -> Result<DmaRegion, OutOfMemory> {
        assert_eq!(self.bank.handed_over(), 0, "no address is handed over before there is memory");
        Ok(self.bank.allocate(plan))
    }

    fn buffer(&mut self, len: usize) -> Result<RegionBuffer, OutOfMemory> {
        Err(OutOfMemory { len })
    }

    fn isolate(&mut self) {
        self.isolated = true;
    }
}

/// Polls that a bring-up may take, whatever the controller does.
const POLLS_MAX: u32 = 100_000;
/// The sum of all deadlines of one bring-up, and some.
const TIME_MAX: Duration = Duration::from_secs(700);

/// How a bring-up ended, and after how long.
type Ended = (Result<(), HostError>, Duration);

/// Brings up, and proves that it ends.
fn bring_up<P: hba_core::port::ControlPort, L: Platform>(host: &mut Host<P, L>) -> Ended {
    let begun = host.platform().now();
    let mut failed = None;
    for _ in 0..POLLS_MAX {
        if let Err(error) = host.poll(|done| panic!("nothing was submitted: {done:?}")) {
            failed = Some(error);
        }
        let took = host.platform().now().since(begun);
        assert!(took < TIME_MAX, "{took:?}");
        let error = host.take_events().into_iter().find_map(|event| match event {
            hba_core::control::ControlEvent::BringUpFailed(error) => {
                Some(HostError::BringUp(error))
            }
            hba_core::control::ControlEvent::Gone => Some(HostError::Gone),
            _ => None,
        });
        if let Some(error) = failed.take().or(error) {
            // The end is the end: the controller is cut off and nothing more happens.
            host.poll(|_| ()).expect("poll");
            host.poll(|_| ()).expect("poll");
            return (Err(error), took);
        }
        if host.adapter().control().is_operational() {
            return (Ok(()), took);
        }
    }
    panic!("no end of the bring-up");
}

type BankHost = Host<Mpi1<BankFifo>, BankPlatform>;

fn bank(forge: impl FnOnce(&mut RegisterBank)) -> BankHost {
    let (mut bank, fifo) = RegisterBank::new();
    forge(&mut bank);
    let platform = BankPlatform { bank, now: Instant::ZERO, isolated: false };
    let port = Mpi1::new(Mpi1Config::default(), fifo);
    Host::new(port, platform, RecoveryConfig::default(), ClassTimeouts::default())
}

/// IOC facts that are right but for some bits of one word.
fn facts(word: usize, mask: u32, value: u32) -> Vec<u32> {
    let mut words = answer(Function::IOC_FACTS, 0);
    words[word] = words[word] & !mask | value;
    words
}

/// Bring-up against a forged reply, which must fail before any memory is known.
fn refused_without_memory(function: Function, reply: Vec<u32>) -> BringUpError {
    let mut host = bank(|bank| bank.forge(function, reply));
    let (ended, took) = bring_up(&mut host);
    let Err(HostError::BringUp(error)) = ended else { panic!("{ended:?}") };
    assert!(took <= Duration::from_secs(21), "{error} after {took:?}");
    assert_eq!(host.platform().bank.handed_over(), 0, "{error}: memory was handed over");
    assert!(host.platform().isolated && host.adapter().stopped().is_some(), "{error}");
    error
}

#[test]
fn facts_that_cannot_be_worked_with_are_named() {
    // Word and bits: 5 holds flags in 31:24, 6 reply depth and frame size, 9 credits.
    let cases = [
        (9, 0xffff, 0, "global credits = 0"),
        (9, 0xffff, 8, "global credits = 8"),
        (6, 0xffff, 0, "reply queue depth = 0"),
        (6, 0xffff, 3, "reply queue depth = 3"),
        (6, 0xffff_0000, 0, "request frame size in words = 0"),
        (6, 0xffff_0000, 15 << 16, "request frame size in words = 15"),
        (5, 0xff00_0000, 1 << 24, "firmware must be loaded first"),
    ];
    for (word, mask, value, named) in cases {
        let error = refused_without_memory(Function::IOC_FACTS, facts(word, mask, value));
        assert!(matches!(error, BringUpError::Fact { .. }), "{error}");
        assert!(error.to_string().contains(named), "{error} instead of {named}");
    }
}

#[test]
fn the_least_that_can_be_worked_with_is_accepted() {
    for (word, mask, value) in [(9, 0xffff, 9), (6, 0xffff, 4), (6, 0xffff_0000, 16 << 16)] {
        let mut host = bank(|bank| bank.forge(Function::IOC_FACTS, facts(word, mask, value)));
        assert_eq!(bring_up(&mut host).0, Ok(()), "word {word} {value:#x}");
    }
}

/// A reply with its length in words replaced, as sent and as announced.
fn resized(function: Function, sent: usize, announced: u8) -> Vec<u32> {
    let mut words = answer(function, 0);
    words.resize(sent, 0);
    words[0] = words[0] & !0x00ff_0000 | u32::from(announced) << 16;
    words
}

#[test]
fn short_long_and_wrong_replies_of_a_handshake_are_refused() {
    for function in [Function::IOC_FACTS, Function::PORT_FACTS] {
        for words in [1, 2, 4] {
            let error = refused_without_memory(function, resized(function, words, words as u8));
            assert!(matches!(error, BringUpError::BadReply { .. }), "{words}: {error}");
        }
        // Announces no words at all, sends one.
        let error = refused_without_memory(function, resized(function, 1, 0));
        assert!(matches!(error, BringUpError::BadReply { .. }), "{error}");
        // Announces more than it sends: the rest never comes.
        let error = refused_without_memory(function, resized(function, 5, 255));
        assert!(matches!(error, BringUpError::Deadline { .. }), "{error}");
        // Sends more than it announces: the handshake does not end when it should.
        let ended = refused_or_right(function, resized(function, 40, 5));
        assert!(ended.is_err(), "{ended:?}");
        let mut wrong = answer(function, 0);
        wrong[0] = wrong[0] & 0x00ff_ffff | 0x0200_0000;
        let error = refused_without_memory(function, wrong);
        assert!(matches!(error, BringUpError::BadReply { .. }), "{error}");
    }
}

fn refused_or_right(function: Function, reply: Vec<u32>) -> Result<(), HostError> {
    bring_up(&mut bank(|bank| bank.forge(function, reply))).0
}

#[test]
fn a_reply_longer_than_what_is_kept_is_read_to_its_end() {
    // 255 words, of which the first are the facts.
    let long = resized(Function::IOC_FACTS, 255, 255);
    assert_eq!(refused_or_right(Function::IOC_FACTS, long), Ok(()));
}

#[test]
fn an_error_status_of_any_step_is_refused() {
    let steps =
        [Function::IOC_FACTS, Function::PORT_FACTS, Function::IOC_INIT, Function::PORT_ENABLE];
    for function in steps {
        for status in [0x0001, 0x0004, 0x8006, 0x7fff] {
            let mut reply = answer(function, 0);
            // IOC status is the upper half of the fourth word. Bit 15 says that log info is there.
            reply[3] = status << 16;
            let error = refused_or_right(function, reply).expect_err("an error");
            let expected = status & 0x7fff;
            let HostError::BringUp(BringUpError::Status { status, .. }) = error else {
                panic!("{function:?}: {error}");
            };
            assert_eq!(status, expected);
        }
    }
}

#[test]
fn the_first_request_through_memory_is_checked_too() {
    let mut status = answer(Function::IOC_FACTS, 0);
    status[3] = 0x0004 << 16;
    let mut wrong = answer(Function::IOC_FACTS, 0);
    wrong[0] = wrong[0] & 0x00ff_ffff | 0x0500_0000;
    let short = resized(Function::IOC_FACTS, 5, 4);
    for reply in [status, wrong, short] {
        let mut host = bank(|bank| bank.forge_first_fetch(reply));
        let (ended, took) = bring_up(&mut host);
        assert!(ended.is_err() && took <= Duration::from_secs(11), "{ended:?} after {took:?}");
    }
}

/// 3,000 replies of which bits are flipped: each ends operational or in an error, in bounded time, without a panic.
#[test]
fn flipped_bits_end_in_an_error_or_operational() {
    let mut random = SplitMix64::new(0x1068);
    let mut operational = 0;
    for _ in 0..3000 {
        let functions =
            [Function::IOC_FACTS, Function::PORT_FACTS, Function::IOC_INIT, Function::PORT_ENABLE];
        let function = functions[random.below(4) as usize];
        let mut reply = answer(function, 0);
        for _ in 0..=random.below(4) {
            let word = random.below(reply.len() as u64) as usize;
            reply[word] ^= 1 << random.below(32);
        }
        let mut host = bank(|bank| bank.forge(function, reply));
        operational += u32::from(bring_up(&mut host).0.is_ok());
    }
    assert!((300..2700).contains(&operational), "{operational} of 3000 came up");
}

/// The registers of a simulated machine, and something that goes wrong at the nth access.
struct Fuse {
    registers: SimRegisters<Mpi1Controller>,
    machine: Arc<SimMachine<Mpi1Controller>>,
    accesses: u64,
    at: u64,
    fault: fn(&mut Mpi1Controller),
}

impl Fuse {
    fn burn(&mut self) {
        if self.accesses == self.at {
            self.machine.with_controller(self.fault);
        }
        self.accesses += 1;
    }
}

impl Registers for Fuse {
    fn read32(&mut self, offset: RegOffset) -> u32 {
        self.burn();
        self.registers.read32(offset)
    }

    fn write32(&mut self, offset: RegOffset, value: u32) {
        self.burn();
        self.registers.write32(offset, value);
    }
}

struct FusePlatform {
    inner: SimPlatform<Mpi1Controller>,
    fuse: Fuse,
}

impl Platform for FusePlatform {
    fn registers(&mut self) -> &mut dyn Registers {
        &mut self.fuse
    }

    fn now(&mut self) -> Instant {
        self.inner.now()
    }

    /// Once something is wrong the host wakes up late, as under load: minutes of waiting take few polls.
    fn wait(&mut self, until: Instant) {
        let late = self.now() + LATE;
        self.inner.wait(if self.fuse.accesses > self.fuse.at { until.max(late) } else { until });
    }

    fn allocate(&mut self, plan: &RegionPlan) -> Result<DmaRegion, OutOfMemory> {
        let accesses = self.inner.machine().memory().accesses();
        assert_eq!((accesses.reads, accesses.writes), (0, 0), "no DMA before there is memory");
        assert_eq!(self.inner.machine().memory().faults().count(), 0);
        self.inner.allocate(plan)
    }

    fn buffer(&mut self, len: usize) -> Result<RegionBuffer, OutOfMemory> {
        self.inner.buffer(len)
    }

    fn isolate(&mut self) {
        self.inner.isolate();
    }
}

type FuseHost = Host<Mpi1<FifoRegister<SimRegisters<Mpi1Controller>>>, FusePlatform>;

/// A simulated SAS1068 with one disk that goes wrong at register access number `at`.
fn fused(at: u64, fault: fn(&mut Mpi1Controller)) -> FuseHost {
    let memory = SimMemory::new(64 << 20);
    let controller = Mpi1Controller::new(Personality::hardware(), memory.device());
    let machine = Arc::new(SimMachine::new(controller, memory));
    let disk = SimDisk::new(&DiskConfig::nth(0, 1 << 10)).expect("a disk");
    assert!(machine.attach(0, SharedDisk::new(disk)).is_ok());
    let config = Mpi1Config { queue_depth_max: 4, elements_max: 8, ..Mpi1Config::default() };
    let port = Mpi1::new(config, FifoRegister(machine.registers()));
    let registers = machine.registers();
    let fuse = Fuse { registers, machine: Arc::clone(&machine), accesses: 0, at, fault };
    let platform = FusePlatform { inner: SimPlatform::new(machine), fuse };
    Host::new(port, platform, RecoveryConfig::default(), ClassTimeouts::default())
}

/// Register accesses of a bring-up without faults.
fn accesses() -> u64 {
    let mut host = fused(u64::MAX, |_| ());
    assert_eq!(bring_up(&mut host).0, Ok(()));
    host.platform().fuse.accesses
}

#[test]
fn b33_doorbell_waits_end_on_the_deadline() {
    // From the first access on: IOC facts are asked for, and the word is never taken.
    let mut host = fused(0, |c| c.faults_mut().stuck_doorbell = true);
    let (ended, took) = bring_up(&mut host);
    let Err(HostError::BringUp(BringUpError::Deadline { step, .. })) = ended else {
        panic!("{ended:?}");
    };
    assert_eq!(step, "IOC facts");
    assert!((5..6).contains(&took.as_secs()), "five seconds for the doorbell: {took:?}");

    // Stuck at any later access, every wait ends: here with an error, as nothing can be taken back any more.
    let count = accesses();
    let mut late = 0;
    for at in 0..count {
        let mut host = fused(at, |c| c.faults_mut().stuck_doorbell = true);
        let (ended, took) = bring_up(&mut host);
        match ended {
            Err(HostError::BringUp(BringUpError::Deadline { .. })) => late += 1,
            // After the last handshake the doorbell is not needed.
            Ok(()) => assert!(at > count / 2, "access {at} of {count}"),
            other => panic!("access {at}: {other:?}"),
        }
        assert!(took <= Duration::from_secs(311), "access {at}: {took:?}");
    }
    assert!(late > count / 2, "{late} of {count}");
}

#[test]
fn firmware_that_stops_anywhere_ends_the_bring_up_on_a_deadline() {
    let count = accesses();
    for at in 0..count {
        let mut host = fused(at, |c| c.faults_mut().frozen = true);
        let (ended, took) = bring_up(&mut host);
        let deadline = matches!(ended, Err(HostError::BringUp(BringUpError::Deadline { .. })));
        assert!(deadline || ended.is_ok() && at + 3 > count, "access {at} of {count}: {ended:?}");
        assert!(took <= Duration::from_secs(311), "access {at}: {took:?}");
    }
}

#[test]
fn a_fault_or_a_removal_anywhere_ends_the_bring_up() {
    let count = accesses();
    let removed: fn(&mut Mpi1Controller) = |c| c.faults_mut().removed = true;
    let fault: fn(&mut Mpi1Controller) = |c| c.force_fault(FaultCode(0x5862));
    for at in 0..count {
        let (ended, took) = bring_up(&mut fused(at, removed));
        assert!(
            ended == Err(HostError::Gone) || ended.is_ok() && at + 3 > count,
            "{at}: {ended:?}"
        );
        assert!(took < Duration::from_secs(1), "access {at}: {took:?}");
        // A fault before the first look is what take-over is for; later ones are errors, or news for the watchdog.
        let (ended, took) = bring_up(&mut fused(at, fault));
        let known = matches!(ended, Ok(()) | Err(HostError::BringUp(_)));
        assert!(known && took <= Duration::from_secs(311), "access {at}: {ended:?} {took:?}");
    }
}

#[test]
fn a_reset_that_does_not_end_is_given_up() {
    let stuck: fn(&mut Mpi1Controller) = |c| {
        *c.faults_mut() = Faults { stuck_in_reset: true, ..Faults::default() };
        // FAULT leads to a diagnostic reset.
        c.force_fault(FaultCode(0x5862));
    };
    let (ended, took) = bring_up(&mut fused(0, stuck));
    let Err(HostError::BringUp(BringUpError::Deadline { step, state })) = ended else {
        panic!("{ended:?}");
    };
    assert_eq!((step, state >> 28), ("reset to ready", 0));
    assert!((60..62).contains(&took.as_secs()), "{took:?}");
}

#[test]
fn a_message_unit_reset_that_is_ignored_is_followed_by_a_diagnostic_reset() {
    let mut host = fused(u64::MAX, |_| ());
    // Firmware left it operational.
    let script = sim_backend::mpi1::script::Script::identify();
    let numbers = sim_backend::mpi1::script::InitNumbers {
        max_devices: 8,
        reply_frame_size: 128,
        host_mfa_high: 0,
        sense_high: 0,
    };
    let script = script.append(sim_backend::mpi1::script::Script::start(numbers, &[]));
    let machine = Arc::clone(&host.platform().fuse.machine);
    script.run(&mut machine.registers(), |time| machine.advance(time)).expect("operational");
    machine.with_controller(|c| c.faults_mut().ignore_message_unit_reset = true);
    let (ended, took) = bring_up(&mut host);
    assert_eq!(ended, Ok(()));
    assert!(took >= Duration::from_secs(15), "the first reset was waited for: {took:?}");
    assert_eq!(machine.registers().read32(DOORBELL) >> 28, 2);
}
