//! UNMAP and WRITE SAME.

use scsi_proto::command::{Unmap, WriteSame10, WriteSame16};

use super::*;

fn unmap(initiator: &mut Initiator, ranges: &[(u64, u32)]) -> Result<u32, Sense> {
    let len = ranges.len() * 16;
    let mut list = vec![0; 8];
    list[..2].copy_from_slice(&(len as u16 + 6).to_be_bytes());
    list[2..4].copy_from_slice(&(len as u16).to_be_bytes());
    for (lba, blocks) in ranges {
        list.extend(lba.to_be_bytes());
        list.extend(blocks.to_be_bytes());
        list.extend([0; 4]);
    }
    let parameter_list_length = list.len() as u16;
    initiator.data_out(Unmap { parameter_list_length, ..Default::default() }.cdb(), &list)
}

fn filled(blocks: u32) -> Initiator {
    let mut initiator = Initiator::new(blocks.into());
    initiator.data_out(write_10(0, blocks as u16), &vec![1; blocks as usize * 512]).unwrap();
    initiator.none(flush_all()).unwrap();
    initiator
}

#[test]
fn unmapped_blocks_read_as_zeros_and_others_stay() {
    let mut initiator = filled(100);
    assert_eq!(unmap(&mut initiator, &[(10, 2), (100, 0), (50, 1)]), Ok(8 + 48));
    let zeros: Vec<u32> = (0..100).filter(|lba| initiator.block(*lba) == 0).collect();
    assert_eq!(zeros, [10, 11, 50]);
}

#[test]
fn unmapping_is_volatile_until_it_is_flushed() {
    let mut initiator = filled(100);
    unmap(&mut initiator, &[(10, 2)]).unwrap();
    initiator.power_cycle();
    assert_eq!(initiator.block(10), 1);
    unmap(&mut initiator, &[(10, 2)]).unwrap();
    initiator.none(flush_all()).unwrap();
    initiator.power_cycle();
    assert_eq!((initiator.block(10), initiator.block(11), initiator.block(12)), (0, 0, 1));
}

#[test]
fn unmap_lists_are_checked_before_anything_happens() {
    let mut initiator = filled(100);
    let outcome = unmap(&mut initiator, &[(10, 2), (99, 2)]);
    assert_eq!(failure(outcome), Condition::LBA_OUT_OF_RANGE);
    let outcome = unmap(&mut initiator, &[(10, 2), (0, u32::MAX)]);
    assert_eq!(failure(outcome), Condition::INVALID_FIELD_IN_PARAMETER_LIST);
    let outcome = unmap(&mut initiator, &[(10, 2), (u64::MAX, 1)]);
    assert_eq!(failure(outcome), Condition::LBA_OUT_OF_RANGE);
    let many = vec![(10, 1); 256];
    assert_eq!(failure(unmap(&mut initiator, &many)), Condition::INVALID_FIELD_IN_PARAMETER_LIST);
    assert_eq!(initiator.block(10), 1);
    let short = Unmap { parameter_list_length: 7, ..Default::default() }.cdb();
    assert_eq!(failure(initiator.data_out(short, &[0; 7])), Condition::PARAMETER_LIST_LENGTH_ERROR);
    let promised = [0, 22, 0, 16, 0, 0, 0, 0];
    let short = Unmap { parameter_list_length: 8, ..Default::default() }.cdb();
    assert_eq!(
        failure(initiator.data_out(short, &promised)),
        Condition::PARAMETER_LIST_LENGTH_ERROR
    );
    assert_eq!(initiator.none(Unmap::default().cdb()), Ok(()));
    let anchor = Unmap { anchor: true, ..Default::default() }.cdb();
    assert_eq!(failure(initiator.none(anchor)), Condition::INVALID_FIELD_IN_CDB);
}

#[test]
fn write_same_repeats_one_block() {
    let mut initiator = filled(100);
    let same = WriteSame10 { lba: 20, number_of_blocks: 5, ..Default::default() };
    assert_eq!(initiator.data_out(same.cdb(), &[7; 512]), Ok(512));
    let sevens: Vec<u32> = (0..100).filter(|lba| initiator.block(*lba) == 7).collect();
    assert_eq!(sevens, [20, 21, 22, 23, 24]);
    let to_end = WriteSame10 { lba: 98, ..Default::default() };
    assert_eq!(initiator.data_out(to_end.cdb(), &[8; 512]), Ok(512));
    assert_eq!((initiator.block(97), initiator.block(98), initiator.block(99)), (1, 8, 8));
    let no_data = WriteSame16 { lba: 1, number_of_blocks: 1, ndob: true, ..Default::default() };
    assert_eq!(initiator.none(no_data.cdb()), Ok(()));
    assert_eq!((initiator.block(0), initiator.block(1)), (1, 0));
}

#[test]
fn write_same_unmaps_only_zeros() {
    let mut initiator = filled(100);
    let same = WriteSame16 { lba: 5, number_of_blocks: 2, unmap: true, ..Default::default() };
    assert_eq!(initiator.data_out(same.cdb(), &[3; 512]), Ok(512));
    assert_eq!(initiator.block(5), 3);
    assert_eq!(initiator.data_out(same.cdb(), &[0; 512]), Ok(512));
    assert_eq!(initiator.block(5), 0);
}

#[test]
fn write_same_limits() {
    let mut initiator = Initiator::new(1 << 20);
    let same = |number_of_blocks| WriteSame16 { number_of_blocks, ..Default::default() }.cdb();
    let too_long = initiator.data_out(same(0x1_0001), &[0; 512]);
    assert_eq!(failure(too_long), Condition::INVALID_FIELD_IN_CDB);
    let to_the_end = initiator.data_out(same(0), &[0; 512]);
    assert_eq!(failure(to_the_end), Condition::INVALID_FIELD_IN_CDB);
    let past = WriteSame16 { lba: u64::MAX, number_of_blocks: 1, ..Default::default() }.cdb();
    assert_eq!(failure(initiator.data_out(past, &[0; 512])), Condition::LBA_OUT_OF_RANGE);
    let anchor = WriteSame16 { anchor: true, number_of_blocks: 1, ..Default::default() }.cdb();
    assert_eq!(failure(initiator.data_out(anchor, &[0; 512])), Condition::INVALID_FIELD_IN_CDB);
}
