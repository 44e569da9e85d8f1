//! An MPI 2.x controller that is nothing but a register bank in memory: one vector, descriptors, no targets of its own.

use alloc::collections::VecDeque;

use hba_core::adapter::Adapter;
use hba_core::dma::{DataBuffer, DmaRegion};
use hba_core::port::RegionPlan;
use hba_core::register::{RegOffset, Registers};
use mpt_backend::mpi2::{Mpi2, Mpi2Config};
use mpt_backend::wire::message::Function;
use mpt_backend::wire::mpi2::{
    IocCapabilities2, IocFactsReply2, REPLY_ADDRESS, REPLY_FREE_HOST_INDEX, REPLY_SCSI_IO_SUCCESS,
    REQUEST_DESCRIPTOR_POST,
};
use mpt_backend::wire::registers::{DOORBELL, INT_STATUS};
use zerocopy::FromZeros;

use super::handshake::{DoorbellUnit, message_words};
use super::memory::Memory;
use super::open;

/// An adapter on a [`DescriptorBank`].
pub type DescriptorAdapter<D> = Adapter<Mpi2, D>;

/// Bytes of a request frame and of a reply frame.
const FRAME: u32 = 128;
/// IOCStatus of a page that does not exist, where it is in a reply: there are no devices.
const INVALID_PAGE: [u32; 5] = [0, 0, 0, 0x0022_0000, 0];

/// IOC facts of a SAS3008 with one vector and this many requests.
#[must_use]
pub fn facts(request_credit: u16) -> IocFactsReply2 {
    IocFactsReply2 {
        msg_version: 0x0205.into(),
        msg_length: (size_of::<IocFactsReply2>() / 4) as u8,
        function: Function::IOC_FACTS,
        max_chain_depth: 128,
        number_of_ports: 1,
        max_msix_vectors: 1,
        request_credit: request_credit.into(),
        product_id: 0x2221.into(),
        ioc_capabilities: IocCapabilities2::EVENT_REPLAY.0.into(),
        ioc_request_frame_size: 32.into(),
        ioc_max_chain_segment_size: 8.into(),
        max_targets: 1023.into(),
        high_priority_credit: 92.into(),
        max_reply_post_queue_depth: 65504.into(),
        reply_frame_size: 32,
        max_dev_handle: 0x0455.into(),
        ..IocFactsReply2::new_zeroed()
    }
}

/// The controller: registers, the memory that it shares with the driver, and the requests that it was sent.
///
/// It takes replies off nobody's hands by itself: [`Self::succeed`] and [`Self::reply`] say how a request ends.
#[derive(Debug)]
pub struct DescriptorBank {
    memory: Memory,
    /// Bytes of memory given to the driver.
    allocated: usize,
    doorbell: DoorbellUnit,
    /// From IOC init: the frame of SMID 0, the reply post queue and its entries, the reply free queue and its slots.
    frames: u32,
    post: Ring,
    /// The post queues of the vectors after the first.
    others: Vec<Ring>,
    free: Ring,
    /// Where the controller takes the next free frame, and the first slot that holds none.
    taken: u32,
    freed: u32,
    /// SMIDs of the SCSI IO requests that wait, oldest first.
    requests: VecDeque<u16>,
    /// Register accesses since the bank was made.
    reads: u64,
    writes: u64,
}

/// What a vector's end of the controller needs, for a thread of its own: requests ended on that vector's reply post queue.
#[derive(Debug)]
pub struct Lane {
    memory: Memory,
    post: Ring,
}

impl Lane {
    /// See [`DescriptorBank::succeed`].
    #[inline]
    pub fn succeed(&mut self, smid: u16) {
        let descriptor = [u32::from(REPLY_SCSI_IO_SUCCESS) | u32::from(smid) << 16, 0];
        post(&self.memory, &mut self.post, descriptor);
    }
}

/// A ring in memory that the driver named at IOC init.
#[derive(Clone, Copy, Debug, Default)]
struct Ring {
    base: u32,
    /// Bytes of it.
    len: u32,
    /// Where the controller writes next, in bytes.
    at: u32,
}

impl DescriptorBank {
    /// A controller out of reset with these facts, and `memory` bytes for the driver.
    #[must_use]
    pub fn new(facts: &IocFactsReply2, memory: usize) -> Self {
        let mut doorbell = DoorbellUnit::new();
        doorbell.forge(Function::IOC_FACTS, message_words(|_| *facts));
        Self {
            memory: Memory::new(memory),
            allocated: 0,
            doorbell,
            frames: 0,
            post: Ring::default(),
            others: Vec::new(),
            free: Ring::default(),
            taken: 0,
            freed: 0,
            requests: VecDeque::with_capacity(64),
            reads: 0,
            writes: 0,
        }
    }

    /// A controller with `credits` requests and its adapter, operational, at time zero.
    ///
    /// # Panics
    ///
    /// If bring-up needs more than a thousand polls, or more than `memory` bytes.
    #[must_use]
    pub fn brought_up<D: DataBuffer>(
        config: Mpi2Config,
        credits: u16,
        memory: usize,
    ) -> (Self, DescriptorAdapter<D>) {
        Self::brought_up_with(&facts(credits), config, memory)
    }

    /// The same for a controller with these facts, up to eight vectors.
    ///
    /// # Panics
    ///
    /// As [`Self::brought_up`].
    #[must_use]
    pub fn brought_up_with<D: DataBuffer>(
        facts: &IocFactsReply2,
        config: Mpi2Config,
        memory: usize,
    ) -> (Self, DescriptorAdapter<D>) {
        let mut bank = Self::new(facts, memory);
        let adapter = open(&mut bank, Mpi2::new(config), Self::allocate);
        (bank, adapter)
    }

    /// Bytes of memory that the driver was given.
    #[must_use]
    pub fn allocated(&self) -> usize {
        self.allocated
    }

    /// Register reads and writes so far; a 64-bit write is one.
    #[must_use]
    pub fn accesses(&self) -> (u64, u64) {
        (self.reads, self.writes)
    }

    /// The SMID of the oldest SCSI IO request that was posted and not taken.
    pub fn take_request(&mut self) -> Option<u16> {
        self.requests.pop_front()
    }

    /// Ends a request as firmware ends what succeeded: with a SCSI IO success descriptor.
    #[inline]
    pub fn succeed(&mut self, smid: u16) {
        self.post([u32::from(REPLY_SCSI_IO_SUCCESS) | u32::from(smid) << 16, 0]);
    }

    /// Ends a request with a reply frame that holds `reply`.
    ///
    /// # Panics
    ///
    /// If the driver has freed none.
    #[inline]
    pub fn reply(&mut self, smid: u16, reply: &[u32]) {
        let frame = self.fill_frame(reply);
        self.post([u32::from(REPLY_ADDRESS) | u32::from(smid) << 16, frame]);
    }

    /// Posts any descriptor: what a controller that has lost its mind writes.
    pub fn forge(&mut self, low: u32, high: u32) {
        self.post([low, high]);
    }

    /// The same on a vector after the first.
    ///
    /// # Panics
    ///
    /// If there is no such vector.
    pub fn forge_on(&mut self, vector: usize, low: u32, high: u32) {
        let ring = &mut self.others[vector - 1];
        post(&self.memory, ring, [low, high]);
    }

    /// Writes a descriptor over the one `back` entries before the next, without posting anything: 0 is the next itself.
    pub fn rewrite(&mut self, back: u32, low: u32, high: u32) {
        let at = self.entry_address(back);
        self.memory.store(at, low);
        self.memory.store(at + 4, high);
    }

    /// The entry `back` entries before the next.
    #[must_use]
    pub fn entry(&self, back: u32) -> (u32, u32) {
        let at = self.entry_address(back);
        (self.memory.load(at), self.memory.load(at + 4))
    }

    /// Where the entry `back` entries before the next is.
    #[must_use]
    pub const fn entry_address(&self, back: u32) -> u32 {
        let Ring { base, len, at } = self.post;
        base + (at + len - 8 * back) % len
    }

    /// The memory that driver and controller share.
    #[must_use]
    pub const fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Reply frames that are the controller's and in no reply.
    #[must_use]
    pub const fn frames_free(&self) -> u32 {
        let slots = self.free.len / 4;
        (self.freed + slots - self.taken) % slots
    }

    /// The end of a vector, from where its reply post queue is now. The bank must end nothing on that vector any more.
    ///
    /// # Panics
    ///
    /// If there is no such vector.
    #[must_use]
    pub fn lane(&self, vector: usize) -> Lane {
        let post = if vector == 0 { self.post } else { self.others[vector - 1] };
        Lane { memory: self.memory.clone(), post }
    }

    /// Entries of each reply post queue.
    #[must_use]
    pub const fn post_entries(&self) -> u32 {
        self.post.len / 8
    }

    /// A reply frame that the driver has freed, in which `reply` is written.
    ///
    /// # Panics
    ///
    /// If the driver has freed none.
    pub fn fill_frame(&mut self, reply: &[u32]) -> u32 {
        let frame = self.take_free_frame();
        self.rewrite_frame(frame, reply);
        frame
    }

    /// Writes a reply frame, whoever's it is.
    pub fn rewrite_frame(&mut self, frame: u32, reply: &[u32]) {
        for (word, at) in reply.iter().zip((frame..).step_by(4)) {
            self.memory.store(at, *word);
        }
    }

    /// Writes sense data where the request frame says.
    pub fn write_sense(&mut self, smid: u16, sense: &[u8]) {
        let buffer = self.memory.load(self.frames + FRAME * u32::from(smid) + 12);
        for (chunk, at) in sense.chunks(4).zip((buffer..).step_by(4)) {
            let mut word = [0; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            self.memory.store(at, u32::from_le_bytes(word));
        }
    }

    /// The function byte of a request frame.
    #[must_use]
    pub fn function(&self, smid: u16) -> u8 {
        (self.memory.load(self.frames + FRAME * u32::from(smid)) >> 24) as u8
    }

    /// From now on a message unit reset brings the controller back, which it does not otherwise.
    pub fn take_resets(&mut self) {
        self.doorbell.take_resets();
    }

    /// Writes a word of a request frame, which is not the controller's to write.
    pub fn overwrite(&mut self, smid: u16, word: u32, value: u32) {
        self.memory.store(self.frames + FRAME * u32::from(smid) + 4 * word, value);
    }

    fn take_free_frame(&mut self) -> u32 {
        assert!(self.taken != self.freed, "the driver has freed no reply frame");
        let frame = self.memory.load(self.free.base + 4 * self.taken);
        self.taken = if 4 * (self.taken + 1) == self.free.len { 0 } else { self.taken + 1 };
        frame
    }

    #[inline]
    fn post(&mut self, descriptor: [u32; 2]) {
        post(&self.memory, &mut self.post, descriptor);
    }

    fn allocate(&mut self, plan: &RegionPlan) -> DmaRegion {
        let offset = self.allocated.next_multiple_of(plan.align.max(DmaRegion::ALIGN));
        self.allocated = offset + plan.len;
        self.memory.region(offset, plan.len)
    }

    /// Takes from the last handshake, if it was IOC init, where things are. Source: `MPI2_IOC_INIT_REQUEST`.
    fn take_init(&mut self) {
        let message = self.doorbell.message();
        if message.len() < 18 || message[0] >> 24 != u32::from(Function::IOC_INIT.0) {
            return;
        }
        self.frames = message[10];
        let depths = message[7];
        let len = 8 * (depths & 0xffff);
        self.post = Ring { base: message[12], len, at: 0 };
        let vectors = (message[5] >> 24).max(1);
        let other = |vector| Ring { base: message[12] + vector * len, len, at: 0 };
        self.others = (1..vectors).map(other).collect();
        self.free = Ring { base: message[14], len: 4 * (depths >> 16), at: 0 };
        self.taken = 0;
    }

    fn take_posted(&mut self, descriptor: u64) {
        let smid = (descriptor >> 16) as u16;
        let head = self.memory.load(self.frames + FRAME * u32::from(smid));
        let function = Function((head >> 24) as u8);
        let mut reply = match function {
            Function::SCSI_IO_REQUEST | Function::SCSI_TASK_MGMT => {
                return self.requests.push_back(smid);
            }
            Function::CONFIG => INVALID_PAGE.to_vec(),
            _ => vec![0; 5],
        };
        // The longest that is asked for here: a configuration reply of 24 bytes.
        reply.push(0);
        reply[0] = head & 0xff00_0000 | 6 << 16;
        self.reply(smid, &reply);
    }
}

#[inline]
fn post(memory: &Memory, ring: &mut Ring, descriptor: [u32; 2]) {
    let Ring { base, len, at } = *ring;
    memory.store(base + at, descriptor[0]);
    memory.store(base + at + 4, descriptor[1]);
    ring.at = if at + 8 == len { 0 } else { at + 8 };
}

impl Registers for DescriptorBank {
    fn read32(&mut self, offset: RegOffset) -> u32 {
        self.reads += 1;
        match offset.0 {
            DOORBELL => self.doorbell.read(),
            INT_STATUS => self.doorbell.status(),
            _ => 0,
        }
    }

    fn write32(&mut self, offset: RegOffset, value: u32) {
        self.writes += 1;
        match offset.0 {
            DOORBELL => {
                self.doorbell.write(value);
                self.take_init();
            }
            INT_STATUS => self.doorbell.clear_interrupt(),
            REPLY_FREE_HOST_INDEX => self.freed = value,
            _ => {}
        }
    }

    fn write64(&mut self, offset: RegOffset, value: u64) {
        self.writes += 1;
        if offset.0 == REQUEST_DESCRIPTOR_POST {
            self.take_posted(value);
        }
    }
}
