//! Interrupts say that polling is worth while, and nothing more: whose they are, what they wake, what a lost one costs.

extern crate alloc;

use alloc::sync::Arc;
use core::time::Duration;

use hba_core::command::{Cookie, Request, Transfer};
use hba_core::control::RecoveryConfig;
use hba_core::dispatch::ClassTimeouts;
use hba_core::dma::{AddressWidth, DmaRegion, RegionBuffer};
use hba_core::host::{Data, Host, OutOfMemory, Platform};
use hba_core::port::{ControlPort, RegionPlan};
use hba_core::register::Registers;
use hba_core::time::Instant;
use hba_qemu::{Config, DiskConfig as QemuDisk, InterruptMode, Qemu, QemuPlatform};
use hba_tests::qemu::QemuHost;
use hba_tests::sim::nexus;
use mpt_backend::mpi1::{FifoRegister, Mpi1, Mpi1Config};
use scsi_proto::Cdb;
use sim_backend::controller::ControllerModel;
use sim_backend::direct::{DirectConfig, DirectControl, DirectController, Facts};
use sim_backend::disk::{DiskConfig, SharedDisk, SimDisk};
use sim_backend::machine::SimMachine;
use sim_backend::memory::SimMemory;
use sim_backend::mpi1::{Mpi1Controller, Personality};
use sim_backend::platform::SimPlatform;

/// TEST UNIT READY. Whether the unit is ready does not matter here.
fn test_unit_ready() -> Request<Data> {
    let cdb = Cdb::new(&[0; 6]).expect("a cdb");
    Request::new(nexus(0), cdb, Transfer::NONE, None, Cookie(7))
}

fn host_of<P: ControlPort, L: Platform>(port: P, platform: L, interrupts: bool) -> Host<P, L> {
    let (recovery, timeouts) = (RecoveryConfig::default(), ClassTimeouts::default());
    let mut host = Host::new(port, platform, recovery, timeouts);
    host.adapter().set_interrupts(interrupts);
    host.bring_up().expect("the controller comes up");
    // What start-up left behind (events) is taken.
    for _ in 0..20 {
        host.poll(|_| ()).expect("poll");
    }
    host
}

/// A simulated controller with one disk.
fn machine<C: ControllerModel>(make: impl FnOnce(&SimMemory) -> C) -> Arc<SimMachine<C>> {
    let memory = SimMemory::new(64 << 20);
    let machine = SimMachine::new(make(&memory), memory);
    let disk = SimDisk::new(&DiskConfig::nth(0, 1 << 16)).expect("a disk");
    assert!(machine.attach(0, SharedDisk::new(disk)).is_ok());
    Arc::new(machine)
}

fn sas1068(personality: Personality) -> Arc<SimMachine<Mpi1Controller>> {
    machine(|memory| Mpi1Controller::new(personality, memory.device()))
}

fn direct() -> Arc<SimMachine<DirectController>> {
    machine(|memory| DirectController::new(Facts::default(), memory.device()))
}

type SimPort = Mpi1<FifoRegister<sim_backend::machine::SimRegisters<Mpi1Controller>>>;

fn mpi1_port(machine: &SimMachine<Mpi1Controller>) -> SimPort {
    Mpi1::new(Mpi1Config::default(), FifoRegister(machine.registers()))
}

fn direct_port() -> DirectControl {
    DirectControl::new(DirectConfig::default())
}

/// Polls until a command has completed; returns how many polls that took.
fn complete<P: ControlPort, L: Platform>(host: &mut Host<P, L>) -> u32 {
    for polls in 1..10_000 {
        let mut done = false;
        host.poll(|d| done |= d.completion.cookie == Cookie(7)).expect("poll");
        if done {
            return polls;
        }
    }
    panic!("the command does not complete");
}

fn claims<P: ControlPort, C: ControllerModel>(
    host: &mut Host<P, SimPlatform<C>>,
    machine: &SimMachine<C>,
) -> bool {
    host.adapter().claims_interrupt(&mut machine.registers())
}

/// Claimed exactly while the controller asserts its line, with interrupts on.
fn a_line_is_claimed_while_asserted<P: ControlPort, C: ControllerModel>(
    machine: Arc<SimMachine<C>>,
    port: P,
    remove: fn(&mut C),
) {
    let mut host = host_of(port, SimPlatform::new(Arc::clone(&machine)), true);
    assert!(!machine.interrupt_level() && !claims(&mut host, &machine), "idle");
    let before = machine.take_messages();
    assert!(host.submit(test_unit_ready()).is_ok());
    while machine.run(64).done > 0 {}
    assert!(machine.interrupt_level() && claims(&mut host, &machine), "a reply is posted");
    assert!(machine.take_messages() > 0, "and a message was sent; {before} before");
    assert_eq!(complete(&mut host), 1);
    for _ in 0..3 {
        host.poll(|_| ()).expect("poll");
    }
    assert!(!machine.interrupt_level() && !claims(&mut host, &machine), "serviced");

    assert!(host.submit(test_unit_ready()).is_ok());
    machine.with_controller(remove);
    assert!(!claims(&mut host, &machine), "all ones is no interrupt");
    host.adapter().handle_gone();
    machine.forbid_access();
    assert!(!claims(&mut host, &machine));
    assert_eq!(machine.stray_accesses(), 0, "gone is gone");
}

/// With interrupts off an interrupt of another device on the line is not ours, whatever the status says.
fn a_masked_controller_claims_nothing<P: ControlPort, C: ControllerModel>(
    machine: Arc<SimMachine<C>>,
    port: P,
) {
    let mut host = host_of(port, SimPlatform::new(Arc::clone(&machine)), false);
    assert!(host.submit(test_unit_ready()).is_ok());
    while machine.run(64).done > 0 {}
    assert!(!machine.interrupt_level(), "masked");
    assert!(!claims(&mut host, &machine), "it cannot have been this controller");
    assert_eq!(complete(&mut host), 1, "although a reply was there");
}

fn polling_alone_is_enough<P: ControlPort, C: ControllerModel>(
    machine: Arc<SimMachine<C>>,
    port: P,
) {
    let mut host = host_of(port, SimPlatform::new(Arc::clone(&machine)), false);
    for _ in 0..50 {
        assert!(host.submit(test_unit_ready()).is_ok());
        complete(&mut host);
        assert!(!machine.interrupt_level());
    }
    assert_eq!(machine.take_messages(), 0, "interrupts were never enabled");
}

#[test]
fn a_shared_line_is_claimed_only_while_the_controller_asserts_it() {
    for personality in [Personality::hardware(), Personality::qemu()] {
        let machine = sas1068(personality);
        let port = mpi1_port(&machine);
        a_line_is_claimed_while_asserted(machine, port, |c| c.faults_mut().removed = true);
    }
    a_line_is_claimed_while_asserted(direct(), direct_port(), |c| c.faults_mut().removed = true);
}

#[test]
fn a_masked_controller_claims_no_interrupt() {
    for personality in [Personality::hardware(), Personality::qemu()] {
        let machine = sas1068(personality);
        let port = mpi1_port(&machine);
        a_masked_controller_claims_nothing(machine, port);
    }
    a_masked_controller_claims_nothing(direct(), direct_port());
}

#[test]
fn polling_works_with_interrupts_never_enabled() {
    for personality in [Personality::hardware(), Personality::qemu()] {
        let machine = sas1068(personality);
        let port = mpi1_port(&machine);
        polling_alone_is_enough(machine, port);
    }
    polling_alone_is_enough(direct(), direct_port());
}

/// A platform that no interrupt wakes: it sleeps as long as it is told, and the controller works meanwhile.
struct Sleeper<C> {
    machine: Arc<SimMachine<C>>,
    inner: SimPlatform<C>,
    longest: Duration,
}

impl<C: ControllerModel> Platform for Sleeper<C> {
    fn registers(&mut self) -> &mut dyn Registers {
        self.inner.registers()
    }

    fn now(&mut self) -> Instant {
        self.inner.now()
    }

    fn wait(&mut self, until: Instant) {
        self.longest = self.longest.max(until.since(self.now()));
        self.machine.set_now(until);
        while self.machine.run(64).done > 0 {}
    }

    fn allocate(&mut self, plan: &RegionPlan) -> Result<DmaRegion, OutOfMemory> {
        self.inner.allocate(plan)
    }

    fn buffer(&mut self, len: usize) -> Result<RegionBuffer, OutOfMemory> {
        self.inner.buffer(len)
    }

    fn isolate(&mut self) {
        self.inner.isolate();
    }
}

/// The longest sleep of the polling host.
const PERIOD: Duration = Duration::from_millis(100);

fn a_lost_interrupt_costs_one_period<P: ControlPort, C: ControllerModel>(
    machine: Arc<SimMachine<C>>,
    port: P,
) {
    let inner = SimPlatform::new(Arc::clone(&machine));
    let sleeper = Sleeper { machine: Arc::clone(&machine), inner, longest: Duration::ZERO };
    let mut host = host_of(port, sleeper, true);
    // The controller works only while the host sleeps: a poll never finds the reply of what was submitted before it.
    machine.set_budget(0);
    for _ in 0..20 {
        assert!(host.submit(test_unit_ready()).is_ok());
        let begun = host.platform().now();
        complete(&mut host);
        let cost = host.platform().now().since(begun);
        assert!(cost > Duration::ZERO && cost <= PERIOD, "{cost:?}");
    }
    assert!(host.platform().longest <= PERIOD, "{:?}", host.platform().longest);
}

#[test]
fn a_lost_interrupt_costs_at_most_the_poll_period() {
    let machine = sas1068(Personality::hardware());
    let port = mpi1_port(&machine);
    a_lost_interrupt_costs_one_period(machine, port);
    a_lost_interrupt_costs_one_period(direct(), direct_port());
}

fn qemu(interrupt: InterruptMode, enabled: bool) -> Option<QemuHost> {
    if !hba_qemu::available_for_tests() {
        return None;
    }
    let disks = vec![QemuDisk::memory(16 << 20)];
    let qemu = Qemu::start(Config { disks, interrupt, ..Config::default() }).expect("QEMU starts");
    let mut platform = QemuPlatform::new(qemu);
    let window = platform.qemu().memory().window(AddressWidth::BITS_64);
    let fifo = FifoRegister(platform.qemu().registers());
    let port = Mpi1::new(Mpi1Config { window, ..Mpi1Config::default() }, fifo);
    Some(host_of(port, platform, enabled))
}

fn claims_on_qemu(host: &mut QemuHost) -> bool {
    let mut registers = host.platform().qemu().registers();
    host.adapter().claims_interrupt(&mut registers)
}

/// Long enough for a machine under load; no test waits for the end of it.
const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn an_msi_of_qemu_wakes_the_host_and_the_reply_is_there() {
    let Some(mut host) = qemu(InterruptMode::Msi, true) else { return };
    let interrupt = host.platform().qemu().interrupt();
    for _ in 0..20 {
        while interrupt.take() {}
        assert!(host.submit(test_unit_ready()).is_ok());
        assert!(interrupt.wait(LIMIT), "an interrupt comes");
        assert_eq!(complete(&mut host), 1, "and what it announces is there");
    }
}

#[test]
fn a_stolen_msi_of_qemu_does_not_stop_the_host() {
    let Some(mut host) = qemu(InterruptMode::Msi, true) else { return };
    let interrupt = host.platform().qemu().interrupt();
    for _ in 0..5 {
        while interrupt.take() {}
        assert!(host.submit(test_unit_ready()).is_ok());
        assert!(interrupt.wait(LIMIT), "it is taken away here");
        complete(&mut host);
    }
}

#[test]
fn intx_of_qemu_is_claimed_only_while_the_controller_asserts_it() {
    let Some(mut host) = qemu(InterruptMode::IntX, true) else { return };
    let interrupt = host.platform().qemu().interrupt();
    for _ in 0..5 {
        assert!(!interrupt.is_pending() && !claims_on_qemu(&mut host), "idle");
        assert!(host.submit(test_unit_ready()).is_ok());
        assert!(interrupt.wait(LIMIT));
        assert!(claims_on_qemu(&mut host), "ours, and asserted");
        assert_eq!(complete(&mut host), 1);
        host.poll(|_| ()).expect("poll");
    }
    assert!(host.submit(test_unit_ready()).is_ok());
    assert!(interrupt.wait(LIMIT));
    host.platform().qemu().kill();
    assert!(!claims_on_qemu(&mut host), "gone");
}

#[test]
fn a_masked_controller_of_qemu_claims_nothing_and_polling_works() {
    for mode in [InterruptMode::IntX, InterruptMode::Msi] {
        let Some(mut host) = qemu(mode, false) else { return };
        let interrupt = host.platform().qemu().interrupt();
        for _ in 0..5 {
            assert!(host.submit(test_unit_ready()).is_ok());
            assert!(!claims_on_qemu(&mut host), "masked");
            complete(&mut host);
            assert!(!interrupt.is_pending());
        }
    }
}
