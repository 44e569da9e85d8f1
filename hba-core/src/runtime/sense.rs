//! Sense data as it is copied out of a batch.

use alloc::boxed::Box;
use core::fmt;
use core::ops::Deref;

use bytes::Bytes;

use crate::queue::SENSE_MAX;

/// The sense data of an answer, 0 to 252 bytes.
///
/// One word, because every command's answer carries it, and next to none has any: those that do have one allocation. To hand
/// it on to several, make [`Bytes`] of it, which copies nothing.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SenseData(Option<Box<Held>>);

#[derive(Clone, PartialEq, Eq)]
struct Held {
    len: u8,
    /// Zeros from `len` on.
    bytes: [u8; SENSE_MAX],
}

impl SenseData {
    /// No sense data.
    pub const NONE: Self = Self(None);

    /// A copy of `sense`, of which what is beyond 252 bytes is cut off. Source: SPC-5 4.4.1.
    pub fn copy(sense: &[u8]) -> Self {
        let len = sense.len().min(SENSE_MAX);
        if len == 0 {
            return Self::NONE;
        }
        let mut bytes = [0; SENSE_MAX];
        bytes[..len].copy_from_slice(&sense[..len]);
        Self(Some(Box::new(Held { len: len as u8, bytes })))
    }
}

impl Deref for SenseData {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |held| &held.bytes[..usize::from(held.len)])
    }
}

impl AsRef<[u8]> for SenseData {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<SenseData> for Bytes {
    fn from(sense: SenseData) -> Self {
        match sense.0 {
            Some(_) => Self::from_owner(sense),
            None => Self::new(),
        }
    }
}

impl fmt::Debug for SenseData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x?}", &**self)
    }
}

#[cfg(test)]
mod tests {
    use super::{Bytes, SENSE_MAX, SenseData};

    #[test]
    fn what_is_copied_is_there_and_no_more() {
        assert!(SenseData::copy(&[]).is_empty());
        assert_eq!(&*SenseData::copy(&[0x70, 0, 5]), [0x70, 0, 5]);
        assert_eq!(SenseData::copy(&[7; 300]).len(), SENSE_MAX);
        assert_eq!(size_of::<SenseData>(), size_of::<usize>());
    }

    #[test]
    fn it_is_handed_on_without_a_copy() {
        let sense = SenseData::copy(&[0x70, 0, 5]);
        let place = sense.as_ptr();
        let bytes = Bytes::from(sense);
        assert_eq!((&*bytes, bytes.as_ptr()), (&[0x70, 0, 5][..], place));
        assert!(Bytes::from(SenseData::NONE).is_empty());
    }
}
