//! What a command costs on MPI 2.x besides instructions: register accesses, allocations, memory for each tag.
#![expect(unsafe_code, reason = "a data buffer is a promise about memory")]

extern crate alloc;

mod counting;

use alloc::collections::VecDeque;
use core::time::Duration;

use hba_core::command::{Cookie, Nexus, Outcome, Refusal, Request, TargetId, Transfer};
use hba_core::dma::{BusAddr, DataBuffer, NoData, Segment};
use hba_core::queue::{Batch, Vector};
use hba_core::register::HostWrite;
use hba_core::time::Instant;
use hba_tests::register_bank::{DescriptorAdapter, DescriptorBank, Pages, message_words};
use mpt_backend::mpi2::Mpi2Config;
use mpt_backend::wire::message::{Function, IocStatus};
use mpt_backend::wire::scsi_io::{ScsiIoReply, ScsiState};
use scsi_proto::command::{self, Access, Command, TestUnitReady};
use scsi_proto::{Lba, Lun, Status};
use zerocopy::FromZeros;

/// Commands that are counted; unoptimised code takes fewer, and `tests/run` runs the optimised.
const COMMANDS: u64 = if cfg!(debug_assertions) { 50_000 } else { 1_000_000 };
/// Most commands outstanding: fewer than a round submits, so that some are refused.
const DEPTH: u16 = 20;
const ROUND: u32 = 24;
/// Of 4 KiB, all in one command: eighteen chain segments.
const PAGES: u32 = 128;

/// How a command is to end; the cookie says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Ending {
    Good,
    CheckCondition,
    Underrun,
    TooShort,
    QueueFull,
}

impl Ending {
    const COUNT: usize = 5;
}

struct Story {
    bank: DescriptorBank,
    adapter: DescriptorAdapter<Pages>,
    batch: Batch<Pages>,
    now: Instant,
    random: u32,
    one_page: Pages,
    pages: Pages,
    /// Of the requests that wait.
    endings: VecDeque<Ending>,
    check_condition: Vec<u32>,
    underrun: Vec<u32>,
    accepted: u64,
    /// By [`Ending`].
    ended: [u64; Ending::COUNT],
}

impl Story {
    fn new() -> Self {
        let config = Mpi2Config { queue_depth_max: DEPTH, ..Mpi2Config::default() };
        let (bank, adapter) = DescriptorBank::brought_up(config, 200, 4 << 20);
        let scsi_io = |status: Status, scsi_state, ioc: IocStatus| {
            message_words(|msg_length| ScsiIoReply {
                msg_length,
                function: Function::SCSI_IO_REQUEST,
                scsi_status: status.0,
                scsi_state,
                ioc_status: ioc.0.into(),
                transfer_count: 512.into(),
                sense_count: 18.into(),
                ..ScsiIoReply::new_zeroed()
            })
        };
        let (valid, none) = (ScsiState::AUTOSENSE_VALID, ScsiState(0));
        Self {
            bank,
            adapter,
            batch: Batch::new(2 * usize::from(DEPTH)),
            now: Instant::ZERO,
            random: 1,
            one_page: Pages::scattered(1),
            pages: Pages::straddling(PAGES),
            endings: VecDeque::with_capacity(usize::from(DEPTH)),
            check_condition: scsi_io(Status::CHECK_CONDITION, valid, IocStatus::SUCCESS),
            underrun: scsi_io(Status::GOOD, none, IocStatus::SCSI_DATA_UNDERRUN),
            accepted: 0,
            ended: [0; Ending::COUNT],
        }
    }

    fn run(&mut self, commands: u64) {
        let end = self.accepted + commands;
        while self.accepted < end {
            for _ in 0..ROUND {
                self.submit();
            }
            self.answer();
            self.poll();
            self.now = self.now + Duration::from_micros(100);
        }
    }

    fn submit(&mut self) {
        let ending = match self.next_random() % 100 {
            0..5 => Ending::CheckCondition,
            5..10 => Ending::Underrun,
            10..12 => Ending::TooShort,
            _ => Ending::Good,
        };
        let request = self.request(ending);
        match self.adapter.submit(Vector(0), request, self.now, &mut self.bank) {
            Ok(_) => {
                self.accepted += 1;
                self.endings.push_back(ending);
            }
            Err(rejected) => {
                let seen = match rejected.reason {
                    Refusal::QueueFull => Ending::QueueFull,
                    Refusal::Unsendable(_) => Ending::TooShort,
                    other => panic!("refused: {other}"),
                };
                assert!(seen == ending || seen == Ending::QueueFull, "{seen:?}, not {ending:?}");
                self.ended[seen as usize] += 1;
            }
        }
    }

    fn request(&mut self, ending: Ending) -> Request<Pages> {
        let (lba, access) = (Lba(u64::from(self.next_random())), Access::default());
        let (page, all) = (4096, 4096 * PAGES);
        let (cdb, transfer, data) = match (ending, self.next_random() % 8) {
            (Ending::TooShort, _) => {
                (command::read(lba, 16, access), Transfer::from_device(2 * page), self.one_page)
            }
            (Ending::Underrun, _) | (_, 0 | 1) => {
                (command::read(lba, 8, access), Transfer::from_device(page), self.one_page)
            }
            (_, 2 | 3) => {
                (command::write(lba, 8, access), Transfer::to_device(page), self.one_page)
            }
            (_, 4) => {
                (command::write(lba, 8 * PAGES, access), Transfer::to_device(all), self.pages)
            }
            (_, 5) => {
                (command::read(lba, 8 * PAGES, access), Transfer::from_device(all), self.pages)
            }
            (_, 6) => (Ok(command::flush_all()), Transfer::NONE, Pages::NONE),
            _ => (Ok(TestUnitReady::default().cdb()), Transfer::NONE, Pages::NONE),
        };
        let nexus = Nexus::new(TargetId::new(1 + (lba.0 % 3) as u16), Lun::ZERO);
        Request::new(nexus, cdb.expect("in range"), transfer, data, Cookie(ending as u64))
    }

    fn answer(&mut self) {
        while let Some(smid) = self.bank.take_request() {
            match self.endings.pop_front().expect("requests come in order") {
                Ending::CheckCondition => self.bank.reply(smid, &self.check_condition),
                Ending::Underrun => self.bank.reply(smid, &self.underrun),
                _ => self.bank.succeed(smid),
            }
        }
    }

    fn poll(&mut self) {
        let _ = self.adapter.poll(self.now, &mut self.bank, &mut self.batch);
        while self.adapter.poll_event().is_some() {}
        for done in self.batch.drain() {
            let (cookie, outcome) = (done.completion.cookie.0, done.completion.outcome);
            let failed = cookie == Ending::CheckCondition as u64;
            let status = if failed { Status::CHECK_CONDITION } else { Status::GOOD };
            assert_eq!(outcome, Outcome::Status(status));
            assert_eq!(done.sense.len(), if failed { 18 } else { 0 });
            let short = cookie == Ending::Underrun as u64;
            assert!(failed || (done.completion.residual != 0) == short);
            self.ended[cookie as usize] += 1;
        }
    }

    fn next_random(&mut self) -> u32 {
        self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.random >> 8
    }
}

#[test]
fn no_allocation_between_submit_and_completion_mpi2() {
    let mut story = Story::new();
    story.run(5_000);
    let before = counting::so_far();
    story.run(COMMANDS);
    assert_eq!(counting::so_far(), before, "allocations and frees");
    assert!(story.ended.iter().all(|count| *count > 0), "every ending was seen: {:?}", story.ended);
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
