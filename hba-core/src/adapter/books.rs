//! What is durable: the owner carries signs and epochs between the queues and Control's books, and sees flushes to their verdict.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

use scsi_proto::Sense;

use super::Adapter;
use crate::command::Nexus;
use crate::dma::DataBuffer;
use crate::durability::{
    Durability, Epoch, Flush, FlushBusy, FlushConfig, FlushError, Flushed, Loss, UnitDurability,
    Written,
};
use crate::port::{ControlPort, QueuePort};
use crate::queue::IoQueue;
use crate::sabotage::{Sabotage, is_planted};

/// Typed flushes between the end of their command and their verdict.
#[derive(Debug, Default)]
pub(super) struct Flushes {
    /// Queues that had no more to give at the last poll.
    dry: Vec<bool>,
    /// Flushes whose command has ended.
    settling: Vec<Settling>,
    concluded: VecDeque<(Nexus, Result<Flushed, FlushError>)>,
}

/// A flush that waits until every queue was found dry.
#[derive(Debug)]
struct Settling {
    flush: Flush,
    /// The first queue that was not.
    next: usize,
}

impl Flushes {
    /// The adapter has so many queues.
    pub(super) fn set_queues(&mut self, queues: usize) {
        self.dry = vec![false; queues];
    }

    /// A queue had its pass; `dry` when it has no more to give.
    pub(super) fn looked(&mut self, at: usize, dry: bool) {
        self.dry[at] = dry;
    }

    /// The command of a flush has ended.
    fn settle(&mut self, flush: Flush) {
        self.settling.push(Settling { flush, next: 0 });
    }

    /// Asks the books for the verdict on those for which every queue was found dry.
    fn conclude(&mut self, books: &mut Durability) {
        let all = self.dry.len();
        for settling in &mut self.settling {
            let dry = self.dry[settling.next..].iter().take_while(|dry| **dry);
            settling.next += dry.count();
        }
        for settled in self.settling.extract_if(.., |settling| settling.next == all) {
            let nexus = settled.flush.nexus();
            self.concluded.push_back((nexus, books.conclude(settled.flush)));
        }
    }

    /// Whether a verdict waits to be taken.
    pub(super) fn has_concluded(&self) -> bool {
        !self.concluded.is_empty()
    }

    fn poll(&mut self) -> Option<(Nexus, Result<Flushed, FlushError>)> {
        self.concluded.pop_front()
    }
}

/// When a unit was last written to, through any queue.
fn merged<P: QueuePort, D: DataBuffer>(queues: &[IoQueue<P, D>], nexus: Nexus) -> Written {
    queues.iter().map(|queue| queue.written(nexus)).fold(Written::NEVER, Written::merge)
}

impl<P: ControlPort, D: DataBuffer> Adapter<P, D> {
    /// Begins a typed flush of a unit. Send SYNCHRONIZE CACHE ([`LogicalUnit::flush`]) on any vector, hand its end to
    /// [`Flush::handle_end`], do as that says, and at [`FlushStep::Settle`] give it to [`Self::settle_flush`].
    ///
    /// # Errors
    ///
    /// [`FlushBusy`] while another flush of the unit is under way.
    ///
    /// [`LogicalUnit::flush`]: crate::logical_unit::LogicalUnit::flush
    /// [`FlushStep::Settle`]: crate::durability::FlushStep::Settle
    pub fn begin_flush(&mut self, nexus: Nexus, config: FlushConfig) -> Result<Flush, FlushBusy> {
        let flush = self.control.durability_mut().begin_flush(nexus, config)?;
        if !is_planted(Sabotage::EpochStandsStill) {
            self.begin_epoch(flush.epoch());
        }
        Ok(flush)
    }

    /// The command of the flush has ended: polls conclude it once every queue had no more to give.
    pub fn settle_flush(&mut self, flush: Flush) {
        self.flushes.settle(flush);
    }

    /// A flush that was concluded.
    pub fn poll_flushed(&mut self) -> Option<(Nexus, Result<Flushed, FlushError>)> {
        self.flushes.poll()
    }

    /// How durable the writes of a unit are.
    pub fn durability(&self, nexus: Nexus) -> UnitDurability {
        self.control.durability().of(nexus, self.written(nexus))
    }

    /// What is durable, for whoever learns more about a unit: [`Durability::handle_discovered`].
    pub const fn durability_mut(&mut self) -> &mut Durability {
        self.control.durability_mut()
    }

    /// See [`Durability::acknowledge_loss`](crate::durability::Durability::acknowledge_loss).
    ///
    /// # Errors
    ///
    /// The loss that is pending, where it is not this one.
    pub fn acknowledge_loss(&mut self, nexus: Nexus, loss: Loss) -> Result<(), Option<Loss>> {
        self.control.durability_mut().acknowledge_loss(nexus, loss)
    }

    /// See [`Durability::report_loss`](crate::durability::Durability::report_loss).
    pub fn report_loss(&mut self, nexus: Nexus) -> Option<Sense> {
        self.control.durability_mut().report_loss(nexus)
    }

    /// The units that have writes which no flush covers, and no loss that is pending already.
    pub fn dirty_units(&self) -> Vec<Nexus> {
        let written = self.queues.iter().flat_map(IoQueue::written_units);
        let mut units: Vec<_> = self.control.durability().units().chain(written).collect();
        units.sort_unstable();
        units.dedup();
        units.retain(|nexus| self.durability(*nexus).dirty);
        // A flush on one path covers all: the first that is there does.
        let books = self.control.durability();
        units.retain(|nexus| {
            let there = books.paths_of(*nexus).find(|path| !books.is_gone(*path));
            there.is_none_or(|path| path == *nexus)
        });
        units
    }

    /// The platform says that the targets were without power: what they had not flushed may be lost.
    pub fn handle_power_event(&mut self) {
        self.note_units();
        let written = |nexus| merged(&self.queues, nexus);
        if let Some(epoch) = self.control.durability_mut().handle_power_event(written) {
            self.begin_epoch(epoch);
        }
    }

    /// Brings the signs of all queues to the books, and concludes the flushes that waited for them.
    pub(super) fn keep_books(&mut self) {
        for at in 0..self.queues.len() {
            while let Some(sign) = self.queues[at].poll_sign() {
                let written = |nexus| merged(&self.queues, nexus);
                if let Some(epoch) = self.control.durability_mut().handle_sign(sign, written) {
                    self.begin_epoch(epoch);
                }
            }
        }
        if self.control.durability().has_removals() {
            self.note_units();
            let written = |nexus| merged(&self.queues, nexus);
            if let Some(epoch) = self.control.durability_mut().handle_removal(written) {
                self.begin_epoch(epoch);
            }
        }
        self.flushes.conclude(self.control.durability_mut());
    }

    fn begin_epoch(&mut self, epoch: Epoch) {
        self.queues.iter_mut().for_each(|queue| queue.begin_epoch(epoch));
    }

    /// Units that only raw commands went to are in the books of the queues alone.
    fn note_units(&mut self) {
        for nexus in self.queues.iter().flat_map(IoQueue::written_units) {
            self.control.durability_mut().note_unit(nexus);
        }
    }

    /// On any path to the unit.
    fn written(&self, nexus: Nexus) -> Written {
        let paths = self.control.durability().paths_of(nexus);
        paths.map(|path| merged(&self.queues, path)).fold(Written::NEVER, Written::merge)
    }
}
