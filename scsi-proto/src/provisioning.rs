//! Parameter data of UNMAP, GET LBA STATUS and WRITE SAME. Source: SBC-4 5.

use crate::command::Bits;
use crate::macros::open_code;
use crate::record::record;
use crate::wire::{self, BufferTooSmall, Truncated, Writer};

/// Both lists have a header of this many bytes.
const HEADER: usize = 8;

record! {
    /// One range of an UNMAP parameter list. Source: SBC-4 5.
    pub struct UnmapDescriptor: 16 {} {
        /// UNMAP LOGICAL BLOCK ADDRESS.
        lba: u64 [0],
        /// NUMBER OF LOGICAL BLOCKS; 0 is no error and does nothing.
        blocks: u32 [8],
    }
}

/// An UNMAP parameter list, laid over received bytes. Source: SBC-4 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnmapList<'a> {
    /// UNMAP DATA LENGTH: bytes after byte 1, as the initiator claims them.
    pub data_length: u16,
    /// UNMAP BLOCK DESCRIPTOR DATA LENGTH in bytes, as the initiator claims it.
    pub descriptor_length: u16,
    entries: &'a [[u8; UnmapDescriptor::LEN]],
}

impl<'a> UnmapList<'a> {
    /// Reads the list. Only whole descriptors that are both claimed and present count.
    ///
    /// # Errors
    ///
    /// [`Truncated`] when `bytes` has less than the 8 bytes of the header.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Truncated> {
        let [d0, d1, l0, l1, _, _, _, _, rest @ ..] = bytes else {
            return Err(Truncated { needed: HEADER, available: bytes.len() });
        };
        let descriptor_length = u16::from_be_bytes([*l0, *l1]);
        let rest = rest.get(..usize::from(descriptor_length)).unwrap_or(rest);
        let data_length = u16::from_be_bytes([*d0, *d1]);
        Ok(Self { data_length, descriptor_length, entries: rest.as_chunks().0 })
    }

    /// The ranges in the order of the initiator.
    pub fn descriptors(&self) -> impl ExactSizeIterator<Item = UnmapDescriptor> + use<'a> {
        self.entries.iter().map(UnmapDescriptor::from_bytes)
    }
}

/// Writes an UNMAP parameter list and tells its length, the PARAMETER LIST LENGTH of the CDB.
///
/// # Errors
///
/// [`BufferTooSmall`] when `out` is shorter than that, or when the list has more than the 65535
/// bytes that PARAMETER LIST LENGTH can tell.
pub fn emit_unmap(
    ranges: impl IntoIterator<Item = UnmapDescriptor>,
    out: &mut [u8],
) -> Result<usize, BufferTooSmall> {
    let mut writer = Writer::new(out);
    writer.put(&[0; HEADER]);
    for range in ranges {
        writer.put(&range.to_bytes());
    }
    let Ok(len) = u16::try_from(writer.len()) else {
        return Err(BufferTooSmall { needed: writer.len(), available: u16::MAX.into() });
    };
    writer.patch(0, &len.saturating_sub(2).to_be_bytes());
    writer.patch(2, &len.saturating_sub(HEADER as u16).to_be_bytes());
    writer.finish()
}

open_code! {
    /// PROVISIONING STATUS, four bits. Source: SBC-4 5.
    pub struct ProvisioningStatus(u8) {
        MAPPED = 0, "mapped or unknown";
        DEALLOCATED = 1, "deallocated";
        ANCHORED = 2, "anchored";
        MAPPED_KNOWN = 3, "mapped";
        UNKNOWN = 4, "unknown";
    }
}

record! {
    /// One descriptor of GET LBA STATUS: blocks with the same status. Source: SBC-4 5.
    pub struct LbaStatusDescriptor: 16 {} {
        /// STARTING LOGICAL BLOCK ADDRESS.
        lba: u64 [0],
        /// NUMBER OF LOGICAL BLOCKS.
        blocks: u32 [8],
        /// PROVISIONING STATUS; see [`provisioning`](Self::provisioning).
        provisioning_status: Bits<4> [12],
        /// ADDITIONAL STATUS.
        additional_status: u8 [13],
    }
}

impl LbaStatusDescriptor {
    /// PROVISIONING STATUS by name.
    #[must_use = "the status is the only result"]
    pub const fn provisioning(&self) -> ProvisioningStatus {
        ProvisioningStatus(self.provisioning_status.get() as u8)
    }
}

/// What GET LBA STATUS returned, laid over received bytes. Source: SBC-4 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LbaStatusList<'a> {
    /// PARAMETER DATA LENGTH: bytes after byte 3, as the device claims them.
    pub data_length: u32,
    entries: &'a [[u8; LbaStatusDescriptor::LEN]],
}

impl<'a> LbaStatusList<'a> {
    /// Reads the list. Only whole descriptors that are both claimed and present count.
    ///
    /// # Errors
    ///
    /// [`Truncated`] when `bytes` has less than the 8 bytes of the header.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Truncated> {
        let (data_length, rest) = wire::claimed(bytes)?;
        wire::require(bytes, HEADER)?;
        Ok(Self { data_length, entries: rest.get(4..).unwrap_or_default().as_chunks().0 })
    }

    /// The descriptors in the order of the device.
    pub fn descriptors(&self) -> impl ExactSizeIterator<Item = LbaStatusDescriptor> + use<'a> {
        self.entries.iter().map(LbaStatusDescriptor::from_bytes)
    }
}

/// Writes GET LBA STATUS parameter data and tells its length.
///
/// # Errors
///
/// [`BufferTooSmall`] when `out` is shorter than that.
pub fn emit_lba_status(
    descriptors: impl IntoIterator<Item = LbaStatusDescriptor>,
    out: &mut [u8],
) -> Result<usize, BufferTooSmall> {
    let mut writer = Writer::new(out);
    writer.put(&[0; HEADER]);
    for descriptor in descriptors {
        writer.put(&descriptor.to_bytes());
    }
    writer.patch_length(0);
    writer.finish()
}

/// Fills `block`, the one block of data-out of a WRITE SAME, with repetitions of `pattern`.
///
/// The last repetition is cut where the block ends. An empty pattern gives zeros, which a device
/// with LBPRZ may write by deallocating.
pub fn fill_write_same(pattern: &[u8], block: &mut [u8]) {
    let repeated = pattern.iter().copied().cycle().chain(core::iter::repeat(0));
    for (to, from) in block.iter_mut().zip(repeated) {
        *to = from;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn discard_of_one_range() {
        // What fstrim sends for one range: PARAMETER LIST LENGTH 24.
        let range = UnmapDescriptor { lba: 0x1234, blocks: 8 };
        let mut out = [0xff; 24];
        assert_eq!(emit_unmap([range], &mut out), Ok(24));
        let expected =
            [0, 22, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x34, 0, 0, 0, 8, 0, 0, 0, 0];
        assert_eq!(out, expected);
        assert!(UnmapList::parse(&out).unwrap().descriptors().eq([range]));
        assert_eq!(UnmapList::parse(&out[..23]).unwrap().descriptors().len(), 0);
        assert_eq!(UnmapList::parse(&[0; 7]), Err(Truncated { needed: 8, available: 7 }));
        let many = core::iter::repeat_n(range, 4096);
        let error = BufferTooSmall { needed: 65544, available: 65535 };
        assert_eq!(emit_unmap(many, &mut [0; 70000]), Err(error));
    }

    #[test]
    fn statuses() {
        let deallocated = LbaStatusDescriptor {
            lba: 7,
            blocks: 1,
            provisioning_status: Bits::new(1).unwrap(),
            ..Default::default()
        };
        let mapped = LbaStatusDescriptor { lba: 8, blocks: 9, ..Default::default() };
        let mut out = [0xff; 40];
        assert_eq!(emit_lba_status([deallocated, mapped], &mut out), Ok(40));
        assert_eq!(out[..8], [0, 0, 0, 36, 0, 0, 0, 0]);
        assert_eq!(out[20], 1);
        let list = LbaStatusList::parse(&out).unwrap();
        assert!(list.descriptors().eq([deallocated, mapped]));
        let first = list.descriptors().next().unwrap();
        assert_eq!(first.provisioning(), ProvisioningStatus::DEALLOCATED);
        assert!(LbaStatusList::parse(&out[..7]).is_err());
    }

    #[test]
    fn patterns_repeat() {
        let mut block = [9; 8];
        fill_write_same(&[1, 2, 3], &mut block);
        assert_eq!(block, [1, 2, 3, 1, 2, 3, 1, 2]);
        fill_write_same(&[], &mut block);
        assert_eq!(block, [0; 8]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut out = [0; 100];
            if let Ok(list) = UnmapList::parse(&bytes) {
                let len = emit_unmap(list.descriptors(), &mut out).unwrap();
                prop_assert!(len <= bytes.len());
                prop_assert!(UnmapList::parse(&out[..len]).unwrap().descriptors().eq(list.descriptors()));
            }
            if let Ok(list) = LbaStatusList::parse(&bytes) {
                let len = emit_lba_status(list.descriptors(), &mut out).unwrap();
                prop_assert!(len <= bytes.len());
                let again = LbaStatusList::parse(&out[..len]).unwrap();
                prop_assert!(again.descriptors().eq(list.descriptors()));
            }
        }
    }
}
