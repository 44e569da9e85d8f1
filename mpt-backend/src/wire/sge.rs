//! Scatter-gather elements.
//!
//! A list is a run of simple elements. Where it does not fit into its frame, the last slot holds a
//! chain element that points to a buffer with more elements.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

flags! {
    /// Flags of an element: bits 31:24 of a simple element, byte 3 of a chain element.
    ///
    /// The element type in bits 5:4 is not a set of bits; the constructors of the elements fill it
    /// in.
    #[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
    #[repr(transparent)]
    pub struct SgeFlags(u8) {
        LAST_ELEMENT = 0x80, "last element";
        END_OF_BUFFER = 0x40, "end of buffer";
        LOCAL_ADDRESS = 0x08, "local address";
        HOST_TO_IOC = 0x04, "host to IOC";
        ADDRESS_64 = 0x02, "64-bit address";
        END_OF_LIST = 0x01, "end of list";
    }
}

impl SgeFlags {
    /// Mask of the element type; type 0 is a transaction context.
    pub const ELEMENT_TYPE_MASK: Self = Self(0x30);
    /// Element type: simple.
    pub const SIMPLE_ELEMENT: Self = Self(0x10);
    /// Element type: chain.
    pub const CHAIN_ELEMENT: Self = Self(0x30);
    /// Flags of the last simple element of a list in one buffer.
    pub const FINAL: Self = Self(0x80 | 0x40 | 0x01);
}

/// Most bytes that one simple element describes.
pub const MAX_SIMPLE_LENGTH: u32 = 0x00ff_ffff;

/// The `FlagsLength` word: flags in bits 31:24, length in bytes in bits 23:0.
///
/// `None` when `length` exceeds [`MAX_SIMPLE_LENGTH`].
#[must_use = "the word has no effect until it is stored in an element"]
pub const fn flags_length(flags: SgeFlags, length: u32) -> Option<u32> {
    if length > MAX_SIMPLE_LENGTH { None } else { Some((flags.0 as u32) << 24 | length) }
}

/// Simple element with a 32-bit address (`SGE_SIMPLE32`), 8 bytes. Host-written.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct SgeSimple32 {
    /// 0x00: build with [`flags_length`].
    pub flags_length: U32,
    /// 0x04: bus address.
    pub address: U32,
}

const _: () = assert!(size_of::<SgeSimple32>() == 8);

impl SgeSimple32 {
    /// An element for `length` bytes at `address`. `None` when `length` exceeds
    /// [`MAX_SIMPLE_LENGTH`].
    #[must_use = "the element has no effect until it is stored in a list"]
    pub const fn new(flags: SgeFlags, length: u32, address: u32) -> Option<Self> {
        let Some(word) = flags_length(flags.union(SgeFlags::SIMPLE_ELEMENT), length) else {
            return None;
        };
        Some(Self { flags_length: U32::new(word), address: U32::new(address) })
    }
}

/// Simple element with a 64-bit address (`SGE_SIMPLE64`), 12 bytes. Host-written.
///
/// It also serves as `SGE_SIMPLE_UNION`: without [`SgeFlags::ADDRESS_64`] only the low half of the
/// address counts, at the place where [`SgeSimple32`] has its address.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct SgeSimple64 {
    /// 0x00: build with [`flags_length`].
    pub flags_length: U32,
    /// 0x04: bus address.
    pub address: U64,
}

const _: () = assert!(size_of::<SgeSimple64>() == 12);

impl SgeSimple64 {
    /// An element for `length` bytes at `address`. `None` when `length` exceeds
    /// [`MAX_SIMPLE_LENGTH`].
    #[must_use = "the element has no effect until it is stored in a list"]
    pub const fn new(flags: SgeFlags, length: u32, address: u64) -> Option<Self> {
        let flags = flags.union(SgeFlags::SIMPLE_ELEMENT).union(SgeFlags::ADDRESS_64);
        let Some(word) = flags_length(flags, length) else {
            return None;
        };
        Some(Self { flags_length: U32::new(word), address: U64::new(address) })
    }
}

/// Chain element with a 32-bit address (`SGE_CHAIN32`), 8 bytes. Host-written.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct SgeChain32 {
    /// 0x00: bytes of the chain buffer that hold elements.
    pub length: U16,
    /// 0x02: offset of the chain element in the chain buffer, in 32-bit words; 0 is none.
    pub next_chain_offset: u8,
    /// 0x03.
    pub flags: SgeFlags,
    /// 0x04: bus address of the chain buffer.
    pub address: U32,
}

const _: () = assert!(size_of::<SgeChain32>() == 8);

impl SgeChain32 {
    /// An element for a chain buffer of `length` bytes at `address`. `next_chain_offset` is in
    /// 32-bit words.
    #[must_use = "the element has no effect until it is stored in a list"]
    pub const fn new(length: u16, next_chain_offset: u8, address: u32) -> Self {
        Self {
            length: U16::new(length),
            next_chain_offset,
            flags: SgeFlags::CHAIN_ELEMENT,
            address: U32::new(address),
        }
    }
}

/// Chain element with a 64-bit address (`SGE_CHAIN64`), 12 bytes. Host-written.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct SgeChain64 {
    /// 0x00: bytes of the chain buffer that hold elements.
    pub length: U16,
    /// 0x02: offset of the chain element in the chain buffer, in 32-bit words; 0 is none.
    pub next_chain_offset: u8,
    /// 0x03.
    pub flags: SgeFlags,
    /// 0x04: bus address of the chain buffer.
    pub address: U64,
}

const _: () = assert!(size_of::<SgeChain64>() == 12);

impl SgeChain64 {
    /// An element for a chain buffer of `length` bytes at `address`. `next_chain_offset` is in
    /// 32-bit words.
    #[must_use = "the element has no effect until it is stored in a list"]
    pub const fn new(length: u16, next_chain_offset: u8, address: u64) -> Self {
        Self {
            length: U16::new(length),
            next_chain_offset,
            flags: SgeFlags::CHAIN_ELEMENT.union(SgeFlags::ADDRESS_64),
            address: U64::new(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simple_elements_on_the_wire() {
        let flags = SgeFlags::FINAL | SgeFlags::HOST_TO_IOC;
        let element = SgeSimple32::new(flags, 0x200, 0x1234_5678).expect("fits");
        assert_eq!(element.as_bytes(), [0x00, 0x02, 0x00, 0xd5, 0x78, 0x56, 0x34, 0x12]);

        let element = SgeSimple64::new(SgeFlags::FINAL, 0x00ff_ffff, 0x1_0000_0000).expect("fits");
        assert_eq!(element.as_bytes(), [0xff, 0xff, 0xff, 0xd3, 0, 0, 0, 0, 1, 0, 0, 0]);
    }

    #[test]
    fn a_length_that_would_run_into_the_flags_is_refused() {
        assert_eq!(SgeSimple64::new(SgeFlags::NONE, 0x0100_0000, 0), None);
        assert_eq!(SgeSimple32::new(SgeFlags::NONE, u32::MAX, 0), None);
    }

    #[test]
    fn chain_elements_on_the_wire() {
        let element = SgeChain64::new(0x0180, 0x1d, 0x2_0000_1000);
        assert_eq!(element.as_bytes(), [0x80, 0x01, 0x1d, 0x32, 0, 0x10, 0, 0, 2, 0, 0, 0]);
        assert_eq!(SgeChain32::new(8, 0, 0x1000).as_bytes(), [8, 0, 0, 0x30, 0, 0x10, 0, 0]);
    }
}
