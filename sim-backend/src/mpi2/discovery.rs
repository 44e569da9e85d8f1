//! Discovery: what the controller tells of the devices behind its phys, at port enable and whenever one comes or goes.

use zerocopy::IntoBytes;

use super::Mpi2Controller;
use super::codes::IocStatus;
use super::layout::{EnclosureChange, SasDiscovery, TopologyChange};
use super::volumes::Change;

/// Event: discovery starts or ends.
const EVENT_SAS_DISCOVERY: u16 = 0x16;
/// Event: phys have something, or nothing, behind them.
const EVENT_SAS_TOPOLOGY_CHANGE_LIST: u16 = 0x1c;
/// Event: an enclosure came or went.
const EVENT_SAS_ENCLOSURE_CHANGE: u16 = 0x1d;

/// ReasonCode of a discovery event: it starts.
const DISCOVERY_STARTED: u8 = 1;
/// ReasonCode of a discovery event: it is done.
const DISCOVERY_COMPLETED: u8 = 2;
/// Flags of a discovery event: it is under way.
const DISCOVERY_IN_PROGRESS: u8 = 1;
/// ReasonCode of an enclosure event: added.
const ENCLOSURE_ADDED: u8 = 1;
/// ExpStatus: the list is of the controller's own phys.
const NO_EXPANDER: u8 = 0;
/// IOCLogInfo of SAS: the nexus to the device is lost (originator PL, I/O not yet executed).
const LOG_NEXUS_LOSS: u32 = 0x3117_0000;

/// The controller's own enclosure: its slots are its phys.
pub(super) const ENCLOSURE_HANDLE: u16 = 1;

/// PhyStatus of a topology change list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum PhyStatus {
    Added = 1,
    NotResponding = 2,
    PhyChanged = 3,
    DelayNotResponding = 5,
}

impl Mpi2Controller {
    /// NegotiatedLinkRate of a phy with nothing behind it.
    pub(super) const RATE_NONE: u8 = 0x00;

    /// Tells the host of all that is there: started, the enclosure, the devices, completed.
    pub(super) fn begin_discovery(&mut self) {
        self.raise_discovery(DISCOVERY_STARTED);
        let facts = &self.personality.facts;
        let enclosure = EnclosureChange {
            enclosure_handle: ENCLOSURE_HANDLE.into(),
            reason_code: ENCLOSURE_ADDED,
            physical_port: 0,
            enclosure_logical_id: self.personality.identity.sas_address.into(),
            num_slots: u16::from(facts.phys).into(),
            start_slot: 0.into(),
            phy_bits: ((1u32 << (facts.phys & 31)) - 1).into(),
        };
        self.raise_event(EVENT_SAS_ENCLOSURE_CHANGE, enclosure.as_bytes());
        for slot in 0..self.topology.slots() {
            let there = self.topology.target(slot).is_some();
            if let Some(handle) = there.then(|| self.devices.assign(slot)).flatten()
                && !self.is_volume_slot(slot)
                && !self.is_member(slot)
            {
                self.raise_topology(slot, handle, PhyStatus::Added);
            }
        }
        let volumes = self.volumes();
        self.raise_volumes(&volumes, Change::Added, Change::Hide);
        self.raise_discovery(DISCOVERY_COMPLETED);
    }

    /// A device came into a slot, or has its power back.
    pub(super) fn note_attached(&mut self, slot: usize) {
        if self.topology.target(slot).is_none() {
            return;
        }
        if self.devices.meet(slot) {
            if let Some(handle) = self.devices.handle(slot) {
                self.raise_topology(slot, handle, PhyStatus::PhyChanged);
            }
            return;
        }
        let handle = self.devices.assign(slot).filter(|_| self.port_enable.is_done());
        if self.is_volume_slot(slot) {
            if handle.is_some() {
                self.raise_volumes(&[slot], Change::Added, Change::Hide);
            }
            return;
        }
        if let Some(handle) = handle.filter(|_| !self.is_member(slot)) {
            self.raise_discovery(DISCOVERY_STARTED);
            self.raise_topology(slot, handle, PhyStatus::Added);
            self.raise_discovery(DISCOVERY_COMPLETED);
        }
    }

    /// The device in a slot left, or lost its power: its commands end.
    pub(super) fn note_detached(&mut self, slot: usize) {
        self.terminate_slot(slot, IocStatus::SCSI_IOC_TERMINATED, LOG_NEXUS_LOSS);
        if self.is_volume_slot(slot) {
            return self.report_volume_gone(slot);
        }
        let delay = self.personality.behaviour.missing_delay;
        if delay.is_zero() || !self.port_enable.is_done() {
            return self.report_gone(slot);
        }
        if let Some(handle) = self.devices.handle(slot) {
            self.devices.miss(slot, self.now + delay);
            self.raise_topology(slot, handle, PhyStatus::DelayNotResponding);
        }
    }

    /// Nobody removes the handle of a volume in two steps: it is free at once.
    fn report_volume_gone(&mut self, slot: usize) {
        if self.port_enable.is_done() {
            self.raise_volumes(&[slot], Change::Removed, Change::Unhide);
        }
        if let Some(handle) = self.devices.retire(slot) {
            self.devices.release(handle);
        }
    }

    /// Reports a device that was missed for too long.
    pub(super) fn report_overdue(&mut self) -> bool {
        let overdue = self.devices.take_overdue(self.now);
        overdue.map(|slot| self.report_gone(slot)).is_some()
    }

    fn report_gone(&mut self, slot: usize) {
        let handle = self.devices.retire(slot);
        if let Some(handle) = handle.filter(|_| self.port_enable.is_done()) {
            self.raise_discovery(DISCOVERY_STARTED);
            self.raise_topology(slot, handle, PhyStatus::NotResponding);
            self.raise_discovery(DISCOVERY_COMPLETED);
        }
    }

    fn raise_topology(&mut self, slot: usize, handle: u16, status: PhyStatus) {
        let rate = self.personality.identity.link_rate;
        // Bits 7:4 are the rate now, bits 3:0 the rate before.
        let link_rate = match status {
            PhyStatus::Added | PhyStatus::PhyChanged => rate << 4 | Self::RATE_NONE,
            PhyStatus::NotResponding | PhyStatus::DelayNotResponding => Self::RATE_NONE << 4 | rate,
        };
        let data = TopologyChange {
            enclosure_handle: ENCLOSURE_HANDLE.into(),
            num_phys: self.personality.facts.phys,
            num_entries: 1,
            start_phy_num: slot as u8,
            exp_status: NO_EXPANDER,
            physical_port: slot as u8,
            attached_dev_handle: handle.into(),
            link_rate,
            phy_status: status as u8,
            ..TopologyChange::default()
        };
        self.raise_acknowledged(EVENT_SAS_TOPOLOGY_CHANGE_LIST, data.as_bytes());
    }

    fn raise_discovery(&mut self, reason: u8) {
        let under_way = reason == DISCOVERY_STARTED;
        let data = SasDiscovery {
            flags: if under_way { DISCOVERY_IN_PROGRESS } else { 0 },
            reason_code: reason,
            ..SasDiscovery::default()
        };
        self.raise_event(EVENT_SAS_DISCOVERY, data.as_bytes());
    }
}
