//! An adapter run by polling on one thread: for boot loaders, tools and tests.
//!
//! [`Host`] joins an [`Adapter`] and a [`Platform`], which brings registers, memory, a clock and a way to wait. Nothing
//! here is needed to embed the core; it is the shortest complete example of how to.

mod durable;

pub use durable::{Barrier, CacheSwitchError, DurableBy, DurableError, DurableWrite, StopError};

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::adapter::{Adapter, AdapterHandle, Need};
use crate::command::{Completion, Cookie, Nexus, Refusal, Rejected, Request};
use crate::control::{ControlEvent, RecoveryConfig};
use crate::device_queue::DeviceQueues;
use crate::discovery::{Discovered, Discovery, ProbeOutcome};
use crate::dispatch::ClassTimeouts;
use crate::dma::{DmaRegion, RegionBuffer};
use crate::durability::{
    CacheMode, CacheProbe, Ended, Flush, FlushConfig, FlushError, FlushStep, Flushed, Judgement,
};
use crate::fabric::HostMapping;
use crate::limits::{Limits, LimitsReport};
use crate::logical_unit::LogicalUnit;
use crate::port::{BringUpError, ControlPort, MemoryFault, RegionPlan};
use crate::queue::{Batch, Done, Vector};
use crate::register::Registers;
use crate::time::Instant;
use scsi_proto::Cdb;

/// Data memory of a [`Host`]'s commands; `None` for commands without data.
pub type Data = Option<RegionBuffer>;

/// What a platform brings.
pub trait Platform {
    /// The controller's registers.
    fn registers(&mut self) -> &mut dyn Registers;

    /// The time now.
    fn now(&mut self) -> Instant;

    /// Waits for an interrupt, at most until `until`; may return early for any reason.
    fn wait(&mut self, until: Instant);

    /// Memory for the adapter itself, from the plan's window. What lies elsewhere is refused before the controller is told.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`], also where there is none in the window.
    fn allocate(&mut self, plan: &RegionPlan) -> Result<DmaRegion, OutOfMemory>;

    /// Memory for data, `len` bytes.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`].
    fn buffer(&mut self, len: usize) -> Result<RegionBuffer, OutOfMemory>;

    /// Cuts the controller off from memory: clears its bus master enable bit.
    fn isolate(&mut self);

    /// What the platform knows of the way from the controller to memory. By default nothing, and nothing is checked.
    fn mapping(&self) -> HostMapping {
        HostMapping::unknown()
    }
}

/// The platform has no DMA memory left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory {
    /// Bytes asked for.
    pub len: usize,
}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no dma memory left for {} bytes", self.len)
    }
}

impl core::error::Error for OutOfMemory {}

/// Why a [`Host`] could not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostError {
    /// The controller cannot be brought up.
    BringUp(BringUpError),
    /// The controller did not become operational in time.
    NotOperational {
        /// How long was waited.
        waited: Duration,
    },
    /// The controller left the bus or was given up.
    Gone,
    /// The platform has too little memory.
    Memory(OutOfMemory),
    /// The platform's memory does not fit the controller.
    Placement(MemoryFault),
    /// Controller and configuration do not fit each other.
    Limits(LimitsReport),
    /// A request was not accepted.
    Refused(Refusal),
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BringUp(error) => error.fmt(f),
            Self::NotOperational { waited } => {
                write!(f, "the controller was not operational within {} s", waited.as_secs())
            }
            Self::Gone => f.write_str("the controller is gone"),
            Self::Memory(error) => error.fmt(f),
            Self::Placement(error) => error.fmt(f),
            Self::Limits(report) => report.fmt(f),
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

impl core::error::Error for HostError {}

impl From<OutOfMemory> for HostError {
    fn from(error: OutOfMemory) -> Self {
        Self::Memory(error)
    }
}

/// One adapter on one platform.
pub struct Host<P: ControlPort, L: Platform> {
    adapter: Adapter<P, Data>,
    platform: L,
    batch: Batch<Data>,
    failure: Option<BringUpError>,
    events: Vec<ControlEvent>,
    flushing: FlushConfig,
    shutdown_flush: ShutdownFlush,
}

/// Whether what the disks have cached is flushed before the adapter is shut down or put to sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownFlush {
    /// It is not: the caller did so, or does not care. Units that are dirty are reported as
    /// [`ControlEvent::LossPending`].
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

/// A completion with a copy of its sense data.
#[derive(Debug)]
pub struct Answer {
    /// The completion.
    pub completion: Completion<Data>,
    /// Sense data, empty when there is none.
    pub sense: Vec<u8>,
}

impl Answer {
    /// What is known of the effect of the command, which was `cdb`.
    pub fn judge(&self, cdb: &Cdb) -> Judgement {
        let Completion { outcome, transferred, residual, .. } = self.completion;
        Judgement::of(cdb, &Ended { outcome, transferred, residual, sense: &self.sense })
    }
}

/// For a controller to become operational, recovery included.
const OPERATIONAL: Duration = Duration::from_secs(400);
/// Events kept for [`Host::take_events`].
const EVENTS_MAX: usize = 256;
/// Unit attentions that are answered by asking again.
const ATTENTIONS_MAX: u32 = 8;
/// The longest sleep between polls, so that a lost interrupt costs no more than this.
const SLEEP_MAX: Duration = Duration::from_millis(100);

impl<P: ControlPort, L: Platform> Host<P, L> {
    /// An adapter that is not brought up yet.
    pub fn new(
        port: P,
        mut platform: L,
        recovery: RecoveryConfig,
        timeouts: ClassTimeouts,
    ) -> Self {
        let now = platform.now();
        let mut adapter = Adapter::new(port, recovery, timeouts, now);
        adapter.set_mapping(platform.mapping());
        Self {
            adapter,
            platform,
            batch: Batch::new(32),
            failure: None,
            events: Vec::new(),
            flushing: FlushConfig::default(),
            shutdown_flush: ShutdownFlush::default(),
        }
    }

    /// Polls until the adapter is operational.
    ///
    /// # Errors
    ///
    /// [`HostError`].
    pub fn bring_up(&mut self) -> Result<(), HostError> {
        let begun = self.platform.now();
        while !self.adapter.control().is_operational() {
            self.poll(|_| ())?;
            if self.adapter.stopped().is_some() {
                // A failed reset is tried again; only the last word counts.
                return Err(self.failure.take().map_or(HostError::Gone, HostError::BringUp));
            }
            let waited = self.platform.now().since(begun);
            if waited > OPERATIONAL {
                return Err(HostError::NotOperational { waited });
            }
        }
        // The permits that open the queues are carried by one more poll.
        self.poll(|_| ())
    }

    /// One poll: `sink` gets every completion. Waits for the next thing to do if there was nothing to do now.
    ///
    /// # Errors
    ///
    /// [`HostError`] where the platform's memory does not do.
    pub fn poll(&mut self, mut sink: impl FnMut(Done<'_, Data>)) -> Result<(), HostError> {
        let now = self.platform.now();
        let progress = self.adapter.poll(now, self.platform.registers(), &mut self.batch);
        let needed = progress.need.is_some();
        match progress.need {
            Some(Need::Memory(plan)) => self.provide_memory(&plan.regions)?,
            Some(Need::Isolation) => {
                self.platform.isolate();
                self.adapter.handle_isolated();
            }
            None => {}
        }
        while let Some(event) = self.adapter.poll_event() {
            if let ControlEvent::BringUpFailed(error) = event {
                self.failure = Some(error);
            }
            if self.events.len() == EVENTS_MAX {
                self.events.remove(0);
            }
            self.events.push(event);
        }
        let idle = self.batch.is_empty() && !progress.more && !needed;
        self.batch.drain().for_each(&mut sink);
        if idle {
            let until = now + SLEEP_MAX;
            self.platform.wait(progress.next.map_or(until, |next| next.min(until)));
        }
        Ok(())
    }

    /// Submits on the first vector.
    ///
    /// # Errors
    ///
    /// [`Rejected`] with the whole request.
    pub fn submit(&mut self, request: Request<Data>) -> Result<AdapterHandle, Rejected<Data>> {
        self.submit_on(Vector(0), request)
    }

    /// Submits on a vector of choice.
    ///
    /// # Errors
    ///
    /// [`Rejected`] with the whole request.
    pub fn submit_on(
        &mut self,
        vector: Vector,
        request: Request<Data>,
    ) -> Result<AdapterHandle, Rejected<Data>> {
        let now = self.platform.now();
        self.adapter.submit(vector, request, now, self.platform.registers())
    }

    /// Submits what [`DeviceQueues`] have to send now, on a vector of choice. Hand every completion to
    /// [`DeviceQueues::handle_end`].
    ///
    /// # Errors
    ///
    /// The first request that was refused for good; the others stay where they are.
    pub fn send_queued(
        &mut self,
        queues: &mut DeviceQueues<Data>,
        vector: Vector,
    ) -> Result<(), Rejected<Data>> {
        let now = self.platform.now();
        queues.send(&mut self.adapter, vector, now, self.platform.registers())
    }

    /// Submits one command and polls until it has completed. Other completions are dropped: have none outstanding.
    ///
    /// # Errors
    ///
    /// [`HostError`].
    pub fn execute(&mut self, request: Request<Data>) -> Result<Answer, HostError> {
        let handle =
            self.submit(request).map_err(|rejected| HostError::Refused(rejected.reason))?;
        let mut answer = None;
        while answer.is_none() {
            self.poll(|done| {
                if done.completion.handle == handle.command {
                    let sense = done.sense.to_vec();
                    answer = Some(Answer { completion: done.completion, sense });
                }
            })?;
        }
        answer.ok_or(HostError::Gone)
    }

    /// Asks every target what it has, and returns its logical units.
    ///
    /// # Errors
    ///
    /// [`HostError`].
    pub fn discover(&mut self) -> Result<Discovered, HostError> {
        let targets = self.adapter.control().targets();
        let mut discovery = Discovery::new(targets);
        while !discovery.is_done() {
            let now = self.platform.now();
            let Some(probe) = discovery.poll_request(now) else {
                self.platform.wait(discovery.next_deadline().unwrap_or(now + SLEEP_MAX));
                continue;
            };
            let data = match probe.allocation_length() {
                0 => None,
                len => Some(self.platform.buffer(len as usize)?),
            };
            let id = probe.id;
            let answer = self.execute(probe.into_request(data))?;
            let mut bytes = alloc::vec![0; answer.completion.transferred as usize];
            if let Some(data) = &answer.completion.data {
                data.read(&mut bytes);
            }
            let outcome = answer.completion.outcome;
            let outcome = ProbeOutcome { outcome, sense: &answer.sense, data: &bytes };
            discovery.handle_completion(id, outcome, self.platform.now());
        }
        let found = discovery.finish();
        found.units.iter().for_each(|unit| self.adapter.durability_mut().handle_discovered(unit));
        Ok(found)
    }

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

    /// Stops the adapter for good, after dirty units were flushed as [`Self::set_flushing`] has it.
    ///
    /// Commands that are out end by the reset, and are dropped.
    ///
    /// # Errors
    ///
    /// [`HostError`].
    pub fn shutdown(&mut self) -> Result<Farewell, HostError> {
        let farewell = self.flush_dirty()?;
        self.adapter.shutdown();
        while self.adapter.stopped().is_none() || self.adapter.outstanding() > 0 {
            self.poll(|_| ())?;
        }
        Ok(farewell)
    }

    /// Puts the adapter to sleep. Commands that are out get until `drain` has passed to end, are ended then, and go to `sink`;
    /// dirty units are flushed in between as [`Self::set_flushing`] has it.
    ///
    /// # Errors
    ///
    /// [`HostError`]; [`HostError::NotOperational`] when it is not operational now.
    pub fn suspend(
        &mut self,
        drain: Duration,
        mut sink: impl FnMut(Done<'_, Data>),
    ) -> Result<Farewell, HostError> {
        let begun = self.platform.now();
        while self.adapter.outstanding() > 0 && self.platform.now().since(begun) < drain {
            self.poll(&mut sink)?;
        }
        let farewell = self.flush_dirty_while(&mut sink)?;
        if !self.adapter.suspend() {
            return Err(HostError::NotOperational { waited: Duration::ZERO });
        }
        loop {
            self.poll(&mut sink)?;
            if self.adapter.stopped().is_some() {
                return Err(self.failure.take().map_or(HostError::Gone, HostError::BringUp));
            }
            if self.adapter.control().is_suspended() && self.adapter.outstanding() == 0 {
                return Ok(farewell);
            }
        }
    }

    /// Brings a sleeping adapter up again. Units whose power was gone say so themselves, unless the platform knows better:
    /// [`Adapter::handle_power_event`].
    ///
    /// # Errors
    ///
    /// As [`Self::bring_up`].
    pub fn resume(&mut self) -> Result<(), HostError> {
        if self.adapter.resume(self.platform.now()) {
            self.bring_up()
        } else {
            Err(HostError::NotOperational { waited: Duration::ZERO })
        }
    }

    fn flush_dirty(&mut self) -> Result<Farewell, HostError> {
        self.flush_dirty_while(&mut |_| ())
    }

    fn flush_dirty_while(
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

    /// The limits, once the controller's facts are known.
    pub fn limits(&self) -> Option<&Limits> {
        self.adapter.limits()
    }

    /// The adapter.
    pub fn adapter(&mut self) -> &mut Adapter<P, Data> {
        &mut self.adapter
    }

    /// The platform.
    pub fn platform(&mut self) -> &mut L {
        &mut self.platform
    }

    /// Gives the platform back; the adapter and its memory are dropped. [`Self::shutdown`] comes first.
    pub fn into_platform(self) -> L {
        self.platform
    }

    /// The events since the last call, the last 256 of them.
    pub fn take_events(&mut self) -> Vec<ControlEvent> {
        core::mem::take(&mut self.events)
    }

    fn provide_memory(&mut self, plan: &[RegionPlan]) -> Result<(), HostError> {
        if let Some(limits) = self.adapter.limits() {
            limits.validate().map_err(HostError::Limits)?;
        }
        let regions = plan.iter().map(|region| self.platform.allocate(region));
        let regions = regions.collect::<Result<Vec<_>, _>>().map_err(|out| {
            self.adapter.none_below(out.len).map_or(HostError::Memory(out), HostError::Placement)
        })?;
        // A platform may map IDs along with the memory.
        self.adapter.set_mapping(self.platform.mapping());
        self.adapter.provide_memory(regions).map_err(HostError::Placement)
    }
}
