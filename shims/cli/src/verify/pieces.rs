//! How a range of blocks is cut into commands: of mixed sizes, in a mixed order, never overlapping.

use core::ops::Range;

use sim_backend::schedule::SplitMix64;

/// The blocks of one command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// The disk's place in the list.
    pub(super) disk: usize,
    pub(super) lba: u64,
    pub(super) blocks: u32,
    /// Times that the device had no room for it.
    pub(super) tries: u32,
}

impl Piece {
    pub(super) fn range(&self) -> Range<u64> {
        self.lba..self.lba + u64::from(self.blocks)
    }
}

/// Shortest and longest command in blocks, both at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockCounts {
    pub(super) min: u32,
    pub(super) max: u32,
}

/// The pieces of one range of one disk. Each is given once, and all cover the range.
#[derive(Debug)]
pub(super) struct Pieces {
    disk: usize,
    next: u64,
    end: u64,
    counts: BlockCounts,
    random: SplitMix64,
    /// Pieces from which the next is drawn.
    window: Vec<Piece>,
}

/// How far the order is mixed.
const WINDOW: usize = 64;

impl Pieces {
    pub(super) fn new(disk: usize, range: Range<u64>, counts: BlockCounts, seed: u64) -> Self {
        let random = SplitMix64::new(seed ^ (disk as u64).rotate_left(48));
        let window = Vec::with_capacity(WINDOW);
        Self { disk, next: range.start, end: range.end, counts, random, window }
    }

    /// Whether all pieces were given.
    pub(super) const fn is_exhausted(&self) -> bool {
        self.next >= self.end && self.window.is_empty()
    }

    fn cut(&mut self) -> Option<Piece> {
        let left = self.end.checked_sub(self.next).filter(|left| *left > 0)?;
        let blocks = self.draw_blocks().min(u32::try_from(left).unwrap_or(u32::MAX));
        let piece = Piece { disk: self.disk, lba: self.next, blocks, tries: 0 };
        self.next += u64::from(blocks);
        Some(piece)
    }

    /// Every doubling from the shortest to the longest is as likely, so that short commands are common. The last piece
    /// of a range may be shorter than the shortest.
    fn draw_blocks(&mut self) -> u32 {
        let BlockCounts { min, max } = self.counts;
        let doublings = (max / min).ilog2();
        let least = min << self.random.below(u64::from(doublings) + 1);
        let most = least.saturating_mul(2).saturating_sub(1).min(max).max(least);
        least + self.random.below(u64::from(most - least) + 1) as u32
    }
}

impl Iterator for Pieces {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        while self.window.len() < WINDOW {
            let Some(piece) = self.cut() else { break };
            self.window.push(piece);
        }
        if self.window.is_empty() {
            return None;
        }
        let at = self.random.below(self.window.len() as u64) as usize;
        Some(self.window.swap_remove(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(min: u32, max: u32, seed: u64) -> Vec<Piece> {
        Pieces::new(0, 1000..9001, BlockCounts { min, max }, seed).collect()
    }

    #[test]
    fn the_range_is_covered_once_whatever_the_sizes() {
        for (min, max) in [(1, 1), (1, 512), (3, 7), (512, 512), (8000, 9000)] {
            let mut pieces = pieces(min, max, 5);
            pieces.sort_by_key(|piece| piece.lba);
            let mut next = 1000;
            for piece in &pieces {
                assert_eq!(piece.lba, next);
                assert!(piece.blocks <= max && piece.blocks > 0);
                next += u64::from(piece.blocks);
            }
            assert_eq!(next, 9001);
            assert!(pieces.iter().filter(|piece| piece.blocks < min).count() <= 1);
        }
    }

    #[test]
    fn order_and_sizes_follow_the_seed() {
        assert_eq!(pieces(1, 64, 5), pieces(1, 64, 5));
        assert_ne!(pieces(1, 64, 5), pieces(1, 64, 6));
        let mixed = pieces(1, 64, 5);
        assert!(!mixed.is_sorted_by_key(|piece| piece.lba));
        assert!(mixed.iter().any(|piece| piece.blocks == 1));
        assert!(mixed.iter().any(|piece| piece.blocks > 32));
    }
}
