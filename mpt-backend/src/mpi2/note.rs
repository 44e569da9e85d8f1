//! What a queue tells Control of its own, as a message whose first byte no controller's reply has.

use hba_core::port::Message;

/// The function byte of notes; queues refuse replies with it.
pub(super) const NOTE: u8 = 0xff;
/// Reply frames in one note.
pub(super) const FRAMES_MAX: usize = 28;

/// A note.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Note<'a> {
    /// These reply frames were copied, in the queue's life of this number.
    Spent(u32, &'a [u32]),
    /// The queue saw words that a controller in its right mind does not write.
    Distrust,
}

impl<'a> Note<'a> {
    /// A note, or `None` for a reply of the controller.
    pub(super) fn of(message: &'a Message) -> Option<Self> {
        let words = message.words();
        let first = *words.first()?;
        if first >> 24 != u32::from(NOTE) {
            return None;
        }
        Some(match words.get(1) {
            Some(epoch) if first & 1 == 0 => Self::Spent(*epoch, words.get(2..).unwrap_or(&[])),
            _ => Self::Distrust,
        })
    }
}

/// The message of a [`Note::Spent`].
pub(super) fn spent(epoch: u32, frames: impl Iterator<Item = u16>) -> Message {
    let head = [u32::from(NOTE) << 24, epoch];
    Message::new(head.into_iter().chain(frames.take(FRAMES_MAX).map(u32::from)))
}

/// The message of a [`Note::Distrust`].
pub(super) fn distrust() -> Message {
    Message::new([u32::from(NOTE) << 24 | 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_read_back_and_replies_are_none() {
        let message = spent(7, [3, 900].into_iter());
        assert_eq!(Note::of(&message), Some(Note::Spent(7, &[3, 900])));
        assert_eq!(Note::of(&distrust()), Some(Note::Distrust));
        assert_eq!(Note::of(&Message::new([0x0705_0000, 0])), None);
    }
}
