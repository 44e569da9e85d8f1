//! Injected faults as an initiator sees them.

use scsi_proto::command::{Inquiry, RequestSense, SynchronizeCache10, Verify10, Write10};
use scsi_proto::{Lba, SenseKey};

use super::*;
use crate::disk::{Hold, Medium, MediumAccess, MediumError, MediumErrorKind, MemoryMedium, Times};

fn fail_writes(initiator: &mut Initiator, lba: u64, times: Times) {
    let condition = Condition::WRITE_ERROR;
    initiator.unit().fail_medium(MediumAccess::Write, Lba(lba), 1, condition, times);
}

#[test]
fn a_bad_block_fails_reads_of_the_medium_only() {
    let mut initiator = Initiator::new(100);
    let condition_ = Condition::UNRECOVERED_READ_ERROR;
    initiator.unit().fail_medium(MediumAccess::Read, Lba(5), 1, condition_, Times::Always);
    let sense = initiator.data_in(read_10(0, 8), 4096).unwrap_err();
    assert_eq!((condition(&sense), sense.information), (condition_, Some(5)));
    let verify = Verify10 { lba: 5, verification_length: 1, ..Default::default() };
    assert_eq!(failure(initiator.none(verify.cdb())), condition_);
    initiator.write_block(5, 1);
    assert_eq!(initiator.block(5), 1, "the cache has it");
    initiator.unit().clear_faults();
    assert_eq!(initiator.data_in(read_10(0, 8), 4096).unwrap().len(), 4096);
}

#[test]
fn a_failed_flush_loses_the_block_and_the_next_one_succeeds() {
    let mut initiator = Initiator::new(100);
    initiator.write_block(3, 1);
    initiator.write_block(4, 2);
    fail_writes(&mut initiator, 3, Times::Next(1));
    let sense = initiator.none(flush_all()).unwrap_err();
    assert_eq!((condition(&sense), sense.information), (Condition::WRITE_ERROR, Some(3)));
    assert!(!sense.deferred);
    assert_eq!(initiator.none(flush_all()), Ok(()));
    assert_eq!((initiator.block(3), initiator.block(4)), (0, 2));
}

#[test]
fn a_failed_fua_write_is_not_acknowledged() {
    let mut initiator = Initiator::new(100);
    fail_writes(&mut initiator, 3, Times::Next(1));
    let fua = Write10 { lba: 3, fua: true, transfer_length: 1, ..Default::default() }.cdb();
    assert_eq!(failure(initiator.data_out(fua, &[1; 512])), Condition::WRITE_ERROR);
    assert_eq!(initiator.data_out(fua, &[1; 512]), Ok(512));
}

#[test]
fn background_write_back_fails_as_a_deferred_error() {
    let mut initiator = Initiator::with(&DiskConfig { cache_blocks: 2, ..DiskConfig::nth(0, 100) });
    fail_writes(&mut initiator, 10, Times::Always);
    for lba in 10..13 {
        initiator.write_block(lba, 1);
    }
    let inquiry = Inquiry { allocation_length: 36, ..Default::default() }.cdb();
    assert!(initiator.data_in(inquiry, 36).is_ok(), "inquiry reports nothing");
    let sense = initiator.none(TEST_UNIT_READY).unwrap_err();
    assert!(sense.deferred);
    assert_eq!((condition(&sense), sense.information), (Condition::WRITE_ERROR, Some(10)));
    assert_eq!(initiator.none(TEST_UNIT_READY), Ok(()));
    assert_eq!((initiator.block(10), initiator.block(11)), (0, 1));
}

#[test]
fn a_failed_immediate_flush_is_a_deferred_error() {
    let mut initiator = Initiator::new(100);
    initiator.write_block(3, 1);
    fail_writes(&mut initiator, 3, Times::Next(1));
    let immediate = SynchronizeCache10 { immed: true, ..Default::default() }.cdb();
    assert_eq!(initiator.none(immediate), Ok(()));
    assert_eq!(initiator.unit().cached_blocks(), 1, "nothing happened yet");
    let request = RequestSense { allocation_length: 252, ..Default::default() }.cdb();
    let sense = Sense::parse(&initiator.data_in(request, 252).unwrap()).unwrap();
    assert_eq!((sense.deferred, sense.key), (true, SenseKey::MEDIUM_ERROR));
    assert_eq!(initiator.none(TEST_UNIT_READY), Ok(()), "it is reported once");
}

#[test]
fn injected_errors_come_in_order() {
    let mut initiator = Initiator::new(100);
    initiator.unit().defer_error(Lba(7), Condition::WRITE_ERROR);
    initiator.unit().raise_attention(Condition::MODE_PARAMETERS_CHANGED);
    assert_eq!(failure(initiator.none(TEST_UNIT_READY)), Condition::MODE_PARAMETERS_CHANGED);
    let sense = initiator.none(TEST_UNIT_READY).unwrap_err();
    assert_eq!((sense.deferred, sense.information), (true, Some(7)));
    assert_eq!(initiator.none(TEST_UNIT_READY), Ok(()));
}

#[test]
fn refused_commands_are_not_executed() {
    let mut initiator = Initiator::new(100);
    initiator.unit().refuse_commands(Status::TASK_SET_FULL, Times::Next(2));
    for _ in 0..2 {
        let mut buffer = Buffer(vec![1; 512]);
        let executed = initiator.execute(&write_10(0, 1), Direction::ToDevice, &mut buffer);
        assert_eq!((executed.status, executed.moved), (Status::TASK_SET_FULL, 0));
    }
    assert_eq!(initiator.block(0), 0);
}

#[test]
fn short_transfers_say_good() {
    let mut initiator = Initiator::new(100);
    initiator.unit().limit_data(700, Times::Next(2));
    assert_eq!(initiator.data_out(write_10(0, 2), &[1; 1024]), Ok(700));
    assert_eq!(initiator.data_in(read_10(0, 2), 1024).unwrap().len(), 700);
    assert_eq!((initiator.block(0), initiator.block(1)), (1, 0));
}

#[test]
fn failed_flushes_keep_the_cache() {
    let mut initiator = Initiator::new(100);
    initiator.write_block(3, 1);
    initiator.unit().fail_flushes(Condition::INTERNAL_TARGET_FAILURE, Times::Next(1));
    assert_eq!(failure(initiator.none(flush_all())), Condition::INTERNAL_TARGET_FAILURE);
    assert_eq!(initiator.unit().cached_blocks(), 1);
    assert_eq!(initiator.none(flush_all()), Ok(()));
    assert_eq!(initiator.unit().cached_blocks(), 0);
}

#[test]
fn held_commands_are_executed_when_they_are_offered_again() {
    let mut initiator = Initiator::new(100);
    let offer = |initiator: &mut Initiator, cdb: Cdb| {
        let task = Task {
            cdb: &cdb,
            lun: Lun::ZERO,
            direction: Direction::None,
            data_len: 0,
            attribute: TaskAttribute::Simple,
        };
        initiator.disk.execute(Instant::default(), &task, &mut Buffer(Vec::new()))
    };
    initiator.disk.hold(Hold::Flushes);
    assert_eq!(offer(&mut initiator, flush_all()), Execution::Held);
    assert_eq!(offer(&mut initiator, TEST_UNIT_READY), Execution::Done(Executed::good(0)));
    initiator.disk.hold(Hold::Everything);
    assert_eq!(offer(&mut initiator, TEST_UNIT_READY), Execution::Held);
    initiator.disk.hold(Hold::Nothing);
    assert_eq!(offer(&mut initiator, flush_all()), Execution::Done(Executed::good(0)));
    initiator.disk.power_cut();
    assert_eq!(offer(&mut initiator, TEST_UNIT_READY), Execution::Held);
}

#[test]
fn unmapped_memory_ends_the_command() {
    struct Unmapped;
    impl DataPhase for Unmapped {
        fn len(&self) -> u32 {
            512
        }
        fn send(&mut self, _: u32, bytes: &[u8]) -> Result<(), DmaFault> {
            Err(fault(bytes.len()))
        }
        fn receive(&mut self, _: u32, into: &mut [u8]) -> Result<(), DmaFault> {
            Err(fault(into.len()))
        }
    }
    fn fault(len: usize) -> DmaFault {
        DmaFault {
            address: hba_core::dma::BusAddr::new(0),
            len: len as u32,
            direction: crate::memory::DmaDirection::DeviceReads,
            requester: None,
            cause: crate::memory::DmaFaultCause::NoMemory,
        }
    }
    let mut initiator = Initiator::new(100);
    for (cdb, direction) in
        [(write_10(0, 1), Direction::ToDevice), (read_10(0, 1), Direction::FromDevice)]
    {
        let task = Task {
            cdb: &cdb,
            lun: Lun::ZERO,
            direction,
            data_len: 512,
            attribute: TaskAttribute::Simple,
        };
        let Execution::Done(executed) =
            initiator.disk.execute(Instant::default(), &task, &mut Unmapped)
        else {
            panic!("held");
        };
        assert_eq!(failure(outcome(&executed)), Condition::DATA_PHASE_ERROR);
    }
    assert_eq!(initiator.unit().cached_blocks(), 0);
}

/// A medium of the host whose storage takes writes and fails to make them durable.
#[derive(Debug)]
struct FailingSync(MemoryMedium);

impl Medium for FailingSync {
    fn blocks(&self) -> u64 {
        self.0.blocks()
    }
    fn block_size(&self) -> BlockSize {
        self.0.block_size()
    }
    fn read(&mut self, lba: Lba, data: &mut [u8]) -> Result<(), MediumError> {
        self.0.read(lba, data)
    }
    fn write(&mut self, lba: Lba, data: &[u8]) -> Result<(), MediumError> {
        self.0.write(lba, data)
    }
    fn deallocate(&mut self, lba: Lba, blocks: u64) -> Result<(), MediumError> {
        self.0.deallocate(lba, blocks)
    }
    fn sync(&mut self) -> Result<(), MediumError> {
        let kind = MediumErrorKind::Io(std::io::ErrorKind::StorageFull.into());
        Err(MediumError { lba: Lba(0), kind })
    }
}

#[test]
fn whatever_promises_durability_fails_with_the_sync_of_the_medium() {
    let on_failing_sync = |config: &DiskConfig| {
        let medium = FailingSync(MemoryMedium::new(100, BlockSize::B512));
        let disk = SimDisk::with_media(config, vec![Box::new(medium)]).unwrap();
        let mut initiator = Initiator { disk, lun: Lun::ZERO };
        initiator.none(TEST_UNIT_READY).unwrap_err();
        initiator
    };
    let mut initiator = on_failing_sync(&DiskConfig::default());
    initiator.write_block(0, 1);
    assert_eq!(failure(initiator.none(flush_all())), Condition::WRITE_ERROR);
    let fua = Write10 { fua: true, transfer_length: 1, ..Default::default() }.cdb();
    assert_eq!(failure(initiator.data_out(fua, &[1; 512])), Condition::WRITE_ERROR);
    let write_through = DiskConfig { write_cache: false, ..DiskConfig::default() };
    let mut initiator = on_failing_sync(&write_through);
    assert_eq!(failure(initiator.data_out(write_10(0, 1), &[1; 512])), Condition::WRITE_ERROR);
}
