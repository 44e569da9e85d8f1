//! Replies on their way to the host: frames, descriptors, and what is done when there is no room.

use alloc::collections::VecDeque;

use hba_core::dma::BusAddr;
use zerocopy::{Immutable, IntoBytes};

use super::init::one_half;
use super::registers::{IocState, REPLY_FREE_HOST_INDEX, REPLY_POST_HOST_INDEX, reply_type};
use super::violation::Violation;
use super::{Mpi2Controller, Route, Via};
use crate::counted::{take, take_value};

/// Alignment of a reply frame, in bytes.
const FRAME_ALIGN: u32 = 4;

/// One reply that has no place yet.
#[derive(Clone, Debug)]
enum Outgoing {
    /// Bytes for a reply frame.
    Frame(Route, Vec<u8>),
    /// A SCSI IO ended GOOD with all its bytes: the type of its descriptor.
    Success(Route, u8),
}

impl Outgoing {
    const fn route(&self) -> Route {
        match self {
            Self::Frame(route, _) | Self::Success(route, _) => *route,
        }
    }
}

/// Replies that wait for a free frame or for room in their queue, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Replies {
    waiting: VecDeque<Outgoing>,
}

impl Replies {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// Why a reply could not be sent.
enum Unsent {
    /// There was no free frame or no room.
    Starved,
    /// The host broke a rule.
    Broken(Violation),
}

impl From<Violation> for Unsent {
    fn from(violation: Violation) -> Self {
        Self::Broken(violation)
    }
}

impl Mpi2Controller {
    /// Sends a reply message the way its request came.
    pub(super) fn reply<T: IntoBytes + Immutable>(&mut self, via: Via, message: &T) {
        self.reply_bytes(via, message.as_bytes());
    }

    pub(super) fn reply_bytes(&mut self, via: Via, bytes: &[u8]) {
        match via {
            Via::Doorbell => {
                self.handshake.reply(bytes);
                self.interrupts.raise_doorbell();
            }
            Via::Queue(route) => self.post_frame(route, bytes),
        }
    }

    /// Sends a reply message in a reply frame.
    pub(super) fn post_frame(&mut self, route: Route, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        if let Some((offset, value)) = take_value(&mut self.faults.patch_replies)
            && let Some(byte) = bytes.get_mut(offset)
        {
            *byte = value;
        }
        self.send(Outgoing::Frame(route, bytes));
    }

    /// Sends the plain success of a SCSI IO.
    pub(super) fn post_success(&mut self, route: Route, fast_path: bool) {
        let kind =
            if fast_path { reply_type::FAST_PATH_SUCCESS } else { reply_type::SCSI_IO_SUCCESS };
        self.send(Outgoing::Success(route, kind));
    }

    fn send(&mut self, outgoing: Outgoing) {
        if take(&mut self.faults.lose_replies) {
            return self.requests.release(outgoing.route().smid);
        }
        // A reply does not overtake one that waits for the same queue.
        let vector = outgoing.route().vector;
        let blocked = self.replies.waiting.iter().any(|other| other.route().vector == vector);
        if blocked || !self.sent(&outgoing) {
            self.replies.waiting.push_back(outgoing);
        }
    }

    /// Sends a stray descriptor or the oldest reply that waits and can be sent now.
    pub(super) fn flush_reply(&mut self) -> bool {
        if self.state != IocState::Operational {
            return false;
        }
        if !self.faults.stray_replies.is_empty() {
            let (vector, descriptor) = self.faults.stray_replies.remove(0);
            return self.post_descriptor(vector, descriptor.to_le_bytes()).is_ok();
        }
        let mut blocked = 0u128;
        for index in 0..self.replies.waiting.len() {
            let Some(outgoing) = self.replies.waiting.get(index).cloned() else { break };
            let queue = 1 << (outgoing.route().vector & 127);
            if blocked & queue == 0 && self.sent(&outgoing) {
                self.replies.waiting.remove(index);
                return true;
            }
            blocked |= queue;
        }
        false
    }

    /// Tries to send a reply. A broken rule stops the controller, and the reply is gone.
    fn sent(&mut self, outgoing: &Outgoing) -> bool {
        match self.try_send(outgoing) {
            Ok(()) => true,
            Err(Unsent::Starved) => false,
            Err(Unsent::Broken(violation)) => {
                self.fault(violation);
                true
            }
        }
    }

    fn try_send(&mut self, outgoing: &Outgoing) -> Result<(), Unsent> {
        let Route { smid, vector } = outgoing.route();
        if self.room(vector) == 0 {
            return Err(Unsent::Starved);
        }
        let (kind, address) = match outgoing {
            Outgoing::Success(_, kind) => (*kind, 0),
            Outgoing::Frame(_, bytes) => (reply_type::ADDRESS, self.fill_frame(bytes)?),
        };
        let shown = smid ^ take_value(&mut self.faults.corrupt_smid).unwrap_or(0);
        let descriptor = descriptor(kind, vector, shown, address);
        self.post_descriptor(vector, descriptor)?;
        self.requests.release(smid);
        if take(&mut self.faults.duplicate_replies) {
            // Without room the second one is lost.
            match self.post_descriptor(vector, descriptor) {
                Ok(()) | Err(Unsent::Starved) => {}
                Err(broken) => return Err(broken),
            }
        }
        Ok(())
    }

    /// How many descriptors the queue of a vector takes now.
    fn room(&self, vector: u8) -> usize {
        let queue = self.init.as_ref().and_then(|init| init.posts.get(usize::from(vector)));
        queue.map_or(0, super::queues::PostQueue::room)
    }

    /// Writes a reply to the next free frame; returns the low half of its address.
    fn fill_frame(&mut self, bytes: &[u8]) -> Result<u32, Unsent> {
        let init = self.init.as_mut().ok_or(Unsent::Starved)?;
        let low = init.free.take().ok_or(Unsent::Starved)?;
        let at = BusAddr::new(u64::from(init.reply_high) << 32 | u64::from(low));
        let what = "a reply frame";
        if !low.is_multiple_of(FRAME_ALIGN) {
            return Err(Violation::Misaligned { what, address: at, align: FRAME_ALIGN }.into());
        }
        let room = usize::from(self.personality.facts.reply_frame_size) * 4;
        one_half(what, at, room as u64)?;
        let written = self.memory.write(at, bytes.get(..room).unwrap_or(bytes));
        written.map_err(|fault| Violation::Memory { what, fault })?;
        Ok(low ^ take_value(&mut self.faults.corrupt_address).unwrap_or(0))
    }

    /// Writes a descriptor and tells the host.
    fn post_descriptor(&mut self, vector: u8, descriptor: [u8; 8]) -> Result<(), Unsent> {
        let init = self.init.as_mut().ok_or(Unsent::Starved)?;
        let queue = init.posts.get_mut(usize::from(vector)).ok_or(Unsent::Starved)?;
        let index = queue.next();
        let at = queue.advance().ok_or(Unsent::Starved)?;
        // Hardware does not look: the host would take this entry before it is written.
        if self.memory.read_u64(at).is_ok_and(|found| found != u64::MAX) {
            self.violations.record(Violation::NotRestored { vector, index });
        }
        let written = self.memory.write(at, &descriptor);
        written.map_err(|fault| Violation::Memory { what: "a reply post queue", fault })?;
        self.interrupts.posted(vector);
        Ok(())
    }

    /// The host gives reply frames.
    pub(super) fn set_free_index(&mut self, index: u32) {
        let Some(init) = &mut self.init else {
            return self.index_too_early(REPLY_FREE_HOST_INDEX);
        };
        let depth = init.free.depth();
        let places = match init.free.set_host(index) {
            Ok(Some(places)) => places,
            Ok(None) => return self.note(Violation::FreeIndexBack { index }),
            Err(_) => return self.fault(Violation::FreeIndex { index, depth }),
        };
        for place in places {
            match self.memory.read_u32(place) {
                // Hardware would use it twice.
                Ok(address) if init.free.give(address).is_err() => {
                    self.violations.record(Violation::FrameTwice { address });
                }
                Ok(_) => {}
                Err(fault) => {
                    let what = "the reply free queue";
                    return self.fault(Violation::Memory { what, fault });
                }
            }
        }
    }

    /// The host has emptied a reply post queue up to an index.
    pub(super) fn set_post_index(&mut self, vector: u8, index: u32) {
        let Some(init) = &mut self.init else {
            return self.index_too_early(REPLY_POST_HOST_INDEX);
        };
        let vectors = init.vectors();
        let Some(queue) = init.posts.get_mut(usize::from(vector)) else {
            return self.fault(Violation::Vector { vector, vectors });
        };
        let (posted, depth) = (queue.next(), queue.depth());
        match queue.set_host(index) {
            Ok(()) => self.interrupts.acknowledged(vector, queue.is_empty()),
            Err(_) => self.fault(Violation::PostIndex { vector, index, posted, depth }),
        }
    }

    fn index_too_early(&mut self, offset: hba_core::register::RegOffset) {
        if self.state == IocState::Ready {
            self.fault(Violation::NotOperational { offset });
        }
    }
}

/// Source: measured layouts, `MPI2_ADDRESS_REPLY_DESCRIPTOR`, `MPI2_SCSI_IO_SUCCESS_REPLY_DESCRIPTOR`.
const fn descriptor(kind: u8, vector: u8, smid: u16, address: u32) -> [u8; 8] {
    let [smid_0, smid_1] = smid.to_le_bytes();
    let [a, b, c, d] = address.to_le_bytes();
    [kind, vector, smid_0, smid_1, a, b, c, d]
}
