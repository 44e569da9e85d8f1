//! A controller holds bits 63:32 of a pool's addresses once. What is done where a host allocates otherwise: everything is let
//! go and asked for once more, below 4 GiB; what is wrong then, too, ends the bring-up before the controller hears of it.

extern crate alloc;

use alloc::sync::Arc;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use hba_core::command::Cookie;
use hba_core::control::{Action, Control, Provided, RecoveryConfig};
use hba_core::dispatch::ClassTimeouts;
use hba_core::dma::{AddressWidth, BusAddr, DmaRegion, DmaWindow, RegionBuffer};
use hba_core::host::{Data, Host, HostError, OutOfMemory, Platform};
use hba_core::logical_unit::Fua;
use hba_core::port::{ControlPort, MemoryFault, MemoryPlan, RegionPlan};
use hba_core::queue::Vector;
use hba_core::register::Registers;
use hba_core::runtime::{self, AttachError};
use hba_core::time::Instant;
use mpt_backend::mpi1::{FifoRegister, Mpi1, Mpi1Config};
use mpt_backend::mpi2::{Mpi2, Mpi2Config};
use scsi_proto::Lba;
use sim_backend::controller::ControllerModel;
use sim_backend::disk::{DiskConfig, SimDisk};
use sim_backend::machine::{SimMachine, SimRegisters};
use sim_backend::memory::{Placement, SimMemory};
use sim_backend::mpi1::{Mpi1Controller, Personality as Part1};
use sim_backend::mpi2::{Mpi2Controller, Personality as Part2, capability};
use sim_backend::platform::SimPlatform;
use sim_backend::pulse::AsyncSimPlatform;

/// A platform, and what it was asked for.
struct Asked<C> {
    inner: SimPlatform<C>,
    windows: Vec<DmaWindow>,
    /// Register writes before the first time.
    writes: u64,
}

impl<C: ControllerModel> Platform for Asked<C> {
    fn registers(&mut self) -> &mut dyn Registers {
        self.inner.registers()
    }

    fn now(&mut self) -> Instant {
        self.inner.now()
    }

    fn wait(&mut self, until: Instant) {
        self.inner.wait(until);
    }

    fn allocate(&mut self, plan: &RegionPlan) -> Result<DmaRegion, OutOfMemory> {
        if self.windows.is_empty() {
            self.writes = self.inner.machine().register_count().writes;
        }
        self.windows.push(plan.window);
        self.inner.allocate(plan)
    }

    fn buffer(&mut self, len: usize) -> Result<RegionBuffer, OutOfMemory> {
        self.inner.buffer(len)
    }

    fn isolate(&mut self) {
        self.inner.isolate();
    }
}

/// What a family needs to be driven.
trait Family: ControllerModel + Sized + 'static {
    type Port: ControlPort;
    fn port(machine: &Arc<SimMachine<Self>>, window: DmaWindow) -> Self::Port;

    /// What the model has against its driver, beside accesses of memory that fault.
    fn complaints(&self) -> String {
        String::new()
    }
}

impl Family for Mpi1Controller {
    type Port = Mpi1<FifoRegister<SimRegisters<Self>>>;

    fn port(machine: &Arc<SimMachine<Self>>, window: DmaWindow) -> Self::Port {
        let config = Mpi1Config { window, ..Mpi1Config::default() };
        Mpi1::new(config, FifoRegister(machine.registers()))
    }
}

impl Family for Mpi2Controller {
    type Port = Mpi2;

    fn port(_: &Arc<SimMachine<Self>>, window: DmaWindow) -> Mpi2 {
        let config = Mpi2Config { vectors: 5, window, ..Mpi2Config::default() };
        Mpi2::new(Mpi2Config { whole_descriptors: true, ..config })
    }

    fn complaints(&self) -> String {
        self.violations().to_string()
    }
}

const WIDE: DmaWindow = match AddressWidth::new(63) {
    Some(width) => DmaWindow::of_width(width),
    None => unreachable!(),
};
const LOW: DmaWindow = DmaWindow::of_width(AddressWidth::BITS_32);
const CAPACITY: usize = 1 << 30;

fn machine<C: Family>(capacity: usize, make: impl FnOnce(&SimMemory) -> C) -> Arc<SimMachine<C>> {
    let memory = SimMemory::new(capacity);
    let machine = Arc::new(SimMachine::new(make(&memory), memory));
    let disk = SimDisk::new(&DiskConfig::nth(0, 2048)).expect("a disk");
    assert!(machine.attach(0, disk).is_ok());
    machine
}

fn sas1068(capacity: usize) -> Arc<SimMachine<Mpi1Controller>> {
    machine(capacity, |memory| Mpi1Controller::new(Part1::hardware(), memory.device()))
}

fn mpi2(part: Part2, capacity: usize) -> Arc<SimMachine<Mpi2Controller>> {
    machine(capacity, |memory| Mpi2Controller::new(part, memory.device()))
}

type Driver<C> = Host<<C as Family>::Port, Asked<C>>;

fn host<C: Family>(
    machine: &Arc<SimMachine<C>>,
    window: DmaWindow,
    place: impl FnOnce(SimPlatform<C>) -> SimPlatform<C>,
) -> Driver<C> {
    host_with(machine, C::port(machine, window), place)
}

fn host_with<C: Family>(
    machine: &Arc<SimMachine<C>>,
    port: C::Port,
    place: impl FnOnce(SimPlatform<C>) -> SimPlatform<C>,
) -> Driver<C> {
    let inner = place(SimPlatform::new(Arc::clone(machine)));
    let platform = Asked { inner, windows: Vec::new(), writes: 0 };
    let (recovery, timeouts) = (RecoveryConfig::default(), ClassTimeouts::default());
    Host::new(port, platform, recovery, timeouts)
}

/// Writes through every vector, and reads back through the next.
fn exercise<C: Family>(host: &mut Driver<C>) {
    const LEN: usize = 4096;
    let unit = host.discover().expect("discovery ends").units.remove(0);
    let vectors = host.limits().expect("it is up").vectors;
    let at = |vector: u16| Lba(u64::from(vector) * 8);
    for vector in 0..vectors {
        let mut data = host.platform().buffer(LEN).expect("memory");
        data.write(&[vector as u8 + 1; LEN]);
        let write = unit.write(at(vector), 8, Fua::Off, Some(data), Cookie(1)).expect("in range");
        assert_eq!(run(host, vector, write), [vector as u8 + 1; LEN]);
    }
    for vector in 0..vectors {
        let data = host.platform().buffer(LEN).expect("memory");
        let read = unit.read(at(vector), 8, Some(data), Cookie(2)).expect("in range");
        assert_eq!(run(host, (vector + 1) % vectors, read), [vector as u8 + 1; LEN]);
    }
}

/// Runs one command, and returns what its memory holds afterwards.
fn run<C: Family>(
    host: &mut Driver<C>,
    vector: u16,
    request: hba_core::command::Request<Data>,
) -> Vec<u8> {
    host.submit_on(Vector(vector), request).expect("accepted");
    let mut bytes = None;
    for _ in 0..10_000 {
        host.poll(|done| {
            assert!(done.completion.is_done(), "{}", done.completion.outcome);
            let data = done.completion.data.as_ref().expect("home");
            let mut read = vec![0; data.len()];
            data.read(&mut read);
            bytes = Some(read);
        })
        .expect("poll");
        if let Some(bytes) = bytes.take() {
            return bytes;
        }
    }
    panic!("no end on vector {vector}");
}

/// Whether everything that is mapped for the controller lies below 4 GiB.
fn is_low<C: Family>(machine: &SimMachine<C>) -> bool {
    machine.memory().mapped().iter().all(|(bus, len)| bus.offset(*len as u64 - 1).high() == 0)
}

/// The first memory is wrong, the second is below 4 GiB: the controller works, and nothing is left of the first.
fn comes_up_below<C: Family>(machine: &Arc<SimMachine<C>>, placement: Placement) {
    let mut host = host(machine, WIDE, |platform| platform.with_placement(placement));
    host.bring_up().expect("below 4 GiB it does");
    let windows = &host.platform().windows;
    let (first, second) = windows.split_at(windows.len() / 2);
    assert!(first.iter().all(|window| *window == WIDE), "{first:?}");
    assert!(second.iter().all(|window| window.last() == LOW.last()), "{second:?}");
    assert_eq!(machine.memory().mapped().len(), second.len(), "nothing of the first is mapped");
    assert!(is_low(machine));
    exercise(&mut host);
    host.shutdown().expect("shut down");
    machine.with_controller(|c| assert_eq!(c.complaints(), ""));
    assert_eq!(machine.memory().faults().count(), 0);
}

#[test]
fn b05_pools_in_the_wrong_4_gib_are_allocated_again_below_it_mpi1() {
    for placement in [Placement::Across, Placement::RegionsApart] {
        comes_up_below(&sas1068(CAPACITY), placement);
    }
}

#[test]
fn b05_pools_in_the_wrong_4_gib_are_allocated_again_below_it_mpi2() {
    for part in [Part2::sas2008().with_vectors(5), Part2::sas3008()] {
        comes_up_below(&mpi2(part, CAPACITY), Placement::Across);
    }
}

/// Memory that is right where it is stays there.
fn stays_high<C: Family>(machine: &Arc<SimMachine<C>>) {
    let apart = Placement::GroupsApart;
    let mut host = host(machine, WIDE, |platform| platform.with_placement(apart));
    host.bring_up().expect("each group has an upper half of its own");
    let mapped = machine.memory().mapped();
    assert_eq!(mapped.len(), host.platform().windows.len(), "asked for once");
    assert!(mapped.iter().all(|(bus, _)| bus.high() >= 0x12), "{mapped:?}");
    exercise(&mut host);
    machine.with_controller(|c| assert_eq!(c.complaints(), ""));
}

#[test]
fn groups_that_lie_apart_are_asked_for_once_mpi1() {
    stays_high(&sas1068(CAPACITY));
}

#[test]
fn groups_that_lie_apart_are_asked_for_once_mpi2() {
    stays_high(&mpi2(Part2::sas2008().with_vectors(5), CAPACITY));
    stays_high(&mpi2(Part2::sas3008(), CAPACITY));
}

/// A SAS3008 on so many vectors, its firmware with reply post queue arrays or without.
fn with_arrays(
    arrays: bool,
    vectors: u8,
    place: impl FnOnce(SimPlatform<Mpi2Controller>) -> SimPlatform<Mpi2Controller>,
) -> (Arc<SimMachine<Mpi2Controller>>, Driver<Mpi2Controller>) {
    let mut part = Part2::sas3008();
    if !arrays {
        part.facts.capabilities &= !capability::RDPQ_ARRAY;
    }
    let machine = mpi2(part, CAPACITY);
    let config = Mpi2Config { vectors, window: WIDE, ..Mpi2Config::default() };
    let port = Mpi2::new(Mpi2Config { whole_descriptors: true, ..config });
    let host = host_with(&machine, port, place);
    (machine, host)
}

/// Regions by the 4 GiB that they are in.
fn regions_in(machine: &SimMachine<Mpi2Controller>, half: u32) -> usize {
    machine.memory().mapped().iter().filter(|(bus, _)| bus.high() == half).count()
}

#[test]
fn reply_post_queues_lie_in_different_4_gib_eight_and_eight() {
    let apart = |platform: SimPlatform<_>| platform.with_placement(Placement::GroupsApart);
    for vectors in [9, 12, 16] {
        let (machine, mut host) = with_arrays(true, vectors, apart);
        host.bring_up().expect("the plan is kept to");
        assert_eq!(host.limits().expect("it is up").vectors, u16::from(vectors));
        machine.with_controller(|c| assert_eq!(c.has_queues_apart(), Some(true)));
        let sets = [0x22, 0x23].map(|half| regions_in(&machine, half));
        assert_eq!(sets, [8, usize::from(vectors) - 8], "{:?}", machine.memory().mapped());
        exercise(&mut host);
        machine.with_controller(|c| assert_eq!(c.complaints(), ""));
        assert_eq!(machine.memory().faults().count(), 0);
    }
}

/// Where queues of one set lie apart, the controller would take the upper half of the first for all.
#[test]
fn reply_post_queues_of_a_set_that_lie_apart_are_allocated_again_or_refused() {
    let apart = |platform: SimPlatform<_>| platform.with_placement(Placement::RegionsApart);
    for vectors in [2, 5, 16] {
        let (machine, mut host) = with_arrays(true, vectors, apart);
        host.bring_up().expect("below 4 GiB it does");
        assert!(is_low(&machine) && host.limits().expect("it is up").vectors == vectors.into());
        exercise(&mut host);
        machine.with_controller(|c| assert_eq!(c.complaints(), ""));

        let (machine, mut host) = with_arrays(true, vectors, |platform| apart(platform).heedless());
        let MemoryFault::NotBelow { first, .. } = refused(&machine, &mut host) else { panic!() };
        assert_eq!(first, "reply post queue");
    }
}

/// One region for all queues then, and it must not cross a line.
#[test]
fn without_arrays_the_queues_are_one_region_of_one_4_gib() {
    for placement in [Placement::GroupsApart, Placement::RegionsApart, Placement::Across] {
        let (machine, mut host) =
            with_arrays(false, 16, |platform| platform.with_placement(placement));
        host.bring_up().expect("high in one piece, or below 4 GiB");
        assert_eq!(is_low(&machine), placement == Placement::Across);
        assert_eq!(host.limits().expect("it is up").vectors, 16);
        machine.with_controller(|c| assert_eq!(c.has_queues_apart(), Some(false)));
        exercise(&mut host);
        machine.with_controller(|c| assert_eq!(c.complaints(), ""));
    }
}

/// Refused, with this error, before the controller was told of anything.
fn refused<C: Family>(machine: &Arc<SimMachine<C>>, host: &mut Driver<C>) -> MemoryFault {
    let error = host.bring_up().expect_err("there is no memory that does");
    let HostError::Placement(fault) = error else { panic!("{error}") };
    assert_eq!(fault.to_string(), HostError::Placement(fault).to_string());
    let accesses = machine.memory().accesses();
    assert_eq!((accesses.reads, accesses.writes), (0, 0), "no DMA");
    let writes = machine.register_count().writes;
    assert_eq!(
        writes,
        host.platform().writes,
        "no register was written since memory was asked for"
    );
    assert_eq!(machine.memory().mapped(), [], "nothing is mapped");
    fault
}

/// The second memory is wrong, too.
fn heedless_is_refused<C: Family>(machine: &Arc<SimMachine<C>>, name: &str) {
    let mut host =
        host(machine, WIDE, |platform| platform.with_placement(Placement::Across).heedless());
    let fault = refused(machine, &mut host);
    assert!(matches!(fault, MemoryFault::NotBelow { .. }), "{fault:?}");
    let sentence = fault.to_string();
    let both = "request frames do not share the upper 32 address bits that the controller holds \
                for them; asked for below 4 GiB, the host put request frames of ";
    let rest = sentence.strip_prefix(both).unwrap_or_else(|| panic!("{name}: {sentence}"));
    assert!(rest.contains(" bytes at 0x"), "{name}: {sentence}");
}

#[test]
fn b05_a_second_memory_in_the_wrong_4_gib_is_the_end_mpi1() {
    heedless_is_refused(&sas1068(CAPACITY), "sas1068");
}

#[test]
fn b05_a_second_memory_in_the_wrong_4_gib_is_the_end_mpi2() {
    heedless_is_refused(&mpi2(Part2::sas2008(), CAPACITY), "sas2008");
    heedless_is_refused(&mpi2(Part2::sas3008(), CAPACITY), "sas3008");
}

/// The simulator's memory is never handed out twice, so half as much again does for the first time only.
fn nothing_left_below<C: Family>(make: impl Fn(usize) -> Arc<SimMachine<C>>) {
    let machine = make(CAPACITY);
    let mut whole = host(&machine, WIDE, |platform| platform);
    whole.bring_up().expect("there is enough");
    let needed: usize = machine.memory().mapped().iter().map(|(_, len)| len).sum();
    let tight = make(needed + needed / 2);
    let mut host = host(&tight, WIDE, |platform| platform.with_placement(Placement::Across));
    let fault = refused(&tight, &mut host);
    let MemoryFault::NoneBelow { len, .. } = fault else { panic!("{fault:?}") };
    let end = format!("asked for below 4 GiB, the host has no dma memory for {len} bytes");
    assert!(fault.to_string().ends_with(&end), "{fault}");
}

#[test]
fn b05_no_memory_below_4_gib_is_the_end_too() {
    nothing_left_below(sas1068);
    nothing_left_below(|capacity| mpi2(Part2::sas3008(), capacity));
}

/// A controller of 32 bits is asked for once: there is no other half.
fn narrow_is_asked_once<C: Family>(machine: &Arc<SimMachine<C>>, placement: Placement) {
    let mut narrow = host(machine, LOW, |platform| platform.with_placement(placement));
    narrow.bring_up().expect("the platform heeds the window");
    let regions = machine.memory().mapped().len();
    assert_eq!(narrow.platform().windows.len(), regions, "asked for once");
    assert!(narrow.platform().windows.iter().all(|window| *window == LOW));
    drop(narrow);
    let mut host = host(machine, LOW, |platform| platform.with_placement(placement).heedless());
    let error = host.bring_up().expect_err("out of reach");
    assert!(matches!(error, HostError::Placement(MemoryFault::Address(_))), "{error}");
    assert_eq!(host.platform().windows.len(), regions, "not asked a second time");
    assert_eq!(machine.memory().mapped(), []);
}

#[test]
fn a_controller_of_32_bits_is_never_asked_for_twice() {
    for placement in [Placement::Across, Placement::RegionsApart] {
        narrow_is_asked_once(&sas1068(CAPACITY), placement);
        narrow_is_asked_once(&mpi2(Part2::sas2008(), CAPACITY), placement);
    }
}

#[test]
fn the_facade_asks_again_and_tells_of_both() {
    let attach = |heedless: bool| {
        let machine = mpi2(Part2::sas3008(), CAPACITY);
        let mut platform =
            AsyncSimPlatform::new(Arc::clone(&machine)).with_placement(Placement::Across);
        if heedless {
            platform = platform.heedless();
        }
        let port = Mpi2Controller::port(&machine, WIDE);
        let attach = pin!(runtime::attach::<_, _, Data>(port, platform, <_>::default()));
        let (mut attach, cx) = (attach, &mut Context::from_waker(Waker::noop()));
        let polls = core::iter::repeat_with(|| attach.as_mut().poll(cx)).take(100_000);
        let attached = polls.into_iter().find_map(|polled| match polled {
            Poll::Ready(attached) => Some(attached),
            Poll::Pending => None,
        });
        (machine, attached.expect("it ends"))
    };
    let (machine, attached) = attach(false);
    let attached = attached.expect("below 4 GiB it does");
    assert!(is_low(&machine) && !machine.memory().mapped().is_empty());
    drop(attached);
    let (machine, attached) = attach(true);
    let error = attached.map(|_| ()).expect_err("there is no memory that does");
    assert!(matches!(error, AttachError::Placement(MemoryFault::NotBelow { .. })), "{error}");
    assert_eq!(machine.memory().mapped(), []);
    assert_eq!(machine.memory().accesses().reads, 0);
}

/// Control that has asked, and the plan.
fn asking(machine: &Arc<SimMachine<Mpi2Controller>>) -> (Control<Mpi2>, MemoryPlan) {
    let port = Mpi2Controller::port(machine, WIDE);
    let mut control = Control::new(port, RecoveryConfig::default(), Instant::ZERO);
    for _ in 0..10_000 {
        let _ = control.step(machine.now(), &mut machine.registers());
        if let Some(Action::ProvideMemory(plan)) = control.poll_action() {
            return (control, plan);
        }
        machine.advance(core::time::Duration::from_millis(1));
    }
    panic!("not asked for memory");
}

fn across(machine: &SimMachine<Mpi2Controller>, plan: &MemoryPlan) -> Vec<DmaRegion> {
    let place = |region| machine.memory().place(region, Placement::Across).expect("memory");
    plan.regions.iter().map(place).collect()
}

/// The adapter ends while the owner looks for other memory.
#[test]
fn an_adapter_that_ends_between_the_two_times_asks_for_nothing() {
    let ends: [fn(&mut Control<Mpi2>); 2] = [Control::shutdown, Control::handle_gone];
    for end in ends {
        let machine = mpi2(Part2::sas3008(), CAPACITY);
        // Between the two.
        let (mut control, plan) = asking(&machine);
        let provided = control.provide_memory(across(&machine, &plan)).expect("asked again");
        assert!(matches!(provided, Provided::Again));
        end(&mut control);
        machine.forbid_access();
        let _ = control.step(machine.now(), &mut machine.registers());
        assert!(control.stopped().is_some());
        assert_eq!((machine.stray_accesses(), machine.memory().mapped()), (0, vec![]));
        // While the first is looked for: then there is no second time.
        let machine = mpi2(Part2::sas3008(), CAPACITY);
        let (mut control, plan) = asking(&machine);
        end(&mut control);
        let fault = control.provide_memory(across(&machine, &plan)).map(|_| ());
        assert_eq!(fault, Err(MemoryFault::UpperHalf { name: "request frames" }));
        while let Some(action) = control.poll_action() {
            assert!(!matches!(action, Action::ProvideMemory(_)), "{action:?}");
        }
        assert_eq!(machine.memory().mapped(), []);
    }
}

#[test]
fn a_host_that_maps_nothing_below_4_gib_is_not_asked_for_it() {
    let machine = mpi2(Part2::sas3008(), CAPACITY);
    let high = WIDE.within(BusAddr::new(0x1_0000_0000), BusAddr::new(0xff_ffff_ffff));
    let mut host = host(&machine, high, |platform| platform.with_placement(Placement::Across));
    let fault = refused(&machine, &mut host);
    assert_eq!(fault, MemoryFault::UpperHalf { name: "request frames" });
}
