//! The message context: what names a request on the wire and comes back with its reply.
//!
//! ```text
//!  31   30:29   28            10   9        0
//!   0    0 0    generation (19)    index (10)
//! ```
//!
//! Bit 31 tells an address reply from a context reply, bits 30:29 are the context reply's type (0 for an initiator).
//! Indices below the queue depth are the queue's tags; those above are Control's own requests.

use hba_core::port::{Generation, Tag, WireTag};

/// Bits of the index: at most 1,024 requests.
pub(super) const INDEX_BITS: u32 = 10;
/// Bits of the generation: a stale reply is told apart for 2^19 uses of its slot.
pub(super) const GENERATION_BITS: u32 = 19;
/// Requests that can have a name.
pub(super) const INDICES: u16 = 1 << INDEX_BITS;

/// A message context with bits 31:29 clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Context(pub(super) u32);

impl Context {
    /// One more than the greatest context.
    pub(super) const END: u32 = 1 << (INDEX_BITS + GENERATION_BITS);

    #[inline]
    pub(super) const fn new(index: u16, generation: u32) -> Self {
        let generation = generation & ((1 << GENERATION_BITS) - 1);
        Self(generation << INDEX_BITS | index as u32)
    }

    /// The queue gives generations of [`GENERATION_BITS`] bits.
    #[inline]
    pub(super) const fn of(name: WireTag) -> Self {
        Self(name.generation.0 << INDEX_BITS | name.tag.0 as u32)
    }

    /// `None` for bits that no initiator context has.
    #[inline]
    pub(super) const fn checked(word: u32) -> Option<Self> {
        if word < Self::END { Some(Self(word)) } else { None }
    }

    #[inline]
    pub(super) const fn index(self) -> u16 {
        (self.0 & (INDICES as u32 - 1)) as u16
    }

    #[inline]
    pub(super) const fn generation(self) -> u32 {
        self.0 >> INDEX_BITS
    }

    #[inline]
    pub(super) const fn name(self) -> WireTag {
        WireTag { tag: Tag(self.index()), generation: Generation(self.generation()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_its_name() {
        for (index, generation) in [(0, 0), (1023, 0x7_ffff), (5, 0x1_2345)] {
            let context = Context::new(index, generation);
            assert_eq!((context.index(), context.generation()), (index, generation));
            assert_eq!(Context::of(context.name()), context);
            assert_eq!(Context::checked(context.0), Some(context));
        }
        assert_eq!(Context::new(1, 1 << GENERATION_BITS), Context::new(1, 0));
        assert_eq!(Context::checked(0x2000_0000), None);
    }
}
