//! What a command costs on MPI 2.x besides instructions: register accesses, allocations, memory for each tag.
#![expect(unsafe_code, reason = "a data buffer is a promise about memory")]

extern crate alloc;

mod counting;

use alloc::collections::VecDeque;

use hba_core::command::{Cookie, Nexus, Request, TargetId, Transfer};
use hba_core::dma::{BusAddr, DataBuffer, NoData, Segment};
use hba_core::queue::{Batch, Vector};
use hba_core::register::{HostWrite, Registers};
use hba_core::time::Instant;
use hba_tests::every_ending::{DEPTH, Ending, Firmware, SENSE, Story};
use hba_tests::register_bank::{DescriptorAdapter, DescriptorBank, Pages, scsi_io_reply};
use mpt_backend::mpi2::{Mpi2, Mpi2Config};
use mpt_backend::wire::message::IocStatus;
use mpt_backend::wire::scsi_io::ScsiState;
use scsi_proto::command::{Command, TestUnitReady};
use scsi_proto::{Lun, Status};

/// Commands that are counted; unoptimised code takes fewer, and `tests/run` runs the optimised.
const COMMANDS: u64 = if cfg!(debug_assertions) { 50_000 } else { 1_000_000 };
/// The descriptor bank with firmware that ends each request as the test wants.
struct Controller {
    bank: DescriptorBank,
    check_condition: Vec<u32>,
    underrun: Vec<u32>,
}

impl Firmware for Controller {
    type Port = Mpi2;
    const HOLDS: bool = false;

    fn start() -> (Self, DescriptorAdapter<Pages>) {
        let config = Mpi2Config { queue_depth_max: DEPTH, ..Mpi2Config::default() };
        let (bank, adapter) = DescriptorBank::brought_up(config, 200, 4 << 20);
        let (valid, none) = (ScsiState::AUTOSENSE_VALID, ScsiState(0));
        let (status, ioc) = (Status::CHECK_CONDITION, IocStatus::SUCCESS);
        let check_condition = scsi_io_reply(status, valid, ioc, 0, SENSE.len() as u32);
        let (status, ioc) = (Status::GOOD, IocStatus::SCSI_DATA_UNDERRUN);
        let underrun = scsi_io_reply(status, none, ioc, 512, 0);
        (Self { bank, check_condition, underrun }, adapter)
    }

    /// Eighteen chain segments.
    fn pages() -> (u32, Pages) {
        (128, Pages::straddling(128))
    }

    fn registers(&mut self) -> &mut dyn Registers {
        &mut self.bank
    }

    fn may_hold(&self, _: &VecDeque<Ending>) -> bool {
        false
    }

    fn work(&mut self, endings: &mut VecDeque<Ending>) {
        while let Some(smid) = self.bank.take_request() {
            match endings.pop_front().expect("requests come in order") {
                Ending::CheckCondition => {
                    self.bank.write_sense(smid, &SENSE);
                    self.bank.reply(smid, &self.check_condition);
                }
                Ending::Underrun => self.bank.reply(smid, &self.underrun),
                _ => self.bank.succeed(smid),
            }
        }
    }
}

#[test]
fn no_allocation_between_submit_and_completion_mpi2() {
    let mut story = Story::<Controller>::new();
    story.run(5_000);
    let before = counting::so_far();
    story.run(COMMANDS);
    assert_eq!(counting::so_far(), before, "allocations and frees");
    story.saw_every_ending();
}

fn ready(cookie: u64) -> Request<NoData> {
    let nexus = Nexus::new(TargetId::new(1), Lun::ZERO);
    Request::new(nexus, TestUnitReady::default().cdb(), Transfer::NONE, NoData, Cookie(cookie))
}

/// With 64-bit register writes: the bank has them.
#[test]
fn one_register_write_for_each_command_and_one_for_each_pass_mpi2() {
    let config = Mpi2Config { queue_depth_max: 32, ..Mpi2Config::default() };
    let (mut bank, mut adapter) = DescriptorBank::brought_up(config, 200, 1 << 20);
    let queue = adapter.queue_mut(Vector(0)).expect("there is one");
    let mut batch = Batch::new(64);
    for commands in [1u64, 32, 1, 7, 0, 32].into_iter().cycle().take(600) {
        let before = bank.accesses();
        for cookie in 0..commands {
            let submitted = queue.submit(ready(cookie), Instant::ZERO).expect("there is room");
            submitted.doorbell.write_to(&mut bank);
        }
        while let Some(smid) = bank.take_request() {
            bank.succeed(smid);
        }
        if let Some(index) = queue.service(&mut batch).ack.flatten() {
            index.write(&mut bank);
        }
        assert_eq!(batch.drain().count() as u64, commands);
        let (reads, writes) = bank.accesses();
        let index = u64::from(commands > 0);
        assert_eq!((reads - before.0, writes - before.1), (0, commands + index), "{commands}");
    }
}

/// What a caller's buffer is at least: a word.
struct Handle(&'static [Segment; 1]);

// SAFETY: the bank moves no data, so no memory is needed.
unsafe impl DataBuffer for Handle {
    fn segments(&self) -> &[Segment] {
        self.0
    }
}

/// Bytes of core memory, and of DMA memory, of an adapter with so many tags.
fn memory(tags: u16) -> (i64, i64) {
    const BANK: usize = 4 << 20;
    let config = Mpi2Config { queue_depth_max: tags, elements_max: 2, ..Mpi2Config::default() };
    let before = counting::held();
    let (bank, adapter) = DescriptorBank::brought_up::<Handle>(config, 20_000, BANK);
    let held = counting::held() - before;
    assert_eq!(adapter.queues()[0].depth(), tags);
    drop(adapter);
    (held, bank.allocated() as i64)
}

#[test]
fn a_tag_takes_48_bytes_and_256_of_dma_memory_mpi2() {
    static PAGE: [Segment; 1] = [Segment::new(BusAddr::new(0x8000_0000), 4096)];
    assert_eq!(Handle(&PAGE).segments().len(), 1);
    let (few, many) = (memory(2_000), memory(10_000));
    let (core, dma) = ((many.0 - few.0) / 8_000, (many.1 - few.1) / 8_000);
    println!("for each tag: {core} bytes of core memory, the buffer's word included, {dma} of DMA");
    assert!((1..=48).contains(&core), "{core} bytes of core memory");
    assert!((224..=256).contains(&dma), "{dma} bytes of DMA memory");
}
