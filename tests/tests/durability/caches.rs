//! What a cache is, and who changes it.

use hba_core::command::Effect;
use hba_core::durability::{FlushError, Judgement, LossCause};
use hba_core::host::CacheSwitchError;
use hba_core::logical_unit::{Fua, WriteCache};
use hba_core::port::ControlPort;
use hba_tests::scene::{Scene, attention, usual_disk};
use sim_backend::controller::ControllerModel;
use sim_backend::disk::{Condition, DiskConfig, Times};

use super::write_through;

told_on_both! {
    p15_a_write_cache_switched_on_behind_our_back: write_through();
    p16_a_battery_that_fails_makes_a_cache_write_through: battery_backed();
    a_mode_select_of_ours_makes_what_was_known_of_the_cache_old: write_through();
    a_cache_is_switched_off_after_it_was_flushed: usual_disk();
    a_battery_that_fails_is_a_reason_to_flush: battery_backed();
}

fn battery_backed() -> DiskConfig {
    DiskConfig { non_volatile_cache: true, battery: true, ..usual_disk() }
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
