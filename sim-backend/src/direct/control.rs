//! The host's control path: bring-up, targets, task management.

use alloc::collections::VecDeque;

use hba_core::command::{Nexus, TargetId};
use hba_core::dma::DmaRegion;
use hba_core::limits::Limits;
use hba_core::port::{
    BadReply, BringUp, BringUpError, ControlPort, MemoryFault, MemoryPlan, Message, NoResources,
    Polled, PortEvent, Start, TargetInfo, TaskManagement, TaskManagementId, TaskManagementResult,
    WireTag, check_memory,
};
use hba_core::queue::Vector;
use hba_core::register::{ALL_ONES, Registers};
use hba_core::time::Instant;
use scsi_proto::Lun;

use super::config::{self, DirectConfig, Shape, VectorMemory};
use super::layout::{Descriptor, Kind, Topic, name_word};
use super::registers::{
    ADMIN_ID, ADMIN_LUN_HIGH, ADMIN_LUN_LOW, ADMIN_SUBMIT, ADMIN_TARGET, ADMIN_TASK, AdminFunction,
    AdminResult, ControllerState, INTERRUPT_STATUS, INTERRUPTS, RESET, RESET_KEY, START, STATE,
    TARGET_NAME_HIGH, TARGET_NAME_LOW, TARGET_PRESENT, TARGET_SELECT, VectorRegister,
};
use super::{DirectQueue, VECTORS_MAX};

/// Task management functions that may be out.
const FUNCTIONS_MAX: usize = 16;
/// Target addresses looked at in one step.
const SCAN_STEP: u16 = 16;
/// Between two looks at the state register during a handshake.
const LOOK: core::time::Duration = core::time::Duration::from_millis(1);

/// The control path of one direct controller.
#[derive(Debug)]
pub struct DirectControl {
    config: DirectConfig,
    start: Start,
    step: Step,
    limits: Option<Limits>,
    /// One for each vector once memory was provided.
    vectors: Vec<VectorMemory>,
    /// Port names by target address; `None` where no target is.
    targets: Vec<Option<u64>>,
    /// Functions that were sent and not answered. Never more than [`FUNCTIONS_MAX`].
    functions: Vec<TaskManagementId>,
    events: VecDeque<PortEvent>,
}

/// The next step of a bring-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Reset,
    AwaitReady { deadline: Instant },
    ReadFacts,
    AwaitMemory,
    Configure,
    Start,
    AwaitOperational { deadline: Instant },
    Scan { next: u16 },
    Done,
}

impl DirectControl {
    /// A port that knows nothing of the controller yet.
    #[must_use]
    pub fn new(config: DirectConfig) -> Self {
        Self {
            config,
            start: Start::Attach,
            step: Step::Reset,
            limits: None,
            vectors: Vec::new(),
            targets: Vec::new(),
            functions: Vec::with_capacity(FUNCTIONS_MAX),
            events: VecDeque::new(),
        }
    }

    /// One step; `None` when the next may follow at once.
    fn advance(
        &mut self,
        state: ControllerState,
        now: Instant,
        registers: &mut dyn Registers,
    ) -> Result<Option<BringUp>, BringUpError> {
        match self.step {
            Step::Reset => {
                registers.write32(RESET, RESET_KEY);
                self.step = Step::AwaitReady { deadline: now + self.config.handshake };
                Ok(Some(BringUp::Wait(now + LOOK)))
            }
            Step::AwaitReady { deadline } => self.await_ready(state, deadline, now),
            Step::ReadFacts => self.read_facts(registers),
            Step::AwaitMemory if self.vectors.is_empty() => Ok(Some(BringUp::NeedMemory)),
            Step::AwaitMemory | Step::Configure => {
                self.configure(registers);
                self.step = Step::Start;
                // The queues clear their rings before the controller may write to them.
                Ok(Some(BringUp::Serving(now)))
            }
            Step::Start => {
                self.write_start(registers);
                self.step = Step::AwaitOperational { deadline: now + self.config.handshake };
                Ok(Some(BringUp::Serving(now + LOOK)))
            }
            Step::AwaitOperational { deadline } => match state {
                ControllerState::Operational => {
                    self.step = Step::Scan { next: 0 };
                    Ok(None)
                }
                ControllerState::Fault(code) => Err(BringUpError::Fault { code }),
                _ if now >= deadline => Err(late("start", state)),
                _ => Ok(Some(BringUp::Serving((now + LOOK).min(deadline)))),
            },
            Step::Scan { next } => Ok(Some(self.scan(next, now, registers))),
            Step::Done => Ok(Some(BringUp::Ready)),
        }
    }

    /// A fault state may be the one that the reset is to clear, so it counts at the deadline only.
    fn await_ready(
        &mut self,
        state: ControllerState,
        deadline: Instant,
        now: Instant,
    ) -> Result<Option<BringUp>, BringUpError> {
        match state {
            ControllerState::Ready if self.start == Start::Shutdown => {
                self.step = Step::Done;
                Ok(None)
            }
            ControllerState::Ready => {
                self.step = Step::ReadFacts;
                Ok(None)
            }
            ControllerState::Fault(code) if now >= deadline => Err(BringUpError::Fault { code }),
            _ if now >= deadline => Err(late("reset", state)),
            _ => Ok(Some(BringUp::Wait((now + LOOK).min(deadline)))),
        }
    }

    /// The first facts make the limits; after a reset the controller must not have become another one.
    fn read_facts(
        &mut self,
        registers: &mut dyn Registers,
    ) -> Result<Option<BringUp>, BringUpError> {
        let limits = config::read_limits(&self.config, registers)?;
        match &self.limits {
            None => self.targets = vec![None; limits.targets_max.into()],
            Some(known) if *known == limits => {}
            Some(_) => return Err(BringUpError::Status { step: "comparison of facts", status: 0 }),
        }
        self.limits = Some(limits);
        self.step = Step::AwaitMemory;
        Ok(None)
    }

    fn configure(&self, registers: &mut dyn Registers) {
        let Some(limits) = &self.limits else { return };
        let entries = Shape::of(limits).entries;
        for (memory, vector) in self.vectors.iter().zip(0..) {
            let VectorMemory { requests, ring } = *memory;
            for (register, value) in [
                (VectorRegister::REQUESTS_LOW, requests.low()),
                (VectorRegister::REQUESTS_HIGH, requests.high()),
                (VectorRegister::RING_LOW, ring.low()),
                (VectorRegister::RING_HIGH, ring.high()),
                (VectorRegister::ENTRIES, entries),
            ] {
                registers.write32(register.of(vector), value);
            }
        }
    }

    fn write_start(&self, registers: &mut dyn Registers) {
        let Some(limits) = &self.limits else { return };
        let vectors = u32::from(limits.vectors.min(VECTORS_MAX));
        registers.write32(START, u32::from(limits.queue_depth) | vectors << 16);
    }

    fn scan(&mut self, next: u16, now: Instant, registers: &mut dyn Registers) -> BringUp {
        let all = self.targets.len() as u16;
        let end = next.saturating_add(SCAN_STEP).min(all);
        for id in next..end {
            self.look_at_target(id, registers, true);
        }
        if end < all {
            self.step = Step::Scan { next: end };
            return BringUp::Serving(now);
        }
        self.step = Step::Done;
        BringUp::Ready
    }

    /// Compares one target address with what was known of it. A survey reports what is there, known or not.
    fn look_at_target(&mut self, id: u16, registers: &mut dyn Registers, survey: bool) {
        registers.write32(TARGET_SELECT, id.into());
        let low = registers.read32(TARGET_NAME_LOW);
        let high = registers.read32(TARGET_NAME_HIGH);
        let found = match registers.read32(TARGET_PRESENT) {
            0 => None,
            1 => Some(u64::from(low) | u64::from(high) << 32),
            // All ones: the next look at the state register says so, too.
            _ => return,
        };
        let Some(known) = self.targets.get_mut(usize::from(id)) else { return };
        if *known == found && !(survey && found.is_some()) {
            return;
        }
        *known = found;
        let id = TargetId::new(id);
        self.events.push_back(match found {
            Some(port_name) => PortEvent::TargetArrived(TargetInfo::device(id, port_name)),
            None => PortEvent::TargetDeparted(id),
        });
    }

    fn take_answer(&mut self, id: TaskManagementId, code: u16) -> PortEvent {
        match self.functions.iter().position(|sent| *sent == id) {
            None => PortEvent::BadReply(BadReply::UnknownTag { raw: id.0 }),
            Some(at) => {
                self.functions.swap_remove(at);
                PortEvent::TaskManagement(id, AdminResult(code).meaning())
            }
        }
    }
}

impl ControlPort for DirectControl {
    type Queue = DirectQueue;

    fn begin(&mut self, start: Start, _now: Instant) {
        self.start = start;
        self.step = Step::Reset;
        self.functions.clear();
    }

    fn bring_up(&mut self, now: Instant, registers: &mut dyn Registers) -> BringUp {
        // Each step either waits or leads to a later one, so this ends.
        loop {
            let state = read_state(registers);
            if state == ControllerState::Gone {
                return BringUp::Gone;
            }
            match self.advance(state, now, registers) {
                Ok(None) => {}
                Ok(Some(progress)) => return progress,
                Err(_) if read_state(registers) == ControllerState::Gone => return BringUp::Gone,
                Err(error) => return BringUp::Failed(error),
            }
        }
    }

    fn limits(&self) -> Option<&Limits> {
        self.limits.as_ref()
    }

    fn memory_plan(&self) -> MemoryPlan {
        self.limits.as_ref().map_or_else(|| MemoryPlan { regions: Vec::new() }, config::memory_plan)
    }

    fn provide_memory(&mut self, regions: Vec<DmaRegion>) -> Result<Vec<DirectQueue>, MemoryFault> {
        let Some(limits) = &self.limits else {
            return Err(MemoryFault::Count { given: regions.len(), planned: 0 });
        };
        check_memory(&config::memory_plan(limits), &regions, limits)?;
        let (shape, targets) = (Shape::of(limits), limits.targets_max);
        let mut regions = regions.into_iter();
        let mut queues = Vec::new();
        for vector in 0..limits.vectors as u8 {
            let (Some(requests), Some(replies)) = (regions.next(), regions.next()) else { break };
            queues.push(DirectQueue::new(vector, targets, shape, requests, replies));
        }
        self.vectors = queues.iter().map(VectorMemory::of).collect();
        self.step = Step::Configure;
        Ok(queues)
    }

    fn poll(&mut self, now: Instant, registers: &mut dyn Registers) -> Polled {
        match read_state(registers) {
            ControllerState::Gone => return Polled::Gone,
            ControllerState::Fault(code) => return Polled::Fault(code),
            ControllerState::Operational => {}
            ControllerState::Resetting | ControllerState::Ready | ControllerState::Unknown(_) => {
                let why = "the controller is not operational any more";
                self.events.push_back(PortEvent::Distrust(why));
            }
        }
        Polled::Operational(now + self.config.poll)
    }

    fn handle_message(&mut self, message: &Message, _now: Instant, registers: &mut dyn Registers) {
        let [first, second] = *message.words() else { return };
        let Descriptor { subject, kind, topic, code, .. } = Descriptor::from_words(first, second);
        if kind != Kind::Message {
            return;
        }
        let event = match (topic, u16::try_from(subject)) {
            (Topic::TASK_MANAGEMENT, _) => self.take_answer(TaskManagementId(subject), code),
            (Topic::TARGET, Ok(id)) if usize::from(id) < self.targets.len() => {
                return self.look_at_target(id, registers, false);
            }
            (Topic::TARGET, _) => PortEvent::BadReply(BadReply::UnknownTag { raw: subject }),
            (Topic(topic), _) => PortEvent::Vendor { code: topic.into(), data: subject },
        };
        self.events.push_back(event);
    }

    fn send_task_management(
        &mut self,
        task: TaskManagement,
        id: TaskManagementId,
        _now: Instant,
        registers: &mut dyn Registers,
    ) -> Result<(), NoResources> {
        let address = Address::of(&task).filter(|a| a.target.channel == 0);
        let (Some(function), Some(address)) = (AdminFunction::of(&task), address) else {
            let answer = PortEvent::TaskManagement(id, TaskManagementResult::Rejected);
            self.events.push_back(answer);
            return Ok(());
        };
        if self.functions.len() == FUNCTIONS_MAX {
            return Err(NoResources);
        }
        self.functions.push(id);
        let [l0, l1, l2, l3, l4, l5, l6, l7] = address.lun.0;
        registers.write32(ADMIN_TARGET, address.target.id.into());
        registers.write32(ADMIN_LUN_LOW, u32::from_le_bytes([l0, l1, l2, l3]));
        registers.write32(ADMIN_LUN_HIGH, u32::from_le_bytes([l4, l5, l6, l7]));
        registers.write32(ADMIN_TASK, address.task);
        registers.write32(ADMIN_ID, id.0);
        registers.write32(ADMIN_SUBMIT, u32::from(function.0) | address.vector << 8);
        Ok(())
    }

    fn poll_event(&mut self) -> Option<PortEvent> {
        self.events.pop_front()
    }

    fn set_interrupts(&mut self, enabled: bool, registers: &mut dyn Registers) {
        registers.write32(INTERRUPTS, enabled.into());
    }

    fn claims_interrupt(&mut self, registers: &mut dyn Registers) -> bool {
        !matches!(registers.read32(INTERRUPT_STATUS), 0 | ALL_ONES)
    }
}

/// What a task management function acts on, as the ADMIN registers take it.
struct Address {
    target: TargetId,
    lun: Lun,
    vector: u32,
    task: u32,
}

impl Address {
    fn of(task: &TaskManagement) -> Option<Self> {
        Some(match *task {
            TaskManagement::AbortTask { nexus, vector, name }
            | TaskManagement::QueryTask { nexus, vector, name } => {
                Self::of_task(nexus, vector, name)
            }
            TaskManagement::AbortTaskSet(nexus)
            | TaskManagement::ClearTaskSet(nexus)
            | TaskManagement::LogicalUnitReset(nexus) => {
                Self { target: nexus.target, lun: nexus.lun, vector: 0, task: 0 }
            }
            TaskManagement::TargetReset(target) => {
                Self { target, lun: Lun::ZERO, vector: 0, task: 0 }
            }
            _ => return None,
        })
    }

    fn of_task(nexus: Nexus, vector: Vector, name: WireTag) -> Self {
        let vector = u32::from(vector.0 & 0xff);
        Self { target: nexus.target, lun: nexus.lun, vector, task: name_word(name) }
    }
}

fn read_state(registers: &mut dyn Registers) -> ControllerState {
    ControllerState::from_word(registers.read32(STATE))
}

const fn late(step: &'static str, state: ControllerState) -> BringUpError {
    BringUpError::Deadline { step, state: state.word() }
}
