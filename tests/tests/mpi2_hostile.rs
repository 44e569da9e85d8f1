//! A controller of MPI 2.x that breaks the protocol, below the whole driver: f026 to f071 of what a device may do wrong.
//!
//! What can be told at the port alone is in `mpt-backend/src/mpi2/tests.rs`.

use hba_core::command::{Cookie, Failure, Nexus, Outcome, Request, TargetId, Transfer};
use hba_core::queue::{Batch, Vector};
use hba_core::time::Instant;
use hba_tests::register_bank::{DescriptorAdapter, DescriptorBank, Pages};
use mpt_backend::mpi2::Mpi2Config;
use scsi_proto::command::{self, Access};
use scsi_proto::{Lba, Lun, Status};

const NOW: Instant = Instant::ZERO;
const DEPTH: u16 = 4;
/// Completions of one pass.
const BATCH: usize = 8;
const PAGE: u32 = 4096;

/// How a command ended: cookie, outcome, bytes moved and not moved, bytes of sense data.
type Ended = (u64, Outcome, u32, u32, usize);

struct Rig {
    bank: DescriptorBank,
    adapter: DescriptorAdapter<Pages>,
    batch: Batch<Pages>,
    page: Pages,
    cookie: u64,
}

impl Rig {
    fn new() -> Self {
        let config = Mpi2Config { queue_depth_max: DEPTH, elements_max: 2, ..Default::default() };
        let (bank, adapter) = DescriptorBank::brought_up(config, 100, 1 << 20);
        let (batch, page) = (Batch::new(BATCH), Pages::scattered(1));
        Self { bank, adapter, batch, page, cookie: 0 }
    }

    /// Submits a command and returns its SMID.
    fn submit(&mut self, transfer: Transfer) -> u16 {
        self.cookie += 1;
        let cdb = command::read(Lba(self.cookie), 8, Access::default()).expect("in range");
        let nexus = Nexus::new(TargetId::new(9), Lun::ZERO);
        let request = Request::new(nexus, cdb, transfer, self.page, Cookie(self.cookie));
        let queue = self.adapter.queue_mut(Vector(0)).expect("there is one");
        let submitted = queue.submit(request, NOW).expect("there is room");
        (submitted.doorbell.value >> 16) as u16
    }

    fn read(&mut self) -> u16 {
        self.submit(Transfer::from_device(PAGE))
    }

    /// One pass: what ended, and whether more is pending.
    fn pass(&mut self) -> (Vec<Ended>, bool) {
        let queue = self.adapter.queue_mut(Vector(0)).expect("there is one");
        let more = queue.service(&mut self.batch).more;
        let ended = |done: hba_core::queue::Done<'_, Pages>| {
            let (c, sense) = (done.completion, done.sense.len());
            (c.cookie.0, c.outcome, c.transferred, c.residual, sense)
        };
        (self.batch.drain().map(ended).collect(), more)
    }

    fn cookies(&mut self) -> Vec<u64> {
        self.pass().0.into_iter().map(|(cookie, ..)| cookie).collect()
    }

    /// Ends one command with a reply frame of these words: status with state and IOC status, count, sense count.
    fn reply(&mut self, transfer: Transfer, status: u32, count: u32, sense: u32) -> Ended {
        let smid = self.submit(transfer);
        self.bank.reply(smid, &[0x000d_0000, 0, 0, status, 0, count, sense, 0, 0, 0, 0, 0, 0]);
        let (ended, _) = self.pass();
        assert_eq!(ended.len(), 1, "the command ends once");
        ended[0]
    }

    /// Stale replies, and replies that name nothing.
    fn counted(&self) -> (u64, u64) {
        let counters = self.adapter.queues()[0].counters();
        (counters.stale, counters.unknown)
    }

    /// Whether Control lost its trust and resets the controller.
    fn is_reset(&mut self) -> bool {
        for _ in 0..3 {
            let _ = self.adapter.poll(NOW, &mut self.bank, &mut self.batch);
        }
        !self.adapter.queues()[0].is_open()
    }
}

fn read_reply(status: u32, count: u32, sense: u32) -> Ended {
    Rig::new().reply(Transfer::from_device(PAGE), status, count, sense)
}

const GOOD: Outcome = Outcome::Status(Status::GOOD);

#[test]
fn f026_tag_zero_resets_mpi2() {
    let mut rig = Rig::new();
    rig.read();
    rig.bank.succeed(0);
    assert!(rig.cookies().is_empty());
    assert_eq!(rig.counted(), (0, 1));
    assert!(rig.is_reset());
}

#[test]
fn f028_tag_never_used_mpi2() {
    let mut rig = Rig::new();
    let smid = rig.read();
    rig.bank.succeed(smid + 2);
    assert!(rig.cookies().is_empty());
    assert_eq!(rig.counted(), (0, 1));
    assert!(rig.is_reset(), "nothing that was sent can be answered so");
}

#[test]
fn f029_tag_free_now_mpi2() {
    let mut rig = Rig::new();
    let smid = rig.read();
    rig.bank.succeed(smid);
    assert_eq!(rig.cookies(), [1]);
    rig.bank.succeed(smid);
    assert!(rig.cookies().is_empty());
    assert_eq!(rig.counted(), (1, 0));
    assert!(!rig.is_reset(), "one use back: dropped");
}

#[test]
fn f030_double_same_batch_mpi2() {
    let mut rig = Rig::new();
    let smid = rig.read();
    rig.read();
    rig.bank.succeed(smid);
    rig.bank.succeed(smid);
    assert_eq!(rig.cookies(), [1]);
    assert_eq!(rig.counted(), (1, 0), "the second is counted");
}

#[test]
fn f032_double_after_reuse_mpi2() {
    let mut rig = Rig::new();
    let late = rig.read();
    rig.bank.succeed(late);
    assert_eq!(rig.cookies(), [1]);
    // All other slots come first: the slot rests.
    let others: Vec<u16> = (1..DEPTH).map(|_| rig.read()).collect();
    assert!(!others.contains(&late));
    rig.bank.succeed(late);
    assert!(rig.cookies().is_empty(), "inside the rest it is dropped");
    assert_eq!(rig.counted(), (1, 0));
    // Beyond the rest there is nothing on the wire that tells the uses apart: the window that is documented.
    assert_eq!(rig.read(), late);
    rig.bank.succeed(late);
    assert_eq!(rig.cookies(), [5]);
}

#[test]
fn f041_all_zero_queue_mpi2() {
    // The bank's memory is zero when the driver gets it; zero is a success descriptor of SMID 0.
    let mut rig = Rig::new();
    assert!(rig.cookies().is_empty());
    assert_eq!(rig.counted(), (0, 0));
}

#[test]
fn f043_endless_feed_mpi2() {
    let mut rig = Rig::new();
    let smid = rig.read();
    rig.bank.succeed(smid);
    assert_eq!(rig.cookies(), [1]);
    for pass in 1..4 {
        for _ in 0..3 * BATCH {
            rig.bank.succeed(smid);
        }
        let (ended, more) = rig.pass();
        assert!(ended.is_empty() && more, "a pass has an end, and says that there is more");
        assert_eq!(rig.counted(), (pass * BATCH as u64, 0));
    }
}

#[test]
fn f048_f049_the_request_frame_is_never_read_back_mpi2() {
    let mut rig = Rig::new();
    let (first, second) = (rig.read(), rig.read());
    for word in 0..32 {
        rig.bank.overwrite(first, word, 0xff00_0000 | u32::from(second) << 8);
    }
    rig.bank.succeed(first);
    assert_eq!(rig.cookies(), [1]);
}

#[test]
fn f059_sense_valid_zero_mpi2() {
    for sense in 0..8 {
        let (_, outcome, _, _, bytes) = read_reply(0x0000_0102, 0, sense);
        assert_eq!(outcome, Outcome::Status(Status::CHECK_CONDITION), "never success");
        assert_eq!(bytes, sense as usize);
    }
}

#[test]
fn f060_autosense_failed_mpi2() {
    let (_, outcome, ..) = read_reply(0x0000_0202, PAGE, 18);
    assert_ne!(outcome, GOOD);
    let (_, outcome, ..) = read_reply(0x0000_0200, PAGE, 0);
    assert_ne!(outcome, GOOD, "autosense failed with status good");
}

#[test]
fn f061_count_above_request_mpi2() {
    let (_, outcome, moved, residual, _) = read_reply(0x0045_0000, PAGE + 1, 0);
    assert_eq!(outcome, Outcome::Failed(Failure::Overrun));
    assert_eq!((moved, residual), (PAGE, 0), "clamped");
}

#[test]
fn f062_count_short_read_mpi2() {
    let ended = read_reply(0x0045_0000, 512, 0);
    assert_eq!(ended, (1, GOOD, 512, PAGE - 512, 0), "short, with the exact residual");
}

#[test]
fn f063_count_short_write_mpi2() {
    let ended = Rig::new().reply(Transfer::to_device(PAGE), 0x0045_0000, 512, 0);
    assert_eq!(ended, (1, GOOD, 512, PAGE - 512, 0), "short, and never without its residual");
}

#[test]
fn f064_overrun_good_mpi2() {
    let (_, outcome, ..) = read_reply(0x0044_0000, PAGE, 0);
    assert_eq!(outcome, Outcome::Failed(Failure::Overrun));
}

#[test]
fn f065_residual_mismatch_mpi2() {
    let (_, whole, _, residual, _) = read_reply(0x0049_0000, PAGE, 0);
    assert_eq!((whole, residual), (GOOD, 0), "enough moved: the status decides");
    let (_, outcome, moved, residual, _) = read_reply(0x0049_0000, 512, 0);
    assert!(outcome != GOOD || residual > 0, "never silent");
    assert_eq!(moved + residual, PAGE);
}

#[test]
fn f066_status_reserved_mpi2() {
    for status in [0x0000_0055, 0x7777_0000, 0x0043_0000 | 0x55] {
        let (_, outcome, ..) = read_reply(status, PAGE, 0);
        assert!(matches!(outcome, Outcome::Failed(_)), "{status:#x}: {outcome:?}");
    }
}

#[test]
fn f068_loginfo_only_mpi2() {
    let ended = read_reply(0x8000_0000, PAGE, 0);
    assert_eq!(ended, (1, GOOD, PAGE, 0, 0), "log information is not a failure");
}

#[test]
fn f069_protection_error_mpi2() {
    for status in [0x004d_0000, 0x004e_0000, 0x004f_0000] {
        let (_, outcome, ..) = read_reply(status, PAGE, 0);
        assert!(matches!(outcome, Outcome::Failed(_)), "{status:#x}: {outcome:?}");
    }
}
