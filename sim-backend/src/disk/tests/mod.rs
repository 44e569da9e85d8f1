//! Stories of an initiator and a disk, one file per behaviour.

mod commands;
mod discovery;
mod durability;
mod errors;
mod faults;
mod modes;
mod provisioning;

use hba_core::time::Instant;
use scsi_proto::command::Command;
use scsi_proto::{Cdb, Direction, Lun, Sense, Status, TaskAttribute};

use super::{BlockSize, Condition, DiskConfig, SimDisk, UnitControl};
use crate::target::{DataPhase, DmaFault, Executed, Execution, Target, Task};

/// The initiator's buffer, all of it mapped.
struct Buffer(Vec<u8>);

impl DataPhase for Buffer {
    fn len(&self) -> u32 {
        self.0.len() as u32
    }

    fn send(&mut self, offset: u32, bytes: &[u8]) -> Result<(), DmaFault> {
        let room = self.0.get_mut(offset as usize..).unwrap_or_default();
        room.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        Ok(())
    }

    fn receive(&mut self, offset: u32, into: &mut [u8]) -> Result<(), DmaFault> {
        let offered = self.0.get(offset as usize..).unwrap_or_default();
        into.iter_mut().zip(offered).for_each(|(to, from)| *to = *from);
        Ok(())
    }
}

/// An initiator with a disk on its other end.
struct Initiator {
    disk: SimDisk,
    lun: Lun,
}

impl Initiator {
    /// The default disk with `blocks` blocks of 512 bytes, after its first unit attention.
    fn new(blocks: u64) -> Self {
        Self::with(&DiskConfig::nth(0, blocks))
    }

    fn with(config: &DiskConfig) -> Self {
        let mut initiator = Self { disk: SimDisk::new(config).unwrap(), lun: Lun::ZERO };
        let sense = initiator.none(TEST_UNIT_READY).unwrap_err();
        assert_eq!(condition(&sense), Condition::POWER_ON_OCCURRED);
        initiator
    }

    fn unit(&mut self) -> UnitControl<'_> {
        self.disk.unit(0).unwrap()
    }

    /// Executes a command that must not be held.
    fn execute(&mut self, cdb: &Cdb, direction: Direction, buffer: &mut Buffer) -> Executed {
        let data_len = buffer.len();
        let task =
            Task { cdb, lun: self.lun, direction, data_len, attribute: TaskAttribute::Simple };
        match self.disk.execute(Instant::default(), &task, buffer) {
            Execution::Done(executed) => executed,
            Execution::Held => panic!("{cdb} was held"),
        }
    }

    /// A command without data: its sense data where it fails.
    fn none(&mut self, cdb: Cdb) -> Result<(), Sense> {
        let executed = self.execute(&cdb, Direction::None, &mut Buffer(Vec::new()));
        outcome(&executed).map(drop)
    }

    /// A data-in command with a buffer of `len` bytes: the bytes that it moved.
    fn data_in(&mut self, cdb: Cdb, len: usize) -> Result<Vec<u8>, Sense> {
        let mut buffer = Buffer(vec![0xa5; len]);
        let executed = self.execute(&cdb, Direction::FromDevice, &mut buffer);
        let moved = outcome(&executed)? as usize;
        assert!(
            buffer.0.iter().skip(moved).all(|byte| *byte == 0xa5),
            "{cdb} wrote past its count"
        );
        buffer.0.truncate(moved);
        Ok(buffer.0)
    }

    /// A data-out command: the bytes that it wanted.
    fn data_out(&mut self, cdb: Cdb, data: &[u8]) -> Result<u32, Sense> {
        outcome(&self.execute(&cdb, Direction::ToDevice, &mut Buffer(data.to_vec())))
    }

    /// Fills a block with one byte.
    fn write_block(&mut self, lba: u32, value: u8) {
        assert_eq!(self.data_out(write_10(lba, 1), &[value; 512]), Ok(512));
    }

    /// The byte that fills a block.
    fn block(&mut self, lba: u32) -> u8 {
        let block = self.data_in(read_10(lba, 1), 512).unwrap();
        assert!(block.iter().all(|byte| *byte == block[0]), "block {lba} is torn");
        block[0]
    }

    /// Power off and on, and the unit attention that tells of it.
    fn power_cycle(&mut self) {
        self.disk.power_cut();
        self.disk.power_on();
        let sense = self.none(TEST_UNIT_READY).unwrap_err();
        assert_eq!(condition(&sense), Condition::POWER_ON_OCCURRED);
    }
}

fn outcome(executed: &Executed) -> Result<u32, Sense> {
    match executed.status {
        Status::GOOD => {
            assert!(executed.sense.as_bytes().is_empty());
            Ok(executed.moved)
        }
        Status::CHECK_CONDITION => Err(Sense::parse(executed.sense.as_bytes()).unwrap()),
        status => panic!("status is {status}"),
    }
}

fn condition(sense: &Sense) -> Condition {
    Condition { key: sense.key, additional: sense.additional }
}

/// The condition that a command failed with.
fn failure<T: core::fmt::Debug>(outcome: Result<T, Sense>) -> Condition {
    condition(&outcome.unwrap_err())
}

const TEST_UNIT_READY: Cdb = Cdb::from_array([0; 6]);

fn read_10(lba: u32, transfer_length: u16) -> Cdb {
    scsi_proto::command::Read10 { lba, transfer_length, ..Default::default() }.cdb()
}

fn write_10(lba: u32, transfer_length: u16) -> Cdb {
    scsi_proto::command::Write10 { lba, transfer_length, ..Default::default() }.cdb()
}

fn flush_all() -> Cdb {
    scsi_proto::command::SynchronizeCache10::default().cdb()
}
