//! The EXTENDED COPY(LID1) parameter list. Source: SPC-4 6; descriptors of block devices only.
//!
//! SPC-5 calls the targets copy source and copy destination (CSCD).

use crate::command::Bits;
use crate::record::record;
use crate::wire::{BufferTooSmall, Truncated, Writer};

record! {
    /// The header of the list. Source: SPC-4 6.
    pub struct CopyHeader: 16 {} {
        /// LIST IDENTIFIER.
        list_id: u8 [0],
        /// STR: sequential striped.
        str: bool [1, 5],
        /// LIST ID USAGE: 11b means that the identifier is not used.
        list_id_usage: Bits<2> [1, 3],
        /// PRIORITY of the copy; 0 is the highest.
        priority: Bits<3> [1],
        /// TARGET DESCRIPTOR LIST LENGTH in bytes.
        targets_length: u16 [2],
        /// SEGMENT DESCRIPTOR LIST LENGTH in bytes.
        segments_length: u32 [8],
        /// INLINE DATA LENGTH in bytes.
        inline_length: u32 [12],
    }
}

record! {
    /// An identification descriptor target (E4h) of a block device. Source: SPC-4 6.
    pub struct IdentificationTarget: 32 { 0 = 0xe4 } {
        /// LU ID TYPE; 00b is the only one that is not obsolete.
        lu_id_type: Bits<2> [1, 6],
        /// NUL: no target; segments that use it do nothing with it.
        nul: bool [1, 5],
        /// PERIPHERAL DEVICE TYPE; 00h is a disk.
        device_type: Bits<5> [1],
        /// RELATIVE INITIATOR PORT IDENTIFIER; 0 leaves the choice to the copy manager.
        relative_initiator_port: u16 [2],
        /// CODE SET of the designator.
        code_set: Bits<4> [4],
        /// ASSOCIATION of the designator.
        association: Bits<2> [5, 4],
        /// DESIGNATOR TYPE.
        designator_type: Bits<4> [5],
        /// DESIGNATOR LENGTH in bytes, at most 20.
        designator_length: u8 [7],
        /// DESIGNATOR, bytes 0 to 7.
        designator_0: u64 [8],
        /// DESIGNATOR, bytes 8 to 15.
        designator_8: u64 [16],
        /// DESIGNATOR, bytes 16 to 19.
        designator_16: u32 [24],
        /// PAD: residual data is padded.
        pad: bool [28, 2],
        /// DISK BLOCK LENGTH in bytes.
        block_length: Bits<24> [29],
    }
}

impl IdentificationTarget {
    /// The first byte of the descriptor.
    pub const TYPE: u8 = 0xe4;
    const DESIGNATOR_MAX: usize = 20;

    /// DESIGNATOR, padded with zeros. The first DESIGNATOR LENGTH bytes count.
    #[must_use = "the designator is the only result"]
    pub fn designator(&self) -> [u8; Self::DESIGNATOR_MAX] {
        let mut designator = [0; Self::DESIGNATOR_MAX];
        designator[..8].copy_from_slice(&self.designator_0.to_be_bytes());
        designator[8..16].copy_from_slice(&self.designator_8.to_be_bytes());
        designator[16..].copy_from_slice(&self.designator_16.to_be_bytes());
        designator
    }

    /// The descriptor with another designator, or `None` when that has more than 20 bytes.
    #[must_use = "the descriptor is the only result"]
    pub fn with_designator(self, designator: &[u8]) -> Option<Self> {
        let mut bytes = self.to_bytes();
        let field = bytes[8..].first_chunk_mut::<{ Self::DESIGNATOR_MAX }>()?;
        *field = [0; Self::DESIGNATOR_MAX];
        field.get_mut(..designator.len())?.copy_from_slice(designator);
        bytes[7] = designator.len() as u8;
        Some(Self::from_bytes(&bytes))
    }
}

record! {
    /// Segment 02h: whole blocks from block device to block device. Source: SPC-4 6.
    pub struct BlockSegment: 28 { 0 = 0x02, 3 = 0x18 } {
        /// DC: the number of blocks counts those of the destination.
        dc: bool [1, 1],
        /// CAT: residual data goes on to the next segment.
        cat: bool [1, 0],
        /// SOURCE TARGET DESCRIPTOR ID: index into the targets.
        source: u16 [4],
        /// DESTINATION TARGET DESCRIPTOR ID: index into the targets.
        destination: u16 [6],
        /// BLOCK DEVICE NUMBER OF BLOCKS.
        blocks: u16 [10],
        /// SOURCE BLOCK DEVICE LOGICAL BLOCK ADDRESS.
        source_lba: u64 [12],
        /// DESTINATION BLOCK DEVICE LOGICAL BLOCK ADDRESS.
        destination_lba: u64 [20],
    }
}

record! {
    /// Segment 0Ah: bytes from block device to block device, with an offset into the blocks.
    /// Source: SPC-4 6.
    pub struct BlockOffsetSegment: 32 { 0 = 0x0a, 3 = 0x1c } {
        /// CAT: residual data goes on to the next segment.
        cat: bool [1, 0],
        /// SOURCE TARGET DESCRIPTOR ID: index into the targets.
        source: u16 [4],
        /// DESTINATION TARGET DESCRIPTOR ID: index into the targets.
        destination: u16 [6],
        /// NUMBER OF BYTES.
        bytes: u32 [8],
        /// SOURCE BLOCK DEVICE LOGICAL BLOCK ADDRESS.
        source_lba: u64 [12],
        /// DESTINATION BLOCK DEVICE LOGICAL BLOCK ADDRESS.
        destination_lba: u64 [20],
        /// SOURCE BLOCK DEVICE BYTE OFFSET.
        source_offset: u16 [28],
        /// DESTINATION BLOCK DEVICE BYTE OFFSET.
        destination_offset: u16 [30],
    }
}

/// A target descriptor. Source: SPC-4 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target<'a> {
    /// E4h.
    Identification(IdentificationTarget),
    /// Any other type, 32 bytes.
    Other(&'a [u8; IdentificationTarget::LEN]),
}

/// A segment descriptor. Source: SPC-4 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Segment<'a> {
    /// 02h with the right DESCRIPTOR LENGTH.
    Blocks(BlockSegment),
    /// 0Ah with the right DESCRIPTOR LENGTH.
    BlocksWithOffset(BlockOffsetSegment),
    /// Any other type or length: the whole descriptor, of four bytes at least.
    Other(&'a [u8]),
}

/// A parameter list, laid over received bytes. Source: SPC-4 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyList<'a> {
    /// The header. Its lengths are what the initiator claims.
    pub header: CopyHeader,
    targets: &'a [[u8; IdentificationTarget::LEN]],
    segments: &'a [u8],
    inline: &'a [u8],
}

impl<'a> CopyList<'a> {
    /// Reads the list. Only what is both claimed and present counts.
    ///
    /// # Errors
    ///
    /// [`Truncated`] when `bytes` has less than the 16 bytes of the header.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Truncated> {
        let header = CopyHeader::parse(bytes)?;
        let rest = bytes.get(CopyHeader::LEN..).unwrap_or_default();
        let (targets, rest) = split(rest, header.targets_length.into());
        let (segments, rest) = split(rest, header.segments_length);
        let (inline, _) = split(rest, header.inline_length);
        Ok(Self { header, targets: targets.as_chunks().0, segments, inline })
    }

    /// The target descriptors; an incomplete last one is left out.
    pub fn targets(&self) -> impl ExactSizeIterator<Item = Target<'a>> + use<'a> {
        self.targets.iter().map(|bytes| match bytes {
            [IdentificationTarget::TYPE, ..] => {
                Target::Identification(IdentificationTarget::from_bytes(bytes))
            }
            _ => Target::Other(bytes),
        })
    }

    /// The segment descriptors; an incomplete last one is left out.
    #[must_use = "an iterator does nothing until it is walked"]
    pub const fn segments(&self) -> Segments<'a> {
        Segments { rest: self.segments }
    }

    /// The inline data.
    #[must_use = "the data is the only result"]
    pub const fn inline(&self) -> &'a [u8] {
        self.inline
    }
}

fn split(bytes: &[u8], len: u32) -> (&[u8], &[u8]) {
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    bytes.split_at_checked(len).unwrap_or((bytes, &[]))
}

/// The segment descriptors of a list. Ends with the list, always. Source: SPC-4 6.
#[derive(Clone, Debug)]
pub struct Segments<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        let rest = core::mem::take(&mut self.rest);
        let [kind, _, l0, l1, ..] = rest else {
            return None;
        };
        let len = 4 + usize::from(u16::from_be_bytes([*l0, *l1]));
        let (bytes, after) = rest.split_at_checked(len)?;
        self.rest = after;
        Some(match (kind, len) {
            (0x02, BlockSegment::LEN) => Segment::Blocks(BlockSegment::parse(bytes).ok()?),
            (0x0a, BlockOffsetSegment::LEN) => {
                Segment::BlocksWithOffset(BlockOffsetSegment::parse(bytes).ok()?)
            }
            _ => Segment::Other(bytes),
        })
    }
}

/// Writes a parameter list and tells its length. The lengths of the header follow from the rest.
///
/// # Errors
///
/// [`BufferTooSmall`] when `out` is shorter than that, or when the targets need more than the
/// 65535 bytes that their length field can tell.
pub fn emit<'a>(
    header: CopyHeader,
    targets: impl IntoIterator<Item = Target<'a>>,
    segments: impl IntoIterator<Item = Segment<'a>>,
    inline: &[u8],
    out: &mut [u8],
) -> Result<usize, BufferTooSmall> {
    let mut writer = Writer::new(out);
    writer.put(&header.to_bytes());
    for target in targets {
        match target {
            Target::Identification(target) => writer.put(&target.to_bytes()),
            Target::Other(bytes) => writer.put(bytes),
        }
    }
    let targets_end = writer.len();
    let Ok(targets_length) = u16::try_from(targets_end - CopyHeader::LEN) else {
        return Err(BufferTooSmall { needed: targets_end, available: u16::MAX.into() });
    };
    for segment in segments {
        match segment {
            Segment::Blocks(segment) => writer.put(&segment.to_bytes()),
            Segment::BlocksWithOffset(segment) => writer.put(&segment.to_bytes()),
            Segment::Other(bytes) => writer.put(bytes),
        }
    }
    let segments_length = u32::try_from(writer.len() - targets_end).unwrap_or(u32::MAX);
    writer.put(inline);
    let inline_length = u32::try_from(inline.len()).unwrap_or(u32::MAX);
    let header = CopyHeader { targets_length, segments_length, inline_length, ..header };
    writer.patch(0, &header.to_bytes());
    writer.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_disk_to_itself() {
        let naa = [0x50, 0, 0xc5, 0, 1, 2, 3, 4];
        let target = IdentificationTarget {
            code_set: Bits::new(1).unwrap(),
            designator_type: Bits::new(3).unwrap(),
            block_length: Bits::new(512).unwrap(),
            ..Default::default()
        };
        let target = target.with_designator(&naa).unwrap();
        assert_eq!(target.designator()[..9], [0x50, 0, 0xc5, 0, 1, 2, 3, 4, 0]);
        assert_eq!(target.with_designator(&[0; 21]), None);
        let blocks = BlockSegment { blocks: 8, destination_lba: 64, ..Default::default() };
        let bytes = BlockOffsetSegment { bytes: 4096, source_offset: 3, ..Default::default() };
        let segments = [Segment::Blocks(blocks), Segment::BlocksWithOffset(bytes)];
        let mut out = [0xff; 16 + 32 + 28 + 32];
        let target = Target::Identification(target);
        assert_eq!(emit(CopyHeader::default(), [target], segments, &[], &mut out), Ok(108));
        assert_eq!(out[..16], [0, 0, 0, 32, 0, 0, 0, 0, 0, 0, 0, 60, 0, 0, 0, 0]);
        assert_eq!(out[16..26], [0xe4, 0, 0, 0, 1, 3, 0, 8, 0x50, 0]);
        assert_eq!(out[44..60], [0, 0, 2, 0, 2, 0, 0, 0x18, 0, 0, 0, 0, 0, 0, 0, 8]);
        let list = CopyList::parse(&out).unwrap();
        assert!(list.targets().eq([target]));
        assert!(list.segments().eq(segments));
        assert_eq!(CopyList::parse(&out[..107]).unwrap().segments().count(), 1);
        assert!(CopyList::parse(&out[..15]).is_err());
    }

    #[test]
    fn other_descriptors_are_kept() {
        // A vendor specific segment, and one that has not the length of its type.
        let vendor = [0xc0, 0, 0, 2, 0xaa, 0x55];
        let short = [0x02, 0, 0, 0];
        let segments = [Segment::Other(&vendor), Segment::Other(&short)];
        let mut out = [0xff; 26];
        assert_eq!(emit(CopyHeader::default(), [], segments, &[], &mut out), Ok(26));
        assert_eq!(out[8..12], [0, 0, 0, 10]);
        assert_eq!(out[16..], [0xc0, 0, 0, 2, 0xaa, 0x55, 0x02, 0, 0, 0]);
        assert!(CopyList::parse(&out).unwrap().segments().eq(segments));
    }

    #[test]
    fn targets_end_at_65535_bytes() {
        let mut out = [0; 0x1_0010];
        let mut of = |count| {
            let targets = core::iter::repeat_n(Target::Other(&[0; 32]), count);
            emit(CopyHeader::default(), targets, [], &[], &mut out)
        };
        assert_eq!(of(2047), Ok(0xfff0));
        assert_eq!(of(2048), Err(BufferTooSmall { needed: 0x1_0010, available: 0xffff }));
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(mut bytes in proptest::collection::vec(any::<u8>(), 0..260),
                              targets in 0..70_u8, segments in 0..200_u8, tidy: bool) {
            if tidy && bytes.len() >= 16 {
                [bytes[2], bytes[3]] = [0, targets];
                bytes[8..12].copy_from_slice(&[0, 0, 0, segments]);
            }
            if let Ok(list) = CopyList::parse(&bytes) {
                let mut out = [0; 260];
                let len = emit(list.header, list.targets(), list.segments(), list.inline(), &mut out).unwrap();
                prop_assert!(len <= bytes.len());
                let again = CopyList::parse(&out[..len]).unwrap();
                prop_assert!(again.targets().eq(list.targets()));
                prop_assert!(again.segments().eq(list.segments()));
                prop_assert_eq!(again.inline(), list.inline());
            }
        }
    }
}
