//! The caller's commands: which are out, and which of them the device executed.

use core::ops::{Index, IndexMut};

use hba_core::adapter::AdapterHandle;

use crate::campaign::flight::{self, Flight, State};
use crate::campaign::ledger::WriteId;
use crate::campaign::plan::Kind;
use crate::campaign::tally::{Sometimes, Tally};
use crate::campaign::watched::Seen;

/// Every submit, by its number; that is the cookie of its command.
pub(in super::super) struct Flights {
    all: Vec<Flight>,
    /// Submits without an end, oldest first.
    outstanding: Vec<usize>,
    /// The submit of each write, from write 1 on.
    writes: Vec<usize>,
    /// The submit that each number of the device's log was given to last.
    numbers: Vec<usize>,
    last_number: u8,
    /// The submit that was the last to end, if it ended as done.
    last_done: Option<usize>,
}

impl Flights {
    /// None, with room for those of a plan.
    pub(super) fn new(operations: usize) -> Self {
        Self {
            all: Vec::with_capacity(operations + 64),
            outstanding: Vec::new(),
            writes: Vec::with_capacity(operations),
            numbers: vec![usize::MAX; 1 << u8::BITS],
            last_number: 0,
            last_done: None,
        }
    }

    /// Submits so far, refused ones too: the number of the next one.
    pub(in super::super) const fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn get(&self, index: usize) -> Option<&Flight> {
        self.all.get(index)
    }

    /// Adds a submit, which is outstanding unless it was refused.
    pub(super) fn add(&mut self, flight: Flight) {
        let index = self.all.len();
        if flight.op.kind.is_write() {
            self.name(flight.id, index);
        }
        self.numbers[usize::from(flight.number)] = index;
        if flight.state == State::Outstanding {
            self.outstanding.push(index);
        }
        self.all.push(flight);
    }

    fn name(&mut self, id: WriteId, index: usize) {
        self.writes.resize(id.0 as usize + 1, usize::MAX);
        self.writes[id.0 as usize] = index;
    }

    /// A submit has ended; `done` as it should.
    pub(super) fn end(&mut self, index: usize, done: bool) {
        self.all[index].state = State::Ended;
        self.outstanding.retain(|at| *at != index);
        self.last_done = done.then_some(index);
    }

    /// A number that no command outstanding has; 0 where there is none left.
    pub(super) fn number(&mut self) -> u8 {
        for _ in 0..u8::MAX {
            self.last_number = self.last_number % u8::MAX + 1;
            let last = self.all.get(self.numbers[usize::from(self.last_number)]);
            if last.is_none_or(|flight| flight.state != State::Outstanding) {
                return self.last_number;
            }
        }
        0
    }

    /// Which submit the device executed: a write says so by its data, everything else by its number.
    pub(super) fn executed(&self, unit: u32, seen: &Seen) -> Option<usize> {
        let id = flight::writer(seen.stamp);
        let index = match id.0 {
            0 if seen.number == 0 => return None,
            0 => *self.numbers.get(usize::from(seen.number))?,
            id => *self.writes.get(id as usize)?,
        };
        let op = self.all.get(index)?.op;
        (op.unit == unit && flight::cdb(op).opcode() == seen.opcode).then_some(index)
    }

    /// Those without an end, oldest first.
    pub(super) fn outstanding(&self) -> impl ExactSizeIterator<Item = &Flight> {
        self.outstanding.iter().map(|at| &self.all[*at])
    }

    /// Shows those without an end, oldest first, as long as `change` says so.
    pub(super) fn change_while(&mut self, mut change: impl FnMut(&mut Flight) -> bool) {
        let _ = self.outstanding.iter().all(|at| change(&mut self.all[*at]));
    }

    /// Those of one vector without an end.
    pub(in super::super) fn outstanding_on(&self, vector: u32) -> usize {
        self.outstanding().filter(|flight| flight.op.vector == vector).count()
    }

    /// Writes of the same vector and unit that had to be executed before `this`, because one of the two is ordered.
    pub(super) fn overtaken_by(&self, this: &Flight) -> impl Iterator<Item = &Flight> {
        let place = |flight: &Flight| (flight.op.unit, flight.op.vector);
        let ordered = |flight: &Flight| flight.op.kind == Kind::WriteOrdered;
        self.outstanding().filter(move |other| {
            (ordered(this) || ordered(other))
                && other.op.kind.is_write()
                && other.answered.is_none()
                && other.issued < this.issued
                && place(other) == place(this)
        })
    }

    /// The power of a unit is cut: notes what it meets.
    pub(super) fn cut(&self, unit: u32, tally: &mut Tally) {
        let mut blocks = Vec::new();
        for flight in self.outstanding().filter(|flight| flight.op.unit == unit) {
            let (kind, range) = (flight.op.kind, flight.op.lba..flight.op.lba + flight.op.blocks);
            if kind.is_flush() {
                tally.saw(match flight.executed {
                    Some(_) => Sometimes::CutAfterFlush,
                    None => Sometimes::CutDuringFlush,
                });
            } else if kind.is_write() {
                if range.clone().any(|lba| blocks.contains(&lba)) {
                    tally.saw(Sometimes::OverlapAtCut);
                }
                blocks.extend(range);
            }
        }
    }

    /// The caller aborts the oldest command outstanding.
    pub(in super::super) fn abort_oldest(&mut self) -> Option<AdapterHandle> {
        let flight = &mut self.all[*self.outstanding.first()?];
        flight.aborted = true;
        flight.handle
    }

    /// The clock jumps.
    pub(in super::super) fn jump(&mut self) {
        self.change_while(|flight| {
            flight.jumped = true;
            true
        });
    }

    /// Whether a submit ended as done, and was the last to end.
    pub(in super::super) fn was_done(&self, index: usize) -> bool {
        self.last_done == Some(index)
    }
}

impl Index<usize> for Flights {
    type Output = Flight;

    fn index(&self, index: usize) -> &Flight {
        &self.all[index]
    }
}

impl IndexMut<usize> for Flights {
    fn index_mut(&mut self, index: usize) -> &mut Flight {
        &mut self.all[index]
    }
}
