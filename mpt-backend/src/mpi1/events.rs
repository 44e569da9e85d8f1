//! Events: replies to one request that keep coming for the life of the controller.

use hba_core::command::TargetId;
use hba_core::dma::DmaSync;
use hba_core::port::{BadReply, PortEvent, TargetInfo};
use hba_core::register::Registers;
use zerocopy::{FromBytes, IntoBytes};

use super::control::Mpi1;
use super::requests::Purpose;
use crate::events;
use crate::wire::event::{AckRequired, Event, EventAckRequest};
use crate::wire::event_data::{SasDeviceReason, SasDeviceStatusChange};
use crate::wire::registers::REQUEST_FIFO;

impl<F, S: DmaSync> Mpi1<F, S> {
    pub(super) fn handle_event(&mut self, bytes: &[u8]) -> Result<(), BadReply> {
        let (reply, data) = events::parse(bytes)?;
        let event = Event(reply.event.get());
        if reply.ack_required == AckRequired::REQUIRED {
            let context = reply.event_context.get();
            self.events.extend(self.acknowledgements.owe(event.0, context));
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
            Event(code) => self.events.push_back(events::vendor(code, data)),
        }
    }

    fn interpret_device(&mut self, change: &SasDeviceStatusChange) {
        let id = TargetId { channel: change.bus, id: u16::from(change.target_id) };
        let port_name = change.sas_address.get();
        self.events.push_back(match change.reason_code {
            SasDeviceReason::ADDED => PortEvent::TargetArrived(TargetInfo::device(id, port_name)),
            SasDeviceReason::NOT_RESPONDING => PortEvent::TargetDeparted(id),
            SasDeviceReason(reason) => PortEvent::Vendor {
                code: Event::SAS_DEVICE_STATUS_CHANGE.0,
                data: u32::from(reason),
            },
        });
    }

    pub(super) fn send_acknowledgement(&mut self, registers: &mut dyn Registers) {
        let Some(memory) = &mut self.memory else { return };
        if memory.requests.is_out(Purpose::EventAck) {
            return;
        }
        let Some(request) = self.acknowledgements.next() else { return };
        let context = memory.requests.claim(Purpose::EventAck);
        let request = EventAckRequest { msg_context: context.0.into(), ..request };
        let (bytes, sync) = (request.as_bytes(), &mut self.sync);
        memory.requests.post(Purpose::EventAck, bytes, REQUEST_FIFO, sync, registers);
    }
}
