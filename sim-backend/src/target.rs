//! What stands behind a simulated controller: SAS end devices that execute commands.
//!
//! A controller model reads a command from host memory, turns it into a [`Task`] and hands it to a [`Target`] together
//! with a [`DataPhase`] that moves bytes to and from the initiator. The target knows nothing of frames or registers.

use alloc::sync::Arc;
use core::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hba_core::time::Instant;
use scsi_proto::{Cdb, Direction, Lun, Status, TaskAttribute};

pub use crate::memory::DmaFault;

/// The address of a SAS port. Source: SPL-4 4.2.4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SasAddress(pub u64);

impl fmt::Display for SasAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}h", self.0)
    }
}

/// One command as it arrives at a target.
#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    /// The bytes of the command.
    pub cdb: &'a Cdb,
    /// The addressed logical unit; the target answers for units that it does not have.
    pub lun: Lun,
    /// The direction that the initiator announced.
    pub direction: Direction,
    /// The length of the data phase that the initiator announced, in bytes.
    pub data_len: u32,
    /// Where the command goes in the task set.
    pub attribute: TaskAttribute,
}

/// The data phase of one command: the initiator's buffer, addressed by byte offset.
///
/// An access is cut at [`len`](Self::len): the part inside is moved, the rest is dropped (data-in) or left untouched
/// in `into` (data-out). The target reports in [`Executed::moved`] how much it had to move in all.
pub trait DataPhase {
    /// Length of the initiator's buffer in bytes.
    fn len(&self) -> u32;

    /// Whether the command has no data phase.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Data-in: writes `bytes` to the initiator's buffer at `offset`.
    ///
    /// # Errors
    ///
    /// [`DmaFault`] when the buffer is not (or no longer) mapped for the controller. Bytes before the fault are moved.
    fn send(&mut self, offset: u32, bytes: &[u8]) -> Result<(), DmaFault>;

    /// Data-out: reads the initiator's buffer at `offset`.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    fn receive(&mut self, offset: u32, into: &mut [u8]) -> Result<(), DmaFault>;
}

/// Sense data of at most 252 bytes; no memory is held where there is none. Source: SPC-5 4.4.1.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SenseBytes(Option<Box<[u8]>>);

impl SenseBytes {
    /// The longest sense data that SPC allows, in bytes.
    pub const LEN_MAX: usize = 252;
    /// No sense data.
    pub const EMPTY: Self = Self(None);

    /// Copies `sense`, cut at 252 bytes.
    #[must_use]
    pub fn new(sense: &[u8]) -> Self {
        let sense = sense.get(..Self::LEN_MAX).unwrap_or(sense);
        Self((!sense.is_empty()).then(|| sense.into()))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl fmt::Debug for SenseBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SenseBytes(")?;
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// The status byte.
    pub status: Status,
    /// Sense data; empty unless the status is CHECK CONDITION.
    pub sense: SenseBytes,
    /// Bytes that the command wanted to move; more than the announced length is an overrun.
    pub moved: u32,
}

impl Executed {
    /// GOOD with `moved` bytes transferred.
    #[must_use]
    pub const fn good(moved: u32) -> Self {
        Self { status: Status::GOOD, sense: SenseBytes::EMPTY, moved }
    }

    /// `status` without sense or data.
    #[must_use]
    pub const fn status(status: Status) -> Self {
        Self { status, sense: SenseBytes::EMPTY, moved: 0 }
    }

    /// CHECK CONDITION with `sense` and no data.
    #[must_use]
    pub fn check_condition(sense: &[u8]) -> Self {
        Self { status: Status::CHECK_CONDITION, sense: SenseBytes::new(sense), moved: 0 }
    }
}

/// The answer of a target to one offer of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a held task has to be offered again"]
pub enum Execution {
    /// The command ended; the target has forgotten it.
    Done(Executed),
    /// Not now: nothing happened yet, offer the same task again later.
    Held,
}

/// One SAS end device with its logical units.
///
/// A [`DataPhase`] error ends the command as the target sees fit (CHECK CONDITION, ABORTED COMMAND is usual); the
/// memory records the fault by itself, see [`DeviceMemory`](crate::memory::DeviceMemory).
pub trait Target: Send {
    /// The address of the device's port.
    fn sas_address(&self) -> SasAddress;

    /// Executes `task` at `now`, or holds it.
    ///
    /// The controller keeps a held task and offers it again, in order, at its next chance; a task that is aborted in the
    /// mean time is never offered again. The data phase may be used any number of times, in any order of offsets.
    fn execute(&mut self, now: Instant, task: &Task<'_>, data: &mut dyn DataPhase) -> Execution;

    /// ABORT TASK SET ended for `lun`. Held tasks are the controller's; most targets have nothing to do.
    fn abort_task_set(&mut self, lun: Lun) {
        let _ = lun;
    }

    /// LOGICAL UNIT RESET: the next command to `lun` gets a unit attention. Source: SAM-5 6.3.3.
    fn logical_unit_reset(&mut self, lun: Lun);

    /// A reset of the whole device (hard reset): all units get a unit attention. Source: SAM-5 6.3.2.
    fn target_reset(&mut self);

    /// I_T NEXUS LOSS: the initiator's link went away and came back. Source: SAM-5 6.3.4.
    fn i_t_nexus_loss(&mut self);

    /// Power is lost at this instant: volatile caches are gone.
    fn power_cut(&mut self);

    /// Power is back: the device starts with its power-on unit attention.
    fn power_on(&mut self);

    /// What the target reads from the CDB of `task`, before executing it: direction and bytes.
    ///
    /// Asked only by models of controllers that check this themselves, as QEMU does. `None`: not known, no check.
    fn expected_transfer(&self, task: &Task<'_>) -> Option<(Direction, u32)> {
        let _ = task;
        None
    }

    /// Whether the logical unit exists.
    fn has_lun(&self, lun: Lun) -> bool {
        lun == Lun::ZERO
    }
}

/// A target that a test keeps a hand on while a controller owns it.
impl<T: Target> Target for Arc<Mutex<T>> {
    fn sas_address(&self) -> SasAddress {
        locked(self).sas_address()
    }

    fn execute(&mut self, now: Instant, task: &Task<'_>, data: &mut dyn DataPhase) -> Execution {
        locked(self).execute(now, task, data)
    }

    fn abort_task_set(&mut self, lun: Lun) {
        locked(self).abort_task_set(lun);
    }

    fn logical_unit_reset(&mut self, lun: Lun) {
        locked(self).logical_unit_reset(lun);
    }

    fn target_reset(&mut self) {
        locked(self).target_reset();
    }

    fn i_t_nexus_loss(&mut self) {
        locked(self).i_t_nexus_loss();
    }

    fn power_cut(&mut self) {
        locked(self).power_cut();
    }

    fn power_on(&mut self) {
        locked(self).power_on();
    }

    fn expected_transfer(&self, task: &Task<'_>) -> Option<(Direction, u32)> {
        locked(self).expected_transfer(task)
    }

    fn has_lun(&self, lun: Lun) -> bool {
        locked(self).has_lun(lun)
    }
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
