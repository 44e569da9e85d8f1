//! The queue against a scripted port.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use scsi_proto::{Cdb, Direction, Lun, Status};

use super::*;
use crate::command::{
    Completion, Effect, LengthCheck, LengthMismatch, Nexus, Outcome, Refusal, Request, TargetId,
    Transfer,
};
use crate::dma::BusAddr;
use crate::port::{
    BadReply, Delivery, Detail, Generation, Message, Tag, Transferred, Unsendable, WireTag,
};
use crate::time::{Instant, Timeout};
use fake::{DEPTH, Dropped, FakePort, LIMITS, Posted, Tracked, detail};

mod fake;
mod model;

const NEXUS: Nexus = Nexus::new(TargetId::new(3), Lun::ZERO);
const T0: Instant = Instant::from_millis(1000);
const LEN: u32 = 4096;

/// An open queue, the batch for it, and the list of dropped buffers.
struct Bench<const BITS: u32> {
    queue: IoQueue<FakePort<BITS>, Tracked>,
    batch: Batch<Tracked>,
    dropped: Dropped,
}

/// What is left of a completion once its buffer was compared and dropped.
#[derive(Debug, PartialEq, Eq)]
struct Ended {
    cookie: u64,
    outcome: Outcome,
    transferred: u32,
    residual: u32,
    effect: Effect,
    sense: Vec<u8>,
}

impl<const BITS: u32> Bench<BITS> {
    fn open() -> Self {
        let timeouts = ClassTimeouts::default();
        let queue = IoQueue::new(FakePort::new(), Vector(0), &LIMITS, timeouts);
        let mut bench = Self { queue, batch: Batch::new(64), dropped: Dropped::default() };
        bench.restart_and_open();
        bench
    }

    fn restart_and_open(&mut self) -> Vec<Ended> {
        self.queue.restart(RestartPermit { vector: Vector(0), asleep: false });
        self.queue.open(OpenPermit { vector: Vector(0) });
        let ended = self.pass();
        assert!(self.queue.is_open());
        ended
    }

    fn request(&self, cookie: u64, length: u32) -> Request<Tracked> {
        let data = Tracked::new(cookie, length, &self.dropped);
        let cdb = Cdb::from_array([0x28, 0, 0, 0, 0, 0, 0, 0, 8, 0]);
        Request::new(NEXUS, cdb, Transfer::from_device(length), data, Cookie(cookie))
            .with_timeout(Timeout::from_millis(64))
    }

    fn submit(&mut self, cookie: u64) -> CommandHandle {
        let request = self.request(cookie, LEN);
        self.queue.submit(request, T0).expect("the queue has room").handle
    }

    /// The wire name of the command sent last.
    fn name(&self) -> WireTag {
        self.queue.port().sent.last().expect("something was sent").name
    }

    fn post(&mut self, posted: Posted) {
        self.queue.port_mut().posted.push_back(posted);
    }

    fn pass(&mut self) -> Vec<Ended> {
        let _ = self.queue.service(&mut self.batch);
        self.take()
    }

    fn take(&mut self) -> Vec<Ended> {
        let ended = |done: Done<'_, Tracked>| {
            let effect = done.completion.effect();
            let Completion { cookie, data, outcome, transferred, residual, .. } = done.completion;
            assert_eq!(data.id, cookie.0, "every command gets its own memory back");
            Ended {
                cookie: cookie.0,
                outcome,
                transferred,
                residual,
                effect,
                sense: done.sense.to_vec(),
            }
        };
        self.batch.drain().map(ended).collect()
    }
}

fn failed(cookie: u64, failure: Failure) -> Ended {
    Ended {
        cookie,
        outcome: Outcome::Failed(failure),
        transferred: 0,
        residual: LEN,
        effect: Effect::Indeterminate,
        sense: vec![],
    }
}

#[test]
fn b11_closing_with_commands_outstanding_reports_and_holds_memory() {
    let mut bench = Bench::<8>::open();
    bench.submit(70);
    bench.submit(71);
    let Bench { queue, dropped, .. } = bench;
    let abandoned = queue.close().expect_err("two commands are out");
    assert_eq!(abandoned.count(), 2);
    assert_eq!(abandoned.cookies(), [Cookie(70), Cookie(71)]);
    assert!(dropped.borrow().is_empty(), "the device may still write there");
    let memory = abandoned.release(Stopped(()));
    assert_eq!(memory.iter().map(|data| data.id).collect::<Vec<_>>(), [70, 71]);

    let mut bench = Bench::<8>::open();
    bench.submit(72);
    let Bench { queue, dropped, .. } = bench;
    drop(queue.close().expect_err("one command is out"));
    assert!(dropped.borrow().is_empty(), "without proof the memory is leaked, not freed");

    let mut bench = Bench::<8>::open();
    bench.submit(73);
    let Bench { queue, dropped, .. } = bench;
    drop(queue);
    assert!(dropped.borrow().is_empty(), "dropping the queue is no proof either");
    assert!(Bench::<8>::open().queue.close().is_ok());
}

#[test]
fn b17_work_per_call_is_bounded() {
    let unknown = Posted::Bad(BadReply::UnknownTag { raw: 0xdead });
    let never = WireTag { tag: Tag(0), generation: Generation(99) };
    for endless in [unknown, Posted::Good(never), Posted::Message(Message::EMPTY)] {
        let mut bench = Bench::<8>::open();
        bench.queue.port_mut().endless = Some(endless);
        for _ in 0..3 {
            let before = bench.queue.port().touches;
            let serviced = bench.queue.service(&mut bench.batch);
            assert!(serviced.more, "an endless stream is never reported as empty");
            let work = (bench.queue.port().touches - before) as usize;
            assert!(work <= bench.batch.capacity() + 1, "{work} calls in one pass");
            let messages = bench.batch.drain_messages().count();
            assert!(messages <= 4, "{messages} messages, room for four was allocated");
        }
    }
    let mut bench = Bench::<8>::open();
    bench.batch = Batch::new(2);
    for cookie in 0..5 {
        bench.submit(cookie);
        let name = bench.name();
        bench.post(Posted::Good(name));
    }
    for expected in [&[0, 1][..], &[2, 3], &[4]] {
        let serviced = bench.queue.service(&mut bench.batch);
        assert_eq!(serviced.more, expected.len() == 2);
        let cookies: Vec<_> = bench.take().iter().map(|ended| ended.cookie).collect();
        assert_eq!(cookies, expected);
    }
}

#[test]
fn b17_ending_everything_is_bounded_too() {
    let mut bench = Bench::<8>::open();
    bench.batch = Batch::new(2);
    (0..5).for_each(|cookie| _ = bench.submit(cookie));
    bench.queue.handle_gone(Failure::ControllerGone);
    for (count, more) in [(2, true), (2, true), (1, false)] {
        let serviced = bench.queue.service(&mut bench.batch);
        assert_eq!((bench.take().len(), serviced.more), (count, more));
    }
}

#[test]
fn b22_too_long_is_rejected_whole() {
    let mut bench = Bench::<8>::open();
    let too_long = bench.request(5, LIMITS.transfer_max + 1);
    let rejected = bench.queue.submit(too_long, T0).expect_err("one byte too long");
    let (length, permitted) = (LIMITS.transfer_max + 1, LIMITS.transfer_max);
    assert_eq!(rejected.reason, Refusal::TransferTooLong { length, permitted });
    let request = rejected.request;
    assert_eq!(
        (request.data.id, request.cookie, request.command.transfer.length),
        (5, Cookie(5), length)
    );

    let mut long_cdb = bench.request(6, LEN);
    long_cdb.command.cdb = Cdb::from_array([0x7f; 17]);
    let rejected = bench.queue.submit(long_cdb, T0).expect_err("seventeen bytes of cdb");
    assert_eq!(rejected.reason, Refusal::Unsendable(Unsendable::Cdb { length: 17 }));

    let mut short_memory = bench.request(7, LEN);
    short_memory.command.transfer.length = LEN + 1;
    let rejected = bench.queue.submit(short_memory, T0).expect_err("one byte without memory");
    assert_eq!(rejected.reason.to_string(), "the buffer is 1 bytes shorter than the transfer");

    assert!(bench.queue.port().sent.is_empty(), "nothing reached the wire");
    let counters = *bench.queue.counters();
    assert_eq!((counters.submitted, counters.rejected, bench.queue.outstanding()), (0, 3, 0));
    let longest = bench.request(8, LIMITS.transfer_max);
    assert!(bench.queue.submit(longest, T0).is_ok());
    let sent = bench.queue.port().sent[0].elements.iter().map(|e| e.len).sum::<u32>();
    assert_eq!(sent, LIMITS.transfer_max);
    // No refusal cost a slot.
    (1..u64::from(DEPTH)).for_each(|cookie| _ = bench.submit(cookie));
}

#[test]
fn b24_residual_is_carried_and_short_good_is_flagged() {
    let mut bench = Bench::<8>::open();
    let cases = [
        (Status::GOOD, Transferred::All, LEN, Effect::Done),
        (Status::GOOD, Transferred::Bytes(LEN), LEN, Effect::Done),
        (Status::GOOD, Transferred::Bytes(512), 512, Effect::DoneShort),
        (Status::GOOD, Transferred::Bytes(0), 0, Effect::DoneShort),
        (Status::CHECK_CONDITION, Transferred::Bytes(8), 8, Effect::Indeterminate),
        (Status::CHECK_CONDITION, Transferred::Bytes(u32::MAX), LEN, Effect::Indeterminate),
        (Status::BUSY, Transferred::Bytes(0), 0, Effect::NotDone),
    ];
    for (status, count, transferred, effect) in cases {
        bench.submit(1);
        let name = bench.name();
        bench.post(Posted::Detail(name, detail(status, count), vec![]));
        let expected = Ended {
            cookie: 1,
            outcome: Outcome::Status(status),
            transferred,
            residual: LEN - transferred,
            effect,
            sense: vec![],
        };
        assert_eq!(bench.pass(), [expected]);
    }
    assert_eq!(bench.queue.counters().short, 2);

    bench.submit(2);
    let name = bench.name();
    bench.post(Posted::Detail(name, detail(Status::GOOD, Transferred::Bytes(LEN + 1)), vec![]));
    let [ended] = &bench.pass()[..] else { panic!("one completion") };
    assert_eq!(
        ended.outcome,
        Outcome::Failed(Failure::Overrun),
        "more than was asked is no success"
    );
    assert_eq!((ended.transferred, ended.residual), (LEN, 0));
}

#[test]
fn sense_belongs_to_its_own_completion() {
    let mut bench = Bench::<8>::open();
    for (cookie, sense) in [(1, vec![0x70, 0, 6]), (2, vec![]), (3, vec![0x72; 252])] {
        bench.submit(cookie);
        let mut detail = detail(Status::CHECK_CONDITION, Transferred::Bytes(0));
        detail.sense_len = sense.len() as u8;
        let name = bench.name();
        bench.post(Posted::Detail(name, detail, sense));
    }
    let ended = bench.pass();
    let sense: Vec<_> = ended.iter().map(|ended| (ended.cookie, &ended.sense[..])).collect();
    assert_eq!(sense, [(1, &[0x70, 0, 6][..]), (2, &[]), (3, &[0x72; 252])]);
}

#[test]
fn b25_stale_duplicate_unknown_context_never_completes() {
    let mut bench = Bench::<8>::open();
    bench.submit(1);
    let first = bench.name();
    bench.post(Posted::Good(first));
    bench.post(Posted::Good(first));
    assert_eq!(bench.pass().len(), 1, "the duplicate completes nothing");
    bench.submit(2);
    assert_eq!(bench.name().tag, first.tag, "the slot is used again");
    bench.post(Posted::Good(first));
    bench.post(Posted::Detail(first, detail(Status::GOOD, Transferred::All), vec![]));
    let future = WireTag { generation: Generation(bench.name().generation.0 + 1), ..first };
    bench.post(Posted::Good(future));
    assert_eq!(bench.pass(), []);
    assert_eq!(bench.queue.counters().stale, 4);

    let beyond = WireTag { tag: Tag(DEPTH), generation: Generation(0) };
    bench.post(Posted::Good(beyond));
    bench.post(Posted::Bad(BadReply::UnknownTag { raw: 7 }));
    bench.post(Posted::Bad(BadReply::FrameAddress { raw: 7 }));
    assert_eq!(bench.pass(), []);
    let counters = *bench.queue.counters();
    assert_eq!((counters.unknown, counters.malformed, counters.completed), (2, 1, 1));
    let name = bench.name();
    bench.post(Posted::Good(name));
    assert_eq!(bench.pass()[0].cookie, 2, "the command itself still completes");
}

#[test]
fn b27_direction_and_length_are_the_callers() {
    let mut bench = Bench::<8>::open();
    let transfers = [Transfer::from_device(100), Transfer::to_device(100), Transfer::NONE];
    for (opcode, transfer) in [0xc0, 0xdf, 0x00, 0x28, 0x2a]
        .into_iter()
        .flat_map(|opcode| transfers.map(|transfer| (opcode, transfer)))
    {
        let mut request = bench.request(1, 100);
        request.command.cdb = Cdb::from_array([opcode, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        request.command.transfer = transfer;
        let cdb = request.command.cdb;
        assert!(bench.queue.submit(request, T0).is_ok());
        let sent = bench.queue.port().sent.last().expect("sent");
        assert_eq!((sent.command.cdb, sent.command.transfer), (cdb, transfer));
        let bytes: u32 = sent.elements.iter().map(|element| element.len).sum();
        assert_eq!(bytes, transfer.length);
        let name = bench.name();
        bench.post(Posted::Good(name));
        assert_eq!(bench.pass().len(), 1);
    }
    let mut request = bench.request(1, 100);
    request.command.transfer.direction = Direction::None;
    let rejected = bench.queue.submit(request, T0).expect_err("data without a direction");
    assert_eq!(rejected.reason, Refusal::NoDirection { length: 100 });
}

#[test]
fn b27_length_checks_report_or_refuse_as_asked() {
    let mut bench = Bench::<8>::open();
    let block = crate::command::BlockSize(512);
    let mismatch = LengthMismatch { implied: 4096, given: 512 };
    let checked = |check| bench.request(1, 512).with_check(check);
    let (off, report) = (checked(LengthCheck::Off), checked(LengthCheck::Report(block)));
    let refuse = checked(LengthCheck::Refuse(block));
    assert_eq!(bench.queue.submit(off, T0).expect("accepted").mismatch, None);
    assert_eq!(bench.queue.submit(report, T0).expect("accepted").mismatch, Some(mismatch));
    let rejected = bench.queue.submit(refuse, T0).expect_err("the lengths differ");
    assert_eq!(rejected.reason, Refusal::Length(mismatch));
    assert_eq!(bench.queue.port().sent.len(), 2);
    let agrees = bench.request(2, 4096).with_check(LengthCheck::Refuse(block));
    assert!(bench.queue.submit(agrees, T0).is_ok());
}

#[test]
fn b29_memory_comes_home_only_after_the_device_is_done() {
    let mut bench = Bench::<0>::open();
    let handle = bench.submit(1);
    let ticket = bench.queue.abort(handle).expect("it is out");
    assert_eq!(bench.queue.abort(handle), None, "one ticket at a time");
    assert_eq!(bench.pass(), [], "asking for an abort ends nothing");
    assert_eq!(bench.queue.redeem(ticket, Verdict::Superseded).unanswered, None);
    assert_eq!(bench.pass(), [], "a verdict without an end ends nothing");
    let ticket = bench.queue.abort(handle).expect("it is out again");
    assert!(!bench.queue.has_ended(&ticket));
    let name = bench.name();
    let redeemed = bench.queue.redeem(ticket, Verdict::Drained);
    let ticket = redeemed.unanswered.expect("the device may not have fetched it yet");
    assert_eq!(bench.pass(), [], "the answer to an abort ends nothing");

    (10..10 + u64::from(DEPTH) - 1).for_each(|cookie| _ = bench.submit(cookie));
    let last = bench.request(99, LEN);
    let rejected = bench.queue.submit(last, T0).expect_err("the doubtful slot rests");
    assert_eq!(rejected.reason, Refusal::QueueFull);
    drop(rejected);

    bench.post(Posted::Good(name));
    assert_eq!(bench.pass()[0].effect, Effect::Done, "it was fetched after all");
    let last = bench.request(99, LEN);
    let rejected = bench.queue.submit(last, T0).expect_err("its ticket is out");
    drop(rejected);
    assert_eq!(bench.queue.redeem(ticket, Verdict::Drained).unanswered, None);
    bench.post(Posted::Good(name));
    assert_eq!(bench.pass(), [], "the late reply of an ended command is stale");

    bench.dropped.borrow_mut().clear();
    let token = bench.queue.quiesce();
    assert_eq!(bench.pass(), [], "a stopped queue gives nothing back");
    drop(token);
    assert!(bench.dropped.borrow().is_empty());
    let ended = bench.restart_and_open();
    assert_eq!(ended.len(), usize::from(DEPTH) - 1);
    assert!(ended.iter().all(|e| e.outcome == Outcome::Failed(Failure::Reset)));
    (0..u64::from(DEPTH)).for_each(|cookie| _ = bench.submit(cookie));
}

#[test]
fn b29_a_verdict_on_the_eve_of_a_reset_costs_no_slot() {
    let mut bench = Bench::<0>::open();
    let handle = bench.submit(1);
    let ticket = bench.queue.abort(handle).expect("it is out");
    let ticket = bench.queue.redeem(ticket, Verdict::Drained).unanswered.expect("no reply came");
    let _ = bench.queue.quiesce();
    assert_eq!(bench.restart_and_open().len(), 1);
    assert_eq!(bench.queue.redeem(ticket, Verdict::Superseded).unanswered, None);
    (0..u64::from(DEPTH)).for_each(|cookie| _ = bench.submit(cookie));
}

#[test]
fn b31_an_expired_command_keeps_its_slot_until_it_ends() {
    let mut bench = Bench::<8>::open();
    bench.submit(1);
    let at = bench.queue.next_deadline().expect("armed");
    assert_eq!(at, T0 + Timeout::from_millis(64).duration());
    assert_eq!(bench.queue.poll_expired(T0), None);
    let ticket = bench.queue.poll_expired(at).expect("due");
    assert_eq!(bench.queue.poll_expired(at), None, "only once");
    assert_eq!((bench.pass(), bench.queue.outstanding()), (vec![], 1));
    let name = bench.name();
    bench.post(Posted::Good(name));
    let ended = bench.pass();
    assert_eq!(ended[0].effect, Effect::Done, "its own reply counts, late as it is");
    assert!(bench.queue.has_ended(&ticket));
    bench.submit(2);
    assert_ne!(bench.name().tag, name.tag, "the ticket still names the slot");
    assert_eq!(bench.queue.redeem(ticket, Verdict::Drained).unanswered, None);
    bench.submit(3);
    assert_eq!(bench.name().tag, name.tag);

    let at = bench.queue.next_deadline().expect("armed");
    let ticket = bench.queue.poll_expired(at).expect("due");
    assert_eq!(ticket.name.tag, name.tag, "equal deadlines pass in the order of slots");
    let _ = bench.queue.redeem(ticket, Verdict::Superseded);

    bench.submit(4);
    let ticket = bench.queue.poll_expired(T0 + Duration::from_secs(1)).expect("2 is due");
    let _ = bench.queue.redeem(ticket, Verdict::Superseded);
    let _ = bench.queue.quiesce();
    let ended = bench.restart_and_open();
    let of = |cookie| ended.iter().find(|ended| ended.cookie == cookie).map(|ended| ended.outcome);
    assert_eq!(of(2), Some(Outcome::Failed(Failure::TimedOut)), "its time was up before the reset");
    assert_eq!(of(3), Some(Outcome::Failed(Failure::TimedOut)), "so was its");
    assert_eq!(of(4), Some(Outcome::Failed(Failure::Reset)));

    let mut bench = Bench::<8>::open();
    bench.submit(5);
    let at = bench.queue.next_deadline().expect("armed");
    let ticket = bench.queue.poll_expired(at).expect("due");
    assert_eq!(bench.queue.poll_expired(at), None);
    let _ = bench.queue.redeem(ticket, Verdict::Superseded);
    bench.submit(6);
    let _ticket = bench.queue.poll_expired(at).expect("6 is due");
    assert_eq!(bench.queue.poll_expired(at), None, "5 has had its ticket");
    assert_eq!(bench.queue.counters().expired, 2);
}

#[test]
fn b31_the_tickets_of_a_queue_go_out_one_for_each_unit_and_four_in_all() {
    const { assert!(TICKETS_MAX == 4) };
    let mut bench = Bench::<8>::open();
    for cookie in 0..u64::from(DEPTH) {
        let mut request = bench.request(cookie, LEN);
        request.command.nexus.lun = Lun::from_number((cookie % 6) as u16);
        assert!(bench.queue.submit(request, T0).is_ok());
    }
    let late = T0 + Duration::from_secs(1);
    let mut out: Vec<_> = core::iter::from_fn(|| bench.queue.poll_expired(late)).collect();
    let units = |out: &[AbortTicket]| out.iter().map(|t| t.nexus.lun).collect::<Vec<_>>();
    assert_eq!(units(&out), [0, 1, 2, 3].map(Lun::from_number));
    assert_eq!(bench.queue.counters().expired, u64::from(DEPTH), "all are late");
    assert_eq!(bench.queue.next_deadline(), None, "nothing is due before a ticket comes home");

    let mut given: Vec<_> = out.iter().map(|ticket| ticket.name.tag).collect();
    while !out.is_empty() {
        let ticket = out.remove(0);
        let unanswered = bench.queue.redeem(ticket, Verdict::Drained).unanswered.expect("no reply");
        assert_eq!(bench.queue.poll_expired(late), None, "its place is not free yet");
        assert_eq!(bench.queue.redeem(unanswered, Verdict::Superseded).unanswered, None);
        let due = bench.queue.next_deadline();
        out.extend(core::iter::from_fn(|| bench.queue.poll_expired(late)).inspect(|ticket| {
            assert_eq!(due, Some(Instant::ZERO));
            given.push(ticket.name.tag);
        }));
        assert!(out.len() <= 4);
    }
    assert_eq!(given[4..6], [Tag(4), Tag(5)], "units that have had no ticket are next");
    given.sort();
    assert!(given.iter().copied().eq((0..DEPTH).map(Tag)), "each once: {given:?}");
}

#[test]
fn b30_gone_touches_nothing_and_ends_everything_once() {
    let mut bench = Bench::<8>::open();
    let handles: Vec<_> = (0..4).map(|cookie| bench.submit(cookie)).collect();
    let ticket = bench.queue.abort(handles[0]).expect("it is out");
    let name = bench.name();
    bench.post(Posted::Gone);
    bench.post(Posted::Good(name));
    let serviced = bench.queue.service(&mut bench.batch);
    assert!(serviced.gone);
    assert_eq!(serviced.ack, None, "a device that is gone gets no acknowledge");
    assert_eq!(bench.take(), []);

    let touches = bench.queue.port().touches;
    bench.queue.handle_gone(Failure::ControllerGone);
    let request = bench.request(9, LEN);
    let rejected = bench.queue.submit(request, T0).expect_err("gone");
    assert_eq!(rejected.reason, Refusal::Gone);
    // Values that were on their way when the device left must not bring the queue back to life.
    let _ = bench.queue.quiesce();
    bench.queue.restart(RestartPermit { vector: Vector(0), asleep: false });
    bench.queue.open(OpenPermit { vector: Vector(0) });
    let ended = bench.pass();
    assert_eq!(ended, [0, 1, 2, 3].map(|cookie| failed(cookie, Failure::ControllerGone)));
    assert_eq!(bench.pass(), [], "once");
    let _ = bench.queue.redeem(ticket, Verdict::Superseded);
    bench.queue.restart(RestartPermit { vector: Vector(0), asleep: false });
    bench.queue.open(OpenPermit { vector: Vector(0) });
    assert_eq!(bench.pass(), []);
    assert_eq!(bench.queue.next_deadline(), None);
    assert!(!bench.queue.is_open());
    assert_eq!(bench.queue.port().touches, touches, "nothing is touched");
    assert_eq!(bench.queue.counters().completed, 4);
}

#[test]
fn b32_rejects_lose_nothing_and_batches_are_exact() {
    let mut bench = Bench::<8>::open();
    let requests: Vec<_> = (0..12).map(|cookie| bench.request(cookie, LEN)).collect();
    let mut requests = requests.into_iter();
    let mut doorbells = Vec::new();
    let rejected = bench
        .queue
        .submit_batch(&mut requests, T0, &mut doorbells)
        .expect_err("twelve do not fit into eight slots");
    assert_eq!((rejected.reason, rejected.request.cookie), (Refusal::QueueFull, Cookie(8)));
    assert_eq!(doorbells.len(), usize::from(DEPTH));
    let cookies: Vec<_> = bench.queue.outstanding_cookies().map(|cookie| cookie.0).collect();
    assert_eq!(cookies, (0..8).collect::<Vec<_>>(), "exactly those before the refused one");
    assert_eq!(
        requests.map(|r| r.cookie.0).collect::<Vec<_>>(),
        [9, 10, 11],
        "the rest is the caller's"
    );

    let full = rejected.into_task_set_full().expect("the queue is full");
    assert_eq!(full.outcome, Outcome::Status(Status::TASK_SET_FULL));
    assert_eq!((full.data.id, full.residual, full.effect()), (8, LEN, Effect::NotDone));
    let too_long = bench.request(20, u32::MAX);
    let rejected = bench.queue.submit(too_long, T0).expect_err("too long");
    assert_eq!(
        rejected.into_task_set_full().expect_err("not for lack of room").request.cookie,
        Cookie(20)
    );
}

#[test]
fn a_drain_mark_comes_only_from_an_empty_path() {
    let mut bench = Bench::<8>::open();
    bench.batch = Batch::new(1);
    bench.submit(1);
    let name = bench.name();
    bench.post(Posted::Good(name));
    bench.queue.begin_drain(DrainRequest { vector: Vector(0), number: 7 });
    assert_eq!(bench.queue.service(&mut bench.batch).drained, None, "the budget ended the pass");
    let _ = bench.take();
    let mark = DrainMark { vector: Vector(0), number: 7 };
    assert_eq!(bench.queue.service(&mut bench.batch).drained, Some(mark));
    assert_eq!(bench.queue.service(&mut bench.batch).drained, None, "one mark for one request");

    bench.queue.begin_drain(DrainRequest { vector: Vector(0), number: 8 });
    bench.post(Posted::Gone);
    assert_eq!(bench.queue.service(&mut bench.batch).drained, None, "all ones are not empty");
}

#[test]
fn messages_reach_control_and_failures_keep_their_name() {
    let mut bench = Bench::<8>::open();
    bench.post(Posted::Message(Message::new([1, 2, 3])));
    bench.submit(1);
    let name = bench.name();
    let parity = Detail {
        delivery: Delivery::Failed(Failure::DataError),
        ..detail(Status::GOOD, Transferred::Bytes(16))
    };
    bench.post(Posted::Detail(name, parity, vec![]));
    let [ended] = &bench.pass()[..] else { panic!("one completion") };
    assert_eq!(ended.outcome, Outcome::Failed(Failure::DataError));
    assert_eq!((ended.transferred, ended.residual), (16, LEN - 16));
    let messages: Vec<_> = bench.batch.drain_messages().collect();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].words(), [1, 2, 3]);
    let addresses = bench.queue.port().sent[0].elements.iter().map(|e| e.addr);
    assert!(addresses.eq([BusAddr::new(0x10_0000)]));
}
