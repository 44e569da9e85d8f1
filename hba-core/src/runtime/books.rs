//! The books of what is durable, kept while each queue belongs to whoever is in it.
//!
//! What [`Adapter`](crate::adapter::Adapter) does in one step takes several here, as a queue may be in use: then the step is
//! tried again at Control's next turn. Three things are in order nevertheless. Every queue knows of an epoch before anything
//! that depends on it comes out: a flush that may be sent, a verdict, an answer. Signs are taken before the times of the
//! last writes. And a flush is concluded with the signs of passes that came after its end.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::pin::Pin;
use core::task::{Context, Poll};

use tokio::sync::oneshot;

use super::harvest::Pass;
use super::lane::Lane;
use super::platform::Clock;
use crate::command::Refusal;
use crate::dma::DataBuffer;
use crate::durability::{
    CacheProbe, Durability, Ended, Epoch, Flush, FlushBusy, FlushConfig, FlushError, FlushStep,
    Flushed, Loss, Sign, UnitDurability, Written, WrittenTable,
};
use crate::logical_unit::LogicalUnit;
use crate::name::Nexus;
use crate::port::QueuePort;
use crate::register::Registers;
use crate::sync::Inert;
use crate::time::Instant;
use scsi_proto::Sense;

/// What became of a flush.
pub(super) type Verdict = Result<Flushed, FlushError>;

/// What a handle asks of the books.
#[derive(Debug)]
pub(super) enum BookOrder {
    Flush(Nexus, FlushConfig, oneshot::Sender<Result<FlushTicket, FlushBusy>>),
    Durability(Nexus, oneshot::Sender<UnitDurability>),
    Acknowledge(Nexus, Loss, oneshot::Sender<Result<(), Option<Loss>>>),
    Report(Nexus, oneshot::Sender<Option<Sense>>),
    ModeChanges(Nexus, oneshot::Sender<u32>),
    /// What was read after so many changes, and who wants to know what is believed then.
    Mode(Nexus, u32, CacheProbe, oneshot::Sender<UnitDurability>),
    Discovered(Vec<LogicalUnit>),
    /// Answered when later writes are told from those that may be lost.
    PowerEvent(oneshot::Sender<()>),
}

/// A flush that may be sent. Dropping it gives the flush back, wherever it stands: its unit is free for the next, and what
/// the device says of the command counts as of any other.
#[derive(Debug)]
pub(super) struct FlushTicket {
    flush: Option<Flush>,
    back: Option<oneshot::Sender<Flush>>,
    verdict: oneshot::Receiver<Verdict>,
}

impl FlushTicket {
    pub(super) fn handle_end(&mut self, ended: &Ended<'_>, now: Instant) -> FlushStep {
        self.flush.as_mut().map_or(FlushStep::Settle, |flush| flush.handle_end(ended, now))
    }

    pub(super) fn handle_refusal(&mut self, refusal: Refusal, now: Instant) -> FlushStep {
        self.flush.as_mut().map_or(FlushStep::Settle, |flush| flush.handle_refusal(refusal, now))
    }

    /// The verdict; `None` if Control is gone.
    pub(super) async fn settle(mut self) -> Option<Verdict> {
        self.give_back();
        (&mut self.verdict).await.ok()
    }

    fn give_back(&mut self) {
        if let (Some(flush), Some(back)) = (self.flush.take(), self.back.take()) {
            // Control is gone, and its books with it, if this fails.
            let _ = back.send(flush);
        }
    }
}

impl Drop for FlushTicket {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// What Control has of a flush that is out.
#[derive(Debug)]
struct Out {
    back: oneshot::Receiver<Flush>,
    verdict: oneshot::Sender<Verdict>,
}

/// A flush whose command has ended.
#[derive(Debug)]
struct Settling {
    flush: Flush,
    verdict: oneshot::Sender<Verdict>,
    /// Every queue before this one had a pass since that found it empty.
    next: usize,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Books {
    asked: VecDeque<BookOrder>,
    out: Vec<Out>,
    settling: Vec<Settling>,
    /// An epoch, and the first queue that does not know of it.
    epoch: Option<(Epoch, usize)>,
    /// Flushes that begin when every queue knows of the epoch.
    begun: Vec<(oneshot::Sender<Result<FlushTicket, FlushBusy>>, FlushTicket)>,
    /// Who else waits for that.
    noted: Vec<oneshot::Sender<()>>,
    /// Some queue has signs.
    look: bool,
    /// With the number of the vector that each is from.
    signs: Vec<(usize, Sign)>,
    /// By vector.
    written: Vec<WrittenTable>,
    /// The queues that the passes of this turn found empty.
    dry: Vec<bool>,
}

/// How far the books are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// Nothing is left to do.
    Done,
    /// There may be more.
    Again,
    /// Somebody was in a queue.
    Busy,
}

/// Signs that one turn takes out of a queue.
const SIGNS: usize = 64;

/// Memory that a turn copies into.
struct Copy<'a> {
    at: usize,
    signs: &'a mut Vec<(usize, Sign)>,
    written: &'a mut WrittenTable,
}

/// Plain values, and the memory is there.
impl Inert for Copy<'_> {}

impl Books {
    pub(super) fn handle_order(&mut self, order: BookOrder) {
        self.asked.push_back(order);
    }

    /// Some queue has signs.
    pub(super) const fn handle_signs(&mut self) {
        self.look = true;
    }

    /// A pass over the queue of the vector with this number. `None`: somebody was in.
    pub(super) fn handle_pass(&mut self, at: usize, pass: Option<Pass>) {
        self.dry.resize(self.dry.len().max(at + 1), false);
        self.dry[at] = pass == Some(Pass::Empty);
    }

    /// Whether passes over every queue are waited for.
    pub(super) const fn is_settling(&self) -> bool {
        !self.settling.is_empty()
    }

    /// Does what can be done. Call it in every turn, after the passes of that turn.
    pub(super) fn keep<Q: QueuePort, R: Registers + Clone, C: Clock, D: DataBuffer>(
        &mut self,
        durability: &mut Durability,
        lanes: &[Arc<Lane<Q, R, C, D>>],
        cx: &mut Context<'_>,
    ) -> Kept {
        self.advance();
        let landed = self.land(cx);
        self.forget(durability);
        if !self.tell_epoch(lanes) {
            return Kept::Busy;
        }
        for (answer, ticket) in self.begun.drain(..) {
            tell(answer, Ok(ticket));
        }
        self.noted.drain(..).for_each(|noted| tell(noted, ()));
        let settled = self.settling.iter().any(|settling| settling.next == lanes.len());
        if !(settled || self.look || !self.asked.is_empty() || durability.has_removals()) {
            return if landed { Kept::Again } else { Kept::Done };
        }
        let Some(all) = self.collect(lanes) else { return Kept::Busy };
        // The epoch that a loss begins comes first.
        if all && !self.take_in(durability) {
            self.conclude(durability, lanes.len());
            self.obey(durability);
        }
        Kept::Again
    }

    fn advance(&mut self) {
        for settling in &mut self.settling {
            let rest = self.dry.get(settling.next..).unwrap_or(&[]);
            settling.next += rest.iter().take_while(|dry| **dry).count();
        }
        self.dry.fill(false);
    }

    /// Takes flushes back that are over.
    fn land(&mut self, cx: &mut Context<'_>) -> bool {
        let before = self.settling.len();
        let mut at = 0;
        while let Some(out) = self.out.get_mut(at) {
            let Poll::Ready(back) = Pin::new(&mut out.back).poll(cx) else {
                at += 1;
                continue;
            };
            let Out { verdict, .. } = self.out.swap_remove(at);
            // A ticket gives its flush back whatever happens to it.
            if let Ok(flush) = back {
                self.settling.push(Settling { flush, verdict, next: 0 });
            }
        }
        self.settling.len() != before
    }

    /// Concludes flushes of which nobody wants to know any more, without what their ends may prove. What the device said of
    /// their commands is among the signs.
    fn forget(&mut self, durability: &mut Durability) {
        for settling in self.settling.extract_if(.., |settling| settling.verdict.is_closed()) {
            durability.forget(settling.flush);
        }
    }

    /// Whether every queue knows of the present epoch.
    fn tell_epoch<Q: QueuePort, R: Registers + Clone, C: Clock, D: DataBuffer>(
        &mut self,
        lanes: &[Arc<Lane<Q, R, C, D>>],
    ) -> bool {
        let Some((epoch, next)) = &mut self.epoch else { return true };
        while let Some(lane) = lanes.get(*next) {
            if lane.enter(*epoch, |shard, epoch| shard.queue.begin_epoch(epoch)).is_err() {
                return false;
            }
            *next += 1;
        }
        self.epoch = None;
        true
    }

    /// Takes signs out of every queue, then copies when its units were written to. Whether that were all signs; `None` if
    /// somebody was in.
    fn collect<Q: QueuePort, R: Registers + Clone, C: Clock, D: DataBuffer>(
        &mut self,
        lanes: &[Arc<Lane<Q, R, C, D>>],
    ) -> Option<bool> {
        self.written.resize_with(lanes.len(), WrittenTable::new);
        let mut left = false;
        for (at, (lane, written)) in lanes.iter().zip(&mut self.written).enumerate() {
            self.signs.reserve(SIGNS);
            let copy = Copy { at, signs: &mut self.signs, written };
            let turn = lane.enter(copy, |shard, Copy { at, signs, written }| {
                let mut room = SIGNS;
                while room > 0
                    && let Some(sign) = shard.queue.poll_sign()
                {
                    signs.push((at, sign));
                    room -= 1;
                }
                shard.queue.copy_written(written);
                shard.queue.has_signs()
            });
            left |= turn.ok()?;
        }
        self.look = left;
        Some(!left)
    }

    /// Brings signs and removals into the books. Whether an epoch begins with that.
    fn take_in(&mut self, durability: &mut Durability) -> bool {
        let tables = &self.written;
        let mut epoch = None;
        for (from, sign) in self.signs.drain(..) {
            let (unit, seen) = (sign.nexus(), sign.written());
            // Through the queue that saw it, up to then; through others, up to now, which errs on the side of a loss.
            let written = |nexus| {
                let times = tables.iter().enumerate().map(|(at, table)| {
                    if at == from && unit == Some(nexus) { seen } else { table.of(nexus) }
                });
                times.fold(Written::NEVER, Written::merge)
            };
            epoch = durability.handle_sign(sign, written).or(epoch);
        }
        if durability.has_removals() {
            tables.iter().flat_map(WrittenTable::units).for_each(|unit| durability.note_unit(unit));
            epoch = durability.handle_removal(|nexus| written_of(tables, nexus)).or(epoch);
        }
        self.begin(epoch)
    }

    fn begin(&mut self, epoch: Option<Epoch>) -> bool {
        if let Some(epoch) = epoch {
            self.epoch = Some((epoch, 0));
        }
        epoch.is_some()
    }

    fn conclude(&mut self, durability: &mut Durability, queues: usize) {
        for settled in self.settling.extract_if(.., |settling| settling.next == queues) {
            tell(settled.verdict, durability.conclude(settled.flush));
        }
    }

    /// Does what was asked, in order.
    fn obey(&mut self, durability: &mut Durability) {
        while let Some(order) = self.asked.pop_front() {
            match order {
                BookOrder::Flush(nexus, config, answer) => {
                    match durability.begin_flush(nexus, config) {
                        Ok(flush) => self.begin_flush(flush, answer),
                        Err(busy) => tell(answer, Err(busy)),
                    }
                }
                BookOrder::Durability(nexus, answer) => {
                    tell(answer, self.unit(durability, nexus));
                }
                BookOrder::Acknowledge(nexus, loss, answer) => {
                    tell(answer, durability.acknowledge_loss(nexus, loss));
                }
                BookOrder::Report(nexus, answer) => {
                    tell(answer, durability.report_loss(nexus));
                }
                BookOrder::ModeChanges(nexus, answer) => {
                    tell(answer, durability.mode_changes(nexus));
                }
                BookOrder::Mode(nexus, changes, probe, answer) => {
                    if let CacheProbe::Known { write_cache, dpofua } = probe {
                        durability.handle_mode(nexus, changes, write_cache, dpofua);
                    }
                    tell(answer, self.unit(durability, nexus));
                }
                BookOrder::Discovered(units) => {
                    units.iter().for_each(|unit| durability.handle_discovered(unit));
                }
                BookOrder::PowerEvent(answer) => {
                    self.take_power_event(durability);
                    self.noted.push(answer);
                }
            }
        }
    }

    fn begin_flush(
        &mut self,
        flush: Flush,
        answer: oneshot::Sender<Result<FlushTicket, FlushBusy>>,
    ) {
        self.begin(Some(flush.epoch()));
        let (sender, back) = oneshot::channel();
        let (verdict, told) = oneshot::channel();
        self.out.push(Out { back, verdict });
        let ticket = FlushTicket { flush: Some(flush), back: Some(sender), verdict: told };
        self.begun.push((answer, ticket));
    }

    fn take_power_event(&mut self, durability: &mut Durability) {
        let tables = &self.written;
        tables.iter().flat_map(WrittenTable::units).for_each(|unit| durability.note_unit(unit));
        let epoch = durability.handle_power_event(|nexus| written_of(tables, nexus));
        self.begin(epoch);
    }

    fn unit(&self, durability: &Durability, nexus: Nexus) -> UnitDurability {
        let paths = durability.paths_of(nexus);
        let written = paths.map(|path| written_of(&self.written, path));
        durability.of(nexus, written.fold(Written::NEVER, Written::merge))
    }
}

/// Answers, if whoever asked is still there.
fn tell<T>(who: oneshot::Sender<T>, answer: T) {
    let _ = who.send(answer);
}

/// By any queue.
fn written_of(tables: &[WrittenTable], nexus: Nexus) -> Written {
    tables.iter().map(|table| table.of(nexus)).fold(Written::NEVER, Written::merge)
}
