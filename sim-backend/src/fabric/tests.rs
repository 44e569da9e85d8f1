use hba_core::dma::{
    AddressWidth, DataBuffer, DmaMapper, MapDirection, PrepareError, Route, Segment,
};
use hba_core::fabric::text::FabricText;
use hba_core::fabric::{Access, FaultCause, FaultSource, decode_fault};
use proptest::prelude::*;

use super::*;
use crate::memory::{DmaDirection, DmaFaultCause};

const PLAIN: &str = "root 00\n00:01.0 root-port to 01\n01:00.0 endpoint\n";
const COPY: BouncePolicy = BouncePolicy::Copy { bytes_max: 1 << 20 };

fn device() -> RequesterId {
    "01:00.0".parse().expect("an id")
}

fn fabric(config: FabricConfig) -> Fabric {
    Fabric::new(PLAIN.parse::<FabricText>().expect("well formed").topology, config)
}

fn configs() -> [FabricConfig; 5] {
    let small = FabricConfig { page: PageSize::Kib4, ..FabricConfig::translated() };
    let large = FabricConfig { page: PageSize::Kib16, ..FabricConfig::identity() };
    let [identity, bouncing] = [FabricConfig::identity(), FabricConfig::bouncing()];
    [identity, large, bouncing, FabricConfig::translated(), small]
}

/// An application's memory that holds `bytes`.
fn filled(fabric: &Fabric, bytes: &[u8], offset: usize) -> AppMemory {
    let mut memory = fabric.application(bytes.len(), offset).expect("room");
    memory.write(0, bytes);
    memory
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8 ^ (i / 251) as u8).collect()
}

fn causes(fabric: &Fabric) -> Vec<DmaFaultCause> {
    fabric.faults().last().map(|fault| fault.cause).collect()
}

#[test]
fn b03_a_request_above_32_bits_faults_at_the_root_port() {
    // As a driver that gives physical addresses away: no IOMMU on the way, memory above 32 GiB.
    let above = FabricConfig { translation: None, ..FabricConfig::translated() };
    let fabric = fabric(above);
    let memory = fabric.memory(device()).expect("it is there");
    let region = memory.allocate(4096, 64).expect("room");
    let fault = memory.device().read_u32(region.bus()).expect_err("36 address bits");
    assert_eq!(fault.cause, DmaFaultCause::AboveWidth { bits: 32 });
    assert_eq!((fault.address, fault.direction), (region.bus(), DmaDirection::DeviceReads));
    assert_eq!(
        fault.to_string(),
        "the device read 4 bytes at 0x800000000 as 0000:01:00.0, and the root port takes 32 address bits"
    );
    let record = fabric.record(&fault, FaultUnit::AppleRootPort).expect("the port notices");
    assert_eq!(decode_fault(&record).expect("a fault").cause, FaultCause::AboveWidth);
    assert_eq!(fabric.record(&fault, FaultUnit::DartT8110), None, "it does not get that far");
    assert_eq!(fabric.verdict(), Err(fault), "the run has failed");
}

#[test]
fn b28_direction_and_lifetime_are_enforced() {
    for page in [PageSize::Kib4, PageSize::Kib16] {
        let fabric = fabric(FabricConfig { page, ..FabricConfig::translated() });
        let mut mapper = fabric.mapper(device(), BouncePolicy::Refuse).expect("it is there");
        let bus = fabric.memory(device()).expect("it is there").device();

        let mapped = mapper.prepare(filled(&fabric, &pattern(5000), 100), MapDirection::ToDevice);
        let mapped = mapped.expect("prepared");
        let [Segment { addr, len: 5000 }] = *mapped.segments() else { panic!("one segment") };
        let mut bytes = [0; 5000];
        assert_eq!(bus.read(addr, &mut bytes), Ok(()));
        assert_eq!(bytes[..], pattern(5000));
        assert_eq!(fabric.verdict(), Ok(()));

        let wrong = bus.write(addr.offset(4000), &[1]).expect_err("it may only be read");
        let before = bus.read_u32(addr.offset(1 << 24)).expect_err("never mapped");
        let behind = bus.read(addr.offset(4999), &mut [0; 2]).expect_err("one byte too far");
        let memory = mapper.complete(mapped).expect("its own");
        assert_eq!(memory.to_vec(), pattern(5000), "the refused write changed nothing");
        let after = bus.read_u32(addr).expect_err("no longer mapped");

        use DmaFaultCause::{NotMapped, Unmapped, WrongDirection};
        assert_eq!(causes(&fabric), [WrongDirection, NotMapped, NotMapped, Unmapped]);
        for (fault, cause, access) in [
            (wrong, FaultCause::Denied, Access::Write),
            (before, FaultCause::NotMapped, Access::Read),
            (behind, FaultCause::NotMapped, Access::Read),
            (after, FaultCause::NotMapped, Access::Read),
        ] {
            assert_eq!(fault.requester, Some(device()));
            for unit in [FaultUnit::DartT8020, FaultUnit::DartT8110] {
                let record = fabric.record(&fault, unit).expect("a dart notices");
                let read = decode_fault(&record).expect("a fault");
                assert_eq!((read.cause, read.source), (cause, FaultSource::Stream(1)));
                assert_eq!(read.address, Some(fault.address));
            }
            let record = fabric.record(&fault, FaultUnit::VtD).expect("vt-d notices");
            let read = decode_fault(&record).expect("a fault");
            let source = FaultSource::Requester(device());
            assert_eq!((read.cause, read.access), (FaultCause::NoAccess, Some(access)));
            assert_eq!(read.source, source);
        }
    }
}

#[test]
#[should_panic(expected = "1 dma faults, the last: the device wrote 1 bytes")]
fn b28_a_watched_run_fails_by_itself() {
    let fabric = fabric(FabricConfig::translated());
    let _watch = fabric.watch();
    let bus = fabric.memory(device()).expect("it is there").device();
    let _ignored = bus.write(SimMemory::BASE, &[1]);
}

#[test]
fn b28_what_a_driver_frees_is_unmapped() {
    let fabric = fabric(FabricConfig::translated());
    let memory = fabric.memory(device()).expect("it is there");
    let (low, high) = memory.allocate(40_000, 64).expect("room").split_at(16384);
    let bus = low.bus();
    drop(low);
    assert!(memory.device().read_u32(bus).is_ok(), "a part of it lives");
    drop(high);
    assert!(memory.device().read_u32(bus).is_err());
    assert_eq!(causes(&fabric), [DmaFaultCause::Unmapped]);
}

#[test]
fn the_report_of_the_bridge_decodes_to_no_table() {
    let text = "root 00\n00:01.0 root-port to 01\n01:00.0 pcie-to-pci to 02\n02:04.0 pci\n";
    let topology = text.parse::<FabricText>().expect("well formed").topology;
    let fabric = Fabric::new(topology, FabricConfig::translated());
    let memory = fabric.memory("02:04.0".parse().expect("an id")).expect("it is there");
    let frames = memory.allocate(4096, 64).expect("room");
    let fault = memory.device().read_u32(frames.bus()).expect_err("the bridge is unknown");
    let record = fabric.record(&fault, FaultUnit::DartT8110).expect("a dart notices");
    assert_eq!(record.words(), [0x8000_0001, 0x8000_0000, 0], "the numbers of the report");
    let vtd = fabric.record(&fault, FaultUnit::VtD).expect("vt-d notices");
    let read = decode_fault(&vtd).expect("a fault");
    assert_eq!(read.source, FaultSource::Requester("02:00.0".parse().expect("an id")));
    assert_eq!(read.cause, FaultCause::NoTable);
}

#[test]
fn two_devices_have_tables_of_their_own() {
    let text = "root 00\n00:01.0 root-port to 01\n01:00.0 endpoint\n01:00.1 endpoint\n";
    let topology = text.parse::<FabricText>().expect("well formed").topology;
    let fabric = Fabric::new(topology, FabricConfig::translated());
    let first = fabric.memory(device()).expect("it is there");
    let second = fabric.memory("01:00.1".parse().expect("an id")).expect("it is there");
    let [a, b] = [&first, &second].map(|memory| memory.allocate(64, 8).expect("room"));
    assert_eq!(a.bus(), b.bus(), "the same address in two tables");
    second.device().write_u32(b.bus(), 7).expect("mapped");
    assert_eq!((a.read_u32(0), b.read_u32(0)), (0xa5a5_a5a5, 7));
    second.set_bus_master(false);
    assert!(second.device().read_u32(b.bus()).is_err());
    assert!(first.device().read_u32(a.bus()).is_ok(), "the other's bit is another");
}

#[test]
fn tn2090_wired_pages_stay_and_unwired_ones_do_not() {
    let fabric = fabric(FabricConfig::identity());
    let bus = fabric.memory(device()).expect("it is there").device();
    let memory = filled(&fabric, &pattern(9000), 0);
    // What a driver does that takes physical addresses without preparing.
    let stale = BusAddr::new(memory.physical(0).0);
    assert_eq!(fabric.reclaim(), 3);
    assert_eq!(memory.to_vec(), pattern(9000), "the application sees no difference");
    assert!(bus.read_u32(stale).is_err(), "the device does");

    let mut mapper = fabric.mapper(device(), COPY).expect("it is there");
    let mapped = mapper.prepare(memory, MapDirection::Both).expect("prepared");
    assert_eq!(fabric.reclaim(), 0, "the pages are wired");
    for segment in mapped.segments() {
        assert_eq!(bus.read(segment.addr, &mut vec![0; segment.len as usize]), Ok(()));
    }
    let memory = mapper.complete(mapped).expect("its own");
    assert!(!memory.is_wired() && fabric.reclaim() == 3, "and may move again");

    mapper.set_wire_limit(2 * 4096);
    let refused = mapper.prepare(memory, MapDirection::Both).expect_err("three pages");
    assert_eq!(refused.reason, PrepareError::Wire { len: 12288, left: 8192 });
    assert!(!refused.memory.is_wired());
    let small = fabric.application(8192, 0).expect("room");
    let mapped = mapper.prepare(small, MapDirection::Both).expect("two pages");
    let one = fabric.application(1, 0).expect("room");
    assert!(mapper.prepare(one, MapDirection::Both).is_err(), "the limit is used up");
    assert!(!mapper.complete(mapped).expect("its own").is_wired());
    let one = fabric.application(1, 0).expect("room");
    assert!(mapper.prepare(one, MapDirection::Both).is_ok(), "and given back");
}

#[test]
fn tn2090_physical_is_not_bus() {
    // Behind an IOMMU a physical address leads nowhere, or to what another mapping has there.
    let fabric =
        fabric(FabricConfig { root_port: AddressWidth::BITS_64, ..FabricConfig::translated() });
    let mut mapper = fabric.mapper(device(), BouncePolicy::Refuse).expect("it is there");
    let memory = filled(&fabric, &pattern(100), 0);
    let physical = memory.physical(0);
    let mapped = mapper.prepare(memory, MapDirection::Both).expect("prepared");
    assert_ne!(mapped.segments()[0].addr.raw(), physical.0);
    let bus = fabric.memory(device()).expect("it is there").device();
    assert!(bus.read_u32(BusAddr::new(physical.0)).is_err());
    assert_eq!(causes(&fabric), [DmaFaultCause::NotMapped]);
}

#[test]
fn areca_one_huge_segment_over_scattered_pages_faults() {
    let fabric = fabric(FabricConfig::identity());
    let mut mapper = fabric.mapper(device(), BouncePolicy::Refuse).expect("it is there");
    let bus = fabric.memory(device()).expect("it is there").device();
    let mapped = mapper.prepare(filled(&fabric, &pattern(16384), 0), MapDirection::Both);
    let mapped = mapped.expect("prepared");
    assert_eq!(mapped.segments().len(), 4, "a segment for each page");
    let huge = Segment::new(mapped.segments()[0].addr, 16384);
    assert!(bus.read(huge.addr, &mut vec![0; huge.len as usize]).is_err());
    // Contiguous pages hide it: that is why no test memory here is, unless it is asked for.
    let contiguous = fabric.contiguous(16384, 0).expect("room");
    let contiguous = mapper.prepare(contiguous, MapDirection::Both).expect("prepared");
    let [one] = contiguous.segments() else { panic!("one run") };
    assert!(bus.read(one.addr, &mut vec![0; 16384]).is_ok());
}

#[test]
fn copies_are_counted_or_refused_and_never_silent() {
    let fabric = fabric(FabricConfig::bouncing());
    let mut refusing = fabric.mapper(device(), BouncePolicy::Refuse).expect("it is there");
    let memory = filled(&fabric, &pattern(10_000), 7);
    let refused = refusing.prepare(memory, MapDirection::Both).expect_err("out of reach");
    let PrepareError::OutOfReach(fault) = refused.reason else { panic!("{}", refused.reason) };
    assert_eq!(refusing.counters().refused, 1);
    assert!(refused.reason.to_string().ends_with("and copies are not permitted"), "{fault}");

    let copy = BouncePolicy::Copy { bytes_max: 12_000 };
    let mut mapper = fabric.mapper(device(), copy).expect("it is there");
    let mut mapped = mapper.prepare(refused.memory, MapDirection::Both).expect("copied");
    assert_eq!(mapped.route(), Route::Bounced { reason: fault });
    let counters = mapper.counters();
    assert_eq!((counters.bounced, counters.bounced_bytes, counters.outstanding()), (1, 10_000, 1));
    assert_eq!(
        counters.to_string(),
        "1 mappings, 1 outstanding, 0 refused; 1 by way of a copy, 10000 bytes copied"
    );
    let second = fabric.application(4096, 0).expect("room");
    let second = mapper.prepare(second, MapDirection::Both).expect_err("no room for two");
    assert_eq!(
        second.reason,
        PrepareError::NoBounceMemory { fault: reach(&second.reason), len: 4096 }
    );

    // Mapped once, used many times: reads and writes keep the copy in step.
    let bus = fabric.memory(device()).expect("it is there").device();
    let at = mapped.segments()[0].addr;
    let mut bytes = [0; 4];
    bus.write(at.offset(5000), b"disk").expect("low memory");
    mapper.read(&mut mapped, 5000, &mut bytes);
    assert_eq!(&bytes, b"disk");
    mapper.write(&mut mapped, 6000, b"host");
    bus.read(at.offset(6000), &mut bytes).expect("low memory");
    assert_eq!(&bytes, b"host");
    assert_eq!(mapper.counters().bounced_bytes, 10_008);

    let memory = mapper.complete(mapped).expect("its own");
    let mut expected = pattern(10_000);
    expected[5000..5004].copy_from_slice(b"disk");
    expected[6000..6004].copy_from_slice(b"host");
    assert!(memory.to_vec() == expected);
    assert!(bus.read_u32(at).is_err(), "the copy is gone");
}

fn reach(reason: &PrepareError) -> hba_core::dma::AddressFault {
    match reason {
        PrepareError::NoBounceMemory { fault, .. } => *fault,
        other => panic!("{other}"),
    }
}

#[test]
fn a_mapping_is_completed_by_its_own_mapper() {
    let fabric = fabric(FabricConfig::translated());
    let mut mapper = fabric.mapper(device(), COPY).expect("it is there");
    let mut other = fabric.mapper(device(), COPY).expect("it is there");
    let empty = fabric.application(0, 0).expect("room");
    let refused = mapper.prepare(empty, MapDirection::Both).expect_err("nothing to map");
    assert_eq!(refused.reason, PrepareError::Length { len: 0 });
    let mapped =
        mapper.prepare(filled(&fabric, &[1; 10], 0), MapDirection::Both).expect("prepared");
    let mapped = other.complete(mapped).expect_err("not its own");
    assert_eq!((mapper.counters().outstanding(), other.counters().completed), (1, 0));
    let bus = fabric.memory(device()).expect("it is there").device();
    assert!(bus.read_u32(mapped.segments()[0].addr).is_ok(), "still mapped");
    // A mapping that is dropped stays: the device may be at work.
    let at = mapped.segments()[0].addr;
    drop(mapped);
    drop(mapper);
    assert!(bus.read_u32(at).is_ok());
}

#[test]
fn addresses_are_used_again_only_when_the_window_is_used_up() {
    let last = BusAddr::new(0x8000_ffff);
    let config = FabricConfig {
        translation: Some((SimMemory::BASE, last)),
        page: PageSize::Kib4,
        ..FabricConfig::translated()
    };
    let fabric = fabric(config);
    let mut mapper = fabric.mapper(device(), BouncePolicy::Refuse).expect("it is there");
    let mut seen = Vec::new();
    for turn in 0..20 {
        let memory = fabric.application(4096, 0).expect("room");
        let mapped = mapper.prepare(memory, MapDirection::Both).expect("prepared");
        let at = mapped.segments()[0].addr;
        assert!(turn >= 8 || !seen.contains(&at), "{at} again after {turn} mappings");
        seen.push(at);
        let _memory = mapper.complete(mapped).expect("its own");
    }
    let long = fabric.application(17 * 4096, 0).expect("room");
    let refused = mapper.prepare(long, MapDirection::Both).expect_err("16 pages of addresses");
    assert_eq!(refused.reason, PrepareError::NoAddresses { len: 17 * 4096 });
    assert!(!refused.memory.is_wired());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..Default::default() })]

    /// Whatever the host, the page, the place in it and the length: through the segments of a mapping the device sees the
    /// application's bytes in order, writes them in order, and changes nothing else.
    #[test]
    fn b09_bytes_in_order_are_identical_through_every_mapping(
        host in 0..5usize,
        offset in prop_oneof![Just(0usize), Just(4095), 0..4096usize],
        len in prop_oneof![Just(1usize), 1..70_000usize, (1..5usize).prop_map(|n| n * 16384)],
        contiguous: bool,
        element_max in prop_oneof![Just(u32::MAX), 1..9000u32],
        boundary in prop_oneof![Just(0u64), (6..16u32).prop_map(|bit| 1 << bit)],
        part in 0..=100usize,
    ) {
        use hba_core::dma::{Elements, SegmentLimits};
        let fabric = fabric(configs()[host]);
        let bus = fabric.memory(device()).expect("it is there").device();
        let mut mapper = fabric.mapper(device(), COPY).expect("it is there");
        let mut memory = if contiguous { fabric.contiguous(len, offset) } else { fabric.application(len, offset) }
            .expect("room");
        memory.write(0, &pattern(len));
        let mapped = mapper.prepare(memory, MapDirection::Both).expect("prepared");
        prop_assert_eq!(mapped.len() as usize, len);

        // The elements that a controller would be given for the first part of it.
        let length = len * part / 100;
        let limits = SegmentLimits::new(fabric.window(), element_max, boundary);
        let mut elements = Elements::new(mapped.segments(), length as u32, &limits);
        let (mut seen, mut inverted) = (Vec::new(), pattern(len));
        while let Some(element) = elements.take_next().expect("within the window") {
            let mut bytes = vec![0; element.len as usize];
            bus.read(element.addr, &mut bytes).expect("mapped");
            seen.extend_from_slice(&bytes);
            bytes.iter_mut().for_each(|byte| *byte = !*byte);
            bus.write(element.addr, &bytes).expect("mapped");
        }
        prop_assert!(seen == pattern(len)[..length]);
        inverted[..length].iter_mut().for_each(|byte| *byte = !*byte);

        let memory = mapper.complete(mapped).expect("its own");
        prop_assert!(memory.to_vec() == inverted, "what came back is what the device wrote, and the rest as it was");
        prop_assert_eq!(fabric.verdict(), Ok(()));
        let bounced = mapper.counters().bounced;
        prop_assert_eq!(bounced, u64::from(host == 2), "only where memory is out of reach");
    }
}
