//! What a block contains, so that a misplaced, stale, torn or invented one shows.
//!
//! A block begins with 32 bytes, little-endian: magic (4), CRC-32 of everything after it (4), LBA (8), seed (8),
//! generation (4), disk (4). The rest is pseudo-random and follows from those.

use core::fmt;

use sim_backend::schedule::SplitMix64;

/// Which block this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockName {
    /// The disk's place in the list, from 0.
    pub(super) disk: u32,
    /// Where on the disk.
    pub(super) lba: u64,
    /// How often the block was written in this run.
    pub(super) generation: u32,
}

/// The content of every block of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pattern {
    seed: u64,
}

/// What a block was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A whole block of this run.
    Block(BlockName),
    /// A whole block of a run with another seed.
    OtherRun {
        /// The other seed.
        seed: u64,
    },
    /// Nothing but zeros.
    Zeros,
    /// It begins as this block and is another from some byte on.
    Torn {
        /// What the beginning says.
        name: BlockName,
        /// The first byte that is not of this block.
        from: usize,
    },
    /// Nothing that this program wrote; its first eight bytes.
    Foreign([u8; 8]),
}

const MAGIC: [u8; 4] = *b"HBAv";
const HEADER: usize = 32;
/// Where the checksum begins to count.
const CHECKED: usize = 8;

impl Pattern {
    /// The pattern of `seed`.
    pub(super) const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Writes the content of block `name`. Blocks have at least 32 bytes.
    pub(super) fn fill(&self, name: BlockName, block: &mut [u8]) {
        let BlockName { disk, lba, generation } = name;
        let Some((header, body)) = block.split_first_chunk_mut::<HEADER>() else { return };
        header[8..16].copy_from_slice(&lba.to_le_bytes());
        header[16..24].copy_from_slice(&self.seed.to_le_bytes());
        header[24..28].copy_from_slice(&generation.to_le_bytes());
        header[28..].copy_from_slice(&disk.to_le_bytes());
        let mut random = SplitMix64::new(self.seed ^ u64::from(disk) << 32 ^ u64::from(generation));
        let mut random = SplitMix64::new(random.draw() ^ lba);
        for word in body.chunks_mut(8) {
            let bytes = random.draw().to_le_bytes();
            word.copy_from_slice(&bytes[..word.len()]);
        }
        let checksum = crc32fast::hash(&block[CHECKED..]);
        block[..4].copy_from_slice(&MAGIC);
        block[4..CHECKED].copy_from_slice(&checksum.to_le_bytes());
    }

    /// What `block` is. For reports: comparing with [`fill`](Self::fill) is what decides.
    pub(super) fn identify(&self, block: &[u8]) -> Found {
        let Some((header, _)) = block.split_first_chunk::<HEADER>() else { return Found::Zeros };
        if header[..4] != MAGIC {
            let zeros = block.iter().all(|byte| *byte == 0);
            let [a, b, c, d, e, f, g, h, ..] = *header;
            return if zeros { Found::Zeros } else { Found::Foreign([a, b, c, d, e, f, g, h]) };
        }
        let name = BlockName {
            disk: u32::from_le_bytes(word(header, 28)),
            lba: u64::from_le_bytes(word(header, 8)),
            generation: u32::from_le_bytes(word(header, 24)),
        };
        let seed = u64::from_le_bytes(word(header, 16));
        if u32::from_le_bytes(word(header, 4)) == crc32fast::hash(&block[CHECKED..]) {
            return if seed == self.seed { Found::Block(name) } else { Found::OtherRun { seed } };
        }
        let mut whole = vec![0; block.len()];
        Self::new(seed).fill(name, &mut whole);
        let from = whole.iter().zip(block).position(|(a, b)| a != b).unwrap_or(block.len());
        Found::Torn { name, from }
    }

    /// The generation that a block claims, unproved.
    pub(super) fn claimed_generation(block: &[u8]) -> u32 {
        block.first_chunk::<HEADER>().map_or(0, |header| u32::from_le_bytes(word(header, 24)))
    }
}

fn word<const N: usize>(header: &[u8; HEADER], at: usize) -> [u8; N] {
    core::array::from_fn(|byte| header.get(at + byte).copied().unwrap_or(0))
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Block(name) => name.fmt(f),
            Self::OtherRun { seed } => write!(f, "a block of a run with seed {seed:#x}"),
            Self::Zeros => f.write_str("zeros"),
            Self::Torn { name, from } => {
                write!(f, "{name} up to byte {from}, then something else")
            }
            Self::Foreign(head) => {
                write!(f, "bytes that no run wrote, beginning {}", crate::hex::plain(head))
            }
        }
    }
}

impl fmt::Display for BlockName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { disk, lba, generation } = self;
        write!(f, "generation {generation} of block {lba} of disk {disk}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: BlockName = BlockName { disk: 1, lba: 1 << 33, generation: 2 };

    fn block(seed: u64, name: BlockName) -> [u8; 512] {
        let mut block = [0xee; 512];
        Pattern::new(seed).fill(name, &mut block);
        block
    }

    #[test]
    fn a_block_names_itself() {
        let pattern = Pattern::new(7);
        assert_eq!(pattern.identify(&block(7, NAME)), Found::Block(NAME));
        assert_eq!(pattern.identify(&block(8, NAME)), Found::OtherRun { seed: 8 });
        assert_eq!(Pattern::claimed_generation(&block(7, NAME)), 2);
        assert_eq!(pattern.identify(&[0; 512]), Found::Zeros);
        assert_eq!(pattern.identify(&[1; 512]), Found::Foreign([1; 8]));
    }

    #[test]
    fn blocks_that_differ_in_one_thing_differ_everywhere() {
        let ours = block(7, NAME);
        let others = [
            block(8, NAME),
            block(7, BlockName { disk: 0, ..NAME }),
            block(7, BlockName { lba: NAME.lba + 1, ..NAME }),
            block(7, BlockName { generation: 1, ..NAME }),
        ];
        for other in others {
            assert_ne!(ours[..256], other[..256]);
            assert_ne!(ours[256..], other[256..], "a torn block must show in either half");
        }
    }

    #[test]
    fn every_changed_bit_shows() {
        let pattern = Pattern::new(7);
        for at in 0..512 {
            let mut bad = block(7, NAME);
            bad[at] ^= 0x10;
            assert_ne!(pattern.identify(&bad), Found::Block(NAME), "byte {at}");
        }
    }

    #[test]
    fn a_torn_block_says_where() {
        let mut torn = block(7, NAME);
        torn[256..].copy_from_slice(&block(7, BlockName { generation: 1, ..NAME })[256..]);
        let found = Pattern::new(7).identify(&torn);
        assert_eq!(found, Found::Torn { name: NAME, from: 256 });
        assert_eq!(
            found.to_string(),
            "generation 2 of block 8589934592 of disk 1 up to byte 256, then something else"
        );
    }
}
