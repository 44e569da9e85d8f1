//! Random operation lists against a plain model: every accepted command ends exactly once.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Op {
    Submit,
    /// The device answers one of its commands, GOOD and in full.
    Good(u8),
    /// The same with particulars.
    Detail(u8, u32),
    /// The device repeats a name that it has answered before.
    Stale(u8),
    Unknown(u16),
    Service,
    /// Time passes; everything due is expired.
    Expire(u16),
    Abort(u8),
    /// Control had a function performed and sends the ticket home.
    Redeem(u8),
    Supersede(u8),
    Quiesce,
    Restart,
    Open,
    Gone,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => Just(Op::Submit),
        6 => any::<u8>().prop_map(Op::Good),
        4 => (any::<u8>(), 0..2 * LEN).prop_map(|(at, count)| Op::Detail(at, count)),
        3 => any::<u8>().prop_map(Op::Stale),
        1 => any::<u16>().prop_map(Op::Unknown),
        8 => Just(Op::Service),
        2 => (0..100u16).prop_map(Op::Expire),
        3 => any::<u8>().prop_map(Op::Abort),
        3 => any::<u8>().prop_map(Op::Redeem),
        1 => any::<u8>().prop_map(Op::Supersede),
        1 => Just(Op::Quiesce),
        2 => Just(Op::Restart),
        2 => Just(Op::Open),
    ]
}

/// An accepted command that has not ended.
struct Out {
    name: WireTag,
    handle: CommandHandle,
    /// The device holds it: no answer was posted, and no reset since.
    held: bool,
    nexus: Nexus,
    expires: Instant,
    /// The queue has seen that its time is up.
    expired: bool,
}

struct Model<const BITS: u32> {
    bench: Bench<BITS>,
    out: BTreeMap<u64, Out>,
    ended: BTreeSet<u64>,
    retired: Vec<WireTag>,
    /// With the commands that they were given out for.
    tickets: Vec<(u64, AbortTicket)>,
    /// Commands that are to end and wait for a ticket.
    waiting: BTreeSet<u64>,
    next: u64,
    now: Instant,
    stopped: bool,
    /// The port's touches when the device left.
    gone: Option<u32>,
}

impl<const BITS: u32> Model<BITS> {
    fn new() -> Self {
        Self {
            bench: Bench::open(),
            out: BTreeMap::new(),
            ended: BTreeSet::new(),
            retired: Vec::new(),
            tickets: Vec::new(),
            waiting: BTreeSet::new(),
            next: 0,
            now: T0,
            stopped: false,
            gone: None,
        }
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Submit => self.submit(),
            Op::Good(at) => self.answer(at, Posted::Good),
            Op::Detail(at, count) => self.answer(at, |name| {
                let detail = detail(Status::GOOD, Transferred::Bytes(count));
                Posted::Detail(name, detail, vec![])
            }),
            Op::Stale(at) => self.repeat(at),
            Op::Unknown(tag) => {
                let name = WireTag { tag: Tag(tag | 0x100), generation: Generation(0) };
                self.bench.post(Posted::Good(name));
            }
            Op::Service => self.service(),
            Op::Expire(millis) => {
                self.now =
                    Instant::from_millis(self.now.as_nanos() / 1_000_000 + u64::from(millis));
                let now = self.now;
                for (cookie, out) in self.out.iter_mut().filter(|(_, out)| out.expires <= now) {
                    let named = self.tickets.iter().any(|(named, _)| named == cookie);
                    if !core::mem::replace(&mut out.expired, true) && !named {
                        self.waiting.insert(*cookie);
                    }
                }
                self.take_tickets();
            }
            Op::Abort(at) => {
                let Some(cookie) = pick(&self.out, at) else { return };
                let out = &self.out[&cookie];
                let (nexus, named) = (out.nexus, self.tickets.iter().any(|(c, _)| *c == cookie));
                let room = self.admits(nexus);
                let ticket = self.bench.queue.abort(out.handle);
                assert_eq!(ticket.is_some(), room && !named, "it is given out or has to wait");
                match ticket {
                    Some(ticket) => self.handle_ticket(cookie, ticket),
                    None if !named => _ = self.waiting.insert(cookie),
                    None => {}
                }
            }
            Op::Redeem(at) => self.redeem(at, Verdict::Drained),
            Op::Supersede(at) => self.redeem(at, Verdict::Superseded),
            Op::Quiesce => {
                let _ = self.bench.queue.quiesce();
                self.stopped = true;
            }
            Op::Restart if self.stopped => {
                if self.gone.is_none() {
                    self.out.values_mut().for_each(|out| out.held = false);
                }
                self.bench.queue.restart(RestartPermit { vector: Vector(0), asleep: false });
                self.stopped = false;
            }
            Op::Restart => {}
            Op::Open => self.bench.queue.open(OpenPermit { vector: Vector(0) }),
            Op::Gone => {
                self.bench.queue.handle_gone(Failure::ControllerGone);
                self.out.values_mut().for_each(|out| out.held = false);
                self.gone.get_or_insert_with(|| self.bench.queue.port().touches);
            }
        }
        self.check();
    }

    fn submit(&mut self) {
        let cookie = self.next;
        self.next += 1;
        let mut request = self.bench.request(cookie, LEN);
        let lun = Lun::from_number((cookie % 6) as u16);
        let nexus = Nexus::new(TargetId::new(3), lun);
        request.command.nexus = nexus;
        let accepted = match self.bench.queue.submit(request, self.now) {
            Ok(submitted) => submitted,
            Err(rejected) => {
                assert_eq!(rejected.request.data.id, cookie, "the whole request comes back");
                return;
            }
        };
        let (name, expires) = (self.bench.name(), Timeout::from_millis(64).after(self.now));
        let handle = accepted.handle;
        let out = Out { name, handle, held: true, nexus, expires, expired: false };
        let pinned = self.tickets.iter().any(|(_, ticket)| ticket.name.tag == out.name.tag);
        assert!(!pinned, "a ticket names the slot");
        self.out.insert(cookie, out);
    }

    /// Whether a ticket for a command of `nexus` goes out: one of a logical unit, four of a queue.
    fn admits(&self, nexus: Nexus) -> bool {
        let same = |(_, ticket): &(u64, AbortTicket)| ticket.nexus == nexus;
        self.tickets.len() < 4 && !self.tickets.iter().any(same)
    }

    fn take_tickets(&mut self) {
        while let Some(ticket) = self.bench.queue.poll_expired(self.now) {
            let named = |(_, out): &(&u64, &Out)| out.name == ticket.name;
            let cookie = self.out.iter().find(named).map(|(cookie, _)| *cookie);
            self.handle_ticket(cookie.expect("a ticket names what is out"), ticket);
        }
    }

    fn handle_ticket(&mut self, cookie: u64, ticket: AbortTicket) {
        assert!(self.admits(ticket.nexus), "too many tickets are out");
        self.waiting.remove(&cookie);
        self.tickets.push((cookie, ticket));
    }

    /// Brings tickets home until the queue has no more to give.
    fn take_all_tickets(&mut self) {
        for _ in 0..2 * usize::from(DEPTH) {
            self.take_tickets();
            while let Some((_, ticket)) = self.tickets.pop() {
                let _ = self.bench.queue.redeem(ticket, Verdict::Superseded);
            }
        }
        assert_eq!(self.bench.queue.poll_expired(self.now), None);
        assert!(self.waiting.is_empty(), "{:?} never got a ticket", self.waiting);
    }

    fn answer(&mut self, at: u8, posted: impl Fn(WireTag) -> Posted) {
        if self.stopped || self.gone.is_some() {
            return;
        }
        let held: Vec<_> = self.out.iter().filter(|(_, out)| out.held).map(|(c, _)| *c).collect();
        let Some(&cookie) = held.get(usize::from(at) % held.len().max(1)) else { return };
        let out = self.out.get_mut(&cookie).expect("picked from the map");
        out.held = false;
        let name = out.name;
        self.bench.post(posted(name));
    }

    /// Without a generation on the wire only a slot that is not in use can be named without harm.
    fn repeat(&mut self, at: u8) {
        let Some(&name) = self.retired.get(usize::from(at) % self.retired.len().max(1)) else {
            return;
        };
        let reused = self.out.values().any(|out| out.name.tag == name.tag);
        if BITS > 0 || !(reused || self.stopped) {
            self.bench.post(Posted::Good(name));
            // Looked at before the slot can be used again: the first pass after a restart only ends commands.
            (0..2).for_each(|_| self.service());
        }
    }

    fn redeem(&mut self, at: u8, verdict: Verdict) {
        if self.tickets.is_empty() {
            return;
        }
        // Control drains the reply path between the answer to its function and the verdict.
        (0..4).for_each(|_| self.service());
        let (cookie, ticket) = self.tickets.swap_remove(usize::from(at) % self.tickets.len());
        let unanswered = self.bench.queue.redeem(ticket, verdict).unanswered;
        let goes_on = verdict == Verdict::Drained && self.out.contains_key(&cookie);
        assert_eq!(unanswered.is_some(), goes_on, "no verdict ends a command");
        self.tickets.extend(unanswered.map(|ticket| (cookie, ticket)));
    }

    fn service(&mut self) {
        let _ = self.bench.queue.service(&mut self.bench.batch);
        for ended in self.bench.take() {
            let out = self.out.remove(&ended.cookie).expect("only what is outstanding can end");
            assert!(!out.held, "{ended:?} while the device has its memory");
            assert!(self.ended.insert(ended.cookie), "{ended:?} for the second time");
            assert_eq!(ended.transferred + ended.residual, LEN);
            self.waiting.remove(&ended.cookie);
            self.retired.push(out.name);
        }
        self.check();
    }

    fn check(&self) {
        let queue = &self.bench.queue;
        assert_eq!(usize::from(queue.outstanding()), self.out.len());
        let cookies: BTreeSet<_> = queue.outstanding_cookies().map(|cookie| cookie.0).collect();
        assert!(cookies.iter().eq(self.out.keys()));
        let counters = queue.counters();
        assert_eq!(counters.submitted - counters.completed, self.out.len() as u64);
        assert_eq!(counters.completed, self.ended.len() as u64);
        assert_eq!(counters.submitted + counters.rejected, self.next);
        if let Some(touches) = self.gone {
            assert_eq!(queue.port().touches, touches, "the device is gone");
        }
    }

    /// Ends the device and expects everything to come home; or resets it and expects every slot to be usable again.
    fn finish(mut self, gone: bool) {
        self.take_all_tickets();
        if gone {
            self.apply(Op::Gone);
            self.apply(Op::Restart);
        } else {
            self.apply(Op::Quiesce);
            self.apply(Op::Restart);
            self.apply(Op::Open);
        }
        while let Some((_, ticket)) = self.tickets.pop() {
            let _ = self.bench.queue.redeem(ticket, Verdict::Superseded);
        }
        self.service();
        assert!(self.out.is_empty(), "everything has ended");
        assert_eq!(self.bench.queue.next_deadline(), None);
        if !gone {
            self.service();
            (0..DEPTH).for_each(|_| self.submit());
            assert_eq!(self.out.len(), usize::from(DEPTH), "no slot was lost");
        }
    }
}

fn pick<V>(map: &BTreeMap<u64, V>, at: u8) -> Option<u64> {
    map.keys().nth(usize::from(at) % map.len().max(1)).copied()
}

fn run<const BITS: u32>(ops: Vec<Op>, gone: bool) {
    let mut model = Model::<BITS>::new();
    let leaves_at = if gone { ops.len() * 3 / 4 } else { ops.len() };
    for (at, op) in ops.into_iter().enumerate() {
        if at == leaves_at {
            model.apply(Op::Gone);
        }
        model.apply(op);
    }
    model.finish(gone);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

    #[test]
    fn b25_exactly_once_with_generations(ops in proptest::collection::vec(op(), 0..150), gone: bool) {
        run::<8>(ops, gone);
    }

    #[test]
    fn b25_exactly_once_without_generations(ops in proptest::collection::vec(op(), 0..150), gone: bool) {
        run::<0>(ops, gone);
    }
}
