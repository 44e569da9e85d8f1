//! Any CDB with any direction, length and scatter list, through the core and a simulated disk.

use alloc::sync::Arc;
use core::ops::Range;

use hba_core::command::{Completion, Cookie, Failure, Outcome, Refusal, Request, Transfer};
use hba_core::host::Platform;
use hba_core::port::ControlPort;
use mpt_backend::mpi1::{FifoRegister, Mpi1, Mpi1Config};
use scsi_proto::{Cdb, Direction, Status};
use sim_backend::controller::ControllerModel;
use sim_backend::direct::{DirectConfig, DirectControl, DirectController, Facts};
use sim_backend::disk::{DiskConfig, SimDisk};
use sim_backend::machine::SimMachine;
use sim_backend::memory::SimMemory;
use sim_backend::mpi1::{Mpi1Controller, Personality};
use sim_backend::platform::SimPlatform;

use super::reference::{Access, BLOCK, BLOCKS, Reference};
use crate::rig::Rig;
use crate::scattered::{FILL, Scattered};
use crate::sim::nexus;

/// Commands of one input.
const COMMANDS_MAX: usize = 24;
/// Bytes of one data phase: more than the whole disk has.
const LENGTH_MAX: usize = BLOCKS * BLOCK + 8 * BLOCK;
/// Elements of a scatter list.
const ELEMENTS_MAX: usize = 64;

/// Sends what the bytes say to a simulated disk and judges each end.
///
/// Byte 0: bit 0 is the controller, `sim:direct` or `sim:sas1068`. Then one command after the other.
///
/// # Panics
///
/// If a command ends in a way that the reference does not know, or ends not, or moves a byte that it must not.
pub fn cdb_dispatch(data: &[u8]) {
    let Some((&choice, ops)) = data.split_first() else { return };
    let memory = SimMemory::new(8 << 20);
    if choice & 1 == 0 {
        let controller = DirectController::new(Facts::default(), memory.device());
        let machine = Arc::new(SimMachine::new(controller, memory));
        let config = DirectConfig { depth_max: 4, vectors_max: 1, ..DirectConfig::default() };
        run(DirectControl::new(config), machine, ops);
    } else {
        let controller = Mpi1Controller::new(Personality::hardware(), memory.device());
        let machine = Arc::new(SimMachine::new(controller, memory));
        let port = Mpi1::new(Mpi1Config::default(), FifoRegister(machine.registers()));
        run(port, machine, ops);
    }
}

fn run<P: ControlPort, C: ControllerModel>(port: P, machine: Arc<SimMachine<C>>, mut ops: &[u8]) {
    let disk = SimDisk::new(&DiskConfig::nth(0, BLOCKS as u64)).expect("a disk");
    assert!(machine.attach(0, disk).is_ok(), "slot 0 is free");
    let rig = Rig::start(port, SimPlatform::new(machine));
    let mut session = Session { rig, reference: Reference::new(), settled: true };
    for _ in 0..4 {
        session.send(&Op::ready());
    }
    for _ in 0..COMMANDS_MAX {
        let Some(op) = Op::take(&mut ops) else { break };
        if !session.judge(&op) {
            return;
        }
    }
    let found = session.everything();
    assert!(found.is_none_or(|found| found == session.reference.bytes()), "the disk differs");
}

/// One command.
#[derive(Debug)]
struct Op {
    cdb: Vec<u8>,
    transfer: Transfer,
    /// Elements of the scatter list and what is between them.
    layout: u8,
    /// What data-out begins with.
    fill: u8,
}

impl Op {
    fn ready() -> Self {
        Self { cdb: vec![0; 6], transfer: Transfer::NONE, layout: 0, fill: 0 }
    }

    /// READ(10) of the whole disk.
    fn everything() -> Self {
        let transfer = Transfer::from_device((BLOCKS * BLOCK) as u32);
        Self { cdb: vec![0x28, 0, 0, 0, 0, 0, 0, 0, BLOCKS as u8, 0], transfer, ..Self::ready() }
    }

    /// Takes the next command from `bytes`; `None` where they end.
    ///
    /// Byte 0 below 80h: a READ or WRITE of any length of CDB, near the blocks there are, then LBA, blocks, layout and
    /// fill. Else a CDB of (byte 0 modulo 32) + 1 bytes, then direction, two bytes of length, layout and fill.
    fn take(bytes: &mut &[u8]) -> Option<Self> {
        let (&kind, rest) = bytes.split_first()?;
        *bytes = rest;
        if kind < 0x80 { Self::take_access(kind, bytes) } else { Self::take_any(kind, bytes) }
    }

    fn take_access(kind: u8, bytes: &mut &[u8]) -> Option<Self> {
        let (&[lba, blocks, layout, fill], rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        let write = kind & 1 != 0;
        let (lba, blocks) = (lba % (BLOCKS as u8 + 8), blocks % 20);
        let opcode = |read: u8| read | if write { 2 } else { 0 };
        let flags = kind & 0x18;
        let cdb = match kind >> 1 & 3 {
            0 => vec![opcode(0x08), 0, 0, lba, blocks, 0],
            1 => vec![opcode(0x28), flags, 0, 0, 0, lba, 0, 0, blocks, 0],
            2 => vec![opcode(0xa8), flags, 0, 0, 0, lba, 0, 0, 0, blocks, 0, 0],
            _ => vec![opcode(0x88), flags, 0, 0, 0, 0, 0, 0, 0, lba, 0, 0, 0, blocks, 0, 0],
        };
        // A block less, a block more, an odd number of bytes: the data phase need not be what the CDB says.
        let exact = usize::from(blocks) * BLOCK;
        let length = match kind >> 5 {
            1 => exact.saturating_sub(BLOCK),
            2 => exact + BLOCK,
            3 => exact.saturating_sub(7),
            _ => exact,
        };
        let direction = if write { Direction::ToDevice } else { Direction::FromDevice };
        Some(Self { cdb, transfer: transfer(direction, length), layout, fill })
    }

    fn take_any(kind: u8, bytes: &mut &[u8]) -> Option<Self> {
        let (cdb, rest) = bytes.split_at_checked(usize::from(kind & 0x1f) + 1)?;
        let (&[direction, high, low, layout, fill], rest) = rest.split_first_chunk()?;
        *bytes = rest;
        let direction = match direction % 3 {
            0 => Direction::None,
            1 => Direction::FromDevice,
            _ => Direction::ToDevice,
        };
        let length = usize::from(u16::from_be_bytes([high, low])) % (LENGTH_MAX + 1);
        Some(Self { cdb: cdb.to_vec(), transfer: transfer(direction, length), layout, fill })
    }

    /// Where the data are in memory: equal pieces, some bytes apart, in either order.
    fn places(&self) -> Vec<Range<usize>> {
        let len = self.transfer.length as usize;
        let step = [len, 1, 7, 512, 4096][usize::from(self.layout & 0x0f) % 5];
        let step = step.max(len.div_ceil(ELEMENTS_MAX)).max(1);
        let gap = usize::from(self.layout >> 4 & 7);
        let place = |(number, start): (usize, usize)| {
            let at = gap + start + number * gap;
            at..at + step.min(len - start)
        };
        let mut places: Vec<_> = (0..len).step_by(step).enumerate().map(place).collect();
        if self.layout & 0x80 != 0 {
            places.reverse();
        }
        places
    }

    fn data_out(&self) -> Vec<u8> {
        (0..self.transfer.length).map(|at| self.fill.wrapping_add((at % 251) as u8)).collect()
    }
}

/// No direction goes without a length: the core refuses that, as another test shows.
fn transfer(direction: Direction, length: usize) -> Transfer {
    match direction {
        Direction::None => Transfer::NONE,
        direction => Transfer { direction, length: length as u32 },
    }
}

/// A driver, the disk behind it, and what the disk should have.
struct Session<P: ControlPort, C> {
    rig: Rig<P, SimPlatform<C>, Scattered>,
    reference: Reference,
    /// No command went by that may have made the disk refuse others.
    settled: bool,
}

impl<P: ControlPort, C: ControllerModel> Session<P, C> {
    /// Sends the command and checks what holds for every one. `None`: it was refused.
    fn send(&mut self, op: &Op) -> Option<Completion<Scattered>> {
        let places = op.places();
        let end = places.iter().map(|place| place.end).max().unwrap_or(0);
        let region = self.rig.platform.buffer(end + 64).expect("memory").into_region();
        let mut memory = Scattered::new(region, &places);
        let sent = op.data_out();
        let is_out = op.transfer.wire_direction() == Direction::ToDevice;
        if is_out {
            memory.write(&sent);
        }
        let cdb = Cdb::new(&op.cdb).expect("1 to 32 bytes");
        let request = Request::new(nexus(0), cdb, op.transfer, memory, Cookie(0));
        let done = match self.rig.execute(request) {
            Ok(done) => done,
            Err(rejected) => {
                let reason = rejected.reason;
                assert!(matches!(reason, Refusal::Unsendable(_)) && cdb.len() > 16, "{reason}");
                return None;
            }
        };
        assert_eq!(done.transferred.checked_add(done.residual), Some(op.transfer.length), "{op:?}");
        assert_eq!(done.data.trespass(), None, "a byte outside of the list, {op:?}");
        let found = done.data.read();
        if is_out {
            assert!(found == sent, "data-out changed, {op:?}");
        } else {
            let beyond = found.get(done.transferred as usize..).unwrap_or_default();
            assert!(beyond == vec![FILL; beyond.len()], "a byte beyond what moved, {op:?}");
        }
        Some(done)
    }

    /// Sends the command and compares its end with the reference. Whether the disk can be judged any further.
    fn judge(&mut self, op: &Op) -> bool {
        let Some(done) = self.send(op) else { return true };
        match Access::of(&op.cdb) {
            Some(access) => {
                self.judge_access(op, access, &done);
                true
            }
            None => self.judge_other(op, &done),
        }
    }

    fn judge_access(&mut self, op: &Op, access: Access, done: &Completion<Scattered>) {
        let good = done.outcome == Outcome::Status(Status::GOOD);
        if !access.is_inside() {
            let checked = done.outcome == Outcome::Status(Status::CHECK_CONDITION);
            assert!(checked || access.is_empty(), "{op:?}: {}", done.outcome);
            return;
        }
        let way = if access.write { Direction::ToDevice } else { Direction::FromDevice };
        let offered = if op.transfer.wire_direction() == way { op.transfer.length } else { 0 };
        let wanted = access.len();
        let overrun = done.outcome == Outcome::Failed(Failure::Overrun);
        let fits = wanted <= offered as usize;
        let expected = good || !self.settled || (overrun && !fits);
        assert!(expected, "{op:?}: {}", done.outcome);
        if !good && !overrun {
            return;
        }
        let moved = wanted.min(offered as usize);
        if offered > 0 || op.transfer.length == 0 {
            assert_eq!(done.transferred as usize, moved, "{op:?}: {}", done.outcome);
        }
        if access.write {
            self.reference.write(access, &op.data_out()[..moved]);
        } else {
            let found = done.data.read();
            let found = found.get(..moved).unwrap_or_default();
            assert!(found == self.reference.read(access, moved), "read other data, {op:?}");
        }
    }

    /// A command that the reference does not know changes no block, unless it is one that may.
    fn judge_other(&mut self, op: &Op, done: &Completion<Scattered>) -> bool {
        if let Outcome::Failed(failure) = done.outcome {
            let known = matches!(failure, Failure::Overrun);
            assert!(known, "{op:?}: {failure}");
        }
        self.settled &= !changes_mode(op.cdb[0]);
        let Some(found) = self.everything() else {
            assert!(!self.settled, "the disk cannot be read after {op:?}");
            return false;
        };
        if may_write(op.cdb[0]) {
            self.reference.set(found);
        } else {
            assert!(found == self.reference.bytes(), "{op:?} changed a block");
        }
        true
    }

    /// What the disk has; `None` where it does not say so.
    fn everything(&mut self) -> Option<Vec<u8>> {
        let done = self.send(&Op::everything()).expect("a cdb of 10 bytes");
        (done.outcome == Outcome::Status(Status::GOOD)).then(|| done.data.read())
    }
}

/// WRITE of any length, WRITE SAME and UNMAP.
fn may_write(opcode: u8) -> bool {
    matches!(opcode, 0x0a | 0x2a | 0xaa | 0x8a | 0x41 | 0x93 | 0x42)
}

/// MODE SELECT may protect the medium, and START STOP UNIT stop it.
fn changes_mode(opcode: u8) -> bool {
    matches!(opcode, 0x15 | 0x55 | 0x1b)
}
