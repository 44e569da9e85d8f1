//! A host that writes anything anywhere: the model neither panics nor loops.

use proptest::prelude::*;

use super::*;

/// One deed of the host.
#[derive(Clone, Debug)]
enum Deed {
    Write(u32, u32),
    Read(u32),
    /// A frame with these dwords is posted; `true`: it begins like a real request.
    Post(u8, Vec<u32>),
    Advance(u64),
    Detach(usize),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let offset = prop_oneof![
        prop::sample::select(vec![0x00, 0x04, 0x08, 0x30, 0x34, 0x40, 0x44, 0x48]),
        any::<u32>(),
    ];
    let value = prop_oneof![
        any::<u32>(),
        prop::sample::select(vec![0x4203_0000, 0x4200_0000, 0x4000_0000, 0x4100_0000, 0x0300_0000]),
        0u32..0x10,
    ];
    let deed = prop_oneof![
        4 => (offset.clone(), value).prop_map(|(offset, value)| Deed::Write(offset, value)),
        2 => offset.prop_map(Deed::Read),
        6 => (0u8..12, prop::collection::vec(word(), 0..32)).prop_map(|(f, w)| Deed::Post(f, w)),
        1 => (0u64..2_000).prop_map(Deed::Advance),
        1 => (0usize..10).prop_map(Deed::Detach),
    ];
    prop::collection::vec(deed, 1..60)
}

/// Dwords that are often close to meaningful: element flags, small numbers, addresses of the arena.
fn word() -> impl Strategy<Value = u32> {
    prop_oneof![
        any::<u32>(),
        0u32..0x400,
        (0u32..0x4000).prop_map(|offset| 0x8000_0000 + offset),
        prop::sample::select(vec![0xd100_0200, 0x1000_0010, 0x3000_0010, 0x8000_0000, 0x9000_0001]),
    ]
}

fn play(personality: Personality, deeds: &[Deed]) {
    let mut host = Host::new(personality, 0x8000_0000);
    host.start();
    for deed in deeds {
        match deed {
            Deed::Write(offset, value) => host.write(RegOffset(*offset), *value),
            Deed::Read(offset) => {
                let _ = host.read(RegOffset(*offset));
            }
            Deed::Post(function, words) => {
                let mut words = words.clone();
                if let Some(first) = words.first_mut() {
                    *first = *first & 0x000f_0001 | u32::from(*function) << 24;
                }
                host.post(&words);
            }
            Deed::Advance(micros) => host.advance(*micros),
            Deed::Detach(slot) => drop(host.machine.detach(*slot)),
        }
        let progress = host.machine.run(10_000);
        assert!(!progress.more, "the work ends");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn anything_goes_on_hardware(deeds in deeds()) {
        play(Personality::hardware(), &deeds);
    }

    #[test]
    fn anything_goes_on_qemu(deeds in deeds()) {
        play(Personality::qemu(), &deeds);
    }
}
