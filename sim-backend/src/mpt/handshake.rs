//! The doorbell handshake: a message in by dwords, a reply out by half words.
//!
//! ```text
//!         42h, n dwords          last dword           reply ready
//! Idle -----------------> Request ---------> Working --------------> Reply
//!   ^                                           | no reply            | last half
//!   +-------------------------------------------+---------------------+ acknowledged
//! ```

/// The state of the handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Idle,
    /// The host writes the message.
    Request { expected: usize, words: Vec<u32> },
    /// The message is complete and being worked on.
    Working,
    /// The host reads the reply.
    Reply { halves: Vec<u16>, next: usize },
}

/// What a doorbell word meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Part of a message.
    Word,
    /// The last dword: the bytes of the message.
    Message(Vec<u8>),
    /// Not part of a handshake: a doorbell function.
    Function(u8),
}

/// The handshake part of the doorbell register.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handshake {
    state: State,
}

impl Handshake {
    /// Whether the doorbell-used bit is set.
    pub(crate) fn in_use(&self) -> bool {
        self.state != State::Idle
    }

    /// Whether a message is on its way in or being worked on.
    pub(crate) const fn is_request(&self) -> bool {
        matches!(self.state, State::Request { .. } | State::Working)
    }

    /// Whether a reply is on its way out.
    pub(crate) const fn is_reply(&self) -> bool {
        matches!(self.state, State::Reply { .. })
    }

    /// Starts a handshake of `dwords`, which ends a reply that nobody fetched.
    pub(crate) fn start(&mut self, dwords: u8) {
        self.state = State::Request { expected: dwords.into(), words: Vec::new() };
    }

    /// Takes one doorbell write. A handshake of 0 dwords takes and drops everything.
    pub(crate) fn take(&mut self, word: u32) -> Taken {
        match &mut self.state {
            State::Idle | State::Reply { .. } => Taken::Function((word >> 24) as u8),
            State::Working => Taken::Word,
            State::Request { expected, words } => {
                if words.len() < *expected {
                    words.push(word);
                }
                if *expected == 0 || words.len() < *expected {
                    return Taken::Word;
                }
                let message = words.iter().flat_map(|word| word.to_le_bytes()).collect();
                self.state = State::Working;
                Taken::Message(message)
            }
        }
    }

    /// Offers the reply to the message.
    pub(crate) fn reply(&mut self, bytes: &[u8]) {
        let halves = bytes.chunks_exact(2).map(|half| u16::from_le_bytes([half[0], half[1]]));
        self.state = State::Reply { halves: halves.collect(), next: 0 };
    }

    /// Ends the handshake without a reply.
    pub(crate) fn end(&mut self) {
        self.state = State::Idle;
    }

    /// The half word that the host reads now; `advance` moves on at once. Past the end: 0.
    pub(crate) fn read(&mut self, advance: bool) -> u16 {
        let State::Reply { halves, next } = &mut self.state else { return 0 };
        let half = halves.get(*next).copied().unwrap_or(0);
        if advance && *next < halves.len() {
            *next += 1;
        }
        half
    }

    /// The host acknowledged the doorbell interrupt. Returns whether the interrupt stays (or comes again).
    pub(crate) fn acknowledge(&mut self, reads_advance: bool) -> bool {
        let State::Reply { halves, next } = &mut self.state else { return false };
        if !reads_advance {
            *next += 1;
        }
        if *next >= halves.len() {
            self.state = State::Idle;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_goes_in_and_a_reply_comes_out() {
        let mut handshake = Handshake::default();
        assert_eq!(handshake.take(0x4203_0000), Taken::Function(0x42));
        handshake.start(2);
        assert_eq!(handshake.take(0x0403_0201), Taken::Word);
        let message = Taken::Message(vec![1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(handshake.take(0x0807_0605), message);
        assert!(handshake.is_request() && handshake.in_use());
        handshake.reply(&[1, 2, 3, 4]);
        assert_eq!((handshake.read(false), handshake.read(false)), (0x0201, 0x0201));
        assert!(handshake.acknowledge(false), "the second half comes with its own interrupt");
        assert_eq!(handshake.read(false), 0x0403);
        assert!(handshake.acknowledge(false), "one more interrupt at the end");
        assert!(!handshake.in_use());
        assert!(!handshake.acknowledge(false));
    }

    #[test]
    fn reads_may_advance_by_themselves() {
        let mut handshake = Handshake::default();
        handshake.reply(&[1, 0, 2, 0]);
        assert_eq!([handshake.read(true), handshake.read(true), handshake.read(true)], [1, 2, 0]);
        assert!(handshake.acknowledge(true));
        assert!(!handshake.in_use());
    }
}
