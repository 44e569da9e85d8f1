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
    assert_eq!(short[12..15], [0x08, 18, 0x04]);
    let long = ModeSense10 {
        llbaa: true,
        page_code: Bits::new(0x0a).unwrap(),
        allocation_length: 255,
        ..Default::default()
    };
    let long = initiator.data_in(long.cdb(), 255).unwrap();
    assert_eq!(long[..8], [0, 34, 0, 0x10, 1, 0, 0, 16]);
    assert_eq!(long[8..24], [0, 0, 0, 1, 0x23, 0x45, 0x67, 0x89, 0, 0, 0, 0, 0, 0, 2, 0]);
    assert_eq!(long[24..26], [0x0a, 10]);
}

#[test]
fn all_pages_come_in_ascending_order_and_unknown_ones_are_refused() {
    let mut initiator = Initiator::new(100);
    let all = initiator.data_in(sense_6(0x3f, PageControl::Current, true, 255), 255).unwrap();
    let mut pages = &all[4..];
    let mut codes = Vec::new();
    while let [code, len, rest @ ..] = pages {
        codes.push(*code);
        pages = &rest[usize::from(*len)..];
    }
    assert_eq!(codes, [0x01, 0x08, 0x0a, 0x1c]);
    let unknown = initiator.data_in(sense_6(0x19, PageControl::Current, true, 255), 255);
    assert_eq!(failure(unknown), Condition::INVALID_FIELD_IN_CDB);
    let saved = initiator.data_in(sense_6(0x08, PageControl::Saved, true, 255), 255);
    assert_eq!(failure(saved), Condition::SAVING_PARAMETERS_NOT_SUPPORTED);
    let mask = initiator.data_in(sense_6(0x08, PageControl::Changeable, true, 255), 255).unwrap();
    assert_eq!(mask[4..8], [0x08, 18, 0x04, 0]);
    assert!(mask[8..].iter().all(|byte| *byte == 0));
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
    let mut initiator = Initiator::new(100);
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
