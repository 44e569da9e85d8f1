//! Names of things: a target, a logical unit, a vector, a slot, one use of a slot. Each a type of its own.

use core::fmt;

use scsi_proto::Lun;

/// A target port as the controller addresses it.
///
/// What the number means is the backend's affair: a bus and an ID on parallel SCSI and MPI 1.x, a device handle on later
/// controllers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId {
    /// The channel (bus) of the controller, 0 where there is one.
    pub channel: u8,
    /// The target on that channel.
    pub id: u16,
}

impl TargetId {
    /// Target `id` on channel 0.
    pub const fn new(id: u16) -> Self {
        Self { channel: 0, id }
    }
}

impl fmt::Display for TargetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.channel, self.id)
    }
}

/// A logical unit behind a target: SAM's I_T_L nexus, the initiator being this controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nexus {
    /// The target port.
    pub target: TargetId,
    /// The logical unit number, eight bytes as on the wire.
    pub lun: Lun,
}

impl Nexus {
    /// Logical unit `lun` of `target`.
    pub const fn new(target: TargetId, lun: Lun) -> Self {
        Self { target, lun }
    }
}

impl fmt::Display for Nexus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.target, self.lun)
    }
}

/// The caller's own name for a command, given back with its completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Cookie(pub u64);

/// A slot of one queue, counted from 0. Never a frame index, never a task ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub u16);

/// How often a slot was used, as far as the wire can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Generation(pub u32);

/// The name of an outstanding command on the wire: the slot, and which use of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WireTag {
    /// The slot.
    pub tag: Tag,
    /// Which use of the slot, in [`QueuePort::GENERATION_BITS`](crate::port::QueuePort::GENERATION_BITS) bits; 0 where the wire has none.
    pub generation: Generation,
}

/// An interrupt vector of one adapter and the queue that belongs to it, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vector(pub u16);

impl fmt::Display for Vector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which submit a completion belongs to, for aborting it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CommandHandle {
    pub(crate) slot: u16,
    /// The full count of uses, not only the bits that the wire carries.
    pub(crate) generation: u32,
}

impl CommandHandle {
    /// The handle of a command that never reached a queue.
    pub const NEVER_SENT: Self = Self { slot: u16::MAX, generation: u32::MAX };
}
