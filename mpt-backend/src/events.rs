//! Events: what a notification says, and the acknowledgements that are owed for it.

use alloc::collections::VecDeque;

use hba_core::port::{BadReply, PortEvent};
use zerocopy::FromZeros;

use crate::reply;
use crate::wire::event::{EventAckRequest, EventNotifyReply};
use crate::wire::message::Function;

/// A notification and the data of its event.
///
/// # Errors
///
/// [`BadReply`] for a reply that is too short or none to event notification.
pub(crate) fn parse(bytes: &[u8]) -> Result<(EventNotifyReply, &[u8]), BadReply> {
    let (reply, data): (EventNotifyReply, _) = reply::parse(bytes, Function::EVENT_NOTIFICATION)?;
    // The controller states a length of its own; what the frame does not hold is not there.
    let stated = usize::from(reply.event_data_length.get()) * 4;
    Ok((reply, data.get(..stated).unwrap_or(data)))
}

/// An event that is told as it came: its code and the first word of its data.
pub(crate) fn vendor(code: u32, data: &[u8]) -> PortEvent {
    let data = data.first_chunk().map_or(0, |word| u32::from_le_bytes(*word));
    PortEvent::Vendor { code, data }
}

/// Acknowledgements that wait for their frame. Room is made at attach; a controller that wants more at once is reset.
#[derive(Debug)]
pub(crate) struct Acknowledgements(VecDeque<(u32, u32)>);

impl Acknowledgements {
    const MAX: usize = 64;

    pub(crate) fn new() -> Self {
        Self(VecDeque::with_capacity(Self::MAX))
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// One more is owed, of an event's code and context. Returns what Control has to hear if that is too many.
    pub(crate) fn owe(&mut self, event: u32, context: u32) -> Option<PortEvent> {
        if self.0.len() == Self::MAX {
            let why = "too many events wait for their acknowledgement";
            return Some(PortEvent::Distrust(why));
        }
        self.0.push_back((event, context));
        None
    }

    /// The oldest, without a message context.
    pub(crate) fn next(&mut self) -> Option<EventAckRequest> {
        let (event, event_context) = self.0.pop_front()?;
        Some(EventAckRequest {
            function: Function::EVENT_ACK,
            event: event.into(),
            event_context: event_context.into(),
            ..EventAckRequest::new_zeroed()
        })
    }
}
