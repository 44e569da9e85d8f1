//! Units that leave or stop, adapters that sleep or shut down.

use core::time::Duration;

use hba_core::command::{Failure, Outcome};
use hba_core::control::ControlEvent;
use hba_core::durability::{FlushConfig, FlushError, LossCause};
use hba_core::host::{ShutdownFlush, StopError};
use hba_core::logical_unit::Fua;
use hba_core::port::ControlPort;
use hba_tests::forged::Answer;
use hba_tests::scene::{SECOND_PORT, Scene, usual_disk};
use scsi_proto::{Opcode, Status};
use sim_backend::controller::ControllerModel;
use sim_backend::disk::{Condition, DiskConfig, Times};
use sim_backend::target::Executed;

told_on_both! {
    a_unit_is_stopped_after_it_was_flushed: usual_disk();
    two_paths_lead_to_one_unit: two_ports();
    b21_a_shutdown_flushes_what_is_dirty_within_a_bound: usual_disk();
    b34_a_suspended_adapter_comes_back_with_its_targets: usual_disk();
    f125_suspend_ends_what_is_in_flight_once: usual_disk();
    removal_with_a_dirty_cache_is_reported: usual_disk();
}

fn two_ports() -> DiskConfig {
    DiskConfig { ports: 2, ..usual_disk() }
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
        stops.then(|| Answer {
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
