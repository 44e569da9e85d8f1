//! MODE SENSE and MODE SELECT.

use scsi_proto::command::{Bits, ModeSelect6, ModeSelect10, ModeSense6, ModeSense10, PageControl};

use super::*;

fn sense_6(page: u32, pc: PageControl, dbd: bool, allocation_length: u8) -> Cdb {
    let page_code = Bits::new(page).unwrap();
    ModeSense6 { dbd, pc, page_code, allocation_length, ..Default::default() }.cdb()
}

fn select_6(len: usize) -> Cdb {
    ModeSelect6 { pf: true, parameter_list_length: len as u8, ..Default::default() }.cdb()
}

/// A parameter list without block descriptor that holds a page of MODE SENSE, changed.
fn list_of(initiator: &mut Initiator, page: u32, change: impl Fn(&mut [u8])) -> Vec<u8> {
    let mut list = initiator.data_in(sense_6(page, PageControl::Current, true, 255), 255).unwrap();
    list[0] = 0;
    change(&mut list[4..]);
    list
}

#[test]
fn headers_and_block_descriptors() {
    let mut initiator = Initiator::new(0x1_2345_6789);
    let current = PageControl::Current;
    let header = initiator.data_in(sense_6(0x3f, current, false, 4), 4).unwrap();
    assert_eq!(header, [4 + 8 + 12 + 20 + 12 + 12 - 1, 0, 0x10, 8]);
    let short = initiator.data_in(sense_6(0x08, current, false, 255), 255).unwrap();
    assert_eq!(short[4..12], [0xff, 0xff, 0xff, 0xff, 0, 0, 2, 0]);
    assert_eq!(short[12..15], [0x88, 18, 0x04], "it can be saved");
    let long = ModeSense10 {
        llbaa: true,
        page_code: Bits::new(0x0a).unwrap(),
        allocation_length: 255,
        ..Default::default()
    };
    let long = initiator.data_in(long.cdb(), 255).unwrap();
    assert_eq!(long[..8], [0, 34, 0, 0x10, 1, 0, 0, 16]);
    assert_eq!(long[8..24], [0, 0, 0, 1, 0x23, 0x45, 0x67, 0x89, 0, 0, 0, 0, 0, 0, 2, 0]);
    assert_eq!(long[24..26], [0x8a, 10]);
}

#[test]
fn all_pages_come_in_ascending_order_and_unknown_ones_are_refused() {
    let mut initiator = Initiator::new(100);
    let all = initiator.data_in(sense_6(0x3f, PageControl::Current, true, 255), 255).unwrap();
    let mut pages = &all[4..];
    let mut codes = Vec::new();
    while let [code, len, rest @ ..] = pages {
        codes.push(*code & 0x7f);
        pages = &rest[usize::from(*len)..];
    }
    assert_eq!(codes, [0x01, 0x08, 0x0a, 0x1c]);
    let unknown = initiator.data_in(sense_6(0x19, PageControl::Current, true, 255), 255);
    assert_eq!(failure(unknown), Condition::INVALID_FIELD_IN_CDB);
    let config = DiskConfig { saves_modes: false, ..DiskConfig::nth(0, 100) };
    let mut forgetful = Initiator::with(&config);
    let saved = forgetful.data_in(sense_6(0x08, PageControl::Saved, true, 255), 255);
    assert_eq!(failure(saved), Condition::SAVING_PARAMETERS_NOT_SUPPORTED);
    let mask = initiator.data_in(sense_6(0x08, PageControl::Changeable, true, 255), 255).unwrap();
    assert_eq!(mask[4..8], [0x88, 18, 0x04, 0]);
    assert_eq!(mask[16], 0x06, "sync_prog, and no nv_dis without such a cache");
    assert!(mask[8..16].iter().chain(&mask[17..]).all(|byte| *byte == 0));
}

#[test]
fn switching_the_write_cache_off_writes_it_back() {
    let mut initiator = Initiator::new(100);
    initiator.write_block(3, 1);
    let list = list_of(&mut initiator, 0x08, |page| page[2] &= !0x04);
    assert_eq!(initiator.data_out(select_6(list.len()), &list), Ok(list.len() as u32));
    assert_eq!(initiator.unit().cached_blocks(), 0);
    initiator.write_block(4, 2);
    assert_eq!(initiator.unit().cached_blocks(), 0, "writes go through now");
    let page = initiator.data_in(sense_6(0x08, PageControl::Current, true, 255), 255).unwrap();
    assert_eq!(page[6], 0);
    let default = initiator.data_in(sense_6(0x08, PageControl::Default, true, 255), 255).unwrap();
    assert_eq!(default[6], 0x04);
    initiator.disk.target_reset();
    initiator.none(TEST_UNIT_READY).unwrap_err();
    let page = initiator.data_in(sense_6(0x08, PageControl::Current, true, 255), 255).unwrap();
    assert_eq!(page[6], 0x04, "a reset restores the defaults");
}

#[test]
fn descriptor_sense_and_write_protection() {
    let mut initiator = Initiator::new(100);
    let list = list_of(&mut initiator, 0x0a, |page| {
        page[2] |= 0x04;
        page[4] |= 0x08;
    });
    initiator.data_out(select_6(list.len()), &list).unwrap();
    let executed =
        initiator.execute(&write_10(0, 1), Direction::ToDevice, &mut Buffer(vec![1; 512]));
    assert_eq!(executed.sense.as_bytes()[..4], [0x72, 7, 0x27, 2]);
    assert_eq!(initiator.block(0), 0);
    let header = initiator.data_in(sense_6(0x3f, PageControl::Current, true, 4), 4).unwrap();
    assert_eq!(header[2], 0x90);
}

#[test]
fn only_changeable_bits_change_and_all_or_nothing() {
    let mut initiator = Initiator::new(100);
    let good = list_of(&mut initiator, 0x08, |page| page[2] &= !0x04);
    let bad = list_of(&mut initiator, 0x08, |page| page[3] = 1);
    let both = [&good[..], &bad[4..]].concat();
    let sense = initiator.data_out(select_6(both.len()), &both).unwrap_err();
    assert_eq!(condition(&sense), Condition::INVALID_FIELD_IN_PARAMETER_LIST);
    assert_eq!(usize::from(sense.field_pointer().unwrap().byte), good.len() + 3);
    initiator.write_block(0, 1);
    assert_eq!(initiator.unit().cached_blocks(), 1, "the first page had no effect");
    for len in 1..good.len() {
        let outcome = initiator.data_out(select_6(len), &good[..len]);
        match len {
            4 => assert_eq!(outcome, Ok(4)),
            _ => assert_eq!(failure(outcome), Condition::PARAMETER_LIST_LENGTH_ERROR, "{len}"),
        }
    }
    let unknown = [0, 0, 0, 0, 0x19, 2, 0, 0];
    let outcome = initiator.data_out(select_6(8), &unknown);
    assert_eq!(failure(outcome), Condition::INVALID_FIELD_IN_PARAMETER_LIST);
}

#[test]
fn block_descriptors_may_not_change_the_disk() {
    let mut initiator = Initiator::new(100);
    let list = |blocks: u8, size: u8| [0, 0, 0, 8, 0, 0, 0, blocks, 0, 0, size, 0];
    assert_eq!(initiator.data_out(select_6(12), &list(100, 2)), Ok(12));
    assert_eq!(initiator.data_out(select_6(12), &list(0, 2)), Ok(12));
    for changed in [list(99, 2), list(100, 16)] {
        let outcome = initiator.data_out(select_6(12), &changed);
        assert_eq!(failure(outcome), Condition::INVALID_FIELD_IN_PARAMETER_LIST);
    }
    let long = [0, 0, 0, 0, 1, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 100, 0, 0, 0, 0, 0, 0, 2, 0];
    let select = ModeSelect10 { pf: true, parameter_list_length: 24, ..Default::default() }.cdb();
    assert_eq!(initiator.data_out(select, &long), Ok(24));
}

#[test]
fn saving_reverting_and_the_old_page_format_are_refused() {
    let config = DiskConfig { saves_modes: false, ..DiskConfig::nth(0, 100) };
    let mut initiator = Initiator::with(&config);
    let plain = ModeSelect6 { pf: true, parameter_list_length: 4, ..Default::default() };
    for select in [
        ModeSelect6 { sp: true, ..plain },
        ModeSelect6 { rtd: true, ..plain },
        ModeSelect6 { pf: false, ..plain },
    ] {
        let outcome = initiator.data_out(select.cdb(), &[0; 4]);
        assert_eq!(failure(outcome), Condition::INVALID_FIELD_IN_CDB);
    }
    assert_eq!(initiator.none(ModeSelect6::default().cdb()), Ok(()));
}

#[test]
fn what_is_saved_survives_resets_and_power_and_what_is_not_does_not() {
    let mut initiator = Initiator::new(100);
    let off = list_of(&mut initiator, 0x08, |page| page[2] &= !0x04);
    let length = off.len() as u8;
    let save =
        ModeSelect6 { pf: true, sp: true, parameter_list_length: length, ..Default::default() };
    initiator.data_out(save.cdb(), &off).unwrap();
    let wce = |initiator: &mut Initiator, control| {
        let page = initiator.data_in(sense_6(0x08, control, true, 255), 255).unwrap();
        page[6] & 0x04 != 0
    };
    assert!(!wce(&mut initiator, PageControl::Saved) && wce(&mut initiator, PageControl::Default));
    // Back on, and not saved.
    let on = list_of(&mut initiator, 0x08, |page| page[2] |= 0x04);
    initiator.data_out(select_6(on.len()), &on).unwrap();
    assert!(wce(&mut initiator, PageControl::Current) && !wce(&mut initiator, PageControl::Saved));
    initiator.disk.target_reset();
    initiator.none(TEST_UNIT_READY).unwrap_err();
    assert!(!wce(&mut initiator, PageControl::Current), "a reset brings back what is saved");
    initiator.data_out(select_6(on.len()), &on).unwrap();
    initiator.power_cycle();
    assert!(!wce(&mut initiator, PageControl::Current), "and so does power loss");
    initiator.write_block(1, 7);
    initiator.power_cycle();
    assert_eq!(initiator.block(1), 7, "written through");
}

#[test]
fn a_flush_under_way_is_seen_as_sync_prog_says() {
    let immediate =
        scsi_proto::command::SynchronizeCache10 { immed: true, ..Default::default() }.cdb();
    let poll =
        scsi_proto::command::RequestSense { allocation_length: 18, ..Default::default() }.cdb();
    for sync_progress in 0..3 {
        let config = DiskConfig { sync_progress, ..DiskConfig::nth(0, 100) };
        let mut initiator = Initiator::with(&config);
        initiator.write_block(1, 7);
        initiator.none(immediate).unwrap();
        let told = initiator.data_in(poll, 18).unwrap();
        let (key, asc, ascq) = (told[2] & 0x0f, told[12], told[13]);
        if sync_progress == 0 {
            assert_eq!((key, asc, ascq), (0, 0, 0), "nobody sees it");
            assert_eq!(initiator.unit().cached_blocks(), 0);
            continue;
        }
        assert_eq!((key, asc, ascq, told[15] & 0x80), (0, 0x00, 0x16, 0x80), "pollable");
        let first = u16::from_be_bytes([told[16], told[17]]);
        let read = initiator.data_in(read_10(1, 1), 512);
        match sync_progress {
            1 => assert_eq!(read.unwrap()[0], 7, "other commands do not notice"),
            _ => {
                let sense = read.unwrap_err();
                assert_eq!(condition(&sense), Condition::OPERATION_IN_PROGRESS);
                assert!(sense.key_specific.unwrap().count() > first, "it gets on");
            }
        }
        for _ in 0..4 {
            initiator.data_in(poll, 18).unwrap();
        }
        assert_eq!(initiator.unit().cached_blocks(), 0, "it is done");
        assert_eq!(initiator.data_in(poll, 18).unwrap()[12..14], [0, 0]);
        assert_eq!(initiator.block(1), 7);
    }
    assert!(SimDisk::new(&DiskConfig { sync_progress: 3, ..DiskConfig::nth(0, 1) }).is_err());
}

fn extended_inquiry(initiator: &mut Initiator) -> u8 {
    let page_code = 0x86;
    let inquiry = scsi_proto::command::Inquiry {
        evpd: true,
        page_code,
        allocation_length: 64,
        ..Default::default()
    };
    initiator.data_in(inquiry.cdb(), 64).unwrap()[6] & 0x03
}

#[test]
fn a_battery_that_fails_makes_the_cache_volatile_and_says_so() {
    let config = DiskConfig { non_volatile_cache: true, battery: true, ..DiskConfig::nth(0, 100) };
    let flash = DiskConfig { battery: false, ..config.clone() };
    assert_eq!(extended_inquiry(&mut Initiator::new(100)), 0x01, "v_sup");
    assert_eq!(extended_inquiry(&mut Initiator::with(&flash)), 0x02, "nv_sup");
    assert_eq!(extended_inquiry(&mut Initiator::with(&config)), 0x03, "it can be either");
    for write_through in [false, true] {
        let mut initiator = Initiator::with(&config);
        initiator.write_block(1, 1);
        initiator.power_cycle();
        assert_eq!(initiator.block(1), 1);
        initiator.none(flush_all()).unwrap();
        initiator.write_block(1, 2);
        initiator.unit().fail_battery(write_through);
        assert_eq!(failure(initiator.none(TEST_UNIT_READY)), Condition::CACHE_NOW_VOLATILE);
        if write_through {
            assert_eq!(
                failure(initiator.none(TEST_UNIT_READY)),
                Condition::MODE_PARAMETERS_CHANGED
            );
        }
        initiator.write_block(2, 3);
        initiator.power_cycle();
        let left = [initiator.block(1), initiator.block(2)];
        assert_eq!(left, if write_through { [2, 3] } else { [1, 0] });
        initiator.unit().restore_battery();
    }
}

#[test]
fn nv_dis_is_changeable_where_there_is_such_a_cache() {
    let config = DiskConfig { non_volatile_cache: true, ..DiskConfig::nth(0, 100) };
    let mut initiator = Initiator::with(&config);
    initiator.write_block(1, 1);
    let list = list_of(&mut initiator, 0x08, |page| page[12] |= 0x01);
    initiator.data_out(select_6(list.len()), &list).unwrap();
    assert_eq!(initiator.unit().cached_blocks(), 0, "what was safe was written back first");
    initiator.write_block(2, 2);
    initiator.power_cycle();
    assert_eq!([initiator.block(1), initiator.block(2)], [1, 0]);
}

#[test]
fn unit_attentions_belong_to_one_nexus_each() {
    let config = DiskConfig { ports: 2, ..DiskConfig::nth(0, 100) };
    let mut initiator = Initiator::with(&config);
    let other = |initiator: &mut Initiator, cdb: &Cdb| {
        let task = Task {
            cdb,
            lun: Lun::ZERO,
            direction: Direction::FromDevice,
            data_len: 255,
            attribute: TaskAttribute::Simple,
        };
        let mut buffer = Buffer(vec![0; 255]);
        let port = crate::disk::PortIndex(1);
        match initiator.disk.execute_on(port, Instant::default(), &task, &mut buffer) {
            Execution::Done(executed) => outcome(&executed).map(|_| buffer.0),
            Execution::Held => panic!("held"),
        }
    };
    assert_eq!(failure(other(&mut initiator, &TEST_UNIT_READY)), Condition::POWER_ON_OCCURRED);
    other(&mut initiator, &TEST_UNIT_READY).unwrap();
    // What one initiator changes is news for the other, and for the other only.
    let list = list_of(&mut initiator, 0x08, |page| page[2] &= !0x04);
    initiator.data_out(select_6(list.len()), &list).unwrap();
    initiator.none(TEST_UNIT_READY).unwrap();
    let told = other(&mut initiator, &TEST_UNIT_READY);
    assert_eq!(failure(told), Condition::MODE_PARAMETERS_CHANGED);
    initiator.disk.nexus_loss_on(crate::disk::PortIndex(1));
    initiator.none(TEST_UNIT_READY).unwrap();
    let told = other(&mut initiator, &TEST_UNIT_READY);
    assert_eq!(failure(told), Condition::I_T_NEXUS_LOSS_OCCURRED);
    initiator.disk.logical_unit_reset(Lun::ZERO);
    initiator.none(TEST_UNIT_READY).unwrap_err();
    other(&mut initiator, &TEST_UNIT_READY).unwrap_err();
    // One unit, two ports.
    let page_83 = scsi_proto::command::Inquiry {
        evpd: true,
        page_code: 0x83,
        allocation_length: 255,
        ..Default::default()
    };
    let own = initiator.data_in(page_83.cdb(), 255).unwrap();
    let theirs = other(&mut initiator, &page_83.cdb()).unwrap();
    assert_eq!(own[..16], theirs[..16], "the name of the unit");
    assert_ne!(own[..], theirs[..own.len()], "the name of the port");
}
