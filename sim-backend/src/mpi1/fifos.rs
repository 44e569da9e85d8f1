//! The FIFOs behind the request and reply registers.

use alloc::collections::VecDeque;

/// A FIFO of 32-bit words with a fixed depth.
#[derive(Clone, Debug)]
pub(crate) struct Fifo {
    words: VecDeque<u32>,
    depth: usize,
}

/// A word for which there was no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overflow;

impl Fifo {
    pub(crate) fn new(depth: u16) -> Self {
        Self { words: VecDeque::new(), depth: depth.into() }
    }

    pub(crate) fn push(&mut self, word: u32) -> Result<(), Overflow> {
        if self.is_full() {
            return Err(Overflow);
        }
        self.words.push_back(word);
        Ok(())
    }

    pub(crate) fn pop(&mut self) -> Option<u32> {
        self.words.pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.words.len() >= self.depth
    }

    pub(crate) fn len(&self) -> usize {
        self.words.len()
    }

    pub(crate) fn clear(&mut self) {
        self.words.clear();
    }
}

/// The four FIFOs of a controller.
#[derive(Clone, Debug)]
pub(crate) struct Fifos {
    /// Request frames, by address.
    pub(crate) request: Fifo,
    /// Request frames for task management; depth 0 where there is no such FIFO.
    pub(crate) high_priority: Fifo,
    /// Reply frames that the controller may fill.
    pub(crate) reply_free: Fifo,
    /// Replies for the host.
    pub(crate) reply_post: Fifo,
}

impl Fifos {
    pub(crate) fn new(requests: u16, high_priority: u16, replies: u16) -> Self {
        Self {
            request: Fifo::new(requests),
            high_priority: Fifo::new(high_priority),
            reply_free: Fifo::new(replies),
            reply_post: Fifo::new(replies),
        }
    }

    pub(crate) fn clear(&mut self) {
        self.request.clear();
        self.high_priority.clear();
        self.reply_free.clear();
        self.reply_post.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_a_limit() {
        let mut fifo = Fifo::new(2);
        assert_eq!([fifo.push(1), fifo.push(2), fifo.push(3)], [Ok(()), Ok(()), Err(Overflow)]);
        assert_eq!((fifo.pop(), fifo.len()), (Some(1), 1));
        assert_eq!(Fifo::new(0).push(1), Err(Overflow));
    }
}
