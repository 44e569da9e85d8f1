//! A violation of each oracle that looks at single events, and the oracle that speaks.

use hba_core::command::Failure;
use hba_core::durability::Flush;
use hba_core::name::{CommandHandle, Nexus, TargetId};
use hba_core::port::BadReply;
use hba_core::queue::Vector;
use scsi_proto::Lun;

use super::super::flight::BLOCK;
use super::super::ledger::WriteId;
use super::super::plan::{Kind, Operation, Site};
use super::*;
use crate::memory::SimMemory;

const GOOD: Outcome = Outcome::Status(Status::GOOD);
const CHECK: Outcome = Outcome::Status(Status::CHECK_CONDITION);
/// 6/29/01, power on occurred.
const POWER_ON: [u8; 18] = [0x70, 0, 6, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x29, 1, 0, 0, 0, 0];

/// A judge, and a world that consists of what the test tells it.
struct Court {
    judge: Judge,
    memory: SimMemory,
    now: Instant,
    writes: u32,
}

impl Court {
    fn new(change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options { disks: 2, ..Options::default() };
        change(&mut options);
        let plan = Plan { seed: 1, options, operations: Vec::new(), schedule: Vec::new() };
        let memory = SimMemory::new(1 << 20);
        Self { judge: Judge::new(&plan), memory, now: Instant::from_millis(1), writes: 0 }
    }

    const fn handle() -> AdapterHandle {
        AdapterHandle { vector: Vector(0), command: CommandHandle::NEVER_SENT }
    }

    fn flight(&mut self, kind: Kind, lba: u32) -> Flight {
        let op = Operation { kind, unit: 0, lba, blocks: 1, vector: 0 };
        self.writes += u32::from(kind.is_write());
        let id = WriteId(if kind.is_write() { self.writes } else { 0 });
        let mut flight = Flight::new(op, id);
        flight.at = self.now;
        flight.number = self.judge.number();
        flight
    }

    /// A submit that was accepted.
    fn submit(&mut self, kind: Kind, lba: u32) -> usize {
        let flight = self.flight(kind, lba);
        self.judge.submitted(flight, Self::handle());
        self.judge.flights.len() - 1
    }

    /// The device executes it.
    fn execute(&mut self, index: usize, status: Status) -> Verdict {
        let Flight { op, id, number, .. } = self.judge.flights[index];
        let opcode = flight::cdb(op).opcode();
        let stamp = flight::stamp(op.unit, op.lba, id);
        let moved = if status == Status::GOOD { flight::transfer(op).length } else { 0 };
        let seen = Seen { lun: 0, opcode, number, status, moved, stamp, loss: false };
        self.judge.executed(op.unit, &seen)
    }

    fn completion(&self, index: usize, outcome: Outcome) -> Completion<Data> {
        let cookie = Cookie(index as u64);
        let handle = CommandHandle::NEVER_SENT;
        let asked = self.judge.flights.get(index).map_or(0, |f| flight::transfer(f.op).length);
        let transferred = if outcome == GOOD { asked } else { 0 };
        let residual = asked - transferred;
        Completion { cookie, handle, data: None, outcome, transferred, residual }
    }

    fn end(&mut self, completion: Completion<Data>, sense: &[u8]) -> Verdict {
        self.judge.completed(&Done { completion, sense }, self.now)
    }

    /// Executed, and reported as such.
    fn done(&mut self, kind: Kind, lba: u32) -> usize {
        let index = self.submit(kind, lba);
        self.execute(index, Status::GOOD).unwrap();
        let completion = self.completion(index, GOOD);
        self.end(completion, &[]).unwrap();
        index
    }

    /// A read that brings what write `id` put at `lba` of `unit`.
    fn read(&mut self, lba: u32, unit: u32, id: WriteId) -> Verdict {
        let index = self.submit(Kind::Read, lba);
        self.execute(index, Status::GOOD).unwrap();
        let mut buffer = self.memory.buffer(BLOCK).unwrap();
        let op = Operation { kind: Kind::Write, unit, lba, blocks: 1, vector: 0 };
        if id == WriteId(0) {
            buffer.write(&[0; BLOCK]);
        } else {
            flight::fill(&mut buffer, op, id);
        }
        let mut completion = self.completion(index, GOOD);
        completion.data = Some(buffer);
        self.judge.flights[index].memory = flight::place(&completion.data);
        self.end(completion, &[])
    }

    fn write_id(&self, index: usize) -> WriteId {
        self.judge.flights[index].id
    }
}

/// How the device ended a command, and the caller hears of it.
impl Court {
    fn ends(&mut self, index: usize, status: Status, sense: &[u8]) -> Verdict {
        self.execute(index, status).unwrap();
        let completion = self.completion(index, Outcome::Status(status));
        self.end(completion, sense)
    }
}

#[track_caller]
fn fires(verdict: Verdict, oracle: Oracle) {
    assert_eq!(verdict.expect_err("nobody noticed").oracle, oracle);
}

/// A flush of the core, as it is when the device has answered it.
fn typed(court: &mut Court, good: bool) -> Concluding {
    let nexus = Nexus::new(TargetId::new(0), Lun::ZERO);
    Concluding { nexus, unit: 0, begun: court.judge.tick(), good }
}

/// What the core says of a flush that no loss is known of.
fn succeeds() -> Result<Flushed, FlushError> {
    use hba_core::adapter::Adapter;
    use hba_core::control::RecoveryConfig;
    use hba_core::dispatch::ClassTimeouts;
    use hba_core::durability::{Ended, FlushConfig, FlushStep};

    let port = crate::direct::DirectControl::new(crate::direct::DirectConfig::default());
    let (recovery, timeouts) = (RecoveryConfig::default(), ClassTimeouts::default());
    let mut adapter: Adapter<_, Data> = Adapter::new(port, recovery, timeouts, Instant::ZERO);
    let nexus = Nexus::new(TargetId::new(0), Lun::ZERO);
    let mut flush: Flush = adapter.begin_flush(nexus, FlushConfig::default()).unwrap();
    let ended = Ended { outcome: GOOD, transferred: 0, residual: 0, sense: &[] };
    assert_eq!(flush.handle_end(&ended, Instant::ZERO), FlushStep::Settle);
    adapter.durability_mut().conclude(flush)
}

#[test]
fn o01_exactly_once() {
    let mut court = Court::new(|_| {});
    let index = court.done(Kind::Ready, 0);
    let again = court.completion(index, GOOD);
    fires(court.end(again, &[]), Oracle::ExactlyOnce);
    court.submit(Kind::Ready, 0);
    fires(court.judge.all_ended(), Oracle::ExactlyOnce);
}

#[test]
fn o02_a_refused_submit_has_no_effect() {
    let mut court = Court::new(|_| {});
    let mut flight = court.flight(Kind::Write, 0);
    flight.memory = Some(BusAddr::new(0x1000));
    fires(court.judge.refused(flight.clone(), None), Oracle::Refused);
    court.judge.refused(flight, Some(BusAddr::new(0x1000))).unwrap();
    fires(court.execute(0, Status::GOOD), Oracle::Refused);
    let completion = court.completion(0, GOOD);
    fires(court.end(completion, &[]), Oracle::Refused);
}

#[test]
fn o03_a_completion_names_its_command_and_brings_its_memory() {
    let mut court = Court::new(|_| {});
    let index = court.submit(Kind::Ready, 0);
    let mut completion = court.completion(index, GOOD);
    completion.data = Some(court.memory.buffer(BLOCK).unwrap());
    fires(court.end(completion, &[]), Oracle::Identity);
    let unknown = court.completion(77, GOOD);
    fires(court.end(unknown, &[]), Oracle::Identity);
}

#[test]
fn o04_no_success_before_the_device_executed_the_command() {
    for kind in [Kind::Write, Kind::Ready] {
        let mut court = Court::new(|_| {});
        let index = court.submit(kind, 0);
        let completion = court.completion(index, GOOD);
        fires(court.end(completion, &[]), Oracle::NoEarlySuccess);
    }
    // Not this one, but another of its kind.
    let mut court = Court::new(|_| {});
    let (first, second) = (court.submit(Kind::Ready, 0), court.submit(Kind::Ready, 0));
    court.execute(second, Status::GOOD).unwrap();
    let completion = court.completion(first, GOOD);
    fires(court.end(completion, &[]), Oracle::NoEarlySuccess);
    // It was executed, and the device said something else.
    let mut court = Court::new(|_| {});
    let third = court.submit(Kind::Ready, 0);
    court.execute(third, Status::BUSY).unwrap();
    let completion = court.completion(third, GOOD);
    fires(court.end(completion, &[]), Oracle::NoEarlySuccess);
}

#[test]
fn o05_no_access_after_the_completion() {
    let mut court = Court::new(|_| {});
    for kind in [Kind::Write, Kind::Ready] {
        let index = court.submit(kind, 0);
        court.judge.flights[index].aborted = true;
        let completion = court.completion(index, Outcome::Failed(Failure::Aborted));
        court.end(completion, &[]).unwrap();
        fires(court.execute(index, Status::GOOD), Oracle::NoLateAccess);
    }
    let mut buffer = court.memory.buffer(BLOCK).unwrap();
    flight::poison(&mut buffer, 1);
    court.judge.idle_memory(&buffer).unwrap();
    buffer.write(&[1]);
    fires(court.judge.idle_memory(&buffer), Oracle::NoLateAccess);
}

#[test]
fn o07_a_read_gives_an_admissible_version() {
    let mut court = Court::new(|_| {});
    let id = court.done(Kind::Write, 3);
    let id = court.write_id(id);
    court.read(3, 0, id).unwrap();
    fires(court.read(3, 1, id), Oracle::ReadData);
    fires(court.read(4, 0, id), Oracle::ReadData);
}

#[test]
fn o08_a_write_that_is_done_is_seen() {
    let mut court = Court::new(|_| {});
    court.done(Kind::Write, 3);
    fires(court.read(3, 0, WriteId(0)), Oracle::Visible);
}

#[test]
fn o09_what_was_flushed_survives() {
    let mut court = Court::new(|_| {});
    court.done(Kind::Write, 3);
    court.done(Kind::Flush, 0);
    court.judge.power_cut(0);
    fires(court.read(3, 0, WriteId(0)), Oracle::DurableFloor);
}

#[test]
fn o10_what_survived_a_cut_does_not_revert() {
    let mut court = Court::new(|_| {});
    let index = court.done(Kind::Write, 3);
    let id = court.write_id(index);
    court.judge.power_cut(0);
    court.read(3, 0, id).unwrap();
    court.judge.power_cut(0);
    fires(court.read(3, 0, WriteId(0)), Oracle::NoRevert);
}

#[test]
fn o11_a_failed_flush_stays_failed_until_it_is_acknowledged() {
    let mut deferred = POWER_ON;
    deferred[0] = 0x71;
    let mut court = Court::new(|_| {});
    court.done(Kind::Write, 3);
    let index = court.submit(Kind::Ready, 0);
    court.ends(index, Status::CHECK_CONDITION, &deferred).unwrap();
    let flush = typed(&mut court, true);
    fires(court.judge.flush_concluded(flush, succeeds()), Oracle::StickyFlush);
    court.judge.acknowledged(0);
    court.judge.flush_concluded(flush, succeeds()).unwrap();
    let unanswered = typed(&mut court, false);
    fires(court.judge.flush_concluded(unanswered, succeeds()), Oracle::StickyFlush);
}

#[test]
fn o12_after_a_cache_loss_the_first_flush_fails() {
    for told in [true, false] {
        let mut court = Court::new(|_| {});
        court.done(Kind::Write, 3);
        court.judge.power_cut(0);
        if told {
            let index = court.submit(Kind::Ready, 0);
            court.ends(index, Status::CHECK_CONDITION, &POWER_ON).unwrap();
        }
        let flush = typed(&mut court, true);
        fires(court.judge.flush_concluded(flush, succeeds()), Oracle::CacheLoss);
    }
    // Nothing was in the cache: nothing is lost.
    let mut court = Court::new(|_| {});
    court.done(Kind::WriteFua, 3);
    court.judge.power_cut(0);
    let flush = typed(&mut court, true);
    court.judge.flush_concluded(flush, succeeds()).unwrap();
}

#[test]
fn o13_a_write_with_fua_is_durable() {
    let mut court = Court::new(|_| {});
    court.done(Kind::WriteFua, 3);
    court.judge.power_cut(0);
    fires(court.read(3, 0, WriteId(0)), Oracle::FuaDurable);
}

#[test]
fn o14_ordered_commands_are_executed_in_order() {
    let mut court = Court::new(|_| {});
    let greeting = court.submit(Kind::Ready, 0);
    court.ends(greeting, Status::CHECK_CONDITION, &POWER_ON).unwrap();
    court.submit(Kind::Write, 1);
    let ordered = court.submit(Kind::WriteOrdered, 2);
    fires(court.execute(ordered, Status::GOOD), Oracle::Order);
}

#[test]
fn o14_is_asked_whatever_a_flush_with_immed_does() {
    let mut court = Court::new(|options| options.sync_progress = 2);
    let first = court.submit(Kind::WriteOrdered, 1);
    let second = court.submit(Kind::WriteOrdered, 2);
    // NOT READY, before the disk asked for the data.
    court.execute(first, Status::CHECK_CONDITION).unwrap();
    court.execute(second, Status::GOOD).unwrap();
    court.submit(Kind::WriteOrdered, 3);
    let fourth = court.submit(Kind::WriteOrdered, 4);
    fires(court.execute(fourth, Status::GOOD), Oracle::Order);
    // What one disk does does not change the order.
    strike(&mut court, Fault::Busy);
    let fifth = court.submit(Kind::WriteOrdered, 5);
    fires(court.execute(fifth, Status::GOOD), Oracle::Order);
    strike(&mut court, Fault::Reset);
    let sixth = court.submit(Kind::WriteOrdered, 6);
    court.execute(sixth, Status::GOOD).expect("an earlier one may have been taken away");
}

#[test]
fn o15_data_of_a_write_that_is_not_done_never_appear() {
    let mut court = Court::new(|_| {});
    let index = court.submit(Kind::Write, 3);
    court.ends(index, Status::BUSY, &[]).unwrap();
    let id = court.write_id(index);
    fires(court.read(3, 0, id), Oracle::NotDone);
}

#[test]
fn o16_counts_and_sense_data_stay_in_their_bounds() {
    let mut court = Court::new(|_| {});
    let index = court.submit(Kind::Ready, 0);
    let completion = court.completion(index, CHECK);
    fires(court.end(completion, &[0; 253]), Oracle::Residual);
    let mut completion = court.completion(index, CHECK);
    completion.transferred = 1;
    fires(court.end(completion, &[]), Oracle::Residual);
    // Together they have to be what was asked for, and what the device moved.
    for (transferred, residual) in [(256, 512), (0, 0), (256, 256)] {
        let index = court.submit(Kind::Read, 0);
        court.execute(index, Status::GOOD).unwrap();
        let mut completion = court.completion(index, GOOD);
        (completion.transferred, completion.residual) = (transferred, residual);
        fires(court.end(completion, &[]), Oracle::Residual);
    }
}

fn sick(court: &mut Court, unit: u32) {
    let entry = Entry { site: Site::Time, nth: 1, fault: Fault::Busy, unit, count: 1 };
    court.judge.injected(&entry, unit);
}

#[test]
fn o20_a_sick_disk_does_not_delay_the_others() {
    let mut court = Court::new(|_| {});
    let index = court.submit(Kind::Write, 0);
    court.execute(index, Status::GOOD).unwrap();
    sick(&mut court, 1);
    court.now = court.now + Duration::from_secs(2);
    let completion = court.completion(index, GOOD);
    fires(court.end(completion, &[]), Oracle::Isolation);
}

/// A command that takes two seconds.
fn slow(court: &mut Court) -> Verdict {
    let index = court.submit(Kind::Write, 0);
    court.execute(index, Status::GOOD).unwrap();
    court.now = court.now + Duration::from_secs(2);
    let completion = court.completion(index, GOOD);
    court.end(completion, &[])
}

fn strike(court: &mut Court, fault: Fault) {
    court.judge.injected(&Entry { site: Site::Time, nth: 1, fault, unit: 0, count: 1 }, 0);
}

#[test]
fn o21_nobody_starves_once_a_fault_is_over() {
    let mut court = Court::new(|_| {});
    strike(&mut court, Fault::LoseReply);
    slow(&mut court).expect("a fault that is not one disk's has its effect");
    let index = court.submit(Kind::Write, 0);
    court.judge.calm_down();
    court.execute(index, Status::GOOD).unwrap();
    court.now = court.now + Duration::from_secs(2);
    let completion = court.completion(index, GOOD);
    court.end(completion, &[]).expect("it was sent before all was well");
    fires(slow(&mut court), Oracle::Starvation);
    // Disks are well when everything is.
    sick(&mut court, 0);
    slow(&mut court).expect("its disk is sick");
    court.judge.calm_down();
    slow(&mut court).expect("its disk is sick");
    court.judge.heal();
    court.judge.calm_down();
    fires(slow(&mut court), Oracle::Starvation);
}

#[test]
fn o21_nobody_starves() {
    let mut court = Court::new(|_| {});
    let index = court.submit(Kind::Write, 0);
    court.execute(index, Status::GOOD).unwrap();
    court.now = court.now + Duration::from_secs(2);
    let completion = court.completion(index, GOOD);
    fires(court.end(completion, &[]), Oracle::Starvation);
}

#[test]
fn o22_nothing_from_before_a_reset_is_believed_after_it() {
    let mut court = Court::new(|_| {});
    let index = court.submit(Kind::Write, 0);
    court.execute(index, Status::GOOD).unwrap();
    court.judge.event(&ControlEvent::Operational).unwrap();
    let completion = court.completion(index, GOOD);
    fires(court.end(completion, &[]), Oracle::Epochs);
}

#[test]
fn o23_a_sound_controller_sends_no_malformed_reply() {
    let mut court = Court::new(|_| {});
    let bad = ControlEvent::BadReply(BadReply::UnknownTag { raw: 9 });
    fires(court.judge.event(&bad), Oracle::ReplyFrames);
    strike(&mut court, Fault::LoseReply);
    court.judge.event(&bad).unwrap();
    court.judge.calm_down();
    fires(court.judge.event(&bad), Oracle::ReplyFrames);
}

#[test]
fn o25_the_first_cause_is_kept() {
    let mut court = Court::new(|_| {});
    let reset = ControlEvent::ResetBegun(ResetReason::LadderExhausted);
    fires(court.judge.event(&reset), Oracle::FirstCause);
}

/// A command of a second ago, with a time-out of two.
fn failed(prepare: impl FnOnce(&mut Court, usize), failure: Failure) -> Verdict {
    let mut court = Court::new(|_| {});
    let index = court.submit(Kind::Write, 0);
    court.now = court.now + Duration::from_secs(1);
    prepare(&mut court, index);
    let completion = court.completion(index, Outcome::Failed(failure));
    court.end(completion, &[])
}

fn expire(court: &mut Court, _: usize) {
    strike(court, Fault::HoldDisk);
    court.now = court.now + Duration::from_secs(2);
    court.judge.polled(court.now);
}

fn reset(court: &mut Court, _: usize) {
    strike(court, Fault::Reset);
    court.judge.event(&ControlEvent::ResetBegun(ResetReason::Requested)).unwrap();
}

#[test]
fn o25_a_failure_has_a_cause() {
    failed(expire, Failure::TimedOut).unwrap();
    failed(reset, Failure::Reset).unwrap();
    let function = |court: &mut Court, _: usize| {
        sick(court, 0);
        court.judge.function(0, court.now);
    };
    failed(function, Failure::Aborted).unwrap();
    let aborted = |court: &mut Court, index: usize| {
        sick(court, 0);
        court.judge.flights[index].aborted = true;
    };
    failed(aborted, Failure::Aborted).unwrap();
    failed(|court, _| court.judge.end(), Failure::ControllerGone).unwrap();
    for failure in [
        Failure::TimedOut,
        Failure::Reset,
        Failure::Aborted,
        Failure::ControllerGone,
        Failure::ControllerFailed,
        Failure::DeviceNotPresent,
        Failure::BadReply,
    ] {
        fires(failed(|_, _| {}, failure), Oracle::FirstCause);
    }
    let function = |court: &mut Court, _: usize| court.judge.function(1, court.now);
    fires(failed(function, Failure::Aborted), Oracle::FirstCause);
}

#[test]
fn o25_a_later_reset_is_not_the_cause() {
    let expired_and_reset = |court: &mut Court, index| {
        expire(court, index);
        reset(court, index);
    };
    failed(expired_and_reset, Failure::TimedOut).unwrap();
    fires(failed(expired_and_reset, Failure::Reset), Oracle::FirstCause);
    let expired_and_aborted = |court: &mut Court, index| {
        expire(court, index);
        court.judge.function(0, court.now);
    };
    fires(failed(expired_and_aborted, Failure::Aborted), Oracle::FirstCause);
}

#[test]
fn a_cut_is_before_a_flush_or_behind_it() {
    for (executed, state) in [(false, Sometimes::CutDuringFlush), (true, Sometimes::CutAfterFlush)]
    {
        let mut court = Court::new(|_| {});
        let index = court.submit(Kind::Flush, 0);
        if executed {
            court.execute(index, Status::GOOD).unwrap();
        }
        court.judge.power_cut(0);
        let reached = [Sometimes::CutDuringFlush, Sometimes::CutAfterFlush]
            .map(|state| court.judge.tally.reached(state));
        assert_eq!((reached.iter().sum::<u64>(), court.judge.tally.reached(state)), (1, 1));
    }
}

#[test]
fn o27_without_faults_everything_is_done() {
    let mut court = Court::new(|options| options.calm = 1);
    let index = court.submit(Kind::Write, 0);
    fires(court.ends(index, Status::BUSY, &[]), Oracle::Differential);
    let reset = ControlEvent::ResetBegun(ResetReason::Requested);
    fires(court.judge.event(&reset), Oracle::Differential);
}

#[test]
fn o29_a_jump_of_the_clock_ends_no_command_twice_or_never() {
    let mut court = Court::new(|_| {});
    let index = court.submit(Kind::Write, 0);
    court.judge.flights.jump();
    fires(court.judge.all_ended(), Oracle::Time);
    court.ends(index, Status::BUSY, &[]).unwrap();
    let again = court.completion(index, Outcome::Failed(Failure::TimedOut));
    fires(court.end(again, &[]), Oracle::Time);
}
