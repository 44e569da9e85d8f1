//! One command on the simulated disk: the program that `tests/instructions` counts.
//!
//! ```text
//! disk SCENARIO core|harness COMMANDS
//! ```
//!
//! `core` offers tasks to a disk, `harness` to a target that does nothing, so their difference is the disk: dispatch,
//! reading the CDB, the blocks, the data phase up to the initiator's memory.

use core::hint::black_box;
use std::process::ExitCode;

use hba_core::time::Instant;
use scsi_proto::command::{self, Access, Command, Inquiry, TestUnitReady};
use scsi_proto::{Cdb, Direction, Lba, Lun, TaskAttribute};
use sim_backend::disk::{BlockSize, DiskConfig, FlatMedium, SimDisk};
use sim_backend::target::{DataPhase, DmaFault, Executed, Execution, SasAddress, Target, Task};

/// Blocks of the disk.
const BLOCKS: u32 = 1 << 16;

/// What is repeated.
#[derive(Clone, Copy)]
struct Scenario {
    name: &'static str,
    operation: Operation,
    /// The disk with a write cache on a sparse medium, not a flat one without.
    modelled: bool,
}

#[derive(Clone, Copy)]
enum Operation {
    TestUnitReady,
    Inquiry,
    Read,
    Write,
}

const fn scenario(name: &'static str, operation: Operation, modelled: bool) -> Scenario {
    Scenario { name, operation, modelled }
}

const SCENARIOS: [Scenario; 8] = [
    scenario("disk-ready", Operation::TestUnitReady, false),
    scenario("disk-inquiry", Operation::Inquiry, false),
    scenario("disk-read", Operation::Read, false),
    scenario("disk-write", Operation::Write, false),
    scenario("modelled-ready", Operation::TestUnitReady, true),
    scenario("modelled-inquiry", Operation::Inquiry, true),
    scenario("modelled-read", Operation::Read, true),
    scenario("modelled-write", Operation::Write, true),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let [scenario, program, commands] = arguments.as_slice() else {
        eprintln!("counted by tests/instructions; arguments: SCENARIO core|harness COMMANDS");
        return ExitCode::from(if arguments.is_empty() { 0 } else { 2 });
    };
    let scenario = SCENARIOS.iter().find(|s| s.name == scenario);
    let (Some(scenario), Ok(commands)) = (scenario, commands.parse::<u32>()) else {
        eprintln!("no such scenario, or no number of commands");
        return ExitCode::from(2);
    };
    let moved = match program.as_str() {
        "core" => run(&mut disk(scenario.modelled), scenario.operation, commands),
        _ => run(&mut Nothing, scenario.operation, commands),
    };
    println!("{moved}");
    ExitCode::SUCCESS
}

fn disk(modelled: bool) -> SimDisk {
    let config = DiskConfig { write_cache: modelled, ..DiskConfig::nth(0, BLOCKS.into()) };
    let disk = if modelled {
        SimDisk::new(&config)
    } else {
        SimDisk::with_media(&config, vec![Box::new(FlatMedium::new(BLOCKS, BlockSize::B512))])
    };
    disk.expect("a disk")
}

fn run<T: Target>(target: &mut T, operation: Operation, commands: u32) -> u64 {
    // The unit attention of power-on goes with the first command.
    offer(target, Operation::TestUnitReady, 0, &mut Memory([0; 512]));
    let mut memory = Memory([0x5a; 512]);
    (0..commands).map(|n| u64::from(offer(target, operation, n, &mut memory))).sum()
}

#[inline(never)]
fn offer<T: Target>(target: &mut T, operation: Operation, n: u32, memory: &mut Memory) -> u32 {
    let lba = Lba(u64::from(n % 64 * 8));
    let (cdb, direction, data_len): (Cdb, _, _) = match operation {
        Operation::TestUnitReady => (TestUnitReady::default().cdb(), Direction::None, 0),
        Operation::Inquiry => {
            let inquiry = Inquiry { allocation_length: 36, ..Inquiry::default() };
            (inquiry.cdb(), Direction::FromDevice, 36)
        }
        Operation::Read => {
            let cdb = command::read(lba, 1, Access::default()).expect("in range");
            (cdb, Direction::FromDevice, 512)
        }
        Operation::Write => {
            let cdb = command::write(lba, 1, Access::default()).expect("in range");
            (cdb, Direction::ToDevice, 512)
        }
    };
    let attribute = TaskAttribute::Simple;
    let task = Task { cdb: &cdb, lun: Lun::ZERO, direction, data_len, attribute };
    match black_box(execute(target, black_box(&task), memory)) {
        Execution::Done(executed) => executed.moved,
        Execution::Held => 0,
    }
}

#[inline(never)]
fn execute<T: Target>(target: &mut T, task: &Task<'_>, memory: &mut Memory) -> Execution {
    target.execute(Instant::ZERO, task, memory)
}

/// The initiator's memory.
struct Memory([u8; 512]);

impl DataPhase for Memory {
    fn len(&self) -> u32 {
        self.0.len() as u32
    }

    fn send(&mut self, offset: u32, bytes: &[u8]) -> Result<(), DmaFault> {
        let room = self.0.get_mut(offset as usize..).unwrap_or_default();
        let len = bytes.len().min(room.len());
        room[..len].copy_from_slice(&bytes[..len]);
        Ok(())
    }

    fn receive(&mut self, offset: u32, into: &mut [u8]) -> Result<(), DmaFault> {
        let offered = self.0.get(offset as usize..).unwrap_or_default();
        let len = into.len().min(offered.len());
        into[..len].copy_from_slice(&offered[..len]);
        Ok(())
    }
}

/// A target that answers GOOD and moves nothing.
struct Nothing;

impl Target for Nothing {
    fn sas_address(&self) -> SasAddress {
        SasAddress(0)
    }

    fn execute(&mut self, _: Instant, task: &Task<'_>, _: &mut dyn DataPhase) -> Execution {
        Execution::Done(Executed::good(task.data_len))
    }

    fn logical_unit_reset(&mut self, _: Lun) {}
    fn target_reset(&mut self) {}
    fn i_t_nexus_loss(&mut self) {}
    fn power_cut(&mut self) {}
    fn power_on(&mut self) {}
}
