//! Disks that are full, silent, or lie about themselves, on both controllers: f110, f116 to f118.

extern crate alloc;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};

use hba_core::command::{BlockSize, Completion, Cookie, Failure, Outcome, Request};
use hba_core::control::ControlEvent;
use hba_core::device_queue::{DeviceQueues, QueuePolicy, Retry, Unqueueable};
use hba_core::host::{Answer, Data, Platform};
use hba_core::logical_unit::{AccessFault, Fua, LogicalUnit, WriteCache};
use hba_core::port::ControlPort;
use hba_core::queue::Vector;
use hba_tests::forged::Answer as Said;
use hba_tests::scene::{Scene, direct_beside, sas1068_beside, usual_disk};
use scsi_proto::{Lba, Opcode, Status};
use sim_backend::controller::ControllerModel;
use sim_backend::disk::{DiskConfig, Hold};
use sim_backend::target::{Executed, Task};

/// Tells each story on `sim:direct` and on the SAS1068, with a second disk.
macro_rules! told_on_both {
    ($($story:ident)+) => {
        mod on_direct {
            use super::*;
            $(#[test] fn $story() { super::$story(&mut direct_beside(&usual_disk(), &beside())); })+
        }
        mod on_sas1068 {
            use super::*;
            $(#[test] fn $story() { super::$story(&mut sas1068_beside(&usual_disk(), &beside())); })+
        }
    };
}

told_on_both! {
    f110_task_set_full
    f116_medium_access_hangs
    f117_capacity_lies
    f118_inquiry_mode_vpd_lies
    a_retry_waits_for_the_unit_and_younger_writes_for_the_retry
}

fn beside() -> [DiskConfig; 1] {
    [DiskConfig::nth(1, 1 << 12)]
}

fn read<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
    unit: &LogicalUnit,
    cookie: u64,
) -> Request<Data> {
    let data = scene.host.platform().buffer(512).expect("memory");
    unit.read(Lba(cookie % 64), 1, Some(data), Cookie(cookie)).expect("in range")
}

/// Sends, polls and takes home until nothing of the queues is left.
fn drain<P: ControlPort, C: ControllerModel>(
    scene: &mut Scene<P, C>,
    queues: &mut DeviceQueues<Data>,
    mut each: impl FnMut(&DeviceQueues<Data>),
) -> Vec<Answer> {
    let mut ended = Vec::new();
    while !queues.is_idle() {
        scene.host.send_queued(queues, Vector(0)).expect("sendable");
        each(queues);
        let now = scene.host.platform().now();
        let polled = scene.host.poll(|done| {
            let sense = done.sense.to_vec();
            if let Some(completion) = queues.handle_end(done.completion, &sense, now) {
                ended.push(Answer { completion, sense });
            }
        });
        polled.expect("it is there");
        while let Some(completion) = queues.poll_ended() {
            ended.push(Answer { completion, sense: Vec::new() });
        }
    }
    ended
}

/// The disk takes four commands at a time; later it takes all.
fn f110_task_set_full<P: ControlPort, C: ControllerModel>(scene: &mut Scene<P, C>) {
    const TAKES: u32 = 4;
    let outstanding = Arc::new(AtomicU32::new(0));
    let refused = Arc::new(AtomicU32::new(0));
    let (seen, count) = (Arc::clone(&outstanding), Arc::clone(&refused));
    scene.forgery.say(move |task| {
        let full = task.cdb.opcode() == Opcode::READ_10 && seen.load(Ordering::Relaxed) > TAKES;
        full.then(|| {
            count.fetch_add(1, Ordering::Relaxed);
            // The controller holds one command less.
            seen.fetch_sub(1, Ordering::Relaxed);
            Said { data: Vec::new(), executed: Executed::status(Status::TASK_SET_FULL) }
        })
    });
    let policy = QueuePolicy {
        retry: Retry::NotDone,
        tries: 0,
        depth: 16,
        raise_after: 8,
        ..Default::default()
    };
    let mut queues = DeviceQueues::new(policy, 64, 4);
    let unit = scene.unit.clone();
    let nexus = scene.nexus();
    for cookie in 0..32 {
        let request = read(scene, &unit, cookie);
        assert!(queues.push(request).is_ok());
    }
    let mut lowest = u16::MAX;
    let mut ended = Vec::new();
    while !queues.is_idle() {
        scene.host.send_queued(&mut queues, Vector(0)).expect("sendable");
        outstanding.store(scene.host.adapter().outstanding() as u32, Ordering::Relaxed);
        let now = scene.host.platform().now();
        let polled = scene.host.poll(|done| {
            let sense = done.sense.to_vec();
            ended.extend(queues.handle_end(done.completion, &sense, now));
        });
        polled.expect("it is there");
        lowest = lowest.min(queues.depth(nexus).expect("known"));
    }
    assert!(refused.load(Ordering::Relaxed) > 0, "it was full");
    assert_eq!(ended.len(), 32);
    assert!(ended.iter().all(Completion::is_done), "none of them failed, with no tries to spare");
    assert!(lowest <= TAKES as u16, "the depth went below what was refused: {lowest}");
    scene.forgery.stop();
    for cookie in 0..60 {
        let request = read(scene, &unit, cookie);
        assert!(queues.push(request).is_ok());
    }
    assert_eq!(drain(scene, &mut queues, |_| ()).len(), 60);
    assert!(queues.depth(nexus).expect("known") > lowest, "and it comes back");
}

fn f116_medium_access_hangs<P: ControlPort, C: ControllerModel>(scene: &mut Scene<P, C>) {
    scene.disk.lock().hold(Hold::MediumAccess);
    let policy = QueuePolicy { retry: Retry::Repeatable, medium_timeouts: 2, ..Default::default() };
    let mut queues = DeviceQueues::new(policy, 64, 4);
    let (sick, healthy) = (scene.unit.clone(), scene.others[0].clone());
    let nexus = sick.nexus;
    for cookie in 0..8 {
        let (request, other) = (read(scene, &sick, cookie), read(scene, &healthy, 100 + cookie));
        assert!(queues.push(request).is_ok() && queues.push(other).is_ok());
    }
    let begun = scene.machine.now();
    let ended = drain(scene, &mut queues, |_| ());
    let took = scene.machine.now().since(begun);
    let (other, own): (Vec<_>, Vec<_>) =
        ended.iter().partition(|done| done.completion.cookie.0 >= 100);
    assert_eq!((own.len(), other.len()), (8, 8));
    assert!(other.iter().all(|done| done.completion.is_done()), "the other disk is unharmed");
    let silent = |done: &&Answer| {
        let outcome = done.completion.outcome;
        outcome == Outcome::Failed(Failure::TimedOut)
            || outcome == Outcome::Failed(Failure::Offline)
    };
    assert!(own.iter().all(silent), "{own:?}");
    assert!(queues.is_offline(nexus));
    assert_eq!(queues.poll_offline(), Some(nexus));
    assert!(took.as_secs() < 180, "two time-outs of 30 s and their ladders, not more: {took:?}");
    assert!(!scene.saw(|event| matches!(event, ControlEvent::ResetBegun(_))), "host-wide");
    let request = read(scene, &sick, 0);
    let refused = queues.push(request).expect_err("it is offline");
    assert_eq!(refused.reason, Unqueueable::Offline(nexus));
    // The electronics answer as if nothing were, once they have told of the resets.
    let answers: Vec<_> = (0..4).map(|_| scene.test_unit_ready().completion.outcome).collect();
    assert!(answers.contains(&Outcome::Status(Status::GOOD)), "{answers:?}");
    scene.disk.lock().hold(Hold::Nothing);
    queues.bring_online(nexus);
    assert!(queues.push(refused.request).is_ok());
    let back = drain(scene, &mut queues, |_| ());
    assert!(back.iter().all(|done| done.completion.is_done()), "{back:?}");
}

/// READ CAPACITY(10) and (16) with the same numbers; (10) says FFFFFFFFh where the last block does not fit.
fn capacity(task: &Task<'_>, last_lba: u64, block_length: u32) -> Option<Said> {
    let mut long = [0; 32];
    long[..8].copy_from_slice(&last_lba.to_be_bytes());
    long[8..12].copy_from_slice(&block_length.to_be_bytes());
    let mut short = [0; 8];
    let last = u32::try_from(last_lba).unwrap_or(u32::MAX);
    short[..4].copy_from_slice(&last.to_be_bytes());
    short[4..].copy_from_slice(&block_length.to_be_bytes());
    match task.cdb.opcode() {
        Opcode::READ_CAPACITY_10 => Some(Said::good(&short)),
        Opcode::SERVICE_ACTION_IN_16 => Some(Said::good(&long)),
        _ => None,
    }
}

fn rediscover<P: ControlPort, C: ControllerModel>(scene: &mut Scene<P, C>) -> LogicalUnit {
    scene.host.discover().expect("discovery ends").units.remove(0)
}

fn f117_capacity_lies<P: ControlPort, C: ControllerModel>(scene: &mut Scene<P, C>) {
    let refused =
        [(4095, 0), (4095, 1), (4095, 3), (4095, 1 << 31), (u64::MAX, 512), (u64::MAX, 0)];
    for (last_lba, block_length) in refused {
        scene.forgery.say(move |task| capacity(task, last_lba, block_length));
        let unit = rediscover(scene);
        assert_eq!(
            (unit.blocks, unit.block_size),
            (0, BlockSize(0)),
            "{last_lba} x {block_length}"
        );
        let fault = unit.read(Lba(0), 1, (), Cookie(0)).expect_err("nobody knows where it ends");
        assert_eq!(fault.fault, AccessFault::NoCapacity);
        assert_eq!(unit.bytes(), None);
    }
    // The most that can be said, and no sum of it overflows.
    scene.forgery.say(|task| capacity(task, u64::MAX - 1, 4096));
    let unit = rediscover(scene);
    assert_eq!((unit.blocks, unit.bytes()), (u64::MAX, None));
    assert!(unit.read(Lba(u64::MAX - 1), 1, (), Cookie(0)).is_ok());
    assert!(unit.read(Lba(u64::MAX), 1, (), Cookie(0)).is_err());
    assert!(unit.write(Lba(u64::MAX - 1), u32::MAX, Fua::Off, (), Cookie(0)).is_err());
    // It shrinks: asked again, the unit is smaller, and what lies behind its end is refused before it is sent.
    scene.forgery.say(|task| capacity(task, 99, 512));
    let unit = rediscover(scene);
    assert_eq!(unit.blocks, 100);
    let fault = unit.read(Lba(99), 2, (), Cookie(0)).expect_err("behind the end").fault;
    assert_eq!(fault, AccessFault::OutOfRange { lba: Lba(99), blocks: 2, capacity: 100 });
    // A caller that still has the old one is answered by the disk.
    scene.forgery.stop();
    let data = scene.host.platform().buffer(512).expect("memory");
    let beyond = scene.unit.read(Lba(4095), 1, Some(data), Cookie(0)).expect("of the old size");
    assert!(scene.host.execute(beyond).expect("accepted").completion.is_done());
}

/// INQUIRY data of the disk that the scene has, with one byte changed.
fn forged_inquiry(vital: bool, at: usize, value: u8) -> impl FnMut(&Task<'_>) -> Option<Said> {
    move |task| {
        let bytes = task.cdb.as_bytes();
        let asked = task.cdb.opcode() == Opcode::INQUIRY && (bytes[1] & 1 == 1) == vital;
        asked.then(|| {
            let mut data = if vital { page(bytes[2], &[0, 0x80, 0x83]) } else { standard() };
            data[at] = value;
            Said::good(&data)
        })
    }
}

fn standard() -> Vec<u8> {
    let mut data = vec![0, 0, 6, 0x12, 31, 0, 0, 0];
    data.extend_from_slice(b"FORGER  A DISK THAT LIES1.0 ");
    data
}

fn page(code: u8, body: &[u8]) -> Vec<u8> {
    let mut data = vec![0, code, 0, body.len() as u8];
    data.extend_from_slice(body);
    data
}

fn f118_inquiry_mode_vpd_lies<P: ControlPort, C: ControllerModel>(scene: &mut Scene<P, C>) {
    let truth = scene.unit.clone();
    // INQUIRY claims 260 bytes and sends 36; a page claims 64 KiB; another page comes than was asked for.
    scene.forgery.say(forged_inquiry(false, 4, 255));
    let unit = rediscover(scene);
    assert_eq!((unit.vendor.as_str(), unit.blocks), ("FORGER", truth.blocks));
    for (at, value) in [(2, 0xff), (3, 0xff), (1, 0xb0)] {
        scene.forgery.say(forged_inquiry(true, at, value));
        let unit = rediscover(scene);
        assert_eq!((unit.vendor.clone(), unit.blocks), (truth.vendor.clone(), truth.blocks));
        assert!(unit.serial.len() <= 255 && unit.wwn.is_none(), "{unit:?}");
    }
    // Firmware that fails commands with a longer allocation length than it has data: the first 36 bytes do.
    scene.forgery.say(|task| {
        let bytes = task.cdb.as_bytes();
        let too_long = task.cdb.opcode() == Opcode::INQUIRY
            && (bytes[1] & 1 == 1 || u16::from_be_bytes([bytes[3], bytes[4]]) > 36);
        too_long.then(|| {
            let sense = [0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x24, 0, 0, 0, 0, 0];
            Said { data: Vec::new(), executed: Executed::check_condition(&sense) }
        })
    });
    let unit = rediscover(scene);
    assert_eq!((unit.vendor, unit.serial.as_str()), (truth.vendor, ""));
    assert_eq!(unit.blocks, truth.blocks);
    // Mode data that claims more than it has, a descriptor that swallows the page, and another page: WCE is not known.
    let lies: [&[u8]; 3] = [
        &[0xff, 0, 0x10, 0, 0x08, 0xff, 0x00, 0],
        &[0x17, 0, 0x10, 0xff, 0x08, 0x12, 0x04, 0],
        &[0x0f, 0, 0x10, 0, 0x0a, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ];
    for lie in lies {
        scene.forgery.say(move |task| match task.cdb.opcode() {
            Opcode::MODE_SENSE_6 => Some(Said::good(lie)),
            Opcode::MODE_SENSE_10 => {
                Some(Said::good(&[&[0xff, 0xff, 0, 0x10, 0, 0, 0xff, 0xff], lie].concat()))
            }
            _ => None,
        });
        let unit = rediscover(scene);
        assert_eq!(unit.write_cache, WriteCache::Unknown, "{lie:02x?}");
        assert!(!scene.books().mode.is_write_through());
    }
    // It claims to have moved more than there was room for.
    scene.forgery.say(|task| {
        let asked = task.cdb.opcode() == Opcode::INQUIRY;
        asked.then(|| Said { data: standard(), executed: Executed::good(4096) })
    });
    let found = scene.host.discover().expect("discovery ends");
    assert!(found.units.iter().all(|unit| unit.nexus != truth.nexus), "an overrun is no answer");
    assert_eq!(found.skipped.len(), 1, "{:?}", found.skipped);
}

/// Three times BUSY, and a younger write to the same block meanwhile: it lands last.
fn a_retry_waits_for_the_unit_and_younger_writes_for_the_retry<P, C>(scene: &mut Scene<P, C>)
where
    P: ControlPort,
    C: ControllerModel,
{
    let policy = QueuePolicy { retry: Retry::NotDone, ..Default::default() };
    let mut queues = DeviceQueues::new(policy, 8, 1);
    let times = sim_backend::disk::Times::Next(3);
    scene.disk.lock().unit(0).expect("unit").refuse_commands(Status::BUSY, times);
    let first = scene.write_request(5, 2, 1, Fua::Off);
    assert!(queues.push(first).is_ok());
    let mut second = Some(scene.write_request(6, 1, 2, Fua::Off));
    let mut ended = Vec::new();
    while !queues.is_idle() {
        scene.host.send_queued(&mut queues, Vector(0)).expect("sendable");
        let now = scene.host.platform().now();
        let polled = scene.host.poll(|done| {
            ended.extend(queues.handle_end(done.completion, &[], now));
        });
        polled.expect("it is there");
        if queues.waiting() > 0
            && let Some(request) = second.take()
        {
            assert!(queues.push(request).is_ok());
        }
    }
    let order: Vec<_> = ended.iter().map(|done| (done.cookie, done.is_done())).collect();
    assert_eq!(order, [(Cookie(5), true), (Cookie(6), true)]);
    assert_eq!((scene.byte(5), scene.byte(6)), (Some(1), Some(2)));
}
