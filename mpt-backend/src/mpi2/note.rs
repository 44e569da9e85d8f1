//! What a queue tells Control of its own, as a message whose first byte no controller's reply has.

use hba_core::port::Message;

use super::replies::ReplyCopy;

/// The function byte of notes; queues refuse replies with it.
pub(super) const NOTE: u8 = 0xff;
/// Numbers in one note.
pub(super) const NUMBERS_MAX: usize = 28;

/// A note.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Note<'a> {
    /// These reply frames were copied, in the queue's life of this number.
    Spent(u32, &'a [u32]),
    /// The commands of these SMIDs, which other queues sent, ended well.
    Misrouted(u32, &'a [u32]),
    /// The command of this SMID, which another queue sent, ended as this reply says, of which the first words are here.
    MisroutedReply(u32, u16, &'a [u32]),
    /// The queue saw words that a controller in its right mind does not write.
    Distrust,
}

const SPENT: u32 = 0;
const DISTRUST: u32 = 1;
const MISROUTED: u32 = 2;
const MISROUTED_REPLY: u32 = 3;

impl<'a> Note<'a> {
    /// A note, or `None` for a reply of the controller.
    pub(super) fn of(message: &'a Message) -> Option<Self> {
        let words = message.words();
        let first = *words.first()?;
        if first >> 24 != u32::from(NOTE) {
            return None;
        }
        let kind = first & 0xff;
        Some(match words.get(1..) {
            Some([epoch, numbers @ ..]) if kind == SPENT => Self::Spent(*epoch, numbers),
            Some([epoch, numbers @ ..]) if kind == MISROUTED => Self::Misrouted(*epoch, numbers),
            Some([epoch, smid, reply @ ..]) if kind == MISROUTED_REPLY => {
                Self::MisroutedReply(*epoch, *smid as u16, reply)
            }
            _ => Self::Distrust,
        })
    }
}

/// The message of a [`Note::Spent`].
pub(super) fn spent(epoch: u32, frames: impl Iterator<Item = u16>) -> Message {
    numbers(SPENT, epoch, frames)
}

/// The message of a [`Note::Misrouted`].
pub(super) fn misrouted(epoch: u32, smids: impl Iterator<Item = u16>) -> Message {
    numbers(MISROUTED, epoch, smids)
}

/// The message of a [`Note::MisroutedReply`].
pub(super) fn misrouted_reply(epoch: u32, smid: u16, reply: &ReplyCopy) -> Message {
    let head = [u32::from(NOTE) << 24 | MISROUTED_REPLY, epoch, u32::from(smid)];
    Message::new(head.into_iter().chain(reply.judged()))
}

/// The message of a [`Note::Distrust`].
pub(super) fn distrust() -> Message {
    Message::new([u32::from(NOTE) << 24 | DISTRUST])
}

fn numbers(kind: u32, epoch: u32, numbers: impl Iterator<Item = u16>) -> Message {
    let head = [u32::from(NOTE) << 24 | kind, epoch];
    Message::new(head.into_iter().chain(numbers.take(NUMBERS_MAX).map(u32::from)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_read_back_and_replies_are_none() {
        let message = spent(7, [3, 900].into_iter());
        assert_eq!(Note::of(&message), Some(Note::Spent(7, &[3, 900])));
        let message = misrouted(8, [1, 2].into_iter());
        assert_eq!(Note::of(&message), Some(Note::Misrouted(8, &[1, 2])));
        assert_eq!(Note::of(&distrust()), Some(Note::Distrust));
        assert_eq!(Note::of(&Message::new([0x0705_0000, 0])), None);
    }
}
