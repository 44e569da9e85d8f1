//! Whatever is posted but the end of a command that went well: sorted, checked, and told to Control.

use hba_core::dma::DmaSync;
use hba_core::port::{BadReply, Detail, Generation, Reply, WireTag};
use zerocopy::FromBytes;

use super::{Mpi2Queue, NEWS, QUIET, UNKNOWN_MAX};
use crate::mpi2::config::Plan;
use crate::mpi2::note;
use crate::mpi2::replies::ReplyCopy;
use crate::sense::SENSE;
use crate::status::{JUDGED_WORDS, NONSENSE, judge};
use crate::wire::message::Function;
use crate::wire::mpi2::{REPLY_ADDRESS, REPLY_FAST_PATH_SUCCESS, REPLY_SCSI_IO_SUCCESS};
use crate::wire::scsi_io::ScsiIoReply;

impl<S: DmaSync> Mpi2Queue<S> {
    /// Counts a breach that no working controller commits; Control hears of it at the end of the pass.
    #[cold]
    pub(super) fn breach(&mut self, bad: BadReply) -> Reply {
        (self.distrust, self.idle) = (true, NEWS);
        Reply::Bad(bad)
    }

    /// Nothing is posted: what Control is to know goes out now.
    #[cold]
    #[inline(never)]
    pub(super) fn report(&mut self) -> Reply {
        if let Some(bad) = self.nonsense.take() {
            return self.breach(bad);
        }
        if !self.spent.is_empty() {
            return self.report_spent();
        }
        if !self.misrouted.is_empty() {
            let from = self.misrouted.len().saturating_sub(note::NUMBERS_MAX);
            self.message = note::misrouted(self.epoch, self.misrouted.drain(from..));
            return Reply::Message;
        }
        if let Some((tag, detail)) = self.delivered.pop() {
            self.detail = detail;
            return Reply::Detail(WireTag { tag, generation: Generation(0) });
        }
        self.idle = QUIET;
        if core::mem::take(&mut self.distrust) {
            self.message = note::distrust();
            return Reply::Message;
        }
        Reply::Empty
    }

    #[cold]
    pub(super) fn report_spent(&mut self) -> Reply {
        for frame in &self.spent {
            self.replies.forget(*frame);
        }
        self.message = note::spent(self.epoch, self.spent.drain(..));
        Reply::Message
    }

    /// What a whole descriptor says.
    pub(super) fn sort(&mut self, low: u32, high: u32) -> Reply {
        let (kind, smid) = ((low & 0xf) as u8, (low >> 16) as u16);
        match kind {
            REPLY_ADDRESS => self.address_reply(smid, high),
            REPLY_SCSI_IO_SUCCESS | REPLY_FAST_PATH_SUCCESS => match self.name(smid) {
                Some(name) => Reply::Success(name),
                // What the queue finds no slot for comes back as disowned.
                None => Reply::Success(self.foreign_name(smid)),
            },
            _ => {
                self.unknown += 1;
                self.distrust |= self.unknown.is_multiple_of(UNKNOWN_MAX);
                if self.distrust {
                    self.idle = NEWS;
                }
                Reply::Bad(BadReply::Function { function: kind })
            }
        }
    }

    fn address_reply(&mut self, smid: u16, address: u32) -> Reply {
        let taken = self.replies.take(address, &mut self.sync);
        if let Ok((frame, _)) = taken {
            self.spent.push(frame);
            self.idle = NEWS;
        }
        let Some(name) = self.name(smid) else {
            if self.is_command(smid) {
                return self.misrouted_reply(smid, taken.map(|(_, copy)| copy));
            }
            return match taken.and_then(|(_, copy)| check_message(smid, &copy)) {
                Ok(copy) => {
                    self.message = copy.named(smid);
                    Reply::Message
                }
                Err(bad) => self.breach(bad),
            };
        };
        // The SMID is one of ours: its command has ended, whatever the frame holds.
        match taken.and_then(|(_, copy)| end_of(&copy)) {
            Ok(detail) => self.detail = detail,
            Err(bad) => {
                (self.nonsense, self.idle) = (Some(bad), NEWS);
                self.detail = NONSENSE;
            }
        }
        Reply::Detail(name)
    }

    /// The end of another queue's command goes there by way of Control.
    fn misrouted_reply(&mut self, smid: u16, taken: Result<ReplyCopy, BadReply>) -> Reply {
        let checked = taken.and_then(|copy| end_of(&copy).map(|_| copy));
        let copy = checked.unwrap_or_else(|bad| {
            (self.nonsense, self.idle) = (Some(bad), NEWS);
            ReplyCopy::of(&[])
        });
        self.message = note::misrouted_reply(self.epoch, smid, &copy);
        Reply::Message
    }
}

/// Half of the reply frames, if all queues keep so many; no more than one note tells.
pub(super) fn spent_max(plan: &Plan) -> usize {
    let share = usize::from(plan.replies) / (2 * usize::from(plan.vectors()));
    share.clamp(1, note::NUMBERS_MAX)
}

/// A message for Control: not one that looks like a note, nor too short.
fn check_message(smid: u16, copy: &ReplyCopy) -> Result<ReplyCopy, BadReply> {
    copy.check_length(0)?;
    let function = copy.function();
    let io = matches!(Function(function), Function::SCSI_IO_REQUEST);
    let event = matches!(Function(function), Function::EVENT_NOTIFICATION);
    if function == note::NOTE || io || smid == 0 && !event {
        return Err(BadReply::Function { function });
    }
    Ok(*copy)
}

/// What the frame says of how a command ended.
pub(in crate::mpi2) fn end_of(copy: &ReplyCopy) -> Result<Detail, BadReply> {
    let function = copy.function();
    if !matches!(Function(function), Function::SCSI_IO_REQUEST | Function::RAID_SCSI_IO_PASSTHROUGH)
    {
        return Err(BadReply::Function { function });
    }
    copy.check_length(JUDGED_WORDS)?;
    let bytes = copy.bytes();
    let (reply, _) = ScsiIoReply::read_from_prefix(&bytes)
        .map_err(|_| BadReply::MessageLength { words: copy.len as u8 })?;
    Ok(judge(&reply, SENSE))
}
