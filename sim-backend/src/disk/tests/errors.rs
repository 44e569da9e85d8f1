//! What a disk refuses, and with which codes.

use scsi_proto::command::{
    Bits, Inquiry, Read16, ReportLuns, RequestSense, SynchronizeCache10, SynchronizeCache16,
    Verify16, Write10, Write16,
};

use super::*;

#[test]
fn addresses_are_checked_without_wrapping() {
    let edges = [
        (100, 1),
        (99, 2),
        (101, 0),
        (1 << 31, 1),
        ((1 << 32) - 1, 1),
        (1 << 32, 1),
        (1 << 63, 1),
        (u64::MAX, 0),
        (u64::MAX, 1),
        (u64::MAX, u32::MAX),
    ];
    let mut initiator = Initiator::new(100);
    for (lba, blocks) in edges {
        let read = Read16 { lba, transfer_length: blocks, ..Default::default() }.cdb();
        let write = Write16 { lba, transfer_length: blocks, ..Default::default() }.cdb();
        let verify = Verify16 { lba, verification_length: blocks, ..Default::default() }.cdb();
        let flush =
            SynchronizeCache16 { lba, number_of_blocks: blocks, ..Default::default() }.cdb();
        let outcomes = [
            initiator.data_in(read, 512).map(drop),
            initiator.data_out(write, &[0; 512]).map(drop),
            initiator.none(verify),
            initiator.none(flush),
        ];
        for outcome in outcomes {
            assert_eq!(failure(outcome), Condition::LBA_OUT_OF_RANGE, "{lba} + {blocks}");
        }
    }
    for lba in [0, 99, 100] {
        let read = Read16 { lba, ..Default::default() }.cdb();
        assert_eq!(initiator.data_in(read, 0), Ok(Vec::new()), "no blocks at {lba}");
    }
}

#[test]
fn a_capacity_of_2_to_32_blocks_flushes_to_its_end() {
    // One peer computes "to the end" in 32 bits and flushes nothing here.
    let mut initiator = Initiator::new(1 << 32);
    let write = Write16 { lba: (1 << 32) - 1, transfer_length: 1, ..Default::default() }.cdb();
    initiator.data_out(write, &[1; 512]).unwrap();
    initiator.none(flush_all()).unwrap();
    assert_eq!(initiator.unit().cached_blocks(), 0);
}

#[test]
fn unknown_opcodes_and_damaged_cdbs() {
    let mut initiator = Initiator::new(100);
    for opcode in [0x01, 0x04, 0x5e, 0x7f, 0x89, 0xff] {
        let cdb = Cdb::from_array([opcode; 16]);
        let outcome = initiator.none(cdb);
        assert_eq!(failure(outcome), Condition::INVALID_COMMAND_OPERATION_CODE, "{opcode:02X}h");
    }
    for cdb in [
        Cdb::from_array([0x28, 0, 0, 0, 0, 0]),
        Cdb::from_array([0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        Cdb::from_array([0x00, 0, 0, 0, 0, 0x04]),
        Cdb::from_array([0xc0]),
    ] {
        assert_eq!(failure(initiator.none(cdb)), Condition::INVALID_FIELD_IN_CDB, "{cdb}");
    }
    let sense = initiator.none(Cdb::from_array([0, 0, 0, 1, 0, 0])).unwrap_err();
    assert_eq!(sense.field_pointer().unwrap().byte, 3);
}

#[test]
fn protection_information_is_refused() {
    let mut initiator = Initiator::new(100);
    for value in 1..8 {
        let wrprotect = Bits::new(value).unwrap();
        let write = Write10 { wrprotect, transfer_length: 1, ..Default::default() }.cdb();
        assert_eq!(failure(initiator.data_out(write, &[0; 512])), Condition::INVALID_FIELD_IN_CDB);
    }
}

#[test]
fn without_dpofua_both_bits_are_refused() {
    let config = DiskConfig { dpofua: false, ..DiskConfig::nth(0, 100) };
    let mut initiator = Initiator::with(&config);
    for (dpo, fua) in [(true, false), (false, true), (true, true)] {
        let write = Write10 { dpo, fua, transfer_length: 1, ..Default::default() }.cdb();
        assert_eq!(failure(initiator.data_out(write, &[0; 512])), Condition::INVALID_FIELD_IN_CDB);
    }
    let mut initiator = Initiator::new(100);
    let write = Write10 { dpo: true, fua: true, transfer_length: 1, ..Default::default() }.cdb();
    assert_eq!(initiator.data_out(write, &[0; 512]), Ok(512));
}

#[test]
fn missing_units_answer_only_what_finds_them() {
    let mut initiator =
        Initiator::with(&DiskConfig { logical_units: 2, ..DiskConfig::nth(0, 100) });
    let inquiry = Inquiry { allocation_length: 36, ..Default::default() }.cdb();
    let report = ReportLuns { allocation_length: 64, ..Default::default() }.cdb();
    let sense = RequestSense { allocation_length: 18, ..Default::default() }.cdb();
    for lun in [Lun::from_number(2), Lun::from_number(300), Lun([0, 1, 0, 1, 0, 0, 0, 0])] {
        initiator.lun = lun;
        assert_eq!(initiator.data_in(inquiry, 36).unwrap()[0], 0x7f);
        assert_eq!(initiator.data_in(report, 64).unwrap().len(), 24);
        let sense = Sense::parse(&initiator.data_in(sense, 18).unwrap()).unwrap();
        assert_eq!(condition(&sense), Condition::LOGICAL_UNIT_NOT_SUPPORTED);
        assert_eq!(failure(initiator.none(TEST_UNIT_READY)), Condition::LOGICAL_UNIT_NOT_SUPPORTED);
        assert!(!initiator.disk.has_lun(lun));
    }
    initiator.lun = Lun::from_number(1);
    assert!(initiator.disk.has_lun(initiator.lun));
    assert_eq!(failure(initiator.none(TEST_UNIT_READY)), Condition::POWER_ON_OCCURRED);
    initiator.write_block(3, 1);
    initiator.lun = Lun::ZERO;
    assert_eq!(initiator.block(3), 0, "units do not share blocks");
}

#[test]
fn unit_attentions_survive_inquiry_and_report_luns() {
    let mut initiator = Initiator::new(100);
    let inquiry = Inquiry { allocation_length: 36, ..Default::default() }.cdb();
    let report = ReportLuns { allocation_length: 16, ..Default::default() }.cdb();
    initiator.disk.logical_unit_reset(Lun::ZERO);
    assert_eq!(initiator.data_in(inquiry, 36).unwrap().len(), 36);
    assert_eq!(initiator.data_in(report, 16).unwrap().len(), 16);
    assert_eq!(
        failure(initiator.none(TEST_UNIT_READY)),
        Condition::BUS_DEVICE_RESET_FUNCTION_OCCURRED
    );
    assert_eq!(initiator.none(TEST_UNIT_READY), Ok(()));

    initiator.disk.target_reset();
    let request = RequestSense { allocation_length: 252, ..Default::default() }.cdb();
    let sense = Sense::parse(&initiator.data_in(request, 252).unwrap()).unwrap();
    assert_eq!(condition(&sense), Condition::BUS_DEVICE_RESET_FUNCTION_OCCURRED);
    let sense = Sense::parse(&initiator.data_in(request, 252).unwrap()).unwrap();
    assert_eq!(condition(&sense), Condition::NO_SENSE);
    assert_eq!(initiator.none(TEST_UNIT_READY), Ok(()));
    initiator.disk.i_t_nexus_loss();
    assert_eq!(failure(initiator.none(TEST_UNIT_READY)), Condition::I_T_NEXUS_LOSS_OCCURRED);
}

#[test]
fn data_phases_against_the_announced_direction_move_nothing() {
    let mut initiator = Initiator::new(100);
    initiator.write_block(5, 7);
    let mut buffer = Buffer(vec![9; 512]);
    let executed = initiator.execute(&write_10(5, 1), Direction::FromDevice, &mut buffer);
    assert_eq!(executed.moved, 512, "the controller sees an overrun");
    assert_eq!(initiator.block(5), 7);
    let executed = initiator.execute(&read_10(5, 1), Direction::ToDevice, &mut buffer);
    assert_eq!((executed.moved, buffer.0), (512, vec![9; 512]));
}

#[test]
fn short_buffers_move_what_fits() {
    let mut initiator = Initiator::new(100);
    let mut buffer = Buffer(vec![3; 700]);
    let executed = initiator.execute(&write_10(0, 2), Direction::ToDevice, &mut buffer);
    assert_eq!(executed.moved, 1024);
    assert_eq!((initiator.block(0), initiator.block(1)), (3, 0), "only whole blocks are written");
    let mut buffer = Buffer(vec![0; 100]);
    let executed = initiator.execute(&read_10(0, 2), Direction::FromDevice, &mut buffer);
    assert_eq!((executed.moved, buffer.0), (1024, vec![3; 100]));
}

#[test]
fn configurations_that_describe_no_disk() {
    let config = DiskConfig::nth(0, 100);
    let refused = |config: DiskConfig| SimDisk::new(&config).unwrap_err().to_string();
    assert_eq!(refused(DiskConfig { blocks: 0, ..config.clone() }), "a logical unit has no blocks");
    assert_eq!(
        refused(DiskConfig { logical_units: 0, ..config.clone() }),
        "a disk has 1 to 256 logical units, not 0"
    );
    assert_eq!(
        refused(DiskConfig { physical_block_exponent: 16, ..config.clone() }),
        "physical block exponent 16 is above 15"
    );
    assert!(refused(DiskConfig { blocks: u64::MAX, ..config }).starts_with("18446744073709551615"));
}

#[test]
fn a_flush_of_a_range_may_end_at_the_capacity() {
    let mut initiator = Initiator::new(100);
    let flush = |lba, number_of_blocks| {
        SynchronizeCache10 { lba, number_of_blocks, ..Default::default() }.cdb()
    };
    assert_eq!(initiator.none(flush(90, 10)), Ok(()));
    assert_eq!(initiator.none(flush(100, 0)), Ok(()));
    assert_eq!(failure(initiator.none(flush(90, 11))), Condition::LBA_OUT_OF_RANGE);
}
