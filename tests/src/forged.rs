//! A disk that answers some commands with what a test says.

use alloc::sync::Arc;
use core::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hba_core::time::Instant;
use scsi_proto::Lun;
use sim_backend::disk::SharedDisk;
use sim_backend::target::{DataPhase, Executed, Execution, SasAddress, Target, Task};

/// An answer in the place of the disk's own: data-in, and how the command ends.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Sent to the initiator, cut at its buffer.
    pub data: Vec<u8>,
    /// How the command ends.
    pub executed: Executed,
}

impl Answer {
    /// GOOD with these bytes, of which the device claims to have moved all.
    pub fn good(data: &[u8]) -> Self {
        Self { data: data.to_vec(), executed: Executed::good(data.len() as u32) }
    }
}

type Rule = Box<dyn FnMut(&Task<'_>) -> Option<Answer> + Send>;

/// What a disk says instead of the truth; by default nothing. Clones share it.
#[derive(Clone, Default)]
pub struct Forgery(Arc<Mutex<Option<Rule>>>);

impl Forgery {
    /// From now on `rule` answers what it wants to answer.
    pub fn say(&self, rule: impl FnMut(&Task<'_>) -> Option<Answer> + Send + 'static) {
        *self.lock() = Some(Box::new(rule));
    }

    /// The truth again.
    pub fn stop(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Rule>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Forgery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Forgery({})", self.lock().is_some())
    }
}

/// A disk with a [`Forgery`] in front of it.
#[derive(Debug)]
pub struct Forged {
    disk: SharedDisk,
    forgery: Forgery,
}

impl Forged {
    /// The disk behind the forgery.
    pub const fn new(disk: SharedDisk, forgery: Forgery) -> Self {
        Self { disk, forgery }
    }
}

impl Target for Forged {
    fn sas_address(&self) -> SasAddress {
        self.disk.sas_address()
    }

    fn execute(&mut self, now: Instant, task: &Task<'_>, data: &mut dyn DataPhase) -> Execution {
        let answer = self.forgery.lock().as_mut().and_then(|rule| rule(task));
        let Some(Answer { data: bytes, executed }) = answer else {
            return self.disk.execute(now, task, data);
        };
        let room = (data.len() as usize).min(bytes.len());
        let sent = data.send(0, &bytes[..room]);
        Execution::Done(if sent.is_ok() { executed } else { Executed::good(0) })
    }

    fn logical_unit_reset(&mut self, lun: Lun) {
        self.disk.logical_unit_reset(lun);
    }

    fn target_reset(&mut self) {
        self.disk.target_reset();
    }

    fn i_t_nexus_loss(&mut self) {
        self.disk.i_t_nexus_loss();
    }

    fn power_cut(&mut self) {
        self.disk.power_cut();
    }

    fn power_on(&mut self) {
        self.disk.power_on();
    }

    fn has_lun(&self, lun: Lun) -> bool {
        self.disk.has_lun(lun)
    }
}
