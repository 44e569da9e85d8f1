//! Stories against the whole controller, told through registers and memory only.

mod bring_up;
mod config;
mod enforcement;
mod hostile;
mod raid;
mod recovery;
mod scsi_io;
mod topology;
mod transcript;
mod vectors;

use core::time::Duration;

use hba_core::dma::{BusAddr, DmaRegion};
use hba_core::register::{RegOffset, Registers};

use super::registers::{
    DOORBELL, HOST_DIAGNOSTIC, INT_DOORBELL, INT_MASK, INT_STATUS, REPLY_FREE_HOST_INDEX,
    REPLY_POST_HOST_INDEX, REQUEST_POST_HIGH, REQUEST_POST_LOW, STATUS_DOORBELL_PENDING,
    WRITE_SEQUENCE, request_type,
};
use super::{Mpi2Controller, Personality, Violation};
use crate::disk::{DiskConfig, SimDisk};
use crate::machine::{SimMachine, SimRegisters};
use crate::memory::SimMemory;

/// Bytes of a request frame and of a reply frame.
const FRAME: usize = 128;
/// SMIDs that the host uses.
const SMIDS: usize = 64;
/// Reply frames that the host gives.
const REPLIES: u16 = 32;
/// Entries of a reply post queue.
const DEPTH: u16 = 96;
/// The handle of the disk in slot 0; the others follow.
const DISK: u16 = 9;
/// How often a register is read before a wait counts as failed.
const LOOKS: usize = 10_000;

const TEST_UNIT_READY: [u8; 6] = [0; 6];
const INQUIRY: [u8; 6] = [0x12, 0, 0, 0, 36, 0];
/// One block at LBA 0.
const READ: [u8; 10] = [0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0];
const WRITE: [u8; 10] = [0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0];

/// A reply as the host finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reply {
    vector: u8,
    smid: u16,
    /// Type of the descriptor.
    kind: u8,
    /// The dwords of the reply frame, if there is one.
    frame: Vec<u32>,
}

impl Reply {
    fn ioc_status(&self) -> u32 {
        self.frame[3] >> 16
    }

    fn log_info(&self) -> u32 {
        self.frame[4]
    }

    /// SCSIStatus and SCSIState.
    fn scsi(&self) -> (u32, u32) {
        (self.frame[3] & 0xff, self.frame[3] >> 8 & 0xff)
    }

    /// Event code and the first dwords of its data.
    fn event(&self) -> (u32, &[u32]) {
        assert_eq!((self.smid, self.frame[0] >> 24), (0, 7), "an event");
        let len = self.frame[0] as usize & 0xffff;
        (self.frame[5] & 0xffff, &self.frame[7..7 + len])
    }

    const fn is_success(&self) -> bool {
        self.kind == 0
    }
}

/// How IOC_INIT is done.
#[derive(Clone, Debug)]
struct Start {
    vectors: u8,
    rdpq: bool,
    /// The 4 GiB of each queue of an array; all in that of the rest where this is empty.
    halves: Vec<u64>,
    /// Dwords of the message that are changed: index and value.
    patches: Vec<(usize, u32)>,
}

impl Default for Start {
    fn default() -> Self {
        Self { vectors: 1, rdpq: false, halves: Vec::new(), patches: Vec::new() }
    }
}

/// A host without a driver: it writes frames by hand.
struct Host {
    machine: SimMachine<Mpi2Controller>,
    registers: SimRegisters<Mpi2Controller>,
    requests: DmaRegion,
    replies: DmaRegion,
    free: DmaRegion,
    posts: Vec<DmaRegion>,
    sense: DmaRegion,
    free_index: u16,
    post_index: Vec<u16>,
    vectors: u8,
}

impl Host {
    /// Disks in slots 0 and 1; not started.
    fn new(personality: Personality) -> Self {
        let memory = SimMemory::at(BusAddr::new(0x12_8000_0000), 8 << 20);
        let controller = Mpi2Controller::new(personality, memory.device());
        let machine = SimMachine::new(controller, memory);
        for slot in 0..2 {
            let disk = SimDisk::new(&DiskConfig::nth(slot, 1 << 12)).unwrap();
            machine.attach(slot as usize, disk).unwrap();
        }
        let region = |len| machine.memory().allocate(len, 64).unwrap();
        Self {
            registers: machine.registers(),
            requests: region(FRAME * SMIDS),
            replies: region(FRAME * usize::from(REPLIES)),
            free: region(usize::from(REPLIES) * 4),
            posts: Vec::new(),
            sense: region(SMIDS * 96),
            free_index: 0,
            post_index: Vec::new(),
            vectors: 0,
            machine,
        }
    }

    /// Up to operational, events enabled, ports enabled, unit attentions taken.
    fn started(personality: Personality) -> Self {
        Self::started_with(personality, &Start::default())
    }

    fn started_with(personality: Personality, start: &Start) -> Self {
        let mut host = Self::new(personality);
        host.init(start);
        host.enable();
        for disk in 0..2 {
            host.post_io(1, DISK + disk, &TEST_UNIT_READY, 0, &[]);
            assert_eq!(host.drain().len(), 1);
        }
        host
    }

    /// IOC_INIT and the indices; the controller is operational afterwards.
    fn init(&mut self, start: &Start) -> Vec<u32> {
        let message = self.prepare_init(start);
        let reply = self.handshake(&message);
        if self.read(DOORBELL) >> 28 == 2 {
            self.write(REPLY_FREE_HOST_INDEX, u32::from(REPLIES) - 1);
            self.free_index = REPLIES - 1;
            for vector in 0..self.vectors {
                self.acknowledge(vector, 0);
            }
            self.write(INT_MASK, INT_DOORBELL);
        }
        reply
    }

    /// Lays out the queues and returns the IOC_INIT message for them.
    fn prepare_init(&mut self, start: &Start) -> Vec<u32> {
        let queue = usize::from(DEPTH) * 8;
        let vectors = usize::from(start.vectors);
        let memory = self.machine.memory().clone();
        let mut all = memory.allocate(queue * vectors, 64).unwrap();
        all.fill(0, queue * vectors, 0xff);
        let mut post_base = all.bus();
        self.posts = if start.rdpq {
            let place = |vector| {
                if let Some(half) = start.halves.get(vector) {
                    memory.seek(BusAddr::new(half << 32));
                }
                memory.allocate(queue, 64).unwrap()
            };
            let mut queues = (0..vectors).map(place).collect::<Vec<_>>();
            let mut array = memory.allocate(vectors * 16, 64).unwrap();
            for (vector, queue_region) in queues.iter_mut().enumerate() {
                queue_region.fill(0, queue, 0xff);
                let bus = queue_region.bus();
                array.write_words(vector * 16, [bus.low(), bus.high(), 0, 0]);
            }
            post_base = array.bus();
            queues.push(array);
            queues
        } else {
            let mut rest = all;
            let mut queues = Vec::new();
            for _ in 1..vectors {
                let (first, later) = rest.split_at(queue);
                queues.push(first);
                rest = later;
            }
            queues.push(rest);
            queues
        };
        self.vectors = start.vectors;
        self.post_index = vec![0; vectors];
        for frame in 0..usize::from(REPLIES) {
            let low = self.replies.bus().low() + (frame * FRAME) as u32;
            self.free.write_u32(frame * 4, low);
        }
        let version = self.machine.with_controller(|c| c.personality().facts.version.number());
        let pair = |bus: BusAddr| [bus.low(), bus.high()];
        let mut words = vec![
            0x02 << 24 | 4,
            u32::from(start.rdpq) << 24,
            0,
            0x3900 << 16 | u32::from(version),
            0,
            u32::from(start.vectors) << 24 | 12 << 16,
            (FRAME as u32 / 4) << 16,
            u32::from(REPLIES) << 16 | u32::from(DEPTH),
            self.sense.bus().high(),
            self.replies.bus().high(),
        ];
        words.extend(pair(self.requests.bus()));
        words.extend(pair(post_base));
        words.extend(pair(self.free.bus()));
        words.extend([0x1234, 0]);
        for (index, value) in &start.patches {
            words[*index] = *value;
        }
        words
    }

    /// All events, then the ports; the replies and events that came.
    fn enable(&mut self) -> Vec<Reply> {
        self.post_message(62, &[0x07 << 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let mut replies = self.drain();
        self.post_message(63, &[0x06 << 24, 0, 0]);
        replies.extend(self.drain());
        self.machine.advance(Duration::from_millis(1));
        replies.extend(self.drain());
        replies
    }

    fn read(&mut self, offset: RegOffset) -> u32 {
        self.registers.read32(offset)
    }

    fn write(&mut self, offset: RegOffset, value: u32) {
        self.registers.write32(offset, value);
    }

    /// Reads a register until the masked value is as wanted.
    fn wait(&mut self, offset: RegOffset, mask: u32, wanted: u32) {
        for _ in 0..LOOKS {
            if self.read(offset) & mask == wanted {
                return;
            }
            self.machine.advance(Duration::from_micros(10));
        }
        panic!("register {offset} stays at {:#x}", self.read(offset));
    }

    /// A message by doorbell handshake; the dwords of the reply.
    fn handshake(&mut self, message: &[u32]) -> Vec<u32> {
        self.write(INT_STATUS, 0);
        self.write(DOORBELL, 0x42 << 24 | (message.len() as u32) << 16);
        self.wait(INT_STATUS, INT_DOORBELL, INT_DOORBELL);
        self.write(INT_STATUS, 0);
        self.wait(INT_STATUS, STATUS_DOORBELL_PENDING, 0);
        for word in message {
            self.write(DOORBELL, *word);
            self.wait(INT_STATUS, STATUS_DOORBELL_PENDING, 0);
        }
        let first = self.receive();
        let mut reply = vec![first];
        for _ in 1..first >> 16 & 0xff {
            reply.push(self.receive());
        }
        self.wait(INT_STATUS, INT_DOORBELL, INT_DOORBELL);
        self.write(INT_STATUS, 0);
        reply
    }

    fn receive(&mut self) -> u32 {
        let mut half = || {
            self.wait(INT_STATUS, INT_DOORBELL, INT_DOORBELL);
            let half = self.read(DOORBELL) & 0xffff;
            self.write(INT_STATUS, 0);
            half
        };
        half() | half() << 16
    }

    /// Writes a request frame.
    fn frame(&mut self, smid: u16, words: &[u32]) {
        let offset = usize::from(smid) * FRAME;
        self.requests.fill(offset, FRAME, 0);
        for (i, word) in words.iter().enumerate() {
            self.requests.write_u32(offset + i * 4, *word);
        }
    }

    /// Posts a descriptor in two halves.
    fn post(&mut self, kind: u8, vector: u8, smid: u16, handle: u16) {
        let low = u32::from(smid) << 16 | u32::from(vector) << 8 | u32::from(kind);
        self.write(REQUEST_POST_LOW, low);
        self.write(REQUEST_POST_HIGH, u32::from(handle) << 16);
    }

    /// A message that is no command.
    fn post_message(&mut self, smid: u16, words: &[u32]) {
        self.frame(smid, words);
        self.post(request_type::DEFAULT, 0, smid, 0);
    }

    /// A SCSI IO on vector 0.
    fn post_io(&mut self, smid: u16, handle: u16, cdb: &[u8], len: u32, sgl: &[u32]) {
        self.post_io_on(0, smid, handle, cdb, len, sgl);
    }

    fn post_io_on(
        &mut self,
        vector: u8,
        smid: u16,
        handle: u16,
        cdb: &[u8],
        len: u32,
        sgl: &[u32],
    ) {
        let words = self.io(smid, handle, cdb, len, sgl);
        self.frame(smid, &words);
        self.post(request_type::SCSI_IO, vector, smid, handle);
    }

    /// The frame of a SCSI IO: device handle, CDB, data length, scatter list.
    fn io(&self, smid: u16, handle: u16, cdb: &[u8], len: u32, sgl: &[u32]) -> Vec<u32> {
        let direction = match cdb[0] {
            _ if len == 0 => 0,
            0x2a | 0x8a => 1,
            _ => 2,
        };
        let mut bytes = [0; 32];
        bytes[..cdb.len()].copy_from_slice(cdb);
        let sense = self.sense.bus().low() + u32::from(smid) * 96;
        let mut words = vec![handle.into(), 0, 0, sense, 96 << 16, 24, 0, len, 0, cdb.len() as u32];
        words.extend([0, 0, 0, 0, 0]);
        words.push(direction << 24);
        words.extend(bytes.chunks(4).map(|w| u32::from_le_bytes(w.try_into().unwrap())));
        words.extend(sgl);
        words
    }

    fn post_test(&mut self, smid: u16, handle: u16) {
        self.post_io(smid, handle, &TEST_UNIT_READY, 0, &[]);
    }

    /// Task management: type, device handle, SMID of the task.
    fn post_task_mgmt(&mut self, smid: u16, kind: u32, handle: u16, task: u16) {
        let mut words = [0; 13];
        words[0] = 0x01 << 24 | u32::from(handle);
        words[1] = kind << 8;
        words[12] = task.into();
        self.frame(smid, &words);
        self.post(request_type::HIGH_PRIORITY, 0, smid, 0);
    }

    /// Takes all replies of all vectors and gives the frames back.
    fn drain(&mut self) -> Vec<Reply> {
        self.machine.run(100_000);
        let mut replies = Vec::new();
        for vector in 0..self.vectors {
            replies.extend(self.drain_vector(vector));
        }
        replies
    }

    fn drain_vector(&mut self, vector: u8) -> Vec<Reply> {
        let mut replies = Vec::new();
        let queue = usize::from(vector);
        while let Some(reply) = self.next_reply(vector) {
            replies.push(reply);
            let index = self.post_index[queue];
            self.post_index[queue] = (index + 1) % DEPTH;
        }
        if !replies.is_empty() {
            self.acknowledge(vector, self.post_index[queue]);
        }
        replies
    }

    /// The next descriptor, if there is one; it is restored to all ones.
    fn next_reply(&mut self, vector: u8) -> Option<Reply> {
        let index = usize::from(self.post_index[usize::from(vector)]);
        let queue = &mut self.posts[usize::from(vector)];
        let (low, high) = (queue.read_u32(index * 8), queue.read_u32(index * 8 + 4));
        if low & 0xf == 0xf || low == u32::MAX || high == u32::MAX {
            return None;
        }
        queue.fill(index * 8, 8, 0xff);
        assert_eq!(low >> 8 & 0xff, vector.into(), "the descriptor names its vector");
        let (kind, smid) = (low as u8, (low >> 16) as u16);
        let frame = if kind == 1 { self.take_frame(high) } else { Vec::new() };
        Some(Reply { vector, smid, kind, frame })
    }

    /// Copies a reply frame and gives it back.
    fn take_frame(&mut self, low: u32) -> Vec<u32> {
        let offset = low.wrapping_sub(self.replies.bus().low()) as usize;
        assert!(offset < self.replies.len(), "a reply frame of ours");
        let words = (0..FRAME / 4).map(|i| self.replies.read_u32(offset + i * 4)).collect();
        self.free_index = (self.free_index + 1) % REPLIES;
        self.free.write_u32(usize::from(self.free_index) * 4, low);
        self.write(REPLY_FREE_HOST_INDEX, self.free_index.into());
        words
    }

    fn acknowledge(&mut self, vector: u8, index: u16) {
        self.write(REPLY_POST_HOST_INDEX, u32::from(vector) << 24 | u32::from(index));
    }

    fn drain_one(&mut self) -> Reply {
        let mut replies = self.drain();
        assert_eq!(replies.len(), 1, "{replies:x?}");
        replies.remove(0)
    }

    /// A diagnostic reset, up to READY.
    fn diagnostic_reset(&mut self) {
        for key in [0x0, 0xf, 0x4, 0xb, 0x2, 0x7, 0xd] {
            self.write(WRITE_SEQUENCE, key);
        }
        self.write(HOST_DIAGNOSTIC, 0x84);
        self.wait(HOST_DIAGNOSTIC, 4, 0);
        self.write(WRITE_SEQUENCE, 0);
        self.wait(DOORBELL, 0xf000_0000, 0x1000_0000);
    }

    /// What the host did wrong so far, in words.
    fn complaints(&self) -> Vec<String> {
        self.machine.with_controller(|c| c.violations().last().map(Violation::to_string).collect())
    }

    /// A data buffer of `len` bytes.
    fn buffer(&self, len: usize) -> DmaRegion {
        self.machine.memory().allocate(len, 16).unwrap()
    }
}

/// One MPI element of 64 bits that is the whole list.
fn mpi_element(region: &DmaRegion, len: u32, out: bool) -> [u32; 3] {
    let flags = if out { 0xd700_0000 } else { 0xd300_0000 };
    [flags | len, region.bus().low(), region.bus().high()]
}

/// One IEEE element that is the whole list.
fn ieee_element(region: &DmaRegion, len: u32) -> [u32; 4] {
    [region.bus().low(), region.bus().high(), len, 0x4000_0000]
}
