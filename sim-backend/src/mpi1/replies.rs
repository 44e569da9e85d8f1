//! Replies on their way to the host: frames, contexts, and what is done when there is no room.

use alloc::collections::VecDeque;

use hba_core::dma::BusAddr;
use hba_core::register::ALL_ONES;
use zerocopy::{Immutable, IntoBytes};

use super::registers::{
    CONTEXT_MASK, FaultCode, INT_DOORBELL, INT_REPLY, IocState, REPLY_IS_ADDRESS,
};
use super::{Mpi1Controller, Via};
use crate::counted::{take, take_value};

/// One reply that has no place in the FIFO yet.
#[derive(Clone, Debug)]
enum Outgoing {
    /// Bytes for a reply frame.
    Frame(Vec<u8>),
    /// A context reply.
    Context(u32),
}

/// Replies that wait for a free frame or a free FIFO entry, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Replies {
    waiting: VecDeque<Outgoing>,
}

impl Replies {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

/// There was no free frame or no free FIFO entry.
struct Starved;

impl Mpi1Controller {
    /// Sends a reply message the way its request came.
    pub(super) fn reply<T: IntoBytes + Immutable>(&mut self, via: Via, message: &T) {
        self.reply_bytes(via, message.as_bytes());
    }

    pub(super) fn reply_bytes(&mut self, via: Via, bytes: &[u8]) {
        let by_doorbell = if self.personality.behaviour.replies_disturb_handshake {
            self.handshake.is_request()
        } else {
            via == Via::Doorbell
        };
        if by_doorbell {
            self.handshake.reply(bytes);
            self.interrupts.raise(INT_DOORBELL);
        } else {
            self.post_frame(bytes);
        }
    }

    /// Sends a reply message through the FIFO, however its request came.
    pub(super) fn post_frame(&mut self, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        if let Some((offset, value)) = take_value(&mut self.faults.patch_replies)
            && let Some(byte) = bytes.get_mut(offset)
        {
            *byte = value;
        }
        self.send(Outgoing::Frame(bytes));
        if self.personality.behaviour.replies_disturb_handshake && self.handshake.is_request() {
            self.handshake.end();
            self.interrupts.raise(INT_DOORBELL);
        }
    }

    /// Sends a context reply: plain success of a SCSI IO.
    pub(super) fn post_context(&mut self, context: u32) {
        let unmasked = self.personality.behaviour.context_is_unmasked;
        let context = if unmasked { context } else { context & CONTEXT_MASK };
        self.send(Outgoing::Context(context));
    }

    fn send(&mut self, outgoing: Outgoing) {
        if take(&mut self.faults.lose_replies) {
            return;
        }
        let blocked = !self.replies.waiting.is_empty();
        if !blocked && self.try_send(&outgoing).is_ok() {
            return;
        }
        if self.personality.behaviour.starvation_faults {
            self.force_fault(FaultCode::INSUFFICIENT_RESOURCES);
        } else {
            self.replies.waiting.push_back(outgoing);
        }
    }

    /// Sends a stray word or the oldest reply that waits, if there is room now.
    pub(super) fn flush_reply(&mut self) -> bool {
        if !self.faults.stray_replies.is_empty() && !self.fifos.reply_post.is_full() {
            let word = self.faults.stray_replies.remove(0);
            self.post_word(word);
            return true;
        }
        let Some(outgoing) = self.replies.waiting.pop_front() else { return false };
        let sent = self.try_send(&outgoing).is_ok();
        if !sent {
            self.replies.waiting.push_front(outgoing);
        }
        sent
    }

    fn try_send(&mut self, outgoing: &Outgoing) -> Result<(), Starved> {
        if self.fifos.reply_post.is_full() {
            return Err(Starved);
        }
        let word = match outgoing {
            Outgoing::Context(context) => *context,
            Outgoing::Frame(bytes) => self.fill_frame(bytes)?,
        };
        self.post_word(word);
        if take(&mut self.faults.duplicate_replies) {
            self.post_word(word);
        }
        Ok(())
    }

    /// Writes a reply to the next free frame and returns its word for the FIFO.
    fn fill_frame(&mut self, bytes: &[u8]) -> Result<u32, Starved> {
        let low = self.fifos.reply_free.pop().ok_or(Starved)?;
        let bus = BusAddr::new(u64::from(self.init.host_mfa_high) << 32 | u64::from(low));
        let len = bytes.len().min(self.init.reply_frame_size.into());
        let written = self.memory.write(bus, bytes.get(..len).unwrap_or(bytes));
        if written.is_err() && !self.personality.behaviour.ignores_dma_faults {
            self.force_fault(FaultCode::HOST_MEMORY);
        }
        let corrupt = take_value(&mut self.faults.corrupt_address).unwrap_or(0);
        Ok(REPLY_IS_ADDRESS | (low ^ corrupt) >> 1)
    }

    fn post_word(&mut self, word: u32) {
        if self.fifos.reply_post.push(word).is_ok() {
            self.interrupts.raise(INT_REPLY);
        }
    }

    /// The host reads the reply FIFO.
    pub(super) fn read_reply(&mut self) -> u32 {
        let word = self.fifos.reply_post.pop();
        let sticky = self.personality.behaviour.reply_interrupt_is_sticky;
        if self.fifos.reply_post.is_empty() && (word.is_none() || !sticky) {
            self.interrupts.clear(INT_REPLY);
        }
        word.unwrap_or(ALL_ONES)
    }

    /// The host gives a reply frame.
    pub(super) fn free_reply(&mut self, low: u32) {
        if self.state != IocState::Reset && self.fifos.reply_free.push(low).is_err() {
            self.force_fault(FaultCode::INSUFFICIENT_RESOURCES);
        }
    }
}
