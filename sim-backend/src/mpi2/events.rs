//! Event notification: which events the host wants, those on their way, and those that want an answer.

use alloc::collections::VecDeque;

use zerocopy::IntoBytes;

use super::codes::{IocStatus, function};
use super::layout::{EventAck, EventNotification, EventNotificationReply, view};
use super::registers::IocState;
use super::{Mpi2Controller, Route, Via};

/// Event: the answer to EVENT_NOTIFICATION itself.
const EVENT_CHANGE: u16 = 0x0a;
/// Events that wait while the host gives no frames; older ones are dropped.
const QUEUE_MAX: usize = 256;

/// Which events the host wants, and those that it has not seen or acknowledged.
#[derive(Clone, Debug, Default)]
pub(super) struct Events {
    /// Once the host has asked: a bit for each event that it does not want.
    masks: Option<u128>,
    queue: VecDeque<Event>,
    /// Event and event context of those that want an acknowledgement.
    unacknowledged: Vec<(u16, u32)>,
    next_context: u32,
}

#[derive(Clone, Debug)]
struct Event {
    code: u16,
    data: Vec<u8>,
    wants_ack: bool,
}

impl Events {
    /// Whether no event waits to be sent.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    fn wants(&self, code: u16) -> bool {
        self.masks.is_some_and(|masks| masks.checked_shr(code.into()).unwrap_or(1) & 1 == 0)
    }

    fn push(&mut self, event: Event) {
        if !self.wants(event.code) {
            return;
        }
        if self.queue.len() == QUEUE_MAX {
            self.queue.pop_front();
        }
        self.queue.push_back(event);
    }
}

impl Mpi2Controller {
    /// Events that were sent and ask for an acknowledgement that has not come.
    #[must_use]
    pub fn unacknowledged_events(&self) -> usize {
        self.events.unacknowledged.len()
    }

    /// Queues an event for the host, if it wants events of that code: event code and event data, whole dwords.
    pub fn raise_event(&mut self, code: u16, data: &[u8]) {
        self.events.push(Event { code, data: data.to_vec(), wants_ack: false });
    }

    /// As [`raise_event`](Self::raise_event), with an acknowledgement where the personality asks for them.
    pub(super) fn raise_acknowledged(&mut self, code: u16, data: &[u8]) {
        let wants_ack = self.personality.behaviour.events_need_ack;
        self.events.push(Event { code, data: data.to_vec(), wants_ack });
    }

    pub(super) fn handle_event_notification(&mut self, message: &[u8], via: Via) {
        let request: EventNotification = view(message);
        let words = request.event_masks.iter().rev();
        let masks = words.fold(0, |masks: u128, word| masks << 32 | u128::from(word.get()));
        self.events.masks = Some(masks);
        let mut reply = event_reply(EVENT_CHANGE, 0);
        reply.msg_flags = request.msg_flags;
        self.reply(via, &reply);
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

    /// Sends the oldest event, if there is a frame for it: SMID 0, vector 0.
    pub(super) fn send_event(&mut self) -> bool {
        let starved = self.init.as_ref().is_none_or(|init| init.free.is_empty());
        if starved || self.state != IocState::Operational || !self.replies.is_empty() {
            return false;
        }
        let Some(event) = self.events.queue.pop_front() else { return false };
        let mut reply = event_reply(event.code, event.data.len());
        reply.event_context.set(self.events.next_context);
        if event.wants_ack {
            reply.ack_required = 1;
            self.events.unacknowledged.push((event.code, self.events.next_context));
        }
        self.events.next_context = self.events.next_context.wrapping_add(1);
        let mut message = reply.as_bytes().to_vec();
        message.extend(event.data);
        self.post_frame(Route { smid: 0, vector: 0 }, &message);
        true
    }
}

/// An event reply for `data_len` bytes of event data.
fn event_reply(code: u16, data_len: usize) -> EventNotificationReply {
    EventNotificationReply {
        event_data_length: ((data_len / 4) as u16).into(),
        msg_length: ((size_of::<EventNotificationReply>() + data_len) / 4) as u8,
        function: function::EVENT_NOTIFICATION,
        event: code.into(),
        ..EventNotificationReply::default()
    }
}
