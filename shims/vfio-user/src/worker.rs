//! The device as its threads share it, and the thread that lets the model work.

use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant as Clock;

use hba_core::time::Instant;
use sim_backend::controller::ControllerModel;

use crate::config_space::ConfigSpace;
use crate::interrupts::Interrupts;
use crate::part::Part;

/// Everything of the device but the guest's memory.
pub(crate) struct Function {
    pub(crate) model: Box<dyn ControllerModel>,
    pub(crate) config: ConfigSpace,
    pub(crate) interrupts: Interrupts,
    /// Something may have happened that gives the model work.
    kicked: bool,
    stopping: bool,
    /// Time 0 of the model.
    epoch: Clock,
}

/// The device behind its lock, and the bell for the worker.
pub(crate) struct Shared {
    function: Mutex<Function>,
    bell: Condvar,
}

/// Units of work under one hold of the lock: short enough for the messages that wait for it.
const BUDGET: u32 = 16;

impl Function {
    /// Lets the model work for a while and passes its interrupts on. Returns whether there is more to do now.
    pub(crate) fn work(&mut self) -> bool {
        self.work_within(BUDGET)
    }

    /// As [`work`](Self::work), for the first unit of work only: the controller takes a doorbell word before the next one is
    /// there, for firmware that does not wait.
    pub(crate) fn take_word(&mut self) {
        self.work_within(1);
    }

    fn work_within(&mut self, budget: u32) -> bool {
        let progress = self.model.run(self.now(), budget);
        self.deliver();
        progress.more
    }

    /// Passes interrupts on.
    pub(crate) fn deliver(&mut self) {
        let vectors = self.model.take_message_vectors();
        let level = self.model.interrupt_level() && !self.config.intx_disabled();
        self.interrupts.deliver(vectors, level);
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.epoch.elapsed()
    }

    /// How long the model has nothing to do; `None`: until somebody gives it something.
    fn idle(&self) -> Option<Duration> {
        let now = self.now();
        self.model.next_due().map(|due| due.since(now).max(SHORTEST_SLEEP))
    }
}

/// What a model that is due at once and yet has nothing to do costs at most: one look per millisecond.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);

impl Shared {
    pub(crate) fn new(part: &Part, model: Box<dyn ControllerModel>) -> Self {
        let function = Function {
            model,
            config: ConfigSpace::new(part),
            interrupts: Interrupts::new(part.msix().0),
            kicked: false,
            stopping: false,
            epoch: Clock::now(),
        };
        Self { function: Mutex::new(function), bell: Condvar::new() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Function> {
        self.function.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the worker for something that happened under `function`.
    pub(crate) fn kick(&self, mut function: MutexGuard<'_, Function>) {
        function.kicked = true;
        drop(function);
        self.bell.notify_one();
    }

    /// Ends [`work`](Self::work).
    pub(crate) fn stop(&self) {
        self.lock().stopping = true;
        self.bell.notify_one();
    }

    /// The worker: works while there is something to do, sleeps while there is not.
    pub(crate) fn work(&self) {
        let mut function = self.lock();
        while !function.stopping {
            function.kicked = false;
            if function.work() {
                drop(function);
                std::thread::yield_now();
                function = self.lock();
            } else if !function.kicked {
                function = self.sleep(function);
            }
        }
    }

    fn sleep<'a>(&self, function: MutexGuard<'a, Function>) -> MutexGuard<'a, Function> {
        let quiet = |function: &mut Function| !function.kicked && !function.stopping;
        match function.idle() {
            None => {
                let woken = self.bell.wait_while(function, quiet);
                woken.unwrap_or_else(PoisonError::into_inner)
            }
            Some(idle) => {
                let woken = self.bell.wait_timeout_while(function, idle, quiet);
                woken.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }
}

/// A hand on the device while a client has it. Clones reach the same device.
#[derive(Clone)]
pub struct Remote(pub(crate) Arc<Shared>);

/// What cannot be done to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RemoteError {
    /// The controller has no disk there, or no such slot.
    NoDisk {
        /// The slot.
        slot: usize,
    },
    /// The controller has no fault state.
    NoFaultState,
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDisk { slot } => write!(f, "there is no disk {slot}"),
            Self::NoFaultState => f.write_str("this controller has no fault state"),
        }
    }
}

impl core::error::Error for RemoteError {}

impl Remote {
    /// Pulls the disk out of a slot, or puts it back: it loses its power and what was in its volatile cache.
    ///
    /// # Errors
    ///
    /// [`RemoteError::NoDisk`] where there never was one.
    pub fn set_plugged(&self, slot: usize, plugged: bool) -> Result<(), RemoteError> {
        let mut function = self.0.lock();
        if !function.model.topology().is_used(slot) {
            return Err(RemoteError::NoDisk { slot });
        }
        function.model.set_target_power(slot, plugged);
        self.0.kick(function);
        Ok(())
    }

    /// Makes a disk go quiet, or speak again: it answers no command.
    ///
    /// # Errors
    ///
    /// [`RemoteError::NoDisk`] where there never was one.
    pub fn set_held(&self, slot: usize, held: bool) -> Result<(), RemoteError> {
        let mut function = self.0.lock();
        if !function.model.topology().is_used(slot) {
            return Err(RemoteError::NoDisk { slot });
        }
        function.model.topology_mut().hold(slot, held);
        self.0.kick(function);
        Ok(())
    }

    /// Stops the controller with a fault code.
    ///
    /// # Errors
    ///
    /// [`RemoteError::NoFaultState`].
    pub fn fault(&self, code: u16) -> Result<(), RemoteError> {
        let mut function = self.0.lock();
        let faulted = function.model.stop_with_fault(code);
        self.0.kick(function);
        if faulted { Ok(()) } else { Err(RemoteError::NoFaultState) }
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Remote")
    }
}

#[cfg(test)]
mod tests {
    use sim_backend::memory::DeviceMemory;
    use sim_backend::mpi1::registers::{DOORBELL, FUNCTION_MESSAGE_UNIT_RESET};
    use sim_backend::mpi1::{Mpi1Controller, Personality};

    use super::*;
    use crate::memory::GuestMemory;

    #[test]
    fn the_worker_sleeps_until_the_next_event_or_for_ever() {
        let memory = DeviceMemory::outside(Arc::new(GuestMemory::default()));
        let model = Mpi1Controller::new(Personality::hardware(), memory);
        let shared = Shared::new(&Part::sas1068(), Box::new(model));
        let mut function = shared.lock();
        assert!(!function.work());
        assert_eq!(function.idle(), None, "nothing to do, nothing due");
        function.model.write(DOORBELL, u32::from(FUNCTION_MESSAGE_UNIT_RESET) << 24);
        function.work();
        assert!(function.idle().is_some(), "the reset ends by itself");
        std::thread::sleep(Duration::from_millis(1));
        function.work();
        assert_eq!(function.idle(), None);
    }
}
