//! Flushes: one at the caller's word, and those of dirty units before the adapter stops or sleeps.

use alloc::vec::Vec;
use core::time::Duration;

use super::{ATTENTIONS_MAX, Data, Host, HostError, Platform};
use crate::command::{Cookie, Nexus};
use crate::durability::{
    CacheMode, CacheProbe, Flush, FlushConfig, FlushError, FlushStep, Flushed,
};
use crate::logical_unit::LogicalUnit;
use crate::port::ControlPort;
use crate::queue::Done;
use crate::time::Instant;

/// Whether what the disks have cached is flushed before the adapter is shut down or put to sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownFlush {
    /// It is not: the caller did so, or does not care. Units that are dirty are reported as
    /// [`ControlEvent::LossPending`](crate::control::ControlEvent::LossPending).
    Off,
    /// Units with unflushed writes are, one after another, within this time for all of them.
    Dirty(Duration),
}

impl Default for ShutdownFlush {
    /// Dirty units, within a minute.
    fn default() -> Self {
        Self::Dirty(Duration::from_secs(60))
    }
}

/// What was flushed, and what was not, before the adapter was shut down or put to sleep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Farewell {
    /// Units that were flushed.
    pub flushed: Vec<Nexus>,
    /// Units that were not, and why.
    pub unflushed: Vec<(Nexus, FlushError)>,
}

impl<P: ControlPort, L: Platform> Host<P, L> {
    /// Makes every write of a unit durable that has ended before. Completions of other commands go to `sink` meanwhile.
    ///
    /// # Errors
    ///
    /// [`HostError`]; otherwise what became of the flush.
    pub fn flush_while(
        &mut self,
        nexus: Nexus,
        mut sink: impl FnMut(Done<'_, Data>),
    ) -> Result<Result<Flushed, FlushError>, HostError> {
        self.flush_until(nexus, Instant::from_nanos(u64::MAX), &mut sink)
    }

    /// [`Self::flush_while`] where no other command is out: completions are dropped.
    ///
    /// # Errors
    ///
    /// As [`Self::flush_while`].
    pub fn flush(&mut self, unit: &LogicalUnit) -> Result<Result<Flushed, FlushError>, HostError> {
        self.flush_while(unit.nexus, |_| ())
    }

    /// How patient flushes are, and whether a shutdown flushes.
    pub const fn set_flushing(&mut self, config: FlushConfig, shutdown: ShutdownFlush) {
        (self.flushing, self.shutdown_flush) = (config, shutdown);
    }

    /// Asks a unit for WCE and DPOFUA, which makes what is known of its cache fresh; see
    /// [`CacheMode`]. Have no commands outstanding.
    ///
    /// # Errors
    ///
    /// [`HostError`]; a device that does not say leaves its mode stale.
    pub fn refresh_cache_mode(&mut self, nexus: Nexus) -> Result<CacheMode, HostError> {
        for _ in 0..ATTENTIONS_MAX {
            let changes = self.adapter.control().durability().mode_changes(nexus);
            let data = self.platform.buffer(usize::from(CacheProbe::LENGTH))?;
            let answer = self.execute(CacheProbe::request(nexus, Some(data), Cookie(0)))?;
            let mut bytes = alloc::vec![0; answer.completion.transferred as usize];
            if let Some(data) = &answer.completion.data {
                data.read(&mut bytes);
            }
            match CacheProbe::read(&answer.judge(&CacheProbe::cdb()), &bytes) {
                CacheProbe::Known { write_cache, dpofua } => {
                    let books = self.adapter.durability_mut();
                    books.handle_mode(nexus, changes, write_cache, dpofua);
                    break;
                }
                CacheProbe::Again => {}
                CacheProbe::Unknown => break,
            }
        }
        Ok(self.adapter.control().durability().mode(nexus))
    }

    pub(super) fn flush_dirty(&mut self) -> Result<Farewell, HostError> {
        self.flush_dirty_while(&mut |_| ())
    }

    pub(super) fn flush_dirty_while(
        &mut self,
        sink: &mut dyn FnMut(Done<'_, Data>),
    ) -> Result<Farewell, HostError> {
        let mut farewell = Farewell::default();
        let ShutdownFlush::Dirty(bound) = self.shutdown_flush else { return Ok(farewell) };
        let until = self.platform.now() + bound;
        for nexus in self.adapter.dirty_units() {
            let flushed = if self.platform.now() < until {
                self.flush_until(nexus, until, sink)?
            } else {
                Err(FlushError::OutOfTime)
            };
            match flushed {
                Ok(_) => farewell.flushed.push(nexus),
                Err(error) => farewell.unflushed.push((nexus, error)),
            }
        }
        Ok(farewell)
    }

    fn flush_until(
        &mut self,
        nexus: Nexus,
        until: Instant,
        sink: &mut dyn FnMut(Done<'_, Data>),
    ) -> Result<Result<Flushed, FlushError>, HostError> {
        let Ok(mut flush) = self.adapter.begin_flush(nexus, self.flushing) else {
            return Ok(Err(FlushError::Busy));
        };
        let mut step = FlushStep::Again(self.platform.now());
        while let FlushStep::Again(at) = step {
            while self.platform.now() < at.min(until) {
                self.poll(&mut *sink)?;
                self.platform.wait(at.min(until));
            }
            step = self.try_flush(&mut flush, until, sink)?;
        }
        self.adapter.settle_flush(flush);
        loop {
            self.poll(&mut *sink)?;
            if let Some((_, verdict)) = self.adapter.poll_flushed() {
                return Ok(verdict);
            }
        }
    }

    /// Sends the command of a flush once.
    fn try_flush(
        &mut self,
        flush: &mut Flush,
        until: Instant,
        sink: &mut dyn FnMut(Done<'_, Data>),
    ) -> Result<FlushStep, HostError> {
        let request = flush.request(None, Cookie(0));
        let handle = match self.submit(request) {
            Ok(handle) => handle,
            Err(rejected) => {
                let step = flush.handle_refusal(rejected.reason, self.platform.now());
                if matches!(step, FlushStep::Again(_)) {
                    self.poll(&mut *sink)?;
                }
                return Ok(step);
            }
        };
        let mut step = None;
        while step.is_none() {
            let now = self.platform.now();
            if now >= until {
                return Ok(flush.give_up());
            }
            self.poll(|done| {
                if done.completion.handle == handle.command {
                    step = Some(flush.handle_end(&done.ended(), now));
                } else {
                    sink(done);
                }
            })?;
        }
        step.ok_or(HostError::Gone)
    }
}
