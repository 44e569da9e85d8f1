//! A host that writes anything anywhere: the model neither panics nor loops.

use proptest::prelude::*;

use super::*;

/// One deed of the host.
#[derive(Clone, Debug)]
enum Deed {
    Write(u32, u32),
    Read(u32),
    /// A frame with these dwords is posted with this descriptor.
    Post {
        kind: u8,
        vector: u8,
        smid: u16,
        handle: u16,
        words: Vec<u32>,
    },
    /// A message through the doorbell.
    Handshake(Vec<u32>),
    Start(Start),
    Reset,
    Advance(u64),
    Detach(usize),
    Attach(usize),
    Drain,
}

fn offset() -> impl Strategy<Value = u32> {
    prop_oneof![
        prop::sample::select(vec![
            0x00, 0x04, 0x08, 0x30, 0x34, 0x48, 0x6c, 0x74, 0xc0, 0xc4, 0xc8, 0x30c, 0x31c, 0x3bc
        ]),
        any::<u32>(),
    ]
}

/// Dwords that are often close to meaningful: flags, small numbers, addresses of the arena.
fn word() -> impl Strategy<Value = u32> {
    prop_oneof![
        any::<u32>(),
        0u32..0x400,
        (0u32..0x8000).prop_map(|offset| 0x8000_0000 + offset),
        Just(0x12),
        prop::sample::select(vec![
            0xd300_0200,
            0x4000_0000,
            0x8000_0000,
            0x1200_0010,
            0x3200_0010,
            0x0042_0000
        ]),
    ]
}

fn post() -> impl Strategy<Value = Deed> {
    let kind = prop::sample::select(vec![0u8, 0, 6, 8, 8, 0xc, 0x10, 1]);
    let smid = prop_oneof![9 => 1u16..60, 1 => any::<u16>()];
    let function = prop::sample::select(vec![
        0u32, 0, 1, 2, 3, 4, 4, 5, 6, 7, 8, 9, 0x12, 0x1b, 0x1d, 0x1e, 0x33,
    ]);
    let words = prop::collection::vec(word(), 1..32);
    (kind, 0u8..3, smid, 0u16..14, function, words).prop_map(
        |(kind, vector, smid, handle, function, mut words)| {
            let handle = if kind == 0 || kind == 0xc { handle } else { 0 };
            words[0] = function << 24 | words[0] & 0x00ff_0000 | u32::from(handle);
            Deed::Post { kind, vector, smid, handle, words }
        },
    )
}

fn start() -> impl Strategy<Value = Deed> {
    let patches = prop::collection::vec((0usize..18, word()), 0..2);
    (1u8..17, any::<bool>(), patches).prop_map(|(vectors, rdpq, mut patches)| {
        patches
            .iter_mut()
            .filter(|(index, _)| *index == 0)
            .for_each(|(_, word)| *word = 0x0200_0004);
        Deed::Start(Start { vectors, rdpq, patches, ..Start::default() })
    })
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        5 => (offset(), word()).prop_map(|(offset, value)| Deed::Write(offset, value)),
        2 => offset().prop_map(Deed::Read),
        8 => post(),
        1 => prop::collection::vec(word(), 0..20).prop_map(Deed::Handshake),
        1 => start(),
        1 => Just(Deed::Reset),
        1 => (0u64..2_000).prop_map(Deed::Advance),
        1 => (0usize..10).prop_map(Deed::Detach),
        1 => (0usize..10).prop_map(Deed::Attach),
        2 => Just(Deed::Drain),
    ];
    prop::collection::vec(deed, 1..60)
}

/// A doorbell message without waiting for anything.
fn throw(host: &mut Host, message: &[u32]) {
    host.write(DOORBELL, 0x42 << 24 | (message.len() as u32) << 16);
    for word in message {
        host.machine.run(100);
        host.write(DOORBELL, *word);
    }
    for _ in 0..80 {
        host.machine.run(100);
        let _ = host.read(DOORBELL);
        host.write(INT_STATUS, 0);
    }
}

fn play(personality: Personality, deeds: Vec<Deed>) {
    let mut host = Host::started(personality);
    for deed in deeds {
        match deed {
            Deed::Write(offset, value) => host.write(RegOffset(offset), value),
            Deed::Read(offset) => {
                let _ = host.read(RegOffset(offset));
            }
            Deed::Post { kind, vector, smid, handle, words } => {
                if usize::from(smid) < SMIDS {
                    host.frame(smid, &words);
                }
                host.post(kind, vector, smid, handle);
            }
            Deed::Handshake(message) => throw(&mut host, &message),
            Deed::Start(start) => {
                let message = host.prepare_init(&start);
                throw(&mut host, &message);
                host.write(REPLY_FREE_HOST_INDEX, u32::from(REPLIES) - 1);
            }
            Deed::Reset => host.write(DOORBELL, 0x40 << 24),
            Deed::Advance(micros) => host.machine.advance(Duration::from_micros(micros)),
            Deed::Detach(slot) => drop(host.machine.detach(slot)),
            Deed::Attach(slot) => {
                let disk = SimDisk::new(&DiskConfig::nth(slot as u32, 64)).unwrap();
                let _full = host.machine.attach(slot, disk);
            }
            Deed::Drain => {
                for vector in 0..host.vectors {
                    let index = host.post_index[usize::from(vector)];
                    host.acknowledge(vector, index);
                }
            }
        }
        let progress = host.machine.run(10_000);
        assert!(!progress.more, "the work ends");
        let _said = host.complaints();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn anything_goes_on_a_sas2008(deeds in deeds()) {
        play(Personality::sas2008(), deeds);
    }

    #[test]
    fn anything_goes_on_a_sas3008(deeds in deeds()) {
        play(Personality::sas3008().with_atomic_requests(), deeds);
    }
}
