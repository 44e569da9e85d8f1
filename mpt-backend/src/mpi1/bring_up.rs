//! The start-up sequence, from whatever state firmware left the controller in to OPERATIONAL.
//!
//! ```text
//!   reset to READY
//!   IOC facts, port facts          doorbell; no DMA so far
//!   -- memory --
//!   reply frames posted            reply FIFO
//!   IOC init                       doorbell; then OPERATIONAL
//!   IOC facts again                request FIFO: the first fetch. Where a mapping is wrong, it faults here
//!   port enable                    doorbell
//!   event notification             doorbell
//!   SAS device pages               request FIFO
//! ```
//!
//! The order is that of MPI 1.x drivers in the field; every arrow waits on a deadline.

use core::time::Duration;

use hba_core::command::TargetId;
use hba_core::dma::DmaSync;
use hba_core::port::{BadReply, BringUp, BringUpError, PortEvent, Start, TargetInfo};
use hba_core::register::{RegOffset, Registers};
use hba_core::time::Instant;
use zerocopy::{FromZeros, IntoBytes};

use super::config::{Facts, Plan, Port};
use super::control::Mpi1;
use super::discover::{self, Discover, Next};
use super::requests::Purpose;
use super::reset::{Chip, Reset};
use crate::bring_up::{self, POLL, Progress};
use crate::handshake::{self, Handshake};
use crate::ioc;
use crate::reply::REPLY_FRAME;
use crate::wire::event::{EventNotifyRequest, EventSwitch};
use crate::wire::ioc::{
    IocFactsReply, IocFactsRequest, IocInitReply, IocInitRequest, MsgVersion, WhoInit,
};
use crate::wire::message::{DefaultReply, Function};
use crate::wire::port::{PortEnableRequest, PortFactsReply, PortType};
use crate::wire::registers::{DOORBELL, Doorbell, REPLY_FIFO, REQUEST_FIFO};

/// For IOC init.
const INIT: Duration = Duration::from_secs(10);
/// For port enable on SAS: spinning up and discovering takes this long at worst.
const PORT_ENABLE: Duration = Duration::from_secs(300);
/// For event notification.
const EVENT_NOTIFICATION: Duration = Duration::from_secs(30);
/// From IOC init to OPERATIONAL.
const OPERATIONAL: Duration = Duration::from_secs(60);
/// For the first request that goes through memory.
const FIRST_FETCH: Duration = Duration::from_secs(10);

/// The header version that is reported to firmware of MPI 1.5 and later.
const HEADER_VERSION: u16 = 0x1300;

/// Where the sequence is.
#[derive(Debug)]
pub(super) struct BringUpMachine {
    start: Start,
    phase: Phase,
    port: Option<Port>,
}

#[derive(Debug)]
enum Phase {
    Reset(Reset),
    Facts(Handshake),
    PortFacts(Handshake),
    Memory,
    Init(Handshake),
    Operational(Instant),
    FirstFetch(Instant),
    PortEnable(Handshake),
    Events(Handshake),
    Discover(Discover, Instant),
    Ready,
    Failed(BringUpError),
}

type Turn = bring_up::Turn<Phase>;

impl BringUpMachine {
    pub(super) fn new() -> Self {
        Self { start: Start::Attach, phase: Phase::Ready, port: None }
    }

    pub(super) const fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Ready)
    }

    pub(super) fn begin(&mut self, start: Start) {
        self.start = start;
        self.phase = Phase::Reset(Reset::new(Chip));
    }
}

impl<F, S: DmaSync> Mpi1<F, S> {
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
            Phase::Facts(handshake)
            | Phase::PortFacts(handshake)
            | Phase::Init(handshake)
            | Phase::PortEnable(handshake)
            | Phase::Events(handshake) => match handshake.poll(now, registers) {
                Progress::Wait(at) => Turn::Return(self.wait(at)),
                ended => ended
                    .unfinished(Phase::Failed)
                    .unwrap_or_else(|| self.handshake_done(now, registers)),
            },
            Phase::Memory if self.memory.is_none() => Turn::Return(BringUp::NeedMemory),
            Phase::Memory => self.initialise(registers),
            Phase::Operational(deadline) => {
                let deadline = *deadline;
                self.await_operational(deadline, now, registers)
            }
            Phase::FirstFetch(deadline) | Phase::Discover(_, deadline) => {
                let deadline = *deadline;
                self.await_reply(deadline, now, registers)
            }
            Phase::Ready => Turn::Return(BringUp::Ready),
            Phase::Failed(error) => Turn::Return(BringUp::Failed(*error)),
        }
    }

    /// Before memory there is nothing to serve; after it, replies may come.
    fn wait(&self, at: Instant) -> BringUp {
        match self.machine.phase {
            Phase::PortEnable(_) | Phase::Events(_) => BringUp::Serving(at),
            _ => BringUp::Wait(at),
        }
    }

    fn handshake_done(&mut self, now: Instant, registers: &mut dyn Registers) -> Turn {
        let next = match &self.machine.phase {
            Phase::Facts(handshake) => handshake
                .answer::<IocFactsReply>(Function::IOC_FACTS)
                .and_then(|reply| self.take_facts(&reply)),
            Phase::PortFacts(handshake) => {
                handshake.answer::<PortFactsReply>(Function::PORT_FACTS).map(|reply| {
                    self.machine.port = Some(Port::of(&reply));
                    Phase::Memory
                })
            }
            Phase::Init(handshake) => handshake
                .answer::<IocInitReply>(Function::IOC_INIT)
                .map(|_| Phase::Operational(now + OPERATIONAL)),
            Phase::PortEnable(handshake) => handshake
                .answer::<DefaultReply>(Function::PORT_ENABLE)
                .map(|_| Phase::Events(self.enable_events())),
            Phase::Events(handshake) => {
                let (bytes, len) = handshake.reply();
                // The reply is an event like those that follow.
                let _ = self.handle_event(&bytes[..len]);
                self.send_acknowledgement(registers);
                Ok(self.begin_discovery(now))
            }
            _ => return Turn::Return(BringUp::Wait(now)),
        };
        Turn::Enter(next.unwrap_or_else(Phase::Failed))
    }

    fn take_facts(&mut self, reply: &IocFactsReply) -> Result<Phase, BringUpError> {
        let facts = Facts::check(reply)?;
        match &self.plan {
            // Memory was laid out for the first facts. A controller that offers less after a reset does not fit it.
            Some(plan) if self.memory.is_some() => {
                if !plan.facts.covers(&facts) {
                    let value = u32::from(facts.credits);
                    return Err(BringUpError::Fact {
                        name: "credits or sizes after a reset",
                        value,
                    });
                }
            }
            _ => self.plan = Some(Plan::new(&self.config, facts)?),
        }
        Ok(Phase::PortFacts(handshake::ask_port_facts()))
    }

    /// Posts the reply frames and sends IOC init.
    fn initialise(&mut self, registers: &mut dyn Registers) -> Turn {
        let (Some(plan), Some(memory)) = (&self.plan, &self.memory) else {
            return Turn::Return(BringUp::NeedMemory);
        };
        for frame in 0..u32::from(plan.replies) {
            let address = memory.replies_low.wrapping_add(frame * REPLY_FRAME as u32);
            registers.write32(RegOffset(REPLY_FIFO), address);
        }
        let modern = plan.facts.version >= MsgVersion::MPI_1_5;
        let request = IocInitRequest {
            who_init: WhoInit::HOST_DRIVER,
            function: Function::IOC_INIT,
            max_devices: plan.facts.max_devices,
            max_buses: plan.facts.max_buses.max(1),
            reply_frame_size: (REPLY_FRAME as u16).into(),
            host_mfa_high_addr: memory.frames_high.into(),
            sense_buffer_high_addr: memory.sense_high.into(),
            msg_version: if modern { MsgVersion::MPI_1_5.0 } else { 0 }.into(),
            header_version: if modern { HEADER_VERSION } else { 0 }.into(),
            ..IocInitRequest::new_zeroed()
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
        self.first_fetch(registers);
        Turn::Enter(Phase::FirstFetch(now + FIRST_FETCH))
    }

    /// Waits for a reply through memory; its FIFO cannot tell an idle controller from one that is gone or in fault.
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
        if now >= deadline || doorbell.fault_code().is_some() {
            return Turn::Enter(Phase::Failed(self.no_reply(doorbell.0)));
        }
        self.ask_next_page(registers);
        Turn::Return(BringUp::Serving(now + POLL))
    }

    /// A fetch that faulted looks like this; only the first one says something about the mapping as a whole.
    fn no_reply(&self, state: u32) -> BringUpError {
        match (&self.machine.phase, &self.memory) {
            (Phase::FirstFetch(_), Some(memory)) => BringUpError::FirstFetch {
                request: memory.requests.frame(Purpose::FirstFetch),
                state,
            },
            _ => BringUpError::Deadline { step: discover::NAME, state },
        }
    }

    /// The first request that the controller fetches from memory: one that asks, and changes nothing.
    fn first_fetch(&mut self, registers: &mut dyn Registers) {
        let Some(memory) = &mut self.memory else { return };
        let context = memory.requests.claim(Purpose::FirstFetch);
        let request = IocFactsRequest {
            function: Function::IOC_FACTS,
            msg_context: context.0.into(),
            ..IocFactsRequest::new_zeroed()
        };
        let (bytes, sync) = (request.as_bytes(), &mut self.sync);
        memory.requests.post(Purpose::FirstFetch, bytes, REQUEST_FIFO, sync, registers);
    }

    /// A reply through memory that the sequence waits for.
    pub(super) fn handle_bring_up_reply(
        &mut self,
        purpose: Purpose,
        bytes: &[u8],
        now: Instant,
    ) -> Result<(), BadReply> {
        let phase = match (purpose, &mut self.machine.phase) {
            (Purpose::FirstFetch, Phase::FirstFetch(_)) => {
                check_fetch(bytes).map_or_else(Phase::Failed, |()| Phase::PortEnable(enable_port()))
            }
            (Purpose::Config, Phase::Discover(discover, _)) => {
                let Some(memory) = &self.memory else { return Ok(()) };
                match discover.handle_reply(bytes, &memory.page, &mut self.sync) {
                    Ok(Next::Done) => Phase::Ready,
                    Err(error) => Phase::Failed(error),
                    Ok(next) => {
                        if let Next::Target(target) = next {
                            self.events.push_back(PortEvent::TargetArrived(target));
                        }
                        self.extend_discovery(now);
                        return Ok(());
                    }
                }
            }
            _ => return Err(BadReply::UnknownTag { raw: u32::MAX }),
        };
        self.machine.phase = phase;
        Ok(())
    }

    fn extend_discovery(&mut self, now: Instant) {
        if let Phase::Discover(_, deadline) = &mut self.machine.phase {
            *deadline = now + discover::REQUEST;
        }
    }

    fn enable_events(&mut self) -> Handshake {
        let context = self.memory.as_mut().map(|m| m.requests.claim(Purpose::Events));
        let request = EventNotifyRequest {
            switch: EventSwitch::ON,
            function: Function::EVENT_NOTIFICATION,
            msg_context: context.map_or(0, |c| c.0).into(),
            ..EventNotifyRequest::new_zeroed()
        };
        Handshake::new("event notification", request.as_bytes(), EVENT_NOTIFICATION)
    }

    /// SAS ports list their devices; on parallel SCSI every address but our own may answer.
    fn begin_discovery(&mut self, now: Instant) -> Phase {
        let Some(port) = self.machine.port else { return Phase::Ready };
        if port.kind == PortType::SAS {
            return Phase::Discover(Discover::new(), now + discover::REQUEST);
        }
        let devices = port.max_devices.clamp(1, 256);
        for id in (0..devices).filter(|id| *id != port.initiator_id) {
            let target = TargetInfo::device(TargetId::new(id), 0);
            self.events.push_back(PortEvent::TargetArrived(target));
        }
        Phase::Ready
    }

    fn ask_next_page(&mut self, registers: &mut dyn Registers) {
        let (Phase::Discover(discover, _), Some(memory)) = (&self.machine.phase, &mut self.memory)
        else {
            return;
        };
        if memory.requests.is_out(Purpose::Config) {
            return;
        }
        let context = memory.requests.claim(Purpose::Config);
        let request = discover.request(context, &memory.page);
        let (bytes, sync) = (request.as_bytes(), &mut self.sync);
        memory.requests.post(Purpose::Config, bytes, REQUEST_FIFO, sync, registers);
    }
}

fn enable_port() -> Handshake {
    let request = PortEnableRequest { function: Function::PORT_ENABLE, ..FromZeros::new_zeroed() };
    Handshake::new("port enable", request.as_bytes(), PORT_ENABLE)
}

fn check_fetch(bytes: &[u8]) -> Result<(), BringUpError> {
    handshake::check_answer("the first fetch", bytes, Function::IOC_FACTS)
}
