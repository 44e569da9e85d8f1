//! What a campaign asks of a simulated controller: how to make one, and how to make it misbehave.

use core::time::Duration;

use super::plan::{Fault, Options};
use crate::controller::ControllerModel;
use crate::direct::{self, DirectController};
use crate::memory::DeviceMemory;
use crate::mpi1::{self, Mpi1Controller, Personality};
use crate::schedule::{CompletionOrder, Schedule};

/// A controller that a campaign can trouble.
pub trait Troubled: ControllerModel + Sized {
    /// Units of work before each register read: for models that answer a handshake only when they may work.
    const BETWEEN_READS: u32 = 0;

    /// The controller that the options describe.
    fn assemble(options: &Options, seed: u64, memory: DeviceMemory) -> Self;

    /// Lets `fault` strike `count` times, or from now on where it lasts. Faults of disks and host do nothing here.
    fn trouble(&mut self, fault: Fault, count: u32);

    /// Nothing goes wrong any more.
    fn heal(&mut self);

    /// Whether it works, and nothing of what went wrong is left in it: no fault to come, no reply on its way.
    fn is_sound(&self) -> bool;

    /// The controller leaves the bus.
    fn remove(&mut self);
}

fn schedule(options: &Options, seed: u64) -> Schedule {
    let order = match options.reorder {
        0 => CompletionOrder::Fifo,
        _ => CompletionOrder::Seeded(seed),
    };
    let micros = |n: u32| Duration::from_micros(n.into());
    Schedule::new(order).with_delay(micros(options.latency_min), micros(options.latency_max))
}

impl Troubled for DirectController {
    fn assemble(options: &Options, seed: u64, memory: DeviceMemory) -> Self {
        let facts = direct::Facts {
            vectors: options.vectors.clamp(1, 16) as u16,
            slots: options.depth.clamp(1, 256) as u16,
            elements: 17,
            transfer: 64 << 10,
            targets: options.disks.max(1) as u16,
            reset: Duration::from_millis(50),
        };
        let mut controller = Self::new(facts, memory);
        controller.set_schedule(schedule(options, seed));
        controller
    }

    fn trouble(&mut self, fault: Fault, count: u32) {
        let faults = self.faults_mut();
        match fault {
            Fault::LoseReply => faults.lose_replies = count,
            Fault::DuplicateReply => faults.duplicate_replies = count,
            Fault::ForeignReply => faults.foreign_vector = count,
            Fault::StaleReply => faults.stale_generation = count,
            Fault::BadSlot => faults.bad_slot = Some((count, 0x7fff)),
            Fault::SwallowTask => faults.swallow_task_management = count,
            Fault::FailTask => faults.fail_task_management = Some((count, 5)),
            Fault::Freeze => faults.frozen = true,
            Fault::ControllerFault => self.fail(direct::FaultCode(0x5862)),
            _ => {}
        }
    }

    fn heal(&mut self) {
        *self.faults_mut() = direct::Faults::default();
    }

    fn is_sound(&self) -> bool {
        self.is_at_rest()
    }

    fn remove(&mut self) {
        self.faults_mut().removed = true;
    }
}

impl Troubled for Mpi1Controller {
    const BETWEEN_READS: u32 = 64;

    fn assemble(options: &Options, seed: u64, memory: DeviceMemory) -> Self {
        let mut controller = Self::new(Personality::hardware(), memory);
        controller.set_schedule(schedule(options, seed));
        controller
    }

    fn trouble(&mut self, fault: Fault, count: u32) {
        let faults = self.faults_mut();
        match fault {
            Fault::LoseReply => faults.lose_replies = count,
            Fault::DuplicateReply => faults.duplicate_replies = count,
            // A context reply of a tag that the driver does not have.
            Fault::StaleReply | Fault::BadSlot => faults.stray_replies.push(0x7fff),
            Fault::SwallowTask => faults.swallow_task_management = count,
            Fault::FailTask => faults.fail_task_management = Some((count, 5)),
            Fault::Freeze => faults.frozen = true,
            Fault::ControllerFault => self.force_fault(mpi1::FaultCode(0x5862)),
            _ => {}
        }
    }

    fn heal(&mut self) {
        *self.faults_mut() = mpi1::Faults::default();
    }

    fn is_sound(&self) -> bool {
        self.is_at_rest()
    }

    fn remove(&mut self) {
        self.faults_mut().removed = true;
    }
}
