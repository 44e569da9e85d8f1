//! What is known of the way from a controller to memory: from a file, or from a Linux machine's sysfs.

mod config_space;
mod error;
mod sysfs;

use std::fs;
use std::path::Path;

use hba_core::dma::{AddressWidth, BusAddr, DmaWindow};
use hba_core::fabric::text::{FabricText, TextRange};
use hba_core::fabric::{Aliases, HostMapping, MappedIds, RequesterId, Topology, dma_aliases};

pub use config_space::{ConfigError, Header};
pub use error::FabricError;

/// A topology, and what is known of one controller in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fabric {
    /// The functions.
    pub topology: Topology,
    /// The controller's address.
    pub controller: Option<RequesterId>,
    /// What the host maps; `None` where no controller is known.
    pub mapping: Option<HostMapping>,
    /// What the root port lets through.
    pub port_width: Option<AddressWidth>,
    /// What the controller drives, where that is not its model's affair.
    pub device_width: Option<AddressWidth>,
    /// First and last address that the host maps.
    pub window: Option<(BusAddr, BusAddr)>,
    /// What the controller is given.
    pub ranges: Vec<TextRange>,
    /// What Linux keeps in one group with the controller.
    pub group: Option<Vec<RequesterId>>,
}

impl Fabric {
    /// What a file says.
    ///
    /// # Errors
    ///
    /// [`FabricError`] with the line.
    pub fn from_file(path: &Path, device: Option<RequesterId>) -> Result<Self, FabricError> {
        let failed = |source| FabricError::Read { path: path.to_owned(), source };
        let text = fs::read_to_string(path).map_err(failed)?;
        let text: FabricText =
            text.parse().map_err(|error| FabricError::Line { path: path.to_owned(), error })?;
        let fabric = Self {
            controller: device.or(text.controller),
            port_width: text.port_width,
            device_width: text.device_width,
            window: text.window,
            ranges: text.memory,
            topology: text.topology,
            ..Self::default()
        };
        fabric.with_mapped(text.mapped)
    }

    /// This machine's, or that of the tree at `root`.
    ///
    /// # Errors
    ///
    /// [`FabricError`].
    pub fn from_sysfs(root: &Path, device: Option<RequesterId>) -> Result<Self, FabricError> {
        sysfs::read(root, device)
    }

    /// The controller's requester IDs.
    #[must_use]
    pub fn aliases(&self) -> Option<&Aliases> {
        self.mapping.as_ref().and_then(HostMapping::aliases)
    }

    /// Other functions whose requests may appear under one of the controller's IDs: an IOMMU cannot tell them apart.
    pub fn sharers(&self) -> impl Iterator<Item = RequesterId> + '_ {
        let functions = self.topology.functions().iter().map(|function| function.address);
        functions.filter(|address| {
            let theirs = dma_aliases(&self.topology, *address);
            Some(*address) != self.controller
                && self.aliases().zip(theirs.ok()).is_some_and(|(ours, theirs)| {
                    theirs.iter().any(|alias| ours.contains(alias.id))
                })
        })
    }

    fn with_mapped(mut self, mapped: MappedIds) -> Result<Self, FabricError> {
        let Some(controller) = self.controller else { return Ok(self) };
        let aliases = dma_aliases(&self.topology, controller).map_err(FabricError::Controller)?;
        let mapping = HostMapping::unknown().with_aliases(aliases).with_mapped(mapped);
        self.mapping = Some(match self.host_window() {
            Some(window) => mapping.with_window(window),
            None => mapping,
        });
        Ok(self)
    }

    /// What leads to memory: what the root port lets through and the host maps.
    #[must_use]
    pub fn host_window(&self) -> Option<DmaWindow> {
        let width = self.port_width.unwrap_or(AddressWidth::BITS_64);
        let whole = DmaWindow::of_width(width);
        match self.window {
            Some((first, last)) => Some(whole.within(first, last)),
            None => self.port_width.map(|_| whole),
        }
    }
}
