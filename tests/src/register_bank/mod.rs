//! An MPI 1.x controller that is nothing but a register bank in memory.
//!
//! It answers what bring-up asks and then does only what its owner says: which request ends, how, and when. So it costs
//! next to nothing, and what is measured over it is the driver. For controllers that behave by themselves, take the
//! models of `sim-backend`.

mod descriptors;
mod handshake;
mod memory;

use alloc::collections::VecDeque;
use alloc::sync::Arc;

use hba_core::adapter::{Adapter, Need};
use hba_core::control::RecoveryConfig;
use hba_core::dispatch::ClassTimeouts;
use hba_core::dma::{DataBuffer, DmaRegion};
use hba_core::port::{ControlPort, RegionPlan};
use hba_core::queue::{Batch, IoQueue};
use hba_core::register::{RegOffset, Registers};
use hba_core::time::Instant;
use mpt_backend::mpi1::{EMPTY, Mpi1, Mpi1Config};
use mpt_backend::wire::message::Function;
use mpt_backend::wire::registers::{
    DOORBELL, INT_STATUS, REPLY_FIFO, REQUEST_FIFO, REQUEST_HI_PRI_FIFO,
};

pub use descriptors::{DescriptorAdapter, DescriptorBank, Lane, facts};
use handshake::{CREDITS, DoorbellUnit};
pub use handshake::{answer, message_words, scsi_io_reply};
use memory::Fifos;
pub use memory::{BankFifo, Memory, Pages};

/// An adapter on a [`RegisterBank`].
pub type BankAdapter<D> = Adapter<Mpi1<BankFifo>, D>;

/// The controller: registers, the memory that it shares with the driver, and the requests that it was sent.
#[derive(Debug)]
pub struct RegisterBank {
    memory: Memory,
    /// Bytes of memory given to the driver.
    allocated: usize,
    doorbell: DoorbellUnit,
    fifos: Arc<Fifos>,
    /// How many reply frames the controller took back.
    freed: usize,
    /// Addresses (bits 31:0) of the request frames that wait, oldest first.
    requests: VecDeque<u32>,
    /// What IOC facts by the request FIFO are answered with instead of the truth.
    forged: Option<Vec<u32>>,
    /// Frames and replies that the driver handed over.
    handed_over: u64,
    /// Bits of a context that come back.
    context_mask: u32,
}

/// Polls the adapter of a bank until its first queue is open, at time zero.
fn open<B: Registers, P: ControlPort, D: DataBuffer>(
    bank: &mut B,
    port: P,
    allocate: impl Fn(&mut B, &RegionPlan) -> DmaRegion,
) -> Adapter<P, D> {
    let now = Instant::ZERO;
    let (recovery, timeouts) = (RecoveryConfig::default(), ClassTimeouts::default());
    let mut adapter = Adapter::new(port, recovery, timeouts, now);
    let mut batch = Batch::new(1);
    for _ in 0..1000 {
        let progress = adapter.poll(now, bank, &mut batch);
        if let Some(Need::Memory(plan)) = progress.need {
            let regions = plan.regions.iter().map(|region| allocate(bank, region)).collect();
            adapter.provide_memory(regions).expect("the memory is as planned");
        }
        if adapter.queues().first().is_some_and(IoQueue::is_open) {
            while adapter.poll_event().is_some() {}
            return adapter;
        }
    }
    panic!("not operational after a thousand polls");
}

/// Where the message context lies in every request and reply, in bytes.
const CONTEXT: u32 = 8;
/// Room for the frames, replies, sense and chains of [`CREDITS`] requests.
const MEMORY: usize = 4 << 20;

impl RegisterBank {
    /// A controller out of reset, and the driver's handle of its reply FIFO register.
    #[must_use]
    pub fn new() -> (Self, BankFifo) {
        let fifos = Arc::new(Fifos::new());
        let fifo = BankFifo::new(Arc::clone(&fifos));
        let bank = Self {
            memory: Memory::new(MEMORY),
            allocated: 0,
            doorbell: DoorbellUnit::new(),
            fifos,
            freed: 0,
            requests: VecDeque::with_capacity(CREDITS.into()),
            forged: None,
            handed_over: 0,
            context_mask: u32::MAX,
        };
        (bank, fifo)
    }

    /// A controller and its adapter, operational, at time zero.
    ///
    /// # Panics
    ///
    /// If bring-up needs more than a thousand polls.
    #[must_use]
    pub fn brought_up<D: DataBuffer>(config: Mpi1Config) -> (Self, BankAdapter<D>) {
        let (mut bank, fifo) = Self::new();
        let adapter = open(&mut bank, Mpi1::new(config, fifo), Self::allocate);
        (bank, adapter)
    }

    /// From now on `function` by doorbell handshake is answered with these words.
    pub fn forge(&mut self, function: Function, reply: Vec<u32>) {
        self.doorbell.forge(function, reply);
    }

    /// From now on IOC facts by the request FIFO, the first request through memory, are answered with these words.
    pub fn forge_first_fetch(&mut self, reply: Vec<u32>) {
        self.forged = Some(reply);
    }

    /// How often the driver wrote an address of memory to a register.
    #[must_use]
    pub fn handed_over(&self) -> u64 {
        self.handed_over
    }

    /// The memory that driver and controller share.
    #[must_use]
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Memory for the driver.
    ///
    /// # Panics
    ///
    /// If there is not enough left.
    pub fn allocate(&mut self, plan: &RegionPlan) -> DmaRegion {
        let offset = self.allocated.next_multiple_of(plan.align.max(DmaRegion::ALIGN));
        self.allocated = offset + plan.len;
        self.memory.region(offset, plan.len)
    }

    /// The address of the oldest request frame that was posted and not taken, by either FIFO.
    pub fn take_request(&mut self) -> Option<u32> {
        self.requests.pop_front()
    }

    /// Ends a request as firmware ends what succeeded: with a context reply.
    #[inline]
    pub fn succeed(&self, request: u32) {
        self.fifos.posted.push(self.memory.load(request + CONTEXT));
    }

    /// A reply frame that the driver has freed.
    ///
    /// # Panics
    ///
    /// If the driver has freed none.
    #[inline]
    pub fn take_free_frame(&mut self) -> u32 {
        let frame = self.fifos.freed.pop(&mut self.freed);
        assert!(frame != EMPTY, "the driver has freed no reply frame");
        frame
    }

    /// Ends a request with a reply in `frame`: the context comes from the request, the other words from `reply`.
    #[inline]
    pub fn reply(&self, request: u32, frame: u32, reply: &[u32]) {
        for (word, at) in reply.iter().zip((frame..).step_by(4)) {
            self.memory.store(at, *word);
        }
        let context = self.memory.load(request + CONTEXT) & self.context_mask;
        self.memory.store(frame + CONTEXT, context);
        self.fifos.posted.push(frame >> 1 | 1 << 31);
    }

    /// From now on replies in frames bring back the index of their context and not its generation.
    pub fn strip_generations(&mut self) {
        self.context_mask = 0x3ff;
    }

    /// From now on a message unit reset brings the controller back, which it does not otherwise.
    pub fn take_resets(&mut self) {
        self.doorbell.take_resets();
    }

    /// Words in the reply FIFO that the driver has not read.
    #[must_use]
    pub fn words_waiting(&self) -> usize {
        self.fifos.posted.waiting()
    }

    /// Reply frames that are the controller's.
    #[must_use]
    pub fn frames_free(&self) -> usize {
        self.fifos.freed.waiting()
    }

    /// Posts any word to the reply FIFO.
    pub fn post_word(&self, word: u32) {
        self.fifos.posted.push(word);
    }

    fn take_posted(&mut self, request: u32) {
        let function = Function((self.memory.load(request) >> 24) as u8);
        if function == Function::IOC_FACTS {
            let frame = self.take_free_frame();
            let reply = self.forged.clone().unwrap_or_else(|| answer(function, 0));
            self.reply(request, frame, &reply);
        } else {
            self.requests.push_back(request);
        }
    }
}

impl Registers for RegisterBank {
    fn read32(&mut self, offset: RegOffset) -> u32 {
        match offset.0 {
            DOORBELL => self.doorbell.read(),
            INT_STATUS => self.doorbell.status(),
            _ => 0,
        }
    }

    fn write32(&mut self, offset: RegOffset, value: u32) {
        match offset.0 {
            DOORBELL => self.doorbell.write(value),
            INT_STATUS => self.doorbell.clear_interrupt(),
            REQUEST_FIFO | REQUEST_HI_PRI_FIFO => {
                self.handed_over += 1;
                self.take_posted(value);
            }
            REPLY_FIFO => {
                self.handed_over += 1;
                self.fifos.freed.push(value);
            }
            _ => {}
        }
    }
}
