//! READ, WRITE, VERIFY and the echo commands where nothing goes wrong.

use scsi_proto::Lba;
use scsi_proto::command::{
    Bits, Inquiry, Read6, Read12, Read16, ReadCapacity10, ReadCapacity16, StartStopUnit, Verify10,
    Verify16, Write6, Write12, Write16,
};

use super::*;
use crate::disk::{VENDOR_ECHO_IN, VENDOR_ECHO_OUT};

/// Blocks whose content tells their number.
fn numbered(first: u64, blocks: u64, size: usize) -> Vec<u8> {
    (first..first + blocks).flat_map(|lba| lba.to_be_bytes().repeat(size / 8)).collect()
}

#[test]
fn every_length_of_read_returns_what_every_length_of_write_stored() {
    let mut initiator = Initiator::new(1024);
    let lba21 = Bits::new(8).unwrap();
    let writes = [
        Write6 { lba: lba21, transfer_length: 4, ..Default::default() }.cdb(),
        write_10(8, 4),
        Write12 { lba: 8, transfer_length: 4, ..Default::default() }.cdb(),
        Write16 { lba: 8, transfer_length: 4, ..Default::default() }.cdb(),
    ];
    let reads = [
        Read6 { lba: lba21, transfer_length: 4, ..Default::default() }.cdb(),
        read_10(8, 4),
        Read12 { lba: 8, transfer_length: 4, ..Default::default() }.cdb(),
        Read16 { lba: 8, transfer_length: 4, ..Default::default() }.cdb(),
    ];
    for (round, write) in (0..).zip(writes) {
        let data = numbered(round * 100, 4, 512);
        assert_eq!(initiator.data_out(write, &data), Ok(2048));
        for read in reads {
            assert_eq!(initiator.data_in(read, 2048), Ok(data.clone()));
        }
    }
}

#[test]
fn six_byte_length_zero_means_256_blocks() {
    let mut initiator = Initiator::new(256);
    let data = numbered(0, 256, 512);
    let write = Write6::default().cdb();
    assert_eq!(initiator.data_out(write, &data), Ok(256 * 512));
    assert_eq!(initiator.data_in(Read6::default().cdb(), 256 * 512), Ok(data));
}

#[test]
fn large_transfers_of_cached_and_uncached_blocks() {
    let config = DiskConfig { block_size: BlockSize::B4096, ..DiskConfig::nth(0, 1000) };
    let mut initiator = Initiator::with(&config);
    let data = numbered(0, 1000, 4096);
    initiator.data_out(write_10(0, 1000), &data).unwrap();
    initiator.none(flush_all()).unwrap();
    let newer = numbered(5000, 3, 4096);
    initiator.data_out(write_10(500, 3), &newer).unwrap();
    let read = initiator.data_in(read_10(0, 1000), data.len()).unwrap();
    assert!(read[..500 * 4096] == data[..500 * 4096]);
    assert!(read[500 * 4096..503 * 4096] == newer);
    assert!(read[503 * 4096..] == data[503 * 4096..]);
}

#[test]
fn capacity_of_a_disk_past_2_tib() {
    let blocks = (1 << 32) + 5;
    let mut initiator = Initiator::new(blocks);
    let short = initiator.data_in(ReadCapacity10::default().cdb(), 8).unwrap();
    assert_eq!(short, [0xff, 0xff, 0xff, 0xff, 0, 0, 2, 0]);
    let long = ReadCapacity16 { allocation_length: 32, ..Default::default() }.cdb();
    let long = initiator.data_in(long, 32).unwrap();
    let capacity = scsi_proto::capacity::Capacity16::parse(&long).unwrap();
    assert_eq!(capacity.last_lba, Lba(blocks - 1));
    assert_eq!((capacity.lbpme, capacity.lbprz, capacity.lbppbe), (true, true, 3));
    let write = Write16 { lba: blocks - 1, transfer_length: 1, ..Default::default() };
    initiator.data_out(write.cdb(), &[9; 512]).unwrap();
    let read = Read16 { lba: blocks - 1, transfer_length: 1, ..Default::default() };
    assert_eq!(initiator.data_in(read.cdb(), 512), Ok(vec![9; 512]));
}

#[test]
fn verify_compares_bytes_only_when_asked() {
    let mut initiator = Initiator::new(64);
    initiator.data_out(write_10(4, 2), &numbered(4, 2, 512)).unwrap();
    let verify = |bytchk| Verify10 {
        lba: 4,
        verification_length: 2,
        bytchk: Bits::new(bytchk).unwrap(),
        ..Default::default()
    };
    assert_eq!(initiator.none(verify(0).cdb()), Ok(()));
    assert_eq!(initiator.data_out(verify(1).cdb(), &numbered(4, 2, 512)), Ok(1024));
    let mut wrong = numbered(4, 2, 512);
    wrong[700] ^= 1;
    let sense = initiator.data_out(verify(1).cdb(), &wrong).unwrap_err();
    assert_eq!(condition(&sense), Condition::MISCOMPARE);
    assert_eq!(sense.information, Some(700));
    let same = Verify16 {
        lba: 20,
        verification_length: 9,
        bytchk: Bits::new(3).unwrap(),
        ..Default::default()
    };
    assert_eq!(initiator.data_out(same.cdb(), &[0; 512]), Ok(512));
    assert_eq!(
        failure(initiator.data_out(verify(2).cdb(), &wrong)),
        Condition::INVALID_FIELD_IN_CDB
    );
}

#[test]
fn a_stopped_unit_is_not_ready_until_it_is_started() {
    let mut initiator = Initiator::new(64);
    initiator.write_block(1, 7);
    initiator.none(StartStopUnit::default().cdb()).unwrap();
    assert_eq!(initiator.unit().cached_blocks(), 0, "stopping writes the cache back");
    let expected = Condition::INITIALIZING_COMMAND_REQUIRED;
    assert_eq!(failure(initiator.none(TEST_UNIT_READY)), expected);
    assert_eq!(failure(initiator.data_in(read_10(1, 1), 512)), expected);
    assert_eq!(failure(initiator.none(flush_all())), expected);
    initiator.none(StartStopUnit { start: true, ..Default::default() }.cdb()).unwrap();
    assert_eq!(initiator.block(1), 7);
    initiator.write_block(1, 8);
    initiator.none(StartStopUnit { no_flush: true, ..Default::default() }.cdb()).unwrap();
    assert_eq!(initiator.unit().cached_blocks(), 1);
    let eject = StartStopUnit { loej: true, ..Default::default() };
    assert_eq!(failure(initiator.none(eject.cdb())), Condition::INVALID_FIELD_IN_CDB);
}

#[test]
fn vendor_commands_echo_a_payload_of_any_length() {
    let mut initiator = Initiator::new(64);
    let cdb = |opcode: scsi_proto::Opcode, len: u32| {
        let [a, b, c, d] = len.to_be_bytes();
        Cdb::from_array([opcode.0, 1, 2, 3, 4, 5, a, b, c, d])
    };
    let payload: Vec<u8> = (0..777).map(|i| i as u8).collect();
    assert_eq!(initiator.data_out(cdb(VENDOR_ECHO_OUT, 777), &payload), Ok(777));
    assert_eq!(initiator.data_in(cdb(VENDOR_ECHO_IN, 1000), 1000), Ok(payload.clone()));
    assert_eq!(initiator.data_in(cdb(VENDOR_ECHO_IN, 10), 1000).unwrap(), payload[..10]);
    let too_long = initiator.data_out(cdb(VENDOR_ECHO_OUT, 65_537), &[]);
    assert_eq!(failure(too_long), Condition::INVALID_FIELD_IN_CDB);
}

#[test]
fn the_echo_buffer_has_a_descriptor() {
    let mut initiator = Initiator::new(64);
    let write = Cdb::from_array([0x3b, 0x0a, 0, 0, 0, 0, 0, 0, 4, 0]);
    assert_eq!(initiator.data_out(write, &[1, 2, 3, 4]), Ok(4));
    let read = Cdb::from_array([0x3c, 0x0a, 0, 0, 0, 0, 0, 0, 8, 0]);
    assert_eq!(initiator.data_in(read, 8), Ok(vec![1, 2, 3, 4]));
    let descriptor = Cdb::from_array([0x3c, 0x0b, 0, 0, 0, 0, 0, 0, 4, 0]);
    assert_eq!(initiator.data_in(descriptor, 4), Ok(vec![0, 0, 0x10, 0]));
    let data_mode = Cdb::from_array([0x3c, 0x02, 0, 0, 0, 0, 0, 0, 4, 0]);
    assert_eq!(failure(initiator.data_in(data_mode, 4)), Condition::INVALID_FIELD_IN_CDB);
}

#[test]
fn the_plain_form_of_a_command_ends_like_the_others() {
    for write_cache in [false, true] {
        let config = DiskConfig { write_cache, ..DiskConfig::nth(0, 64) };
        let flat = || Box::new(crate::disk::FlatMedium::new(64, BlockSize::B512)) as _;
        let disk = SimDisk::with_media(&config, vec![flat()]).unwrap();
        let mut initiator = Initiator { disk, lun: Lun::ZERO };
        initiator.none(TEST_UNIT_READY).unwrap_err();
        for (lba, transfer_length, offered) in
            [(0, 1, 512), (63, 1, 512), (64, 0, 0), (64, 1, 512), (u32::MAX, 2, 1024), (3, 4, 1000)]
        {
            let data = numbered(u64::from(lba), 2, 512)[..offered].to_vec();
            let write =
                Write12 { lba, transfer_length: transfer_length.into(), ..Default::default() };
            let plain = initiator.data_out(write_10(lba, transfer_length), &data);
            assert_eq!(plain, initiator.data_out(write.cdb(), &data), "write {lba}");
            let read = scsi_proto::command::Read10 {
                lba,
                transfer_length,
                group: Bits::new(1).unwrap(),
                ..Default::default()
            };
            let plain = initiator.data_in(read_10(lba, transfer_length), 2048);
            assert_eq!(plain, initiator.data_in(read.cdb(), 2048), "read {lba}");
        }
        for len in [0, 5, 36, 96, 255] {
            let inquiry = Inquiry { allocation_length: len, ..Default::default() }.cdb();
            let long = initiator.data_in(inquiry, usize::from(len) / 2).unwrap_or_default();
            assert_eq!(initiator.data_in(inquiry, 255).unwrap()[..long.len()], long);
        }
    }
}
