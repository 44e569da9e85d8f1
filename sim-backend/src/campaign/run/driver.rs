//! The core under one owner: what an owner of an adapter has to do for it.

use core::time::Duration;

use hba_core::adapter::{Adapter, AdapterHandle, Need, Progress};
use hba_core::command::{Rejected, Request};
use hba_core::control::RecoveryConfig;
use hba_core::dispatch::ClassTimeouts;
use hba_core::port::ControlPort;
use hba_core::queue::{Batch, IoQueue, Vector};
use hba_core::time::Instant;

use super::Data;
use super::rig::Rig;
use crate::campaign::injector::FaultInjector;
use crate::campaign::oracle::{Oracle, Violation, require};
use crate::campaign::plan::Options;
use crate::campaign::trouble::Troubled;
use crate::machine::SimRegisters;
use crate::memory::{Placement, SimMemory};

/// The adapter, the registers that it is given, and what it completed.
pub(super) struct Driver<P: ControlPort, C> {
    pub(super) adapter: Adapter<FaultInjector<P>, Data>,
    pub(super) registers: SimRegisters<C>,
    pub(super) batch: Batch<Data>,
}

fn recovery(options: &Options) -> RecoveryConfig {
    RecoveryConfig {
        abort: Duration::from_secs(1),
        logical_unit_reset: Duration::from_secs(2),
        target_reset: Duration::from_secs(3),
        resets_max: options.resets.min(255) as u8,
        resets_window: Duration::from_secs(600),
    }
}

impl<P: ControlPort, C: Troubled> Driver<P, C> {
    pub(super) fn new(port: P, options: &Options, rig: &Rig<C>) -> Self {
        let port = FaultInjector::new(port, rig.injections.clone());
        let timeouts = ClassTimeouts::default();
        Self {
            adapter: Adapter::new(port, recovery(options), timeouts, rig.now()),
            registers: rig.machine.registers(),
            batch: Batch::new(options.batch as usize),
        }
    }

    /// Polls until the controller is operational.
    ///
    /// # Errors
    ///
    /// Text, where it does not become so.
    pub(super) fn bring_up(&mut self, rig: &Rig<C>) -> Result<(), String> {
        for _ in 0..200_000 {
            if self.adapter.control().is_operational() && self.is_open() {
                rig.machine.set_budget(C::BETWEEN_READS);
                return Ok(());
            }
            if self.has_stopped() {
                return Err(format!("bring-up failed: {:?}", self.adapter.poll_event()));
            }
            let progress = self.poll(rig.now());
            self.provide(progress.need.as_ref(), rig.machine.memory())?;
            if !progress.more && progress.need.is_none() {
                rig.sleep(progress.next);
            }
        }
        Err("the controller does not become operational".into())
    }

    pub(super) fn poll(&mut self, now: Instant) -> Progress {
        self.adapter.poll(now, &mut self.registers, &mut self.batch)
    }

    /// How much the last poll completed.
    pub(super) fn taken(&self) -> Result<usize, Violation> {
        let (taken, capacity) = (self.batch.len(), self.batch.capacity());
        require(taken <= capacity, Oracle::BoundedWork, || {
            format!("{taken} completions in a batch of {capacity}")
        })?;
        Ok(taken)
    }

    pub(super) fn submit(
        &mut self,
        vector: u32,
        request: Request<Data>,
        now: Instant,
    ) -> Result<AdapterHandle, Rejected<Data>> {
        self.adapter.submit(Vector(vector as u16), request, now, &mut self.registers)
    }

    /// Does what only the owner of memory and bus can do.
    ///
    /// # Errors
    ///
    /// Text, where there is not the memory that it asks for.
    pub(super) fn provide(
        &mut self,
        need: Option<&Need>,
        memory: &SimMemory,
    ) -> Result<(), String> {
        match need {
            Some(Need::Memory(plan)) => {
                let regions = plan.regions.iter();
                let regions = regions.map(|region| memory.place(region, Placement::Window));
                let regions = regions.collect::<Result<_, _>>().map_err(|e| e.to_string())?;
                self.adapter.provide_memory(regions).map_err(|error| error.to_string())?;
            }
            Some(Need::Isolation) => {
                memory.set_bus_master(false);
                self.adapter.handle_isolated();
            }
            None => {}
        }
        Ok(())
    }

    fn is_open(&self) -> bool {
        self.adapter.queues().iter().all(IoQueue::is_open)
    }

    /// Whether the core takes commands, and has nothing else to do.
    pub(super) fn is_working(&self) -> bool {
        !self.adapter.control().is_recovering() && self.is_open()
    }

    /// Whether it has come to its end.
    pub(super) fn has_stopped(&self) -> bool {
        self.adapter.stopped().is_some()
    }

    /// Whether a vector takes no more.
    pub(super) fn is_full(&self, vector: u32) -> bool {
        let queue = self.adapter.queues().get(vector as usize);
        queue.is_none_or(|queue| !queue.is_open() || queue.outstanding() >= queue.depth())
    }

    /// Tags of a vector; none where there is no such vector.
    pub(super) fn depth(&self, vector: u32) -> usize {
        let queue = self.adapter.queues().get(vector as usize);
        queue.map_or(0, |queue| usize::from(queue.depth()))
    }
}
