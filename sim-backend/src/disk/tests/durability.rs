//! What survives a power cut, against an oracle that knows every value ever written.

use scsi_proto::command::{Bits, Read10, SynchronizeCache10, Verify10, Write10};

use super::super::prng::Prng;
use super::*;
use crate::disk::{CutReport, PowerCut};

const BLOCKS: u32 = 48;

/// The values that each block may have after a power cut: the durable one, and all written since.
struct Oracle {
    admissible: Vec<Vec<u32>>,
}

impl Oracle {
    fn new() -> Self {
        Self { admissible: vec![vec![0]; BLOCKS as usize] }
    }

    fn on_write(&mut self, lba: u32, value: u32) {
        self.admissible[lba as usize].push(value);
    }

    /// Older values of the range must not come back.
    fn on_durable(&mut self, lba: u32, blocks: u32) {
        for values in &mut self.admissible[lba as usize..(lba + blocks) as usize] {
            values.drain(..values.len() - 1);
        }
    }

    fn newest(&self, lba: u32) -> u32 {
        *self.admissible[lba as usize].last().unwrap()
    }

    /// Checks the content after a cut, which is durable from now on. False if it is impossible.
    fn accept(&mut self, content: &[u8]) -> bool {
        content.chunks(512).zip(&mut self.admissible).all(|(block, values)| {
            let value = u32::from_be_bytes(*block.first_chunk().unwrap());
            let whole = block.chunks(4).all(|word| word == value.to_be_bytes());
            let admissible = whole && values.contains(&value);
            *values = vec![value];
            admissible
        })
    }
}

/// Random commands and power cuts. False if the oracle found an impossible block after a cut.
fn survives(config: &DiskConfig, policy: PowerCut, seed: u64) -> bool {
    let mut initiator = Initiator::with(config);
    let mut oracle = Oracle::new();
    let mut prng = Prng::new(seed);
    for value in 1..200u32 {
        let lba = prng.below(BLOCKS);
        let blocks = 1 + prng.below((BLOCKS - lba).min(6));
        match prng.below(12) {
            0..=5 => {
                let fua = prng.below(4) == 0;
                let transfer_length = blocks as u16;
                let write = Write10 { lba, fua, transfer_length, ..Default::default() }.cdb();
                let data = value.to_be_bytes().repeat(128 * blocks as usize);
                initiator.data_out(write, &data).unwrap();
                (lba..lba + blocks).for_each(|lba| oracle.on_write(lba, value));
                if fua {
                    oracle.on_durable(lba, blocks);
                }
            }
            6 | 7 => {
                let fua = prng.coin();
                let transfer_length = blocks as u16;
                let read = Read10 { lba, fua, transfer_length, ..Default::default() }.cdb();
                let data = initiator.data_in(read, 512 * blocks as usize).unwrap();
                let newest = (lba..lba + blocks)
                    .flat_map(|lba| oracle.newest(lba).to_be_bytes().repeat(128));
                assert!(newest.eq(data), "a read returned old data");
            }
            8 => {
                initiator.none(flush_all()).unwrap();
                oracle.on_durable(0, BLOCKS);
            }
            9 => {
                let number_of_blocks = blocks as u16;
                let flush = SynchronizeCache10 { lba, number_of_blocks, ..Default::default() };
                initiator.none(flush.cdb()).unwrap();
                oracle.on_durable(lba, blocks);
            }
            10 => {
                let immediate = SynchronizeCache10 { immed: true, ..Default::default() };
                initiator.none(immediate.cdb()).unwrap();
            }
            _ => {
                initiator.disk.power_cut_with(policy);
                initiator.disk.power_on();
                initiator.none(TEST_UNIT_READY).unwrap_err();
                let content = initiator.data_in(read_10(0, BLOCKS as u16), 512 * BLOCKS as usize);
                if !oracle.accept(&content.unwrap()) {
                    return false;
                }
            }
        }
    }
    true
}

/// A cache that is full most of the time, so that blocks are also written back without a flush.
fn small_cache(seed: u64) -> DiskConfig {
    DiskConfig { cache_blocks: 16, seed, ..DiskConfig::nth(0, BLOCKS.into()) }
}

const HONEST: [PowerCut; 4] =
    [PowerCut::LoseAll, PowerCut::RandomSubset, PowerCut::NewestFirst, PowerCut::TornWrites];

#[test]
fn an_honest_disk_keeps_what_it_promised() {
    for seed in 0..40 {
        for policy in HONEST {
            assert!(survives(&small_cache(seed), policy, seed), "{policy:?}, seed {seed}");
            let large = DiskConfig::nth(seed as u32, BLOCKS.into());
            assert!(survives(&large, policy, seed), "large cache, {policy:?}, seed {seed}");
        }
    }
}

#[test]
fn liars_and_torn_blocks_are_found_out() {
    let lying_flush = |seed| DiskConfig { lying_flush: true, ..small_cache(seed) };
    let lying_fua = |seed| DiskConfig { lying_fua: true, ..small_cache(seed) };
    assert!((0..10).all(|seed| !survives(&lying_flush(seed), PowerCut::LoseAll, seed)));
    assert!((0..10).all(|seed| !survives(&lying_fua(seed), PowerCut::LoseAll, seed)));
    assert!((0..10).all(|seed| !survives(&small_cache(seed), PowerCut::TornBlock, seed)));
}

#[test]
fn lies_are_counted() {
    let config = DiskConfig { lying_flush: true, lying_fua: true, ..DiskConfig::nth(0, 100) };
    let mut initiator = Initiator::with(&config);
    initiator.none(flush_all()).unwrap();
    assert_eq!(initiator.unit().lies(), Default::default(), "an empty cache is no lie");
    let fua = Write10 { fua: true, transfer_length: 1, ..Default::default() }.cdb();
    initiator.data_out(fua, &[1; 512]).unwrap();
    initiator.none(flush_all()).unwrap();
    let lies = initiator.unit().lies();
    assert_eq!((lies.flushes, lies.fua_writes), (1, 1));
}

#[test]
fn a_cut_before_an_immediate_flush_is_carried_out_loses_the_data() {
    let mut initiator = Initiator::new(100);
    initiator.write_block(1, 7);
    initiator.none(SynchronizeCache10 { immed: true, ..Default::default() }.cdb()).unwrap();
    initiator.power_cycle();
    assert_eq!(initiator.block(1), 0);
}

#[test]
fn resets_keep_the_cache_and_power_loss_does_not() {
    let mut initiator = Initiator::new(100);
    initiator.write_block(1, 7);
    initiator.disk.logical_unit_reset(Lun::ZERO);
    initiator.none(TEST_UNIT_READY).unwrap_err();
    assert_eq!(initiator.block(1), 7);
    assert_eq!(initiator.unit().cached_blocks(), 1);
    let report = initiator.disk.power_cut_with(PowerCut::LoseAll);
    assert_eq!(report, [CutReport { lost: 1, survived: 0, torn: None }]);
    assert!(!initiator.disk.is_powered());
    initiator.disk.power_on();
    initiator.none(TEST_UNIT_READY).unwrap_err();
    assert_eq!(initiator.block(1), 0);
}

#[test]
fn a_non_volatile_cache_and_write_through_lose_nothing() {
    for config in [
        DiskConfig { non_volatile_cache: true, ..DiskConfig::nth(0, 100) },
        DiskConfig { write_cache: false, ..DiskConfig::nth(0, 100) },
    ] {
        let mut initiator = Initiator::with(&config);
        initiator.write_block(1, 7);
        initiator.power_cycle();
        assert_eq!(initiator.block(1), 7);
    }
}

#[test]
fn fua_and_verify_make_only_their_blocks_durable() {
    let mut initiator = Initiator::new(100);
    (0..4).for_each(|lba| initiator.write_block(lba, 1));
    let fua = Write10 { lba: 1, fua: true, transfer_length: 1, ..Default::default() }.cdb();
    initiator.data_out(fua, &[2; 512]).unwrap();
    let bytchk = Bits::new(0).unwrap();
    let verify = Verify10 { lba: 2, verification_length: 1, bytchk, ..Default::default() };
    initiator.none(verify.cdb()).unwrap();
    let read = Read10 { lba: 3, fua: true, transfer_length: 1, ..Default::default() };
    initiator.data_in(read.cdb(), 512).unwrap();
    initiator.power_cycle();
    assert_eq!([0, 1, 2, 3].map(|lba| initiator.block(lba)), [0, 2, 1, 1]);
}

#[test]
fn a_mode_change_behind_our_back_is_announced() {
    let mut initiator =
        Initiator::with(&DiskConfig { write_cache: false, ..DiskConfig::nth(0, 100) });
    initiator.unit().change_write_cache(true);
    assert_eq!(failure(initiator.none(TEST_UNIT_READY)), Condition::MODE_PARAMETERS_CHANGED);
    initiator.write_block(1, 7);
    initiator.power_cycle();
    assert_eq!(initiator.block(1), 0);
}
