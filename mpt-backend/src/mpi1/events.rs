//! Events: replies to one request that keep coming for the life of the controller.

use alloc::collections::VecDeque;

use hba_core::command::TargetId;
use hba_core::dma::DmaSync;
use hba_core::port::{BadReply, PortEvent, TargetInfo};
use hba_core::register::Registers;
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use super::control::Mpi1;
use super::requests::Purpose;
use crate::wire::event::{AckRequired, Event, EventAckRequest, EventNotifyReply};
use crate::wire::event_data::{SasDeviceReason, SasDeviceStatusChange};
use crate::wire::message::Function;
use crate::wire::registers::REQUEST_FIFO;

/// Acknowledgements that wait for their frame. Room is made at attach; a controller that wants more at once is reset.
#[derive(Debug)]
pub(super) struct Acknowledgements {
    waiting: VecDeque<(u32, u32)>,
}

impl Acknowledgements {
    const MAX: usize = 64;

    pub(super) fn new() -> Self {
        Self { waiting: VecDeque::with_capacity(Self::MAX) }
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }
}

impl<F, S: DmaSync> Mpi1<F, S> {
    pub(super) fn handle_event(&mut self, bytes: &[u8]) -> Result<(), BadReply> {
        let words = (bytes.len() / 4) as u8;
        let (reply, data) = EventNotifyReply::read_from_prefix(bytes)
            .map_err(|_| BadReply::MessageLength { words })?;
        if reply.function != Function::EVENT_NOTIFICATION {
            return Err(BadReply::Function { function: reply.function.0 });
        }
        // The controller states a length of its own; what the frame does not hold is not there.
        let stated = usize::from(reply.event_data_length.get()) * 4;
        let data = data.get(..stated.min(data.len())).unwrap_or(data);
        let event = Event(reply.event.get());
        if reply.ack_required == AckRequired::REQUIRED {
            self.owe_acknowledgement(event, reply.event_context.get());
        }
        self.interpret(event, data);
        Ok(())
    }

    fn interpret(&mut self, event: Event, data: &[u8]) {
        match event {
            // The answer that notification is on.
            Event::EVENT_CHANGE | Event::NONE => {}
            Event::SAS_DEVICE_STATUS_CHANGE => {
                match SasDeviceStatusChange::read_from_prefix(data) {
                    Ok((change, _)) => self.interpret_device(&change),
                    Err(_) => {
                        let words = (data.len() / 4) as u8;
                        self.events
                            .push_back(PortEvent::BadReply(BadReply::MessageLength { words }));
                    }
                }
            }
            Event(code) => {
                let first = data.first_chunk().map_or(0, |word| u32::from_le_bytes(*word));
                self.events.push_back(PortEvent::Vendor { code, data: first });
            }
        }
    }

    fn interpret_device(&mut self, change: &SasDeviceStatusChange) {
        let id = TargetId { channel: change.bus, id: u16::from(change.target_id) };
        let port_name = change.sas_address.get();
        self.events.push_back(match change.reason_code {
            SasDeviceReason::ADDED => PortEvent::TargetArrived(TargetInfo { id, port_name }),
            SasDeviceReason::NOT_RESPONDING => PortEvent::TargetDeparted(id),
            SasDeviceReason(reason) => PortEvent::Vendor {
                code: Event::SAS_DEVICE_STATUS_CHANGE.0,
                data: u32::from(reason),
            },
        });
    }

    fn owe_acknowledgement(&mut self, event: Event, context: u32) {
        if self.acknowledgements.waiting.len() == Acknowledgements::MAX {
            let why = "too many events wait for their acknowledgement";
            self.events.push_back(PortEvent::Distrust(why));
            return;
        }
        self.acknowledgements.waiting.push_back((event.0, context));
    }

    pub(super) fn send_acknowledgement(&mut self, registers: &mut dyn Registers) {
        let Some(memory) = &mut self.memory else { return };
        if memory.requests.is_out(Purpose::EventAck) {
            return;
        }
        let Some((event, event_context)) = self.acknowledgements.waiting.pop_front() else {
            return;
        };
        let context = memory.requests.claim(Purpose::EventAck);
        let request = EventAckRequest {
            function: Function::EVENT_ACK,
            msg_context: context.0.into(),
            event: event.into(),
            event_context: event_context.into(),
            ..EventAckRequest::new_zeroed()
        };
        let (bytes, sync) = (request.as_bytes(), &mut self.sync);
        memory.requests.post(Purpose::EventAck, bytes, REQUEST_FIFO, sync, registers);
    }
}
