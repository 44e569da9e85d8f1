use super::*;
use crate::fabric::{
    BridgeKind, Domain, Function, FunctionKind, HostMapping, MappedIds, RootBus, Topology,
    dma_aliases,
};
use alloc::string::{String, ToString};
use alloc::vec;

const NOTHING: &HostMapping = &HostMapping::unknown();

fn bare(record: FaultRecord) -> (Fault, String) {
    let fault = decode_fault(&record).expect("a fault");
    let context = FaultContext { mapping: NOTHING, memory: &[] };
    (fault, fault.explain(&context).to_string())
}

fn record(unit: FaultUnit, words: &[u32]) -> FaultRecord {
    FaultRecord::new(unit, words).expect("as many words as it has")
}

fn id(text: &str) -> RequesterId {
    text.parse().expect("well formed")
}

/// The field report: an LSI 53C1030 behind a PLX 8114, its own ID mapped.
fn behind_plx_8114() -> HostMapping {
    let bridge = |kind, secondary| FunctionKind::Bridge { kind, secondary };
    let functions = [
        Function::new(id("00:00.0"), bridge(BridgeKind::RootPort, 1)),
        Function::new(id("01:00.0"), bridge(BridgeKind::PcieToPci, 2)),
        Function::new(id("02:04.0"), FunctionKind::Conventional),
    ];
    let topology = Topology::new([RootBus { domain: Domain(0), bus: 0 }], functions);
    let aliases = dma_aliases(&topology.expect("hangs together"), id("02:04.0"));
    HostMapping::unknown()
        .with_aliases(aliases.expect("it is there"))
        .with_mapped(MappedIds::Only(vec![id("02:04.0")]))
}

#[test]
fn b06_the_reports_own_numbers_are_decoded() {
    // The DART exception behind the PLX 8114.
    let mapping = behind_plx_8114();
    let frames =
        MappedRange { name: "request frames", first: BusAddr::new(0x8000_0000), len: 0x4000 };
    let context = FaultContext { mapping: &mapping, memory: &[frames] };
    for unit in [FaultUnit::DartT8110, FaultUnit::DartT8020] {
        let fault = decode_fault(&FaultRecord::dart(unit, 0x8000_0001, 0x8000_0000));
        let fault = fault.expect("the fault flag is set");
        assert_eq!(fault.source, FaultSource::Stream(0));
        assert_eq!(fault.cause, FaultCause::NoTable);
        assert_eq!(fault.address, Some(BusAddr::new(0x8000_0000)));
        let explained = fault.explain(&context);
        assert_eq!(
            explained.to_string(),
            "no translation table for stream 0: the bridge's requester ID is not mapped; the address itself is fine"
        );
        assert_eq!(explained.range().expect("address equals request frame").name, "request frames");
    }
    // The panic of the FPGA.
    let (fault, sentence) = bare(record(FaultUnit::AppleRootPort, &[0x0222_0060]));
    assert_eq!(
        (fault.cause, fault.reason),
        (FaultCause::AboveWidth, "request address above 32 bits")
    );
    assert!(sentence.starts_with("a request above 32 bits:"), "{sentence}");
    let set = record(FaultUnit::AppleRootPort, &[0x0222_0060]).fields();
    let set = set.iter().filter(|field| field.value != 0).map(|field| (field.high(), field.value));
    assert_eq!(set.collect::<Vec<_>>(), [(30, 2), (21, 1), (17, 1), (7, 6)]);
}

#[test]
fn b02_above_the_window_is_told_from_not_mapped_and_from_no_table() {
    let dart = |status, address| bare(FaultRecord::dart(FaultUnit::DartT8110, status, address));
    let (fault, sentence) = dart(0x8000_0001, 0x8000_0000);
    assert_eq!(fault.cause, FaultCause::NoTable);
    assert!(sentence.ends_with("the address was not looked at"), "{sentence}");
    for level in [1, 2, 3] {
        let (fault, sentence) = dart(0x8030_0000 | 1 << level, 0x8000_4000);
        assert_eq!((fault.cause, fault.source), (FaultCause::NotMapped, FaultSource::Stream(3)));
        assert_eq!(sentence, "nothing is mapped at the address: 0x80004000");
    }
    let (_, sentence) = dart(0x8030_0008, 0x8_0123_4000);
    assert!(sentence.ends_with("looks like a physical address that no mapper made"), "{sentence}");
    let (fault, sentence) = dart(0x8000_0010, 0x8000_0000);
    assert_eq!((fault.cause, fault.access), (FaultCause::Denied, Some(Access::Write)));
    assert!(sentence.starts_with("a write of memory that is mapped, but not for it"), "{sentence}");
    // Reason 4 of VT-d: beyond the guest address width.
    let (fault, sentence) = bare(record(FaultUnit::VtD, &[0, 0x80, 0x0300, 0xc000_0004]));
    assert_eq!(fault.cause, FaultCause::AboveWidth);
    assert!(sentence.contains("0x8000000000, above the width"), "{sentence}");
}

#[test]
fn b06_the_two_generations_of_dart_differ_by_a_bit() {
    let read = |unit| bare(FaultRecord::dart(unit, 0x8500_0008, 0x4000)).0;
    let old = read(FaultUnit::DartT8020);
    assert_eq!((old.source, old.access), (FaultSource::Stream(5), Some(Access::Write)));
    let new = read(FaultUnit::DartT8110);
    assert_eq!((new.source, new.cause), (FaultSource::Stream(80), FaultCause::NotMapped));
    assert!(decode_fault(&FaultRecord::dart(FaultUnit::DartT8020, 1, 0)).is_err(), "no fault flag");
    let (fault, _) = bare(record(FaultUnit::DartT8020, &[0x8000_0001]));
    assert_eq!(fault.address, None, "the status alone has no address");
}

#[test]
fn b06_vtd_records_name_requester_access_and_page() {
    let (fault, sentence) = bare(record(FaultUnit::VtD, &[0x8000_0000, 0, 0x0200, 0xc000_0002]));
    assert_eq!(
        fault,
        Fault {
            unit: FaultUnit::VtD,
            source: FaultSource::Requester(id("02:00.0")),
            cause: FaultCause::NoTable,
            access: Some(Access::Read),
            address: Some(BusAddr::new(0x8000_0000)),
            reason: "the context entry of the requester is not present",
        }
    );
    assert!(
        sentence.starts_with("no translation table for requester ID 0000:02:00.0:"),
        "{sentence}"
    );
    // Legacy mode tells no page that is not mapped from one without the permission.
    let (fault, sentence) = bare(record(FaultUnit::VtD, &[0x1000, 0, 0x0220, 0x8000_0005]));
    assert_eq!((fault.cause, fault.access), (FaultCause::NoAccess, Some(Access::Write)));
    assert_eq!(sentence, "nothing is mapped at the address for a write: 0x1000");
    let (fault, _) = bare(record(FaultUnit::VtD, &[0, 0x24, 0x0220, 0xc000_0022]));
    assert_eq!((fault.cause, fault.address), (FaultCause::Interrupt, None));
    assert!(decode_fault(&record(FaultUnit::VtD, &[0, 0, 0x0220, 0x4000_0005])).is_err());

    // With the controller known, the record's ID says whose request it was.
    let mapping = behind_plx_8114();
    let context = FaultContext { mapping: &mapping, memory: &[] };
    let explain = |source| {
        let record = record(FaultUnit::VtD, &[0x8000_0000, 0, source, 0xc000_0002]);
        decode_fault(&record).expect("a fault").explain(&context).to_string()
    };
    assert!(explain(0x0200).contains("the bridge's requester ID is not mapped"));
    assert!(explain(0x0300).contains("0000:03:00.0 is no requester ID of this controller"));
}

#[test]
fn b06_amd_events_name_requester_access_and_address() {
    let event = |second: u32, address: u32| record(FaultUnit::AmdVi, &[0x0220, second, address, 0]);
    let (fault, _) = bare(event(0x2000_000a, 0x9000_1000));
    assert_eq!(
        (fault.source, fault.cause, fault.access, fault.address, fault.reason),
        (
            FaultSource::Requester(id("02:04.0")),
            FaultCause::NotMapped,
            None,
            Some(BusAddr::new(0x9000_1000)),
            "IO_PAGE_FAULT"
        )
    );
    // Present, write, permission missing.
    let (fault, _) = bare(event(0x2070_000a, 0x9000_1000));
    assert_eq!((fault.cause, fault.access), (FaultCause::Denied, Some(Access::Write)));
    let causes = [
        (0x1000_0000, FaultCause::BadTable),
        (0x2008_0000, FaultCause::Interrupt),
        (0x3000_0000, FaultCause::UnreadableTable),
        (0x4000_0000, FaultCause::UnreadableTable),
        (0x5000_0000, FaultCause::Other),
        (0x7000_0000, FaultCause::TimedOut),
        (0x8000_0000, FaultCause::Forbidden),
    ];
    for (second, cause) in causes {
        assert_eq!(bare(event(second, 0)).0.cause, cause, "{second:#x}");
    }
    assert!(decode_fault(&event(0, 0)).is_err());
}

#[test]
fn records_are_recognised_by_their_form() {
    let unit = |words: &[u32]| FaultRecord::recognise(words).map(|record| record.unit());
    assert_eq!(unit(&[0x0222_0060]), Ok(FaultUnit::AppleRootPort));
    assert_eq!(unit(&[0x8000_0001]), Ok(FaultUnit::DartT8110));
    assert_eq!(unit(&[0x8000_0001, 0x8000_0000]), Ok(FaultUnit::DartT8110));
    assert_eq!(unit(&[0x8500_0010, 0x8000_0000, 0]), Ok(FaultUnit::DartT8020));
    assert_eq!(unit(&[0x8000_0000, 0, 0x0200, 0xc000_0002]), Ok(FaultUnit::VtD));
    assert_eq!(unit(&[0x0220, 0x2000_000a, 0x9000_1000, 0]), Ok(FaultUnit::AmdVi));
    // A page of VT-d at 1 << 61 with a source is also an event of AMD's code 2.
    let both = [0, 0x2000_0000, 0x0200, 0xc000_0002];
    let units = [FaultUnit::VtD, FaultUnit::AmdVi];
    assert_eq!(unit(&both), Err(RecordError::Ambiguous { units }));
    for words in [&[][..], &[1, 2], &[0; 4], &[0; 5]] {
        assert_eq!(unit(words), Err(RecordError::Unrecognised), "{words:x?}");
    }
    let error = FaultRecord::new(FaultUnit::VtD, &[1, 2]).expect_err("two of four");
    assert!(error.to_string().ends_with("has 4 words of 32 bits, not 2"), "{error}");
}

#[test]
fn any_words_can_be_decoded() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..20_000 {
        let words: [u32; 4] = core::array::from_fn(|_| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (state >> 32) as u32
        });
        for unit in FaultUnit::ALL {
            let len = match unit {
                FaultUnit::DartT8020 | FaultUnit::DartT8110 => 3,
                FaultUnit::VtD | FaultUnit::AmdVi => 4,
                FaultUnit::AppleRootPort => 1,
            };
            let record = record(unit, &words[..len]);
            assert!(!record.fields().is_empty());
            if let Ok(fault) = decode_fault(&record) {
                let context = FaultContext { mapping: NOTHING, memory: &[] };
                assert!(!fault.explain(&context).to_string().is_empty());
            }
        }
    }
}
