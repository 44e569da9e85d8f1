//! The I/O path neither allocates nor frees: every way in which a command can end, refusal and recovery included.

extern crate alloc;

mod counting;

use alloc::collections::VecDeque;
use core::time::Duration;

use hba_core::command::{
    Completion, Cookie, Failure, Nexus, Outcome, Refusal, Request, TargetId, Transfer,
};
use hba_core::queue::{Batch, Vector};
use hba_core::time::{Instant, Timeout};
use hba_tests::register_bank::{BankAdapter, Pages, RegisterBank, message_words};
use mpt_backend::mpi1::Mpi1Config;
use mpt_backend::wire::message::{Function, IocStatus};
use mpt_backend::wire::scsi_io::{ScsiIoReply, ScsiState};
use mpt_backend::wire::task_mgmt::{ResponseCode, ScsiTaskMgmtReply};
use scsi_proto::command::{self, Access, Command, TestUnitReady};
use scsi_proto::{Cdb, Direction, Lba, Lun, Status, TaskAttribute};
use sim_backend::disk::{BlockSize, DiskConfig, FlatMedium, SimDisk};
use sim_backend::target::{DataPhase, DmaFault, Execution, Target, Task};
use zerocopy::FromZeros;

/// Commands that are counted; unoptimised code takes fewer, and `tests/run` runs the optimised.
const COMMANDS: u64 = if cfg!(debug_assertions) { 50_000 } else { 1_000_000 };

#[test]
fn no_allocation_between_submit_and_completion() {
    let mut story = Story::new();
    story.run(5_000);
    let before = counting::so_far();
    story.run(COMMANDS);
    assert_eq!(counting::so_far(), before, "allocations and frees");
    let ended = &story.ended;
    assert!(ended.iter().all(|count| *count > 0), "every ending was seen: {ended:?}");
}

/// TEST UNIT READY, INQUIRY, READ and WRITE on a flat medium.
#[test]
fn no_allocation_in_a_command_of_the_simulated_disk() {
    let config = DiskConfig { write_cache: false, ..DiskConfig::nth(0, 1 << 10) };
    let medium = Box::new(FlatMedium::new(1 << 10, BlockSize::B512));
    let mut disk = SimDisk::with_media(&config, vec![medium]).expect("a disk");
    let mut memory = Memory([0x5a; 512]);
    let access = Access::default();
    let ready: (Cdb, _, _) = (TestUnitReady::default().cdb(), Direction::None, 0);
    let inquiry = command::Inquiry { allocation_length: 36, ..Default::default() };
    let commands = [
        ready,
        (inquiry.cdb(), Direction::FromDevice, 36),
        (command::write(Lba(9), 1, access).expect("in range"), Direction::ToDevice, 512),
        (command::read(Lba(9), 1, access).expect("in range"), Direction::FromDevice, 512),
    ];
    let mut execute = |(cdb, direction, data_len): &(Cdb, Direction, u32)| {
        let (lun, attribute) = (Lun::ZERO, TaskAttribute::Simple);
        let task = Task { cdb, lun, direction: *direction, data_len: *data_len, attribute };
        match disk.execute(Instant::ZERO, &task, &mut memory) {
            Execution::Done(executed) => (executed.status, executed.moved),
            Execution::Held => panic!("{cdb:?} is held"),
        }
    };
    assert_eq!(execute(&ready).0, Status::CHECK_CONDITION, "the power-on attention");
    let before = counting::so_far();
    for command in commands.iter().cycle().take(4_000) {
        assert_eq!(execute(command), (Status::GOOD, command.2));
    }
    assert_eq!(counting::so_far(), before, "allocations and frees");
}

/// The initiator's memory.
struct Memory([u8; 512]);

impl DataPhase for Memory {
    fn len(&self) -> u32 {
        self.0.len() as u32
    }

    fn send(&mut self, offset: u32, bytes: &[u8]) -> Result<(), DmaFault> {
        self.0[offset as usize..][..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn receive(&mut self, offset: u32, into: &mut [u8]) -> Result<(), DmaFault> {
        into.copy_from_slice(&self.0[offset as usize..][..into.len()]);
        Ok(())
    }
}

/// How a command is to end; the cookie says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Ending {
    Good,
    CheckCondition,
    Underrun,
    /// Held until it is aborted, and ended by the controller then.
    Terminated,
    /// Held whatever the abort's answer says, until its logical unit is reset.
    Vanished,
    TooLong,
    BufferTooShort,
    QueueFull,
}

impl Ending {
    const COUNT: usize = 8;
}

/// Caller, adapter and controller.
struct Story {
    adapter: BankAdapter<Pages>,
    batch: Batch<Pages>,
    controller: Controller,
    now: Instant,
    random: u32,
    one_page: Pages,
    pages: Pages,
    accepted: u64,
    /// By [`Ending`].
    ended: [u64; Ending::COUNT],
}

/// Most commands outstanding: fewer than a round submits, so that some are refused.
const DEPTH: u16 = 20;
const ROUND: u32 = 24;
const PAGE: u32 = 4096;
/// More than fit a request frame: a chain segment is needed.
const PAGES: u32 = 16;

impl Story {
    fn new() -> Self {
        let config = Mpi1Config { queue_depth_max: DEPTH, ..Mpi1Config::default() };
        let (bank, adapter) = RegisterBank::brought_up(config);
        Self {
            adapter,
            batch: Batch::new(2 * usize::from(DEPTH)),
            controller: Controller::new(bank),
            now: Instant::ZERO,
            random: 1,
            one_page: Pages::scattered(1),
            pages: Pages::scattered(PAGES),
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
            self.controller.work();
            self.poll();
            self.now = self.now + Duration::from_micros(100);
        }
    }

    fn submit(&mut self) {
        let ending = match self.next_random() % 1000 {
            0..5 if self.controller.may_hold() => Ending::Terminated,
            5..10 if self.controller.may_hold() => Ending::Vanished,
            10..50 => Ending::CheckCondition,
            50..90 => Ending::Underrun,
            90..100 => Ending::TooLong,
            100..110 => Ending::BufferTooShort,
            _ => Ending::Good,
        };
        let request = self.request(ending);
        match self.adapter.submit(Vector(0), request, self.now, &mut self.controller.bank) {
            Ok(_) => {
                self.accepted += 1;
                self.controller.endings.push_back(ending);
            }
            Err(rejected) => {
                let seen = match rejected.reason {
                    Refusal::QueueFull => Ending::QueueFull,
                    Refusal::TransferTooLong { .. } => Ending::TooLong,
                    Refusal::Unsendable(_) => Ending::BufferTooShort,
                    other => panic!("refused: {other}"),
                };
                assert!(seen == ending || seen == Ending::QueueFull, "{seen:?}, not {ending:?}");
                self.ended[seen as usize] += 1;
            }
        }
    }

    fn request(&mut self, ending: Ending) -> Request<Pages> {
        let lba = Lba(u64::from(self.next_random()));
        let access = Access::default();
        let (cdb, transfer, data) = match (ending, self.next_random() % 8) {
            (Ending::TooLong, _) => {
                (command::read(lba, 1, access), Transfer::from_device(u32::MAX), self.one_page)
            }
            (Ending::BufferTooShort, _) => {
                (command::read(lba, 16, access), Transfer::from_device(2 * PAGE), self.one_page)
            }
            (Ending::Underrun, _) | (_, 0 | 1) => {
                (command::read(lba, 8, access), Transfer::from_device(PAGE), self.one_page)
            }
            (_, 2 | 3) => {
                (command::write(lba, 8, access), Transfer::to_device(PAGE), self.one_page)
            }
            (_, 4) => {
                let transfer = Transfer::to_device(PAGES * PAGE);
                (command::write(lba, 8 * PAGES, access), transfer, self.pages)
            }
            (_, 5) => (Ok(command::flush_all()), Transfer::NONE, Pages::NONE),
            (_, 6) => (Ok(TestUnitReady::default().cdb()), Transfer::NONE, Pages::NONE),
            _ => (Ok(VENDOR), Transfer::from_device(100), self.one_page),
        };
        let nexus = Nexus::new(TargetId::new((lba.0 % 3) as u16), Lun::ZERO);
        let cookie = Cookie(ending as u64);
        let request = Request::new(nexus, cdb.expect("in range"), transfer, data, cookie);
        match ending {
            Ending::Terminated | Ending::Vanished => request.with_timeout(Timeout::from_millis(1)),
            _ => request,
        }
    }

    fn poll(&mut self) {
        let _ = self.adapter.poll(self.now, &mut self.controller.bank, &mut self.batch);
        while self.adapter.poll_event().is_some() {}
        for done in self.batch.drain() {
            let Completion { cookie, outcome, residual, .. } = done.completion;
            let (expected, sense_len) = match cookie.0 {
                c if c == Ending::CheckCondition as u64 => {
                    (Outcome::Status(Status::CHECK_CONDITION), SENSE.len())
                }
                c if c == Ending::Good as u64 || c == Ending::Underrun as u64 => {
                    (Outcome::Status(Status::GOOD), 0)
                }
                // The reset of its unit may overtake its deadline.
                _ if outcome == Outcome::Failed(Failure::Aborted) => (outcome, 0),
                _ => (Outcome::Failed(Failure::TimedOut), 0),
            };
            assert_eq!((outcome, done.sense.len()), (expected, sense_len));
            assert!(done.sense.is_empty() || done.sense == SENSE);
            assert!(residual == 0 || cookie.0 != Ending::Good as u64);
            assert!(residual != 0 || cookie.0 != Ending::Underrun as u64);
            self.ended[cookie.0 as usize] += 1;
        }
    }

    fn next_random(&mut self) -> u32 {
        self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.random >> 8
    }
}

/// An operation code of the vendor's.
const VENDOR: Cdb = Cdb::from_array([0xc1, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
/// 3/11/00, fixed format; a whole number of words.
const SENSE: [u8; 20] = [0x70, 0, 3, 0, 0, 0, 0, 12, 0, 0, 0, 0, 0x11, 0, 0, 0, 0, 0, 0, 0];

/// The register bank with firmware that ends each request as the test wants.
struct Controller {
    bank: RegisterBank,
    /// What becomes of the requests in the FIFO, oldest first.
    endings: VecDeque<Ending>,
    /// Frames of the requests that wait for their abort.
    held: VecDeque<(u32, Ending)>,
    check_condition: Vec<u32>,
    underrun: Vec<u32>,
    terminated: Vec<u32>,
    task_management: Vec<u32>,
}

/// Offsets in the request frame: SCSI IO `SenseBufferLowAddr`, task management `TaskType` (its word) and `TaskMsgContext`.
const SENSE_ADDRESS: u32 = 0x2c;
const TASK_TYPE: u32 = 0x04;
const LOGICAL_UNIT_RESET: u32 = 5;
const TASK_CONTEXT: u32 = 0x30;
const CONTEXT: u32 = 0x08;

impl Controller {
    /// Most requests that are held.
    const HELD: usize = 6;

    fn new(bank: RegisterBank) -> Self {
        let scsi_io = |status: Status, scsi_state, ioc: IocStatus| {
            message_words(|msg_length| ScsiIoReply {
                msg_length,
                function: Function::SCSI_IO_REQUEST,
                scsi_status: status.0,
                scsi_state,
                ioc_status: ioc.0.into(),
                sense_count: (SENSE.len() as u32).into(),
                ..ScsiIoReply::new_zeroed()
            })
        };
        let task_management = message_words(|msg_length| ScsiTaskMgmtReply {
            msg_length,
            function: Function::SCSI_TASK_MGMT,
            response_code: ResponseCode::TM_COMPLETE,
            ..ScsiTaskMgmtReply::new_zeroed()
        });
        let (valid, none) = (ScsiState::AUTOSENSE_VALID, ScsiState(0));
        Self {
            bank,
            endings: VecDeque::with_capacity(usize::from(DEPTH)),
            held: VecDeque::with_capacity(usize::from(DEPTH)),
            check_condition: scsi_io(Status::CHECK_CONDITION, valid, IocStatus::SUCCESS),
            underrun: scsi_io(Status::GOOD, none, IocStatus::SCSI_DATA_UNDERRUN),
            terminated: scsi_io(Status::GOOD, none, IocStatus::SCSI_IOC_TERMINATED),
            task_management,
        }
    }

    fn may_hold(&self) -> bool {
        let coming = self.endings.iter().filter(|ending| is_held(**ending)).count();
        self.held.len() + coming < Self::HELD
    }

    fn work(&mut self) {
        while let Some(request) = self.bank.take_request() {
            let function = Function((self.bank.memory().load(request) >> 24) as u8);
            if function == Function::SCSI_TASK_MGMT {
                self.manage(request);
                let frame = self.bank.take_free_frame();
                self.bank.reply(request, frame, &self.task_management);
                continue;
            }
            let ending = self.endings.pop_front().expect("requests come in order");
            self.end(request, ending);
        }
    }

    fn end(&mut self, request: u32, ending: Ending) {
        let reply = match ending {
            Ending::CheckCondition => &self.check_condition,
            Ending::Underrun => &self.underrun,
            Ending::Good => return self.bank.succeed(request),
            held => return self.held.push_back((request, held)),
        };
        let frame = self.bank.take_free_frame();
        let sense = self.bank.memory().load(request + SENSE_ADDRESS);
        for (word, at) in SENSE.chunks_exact(4).zip((sense..).step_by(4)) {
            let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
            self.bank.memory().store(at, word);
        }
        self.bank.reply(request, frame, reply);
    }

    /// ABORT TASK and LOGICAL UNIT RESET.
    fn manage(&mut self, task: u32) {
        let load = |at| self.bank.memory().load(at);
        let reset = load(task + TASK_TYPE) >> 8 & 0xff == LOGICAL_UNIT_RESET;
        let (named, target) = (load(task + TASK_CONTEXT), load(task) & 0xff);
        while let Some(at) = self.held.iter().position(|(request, ending)| {
            let load = |at| self.bank.memory().load(at);
            let aborted = *ending == Ending::Terminated && load(request + CONTEXT) == named;
            if reset { load(*request) & 0xff == target } else { aborted }
        }) {
            let Some((request, _)) = self.held.remove(at) else { return };
            let frame = self.bank.take_free_frame();
            self.bank.reply(request, frame, &self.terminated);
        }
    }
}

fn is_held(ending: Ending) -> bool {
    matches!(ending, Ending::Terminated | Ending::Vanished)
}
