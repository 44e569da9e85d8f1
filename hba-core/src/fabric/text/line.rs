//! One line.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use super::{LineErrorKind, Quirks, TextRange};
use crate::dma::{AddressWidth, BusAddr};
use crate::fabric::{
    BridgeKind, DevFn, DevFnSet, Domain, Function, FunctionKind, PciId, RequesterId, RootBus,
};

/// What a line says.
pub(super) enum Line {
    Root(RootBus),
    Function(Function),
    Controller(RequesterId),
    MappedAll,
    Mapped(Vec<RequesterId>),
    Window((BusAddr, BusAddr)),
    PortBits(AddressWidth),
    DeviceBits(AddressWidth),
    Memory(TextRange),
}

type Result<T> = core::result::Result<T, LineErrorKind>;

/// The line without its comment; `None` when there is nothing on it.
pub(super) fn parse(line: &str) -> Result<Option<Line>> {
    let mut words = Words(line.split_whitespace());
    let Some(first) = words.0.next() else { return Ok(None) };
    let line = match first {
        "root" => Line::Root(root(words.next("a bus")?)?),
        "controller" => Line::Controller(address(words.next("an address")?)?),
        "mapped" => return mapped(words).map(Some),
        "window" => Line::Window(range(words.next("FIRST-LAST")?)?),
        "port-bits" => Line::PortBits(width(words.next("a number of bits")?)?),
        "device-bits" => Line::DeviceBits(width(words.next("a number of bits")?)?),
        "memory" => return memory(words).map(Some),
        text if text.contains('.') => return function(address(text)?, words).map(Some),
        other => return Err(LineErrorKind::Word { word: other.to_owned() }),
    };
    words.end()?;
    Ok(Some(line))
}

/// The words of a line that are left.
struct Words<'a>(core::str::SplitWhitespace<'a>);

impl<'a> Words<'a> {
    fn next(&mut self, wanted: &'static str) -> Result<&'a str> {
        self.0.next().ok_or(LineErrorKind::Missing { wanted })
    }

    fn end(&mut self) -> Result<()> {
        match self.0.next() {
            Some(word) => Err(LineErrorKind::Word { word: word.to_owned() }),
            None => Ok(()),
        }
    }
}

fn function(address: RequesterId, mut words: Words<'_>) -> Result<Line> {
    let word = words.next("what the function is")?;
    let mut kind = match word {
        "endpoint" => FunctionKind::Endpoint,
        "pci" => FunctionKind::Conventional,
        "vf" => {
            let of = words.next("of ADDRESS")?;
            if of != "of" {
                return Err(LineErrorKind::Word { word: of.to_owned() });
            }
            FunctionKind::Virtual { physical: self::address(words.next("an address")?)? }
        }
        _ => FunctionKind::Bridge { kind: bridge(word)?, secondary: 0 },
    };
    let quirks = attributes(address, &mut kind, words)?;
    if let FunctionKind::Bridge { secondary: 0, .. } = kind {
        return Err(LineErrorKind::Missing { wanted: "to BUS" });
    }
    Ok(Line::Function(Function { address, kind, quirks }))
}

fn bridge(word: &str) -> Result<BridgeKind> {
    Ok(match word {
        "root-port" => BridgeKind::RootPort,
        "upstream-port" => BridgeKind::UpstreamPort,
        "downstream-port" => BridgeKind::DownstreamPort,
        "pcie-to-pci" => BridgeKind::PcieToPci,
        "pci-to-pcie" => BridgeKind::PciToPcie,
        "pci-bridge" => BridgeKind::Conventional,
        _ => return Err(LineErrorKind::Word { word: word.to_owned() }),
    })
}

/// The rest of a function's line. Quirks that are written down come on top of those that its IDs bring.
fn attributes(at: RequesterId, kind: &mut FunctionKind, mut words: Words<'_>) -> Result<Quirks> {
    let mut id = None;
    let mut quirks = Quirks::default();
    while let Some(word) = words.0.next() {
        match (word, &mut *kind) {
            ("to", FunctionKind::Bridge { secondary, .. }) => {
                *secondary = bus(words.next("a bus")?)?;
            }
            ("id", _) => id = Some(pci_id(words.next("VENDOR:DEVICE")?)?),
            ("also", _) => {
                quirks.devfns = quirks.devfns.with(devfn(words.next("DEVICE.FUNCTION")?)?);
            }
            ("as", _) => quirks.requests_as = Some(address(words.next("an address")?)?),
            ("takes-ownership", FunctionKind::Bridge { .. }) => quirks.acts_as_pcie_bridge = true,
            ("keeps-ids", FunctionKind::Bridge { .. }) => quirks.keeps_ids = true,
            ("translates", FunctionKind::Bridge { .. }) => quirks.translates = true,
            _ => return Err(LineErrorKind::Word { word: word.to_owned() }),
        }
    }
    let known = id.map(|id| Quirks::known(id, at.devfn())).unwrap_or_default();
    Ok(Quirks {
        devfns: known.devfns.iter().chain(quirks.devfns.iter()).collect::<DevFnSet>(),
        requests_as: quirks.requests_as,
        acts_as_pcie_bridge: known.acts_as_pcie_bridge || quirks.acts_as_pcie_bridge,
        keeps_ids: known.keeps_ids || quirks.keeps_ids,
        translates: known.translates || quirks.translates,
    })
}

fn mapped(mut words: Words<'_>) -> Result<Line> {
    let first = words.next("an address, or all")?;
    if first == "all" {
        words.end()?;
        return Ok(Line::MappedAll);
    }
    let ids = core::iter::once(first).chain(words.0).map(address);
    Ok(Line::Mapped(ids.collect::<Result<_>>()?))
}

fn memory(mut words: Words<'_>) -> Result<Line> {
    let (first, last) = range(words.next("FIRST-LAST")?)?;
    let name = words.0.fold(String::new(), |mut name, word| {
        if !name.is_empty() {
            name.push(' ');
        }
        name.push_str(word);
        name
    });
    let name = if name.is_empty() { "memory".to_owned() } else { name };
    Ok(Line::Memory(TextRange { name, first, last }))
}

fn address(text: &str) -> Result<RequesterId> {
    text.parse().map_err(|error| LineErrorKind::Address { text: text.to_owned(), error })
}

fn bus(text: &str) -> Result<u8> {
    let plain = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    let bus = plain.then(|| u8::from_str_radix(text, 16).ok()).flatten();
    bus.ok_or_else(|| LineErrorKind::Number { text: text.to_owned(), wanted: "a bus, 00 to ff" })
}

fn root(text: &str) -> Result<RootBus> {
    let (domain, bus_text) = text.rsplit_once(':').unwrap_or(("0", text));
    let domain = u32::from_str_radix(domain, 16).map_err(|_| LineErrorKind::Number {
        text: text.to_owned(),
        wanted: "a root bus as in 0000:00",
    })?;
    Ok(RootBus { domain: Domain(domain), bus: bus(bus_text)? })
}

fn devfn(text: &str) -> Result<DevFn> {
    // The parser of addresses knows devices and functions.
    let mut whole = "00:".to_owned();
    whole.push_str(text);
    let id: core::result::Result<RequesterId, _> = whole.parse();
    id.map(RequesterId::devfn)
        .map_err(|error| LineErrorKind::Address { text: text.to_owned(), error })
}

fn pci_id(text: &str) -> Result<PciId> {
    let number = |part: &str| {
        let plain = part.len() == 4 && part.bytes().all(|b| b.is_ascii_hexdigit());
        plain.then(|| u16::from_str_radix(part, 16).ok()).flatten()
    };
    let pair = |part: &str| {
        let (vendor, device) = part.split_once(':')?;
        Some((number(vendor)?, number(device)?))
    };
    let (chip, board) =
        text.split_once('/').map_or((text, None), |(chip, board)| (chip, Some(board)));
    let board = board.map_or(Some((0, 0)), pair);
    let Some(((vendor, device), (subsystem_vendor, subsystem))) = pair(chip).zip(board) else {
        let wanted = "ids as in 1000:0030 or 9005:0285/9005:02bb";
        return Err(LineErrorKind::Number { text: text.to_owned(), wanted });
    };
    Ok(PciId { vendor, device, subsystem_vendor, subsystem })
}

fn width(text: &str) -> Result<AddressWidth> {
    let width = text.parse().ok().and_then(AddressWidth::new);
    width.ok_or_else(|| LineErrorKind::Number { text: text.to_owned(), wanted: "1 to 64 bits" })
}

fn range(text: &str) -> Result<(BusAddr, BusAddr)> {
    let number = |part: &str| match part.strip_prefix("0x") {
        Some(hex) if !hex.starts_with('+') => u64::from_str_radix(hex, 16).ok(),
        Some(_) => None,
        None => part.parse().ok(),
    };
    let parsed = text.split_once('-').and_then(|(first, last)| number(first).zip(number(last)));
    match parsed {
        Some((first, last)) if first <= last => Ok((BusAddr::new(first), BusAddr::new(last))),
        _ => Err(LineErrorKind::Number {
            text: text.to_owned(),
            wanted: "addresses as in 0x80000000-0xbfffffff, the first not above the last",
        }),
    }
}
