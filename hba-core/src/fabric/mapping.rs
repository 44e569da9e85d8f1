//! What a host says of its mapping, and the check of it before a controller touches memory.

use alloc::vec::Vec;
use core::fmt;

use super::{Aliases, RequesterId};
use crate::dma::DmaWindow;
use crate::limits::Limits;

/// What the host knows of the way from its controller to memory.
///
/// Bring-up checks it before the controller is told of any memory, and again before every reset brings it back to memory. What the
/// host does not know is not checked. Nothing of this is looked at per command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostMapping {
    aliases: Option<Aliases>,
    mapped: MappedIds,
    window: Option<DmaWindow>,
}

/// The requester IDs for which the host has the controller's memory mapped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MappedIds {
    /// The host does not know.
    #[default]
    Unknown,
    /// Every ID: there is no IOMMU, or it passes everything.
    All,
    /// These, and no other.
    Only(Vec<RequesterId>),
}

impl MappedIds {
    /// Whether `id` is mapped; `None` where the host does not know.
    pub fn contains(&self, id: RequesterId) -> Option<bool> {
        match self {
            Self::Unknown => None,
            Self::All => Some(true),
            Self::Only(ids) => Some(ids.contains(&id)),
        }
    }
}

impl HostMapping {
    /// A host that knows nothing: nothing is checked.
    pub const fn unknown() -> Self {
        Self { aliases: None, mapped: MappedIds::Unknown, window: None }
    }

    /// The IDs under which the controller's requests may appear, from [`dma_aliases`](super::dma_aliases).
    #[must_use]
    pub fn with_aliases(self, aliases: Aliases) -> Self {
        Self { aliases: Some(aliases), ..self }
    }

    /// The IDs that are mapped.
    #[must_use]
    pub fn with_mapped(self, mapped: MappedIds) -> Self {
        Self { mapped, ..self }
    }

    /// The addresses that lead to memory: what the root port lets through and the IOMMU maps.
    #[must_use]
    pub fn with_window(self, window: DmaWindow) -> Self {
        Self { window: Some(window), ..self }
    }

    /// The IDs under which the controller's requests may appear.
    pub const fn aliases(&self) -> Option<&Aliases> {
        self.aliases.as_ref()
    }

    /// The IDs that are mapped.
    pub const fn mapped(&self) -> &MappedIds {
        &self.mapped
    }

    /// The addresses that lead to memory.
    pub const fn window(&self) -> Option<DmaWindow> {
        self.window
    }

    /// The IDs under which requests may appear and that are not mapped.
    pub fn missing(&self) -> impl Iterator<Item = RequesterId> + '_ {
        let ids = self.aliases.iter().flat_map(Aliases::iter).map(|alias| alias.id);
        ids.filter(|id| self.mapped.contains(*id) == Some(false))
    }

    /// Checks that a controller with these limits can reach memory by this mapping.
    ///
    /// # Errors
    ///
    /// The first [`PreflightError`].
    pub fn check(&self, limits: Option<&Limits>) -> Result<(), PreflightError> {
        let missing = MissingAliases::of(self.missing());
        if let Some(missing) = missing {
            return Err(PreflightError::AliasNotMapped { missing });
        }
        match (self.window, limits) {
            (Some(host), Some(limits)) if !host.covers(&limits.window) => {
                Err(PreflightError::Window { device: limits.window, host })
            }
            _ => Ok(()),
        }
    }
}

/// Why a controller must not be told of memory: its first fetch, or a later one, would end in a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PreflightError {
    /// The controller's requests may appear under IDs that are not mapped.
    AliasNotMapped {
        /// Which.
        missing: MissingAliases,
    },
    /// The controller may be given addresses that do not lead to memory on this host.
    Window {
        /// What the controller's limits allow.
        device: DmaWindow,
        /// What leads to memory.
        host: DmaWindow,
    },
}

impl fmt::Display for PreflightError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AliasNotMapped { missing } => write!(
                f,
                "the controller's dma may appear under requester id {missing}, which the host has not mapped"
            ),
            Self::Window { device, host } => write!(
                f,
                "the controller may be given addresses {} to {}, of which only {} to {} lead to memory",
                device.first(),
                device.last(),
                host.first(),
                host.last()
            ),
        }
    }
}

impl core::error::Error for PreflightError {}

/// Requester IDs that are not mapped: how many, and the first of them.
///
/// [`HostMapping::missing`] has all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingAliases {
    first: [RequesterId; Self::KEPT],
    count: usize,
}

impl MissingAliases {
    /// How many are kept.
    pub const KEPT: usize = 4;

    /// `None` when `ids` has none.
    pub fn of(ids: impl IntoIterator<Item = RequesterId>) -> Option<Self> {
        let mut missing = Self { first: [RequesterId::default(); Self::KEPT], count: 0 };
        for id in ids {
            if let Some(place) = missing.first.get_mut(missing.count) {
                *place = id;
            }
            missing.count += 1;
        }
        (missing.count > 0).then_some(missing)
    }

    /// How many are missing: at least one.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// The first of them, at most [`Self::KEPT`].
    pub fn ids(&self) -> &[RequesterId] {
        &self.first[..self.count.min(Self::KEPT)]
    }
}

impl fmt::Display for MissingAliases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, id) in self.ids().iter().enumerate() {
            write!(f, "{}{id}", if at == 0 { "" } else { ", " })?;
        }
        match self.count.saturating_sub(Self::KEPT) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dma::{AddressWidth, BusAddr};
    use crate::fabric::{
        BridgeKind, DevFn, DevFnSet, Domain, Function, FunctionKind, Quirks, RootBus, Topology,
        dma_aliases,
    };
    use alloc::string::ToString;
    use alloc::vec;

    fn id(text: &str) -> RequesterId {
        text.parse().expect("well formed")
    }

    /// A controller behind a PCIe-to-PCI-X bridge.
    fn bridged(quirks: Quirks) -> Aliases {
        let bridge = FunctionKind::Bridge { kind: BridgeKind::PcieToPci, secondary: 2 };
        let port = FunctionKind::Bridge { kind: BridgeKind::RootPort, secondary: 1 };
        let functions = [
            Function::new(id("00:01.0"), port),
            Function::new(id("01:00.0"), bridge),
            Function::new(id("02:04.0"), FunctionKind::Conventional).with_quirks(quirks),
        ];
        let topology = Topology::new([RootBus { domain: Domain(0), bus: 0 }], functions);
        dma_aliases(&topology.expect("hangs together"), id("02:04.0")).expect("it is there")
    }

    #[test]
    fn every_alias_must_be_mapped() {
        let host = HostMapping::unknown().with_aliases(bridged(Quirks::default()));
        assert_eq!(host.check(None), Ok(()), "a host that does not know is not refused");
        let only = |ids: &[RequesterId]| host.clone().with_mapped(MappedIds::Only(ids.to_vec()));
        let error = only(&[id("02:04.0")]).check(None).expect_err("the bridge's is missing");
        assert_eq!(
            error.to_string(),
            "the controller's dma may appear under requester id 0000:02:00.0, which the host has not mapped"
        );
        assert!(only(&[id("02:00.0")]).check(None).is_err(), "PCI-X may keep the function's own");
        assert_eq!(only(&[id("02:00.0"), id("02:04.0")]).check(None), Ok(()));
        assert_eq!(host.with_mapped(MappedIds::All).check(None), Ok(()));
    }

    #[test]
    fn many_missing_aliases_are_counted() {
        let devfns = (1..7).map(DevFn).collect::<DevFnSet>();
        let quirks = Quirks { devfns, ..Quirks::default() };
        let host = HostMapping::unknown().with_aliases(bridged(quirks));
        let error =
            host.with_mapped(MappedIds::Only(vec![])).check(None).expect_err("none is mapped");
        let PreflightError::AliasNotMapped { missing } = error else { panic!("{error}") };
        assert_eq!((missing.count(), missing.ids().len()), (8, 4));
        assert_eq!(
            missing.to_string(),
            "0000:02:04.0, 0000:02:00.1, 0000:02:00.2, 0000:02:00.3 and 4 more"
        );
    }

    #[test]
    fn the_limits_must_stay_inside_the_hosts_window() {
        let low = DmaWindow::of_width(AddressWidth::BITS_32);
        let host = HostMapping::unknown().with_window(low);
        let limits = |window| Limits { window, ..crate::limits::tests::GOOD };
        assert_eq!(host.check(Some(&limits(low))), Ok(()));
        let inner = low.within(BusAddr::new(0x8000_0000), BusAddr::new(0x8fff_ffff));
        assert_eq!(host.check(Some(&limits(inner))), Ok(()));
        let wide = DmaWindow::of_width(AddressWidth::BITS_64);
        let error = host.check(Some(&limits(wide))).expect_err("above the root port's 32 bits");
        assert!(error.to_string().ends_with("only 0x0 to 0xffffffff lead to memory"), "{error}");
    }
}
