//! Under which requester IDs a function's DMA may reach the root complex.

use alloc::vec::Vec;
use core::fmt;

use super::{BridgeKind, DevFn, Function, FunctionKind, RequesterId, Topology};

/// The requester IDs under which requests of the function at `address` may appear at the root complex, with the rule that
/// gives each.
///
/// All of them must be mapped: which one a request carries is up to the bridges, and on PCI-X may change from one request to
/// the next. The rules are those by which Linux finds DMA aliases (`pci_for_each_dma_alias` in `drivers/pci/search.c`, version
/// 6.18), and the PCI Express to PCI/PCI-X Bridge Specification, 2.3:
///
/// 1. The function's own ID; or that of the device that makes its requests, where there is one.
/// 2. The IDs on the same bus that a quirk names.
/// 3. Going up: a PCIe-to-PCI(-X) bridge adds its secondary bus, device 0, function 0; a reverse bridge and a conventional
///    bridge add their own ID; root ports and switch ports add nothing.
/// 4. A quirk may make a conventional bridge act as a PCIe-to-PCI bridge, keep a PCIe-to-PCI bridge from adding anything, or
///    end the walk at a bridge that translates itself.
///
/// # Errors
///
/// [`NoSuchFunction`] when the topology has nothing at `address`.
pub fn dma_aliases(topology: &Topology, address: RequesterId) -> Result<Aliases, NoSuchFunction> {
    let function = topology.function(address).ok_or(NoSuchFunction { address })?;
    let mut aliases = Aliases::default();
    let device = match function.quirks.requests_as.and_then(|device| topology.function(device)) {
        Some(device) => {
            aliases.add(device.address, AliasRule::DmaDevice);
            device
        }
        None => {
            aliases.add(address, AliasRule::OwnId);
            function
        }
    };
    for devfn in device.quirks.devfns.iter() {
        aliases.add(device.address.with_devfn(devfn), AliasRule::DeviceQuirk);
    }
    for bridge in topology.bridges_above(device.address) {
        if bridge.quirks.translates {
            break;
        }
        if let Some((id, rule)) = bridge_alias(topology, bridge) {
            aliases.add(id, rule);
        }
    }
    Ok(aliases)
}

/// The ID that a bridge may put in the place of the one that it gets.
fn bridge_alias(topology: &Topology, function: &Function) -> Option<(RequesterId, AliasRule)> {
    let FunctionKind::Bridge { kind, secondary } = function.kind else { return None };
    let bridge = function.address;
    let owned = RequesterId::from_parts(bridge.domain(), secondary, DevFn::ZERO);
    match kind {
        BridgeKind::RootPort | BridgeKind::UpstreamPort | BridgeKind::DownstreamPort => None,
        BridgeKind::PcieToPci if function.quirks.keeps_ids => None,
        BridgeKind::PcieToPci => Some((owned, AliasRule::PcieToPci { bridge })),
        BridgeKind::PciToPcie => Some((bridge, AliasRule::PciToPcie { bridge })),
        BridgeKind::Conventional if hides_pcie(topology, function) => {
            Some((owned, AliasRule::BridgeQuirk { bridge }))
        }
        BridgeKind::Conventional => Some((bridge, AliasRule::ConventionalBridge { bridge })),
    }
}

/// Whether a bridge without PCI Express capability has PCI Express above it all the same.
fn hides_pcie(topology: &Topology, bridge: &Function) -> bool {
    let above = topology.parent(bridge.address).map(|above| above.kind);
    let express = |kind: BridgeKind| kind.is_transparent() || kind == BridgeKind::PciToPcie;
    bridge.quirks.acts_as_pcie_bridge
        && matches!(above, Some(FunctionKind::Bridge { kind, .. }) if express(kind))
}

/// One requester ID under which a function's requests may appear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The ID.
    pub id: RequesterId,
    /// Why; the first rule on the way up where several give the same ID.
    pub rule: AliasRule,
}

/// Why a requester ID belongs to a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AliasRule {
    /// It is the function's own.
    OwnId,
    /// Another device makes the function's requests.
    DmaDevice,
    /// A quirk of the device: it uses this ID of its bus too.
    DeviceQuirk,
    /// The PCIe-to-PCI(-X) bridge takes ownership, as its secondary bus, device 0, function 0.
    PcieToPci {
        /// Which bridge.
        bridge: RequesterId,
    },
    /// The PCI(-X)-to-PCIe reverse bridge puts its own ID.
    PciToPcie {
        /// Which bridge.
        bridge: RequesterId,
    },
    /// The conventional bridge puts its own ID.
    ConventionalBridge {
        /// Which bridge.
        bridge: RequesterId,
    },
    /// The bridge has no PCI Express capability and takes ownership all the same.
    BridgeQuirk {
        /// Which bridge.
        bridge: RequesterId,
    },
}

impl AliasRule {
    /// The rule's name in tables: one word.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::OwnId => "own-id",
            Self::DmaDevice => "dma-device",
            Self::DeviceQuirk => "device-quirk",
            Self::PcieToPci { .. } => "pcie-to-pci",
            Self::PciToPcie { .. } => "pci-to-pcie",
            Self::ConventionalBridge { .. } => "conventional-bridge",
            Self::BridgeQuirk { .. } => "bridge-quirk",
        }
    }
}

impl fmt::Display for AliasRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnId => f.write_str("its own ID"),
            Self::DmaDevice => f.write_str("the device that makes its requests"),
            Self::DeviceQuirk => f.write_str("a known quirk: it uses this ID of its bus too"),
            Self::PcieToPci { bridge } => write!(
                f,
                "PCIe-to-PCI(-X) bridge {bridge} takes ownership as its secondary bus, device 0, function 0"
            ),
            Self::PciToPcie { bridge } => write!(f, "reverse bridge {bridge} puts its own ID"),
            Self::ConventionalBridge { bridge } => {
                write!(f, "conventional bridge {bridge} puts its own ID")
            }
            Self::BridgeQuirk { bridge } => write!(
                f,
                "a known quirk: bridge {bridge} takes ownership though it has no PCIe capability"
            ),
        }
    }
}

/// The requester IDs of one function, each once, in the order of the walk upwards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aliases {
    aliases: Vec<Alias>,
}

impl Aliases {
    /// Each of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Alias> {
        self.aliases.iter().copied()
    }

    /// How many there are: at least one.
    #[expect(clippy::len_without_is_empty, reason = "a function has at least one requester ID")]
    pub fn len(&self) -> usize {
        self.aliases.len()
    }

    /// Whether requests may appear under `id`.
    pub fn contains(&self, id: RequesterId) -> bool {
        self.aliases.iter().any(|alias| alias.id == id)
    }

    fn add(&mut self, id: RequesterId, rule: AliasRule) {
        if !self.contains(id) {
            self.aliases.push(Alias { id, rule });
        }
    }
}

/// A topology has no function at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSuchFunction {
    /// Where one was looked for.
    pub address: RequesterId,
}

impl fmt::Display for NoSuchFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the topology has no function at {}", self.address)
    }
}

impl core::error::Error for NoSuchFunction {}

#[cfg(test)]
mod tests;
