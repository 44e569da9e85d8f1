//! Power that goes, and resets that leave it on.

use hba_core::command::{Effect, Outcome};
use hba_core::control::ControlEvent;
use hba_core::durability::{FlushedBy, Judgement, LossCause};
use hba_core::logical_unit::Fua;
use hba_core::port::ControlPort;
use hba_tests::scene::{Scene, attention, usual_disk};
use scsi_proto::{AdditionalSense, Cdb, Status};
use sim_backend::controller::ControllerModel;
use sim_backend::disk::{Condition, DiskConfig, PowerCut};
use sim_backend::machine::PowerDomain;

told_on_both! {
    p01_cut_with_a_dirty_cache: usual_disk();
    p06_power_on_between_write_and_flush: usual_disk();
    p07_a_controller_reset_keeps_the_cache: usual_disk();
    p08_a_controller_reset_with_a_power_cycle_loses_it: usual_disk();
    p11_a_torn_write_leaves_whole_blocks: cut_as(PowerCut::TornWrites);
    p12_a_torn_block_is_found: cut_as(PowerCut::TornBlock);
    p14_overlapping_writes_in_flight_at_the_cut: usual_disk();
    f111_power_on_attentions_lose_and_resets_do_not: usual_disk();
}

fn cut_as(power_cut: PowerCut) -> DiskConfig {
    DiskConfig { power_cut, ..usual_disk() }
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
fn done_cdb() -> Cdb {
    Cdb::from_array([0x2a, 0, 0, 0, 0, 4, 0, 0, 1, 0])
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
