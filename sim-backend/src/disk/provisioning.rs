//! UNMAP and WRITE SAME.

use scsi_proto::command::{Unmap, WriteSame10, WriteSame16};
use scsi_proto::{Direction, Lba};

use super::condition::Condition;
use super::exchange::{Exchange, Outcome, invalid_field, invalid_parameter};
use super::failure::Failure;
use super::store::BlockRange;
use super::unit::LogicalUnit;

/// MAXIMUM UNMAP LBA COUNT: blocks that one UNMAP may address in all.
pub(super) const UNMAP_BLOCKS_MAX: u32 = 0x1_0000;
/// MAXIMUM UNMAP BLOCK DESCRIPTOR COUNT.
pub(super) const UNMAP_DESCRIPTORS_MAX: u32 = 255;
/// MAXIMUM WRITE SAME LENGTH in blocks. It bounds the work of one command.
pub(super) const WRITE_SAME_BLOCKS_MAX: u32 = 0x1_0000;

/// Bytes before the first block descriptor of UNMAP. Source: SBC-4 5.28.2.
const UNMAP_HEADER_LEN: usize = 8;
const UNMAP_DESCRIPTOR_LEN: usize = 16;

/// A WRITE SAME of either length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pattern {
    range: BlockRange,
    protected: bool,
    anchor: bool,
    unmap: bool,
    /// NDOB: the pattern is zeros and there is no data-out buffer.
    no_data: bool,
}

impl From<WriteSame10> for Pattern {
    fn from(command: WriteSame10) -> Self {
        Self {
            range: BlockRange {
                lba: Lba(command.lba.into()),
                blocks: command.number_of_blocks.into(),
            },
            protected: command.wrprotect.get() != 0,
            anchor: command.anchor,
            unmap: command.unmap,
            no_data: false,
        }
    }
}

impl From<WriteSame16> for Pattern {
    fn from(command: WriteSame16) -> Self {
        Self {
            range: BlockRange { lba: Lba(command.lba), blocks: command.number_of_blocks.into() },
            protected: command.wrprotect.get() != 0,
            anchor: command.anchor,
            unmap: command.unmap,
            no_data: command.ndob,
        }
    }
}

impl LogicalUnit {
    /// Source: SBC-4 5.52. Zero blocks mean up to the last one, because WSNZ is 0.
    pub(super) fn write_same(&mut self, x: &mut Exchange<'_>, pattern: Pattern) -> Outcome {
        if pattern.protected || pattern.anchor {
            return Err(invalid_field(1));
        }
        let range = self.to_end_if_zero(pattern.range)?;
        self.check_writable()?;
        if range.blocks > WRITE_SAME_BLOCKS_MAX.into() {
            return Err(Condition::INVALID_FIELD_IN_CDB.into());
        }
        let size = self.store.block_size().bytes();
        let block = &mut self.scratch[..size as usize];
        block.fill(0);
        let wanted = if pattern.no_data { 0 } else { size };
        if wanted > x.available(Direction::ToDevice) {
            return Ok(wanted);
        }
        if wanted != 0 {
            x.receive(0, block)?;
        }
        self.store.begin_write();
        // Deallocated blocks read as zeros (LBPRZ), so only a zero pattern may be unmapped.
        if pattern.unmap && block.iter().all(|byte| *byte == 0) {
            self.store.deallocate(range)?;
        } else {
            for ahead in 0..range.blocks {
                self.store.write(Lba(range.lba.0 + ahead), block, false)?;
            }
        }
        self.store.finish_write(false)?;
        Ok(wanted)
    }

    /// Source: SBC-4 5.28. All descriptors are checked before the first one takes effect.
    pub(super) fn unmap(&mut self, x: &mut Exchange<'_>) -> Outcome {
        let command: Unmap = x.parse()?;
        if command.anchor {
            return Err(invalid_field(1));
        }
        self.check_ready()?;
        self.check_writable()?;
        let wanted = command.parameter_list_length.into();
        if wanted == 0 {
            return Ok(0);
        }
        let ranges = unmap_ranges(x.parameters(wanted, &mut self.scratch)?)?;
        ranges.iter().try_for_each(|range| self.check_range(*range))?;
        self.store.begin_write();
        for range in ranges {
            self.store.deallocate(range)?;
        }
        self.store.finish_write(false)?;
        Ok(wanted)
    }
}

/// Reads the block descriptors of an UNMAP parameter list.
fn unmap_ranges(list: &[u8]) -> Result<Vec<BlockRange>, Failure> {
    let Some((header, descriptors)) = list.split_first_chunk::<UNMAP_HEADER_LEN>() else {
        return Err(Condition::PARAMETER_LIST_LENGTH_ERROR.into());
    };
    let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let Some(descriptors) = descriptors.get(..len) else {
        return Err(Condition::PARAMETER_LIST_LENGTH_ERROR.into());
    };
    let (descriptors, _) = descriptors.as_chunks::<UNMAP_DESCRIPTOR_LEN>();
    if descriptors.len() > UNMAP_DESCRIPTORS_MAX as usize {
        return Err(invalid_parameter(2));
    }
    let mut left = u64::from(UNMAP_BLOCKS_MAX);
    let mut ranges = Vec::with_capacity(descriptors.len());
    for (number, [a, b, c, d, e, f, g, h, i, j, k, l, ..]) in descriptors.iter().enumerate() {
        let lba = Lba(u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]));
        let blocks = u64::from(u32::from_be_bytes([*i, *j, *k, *l]));
        let pointer = UNMAP_HEADER_LEN + number * UNMAP_DESCRIPTOR_LEN + 8;
        left = left.checked_sub(blocks).ok_or_else(|| invalid_parameter(pointer))?;
        ranges.push(BlockRange { lba, blocks });
    }
    Ok(ranges)
}
