//! An adapter run by polling on one thread: for boot loaders, tools and tests.
//!
//! [`Host`] joins an [`Adapter`] and a [`Platform`], which brings registers, memory, a clock and a way to wait. Nothing
//! here is needed to embed the core; it is the shortest complete example of how to.

mod durable;
mod error;
mod flush;
mod platform;

pub use durable::{Barrier, CacheSwitchError, DurableBy, DurableError, DurableWrite, StopError};
pub use error::HostError;
pub use flush::{Farewell, ShutdownFlush};
pub use platform::{OutOfMemory, Platform};

use alloc::vec::Vec;
use core::time::Duration;

use crate::adapter::{Adapter, AdapterHandle, Need};
use crate::command::{Completion, Rejected, Request};
use crate::control::{ControlEvent, RecoveryConfig};
use crate::device_queue::DeviceQueues;
use crate::discovery::{Discovered, Discovery, ProbeOutcome};
use crate::dispatch::ClassTimeouts;
use crate::dma::RegionBuffer;
use crate::durability::{Ended, FlushConfig, Judgement};
use crate::limits::Limits;
use crate::port::{BringUpError, ControlPort, RegionPlan};
use crate::queue::{Batch, Done, Vector};
use scsi_proto::Cdb;

/// Data memory of a [`Host`]'s commands; `None` for commands without data.
pub type Data = Option<RegionBuffer>;

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
