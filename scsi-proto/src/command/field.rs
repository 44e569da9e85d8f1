//! Types that fields of a CDB can have.

use crate::opcode::Opcode;

/// An unsigned number of `N` bits (1 to 32), as narrow fields of a CDB hold it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bits<const N: u32>(u32);

impl<const N: u32> Bits<N> {
    /// The largest value.
    pub const MAX: Self = Self(u32::MAX >> (32 - N));

    /// `value`, or `None` when it needs more than `N` bits.
    #[inline]
    #[must_use = "the number is the only result"]
    pub const fn new(value: u32) -> Option<Self> {
        if value <= Self::MAX.0 { Some(Self(value)) } else { None }
    }

    /// The value.
    #[inline]
    #[must_use = "the value is the only result"]
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// The CONTROL byte of a CDB. Source: SAM-5 5.2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Control(pub u8);

impl Control {
    /// Bit 2, NACA: a CHECK CONDITION establishes an auto contingent allegiance.
    #[must_use = "the bit is the only result"]
    pub const fn naca(self) -> bool {
        self.0 & 0x04 != 0
    }
}

/// PC, which set of values MODE SENSE returns. Source: SPC-5 6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PageControl {
    /// 00b: current values.
    #[default]
    Current,
    /// 01b: a mask with ones where values can be changed.
    Changeable,
    /// 10b: default values.
    Default,
    /// 11b: saved values.
    Saved,
}

/// A type that a field of a CDB or of parameter data can hold. Every value fits in `BITS` bits, every raw value is valid.
pub(crate) trait Field: Copy {
    const BITS: u32;
    /// `raw` has no bits above `BITS`.
    fn from_raw(raw: u64) -> Self;
    fn into_raw(self) -> u64;
}

macro_rules! integer_field {
    ($($int:ty)+) => {$(
        impl Field for $int {
            const BITS: u32 = <$int>::BITS;
            #[inline]
            fn from_raw(raw: u64) -> Self {
                raw as $int
            }
            #[inline]
            fn into_raw(self) -> u64 {
                self.into()
            }
        }
    )+};
}
integer_field!(u8 u16 u32 u64);

impl Field for bool {
    const BITS: u32 = 1;
    #[inline]
    fn from_raw(raw: u64) -> Self {
        raw != 0
    }
    #[inline]
    fn into_raw(self) -> u64 {
        self.into()
    }
}

impl<const N: u32> Field for Bits<N> {
    const BITS: u32 = N;
    #[inline]
    fn from_raw(raw: u64) -> Self {
        Self(raw as u32)
    }
    #[inline]
    fn into_raw(self) -> u64 {
        self.0.into()
    }
}

impl Field for Opcode {
    const BITS: u32 = 8;
    #[inline]
    fn from_raw(raw: u64) -> Self {
        Self(raw as u8)
    }
    #[inline]
    fn into_raw(self) -> u64 {
        self.0.into()
    }
}

impl Field for PageControl {
    const BITS: u32 = 2;
    #[inline]
    fn from_raw(raw: u64) -> Self {
        match raw {
            0 => Self::Current,
            1 => Self::Changeable,
            2 => Self::Default,
            _ => Self::Saved,
        }
    }
    #[inline]
    fn into_raw(self) -> u64 {
        self as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_bounded() {
        assert_eq!(Bits::<6>::new(63), Some(Bits::<6>::MAX));
        assert_eq!(Bits::<6>::new(64), None);
        assert_eq!(Bits::<32>::MAX.get(), u32::MAX);
        assert_eq!(Bits::<21>::MAX.get(), 0x1f_ffff);
    }

    #[test]
    fn naca_is_bit_2_of_control() {
        assert!(Control(0x04).naca());
        assert!(!Control(0xfb).naca());
    }

    #[test]
    fn page_control_keeps_its_value() {
        for raw in 0..4 {
            assert_eq!(PageControl::from_raw(raw).into_raw(), raw);
        }
    }
}
