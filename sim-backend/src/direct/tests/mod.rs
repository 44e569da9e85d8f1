//! The backend, the controller and the core's adapter as one machine.

mod hostile;
mod io;
mod recovery;
mod removal;
mod target;

use alloc::sync::Arc;
use std::sync::Mutex;

use hba_core::adapter::{Adapter, AdapterHandle, Need};
use hba_core::command::{Cookie, Nexus, Outcome, Refusal, Request, TargetId, Transfer};
use hba_core::control::{ControlEvent, RecoveryConfig};
use hba_core::dispatch::ClassTimeouts;
use hba_core::dma::RegionBuffer;
use hba_core::queue::{Batch, IoQueue, Vector};
use hba_core::time::Instant;
use scsi_proto::{Cdb, Lun};

use super::{DirectConfig, DirectControl, DirectController, DirectQueue, Facts};
use crate::controller::ControllerModel;
use crate::machine::{SimMachine, SimRegisters};
use crate::memory::{Placement, SimMemory};
use target::TestTarget;

const UNIT: Nexus = Nexus::new(TargetId::new(0), Lun::ZERO);

/// One completion, with the buffer that came home.
#[derive(Debug)]
struct End {
    cookie: u64,
    outcome: Outcome,
    transferred: u32,
    residual: u32,
    sense: Vec<u8>,
    data: RegionBuffer,
}

/// A machine with one [`TestTarget`] at address 0, and the adapter that drives it.
struct Rig {
    machine: SimMachine<DirectController>,
    registers: SimRegisters<DirectController>,
    target: Arc<Mutex<TestTarget>>,
    adapter: Adapter<DirectControl, RegionBuffer>,
    batch: Batch<RegionBuffer>,
    ends: Vec<End>,
    events: Vec<ControlEvent>,
    /// The adapter asked for isolation and got it.
    isolated: bool,
    /// Queues that are not the adapter's, for the memory in them.
    kept: Vec<DirectQueue>,
}

impl Rig {
    /// Nothing has happened yet.
    fn cold(facts: Facts, config: DirectConfig) -> Self {
        let memory = SimMemory::new(256 << 20);
        let machine = SimMachine::new(DirectController::new(facts, memory.device()), memory);
        let target = Arc::new(Mutex::new(TestTarget::default()));
        machine.attach(0, target.clone()).unwrap();
        let port = DirectControl::new(config);
        let recovery = RecoveryConfig::default();
        let adapter = Adapter::new(port, recovery, ClassTimeouts::default(), machine.now());
        Self {
            registers: machine.registers(),
            machine,
            target,
            adapter,
            batch: Batch::new(32),
            ends: Vec::new(),
            events: Vec::new(),
            isolated: false,
            kept: Vec::new(),
        }
    }

    /// Operational.
    fn with(facts: Facts, config: DirectConfig) -> Self {
        let mut rig = Self::cold(facts, config);
        rig.until_open();
        rig
    }

    fn of_vectors(vectors: u16) -> Self {
        let config =
            DirectConfig { vectors_max: vectors, depth_max: 16, ..DirectConfig::default() };
        Self::with(Facts { elements: 129, ..Facts::default() }, config)
    }

    fn new() -> Self {
        Self::of_vectors(2)
    }

    fn faults(&self, order: impl FnOnce(&mut super::Faults)) {
        self.machine.with_controller(|controller| order(controller.faults_mut()));
    }

    /// One poll; the time at which the next is worth while.
    fn poll(&mut self) -> Instant {
        let now = self.machine.now();
        let progress = self.adapter.poll(now, &mut self.registers, &mut self.batch);
        for done in self.batch.drain() {
            let completion = done.completion;
            self.ends.push(End {
                cookie: completion.cookie.0,
                outcome: completion.outcome,
                transferred: completion.transferred,
                residual: completion.residual,
                sense: done.sense.to_vec(),
                data: completion.data,
            });
        }
        self.events.extend(core::iter::from_fn(|| self.adapter.poll_event()));
        match &progress.need {
            Some(Need::Memory(plan)) => {
                let memory = self.machine.memory();
                let regions =
                    plan.regions.iter().map(|r| memory.place(r, Placement::Window).unwrap());
                self.adapter.provide_memory(regions.collect()).unwrap();
            }
            Some(Need::Isolation) => {
                self.machine.memory().set_bus_master(false);
                self.isolated = true;
                self.adapter.handle_isolated();
            }
            None => {}
        }
        if progress.more || progress.need.is_some() {
            return now;
        }
        let due = self.machine.next_due().filter(|due| *due > now);
        let never = now + core::time::Duration::from_secs(3600);
        [progress.next, due].into_iter().flatten().min().unwrap_or(never)
    }

    /// Polls, moving the clock to what each poll asks for.
    #[track_caller]
    fn until(&mut self, what: &str, mut reached: impl FnMut(&Self) -> bool) {
        for _ in 0..100_000 {
            if reached(self) {
                return;
            }
            let next = self.poll();
            self.machine.set_now(next);
        }
        panic!("never {what}: {:?}, {:?}", self.adapter.control(), self.events);
    }

    /// Polls until requests flow, after a bring-up or a reset.
    #[track_caller]
    fn until_open(&mut self) {
        self.until("open", |rig| {
            let operational = rig.adapter.control().is_operational();
            operational && rig.adapter.queues().iter().all(IoQueue::is_open)
        });
    }

    /// Polls until every command has come home.
    #[track_caller]
    fn finish(&mut self) {
        self.until("finished", |rig| rig.adapter.outstanding() == 0);
    }

    fn buffer(&self, len: usize) -> RegionBuffer {
        self.machine.memory().buffer(len).unwrap()
    }

    fn send(
        &mut self,
        vector: u16,
        request: Request<RegionBuffer>,
    ) -> Result<AdapterHandle, Refusal> {
        let now = self.machine.now();
        let sent = self.adapter.submit(Vector(vector), request, now, &mut self.registers);
        sent.map_err(|rejected| rejected.reason)
    }

    /// Sends a command without data to the unit.
    #[track_caller]
    fn order(&mut self, vector: u16, cdb: Cdb, cookie: u64) -> AdapterHandle {
        let data = self.buffer(8);
        let request = Request::new(UNIT, cdb, Transfer::NONE, data, Cookie(cookie));
        self.send(vector, request).unwrap()
    }

    /// The cookies of all completions so far, in order of their numbers.
    fn cookies(&self) -> Vec<u64> {
        let mut cookies: Vec<_> = self.ends.iter().map(|end| end.cookie).collect();
        cookies.sort_unstable();
        cookies
    }

    /// All completions so far have this outcome and came once for each cookie in `0..count`.
    #[track_caller]
    fn assert_all(&self, count: u64, outcome: Outcome) {
        assert_eq!(self.cookies(), (0..count).collect::<Vec<_>>());
        let other = self.ends.iter().find(|end| end.outcome != outcome);
        assert!(other.is_none(), "{other:?}");
    }

    fn counters(&self, vector: usize) -> hba_core::queue::Counters {
        *self.adapter.queues()[vector].counters()
    }
}

#[test]
fn an_idle_adapter_asks_for_a_look_at_the_state_only() {
    let mut rig = Rig::new();
    let before = rig.machine.now();
    let next = rig.poll();
    assert_eq!(next.since(before), DirectConfig::default().poll);
    let targets = rig.adapter.control().targets();
    assert_eq!(targets.len(), 1);
    assert_eq!((targets[0].id, targets[0].port_name), (TargetId::new(0), TestTarget::NAME.0));
    let arrived = ControlEvent::TargetArrived(targets[0]);
    assert!(rig.events.contains(&arrived) && rig.events.contains(&ControlEvent::Operational));
}

#[test]
fn interrupts_name_the_vectors_with_news() {
    let mut rig = Rig::cold(Facts::default(), DirectConfig::default());
    rig.adapter.set_interrupts(true);
    rig.until_open();
    let vectors = || rig.machine.with_controller(DirectController::take_vectors);
    vectors();
    assert_eq!(vectors(), 0);
    rig.order(3, target::TEST_UNIT_READY, 0);
    rig.order(1, target::TEST_UNIT_READY, 1);
    assert!(!rig.machine.with_controller(|c| c.interrupt_level()));
    rig.machine.run(100);
    assert_eq!(rig.machine.with_controller(DirectController::take_vectors), 1 << 3 | 1 << 1);
    assert!(rig.adapter.claims_interrupt(&mut rig.registers));
    rig.finish();
    assert!(!rig.adapter.claims_interrupt(&mut rig.registers));
    assert!(!rig.machine.interrupt_level());
    assert_eq!(rig.machine.take_messages(), 0, "the host has not been told twice");
    rig.faults(|faults| faults.removed = true);
    assert!(!rig.adapter.claims_interrupt(&mut rig.registers), "all ones claim nothing");
}
