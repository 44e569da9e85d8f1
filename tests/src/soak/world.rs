//! What the threads of a round share.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use core::time::Duration;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;

use hba_core::control::{Action, Control, Provided, RecoveryConfig};
use hba_core::dispatch::ClassTimeouts;
use hba_core::dma::{DataBuffer, RegionBuffer, Segment};
use hba_core::port::Message;
use hba_core::queue::{AbortTicket, CommandHandle, DrainMark, IoQueue, Quiesced, Vector};
use hba_core::sync::{Inbox, Kick, Outbox, SharedQueue, mailbox};
use hba_core::time::Instant;
use sim_backend::direct::{DirectConfig, DirectControl, DirectController, DirectQueue, Facts};
use sim_backend::disk::{DiskConfig, SimDisk};
use sim_backend::machine::SimMachine;
use sim_backend::memory::{Placement, SimMemory};

use super::Soak;
use super::ledger::{Counts, Ledger, Tally};

pub(super) const DISKS: u16 = 3;
pub(super) const BLOCKS: u64 = 1 << 14;
/// Bytes and blocks of a transfer.
pub(super) const LEN: usize = 4096;
pub(super) const BLOCKS_OF_A_TRANSFER: u32 = 8;
/// Handles that an abort may choose from.
const RECENT: usize = 64;

/// Memory of one command; counted, so that none is lost and none is freed early.
#[derive(Debug)]
pub(super) struct Memory(pub(super) RegionBuffer, Arc<AtomicU64>);

// SAFETY: the buffer inside keeps the promise.
#[expect(unsafe_code, reason = "the promise of the buffer inside")]
unsafe impl DataBuffer for Memory {
    fn segments(&self) -> &[Segment] {
        self.0.segments()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a thread tells Control.
#[derive(Debug)]
pub(super) enum Note {
    Ticket(AbortTicket),
    Message(Message),
    Drained(DrainMark),
    Quiesced(Quiesced),
    Reset,
}

/// One vector.
pub(super) struct Lane {
    pub(super) queue: SharedQueue<IoQueue<DirectQueue, Memory>>,
    kick: Kick,
    thread: OnceLock<Thread>,
    recent: Mutex<VecDeque<CommandHandle>>,
}

impl Lane {
    fn new(queue: IoQueue<DirectQueue, Memory>) -> Self {
        let (thread, recent) = (OnceLock::new(), Mutex::default());
        Self { queue: SharedQueue::new(queue), kick: Kick::new(), thread, recent }
    }

    /// The thread that a raise wakes.
    pub(super) fn wakes(&self, thread: Thread) {
        assert!(self.thread.set(thread).is_ok(), "one thread for each vector");
        self.raise();
    }

    /// What an interrupt handler does.
    pub(super) fn raise(&self) {
        if let Some(thread) = self.thread.get()
            && self.kick.raise()
        {
            thread.unpark();
        }
    }

    pub(super) const fn kick(&self) -> &Kick {
        &self.kick
    }

    pub(super) fn remember(&self, handle: CommandHandle) {
        let mut recent = lock(&self.recent);
        if recent.len() == RECENT {
            recent.pop_front();
        }
        recent.push_back(handle);
    }

    pub(super) fn recall(&self, draw: u64) -> Option<CommandHandle> {
        let recent = lock(&self.recent);
        recent.get((draw as usize).checked_rem(recent.len())?).copied()
    }
}

/// How far a round is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Load,
    /// Nothing new; the device behaves.
    Settling,
    /// Control shuts the controller down.
    Stopping,
    Ended,
}

pub(super) struct World {
    pub(super) machine: SimMachine<DirectController>,
    pub(super) lanes: Vec<Lane>,
    pub(super) ledger: Ledger,
    pub(super) counts: Counts,
    pub(super) seed: u64,
    pub(super) depth: u16,
    pool: Mutex<Vec<Memory>>,
    made: u64,
    alive: Arc<AtomicU64>,
    nanos: AtomicU64,
    phase: AtomicU8,
    /// Control has nothing to do, as far as it knows.
    pub(super) control_is_idle: AtomicBool,
}

/// The ends of the mailboxes, for the threads.
pub(super) struct Ends {
    pub(super) vectors: Vec<VectorEnd>,
    pub(super) submitters: Vec<Outbox<Note>>,
    pub(super) control: ControlEnd,
}

pub(super) struct VectorEnd {
    pub(super) vector: usize,
    pub(super) notes: Outbox<Note>,
    pub(super) actions: Inbox<Action>,
}

pub(super) struct ControlEnd {
    pub(super) control: Control<DirectControl>,
    pub(super) notes: Vec<Inbox<Note>>,
    pub(super) actions: Vec<Outbox<Action>>,
}

impl World {
    /// A controller that has been given its memory; Control's thread brings it up.
    pub(super) fn attach(soak: &Soak) -> (Self, Ends) {
        let memory = SimMemory::new(64 << 20);
        let facts =
            Facts { vectors: soak.vectors, reset: Duration::from_millis(1), ..Facts::default() };
        let machine = SimMachine::new(DirectController::new(facts, memory.device()), memory);
        for slot in 0..DISKS {
            let disk = SimDisk::new(&DiskConfig::nth(slot.into(), BLOCKS)).expect("a disk");
            assert!(machine.attach(slot.into(), disk).is_ok(), "slot {slot} is free");
        }
        let (control, queues) = bring_up(&machine, soak);
        let alive = Arc::new(AtomicU64::new(0));
        let made = u64::from(soak.vectors) * u64::from(soak.depth) + 64;
        let buffer = |_| {
            alive.fetch_add(1, Ordering::Relaxed);
            Memory(machine.memory().buffer(LEN).expect("memory"), Arc::clone(&alive))
        };
        let pool = Mutex::new((0..made).map(buffer).collect());
        let world = Self {
            lanes: queues.into_iter().map(Lane::new).collect(),
            ledger: Ledger::default(),
            counts: Counts::default(),
            seed: soak.seed,
            depth: soak.depth,
            pool,
            made,
            alive,
            nanos: AtomicU64::new(machine.now().as_nanos()),
            phase: AtomicU8::new(0),
            control_is_idle: AtomicBool::new(false),
            machine,
        };
        (world, ends(soak, control))
    }

    pub(super) fn now(&self) -> Instant {
        Instant::from_nanos(self.nanos.load(Ordering::Acquire))
    }

    /// Only the device's thread moves the clock.
    pub(super) fn pass_time(&self, by: Duration) {
        self.machine.advance(by);
        self.nanos.store(self.machine.now().as_nanos(), Ordering::Release);
    }

    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Load,
            1 => Phase::Settling,
            2 => Phase::Stopping,
            _ => Phase::Ended,
        }
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
        self.lanes.iter().for_each(Lane::raise);
    }

    pub(super) fn take_memory(&self) -> Option<Memory> {
        lock(&self.pool).pop()
    }

    pub(super) fn give_memory(&self, memory: Memory) {
        lock(&self.pool).push(memory);
    }

    /// No command is out and Control has nothing to do.
    pub(super) fn is_idle(&self) -> bool {
        self.ledger.len() == 0 && self.control_is_idle.load(Ordering::Acquire)
    }

    pub(super) fn describe(&self) -> String {
        let owners: Vec<_> = self.lanes.iter().map(|lane| lane.queue.owner()).collect();
        let state = self.machine.with_controller(|controller| controller.state());
        format!(
            "{} commands are out, controller {state:?}, control idle {}, owners {owners:?}, {:?}",
            self.ledger.len(),
            self.control_is_idle.load(Ordering::Acquire),
            self.counts.tally(),
        )
    }

    /// Everything that must be zero is.
    pub(super) fn audit(self) -> Tally {
        let mut tally = self.counts.tally();
        tally.rounds = 1;
        assert_eq!(self.ledger.len(), 0, "commands are out");
        let pool = self.pool.into_inner().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(pool.len() as u64, self.made, "memory is missing");
        assert_eq!(self.alive.load(Ordering::Relaxed), self.made, "memory was freed early");
        for lane in self.lanes {
            assert_eq!(lane.queue.owner(), None, "somebody never left a queue");
            tally.refused_entries += u64::from(lane.queue.refused());
            let queue = lane.queue.into_inner();
            let counters = *queue.counters();
            assert_eq!(counters.submitted, counters.completed, "each ends once");
            assert_eq!(queue.outstanding(), 0);
            tally.submitted += counters.submitted;
            tally.refused_requests += counters.rejected;
            tally.expired += counters.expired;
            tally.stale_replies += counters.stale + counters.unknown + counters.malformed;
            assert!(queue.close().is_ok(), "a queue holds commands");
        }
        assert_eq!(tally.good + tally.failed, tally.submitted, "each was told of once");
        drop(pool);
        assert_eq!(self.alive.load(Ordering::Relaxed), 0);
        let faults = self.machine.memory().faults();
        assert_eq!(
            faults.count(),
            0,
            "the device touched memory that it was not given: {faults:?}"
        );
        tally
    }
}

type Queues = Vec<IoQueue<DirectQueue, Memory>>;

fn bring_up(
    machine: &SimMachine<DirectController>,
    soak: &Soak,
) -> (Control<DirectControl>, Queues) {
    let config = DirectConfig {
        vectors_max: soak.vectors,
        depth_max: soak.depth,
        poll: Duration::from_millis(20),
        ..DirectConfig::default()
    };
    let patience = Duration::from_millis(20);
    let recovery = RecoveryConfig {
        abort: patience,
        logical_unit_reset: patience,
        target_reset: patience,
        resets_max: u8::MAX,
        resets_window: Duration::from_millis(10),
    };
    let mut control = Control::new(DirectControl::new(config), recovery, machine.now());
    control.set_interrupts(true);
    for _ in 0..1000 {
        let _ = control.step(machine.now(), &mut machine.registers());
        if let Some(Action::ProvideMemory(plan)) = control.poll_action() {
            let region = |plan: &hba_core::port::RegionPlan| {
                machine.memory().place(plan, Placement::Window).expect("memory")
            };
            let regions = plan.regions.iter().map(region).collect();
            let provided = control.provide_memory(regions).expect("as planned");
            let Provided::Queues(ports) = provided else { continue };
            let limits = *control.limits().expect("known by now");
            let timeouts = ClassTimeouts::default();
            let queue = |(port, n)| IoQueue::new(port, Vector(n), &limits, timeouts);
            return (control, ports.into_iter().zip(0..).map(queue).collect());
        }
        machine.advance(Duration::from_millis(1));
    }
    panic!("the controller does not ask for memory");
}

/// Room for everything that can be on its way between two looks of the receiver; a full mailbox is part of the soak.
const LETTERS: u32 = 16;

fn ends(soak: &Soak, control: Control<DirectControl>) -> Ends {
    let mut notes = Vec::new();
    let mut outbox = || {
        let (outbox, inbox) = mailbox(LETTERS);
        notes.push(inbox);
        outbox
    };
    let (mut vectors, mut actions) = (Vec::new(), Vec::new());
    for vector in 0..usize::from(soak.vectors) {
        let (to_vector, from_control) = mailbox(LETTERS);
        actions.push(to_vector);
        vectors.push(VectorEnd { vector, notes: outbox(), actions: from_control });
    }
    let submitters = (0..=soak.submitters).map(|_| outbox()).collect();
    Ends { vectors, submitters, control: ControlEnd { control, notes, actions } }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
