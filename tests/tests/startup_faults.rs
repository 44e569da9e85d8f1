//! A controller that starts up with nonsense is refused, in bounded time and before it sees any memory.

use core::time::Duration;

use hba_core::control::RecoveryConfig;
use hba_core::dispatch::ClassTimeouts;
use hba_core::dma::{DmaRegion, RegionBuffer};
use hba_core::host::{Host, HostError, OutOfMemory, Platform};
use hba_core::port::{BringUpError, RegionPlan};
use hba_core::register::Registers;
use hba_core::time::Instant;
use hba_tests::register_bank::{BankFifo, RegisterBank, answer};
use hba_tests::startup::{LATE, bring_up};
use mpt_backend::mpi1::{Mpi1, Mpi1Config};
use mpt_backend::wire::message::Function;
use sim_backend::schedule::SplitMix64;

/// A register bank as a platform; time passes in waits only.
struct BankPlatform {
    bank: RegisterBank,
    now: Instant,
    isolated: bool,
}

impl Platform for BankPlatform {
    fn registers(&mut self) -> &mut dyn Registers {
        &mut self.bank
    }

    fn now(&mut self) -> Instant {
        self.now
    }

    /// The bank answers at once, so whoever waits for it waits in vain: late, as a host under load.
    fn wait(&mut self, until: Instant) {
        self.now = until.max(self.now + LATE);
    }

    fn allocate(&mut self, plan: &RegionPlan) -> Result<DmaRegion, OutOfMemory> {
        assert_eq!(self.bank.handed_over(), 0, "no address is handed over before there is memory");
        Ok(self.bank.allocate(plan))
    }

    fn buffer(&mut self, len: usize) -> Result<RegionBuffer, OutOfMemory> {
        Err(OutOfMemory { len })
    }

    fn isolate(&mut self) {
        self.isolated = true;
    }
}

type BankHost = Host<Mpi1<BankFifo>, BankPlatform>;

fn bank(forge: impl FnOnce(&mut RegisterBank)) -> BankHost {
    let (mut bank, fifo) = RegisterBank::new();
    forge(&mut bank);
    let platform = BankPlatform { bank, now: Instant::ZERO, isolated: false };
    let port = Mpi1::new(Mpi1Config::default(), fifo);
    Host::new(port, platform, RecoveryConfig::default(), ClassTimeouts::default())
}

/// IOC facts that are right but for some bits of one word.
fn facts(word: usize, mask: u32, value: u32) -> Vec<u32> {
    let mut words = answer(Function::IOC_FACTS, 0);
    words[word] = words[word] & !mask | value;
    words
}

/// Bring-up against a forged reply, which must fail before any memory is known.
fn refused_without_memory(function: Function, reply: Vec<u32>) -> BringUpError {
    let mut host = bank(|bank| bank.forge(function, reply));
    let (ended, took) = bring_up(&mut host);
    let Err(HostError::BringUp(error)) = ended else { panic!("{ended:?}") };
    assert!(took <= Duration::from_secs(21), "{error} after {took:?}");
    assert_eq!(host.platform().bank.handed_over(), 0, "{error}: memory was handed over");
    assert!(host.platform().isolated && host.adapter().stopped().is_some(), "{error}");
    error
}

#[test]
fn facts_that_cannot_be_worked_with_are_named() {
    // Word and bits: 5 holds flags in 31:24, 6 reply depth and frame size, 9 credits.
    let cases = [
        (9, 0xffff, 0, "global credits = 0"),
        (9, 0xffff, 8, "global credits = 8"),
        (6, 0xffff, 0, "reply queue depth = 0"),
        (6, 0xffff, 3, "reply queue depth = 3"),
        (6, 0xffff_0000, 0, "request frame size in words = 0"),
        (6, 0xffff_0000, 15 << 16, "request frame size in words = 15"),
        (5, 0xff00_0000, 1 << 24, "firmware must be loaded first"),
    ];
    for (word, mask, value, named) in cases {
        let error = refused_without_memory(Function::IOC_FACTS, facts(word, mask, value));
        assert!(matches!(error, BringUpError::Fact { .. }), "{error}");
        assert!(error.to_string().contains(named), "{error} instead of {named}");
    }
}

#[test]
fn the_least_that_can_be_worked_with_is_accepted() {
    for (word, mask, value) in [(9, 0xffff, 9), (6, 0xffff, 4), (6, 0xffff_0000, 16 << 16)] {
        let mut host = bank(|bank| bank.forge(Function::IOC_FACTS, facts(word, mask, value)));
        assert_eq!(bring_up(&mut host).0, Ok(()), "word {word} {value:#x}");
    }
}

/// A reply with its length in words replaced, as sent and as announced.
fn resized(function: Function, sent: usize, announced: u8) -> Vec<u32> {
    let mut words = answer(function, 0);
    words.resize(sent, 0);
    words[0] = words[0] & !0x00ff_0000 | u32::from(announced) << 16;
    words
}

#[test]
fn short_long_and_wrong_replies_of_a_handshake_are_refused() {
    for function in [Function::IOC_FACTS, Function::PORT_FACTS] {
        for words in [1, 2, 4] {
            let error = refused_without_memory(function, resized(function, words, words as u8));
            assert!(matches!(error, BringUpError::BadReply { .. }), "{words}: {error}");
        }
        // Announces no words at all, sends one.
        let error = refused_without_memory(function, resized(function, 1, 0));
        assert!(matches!(error, BringUpError::BadReply { .. }), "{error}");
        // Announces more than it sends: the rest never comes.
        let error = refused_without_memory(function, resized(function, 5, 255));
        assert!(matches!(error, BringUpError::Deadline { .. }), "{error}");
        // Sends more than it announces: the handshake does not end when it should.
        let ended = refused_or_right(function, resized(function, 40, 5));
        assert!(ended.is_err(), "{ended:?}");
        let mut wrong = answer(function, 0);
        wrong[0] = wrong[0] & 0x00ff_ffff | 0x0200_0000;
        let error = refused_without_memory(function, wrong);
        assert!(matches!(error, BringUpError::BadReply { .. }), "{error}");
    }
}

fn refused_or_right(function: Function, reply: Vec<u32>) -> Result<(), HostError> {
    bring_up(&mut bank(|bank| bank.forge(function, reply))).0
}

#[test]
fn a_reply_longer_than_what_is_kept_is_read_to_its_end() {
    // 255 words, of which the first are the facts.
    let long = resized(Function::IOC_FACTS, 255, 255);
    assert_eq!(refused_or_right(Function::IOC_FACTS, long), Ok(()));
}

#[test]
fn an_error_status_of_any_step_is_refused() {
    let steps =
        [Function::IOC_FACTS, Function::PORT_FACTS, Function::IOC_INIT, Function::PORT_ENABLE];
    for function in steps {
        for status in [0x0001, 0x0004, 0x8006, 0x7fff] {
            let mut reply = answer(function, 0);
            // IOC status is the upper half of the fourth word. Bit 15 says that log info is there.
            reply[3] = status << 16;
            let error = refused_or_right(function, reply).expect_err("an error");
            let expected = status & 0x7fff;
            let HostError::BringUp(BringUpError::Status { status, .. }) = error else {
                panic!("{function:?}: {error}");
            };
            assert_eq!(status, expected);
        }
    }
}

#[test]
fn the_first_request_through_memory_is_checked_too() {
    let mut status = answer(Function::IOC_FACTS, 0);
    status[3] = 0x0004 << 16;
    let mut wrong = answer(Function::IOC_FACTS, 0);
    wrong[0] = wrong[0] & 0x00ff_ffff | 0x0500_0000;
    let short = resized(Function::IOC_FACTS, 5, 4);
    for reply in [status, wrong, short] {
        let mut host = bank(|bank| bank.forge_first_fetch(reply));
        let (ended, took) = bring_up(&mut host);
        assert!(ended.is_err() && took <= Duration::from_secs(11), "{ended:?} after {took:?}");
    }
}

/// 500 replies of which bits are flipped: each ends operational or in an error, in bounded time, without a panic.
#[test]
fn flipped_bits_end_in_an_error_or_operational() {
    let mut random = SplitMix64::new(0x1068);
    let mut operational = 0;
    for _ in 0..500 {
        let functions =
            [Function::IOC_FACTS, Function::PORT_FACTS, Function::IOC_INIT, Function::PORT_ENABLE];
        let function = functions[random.below(4) as usize];
        let mut reply = answer(function, 0);
        for _ in 0..=random.below(4) {
            let word = random.below(reply.len() as u64) as usize;
            reply[word] ^= 1 << random.below(32);
        }
        let mut host = bank(|bank| bank.forge(function, reply));
        operational += u32::from(bring_up(&mut host).0.is_ok());
    }
    assert!((50..450).contains(&operational), "{operational} of 500 came up");
}
