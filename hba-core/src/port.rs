//! What a backend implements: the data path of one vector and the control path of one adapter.

use alloc::vec::Vec;
use core::fmt;

use scsi_proto::Status;

use crate::command::{Command, Failure, Nexus, TargetId};
use crate::dma::{AddressFault, DmaRegion, Elements, ScatterError};
use crate::limits::Limits;
use crate::queue::Vector;
use crate::register::{HostWrite, Registers};
use crate::time::Instant;

/// A slot of one queue, counted from 0. Never a frame index, never a task ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub u16);

/// How often a slot was used, as far as the wire can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Generation(pub u32);

/// The name of an outstanding command on the wire: the slot, and which use of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WireTag {
    /// The slot.
    pub tag: Tag,
    /// Which use of the slot, in [`QueuePort::GENERATION_BITS`] bits; 0 where the wire has none.
    pub generation: Generation,
}

/// A backend's data path for one interrupt vector. [`IoQueue`](crate::queue::IoQueue) drives it.
///
/// Nothing here is called from two threads, blocks, allocates or reads a clock. Whatever the device wrote is hostile
/// until the port has checked it against its own records; each word of it is read once.
pub trait QueuePort {
    /// What the platform writes to start a command.
    type Doorbell: HostWrite;
    /// What the platform writes after a service pass; `()` where nothing is due.
    type Ack: HostWrite;
    /// Bits of [`Generation`] that a reply echoes. With 0 a stale reply cannot be told from a fresh one, and the queue
    /// keeps doubtful slots out of use instead.
    const GENERATION_BITS: u32;

    /// Writes the frame of `command` into the slot's memory.
    ///
    /// Nothing reaches the device before the caller writes the doorbell, so a failure has no effect.
    ///
    /// # Errors
    ///
    /// [`Unsendable`] when the request does not fit the wire.
    fn prepare(
        &mut self,
        name: WireTag,
        command: &Command,
        elements: Elements<'_>,
    ) -> Result<Self::Doorbell, Unsendable>;

    /// Takes the next reply that the device posted.
    fn next_reply(&mut self) -> Reply;

    /// The particulars of the last [`Reply::Detail`].
    fn detail(&self) -> &Detail;

    /// Copies the sense data of the last [`Reply::Detail`], which has at most [`Detail::sense_len`] bytes.
    fn read_sense(&mut self, tag: Tag, into: &mut [u8]);

    /// The content of the last [`Reply::Message`].
    fn message(&self) -> &Message;

    /// Ends a service pass.
    fn acknowledge(&mut self) -> Self::Ack;

    /// Forgets everything about the device: it was reset, its queues are empty.
    fn restart(&mut self);
}

/// What [`QueuePort::next_reply`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing; the queue is empty for now.
    Empty,
    /// GOOD, every byte moved.
    Success(WireTag),
    /// Anything else that names a command; see [`QueuePort::detail`].
    Detail(WireTag),
    /// Not for a command of this queue: task management, events, configuration. Control gets it as a value.
    Message,
    /// Words that name nothing that the port could have sent.
    Bad(BadReply),
    /// The device reads all ones where it cannot: it left the bus.
    Gone,
}

/// A reply that breaks the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadReply {
    /// The context or tag was never issued.
    UnknownTag {
        /// As read.
        raw: u32,
    },
    /// The reply frame address lies outside the pool or not on a frame.
    FrameAddress {
        /// As read.
        raw: u32,
    },
    /// The reply frame is not the device's to use: it was not free.
    FrameNotOwned {
        /// As read.
        raw: u32,
    },
    /// The message length is shorter than the structure or longer than the frame.
    MessageLength {
        /// In 32-bit words, as read.
        words: u8,
    },
    /// The message's function does not belong to its context.
    Function {
        /// As read.
        function: u8,
    },
}

/// The particulars of a reply, checked and clamped by the port as far as it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detail {
    /// Whether a status came, and if not, why.
    pub delivery: Delivery,
    /// The SCSI status; meaningful with [`Delivery::TaskComplete`].
    pub status: Status,
    /// Bytes moved as the device counts them; the queue clamps it.
    pub transferred: Transferred,
    /// Sense bytes available from [`QueuePort::read_sense`], 0 when there is none.
    pub sense_len: u8,
    /// The controller's own status word, for the flight recorder.
    pub raw_status: u32,
}

/// How many bytes a reply says were moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transferred {
    /// As many as were asked for.
    All,
    /// This many.
    Bytes(u32),
}

/// Whether the device server's status arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It did.
    TaskComplete,
    /// It did not.
    Failed(Failure),
}

/// A reply for Control, copied out of device memory.
#[derive(Clone, Copy)]
pub struct Message {
    words: [u32; Self::WORDS_MAX],
    len: u8,
}

impl Message {
    /// The longest message, in 32-bit words.
    pub const WORDS_MAX: usize = 32;
    /// Nothing.
    pub const EMPTY: Self = Self { words: [0; Self::WORDS_MAX], len: 0 };

    /// Copies `words`, cut at [`Self::WORDS_MAX`].
    pub fn new(words: impl IntoIterator<Item = u32>) -> Self {
        let mut message = Self::EMPTY;
        for (slot, word) in message.words.iter_mut().zip(words) {
            *slot = word;
            message.len += 1;
        }
        message
    }

    /// The words, in host byte order.
    pub fn words(&self) -> &[u32] {
        self.words.get(..usize::from(self.len)).unwrap_or(&self.words)
    }

    /// The bytes as they were on the wire, and how many of them count.
    pub fn bytes(&self) -> ([u8; 4 * Self::WORDS_MAX], usize) {
        let mut bytes = [0; 4 * Self::WORDS_MAX];
        for (chunk, word) in bytes.chunks_exact_mut(4).zip(self.words) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        (bytes, 4 * usize::from(self.len))
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.words()).finish()
    }
}

/// Why a backend cannot put a request on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unsendable {
    /// The data memory does not make a scatter list.
    Scatter(ScatterError),
    /// The target cannot be expressed in the frame.
    Target(TargetId),
    /// The CDB is too long for the frame.
    Cdb {
        /// Bytes of the CDB.
        length: usize,
    },
}

impl From<ScatterError> for Unsendable {
    fn from(error: ScatterError) -> Self {
        Self::Scatter(error)
    }
}

impl fmt::Display for Unsendable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scatter(error) => error.fmt(f),
            Self::Target(target) => write!(f, "the controller cannot address target {target}"),
            Self::Cdb { length } => write!(f, "a cdb of {length} bytes does not fit the frame"),
        }
    }
}

impl core::error::Error for Unsendable {}

/// A backend's control path: one adapter. [`Control`](crate::control::Control) drives it.
///
/// No call waits: each does what can be done at `now` and says when to come back. The only register accesses are made in
/// calls that are handed the registers.
pub trait ControlPort {
    /// The data path that belongs to it.
    type Queue: QueuePort;

    /// Starts bringing the controller up: at attach, and again for every reset.
    ///
    /// At attach nothing is known of the controller's state, which firmware may have left operational.
    fn begin(&mut self, start: Start, now: Instant);

    /// Goes on with what [`Self::begin`] started.
    fn bring_up(&mut self, now: Instant, registers: &mut dyn Registers) -> BringUp;

    /// The limits, once the controller's facts are known.
    fn limits(&self) -> Option<&Limits>;

    /// The memory that [`BringUp::NeedMemory`] asks for.
    fn memory_plan(&self) -> MemoryPlan;

    /// Takes the memory, in the order of the plan, and makes one data path for each vector.
    ///
    /// # Errors
    ///
    /// [`MemoryFault`] when a region does not fit the plan; nothing was given to the device.
    fn provide_memory(&mut self, regions: Vec<DmaRegion>) -> Result<Vec<Self::Queue>, MemoryFault>;

    /// Looks at the state register and goes on with the port's own work: events, configuration, acknowledges.
    ///
    /// Called while the controller is operational, at the latest at the time in the returned [`Polled::Operational`].
    fn poll(&mut self, now: Instant, registers: &mut dyn Registers) -> Polled;

    /// A message that a queue took from its reply path.
    fn handle_message(&mut self, message: &Message, now: Instant, registers: &mut dyn Registers);

    /// Sends a task management function.
    ///
    /// # Errors
    ///
    /// [`NoResources`] when every frame reserved for task management is out; ask again after the next event.
    fn send_task_management(
        &mut self,
        task: TaskManagement,
        id: TaskManagementId,
        now: Instant,
        registers: &mut dyn Registers,
    ) -> Result<(), NoResources>;

    /// The next thing that the port has to tell.
    fn poll_event(&mut self) -> Option<PortEvent>;

    /// Masks or unmasks the controller's interrupts.
    fn set_interrupts(&mut self, enabled: bool, registers: &mut dyn Registers);

    /// Whether an interrupt on a shared line is this controller's: it asserts the line and is not masked.
    ///
    /// Message signalled interrupts are never shared, which is what the default says.
    fn claims_interrupt(&mut self, registers: &mut dyn Registers) -> bool {
        let _ = registers;
        true
    }
}

/// Why [`ControlPort::begin`] is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The first bring-up.
    Attach,
    /// Recovery: everything outstanding is to be forgotten by the controller.
    Reset,
    /// The end: the controller is to be left without anything that it could do to host memory. Ends with
    /// [`BringUp::Ready`] as soon as that is so.
    Shutdown,
}

/// How far a bring-up has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BringUp {
    /// Waiting for the controller; call again at this time at the latest, or after an interrupt.
    Wait(Instant),
    /// The facts are known; memory is needed before anything else.
    NeedMemory,
    /// The controller takes requests that the port makes itself; the queues' replies are to be serviced.
    ///
    /// Control answers the first of these with a restart of every queue. A host that keeps queues elsewhere carries all
    /// of those permits before it steps Control again: ports rely on it.
    Serving(Instant),
    /// Operational, targets known.
    Ready,
    /// The controller left the bus.
    Gone,
    /// It cannot be brought up.
    Failed(BringUpError),
}

/// Why a controller cannot be brought up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BringUpError {
    /// A step did not end before its deadline.
    Deadline {
        /// What was waited for.
        step: &'static str,
        /// The state register at the end.
        state: u32,
    },
    /// The controller reports a fault.
    Fault {
        /// The vendor's fault code.
        code: u16,
    },
    /// The answer to a step is an error.
    Status {
        /// Which step.
        step: &'static str,
        /// The controller's status.
        status: u32,
    },
    /// A number that the controller reports cannot be worked with.
    Fact {
        /// Which one.
        name: &'static str,
        /// What it reports.
        value: u32,
    },
    /// A reply was not what the step asks for.
    BadReply {
        /// Which step.
        step: &'static str,
    },
    /// The controller is in use by another processor on the bus.
    OwnedByPeer,
}

impl fmt::Display for BringUpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deadline { step, state } => {
                write!(f, "no end of {step} before its deadline, state register {state:#010x}")
            }
            Self::Fault { code } => write!(f, "the controller is in fault {code:#06x}"),
            Self::Status { step, status } => write!(f, "{step} ended with status {status:#06x}"),
            Self::Fact { name, value } => {
                write!(f, "the controller reports {name} = {value}, which cannot be worked with")
            }
            Self::BadReply { step } => write!(f, "the reply to {step} is malformed"),
            Self::OwnedByPeer => f.write_str("the controller is in use by a peer on the bus"),
        }
    }
}

impl core::error::Error for BringUpError {}

/// What [`ControlPort::poll`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polled {
    /// All is well; come back at this time at the latest.
    Operational(Instant),
    /// The controller stopped with a fault code.
    Fault(u16),
    /// The controller left the bus.
    Gone,
}

/// Regions of DMA memory that a backend needs, told before anything is allocated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    /// One entry for each region.
    pub regions: Vec<RegionPlan>,
}

impl MemoryPlan {
    /// Bytes in all.
    pub fn bytes(&self) -> usize {
        self.regions.iter().map(|r| r.len).sum()
    }
}

/// One region of a [`MemoryPlan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegionPlan {
    /// What it is for.
    pub name: &'static str,
    /// Bytes, a multiple of the page size.
    pub len: usize,
    /// Alignment of the bus address in bytes.
    pub align: usize,
    /// Regions with the same number must share bits 63:32 of all their addresses; each lies within 4 GiB itself.
    pub upper_half: u8,
}

/// A region that does not fit the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemoryFault {
    /// There are not as many regions as the plan has.
    Count {
        /// Regions given.
        given: usize,
        /// Regions planned.
        planned: usize,
    },
    /// A region is too short.
    Short {
        /// Which.
        name: &'static str,
        /// Bytes given.
        given: usize,
        /// Bytes planned.
        planned: usize,
    },
    /// A region lies where the device or the host does not reach, or is misaligned.
    Address(AddressFault),
    /// A region crosses a 4 GiB line, or lies in another 4 GiB than its group.
    UpperHalf {
        /// Which.
        name: &'static str,
    },
}

impl fmt::Display for MemoryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count { given, planned } => {
                write!(f, "{given} memory regions were given where {planned} are planned")
            }
            Self::Short { name, given, planned } => {
                write!(f, "{name} got {given} bytes of memory where {planned} are planned")
            }
            Self::Address(fault) => fault.fmt(f),
            Self::UpperHalf { name } => write!(
                f,
                "{name} do not share the upper 32 address bits that the controller holds for them"
            ),
        }
    }
}

impl core::error::Error for MemoryFault {}

/// A SAM task management function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskManagement {
    /// ABORT TASK.
    AbortTask {
        /// The logical unit.
        nexus: Nexus,
        /// The queue that it is on: each counts its tags from 0.
        vector: Vector,
        /// The command.
        name: WireTag,
    },
    /// ABORT TASK SET.
    AbortTaskSet(Nexus),
    /// CLEAR TASK SET.
    ClearTaskSet(Nexus),
    /// LOGICAL UNIT RESET.
    LogicalUnitReset(Nexus),
    /// I_T NEXUS RESET, or the target reset of older standards.
    TargetReset(TargetId),
    /// QUERY TASK.
    QueryTask {
        /// The logical unit.
        nexus: Nexus,
        /// The queue that it is on: each counts its tags from 0.
        vector: Vector,
        /// The command.
        name: WireTag,
    },
}

/// Which task management function an answer belongs to. Unique for the life of a [`Control`](crate::control::Control).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskManagementId(pub u32);

/// The answer to a task management function. Source: SAM-5 7.1, service responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskManagementResult {
    /// FUNCTION COMPLETE.
    Complete,
    /// FUNCTION SUCCEEDED: a query found the task.
    Succeeded,
    /// FUNCTION REJECTED or not supported.
    Rejected,
    /// INCORRECT LOGICAL UNIT NUMBER.
    IncorrectLun,
    /// The device or the controller failed to perform it; the code is the controller's.
    Failed(u16),
    /// The device is not there any more.
    DeviceNotPresent,
}

/// Every frame reserved for a purpose is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoResources;

impl fmt::Display for NoResources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("every frame reserved for this purpose is in use")
    }
}

impl core::error::Error for NoResources {}

/// What a port has to tell Control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PortEvent {
    /// A task management function was answered.
    TaskManagement(TaskManagementId, TaskManagementResult),
    /// A target is there.
    TargetArrived(TargetInfo),
    /// A target is not there any more.
    TargetDeparted(TargetId),
    /// The device reported something that the core has no name for.
    Vendor {
        /// The backend's event code.
        code: u32,
        /// The first word of its data.
        data: u32,
    },
    /// The device broke the protocol on the control path.
    BadReply(BadReply),
    /// The port lost trust in the device (a control request without an answer): reset it.
    Distrust(&'static str),
}

/// What the controller knows of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetInfo {
    /// How to address it.
    pub id: TargetId,
    /// The SAS address of its port, or another world wide name; 0 when there is none.
    pub port_name: u64,
}

/// Checks `regions` against `plan` and the device's `limits`: one place for every backend.
///
/// # Errors
///
/// The first [`MemoryFault`] found.
pub fn check_memory(
    plan: &MemoryPlan,
    regions: &[DmaRegion],
    limits: &Limits,
) -> Result<(), MemoryFault> {
    if plan.regions.len() != regions.len() {
        let (given, planned) = (regions.len(), plan.regions.len());
        return Err(MemoryFault::Count { given, planned });
    }
    let mut halves: [Option<u32>; 256] = [None; 256];
    for (plan, region) in plan.regions.iter().zip(regions) {
        if region.len() < plan.len {
            let (given, planned) = (region.len(), plan.len);
            return Err(MemoryFault::Short { name: plan.name, given, planned });
        }
        let (addr, len) = (region.bus(), plan.len as u64);
        let fault = limits.window.check(plan.name, addr, len, plan.align as u64);
        fault.map_err(MemoryFault::Address)?;
        let last = addr.offset(len.saturating_sub(1));
        let half = halves[usize::from(plan.upper_half)].get_or_insert_with(|| addr.high());
        if *half != addr.high() || addr.high() != last.high() {
            return Err(MemoryFault::UpperHalf { name: plan.name });
        }
    }
    Ok(())
}
