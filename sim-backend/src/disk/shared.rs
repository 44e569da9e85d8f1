//! A disk with several owners.

use alloc::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hba_core::time::Instant;
use scsi_proto::Lun;

use super::attention::PortIndex;
use super::device::SimDisk;
use crate::target::{DataPhase, Execution, SasAddress, Target, Task};

/// A disk that is shared between a simulated controller and the test that steers it.
#[derive(Clone, Debug)]
pub struct SharedDisk(Arc<Mutex<SimDisk>>);

impl SharedDisk {
    /// Shares `disk`.
    #[must_use = "the handle is the only result"]
    pub fn new(disk: SimDisk) -> Self {
        Self(Arc::new(Mutex::new(disk)))
    }

    /// The disk. Other handles wait until the guard is dropped.
    #[must_use = "the guard is the only result"]
    pub fn lock(&self) -> MutexGuard<'_, SimDisk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Target for SharedDisk {
    fn sas_address(&self) -> SasAddress {
        self.lock().sas_address()
    }

    fn execute(&mut self, now: Instant, task: &Task<'_>, data: &mut dyn DataPhase) -> Execution {
        self.lock().execute(now, task, data)
    }

    fn logical_unit_reset(&mut self, lun: Lun) {
        self.lock().logical_unit_reset(lun);
    }

    fn target_reset(&mut self) {
        self.lock().target_reset();
    }

    fn i_t_nexus_loss(&mut self) {
        self.lock().i_t_nexus_loss();
    }

    fn power_cut(&mut self) {
        self.lock().power_cut();
    }

    fn power_on(&mut self) {
        self.lock().power_on();
    }

    fn has_lun(&self, lun: Lun) -> bool {
        self.lock().has_lun(lun)
    }
}

/// One port of a [`SharedDisk`], for a slot of its own: with [`DiskConfig::ports`](super::DiskConfig::ports), several paths
/// lead to one disk. Each has unit attentions of its own.
#[derive(Clone, Debug)]
pub struct SharedPort {
    disk: SharedDisk,
    port: PortIndex,
}

impl SharedDisk {
    /// The disk as it is reached through `port`; the disk itself stands for the first.
    #[must_use = "the port is the only result"]
    pub fn port(&self, port: PortIndex) -> SharedPort {
        SharedPort { disk: self.clone(), port }
    }
}

impl Target for SharedPort {
    fn sas_address(&self) -> SasAddress {
        self.disk.lock().port_address(self.port)
    }

    fn execute(&mut self, now: Instant, task: &Task<'_>, data: &mut dyn DataPhase) -> Execution {
        self.disk.lock().execute_on(self.port, now, task, data)
    }

    fn logical_unit_reset(&mut self, lun: Lun) {
        self.disk.lock().logical_unit_reset(lun);
    }

    fn target_reset(&mut self) {
        self.disk.lock().target_reset();
    }

    fn i_t_nexus_loss(&mut self) {
        self.disk.lock().nexus_loss_on(self.port);
    }

    fn power_cut(&mut self) {
        self.disk.lock().power_cut();
    }

    fn power_on(&mut self) {
        self.disk.lock().power_on();
    }

    fn has_lun(&self, lun: Lun) -> bool {
        self.disk.lock().has_lun(lun)
    }
}
