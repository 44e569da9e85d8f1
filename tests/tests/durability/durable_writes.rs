//! Writes that are durable when they end.

use hba_core::durability::{FlushError, Judgement};
use hba_core::host::{Barrier, DurableBy, DurableError, Platform};
use hba_core::logical_unit::Fua;
use hba_core::port::ControlPort;
use hba_tests::forged::Answer;
use hba_tests::scene::{Scene, usual_disk};
use scsi_proto::{Lba, Opcode};
use sim_backend::controller::ControllerModel;
use sim_backend::disk::{Condition, DiskConfig, Times};

told_on_both! {
    p09_fua_is_durable_where_it_is_honoured: usual_disk();
    p10_a_disk_that_ignores_fua_is_named: DiskConfig { lying_fua: true, ..usual_disk() };
    fua_is_trusted_only_where_it_is_known: usual_disk();
    a_unit_without_fua_is_flushed_instead: DiskConfig { dpofua: false, ..usual_disk() };
    fua_is_no_barrier_and_a_commit_needs_one: usual_disk();
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
        asked.then(|| Answer::good(&[3, 0, 0x10, 0]))
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
