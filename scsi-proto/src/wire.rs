//! Moving wire structures in and out of byte slices.

use core::fmt;

use zerocopy::{FromBytes, Immutable, IntoBytes};

/// An output buffer that cannot hold what was to be emitted; nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferTooSmall {
    /// Bytes needed.
    pub needed: usize,
    /// Bytes offered.
    pub available: usize,
}

/// Received bytes that end before the fields without which they mean nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncated {
    /// Bytes needed.
    pub needed: usize,
    /// Bytes present.
    pub available: usize,
}

/// Fails unless `bytes` has at least `needed` bytes.
pub(crate) const fn require(bytes: &[u8], needed: usize) -> Result<(), Truncated> {
    if bytes.len() < needed {
        return Err(Truncated { needed, available: bytes.len() });
    }
    Ok(())
}

/// Reads the four-byte length that most parameter data begins with.
///
/// Returns it and the bytes after it that are both claimed and present.
pub(crate) fn claimed(bytes: &[u8]) -> Result<(u32, &[u8]), Truncated> {
    let truncated = Truncated { needed: 4, available: bytes.len() };
    let (length, rest) = bytes.split_first_chunk().ok_or(truncated)?;
    let length = u32::from_be_bytes(*length);
    let claimed = usize::try_from(length).unwrap_or(usize::MAX);
    Ok((length, rest.get(..claimed).unwrap_or(rest)))
}

/// Reads a structure of which trailing bytes may be missing; those read as zero.
pub(crate) fn read_padded<T: FromBytes + IntoBytes>(bytes: &[u8]) -> T {
    let mut wire = T::new_zeroed();
    for (to, from) in wire.as_mut_bytes().iter_mut().zip(bytes) {
        *to = *from;
    }
    wire
}

/// Writes `wire` to the front of `out` and tells its size.
pub(crate) fn write<T: IntoBytes + Immutable>(
    wire: &T,
    out: &mut [u8],
) -> Result<usize, BufferTooSmall> {
    let bytes = wire.as_bytes();
    let available = out.len();
    let out =
        out.get_mut(..bytes.len()).ok_or(BufferTooSmall { needed: bytes.len(), available })?;
    out.copy_from_slice(bytes);
    Ok(bytes.len())
}

/// Writes the first `len` bytes of `wire`, or `wire` and zeros up to `len`.
pub(crate) fn write_sized<T: IntoBytes + Immutable>(
    wire: &T,
    len: usize,
    out: &mut [u8],
) -> Result<usize, BufferTooSmall> {
    let available = out.len();
    let out = out.get_mut(..len).ok_or(BufferTooSmall { needed: len, available })?;
    out.fill(0);
    for (to, from) in out.iter_mut().zip(wire.as_bytes()) {
        *to = *from;
    }
    Ok(len)
}

/// Writes pieces one after the other, remembering how many bytes all of them need.
pub(crate) struct Writer<'a> {
    out: &'a mut [u8],
    needed: usize,
}

impl<'a> Writer<'a> {
    pub(crate) const fn new(out: &'a mut [u8]) -> Self {
        Self { out, needed: 0 }
    }

    /// Appends `bytes`; past the end of the buffer only their number is counted.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        let start = self.needed;
        self.needed = start.saturating_add(bytes.len());
        self.patch(start, bytes);
    }

    /// Bytes appended so far.
    pub(crate) const fn len(&self) -> usize {
        self.needed
    }

    /// Overwrites bytes that were appended before, such as a length field.
    pub(crate) fn patch(&mut self, offset: usize, bytes: &[u8]) {
        if let Some(out) = self.out.get_mut(offset..).and_then(|out| out.get_mut(..bytes.len())) {
            out.copy_from_slice(bytes);
        }
    }

    /// Writes the number of bytes appended after a four-byte length field at `offset` into it.
    pub(crate) fn patch_length(&mut self, offset: usize) {
        let len = self.len().saturating_sub(offset.saturating_add(4));
        self.patch(offset, &u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes());
    }

    /// The number of bytes appended.
    pub(crate) const fn finish(self) -> Result<usize, BufferTooSmall> {
        let (needed, available) = (self.needed, self.out.len());
        if needed > available { Err(BufferTooSmall { needed, available }) } else { Ok(needed) }
    }
}

impl fmt::Display for BufferTooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes do not fit in a buffer of {}", self.needed, self.available)
    }
}

impl core::error::Error for BufferTooSmall {}

impl fmt::Display for Truncated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "data of {} bytes ends before byte {}", self.available, self.needed)
    }
}

impl core::error::Error for Truncated {}
