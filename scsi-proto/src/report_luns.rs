//! REPORT LUNS parameter data. Source: SPC-5 6.

use crate::lun::Lun;
use crate::wire::{BufferTooSmall, Truncated, Writer};

/// Bytes of LUN LIST LENGTH and the reserved field after it.
const HEADER: usize = 8;
const ENTRY: usize = size_of::<Lun>();

/// The LUN list of a target, laid over received bytes. Source: SPC-5 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LunList<'a> {
    /// LUN LIST LENGTH in bytes, as the device claims it.
    list_length: u32,
    entries: &'a [[u8; ENTRY]],
}

impl<'a> LunList<'a> {
    /// Reads the list. Only whole entries that are both claimed and present count.
    ///
    /// # Errors
    ///
    /// [`Truncated`] when `bytes` has less than the 8 bytes of the header.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Truncated> {
        let truncated = Truncated { needed: HEADER, available: bytes.len() };
        let (length, rest) = bytes.split_first_chunk().ok_or(truncated)?;
        let list = rest.get(HEADER - 4..).ok_or(truncated)?;
        let list_length = u32::from_be_bytes(*length);
        let claimed = usize::try_from(list_length).unwrap_or(usize::MAX);
        let list = list.get(..claimed).unwrap_or(list);
        Ok(Self { list_length, entries: list.as_chunks().0 })
    }

    /// The LUNs in the order of the device.
    pub fn luns(&self) -> impl ExactSizeIterator<Item = Lun> + use<'a> {
        self.entries.iter().map(|bytes| Lun(*bytes))
    }

    /// The ALLOCATION LENGTH that the whole list needs, in bytes. Ask again with it where
    /// [`is_complete`](Self::is_complete) is false; a hostile device may claim up to 4 GiB.
    #[must_use = "the length is the only result"]
    pub const fn needed(&self) -> u64 {
        self.list_length as u64 + HEADER as u64
    }

    /// Whether every claimed entry is present.
    #[must_use = "the answer is the only result"]
    pub fn is_complete(&self) -> bool {
        u64::from(self.list_length) / ENTRY as u64 == self.entries.len() as u64
    }
}

/// Writes the header and `luns`, and tells how many bytes.
///
/// # Errors
///
/// [`BufferTooSmall`] when `out` is shorter than that.
pub fn emit(luns: impl IntoIterator<Item = Lun>, out: &mut [u8]) -> Result<usize, BufferTooSmall> {
    let mut writer = Writer::new(out);
    writer.put(&[0; HEADER]);
    for lun in luns {
        writer.put(lun.as_bytes());
    }
    let list_length = u32::try_from(writer.len() - HEADER).unwrap_or(u32::MAX);
    writer.patch(0, &list_length.to_be_bytes());
    writer.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn identity_and_truncation() {
        let luns = [0, 1, 300].map(Lun::from_number);
        let mut out = [0xff; 40];
        assert_eq!(emit(luns, &mut out), Ok(32));
        let list = LunList::parse(&out).unwrap();
        assert!(list.luns().eq(luns));
        assert!(list.is_complete());
        let cut = LunList::parse(&out[..23]).unwrap();
        assert!(cut.luns().eq([Lun::ZERO]));
        assert!(!cut.is_complete());
        assert_eq!(cut.needed(), 32);
        assert_eq!(emit(luns, &mut out[..31]), Err(BufferTooSmall { needed: 32, available: 31 }));
    }

    #[test]
    fn header_is_required() {
        assert_eq!(LunList::parse(&[0; 7]), Err(Truncated { needed: 8, available: 7 }));
        assert_eq!(LunList::parse(&[0; 8]).unwrap().luns().len(), 0);
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(list) = LunList::parse(&bytes) {
                prop_assert!(list.luns().len() * 8 + 8 <= bytes.len());
            }
        }
    }
}
