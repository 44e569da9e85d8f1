//! Blocks that are not what was written, and disks that say so.

use hba_core::command::Cookie;
use hba_core::durability::{Cause, Judgement, LossCause};
use hba_core::host::Platform;
use hba_core::port::ControlPort;
use hba_tests::scene::{Scene, usual_disk};
use scsi_proto::{Cdb, Lba, SenseKey};
use sim_backend::controller::ControllerModel;
use sim_backend::disk::{Condition, MediumAccess, Miswrite, Times};

use super::write_through;

told_on_both! {
    p13_a_misdirected_write_is_found: write_through();
    f113_a_deferred_error_is_charged_to_earlier_writes: usual_disk();
    f114_a_medium_error_names_its_block: usual_disk();
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

fn f113_a_deferred_error_is_charged_to_earlier_writes<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
) {
    scene.write(5, 1);
    scene.disk.lock().unit(0).expect("unit").defer_error(Lba(5), Condition::WRITE_ERROR);
    let told = scene.test_unit_ready();
    let judged = told.judge(&Cdb::from_array([0; 6]));
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
