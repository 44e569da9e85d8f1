//! The control path: bring-up, state, events.

use alloc::vec::Vec;
use core::fmt;

use super::{
    BadReply, MemoryFault, MemoryPlan, Message, Misrouted, NoResources, QueuePort, TaskManagement,
    TaskManagementId, TaskManagementResult,
};
use crate::dma::{BusAddr, DmaRegion};
use crate::fabric::PreflightError;
use crate::limits::Limits;
use crate::name::TargetId;
use crate::register::Registers;
use crate::time::Instant;

/// A backend's control path: one adapter. [`Control`](crate::control::Control) drives it.
///
/// No call waits: each does what can be done at `now` and says when to come back. The only register accesses are made in
/// calls that are handed the registers.
pub trait ControlPort {
    /// The data path that belongs to it.
    type Queue: QueuePort;

    /// Starts bringing the controller up: at attach, and again for every reset.
    ///
    /// At attach nothing is known of the controller's state, which firmware may have left operational.
    fn begin(&mut self, start: Start, now: Instant);

    /// Goes on with what [`Self::begin`] started.
    fn bring_up(&mut self, now: Instant, registers: &mut dyn Registers) -> BringUp;

    /// The limits, once the controller's facts are known.
    fn limits(&self) -> Option<&Limits>;

    /// The memory that [`BringUp::NeedMemory`] asks for.
    fn memory_plan(&self) -> MemoryPlan;

    /// Takes the memory, in the order of the plan, and makes one data path for each vector.
    ///
    /// # Errors
    ///
    /// [`MemoryFault`] when a region does not fit the plan; nothing was given to the device, the regions are dropped, and
    /// others may be provided.
    fn provide_memory(&mut self, regions: Vec<DmaRegion>) -> Result<Vec<Self::Queue>, MemoryFault>;

    /// Looks at the state register and goes on with the port's own work: events, configuration, acknowledges.
    ///
    /// Called while the controller is operational, at the latest at the time in the returned [`Polled::Operational`].
    fn poll(&mut self, now: Instant, registers: &mut dyn Registers) -> Polled;

    /// A message that a queue took from its reply path.
    fn handle_message(&mut self, message: &Message, now: Instant, registers: &mut dyn Registers);

    /// Sends a task management function.
    ///
    /// # Errors
    ///
    /// [`NoResources`] when every frame reserved for task management is out; ask again after the next event.
    fn send_task_management(
        &mut self,
        task: TaskManagement,
        id: TaskManagementId,
        now: Instant,
        registers: &mut dyn Registers,
    ) -> Result<(), NoResources>;

    /// The next thing that the port has to tell.
    fn poll_event(&mut self) -> Option<PortEvent>;

    /// Masks or unmasks the controller's interrupts.
    fn set_interrupts(&mut self, enabled: bool, registers: &mut dyn Registers);

    /// Whether an interrupt on a shared line is this controller's: it asserts the line and is not masked.
    ///
    /// Message signalled interrupts are never shared, which is what the default says.
    fn claims_interrupt(&mut self, registers: &mut dyn Registers) -> bool {
        let _ = registers;
        true
    }
}

/// Why [`ControlPort::begin`] is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The first bring-up.
    Attach,
    /// Recovery: everything outstanding is to be forgotten by the controller.
    Reset,
    /// The end: the controller is to be left without anything that it could do to host memory. Ends with
    /// [`BringUp::Ready`] as soon as that is so.
    Shutdown,
}

/// How far a bring-up has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BringUp {
    /// Waiting for the controller; call again at this time at the latest, or after an interrupt.
    Wait(Instant),
    /// The facts are known; memory is needed before anything else.
    NeedMemory,
    /// The controller takes requests that the port makes itself; the queues' replies are to be serviced.
    ///
    /// Control answers the first of these with a restart of every queue. A host that keeps queues elsewhere carries all
    /// of those permits before it steps Control again: ports rely on it.
    Serving(Instant),
    /// Operational, targets known.
    Ready,
    /// The controller left the bus.
    Gone,
    /// It cannot be brought up.
    Failed(BringUpError),
}

/// Why a controller cannot be brought up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BringUpError {
    /// A step did not end before its deadline.
    Deadline {
        /// What was waited for.
        step: &'static str,
        /// The state register at the end.
        state: u32,
    },
    /// The controller reports a fault.
    Fault {
        /// The vendor's fault code.
        code: u16,
    },
    /// The answer to a step is an error.
    Status {
        /// Which step.
        step: &'static str,
        /// The controller's status.
        status: u32,
    },
    /// A number that the controller reports cannot be worked with.
    Fact {
        /// Which one.
        name: &'static str,
        /// What it reports.
        value: u32,
    },
    /// A reply was not what the step asks for.
    BadReply {
        /// Which step.
        step: &'static str,
    },
    /// The controller is in use by another processor on the bus.
    OwnedByPeer,
    /// The controller cannot reach memory as the host has it mapped; it was told of none.
    Preflight(PreflightError),
    /// The first fetch from memory got no answer. It is a request that asks and changes nothing; where a mapping is wrong, it
    /// faults at this step, and an IOMMU's record names this address.
    FirstFetch {
        /// The request frame that was to be fetched.
        request: BusAddr,
        /// The state register at the end.
        state: u32,
    },
}

impl fmt::Display for BringUpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deadline { step, state } => {
                write!(f, "no end of {step} before its deadline, state register {state:#010x}")
            }
            Self::Fault { code } => write!(f, "the controller is in fault {code:#06x}"),
            Self::Status { step, status } => write!(f, "{step} ended with status {status:#06x}"),
            Self::Fact { name, value } => {
                write!(f, "the controller reports {name} = {value}, which cannot be worked with")
            }
            Self::BadReply { step } => write!(f, "the reply to {step} is malformed"),
            Self::OwnedByPeer => f.write_str("the controller is in use by a peer on the bus"),
            Self::Preflight(error) => error.fmt(f),
            Self::FirstFetch { request, state } => write!(
                f,
                "no answer to the first fetch from memory, of the request frame at {request}, state register {state:#010x}; \
                 look for a dma fault of the host at this address"
            ),
        }
    }
}

impl core::error::Error for BringUpError {}

/// What [`ControlPort::poll`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polled {
    /// All is well; come back at this time at the latest.
    Operational(Instant),
    /// The controller stopped with a fault code.
    Fault(u16),
    /// The controller left the bus.
    Gone,
}

/// What a port has to tell Control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PortEvent {
    /// A task management function was answered.
    TaskManagement(TaskManagementId, TaskManagementResult),
    /// A target is there.
    TargetArrived(TargetInfo),
    /// A target is not there any more.
    TargetDeparted(TargetId),
    /// The device reported something that the core has no name for.
    Vendor {
        /// The backend's event code.
        code: u32,
        /// The first word of its data.
        data: u32,
    },
    /// A command's end was told to another vector than its own.
    Misrouted(Misrouted),
    /// The device broke the protocol on the control path.
    BadReply(BadReply),
    /// The port lost trust in the device (a control request without an answer): reset it.
    Distrust(&'static str),
}

/// What the controller knows of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetInfo {
    /// How to address it.
    pub id: TargetId,
    /// The SAS address of its port, or another world wide name; 0 when there is none.
    pub port_name: u64,
    /// What it is to the controller.
    pub kind: TargetKind,
}

impl TargetInfo {
    /// A device of its own.
    pub const fn device(id: TargetId, port_name: u64) -> Self {
        Self { id, port_name, kind: TargetKind::Device }
    }
}

/// What a target is to the controller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TargetKind {
    /// A device of its own.
    #[default]
    Device,
    /// A volume that the controller's firmware makes of disks, which are no targets then: integrated RAID.
    Volume,
}
