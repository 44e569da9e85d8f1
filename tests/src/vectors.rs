//! `sim:direct` taken apart: Control and one shared queue for each vector, carried by hand on one thread, in any order.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::time::Duration;

use hba_core::command::{Completion, Cookie, Nexus, Request, TargetId, Transfer};
use hba_core::control::{Action, Control, ControlEvent, Provided, RecoveryConfig};
use hba_core::dispatch::ClassTimeouts;
use hba_core::dma::DataBuffer;
use hba_core::port::RegionPlan;
use hba_core::queue::{AbortTicket, Batch, CommandHandle, IoQueue, Redeemed, Vector};
use hba_core::register::HostWrite;
use hba_core::sync::{Inert, SharedQueue};
use scsi_proto::{Cdb, Lun};
use sim_backend::direct::{DirectConfig, DirectControl, DirectController, DirectQueue, Facts};
use sim_backend::disk::{DiskConfig, SimDisk};
use sim_backend::machine::{SimMachine, SimRegisters};
use sim_backend::memory::{Placement, SimMemory};

/// The queue of one vector.
pub type Lane<D> = SharedQueue<IoQueue<DirectQueue, D>>;

/// An adapter in its parts.
pub struct Vectors<D: DataBuffer> {
    /// The machine; nothing in it happens by itself.
    pub machine: Arc<SimMachine<DirectController>>,
    /// The registers.
    pub registers: SimRegisters<DirectController>,
    /// Control.
    pub control: Control<DirectControl>,
    /// The queues, by vector.
    pub lanes: Vec<Arc<Lane<D>>>,
    /// What Control had to tell.
    pub events: Vec<ControlEvent>,
    batch: Batch<D>,
    stopping: VecDeque<Vector>,
}

/// An action's way into a turn: dropping one runs nobody's code.
#[derive(Debug)]
struct Carried(Action);

impl Inert for Carried {}

/// Turns of one wait before the test counts as failed.
const TURNS: u32 = 20_000;

impl<D: DataBuffer> Vectors<D> {
    /// Operational, with two disks of 4,096 blocks.
    ///
    /// # Panics
    ///
    /// If it does not become so.
    #[must_use]
    pub fn start(vectors: u16, depth: u16) -> Self {
        let memory = SimMemory::new(64 << 20);
        let facts = Facts { reset: Duration::from_millis(2), ..Facts::default() };
        let machine = SimMachine::new(DirectController::new(facts, memory.device()), memory);
        for slot in 0..2 {
            let disk = SimDisk::new(&DiskConfig::nth(slot, 4096)).expect("a disk");
            assert!(machine.attach(slot as usize, disk).is_ok(), "slot {slot} is free");
        }
        Self::attach(Arc::new(machine), vectors, depth)
    }

    /// A driver for a machine that had one before.
    ///
    /// # Panics
    ///
    /// If it does not become operational.
    #[must_use]
    pub fn attach(machine: Arc<SimMachine<DirectController>>, vectors: u16, depth: u16) -> Self {
        let config =
            DirectConfig { vectors_max: vectors, depth_max: depth, ..DirectConfig::default() };
        let recovery = RecoveryConfig::default();
        let control = Control::new(DirectControl::new(config), recovery, machine.now());
        let mut world = Self {
            registers: machine.registers(),
            machine,
            control,
            lanes: Vec::new(),
            events: Vec::new(),
            batch: Batch::new(16),
            stopping: VecDeque::new(),
        };
        assert!(world.until(Self::is_open).is_empty(), "nothing was sent");
        world.events.clear();
        world
    }

    /// Whether every queue accepts requests.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let open = |lane: &Arc<Lane<D>>| {
            let turn = lane.enter((), |queue, ()| (queue.is_open(), ()));
            turn.is_ok_and(|turn| *turn.words())
        };
        self.control.is_operational() && !self.lanes.is_empty() && self.lanes.iter().all(open)
    }

    /// One look at everything; the clock moves if there was nothing. What ended, in order.
    pub fn turn(&mut self) -> Vec<Completion<D>> {
        let now = self.machine.now();
        let done = self.machine.run(4096).done;
        let mut ended = Vec::new();
        for at in 0..self.lanes.len() {
            ended.extend(self.service(at));
        }
        while let Some(vector) = self.stopping.pop_front() {
            let lane = &self.lanes[usize::from(vector.0)];
            let turn = lane.enter((), |queue, ()| ((), queue.quiesce())).expect("nobody is in");
            self.control.handle_quiesced(turn.leave().values, now);
        }
        for at in 0..self.lanes.len() {
            while let Some(ticket) = self.expired(at) {
                self.control.handle_ticket(ticket);
            }
        }
        self.step();
        if done == 0 && ended.is_empty() {
            self.machine.advance(Duration::from_millis(1));
        }
        ended
    }

    /// Turns until `reached`; what ended meanwhile.
    ///
    /// # Panics
    ///
    /// If it is never reached.
    pub fn until(&mut self, mut reached: impl FnMut(&Self) -> bool) -> Vec<Completion<D>> {
        let mut ended = Vec::new();
        for _ in 0..TURNS {
            if reached(self) {
                return ended;
            }
            ended.extend(self.turn());
        }
        panic!("never: {:?}, {:?}", self.control, self.events);
    }

    /// Turns until so many commands have ended; which.
    ///
    /// # Panics
    ///
    /// If they do not end, or more do.
    pub fn collect(&mut self, count: usize) -> Vec<Completion<D>> {
        let mut ended = Vec::new();
        for _ in 0..TURNS {
            if ended.len() >= count {
                break;
            }
            ended.extend(self.turn());
        }
        assert_eq!(ended.len(), count, "{:?}", self.events);
        ended
    }

    /// One pass over a queue, its acknowledge written, what is Control's handed over.
    ///
    /// # Panics
    ///
    /// If somebody is in.
    pub fn service(&mut self, at: usize) -> Vec<Completion<D>> {
        let now = self.machine.now();
        let turn = self.lanes[at].service(&mut self.batch).ok().expect("nobody is in");
        turn.words().ack.write_to(&mut self.registers);
        let left = turn.leave();
        if left.words.gone {
            self.control.handle_gone();
        }
        for message in left.values.drain_messages() {
            self.control.handle_message(&message, now, &mut self.registers);
        }
        if let Some(mark) = left.words.drained {
            self.control.handle_drained(mark, now);
        }
        left.values.drain().map(|done| done.completion).collect()
    }

    /// A command of this queue whose deadline passed.
    ///
    /// # Panics
    ///
    /// If somebody is in.
    pub fn expired(&self, at: usize) -> Option<AbortTicket> {
        let now = self.machine.now();
        let turn = self.lanes[at].enter(now, |queue, now| ((), queue.poll_expired(now)));
        turn.expect("nobody is in").leave().values
    }

    /// Steps Control and carries what it gives out.
    ///
    /// # Panics
    ///
    /// If memory runs out.
    pub fn step(&mut self) {
        let _ = self.control.step(self.machine.now(), &mut self.registers);
        while let Some(action) = self.control.poll_action() {
            self.carry(action);
        }
        self.events.extend(core::iter::from_fn(|| self.control.poll_event()));
    }

    fn carry(&mut self, action: Action) {
        let vector = match &action {
            Action::ProvideMemory(plan) => {
                let memory = self.machine.memory();
                let region =
                    |plan: &RegionPlan| memory.place(plan, Placement::Window).expect("memory");
                let regions = plan.regions.iter().map(region).collect();
                let provided = self.control.provide_memory(regions).expect("as planned");
                let Provided::Queues(ports) = provided else { return };
                let limits = self.control.limits().expect("known by now");
                let queue =
                    |(port, n)| IoQueue::new(port, Vector(n), limits, ClassTimeouts::default());
                let lanes = ports.into_iter().zip(0..).map(queue).map(SharedQueue::new);
                self.lanes = lanes.map(Arc::new).collect();
                return;
            }
            Action::Isolate => {
                self.machine.memory().set_bus_master(false);
                return self.control.handle_isolated();
            }
            Action::Quiesce(vector) => return self.stopping.push_back(*vector),
            Action::Gone(failure) => {
                self.stopping.clear();
                for lane in &self.lanes {
                    let gone = Carried(Action::Gone(*failure));
                    assert!(lane.enter(gone, apply).is_ok(), "nobody is in");
                }
                return;
            }
            action => action.vector().expect("one queue's"),
        };
        let turn = self.lanes[usize::from(vector.0)].enter(Carried(action), apply);
        if let Some(redeemed) = turn.expect("nobody is in").leave().words {
            self.control.handle_redeemed(redeemed);
        }
    }

    /// Submits on a vector and writes the doorbell.
    ///
    /// # Errors
    ///
    /// The request, if the queue refused it.
    ///
    /// # Panics
    ///
    /// If somebody is in.
    pub fn submit(&mut self, at: usize, request: Request<D>) -> Result<CommandHandle, Request<D>> {
        let turn = self.lanes[at].submit(request, self.machine.now()).ok().expect("nobody is in");
        if let Ok(submitted) = turn.words() {
            submitted.doorbell.write_to(&mut self.registers);
        }
        match turn.leave().words {
            Ok(submitted) => Ok(submitted.handle),
            Err(rejected) => Err(rejected.request),
        }
    }

    /// Aborts a command; whether it was outstanding and nobody else's to end.
    ///
    /// # Panics
    ///
    /// If somebody is in.
    pub fn abort(&mut self, at: usize, handle: CommandHandle) -> bool {
        let abort = |queue: &mut IoQueue<DirectQueue, D>, handle| ((), queue.abort(handle));
        let turn = self.lanes[at].enter(handle, abort).expect("nobody is in");
        let ticket = turn.leave().values;
        let found = ticket.is_some();
        if let Some(ticket) = ticket {
            self.control.handle_ticket(ticket);
        }
        found
    }

    /// Commands that the device has.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        let count = |lane: &Arc<Lane<D>>| {
            let turn = lane.enter((), |queue, ()| (usize::from(queue.outstanding()), ()));
            turn.map_or(0, |turn| *turn.words())
        };
        self.lanes.iter().map(count).sum()
    }
}

fn apply<D: DataBuffer>(
    queue: &mut IoQueue<DirectQueue, D>,
    Carried(action): Carried,
) -> (Option<Redeemed>, ()) {
    (action.apply(queue), ())
}

/// TEST UNIT READY to a disk, with whatever comes home with it.
///
/// # Panics
///
/// Never: the CDB is six bytes long.
pub fn test_unit_ready<D: DataBuffer>(disk: u16, cookie: u64, data: D) -> Request<D> {
    let nexus = Nexus::new(TargetId::new(disk), Lun::ZERO);
    let cdb = Cdb::new(&[0; 6]).expect("six bytes");
    Request::new(nexus, cdb, Transfer::NONE, data, Cookie(cookie))
}
