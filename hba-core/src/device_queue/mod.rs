//! A queue for each logical unit in front of the adapter, for callers that want one: depth, retries, and when to give up.
//!
//! Nothing below needs this: the core sends what it is given, once, and its data path knows no units. A caller that wants
//! commands repeated hands them to [`DeviceQueues`] instead of the adapter, and says by a [`QueuePolicy`] how far it may go;
//! by default it goes nowhere.
//!
//! * **Retries never overtake.** A write that is sent again lands after everything that was sent meanwhile. So it is not
//!   sent again once a younger command that overlaps it was sent; and as long as a command waits for another try, or is out
//!   for one, younger commands that overlap it wait. What a CDB does not tell, and any task attribute but SIMPLE, counts as
//!   overlapping.
//! * **TASK SET FULL is no failure.** The depth of the unit is lowered to what the device took, and raised again one by one.
//! * **A unit whose medium does not answer goes offline**, after time-outs in a row, so that it costs no further ladders of
//!   recovery: INQUIRY and TEST UNIT READY of such disks often answer as if nothing were.
//!
//! ```text
//!   push(request) -> send(adapter) -> ... completions -> handle_end(completion) -> the caller's, or sent again
//! ```
//!
//! Retries of one unit keep their order only if all its commands go through one `DeviceQueues` and one vector.

mod footprint;
mod policy;
#[cfg(test)]
mod tests;
mod unit;

pub use policy::{QueuePolicy, Retry};

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;

use footprint::Footprint;
use policy::Again;
use unit::Unit;

use crate::adapter::Adapter;
use crate::command::{
    Command, Completion, Cookie, Failure, LengthCheck, Outcome, Refusal, Rejected, Request,
    TargetId,
};
use crate::dispatch::{self, Class};
use crate::dma::DataBuffer;
use crate::durability::{Ended, Judgement};
use crate::name::{CommandHandle, Nexus};
use crate::port::ControlPort;
use crate::queue::Vector;
use crate::register::Registers;
use crate::time::{Instant, Timeout};

/// The queues of all units that a caller talks to. Memory is fixed when they are made.
#[derive(Debug)]
pub struct DeviceQueues<D> {
    policy: QueuePolicy,
    /// Sorted by nexus.
    units: Vec<Unit>,
    units_max: usize,
    /// By place; a place is free where there is none.
    entries: Vec<Option<Entry<D>>>,
    free: Vec<u32>,
    /// Places of the commands that wait, the oldest first.
    waiting: VecDeque<u32>,
    /// Commands that ended without being sent.
    ended: VecDeque<Completion<D>>,
    /// Units that went offline and were not told of.
    offline: VecDeque<Nexus>,
    /// The next command's age.
    serial: u64,
}

/// One command, from its push to its end.
#[derive(Debug)]
struct Entry<D> {
    command: Command,
    cookie: Cookie,
    timeout: Timeout,
    check: LengthCheck,
    footprint: Footprint,
    /// Smaller is older.
    serial: u64,
    tries: u8,
    /// Out or waiting for another try.
    again: bool,
    /// A younger command that overlaps it was sent: no retry may follow.
    overtaken: bool,
    /// The caller wants no retry any more.
    cancelled: bool,
    /// See [`Unit::cycle`].
    cycle: u32,
    place: Place<D>,
}

#[derive(Debug)]
enum Place<D> {
    /// Not before this time.
    Waiting(D, Instant),
    Out,
}

/// A request that was not taken. It is here, whole.
#[derive(Debug)]
#[must_use = "the request and its memory are in here"]
pub struct Unqueued<D> {
    /// Why.
    pub reason: Unqueueable,
    /// The request.
    pub request: Request<D>,
}

/// Why a request was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unqueueable {
    /// As many commands wait or are out as there is room for.
    Full {
        /// The room.
        capacity: usize,
    },
    /// The unit was taken offline; see [`DeviceQueues::bring_online`].
    Offline(Nexus),
    /// No room for one more unit.
    TooManyUnits {
        /// The room.
        units_max: usize,
    },
}

impl<D> DeviceQueues<D> {
    /// Queues for `units_max` units with room for `capacity` commands in all.
    pub fn new(policy: QueuePolicy, capacity: u32, units_max: usize) -> Self {
        Self {
            policy,
            units: Vec::with_capacity(units_max),
            units_max,
            entries: (0..capacity).map(|_| None).collect(),
            free: (0..capacity).rev().collect(),
            waiting: VecDeque::with_capacity(capacity as usize),
            ended: VecDeque::with_capacity(capacity as usize),
            offline: VecDeque::with_capacity(units_max),
            serial: 0,
        }
    }

    /// Takes a request, to be sent by [`Self::send`].
    ///
    /// # Errors
    ///
    /// [`Unqueued`] with the request.
    pub fn push(&mut self, request: Request<D>) -> Result<(), Unqueued<D>> {
        let reason = match self.unit_at(request.command.nexus) {
            Ok(at) if self.units[at].offline => Unqueueable::Offline(request.command.nexus),
            Err(_) if self.units.len() == self.units_max => {
                Unqueueable::TooManyUnits { units_max: self.units_max }
            }
            found => match self.free.pop() {
                Some(place) => {
                    if let Err(at) = found {
                        self.units.insert(at, Unit::new(request.command.nexus, &self.policy));
                    }
                    self.enter(place, request);
                    return Ok(());
                }
                None => Unqueueable::Full { capacity: self.entries.len() },
            },
        };
        Err(Unqueued { reason, request })
    }

    fn enter(&mut self, place: u32, request: Request<D>) {
        let Request { command, data, cookie, timeout, check } = request;
        self.serial += 1;
        self.entries[place as usize] = Some(Entry {
            footprint: Footprint::of(&command),
            command,
            cookie,
            timeout,
            check,
            serial: self.serial,
            tries: 0,
            again: false,
            overtaken: false,
            cancelled: false,
            cycle: 0,
            place: Place::Waiting(data, Instant::ZERO),
        });
        self.waiting.push_back(place);
    }

    /// The next command to submit now, under a cookie of the queues' own. Hand its end to [`Self::handle_end`], a refusal to
    /// [`Self::handle_refusal`].
    pub fn poll_request(&mut self, now: Instant) -> Option<Request<D>> {
        let at = (0..self.waiting.len()).find(|at| self.is_sendable(self.waiting[*at], now))?;
        let place = self.waiting.remove(at)?;
        let (nexus, footprint) = {
            let entry = self.entries[place as usize].as_ref()?;
            (entry.command.nexus, entry.footprint)
        };
        if self.policy.retry > Retry::Never {
            self.mark_overtaken(nexus, footprint);
        }
        let cycle = self.unit_mut(nexus).map_or(0, |unit| {
            unit.out += 1;
            unit.cycle
        });
        let entry = self.entries[place as usize].as_mut()?;
        entry.cycle = cycle;
        let Place::Waiting(data, _) = core::mem::replace(&mut entry.place, Place::Out) else {
            return None;
        };
        let Entry { command, timeout, check, .. } = *entry;
        let cookie = Cookie(entry.serial << 32 | u64::from(place));
        Some(Request { command, data, cookie, timeout, check })
    }

    /// A command that [`Self::poll_request`] gave was not accepted. A queue that is full or stopped is tried again; any other
    /// refusal is final, and the request comes back under the caller's cookie.
    pub fn handle_refusal(
        &mut self,
        reason: Refusal,
        mut request: Request<D>,
    ) -> Option<Request<D>> {
        let Some(place) = self.place_of(request.cookie) else { return Some(request) };
        self.leave_unit(request.command.nexus);
        if matches!(reason, Refusal::QueueFull | Refusal::Stopped) {
            let entry = self.entries[place as usize].as_mut()?;
            entry.place = Place::Waiting(request.data, Instant::ZERO);
            self.wait(place);
            return None;
        }
        let entry = self.remove(place)?;
        request.cookie = entry.cookie;
        Some(request)
    }

    /// A command has ended: the completion is the caller's, under its own cookie; `None` when it is sent again.
    pub fn handle_end(
        &mut self,
        mut completion: Completion<D>,
        sense: &[u8],
        now: Instant,
    ) -> Option<Completion<D>> {
        let Some(place) = self.place_of(completion.cookie) else { return Some(completion) };
        let entry = self.entries[place as usize].as_ref()?;
        let Completion { outcome, transferred, residual, .. } = completion;
        let ended = Ended { outcome, transferred, residual, sense };
        let judgement = Judgement::of(&entry.command.cdb, &ended);
        let (nexus, policy) = (entry.command.nexus, dispatch::policy(&entry.command.cdb));
        let again = self.policy.retry.verdict(policy, judgement);
        let cycle = entry.cycle;
        self.leave_unit(nexus);
        let others = self.note_end(nexus, policy.class, outcome, judgement, cycle, again);
        let gone = self.unit_mut(nexus).is_none_or(|unit| unit.offline);
        let tries = self.policy.tries;
        let entry = self.entries[place as usize].as_mut()?;
        let Some(again) = again.filter(|_| !gone && !entry.overtaken && !entry.cancelled) else {
            let entry = self.remove(place)?;
            completion.cookie = entry.cookie;
            return Some(completion);
        };
        let free_of_charge = again == Again::WhenThereIsRoom && others;
        if !free_of_charge && entry.tries == tries {
            let entry = self.remove(place)?;
            completion.cookie = entry.cookie;
            return Some(completion);
        }
        entry.tries += u8::from(!free_of_charge);
        entry.again = true;
        let due = if again == Again::Now { now } else { now + self.policy.delay };
        entry.place = Place::Waiting(completion.data, due);
        self.wait(place);
        None
    }

    /// Completions of commands that were never sent, because their unit went offline.
    pub fn poll_ended(&mut self) -> Option<Completion<D>> {
        self.ended.pop_front()
    }

    /// A unit that went offline, once.
    pub fn poll_offline(&mut self) -> Option<Nexus> {
        self.offline.pop_front()
    }

    /// Whether a unit is offline.
    pub fn is_offline(&self, nexus: Nexus) -> bool {
        self.unit_at(nexus).is_ok_and(|at| self.units[at].offline)
    }

    /// The owner has looked at the unit: commands are taken again.
    pub fn bring_online(&mut self, nexus: Nexus) {
        if let Some(unit) = self.unit_mut(nexus) {
            unit.bring_online();
        }
    }

    /// Commands of a unit that may be out now; `None` for a unit that none was pushed for.
    pub fn depth(&self, nexus: Nexus) -> Option<u16> {
        self.unit_at(nexus).ok().map(|at| self.units[at].depth)
    }

    /// A target left: its units are forgotten, once nothing of them waits or is out. Commands that wait end as
    /// [`Failure::DeviceNotPresent`], in [`Self::poll_ended`].
    pub fn handle_departure(&mut self, target: TargetId) {
        self.give_up(|nexus| nexus.target == target, Failure::DeviceNotPresent);
        self.units.retain(|unit| unit.nexus.target != target || unit.out > 0);
    }

    /// No retry of the command with this cookie any more. If it waits its request comes back; it may have been sent before.
    pub fn cancel(&mut self, cookie: Cookie) -> Option<Request<D>> {
        let named = |entry: &&mut Entry<D>| entry.cookie == cookie;
        let entry = self.entries.iter_mut().flatten().find(named)?;
        entry.cancelled = true;
        let serial = entry.serial;
        let waits = |place: &u32| {
            self.entries[*place as usize].as_ref().is_some_and(|entry| entry.serial == serial)
        };
        let at = self.waiting.iter().position(waits)?;
        let place = self.waiting.remove(at)?;
        let Entry { command, cookie, timeout, check, place, .. } = self.remove(place)?;
        match place {
            Place::Waiting(data, _) => Some(Request { command, data, cookie, timeout, check }),
            Place::Out => None,
        }
    }

    /// When a command that waits for another try may be sent.
    pub fn next_due(&self) -> Option<Instant> {
        let due = |place: &u32| match self.entries[*place as usize].as_ref()?.place {
            Place::Waiting(_, due) => Some(due),
            Place::Out => None,
        };
        self.waiting.iter().filter_map(due).filter(|due| *due > Instant::ZERO).min()
    }

    /// Commands that wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nothing waits, is out, or has ended without having been told.
    pub fn is_idle(&self) -> bool {
        self.free.len() == self.entries.len() && self.ended.is_empty()
    }

    /// A command waits as long as an older one that overlaps it waits or is out for another try.
    fn is_sendable(&self, place: u32, now: Instant) -> bool {
        let Some(entry) = &self.entries[place as usize] else { return false };
        let nexus = entry.command.nexus;
        let due = match entry.place {
            Place::Waiting(_, due) => due <= now,
            Place::Out => false,
        };
        let room = self.unit_at(nexus).is_ok_and(|at| self.units[at].has_room());
        if !due || !room {
            return false;
        }
        let blocks = |other: &Entry<D>| {
            other.serial < entry.serial
                && other.command.nexus == nexus
                && (other.again || matches!(other.place, Place::Waiting(..)))
                && other.footprint.overlaps(entry.footprint)
        };
        self.policy.retry == Retry::Never || !self.entries.iter().flatten().any(blocks)
    }

    /// Commands that are out and overlap one that is sent now are not sent again.
    fn mark_overtaken(&mut self, nexus: Nexus, footprint: Footprint) {
        if footprint == Footprint::None {
            return;
        }
        for other in self.entries.iter_mut().flatten() {
            let out = matches!(other.place, Place::Out);
            if out && other.command.nexus == nexus && other.footprint.overlaps(footprint) {
                other.overtaken = true;
            }
        }
    }

    /// What the unit learns from an end. Whether other commands of it are out, where its task set is full.
    fn note_end(
        &mut self,
        nexus: Nexus,
        class: Class,
        outcome: Outcome,
        judgement: Judgement,
        cycle: u32,
        again: Option<Again>,
    ) -> bool {
        let policy = self.policy;
        let Some(unit) = self.unit_mut(nexus) else { return false };
        let accesses = matches!(class, Class::MediumRead | Class::MediumWrite);
        if accesses && outcome == Outcome::Failed(Failure::TimedOut) {
            if unit.handle_timeout(cycle, &policy) {
                self.offline.push_back(nexus);
                self.give_up(|at| at == nexus, Failure::Offline);
            }
            return false;
        }
        if matches!(judgement, Judgement::Done | Judgement::DoneShort { .. }) {
            unit.handle_good(&policy);
            if accesses {
                unit.handle_access();
            }
        }
        again == Some(Again::WhenThereIsRoom) && unit.handle_full()
    }

    /// Ends what waits for units.
    fn give_up(&mut self, of: impl Fn(Nexus) -> bool, why: Failure) {
        for _ in 0..self.waiting.len() {
            let Some(place) = self.waiting.pop_front() else { return };
            let concerned = self.entries[place as usize].as_ref();
            if !concerned.is_some_and(|entry| of(entry.command.nexus)) {
                self.waiting.push_back(place);
            } else if let Some(Entry { command, cookie, place: Place::Waiting(data, _), .. }) =
                self.remove(place)
            {
                self.ended.push_back(Completion {
                    cookie,
                    handle: CommandHandle::NEVER_SENT,
                    data,
                    outcome: Outcome::Failed(why),
                    transferred: 0,
                    residual: command.transfer.length,
                });
            }
        }
    }

    /// Back among those that wait, by age.
    fn wait(&mut self, place: u32) {
        let serial = |place: u32| self.entries[place as usize].as_ref().map(|entry| entry.serial);
        let mine = serial(place);
        let at = self.waiting.partition_point(|other| serial(*other) < mine);
        self.waiting.insert(at, place);
    }

    fn remove(&mut self, place: u32) -> Option<Entry<D>> {
        let entry = self.entries[place as usize].take()?;
        self.free.push(place);
        Some(entry)
    }

    fn place_of(&self, cookie: Cookie) -> Option<u32> {
        let place = cookie.0 as u32;
        let entry = self.entries.get(place as usize)?.as_ref()?;
        let same = cookie.0 >> 32 == entry.serial & u64::from(u32::MAX);
        (same && matches!(entry.place, Place::Out)).then_some(place)
    }

    fn leave_unit(&mut self, nexus: Nexus) {
        if let Some(unit) = self.unit_mut(nexus) {
            unit.out = unit.out.saturating_sub(1);
        }
    }

    fn unit_at(&self, nexus: Nexus) -> Result<usize, usize> {
        self.units.binary_search_by_key(&nexus, |unit| unit.nexus)
    }

    fn unit_mut(&mut self, nexus: Nexus) -> Option<&mut Unit> {
        let at = self.unit_at(nexus).ok()?;
        self.units.get_mut(at)
    }
}

impl<D: DataBuffer> DeviceQueues<D> {
    /// Submits what can be sent now on one vector.
    ///
    /// # Errors
    ///
    /// The first request that was refused for good, under the caller's cookie; the others stay in the queues.
    pub fn send<P: ControlPort>(
        &mut self,
        adapter: &mut Adapter<P, D>,
        vector: Vector,
        now: Instant,
        registers: &mut dyn Registers,
    ) -> Result<(), Rejected<D>> {
        while let Some(request) = self.poll_request(now) {
            let Err(rejected) = adapter.submit(vector, request, now, registers) else { continue };
            let Rejected { reason, request } = rejected;
            return match self.handle_refusal(reason, request) {
                Some(request) => Err(Rejected { reason, request }),
                None => Ok(()),
            };
        }
        Ok(())
    }
}

impl fmt::Display for Unqueueable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { capacity } => write!(f, "all {capacity} places of the queues are taken"),
            Self::Offline(nexus) => {
                write!(f, "{nexus} was taken offline: its medium does not answer")
            }
            Self::TooManyUnits { units_max } => {
                write!(f, "the queues have room for {units_max} logical units")
            }
        }
    }
}

impl core::error::Error for Unqueueable {}
