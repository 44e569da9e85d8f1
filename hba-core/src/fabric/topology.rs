//! The PCI functions between a controller and the root complex, as far as they matter to requester IDs.

use alloc::vec::Vec;
use core::fmt;

use super::{Domain, Quirks, RequesterId};

/// A bus that a root complex or a host bridge begins, with no bridge above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RootBus {
    /// The domain.
    pub domain: Domain,
    /// The bus number, 0 on most machines.
    pub bus: u8,
}

/// One PCI function: a device's, or a bridge's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Where it is.
    pub address: RequesterId,
    /// What it is.
    pub kind: FunctionKind,
    /// Where it departs from what its kind says.
    pub quirks: Quirks,
}

impl Function {
    /// A function without quirks.
    pub fn new(address: RequesterId, kind: FunctionKind) -> Self {
        Self { address, kind, quirks: Quirks::default() }
    }

    /// The same function with `quirks`.
    #[must_use]
    pub fn with_quirks(self, quirks: Quirks) -> Self {
        Self { quirks, ..self }
    }
}

/// What a function is on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FunctionKind {
    /// A PCI Express endpoint, legacy endpoint, or one integrated in the root complex.
    Endpoint,
    /// A PCI or PCI-X device: no PCI Express capability.
    Conventional,
    /// A virtual function (SR-IOV) of `physical`. It may be on a bus number that no bridge leads to.
    Virtual {
        /// Its physical function, on the same domain.
        physical: RequesterId,
    },
    /// A bridge, or a port of a root complex or switch.
    Bridge {
        /// Which.
        kind: BridgeKind,
        /// The bus right below it.
        secondary: u8,
    },
}

/// The kinds of bridges, by the device/port type of their PCI Express capability (offset 02h, bits 7:4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BridgeKind {
    /// Type 4: passes requester IDs on.
    RootPort,
    /// Type 5: passes requester IDs on.
    UpstreamPort,
    /// Type 6: passes requester IDs on.
    DownstreamPort,
    /// Type 7, PCI Express above and PCI or PCI-X below: takes ownership of requests, as its secondary bus, device 0, function 0.
    PcieToPci,
    /// Type 8, a reverse bridge: PCI or PCI-X above and PCI Express below. Requests appear above under its own ID.
    PciToPcie,
    /// No PCI Express capability: PCI or PCI-X on both sides. Requests may appear above under its own ID.
    Conventional,
}

impl BridgeKind {
    /// Whether requests come out of it with the requester IDs that they went in with.
    pub const fn is_transparent(self) -> bool {
        matches!(self, Self::RootPort | Self::UpstreamPort | Self::DownstreamPort)
    }
}

impl fmt::Display for BridgeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RootPort => "root port",
            Self::UpstreamPort => "switch upstream port",
            Self::DownstreamPort => "switch downstream port",
            Self::PcieToPci => "PCIe-to-PCI(-X) bridge",
            Self::PciToPcie => "PCI(-X)-to-PCIe reverse bridge",
            Self::Conventional => "conventional PCI bridge",
        })
    }
}

impl fmt::Display for FunctionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint => f.write_str("PCIe endpoint"),
            Self::Conventional => f.write_str("conventional PCI device"),
            Self::Virtual { physical } => write!(f, "virtual function of {physical}"),
            Self::Bridge { kind, secondary } => write!(f, "{kind} to bus {secondary:02x}"),
        }
    }
}

/// Functions that hang together: every bus is a root bus or is led to by exactly one bridge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    /// By address.
    functions: Vec<Function>,
    roots: Vec<RootBus>,
}

impl Topology {
    /// A topology of these functions.
    ///
    /// # Errors
    ///
    /// [`TopologyError`]: the first thing that does not hang together.
    pub fn new(
        roots: impl IntoIterator<Item = RootBus>,
        functions: impl IntoIterator<Item = Function>,
    ) -> Result<Self, TopologyError> {
        let mut functions: Vec<_> = functions.into_iter().collect();
        functions.sort_by_key(|function| function.address);
        let topology = Self { functions, roots: roots.into_iter().collect() };
        topology.check_unique()?;
        topology.functions.iter().try_for_each(|function| topology.check(function))?;
        Ok(topology)
    }

    /// All functions, by address.
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// The function at `address`.
    pub fn function(&self, address: RequesterId) -> Option<&Function> {
        let found = self.functions.binary_search_by_key(&address, |function| function.address);
        found.ok().map(|at| &self.functions[at])
    }

    /// The bridges between `address` and its root bus, from below; none when it is on the root bus or not known.
    pub fn bridges_above(&self, address: RequesterId) -> impl Iterator<Item = &Function> {
        core::iter::successors(self.parent(address), |bridge| self.parent(bridge.address))
    }

    /// The bridge that leads to the bus of `address`; for a virtual function on a bus of its own, to that of its physical
    /// function.
    pub fn parent(&self, address: RequesterId) -> Option<&Function> {
        let (domain, bus) = (address.domain(), address.bus());
        if self.is_root(domain, bus) {
            return None;
        }
        if let Some(bridge) = self.bridge_to(domain, bus) {
            return Some(bridge);
        }
        match self.function(address)?.kind {
            FunctionKind::Virtual { physical } => self.parent(physical),
            _ => None,
        }
    }

    fn is_root(&self, domain: Domain, bus: u8) -> bool {
        self.roots.contains(&RootBus { domain, bus })
    }

    fn bridge_to(&self, domain: Domain, bus: u8) -> Option<&Function> {
        self.functions.iter().find(|function| {
            let leads =
                matches!(function.kind, FunctionKind::Bridge { secondary, .. } if secondary == bus);
            leads && function.address.domain() == domain
        })
    }

    fn check_unique(&self) -> Result<(), TopologyError> {
        let twice = self.functions.windows(2).find(|pair| pair[0].address == pair[1].address);
        match twice {
            Some(pair) => Err(TopologyError::Duplicate { address: pair[0].address }),
            None => Ok(()),
        }
    }

    fn check(&self, function: &Function) -> Result<(), TopologyError> {
        let address = function.address;
        match function.kind {
            FunctionKind::Bridge { secondary, .. } => self.check_secondary(address, secondary)?,
            FunctionKind::Virtual { physical } => {
                let known = self.function(physical).map(|f| f.kind);
                if known != Some(FunctionKind::Endpoint) || physical.domain() != address.domain() {
                    return Err(TopologyError::NoPhysicalFunction { address, physical });
                }
                // Its bus may be one that only the physical function's SR-IOV capability knows.
                return Ok(());
            }
            _ => {}
        }
        if let Some(device) = function.quirks.requests_as
            && (device == address || self.function(device).is_none())
        {
            return Err(TopologyError::NoDmaDevice { address, device });
        }
        let bus = address.bus();
        if self.is_root(address.domain(), bus) || self.bridge_to(address.domain(), bus).is_some() {
            return Ok(());
        }
        Err(TopologyError::Unreached { address })
    }

    /// Bus numbers grow downwards, which also means that no walk up goes round in a circle.
    fn check_secondary(&self, bridge: RequesterId, secondary: u8) -> Result<(), TopologyError> {
        if secondary <= bridge.bus() {
            return Err(TopologyError::Secondary { bridge, secondary });
        }
        let first = self.bridge_to(bridge.domain(), secondary).map(|f| f.address);
        if first != Some(bridge) || self.is_root(bridge.domain(), secondary) {
            return Err(TopologyError::TwoWays { bridge, secondary });
        }
        Ok(())
    }
}

/// Why functions make no topology.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TopologyError {
    /// Two functions have one address.
    Duplicate {
        /// Which.
        address: RequesterId,
    },
    /// A function is on a bus that is no root bus and that no bridge leads to.
    Unreached {
        /// Which.
        address: RequesterId,
    },
    /// A bridge leads to its own bus or one above it.
    Secondary {
        /// The bridge.
        bridge: RequesterId,
        /// The bus that it is said to lead to.
        secondary: u8,
    },
    /// Two bridges lead to one bus, or a bridge leads to a root bus.
    TwoWays {
        /// The second of them.
        bridge: RequesterId,
        /// The bus.
        secondary: u8,
    },
    /// A virtual function's physical function is not there, or no endpoint of the same domain.
    NoPhysicalFunction {
        /// The virtual function.
        address: RequesterId,
        /// What it is said to belong to.
        physical: RequesterId,
    },
    /// The device under whose ID another one makes its requests is not there, or is that device itself.
    NoDmaDevice {
        /// The function.
        address: RequesterId,
        /// The device that is said to make its requests.
        device: RequesterId,
    },
}

impl TopologyError {
    /// The function that the error is about.
    pub const fn address(&self) -> RequesterId {
        match *self {
            Self::Duplicate { address }
            | Self::Unreached { address }
            | Self::NoPhysicalFunction { address, .. }
            | Self::NoDmaDevice { address, .. } => address,
            Self::Secondary { bridge, .. } | Self::TwoWays { bridge, .. } => bridge,
        }
    }
}

impl fmt::Display for TopologyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate { address } => write!(f, "{address} is listed twice"),
            Self::Unreached { address } => {
                write!(f, "{address} is on a bus that is no root bus and that no bridge leads to")
            }
            Self::Secondary { bridge, secondary } => write!(
                f,
                "bridge {bridge} leads to bus {secondary:02x}, which is not below its own bus"
            ),
            Self::TwoWays { bridge, secondary } => {
                write!(
                    f,
                    "bridge {bridge} leads to bus {secondary:02x}, which has a way up already"
                )
            }
            Self::NoPhysicalFunction { address, physical } => write!(
                f,
                "virtual function {address} belongs to {physical}, which is no endpoint of its domain"
            ),
            Self::NoDmaDevice { address, device } => {
                write!(
                    f,
                    "{address} makes its requests as {device}, which is no other function here"
                )
            }
        }
    }
}

impl core::error::Error for TopologyError {}
