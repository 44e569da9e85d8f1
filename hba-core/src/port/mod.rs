//! What a backend implements: the data path of one vector and the control path of one adapter.

mod control;
mod forward;
mod memory;
mod reply;
mod task;

pub use control::{
    BringUp, BringUpError, ControlPort, Polled, PortEvent, Start, TargetInfo, TargetKind,
};
pub use memory::{MemoryFault, MemoryPlan, RegionPlan, check_memory};
pub use reply::{
    BadReply, Delivery, Detail, Disowned, Glance, Message, Misrouted, Reply, Transferred, Unclaimed,
};
pub use task::{NoResources, TaskManagement, TaskManagementId, TaskManagementResult};

use crate::command::Command;
pub use crate::command::Unsendable;
use crate::dma::{Elements, Segment};
pub use crate::name::{Generation, Tag, WireTag};
use crate::register::HostWrite;

/// A backend's data path for one interrupt vector. [`IoQueue`](crate::queue::IoQueue) drives it.
///
/// Nothing here is called from two threads, blocks, allocates or reads a clock. Whatever the device wrote is hostile
/// until the port has checked it against its own records; each word of it is read once.
pub trait QueuePort {
    /// What the platform writes to start a command.
    type Doorbell: HostWrite;
    /// What the platform writes after a service pass; `()` where nothing is due.
    type Ack: HostWrite;
    /// Bits of [`Generation`] that a reply echoes. With 0 a stale reply cannot be told from a fresh one, and the queue
    /// keeps doubtful slots out of use instead.
    const GENERATION_BITS: u32;

    /// Writes the frame of `command` into the slot's memory.
    ///
    /// Nothing reaches the device before the caller writes the doorbell, so a failure has no effect.
    ///
    /// # Errors
    ///
    /// [`Unsendable`] when the request does not fit the wire.
    fn prepare(
        &mut self,
        name: WireTag,
        command: &Command,
        elements: Elements<'_>,
    ) -> Result<Self::Doorbell, Unsendable>;

    /// Whether [`Self::glance`] looks. The common path then keeps nothing of the rare ones.
    const GLANCES: bool = false;

    /// As [`Self::prepare`] for a command with one element of data, where the port can do it without calling anything, and
    /// with a CDB of up to 16 bytes.
    ///
    /// `None`, and nothing written that matters: [`Self::prepare`] is asked then.
    #[inline]
    fn prepare_single(
        &mut self,
        _name: WireTag,
        _command: &Command,
        _element: Segment,
    ) -> Option<Self::Doorbell> {
        None
    }

    /// Takes the next reply if it is the usual one, and only a look tells that.
    #[inline]
    fn glance(&mut self) -> Glance {
        Glance::Other
    }

    /// Takes the next reply that the device posted.
    fn next_reply(&mut self) -> Reply;

    /// The last success or detail names no command that the device has, and how that is to be counted; what else follows
    /// is the port's.
    #[cold]
    fn disown(&mut self, name: WireTag, why: Unclaimed) -> Disowned {
        match why {
            Unclaimed::NoSlot => Disowned::Bad(BadReply::UnknownTag { raw: u32::from(name.tag.0) }),
            Unclaimed::NeverIssued | Unclaimed::Ended => Disowned::Stale,
        }
    }

    /// One of this queue's commands has ended, as another vector was told: the next [`Self::next_reply`] that finds nothing
    /// else gives it as [`Reply::Detail`]. Ports without vectors to choose from never get one.
    #[cold]
    fn deliver(&mut self, tag: Tag, detail: &Detail) {
        let _ = (tag, detail);
    }

    /// The particulars of the last [`Reply::Detail`].
    fn detail(&self) -> &Detail;

    /// Copies the sense data of the last [`Reply::Detail`], which has at most [`Detail::sense_len`] bytes.
    fn read_sense(&mut self, tag: Tag, into: &mut [u8]);

    /// The content of the last [`Reply::Message`].
    fn message(&self) -> &Message;

    /// Ends a service pass.
    fn acknowledge(&mut self) -> Self::Ack;

    /// Forgets everything about the device: it was reset, its queues are empty.
    fn restart(&mut self);
}
