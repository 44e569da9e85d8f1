//! Requester IDs: how a PCI function names itself on the bus, and how Linux writes that down.

use core::fmt;
use core::str::FromStr;

/// A PCI domain (segment group): bus numbers are unique in one of these. 0 on most machines.
///
/// Firmware gives 16 bits; Linux makes up larger numbers for host bridges without a number of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(pub u32);

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}", self.0)
    }
}

/// A device and a function on one bus, as eight bits: device in bits 7:3, function in bits 2:0.
///
/// With alternative routing-ID interpretation (ARI) all eight bits are a function number; the text stays the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DevFn(pub u8);

impl DevFn {
    /// Device 0, function 0: what a bridge calls itself when it takes ownership of a request.
    pub const ZERO: Self = Self(0);

    /// `device` (0 to 31) and `function` (0 to 7); `None` beyond.
    pub const fn new(device: u8, function: u8) -> Option<Self> {
        if device > 31 || function > 7 { None } else { Some(Self(device << 3 | function)) }
    }

    /// Device number.
    pub const fn device(self) -> u8 {
        self.0 >> 3
    }

    /// Function number.
    pub const fn function(self) -> u8 {
        self.0 & 7
    }
}

impl fmt::Display for DevFn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}.{}", self.device(), self.function())
    }
}

/// The requester ID of a PCI function with the domain that it is unique in.
///
/// It is the function's address for configuration, and the name under which its DMA reaches an IOMMU, unless a bridge on the
/// way puts another in its place ([`dma_aliases`](super::dma_aliases)). Written as Linux does: `0000:03:00.0`.
///
/// PCI Express Base Specification, "Transaction Descriptor", Transaction ID field: bus in bits 15:8, device in 7:3, function in
/// 2:0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequesterId {
    domain: Domain,
    bus: u8,
    devfn: DevFn,
}

impl RequesterId {
    /// Bus, device (0 to 31) and function (0 to 7) in domain 0; `None` when a number is out of range.
    pub const fn new(bus: u8, device: u8, function: u8) -> Option<Self> {
        match DevFn::new(device, function) {
            Some(devfn) => Some(Self { domain: Domain(0), bus, devfn }),
            None => None,
        }
    }

    /// The sixteen bits that travel with a request, in `domain`.
    pub const fn from_raw(domain: Domain, raw: u16) -> Self {
        Self { domain, bus: (raw >> 8) as u8, devfn: DevFn(raw as u8) }
    }

    /// `devfn` on `bus` of `domain`.
    pub const fn from_parts(domain: Domain, bus: u8, devfn: DevFn) -> Self {
        Self { domain, bus, devfn }
    }

    /// The sixteen bits that travel with a request.
    pub const fn raw(self) -> u16 {
        (self.bus as u16) << 8 | self.devfn.0 as u16
    }

    /// The domain.
    pub const fn domain(self) -> Domain {
        self.domain
    }

    /// Bus number.
    pub const fn bus(self) -> u8 {
        self.bus
    }

    /// Device and function.
    pub const fn devfn(self) -> DevFn {
        self.devfn
    }

    /// Device number.
    pub const fn device(self) -> u8 {
        self.devfn.device()
    }

    /// Function number.
    pub const fn function(self) -> u8 {
        self.devfn.function()
    }

    /// Another device and function on the same bus.
    #[must_use]
    pub const fn with_devfn(self, devfn: DevFn) -> Self {
        Self { devfn, ..self }
    }
}

impl fmt::Display for RequesterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:02x}:{}", self.domain, self.bus, self.devfn)
    }
}

impl FromStr for RequesterId {
    type Err = ParseRequesterIdError;

    /// Takes `0000:03:00.0`, and `03:00.0` for domain 0. All numbers are hexadecimal.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        use ParseRequesterIdError as Error;
        let (rest, function) = text.rsplit_once('.').ok_or(Error::Form)?;
        let (rest, device) = rest.rsplit_once(':').ok_or(Error::Form)?;
        let (domain, bus) = rest.rsplit_once(':').unwrap_or(("0", rest));
        let domain = hex(domain, 8, u32::MAX).ok_or(Error::Domain)?;
        let bus = hex(bus, 2, 0xff).ok_or(Error::Bus)?;
        let device = hex(device, 2, 31).ok_or(Error::Device)?;
        let function = hex(function, 1, 7).ok_or(Error::Function)?;
        let devfn = DevFn((device << 3 | function) as u8);
        Ok(Self { domain: Domain(domain), bus: bus as u8, devfn })
    }
}

/// One to `digits` hexadecimal digits, nothing else, at most `max`.
fn hex(text: &str, digits: usize, max: u32) -> Option<u32> {
    let plain = (1..=digits).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    let value = if plain { u32::from_str_radix(text, 16).ok()? } else { return None };
    (value <= max).then_some(value)
}

/// Why a text is no requester ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseRequesterIdError {
    /// It does not have the form `domain:bus:device.function`.
    Form,
    /// The domain is not one to eight hexadecimal digits.
    Domain,
    /// The bus is not one or two hexadecimal digits.
    Bus,
    /// The device is not a hexadecimal number up to 1f.
    Device,
    /// The function is not a digit up to 7.
    Function,
}

impl fmt::Display for ParseRequesterIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "a pci address has the form 0000:03:00.0 (domain:bus:device.function)",
            Self::Domain => "the domain of a pci address is one to eight hexadecimal digits",
            Self::Bus => "the bus of a pci address is one or two hexadecimal digits",
            Self::Device => "the device of a pci address is a hexadecimal number up to 1f",
            Self::Function => "the function of a pci address is a digit up to 7",
        })
    }
}

impl core::error::Error for ParseRequesterIdError {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn text_and_bits_agree() {
        let id: RequesterId = "0000:03:1f.7".parse().expect("well formed");
        assert_eq!((id.bus(), id.device(), id.function(), id.raw()), (3, 31, 7, 0x03ff));
        assert_eq!(RequesterId::from_raw(Domain(0), 0x03ff), id);
        assert_eq!(RequesterId::new(3, 31, 7), Some(id));
        assert_eq!("3:1f.7".parse(), Ok(id));
        assert_eq!(id.to_string(), "0000:03:1f.7");
        let far: RequesterId = "10000:e1:00.0".parse().expect("a domain that Linux made up");
        assert_eq!((far.domain(), far.to_string().as_str()), (Domain(0x10000), "10000:e1:00.0"));
        assert_eq!(RequesterId::new(0, 32, 0), None);
        assert_eq!(RequesterId::new(0, 0, 8), None);
    }

    #[test]
    fn what_is_no_requester_id_is_told_by_its_part() {
        use ParseRequesterIdError::*;
        let cases = [
            ("", Form),
            ("03", Form),
            ("03:00", Form),
            ("00.0", Form),
            (":00.0", Bus),
            ("100:00.0", Bus),
            ("+3:00.0", Bus),
            ("03:20.0", Device),
            ("03:.0", Device),
            ("03:00.8", Function),
            ("03:00.", Function),
            ("03:00.0 ", Function),
            ("x:03:00.0", Domain),
            ("123456789:03:00.0", Domain),
            ("0:0:03:00.0", Domain),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<RequesterId>(), Err(error), "{text:?}");
        }
    }
}
