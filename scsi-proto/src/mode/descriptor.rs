//! Mode parameter block descriptors of disks. Source: SBC-4 6.5.

/// A block descriptor. Source: SBC-4 6.5.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockDescriptor {
    /// NUMBER OF LOGICAL BLOCKS. The short form says 2^32 - 1 for anything above.
    pub blocks: u64,
    /// LOGICAL BLOCK LENGTH in bytes; 24 bits in the short form.
    pub block_length: u32,
}

impl BlockDescriptor {
    /// Length of the short form in bytes.
    pub const SHORT_LEN: usize = 8;
    /// Length of the long form in bytes.
    pub const LONG_LEN: usize = 16;

    /// Reads the short form, of which byte 4 (density code) is ignored.
    #[must_use = "the descriptor is the only result"]
    pub const fn from_short(bytes: &[u8; Self::SHORT_LEN]) -> Self {
        let [b0, b1, b2, b3, _, l0, l1, l2] = *bytes;
        Self {
            blocks: u32::from_be_bytes([b0, b1, b2, b3]) as u64,
            block_length: u32::from_be_bytes([0, l0, l1, l2]),
        }
    }

    /// Reads the long form.
    #[must_use = "the descriptor is the only result"]
    pub const fn from_long(bytes: &[u8; Self::LONG_LEN]) -> Self {
        let value = u128::from_be_bytes(*bytes);
        Self { blocks: (value >> 64) as u64, block_length: value as u32 }
    }

    /// The short form. Bits 31:24 of the block length are lost.
    #[must_use = "the bytes are the only result"]
    pub fn to_short(self) -> [u8; Self::SHORT_LEN] {
        let blocks = u32::try_from(self.blocks).unwrap_or(u32::MAX);
        (u64::from(blocks) << 32 | u64::from(self.block_length & 0xff_ffff)).to_be_bytes()
    }

    /// The long form.
    #[must_use = "the bytes are the only result"]
    pub const fn to_long(self) -> [u8; Self::LONG_LEN] {
        ((self.blocks as u128) << 64 | self.block_length as u128).to_be_bytes()
    }
}

/// The block descriptors of mode parameter data; an incomplete last one is left out.
/// Source: SBC-4 6.5.
#[derive(Clone, Debug)]
pub struct BlockDescriptors<'a> {
    rest: &'a [u8],
    long: bool,
}

impl<'a> BlockDescriptors<'a> {
    pub(super) const fn new(rest: &'a [u8], long: bool) -> Self {
        Self { rest, long }
    }
}

impl Iterator for BlockDescriptors<'_> {
    type Item = BlockDescriptor;

    fn next(&mut self) -> Option<BlockDescriptor> {
        if self.long {
            let (bytes, rest) = self.rest.split_first_chunk()?;
            self.rest = rest;
            return Some(BlockDescriptor::from_long(bytes));
        }
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(BlockDescriptor::from_short(bytes))
    }
}
