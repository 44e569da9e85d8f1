//! Before a controller is told of memory, the host's word on the way there is checked: for every backend, at every start.

use hba_core::control::{Action, Control, RecoveryConfig};
use hba_core::dispatch::ClassTimeouts;
use hba_core::dma::{AddressWidth, BusAddr, DmaRegion, DmaWindow, RegionBuffer};
use hba_core::fabric::{
    BridgeKind, Domain, Function, FunctionKind, HostMapping, MappedIds, PreflightError,
    RequesterId, RootBus, Topology, dma_aliases,
};
use hba_core::host::{Host, HostError, OutOfMemory, Platform};
use hba_core::limits::Limits;
use hba_core::port::{
    BringUp, BringUpError, ControlPort, MemoryFault, MemoryPlan, Message, NoResources, Polled,
    PortEvent, RegionPlan, Start, TaskManagement, TaskManagementId,
};
use hba_core::register::Registers;
use hba_core::time::Instant;
use hba_tests::register_bank::{BankFifo, RegisterBank};
use hba_tests::startup::bring_up;
use mpt_backend::mpi1::{Mpi1, Mpi1Config};
use sim_backend::direct::DirectQueue;

/// A register bank as a platform that says what it knows of the mapping.
struct BankPlatform {
    bank: RegisterBank,
    now: Instant,
    mapping: HostMapping,
    /// What it says once it has been asked for memory.
    mapping_with_memory: Option<HostMapping>,
    allocated: usize,
    /// Where regions are said to be, instead of where they are.
    place: Option<fn(&RegionPlan) -> u64>,
    isolated: bool,
}

impl Platform for BankPlatform {
    fn registers(&mut self) -> &mut dyn Registers {
        &mut self.bank
    }

    fn now(&mut self) -> Instant {
        self.now
    }

    fn wait(&mut self, until: Instant) {
        self.now = until.max(self.now);
    }

    fn allocate(&mut self, plan: &RegionPlan) -> Result<DmaRegion, OutOfMemory> {
        self.allocated += 1;
        if let Some(mapping) = self.mapping_with_memory.take() {
            self.mapping = mapping;
        }
        Ok(match self.place {
            Some(place) => DmaRegion::detached(plan.len, BusAddr::new(place(plan))),
            None => self.bank.allocate(plan),
        })
    }

    fn buffer(&mut self, len: usize) -> Result<RegionBuffer, OutOfMemory> {
        Err(OutOfMemory { len })
    }

    fn isolate(&mut self) {
        self.isolated = true;
    }

    fn mapping(&self) -> HostMapping {
        self.mapping.clone()
    }
}

type BankHost = Host<Mpi1<BankFifo>, BankPlatform>;

fn host(mapping: HostMapping) -> BankHost {
    let (bank, fifo) = RegisterBank::new();
    let platform = BankPlatform {
        bank,
        now: Instant::ZERO,
        mapping,
        mapping_with_memory: None,
        allocated: 0,
        place: None,
        isolated: false,
    };
    let port = Mpi1::new(Mpi1Config::default(), fifo);
    Host::new(port, platform, RecoveryConfig::default(), ClassTimeouts::default())
}

const CONTROLLER: &str = "02:04.0";
const BRIDGE_ALIAS: &str = "02:00.0";

fn id(text: &str) -> RequesterId {
    text.parse().expect("well formed")
}

/// A 53C1030 behind a PLX 8114, of which these IDs are mapped.
fn behind_bridge(mapped: &[&str]) -> HostMapping {
    let bridge = |kind, secondary| FunctionKind::Bridge { kind, secondary };
    let functions = [
        Function::new(id("00:01.0"), bridge(BridgeKind::RootPort, 1)),
        Function::new(id("01:00.0"), bridge(BridgeKind::PcieToPci, 2)),
        Function::new(id(CONTROLLER), FunctionKind::Conventional),
    ];
    let topology = Topology::new([RootBus { domain: Domain(0), bus: 0 }], functions);
    let aliases = dma_aliases(&topology.expect("hangs together"), id(CONTROLLER));
    let mapped = mapped.iter().copied().map(id).collect();
    HostMapping::unknown()
        .with_aliases(aliases.expect("it is there"))
        .with_mapped(MappedIds::Only(mapped))
}

/// Bring-up that must end before the controller is told of any memory.
fn refused(host: &mut BankHost) -> PreflightError {
    let (ended, _) = bring_up(host);
    let Err(HostError::BringUp(BringUpError::Preflight(error))) = ended else {
        panic!("{ended:?}")
    };
    assert_eq!(host.platform().bank.handed_over(), 0, "no address was handed over");
    assert!(host.platform().isolated && host.adapter().stopped().is_some());
    error
}

fn missing(error: &PreflightError) -> &[RequesterId] {
    let PreflightError::AliasNotMapped { missing } = error else { panic!("{error}") };
    missing.ids()
}

#[test]
fn b05_an_alias_that_is_not_mapped_is_refused_before_any_dma() {
    let mut host_without = host(behind_bridge(&[CONTROLLER]));
    let error = refused(&mut host_without);
    assert_eq!(missing(&error), [id(BRIDGE_ALIAS)]);
    assert_eq!(host_without.platform().allocated, 0, "refused before memory is asked for");

    // With the alias mapped, or a host that does not know, or no IOMMU at all, the same controller comes up.
    let only = behind_bridge(&[CONTROLLER, BRIDGE_ALIAS]);
    let all = behind_bridge(&[]).with_mapped(MappedIds::All);
    for mapping in [only, all, HostMapping::unknown()] {
        let mut host = host(mapping);
        assert_eq!(bring_up(&mut host).0, Ok(()));
        assert!(host.platform().bank.handed_over() > 0, "the bank counts what is handed over");
    }
}

#[test]
fn b05_a_host_that_maps_along_with_the_memory_is_asked_again() {
    let mut host = host(HostMapping::unknown());
    host.platform().mapping_with_memory = Some(behind_bridge(&[CONTROLLER]));
    assert_eq!(missing(&refused(&mut host)), [id(BRIDGE_ALIAS)]);
    assert!(host.platform().allocated > 0);
}

#[test]
fn b05_a_reset_does_not_bring_back_a_controller_whose_mapping_is_gone() {
    let mut host = host(behind_bridge(&[CONTROLLER, BRIDGE_ALIAS]));
    assert_eq!(bring_up(&mut host).0, Ok(()));
    let handed_over = host.platform().bank.handed_over();
    host.adapter().set_mapping(behind_bridge(&[CONTROLLER]));
    let now = host.platform().now();
    host.adapter().request_reset(now);
    for _ in 0..100 {
        host.poll(|_| ()).expect("poll");
    }
    assert!(host.platform().isolated && host.adapter().stopped().is_some());
    assert_eq!(host.platform().bank.handed_over(), handed_over, "nothing after the reset began");
}

#[test]
fn b05_limits_beyond_the_hosts_window_are_refused() {
    let low = DmaWindow::of_width(AddressWidth::BITS_32);
    let mut host = host(HostMapping::unknown().with_window(low));
    assert!(matches!(refused(&mut host), PreflightError::Window { host, .. } if host == low));
}

#[test]
fn b05_a_region_across_4_gib_is_refused_before_any_dma() {
    // Sense buffers have an upper half of their own; they must not cross a 4 GiB line all the same.
    let mut host = host(HostMapping::unknown());
    host.platform().place = Some(|plan| match plan.name {
        "sense buffers" => 0x1_ffff_f000,
        _ => 0x10_0000,
    });
    let (ended, _) = bring_up(&mut host);
    let Err(HostError::Placement(MemoryFault::NotBelow { first, name, .. })) = ended else {
        panic!("{ended:?}")
    };
    // Once more below 4 GiB, and no better: the platform puts them where it did.
    assert_eq!((first, name), ("sense buffers", "sense buffers"));
    assert_eq!(host.platform().bank.handed_over(), 0);
}

/// A backend that takes any memory.
struct Careless;

const LIMITS: Limits = Limits {
    transfer_max: 4096,
    elements_max: 2,
    element_max: 4096,
    boundary: 0,
    window: DmaWindow::of_width(AddressWidth::BITS_32),
    page_size: 4096,
    queue_depth: 1,
    vectors: 1,
    cdb_max: 16,
    sense_max: 96,
    targets_max: 1,
};

impl ControlPort for Careless {
    type Queue = DirectQueue;

    fn begin(&mut self, _: Start, _: Instant) {}

    fn bring_up(&mut self, _: Instant, _: &mut dyn Registers) -> BringUp {
        BringUp::NeedMemory
    }

    fn limits(&self) -> Option<&Limits> {
        Some(&LIMITS)
    }

    fn memory_plan(&self) -> MemoryPlan {
        let (name, window) = ("request frames", LIMITS.window);
        let region = RegionPlan { name, len: 4096, align: 64, upper_half: 0, window };
        MemoryPlan { regions: vec![region] }
    }

    fn provide_memory(&mut self, _: Vec<DmaRegion>) -> Result<Vec<DirectQueue>, MemoryFault> {
        Ok(Vec::new())
    }

    fn poll(&mut self, now: Instant, _: &mut dyn Registers) -> Polled {
        Polled::Operational(now)
    }

    fn handle_message(&mut self, _: &Message, _: Instant, _: &mut dyn Registers) {}

    fn send_task_management(
        &mut self,
        _: TaskManagement,
        _: TaskManagementId,
        _: Instant,
        _: &mut dyn Registers,
    ) -> Result<(), NoResources> {
        Err(NoResources)
    }

    fn poll_event(&mut self) -> Option<PortEvent> {
        None
    }

    fn set_interrupts(&mut self, _: bool, _: &mut dyn Registers) {}
}

#[test]
fn b05_memory_is_checked_for_a_backend_that_does_not() {
    let (mut bank, _) = RegisterBank::new();
    let mut control = Control::new(Careless, RecoveryConfig::default(), Instant::ZERO);
    let _ = control.step(Instant::ZERO, &mut bank);
    assert!(matches!(control.poll_action(), Some(Action::ProvideMemory(_))));
    let provide = |control: &mut Control<Careless>, bus| {
        control.provide_memory(vec![DmaRegion::detached(4096, BusAddr::new(bus))]).map(|_| ())
    };
    for bus in [0x1_0000_0000, 0xffff_f040, 0x20] {
        let fault = provide(&mut control, bus).expect_err("out of reach or misaligned");
        assert!(matches!(fault, MemoryFault::Address(_)), "{fault}");
    }
    assert_eq!(provide(&mut control, 0x8000_0000), Ok(()));
}
