//! Commands that end in every way, on a controller that is nothing but memory; its firmware is the test's.

use alloc::collections::VecDeque;
use core::time::Duration;

use hba_core::adapter::Adapter;
use hba_core::command::{
    Completion, Cookie, Failure, Nexus, Outcome, Refusal, Request, TargetId, Transfer,
};
use hba_core::port::ControlPort;
use hba_core::queue::{Batch, Vector};
use hba_core::register::Registers;
use hba_core::time::{Instant, Timeout};

use scsi_proto::command::{self, Access, Command, TestUnitReady};
use scsi_proto::{Cdb, Lba, Lun, Status};

use crate::register_bank::Pages;

/// How a command is to end; the cookie says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Ending {
    /// GOOD, everything moved.
    Good,
    /// CHECK CONDITION with [`SENSE`].
    CheckCondition,
    /// GOOD, and less moved than asked for.
    Underrun,
    /// Held until it is aborted, and ended by the controller then.
    Terminated,
    /// Held whatever the abort's answer says, until its logical unit is reset.
    Vanished,
    /// Refused: longer than the controller can move.
    TooLong,
    /// Refused: longer than its buffer.
    BufferTooShort,
    /// Refused: all tags are out.
    QueueFull,
}

impl Ending {
    const ALL: [Self; 8] = [
        Self::Good,
        Self::CheckCondition,
        Self::Underrun,
        Self::Terminated,
        Self::Vanished,
        Self::TooLong,
        Self::BufferTooShort,
        Self::QueueFull,
    ];

    /// Whether the controller holds the command at first.
    #[must_use]
    pub const fn is_held(self) -> bool {
        matches!(self, Self::Terminated | Self::Vanished)
    }

    fn of(cookie: Cookie) -> Self {
        Self::ALL[cookie.0 as usize]
    }
}

/// 3/11/00, fixed format; a whole number of words.
pub const SENSE: [u8; 20] = [0x70, 0, 3, 0, 0, 0, 0, 12, 0, 0, 0, 0, 0x11, 0, 0, 0, 0, 0, 0, 0];
/// Most commands outstanding: fewer than a round submits, so that some are refused.
pub const DEPTH: u16 = 20;
const ROUND: u32 = 24;
const PAGE: u32 = 4096;
/// An operation code of the vendor's.
const VENDOR: Cdb = Cdb::from_array([0xc1, 1, 2, 3, 4, 5, 6, 7, 8, 9]);

/// A controller that ends its requests as the test wants.
pub trait Firmware: Sized {
    /// The control path that drives it.
    type Port: ControlPort;
    /// Whether it holds commands until they are aborted.
    const HOLDS: bool;

    /// The controller and its adapter, operational, with [`DEPTH`] tags.
    fn start() -> (Self, Adapter<Self::Port, Pages>);

    /// A buffer of so many pages that its list does not fit a request frame; how many, and the buffer.
    fn pages() -> (u32, Pages);

    /// Its registers.
    fn registers(&mut self) -> &mut dyn Registers;

    /// Whether one more command may be held; these are on their way.
    fn may_hold(&self, coming: &VecDeque<Ending>) -> bool;

    /// Ends what was requested; `endings` are those of the commands, in order.
    fn work(&mut self, endings: &mut VecDeque<Ending>);
}

/// Caller, adapter and controller.
pub struct Story<F: Firmware> {
    firmware: F,
    adapter: Adapter<F::Port, Pages>,
    batch: Batch<Pages>,
    /// Of the requests that the controller has not seen, oldest first.
    endings: VecDeque<Ending>,
    now: Instant,
    random: u32,
    one_page: Pages,
    /// Many pages, and how many.
    pages: (u32, Pages),
    accepted: u64,
    /// By [`Ending`].
    ended: [u64; Ending::ALL.len()],
}

impl<F: Firmware> Story<F> {
    /// Nothing was sent yet.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it starts a controller")]
    pub fn new() -> Self {
        let (firmware, adapter) = F::start();
        Self {
            firmware,
            adapter,
            batch: Batch::new(2 * usize::from(DEPTH)),
            endings: VecDeque::with_capacity(usize::from(DEPTH)),
            now: Instant::ZERO,
            random: 1,
            one_page: Pages::scattered(1),
            pages: F::pages(),
            accepted: 0,
            ended: [0; Ending::ALL.len()],
        }
    }

    /// Runs until so many more commands were accepted.
    ///
    /// # Panics
    ///
    /// If one ends as it should not.
    pub fn run(&mut self, commands: u64) {
        let end = self.accepted + commands;
        while self.accepted < end {
            for _ in 0..ROUND {
                self.submit();
            }
            self.firmware.work(&mut self.endings);
            self.poll();
            self.now = self.now + Duration::from_micros(100);
        }
    }

    /// Every ending was seen that there is.
    ///
    /// # Panics
    ///
    /// If not.
    pub fn saw_every_ending(&self) {
        let unseen = |ending: &Ending| self.ended[*ending as usize] == 0;
        let unseen = Ending::ALL.into_iter().filter(unseen);
        let unseen: Vec<_> = unseen.filter(|ending| F::HOLDS || !ending.is_held()).collect();
        assert!(unseen.is_empty(), "no command ended so: {unseen:?}");
    }

    fn submit(&mut self) {
        let may_hold = self.firmware.may_hold(&self.endings);
        let ending = match self.next_random() % 1000 {
            0..5 if may_hold => Ending::Terminated,
            5..10 if may_hold => Ending::Vanished,
            10..50 => Ending::CheckCondition,
            50..90 => Ending::Underrun,
            90..100 => Ending::TooLong,
            100..110 => Ending::BufferTooShort,
            _ => Ending::Good,
        };
        let request = self.request(ending);
        match self.adapter.submit(Vector(0), request, self.now, self.firmware.registers()) {
            Ok(_) => {
                self.accepted += 1;
                self.endings.push_back(ending);
            }
            Err(rejected) => {
                let seen = match rejected.reason {
                    Refusal::QueueFull => Ending::QueueFull,
                    Refusal::TransferTooLong { .. } => Ending::TooLong,
                    Refusal::Unsendable(_) => Ending::BufferTooShort,
                    other => panic!("refused: {other}"),
                };
                assert!(seen == ending || seen == Ending::QueueFull, "{seen:?}, not {ending:?}");
                self.ended[seen as usize] += 1;
            }
        }
    }

    fn request(&mut self, ending: Ending) -> Request<Pages> {
        let lba = Lba(u64::from(self.next_random()));
        let (access, one, (count, all)) = (Access::default(), self.one_page, self.pages);
        let (cdb, transfer, data) = match (ending, self.next_random() % 9) {
            (Ending::TooLong, _) => {
                (command::read(lba, 1, access), Transfer::from_device(u32::MAX), one)
            }
            (Ending::BufferTooShort, _) => {
                (command::read(lba, 16, access), Transfer::from_device(2 * PAGE), one)
            }
            (Ending::Underrun, _) | (_, 0 | 1) => {
                (command::read(lba, 8, access), Transfer::from_device(PAGE), one)
            }
            (_, 2 | 3) => (command::write(lba, 8, access), Transfer::to_device(PAGE), one),
            (_, 4) => {
                (command::write(lba, 8 * count, access), Transfer::to_device(count * PAGE), all)
            }
            (_, 5) => {
                (command::read(lba, 8 * count, access), Transfer::from_device(count * PAGE), all)
            }
            (_, 6) => (Ok(command::flush_all()), Transfer::NONE, Pages::NONE),
            (_, 7) => (Ok(TestUnitReady::default().cdb()), Transfer::NONE, Pages::NONE),
            _ => (Ok(VENDOR), Transfer::from_device(100), one),
        };
        let nexus = Nexus::new(TargetId::new(1 + (lba.0 % 3) as u16), Lun::ZERO);
        let cookie = Cookie(ending as u64);
        let request = Request::new(nexus, cdb.expect("in range"), transfer, data, cookie);
        if ending.is_held() { request.with_timeout(Timeout::from_millis(1)) } else { request }
    }

    fn poll(&mut self) {
        let _ = self.adapter.poll(self.now, self.firmware.registers(), &mut self.batch);
        while self.adapter.poll_event().is_some() {}
        for done in self.batch.drain() {
            let Completion { cookie, outcome, residual, .. } = done.completion;
            let ending = Ending::of(cookie);
            let (expected, sense): (_, &[u8]) = match ending {
                Ending::CheckCondition => (Outcome::Status(Status::CHECK_CONDITION), &SENSE),
                Ending::Good | Ending::Underrun => (Outcome::Status(Status::GOOD), &[]),
                // The reset of its unit may overtake its deadline.
                _ if outcome == Outcome::Failed(Failure::Aborted) => (outcome, &[]),
                _ => (Outcome::Failed(Failure::TimedOut), &[]),
            };
            assert_eq!((outcome, done.sense), (expected, sense));
            assert!(residual == 0 || ending != Ending::Good);
            assert!(residual != 0 || ending != Ending::Underrun);
            self.ended[ending as usize] += 1;
        }
    }

    fn next_random(&mut self) -> u32 {
        self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.random >> 8
    }
}
