//! Event notification and the events of a changing topology.

use alloc::collections::VecDeque;

use zerocopy::IntoBytes;

use super::codes::IocStatus;
use super::config_pages::{RATE_30, RATE_UNKNOWN};
use super::layout::{
    EventAck, EventNotifyReply, RequestHeader, SasDeviceStatusChange, SasPhyLinkStatus, view,
};
use super::registers::IocState;
use super::{Mpi1Controller, Via};
use crate::target::SasAddress;

/// Event: notification was switched on or off.
const EVENT_EVENT_CHANGE: u32 = 0x0a;
/// Event: a SAS device came, went or has something to say.
const EVENT_SAS_DEVICE_STATUS_CHANGE: u32 = 0x0f;
/// Event: the link of a phy came up or went down.
const EVENT_SAS_PHY_LINK_STATUS: u32 = 0x12;
/// ReasonCode: the device was added.
const REASON_ADDED: u8 = 3;
/// ReasonCode: the device does not respond any more.
const REASON_NOT_RESPONDING: u8 = 4;
/// MsgFlags: the request is not finished by this reply.
const CONTINUATION_REPLY: u8 = 0x80;

/// Events that wait while the host gives no frames; older ones are dropped.
const QUEUE_MAX: usize = 64;

/// Whether the host wants events, and those that it has not seen or acknowledged.
#[derive(Clone, Debug, Default)]
pub(super) struct Events {
    /// The message context of EVENT_NOTIFICATION, while switched on.
    wanted_by: Option<u32>,
    queue: VecDeque<(u32, Vec<u8>)>,
    /// Event and event context of those that want an acknowledgement.
    unacknowledged: Vec<(u32, u32)>,
    next_context: u32,
}

impl Events {
    /// EventState of IOC facts.
    pub(super) const fn state_byte(&self) -> u8 {
        self.wanted_by.is_some() as u8
    }

    fn push(&mut self, event: u32, data: &[u8]) {
        if self.wanted_by.is_none() {
            return;
        }
        if self.queue.len() == QUEUE_MAX {
            self.queue.pop_front();
        }
        self.queue.push_back((event, data.to_vec()));
    }
}

impl Mpi1Controller {
    /// Events that were sent and ask for an acknowledgement that has not come.
    #[must_use]
    pub fn unacknowledged_events(&self) -> usize {
        self.events.unacknowledged.len()
    }

    /// Queues an event for the host: event code and event data, whole dwords.
    pub fn raise_event(&mut self, event: u32, data: &[u8]) {
        self.events.push(event, data);
    }

    pub(super) fn handle_event_notification(&mut self, header: &RequestHeader, via: Via) {
        let on = header.specific[0];
        let knows_off = self.personality.behaviour.reports_topology;
        self.events.wanted_by = (on != 0).then_some(header.msg_context.get());
        let mut reply = event_reply(header.msg_context.get(), EVENT_EVENT_CHANGE, 4);
        if on == 0 && knows_off {
            reply.msg_flags = 0;
        }
        let mut message = reply.as_bytes().to_vec();
        message.extend([(on != 0).into(), 0, 0, 0]);
        self.reply_bytes(via, &message);
    }

    pub(super) fn handle_event_ack(&mut self, message: &[u8], via: Via) {
        let ack: EventAck = view(message);
        let wanted = (ack.event.get(), ack.event_context.get());
        let index = self.events.unacknowledged.iter().position(|event| *event == wanted);
        let status = match index {
            Some(index) => {
                self.events.unacknowledged.remove(index);
                IocStatus::SUCCESS
            }
            None => IocStatus::INVALID_FIELD,
        };
        self.refuse(message, status, via);
    }

    /// Sends the oldest event, if there is a frame for it.
    pub(super) fn send_event(&mut self) -> bool {
        let starved = self.fifos.reply_free.is_empty() || self.replies.len() != 0;
        if starved || self.state != IocState::Operational {
            return false;
        }
        let Some(context) = self.events.wanted_by else { return false };
        let Some((event, data)) = self.events.queue.pop_front() else { return false };
        let mut reply = event_reply(context, event, data.len());
        reply.event_context.set(self.events.next_context);
        if self.personality.behaviour.events_need_ack {
            reply.ack_required = 1;
            self.events.unacknowledged.push((event, self.events.next_context));
        }
        self.events.next_context = self.events.next_context.wrapping_add(1);
        let mut message = reply.as_bytes().to_vec();
        message.extend(data);
        self.post_frame(&message);
        true
    }

    pub(super) fn note_attached(&mut self, slot: usize) {
        if let Some(target) = self.topology.target(slot) {
            let address = target.sas_address();
            self.report_device(slot, address, REASON_ADDED);
        }
    }

    pub(super) fn note_detached(&mut self, slot: usize, address: SasAddress) {
        self.terminate_slot(slot);
        self.report_device(slot, address, REASON_NOT_RESPONDING);
    }

    fn report_device(&mut self, slot: usize, address: SasAddress, reason: u8) {
        if !self.personality.behaviour.reports_topology || !self.port_enable.is_done() {
            return;
        }
        self.report_link(slot, reason == REASON_ADDED);
        let data = SasDeviceStatusChange {
            target_id: slot as u8,
            reason_code: reason,
            dev_handle: self.device_handle(slot).into(),
            device_info: Self::DEVICE_INFO.into(),
            parent_dev_handle: self.phy_handle(slot).into(),
            phy_num: slot as u8,
            sas_address: address.0.into(),
            ..SasDeviceStatusChange::default()
        };
        self.events.push(EVENT_SAS_DEVICE_STATUS_CHANGE, data.as_bytes());
    }

    /// The link comes first: Linux learns from it what is behind the phy, and takes no device where it has learned nothing.
    fn report_link(&mut self, slot: usize, up: bool) {
        let (now, before) = if up { (RATE_30, RATE_UNKNOWN) } else { (RATE_UNKNOWN, RATE_30) };
        let data = SasPhyLinkStatus {
            phy_num: slot as u8,
            link_rates: now << 4 | before,
            dev_handle: self.phy_handle(slot).into(),
            sas_address: self.personality.identity.sas_address.into(),
        };
        self.events.push(EVENT_SAS_PHY_LINK_STATUS, data.as_bytes());
    }
}

/// An event reply for `data_len` bytes of event data.
fn event_reply(context: u32, event: u32, data_len: usize) -> EventNotifyReply {
    EventNotifyReply {
        event_data_length: ((data_len / 4) as u16).into(),
        msg_length: ((size_of::<EventNotifyReply>() + data_len) / 4) as u8,
        function: super::codes::function::EVENT_NOTIFICATION,
        msg_flags: CONTINUATION_REPLY,
        msg_context: context.into(),
        event: event.into(),
        ..EventNotifyReply::default()
    }
}
