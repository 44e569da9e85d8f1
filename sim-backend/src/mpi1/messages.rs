//! Requests from the FIFOs and the doorbell: who handles what, and the messages of start-up.

use hba_core::dma::BusAddr;
use hba_core::time::Instant;
use zerocopy::IntoBytes;

use super::codes::{IocStatus, function};
use super::layout::{
    DefaultReply, IocFactsReply, IocInit, IocInitReply, PortFactsReply, RequestHeader, view,
};
use super::personality::Facts;
use super::registers::{FaultCode, IocState};
use super::scsi_io::Frame;
use super::{Mpi1Controller, Via};

/// Product: SAS1068 family, initiator, SAS.
const PRODUCT_ID: u16 = 0x2102;
/// IOCCapabilities: there is a high-priority FIFO.
const CAPABILITY_HIGH_PRIORITY: u32 = 0x01;
/// PortType of port facts.
const PORT_TYPE_SAS: u8 = 0x30;

/// What the host said with IOC_INIT, or the state before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Init {
    pub(super) who_init: u8,
    pub(super) max_devices: u16,
    max_buses: u8,
    pub(super) reply_frame_size: u16,
    /// High half of all frame addresses.
    pub(super) host_mfa_high: u32,
    /// High half of all sense buffer addresses.
    pub(super) sense_high: u32,
}

impl Init {
    pub(super) const fn new(facts: &Facts) -> Self {
        Self {
            who_init: 0,
            max_devices: facts.max_devices as u16,
            max_buses: 1,
            reply_frame_size: 0,
            host_mfa_high: 0,
            sense_high: 0,
        }
    }
}

/// Whether targets can be reached, and the request that is under way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PortEnable {
    done: bool,
    pending: Option<PendingPortEnable>,
}

#[derive(Clone, Copy, Debug)]
struct PendingPortEnable {
    due: Instant,
    via: Via,
    reply: DefaultReply,
}

impl PortEnable {
    pub(super) const fn is_done(&self) -> bool {
        self.done
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.pending.as_ref().map(|pending| pending.due)
    }
}

impl Mpi1Controller {
    /// The host posts a request frame.
    pub(super) fn post_request(&mut self, word: u32, high_priority: bool) {
        if matches!(self.state, IocState::Fault(_) | IocState::Reset) {
            return;
        }
        if high_priority && self.personality.facts.high_priority_queue_depth == 0 {
            return;
        }
        let outstanding = self.fifos.request.len() + self.tasks.len() + self.replies.len();
        let credits = usize::from(self.personality.facts.global_credits);
        let over = self.personality.behaviour.enforces_credits && outstanding >= credits;
        let fifo =
            if high_priority { &mut self.fifos.high_priority } else { &mut self.fifos.request };
        if (over && !high_priority) || fifo.push(word).is_err() {
            self.force_fault(FaultCode::INSUFFICIENT_RESOURCES);
        }
    }

    /// Fetches and handles one request frame.
    pub(super) fn fetch_request(&mut self) -> bool {
        let waiting = !self.fifos.request.is_empty() || !self.fifos.high_priority.is_empty();
        if !waiting || matches!(self.state, IocState::Fault(_) | IocState::Reset) {
            return false;
        }
        if self.state != IocState::Operational {
            self.force_fault(FaultCode::INVALID_STATE);
            return false;
        }
        let urgent = self.fifos.high_priority.pop();
        let Some(word) = urgent.or_else(|| self.fifos.request.pop()) else { return false };
        let bus = u64::from(self.init.host_mfa_high) << 32 | u64::from(word & !3);
        let frame = Frame { bus: BusAddr::new(bus), len: self.frame_len(word & 3) };
        match self.fetch_message(frame) {
            Some(message)
                if urgent.is_none() || message.get(3) == Some(&function::SCSI_TASK_MGMT) =>
            {
                self.handle_message(&message, Some(frame), Via::Fifo);
            }
            Some(message) => self.refuse(&message, IocStatus::INVALID_FUNCTION, Via::Fifo),
            None => self.force_fault(FaultCode::HOST_MEMORY),
        }
        true
    }

    /// How many bytes of a frame the size hint in the low two bits of its address asks for.
    fn frame_len(&self, hint: u32) -> u32 {
        let facts = &self.personality.facts;
        let whole = u32::from(facts.request_frame_size) * 4;
        match hint {
            0 => whole,
            steps => (steps * u32::from(facts.block_size) * 4).min(whole),
        }
    }

    /// Copies a message from host memory: the header, and what its function has after that.
    fn fetch_message(&self, frame: Frame) -> Option<Vec<u8>> {
        let mut message = vec![0; size_of::<RequestHeader>()];
        self.fetch(frame.bus, &mut message).ok()?;
        let all = match message.get(3).copied()? {
            function::SCSI_IO => 48,
            function::SCSI_TASK_MGMT => 52,
            function::IOC_INIT => 44,
            function::CONFIG => 40,
            function::EVENT_ACK => 20,
            function::SAS_IO_UNIT_CONTROL => 32,
            _ => 12,
        };
        let mut rest = vec![0; all - message.len()];
        self.fetch(frame.bus.offset(message.len() as u64), &mut rest).ok()?;
        message.append(&mut rest);
        Some(message)
    }

    /// Handles one message. `frame`: where it lies, unless it came by doorbell.
    pub(super) fn handle_message(&mut self, message: &[u8], frame: Option<Frame>, via: Via) {
        let header: RequestHeader = view(message);
        match (header.function, frame) {
            (function::SCSI_IO, Some(frame)) => self.begin_scsi_io(frame, message),
            (function::SCSI_TASK_MGMT, _) => self.handle_task_mgmt(message, via),
            (function::IOC_INIT, _) => self.handle_ioc_init(message, via),
            (function::IOC_FACTS, _) => self.handle_ioc_facts(&header, via),
            (function::CONFIG, _) => self.handle_config(message, via),
            (function::PORT_FACTS, _) => self.handle_port_facts(&header, via),
            (function::PORT_ENABLE, _) => self.handle_port_enable(message, via),
            (function::EVENT_NOTIFICATION, _) => self.handle_event_notification(&header, via),
            _ if self.personality.behaviour.unknown_function_faults => {
                self.force_fault(FaultCode::INVALID_FUNCTION);
            }
            (function::EVENT_ACK, _) => self.handle_event_ack(message, via),
            (function::SAS_IO_UNIT_CONTROL, _) => self.refuse(message, IocStatus::SUCCESS, via),
            _ => self.refuse(message, IocStatus::INVALID_FUNCTION, via),
        }
    }

    /// Answers a message with a default reply.
    pub(super) fn refuse(&mut self, message: &[u8], status: IocStatus, via: Via) {
        let reply = default_reply(message, status);
        self.reply(via, &reply);
    }

    fn handle_ioc_init(&mut self, message: &[u8], via: Via) {
        if self.personality.behaviour.checks_start_up && self.state != IocState::Ready {
            return self.refuse(message, IocStatus::INVALID_STATE, via);
        }
        let request: IocInit = view(message);
        self.init = Init {
            who_init: request.who_init,
            max_devices: match request.max_devices {
                0 => 256,
                devices => devices.into(),
            },
            max_buses: request.max_buses,
            reply_frame_size: request.reply_frame_size.get(),
            host_mfa_high: request.host_mfa_high_addr.get(),
            sense_high: request.sense_buffer_high_addr.get(),
        };
        if self.state == IocState::Ready {
            self.state = IocState::Operational;
        }
        let reply = IocInitReply {
            who_init: request.who_init,
            msg_length: (size_of::<IocInitReply>() / 4) as u8,
            function: request.function,
            // 256 does not fit the byte and reads 0 there, as in the request.
            max_devices: request.max_devices,
            max_buses: request.max_buses,
            msg_context: request.msg_context,
            ..IocInitReply::default()
        };
        self.reply(via, &reply);
    }

    fn handle_ioc_facts(&mut self, header: &RequestHeader, via: Via) {
        let facts = &self.personality.facts;
        let [major, minor, unit, dev] = facts.firmware;
        let high_priority = facts.high_priority_queue_depth;
        let capabilities = if high_priority == 0 { 0 } else { CAPABILITY_HIGH_PRIORITY };
        let reply = IocFactsReply {
            msg_version: 0x0105.into(),
            msg_length: (size_of::<IocFactsReply>() / 4) as u8,
            function: header.function,
            msg_context: header.msg_context,
            max_chain_depth: facts.max_chain_depth,
            who_init: self.init.who_init,
            block_size: facts.block_size,
            reply_queue_depth: facts.reply_queue_depth.into(),
            request_frame_size: facts.request_frame_size.into(),
            product_id: PRODUCT_ID.into(),
            current_host_mfa_high_addr: self.init.host_mfa_high.into(),
            global_credits: facts.global_credits.into(),
            number_of_ports: facts.number_of_ports,
            event_state: self.events.state_byte(),
            current_sense_buffer_high_addr: self.init.sense_high.into(),
            cur_reply_frame_size: self.init.reply_frame_size.into(),
            max_devices: self.init.max_devices as u8,
            max_buses: self.init.max_buses,
            ioc_capabilities: capabilities.into(),
            fw_version_dev: dev,
            fw_version_unit: unit,
            fw_version_minor: minor,
            fw_version_major: major,
            high_priority_queue_depth: high_priority.into(),
            ..IocFactsReply::default()
        };
        self.reply(via, &reply);
    }

    fn handle_port_facts(&mut self, header: &RequestHeader, via: Via) {
        let facts = &self.personality.facts;
        let port_number = header.specific_1[2];
        let mut reply = PortFactsReply {
            msg_length: (size_of::<PortFactsReply>() / 4) as u8,
            function: header.function,
            port_number,
            msg_context: header.msg_context,
            ..PortFactsReply::default()
        };
        if port_number < facts.number_of_ports {
            reply.port_type = PORT_TYPE_SAS;
            reply.max_devices = u16::from(facts.max_devices).into();
            reply.port_scsi_id = u16::from(facts.max_devices).into();
            reply.protocol_flags = facts.protocol_flags.into();
        } else if !self.personality.behaviour.unknown_function_faults {
            reply.ioc_status.set(IocStatus::INVALID_FIELD.0);
        }
        self.reply(via, &reply);
    }

    fn handle_port_enable(&mut self, message: &[u8], via: Via) {
        let early = self.state != IocState::Operational || self.port_enable.pending.is_some();
        if early && self.personality.behaviour.checks_start_up {
            return self.refuse(message, IocStatus::INVALID_STATE, via);
        }
        let reply = default_reply(message, IocStatus::SUCCESS);
        let due = self.now + self.personality.behaviour.port_enable_time;
        self.port_enable.pending = Some(PendingPortEnable { due, via, reply });
        self.finish_port_enable();
    }

    /// Answers a port enable whose time has come.
    pub(super) fn finish_port_enable(&mut self) -> bool {
        let due = |pending: &mut PendingPortEnable| pending.due <= self.now;
        let Some(pending) = self.port_enable.pending.take_if(due) else { return false };
        self.port_enable.done = true;
        self.reply_bytes(pending.via, pending.reply.as_bytes());
        true
    }
}

/// The default reply to a message, with the fields that replies have in common with their requests.
fn default_reply(message: &[u8], status: IocStatus) -> DefaultReply {
    let header: RequestHeader = view(message);
    DefaultReply {
        specific: header.specific,
        msg_length: (size_of::<DefaultReply>() / 4) as u8,
        function: header.function,
        specific_1: header.specific_1,
        msg_context: header.msg_context,
        ioc_status: status.0.into(),
        ..DefaultReply::default()
    }
}
