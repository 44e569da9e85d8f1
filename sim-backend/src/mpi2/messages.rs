//! Messages that are not commands: who handles what, facts, and port enable.

use hba_core::time::Instant;
use zerocopy::IntoBytes;

use super::codes::{IocStatus, function};
use super::layout::{DefaultReply, IocFactsReply, PortFactsReply, RequestHeader, view};
use super::registers::IocState;
use super::{Mpi2Controller, Route, Via};

/// PortType of port facts: a physical SAS port.
const PORT_TYPE_SAS: u8 = 0x30;

/// Whether targets can be reached, and the request that is under way.
#[derive(Clone, Debug, Default)]
pub(super) struct PortEnable {
    done: bool,
    pending: Option<PendingPortEnable>,
}

#[derive(Clone, Debug)]
struct PendingPortEnable {
    due: Instant,
    route: Route,
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

impl Mpi2Controller {
    /// Handles one message that is neither a SCSI IO nor task management.
    pub(super) fn handle_message(&mut self, message: &[u8], via: Via) {
        let header: RequestHeader = view(message);
        match (header.function, via) {
            (function::IOC_INIT, _) => self.handle_ioc_init(message, via),
            (function::IOC_FACTS, _) => self.handle_ioc_facts(&header, via),
            (function::PORT_FACTS, _) => self.handle_port_facts(&header, via),
            // The doorbell is for start-up only.
            (_, Via::Doorbell) => self.refuse(message, IocStatus::INVALID_FUNCTION, via),
            (function::PORT_ENABLE, Via::Queue(route)) => self.handle_port_enable(message, route),
            (function::CONFIG, _) => self.handle_config(message, via),
            (function::EVENT_NOTIFICATION, _) => self.handle_event_notification(message, via),
            (function::EVENT_ACK, _) => self.handle_event_ack(message, via),
            (function::SAS_IO_UNIT_CONTROL, _) => self.handle_sas_control(message, via),
            (function::FW_UPLOAD, _) => self.handle_fw_upload(message, via),
            (function::DIAG_BUFFER_POST, _) => self.handle_diag_buffer_post(message, via),
            (function::DIAG_RELEASE, _) => self.handle_diag_release(message, via),
            // RAID, firmware, passthrough of other protocols, toolbox: not on these parts, or not in this model.
            _ => self.refuse(message, IocStatus::INVALID_FUNCTION, via),
        }
    }

    /// Answers a message with a default reply.
    pub(super) fn refuse(&mut self, message: &[u8], status: IocStatus, via: Via) {
        let reply = default_reply(message, status);
        self.reply(via, &reply);
    }

    fn handle_ioc_facts(&mut self, header: &RequestHeader, via: Via) {
        let facts = &self.personality.facts;
        let [major, minor, unit, dev] = facts.firmware;
        let reply = IocFactsReply {
            msg_version: facts.version.number().into(),
            msg_length: (size_of::<IocFactsReply>() / 4) as u8,
            function: header.function,
            header_version: facts.header_version.into(),
            msg_flags: header.msg_flags,
            max_chain_depth: facts.max_chain_depth,
            who_init: self.who_init,
            number_of_ports: facts.number_of_ports,
            max_msix_vectors: facts.max_msix_vectors,
            request_credit: facts.request_credit.into(),
            product_id: facts.product_id.into(),
            ioc_capabilities: facts.capabilities.into(),
            fw_version_dev: dev,
            fw_version_unit: unit,
            fw_version_minor: minor,
            fw_version_major: major,
            ioc_request_frame_size: facts.request_frame_size.into(),
            ioc_max_chain_segment_size: facts.max_chain_segment_size.into(),
            max_initiators: 32.into(),
            max_targets: facts.max_targets.into(),
            max_sas_expanders: 64.into(),
            max_enclosures: 65.into(),
            protocol_flags: facts.protocol_flags.into(),
            high_priority_credit: facts.high_priority_credit.into(),
            max_reply_post_queue_depth: facts.max_reply_post_queue_depth.into(),
            reply_frame_size: facts.reply_frame_size,
            max_volumes: facts.max_volumes,
            max_dev_handle: facts.max_dev_handle.into(),
            max_persistent_entries: facts.max_persistent_entries.into(),
            min_dev_handle: facts.min_dev_handle().into(),
            ..IocFactsReply::default()
        };
        self.reply(via, &reply);
    }

    fn handle_port_facts(&mut self, header: &RequestHeader, via: Via) {
        let port_number = header.specific_1[2];
        let mut reply = PortFactsReply {
            msg_length: (size_of::<PortFactsReply>() / 4) as u8,
            function: header.function,
            port_number,
            msg_flags: header.msg_flags,
            ..PortFactsReply::default()
        };
        if port_number < self.personality.facts.number_of_ports {
            reply.port_type = PORT_TYPE_SAS;
        } else {
            reply.ioc_status.set(IocStatus::INVALID_FIELD.0);
        }
        self.reply(via, &reply);
    }

    /// Discovery begins; its events come before the reply.
    fn handle_port_enable(&mut self, message: &[u8], route: Route) {
        if self.port_enable.pending.is_some() {
            return self.refuse(message, IocStatus::INVALID_STATE, Via::Queue(route));
        }
        let reply = default_reply(message, IocStatus::SUCCESS);
        let due = self.now + self.personality.behaviour.port_enable_time;
        self.port_enable.pending = Some(PendingPortEnable { due, route, reply });
        self.begin_discovery();
        self.finish_port_enable();
    }

    /// Answers a port enable whose time has come and whose events are out.
    pub(super) fn finish_port_enable(&mut self) -> bool {
        let quiet = self.events.is_idle() && self.state == IocState::Operational;
        let due = |pending: &mut PendingPortEnable| quiet && pending.due <= self.now;
        let Some(pending) = self.port_enable.pending.take_if(due) else { return false };
        self.port_enable.done = true;
        self.post_frame(pending.route, pending.reply.as_bytes());
        true
    }
}

/// The default reply to a message, with the fields that replies have in common with their requests.
pub(super) fn default_reply(message: &[u8], status: IocStatus) -> DefaultReply {
    let header: RequestHeader = view(message);
    DefaultReply {
        specific: header.specific,
        msg_length: (size_of::<DefaultReply>() / 4) as u8,
        function: header.function,
        specific_1: header.specific_1,
        msg_flags: header.msg_flags,
        vp_id: header.vp_id,
        vf_id: header.vf_id,
        ioc_status: status.0.into(),
        ..DefaultReply::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_reply_repeats_what_the_request_said() {
        let reply = default_reply(&[1, 2, 3, 0x15, 4, 5, 6, 7], IocStatus::INVALID_FUNCTION);
        assert_eq!(reply.as_bytes()[..8], [1, 2, 5, 0x15, 4, 5, 6, 7]);
        assert_eq!(reply.ioc_status.get(), 1);
    }
}
