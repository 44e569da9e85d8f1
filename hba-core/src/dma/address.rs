//! Bus addresses and the checks that keep a device from seeing a wrong one.

use core::fmt;

/// An address as the device puts it on the bus (an IOVA behind an IOMMU).
///
/// Never a pointer and never a CPU physical address: there is no conversion from either, so that one can only be made
/// where the platform maps memory and knows what it got back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct BusAddr(u64);

impl BusAddr {
    /// The address that the platform's mapping call returned.
    pub const fn new(mapped: u64) -> Self {
        Self(mapped)
    }

    /// The number that goes on the wire.
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// Bits 31:0.
    pub const fn low(self) -> u32 {
        self.0 as u32
    }

    /// Bits 63:32.
    pub const fn high(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The address `bytes` further on, wrapping at 2^64: ranges are checked as a whole by [`DmaWindow::check`].
    pub const fn offset(self, bytes: u64) -> Self {
        Self(self.0.wrapping_add(bytes))
    }
}

impl fmt::Display for BusAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// `len` consecutive bytes at a bus address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// First byte.
    pub addr: BusAddr,
    /// Bytes; zero-length segments are skipped.
    pub len: u32,
}

impl Segment {
    /// `len` bytes at `addr`.
    pub const fn new(addr: BusAddr, len: u32) -> Self {
        Self { addr, len }
    }
}

/// How many address bits a device drives: 32 for many, 63 or 64 for newer ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressWidth(u8);

impl AddressWidth {
    /// 32 bits.
    pub const BITS_32: Self = Self(32);
    /// 64 bits.
    pub const BITS_64: Self = Self(64);

    /// `bits` address lines, at most 64; `None` for 0 or more than 64.
    pub const fn new(bits: u8) -> Option<Self> {
        if bits == 0 || bits > 64 { None } else { Some(Self(bits)) }
    }

    /// Number of bits.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The highest address.
    pub const fn last(self) -> u64 {
        u64::MAX >> (64 - self.0)
    }
}

/// The bus addresses that both the device and the host's mapping can use.
///
/// The device gives an address width; the host may narrow it to a window (the IOVA range of its IOMMU).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DmaWindow {
    first: u64,
    /// Bytes, 0 for none. All of 2^64 does not fit the number: the last byte of it is not used.
    size: u64,
    width: AddressWidth,
}

impl DmaWindow {
    /// Everything that `width` address bits reach.
    pub const fn of_width(width: AddressWidth) -> Self {
        Self { first: 0, size: width.last().saturating_add(1), width }
    }

    /// Narrows the window to the addresses `first..=last` that the host maps.
    #[must_use]
    pub const fn within(self, first: BusAddr, last: BusAddr) -> Self {
        let low = if first.0 > self.first { first.0 } else { self.first };
        let end = if last.0 < self.last().0 { last.0 } else { self.last().0 };
        let empty = self.is_empty() || low > end;
        let size = if empty { 0 } else { (end - low).saturating_add(1) };
        Self { first: low, size, width: self.width }
    }

    /// The device's address bits.
    pub const fn width(&self) -> AddressWidth {
        self.width
    }

    /// Whether no address is left.
    pub const fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// The lowest usable address.
    pub const fn first(&self) -> BusAddr {
        BusAddr(self.first)
    }

    /// The highest usable address; meaningless for an empty window.
    pub const fn last(&self) -> BusAddr {
        BusAddr(self.first.wrapping_add(self.size).wrapping_sub(1))
    }

    /// Whether every address of `other` is in this window, too.
    pub const fn covers(&self, other: &Self) -> bool {
        other.is_empty()
            || (other.first >= self.first && other.last().0 <= self.last().0 && !self.is_empty())
    }

    /// Whether all of `segment` lies in the window; an empty segment touches no address and does.
    #[inline]
    pub const fn contains(&self, segment: Segment) -> bool {
        let at = segment.addr.0.wrapping_sub(self.first);
        self.size.saturating_sub(at) >= segment.len as u64
    }

    /// Checks `len` bytes at `addr` that serve as `region`, which must be aligned to `align` bytes.
    ///
    /// # Errors
    ///
    /// An [`AddressFault`] that names the region, the address and the limit.
    pub const fn check(
        &self,
        region: &'static str,
        addr: BusAddr,
        len: u64,
        align: u64,
    ) -> Result<(), AddressFault> {
        let end = addr.0.checked_add(len.saturating_sub(1));
        let kind = if align > 1 && !addr.0.is_multiple_of(align) {
            FaultKind::Misaligned { align }
        } else if addr.0 < self.first {
            FaultKind::NotMapped { first: self.first(), last: self.last() }
        } else {
            match end {
                Some(end) if end <= self.last().0 && !self.is_empty() => return Ok(()),
                Some(end) if end <= self.width.last() => {
                    FaultKind::NotMapped { first: self.first(), last: self.last() }
                }
                _ => FaultKind::AboveWidth { bits: self.width.bits(), untranslated: false },
            }
        };
        Err(AddressFault { region, addr, len, kind })
    }
}

/// An address that the device must not be given, found before any doorbell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressFault {
    /// What the memory is for: `"data segment"`, `"request frames"`, `"sense buffers"` ...
    pub region: &'static str,
    /// First byte.
    pub addr: BusAddr,
    /// Bytes.
    pub len: u64,
    /// Why not.
    pub kind: FaultKind,
}

impl AddressFault {
    /// Completes the diagnosis for a list: when every segment lies above the device's width and on a page boundary,
    /// the addresses look like CPU physical ones that no IOMMU translated.
    #[must_use]
    pub fn with_hint(mut self, segments: &[Segment]) -> Self {
        if let FaultKind::AboveWidth { bits, untranslated } = &mut self.kind {
            let last = u64::MAX >> (64 - u32::from(*bits));
            let physical = |s: &Segment| s.addr.0 > last && s.addr.0.is_multiple_of(4096);
            *untranslated = !segments.is_empty() && segments.iter().all(physical);
        }
        self
    }
}

/// Why an address was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// The range needs more address bits than the device drives.
    AboveWidth {
        /// What the device drives.
        bits: u8,
        /// Whether the addresses look as if no IOMMU had translated them.
        untranslated: bool,
    },
    /// The device could drive the address, but the host maps only `first..=last`.
    NotMapped {
        /// Lowest mapped address.
        first: BusAddr,
        /// Highest mapped address.
        last: BusAddr,
    },
    /// The address is not a multiple of what the device needs.
    Misaligned {
        /// Required alignment in bytes.
        align: u64,
    },
}

impl fmt::Display for AddressFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { region, addr, len, kind } = self;
        write!(f, "{region} of {len} bytes at {addr} ")?;
        match kind {
            FaultKind::AboveWidth { bits, untranslated } => {
                write!(f, "needs more than the device's {bits} address bits")?;
                if *untranslated {
                    f.write_str(
                        "; all segments do and are page aligned: \
                         these look like physical addresses, map the memory for this device first",
                    )?;
                }
                Ok(())
            }
            FaultKind::NotMapped { first, last } => {
                write!(f, "lies outside the addresses that the host maps, {first} to {last}")
            }
            FaultKind::Misaligned { align } => write!(f, "is not aligned to {align} bytes"),
        }
    }
}

impl core::error::Error for AddressFault {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    const WINDOW_32: DmaWindow = DmaWindow::of_width(AddressWidth::BITS_32);

    #[test]
    fn b01_every_address_is_checked_against_width_and_window() {
        let check = |addr, len| WINDOW_32.check("request frames", BusAddr::new(addr), len, 16);
        assert_eq!(check(0xffff_fff0, 16), Ok(()));
        let fault = check(0xffff_fff0, 17).expect_err("one byte too far");
        assert_eq!(
            fault.to_string(),
            "request frames of 17 bytes at 0xfffffff0 needs more than the device's 32 address bits"
        );
        assert!(check(u64::MAX - 15, 32).is_err(), "a range that wraps is refused");
        let segment = |addr, len| Segment::new(BusAddr::new(addr), len);
        assert!(WINDOW_32.contains(segment(0xffff_ffff, 1)));
        assert!(!WINDOW_32.contains(segment(0xffff_ffff, 2)));
        assert!(!WINDOW_32.contains(segment(u64::MAX, 2)));
        let window = WINDOW_32.within(BusAddr::new(0x8000_0000), BusAddr::new(0xbfff_ffff));
        assert!(window.contains(segment(0x8000_0000, 0x4000_0000)));
        assert!(!window.contains(segment(0x7fff_ffff, 2)));
        assert!(!window.contains(segment(0xbfff_ffff, 2)));
    }

    #[test]
    fn b02_diagnosis_tells_above_from_unmapped_from_misaligned() {
        let window = WINDOW_32.within(BusAddr::new(0x8000_0000), BusAddr::new(0xbfff_ffff));
        let kind = |addr, align| {
            window.check("sense buffers", BusAddr::new(addr), 64, align).map_err(|f| f.kind)
        };
        assert_eq!(kind(0x8000_0000, 64), Ok(()));
        assert!(matches!(kind(0x7fff_ffff, 1), Err(FaultKind::NotMapped { .. })));
        assert!(matches!(kind(0xc000_0000, 1), Err(FaultKind::NotMapped { .. })));
        assert!(matches!(kind(0x1_0000_0000, 1), Err(FaultKind::AboveWidth { bits: 32, .. })));
        assert!(matches!(kind(0x8000_0010, 64), Err(FaultKind::Misaligned { align: 64 })));

        let above = |addr| Segment::new(BusAddr::new(addr), 4096);
        let fault = WINDOW_32.check("data segment", BusAddr::new(0x8_0000_0000), 4096, 1);
        let fault = fault.expect_err("needs 36 bits");
        let physical = fault.with_hint(&[above(0x8_0000_0000), above(0x8_1234_5000)]);
        assert!(physical.to_string().ends_with("map the memory for this device first"));
        let mixed = fault.with_hint(&[above(0x8_0000_0000), above(0x1000)]);
        assert_eq!(mixed, fault, "a low segment shows that a mapper was at work");
        let odd = fault.with_hint(&[above(0x8_0000_0000), above(0x8_1234_5010)]);
        assert_eq!(odd, fault, "physical pages begin on page boundaries");
    }
}
