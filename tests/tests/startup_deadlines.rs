//! A controller that stops, faults or leaves at any point of its start-up: every wait ends.

extern crate alloc;

use alloc::sync::Arc;
use core::time::Duration;

use hba_core::control::RecoveryConfig;
use hba_core::dispatch::ClassTimeouts;
use hba_core::dma::{DmaRegion, RegionBuffer};
use hba_core::host::{Host, HostError, OutOfMemory, Platform};
use hba_core::port::{BringUpError, RegionPlan};
use hba_core::register::{RegOffset, Registers};
use hba_core::time::Instant;
use hba_tests::startup::{LATE, bring_up};
use mpt_backend::mpi1::{FifoRegister, Mpi1, Mpi1Config};
use sim_backend::disk::{DiskConfig, SharedDisk, SimDisk};
use sim_backend::machine::{SimMachine, SimRegisters};
use sim_backend::memory::SimMemory;
use sim_backend::mpi1::registers::DOORBELL;
use sim_backend::mpi1::script::{InitNumbers, Script};
use sim_backend::mpi1::{FaultCode, Faults, Mpi1Controller, Personality};
use sim_backend::platform::SimPlatform;

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
        let deadline = matches!(
            ended,
            Err(HostError::BringUp(
                BringUpError::Deadline { .. } | BringUpError::FirstFetch { .. }
            ))
        );
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
    let script = Script::identify();
    let numbers =
        InitNumbers { max_devices: 8, reply_frame_size: 128, host_mfa_high: 0, sense_high: 0 };
    let script = script.append(Script::start(numbers, &[]));
    let machine = Arc::clone(&host.platform().fuse.machine);
    script.run(&mut machine.registers(), |time| machine.advance(time)).expect("operational");
    machine.with_controller(|c| c.faults_mut().ignore_message_unit_reset = true);
    let (ended, took) = bring_up(&mut host);
    assert_eq!(ended, Ok(()));
    assert!(took >= Duration::from_secs(15), "the first reset was waited for: {took:?}");
    assert_eq!(machine.registers().read32(DOORBELL) >> 28, 2);
}
