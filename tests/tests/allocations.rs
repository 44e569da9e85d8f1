//! The I/O path neither allocates nor frees: every way in which a command can end, refusal and recovery included.

extern crate alloc;

mod counting;

use alloc::collections::VecDeque;

use hba_core::register::Registers;
use hba_core::time::Instant;
use hba_tests::every_ending::{DEPTH, Ending, Firmware, SENSE, Story};
use hba_tests::register_bank::{
    BankAdapter, BankFifo, Pages, RegisterBank, message_words, scsi_io_reply,
};
use mpt_backend::mpi1::{Mpi1, Mpi1Config};
use mpt_backend::wire::message::{Function, IocStatus};
use mpt_backend::wire::scsi_io::ScsiState;
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
    let mut story = Story::<Controller>::new();
    story.run(5_000);
    let before = counting::so_far();
    story.run(COMMANDS);
    assert_eq!(counting::so_far(), before, "allocations and frees");
    story.saw_every_ending();
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

/// The register bank with firmware that ends each request as the test wants.
struct Controller {
    bank: RegisterBank,
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
        let scsi_io = |status, state, ioc| scsi_io_reply(status, state, ioc, 0, SENSE.len() as u32);
        let task_management = message_words(|msg_length| ScsiTaskMgmtReply {
            msg_length,
            function: Function::SCSI_TASK_MGMT,
            response_code: ResponseCode::TM_COMPLETE,
            ..ScsiTaskMgmtReply::new_zeroed()
        });
        let (valid, none) = (ScsiState::AUTOSENSE_VALID, ScsiState(0));
        Self {
            bank,
            held: VecDeque::with_capacity(usize::from(DEPTH)),
            check_condition: scsi_io(Status::CHECK_CONDITION, valid, IocStatus::SUCCESS),
            underrun: scsi_io(Status::GOOD, none, IocStatus::SCSI_DATA_UNDERRUN),
            terminated: scsi_io(Status::GOOD, none, IocStatus::SCSI_IOC_TERMINATED),
            task_management,
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

impl Firmware for Controller {
    type Port = Mpi1<BankFifo>;
    const HOLDS: bool = true;

    fn start() -> (Self, BankAdapter<Pages>) {
        let config = Mpi1Config { queue_depth_max: DEPTH, ..Mpi1Config::default() };
        let (bank, adapter) = RegisterBank::brought_up(config);
        (Self::new(bank), adapter)
    }

    /// More than fit a request frame: a chain segment is needed.
    fn pages() -> (u32, Pages) {
        (16, Pages::scattered(16))
    }

    fn registers(&mut self) -> &mut dyn Registers {
        &mut self.bank
    }

    fn may_hold(&self, coming: &VecDeque<Ending>) -> bool {
        let coming = coming.iter().filter(|ending| ending.is_held()).count();
        self.held.len() + coming < Self::HELD
    }

    fn work(&mut self, endings: &mut VecDeque<Ending>) {
        while let Some(request) = self.bank.take_request() {
            let function = Function((self.bank.memory().load(request) >> 24) as u8);
            if function == Function::SCSI_TASK_MGMT {
                self.manage(request);
                let frame = self.bank.take_free_frame();
                self.bank.reply(request, frame, &self.task_management);
                continue;
            }
            let ending = endings.pop_front().expect("requests come in order");
            self.end(request, ending);
        }
    }
}
