//! Events: replies to SMID 0, for the life of the controller.

use alloc::collections::VecDeque;

use hba_core::command::TargetId;
use hba_core::dma::DmaSync;
use hba_core::port::{BadReply, PortEvent};
use hba_core::register::Registers;
use zerocopy::{FromBytes, IntoBytes};

use super::control::Mpi2;
use super::requests::Purpose;
use crate::events;
use crate::wire::mpi2::{TopologyChangeList, TopologyPhyEntry};

/// Event codes of MPI 2.x that differ from MPI 1.x or are new.
pub(super) mod code {
    /// The answer that notification is on.
    pub(in crate::mpi2) const EVENT_CHANGE: u16 = 0x0a;
    /// A logical unit's queue is full.
    pub(in crate::mpi2) const TASK_SET_FULL: u16 = 0x0e;
    /// Something about one SAS device.
    pub(in crate::mpi2) const SAS_DEVICE_STATUS_CHANGE: u16 = 0x0f;
    /// Discovery begins or ends.
    pub(in crate::mpi2) const SAS_DISCOVERY: u16 = 0x16;
    /// Targets came or went.
    pub(in crate::mpi2) const SAS_TOPOLOGY_CHANGE_LIST: u16 = 0x1c;
    /// A volume changed.
    pub(in crate::mpi2) const IR_VOLUME: u16 = 0x1e;
    /// A member of a volume changed.
    pub(in crate::mpi2) const IR_PHYSICAL_DISK: u16 = 0x1f;
    /// Volumes or members came or went.
    pub(in crate::mpi2) const IR_CONFIGURATION_CHANGE_LIST: u16 = 0x20;
    /// An entry of the controller's log.
    pub(in crate::mpi2) const LOG_ENTRY_ADDED: u16 = 0x21;
    /// A sensor's threshold.
    pub(in crate::mpi2) const TEMPERATURE: u16 = 0x27;
    /// Asked for; the others stay with the controller.
    pub(in crate::mpi2) const WANTED: [u16; 10] = [
        EVENT_CHANGE,
        TASK_SET_FULL,
        SAS_DEVICE_STATUS_CHANGE,
        SAS_DISCOVERY,
        SAS_TOPOLOGY_CHANGE_LIST,
        IR_VOLUME,
        IR_PHYSICAL_DISK,
        IR_CONFIGURATION_CHANGE_LIST,
        LOG_ENTRY_ADDED,
        TEMPERATURE,
    ];
}

/// The masks that let the wanted events through.
pub(super) fn masks() -> [u32; 4] {
    let mut masks = [u32::MAX; 4];
    for event in code::WANTED {
        masks[usize::from(event / 32)] &= !(1 << (event % 32));
    }
    masks
}

/// Devices that left, until the controller is told that the host is done with them.
///
/// ```text
///   not responding ---> Control resets the target ---> reply ---> remove device ---> handle free
/// ```
#[derive(Debug)]
pub(super) struct Departures {
    /// The reset of these is awaited.
    left: VecDeque<u16>,
    /// These wait for the frame of the removal.
    removals: VecDeque<u16>,
}

impl Departures {
    const MAX: usize = 1024;

    pub(super) fn new() -> Self {
        Self { left: VecDeque::with_capacity(64), removals: VecDeque::with_capacity(64) }
    }

    pub(super) fn clear(&mut self) {
        self.left.clear();
        self.removals.clear();
    }

    /// Whether there is room to remember one more.
    fn leave(&mut self, handle: u16) -> bool {
        if self.left.contains(&handle) {
            return true;
        }
        let room = self.left.len() < Self::MAX;
        if room {
            self.left.push_back(handle);
        }
        room
    }

    /// The reset of a target was answered, whatever the answer.
    pub(super) fn handle_reset(&mut self, handle: u16) {
        if let Some(at) = self.left.iter().position(|left| *left == handle) {
            self.left.remove(at);
            self.removals.push_back(handle);
        }
    }

    pub(super) fn next_removal(&mut self) -> Option<u16> {
        self.removals.pop_front()
    }
}

impl<S: DmaSync> Mpi2<S> {
    pub(super) fn handle_event(&mut self, bytes: &[u8]) -> Result<(), BadReply> {
        let (reply, data) = events::parse(bytes)?;
        // Bits 31:16 are reserved here.
        let event = reply.event.get() as u16;
        if reply.ack_required.0 & 1 != 0 {
            let context = reply.event_context.get();
            self.events.extend(self.acknowledgements.owe(u32::from(event), context));
        }
        self.interpret(event, data)
    }

    fn interpret(&mut self, event: u16, data: &[u8]) -> Result<(), BadReply> {
        match event {
            0 | code::EVENT_CHANGE => {}
            code::SAS_TOPOLOGY_CHANGE_LIST => self.interpret_topology(data)?,
            _ => {
                if event == code::IR_CONFIGURATION_CHANGE_LIST {
                    self.resurvey = true;
                }
                self.events.push_back(events::vendor(u32::from(event), data));
            }
        }
        Ok(())
    }

    fn interpret_topology(&mut self, data: &[u8]) -> Result<(), BadReply> {
        let short = BadReply::MessageLength { words: (data.len() / 4) as u8 };
        let (list, entries) = TopologyChangeList::read_from_prefix(data).map_err(|_| short)?;
        let entries = entries.chunks_exact(size_of::<TopologyPhyEntry>());
        let whole = usize::from(list.num_entries) <= entries.len();
        for entry in entries.take(usize::from(list.num_entries)) {
            if let Ok(entry) = TopologyPhyEntry::read_from_bytes(entry) {
                self.interpret_entry(&entry);
            }
        }
        if whole {
            return Ok(());
        }
        // What did not fit the frame is lost: only a look at all devices finds it.
        self.resurvey = true;
        Err(short)
    }

    fn interpret_entry(&mut self, entry: &TopologyPhyEntry) {
        let handle = entry.attached_dev_handle.get();
        let known = self.plan.as_ref().is_some_and(|p| handle != 0 && handle <= p.facts.max_handle);
        match entry.reason() {
            TopologyPhyEntry::TARGET_ADDED if known => {
                self.resurvey |= !self.arrivals.push(handle);
            }
            TopologyPhyEntry::TARGET_NOT_RESPONDING if known => {
                self.arrivals.retain(|arrived| *arrived != handle);
                if self.departures.leave(handle) {
                    self.events.push_back(PortEvent::TargetDeparted(TargetId::new(handle)));
                } else {
                    let why = "too many devices left at once";
                    self.events.push_back(PortEvent::Distrust(why));
                }
            }
            TopologyPhyEntry::TARGET_ADDED | TopologyPhyEntry::TARGET_NOT_RESPONDING => {
                let bad = BadReply::UnknownTag { raw: u32::from(handle) };
                self.events.push_back(PortEvent::BadReply(bad));
            }
            _ => {}
        }
    }

    pub(super) fn send_acknowledgement(&mut self, registers: &mut dyn Registers) {
        let Some(memory) = &mut self.memory else { return };
        if memory.requests.is_out(Purpose::EventAck) {
            return;
        }
        let Some(request) = self.acknowledgements.next() else { return };
        memory.requests.post(Purpose::EventAck, request.as_bytes(), &mut self.sync, registers);
    }
}
