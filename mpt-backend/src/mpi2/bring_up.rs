//! The start-up sequence, from whatever state firmware left the controller in to OPERATIONAL.
//!
//! ```text
//!   reset to READY
//!   IOC facts, port facts          doorbell; no DMA so far
//!   -- memory --
//!   reply free queue filled        memory
//!   IOC init                       doorbell; then OPERATIONAL
//!   indices                        registers
//!   event notification             descriptor: the first fetch. Where a mapping is wrong, it faults here
//!   port enable                    descriptor; discovery events come before its answer
//!   configuration pages            descriptor
//! ```
//!
//! The order is that of MPI 2.x drivers in the field; every arrow waits on a deadline.

use core::time::Duration;

use hba_core::dma::DmaSync;
use hba_core::port::{BadReply, BringUp, BringUpError, PortEvent, Start};
use hba_core::register::{RegOffset, Registers};
use hba_core::time::Instant;
use zerocopy::{FromZeros, IntoBytes};

use super::config::{Facts, Plan};
use super::control::Mpi2;
use super::discover::{self, Discover};
use super::events;
use super::post::index_register;
use super::requests::Purpose;
use super::reset::{Chip, Reset};
use super::sgl::FRAME;
use crate::bring_up::{self, POLL};
use crate::handshake::{self, Handshake};
use crate::ioc;
use crate::wire::ioc::WhoInit;
use crate::wire::message::{DefaultReply, Function};
use crate::wire::mpi2::{EventNotifyRequest2, IocCapabilities2, IocFactsReply2, IocInitRequest2};
use crate::wire::port::PortEnableRequest;
use crate::wire::registers::{DOORBELL, Doorbell, IocState};

/// For IOC init.
const INIT: Duration = Duration::from_secs(30);
/// For port enable: spinning up and discovering takes this long at worst.
const PORT_ENABLE: Duration = Duration::from_secs(300);
/// From IOC init to OPERATIONAL.
const OPERATIONAL: Duration = Duration::from_secs(60);
/// For the first request that goes through memory.
const FIRST_FETCH: Duration = Duration::from_secs(30);
/// ConfigurationFlags: the firmware may write its memory out before it stops.
const COREDUMP_ENABLE: u16 = 0x0002;
/// The header version that is reported to firmware.
const HEADER_VERSION: u16 = 0x2a00;

/// Where the sequence is.
#[derive(Debug)]
pub(super) struct BringUpMachine {
    start: Start,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Reset(Reset),
    Facts(Handshake),
    PortFacts(Handshake),
    Memory,
    Init(Handshake),
    Operational(Instant),
    /// The queues are being restarted: nothing is posted before they are.
    Arm,
    Events(Instant),
    PortEnable(Instant),
    Discover,
    Ready,
    Failed(BringUpError),
}

type Turn = bring_up::Turn<Phase>;

impl BringUpMachine {
    pub(super) fn new() -> Self {
        Self { start: Start::Attach, phase: Phase::Ready }
    }

    pub(super) fn begin(&mut self, start: Start) {
        self.start = start;
        self.phase = Phase::Reset(Reset::new(Chip::new()));
    }
}

impl<S: DmaSync> Mpi2<S> {
    pub(super) fn step_bring_up(&mut self, now: Instant, registers: &mut dyn Registers) -> BringUp {
        loop {
            match self.turn(now, registers) {
                Turn::Enter(phase) => self.machine.phase = phase,
                Turn::Return(result) => return result,
            }
        }
    }

    fn turn(&mut self, now: Instant, registers: &mut dyn Registers) -> Turn {
        match &mut self.machine.phase {
            Phase::Reset(reset) => match reset.poll(now, registers).unfinished(Phase::Failed) {
                Some(turn) => turn,
                None if self.machine.start == Start::Shutdown => Turn::Enter(Phase::Ready),
                None => Turn::Enter(Phase::Facts(handshake::ask_facts())),
            },
            Phase::Facts(handshake) | Phase::PortFacts(handshake) | Phase::Init(handshake) => {
                let progress = handshake.poll(now, registers);
                progress.unfinished(Phase::Failed).unwrap_or_else(|| self.handshake_done(now))
            }
            Phase::Memory if self.memory.is_none() => Turn::Return(BringUp::NeedMemory),
            Phase::Memory => self.initialise(now),
            Phase::Operational(deadline) => {
                let deadline = *deadline;
                self.await_operational(deadline, now, registers)
            }
            Phase::Arm => {
                self.enable_events(registers);
                Turn::Enter(Phase::Events(now + FIRST_FETCH))
            }
            Phase::Events(deadline) | Phase::PortEnable(deadline) => {
                let deadline = *deadline;
                self.await_reply(deadline, now, registers)
            }
            Phase::Discover => match &self.discover {
                None => Turn::Enter(Phase::Ready),
                Some((_, deadline)) => {
                    let deadline = *deadline;
                    self.await_reply(deadline, now, registers)
                }
            },
            Phase::Ready => Turn::Return(BringUp::Ready),
            Phase::Failed(error) => Turn::Return(BringUp::Failed(*error)),
        }
    }

    fn handshake_done(&mut self, now: Instant) -> Turn {
        let next = match &self.machine.phase {
            Phase::Facts(handshake) => handshake
                .answer::<IocFactsReply2>(Function::IOC_FACTS)
                .and_then(|reply| self.take_facts(&reply)),
            Phase::PortFacts(handshake) => {
                handshake.answer::<DefaultReply>(Function::PORT_FACTS).map(|_| Phase::Memory)
            }
            Phase::Init(handshake) => handshake
                .answer::<DefaultReply>(Function::IOC_INIT)
                .and_then(|reply| match reply.log_info() {
                    None => Ok(Phase::Operational(now + OPERATIONAL)),
                    Some(info) => {
                        Err(BringUpError::Status { step: handshake.name(), status: info.0 })
                    }
                }),
            _ => return Turn::Return(BringUp::Wait(now)),
        };
        Turn::Enter(next.unwrap_or_else(Phase::Failed))
    }

    fn take_facts(&mut self, reply: &IocFactsReply2) -> Result<Phase, BringUpError> {
        let facts = Facts::check(reply)?;
        match &self.plan {
            // Memory was laid out for the first facts. A controller that offers less after a reset does not fit it.
            Some(plan) if self.memory.is_some() => {
                if !plan.facts.covers(&facts) {
                    let value = u32::from(reply.request_credit.get());
                    return Err(BringUpError::Fact {
                        name: "credits or sizes after a reset",
                        value,
                    });
                }
            }
            _ => self.plan = Some(Plan::new(&self.config, facts)),
        }
        Ok(Phase::PortFacts(handshake::ask_port_facts()))
    }

    /// Fills the reply free queue and sends IOC init.
    fn initialise(&mut self, now: Instant) -> Turn {
        let (Some(plan), Some(memory)) = (&self.plan, &mut self.memory) else {
            return Turn::Return(BringUp::NeedMemory);
        };
        memory.free.fill(&mut self.sync);
        self.members.clear();
        let request = IocInitRequest2 {
            who_init: WhoInit::HOST_DRIVER,
            function: Function::IOC_INIT,
            msg_flags: u8::from(plan.queues_apart()),
            msg_version: plan.facts.version.into(),
            header_version: HEADER_VERSION.into(),
            configuration_flags: if plan.facts.can(IocCapabilities2::COREDUMP) {
                COREDUMP_ENABLE
            } else {
                0
            }
            .into(),
            host_page_size: self.config.page_size.trailing_zeros() as u8,
            host_msix_vectors: plan.vectors(),
            system_request_frame_size: ((FRAME / 4) as u16).into(),
            reply_post_queue_depth: plan.post_depth.into(),
            reply_free_queue_depth: plan.free_depth().into(),
            sense_buffer_address_high: memory.sense_high.into(),
            system_reply_address_high: memory.replies_high.into(),
            system_request_frame_base_address: memory.frames.into(),
            reply_post_queue_address: memory.post.into(),
            reply_free_queue_address: memory.free.memory().bus().raw().into(),
            time_stamp: (now.as_nanos() / 1_000_000).into(),
            ..IocInitRequest2::new_zeroed()
        };
        Turn::Enter(Phase::Init(Handshake::new("IOC init", request.as_bytes(), INIT)))
    }

    fn await_operational(
        &mut self,
        deadline: Instant,
        now: Instant,
        registers: &mut dyn Registers,
    ) -> Turn {
        let progress = ioc::await_operational(deadline, now, registers);
        if let Some(turn) = progress.unfinished(Phase::Failed) {
            return turn;
        }
        self.write_indices(registers);
        self.machine.phase = Phase::Arm;
        Turn::Return(BringUp::Serving(now))
    }

    /// Hands the controller its reply frames, and says that every post queue begins at its first entry.
    fn write_indices(&mut self, registers: &mut dyn Registers) {
        let (Some(plan), Some(memory)) = (&self.plan, &mut self.memory) else { return };
        memory.free.begin_epoch();
        memory.free.write_index(registers);
        for queue in 0..plan.vectors() {
            let (offset, word) = index_register(queue, plan.facts.combines_indices());
            registers.write32(offset, word);
        }
    }

    /// Waits for a reply through memory, which cannot tell an idle controller from one that is gone or in fault.
    fn await_reply(
        &mut self,
        deadline: Instant,
        now: Instant,
        registers: &mut dyn Registers,
    ) -> Turn {
        let doorbell = Doorbell(registers.read32(RegOffset(DOORBELL)));
        if doorbell.is_all_ones() {
            return Turn::Return(BringUp::Gone);
        }
        if now >= deadline || doorbell.ioc_state() != IocState::OPERATIONAL {
            return Turn::Enter(Phase::Failed(self.no_reply(doorbell.0)));
        }
        match self.machine.phase {
            Phase::PortEnable(_) => self.enable_port(registers),
            Phase::Discover => self.look_up(now, registers),
            _ => {}
        }
        self.give_frames_back(registers);
        self.send_acknowledgement(registers);
        Turn::Return(BringUp::Serving(now + POLL))
    }

    /// A fetch that faulted looks like this; only the first one says something about the mapping as a whole.
    fn no_reply(&self, state: u32) -> BringUpError {
        match (&self.machine.phase, &self.memory) {
            (Phase::Events(_), Some(memory)) => {
                BringUpError::FirstFetch { request: memory.requests.frame(Purpose::Events), state }
            }
            (Phase::PortEnable(_), _) => BringUpError::Deadline { step: "port enable", state },
            _ => {
                let step = self.discover.as_ref().map_or("discovery", |(d, _)| d.name());
                BringUpError::Deadline { step, state }
            }
        }
    }

    /// The first request that the controller fetches from memory.
    fn enable_events(&mut self, registers: &mut dyn Registers) {
        let Some(memory) = &mut self.memory else { return };
        let request = EventNotifyRequest2 {
            function: Function::EVENT_NOTIFICATION,
            event_masks: events::masks().map(Into::into),
            sas_broadcast_primitive_masks: u16::MAX.into(),
            sas_notify_primitive_masks: u16::MAX.into(),
            ..EventNotifyRequest2::new_zeroed()
        };
        memory.requests.post(Purpose::Events, request.as_bytes(), &mut self.sync, registers);
    }

    fn enable_port(&mut self, registers: &mut dyn Registers) {
        let Some(memory) = &mut self.memory else { return };
        if memory.requests.is_out(Purpose::PortEnable) {
            return;
        }
        let request =
            PortEnableRequest { function: Function::PORT_ENABLE, ..FromZeros::new_zeroed() };
        memory.requests.post(Purpose::PortEnable, request.as_bytes(), &mut self.sync, registers);
    }

    /// A reply through memory that the sequence waits for.
    pub(super) fn handle_bring_up_reply(
        &mut self,
        purpose: Purpose,
        bytes: &[u8],
        now: Instant,
    ) -> Result<(), BadReply> {
        let phase = match (purpose, &self.machine.phase) {
            (Purpose::Events, Phase::Events(_)) => {
                let checked = handshake::check_answer(
                    "event notification",
                    bytes,
                    Function::EVENT_NOTIFICATION,
                );
                checked.map(|()| Phase::PortEnable(now + PORT_ENABLE))
            }
            (Purpose::PortEnable, Phase::PortEnable(_)) => {
                handshake::check_answer("port enable", bytes, Function::PORT_ENABLE).map(|()| {
                    let raid = IocCapabilities2::INTEGRATED_RAID;
                    let raid = self.plan.as_ref().is_some_and(|plan| plan.facts.can(raid));
                    // What came before is found by the walk.
                    self.arrivals.clear();
                    self.discover = Some((Discover::all(raid), now + discover::REQUEST));
                    Phase::Discover
                })
            }
            _ => return Err(BadReply::UnknownTag { raw: u32::MAX }),
        };
        self.machine.phase = phase.unwrap_or_else(Phase::Failed);
        Ok(())
    }

    /// A page could not be read: the end of a bring-up, or of trust.
    pub(super) fn handle_lookup_error(&mut self, error: BringUpError) {
        match self.machine.phase {
            Phase::Discover => self.machine.phase = Phase::Failed(error),
            _ => self.events.push_back(PortEvent::Distrust("a configuration page makes no sense")),
        }
    }
}
