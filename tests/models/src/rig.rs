//! Shipped queues and the shipped Control, on a device that is nothing but its reply rings.

use std::sync::Arc;

use hba_core::command::{Command, Cookie, Nexus, Request, TargetId, Transfer, Unsendable};
use hba_core::control::{Control, Provided, RecoveryConfig};
use hba_core::dispatch::ClassTimeouts;
use hba_core::dma::{AddressWidth, DmaRegion, DmaWindow, Elements, NoData};
use hba_core::limits::Limits;
use hba_core::port::{
    BringUp, ControlPort, Delivery, Detail, Generation, MemoryFault, MemoryPlan, Message,
    NoResources, Polled, PortEvent, QueuePort, Reply, Start, Tag, TaskManagement, TaskManagementId,
    TaskManagementResult, Transferred, WireTag,
};
use hba_core::queue::{Batch, IoQueue, Vector};
use hba_core::register::{RegOffset, RegisterWrite, Registers};
use hba_core::sync::{PhaseRing, RingWord, SharedQueue};
use hba_core::time::Instant;
use scsi_proto::{Cdb, Lun, Status};

use crate::checker::Checked;

pub type Ring = Arc<Box<[RingWord]>>;
pub type Queue<const BITS: u32> = IoQueue<ModelPort<BITS>, NoData>;

/// What a reset rebuilds and handlers look at: no handler may be inside then.
pub type Tables = Arc<Checked<u32>>;

/// The data path of one vector: a reply ring in memory, names with `BITS` bits of generation.
#[derive(Debug)]
pub struct ModelPort<const BITS: u32> {
    vector: u32,
    ring: PhaseRing<Ring>,
    tables: Tables,
}

const GOOD: Detail = Detail {
    delivery: Delivery::TaskComplete,
    status: Status::GOOD,
    transferred: Transferred::All,
    sense_len: 0,
    raw_status: 0,
};

impl<const BITS: u32> QueuePort for ModelPort<BITS> {
    type Doorbell = RegisterWrite;
    type Ack = ();
    const GENERATION_BITS: u32 = BITS;

    fn prepare(
        &mut self,
        name: WireTag,
        _: &Command,
        _: Elements<'_>,
    ) -> Result<RegisterWrite, Unsendable> {
        self.tables.read(|_| ());
        let value = u32::from(name.tag.0) | name.generation.0 << 16;
        Ok(RegisterWrite { offset: RegOffset(self.vector), value })
    }

    fn next_reply(&mut self) -> Reply {
        self.tables.read(|_| ());
        let Some([first, _]) = self.ring.take() else {
            return Reply::Empty;
        };
        let (tag, generation) = (Tag(first as u16), Generation(first >> 16));
        Reply::Success(WireTag { tag, generation })
    }

    fn detail(&self) -> &Detail {
        &GOOD
    }

    fn read_sense(&mut self, _: Tag, _: &mut [u8]) {}

    fn message(&self) -> &Message {
        &Message::EMPTY
    }

    fn acknowledge(&mut self) {}

    fn restart(&mut self) {
        self.tables.read(|_| ());
        self.ring.restart();
    }
}

/// The device's side of one ring.
#[derive(Debug)]
pub struct DeviceRing {
    ring: Ring,
    posted: u32,
}

impl DeviceRing {
    pub fn new(entries: usize) -> Self {
        Self { ring: Arc::new((0..entries).map(|_| RingWord::new([0; 2])).collect()), posted: 0 }
    }

    /// A handle for the reader.
    pub fn ring(&self) -> Ring {
        Arc::clone(&self.ring)
    }

    /// Answers the command whose doorbell said `word`.
    pub fn post(&mut self, word: u32) {
        let entries = self.ring.len() as u32;
        let phase = u32::from((self.posted / entries).is_multiple_of(2)) << 31;
        self.ring[(self.posted % entries) as usize].post([word, phase]);
        self.posted += 1;
    }

    /// Starts over, after a reset.
    pub fn restart(&mut self) {
        self.posted = 0;
    }
}

/// The control path: every step is done as soon as it is asked for.
#[derive(Debug)]
pub struct ModelControl<const BITS: u32> {
    limits: Limits,
    rings: Vec<Ring>,
    tables: Tables,
    placed: bool,
    events: Vec<PortEvent>,
}

impl<const BITS: u32> ModelControl<BITS> {
    /// Queues of `depth` slots, rings of four entries.
    pub fn new(vectors: usize, depth: u16) -> (Self, Vec<DeviceRing>, Tables) {
        let rings: Vec<_> = (0..vectors).map(|_| DeviceRing::new(4)).collect();
        let tables = Arc::new(Checked::new(0));
        let limits = Limits {
            transfer_max: 4096,
            elements_max: 2,
            element_max: 4096,
            boundary: 0,
            window: DmaWindow::of_width(AddressWidth::BITS_32),
            page_size: 4096,
            queue_depth: depth,
            vectors: vectors as u16,
            cdb_max: 16,
            sense_max: 18,
            targets_max: 1,
        };
        let port = Self {
            limits,
            rings: rings.iter().map(DeviceRing::ring).collect(),
            tables: Arc::clone(&tables),
            placed: false,
            events: Vec::new(),
        };
        (port, rings, tables)
    }
}

impl<const BITS: u32> ControlPort for ModelControl<BITS> {
    type Queue = ModelPort<BITS>;

    fn begin(&mut self, start: Start, _: Instant) {
        if start == Start::Reset {
            self.tables.write(|epoch| *epoch += 1);
        }
    }

    fn bring_up(&mut self, _: Instant, _: &mut dyn Registers) -> BringUp {
        if self.placed { BringUp::Ready } else { BringUp::NeedMemory }
    }

    fn limits(&self) -> Option<&Limits> {
        Some(&self.limits)
    }

    fn memory_plan(&self) -> MemoryPlan {
        MemoryPlan { regions: Vec::new() }
    }

    fn provide_memory(&mut self, _: Vec<DmaRegion>) -> Result<Vec<ModelPort<BITS>>, MemoryFault> {
        self.placed = true;
        let port = |(ring, vector): (&Ring, u32)| ModelPort {
            vector,
            ring: PhaseRing::new(Arc::clone(ring), ring.len() as u32),
            tables: Arc::clone(&self.tables),
        };
        Ok(self.rings.iter().zip(0..).map(port).collect())
    }

    fn poll(&mut self, now: Instant, _: &mut dyn Registers) -> Polled {
        Polled::Operational(now + core::time::Duration::from_secs(1))
    }

    fn handle_message(&mut self, _: &Message, _: Instant, _: &mut dyn Registers) {}

    fn send_task_management(
        &mut self,
        _: TaskManagement,
        id: TaskManagementId,
        _: Instant,
        _: &mut dyn Registers,
    ) -> Result<(), NoResources> {
        self.events.push(PortEvent::TaskManagement(id, TaskManagementResult::Complete));
        Ok(())
    }

    fn poll_event(&mut self) -> Option<PortEvent> {
        self.events.pop()
    }

    fn set_interrupts(&mut self, _: bool, _: &mut dyn Registers) {}
}

/// Registers that nothing lies behind.
pub struct NoRegisters;

impl Registers for NoRegisters {
    fn read32(&mut self, _: RegOffset) -> u32 {
        0
    }

    fn write32(&mut self, _: RegOffset, _: u32) {}
}

/// An operational adapter, taken apart.
pub struct Rig<const BITS: u32> {
    pub control: Control<ModelControl<BITS>>,
    pub queues: Vec<Queue<BITS>>,
    pub rings: Vec<DeviceRing>,
    pub tables: Tables,
}

pub const NOW: Instant = Instant::from_millis(1);
/// Every deadline has passed by then.
pub const LATE: Instant = Instant::from_nanos(u64::MAX / 2);

impl<const BITS: u32> Rig<BITS> {
    /// Queues of `depth` slots, rings of four entries.
    pub fn new(vectors: usize, depth: u16) -> Self {
        let (port, rings, tables) = ModelControl::new(vectors, depth);
        let limits = port.limits;
        let mut control = Control::new(port, RecoveryConfig::default(), NOW);
        let _ = control.step(NOW, &mut NoRegisters);
        let provided = control.provide_memory(Vec::new()).expect("no memory is needed");
        let Provided::Queues(ports) = provided else {
            panic!("no memory can be in the wrong 4 GiB")
        };
        let timeouts = ClassTimeouts::default();
        let queue = |(port, n)| IoQueue::new(port, Vector(n), &limits, timeouts);
        let queues = ports.into_iter().zip(0..).map(queue).collect();
        let mut rig = Self { control, queues, rings, tables };
        rig.open();
        rig
    }

    /// Carries what opens the queues.
    fn open(&mut self) {
        let mut batch = Batch::new(1);
        while !self.control.is_operational() {
            let _ = self.control.step(NOW, &mut NoRegisters);
            while let Some(action) = self.control.poll_action() {
                // Memory was provided.
                if let Some(vector) = action.vector() {
                    let redeemed = action.apply(&mut self.queues[usize::from(vector.0)]);
                    assert!(redeemed.is_none(), "no ticket is out");
                }
            }
        }
        for queue in &mut self.queues {
            let _ = queue.service(&mut batch);
            assert!(queue.is_open());
        }
    }
}

/// A command without data.
pub fn request(cookie: u64) -> Request<NoData> {
    let nexus = Nexus::new(TargetId::new(0), Lun::ZERO);
    let cdb = Cdb::from_array([0; 6]);
    Request::new(nexus, cdb, Transfer::NONE, NoData, Cookie(cookie))
}

/// Submits on a queue that nobody else has yet; the doorbell's word.
pub fn submit<const BITS: u32>(queue: &mut Queue<BITS>, cookie: u64) -> u32 {
    queue.submit(request(cookie), NOW).expect("the queue has room").doorbell.value
}

/// Services until nobody was refused meanwhile, or somebody else is in, who looks again then. The cookies of what ended.
pub fn look<const BITS: u32>(queue: &SharedQueue<Queue<BITS>>, ended: &mut Vec<u64>) {
    let mut batch = Batch::new(4);
    loop {
        let Ok(turn) = queue.service(&mut batch) else {
            return;
        };
        let left = turn.leave();
        ended.extend(left.values.drain().map(|done| done.completion.cookie.0));
        if !left.again && !left.words.more {
            return;
        }
    }
}
