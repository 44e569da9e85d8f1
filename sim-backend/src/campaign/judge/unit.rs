//! One logical unit as the oracles know it: what its blocks may hold, and what it has to tell of.

use hba_core::command::{Completion, Effect};

use crate::campaign::flight::{self, BLOCK, Content, Flight};
use crate::campaign::flushes::{Concluding, FlushTruth};
use crate::campaign::ledger::{Ledger, Moment};
use crate::campaign::oracle::{Oracle, Verdict, Violation};
use crate::campaign::plan::{Kind, Options};
use crate::campaign::tally::{Sometimes, Trace};
use crate::campaign::text::BLOCKS_MAX;

use super::Data;

/// A unit, counted over all disks.
#[derive(Clone)]
pub(super) struct Unit {
    ledger: Ledger,
    /// What typed flushes of it have to tell of.
    pub(super) truth: FlushTruth,
    /// The moment since when it has power.
    powered: Moment,
    /// When it last lost cached data for another reason.
    lost: Moment,
    /// When it last executed a flush.
    flushed: Moment,
    /// It told of its power-on.
    greeted: bool,
    blocks: u32,
    /// What is in its cache survives a power cut.
    non_volatile: bool,
    /// Its non-volatile cache may turn into a volatile one.
    may_degrade: bool,
}

impl Unit {
    pub(super) fn new(options: &Options) -> Self {
        let (non_volatile, may_degrade) = (options.non_volatile != 0, options.may_degrade());
        let durable = options.write_cache == 0 || non_volatile && !may_degrade;
        let mut ledger = Ledger::new(options.blocks, durable);
        ledger.survivors_may_go = may_degrade;
        Self {
            ledger,
            truth: FlushTruth::default(),
            powered: 0,
            lost: 0,
            flushed: 0,
            greeted: false,
            blocks: options.blocks,
            non_volatile,
            may_degrade,
        }
    }

    /// A write was accepted.
    pub(super) fn issue(&mut self, flight: &Flight) {
        self.ledger.issue(flight.id, flight.op.lba, flight.op.blocks, flight.issued);
    }

    /// Whether it told of its power-on before; from now on it has.
    pub(super) const fn greet(&mut self) -> bool {
        core::mem::replace(&mut self.greeted, true)
    }

    /// It executed a flush.
    pub(super) const fn executed_flush(&mut self, now: Moment) {
        self.flushed = now;
    }

    /// It may begin to cache writes.
    pub(super) const fn may_cache(&mut self) {
        self.ledger.write_through = false;
    }

    /// It lost cached data, and no command will tell.
    pub(super) fn lose(&mut self, now: Moment) {
        self.lost = now;
        self.ledger.lose();
    }

    /// Whether something of it is not durable.
    pub(super) fn is_dirty(&self) -> bool {
        self.ledger.is_dirty()
    }

    /// It lost its power.
    pub(super) fn cut(&mut self, now: Moment) {
        self.powered = now;
        if !self.non_volatile && self.is_dirty() {
            self.truth.dirty_cut.get_or_insert(now);
        }
        if !self.non_volatile || self.may_degrade {
            self.ledger.cut(now);
        }
    }

    /// A write has ended: what the blocks may be from now on.
    pub(super) fn wrote(
        &mut self,
        flight: &Flight,
        effect: Effect,
        now: Moment,
    ) -> Option<Sometimes> {
        let (id, lba, blocks) = (flight.id, flight.op.lba, flight.op.blocks);
        match effect {
            Effect::Done => {
                // FUA may put data into a non-volatile cache, which is one as long as its battery holds.
                let fua = flight.op.kind == Kind::WriteFua && !self.may_degrade;
                if self.lost_since(flight) && !fua && !self.ledger.write_through {
                    self.ledger.indeterminate(id, lba, blocks, now);
                } else {
                    self.ledger.done(id, lba, blocks, fua, now);
                }
                None
            }
            Effect::NotDone => {
                self.ledger.not_done(id, lba, blocks);
                Some(Sometimes::NotDone)
            }
            _ => {
                self.ledger.indeterminate(id, lba, blocks, now);
                Some(Sometimes::Indeterminate)
            }
        }
    }

    /// Whether the cache lost something after the device executed a command, or nobody knows when it did.
    fn lost_since(&self, flight: &Flight) -> bool {
        flight.executed.is_none_or(|at| self.powered.max(self.lost) > at)
    }

    /// A flush has ended: what is durable from now on.
    pub(super) fn flushed(
        &mut self,
        flight: &Flight,
        effect: Effect,
        now: Moment,
    ) -> Option<Sometimes> {
        if effect != Effect::Done {
            return Some(Sometimes::FailedFlush);
        }
        let empty = !self.is_dirty();
        let (lba, blocks) = match flight.op.kind {
            Kind::FlushRange => (flight.op.lba, flight.op.blocks),
            _ => (0, self.blocks),
        };
        self.ledger.flushed(lba, blocks, flight.issued, self.flushed, now);
        empty.then_some(Sometimes::EmptyFlush)
    }

    /// A typed flush was successful. `kept`: what a disk reports reaches the caller.
    pub(super) fn promised(&mut self, flush: &Concluding, kept: bool, now: Moment) -> Verdict {
        self.truth.permits(flush, kept)?;
        self.ledger.flushed(0, self.blocks, flush.begun, self.flushed, now);
        Ok(())
    }

    /// A read has ended: whether the blocks were what they had to be.
    pub(super) fn read(
        &mut self,
        flight: &Flight,
        completion: &Completion<Data>,
        trace: &mut Trace,
    ) -> Verdict {
        let op = flight.op;
        let Some(buffer) = &completion.data else { return Ok(()) };
        let mut bytes = [0; BLOCKS_MAX as usize * BLOCK];
        let len = (completion.transferred as usize).min(bytes.len());
        buffer.read(&mut bytes[..len]);
        for (lba, block) in (op.lba..).zip(bytes[..len].as_chunks().0) {
            match flight::content(block, op.unit, lba) {
                Content::Of(id) => {
                    trace.mix(id.0.into());
                    let read = self.ledger.read(lba, id, flight.issued, self.powered);
                    read.map_err(|violation| violation.on(op.unit))?;
                }
                Content::Untouched => {
                    let what =
                        format!("{op:?} is done, and block {lba} was never written to memory");
                    return Err(Violation::new(Oracle::NoEarlySuccess, what));
                }
                Content::Torn => {
                    let first = block.first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
                    let what = format!("block {lba} of unit {} is nobody's: {first:016x}", op.unit);
                    return Err(Violation::new(Oracle::ReadData, what).on(op.unit));
                }
            }
        }
        Ok(())
    }
}
