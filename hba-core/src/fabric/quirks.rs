//! Where functions depart from what their kind says about requester IDs.

use super::{DevFn, RequesterId};

/// What is known of one function beyond its kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quirks {
    /// IDs on its own bus under which a device's requests appear besides its own.
    pub devfns: DevFnSet,
    /// Another function makes all requests of this one, under its ID and from its place.
    pub requests_as: Option<RequesterId>,
    /// A bridge without PCI Express capability that takes ownership as a PCIe-to-PCI bridge does.
    pub acts_as_pcie_bridge: bool,
    /// A PCIe-to-PCI bridge that leaves requester IDs as they are.
    pub keeps_ids: bool,
    /// A bridge where translation takes place: what lies above it changes no ID that the IOMMU sees.
    pub translates: bool,
}

/// A set of device/function numbers of one bus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DevFnSet([u64; 4]);

impl DevFnSet {
    /// None.
    pub const EMPTY: Self = Self([0; 4]);
    /// All 256.
    pub const ALL: Self = Self([u64::MAX; 4]);

    /// With `devfn` in it.
    #[must_use]
    pub const fn with(mut self, devfn: DevFn) -> Self {
        self.0[(devfn.0 >> 6) as usize] |= 1 << (devfn.0 & 63);
        self
    }

    /// Whether `devfn` is in it.
    pub const fn contains(&self, devfn: DevFn) -> bool {
        self.0[(devfn.0 >> 6) as usize] >> (devfn.0 & 63) & 1 == 1
    }

    /// Each member, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = DevFn> {
        let set = *self;
        (0..=u8::MAX).map(DevFn).filter(move |devfn| set.contains(*devfn))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::EMPTY
    }
}

impl FromIterator<DevFn> for DevFnSet {
    fn from_iter<I: IntoIterator<Item = DevFn>>(members: I) -> Self {
        members.into_iter().fold(Self::EMPTY, Self::with)
    }
}
