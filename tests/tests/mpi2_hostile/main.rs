//! A controller of MPI 2.x that breaks the protocol, below the whole driver: f026 to f071 of what a device may do wrong.
//!
//! What can be told at the port alone is in `mpt-backend/src/mpi2/tests.rs`.

mod ends;
mod frames;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod rewritten;
mod sense;
mod vectors;
mod words;

use core::time::Duration;

use hba_core::command::{Cookie, Nexus, Outcome, Request, TargetId, Transfer};
use hba_core::control::{ControlEvent, ResetReason};
use hba_core::queue::{Batch, Vector};
use hba_core::time::{Instant, Timeout};
use hba_tests::register_bank::{DescriptorAdapter, DescriptorBank, Pages, facts};
use mpt_backend::mpi2::Mpi2Config;
use mpt_backend::wire::mpi2::IocCapabilities2;
use scsi_proto::command::{self, Access};
use scsi_proto::{Lba, Lun, Status};

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
    now: Instant,
    events: Vec<ControlEvent>,
    /// The last poll said that more was posted than it took.
    more: bool,
}

impl Rig {
    fn new() -> Self {
        Self::with_vectors(1)
    }

    fn with_vectors(vectors: u8) -> Self {
        let config = Mpi2Config {
            queue_depth_max: DEPTH,
            elements_max: 2,
            vectors,
            whole_descriptors: true,
            ..Default::default()
        };
        let mut facts = facts(100);
        facts.max_msix_vectors = vectors;
        let indexed = facts.ioc_capabilities.get() | IocCapabilities2::MSI_X_INDEX.0;
        facts.ioc_capabilities = indexed.into();
        let (bank, adapter) = DescriptorBank::brought_up_with(&facts, config, 1 << 20);
        let (batch, page) = (Batch::new(BATCH), Pages::scattered(1));
        assert_eq!(adapter.queues().len(), usize::from(vectors));
        let (now, events) = (Instant::ZERO, Vec::new());
        Self { bank, adapter, batch, page, cookie: 0, now, events, more: false }
    }

    /// Submits a command and returns its SMID.
    fn submit(&mut self, transfer: Transfer) -> u16 {
        self.submit_on(0, transfer)
    }

    fn submit_on(&mut self, vector: u16, transfer: Transfer) -> u16 {
        self.cookie += 1;
        let cdb = command::read(Lba(self.cookie), 8, Access::default()).expect("in range");
        let nexus = Nexus::new(TargetId::new(9), Lun::ZERO);
        let request = Request::new(nexus, cdb, transfer, self.page, Cookie(self.cookie))
            .with_timeout(Timeout::from_millis(500));
        let queue = self.adapter.queue_mut(Vector(vector)).expect("there is one");
        let submitted = queue.submit(request, self.now).expect("there is room");
        (submitted.doorbell.value >> 16) as u16
    }

    fn read(&mut self) -> u16 {
        self.submit(Transfer::from_device(PAGE))
    }

    /// One pass: what ended, and whether more is pending.
    fn pass(&mut self) -> (Vec<Ended>, bool) {
        let queue = self.adapter.queue_mut(Vector(0)).expect("there is one");
        let more = queue.service(&mut self.batch).more;
        (self.drain(), more)
    }

    fn drain(&mut self) -> Vec<Ended> {
        let ended = |done: hba_core::queue::Done<'_, Pages>| {
            let (c, sense) = (done.completion, done.sense.len());
            (c.cookie.0, c.outcome, c.transferred, c.residual, sense)
        };
        self.batch.drain().map(ended).collect()
    }

    fn cookies(&mut self) -> Vec<u64> {
        self.pass().0.into_iter().map(|(cookie, ..)| cookie).collect()
    }

    /// Ends one command with a reply frame of these words: status with state and IOC status, count, sense count.
    fn reply(&mut self, transfer: Transfer, status: u32, count: u32, sense: u32) -> Ended {
        let smid = self.submit(transfer);
        self.bank.reply(smid, &scsi_io(status, count, sense));
        let (ended, _) = self.pass();
        assert_eq!(ended.len(), 1, "the command ends once");
        ended[0]
    }

    /// Stale replies, and replies that name nothing.
    fn counted(&self) -> (u64, u64) {
        let counters = self.adapter.queues()[0].counters();
        (counters.stale, counters.unknown)
    }

    /// One poll of the whole driver; the cookies of what ended.
    fn poll(&mut self) -> Vec<u64> {
        self.poll_ended().into_iter().map(|(cookie, ..)| cookie).collect()
    }

    fn poll_ended(&mut self) -> Vec<Ended> {
        self.more = self.adapter.poll(self.now, &mut self.bank, &mut self.batch).more;
        self.events.extend(core::iter::from_fn(|| self.adapter.poll_event()));
        self.drain()
    }

    /// Polls while time passes, in steps that a watchdog would take.
    fn wait(&mut self, time: Duration) -> Vec<u64> {
        let until = self.now + time;
        let mut ended = Vec::new();
        while self.now < until {
            self.now = self.now + Duration::from_millis(100);
            ended.extend(self.poll());
        }
        ended
    }

    /// Whether Control lost its trust and resets the controller.
    fn is_reset(&mut self) -> bool {
        for _ in 0..3 {
            let _ = self.poll();
        }
        let distrust = |event: &ControlEvent| {
            matches!(event, ControlEvent::ResetBegun(ResetReason::Distrust(_)))
        };
        !self.adapter.queues()[0].is_open() && self.events.iter().any(distrust)
    }

    /// The driver goes on as if nothing had been: every slot of the first queue is to be had, and each command ends once.
    fn assert_well(&mut self) {
        assert!(!self.is_reset(), "{:?}", self.events);
        let smids: Vec<_> = (0..DEPTH).map(|_| self.read()).collect();
        smids.iter().for_each(|smid| self.bank.succeed(*smid));
        assert_eq!(self.poll().len(), usize::from(DEPTH));
        assert_eq!(self.adapter.outstanding(), 0);
    }
}

/// A reply to a SCSI IO: status with state and IOC status, count, sense count.
const fn scsi_io(status: u32, count: u32, sense: u32) -> [u32; 13] {
    [0x000d_0000, 0, 0, status, 0, count, sense, 0, 0, 0, 0, 0, 0]
}

fn read_reply(status: u32, count: u32, sense: u32) -> Ended {
    Rig::new().reply(Transfer::from_device(PAGE), status, count, sense)
}

const GOOD: Outcome = Outcome::Status(Status::GOOD);
