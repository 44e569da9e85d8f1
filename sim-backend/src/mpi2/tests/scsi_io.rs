//! SCSI IO: data, scatter lists, status and counts.

use super::*;
use crate::mpi2::registers::IocState;
use crate::schedule::{CompletionOrder, Schedule};

/// Makes the list of one element: memory, length, whether the data goes out.
type Element = fn(&DmaRegion, u32, bool) -> Vec<u32>;

/// A started host and the one-element list of its generation.
fn both() -> [(Host, Element); 2] {
    [
        (Host::started(Personality::sas2008()), |r, len, out| mpi_element(r, len, out).into()),
        (Host::started(Personality::sas3008()), |r, len, _| ieee_element(r, len).into()),
    ]
}

#[test]
fn inquiry_ends_without_a_reply_frame() {
    for (mut host, element) in both() {
        let data = host.buffer(36);
        host.post_io(7, DISK, &INQUIRY, 36, &element(&data, 36, false));
        let reply = host.drain_one();
        assert_eq!((reply.smid, reply.kind), (7, 0));
        let mut bytes = [0; 8];
        data.read_bytes(8, &mut bytes);
        assert_eq!(&bytes, b"HBA-SIM ");
        assert_eq!(host.complaints(), [""; 0]);
    }
}

#[test]
fn data_goes_out_and_comes_back() {
    for (mut host, element) in both() {
        let mut data = host.buffer(512);
        data.fill(0, 512, 0x5a);
        host.post_io(1, DISK, &WRITE, 512, &element(&data, 512, true));
        assert!(host.drain_one().is_success());
        data.fill(0, 512, 0);
        host.post_io(2, DISK, &READ, 512, &element(&data, 512, false));
        assert!(host.drain_one().is_success());
        let mut back = [0; 512];
        data.read_bytes(0, &mut back);
        assert_eq!(back, [0x5a; 512]);
    }
}

/// Sixteen pieces of 32 bytes, as the drivers of either generation chain them: so many in the frame, then in each segment.
struct Pieces {
    data: DmaRegion,
    chains: Vec<DmaRegion>,
    sgl: Vec<u32>,
    chain_offset: u32,
}

const PIECE: u32 = 32;

fn mpi_pieces(host: &Host, flags: u32) -> Pieces {
    let data = host.buffer(512);
    let mut chains = (0..2).map(|_| host.buffer(128)).collect::<Vec<_>>();
    let piece = |i: u32, flags: u32| {
        let bus = data.bus().offset(u64::from(i * PIECE));
        [flags | PIECE, bus.low(), bus.high()]
    };
    // One in the frame, nine and a chain element in the first segment, six in the second.
    let last_in_segment = flags | 0x8000_0000;
    let end = flags | 0xc100_0000;
    let mut sgl = piece(0, last_in_segment).to_vec();
    sgl.extend([0x3200_0000 | 27 << 16 | 120, chains[0].bus().low(), chains[0].bus().high()]);
    let mut first = (1..10).flat_map(|i| piece(i, if i == 9 { last_in_segment } else { flags }));
    let first = first.by_ref().collect::<Vec<_>>();
    chains[0].write_words(0, <[u32; 27]>::try_from(first).unwrap());
    let (low, high) = (chains[1].bus().low(), chains[1].bus().high());
    chains[0].write_words(108, [0x3200_0000 | 72, low, high]);
    let second = (10..16).flat_map(|i| piece(i, if i == 15 { end } else { flags }));
    chains[1].write_words(0, <[u32; 18]>::try_from(second.collect::<Vec<_>>()).unwrap());
    Pieces { data, chains, sgl, chain_offset: 27 }
}

fn ieee_pieces(host: &Host) -> Pieces {
    let data = host.buffer(512);
    let mut chains = (0..3).map(|_| host.buffer(128)).collect::<Vec<_>>();
    let piece = |i: u32, flags: u32| {
        let bus = data.bus().offset(u64::from(i * PIECE));
        [bus.low(), bus.high(), PIECE, flags]
    };
    let chain = |to: &DmaRegion, len: u32, next: u32| {
        [to.bus().low(), to.bus().high(), len, 0x8000_0000 | next << 16]
    };
    // One in the frame, seven and a chain element in each segment.
    let mut sgl = piece(0, 0).to_vec();
    sgl.extend(chain(&chains[0], 128, 7));
    for segment in 0..2 {
        let from = 1 + segment as u32 * 7;
        let mut words = (from..from + 7).flat_map(|i| piece(i, 0)).collect::<Vec<_>>();
        let rest = if segment == 0 { (128, 7) } else { (16, 0) };
        words.extend(chain(&chains[segment + 1], rest.0, rest.1));
        chains[segment].write_words(0, <[u32; 32]>::try_from(words).unwrap());
    }
    chains[2].write_words(0, piece(15, 0x4000_0000));
    Pieces { data, chains, sgl, chain_offset: 7 }
}

#[test]
fn chains_of_both_kinds_reach_every_piece() {
    for personality in [Personality::sas2008(), Personality::sas3008()] {
        let mpi = personality.pci.device == 0x0072;
        let mut host = Host::started(personality);
        for (smid, cdb) in [(3, WRITE), (4, READ)] {
            let out = cdb == WRITE;
            let flags = if out { 0x1600_0000 } else { 0x1200_0000 };
            let mut pieces = if mpi { mpi_pieces(&host, flags) } else { ieee_pieces(&host) };
            if out {
                (0..16).for_each(|i| pieces.data.fill(i * 32, 32, i as u8 + 1));
            }
            let mut words = host.io(smid, DISK, &cdb, 512, &pieces.sgl);
            words[0] |= pieces.chain_offset << 16;
            host.frame(smid, &words);
            host.post(request_type::SCSI_IO, 0, smid, DISK);
            let reply = host.drain_one();
            assert!(reply.is_success(), "{:?} {:?}", reply, host.complaints());
            let mut back = [0; 512];
            pieces.data.read_bytes(0, &mut back);
            assert!(back.iter().enumerate().all(|(i, byte)| usize::from(*byte) == i / 32 + 1));
            assert_eq!(pieces.chains.len(), if mpi { 2 } else { 3 });
        }
        assert_eq!(host.complaints(), [""; 0]);
    }
}

#[test]
fn ieee_elements_on_mpi_2_0_end_with_the_data() {
    let mut host = Host::started(Personality::sas2008());
    let data = host.buffer(36);
    let element = [data.bus().low(), data.bus().high(), 36, 0];
    let mut words = host.io(3, DISK, &INQUIRY, 36, &element);
    words[4] |= 2;
    host.frame(3, &words);
    host.post(request_type::SCSI_IO, 0, 3, DISK);
    assert!(host.drain_one().is_success(), "{:?}", host.complaints());
}

#[test]
fn underrun_overrun_and_check_condition() {
    for (mut host, element) in both() {
        let data = host.buffer(512);
        host.post_io(1, DISK, &INQUIRY, 100, &element(&data, 100, false));
        let reply = host.drain_one();
        assert_eq!((reply.kind, reply.ioc_status(), reply.scsi()), (1, 0x45, (0, 0)));
        assert_eq!(reply.frame[0], 0x000d_0000 | u32::from(DISK), "13 dwords, the handle");
        assert_eq!(reply.frame[5], 36, "transfer count");
        host.post_io(2, DISK, &READ, 100, &element(&data, 100, false));
        let reply = host.drain_one();
        assert_eq!((reply.ioc_status(), reply.frame[5]), (0x44, 100), "never more than asked for");
        host.post_io(3, DISK, &[0x55; 10], 0, &[]);
        let reply = host.drain_one();
        assert_eq!((reply.ioc_status(), reply.scsi()), (0, (2, 1)));
        assert_eq!(reply.frame[6], 18, "sense count");
        assert_eq!(host.sense.read_u32(3 * 96) & 0x7f, 0x70);
        assert_eq!(reply.frame[8] & 0xffff, 3, "task tag");
    }
}

#[test]
fn lists_that_break_a_rule_are_answered_and_explained() {
    let ieee = |words: [u32; 4]| words.to_vec();
    let cases: [(Vec<u32>, &str); 7] = [
        (ieee([0x1000, 0x12, 511, 0x4000_0000]), "the scatter list ends before the data"),
        (ieee([0x1000, 0x12, 512, 0]), "the scatter list goes on after the data"),
        (ieee([0x1000, 0x8000_0000, 512, 0x4000_0000]), "a scatter element has address bit 63 set"),
        (ieee([0x1000, 0x12, 512, 0x4100_0000]), "a scatter element does not point to host memory"),
        (ieee([0x1000, 0x12, 512, 0x4000_0001]), "a scatter element has reserved bits set"),
        (ieee([0x1000, 0x12, 512, 0x8000_0000]), "the scatter list has an element of a wrong type"),
        (ieee([0x1000, 0x12, 0, 0]), "a scatter element in the middle of the list is empty"),
    ];
    for (mut sgl, reason) in cases {
        let mut host = Host::started(Personality::sas3008());
        sgl.extend([0x2000, 0x12, 0, 0]);
        host.post_io(9, DISK, &READ, 512, &sgl);
        let reply = host.drain_one();
        assert_eq!((reply.ioc_status(), reply.scsi()), (3, (0, 4)));
        assert_eq!(host.complaints(), [format!("smid 9: {reason}")]);
    }
}

#[test]
fn fields_that_are_not_understood_are_named() {
    let cases = [
        (1, 7, "smid 9: a reserved field is 0x7"),
        (4, 96 << 16 | 1, "smid 9: the list type is 0x1"),
        (6, 4, "smid 9: the skip count is 0x4"),
        (9, 0x0001_0006, "smid 9: protection information is 0x1"),
        (9, 40, "smid 9: the CDB length is 0x28"),
        (9, 0x8006, "smid 9: the path of the command is 0x8000"),
        (15, 3 << 24, "smid 9: the direction is 0x3"),
    ];
    for (index, value, reason) in cases {
        let mut host = Host::started(Personality::sas3008());
        let mut words = host.io(9, DISK, &TEST_UNIT_READY, 0, &[]);
        words[index] = value;
        host.frame(9, &words);
        host.post(request_type::SCSI_IO, 0, 9, DISK);
        assert_eq!(host.drain_one().ioc_status(), 7, "{reason}");
        assert_eq!(host.complaints(), [reason]);
    }
}

#[test]
fn unmapped_data_is_an_error_of_its_own() {
    let (mut host, _) = both().into_iter().next().unwrap();
    host.post_io(1, DISK, &INQUIRY, 36, &[0xd300_0024, 0x1000, 0]);
    assert_eq!(host.drain_one().ioc_status(), 0x46);
    assert_eq!(host.machine.memory().faults().count(), 1);
    assert_eq!(host.machine.with_controller(|c| c.state()), IocState::Operational);
}

#[test]
fn handles_that_lead_nowhere() {
    for (mut host, _) in both() {
        host.post_test(1, 40);
        assert_eq!(host.drain_one().ioc_status(), 0x42);
        host.post_test(2, 1);
        assert_eq!(host.drain_one().ioc_status(), 0x42, "our own phy takes no commands");
        assert_eq!(host.complaints()[0], "smid 1: the device handle is 0x28");
    }
}

#[test]
fn order_and_delay_are_the_schedule_s() {
    let mut host = Host::started(Personality::sas3008());
    host.machine.with_controller(|c| c.set_schedule(Schedule::new(CompletionOrder::Seeded(3))));
    (1..9).for_each(|smid| host.post_test(smid, DISK));
    let mixed = host.drain().iter().map(|reply| reply.smid).collect::<Vec<_>>();
    assert_ne!(mixed, [1, 2, 3, 4, 5, 6, 7, 8]);
    let delay = Duration::from_micros(10);
    host.machine.with_controller(|c| c.set_schedule(Schedule::default().with_delay(delay, delay)));
    host.post_test(1, DISK);
    assert_eq!(host.drain(), []);
    host.machine.advance(delay);
    assert_eq!(host.drain().len(), 1);
}

#[test]
fn the_fast_path_answers_with_its_own_descriptor() {
    let mut host = Host::started(Personality::sas3008());
    let mut words = host.io(3, DISK, &TEST_UNIT_READY, 0, &[]);
    words[9] |= 0x4000;
    host.frame(3, &words);
    host.post(request_type::FAST_PATH, 0, 3, DISK);
    assert_eq!(host.drain_one().kind, 6);
}
