//! A fabric as text: a topology and what the host knows of it, one fact to the line.
//!
//! ```text
//! # An LSI 53C1030 on a PCI-X card, behind the card's bridge
//! root 00
//! 00:01.0  root-port    to 01
//! 01:00.0  pcie-to-pci  to 02   id 10b5:8114
//! 02:04.0  pci          id 1000:0030
//! 02:04.1  pci          id 1000:0030
//! controller 02:04.0
//! mapped 02:04.0
//! window 0x80000000-0xbfffffff
//! ```
//!
//! A line that begins with an address is a function: `domain:bus:device.function`, all hexadecimal, the domain 0 where it is
//! left out. After it comes what the function is:
//!
//! | word | what |
//! |---|---|
//! | `endpoint` | a PCI Express endpoint |
//! | `pci` | a PCI or PCI-X device |
//! | `vf of ADDRESS` | a virtual function of a physical one |
//! | `root-port`, `upstream-port`, `downstream-port` | a port of a root complex or a switch |
//! | `pcie-to-pci` | a bridge from PCI Express down to PCI or PCI-X |
//! | `pci-to-pcie` | a reverse bridge, from PCI or PCI-X down to PCI Express |
//! | `pci-bridge` | a bridge without PCI Express capability |
//!
//! and then, in any order: `to BUS` for ports and bridges, the bus right below; `id VENDOR:DEVICE[/VENDOR:SUBSYSTEM]`, by which
//! known quirks are found; and quirks that are not known: `also DEVICE.FUNCTION`, `as ADDRESS`, `takes-ownership`, `keeps-ids`,
//! `translates` (see [`Quirks`]).
//!
//! The other lines:
//!
//! | line | what |
//! |---|---|
//! | `root [DOMAIN:]BUS` | a root bus: at least one |
//! | `controller ADDRESS` | the function that is looked at |
//! | `mapped ADDRESS...` or `mapped all` | the requester IDs that the host maps; may be repeated |
//! | `window FIRST-LAST` | the addresses that the host maps |
//! | `port-bits N` | the root port refuses requests with more address bits |
//! | `device-bits N` | the controller drives this many address bits |
//! | `memory FIRST-LAST [NAME]` | addresses that the controller is given; may be repeated |
//!
//! `#` begins a comment. Numbers of addresses are decimal, or hexadecimal with `0x`.

mod error;
mod line;

use alloc::string::String;
use alloc::vec::Vec;
use core::str::FromStr;

pub use error::{LineError, LineErrorKind};

use super::{Function, MappedIds, Quirks, RequesterId, RootBus, Topology, TopologyError};
use crate::dma::{AddressWidth, BusAddr};
use line::Line;

/// What a text says of a fabric.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FabricText {
    /// The functions.
    pub topology: Topology,
    /// The function that is looked at.
    pub controller: Option<RequesterId>,
    /// The requester IDs that are mapped.
    pub mapped: MappedIds,
    /// First and last address that the host maps.
    pub window: Option<(BusAddr, BusAddr)>,
    /// What the root port lets through.
    pub port_width: Option<AddressWidth>,
    /// What the controller drives.
    pub device_width: Option<AddressWidth>,
    /// What the controller is given.
    pub memory: Vec<TextRange>,
}

/// Addresses that a controller is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextRange {
    /// What they are for.
    pub name: String,
    /// The first byte.
    pub first: BusAddr,
    /// The last byte.
    pub last: BusAddr,
}

impl FromStr for FabricText {
    type Err = LineError;

    fn from_str(text: &str) -> Result<Self, LineError> {
        let mut reader = Reader::default();
        for (number, line) in (1..).zip(text.lines()) {
            let at = |kind| LineError { line: number, kind };
            let line = line.split_once('#').map_or(line, |(line, _)| line);
            if let Some(parsed) = line::parse(line).map_err(at)? {
                reader.take(number, parsed).map_err(at)?;
            }
        }
        reader.finish()
    }
}

/// The lines so far.
#[derive(Default)]
struct Reader {
    text: FabricText,
    roots: Vec<RootBus>,
    functions: Vec<(usize, Function)>,
    controller: Option<usize>,
}

impl Reader {
    fn take(&mut self, number: usize, line: Line) -> Result<(), LineErrorKind> {
        match line {
            Line::Root(root) if self.roots.contains(&root) => return Err(LineErrorKind::Twice),
            Line::Root(root) => self.roots.push(root),
            Line::Function(function) => {
                let same = |(_, other): &(usize, Function)| other.address == function.address;
                if self.functions.iter().any(same) {
                    let address = function.address;
                    return Err(LineErrorKind::Topology(TopologyError::Duplicate { address }));
                }
                self.functions.push((number, function));
            }
            Line::Controller(address) => {
                self.controller = Some(number);
                return once(&mut self.text.controller, address);
            }
            Line::MappedAll => self.text.mapped = MappedIds::All,
            Line::Mapped(mut ids) => match &mut self.text.mapped {
                MappedIds::All => {}
                MappedIds::Only(known) => known.append(&mut ids),
                MappedIds::Unknown => self.text.mapped = MappedIds::Only(ids),
            },
            Line::Window(range) => return once(&mut self.text.window, range),
            Line::PortBits(width) => return once(&mut self.text.port_width, width),
            Line::DeviceBits(width) => return once(&mut self.text.device_width, width),
            Line::Memory(range) => self.text.memory.push(range),
        }
        Ok(())
    }

    fn finish(mut self) -> Result<FabricText, LineError> {
        let lines: Vec<_> =
            self.functions.iter().map(|(line, function)| (function.address, *line)).collect();
        let line_of = |address| {
            lines.iter().find(|(known, _)| *known == address).map_or(0, |(_, line)| *line)
        };
        let functions = self.functions.into_iter().map(|(_, function)| function);
        self.text.topology = Topology::new(self.roots, functions).map_err(|error| LineError {
            line: line_of(error.address()),
            kind: LineErrorKind::Topology(error),
        })?;
        if let (Some(address), Some(line)) = (self.text.controller, self.controller)
            && self.text.topology.function(address).is_none()
        {
            return Err(LineError { line, kind: LineErrorKind::NoFunction(address) });
        }
        Ok(self.text)
    }
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), LineErrorKind> {
    match place.replace(value) {
        Some(_) => Err(LineErrorKind::Twice),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
