//! What a flush promises and what is lost, on both controllers: p01 to p16, and what else speaks of cached writes.

use core::time::Duration;

use hba_core::command::{Cookie, Effect, Failure, Outcome};
use hba_core::control::ControlEvent;
use hba_core::durability::{
    Cause, FlushConfig, FlushError, FlushStep, FlushedBy, Judgement, LossCause,
};
use hba_core::host::{
    Barrier, CacheSwitchError, DurableBy, DurableError, Platform, ShutdownFlush, StopError,
};
use hba_core::logical_unit::{Fua, WriteCache};
use hba_core::port::ControlPort;
use hba_core::queue::Vector;
use hba_tests::scene::{SECOND_PORT, Scene, attention, direct, sas1068, usual_disk};
use scsi_proto::{AdditionalSense, Lba, Opcode, SenseKey, Status};
use sim_backend::controller::ControllerModel;
use sim_backend::disk::{Condition, DiskConfig, MediumAccess, Miswrite, PowerCut, Times};
use sim_backend::machine::PowerDomain;
use sim_backend::target::Executed;

/// Tells each story on `sim:direct` and on the SAS1068.
macro_rules! told_on_both {
    ($($story:ident: $disk:expr;)+) => {
        mod on_direct {
            use super::*;
            $(#[test] fn $story() { super::$story(&mut direct(&$disk)); })+
        }
        mod on_sas1068 {
            use super::*;
            $(#[test] fn $story() { super::$story(&mut sas1068(&$disk)); })+
        }
    };
}

told_on_both! {
    p01_cut_with_a_dirty_cache: usual_disk();
    p02_cut_while_a_flush_is_running: usual_disk();
    p03_cut_after_the_reply_of_a_flush_was_posted: usual_disk();
    p04_a_failed_flush_is_not_forgotten_by_a_good_one: usual_disk();
    p05_a_flush_that_timed_out_stays_failed: usual_disk();
    p06_power_on_between_write_and_flush: usual_disk();
    p07_a_controller_reset_keeps_the_cache: usual_disk();
    p08_a_controller_reset_with_a_power_cycle_loses_it: usual_disk();
    p09_fua_is_durable_where_it_is_honoured: usual_disk();
    p10_a_disk_that_ignores_fua_is_named: DiskConfig { lying_fua: true, ..usual_disk() };
    p11_a_torn_write_leaves_whole_blocks: cut_as(PowerCut::TornWrites);
    p12_a_torn_block_is_found: cut_as(PowerCut::TornBlock);
    p13_a_misdirected_write_is_found: write_through();
    p14_overlapping_writes_in_flight_at_the_cut: usual_disk();
    p15_a_write_cache_switched_on_behind_our_back: write_through();
    p16_a_battery_that_fails_makes_a_cache_write_through: battery_backed();
    a_mode_select_of_ours_makes_what_was_known_of_the_cache_old: write_through();
    fua_is_trusted_only_where_it_is_known: usual_disk();
    a_unit_without_fua_is_flushed_instead: DiskConfig { dpofua: false, ..usual_disk() };
    fua_is_no_barrier_and_a_commit_needs_one: usual_disk();
    a_cache_is_switched_off_after_it_was_flushed: usual_disk();
    a_unit_is_stopped_after_it_was_flushed: usual_disk();
    two_paths_lead_to_one_unit: two_ports();
    a_battery_that_fails_is_a_reason_to_flush: battery_backed();
    f109_busy_forever: usual_disk();
    f111_power_on_attentions_lose_and_resets_do_not: usual_disk();
    f112_a_chain_of_attentions_is_bounded: usual_disk();
    f113_a_deferred_error_is_charged_to_earlier_writes: usual_disk();
    f114_a_medium_error_names_its_block: usual_disk();
    f115_a_unit_that_is_not_ready_is_waited_for_or_not: usual_disk();
    b21_a_shutdown_flushes_what_is_dirty_within_a_bound: usual_disk();
    b34_a_suspended_adapter_comes_back_with_its_targets: usual_disk();
    f125_suspend_ends_what_is_in_flight_once: usual_disk();
    removal_with_a_dirty_cache_is_reported: usual_disk();
    a_loss_is_told_once_to_those_who_cannot_acknowledge: usual_disk();
    a_raw_flush_that_failed_counts: usual_disk();
}

fn cut_as(power_cut: PowerCut) -> DiskConfig {
    DiskConfig { power_cut, ..usual_disk() }
}

fn write_through() -> DiskConfig {
    DiskConfig { write_cache: false, ..usual_disk() }
}

fn battery_backed() -> DiskConfig {
    DiskConfig { non_volatile_cache: true, battery: true, ..usual_disk() }
}

fn two_ports() -> DiskConfig {
    DiskConfig { ports: 2, ..usual_disk() }
}

/// A flush that begins and whose command is out.
fn begin<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) -> (hba_core::durability::Flush, hba_core::adapter::AdapterHandle) {
    let nexus = scene.nexus();
    let flush = scene.host.adapter().begin_flush(nexus, FlushConfig::default()).expect("the first");
    let handle = scene.host.submit(flush.request(None, Cookie(99))).expect("accepted");
    (flush, handle)
}

/// Drives a flush from where its command is out to its verdict.
fn end<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
    (mut flush, mut handle): (hba_core::durability::Flush, hba_core::adapter::AdapterHandle),
) -> Result<hba_core::durability::Flushed, FlushError> {
    loop {
        let mut step = None;
        while step.is_none() {
            let now = scene.host.platform().now();
            let poll = scene.host.poll(|done| {
                if done.completion.handle == handle.command {
                    step = Some(flush.handle_end(&done.ended(), now));
                }
            });
            poll.expect("it is there");
        }
        match step {
            Some(FlushStep::Again(_)) => {
                handle = scene.host.submit(flush.request(None, Cookie(99))).expect("accepted");
            }
            _ => break,
        }
    }
    scene.host.adapter().settle_flush(flush);
    loop {
        scene.host.poll(|_| ()).expect("it is there");
        if let Some((_, verdict)) = scene.host.adapter().poll_flushed() {
            return verdict;
        }
    }
}

fn p01_cut_with_a_dirty_cache<P: ControlPort, C: ControllerModel>(scene: &mut Scene<P, C>) {
    scene.write(0, 1);
    let flushed = scene.flush().expect("an honest disk");
    assert_eq!(flushed.by, FlushedBy::Device);
    assert!(!scene.books().dirty);
    scene.write(0, 2);
    assert!(scene.books().dirty);
    scene.blink();
    assert_eq!(scene.byte(0), Some(1), "what was flushed is there, the rest was lost");
    assert!(scene.saw(|event| matches!(event, ControlEvent::LossPending(..))));
    let loss = scene.lost();
    assert_eq!(loss.cause, LossCause::PowerLost(AdditionalSense::POWER_ON_OCCURRED));
    assert_eq!(loss.since, flushed.epoch);
    assert_eq!(scene.lost(), loss, "it stays");
    scene.acknowledge(loss);
    scene.flush().expect("nothing is pending any more");
}

fn p02_cut_while_a_flush_is_running<P: ControlPort, C: ControllerModel>(scene: &mut Scene<P, C>) {
    scene.write(0, 1);
    scene.machine.hold(0, true);
    let flush = begin(scene);
    scene.host.poll(|_| ()).expect("poll");
    scene.blink();
    scene.machine.hold(0, false);
    // The disk reports its power-on instead, is asked again, and says GOOD to an empty cache.
    let Err(FlushError::Loss(loss)) = end(scene, flush) else { panic!("the write is gone") };
    assert!(matches!(loss.cause, LossCause::PowerLost(_)), "{loss}");
    assert_eq!(scene.byte(0), Some(0));
}

fn p03_cut_after_the_reply_of_a_flush_was_posted<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    scene.write(0, 1);
    let flush = begin(scene);
    for _ in 0..8 {
        scene.machine.run(64);
    }
    scene.blink();
    end(scene, flush).expect("the flush had been done before the power went");
    assert_eq!(scene.byte(0), Some(1));
    scene.flush().expect("power went while nothing was cached");
}

fn p04_a_failed_flush_is_not_forgotten_by_a_good_one<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    scene.write(0, 1);
    let error = Condition::WRITE_ERROR;
    scene.disk.lock().unit(0).expect("unit").fail_flushes(error, Times::Next(1));
    let loss = scene.lost();
    let LossCause::FlushFailed(Cause::Sense(codes)) = loss.cause else { panic!("{loss}") };
    assert_eq!((codes.key, codes.additional), (error.key, error.additional));
    assert_eq!(scene.lost(), loss, "the second flush succeeds on the disk, and says nothing of it");
    scene.acknowledge(loss);
    scene.flush().expect("acknowledged");
}

fn p05_a_flush_that_timed_out_stays_failed<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    scene.write(0, 1);
    scene.machine.hold(0, true);
    let begun = scene.machine.now();
    let loss = scene.lost();
    assert_eq!(loss.cause, LossCause::FlushFailed(Cause::Failure(Failure::TimedOut)));
    let waited = scene.machine.now().since(begun);
    assert!(waited >= Duration::from_secs(60), "a flush has a time-out of its own: {waited:?}");
    scene.machine.hold(0, false);
    assert_eq!(scene.lost(), loss);
    scene.acknowledge(loss);
    scene.flush().expect("acknowledged");
}

fn p06_power_on_between_write_and_flush<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    scene.write(0, 1);
    scene.blink();
    let loss = scene.lost();
    assert_eq!(loss.cause, LossCause::PowerLost(AdditionalSense::POWER_ON_OCCURRED));
}

fn reset_controller<P: ControlPort, C: ControllerModel>(scene: &mut Scene<P, C>) {
    let now = scene.machine.now();
    scene.host.adapter().request_reset(now);
    scene.host.bring_up().expect("it comes up again");
}

const AMBIGUOUS: Condition = attention(0x29, 0x00);

fn p07_a_controller_reset_keeps_the_cache<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    scene.write(0, 1);
    reset_controller(scene);
    // A disk that cannot tell one from the other says "power on, reset, or bus device reset".
    scene.disk.lock().unit(0).expect("unit").raise_attention(AMBIGUOUS);
    scene.flush().expect("the reset was ours, and the cache was kept");
    scene.blink();
    assert_eq!(scene.byte(0), Some(1));
    scene.write(0, 2);
    scene.disk.lock().unit(0).expect("unit").raise_attention(AMBIGUOUS);
    let loss = scene.lost();
    let why = AdditionalSense::POWER_ON_RESET_OR_BUS_DEVICE_RESET_OCCURRED;
    assert_eq!(loss.cause, LossCause::PowerLost(why), "no reset of ours explains this one");
}

fn p08_a_controller_reset_with_a_power_cycle_loses_it<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    scene.write(0, 1);
    let now = scene.machine.now();
    scene.host.adapter().request_reset(now);
    scene.blink();
    scene.host.bring_up().expect("it comes up again");
    assert!(matches!(scene.lost().cause, LossCause::PowerLost(_)));
}

fn p09_fua_is_durable_where_it_is_honoured<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    assert_eq!(scene.try_write(0, 1, 1, Fua::On), Judgement::Done);
    assert!(!scene.books().dirty, "dpofua is set, and fresh");
    scene.blink();
    assert_eq!(scene.byte(0), Some(1));
    scene.flush().expect("nothing was lost");
    // Power was gone: what is known of the cache is not believed before it was asked again.
    assert_eq!(scene.try_write(0, 1, 2, Fua::On), Judgement::Done);
    assert!(scene.books().dirty);
    let nexus = scene.nexus();
    assert!(scene.host.refresh_cache_mode(nexus).expect("answered").trusts_fua());
    assert!(!scene.books().dirty);
}

fn p10_a_disk_that_ignores_fua_is_named<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    assert_eq!(scene.try_write(0, 1, 1, Fua::On), Judgement::Done);
    assert_eq!(scene.disk.lock().unit(0).expect("unit").lies().fua_writes, 1, "the audit knows");
    scene.blink();
    assert_eq!(scene.byte(0), Some(0), "and so does whoever reads");
}

/// A flushed write of eight blocks, another over it, and a cut. What each block holds.
fn torn<P: ControlPort, C: ControllerModel>(scene: &mut Scene<P, C>) -> Vec<Option<u8>> {
    assert_eq!(scene.try_write(0, 8, 1, Fua::Off), Judgement::Done);
    scene.flush().expect("an honest disk");
    assert_eq!(scene.try_write(0, 8, 2, Fua::Off), Judgement::Done);
    scene.blink();
    let blocks = (0..8).map(|lba| scene.byte(lba)).collect();
    assert!(matches!(scene.lost().cause, LossCause::PowerLost(_)));
    blocks
}

fn p11_a_torn_write_leaves_whole_blocks<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    let blocks = torn(scene);
    assert!(blocks.iter().all(|block| matches!(block, Some(1 | 2))), "{blocks:?}");
    assert!(blocks.contains(&Some(1)) && blocks.contains(&Some(2)), "{blocks:?}");
}

fn p12_a_torn_block_is_found<P: ControlPort, C: ControllerModel>(scene: &mut Scene<P, C>) {
    let blocks = torn(scene);
    assert_eq!(blocks.iter().filter(|block| block.is_none()).count(), 1, "{blocks:?}");
}

/// The disk stores a write 16 blocks further on and says GOOD: nothing of that reaches the driver, which has to say so, too.
/// Who reads finds it, at both places; and the disk's own books name it.
fn p13_a_misdirected_write_is_found<P: ControlPort, C: ControllerModel>(scene: &mut Scene<P, C>) {
    scene.write(4, 1);
    scene.write(20, 2);
    let misdirected = Miswrite::Misdirected { by: 16 };
    scene.disk.lock().unit(0).expect("unit").miswrite(misdirected, Times::Next(1));
    scene.write(4, 3);
    scene.flush().expect("the disk knows nothing of it");
    assert_eq!((scene.byte(4), scene.byte(20)), (Some(1), Some(3)), "old here, foreign there");
    assert_eq!(scene.disk.lock().unit(0).expect("unit").lies().misdirected, 1);
    scene.disk.lock().unit(0).expect("unit").miswrite(Miswrite::Shorn, Times::Next(1));
    scene.write(4, 5);
    assert_eq!(scene.byte(4), None, "half of it is old");
    assert_eq!(scene.disk.lock().unit(0).expect("unit").lies().shorn, 1);
}

/// Only other initiators get the unit attention 2A/01: ours comes from the command that was sent.
fn a_mode_select_of_ours_makes_what_was_known_of_the_cache_old<P, C>(scene: &mut Scene<P, C>)
where
    P: ControlPort,
    C: ControllerModel,
{
    for opcode in [0x15, 0x55] {
        assert!(scene.books().mode.is_write_through());
        scene.write(0, 1);
        assert!(!scene.books().dirty);
        let switched = scene.mode_select(opcode, true);
        assert_eq!(scene.judged(switched), Judgement::Done);
        assert!(!scene.books().mode.fresh, "it may be another mode now");
        scene.write(0, 2);
        assert!(scene.books().dirty, "the write is in the cache");
        scene.blink();
        assert!(matches!(scene.lost().cause, LossCause::PowerLost(_)));
        assert_eq!(scene.byte(0), Some(1));
        let loss = scene.lost();
        scene.acknowledge(loss);
        // A reset mode: the power-on brought the disk's default back.
        let nexus = scene.nexus();
        let mode = scene.host.refresh_cache_mode(nexus).expect("answered");
        assert!(mode.is_write_through());
    }
}

fn p14_overlapping_writes_in_flight_at_the_cut<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    scene.write(4, 1);
    scene.flush().expect("an honest disk");
    scene.machine.hold(0, true);
    for byte in [2, 3] {
        let request = scene.write_request(4, 1, byte, Fua::Off);
        assert!(scene.host.submit(request).is_ok());
    }
    scene.host.poll(|_| ()).expect("poll");
    assert!(scene.books().dirty, "they may be there, and no flush covers them");
    scene.machine.cut_power(PowerDomain::Targets);
    scene.machine.hold(0, false);
    scene.machine.restore_power(PowerDomain::Targets);
    let mut ended = Vec::new();
    while scene.host.adapter().outstanding() > 0 {
        let poll = scene.host.poll(|done| {
            ended.push(done.judge(&done_cdb()).effect());
        });
        poll.expect("poll");
    }
    assert_eq!(ended.len(), 2);
    let seen = scene.byte(4);
    assert!(matches!(seen, Some(1..=3)), "{seen:?}");
    if !ended.contains(&Effect::Done) {
        assert!(!ended.contains(&Effect::DoneShort), "{ended:?}");
    }
    assert!(matches!(scene.lost().cause, LossCause::Removed | LossCause::PowerLost(_)));
}

/// Any write.
fn done_cdb() -> scsi_proto::Cdb {
    scsi_proto::Cdb::from_array([0x2a, 0, 0, 0, 0, 4, 0, 0, 1, 0])
}

fn p15_a_write_cache_switched_on_behind_our_back<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    scene.write(0, 1);
    assert_eq!(scene.books().mode.write_cache, WriteCache::Off);
    assert!(!scene.books().dirty, "every write was durable when it ended");
    scene.disk.lock().unit(0).expect("unit").change_write_cache(true);
    let first = scene.try_write(0, 1, 2, Fua::Off);
    assert_eq!(first.effect(), Effect::NotDone, "a unit attention: {first}");
    assert!(!scene.books().mode.fresh);
    scene.write(0, 2);
    assert!(scene.books().dirty, "what the cache was is not believed any more");
    let nexus = scene.nexus();
    let mode = scene.host.refresh_cache_mode(nexus).expect("answered");
    assert_eq!((mode.write_cache, mode.fresh), (WriteCache::On, true));
    scene.blink();
    assert!(matches!(scene.lost().cause, LossCause::PowerLost(_)));
    assert_eq!(scene.byte(0), Some(1));
}

fn p16_a_battery_that_fails_makes_a_cache_write_through<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    scene.write(0, 1);
    assert!(scene.books().dirty, "that a cache has a battery is no reason not to flush it");
    {
        let mut disk = scene.disk.lock();
        let mut unit = disk.unit(0).expect("unit");
        unit.raise_attention(attention(0x0b, 0x06));
        unit.change_write_cache(false);
    }
    scene.test_unit_ready();
    assert!(!scene.books().mode.fresh, "the cache is volatile now");
    scene.test_unit_ready();
    scene.flush().expect("nothing is lost yet");
    let nexus = scene.nexus();
    let mode = scene.host.refresh_cache_mode(nexus).expect("answered");
    assert!(mode.is_write_through());
    scene.write(0, 2);
    assert!(!scene.books().dirty);
    scene.blink();
    assert_eq!(scene.byte(0), Some(2));
    scene.flush().expect("nothing was cached when power went");
}

/// A durable write of one block full of `byte`.
fn durable<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
    lba: u64,
    byte: u8,
    barrier: Barrier,
) -> Result<DurableBy, DurableError> {
    let mut data = scene.host.platform().buffer(512).expect("memory");
    data.write(&[byte; 512]);
    let unit = scene.unit.clone();
    let tried = scene.host.write_durable(&unit, (Lba(lba), 1), data, barrier).expect("accepted");
    assert!(tried.data.is_some(), "the memory is home");
    tried.result
}

fn fua_is_trusted_only_where_it_is_known<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    assert_eq!(durable(scene, 0, 1, Barrier::None), Ok(DurableBy::Fua));
    // Somebody switched the cache off: asked again, and the write is durable without FUA.
    scene.disk.lock().unit(0).expect("unit").change_write_cache(false);
    scene.test_unit_ready();
    assert!(!scene.books().mode.fresh);
    assert_eq!(durable(scene, 0, 2, Barrier::None), Ok(DurableBy::WriteThrough));
    // The news come with the write itself, which was not done: so it is told, and no flush follows.
    scene.disk.lock().unit(0).expect("unit").change_write_cache(true);
    let told = durable(scene, 0, 3, Barrier::None);
    assert!(matches!(told, Err(DurableError::Write(Judgement::NotDone(_)))), "{told:?}");
    // The unit does not say any more what its cache is.
    scene.forgery.say(|task| {
        let asked = matches!(task.cdb.opcode(), Opcode::MODE_SENSE_6 | Opcode::MODE_SENSE_10);
        asked.then(|| hba_tests::forged::Answer::good(&[3, 0, 0x10, 0]))
    });
    let by = durable(scene, 0, 4, Barrier::None).expect("by a flush");
    assert!(matches!(by, DurableBy::Flush(_)), "{by:?}");
    scene.blink();
    assert_eq!(scene.byte(0), Some(4));
}

fn a_unit_without_fua_is_flushed_instead<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    let by = durable(scene, 0, 1, Barrier::None).expect("by a flush");
    assert!(matches!(by, DurableBy::Flush(_)), "{by:?}");
    scene.disk.lock().unit(0).expect("unit").fail_flushes(Condition::WRITE_ERROR, Times::Next(1));
    let told = durable(scene, 0, 2, Barrier::None);
    assert!(matches!(told, Err(DurableError::Flush(FlushError::Loss(_)))), "{told:?}");
}

fn fua_is_no_barrier_and_a_commit_needs_one<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    scene.write(0, 1);
    assert_eq!(durable(scene, 1, 1, Barrier::None), Ok(DurableBy::Fua));
    scene.blink();
    assert_eq!((scene.byte(0), scene.byte(1)), (Some(0), Some(1)), "the record without its data");
    let loss = scene.lost();
    scene.acknowledge(loss);
    scene.write(0, 2);
    durable(scene, 1, 2, Barrier::EarlierWrites).expect("an honest disk");
    scene.blink();
    assert_eq!((scene.byte(0), scene.byte(1)), (Some(2), Some(2)));
    scene.flush().expect("nothing was lost");
    scene.write(0, 3);
    scene.disk.lock().unit(0).expect("unit").fail_flushes(Condition::WRITE_ERROR, Times::Next(1));
    let told = durable(scene, 1, 3, Barrier::EarlierWrites);
    assert!(matches!(told, Err(DurableError::Earlier(FlushError::Loss(_)))), "{told:?}");
    assert_eq!(scene.byte(1), Some(2), "it was not sent");
}

fn a_cache_is_switched_off_after_it_was_flushed<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    let unit = scene.unit.clone();
    scene.write(0, 1);
    scene.disk.lock().unit(0).expect("unit").fail_flushes(Condition::WRITE_ERROR, Times::Next(1));
    let told = scene.host.switch_write_cache(&unit, false, true).expect("accepted");
    let Err(CacheSwitchError::Flush(FlushError::Loss(loss))) = told else { panic!("{told:?}") };
    let nexus = scene.nexus();
    let mode = scene.host.refresh_cache_mode(nexus).expect("answered");
    assert_eq!(mode.write_cache, WriteCache::On, "it was not switched");
    scene.acknowledge(loss);
    scene.write(0, 2);
    let mode = scene.host.switch_write_cache(&unit, false, true).expect("accepted");
    assert!(mode.expect("switched").is_write_through());
    assert_eq!(scene.disk.lock().unit(0).expect("unit").cached_blocks(), 0);
    assert!(!scene.books().dirty);
    scene.blink();
    scene.test_unit_ready();
    let mode = scene.host.refresh_cache_mode(nexus).expect("answered");
    assert!(mode.is_write_through(), "it was saved");
    assert_eq!(scene.byte(0), Some(2));
    // On again, until the next reset.
    let mode = scene.host.switch_write_cache(&unit, true, false).expect("accepted");
    assert_eq!(mode.expect("switched").write_cache, WriteCache::On);
    scene.write(0, 3);
    assert!(scene.books().dirty);
}

fn a_unit_is_stopped_after_it_was_flushed<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    let unit = scene.unit.clone();
    scene.write(0, 1);
    scene.disk.lock().unit(0).expect("unit").fail_flushes(Condition::WRITE_ERROR, Times::Next(1));
    let told = scene.host.stop_unit(&unit).expect("accepted");
    let Err(StopError::Flush(FlushError::Loss(loss))) = told else { panic!("{told:?}") };
    assert_eq!(scene.byte(0), Some(1), "it runs");
    scene.acknowledge(loss);
    scene.write(0, 2);
    // A disk that cannot stop keeps what it has, and that is flushed.
    scene.forgery.say(|task| {
        let stops = task.cdb.opcode() == Opcode::START_STOP_UNIT;
        stops.then(|| hba_tests::forged::Answer {
            data: Vec::new(),
            executed: Executed::check_condition(&[0x70, 0, 4, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x44, 0]),
        })
    });
    let told = scene.host.stop_unit(&unit).expect("accepted");
    assert!(matches!(told, Err(StopError::Stop(_))), "{told:?}");
    scene.forgery.stop();
    scene.write(0, 3);
    scene.host.stop_unit(&unit).expect("accepted").expect("an honest disk");
    assert_eq!(scene.disk.lock().unit(0).expect("unit").cached_blocks(), 0);
    let told = scene.test_unit_ready();
    assert_eq!(told.completion.outcome, Outcome::Status(Status::CHECK_CONDITION), "it is stopped");
}

/// The disk has two ports. What is flushed through one was written through both; what was lost is lost for both.
fn two_paths_lead_to_one_unit<P: ControlPort, C: ControllerModel>(scene: &mut Scene<P, C>) {
    let [other] = &scene.others[..] else { panic!("{:?}", scene.others) };
    let (own, other) = (scene.unit.clone(), other.clone());
    assert_eq!(own.wwn, other.wwn);
    scene.write(0, 1);
    let dirty = |scene: &mut Scene<P, C>, nexus| scene.host.adapter().durability(nexus).dirty;
    assert!(dirty(scene, own.nexus) && dirty(scene, other.nexus), "one cache");
    assert_eq!(scene.host.adapter().dirty_units().len(), 1, "one flush does");
    scene.host.flush(&other).expect("there").expect("an honest disk");
    assert!(!dirty(scene, own.nexus) && !dirty(scene, other.nexus));
    scene.write(0, 2);
    scene.blink();
    // Only the other path hears of it, and the flush goes out there, too.
    let told = scene.host.flush(&other).expect("there");
    let Err(FlushError::Loss(loss)) = told else { panic!("{told:?}") };
    // The path that wrote is told of it, too. Whether that was the same loss of power nobody can know: the loss grows.
    let grown = scene.lost();
    assert_eq!((grown.since, grown.cause), (loss.since, loss.cause), "one loss for both");
    assert!(scene.host.adapter().acknowledge_loss(other.nexus, loss).is_err(), "it grew");
    scene.acknowledge(grown);
    assert_eq!(scene.host.adapter().durability(other.nexus).loss, None, "once for all");
    // Our mode change is news for both.
    let nexus = own.nexus;
    scene.host.refresh_cache_mode(nexus).expect("answered");
    scene.host.switch_write_cache(&own, false, false).expect("accepted").expect("switched");
    assert!(scene.host.adapter().durability(other.nexus).mode.is_write_through());
    scene.host.switch_write_cache(&own, true, false).expect("accepted").expect("switched");
    // One path leaves: the cache is still there, and a flush on the other covers it. With both it is gone.
    scene.write(0, 3);
    drop(scene.machine.detach(0));
    for _ in 0..100 {
        scene.host.poll(|_| ()).expect("poll");
    }
    let told = |event: &ControlEvent| matches!(event, ControlEvent::LossPending(_, loss) if loss.cause == LossCause::Removed);
    assert!(!scene.saw(told), "it is not lost");
    assert_eq!(scene.host.adapter().dirty_units(), [other.nexus]);
    drop(scene.machine.detach(SECOND_PORT));
    for _ in 0..100 {
        scene.host.poll(|_| ()).expect("poll");
    }
    assert!(scene.saw(told), "now it may be");
}

fn a_battery_that_fails_is_a_reason_to_flush<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    scene.write(0, 1);
    scene.disk.lock().unit(0).expect("unit").fail_battery(false);
    scene.test_unit_ready();
    assert!(!scene.books().mode.fresh, "0B/06");
    assert!(scene.books().dirty, "it always was: nobody relied on the battery");
    scene.flush().expect("nothing is lost yet");
    scene.write(1, 1);
    scene.blink();
    assert!(matches!(scene.lost().cause, LossCause::PowerLost(_)));
    assert_eq!((scene.byte(0), scene.byte(1)), (Some(1), Some(0)));
}

fn f109_busy_forever<P: ControlPort, C: ControllerModel>(scene: &mut Scene<P, C>) {
    scene.write(0, 1);
    scene.disk.lock().unit(0).expect("unit").refuse_commands(Status::BUSY, Times::Next(3));
    scene.flush().expect("busy for a while");
    scene.write(0, 2);
    scene.disk.lock().unit(0).expect("unit").refuse_commands(Status::BUSY, Times::Always);
    let begun = scene.machine.now();
    let loss = scene.lost();
    assert_eq!(loss.cause, LossCause::FlushFailed(Cause::Status(Status::BUSY)));
    assert!(scene.machine.now().since(begun) < Duration::from_secs(120), "it is bounded");
    let refused = scene.try_write(0, 1, 3, Fua::Off);
    assert_eq!(refused, Judgement::NotDone(Cause::Status(Status::BUSY)));
}

fn f111_power_on_attentions_lose_and_resets_do_not<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    for (ascq, loses) in [(0, true), (1, true), (4, true), (2, false), (3, false), (7, false)] {
        scene.flush().expect("nothing is pending");
        scene.disk.lock().unit(0).expect("unit").raise_attention(attention(0x29, ascq));
        scene.flush().expect("nothing was cached");
        scene.write(0, ascq);
        scene.disk.lock().unit(0).expect("unit").raise_attention(attention(0x29, ascq));
        let told = scene.test_unit_ready();
        assert_eq!(told.completion.outcome, Outcome::Status(Status::CHECK_CONDITION));
        if loses {
            let loss = scene.lost();
            let why = AdditionalSense::new(0x29, ascq);
            assert_eq!(loss.cause, LossCause::PowerLost(why));
            scene.acknowledge(loss);
        } else {
            scene.flush().expect("the cache is kept");
        }
    }
}

fn f112_a_chain_of_attentions_is_bounded<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    scene.write(0, 1);
    let chain = [(0x2a, 0x01), (0x3f, 0x0e), (0x28, 0x00), (0x2a, 0x09)];
    for (asc, ascq) in chain {
        scene.disk.lock().unit(0).expect("unit").raise_attention(attention(asc, ascq));
    }
    scene.flush().expect("none of them says that something is lost");
    assert!(!scene.books().mode.fresh, "the mode has to be asked for again");
    scene.write(0, 2);
    for (asc, ascq) in [(0x29, 0x01)].into_iter().chain(chain) {
        scene.disk.lock().unit(0).expect("unit").raise_attention(attention(asc, ascq));
    }
    assert!(matches!(scene.lost().cause, LossCause::PowerLost(_)));
}

fn f113_a_deferred_error_is_charged_to_earlier_writes<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    scene.write(5, 1);
    scene.disk.lock().unit(0).expect("unit").defer_error(Lba(5), Condition::WRITE_ERROR);
    let told = scene.test_unit_ready();
    let judged = told.judge(&scsi_proto::Cdb::from_array([0; 6]));
    assert!(matches!(judged.cause(), Some(Cause::Deferred(_))), "{judged}");
    let loss = scene.lost();
    let LossCause::Deferred(codes) = loss.cause else { panic!("{loss}") };
    assert_eq!((codes.key, codes.lba), (SenseKey::MEDIUM_ERROR, Some(Lba(5))));
    scene.acknowledge(loss);
    scene.write(5, 2);
    scene.disk.lock().unit(0).expect("unit").defer_error(Lba(5), Condition::WRITE_ERROR);
    assert!(matches!(scene.lost().cause, LossCause::Deferred(_)), "told with the flush itself");
}

fn f114_a_medium_error_names_its_block<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    let error = Condition::UNRECOVERED_READ_ERROR;
    let range = (Lba(9), 1);
    scene.disk.lock().unit(0).expect("unit").fail_medium(
        MediumAccess::Read,
        range.0,
        range.1,
        error,
        Times::Always,
    );
    let data = scene.host.platform().buffer(8 * 512).expect("memory");
    let read = scene.unit.read(Lba(8), 8, Some(data), Cookie(0)).expect("in range");
    let judged = scene.judged(read);
    let Judgement::NotDone(Cause::Sense(codes)) = judged else { panic!("{judged}") };
    assert_eq!((codes.additional, codes.lba), (error.additional, Some(Lba(9))));
    scene.flush().expect("a read error loses no write");
}

fn f115_a_unit_that_is_not_ready_is_waited_for_or_not<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    let not_ready =
        |ascq| Condition { key: SenseKey::NOT_READY, additional: AdditionalSense::new(0x04, ascq) };
    for ascq in [0x01, 0x07] {
        scene.write(0, ascq);
        let mut disk = scene.disk.lock();
        disk.unit(0).expect("unit").fail_flushes(not_ready(ascq), Times::Next(2));
        drop(disk);
        scene.flush().expect("it becomes ready");
    }
    for ascq in [0x02, 0x03, 0x04, 0x1b] {
        scene.write(0, ascq);
        let mut disk = scene.disk.lock();
        disk.unit(0).expect("unit").fail_flushes(not_ready(ascq), Times::Next(1));
        drop(disk);
        let loss = scene.lost();
        assert!(matches!(loss.cause, LossCause::FlushFailed(Cause::Sense(_))), "{loss}");
        scene.acknowledge(loss);
    }
}

fn b21_a_shutdown_flushes_what_is_dirty_within_a_bound<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    scene.write(0, 1);
    let nexus = scene.nexus();
    let slept = scene.host.suspend(Duration::ZERO, |_| ()).expect("it sleeps");
    assert_eq!((slept.flushed, slept.unflushed), (vec![nexus], vec![]));
    assert_eq!(scene.disk.lock().unit(0).expect("unit").cached_blocks(), 0);
    scene.host.resume().expect("it wakes");
    assert_eq!(scene.byte(0), Some(1));
    scene.write(0, 2);
    scene.machine.hold(0, true);
    let bound = Duration::from_secs(5);
    scene.host.set_flushing(FlushConfig::default(), ShutdownFlush::Dirty(bound));
    let begun = scene.machine.now();
    let farewell = scene.host.shutdown().expect("it stops");
    let waited = scene.machine.now().since(begun);
    assert!(waited < Duration::from_secs(60), "the disk does not hold up the shutdown: {waited:?}");
    assert!(matches!(farewell.unflushed[..], [(at, FlushError::Loss(_))] if at == nexus));
}

fn b34_a_suspended_adapter_comes_back_with_its_targets<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    scene.write(0, 1);
    let before = scene.host.adapter().control().targets().to_vec();
    let slept = scene.host.suspend(Duration::ZERO, |_| ()).expect("it sleeps");
    assert_eq!(slept.flushed, [scene.nexus()]);
    assert!(scene.saw(|event| matches!(event, ControlEvent::Suspended)));
    let refused = scene.write_request(0, 1, 9, Fua::Off);
    assert!(scene.host.submit(refused).is_err(), "nothing is accepted meanwhile");
    scene.host.take_events();
    scene.host.resume().expect("it wakes");
    let events = scene.host.take_events();
    let changes = |event: &&ControlEvent| {
        matches!(
            event,
            ControlEvent::TargetArrived(_)
                | ControlEvent::TargetChanged(_)
                | ControlEvent::TargetDeparted(_)
        )
    };
    assert_eq!(events.iter().filter(changes).collect::<Vec<_>>(), Vec::<&ControlEvent>::new());
    assert_eq!(scene.host.adapter().control().targets(), before);
    assert_eq!(scene.byte(0), Some(1));
    // Asleep once more, and this time the disk is pulled out.
    let _ = scene.host.suspend(Duration::ZERO, |_| ()).expect("it sleeps");
    drop(scene.machine.detach(0));
    scene.host.resume().expect("it wakes");
    assert!(scene.saw(|event| matches!(event, ControlEvent::TargetDeparted(_))));
}

fn f125_suspend_ends_what_is_in_flight_once<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    scene.machine.hold(0, true);
    for lba in 0..4 {
        let request = scene.write_request(lba, 1, 7, Fua::Off);
        assert!(scene.host.submit(request).is_ok());
    }
    scene.host.set_flushing(FlushConfig::default(), ShutdownFlush::Off);
    let mut ended = Vec::new();
    let drain = Duration::from_millis(10);
    let slept = scene.host.suspend(drain, |done| ended.push(done.completion.outcome));
    slept.expect("it sleeps");
    assert_eq!(ended, [Outcome::Failed(Failure::Reset); 4]);
    scene.machine.hold(0, false);
    scene.host.resume().expect("it wakes");
    for _ in 0..50 {
        scene.host.poll(|done| panic!("completed twice: {done:?}")).expect("poll");
    }
    assert!(scene.books().dirty, "nobody knows what became of them");
}

fn removal_with_a_dirty_cache_is_reported<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    scene.write(0, 1);
    drop(scene.machine.detach(0));
    for _ in 0..100 {
        scene.host.poll(|_| ()).expect("poll");
    }
    let nexus = scene.nexus();
    let told = |event: &ControlEvent| {
        matches!(event, ControlEvent::LossPending(at, loss)
            if *at == nexus && loss.cause == LossCause::Removed)
    };
    assert!(scene.saw(told));
}

fn a_loss_is_told_once_to_those_who_cannot_acknowledge<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    scene.write(0, 1);
    scene.disk.lock().unit(0).expect("unit").fail_flushes(Condition::WRITE_ERROR, Times::Next(1));
    scene.lost();
    let nexus = scene.nexus();
    let sense = scene.host.adapter().report_loss(nexus).expect("pending");
    let mut bytes = [0; 18];
    assert_eq!(sense.emit(&mut bytes), Ok(18));
    assert_eq!((bytes[0] & 0x7f, bytes[2], bytes[12]), (0x71, 3, 0x0c));
    assert_eq!(scene.host.adapter().report_loss(nexus), None, "once");
    scene.flush().expect("having been told counts as acknowledged");
}

fn a_raw_flush_that_failed_counts<P: ControlPort, C: ControllerModel>(scene: &mut Scene<P, C>) {
    scene.write(0, 1);
    scene.disk.lock().unit(0).expect("unit").fail_flushes(Condition::WRITE_ERROR, Times::Next(1));
    let raw = scene.raw(&[0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(scene.judged(raw).effect(), Effect::Indeterminate);
    assert!(matches!(scene.lost().cause, LossCause::FlushFailed(_)));
}

/// A unit attention is reported once. It may come with a reply that waits in another queue than the flush's.
#[test]
fn a_flush_waits_for_the_replies_of_every_vector() {
    let scene = &mut direct(&usual_disk());
    scene.write(0, 1);
    scene.machine.set_budget(0);
    scene.blink();
    let ready = scene.unit.test_unit_ready(None, Cookie(1));
    assert!(scene.host.submit_on(Vector(3), ready).is_ok());
    let nexus = scene.nexus();
    let begun = scene.host.adapter().begin_flush(nexus, FlushConfig::default());
    let mut flush = begun.expect("the first");
    // Vector 3's reply is in its ring and not taken; the flush finds the disk without a unit attention.
    for _ in 0..8 {
        scene.machine.run(64);
    }
    let request = flush.request(None, Cookie(2));
    assert!(scene.host.submit_on(Vector(1), request).is_ok());
    for _ in 0..8 {
        scene.machine.run(64);
    }
    let mut batch = hba_core::queue::Batch::new(4);
    let queue = scene.host.adapter().queue_mut(Vector(1)).expect("there are four");
    let _ = queue.service(&mut batch);
    let done = batch.drain().next().expect("the flush has ended");
    assert_eq!(done.completion.outcome, Outcome::Status(Status::GOOD), "says the disk");
    assert_eq!(flush.handle_end(&done.ended(), hba_core::time::Instant::ZERO), FlushStep::Settle);
    scene.host.adapter().settle_flush(flush);
    // More than one poll takes, in front of vector 3.
    for at in 0..80 {
        let data = scene.host.platform().buffer(512).expect("memory");
        let read = scene.unit.read(Lba(0), 1, Some(data), Cookie(3)).expect("in range");
        assert!(scene.host.submit_on(Vector(2 * (at % 2)), read).is_ok());
    }
    for _ in 0..64 {
        scene.machine.run(64);
    }
    let verdict = loop {
        scene.host.poll(|_| ()).expect("poll");
        if let Some((_, verdict)) = scene.host.adapter().poll_flushed() {
            break verdict;
        }
    };
    assert!(matches!(verdict, Err(FlushError::Loss(_))), "{verdict:?}");
}
