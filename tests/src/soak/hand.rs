//! What every thread may do to every vector.

use alloc::collections::VecDeque;
use core::time::Duration;
use std::thread;

use hba_core::command::{Completion, Cookie, Nexus, Outcome, Refusal, Request, TargetId, Transfer};
use hba_core::queue::Batch;
use hba_core::register::HostWrite;
use hba_core::sync::{Busy, Outbox};
use hba_core::time::Timeout;
use scsi_proto::command::{self, Access};
use scsi_proto::{Lba, Lun, Status};
use sim_backend::direct::DirectController;
use sim_backend::machine::SimRegisters;
use sim_backend::schedule::SplitMix64;

use super::ledger::{Issued, count};
use super::world::{BLOCKS, BLOCKS_OF_A_TRANSFER, DISKS, LEN, Memory, Note, Phase, World};

/// One thread's way into the queues, and to Control.
pub(super) struct Hand<'w> {
    pub(super) world: &'w World,
    registers: SimRegisters<DirectController>,
    notes: Outbox<Note>,
    /// Notes that the mailbox had no room for.
    held: VecDeque<Note>,
    /// Out while a pass is made with it.
    batch: Option<Batch<Memory>>,
    rng: SplitMix64,
    /// Vectors that this thread has to look at, one bit each: it was told so when it left them.
    pub(super) todo: u32,
}

impl<'w> Hand<'w> {
    pub(super) fn new(world: &'w World, notes: Outbox<Note>) -> Self {
        let salt = thread::current().id();
        let seed = format!("{salt:?}").bytes().fold(world.seed, |seed, b| seed * 31 + u64::from(b));
        Self {
            world,
            registers: world.machine.registers(),
            notes,
            held: VecDeque::new(),
            batch: Some(Batch::new(8)),
            rng: SplitMix64::new(seed),
            todo: 0,
        }
    }

    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.rng.below(n) == 0
    }

    fn any_vector(&mut self) -> usize {
        self.rng.below(self.world.lanes.len() as u64) as usize
    }

    /// Looks at every vector that this thread owes a look, and posts what it has for Control.
    pub(super) fn settle(&mut self) {
        while self.todo != 0 {
            let vector = self.todo.trailing_zeros() as usize;
            self.todo &= !(1 << vector);
            self.pass(vector);
        }
        while let Some(note) = self.held.pop_front() {
            if let Err(full) = self.notes.post(note) {
                assert!(
                    !full.closed || self.world.phase() == Phase::Ended,
                    "Control's thread is gone"
                );
                self.held.push_front(full.value);
                return;
            }
        }
    }

    /// Whether notes wait for room.
    pub(super) fn is_held_up(&self) -> bool {
        !self.held.is_empty()
    }

    pub(super) fn tell(&mut self, note: Note) {
        self.held.push_back(note);
    }

    /// One pass; nothing if somebody is in, who was told to look again.
    fn pass(&mut self, vector: usize) {
        let Some(mut batch) = self.batch.take() else { return };
        let lane = &self.world.lanes[vector];
        if let Ok(turn) = lane.queue.service(&mut batch) {
            turn.words().ack.write_to(&mut self.registers);
            let left = turn.leave();
            if left.again || left.words.more {
                self.todo |= 1 << vector;
            }
            assert!(!left.words.gone, "the controller is there");
            self.held.extend(left.words.drained.map(Note::Drained));
            self.held.extend(left.values.drain_messages().map(Note::Message));
            // Nobody owns the queue here.
            for done in left.values.drain() {
                self.ended(vector, done.completion);
            }
        }
        self.batch = Some(batch);
    }

    fn ended(&mut self, vector: usize, completion: Completion<Memory>) {
        let counts = &self.world.counts;
        let issued = self.world.ledger.end(completion.cookie.0);
        if completion.outcome == Outcome::Status(Status::GOOD) {
            count(&counts.good);
            check(&issued, &completion.data);
        } else {
            count(&counts.failed);
        }
        self.world.give_memory(completion.data);
        if self.world.phase() != Phase::Load {
            return;
        }
        // From a completion handler: the same queue, another queue, a sibling, the controller.
        match self.rng.below(64) {
            0..24 => _ = self.submit(vector),
            24..32 => {
                let other = self.any_vector();
                self.submit(other);
            }
            32 => self.abort(vector),
            33 => {
                let other = self.any_vector();
                self.abort(other);
            }
            34 if self.one_in(64) => self.tell(Note::Reset),
            _ => {}
        }
    }

    /// Whether it was accepted.
    pub(super) fn submit(&mut self, vector: usize) -> bool {
        let Some(mut data) = self.world.take_memory() else { return false };
        let lba = self.rng.below(BLOCKS / 8) * 8;
        let disk = self.rng.below(DISKS.into()) as u16;
        let issued = Issued { disk, lba, write: self.one_in(3) };
        data.0.write(&if issued.write { pattern(&issued) } else { [0xdd; LEN] });
        let cookie = self.world.ledger.enter(issued);
        let request = request(&issued, data, cookie);
        let lane = &self.world.lanes[vector];
        let refused = match lane.queue.submit(request, self.world.now()) {
            Err(Busy { input }) => Some(input),
            Ok(turn) => {
                if let Ok(submitted) = turn.words() {
                    submitted.doorbell.write_to(&mut self.registers);
                    lane.remember(submitted.handle);
                }
                let left = turn.leave();
                self.todo |= u32::from(left.again) << vector;
                left.words.err().map(|rejected| {
                    assert!(matches!(rejected.reason, Refusal::QueueFull | Refusal::Stopped));
                    rejected.request
                })
            }
        };
        let Some(request) = refused else { return true };
        let _ = self.world.ledger.end(cookie);
        self.world.give_memory(request.data);
        false
    }

    fn abort(&mut self, vector: usize) {
        let lane = &self.world.lanes[vector];
        let Some(handle) = lane.recall(self.rng.draw()) else { return };
        let Ok(turn) = lane.queue.enter(handle, |queue, handle| ((), queue.abort(handle))) else {
            return;
        };
        let left = turn.leave();
        self.todo |= u32::from(left.again) << vector;
        if let Some(ticket) = left.values {
            count(&self.world.counts.aborts);
            self.tell(Note::Ticket(ticket));
        }
    }

    pub(super) fn look_for_deadlines(&mut self, vector: usize) {
        let lane = &self.world.lanes[vector];
        let now = self.world.now();
        while let Ok(turn) = lane.queue.enter(now, |queue, now| ((), queue.poll_expired(now))) {
            let left = turn.leave();
            self.todo |= u32::from(left.again) << vector;
            let Some(ticket) = left.values else { return };
            self.tell(Note::Ticket(ticket));
        }
    }

    /// Fills every queue to its last slot while the disks keep quiet: a slot that is missing was lost.
    pub(super) fn fill_every_queue(&mut self) {
        (0..DISKS).for_each(|slot| self.world.machine.hold(slot.into(), true));
        for vector in 0..self.world.lanes.len() {
            let depth = self.world.depth;
            let mut accepted = 0;
            // Busy or refused for a moment: a thread is in, or a late reset is under way.
            for _ in 0..10_000 {
                accepted += u16::from(self.submit(vector));
                if accepted == depth {
                    break;
                }
                self.settle();
                thread::sleep(Duration::from_micros(100));
            }
            assert_eq!(accepted, depth, "slots of vector {vector} are lost");
        }
        (0..DISKS).for_each(|slot| self.world.machine.hold(slot.into(), false));
        while self.todo != 0 || self.is_held_up() {
            self.settle();
        }
    }
}

/// A thread that does whatever comes to its mind.
pub(super) fn submit_until_settled(world: &World, notes: Outbox<Note>) {
    let mut hand = Hand::new(world, notes);
    while world.phase() == Phase::Load || hand.is_held_up() {
        let vector = hand.any_vector();
        if world.phase() == Phase::Load {
            match hand.rng.below(256) {
                0 => hand.abort(vector),
                1 => hand.look_for_deadlines(vector),
                // As if its interrupt had come here.
                2..10 => hand.todo |= 1 << vector,
                10 if hand.one_in(64) => hand.tell(Note::Reset),
                _ => {
                    if !hand.submit(vector) {
                        thread::sleep(Duration::from_micros(50));
                    }
                }
            }
        }
        hand.settle();
    }
}

fn request(issued: &Issued, data: Memory, cookie: u64) -> Request<Memory> {
    let nexus = Nexus::new(TargetId::new(issued.disk), Lun::ZERO);
    let (lba, blocks) = (Lba(issued.lba), BLOCKS_OF_A_TRANSFER);
    let (cdb, transfer) = if issued.write {
        (command::write(lba, blocks, Access::default()), Transfer::to_device(LEN as u32))
    } else {
        (command::read(lba, blocks, Access::default()), Transfer::from_device(LEN as u32))
    };
    let cdb = cdb.expect("in range");
    Request::new(nexus, cdb, transfer, data, Cookie(cookie)).with_timeout(Timeout::from_millis(30))
}

/// What a block always holds once it was written.
pub(super) fn pattern(issued: &Issued) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    for (block, n) in bytes.chunks_exact_mut(512).zip(issued.lba..) {
        block[..8].copy_from_slice(&(u64::from(issued.disk) << 48 | n << 1 | 1).to_le_bytes());
    }
    bytes
}

fn check(issued: &Issued, data: &Memory) {
    let mut bytes = [0; LEN];
    data.0.read(&mut bytes);
    holds_what_was_written(issued, &bytes);
}

/// A read finds what was written, or nothing: never another command's data, never none.
pub(super) fn holds_what_was_written(issued: &Issued, bytes: &[u8; LEN]) {
    for (block, expected) in bytes.chunks_exact(512).zip(pattern(issued).chunks_exact(512)) {
        let written = block[..8] == expected[..8];
        let never = !issued.write && block[..8] == [0; 8];
        assert!(written || never, "{issued:?} holds {:x?}", &block[..8]);
    }
}
