//! Stories against the whole controller, told through registers and memory only.

mod bring_up;
mod config;
mod hostile;
mod recovery;
mod scsi_io;
mod topology;

use core::time::Duration;

use hba_core::dma::{BusAddr, DmaRegion};
use hba_core::register::{ALL_ONES, RegOffset, Registers};
use hba_core::time::Instant;
use scsi_proto::{Direction, Lun, Opcode};

use super::registers::{INT_MASK, REPLY_FIFO, REPLY_IS_ADDRESS, REQUEST_FIFO};
use super::script::{InitNumbers, Script, Transcript};
use super::{Mpi1Controller, Personality};
use crate::machine::{SimMachine, SimRegisters};
use crate::memory::SimMemory;
use crate::target::{DataPhase, Executed, Execution, SasAddress, Target, Task};

/// Bytes of a request frame and of a reply frame.
const FRAME: usize = 128;
/// Reply frames that the host gives.
const REPLIES: usize = 16;
/// Element flags: the only one of a list, 32-bit address, data-in.
const SGE_IN: u32 = 0xd100_0000;
/// Element flags: as [`SGE_IN`], data-out.
const SGE_OUT: u32 = 0xd500_0000;

/// A target with 512 bytes of memory: INQUIRY, WRITE (10), READ (10), and a unit attention after resets.
#[derive(Default)]
struct Scratch {
    address: u64,
    memory: Vec<u8>,
    attention: bool,
}

impl Target for Scratch {
    fn sas_address(&self) -> SasAddress {
        SasAddress(self.address)
    }

    fn execute(&mut self, _: Instant, task: &Task<'_>, data: &mut dyn DataPhase) -> Execution {
        let inquiry = task.cdb.opcode() == Opcode::INQUIRY;
        if !inquiry && core::mem::take(&mut self.attention) {
            return Execution::Done(Executed::check_condition(&sense(6, 0x29)));
        }
        let executed = match task.cdb.opcode() {
            _ if task.lun != Lun::ZERO => Executed::check_condition(&sense(5, 0x25)),
            Opcode::TEST_UNIT_READY => Executed::good(0),
            Opcode::INQUIRY => {
                let mut standard = [0; 36];
                standard[8..20].copy_from_slice(b"SIM     DISK");
                let moved = u32::from(task.cdb.as_bytes()[4]).min(36);
                data.send(0, &standard[..moved as usize])
                    .map_or_else(failed, |()| Executed::good(moved))
            }
            Opcode::WRITE_10 => {
                self.memory = vec![0; 512];
                data.receive(0, &mut self.memory).map_or_else(failed, |()| Executed::good(512))
            }
            Opcode::READ_10 => {
                data.send(0, &self.memory).map_or_else(failed, |()| Executed::good(512))
            }
            _ => Executed::check_condition(&sense(5, 0x20)),
        };
        Execution::Done(executed)
    }

    fn logical_unit_reset(&mut self, _: Lun) {
        self.attention = true;
    }

    fn target_reset(&mut self) {
        self.attention = true;
    }

    fn i_t_nexus_loss(&mut self) {
        self.attention = true;
    }

    fn power_cut(&mut self) {
        self.memory.clear();
    }

    fn power_on(&mut self) {
        self.attention = true;
    }

    fn expected_transfer(&self, task: &Task<'_>) -> Option<(Direction, u32)> {
        match task.cdb.opcode() {
            Opcode::INQUIRY => Some((Direction::FromDevice, task.cdb.as_bytes()[4].into())),
            Opcode::READ_10 => Some((Direction::FromDevice, 512)),
            Opcode::WRITE_10 => Some((Direction::ToDevice, 512)),
            _ => Some((Direction::None, 0)),
        }
    }
}

fn sense(key: u8, code: u8) -> [u8; 18] {
    let mut sense = [0; 18];
    (sense[0], sense[2], sense[7], sense[12]) = (0x70, key, 10, code);
    sense
}

fn failed(_: crate::memory::DmaFault) -> Executed {
    Executed::check_condition(&sense(0xb, 0x4b))
}

/// A reply as the host finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Reply {
    Context(u32),
    Frame(Vec<u32>),
}

impl Reply {
    fn frame(&self) -> &[u32] {
        match self {
            Self::Frame(words) => words,
            Self::Context(context) => panic!("a context reply for {context:#x}"),
        }
    }

    /// MsgContext of either kind.
    fn context(&self) -> u32 {
        match self {
            Self::Context(context) => *context,
            Self::Frame(words) => words[2],
        }
    }

    fn ioc_status(&self) -> u32 {
        self.frame()[3] >> 16
    }

    /// SCSIStatus and SCSIState.
    fn scsi(&self) -> (u32, u32) {
        (self.frame()[3] & 0xff, self.frame()[3] >> 8 & 0xff)
    }
}

/// A host without a driver: it writes frames by hand.
struct Host {
    machine: SimMachine<Mpi1Controller>,
    registers: SimRegisters<Mpi1Controller>,
    requests: DmaRegion,
    replies: DmaRegion,
    sense: DmaRegion,
    /// Request frames used so far.
    posted: usize,
}

impl Host {
    /// Memory at `base`; targets in slots 0 and 1; not started.
    fn new(personality: Personality, base: u64) -> Self {
        let memory = SimMemory::at(BusAddr::new(base), 1 << 20);
        let controller = Mpi1Controller::new(personality, memory.device());
        let machine = SimMachine::new(controller, memory);
        for slot in 0..2 {
            let address = 0x5000_c500_0000_0000 + slot as u64;
            machine.attach(slot, Scratch { address, ..Scratch::default() }).unwrap();
        }
        let region = |len| machine.memory().allocate(len, 64).unwrap();
        Self {
            registers: machine.registers(),
            requests: region(FRAME * 32),
            replies: region(FRAME * REPLIES),
            sense: region(64),
            machine,
            posted: 0,
        }
    }

    /// As [`new`](Self::new), brought up to operational, unit attentions of the resets on the way taken.
    fn started(personality: Personality) -> Self {
        let mut host = Self::new(personality, 0x12_8000_0000);
        host.start();
        (0..2).for_each(|id| host.post_test(id, 0));
        assert_eq!(host.drain().len(), 2);
        host
    }

    fn start(&mut self) -> Transcript {
        let numbers = InitNumbers {
            max_devices: 8,
            reply_frame_size: FRAME as u16,
            host_mfa_high: self.requests.bus().high(),
            sense_high: self.sense.bus().high(),
        };
        let bus = self.replies.bus().low();
        let frames = (0..REPLIES as u32).map(|i| bus + i * FRAME as u32).collect::<Vec<_>>();
        self.script(&Script::identify().append(Script::start(numbers, &frames)))
    }

    fn script(&mut self, script: &Script) -> Transcript {
        let machine = &self.machine;
        let transcript = script.run(&mut self.registers, |time| machine.advance(time));
        transcript.unwrap_or_else(|error| panic!("{error} after\n{}", error.transcript))
    }

    fn read(&mut self, offset: RegOffset) -> u32 {
        self.registers.read32(offset)
    }

    fn write(&mut self, offset: RegOffset, value: u32) {
        self.registers.write32(offset, value);
    }

    /// Writes the next request frame and posts it.
    fn post(&mut self, words: &[u32]) {
        let offset = self.posted % 32 * FRAME;
        self.posted += 1;
        for (i, word) in words.iter().enumerate() {
            self.requests.write_u32(offset + i * 4, *word);
        }
        let bus = self.requests.bus().low() + offset as u32;
        self.write(REQUEST_FIFO, bus);
    }

    /// A SCSI IO for a target id: context, CDB (up to 12 bytes), data length, then the scatter list.
    fn post_io(&mut self, id: u32, context: u32, cdb: &[u8], len: u32, sgl: &[u32]) {
        let words = self.io(id, context, cdb, len, sgl);
        self.post(&words);
    }

    fn io(&self, id: u32, context: u32, cdb: &[u8], len: u32, sgl: &[u32]) -> Vec<u32> {
        let direction = match sgl {
            _ if len == 0 => 0,
            [flags, ..] if flags & 1 << 26 != 0 => 1,
            _ => 2,
        };
        let mut bytes = [0; 16];
        bytes[..cdb.len()].copy_from_slice(cdb);
        let cdb_words = bytes.chunks(4).map(|w| u32::from_le_bytes(w.try_into().unwrap()));
        let mut words = vec![id, 64 << 8 | cdb.len() as u32, context, 0, 0, direction << 24];
        words.extend(cdb_words);
        words.extend([len, self.sense.bus().low()]);
        words.extend(sgl);
        words
    }

    /// TEST UNIT READY.
    fn post_test(&mut self, id: u32, context: u32) {
        self.post_io(id, context, &[0; 6], 0, &[SGE_IN, 0]);
    }

    /// Task management: target id, type, context of the request and of the task.
    fn post_task_mgmt(&mut self, id: u32, kind: u32, context: u32, task: u32) {
        let mut words = [0; 13];
        (words[0], words[1], words[2], words[12]) = (1 << 24 | id, kind << 8, context, task);
        self.post(&words);
    }

    /// Takes all replies and gives the frames back.
    fn drain(&mut self) -> Vec<Reply> {
        let mut replies = Vec::new();
        loop {
            let word = self.read(REPLY_FIFO);
            if word == ALL_ONES {
                return replies;
            }
            if word & REPLY_IS_ADDRESS == 0 {
                replies.push(Reply::Context(word));
                continue;
            }
            let low = word << 1;
            let offset = (low - self.replies.bus().low()) as usize;
            let words = (0..FRAME / 4).map(|i| self.replies.read_u32(offset + i * 4));
            replies.push(Reply::Frame(words.collect()));
            self.write(REPLY_FIFO, low);
        }
    }

    fn drain_one(&mut self) -> Reply {
        let mut replies = self.drain();
        assert_eq!(replies.len(), 1, "{replies:x?}");
        replies.remove(0)
    }

    fn advance(&self, micros: u64) {
        self.machine.advance(Duration::from_micros(micros));
    }
}
