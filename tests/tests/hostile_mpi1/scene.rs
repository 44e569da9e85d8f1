//! A driver on a register bank, and what it says.

use core::time::Duration;

use hba_core::command::{Completion, Cookie, Effect, Nexus, Outcome, Request, TargetId, Transfer};
use hba_core::control::{ControlEvent, ResetReason};
use hba_core::queue::{Batch, Counters, Vector};
use hba_core::time::{Instant, Timeout};
use hba_tests::register_bank::{BankAdapter, Pages, RegisterBank, scsi_io_reply};
use mpt_backend::mpi1::Mpi1Config;
use mpt_backend::wire::message::IocStatus;
use mpt_backend::wire::scsi_io::ScsiState;
use scsi_proto::command::{Access, read, write};
use scsi_proto::{Cdb, Lba, Lun, Status};

/// Bytes of every transfer.
pub(crate) const LEN: u32 = 4096;
/// Commands outstanding at most: indices of contexts from here on are Control's.
pub(crate) const DEPTH: u16 = 20;
/// Completions of one pass.
pub(crate) const BATCH: usize = 64;
/// Offset of the message context in requests and replies.
pub(crate) const CONTEXT: u32 = 8;

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) cookie: u64,
    pub(crate) outcome: Outcome,
    pub(crate) effect: Effect,
    pub(crate) residual: u32,
    pub(crate) sense: Vec<u8>,
}

pub(crate) struct Scene {
    pub(crate) bank: RegisterBank,
    pub(crate) adapter: BankAdapter<Pages>,
    pub(crate) now: Instant,
    /// The last poll said that more was posted than it took.
    pub(crate) more: bool,
    batch: Batch<Pages>,
    page: Pages,
    events: Vec<ControlEvent>,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let config = Mpi1Config { queue_depth_max: DEPTH, ..Mpi1Config::default() };
        let (bank, adapter) = RegisterBank::brought_up(config);
        let mut scene = Self {
            bank,
            adapter,
            now: Instant::ZERO,
            more: false,
            batch: Batch::new(BATCH),
            page: Pages::scattered(1),
            events: Vec::new(),
        };
        assert_eq!(scene.poll(), []);
        assert_eq!(scene.bank.take_request(), None);
        scene
    }

    fn submit(&mut self, cookie: u64, cdb: Cdb, transfer: Transfer) -> u32 {
        let nexus = Nexus::new(TargetId::new(0), Lun::ZERO);
        let request = Request::new(nexus, cdb, transfer, self.page, Cookie(cookie))
            .with_timeout(Timeout::from_millis(500));
        let accepted = self.adapter.submit(Vector(0), request, self.now, &mut self.bank);
        assert!(accepted.is_ok(), "command {cookie}");
        self.bank.take_request().expect("a request frame")
    }

    /// Submits a read of one page; where its request frame is.
    pub(crate) fn read(&mut self, cookie: u64) -> u32 {
        let cdb = read(Lba(8 * cookie), 8, Access::default()).expect("in range");
        self.submit(cookie, cdb, Transfer::from_device(LEN))
    }

    /// Submits a write of one page; where its request frame is.
    pub(crate) fn write(&mut self, cookie: u64) -> u32 {
        let cdb = write(Lba(8 * cookie), 8, Access::default()).expect("in range");
        self.submit(cookie, cdb, Transfer::to_device(LEN))
    }

    pub(crate) fn context(&self, request: u32) -> u32 {
        self.bank.memory().load(request + CONTEXT)
    }

    /// One poll and what ended in it.
    pub(crate) fn pass(&mut self) -> Vec<End> {
        self.more = self.adapter.poll(self.now, &mut self.bank, &mut self.batch).more;
        self.events.extend(core::iter::from_fn(|| self.adapter.poll_event()));
        let end = |done: hba_core::queue::Done<'_, Pages>| {
            let Completion { cookie, outcome, residual, .. } = done.completion;
            let (effect, sense) = (done.completion.effect(), done.sense.to_vec());
            End { cookie: cookie.0, outcome, effect, residual, sense }
        };
        self.batch.drain().map(end).collect()
    }

    /// Has the controller reset; what was outstanding has ended then.
    pub(crate) fn reset(&mut self) {
        self.events.clear();
        self.bank.take_resets();
        self.adapter.request_reset(self.now);
        for _ in 0..2_000 {
            let _ = self.pass();
            self.now = self.now + Duration::from_millis(50);
            if self.events.contains(&ControlEvent::Operational) {
                let _ = self.poll();
                return;
            }
        }
        panic!("not operational again: {:?}", self.events);
    }

    /// Polls until there is nothing new.
    pub(crate) fn poll(&mut self) -> Vec<End> {
        (0..6).flat_map(|_| self.pass()).collect()
    }

    /// Time passes, in steps that a watchdog would take.
    pub(crate) fn wait(&mut self, time: Duration) -> Vec<End> {
        let until = self.now + time;
        let mut ends = Vec::new();
        while self.now < until {
            self.now = self.now + Duration::from_millis(100);
            ends.append(&mut self.pass());
        }
        ends
    }

    pub(crate) fn counters(&self) -> Counters {
        *self.adapter.queues()[0].counters()
    }

    pub(crate) fn events(&mut self) -> Vec<ControlEvent> {
        core::mem::take(&mut self.events)
    }

    /// Whether the controller is being reset because it is not to be trusted.
    pub(crate) fn is_distrusted(&self) -> bool {
        let distrust = |event: &ControlEvent| {
            matches!(event, ControlEvent::ResetBegun(ResetReason::Distrust(_)))
        };
        self.events.iter().any(distrust)
    }

    /// The driver goes on as if nothing had been: a command comes and ends, and every slot is to be had.
    pub(crate) fn assert_well(&mut self) {
        assert!(!self.is_distrusted(), "{:?}", self.events);
        assert_eq!(self.adapter.outstanding(), 0);
        let frames: Vec<_> =
            (100..100 + u64::from(DEPTH)).map(|cookie| self.read(cookie)).collect();
        frames.iter().for_each(|frame| self.bank.succeed(*frame));
        let ends = self.poll();
        assert_eq!(ends.len(), usize::from(DEPTH));
        assert!(ends.iter().all(|end| end.effect == Effect::Done), "{ends:?}");
    }

    /// Ends a request with a reply frame; returns the frame's address.
    pub(crate) fn reply(&mut self, request: u32, reply: &[u32]) -> u32 {
        let frame = self.bank.take_free_frame();
        self.bank.reply(request, frame, reply);
        frame
    }
}

/// SCSI IO reply: status, state, IOC status, bytes moved, sense bytes.
pub(crate) fn scsi_io(status: Status, state: u8, ioc: u16, count: u32, sense: u32) -> Vec<u32> {
    scsi_io_reply(status, ScsiState(state), IocStatus(ioc), count, sense)
}

/// GOOD with fewer bytes than asked for.
pub(crate) fn underrun(count: u32) -> Vec<u32> {
    scsi_io(Status::GOOD, 0, IocStatus::SCSI_DATA_UNDERRUN.0, count, 0)
}

pub(crate) fn address_word(frame: u32) -> u32 {
    frame >> 1 | 1 << 31
}

pub(crate) const fn done(cookie: u64) -> End {
    let outcome = Outcome::Status(Status::GOOD);
    End { cookie, outcome, effect: Effect::Done, residual: 0, sense: Vec::new() }
}
